"""Optimisers: the published update rules, what they leave alone, and what they refuse."""

import convx
import numpy as np
import pytest
from convx import nn, optim
from hypothesis import given
from hypothesis import strategies as st
from layers import examples


def sgd(p, gradients, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False):
    p, v = p.copy(), None
    for gradient in gradients:
        g = gradient + weight_decay * p
        if momentum:
            v = g.copy() if v is None else momentum * v + (1 - dampening) * g
            g = g + momentum * v if nesterov else v
        p -= lr * g
    return p


def adam(p, gradients, lr, betas, eps, weight_decay, amsgrad):
    p, m, v, largest = p.copy(), 0, 0, 0
    for t, gradient in enumerate(gradients, 1):
        g = gradient + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        largest = np.maximum(largest, v)
        root = np.sqrt((largest if amsgrad else v) / (1 - betas[1] ** t))
        p -= lr * m / (1 - betas[0] ** t) / (root + eps)
    return p


RATES = st.floats(1e-4, 0.5)
PARTS = st.sampled_from([0.0, 0.3, 0.9])
SIZES = st.sampled_from([(1,), (0,), (), (7,), (3, 5, 2), (4, 3, 3, 3, 2), (40_001,), (2, 65_536)])


def follow(make, shape, dtype, steps=4):
    """Parameters after some steps, with what they began with and the gradients, in float64."""
    rng = np.random.default_rng(3)
    start = rng.standard_normal(shape).astype(dtype)
    gradients = rng.standard_normal((steps, *shape)).astype(dtype)
    p = nn.Parameter(start)
    optimiser = make([p])
    for gradient in gradients:
        p.grad = gradient
        optimiser.step()
    assert p.data.dtype == dtype
    return p.data, start.astype(float), gradients.astype(float)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-5), (np.float64, 1e-12)])
def test_sgd_follows_its_rule(dtype, tolerance):
    @examples(60)
    @given(SIZES, RATES, PARTS, PARTS, PARTS, st.booleans())
    def check(shape, lr, momentum, dampening, weight_decay, nesterov):
        nesterov = nesterov and momentum > 0
        options = {"momentum": momentum, "dampening": 0 if nesterov else dampening, "weight_decay": weight_decay}
        options["nesterov"] = nesterov
        found, start, gradients = follow(lambda p: optim.SGD(p, lr, **options), shape, dtype)
        np.testing.assert_allclose(found, sgd(start, gradients, lr, **options), rtol=tolerance, atol=tolerance)

    check()


# A small eps lets the rounding of a gradient near zero decide the direction of a step.
@pytest.mark.parametrize(("dtype", "tolerance", "eps"), [(np.float32, 2e-5, 1e-2), (np.float64, 1e-12, 1e-6)])
def test_adam_follows_its_rule(dtype, tolerance, eps):
    @examples(60)
    @given(SIZES, RATES, st.tuples(PARTS, st.sampled_from([0.5, 0.99, 0.999])), PARTS, st.booleans())
    def check(shape, lr, betas, weight_decay, amsgrad):
        make = lambda p: optim.Adam(p, lr, betas, eps, weight_decay, amsgrad)  # noqa: E731
        found, start, gradients = follow(make, shape, dtype)
        expected = adam(start, gradients, lr, betas, eps, weight_decay, amsgrad)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * 10)

    check()


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True), lambda p: optim.Adam(p, 0.1)])
def test_steps_have_the_same_bits_with_any_threads_and_any_cut(make):
    rng = np.random.default_rng(0)
    start, gradient = rng.standard_normal((2, 100_003)).astype(np.float32)

    def run(part):
        p = nn.Parameter(start[part])
        optimiser = make([p])
        for _ in range(3):
            p.grad = gradient[part]
            optimiser.step()
        return p.data

    convx.set_num_threads(1)
    whole = run(slice(None))
    for threads in (2, 3, 8):
        convx.set_num_threads(threads)
        np.testing.assert_array_equal(run(slice(None)), whole)
    np.testing.assert_array_equal(run(slice(33, 70_001)), whole[33:70_001])


def test_the_rate_can_be_changed_between_steps():
    p = nn.Parameter(np.zeros(1))
    descent = optim.SGD([p], lr=1.0)
    p.grad = np.ones(1)
    descent.step()
    descent.lr = 0.25
    descent.step()
    assert p.data == -1.25


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, 0.1, 0.9), lambda p: optim.Adam(p, 0.1)])
def test_parameters_without_a_gradient_are_left_alone_and_begin_later(make):
    first, second = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(2))
    both, alone = make([first, second]), make([alone_parameter := nn.Parameter(np.ones(2))])
    first.grad = np.ones(2)
    both.step()
    assert (second.data == 1).all()
    assert (first.data != 1).all()
    second.grad = alone_parameter.grad = np.array([1.0, -2.0])
    both.step()
    alone.step()
    np.testing.assert_array_equal(second.data, alone_parameter.data)
    both.zero_grad()
    assert first.grad is None
    assert second.grad is None


def test_gradients_of_any_memory_and_dtype_are_taken():
    expected = nn.Parameter(np.zeros((3, 4), np.float32))
    gradient = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected.grad = gradient
    optim.SGD([expected], 0.5).step()
    ways = (gradient.tolist(), gradient.astype(np.float64), np.asfortranarray(gradient), gradient.repeat(2, 1)[:, ::2])
    for way in ways:
        p = nn.Parameter(np.zeros((3, 4), np.float32))
        p.grad = way
        optim.SGD([p], 0.5).step()
        np.testing.assert_array_equal(p.data, expected.data)


def test_adam_keeps_a_nan_with_the_largest_squares():
    p = nn.Parameter(np.zeros(2))
    ascent = optim.Adam([p], amsgrad=True)
    for gradient in ([np.nan, 1.0], [1.0, 1.0]):
        p.grad = np.array(gradient)
        ascent.step()
    assert np.isnan(p.data[0])
    assert np.isfinite(p.data[1])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda p: optim.SGD([], 0.1), ValueError, "empty"),
        (lambda p: optim.SGD(p, 0.1), TypeError, "iterable"),
        (lambda p: optim.SGD([p.data], 0.1), TypeError, "nn.Parameter"),
        (lambda p: optim.SGD([p, p], 0.1), ValueError, "twice"),
        (lambda p: optim.SGD([p], -0.1), ValueError, "lr must be at least 0"),
        (lambda p: optim.SGD([p], float("nan")), ValueError, "lr must be at least 0"),
        (lambda p: optim.SGD([p], 0.1, momentum=-1), ValueError, "momentum"),
        (lambda p: optim.SGD([p], 0.1, weight_decay=-1), ValueError, "weight_decay"),
        (lambda p: optim.SGD([p], 0.1, nesterov=True), ValueError, "nesterov needs a momentum"),
        (lambda p: optim.SGD([p], 0.1, 0.9, dampening=0.1, nesterov=True), ValueError, "no dampening"),
        (lambda p: optim.Adam([p], betas=(1.0, 0.9)), ValueError, "betas"),
        (lambda p: optim.Adam([p], betas=(0.9, -0.1)), ValueError, "betas"),
        (lambda p: optim.Adam([p], eps=-1), ValueError, "eps"),
    ],
)
def test_bad_options_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make(nn.Parameter(np.zeros(3)))


def test_a_gradient_of_another_shape_is_refused():
    p = nn.Parameter(np.zeros((2, 3)))
    p.grad = np.zeros((3, 2))
    for optimiser in (optim.SGD([p], 0.1), optim.Adam([p])):
        with pytest.raises(ValueError, match=r"must have its shape, \(2, 3\)"):
            optimiser.step()
