"""Functions of one element at a time: values, gradients, memory, refusals."""

import math

import convx
import numpy as np
import pytest
from arrays import WAYS, lay, shapes
from hypothesis import given
from hypothesis import strategies as st
from layers import examples

DTYPES = (np.float32, np.float64)
erf = np.vectorize(math.erf, otypes=[np.float64])


def logistic(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


# What each function means, in float64: (options, function, derivative).
CASES = {
    "relu": ({}, lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "relu6": ({}, lambda x: np.clip(x, 0, 6), lambda x: ((x > 0) & (x < 6)) * 1.0),
    "leaky_relu": ({}, lambda x: np.where(x < 0, 0.01 * x, x), lambda x: np.where(x > 0, 1, 0.01)),
    "leaky_relu-0.5": (
        {"negative_slope": 0.5},
        lambda x: np.where(x < 0, 0.5 * x, x),
        lambda x: np.where(x > 0, 1, 0.5),
    ),
    "elu": ({}, lambda x: np.where(x < 0, np.expm1(x), x), lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0)))),
    "elu-2": (
        {"alpha": 2.0},
        lambda x: np.where(x < 0, 2 * np.expm1(x), x),
        lambda x: np.where(x > 0, 1, 2 * np.exp(np.minimum(x, 0))),
    ),
    "hardtanh": ({}, lambda x: np.clip(x, -1, 1), lambda x: (np.abs(x) < 1) * 1.0),
    "hardtanh-0.5-2": (
        {"min_val": -0.5, "max_val": 2},
        lambda x: np.clip(x, -0.5, 2),
        lambda x: ((x > -0.5) & (x < 2)) * 1.0,
    ),
    "silu": ({}, lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x))),
    "gelu": (
        {},
        lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
        lambda x: (1 + erf(x / np.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
    ),
    "gelu-tanh": (
        {"approximate": "tanh"},
        lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
        None,
    ),
    "sigmoid": ({}, logistic, lambda x: logistic(x) * logistic(-x)),
    "tanh": ({}, np.tanh, lambda x: 1 / np.cosh(x) ** 2),
}
WITH_OUTPUT = ("elu", "elu-2", "sigmoid", "tanh")


def function(case):
    return getattr(convx, case.split("-")[0])


def gradient(case):
    return getattr(convx.grad, case.split("-")[0])


def values(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * 3).astype(dtype)


def near(dtype):
    eps = np.finfo(dtype).eps
    return {"rtol": 16 * eps, "atol": 8 * eps}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_the_definition(case, dtype):
    options, forward, _ = CASES[case]
    x = np.concatenate([values(1000, dtype), np.linspace(-40, 40, 801, dtype=dtype)])
    found = function(case)(x, **options)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, forward(x.astype(np.float64)), **near(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_the_definition(case, dtype):
    options, _, slope = CASES[case]
    if slope is None:
        return  # difference quotients below
    x = np.concatenate([values(1000, dtype), np.linspace(-40, 40, 801, dtype=dtype)])
    gy = values(x.shape, dtype, 1)
    with np.errstate(over="ignore"):
        expected = gy.astype(np.float64) * slope(x.astype(np.float64))
    np.testing.assert_allclose(gradient(case)(x, gy, **options), expected, **near(dtype))
    if case in WITH_OUTPUT:
        found = gradient(case)(x, gy, **options, output=function(case)(x, **options))
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(found, expected, rtol=16 * eps, atol=32 * eps)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_the_limits_of_difference_quotients(case):
    options = CASES[case][0]
    x = values(500, np.float64)
    x = x[np.abs(x - np.round(2 * x) / 2) > 1e-4]  # not where they bend
    step = 1e-6
    quotient = (function(case)(x + step, **options) - function(case)(x - step, **options)) / (2 * step)
    np.testing.assert_allclose(gradient(case)(x, np.ones_like(x), **options), quotient, atol=1e-8)


def test_slopes_where_there_is_none_are_those_from_below_or_zero():
    zero, one = np.zeros(1), np.ones(1)
    assert convx.grad.relu(zero, one) == 0
    assert convx.grad.relu6(zero, one) == convx.grad.relu6(6 * one, one) == 0
    assert convx.grad.hardtanh(-one, one) == convx.grad.hardtanh(one, one) == 0
    assert convx.grad.leaky_relu(zero, one, 0.25) == 0.25
    assert convx.grad.elu(zero, one, 3.0) == 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_nan_stays_in_its_place(case, dtype):
    for n in (1, 3, 8, 17, 40):
        for at in range(n):
            x = np.ones(n, dtype)
            x[at] = np.nan
            found = np.isnan(function(case)(x, **CASES[case][0]))
            assert found[at]
            assert found.sum() == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_limits_are_reached(dtype):
    far = np.array([-np.inf, np.inf], dtype)
    np.testing.assert_array_equal(convx.relu(far), [0, np.inf])
    np.testing.assert_array_equal(convx.relu6(far), [0, 6])
    np.testing.assert_array_equal(convx.hardtanh(far), [-1, 1])
    np.testing.assert_array_equal(convx.elu(far, 2.0), [-2, np.inf])
    np.testing.assert_array_equal(convx.sigmoid(far), [0, 1])
    np.testing.assert_array_equal(convx.tanh(far), [-1, 1])
    np.testing.assert_array_equal(convx.silu(far), [np.nan, np.inf])
    np.testing.assert_array_equal(convx.gelu(far), [np.nan, np.inf])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["elu", "tanh", "silu", "gelu", "gelu-tanh"])
def test_tiny_values_keep_their_digits(case, dtype):
    tiny = np.finfo(dtype).tiny
    x = np.array([tiny / 4, tiny, 1e-30, 1e-8], dtype)
    slope = 1 if case in ("elu", "tanh") else 0.5
    for signed in (x, -x):
        found = function(case)(signed, **CASES[case][0])
        np.testing.assert_allclose(
            found, signed.astype(np.float64) * slope, rtol=2e-7, atol=np.finfo(dtype).smallest_subnormal
        )


def test_the_tail_of_gelu_keeps_its_digits():
    x = np.array([-6.0, -9.0, -12.0])
    expected = x * [9.865876450376982e-10, 1.1285884059538406e-19, 1.7764821120776762e-33]
    np.testing.assert_allclose(convx.gelu(x), expected, rtol=2e-15)
    np.testing.assert_allclose(convx.gelu(x.astype(np.float32)), expected, rtol=1e-6)


@examples(150)
@given(st.data())
def test_any_shape_in_any_memory_gives_what_contiguous_memory_gives(data):
    case = data.draw(st.sampled_from(sorted(CASES)))
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = data.draw(shapes())
    options = CASES[case][0]
    ways = [data.draw(st.sampled_from(WAYS)) for _ in range(3)]
    x, gy = values(shape, dtype), values(shape, dtype, 1)
    expected = function(case)(x.ravel(), **options).reshape(shape)
    expected_gradient = gradient(case)(x.ravel(), gy.ravel(), **options).reshape(shape)
    laid, gy_laid = lay(x, ways[0]), lay(gy, ways[1])
    found = function(case)(laid, **options)
    np.testing.assert_array_equal(found, expected)
    assert found.strides == np.empty_like(laid).strides
    np.testing.assert_array_equal(gradient(case)(laid, gy_laid, **options), expected_gradient)
    out = lay(np.zeros(shape, dtype), ways[2])
    assert function(case)(laid, **options, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert gradient(case)(laid, gy_laid, **options, out=out) is out
    np.testing.assert_array_equal(out, expected_gradient)
    np.testing.assert_array_equal(laid, x)
    assert function(case)(laid, **options, out=laid) is laid
    np.testing.assert_array_equal(laid, expected)


@pytest.mark.parametrize("ways", [("C", "F"), ("C", "gaps"), ("F", "C"), ("transposed", "reversed"), ("gaps", "gaps")])
def test_large_arrays_in_different_memory_give_what_contiguous_memory_gives(ways):
    x, gy = values((120, 7, 130), np.float32), values((120, 7, 130), np.float32, 1)
    expected, slopes = convx.tanh(x.ravel()), convx.grad.tanh(x.ravel(), gy.ravel())
    np.testing.assert_array_equal(convx.tanh(lay(x, ways[0])).ravel(), expected)
    np.testing.assert_array_equal(convx.grad.tanh(lay(x, ways[0]), lay(gy, ways[1])).ravel(), slopes)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_do_not_depend_on_where_the_result_begins(case, dtype):
    options, n = CASES[case][0], 2051
    x, gy = values(n, dtype), values(n, dtype, 1)
    expected, slopes = function(case)(x, **options), gradient(case)(x, gy, **options)
    for begin in range(17):
        memory = np.full(n + 40, 7, dtype)
        out = memory[begin : begin + n]
        np.testing.assert_array_equal(function(case)(x, **options, out=out), expected)
        np.testing.assert_array_equal(gradient(case)(x, gy, **options, out=out), slopes)
        out[...] = x
        np.testing.assert_array_equal(function(case)(out, **options, out=out), expected)
        assert set(memory[:begin]) | set(memory[begin + n :]) == {7}


def test_broadcast_arrays_are_read_in_place():
    x = np.broadcast_to(np.array([[-1.0], [2.0]]), (2, 3, 2, 5))
    np.testing.assert_array_equal(convx.relu(x), np.maximum(x, 0))
    gy = np.broadcast_to(np.float64(3), x.shape)
    np.testing.assert_array_equal(convx.grad.relu(x, gy), (x > 0) * 3.0)


@pytest.mark.parametrize("case", [c for c in CASES if "-" not in c and c not in ("gelu", "sigmoid", "tanh")])
def test_inplace_writes_into_the_input_and_returns_it(case):
    x = values((4, 5), np.float64)
    expected = function(case)(x)
    assert function(case)(x, inplace=True) is x
    np.testing.assert_array_equal(x, expected)


def test_inplace_is_the_last_positional_argument():
    x = np.array([-1.0, 2.0])
    assert convx.relu(x, True) is x
    assert convx.leaky_relu(x, 0.1, True) is x
    assert convx.hardtanh(x, -1, 1, True) is x
    np.testing.assert_array_equal(x, [0, 1])


def test_an_output_that_overlaps_the_input_is_as_if_it_did_not():
    memory = np.arange(-10.0, 10.0)
    x, out = memory[:-1], memory[1:]
    expected = convx.tanh(x.copy())
    assert convx.tanh(x, out=out) is out
    np.testing.assert_array_equal(out, expected)
    memory = np.arange(-10.0, 10.0)
    x, gy, out = memory[:-2], memory[1:-1], memory[2:]
    expected = convx.grad.silu(x.copy(), gy.copy())
    np.testing.assert_array_equal(convx.grad.silu(x, gy, out=out), expected)
    square = np.arange(-8.0, 8.0).reshape(4, 4)
    expected = convx.relu(square.T.copy())
    np.testing.assert_array_equal(convx.relu(square.T, out=square), expected)


def test_gradients_may_be_written_over_what_they_come_from():
    x, gy = values(100, np.float64), values(100, np.float64, 1)
    expected = convx.grad.elu(x, gy)
    y = convx.elu(x)
    assert convx.grad.elu(x, gy.copy(), output=y, out=y) is y
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-15)
    assert convx.grad.elu(x, gy, out=gy) is gy
    np.testing.assert_array_equal(gy, expected)


def test_scalars_give_arrays_without_dimensions():
    found = convx.relu(np.array(-1.0))
    assert isinstance(found, np.ndarray)
    assert found.shape == ()
    assert found == 0
    assert convx.sigmoid(0.0).shape == ()
    assert convx.grad.tanh(np.array(0.0), np.array(2.0)) == 2


def test_lists_become_arrays_and_subclasses_are_dropped():
    np.testing.assert_array_equal(convx.relu([[-1.0, 2.0]]), [[0, 2]])
    assert type(convx.relu(np.ma.array([-1.0, 2.0]))) is np.ndarray


@pytest.mark.parametrize("case", CASES)
def test_bits_do_not_depend_on_the_number_of_threads(case):
    x, gy = values((70, 1001), np.float32), values((70, 1001), np.float32, 1)
    options = CASES[case][0]
    found = []
    for threads in (1, 2, 3, 8):
        convx.set_num_threads(threads)
        found.append((function(case)(x, **options), gradient(case)(x, gy, **options)))
    for each in found[1:]:
        np.testing.assert_array_equal(each, found[0])


def test_a_number_of_any_kind_is_an_option():
    x = np.array([-2.0, 3.0])
    np.testing.assert_array_equal(convx.leaky_relu(x, np.float32(0.5)), [-1, 3])
    np.testing.assert_array_equal(convx.hardtanh(x, np.int64(0), 1), [0, 1])
    np.testing.assert_array_equal(convx.leaky_relu(x, np.array(0.5)), [-1, 3])


X = np.ones((2, 3), np.float32)
REFUSALS = [
    (lambda: convx.relu(np.ones(3, int)), TypeError, r"input must be float32 or float64, got dtype int64; convert it"),
    (lambda: convx.tanh(np.ones(3, np.float16)), TypeError, r"got dtype float16"),
    (lambda: convx.tanh(np.ones(3, ">f4")), TypeError, r"non-native byte order"),
    (lambda: convx.tanh(["a"]), TypeError, r"input must be float32 or float64"),
    (lambda: convx.relu(X, out=[1.0]), TypeError, r"out must be a numpy.ndarray"),
    (
        lambda: convx.relu(X, out=np.ones((2, 3))),
        TypeError,
        r"out must have the dtype of the result, float32; got float64",
    ),
    (
        lambda: convx.relu(X, out=np.ones((3, 2), np.float32)),
        ValueError,
        r"out must have the shape of the result, \(2, 3\)",
    ),
    (lambda: convx.relu(X, out=np.broadcast_to(X, (2, 3))), ValueError, r"out must be writeable"),
    (
        lambda: convx.relu(X, out=np.lib.stride_tricks.as_strided(np.ones(9, np.float32), (2, 3), (4, 4))),
        ValueError,
        r"out shares memory with an input or with itself",
    ),
    (lambda: convx.relu([1.0], inplace=True), TypeError, r"inplace=True needs an input that is a numpy.ndarray"),
    (lambda: convx.relu(X, inplace=True, out=X.copy()), ValueError, r"inplace=True writes into input: leave out=None"),
    (lambda: convx.leaky_relu(X, "steep"), TypeError, r"negative_slope must be a number, got 'steep' of type str"),
    (lambda: convx.elu(X, None), TypeError, r"alpha must be a number, got None"),
    (lambda: convx.hardtanh(X, 2, 1), ValueError, r"min_val must not be greater than max_val; got 2.0 and 1.0"),
    (lambda: convx.gelu(X, "exact"), ValueError, r"approximate must be one of 'none', 'tanh'; got 'exact'"),
    (lambda: convx.gelu(X, 1), TypeError, r"approximate must be one of 'none', 'tanh'"),
    (
        lambda: convx.grad.relu(X, X[:1]),
        ValueError,
        r"grad_output must have the shape of input, \(2, 3\); got \(1, 3\)",
    ),
    (lambda: convx.grad.relu(X, X.astype(float)), TypeError, r"grad_output is float64 but input is float32"),
    (lambda: convx.grad.tanh(X, X, output=X[:, :2]), ValueError, r"output must have the shape of input"),
    (lambda: convx.grad.relu(X, X, out=np.ones(3, np.float32)), ValueError, r"out must have the shape of the result"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_came_and_what_was_expected(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("call", [convx.relu, lambda x: convx.linear(x, x), lambda x: convx.avg_pool1d(x, 1)])
def test_large_results_begin_in_the_middle_of_a_page_where_loads_and_stores_stay_apart(call):
    x = np.ones((600, 600), np.float32)
    y = call(x)
    assert y.nbytes > 1 << 20 and y.flags.c_contiguous and y.flags.writeable
    assert y.ctypes.data % 4096 == 2048
