"""A progress bar: one line that is redrawn on a terminal, a line every quarter elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator


def progress(steps: int, title: str, status: list[str], width: int = 32) -> Iterator[int]:
    """Count from 0 to `steps` - 1 and draw how far that is; `status` holds one text, which the loop may change."""
    start = shown = time.perf_counter()
    terminal = sys.stdout.isatty()
    for step in range(steps):
        yield step
        done = step + 1
        now = time.perf_counter()
        due = now - shown > 0.1 if terminal else done * 4 // steps > step * 4 // steps
        if due or done == steps:
            shown = now
            filled = width * done // steps
            bar = "#" * filled + "-" * (width - filled)
            left = (now - start) / done * (steps - done)
            line = f"{title} [{bar}] {done:>{len(str(steps))}}/{steps}  {left:4.0f} s left  {status[0]}"
            print(f"\r{line:<110}" if terminal else line, end="" if terminal and done < steps else "\n", flush=True)
