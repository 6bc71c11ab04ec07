"""Layers of deep networks: speed, memory and what a plan saves."""

import time
import tracemalloc

import convx
import numpy as np
from convx import grad

from . import layers

PASSES = ["forward", "input gradient", "weight gradient"]


def _call(which, name, x, weight, grad_output, **options):
    return {
        "forward": lambda: getattr(convx, name)(x, weight, **options),
        "input gradient": lambda: getattr(grad, name + "_input")(x.shape, weight, grad_output, **options),
        "weight gradient": lambda: getattr(grad, name + "_weight")(x, weight.shape, grad_output, **options),
    }[which]


class Passes:
    """Every pass in both layouts."""

    param_names = ["layer", "pass", "layout"]
    params = [list(layers.DEEP), PASSES, ["channels_first", "channels_last"]]
    dtype = "float32"

    def setup(self, layer, which, layout):
        chosen = layers.DEEP[layer]
        x, weight, grad_output = chosen.tensors(self.dtype)
        if layout == "channels_last":
            x, grad_output = (np.ascontiguousarray(np.moveaxis(a, 1, -1)) for a in (x, grad_output))
        self.flops = chosen.flops
        self.run = _call(which, f"conv{chosen.rank}d", x, weight, grad_output, layout=layout)
        self.run()

    def time_pass(self, layer, which, layout):
        self.run()

    def track_gflops(self, layer, which, layout):
        best = float("inf")
        end = time.perf_counter() + 0.1
        while time.perf_counter() < end:
            start = time.perf_counter()
            self.run()
            best = min(best, time.perf_counter() - start)
        return self.flops / best / 1e9

    track_gflops.unit = "GFLOP/s"


class PassesDouble(Passes):
    """The same in float64, for one layer."""

    params = [["3x3 128->128 28"], PASSES, ["channels_first"]]
    dtype = "float64"


class Plan:
    """A plan beside plain calls, and the memory that it wants."""

    param_names = ["layer"]
    params = [list(layers.DEEP)]

    def setup(self, layer):
        chosen = layers.DEEP[layer]
        self.x, self.weight, _ = chosen.tensors()
        self.plan = convx.plan_conv(self.x.shape, self.weight)
        self.out = self.plan(self.x)

    def time_run(self, layer):
        self.plan(self.x, out=self.out)

    def time_create(self, layer):
        convx.plan_conv(self.x.shape, self.weight)

    def track_workspace(self, layer):
        return self.plan.workspace_bytes

    def track_weights(self, layer):
        return self.plan.weight_bytes

    track_workspace.unit = track_weights.unit = "bytes"


class Memory:
    """Peak memory of the process, and what NumPy is asked for beyond the result."""

    def setup(self):
        self.x, self.weight, _ = layers.Layer(64, 64, (226, 226), (3, 3)).tensors()
        self.out = np.empty((1, 64, 224, 224), np.float32)

    def peakmem_forward_64_224(self):
        convx.conv2d(self.x, self.weight, out=self.out)

    def track_arrays_forward_64_224(self):
        tracemalloc.start()
        convx.conv2d(self.x, self.weight, out=self.out)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    track_arrays_forward_64_224.unit = "bytes"
