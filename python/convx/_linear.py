"""The linear layer."""

from __future__ import annotations

from convx import _core
from convx._types import Array, ArrayLike

__all__ = ["linear"]


def linear(input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, *, out: Array | None = None) -> Array:
    """Multiply rows of features by a matrix: ``input @ weight.T + bias``.

    Parameters
    ----------
    input : array_like, shape (..., in_features)
        float32 or float64, any leading dimensions or none. Any strides; copied only where the leading dimensions lie
        unevenly in memory.
    weight : array_like, shape (out_features, in_features) or (in_features,)
        The dtype of `input`. A vector gives a result without the last dimension.
    bias : array_like, shape (out_features,), optional
        Added to each row; one element serves all features.
    out : ndarray, optional
        Where the result goes: its shape and dtype, writeable, any strides, sharing no memory with the inputs.

    Returns
    -------
    ndarray, shape (..., out_features)
        `out`, if given; else a new contiguous array.

    Raises
    ------
    TypeError
        For dtypes other than float32 and float64 in native byte order, and mixed dtypes.
    ValueError
        For shapes that do not fit together, and an `out` of the wrong shape, read-only, or overlapping an input.
    MemoryError
        If there is no memory for the result or the workspace.

    See Also
    --------
    convx.grad.linear_input, convx.grad.linear_weight, convx.grad.linear_bias : The gradients.

    Notes
    -----
    It runs on the matrix kernels of the convolutions: at most ``n * eps * sum(abs(x) * abs(w))`` off with `n` features.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> weight = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> convx.linear(x, weight, np.array([0.0, 0.0, 10.0]))
    array([[ 1.,  2., 13.],
           [ 3.,  4., 17.]])
    """
    return _core.linear_forward(input, weight, bias, out)
