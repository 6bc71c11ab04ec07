/* What the two halves of the direct algorithm along contiguous channels, direct_channels.c and _weights.c, share. */
#ifndef CX_ALGO_DIRECT_CHANNELS_H
#define CX_ALGO_DIRECT_CHANNELS_H

#include "algo/algorithm.h"
#include "base/correlation.h"

#define CX_CHANNELS_MOST_POINTERS 8192
#define CX_CHANNELS_TABLE_BYTES   (CX_CHANNELS_MOST_POINTERS * sizeof(void *))

/* Result columns whose source pixels fit the pointer table: 0 when not even a few do. */
int64_t cx_channels_segment_width(const cx_correlation *c);

/*
 * Source pixels under result columns [first, first + width) of one row: [depth tap][row tap][column]. Returns the
 * pitch.
 */
int64_t cx_channels_point(const cx_correlation *c, const void *source, int64_t depth, int64_t row, int64_t first,
                          int64_t width, const void *zeros, const void **table);

/* What the kernels of all passes are told of a row of results; `table` is to hold its pixels. */
static inline cx_stencil_channels cx_channels_args(const cx_correlation *c, const void **table, int64_t width,
                                                   int64_t channels) {
    return (cx_stencil_channels){.pixels = table,
                                 .rows = c->taps[0] * c->taps[1],
                                 .step = c->step[2],
                                 .tap = c->tap_step[2],
                                 .taps_w = c->taps[2],
                                 .width = width,
                                 .channels = channels};
}

/* Weight gradients; `pointers`: cycles for looking up all of them once. */
bool cx_channels_weights_decide(const cx_conv *conv, const cx_kernels *kernels, double pointers, cx_decision *decision);
void cx_channels_weights_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                             const cx_tensors *tensors, void *workspace);

#endif
