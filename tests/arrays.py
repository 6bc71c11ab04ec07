"""Arrays of any shape, and every way in which they can lie in memory."""

import numpy as np
from hypothesis import strategies as st

WAYS = ("C", "F", "reversed", "gaps", "transposed", "shifted", "bytes")


def lay(values, way):
    """The values in an array that lies in memory in some way; a view of more memory for most."""
    if values.ndim == 0 and way != "bytes":
        return np.array(values)
    if way == "F":
        return np.array(values, order="F")
    if way == "reversed":
        return values[(slice(None, None, -1),) * values.ndim].copy()[(slice(None, None, -1),) * values.ndim]
    if way == "gaps":
        wide = np.full([2 * n + 1 for n in values.shape], np.nan, values.dtype)
        view = wide[tuple(slice(1, 2 * n, 2) for n in values.shape)]
        view[...] = values
        return view
    if way == "transposed":
        order = np.roll(np.arange(values.ndim), 1)
        return values.transpose(order).copy().transpose(np.argsort(order))
    if way == "shifted":
        flat = np.full(values.size + 1, np.nan, values.dtype)
        flat[1:] = values.ravel()
        return flat[1:].reshape(values.shape)
    if way == "bytes":  # at odd addresses
        raw = np.zeros(values.nbytes + 1, np.uint8)
        view = raw[1:].view(values.dtype).reshape(values.shape)
        view[...] = values
        return view
    return values.copy()


@st.composite
def shapes(draw, most_dimensions=7, most=5):
    """Shapes of up to 7 dimensions; some have an extent of 0, some a long one."""
    shape = [
        draw(st.integers(0 if draw(st.integers(0, 9)) == 0 else 1, most))
        for _ in range(draw(st.integers(0, most_dimensions)))
    ]
    if shape and draw(st.booleans()):
        shape[draw(st.integers(0, len(shape) - 1))] = draw(st.integers(1, 80))
    return tuple(shape)
