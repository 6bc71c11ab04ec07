"""Batch normalisation: values, gradients, any memory, the same bits with any threads."""

import copy

import convx
import numpy as np
import pytest
from convx import nn
from gradients import check_module
from hypothesis import given
from hypothesis import strategies as st
from layers import ARRANGEMENTS, arrange, examples

LAYERS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
SHAPES = st.integers(1, 3).flatmap(
    lambda rank: st.tuples(st.integers(2, 5), st.sampled_from([1, 2, 3, 7, 16, 33, 70]), *[st.integers(1, 9)] * rank)
)


def axes_of(x):
    return (0, *range(2, x.ndim))


def each(vector, x):
    return vector.reshape(-1, *[1] * (x.ndim - 2))


def normalised(x, eps=1e-5):
    x = x.astype(np.float64)
    return (x - x.mean(axes_of(x), keepdims=True)) / np.sqrt(x.var(axes_of(x), keepdims=True) + eps)


def expected_gradient(x, gy, weight, eps=1e-5):
    """By the chain rule through mean and variance, in float64."""
    axes, n = axes_of(x), x.size // x.shape[1]
    hat = normalised(x, eps)
    g = gy.astype(np.float64) * each(weight, x)
    std = np.sqrt(x.astype(np.float64).var(axes, keepdims=True) + eps)
    return (g - g.sum(axes, keepdims=True) / n - hat * (g * hat).sum(axes, keepdims=True) / n) / std


def layer_for(x, rng, **options):
    layer = LAYERS[max(1, x.ndim - 2)](x.shape[1], dtype=x.dtype, **options)
    layer.weight.data = rng.normal(1, 0.5, x.shape[1])
    layer.bias.data = rng.normal(0, 1, x.shape[1])
    return layer


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-5), (np.float64, 1e-11)])
def test_any_shape_in_any_memory_is_normalised_and_differentiated(dtype, tolerance):
    @examples(150)
    @given(SHAPES, st.tuples(*[st.sampled_from(ARRANGEMENTS)] * 2), st.integers(0, 1 << 30))
    def check(shape, ways, seed):
        rng = np.random.default_rng(seed)
        x, gy = (rng.normal(3, 2, shape).astype(dtype) for _ in range(2))
        layer = layer_for(x, rng)
        y = layer(arrange(x, ways[0]))
        assert y.dtype == dtype
        weight, bias = layer.weight.data.astype(np.float64), layer.bias.data.astype(np.float64)
        np.testing.assert_allclose(y, normalised(x) * each(weight, x) + each(bias, x), rtol=tolerance, atol=tolerance)
        gx = layer.backward(arrange(gy, ways[1]))
        scale = 1 / np.sqrt(x.astype(np.float64).var(axes_of(x)).min() + 1e-5)
        np.testing.assert_allclose(gx, expected_gradient(x, gy, weight), rtol=tolerance, atol=10 * scale * tolerance)
        total = x.size // x.shape[1] * tolerance
        np.testing.assert_allclose(layer.bias.grad, gy.astype(np.float64).sum(axes_of(x)), rtol=tolerance, atol=total)
        product = (gy * normalised(x)).sum(axes_of(x))
        np.testing.assert_allclose(layer.weight.grad, product, rtol=tolerance, atol=10 * total)

    check()


@pytest.mark.parametrize("shape", [(6, 4), (3, 2, 5), (2, 3, 4, 3), (2, 2, 3, 2, 2)])
def test_gradients_are_those_of_difference_quotients(shape):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    check_module(layer_for(x, rng), x, rtol=1e-5, atol=1e-6)
    check_module(LAYERS[max(1, len(shape) - 2)](shape[1], affine=False, dtype=np.float64), x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 5), (4, 3, 6, 5), (2, 70, 9, 4), (3, 1, 4, 4)])
def test_channels_last_gives_the_same_in_its_layout(shape):
    rng = np.random.default_rng(1)
    x, gy = rng.standard_normal((2, *shape))
    first, last = layer_for(x, rng), LAYERS[max(1, len(shape) - 2)](shape[1], layout="channels_last", dtype=x.dtype)
    last.load_state_dict(first.state_dict())
    y = last(np.ascontiguousarray(np.moveaxis(x, 1, -1)))
    assert y.flags.c_contiguous
    np.testing.assert_allclose(np.moveaxis(y, -1, 1), first(x), rtol=1e-12, atol=1e-12)
    gx = last.backward(np.ascontiguousarray(np.moveaxis(gy, 1, -1)))
    np.testing.assert_allclose(np.moveaxis(gx, -1, 1), first.backward(gy), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(last.weight.grad, first.weight.grad, rtol=1e-10, atol=1e-12)
    for name, value in first.state_dict().items():
        np.testing.assert_allclose(last.state_dict()[name], value, rtol=1e-12)


def test_results_lie_in_memory_as_the_input_does():
    x = np.moveaxis(np.zeros((2, 5, 6, 3), np.float32), -1, 1)
    layer = nn.BatchNorm2d(3)
    assert np.moveaxis(layer(x), 1, -1).flags.c_contiguous
    assert np.moveaxis(layer.backward(x), 1, -1).flags.c_contiguous
    assert np.moveaxis(layer.eval()(x), 1, -1).flags.c_contiguous


def test_running_statistics_follow_the_batches_and_replace_them_in_eval_mode():
    rng = np.random.default_rng(2)
    layer = nn.BatchNorm2d(3, momentum=0.25, dtype=np.float64)
    mean, var = np.zeros(3), np.ones(3)
    for count in range(1, 4):
        x = rng.normal(2, 3, (4, 3, 5, 6))
        layer(x)
        mean = 0.75 * mean + 0.25 * x.mean(axes_of(x))
        var = 0.75 * var + 0.25 * x.var(axes_of(x), ddof=1)
        assert layer.num_batches_tracked == count
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-13)
    np.testing.assert_allclose(layer.running_var, var, rtol=1e-13)
    y = layer.eval()(x)
    np.testing.assert_allclose(y, (x - each(mean, x)) / np.sqrt(each(var, x) + 1e-5), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(layer.running_mean, layer.state_dict()["running_mean"])
    assert layer.num_batches_tracked == 3
    np.testing.assert_array_equal(layer(x[:1]), y[:1])


def test_without_a_momentum_running_statistics_are_the_means_over_all_batches():
    rng = np.random.default_rng(3)
    layer = nn.BatchNorm1d(2, momentum=None, dtype=np.float64)
    batches = rng.normal(size=(5, 8, 2))
    for batch in batches:
        layer(batch)
    np.testing.assert_allclose(layer.running_mean, batches.mean((0, 1)), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var, batches.var(1, ddof=1).mean(0), rtol=1e-12)


def test_without_running_statistics_eval_mode_uses_the_batch():
    x = np.random.default_rng(4).normal(5, 2, (3, 2, 4, 4))
    layer = nn.BatchNorm2d(2, track_running_stats=False, dtype=np.float64)
    assert list(layer.state_dict()) == ["weight", "bias"]
    np.testing.assert_array_equal(layer.eval()(x), layer.train()(x))
    with pytest.raises(RuntimeError, match="eval mode"):
        layer.eval().backward(x)


def test_a_mean_that_is_large_beside_the_deviation_costs_little():
    rng = np.random.default_rng(5)
    for shape in ((4, 3, 50, 60), (3000, 40), (12000, 3)):
        x = (1000 + rng.normal(0, 1, shape)).astype(np.float32)
        layer = LAYERS[max(1, len(shape) - 2)](shape[1])
        np.testing.assert_allclose(layer(x), normalised(x), atol=3e-4)
        np.testing.assert_allclose(layer.running_var, 0.9 + 0.1 * x.astype(float).var(axes_of(x), ddof=1), rtol=1e-5)


@pytest.mark.parametrize("shape", [(5, 33, 60, 61), (3, 3, 300, 200), (40, 700), (70001, 3)])
def test_one_to_eight_threads_give_the_same_bits(shape):
    rng = np.random.default_rng(6)
    x, gy = rng.standard_normal((2, *shape)).astype(np.float32)
    for way in ("C", "channels_last"):
        if way == "channels_last":
            x, gy = (np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (x, gy))
        results = []
        for threads in range(1, 9):
            convx.set_num_threads(threads)
            layer = layer_for(x, np.random.default_rng(0))
            y = layer(x)
            gx = layer.backward(gy)
            arrays = (y, gx, layer.weight.grad, layer.bias.grad, layer.running_var, layer.eval()(x))
            results.append([np.ascontiguousarray(a).tobytes() for a in arrays])
        assert all(result == results[0] for result in results)


def test_large_tensors_are_normalised_block_by_block():
    rng = np.random.default_rng(7)
    for shape in ((2, 3, 5001, 3), (2, 2, 9973), (4099, 65), (8191, 5)):
        x, gy = rng.standard_normal((2, *shape))
        layer = layer_for(x, rng)
        expected = normalised(x) * each(layer.weight.data, x) + each(layer.bias.data, x)
        np.testing.assert_allclose(layer(x), expected, rtol=1e-11, atol=1e-11)
        expected = expected_gradient(x, gy, layer.weight.data)
        np.testing.assert_allclose(layer.backward(gy), expected, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(layer.bias.grad, gy.sum(axes_of(gy)), rtol=1e-9, atol=1e-9)


def test_nan_stays_in_its_channel():
    x = np.random.default_rng(8).standard_normal((2, 4, 3, 3))
    clean = nn.BatchNorm2d(4, dtype=np.float64)(x)
    x[1, 2, 1, 1] = np.nan
    y = nn.BatchNorm2d(4, dtype=np.float64)(x)
    assert np.isnan(y[:, 2]).all()
    np.testing.assert_array_equal(y[:, [0, 1, 3]], clean[:, [0, 1, 3]])


def test_an_empty_batch_is_normalised_to_an_empty_batch():
    layer = nn.BatchNorm2d(3)
    before = copy.deepcopy(layer.state_dict())
    x = np.zeros((0, 3, 4, 4), np.float32)
    assert layer(x).shape == x.shape
    assert layer.backward(x).shape == x.shape
    assert not layer.weight.grad.any()
    assert not layer.bias.grad.any()
    assert layer.eval()(x).shape == x.shape
    for name, value in before.items():
        np.testing.assert_array_equal(layer.state_dict()[name], value)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (np.zeros((2, 4, 3, 3), np.float32), ValueError, "4 channels.*num_features=3"),
        (np.zeros((3, 3, 3), np.float32), ValueError, "must have 4 dimensions"),
        (np.zeros((2, 3, 3, 3)), TypeError, "input is float64 but weight is float32"),
        (np.zeros((2, 3, 3, 3), np.int64), TypeError, "float32 or float64"),
        (np.zeros((1, 3, 1, 1), np.float32), ValueError, "more than one value a channel"),
    ],
)
def test_inputs_that_cannot_be_normalised_are_refused(x, error, words):
    layer = nn.BatchNorm2d(3)
    with pytest.raises(error, match=words):
        layer(x)
    assert layer.num_batches_tracked == 0


def test_a_gradient_of_another_shape_is_refused():
    layer = nn.BatchNorm2d(3)
    layer(np.zeros((2, 3, 4, 4), np.float32))
    with pytest.raises(ValueError, match="grad_output must have the shape"):
        layer.backward(np.zeros((2, 3, 4, 5), np.float32))


@pytest.mark.parametrize(
    ("options", "words"),
    [({"num_features": 0}, "num_features"), ({"eps": -1}, "eps"), ({"layout": "NCHW"}, "layout")],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        nn.BatchNorm2d(**{"num_features": 3, **options})
    with pytest.raises(TypeError, match="dtype"):
        nn.BatchNorm2d(3, dtype=np.float16)
