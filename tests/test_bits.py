"""The promise of bits: what an algorithm gives does not depend on threads, memory, or how the batch is cut."""

import convx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import ALGORITHMS, ARRANGEMENTS, WRITEABLE_ARRANGEMENTS, Tally, arrange, empty_like_way, examples, layers
from layers import normals as draw_normals

NAMED = tuple(name for name in ALGORITHMS if name != "auto")
SEEDS = st.integers(0, 2**32 - 1)

# Large enough that every thread gets work. (input, weight, stride, padding, dilation, groups)
LARGE = {
    "dense": ((3, 32, 24, 25), (50, 32, 3, 3), 1, 1, 1, 1),
    "strided": ((3, 48, 30, 31), (50, 48, 3, 3), 2, 1, 1, 1),
    "pointwise": ((4, 128, 20, 21), (96, 128, 1, 1), 1, 0, 1, 1),
    "deep": ((2, 512, 7, 7), (64, 512, 3, 3), 1, 1, 1, 1),
    "depthwise": ((3, 64, 40, 44), (64, 1, 3, 3), 1, 1, 1, 64),
    "first": ((2, 3, 64, 65), (32, 3, 7, 7), 2, 3, 1, 1),
    "one channel": ((1, 1, 300, 301), (1, 1, 5, 5), 1, 2, 1, 1),
    "many groups": ((2, 64, 20, 21), (64, 4, 3, 3), 1, 1, 1, 16),
    "narrow depthwise": ((3, 70, 9, 7), (70, 1, 5, 5), 1, 2, 1, 70),
    "dilated groups": ((2, 32, 40, 40), (32, 8, 3, 3), 1, 2, 2, 4),
}


def same_bits(a, b):
    """Equal bit for bit: 0 and -0 differ, and NaN equals NaN."""
    assert a.shape == b.shape
    assert np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def passes(name, dtype, algorithm):
    """The three results of a large layer as functions of nothing."""
    x_shape, w_shape, *layer = LARGE[name]
    rng = np.random.default_rng(len(name))
    x, w = draw_normals(rng, x_shape, dtype), draw_normals(rng, w_shape, dtype)
    y = convx.conv2d(x, w, None, *layer, algorithm="auto")
    gy = draw_normals(rng, y.shape, dtype)
    return (
        lambda: convx.conv2d(x, w, None, *layer, algorithm=algorithm),
        lambda: convx.grad.conv2d_input(x.shape, w, gy, *layer, algorithm=algorithm),
        lambda: convx.grad.conv2d_weight(x, w.shape, gy, *layer, algorithm=algorithm),
    )


@pytest.mark.parametrize("algorithm", NAMED)
@pytest.mark.parametrize("name", LARGE)
def test_one_to_eight_threads_give_the_same_bits(name, algorithm):
    for dtype in (np.float32, np.float64):
        for run in passes(name, dtype, algorithm):
            convx.set_num_threads(1)
            alone = run()
            for threads in (2, 8) if algorithm == "reference" else range(2, 9):
                convx.set_num_threads(threads)
                same_bits(run(), alone)


def test_one_to_eight_threads_give_the_same_bits_of_the_bias_gradient():
    rng = np.random.default_rng(1)
    for shape in ((3, 40, 50, 51), (1, 1, 500_001), (2, 700, 9, 9)):
        gy = draw_normals(rng, shape, np.float32)
        for array in (gy, np.moveaxis(np.ascontiguousarray(np.moveaxis(gy, 1, -1)), -1, 1)):
            convx.set_num_threads(1)
            alone = convx.grad.conv_bias(array)
            for threads in range(2, 9):
                convx.set_num_threads(threads)
                same_bits(convx.grad.conv_bias(array), alone)


@pytest.mark.parametrize("algorithm", NAMED)
@pytest.mark.parametrize("name", LARGE)
def test_a_batch_cut_into_pieces_gives_the_same_bits(name, algorithm):
    x_shape, w_shape, *layer = LARGE[name]
    rng = np.random.default_rng(2)
    x, w = draw_normals(rng, (5, *x_shape[1:]), np.float32), draw_normals(rng, w_shape, np.float32)
    whole = convx.conv2d(x, w, None, *layer, algorithm=algorithm)
    gy = draw_normals(rng, whole.shape, np.float32)
    whole_gradient = convx.grad.conv2d_input(x.shape, w, gy, *layer, algorithm=algorithm)
    for cuts in ((1, 1, 1, 1, 1), (2, 3), (4, 1)):
        first = 0
        for count in cuts:
            piece = slice(first, first + count)
            same_bits(convx.conv2d(x[piece], w, None, *layer, algorithm=algorithm), whole[piece])
            gradient = convx.grad.conv2d_input(x[piece].shape, w, gy[piece], *layer, algorithm=algorithm)
            same_bits(gradient, whole_gradient[piece])
            first += count


@pytest.mark.parametrize("algorithm", NAMED)
@pytest.mark.parametrize("name", LARGE)
def test_every_alignment_gives_the_same_bits(name, algorithm):
    x_shape, w_shape, *layer = LARGE[name]
    x_shape = (1, *x_shape[1:])
    rng = np.random.default_rng(3)
    x, w = draw_normals(rng, x_shape, np.float32), draw_normals(rng, w_shape, np.float32)
    expected = convx.conv2d(x, w, None, *layer, algorithm=algorithm)
    for shift in (1, 2, 3, 5, 8, 13, 15):
        given_x, given_w, out = (np.empty(a.size + 16, np.float32)[shift:][: a.size] for a in (x, w, expected))
        given_x[:], given_w[:] = x.ravel(), w.ravel()
        out = out.reshape(expected.shape)
        given_x, given_w = given_x.reshape(x.shape), given_w.reshape(w.shape)
        same_bits(convx.conv2d(given_x, given_w, None, *layer, algorithm=algorithm, out=out), expected)


# Implicit GEMM adds up in the order that suits the layout: its bits are those of a layout.
@pytest.mark.parametrize("algorithm", ["direct", "reference"])
def test_memory_strides_and_layouts_do_not_change_the_bits_of_the_stencil_and_the_reference(algorithm):
    tally = Tally(algorithm)

    @examples(80)
    @given(
        layers(max_channels=40, widest=60),
        SEEDS,
        st.tuples(
            st.sampled_from(ARRANGEMENTS), st.sampled_from(ARRANGEMENTS), st.sampled_from(WRITEABLE_ARRANGEMENTS)
        ),
    )
    def check(layer, seed, ways):
        rng = np.random.default_rng(seed)
        x, w = draw_normals(rng, layer.x_shape, layer.dtype), draw_normals(rng, layer.w_shape, layer.dtype)
        common = layer.common | {"layout": "channels_first"}
        plain = tally.call(layer.function, x, w, **common)
        out = empty_like_way(layer.y_shape, layer.dtype, ways[2])
        strange = tally.call(layer.function, arrange(x, ways[0]), arrange(w, ways[1]), out=out, **common)
        last = tally.call(layer.function, np.moveaxis(x, 1, -1), w, **common | {"layout": "channels_last"})
        if plain is not None and strange is not None:
            same_bits(strange, plain)
        if plain is not None and last is not None:
            same_bits(np.moveaxis(last, -1, 1), plain)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", NAMED)
def test_a_plan_gives_the_bits_of_the_plain_call(algorithm):
    tally = Tally(algorithm)

    @examples(100)
    @given(layers(max_channels=70, widest=60, activations=(None, "relu", "silu")), SEEDS)
    def check(layer, seed):
        rng = np.random.default_rng(seed)
        x, w = draw_normals(rng, layer.x_shape, layer.dtype), draw_normals(rng, layer.w_shape, layer.dtype)
        b = draw_normals(rng, layer.out_channels, layer.dtype) if layer.with_bias else None
        x = np.ascontiguousarray(layer.outside(x))
        options = layer.common | {"activation": layer.activation}
        plain = tally.call(layer.function, x, w, b, **options)
        plan = tally.call(convx.plan_conv, x.shape, w, b, **options)
        if plain is not None:
            same_bits(plan(x), plain)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", NAMED)
def test_any_layer_cut_into_single_images_gives_the_same_bits(algorithm):
    tally = Tally(algorithm)

    @examples(100)
    @given(layers(max_channels=70, widest=60, batches=(3,)), SEEDS)
    def check(layer, seed):
        rng = np.random.default_rng(seed)
        x, w, gy = (draw_normals(rng, s, layer.dtype) for s in (layer.x_shape, layer.w_shape, layer.y_shape))
        x, gy = np.ascontiguousarray(layer.outside(x)), np.ascontiguousarray(layer.outside(gy))
        y = tally.call(layer.function, x, w, **layer.common)
        gx = tally.call(layer.gradient("input"), x.shape, w, gy, **layer.common)
        for image in range(3):
            one = slice(image, image + 1)
            if y is not None:
                same_bits(tally.call(layer.function, x[one], w, **layer.common), y[one])
            if gx is not None:
                piece = tally.call(layer.gradient("input"), x[one].shape, w, gy[one], **layer.common)
                same_bits(piece, gx[one])

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_call_twice_gives_the_same_bits_whatever_was_called_between(algorithm):
    runs = [run for name in LARGE for run in passes(name, np.float32, algorithm)]
    first = [run() for run in runs]
    for run in reversed(runs):
        run()
    for run, before in zip(runs, first, strict=True):
        same_bits(run(), before)


@pytest.mark.parametrize("size", [4, 6, 7])
@pytest.mark.parametrize("groups", [1, 2, 3, 8, 16])
def test_groups_of_one_panel_of_pixels_are_all_computed_by_any_number_of_threads(groups, size):
    rng = np.random.default_rng(groups)
    x = rng.standard_normal((1, groups * 64, size, size), np.float32)
    w = rng.standard_normal((groups * 64, 64, 3, 3), np.float32)
    before, found = convx.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 4, 8):
            convx.set_num_threads(threads)
            result = np.full_like(x, np.nan)
            found.append(convx.conv2d(x, w, padding=1, groups=groups, algorithm="gemm", out=result))
    finally:
        convx.set_num_threads(before)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
