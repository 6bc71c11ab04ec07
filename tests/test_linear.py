"""The linear layer and its gradients: values, memory, empty sizes, refusals."""

import convx
import numpy as np
import pytest
from arrays import WAYS, lay
from hypothesis import given
from hypothesis import strategies as st
from layers import examples

DTYPES = (np.float32, np.float64)


def integers(shape, dtype, seed=0):
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(dtype)


@examples(200)
@given(st.data())
def test_any_sizes_in_any_memory_give_exactly_what_the_definition_says(data):
    dtype = data.draw(st.sampled_from(DTYPES))
    size = st.one_of(st.integers(1, 9), st.integers(1, 90))
    leading = tuple(data.draw(st.lists(st.integers(0, 6), max_size=3)))
    ins, outs = data.draw(size), data.draw(size)
    vector = data.draw(st.integers(0, 5)) == 0
    ways = [data.draw(st.sampled_from(WAYS)) for _ in range(6)]
    x, w = integers((*leading, ins), dtype), integers((ins,) if vector else (outs, ins), dtype, 1)
    b = integers(() if vector else (outs,), dtype, 2)
    gy = integers(leading if vector else (*leading, outs), dtype, 3)
    x_laid, w_laid, b_laid, gy_laid = (lay(a, way) for a, way in zip((x, w, b, gy), ways[:4], strict=True))
    expected = x @ w.T + b
    found = convx.linear(x_laid, w_laid, b_laid)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(convx.linear(x_laid, w_laid), x @ w.T)
    rows, rows_gy = x.reshape(-1, ins), gy.reshape(-1, 1 if vector else outs)
    by_input = (rows_gy @ w.reshape(-1, ins)).reshape(x.shape)
    by_weight = (rows_gy.T @ rows).reshape(w.shape)
    np.testing.assert_array_equal(convx.grad.linear_input(x.shape, w_laid, gy_laid), by_input)
    np.testing.assert_array_equal(convx.grad.linear_weight(x_laid, w.shape, gy_laid), by_weight)
    for shape, run, right in (
        (expected.shape, lambda out: convx.linear(x_laid, w_laid, b_laid, out=out), expected),
        (x.shape, lambda out: convx.grad.linear_input(x.shape, w_laid, gy_laid, out=out), by_input),
        (w.shape, lambda out: convx.grad.linear_weight(x_laid, w.shape, gy_laid, out=out), by_weight),
    ):
        out = lay(np.full(shape, 7, dtype), ways[4])
        assert run(out) is out
        np.testing.assert_array_equal(out, right)
    if not vector:
        bias = convx.grad.linear_bias(gy_laid)
        np.testing.assert_array_equal(bias, rows_gy.sum(0))
        out = lay(np.full(outs, 7, dtype), ways[5])
        assert convx.grad.linear_bias(gy_laid, out=out) is out
        np.testing.assert_array_equal(out, bias)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 2, 4, 5, 17, 64])
@pytest.mark.parametrize(("ins", "outs"), [(700, 900), (5000, 10), (17, 3000), (9000, 3), (20, 18), (64, 65)])
def test_sizes_of_real_layers_stay_within_the_bound_of_their_number_of_products(rows, ins, outs, dtype):
    rng = np.random.default_rng(rows)
    x, w, gy = (rng.standard_normal(s).astype(dtype) for s in ((rows, ins), (outs, ins), (rows, outs)))
    eps = np.finfo(dtype).eps
    exact = np.longdouble if dtype == np.float64 else np.float64

    def check(found, a, b):
        error = np.abs(found - a.astype(exact) @ b.astype(exact))
        assert (error <= a.shape[1] * eps * (np.abs(a) @ np.abs(b))).all()

    for transposed in (False, True):
        w_laid = np.asfortranarray(w) if transposed else w
        check(convx.linear(x, w_laid), x, w.T)
        check(convx.grad.linear_input(x.shape, w_laid, gy), gy, w)
    check(convx.grad.linear_weight(x, w.shape, gy), gy.T, x)
    check(convx.grad.linear_weight(x, w.shape, gy, out=np.empty(w.shape, dtype, order="F")), gy.T, x)


def test_gradients_are_the_limits_of_difference_quotients():
    rng = np.random.default_rng(0)
    x, w, b, gy = (rng.standard_normal(s) for s in ((2, 3, 5), (4, 5), (4,), (2, 3, 4)))
    found = {
        0: convx.grad.linear_input(x.shape, w, gy),
        1: convx.grad.linear_weight(x, w.shape, gy),
        2: convx.grad.linear_bias(gy),
    }
    for which, gradient in found.items():
        for index in np.ndindex(gradient.shape):
            ends = []
            for step in (1e-6, -1e-6):
                arrays = [a.copy() for a in (x, w, b)]
                arrays[which][index] += step
                ends.append((convx.linear(*arrays) * gy).sum())
            np.testing.assert_allclose(gradient[index], (ends[0] - ends[1]) / 2e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "ins", "outs"), [(0, 3, 4), (2, 0, 4), (2, 3, 0), (0, 0, 0)])
def test_sums_over_nothing_are_zero_or_the_bias(rows, ins, outs, dtype):
    x, w, b = integers((rows, ins), dtype), integers((outs, ins), dtype, 1), integers(outs, dtype, 2)
    gy = integers((rows, outs), dtype, 3)
    np.testing.assert_array_equal(convx.linear(x, w, b), x @ w.T + b)
    np.testing.assert_array_equal(convx.grad.linear_input(x.shape, w, gy), gy @ w)
    np.testing.assert_array_equal(convx.grad.linear_weight(x, w.shape, gy), gy.T @ x)
    np.testing.assert_array_equal(convx.grad.linear_bias(gy), gy.sum(0))


def test_one_element_of_bias_serves_all_features():
    x, w = integers((2, 3), np.float64), integers((4, 3), np.float64, 1)
    np.testing.assert_array_equal(convx.linear(x, w, np.array([5.0])), x @ w.T + 5)
    np.testing.assert_array_equal(convx.linear(x, w, np.array(5.0)), x @ w.T + 5)


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_a_special_value_reaches_exactly_its_row_or_feature(rows):
    x, w = np.ones((rows, 70), np.float32), np.ones((50, 70), np.float32)
    x[rows // 2, 69] = np.nan
    y = convx.linear(x, w)
    assert np.isnan(y[rows // 2]).all()
    assert np.isnan(y).sum() == 50
    x[...] = 1
    w[49, 3] = np.inf
    y = convx.linear(x, w)
    assert (y[:, 49] == np.inf).all()
    assert (y[:, :49] == 70).all()


@pytest.mark.parametrize("rows", [1, 2, 4, 33])
def test_bits_do_not_depend_on_the_number_of_threads(rows):
    rng = np.random.default_rng(0)
    x, w, gy = (rng.standard_normal(s).astype(np.float32) for s in ((rows, 999), (401, 999), (rows, 401)))
    found = []
    for threads in (1, 2, 3):
        convx.set_num_threads(threads)
        found.append(
            [
                convx.linear(x, w),
                convx.linear(x, np.asfortranarray(w)),
                convx.grad.linear_input(x.shape, w, gy),
                convx.grad.linear_weight(x, w.shape, gy),
                convx.grad.linear_bias(gy),
            ]
        )
    for each in found[1:]:
        for a, b in zip(each, found[0], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 3, 4])
def test_a_weight_gradient_of_few_rows_fills_its_memory_and_no_more_wherever_that_begins(rows, dtype):
    rng = np.random.default_rng(rows)
    for ins in (1, 7, 15, 16, 17, 31, 40):
        x, gy = (rng.integers(-9, 10, (rows, n)).astype(dtype) for n in (ins, 3))
        for begin in range(17):
            memory = np.full(begin + 3 * ins + 20, 77, dtype)
            out = memory[begin : begin + 3 * ins].reshape(3, ins)
            convx.grad.linear_weight(x, out.shape, gy, out=out)
            np.testing.assert_array_equal(out, gy.T @ x)
            assert (np.delete(memory, np.s_[begin : begin + 3 * ins]) == 77).all()


X, W, G = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32), np.ones((2, 4), np.float32)
REFUSALS = [
    (
        lambda: convx.linear(X, W.T),
        ValueError,
        r"input of shape \(2, 3\) has 3 features .* weight of shape \(3, 4\) takes 4",
    ),
    (lambda: convx.linear(np.float32(1), W), ValueError, r"input must have at least one dimension"),
    (
        lambda: convx.linear(X, W[None]),
        ValueError,
        r"weight must have 2 dimensions, \(out_features, in_features\), or 1",
    ),
    (
        lambda: convx.linear(X, W, G),
        ValueError,
        r"bias must have the shape \(4,\), one element an output feature; got \(2, 4\)",
    ),
    (lambda: convx.linear(X, W, np.ones(4)), TypeError, r"bias is float64 but input is float32"),
    (lambda: convx.linear(X, W.astype(float)), TypeError, r"weight is float64 but input is float32"),
    (lambda: convx.linear(X.astype(int), W), TypeError, r"input must be float32 or float64"),
    (lambda: convx.linear(X, W, out=G[:, :2]), ValueError, r"out must have the shape of the result, \(2, 4\)"),
    (lambda: convx.linear(X, X[:, :3], out=X[:, :2]), ValueError, r"out shares memory with an input"),
    (lambda: convx.grad.linear_input((2, 5), W, G), ValueError, r"input of shape \(2, 5\) has 5 features"),
    (lambda: convx.grad.linear_input(3, W, G), TypeError, r"input_size must be a sequence of ints"),
    (lambda: convx.grad.linear_input((), W, G), ValueError, r"input_size must have at least one dimension"),
    (lambda: convx.grad.linear_input((2, 3.0), W, G), TypeError, r"input_size must be an int, got 3.0"),
    (lambda: convx.grad.linear_input((-1, 3), W, G), ValueError, r"input_size must be at least 0, got -1"),
    (
        lambda: convx.grad.linear_input((3, 3), W, G),
        ValueError,
        r"grad_output must have the shape .* \(3, 4\); got \(2, 4\)",
    ),
    (lambda: convx.grad.linear_weight(X, (4, 2), G), ValueError, r"input of shape \(2, 3\) has 3 features"),
    (
        lambda: convx.grad.linear_weight(X, (5, 3), G),
        ValueError,
        r"grad_output must have the shape of the layer's output",
    ),
    (lambda: convx.grad.linear_weight(X, (1, 4, 3), G), ValueError, r"weight_size must have 2 dimensions"),
    (lambda: convx.grad.linear_bias(np.float32(1)), ValueError, r"grad_output must have at least one dimension"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_say_what_came_and_what_was_expected(call, error, message):
    with pytest.raises(error, match=message):
        call()
