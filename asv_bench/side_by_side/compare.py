"""From times to ratios and summaries: arithmetic only.

A case is one task of one layer: ``{"layer", "known", "task", "flops", "times": {engine: seconds}, ...}``. A ratio is
the other engine's time over convx' time: above 1, convx is faster.
"""

import math
from dataclasses import dataclass

from side_by_side import layers, operations

OURS, BEST = "convx", "the best other engine"
# The largest difference of samples, relative to the largest sample, between an engine's result and ours.
TOLERANCE = {"float32": 2e-3, "float64": 1e-10}


def geometric_mean(values):
    """The geometric mean; None of nothing."""
    values = list(values)
    return math.exp(math.fsum(map(math.log, values)) / len(values)) if values else None


def difference(ours, theirs):
    """The largest difference between samples, relative to the largest of ours; infinite if one is not a number."""
    scale = max(map(abs, ours))
    if not all(map(math.isfinite, (*ours, *theirs))):
        return math.inf
    most = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    return most / scale if scale else most


def ratio(case, engine):
    """The engine's time over ours, or None where one of them was not measured."""
    ours, theirs = case["times"].get(OURS), case["times"].get(engine)
    return theirs / ours if ours and theirs else None


def with_best_other(cases):
    """The plans' cases with the fastest of the other engines as `BEST`.

    PyTorch, which has no plan, takes part with its plain call of the forward pass.
    """
    calls = {case["layer"]: case["times"].get("PyTorch") for case in cases if case["task"] == layers.FORWARD}
    found = []
    for case in cases:
        if case["task"] != layers.PLAN or OURS not in case["times"]:
            continue
        others = {name: time for name, time in case["times"].items() if name != OURS}
        if calls.get(case["layer"]):
            others["PyTorch"] = calls[case["layer"]]
        if others:
            best = min(others, key=others.get)
            times = case["times"] | others | {BEST: others[best]}
            found.append(case | {"times": times, "best": best})
    return found


@dataclass(frozen=True)
class Comparison:
    """One line of the summary: which cases, against whom, and what is hoped for."""

    title: str
    tasks: tuple
    against: str
    mean_target: float | None = None
    least_target: float | None = None

    def summary(self, cases):
        """Geometric mean and least ratio of the cases that both engines did; None if there is none."""
        if layers.PLAN in self.tasks:
            cases = with_best_other(cases)
        pairs = [(ratio(case, self.against), case) for case in cases if case["task"] in self.tasks]
        pairs = [(value, case) for value, case in pairs if value is not None]
        if not pairs:
            return None
        least, worst = min(pairs, key=lambda pair: pair[0])
        floor = self.least_target or 0.0
        return {
            "comparison": self.title,
            "against": self.against,
            "count": len(pairs),
            "mean": geometric_mean(value for value, _ in pairs),
            "mean_known": geometric_mean(value for value, case in pairs if case["known"]),
            "mean_new": geometric_mean(value for value, case in pairs if not case["known"]),
            "mean_target": self.mean_target,
            "least": least,
            "least_at": label(worst, self.against),
            "least_target": self.least_target,
            "below": [[label(case, self.against), value] for value, case in pairs if value < floor],
        }


def label(case, against=None):
    """The layer and the task, and which engine the best other one is."""
    task = "" if case["task"] in (layers.FILTER, operations.STEP) else f", {case['task']}"
    return case["layer"] + task + (f" ({case['best']})" if against == BEST else "")


COMPARISONS = (
    Comparison("plain calls, all passes", layers.PASSES, "PyTorch", 2.0, 1.0),
    *(Comparison(f"plain calls, {task}", (task,), "PyTorch") for task in layers.PASSES),
    Comparison("plain calls, channels-last forward", (layers.CHANNELS_LAST,), "PyTorch", 1.15, 0.95),
    Comparison("plans", (layers.PLAN,), BEST, 1.1, 0.85),
    *(Comparison("plans", (layers.PLAN,), engine) for engine in ("ONNX Runtime", "OpenVINO", "ncnn")),
    Comparison(
        "pooling, forward and gradient, both layouts", operations.TASKS[operations.POOLING], "PyTorch", 2.0, 1.0
    ),
    Comparison("pointwise functions and gradients", operations.TASKS[operations.ACTIVATION], "PyTorch", 1.0, 1.0),
    Comparison("linear layers, all passes", operations.TASKS[operations.LINEAR], "PyTorch", 1.0, 1.0),
    Comparison("training step of a small network", operations.TASKS[operations.STEP], "PyTorch", 2.0, 2.0),
    *(Comparison("filters", (layers.FILTER,), engine) for engine in ("OpenCV", "SciPy", "NumPy")),
)


def summarise(cases):
    """The lines of the summary for which there are cases."""
    return [line for comparison in COMPARISONS if (line := comparison.summary(cases))]
