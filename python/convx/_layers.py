"""Convolution layers: `conv1d` to `conv_transpose3d`, and `plan_conv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from convx import _arguments, _core
from convx._types import Activation, Algorithm, Array, ArrayLike, Layout, Padding, PaddingMode, PerAxis

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "plan_conv"]


def conv1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve signals with a bank of filters (cross-correlation, as neural networks mean it).

    `conv2d` says what the parameters mean; here each has one spatial dimension.

    Parameters
    ----------
    input : array_like, shape (N, C_in, L) or (C_in, L)
        With ``layout="channels_last"``: (N, L, C_in) or (L, C_in).
    weight : array_like, shape (C_out, C_in / groups, K)
    bias : array_like, shape (C_out,), optional
    stride, padding, dilation, groups, padding_mode, layout, activation, algorithm, out
        See `conv2d`.

    Returns
    -------
    ndarray, shape (N, C_out, L_out), or in the layout asked for

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> signal = np.array([[1.0, 2.0, 4.0, 8.0, 16.0]])
    >>> difference = np.array([[[-1.0, 1.0]]])
    >>> convx.conv1d(signal, difference)
    array([[1., 2., 4., 8.]])
    >>> convx.conv1d(signal, difference, padding="same", padding_mode="replicate")
    array([[1., 2., 4., 8., 0.]])
    """
    return _core.conv_forward(
        1,
        False,
        input,
        weight,
        bias,
        stride,
        padding,
        0,
        dilation,
        groups,
        padding_mode,
        layout,
        activation,
        algorithm,
        out,
    )


def conv2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve images with a bank of filters (cross-correlation, as neural networks mean it).

    Parameters
    ----------
    input : array_like, shape (N, C_in, H, W) or (C_in, H, W)
        float32 or float64, any strides, never copied if they are whole elements. With ``layout="channels_last"``:
        (N, H, W, C_in) or (H, W, C_in). N may be 0. What is no ndarray goes through `numpy.asarray` (nested lists of
        floats become float64; masks and subclasses are dropped).
    weight : array_like, shape (C_out, C_in / groups, kH, kW)
        In every layout. The dtype of `input`.
    bias : array_like, shape (C_out,), optional
        Added to each channel of the result. The dtype of `input`.
    stride : int or sequence of ints, default 1
        Steps between applications of the filter; one int, or one a dimension. At least 1.
    padding : int, sequence of ints, pairs, or str, default 0
        Places added around the input, at least 0: an int for all sides, one int a dimension, or a (before, after) pair
        a dimension. ``"valid"`` is 0. ``"same"`` makes the output ``ceil(size / stride)`` places long at any stride, an
        odd place going to the end; ``"same_lower"`` puts it at the beginning.
    dilation : int or sequence of ints, default 1
        Distance between the filter's taps. At least 1.
    groups : int, default 1
        Input and output channels are cut into this many groups that do not see each other; it must divide both.
    padding_mode : {"zeros", "reflect", "replicate", "circular", "symmetric"}, default "zeros"
        What the added places hold: 0, the mirrored input without or (symmetric) with its edge place, the edge place, or
        the other end. They may reach further than the input is long. The padded input is never made.
    layout : {"channels_first", "channels_last"}, default "channels_first"
        Where `input`, the result and `out` have their channels.
    activation : {None, "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "hardtanh"}, optional
        Applied to the result as it is stored. ``leaky_relu`` has the slope 0.01, ``hardtanh`` clamps to [-1, 1].
    algorithm : str, default "auto"
        "auto" (the fastest that is exact enough, see Notes), "gemm", "direct", "winograd" (the faster of its 2x2 and
        4x4 tiles that "auto" may choose as well), "winograd_2x2", "winograd_4x4", "winograd_6x6" (never chosen by
        "auto") or "reference" (plain loops).
    out : ndarray, optional
        Where the result goes: its shape and dtype, writeable, any strides, sharing no memory with the inputs.

    Returns
    -------
    ndarray, shape (N, C_out, H_out, W_out) or (C_out, H_out, W_out), or in the layout asked for
        ``H_out = (H + before + after - dilation * (kH - 1) - 1) // stride + 1`` [1]_. `out`, if given; else a new array
        whose memory has the order of the input's (channels-last memory behind a channels-first view gives the same
        back).

    Raises
    ------
    TypeError
        For dtypes other than float32 and float64 in native byte order, for mixed dtypes (nothing is promoted), and for
        arguments of the wrong type: sizes must be integers, bools and floats are refused.
    ValueError
        For shapes that do not fit together, sizes that are too small or too large, unknown options, an algorithm that
        cannot serve the layer, and an `out` of the wrong shape, read-only, or overlapping an input.
    MemoryError
        If there is no memory for the result or the workspace.

    See Also
    --------
    plan_conv : The same for a layer that runs often.
    convx.grad.conv2d_input, convx.grad.conv2d_weight : Its gradients.

    Notes
    -----
    Products are summed in the dtype of the arrays. With ``algorithm="reference"``, "gemm" and "direct", the error of an
    output element is at most ``n * eps * sum(abs(input * weight))`` over its ``n = kH * kW * C_in / groups`` products.

    Winograd's tiles compute several neighbouring outputs at once with fewer products, for kernels of 3, 5 or 7 places
    and stride 1, and round more. With 3x3 kernels the error is at most ``(n + 40) * eps * g * n *
    max(abs(input)) * max(abs(weight))``, the largest values of those that the tile's patch and the output's filter
    hold, with ``g`` = 8, 84 and 509 for tiles of 2x2, 4x4 and 6x6. Typical is far less: of normally distributed
    float32 values in 64 channels, the root mean square of the error over that of the result is 2.6e-7, 8.6e-7 and
    3.2e-6, and 4.3e-7 for "gemm"; it doubles with four times the channels. "auto" takes no tile that is less exact
    than 4x4 of a 3x3 kernel or saves less than an eighth of the time; "gemm" and "direct" turn tiles off. NaN,
    infinities and overflow stay where the products put them: an image with a result that is not finite is done again
    without tiles.

    For one algorithm, instruction set and memory layout, results do not depend on the number of threads, the alignment
    of the arrays or the rest of the batch, not by one bit.

    References
    ----------
    .. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> image = np.arange(16.0, dtype=np.float32).reshape(1, 4, 4)
    >>> edges = np.array([[[[-1, 0, 1]]]], dtype=np.float32)
    >>> convx.conv2d(image, edges)
    array([[[2., 2.],
            [2., 2.],
            [2., 2.],
            [2., 2.]]], dtype=float32)
    >>> pixels = np.ones((8, 32, 32, 3), dtype=np.float32)
    >>> filters = np.zeros((6, 3, 5, 5), dtype=np.float32)
    >>> convx.conv2d(pixels, filters, padding="same", layout="channels_last", activation="relu").shape
    (8, 32, 32, 6)
    """
    return _core.conv_forward(
        2,
        False,
        input,
        weight,
        bias,
        stride,
        padding,
        0,
        dilation,
        groups,
        padding_mode,
        layout,
        activation,
        algorithm,
        out,
    )


def conv3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve volumes with a bank of filters (cross-correlation, as neural networks mean it).

    `conv2d` says what the parameters mean; here each has three spatial dimensions.

    Parameters
    ----------
    input : array_like, shape (N, C_in, D, H, W) or (C_in, D, H, W)
        With ``layout="channels_last"``: (N, D, H, W, C_in) or (D, H, W, C_in).
    weight : array_like, shape (C_out, C_in / groups, kD, kH, kW)
    bias : array_like, shape (C_out,), optional
    stride, padding, dilation, groups, padding_mode, layout, activation, algorithm, out
        See `conv2d`.

    Returns
    -------
    ndarray, shape (N, C_out, D_out, H_out, W_out), or in the layout asked for

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> volume = np.ones((1, 1, 3, 3, 3))
    >>> convx.conv3d(volume, np.ones((1, 1, 3, 3, 3)), padding=1)[0, 0, 1]
    array([[12., 18., 12.],
           [18., 27., 18.],
           [12., 18., 12.]])
    """
    return _core.conv_forward(
        3,
        False,
        input,
        weight,
        bias,
        stride,
        padding,
        0,
        dilation,
        groups,
        padding_mode,
        layout,
        activation,
        algorithm,
        out,
    )


def conv_transpose1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    groups: SupportsIndex = 1,
    dilation: PerAxis = 1,
    *,
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Transposed convolution of signals: the input gradient of `conv1d`, used forwards.

    `conv_transpose2d` says what the parameters mean; here each has one spatial dimension.

    Parameters
    ----------
    input : array_like, shape (N, C_in, L) or (C_in, L)
        With ``layout="channels_last"``: (N, L, C_in) or (L, C_in).
    weight : array_like, shape (C_in, C_out / groups, K)
    bias : array_like, shape (C_out,), optional
    stride, padding, output_padding, groups, dilation, layout, activation, algorithm, out
        See `conv_transpose2d`.

    Returns
    -------
    ndarray, shape (N, C_out, L_out), or in the layout asked for

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `conv_transpose2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.conv_transpose1d(np.array([[1.0, 2.0, 3.0]]), np.array([[[1.0, 0.5]]]), stride=2)
    array([[1. , 0.5, 2. , 1. , 3. , 1.5]])
    """
    return _core.conv_forward(
        1,
        True,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        "zeros",
        layout,
        activation,
        algorithm,
        out,
    )


def conv_transpose2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    groups: SupportsIndex = 1,
    dilation: PerAxis = 1,
    *,
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Transposed convolution of images: the input gradient of `conv2d`, used forwards.

    Parameters
    ----------
    input : array_like, shape (N, C_in, H, W) or (C_in, H, W)
        As in `conv2d`. With ``layout="channels_last"``: (N, H, W, C_in) or (H, W, C_in).
    weight : array_like, shape (C_in, C_out / groups, kH, kW)
        In every layout. Note the order: it is that of the convolution whose gradient this is.
    bias : array_like, shape (C_out,), optional
        Added to each channel of the result.
    stride : int or sequence of ints, default 1
        Steps in the output between neighbours of the input.
    padding : int, sequence of ints, pairs, or str, default 0
        Places cut off the output's ends: an int, one int a dimension, or a (before, after) pair a dimension.
        ``"valid"`` is 0. ``"same"`` and ``"same_lower"`` make the output ``size * stride`` places long, as the adjoint
        of `conv2d` with the same padding.
    output_padding : int or sequence of ints, default 0
        Places added to the output's end, fewer than `stride` or `dilation`. It settles which of the sizes that a
        strided convolution maps to the same output is meant.
    groups : int, default 1
        See `conv2d`.
    dilation : int or sequence of ints, default 1
        Distance between the filter's taps.
    layout, activation, algorithm, out
        See `conv2d`.

    Returns
    -------
    ndarray, shape (N, C_out, H_out, W_out) or (C_out, H_out, W_out), or in the layout asked for
        ``H_out = (H - 1) * stride - before - after + dilation * (kH - 1) + 1 + output_padding`` [1]_.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `conv2d`; also for an output without places.

    References
    ----------
    .. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.conv_transpose2d(np.array([[[1.0, 2.0]]]), np.ones((1, 1, 2, 2)), stride=2)
    array([[[1., 1., 2., 2.],
            [1., 1., 2., 2.]]])
    """
    return _core.conv_forward(
        2,
        True,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        "zeros",
        layout,
        activation,
        algorithm,
        out,
    )


def conv_transpose3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    groups: SupportsIndex = 1,
    dilation: PerAxis = 1,
    *,
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: Algorithm = "auto",
    out: Array | None = None,
) -> Array:
    """Transposed convolution of volumes: the input gradient of `conv3d`, used forwards.

    `conv_transpose2d` says what the parameters mean; here each has three spatial dimensions.

    Parameters
    ----------
    input : array_like, shape (N, C_in, D, H, W) or (C_in, D, H, W)
        With ``layout="channels_last"``: (N, D, H, W, C_in) or (D, H, W, C_in).
    weight : array_like, shape (C_in, C_out / groups, kD, kH, kW)
    bias : array_like, shape (C_out,), optional
    stride, padding, output_padding, groups, dilation, layout, activation, algorithm, out
        See `conv_transpose2d`.

    Returns
    -------
    ndarray, shape (N, C_out, D_out, H_out, W_out), or in the layout asked for

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `conv_transpose2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> convx.conv_transpose3d(np.ones((1, 1, 2, 2, 2)), np.ones((1, 4, 3, 3, 3)), stride=2).shape
    (1, 4, 5, 5, 5)
    """
    return _core.conv_forward(
        3,
        True,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        "zeros",
        layout,
        activation,
        algorithm,
        out,
    )


def plan_conv(
    input_shape: Sequence[SupportsIndex],
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: SupportsIndex = 1,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: Algorithm = "auto",
    workspace_limit: SupportsIndex | None = None,
) -> _core.ConvPlan:
    """Decide once how a convolution layer is computed, for inputs of one shape.

    The plan keeps its own copy of the weights in the form that its algorithm likes best, so calling it costs less than
    the layer function. Its rank is that of `weight`.

    Parameters
    ----------
    input_shape : sequence of ints
        The whole shape of the inputs, with or without a batch, in the `layout`.
    weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm
        See `conv2d`. Later changes of `weight` and `bias` do not reach the plan.
    workspace_limit : int, optional
        Bytes of scratch that the plan may use, all threads together; the packed weights do not count. No limit by
        default.

    Returns
    -------
    ConvPlan
        ``plan(x, out=None)`` runs it; ``plan.algorithm``, ``plan.workspace_bytes`` and ``plan.explain()`` tell about
        it.

    Raises
    ------
    TypeError, ValueError, MemoryError
        See `conv2d`; a ValueError too when no algorithm fits the `workspace_limit`.

    Examples
    --------
    >>> import numpy as np
    >>> import convx
    >>> weight = np.ones((2, 1, 3, 3), dtype=np.float32)
    >>> plan = convx.plan_conv((1, 1, 5, 5), weight, padding="same", algorithm="reference")
    >>> plan(np.ones((1, 1, 5, 5), dtype=np.float32))[0, 1, 0]
    array([4., 6., 6., 6., 4.], dtype=float32)
    >>> plan.algorithm
    'reference'
    """
    filters = _arguments.as_array(weight, "weight")
    rank = filters.ndim - 2
    if rank not in (1, 2, 3):
        raise ValueError(
            "weight must have 3 to 5 dimensions, (out_channels, in_channels / groups, kernel...); "
            f"got shape {filters.shape}"
        )
    return _core.ConvPlan(
        rank,
        input_shape,
        filters,
        bias,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        layout,
        activation,
        algorithm,
        workspace_limit,
    )
