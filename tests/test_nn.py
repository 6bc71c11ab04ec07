"""Modules: gradients of every layer and option, modes, plans, folding, states and files."""

import copy
import pickle
import subprocess
import sys

import convx
import numpy as np
import pytest
from convx import nn, optim
from gradients import check_module

F64 = {"dtype": np.float64, "rng": 0}


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# ---- Gradients -----------------------------------------------------------------------------------------------------

CONVOLUTIONS = [
    (nn.Conv1d, (2, 3, 3), {}, (2, 2, 7)),
    (nn.Conv1d, (2, 4, 3), {"stride": 2, "padding": "same", "groups": 2}, (2, 2, 7)),
    (nn.Conv1d, (2, 3, 2), {"padding": 2, "padding_mode": "circular"}, (2, 2, 5)),
    (nn.Conv2d, (2, 3, 3), {"bias": False}, (2, 2, 5, 4)),
    (nn.Conv2d, (2, 4, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "dilation": 2}, (1, 2, 6, 5)),
    (nn.Conv2d, (4, 4, 3), {"groups": 4, "padding": 1}, (2, 4, 4, 4)),
    (nn.Conv2d, (2, 3, 3), {"padding": [(1, 2), (0, 1)]}, (2, 2, 4, 4)),
    (nn.Conv2d, (2, 3, 3), {"padding": 1, "padding_mode": "reflect"}, (1, 2, 4, 4)),
    (nn.Conv2d, (2, 3, 3), {"padding": "same_lower", "padding_mode": "replicate", "stride": 2}, (1, 2, 5, 4)),
    (nn.Conv2d, (2, 3, 3), {"padding": 1, "padding_mode": "symmetric"}, (1, 2, 4, 4)),
    (nn.Conv2d, (2, 3, 3), {"layout": "channels_last", "padding": 1}, (2, 4, 5, 2)),
    (nn.Conv2d, (2, 3, 3), {"layout": "channels_last", "padding": 1, "padding_mode": "reflect"}, (2, 4, 5, 2)),
    (nn.Conv2d, (2, 3, 3), {}, (2, 5, 4)),
    (nn.Conv2d, (2, 3, 3), {"layout": "channels_last"}, (5, 4, 2)),
    (nn.Conv3d, (1, 2, 2), {"padding": 1}, (1, 1, 3, 2, 3)),
    (nn.Conv3d, (1, 2, 2), {"padding": "same", "layout": "channels_last"}, (1, 3, 2, 3, 1)),
    (nn.ConvTranspose1d, (2, 3, 3), {"stride": 2, "output_padding": 1}, (2, 2, 4)),
    (nn.ConvTranspose2d, (2, 3, 3), {}, (2, 2, 3, 4)),
    (nn.ConvTranspose2d, (4, 2, 3), {"stride": 2, "padding": 1, "groups": 2, "dilation": 2}, (1, 4, 3, 3)),
    (nn.ConvTranspose2d, (2, 3, 2), {"stride": 2, "bias": False, "layout": "channels_last"}, (2, 3, 3, 2)),
    (nn.ConvTranspose2d, (2, 3, 3), {"padding": "same", "stride": 2}, (2, 3, 3)),
    (nn.ConvTranspose3d, (2, 1, 2), {"stride": 2}, (1, 2, 2, 2, 2)),
]


@pytest.mark.parametrize(("kind", "sizes", "options", "shape"), CONVOLUTIONS)
def test_gradients_of_convolutions_are_difference_quotients(kind, sizes, options, shape):
    check_module(kind(*sizes, **options, **F64), normal(*shape))


@pytest.mark.parametrize(("kind", "sizes", "options", "shape"), CONVOLUTIONS)
def test_eval_mode_gives_the_values_of_training_mode_and_takes_other_shapes(kind, sizes, options, shape):
    layer, x = kind(*sizes, **options, **F64), normal(*shape)
    more = np.concatenate([x, x[:1]]) if x.ndim == layer.rank + 2 else x
    for _ in range(2):
        np.testing.assert_allclose(layer.eval()(x), layer.train()(x), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer.eval()(more), layer.train()(more), rtol=1e-10, atol=1e-12)


POOLS = [
    (nn.MaxPool1d, (2,), {}, (2, 2, 7)),
    (nn.MaxPool2d, (2,), {}, (2, 2, 5, 4)),
    (nn.MaxPool2d, ((3, 2),), {"stride": 1, "padding": 1, "dilation": (1, 2), "ceil_mode": True}, (1, 2, 5, 6)),
    (nn.MaxPool2d, (3, 2), {"padding": "same", "layout": "channels_last"}, (2, 5, 4, 3)),
    (nn.MaxPool2d, (2,), {}, (2, 5, 4)),
    (nn.MaxPool3d, (2,), {"stride": (1, 2, 2)}, (1, 2, 3, 4, 4)),
    (nn.AvgPool1d, (3, 2), {"padding": 1}, (2, 2, 7)),
    (nn.AvgPool2d, (2,), {}, (2, 2, 5, 4)),
    (nn.AvgPool2d, (3, 2, 1, True, False), {}, (2, 2, 6, 4)),
    (nn.AvgPool2d, (2,), {"divisor_override": 3, "layout": "channels_last"}, (2, 5, 4, 2)),
    (nn.AvgPool3d, (2, 1), {}, (1, 2, 3, 2, 3)),
    (nn.AdaptiveAvgPool1d, (3,), {}, (2, 2, 7)),
    (nn.AdaptiveAvgPool2d, ((2, None),), {}, (2, 2, 5, 3)),
    (nn.AdaptiveAvgPool2d, (1,), {"layout": "channels_last"}, (2, 5, 3, 2)),
    (nn.AdaptiveAvgPool3d, (2,), {}, (1, 2, 3, 4, 2)),
    (nn.AdaptiveMaxPool1d, (3,), {}, (2, 2, 7)),
    (nn.AdaptiveMaxPool2d, (2,), {}, (2, 2, 5, 4)),
    (nn.AdaptiveMaxPool2d, (2,), {"layout": "channels_last"}, (2, 5, 4, 2)),
    (nn.AdaptiveMaxPool3d, (1,), {}, (1, 2, 3, 2, 2)),
]


@pytest.mark.parametrize(("kind", "sizes", "options", "shape"), POOLS)
def test_gradients_of_pooling_are_difference_quotients_and_eval_mode_gives_the_same(kind, sizes, options, shape):
    layer = kind(*sizes, **options)
    x = np.random.default_rng(0).permutation(np.arange(float(np.prod(shape)))).reshape(shape)  # no two maxima alike
    check_module(layer, x)
    np.testing.assert_array_equal(layer.eval()(x), layer.train()(x))
    with pytest.raises(RuntimeError, match="no forward pass"):
        layer.eval().backward(x)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unpooling_puts_maxima_back_and_takes_their_gradient_from_there(rank):
    pool = getattr(nn, f"MaxPool{rank}d")(2, return_indices=True)
    unpool = getattr(nn, f"MaxUnpool{rank}d")(2)
    x = np.random.default_rng(0).permutation(np.arange(1.0, 2 * 5**rank + 1)).reshape(2, *[5] * rank)
    for mode in (True, False):
        maxima, places = pool.train(mode)(x)
        restored = unpool.train(mode)(maxima, places, output_size=x.shape[1:])
        np.testing.assert_array_equal(restored[restored != 0], x[restored != 0])
        assert (restored != 0).sum() == maxima.size
    unpool.train()
    np.testing.assert_array_equal(pool.train()(x)[0], maxima)
    check_module(unpool, maxima, also=(places, x.shape[1:]))
    np.testing.assert_array_equal(pool.backward(maxima), restored)


ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU(inplace=True),
    nn.ReLU6(),
    nn.LeakyReLU(),
    nn.LeakyReLU(0.3),
    nn.LeakyReLU(-0.3),
    nn.ELU(),
    nn.ELU(0.5),
    nn.Hardtanh(),
    nn.Hardtanh(-0.5, 2),
    nn.SiLU(),
    nn.GELU(),
    nn.GELU("tanh"),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.Softmax(-1),
    nn.Softmax(1),
    nn.LogSoftmax(0),
    nn.LogSoftmax(-1),
]


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=repr)
def test_gradients_of_activations_are_difference_quotients_and_eval_mode_gives_the_same(layer):
    layer, x = copy.deepcopy(layer), 3 * normal(3, 4, 5)
    kept = x.copy()
    check_module(layer, x, rtol=1e-5)
    np.testing.assert_allclose(x, kept, rtol=1e-12)
    np.testing.assert_array_equal(layer.eval()(x), layer.train()(x))
    with pytest.raises(RuntimeError, match="no forward pass"):
        layer.eval().backward(x)


@pytest.mark.parametrize("layer", [each for each in ACTIVATIONS if "Softmax" not in repr(each)], ids=repr)
@pytest.mark.parametrize("make", [nn.Conv2d, nn.ConvTranspose2d])
def test_an_activation_behind_a_convolution_gives_the_same_fused_and_alone(make, layer):
    conv, activation = make(2, 3, 3, **F64), copy.deepcopy(layer)
    alone, x = copy.deepcopy(layer), 3 * normal(2, 2, 5, 5)
    row = nn.Sequential(conv, activation)
    expected = alone(conv(x))
    np.testing.assert_allclose(row(x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(row.eval()(x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(row(x), row.eval(fold_batch_norm=True)(x))
    check_module(row.train(), x, rtol=1e-4)


def test_activations_are_fused_with_the_normalisation_between_folded(monkeypatch):
    kind = {"dtype": np.float64}
    row = nn.Sequential(nn.Conv2d(2, 3, 3, **F64), nn.BatchNorm2d(3, **kind), nn.ReLU())
    x = normal(4, 2, 6, 6)
    row(x)
    expected = row.eval()(x)
    calls = [calls_of(monkeypatch, name) for name in ("pointwise_forward", "batch_norm_forward")]
    row.eval()(x)
    assert [len(each) for each in calls] == [1, 1]
    np.testing.assert_allclose(row.eval(fold_batch_norm=True)(x), expected, rtol=1e-12, atol=1e-12)
    assert [len(each) for each in calls] == [1, 1]
    assert expected.min() == 0


@pytest.mark.parametrize("shape", [(5, 4), (4,), (2, 3, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_of_linear_layers_are_difference_quotients(shape, bias):
    layer, x = nn.Linear(4, 3, bias, **F64), normal(*shape)
    check_module(layer, x)
    np.testing.assert_array_equal(layer.eval()(x), layer.train()(x))
    layer.needs_input_gradient = False
    assert layer.backward(layer(x)) is None


@pytest.mark.parametrize("dims", [(1, -1), (0, 1), (1, 2), (-2, -1), (2, 2)])
def test_flatten_merges_dimensions_and_splits_them_again(dims):
    check_module(nn.Flatten(*dims), normal(2, 3, 2, 2))


def test_dropout_drops_a_part_scales_the_rest_and_forgets_the_same_in_the_gradient():
    layer = nn.Dropout(0.3, rng=1)
    x = np.ones((100, 100), np.float32)
    y = layer(x)
    assert y.dtype == np.float32
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((y == 0).mean() - 0.3) < 0.02
    np.testing.assert_array_equal(layer.backward(x), y)
    assert (layer(x) != y).any()
    np.testing.assert_array_equal(layer.eval()(x), x)
    assert not nn.Dropout(1.0)(x).any()
    np.testing.assert_array_equal(nn.Dropout(0.0)(x), x)


def test_gradients_add_up_until_they_are_forgotten():
    layer, x = nn.Conv2d(1, 2, 3, rng=0), normal(2, 1, 5, 5, dtype=np.float32)
    y = layer(x)
    layer.backward(y)
    once = {name: p.grad.copy() for name, p in layer.named_parameters()}
    layer(x)
    layer.backward(y)
    for name, p in layer.named_parameters():
        np.testing.assert_array_equal(p.grad, 2 * once[name])
    layer.zero_grad()
    assert all(p.grad is None for p in layer.parameters())


def test_the_input_gradient_can_be_left_out():
    layer, x = nn.Conv2d(1, 2, 3, rng=0), normal(2, 1, 5, 5, dtype=np.float32)
    layer.needs_input_gradient = False
    assert layer.backward(layer(x)) is None
    assert layer.weight.grad.shape == (2, 1, 3, 3)


# ---- Parts ---------------------------------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, channels):
        self.scale = nn.Parameter(np.full(1, 0.5))
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, **F64), nn.BatchNorm2d(channels, dtype=float)
        )

    def forward(self, input):
        self.inner = self.body(input)
        return input + self.scale.data * self.inner

    def backward(self, grad_output):
        self.scale.add_gradient(np.array([(grad_output * self.inner).sum()]))
        return grad_output + self.body.backward(self.scale.data * grad_output)


def test_own_modules_are_made_of_attributes():
    block = Residual(2)
    names = ["scale", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias"]
    assert [name for name, _ in block.named_parameters()] == names
    statistics = [f"body.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")]
    assert list(block.state_dict()) == names + statistics
    assert len(list(block.modules())) == 4
    check_module(block, normal(2, 2, 4, 4), rtol=1e-5, atol=1e-6)
    assert not block.eval().body[1].training
    assert block.train().body[1].training


def test_a_shared_parameter_is_listed_once_and_saved_under_both_names():
    block = nn.Sequential(nn.Conv2d(2, 2, 1, **F64), nn.Conv2d(2, 2, 1, **F64))
    block[1].weight = block[0].weight
    assert [name for name, _ in block.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert "1.weight" in block.state_dict()
    check_module(block, normal(1, 2, 3, 3))


def test_a_sequential_is_a_list_of_modules():
    first, second, third = nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Identity()
    row = nn.Sequential(first, second)
    assert row.append(third) is row
    assert len(row) == 3
    assert list(row) == [first, second, third]
    assert row[-1] is third
    assert list(row[1:]) == [second, third]
    row[2] = nn.Dropout(0.0)
    assert isinstance(row[2], nn.Dropout)
    with pytest.raises(TypeError, match="takes modules, got ufunc"):
        row.append(np.tanh)
    with pytest.raises(ValueError, match="twice"):
        row.append(first)
    with pytest.raises(IndexError):
        row[3]


def test_modules_that_define_nothing_say_so():
    with pytest.raises(NotImplementedError, match=r"Module does not define forward"):
        nn.Module()(1)
    with pytest.raises(NotImplementedError, match=r"Module does not define backward"):
        nn.Module().backward(1)


PLAIN = [nn.Conv2d(1, 1, 1), nn.Linear(2, 2), nn.ReLU(), nn.BatchNorm2d(1), nn.Flatten(), nn.Dropout()]


@pytest.mark.parametrize("layer", PLAIN, ids=repr)
def test_backward_without_a_forward_pass_explains_itself(layer):
    x = np.ones((2, 1, 2, 2), np.float32)
    with pytest.raises(RuntimeError, match="needs a call of forward in training mode"):
        layer.backward(x)
    layer(x)
    layer.eval()
    with pytest.raises(RuntimeError, match="eval mode, which remembers nothing"):
        layer.backward(x)
    layer(x)
    with pytest.raises(RuntimeError, match="eval mode"):
        layer.backward(x)


def test_representations_tell_what_a_module_is():
    text = repr(
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.Sequential(nn.Flatten()))
    )
    assert text.splitlines() == [
        "Sequential(",
        "  (0): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1), padding=1, bias=False)",
        "  (1): BatchNorm2d(4, eps=1e-05, momentum=0.1)",
        "  (2): Sequential(",
        "    (0): Flatten(start_dim=1, end_dim=-1)",
        "  )",
        ")",
    ]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Conv2d(0, 1, 3), ValueError, "in_channels must be at least 1"),
        (lambda: nn.Conv2d(1, 2.0, 3), TypeError, "out_channels must be an int"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "groups=2 must divide in_channels=3"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), ValueError, "kernel_size"),
        (lambda: nn.Conv2d(1, 1, 3, stride=0), ValueError, "stride"),
        (lambda: nn.Conv2d(1, 1, 3, padding="sane"), ValueError, "padding must be"),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), ValueError, "padding_mode"),
        (lambda: nn.Conv2d(1, 1, 3, layout="NHWC"), ValueError, "layout"),
        (lambda: nn.Conv2d(1, 1, 3, dtype=np.float16), TypeError, "dtype must be float32 or float64"),
        (lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"), ValueError, "padding_mode"),
        (lambda: nn.Linear(0, 1), ValueError, "in_features must be at least 1"),
        (lambda: nn.Linear(1, 2, dtype=int), TypeError, "dtype must be float32 or float64"),
        (lambda: nn.Hardtanh(2, 1), ValueError, "max_val"),
        (lambda: nn.GELU("cubic"), (ValueError, RuntimeError), "approximate"),
        (lambda: nn.LeakyReLU("steep"), TypeError, "negative_slope"),
        (lambda: nn.Dropout(1.5), ValueError, "probability"),
        (lambda: nn.Parameter(np.zeros(3, int)), TypeError, "a parameter must be float32 or float64"),
        (lambda: nn.Flatten(2)(np.zeros((2, 2))), ValueError, "start_dim=2"),
        (lambda: nn.Dropout()(np.zeros(3, int)), TypeError, "input must be float32 or float64"),
    ],
)
def test_bad_options_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_initial_values_are_those_of_a_seed_within_the_bound_of_pytorch():
    first, second = (nn.Conv2d(16, 32, 3, rng=seed) for seed in (7, np.random.default_rng(7)))
    np.testing.assert_array_equal(first.weight.data, second.weight.data)
    bound = 1 / 12
    for p in first.parameters():
        assert p.dtype == np.float32
        assert np.abs(p.data).max() <= bound
        assert np.abs(p.data).max() > 0.9 * bound
    assert (nn.Conv2d(16, 32, 3).weight.data != first.weight.data).any()
    assert np.abs(nn.ConvTranspose2d(4, 25, 2, rng=0).weight.data).max() <= 0.1


# ---- Eval mode -----------------------------------------------------------------------------------------------------


def network(rng=0, transposed=False, **options):
    """Convolutions with batch normalisation behind them, trained a little so that their statistics are their own."""
    random = np.random.default_rng(rng)
    kind = {"dtype": np.float64, "rng": random}
    second = nn.ConvTranspose2d(8, 6, 3, groups=2, **kind) if transposed else nn.Conv2d(8, 6, 3, groups=2, **kind)
    row = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1, bias=False, **kind),
        nn.BatchNorm2d(8, dtype=np.float64),
        nn.Sequential(second, nn.BatchNorm2d(6, dtype=np.float64, **options), nn.Identity()),
    )
    for p in row.parameters():
        p.data = p.data + 0.3 * random.standard_normal(p.shape)
    for _ in range(3):
        row(random.normal(1, 2, (4, 2, 7, 6)))
    return row


def calls_of(monkeypatch, name):
    """Counts the calls of a function of the core."""
    calls, real = [], getattr(convx._core, name)
    monkeypatch.setattr(convx._core, name, lambda *arguments: calls.append(name) or real(*arguments))
    return calls


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("affine", [True, False])
def test_folding_gives_the_same_to_rounding_and_is_undone_by_train(monkeypatch, transposed, affine):
    row, x = network(transposed=transposed, affine=affine), normal(3, 2, 7, 6)
    state = row.state_dict()
    expected = row.eval()(x)
    normalisations = calls_of(monkeypatch, "batch_norm_forward")
    np.testing.assert_array_equal(row(x), expected)
    assert len(normalisations) == 2
    np.testing.assert_allclose(row.eval(fold_batch_norm=True)(x), expected, rtol=1e-11, atol=1e-11)
    assert len(normalisations) == 2
    for name, value in row.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    np.testing.assert_array_equal(row.eval()(x), expected)
    assert len(normalisations) == 4
    check_module(row.train(), x, rtol=1e-4, atol=1e-5)


def test_normalisations_that_cannot_be_folded_are_left_alone():
    kind = {"dtype": np.float64}
    row = nn.Sequential(
        nn.BatchNorm2d(2, **kind),
        nn.Conv2d(2, 3, 1, **F64),
        nn.BatchNorm2d(3, track_running_stats=False, **kind),
        nn.Conv2d(3, 3, 1, **F64),
        nn.Identity(),
        nn.BatchNorm2d(3, **kind),
    )
    x = normal(4, 2, 3, 3)
    row(x)
    np.testing.assert_array_equal(row.eval(fold_batch_norm=True)(x), row.eval()(x))


CHANGES = {
    "a step": lambda row, x: (row.train()(x), row.backward(row(x)), optim.SGD(row.parameters(), 0.1).step()),
    "a step in eval mode": lambda row, x: optim.SGD(row.parameters(), 0.1).step(),
    "a step of Adam": lambda row, x: optim.Adam(row.parameters(), 0.1).step(),
    "a state": lambda row, x: row.load_state_dict(network(1).state_dict()),
    "a state of a part": lambda row, x: row[2][1].load_state_dict(network(1)[2][1].state_dict()),
    "values": lambda row, x: setattr(row[0].weight, "data", row[0].weight.data + 1),
    "values inside, and eval of the part": lambda row, x: (row[2][0].bias.data.fill(3), row[2][0].eval()),
    "training": lambda row, x: row.train()(x + 1),
}


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_plans_are_dropped_when_what_they_hold_changes(change, fold):
    row, x = network(), normal(3, 2, 7, 6)
    for p in row.parameters():
        p.grad = normal(*p.shape, seed=2)
    before = row.eval(fold_batch_norm=fold)(x)
    CHANGES[change](row, x)
    if row.training:
        row.eval(fold_batch_norm=fold)
    after = row(x)
    fresh = network(2)
    fresh.load_state_dict(row.state_dict())
    np.testing.assert_array_equal(after, fresh.eval(fold_batch_norm=fold)(x))
    assert np.abs(after - before).max() > 1e-3


def test_plans_are_kept_for_a_few_shapes_only():
    layer = nn.Conv2d(1, 2, 3).eval()
    for n in range(1, 40):
        assert layer(np.zeros((n, 1, 5, 5), np.float32)).shape == (n, 2, 3, 3)
    assert len(layer._eval.plans) <= 4
    plan = layer._eval.plans[39, 1, 5, 5]
    layer(np.zeros((39, 1, 5, 5), np.float32))
    assert layer._eval.plans[39, 1, 5, 5] is plan


def test_a_part_may_be_in_another_mode_than_the_whole():
    row, x = network(), normal(3, 2, 7, 6)
    expected = row[1].eval()(row[0].train()(x))
    row.eval()(x)
    row[0].train()
    np.testing.assert_allclose(row[:2](x), expected, rtol=1e-12)
    np.testing.assert_allclose(row(x), row[2](expected), rtol=1e-10, atol=1e-12)
    row[0].backward(normal(3, 8, 7, 6))
    assert row[0].weight.grad.shape == (8, 2, 3, 3)


# ---- State ---------------------------------------------------------------------------------------------------------


def test_a_state_is_a_copy_and_comes_back():
    row, other = network(), network(1)
    state = row.state_dict()
    assert state["1.num_batches_tracked"].dtype == np.int64
    assert int(state["1.num_batches_tracked"]) == 3
    other[1].num_batches_tracked = 9
    assert other.load_state_dict(state) == ([], [])
    assert other[1].num_batches_tracked == 3
    x = normal(1, 2, 7, 6)
    np.testing.assert_array_equal(other.eval()(x), row.eval()(x))
    state["0.weight"][...] = 0
    assert row[0].weight.data.any()
    assert other[0].weight.data.any()


@pytest.mark.parametrize("way", [str, lambda path: path])
def test_a_state_is_saved_and_loaded_as_npz(tmp_path, way):
    row, other = network(), network(1)
    path = way(tmp_path / "state.npz")
    row.save(path)
    assert [each.name for each in tmp_path.iterdir()] == ["state.npz"]
    with np.load(path) as stored:
        assert sorted(stored.files) == sorted(row.state_dict())
    assert other.load(path) == ([], [])
    for name, value in row.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], value)
        assert other.state_dict()[name].dtype == value.dtype


def test_files_of_other_kinds_are_refused(tmp_path, monkeypatch):
    layer = nn.Conv2d(1, 1, 1)
    for call in (layer.save, layer.load):
        with pytest.raises(ValueError, match=r"must end with \.npz or \.safetensors"):
            call(tmp_path / "state.pt")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (layer.save, layer.load):
        with pytest.raises(ImportError, match="pip install safetensors"):
            call(tmp_path / "state.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("0.weight"), r"missing \['0.weight'\]"),
        (lambda state: state.update(extra=np.zeros(1)), r"unexpected \['extra'\]"),
        (lambda state: state.update({"1.weight": np.zeros(3)}), r"state\['1.weight'\] must have the shape \(8,\)"),
        (lambda state: state.update({"1.num_batches_tracked": np.zeros(1)}), r"shape \(\)"),
    ],
)
def test_states_that_do_not_fit_are_refused_and_change_nothing(change, words):
    row = network()
    kept, state = row.state_dict(), network(1).state_dict()
    change(state)
    with pytest.raises(ValueError, match=words):
        row.load_state_dict(state)
    for name, value in kept.items():
        np.testing.assert_array_equal(row.state_dict()[name], value)


def test_words_are_no_parameters():
    with pytest.raises(TypeError, match="must hold numbers"):
        nn.Conv2d(1, 1, 1, bias=False).load_state_dict({"weight": [[[["a"]]]]})


def test_what_fits_is_loaded_when_asked_for():
    row = network()
    kept = row[0].weight.data.copy()
    result = row.load_state_dict({"1.bias": np.arange(8), "5.weight": np.zeros(2)}, strict=False)
    assert result.unexpected_keys == ["5.weight"]
    assert "0.weight" in result.missing_keys
    assert "1.bias" not in result.missing_keys
    np.testing.assert_array_equal(row[1].bias.data, np.arange(8))
    np.testing.assert_array_equal(row[0].weight.data, kept)


def test_modules_are_copied_and_pickled_in_both_modes():
    row, x = network(), normal(1, 2, 7, 6)
    for mode in (True, False):
        row.train(mode)(x)
        for other in (copy.deepcopy(row), pickle.loads(pickle.dumps(row))):
            assert other.training is mode
            np.testing.assert_array_equal(other.eval()(x), copy.deepcopy(row).eval()(x))
            other[0].weight.data = 0 * kept if (kept := other[0].weight.data).any() else kept
            assert row[0].weight.data.any()


def test_values_of_another_shape_are_refused():
    p = nn.Parameter(np.zeros(3))
    with pytest.raises(ValueError, match=r"parameter's shape, \(3,\); got \(4,\)"):
        p.data = np.zeros(4)


def test_importing_convx_alone_does_not_load_the_modules():
    code = "import sys, convx; assert 'convx.nn' not in sys.modules; convx.nn, convx.optim; sys.modules['convx.nn']"
    subprocess.run([sys.executable, "-c", code], check=True)
