/*
 * Template: activations of contiguous elements, in place. NaN stays NaN in every one of them. Where exp(-x) overflows (x below
 * -88 in float, -709 in double), sigmoid is 0 and silu -0; silu(-inf) is NaN: what the formulas give, and other libraries.
 */
#ifndef CX_KERNELS_ACTIVATE_H
#define CX_KERNELS_ACTIVATE_H

#include "include/convx.h"
#include "vec/math.h"
#include "vec/vec.h"

static inline vec sigmoid(vec x) { return v_splat(1) / (v_splat(1) + v_exp(-x)); }

static inline vec activate_one(vec x, convx_activation activation) {
    switch (activation) {
    case CONVX_ACT_RELU: return v_at_least(x, v_zero());
    case CONVX_ACT_RELU6: return v_at_most(v_at_least(x, v_zero()), v_splat(6));
    case CONVX_ACT_LEAKY_RELU: return v_select((vec_bits)(x < v_zero()), x * v_splat((real)0.01), x);
    case CONVX_ACT_SIGMOID: return sigmoid(x);
    case CONVX_ACT_TANH: return v_tanh(x);
    case CONVX_ACT_SILU: return x / (v_splat(1) + v_exp(-x));
    case CONVX_ACT_HARDTANH: return v_at_most(v_at_least(x, v_splat(-1)), v_splat(1));
    case CONVX_ACT_NONE: break;
    }
    return x;
}

static inline void activate_all(real *x, int64_t n, convx_activation activation) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) v_store(x + i, activate_one(v_load(x + i), activation));
    if (i < n) v_store_first(x + i, activate_one(v_load_first(x + i, n - i), activation), n - i);
}

/* The switch stands outside the loops: each case is a loop of its own after inlining. */
static void activate(void *data, int64_t n, convx_activation activation) {
    switch (activation) {
    case CONVX_ACT_RELU: activate_all(data, n, CONVX_ACT_RELU); break;
    case CONVX_ACT_RELU6: activate_all(data, n, CONVX_ACT_RELU6); break;
    case CONVX_ACT_LEAKY_RELU: activate_all(data, n, CONVX_ACT_LEAKY_RELU); break;
    case CONVX_ACT_SIGMOID: activate_all(data, n, CONVX_ACT_SIGMOID); break;
    case CONVX_ACT_TANH: activate_all(data, n, CONVX_ACT_TANH); break;
    case CONVX_ACT_SILU: activate_all(data, n, CONVX_ACT_SILU); break;
    case CONVX_ACT_HARDTANH: activate_all(data, n, CONVX_ACT_HARDTANH); break;
    case CONVX_ACT_NONE: break;
    }
}

#endif
