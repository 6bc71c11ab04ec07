"""The shortest and the median time of a call."""

import statistics
import time
from dataclasses import dataclass

_MOST_RUNS = 5000


@dataclass(frozen=True)
class Effort:
    """How long a call is measured: at least so many seconds, and at least so many runs."""

    seconds: float
    runs: int


FULL = Effort(0.15, 5)
QUICK = Effort(0.03, 3)


def measure(call, effort):
    """Return (best, median) in seconds, after one call that is not counted.

    The arguments stay the same, so that what fits into the caches is there: every engine is measured like this.
    """
    call()
    times = []
    total = 0.0
    while (total < effort.seconds or len(times) < effort.runs) and len(times) < _MOST_RUNS:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
        total += times[-1]
    return min(times), statistics.median(times)
