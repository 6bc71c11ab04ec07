"""Gradients of the linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from convx import _core
from convx._types import Array, ArrayLike

__all__ = ["linear_bias", "linear_input", "linear_weight"]


def linear_input(
    input_size: Sequence[SupportsIndex], weight: ArrayLike, grad_output: ArrayLike, *, out: Array | None = None
) -> Array:
    """Gradient of `convx.linear` with respect to its input: ``grad_output @ weight``.

    Parameters
    ----------
    input_size : sequence of ints
        The shape of the input, (..., in_features).
    weight : array_like, shape (out_features, in_features) or (in_features,)
    grad_output : array_like, shape (..., out_features), without the last dimension for a weight vector
    out : ndarray, optional
        Where the result goes: its shape and dtype, writeable, any strides, sharing no memory with the others.

    Returns
    -------
    ndarray, shape `input_size`

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.grad.linear_input((2,), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([31., 42.])
    """
    return _core.linear_input_gradient(input_size, weight, grad_output, out)


def linear_weight(
    input: ArrayLike, weight_size: Sequence[SupportsIndex], grad_output: ArrayLike, *, out: Array | None = None
) -> Array:
    """Gradient of `convx.linear` with respect to its weight: ``grad_output.T @ input``, over all rows.

    Parameters
    ----------
    input : array_like, shape (..., in_features)
    weight_size : sequence of ints
        The shape of the weight.
    grad_output : array_like, shape (..., out_features), without the last dimension for a weight vector
    out : ndarray, optional
        See `linear_input`.

    Returns
    -------
    ndarray, shape `weight_size`

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.grad.linear_weight(np.array([[1.0, 2.0], [3.0, 4.0]]), (1, 2), np.array([[1.0], [10.0]]))
    array([[31., 42.]])
    """
    return _core.linear_weight_gradient(input, weight_size, grad_output, out)


def linear_bias(grad_output: ArrayLike, *, out: Array | None = None) -> Array:
    """Gradient of `convx.linear` with respect to its bias: the sums over all leading dimensions, added up pairwise.

    Parameters
    ----------
    grad_output : array_like, shape (..., out_features)
    out : ndarray, optional
        See `linear_input`.

    Returns
    -------
    ndarray, shape (out_features,)

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.grad.linear_bias(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    """
    return _core.linear_bias_gradient(grad_output, out)
