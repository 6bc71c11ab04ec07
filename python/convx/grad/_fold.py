"""Input gradients under a padding mode: the padded input's gradient, folded back onto where it was read from."""

from __future__ import annotations

from typing import Any

import numpy as np

from convx import _arguments, _core
from convx._types import Array

# What numpy.pad calls the padding modes.
_NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "symmetric": "symmetric"}


def input_gradient(
    rank: int,
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
    layout: Any,
    algorithm: Any,
    out: Array | None,
) -> Array:
    """Gradient with respect to the input of a layer whose padding repeats the input."""
    if not isinstance(padding_mode, str) or padding_mode not in _NUMPY_MODES:
        _arguments.option(padding_mode, "padding_mode", dict.fromkeys(("zeros", *_NUMPY_MODES), 0))
    size = _arguments.shape(input_size, "input_size", (rank + 2, rank + 1))
    first = len(size) - rank - (layout == "channels_last")
    space = range(first, first + rank)
    extent = tuple(size[axis] for axis in space)
    if min(extent) == 0:
        _arguments.empty_space(size, "input_size")
    if isinstance(padding, str) and padding in ("same", "same_lower"):
        kernel = np.shape(weight)[-rank:]
        steps = _arguments.per_axis(stride, "stride", rank, 1)
        spread = _arguments.per_axis(dilation, "dilation", rank, 1)
        pairs = _arguments.same_padding(padding == "same_lower", extent, kernel, steps, spread)
    else:
        pairs = _arguments.padding_pairs(0 if isinstance(padding, str) and padding == "valid" else padding, rank)
    padded = list(size)
    for axis, (before, after) in zip(space, pairs, strict=True):
        padded[axis] += before + after
    grad = _core.conv_input_gradient(
        rank, False, padded, weight, grad_output, stride, 0, 0, dilation, groups, layout, algorithm, None
    )
    for axis, n, (before, after) in zip(space, extent, pairs, strict=True):
        grad = _fold_axis(grad, axis, n, before, after, _NUMPY_MODES[padding_mode])
    if out is None:
        return grad.copy(order="K")
    _core.check_result(out, grad)
    out[...] = grad
    return out


def _fold_axis(grad: Array, axis: int, n: int, before: int, after: int, mode: str) -> Array:
    """Add what lies beyond the ends of `axis` to the places that its padding repeats."""
    places = np.moveaxis(grad, axis, 0)
    source = np.pad(np.arange(n), (before, after), mode=mode)  # type: ignore[call-overload]
    for j in (*range(before), *range(before + n, before + n + after)):
        places[before + source[j]] += places[j]
    return np.moveaxis(places[before : before + n], 0, axis)
