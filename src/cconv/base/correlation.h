/*
 * One correlation: what both the forward pass and each stride phase of the input gradient come down to.
 *
 *   dst[n, g*co + o, j] = bias[g*co + o] + sum over i < ci, t < taps:
 *                             w[g, o, i, t] * src[n, g*ci + i, j * step + origin + t * tap_step]      per dimension
 *
 * where a place outside src reads what the padding mode says. The forward pass is one correlation with step = stride,
 * origin = -pad, tap_step = dilation. The input gradient is one for each stride phase of its result: step = 1, tap_step
 * <= 0, dst strided by the stride, and only the taps that meet that phase: no zero is ever stuffed in. A phase that no
 * tap meets has taps = 0 in some dimension: its result is the bias.
 */
#ifndef CX_BASE_CORRELATION_H
#define CX_BASE_CORRELATION_H

#include "base/conv.h"

typedef struct cx_correlation {
    convx_dtype dtype;
    convx_padding_mode padding_mode;
    convx_activation activation;
    int64_t batch, groups;
    int64_t ci, co;    /* channels of one group: summed over, and of the result */
    int64_t extent[3]; /* of src */
    int64_t grid[3];   /* of this correlation's part of dst */
    int64_t taps[3], step[3], origin[3], tap_step[3];
    cx_strides src;              /* of the whole tensor; group g begins at channel g*ci */
    int64_t w_group, w_co, w_ci; /* weight strides */
    int64_t w_tap[3];
    int64_t w_offset; /* of w[0, 0, 0, 0] in the weight tensor, in elements */
    cx_strides dst;   /* strides of the grid: those of the tensor times the stride, for a phase */
    int64_t dst_offset;
} cx_correlation;

/* How many correlations a pass is made of: 1, or the number of stride phases. Not for weight gradients. */
int64_t cx_correlation_count(const cx_conv *conv);

/* The index-th of them. Its grid is not empty. */
void cx_correlation_get(const cx_conv *conv, int64_t index, cx_correlation *correlation);

/*
 * Stride phases of one dimension of an input gradient; the last dimension's run fastest in a correlation's index. The
 * second makes a correlation one of another phase of dimension d, as far as its taps and places go, not the offsets.
 */
int64_t cx_correlation_phases(const cx_conv *conv, int d);
void cx_correlation_set_phase(const cx_conv *conv, int d, int64_t phase, cx_correlation *correlation);

/* The same sums in an order in which source places ascend with the taps, in one dimension or in all. */
void cx_correlation_ascend_in(cx_correlation *c, int d);
static inline void cx_correlation_ascend(cx_correlation *c) {
    for (int d = 0; d < 3; ++d) cx_correlation_ascend_in(c, d);
}

static inline void cx_correlation_get_ascending(const cx_conv *conv, int64_t index, cx_correlation *correlation) {
    cx_correlation_get(conv, index, correlation);
    cx_correlation_ascend(correlation);
}

/* Source places from the first to the last that so many neighbouring results and taps of dimension d read. */
static inline int64_t cx_source_span(const cx_correlation *c, int d, int64_t results, int64_t taps) {
    return (results - 1) * c->step[d] + (taps - 1) * c->tap_step[d] + 1;
}

/*
 * The place in [0, extent) that coordinate c of a padded dimension reads, or -1 for a zero. Correct for any c: where a
 * kernel is larger than the image, reflection and wrapping go on as often as needed.
 */
static inline int64_t cx_padded_index(int64_t c, int64_t extent, convx_padding_mode mode) {
    if (c >= 0 && c < extent) return c;
    switch (mode) {
    case CONVX_PAD_REPLICATE: return c < 0 ? 0 : extent - 1;
    case CONVX_PAD_CIRCULAR: {
        int64_t m = c % extent;
        return m < 0 ? m + extent : m;
    }
    case CONVX_PAD_SYMMETRIC: {
        int64_t m = c % (2 * extent);
        if (m < 0) m += 2 * extent;
        return m < extent ? m : 2 * extent - 1 - m;
    }
    case CONVX_PAD_REFLECT: {
        if (extent == 1) return 0;
        int64_t period = 2 * (extent - 1);
        int64_t m = c % period;
        if (m < 0) m += period;
        return m < extent ? m : period - m;
    }
    case CONVX_PAD_ZEROS: break;
    }
    return -1;
}

#endif
