"""Averages of windows."""

from __future__ import annotations

from typing import SupportsIndex

from convx import _core
from convx._types import Array, ArrayLike, Layout, Padding, PerAxis


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
