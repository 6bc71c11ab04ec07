"""
Kernels that are wide or tall beside their stride: GEMM takes their patches from bands of the image, which rows of
results share; the planar stencil cuts rows of results into blocks of vectors.
"""

from dataclasses import replace

import convx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import MODES, Layer, examples, integers


@st.composite
def wide_kernels(draw):
    """Layers with 5 taps or more in a row, from a few places to rows that one block of the sum does not hold."""
    rank = draw(st.sampled_from((1, 1, 2, 2, 2, 3)))
    groups = draw(st.sampled_from((1, 1, 1, 2)))
    taps = draw(st.sampled_from((5, 7, 8, 11, 15)))
    stride = draw(st.integers(1, 4))
    longest = {1: draw(st.sampled_from((40, 300, 9000))), 2: 120, 3: 30}[rank]
    row = draw(st.integers(taps, longest))
    layer = Layer.of_shapes(
        (
            draw(st.integers(1, 3)),
            groups * draw(st.integers(1, 5)),
            *(draw(st.integers(1, 9)) for _ in range(rank - 1)),
            row,
        ),
        (
            groups * draw(st.sampled_from((1, 3, 8, 16, 31, 64, 70))),
            0,
            *(draw(st.integers(1, 3)) for _ in range(rank - 1)),
            taps,
        ),
        (*(draw(st.integers(2, 4)) for _ in range(rank - 1)), draw(st.integers(0, taps - 1))),
        draw(st.sampled_from((np.float32, np.float64))),
    )
    return replace(layer, groups=groups, stride=stride, padding_mode=draw(st.sampled_from(("zeros", "zeros", *MODES))))


def reachable(layer):
    """Whether the mode can pad so far."""
    return layer.padding_mode != "reflect" or all(
        p < n for pair, n in zip(layer.pairs, layer.extent, strict=True) for p in pair
    )


def gradient(layer, x, gy, **options):
    """By the algorithm that the options name."""
    return layer.gradient("weight")(x, layer.w_shape, gy, **layer.common | {"algorithm": "gemm"} | options)


def test_gradients_of_wide_kernels_are_exactly_what_the_definition_says():
    @examples(120)
    @given(wide_kernels().filter(reachable), st.integers(0, 2**32 - 1), st.sampled_from((1, 2, 3)))
    def check(layer, seed, threads):
        rng = np.random.default_rng(seed)
        x, gy = integers(rng, layer.x_shape, layer.dtype), integers(rng, layer.y_shape, layer.dtype)
        before = convx.get_num_threads()
        try:
            convx.set_num_threads(threads)
            found = gradient(layer, x, gy)
        finally:
            convx.set_num_threads(before)
        np.testing.assert_array_equal(found, gradient(layer, x, gy, algorithm="reference"))

    check()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neither_threads_nor_memory_of_the_gradient_change_their_bits(dtype, stride):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((2, 3, 21, 90)).astype(dtype)
    gy = rng.standard_normal((2, 40, (21 - 1) // stride + 1, (90 - 1) // stride + 1)).astype(dtype)
    options = {"stride": stride, "padding": (1, 3), "algorithm": "gemm"}
    before, found = convx.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            convx.set_num_threads(threads)
            for each in (gy, np.moveaxis(np.ascontiguousarray(np.moveaxis(gy, 1, -1)), -1, 1)):
                found.append(convx.grad.conv2d_weight(x, (40, 3, 3, 7), each, **options))
    finally:
        convx.set_num_threads(before)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@st.composite
def tall_kernels(draw):
    """Few channels, kernels taller than their stride, several rows of results an image, several blocks of filters."""
    row, width = draw(st.integers(3, 40)), draw(st.sampled_from((5, 17, 33, 49, 56, 70, 81, 97, 112, 113, 130)))
    taps = (draw(st.integers(2, 8)), draw(st.integers(1, 8)))
    padding = (draw(st.integers(0, taps[0] - 1)), draw(st.integers(0, taps[1] - 1)))
    layer = Layer.of_shapes(
        (draw(st.integers(1, 3)), draw(st.integers(1, 4)), max(row, taps[0]), max(width, taps[1])),
        (draw(st.sampled_from((4, 5, 6, 11, 16, 29, 64, 70))), 0, *taps),
        padding,
        draw(st.sampled_from((np.float32, np.float32, np.float64))),
    )
    return replace(
        layer,
        stride=(draw(st.integers(1, 3)), draw(st.sampled_from((1, 2, 2, 3)))),
        dilation=draw(st.sampled_from((1, 1, 1, 2))) if min(layer.extent) > 16 else 1,
        layout=draw(st.sampled_from(("channels_last", "channels_first"))),
        padding_mode=draw(st.sampled_from(("zeros", "zeros", *MODES))),
    )


def test_forward_passes_whose_rows_share_their_source_are_exactly_what_the_definition_says():
    @examples(150)
    @given(
        tall_kernels().filter(reachable),
        st.integers(0, 2**32 - 1),
        st.sampled_from((1, 2, 3)),
        st.sampled_from(("gemm", "direct")),
    )
    def check(layer, seed, threads, algorithm):
        rng = np.random.default_rng(seed)
        x, w = integers(rng, layer.x_shape, layer.dtype), integers(rng, layer.w_shape, layer.dtype)
        x = np.ascontiguousarray(layer.outside(x))
        before = convx.get_num_threads()
        try:
            convx.set_num_threads(threads)
            found = layer.function(x, w, **layer.common, algorithm=algorithm)
        finally:
            convx.set_num_threads(before)
        np.testing.assert_array_equal(found, layer.function(x, w, **layer.common, algorithm="reference"))

    check()
