/*
 * Template: the one-dimensional transforms of Winograd's minimal filtering F(outputs, taps), of vectors.
 *
 * The method is Toom-Cook's (Winograd 1980, "Arithmetic complexity of computations"; for convolution layers Lavin and
 * Gray 2016, "Fast algorithms for convolutional neural networks"): polynomials are multiplied by way of their values at
 * 0, at `pairs` pairs of points +q and -q, and at infinity. Sums and differences of a pair share their even and odd
 * parts. The points decide the rounding error (Barabasz et al. 2018, "Error analysis and improving the accuracy of
 * Winograd convolution for deep neural networks"); with 3/4 and 3/2, F(4x4, 3x3) has half the error that the usual 1
 * and 2 give, and all entries of two of its three matrices are still exact binary fractions.
 *
 * Order of the points: 0, +q0, -q0, +q1, -q1, ..., infinity.
 */
#ifndef CX_KERNELS_WINOGRAD_POINTS_H
#define CX_KERNELS_WINOGRAD_POINTS_H

#include "kernels/winograd_kernels.h"
#include "vec/vec.h"

#define WINOGRAD_MAX_PAIRS 3

typedef struct winograd_constants {
    real q[WINOGRAD_MAX_PAIRS];
    /* coefficients in y = x^2, ascending, the leading 1 left out: of prod (y - q^2), and of the same without each pair */
    real zero[WINOGRAD_MAX_PAIRS], pair[WINOGRAD_MAX_PAIRS][WINOGRAD_MAX_PAIRS - 1];
    /* 1 / prod (point - other point), of 0 and of each pair */
    real norm_zero, norm[WINOGRAD_MAX_PAIRS];
} winograd_constants;

static const winograd_constants winograd_of[WINOGRAD_MAX_PAIRS + 1] = {
    {.norm_zero = 1},
    {.q = {1}, .zero = {-1}, .norm_zero = -1, .norm = {(real)(1.0 / 2)}},
    {.q = {0.75, 1.5},
     .zero = {(real)(81.0 / 64), (real)(-45.0 / 16)},
     .pair = {{(real)(-9.0 / 4)}, {(real)(-9.0 / 16)}},
     .norm_zero = (real)(64.0 / 81),
     .norm = {(real)(-128.0 / 243), (real)(32.0 / 243)}},
    {.q = {1, 2, 0.5},
     .zero = {-1, 5.25, -5.25},
     .pair = {{1, -4.25}, {0.25, -1.25}, {4, -5}},
     .norm_zero = -1,
     .norm = {(real)(-2.0 / 9), (real)(1.0 / 90), (real)(32.0 / 45)}},
};

#define WINOGRAD_INLINE static inline __attribute__((always_inline))

WINOGRAD_INLINE real winograd_power(real q, int exponent) {
    real power = 1;
#pragma GCC unroll 8
    for (int i = 0; i < exponent; ++i) power *= q;
    return power;
}

/* B^T x: the values of a patch. n = 2 * pairs + 2 of them, or 1. */
WINOGRAD_INLINE void winograd_input(const int points, const vec *x, vec *values) {
    const int pairs = (points - 2) / 2;
    if (points == 1) {
        values[0] = x[0];
        return;
    }
    const winograd_constants *c = &winograd_of[pairs];
    vec first = x[2 * pairs], last = x[2 * pairs + 1];
#pragma GCC unroll 4
    for (int t = pairs - 1; t >= 0; --t) {
        first += c->zero[t] * x[2 * t];
        last += c->zero[t] * x[2 * t + 1];
    }
    values[0] = first;
    values[points - 1] = last;
#pragma GCC unroll 4
    for (int i = 0; i < pairs; ++i) {
        vec even = x[2 * pairs], odd = x[2 * pairs - 1];
#pragma GCC unroll 4
        for (int t = pairs - 2; t >= 0; --t) {
            even += c->pair[i][t] * x[2 * t + 2];
            odd += c->pair[i][t] * x[2 * t + 1];
        }
        values[2 * i + 1] = even + c->q[i] * odd;
        values[2 * i + 2] = even - c->q[i] * odd;
    }
}

/* G w: the values of a filter. */
WINOGRAD_INLINE void winograd_filter(const int points, const int taps, const vec *w, vec *values) {
    const int pairs = (points - 2) / 2;
    if (points == 1) {
        values[0] = w[0];
        return;
    }
    const winograd_constants *c = &winograd_of[pairs];
    values[0] = c->norm_zero * w[0];
    values[points - 1] = w[taps - 1];
#pragma GCC unroll 4
    for (int i = 0; i < pairs; ++i) {
        vec even = c->norm[i] * w[0], odd = c->norm[i] * c->q[i] * w[1];
#pragma GCC unroll 8
        for (int t = 2; t < taps; ++t) {
            const real power = c->norm[i] * winograd_power(c->q[i], t);
            if (t % 2)
                odd += power * w[t];
            else
                even += power * w[t];
        }
        values[2 * i + 1] = even + odd;
        values[2 * i + 2] = even - odd;
    }
}

/* A^T m: results from the products of values. */
WINOGRAD_INLINE void winograd_output(const int points, const int outputs, const vec *products, vec *y) {
    const int pairs = (points - 2) / 2;
    if (points == 1) {
        y[0] = products[0];
        return;
    }
    const winograd_constants *c = &winograd_of[pairs];
    vec sum[WINOGRAD_MAX_PAIRS], difference[WINOGRAD_MAX_PAIRS];
#pragma GCC unroll 4
    for (int i = 0; i < pairs; ++i) {
        sum[i] = products[2 * i + 1] + products[2 * i + 2];
        difference[i] = products[2 * i + 1] - products[2 * i + 2];
    }
#pragma GCC unroll 8
    for (int t = 0; t < outputs; ++t) {
        const vec *part = t % 2 ? difference : sum;
        vec total = winograd_power(c->q[0], t) * part[0];
#pragma GCC unroll 4
        for (int i = 1; i < pairs; ++i) total += winograd_power(c->q[i], t) * part[i];
        if (t == 0) total += products[0];
        if (t == outputs - 1) total += products[points - 1];
        y[t] = total;
    }
}

#endif
