"""plan_conv: the same results, prepared once, and honest about what it does."""

import re
from concurrent.futures import ThreadPoolExecutor

import convx
import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import (
    ALGORITHMS,
    ARRANGEMENTS,
    EXACT_ACTIVATIONS,
    WRITEABLE_ARRANGEMENTS,
    Tally,
    arrange,
    empty_like_way,
    examples,
    integers,
    layers,
    same_sums,
)

CANDIDATES = {"direct", "gemm", "winograd_4x4", "winograd_2x2", "winograd_6x6", "reference"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_plan_of_any_layer_gives_exactly_what_the_definition_says(algorithm):
    tally = Tally(algorithm)

    @examples(100)
    @given(
        layers(activations=EXACT_ACTIVATIONS),
        st.integers(0, 2**32 - 1),
        st.sampled_from(ARRANGEMENTS),
        st.sampled_from(ARRANGEMENTS),
        st.sampled_from((None, *WRITEABLE_ARRANGEMENTS)),
    )
    def check(layer, seed, way, weight_way, out_way):
        rng = np.random.default_rng(seed)
        w = integers(rng, layer.w_shape, layer.dtype)
        b = integers(rng, layer.out_channels, layer.dtype, 9) if layer.with_bias else None
        shape = layer.outside_shape(layer.x_shape)
        options = layer.common | {"activation": layer.activation}
        plan = tally.call(convx.plan_conv, shape, arrange(w, weight_way), b, **options)
        if plan is None:
            return
        assert plan.input_shape == shape
        assert plan.output_shape == layer.outside_shape(layer.y_shape)
        assert plan.dtype == layer.dtype
        assert algorithm in ("auto", plan.algorithm)
        for _ in range(2):
            x = integers(rng, layer.x_shape, layer.dtype)
            out = None if out_way is None else layer.outside(empty_like_way(layer.y_shape, layer.dtype, out_way))
            y = plan(layer.outside(arrange(x, way)), out=out)
            expected = oracle.activate(layer.forward(x, w, b).astype(layer.dtype), layer.activation)
            same_sums(layer.inside(y), expected, algorithm, layer.kernel)
            assert out is None or y is out

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_change_of_the_weights_after_the_plan_was_made_does_not_reach_it(algorithm):
    rng = np.random.default_rng(1)
    x, w, b = (integers(rng, s, np.float32) for s in ((1, 6, 9, 9), (8, 6, 3, 3), (8,)))
    plan = convx.plan_conv(x.shape, w, b, padding=1, algorithm=algorithm)
    expected = plan(x).copy()
    same_sums(expected, convx.conv2d(x, w, b, padding=1, algorithm="reference"), algorithm, (3, 3))
    w[...], b[...] = np.nan, np.nan
    np.testing.assert_array_equal(plan(x), expected)
    del w, b
    np.testing.assert_array_equal(plan(x), expected)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_explain_lists_each_candidate_with_cost_or_reason_and_marks_the_one_that_runs(algorithm):
    plan = convx.plan_conv((1, 16, 20, 20), np.ones((24, 16, 3, 3), np.float32), padding=1, algorithm=algorithm)
    problem, *lines = plan.explain().splitlines()
    assert "float32" in problem
    assert {line.split()[0] for line in lines} == CANDIDATES
    assert len(lines) == len(CANDIDATES)
    for line in lines:
        cost = re.search(r"[\d.e+]+ cycles, \d+ bytes of workspace", line)
        reason = re.search(r"declines: \w+", line)
        assert bool(cost) != bool(reason), line
    chosen = [line.split()[0] for line in lines if "<- chosen" in line]
    assert chosen == [plan.algorithm]
    assert algorithm in ("auto", plan.algorithm)


def test_auto_runs_the_cheapest_of_those_that_accept_winograd_which_rounds_more_only_to_save_an_eighth():
    for x_shape, w_shape, groups in (
        ((1, 64, 28, 28), (64, 64, 3, 3), 1),
        ((1, 64, 56, 56), (64, 1, 3, 3), 64),
        ((1, 1, 300, 300), (1, 1, 5, 5), 1),
    ):
        plan = convx.plan_conv(x_shape, np.ones(w_shape, np.float32), padding=1, groups=groups)
        lines = [line for line in plan.explain().splitlines() if not re.search("on request|last resort", line)]
        costs = dict(re.findall(r"^ *(\w+) +([\d.e+]+) cycles", "\n".join(lines), re.MULTILINE))
        costs = {name: float(cost) * (1.15 if name.startswith("winograd") else 1) for name, cost in costs.items()}
        assert 1 < len(costs) < len(CANDIDATES)
        assert costs[plan.algorithm] == min(costs.values()), plan.explain()


def test_the_workspace_of_a_plan_is_what_explain_says():
    plan = convx.plan_conv((1, 64, 28, 28), np.ones((64, 64, 3, 3), np.float32), padding=1, algorithm="gemm")
    (line,) = (line for line in plan.explain().splitlines() if "<- chosen" in line)
    assert f" {plan.workspace_bytes} bytes of workspace" in line
    assert plan.workspace_bytes > 0


@pytest.mark.parametrize("algorithm", ["auto", "gemm"])
@pytest.mark.parametrize("share", [0.75, 1, 10])
def test_a_workspace_limit_is_kept_and_does_not_change_the_result(share, algorithm):
    rng = np.random.default_rng(2)
    x, w = integers(rng, (2, 64, 28, 28), np.float32), integers(rng, (64, 64, 3, 3), np.float32)
    options = {"padding": 1, "algorithm": algorithm}
    expected = convx.conv2d(x, w, padding=1, algorithm="reference")
    convx.set_num_threads(2)
    limit = int(share * convx.plan_conv(x.shape, w, **options).workspace_bytes)
    plan = convx.plan_conv(x.shape, w, **options, workspace_limit=limit)
    assert 0 < plan.workspace_bytes <= limit
    same_sums(plan(x), expected, algorithm, (3, 3))
    # More threads later must not break the promise.
    convx.set_num_threads(8)
    assert plan.workspace_bytes <= limit
    same_sums(plan(x), expected, algorithm, (3, 3))


def test_a_workspace_limit_that_no_algorithm_fits_is_refused_with_what_each_needs():
    w = np.ones((64, 64, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r"workspace_limit is too small(.|\n)*more than the limit of 8"):
        convx.plan_conv((1, 64, 28, 28), w, algorithm="gemm", workspace_limit=8)


def test_the_reference_needs_no_workspace():
    w = np.ones((4, 4, 3, 3), np.float32)
    plan = convx.plan_conv((1, 4, 8, 8), w, algorithm="reference", workspace_limit=1)
    assert plan.workspace_bytes == 0


def test_a_plan_knows_the_bytes_of_its_weights():
    w = np.ones((64, 64, 3, 3), np.float32)
    plan = convx.plan_conv((1, 64, 28, 28), w)
    assert plan.weight_bytes >= w.nbytes


def test_one_plan_may_be_called_from_many_threads_at_once():
    rng = np.random.default_rng(3)
    w = integers(rng, (32, 16, 3, 3), np.float32)
    plan = convx.plan_conv((1, 16, 24, 24), w, padding=1)
    inputs = [integers(rng, (1, 16, 24, 24), np.float32) for _ in range(24)]
    expected = [oracle.conv(x, w, None, (1, 1), ((1, 1),) * 2, (1, 1), 1) for x in inputs]

    def run(i):
        return [np.abs(plan(inputs[j % 24]) - expected[j % 24]).max() < 1 / 32 for j in range(i, i + 40)]

    with ThreadPoolExecutor(8) as pool:
        assert all(all(results) for results in pool.map(run, range(16)))


def test_an_input_of_another_shape_or_dtype_is_refused():
    plan = convx.plan_conv((1, 3, 8, 8), np.ones((4, 3, 3, 3), np.float32))
    with pytest.raises(ValueError, match="shape of the plan"):
        plan(np.ones((1, 3, 8, 9), np.float32))
    with pytest.raises(ValueError, match="shape of the plan"):
        plan(np.ones((3, 8, 8), np.float32))
    with pytest.raises(TypeError, match="dtype of the plan"):
        plan(np.ones((1, 3, 8, 8)))


def test_a_plan_outlives_a_change_of_the_number_of_threads():
    rng = np.random.default_rng(4)
    x, w = integers(rng, (2, 32, 30, 30), np.float32), integers(rng, (32, 32, 3, 3), np.float32)
    convx.set_num_threads(1)
    plan = convx.plan_conv(x.shape, w)
    expected = plan(x)
    for threads in (8, 2, 5, 1):
        convx.set_num_threads(threads)
        np.testing.assert_array_equal(plan(x), expected)
