"""convx beside PyTorch on the samples of PyTorch's own operator tests: values, shapes, refusals, gradients."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import convx  # noqa: E402
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402

NAMES = ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
OPS = {op.name.removeprefix("nn.functional."): op for op in op_db if op.name.removeprefix("nn.functional.") in NAMES}
DTYPES = (torch.float32, torch.float64)
CASES = [(name, dtype) for name in NAMES for dtype in DTYPES]
IDS = [f"{name}-{str(dtype).removeprefix('torch.')}" for name, dtype in CASES]
REFUSALS = (ValueError, TypeError)


def as_numpy(value):
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def tolerance(dtype):
    return {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 1e-11, "atol": 1e-11}


def samples(name, dtype, requires_grad=False):
    found = list(OPS[name].sample_inputs("cpu", dtype, requires_grad=requires_grad))
    assert found
    return found


def call(function, sample):
    args = [as_numpy(a) for a in sample.args]
    kwargs = {key: as_numpy(a) for key, a in sample.kwargs.items()}
    return function(as_numpy(sample.input), *args, **kwargs)


def test_every_layer_function_has_samples():
    assert sorted(OPS) == sorted(NAMES)


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=IDS)
def test_samples_give_the_values_of_torch(name, dtype):
    for sample in samples(name, dtype):
        expected = OPS[name](sample.input, *sample.args, **sample.kwargs)
        found = call(getattr(convx, name), sample)
        assert found.shape == tuple(expected.shape), sample
        assert found.dtype == expected.numpy().dtype
        np.testing.assert_allclose(found, expected.numpy(), **tolerance(dtype), err_msg=str(sample))


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=IDS)
def test_samples_in_channels_last_memory_give_the_values_and_the_memory_order_of_torch(name, dtype):
    rank = int(name[-2])
    if rank == 1:
        return  # PyTorch has no channels-last for it
    order = torch.channels_last if rank == 2 else torch.channels_last_3d
    for sample in samples(name, dtype):
        if sample.input.dim() != rank + 2:
            continue
        sample.input = sample.input.contiguous(memory_format=order)
        expected = OPS[name](sample.input, *sample.args, **sample.kwargs)
        found = call(getattr(convx, name), sample)
        np.testing.assert_allclose(found, expected.numpy(), **tolerance(dtype), err_msg=str(sample))
        if sample.input.shape[1] > 1 and min(expected.shape) > 1 and max(sample.input.shape[2:]) > 1:
            assert np.moveaxis(found, 1, -1).flags.c_contiguous, sample


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=IDS)
def test_inputs_that_torch_refuses_are_refused(name, dtype):
    errors = OPS[name].error_inputs_func
    if errors is None:
        return
    for error in errors(OPS[name], "cpu"):
        sample = error.sample_input
        with pytest.raises((RuntimeError, ValueError, TypeError)):
            OPS[name](sample.input, *sample.args, **sample.kwargs)
        if "strided convolutions" in error.error_regex:  # convx has "same" at any stride: ceil(size / stride)
            found = call(getattr(convx, name), sample)
            assert found.shape[2:] == tuple(-(-n // sample.kwargs["stride"]) for n in sample.input.shape[2:])
            continue
        with pytest.raises(REFUSALS):
            call(getattr(convx, name), sample)


def bound(name, sample):
    """The sample's arguments by name."""
    names = ["weight", "bias", "stride", "padding"]
    names += ["output_padding", "groups", "dilation"] if "transpose" in name else ["dilation", "groups"]
    arguments = dict(zip(names, sample.args, strict=False))
    arguments.update(sample.kwargs)
    return arguments


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=IDS)
def test_gradients_of_samples_are_those_of_autograd(name, dtype):
    for sample in samples(name, dtype):
        arguments = bound(name, sample)
        x = sample.input.detach().clone().requires_grad_()
        w = arguments.pop("weight").detach().clone().requires_grad_()
        b = arguments.pop("bias", None)
        if b is not None:
            b = b.detach().clone().requires_grad_()
        y = OPS[name](x, w, b, **arguments)
        gy = torch.randn(y.shape, dtype=dtype, generator=torch.Generator().manual_seed(7))
        y.backward(gy)
        gx = getattr(convx.grad, f"{name}_input")(tuple(x.shape), as_numpy(w), gy.numpy(), **arguments)
        gw = getattr(convx.grad, f"{name}_weight")(as_numpy(x), tuple(w.shape), gy.numpy(), **arguments)
        np.testing.assert_allclose(gx, x.grad.numpy(), **tolerance(dtype), err_msg=str(sample))
        np.testing.assert_allclose(gw, w.grad.numpy(), **tolerance(dtype), err_msg=str(sample))
        if b is not None:
            batched = gy.numpy() if x.dim() == w.dim() else gy.numpy()[None]
            gb = convx.grad.conv_bias(batched)
            np.testing.assert_allclose(gb, b.grad.numpy(), **tolerance(dtype), err_msg=str(sample))


PAIRS = ("reflect", "replicate", "circular")


@pytest.mark.parametrize("mode", PAIRS)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_padding_modes_and_their_gradients_are_those_of_torch(rank, mode):
    generator = torch.Generator().manual_seed(rank)
    x = torch.randn((2, 4, 7, 6, 5)[: rank + 2], dtype=torch.float64, generator=generator).requires_grad_()
    w = torch.randn((6, 2, 3, 2, 3)[: rank + 2], dtype=torch.float64, generator=generator).requires_grad_()
    pad = (2, 3, 1)[:rank]
    flat = [side for p in reversed(pad) for side in (p, p)]
    convolve = getattr(torch.nn.functional, f"conv{rank}d")
    y = convolve(torch.nn.functional.pad(x, flat, mode=mode), w, stride=2, groups=2)
    gy = torch.randn(y.shape, dtype=torch.float64, generator=generator)
    y.backward(gy)
    options = {"stride": 2, "padding": pad, "groups": 2, "padding_mode": mode}
    a, v = as_numpy(x), as_numpy(w)
    np.testing.assert_allclose(getattr(convx, f"conv{rank}d")(a, v, **options), as_numpy(y), atol=1e-12)
    gx = getattr(convx.grad, f"conv{rank}d_input")(a.shape, v, gy.numpy(), **options)
    gw = getattr(convx.grad, f"conv{rank}d_weight")(a, v.shape, gy.numpy(), **options)
    np.testing.assert_allclose(gx, x.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(gw, w.grad.numpy(), atol=1e-11)


X, W, WT = torch.zeros(1, 2, 6, 6), torch.zeros(4, 2, 3, 3), torch.zeros(2, 4, 3, 3)
REFUSED = [
    ("conv2d", {"stride": True}),
    ("conv2d", {"stride": (True, 1)}),
    ("conv2d", {"stride": 1.0}),
    ("conv2d", {"stride": []}),
    ("conv2d", {"stride": None}),
    ("conv2d", {"stride": (1, 1, 1)}),
    ("conv2d", {"stride": 0}),
    ("conv2d", {"stride": -1}),
    ("conv2d", {"padding": -1}),
    ("conv2d", {"padding": ()}),
    ("conv2d", {"padding": 1 << 62}),
    ("conv2d", {"padding": 1 << 70}),
    ("conv2d", {"padding": "Same"}),
    ("conv2d", {"dilation": 0}),
    ("conv2d", {"dilation": 3}),
    ("conv2d", {"groups": 0}),
    ("conv2d", {"groups": 3}),
    ("conv2d", {"groups": True}),
    ("conv2d", {"bias": torch.zeros(3)}),
    ("conv2d", {"bias": torch.zeros(4, 1)}),
    ("conv2d", {"bias": torch.zeros(())}),
    ("conv2d", {"bias": torch.zeros(4, dtype=torch.float64)}),
    ("conv2d", {"weight": W.double()}),
    ("conv2d", {"weight": torch.zeros(4, 2, 0, 3)}),
    ("conv2d", {"weight": torch.zeros(0, 2, 3, 3)}),
    ("conv2d", {"weight": torch.zeros(4, 2, 3)}),
    ("conv2d", {"weight": torch.zeros(4, 3, 3, 3)}),
    ("conv2d", {"input": torch.zeros(6, 6)}),
    ("conv2d", {"input": torch.zeros(1, 2, 0, 6), "padding": 2}),
    ("conv2d", {"input": torch.zeros(1, 2, 0, 6), "weight": torch.zeros(4, 2, 1, 1)}),
    ("conv2d", {"input": torch.zeros(0, 2, 2, 6)}),
    ("conv_transpose2d", {"padding": -1}),
    ("conv_transpose2d", {"padding": 4}),
    ("conv_transpose2d", {"padding": 5}),
    ("conv_transpose2d", {"output_padding": 1}),
    ("conv_transpose2d", {"output_padding": 2, "stride": 2}),
    ("conv_transpose2d", {"output_padding": -1, "stride": 2}),
    ("conv_transpose2d", {"stride": 0}),
    ("conv_transpose2d", {"groups": 3}),
    ("conv_transpose2d", {"bias": torch.zeros(2)}),
    ("conv_transpose2d", {"weight": torch.zeros(2, 0, 3, 3)}),
    ("conv_transpose2d", {"weight": torch.zeros(2, 4, 0, 3)}),
    ("conv_transpose2d", {"weight": torch.zeros(3, 4, 3, 3)}),
    ("conv_transpose2d", {"input": torch.zeros(1, 2, 0, 6)}),
]


@pytest.mark.parametrize(
    ("name", "changes"), REFUSED, ids=[f"{n}-{'-'.join(c)}-{i}" for i, (n, c) in enumerate(REFUSED)]
)
def test_what_torch_refuses_beyond_its_samples_is_refused(name, changes):
    arguments = {"input": X, "weight": WT if "transpose" in name else W, **changes}
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        getattr(torch.nn.functional, name)(**arguments)
    with pytest.raises(REFUSALS):
        getattr(convx, name)(**{key: as_numpy(value) for key, value in arguments.items()})


ACCEPTED = [
    ("conv2d", {"stride": (2,)}),
    ("conv2d", {"stride": [1, 2]}),
    ("conv2d", {"stride": np.int64(2)}),
    ("conv2d", {"stride": (np.int64(2),)}),
    ("conv2d", {"stride": 1 << 40}),
    ("conv2d", {"padding": 4}),
    ("conv2d", {"padding": (0, 3)}),
    ("conv2d", {"padding": "same", "dilation": 2}),
    ("conv2d", {"input": torch.randn(0, 2, 6, 6)}),
    ("conv2d", {"input": torch.randn(2, 6, 6)}),
    ("conv2d", {"groups": 2, "weight": torch.randn(4, 1, 3, 3)}),
    ("conv_transpose2d", {"input": torch.randn(0, 2, 6, 6)}),
    ("conv_transpose2d", {"output_padding": 1, "dilation": 2}),
    ("conv_transpose2d", {"output_padding": (1, 0), "stride": (2, 1)}),
    ("conv_transpose2d", {"groups": 2}),
]


@pytest.mark.parametrize(("name", "changes"), ACCEPTED, ids=[f"{n}-{'-'.join(c)}" for n, c in ACCEPTED])
def test_what_torch_accepts_beyond_its_samples_gives_its_values(name, changes):
    weight = torch.randn((2, 4, 3, 3) if "transpose" in name else (4, 2, 3, 3))
    arguments = {"input": torch.randn(1, 2, 6, 6), "weight": weight, **changes}
    expected = getattr(torch.nn.functional, name)(**arguments).numpy()
    found = getattr(convx, name)(**{key: as_numpy(value) for key, value in arguments.items()})
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
