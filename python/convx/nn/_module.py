"""What all layers have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from convx._types import Array, ArrayLike
from convx.nn import _state
from convx.nn._parameter import Parameter

__all__ = ["Module"]

Self = TypeVar("Self", bound="Module")


class LoadResult(NamedTuple):
    """Names that a loaded state lacked, and names in it that the module does not have."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """A layer, or a network of layers: `forward`, `backward` and parameters.

    Calling a module calls `forward`. In training mode (the beginning) a module remembers what its gradient needs, and
    ``backward(grad_output)`` returns the gradient with respect to the input and adds those of the parameters to their
    ``.grad``. It does so for the last forward call: one module serves one place of a network. In eval mode nothing is
    remembered, batch normalisation uses its running statistics, dropout does nothing, and convolutions keep plans.

    Write own modules by deriving from this class: what is assigned to attributes (`Parameter` and `Module`) is found
    under the attributes' names, and `backward` calls those of the parts in reverse.

    Attributes
    ----------
    training : bool
        Whether the module is in training mode; see `train` and `eval`.
    needs_input_gradient : bool
        True to begin with. When set to False, `backward` of a convolution or linear layer leaves the input's gradient
        out, which costs about as much as the forward pass, and returns None: nobody needs that of a network's first
        layer.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> class Residual(nn.Module):
    ...     def __init__(self, channels):
    ...         self.body = nn.Sequential(nn.Conv2d(channels, channels, 3, padding="same", rng=0), nn.ReLU())
    ...
    ...     def forward(self, input):
    ...         return input + self.body(input)
    ...
    ...     def backward(self, grad_output):
    ...         return grad_output + self.body.backward(grad_output)
    ...
    >>> block = Residual(4)
    >>> list(block.state_dict())
    ['body.0.weight', 'body.0.bias']
    >>> y = block(np.ones((1, 4, 5, 5), np.float32))
    >>> block.backward(np.ones_like(y)).shape
    (1, 4, 5, 5)
    """

    training = True
    needs_input_gradient = True

    # Attributes that are saved beside the parameters, and those that are forgotten when the mode or the state changes.
    _buffers: tuple[str, ...] = ()
    _transient: tuple[str, ...] = ("_saved",)
    _saved: Any = None
    _fold_batch_norm = False

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output, of one input as a rule. Modules define it."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward(input)")

    def backward(self, grad_output: Any) -> Any:
        """Return the gradient with respect to the input of the last `forward`, and add those of the parameters.

        Parameters
        ----------
        grad_output : array_like
            The gradient of a loss with respect to the output.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define backward(grad_output)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def _no_forward(self) -> NoReturn:
        name = type(self).__name__
        why = "it needs a call of forward in training mode before it"
        if not self.training:
            why = "the module is in eval mode, which remembers nothing for gradients; call train() and forward first"
        raise RuntimeError(f"{name}.backward has no forward pass to go back through: {why}")

    # ---- Parts --------------------------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules that are attributes of this one, with their names."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def modules(self) -> Iterator[Module]:
        """Yield this module and all modules within, each once."""
        seen: set[int] = set()

        def walk(module: Module) -> Iterator[Module]:
            if id(module) in seen:
                return
            seen.add(id(module))
            yield module
            for _, child in module.named_children():
                yield from walk(child)

        yield from walk(self)

    def _own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield name, value

    def _named(self, prefix: str = "") -> Iterator[tuple[str, Module, str]]:
        # (full name, module, attribute) of every parameter and saved attribute, in PyTorch's order
        for name, _ in self._own_parameters():
            yield prefix + name, self, name
        for name in self._buffers:
            if getattr(self, name) is not None:
                yield prefix + name, self, name
        for name, child in self.named_children():
            yield from child._named(f"{prefix}{name}.")

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield each parameter once, with its name: ``"0.weight"`` is the weight of the part called 0."""
        seen: set[int] = set()
        for name, module, attribute in self._named():
            value = getattr(module, attribute)
            if isinstance(value, Parameter) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def parameters(self) -> Iterator[Parameter]:
        """Yield each parameter once."""
        for _, parameter in self.named_parameters():
            yield parameter

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    # ---- Modes --------------------------------------------------------------------------------------------------

    def train(self: Self, mode: bool = True) -> Self:
        """Go to training mode, or with ``mode=False`` to eval mode, with all parts. Return the module."""
        for module in self.modules():
            module.training = bool(mode)
            module._fold_batch_norm = False
            module._state_version += 1
            module._forget()
        return self

    def eval(self: Self, fold_batch_norm: bool = False) -> Self:
        """Go to eval mode, with all parts. Return the module.

        Parameters
        ----------
        fold_batch_norm : bool, default False
            Compute each batch normalisation that stands right behind a convolution in a `Sequential` as part of that
            convolution, with weights scaled by it. Results differ by rounding. Parameters and state stay as they are;
            `train` undoes it.
        """
        self.train(False)
        for module in self.modules():
            module._fold_batch_norm = fold_batch_norm
        return self

    def _forget(self) -> None:
        for name in self._transient:
            vars(self).pop(name, None)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self._transient}

    # ---- State --------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and running statistics, under PyTorch's names."""
        return {
            name: np.array(value.data if isinstance(value, Parameter) else value)
            for name, value in ((name, getattr(module, attribute)) for name, module, attribute in self._named())
        }

    def load_state_dict(self, state: Mapping[str, ArrayLike], strict: bool = True) -> LoadResult:
        """Copy values into the parameters and running statistics.

        Parameters
        ----------
        state : mapping of names to array_like
            As `state_dict` returns it, or that of a PyTorch module of the same structure. Values are converted to the
            module's dtypes.
        strict : bool, default True
            Refuse a state with missing or unknown names; with False they are left alone.

        Returns
        -------
        LoadResult
            ``missing_keys`` and ``unexpected_keys``.

        Raises
        ------
        ValueError
            For names (see `strict`) or shapes that do not fit. Nothing has been changed then.
        """
        places = {name: (module, attribute) for name, module, attribute in self._named()}
        found = LoadResult([n for n in places if n not in state], [n for n in state if n not in places])
        if strict and (found.missing_keys or found.unexpected_keys):
            raise ValueError(
                f"state does not fit {type(self).__name__}: missing {found.missing_keys or 'nothing'}, unexpected "
                f"{found.unexpected_keys or 'nothing'}; use strict=False to load what fits"
            )
        new = [
            (module, attribute, _state.fitting(name, state[name], getattr(module, attribute)))
            for name, (module, attribute) in places.items()
            if name in state
        ]
        for module, attribute, value in new:
            old = getattr(module, attribute)
            if isinstance(old, Parameter):
                old.data = value
            elif isinstance(old, np.ndarray):
                old[...] = value
            else:
                setattr(module, attribute, type(old)(value))
        for module in self.modules():
            module._forget()
            module._state_version += 1
        return found

    _state_version = 0  # counts changes of the mode and of what is not a parameter

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file: ``.npz``, or ``.safetensors`` where that package is installed."""
        _state.write(path, self.state_dict())

    def load(self, path: str | os.PathLike[str], strict: bool = True) -> LoadResult:
        """Read the state from a file that `save`, NumPy or safetensors wrote; see `load_state_dict`."""
        return self.load_state_dict(_state.read(path), strict)

    def _describe(self) -> str:
        return ""

    def __repr__(self) -> str:
        children = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        if not children:
            return f"{type(self).__name__}({self._describe()})"
        return f"{type(self).__name__}(\n  " + "\n  ".join(children) + "\n)"
