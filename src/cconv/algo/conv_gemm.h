/* Implicit GEMM: what its two halves, correlations (conv_gemm.c) and weight gradients (conv_gemm_weight.c), share. */
#ifndef CX_ALGO_CONV_GEMM_H
#define CX_ALGO_CONV_GEMM_H

#include "gemm/gemm.h"
#include "algo/algorithm.h"
#include "base/correlation.h"
#include "base/integer.h"

/* Estimated cycles for an element. Measured on packed panels in cache; only their ratios matter. */
#define CX_COST_TILE_SHARE        0.9   /* of the FMA peak that the micro-kernel reaches */
#define CX_COST_COPY_RUN          0.4   /* packing by whole vectors */
#define CX_COST_COPY_STRIDED      1.4   /* packing element by element */
#define CX_COST_COPY_WEIGHTS      1.0   /* rows of weights that do not lie in the order of the sum */
#define CX_COST_TRANSPOSE         0.5   /* packing through a transposition */
#define CX_COST_LOCATE_TAP        75.0  /* of one panel, for each row of the grid that it meets */
#define CX_COST_MORE_PIECES       5.0   /* of a vector that short rows make */
#define CX_COST_PANEL             230.0 /* setting up one, whatever its length */
#define CX_COST_LOCATE_PLACE      16.0  /* one tap of one pixel */
#define CX_COST_BAND              0.25  /* copying lines of a band */
#define CX_COST_BAND_LINE         60.0  /* setting up one */
#define CX_COST_LOCATE_ROW        330.0 /* of the grid, for one panel of patch columns */
#define CX_COST_GROUP             500.0 /* setting up one product */
#define CX_COST_SCATTER           2.0   /* storing element by element */
#define CX_COST_STORE_ACROSS      1.2   /* storing through a transposition */
#define CX_COST_STORE_ACROSS_WIDE 0.7   /* of vectors of 64 bytes */
#define CX_COST_JOIN              0.6   /* storing two phases that are joined */

/* Elements from the lowest to the highest that a tensor's strides reach, relative to its pointer. */
typedef struct cx_reach {
    int64_t low, high; /* inclusive */
} cx_reach;

static inline cx_reach cx_reach_of(const cx_strides *stride, int64_t batch, int64_t channels, const int64_t space[3]) {
    const int64_t extent[5] = {batch, channels, space[0], space[1], space[2]};
    const int64_t step[5] = {stride->batch, stride->channel, stride->space[0], stride->space[1], stride->space[2]};
    cx_reach reach = {0, 0};
    for (int i = 0; i < 5; ++i) {
        const int64_t span = (extent[i] - 1) * step[i];
        if (span < 0)
            reach.low += span;
        else
            reach.high += span;
    }
    return reach;
}

static inline void cx_pixel_axis(int64_t batch, const int64_t grid[3], const cx_strides *stride, cx_axis *axis) {
    const int64_t extent[4] = {batch, grid[0], grid[1], grid[2]};
    const int64_t step[4] = {stride->batch, stride->space[0], stride->space[1], stride->space[2]};
    cx_axis_set(axis, extent, step);
}

/* k as an axis of the weights. */
static inline void cx_weight_k_axis(const cx_correlation *c, cx_patch_order order, cx_axis *axis) {
    const int64_t *t = c->taps, *w = c->w_tap;
    if (order == CX_TAPS_FASTEST)
        cx_axis_set(axis, (const int64_t[4]){c->ci, t[0], t[1], t[2]}, (const int64_t[4]){c->w_ci, w[0], w[1], w[2]});
    else
        cx_axis_set(axis, (const int64_t[4]){t[0], t[1], t[2], c->ci}, (const int64_t[4]){w[0], w[1], w[2], c->w_ci});
}

/* Elements of packed weights of one group: rows of k, or whole panels of result channels. */
static inline int64_t cx_packed_weights(const cx_correlation *c, const cx_kernels *kernels, bool panels) {
    const int64_t k = c->ci * cx_count3(c->taps);
    return panels ? cx_round_up(c->co, kernels->gemm.nr) * k : c->co * k;
}

/* A correlation's weights, w[0,0,0,0] first, and where they go, one group after the other. */
typedef struct cx_pack_part {
    const cx_correlation *c;
    const void *weights;
    void *packed;
} cx_pack_part;

/* Of one pass, which differ in their taps and grids only: conv_gemm_pack.c. */
void cx_pack_weights(const cx_pack_part *parts, int count, const cx_kernels *kernels, bool panels, cx_patch_order order,
                     int threads);

bool cx_gemm_weight_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision);
void cx_gemm_weight_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                        const cx_tensors *tensors, void *workspace);
/* The patches of x that meet the pixels of y. */
void cx_gemm_weight_patches(const cx_conv *conv, const void *x, int64_t group, size_t size, cx_patches *patches);

/* Another way, with the same bits: conv_gemm_weight_band.c. False, with a reason, where it does not apply. */
bool cx_gemm_weight_band_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision);
void cx_gemm_weight_band_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                             const cx_tensors *tensors, void *workspace);

/*
 * The input gradient of few input channels: conv_gemm_spread.c. False where it does not apply. The cost that is asked for
 * alone is that of one image on one thread.
 */
bool cx_gemm_spread_cost(const cx_conv *conv, const cx_kernels *kernels, double *cost);
bool cx_gemm_spread_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision);
void cx_gemm_spread_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                        const cx_tensors *tensors, void *workspace);

#endif
