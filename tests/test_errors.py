"""What is refused: which exception, and that its words name the argument, what came and what to do."""

import resource
import subprocess
import sys

import convx
import numpy as np
import pytest
from convx import grad

F4, F8 = np.float32, np.float64


def x(*shape, dtype=F4):
    return np.ones(shape or (2, 3, 6, 6), dtype)


def w(*shape, dtype=F4):
    return np.ones(shape or (4, 3, 3, 3), dtype)


WT = np.ones((3, 4, 3, 3), F4)
GY = np.ones((2, 4, 4, 4), F4)


def conv(input=None, weight=None, **options):
    return convx.conv2d(x() if input is None else input, w() if weight is None else weight, **options)


def conv_t(**options):
    return convx.conv_transpose2d(x(), WT, **options)


def plan(**options):
    return convx.plan_conv((2, 3, 6, 6), w(), **options)


OPTIONS = [
    ("stride", 0, ValueError, "stride must be at least 1, got 0"),
    ("stride", -2, ValueError, "stride must be at least 1, got -2"),
    ("stride", 1.0, TypeError, "stride must be an int or a sequence of 2.*got 1.0 of type float"),
    ("stride", True, TypeError, "stride must be.*got True of type bool"),
    ("stride", (1, True), TypeError, "stride must be an int, got the bool True"),
    ("stride", (1, 2.5), TypeError, "stride must be an int, got 2.5 of type float"),
    ("stride", (1, 1, 1), ValueError, r"sequence of 2.*got 3 values: \(1, 1, 1\)"),
    ("stride", (), ValueError, "got 0 values"),
    ("stride", None, TypeError, "stride must be.*got None"),
    ("stride", "2", TypeError, "stride must be.*got '2' of type str"),
    ("stride", np.float64(2), TypeError, "stride must be"),
    ("stride", np.bool_(True), TypeError, "stride must be"),
    ("stride", {1, 2}, TypeError, "stride must be.*of type set"),
    ("dilation", 0, ValueError, "dilation must be at least 1, got 0"),
    ("dilation", (1, 0), ValueError, "dilation must be at least 1, got 0"),
    ("dilation", 3, ValueError, r"weight does not fit into the input.*\(7, 7\).*\(6, 6\).*use more padding"),
    ("padding", -1, ValueError, "padding must be at least 0, got -1"),
    ("padding", ((0, -1), 1), ValueError, "padding must be at least 0, got -1"),
    ("padding", "Same", ValueError, "padding must be.*'same_lower'.*got 'Same'"),
    ("padding", ((1, 2, 3), 1), ValueError, r"pairs must hold two ints.*got \(1, 2, 3\)"),
    ("padding", 0.5, TypeError, "padding must be.*got 0.5 of type float"),
    ("padding", None, TypeError, "padding must be.*got None"),
    ("padding", {"top": 1}, TypeError, "padding must be.*of type dict"),
    ("groups", 0, ValueError, "groups must be at least 1, got 0"),
    ("groups", True, TypeError, "groups must be an int, got the bool True"),
    ("groups", 2.0, TypeError, "groups must be an int, got 2.0 of type float"),
    ("groups", 3, ValueError, r"groups=3 must divide the 4 out_channels of weight, whose shape is \(4, 3, 3, 3\)"),
    ("groups", 2, ValueError, r"input has 3 channels but weight of shape \(4, 3, 3, 3\) with groups=2 needs 6"),
    ("padding_mode", "constant", ValueError, "padding_mode must be one of 'zeros', 'reflect'.*got 'constant'"),
    ("layout", "NHWC", ValueError, "layout must be one of 'channels_first', 'channels_last'; got 'NHWC'"),
    ("layout", None, ValueError, "layout must be one of.*got None"),
    ("activation", "gelu", ValueError, "activation must be one of None, 'relu'.*got 'gelu'"),
    ("activation", 1, TypeError, "activation must be one of.*got 1 of type int"),
    ("activation", [], TypeError, "activation must be one of.*of type list"),
    ("algorithm", "fast", ValueError, "algorithm must be one of 'auto'.*got 'fast'"),
]
OPTION_IDS = [f"{name}-{value!r}"[:40] for name, value, _, _ in OPTIONS]


@pytest.mark.parametrize("call", [conv, plan], ids=["conv2d", "plan_conv"])
@pytest.mark.parametrize(("name", "value", "error", "words"), OPTIONS, ids=OPTION_IDS)
def test_wrong_options_are_refused_by_name(call, name, value, error, words):
    with pytest.raises(error, match=words.replace("input has", "input.* has") if call is plan else words):
        call(**{name: value})


ARRAYS = [
    (
        {"input": x(6, 6)},
        ValueError,
        r"input must have 4 dimensions, \(N, C, H, W\), or 3 .*got 2: shape \(6, 6\); add",
    ),
    ({"input": x(1, 1, 1, 6, 6)}, ValueError, r"input must have 4 dimensions.*got 5"),
    ({"input": x(1, 2, 6, 6)}, ValueError, "input has 2 channels but weight of shape .* needs 3; check groups"),
    ({"input": x(), "layout": "channels_last"}, ValueError, "input has 6 channels.*layout='channels_last'"),
    ({"input": x(1, 3, 0, 6), "padding": 2}, ValueError, r"input must have at least one place.*\(1, 3, 0, 6\)"),
    ({"input": x(1, 3, 2, 6)}, ValueError, r"weight does not fit into the input.*\(3, 3\).*\(2, 6\)"),
    ({"input": x(0, 3, 2, 6)}, ValueError, "weight does not fit into the input"),
    (
        {"weight": w(4, 3, 3)},
        ValueError,
        r"weight must have 4 dimensions, \(out_channels, in_channels / groups, kH, kW\)",
    ),
    ({"weight": w(4, 3, 0, 3)}, ValueError, r"and one place in its kernel; got shape \(4, 3, 0, 3\)"),
    ({"weight": w(0, 3, 3, 3)}, ValueError, "weight must have at least one channel"),
    ({"weight": w(4, 0, 3, 3), "input": x(2, 0, 6, 6)}, ValueError, "weight must have at least one channel"),
    ({"bias": np.ones(3, F4)}, ValueError, r"bias must have one dimension with 4 elements.*got shape \(3,\)"),
    ({"bias": np.ones((4, 1), F4)}, ValueError, r"bias must have one dimension.*got shape \(4, 1\)"),
    ({"bias": np.ones((), F4)}, ValueError, r"bias must have one dimension.*got shape \(\)"),
    ({"weight": w(dtype=F8)}, TypeError, r"weight is float64 but input is float32.*convert one.*weight.astype"),
    ({"bias": np.ones(4, F8)}, TypeError, "bias is float64 but weight is float32"),
    ({"input": x(dtype=np.float16)}, TypeError, "input must be float32 or float64, got dtype float16; convert it with"),
    ({"input": x(dtype=np.int32)}, TypeError, "input must be float32 or float64, got dtype int32"),
    ({"input": x(dtype=np.complex64)}, TypeError, "input must be float32 or float64, got dtype complex64"),
    ({"input": x(dtype=np.longdouble)}, TypeError, "input must be float32 or float64, got dtype (longdouble|float)"),
    ({"input": x(dtype=">f4")}, TypeError, r"input has the non-native byte order of dtype '>f4'.*astype\(np.float32\)"),
    ({"weight": w(dtype=">f8")}, TypeError, r"weight has the non-native byte order .*astype\(np.float64\)"),
    ({"input": [[[1, 2], [3, 4]]]}, TypeError, "input must be float32 or float64, got dtype int64"),
    ({"input": [[1.0, 2.0], [3.0]]}, ValueError, "input must be an array or nested lists of one shape"),
    ({"input": "picture.png"}, TypeError, "input must be float32 or float64"),
    ({"weight": object()}, TypeError, "weight must be an array of float32 or float64, got <object"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), ARRAYS)
def test_wrong_arrays_are_refused_by_name(arguments, error, words):
    with pytest.raises(error, match=words):
        conv(**arguments)


def test_none_is_no_array():
    with pytest.raises(TypeError, match="input must be an array of float32 or float64, got None"):
        convx.conv2d(None, w())


TRANSPOSED = [
    ({"padding": 4}, ValueError, r"output would have the spatial size \(0, 0\).*less padding or more output_padding"),
    ({"padding": -1}, ValueError, "padding must be at least 0"),
    ({"padding": "full"}, ValueError, "padding must be.*got 'full'"),
    ({"output_padding": 1}, ValueError, r"output_padding must be smaller than stride or dilation.*\(1, 1\)"),
    ({"output_padding": -1, "stride": 2}, ValueError, "output_padding must be at least 0, got -1"),
    ({"output_padding": 0.5}, TypeError, "output_padding must be"),
    ({"output_padding": 1, "stride": 2, "padding": "same"}, ValueError, "output_padding must be 0 with padding='same'"),
    ({"stride": 0}, ValueError, "stride must be at least 1"),
    ({"groups": 2}, ValueError, "groups=2 must divide the 3 in_channels of weight"),
    ({"bias": np.ones(3, F4)}, ValueError, "bias must have one dimension with 4 elements"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), TRANSPOSED)
def test_wrong_transposed_layers_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        conv_t(**arguments)


HUGE = (1 << 31, 1 << 40, 1 << 59, 1 << 60, 1 << 61, 1 << 62, (1 << 63) - 1, 1 << 63, 1 << 70)


@pytest.mark.parametrize("value", HUGE, ids=hex)
@pytest.mark.parametrize("name", ["padding", "dilation", "groups"])
def test_huge_parameters_of_a_convolution_are_value_errors(name, value):
    with pytest.raises(ValueError, match=f"{name}|the result would have the shape"):
        conv(**{name: value})


@pytest.mark.parametrize("value", HUGE, ids=hex)
@pytest.mark.parametrize("name", ["stride", "padding", "output_padding", "dilation", "groups"])
def test_huge_parameters_of_a_transposed_convolution_are_value_errors(name, value):
    with pytest.raises(ValueError, match=f"{name}|would have the"):
        conv_t(**{name: value})


@pytest.mark.parametrize("value", HUGE, ids=hex)
def test_a_huge_stride_leaves_one_place_or_is_refused(value):
    if value <= 1 << 60:
        assert conv(stride=value).shape == (2, 4, 1, 1)
    else:
        with pytest.raises(ValueError, match="stride"):
            conv(stride=value)


@pytest.mark.parametrize("value", HUGE, ids=hex)
def test_huge_sizes_are_value_errors(value):
    for call in (
        lambda: grad.conv2d_input((value, 3, 6, 6), w(), GY),
        lambda: grad.conv2d_input((2, 3, value, 6), w(), GY),
        lambda: grad.conv2d_weight(x(), (value, 3, 3, 3), GY),
        lambda: grad.conv2d_weight(x(), (4, 3, value, 3), GY),
    ):
        with pytest.raises((ValueError, MemoryError)):
            call()
    with pytest.raises((ValueError, MemoryError)):
        convx.plan_conv((2, 3, value, value), w())


@pytest.mark.parametrize("value", [1 << 31, 1 << 40, 1 << 58])
def test_taps_far_outside_the_image_read_zeros(value):
    found = conv(padding="same", dilation=value)
    np.testing.assert_array_equal(found, np.full((2, 4, 6, 6), 3, F4))


def test_a_result_beyond_memory_is_a_memory_error_and_the_next_call_works():
    with pytest.raises(MemoryError):
        conv(padding=1 << 24)
    assert conv().shape == (2, 4, 4, 4)


def test_memory_that_runs_out_within_the_library_is_a_memory_error():
    code = """
import resource, numpy as np, convx
x, w = np.ones((1, 512, 64, 64), np.float32), np.ones((2048, 512, 3, 3), np.float32)
convx.set_num_threads(1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), resource.RLIM_INFINITY))
try:
    convx.plan_conv(x.shape, w)
except MemoryError as error:
    print("MemoryError", error)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(convx.plan_conv(x.shape, w).output_shape)
"""
    assert resource.getrlimit(resource.RLIMIT_AS)[1] == resource.RLIM_INFINITY
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "MemoryError convx: no memory" in done.stdout
    assert "(1, 2048, 62, 62)" in done.stdout
    assert done.stderr == ""


OUTS = [
    (
        np.ones((2, 4, 4, 5), F4),
        ValueError,
        r"out must have the shape of the result, \(2, 4, 4, 4\); got \(2, 4, 4, 5\)",
    ),
    (np.ones((4, 4, 4), F4), ValueError, "out must have the shape of the result"),
    (np.ones((2, 4, 4, 4), F8), TypeError, "out must have the dtype of the result, float32; got float64"),
    (np.ones((2, 4, 4, 4), ">f4"), TypeError, "out must have the dtype of the result"),
    ([[1.0]], TypeError, "out must be a numpy.ndarray, got .* of type list"),
    (np.broadcast_to(np.zeros((1, 4, 4, 4), F4), (2, 4, 4, 4)), ValueError, "out must be writeable"),
]


@pytest.mark.parametrize(("out", "error", "words"), OUTS)
def test_a_wrong_out_is_refused(out, error, words):
    plan = convx.plan_conv((2, 3, 6, 6), w())
    for call in (
        conv,
        lambda out: plan(x(), out),
        lambda out: grad.conv2d_input((2, 4, 4, 4), WT, x(), padding=2, out=out),
    ):
        with pytest.raises(error, match=words):
            call(out=out)


def test_an_out_that_shares_memory_is_refused_and_left_alone():
    memory = np.ones(1000, F4)
    image = memory[:216].reshape(2, 3, 6, 6)
    weight = memory[400:508].reshape(4, 3, 3, 3)
    bias = memory[600:604]
    for start in (0, 100, 215, 280, 405, 500, 601):
        out = memory[start : start + 128].reshape(2, 4, 4, 4)
        with pytest.raises(ValueError, match="out shares memory with an input or with itself"):
            convx.conv2d(image, weight, bias, out=out)
    np.testing.assert_array_equal(memory, np.ones(1000, F4))
    assert convx.conv2d(image, weight, bias, out=memory[800:928].reshape(2, 4, 4, 4))[0, 0, 0, 0] == 28


def test_an_out_that_overlaps_itself_is_refused():
    out = np.lib.stride_tricks.as_strided(np.zeros(64, F4), (2, 4, 4, 4), (0, 64, 16, 4))
    with pytest.raises(ValueError, match="out shares memory"):
        conv(out=out)


GRADIENTS = [
    (
        lambda: grad.conv2d_input((2, 3, 6, 6), w(), GY[..., :3]),
        r"grad_output must have the shape .*\(2, 4, 4, 4\); got",
    ),
    (lambda: grad.conv2d_input((1, 3, 6, 6), w(), GY), r"grad_output must have the shape .*\(1, 4, 4, 4\)"),
    (lambda: grad.conv2d_input((2, 3, 6, 6), w(), GY[:, :3]), "grad_output has 3 channels but weight .* makes 4"),
    (lambda: grad.conv2d_input((3, 6, 6), w(), GY), "must both have a batch dimension, or neither"),
    (lambda: grad.conv2d_input((2, 3, 6), w(), GY[0]), "input_size"),
    (lambda: grad.conv2d_input((2, 3), w(), GY), "input_size must be the whole shape, 4 or 3 ints; got 2"),
    (lambda: grad.conv2d_input((2, 3, -6, 6), w(), GY), "input_size must be at least 0, got -6"),
    (lambda: grad.conv2d_input((2, 5, 6, 6), w(), GY), "input_size has 5 channels"),
    (lambda: grad.conv2d_weight(x(), (4, 3, 3), GY), "weight_size must be the whole shape, 4 ints; got 3"),
    (lambda: grad.conv2d_weight(x(), (5, 3, 3, 3), GY), "grad_output has 4 channels but weight .* makes 5"),
    (lambda: grad.conv2d_weight(x(), (4, 3, 3, 0), GY), "weight must have at least one"),
    (lambda: grad.conv2d_weight(x()[0], (4, 3, 3, 3), GY), "must both have a batch dimension, or neither"),
    (lambda: grad.conv_bias(GY[0, 0]), r"grad_output must have 3 to 5 dimensions.*got shape \(4, 4\)"),
    (lambda: grad.conv2d_input((2, 3, 6, 6), w(), GY, padding_mode="wrap"), "padding_mode must be one of.*got 'wrap'"),
    (lambda: grad.conv_transpose2d_input((2, 3, 6, 6), WT, GY), r"grad_output must have the shape .*\(2, 4, 8, 8\)"),
    (
        lambda: convx.plan_conv((2, 3, 6, 6), w())(x(1, 3, 6, 6)),
        r"input must have the shape of the plan, \(2, 3, 6, 6\)",
    ),
    (lambda: convx.plan_conv((2, 3, 6, 6), w(4, 3)), "weight must have 3 to 5 dimensions"),
    (lambda: convx.plan_conv((2, 3, 6, 6), w(), workspace_limit=0), "workspace_limit must be at least 1"),
    (lambda: convx.plan_conv(7, w()), "input_shape must be a sequence of 4 or 3 ints"),
    (lambda: convx.set_num_threads(-1), "threads must be at least 0, got -1"),
    (lambda: convx.set_num_threads(1.5), "threads must be an int, got 1.5"),
]


@pytest.mark.parametrize(("call", "words"), GRADIENTS)
def test_what_else_does_not_fit_is_refused(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_a_plan_of_another_dtype_is_a_type_error():
    with pytest.raises(TypeError, match="input must have the dtype of the plan, float32; got float64"):
        convx.plan_conv((2, 3, 6, 6), w())(x(dtype=F8))


def test_refusals_leak_nothing_and_print_nothing(capfd):
    image, weight = x(), w()
    counts = sys.getrefcount(image), sys.getrefcount(weight)
    for name, value, error, _ in OPTIONS:
        for _ in range(20):
            with pytest.raises(error):
                convx.conv2d(image, weight, **{name: value})
    assert (sys.getrefcount(image), sys.getrefcount(weight)) == counts
    assert capfd.readouterr() == ("", "")
