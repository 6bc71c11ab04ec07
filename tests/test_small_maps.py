"""
Small maps. Many channels with wide padding: the direct algorithm leaves out the taps that fall on it. Depthwise kernels
of one row on narrow maps: rows that lie one behind the other are computed as one.
"""

from dataclasses import replace

import convx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import Layer, arrange, examples, integers

WAY = "a product for each tap"


@st.composite
def padded_maps(draw):
    """Layers of which less than four fifths of the multiplications lie inside the image."""
    rank = draw(st.integers(1, 3))
    kernel = tuple(draw(st.sampled_from((3, 5) if rank < 3 else (3,))) for _ in range(rank))
    dilation = draw(st.sampled_from((1, 1, 2)))
    extent = tuple(draw(st.integers(1, 4 if rank > 1 else 3)) for _ in range(rank))
    channels = st.integers(16, 70)
    layer = Layer.of_shapes(
        (draw(st.integers(1, 3)), draw(channels), *extent),
        (draw(channels), 0, *kernel),
        tuple(dilation * (k // 2) for k in kernel),
        draw(st.sampled_from((np.float32, np.float64))),
        dilation=dilation,
    )
    return replace(layer, layout=draw(st.sampled_from(("channels_first", "channels_last"))))


def tensors(layer, seed):
    """Small integers, whose sums are exact in any order."""
    rng = np.random.default_rng(seed)
    return tuple(integers(rng, shape, layer.dtype) for shape in (layer.x_shape, layer.w_shape, layer.y_shape))


def test_padding_is_left_out_exactly():
    taken = []

    @examples(150)
    @given(padded_maps(), st.integers(0, 2**32 - 1), st.booleans())
    def check(layer, seed, with_bias):
        x, w, gy = tensors(layer, seed)
        b = integers(np.random.default_rng(seed), layer.out_channels, layer.dtype) if with_bias else None
        options = layer.common | {"algorithm": "direct"}
        expected = layer.forward(x, w, b)
        given_x = np.ascontiguousarray(layer.outside(x))
        np.testing.assert_array_equal(layer.inside(layer.function(given_x, w, b, **options)), expected)
        plan = convx.plan_conv(given_x.shape, w, b, **options)
        np.testing.assert_array_equal(layer.inside(plan(given_x)), expected)
        taken.append(WAY in plan.explain())
        gx = layer.gradient("input")(given_x.shape, w, np.ascontiguousarray(layer.outside(gy)), **options)
        np.testing.assert_array_equal(layer.inside(gx), layer.grad_input(w, gy))

    check()
    assert sum(taken) > len(taken) / 2


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neither_threads_nor_batch_nor_kept_weights_change_its_bits(layout, dtype):
    rng = np.random.default_rng(5)
    x, w = rng.standard_normal((3, 100, 4, 5)).astype(dtype), rng.standard_normal((90, 100, 3, 3)).astype(dtype)
    b = rng.standard_normal(90).astype(dtype)
    x = np.ascontiguousarray(x if layout == "channels_first" else np.moveaxis(x, 1, -1))
    options = {"padding": 1, "layout": layout, "algorithm": "direct", "activation": "silu"}
    plan = convx.plan_conv(x.shape, w, b, **options)
    assert WAY in plan.explain()
    before = convx.get_num_threads()
    try:
        convx.set_num_threads(1)
        whole = convx.conv2d(x, w, b, **options)
        for threads in (1, 2, 3):
            convx.set_num_threads(threads)
            for image in range(3):
                np.testing.assert_array_equal(convx.conv2d(x[image : image + 1], w, b, **options)[0], whole[image])
            np.testing.assert_array_equal(plan(x), whole)
    finally:
        convx.set_num_threads(before)


def test_a_strided_layer_may_read_nothing_but_padding():
    x, w, b = np.ones((1, 16, 1, 1), np.float32), np.ones((16, 16, 3, 3), np.float32), np.arange(16, dtype=np.float32)
    corners = convx.conv2d(x, w, b, padding=2, stride=2, algorithm="direct")
    np.testing.assert_array_equal(corners, np.broadcast_to(16 + b[None, :, None, None], (1, 16, 2, 2)))
    beside = convx.conv2d(x, w, b, padding=3, stride=4, algorithm="direct")
    np.testing.assert_array_equal(beside, np.broadcast_to(b[None, :, None, None], (1, 16, 2, 2)))


@st.composite
def narrow_maps(draw):
    """Depthwise layers whose kernels are one row, and few columns wider than the map at most."""
    rank = draw(st.sampled_from((2, 2, 3)))
    channels, width, taps = draw(st.integers(1, 5)), draw(st.integers(1, 40)), draw(st.integers(1, 7))
    layer = Layer.of_shapes(
        (draw(st.integers(1, 3)), channels, *(draw(st.integers(1, 9)) for _ in range(rank - 1)), width),
        (channels, 0, *(1,) * (rank - 1), min(taps, width + 2)),
        (*(0,) * (rank - 1), draw(st.integers(1, 3))),
        draw(st.sampled_from((np.float32, np.float64))),
    )
    return replace(layer, groups=channels, stride=(1,) * (rank - 1) + (draw(st.sampled_from((1, 1, 1, 2))),))


def test_rows_under_kernels_of_one_row_keep_apart():
    @examples(200)
    @given(narrow_maps(), st.integers(0, 2**32 - 1), st.sampled_from(("as made", "as made", "sliced", "reversed")))
    def check(layer, seed, way):
        x, w, gy = tensors(layer, seed)
        x[..., 0] = np.where(np.arange(x.shape[-2]) % 3 == 1, np.nan, x[..., 0])  # of a row, for no other one
        x, gy = arrange(x, way), arrange(gy, way)
        options = layer.common | {"algorithm": "direct"}
        exact = layer.common | {"algorithm": "reference"}
        np.testing.assert_array_equal(layer.function(x, w, **options), layer.function(x, w, **exact))
        of_input = layer.gradient("input")
        found, expected = (of_input(layer.x_shape, w, gy, **each) for each in (options, exact))
        np.testing.assert_array_equal(found, expected)

    check()
