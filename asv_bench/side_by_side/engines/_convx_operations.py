"""Pooling, pointwise functions, linear layers and a training step by convx."""

import convx
import numpy as np
from convx import grad

from side_by_side import operations


def _read_channels_last(y):
    return np.moveaxis(y, -1, 1)


def _pooling(operation, task, x):
    options = dict(operation.options)
    read = np.asarray
    if task.startswith(operations.LAST):
        x, read = np.ascontiguousarray(np.moveaxis(x, 1, -1)), _read_channels_last
        options["layout"] = "channels_last"
    forward = getattr(convx, operation.function)
    if not task.endswith(operations.GRADIENT):
        return lambda: forward(x, **options), read
    backward = getattr(grad, operation.function)
    gy = read(forward(x, **options))
    gy = operations.gradient_of(gy.shape, x.dtype)
    if read is _read_channels_last:
        gy = np.ascontiguousarray(np.moveaxis(gy, 1, -1))
    options.pop("output_size", None)
    if "max" not in operation.function:
        return lambda: backward(x.shape, gy, **options), read
    _, indices = forward(x, **dict(operation.options) | options, return_indices=True)
    return lambda: backward(x, gy, **options, indices=indices), read


def _activation(operation, task, x):
    options = dict(operation.options)
    if not task.endswith(operations.GRADIENT):
        function = getattr(convx, operation.function)
        return lambda: function(x, **options), np.asarray
    gy = operations.gradient_of(x.shape, x.dtype)
    backward = getattr(grad, operation.function)
    if operation.function in ("sigmoid", "tanh", "softmax", "log_softmax"):
        options["output"] = getattr(convx, operation.function)(x, **options)
    return lambda: backward(x, gy, **options), np.asarray


def _linear(operation, task, x, weight):
    gy = operations.gradient_of((*x.shape[:-1], len(weight)), x.dtype)
    if "input" in task:
        return lambda: grad.linear_input(x.shape, weight, gy), np.asarray
    if "weight" in task:
        return lambda: grad.linear_weight(x, weight.shape, gy), np.asarray
    return lambda: convx.linear(x, weight), np.asarray


def _training_step(operation, task, x):
    from convx import nn, optim

    state, targets = operations.digits_state()
    model = operations.digits_network(nn)
    model[0].needs_input_gradient = False  # neither does PyTorch compute that of an input that requires none
    model.load_state_dict(state)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step():
        optimizer.zero_grad()
        loss, gradient = nn.cross_entropy(model(x), targets)
        model.backward(gradient)
        optimizer.step()
        return loss

    return step, lambda loss: np.array([float(loss)])


_BY_KIND = {
    operations.POOLING: _pooling,
    operations.ACTIVATION: _activation,
    operations.LINEAR: _linear,
    operations.STEP: _training_step,
}


def prepare(operation, task, tensors):
    """As `Engine.prepare`, for an operation."""
    return _BY_KIND[operation.kind](operation, task, *tensors)
