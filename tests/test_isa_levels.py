"""The telling part of the suite again, at every instruction set below the best, which the suite itself runs at."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from convx import _core
from layers import ALGORITHMS
from processes import run_python

LEVELS = _core.isas_available()
LOWER = LEVELS[:-1]
TESTS = Path(__file__).parent
# Wiring, vector tails, tiles and blocks in integers; rounding; special values.
SELECTION = (
    "test_exact_integers.py",
    "test_conv_gradients.py",
    "test_rounding.py::test_forward_stays_within_the_bound_of_its_number_of_products",
    "test_rounding.py::test_gradients_stay_within_the_bound_of_their_number_of_products",
    "test_conv_forward.py::test_any_layer_in_any_memory_gives_exactly_what_the_definition_says",
    "test_conv_forward.py::test_activations_that_round_are_within_five_units_in_the_last_place",
    "test_conv_forward.py::test_an_activation_has_the_same_bits_at_every_place_of_a_row",
    "test_nonfinite.py::test_one_special_value_anywhere_in_the_input_reaches_exactly_the_windows_that_hold_it",
    "test_nonfinite.py::test_no_activation_hides_a_nan",
    "test_winograd.py",
    "test_depthwise_channels_last.py",
    "test_wide_kernels.py",
    "test_numpy_strides.py::test_many_weights_with_channels_fastest_give_the_same_bits",
)


def test_the_levels_begin_with_scalar_and_include_the_one_in_use():
    assert LEVELS[0] == "scalar"
    assert _core.isa_name() in LEVELS


@pytest.mark.parametrize("level", LEVELS)
def test_the_environment_caps_the_instruction_set_and_the_configuration_says_so(level):
    printed = run_python("convx.show_config(); print('name', convx._core.isa_name())", CONVX_ISA=level)
    assert f"name {level}\n" in printed
    assert any(line.split() == ["in", "use", level] for line in printed.splitlines()), printed


def test_an_unknown_instruction_set_caps_nothing():
    assert run_python("print(convx._core.isa_name())", CONVX_ISA="abacus").strip() == LEVELS[-1]


def passes_at(level, *selection):
    """Run a part of the suite at one instruction set."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *selection]
    finished = subprocess.run(
        command,
        cwd=TESTS,
        env=os.environ | {"CONVX_ISA": level, "CONVX_HYPOTHESIS": "quick"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stdout[-6000:]
    assert " passed" in finished.stdout
    assert "skipped" not in finished.stdout


@pytest.mark.parametrize("level", LOWER)
def test_pooling_passes_at_this_instruction_set(level):
    passes_at(level, "test_pooling.py", "test_pooling_gradients.py")


@pytest.mark.parametrize("level", LOWER)
def test_activations_softmax_and_linear_layers_pass_at_this_instruction_set(level):
    passes_at(level, "test_pointwise.py", "test_softmax.py", "test_linear.py")


@pytest.mark.parametrize("level", LOWER)
def test_input_gradients_with_a_stride_and_many_weights_pass_at_this_instruction_set(level):
    passes_at(level, "test_strided_gradients.py")


@pytest.mark.parametrize("algorithm", [*(name for name in ALGORITHMS if name != "auto"), "winograd"])
@pytest.mark.parametrize("level", LOWER)
def test_the_suite_passes_at_this_instruction_set(level, algorithm):
    # The reference has no vectors of its own, but its pooled loops and activations are compiled per level as well.
    passes_at(level, "-k", algorithm, *SELECTION)
