"""The textbook layer: 32x32x3, six filters of 5x5x3, `same`, ReLU -> 32x32x6, channels last.

The border repeats the edge of the picture: with zeros, the black frame around it would be its strongest edge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import convx
from convx._commands.demo import drawing
from convx._types import Array

LAYER: dict[str, Any] = {
    "padding": "same",
    "padding_mode": "replicate",
    "layout": "channels_last",
    "activation": "relu",
}


def small(photo: Array, size: int = 32) -> Array:
    """Return a square of the photograph reduced to `size` x `size` pixels: means of blocks, which is a layer too."""
    block = min(photo.shape[:2]) // size
    square = photo[: size * block, : size * block]
    mean = np.full((3, 1, block, block), 1 / block**2, dtype=np.float32)
    return convx.conv2d(square, mean, stride=block, groups=3, layout="channels_last")


def filters() -> tuple[list[str], Array]:
    """Return six names and the weights (6, 3, 5, 5): four directions, a spot, and warm against cold colours."""
    y, x = np.mgrid[-2:3, -2:3].astype(np.float32)
    bell = np.exp(-(x**2 + y**2) / 3)
    names, kernels = [], []
    for name, angle in (("to the right", 0), ("downwards", 90), ("to lower right", 45), ("to lower left", 135)):
        along = x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle))
        kernels.append(np.repeat((bell * np.sin(1.3 * along))[None], 3, axis=0))
        names.append(name)
    spot = np.exp(-(x**2 + y**2) / 1.5)
    kernels.append(np.repeat((spot / spot.sum() - bell / bell.sum())[None], 3, axis=0))
    names.append("bright spots")
    kernels.append(np.stack([bell, np.zeros_like(bell), -bell]))
    names.append("red without blue")
    return names, np.stack([kernel / np.abs(kernel).sum() for kernel in kernels]).astype(np.float32)


def run(photo: Array, output: Path) -> Path:
    """Run the layer and draw its input, its filters and its six feature maps."""
    x = small(photo)
    names, weight = filters()
    y = convx.conv2d(x, weight, **LAYER)

    drawn = drawing.figure(16, 5.2)
    drawn.suptitle("32x32x3 input, 6 filters of 5x5x3, padding same, ReLU: 32x32x6")
    axes = drawn.subplot_mosaic(
        [["input", *(f"filter {i}" for i in range(6))], ["input", *(f"map {i}" for i in range(6))]],
        width_ratios=[2, 1, 1, 1, 1, 1, 1],
    )
    drawing.image(axes["input"], x, "input")
    for i, name in enumerate(names):
        kernel = weight[i].transpose(1, 2, 0)
        # Filters as colours: grey is zero.
        drawing.image(axes[f"filter {i}"], 0.5 + 0.5 * kernel / np.abs(kernel).max(), name)
        drawing.image(axes[f"map {i}"], y[..., i], f"largest {y[..., i].max():.2f}", cmap=drawing.SEQUENTIAL, vmin=0)
    axes["filter 0"].set_ylabel("filter (grey is 0)")
    axes["map 0"].set_ylabel("feature map")
    before, after = ("x".join(map(str, shape)) for shape in (x.shape, y.shape))
    print(f"2. textbook layer: {before} -> {after}, six filters 5x5x3, channels last, same, ReLU")
    return drawing.save(drawn, output / "feature_maps.png")
