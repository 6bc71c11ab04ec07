"""Gradients of the layer functions.

For ``y = convx.conv2d(x, w, b)`` and the gradient ``gy`` of a loss with respect to ``y``, the gradients with respect to
the arguments are ``conv2d_input(x.shape, w, gy)``, ``conv2d_weight(x, w.shape, gy)`` and ``conv_bias(gy)``, each with
the layer's own stride, padding, dilation, groups, padding_mode and layout. An activation is not part of it: `gy` is the
gradient of what the layer stores before the activation.

Examples
--------
>>> import numpy as np
>>> import convx
>>> x = np.arange(9.0).reshape(1, 1, 3, 3)
>>> w = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
>>> gy = np.ones((1, 1, 2, 2))
>>> convx.grad.conv2d_input(x.shape, w, gy)
array([[[[ 1.,  3.,  2.],
         [ 4., 10.,  6.],
         [ 3.,  7.,  4.]]]])
>>> convx.grad.conv2d_weight(x, w.shape, gy)
array([[[[ 8., 12.],
         [20., 24.]]]])
>>> convx.grad.conv_bias(gy)
array([4.])
"""

from __future__ import annotations

from convx.grad._conv import (
    conv1d_input,
    conv1d_weight,
    conv2d_input,
    conv2d_weight,
    conv3d_input,
    conv3d_weight,
    conv_bias,
)
from convx.grad._conv_transpose import (
    conv_transpose1d_input,
    conv_transpose1d_weight,
    conv_transpose2d_input,
    conv_transpose2d_weight,
    conv_transpose3d_input,
    conv_transpose3d_weight,
)
from convx.grad._linear import linear_bias, linear_input, linear_weight
from convx.grad._pointwise import (
    elu,
    gelu,
    hardtanh,
    leaky_relu,
    log_softmax,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    tanh,
)
from convx.grad._pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv1d_input",
    "conv1d_weight",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_input",
    "conv3d_weight",
    "conv_bias",
    "conv_transpose1d_input",
    "conv_transpose1d_weight",
    "conv_transpose2d_input",
    "conv_transpose2d_weight",
    "conv_transpose3d_input",
    "conv_transpose3d_weight",
    "elu",
    "gelu",
    "hardtanh",
    "leaky_relu",
    "linear_bias",
    "linear_input",
    "linear_weight",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]
