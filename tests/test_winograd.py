"""Winograd's tiles: the right products in the right places, errors within their bound, and chosen where they should be.

What holds for every algorithm (special values, errors of calls, plans) is tested with the others; here is what tiles
could get wrong: tails, the transforms' fractions, values that overflow inside them.
"""

import re
from dataclasses import replace

import convx
import numpy as np
import oracle
import pytest
import tiles
from hypothesis import given
from hypothesis import strategies as st
from layers import (
    ARRANGEMENTS,
    DTYPES,
    EXACT_ACTIVATIONS,
    TILES,
    WRITEABLE_ARRANGEMENTS,
    Layer,
    Tally,
    arrange,
    empty_like_way,
    examples,
    integers,
    normals,
    repeats_of,
    same_sums,
    tiled_layers,
)

SEEDS = st.integers(0, 2**32 - 1)
LAYOUTS = ("channels_first", "channels_last")
SPECIAL = (np.nan, np.inf, -np.inf)
WIDE = {np.float32: np.float64, np.float64: np.longdouble}


def within(result, exact, bound):
    """Assert |result - exact| <= bound, element by element."""
    excess = np.abs(result - exact) / (bound + np.finfo(result.dtype).smallest_subnormal)
    assert np.all(excess <= 1), f"{np.max(excess)} times the bound"


def same_bits(a, b):
    assert a.shape == b.shape
    assert np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def to_layout(array, layout):
    return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if layout == "channels_last" else array


def from_layout(array, layout):
    return np.moveaxis(array, -1, 1) if layout == "channels_last" else array


# ---- The judge -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outputs", "taps"), [(2, 3), (4, 3), (6, 3), (2, 5), (4, 5), (2, 7)])
def test_the_matrices_of_the_bound_are_those_of_a_convolution(outputs, taps):
    at, g, bt = tiles.matrices(outputs, taps)
    whole = np.einsum("jp,pt,ps->jst", at, g, bt)
    expected = np.array(
        [[[s == j + t for t in range(taps)] for s in range(outputs + taps - 1)] for j in range(outputs)]
    )
    np.testing.assert_allclose(whole, expected, atol=1e-12)


def test_no_tile_that_auto_may_take_grows_errors_more_than_4x4_tiles_of_3x3_kernels():
    most = tiles.growth(4, 3) ** 2
    for rows in (1, *tiles.TAPS):
        for columns in tiles.TAPS:
            for outputs in (2, 4, 6):
                if tiles.can_tile((rows, columns), outputs) and tiles.exact_enough_for_auto((rows, columns), outputs):
                    axes = tiles.tiled_axes((rows, columns))
                    assert np.prod([tiles.growth(outputs, (rows, columns)[axis]) for axis in axes]) <= most


# ---- Any layer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", TILES)
@pytest.mark.parametrize("transposed", [False, True])
def test_any_layer_stays_within_the_bound_of_its_tiles(transposed, algorithm):
    tally, outputs = Tally(algorithm), tiles.OUTPUTS[algorithm]

    @examples(120)
    @given(
        tiled_layers(transposed=transposed, activations=(None, None, "relu", "leaky_relu", "tanh")),
        SEEDS,
        st.tuples(st.sampled_from(ARRANGEMENTS), st.sampled_from(ARRANGEMENTS)),
        st.sampled_from((None, *WRITEABLE_ARRANGEMENTS)),
    )
    def check(layer, seed, ways, out_way):
        rng = np.random.default_rng(seed)
        x, w = normals(rng, layer.x_shape, layer.dtype), normals(rng, layer.w_shape, layer.dtype)
        b = normals(rng, layer.out_channels, layer.dtype) if layer.with_bias else None
        given_x = layer.outside(arrange(x, ways[0]))
        out = None if out_way is None else layer.outside(empty_like_way(layer.y_shape, layer.dtype, out_way))
        # Transposed convolutions take no activation here: theirs are tested with every algorithm.
        y = tally.call(
            layer.function, given_x, arrange(w, ways[1]), b, activation=layer.activation, out=out, **layer.common
        )
        if y is None:
            return
        assert out is None or y is out
        exact = oracle.activate(layer.forward(x, w, b, WIDE[layer.dtype]), layer.activation)
        bound = tiles.forward_bound(layer, outputs, x, w, b, layer.dtype)
        if layer.activation is not None:  # none is steeper than 1; tanh is good to five units in the last place
            bound = bound + 5 * np.finfo(layer.dtype).eps * abs(exact)
        within(layer.inside(y), exact, bound)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", TILES)
@pytest.mark.parametrize("transposed", [False, True])
def test_any_input_gradient_stays_within_the_bound_of_its_tiles(transposed, algorithm):
    tally, outputs = Tally(algorithm), tiles.OUTPUTS[algorithm]

    @examples(100)
    @given(
        tiled_layers(transposed=transposed),
        SEEDS,
        st.tuples(st.sampled_from(ARRANGEMENTS), st.sampled_from(ARRANGEMENTS)),
        st.sampled_from((None, *WRITEABLE_ARRANGEMENTS)),
    )
    def check(layer, seed, ways, out_way):
        rng = np.random.default_rng(seed)
        w, gy = normals(rng, layer.w_shape, layer.dtype), normals(rng, layer.y_shape, layer.dtype)
        given_gy = layer.outside(arrange(gy, ways[0]))
        out = None if out_way is None else layer.outside(empty_like_way(layer.x_shape, layer.dtype, out_way))
        shape = layer.outside_shape(layer.x_shape)
        gx = tally.call(layer.gradient("input"), shape, arrange(w, ways[1]), given_gy, out=out, **layer.common)
        if gx is not None:
            bound = tiles.grad_input_bound(layer, outputs, w, gy, layer.dtype, repeats_of(layer))
            within(layer.inside(gx), layer.grad_input(w, gy, WIDE[layer.dtype]), bound)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", TILES)
@pytest.mark.parametrize("transposed", [False, True])
def test_any_weight_gradient_stays_within_the_bound_of_its_tiles(transposed, algorithm):
    tally, outputs = Tally(algorithm), tiles.OUTPUTS[algorithm]

    @examples(100)
    @given(
        tiled_layers(transposed=transposed),
        SEEDS,
        st.tuples(st.sampled_from(ARRANGEMENTS), st.sampled_from(ARRANGEMENTS)),
        st.sampled_from((None, *WRITEABLE_ARRANGEMENTS)),
    )
    def check(layer, seed, ways, out_way):
        rng = np.random.default_rng(seed)
        x, gy = normals(rng, layer.x_shape, layer.dtype), normals(rng, layer.y_shape, layer.dtype)
        given_x, given_gy = layer.outside(arrange(x, ways[0])), layer.outside(arrange(gy, ways[1]))
        out = None if out_way is None else empty_like_way(layer.w_shape, layer.dtype, out_way)
        gw = tally.call(layer.gradient("weight"), given_x, layer.w_shape, given_gy, out=out, **layer.common)
        if gw is not None:
            exact = layer.grad_weight(x, gy, WIDE[layer.dtype])
            within(gw, exact, tiles.grad_weight_bound(layer, outputs, x, gy, layer.dtype))

    check()
    tally.check()


@pytest.mark.parametrize("transposed", [False, True])
def test_2x2_tiles_of_kernels_of_three_are_exact_on_small_integers(transposed):
    # Their matrices hold nothing but 1, -1 and 1/2.
    tally = Tally("winograd_2x2")

    @examples(150)
    @given(tiled_layers(transposed=transposed, activations=EXACT_ACTIVATIONS, taps=(1, 3, 3, 3)), SEEDS)
    def check(layer, seed):
        rng = np.random.default_rng(seed)
        x, w = integers(rng, layer.x_shape, layer.dtype), integers(rng, layer.w_shape, layer.dtype)
        b = integers(rng, layer.out_channels, layer.dtype, 9) if layer.with_bias else None
        y = tally.call(layer.function, layer.outside(x), w, b, activation=layer.activation, **layer.common)
        np.testing.assert_array_equal(layer.inside(y), oracle.activate(layer.forward(x, w, b), layer.activation))
        gy = integers(rng, layer.y_shape, layer.dtype)
        gx = tally.call(layer.gradient("input"), layer.outside_shape(x.shape), w, layer.outside(gy), **layer.common)
        np.testing.assert_array_equal(layer.inside(gx), layer.grad_input(w, gy))
        gw = tally.call(layer.gradient("weight"), layer.outside(x), w.shape, layer.outside(gy), **layer.common)
        np.testing.assert_array_equal(gw, layer.grad_weight(x, gy))

    check()
    tally.check()


# ---- Layers that cross every block ---------------------------------------------------------------------------------

# More than one block of tiles, of channels of the result, of the sum. (input, weight, padding)
LARGE = {
    "many tiles": ((2, 5, 61, 67), (7, 5, 3, 3), 1),
    "many tiles, more than a block of them": ((2, 70, 70, 61), (50, 70, 3, 3), 1),
    "wide": ((1, 3, 9, 900), (4, 3, 3, 3), 1),
    "deep": ((1, 530, 9, 7), (19, 530, 3, 3), 1),
    "deep, many tiles": ((1, 300, 37, 41), (9, 300, 3, 3), 1),
    "many filters": ((1, 9, 11, 13), (333, 9, 3, 3), 0),
    "many filters, many tiles": ((3, 17, 33, 30), (131, 17, 3, 3), 1),
    "five by five": ((2, 20, 30, 31), (37, 20, 5, 5), 2),
    "three by five": ((1, 20, 30, 31), (37, 20, 3, 5), 1),
    "seven by one": ((1, 40, 37, 35), (41, 40, 7, 1), 0),
    "one by seven": ((1, 40, 37, 35), (41, 40, 1, 7), 3),
    "signal": ((3, 33, 801), (40, 33, 3), 1),
    "signal, five taps": ((2, 140, 400), (20, 140, 5), 2),
    "volume": ((2, 20, 7, 15, 17), (21, 20, 3, 3, 3), 1),
    "flat volume": ((1, 20, 7, 15, 17), (21, 20, 1, 3, 3), 0),
}


@pytest.mark.parametrize("algorithm", TILES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", LARGE)
def test_blocks_of_every_kind_add_up_the_right_products(name, layout, algorithm):
    x_shape, w_shape, padding = LARGE[name]
    layer = Layer.of_shapes(x_shape, w_shape, padding)
    if not tiles.can_tile(layer.kernel, tiles.OUTPUTS[algorithm]):
        with pytest.raises(ValueError, match="tiles this large are only built for shorter kernels"):
            layer.function(np.ones(x_shape), np.ones(w_shape), algorithm=algorithm)
        return
    rng = np.random.default_rng(len(name))
    for dtype in DTYPES:
        x, w, gy = (integers(rng, s, dtype) for s in (x_shape, w_shape, layer.y_shape))
        exact = "direct" if algorithm == "winograd_2x2" and max(layer.kernel) == 3 else algorithm
        y = layer.function(to_layout(x, layout), w, padding=padding, layout=layout, algorithm=algorithm)
        same_sums(from_layout(y, layout), layer.forward(x, w, None), exact, layer.kernel)
        x_in = to_layout(x, layout)
        options = {"padding": padding, "layout": layout, "algorithm": algorithm}
        gx = layer.gradient("input")(x_in.shape, w, to_layout(gy, layout), **options)
        same_sums(from_layout(gx, layout), layer.grad_input(w, gy), exact, layer.kernel)
        gw = layer.gradient("weight")(x_in, w_shape, to_layout(gy, layout), **options)
        same_sums(gw, layer.grad_weight(x, gy), exact, layer.kernel)


# Phases that differ in size, with more than a block of tiles; a dilation that no two places of a plane are apart.
DILATED = {
    "uneven": ((2, 21, 61, 67), (19, 21, 3, 3), (4, 9), (4, 3)),
    "one way": ((1, 140, 40, 31), (70, 140, 3, 3), (1, 2), (1, 2)),
    "wider than the plane": ((1, 9, 5, 40), (9, 9, 3, 3), (7, 1), (7, 1)),
    "signal": ((2, 33, 517), (40, 33, 3), 16, 16),
    "volume": ((1, 12, 5, 15, 17), (21, 12, 3, 3, 3), (2, 2, 3), (2, 2, 3)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", DILATED)
def test_phases_of_dilated_kernels_are_exact_with_2x2_tiles(name, layout):
    x_shape, w_shape, padding, dilation = DILATED[name]
    layer = Layer.of_shapes(x_shape, w_shape, padding, dilation=dilation)
    rng = np.random.default_rng(len(name))
    options = {"padding": padding, "dilation": dilation, "layout": layout, "algorithm": "winograd_2x2"}
    x, w, gy = (integers(rng, s, np.float32) for s in (x_shape, w_shape, layer.y_shape))
    x_in, gy_in = to_layout(x, layout), to_layout(gy, layout)
    y = layer.function(x_in, w, **options)
    np.testing.assert_array_equal(from_layout(y, layout), layer.forward(x, w, None))
    gx = layer.gradient("input")(x_in.shape, w, gy_in, **options)
    np.testing.assert_array_equal(from_layout(gx, layout), layer.grad_input(w, gy))
    np.testing.assert_array_equal(layer.gradient("weight")(x_in, w_shape, gy_in, **options), layer.grad_weight(x, gy))
    plan = convx.plan_conv(x_in.shape, w, **options)
    same_bits(plan(x_in), y)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_channel_counts_around_every_vector_length_are_exact_with_2x2_tiles(layout):
    rng = np.random.default_rng(3)
    for outs in [*range(1, 35), 47, 48, 49]:
        ins = 1 + outs * 7 % 19
        layer = Layer.of_shapes((1, ins, 5, 6), (outs, ins, 3, 3), 1)
        x, w = integers(rng, layer.x_shape, np.float32), integers(rng, layer.w_shape, np.float32)
        y = convx.conv2d(to_layout(x, layout), w, padding=1, layout=layout, algorithm="winograd_2x2")
        np.testing.assert_array_equal(from_layout(y, layout), layer.forward(x, w, None))


@pytest.mark.parametrize("algorithm", TILES[:2])
def test_rows_of_any_number_of_tiles_are_joined_right(algorithm):
    rng = np.random.default_rng(4)
    for width in [*range(1, 23), 33, 61]:
        batch, ins, outs = 1 + width % 3, 1 + width * 7 % 23, 1 + width * 5 % 19
        for mode in ("zeros", "reflect") if width > 1 else ("zeros",):
            layer = Layer.of_shapes((batch, ins, 11, width), (outs, ins, 3, 3), 1)
            x, w, gy = (integers(rng, s, np.float32) for s in (layer.x_shape, layer.w_shape, layer.y_shape))
            options = {"padding": 1, "algorithm": algorithm}
            padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="constant" if mode == "zeros" else mode)
            y = convx.conv2d(x, w, padding_mode=mode, **options)
            same_sums(y, convx.conv2d(padded, w, algorithm="reference"), algorithm, (3, 3))
            gw = convx.grad.conv2d_weight(x, w.shape, gy, padding_mode=mode, **options)
            expected = convx.grad.conv2d_weight(padded, w.shape, gy, algorithm="reference")
            same_sums(gw, expected, algorithm, (3, 3))
            gx = convx.grad.conv2d_input(x.shape, w, gy, **options)
            same_sums(gx, layer.grad_input(w, gy), algorithm, (3, 3))


# ---- Bits ----------------------------------------------------------------------------------------------------------


def served(name, algorithm):
    return tiles.can_tile(LARGE[name][1][2:], tiles.OUTPUTS[algorithm])


@pytest.mark.parametrize("algorithm", TILES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bits_depend_on_neither_threads_nor_batch_nor_plan(layout, algorithm):
    for name in LARGE:
        if not served(name, algorithm):
            continue
        x_shape, w_shape, padding = LARGE[name]
        layer = Layer.of_shapes((3, *x_shape[1:]), w_shape, padding)
        rng = np.random.default_rng(len(name))
        x = to_layout(normals(rng, layer.x_shape, np.float32), layout)
        w, b = normals(rng, w_shape, np.float32), normals(rng, w_shape[0], np.float32)
        options = {"padding": padding, "layout": layout, "algorithm": algorithm}
        whole = layer.function(x, w, b, **options)
        gy = to_layout(normals(rng, layer.y_shape, np.float32), layout)
        gradient = layer.gradient("input")
        whole_gradient = gradient(x.shape, w, gy, **options)
        of_weights = layer.gradient("weight")
        weight_gradient = of_weights(x, w_shape, gy, **options)
        for threads in (1, 2, 5):
            convx.set_num_threads(threads)
            same_bits(of_weights(x, w_shape, gy, **options), weight_gradient)
            same_bits(layer.function(x, w, b, **options), whole)
            same_bits(convx.plan_conv(x.shape, w, b, **options)(x), whole)
            same_bits(gradient(x.shape, w, gy, **options), whole_gradient)
            for piece in (slice(0, 1), slice(1, 3)):
                same_bits(layer.function(x[piece], w, b, **options), whole[piece])
                same_bits(convx.plan_conv(x[piece].shape, w, b, **options)(x[piece]), whole[piece])
                same_bits(gradient(x[piece].shape, w, gy[piece], **options), whole_gradient[piece])
        convx.set_num_threads(0)


@pytest.mark.parametrize("algorithm", TILES)
def test_bits_depend_on_neither_strides_nor_layout(algorithm):
    tally = Tally(algorithm)

    @examples(80)
    @given(
        tiled_layers(),
        SEEDS,
        st.tuples(
            st.sampled_from(ARRANGEMENTS), st.sampled_from(ARRANGEMENTS), st.sampled_from(WRITEABLE_ARRANGEMENTS)
        ),
    )
    def check(layer, seed, ways):
        layer = replace(layer, layout="channels_first")
        rng = np.random.default_rng(seed)
        x, w = normals(rng, layer.x_shape, layer.dtype), normals(rng, layer.w_shape, layer.dtype)
        plain = tally.call(layer.function, x, w, **layer.common)
        if plain is None:
            return
        out = empty_like_way(layer.y_shape, layer.dtype, ways[2])
        strange = tally.call(layer.function, arrange(x, ways[0]), arrange(w, ways[1]), out=out, **layer.common)
        same_bits(strange, plain)
        last = layer.common | {"layout": "channels_last"}
        same_bits(np.moveaxis(tally.call(layer.function, to_layout(x, "channels_last"), w, **last), -1, 1), plain)

    check()
    tally.check()


# ---- Values that are not finite, huge or tiny ----------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", TILES)
def test_one_special_value_reaches_exactly_the_windows_that_hold_it(algorithm):
    tally = Tally(algorithm)

    @examples(100)
    @given(tiled_layers(), SEEDS, st.sampled_from(SPECIAL))
    def check(layer, seed, value):
        rng = np.random.default_rng(seed)
        small = np.array([-2, -1, 1, 2], layer.dtype)  # no weight is zero: zero times infinity would be NaN
        x, gy, w = (rng.choice(small, shape) for shape in (layer.x_shape, layer.y_shape, layer.w_shape))
        x.flat[rng.integers(x.size)] = value
        with np.errstate(invalid="ignore"):
            expected = layer.forward(x, w, None)
        y = tally.call(layer.function, layer.outside(x), w, **layer.common)
        if y is not None:
            same_sums(layer.inside(y), expected, algorithm, layer.kernel)
        gy.flat[rng.integers(gy.size)] = value
        with np.errstate(invalid="ignore"):  # where a padding mode adds up infinities of both signs
            expected = layer.grad_input(w, gy)
            gx = tally.call(layer.gradient("input"), layer.outside_shape(x.shape), w, layer.outside(gy), **layer.common)
        if gx is not None:
            same_sums(layer.inside(gx), expected, algorithm, layer.kernel)
        with np.errstate(invalid="ignore"):
            expected = layer.grad_weight(x, gy)
        gw = tally.call(layer.gradient("weight"), layer.outside(x), w.shape, layer.outside(gy), **layer.common)
        if gw is not None:
            np.testing.assert_array_equal(np.isfinite(gw), np.isfinite(expected))
            np.testing.assert_array_equal(np.isnan(gw), np.isnan(expected))

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", TILES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("activation", [None, "relu"])
def test_a_nan_in_one_image_leaves_the_bits_of_the_others(activation, layout, algorithm):
    rng = np.random.default_rng(5)
    w = normals(rng, (21, 6, 3, 3), np.float32)
    options = {"padding": 1, "layout": layout, "algorithm": algorithm, "activation": activation}
    for shape in ((3, 6, 9, 10), (3, 6, 40, 41)):
        clean = normals(rng, shape, np.float32)
        spoilt = clean.copy()
        spoilt[1, 2, 4, 5] = np.nan
        x = to_layout(spoilt, layout)
        for run in (lambda x: convx.conv2d(x, w, **options), convx.plan_conv(x.shape, w, **options)):
            before, after = (from_layout(run(to_layout(a, layout)), layout) for a in (clean, spoilt))
            same_bits(after[[0, 2]], before[[0, 2]])
            touched = np.zeros(shape[2:], bool)
            touched[3:6, 4:7] = True
            np.testing.assert_array_equal(np.isnan(after[1]), np.broadcast_to(touched, after[1].shape))
            np.testing.assert_allclose(after[1][:, ~touched], before[1][:, ~touched], atol=1e-3)


@pytest.mark.parametrize("algorithm", TILES)
def test_a_special_weight_or_bias_touches_its_own_channel_alone(algorithm):
    rng = np.random.default_rng(1)
    x, w = rng.choice(np.array([1, 2], np.float32), (2, 5, 8, 19)), integers(rng, (19, 5, 3, 3), np.float32)
    for channel in (0, 7, 8, 15, 16, 18):
        for value in SPECIAL:
            spoilt, b = w.copy(), np.zeros(19, np.float32)
            spoilt[channel, 2, 1, 1] = value
            y = convx.conv2d(x, spoilt, algorithm=algorithm)
            same_sums(y, oracle.conv(x, spoilt, None, (1, 1), ((0, 0),) * 2, (1, 1), 1), algorithm, (3, 3))
            b[channel] = value
            y = convx.conv2d(x, w, b, algorithm=algorithm)
            same_sums(y, oracle.conv(x, w, b, (1, 1), ((0, 0),) * 2, (1, 1), 1), algorithm, (3, 3))


@pytest.mark.parametrize("algorithm", TILES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_that_overflow_inside_a_transform_give_what_the_products_give(dtype, layout, algorithm):
    huge = np.finfo(dtype).max
    rng = np.random.default_rng(7)
    ordinary = {"x": normals(rng, (2, 4, 9, 11), dtype), "w": normals(rng, (10, 4, 3, 3), dtype)}
    for name in ordinary:
        given_arrays = {k: a.copy() for k, a in ordinary.items()}
        # A checkerboard: large sums inside, while a result holds huge times a small factor.
        array = given_arrays[name]
        array[1] = np.where(np.indices(array[1].shape).sum(axis=0) % 2, huge / 4, -huge / 4)
        other = given_arrays["w" if name == "x" else "x"]
        other *= dtype(1 / 64)
        x, w = given_arrays["x"], given_arrays["w"]
        exact = oracle.conv(x, w, None, (1, 1), ((1, 1),) * 2, (1, 1), 1, wide=np.longdouble)
        magnitude = oracle.conv(abs(x), abs(w), None, (1, 1), ((1, 1),) * 2, (1, 1), 1, wide=np.longdouble)
        assert magnitude.max() < huge
        x_in = to_layout(x, layout)
        options = {"padding": 1, "layout": layout, "algorithm": algorithm}
        for y in (convx.conv2d(x_in, w, **options), convx.plan_conv(x_in.shape, w, **options)(x_in)):
            y = from_layout(y, layout)
            assert np.all(np.isfinite(y))
            scale = np.abs(exact[1] if name == "x" else exact[:, 1]).max()
            part = (slice(1, 2),) if name == "x" else (slice(None), slice(1, 2))
            assert np.abs(y[part] - exact[part]).max() <= 1e-4 * scale
            rest = (slice(0, 1),) if name == "x" else (slice(None), slice(2, None))
            assert np.abs(y[rest] - exact[rest]).max() <= 1e-4 * np.abs(exact[rest]).max()


@pytest.mark.parametrize("algorithm", TILES)
def test_results_that_overflow_are_infinite(algorithm):
    x, w = np.full((1, 2, 9), 3e38, np.float32), np.ones((1, 2, 3), np.float32)
    np.testing.assert_array_equal(convx.conv1d(x, w, algorithm=algorithm), np.full((1, 1, 7), np.inf))


@pytest.mark.parametrize("algorithm", TILES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_subnormal_numbers_lose_no_more_than_a_few_of_the_smallest(dtype, algorithm):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.arange(1, 41, dtype=dtype)[None, None] * tiny
    y = convx.conv1d(x, np.ones((1, 1, 3), dtype), algorithm=algorithm)
    exact = 3 * np.arange(2, 40) * np.longdouble(tiny)
    outputs = tiles.OUTPUTS[algorithm]
    # Each rounding is off by half the smallest number, and grows by what follows it.
    assert np.abs(y[0, 0] - exact).max() <= tiles.growth(outputs, 3) * tiles.roundings(outputs, 3) * tiny


# ---- Accuracy as documented ----------------------------------------------------------------------------------------


# The typical error that docstrings and convx.h state, for 64 channels and normally distributed numbers: root mean
# square of the error over that of the result, in units of the machine epsilon.
STATED = {"gemm": 4, "winograd_2x2": 3, "winograd_4x4": 8, "winograd_6x6": 30}


@pytest.mark.parametrize(("outputs", "stated"), [(2, 8), (4, 84), (6, 509)])
def test_the_bound_that_is_stated_is_not_below_the_one_that_is_proved(outputs, stated):
    # (n + 40) * eps * g * n * max(abs(input)) * max(abs(weight)); gamma_k is below k * eps for all but absurd k.
    assert tiles.growth(outputs, 3) ** 2 <= stated
    assert 2 * tiles.roundings(outputs, 3) + 2 <= 40


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("algorithm", [*STATED, "auto"])
def test_the_typical_error_is_the_one_that_is_stated(algorithm, dtype):
    rng = np.random.default_rng(12)
    x, w = normals(rng, (1, 64, 28, 28), dtype), normals(rng, (64, 64, 3, 3), dtype)
    exact = oracle.conv(x, w, None, (1, 1), ((1, 1),) * 2, (1, 1), 1, wide=np.longdouble)
    y = convx.conv2d(x, w, padding=1, algorithm=algorithm)
    error = np.sqrt(np.mean((y - exact) ** 2) / np.mean(exact**2)) / np.finfo(dtype).eps
    assert error <= STATED["winograd_4x4" if algorithm == "auto" else algorithm]


# ---- Which are chosen ----------------------------------------------------------------------------------------------


def explained(plan):
    """{candidate: the rest of its line}"""
    return {line.split()[0]: line for line in plan.explain().splitlines()[1:]}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_auto_gives_large_layers_of_three_by_three_to_winograd_and_others_turn_it_off(layout):
    w = np.ones((128, 128, 3, 3), np.float32)
    shape = (1, 128, 56, 56) if layout == "channels_first" else (1, 56, 56, 128)
    options = {"padding": 1, "layout": layout}
    assert convx.plan_conv(shape, w, **options).algorithm in ("winograd_2x2", "winograd_4x4")
    for name in ("gemm", "direct", "reference"):
        plan = convx.plan_conv(shape, w, **options, algorithm=name)
        assert plan.algorithm == name
        for tile in TILES:
            assert re.search(r"cycles.*, (not asked for|only on request)$", explained(plan)[tile]), plan.explain()


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (3, 5), (7, 7), (1, 7), (7, 1), (5, 1), (1, 3)])
def test_tiles_less_exact_than_4x4_of_3x3_are_taken_on_request_only(kernel):
    w = np.ones((256, 256, *kernel), np.float32)
    shape = (1, 256, 56, 56)
    for name in ("auto", "winograd"):
        try:
            plan = convx.plan_conv(shape, w, padding="same", algorithm=name)
        except ValueError:
            assert name == "winograd"
            assert not any(tiles.exact_enough_for_auto(kernel, m) and tiles.can_tile(kernel, m) for m in (2, 4))
            continue
        if plan.algorithm.startswith("winograd"):
            assert tiles.exact_enough_for_auto(kernel, tiles.OUTPUTS[plan.algorithm]), plan.explain()
        for tile, outputs in tiles.OUTPUTS.items():
            if tiles.can_tile(kernel, outputs):
                asked = "only on request" in explained(plan)[tile]
                assert asked != tiles.exact_enough_for_auto(kernel, outputs), plan.explain()
            else:
                assert "declines: tiles this large" in explained(plan)[tile]
    for tile, outputs in tiles.OUTPUTS.items():
        if tiles.can_tile(kernel, outputs):
            assert convx.plan_conv(shape, w, padding="same", algorithm=tile).algorithm == tile


def test_winograd_is_the_cheaper_of_2x2_and_4x4_tiles():
    for shape in ((1, 64, 28, 28), (1, 8, 3, 3), (4, 16, 6, 6)):
        plan = convx.plan_conv(shape, np.ones((16, shape[1], 3, 3), np.float32), padding=1, algorithm="winograd")
        costs = {n: float(re.search(r"([\d.e+]+) cycles", explained(plan)[n])[1]) for n in TILES[:2]}
        assert plan.algorithm == min(costs, key=costs.get)


def test_a_workspace_limit_is_kept_by_tiles_or_turns_auto_to_another():
    rng = np.random.default_rng(8)
    x, w = integers(rng, (2, 64, 56, 56), np.float32), integers(rng, (64, 64, 3, 3), np.float32)
    expected = oracle.conv(x, w, None, (1, 1), ((1, 1),) * 2, (1, 1), 1)
    convx.set_num_threads(2)
    free = convx.plan_conv(x.shape, w, padding=1, algorithm="winograd_4x4")
    kept = convx.plan_conv(
        x.shape, w, padding=1, algorithm="winograd_4x4", workspace_limit=free.workspace_bytes * 3 // 4
    )
    assert kept.workspace_bytes <= free.workspace_bytes * 3 // 4
    same_bits(kept(x), free(x))
    with pytest.raises(
        ValueError, match=r"workspace_limit is too small(.|\n)*winograd_4x4 .*more than the limit of 4096"
    ):
        convx.plan_conv(x.shape, w, padding=1, algorithm="winograd_4x4", workspace_limit=4096)
    assert convx.plan_conv(x.shape, w, padding=1).algorithm.startswith("winograd")
    for share in (0.7, 0.5, 0.3):
        limit = int(share * free.workspace_bytes)
        try:
            plan = convx.plan_conv(x.shape, w, padding=1, workspace_limit=limit)
        except ValueError:
            assert share < 0.5
            continue
        assert plan.workspace_bytes <= limit
        same_sums(plan(x), expected, plan.algorithm, (3, 3))
