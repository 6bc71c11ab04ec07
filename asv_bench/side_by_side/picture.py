"""The bar chart."""

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from side_by_side import compare, layers, machine

_COLOURS = ("#1b6ca8", "#e08e1b", "#3f9b5f", "#b0413e")
_PASSES = (layers.FORWARD, layers.INPUT_GRADIENT, layers.WEIGHT_GRADIENT)
_PLAN_ENGINES = ("ONNX Runtime", "OpenVINO", "ncnn")
_TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32)


def draw(results, run, path):
    """Draw the ratios of one of the runs of `results` into `path`; return `path`."""
    panels = [panel for panel in (_calls(run), _plans(run), _filters(run)) if panel["rows"]]
    style = {"svg.fonttype": "none", "svg.hashsalt": "convx", "font.size": 8, "font.family": "sans-serif"}
    with plt.rc_context(style):
        tallest = max(len(panel["rows"]) for panel in panels)
        ratios = [3.0 if panel["wide"] else 1.5 for panel in panels]
        figure, axes = plt.subplots(
            1,
            len(panels),
            figsize=(3.7 * sum(ratios) / 3 + 1.5, 1.3 + 0.27 * tallest),
            squeeze=False,
            width_ratios=ratios,
            layout="constrained",
        )
        for axis, panel in zip(axes[0], panels, strict=True):
            _bars(axis, panel, tallest)
        threads = f"{run['threads']} thread{'s' * (run['threads'] > 1)}"
        peak = f", FMA peak {run['peak_gflops']:.0f} GFLOP/s" if run["peak_gflops"] else ""
        figure.suptitle(
            f"Their time / convx' time ({results['dtype']}, {threads}); longer bars: convx is faster\n"
            f"{machine.title(results['machine'])}{peak}; "
            + ", ".join(f"{name} {version}" for name, version in results["engines"].items()),
            fontsize=8.5,
        )
        figure.savefig(path, format="svg", metadata={"Date": None})
        plt.close(figure)
    return path


def _panel(title, cases, series, wide=True):
    """Rows of (name, value of each series or None), without the rows and the series that have no value."""
    rows = [(name, [value(case) for _, value in series]) for name, case in cases]
    rows = [row for row in rows if any(value is not None for value in row[1])]
    used = [index for index in range(len(series)) if any(values[index] is not None for _, values in rows)]
    rows = [(name, [values[index] for index in used]) for name, values in rows]
    return {
        "title": title,
        "rows": rows,
        "series": [(series[index][0], _COLOURS[index]) for index in used],
        "wide": wide,
    }


def _calls(run):
    grouped = {}
    for case in run["cases"]:
        if case["task"] in _PASSES:
            grouped.setdefault(case["layer"], {})[case["task"]] = case

    def value(task):
        return lambda tasks: compare.ratio(tasks[task], "PyTorch") if task in tasks else None

    return _panel("plain calls beside PyTorch", list(grouped.items()), [(task, value(task)) for task in _PASSES])


def _plans(run):
    cases = [(case["layer"], case) for case in run["cases"] if case["task"] == layers.PLAN]
    return _panel("plans (weights prepared once), forward", cases, [(name, _against(name)) for name in _PLAN_ENGINES])


def _filters(run):
    cases = [(case["layer"], case) for case in run["cases"] if case["task"] == layers.FILTER]
    series = [(name, _against(name)) for name in ("OpenCV", "SciPy", "NumPy")]
    return _panel("filters", cases, series, wide=False)


def _against(name):
    return lambda case: compare.ratio(case, name)


def _bars(axis, panel, tallest):
    """Horizontal bars from 1 to each ratio, on a logarithmic axis."""
    count = len(panel["series"])
    height = 0.8 / count
    for index, (name, colour) in enumerate(panel["series"]):
        places = [row + (index - (count - 1) / 2) * height for row in range(len(panel["rows"]))]
        pairs = [(place, row[1][index]) for place, row in zip(places, panel["rows"], strict=True)]
        pairs = [(place, value) for place, value in pairs if value is not None]
        axis.barh([p for p, _ in pairs], [v - 1 for _, v in pairs], height, left=1, color=colour, label=name)
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(FixedLocator(_TICKS))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    values = [value for _, row in panel["rows"] for value in row if value is not None]
    axis.set_xlim(min(0.5, *values) * 0.95, max(2.0, *values) * 1.05)
    axis.axvline(1, color="black", linewidth=0.8)
    axis.grid(axis="x", linewidth=0.4, alpha=0.6)
    axis.set_axisbelow(True)
    axis.set_yticks(range(len(panel["rows"])), [name for name, _ in panel["rows"]])
    axis.set_ylim(max(tallest, 1) - 0.4, -0.6)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.set_title(panel["title"], fontsize=8.5)
    axis.legend(fontsize=7, loc="lower right", frameon=False)
