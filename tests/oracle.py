"""Convolution as its definition says it, slowly: NumPy alone, float64 or wider, nothing shared with convx.

Everything here is channels-first with a batch: x (N, C, *space), w (O, C / groups, *kernel), transposed w
(C, O / groups, *kernel). Pads are (before, after) pairs, one a dimension. The loops run over the taps of the kernel:
tap t of an output place p reads the padded input at p * stride + t * dilation.
"""

import math

import numpy as np

# The padding modes in NumPy's words.
NUMPY_MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
    "symmetric": "symmetric",
}


def per_axis(value, rank):
    """One number for all axes, or one an axis, as a tuple."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


def same_pairs(extent, kernel, stride, dilation, lower=False):
    """Pads that make the output ceil(extent / stride) places long; an odd one goes to the end, or `lower`."""
    pairs = []
    for n, k, s, d in zip(extent, kernel, stride, dilation, strict=True):
        places = math.ceil(n / s)
        lacking = max(0, (places - 1) * s + (k - 1) * d + 1 - n)
        small, large = lacking // 2, lacking - lacking // 2
        pairs.append((large, small) if lower else (small, large))
    return tuple(pairs)


def pad_pairs(padding, extent, kernel, stride, dilation):
    """Any form of the argument `padding` of a convolution as pairs."""
    rank = len(extent)
    if padding == "valid":
        return ((0, 0),) * rank
    if padding in ("same", "same_lower"):
        return same_pairs(extent, kernel, stride, dilation, padding == "same_lower")
    return tuple((p, p) if isinstance(p, int) else tuple(p) for p in per_axis(padding, rank))


def output_size(extent, kernel, stride, dilation, pairs):
    """Spatial size of a convolution's output."""
    return tuple(
        (n + b + a - d * (k - 1) - 1) // s + 1
        for n, k, s, d, (b, a) in zip(extent, kernel, stride, dilation, pairs, strict=True)
    )


def transposed_geometry(padding, output_padding, extent, kernel, stride, dilation):
    """Pads and spatial output size of a transposed convolution."""
    if padding in ("same", "same_lower"):
        size = tuple(n * s for n, s in zip(extent, stride, strict=True))
        return pad_pairs(padding, size, kernel, stride, dilation), size
    pairs = pad_pairs(padding, extent, kernel, stride, dilation)
    size = tuple(
        (n - 1) * s - b - a + d * (k - 1) + 1 + p
        for n, k, s, d, (b, a), p in zip(extent, kernel, stride, dilation, pairs, output_padding, strict=True)
    )
    return pairs, size


def _pad(x, pairs, mode):
    return np.pad(x, ((0, 0), (0, 0), *pairs), mode=NUMPY_MODES[mode])


def _at_tap(tap, size, stride, dilation):
    """The places of the padded input that a tap reads, for all `size` outputs, as an index."""
    return (
        slice(None),
        slice(None),
        *(slice(t * d, t * d + (n - 1) * s + 1, s) for t, n, s, d in zip(tap, size, stride, dilation, strict=True)),
    )


def _group(array, axis, groups, g):
    step = array.shape[axis] // groups
    return array[(slice(None),) * axis + (slice(g * step, (g + 1) * step),)]


def _mix(matrix, x):
    """The channels of x (N, C, ...) mapped by a matrix (O, C) at each place."""
    with np.errstate(invalid="ignore"):  # NaN and infinity are asked for; whether NumPy warns depends on its kernels
        mixed = matrix @ x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    return mixed.reshape(x.shape[0], len(matrix), *x.shape[2:])


def _products(a, b):
    """Sums of a (N, O, ...) times b (N, C, ...) over batch and space, as a matrix (O, C)."""
    places = math.prod(a.shape[2:])
    a, b = a.reshape(*a.shape[:2], places), b.reshape(*b.shape[:2], places)
    return (a @ b.transpose(0, 2, 1)).sum(axis=0)


def conv(x, w, b, stride, pairs, dilation, groups, mode="zeros", wide=np.float64):
    """Convolution (cross-correlation) of x with w, plus the bias b or None."""
    x, w = x.astype(wide), w.astype(wide)
    kernel = w.shape[2:]
    size = output_size(x.shape[2:], kernel, stride, dilation, pairs)
    padded = _pad(x, pairs, mode)
    y = np.zeros((x.shape[0], w.shape[0], *size), wide)
    for tap in np.ndindex(*kernel):
        seen = padded[_at_tap(tap, size, stride, dilation)]
        for g in range(groups):
            weights = _group(w, 0, groups, g)[(slice(None), slice(None), *tap)]
            _group(y, 1, groups, g)[...] += _mix(weights, _group(seen, 1, groups, g))
    if b is not None:
        y += b.astype(wide).reshape(-1, *(1,) * len(kernel))
    return y


def grad_input(x_shape, w, gy, stride, pairs, dilation, groups, mode="zeros", wide=np.float64):
    """Gradient of sum(conv(x, w) * gy) with respect to x: each product handed back to the place that was read."""
    w, gy = w.astype(wide), gy.astype(wide)
    extent, kernel = x_shape[2:], w.shape[2:]
    padded = np.zeros((*x_shape[:2], *(n + b + a for n, (b, a) in zip(extent, pairs, strict=True))), wide)
    for tap in np.ndindex(*kernel):
        seen = padded[_at_tap(tap, gy.shape[2:], stride, dilation)]
        for g in range(groups):
            weights = _group(w, 0, groups, g)[(slice(None), slice(None), *tap)]
            _group(seen, 1, groups, g)[...] += _mix(weights.T, _group(gy, 1, groups, g))
    for axis, (n, (before, after)) in enumerate(zip(extent, pairs, strict=True), start=2):
        places = np.moveaxis(padded, axis, 0)
        if mode == "zeros":
            folded = places[before : before + n]
        else:
            folded = np.zeros((n, *places.shape[1:]), wide)
            np.add.at(folded, np.pad(np.arange(n), (before, after), mode=NUMPY_MODES[mode]), places)
        padded = np.moveaxis(folded, 0, axis)
    return padded


def grad_weight(x, w_shape, gy, stride, pairs, dilation, groups, mode="zeros", wide=np.float64):
    """Gradient of sum(conv(x, w) * gy) with respect to w."""
    gy = gy.astype(wide)
    padded = _pad(x.astype(wide), pairs, mode)
    gw = np.zeros(w_shape, wide)
    for tap in np.ndindex(*w_shape[2:]):
        seen = padded[_at_tap(tap, gy.shape[2:], stride, dilation)]
        for g in range(groups):
            products = _products(_group(gy, 1, groups, g), _group(seen, 1, groups, g))
            _group(gw, 0, groups, g)[(slice(None), slice(None), *tap)] = products
    return gw


def grad_bias(gy, wide=np.float64):
    """Gradient of sum((conv + bias) * gy) with respect to the bias."""
    return gy.astype(wide).sum(axis=(0, *range(2, gy.ndim)))


def conv_transpose(x, w, b, stride, pairs, dilation, groups, size, wide=np.float64):
    """Transposed convolution: each place of x stamps the kernel onto the output, whose ends `pairs` cut off."""
    x, w = x.astype(wide), w.astype(wide)
    kernel, outs = w.shape[2:], w.shape[1]
    # Room for every stamp and for every place asked for.
    room = tuple(
        max((n - 1) * s + (k - 1) * d + 1, before + m)
        for n, k, s, d, (before, _), m in zip(x.shape[2:], kernel, stride, dilation, pairs, size, strict=True)
    )
    stamped = np.zeros((x.shape[0], outs * groups, *room), wide)
    for tap in np.ndindex(*kernel):
        hit = stamped[_at_tap(tap, x.shape[2:], stride, dilation)]
        for g in range(groups):
            weights = _group(w, 0, groups, g)[(slice(None), slice(None), *tap)]
            _group(hit, 1, groups, g)[...] += _mix(weights.T, _group(x, 1, groups, g))
    cut = tuple(slice(before, before + m) for (before, _), m in zip(pairs, size, strict=True))
    y = stamped[(slice(None), slice(None), *cut)].copy()
    if b is not None:
        y += b.astype(wide).reshape(-1, *(1,) * len(kernel))
    return y


def conv_transpose_grad_input(x_shape, w, gy, stride, pairs, dilation, groups, wide=np.float64):
    """Gradient of sum(conv_transpose(x, w) * gy) with respect to x."""
    w, gx = w.astype(wide), np.zeros(x_shape, wide)
    gy = _reach(gy.astype(wide), x_shape[2:], w.shape[2:], stride, pairs, dilation)
    for tap in np.ndindex(*w.shape[2:]):
        hit = gy[_at_tap(tap, x_shape[2:], stride, dilation)]
        for g in range(groups):
            weights = _group(w, 0, groups, g)[(slice(None), slice(None), *tap)]
            _group(gx, 1, groups, g)[...] += _mix(weights, _group(hit, 1, groups, g))
    return gx


def conv_transpose_grad_weight(x, w_shape, gy, stride, pairs, dilation, groups, wide=np.float64):
    """Gradient of sum(conv_transpose(x, w) * gy) with respect to w."""
    x, gw = x.astype(wide), np.zeros(w_shape, wide)
    gy = _reach(gy.astype(wide), x.shape[2:], w_shape[2:], stride, pairs, dilation)
    for tap in np.ndindex(*w_shape[2:]):
        hit = gy[_at_tap(tap, x.shape[2:], stride, dilation)]
        for g in range(groups):
            products = _products(_group(x, 1, groups, g), _group(hit, 1, groups, g))
            _group(gw, 0, groups, g)[(slice(None), slice(None), *tap)] = products
    return gw


def _reach(gy, extent, kernel, stride, pairs, dilation):
    """`gy` with the places that were cut off, as zeros."""
    widths = [(0, 0), (0, 0)]
    for n, k, s, d, (before, _), m in zip(extent, kernel, stride, dilation, pairs, gy.shape[2:], strict=True):
        widths.append((before, max(0, (n - 1) * s + (k - 1) * d + 1 - before - m)))
    return np.pad(gy, widths)


def activate(z, name):
    """The activation `name` of z, in z's dtype."""
    match name:
        case None:
            return z
        case "relu":
            return np.maximum(z, 0)
        case "relu6":
            return np.clip(z, 0, 6)
        case "hardtanh":
            return np.clip(z, -1, 1)
        case "leaky_relu":
            return np.where(z < 0, z * z.dtype.type(0.01), z)
        case "sigmoid":
            return 1 / (1 + np.exp(-z))
        case "silu":
            return z / (1 + np.exp(-z))
        case "tanh":
            return np.tanh(z)
    raise ValueError(f"unknown activation {name!r}")


def gamma(terms, dtype):
    """Higham's gamma_n = n u / (1 - n u): the relative error of n roundings to nearest, u the unit roundoff."""
    u = np.finfo(dtype).eps / 2
    return terms * u / (1 - terms * u)
