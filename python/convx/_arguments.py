"""The ways off the fast path: arguments in their rarer forms, and the words in which they are refused.

The compiled core handles plain ints and fitting arrays itself and calls in here for everything else. Nothing here
computes on array elements.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

LARGEST = 2**63 - 1

Pair = tuple[int, int]


def integer(value: Any, name: str, low: int) -> int:
    """`value` as an int of at least `low`; bools and floats are not ints."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an int, got the bool {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {_brief(value)} of type {type(value).__name__}") from None
    if number < low:
        raise ValueError(f"{name} must be at least {low}, got {number}")
    if number > LARGEST:
        raise ValueError(f"{name} is too large: {number} does not fit 64 bits")
    return number


def per_axis(value: Any, name: str, rank: int, low: int) -> tuple[int, ...]:
    """One int for all axes, or a sequence of one or `rank` ints, as a tuple of `rank` ints."""
    entries = _entries(value, name, rank, f"an int or a sequence of {rank}, one a dimension")
    return tuple(integer(entry, name, low) for entry in entries)


def padding_pairs(value: Any, rank: int, name: str = "padding") -> tuple[Pair, ...]:
    """An int, one int an axis, or (before, after) pairs, as `rank` pairs."""
    wanted = (
        f"an int, a sequence of {rank} (one a dimension), (before, after) pairs, 'valid', 'same' (extra at the end) "
        "or 'same_lower'"
    )
    if isinstance(value, str):
        raise ValueError(f"{name} must be {wanted}; got {value!r}")
    pairs = []
    for entry in _entries(value, name, rank, wanted):
        if _is_sequence(entry):
            ends = tuple(entry)
            if len(ends) != 2:
                raise ValueError(f"{name} pairs must hold two ints, before and after; got {_brief(entry)}")
            pairs.append((integer(ends[0], name, 0), integer(ends[1], name, 0)))
        else:
            both = integer(entry, name, 0)
            pairs.append((both, both))
    return tuple(pairs)


def _is_sequence(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def _entries(value: Any, name: str, rank: int, wanted: str) -> tuple[Any, ...]:
    if not _is_sequence(value):
        if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
            raise TypeError(f"{name} must be {wanted}; got {_brief(value)} of type {type(value).__name__}")
        return (value,) * rank
    entries = tuple(value)
    if len(entries) == 1:
        return entries * rank
    if len(entries) != rank:
        raise ValueError(f"{name} must be {wanted}; got {len(entries)} values: {_brief(value)}")
    return entries


def same_padding(
    lower: bool, extent: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[Pair, ...]:
    """(before, after) an axis so that the output has ceil(extent / stride) places; the odd place goes to the end."""
    pairs = []
    for size, taps, step, spread in zip(extent, kernel, stride, dilation, strict=True):
        total = max(0, (-(-size // step) - 1) * step + spread * (taps - 1) + 1 - size)
        if total > LARGEST:
            raise ValueError(f"dilation is too large: padding='same' would need {total} places with dilation={spread}")
        half = total // 2
        pairs.append((total - half, half) if lower else (half, total - half))
    return tuple(pairs)


def transposed_size(
    extent: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    before: Sequence[int],
    after: Sequence[int],
    output_padding: Sequence[int],
) -> tuple[int, ...]:
    """Spatial output size of a transposed convolution; refuses sizes below one and beyond 64 bits."""
    sizes = tuple(
        (n - 1) * s - b - a + d * (k - 1) + 1 + p
        for n, k, s, d, b, a, p in zip(extent, kernel, stride, dilation, before, after, output_padding, strict=True)
    )
    if min(sizes) < 1:
        raise ValueError(
            f"output would have the spatial size {sizes}, which must be at least 1 everywhere: input {tuple(extent)}, "
            f"kernel {tuple(kernel)}, stride {tuple(stride)}, dilation {tuple(dilation)}, "
            f"padding {tuple(zip(before, after, strict=True))}; use less padding or more output_padding"
        )
    if max(sizes) > LARGEST:
        raise ValueError(
            f"output would have the spatial size {sizes}, which does not fit 64 bits; use a smaller stride"
        )
    return sizes


def shape(value: Any, name: str, lengths: Sequence[int]) -> tuple[int, ...]:
    """A shape given by its sizes, as a tuple that has one of the `lengths`."""
    wanted = " or ".join(str(length) for length in lengths)
    if not _is_sequence(value):
        raise TypeError(f"{name} must be a sequence of {wanted} ints (the shape), got {_brief(value)}")
    sizes = tuple(integer(size, name, 0) for size in value)
    if len(sizes) not in lengths:
        raise ValueError(f"{name} must be the whole shape, {wanted} ints; got {len(sizes)}: {sizes}")
    return sizes


def any_shape(value: Any, name: str) -> tuple[int, ...]:
    """A shape of any number of dimensions, at least one."""
    if not _is_sequence(value):
        raise TypeError(f"{name} must be a sequence of ints (the shape), got {_brief(value)}")
    sizes = tuple(integer(size, name, 0) for size in value)
    if not sizes:
        raise ValueError(f"{name} must have at least one dimension, got ()")
    return sizes


def axis(value: Any, name: str, ndim: int) -> int:
    """An axis, counted from the end if negative, as one in [0, ndim); a scalar has one axis."""
    most = max(ndim, 1)
    number = integer(value, name, -LARGEST)
    if not -most <= number < most:
        raise ValueError(f"{name} must be in [{-most}, {most - 1}] for an input of {ndim} dimensions; got {number}")
    return number % most


def real(value: Any, name: str) -> float:
    """`value` as a float."""
    if isinstance(value, str | bytes) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise TypeError(f"{name} must be a number, got {_brief(value)} of type {type(value).__name__}")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {_brief(value)}") from None


def bounds(least: Any, most: Any) -> tuple[float, float]:
    """The bounds of hardtanh."""
    low, high = real(least, "min_val"), real(most, "max_val")
    if low > high:
        raise ValueError(f"min_val must not be greater than max_val; got {low} and {high}")
    return low, high


def gelu(approximate: Any) -> str:
    """What the core calls this form of gelu."""
    if approximate == "none":
        return "gelu"
    if approximate == "tanh":
        return "gelu_tanh"
    option(approximate, "approximate", {"none": 0, "tanh": 1})


def float_dtype(value: Any, name: str) -> np.dtype[Any]:
    """float32 or float64, in whatever form NumPy takes a dtype."""
    try:
        found: np.dtype[Any] = np.dtype(value)
    except TypeError:
        raise TypeError(f"{name} must be np.float32 or np.float64, got {_brief(value)}") from None
    if found not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"{name} must be np.float32 or np.float64, got {found}")
    return found


def option(value: Any, name: str, choices: dict[Any, int]) -> NoReturn:
    """Refuse a misspelt option."""
    known = ", ".join(repr(choice) for choice in choices)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be one of {known}; got {_brief(value)} of type {type(value).__name__}")
    raise ValueError(f"{name} must be one of {known}; got {value!r}")


def as_array(value: Any, name: str) -> Any:
    """What is no array, as one."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{name} must be an array or nested lists of one shape; {error}") from None


def dtype(array: Any, name: str) -> NoReturn:
    """Refuse an array that is neither float32 nor float64."""
    kind = array.dtype
    if kind.kind == "O":
        raise TypeError(f"{name} must be an array of float32 or float64, got {_brief(array.tolist())}")
    if kind.kind == "f" and kind.itemsize in (4, 8):
        native = kind.newbyteorder("=").name
        raise TypeError(
            f"{name} has the non-native byte order of dtype {kind.str!r}; convert it with {name}.astype(np.{native})"
        )
    raise TypeError(
        f"{name} must be float32 or float64, got dtype {kind}; convert it with np.asarray({name}, np.float32)"
    )


def mixed(array: Any, name: str, other: Any, other_name: str) -> NoReturn:
    """Refuse two arrays of different dtypes."""
    raise TypeError(
        f"{name} is {array.dtype} but {other_name} is {other.dtype}: all arrays of a layer must have one dtype; "
        f"convert one of them, e.g. {name}.astype({other_name}.dtype)"
    )


def beside_shape(found: tuple[int, ...], name: str, expected: tuple[int, ...]) -> NoReturn:
    """Refuse an array whose shape is not that of the input."""
    raise ValueError(f"{name} must have the shape of input, {expected}; got {found}")


def inplace_and_out() -> NoReturn:
    """Refuse two places for one result."""
    raise ValueError("inplace=True writes into input: leave out=None, or pass out=input instead")


def inplace_array(value: Any) -> NoReturn:
    """Refuse to write into what is no array."""
    raise TypeError(
        f"inplace=True needs an input that is a numpy.ndarray, got {_brief(value)} of type {type(value).__name__}"
    )


def linear_input_dimensions() -> NoReturn:
    """Refuse a scalar for rows of features."""
    raise ValueError("input must have at least one dimension, the features last; got a scalar")


def linear_bias_grad_dimensions() -> NoReturn:
    """Refuse a scalar for rows of features."""
    raise ValueError("grad_output must have at least one dimension, the features last; got a scalar")


def linear_weight_dimensions(found: tuple[int, ...], name: str) -> NoReturn:
    """Refuse weights of a linear layer that are no matrix and no vector."""
    raise ValueError(
        f"{name} must have 2 dimensions, (out_features, in_features), or 1, (in_features,); got {len(found)}: {found}"
    )


def linear_features(input_shape: tuple[int, ...], weight_shape: tuple[int, ...]) -> NoReturn:
    """Refuse features that do not fit together."""
    raise ValueError(
        f"input of shape {input_shape} has {input_shape[-1]} features in its last dimension but weight of shape "
        f"{weight_shape} takes {weight_shape[-1]}"
    )


def linear_bias(bias: Any, expected: tuple[int, ...]) -> Any:
    """A bias of one element for all features, repeated; refuses other shapes."""
    if bias.size == 1 and bias.ndim <= len(expected):
        return np.broadcast_to(bias, expected)
    raise ValueError(f"bias must have the shape {expected}, one element an output feature; got {bias.shape}")


def linear_grad_shape(found: tuple[int, ...], expected: tuple[int, ...]) -> NoReturn:
    """Refuse an output gradient whose shape is not that of the layer's output."""
    raise ValueError(f"grad_output must have the shape of the layer's output, {expected}; got {found}")


def out_dtype(out: Any, expected: Any) -> NoReturn:
    """Refuse an `out` of another dtype."""
    raise TypeError(f"out must have the dtype of the result, {expected}; got {out.dtype}")


def out_array(out: Any) -> NoReturn:
    """Refuse an `out` that is no array."""
    raise TypeError(f"out must be a numpy.ndarray, got {_brief(out)} of type {type(out).__name__}")


def out_shape(out: Any, expected: tuple[int, ...]) -> NoReturn:
    """Refuse an `out` of another shape."""
    raise ValueError(f"out must have the shape of the result, {expected}; got {out.shape}")


def out_readonly() -> NoReturn:
    """Refuse an `out` that cannot be written."""
    raise ValueError("out must be writeable, got a read-only array; pass out.copy() or a new array")


def dimensions(array: Any, name: str, rank: int, layout: str) -> NoReturn:
    """Refuse activations that have the wrong number of dimensions."""
    space = ", ".join("DHW"[-rank:])
    order = f"(C, {space})" if layout == "channels_first" else f"({space}, C)"
    hint = ""
    if array.ndim == rank:
        hint = f"; add the channel dimension, {name}[None] or {name}[..., None] as the layout says"
    raise ValueError(
        f"{name} must have {rank + 2} dimensions, (N, {order[1:]}, or {rank + 1} without a batch, {order}, for a "
        f"{rank}-D convolution with layout={layout!r}; got {array.ndim}: shape {array.shape}{hint}"
    )


def weight_dimensions(found: tuple[int, ...], rank: int, transposed: bool, name: str = "weight") -> NoReturn:
    """Refuse weights that have the wrong number of dimensions."""
    space = ", ".join(("kD", "kH", "kW")[-rank:])
    order = "in_channels, out_channels / groups" if transposed else "out_channels, in_channels / groups"
    raise ValueError(f"{name} must have {rank + 2} dimensions, ({order}, {space}); got {len(found)}: shape {found}")


def empty_weight(found: tuple[int, ...]) -> NoReturn:
    """Refuse weights without elements."""
    raise ValueError(
        f"weight must have at least one channel of each kind and one place in its kernel; got shape {found}"
    )


def channels(
    found: int, name: str, weight_shape: tuple[int, ...], groups: int, transposed: bool, layout: str
) -> NoReturn:
    """Refuse channels or groups that do not fit together."""
    first, second = weight_shape[0], weight_shape[1]
    if groups > first or first % groups:
        kind = "in_channels" if transposed else "out_channels"
        raise ValueError(f"groups={groups} must divide the {first} {kind} of weight, whose shape is {weight_shape}")
    expected = first if transposed else second * groups
    dimension = "second" if layout == "channels_first" else "last"
    means = f"weight of shape {weight_shape} with groups={groups}"
    raise ValueError(
        f"{name} has {found} channels but {means} needs {expected}; check groups, and layout={layout!r}, by which the "
        f"channels are the {dimension} dimension of a batch"
    )


def grad_channels(found: int, expected: int, weight_shape: tuple[int, ...], groups: int, layout: str) -> NoReturn:
    """Refuse an output gradient whose channels are not those of the layer's output."""
    raise ValueError(
        f"grad_output has {found} channels but weight of shape {weight_shape} with groups={groups} makes {expected} "
        f"(layout={layout!r})"
    )


def grad_shape(found: tuple[int, ...], expected: tuple[int, ...]) -> NoReturn:
    """Refuse an output gradient whose shape is not that of the layer's output."""
    raise ValueError(
        f"grad_output must have the shape of the layer's output, {expected}; got {found}; check stride, padding, "
        "dilation and the size of the input"
    )


def bias_grad_dimensions(grad_output: Any) -> NoReturn:
    """Refuse an output gradient that no layer makes."""
    raise ValueError(f"grad_output must have 3 to 5 dimensions, one of them the batch; got shape {grad_output.shape}")


def plan_dtype(array: Any, expected: Any) -> NoReturn:
    """Refuse an input of another dtype than the plan's."""
    raise TypeError(
        f"input must have the dtype of the plan, {expected}; got {array.dtype}; use input.astype(plan.dtype)"
    )


def plan_shape(found: tuple[int, ...], expected: tuple[int, ...]) -> NoReturn:
    """Refuse an input of another shape than the plan's."""
    raise ValueError(f"input must have the shape of the plan, {expected}; got {found}; make a plan for this shape")


def batch_mismatch(name: str) -> NoReturn:
    """Refuse a batch beside a single item."""
    raise ValueError(f"{name} and grad_output must both have a batch dimension, or neither")


def bias_shape(found: tuple[int, ...], expected: int) -> NoReturn:
    """Refuse a bias of the wrong shape."""
    raise ValueError(f"bias must have one dimension with {expected} elements, one an output channel; got shape {found}")


def norm_channels(found: int, expected: int, layout: str) -> NoReturn:
    """Refuse an input that has other channels than the normalisation."""
    dimension = "second" if layout == "channels_first" else "last"
    raise ValueError(
        f"input has {found} channels but this batch normalisation has num_features={expected}; by layout={layout!r} "
        f"channels are the {dimension} dimension"
    )


def norm_places(found: tuple[int, ...]) -> NoReturn:
    """Refuse a batch that has no variance."""
    raise ValueError(
        f"input must have more than one value a channel to normalise by in training mode, got shape {found}; use a "
        "larger batch, or eval()"
    )


def gradient(value: Any, data: Any) -> Any:
    """A parameter's gradient as a contiguous array of the parameter's dtype."""
    found = as_array(value, "grad")
    if found.shape != data.shape:
        raise ValueError(f"grad of a parameter must have its shape, {data.shape}; got {found.shape}")
    return np.ascontiguousarray(found, dtype=data.dtype)


def output_padding(value: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> NoReturn:
    """Refuse an output_padding that reaches the next place of the input."""
    raise ValueError(
        f"output_padding must be smaller than stride or dilation in each dimension; got output_padding {tuple(value)} "
        f"with stride {tuple(stride)} and dilation {tuple(dilation)}"
    )


def same_output_padding() -> NoReturn:
    """Refuse output_padding where the output size is already said."""
    raise ValueError("output_padding must be 0 with padding='same' or 'same_lower', which already fix the output size")


def output_size(
    extent: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    before: Sequence[int],
    after: Sequence[int],
) -> NoReturn:
    """Refuse sizes that give no output: a kernel that does not fit into the padded input, or sizes beyond counting."""
    padded = tuple(n + b + a for n, b, a in zip(extent, before, after, strict=True))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if all(n >= r for n, r in zip(padded, reach, strict=True)):
        raise ValueError(
            f"sizes must stay below 2**60: stride {tuple(stride)}, dilation {tuple(dilation)}, padding "
            f"{tuple(zip(before, after, strict=True))}, input {tuple(extent)}"
        )
    raise ValueError(
        f"weight does not fit into the input: the dilated kernel is {reach} (kernel {tuple(kernel)}, dilation "
        f"{tuple(dilation)}) but the padded input only {padded} (input {tuple(extent)}); use more padding"
    )


def empty_space(found: tuple[int, ...], name: str) -> NoReturn:
    """Refuse tensors without spatial places."""
    raise ValueError(f"{name} must have at least one place in each spatial dimension; got shape {found}")


def too_large(result_shape: tuple[int, ...]) -> NoReturn:
    """Refuse a result that no address space holds."""
    raise ValueError(f"the result would have the shape {result_shape}, more bytes than 64 bits can count")


def status(code: int, text: str, explanation: str, algorithm: str, result_shape: tuple[int, ...]) -> NoReturn:
    """Raise what a status of the C library means."""
    if code == 4:
        raise MemoryError(f"convx: no memory for the workspace of a result of shape {result_shape}")
    if code == 5:
        raise ValueError(
            f"algorithm={algorithm!r} cannot serve this layer; use algorithm='auto'. {explanation}".rstrip()
        )
    if code == 6:
        raise ValueError(
            "workspace_limit is too small for every algorithm but 'reference'; raise it, or ask for that one. "
            f"{explanation}".rstrip()
        )
    if code == 7:
        raise ValueError("out shares memory with an input or with itself; pass an array with memory of its own")
    raise ValueError(f"convx refused the layer: {text} (result shape {result_shape})")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
