"""Layers that the benchmarks run: random tensors of given shapes."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layer:
    """A convolution of stride 1 without padding, so that every library can do it."""

    channels: int
    filters: int
    size: tuple
    kernel: tuple
    groups: int = 1
    batch: int = 1

    @property
    def rank(self):
        return len(self.size)

    @property
    def flops(self):
        places = np.prod([n - k + 1 for n, k in zip(self.size, self.kernel, strict=True)])
        return 2 * self.batch * self.filters * (self.channels // self.groups) * int(np.prod(self.kernel) * places)

    def tensors(self, dtype="float32"):
        """Return input, weights and a gradient of the output."""
        random = np.random.default_rng(0)
        x = random.standard_normal((self.batch, self.channels, *self.size)).astype(dtype)
        weight = random.standard_normal((self.filters, self.channels // self.groups, *self.kernel)).astype(dtype)
        out = [n - k + 1 for n, k in zip(self.size, self.kernel, strict=True)]
        return x, weight, random.standard_normal((self.batch, self.filters, *out)).astype(dtype)


# Few enough channels that SciPy, which takes a call for each pair of them, ends in time.
BESIDE_OTHERS = {
    "1d 1->1 65536, 33": Layer(1, 1, (65536,), (33,)),
    "1d 16->16 4096, 9": Layer(16, 16, (4096,), (9,)),
    "2d 1->1 512x512, 5x5": Layer(1, 1, (512, 512), (5, 5)),
    "2d 3->6 36x36, 5x5": Layer(3, 6, (36, 36), (5, 5)),
    "2d 16->32 58x58, 3x3": Layer(16, 32, (58, 58), (3, 3)),
    "3d 4->8 18x34x34, 3x3x3": Layer(4, 8, (18, 34, 34), (3, 3, 3)),
}

DEPTHWISE = {
    "1d 32 4096, 9": Layer(32, 32, (4096,), (9,), groups=32),
    "2d 32 114x114, 3x3": Layer(32, 32, (114, 114), (3, 3), groups=32),
    "2d 512 16x16, 3x3": Layer(512, 512, (16, 16), (3, 3), groups=512),
    "2d 64 62x62, 7x7": Layer(64, 64, (62, 62), (7, 7), groups=64),
    "3d 16 18x34x34, 3x3x3": Layer(16, 16, (18, 34, 34), (3, 3, 3), groups=16),
}

DEEP = {
    "3x3 64->64 56": Layer(64, 64, (58, 58), (3, 3)),
    "1x1 256->64 56": Layer(256, 64, (56, 56), (1, 1)),
    "3x3 128->128 28": Layer(128, 128, (30, 30), (3, 3)),
    "3x3 256->256 14": Layer(256, 256, (16, 16), (3, 3)),
    "3x3 512->512 7": Layer(512, 512, (9, 9), (3, 3)),
    "3x3x3 32->32 16": Layer(32, 32, (18, 18, 18), (3, 3, 3)),
}
