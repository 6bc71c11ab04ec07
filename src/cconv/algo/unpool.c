/* Unpooling moves elements and computes nothing: bits of four or eight bytes. One channel of one item is a task. */
#include <stdatomic.h>
#include <string.h>

#include "base/integer.h"
#include "base/threads.h"
#include "algo/pool.h"

typedef struct unpool_run {
    const cx_pool *pool;
    const cx_pool_tensors *tensors;
    int64_t places; /* of a channel of x */
    bool dense;     /* those lie one after another */
    atomic_bool invalid;
} unpool_run;

/* Where the places of a channel of x lie. */
static inline int64_t offset_in_x(const unpool_run *run, int64_t index) {
    const cx_pool *p = run->pool;
    if (run->dense) return index;
    const int64_t row = index / p->in[2];
    return index % p->in[2] * p->x.space[2] + row % p->in[1] * p->x.space[1] + row / p->in[1] * p->x.space[0];
}

#define BITS    uint32_t
#define NAME(x) x##_32
#include "algo/unpool_loops.h"

#define BITS    uint64_t
#define NAME(x) x##_64
#include "algo/unpool_loops.h"

enum { least_places = 32768 }; /* less is not worth a thread's while */

static convx_status run_planes(const cx_pool *pool, const cx_pool_tensors *tensors, cx_task narrow, cx_task wide) {
    unpool_run run = {.pool = pool, .tensors = tensors, .places = cx_count3(pool->in)};
    run.dense = (pool->in[2] <= 1 || pool->x.space[2] == 1) && (pool->in[1] <= 1 || pool->x.space[1] == pool->in[2]) &&
                (pool->in[0] <= 1 || pool->x.space[0] == pool->in[1] * pool->in[2]);
    const int64_t planes = pool->batch * pool->channels;
    const int threads = planes * (run.places + cx_count3(pool->out)) < least_places ? 1 : cx_threads_get();
    cx_parallel_for(planes, threads, pool->dtype == CONVX_FLOAT64 ? wide : narrow, &run);
    return atomic_load(&run.invalid) ? CONVX_INVALID_INDEX : CONVX_OK;
}

convx_status cx_unpool_forward(const cx_pool *pool, const cx_pool_tensors *tensors) {
    return run_planes(pool, tensors, scatter_plane_32, scatter_plane_64);
}

convx_status cx_unpool_backward(const cx_pool *pool, const cx_pool_tensors *tensors) {
    return run_planes(pool, tensors, gather_plane_32, gather_plane_64);
}
