"""The fully connected layer."""

from __future__ import annotations

import math
from typing import Any, SupportsIndex

import numpy as np

from convx import _arguments, _core
from convx._types import Array
from convx.nn._module import Module
from convx.nn._parameter import Parameter, Rng, uniform

__all__ = ["Linear"]


class Linear(Module):
    """A layer of `convx.linear`: inputs of shape (..., in_features).

    Parameters
    ----------
    in_features, out_features : int
    bias : bool, default True
    dtype : dtype, default float32
        Or float64.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from, drawn as PyTorch draws them.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
    bias : Parameter of shape (out_features,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> layer = nn.Linear(3, 2, rng=0)
    >>> y = layer(np.ones((8, 3), np.float32))
    >>> y.shape, layer.backward(y).shape, layer.weight.grad.shape
    ((8, 2), (8, 3), (2, 3))
    """

    def __init__(
        self,
        in_features: SupportsIndex,
        out_features: SupportsIndex,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
        rng: Rng = None,
    ) -> None:
        self.in_features = _arguments.integer(in_features, "in_features", 1)
        self.out_features = _arguments.integer(out_features, "out_features", 1)
        random, bound = np.random.default_rng(rng), 1 / math.sqrt(self.in_features)
        self.weight = uniform((self.out_features, self.in_features), bound, dtype, random)
        self.bias: Parameter | None = uniform((self.out_features,), bound, dtype, random) if bias else None

    def forward(self, input: Any) -> Array:
        """Multiply each row of features by the weight."""
        if type(input) is not np.ndarray:
            input = np.asarray(input)
        if self.training:
            self._saved = input
        return _core.linear_forward(input, self.weight._data, None if self.bias is None else self.bias._data, None)

    def backward(self, grad_output: Any) -> Array | None:
        """Return the input's gradient, and add those of weight and bias."""
        input = self._saved
        if input is None:
            self._no_forward()
        weight = self.weight._data
        self.weight.add_gradient(_core.linear_weight_gradient(input, weight.shape, grad_output, None))
        if self.bias is not None:
            self.bias.add_gradient(_core.linear_bias_gradient(grad_output, None))
        if not self.needs_input_gradient:
            return None
        return _core.linear_input_gradient(input.shape, weight, grad_output, None)

    def _describe(self) -> str:
        return f"{self.in_features}, {self.out_features}" + (", bias=False" if self.bias is None else "")
