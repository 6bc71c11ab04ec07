"""The measurements, each made by a process of its own: ``python -m cliffs.probes NAME ARGUMENTS-AS-JSON``."""

import gc
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import convx
import numpy as np
from convx import grad
from side_by_side.layers import FORWARD, INPUT_GRADIENT, PASSES, WEIGHT_GRADIENT, Layer
from side_by_side.timing import Effort, measure

from cliffs import shapes


def _call(layer, task, x, weight, grad_output, out):
    """The pass with its result in `out`, or in a new array if that is None."""
    options = {"stride": layer.stride, "padding": layer.pads, "dilation": layer.dilation, "groups": layer.groups}
    name = f"conv{layer.rank}d"
    if task == FORWARD:
        return lambda: getattr(convx, name)(x, weight, out=out, **options)
    if task == INPUT_GRADIENT:
        return lambda: getattr(grad, name + "_input")(x.shape, weight, grad_output, out=out, **options)
    return lambda: getattr(grad, name + "_weight")(x, weight.shape, grad_output, out=out, **options)


def _prepared(layer, task):
    """(the call, a function that writes all its arrays anew)."""
    tensors = layer.tensors("float32")
    x, weight, grad_output = (tensor.copy() for tensor in tensors)
    like = {FORWARD: grad_output, INPUT_GRADIENT: x, WEIGHT_GRADIENT: weight}[task]
    out = np.zeros_like(like)

    def touch():
        for array, values in zip((x, weight, grad_output), tensors, strict=True):
            array[...] = values
        out.fill(0)

    return _call(layer, task, x, weight, grad_output, out), touch


def odd_shapes(count, seconds):
    """Rate of each odd layer and pass over that of its neighbour, both measured twice by turns."""
    effort = Effort(seconds, 3)
    found = []
    for layer in shapes.sample(count):
        near = shapes.rounded(layer)
        for task in PASSES:
            calls = [_prepared(each, task)[0] for each in (layer, near)]
            times = [[measure(call, effort)[0] for call in calls] for _ in range(2)]
            odd, neighbour = (min(column) for column in zip(*times, strict=True))
            ratio = (layer.flops / odd) / (near.flops / neighbour)
            found.append({"layer": layer.name, "neighbour": near.name, "task": task, "seconds": odd, "ratio": ratio})
    return found


def first_calls(count, seed, warm):
    """The first call, the median of warm ones, and one later call, for each of some layers in an order by `seed`.

    The process has made other calls before. Before each call, the first and the warm ones, all arrays are written
    anew, so that none is colder than the other; results go into arrays that exist, so that no page of theirs is new.
    But what convx keeps and its code are warm where the call before was the same. So all are called once more in the
    same order, with new arrays: then their shapes are known, and all the rest is as cold as it was the first time.
    """
    for layer in shapes.sample(3, seed=1):
        for task in PASSES:
            _prepared(layer, task)[0]()
    cases = [(layer, task) for layer in shapes.sample(count) for task in PASSES]
    random.Random(seed).shuffle(cases)

    def timed(call, touch):
        touch()
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    found = []
    for layer, task in cases:
        call, touch = _prepared(layer, task)
        times = [timed(call, touch) for _ in range(1 + warm)]
        found.append({"layer": layer.name, "task": task, "first": times[0], "warm": statistics.median(times[1:])})
    for row, (layer, task) in zip(found, cases, strict=True):
        row["later"] = timed(*_prepared(layer, task))
    return found


def _resident():
    """Bytes of memory that the process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def many_shapes(count):
    """Growth of the process over `count` layers: calls of all passes and a plan each, after one larger than them all.

    Arrays are cut from memory that is there from the beginning: only what convx keeps can grow.
    """
    most = Layer(64, 64, (48, 48), (5, 5))
    rng = np.random.default_rng(0)
    # Values for the three tensors of a layer, and room for three results.
    sizes = [int(np.prod(shape)) for shape in (most.input_shape, most.weight_shape, most.output_shape)]
    values = [rng.standard_normal(size, np.float32) for size in sizes]
    rooms = [np.zeros(size, np.float32) for size in sizes]

    def use(layer):
        wanted = (layer.input_shape, layer.weight_shape, layer.output_shape)
        tensors, (grad_input, grad_weight, out) = (
            [memory[: int(np.prod(shape))].reshape(shape) for memory, shape in zip(pool, wanted, strict=True)]
            for pool in (values, rooms)
        )
        results = {FORWARD: out, INPUT_GRADIENT: grad_input, WEIGHT_GRADIENT: grad_weight}
        for task in PASSES:
            _call(layer, task, *tensors, results[task])()
        convx.plan_conv(layer.input_shape, tensors[1], padding=layer.pads, stride=layer.stride)(tensors[0], out=out)

    source = random.Random(3)

    def another():
        size = source.randint(5, 48), source.randint(5, 48)
        kernel = source.choice((1, 2, 3, 4, 5))
        pad = (kernel - 1) // 2
        channels = source.randint(1, 64), source.randint(1, 64)
        return Layer(*channels, size, (kernel, kernel), stride=source.choice((1, 2)), padding=pad)

    different = {}
    while len(different) < count:
        layer = another()
        different[layer.name] = layer
    for layer in (most, *(another() for _ in range(50))):
        use(layer)
    before = _resident()
    for layer in different.values():
        use(layer)
    return {"shapes": count, "grown_bytes": _resident() - before, "resident_bytes": _resident()}


_FAMILIES = {
    "3x3 32->32": lambda n: Layer(32, 32, (n, n), (3, 3)),
    "1x1 128->128": lambda n: Layer(128, 128, (n, n), (1, 1)),
    "depthwise 3x3 64": lambda n: Layer(64, 64, (2 * n, 2 * n), (3, 3), groups=64),
}
_SIZES = (3, 4, 6, 8, 11, 16, 23, 32, 45, 64)
_SHORTEST, _LONGEST = 5e-6, 2e-3


def scaling(threads, seconds):
    """The time of a plan's run with one and with all threads, for layers of 5 us to 2 ms on one thread."""
    effort = Effort(seconds, 5)
    found = []
    for family, make in _FAMILIES.items():
        for size in _SIZES:
            layer = make(size)
            x, weight, _ = layer.tensors("float32")
            out = np.zeros(layer.output_shape, np.float32)
            plan = convx.plan_conv(x.shape, weight, padding=layer.pads, groups=layer.groups)
            times = {1: [], threads: []}
            for count in (1, threads) * 3:
                convx.set_num_threads(count)
                times[count].append(measure(lambda plan=plan, x=x, out=out: plan(x, out=out), effort)[0])
            alone, together = min(times[1]), min(times[threads])
            if _SHORTEST <= alone <= _LONGEST:
                found.append({"family": family, "layer": layer.name, "alone": alone, "together": together})
    return found


def _mean(call, seconds):
    """The mean time of a call: the best one would hide the neighbour."""
    call()
    start = now = time.perf_counter()
    count = 0
    while now - start < seconds:
        call()
        count += 1
        now = time.perf_counter()
    return (now - start) / count


def busy_neighbour(threads, seconds):
    """Mean times with one and with all threads, on a quiet machine and with one core kept busy by another process."""
    found = []
    core = max(os.sched_getaffinity(0))
    endless = f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    for size in (6, 14, 28, 56, 112):
        layer = Layer(64, 64, (size, size), (3, 3))
        call = _prepared(layer, FORWARD)[0]
        row = {"layer": layer.name}
        for neighbour in ("quiet", "busy"):
            process = subprocess.Popen([sys.executable, "-c", endless]) if neighbour == "busy" else None
            try:
                time.sleep(0.2 if process else 0)
                for count in (1, threads):
                    convx.set_num_threads(count)
                    row[f"{neighbour} {'alone' if count == 1 else 'together'}"] = _mean(call, seconds)
            finally:
                if process:
                    process.kill()
                    process.wait()
        found.append(row)
    return found


PROBES = (odd_shapes, first_calls, many_shapes, scaling, busy_neighbour)

if __name__ == "__main__":
    chosen = {probe.__name__: probe for probe in PROBES}[sys.argv[1]]
    json.dump(chosen(**json.loads(sys.argv[2])), sys.stdout)
