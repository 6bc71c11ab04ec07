"""The process of one engine: reads a job from standard input, measures, writes a line of JSON for each task.

Job: ``{"engine", "threads", "dtype", "seconds", "runs", "tasks": [[layer or operation, task], ...]}``. Lines: first
``{"version"}`` or ``{"absent"}``; then for each task ``{"start": index}`` and either ``{"index", "best", "median",
"samples"}`` or ``{"index", "unsupported"}``.
"""

import faulthandler
import functools
import json
import os
import sys

import numpy as np

from side_by_side import engines
from side_by_side.layers import Layer
from side_by_side.operations import Operation
from side_by_side.timing import Effort, measure

_SAMPLES = 256
_PATIENCE = 120  # seconds for one task, before the process ends itself


def samples(array):
    """Values at fixed places, for comparing results without sending them whole."""
    flat = np.asarray(array).reshape(-1)
    places = np.random.default_rng(1).integers(0, flat.size, _SAMPLES)
    return [float(value) for value in flat[places]]


@functools.lru_cache(maxsize=1)  # the tasks of a layer follow each other
def _tensors(subject, dtype):
    return subject.tensors(dtype)


def _subject(fields):
    return Operation.from_dict(fields) if "function" in fields else Layer.from_dict(fields)


def _prepare(engine, subject, task, tensors):
    if isinstance(subject, Layer):
        return engine.prepare(subject, task, tensors)
    if not hasattr(engine, "prepare_operation"):
        raise engines.Unsupported("measured in convolutions alone")
    return engine.prepare_operation(subject, task, tensors)


def _measured(engine, subject, task, dtype, effort):
    run, read = _prepare(engine, subject, task, _tensors(subject, dtype))
    found = samples(read(run()))
    best, median = measure(run, effort)
    return {"best": best, "median": median, "samples": found}


def main():
    """Do the job."""
    # Engines may print: what they print must not get between the lines.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    job = json.load(sys.stdin)

    def reply(**fields):
        replies.write(json.dumps(fields) + "\n")

    try:
        engine = engines.load(job["engine"], job["threads"])
    except ImportError as error:
        return reply(absent=str(error))
    reply(version=engine.version)
    effort = Effort(job["seconds"], job["runs"])
    for index, (fields, task) in enumerate(job["tasks"]):
        reply(start=index)
        faulthandler.dump_traceback_later(_PATIENCE, exit=True)
        try:
            reply(index=index, **_measured(engine, _subject(fields), task, job["dtype"], effort))
        except engines.Unsupported as reason:
            reply(index=index, unsupported=str(reason))
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
    # All is said. Engines are not torn down: some fail when Python takes them apart in an order of its own.
    os._exit(0)
