"""Sizes near and beyond 2**31 elements, and sizes that no machine has; views keep the memory small."""

import mmap

import convx
import numpy as np
import pytest
from layers import ALGORITHMS

BEYOND = 2**31 + 64


def everywhere(value, shape, dtype=np.float32):
    """An array of one repeated element: strides of zero."""
    return np.broadcast_to(dtype(value), shape)


@pytest.fixture(scope="module")
def plane():
    """17 GB of float32 zeros, of which only the pages touched exist."""
    room = mmap.mmap(-1, 2 * BEYOND * 4, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)  # MAP_NORESERVE
    return np.frombuffer(room, np.float32)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_input_of_more_than_two_to_the_31_elements_in_a_row(algorithm):
    x, w = everywhere(2, (1, 1, BEYOND)), np.array([[[1, 10, 100]]], np.float32)
    y = convx.conv1d(x, w, stride=2**27, algorithm=algorithm)
    assert y.shape == (1, 1, 17)
    assert (y == 222).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_input_of_more_than_two_to_the_31_elements_in_many_rows(algorithm):
    x, w = everywhere(1, (2, 3, 40_000, 20_000)), np.ones((2, 3, 3, 3), np.float32)
    y = convx.conv2d(x, w, stride=(8000, 5000), algorithm=algorithm)
    assert y.shape == (2, 2, 5, 4)
    assert (y == 27).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_elements_that_lie_more_than_two_to_the_31_apart_are_found(plane, algorithm):
    x = np.lib.stride_tricks.as_strided(plane, (1, 2, 6, 6), (0, 4 * BEYOND, 4 * 300_000_000, 4))
    w = np.random.default_rng(1).integers(-3, 4, (3, 2, 3, 3)).astype(np.float32)
    values = np.random.default_rng(2).integers(-3, 4, x.shape).astype(np.float32)
    x[...] = values
    expected = convx.conv2d(values, w, padding=1, algorithm="reference")
    np.testing.assert_array_equal(convx.conv2d(x, w, padding=1, algorithm=algorithm), expected)
    gw = convx.grad.conv2d_weight(x, w.shape, expected, padding=1, algorithm=algorithm)
    np.testing.assert_array_equal(gw, convx.grad.conv2d_weight(values, w.shape, expected, padding=1))
    x[...] = 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_results_are_stored_more_than_two_to_the_31_elements_apart(plane, algorithm):
    out = np.lib.stride_tricks.as_strided(plane, (1, 2, 6, 6), (0, 4 * BEYOND, 4 * 300_000_000, 4))
    rng = np.random.default_rng(3)
    x, w = (rng.integers(-3, 4, s).astype(np.float32) for s in ((1, 3, 6, 6), (2, 3, 3, 3)))
    expected = convx.conv2d(x, w, padding=1, algorithm="reference")
    convx.conv2d(x, w, padding=1, algorithm=algorithm, out=out)
    np.testing.assert_array_equal(out, expected)
    gx = np.lib.stride_tricks.as_strided(plane, (1, 3, 6, 6), (0, 4 * (BEYOND // 2 + 1), 4 * 150_000_000, 4))
    convx.grad.conv2d_input(x.shape, w, expected, padding=1, algorithm=algorithm, out=gx)
    np.testing.assert_array_equal(gx, convx.grad.conv2d_input(x.shape, w, expected, padding=1))
    gx[...] = 0
    out[...] = 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_dilation_beyond_two_to_the_31(plane, algorithm):
    x = plane[: BEYOND + 6].reshape(1, 1, -1)
    x[0, 0, :6], x[0, 0, -6:] = [1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 60]
    y = convx.conv1d(x, np.array([[[1, 1]]], np.float32), dilation=BEYOND, algorithm=algorithm)
    assert y.tolist() == [[[11, 22, 33, 44, 55, 66]]]
    x[0, 0, :6], x[0, 0, -6:] = 0, 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_zero_padding_far_beyond_two_to_the_31(algorithm):
    x, w, b = np.ones((1, 1, 3), np.float32), np.ones((1, 1, 2), np.float32), np.array([7], np.float32)
    y = convx.conv1d(x, w, b, stride=2**38, padding=2**40, algorithm=algorithm)
    assert y.tolist() == [[[7, 7, 7, 7, 9, 7, 7, 7, 7]]]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("mode", "place"),
    [
        ("circular", lambda p: p % 5),
        ("replicate", lambda p: min(max(p, 0), 4)),
        ("reflect", lambda p: 4 - abs(p % 8 - 4)),
        ("symmetric", lambda p: min(p % 10, 9 - p % 10)),
    ],
)
def test_padding_modes_far_beyond_two_to_the_31_repeat_by_64_bit_modulo(mode, place, algorithm):
    x, w = np.array([[[1, 2, 3, 4, 5]]], np.float32), np.ones((1, 1, 1), np.float32)
    pad, stride = 2**40 + 1, 2**38 + 3
    y = convx.conv1d(x, w, stride=stride, padding=pad, padding_mode=mode, algorithm=algorithm)
    expected = [x[0, 0, place(i * stride - pad)] for i in range(y.shape[2])]
    assert y[0, 0].tolist() == expected
    assert y.shape == (1, 1, (2 * pad + 4) // stride + 1)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_transposed_layer_cut_down_from_far_beyond_two_to_the_31(algorithm):
    x, w = np.array([[[1, 2, 3]]], np.float32), np.array([[[1, 10]]], np.float32)
    stride = 2**33
    y = convx.conv_transpose1d(x, w, stride=stride, padding=stride - 2, algorithm=algorithm)
    assert y.shape[-1] == 2 * stride + 2 - 2 * (stride - 2) == 6
    assert y.tolist() == [[[0, 0, 2, 20, 0, 0]]]


def test_the_bias_gradient_of_more_than_two_to_the_31_elements():
    convx.set_num_threads(0)
    gb = convx.grad.conv_bias(everywhere(1, (1, 1, 2**31 + 2**24)))
    assert gb.tolist() == [2**31 + 2**24]


HUGE = 2**62


@pytest.mark.parametrize(
    "arguments",
    [
        {"padding": HUGE},
        {"padding": ((HUGE, HUGE), (0, 0))},
        {"padding": 2**63 - 1},
        {"padding": 2**64},
        {"dilation": HUGE},
        {"dilation": 2**63 - 1, "padding": 5},
        {"dilation": 2**100},
        {"stride": 2**63},
        {"groups": 2**63},
        {"groups": 2**40},
        {"padding": "same", "dilation": HUGE},
    ],
    ids=str,
)
def test_sizes_that_overflow_are_refused(arguments):
    x, w = np.ones((1, 4, 5, 5), np.float32), np.ones((4, 4, 3, 3), np.float32)
    with pytest.raises(ValueError):
        convx.conv2d(x, w, **arguments)
    with pytest.raises(ValueError):
        convx.plan_conv(x.shape, w, **arguments)


def test_a_stride_larger_than_any_image_leaves_one_window():
    x, w = np.ones((1, 1, 5, 5), np.float32), np.ones((1, 1, 3, 3), np.float32)
    for algorithm in ALGORITHMS:
        assert convx.conv2d(x, w, stride=2**60 - 1, algorithm=algorithm).tolist() == [[[[9]]]]


@pytest.mark.parametrize("padding", [2**30, 2**40, 2**61])
def test_results_that_no_memory_holds_are_refused(padding):
    x, w = np.ones((1, 1, 5, 5, 5), np.float32), np.ones((1, 1, 3, 3, 3), np.float32)
    with pytest.raises((ValueError, MemoryError)):
        convx.conv3d(x, w, padding=padding)


@pytest.mark.parametrize("stride", [2**32, 2**62, 2**63 - 1])
def test_transposed_results_that_overflow_are_refused(stride):
    x, w = np.ones((1, 1, 5, 5, 5), np.float32), np.ones((1, 1, 3, 3, 3), np.float32)
    with pytest.raises((ValueError, MemoryError)):
        convx.conv_transpose3d(x, w, stride=stride)


def test_gradients_of_inputs_that_no_memory_holds_are_refused():
    w, gy = np.ones((1, 1, 3, 3), np.float32), np.ones((1, 1, 2, 2), np.float32)
    for size in (2**31, 2**40, 2**62, 2**63 - 1):
        with pytest.raises((ValueError, MemoryError)):
            convx.grad.conv2d_input((1, 1, size, size), w, gy, stride=size - 3)
    for size in (2**63, 2**70):
        with pytest.raises(ValueError, match="input_size"):
            convx.grad.conv2d_input((1, 1, size, size), w, gy)
