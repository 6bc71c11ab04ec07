"""The textbook layer: 32x32x3, six filters of 5x5x3, ReLU -> 32x32x6, channels last.

python examples/feature_maps.py [picture.ppm]      writes feature_maps.png: the input and its six feature maps
"""

import convx
import numpy as np
import pictures

picture = pictures.from_command_line(colour=True)

# Down to 32x32 by the means of blocks: a layer of three groups (red, green, blue) whose stride is its kernel's size.
block = min(picture.shape[:2]) // 32
square = picture[: 32 * block, : 32 * block]
mean = np.full((3, 1, block, block), 1 / block**2, dtype=np.float32)
small = convx.conv2d(square, mean, stride=block, groups=3, layout="channels_last")

# Waves under a bell in five directions, and one filter for warm against cold colours.
y, x = np.mgrid[-2:3, -2:3].astype(np.float32)
bell = np.exp(-(x**2 + y**2) / 3)
filters = np.zeros((6, 3, 5, 5), dtype=np.float32)
for i, angle in enumerate(np.deg2rad([0, 36, 72, 108, 144])):
    filters[i] = bell * np.sin(1.3 * (x * np.cos(angle) + y * np.sin(angle)))
filters[5] = np.stack([bell, 0 * bell, -bell])

maps = convx.conv2d(small, filters, padding="same", padding_mode="replicate", layout="channels_last", activation="relu")
print(small.shape, "->", maps.shape)

tiles = [small] + [np.repeat(maps[..., i : i + 1] / maps[..., i].max(), 3, axis=-1) for i in range(6)]
gap = np.ones((32, 2, 3), dtype=np.float32)
strip = np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)
pictures.write("feature_maps.png", strip.repeat(6, axis=0).repeat(6, axis=1))
