"""A small network learns to read handwritten digits, and shows what it looks at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from sklearn.datasets import load_digits

from convx import nn, optim
from convx._commands.demo import drawing
from convx._commands.demo.progress import progress
from convx._types import Array

HELD_OUT = 360
BATCH = 64
RATE = 2e-2
SMOOTHING = 0.1  # of the labels: the network is kept from being too sure of what it learns by heart
REQUIRED = 0.98
SHOWN = 2  # a digit that is drawn


@dataclass(frozen=True)
class Read:
    """What came out: the picture drawn, and the part of the held-out digits that was read right."""

    picture: Path
    accuracy: float

    @property
    def good(self) -> bool:
        """Whether enough of them was."""
        return self.accuracy >= REQUIRED


@dataclass(frozen=True)
class Course:
    """How training went: the loss of each step, and the accuracy on held-out digits after each epoch."""

    losses: list[float]
    accuracies: list[float]


def network(rng: np.random.Generator) -> nn.Sequential:
    """Return the network: 8x8 pixels to the scores of ten classes."""
    first = nn.Conv2d(1, 16, 3, padding=1, rng=rng)
    first.needs_input_gradient = False
    return nn.Sequential(
        first,
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, rng=rng),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10, rng=rng),
    )


def accuracy(model: nn.Sequential, images: Array, classes: Array) -> float:
    """Return the part of the images that the network reads right."""
    right = model.eval()(images).argmax(axis=1) == classes
    model.train()
    return float(right.mean())


def train(model: nn.Sequential, images: Array, classes: Array, epochs: int, rng: np.random.Generator) -> Course:
    """Train on all digits but the first `HELD_OUT` and return how it went."""
    course = Course([], [])
    adam = optim.Adam(model.parameters())
    learned_images, learned_classes = images[HELD_OUT:], classes[HELD_OUT:]
    batches = -(-len(learned_images) // BATCH)
    status = [""]
    for _ in progress(epochs, "   training", status):
        for part in np.array_split(rng.permutation(len(learned_images)), batches):
            adam.lr = RATE * (1 - len(course.losses) / (epochs * batches))
            scores = model(learned_images[part])
            loss, gradient = nn.cross_entropy(scores, learned_classes[part], label_smoothing=SMOOTHING)
            adam.zero_grad()
            model.backward(gradient)
            adam.step()
            course.losses.append(loss)
        course.accuracies.append(accuracy(model, images[:HELD_OUT], classes[:HELD_OUT]))
        status[0] = f"loss {course.losses[-1]:.4f}, held out {course.accuracies[-1]:.1%}"
    return course


def draw_course(axes: Axes, course: Course) -> None:
    """Draw losses, and errors on held-out digits beside them."""
    epochs = len(course.accuracies)
    steps = np.linspace(0, epochs, len(course.losses), endpoint=False)
    axes.plot(steps, course.losses, color=drawing.BLUE, lw=0.8, label="loss of a batch")
    axes.set_ylim(0, 2.5)
    axes.set_xlabel("epoch")
    axes.set_ylabel("cross entropy", color=drawing.BLUE)
    axes.set_title("training")
    axes.grid(alpha=0.3)
    errors = axes.twinx()
    wrong = [100 * (1 - part) for part in course.accuracies]
    errors.plot(np.arange(1, epochs + 1), wrong, color=drawing.ORANGE, ls="--", marker=".")
    errors.axhline(100 * (1 - REQUIRED), color="grey", ls=":")
    errors.set_ylim(0, 10)
    errors.set_ylabel("held-out digits read wrong, %  (dotted: what is allowed)", color=drawing.ORANGE)


def draw(model: nn.Sequential, digit: Array, course: Course, path: Path) -> Path:
    """Draw filters, feature maps of one digit, and the course of training."""
    filters = model[0].weight.data[:, 0]
    model.eval()
    maps, deep = (model[:layers](digit[None])[0] for layers in (2, 5))
    chances = nn.Softmax(1)(model(digit[None]))[0]
    model.train()

    drawn = drawing.figure(16, 8.2)
    drawn.suptitle("A network of two convolution layers learns to read handwritten digits of 8x8 pixels")
    left, right = drawn.subfigures(1, 2, width_ratios=[1.35, 1])
    rows = left.subfigures(3, 1)
    rows[0].suptitle("the first layer's 16 filters (white is 0)", fontsize=11)
    limit = float(np.abs(filters).max())
    for axes, kernel in zip(rows[0].subplots(2, 8).ravel(), filters, strict=True):
        drawing.signed(axes, kernel, limit)
    rows[1].suptitle("what each makes of the digit on the right, after ReLU", fontsize=11)
    for axes, each in zip(rows[1].subplots(2, 8).ravel(), maps, strict=True):
        drawing.image(axes, each, cmap=drawing.SEQUENTIAL, vmin=0, vmax=float(maps.max()))
    rows[2].suptitle("the second layer's 32 feature maps, of half the size", fontsize=11)
    for axes, each in zip(rows[2].subplots(3, 11).ravel(), [*deep, None], strict=True):
        if each is None:
            axes.set_axis_off()
        else:
            drawing.image(axes, each, cmap=drawing.SEQUENTIAL, vmin=0, vmax=float(deep.max()))
    curve, below = right.subfigures(2, 1, height_ratios=[1.6, 1])
    draw_course(curve.subplots(), course)
    picture, bars = below.subplots(1, 2)
    drawing.image(picture, digit[0], "the digit", cmap="gray_r")
    bars.bar(np.arange(10), chances, color=drawing.BLUE)
    bars.set_xticks(np.arange(10))
    bars.set_ylim(0, 1.05)
    bars.set_title("probability of each class")
    return drawing.save(drawn, path)


def run(output: Path, epochs: int) -> Read:
    """Train on scikit-learn's digits, test on those held out, and draw what was learned."""
    rng = np.random.default_rng(0)
    data = load_digits()
    order = rng.permutation(len(data.target))
    images, classes = (data.images[order, None] / 16).astype(np.float32), data.target[order]
    print(f"4. reading digits: {len(images) - HELD_OUT} to learn from, {HELD_OUT} held out, {epochs} epochs")
    model = network(rng)
    course = train(model, images, classes, epochs, rng)
    read = accuracy(model, images[:HELD_OUT], classes[:HELD_OUT])
    print(f"   held-out digits read right: {read:.1%} ({'enough' if read >= REQUIRED else 'not enough'})")
    digit = images[np.flatnonzero(classes[:HELD_OUT] == SHOWN)[0]]
    return Read(draw(model, digit, course, output / "digits.png"), read)
