"""ONNX Runtime: a session, bound to arrays that are allocated once."""

import numpy as np
import onnxruntime

from side_by_side.engines import _onnx


class Engine:
    version = onnxruntime.__version__

    def __init__(self, threads):
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1
        self.options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        self.options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.options.log_severity_level = 3

    def prepare(self, layer, task, tensors):
        model = _onnx.model(layer, task, tensors)
        session = onnxruntime.InferenceSession(model, self.options, providers=["CPUExecutionProvider"])
        out = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(layer.output_shape, np.float32))
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(tensors[0]))
        binding.bind_ortvalue_output("y", out)
        return lambda: session.run_with_iobinding(binding), lambda _: out.numpy()
