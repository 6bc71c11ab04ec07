"""Gradients of the pooling layers with respect to their input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from convx import _core
from convx._types import Array, ArrayLike, Layout, Padding, PerAxis


def max_pool1d(
    input: ArrayLike,
    grad_output: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    indices: ArrayLike | None = None,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.max_pool1d`: each value of `grad_output` goes to the place of its window's maximum.

    Parameters
    ----------
    input : array_like, shape (N, C, L) or (C, L)
        What the layer read, in the `layout`.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    kernel_size, stride, padding, dilation, ceil_mode, layout
        Those of the layer: see `convx.max_pool2d`.
    indices : array_like of int64, optional
        Those that the layer returned: then `input` is not searched again, only its shape matters.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.max_pool_gradient(
        1,
        input,
        grad_output,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        indices,
        layout,
    )


def max_pool2d(
    input: ArrayLike,
    grad_output: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    indices: ArrayLike | None = None,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.max_pool2d`: each value of `grad_output` goes to the place of its window's maximum.

    Parameters
    ----------
    input : array_like, shape (N, C, H, W) or (C, H, W)
        What the layer read, in the `layout`.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    kernel_size, stride, padding, dilation, ceil_mode, layout
        Those of the layer: see `convx.max_pool2d`.
    indices : array_like of int64, optional
        Those that the layer returned: then `input` is not searched again, only its shape matters.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.max_pool_gradient(
        2,
        input,
        grad_output,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        indices,
        layout,
    )


def max_pool3d(
    input: ArrayLike,
    grad_output: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    *,
    indices: ArrayLike | None = None,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.max_pool3d`: each value of `grad_output` goes to the place of its window's maximum.

    Parameters
    ----------
    input : array_like, shape (N, C, D, H, W) or (C, D, H, W)
        What the layer read, in the `layout`.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    kernel_size, stride, padding, dilation, ceil_mode, layout
        Those of the layer: see `convx.max_pool2d`.
    indices : array_like of int64, optional
        Those that the layer returned: then `input` is not searched again, only its shape matters.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.max_pool_gradient(
        3,
        input,
        grad_output,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        indices,
        layout,
    )


def avg_pool1d(
    input_size: Sequence[SupportsIndex],
    grad_output: ArrayLike,
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
    """Gradient of `convx.avg_pool1d`.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, in the `layout`, with a batch if `grad_output` has one.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout
        Those of the layer: see `convx.avg_pool2d`.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.average_pool_gradient(
        1,
        input_size,
        grad_output,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        layout,
    )


def avg_pool2d(
    input_size: Sequence[SupportsIndex],
    grad_output: ArrayLike,
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
    """Gradient of `convx.avg_pool2d`.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, in the `layout`, with a batch if `grad_output` has one.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout
        Those of the layer: see `convx.avg_pool2d`.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.average_pool_gradient(
        2,
        input_size,
        grad_output,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        layout,
    )


def avg_pool3d(
    input_size: Sequence[SupportsIndex],
    grad_output: ArrayLike,
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
    """Gradient of `convx.avg_pool3d`.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, in the `layout`, with a batch if `grad_output` has one.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout
        Those of the layer: see `convx.avg_pool2d`.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.average_pool_gradient(
        3,
        input_size,
        grad_output,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        layout,
    )


def adaptive_avg_pool1d(
    input_size: Sequence[SupportsIndex],
    grad_output: ArrayLike,
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.adaptive_avg_pool1d`. The layer's output_size is that of `grad_output`.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, in the `layout`, with a batch if `grad_output` has one.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    layout
        See `convx.adaptive_avg_pool1d`.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.adaptive_average_pool_gradient(1, input_size, grad_output, layout)


def adaptive_avg_pool2d(
    input_size: Sequence[SupportsIndex],
    grad_output: ArrayLike,
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.adaptive_avg_pool2d`. The layer's output_size is that of `grad_output`.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, in the `layout`, with a batch if `grad_output` has one.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    layout
        See `convx.adaptive_avg_pool2d`.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.adaptive_average_pool_gradient(2, input_size, grad_output, layout)


def adaptive_avg_pool3d(
    input_size: Sequence[SupportsIndex],
    grad_output: ArrayLike,
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.adaptive_avg_pool3d`. The layer's output_size is that of `grad_output`.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, in the `layout`, with a batch if `grad_output` has one.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    layout
        See `convx.adaptive_avg_pool3d`.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.adaptive_average_pool_gradient(3, input_size, grad_output, layout)


def adaptive_max_pool1d(
    input: ArrayLike,
    grad_output: ArrayLike,
    *,
    indices: ArrayLike | None = None,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.adaptive_max_pool1d`. The layer's output_size is that of `grad_output`.

    Parameters
    ----------
    input : array_like, shape (N, C, L) or (C, L)
        What the layer read, in the `layout`.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    indices : array_like of int64, optional
        Those that the layer returned: then `input` is not searched again, only its shape matters.
    layout
        See `convx.adaptive_max_pool1d`.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.adaptive_max_pool_gradient(1, input, grad_output, indices, layout)


def adaptive_max_pool2d(
    input: ArrayLike,
    grad_output: ArrayLike,
    *,
    indices: ArrayLike | None = None,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.adaptive_max_pool2d`. The layer's output_size is that of `grad_output`.

    Parameters
    ----------
    input : array_like, shape (N, C, H, W) or (C, H, W)
        What the layer read, in the `layout`.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    indices : array_like of int64, optional
        Those that the layer returned: then `input` is not searched again, only its shape matters.
    layout
        See `convx.adaptive_max_pool2d`.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.adaptive_max_pool_gradient(2, input, grad_output, indices, layout)


def adaptive_max_pool3d(
    input: ArrayLike,
    grad_output: ArrayLike,
    *,
    indices: ArrayLike | None = None,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.adaptive_max_pool3d`. The layer's output_size is that of `grad_output`.

    Parameters
    ----------
    input : array_like, shape (N, C, D, H, W) or (C, D, H, W)
        What the layer read, in the `layout`.
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    indices : array_like of int64, optional
        Those that the layer returned: then `input` is not searched again, only its shape matters.
    layout
        See `convx.adaptive_max_pool3d`.

    Returns
    -------
    ndarray
        The shape of the layer's input, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.adaptive_max_pool_gradient(3, input, grad_output, indices, layout)


def max_unpool1d(
    grad_output: ArrayLike,
    indices: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    output_size: Sequence[SupportsIndex] | None = None,
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.max_unpool1d`: `grad_output` at the indices.

    Parameters
    ----------
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    indices : array_like of int64
        Those of the layer; the result has their shape.
    kernel_size, stride, padding, output_size, layout
        Those of the layer: see `convx.max_unpool1d`.

    Returns
    -------
    ndarray
        The shape of `indices`, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.unpool_gradient(1, grad_output, indices, kernel_size, stride, padding, output_size, layout)


def max_unpool2d(
    grad_output: ArrayLike,
    indices: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    output_size: Sequence[SupportsIndex] | None = None,
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.max_unpool2d`: `grad_output` at the indices.

    Parameters
    ----------
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    indices : array_like of int64
        Those of the layer; the result has their shape.
    kernel_size, stride, padding, output_size, layout
        Those of the layer: see `convx.max_unpool2d`.

    Returns
    -------
    ndarray
        The shape of `indices`, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.unpool_gradient(2, grad_output, indices, kernel_size, stride, padding, output_size, layout)


def max_unpool3d(
    grad_output: ArrayLike,
    indices: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    output_size: Sequence[SupportsIndex] | None = None,
    *,
    layout: Layout = "channels_first",
) -> Array:
    """Gradient of `convx.max_unpool3d`: `grad_output` at the indices.

    Parameters
    ----------
    grad_output : array_like
        Gradient of the layer's output, of its shape, in the `layout`.
    indices : array_like of int64
        Those of the layer; the result has their shape.
    kernel_size, stride, padding, output_size, layout
        Those of the layer: see `convx.max_unpool3d`.

    Returns
    -------
    ndarray
        The shape of `indices`, in the memory order of `grad_output`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.max_pool2d`; also when `grad_output` has not the shape of the layer's output.
    """
    return _core.unpool_gradient(3, grad_output, indices, kernel_size, stride, padding, output_size, layout)
