"""``python -m convx demo``: the main job on a real photograph, a network that learns, pictures and times."""

from __future__ import annotations

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import convx

NEEDS = {"matplotlib": "matplotlib", "scipy": "scipy", "sklearn": "scikit-learn"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--output", type=Path, default=Path("demo-out"), help="directory of the pictures (demo-out)")
    parser.add_argument("--steps", type=int, default=800, help="steps of the gradient descent (800)")
    parser.add_argument("--epochs", type=int, default=40, help="times that the network sees each digit (40)")
    parser.add_argument("--seconds", type=float, default=0.3, help="time spent on each number (0.3)")


def run(options: argparse.Namespace) -> int:
    """Run the five parts, print what they found, and fail if a result is not what it must be."""
    missing = [package for module, package in NEEDS.items() if find_spec(module) is None]
    if missing:
        print(f"the demo also needs: pip install {' '.join(missing)}", file=sys.stderr)
        return 2
    # Only now: these need the packages above.
    from convx._commands.demo import digits, feature_maps, learning, photograph, timing

    start = time.perf_counter()
    options.output.mkdir(parents=True, exist_ok=True)
    print(f"convx {convx.__version__} ({convx._core.isa_name()}, {convx.get_num_threads()} threads) on a photograph\n")
    photo = photograph.load()
    pictures = [
        photograph.run(photo, options.output),
        feature_maps.run(photo, options.output),
    ]
    learned = learning.run(photo, options.output, options.steps)
    pictures.append(learned.picture)
    read = digits.run(options.output, options.epochs)
    pictures.append(read.picture)
    agree = timing.run(photo, options.seconds)
    print(f"\nThe pictures are in {options.output.resolve()}:")
    for picture in pictures:
        print(f"  {picture.name}")
    print(f"Took {time.perf_counter() - start:.0f} s.")
    if not learned.recovered:
        print("FAILED: the learned filter is not the one that was looked for", file=sys.stderr)
    if not agree:
        print("FAILED: results differ from NumPy's or SciPy's by more than rounding", file=sys.stderr)
    if not read.good:
        print(f"FAILED: {read.accuracy:.1%} of the held-out digits were read right, not 98%", file=sys.stderr)
    return 0 if learned.recovered and agree and read.good else 1
