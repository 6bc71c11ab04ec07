"""OpenVINO: a compiled model and one request, on arrays that are allocated once."""

import openvino

from side_by_side.engines import _onnx


class Engine:
    version = openvino.__version__.partition("-")[0]

    def __init__(self, threads):
        self.core = openvino.Core()
        self.options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }

    def prepare(self, layer, task, tensors):
        model = self.core.read_model(_onnx.model(layer, task, tensors))
        request = self.core.compile_model(model, "CPU", self.options).create_infer_request()
        request.set_input_tensor(openvino.Tensor(tensors[0], shared_memory=True))
        return lambda: request.infer({}, share_outputs=True), lambda _: request.get_output_tensor().data
