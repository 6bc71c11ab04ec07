"""Layers with parameters and gradients, losses, and states that PyTorch shares.

A `Module` has `forward` and `backward`; constructor arguments, parameter names and results are those of `torch.nn`.
There is no record of operations: each module knows its own gradient, and `Sequential` puts them in a row. `convx.optim`
changes the parameters.

Examples
--------
>>> import numpy as np
>>> from convx import nn
>>> network = nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.ReLU(), nn.Flatten(), nn.Linear(18, 10, rng=0))
>>> list(network.state_dict())
['0.weight', '0.bias', '3.weight', '3.bias']
>>> images = np.random.default_rng(0).standard_normal((4, 1, 5, 5), dtype=np.float32)
>>> loss, gradient = nn.cross_entropy(network(images), np.array([3, 0, 2, 1]))
>>> network.backward(gradient).shape
(4, 1, 5, 5)
"""

from __future__ import annotations

from convx.nn._activation import ELU, GELU, Hardtanh, LeakyReLU, LogSoftmax, ReLU, ReLU6, Sigmoid, SiLU, Softmax, Tanh
from convx.nn._container import Dropout, Flatten, Identity, Sequential
from convx.nn._conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from convx.nn._linear import Linear
from convx.nn._loss import cross_entropy, mse_loss
from convx.nn._module import Module
from convx.nn._norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from convx.nn._parameter import Parameter
from convx.nn._pool import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
)

__all__ = [
    "ELU",
    "GELU",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Dropout",
    "Flatten",
    "Hardtanh",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "Module",
    "Parameter",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "cross_entropy",
    "mse_loss",
]
