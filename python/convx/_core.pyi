from typing import Any, Literal, final, overload

import numpy as np

from convx._types import Array

@final
class ConvPlan:
    def __new__(
        cls,
        rank: int,
        input_shape: Any,
        weight: Array,
        bias: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: Any,
        padding_mode: Any,
        layout: Any,
        activation: Any,
        algorithm: Any,
        workspace_limit: Any,
        /,
    ) -> ConvPlan: ...
    def __call__(self, input: Any, out: Array | None = None) -> Array: ...
    def explain(self) -> str: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def workspace_bytes(self) -> int: ...
    @property
    def weight_bytes(self) -> int: ...

def conv_forward(
    rank: int,
    transposed: bool,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
    layout: Any,
    activation: Any,
    algorithm: Any,
    out: Any,
    /,
) -> Array: ...
def conv_input_gradient(
    rank: int,
    transposed: bool,
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: Any,
    layout: Any,
    algorithm: Any,
    out: Any,
    /,
) -> Array: ...
def conv_weight_gradient(
    rank: int,
    transposed: bool,
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
    layout: Any,
    algorithm: Any,
    out: Any,
    /,
) -> Array: ...
def conv_bias_gradient(grad_output: Any, layout: Any, out: Any, /) -> Array: ...
def batch_norm_forward(
    rank: int, input: Any, weight: Any, bias: Any, mean: Array, variance: Array, epsilon: float, layout: Any, /
) -> Array: ...
def batch_norm_train(
    rank: int,
    input: Any,
    like: Array,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_variance: Any,
    momentum: float,
    epsilon: float,
    layout: Any,
    /,
) -> tuple[Array, Array, Array]: ...
def batch_norm_gradient(
    rank: int, input: Any, weight: Any, mean: Array, inverse_std: Array, grad_output: Any, layout: Any, /
) -> tuple[Array, Array, Array]: ...
def plain_cross_entropy(scores: Array, ids: Array, /) -> tuple[float, Array] | None: ...
def sgd_step(
    parameters: list[Any],
    velocities: list[Any],
    rate: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    /,
) -> None: ...
def adam_step(
    parameters: list[Any],
    states: list[Any],
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
    amsgrad: bool,
    /,
) -> None: ...
@overload
def pool_forward(
    rank: int,
    maxima: bool,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    count_include_pad: Any,
    divisor_override: Any,
    return_indices: Literal[False],
    layout: Any,
    /,
) -> Array: ...
@overload
def pool_forward(
    rank: int,
    maxima: bool,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    count_include_pad: Any,
    divisor_override: Any,
    return_indices: bool,
    layout: Any,
    /,
) -> Array | tuple[Array, Array]: ...
@overload
def adaptive_pool_forward(
    rank: int,
    maxima: bool,
    input: Any,
    output_size: Any,
    return_indices: Literal[False],
    layout: Any,
    /,
) -> Array: ...
@overload
def adaptive_pool_forward(
    rank: int,
    maxima: bool,
    input: Any,
    output_size: Any,
    return_indices: bool,
    layout: Any,
    /,
) -> Array | tuple[Array, Array]: ...
def max_pool_gradient(
    rank: int,
    input: Any,
    grad_output: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    indices: Any,
    layout: Any,
    /,
) -> Array: ...
def average_pool_gradient(
    rank: int,
    input_size: Any,
    grad_output: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    count_include_pad: Any,
    divisor_override: Any,
    layout: Any,
    /,
) -> Array: ...
def adaptive_max_pool_gradient(
    rank: int,
    input: Any,
    grad_output: Any,
    indices: Any,
    layout: Any,
    /,
) -> Array: ...
def adaptive_average_pool_gradient(
    rank: int,
    input_size: Any,
    grad_output: Any,
    layout: Any,
    /,
) -> Array: ...
def unpool_forward(
    rank: int,
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
    layout: Any,
    /,
) -> Array: ...
def unpool_gradient(
    rank: int,
    grad_output: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
    layout: Any,
    /,
) -> Array: ...
def pointwise_forward(
    function: str, input: Any, inplace: bool, out: Any, alpha: float = ..., beta: float = ..., /
) -> Array: ...
def pointwise_backward(
    function: str, input: Any, grad_output: Any, output: Any, out: Any, alpha: float = ..., beta: float = ..., /
) -> Array: ...
def softmax_forward(log: bool, input: Any, dim: Any, out: Any, /) -> Array: ...
def softmax_backward(log: bool, input: Any, grad_output: Any, dim: Any, output: Any, out: Any, /) -> Array: ...
def linear_forward(input: Any, weight: Any, bias: Any, out: Any, /) -> Array: ...
def linear_input_gradient(input_size: Any, weight: Any, grad_output: Any, out: Any, /) -> Array: ...
def linear_weight_gradient(input: Any, weight_size: Any, grad_output: Any, out: Any, /) -> Array: ...
def linear_bias_gradient(grad_output: Any, out: Any, /) -> Array: ...
def check_result(out: Any, like: Array, /) -> None: ...
def set_num_threads(threads: Any, /) -> None: ...
def get_num_threads() -> int: ...
def version() -> str: ...
def isa_name() -> str: ...
def isas_available() -> tuple[str, ...]: ...
def config() -> str: ...
