"""Maxima of windows."""

from __future__ import annotations

from typing import Any, Literal, overload

from convx import _core
from convx._types import Array, ArrayLike, Layout, Padding, PerAxis


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
