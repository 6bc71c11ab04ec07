"""Random layers for property tests: every form of every argument, and every way arrays can lie in memory."""

import os
import re
from dataclasses import dataclass

import convx
import numpy as np
import oracle
import tiles
from hypothesis import settings
from hypothesis import strategies as st

ALGORITHMS = ("auto", "gemm", "direct", "reference")
# Winograd's, by size: they serve some layers only, and have tests of their own beside those of all algorithms.
TILES = tuple(tiles.OUTPUTS)
MODES = tuple(oracle.NUMPY_MODES)
DTYPES = (np.float32, np.float64)
# Activations that map integers to integers.
EXACT_ACTIVATIONS = (None, "relu", "relu6", "hardtanh")

# The least share of random layers that an algorithm must serve.
LEAST_SHARE = {
    "auto": 1.0,
    "reference": 1.0,
    "gemm": 0.9,
    "direct": 0.5,
    # of layers that tiled_layers() draws
    "winograd_2x2": 0.9,
    "winograd_4x4": 0.4,
    "winograd_6x6": 0.1,
}

_EFFORT = {"ci": 1.0, "quick": 0.2, "thorough": 40.0}[os.environ.get("CONVX_HYPOTHESIS", "ci")]


def examples(count):
    """Settings for `count` examples, fewer or many more as CONVX_HYPOTHESIS says."""
    return settings(max_examples=max(10, int(count * _EFFORT)))


class Outside:
    """Activations as the caller of a layer with a `layout` and a `batch` (None: unbatched) has them."""

    def outside(self, array):
        """An (N, C, *space) array as the caller of this layer would pass it (a view)."""
        if self.layout == "channels_last":
            array = np.moveaxis(array, 1, -1)
        return array[0] if self.batch is None else array

    def inside(self, array):
        """The inverse of `outside`."""
        if self.batch is None:
            array = array[None]
        return np.moveaxis(array, -1, 1) if self.layout == "channels_last" else array


@dataclass(frozen=True)
class Layer(Outside):
    """The arguments of a convolution layer, in the forms that a caller would write."""

    rank: int
    transposed: bool
    batch: int | None  # None: unbatched
    in_channels: int
    out_channels: int
    groups: int
    extent: tuple
    kernel: tuple
    stride: object
    padding: object
    dilation: object
    output_padding: object
    padding_mode: str
    layout: str
    dtype: type
    activation: str | None
    with_bias: bool

    @classmethod
    def of_shapes(cls, x_shape, w_shape, padding=0, dtype=np.float32, transposed=False, dilation=1):
        """A batched channels-first layer of stride 1 without groups or bias."""
        rank = len(x_shape) - 2
        return cls(
            rank=rank,
            transposed=transposed,
            batch=x_shape[0],
            in_channels=x_shape[1],
            out_channels=w_shape[1] if transposed else w_shape[0],
            groups=1,
            extent=x_shape[2:],
            kernel=w_shape[2:],
            stride=1,
            padding=padding,
            dilation=dilation,
            output_padding=0,
            padding_mode="zeros",
            layout="channels_first",
            dtype=dtype,
            activation=None,
            with_bias=False,
        )

    @property
    def axes(self):
        """(stride, dilation, output_padding), one number an axis."""
        return tuple(oracle.per_axis(v, self.rank) for v in (self.stride, self.dilation, self.output_padding))

    @property
    def pairs(self):
        """The pads as pairs."""
        return self._geometry()[0]

    @property
    def size(self):
        """The spatial size of the output."""
        return self._geometry()[1]

    def _geometry(self):
        stride, dilation, extra = self.axes
        if self.transposed:
            return oracle.transposed_geometry(self.padding, extra, self.extent, self.kernel, stride, dilation)
        pairs = oracle.pad_pairs(self.padding, self.extent, self.kernel, stride, dilation)
        return pairs, oracle.output_size(self.extent, self.kernel, stride, dilation, pairs)

    @property
    def x_shape(self):
        """(N, C, *space), the batch always there."""
        return (1 if self.batch is None else self.batch, self.in_channels, *self.extent)

    @property
    def y_shape(self):
        """(N, C, *space), the batch always there."""
        return (1 if self.batch is None else self.batch, self.out_channels, *self.size)

    @property
    def w_shape(self):
        """In the order that the layer function takes."""
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return (first, second // self.groups, *self.kernel)

    def outside_shape(self, shape):
        """The shape of `outside` of an array of `shape`."""
        return self.outside(np.broadcast_to(np.float32(0), shape)).shape

    @property
    def common(self):
        """Keyword arguments that forward and gradients share."""
        arguments = {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
            "layout": self.layout,
        }
        if self.transposed:
            return arguments | {"output_padding": self.output_padding}
        return arguments | {"padding_mode": self.padding_mode}

    @property
    def function(self):
        """The layer function."""
        return getattr(convx, f"conv{'_transpose' * self.transposed}{self.rank}d")

    def gradient(self, of):
        """The gradient function with respect to "input" or "weight"."""
        return getattr(convx.grad, f"conv{'_transpose' * self.transposed}{self.rank}d_{of}")

    # What the definition says, channels-first and batched, before the activation.

    def forward(self, x, w, b, wide=np.float64):
        stride, dilation, _ = self.axes
        if self.transposed:
            return oracle.conv_transpose(x, w, b, stride, self.pairs, dilation, self.groups, self.size, wide)
        return oracle.conv(x, w, b, stride, self.pairs, dilation, self.groups, self.padding_mode, wide)

    def grad_input(self, w, gy, wide=np.float64):
        stride, dilation, _ = self.axes
        if self.transposed:
            of = oracle.conv_transpose_grad_input
            return of(self.x_shape, w, gy, stride, self.pairs, dilation, self.groups, wide)
        mode = self.padding_mode
        return oracle.grad_input(self.x_shape, w, gy, stride, self.pairs, dilation, self.groups, mode, wide)

    def grad_weight(self, x, gy, wide=np.float64):
        stride, dilation, _ = self.axes
        if self.transposed:
            of = oracle.conv_transpose_grad_weight
            return of(x, self.w_shape, gy, stride, self.pairs, dilation, self.groups, wide)
        mode = self.padding_mode
        return oracle.grad_weight(x, self.w_shape, gy, stride, self.pairs, dilation, self.groups, mode, wide)


def repeats_of(layer):
    """At most so many places of the padded input are one place of the input, and add to its gradient; and one more."""
    repeats = 1
    if layer.padding_mode != "zeros":
        for n, (before, after) in zip(layer.extent, layer.pairs, strict=True):
            repeats *= -(-(before + n + after) // n) + 1
    return repeats


def _int_or_one_an_axis(draw, values):
    """The tuple, or the int that means the same, when there is one, or a list or NumPy ints."""
    form = draw(st.sampled_from(("int", "tuple", "list", "numpy")))
    if form == "int" and len(set(values)) == 1:
        return values[0]
    if form == "list":
        return list(values)
    if form == "numpy":
        return np.array(values)
    return tuple(values)


@st.composite
def layers(draw, transposed=False, batches=(None, 1, 1, 2, 3), widest=40, activations=(None,), max_channels=20):
    """Layers whose output has at least one place, small enough for the oracle."""
    rank = draw(st.integers(1, 3))
    groups = draw(st.sampled_from((1, 1, 1, 2, 3, 8)))
    per_group = max(1, max_channels // groups)
    kind = draw(st.sampled_from(("any", "any", "depthwise", "few")))
    ins = 1 if kind == "depthwise" else draw(st.integers(1, 3 if kind == "few" else per_group))
    outs = 1 if kind == "depthwise" else draw(st.integers(1, 3 if kind == "few" else per_group))
    stride = [draw(st.sampled_from((1, 1, 2, 3))) for _ in range(rank)]
    dilation = [draw(st.sampled_from((1, 1, 2, 3))) for _ in range(rank)]
    limits = ((7,), (5, 7), (3, 3, 5))[rank - 1]
    kernel = [draw(st.integers(1, limit)) for limit in limits]
    mode = "zeros" if transposed else draw(st.sampled_from(("zeros", "zeros", *MODES)))
    form = draw(st.sampled_from(("int", "axes", "pairs", "pairs", "mixed", "valid", "same", "same_lower")))
    most = 3 if mode == "zeros" else 6
    pad = st.integers(0, most)
    if form == "int":
        padding = draw(pad)
    elif form == "axes":
        padding = tuple(draw(pad) for _ in range(rank))
    elif form == "pairs":
        padding = tuple((draw(pad), draw(pad)) for _ in range(rank))
    elif form == "mixed":
        padding = [(draw(pad), draw(pad)) if draw(st.booleans()) else draw(pad) for _ in range(rank)]
    else:
        padding = form
    extra = [0] * rank
    if transposed and form not in ("same", "same_lower"):
        extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
    least = []
    for axis in range(rank):
        (pair,) = oracle.pad_pairs(padding, (1,) * rank, kernel, stride, dilation)[axis : axis + 1]
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        if form in ("same", "same_lower"):
            least.append(1)
        elif transposed:
            lacking = 1 + sum(pair) - reach - extra[axis]
            least.append(1 + max(0, -(-lacking // stride[axis])))
        else:
            least.append(max(1, reach - sum(pair)))
    widths = ((widest,), (9, widest), (4, 6, 20))[rank - 1]
    extent = tuple(n + draw(st.integers(0, max(0, width - n))) for n, width in zip(least, widths, strict=True))
    return Layer(
        rank=rank,
        transposed=transposed,
        batch=draw(st.sampled_from(batches)),
        in_channels=ins * groups,
        out_channels=outs * groups,
        groups=groups,
        extent=extent,
        kernel=tuple(kernel),
        stride=_int_or_one_an_axis(draw, stride),
        padding=padding,
        dilation=_int_or_one_an_axis(draw, dilation),
        output_padding=_int_or_one_an_axis(draw, extra),
        padding_mode=mode,
        layout=draw(st.sampled_from(("channels_first", "channels_last"))),
        dtype=draw(st.sampled_from(DTYPES)),
        activation=draw(st.sampled_from(activations)),
        with_bias=draw(st.booleans()),
    )


@st.composite
def tiled_layers(draw, transposed=False, activations=(None,), taps=(1, 3, 3, 3, 5, 7), max_channels=40, widest=33):
    """Layers that Winograd's tiles serve, the smallest at least: odd tails, every pad, channels around vectors."""
    rank = draw(st.integers(1, 3))
    groups = draw(st.sampled_from((1, 1, 1, 2, 3)))
    ins = draw(st.one_of(st.integers(1, 9), st.integers(1, max_channels // groups)))
    outs = draw(st.one_of(st.integers(1, 9), st.integers(1, max_channels // groups)))
    kernel = [draw(st.sampled_from(taps)) for _ in range(rank)]
    if rank == 3:
        kernel[0] = draw(st.integers(1, 3))
    if kernel[-1] == 1 and (rank == 1 or kernel[-2] == 1):
        kernel[-1] = 3
    dilation = tuple(draw(st.sampled_from((1, 1, 2, 3))) for _ in kernel)
    reaches = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    mode = "zeros" if transposed else draw(st.sampled_from(("zeros", "zeros", *MODES)))
    most = max(reaches) if mode == "zeros" else 9
    padding = tuple((draw(st.integers(0, most)), draw(st.integers(0, most))) for _ in range(rank))
    if draw(st.booleans()):
        padding = tuple(((reach - 1) // 2, (reach - 1) // 2) for reach in reaches)
    extent = []
    for reach, pair, width in zip(reaches, padding, ((widest,), (9, widest), (3, 6, 15))[rank - 1], strict=True):
        least = max(1, 2 + sum(pair) - reach) if transposed else max(1, reach - sum(pair))
        extent.append(least + draw(st.integers(0, width)))
    return Layer(
        rank=rank,
        transposed=transposed,
        batch=draw(st.sampled_from((None, 1, 1, 2, 3))),
        in_channels=ins * groups,
        out_channels=outs * groups,
        groups=groups,
        extent=tuple(extent),
        kernel=tuple(kernel),
        stride=1,
        padding=padding,
        dilation=dilation,
        output_padding=0,
        padding_mode=mode,
        layout=draw(st.sampled_from(("channels_first", "channels_last"))),
        dtype=draw(st.sampled_from(DTYPES)),
        activation=draw(st.sampled_from(activations)),
        with_bias=draw(st.booleans()),
    )


# ---- Values --------------------------------------------------------------------------------------------------------


def integers(rng, shape, dtype, most=3):
    """Small integers, whose sums of products are exact in `dtype`."""
    return rng.integers(-most, most + 1, shape).astype(dtype)


def normals(rng, shape, dtype):
    """Normally distributed numbers."""
    return rng.standard_normal(shape).astype(dtype)


def same_sums(result, expected, algorithm, kernel):
    """Assert that sums of products of small integers are equal.

    Where Winograd's tiles may have been used, whose transforms work in fractions: equal but for rounding, far less than
    a product too few or in the wrong place would make.
    """
    rounded = algorithm not in ("gemm", "direct", "reference") and tiles.can_tile(kernel)
    if not rounded:
        np.testing.assert_array_equal(result, expected)
        return
    assert result.shape == expected.shape
    with np.errstate(invalid="ignore"):
        near = np.abs(result - expected) <= (1 / 32 if result.dtype == np.float32 else 1e-10)
    # What is not near is not finite, and must be the same.
    np.testing.assert_array_equal(result[~near], expected[~near])


# ---- Ways to lie in memory -----------------------------------------------------------------------------------------

ARRANGEMENTS = ("as made", "Fortran", "channels-last", "reversed", "sliced", "odd offset", "odd bytes", "read-only")
WRITEABLE_ARRANGEMENTS = tuple(way for way in ARRANGEMENTS if way != "read-only")


def empty_like_way(shape, dtype, way):
    """An uninitialised array of that shape that lies in memory in the named way, filled with NaN all around."""
    dtype = np.dtype(dtype)
    ndim = len(shape)
    if way == "Fortran":
        return np.full(shape[::-1], np.nan, dtype).T
    if way == "channels-last":
        return np.moveaxis(np.full((shape[0], *shape[2:], shape[1]), np.nan, dtype), -1, 1)
    if way == "reversed":
        return np.full(shape, np.nan, dtype)[(slice(None, None, -1),) * ndim]
    if way == "sliced":
        return np.full(tuple(2 * n + 3 for n in shape), np.nan, dtype)[tuple(slice(1, 1 + 2 * n, 2) for n in shape)]
    count = int(np.prod(shape, dtype=np.int64))
    if way == "odd offset":
        return np.full(count + 1, np.nan, dtype)[1:].reshape(shape)
    if way == "odd bytes":
        raw = np.zeros(count * dtype.itemsize + 1, np.uint8)
        return raw[1:].view(dtype).reshape(shape)
    return np.full(shape, np.nan, dtype)


def arrange(array, way):
    """The same values, lying in memory in the named way."""
    arranged = empty_like_way(array.shape, array.dtype, way)
    arranged[...] = array
    if way == "read-only":
        arranged.flags.writeable = False
    return arranged


# ---- Algorithms that decline ---------------------------------------------------------------------------------------


class Tally:
    """Calls with a named algorithm, which may decline with a reason, but not too often."""

    def __init__(self, algorithm):
        self.algorithm = algorithm
        self.asked = self.served = 0

    def call(self, function, *arguments, **keywords):
        """The result, or None when the algorithm declines."""
        self.asked += 1
        try:
            result = function(*arguments, algorithm=self.algorithm, **keywords)
        except ValueError as refusal:
            words = str(refusal)
            declined = words.startswith(f"algorithm='{self.algorithm}' cannot serve this layer; use algorithm='auto'")
            assert declined, f"refused for another cause: {words}"
            assert re.search(rf"^ *{self.algorithm} +declines: \w+", words, re.MULTILINE), f"no reason: {words}"
            return None
        self.served += 1
        return result

    def check(self):
        """Fail if too few calls were served."""
        least = LEAST_SHARE[self.algorithm]
        assert self.asked > 0
        assert self.served >= least * self.asked, f"{self.algorithm} served {self.served} of {self.asked} layers"
