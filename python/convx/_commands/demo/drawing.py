"""What the figures of the demo have in common. Colour maps are readable with any colour vision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from convx._types import Array

SEQUENTIAL = "cividis"
DIVERGING = "PuOr"
BLUE, ORANGE = "#0072b2", "#d55e00"


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches."""
    matplotlib.rcParams.update({"font.size": 10, "axes.titlesize": 11, "figure.titlesize": 14})
    return Figure(figsize=(width, height), layout="constrained")


def image(axes: Axes, values: Array, title: str = "", **options: Any) -> AxesImage:
    """Draw an image without ticks; RGB values are clipped to what a screen can show."""
    if values.ndim == 3:
        values = np.clip(values, 0, 1)
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes.imshow(values, **options)


def signed(axes: Axes, values: Array, limit: float, title: str = "") -> AxesImage:
    """Draw values of both signs: zero is white, plus and minus `limit` are the ends of the scale."""
    return image(axes, values, title, cmap=DIVERGING, vmin=-limit, vmax=limit)


def save(drawn: Figure, path: Path) -> Path:
    """Write the figure as a PNG and say so."""
    drawn.savefig(path, dpi=110)
    return path
