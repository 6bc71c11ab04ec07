"""The command: what to measure, in which order, and where the numbers go."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from side_by_side import compare, engines, layers, machine, operations, processes, report, timing

RESULTS = Path(__file__).resolve().parents[1] / "results"


def _thread_counts(text):
    counts = [int(part) for part in text.split(",")]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError("threads must be at least 1")
    return counts


def _engine_names(text):
    known = {word.lower().replace(" ", ""): name for name, module in engines.MODULES.items() for word in (module, name)}
    wanted = [part.strip().lower().replace(" ", "") for part in text.split(",")]
    if unknown := [part for part in wanted if part not in known]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    return [compare.OURS, *(known[part] for part in wanted if known[part] != compare.OURS)]


def parser():
    """The options."""
    made = argparse.ArgumentParser(
        prog="side_by_side",
        description="Measure convx beside the engines that are installed, each in a process of its own.",
    )
    every = len(os.sched_getaffinity(0))
    made.add_argument(
        "--threads", type=_thread_counts, default=[every], help=f"such as 2,1 (default {every}: all cores)"
    )
    made.add_argument("--quick", action="store_true", help="one short round, for a first look; not for claims")
    made.add_argument("--rounds", type=int, help="times that each engine gets its turn; the best counts (default 3)")
    made.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    made.add_argument("--layers", default="", help="only those whose names contain one of these words, comma-separated")
    made.add_argument("--engines", type=_engine_names, default=list(engines.MODULES), help="comma-separated")
    made.add_argument("--output", type=Path, help=f"directory for numbers and picture (default {RESULTS}[/quick])")
    return made


class Progress:
    """One line on standard error: how far it is, and what is being measured."""

    def __init__(self, total):
        self.total, self.done, self.width = total, 0, 0
        self.start = time.monotonic()
        self.live = sys.stderr.isatty()

    def begin(self, heading):
        """Another process starts."""
        self.done += 1
        self.heading = f"[{self.done}/{self.total}, {time.monotonic() - self.start:.0f} s] {heading}"
        if not self.live:
            print(self.heading, file=sys.stderr, flush=True)

    def show(self, what):
        """Something in that process starts."""
        if self.live:
            line = f"{self.heading}: {what}"[:118]
            print("\r" + line.ljust(self.width), end="", file=sys.stderr, flush=True)
            self.width = len(line)

    def end(self):
        """Leave an empty line."""
        if self.live:
            print("\r" + " " * self.width + "\r", end="", file=sys.stderr, flush=True)


class Run:
    """All measurements with one number of threads."""

    def __init__(self, threads, chosen):
        self.threads = threads
        self.peak = None
        self.tasks = [(layer, task) for layer in chosen for task in layer.tasks]
        self.cases = [
            {
                "layer": layer.name,
                "known": layer.known,
                "task": task,
                "flops": layer.flops,
                "times": {},
                "medians": {},
                "differences": {},
            }
            for layer, task in self.tasks
        ]
        self.samples = [None] * len(self.tasks)
        self.refused = {}
        self.trouble = []

    def measure(self, engine, dtype, effort, progress):
        """Let one engine do all its tasks; return its version and, if it is absent, why."""
        able = [index for index in range(len(self.tasks)) if (engine, index) not in self.refused]
        if not able:
            return None, "nothing of this is for it"
        names = [f"{self.tasks[index][0].name}, {self.tasks[index][1]}" for index in able]
        version, outcomes = processes.measure(
            engine,
            self.threads,
            dtype,
            effort,
            [self.tasks[index] for index in able],
            lambda position: progress.show(names[position]),
        )
        if version is None:
            return None, outcomes
        for position, (index, outcome) in enumerate(zip(able, outcomes, strict=True)):
            if "unsupported" in outcome:
                self.refused[engine, index] = outcome["unsupported"]
            elif "failed" in outcome:
                self.refused[engine, index] = outcome["failed"]
                self.trouble.append(f"{engine}: {names[position]}: {outcome['failed']}")
            else:
                self._note(engine, index, outcome, dtype)
        return version, None

    def _note(self, engine, index, outcome, dtype):
        case = self.cases[index]
        if engine == compare.OURS:
            self.samples[index] = self.samples[index] or outcome["samples"]
        if self.samples[index] is None:
            return
        difference = compare.difference(self.samples[index], outcome["samples"])
        if difference > compare.TOLERANCE[dtype]:
            # A time of something else than this task must not be compared.
            self.refused[engine, index] = "another result"
            case["times"].pop(engine, None)
            self.trouble.append(
                f"{engine}: {compare.label(case)}: differs from convx by {difference:.1e} of its largest"
            )
            return
        case["differences"][engine] = max(difference, case["differences"].get(engine, 0.0))
        for key, field in (("times", "best"), ("medians", "median")):
            best = min(outcome[field], case[key].get(engine, float("inf")))
            case[key][engine] = float(f"{best:.4g}")


def gather(options, chosen):
    """Measure everything; return what will be the JSON file."""
    with machine.Peak(options.dtype) as peak:
        return _gather(options, chosen, peak)


def _gather(options, chosen, peak):
    effort = timing.QUICK if options.quick else timing.FULL
    rounds = options.rounds or (1 if options.quick else 3)
    runs = [Run(threads, chosen) for threads in options.threads]
    progress = Progress(rounds * len(runs) * len(options.engines))
    versions, absent = {}, {}
    others_time = machine.OthersTime()
    for turn in range(rounds):
        for run in runs:
            run.peak = peak.measure(run.threads)
            # Ours first, for its results are what the others are compared with; the others in either order by turns.
            others = [name for name in options.engines if name != compare.OURS]
            for engine in (compare.OURS, *(others if turn % 2 == 0 else others[::-1])):
                progress.begin(f"round {turn + 1}, {report.threads(run.threads)}, {engine}")
                if engine in absent:
                    continue
                version, reason = run.measure(engine, options.dtype, effort, progress)
                if version:
                    versions[engine] = version
                elif engine not in versions:
                    absent[engine] = reason
            run.peak = peak.measure(run.threads)
    progress.end()
    return {
        "machine": machine.describe(),
        "date": time.strftime("%Y-%m-%d"),
        "dtype": options.dtype,
        "effort": {"rounds": rounds, "seconds": effort.seconds, "runs": effort.runs, "quick": options.quick},
        "engines": versions,
        "absent": absent,
        "others": others_time.cores(),
        "peak_unknown": peak.why_not,
        "runs": [
            {
                "threads": run.threads,
                "peak_gflops": run.peak,
                "cases": run.cases,
                "summary": compare.summarise(run.cases),
                "trouble": run.trouble,
            }
            for run in runs
        ],
    }


def main(arguments=None):
    """Measure, print, write; return 1 if an engine failed or computed something else."""
    options = parser().parse_args(arguments)
    chosen = [*layers.chosen(options.layers), *operations.chosen(options.layers)]
    if not chosen:
        parser().error(f"no layer's name contains {options.layers!r}")
    results = gather(options, chosen)
    if compare.OURS in results["absent"]:
        print(f"convx is not installed: {results['absent'][compare.OURS]}", file=sys.stderr)
        return 2
    print(report.text(results))
    directory = options.output or (RESULTS / "quick" if options.quick else RESULTS)
    directory.mkdir(parents=True, exist_ok=True)
    name = "side_by_side" if options.dtype == "float32" else f"side_by_side-{options.dtype}"
    numbers = directory / f"{name}.json"
    numbers.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nnumbers: {numbers}")
    try:
        from side_by_side import picture
    except ImportError as error:
        print(f"no picture: {error}")
    else:
        for index, run in enumerate(results["runs"]):
            threads = f"-{run['threads']}-threads" if index else ""
            path = directory / f"{name}{threads}.svg"
            print(f"picture: {path}" if picture.draw(results, run, path) else "no picture: nothing to compare with")
    return 1 if any(run["trouble"] for run in results["runs"]) else 0
