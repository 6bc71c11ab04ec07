/*
 * The activations on a vector. NaN stays NaN in every one of them. Where exp(-x) overflows (x below -88 in float, -709 in
 * double), sigmoid is 0 and silu -0; silu(-inf) is NaN: what the formulas give, and other libraries.
 */
#ifndef CX_KERNELS_ACTIVATE_ONE_H
#define CX_KERNELS_ACTIVATE_ONE_H

#include "include/convx.h"
#include "vec/math.h"
#include "vec/vec.h"

static inline vec sigmoid(vec x) { return v_splat(1) / (v_splat(1) + v_exp(-x)); }

static inline vec silu(vec x) { return x / (v_splat(1) + v_exp(-x)); }
static inline vec leaky_relu(vec x, vec slope) { return v_select((vec_bits)(x < v_zero()), x * slope, x); }
static inline vec clamp(vec x, vec least, vec most) { return v_at_most(v_at_least(x, least), most); }

static inline vec activate_one(vec x, convx_activation activation) {
    switch (activation) {
    case CONVX_ACT_RELU: return v_at_least(x, v_zero());
    case CONVX_ACT_RELU6: return clamp(x, v_zero(), v_splat(6));
    case CONVX_ACT_LEAKY_RELU: return leaky_relu(x, v_splat((real)0.01));
    case CONVX_ACT_SIGMOID: return sigmoid(x);
    case CONVX_ACT_TANH: return v_tanh(x);
    case CONVX_ACT_SILU: return silu(x);
    case CONVX_ACT_HARDTANH: return clamp(x, v_splat(-1), v_splat(1));
    case CONVX_ACT_NONE: break;
    }
    return x;
}

#endif
