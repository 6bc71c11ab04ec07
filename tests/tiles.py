"""Winograd's tiles by their definition: the matrices of the transforms, and how far rounding can lead.

F(m, r) gives m neighbouring results of a kernel of r taps from n = m + r - 1 products: y = A^T ((G w) * (B^T x)), with
polynomials multiplied by their values at n - 1 points and at infinity (Toom and Cook). All of these are short sums; so
a result is off by at most gamma_K times the same expression with all signs taken away, K the number of roundings on the
longest way through it (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import oracle

OUTPUTS = {"winograd_2x2": 2, "winograd_4x4": 4, "winograd_6x6": 6}
MAX_POINTS = 8
TAPS = (3, 5, 7)
# Besides 0 and infinity: points +q and -q.
PAIRS = {
    4: (Fraction(1),),
    6: (Fraction(3, 4), Fraction(3, 2)),
    8: (Fraction(1), Fraction(2), Fraction(1, 2)),
}


def _with_roots(roots):
    """The coefficients of prod (x - root), ascending."""
    polynomial = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *polynomial], [root * c for c in polynomial] + [Fraction(0)]
        polynomial = [a - b for a, b in zip(shifted, scaled, strict=True)]
    return polynomial


def matrices(outputs, taps):
    """(A^T, G, B^T) as float64, each rounded from its exact value."""
    n = outputs + taps - 1
    points = [Fraction(0)] + [sign * q for q in PAIRS[n] for sign in (1, -1)]
    a, g, b = [], [], []
    for point in points:
        others = [p for p in points if p != point]
        norm = Fraction(1)
        for other in others:
            norm *= point - other
        a.append([point**i for i in range(outputs)])
        g.append([point**i / norm for i in range(taps)])
        b.append([*_with_roots(others), Fraction(0)])
    a.append([Fraction(i == outputs - 1) for i in range(outputs)])
    g.append([Fraction(i == taps - 1) for i in range(taps)])
    b.append(_with_roots(points))
    at, g, bt = (np.array(m, dtype=np.float64) for m in (a, g, b))
    return at.T, g, bt


def growth(outputs, taps):
    """How much larger a sum of `taps` products can become with all signs in the transforms taken away."""
    at, g, bt = (abs(m) for m in matrices(outputs, taps))
    return (at @ (g.sum(axis=1) * bt.sum(axis=1))).max() / taps


def roundings(outputs, taps):
    """On the longest way through the three transforms of one dimension, each product and sum rounded by itself."""
    pairs = (outputs + taps - 2) // 2
    of_input = 2 * pairs
    of_filter = (taps + 1) // 2 + 3  # the product; sums of even or odd taps, and of both; the norm, itself rounded
    of_output = pairs + 3
    return of_input + of_filter + of_output


def spread(outputs, taps):
    """S[d, t] >= what place d - (outputs - 1) of x, seen from the result, times tap t is taken into account with.

    Wherever in its tile the result lies.
    """
    at, g, bt = (abs(m) for m in matrices(outputs, taps))
    used = np.einsum("jp,pt,ps->jst", at, g, bt)
    table = np.zeros((2 * outputs + taps - 2, taps))
    for j in range(outputs):
        first = outputs - 1 - j
        table[first : first + len(bt)] = np.maximum(table[first : first + len(bt)], used[j])
    return table


def tiled_axes(kernel):
    """The axes that tiles may lie along: the last two of several taps. (Axes of one place do not count.)"""
    axes = [axis for axis, taps in enumerate(kernel) if taps > 1][-2:]
    if len(kernel) == 3 and kernel[0] not in TAPS and axes[:1] == [0]:
        axes = axes[1:]
    return tuple(axes)


def can_tile(kernel, outputs=2):
    """Whether kernels of this shape have tiles of so many outputs, strides aside."""
    axes = tiled_axes(kernel)
    return bool(axes) and all(kernel[a] in TAPS and kernel[a] + outputs - 1 <= MAX_POINTS for a in axes)


def exact_enough_for_auto(kernel, outputs):
    """Whether `auto` may take them: none less exact than F(4x4, 3x3)."""
    points = [kernel[axis] + outputs - 1 for axis in tiled_axes(kernel)]
    return outputs <= 4 and (len(points) == 1 or max(points) <= 6)


def _spread_kernel(w, axes, outputs, turned):
    """|w| with the places beside its taps that a tile takes into account; `turned` for kernels that run backwards."""
    w = abs(w.astype(np.float64))
    for axis in axes:
        along = np.moveaxis(w, 2 + axis, -1)
        along = along[..., ::-1] if turned else along
        along = along @ spread(outputs, along.shape[-1]).T.astype(np.float64)
        w = np.moveaxis(along[..., ::-1] if turned else along, -1, 2 + axis)
    return w


def _widened(layer, outputs):
    """The layer with a kernel as wide as _spread_kernel's, at the same place."""
    axes = tiled_axes(layer.kernel)
    more = [(outputs - 1) * (a in axes) for a in range(layer.rank)]
    wider = [d * m for d, m in zip(layer.axes[1], more, strict=True)]
    kernel = tuple(k + 2 * m for k, m in zip(layer.kernel, more, strict=True))
    pairs = tuple((b + w, e + w) for (b, e), w in zip(layer.pairs, wider, strict=True))
    return replace(layer, kernel=kernel, padding=pairs)


def _extra(layer, outputs):
    return sum(roundings(outputs, layer.kernel[axis]) for axis in tiled_axes(layer.kernel))


def forward_bound(layer, outputs, x, w, b, dtype):
    """What a result may be off by."""
    weights = _spread_kernel(w, tiled_axes(layer.kernel), outputs, layer.transposed)
    magnitude = _widened(layer, outputs).forward(abs(x), weights, None if b is None else abs(b), np.float64)
    terms = layer.in_channels // layer.groups * int(np.prod(layer.kernel)) + 2 + _extra(layer, outputs)
    return oracle.gamma(terms, dtype) * magnitude


def grad_input_bound(layer, outputs, w, gy, dtype, repeats=1):
    """What an element of the input's gradient may be off by; `repeats`: places that the padding folds onto one."""
    weights = _spread_kernel(w, tiled_axes(layer.kernel), outputs, not layer.transposed)
    magnitude = _widened(layer, outputs).grad_input(weights, abs(gy), np.float64)
    terms = layer.out_channels // layer.groups * int(np.prod(layer.kernel)) + 1 + _extra(layer, outputs)
    return oracle.gamma(terms * repeats, dtype) * magnitude


def grad_weight_bound(layer, outputs, x, gy, dtype):
    """What any weight's gradient may be off by: tiles of output gradients are the filters, F(taps, outputs).

    A tile's share of a sum is at most `growth` times its places times the largest values; tiles are summed in a chain.
    """
    places, steps = layer.x_shape[0] if len(layer.x_shape) > layer.rank + 1 else 1, 2
    sums = places
    for axis, (size, extent, dilation) in enumerate(zip(layer.size, layer.extent, layer.axes[1], strict=True)):
        widest = max(size, extent)
        if axis not in tiled_axes(layer.kernel):
            places, sums = places * widest, sums * widest
            continue
        taps, tiles = layer.kernel[axis], dilation * -(-widest // (dilation * outputs))
        places *= growth(taps, outputs) * outputs * tiles
        sums *= tiles
        steps += roundings(taps, outputs)
    return oracle.gamma(sums + steps, dtype) * places * float(abs(x).max()) * float(abs(gy).max())


def outputs_for_auto(layer):
    """The tiles' sizes that `auto` may choose from for this layer."""
    if any(layer.axes[0][axis] != 1 for axis in tiled_axes(layer.kernel)):
        return ()
    kernel = layer.kernel
    alone = (*kernel[1:],) if layer.rank == 3 else kernel
    return tuple(m for m in (2, 4) if can_tile(kernel, m) and (m == 2 or exact_enough_for_auto(alone, m)))
