"""Gradients of `conv_transpose1d` to `conv_transpose3d`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from convx import _core
from convx._types import Algorithm, Array, ArrayLike, Layout, Padding, PerAxis

Size = Sequence[SupportsIndex]


def conv_transpose1d_input(
    input_size: Size,
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    groups: SupportsIndex = 1,
    dilation: PerAxis = 1,
    *,
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv_transpose1d` with respect to its input.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, (N, C_in, L), in the `layout`; without N if `grad_output` has none.
    weight : array_like, shape (C_in, C_out / groups, K)
    grad_output : array_like, shape (N, C_out, L_out) or (C_out, L_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, output_padding, groups, dilation, layout
        Those of the layer: see `convx.conv_transpose1d`.
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
    return _core.conv_input_gradient(
        1,
        True,
        input_size,
        weight,
        grad_output,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        layout,
        algorithm,
        out,
    )


def conv_transpose1d_weight(
    input: ArrayLike,
    weight_size: Size,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    groups: SupportsIndex = 1,
    dilation: PerAxis = 1,
    *,
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv_transpose1d` with respect to its weights.

    Parameters
    ----------
    input : array_like, shape (N, C_in, L) or (C_in, L)
        What the layer read, in the `layout`.
    weight_size : sequence of ints
        Shape of the layer's weights, (C_in, C_out / groups, K).
    grad_output : array_like, shape (N, C_out, L_out) or (C_out, L_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, output_padding, groups, dilation, layout
        Those of the layer: see `convx.conv_transpose1d`.
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
        True,
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        "zeros",
        layout,
        algorithm,
        out,
    )


def conv_transpose2d_input(
    input_size: Size,
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    groups: SupportsIndex = 1,
    dilation: PerAxis = 1,
    *,
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv_transpose2d` with respect to its input.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, (N, C_in, H, W), in the `layout`; without N if `grad_output` has none.
    weight : array_like, shape (C_in, C_out / groups, kH, kW)
    grad_output : array_like, shape (N, C_out, H_out, W_out) or (C_out, H_out, W_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, output_padding, groups, dilation, layout
        Those of the layer: see `convx.conv_transpose2d`.
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
    return _core.conv_input_gradient(
        2,
        True,
        input_size,
        weight,
        grad_output,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        layout,
        algorithm,
        out,
    )


def conv_transpose2d_weight(
    input: ArrayLike,
    weight_size: Size,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    groups: SupportsIndex = 1,
    dilation: PerAxis = 1,
    *,
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv_transpose2d` with respect to its weights.

    Parameters
    ----------
    input : array_like, shape (N, C_in, H, W) or (C_in, H, W)
        What the layer read, in the `layout`.
    weight_size : sequence of ints
        Shape of the layer's weights, (C_in, C_out / groups, kH, kW).
    grad_output : array_like, shape (N, C_out, H_out, W_out) or (C_out, H_out, W_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, output_padding, groups, dilation, layout
        Those of the layer: see `convx.conv_transpose2d`.
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
        True,
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        "zeros",
        layout,
        algorithm,
        out,
    )


def conv_transpose3d_input(
    input_size: Size,
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    groups: SupportsIndex = 1,
    dilation: PerAxis = 1,
    *,
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv_transpose3d` with respect to its input.

    Parameters
    ----------
    input_size : sequence of ints
        Shape of the layer's input, (N, C_in, D, H, W), in the `layout`; without N if `grad_output` has none.
    weight : array_like, shape (C_in, C_out / groups, kD, kH, kW)
    grad_output : array_like, shape (N, C_out, D_out, H_out, W_out) or (C_out, D_out, H_out, W_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, output_padding, groups, dilation, layout
        Those of the layer: see `convx.conv_transpose3d`.
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
    return _core.conv_input_gradient(
        3,
        True,
        input_size,
        weight,
        grad_output,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        layout,
        algorithm,
        out,
    )


def conv_transpose3d_weight(
    input: ArrayLike,
    weight_size: Size,
    grad_output: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    groups: SupportsIndex = 1,
    dilation: PerAxis = 1,
    *,
    layout: Layout = "channels_first",
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Gradient of `convx.conv_transpose3d` with respect to its weights.

    Parameters
    ----------
    input : array_like, shape (N, C_in, D, H, W) or (C_in, D, H, W)
        What the layer read, in the `layout`.
    weight_size : sequence of ints
        Shape of the layer's weights, (C_in, C_out / groups, kD, kH, kW).
    grad_output : array_like, shape (N, C_out, D_out, H_out, W_out) or (C_out, D_out, H_out, W_out)
        Gradient of the layer's output, in the `layout`.
    stride, padding, output_padding, groups, dilation, layout
        Those of the layer: see `convx.conv_transpose3d`.
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
        True,
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        "zeros",
        layout,
        algorithm,
        out,
    )
