"""Gradients of pooling: what the definition says, and what differences of the forward pass say."""

import convx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import WRITEABLE_ARRANGEMENTS, arrange, examples, integers
from pools import Pool, pools


@examples(400)
@given(pools(), st.sampled_from(WRITEABLE_ARRANGEMENTS), st.booleans(), st.integers(0, 2**32 - 1))
def test_gradients_in_any_memory_are_what_the_definition_says(pool, way, special, seed):
    rng = np.random.default_rng(seed)
    x = integers(rng, pool.x_shape, pool.dtype, 4)
    if special and pool.is_max:
        x[rng.random(x.shape) < 0.3] = -np.inf
        x[rng.random(x.shape) < 0.1] = np.nan
    gy = integers(rng, pool.y_shape, pool.dtype, 9)
    expected = pool.backward(x, gy)
    scale = pool.backward(x, np.abs(gy)) if not pool.is_max else np.abs(expected)
    if pool.arguments.get("divisor_override"):
        scale = np.abs(scale)
    bound = (np.prod(pool.y_shape[2:]) + 2) * np.finfo(pool.dtype).eps * scale
    given_x, given_gy = arrange(pool.outside(x), way), arrange(pool.outside(gy), way)
    found = pool.gradient(given_x, given_gy)
    assert found.dtype == pool.dtype
    assert found.shape == expected.shape
    assert np.all(np.abs(found - expected) <= bound)
    if pool.is_max:
        indices = pool.outside(pool.forward(x)[1])
        np.testing.assert_array_equal(pool.gradient(given_x, given_gy, indices=indices), expected)


def test_a_single_window_gives_nothing_to_the_places_between_its_taps():
    gx = convx.grad.avg_pool2d((1, 4, 1), np.ones((1, 1, 1)), (3, 1), 9, dilation=(1, 1))
    np.testing.assert_allclose(gx[0, :, 0], [1 / 3, 1 / 3, 1 / 3, 0])
    gx = convx.grad.avg_pool2d((1, 4, 1), np.ones((1, 1, 1)), (2, 1), 9, dilation=(2, 1))
    np.testing.assert_array_equal(gx[0, :, 0], [0.5, 0, 0.5, 0])


OPTIONS = [
    ("max", {"kernel_size": 2}),
    ("max", {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("max", {"kernel_size": 3, "stride": 1, "padding": "same", "dilation": 2}),
    ("max", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("avg", {"kernel_size": 2}),
    ("avg", {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("avg", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("avg", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    ("avg", {"kernel_size": 5, "stride": 1, "padding": "same_lower"}),
    ("avg", {"kernel_size": 2, "stride": 3, "divisor_override": 7}),
    ("avg", {"kernel_size": 3, "stride": 2, "dilation": 2, "padding": 1}),
    ("adaptive_avg", {"output_size": 1}),
    ("adaptive_avg", {"output_size": 3}),
    ("adaptive_avg", {"output_size": 5}),
    ("adaptive_avg", {"output_size": 11}),
    ("adaptive_max", {"output_size": 1}),
    ("adaptive_max", {"output_size": 3}),
    ("adaptive_max", {"output_size": 5}),
]


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("kind", "arguments"), OPTIONS)
def test_gradients_are_differences_of_the_forward_pass(kind, arguments, rank, layout):
    pool = Pool(kind, rank, None, 2, (8, 7, 6)[:rank], arguments, layout, np.float64)
    rng = np.random.default_rng(rank)
    x = rng.permutation(int(np.prod(pool.x_shape))).reshape(pool.x_shape) * 1.0  # no maximum is met by another
    gy = rng.standard_normal(pool.y_shape)
    gradient = pool.gradient(pool.outside(x), pool.outside(gy))
    step = 1 / 64
    expected = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step
            ends.append(np.sum(pool.call(pool.outside(moved)) * gy))
        expected[place] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-9)


LARGE = [
    ((2, 64, 56, 56), {"kernel_size": 2}),
    ((1, 40, 57, 61), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((1, 24, 100, 90), {"kernel_size": (5, 3), "stride": (1, 2), "padding": (2, 1), "dilation": (1, 2)}),
    ((1, 5, 120, 200), {"kernel_size": 31, "stride": 1, "padding": 15}),
    ((1, 16, 120, 60), {"kernel_size": 2, "stride": 3, "dilation": 4}),
    ((1, 16, 120, 61), {"kernel_size": 2, "stride": 3}),
    ((2, 64, 5000), {"kernel_size": 4}),
    ((1, 3, 50000), {"kernel_size": 5, "stride": 2, "padding": 2}),
    ((1, 20, 16, 40, 40), {"kernel_size": 2}),
    ((1, 16, 9, 40, 40), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((1, 64, 40, 50), {"kernel_size": 2, "stride": 1}),
    ((1, 64, 7, 21, 31), {"kernel_size": (1, 3, 3), "stride": (1, 2, 2), "padding": (0, 1, 1)}),
    ((1, 64, 16, 21, 31), {"kernel_size": (2, 1, 2), "stride": 1}),
]


def added_in_order(values, indices, places):
    """What indices lead to, of arrays (batch, channels, windows): values are added in the order of the windows."""
    added = np.zeros((*values.shape[:2], places), values.dtype)
    n, c, _ = np.nonzero(indices >= 0)
    np.add.at(added, (n, c, indices[indices >= 0]), values[indices >= 0])
    return added


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize(("shape", "windows"), LARGE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_indices_lead_anywhere_within_a_large_channel_and_to_no_other_place(dtype, shape, windows, layout, wrong):
    rng = np.random.default_rng(len(shape))
    x = rng.standard_normal(shape).astype(dtype)
    axis = 1 if layout == "channels_first" else -1
    given_x = np.ascontiguousarray(np.moveaxis(x, 1, axis))
    forward, backward = (getattr(where, f"max_pool{x.ndim - 2}d") for where in (convx, convx.grad))
    y, own = forward(given_x, **windows, layout=layout, return_indices=True)
    gy = integers(rng, y.shape, dtype, 9)
    places = x[0, 0].size
    for share in (0, 1e-4, 1):
        indices = np.where(rng.random(own.shape) < share, rng.integers(-1, places, own.shape), own)
        if wrong:
            indices.flat[rng.integers(indices.size)] += rng.choice([places, 2**32, -(2**40)])
            with pytest.raises(ValueError, match="indices must be places"):
                backward(given_x, gy, **windows, layout=layout, indices=indices)
            continue
        flat, values = (np.moveaxis(a, axis, 1).reshape(*x.shape[:2], -1) for a in (indices, gy))
        expected = added_in_order(values, flat, places)
        found = np.moveaxis(backward(given_x, gy, **windows, layout=layout, indices=indices), axis, 1)
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)
        assert not np.any(np.signbit(found) & (found == 0))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("shape", "windows"), LARGE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_places_of_channels_add_their_values_in_the_order_of_the_windows(dtype, shape, windows, threads):
    x = np.random.default_rng(len(shape)).standard_normal(shape).astype(dtype)
    forward, backward = (getattr(where, f"max_pool{x.ndim - 2}d") for where in (convx, convx.grad))
    given = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    y, indices = forward(given, **windows, layout="channels_last", return_indices=True)
    gy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    before = convx.get_num_threads()
    convx.set_num_threads(threads)
    try:
        found = backward(given, gy, **windows, layout="channels_last", indices=indices)
    finally:
        convx.set_num_threads(before)
    values, flat = (np.moveaxis(a, -1, 1).reshape(*x.shape[:2], -1) for a in (gy, indices))
    expected = added_in_order(values, flat, x[0, 0].size)
    np.testing.assert_array_equal(np.moveaxis(found, -1, 1).reshape(expected.shape), expected)


@pytest.mark.parametrize("divisor", [None, 3, -6, 8])
@pytest.mark.parametrize("kernel", [(2, 2), (3, 3), (5, 7)])
def test_averages_of_windows_side_by_side_give_each_place_its_share(kernel, divisor):
    rng = np.random.default_rng(3)
    gy = rng.standard_normal((2, 4, 3, 24)).astype(np.float32)
    size = (2, 4 * kernel[0], 3 * kernel[1], 24)
    found = convx.grad.avg_pool2d(size, gy, kernel, divisor_override=divisor, layout="channels_last")
    share = gy / np.float32(divisor or np.prod(kernel))
    np.testing.assert_array_equal(found, share.repeat(kernel[0], axis=1).repeat(kernel[1], axis=2))
