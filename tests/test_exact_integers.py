"""Integer fills of named layers, compared exactly: a product too few, too many or in the wrong place cannot hide.

Sizes are chosen around what the algorithms cut: vectors of 4 to 16, tiles, panels, and blocks of a few hundred.
"""

import convx
import numpy as np
import oracle
import pytest
from layers import ALGORITHMS, DTYPES, Tally, integers, same_sums

# name: (input, weight, stride, padding, dilation, groups)
LAYERS = {
    "first of a network": ((1, 3, 37, 41), (24, 3, 7, 7), 2, 3, 1, 1),
    "first of a network, wide": ((2, 3, 19, 203), (40, 3, 5, 11), 4, 2, 1, 1),
    "a kernel longer than a block of the sum": ((1, 2, 9, 9), (20, 2, 41, 41), 1, 20, 1, 1),
    "three by three": ((2, 40, 15, 17), (33, 40, 3, 3), 1, 1, 1, 1),
    "three by three, stride 2": ((1, 40, 15, 17), (33, 40, 3, 3), 2, 1, 1, 1),
    "pointwise": ((2, 70, 9, 11), (67, 70, 1, 1), 1, 0, 1, 1),
    "pointwise, stride 2": ((1, 70, 9, 11), (67, 70, 1, 1), 2, 0, 1, 1),
    "pointwise, padded": ((1, 9, 5, 6), (10, 9, 1, 1), 1, 2, 1, 1),
    "deep": ((1, 700, 3, 5), (19, 700, 3, 3), 1, 1, 1, 1),
    "deep, one place": ((1, 515, 1, 1), (130, 515, 1, 1), 1, 0, 1, 1),
    "many filters": ((1, 5, 4, 7), (515, 5, 3, 3), 1, 1, 1, 1),
    "wide row": ((1, 2, 3, 1100), (3, 2, 3, 5), 1, 2, 1, 1),
    "a panel and one vector of filters": ((1, 30, 17, 19), (64, 30, 3, 3), 1, 1, 1, 1),
    "a panel and part of a vector of filters, strided": ((1, 3, 31, 33), (57, 3, 7, 7), 2, 3, 1, 1),
    "panels and a vector, a sum of several blocks": ((1, 330, 8, 14), (112, 330, 3, 3), 1, 1, 1, 1),
    "pointwise, a panel and one vector": ((2, 64, 8, 8), (64, 64, 1, 1), 1, 0, 1, 1),
    **{f"rows of {width}": ((2, 20, 11, width), (5, 20, 3, 3), 1, 1, 1, 1) for width in (2, 3, 4, 5, 7, 10, 13)},
    "rows of 4, strided": ((3, 20, 12, 9), (5, 20, 3, 4), 2, 1, 1, 1),
    "depthwise": ((2, 37, 13, 19), (37, 1, 3, 3), 1, 1, 1, 37),
    "depthwise, stride 2": ((1, 37, 13, 19), (37, 1, 3, 3), 2, 1, 1, 37),
    "depthwise, five by five, dilated": ((1, 16, 21, 23), (16, 1, 5, 5), 1, 4, 2, 16),
    "depthwise with two filters each": ((1, 9, 10, 11), (18, 1, 3, 3), 1, 1, 1, 9),
    "groups": ((2, 24, 9, 10), (30, 4, 3, 3), 1, 1, 1, 6),
    "dilated": ((1, 8, 20, 21), (9, 8, 3, 3), 1, 3, 3, 1),
    "dilated and strided": ((1, 8, 20, 21), (9, 8, 3, 3), 2, 3, 3, 1),
    "stride beyond the kernel": ((2, 6, 20, 23), (7, 6, 2, 2), 5, 0, 1, 1),
    "one channel": ((1, 1, 50, 61), (1, 1, 5, 5), 1, 2, 1, 1),
    "kernel as large as the image": ((3, 8, 9, 7), (5, 8, 9, 7), 1, 0, 1, 1),
    "signal": ((2, 12, 501), (20, 12, 9), 1, 4, 1, 1),
    "signal, dilated": ((1, 7, 333), (8, 7, 3), 2, 8, 8, 1),
    "long kernel": ((1, 1, 900), (2, 1, 257), 1, 128, 1, 1),
    "volume": ((1, 5, 6, 9, 11), (7, 5, 3, 3, 3), 1, 1, 1, 1),
    "volume, strided groups": ((1, 6, 7, 9, 11), (9, 2, 2, 3, 3), 2, 1, 1, 3),
}
LAYOUTS = ("channels_first", "channels_last")


def geometry(name):
    """The layer with one number an axis and pairs."""
    x_shape, w_shape, stride, padding, dilation, groups = LAYERS[name]
    rank = len(x_shape) - 2
    return x_shape, w_shape, (stride,) * rank, ((padding, padding),) * rank, (dilation,) * rank, groups


def to_layout(array, layout):
    """Contiguous in the layout."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if layout == "channels_last" else array


def from_layout(array, layout):
    return np.moveaxis(array, -1, 1) if layout == "channels_last" else array


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", LAYERS)
def test_forward_and_both_gradients_are_exact_in_both_layouts(name, algorithm):
    x_shape, w_shape, stride, pairs, dilation, groups = geometry(name)
    rank = len(stride)
    size = oracle.output_size(x_shape[2:], w_shape[2:], stride, dilation, pairs)
    y_shape = (x_shape[0], w_shape[0], *size)
    rng = np.random.default_rng(len(name))
    tally = Tally(algorithm)
    for dtype in DTYPES:
        x, w, gy = (integers(rng, s, dtype) for s in (x_shape, w_shape, y_shape))
        b = integers(rng, w_shape[0], dtype)
        y = oracle.conv(x, w, b, stride, pairs, dilation, groups)
        gx = oracle.grad_input(x_shape, w, gy, stride, pairs, dilation, groups)
        gw = oracle.grad_weight(x, w_shape, gy, stride, pairs, dilation, groups)
        layer = (stride, pairs, dilation, groups)
        for layout in LAYOUTS:
            x_in, gy_in = to_layout(x, layout), to_layout(gy, layout)
            got = tally.call(getattr(convx, f"conv{rank}d"), x_in, w, b, *layer, layout=layout)
            if got is not None:
                same_sums(from_layout(got, layout), y, algorithm, w_shape[2:])
            of = getattr(convx.grad, f"conv{rank}d_input")
            got = tally.call(of, x_in.shape, w, gy_in, *layer, layout=layout)
            if got is not None:
                same_sums(from_layout(got, layout), gx, algorithm, w_shape[2:])
            of = getattr(convx.grad, f"conv{rank}d_weight")
            got = tally.call(of, x_in, w_shape, gy_in, *layer, layout=layout)
            if got is not None:
                same_sums(got, gw, algorithm, w_shape[2:])
    tally.check()


def test_direct_serves_the_layers_that_it_is_there_for():
    for name in ("depthwise", "depthwise, stride 2", "one channel", "long kernel", "depthwise, five by five, dilated"):
        x_shape, w_shape, stride, pairs, dilation, groups = geometry(name)
        x, w = np.ones(x_shape, np.float32), np.ones(w_shape, np.float32)
        of = getattr(convx, f"conv{len(stride)}d")
        y = of(x, w, None, stride, pairs, dilation, groups, algorithm="direct")
        np.testing.assert_array_equal(y, oracle.conv(x, w, None, stride, pairs, dilation, groups))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_widths_around_every_vector_length_are_exact(dtype, algorithm):
    rng = np.random.default_rng(4)
    tally = Tally(algorithm)
    w = integers(rng, (5, 3, 3, 3), dtype)
    for width in [*range(1, 36), 63, 64, 65, 127, 128, 129]:
        x = integers(rng, (1, 3, 3, width), dtype)
        y = tally.call(convx.conv2d, x, w, padding=1)
        if y is not None:
            same_sums(y, oracle.conv(x, w, None, (1, 1), ((1, 1),) * 2, (1, 1), 1), algorithm, (3, 3))
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_channel_counts_around_every_tile_are_exact(layout, algorithm):
    rng = np.random.default_rng(6)
    tally = Tally(algorithm)
    for outs in [*range(1, 34), 47, 48, 49]:
        ins = 1 + outs * 7 % 19
        x, w = integers(rng, (1, ins, 4, 5), np.float32), integers(rng, (outs, ins, 3, 3), np.float32)
        y = tally.call(convx.conv2d, to_layout(x, layout), w, padding=1, layout=layout)
        if y is not None:
            expected = oracle.conv(x, w, None, (1, 1), ((1, 1),) * 2, (1, 1), 1)
            same_sums(from_layout(y, layout), expected, algorithm, (3, 3))
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_depthwise_channel_counts_around_every_vector_length_are_exact_in_all_passes(layout, algorithm):
    rng = np.random.default_rng(7)
    tally = Tally(algorithm)
    geometry = ((2, 1), ((1, 1), (1, 0)), (1, 1))
    for channels in [*range(1, 20), 31, 32, 33, 65]:
        x, w = integers(rng, (2, channels, 6, 9), np.float32), integers(rng, (channels, 1, 3, 3), np.float32)
        gy = integers(rng, (2, channels, *oracle.output_size((6, 9), (3, 3), *reversed_geometry(geometry))), np.float32)
        arguments = (*geometry, channels)
        x_in, gy_in = to_layout(x, layout), to_layout(gy, layout)
        y = tally.call(convx.conv2d, x_in, w, None, *arguments, layout=layout)
        gx = tally.call(convx.grad.conv2d_input, x_in.shape, w, gy_in, *arguments, layout=layout)
        gw = tally.call(convx.grad.conv2d_weight, x_in, w.shape, gy_in, *arguments, layout=layout)
        if y is not None:
            np.testing.assert_array_equal(from_layout(y, layout), oracle.conv(x, w, None, *arguments))
        if gx is not None:
            np.testing.assert_array_equal(from_layout(gx, layout), oracle.grad_input(x.shape, w, gy, *arguments))
        if gw is not None:
            np.testing.assert_array_equal(gw, oracle.grad_weight(x, w.shape, gy, *arguments))
    tally.check()


def reversed_geometry(geometry):
    """(stride, pairs, dilation) in the order that output_size takes: stride, dilation, pairs."""
    stride, pairs, dilation = geometry
    return stride, dilation, pairs
