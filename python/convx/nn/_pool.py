"""Pooling layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from convx import _core
from convx._types import Array, Layout, Padding, PerAxis
from convx.nn._module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


def _array(input: Any) -> Array:
    return input if type(input) is np.ndarray else np.asarray(input)


class _Pool(Module):
    rank: int
    _shown: tuple[str, ...]

    def _describe(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self._shown)


class _MaxPool(_Pool):
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
        *,
        layout: Layout = "channels_first",
    ) -> None:
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.return_indices, self.ceil_mode, self.layout = return_indices, ceil_mode, layout

    def forward(self, input: Any) -> Any:
        """Pool `input`. With ``return_indices=True`` a pair: the maxima, and their places."""
        input = _array(input)
        both = self.training or self.return_indices
        result = _core.pool_forward(
            self.rank,
            True,
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            True,
            None,
            both,
            self.layout,
        )
        if not both:
            return result
        if self.training:
            self._saved = input, result[1]
        return result if self.return_indices else result[0]

    def backward(self, grad_output: Any) -> Array:
        """Return the input's gradient from that of the maxima."""
        if self._saved is None:
            self._no_forward()
        input, indices = self._saved
        return _core.max_pool_gradient(
            self.rank,
            input,
            grad_output,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            indices,
            self.layout,
        )


class MaxPool1d(_MaxPool):
    """A layer of `convx.max_pool1d`; see `MaxPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.MaxPool1d(2)(np.array([[1.0, 3.0, 2.0, 0.0]]))
    array([[3., 2.]])
    """

    rank = 1


class MaxPool2d(_MaxPool):
    """A layer of `convx.max_pool2d`: the largest value of each window.

    Parameters
    ----------
    kernel_size, stride, padding, dilation, ceil_mode, layout
        See `convx.max_pool2d`.
    return_indices : bool, default False
        Return the places of the maxima too, for `MaxUnpool2d`. Such a layer cannot stand in a `Sequential`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> pool = nn.MaxPool2d(2)
    >>> pool(np.array([[[1.0, 3.0], [4.0, 2.0]]]))
    array([[[4.]]])
    >>> pool.backward(np.array([[[10.0]]]))
    array([[[ 0.,  0.],
            [10.,  0.]]])
    """

    rank = 2


class MaxPool3d(_MaxPool):
    """A layer of `convx.max_pool3d`; see `MaxPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.MaxPool3d(2)(np.zeros((1, 2, 4, 4, 4), np.float32)).shape
    (1, 2, 2, 2, 2)
    """

    rank = 3


class _AvgPool(_Pool):
    _shown = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

    def __init__(
        self,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: SupportsIndex | None = None,
        *,
        layout: Layout = "channels_first",
    ) -> None:
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode
        self.count_include_pad, self.divisor_override, self.layout = count_include_pad, divisor_override, layout

    def forward(self, input: Any) -> Array:
        """Pool `input`."""
        input = _array(input)
        if self.training:
            self._saved = input.shape
        output: Array = _core.pool_forward(
            self.rank,
            False,
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            1,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
            False,
            self.layout,
        )
        return output

    def backward(self, grad_output: Any) -> Array:
        """Return the input's gradient."""
        if self._saved is None:
            self._no_forward()
        return _core.average_pool_gradient(
            self.rank,
            self._saved,
            grad_output,
            self.kernel_size,
            self.stride,
            self.padding,
            1,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
            self.layout,
        )


class AvgPool1d(_AvgPool):
    """A layer of `convx.avg_pool1d`; see `AvgPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.AvgPool1d(2)(np.array([[1.0, 3.0, 2.0, 0.0]]))
    array([[2., 1.]])
    """

    rank = 1


class AvgPool2d(_AvgPool):
    """A layer of `convx.avg_pool2d`: the mean of each window.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, layout
        See `convx.avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.AvgPool2d(2)(np.array([[[1.0, 3.0], [4.0, 2.0]]]))
    array([[[2.5]]])
    """

    rank = 2


class AvgPool3d(_AvgPool):
    """A layer of `convx.avg_pool3d`; see `AvgPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.AvgPool3d(2)(np.zeros((1, 2, 4, 4, 4), np.float32)).shape
    (1, 2, 2, 2, 2)
    """

    rank = 3


class _AdaptiveAvgPool(_Pool):
    _shown = ("output_size",)

    def __init__(
        self,
        output_size: SupportsIndex | Sequence[SupportsIndex | None] | None,
        *,
        layout: Layout = "channels_first",
    ) -> None:
        self.output_size, self.layout = output_size, layout

    def forward(self, input: Any) -> Array:
        """Pool `input`."""
        input = _array(input)
        if self.training:
            self._saved = input.shape
        output: Array = _core.adaptive_pool_forward(self.rank, False, input, self.output_size, False, self.layout)
        return output

    def backward(self, grad_output: Any) -> Array:
        """Return the input's gradient."""
        if self._saved is None:
            self._no_forward()
        return _core.adaptive_average_pool_gradient(self.rank, self._saved, grad_output, self.layout)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """A layer of `convx.adaptive_avg_pool1d`; see `AdaptiveAvgPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.AdaptiveAvgPool1d(1)(np.array([[1.0, 3.0, 2.0, 0.0]]))
    array([[1.5]])
    """

    rank = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """A layer of `convx.adaptive_avg_pool2d`: means of as many windows as are asked for.

    Parameters
    ----------
    output_size, layout
        See `convx.adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.AdaptiveAvgPool2d((1, 2))(np.array([[[1.0, 3.0], [4.0, 2.0]]]))
    array([[[2.5, 2.5]]])
    """

    rank = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """A layer of `convx.adaptive_avg_pool3d`; see `AdaptiveAvgPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.AdaptiveAvgPool3d(1)(np.zeros((1, 2, 4, 4, 4), np.float32)).shape
    (1, 2, 1, 1, 1)
    """

    rank = 3


class _AdaptiveMaxPool(_Pool):
    _shown = ("output_size",)

    def __init__(
        self,
        output_size: SupportsIndex | Sequence[SupportsIndex | None] | None,
        return_indices: bool = False,
        *,
        layout: Layout = "channels_first",
    ) -> None:
        self.output_size, self.return_indices, self.layout = output_size, return_indices, layout

    def forward(self, input: Any) -> Any:
        """Pool `input`. With ``return_indices=True`` a pair: the maxima, and their places."""
        input = _array(input)
        both = self.training or self.return_indices
        result = _core.adaptive_pool_forward(self.rank, True, input, self.output_size, both, self.layout)
        if not both:
            return result
        if self.training:
            self._saved = input, result[1]
        return result if self.return_indices else result[0]

    def backward(self, grad_output: Any) -> Array:
        """Return the input's gradient from that of the maxima."""
        if self._saved is None:
            self._no_forward()
        input, indices = self._saved
        return _core.adaptive_max_pool_gradient(self.rank, input, grad_output, indices, self.layout)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """A layer of `convx.adaptive_max_pool1d`; see `AdaptiveMaxPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.AdaptiveMaxPool1d(1)(np.array([[1.0, 3.0, 2.0, 0.0]]))
    array([[3.]])
    """

    rank = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """A layer of `convx.adaptive_max_pool2d`: maxima of as many windows as are asked for.

    Parameters
    ----------
    output_size, layout
        See `convx.adaptive_max_pool2d`.
    return_indices : bool, default False
        Return the places of the maxima too. Such a layer cannot stand in a `Sequential`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.AdaptiveMaxPool2d((1, 2))(np.array([[[1.0, 3.0], [4.0, 2.0]]]))
    array([[[4., 3.]]])
    """

    rank = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """A layer of `convx.adaptive_max_pool3d`; see `AdaptiveMaxPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.AdaptiveMaxPool3d(1)(np.zeros((1, 2, 4, 4, 4), np.float32)).shape
    (1, 2, 1, 1, 1)
    """

    rank = 3


class _MaxUnpool(_Pool):
    _shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: PerAxis = 0,
        *,
        layout: Layout = "channels_first",
    ) -> None:
        self.kernel_size, self.stride, self.padding, self.layout = kernel_size, stride, padding, layout

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Array:
        """Put the elements of `input` at the places `indices`, and zeros elsewhere."""
        if self.training:
            self._saved = indices, output_size
        return _core.unpool_forward(
            self.rank, input, indices, self.kernel_size, self.stride, self.padding, output_size, self.layout
        )

    def backward(self, grad_output: Any) -> Array:
        """Return the gradient with respect to `input`."""
        if self._saved is None:
            self._no_forward()
        indices, output_size = self._saved
        return _core.unpool_gradient(
            self.rank, grad_output, indices, self.kernel_size, self.stride, self.padding, output_size, self.layout
        )


class MaxUnpool1d(_MaxUnpool):
    """A layer of `convx.max_unpool1d`; see `MaxUnpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.MaxUnpool1d(2)(np.array([[5.0, 6.0]]), np.array([[1, 2]]))
    array([[0., 5., 6., 0.]])
    """

    rank = 1


class MaxUnpool2d(_MaxUnpool):
    """A layer of `convx.max_unpool2d`: maxima back to where a pooling found them.

    Parameters
    ----------
    kernel_size, stride, padding, layout
        Those of the pooling.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> maxima, places = nn.MaxPool2d(2, return_indices=True)(np.array([[[1.0, 3.0], [4.0, 2.0]]]))
    >>> nn.MaxUnpool2d(2)(maxima, places)
    array([[[0., 0.],
            [4., 0.]]])
    """

    rank = 2


class MaxUnpool3d(_MaxUnpool):
    """A layer of `convx.max_unpool3d`; see `MaxUnpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.MaxUnpool3d(2)(np.ones((1, 1, 1, 1)), np.zeros((1, 1, 1, 1), int)).sum()
    np.float64(1.0)
    """

    rank = 3
