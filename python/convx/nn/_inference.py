"""Convolutions in eval mode: planned once a shape, with what follows them folded or fused in."""

from __future__ import annotations

from typing import Any

import numpy as np

from convx import _core
from convx._types import Array

__all__: list[str] = []

KEPT = 4  # plans of a layer: a network sees few shapes of inputs, e.g. a last batch that is smaller


class Fused:
    """A convolution with the batch normalisation and the activation module behind it, either of which may be None.

    Weights are prepared when they are first needed, and anew when a parameter or the mode of a module has changed.
    """

    def __init__(self, conv: Any, norm: Any = None, activation: Any = None) -> None:
        self.conv, self.norm = conv, norm
        self.activation: str | None = None if activation is None else activation.fused_name
        self.modules = [module for module in (conv, norm, activation) if module is not None]
        both = (conv.weight, conv.bias, *((norm.weight, norm.bias) if norm else ()))
        self.sources = [source for source in both if source is not None]
        self.version = -1  # of all that the results depend on: each part only grows
        self.trained = False
        self.plans: dict[tuple[int, ...], Any] = {}
        self.weight: Any = None
        self.bias: Array | None = None

    def __call__(self, input: Any) -> Array:
        version = sum([source.version for source in self.sources])
        for module in self.modules:
            version += module._state_version
        if version != self.version:
            self.plans.clear()
            self.trained = any(module.training for module in self.modules)
            self.weight, self.bias = self._folded()
            self.version = version
        if self.trained:
            for module in self.modules:
                input = module(input)
            return input  # type: ignore[no-any-return]
        if type(input) is not np.ndarray:
            input = np.asarray(input)
        if self.conv.transposed:
            return self.conv.run(input, self.weight, self.bias, self.activation)  # type: ignore[no-any-return]
        plan = self.plans.get(input.shape)
        if plan is None:
            plan = self._plan(input.shape)
        return plan(input)

    def _plan(self, shape: tuple[int, ...]) -> _core.ConvPlan:
        conv = self.conv
        plan = _core.ConvPlan(
            conv.rank,
            shape,
            self.weight,
            self.bias,
            conv.stride,
            conv.padding,
            conv.dilation,
            conv.groups,
            conv.padding_mode,
            conv.layout,
            self.activation,
            "auto",
            None,
        )
        if len(self.plans) >= KEPT:
            self.plans.pop(next(iter(self.plans)), None)
        self.plans[shape] = plan
        return plan

    def _folded(self) -> tuple[Array, Array | None]:
        conv, norm = self.conv, self.norm
        weight, bias = conv.weight.data, None if conv.bias is None else conv.bias.data
        if norm is None:
            return weight, bias
        scale = 1 / np.sqrt(norm.running_var.astype(np.float64) + norm.eps)
        if norm.weight is not None:
            scale *= norm.weight.data
        shift = (0 if bias is None else bias) - norm.running_mean.astype(np.float64)
        shift = shift * scale + (0 if norm.bias is None else norm.bias.data)
        kernel = (1,) * conv.rank
        if conv.transposed:  # (in, out / groups, kernel...): the inputs of each group have the group's outputs
            each = scale.reshape(conv.groups, 1, -1)
            each = np.broadcast_to(each, (conv.groups, weight.shape[0] // conv.groups, each.shape[2]))
            scaled = weight * each.reshape(*weight.shape[:2], *kernel)
        else:
            scaled = weight * scale.reshape(-1, 1, *kernel)
        return scaled.astype(weight.dtype), shift.astype(weight.dtype)
