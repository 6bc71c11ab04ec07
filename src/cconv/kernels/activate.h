/* Template: activations of contiguous elements, in place. */
#ifndef CX_KERNELS_ACTIVATE_H
#define CX_KERNELS_ACTIVATE_H

#include "kernels/activate_one.h"

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
