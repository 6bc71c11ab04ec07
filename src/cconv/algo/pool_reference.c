/*
 * The naive reference: the definition of each window as loops, one channel of one item a task. It shares no code with the
 * other algorithms but cx_pool_window, so that it can judge them. Any strides.
 */
#include <math.h>
#include <stdatomic.h>

#include "base/integer.h"
#include "base/threads.h"
#include "algo/pool.h"

typedef struct reference_run {
    const cx_pool *pool;
    const cx_pool_tensors *tensors;
    atomic_bool invalid; /* an index was no place */
} reference_run;

static int64_t offset_of(const cx_strides *s, const int64_t p[3]) {
    return p[0] * s->space[0] + p[1] * s->space[1] + p[2] * s->space[2];
}

static int64_t plane_of(const cx_pool *p, const cx_strides *s, int64_t index) {
    return index / p->channels * s->batch + index % p->channels * s->channel;
}

/* The index-th place of a tensor of this extent, in row-major order. */
static void place_of(const int64_t extent[3], int64_t index, int64_t place[3]) {
    place[2] = index % extent[2];
    place[1] = index / extent[2] % extent[1];
    place[0] = index / extent[2] / extent[1];
}

#define REAL    float
#define WIDE    double
#define NAME(x) f32_##x
#include "algo/pool_reference_loops.h"

#define REAL    double
#define WIDE    long double
#define NAME(x) f64_##x
#include "algo/pool_reference_loops.h"

convx_status cx_pool_reference_forward(const cx_pool *pool, const cx_pool_tensors *tensors) {
    reference_run run = {.pool = pool, .tensors = tensors};
    const bool wide = pool->dtype == CONVX_FLOAT64;
    cx_parallel_for(pool->batch * pool->channels, cx_threads_get(), wide ? f64_forward_plane : f32_forward_plane, &run);
    return CONVX_OK;
}

convx_status cx_pool_reference_backward(const cx_pool *pool, const cx_pool_tensors *tensors) {
    reference_run run = {.pool = pool, .tensors = tensors};
    const bool wide = pool->dtype == CONVX_FLOAT64;
    cx_parallel_for(pool->batch * pool->channels, cx_threads_get(), wide ? f64_backward_plane : f32_backward_plane,
                    &run);
    return atomic_load(&run.invalid) ? CONVX_INVALID_INDEX : CONVX_OK;
}
