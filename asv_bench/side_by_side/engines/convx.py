"""convx."""

import convx
import numpy as np
from convx import grad

from side_by_side import layers


class Engine:
    version = convx.__version__

    def __init__(self, threads):
        convx.set_num_threads(threads)

    def prepare_operation(self, operation, task, tensors):
        from side_by_side.engines import _convx_operations

        return _convx_operations.prepare(operation, task, tensors)

    def prepare(self, layer, task, tensors):
        x, weight, grad_output = tensors
        name = f"conv{layer.rank}d"
        options = {
            "stride": layer.stride,
            "padding": layer.pads,
            "dilation": layer.dilation,
            "groups": layer.groups,
        }
        forward = getattr(convx, name)
        if task == layers.FORWARD:
            return lambda: forward(x, weight, **options), np.asarray
        if task == layers.INPUT_GRADIENT:
            function = getattr(grad, name + "_input")
            return lambda: function(x.shape, weight, grad_output, **options), np.asarray
        if task == layers.WEIGHT_GRADIENT:
            function = getattr(grad, name + "_weight")
            return lambda: function(x, weight.shape, grad_output, **options), np.asarray
        if task == layers.CHANNELS_LAST:
            pixels = np.ascontiguousarray(np.moveaxis(x, 1, -1))
            options["layout"] = "channels_last"
            return lambda: forward(pixels, weight, **options), lambda y: np.moveaxis(y, -1, 1)
        out = np.zeros(layer.output_shape, x.dtype)
        if task == layers.PLAN:
            plan = convx.plan_conv(x.shape, weight, **options)
            return lambda: plan(x, out=out), np.asarray
        return lambda: forward(x, weight, out=out, **options), np.asarray
