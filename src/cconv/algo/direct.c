/*
 * Direct convolution as a register-blocked stencil: for layers whose groups have few channels (depthwise, single
 * images), where a matrix product would spend its time on packing.
 */
#include "algo/direct.h"

#include "base/integer.h"

enum { WAY_PLANAR = 0, WAY_CHANNELS = 1, WAY_PLANES = 2, WAY_SPREAD = 3, WAY_TAPS = 4, WAY_ACROSS = 5 };

void cx_direct_largest(const cx_conv *conv, cx_correlation *largest) {
    cx_correlation_get(conv, 0, largest);
    if (conv->pass == CONVX_INPUT_GRADIENT)
        for (int d = 0; d < 3; ++d) {
            const int64_t every = conv->stride[d] / cx_gcd(conv->stride[d], conv->dilation[d]);
            largest->taps[d] = (conv->kernel[d] + every - 1) / every;
            largest->grid[d] = (conv->in[d] + conv->stride[d] - 1) / conv->stride[d];
        }
    cx_correlation_ascend(largest);
}

/* Ways that read planes where they lie, or copies of their rows. */
static void decide_along_rows(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept,
                              cx_decision *decision) {
    if (conv->pass == CONVX_WEIGHT_GRADIENT ? cx_direct_plane_weights_decide(conv, kernels, threads, decision)
                                            : cx_direct_planes_decide(conv, kernels, threads, decision)) {
        decision->variant = WAY_PLANES;
        decision->reason = "stencil, plane by plane";
        return;
    }
    if (cx_direct_plane_spread_decide(conv, kernels, threads, decision)) {
        decision->variant = WAY_SPREAD;
        decision->reason = "stencil, plane by plane";
        return;
    }
    if (cx_direct_taps_decide(conv, kernels, threads, kept, decision)) {
        decision->variant = WAY_TAPS;
        decision->reason = "a product for each tap, without padding";
        return;
    }
    if (conv->pass == CONVX_WEIGHT_GRADIENT)
        cx_direct_weight_decide(conv, kernels, threads, decision);
    else
        cx_direct_planar_decide(conv, kernels, threads, decision);
    decision->variant = WAY_PLANAR;
    decision->reason = "stencil, vectors along the width";
}

static bool decide(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept, cx_decision *decision) {
    if (cx_direct_channels_decide(conv, kernels, threads, kept, decision)) {
        decision->variant = WAY_CHANNELS;
        decision->reason = "stencil, vectors along channels";
        return true;
    }
    decide_along_rows(conv, kernels, threads, kept, decision);
    cx_decision across = {0};
    if (cx_direct_across_decide(conv, kernels, threads, kept, &across) && across.cost < decision->cost) {
        *decision = across;
        decision->variant = WAY_ACROSS;
        decision->reason = "stencil, vectors along channels that are copied side by side";
    }
    return true;
}

static void run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision, const cx_tensors *tensors,
                void *workspace) {
    if (decision->variant == WAY_CHANNELS)
        cx_direct_channels_run(conv, kernels, decision, tensors, workspace);
    else if (decision->variant == WAY_ACROSS)
        cx_direct_across_run(conv, kernels, decision, tensors, workspace);
    else if (decision->variant == WAY_TAPS)
        cx_direct_taps_run(conv, kernels, decision, tensors, workspace);
    else if (decision->variant == WAY_SPREAD)
        cx_direct_plane_spread_run(conv, kernels, decision, tensors, workspace);
    else if (decision->variant == WAY_PLANES)
        (conv->pass == CONVX_WEIGHT_GRADIENT ? cx_direct_plane_weights_run
                                             : cx_direct_planes_run)(conv, kernels, decision, tensors, workspace);
    else if (conv->pass == CONVX_WEIGHT_GRADIENT)
        cx_direct_weight_run(conv, kernels, decision, tensors, workspace);
    else
        cx_direct_planar_run(conv, kernels, decision, tensors, workspace);
}

static void pack(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision, const void *weights,
                 void *packed) {
    (decision->variant == WAY_TAPS     ? cx_direct_taps_pack
     : decision->variant == WAY_ACROSS ? cx_direct_across_pack
                                       : cx_direct_channels_pack)(conv, kernels, decision, weights, packed);
}

const cx_algorithm cx_algorithm_direct = {CONVX_ALGO_DIRECT, decide, run, pack, 0, 1};
