"""Pooling gives what its definition says: any window, memory, layout and special value."""

import convx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import ARRANGEMENTS, arrange, examples, integers
from pools import Pool, pools

SPECIAL = (np.nan, np.inf, -np.inf)


def values(rng, pool, special):
    """Few different values, so that maxima meet; or with infinities and NaN among them."""
    x = integers(rng, pool.x_shape, pool.dtype, 4)
    if special:
        x[rng.random(x.shape) < 0.3] = -np.inf
        x[rng.random(x.shape) < 0.05] = np.nan
        x[rng.random(x.shape) < 0.05] = np.inf
    return x


def near(found, expected, dtype):
    """Sums of small integers are exact; what remains is the rounding of a quotient."""
    assert found.dtype == dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2 * np.finfo(dtype).eps, atol=0)


@examples(400)
@given(pools(), st.sampled_from(ARRANGEMENTS), st.booleans(), st.integers(0, 2**32 - 1))
def test_any_window_in_any_memory_gives_what_the_definition_says(pool, way, special, seed):
    x = values(np.random.default_rng(seed), pool, special)
    expected, expected_indices = pool.forward(x)
    given_x = arrange(pool.outside(x), way)
    near(pool.call(given_x), expected, pool.dtype)
    if pool.is_max:
        found, indices = pool.call(given_x, return_indices=True)
        near(found, expected, pool.dtype)
        assert indices.dtype == np.int64
        np.testing.assert_array_equal(indices, expected_indices)


def large(kind, layout, dtype, extent, channels=3, **arguments):
    return Pool(kind, len(extent), 2, channels, extent, arguments, layout, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(
    ("extent", "arguments"),
    [
        ((45, 70), {"kernel_size": 31, "stride": 1, "padding": 15}),
        ((45, 70), {"kernel_size": (17, 40), "stride": (2, 3), "padding": 8}),
        ((60, 33), {"kernel_size": (9, 3), "stride": (1, 2), "padding": 1, "dilation": (2, 1)}),
        ((130, 9), {"kernel_size": (64, 2), "stride": (1, 2)}),
        ((9, 300), {"kernel_size": (2, 128), "stride": 1, "padding": "same"}),
        ((300,), {"kernel_size": 100, "stride": 1, "padding": 50, "ceil_mode": True}),
        ((12, 14, 30), {"kernel_size": (9, 11, 12), "stride": 1, "padding": "same"}),
        ((12, 14, 30), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ],
)
def test_large_windows_give_what_the_definition_says(kind, layout, dtype, extent, arguments):
    pool = large(kind, layout, dtype, extent, **arguments)
    rng = np.random.default_rng(0)
    x = integers(rng, pool.x_shape, dtype, 3)
    if kind == "max":
        x[rng.random(x.shape) < 0.002] = np.nan
        x[rng.random(x.shape) < 0.002] = -np.inf
    expected, expected_indices = pool.forward(x)
    given_x = np.ascontiguousarray(pool.outside(x))
    near(pool.call(given_x), expected, dtype)
    if kind == "max":
        found, indices = pool.call(given_x, return_indices=True)
        near(found, expected, dtype)
        np.testing.assert_array_equal(indices, expected_indices)


@examples(60)
@given(pools(kinds=("avg", "adaptive_avg"), widest=300), st.integers(0, 2**32 - 1))
def test_averages_stay_within_the_bound_of_their_number_of_places(pool, seed):
    x = np.random.default_rng(seed).standard_normal(pool.x_shape).astype(pool.dtype)
    found = pool.call(pool.outside(x)).astype(np.float64)
    places = max(flat.size for _, flat, _ in pool.windows())
    scale = pool.forward(np.abs(x))[0]
    error = np.abs(found - pool.forward(x)[0])
    assert np.all(error <= (places + 1) * np.finfo(pool.dtype).eps * np.abs(scale))


@pytest.mark.parametrize("place", range(0, 400, 7))
@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_a_special_value_reaches_exactly_the_windows_that_hold_it(kind, special, place):
    pool = large(kind, "channels_first", np.float32, (20, 20), channels=1, kernel_size=9, stride=1, padding=4)
    x = np.zeros(pool.x_shape, np.float32)
    x[0].flat[place] = special
    expected = pool.forward(x)[0]
    np.testing.assert_array_equal(pool.call(x), expected)


@pytest.mark.parametrize("kind", ["max", "avg", "adaptive_max", "adaptive_avg"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_an_empty_batch_gives_an_empty_result(kind, rank):
    arguments = {"output_size": 2} if kind.startswith("adaptive") else {"kernel_size": 2}
    extent = (6,) * rank
    size = (2,) * rank if kind.startswith("adaptive") else (3,) * rank
    pool = Pool(kind, rank, 0, 3, extent, arguments, "channels_first", np.float32)
    x = np.zeros(pool.x_shape, np.float32)
    assert pool.call(x).shape == (0, 3, *size)
    assert pool.gradient(x, np.zeros((0, 3, *size), np.float32)).shape == x.shape


def test_a_window_without_a_place_of_the_input_gives_minus_infinity_and_no_index_or_zero():
    x = np.ones((1, 1, 1))
    pairs = {"kernel_size": 2, "stride": 1, "padding": [(1, 1)], "dilation": 2}
    value, index = convx.max_pool1d(x, **pairs, return_indices=True)
    assert (value.item(), index.item()) == (-np.inf, -1)
    assert convx.avg_pool1d(x, 2, 1, [(1, 1)], dilation=2).item() == 0
    assert convx.avg_pool1d(x, 2, 1, [(1, 1)], count_include_pad=False, dilation=2).item() == 0
    assert convx.grad.max_pool1d(x, np.ones((1, 1, 1)), **pairs).item() == 0
    assert convx.grad.max_pool1d(x, np.ones((1, 1, 1)), **pairs, indices=index).item() == 0


def test_the_memory_order_of_the_results_is_that_of_the_input():
    x = np.moveaxis(np.ones((2, 6, 6, 3), np.float32), -1, 1)
    found, indices = convx.max_pool2d(x, 2, return_indices=True)
    for result in (found, indices, convx.avg_pool2d(x, 2), convx.adaptive_avg_pool2d(x, 2)):
        assert np.moveaxis(result, 1, -1).flags.c_contiguous
    assert np.moveaxis(convx.max_unpool2d(found, indices, 2), 1, -1).flags.c_contiguous
    assert convx.max_pool2d(np.ascontiguousarray(x), 2).flags.c_contiguous


@examples(100)
@given(pools(kinds=("max", "adaptive_max")), st.sampled_from(ARRANGEMENTS), st.integers(0, 2**32 - 1))
def test_unpooling_puts_values_where_the_indices_say_and_its_gradient_takes_them_from_there(pool, way, seed):
    rng = np.random.default_rng(seed)
    rank, kernel = pool.rank, tuple(int(k) for k in rng.integers(1, 4, pool.rank))
    y = rng.standard_normal(pool.x_shape).astype(pool.dtype)
    size = tuple(n * k for n, k in zip(pool.extent, kernel, strict=True))
    indices = rng.integers(0, np.prod(size), pool.x_shape)
    expected = np.zeros((*pool.x_shape[:2], int(np.prod(size))), pool.dtype)
    gradient = rng.standard_normal(expected.shape).astype(pool.dtype)
    taken = np.take_along_axis(gradient, indices.reshape(*indices.shape[:2], -1), -1).reshape(pool.x_shape)
    for n, c in np.ndindex(*pool.x_shape[:2]):
        expected[n, c][indices[n, c].ravel()] = y[n, c].ravel()
    where = np.repeat(pool.outside(indices), 2, axis=-1)[..., ::2] if way == "sliced" else pool.outside(indices)
    if way == "Fortran":
        where = np.asfortranarray(where)
    unpool, grad = getattr(convx, f"max_unpool{rank}d"), getattr(convx.grad, f"max_unpool{rank}d")
    found = unpool(arrange(pool.outside(y), way), where, kernel, layout=pool.layout)
    np.testing.assert_array_equal(pool.inside(found), expected.reshape(*pool.x_shape[:2], *size))
    gy = arrange(pool.outside(gradient.reshape(*pool.x_shape[:2], *size)), way)
    np.testing.assert_array_equal(pool.inside(grad(gy, where, kernel, layout=pool.layout)), taken)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("max", {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("max", {"kernel_size": 2}),
        ("avg", {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("avg", {"kernel_size": 15, "stride": 1, "padding": 7}),
        ("adaptive_avg", {"output_size": 1}),
        ("adaptive_avg", {"output_size": (5, 3)}),
        ("adaptive_max", {"output_size": (5, 3)}),
    ],
)
def test_bits_do_not_depend_on_the_number_of_threads_or_the_batch(kind, arguments, layout, threads):
    pool = large(kind, layout, np.float32, (61, 83), channels=17, **arguments)
    rng = np.random.default_rng(3)
    x = pool.outside(rng.standard_normal(pool.x_shape).astype(np.float32)).copy()
    gy = pool.outside(rng.standard_normal(pool.y_shape).astype(np.float32)).copy()
    results = []
    for count in (1, threads):
        convx.set_num_threads(count)
        results.append((pool.call(x), pool.gradient(x, gy)))
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(results[0][0][1:], pool.call(x[1:]))
    np.testing.assert_array_equal(results[0][1][1:], pool.gradient(x[1:], gy[1:]))


X = np.zeros((1, 2, 6, 6), np.float32)
Y, PLACES = np.ones((1, 1, 2, 2)), np.array([[[[0, 3], [8, 15]]]])
REFUSALS = [
    ("max_pool2d", (X, 0), ValueError, "kernel_size must be at least 1, got 0"),
    ("max_pool2d", (X, 2.0), TypeError, "kernel_size must be an int or a sequence of 2"),
    ("max_pool2d", (X, (2, 2, 2)), ValueError, "kernel_size must be .* got 3 values"),
    ("max_pool2d", (X, 2, 0), ValueError, "stride must be at least 1, got 0"),
    ("max_pool2d", (X, 2, 1 << 61), ValueError, r"sizes must stay below 2\*\*60"),
    ("max_pool2d", (X, 2, 2, -1), ValueError, "padding must be at least 0, got -1"),
    ("max_pool2d", (X, 2, 2, 2), ValueError, "padding must be at most half of kernel_size, got 2"),
    ("max_pool2d", (X, 3, 2, (1, 2)), ValueError, r"padding must be at most half of kernel_size, got \(1, 2\)"),
    ("max_pool2d", (X, 3, 2, [(0, 3), (0, 0)]), ValueError, "padding pairs must be smaller than the window"),
    ("max_pool2d", (X, 3, 2, "Same"), ValueError, "padding must be .* 'same'"),
    ("max_pool2d", (X, 2, 2, 0, 0), ValueError, "dilation must be at least 1, got 0"),
    ("max_pool2d", (X, 2, 2, 0, 1, 1), TypeError, "ceil_mode must be True or False, got 1"),
    ("max_pool2d", (X, 7), ValueError, r"kernel_size does not fit into the input: .* \(7, 7\)"),
    ("max_pool2d", (X[0, 0], 2), ValueError, r"input must have 4 dimensions, \(N, C, H, W\), or 3 .* 2-D pooling"),
    ("max_pool2d", (X[:, :0], 2), ValueError, "input must have no dimension of size 0 but the batch"),
    ("max_pool2d", (X.astype(int), 2), TypeError, "input must be float32 or float64"),
    ("avg_pool2d", (X, 2, 2, 0, False, True, 0), ValueError, "divisor_override must not be 0"),
    ("avg_pool2d", (X, 2, 2, 0, False, 1), TypeError, "count_include_pad must be True or False, got 1"),
    ("adaptive_avg_pool2d", (X, (1,)), ValueError, "output_size must be .* got 1 values"),
    ("adaptive_avg_pool2d", (X, -1), ValueError, "output_size must be at least 0, got -1"),
    ("adaptive_max_pool2d", (X, 1.0), TypeError, "output_size must be an int or a sequence of 2"),
    ("adaptive_max_pool2d", (X, 1 << 62), ValueError, "more bytes than 64 bits"),
    ("max_unpool2d", (Y, PLACES + 1, 2), ValueError, r"indices must be places of the 16 .* \(4, 4\); got 16"),
    ("max_unpool2d", (Y, PLACES - 1, 2), ValueError, "got -1"),
    ("max_unpool2d", (Y, PLACES.astype(np.int32), 2), TypeError, "indices must be int64"),
    ("max_unpool2d", (Y, PLACES[0], 2), ValueError, "indices must have the shape of input"),
    ("max_unpool2d", (Y, PLACES, 2, 2, 0, (6, 6)), ValueError, r"output_size \(6, 6\) is not one"),
    ("max_unpool2d", (Y, PLACES, 2, 2, 0, (6,)), ValueError, "output_size must have 2 or 4 sizes, got 1"),
    ("max_unpool2d", (Y, PLACES, 2, 2, 0, 6), TypeError, "output_size must be a sequence of 2 or 4 ints"),
    ("max_unpool2d", (Y, PLACES, 2, 2, 3), ValueError, r"padding \(3, 3\) is too large"),
    ("max_unpool2d", (Y, PLACES, 2, 1 << 63), ValueError, "does not fit 64 bits"),
    (
        "grad.max_pool2d",
        (X, X, 2),
        ValueError,
        r"grad_output must have the shape of the layer's output, \(1, 2, 3, 3\)",
    ),
    ("grad.max_pool2d", (X, X[0], 2), ValueError, "input and grad_output must both have a batch dimension"),
    ("grad.max_pool2d", (X, X.astype(float), 2), TypeError, "input is float32 but grad_output is float64"),
    ("grad.avg_pool2d", (X.shape[1:], X, 2), ValueError, "input_size and grad_output must both have a batch"),
    ("grad.avg_pool2d", ((1, 2), X, 2), ValueError, "input_size must be the whole shape"),
    ("grad.max_unpool2d", (X, PLACES, 2), ValueError, "grad_output must have the shape of the layer's output"),
]


@pytest.mark.parametrize(("name", "arguments", "kind", "message"), REFUSALS)
def test_a_refusal_names_the_argument_what_came_and_what_was_expected(name, arguments, kind, message):
    module = convx.grad if name.startswith("grad.") else convx
    with pytest.raises(kind, match=message):
        getattr(module, name.removeprefix("grad."))(*arguments)


def test_a_gradient_refuses_indices_that_are_no_places():
    indices = np.zeros((1, 2, 3, 3), np.int64)
    indices[0, 1, 2, 1] = 36
    gy = np.ones((1, 2, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r"indices must be places of the 36 .* got 36"):
        convx.grad.max_pool2d(X, gy, 2, indices=indices)
    indices[0, 1, 2, 1] = -2
    with pytest.raises(ValueError, match="got -2"):
        convx.grad.max_pool2d(X, gy, 2, indices=indices)
    with pytest.raises(ValueError, match="indices must have the shape of grad_output"):
        convx.grad.max_pool2d(X, gy, 2, indices=indices[0])
