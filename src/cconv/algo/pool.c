#include "algo/pool.h"

#include <string.h>

#include "algo/pool_planes.h"
#include "algo/pool_scatter.h"
#include "algo/pool_sides.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/shape.h"
#include "base/threads.h"
#include "kernels/kernels.h"

/* ---- Windows ---------------------------------------------------------------------------------------------------- */

static void find_even(cx_pool_axis *a) {
    const int64_t middle = a->out / 2;
    a->even_first = a->even_end = middle;
    if (a->out == 0) return;
    const int64_t places = a->windows[middle].places;
    while (a->even_first > 0 && a->windows[a->even_first - 1].places == places &&
           a->windows[a->even_first - 1].count > 0)
        --a->even_first;
    while (a->even_end < a->out && a->windows[a->even_end].places == places && a->windows[a->even_end].count > 0)
        ++a->even_end;
    if (a->even_end == middle) a->even_first = a->even_end = -1;
}

static void forward_axis(const cx_pool *p, int d, cx_window *windows, cx_pool_axis *a) {
    *a = (cx_pool_axis){.in = p->in[d],
                        .out = p->out[d],
                        .tap = p->dilation[d],
                        .sliding = !p->adaptive,
                        .kernel = p->kernel[d],
                        .stride = p->stride[d],
                        .pad = p->pad[d],
                        .spacing = 1,
                        .windows = windows};
    if (p->adaptive && p->in[d] % p->out[d] == 0) {
        a->sliding = true;
        a->kernel = a->stride = p->in[d] / p->out[d];
        a->pad = 0;
    }
    for (int64_t o = 0; o < a->out; ++o)
        windows[o] =
            p->adaptive && a->sliding ? (cx_window){o * a->stride, a->kernel, a->kernel} : cx_pool_window(p, d, o);
    find_even(a);
}

/*
 * For each place of the input, the output places whose windows hold it. Along rows of single places, where a stride leaves
 * gaps between them, it is cheaper to put zeros there.
 */
static void backward_axis(const cx_pool *p, int d, int64_t unit, cx_window *windows, cx_pool_axis *a) {
    const int64_t out = p->out[d];
    const bool even = p->adaptive && p->in[d] % out == 0, sliding = !p->adaptive || even;
    const int64_t s = even ? p->in[d] / out : p->stride[d], k = even ? s : p->kernel[d];
    const int64_t tap = p->dilation[d], pad = p->pad[d];
    *a = (cx_pool_axis){.in = out, .out = p->in[d], .tap = 1, .spacing = 1, .windows = windows};
    if (sliding && (s == 1 || (d == 2 && unit == 1))) {
        a->sliding = true;
        a->stride = 1;
        a->kernel = k;
        a->tap = tap;
        a->spacing = s;
        a->pad = (k - 1) * tap - pad;
    } else if (sliding) {
        a->tap = tap / cx_gcd(s, tap);
    }
    const int64_t step = tap / cx_gcd(s, tap);
    int64_t first = 0, end = 0; /* of adaptive windows */
    for (int64_t i = 0; i < a->out; ++i) {
        if (!sliding) {
            while (end < out && cx_pool_window(p, d, end).first <= i) ++end;
            for (; first < end; ++first) {
                const cx_window w = cx_pool_window(p, d, first);
                if (w.first + w.count > i) break;
            }
            windows[i] = (cx_window){first, end - first, 1};
            continue;
        }
        const int64_t place = i + pad, last = cx_min(out - 1, place / s);
        int64_t o = cx_max(0, -cx_floor_div((k - 1) * tap - place, s));
        while (o <= last && (place - o * s) % tap != 0) ++o;
        windows[i] = (cx_window){o, o <= last ? (last - o) / step + 1 : 0, 1};
    }
    find_even(a);
    /* Places that no window holds are zeros of the row like others, not apart. */
    if (a->spacing > 1) a->even_first = 0, a->even_end = a->out;
}

static bool takes_all(const cx_pool_axis *a) {
    return a->out == 1 && a->windows[0].count == a->in && (a->in == 1 || a->tap == 1);
}

static void take_over(cx_pool_axis *a, const cx_pool_axis *inner) {
    a->in *= inner->in;
    a->windows[0] = (cx_window){0, a->in, a->windows[0].places * inner->windows[0].places};
    a->sliding = true;
    a->spacing = 1;
    a->kernel = a->in;
    a->stride = a->tap = 1;
    a->pad = 0;
}

static void make_one(cx_pool_axis *a) {
    a->in = a->kernel = a->stride = a->tap = a->spacing = 1;
    a->pad = 0;
    a->sliding = true;
    a->windows[0] = (cx_window){0, 1, 1};
}

/* A global pooling reads its planes as one long row, or one column of rows of channels. */
static void merge_global(cx_pool_job *job) {
    cx_pool_axis *a = job->axis;
    const int64_t extent[3] = {a[0].in, a[1].in, a[2].in};
    if (a[2].spacing > 1 || !takes_all(&a[0]) || !takes_all(&a[1]) || !takes_all(&a[2]) ||
        !cx_pool_is_solid(&job->from, extent, job->unit) || job->op == CX_POOL_ARGMAX)
        return;
    const bool rows = job->unit > 1;
    take_over(&a[0], &a[1]);
    take_over(&a[0], &a[2]);
    cx_pool_axis *into = &a[rows ? 1 : 2];
    into->in = into->kernel = a[0].in;
    into->stride = into->tap = 1;
    into->pad = 0;
    into->sliding = true;
    into->windows[0] = a[0].windows[0];
    make_one(&a[0]);
    make_one(&a[rows ? 2 : 1]);
    if (!rows) return;
    job->from.strides[3] = job->unit;
    job->from.dense = job->to.dense = true;
    job->from.strides[4] = job->to.strides[4] = job->unit;
    if (job->batch >= cx_threads_get()) return;
    /* Channels in blocks, so that threads share them. */
    for (int64_t block = 256; block >= 64; block -= 16)
        if (job->unit > block && job->unit % block == 0) {
            job->planes = job->unit / block;
            job->from.strides[1] = job->to.strides[1] = block;
            job->unit = block;
            return;
        }
}

static cx_window *windows_of(cx_window *all, const int64_t out[3], int d) {
    return all + (d > 0 ? out[0] : 0) + (d > 1 ? out[1] : 0);
}

static cx_window *new_windows(const int64_t out[3]) {
    return cx_aligned_alloc((size_t)(out[0] + out[1] + out[2]) * sizeof(cx_window));
}

static cx_pool_job new_job(const cx_pool *p, cx_pool_op op, int64_t unit) {
    return (cx_pool_job){.kernels = &cx_kernels_get(p->dtype)->layers->pool,
                         .op = op,
                         .size = cx_dtype_size(p->dtype),
                         .batch = p->batch,
                         .planes = unit > 1 ? 1 : p->channels,
                         .unit = unit};
}

/* Indices are counted in integers of the dtype's size. */
static bool indices_fit(const cx_pool *p) {
    int64_t places;
    return cx_mul(p->in[0], p->in[1], &places) && cx_mul(places, p->in[2], &places) &&
           (p->dtype == CONVX_FLOAT64 || places < INT32_MAX);
}

static bool is_stack(const cx_pool_job *job, const cx_pool_side *side, const int64_t extent[3]) {
    return cx_pool_is_solid(side, extent, 1) && cx_pool_follows(side, job->batch, job->planes, cx_count3(extent));
}

/* Planes of single places that lie one after another, of which each gives one value: a few at a time. */
static bool in_rows(const cx_pool_job *job) {
    const cx_pool_axis *a = job->axis;
    const int64_t in[3] = {a[0].in, a[1].in, a[2].in}, one[3] = {1, 1, 1}, lanes = job->kernels->lanes;
    return job->unit == 1 && job->op != CX_POOL_ARGMAX && lanes > 1 && job->batch * job->planes >= lanes &&
           takes_all(&a[0]) && takes_all(&a[1]) && takes_all(&a[2]) && is_stack(job, &job->from, in) &&
           is_stack(job, &job->to, one) && cx_count3(in) >= lanes && cx_count3(in) <= 1024;
}

typedef struct rows_run {
    const cx_pool_job *job;
    int64_t places, divisor, per_task;
} rows_run;

static void rows_task(void *context, int64_t index, int worker) {
    const rows_run *run = context;
    const cx_pool_job *job = run->job;
    const int64_t planes = job->batch * job->planes, lanes = job->kernels->lanes, first = index * run->per_task;
    const int64_t end = cx_min(planes, first + run->per_task);
    (void)worker;
    char *to = cx_at_mut(job->to.data, first, job->size);
    for (int64_t plane = first; plane < end; plane += lanes) {
        /* The last ones go with some that are done, which are not written again. */
        const int64_t from = cx_min(plane, planes - lanes), count = cx_min(lanes, end - plane);
        double values[8]; /* a vector's bytes, at most */
        job->kernels->reduce_rows(job->op, values, cx_at(job->from.data, from * run->places, job->size), run->places);
        memcpy(cx_at_mut(to, plane - first, job->size), cx_at(values, plane - from, job->size),
               (size_t)count * job->size);
    }
    if (job->divided) job->kernels->divide(to, to, run->divisor, end - first);
}

static void reduce_planes(const cx_pool_job *job) {
    const cx_pool_axis *a = job->axis;
    const int64_t planes = job->batch * job->planes, places = a[0].in * a[1].in * a[2].in;
    const int64_t shared = a[0].windows[0].places * a[1].windows[0].places * a[2].windows[0].places;
    rows_run run = {job, places, job->divisor ? job->divisor : cx_max(1, shared), 0};
    const int threads = planes * places < 65536 ? 1 : cx_threads_get();
    run.per_task = cx_round_up(cx_long_task(planes, cx_max(1, 32768 / places), threads), job->kernels->lanes);
    cx_parallel_for(cx_ceil_div(planes, run.per_task), threads, rows_task, &run);
}

/* ---- Forward ---------------------------------------------------------------------------------------------------- */

convx_status cx_pool_forward(const cx_pool *p, const cx_pool_tensors *t) {
    if (t->found && !indices_fit(p)) return cx_pool_reference_forward(p, t);
    const bool inside = cx_pool_channels_inside(p, &p->x, p->in) && cx_pool_channels_near(p, &p->y) &&
                        (!t->found || cx_pool_channels_near(p, &p->index));
    const int64_t unit = inside ? p->channels : 1;
    cx_pool_job job = new_job(p, !p->max ? CX_POOL_SUM : t->found ? CX_POOL_ARGMAX : CX_POOL_MAX, unit);
    job.divided = !p->max;
    job.divisor = p->divisor;
    cx_window *windows = new_windows(p->out);
    if (!windows) return CONVX_OUT_OF_MEMORY;
    for (int d = 0; d < 3; ++d) forward_axis(p, d, windows_of(windows, p->out, d), &job.axis[d]);
    job.from = cx_pool_side_of(p, &p->x, p->in, unit, t->x);
    job.to = cx_pool_side_of(p, &p->y, p->out, unit, t->result);
    if (t->found) job.index = cx_pool_side_of(p, &p->index, p->out, unit, t->found);
    const bool rows = in_rows(&job), groups = !rows && cx_pool_in_groups(&job);
    if (!rows && !groups) merge_global(&job);
    convx_status status = CONVX_OK;
    if (rows)
        reduce_planes(&job);
    else
        status = groups ? cx_pool_groups(&job) : cx_pool_planes(&job);
    cx_aligned_free(windows);
    return status;
}

/* ---- Backward --------------------------------------------------------------------------------------------------- */

/* The one divisor of every window, or 0 where they differ. */
static int64_t common_divisor(const cx_pool *p, const cx_pool_axis axis[3]) {
    if (p->divisor) return p->divisor;
    int64_t product = 1;
    for (int d = 0; d < 3; ++d) {
        const int64_t places = axis[d].windows[0].places;
        for (int64_t o = 1; o < axis[d].out; ++o)
            if (axis[d].windows[o].places != places) return 0;
        product *= cx_max(1, places);
    }
    return product;
}

/* y / places, as a dense tensor in the order of y's memory. */
typedef struct share_run {
    const cx_pool *pool;
    const cx_pool_kernels *kernels;
    const cx_pool_axis *axis;
    cx_pool_side from, to;
    int64_t unit;
    size_t size;
} share_run;

static void share_row(void *context, int64_t index, int worker) {
    const share_run *run = context;
    const cx_pool *p = run->pool;
    const int64_t h = index % p->out[1], d = index / p->out[1] % p->out[0], plane = index / p->out[1] / p->out[0];
    const int64_t planes = run->unit > 1 ? 1 : p->channels, at[4] = {plane / planes, plane % planes, d, h};
    (void)worker;
    const char *from = run->from.data;
    char *to = run->to.data;
    for (int i = 0; i < 4; ++i) {
        from = cx_at(from, at[i] * run->from.strides[i], run->size);
        to = cx_at_mut(to, at[i] * run->to.strides[i], run->size);
    }
    const int64_t places = run->axis[0].windows[d].places * run->axis[1].windows[h].places;
    for (int64_t w = 0; w < p->out[2];) {
        const bool even = run->from.dense && w == run->axis[2].even_first;
        const int64_t end = even ? run->axis[2].even_end : w + 1;
        run->kernels->divide(cx_at_mut(to, w * run->unit, run->size), cx_at(from, w * run->from.strides[4], run->size),
                             cx_pool_divisor(p, cx_max(1, places * run->axis[2].windows[w].places)),
                             (end - w) * run->unit);
        w = end;
    }
}

/* Whether each place has its value from one place at most. */
static bool is_single(const cx_pool_axis *a) {
    for (int64_t o = 0; o < a->out; ++o)
        if (a->windows[o].count > 1) return false;
    return true;
}

/* One value that goes to every place. */
static bool is_everywhere(const cx_pool_axis *a) {
    for (int64_t o = 0; o < a->out; ++o)
        if (a->windows[o].count != 1) return false;
    return a->in == 1;
}

/* One value for each plane of the result, and one plane after another. */
static bool is_global(const cx_pool_job *job) {
    const cx_pool_axis *a = job->axis;
    const int64_t extent[3] = {a[0].out, a[1].out, a[2].out};
    return job->unit == 1 && job->divided && is_everywhere(&a[0]) && is_everywhere(&a[1]) && is_everywhere(&a[2]) &&
           cx_pool_is_solid(&job->to, extent, 1) && cx_pool_follows(&job->from, job->batch, job->planes, 1) &&
           cx_pool_follows(&job->to, job->batch, job->planes, cx_count3(extent));
}

typedef struct repeat_run {
    const cx_pool_job *job;
    const void *values;
    int64_t places, per_task;
} repeat_run;

static void repeat_task(void *context, int64_t index, int worker) {
    const repeat_run *run = context;
    const cx_pool_job *job = run->job;
    const int64_t first = index * run->per_task, n = cx_min(run->per_task, job->batch * job->planes - first);
    (void)worker;
    job->kernels->repeat(cx_at_mut(job->to.data, first * run->places, job->size), cx_at(run->values, first, job->size),
                         run->places, 0, n, n * run->places);
}

static convx_status repeat_planes(const cx_pool_job *job) {
    const int64_t planes = job->batch * job->planes, places = job->axis[0].out * job->axis[1].out * job->axis[2].out;
    void *values = cx_scratch_acquire((size_t)planes * job->size);
    if (!values) return CONVX_OUT_OF_MEMORY;
    job->kernels->divide(values, job->from.data, job->divisor, planes);
    repeat_run run = {job, values, places, cx_max(1, 32768 / places)};
    const int threads = planes * places < 262144 ? 1 : cx_threads_get();
    cx_parallel_for(cx_ceil_div(planes, run.per_task), threads, repeat_task, &run);
    cx_scratch_release(values);
    return CONVX_OK;
}

static convx_status average_backward(const cx_pool *p, const cx_pool_tensors *t) {
    const bool inside = cx_pool_channels_inside(p, &p->y, p->out) && cx_pool_channels_near(p, &p->gx);
    const int64_t unit = inside ? p->channels : 1;
    cx_pool_job job = new_job(p, CX_POOL_SUM, unit);
    cx_window *forward = new_windows(p->out), *backward = new_windows(p->in);
    void *shared = NULL;
    convx_status status = CONVX_OUT_OF_MEMORY;
    if (!forward || !backward) goto done;
    cx_pool_axis axis[3];
    for (int d = 0; d < 3; ++d) {
        forward_axis(p, d, windows_of(forward, p->out, d), &axis[d]);
        backward_axis(p, d, unit, windows_of(backward, p->in, d), &job.axis[d]);
    }
    job.from = cx_pool_side_of(p, &p->y, p->out, unit, t->y);
    job.to = cx_pool_side_of(p, &p->gx, p->in, unit, t->result);
    job.divisor = common_divisor(p, axis);
    /* Values that go to many places are divided once, if a division is more than a change of the exponent. */
    const bool once = unit > 1 && (job.divisor & (job.divisor - 1)) != 0 && cx_count3(p->in) >= 2 * cx_count3(p->out) &&
                      is_single(&job.axis[0]) && is_single(&job.axis[1]) && is_single(&job.axis[2]);
    job.divided = job.divisor != 0 && !once;
    if (!job.divided) {
        const int64_t row = p->out[2] * unit, plane = p->out[0] * p->out[1] * row;
        shared = cx_scratch_acquire((size_t)(p->batch * p->channels * cx_count3(p->out)) * job.size);
        if (!shared) goto done;
        const cx_pool_side to = {shared,
                                 {plane * job.planes, unit > 1 ? 0 : plane, p->out[1] * row, row, unit},
                                 0,
                                 p->batch * p->channels * cx_count3(p->out) - 1,
                                 true};
        share_run run = {p, job.kernels, axis, job.from, to, unit, job.size};
        cx_parallel_for(p->batch * job.planes * p->out[0] * p->out[1], to.last < 32768 ? 1 : cx_threads_get(),
                        share_row, &run);
        job.from = to;
    }
    const bool groups = cx_pool_in_groups(&job);
    if (groups) backward_axis(p, 2, cx_pool_group(&job), job.axis[2].windows, &job.axis[2]);
    status = is_global(&job) ? repeat_planes(&job) : groups ? cx_pool_groups(&job) : cx_pool_planes(&job);
done:
    cx_scratch_release(shared);
    cx_aligned_free(forward);
    cx_aligned_free(backward);
    return status;
}

static convx_status max_backward(const cx_pool *p, const cx_pool_tensors *t) {
    const bool inside =
        cx_pool_channels_inside(p, &p->x, p->in) && cx_pool_channels_near(p, &p->gx) && cx_pool_channels_near(p, &p->y);
    const int64_t unit = inside ? p->channels : 1;
    cx_pool_job job = new_job(p, CX_POOL_ARGMAX, unit);
    job.from = cx_pool_side_of(p, &p->x, p->in, unit, t->x);
    job.to = cx_pool_side_of(p, &p->gx, p->in, unit, t->result);
    job.grad = cx_pool_side_of(p, &p->y, p->out, unit, t->y);
    job.scatters = true;
    if (!indices_fit(p) || !cx_pool_is_solid(&job.to, p->in, unit)) return cx_pool_reference_backward(p, t);
    cx_window *windows = new_windows(p->out);
    if (!windows) return CONVX_OUT_OF_MEMORY;
    for (int d = 0; d < 3; ++d) forward_axis(p, d, windows_of(windows, p->out, d), &job.axis[d]);
    const convx_status status = cx_pool_planes(&job);
    cx_aligned_free(windows);
    return status;
}

convx_status cx_pool_backward(const cx_pool *p, const cx_pool_tensors *t) {
    if (cx_pool_is_empty(p)) return cx_pool_reference_backward(p, t);
    if (!p->max) return average_backward(p, t);
    return t->indices ? cx_pool_scatter(p, t) : max_backward(p, t);
}
