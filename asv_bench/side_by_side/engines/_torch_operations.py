"""Pooling, pointwise functions, linear layers and a training step by PyTorch: the operators behind its gradients."""

import numpy as np
import torch
from torch.nn import functional

from side_by_side import operations
from side_by_side.engines import Unsupported

aten = torch.ops.aten
_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def _each(value, rank):
    return list(value) if isinstance(value, tuple) else [value] * rank


def _as_2d(x):
    """1-D pooling is a 2-D one inside PyTorch, too."""
    return x.unsqueeze(2)


def _pooling(operation, task, x):
    options = dict(operation.options)
    rank = x.dim() - 2
    order = torch.contiguous_format
    if task.startswith(operations.LAST):
        if rank not in _CHANNELS_LAST:
            raise Unsupported("no channels-last memory in 1-D")
        order = _CHANNELS_LAST[rank]
        x = x.contiguous(memory_format=order)
    forward = getattr(functional, operation.function)
    if not task.endswith(operations.GRADIENT):
        return lambda: forward(x, **options), torch.Tensor.numpy
    y = forward(x, **options)
    gy = torch.from_numpy(operations.gradient_of(tuple(y.shape), np.float32)).to(x.dtype)
    gy = gy.contiguous(memory_format=order)
    size = options.get("kernel_size", 1)
    kernel, stride = _each(size, rank), _each(options.get("stride", size), rank)
    padding = _each(options.get("padding", 0), rank)
    read = torch.Tensor.numpy
    if rank == 1:
        x, gy = _as_2d(x), _as_2d(gy)
        kernel, stride, padding = [1, *kernel], [1, *stride], [0, *padding]
        read = _read_1d
    plane = max(rank, 2)
    if operation.function.startswith("max"):
        found = getattr(aten, f"max_pool{plane}d_with_indices")(x, kernel, stride, padding)[1]
        backward = getattr(aten, f"max_pool{plane}d_with_indices_backward")
        return lambda: backward(gy, x, kernel, stride, padding, [1] * plane, False, found), read
    if operation.function.startswith("avg"):
        backward = getattr(aten, f"avg_pool{plane}d_backward")
        return lambda: backward(gy, x, kernel, stride, padding, False, True, None), read
    if "max" in operation.function:
        found = getattr(aten, f"adaptive_max_pool{rank}d")(x, _each(options["output_size"], rank))[1]
        backward = getattr(aten, f"adaptive_max_pool{rank}d_backward")
        return lambda: backward(gy, x, found), read
    if options["output_size"] == 1:  # PyTorch takes a mean, whose gradient is one value in every place
        count = x[0, 0].numel()
        return lambda: (gy / count).expand(x.shape).contiguous(memory_format=order), read
    backward = getattr(aten, f"_adaptive_avg_pool{rank}d_backward")
    return lambda: backward(gy, x), read


def _read_1d(gx):
    return gx.squeeze(2).numpy()


def _activation(operation, task, x):
    options = dict(operation.options)
    name = operation.function
    function = getattr(torch, name) if name in ("sigmoid", "tanh") else getattr(functional, name)
    if not task.endswith(operations.GRADIENT):
        return lambda: function(x, **options), torch.Tensor.numpy
    gy = torch.from_numpy(operations.gradient_of(tuple(x.shape), np.float32)).to(x.dtype)
    y = function(x, **options)
    backward = {
        "relu": lambda: aten.threshold_backward(gy, y, 0),
        "relu6": lambda: aten.hardtanh_backward(gy, x, 0.0, 6.0),
        "leaky_relu": lambda: aten.leaky_relu_backward(gy, x, 0.01, False),
        "elu": lambda: aten.elu_backward(gy, 1.0, 1.0, 1.0, False, x),
        "hardtanh": lambda: aten.hardtanh_backward(gy, x, -1.0, 1.0),
        "silu": lambda: aten.silu_backward(gy, x),
        "gelu": lambda: aten.gelu_backward(gy, x, approximate=options.get("approximate", "none")),
        "sigmoid": lambda: aten.sigmoid_backward(gy, y),
        "tanh": lambda: aten.tanh_backward(gy, y),
        "softmax": lambda: aten._softmax_backward_data(gy, y, options["dim"], x.dtype),
        "log_softmax": lambda: aten._log_softmax_backward_data(gy, y, options["dim"], x.dtype),
    }
    return backward[name], torch.Tensor.numpy


def _linear(operation, task, x, weight):
    gy = torch.from_numpy(operations.gradient_of((*x.shape[:-1], len(weight)), np.float32)).to(x.dtype)
    if "input" in task:
        return lambda: gy.mm(weight), torch.Tensor.numpy
    if "weight" in task:
        return lambda: gy.t().mm(x), torch.Tensor.numpy
    return lambda: functional.linear(x, weight), torch.Tensor.numpy


def _training_step(operation, task, x):
    torch.set_grad_enabled(True)
    from torch import nn

    state, targets = operations.digits_state()
    model = operations.digits_network(nn)
    model.to(x.dtype).load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    targets = torch.from_numpy(targets)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step():
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), targets)
        loss.backward()
        optimizer.step()
        return loss

    return step, lambda loss: np.array([loss.item()])


_BY_KIND = {
    operations.POOLING: _pooling,
    operations.ACTIVATION: _activation,
    operations.LINEAR: _linear,
    operations.STEP: _training_step,
}


def prepare(operation, task, tensors):
    """As `Engine.prepare`, for an operation."""
    return _BY_KIND[operation.kind](operation, task, *map(torch.from_numpy, tensors))
