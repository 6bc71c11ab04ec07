"""convx beside PyTorch on the samples of PyTorch's own pooling tests: values, indices, refusals, gradients."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import convx  # noqa: E402
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402

KINDS = ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool", "max_unpool")
NAMES = tuple(f"{kind}{rank}d" for kind in KINDS for rank in (1, 2, 3))
# Variants for gradients (of max_unpool: of samples in which no two values have the same index) are cases of their own.
OPS = [op for op in op_db if op.name.removeprefix("nn.functional.") in NAMES]
DTYPES = (torch.float32, torch.float64)
CASES = [(op, dtype) for op in OPS for dtype in DTYPES]
IDS = [f"{op.name.split('.')[-1]}{op.variant_test_name}-{str(dtype).split('.')[-1]}" for op, dtype in CASES]
REFUSALS = (ValueError, TypeError)


def name_of(op):
    return op.name.removeprefix("nn.functional.")


def as_numpy(value):
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def tolerance(dtype):
    return {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-13, "atol": 1e-14}


def samples(op, dtype):
    found = list(op.sample_inputs("cpu", dtype))
    assert found
    return found


def call(sample, name):
    args = [as_numpy(a) for a in sample.args]
    kwargs = {key: as_numpy(a) for key, a in sample.kwargs.items()}
    return getattr(convx, name)(as_numpy(sample.input), *args, **kwargs)


def expect(op, sample):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(torch.nn.functional, name_of(op))(sample.input, *sample.args, **sample.kwargs)


def same(found, expected, dtype, message):
    pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    for mine, theirs in pairs:
        assert (mine.shape, mine.dtype) == (tuple(theirs.shape), as_numpy(theirs).dtype), message
        if not np.array_equal(mine, as_numpy(theirs), equal_nan=True):
            np.testing.assert_allclose(mine, as_numpy(theirs), **tolerance(dtype), err_msg=str(message))


def test_every_pooling_function_has_samples():
    assert {name_of(op) for op in OPS} == set(NAMES)


@pytest.mark.parametrize(("op", "dtype"), CASES, ids=IDS)
def test_samples_give_the_values_and_indices_of_torch(op, dtype):
    for sample in samples(op, dtype):
        same(call(sample, name_of(op)), expect(op, sample), dtype, sample)


@pytest.mark.parametrize(("op", "dtype"), CASES, ids=IDS)
def test_samples_in_channels_last_memory_give_the_values_and_indices_of_torch(op, dtype):
    for sample in samples(op, dtype):
        x = as_numpy(sample.input)
        rank = int(name_of(op)[-2])
        if x.ndim != rank + 2:
            x = x[None]
        expected = expect(op, sample)
        moved = [np.moveaxis(as_numpy(a), -rank - 1, -1) if isinstance(a, torch.Tensor) else a for a in sample.args]
        last = np.ascontiguousarray(np.moveaxis(as_numpy(sample.input), -rank - 1, -1))
        found = getattr(convx, name_of(op))(last, *moved, **sample.kwargs, layout="channels_last")
        if isinstance(found, tuple):
            found = tuple(np.moveaxis(a, -1, -rank - 1) for a in found)
        else:
            found = np.moveaxis(found, -1, -rank - 1)
        same(found, expected, dtype, sample)


@pytest.mark.parametrize(("op", "dtype"), CASES, ids=IDS)
def test_inputs_that_torch_refuses_are_refused(op, dtype):
    if op.error_inputs_func is None:
        return
    for error in op.error_inputs_func(op, "cpu"):
        sample = error.sample_input
        with pytest.raises((RuntimeError, ValueError, TypeError)):
            expect(op, sample)
        with pytest.raises(REFUSALS):
            call(sample, name_of(op))


def bound(op, sample):
    """The sample's arguments by name."""
    names = {
        "max_pool": ["kernel_size", "stride", "padding", "dilation", "ceil_mode"],
        "avg_pool": ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"],
        "max_unpool": ["indices", "kernel_size", "stride", "padding", "output_size"],
    }.get(name_of(op)[:-2], ["output_size", "return_indices"])
    arguments = dict(zip(names, sample.args, strict=False)) | sample.kwargs
    arguments.pop("return_indices", None)
    return arguments


def gradients(name, x, gy, arguments, indices):
    """What convx says of one sample, in each way of asking."""
    function = getattr(convx.grad, name)
    if name.startswith("max_unpool"):
        return [function(gy, **{key: as_numpy(value) for key, value in arguments.items()})]
    if name.startswith("adaptive_avg"):
        return [function(x.shape, gy)]
    if name.startswith("avg"):
        return [function(x.shape, gy, **arguments)]
    if name.startswith("adaptive"):
        return [function(x, gy), function(x, gy, indices=indices)]
    return [function(x, gy, **arguments), function(x, gy, **arguments, indices=indices)]


@pytest.mark.parametrize(("op", "dtype"), CASES, ids=IDS)
def test_gradients_of_samples_are_those_of_autograd(op, dtype):
    name = name_of(op)
    if name.startswith("max_unpool") and not op.variant_test_name:
        return  # indices that meet: what PyTorch's gradient is then depends on the order of its loops
    for sample in samples(op, dtype):
        arguments = bound(op, sample)
        x = sample.input.detach().clone().requires_grad_()
        extra = {"return_indices": True} if "max_pool" in name else {}
        y = getattr(torch.nn.functional, name)(x, **arguments, **extra)
        y, indices = y if extra else (y, None)
        gy = torch.randn(y.shape, dtype=dtype, generator=torch.Generator().manual_seed(7))
        y.backward(gy)
        for found in gradients(name, as_numpy(x), gy.numpy(), arguments, as_numpy(indices)):
            same(found, x.grad, dtype, sample)


X = torch.arange(72.0).reshape(1, 2, 6, 6)
ONES, PLACES = torch.ones(1, 1, 2, 2), torch.tensor([[[[0, 3], [8, 15]]]])
REFUSED = [
    ("max_pool2d", {"kernel_size": True}),
    ("max_pool2d", {"kernel_size": 2.0}),
    ("max_pool2d", {"kernel_size": ()}),
    ("max_pool2d", {"kernel_size": (2, 2, 2)}),
    ("max_pool2d", {"kernel_size": 7}),
    ("max_pool2d", {"kernel_size": 2, "stride": 0}),
    ("max_pool2d", {"kernel_size": 2, "stride": 1 << 62}),
    ("max_pool2d", {"kernel_size": 2, "padding": 2}),
    ("max_pool2d", {"kernel_size": 2, "padding": (0, 2)}),
    ("max_pool2d", {"kernel_size": 2, "padding": None}),
    ("max_pool2d", {"kernel_size": 2, "padding": 2, "dilation": 3}),
    ("max_pool2d", {"kernel_size": 2, "dilation": 0}),
    ("max_pool2d", {"kernel_size": 2, "dilation": 1 << 62}),
    ("max_pool2d", {"kernel_size": 2, "ceil_mode": 1}),
    ("max_pool2d", {"kernel_size": 2, "ceil_mode": None}),
    ("max_pool2d", {"kernel_size": 2, "input": torch.zeros(1, 0, 4, 4)}),
    ("max_pool2d", {"kernel_size": 2, "input": torch.zeros(0, 4, 4)}),
    ("max_pool2d", {"kernel_size": 2, "input": torch.zeros(4, 4)}),
    ("avg_pool2d", {"kernel_size": 2, "divisor_override": 0}),
    ("avg_pool2d", {"kernel_size": 2, "divisor_override": 2.5}),
    ("avg_pool2d", {"kernel_size": 3, "padding": 2}),
    ("avg_pool2d", {"kernel_size": 2, "input": torch.zeros(1, 1, 0, 4)}),
    ("adaptive_avg_pool2d", {"output_size": (5,)}),
    ("adaptive_avg_pool2d", {"output_size": None}),
    ("adaptive_avg_pool2d", {"output_size": True}),
    ("adaptive_avg_pool2d", {"output_size": 2.0}),
    ("adaptive_avg_pool2d", {"output_size": 2, "input": torch.zeros(1, 1, 0, 4)}),
    ("adaptive_avg_pool3d", {"output_size": 2, "input": torch.zeros(1, 0, 4, 4, 4)}),
    ("adaptive_max_pool2d", {"output_size": 1, "input": torch.zeros(1, 0, 4, 4)}),
    ("max_unpool2d", {"indices": PLACES + 1}),
    ("max_unpool2d", {"indices": PLACES - 1}),
    ("max_unpool2d", {"indices": PLACES.int()}),
    ("max_unpool2d", {"indices": PLACES[0]}),
    ("max_unpool2d", {"output_size": (6, 6)}),
    ("max_unpool2d", {"output_size": (2, 4)}),
    ("max_unpool2d", {"output_size": (3, 4)}),
    ("max_unpool2d", {"output_size": (1, 5, 5)}),
    ("max_unpool2d", {"output_size": 5}),
    ("max_unpool2d", {"output_size": ()}),
    ("max_unpool2d", {"padding": 1}),
    ("max_unpool2d", {"padding": 3}),
    ("max_unpool2d", {"stride": 0}),
    ("max_unpool2d", {"input": torch.zeros(1, 0, 2, 2), "indices": torch.zeros(1, 0, 2, 2, dtype=torch.int64)}),
]


def complete(name, changes):
    base = {"input": ONES, "indices": PLACES, "kernel_size": 2} if "unpool" in name else {"input": X}
    return base | changes


@pytest.mark.parametrize(
    ("name", "changes"), REFUSED, ids=[f"{n}-{'-'.join(c)}-{i}" for i, (n, c) in enumerate(REFUSED)]
)
def test_what_torch_refuses_beyond_its_samples_is_refused(name, changes):
    arguments = complete(name, changes)
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)):
        getattr(torch.nn.functional, name)(**arguments)
    with pytest.raises(REFUSALS):
        getattr(convx, name)(**{key: as_numpy(value) for key, value in arguments.items()})


NAN, INF = float("nan"), float("inf")
MIXED = torch.tensor([[[NAN, 1.0, -INF], [NAN, 2.0, -INF], [-INF, -INF, -INF]]])
ACCEPTED = [
    ("max_pool2d", {"kernel_size": (2,)}),
    ("max_pool2d", {"kernel_size": 2, "stride": ()}),
    ("max_pool2d", {"kernel_size": np.int64(2), "stride": [1, 2]}),
    ("max_pool2d", {"kernel_size": 2, "padding": 1, "dilation": 3}),
    ("max_pool2d", {"kernel_size": 7, "ceil_mode": True}),
    ("max_pool2d", {"kernel_size": 2, "stride": 10, "ceil_mode": True}),
    ("max_pool2d", {"kernel_size": 14, "stride": 1, "padding": 7}),
    ("max_pool2d", {"kernel_size": 2, "input": torch.zeros(0, 1, 4, 4)}),
    ("max_pool2d", {"kernel_size": 2, "stride": 1, "padding": 1, "input": MIXED}),
    ("max_pool2d", {"kernel_size": 3, "input": MIXED}),
    ("adaptive_max_pool2d", {"output_size": 2, "input": MIXED}),
    ("adaptive_max_pool2d", {"output_size": (0, 2)}),
    ("adaptive_max_pool2d", {"output_size": 9}),
    ("adaptive_max_pool2d", {"output_size": 2, "input": torch.zeros(0, 4, 4)}),
    ("adaptive_avg_pool2d", {"output_size": 0}),
    ("adaptive_avg_pool2d", {"output_size": (None, 9)}),
    ("adaptive_avg_pool2d", {"output_size": 2, "input": torch.zeros(1, 0, 4, 4)}),
    ("adaptive_avg_pool2d", {"output_size": 2, "input": torch.zeros(0, 4, 4)}),
    ("avg_pool2d", {"kernel_size": 2, "divisor_override": -2}),
    ("avg_pool2d", {"kernel_size": 2, "stride": 1, "padding": 1, "input": MIXED}),
    ("avg_pool2d", {"kernel_size": 7, "stride": 1, "padding": 3, "count_include_pad": False}),
    ("max_unpool2d", {"output_size": (5, 5)}),
    ("max_unpool2d", {"output_size": [9, 1, 5, 5]}),
]


@pytest.mark.parametrize(
    ("name", "changes"), ACCEPTED, ids=[f"{n}-{'-'.join(c)}-{i}" for i, (n, c) in enumerate(ACCEPTED)]
)
def test_what_torch_accepts_beyond_its_samples_gives_its_values(name, changes):
    arguments = complete(name, changes) | ({"return_indices": True} if "max_pool" in name else {})
    expected = getattr(torch.nn.functional, name)(**arguments)
    found = getattr(convx, name)(**{key: as_numpy(value) for key, value in arguments.items()})
    same(found, expected, torch.float32, "")
