"""Rounding errors of each algorithm against float64: ``python asv_bench/accuracy.py`` prints the tables.

Of float32 layers, by the number of channels: the root mean square and the largest error, both over the root mean square
of the result, in units of 1e-7 (an element of float32 is rounded by 0.6 of these at most).
"""

import argparse
import sys
from pathlib import Path

import convx
import numpy as np

RESULTS = Path(__file__).resolve().parent / "results" / "accuracy.md"
CHANNELS = (1, 4, 16, 64, 256, 1024)
ALGORITHMS = ("gemm", "direct", "winograd_2x2", "winograd_4x4", "winograd_6x6")
KERNELS = ((3, 3), (5, 5), (3,), (5,), (7,))
DATA = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "uniform in [-1, 1]": lambda rng, shape: rng.uniform(-1, 1, shape),
    "positive, uniform in [0, 1]": lambda rng, shape: rng.uniform(0, 1, shape),
}
FILTERS = 16


def errors(x, w, algorithm, gradient):
    """(root mean square, largest) in units of 1e-7, or None where the algorithm does not serve the layer."""
    rank = x.ndim - 2
    if gradient:
        layer = getattr(convx.grad, f"conv{rank}d_input")
        shape = (x.shape[0], w.shape[1], *x.shape[2:])
        call = lambda x, w, algorithm: layer(shape, w, x, padding="same", algorithm=algorithm)  # noqa: E731
    else:
        layer = getattr(convx, f"conv{rank}d")
        call = lambda x, w, algorithm: layer(x, w, padding="same", algorithm=algorithm)  # noqa: E731
    try:
        y = call(x, w, algorithm)
    except ValueError:
        return None
    exact = call(x.astype(np.float64), w.astype(np.float64), "reference")
    off = np.abs(y - exact) / np.sqrt(np.mean(exact**2))
    return 1e7 * float(np.sqrt(np.mean(off**2))), 1e7 * float(off.max())


def table(kernel, draw, gradient=False):
    """Lines of a Markdown table: algorithms by channels."""
    yield f"| channels | {' | '.join(map(str, CHANNELS))} |"
    yield f"| --- |{' --- |' * len(CHANNELS)}"
    rows = {name: [] for name in ALGORITHMS}
    for channels in CHANNELS:
        rng = np.random.default_rng(channels)
        place = (28, 28) if len(kernel) == 2 else (800,)
        x = draw(rng, (1, channels, *place)).astype(np.float32)
        first, second = (channels, FILTERS) if gradient else (FILTERS, channels)
        w = draw(rng, (first, second, *kernel)).astype(np.float32)
        for name in ALGORITHMS:
            rows[name].append(errors(x, w, name, gradient))
    for name, cells in rows.items():
        if any(cells):
            yield f"| {name} | {' | '.join('-' if c is None else f'{c[0]:.1f}, {c[1]:.0f}' for c in cells)} |"


def report():
    """All tables."""
    yield "# Rounding errors\n"
    yield "Made by `python asv_bench/accuracy.py`: float32 against float64. Each cell: the root mean square of the"
    yield "error, and the largest, both over the root mean square of the result, in units of 1e-7. Columns: channels."
    used = f"convx {convx.__version__}, {convx._core.isa_name()}"
    yield f"\n{used}, {FILTERS} filters, maps of 28x28, signals of 800 places."
    for kernel in KERNELS:
        for name, draw in DATA.items() if kernel == (3, 3) else [("normal", DATA["normal"])]:
            yield f"\n## {'x'.join(map(str, kernel))} kernels, {name}\n"
            yield from table(kernel, draw)
    yield "\n## 3x3 kernels, normal, gradient of the input\n"
    yield from table((3, 3), DATA["normal"], gradient=True)


def main():
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--save", action="store_true", help=f"write {RESULTS.name} in asv_bench/results as well")
    arguments = made.parse_args()
    lines = []
    for line in report():
        print(line, flush=True)
        lines.append(line)
    if arguments.save:
        RESULTS.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
