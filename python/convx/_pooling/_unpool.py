"""Values back at the places of the maxima that they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from convx import _core
from convx._types import Array, ArrayLike, Layout, PerAxis


def max_unpool1d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    output_size: Sequence[SupportsIndex] | None = None,
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Put maxima back where they came from: the partial inverse of `max_pool1d`.

    Parameters
    ----------
    input : array_like, shape (N, C, L) or (C, L)
        Maxima, float32 or float64. With ``layout="channels_last"``: (N, L, C) or (L, C).
    indices : array_like of int64, the shape of `input`
        Where each goes, as `max_pool1d` returned it: the place within its channel of the result. Of several values for
        one place the last one stays.
    kernel_size, stride, padding : int or sequence of ints
        Those of the pooling; ints only.
    output_size : sequence of ints, optional
        Spatial size of the result (or its whole shape, of which the last 1 is read), less than a stride away from
        the size that the pooling's formula gives backwards: ``(size - 1) * stride - 2 * padding + kernel_size``.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input`, `indices` and the result have their channels.

    Returns
    -------
    ndarray
        Zero but for the values of `input`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`; also for an index that is not a place of the result.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> values, indices = convx.max_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2, return_indices=True)
    >>> convx.max_unpool1d(values, indices, 2)
    array([[0., 3., 2., 0.]])
    """
    return _core.unpool_forward(1, input, indices, kernel_size, stride, padding, output_size, layout)


def max_unpool2d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    output_size: Sequence[SupportsIndex] | None = None,
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Put maxima back where they came from: the partial inverse of `max_pool2d`.

    Parameters
    ----------
    input : array_like, shape (N, C, H, W) or (C, H, W)
        Maxima, float32 or float64. With ``layout="channels_last"``: (N, H, W, C) or (H, W, C).
    indices : array_like of int64, the shape of `input`
        Where each goes, as `max_pool2d` returned it: the place within its channel of the result. Of several values for
        one place the last one stays.
    kernel_size, stride, padding : int or sequence of ints
        Those of the pooling; ints only.
    output_size : sequence of ints, optional
        Spatial size of the result (or its whole shape, of which the last 2 are read), less than a stride away from
        the size that the pooling's formula gives backwards: ``(size - 1) * stride - 2 * padding + kernel_size``.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input`, `indices` and the result have their channels.

    Returns
    -------
    ndarray
        Zero but for the values of `input`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`; also for an index that is not a place of the result.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> values, indices = np.array([[[7.0, 8.0]]]), np.array([[[1, 6]]])
    >>> convx.max_unpool2d(values, indices, 2)
    array([[[0., 7., 0., 0.],
            [0., 0., 8., 0.]]])
    """
    return _core.unpool_forward(2, input, indices, kernel_size, stride, padding, output_size, layout)


def max_unpool3d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    output_size: Sequence[SupportsIndex] | None = None,
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Put maxima back where they came from: the partial inverse of `max_pool3d`.

    Parameters
    ----------
    input : array_like, shape (N, C, D, H, W) or (C, D, H, W)
        Maxima, float32 or float64. With ``layout="channels_last"``: (N, D, H, W, C) or (D, H, W, C).
    indices : array_like of int64, the shape of `input`
        Where each goes, as `max_pool3d` returned it: the place within its channel of the result. Of several values for
        one place the last one stays.
    kernel_size, stride, padding : int or sequence of ints
        Those of the pooling; ints only.
    output_size : sequence of ints, optional
        Spatial size of the result (or its whole shape, of which the last 3 are read), less than a stride away from
        the size that the pooling's formula gives backwards: ``(size - 1) * stride - 2 * padding + kernel_size``.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input`, `indices` and the result have their channels.

    Returns
    -------
    ndarray
        Zero but for the values of `input`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`; also for an index that is not a place of the result.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> values, indices = np.full((1, 1, 1, 1), 7.0), np.full((1, 1, 1, 1), 6)
    >>> convx.max_unpool3d(values, indices, 2)[0, 1]
    array([[0., 0.],
           [7., 0.]])
    """
    return _core.unpool_forward(3, input, indices, kernel_size, stride, padding, output_size, layout)
