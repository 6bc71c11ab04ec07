"""Gradients of `conv1d` to `conv3d`, and of the bias of any layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from convx import _core
from convx._types import Algorithm, Array, ArrayLike, Layout, Padding, PaddingMode, PerAxis
from convx.grad import _fold

Size = Sequence[SupportsIndex]


def conv1d_input(
    input_size: Size,
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv1d` with respect to its input.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, (N, C_in, L), in the `layout`; without N if `grad_output` has none.
    weight : array_like, shape (C_out, C_in / groups, K)
    grad_output : array_like, shape (N, C_out, L_out) or (C_out, L_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, dilation, groups, padding_mode, layout
        Those of the layer: see `convx.conv1d`.
    algorithm, out
        See `convx.conv2d`.

    Returns
    -------
    ndarray
        The shape `input_size`. `out`, if given.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.conv2d`; also when `grad_output` has not the shape that the layer's output has.
    """
    if padding_mode != "zeros":
        return _fold.input_gradient(
            1, input_size, weight, grad_output, stride, padding, dilation, groups, padding_mode, layout, algorithm, out
        )
    return _core.conv_input_gradient(
        1, False, input_size, weight, grad_output, stride, padding, 0, dilation, groups, layout, algorithm, out
    )


def conv1d_weight(
    input: ArrayLike,
    weight_size: Size,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv1d` with respect to its weights.

    Parameters
    ----------
    input : array_like, shape (N, C_in, L) or (C_in, L)
        What the layer read, in the `layout`.
    weight_size : sequence of ints
        Shape of the layer's weights, (C_out, C_in / groups, K).
    grad_output : array_like, shape (N, C_out, L_out) or (C_out, L_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, dilation, groups, padding_mode, layout
        Those of the layer: see `convx.conv1d`.
    algorithm, out
        See `convx.conv2d`.

    Returns
    -------
    ndarray
        The shape `weight_size`, summed over the batch; zeros for an empty batch. `out`, if given.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.conv2d`; also when `grad_output` has not the shape that the layer's output has.
    """
    return _core.conv_weight_gradient(
        1,
        False,
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        0,
        dilation,
        groups,
        padding_mode,
        layout,
        algorithm,
        out,
    )


def conv2d_input(
    input_size: Size,
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv2d` with respect to its input.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, (N, C_in, H, W), in the `layout`; without N if `grad_output` has none.
    weight : array_like, shape (C_out, C_in / groups, kH, kW)
    grad_output : array_like, shape (N, C_out, H_out, W_out) or (C_out, H_out, W_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, dilation, groups, padding_mode, layout
        Those of the layer: see `convx.conv2d`.
    algorithm, out
        See `convx.conv2d`.

    Returns
    -------
    ndarray
        The shape `input_size`. `out`, if given.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.conv2d`; also when `grad_output` has not the shape that the layer's output has.

    Notes
    -----
    With a `padding_mode` other than zeros, the gradient of the padded input is made first and its borders are added to
    the places that they were read from.
    """
    if padding_mode != "zeros":
        return _fold.input_gradient(
            2, input_size, weight, grad_output, stride, padding, dilation, groups, padding_mode, layout, algorithm, out
        )
    return _core.conv_input_gradient(
        2, False, input_size, weight, grad_output, stride, padding, 0, dilation, groups, layout, algorithm, out
    )


def conv2d_weight(
    input: ArrayLike,
    weight_size: Size,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv2d` with respect to its weights.

    Parameters
    ----------
    input : array_like, shape (N, C_in, H, W) or (C_in, H, W)
        What the layer read, in the `layout`.
    weight_size : sequence of ints
        Shape of the layer's weights, (C_out, C_in / groups, kH, kW).
    grad_output : array_like, shape (N, C_out, H_out, W_out) or (C_out, H_out, W_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, dilation, groups, padding_mode, layout
        Those of the layer: see `convx.conv2d`.
    algorithm, out
        See `convx.conv2d`.

    Returns
    -------
    ndarray
        The shape `weight_size`, summed over the batch; zeros for an empty batch. `out`, if given.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.conv2d`; also when `grad_output` has not the shape that the layer's output has.
    """
    return _core.conv_weight_gradient(
        2,
        False,
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        0,
        dilation,
        groups,
        padding_mode,
        layout,
        algorithm,
        out,
    )


def conv3d_input(
    input_size: Size,
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv3d` with respect to its input.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, (N, C_in, D, H, W), in the `layout`; without N if `grad_output` has none.
    weight : array_like, shape (C_out, C_in / groups, kD, kH, kW)
    grad_output : array_like, shape (N, C_out, D_out, H_out, W_out) or (C_out, D_out, H_out, W_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, dilation, groups, padding_mode, layout
        Those of the layer: see `convx.conv3d`.
    algorithm, out
        See `convx.conv2d`.

    Returns
    -------
    ndarray
        The shape `input_size`. `out`, if given.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.conv2d`; also when `grad_output` has not the shape that the layer's output has.
    """
    if padding_mode != "zeros":
        return _fold.input_gradient(
            3, input_size, weight, grad_output, stride, padding, dilation, groups, padding_mode, layout, algorithm, out
        )
    return _core.conv_input_gradient(
        3, False, input_size, weight, grad_output, stride, padding, 0, dilation, groups, layout, algorithm, out
    )


def conv3d_weight(
    input: ArrayLike,
    weight_size: Size,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv3d` with respect to its weights.

    Parameters
    ----------
    input : array_like, shape (N, C_in, D, H, W) or (C_in, D, H, W)
        What the layer read, in the `layout`.
    weight_size : sequence of ints
        Shape of the layer's weights, (C_out, C_in / groups, kD, kH, kW).
    grad_output : array_like, shape (N, C_out, D_out, H_out, W_out) or (C_out, D_out, H_out, W_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, dilation, groups, padding_mode, layout
        Those of the layer: see `convx.conv3d`.
    algorithm, out
        See `convx.conv2d`.

    Returns
    -------
    ndarray
        The shape `weight_size`, summed over the batch; zeros for an empty batch. `out`, if given.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.conv2d`; also when `grad_output` has not the shape that the layer's output has.
    """
    return _core.conv_weight_gradient(
        3,
        False,
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        0,
        dilation,
        groups,
        padding_mode,
        layout,
        algorithm,
        out,
    )


def conv_bias(grad_output: ArrayLike, *, layout: Layout = "channels_first", out: Array | None = None) -> Array:
    """Gradient of any convolution layer with respect to its bias: the sums of `grad_output` over batch and space.

    Parameters
    ----------
    grad_output : array_like, shape (N, C_out, ...) with 1 to 3 spatial dimensions
        Gradient of the layer's output, in the `layout`. The batch must be there: write ``grad_output[None]`` for a
        single item.
    layout, out
        See `convx.conv2d`.

    Returns
    -------
    ndarray, shape (C_out,)
        Added up pairwise, so the error grows with the logarithm of the number of terms.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `convx.conv2d`.
    """
    return _core.conv_bias_gradient(grad_output, layout, out)
