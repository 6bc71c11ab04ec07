"""Depthwise layers in channels-last memory whose pixels lie so far apart that a block of channels is copied first."""

import dataclasses

import convx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from layers import Layer, examples, integers


@st.composite
def wide_layers(draw):
    """A depthwise layer, and how many channels lie between two that follow each other's pixels."""
    channels = draw(st.sampled_from((64, 72, 128, 160, 256, 272, 384, 512)))
    kernel = draw(st.sampled_from((3, 5, 7)))
    layer = Layer.of_shapes(
        (draw(st.integers(1, 2)), channels, draw(st.integers(1, 16)), draw(st.integers(1, 20))),
        (channels, 1, kernel, draw(st.sampled_from((3, 5, 7)))),
        draw(st.integers(0, 3)),
        draw(st.sampled_from((np.float32, np.float64))),
        dilation=draw(st.sampled_from((1, 1, 1, 2))),
    )
    layer = dataclasses.replace(
        layer,
        groups=channels,
        stride=draw(st.sampled_from((1, 1, 2))),
        padding=tuple(draw(st.integers(0, kernel)) for _ in range(2)),
        layout="channels_last",
        activation=draw(st.sampled_from((None, "relu"))),
        with_bias=draw(st.booleans()),
    )
    pitch = channels * draw(st.sampled_from((1, 1, 2, 3)))
    return layer, pitch


def with_pitch(array, pitch):
    """The same channels-last array, its pixels `pitch` elements apart."""
    memory = np.full((*array.shape[:-1], pitch), np.nan, array.dtype)
    memory[..., : array.shape[-1]] = array
    return memory[..., : array.shape[-1]]


def plain(layer, function, *arrays, **options):
    """What the definition says, by the reference, in channels-first memory."""
    return function(*arrays, **layer.common | {"layout": "channels_first", "algorithm": "reference"} | options)


def fits(layer):
    return all(n > 0 for n in layer.size)


def test_copied_blocks_of_channels_give_exactly_what_the_definition_says():
    @examples(120)
    @given(wide_layers().filter(lambda drawn: fits(drawn[0])), st.integers(0, 2**32 - 1))
    def check(drawn, seed):
        layer, pitch = drawn
        rng = np.random.default_rng(seed)
        x, w, gy = (integers(rng, shape, layer.dtype) for shape in (layer.x_shape, layer.w_shape, layer.y_shape))
        b = integers(rng, layer.out_channels, layer.dtype) if layer.with_bias else None
        outside_x, outside_gy = (with_pitch(layer.outside(array), pitch) for array in (x, gy))
        activation = {"activation": layer.activation}
        np.testing.assert_array_equal(
            layer.inside(layer.function(outside_x, w, b, **layer.common, **activation)),
            plain(layer, layer.function, x, w, b, **activation),
        )
        of_input, of_weight = layer.gradient("input"), layer.gradient("weight")
        np.testing.assert_array_equal(
            layer.inside(of_input(outside_x.shape, w, outside_gy, **layer.common)),
            plain(layer, of_input, x.shape, w, gy),
        )
        np.testing.assert_array_equal(
            of_weight(outside_x, w.shape, outside_gy, **layer.common), plain(layer, of_weight, x, w.shape, gy)
        )

    check()


def test_copies_change_no_bit():
    """Pixels twice as far apart are copied where these are not, or in other blocks."""
    rng = np.random.default_rng(3)
    for channels, kernel, size in ((96, 7, 20), (136, 7, 14), (256, 3, 12), (272, 5, 9)):
        x = rng.standard_normal((2, size, size, channels), np.float32)
        w = rng.standard_normal((channels, 1, kernel, kernel), np.float32)
        options = {"padding": kernel // 2, "groups": channels, "layout": "channels_last"}
        far = with_pitch(x, 1024)
        y = convx.conv2d(x, w, **options)
        np.testing.assert_array_equal(convx.conv2d(far, w, **options), y)
        for gradient, near, apart in (
            (convx.grad.conv2d_input, (x.shape, w, x), (x.shape, w, far)),
            (convx.grad.conv2d_weight, (x, w.shape, y), (far, w.shape, with_pitch(y, 2048))),
        ):
            np.testing.assert_array_equal(gradient(*near, **options), gradient(*apart, **options))
