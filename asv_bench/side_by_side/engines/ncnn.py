"""ncnn: a net of one layer, everything that serves float32 switched on."""

import tempfile
from pathlib import Path

import ncnn
import numpy as np

from side_by_side import layers
from side_by_side.engines import Unsupported

_RAW_FLOAT32 = b"\0\0\0\0"  # the tag before weights in ncnn's .bin


class Engine:
    version = ncnn.__version__

    def __init__(self, threads):
        self.threads = threads
        ncnn.set_omp_num_threads(threads)
        # Memory of earlier runs is used again, as in ncnn's own benchmark.
        self.allocators = ncnn.UnlockedPoolAllocator(), ncnn.PoolAllocator()

    def prepare(self, layer, task, tensors):
        if task != layers.PLAN:
            raise Unsupported("measured with weights prepared once")
        x, weight, _ = tensors
        if x.dtype != np.float32:
            raise Unsupported("float32 only")
        net = self._net(layer, weight)
        items = [ncnn.Mat(item).clone() for item in x]  # a Mat has no batch: one run an item

        def run():
            results = []
            for item in items:
                extractor = net.create_extractor()
                extractor.input("x", item)
                results.append(extractor.extract("y")[1])
            return results

        return run, lambda results: np.stack([np.array(result) for result in results])

    def _net(self, layer, weight):
        net = ncnn.Net()
        option = net.opt
        option.num_threads = self.threads
        option.blob_allocator, option.workspace_allocator = self.allocators
        option.lightmode = True
        option.use_packing_layout = True
        option.use_winograd_convolution = option.use_sgemm_convolution = True
        option.use_winograd23_convolution = option.use_winograd43_convolution = True
        option.use_winograd63_convolution = True
        option.use_vulkan_compute = False
        option.use_fp16_packed = option.use_fp16_storage = option.use_fp16_arithmetic = False
        option.use_bf16_packed = option.use_bf16_storage = False
        with tempfile.TemporaryDirectory() as directory:
            param, binary = Path(directory, "layer.param"), Path(directory, "layer.bin")
            param.write_text(_param(layer, weight))
            binary.write_bytes(_RAW_FLOAT32 + weight.tobytes())
            if net.load_param(str(param)) or net.load_model(str(binary)):
                raise Unsupported("ncnn does not load the layer")
        return net


def _param(layer, weight):
    kind = "Convolution" + ("DepthWise" if layer.groups > 1 else "") + ("1D", "", "3D")[layer.rank - 1]
    # Width comes first: the numbers of kernel, dilation, stride, padding before and after it.
    axes = ((1, 2, 3, 4, 15), (11, 12, 13, 14, 16), (21, 22, 23, 24, 17))
    fields = {0: layer.filters, 5: 0, 6: weight.size}
    if layer.groups > 1:
        fields[7] = layer.groups
    for keys, kernel, pad in zip(axes, layer.kernel[::-1], layer.pads[::-1], strict=False):
        fields |= dict(zip(keys, (kernel, layer.dilation, layer.stride, pad, pad), strict=True))
    settings = " ".join(f"{key}={value}" for key, value in sorted(fields.items()))
    return f"7767517\n2 2\nInput x 0 1 x\n{kind} y 1 1 x y {settings}\n"
