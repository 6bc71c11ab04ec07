"""A layer that runs often: decide once, pack the weights once, write into the same memory.

python examples/plan.py
"""

import time

import convx
import numpy as np

random = np.random.default_rng(0)
weight = random.standard_normal((128, 128, 3, 3), dtype=np.float32)
bias = random.standard_normal(128, dtype=np.float32)
frames = random.standard_normal((20, 1, 128, 28, 28), dtype=np.float32)

plan = convx.plan_conv((1, 128, 28, 28), weight, bias, padding="same", activation="relu")
print(plan.explain())
print(f"{plan.algorithm} keeps {plan.weight_bytes >> 10} KiB of weights and uses {plan.workspace_bytes >> 10} KiB more")

out = np.empty(plan.output_shape, dtype=plan.dtype)
ways = {
    "conv2d": lambda frame: convx.conv2d(frame, weight, bias, padding="same", activation="relu"),
    "plan": lambda frame: plan(frame, out=out),
}
for name, call in ways.items():
    call(frames[0])
    start = time.perf_counter()
    for frame in frames:
        result = call(frame)
    seconds = (time.perf_counter() - start) / len(frames)
    print(f"{name:<7} {seconds * 1e3:6.3f} ms a frame, {2 * result.size * weight[0].size / seconds / 1e9:.0f} GFLOP/s")
