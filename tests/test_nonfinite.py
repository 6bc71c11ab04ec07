"""NaN and infinity are found where the mathematics puts them, and nowhere else."""

import convx
import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import ALGORITHMS, DTYPES, Tally, examples, integers, layers

SPECIAL = (np.nan, np.inf, -np.inf)


def same(result, expected):
    """Equal, NaN where NaN is expected."""
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_special_value_anywhere_in_the_input_reaches_exactly_the_windows_that_hold_it(algorithm):
    tally = Tally(algorithm)

    @examples(120)
    @given(layers(), st.integers(0, 2**32 - 1), st.sampled_from(SPECIAL))
    def check(layer, seed, value):
        rng = np.random.default_rng(seed)
        x = integers(rng, layer.x_shape, layer.dtype)
        # No weight is zero: zero times infinity would be NaN.
        w = rng.choice(np.array([-2, -1, 1, 2], layer.dtype), layer.w_shape)
        x.flat[rng.integers(x.size)] = value
        with np.errstate(invalid="ignore"):
            expected = layer.forward(x, w, None)
        y = tally.call(layer.function, layer.outside(x), w, **layer.common)
        if y is not None:
            same(layer.inside(y), expected)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_special_value_anywhere_in_the_output_gradient_reaches_exactly_what_it_is_multiplied_into(algorithm):
    tally = Tally(algorithm)

    @examples(100)
    @given(layers(), st.integers(0, 2**32 - 1), st.sampled_from(SPECIAL))
    def check(layer, seed, value):
        rng = np.random.default_rng(seed)
        small = np.array([-2, -1, 1, 2], layer.dtype)
        x, w = rng.choice(small, layer.x_shape), rng.choice(small, layer.w_shape)
        gy = integers(rng, layer.y_shape, layer.dtype)
        gy.flat[rng.integers(gy.size)] = value
        with np.errstate(invalid="ignore"):
            expected = layer.grad_input(w, gy)
        gx = tally.call(layer.gradient("input"), layer.outside_shape(x.shape), w, layer.outside(gy), **layer.common)
        if gx is not None:
            same(layer.inside(gx), expected)
        # A special value times a padded zero is NaN, or skipped; all else is as in the definition.
        gw = tally.call(layer.gradient("weight"), layer.outside(x), w.shape, layer.outside(gy), **layer.common)
        with np.errstate(invalid="ignore"):
            expected = layer.grad_weight(x, gy)
        if gw is not None:
            sure = np.full(gw.shape, True)
            if layer.padding_mode == "zeros" and any(sum(pair) for pair in layer.pairs):
                sure = ~np.isnan(expected)
            same(gw[sure], expected[sure])

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_times_infinity_is_not_a_number(dtype, algorithm):
    x = np.array([[[1, np.inf, 1, 1]]], dtype)
    y = convx.conv1d(x, np.array([[[0, 1]]], dtype), algorithm=algorithm)
    same(y, [[[np.inf, np.nan, 1]]])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_infinities_of_both_signs_in_one_window_are_not_a_number(dtype, algorithm):
    x = np.array([[[np.inf, -np.inf, 1, np.inf, 1]]], dtype)
    y = convx.conv1d(x, np.ones((1, 1, 2), dtype), algorithm=algorithm)
    same(y, [[[np.nan, -np.inf, np.inf, np.inf]]])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_special_weight_touches_its_own_channel_alone(algorithm):
    rng = np.random.default_rng(1)
    x, w = rng.choice(np.array([1, 2], np.float32), (1, 5, 6, 19)), integers(rng, (19, 5, 3, 3), np.float32)
    clean = convx.conv2d(x, w, algorithm=algorithm)
    for channel in (0, 7, 8, 15, 16, 18):
        for value in SPECIAL:
            spoilt = w.copy()
            spoilt[channel, 2, 1, 1] = value
            y = convx.conv2d(x, spoilt, algorithm=algorithm)
            same(y[:, channel], np.full_like(y[:, channel], value))
            same(np.delete(y, channel, 1), np.delete(clean, channel, 1))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_special_bias_touches_its_own_channel_alone(algorithm):
    x, w = np.ones((1, 2, 5, 5), np.float32), np.ones((9, 2, 3, 3), np.float32)
    b = np.arange(9, dtype=np.float32)
    b[4] = np.nan
    b[8] = np.inf
    y = convx.conv2d(x, w, b, algorithm=algorithm)
    same(y, oracle.conv(x, w, b, (1, 1), ((0, 0),) * 2, (1, 1), 1))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("activation", ["relu", "relu6", "hardtanh", "leaky_relu", "sigmoid", "tanh", "silu"])
def test_no_activation_hides_a_nan(activation, algorithm):
    for width in (1, 5, 8, 19):
        for place in range(width):
            x = np.ones((1, 1, width), np.float32)
            x[0, 0, place] = np.nan
            y = convx.conv1d(x, np.ones((1, 1, 1), np.float32), activation=activation, algorithm=algorithm)
            assert np.flatnonzero(np.isnan(y)).tolist() == [place]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_of_infinity_are_their_limits(dtype, algorithm):
    x, w = np.array([[[np.inf, -np.inf, 1000, -1000]]], dtype), np.ones((1, 1, 1), dtype)
    limits = {
        "relu": [np.inf, 0, 1000, 0],
        "relu6": [6, 0, 6, 0],
        "hardtanh": [1, -1, 1, -1],
        "tanh": [1, -1, 1, -1],
        "sigmoid": [1, 0, 1, 0],
    }
    for activation, expected in limits.items():
        same(convx.conv1d(x, w, activation=activation, algorithm=algorithm), [[expected]])
    silu = convx.conv1d(x, w, activation="silu", algorithm=algorithm)[0, 0]
    assert silu[0] == np.inf
    assert silu[2] == 1000
    assert silu[3] == 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_results_that_overflow_are_infinite(algorithm):
    x, w = np.full((1, 2, 3), 3e38, np.float32), np.ones((1, 2, 1), np.float32)
    # The reference adds up in double and rounds at the end, the others on the way: both give infinity here.
    same(convx.conv1d(x, w, algorithm=algorithm), np.full((1, 1, 3), np.inf))


def test_one_nan_of_the_output_gradient_spoils_one_channel_of_the_bias_gradient():
    gy = np.ones((2, 3, 40, 41), np.float32)
    gy[1, 1, 39, 40] = np.nan
    same(convx.grad.conv_bias(gy), [2 * 40 * 41, np.nan, 2 * 40 * 41])


@pytest.mark.parametrize("threads", (1, 2, 4))
@pytest.mark.parametrize("algorithm", ("winograd_2x2", "winograd_4x4", "gemm", "direct"))
def test_a_nan_in_one_of_many_groups_stays_in_its_filter_whatever_the_threads(algorithm, threads):
    convx.set_num_threads(threads)
    rng = np.random.default_rng(4)
    x = integers(rng, (2, 64, 40, 40), np.float32)
    gy = integers(rng, (2, 64, 40, 40), np.float32)
    options = {"padding": 1, "groups": 16}
    expected = convx.grad.conv2d_weight(x, (64, 4, 3, 3), gy, **options, algorithm="reference")
    gy[1, 37, 20, 20] = np.nan
    expected[37] = np.nan
    same(convx.grad.conv2d_weight(x, (64, 4, 3, 3), gy, **options, algorithm=algorithm), expected)
