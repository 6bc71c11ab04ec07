"""``python -m convx bench``: a short table of layer times on this machine."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import convx
from convx import grad
from convx._core import isa_name
from convx._types import Array


@dataclass(frozen=True)
class Layer:
    """A square 2-D layer, `same`-like padding of half the kernel."""

    kernel: int
    in_channels: int
    out_channels: int
    size: int
    stride: int = 1
    groups: int = 1

    @property
    def name(self) -> str:
        """How the table calls it."""
        step = f"s{self.stride}" if self.stride > 1 else ""
        group = f" groups={self.groups}" if self.groups > 1 else ""
        return (
            f"{self.kernel}x{self.kernel}{step} {self.in_channels}->{self.out_channels} {self.size}x{self.size}{group}"
        )


LAYERS = (
    Layer(7, 3, 64, 224, stride=2),
    Layer(1, 64, 64, 56),
    Layer(3, 64, 64, 56),
    Layer(3, 128, 128, 28),
    Layer(3, 128, 128, 56, stride=2),
    Layer(1, 256, 512, 56, stride=2),
    Layer(3, 256, 256, 14),
    Layer(1, 1024, 256, 14),
    Layer(3, 512, 512, 7),
    Layer(3, 32, 32, 112, groups=32),
    Layer(3, 512, 512, 14, groups=512),
    Layer(5, 3, 6, 32),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--layout", choices=("channels_first", "channels_last"), default="channels_first")
    parser.add_argument("--algorithm", default="auto", help="auto (default), gemm, direct, winograd, reference, ...")
    parser.add_argument("--batch", type=int, default=1, help="items a call (default 1)")
    parser.add_argument("--threads", type=int, default=0, help="threads (default: what the process may use)")
    parser.add_argument("--seconds", type=float, default=0.1, help="time spent on each number (default 0.1)")


def run(options: argparse.Namespace) -> int:
    """Print the table: best time and GFLOP/s of the forward pass and both gradients."""
    before = convx.get_num_threads()
    convx.set_num_threads(options.threads)
    try:
        threads = convx.get_num_threads()
        print(f"convx {convx.__version__}, {isa_name()}, {options.dtype}, {options.layout}, {threads} threads")
        columns = ("forward", "grad x", "grad w")
        print(f"{'layer':<34}" + "".join(f"{column + ' ms':>14}{'GFLOP/s':>9}" for column in columns))
        for layer in LAYERS:
            cells = []
            for call, flops in _passes(layer, options):
                try:
                    seconds = _best(call, options.seconds)
                    cells.append(f"{seconds * 1e3:14.3f}{flops / seconds / 1e9:9.1f}")
                except ValueError:  # an algorithm that does not serve this layer
                    cells.append(f"{'-':>14}{'-':>9}")
            print(f"{layer.name:<34}" + "".join(cells), flush=True)
    finally:
        convx.set_num_threads(before)
    return 0


def _passes(layer: Layer, options: argparse.Namespace) -> list[tuple[Callable[[], Array], float]]:
    random = np.random.default_rng(0)
    last = options.layout == "channels_last"

    def tensor(channels: int, size: int) -> Array:
        shape = (options.batch, size, size, channels) if last else (options.batch, channels, size, size)
        return random.standard_normal(shape).astype(options.dtype)

    shape = (layer.out_channels, layer.in_channels // layer.groups, layer.kernel, layer.kernel)
    x, w = tensor(layer.in_channels, layer.size), random.standard_normal(shape).astype(options.dtype)
    after = {"stride": layer.stride, "padding": layer.kernel // 2, "groups": layer.groups, "layout": options.layout}
    after["algorithm"] = options.algorithm
    size = (layer.size - 1) // layer.stride + 1
    gy = tensor(layer.out_channels, size)
    flops = 2.0 * options.batch * size * size * w.size
    return [
        (lambda: convx.conv2d(x, w, **after), flops),
        (lambda: grad.conv2d_input(x.shape, w, gy, **after), flops),
        (lambda: grad.conv2d_weight(x, w.shape, gy, **after), flops),
    ]


def _best(call: Callable[[], Array], seconds: float) -> float:
    """The shortest time of a call, after one that is not counted."""
    call()
    best = float("inf")
    end = time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        call()
        now = time.perf_counter()
        best = min(best, now - start)
        if now > end:
            return best
