"""The machine: its name, and the peak of its multiply-adds, measured by a small C program."""

import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

_SOURCE = Path(__file__).with_name("peak.c")

# By what /proc/cpuinfo must name, widest first: flags for the compiler, bytes of a vector, chains.
_X86 = (
    ("AVX-512", {"avx512f"}, ["-mavx512f", "-mprefer-vector-width=512"], 64, 16),
    ("AVX2 and FMA", {"avx2", "fma"}, ["-mavx2", "-mfma"], 32, 12),
    ("SSE2", set(), [], 16, 12),
)
_AARCH64 = (("NEON", set(), [], 16, 16),)


def _cpuinfo(field):
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == field), "")


def instruction_sets():
    """The instruction sets of this machine, the widest first: (name, needs, flags, bytes, chains)."""
    if platform.machine() == "x86_64":
        present = set(_cpuinfo("flags").split())
        return [level for level in _X86 if level[1] <= present]
    return list(_AARCH64) if platform.machine() in ("aarch64", "arm64") else []


def describe():
    """What a reader of the numbers must know of the machine."""
    levels = instruction_sets()
    return {
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "family": f"family {_cpuinfo('cpu family')}, model {_cpuinfo('model')}" if _cpuinfo("cpu family") else "",
        "cores": len(os.sched_getaffinity(0)),
        "isa": levels[0][0] if levels else platform.machine(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }


def title(machine):
    """The machine in one line."""
    cores = f"{machine['cores']} core{'s' * (machine['cores'] != 1)}"
    return ", ".join(part for part in (machine["cpu"], machine["family"], cores, machine["isa"]) if part)


class OthersTime:
    """How busy processes other than this one and its children keep the machine; None where /proc does not tell."""

    def __init__(self):
        self.start = self._now()

    def cores(self):
        """Cores that were busy with others, on average since this object was made; counts stolen time too."""
        if self.start is None:
            return None
        (wall, busy), (wall_before, busy_before) = self._now(), self.start
        return max(0.0, (busy - busy_before) / max(wall - wall_before, 1e-9))

    @staticmethod
    def _now():
        try:
            user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
        except (OSError, ValueError):
            return None
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        own = os.times()
        return time.monotonic(), busy - sum(own[:4])


class Peak:
    """Measures GFLOP/s of multiply-adds, over and over in one run; the highest counts. A context: it has a program."""

    def __init__(self, dtype):
        self.why_not = None
        self._directory = tempfile.TemporaryDirectory()
        self._program = Path(self._directory.name, "peak")
        self._best = {}
        levels = instruction_sets()
        if not levels:
            self.why_not = f"not known for {platform.machine()}"
            return
        _, _, flags, size, chains = levels[0]
        real = {"float32": "float", "float64": "double"}[dtype]
        defines = [f"-DREAL={real}", f"-DVECTOR_BYTES={size}", f"-DCHAINS={chains}"]
        command = [os.environ.get("CC", "cc"), "-O3", "-ffp-contract=fast", *flags, *defines]
        try:
            done = subprocess.run(
                [*command, str(_SOURCE), "-o", str(self._program), "-pthread"], capture_output=True, text=True
            )
        except OSError:
            self.why_not = f"no C compiler ({command[0]})"
            return
        if done.returncode:
            self.why_not = f"{command[0]} fails: {done.stderr.strip().splitlines()[0] if done.stderr else '?'}"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._directory.cleanup()

    def measure(self, threads):
        """Measure once more and return the highest GFLOP/s so far, or None if it cannot be measured."""
        if self.why_not:
            return None
        done = subprocess.run([str(self._program), str(threads)], capture_output=True, text=True)
        if done.returncode:
            self.why_not = f"the program ends with {done.returncode}"
            return None
        self._best[threads] = max(self._best.get(threads, 0.0), float(done.stdout))
        return self._best[threads]
