"""The command that measures convx beside other engines: its arithmetic, and that nothing wrong is counted."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import convx
import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCHMARKS))

from cliffs import command as cliffs  # noqa: E402
from cliffs import shapes  # noqa: E402
from side_by_side import (  # noqa: E402
    command,
    compare,
    engines,
    layers,
    machine,
    operations,
    processes,
    report,
    timing,
)

SHORT = timing.Effort(0.0, 1)
TINY = layers.Layer(3, 4, (9, 8), (3, 2), stride=2, padding=1)


def case(layer="a", task=layers.FORWARD, known=True, **times):
    names = {name.lower().replace(" ", "").replace(".", ""): name for name in engines.MODULES}
    return {
        "layer": layer,
        "known": known,
        "task": task,
        "flops": 1000,
        "times": {names[name]: time for name, time in times.items()},
    }


# ---- Arithmetic ----------------------------------------------------------------------------------------------------


def test_the_geometric_mean_is_the_root_of_the_product():
    assert compare.geometric_mean([1.0, 4.0]) == pytest.approx(2.0)
    assert compare.geometric_mean([0.5, 2.0, 8.0]) == pytest.approx(2.0)
    assert compare.geometric_mean(iter(())) is None


def test_a_ratio_is_their_time_over_ours():
    assert compare.ratio(case(convx=2.0, pytorch=3.0), "PyTorch") == 1.5
    assert compare.ratio(case(convx=2.0), "PyTorch") is None
    assert compare.ratio(case(pytorch=2.0), "PyTorch") is None


def test_differences_are_relative_to_our_largest_sample():
    assert compare.difference([1.0, -4.0], [1.5, -4.0]) == 0.125
    assert compare.difference([0.0, 0.0], [0.0, 3.0]) == 3.0
    assert compare.difference([1.0, 2.0], [1.0, float("nan")]) == float("inf")


def test_a_summary_has_means_of_known_and_new_layers_and_the_least_ratio():
    cases = [
        case("a", convx=1.0, pytorch=2.0),
        case("a", layers.WEIGHT_GRADIENT, convx=1.0, pytorch=8.0),
        case("b", known=False, convx=2.0, pytorch=1.0),
        case("c", convx=1.0),
        case("d", layers.PLAN, convx=1.0, ncnn=3.0),
    ]
    line = compare.Comparison("calls", layers.PASSES, "PyTorch", 2.0, 1.0).summary(cases)
    assert line["count"] == 3
    assert line["mean"] == pytest.approx(2.0)
    assert line["mean_known"] == pytest.approx(4.0)
    assert line["mean_new"] == pytest.approx(0.5)
    assert (line["least"], line["least_at"]) == (0.5, "b, forward")
    assert line["below"] == [["b, forward", 0.5]]
    assert compare.Comparison("calls", layers.PASSES, "SciPy").summary(cases) is None


def test_the_best_other_engine_of_a_plan_may_be_the_plain_call_of_pytorch():
    cases = [
        case("a", layers.PLAN, convx=2.0, ncnn=3.0, openvino=5.0),
        case("a", layers.FORWARD, convx=9.0, pytorch=4.0),
        case("b", layers.PLAN, convx=2.0, ncnn=3.0),
        case("b", layers.FORWARD, convx=9.0, pytorch=1.0),
    ]
    assert [(each["best"], compare.ratio(each, compare.BEST)) for each in compare.with_best_other(cases)] == [
        ("ncnn", 1.5),
        ("PyTorch", 0.5),
    ]
    line = compare.Comparison("plans", (layers.PLAN,), compare.BEST, 1.1, 0.85).summary(cases)
    assert (line["least"], line["least_at"]) == (0.5, "b, plan (PyTorch)")
    assert "PyTorch" not in cases[0]["times"]


def test_a_call_is_measured_as_often_as_asked_and_the_first_time_is_not_counted():
    calls = []
    best, median = timing.measure(lambda: calls.append(1), timing.Effort(0.0, 7))
    assert len(calls) == 8
    assert 0 < best <= median


# ---- Layers and engines --------------------------------------------------------------------------------------------


def test_layers_have_names_of_their_own_and_outputs():
    every = layers.chosen("")
    assert len({layer.name for layer in every}) == len(every) == len(layers.LAYERS) + len(layers.FILTERS)
    assert min(min(layer.output_shape) for layer in every) > 0
    assert layers.chosen("depthwise 7x7, 5x5 3->6") == [
        x for x in every if x.name in ("depthwise 7x7 96 56", "5x5 3->6 32")
    ]


@pytest.mark.parametrize(
    "layer",
    [
        TINY,
        layers.Layer(4, 4, (9,), (3,), dilation=2, groups=4),
        layers.Layer(2, 6, (4, 5, 6), (3, 3, 3), groups=2, batch=2),
    ],
    ids=lambda layer: layer.name,
)
def test_convx_does_every_task_of_a_layer_on_the_same_tensors(layer):
    engine = engines.load("convx", 1)
    tensors = layer.tensors("float64")
    results = {}
    for task in layer.tasks:
        run, read = engine.prepare(layer, task, tensors)
        results[task] = read(run())
    assert results[layers.FORWARD].shape == layer.output_shape == tensors[2].shape
    assert results[layers.INPUT_GRADIENT].shape == layer.input_shape
    assert results[layers.WEIGHT_GRADIENT].shape == layer.weight_shape
    for task in (layers.CHANNELS_LAST, layers.PLAN):
        np.testing.assert_allclose(results[task], results[layers.FORWARD], atol=1e-12)
    places, patch = np.prod(layer.output_shape), np.prod(layer.weight_shape[1:])
    assert layer.flops == 2 * places * patch


def test_layers_survive_json():
    assert layers.Layer.from_dict(json.loads(json.dumps(TINY.to_dict()))) == TINY


def test_operations_have_names_of_their_own_and_survive_json():
    every = operations.chosen("")
    assert len({each.name for each in every}) == len(every) == len(operations.OPERATIONS)
    assert [operations.Operation.from_dict(json.loads(json.dumps(each.to_dict()))) for each in every] == every
    assert [each.function for each in operations.chosen("log_softmax")] == ["log_softmax"]


SMALL = [
    operations.Operation(operations.POOLING, "max_pool2d", (2, 3, 9, 8), (("kernel_size", 3), ("stride", 2))),
    operations.Operation(operations.POOLING, "adaptive_avg_pool1d", (2, 3, 9), (("output_size", 2),)),
    operations.Operation(operations.ACTIVATION, "softmax", (3, 5), (("dim", 1),)),
    operations.Operation(operations.LINEAR, "linear", (3, 5), (), 4),
    operations.OPERATIONS[-1],
]


@pytest.mark.parametrize("operation", SMALL, ids=lambda operation: operation.name)
def test_convx_does_every_task_of_an_operation(operation):
    engine = engines.load("convx", 1)
    x, *weights = operation.tensors("float32")
    results = {}
    for task in operation.tasks:
        run, read = engine.prepare_operation(operation, task, (x, *weights))
        results[task] = read(run())
        assert np.isfinite(results[task]).all()
    for task, result in results.items():
        if operation.kind == operations.STEP:
            assert result == pytest.approx(np.log(10), abs=0.5)  # ten classes, nothing learnt yet
        elif "weight" in task:
            assert result.shape == weights[0].shape
        elif task.endswith(operations.GRADIENT):
            assert result.shape == x.shape
        if task.startswith(operations.LAST):
            np.testing.assert_allclose(result, results[task.removeprefix(operations.LAST)], rtol=1e-5)


def test_engines_of_convolutions_alone_leave_operations_out():
    tasks = [(SMALL[2], operations.ACTIVATION)]
    version, (outcome,) = processes.measure("NumPy", 1, "float32", SHORT, tasks, lambda index: None)
    assert version == np.__version__
    assert "convolutions alone" in outcome["unsupported"]


# ---- Processes -----------------------------------------------------------------------------------------------------

# An OpenCV that ends the process on 5x5 kernels, gets 7x7 ones wrong, and prints where it must not disturb.
_BROKEN = """
import os
from scipy import signal
__version__, BORDER_CONSTANT = "broken", 0
print("hello")
def setNumThreads(threads):
    assert os.environ["OMP_NUM_THREADS"] == str(threads) == "1"
def filter2D(image, depth, kernel, dst, borderType):
    if len(kernel) == 5:
        os._exit(3)
    dst[...] = signal.correlate2d(image, kernel, "same") + (len(kernel) == 7)
"""


@pytest.fixture
def broken_opencv(tmp_path, monkeypatch):
    (tmp_path / "cv2.py").write_text(_BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_an_engine_that_crashes_or_errs_costs_only_the_task(broken_opencv):
    filters = [layers.Layer(1, 1, (20, 30), (k, k)) for k in (5, 3, 7)]
    run = command.Run(1, filters)
    quiet = command.Progress(2)
    assert run.measure("convx", "float32", SHORT, quiet) == (convx.__version__, None)
    assert run.measure("OpenCV", "float32", SHORT, quiet) == ("broken", None)
    assert ["OpenCV" in each["times"] for each in run.cases] == [False, True, False]
    assert all(each["times"]["convx"] > 0 for each in run.cases)
    crash, wrong = run.trouble
    assert "filter 5x5 20x30" in crash
    assert "ended with 3" in crash
    assert "filter 7x7 20x30" in wrong
    assert "differs from convx" in wrong
    assert run.cases[1]["differences"]["OpenCV"] < 1e-5
    # What failed is not tried again.
    assert run.measure("OpenCV", "float32", SHORT, quiet) == ("broken", None)
    assert len(run.trouble) == 2


def test_an_engine_that_is_not_installed_is_absent(tmp_path, monkeypatch):
    (tmp_path / "cv2.py").write_text("raise ImportError('no such engine')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tasks = [(layers.Layer(1, 1, (20, 30), (3, 3)), layers.FILTER)]
    assert processes.measure("OpenCV", 1, "float32", SHORT, tasks, print) == (None, "no such engine")


def test_the_best_of_the_rounds_counts(monkeypatch):
    times = iter([3.0, 8.0, 2.0, 9.0])

    def fake(engine, threads, dtype, effort, tasks, progress):
        time = next(times)
        return "1", [{"best": time, "median": time, "samples": [1.0, 2.0]} for _ in tasks]

    monkeypatch.setattr(processes, "measure", fake)
    monkeypatch.setattr(machine.Peak, "measure", lambda self, threads: 100.0)
    options = command.parser().parse_args(["--threads", "1", "--rounds", "2", "--engines", "numpy"])
    results = command.gather(options, [layers.FILTERS[-1]])
    assert results["runs"][0]["cases"][0]["times"] == {"convx": 2.0, "NumPy": 8.0}
    assert results["runs"][0]["summary"][0]["mean"] == pytest.approx(4.0)


def test_one_command_measures_prints_and_writes(tmp_path, capsys):
    arguments = ["--quick", "--threads", "1", "--layers", "filter 1-D,5x5 3->6", "--engines", "scipy,numpy"]
    assert command.main([*arguments, "--output", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "side_by_side.json").read_text())
    assert results["engines"]["convx"] == convx.__version__
    assert results["engines"]["NumPy"] == np.__version__
    (run,) = results["runs"]
    assert run["threads"] == 1
    by_task = {each["task"]: each for each in run["cases"]}
    assert set(by_task) == {*layers.PASSES, layers.CHANNELS_LAST, layers.PLAN, layers.FILTER}
    times = by_task[layers.FILTER]["times"]
    assert set(times) == {"convx", "SciPy", "NumPy"}
    assert max(by_task[layers.FILTER]["differences"].values()) < 1e-5
    (line,) = [line for line in run["summary"] if line["against"] == "NumPy"]
    assert line["mean"] == pytest.approx(times["NumPy"] / times["convx"])
    printed = capsys.readouterr().out
    assert f"{line['mean']:.2f}" in printed
    if run["peak_gflops"]:
        share = (
            100e-9 * by_task[layers.FORWARD]["flops"] / by_task[layers.FORWARD]["times"]["convx"] / run["peak_gflops"]
        )
        assert f" {share:.0f} " in printed
    drawn = (tmp_path / "side_by_side.svg").exists()
    assert drawn == (importlib.util.find_spec("matplotlib") is not None)


def test_numbers_of_a_short_run_or_a_busy_machine_say_so():
    quiet = {"effort": {"quick": False}, "others": 0.01}
    assert report.reservations(quiet) == []
    assert "short" in report.reservations(quiet | {"effort": {"quick": True}})[0]
    assert "0.70 cores" in report.reservations(quiet | {"others": 0.7})[0]
    assert report.reservations(quiet | {"others": None}) == []


# ---- Cliffs --------------------------------------------------------------------------------------------------------


def test_random_layers_are_the_same_every_time_and_have_larger_neighbours():
    sample = shapes.sample(20)
    assert sample == shapes.sample(30)[:20]
    for layer in sample:
        near = shapes.rounded(layer)
        assert near.flops > layer.flops
        assert {near.channels % 16, near.filters % 16, *(size % 16 for size in near.size)} == {0}
        assert (near.kernel, near.stride) == (layer.kernel, layer.stride)
        assert (near.groups > 1) == (layer.groups > 1)


def test_growth_over_many_shapes_is_measured_and_judged(tmp_path, capsys):
    assert cliffs.main(["--quick", "--only", "many_shapes", "--output", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "cliffs.json").read_text())
    assert results["many_shapes"]["shapes"] == 100
    assert results["many_shapes"]["grown_bytes"] < 1e6
    assert "[met: wanted under 1 MB]" in capsys.readouterr().out


# ---- The peak ------------------------------------------------------------------------------------------------------


def test_the_peak_of_float32_is_about_twice_that_of_float64():
    with machine.Peak("float32") as single, machine.Peak("float64") as double:
        assert single.why_not is None
        ratios = [single.measure(1) / double.measure(1) for _ in range(3)]
    assert 1.3 < ratios[-1] < 3.0


def test_without_a_compiler_the_peak_is_not_known(monkeypatch):
    monkeypatch.setenv("CC", os.devnull + "/no-compiler")
    with machine.Peak("float32") as peak:
        assert peak.measure(1) is None
    assert "no C compiler" in peak.why_not
