"""Batches without images give results without surprise; anything else that is empty is refused."""

import convx
import numpy as np
import pytest
from hypothesis import given
from layers import ALGORITHMS, DTYPES, Tally, examples, layers


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("transposed", [False, True])
def test_an_empty_batch_gives_empty_results_and_a_weight_gradient_of_zeros(transposed, algorithm):
    tally = Tally(algorithm)

    @examples(50)
    @given(layers(transposed=transposed, batches=(0,)))
    def check(layer):
        x, gy = np.empty(layer.x_shape, layer.dtype), np.empty(layer.y_shape, layer.dtype)
        w = np.ones(layer.w_shape, layer.dtype)
        b = np.ones(layer.out_channels, layer.dtype) if layer.with_bias else None
        y = tally.call(layer.function, layer.outside(x), w, b, **layer.common)
        if y is not None:
            assert layer.inside(y).shape == layer.y_shape
            assert y.dtype == layer.dtype
        gx = tally.call(layer.gradient("input"), layer.outside(x).shape, w, layer.outside(gy), **layer.common)
        if gx is not None:
            assert layer.inside(gx).shape == layer.x_shape
        out = np.full(layer.w_shape, np.nan, layer.dtype)
        gw = tally.call(layer.gradient("weight"), layer.outside(x), w.shape, layer.outside(gy), out=out, **layer.common)
        if gw is not None:
            assert gw is out
            assert not gw.any()

    check()
    tally.check()


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_empty_batch_has_a_bias_gradient_of_zeros(dtype):
    gb = convx.grad.conv_bias(np.empty((0, 3, 4, 5), dtype), out=np.full(3, np.nan, dtype))
    assert gb.tolist() == [0, 0, 0]


def test_a_plan_takes_an_empty_batch():
    plan = convx.plan_conv((0, 3, 8, 8), np.ones((4, 3, 3, 3), np.float32))
    assert plan(np.empty((0, 3, 8, 8), np.float32)).shape == (0, 4, 6, 6)


def test_an_empty_batch_goes_into_the_out_it_was_given():
    out = np.empty((0, 4, 6, 6), np.float32)
    y = convx.conv2d(np.empty((0, 3, 8, 8), np.float32), np.ones((4, 3, 3, 3), np.float32), out=out)
    assert y is out


@pytest.mark.parametrize("padding", [0, 3, "same"])
def test_an_image_without_places_is_refused(padding):
    w = np.ones((4, 3, 3, 3), np.float32)
    for shape in ((1, 3, 0, 8), (1, 3, 8, 0), (0, 3, 0, 0)):
        with pytest.raises(ValueError, match="at least one place"):
            convx.conv2d(np.empty(shape, np.float32), w, padding=padding)


def test_weights_without_elements_are_refused():
    x = np.ones((1, 3, 8, 8), np.float32)
    for shape in ((0, 3, 3, 3), (4, 0, 3, 3), (4, 3, 0, 3), (4, 3, 3, 0)):
        with pytest.raises(ValueError, match="weight"):
            convx.conv2d(x, np.empty(shape, np.float32))


def test_an_input_without_channels_is_refused():
    with pytest.raises(ValueError, match="channels"):
        convx.conv2d(np.empty((1, 0, 8, 8), np.float32), np.ones((4, 3, 3, 3), np.float32))
