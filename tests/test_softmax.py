"""Softmax and its logarithm: values, gradients, memory, refusals."""

import convx
import numpy as np
import pytest
from arrays import WAYS, lay, shapes
from hypothesis import given
from hypothesis import strategies as st
from layers import examples

DTYPES = (np.float32, np.float64)
NAMES = ("softmax", "log_softmax")


def forward(name, x, dim):
    x = x.astype(np.float64)
    if x.size == 0:
        return x
    shifted = x - x.max(dim, keepdims=True)
    logarithm = shifted - np.log(np.exp(shifted).sum(dim, keepdims=True))
    return np.exp(logarithm) if name == "softmax" else logarithm


def backward(name, x, gy, dim):
    y, gy = forward(name, x, dim), gy.astype(np.float64)
    if name == "softmax":
        return y * (gy - (gy * y).sum(dim, keepdims=True))
    return gy - np.exp(y) * gy.sum(dim, keepdims=True)


def values(shape, dtype, seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) * 3).astype(dtype)


def check(name, x, gy, dim, found, found_gradient):
    eps = np.finfo(x.dtype).eps
    assert found.dtype == found_gradient.dtype == x.dtype
    np.testing.assert_allclose(found, forward(name, x, dim), rtol=24 * eps, atol=8 * eps)
    scale = 1 + np.abs(gy.sum(dim, dtype=np.float64)).max(initial=0)
    np.testing.assert_allclose(found_gradient, backward(name, x, gy, dim), rtol=64 * eps, atol=64 * eps * scale)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("shape", "dim"),
    [
        ((1,), 0),
        ((1, 1000), 1),
        ((5, 10), 1),
        ((77, 10), 1),
        ((300, 3), 1),
        ((4, 33), 1),
        ((3, 32), 1),
        ((2, 12345), 1),
        ((10, 300), 0),
        ((10, 7), 0),
        ((2, 21, 9, 11), 1),
        ((2, 5, 300), 1),
        ((300, 4), 0),
        ((70000, 2), 0),
        ((2, 3, 4, 5, 6, 7), 3),
    ],
)
def test_values_and_gradients_are_those_of_the_definition(shape, dim, name, dtype):
    x, gy = values(shape, dtype), values(shape, dtype, 1)
    for axis in (dim, dim - len(shape)):
        found = getattr(convx, name)(x, axis)
        check(name, x, gy, dim, found, getattr(convx.grad, name)(x, gy, axis))
        given = getattr(convx.grad, name)(x, gy, axis, output=found)
        np.testing.assert_array_equal(given, getattr(convx.grad, name)(x, gy, axis))


@examples(200)
@given(st.data())
def test_any_shape_in_any_memory_gives_what_the_definition_says(data):
    name, dtype = data.draw(st.sampled_from(NAMES)), data.draw(st.sampled_from(DTYPES))
    shape = data.draw(shapes(most_dimensions=5))
    dim = data.draw(st.integers(0, max(len(shape) - 1, 0)))
    ways = [data.draw(st.sampled_from(WAYS)) for _ in range(3)]
    x, gy = values(shape, dtype), values(shape, dtype, 1)
    laid, gy_laid = lay(x, ways[0]), lay(gy, ways[1])
    function, gradient = getattr(convx, name), getattr(convx.grad, name)
    flat = (x.reshape(1), gy.reshape(1)) if not shape else (x, gy)
    found, found_gradient = function(laid, dim), gradient(laid, gy_laid, dim)
    assert found.shape == found_gradient.shape == shape
    assert found.strides == np.empty_like(laid).strides
    check(name, *flat, dim, found.reshape(flat[0].shape), found_gradient.reshape(flat[0].shape))
    out = lay(np.zeros(shape, dtype), ways[2])
    assert function(laid, dim, out=out) is out
    check(name, *flat, dim, out.reshape(flat[0].shape), found_gradient.reshape(flat[0].shape))
    assert gradient(laid, gy_laid, dim, out=gy_laid) is gy_laid
    check(name, *flat, dim, found.reshape(flat[0].shape), gy_laid.reshape(flat[0].shape))
    assert function(laid, dim, out=laid) is laid
    check(name, *flat, dim, laid.reshape(flat[0].shape), found_gradient.reshape(flat[0].shape))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [5, 33, 36, 47, 64, 65, 100, 1030])
def test_rows_may_be_written_over_what_they_come_from(name, dtype, n):
    x, gy = values((5, n), dtype), values((5, n), dtype, 1)
    function, gradient = getattr(convx, name), getattr(convx.grad, name)
    y = function(x, 1)
    expected = gradient(x, gy, 1, output=y)
    check(name, x, gy, 1, y, expected)
    assert gradient(x, gy, 1, output=y, out=gy) is gy
    np.testing.assert_array_equal(gy, expected)
    over = y.copy()
    np.testing.assert_array_equal(gradient(x, values((5, n), dtype, 1), 1, output=over, out=over), expected)
    np.testing.assert_array_equal(function(x, 1, out=x), y)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("shape", "dim"), [((3, 4), 1), ((3, 4), 0), ((2, 40), 1), ((2, 3, 9), 1)])
def test_gradients_are_the_limits_of_difference_quotients(shape, dim, name):
    x, gy = values(shape, np.float64), values(shape, np.float64, 1)
    found = getattr(convx.grad, name)(x, gy, dim)
    for index in np.ndindex(shape):
        step = np.zeros(shape)
        step[index] = 1e-6
        difference = getattr(convx, name)(x + step, dim) - getattr(convx, name)(x - step, dim)
        np.testing.assert_allclose(found[index], (difference * gy).sum() / 2e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [3, 10, 40, 100])
def test_large_and_infinite_values_neither_overflow_nor_spread(n, dtype):
    x = np.full((4, n), -1e30, dtype)
    x[:, 1] = 1e30
    x[1, 1] = np.inf
    x[2] = -np.inf
    x[3, 0] = np.nan
    for laid, dim in ((x, 1), (x.T.copy(), 0)):
        y = convx.softmax(laid, dim) if dim else convx.softmax(laid, dim).T
        np.testing.assert_array_equal(y[0], np.eye(n)[1])
        assert np.isnan(y[1:]).all()
    x = np.zeros((2, n), dtype)
    x[:, 0] = -np.inf
    y = convx.log_softmax(x, 1)
    assert (y[:, 0] == -np.inf).all()
    np.testing.assert_allclose(y[:, 1:], -np.log(n - 1), rtol=1e-6)


def test_probabilities_of_a_long_axis_add_up_to_one():
    x = np.zeros((1, 3_000_000), np.float32)
    np.testing.assert_allclose(convx.softmax(x, 1).sum(dtype=np.float64), 1, rtol=1e-6)
    np.testing.assert_allclose(convx.softmax(x.T, 0).sum(dtype=np.float64), 1, rtol=1e-6)


def test_without_dim_the_axis_is_that_of_torch():
    for shape, dim in (((5,), 0), ((4, 5), 1), ((3, 4, 5), 0), ((2, 3, 4, 5), 1)):
        x = values(shape, np.float64)
        np.testing.assert_array_equal(convx.softmax(x), convx.softmax(x, dim))
        np.testing.assert_array_equal(convx.grad.log_softmax(x, x), convx.grad.log_softmax(x, x, dim))
    assert convx.softmax(np.array(7.0)) == 1
    assert convx.log_softmax(np.array(7.0), -1) == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_do_not_depend_on_where_memory_begins(name, dtype):
    shape = (2, 5, 3, 1003)
    x, gy = values(shape, dtype), values(shape, dtype, 1)
    function, gradient = getattr(convx, name), getattr(convx.grad, name)

    def begun_at(place, array):
        moved = np.empty(array.size + place, dtype)[place:].reshape(shape)
        moved[...] = array
        return moved

    y = function(x, 1)
    expected = gradient(x, gy, 1, output=y)
    for place in range(16):
        moved = begun_at(place, x)
        np.testing.assert_array_equal(function(moved, 1, out=moved), y)
        moved = begun_at(place, gy)
        np.testing.assert_array_equal(gradient(x, moved, 1, output=y, out=moved), expected)


def test_dtype_converts_the_input_first():
    x = np.array([[1, 2, 3]])
    found = convx.softmax(x, 1, dtype=np.float32)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, forward("softmax", x, 1), rtol=1e-6)
    assert convx.log_softmax(x.astype(np.float32), 1, dtype="float64").dtype == np.float64


def test_bits_do_not_depend_on_the_number_of_threads():
    for shape, dim in (((5000, 10), 1), ((300, 100), 1), ((10, 5000), 0), ((40, 30, 49), 1), ((9000, 3), 0)):
        x, gy = values(shape, np.float32), values(shape, np.float32, 1)
        found = []
        for threads in (1, 2, 3):
            convx.set_num_threads(threads)
            found.append((convx.softmax(x, dim), convx.grad.softmax(x, gy, dim)))
        np.testing.assert_array_equal(found[1], found[0])
        np.testing.assert_array_equal(found[2], found[0])


X = np.ones((2, 3), np.float32)
REFUSALS = [
    (lambda: convx.softmax(X, 2), ValueError, r"dim must be in \[-2, 1\] for an input of 2 dimensions; got 2"),
    (lambda: convx.softmax(X, -3), ValueError, r"dim must be in \[-2, 1\]"),
    (lambda: convx.softmax(X, 1.0), TypeError, r"dim must be an int, got 1.0 of type float"),
    (lambda: convx.softmax(X, True), TypeError, r"dim must be an int, got the bool True"),
    (lambda: convx.softmax(X, 1, dtype=np.float16), TypeError, r"dtype must be np.float32 or np.float64, got float16"),
    (lambda: convx.softmax(X, 1, dtype="wide"), TypeError, r"dtype must be np.float32 or np.float64, got 'wide'"),
    (lambda: convx.softmax(np.ones(3, int), 0), TypeError, r"input must be float32 or float64"),
    (lambda: convx.softmax(X, 1, out=X[:1]), ValueError, r"out must have the shape of the result"),
    (lambda: convx.grad.softmax(X, X[:1], 1), ValueError, r"grad_output must have the shape of input"),
    (lambda: convx.grad.softmax(X, X, 1, output=X[0]), ValueError, r"output must have the shape of input"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_came_and_what_was_expected(call, error, message):
    with pytest.raises(error, match=message):
        call()
