"""convx.grad against the definition of each gradient, exactly, and against the identity that makes it one."""

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
    WRITEABLE_ARRANGEMENTS,
    Tally,
    arrange,
    empty_like_way,
    examples,
    integers,
    layers,
    same_sums,
)

SEEDS = st.integers(0, 2**32 - 1)
TWO_WAYS = st.tuples(st.sampled_from(ARRANGEMENTS), st.sampled_from(ARRANGEMENTS))
OUT_WAYS = st.sampled_from((None, *WRITEABLE_ARRANGEMENTS))


def check_result(result, expected, out, layer, tally):
    same_sums(result, expected, tally.algorithm, layer.kernel)
    if out is not None:
        assert result is out


def check_input_gradient(layer, seed, ways, out_way, tally):
    rng = np.random.default_rng(seed)
    w, gy = integers(rng, layer.w_shape, layer.dtype), integers(rng, layer.y_shape, layer.dtype)
    expected = layer.outside(layer.grad_input(w, gy))
    out = None if out_way is None else layer.outside(empty_like_way(layer.x_shape, layer.dtype, out_way))
    gx = tally.call(
        layer.gradient("input"),
        layer.outside_shape(layer.x_shape),
        arrange(w, ways[0]),
        layer.outside(arrange(gy, ways[1])),
        out=out,
        **layer.common,
    )
    if gx is not None:
        assert gx.dtype == layer.dtype
        check_result(gx, expected, out, layer, tally)


def check_weight_gradient(layer, seed, ways, out_way, tally):
    rng = np.random.default_rng(seed)
    x, gy = integers(rng, layer.x_shape, layer.dtype), integers(rng, layer.y_shape, layer.dtype)
    expected = layer.grad_weight(x, gy)
    out = None if out_way is None else empty_like_way(layer.w_shape, layer.dtype, out_way)
    gw = tally.call(
        layer.gradient("weight"),
        layer.outside(arrange(x, ways[0])),
        layer.w_shape,
        layer.outside(arrange(gy, ways[1])),
        out=out,
        **layer.common,
    )
    if gw is not None:
        assert gw.dtype == layer.dtype
        check_result(gw, expected, out, layer, tally)


CHECKS = {"input": check_input_gradient, "weight": check_weight_gradient}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("of", CHECKS)
def test_the_gradient_of_any_layer_in_any_memory_is_exactly_what_the_definition_says(of, algorithm):
    tally = Tally(algorithm)

    @examples(180)
    @given(layers(), SEEDS, TWO_WAYS, OUT_WAYS)
    def check(layer, seed, ways, out_way):
        CHECKS[of](layer, seed, ways, out_way, tally)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("of", CHECKS)
def test_the_gradient_of_wide_and_deep_layers_is_exact(of, algorithm):
    tally = Tally(algorithm)

    @examples(20)
    @given(layers(widest=300, max_channels=90, batches=(1, 2)), SEEDS)
    def check(layer, seed):
        CHECKS[of](layer, seed, ("as made",) * 2, None, tally)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_forward_and_gradients_are_adjoint(algorithm):
    """<conv(x, w), gy> = <x, grad_input> = <w, grad_weight>: true of the gradients and of nothing else."""
    tally = Tally(algorithm)

    @examples(80)
    @given(layers(), SEEDS)
    def check(layer, seed):
        rng = np.random.default_rng(seed)
        x, w, gy = (integers(rng, s, layer.dtype) for s in (layer.x_shape, layer.w_shape, layer.y_shape))
        x, gy = layer.outside(x), layer.outside(gy)
        y = tally.call(layer.function, x, w, **layer.common)
        gx = tally.call(layer.gradient("input"), x.shape, w, gy, **layer.common)
        gw = tally.call(layer.gradient("weight"), x, w.shape, gy, **layer.common)
        products = [
            int(np.sum(a.astype(np.int64) * b.astype(np.int64)))
            for a, b in ((y, gy), (gx, x), (gw, w))
            if a is not None
        ]
        assert len(set(products)) <= 1, products

    check()
    tally.check()


@examples(150)
@given(layers(), SEEDS, st.sampled_from(ARRANGEMENTS), st.sampled_from((None, "as made", "sliced", "reversed")))
def test_the_bias_gradient_sums_over_batch_and_space_exactly(layer, seed, way, out_way):
    gy = integers(np.random.default_rng(seed), layer.y_shape, layer.dtype)
    out = None if out_way is None else empty_like_way((layer.out_channels,), layer.dtype, out_way)
    given_gy = arrange(gy, way)
    if layer.layout == "channels_last":
        given_gy = np.moveaxis(given_gy, 1, -1)
    gb = convx.grad.conv_bias(given_gy, layout=layer.layout, out=out)
    assert gb.dtype == layer.dtype
    np.testing.assert_array_equal(gb, oracle.grad_bias(gy))
    if out is not None:
        assert gb is out


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_positional_arguments_come_in_the_order_of_torch(rank):
    rng = np.random.default_rng(rank)
    x_shape, w_shape, y_shape = (2, 4, *(9,) * rank), (6, 2, *(3,) * rank), (2, 6, *(3,) * rank)
    x, w, gy = (integers(rng, s, np.float32) for s in (x_shape, w_shape, y_shape))
    layer = (2, 1, 3, 2)  # stride, padding, dilation, groups
    geometry = ((2,) * rank, ((1, 1),) * rank, (3,) * rank, 2)
    gx = getattr(convx.grad, f"conv{rank}d_input")(x_shape, w, gy, *layer)
    gw = getattr(convx.grad, f"conv{rank}d_weight")(x, w_shape, gy, *layer)
    np.testing.assert_array_equal(gx, oracle.grad_input(x_shape, w, gy, *geometry))
    np.testing.assert_array_equal(gw, oracle.grad_weight(x, w_shape, gy, *geometry))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_places_that_no_window_reaches_have_the_gradient_zero(dtype, algorithm):
    # Kernel 2, stride 5: of each five places the last three are read by nothing, and the last two of all are left over.
    gy, w = np.ones((1, 1, 3), dtype), np.ones((1, 1, 2), dtype)
    gx = convx.grad.conv1d_input((1, 1, 14), w, gy, stride=5, algorithm=algorithm)
    assert gx.ravel().tolist() == [1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0]
    x = np.arange(14, dtype=dtype)[None, None]
    gw = convx.grad.conv1d_weight(x, (1, 1, 2), gy, stride=5, algorithm=algorithm)
    assert gw.ravel().tolist() == [0 + 5 + 10, 1 + 6 + 11]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_weight_gradient_of_a_grouped_volume_is_exact(algorithm):
    rng = np.random.default_rng(3)
    tally = Tally(algorithm)
    for groups, ins, outs in ((2, 4, 6), (4, 4, 4), (4, 4, 8), (3, 9, 3)):
        x, gy = integers(rng, (2, ins, 5, 6, 7), np.float32), integers(rng, (2, outs, 3, 3, 3), np.float32)
        w_shape = (outs, ins // groups, 2, 3, 2)
        stride, pairs, dilation = (2, 2, 3), ((1, 1), (1, 0), (0, 1)), (1, 1, 1)
        gw = tally.call(convx.grad.conv3d_weight, x, w_shape, gy, stride, pairs, dilation, groups)
        if gw is not None:
            np.testing.assert_array_equal(gw, oracle.grad_weight(x, w_shape, gy, stride, pairs, dilation, groups))
    tally.check()


@pytest.mark.parametrize("of", ["input", "weight"])
def test_a_gradient_of_another_shape_than_the_output_is_refused(of):
    x, w = np.ones((1, 2, 8, 8), np.float32), np.ones((3, 2, 3, 3), np.float32)
    for wrong in ((1, 3, 6, 7), (2, 3, 6, 6), (1, 4, 6, 6), (3, 6, 6)):
        gy = np.ones(wrong, np.float32)
        with pytest.raises(ValueError, match=r"grad_output|batch"):
            if of == "input":
                convx.grad.conv2d_input(x.shape, w, gy)
            else:
                convx.grad.conv2d_weight(x, w.shape, gy)


@pytest.mark.parametrize("kernel", [3, 7])
def test_depthwise_weight_gradients_of_rows_with_gaps_are_those_of_rows_without(kernel):
    rng = np.random.default_rng(kernel)
    for width in range(1, 51):
        x = integers(rng, (1, 3, 17, width), np.float32)
        gaps = integers(rng, (1, 3, 17, width + 2), np.float32)[..., :width]
        common = {"padding": kernel // 2, "groups": 3, "algorithm": "direct"}
        expected = convx.grad.conv2d_weight(x, (3, 1, kernel, kernel), gaps.copy(), **common)
        np.testing.assert_array_equal(convx.grad.conv2d_weight(x, (3, 1, kernel, kernel), gaps, **common), expected)
