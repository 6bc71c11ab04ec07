/* The ways of the direct algorithm, each for some passes and memory layouts. direct.c chooses. */
#ifndef CX_ALGO_DIRECT_H
#define CX_ALGO_DIRECT_H

#include "base/correlation.h"
#include "algo/algorithm.h"

/* Correlations set up at a time: one of the forward pass, the stride phases of an input gradient. */
#define CX_DIRECT_PARTS 16

/* A loop over `units` pieces of work, cut into tasks large enough to be worth handing out. */
static inline int64_t cx_direct_task_count(int64_t units, double cycles, int threads) {
    int64_t tasks = (int64_t)(cycles / 15000) + 1;
    if (tasks < 4 * threads) tasks = 4 * threads;
    if (threads == 1) tasks = 1;
    return tasks < units ? tasks : units;
}

/* The correlation with the most taps and the largest grid among those of a pass: the size to book for. */
void cx_direct_largest(const cx_conv *conv, cx_correlation *largest);

/* Depthwise planes read in place. False where that does not serve. */
bool cx_direct_planes_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision);
void cx_direct_planes_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                          const cx_tensors *tensors, void *workspace);

bool cx_direct_plane_spread_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision);
void cx_direct_plane_spread_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                                const cx_tensors *tensors, void *workspace);
bool cx_direct_plane_weights_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision);
void cx_direct_plane_weights_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                                 const cx_tensors *tensors, void *workspace);

/* Forward and input gradient of many channels on small padded maps. False where that does not serve. */
bool cx_direct_taps_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept,
                           cx_decision *decision);
void cx_direct_taps_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                        const cx_tensors *tensors, void *workspace);
void cx_direct_taps_pack(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                         const void *weights, void *packed);

/* Forward and input gradient, vectors along the width. */
void cx_direct_planar_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision);
void cx_direct_planar_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                          const cx_tensors *tensors, void *workspace);

/* Weight gradient, vectors along the width. */
void cx_direct_weight_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision);
void cx_direct_weight_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                          const cx_tensors *tensors, void *workspace);

/*
 * Contiguous channels, vectors along them: depthwise in all passes, forward and input gradient of groups that divide a
 * vector. False where that is not the layout.
 */
bool cx_direct_channels_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept,
                               cx_decision *decision);
void cx_direct_channels_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                            const cx_tensors *tensors, void *workspace);
void cx_direct_channels_pack(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                             const void *weights, void *packed);

/* Depthwise layers in any memory, whose channels are copied side by side: for narrow maps. False where that does not serve. */
bool cx_direct_across_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept,
                             cx_decision *decision);
void cx_direct_across_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                          const cx_tensors *tensors, void *workspace);
void cx_direct_across_pack(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                           const void *weights, void *packed);

#endif
