"""Pooling, pointwise functions, linear layers and a training step."""

import convx
import numpy as np
from convx import grad, nn, optim

POOLS = {
    "max 3x3s2 64 112": ("max_pool2d", (1, 64, 112, 112), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "max 2x2 128 56": ("max_pool2d", (1, 128, 56, 56), {"kernel_size": 2}),
    "max 31x31 8 256": ("max_pool2d", (1, 8, 256, 256), {"kernel_size": 31, "stride": 1, "padding": 15}),
    "average 3x3 192 35": ("avg_pool2d", (1, 192, 35, 35), {"kernel_size": 3, "stride": 1, "padding": 1}),
    "average 2x2 128 56": ("avg_pool2d", (1, 128, 56, 56), {"kernel_size": 2}),
    "average 31x31 8 256": ("avg_pool2d", (1, 8, 256, 256), {"kernel_size": 31, "stride": 1, "padding": 15}),
    "average of all 512 7": ("adaptive_avg_pool2d", (8, 512, 7, 7), {"output_size": 1}),
}
FUNCTIONS = ["relu", "leaky_relu", "elu", "hardtanh", "silu", "gelu", "sigmoid", "tanh", "softmax", "log_softmax"]


def _random(shape, dtype="float32"):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


class Pooling:
    """Forward and gradient in both layouts; a gradient of maxima looks for them again."""

    param_names = ["pool", "layout"]
    params = [list(POOLS), ["channels_first", "channels_last"]]

    def setup(self, pool, layout):
        name, shape, options = POOLS[pool]
        self.x = _random(shape)
        if layout == "channels_last":
            self.x = np.ascontiguousarray(np.moveaxis(self.x, 1, -1))
        self.options = {**options, "layout": layout}
        self.forward, self.gradient = getattr(convx, name), getattr(grad, name)
        self.grad_output = _random(self.forward(self.x, **self.options).shape)
        self.of_gradient = {key: value for key, value in self.options.items() if key != "output_size"}
        self.given = self.x if "max" in name else self.x.shape

    def time_forward(self, pool, layout):
        self.forward(self.x, **self.options)

    def time_gradient(self, pool, layout):
        self.gradient(self.given, self.grad_output, **self.of_gradient)


class Pointwise:
    """A million elements; softmax along rows of a thousand."""

    param_names = ["function", "dtype"]
    params = [FUNCTIONS, ["float32", "float64"]]

    def setup(self, function, dtype):
        self.x, self.grad_output = _random((1000, 1000), dtype), _random((1000, 1000), dtype)
        self.options = {"dim": 1} if "softmax" in function else {}
        self.out = np.empty_like(self.x)
        self.forward, self.gradient = getattr(convx, function), getattr(grad, function)

    def time_forward(self, function, dtype):
        self.forward(self.x, **self.options, out=self.out)

    def time_gradient(self, function, dtype):
        self.gradient(self.x, self.grad_output, **self.options)


class Linear:
    """All passes."""

    param_names = ["rows", "features"]
    params = [[1, 64, 256], [64, 1024]]

    def setup(self, rows, features):
        self.x, self.grad_output = _random((rows, features)), _random((rows, features))
        self.weight = _random((features, features))

    def time_forward(self, rows, features):
        convx.linear(self.x, self.weight)

    def time_input_gradient(self, rows, features):
        grad.linear_input(self.x.shape, self.weight, self.grad_output)

    def time_weight_gradient(self, rows, features):
        grad.linear_weight(self.x, self.weight.shape, self.grad_output)


class Training:
    """A step of a small network on 64 images of 8x8 places."""

    def setup(self):
        self.model = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, rng=0),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1, rng=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(128, 10, rng=2),
        )
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)
        self.x, self.targets = _random((64, 1, 8, 8)), np.arange(64) % 10

    def time_step(self):
        self.optimizer.zero_grad()
        _, gradient = nn.cross_entropy(self.model(self.x), self.targets)
        self.model.backward(gradient)
        self.optimizer.step()
