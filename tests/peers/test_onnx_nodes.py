"""convx on ONNX's backend cases of Conv, ConvTranspose and pooling: nodes, and models converted from PyTorch."""

import pathlib

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

import convx  # noqa: E402
from onnx.backend.test.case.node import collect_testcases  # noqa: E402
from onnx.backend.test.loader import load_model_tests  # noqa: E402

POOLS = ("MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "MaxUnpool")
OPERATORS = ("Conv", "ConvTranspose", *POOLS)
AUTO_PADS = {"VALID": "valid", "SAME_UPPER": "same", "SAME_LOWER": "same_lower"}


def is_single(model):
    """Whether a model is one node (with its weights as initializers or inputs)."""
    return model is not None and len(model.graph.node) == 1 and model.graph.node[0].op_type in OPERATORS


def node_cases():
    for case in collect_testcases(None):
        if is_single(case.model):
            for inputs, outputs in case.data_sets:
                yield pytest.param(case.model, inputs, outputs, id=case.name)


def tensor(path):
    return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))


def converted_cases():
    for kind in ("pytorch-converted", "pytorch-operator", "simple"):
        for case in load_model_tests(kind=kind):
            folder = pathlib.Path(case.model_dir or "")
            if not (folder / "model.onnx").exists():
                continue
            model = onnx.load(folder / "model.onnx")
            if not is_single(model):
                continue
            for data in sorted(folder.glob("test_data_set_*")):
                inputs = [tensor(data / f"input_{i}.pb") for i in range(len(list(data.glob("input_*.pb"))))]
                outputs = [tensor(data / f"output_{i}.pb") for i in range(len(list(data.glob("output_*.pb"))))]
                yield pytest.param(model, inputs, outputs, id=case.name)


CASES = [*node_cases(), *converted_cases()]


def window(attributes, rank):
    """What convolution and pooling have in common: stride, padding, dilation."""
    flat = attributes.get("pads", (0,) * (2 * rank))
    pairs = tuple((flat[i], flat[i + rank]) for i in range(rank))
    auto = attributes.get("auto_pad", b"NOTSET").decode()
    ones = (1,) * rank
    return attributes.get("strides", ones), AUTO_PADS.get(auto, pairs), attributes.get("dilations", ones)


def run_pool(node, inputs):
    """One pooling node in convx's words: values, and indices if it gives some."""
    x = inputs[0].astype(np.float32)
    rank = x.ndim - 2
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type.startswith("Global"):
        kind = "max" if node.op_type == "GlobalMaxPool" else "avg"
        return [getattr(convx, f"adaptive_{kind}_pool{rank}d")(x, 1)]
    stride, padding, dilation = window(attributes, rank)
    kernel = attributes["kernel_shape"]
    if node.op_type == "MaxUnpool":
        size = None
        indices = inputs[1]
        if len(inputs) == 3:  # ONNX counts in the smaller result, and then makes room around it
            size = tuple(inputs[2][-rank:])
            usual = [(n - 1) * s + k for n, s, k in zip(x.shape[2:], stride, kernel, strict=True)]
            indices = np.ravel_multi_index(np.unravel_index(indices, usual), size)
        return [getattr(convx, f"max_unpool{rank}d")(x, indices, kernel, stride, output_size=size)]
    arguments = {"stride": stride, "padding": padding, "dilation": dilation}
    arguments["ceil_mode"] = bool(attributes.get("ceil_mode", 0))
    if node.op_type == "AveragePool":
        counted = bool(attributes.get("count_include_pad", 0))
        return [getattr(convx, f"avg_pool{rank}d")(x, kernel, count_include_pad=counted, **arguments)]
    values, indices = getattr(convx, f"max_pool{rank}d")(x, kernel, return_indices=True, **arguments)
    if attributes.get("storage_order", 0):  # column-major within a channel
        indices = np.ravel_multi_index(np.unravel_index(indices, x.shape[2:]), x.shape[2:], order="F")
    # ONNX counts through the whole tensor, channels and batch included.
    planes = np.arange(x.shape[0] * x.shape[1]).reshape(x.shape[:2] + (1,) * rank) * np.prod(x.shape[2:], dtype=int)
    return [values, indices + planes]


def run(model, inputs):
    """One Conv or ConvTranspose node in convx's words."""
    graph = model.graph
    node = graph.node[0]
    values = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    free = [i.name for i in graph.input if i.name not in values]
    values.update(zip(free if len(free) == len(inputs) else [i.name for i in graph.input], inputs, strict=True))
    x, w, *bias = (values[name] for name in node.input if name)
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    rank = x.ndim - 2
    stride, padding, dilation = window(attributes, rank)
    auto = attributes.get("auto_pad", b"NOTSET").decode()
    arguments = {"stride": stride, "padding": padding, "dilation": dilation, "groups": attributes.get("group", 1)}
    if node.op_type == "Conv":
        return getattr(convx, f"conv{rank}d")(x, w, *bias, **arguments)
    extra = tuple(attributes.get("output_padding", (0,) * rank))
    if "output_shape" in attributes:
        sizes = zip(x.shape[2:], w.shape[2:], stride, dilation, attributes["output_shape"][-rank:], strict=True)
        total = [(n - 1) * s + d * (k - 1) + 1 + e - o for (n, k, s, d, o), e in zip(sizes, extra, strict=True)]
        extra = tuple(e + max(0, -t) for e, t in zip(extra, total, strict=True))
        cut = [max(0, t) for t in total]
        arguments["padding"] = tuple(
            (t // 2, t - t // 2) if auto == "SAME_UPPER" else (t - t // 2, t // 2) for t in cut
        )
    return getattr(convx, f"conv_transpose{rank}d")(x, w, *bias, output_padding=extra, **arguments)


def test_there_are_cases_of_every_operator():
    found = [case.values[0].graph.node[0].op_type for case in CASES]
    assert found.count("Conv") >= 20
    assert found.count("ConvTranspose") >= 10
    assert found.count("MaxPool") >= 15
    assert found.count("AveragePool") >= 15
    assert set(found) == set(OPERATORS)


@pytest.mark.parametrize(("model", "inputs", "outputs"), CASES)
def test_node_gives_the_values_of_onnx(model, inputs, outputs):
    node = model.graph.node[0]
    found = run_pool(node, inputs) if node.op_type in POOLS else [run(model, inputs)]
    for mine, theirs in zip(found, outputs, strict=False):
        assert mine.shape == theirs.shape
        # some pooling cases give four digits
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4 if node.op_type in POOLS else 1e-5)
