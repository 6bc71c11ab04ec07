"""Errors of real numbers, against extended precision, within a bound that is stated and proved, not tuned.

A sum of k products in any order, fused or not, is off by at most gamma_k * sum |x| |w| (Higham, Accuracy and Stability
of Numerical Algorithms, section 3.1), gamma_k = k u / (1 - k u), u half the machine epsilon; the bias is one term more.
Where `auto` may choose Winograd's tiles, it has their bound, of tiles not less exact than F(4x4, 3x3): see tiles.py.
"""

import convx
import numpy as np
import oracle
import pytest
import tiles
from hypothesis import given
from hypothesis import strategies as st
from layers import ALGORITHMS, DTYPES, Layer, Tally, examples, layers, normals, repeats_of

SEEDS = st.integers(0, 2**32 - 1)


def within(result, exact, magnitude, terms, tiled=()):
    """Assert |result - exact| <= gamma_terms * magnitude, or one of the bounds `tiled`, element by element."""
    allowed = oracle.gamma(terms, result.dtype) * magnitude
    for bound in tiled:
        allowed = np.maximum(allowed, bound)
    excess = np.abs(result - exact) / (allowed + np.finfo(result.dtype).smallest_subnormal)
    assert np.all(excess <= 1), f"{np.max(excess)} times the bound of {terms} terms"


def check_forward(layer, x, w, b, y, algorithm):
    """y: channels-first and batched."""
    exact = layer.forward(x, w, b, np.longdouble)
    magnitude = layer.forward(abs(x), abs(w), None if b is None else abs(b))
    terms = layer.in_channels // layer.groups * int(np.prod(layer.kernel)) + layer.with_bias
    sizes = tiles.outputs_for_auto(layer) if algorithm == "auto" else ()
    within(y, exact, magnitude, terms, [tiles.forward_bound(layer, m, x, w, b, y.dtype) for m in sizes])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("transposed", [False, True])
def test_forward_stays_within_the_bound_of_its_number_of_products(transposed, algorithm):
    tally = Tally(algorithm)

    @examples(60)
    @given(layers(transposed=transposed), SEEDS)
    def check(layer, seed):
        rng = np.random.default_rng(seed)
        x, w = normals(rng, layer.x_shape, layer.dtype), normals(rng, layer.w_shape, layer.dtype)
        b = normals(rng, layer.out_channels, layer.dtype) if layer.with_bias else None
        y = tally.call(layer.function, layer.outside(x), w, b, **layer.common)
        if y is not None:
            check_forward(layer, x, w, b, layer.inside(y), algorithm)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("transposed", [False, True])
def test_gradients_stay_within_the_bound_of_their_number_of_products(transposed, algorithm):
    tally = Tally(algorithm)

    @examples(50)
    @given(layers(transposed=transposed), SEEDS)
    def check(layer, seed):
        rng = np.random.default_rng(seed)
        x, w, gy = (normals(rng, s, layer.dtype) for s in (layer.x_shape, layer.w_shape, layer.y_shape))
        wide = np.longdouble
        gx = tally.call(layer.gradient("input"), layer.outside_shape(x.shape), w, layer.outside(gy), **layer.common)
        if gx is not None:
            repeats = repeats_of(layer)
            taps = int(np.prod(layer.kernel)) * (layer.out_channels // layer.groups)
            magnitude = layer.grad_input(abs(w), abs(gy), wide)
            sizes = tiles.outputs_for_auto(layer) if algorithm == "auto" else ()
            tiled = [tiles.grad_input_bound(layer, m, w, gy, layer.dtype, repeats) for m in sizes]
            within(layer.inside(gx), layer.grad_input(w, gy, wide), magnitude, (taps + 3) * repeats, tiled)
        gw = tally.call(layer.gradient("weight"), layer.outside(x), w.shape, layer.outside(gy), **layer.common)
        if gw is not None:
            places = max(int(np.prod(layer.size)), int(np.prod(layer.extent))) * layer.x_shape[0]
            sizes = tiles.outputs_for_auto(layer) if algorithm == "auto" else ()
            tiled = [tiles.grad_weight_bound(layer, m, x, gy, layer.dtype) for m in sizes]
            within(gw, layer.grad_weight(x, gy, wide), layer.grad_weight(abs(x), abs(gy), wide), places, tiled)

    check()
    tally.check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_ten_thousand_products_in_one_sum_stay_within_the_bound(dtype, algorithm):
    rng = np.random.default_rng(9)
    x, w = normals(rng, (1, 1200, 5, 7), dtype), normals(rng, (7, 1200, 3, 3), dtype)
    layer = Layer.of_shapes(x.shape, w.shape, padding=1)
    check_forward(layer, x, w, None, convx.conv2d(x, w, padding=1, algorithm=algorithm), algorithm)


def test_auto_on_a_layer_that_it_gives_to_winograd_stays_within_the_bound_of_its_tiles():
    rng = np.random.default_rng(11)
    x, w = normals(rng, (1, 64, 29, 31), np.float32), normals(rng, (64, 64, 3, 3), np.float32)
    assert convx.plan_conv(x.shape, w, padding=1).algorithm.startswith("winograd")
    layer = Layer.of_shapes(x.shape, w.shape, padding=1)
    check_forward(layer, x, w, None, convx.plan_conv(x.shape, w, padding=1)(x), "auto")
    check_forward(layer, x, w, None, convx.conv2d(x, w, padding=1), "auto")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_weight_gradient_over_a_hundred_thousand_places_stays_within_the_bound(algorithm):
    rng = np.random.default_rng(10)
    x, gy = normals(rng, (2, 3, 224, 226), np.float32), normals(rng, (2, 4, 224, 224), np.float32)
    gw = convx.grad.conv2d_weight(x, (4, 3, 1, 3), gy, algorithm=algorithm)
    geometry = ((1, 1), ((0, 0),) * 2, (1, 1), 1)
    exact = oracle.grad_weight(x, (4, 3, 1, 3), gy, *geometry)
    within(gw, exact, oracle.grad_weight(abs(x), (4, 3, 1, 3), abs(gy), *geometry), 2 * 224 * 224)


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_the_bias_gradient_of_millions_of_places_errs_by_the_logarithm_of_their_number(layout):
    # One after the other, ten million times 0.1 comes out 9% off. Blocks of at most 4096 in at least four sums, added
    # up pairwise: at most 4096 / 4 + 4 + log2(number) roundings on any element's way.
    n = 10_000_000
    gy = np.full((1, 1, n), 0.1, np.float32)
    if layout == "channels_last":
        gy = np.moveaxis(gy, 1, -1)
    gb = convx.grad.conv_bias(gy, layout=layout)
    exact = n * np.float64(np.float32(0.1))
    terms = 4096 // 4 + 4 + int(np.ceil(np.log2(n)))
    assert abs(gb[0] - exact) <= oracle.gamma(terms, np.float32) * exact


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_subnormal_numbers_are_kept(dtype, algorithm):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.arange(1, 41, dtype=dtype)[None, None] * tiny
    y = convx.conv1d(x, np.ones((1, 1, 3), dtype), algorithm=algorithm)
    np.testing.assert_array_equal(y[0, 0], (3 * np.arange(2, 40)).astype(dtype) * tiny)


def test_the_bound_is_sharp_enough_to_notice_one_product_of_half_precision():
    # The judge must be able to say no.
    x, w = np.full((1, 1, 2), 1.1, np.float32), np.full((1, 1, 2), 1.3, np.float32)
    exact = oracle.conv(x, w, None, (1,), ((0, 0),), (1,), 1)
    careless = (np.float16(x) * np.float16(w)).sum(keepdims=True).astype(np.float32)
    with pytest.raises(AssertionError, match="times the bound"):
        within(careless, exact, abs(exact), 2)
