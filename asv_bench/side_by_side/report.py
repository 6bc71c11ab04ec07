"""The numbers as text."""

from side_by_side import compare, layers, machine, operations

MOST_NOISE = 0.05  # cores that others may keep busy

_PLAN_ENGINES = ("ONNX Runtime", "OpenVINO", "ncnn", "PyTorch")
_FILTER_ENGINES = ("OpenCV", "SciPy", "NumPy")
_HEADINGS = {
    layers.FORWARD: "forward",
    layers.INPUT_GRADIENT: "input gradient",
    layers.WEIGHT_GRADIENT: "weight gradient",
    layers.CHANNELS_LAST: "channels-last forward",
}


def text(results):
    """All tables and the summary, with the machine."""
    blocks = [_heading(results)]
    for run in results["runs"]:
        blocks += [_run_heading(run, results), _calls(run), _plans(run), _filters(run), *_operations(run)]
    blocks += [_summary(run) for run in results["runs"]]
    trouble = [line for run in results["runs"] for line in run["trouble"]]
    if trouble:
        blocks.append("TROUBLE (not counted above)\n" + "\n".join(f"  {line}" for line in trouble))
    return "\n\n".join(block for block in blocks if block)


def _heading(results):
    lines = [machine.title(results["machine"]) + f"; {results['machine']['system']}; {results['date']}"]
    lines += [f"{results['dtype']}; " + ", ".join(f"{name} {version}" for name, version in results["engines"].items())]
    lines += [f"absent: {name} ({reason})" for name, reason in results["absent"].items()]
    effort = results["effort"]
    if results["others"] is not None:
        lines += [f"meanwhile other processes kept {results['others']:.2f} cores busy"]
    lines += [
        f"each number: best of {effort['rounds']} processes, in each at least {effort['runs']} runs and "
        f"{effort['seconds']} s"
    ]
    lines += [f"NOT FOR CLAIMS: {reason}" for reason in reservations(results)]
    return "\n".join(lines)


def reservations(results):
    """Why these numbers should not be relied on; empty if they can be."""
    found = ["measured in one short round"] if results["effort"]["quick"] else []
    if results["others"] is not None and results["others"] > MOST_NOISE:
        found.append(f"others kept {results['others']:.2f} cores busy meanwhile")
    return found


def threads(count):
    """So many threads, in words."""
    return f"{count} thread{'s' * (count > 1)}"


def _run_heading(run, results):
    peak = run["peak_gflops"]
    known = f"FMA peak measured in this run {peak:.0f} GFLOP/s" if peak else f"FMA peak: {results['peak_unknown']}"
    return (
        f"==== {threads(run['threads'])}; {known}\n"
        "ms: ours. %: flops of the definition a second, of the peak. x: their time / ours. *: new, nobody tuned on it."
    )


def _share(case, run):
    """Percent of the peak, or a dash."""
    seconds, peak = case["times"].get(compare.OURS), run["peak_gflops"]
    return f"{100e-9 * case['flops'] / seconds / peak:.0f}" if seconds and peak else "-"


def _milliseconds(case):
    seconds = case["times"].get(compare.OURS)
    return "-" if seconds is None else f"{seconds * 1e3:.3f}" if seconds < 0.1 else f"{seconds * 1e3:.1f}"


def _ratio(case, engine):
    value = compare.ratio(case, engine)
    return "-" if value is None else f"{value:.2f}"


def _name(case):
    return case["layer"] + ("" if case["known"] else " *")


def _by_layer(cases):
    grouped = {}
    for case in cases:
        grouped.setdefault(case["layer"], {})[case["task"]] = case
    return grouped.values()


def _calls(run):
    cases = [case for case in run["cases"] if case["task"] in _HEADINGS]
    if not cases:
        return ""
    lines = ["plain calls, beside PyTorch's".ljust(34) + "".join(f"{heading:>23}" for heading in _HEADINGS.values())]
    lines += [" " * 34 + f"{'ms':>11}{'%':>5}{'x':>7}" * len(_HEADINGS)]
    for tasks in _by_layer(cases):
        cells = [
            f"{_milliseconds(tasks[task]):>11}{_share(tasks[task], run):>5}{_ratio(tasks[task], 'PyTorch'):>7}"
            for task in _HEADINGS
        ]
        lines.append(f"{_name(tasks[layers.FORWARD]):<34}" + "".join(cells))
    return "\n".join(lines)


def _plans(run):
    best = {case["layer"]: case for case in compare.with_best_other(run["cases"])}
    cases = [best.get(case["layer"], case) for case in run["cases"] if case["task"] == layers.PLAN]
    if not cases:
        return ""
    heading = f"{'ms':>11}{'%':>5}" + "".join(f"{'x ' + name:>15}" for name in _PLAN_ENGINES) + "   best other"
    lines = ["plans: weights prepared once".ljust(34) + heading]
    for case in cases:
        cells = f"{_milliseconds(case):>11}{_share(case, run):>5}"
        cells += "".join(f"{_ratio(case, name):>15}" for name in _PLAN_ENGINES)
        lines.append(f"{_name(case):<34}{cells}   {case.get('best', '-')}")
    return "\n".join(lines)


def _filters(run):
    cases = [case for case in run["cases"] if case["task"] == layers.FILTER]
    if not cases:
        return ""
    lines = [f"{'filters':<34}{'ms':>11}{'%':>5}" + "".join(f"{'x ' + name:>15}" for name in _FILTER_ENGINES)]
    for case in cases:
        cells = "".join(f"{_ratio(case, name):>15}" for name in _FILTER_ENGINES)
        lines.append(f"{_name(case):<34}{_milliseconds(case):>11}{_share(case, run):>5}{cells}")
    return "\n".join(lines)


def _operations(run):
    """A table for each kind of operation, with a column pair for each of its tasks."""
    tables = []
    for tasks in operations.TASKS.values():
        cases = [case for case in run["cases"] if case["task"] in tasks]
        if not cases:
            continue
        wide = 52
        lines = [" " * wide + "".join(f"{task.replace('channels-last', 'CL'):>26}" for task in tasks)]
        lines += [f"{tasks[0] + ', beside PyTorch':<{wide}}" + f"{'ms':>19}{'x':>7}" * len(tasks)]
        for each in _by_layer(cases):
            cells = [f"{_milliseconds(each[task]):>19}{_ratio(each[task], 'PyTorch'):>7}" for task in tasks]
            lines.append(f"{each[tasks[0]]['layer']:<{wide}}" + "".join(cells))
        tables.append("\n".join(lines))
    return tables


def _summary(run):
    if not run["summary"]:
        return ""
    lines = [f"==== summary, {threads(run['threads'])}: their time / ours, geometric mean and least"]
    lines += [f"{'':<62}{'n':>4}{'mean':>8}{'known':>8}{'new':>8}{'least':>8}"]
    for line in run["summary"]:
        means = (line[key] for key in ("mean", "mean_known", "mean_new", "least"))
        means = "".join(f"{'-':>8}" if value is None else f"{value:>8.2f}" for value in means)
        title = f"{line['comparison']}, beside {line['against']}"
        lines.append(f"{title:<62}{line['count']:>4}{means}  {line['least_at']}{_verdict(line)}")
    below = {tuple(case) for line in run["summary"] for case in line["below"]}
    if below:
        lines.append("below their least:")
        lines += [f"  {value:.2f}  {name}" for name, value in sorted(below, key=lambda case: case[1])]
    return "\n".join(lines)


def _verdict(line):
    if line["mean_target"] is None:
        return ""
    met = line["mean"] >= line["mean_target"] and line["least"] >= line["least_target"]
    return f"  [{'met' if met else 'SHORT'}: wanted {line['mean_target']}, least {line['least_target']}]"
