"""What a call costs when there is next to nothing to compute."""

import subprocess
import sys
import time

import convx
import numpy as np
from convx import grad
from scipy import signal


class Call:
    """A 3x3 filter on 6x6 places."""

    def setup(self):
        random = np.random.default_rng(0)
        self.x = random.standard_normal((1, 1, 6, 6)).astype(np.float32)
        self.weight = random.standard_normal((1, 1, 3, 3)).astype(np.float32)
        self.grad_output = random.standard_normal((1, 1, 4, 4)).astype(np.float32)
        self.image, self.kernel = self.x[0, 0], self.weight[0, 0]
        self.out = np.empty((1, 1, 4, 4), np.float32)
        self.plan = convx.plan_conv(self.x.shape, self.weight)

    def time_conv2d(self):
        convx.conv2d(self.x, self.weight)

    def time_conv2d_options(self):
        convx.conv2d(self.x, self.weight, padding=[(1, 1), (1, 1)], activation="relu", out=None)

    def time_input_gradient(self):
        grad.conv2d_input(self.x.shape, self.weight, self.grad_output)

    def time_weight_gradient(self):
        grad.conv2d_weight(self.x, self.weight.shape, self.grad_output)

    def time_plan(self):
        self.plan(self.x, out=self.out)

    def time_scipy_correlate2d(self):
        signal.correlate2d(self.image, self.kernel, "valid")


class Import:
    """What `import convx` adds to `import numpy`."""

    timeout = 60

    def track_import(self):
        code = "import numpy, time; t = time.perf_counter(); import convx; print(time.perf_counter() - t)"
        end = time.perf_counter() + 2
        best = float("inf")
        while time.perf_counter() < end:
            run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
            best = min(best, float(run.stdout))
        return best * 1e3

    track_import.unit = "ms"
