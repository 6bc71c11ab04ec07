"""Layers with parameters and gradients, losses, and states that PyTorch shares.

A `Module` has `forward` and `backward`; constructor arguments, parameter names and results are those of `torch.nn`.
There is no record of operations: each module knows its own gradient, and `Sequential` puts them in a row. `convx.optim`
changes the parameters.

Examples
--------
>>> import numpy as np
>>> from convx import nn
>>> network = nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.BatchNorm2d(2), nn.Flatten())
>>> sorted(network.state_dict())[:3]
['0.bias', '0.weight', '1.bias']
>>> images = np.random.default_rng(0).standard_normal((4, 1, 5, 5), dtype=np.float32)
>>> loss, gradient = nn.cross_entropy(network(images), np.array([3, 0, 2, 1]))
>>> network.backward(gradient).shape
(4, 1, 5, 5)
"""

from __future__ import annotations

from convx.nn._container import Dropout, Flatten, Identity, Sequential
from convx.nn._conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from convx.nn._loss import cross_entropy, mse_loss
from convx.nn._module import Module
from convx.nn._norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from convx.nn._parameter import Parameter

__all__ = [
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
    "Identity",
    "Module",
    "Parameter",
    "Sequential",
    "cross_entropy",
    "mse_loss",
]
