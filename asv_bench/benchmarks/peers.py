"""The same results with NumPy and SciPy alone, on (batch, channels, *spatial) arrays."""

from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import signal


def numpy_forward(x, weight):
    """One matrix product over windows, no padding."""
    rank = weight.ndim - 2
    windows = sliding_window_view(x, weight.shape[2:], axis=tuple(range(2, 2 + rank)))
    taps = tuple(range(2 + rank, 2 + 2 * rank))
    y = np.tensordot(windows, weight, axes=((1, *taps), tuple(range(1, 2 + rank))))
    return np.moveaxis(y, -1, 1)


def numpy_input_gradient(grad_output, weight):
    """The forward pass with the filters turned round and channels exchanged."""
    rank = weight.ndim - 2
    frame = [(0, 0), (0, 0), *((k - 1, k - 1) for k in weight.shape[2:])]
    turned = np.flip(weight, tuple(range(2, 2 + rank))).swapaxes(0, 1)
    return numpy_forward(np.pad(grad_output, frame), turned)


def numpy_weight_gradient(x, grad_output):
    """The forward pass with batch and channels exchanged."""
    return numpy_forward(x.swapaxes(0, 1), grad_output.swapaxes(0, 1)).swapaxes(0, 1)


def numpy_depthwise(x, weight):
    """A shifted sum for each tap."""
    kernel = weight.shape[2:]
    size = [n - k + 1 for n, k in zip(x.shape[2:], kernel, strict=True)]
    y = np.zeros((*x.shape[:2], *size), x.dtype)
    for taps in product(*(range(k) for k in kernel)):
        place = tuple(slice(t, t + n) for t, n in zip(taps, size, strict=True))
        y += weight[(slice(None), 0, *taps)].reshape(-1, *[1] * len(kernel)) * x[(..., *place)]
    return y


def _correlate(x, weight):
    # correlate2d beats correlate's direct sums; correlate picks FFT or direct sums by itself.
    return signal.correlate2d(x, weight, "valid") if x.ndim == 2 else signal.correlate(x, weight, "valid")


def scipy_forward(x, weight):
    """One correlation for each pair of channels."""
    return np.stack([np.stack([sum(map(_correlate, item, filters)) for filters in weight]) for item in x])


def scipy_input_gradient(grad_output, weight):
    """The forward pass with the filters turned round and channels exchanged."""
    rank = weight.ndim - 2
    frame = [(0, 0), (0, 0), *((k - 1, k - 1) for k in weight.shape[2:])]
    turned = np.flip(weight, tuple(range(2, 2 + rank))).swapaxes(0, 1)
    return scipy_forward(np.pad(grad_output, frame), turned)


def scipy_weight_gradient(x, grad_output):
    """The forward pass with batch and channels exchanged."""
    return scipy_forward(x.swapaxes(0, 1), grad_output.swapaxes(0, 1)).swapaxes(0, 1)


def scipy_depthwise(x, weight):
    """One correlation for each channel."""
    return np.stack([np.stack([_correlate(c, w[0]) for c, w in zip(item, weight, strict=True)]) for item in x])


FORWARD = {"numpy": numpy_forward, "scipy": scipy_forward}
INPUT_GRADIENT = {"numpy": numpy_input_gradient, "scipy": scipy_input_gradient}
WEIGHT_GRADIENT = {"numpy": numpy_weight_gradient, "scipy": scipy_weight_gradient}
DEPTHWISE = {"numpy": numpy_depthwise, "scipy": scipy_depthwise}
