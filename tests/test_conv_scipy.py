"""convx against SciPy and NumPy, where the two mean the same."""

import convx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import DTYPES, examples, integers
from scipy import ndimage, signal

# ndimage's modes in convx's words.
NDIMAGE_MODES = {
    "constant": "zeros",
    "mirror": "reflect",
    "nearest": "replicate",
    "wrap": "circular",
    "reflect": "symmetric",
}
SIGNAL_BOUNDARIES = {"fill": "zeros", "wrap": "circular", "symm": "symmetric"}


def conv(x, w, **arguments):
    """One image and one filter, as SciPy takes them."""
    return getattr(convx, f"conv{x.ndim}d")(x[None], w[None, None], **arguments)[0]


def image_and_kernel(draw, smallest=1, largest_kernel=5, largest=20):
    rank = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(smallest, (largest, largest, 8)[rank - 1])) for _ in range(rank))
    kernel = tuple(draw(st.integers(1, largest_kernel)) for _ in range(rank))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(DTYPES))
    return integers(rng, shape, dtype, 5), integers(rng, kernel, dtype, 5)


@examples(150)
@given(st.data())
def test_full_valid_and_same_correlation_agree_with_scipy_signal(data):
    x, w = image_and_kernel(data.draw, smallest=5)
    full = tuple((k - 1, k - 1) for k in w.shape)
    # SciPy's "same" is the middle of "full", whose odd place is cut at the end: it keeps k // 2 before.
    same = tuple((k // 2, k - 1 - k // 2) for k in w.shape)
    for mode, padding in (("full", full), ("same", same), ("valid", 0)):
        expected = signal.correlate(x, w, mode=mode, method="direct")
        np.testing.assert_array_equal(conv(x, w, padding=padding), expected)


@examples(100)
@given(st.data())
def test_convolution_in_the_mathematical_sense_is_correlation_with_the_flipped_kernel(data):
    x, w = image_and_kernel(data.draw, smallest=5)
    flipped = w[(slice(None, None, -1),) * w.ndim]  # a view with negative strides
    padding = tuple((k - 1, k - 1) for k in w.shape)
    expected = signal.convolve(x, w, mode="full", method="direct")
    np.testing.assert_array_equal(conv(x, flipped, padding=padding), expected)


@pytest.mark.parametrize("boundary", SIGNAL_BOUNDARIES)
def test_boundaries_agree_with_scipy_correlate2d(boundary):
    @examples(60)
    @given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32 - 1))
    def check(height, width, kernel_height, kernel_width, seed):
        rng = np.random.default_rng(seed)
        x, w = integers(rng, (height, width), np.float64), integers(rng, (kernel_height, kernel_width), np.float64)
        expected = signal.correlate2d(x, w, mode="full", boundary=boundary)
        pairs = tuple((k - 1, k - 1) for k in w.shape)
        mode = SIGNAL_BOUNDARIES[boundary]
        np.testing.assert_array_equal(conv(x, w, padding=pairs, padding_mode=mode), expected)

    check()


@pytest.mark.parametrize("mode", NDIMAGE_MODES)
def test_padding_modes_agree_with_scipy_ndimage(mode):
    @examples(60)
    @given(st.data())
    def check(data):
        x, w = image_and_kernel(data.draw, largest_kernel=7, largest=12)
        expected = ndimage.correlate(x, w, mode=mode)
        pairs = tuple((k // 2, k - 1 - k // 2) for k in w.shape)
        np.testing.assert_array_equal(conv(x, w, padding=pairs, padding_mode=NDIMAGE_MODES[mode]), expected)

    check()


@pytest.mark.parametrize("mode", NDIMAGE_MODES)
def test_a_kernel_far_longer_than_the_signal_agrees_with_scipy_ndimage(mode):
    rng = np.random.default_rng(5)
    for n in (1, 2, 3, 5):
        for k in (9, 23, 40):
            x, w = integers(rng, (n,), np.float64), integers(rng, (k,), np.float64)
            expected = ndimage.correlate1d(x, w, mode=mode)
            result = conv(x, w, padding=((k // 2, k - 1 - k // 2),), padding_mode=NDIMAGE_MODES[mode])
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
def test_signals_agree_with_numpy_correlate(mode):
    rng = np.random.default_rng(8)
    x = integers(rng, (1000,), np.float64)
    for k in (1, 2, 3, 8, 33):
        w = integers(rng, (k,), np.float64)
        pair = {"valid": (0, 0), "same": (k // 2, k - 1 - k // 2), "full": (k - 1, k - 1)}[mode]
        np.testing.assert_array_equal(conv(x, w, padding=(pair,)), np.correlate(x, w, mode))


def test_a_photograph_sized_image_agrees_with_scipy_to_rounding():
    rng = np.random.default_rng(1)
    x, w = rng.random((427, 640)), rng.standard_normal((5, 5))
    result = conv(x, w, padding="same", padding_mode="symmetric")
    expected = ndimage.correlate(x, w, mode="reflect")
    np.testing.assert_allclose(result, expected, rtol=0, atol=2 * 25 * np.finfo(np.float64).eps * np.abs(w).sum())


def test_upsampling_by_zeros_and_a_filter_is_a_transposed_layer_as_scipy_upfirdn_has_it():
    rng = np.random.default_rng(2)
    x, h = integers(rng, (37,), np.float64), integers(rng, (8,), np.float64)
    for up in (1, 2, 3, 5):
        expected = signal.upfirdn(h, x, up=up)
        result = convx.conv_transpose1d(x[None], h[None, None], stride=up)[0]
        np.testing.assert_array_equal(result, expected[: len(result)])
        assert not expected[len(result) :].any()
