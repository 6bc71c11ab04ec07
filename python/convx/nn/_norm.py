"""Batch normalisation."""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np

from convx import _arguments, _core
from convx._types import Array, Layout
from convx.nn._module import Module
from convx.nn._parameter import Parameter, checked_dtype

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]


class _BatchNorm(Module):
    _buffers = ("running_mean", "running_var", "num_batches_tracked")
    _dimensions: tuple[int, ...]

    def __init__(
        self,
        num_features: SupportsIndex,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        layout: Layout = "channels_first",
        dtype: Any = np.float32,
    ) -> None:
        self.num_features = _arguments.integer(num_features, "num_features", 1)
        if not eps >= 0:
            raise ValueError(f"eps must be at least 0, got {eps!r}")
        self.eps = float(eps)
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        if layout not in ("channels_first", "channels_last"):
            _arguments.option(layout, "layout", {"channels_first": 0, "channels_last": 0})
        self.layout: Layout = layout
        ones, zeros = (make(self.num_features, checked_dtype(dtype)) for make in (np.ones, np.zeros))
        self.weight = Parameter(ones) if affine else None
        self.bias = Parameter(zeros) if affine else None
        self.running_mean: Array | None = zeros.copy() if track_running_stats else None
        self.running_var: Array | None = ones.copy() if track_running_stats else None
        self.num_batches_tracked: int | None = 0 if track_running_stats else None
        self._like = ones

    def forward(self, input: Any) -> Array:
        """Normalise each channel of `input`."""
        if type(input) is not np.ndarray:
            input = np.asarray(input)
        if input.ndim not in self._dimensions:
            expected = " or ".join(str(n) for n in self._dimensions)
            raise ValueError(
                f"input of {type(self).__name__} must have {expected} dimensions, one of them the batch; "
                f"got shape {input.shape}"
            )
        weight = None if self.weight is None else self.weight._data
        bias = None if self.bias is None else self.bias._data
        rank = input.ndim - 2
        if not self.training and self.running_mean is not None:
            assert self.running_var is not None
            return _core.batch_norm_forward(
                rank, input, weight, bias, self.running_mean, self.running_var, self.eps, self.layout
            )
        running_mean, running_var, momentum = None, None, 0.0
        if self.running_mean is not None and input.size:
            assert self.num_batches_tracked is not None
            running_mean, running_var = self.running_mean, self.running_var
            momentum = 1 / (self.num_batches_tracked + 1) if self.momentum is None else self.momentum
        output, mean, inverse_std = _core.batch_norm_train(
            rank, input, self._like, weight, bias, running_mean, running_var, momentum, self.eps, self.layout
        )
        if running_mean is not None:
            self.num_batches_tracked += 1  # type: ignore[operator]
        if self.training:
            self._saved = input, mean, inverse_std
        return output

    def backward(self, grad_output: Any) -> Array:
        """Return the input's gradient, and add those of weight and bias."""
        if self._saved is None:
            self._no_forward()
        input, mean, inverse_std = self._saved
        weight = None if self.weight is None else self.weight._data
        gradient, grad_weight, grad_bias = _core.batch_norm_gradient(
            input.ndim - 2, input, weight, mean, inverse_std, grad_output, self.layout
        )
        if self.weight is not None and self.bias is not None:
            self.weight.add_gradient(grad_weight)
            self.bias.add_gradient(grad_bias)
        return gradient

    def _describe(self) -> str:
        text = f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"
        for name, usual in (("affine", True), ("track_running_stats", True), ("layout", "channels_first")):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)!r}"
        return text


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of inputs of shape (N, C) or (N, C, L); see `BatchNorm2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.BatchNorm1d(1, dtype=np.float64)(np.array([[-2.0], [2.0]])).round(3)
    array([[-1.],
           [ 1.]])
    """

    _dimensions = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of inputs of shape (N, C, H, W).

    In training mode each channel gets the mean 0 and the variance 1 over batch and space, then a scale and a shift that
    are learned; running statistics follow those of the batches, and in eval mode they take their place. Behind a
    convolution, ``eval(fold_batch_norm=True)`` makes it part of the convolution: see `Module.eval`.

    Parameters
    ----------
    num_features : int
        Channels.
    eps : float, default 1e-5
        Added to the variance.
    momentum : float or None, default 0.1
        The part of a batch's statistics in the running ones. None: the mean over all batches.
    affine : bool, default True
        Whether there are `weight` and `bias`.
    track_running_stats : bool, default True
        Whether there are running statistics; without them eval mode normalises by the batch too.
    layout : {"channels_first", "channels_last"}
    dtype : dtype, default float32
        Or float64.

    Attributes
    ----------
    weight, bias : Parameter of shape (C,), or None
    running_mean, running_var : ndarray of shape (C,), or None
    num_batches_tracked : int or None

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> norm = nn.BatchNorm2d(3)
    >>> y = norm(np.random.default_rng(0).normal(5, 2, (8, 3, 16, 16)).astype(np.float32))
    >>> bool(abs(y.mean(axis=(0, 2, 3))).max() < 1e-6), norm.num_batches_tracked
    (True, 1)
    """

    _dimensions = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of inputs of shape (N, C, D, H, W); see `BatchNorm2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.BatchNorm3d(2)(np.zeros((2, 2, 3, 3, 3), np.float32)).shape
    (2, 2, 3, 3, 3)
    """

    _dimensions = (5,)
