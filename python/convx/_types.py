"""Types of arguments, for annotations only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Activation",
    "Algorithm",
    "Approximate",
    "Array",
    "ArrayLike",
    "Layout",
    "Padding",
    "PaddingMode",
    "PerAxis",
]

Array: TypeAlias = NDArray[Any]
FloatT = TypeVar("FloatT", np.float32, np.float64)
PerAxis: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
Padding: TypeAlias = (
    SupportsIndex | Sequence[SupportsIndex] | Sequence[Sequence[SupportsIndex]] | Literal["valid", "same", "same_lower"]
)
PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular", "symmetric"]
Layout: TypeAlias = Literal["channels_first", "channels_last"]
Activation: TypeAlias = Literal["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "hardtanh"] | None
Approximate: TypeAlias = Literal["none", "tanh"]
Algorithm: TypeAlias = Literal[
    "auto", "reference", "gemm", "direct", "winograd", "winograd_2x2", "winograd_4x4", "winograd_6x6"
]
