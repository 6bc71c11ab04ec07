"""Parameters, and the values that they begin with."""

from __future__ import annotations

from typing import Any

import numpy as np

from convx._types import Array, ArrayLike

__all__ = ["Parameter"]

Rng = np.random.Generator | int | None


class Parameter:
    """An array that training changes, with its gradient.

    Parameters
    ----------
    data : array_like of float32 or float64
        Copied.

    Attributes
    ----------
    data : ndarray
        The values. Assigning copies into the parameter's own memory, so that plans notice; shape and dtype stay.
        Changes made inside the array (``p.data[0] = 1``) are not noticed by a module in eval mode until its `eval` is
        called again.
    grad : ndarray or None
        What `Module.backward` adds up, until `Module.zero_grad` or an optimiser's makes it None.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> p = nn.Parameter(np.zeros((2, 3), np.float32))
    >>> p.shape, p.dtype, p.grad
    ((2, 3), dtype('float32'), None)
    """

    __slots__ = ("_data", "grad", "version")

    def __init__(self, data: ArrayLike) -> None:
        values = np.array(data, order="C")
        if values.dtype not in (np.float32, np.float64):
            raise TypeError(
                f"a parameter must be float32 or float64, got dtype {values.dtype}; use np.asarray(data, np.float32)"
            )
        self._data: Array = values
        self.grad: Array | None = None
        self.version = 0  # counts changes

    @property
    def data(self) -> Array:
        """The values."""
        return self._data

    @data.setter
    def data(self, values: ArrayLike) -> None:
        found = np.asarray(values)
        if found.shape != self._data.shape:
            raise ValueError(f"data must have the parameter's shape, {self._data.shape}; got {found.shape}")
        self._data[...] = found
        self.version += 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the values."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self._data.dtype

    def add_gradient(self, gradient: Array) -> None:
        """Add to `grad`; `gradient` belongs to the parameter from now on."""
        if self.grad is None:
            self.grad = gradient
        else:
            np.add(self.grad, gradient, out=self.grad)

    def __reduce__(self) -> Any:
        return _restore, (self._data, self.grad)

    def __repr__(self) -> str:
        return f"Parameter(shape={self.shape}, dtype={self.dtype})"


def _restore(data: Array, grad: Array | None) -> Parameter:
    parameter = Parameter(data)
    parameter.grad = grad
    return parameter


def checked_dtype(dtype: Any) -> np.dtype[Any]:
    """`dtype`, which must be float32 or float64."""
    found: np.dtype[Any] = np.dtype(dtype)
    if found not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64, got {found}")
    return found


def uniform(shape: tuple[int, ...], bound: float, dtype: Any, rng: Rng) -> Parameter:
    """A parameter with values from -bound to bound."""
    values = np.random.default_rng(rng).uniform(-bound, bound, shape)
    return Parameter(values.astype(checked_dtype(dtype)))
