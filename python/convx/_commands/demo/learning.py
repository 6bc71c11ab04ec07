"""Gradient descent finds the filter that turned one picture into another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import convx
from convx import grad
from convx._commands.demo import drawing
from convx._commands.demo.photograph import LUMA
from convx._commands.demo.progress import progress
from convx._types import Array

# The filter that the descent has to find: it embosses, lit from the upper right.
HIDDEN = np.array(
    [
        [0.0, 0.1, 0.3, 0.6, 0.9],
        [-0.1, 0.0, 0.4, 0.8, 0.6],
        [-0.3, -0.4, 1.0, 0.4, 0.3],
        [-0.6, -0.8, -0.4, 0.0, 0.1],
        [-0.9, -0.6, -0.3, -0.1, 0.0],
    ],
    dtype=np.float32,
)
MOMENTUM = 0.975
TOLERANCE = 1e-3
SNAPSHOTS = 6


@dataclass(frozen=True)
class Learned:
    """What came out: the picture drawn, and whether the filter is the right one."""

    picture: Path
    recovered: bool


def descend(x: Array, target: Array, shape: tuple[int, ...], steps: int) -> tuple[list[Array], list[float]]:
    """Return the filter and the loss (mean squared difference) before each step and after the last.

    Nesterov's descent: the slope is taken at the place where the momentum leads.
    """
    weight = np.zeros(shape, dtype=x.dtype)
    velocity = np.zeros_like(weight)
    # No direction of the loss curves more than this, so the steps cannot overshoot.
    curvature = 2 * weight.size * np.sum(x.astype(np.float64) ** 2) / target.size
    way, losses = [], []
    status = [""]
    for _ in progress(steps, "   learning", status):
        way.append(weight)
        ahead = weight + MOMENTUM * velocity
        difference = convx.conv2d(x, ahead) - target
        losses.append(float(np.mean(difference**2)))
        status[0] = f"loss {losses[-1]:.1e}"
        slope = grad.conv2d_weight(x, weight.shape, difference * np.float32(2 / difference.size))
        velocity = ahead - weight - slope / np.float32(curvature)
        weight = weight + velocity
    return [*way, weight], [*losses, float(np.mean((convx.conv2d(x, weight) - target) ** 2))]


def run(photo: Array, output: Path, steps: int) -> Learned:
    """Learn the filter from the grey photograph and its filtered version, and draw the way there."""
    grey = (photo @ LUMA)[None, None]
    target = convx.conv2d(grey, HIDDEN[None, None])
    print(f"3. learning a 5x5 filter from the photograph and its filtered version, {steps} steps")
    way, losses = descend(grey, target, (1, 1, 5, 5), steps)
    errors = [float(np.abs(weight[0, 0] - HIDDEN).max()) for weight in way]
    recovered = errors[-1] <= TOLERANCE
    print(f"   largest error of a weight: {errors[-1]:.1e} ({'right' if recovered else 'not yet right'})")

    drawn = drawing.figure(16, 7.6)
    drawn.suptitle("A filter learned by gradient descent from a picture and its filtered version")
    moments = sorted({0, *np.geomspace(min(5, steps), steps, SNAPSHOTS - 1).round().astype(int).tolist()})
    upper, lower = drawn.subfigures(2, 1, height_ratios=[1.5, 1])
    before, after, curves = upper.subplots(1, 3)
    drawing.image(before, grey[0, 0], "picture", cmap="gray", vmin=0, vmax=1)
    limit = float(np.quantile(np.abs(target - target.mean()), 0.995))
    middle = float(target.mean())
    grey_range: dict[str, Any] = {"cmap": "gray", "vmin": middle - limit, "vmax": middle + limit}
    drawing.image(after, target[0, 0], "filtered picture", **grey_range)
    steps_from_one = np.arange(1, len(losses) + 1)
    curves.loglog(steps_from_one, losses, color=drawing.BLUE, label="loss (mean squared difference)")
    curves.loglog(steps_from_one, errors, color=drawing.ORANGE, ls="--", label="largest error of a weight")
    curves.set_xlabel("step + 1")
    curves.set_title("the descent")
    curves.grid(alpha=0.3)
    curves.legend(loc="lower left")
    scale = float(np.abs(HIDDEN).max())
    axes = lower.subplots(1, len(moments) + 1)
    for place, moment in zip(axes, moments, strict=False):
        drawing.signed(place, way[moment][0, 0], scale, f"step {moment}\nlargest error {errors[moment]:.2g}")
    shown = drawing.signed(axes[-1], HIDDEN, scale, "the hidden filter")
    for spine in axes[-1].spines.values():
        spine.set_linewidth(2.5)
    lower.colorbar(shown, ax=axes, shrink=0.8, label="weight")
    return Learned(drawing.save(drawn, output / "learning.png"), recovered)
