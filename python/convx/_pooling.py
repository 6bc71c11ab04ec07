"""Pooling layers: maxima and averages over windows, adaptive windows, and the unpooling of maxima."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, overload

from convx import _core
from convx._types import Array, ArrayLike, Layout, Padding, PerAxis

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


@overload
def max_pool1d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    layout: Layout = ...,
) -> Array: ...


@overload
def max_pool1d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    layout: Layout = ...,
) -> tuple[Array, Array]: ...


@overload
def max_pool1d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: Layout = ...,
) -> Any: ...


def max_pool1d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: Layout = "channels_first",
) -> Array | tuple[Array, Array]:
    """Maxima of windows of signals.

    `max_pool2d` says what the parameters mean; here each has one spatial dimension.

    Parameters
    ----------
    input : array_like, shape (N, C, L) or (C, L)
        With ``layout="channels_last"``: (N, L, C) or (L, C).
    kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout
        See `max_pool2d`.

    Returns
    -------
    output : ndarray, shape (N, C, L_out), or in the layout asked for
    indices : ndarray of int64, the shape of `output`, if `return_indices`

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.max_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
    array([[3., 2.]])
    >>> convx.max_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 3, stride=1, padding="same")
    array([[3., 3., 3., 2.]])
    """
    return _core.pool_forward(
        1,
        True,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        True,
        None,
        return_indices,
        layout,
    )


@overload
def max_pool2d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    layout: Layout = ...,
) -> Array: ...


@overload
def max_pool2d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    layout: Layout = ...,
) -> tuple[Array, Array]: ...


@overload
def max_pool2d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: Layout = ...,
) -> Any: ...


def max_pool2d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: Layout = "channels_first",
) -> Array | tuple[Array, Array]:
    """Maxima of windows of images.

    Parameters
    ----------
    input : array_like, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any strides. With ``layout="channels_last"``: (N, H, W, C) or (H, W, C). Only N may be 0.
    kernel_size : int or sequence of ints
        The window: one int, or one a dimension. At least 1.
    stride : int or sequence of ints, optional
        Steps between windows, by default `kernel_size`. At least 1.
    padding : int, sequence of ints, pairs, or str, default 0
        Places added around the input, which hold nothing (minus infinity): an int for all sides or one int a dimension,
        at most half of `kernel_size`; or a (before, after) pair a dimension, each smaller than the dilated window.
        ``"valid"`` is 0. ``"same"`` makes the output ``ceil(size / stride)`` places long, an odd place going to the
        end; ``"same_lower"`` puts it at the beginning.
    dilation : int or sequence of ints, default 1
        Distance between the places of a window. At least 1.
    ceil_mode : bool, default False
        Round the output size up instead of down: a last window may reach beyond the padding, but must begin in the
        input or in the padding before it.
    return_indices : bool, default False
        Return where the maxima are as well.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input` and the results have their channels.

    Returns
    -------
    output : ndarray, shape (N, C, H_out, W_out) or (C, H_out, W_out), or in the layout asked for
        ``H_out = (H + before + after - dilation * (kernel - 1) - 1) // stride + 1``, in the memory order of the input.
        NaN wins over every number. A window that holds no place of the input gives minus infinity.
    indices : ndarray of int64, the shape of `output`, if `return_indices`
        Each counts the places of one channel's input, row by row: ``h * W + w``. Of several equal maxima the first one,
        of several NaN the last one; -1 for a window without a place of the input.

    Raises
    ------
    TypeError
        For dtypes other than float32 and float64 in native byte order, and for arguments of the wrong type.
    ValueError
        For shapes that do not fit together, sizes that are too small or too large, and unknown options.
    MemoryError
        If there is no memory for the result.

    See Also
    --------
    max_unpool2d : The partial inverse.
    convx.grad.max_pool2d : The gradient.

    Notes
    -----
    A large window costs little more than a small one: its maxima are found in one dimension after the other, in a
    number of steps that grows with the logarithm of its size. Results do not depend on the number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> image = np.array([[[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 8.0, 7.0]]])
    >>> convx.max_pool2d(image, 2)
    array([[[5., 8.]]])
    >>> values, indices = convx.max_pool2d(image, 2, return_indices=True)
    >>> indices
    array([[[1, 6]]])
    """
    return _core.pool_forward(
        2,
        True,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        True,
        None,
        return_indices,
        layout,
    )


@overload
def max_pool3d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    layout: Layout = ...,
) -> Array: ...


@overload
def max_pool3d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    layout: Layout = ...,
) -> tuple[Array, Array]: ...


@overload
def max_pool3d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: Layout = ...,
) -> Any: ...


def max_pool3d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: Layout = "channels_first",
) -> Array | tuple[Array, Array]:
    """Maxima of windows of volumes.

    `max_pool2d` says what the parameters mean; here each has three spatial dimensions.

    Parameters
    ----------
    input : array_like, shape (N, C, D, H, W) or (C, D, H, W)
        With ``layout="channels_last"``: (N, D, H, W, C) or (D, H, W, C).
    kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout
        See `max_pool2d`.

    Returns
    -------
    output : ndarray, shape (N, C, D_out, H_out, W_out), or in the layout asked for
    indices : ndarray of int64, the shape of `output`, if `return_indices`

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> volume = np.arange(64.0).reshape(1, 1, 4, 4, 4)
    >>> convx.max_pool3d(volume, 2)[0, 0, 0]
    array([[21., 23.],
           [29., 31.]])
    """
    return _core.pool_forward(
        3,
        True,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        True,
        None,
        return_indices,
        layout,
    )


def avg_pool1d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    *,
    dilation: PerAxis = 1,
    layout: Layout = "channels_first",
) -> Array:
    """Averages of windows of signals.

    `avg_pool2d` says what the parameters mean; here each has one spatial dimension.

    Parameters
    ----------
    input : array_like, shape (N, C, L) or (C, L)
        With ``layout="channels_last"``: (N, L, C) or (L, C).
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout
        See `avg_pool2d`.

    Returns
    -------
    ndarray, shape (N, C, L_out), or in the layout asked for

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.avg_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
    array([[2., 1.]])
    """
    return _core.pool_forward(
        1,
        False,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        False,
        layout,
    )


def avg_pool2d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    *,
    dilation: PerAxis = 1,
    layout: Layout = "channels_first",
) -> Array:
    """Averages of windows of images.

    Parameters
    ----------
    input : array_like, shape (N, C, H, W) or (C, H, W)
        As in `max_pool2d`.
    kernel_size, stride, padding, ceil_mode
        As in `max_pool2d`; padding holds zeros.
    count_include_pad : bool, default True
        Divide by the places of the window in the input and its padding; if False, in the input alone. What `ceil_mode`
        lets a window reach beyond the padding never counts.
    divisor_override : int, optional
        Divide by this number instead. Not 0.
    dilation : int or sequence of ints, default 1
        Distance between the places of a window.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input` and the result have their channels.

    Returns
    -------
    ndarray, shape (N, C, H_out, W_out) or (C, H_out, W_out), or in the layout asked for
        The size and memory order of `max_pool2d`. A window that holds no place of the input gives 0.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`; also for a `divisor_override` of 0.

    See Also
    --------
    convx.grad.avg_pool2d : The gradient.

    Notes
    -----
    Sums are made in the dtype of the array, in one dimension after the other and without subtractions: NaN and infinity
    stay within their windows, and the error of a sum over n places is at most ``n * eps * sum(abs(x))``, in windows of
    up to 16 by 16 places ``10 * eps * sum(abs(x))``. A large window costs little more than a small one.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> image = np.array([[[1.0, 5.0, 2.0, 0.0], [3.0, 3.0, 8.0, 6.0]]])
    >>> convx.avg_pool2d(image, 2)
    array([[[3., 4.]]])
    >>> convx.avg_pool2d(image, 3, stride=2, padding=1, count_include_pad=False)
    array([[[3., 4.]]])
    """
    return _core.pool_forward(
        2,
        False,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        False,
        layout,
    )


def avg_pool3d(
    input: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    *,
    dilation: PerAxis = 1,
    layout: Layout = "channels_first",
) -> Array:
    """Averages of windows of volumes.

    `avg_pool2d` says what the parameters mean; here each has three spatial dimensions.

    Parameters
    ----------
    input : array_like, shape (N, C, D, H, W) or (C, D, H, W)
        With ``layout="channels_last"``: (N, D, H, W, C) or (D, H, W, C).
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout
        See `avg_pool2d`.

    Returns
    -------
    ndarray, shape (N, C, D_out, H_out, W_out), or in the layout asked for

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    array([[[[3.5]]]])
    """
    return _core.pool_forward(
        3,
        False,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        False,
        layout,
    )


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
