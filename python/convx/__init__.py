"""convx: convolution on the CPU for NumPy arrays, forward and both gradients, in 1 to 3 dimensions.

Layer functions carry the names, positional order and defaults of `torch.nn.functional` and take NumPy arrays of float32
or float64, of any strides. `convx.grad` has their gradients; `plan_conv` prepares a layer that runs often.

Examples
--------
>>> import numpy as np
>>> import convx
>>> image = np.arange(16.0).reshape(1, 1, 4, 4)
>>> kernel = np.ones((1, 1, 3, 3))
>>> convx.conv2d(image, kernel)
array([[[[45., 54.],
         [81., 90.]]]])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convx._config import get_cmake_dir, get_include, get_num_threads, set_num_threads, show_config
from convx._core import ConvPlan
from convx._core import version as _version
from convx._layers import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d, plan_conv
from convx._linear import linear
from convx._pointwise import (
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
from convx._pooling import (
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

if TYPE_CHECKING:
    from convx import grad, nn, optim

__version__ = _version()

__all__ = [
    "ConvPlan",
    "__version__",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "elu",
    "gelu",
    "get_cmake_dir",
    "get_include",
    "get_num_threads",
    "grad",
    "hardtanh",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "nn",
    "optim",
    "plan_conv",
    "relu",
    "relu6",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]

# Modules that are imported when they are first asked for.
_LAZY = frozenset({"grad", "nn", "optim"})


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return import_module(f"convx.{name}")
    raise AttributeError(f"module 'convx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | _LAZY)
