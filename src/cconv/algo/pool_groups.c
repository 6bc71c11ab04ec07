#include "algo/pool_planes.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

enum { task_elements = 32768, least_elements = 131072 /* less is not worth a thread's while */ };

typedef struct groups {
    const cx_pool_job *job;
    int64_t unit, planes, in, out; /* planes of a group, and of all; places of a plane */
    int64_t count, per_task;       /* groups */
    size_t in_bytes, out_bytes;
    char *scratch;
} groups;

/* The planes from `first` on. */
static void pool_group(const groups *g, int64_t first, int worker) {
    const cx_pool_job *job = g->job;
    const cx_pool_kernels *k = job->kernels;
    const int64_t unit = g->unit, width = job->axis[2].out, row_in = job->axis[2].in * unit;
    const int64_t strides[3] = {job->axis[1].in * row_in, row_in, unit};
    char *from = g->scratch + (size_t)worker * (g->in_bytes + 3 * g->out_bytes);
    char *to = from + g->in_bytes, *index = to + g->out_bytes, *turned = index + g->out_bytes;
    k->transpose(from, unit, cx_at(job->from.data, first * g->in, job->size), g->in, unit, g->in);
    for (int64_t d = 0; d < job->axis[0].out; ++d)
        for (int64_t h = 0; h < job->axis[1].out; ++h) {
            const int64_t at = (d * job->axis[1].out + h) * width * unit;
            cx_pool_places row = cx_pool_row(job, from, strides, d, h);
            row.to = (cx_pool_place){cx_at_mut(to, at, job->size), cx_at_mut(index, at, job->size), 0};
            row.to_step = row.unit = unit;
            k->places(job->op, &row);
        }
    k->transpose(cx_at_mut(job->to.data, first * g->out, job->size), g->out, to, unit, g->out, unit);
    if (!job->index.data) return;
    k->transpose(turned, g->out, index, unit, g->out, unit);
    k->widen((int64_t *)job->index.data + first * g->out, turned, unit * g->out);
}

static void task(void *context, int64_t index, int worker) {
    const groups *g = context;
    const int64_t end = cx_min(g->count, (index + 1) * g->per_task);
    for (int64_t i = index * g->per_task; i < end; ++i) pool_group(g, i * g->unit, worker);
    /* The planes that are left, with some that are done. */
    if (end == g->count && g->planes % g->unit) pool_group(g, g->planes - g->unit, worker);
}

convx_status cx_pool_groups(const cx_pool_job *job) {
    const cx_pool_axis *a = job->axis;
    groups g = {.job = job,
                .unit = cx_pool_group(job),
                .planes = job->batch * job->planes,
                .in = a[0].in * a[1].in * a[2].in,
                .out = a[0].out * a[1].out * a[2].out};
    g.count = g.planes / g.unit;
    g.in_bytes = cx_align_up((size_t)(g.in * g.unit) * job->size);
    g.out_bytes = cx_align_up((size_t)(g.out * g.unit) * job->size);
    const int threads = g.planes * (g.in + g.out) < least_elements ? 1 : cx_threads_get();
    g.per_task = cx_long_task(g.count, cx_max(1, task_elements / ((g.in + g.out) * g.unit)), threads);
    g.scratch = cx_scratch_acquire((g.in_bytes + 3 * g.out_bytes) * (size_t)threads);
    if (!g.scratch) return CONVX_OUT_OF_MEMORY;
    cx_parallel_for(cx_ceil_div(g.count, g.per_task), threads, task, &g);
    cx_scratch_release(g.scratch);
    return CONVX_OK;
}
