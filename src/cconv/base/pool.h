/*
 * The normalised pooling: every kind, rank and layout as one struct. 1-D and 2-D have leading ones; layouts are strides.
 * What padding, ceil mode and adaptive windows mean is said once, by cx_pool_window.
 */
#ifndef CX_BASE_POOL_H
#define CX_BASE_POOL_H

#include "base/conv.h"

typedef struct cx_pool {
    convx_dtype dtype;
    bool max, adaptive, count_padding;
    int64_t divisor; /* 0: the number of places */
    int64_t batch, channels;
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3], pad_after[3];
    cx_strides x, y, index, gx;
} cx_pool;

/* The tensors of one run. The result is y forward, gx backward. */
typedef struct cx_pool_tensors {
    const void *x, *y; /* y: its gradient */
    const int64_t *indices;
    void *result;
    int64_t *found; /* indices that the forward pass writes, or NULL */
} cx_pool_tensors;

/* The taps of one output place along one dimension that lie in the input: first, first + dilation, ... */
typedef struct cx_window {
    int64_t first, count;
    int64_t places; /* what an average divides by */
} cx_window;

typedef enum cx_pool_tensor { CX_POOL_X = 1, CX_POOL_Y = 2, CX_POOL_INDEX = 4, CX_POOL_GX = 8 } cx_pool_tensor;

/* Checks all but addresses, for the `tensors` in use, of which no two elements of the `written` ones may share a place. */
convx_status cx_pool_normalise(const convx_pool_params *params, int tensors, int written, cx_pool *pool);
/* The same for unpooling, which has no windows. */
convx_status cx_unpool_normalise(const convx_pool_params *params, int written, cx_pool *pool);

/* See convx_pool_output_size. */
convx_status cx_pool_output_size(const convx_pool_params *params, int64_t output[3]);

cx_window cx_pool_window(const cx_pool *pool, int d, int64_t o);

/* Whether the memory of two of the tensors meets. Null pointers meet nothing. */
bool cx_pool_meet(const cx_pool *pool, cx_pool_tensor a, const void *a_data, cx_pool_tensor b, const void *b_data);

static inline bool cx_pool_is_empty(const cx_pool *p) {
    return p->batch == 0 || p->channels == 0 || p->out[0] == 0 || p->out[1] == 0 || p->out[2] == 0;
}

/* What an average over these windows, one a dimension, is divided by. */
static inline int64_t cx_pool_divisor(const cx_pool *p, int64_t places) { return p->divisor ? p->divisor : places; }

#endif
