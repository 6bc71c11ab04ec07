"""The programs in examples/ run, and what they draw and print is right."""

import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4


def run(*command, cwd, check=True, **environment):
    """Return what a program prints; a failure shows its errors."""
    environment = {**os.environ, **environment}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout if check else done


def example(name, *arguments, cwd):
    return run(sys.executable, EXAMPLES / f"{name}.py", *arguments, cwd=cwd)


def picture(height, width, seed=0):
    """A picture of noise and steps, so that slopes of every size and sign occur."""
    steps = np.add.outer(np.arange(height) // 7 * 40, np.arange(width) // 5 * 70)
    return ((steps + np.random.default_rng(seed).integers(0, 60, (height, width))) % 256).astype(np.uint8)


def write_pgm(path, pixels):
    header = f"P5\n# drawn by a test\n{pixels.shape[1]} {pixels.shape[0]}\n255\n"
    path.write_bytes(header.encode() + pixels.tobytes())


def read_pgm(path):
    kind, size, white, pixels = path.read_bytes().split(b"\n", 3)
    assert (kind, white) == (b"P5", b"255")
    width, height = map(int, size.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width)


def read_png(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        body = data[place + 4 : place + 8 + length]
        (checksum,) = struct.unpack(">I", data[place + 8 + length : place + 12 + length])
        assert checksum == zlib.crc32(body)
        chunks[body[:4]] = body[4:]
        place += 12 + length
    width, height, bits, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert bits == 8
    channels = {0: 1, 2: 3}[colour]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + width * channels)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, channels).squeeze()


def slopes(grey):
    grey = grey.astype(np.float64)
    return [ndimage.correlate(grey, kernel, mode="nearest") for kernel in (SOBEL, SOBEL.T)]


@pytest.fixture(scope="module", params=["pkg-config", "cmake"])
def c_edges(request, tmp_path_factory):
    """The C program, built against the installed package as its users would."""
    place = tmp_path_factory.mktemp(request.param)
    where = {
        kind: run(sys.executable, "-m", "convx", f"--{kind}-dir", cwd=place).strip() for kind in ("pkgconfig", "cmake")
    }
    if request.param == "cmake":
        flags = [f"-Dconvx_DIR={where['cmake']}", "-DCMAKE_C_FLAGS=-Werror"]
        run("cmake", "-S", EXAMPLES / "c", "-B", place / "build", *flags, cwd=place)
        run("cmake", "--build", place / "build", cwd=place)
        return place / "build/edges"
    tool = shutil.which("pkg-config") or shutil.which("pkgconf")
    search = {"PKG_CONFIG_PATH": where["pkgconfig"]}
    flags = shlex.split(run(tool, "--cflags", "--libs", "convx", cwd=place, **search))
    library = run(tool, "--variable=libdir", "convx", cwd=place, **search).strip()
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    run("cc", *warnings, EXAMPLES / "c/edges.c", *flags, "-lm", f"-Wl,-rpath,{library}", "-o", "edges", cwd=place)
    return place / "edges"


@pytest.mark.parametrize("size", [(427, 640), (1, 1), (5, 200), (33, 2)])
def test_the_c_program_draws_the_edges_that_scipy_finds(c_edges, tmp_path, size):
    grey = picture(*size)
    write_pgm(tmp_path / "in.pgm", grey)
    said = run(c_edges, "in.pgm", "out.pgm", cwd=tmp_path)
    assert f"{size[1]} x {size[0]}" in said
    expected = np.minimum(np.floor(np.hypot(*slopes(grey)) + 0.5), 255)
    np.testing.assert_array_equal(read_pgm(tmp_path / "out.pgm"), expected)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be opened"),
        (b"P2\n2 2\n255\n1 2 3 4", "not a binary PGM"),
        (b"P5\n2 -2\n255\n1234", "not a binary PGM"),
        (b"P5\n2 2\n65535\n12341234", "not a binary PGM"),
        (b"P5\n2 2\n255\n123", "ends too early"),
    ],
)
def test_the_c_program_says_what_is_wrong_with_a_file(c_edges, tmp_path, content, problem):
    if content is not None:
        (tmp_path / "in.pgm").write_bytes(content)
    done = run(c_edges, "in.pgm", "out.pgm", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("in.pgm: ")
    assert problem in done.stderr
    assert not (tmp_path / "out.pgm").exists()


def test_edges_py_draws_the_slopes_of_a_picture(tmp_path):
    grey = picture(90, 130)
    write_pgm(tmp_path / "in.pgm", grey)
    assert "130 x 90" in example("edges", "in.pgm", cwd=tmp_path)
    expected = np.clip(1 - 2 * np.hypot(*slopes(grey / 255)), 0, 1) * 255
    assert np.abs(read_png(tmp_path / "edges.png") - expected).max() <= 0.51


@pytest.mark.parametrize("name", ["edges", "feature_maps"])
def test_examples_draw_the_scene_when_no_picture_is_named(tmp_path, name):
    example(name, cwd=tmp_path)
    drawn = read_png(tmp_path / f"{name}.png")
    assert drawn.std() > 20


def test_feature_maps_py_runs_the_textbook_layer_on_a_colour_picture(tmp_path):
    colours = np.stack([picture(70, 90, seed) for seed in range(3)], axis=-1)
    (tmp_path / "in.ppm").write_bytes(b"P6 90 70 255\n" + colours.tobytes())
    assert "(32, 32, 3) -> (32, 32, 6)" in example("feature_maps", "in.ppm", cwd=tmp_path)
    means = colours[:64, :64].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    shown = read_png(tmp_path / "feature_maps.png")[3 : 32 * 6 : 6, 3 : 32 * 6 : 6]
    assert np.abs(shown - means).max() <= 0.51


def test_learn_filter_py_finds_the_hidden_filter(tmp_path):
    errors = [float(error) for error in re.findall(r"largest error (\S+)", example("learn_filter", cwd=tmp_path))]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 5e-3 < errors[0]


def test_digits_py_reads_nearly_all_held_out_digits_and_draws_what_it_learned(tmp_path):
    right = [float(part) for part in re.findall(r"read right: (\S+)%", example("digits", cwd=tmp_path))]
    assert len(right) == 6
    assert right[-1] >= 98
    assert read_png(tmp_path / "digits.png").shape == (11 * 10 * 5, 17 * 10 * 5)


def test_denoise_py_takes_most_of_the_noise_off(tmp_path):
    said = example("denoise", cwd=tmp_path)
    before, after = map(float, re.search(r"error (\S+) with noise, (\S+) without", said).groups())
    assert after < before / 4
    noisy, restored, clean = np.split(read_png(tmp_path / "denoise.png") / 255, 3)
    assert ((restored - clean) ** 2).mean() < ((noisy - clean) ** 2).mean() / 2


def test_plan_py_explains_its_choice(tmp_path):
    said = example("plan", cwd=tmp_path)
    assert said.count("<- chosen") == 1
    assert re.search(r"^conv2d +\d", said, re.MULTILINE)
    assert re.search(r"^plan +\d", said, re.MULTILINE)
