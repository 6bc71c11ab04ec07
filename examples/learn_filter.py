"""Gradient descent finds the filter that turned one picture into another.

python examples/learn_filter.py [picture.ppm]
"""

import convx
import numpy as np
import pictures
from convx import grad

x = pictures.from_command_line(colour=False)[None, None]
hidden = np.array([[0, 1, 2], [-1, 1, 1], [-2, -1, 0]], dtype=np.float32)[None, None]
target = convx.conv2d(x, hidden)

weight = np.zeros_like(hidden)
velocity = np.zeros_like(hidden)
rate = target.size / (2 * weight.size * np.sum(x**2))
for step in range(301):
    ahead = weight + 0.95 * velocity
    difference = convx.conv2d(x, ahead) - target
    slope = grad.conv2d_weight(x, weight.shape, 2 * difference / difference.size)
    velocity = ahead - weight - rate * slope
    weight = weight + velocity
    if step % 50 == 0:
        print(f"step {step:3}  loss {np.mean(difference**2):.1e}  largest error {np.abs(weight - hidden).max():.1e}")

print("hidden\n", hidden[0, 0], "\nlearned\n", weight[0, 0].round(3))
