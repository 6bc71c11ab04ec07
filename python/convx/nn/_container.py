"""Modules made of modules, and those that pass things on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, SupportsIndex

import numpy as np

from convx import _arguments
from convx._types import Array
from convx.nn import _inference
from convx.nn._activation import _Pointwise
from convx.nn._conv import _Convolution
from convx.nn._module import Module
from convx.nn._norm import _BatchNorm
from convx.nn._parameter import Rng

__all__ = ["Dropout", "Flatten", "Identity", "Sequential"]


class Sequential(Module):
    """Modules one after another; `backward` goes through them in reverse.

    Activations that a convolution can fuse into its store are computed there, in both modes.

    Parameters
    ----------
    *modules : Module
        Each stands in one place only, as it remembers one forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten())
    >>> network(np.zeros((2, 1, 5, 5), np.float32)).shape
    (2, 36)
    >>> len(network), network[-1], [name for name, _ in network.named_parameters()]
    (2, Flatten(start_dim=1, end_dim=-1), ['0.weight', '0.bias'])
    """

    _transient = ("_saved", "_steps")
    _steps: Any = None

    def __init__(self, *modules: Module) -> None:
        self._parts: list[Module] = []
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> Sequential:
        """Add a module at the end. Return this one."""
        if not isinstance(module, Module):
            raise TypeError(f"Sequential takes modules, got {type(module).__name__}")
        if any(module is part for part in self._parts):
            raise ValueError(
                f"{type(module).__name__} stands in this Sequential twice; a module remembers one forward pass, so "
                "make one for each place"
            )
        self._parts.append(module)
        self._forget()
        return self

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules with their places as names."""
        for i, part in enumerate(self._parts):
            yield str(i), part

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._parts)

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        return Sequential(*self._parts[index]) if isinstance(index, slice) else self._parts[index]

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        parts = [*self._parts]
        parts[index] = module
        self._parts = []
        for part in parts:
            self.append(part)

    def forward(self, input: Any) -> Any:
        """Pass `input` through all modules."""
        steps = self._steps
        if steps is None or steps[0] is not self.training:
            steps = self._steps = (self.training, self._prepare())
        for step in steps[1]:
            input = step(input)
        return input

    def backward(self, grad_output: Any) -> Any:
        """Pass the gradient back through all modules, the last first."""
        for part in reversed(self._parts):
            grad_output = part.backward(grad_output)
        return grad_output

    def _prepare(self) -> list[Any]:
        # What forward calls, one after another.
        steps: list[Any] = []
        parts = self._flat() if not self.training else self._parts
        i = 0
        while i < len(parts):
            part = parts[i]
            i += 1
            if not isinstance(part, _Convolution) or type(part).forward is not _Convolution.forward:
                steps.append(part)
                continue
            norm = parts[i] if i < len(parts) and self._folds(part, parts[i]) else None
            i += norm is not None
            activation = parts[i] if i < len(parts) and self._fuses(parts[i]) else None
            i += activation is not None
            if not self.training:
                steps.append(_inference.Fused(part, norm, activation))
            else:
                steps.append(part if activation is None else _Trained(part, activation))
        return steps

    def _flat(self) -> list[Module]:
        parts: list[Module] = []
        for part in self._parts:
            inner = type(part) is Sequential and part.training == self.training
            parts += part._flat() if inner else [part]  # type: ignore[attr-defined]
        return parts

    def _fuses(self, activation: Module) -> bool:
        # In training mode the convolution's own result is lost: the gradient must do with the output.
        fits = isinstance(activation, _Pointwise) and activation.fused_name is not None
        return fits and (activation._by_output or not self.training)  # type: ignore[attr-defined]

    def _folds(self, conv: _Convolution, norm: Module) -> bool:
        return (
            self._fold_batch_norm
            and isinstance(norm, _BatchNorm)
            and not norm.training
            and norm.running_mean is not None
            and norm.num_features == conv.out_channels
            and norm.layout == conv.layout
        )


class _Trained:
    """A convolution and an activation in training mode, whose gradient needs the output alone."""

    def __init__(self, conv: _Convolution, activation: Any) -> None:
        self.conv, self.activation, self.name = conv, activation, activation.fused_name

    def __call__(self, input: Any) -> Array:
        if not self.activation.training or not self.conv.training:
            return self.activation(self.conv(input))  # type: ignore[no-any-return]
        output = self.conv.forward_activated(input, self.name)
        self.activation._saved = output
        return output


class Identity(Module):
    """Gives back what it gets.

    Examples
    --------
    >>> from convx import nn
    >>> nn.Identity()(3)
    3
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, input: Any) -> Any:
        """Return `input`."""
        return input

    def backward(self, grad_output: Any) -> Any:
        """Return `grad_output`."""
        return grad_output


class Flatten(Module):
    """Merge dimensions into one: all but the batch, unless told otherwise.

    Elements keep the order of the array's dimensions: a network with ``layout="channels_last"`` flattens in another
    order than PyTorch's, whose dimensions are always channels first.

    Parameters
    ----------
    start_dim, end_dim : int
        The first and the last dimension that are merged.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.Flatten()(np.zeros((8, 4, 3, 3))).shape
    (8, 36)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Array:
        """Return `input` with merged dimensions."""
        array = np.asarray(input)
        shape, n = array.shape, max(array.ndim, 1)
        first, last = (d + n if d < 0 else d for d in (self.start_dim, self.end_dim))
        if not 0 <= first <= last < n:
            raise ValueError(
                f"start_dim={self.start_dim} and end_dim={self.end_dim} must be dimensions of the input, in this "
                f"order; got shape {shape}"
            )
        if self.training:
            self._saved = shape
        count = 1
        for size in shape[first : last + 1]:
            count *= size
        return array.reshape(*shape[:first], count, *shape[last + 1 :])

    def backward(self, grad_output: Any) -> Array:
        """Return the gradient in the input's shape."""
        if self._saved is None:
            self._no_forward()
        return np.asarray(grad_output).reshape(self._saved)

    def _describe(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Dropout(Module):
    """Set elements to zero at random in training mode, and scale the others so that the mean stays.

    Parameters
    ----------
    p : float, default 0.5
        The probability of zero.
    inplace : bool
        Accepted for PyTorch's sake; results are new arrays.
    rng : numpy.random.Generator or int, optional

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> y = nn.Dropout(0.25, rng=0)(np.ones(1000, np.float32))
    >>> sorted({round(float(v), 3) for v in y})
    [0.0, 1.333]
    """

    def __init__(self, p: float = 0.5, inplace: bool = False, *, rng: Rng = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"p must be a probability from 0 to 1, got {p!r}")
        self.p = float(p)
        self._random = np.random.default_rng(rng)

    def forward(self, input: Any) -> Array:
        """Drop elements of `input`."""
        array = np.asarray(input)
        if not self.training:
            return array
        if array.dtype not in (np.float32, np.float64):
            _arguments.dtype(array, "input")
        scale = 0.0 if self.p == 1 else 1 / (1 - self.p)
        kept = self._random.random(array.shape, np.float32) >= self.p
        self._saved = kept * array.dtype.type(scale)
        return array * self._saved  # type: ignore[no-any-return]

    def backward(self, grad_output: Any) -> Array:
        """Return the gradient where elements were kept."""
        if self._saved is None:
            self._no_forward()
        return grad_output * self._saved  # type: ignore[no-any-return]

    def _describe(self) -> str:
        return f"p={self.p}"
