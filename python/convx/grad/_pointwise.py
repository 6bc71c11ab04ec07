"""Gradients of functions of one element at a time, and of softmax."""

from __future__ import annotations

from typing import SupportsFloat, SupportsIndex

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


def relu(input: ArrayLike, grad_output: ArrayLike, *, out: Array | None = None) -> Array:
    """Gradient of `convx.relu` with respect to its input; 0 at 0.

    Parameters
    ----------
    input : array_like
        What the function was given.
    grad_output : array_like
        Gradient with respect to what it gave: shape and dtype of `input`.
    out : ndarray, optional
        Where the result goes: shape and dtype of `input`, writeable, any strides. It may be `input` or `grad_output`.

    Returns
    -------
    ndarray
        `out`, if given; else a new array that lies in memory as `input` does.

    Raises
    ------
    TypeError
        For dtypes other than float32 and float64 in native byte order, mixed dtypes, and arguments of the wrong type.
    ValueError
        For arrays of other shapes, and an `out` that is read-only or whose elements share memory.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.grad.relu(np.array([-2.0, 0.0, 3.0]), np.array([10.0, 20.0, 30.0]))
    array([ 0.,  0., 30.])
    """
    return _core.pointwise_backward("relu", input, grad_output, None, out)


def relu6(input: ArrayLike, grad_output: ArrayLike, *, out: Array | None = None) -> Array:
    """Gradient of `convx.relu6` with respect to its input; 0 at both bounds.

    Parameters
    ----------
    input, grad_output, out
        See `relu`.

    Returns
    -------
    ndarray
        See `relu`.
    """
    return _core.pointwise_backward("relu6", input, grad_output, None, out)


def leaky_relu(
    input: ArrayLike, grad_output: ArrayLike, negative_slope: SupportsFloat = 0.01, *, out: Array | None = None
) -> Array:
    """Gradient of `convx.leaky_relu` with respect to its input; the slope at 0.

    Parameters
    ----------
    input, grad_output, out
        See `relu`.
    negative_slope : float, default 0.01
        See `convx.leaky_relu`.

    Returns
    -------
    ndarray
        See `relu`.
    """
    slope = _arguments.real(negative_slope, "negative_slope")
    return _core.pointwise_backward("leaky_relu", input, grad_output, None, out, slope)


def elu(
    input: ArrayLike,
    grad_output: ArrayLike,
    alpha: SupportsFloat = 1.0,
    *,
    output: ArrayLike | None = None,
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.elu` with respect to its input; `alpha` at 0.

    Parameters
    ----------
    input, grad_output, out
        See `relu`.
    alpha : float, default 1
        See `convx.elu`.
    output : array_like, optional
        What `convx.elu` gave, if it is at hand: saves an exponential for each element, at the price of relative
        precision where the function saturates.

    Returns
    -------
    ndarray
        See `relu`.
    """
    return _core.pointwise_backward("elu", input, grad_output, output, out, _arguments.real(alpha, "alpha"))


def hardtanh(
    input: ArrayLike,
    grad_output: ArrayLike,
    min_val: SupportsFloat = -1.0,
    max_val: SupportsFloat = 1.0,
    *,
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.hardtanh` with respect to its input; 0 at both bounds.

    Parameters
    ----------
    input, grad_output, out
        See `relu`.
    min_val, max_val : float, default -1 and 1
        See `convx.hardtanh`.

    Returns
    -------
    ndarray
        See `relu`.
    """
    least, most = _arguments.bounds(min_val, max_val)
    return _core.pointwise_backward("hardtanh", input, grad_output, None, out, least, most)


def silu(input: ArrayLike, grad_output: ArrayLike, *, out: Array | None = None) -> Array:
    """Gradient of `convx.silu` with respect to its input.

    Parameters
    ----------
    input, grad_output, out
        See `relu`.

    Returns
    -------
    ndarray
        See `relu`.
    """
    return _core.pointwise_backward("silu", input, grad_output, None, out)


def gelu(
    input: ArrayLike, grad_output: ArrayLike, approximate: Approximate = "none", *, out: Array | None = None
) -> Array:
    """Gradient of `convx.gelu` with respect to its input.

    Parameters
    ----------
    input, grad_output, out
        See `relu`.
    approximate : {"none", "tanh"}, default "none"
        See `convx.gelu`.

    Returns
    -------
    ndarray
        See `relu`.
    """
    return _core.pointwise_backward(_arguments.gelu(approximate), input, grad_output, None, out)


def sigmoid(
    input: ArrayLike, grad_output: ArrayLike, *, output: ArrayLike | None = None, out: Array | None = None
) -> Array:
    """Gradient of `convx.sigmoid` with respect to its input.

    Parameters
    ----------
    input, grad_output, out
        See `relu`.
    output : array_like, optional
        What `convx.sigmoid` gave, if it is at hand: saves an exponential for each element, at the price of relative
        precision where the function saturates.

    Returns
    -------
    ndarray
        See `relu`.
    """
    return _core.pointwise_backward("sigmoid", input, grad_output, output, out)


def tanh(
    input: ArrayLike, grad_output: ArrayLike, *, output: ArrayLike | None = None, out: Array | None = None
) -> Array:
    """Gradient of `convx.tanh` with respect to its input.

    Parameters
    ----------
    input, grad_output, out
        See `relu`.
    output : array_like, optional
        What `convx.tanh` gave, if it is at hand: saves an exponential for each element, at the price of relative
        precision where the function saturates.

    Returns
    -------
    ndarray
        See `relu`.
    """
    return _core.pointwise_backward("tanh", input, grad_output, output, out)


def softmax(
    input: ArrayLike,
    grad_output: ArrayLike,
    dim: SupportsIndex | None = None,
    *,
    output: ArrayLike | None = None,
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.softmax` with respect to its input.

    Parameters
    ----------
    input, grad_output, out
        See `relu`.
    dim : int, optional
        See `convx.softmax`.
    output : array_like, optional
        What `convx.softmax` gave, if it is at hand: saves computing it again.

    Returns
    -------
    ndarray
        See `relu`.
    """
    return _core.softmax_backward(False, input, grad_output, dim, output, out)


def log_softmax(
    input: ArrayLike,
    grad_output: ArrayLike,
    dim: SupportsIndex | None = None,
    *,
    output: ArrayLike | None = None,
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.log_softmax` with respect to its input.

    Parameters
    ----------
    input, grad_output, out
        See `relu`.
    dim : int, optional
        See `convx.softmax`.
    output : array_like, optional
        What `convx.log_softmax` gave, if it is at hand: saves computing it again.

    Returns
    -------
    ndarray
        See `relu`.
    """
    return _core.softmax_backward(True, input, grad_output, dim, output, out)
