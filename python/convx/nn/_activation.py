"""Activations: functions of one element, and softmax."""

from __future__ import annotations

from typing import Any, Literal, SupportsFloat, SupportsIndex

import numpy as np

from convx import _arguments, _core
from convx._types import Array
from convx.nn._module import Module

__all__ = [
    "ELU",
    "GELU",
    "Hardtanh",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
]


class _Pointwise(Module):
    """A function of the core with up to two numbers.

    `_by_output` says that the gradient needs the output alone, given in place of the input: then a `Sequential` can let
    the convolution before compute the function in training mode too. `fused_name` is what a convolution calls it.
    """

    _function: str
    _by_output = False
    _alpha = 0.0
    _beta = 0.0
    fused_name: str | None = None

    def forward(self, input: Any) -> Array:
        """Apply the function to each element."""
        output = _core.pointwise_forward(self._function, input, False, None, self._alpha, self._beta)
        if self.training:
            self._saved = output if self._by_output else np.asarray(input)
        return output

    def backward(self, grad_output: Any) -> Array:
        """Return the input's gradient."""
        saved = self._saved
        if saved is None:
            self._no_forward()
        output = saved if self._by_output else None
        return _core.pointwise_backward(self._function, saved, grad_output, output, None, self._alpha, self._beta)


class _Plain(_Pointwise):
    def __init__(self, inplace: bool = False) -> None:
        pass


class ReLU(_Plain):
    """A layer of `convx.relu`: what is negative becomes zero.

    Parameters
    ----------
    inplace : bool
        Accepted for PyTorch's sake, here and below; results are new arrays.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> relu = nn.ReLU()
    >>> relu(np.array([-1.0, 2.0])), relu.backward(np.array([5.0, 5.0]))
    (array([0., 2.]), array([0., 5.]))
    """

    _function = fused_name = "relu"
    _by_output = True


class ReLU6(_Plain):
    """A layer of `convx.relu6`: clamps to [0, 6].

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.ReLU6()(np.array([-1.0, 2.0, 9.0]))
    array([0., 2., 6.])
    """

    _function = fused_name = "relu6"
    _by_output = True


class LeakyReLU(_Pointwise):
    """A layer of `convx.leaky_relu`: what is negative is multiplied by a slope.

    Parameters
    ----------
    negative_slope : float, default 0.01

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.LeakyReLU(0.5)(np.array([-1.0, 2.0]))
    array([-0.5,  2. ])
    """

    _function = "leaky_relu"

    def __init__(self, negative_slope: SupportsFloat = 0.01, inplace: bool = False) -> None:
        self.negative_slope = self._alpha = _arguments.real(negative_slope, "negative_slope")
        self._by_output = self._alpha > 0
        if self._alpha == 0.01:
            self.fused_name = "leaky_relu"

    def _describe(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(_Pointwise):
    """A layer of `convx.elu`: what is negative bends towards -alpha.

    Parameters
    ----------
    alpha : float, default 1

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.ELU()(np.array([-1.0, 2.0])).round(3)
    array([-0.632,  2.   ])
    """

    _function = "elu"

    def __init__(self, alpha: SupportsFloat = 1.0, inplace: bool = False) -> None:
        self.alpha = self._alpha = _arguments.real(alpha, "alpha")

    def _describe(self) -> str:
        return f"alpha={self.alpha}"


class Hardtanh(_Pointwise):
    """A layer of `convx.hardtanh`: clamps to a range.

    Parameters
    ----------
    min_val, max_val : float, default -1 and 1

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.Hardtanh()(np.array([-3.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """

    _function = "hardtanh"
    _by_output = True

    def __init__(self, min_val: SupportsFloat = -1.0, max_val: SupportsFloat = 1.0, inplace: bool = False) -> None:
        self.min_val, self.max_val = self._alpha, self._beta = _arguments.bounds(min_val, max_val)
        if (self._alpha, self._beta) == (-1, 1):
            self.fused_name = "hardtanh"

    def _describe(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class SiLU(_Plain):
    """A layer of `convx.silu`: ``x * sigmoid(x)``.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.SiLU()(np.array([-1.0, 2.0])).round(3)
    array([-0.269,  1.762])
    """

    _function = fused_name = "silu"


class GELU(_Pointwise):
    """A layer of `convx.gelu`: ``x`` times the normal distribution.

    Parameters
    ----------
    approximate : {"none", "tanh"}

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.GELU()(np.array([-1.0, 2.0])).round(3)
    array([-0.159,  1.954])
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        self.approximate = approximate
        self._function = _arguments.gelu(approximate)

    def _describe(self) -> str:
        return f"approximate={self.approximate!r}"


class Sigmoid(_Pointwise):
    """A layer of `convx.sigmoid`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.Sigmoid()(np.array([0.0, 2.0])).round(3)
    array([0.5  , 0.881])
    """

    _function = fused_name = "sigmoid"
    _by_output = True


class Tanh(_Pointwise):
    """A layer of `convx.tanh`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.Tanh()(np.array([0.0, 2.0])).round(3)
    array([0.   , 0.964])
    """

    _function = fused_name = "tanh"
    _by_output = True


class Softmax(Module):
    """A layer of `convx.softmax`.

    Parameters
    ----------
    dim : int, optional
        The dimension whose elements sum to one.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.Softmax(-1)(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """

    _log = False

    def __init__(self, dim: SupportsIndex | None = None) -> None:
        self.dim = dim

    def forward(self, input: Any) -> Array:
        """Apply the function along the dimension."""
        output = _core.softmax_forward(self._log, input, self.dim, None)
        if self.training:
            self._saved = output
        return output

    def backward(self, grad_output: Any) -> Array:
        """Return the input's gradient."""
        output = self._saved
        if output is None:
            self._no_forward()
        return _core.softmax_backward(self._log, output, grad_output, self.dim, output, None)

    def _describe(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """A layer of `convx.log_softmax`: the logarithm of `Softmax`.

    Parameters
    ----------
    dim : int, optional
        The dimension whose exponentials sum to one.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.LogSoftmax(-1)(np.array([0.0, 0.0])).round(3)
    array([-0.693, -0.693])
    """

    _log = True
