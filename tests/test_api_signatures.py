"""The names, positional order and defaults that users rely on."""

import inspect
import subprocess
import sys

import convx
import numpy as np
import pytest

RANKS = (1, 2, 3)
FORWARD = ["input", "weight", "bias=None"]
LAYER = ["stride=1", "padding=0", "dilation=1", "groups=1"]
TRANSPOSED = ["stride=1", "padding=0", "output_padding=0", "groups=1", "dilation=1"]
KEYWORDS = ["padding_mode='zeros'", "layout='channels_first'", "activation=None", "algorithm='auto'", "out=None"]
GRADIENT_KEYWORDS = ["layout='channels_first'", "algorithm='auto'", "out=None"]


def parameters(function):
    """(positional, keyword-only) parameters, with their defaults, as written."""
    positional, keywords = [], []
    for p in inspect.signature(function).parameters.values():
        text = p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        (keywords if p.kind is p.KEYWORD_ONLY else positional).append(text)
    return positional, keywords


@pytest.mark.parametrize("rank", RANKS)
def test_convolutions_have_the_positional_order_and_defaults_of_torch(rank):
    assert parameters(getattr(convx, f"conv{rank}d")) == (FORWARD + LAYER, KEYWORDS)


@pytest.mark.parametrize("rank", RANKS)
def test_transposed_convolutions_have_the_positional_order_and_defaults_of_torch(rank):
    found = parameters(getattr(convx, f"conv_transpose{rank}d"))
    assert found == (FORWARD + TRANSPOSED, KEYWORDS[1:])


@pytest.mark.parametrize("rank", RANKS)
def test_gradients_have_the_positional_order_and_defaults_of_torch(rank):
    modes = [KEYWORDS[0], *GRADIENT_KEYWORDS]
    by_input, by_weight = ["input_size", "weight", "grad_output"], ["input", "weight_size", "grad_output"]
    conv = f"conv{rank}d"
    assert parameters(getattr(convx.grad, f"{conv}_input")) == (by_input + LAYER, modes)
    assert parameters(getattr(convx.grad, f"{conv}_weight")) == (by_weight + LAYER, modes)
    conv = f"conv_transpose{rank}d"
    assert parameters(getattr(convx.grad, f"{conv}_input")) == (by_input + TRANSPOSED, GRADIENT_KEYWORDS)
    assert parameters(getattr(convx.grad, f"{conv}_weight")) == (by_weight + TRANSPOSED, GRADIENT_KEYWORDS)


WINDOW = ["kernel_size", "stride=None", "padding=0"]
LAYOUT = "layout='channels_first'"


@pytest.mark.parametrize("rank", RANKS)
def test_pooling_has_the_positional_order_and_defaults_of_torch(rank):
    def of(name):
        return parameters(getattr(convx, f"{name}{rank}d"))

    assert of("max_pool") == (["input", *WINDOW, "dilation=1", "ceil_mode=False", "return_indices=False"], [LAYOUT])
    averages = ["ceil_mode=False", "count_include_pad=True", "divisor_override=None"]
    assert of("avg_pool") == (["input", *WINDOW, *averages], ["dilation=1", LAYOUT])
    assert of("adaptive_avg_pool") == (["input", "output_size"], [LAYOUT])
    assert of("adaptive_max_pool") == (["input", "output_size", "return_indices=False"], [LAYOUT])
    assert of("max_unpool") == (["input", "indices", *WINDOW, "output_size=None"], [LAYOUT])


@pytest.mark.parametrize("rank", RANKS)
def test_gradients_of_pooling_take_the_layers_arguments_after_the_arrays(rank):
    def of(name):
        return parameters(getattr(convx.grad, f"{name}{rank}d"))

    extra = ["indices=None", LAYOUT]
    assert of("max_pool") == (["input", "grad_output", *WINDOW, "dilation=1", "ceil_mode=False"], extra)
    averages = ["ceil_mode=False", "count_include_pad=True", "divisor_override=None"]
    assert of("avg_pool") == (["input_size", "grad_output", *WINDOW, *averages], ["dilation=1", LAYOUT])
    assert of("adaptive_avg_pool") == (["input_size", "grad_output"], [LAYOUT])
    assert of("adaptive_max_pool") == (["input", "grad_output"], extra)
    assert of("max_unpool") == (["grad_output", "indices", *WINDOW, "output_size=None"], [LAYOUT])


POINTWISE_OPTIONS = {
    "relu": [],
    "relu6": [],
    "leaky_relu": ["negative_slope=0.01"],
    "elu": ["alpha=1.0"],
    "hardtanh": ["min_val=-1.0", "max_val=1.0"],
    "silu": [],
}
WITH_OUTPUT = ("elu", "sigmoid", "tanh", "softmax", "log_softmax")


@pytest.mark.parametrize("name", POINTWISE_OPTIONS)
def test_activations_have_the_positional_order_and_defaults_of_torch(name):
    options = POINTWISE_OPTIONS[name]
    assert parameters(getattr(convx, name)) == (["input", *options, "inplace=False"], ["out=None"])
    keywords = ["output=None", "out=None"] if name in WITH_OUTPUT else ["out=None"]
    assert parameters(getattr(convx.grad, name)) == (["input", "grad_output", *options], keywords)


def test_activations_without_inplace_have_the_positional_order_and_defaults_of_torch():
    assert parameters(convx.gelu) == (["input", "approximate='none'"], ["out=None"])
    assert parameters(convx.grad.gelu) == (["input", "grad_output", "approximate='none'"], ["out=None"])
    for name in ("sigmoid", "tanh"):
        assert parameters(getattr(convx, name)) == (["input"], ["out=None"])
        assert parameters(getattr(convx.grad, name)) == (["input", "grad_output"], ["output=None", "out=None"])


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_has_the_positional_order_and_defaults_of_torch(name):
    assert parameters(getattr(convx, name)) == (["input", "dim=None", "_stacklevel=3", "dtype=None"], ["out=None"])
    gradient = parameters(getattr(convx.grad, name))
    assert gradient == (["input", "grad_output", "dim=None"], ["output=None", "out=None"])


def test_linear_has_the_positional_order_and_defaults_of_torch():
    assert parameters(convx.linear) == (["input", "weight", "bias=None"], ["out=None"])
    assert parameters(convx.grad.linear_input) == (["input_size", "weight", "grad_output"], ["out=None"])
    assert parameters(convx.grad.linear_weight) == (["input", "weight_size", "grad_output"], ["out=None"])
    assert parameters(convx.grad.linear_bias) == (["grad_output"], ["out=None"])


def test_plan_conv_takes_the_layer_by_keyword():
    positional, keywords = parameters(convx.plan_conv)
    assert positional == ["input_shape", "weight", "bias=None"]
    assert keywords == [*LAYER, *KEYWORDS[:-1], "workspace_limit=None"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Conv1d", "Conv2d", "Conv3d"], [*LAYER, "bias=True", "padding_mode='zeros'"]),
        (
            ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"],
            [*TRANSPOSED[:4], "bias=True", "dilation=1", "padding_mode='zeros'"],
        ),
    ],
)
def test_convolution_modules_have_the_positional_order_and_defaults_of_torch(names, expected):
    for name in names:
        positional, keywords = parameters(getattr(convx.nn, name))
        assert positional == ["in_channels", "out_channels", "kernel_size", *expected]
        assert [each.split("=")[0] for each in keywords] == ["layout", "dtype", "rng"]


MODULES = {
    "MaxPool2d": [*WINDOW, "dilation=1", "return_indices=False", "ceil_mode=False"],
    "AvgPool2d": [*WINDOW, "ceil_mode=False", "count_include_pad=True", "divisor_override=None"],
    "AdaptiveAvgPool2d": ["output_size"],
    "AdaptiveMaxPool2d": ["output_size", "return_indices=False"],
    "MaxUnpool2d": WINDOW,
    "Linear": ["in_features", "out_features", "bias=True"],
    "BatchNorm2d": ["num_features", "eps=1e-05", "momentum=0.1", "affine=True", "track_running_stats=True"],
    "Dropout": ["p=0.5", "inplace=False"],
    "Flatten": ["start_dim=1", "end_dim=-1"],
    "ReLU": ["inplace=False"],
    "LeakyReLU": ["negative_slope=0.01", "inplace=False"],
    "ELU": ["alpha=1.0", "inplace=False"],
    "Hardtanh": ["min_val=-1.0", "max_val=1.0", "inplace=False"],
    "GELU": ["approximate='none'"],
    "Softmax": ["dim=None"],
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_have_the_positional_order_and_defaults_of_torch(name):
    assert parameters(getattr(convx.nn, name))[0] == MODULES[name]


def test_optimisers_have_their_positional_order_and_the_defaults_of_torch():
    common = ["parameters", "lr=0.001"]
    rest = ["momentum=0", "weight_decay=0", "nesterov=False"]
    assert parameters(convx.optim.SGD) == ([*common, *rest], ["dampening=0"])
    rest = ["betas=(0.9, 0.999)", "eps=1e-08", "weight_decay=0", "amsgrad=False"]
    assert parameters(convx.optim.Adam) == ([*common, *rest], [])


def test_everything_public_is_there_and_documented():
    for module in (convx, convx.grad, convx.nn, convx.optim):
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing):
                assert len(inspect.getdoc(thing)) > 40, name
    assert set(convx.__all__) <= set(dir(convx))


@pytest.mark.parametrize("name", [n for n in convx.__all__ if n.startswith(("conv", "plan")) or "pool" in n])
def test_docstrings_of_layers_have_every_section(name):
    text = inspect.getdoc(getattr(convx, name))
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text, section
    for parameter in inspect.signature(getattr(convx, name)).parameters:
        assert parameter in text


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'conv4d'"):
        convx.conv4d  # noqa: B018


def test_plan_tells_about_itself():
    weight = np.ones((2, 3, 3, 3), np.float32)
    plan = convx.plan_conv((1, 3, 8, 8), weight, np.ones(2, np.float32), padding=1, activation="relu")
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    expected = convx.conv2d(x, weight, np.ones(2, np.float32), padding=1, activation="relu")
    out = np.empty_like(expected)
    assert plan(x, out=out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(plan(x), out)
    assert plan.algorithm in plan.explain()
    assert plan.algorithm != "auto"
    assert plan.workspace_bytes >= 0
    assert plan.weight_bytes >= weight.nbytes
    assert (plan.input_shape, plan.output_shape, plan.dtype) == ((1, 3, 8, 8), (1, 2, 8, 8), np.float32)
    assert repr(plan).startswith("ConvPlan(input_shape=(1, 3, 8, 8), output_shape=(1, 2, 8, 8), dtype=float32")


def test_plan_keeps_its_own_weights():
    weight = np.ones((1, 1, 2, 2))
    plan = convx.plan_conv((1, 1, 3, 3), weight)
    weight[...] = 7
    np.testing.assert_array_equal(plan(np.ones((1, 1, 3, 3))), np.full((1, 1, 2, 2), 4.0))


@pytest.mark.parametrize("rank", RANKS)
def test_plan_takes_its_rank_from_the_weight(rank):
    weight = np.ones((2, 1) + (2,) * rank)
    plan = convx.plan_conv((1,) + (3,) * rank, weight)
    np.testing.assert_array_equal(plan(np.ones((1,) + (3,) * rank)), np.full((2,) + (2,) * rank, 2.0**rank))


def test_threads_are_set_and_reset():
    default = convx.get_num_threads()
    convx.set_num_threads(3)
    assert convx.get_num_threads() == 3
    convx.set_num_threads(np.int64(1))
    assert convx.get_num_threads() == 1
    convx.set_num_threads(0)
    assert convx.get_num_threads() == default >= 1


def test_show_config_prints_version_and_threads(capsys):
    convx.show_config()
    text = capsys.readouterr().out
    assert convx.__version__ in text
    assert "threads" in text


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "convx", *arguments], capture_output=True, text=True, check=True
    ).stdout


def test_command_line_tells_version_and_places():
    assert run("--version").strip() == convx.__version__
    assert run("--include-dir").strip() == convx.get_include()
    assert run("--cmake-dir").strip() == convx.get_cmake_dir()
    assert run("--pkgconfig-dir").strip().endswith("pkgconfig")


def test_info_prints_what_a_bug_report_needs():
    text = run("info")
    for word in (convx.__version__, np.__version__, "threads", "instruction sets", convx.get_include()):
        assert word in text


def test_bench_prints_a_row_for_each_layer():
    rows = run("bench", "--seconds", "0", "--threads", "1").splitlines()
    assert len(rows) >= 10
    assert all(len(row.split()) >= 8 for row in rows[2:])


def test_import_loads_nothing_but_numpy_and_the_core():
    code = (
        "import sys, numpy; before = set(sys.modules); import convx;"
        "print(*sorted(m for m in set(sys.modules) - before if not m.startswith('convx')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "scipy",
        "torch",
        "argparse",
        "importlib.resources",
        "pathlib",
        "inspect",
        "subprocess",
        "matplotlib",
        "numpy.testing",
    }
    assert not heavy & set(loaded)
    assert len(loaded) <= 12, loaded
