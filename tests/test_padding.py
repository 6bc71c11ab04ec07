"""Where the places beyond the ends come from, and the traps that other libraries fell into."""

import convx
import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import ALGORITHMS, MODES, examples, integers

ONE = np.ones((1, 1, 1), np.float64)


def padded(x, before, after, mode, algorithm="auto"):
    """A signal with its padding, seen through the identity kernel."""
    x = np.asarray(x, np.float64)[None]
    y = convx.conv1d(x, ONE, padding=((before, after),), padding_mode=mode, algorithm=algorithm)
    return y[0].astype(int).tolist()


def source(place, n, mode):
    """Index that a place before 0 or from n on repeats, by modulo arithmetic; None for a zero."""
    if 0 <= place < n:
        return place
    match mode:
        case "zeros":
            return None
        case "replicate":
            return 0 if place < 0 else n - 1
        case "circular":
            return place % n
        case "symmetric":
            turn = place % (2 * n)
            return min(turn, 2 * n - 1 - turn)
        case "reflect":
            if n == 1:
                return 0
            turn = place % (2 * n - 2)
            return min(turn, 2 * n - 2 - turn)
    raise ValueError(mode)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("zeros", [0, 0, 1, 2, 3, 4, 0, 0]),
        ("reflect", [3, 2, 1, 2, 3, 4, 3, 2]),
        ("replicate", [1, 1, 1, 2, 3, 4, 4, 4]),
        ("circular", [3, 4, 1, 2, 3, 4, 1, 2]),
        ("symmetric", [2, 1, 1, 2, 3, 4, 4, 3]),
    ],
)
def test_each_mode_fills_the_ends_as_its_picture_shows(mode, expected, algorithm):
    assert padded([1, 2, 3, 4], 2, 2, mode, algorithm) == expected


@pytest.mark.parametrize("mode", MODES)
def test_padding_longer_than_the_signal_repeats_by_modulo_and_not_by_one_reflection(mode):
    @examples(100)
    @given(st.integers(1, 9), st.integers(0, 40), st.integers(0, 40), st.sampled_from(ALGORITHMS))
    def check(n, before, after, algorithm):
        x = np.arange(1, n + 1)
        places = [source(place, n, mode) for place in range(-before, n + after)]
        expected = [0 if place is None else int(x[place]) for place in places]
        assert padded(x, before, after, mode, algorithm) == expected

    check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("mode", MODES)
def test_a_kernel_larger_than_the_image_reads_the_image_again_and_again(mode, algorithm):
    rng = np.random.default_rng(11)
    x, w = integers(rng, (2, 2, 3, 2), np.float32), integers(rng, (4, 2, 11, 9), np.float32)
    y = convx.conv2d(x, w, padding="same", padding_mode=mode, algorithm=algorithm)
    pairs = oracle.same_pairs((3, 2), (11, 9), (1, 1), (1, 1))
    np.testing.assert_array_equal(y, oracle.conv(x, w, None, (1, 1), pairs, (1, 1), 1, mode))


def test_same_with_an_even_kernel_has_the_odd_place_at_the_end():
    x = np.array([[1.0, 2.0, 3.0]])
    first, last = np.array([[[1.0, 0.0]]]), np.array([[[0.0, 1.0]]])
    assert convx.conv1d(x, first, padding="same").tolist() == [[1, 2, 3]]
    assert convx.conv1d(x, last, padding="same").tolist() == [[2, 3, 0]]


def test_same_lower_with_an_even_kernel_has_the_odd_place_at_the_beginning():
    x = np.array([[1.0, 2.0, 3.0]])
    first, last = np.array([[[1.0, 0.0]]]), np.array([[[0.0, 1.0]]])
    assert convx.conv1d(x, first, padding="same_lower").tolist() == [[0, 1, 2]]
    assert convx.conv1d(x, last, padding="same_lower").tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("padding", ["same", "same_lower"])
def test_same_at_any_stride_makes_the_size_over_the_stride_rounded_up(padding):
    for size in range(1, 14):
        for kernel in (1, 2, 3, 4, 7):
            for stride in (1, 2, 3, 5):
                for dilation in (1, 2):
                    x, w = np.ones((1, 1, size), np.float32), np.ones((1, 1, kernel), np.float32)
                    y = convx.conv1d(x, w, stride=stride, padding=padding, dilation=dilation)
                    assert y.shape == (1, 1, -(-size // stride)), (size, kernel, stride, dilation)


def test_same_at_a_stride_above_one_pads_less_than_at_stride_one():
    # Kernel 3, stride 2: over seven places four windows need two more, one on each side; over eight one, at the end.
    w = np.ones((1, 1, 3))
    assert convx.conv1d(np.ones((1, 7)), w, stride=2, padding="same").tolist() == [[2, 3, 3, 2]]
    assert convx.conv1d(np.ones((1, 8)), w, stride=2, padding="same").tolist() == [[3, 3, 3, 2]]
    assert convx.conv1d(np.ones((1, 8)), w, stride=2, padding="same_lower").tolist() == [[2, 3, 3, 3]]


def test_valid_is_no_padding_and_pairs_are_before_and_after():
    x, w = np.array([[1.0, 2.0, 3.0]]), np.ones((1, 1, 2))
    assert convx.conv1d(x, w, padding="valid").tolist() == [[3, 5]]
    assert convx.conv1d(x, w, padding=((1, 0),)).tolist() == [[1, 3, 5]]
    assert convx.conv1d(x, w, padding=((0, 2),)).tolist() == [[3, 5, 3, 0]]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_dilated_kernel_larger_than_the_padded_input_is_refused(algorithm):
    x, w = np.ones((1, 1, 6, 6), np.float32), np.ones((1, 1, 3, 3), np.float32)
    for dilation, padding in ((3, 0), (4, 1), ((1, 3), 0), (100, 3)):
        with pytest.raises(ValueError, match="does not fit into the input"):
            convx.conv2d(x, w, dilation=dilation, padding=padding, algorithm=algorithm)
    # Seven places are just enough for two taps six apart.
    assert convx.conv2d(x, w[..., :2, :2], dilation=6, padding=((0, 1), (1, 0))).shape == (1, 1, 1, 1)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_kernel_smaller_than_the_stride_skips_places(algorithm):
    x = np.arange(49, dtype=np.float32).reshape(1, 1, 7, 7)
    y = convx.conv2d(x, np.ones((1, 1, 1, 2), np.float32), stride=(3, 4), algorithm=algorithm)
    assert y.tolist() == [[[[x[0, 0, i, j] + x[0, 0, i, j + 1] for j in (0, 4)] for i in (0, 3, 6)]]]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_windows_that_lie_in_the_padding_alone_give_the_bias(algorithm):
    x, w, b = np.ones((1, 1, 3), np.float32), np.ones((2, 1, 2), np.float32), np.array([5, -5], np.float32)
    # The signal lies at 7 to 9; windows begin at 0, 3, 6 (whose end meets it), 9 (whose beginning meets it), 12 and 15.
    y = convx.conv1d(x, w, b, stride=3, padding=7, algorithm=algorithm)
    assert y.tolist() == [[[5, 5, 6, 6, 5, 5], [-5, -5, -4, -4, -5, -5]]]


@pytest.mark.parametrize("wrong", ["Same", "full", "SAME", ""])
def test_a_misspelt_padding_is_refused(wrong):
    with pytest.raises(ValueError, match="padding must be"):
        convx.conv1d(np.ones((1, 1, 4)), ONE, padding=wrong)


def test_the_oracle_pads_as_modulo_arithmetic_says():
    # The tests lean on np.pad: this one leans on nothing.
    for mode in MODES:
        for n in range(1, 6):
            x = np.arange(1.0, n + 1)
            y = oracle.conv(x[None, None], np.ones((1, 1, 1)), None, (1,), ((13, 17),), (1,), 1, mode)[0, 0]
            places = [source(place, n, mode) for place in range(-13, n + 17)]
            assert y.tolist() == [0 if place is None else x[place] for place in places]
