/*
 * Template: functions of one element at a time, and their gradients. Elements are always computed in whole vectors, tails in
 * padded ones: an element's bits do not depend on its place. NaN stays NaN in every function. Where exp(-x) overflows (x below
 * -88 in float, -709 in double), sigmoid is 0 and silu -0; silu(-inf) is NaN: what the formulas give, and other libraries.
 */
#ifndef CX_KERNELS_POINTWISE_H
#define CX_KERNELS_POINTWISE_H

#include "kernels/pointwise_kernels.h"
#include "vec/math.h"
#include "vec/normal.h"
#include "vec/vec.h"

typedef struct map_options {
    vec alpha, beta;
} map_options;

static inline vec leaky_relu(vec x, vec slope) { return v_select((vec_bits)(x < v_zero()), x * slope, x); }
static inline vec clamp(vec x, vec least, vec most) { return v_at_most(v_at_least(x, least), most); }

/* The exponent of gelu's approximation by a tanh, which is x sigmoid(-exponent) after 1 + tanh z = 2 sigmoid(2 z). */
static inline vec gelu_exponent(vec x) {
    const real linear = (real)-0x1.9884533d43651p+0, cubic = (real)-0x1.2444f2a4d8b4bp-4;
    return x * (v_splat(linear) + v_splat(cubic) * (x * x));
}

static inline vec gelu_exponent_slope(vec x) {
    const real linear = (real)-0x1.9884533d43651p+0, cubic = (real)(-0x1.2444f2a4d8b4bp-4 * 3);
    return v_splat(linear) + v_splat(cubic) * (x * x);
}

static inline vec magnitude_of(vec x) { return (vec)((vec_bits)x & ~(vec_bits)(-v_zero())); }

/*
 * max(x, 0) - t Phi(-t) with t = |x|. What the square of t loses is not left out, so that the relative error is small
 * in the tail, too.
 */
static inline vec gelu(vec x) {
    const real farthest = (real)(CX_F64 ? 39 : 14.5);
    const vec t = v_at_most(magnitude_of(x), v_splat(farthest)), square = t * t;
    const vec power = v_half_exp(square, v_lost_by_square(t, square));
    const vec_quotient ratio = v_mills_ratio(t);
    const vec lost = t * power * (ratio.over / ratio.under); /* the quotient is there before the power is */
    return x - v_at_most(x, v_zero()) - lost;                /* minus infinity becomes NaN, as in x Phi(x) */
}

static inline vec gelu_slope(vec x) {
    const real root = (real)(CX_F64 ? 0x1.9884533d43651p-130 : 0x1.9884533d43651p-66); /* 1 / sqrt(2 pi), lowered */
    const real farthest = (real)(CX_F64 ? 39 : 14.5);
    const vec near = v_at_least(v_at_most(x, v_splat(farthest)), v_splat(-farthest)), t = magnitude_of(near);
    const vec power = v_half_exp(t * t, v_zero());
    const vec_quotient ratio = v_mills_ratio(t);
    const vec tail = power * (ratio.over / ratio.under);
    const vec share = v_select((vec_bits)(x < v_zero()), tail, v_splat(1) - tail);
    /* an infinite x has no slope: the last term is nothing but a NaN there */
    return share + near * (power * v_splat(root)) + (x - near) * v_zero();
}

static inline vec negative_magnitude(vec x) { return (vec)((vec_bits)x | (vec_bits)(-v_zero())); }

typedef struct sigmoid_parts {
    vec value, slope;
} sigmoid_parts;

/* Of exp(-|x|), which cannot overflow: neither loses precision where it is small. */
static inline sigmoid_parts sigmoid_both(vec x) {
    const vec e = v_exp(negative_magnitude(x)), large = v_splat(1) / (v_splat(1) + e), small = e * large;
    return (sigmoid_parts){v_select((vec_bits)(x < v_zero()), small, large), small * large};
}

static inline vec silu_slope(vec x) {
    const sigmoid_parts s = sigmoid_both(x);
    return s.value + x * s.slope;
}

static inline vec gelu_tanh_slope(vec x) {
    const sigmoid_parts s = sigmoid_both(-gelu_exponent(x));
    return s.value - x * gelu_exponent_slope(x) * s.slope;
}

/* 1 - tanh^2 = 4 e / (1 + e)^2 with e = exp(-2 |x|) */
static inline vec tanh_slope(vec x) { return v_splat(4) * sigmoid_both(x + x).slope; }

static inline __attribute__((always_inline)) vec map_one(cx_map map, const real *x, const real *y, const real *g,
                                                         int64_t i, const map_options *o) {
    switch (map) {
    case CX_MAP_RELU: return v_at_least(v_load(x + i), v_zero());
    case CX_MAP_CLAMP: return clamp(v_load(x + i), o->alpha, o->beta);
    case CX_MAP_LEAKY_RELU: return leaky_relu(v_load(x + i), o->alpha);
    case CX_MAP_SIGMOID: return v_splat(1) / (v_splat(1) + v_exp(-v_load(x + i)));
    case CX_MAP_TANH: return v_tanh(v_load(x + i));
    case CX_MAP_SILU: {
        const vec v = v_load(x + i);
        return v / (v_splat(1) + v_exp(-v));
    }
    case CX_MAP_ELU: {
        const vec v = v_load(x + i);
        return v_select((vec_bits)(v < v_zero()), o->alpha * v_expm1_negative(v), v);
    }
    case CX_MAP_GELU: return gelu(v_load(x + i));
    case CX_MAP_GELU_TANH: {
        const vec v = v_load(x + i);
        return v / (v_splat(1) + v_exp(gelu_exponent(v)));
    }
    case CX_MAP_RELU_GRADIENT: return (vec)((vec_bits)v_load(g + i) & ~(vec_bits)(v_load(x + i) <= v_zero()));
    case CX_MAP_CLAMP_GRADIENT: {
        const vec v = v_load(x + i);
        return (vec)((vec_bits)v_load(g + i) & (vec_bits)(v > o->alpha) & (vec_bits)(v < o->beta));
    }
    case CX_MAP_LEAKY_RELU_GRADIENT: {
        const vec gy = v_load(g + i);
        return v_select((vec_bits)(v_load(x + i) > v_zero()), gy, gy * o->alpha);
    }
    case CX_MAP_SIGMOID_GRADIENT: return v_load(g + i) * sigmoid_both(v_load(x + i)).slope;
    case CX_MAP_SIGMOID_GRADIENT_OF_RESULT: {
        const vec v = v_load(y + i);
        return v_load(g + i) * ((v_splat(1) - v) * v);
    }
    case CX_MAP_TANH_GRADIENT: return v_load(g + i) * tanh_slope(v_load(x + i));
    case CX_MAP_TANH_GRADIENT_OF_RESULT: {
        const vec v = v_load(y + i);
        return v_load(g + i) * ((v_splat(1) - v) * (v_splat(1) + v));
    }
    case CX_MAP_SILU_GRADIENT: return v_load(g + i) * silu_slope(v_load(x + i));
    case CX_MAP_ELU_GRADIENT: {
        const vec v = v_load(x + i), gy = v_load(g + i);
        return v_select((vec_bits)(v > v_zero()), gy, gy * (o->alpha * v_exp(v)));
    }
    case CX_MAP_ELU_GRADIENT_OF_RESULT: {
        const vec gy = v_load(g + i);
        return v_select((vec_bits)(v_load(x + i) > v_zero()), gy, gy * (v_load(y + i) + o->alpha));
    }
    case CX_MAP_GELU_GRADIENT: return v_load(g + i) * gelu_slope(v_load(x + i));
    case CX_MAP_GELU_TANH_GRADIENT: return v_load(g + i) * gelu_tanh_slope(v_load(x + i));
    }
    return v_zero();
}

static inline __attribute__((always_inline)) void map_all(cx_map map, const cx_map_args *args, int64_t n) {
    const real *x = args->x, *y = args->y, *g = args->gy;
    real *result = args->result;
    const map_options options = {v_splat((real)args->alpha), v_splat((real)args->beta)};
    for (int64_t i = 0; i < n; i += LANES) v_store(result + i, map_one(map, x, y, g, i, &options));
}

/* The same for maps of a few instructions, of which those of the loop would be a large part. */
static inline __attribute__((always_inline)) void map_quick(cx_map map, const cx_map_args *args, int64_t n) {
    const real *x = args->x, *y = args->y, *g = args->gy;
    real *result = args->result;
    const map_options options = {v_splat((real)args->alpha), v_splat((real)args->beta)};
#pragma GCC unroll 4
    for (int64_t i = 0; i < n; i += LANES) v_store(result + i, map_one(map, x, y, g, i, &options));
}

/* n is a multiple of LANES. The switch stands outside the loops: each case is a loop of its own after inlining. */
static __attribute__((noinline)) void map_vectors(cx_map map, const cx_map_args *args, int64_t n) {
    switch (map) {
    case CX_MAP_RELU: map_quick(CX_MAP_RELU, args, n); break;
    case CX_MAP_CLAMP: map_quick(CX_MAP_CLAMP, args, n); break;
    case CX_MAP_LEAKY_RELU: map_quick(CX_MAP_LEAKY_RELU, args, n); break;
    case CX_MAP_SIGMOID: map_all(CX_MAP_SIGMOID, args, n); break;
    case CX_MAP_TANH: map_all(CX_MAP_TANH, args, n); break;
    case CX_MAP_SILU: map_all(CX_MAP_SILU, args, n); break;
    case CX_MAP_ELU: map_all(CX_MAP_ELU, args, n); break;
    case CX_MAP_GELU: map_all(CX_MAP_GELU, args, n); break;
    case CX_MAP_GELU_TANH: map_all(CX_MAP_GELU_TANH, args, n); break;
    case CX_MAP_RELU_GRADIENT: map_quick(CX_MAP_RELU_GRADIENT, args, n); break;
    case CX_MAP_CLAMP_GRADIENT: map_quick(CX_MAP_CLAMP_GRADIENT, args, n); break;
    case CX_MAP_LEAKY_RELU_GRADIENT: map_quick(CX_MAP_LEAKY_RELU_GRADIENT, args, n); break;
    case CX_MAP_SIGMOID_GRADIENT: map_all(CX_MAP_SIGMOID_GRADIENT, args, n); break;
    case CX_MAP_SIGMOID_GRADIENT_OF_RESULT: map_quick(CX_MAP_SIGMOID_GRADIENT_OF_RESULT, args, n); break;
    case CX_MAP_TANH_GRADIENT: map_all(CX_MAP_TANH_GRADIENT, args, n); break;
    case CX_MAP_TANH_GRADIENT_OF_RESULT: map_quick(CX_MAP_TANH_GRADIENT_OF_RESULT, args, n); break;
    case CX_MAP_SILU_GRADIENT: map_all(CX_MAP_SILU_GRADIENT, args, n); break;
    case CX_MAP_ELU_GRADIENT: map_all(CX_MAP_ELU_GRADIENT, args, n); break;
    case CX_MAP_ELU_GRADIENT_OF_RESULT: map_quick(CX_MAP_ELU_GRADIENT_OF_RESULT, args, n); break;
    case CX_MAP_GELU_GRADIENT: map_all(CX_MAP_GELU_GRADIENT, args, n); break;
    case CX_MAP_GELU_TANH_GRADIENT: map_all(CX_MAP_GELU_TANH_GRADIENT, args, n); break;
    }
}

static inline const real *padded(const void *from, int64_t begin, int64_t n, real vector[LANES]) {
    if (!from) return NULL;
    v_store(vector, v_load_first((const real *)from + begin, n));
    return vector;
}

/* n < LANES elements from `begin` on. */
static __attribute__((noinline)) void map_padded(cx_map map, const cx_map_args *args, int64_t begin, int64_t n) {
    real x[LANES], y[LANES], g[LANES], result[LANES];
    cx_map_args part = *args;
    part.x = padded(args->x, begin, n, x);
    part.y = padded(args->y, begin, n, y);
    part.gy = padded(args->gy, begin, n, g);
    part.result = result;
    map_vectors(map, &part, LANES);
    v_store_first((real *)args->result + begin, v_load(result), n);
}

static inline const void *later(const void *from, int64_t begin) { return from ? (const real *)from + begin : NULL; }

static void pointwise(cx_map map, const cx_map_args *args, int64_t n) {
    enum { ALIGNED = 1024 }; /* elements, of which enough are stored to pay for a vector more */
    const int64_t before = -(int64_t)((uintptr_t)args->result / sizeof(real)) & (LANES - 1);
    cx_map_args rest = *args;
    if (before > 0 && n >= ALIGNED) {
        map_padded(map, args, 0, before);
        n -= before;
        rest.x = later(args->x, before);
        rest.y = later(args->y, before);
        rest.gy = later(args->gy, before);
        rest.result = (real *)args->result + before;
    }
    const int64_t whole = n & -(int64_t)LANES;
    if (whole > 0) map_vectors(map, &rest, whole);
    if (whole < n) map_padded(map, &rest, whole, n - whole);
}

#endif
