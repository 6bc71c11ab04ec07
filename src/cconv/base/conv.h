/*
 * The normalised convolution: every layer, of any rank, layout and direction, as one struct. Nothing below api/ knows
 * ranks, layout names, "same", or transposition: 1-D and 2-D have leading ones, a transposed layer is the other pass of
 * its convolution, layouts are strides.
 */
#ifndef CX_BASE_CONV_H
#define CX_BASE_CONV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/convx.h"

/* Strides in elements of a (batch, channel, depth, height, width) tensor. */
typedef struct cx_strides {
    int64_t batch, channel, space[3];
} cx_strides;

/* Strides in elements of (out_channel, in_channel of the group, depth, height, width) weights. */
typedef struct cx_weight_strides {
    int64_t out, in, space[3];
} cx_weight_strides;

typedef struct cx_conv {
    convx_dtype dtype;
    convx_pass pass;
    convx_padding_mode padding_mode;
    convx_activation activation; /* of the result: y in the forward pass, x in the input gradient */
    int64_t batch, groups;
    int64_t in_channels, out_channels; /* of one group */
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3];
    int64_t pad[3]; /* before; what lies after follows from in and out. May be negative. */
    cx_strides x, y;
    cx_weight_strides w;
} cx_conv;

/* The tensors of one run. The pass says which one is written. */
typedef struct cx_tensors {
    const void *x, *w, *y; /* those that are read */
    const void *bias;      /* one element a channel of the result (all groups), or NULL */
    void *result;
    const void *packed; /* the weights in the form that the algorithm's pack() made, or NULL */
} cx_tensors;

static inline size_t cx_dtype_size(convx_dtype dtype) { return dtype == CONVX_FLOAT64 ? 8 : 4; }

/* Pointer arithmetic in elements of a run-time size. Through integers: `base` may be null, or lie before its tensor. */
static inline const void *cx_at(const void *base, int64_t offset, size_t size) {
    return (const void *)((uintptr_t)base + (uintptr_t)offset * size);
}
static inline void *cx_at_mut(void *base, int64_t offset, size_t size) {
    return (void *)((uintptr_t)base + (uintptr_t)offset * size);
}

#endif
