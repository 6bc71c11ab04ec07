"""convx beside PyTorch on the samples of PyTorch's own tests for activations, softmax and linear layers."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import convx  # noqa: E402
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402

POINTWISE = ("relu", "relu6", "leaky_relu", "elu", "hardtanh", "silu", "gelu", "sigmoid", "tanh")
NAMES = (*POINTWISE, "softmax", "log_softmax", "linear")
OPS = [op for op in op_db if op.name.removeprefix("nn.functional.") in NAMES and op.variant_test_name != "complex"]
DTYPES = (torch.float32, torch.float64)
CASES = [(op, dtype) for op in OPS for dtype in DTYPES]
IDS = [
    f"{name_and_dtype[0].name}-{name_and_dtype[0].variant_test_name}-{name_and_dtype[1]}" for name_and_dtype in CASES
]
NUMPY = {torch.float32: np.float32, torch.float64: np.float64}


def name_of(op):
    return op.name.removeprefix("nn.functional.")


def as_numpy(value):
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    return NUMPY.get(value, value) if isinstance(value, torch.dtype) else value


def tolerance(dtype):
    return {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-13, "atol": 1e-14}


def arguments_of(sample):
    return [as_numpy(a) for a in sample.args], {key: as_numpy(a) for key, a in sample.kwargs.items()}


def test_every_function_has_samples():
    assert {name_of(op) for op in OPS} == set(NAMES)


@pytest.mark.parametrize(("op", "dtype"), CASES, ids=IDS)
def test_samples_give_the_values_of_torch(op, dtype):
    found_any = False
    for sample in op.sample_inputs("cpu", dtype):
        args, kwargs = arguments_of(sample)
        expected = op(sample.input.clone(), *sample.args, **sample.kwargs).numpy()
        found = getattr(convx, name_of(op))(as_numpy(sample.input).copy(), *args, **kwargs)
        assert found.shape == expected.shape, sample
        assert found.dtype == expected.dtype, sample
        np.testing.assert_allclose(found, expected, **tolerance(dtype), err_msg=str(sample))
        found_any = True
    assert found_any


@pytest.mark.parametrize(("op", "dtype"), CASES, ids=IDS)
def test_gradients_of_samples_are_those_of_autograd(op, dtype):
    name = name_of(op)
    for sample in op.sample_inputs("cpu", dtype):
        args, kwargs = arguments_of(sample)
        wide = kwargs.pop("dtype", None)
        kwargs.pop("inplace", None)
        wanted = {key: value for key, value in sample.kwargs.items() if key != "inplace"}
        x = sample.input.detach().clone().requires_grad_()
        inputs = [x, *(a.detach().clone().requires_grad_() for a in sample.args if isinstance(a, torch.Tensor))]
        rest = [a for a in sample.args if not isinstance(a, torch.Tensor)]
        y = op(*inputs, *rest, **wanted)
        gy = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(7))
        y.backward(gy)
        expected = [a.grad.numpy() for a in inputs]
        given, at = gy.numpy(), as_numpy(x)
        if name == "linear":
            w = args[0]
            found = [convx.grad.linear_input(at.shape, w, given), convx.grad.linear_weight(at, w.shape, given)]
            if len(args) > 1:
                found.append(convx.grad.linear_bias(given))
        elif wide is not None:
            found = [getattr(convx.grad, name)(at.astype(wide), given, *args, **kwargs).astype(at.dtype)]
        else:
            found = [getattr(convx.grad, name)(at, given, *args, **kwargs)]
        for a, b in zip(found, expected, strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, **tolerance(dtype), err_msg=str(sample))


@pytest.mark.parametrize(("op", "dtype"), CASES, ids=IDS)
def test_inputs_that_torch_refuses_are_refused(op, dtype):
    errors = op.error_inputs_func
    for error in errors(op, "cpu") if errors is not None else ():
        args, kwargs = arguments_of(error.sample_input)
        with pytest.raises(error.error_type):
            op(error.sample_input.input, *error.sample_input.args, **error.sample_input.kwargs)
        with pytest.raises((ValueError, TypeError)):
            getattr(convx, name_of(op))(as_numpy(error.sample_input.input), *args, **kwargs)


SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 6.0, 1e-40, -1e-40, 30.0, -30.0, 5.0, -5.0, 80.0, -80.0]
OPTIONS = {
    "leaky_relu": ({}, {"negative_slope": 0.5}, {"negative_slope": -2.0}, {"negative_slope": 0.0}),
    "elu": ({}, {"alpha": 0.5}, {"alpha": 0.0}),
    "hardtanh": ({}, {"min_val": -0.1, "max_val": 0.7}, {"min_val": 1.0, "max_val": 1.0}),
    "gelu": ({}, {"approximate": "tanh"}),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", POINTWISE)
def test_special_values_give_those_of_torch_and_so_do_their_gradients(name, dtype):
    for options in OPTIONS.get(name, ({},)):
        x = torch.tensor(SPECIAL, dtype=dtype).requires_grad_()
        gy = torch.linspace(-2, 3, len(SPECIAL), dtype=dtype)
        y = getattr(torch.nn.functional, name)(x, **options)
        y.backward(gy)
        at, given = x.detach().numpy(), gy.numpy()
        eps = np.finfo(at.dtype).eps
        near = {"rtol": 8 * eps, "atol": 20 * eps}
        found = getattr(convx, name)(at, **options)
        np.testing.assert_allclose(found, y.detach().numpy(), **near, err_msg=str(options))
        found = getattr(convx.grad, name)(at, given, **options)
        np.testing.assert_allclose(found, x.grad.numpy(), **near, err_msg=str(options))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("row", [[np.inf, 0, 1], [-np.inf] * 3, [-np.inf, 0, 1], [np.nan, 0, 1], [1e4, 0, -1e4]])
def test_softmax_of_special_values_is_that_of_torch(name, row, dtype):
    x = torch.tensor(row, dtype=dtype)
    expected = getattr(torch.nn.functional, name)(x, 0).numpy()
    np.testing.assert_allclose(getattr(convx, name)(x.numpy(), 0), expected, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
@pytest.mark.parametrize("ndim", [0, 1, 2, 3, 4])
def test_a_softmax_without_dim_takes_the_axis_of_torch(ndim):
    x = np.random.default_rng(ndim).standard_normal((2, 3, 4, 5)[:ndim])
    np.testing.assert_allclose(convx.softmax(x), torch.nn.functional.softmax(torch.tensor(x)).numpy(), rtol=1e-14)


REFUSED = [
    ("softmax", {"dim": 2}),
    ("softmax", {"dim": -3}),
    ("softmax", {"dim": 1.0}),
    ("softmax", {"dim": "x"}),
    ("log_softmax", {"dim": 2}),
    ("leaky_relu", {"negative_slope": "x"}),
    ("leaky_relu", {"negative_slope": None}),
    ("elu", {"alpha": [1.0]}),
    ("hardtanh", {"min_val": 2.0, "max_val": 1.0}),
    ("gelu", {"approximate": None}),
    ("gelu", {"approximate": "Tanh"}),
    ("linear", {"weight": torch.zeros(4, 2)}),
    ("linear", {"weight": torch.zeros(4, 3, 1)}),
    ("linear", {"weight": torch.zeros(())}),
    ("linear", {"weight": torch.zeros(4, 3, dtype=torch.float64)}),
    ("linear", {"weight": torch.zeros(4, 3), "bias": torch.zeros(3)}),
    ("linear", {"weight": torch.zeros(4, 3), "bias": torch.zeros(4, dtype=torch.float64)}),
    ("linear", {"input": torch.zeros(()), "weight": torch.zeros(4, 3)}),
]


@pytest.mark.parametrize(("name", "changes"), REFUSED, ids=[f"{n}-{i}" for i, (n, _) in enumerate(REFUSED)])
def test_what_torch_refuses_beyond_its_samples_is_refused(name, changes):
    arguments = {"input": torch.zeros(2, 3), **changes}
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)):
        getattr(torch.nn.functional, name)(**arguments)
    with pytest.raises((ValueError, TypeError)):
        getattr(convx, name)(**{key: as_numpy(value) for key, value in arguments.items()})
