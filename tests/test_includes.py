"""The rooms of src/cconv may only include downward: api, plan, algo, gemm, kernels, vec, base, include."""

import re
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parent.parent / "src" / "cconv"
ROOMS = ["api", "plan", "algo", "gemm", "kernels", "vec", "base", "include"]  # top to bottom
FILES = sorted(path for path in SOURCES.rglob("*") if path.suffix in (".c", ".h"))


def upward_includes(room, text):
    """Rooms that a file of `room` includes although they stand above it."""
    included = re.findall(r'^\s*#\s*include\s+"([^"/]+)/', text, flags=re.MULTILINE)
    return [other for other in included if ROOMS.index(other) < ROOMS.index(room)]


def test_every_source_file_lies_in_a_room():
    assert FILES
    assert {path.relative_to(SOURCES).parts[0] for path in FILES} == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_a_file_includes_only_its_own_room_and_those_below(path):
    assert upward_includes(path.relative_to(SOURCES).parts[0], path.read_text()) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_quoted_includes_name_their_room(path):
    assert re.findall(r'^\s*#\s*include\s+"[^"/]+"', path.read_text(), flags=re.MULTILINE) == []


def test_an_upward_include_would_be_found():
    assert upward_includes("vec", '#include "gemm/gemm.h"\n#include "base/conv.h"\n') == ["gemm"]
