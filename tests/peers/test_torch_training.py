"""Networks that begin with PyTorch's parameters follow PyTorch through training; losses give what its samples give."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from convx import nn, optim  # noqa: E402
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402

STEPS = 20


def network(kinds):
    """The same network of `torch.nn` or of `convx.nn`: both take the same arguments.

    No bias stands before a batch normalisation: its gradient would be rounding alone, which Adam makes steps of.
    """
    return kinds.Sequential(
        kinds.Conv2d(3, 8, 3, padding=1, bias=False),
        kinds.BatchNorm2d(8),
        kinds.ReLU(),
        kinds.MaxPool2d(2),
        kinds.Sequential(
            kinds.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
            kinds.BatchNorm2d(8, momentum=None),
            kinds.LeakyReLU(),
            kinds.Conv2d(8, 16, 1),
            kinds.SiLU(),
        ),
        kinds.AvgPool2d(3, 2, padding=1, count_include_pad=False),
        kinds.Conv2d(16, 16, 3, stride=2, padding=1, padding_mode="reflect"),
        kinds.GELU(),
        kinds.ConvTranspose2d(16, 12, 2, stride=2, bias=False),
        kinds.BatchNorm2d(12),
        kinds.ELU(),
        kinds.AdaptiveMaxPool2d(3),
        kinds.Tanh(),
        kinds.AdaptiveAvgPool2d(2),
        kinds.Flatten(),
        kinds.Linear(48, 20, bias=False),
        kinds.BatchNorm1d(20),
        kinds.Sigmoid(),
        kinds.Linear(20, 5),
    )


OPTIMISERS = {
    "sgd": lambda module, p: module.SGD(p, lr=0.01),
    "momentum": lambda module, p: module.SGD(p, lr=0.01, momentum=0.9, dampening=0.1, weight_decay=1e-3),
    "nesterov": lambda module, p: module.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "adam": lambda module, p: module.Adam(p, lr=3e-3),
    "amsgrad": lambda module, p: module.Adam(p, lr=3e-3, betas=(0.8, 0.99), weight_decay=1e-2, amsgrad=True),
}


def compare(theirs, ours, tolerance):
    expected = {name: value.numpy() for name, value in theirs.state_dict().items()}
    found = ours.state_dict()
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_network_with_the_parameters_of_torch_follows_its_training(name, dtype, tolerance, channels_last):
    torch.manual_seed(0)
    theirs = network(torch.nn).to(dtype)
    ours = network(Typed(torch.empty(0, dtype=dtype).numpy().dtype))
    ours.load_state_dict(theirs.state_dict())
    their_descent = OPTIMISERS[name](torch.optim, theirs.parameters())
    our_descent = OPTIMISERS[name](optim, ours.parameters())
    x = torch.randn(STEPS, 32, 3, 16, 16, dtype=dtype)
    classes = torch.randint(0, 5, (STEPS, 32))
    for step in range(STEPS):
        their_loss = torch.nn.functional.cross_entropy(theirs(x[step]), classes[step])
        their_descent.zero_grad()
        their_loss.backward()
        their_descent.step()
        images = x[step].numpy()
        if channels_last:
            images = np.moveaxis(np.ascontiguousarray(np.moveaxis(images, 1, -1)), -1, 1)
        our_loss, gradient = nn.cross_entropy(ours(images), classes[step].numpy())
        our_descent.zero_grad()
        ours.backward(gradient)
        our_descent.step()
        assert abs(our_loss - their_loss.item()) <= tolerance
    compare(theirs, ours, tolerance)
    expected = theirs.eval()(x[0]).detach().numpy()
    for fold in (False, True):
        np.testing.assert_allclose(ours.eval(fold)(x[0].numpy()), expected, rtol=10 * tolerance, atol=10 * tolerance)


class Typed:
    """`convx.nn` whose layers with parameters have a dtype."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __getattr__(self, name):
        kind = getattr(nn, name)
        if name.startswith(("Conv", "Linear", "Batch")):
            return lambda *args, **kwargs: kind(*args, dtype=self.dtype, **kwargs)
        return kind


def test_states_are_exchanged_with_torch_through_safetensors(tmp_path):
    from safetensors import torch as safetensors

    theirs, ours = network(torch.nn), network(nn)
    for p in ours.parameters():
        p.data = np.random.default_rng(0).standard_normal(p.shape)
    ours.save(tmp_path / "ours.safetensors")
    theirs.load_state_dict(safetensors.load_file(tmp_path / "ours.safetensors"))
    compare(theirs, ours, 0)
    theirs = network(torch.nn)
    safetensors.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    ours.load(tmp_path / "theirs.safetensors")
    compare(theirs, ours, 0)


# ---- Losses on the samples of PyTorch's operator tests ------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cross_entropy_gives_the_losses_and_gradients_of_torch_on_its_samples(dtype):
    (op,) = [op for op in op_db if op.name == "nn.functional.cross_entropy"]
    samples = list(op.sample_inputs("cpu", dtype, requires_grad=True))
    assert len(samples) > 20
    for sample in samples:
        targets, *rest = sample.args
        assert not rest
        options = {k: v.detach().numpy() if isinstance(v, torch.Tensor) else v for k, v in sample.kwargs.items()}
        expected = op(sample.input, targets, **sample.kwargs)
        expected.sum().backward()
        found, gradient = nn.cross_entropy(sample.input.detach().numpy(), targets.detach().numpy(), **options)
        close = {"rtol": 1e-4, "atol": 1e-5, "err_msg": str(sample)}
        np.testing.assert_allclose(found, expected.detach().numpy(), **close)
        np.testing.assert_allclose(gradient, sample.input.grad.numpy(), **close)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mse_loss_gives_the_losses_and_gradients_of_torch_on_its_samples(dtype):
    (op,) = [op for op in op_db if op.name == "nn.functional.mse_loss"]
    compared = 0
    for sample in op.sample_inputs("cpu", dtype, requires_grad=True):
        target = sample.args[0].detach()
        if sample.input.shape != target.shape:  # PyTorch broadcasts, and warns that it is rarely meant
            with pytest.raises(ValueError, match="one shape"):
                nn.mse_loss(sample.input.detach().numpy(), target.numpy(), **sample.kwargs)
            continue
        expected = torch.nn.functional.mse_loss(sample.input, target, **sample.kwargs)
        expected.sum().backward()
        found, gradient = nn.mse_loss(sample.input.detach().numpy(), target.numpy(), **sample.kwargs)
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5)
        np.testing.assert_allclose(gradient, sample.input.grad.numpy(), rtol=1e-5)
        compared += 1
    assert compared > 3
