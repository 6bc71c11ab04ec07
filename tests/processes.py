"""Running Python in a process of its own, for what would disturb the tests' own process or needs its own beginning."""

import os
import subprocess
import sys
import textwrap

PREAMBLE = "import os, sys, time, threading, resource, warnings\nimport numpy as np\nimport convx\n"


def run_python(code, timeout=120, **environment):
    """Run `code` after the usual imports; it must end well and complain of nothing. Returns what it printed."""
    finished = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PREAMBLE + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | environment,
    )
    assert finished.returncode == 0, f"ended with {finished.returncode}\n{finished.stdout}\n{finished.stderr}"
    assert finished.stderr == "", finished.stderr
    return finished.stdout
