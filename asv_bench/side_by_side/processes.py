"""One engine in a fresh process, with its threads fixed."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_THREAD_VARIABLES = (
    "CONVX_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)


def environment(threads):
    """The environment of a process that is to use so many threads, and finds this package."""
    path = os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads)) | {"PYTHONPATH": path}


def measure(engine, threads, dtype, effort, tasks, progress):
    """Measure `tasks`, pairs of a layer and what to do with it, in a process of their own.

    A task that ends the process is noted as failed, and the rest go on in the next process.

    Parameters
    ----------
    engine : str
        A name of `engines.MODULES`.
    threads : int
    dtype : str
    effort : timing.Effort
    tasks : list of (Layer, str)
    progress : callable
        Called with the index of each task that begins.

    Returns
    -------
    version : str or None
        None: the engine is not installed.
    outcomes : list of dict, or str
        One outcome a task, in the words of worker.py, or {"failed": why}; for an engine that is absent, the reason.
    """
    outcomes = [None] * len(tasks)
    while True:
        left = [index for index, outcome in enumerate(outcomes) if outcome is None]
        job = {"engine": engine, "threads": threads, "dtype": dtype, "seconds": effort.seconds, "runs": effort.runs}
        job["tasks"] = [(tasks[index][0].to_dict(), tasks[index][1]) for index in left]
        version, current = None, None
        with tempfile.TemporaryFile("w+") as complaints:
            with _worker(threads, complaints) as process:
                process.stdin.write(json.dumps(job))
                process.stdin.close()
                for line in process.stdout:
                    reply = json.loads(line)
                    if "absent" in reply:
                        return None, reply["absent"]
                    if "version" in reply:
                        version = reply["version"]
                    elif "start" in reply:
                        current = left[reply["start"]]
                        progress(current)
                    else:
                        outcomes[left[reply.pop("index")]] = reply
            complaints.seek(0)
            said = complaints.read().strip()
        ending = f"the process ended with {process.returncode}: {said.splitlines()[-1] if said else ''}".rstrip(": ")
        if not all(outcomes):
            if current is None or outcomes[current] is not None:
                raise RuntimeError(f"{engine}: {ending}\n{said}")
            outcomes[current] = {"failed": ending}
        if all(outcomes):
            return version, outcomes


def _worker(threads, complaints):
    return subprocess.Popen(
        [sys.executable, "-m", "side_by_side.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        text=True,
        env=environment(threads),
    )
