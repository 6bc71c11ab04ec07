"""Edges of a picture: one layer of two Sobel filters.

python examples/edges.py [picture.ppm]      writes edges.png
"""

import convx
import numpy as np
import pictures

grey = pictures.from_command_line(colour=False)

slope = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=np.float32) / 4
filters = np.stack([slope, slope.T])[:, None]  # (filters, channels, rows, columns)

right, down = convx.conv2d(grey[None], filters, padding="same", padding_mode="replicate")

pictures.write("edges.png", 1 - 2 * np.hypot(right, down))
