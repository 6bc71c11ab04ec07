"""Functions of one element at a time, and softmax."""

from __future__ import annotations

from typing import Any, SupportsFloat, SupportsIndex

import numpy as np

from convx import _arguments, _core
from convx._types import Approximate, Array, ArrayLike

__all__ = [
    "elu",
    "gelu",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]


def relu(input: ArrayLike, inplace: bool = False, *, out: Array | None = None) -> Array:
    """Replace what is negative by zero.

    Parameters
    ----------
    input : array_like
        float32 or float64, of any shape, with any strides, never copied if they are whole elements.
    inplace : bool, default False
        Whether to write the result into `input`, which must be an ndarray then.
    out : ndarray, optional
        Where the result goes: its shape and dtype, writeable, any strides. It may be `input` itself.

    Returns
    -------
    ndarray
        `out` or `input` as asked for, else a new array that lies in memory as `input` does.

    Raises
    ------
    TypeError
        For dtypes other than float32 and float64 in native byte order, and arguments of the wrong type.
    ValueError
        For an `out` of the wrong shape, read-only, or with elements that share memory.

    See Also
    --------
    convx.grad.relu : The gradient.

    Notes
    -----
    NaN stays NaN in every function of this kind.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> x = np.array([-2.0, 3.0, 7.0])
    >>> convx.relu(x)
    array([0., 3., 7.])
    >>> convx.relu(x, out=x) is x
    True
    """
    return _core.pointwise_forward("relu", input, inplace, out)


def relu6(input: ArrayLike, inplace: bool = False, *, out: Array | None = None) -> Array:
    """Clamp to [0, 6].

    Parameters
    ----------
    input : array_like
        float32 or float64, of any shape and strides.
    inplace, out
        See `relu`.

    Returns
    -------
    ndarray
        See `relu`.

    Raises
    ------
    TypeError, ValueError
        See `relu`.

    See Also
    --------
    convx.grad.relu6 : The gradient.

    Notes
    -----
    Exact.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.relu6(np.array([-2.0, 3.0, 7.0]))
    array([0., 3., 6.])
    """
    return _core.pointwise_forward("relu6", input, inplace, out)


def leaky_relu(
    input: ArrayLike, negative_slope: SupportsFloat = 0.01, inplace: bool = False, *, out: Array | None = None
) -> Array:
    """Multiply what is negative by a slope.

    Parameters
    ----------
    input : array_like
        float32 or float64, of any shape and strides.
    negative_slope : float, default 0.01
        Factor below zero.
    inplace, out
        See `relu`.

    Returns
    -------
    ndarray
        See `relu`.

    Raises
    ------
    TypeError, ValueError
        See `relu`.

    See Also
    --------
    convx.grad.leaky_relu : The gradient.

    Notes
    -----
    Rounded once.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.leaky_relu(np.array([-2.0, 3.0]), 0.25)
    array([-0.5,  3. ])
    """
    return _core.pointwise_forward("leaky_relu", input, inplace, out, _arguments.real(negative_slope, "negative_slope"))


def elu(input: ArrayLike, alpha: SupportsFloat = 1.0, inplace: bool = False, *, out: Array | None = None) -> Array:
    """Bend what is negative towards -alpha: ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    input : array_like
        float32 or float64, of any shape and strides.
    alpha : float, default 1
        Scale below zero.
    inplace, out
        See `relu`.

    Returns
    -------
    ndarray
        See `relu`.

    Raises
    ------
    TypeError, ValueError
        See `relu`.

    See Also
    --------
    convx.grad.elu : The gradient.

    Notes
    -----
    Within 3 units in the last place for `alpha` 1, near zero too; one half more for others.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.elu(np.array([-1e-12, 3.0]))
    array([-1.e-12,  3.e+00])
    """
    return _core.pointwise_forward("elu", input, inplace, out, _arguments.real(alpha, "alpha"))


def hardtanh(
    input: ArrayLike,
    min_val: SupportsFloat = -1.0,
    max_val: SupportsFloat = 1.0,
    inplace: bool = False,
    *,
    out: Array | None = None,
) -> Array:
    """Clamp to [min_val, max_val].

    Parameters
    ----------
    input : array_like
        float32 or float64, of any shape and strides.
    min_val, max_val : float, default -1 and 1
        The bounds; `min_val` must not be greater.
    inplace, out
        See `relu`.

    Returns
    -------
    ndarray
        See `relu`.

    Raises
    ------
    TypeError, ValueError
        See `relu`.

    See Also
    --------
    convx.grad.hardtanh : The gradient.

    Notes
    -----
    Exact.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.hardtanh(np.array([-2.0, 0.5, 7.0]))
    array([-1. ,  0.5,  1. ])
    """
    least, most = _arguments.bounds(min_val, max_val)
    return _core.pointwise_forward("hardtanh", input, inplace, out, least, most)


def silu(input: ArrayLike, inplace: bool = False, *, out: Array | None = None) -> Array:
    """Multiply by the logistic function: ``x * sigmoid(x)``, also known as swish.

    Parameters
    ----------
    input : array_like
        float32 or float64, of any shape and strides.
    inplace, out
        See `relu`.

    Returns
    -------
    ndarray
        See `relu`.

    Raises
    ------
    TypeError, ValueError
        See `relu`.

    See Also
    --------
    convx.grad.silu : The gradient.

    Notes
    -----
    Within 2.75 units in the last place; -0 where ``exp(-x)`` overflows (below -88 in float32, -709 in float64), NaN at
    minus infinity.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.silu(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.2689,  0.    ,  0.7311])
    """
    return _core.pointwise_forward("silu", input, inplace, out)


def gelu(input: ArrayLike, approximate: Approximate = "none", *, out: Array | None = None) -> Array:
    """Multiply by the normal distribution: ``x * Phi(x)``.

    Parameters
    ----------
    input : array_like
        float32 or float64, of any shape and strides.
    approximate : {"none", "tanh"}, default "none"
        The distribution itself, or ``(1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2``.
    out
        See `relu`.

    Returns
    -------
    ndarray
        See `relu`.

    Raises
    ------
    TypeError, ValueError
        See `relu`.

    See Also
    --------
    convx.grad.gelu : The gradient.

    Notes
    -----
    Within 10 units in the last place, in the far tail too; the tanh form within ``3 + 6 * abs(z)``, `z` the argument of
    its tanh, and -0 where ``exp(-2 * z)`` overflows. NaN at minus infinity.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.gelu(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.1587,  0.    ,  0.8413])
    """
    return _core.pointwise_forward(_arguments.gelu(approximate), input, False, out)


def sigmoid(input: ArrayLike, *, out: Array | None = None) -> Array:
    """Apply the logistic function ``1 / (1 + exp(-x))``.

    Parameters
    ----------
    input : array_like
        float32 or float64, of any shape and strides.
    out
        See `relu`.

    Returns
    -------
    ndarray
        See `relu`.

    Raises
    ------
    TypeError, ValueError
        See `relu`.

    See Also
    --------
    convx.grad.sigmoid : The gradient.

    Notes
    -----
    Within 2.75 units in the last place; 0 where ``exp(-x)`` overflows (below -88 in float32, -709 in float64).

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.sigmoid(np.array([-1.0, 0.0, 1.0])).round(4)
    array([0.2689, 0.5   , 0.7311])
    """
    return _core.pointwise_forward("sigmoid", input, False, out)


def tanh(input: ArrayLike, *, out: Array | None = None) -> Array:
    """Apply the hyperbolic tangent.

    Parameters
    ----------
    input : array_like
        float32 or float64, of any shape and strides.
    out
        See `relu`.

    Returns
    -------
    ndarray
        See `relu`.

    Raises
    ------
    TypeError, ValueError
        See `relu`.

    See Also
    --------
    convx.grad.tanh : The gradient.

    Notes
    -----
    Within 2.75 units in the last place.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.tanh(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.7616,  0.    ,  0.7616])
    """
    return _core.pointwise_forward("tanh", input, False, out)


def softmax(
    input: ArrayLike,
    dim: SupportsIndex | None = None,
    _stacklevel: int = 3,
    dtype: Any = None,
    *,
    out: Array | None = None,
) -> Array:
    """Turn values along an axis into probabilities: ``exp(x) / sum(exp(x))``.

    Parameters
    ----------
    input : array_like
        float32 or float64, of any shape and strides.
    dim : int, optional
        The axis. Left out it is 0 for 0, 1 and 3 dimensions, else 1, as in PyTorch.
    _stacklevel : int
        Ignored; it keeps the positional order of PyTorch.
    dtype : dtype, optional
        float32 or float64: `input` is converted to it first, from whatever it is.
    out : ndarray, optional
        See `relu`.

    Returns
    -------
    ndarray
        See `relu`.

    Raises
    ------
    TypeError, ValueError
        See `relu`; and for a `dim` that `input` does not have.

    See Also
    --------
    log_softmax : Its logarithm, where the probabilities are tiny.
    convx.grad.softmax : The gradient.

    Notes
    -----
    The greatest value is subtracted first: nothing overflows. A NaN, plus infinity, or nothing but minus infinity along
    the axis makes all of it NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.softmax(np.log([[1.0, 3.0], [1.0, 1.0]]), 1)
    array([[0.25, 0.75],
           [0.5 , 0.5 ]])
    """
    if dtype is not None:
        input = np.asarray(input, _arguments.float_dtype(dtype, "dtype"))
    return _core.softmax_forward(False, input, dim, out)


def log_softmax(
    input: ArrayLike,
    dim: SupportsIndex | None = None,
    _stacklevel: int = 3,
    dtype: Any = None,
    *,
    out: Array | None = None,
) -> Array:
    """Logarithm of `softmax`, precise where that is tiny: ``x - log(sum(exp(x)))``.

    Parameters
    ----------
    input : array_like
        float32 or float64, of any shape and strides.
    dim, _stacklevel, dtype, out
        See `softmax`.

    Returns
    -------
    ndarray
        See `relu`.

    Raises
    ------
    TypeError, ValueError
        See `softmax`.

    See Also
    --------
    convx.grad.log_softmax : The gradient.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.log_softmax(np.array([0.0, -1000.0]), 0)
    array([    0., -1000.])
    """
    if dtype is not None:
        input = np.asarray(input, _arguments.float_dtype(dtype, "dtype"))
    return _core.softmax_forward(True, input, dim, out)
