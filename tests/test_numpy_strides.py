"""Arrays as NumPy has them: any strides, orders, subclasses and odd memory give the same numbers."""

import sys
import threading
import tracemalloc

import convx
import numpy as np
import pytest
from convx import grad

RNG = np.random.default_rng(11)


def integers(shape, dtype):
    """Small integers: every sum of products is exact."""
    return RNG.integers(-4, 5, shape).astype(dtype)


def fortran(a):
    return np.asfortranarray(a)


def reversed_view(a):
    return np.ascontiguousarray(a[..., ::-1])[..., ::-1]


def every_second(a):
    wide = np.zeros(tuple(2 * n for n in a.shape), a.dtype)
    view = wide[(slice(None, None, 2),) * a.ndim]
    view[...] = a
    return view


def middle(a):
    wide = np.full(tuple(n + 3 for n in a.shape), 99, a.dtype)
    view = wide[tuple(slice(1, n + 1) for n in a.shape)]
    view[...] = a
    return view


def channels_last_memory(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


def at_an_odd_address(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def field_of_a_record(a):
    records = np.zeros(a.shape, [("flag", "u1"), ("value", a.dtype)])
    records["value"] = a
    return records["value"]


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


MEMORY = [
    fortran,
    reversed_view,
    every_second,
    middle,
    channels_last_memory,
    at_an_odd_address,
    field_of_a_record,
    read_only,
]


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def layer(request):
    x, w = integers((2, 4, 6, 5), request.param), integers((6, 2, 3, 2), request.param)
    return x, w, integers((6,), request.param)


OPTIONS = {"stride": (2, 1), "padding": 1, "groups": 2}


@pytest.mark.parametrize("memory", MEMORY)
def test_forward_takes_any_memory(memory, layer):
    x, w, b = layer
    expected = convx.conv2d(x, w, b, **OPTIONS)
    np.testing.assert_array_equal(convx.conv2d(memory(x), w, b, **OPTIONS), expected)
    np.testing.assert_array_equal(convx.conv2d(x, memory(w), b, **OPTIONS), expected)
    if memory is not channels_last_memory:
        np.testing.assert_array_equal(convx.conv2d(x, w, memory(b), **OPTIONS), expected)
    plan = convx.plan_conv(x.shape, w, b, **OPTIONS)
    np.testing.assert_array_equal(plan(memory(x)), expected)


@pytest.mark.parametrize("algorithm", ["gemm", "direct", "winograd_2x2", "winograd_4x4"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("groups", [1, 2])
def test_many_weights_with_channels_fastest_give_the_same_bits(algorithm, dtype, groups):
    w = RNG.standard_normal((768, 512 // groups, 3, 3)).astype(dtype)  # more than two second-level caches hold
    x, options = RNG.standard_normal((1, 512, 4, 5)).astype(dtype), {"padding": 1, "groups": groups}
    y = convx.conv2d(x, w, algorithm=algorithm, **options)
    last = channels_last_memory(w)
    np.testing.assert_array_equal(convx.conv2d(x, last, algorithm=algorithm, **options), y)
    np.testing.assert_allclose(convx.conv2d(x, last, **options), y, rtol=0, atol=1e-2)
    gx = grad.conv2d_input(x.shape, w, y, **options)
    np.testing.assert_allclose(grad.conv2d_input(x.shape, last, y, **options), gx, rtol=0, atol=1e-4 * abs(gx).max())


@pytest.mark.parametrize("memory", MEMORY)
def test_gradients_take_any_memory(memory, layer):
    x, w, b = layer
    gy = integers(convx.conv2d(x, w, b, **OPTIONS).shape, x.dtype)
    gx, gw = grad.conv2d_input(x.shape, w, gy, **OPTIONS), grad.conv2d_weight(x, w.shape, gy, **OPTIONS)
    np.testing.assert_array_equal(grad.conv2d_input(x.shape, w, memory(gy), **OPTIONS), gx)
    np.testing.assert_array_equal(grad.conv2d_input(x.shape, memory(w), gy, **OPTIONS), gx)
    np.testing.assert_array_equal(grad.conv2d_weight(memory(x), w.shape, memory(gy), **OPTIONS), gw)
    np.testing.assert_array_equal(grad.conv_bias(memory(gy)), gy.sum(axis=(0, 2, 3)))


@pytest.mark.parametrize("memory", [m for m in MEMORY if m is not read_only])
def test_results_are_written_into_any_memory_and_nowhere_else(memory, layer):
    x, w, b = layer
    expected = convx.conv2d(x, w, b, **OPTIONS)
    out = memory(np.full_like(expected, 7))
    before = out.base.copy() if isinstance(out.base, np.ndarray) and memory in (every_second, middle) else None
    assert convx.conv2d(x, w, b, **OPTIONS, out=out) is out
    np.testing.assert_array_equal(out, expected)
    if before is not None:  # what lies between the elements of out is untouched
        out[...] = 7
        np.testing.assert_array_equal(out.base, before)
    gx = grad.conv2d_input(x.shape, w, expected, **OPTIONS)
    out = memory(np.zeros_like(gx))
    assert grad.conv2d_input(x.shape, w, expected, **OPTIONS, out=out) is out
    np.testing.assert_array_equal(out, gx)
    gw = grad.conv2d_weight(x, w.shape, expected, **OPTIONS)
    out = memory(np.zeros_like(gw))
    assert grad.conv2d_weight(x, w.shape, expected, **OPTIONS, out=out) is out
    np.testing.assert_array_equal(out, gw)
    if memory is not channels_last_memory:
        out = memory(np.zeros_like(b))
        assert grad.conv_bias(expected, out=out) is out
        np.testing.assert_array_equal(out, expected.sum(axis=(0, 2, 3)))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_results_lie_in_memory_as_the_input_does(rank):
    shape = (2, 3, 7, 6, 5)[: rank + 2]
    x, w = integers(shape, np.float32), integers((4, 3) + (3,) * rank, np.float32)
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    first_result = getattr(convx, f"conv{rank}d")(x, w)
    assert first_result.flags.c_contiguous
    seen_first = getattr(convx, f"conv{rank}d")(np.moveaxis(last, -1, 1), w)
    assert np.moveaxis(seen_first, 1, -1).flags.c_contiguous
    np.testing.assert_array_equal(seen_first, first_result)
    last_result = getattr(convx, f"conv{rank}d")(last, w, layout="channels_last")
    assert last_result.flags.c_contiguous
    np.testing.assert_array_equal(np.moveaxis(last_result, -1, 1), first_result)
    seen_last = getattr(convx, f"conv{rank}d")(np.moveaxis(x, 1, -1), w, layout="channels_last")
    assert np.moveaxis(seen_last, -1, 1).flags.c_contiguous
    np.testing.assert_array_equal(seen_last, last_result)
    unbatched = getattr(convx, f"conv{rank}d")(np.moveaxis(last, -1, 1)[1], w)
    assert np.moveaxis(unbatched, 0, -1).flags.c_contiguous
    gx = getattr(grad, f"conv{rank}d_input")(shape, w, seen_first)
    assert np.moveaxis(gx, 1, -1).flags.c_contiguous


def test_channels_last_memory_is_read_in_place():
    x = np.zeros((1, 256, 256, 32), np.float32)
    w = np.zeros((1, 32, 1, 1), np.float32)
    convx.conv2d(np.moveaxis(x, -1, 1), w)
    tracemalloc.start()
    convx.conv2d(np.moveaxis(x, -1, 1), w)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 16


@pytest.mark.parametrize("function", ["forward", "input", "weight", "bias"])
def test_an_empty_batch_gives_an_empty_result_or_a_zero_gradient(function):
    x, w = np.empty((0, 3, 6, 6), np.float32), integers((4, 3, 3, 3), np.float32)
    gy = np.empty((0, 4, 4, 4), np.float32)
    found = {
        "forward": lambda: convx.conv2d(x, w),
        "input": lambda: grad.conv2d_input(x.shape, w, gy),
        "weight": lambda: grad.conv2d_weight(x, w.shape, gy),
        "bias": lambda: grad.conv_bias(gy),
    }[function]()
    shapes = {"forward": gy.shape, "input": x.shape, "weight": w.shape, "bias": (4,)}
    assert found.shape == shapes[function]
    np.testing.assert_array_equal(found, np.zeros(shapes[function], np.float32))


def test_a_broadcast_input_is_read_as_its_copy_is(layer):
    x, w, b = layer
    wide = np.broadcast_to(x[:1], (3, *x.shape[1:]))
    np.testing.assert_array_equal(convx.conv2d(wide, w, b, **OPTIONS), convx.conv2d(wide.copy(), w, b, **OPTIONS))


def test_nested_lists_are_float64():
    found = convx.conv1d([[1.0, 2.0, 3.0]], [[[1.0, 1.0]]])
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[3.0, 5.0]])


def test_subclasses_and_masks_are_read_as_plain_arrays(layer):
    x, w, b = layer
    masked = np.ma.array(x, mask=x > 0)
    for array in (masked, x.view(type("Mine", (np.ndarray,), {}))):
        found = convx.conv2d(array, w, b, **OPTIONS)
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, convx.conv2d(x, w, b, **OPTIONS))


def test_an_object_with_an_array_interface_is_read(layer):
    x, w, b = layer

    class Holder:
        def __array__(self, dtype=None, copy=None):
            return x

    np.testing.assert_array_equal(convx.conv2d(Holder(), w, b, **OPTIONS), convx.conv2d(x, w, b, **OPTIONS))


def test_inputs_are_not_kept_and_not_written(layer):
    x, w, b = layer
    copies = x.copy(), w.copy(), b.copy()
    counts = [sys.getrefcount(a) for a in (x, w, b)]
    for _ in range(10):
        convx.conv2d(x, w, b, **OPTIONS)
        with pytest.raises(ValueError, match="stride"):
            convx.conv2d(x, w, b, stride=0, groups=2)
    assert [sys.getrefcount(a) for a in (x, w, b)] == counts
    for array, copy in zip((x, w, b), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_calls_from_several_threads_give_the_same_results(layer):
    x, w, b = layer
    expected = convx.conv2d(x, w, b, **OPTIONS)
    plan = convx.plan_conv(x.shape, w, b, **OPTIONS)
    wrong = []

    def work():
        for _ in range(50):
            for found in (convx.conv2d(x, w, b, **OPTIONS), plan(x)):
                if not np.array_equal(found, expected):
                    wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "symmetric"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_padding_modes_and_their_gradients_equal_a_padded_copy(mode, rank, layout):
    """Against NumPy's own padding, further than the input is long; the gradients by being adjoint, exactly."""
    names = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "symmetric": "symmetric"}
    pads = ((2, 5), (4, 0), (1, 3))[:rank]
    last = layout == "channels_last"
    space = (4, 3, 5)[:rank]
    x = integers((2, *space, 4) if last else (2, 4, *space), np.float64)
    w = integers((6, 2) + (2,) * rank, np.float64)
    options = {"stride": 2, "groups": 2, "layout": layout}
    around = ((0, 0), *pads, (0, 0)) if last else ((0, 0), (0, 0), *pads)
    padded = np.pad(x, around, mode=names[mode])
    convolve = getattr(convx, f"conv{rank}d")
    expected = convolve(padded, w, **options)
    options |= {"padding": pads, "padding_mode": mode}
    np.testing.assert_array_equal(convolve(x, w, **options), expected)
    gy = integers(expected.shape, np.float64)
    gx = getattr(grad, f"conv{rank}d_input")(x.shape, w, gy, **options)
    gw = getattr(grad, f"conv{rank}d_weight")(x, w.shape, gy, **options)
    out = np.empty_like(gx)
    assert getattr(grad, f"conv{rank}d_input")(x.shape, w, gy, **options, out=out) is out
    np.testing.assert_array_equal(out, gx)
    for _ in range(3):
        dx, dw = integers(x.shape, np.float64), integers(w.shape, np.float64)
        assert np.vdot(gx, dx) == np.vdot(gy, convolve(dx, w, **options))
        assert np.vdot(gw, dw) == np.vdot(gy, convolve(x, dw, **options))
