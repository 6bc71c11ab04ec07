"""Times of the demo's layers beside plain NumPy and SciPy, and how far the results are apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage, signal

import convx
from convx import grad
from convx._commands.demo import feature_maps, photograph
from convx._types import Array

# Sums of n float32 products in different orders: their differences grow about as the root of n.
DIFFERENCE_OF_ONE = 1e-6


@dataclass(frozen=True)
class Task:
    """The same result computed three ways."""

    name: str
    products: int  # summed for one element of the result
    convx: Callable[[], Array]
    numpy: Callable[[], Array]
    scipy: Callable[[], Array]


def numpy_layer(x: Array, weight: Array) -> Array:
    """Correlate (channels, height, width) with a bank of filters: one matrix product over windows."""
    windows = sliding_window_view(x, weight.shape[2:], axis=(1, 2))
    return np.tensordot(weight, windows, axes=((1, 2, 3), (0, 3, 4)))


def numpy_each_channel(x: Array, kernel: Array) -> Array:
    """Correlate each channel with one kernel: a shifted sum for each tap, the edge repeated."""
    rows, columns = kernel.shape
    padded = np.pad(x, ((0, 0), (rows // 2, rows // 2), (columns // 2, columns // 2)), mode="edge")
    y = np.zeros_like(x)
    for i in range(rows):
        for j in range(columns):
            y += kernel[i, j] * padded[:, i : i + x.shape[1], j : j + x.shape[2]]
    return y


def scipy_layer(x: Array, weight: Array, mode: str) -> Array:
    """Correlate (channels, height, width) with a bank of filters: one call a pair of channels, summed."""
    return np.stack([sum(signal.correlate2d(x[c], w[c], mode) for c in range(len(x))) for w in weight])


def scipy_image(x: Array, kernels: Array) -> Array:
    """Correlate each channel with its kernel, the edge repeated, and add up."""
    return sum(ndimage.correlate(channel, kernel, mode="nearest") for channel, kernel in zip(x, kernels, strict=True))


def tasks(photo: Array) -> list[Task]:
    """Return the layers of the demo and a deeper one, as three libraries compute them."""
    planar = np.ascontiguousarray(photo.transpose(2, 0, 1))
    border: dict[str, Any] = {"padding": "same", "padding_mode": photograph.BORDER}
    edges, blur = photograph.edge_filters(), photograph.gaussian(2)
    small = feature_maps.small(photo)
    _, six = feature_maps.filters()
    grey = (photo @ photograph.LUMA)[None]
    residual = convx.conv2d(grey, np.ones((1, 1, 5, 5), dtype=np.float32))
    random = np.random.default_rng(0)
    first = random.standard_normal((16, 3, 4, 4)).astype(np.float32)
    second = random.standard_normal((32, 16, 3, 3)).astype(np.float32)
    maps = convx.conv2d(planar, first, stride=4, activation="relu")
    deep = convx.conv2d(maps, second)
    edge_pad = ((0, 0), (1, 1), (1, 1))
    turned = np.ascontiguousarray(second.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1])
    height, width = planar.shape[1:]
    name = f"{height}x{width}"

    def framed() -> Array:
        return np.pad(small.transpose(2, 0, 1), ((0, 0), (2, 2), (2, 2)), mode="edge")

    def relu_last(y: Array) -> Array:
        return np.maximum(y, 0).transpose(1, 2, 0)

    return [
        Task(
            f"edges {name}, 2 filters 3x3x3",
            27,
            lambda: convx.conv2d(planar, edges, **border),
            lambda: numpy_layer(np.pad(planar, edge_pad, mode="edge"), edges),
            lambda: np.stack([scipy_image(planar, w) for w in edges]),
        ),
        Task(
            f"sharpen {name}, 3x3 on each colour",
            9,
            lambda: convx.conv2d(planar, photograph.each_channel(photograph.SHARPEN), groups=3, **border),
            lambda: numpy_each_channel(planar, photograph.SHARPEN),
            lambda: ndimage.correlate(planar, photograph.SHARPEN[None], mode="nearest"),
        ),
        Task(
            f"blur {name}, {len(blur)}x{len(blur)} on each colour",
            blur.size,
            lambda: convx.conv2d(planar, photograph.each_channel(blur), groups=3, **border),
            lambda: numpy_each_channel(planar, blur),
            lambda: ndimage.correlate(planar, blur[None], mode="nearest"),
        ),
        Task(
            "textbook 32x32x3 -> 32x32x6, 5x5",
            75,
            lambda: convx.conv2d(small, six, **feature_maps.LAYER),
            lambda: relu_last(numpy_layer(framed(), six)),
            lambda: relu_last(scipy_layer(framed(), six, "valid")),
        ),
        Task(
            f"deeper {maps.shape[1]}x{maps.shape[2]}, 16 -> 32, 3x3",
            144,
            lambda: convx.conv2d(maps, second),
            lambda: numpy_layer(maps, second),
            lambda: scipy_layer(maps, second, "valid"),
        ),
        Task(
            "  its input gradient",
            288,
            lambda: grad.conv2d_input(maps.shape, second, deep),
            lambda: numpy_layer(np.pad(deep, ((0, 0), (2, 2), (2, 2))), turned),
            lambda: scipy_layer(deep, turned, "full"),
        ),
        Task(
            f"weight gradient {name}, 5x5",
            residual.size,
            lambda: grad.conv2d_weight(grey, (1, 1, 5, 5), residual),
            lambda: numpy_layer(grey, residual[None])[None],
            lambda: scipy_layer(grey, residual[None], "valid")[None],
        ),
    ]


def best_of(call: Callable[[], Array], seconds: float) -> tuple[Array, float]:
    """Return the result of a call and its shortest time; the first call is counted only if it is slow."""
    start = time.perf_counter()
    result = call()
    best = time.perf_counter() - start
    end = start + seconds
    if best < seconds:
        best = float("inf")
        while time.perf_counter() < end or best == float("inf"):
            start = time.perf_counter()
            call()
            best = min(best, time.perf_counter() - start)
    return result, best


def run(photo: Array, seconds: float) -> bool:
    """Print the table and return whether all results agree."""
    print("5. times in milliseconds (shortest), float32; difference: largest, relative to the largest value")
    print(f"   {'':<40}{'convx':>9}{'NumPy':>9}{'SciPy':>10}{'times faster':>15}{'difference':>13}")
    agree = True
    for task in tasks(photo):
        ours, fast = best_of(task.convx, seconds)
        theirs = [best_of(task.numpy, seconds), best_of(task.scipy, seconds)]
        scale = float(np.abs(ours).max())
        difference = max(float(np.abs(ours - other).max()) for other, _ in theirs) / scale
        agree = agree and all(other.shape == ours.shape for other, _ in theirs)
        agree = agree and difference <= DIFFERENCE_OF_ONE * task.products**0.5
        ratios = " / ".join(f"{slow / fast:.0f}" for _, slow in theirs)
        times = f"{fast * 1e3:9.3f}{theirs[0][1] * 1e3:9.2f}{theirs[1][1] * 1e3:10.2f}"
        print(f"   {task.name:<40}{times}{ratios:>15}{difference:13.1e}", flush=True)
    return agree
