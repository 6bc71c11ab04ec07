"""The three passes of a layer in convx, NumPy and SciPy."""

import convx
from convx import grad

from . import layers, peers

LIBRARIES = ["convx", "numpy", "scipy"]


class _Beside:
    param_names = ["layer", "library"]
    table = layers.BESIDE_OTHERS

    def setup(self, layer, library):
        self.layer = self.table[layer]
        self.x, self.weight, self.grad_output = self.layer.tensors()
        self.run = self.ours(f"conv{self.layer.rank}d") if library == "convx" else self.theirs(library)
        self.run()

    def time_pass(self, layer, library):
        self.run()


class Forward(_Beside):
    params = [list(layers.BESIDE_OTHERS), LIBRARIES]

    def ours(self, name):
        return lambda: getattr(convx, name)(self.x, self.weight)

    def theirs(self, library):
        return lambda: peers.FORWARD[library](self.x, self.weight)


class InputGradient(_Beside):
    params = [list(layers.BESIDE_OTHERS), LIBRARIES]

    def ours(self, name):
        return lambda: getattr(grad, name + "_input")(self.x.shape, self.weight, self.grad_output)

    def theirs(self, library):
        return lambda: peers.INPUT_GRADIENT[library](self.grad_output, self.weight)


class WeightGradient(_Beside):
    params = [list(layers.BESIDE_OTHERS), LIBRARIES]

    def ours(self, name):
        return lambda: getattr(grad, name + "_weight")(self.x, self.weight.shape, self.grad_output)

    def theirs(self, library):
        return lambda: peers.WEIGHT_GRADIENT[library](self.x, self.grad_output)


class Depthwise(_Beside):
    table = layers.DEPTHWISE
    params = [list(layers.DEPTHWISE), LIBRARIES]

    def ours(self, name):
        return lambda: getattr(convx, name)(self.x, self.weight, groups=self.layer.groups)

    def theirs(self, library):
        return lambda: peers.DEPTHWISE[library](self.x, self.weight)
