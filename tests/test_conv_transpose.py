"""conv_transpose1d to conv_transpose3d and their gradients against the definition, exactly."""

import convx
import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import (
    ALGORITHMS,
    ARRANGEMENTS,
    EXACT_ACTIVATIONS,
    WRITEABLE_ARRANGEMENTS,
    Tally,
    examples,
    integers,
    layers,
)
from test_conv_forward import BIAS_ARRANGEMENTS, check_forward
from test_conv_gradients import CHECKS

SEEDS = st.integers(0, 2**32 - 1)
TWO_WAYS = st.tuples(st.sampled_from(ARRANGEMENTS), st.sampled_from(ARRANGEMENTS))
OUT_WAYS = st.sampled_from((None, *WRITEABLE_ARRANGEMENTS))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_transposed_layer_in_any_memory_gives_exactly_what_the_definition_says(algorithm):
    tally = Tally(algorithm)

    @examples(150)
    @given(
        layers(transposed=True, activations=EXACT_ACTIVATIONS, widest=24),
        SEEDS,
        st.tuples(st.sampled_from(ARRANGEMENTS), st.sampled_from(ARRANGEMENTS), st.sampled_from(BIAS_ARRANGEMENTS)),
        OUT_WAYS,
    )
    def check(layer, seed, ways, out_way):
        check_forward(layer, seed, ways, out_way, tally)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("of", CHECKS)
def test_the_gradient_of_any_transposed_layer_is_exactly_what_the_definition_says(of, algorithm):
    tally = Tally(algorithm)

    @examples(80)
    @given(layers(transposed=True, widest=24), SEEDS, TWO_WAYS, OUT_WAYS)
    def check(layer, seed, ways, out_way):
        CHECKS[of](layer, seed, ways, out_way, tally)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_transposed_layer_is_the_input_gradient_of_the_convolution_with_its_parameters(algorithm):
    tally = Tally(algorithm)

    @examples(60)
    @given(layers(transposed=True, widest=24), SEEDS)
    def check(layer, seed):
        rng = np.random.default_rng(seed)
        x, w = integers(rng, layer.x_shape, layer.dtype), integers(rng, layer.w_shape, layer.dtype)
        y = tally.call(layer.function, layer.outside(x), w, **layer.common)
        stride, dilation, _ = layer.axes
        # The convolution must come to x's size, which needs no more end padding than the transposition cut off.
        reach = [
            (n - 1) * s + d * (k - 1) + 1
            for n, s, d, k in zip(layer.extent, stride, dilation, layer.kernel, strict=True)
        ]
        pairs = [(b, max(0, r - b - m)) for (b, _), r, m in zip(layer.pairs, reach, layer.size, strict=True)]
        if oracle.output_size(layer.size, layer.kernel, stride, dilation, pairs) != tuple(layer.extent) or y is None:
            return
        of = getattr(convx.grad, f"conv{layer.rank}d_input")
        gx = of(layer.y_shape, w, x, layer.stride, pairs, layer.dilation, layer.groups, algorithm="reference")
        np.testing.assert_array_equal(layer.inside(y), gx)

    check()
    tally.check()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_positional_arguments_come_in_the_order_of_torch(rank):
    rng = np.random.default_rng(rank)
    x, w, b = (integers(rng, s, np.float32) for s in ((2, 6, *(4,) * rank), (6, 2, *(3,) * rank), (4,)))
    # stride, padding, output_padding, groups, dilation: groups before dilation, unlike conv.
    y = getattr(convx, f"conv_transpose{rank}d")(x, w, b, 3, 1, 2, 2, 1)
    size = (3 * 3 - 2 + 2 + 1 + 2,) * rank
    expected = oracle.conv_transpose(x, w, b, (3,) * rank, ((1, 1),) * rank, (1,) * rank, 2, size)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("padding", ["same", "same_lower"])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 1, 1), (4, 1, 1), (2, 3, 1), (5, 2, 2), (1, 2, 1), (4, 2, 1)]
)
def test_same_makes_the_output_stride_times_as_long(kernel, stride, dilation, padding):
    x, w = np.ones((1, 1, 7), np.float32), np.ones((1, 1, kernel), np.float32)
    y = convx.conv_transpose1d(x, w, stride=stride, padding=padding, dilation=dilation)
    assert y.shape == (1, 1, 7 * stride)
    back = convx.conv1d(y, w, stride=stride, padding=padding, dilation=dilation)
    assert back.shape == x.shape


def test_places_beyond_every_stamp_hold_the_bias_alone():
    x, w, b = np.ones((1, 1, 3), np.float32), np.ones((1, 1, 1), np.float32), np.array([5], np.float32)
    y = convx.conv_transpose1d(x, w, b, stride=4, output_padding=3)
    assert y.ravel().tolist() == [6, 5, 5, 5] * 3


def test_output_padding_that_reaches_the_next_place_is_refused():
    x, w = np.ones((1, 1, 3), np.float32), np.ones((1, 1, 2), np.float32)
    with pytest.raises(ValueError, match="output_padding must be smaller than stride or dilation"):
        convx.conv_transpose1d(x, w, stride=2, output_padding=2)
    assert convx.conv_transpose1d(x, w, stride=2, dilation=4, output_padding=3).shape == (1, 1, 2 * 2 + 4 + 1 + 3)


def test_padding_that_cuts_everything_off_is_refused():
    x, w = np.ones((1, 1, 3), np.float32), np.ones((1, 1, 3), np.float32)
    assert convx.conv_transpose1d(x, w, padding=2).ravel().tolist() == [3]
    with pytest.raises(ValueError, match="at least 1"):
        convx.conv_transpose1d(x, w, padding=3)
