"""Losses and their gradients, against definitions in float64 and difference quotients."""

import numpy as np
import pytest
from convx import nn
from gradients import difference_quotients
from hypothesis import given
from hypothesis import strategies as st
from layers import examples


def log_softmax(z, axis):
    z = z - z.max(axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis, keepdims=True))


def by_definition(z, targets, weight, ignore_index, smoothing):
    """The loss of each target and what a mean divides by, one target after another."""
    axis = 0 if z.ndim == 1 else 1
    logs = np.moveaxis(log_softmax(z, axis), axis, -1)
    classes = logs.shape[-1]
    weight = np.ones(classes) if weight is None else weight
    if targets.dtype.kind == "f":
        shares = np.moveaxis(targets, axis, -1) * (1 - smoothing) + smoothing / classes
        losses = -(weight * shares * logs).sum(-1)
        return losses, losses.size
    losses, count = np.zeros(targets.shape), 0.0
    for place in np.ndindex(targets.shape):
        if targets[place] == ignore_index:
            continue
        shares = np.full(classes, smoothing / classes)
        shares[targets[place]] += 1 - smoothing
        losses[place] = -(weight * shares * logs[place]).sum()
        count += weight[targets[place]]
    return losses, count


@st.composite
def problems(draw):
    classes = draw(st.integers(1, 6))
    space = draw(st.sampled_from([(), (3,), (2, 2)]))
    batch = () if not space and draw(st.booleans()) else (draw(st.integers(1, 5)),)
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    z = rng.normal(0, 3, (*batch, classes, *space))
    if draw(st.booleans()):
        targets = rng.integers(0, classes, (*batch, *space))
        if draw(st.booleans()):
            targets = np.where(rng.random(targets.shape) < 0.3, draw(st.sampled_from([-100, 0])), targets)
    else:
        targets = rng.random(z.shape)
    weight = rng.random(classes) if draw(st.booleans()) else None
    smoothing = draw(st.sampled_from([0.0, 0.2, 1.0]))
    return z, targets, weight, draw(st.sampled_from([-100, 0])), smoothing


@examples(200)
@given(problems(), st.sampled_from(["mean", "sum", "none"]))
def test_cross_entropy_is_what_its_definition_says_with_every_option(problem, reduction):
    z, targets, weight, ignore_index, smoothing = problem
    options = {"ignore_index": ignore_index, "label_smoothing": smoothing, "reduction": reduction}
    outside = (targets < 0) & (targets != ignore_index) if targets.dtype.kind == "i" else np.zeros(1, bool)
    if outside.any():
        with pytest.raises(ValueError, match="targets must be classes from 0"):
            nn.cross_entropy(z, targets, weight, **options)
        return
    losses, count = by_definition(z, targets, weight, ignore_index, smoothing)
    loss, gradient = nn.cross_entropy(z, targets, weight, **options)
    if reduction == "none":
        np.testing.assert_allclose(loss, losses, rtol=1e-10, atol=1e-10)
    elif reduction == "sum" or count:
        expected = losses.sum() / (count if reduction == "mean" else 1)
        assert type(loss) is float
        np.testing.assert_allclose(loss, expected, rtol=1e-10, atol=1e-10)
    else:
        assert np.isnan(loss)
        assert not gradient.any()
        return

    def total():
        value, _ = nn.cross_entropy(z, targets, weight, **options)
        return float(np.sum(value))

    assert gradient.shape == z.shape
    np.testing.assert_allclose(gradient, difference_quotients(total, z), rtol=1e-5, atol=1e-7)


def test_cross_entropy_of_float32_is_close_to_that_of_float64():
    rng = np.random.default_rng(0)
    z, targets = rng.normal(0, 5, (64, 10)), rng.integers(0, 10, 64)
    loss, gradient = nn.cross_entropy(z.astype(np.float32), targets)
    exact, exact_gradient = nn.cross_entropy(z, targets)
    assert gradient.dtype == np.float32
    assert abs(loss - exact) < 1e-6 * exact
    np.testing.assert_allclose(gradient, exact_gradient, rtol=1e-4, atol=1e-8)


def test_cross_entropy_of_large_scores_does_not_overflow():
    loss, gradient = nn.cross_entropy(np.array([[1e4, -1e4], [-3e38, 3e38]], np.float32), np.array([1, 1]))
    assert loss == 1e4
    np.testing.assert_array_equal(gradient, [[0.5, -0.5], [0, 0]])


def test_a_class_of_no_probability_and_no_share_costs_nothing():
    z = np.array([[0.0, -np.inf, 0.0]])
    for targets in (np.array([0]), np.array([[1.0, 0.0, 0.0]])):
        loss, gradient = nn.cross_entropy(z, targets)
        assert loss == np.log(2)
        np.testing.assert_allclose(gradient, [[-0.5, 0, 0.5]])


def test_an_empty_batch_has_no_mean():
    loss, gradient = nn.cross_entropy(np.zeros((0, 3)), np.zeros(0, int))
    assert np.isnan(loss)
    assert gradient.shape == (0, 3)
    assert nn.cross_entropy(np.zeros((0, 3)), np.zeros(0, int), reduction="sum")[0] == 0


@pytest.mark.parametrize(
    ("z", "targets", "options", "error", "words"),
    [
        (np.zeros((2, 3)), [0, 3], {}, ValueError, "classes from 0 to 2"),
        (np.zeros((2, 3)), [0, -1], {}, ValueError, "classes from 0 to 2"),
        (np.zeros((2, 3)), [0, 1, 2], {}, ValueError, r"shape \(2,\)"),
        (np.zeros((2, 3)), [[0, 1, 2]] * 2, {}, ValueError, r"shape \(2,\)"),
        (np.zeros((2, 3)), np.zeros((3, 2)), {}, ValueError, "probabilities must have the shape"),
        (np.zeros((2, 3)), np.zeros((2, 3), np.float32), {}, TypeError, "targets is float32 but logits is float64"),
        (np.zeros((2, 3)), [True, False], {}, TypeError, "targets must be ints"),
        (np.zeros((2, 3), int), [0, 1], {}, TypeError, "logits must be float32 or float64"),
        (np.float64(1), 0, {}, ValueError, "at least one dimension"),
        (np.zeros((2, 3)), [0, 1], {"weight": np.zeros(2)}, ValueError, r"weight must have the shape \(3,\)"),
        (np.zeros((2, 3)), [0, 1], {"reduction": "median"}, ValueError, "reduction"),
        (np.zeros((2, 3)), [0, 1], {"label_smoothing": 1.5}, ValueError, "label_smoothing"),
    ],
)
def test_what_has_no_cross_entropy_is_refused(z, targets, options, error, words):
    with pytest.raises(error, match=words):
        nn.cross_entropy(z, targets, **options)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mse_loss_is_the_mean_of_squares(shape, dtype):
    rng = np.random.default_rng(1)
    p, t = rng.standard_normal((2, *shape)).astype(dtype)
    squares = (p.astype(float) - t) ** 2
    for reduction, expected in (("mean", squares.mean()), ("sum", squares.sum()), ("none", squares)):
        loss, gradient = nn.mse_loss(p, t, reduction=reduction)
        np.testing.assert_allclose(loss, expected, rtol=1e-6)
        scale = 2 / p.size if reduction == "mean" else 2
        np.testing.assert_allclose(gradient, (p - t) * scale, rtol=1e-6)
        assert gradient.shape == shape
        assert gradient.dtype == dtype


def test_mse_loss_takes_arrays_of_any_strides_and_leaves_them_alone():
    p = np.arange(24.0).reshape(4, 6).T[::2]
    t = np.ones_like(p)
    kept = p.copy()
    loss, gradient = nn.mse_loss(p, t)
    assert loss == ((kept - 1) ** 2).mean()
    np.testing.assert_allclose(gradient, 2 * (kept - 1) / 12)
    np.testing.assert_array_equal(p, kept)


@pytest.mark.parametrize(
    ("p", "t", "error", "words"),
    [
        (np.zeros((2, 1)), np.zeros((2, 3)), ValueError, "one shape"),
        (np.zeros(2), np.zeros(2, np.float32), TypeError, "target is float32 but prediction is float64"),
        (np.zeros(2, int), np.zeros(2), TypeError, "prediction must be float32"),
    ],
)
def test_what_has_no_squared_difference_is_refused(p, t, error, words):
    with pytest.raises(error, match=words):
        nn.mse_loss(p, t)
