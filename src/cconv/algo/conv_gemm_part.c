/* One correlation of implicit GEMM as a matrix product: the order of its sum, and how it reads the weights. */
#include "algo/conv_gemm_part.h"

#define FEW_PIXELS 64 /* where the order of the sum follows the weights */
#define SHORT_RUN  4  /* of taps: worth copying */

cx_patch_order cx_gemm_order(const cx_conv *conv) {
    const bool forward = conv->pass == CONVX_FORWARD;
    const int64_t source_step = forward ? conv->x.channel : conv->y.channel;
    const int64_t places = forward ? cx_count3(conv->out) : cx_count3(conv->in) / cx_count3(conv->stride);
    return source_step == 1 && places > FEW_PIXELS ? CX_CHANNELS_FASTEST : CX_TAPS_FASTEST;
}

/* Whether every patch is one place of the source, so that they lie as a matrix does. */
static bool patches_affine(const cx_correlation *c, cx_axis *pixels) {
    if (cx_count3(c->taps) != 1) return false;
    cx_strides stride = c->src;
    for (int d = 0; d < 3; ++d) {
        const int64_t last = (c->grid[d] - 1) * c->step[d] + c->origin[d];
        if (c->origin[d] < 0 || last >= c->extent[d]) return false;
        stride.space[d] *= c->step[d];
    }
    cx_pixel_axis(c->batch, c->grid, &stride, pixels);
    return pixels->digits == 1;
}

void cx_gemm_part_describe(cx_gemm_part *p, cx_patch_order order) {
    const cx_correlation *c = &p->c;
    p->order = order;
    p->pixels = c->batch * cx_count3(c->grid);
    p->k = c->ci * cx_count3(c->taps);
    cx_weight_k_axis(c, order, &p->weight_axis);
    p->affine = patches_affine(c, &p->pixel_rows);
}

/*
 * Weights are read in place along their rows, or in runs of several taps where few panels read them: that costs less
 * than a copy. Down their columns it wastes most of each cache line.
 */
static bool weights_in_place(const cx_gemm_part *p, const cx_kernels *kernels, int variant) {
    const cx_axis *axis = &p->weight_axis;
    const int64_t step = cx_axis_step(axis);
    const bool side_by_side = step == 1 || step == -1;
    if (axis->digits == 1) return side_by_side || p->pixels <= kernels->gemm.nr;
    return axis->digits == 2 && side_by_side && axis->extent[1] >= SHORT_RUN && !(variant & CX_GEMM_WEIGHTS_KEPT) &&
           cx_gemm_one_block(kernels, p->pixels);
}

cx_gemm_weight_form cx_gemm_part_form(const cx_gemm_part *p, const cx_kernels *kernels, int variant) {
    const bool channels = variant & CX_GEMM_WAY_CHANNELS;
    if (variant & CX_GEMM_WEIGHTS_TOGETHER) return CX_GEMM_WEIGHTS_PACKED;
    if (!channels && weights_in_place(p, kernels, variant)) return CX_GEMM_WEIGHTS_IN_PLACE;
    if (variant & CX_GEMM_WEIGHTS_KEPT) return CX_GEMM_WEIGHTS_PACKED;
    const bool once = channels ? p->pixels <= FEW_PIXELS : cx_gemm_one_block(kernels, p->pixels);
    return once ? CX_GEMM_WEIGHTS_ON_THE_WAY : CX_GEMM_WEIGHTS_PACKED;
}
