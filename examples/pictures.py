"""Pictures for the examples, with NumPy alone: read PGM and PPM, write PNG, and a scene to begin with."""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np


def from_command_line(colour):
    """Return the picture named on the command line, else the scene: height x width (x 3), float32 from 0 to 1."""
    picture = read(sys.argv[1]) if len(sys.argv) > 1 else scene()
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=-1)
    return picture if colour else picture @ np.array([0.299, 0.587, 0.114], dtype=np.float32)


def scene(height=240, width=320):
    """Return a sun over hills before a striped house."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    sky = 1 - y / (2 * height)
    picture = np.stack([0.6 * sky, 0.8 * sky, sky], axis=-1)
    picture[np.hypot(y - 60, x - 250) < 32] = (1.0, 0.8, 0.2)
    picture[y > 160 + 18 * np.sin(x / 35)] = (0.25, 0.5, 0.2)
    house = (abs(x - 110) < 60) & (y > 110) & (y < 205)
    picture[house] = (0.75, 0.3, 0.25)
    picture[house & (x % 12 < 4)] = (0.9, 0.85, 0.8)
    picture[(abs(x - 110) < y - 55) & (y > 60) & (y <= 110)] = (0.3, 0.2, 0.2)
    picture[y > 205] *= np.random.default_rng(0).uniform(0.3, 1.7, picture[y > 205].shape)  # grass
    return picture.astype(np.float32)


def read(path):
    """Read a binary PGM (P5) or PPM (P6) of 8 bits."""
    data = Path(path).read_bytes()
    fields, place = [], 0
    while len(fields) < 4:
        end = place
        while not data[end : end + 1].isspace():
            end += 1
        if data[place : place + 1] == b"#":
            end = data.index(b"\n", place)
        elif end > place:
            fields.append(data[place:end])
        place = end + 1
    width, height = int(fields[1]), int(fields[2])
    shape = {b"P5": (height, width), b"P6": (height, width, 3)}[fields[0]]
    return np.frombuffer(data, np.uint8, offset=place).reshape(shape).astype(np.float32) / int(fields[3])


def write(path, picture):
    """Write height x width (x 3) values from 0 to 1 as a PNG."""
    pixels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + pixels[0].size), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    parts = [
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", header),
        chunk(b"IDAT", zlib.compress(rows.tobytes())),
        chunk(b"IEND", b""),
    ]
    Path(path).write_bytes(b"".join(parts))
    print(f"wrote {path}, {width} x {height}")
