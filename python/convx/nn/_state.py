"""States of modules: whether they fit, and files of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convx._types import Array

__all__: list[str] = []


def fitting(name: str, value: Any, like: Any) -> Array:
    """`value` as an array of the shape of `like`, which it is to replace."""
    found = np.asarray(value)
    expected = np.shape(like.data if hasattr(like, "data") and not isinstance(like, np.ndarray) else like)
    if found.shape != expected:
        raise ValueError(f"state[{name!r}] must have the shape {expected}, got {found.shape}")
    if found.dtype.kind not in "fiu":
        raise TypeError(f"state[{name!r}] must hold numbers, got dtype {found.dtype}")
    return found


def _safetensors() -> Any:
    try:
        from safetensors import numpy as safetensors
    except ImportError:
        raise ImportError(
            "files that end with .safetensors need the package safetensors: pip install safetensors; or use .npz, "
            "which needs nothing"
        ) from None
    return safetensors


def _kind(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix
    if suffix not in (".npz", ".safetensors"):
        raise ValueError(f"path must end with .npz or .safetensors, got {os.fspath(path)!r}")
    return suffix


def write(path: str | os.PathLike[str], state: Mapping[str, Array]) -> None:
    """Write arrays by name to a file, of the kind that its name says."""
    if _kind(path) == ".safetensors":
        _safetensors().save_file(dict(state), path)
    else:
        np.savez(path, allow_pickle=False, **state)


def read(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read arrays by name from a file, of the kind that its name says."""
    if _kind(path) == ".safetensors":
        loaded: dict[str, Array] = _safetensors().load_file(path)
        return loaded
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
