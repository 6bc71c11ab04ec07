"""Convolution layers with weights of their own."""

from __future__ import annotations

import math
from typing import Any, SupportsIndex

import numpy as np

from convx import _arguments, _core, grad
from convx._types import Array, Layout, Padding, PaddingMode, PerAxis
from convx.nn import _inference
from convx.nn._module import Module
from convx.nn._parameter import Parameter, Rng, uniform

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _Convolution(Module):
    """What convolutions and transposed ones share."""

    rank: int
    transposed: bool
    _transient = ("_saved", "_eval")
    _eval: Any = None

    def _set_up(
        self,
        in_channels: SupportsIndex,
        out_channels: SupportsIndex,
        kernel_size: PerAxis,
        stride: PerAxis,
        padding: Padding,
        output_padding: PerAxis,
        dilation: PerAxis,
        groups: SupportsIndex,
        bias: bool,
        padding_mode: PaddingMode,
        layout: Layout,
        dtype: Any,
        rng: Rng,
    ) -> None:
        rank = self.rank
        self.in_channels = _arguments.integer(in_channels, "in_channels", 1)
        self.out_channels = _arguments.integer(out_channels, "out_channels", 1)
        self.groups = _arguments.integer(groups, "groups", 1)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(f"groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}")
        self.kernel_size = _arguments.per_axis(kernel_size, "kernel_size", rank, 1)
        self.stride = _arguments.per_axis(stride, "stride", rank, 1)
        self.dilation = _arguments.per_axis(dilation, "dilation", rank, 1)
        self.output_padding = _arguments.per_axis(output_padding, "output_padding", rank, 0)
        if not (isinstance(padding, str) and padding in ("same", "same_lower", "valid")):
            _arguments.padding_pairs(padding, rank)
        self.padding = padding
        modes = ("zeros",) if self.transposed else ("zeros", "reflect", "replicate", "circular", "symmetric")
        if padding_mode not in modes:
            _arguments.option(padding_mode, "padding_mode", dict.fromkeys(modes, 0))
        self.padding_mode: PaddingMode = padding_mode
        if layout not in ("channels_first", "channels_last"):
            _arguments.option(layout, "layout", {"channels_first": 0, "channels_last": 0})
        self.layout: Layout = layout
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        shape = (first, second // self.groups, *self.kernel_size)
        # PyTorch's: uniform by Kaiming He with a = sqrt(5), and a bias of the same bound.
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        random = np.random.default_rng(rng)
        self.weight = uniform(shape, bound, dtype, random)
        self.bias: Parameter | None = uniform((self.out_channels,), bound, dtype, random) if bias else None

    def run(self, input: Any, weight: Any, bias: Any, activation: str | None) -> Array:
        """The layer with other weights, and an activation fused."""
        return _core.conv_forward(
            self.rank,
            self.transposed,
            input,
            weight,
            bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.dilation,
            self.groups,
            self.padding_mode,
            self.layout,
            activation,
            "auto",
            None,
        )

    def forward(self, input: Any) -> Array:
        """Convolve `input`."""
        if not self.training:
            if self._eval is None:
                self._eval = _inference.Fused(self)
            return self._eval(input)  # type: ignore[no-any-return]
        return self.forward_activated(input, None)

    def forward_activated(self, input: Any, activation: str | None) -> Array:
        """Compute `forward` in training mode with the activation that follows it fused."""
        self._saved = input if type(input) is np.ndarray else np.asarray(input)
        return self.run(self._saved, self.weight._data, None if self.bias is None else self.bias._data, activation)

    def backward(self, grad_output: Any) -> Array | None:
        """Return the input's gradient, and add those of weight and bias."""
        input = self._saved
        if input is None:
            self._no_forward()
        rank, weight = self.rank, self.weight._data
        self.weight.add_gradient(
            _core.conv_weight_gradient(
                rank,
                self.transposed,
                input,
                weight.shape,
                grad_output,
                self.stride,
                self.padding,
                self.output_padding,
                self.dilation,
                self.groups,
                self.padding_mode,
                self.layout,
                "auto",
                None,
            )
        )
        if self.bias is not None:
            batch = grad_output if input.ndim == rank + 2 else np.asarray(grad_output)[None]
            self.bias.add_gradient(_core.conv_bias_gradient(batch, self.layout, None))
        if not self.needs_input_gradient:
            return None
        if self.padding_mode != "zeros":
            return self._folded_gradient(input.shape, grad_output)
        return _core.conv_input_gradient(
            rank,
            self.transposed,
            input.shape,
            weight,
            grad_output,
            self.stride,
            self.padding,
            self.output_padding,
            self.dilation,
            self.groups,
            self.layout,
            "auto",
            None,
        )

    def _folded_gradient(self, size: tuple[int, ...], grad_output: Any) -> Array:
        gradient = (grad.conv1d_input, grad.conv2d_input, grad.conv3d_input)[self.rank - 1]
        return gradient(
            size,
            self.weight._data,
            grad_output,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            padding_mode=self.padding_mode,
            layout=self.layout,
        )

    def _describe(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0), ("groups", 1)):
            value = getattr(self, name)
            if value not in (usual, (usual,) * self.rank):
                text += f", {name}={value!r}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode!r}"
        if self.layout != "channels_first":
            text += f", layout={self.layout!r}"
        return text


class _Conv(_Convolution):
    transposed = False

    def __init__(
        self,
        in_channels: SupportsIndex,
        out_channels: SupportsIndex,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        groups: SupportsIndex = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        *,
        layout: Layout = "channels_first",
        dtype: Any = np.float32,
        rng: Rng = None,
    ) -> None:
        self._set_up(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            0,
            dilation,
            groups,
            bias,
            padding_mode,
            layout,
            dtype,
            rng,
        )


class Conv1d(_Conv):
    """A layer of `convx.conv1d`: signals of shape (N, C_in, L) or (C_in, L).

    `Conv2d` says what the parameters mean.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.Conv1d(2, 4, 5, padding="same")(np.zeros((8, 2, 100), np.float32)).shape
    (8, 4, 100)
    """

    rank = 1


class Conv2d(_Conv):
    """A layer of `convx.conv2d`: images of shape (N, C_in, H, W) or (C_in, H, W).

    In eval mode it keeps plans for the last few shapes of inputs.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or sequence of ints
    stride, padding, dilation, groups, padding_mode, layout
        See `convx.conv2d`.
    bias : bool, default True
    dtype : dtype, default float32
        Of weight and bias, and so of inputs and outputs; or float64.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from, drawn as PyTorch draws them.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, kH, kW)
    bias : Parameter of shape (out_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> layer = nn.Conv2d(3, 8, 3, padding=1, rng=0)
    >>> x = np.ones((2, 3, 16, 16), np.float32)
    >>> y = layer(x)
    >>> y.shape, layer.backward(y).shape, layer.weight.grad.shape
    ((2, 8, 16, 16), (2, 3, 16, 16), (8, 3, 3, 3))
    """

    rank = 2


class Conv3d(_Conv):
    """A layer of `convx.conv3d`: volumes of shape (N, C_in, D, H, W) or (C_in, D, H, W).

    `Conv2d` says what the parameters mean.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.Conv3d(1, 2, 3)(np.zeros((1, 1, 8, 8, 8), np.float32)).shape
    (1, 2, 6, 6, 6)
    """

    rank = 3


class _ConvTranspose(_Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: SupportsIndex,
        out_channels: SupportsIndex,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = 0,
        output_padding: PerAxis = 0,
        groups: SupportsIndex = 1,
        bias: bool = True,
        dilation: PerAxis = 1,
        padding_mode: PaddingMode = "zeros",
        *,
        layout: Layout = "channels_first",
        dtype: Any = np.float32,
        rng: Rng = None,
    ) -> None:
        self._set_up(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            dilation,
            groups,
            bias,
            padding_mode,
            layout,
            dtype,
            rng,
        )


class ConvTranspose1d(_ConvTranspose):
    """A layer of `convx.conv_transpose1d`; see `ConvTranspose2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.ConvTranspose1d(4, 2, 4, stride=2)(np.zeros((8, 4, 10), np.float32)).shape
    (8, 2, 22)
    """

    rank = 1


class ConvTranspose2d(_ConvTranspose):
    """A layer of `convx.conv_transpose2d`: the input gradient of a convolution, used forwards.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or sequence of ints
    stride, padding, output_padding, groups, dilation, layout
        See `convx.conv_transpose2d`.
    padding_mode : str
        Only "zeros".
    bias, dtype, rng
        See `Conv2d`.

    Attributes
    ----------
    weight : Parameter, shape (in_channels, out_channels / groups, kH, kW)
    bias : Parameter of shape (out_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1)(np.zeros((1, 8, 16, 16), np.float32)).shape
    (1, 3, 32, 32)
    """

    rank = 2


class ConvTranspose3d(_ConvTranspose):
    """A layer of `convx.conv_transpose3d`; see `ConvTranspose2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.ConvTranspose3d(2, 1, 2, stride=2)(np.zeros((1, 2, 4, 4, 4), np.float32)).shape
    (1, 1, 8, 8, 8)
    """

    rank = 3
