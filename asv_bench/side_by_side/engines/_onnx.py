"""A layer as an ONNX model, for the engines that read such."""

import numpy as np

from side_by_side import layers
from side_by_side.engines import Unsupported


def model(layer, task, tensors):
    """The serialised model of one convolution whose weights are a constant."""
    if task != layers.PLAN:
        raise Unsupported("measured with weights prepared once")
    try:
        import onnx
    except ImportError as error:
        raise Unsupported("needs the package onnx") from error
    x, weight, _ = tensors
    if x.dtype != np.float32:
        raise Unsupported("float32 only")
    node = onnx.helper.make_node(
        "Conv",
        ["x", "weight"],
        ["y"],
        kernel_shape=list(layer.kernel),
        strides=[layer.stride] * layer.rank,
        pads=[*layer.pads, *layer.pads],
        dilations=[layer.dilation] * layer.rank,
        group=layer.groups,
    )
    real = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [node],
        "layer",
        [onnx.helper.make_tensor_value_info("x", real, x.shape)],
        [onnx.helper.make_tensor_value_info("y", real, layer.output_shape)],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    made.ir_version = 8  # that of the operator set, rather than the newest, which not every reader knows
    return made.SerializeToString()
