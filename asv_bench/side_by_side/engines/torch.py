"""PyTorch: functional calls and the operator behind its gradients."""

import torch

from side_by_side import layers
from side_by_side.engines import Unsupported

_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


class Engine:
    version = torch.__version__

    def __init__(self, threads):
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        torch.set_grad_enabled(False)

    def prepare_operation(self, operation, task, tensors):
        from side_by_side.engines import _torch_operations

        return _torch_operations.prepare(operation, task, tensors)

    def prepare(self, layer, task, tensors):
        x, weight, grad_output = (torch.from_numpy(tensor) for tensor in tensors)
        stride, dilation = [layer.stride] * layer.rank, [layer.dilation] * layer.rank
        pads = list(layer.pads)
        forward = getattr(torch.nn.functional, f"conv{layer.rank}d")
        if task == layers.CHANNELS_LAST:
            if layer.rank not in _CHANNELS_LAST:
                raise Unsupported("no channels-last memory in 1-D")
            x, weight = (tensor.contiguous(memory_format=_CHANNELS_LAST[layer.rank]) for tensor in (x, weight))
        if task in (layers.FORWARD, layers.CHANNELS_LAST):
            return lambda: forward(x, weight, None, stride, pads, dilation, layer.groups), torch.Tensor.numpy
        if task not in (layers.INPUT_GRADIENT, layers.WEIGHT_GRADIENT):
            raise Unsupported("measured as plain calls")
        of_input = task == layers.INPUT_GRADIENT
        arguments = (grad_output, x, weight, None, stride, pads, dilation, False, [0] * layer.rank, layer.groups)
        backward, wanted = torch.ops.aten.convolution_backward, [of_input, not of_input, False]
        return lambda: backward(*arguments, wanted), lambda gradients: gradients[0 if of_input else 1].numpy()
