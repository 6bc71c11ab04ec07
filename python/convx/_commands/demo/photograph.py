"""A photograph through edge detection, sharpening and blur, each one convolution layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_sample_image

import convx
from convx._commands.demo import drawing
from convx._types import Array

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=np.float32) / 4
SHARPEN = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], dtype=np.float32)
BORDER = "replicate"


def load() -> Array:
    """Return the photograph: height x width x 3, float32 from 0 to 1."""
    return load_sample_image("china.jpg").astype(np.float32) / 255


def edge_filters() -> Array:
    """Return the weights (2, 3, 3, 3): horizontal and vertical slope of the brightness."""
    slopes = np.stack([SOBEL, SOBEL.T])
    return slopes[:, None] * LUMA[None, :, None, None]


def each_channel(kernel: Array) -> Array:
    """Return the weights of a layer of three groups that filters red, green and blue alike."""
    return np.repeat(kernel[None, None], 3, axis=0)


def gaussian(sigma: float) -> Array:
    """Return a square Gaussian kernel that reaches three sigma and sums to one."""
    reach = int(3 * sigma + 0.5)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = np.outer(bell, bell)
    return (kernel / kernel.sum()).astype(np.float32)


def run(photo: Array, output: Path) -> Path:
    """Filter the photograph and draw the results side by side, with a part of each enlarged."""
    layer: dict[str, Any] = {"padding": "same", "padding_mode": BORDER, "layout": "channels_last"}
    slopes = convx.conv2d(photo, edge_filters(), **layer)
    blur = each_channel(gaussian(2))
    results = [
        ("photograph", photo),
        ("edges: 2 filters 3x3x3", 1 - np.minimum(2 * np.hypot(slopes[..., 0], slopes[..., 1]), 1)),
        ("sharpened: 3x3 on each colour", convx.conv2d(photo, each_channel(SHARPEN), groups=3, **layer)),
        (f"blurred: {blur.shape[-1]}x{blur.shape[-1]} on each colour", convx.conv2d(photo, blur, groups=3, **layer)),
    ]
    drawn = drawing.figure(16, 5.9)
    drawn.suptitle("One photograph through three convolution layers")
    axes = drawn.subplots(2, 4)
    rows, columns = slice(85, 185), slice(135, 285)
    for column, (title, result) in enumerate(results):
        drawing.image(axes[0, column], result, title, cmap="gray", vmin=0, vmax=1)
        drawing.image(axes[1, column], result[rows, columns], cmap="gray", vmin=0, vmax=1)
    axes[1, 0].set_ylabel("a part, enlarged")
    print(f"1. photograph {'x'.join(map(str, photo.shape))}: edges, sharpening and blur as layers")
    return drawing.save(drawn, output / "photograph.png")
