"""The command: runs the probes, each in fresh processes, and says what falls short."""

import argparse
import inspect
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from side_by_side import machine, report
from side_by_side.compare import geometric_mean
from side_by_side.processes import environment

RESULTS = Path(__file__).resolve().parents[1] / "results"
WORST_SHOWN = 10


def parser():
    """The options."""
    made = argparse.ArgumentParser(prog="cliffs", description="Measure convx against itself where it might be slow.")
    made.add_argument("--quick", action="store_true", help="fewer shapes and shorter; not for claims")
    made.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    made.add_argument("--only", choices=[ask.__name__ for ask in QUESTIONS], help="one of the questions")
    made.add_argument("--output", type=Path, help=f"directory for the numbers (default {RESULTS}[/quick])")
    return made


def _probe(name, allowed, **arguments):
    """The answer of a probe in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "cliffs.probes", name, json.dumps(arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment(allowed),
    )
    return json.loads(done.stdout)


def _worst(rows, key, most, text):
    ordered = sorted(rows, key=lambda row: row[key], reverse=most)[:WORST_SHOWN]
    return [f"  {row[key]:6.2f}  {text(row)}" for row in ordered]


def _verdict(met, wanted):
    return f"[{'met' if met else 'SHORT'}: wanted {wanted}]"


def odd_shapes(options):
    """Rate of an odd shape over that of its neighbour with channels and sizes rounded up to multiples of 16."""
    rows = _probe(
        "odd_shapes", options.threads, count=15 if options.quick else 60, seconds=0.01 if options.quick else 0.04
    )
    least = min(row["ratio"] for row in rows)
    lines = [
        f"{len(rows)} layers and passes: geometric mean {geometric_mean(row['ratio'] for row in rows):.2f}, "
        f"least {least:.2f} {_verdict(least >= 0.5, 'least 0.5')}",
        *_worst(rows, "ratio", False, lambda row: f"{row['layer']}, {row['task']} (beside {row['neighbour']})"),
    ]
    return rows, lines


def first_calls(options):
    """Time of the first call of a new shape over that of a warm one.

    Arrays exist and are written anew before each call, the warm ones too; medians over fresh processes. A later call
    comes after other layers', as the first one did: over it, the first one shows what the new shape itself costs.
    """
    runs = [
        _probe("first_calls", options.threads, count=5 if options.quick else 20, seed=seed, warm=9)
        for seed in range(3 if options.quick else 7)
    ]
    grouped = {}
    for row in (row for run in runs for row in run):
        grouped.setdefault((row["layer"], row["task"]), []).append((row["first"], row["warm"], row["later"]))
    rows = []
    for (layer, task), times in grouped.items():
        first, warm, later = (statistics.median(column) for column in zip(*times, strict=True))
        row = {"layer": layer, "task": task, "first": first, "warm": warm, "later": later}
        rows.append(row | {"ratio": first / warm, "over_later": first / later})
    most = max(row["ratio"] for row in rows)
    lines = [
        f"{len(rows)} layers and passes: geometric mean {geometric_mean(row['ratio'] for row in rows):.2f}, "
        f"most {most:.2f} {_verdict(most <= 1.3, 'most 1.3')}",
        *_worst(rows, "ratio", True, lambda row: f"{row['layer']}, {row['task']}, warm {1e6 * row['warm']:.0f} us"),
        f"over a later call: geometric mean {geometric_mean(row['over_later'] for row in rows):.2f}",
        *_worst(
            rows, "over_later", True, lambda row: f"{row['layer']}, {row['task']}, later {1e6 * row['later']:.0f} us"
        ),
    ]
    return rows, lines


def many_shapes(options):
    """Growth of the process over 1,000 shapes."""
    found = _probe("many_shapes", options.threads, count=100 if options.quick else 1000)
    grown = found["grown_bytes"] / 1e6
    return found, [f"{found['shapes']} shapes: {grown:.3f} MB larger {_verdict(grown < 1, 'under 1 MB')}"]


def scaling(options):
    """Time on one thread over the time on all, by the length of the work."""
    if options.threads == 1:
        return [], ["one thread only"]
    rows = _probe("scaling", options.threads, threads=options.threads, seconds=0.01 if options.quick else 0.05)
    lines = [f"  {'layer':<28}{'1 thread, us':>14}{f'{options.threads} threads, us':>16}{'faster':>8}"]
    for row in rows:
        faster = row["alone"] / row["together"]
        lines.append(f"  {row['layer']:<28}{1e6 * row['alone']:>14.1f}{1e6 * row['together']:>16.1f}{faster:>8.2f}")
    return rows, lines


def busy_neighbour(options):
    """Mean times while another process keeps one core busy; the last column is below 1 where threads still help."""
    if options.threads == 1:
        return [], ["one thread only"]
    rows = _probe("busy_neighbour", options.threads, threads=options.threads, seconds=0.1 if options.quick else 1.0)
    columns = ("quiet alone", "quiet together", "busy alone", "busy together")
    lines = [f"  {'layer':<20}" + "".join(f"{column + ', us':>19}" for column in columns) + "   together / alone, busy"]
    for row in rows:
        cells = "".join(f"{1e6 * row[column]:>19.1f}" for column in columns)
        lines.append(f"  {row['layer']:<20}{cells}{row['busy together'] / row['busy alone']:>12.2f}")
    return rows, lines


QUESTIONS = (odd_shapes, first_calls, many_shapes, scaling, busy_neighbour)


def main(arguments=None):
    """Ask, print, write."""
    options = parser().parse_args(arguments)
    described = machine.describe()
    others = machine.OthersTime()
    reservation = "; quick: not for claims" if options.quick else ""
    print(f"{machine.title(described)}; {report.threads(options.threads)}{reservation}")
    results = {"machine": described, "date": time.strftime("%Y-%m-%d"), "threads": options.threads}
    results["quick"] = options.quick
    for ask in QUESTIONS:
        if options.only in (None, ask.__name__):
            print(f"\n==== {inspect.getdoc(ask)}", flush=True)
            results[ask.__name__], lines = ask(options)
            print("\n".join(lines), flush=True)
    results["others"] = others.cores()
    if results["others"] is not None:
        print(f"\nmeanwhile other processes kept {results['others']:.2f} cores busy")
    directory = options.output or (RESULTS / "quick" if options.quick else RESULTS)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cliffs.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"numbers: {directory / 'cliffs.json'}")
    return 0
