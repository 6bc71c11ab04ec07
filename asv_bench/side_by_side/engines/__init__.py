"""One module an engine, with a class `Engine`.

``Engine(threads)`` fixes the threads of the engine. ``prepare(layer, task, tensors)`` returns two functions: one that
runs the task, and one that turns what it returned into a channels-first NumPy array; or it raises `Unsupported`.
Whatever can be prepared once, such as tensors of the engine's own kind, is prepared there, not in the run. Arrays go
in and come out in plain memory, channels first except in the channels-last task: an engine that prefers an order of
its own pays for it, as its users do. An engine with more than convolution has ``prepare_operation(operation, task,
tensors)`` as well, alike.
"""

import importlib

# The name that is shown, the module that the engine's users import, and its tasks' module here.
MODULES = {
    "convx": "convx",
    "PyTorch": "torch",
    "ONNX Runtime": "onnxruntime",
    "OpenVINO": "openvino",
    "ncnn": "ncnn",
    "OpenCV": "cv2",
    "SciPy": "scipy",
    "NumPy": "numpy",
}


class Unsupported(Exception):
    """The engine does not do this task, with the reason."""


def load(name, threads):
    """The engine of that name; ImportError if it is not installed."""
    return importlib.import_module(f"{__name__}.{MODULES[name]}").Engine(threads)
