"""Windows that share out the input among so many outputs: averages and maxima."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, overload

from convx import _core
from convx._types import Array, ArrayLike, Layout


def adaptive_avg_pool1d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Averages of windows that share signals evenly.

    Parameters
    ----------
    input : array_like, shape (N, C, L) or (C, L)
        float32 or float64, any strides. With ``layout="channels_last"``: (N, L, C) or (L, C).
    output_size : int or sequence of ints and None
        How many windows share each dimension: one int, or one a dimension; None keeps the size of the input.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input` and the result have their channels.

    Returns
    -------
    ndarray, shape (N, C, *output_size), or in the layout asked for
        Window i of n reads the places ``floor(i * size / n)`` to ``ceil((i + 1) * size / n) - 1`` of a dimension.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.adaptive_avg_pool1d(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), 2)
    array([[2., 4.]])
    """
    return _core.adaptive_pool_forward(1, False, input, output_size, False, layout)


def adaptive_avg_pool2d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Averages of windows that share images evenly.

    Parameters
    ----------
    input : array_like, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any strides. With ``layout="channels_last"``: (N, H, W, C) or (H, W, C).
    output_size : int or sequence of ints and None
        How many windows share each dimension: one int, or one a dimension; None keeps the size of the input.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input` and the result have their channels.

    Returns
    -------
    ndarray, shape (N, C, *output_size), or in the layout asked for
        Window i of n reads the places ``floor(i * size / n)`` to ``ceil((i + 1) * size / n) - 1`` of a dimension.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.adaptive_avg_pool2d(np.arange(16.0).reshape(1, 4, 4), (None, 1))
    array([[[ 1.5],
            [ 5.5],
            [ 9.5],
            [13.5]]])
    """
    return _core.adaptive_pool_forward(2, False, input, output_size, False, layout)


def adaptive_avg_pool3d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Averages of windows that share volumes evenly.

    Parameters
    ----------
    input : array_like, shape (N, C, D, H, W) or (C, D, H, W)
        float32 or float64, any strides. With ``layout="channels_last"``: (N, D, H, W, C) or (D, H, W, C).
    output_size : int or sequence of ints and None
        How many windows share each dimension: one int, or one a dimension; None keeps the size of the input.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input` and the result have their channels.

    Returns
    -------
    ndarray, shape (N, C, *output_size), or in the layout asked for
        Window i of n reads the places ``floor(i * size / n)`` to ``ceil((i + 1) * size / n) - 1`` of a dimension.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.adaptive_avg_pool3d(np.ones((1, 2, 2, 3)), 1)
    array([[[[1.]]]])
    """
    return _core.adaptive_pool_forward(3, False, input, output_size, False, layout)


@overload
def adaptive_max_pool1d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: Literal[False] = False,
    *,
    layout: Layout = ...,
) -> Array: ...


@overload
def adaptive_max_pool1d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: Literal[True],
    *,
    layout: Layout = ...,
) -> tuple[Array, Array]: ...


@overload
def adaptive_max_pool1d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: bool = False,
    *,
    layout: Layout = ...,
) -> Any: ...


def adaptive_max_pool1d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: bool = False,
    *,
    layout: Layout = "channels_first",
) -> Array | tuple[Array, Array]:
    """Maxima of windows that share signals evenly.

    Parameters
    ----------
    input : array_like, shape (N, C, L) or (C, L)
        float32 or float64, any strides. With ``layout="channels_last"``: (N, L, C) or (L, C).
    output_size : int or sequence of ints and None
        How many windows share each dimension: one int, or one a dimension; None keeps the size of the input.
    return_indices : bool, default False
        Return where the maxima are as well, as `max_pool1d` does.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input` and the results have their channels.

    Returns
    -------
    output : ndarray, shape (N, C, *output_size), or in the layout asked for
        Window i of n reads the places ``floor(i * size / n)`` to ``ceil((i + 1) * size / n) - 1`` of a dimension.
    indices : ndarray of int64, the shape of `output`, if `return_indices`

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.adaptive_max_pool1d(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), 2)
    array([[3., 5.]])
    """
    return _core.adaptive_pool_forward(1, True, input, output_size, return_indices, layout)


@overload
def adaptive_max_pool2d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: Literal[False] = False,
    *,
    layout: Layout = ...,
) -> Array: ...


@overload
def adaptive_max_pool2d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: Literal[True],
    *,
    layout: Layout = ...,
) -> tuple[Array, Array]: ...


@overload
def adaptive_max_pool2d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: bool = False,
    *,
    layout: Layout = ...,
) -> Any: ...


def adaptive_max_pool2d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: bool = False,
    *,
    layout: Layout = "channels_first",
) -> Array | tuple[Array, Array]:
    """Maxima of windows that share images evenly.

    Parameters
    ----------
    input : array_like, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any strides. With ``layout="channels_last"``: (N, H, W, C) or (H, W, C).
    output_size : int or sequence of ints and None
        How many windows share each dimension: one int, or one a dimension; None keeps the size of the input.
    return_indices : bool, default False
        Return where the maxima are as well, as `max_pool2d` does.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input` and the results have their channels.

    Returns
    -------
    output : ndarray, shape (N, C, *output_size), or in the layout asked for
        Window i of n reads the places ``floor(i * size / n)`` to ``ceil((i + 1) * size / n) - 1`` of a dimension.
    indices : ndarray of int64, the shape of `output`, if `return_indices`

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> values, indices = convx.adaptive_max_pool2d(np.arange(16.0).reshape(1, 4, 4), 1, return_indices=True)
    >>> values.item(), indices.item()
    (15.0, 15)
    """
    return _core.adaptive_pool_forward(2, True, input, output_size, return_indices, layout)


@overload
def adaptive_max_pool3d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: Literal[False] = False,
    *,
    layout: Layout = ...,
) -> Array: ...


@overload
def adaptive_max_pool3d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: Literal[True],
    *,
    layout: Layout = ...,
) -> tuple[Array, Array]: ...


@overload
def adaptive_max_pool3d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: bool = False,
    *,
    layout: Layout = ...,
) -> Any: ...


def adaptive_max_pool3d(
    input: ArrayLike,
    output_size: SupportsIndex | Sequence[SupportsIndex | None],
    return_indices: bool = False,
    *,
    layout: Layout = "channels_first",
) -> Array | tuple[Array, Array]:
    """Maxima of windows that share volumes evenly.

    Parameters
    ----------
    input : array_like, shape (N, C, D, H, W) or (C, D, H, W)
        float32 or float64, any strides. With ``layout="channels_last"``: (N, D, H, W, C) or (D, H, W, C).
    output_size : int or sequence of ints and None
        How many windows share each dimension: one int, or one a dimension; None keeps the size of the input.
    return_indices : bool, default False
        Return where the maxima are as well, as `max_pool3d` does.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input` and the results have their channels.

    Returns
    -------
    output : ndarray, shape (N, C, *output_size), or in the layout asked for
        Window i of n reads the places ``floor(i * size / n)`` to ``ceil((i + 1) * size / n) - 1`` of a dimension.
    indices : ndarray of int64, the shape of `output`, if `return_indices`

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.adaptive_max_pool3d(np.ones((1, 2, 2, 3)), 1)
    array([[[[1.]]]])
    """
    return _core.adaptive_pool_forward(3, True, input, output_size, return_indices, layout)
