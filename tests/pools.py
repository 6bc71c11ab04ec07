"""Pooling by its definition, one window at a time, and layers to try it on."""

import itertools
from dataclasses import dataclass

import convx
import numpy as np
from hypothesis import strategies as st
from layers import Outside

KINDS = ("max", "avg", "adaptive_max", "adaptive_avg")


def per_axis(value, rank):
    return (value,) * rank if np.ndim(value) == 0 else tuple(value)


def pad_pairs(padding, extent, kernel, stride, dilation):
    if padding == "valid":
        padding = 0
    if isinstance(padding, str):
        pairs = []
        for n, k, s, d in zip(extent, kernel, stride, dilation, strict=True):
            total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
            small, large = total // 2, total - total // 2
            pairs.append((small, large) if padding == "same" else (large, small))
        return tuple(pairs)
    entries = (padding,) * len(extent) if isinstance(padding, int) else padding
    return tuple((entry, entry) if isinstance(entry, int) else tuple(entry) for entry in entries)


@dataclass(frozen=True)
class Axis:
    """Windows along one dimension: the places of each, and what each counts for in an average."""

    places: tuple  # of tuples
    counts: tuple

    @classmethod
    def sliding(cls, n, k, s, d, pair, ceil, count_padding):
        room = n + sum(pair) - d * (k - 1) - 1
        out = (-(-room // s) if ceil else room // s) + 1
        if ceil and (out - 1) * s >= n + pair[0]:
            out -= 1
        places, counts = [], []
        for o in range(out):
            taps = [o * s - pair[0] + t * d for t in range(k)]
            places.append(tuple(p for p in taps if 0 <= p < n))
            counts.append(sum(p < n + pair[1] for p in taps) if count_padding else len(places[-1]))
        return cls(tuple(places), tuple(counts))

    @classmethod
    def adaptive(cls, n, out):
        places = tuple(tuple(range(o * n // out, -(-(o + 1) * n // out))) for o in range(out))
        return cls(places, tuple(map(len, places)))


@dataclass(frozen=True)
class Pool(Outside):
    """The arguments of a pooling layer."""

    kind: str
    rank: int
    batch: int | None
    channels: int
    extent: tuple
    arguments: dict
    layout: str
    dtype: type

    @property
    def name(self):
        return f"{self.kind}_pool{self.rank}d"

    @property
    def is_max(self):
        return self.kind.endswith("max")

    @property
    def x_shape(self):
        return (1 if self.batch is None else self.batch, self.channels, *self.extent)

    @property
    def axes(self):
        if self.kind.startswith("adaptive"):
            sizes = per_axis(self.arguments["output_size"], self.rank)
            return [Axis.adaptive(n, n if o is None else o) for n, o in zip(self.extent, sizes, strict=True)]
        a = self.arguments
        kernel = per_axis(a["kernel_size"], self.rank)
        stride = kernel if a.get("stride") is None else per_axis(a["stride"], self.rank)
        dilation = per_axis(a.get("dilation", 1), self.rank)
        pairs = pad_pairs(a.get("padding", 0), self.extent, kernel, stride, dilation)
        rest = (a.get("ceil_mode", False), a.get("count_include_pad", True))
        each = zip(self.extent, kernel, stride, dilation, pairs, strict=True)
        return [Axis.sliding(*geometry, *rest) for geometry in each]

    @property
    def y_shape(self):
        return (*self.x_shape[:2], *(len(axis.places) for axis in self.axes))

    def call(self, x, **more):
        result = getattr(convx, self.name)(x, **self.arguments, layout=self.layout, **more)
        return tuple(map(self.inside, result)) if isinstance(result, tuple) else self.inside(result)

    def gradient(self, x, gy, **more):
        """`x` and `gy` as the caller has them."""
        arguments = {} if self.kind.startswith("adaptive") else self.arguments
        first = x if self.is_max else x.shape
        return self.inside(getattr(convx.grad, self.name)(first, gy, **arguments, layout=self.layout, **more))

    def windows(self):
        """(place of the output, flat places of the input, divisor)."""
        axes = self.axes
        for at in itertools.product(*(range(len(axis.places)) for axis in axes)):
            grid = np.ix_(*(np.array(axis.places[o], np.int64) for axis, o in zip(axes, at, strict=True)))
            flat = np.ravel_multi_index(np.broadcast_arrays(*grid), self.extent).ravel() if grid[0].size else []
            divisor = self.arguments.get("divisor_override")
            yield at, np.array(flat, np.int64), divisor or np.prod([a.counts[o] for a, o in zip(axes, at, strict=True)])

    def forward(self, x):
        """(values, indices) that the definition gives; averages in float64."""
        planes = x.reshape(*x.shape[:2], -1)
        values, indices = np.zeros(self.y_shape), np.full(self.y_shape, -1)
        for at, flat, divisor in self.windows():
            where = (slice(None), slice(None), *at)
            if not flat.size:
                values[where] = -np.inf if self.is_max else 0
                continue
            window = planes[..., flat].astype(np.float64)
            if self.is_max:
                nans = np.isnan(window)
                last = flat.size - 1 - nans[..., ::-1].argmax(-1)
                best = np.where(nans.any(-1), last, np.where(nans, -np.inf, window).argmax(-1))
                values[where] = np.take_along_axis(window, best[..., None], -1)[..., 0]
                indices[where] = flat[best]
            else:
                with np.errstate(invalid="ignore"):
                    values[where] = window.sum(-1) / divisor
        return values, indices

    def backward(self, x, gy):
        """The input's gradient, in float64."""
        gx = np.zeros((*self.x_shape[:2], int(np.prod(self.extent))))
        if self.is_max:
            indices = self.forward(x)[1].reshape(*self.x_shape[:2], -1)
            for n, c in np.ndindex(*self.x_shape[:2]):
                there = indices[n, c] >= 0
                np.add.at(gx[n, c], indices[n, c][there], gy.reshape(*gy.shape[:2], -1)[n, c][there])
        else:
            for at, flat, divisor in self.windows():
                if flat.size:
                    gx[..., flat] += gy[(slice(None), slice(None), *at)].astype(np.float64)[..., None] / divisor
        return gx.reshape(self.x_shape)


@st.composite
def pools(draw, kinds=KINDS, widest=40, most_channels=20):
    """Layers that have at least one window."""
    kind, rank = draw(st.sampled_from(kinds)), draw(st.integers(1, 3))
    widths = ((widest,), (9, widest), (5, 6, 20))[rank - 1]
    extent = tuple(draw(st.integers(1, width)) for width in widths)
    if kind.startswith("adaptive"):
        sizes = tuple(draw(st.one_of(st.integers(1, n + 2), st.just(1), st.none())) for n in extent)
        arguments = {"output_size": sizes}
    else:
        arguments = draw(sliding_arguments(kind, extent))
    return Pool(
        kind,
        rank,
        draw(st.sampled_from((None, 1, 2))),
        draw(st.sampled_from((1, 2, 3, 4, 8, most_channels - 3, most_channels))),
        extent,
        arguments,
        draw(st.sampled_from(("channels_first", "channels_last"))),
        draw(st.sampled_from((np.float32, np.float64))),
    )


@st.composite
def sliding_arguments(draw, kind, extent):
    rank = len(extent)
    kernel = tuple(draw(st.integers(1, min(n + 2, (24, 24, 4)[rank - 1]))) for n in extent)
    stride = tuple(draw(st.sampled_from((1, 1, 2, 3, 9))) for _ in extent)
    dilation = tuple(draw(st.sampled_from((1, 1, 1, 2, 3))) for _ in extent)
    form = draw(st.sampled_from(("ints", "pairs", "same", "same_lower")))
    if form == "ints":
        padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    elif form == "pairs":
        most = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        padding = tuple((draw(st.integers(0, m)), draw(st.integers(0, m))) for m in most)
    else:
        padding = form
    pairs = pad_pairs(padding, extent, kernel, stride, dilation)
    # A window that does not fit is made smaller, with the pads that it no longer covers.
    for axis in range(rank):
        n, d = extent[axis], dilation[axis]
        if form in ("ints", "pairs") and n + sum(pairs[axis]) < d * (kernel[axis] - 1) + 1:
            kernel = (*kernel[:axis], 1, *kernel[axis + 1 :])
            padding = (*padding[:axis], 0 if form == "ints" else (0, 0), *padding[axis + 1 :])
    arguments = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    arguments["ceil_mode"] = draw(st.booleans())
    if draw(st.booleans()) and kernel == stride:
        del arguments["stride"]
    if kind == "avg":
        arguments["count_include_pad"] = draw(st.booleans())
        arguments["divisor_override"] = draw(st.sampled_from((None, None, 3, -2)))
    return arguments
