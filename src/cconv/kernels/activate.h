/*
 * Activations of contiguous elements, in place: the maps of the layer table, which has the code of all but the most frequent.
 *
 * Parameter
 *   CX_LAYER_TABLE   see instance.c
 */
#ifndef CX_KERNELS_ACTIVATE_H
#define CX_KERNELS_ACTIVATE_H

#include "include/convx.h"
#include "kernels/layer_kernels.h"
#include "vec/vec.h"

extern const cx_layer_kernels CX_LAYER_TABLE;

/* Often of very short rows: without a call. */
static inline void rectify(real *x, int64_t n) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) v_store(x + i, v_at_least(v_load(x + i), v_zero()));
    if (i < n) v_store_first(x + i, v_at_least(v_load_first(x + i, n - i), v_zero()), n - i);
}

static void activate(void *data, int64_t n, convx_activation activation) {
    cx_map_args args = {.x = data, .result = data};
    cx_map map = CX_MAP_CLAMP;
    switch (activation) {
    case CONVX_ACT_RELU: rectify(data, n); return;
    case CONVX_ACT_RELU6: args.beta = 6; break;
    case CONVX_ACT_LEAKY_RELU:
        map = CX_MAP_LEAKY_RELU;
        args.alpha = 0.01;
        break;
    case CONVX_ACT_SIGMOID: map = CX_MAP_SIGMOID; break;
    case CONVX_ACT_TANH: map = CX_MAP_TANH; break;
    case CONVX_ACT_SILU: map = CX_MAP_SILU; break;
    case CONVX_ACT_HARDTANH:
        args.alpha = -1;
        args.beta = 1;
        break;
    case CONVX_ACT_NONE: return;
    }
    CX_LAYER_TABLE.pointwise(map, &args, n);
}

#endif
