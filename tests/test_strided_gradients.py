"""Input gradients with a stride whose weights no cache holds: those of all stride phases are packed together."""

import itertools

import convx
import numpy as np
import pytest
from layers import integers

# in_channels, out_channels, kernel, stride, size: four phases of nine taps; nine phases of more taps than are sorted
LAYERS = ((130, 130, 6, 2, 9), (50, 70, 13, 3, 14), (260, 130, 4, 2, 6))


def by_definition(shape, w, gy, stride, padding):
    """The gradient in float64, tap by tap."""
    padded = np.zeros((*shape[:2], *(n + 2 * padding for n in shape[2:])))
    rows, columns = gy.shape[2:]
    for h, k in itertools.product(range(w.shape[2]), range(w.shape[3])):
        share = np.einsum("nohw,oi->nihw", gy.astype(float), w[:, :, h, k].astype(float))
        padded[:, :, h : h + rows * stride : stride, k : k + columns * stride : stride] += share
    return padded[:, :, padding : padding + shape[2], padding : padding + shape[3]]


@pytest.mark.parametrize("layout", ("channels_first", "channels_last"))
@pytest.mark.parametrize("threads", (1, 3))
@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize("layer", LAYERS)
def test_input_gradients_with_a_stride_and_many_weights_are_exact(layer, dtype, threads, layout):
    ins, outs, kernel, stride, size = layer
    padding = kernel // 2
    places = (size + 2 * padding - kernel) // stride + 1
    rng = np.random.default_rng(1)
    w = integers(rng, (outs, ins, kernel, kernel), dtype)
    convx.set_num_threads(threads)
    for batch in (1, 5):  # few pixels and more
        gy = integers(rng, (batch, outs, places, places), dtype)
        expected = by_definition((batch, ins, size, size), w, gy, stride, padding)
        shape, given = expected.shape, gy
        if layout == "channels_last":
            shape, given = np.moveaxis(expected, 1, -1).shape, np.ascontiguousarray(np.moveaxis(gy, 1, -1))
        gx = convx.grad.conv2d_input(shape, w, given, stride, padding, layout=layout, algorithm="gemm")
        np.testing.assert_array_equal(gx if layout == "channels_first" else np.moveaxis(gx, -1, 1), expected)


@pytest.mark.parametrize("layer", LAYERS)
def test_threads_do_not_change_the_bits_of_such_a_gradient(layer):
    ins, outs, kernel, stride, size = layer
    rng = np.random.default_rng(2)
    gy = rng.standard_normal((2, outs, size, size), np.float32)
    w = rng.standard_normal((outs, ins, kernel, kernel), np.float32)
    results = []
    for threads in (1, 2, 5):
        convx.set_num_threads(threads)
        results.append(convx.conv_transpose2d(gy, w, None, stride).tobytes())
    assert results[1] == results[0]
    assert results[2] == results[0]
