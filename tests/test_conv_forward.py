"""conv1d, conv2d and conv3d against their definition, exactly: integers have no rounding to hide behind."""

import convx
import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import (
    ALGORITHMS,
    ARRANGEMENTS,
    DTYPES,
    EXACT_ACTIVATIONS,
    WRITEABLE_ARRANGEMENTS,
    Tally,
    arrange,
    empty_like_way,
    examples,
    integers,
    layers,
    same_sums,
)


def check_forward(layer, seed, ways, out_way, tally):
    """Call the layer on integers that lie in memory as `ways` say; compare every element."""
    rng = np.random.default_rng(seed)
    x, w = integers(rng, layer.x_shape, layer.dtype), integers(rng, layer.w_shape, layer.dtype)
    b = integers(rng, layer.out_channels, layer.dtype, 9) if layer.with_bias else None
    expected = layer.outside(oracle.activate(layer.forward(x, w, b).astype(layer.dtype), layer.activation))
    given_x, given_w = layer.outside(arrange(x, ways[0])), arrange(w, ways[1])
    given_b = None if b is None else arrange(b, ways[2])
    out = None if out_way is None else layer.outside(empty_like_way(layer.y_shape, layer.dtype, out_way))

    y = tally.call(layer.function, given_x, given_w, given_b, activation=layer.activation, out=out, **layer.common)
    if y is None:
        return
    assert y.dtype == layer.dtype
    assert y.shape == expected.shape
    same_sums(y, expected, tally.algorithm, layer.kernel)
    if out is not None:
        assert y is out
    np.testing.assert_array_equal(layer.inside(given_x), x, "input was written to")
    np.testing.assert_array_equal(given_w, w, "weight was written to")


BIAS_ARRANGEMENTS = tuple(way for way in ARRANGEMENTS if way != "channels-last")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_layer_in_any_memory_gives_exactly_what_the_definition_says(algorithm):
    tally = Tally(algorithm)

    @examples(250)
    @given(
        layers(activations=EXACT_ACTIVATIONS),
        st.integers(0, 2**32 - 1),
        st.tuples(st.sampled_from(ARRANGEMENTS), st.sampled_from(ARRANGEMENTS), st.sampled_from(BIAS_ARRANGEMENTS)),
        st.sampled_from((None, *WRITEABLE_ARRANGEMENTS)),
    )
    def check(layer, seed, ways, out_way):
        check_forward(layer, seed, ways, out_way, tally)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_wide_and_deep_layers_cross_every_block_of_the_loops_exactly(algorithm):
    tally = Tally(algorithm)

    @examples(25)
    @given(layers(widest=300, max_channels=90, batches=(1, 2)), st.integers(0, 2**32 - 1))
    def check(layer, seed):
        check_forward(layer, seed, ("as made",) * 3, None, tally)

    check()
    tally.check()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_positional_arguments_come_in_the_order_of_torch(rank):
    rng = np.random.default_rng(rank)
    x, w, b = (integers(rng, s, np.float32) for s in ((2, 4, *(9,) * rank), (6, 2, *(3,) * rank), (6,)))
    y = getattr(convx, f"conv{rank}d")(x, w, b, 2, 1, 3, 2)
    np.testing.assert_array_equal(y, oracle.conv(x, w, b, (2,) * rank, ((1, 1),) * rank, (3,) * rank, 2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_result_of_a_new_array_lies_in_memory_as_the_input_does(dtype):
    first = np.ones((2, 3, 8, 8), dtype)
    last = np.moveaxis(np.ones((2, 8, 8, 3), dtype), -1, 1)
    w = np.ones((4, 3, 3, 3), dtype)
    assert convx.conv2d(first, w).flags.c_contiguous
    assert np.moveaxis(convx.conv2d(last, w), 1, -1).flags.c_contiguous
    np.testing.assert_array_equal(convx.conv2d(first, w), convx.conv2d(last, w))


def test_nested_lists_of_floats_are_taken_as_float64():
    y = convx.conv1d([[1.0, 2.0, 4.0]], [[[1.0, 1.0]]])
    assert y.dtype == np.float64
    assert y.tolist() == [[3.0, 6.0]]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "silu", "leaky_relu"])
def test_activations_that_round_are_within_five_units_in_the_last_place(activation, dtype, algorithm):
    # A 1x1 layer of weight 1 hands the values through unrounded, so all of the error is the activation's.
    x = np.concatenate([np.linspace(-30, 30, 997), np.geomspace(1e-6, 1, 100), [0.0]]).astype(dtype)
    y = convx.conv1d(x[None, None], np.ones((1, 1, 1), dtype), activation=activation, algorithm=algorithm)[0, 0]
    expected = oracle.activate(x.astype(np.longdouble), activation)
    allowed = 5 * np.spacing(np.abs(expected).astype(dtype))
    assert np.all(np.abs(y - expected) <= allowed), np.max(np.abs(y - expected) / allowed)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "silu", "relu", "relu6", "leaky_relu", "hardtanh"])
def test_an_activation_has_the_same_bits_at_every_place_of_a_row(activation, algorithm):
    for width in (1, 3, 7, 8, 17, 64, 67):
        x = np.full((1, 1, width), -0.7, np.float32)
        y = convx.conv1d(x, np.ones((1, 1, 1), np.float32), activation=activation, algorithm=algorithm)
        assert len(np.unique(y)) == 1


def test_an_activation_comes_after_the_bias():
    x, w = np.full((1, 1, 4), -1, np.float32), np.ones((1, 1, 1), np.float32)
    assert convx.conv1d(x, w, np.array([3], np.float32), activation="relu").tolist() == [[[2, 2, 2, 2]]]


def test_a_named_algorithm_that_cannot_serve_the_layer_is_refused_with_its_reason():
    x, w = np.ones((1, 1, 8, 8), np.float32), np.ones((1, 1, 4, 4), np.float32)
    # No Winograd tile is made for 4x4 kernels.
    with pytest.raises(
        ValueError, match=r"algorithm='winograd' cannot serve this layer(.|\n)*winograd_4x4 +declines: \w+"
    ):
        convx.conv2d(x, w, algorithm="winograd")
