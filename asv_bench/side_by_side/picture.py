"""The bar chart: their time over ours, from 1 to the right where convx is faster, to the left where it is slower."""

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from side_by_side import compare, layers, machine, report

_COLOURS = ("#1b6ca8", "#e08e1b", "#3f9b5f")
_PLAN_ENGINES = ("ONNX Runtime", "OpenVINO", "ncnn")
_FILTER_ENGINES = ("OpenCV", "SciPy", "NumPy")
_TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)
_ROW = 0.25  # inches
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "convx", "font.size": 8, "font.family": "sans-serif"}


def draw(results, run, path):
    """Draw the ratios of one of the runs of `results` into `path`; return whether there was anything to compare."""
    upper = [panel for panel in (_calls(run), _plans(run)) if panel["series"]]
    lower = [panel for panel in (_filters(run),) if panel["series"]]
    bands = [band for band in (upper, lower) if band]
    if not bands:
        return False
    heights = [_ROW * max(len(panel["rows"]) for panel in band) + 0.6 for band in bands]
    with plt.rc_context(_STYLE):
        figure = plt.figure(figsize=(8.5, sum(heights) + 0.9), layout="constrained")
        for part, band in zip(
            figure.subfigures(len(bands), 1, height_ratios=heights, squeeze=False), bands, strict=True
        ):
            axes = part[0].subplots(1, len(band), squeeze=False, sharey=True)[0]
            for axis, panel in zip(axes, band, strict=True):
                _bars(axis, panel)
        figure.suptitle(_title(results, run), fontsize=8.5)
        figure.savefig(path, format="svg", metadata={"Date": None})
        plt.close(figure)
    return True


def _title(results, run):
    peak = f"; FMA peak {run['peak_gflops']:.0f} GFLOP/s" if run["peak_gflops"] else ""
    versions = [f"{name} {version}" for name, version in results["engines"].items()]
    half = (len(versions) + 1) // 2
    what = f"{results['dtype']}, {report.threads(run['threads'])}"
    reservations = "; ".join(report.reservations(results))
    return "\n".join(
        (
            *([f"NOT FOR CLAIMS: {reservations}"] if reservations else []),
            f"Their time / convx' time, {what}: to the right of 1 convx is faster",
            f"{machine.title(results['machine'])}{peak}",
            ", ".join(versions[:half]) + ",",
            ", ".join(versions[half:]),
        )
    )


def _panel(title, names, series, most):
    """One chart: `series` maps a label to one value or None for each of `names`."""
    used = {label: values for label, values in series.items() if any(value is not None for value in values)}
    return {"title": title, "rows": names, "series": used, "most": most}


def _calls(run):
    series = {task: [compare.ratio(case, "PyTorch") for case in _cases(run, task)] for task in layers.PASSES}
    return _panel("plain calls beside PyTorch", _names(run, layers.FORWARD), series, 16)


def _plans(run):
    series = {name: [compare.ratio(case, name) for case in _cases(run, layers.PLAN)] for name in _PLAN_ENGINES}
    return _panel("forward, weights prepared once", _names(run, layers.PLAN), series, 16)


def _filters(run):
    series = {name: [compare.ratio(case, name) for case in _cases(run, layers.FILTER)] for name in _FILTER_ENGINES}
    return _panel("one channel", _names(run, layers.FILTER), series, 128)


def _cases(run, task):
    return [case for case in run["cases"] if case["task"] == task]


def _names(run, task):
    return [case["layer"] for case in _cases(run, task)]


def _bars(axis, panel):
    """Horizontal bars on a logarithmic axis, cut at a quarter and at the panel's `most`."""
    height = 0.8 / len(panel["series"])
    for index, (label, values) in enumerate(panel["series"].items()):
        shift = (index - (len(panel["series"]) - 1) / 2) * height
        pairs = [(row + shift, value - 1) for row, value in enumerate(values) if value is not None]
        axis.barh(*zip(*pairs, strict=True), height, left=1, color=_COLOURS[index], label=label)
    axis.set_xscale("log", base=2)
    axis.set_xlim(0.25, panel["most"])
    axis.xaxis.set_major_locator(FixedLocator(_TICKS))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.axvline(1, color="black", linewidth=0.8)
    axis.grid(axis="x", linewidth=0.4, alpha=0.6)
    axis.set_axisbelow(True)
    axis.set_yticks(range(len(panel["rows"])), panel["rows"])
    axis.set_ylim(len(panel["rows"]) - 0.4, -0.6)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.tick_params(axis="y", length=0)
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 3}
    axis.legend(title=panel["title"], fontsize=7, frameon=False, columnspacing=1.2, handlelength=1.2, **place)
