"""What pooling functions accept beyond plain ints, and what they refuse, with the reason.

The counterpart of `convx._arguments` for pooling. Nothing here computes on array elements, but the search for an index
that has been refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from convx import _arguments
from convx._arguments import Pair


def flag(value: Any, name: str) -> bool:
    """`value` as a bool, which it must be."""
    if isinstance(value, np.bool_):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {value!r} of type {type(value).__name__}")


def divisor(value: Any) -> int:
    """`value` as an int other than 0."""
    number = _arguments.integer(value, "divisor_override", -_arguments.LARGEST)
    if number == 0:
        raise ValueError("divisor_override must not be 0; use None to divide by the number of places")
    return number


def padding(value: Any, kernel: Sequence[int]) -> NoReturn:
    """Refuse padding by an int that is more than half the window."""
    raise ValueError(
        f"padding must be at most half of kernel_size, got {value!r} with kernel_size {tuple(kernel)}; "
        "(before, after) pairs may reach as far as the window"
    )


def padding_pairs(
    value: Any, extent: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[Pair, ...]:
    """(before, after) an axis from every form of `padding`."""
    if isinstance(value, str) and value in ("same", "same_lower"):
        return _arguments.same_padding(value == "same_lower", extent, kernel, stride, dilation)
    if isinstance(value, str) and value == "valid":
        value = 0
    pairs = _arguments.padding_pairs(value, len(kernel))
    entries = value if isinstance(value, Sequence | np.ndarray) else [value]
    entries = list(entries) * (len(kernel) if len(entries) == 1 else 1)
    for entry, pair, taps, spread in zip(entries, pairs, kernel, dilation, strict=True):
        reach = spread * (taps - 1)
        if not isinstance(entry, Sequence | np.ndarray) or np.ndim(entry) == 0:
            if pair[0] > taps // 2:
                padding(value, kernel)
        elif max(pair) > reach:
            raise ValueError(
                f"padding pairs must be smaller than the window, got {pair} with a dilated window of {reach + 1} "
                f"(kernel_size {tuple(kernel)}, dilation {tuple(dilation)})"
            )
    return pairs


def adaptive_size(value: Any, extent: Sequence[int]) -> tuple[int, ...]:
    """One int, or one int or None (keep the size) an axis."""
    rank = len(extent)
    wanted = f"output_size must be an int or a sequence of {rank}, each an int or None (keeps the size)"
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray) or np.ndim(value) == 0:
        if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
            raise TypeError(f"{wanted}; got {value!r} of type {type(value).__name__}")
        return (_arguments.integer(value, "output_size", 0),) * rank
    if len(value) != rank:
        raise ValueError(f"{wanted}; got {len(value)} values: {value!r}")
    return tuple(
        n if size is None else _arguments.integer(size, "output_size", 0) for size, n in zip(value, extent, strict=True)
    )


def unpooled_size(
    extent: Sequence[int], kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> tuple[int, ...]:
    """Spatial size that an unpooling gives: the inverse of the pooling's formula, or what was asked for near it."""
    rank = len(extent)
    kernel = _arguments.per_axis(kernel_size, "kernel_size", rank, 1)
    none = stride is None or (isinstance(stride, tuple | list) and not stride)
    step = kernel if none else _arguments.per_axis(stride, "stride", rank, 1)
    pad = _arguments.per_axis(padding, "padding", rank, 0)
    sizes = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(extent, step, pad, kernel, strict=True))
    if output_size is None:
        if min(sizes) < 0:
            raise ValueError(f"padding {pad} is too large: the result would have the spatial size {sizes}")
        return _countable(sizes)
    if isinstance(output_size, str | bytes) or not isinstance(output_size, Sequence | np.ndarray):
        raise TypeError(f"output_size must be a sequence of {rank} or {rank + 2} ints, got {output_size!r}")
    if len(output_size) not in (rank, rank + 2):
        raise ValueError(f"output_size must have {rank} or {rank + 2} sizes, got {len(output_size)}: {output_size!r}")
    asked = tuple(_arguments.integer(size, "output_size", 0) for size in output_size[-rank:])
    for want, size, s in zip(asked, sizes, step, strict=True):
        if not size - s < want < size + s:
            raise ValueError(
                f"output_size {asked} is not one that pooling maps to {tuple(extent)}: with kernel_size {kernel}, "
                f"stride {step} and padding {pad} it must be nearer to {sizes} than a stride in each dimension"
            )
    return _countable(asked)


def _countable(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if max(sizes) > _arguments.LARGEST:
        raise ValueError(f"the result would have the spatial size {sizes}, which does not fit 64 bits")
    return sizes


def dimensions(array: Any, name: str, rank: int, layout: str) -> NoReturn:
    """Refuse arrays that have the wrong number of dimensions."""
    space = ", ".join("DHW"[-rank:])
    order = f"C, {space}" if layout == "channels_first" else f"{space}, C"
    raise ValueError(
        f"{name} must have {rank + 2} dimensions, (N, {order}), or {rank + 1} without a batch, ({order}), for {rank}-D "
        f"pooling with layout={layout!r}; got {array.ndim}: shape {array.shape}"
    )


def empty(shape: tuple[int, ...], name: str) -> NoReturn:
    """Refuse tensors that are empty but for the batch."""
    raise ValueError(f"{name} must have no dimension of size 0 but the batch; got shape {shape}")


def output_size(
    extent: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    before: Sequence[int],
    after: Sequence[int],
) -> NoReturn:
    """Refuse windows that do not fit into the padded input, or sizes beyond counting."""
    spans = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
    if max(*extent, *kernel, *stride, *dilation, *spans) > 2**60:
        raise ValueError(
            f"sizes must stay below 2**60: kernel_size {tuple(kernel)}, stride {tuple(stride)}, dilation "
            f"{tuple(dilation)}, input {tuple(extent)}"
        )
    padded = tuple(n + b + a for n, b, a in zip(extent, before, after, strict=True))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    raise ValueError(
        f"kernel_size does not fit into the input: the window is {reach} (kernel_size {tuple(kernel)}, dilation "
        f"{tuple(dilation)}) but the padded input only {padded} (input {tuple(extent)}); use a smaller window or more "
        "padding"
    )


def index_dtype(array: Any) -> NoReturn:
    """Refuse indices of another dtype."""
    raise TypeError(
        f"indices must be int64 as max pooling returns them, got dtype {array.dtype}; use indices.astype(np.int64)"
    )


def index_shape(found: tuple[int, ...], expected: tuple[int, ...], name: str) -> NoReturn:
    """Refuse indices of another shape than the values'."""
    raise ValueError(f"indices must have the shape of {name}, {expected}; got {found}")


def status(code: int, text: str, shape: tuple[int, ...], indices: Any, extent: tuple[int, ...]) -> NoReturn:
    """Raise what a status of the C library means."""
    if code == 4:
        raise MemoryError(f"convx: no memory for the workspace of a pooling with the output shape {shape}")
    if code == 8:
        places = int(np.prod(extent, dtype=np.int64))
        wrong = indices[(indices < 0) | (indices >= places)]
        raise ValueError(
            f"indices must be places of the {places} of one channel, of the size {extent}; got {wrong.flat[0]}"
        )
    raise ValueError(f"convx refused the pooling: {text} (output shape {shape})")
