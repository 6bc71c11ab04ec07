#include "algo/pool_planes.h"
#include "algo/pool_sides.h"
#include "base/cpu.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

enum {
    task_elements = 32768,
    least_elements = 131072, /* less is not worth a thread's while */
    small_block = 131072,    /* bytes */
    page = 4096              /* planes so many bytes apart share places of the first-level cache */
};

/* Planes go in blocks of layers and rows of results, or of places where there is but one row. */
typedef struct groups {
    const cx_pool_job *job;
    int64_t unit, planes, in[3], out[3];     /* planes of a group, and of all */
    int64_t part[3], parts[3];               /* of results, along each dimension */
    int64_t stray[3];                        /* how far a window may begin or end before one that precedes it */
    int64_t sources, results, count, blocks; /* places of a block, at most; groups; blocks of one */
    int64_t per_task;
    size_t in_bytes, out_bytes;
    char *scratch;
} groups;

static bool is_stack(const cx_pool_job *job, const cx_pool_side *side, const int64_t extent[3]) {
    return cx_pool_is_solid(side, extent, 1) && cx_pool_follows(side, job->batch, job->planes, cx_count3(extent));
}

static int64_t end_of(const cx_pool_axis *a, cx_window w) {
    return w.count == 0 ? w.first : w.first + (w.count - 1) * a->tap + 1;
}

static int64_t stray_of(const cx_pool_axis *a) {
    int64_t first = 0, end = 0, stray = 0;
    for (int64_t o = 0; o < a->out; ++o) {
        const cx_window w = a->windows[o];
        first = cx_max(first, w.first);
        end = cx_max(end, end_of(a, w));
        stray = cx_max(stray, cx_max(first - w.first, end - end_of(a, w)));
    }
    return stray;
}

static bool is_row(const groups *g) { return g->in[0] * g->in[1] == 1 && g->out[0] * g->out[1] == 1; }

/* Places of the input that hold those of the results from `begin` on, or more: of several rows, whole ones. */
static cx_window reach_of(const groups *g, int d, int64_t begin) {
    const cx_pool_axis *a = &g->job->axis[d];
    if (d == 2 && !is_row(g)) return (cx_window){0, a->in, 0};
    const int64_t last = cx_min(a->out, begin + g->part[d]) - 1;
    const int64_t low = cx_min(a->in, cx_max(0, a->windows[begin].first - g->stray[d]));
    return (cx_window){low, cx_max(0, cx_min(a->in, end_of(a, a->windows[last]) + g->stray[d]) - low), 0};
}

/* Gives how many places of the input are read for a plane. */
static int64_t measure(groups *g) {
    int64_t read = 1;
    g->sources = g->results = g->blocks = 1;
    for (int d = 0; d < 3; ++d) {
        int64_t most = 0, all = 0;
        for (int64_t begin = 0; begin < g->out[d]; begin += g->part[d]) {
            const int64_t count = reach_of(g, d, begin).count;
            most = cx_max(most, count);
            all += count;
        }
        g->parts[d] = cx_ceil_div(g->out[d], g->part[d]);
        g->blocks *= g->parts[d];
        g->sources *= most;
        g->results *= g->part[d];
        read *= all;
    }
    return read;
}

/* Halves what shares the fewest places until a block finds room in the cache; whether blocks share few. */
static bool cut(groups *g) {
    const size_t bytes = (size_t)g->unit * g->job->size, quarter = cx_cpu_get()->l2 / 4;
    const size_t budget = quarter > small_block ? quarter : small_block;
    const int first = is_row(g) ? 2 : 0, end = is_row(g) ? 3 : 2;
    for (;;) {
        const int64_t read = measure(g);
        g->in_bytes = cx_align_up((size_t)g->sources * bytes);
        g->out_bytes = cx_align_up((size_t)g->results * bytes);
        if (g->in_bytes <= budget && g->out_bytes <= budget) return 2 * read <= 3 * cx_count3(g->in);
        int64_t least = INT64_MAX, smaller = 0;
        int best = 0;
        for (int d = first; d < end; ++d) {
            const int64_t part = g->part[d];
            if (part == 1) continue;
            g->part[d] = cx_ceil_div(part, 2);
            const int64_t shared = measure(g);
            if (shared < least) least = shared, best = d, smaller = g->part[d];
            g->part[d] = part;
        }
        if (least == INT64_MAX) return false;
        g->part[best] = smaller;
    }
}

static bool plan(groups *g, const cx_pool_job *job, int64_t unit) {
    *g = (groups){.job = job, .unit = unit, .planes = job->batch * job->planes};
    g->count = g->planes / g->unit;
    for (int d = 0; d < 3; ++d) {
        g->in[d] = job->axis[d].in;
        g->out[d] = g->part[d] = job->axis[d].out;
        g->stray[d] = stray_of(&job->axis[d]);
    }
    return cut(g);
}

static int64_t taps_of(const cx_pool_axis *a) {
    int64_t taps = 0;
    for (int64_t o = 0; o < a->out; ++o) taps += a->windows[o].count;
    return taps;
}

/* What is folded or repeated along the only row needs no transposition. */
static bool is_easy_row(const cx_pool_job *job) {
    const cx_pool_axis *a = job->axis;
    return a[0].in * a[1].in == 1 && a[0].out * a[1].out == 1 && (cx_pool_folds(job) || cx_pool_repeats(job));
}

static int64_t longest(const cx_pool_axis *a) {
    int64_t taps = 1;
    for (int64_t o = 0; o < a->out; ++o) taps = cx_max(taps, a->windows[o].count);
    return taps;
}

/* Whether a group is full. Sums that are added up in another order elsewhere do not depend on the batch for that. */
static bool has_planes(const cx_pool_job *job) {
    const int64_t lanes = job->kernels->lanes, d = longest(&job->axis[0]), h = longest(&job->axis[1]);
    const int64_t w = longest(&job->axis[2]);
    const bool same = job->op != CX_POOL_SUM || (d <= 2 && h <= 2 && w <= 2 && d * h * w <= 4);
    return (same ? job->batch * job->planes : job->planes) >= lanes;
}

/* Transpositions by vectors shorter than a line of the cache gain less: so many taps a place must not be exceeded. */
static int64_t most_taps(const groups *g) {
    const int64_t size = (int64_t)g->job->size, lanes = g->job->kernels->lanes;
    if (lanes * size == CX_ALIGNMENT || (g->in_bytes <= small_block && g->out_bytes <= small_block)) return 6;
    const bool conflict = cx_count3(g->in) * size % page == 0 || cx_count3(g->out) * size % page == 0;
    return lanes >= 8 && g->parts[2] == 1 && !conflict ? 3 : 0;
}

bool cx_pool_in_groups(const cx_pool_job *job) {
    const cx_pool_axis *a = job->axis;
    const int64_t in[3] = {a[0].in, a[1].in, a[2].in}, out[3] = {a[0].out, a[1].out, a[2].out};
    int64_t taps;
    groups g;
    return job->unit == 1 && job->kernels->lanes > 1 && has_planes(job) && is_stack(job, &job->from, in) &&
           is_stack(job, &job->to, out) && (!job->index.data || is_stack(job, &job->index, out)) &&
           cx_mul(taps_of(&a[0]), taps_of(&a[1]), &taps) && cx_mul(taps, taps_of(&a[2]), &taps) && !is_easy_row(job) &&
           plan(&g, job, cx_pool_group(job)) && taps <= most_taps(&g) * (cx_count3(in) + cx_count3(out));
}

/* The layers of a block, of each plane: pieces of memory, or one if no row is left out. */
typedef struct pieces {
    int64_t first, step, count, length;
} pieces;

static pieces pieces_of(const int64_t extent[3], const int64_t first[3], const int64_t count[3]) {
    const int64_t layer = extent[1] * extent[2], length = count[1] * count[2];
    const int64_t start = (first[0] * extent[1] + first[1]) * extent[2] + first[2];
    return length == layer ? (pieces){start, 0, 1, count[0] * length} : (pieces){start, layer, count[0], length};
}

typedef struct block {
    int64_t begin[3], count[3]; /* of results */
    pieces source, result;
    int64_t strides[3], origin; /* of the input in scratch memory, and where the plane would begin there */
} block;

static void look_at(const groups *g, int64_t index, block *b) {
    int64_t low[3], reach[3];
    for (int d = 2; d >= 0; --d) {
        b->begin[d] = index % g->parts[d] * g->part[d];
        b->count[d] = cx_min(g->part[d], g->out[d] - b->begin[d]);
        const cx_window window = reach_of(g, d, b->begin[d]);
        low[d] = window.first;
        reach[d] = window.count;
        index /= g->parts[d];
    }
    b->source = pieces_of(g->in, low, reach);
    b->result = pieces_of(g->out, b->begin, b->count);
    b->strides[2] = g->unit;
    b->strides[1] = reach[2] * g->unit;
    b->strides[0] = reach[1] * b->strides[1];
    b->origin = -(low[0] * b->strides[0] + low[1] * b->strides[1] + low[2] * g->unit);
}

/* A block of the planes from `plane` on. */
static void pool_block(const groups *g, const block *b, int64_t plane, int worker) {
    const cx_pool_job *job = g->job;
    const cx_pool_kernels *k = job->kernels;
    const int64_t unit = g->unit, in = cx_count3(g->in), out = cx_count3(g->out);
    const pieces source = b->source, result = b->result;
    char *from = g->scratch + (size_t)worker * (g->in_bytes + 3 * g->out_bytes);
    char *to = from + g->in_bytes, *index = to + g->out_bytes, *turned = index + g->out_bytes;
    for (int64_t i = 0; i < source.count; ++i)
        k->transpose(cx_at_mut(from, i * source.length * unit, job->size), unit,
                     cx_at(job->from.data, plane * in + source.first + i * source.step, job->size), in, unit,
                     source.length);
    int64_t at = 0;
    for (int64_t d = b->begin[0]; d < b->begin[0] + b->count[0]; ++d)
        for (int64_t h = b->begin[1]; h < b->begin[1] + b->count[1]; ++h, at += b->count[2] * unit) {
            cx_pool_places row = cx_pool_row(job, cx_at(from, b->origin, job->size), b->strides, d, h);
            row.to = (cx_pool_place){cx_at_mut(to, at, job->size), cx_at_mut(index, at, job->size), 0};
            row.to_step = row.unit = unit;
            row.windows += b->begin[2];
            row.n = b->count[2];
            k->places(job->op, &row);
        }
    at = 0;
    for (int64_t i = 0; i < result.count; ++i, at += result.length * unit) {
        const int64_t there = plane * out + result.first + i * result.step;
        k->transpose(cx_at_mut(job->to.data, there, job->size), out, cx_at(to, at, job->size), unit, result.length,
                     unit);
        if (!job->index.data) continue;
        k->transpose(turned, result.length, cx_at(index, at, job->size), unit, result.length, unit);
        for (int64_t p = 0; p < unit; ++p)
            k->widen((int64_t *)job->index.data + there + p * out, cx_at(turned, p * result.length, job->size),
                     result.length);
    }
}

static void task(void *context, int64_t index, int worker) {
    const groups *g = context;
    const int64_t first = index * g->per_task, end = cx_min(g->count * g->blocks, first + g->per_task);
    block b;
    for (int64_t i = first; i < end; ++i) {
        const int64_t group = g->blocks == 1 ? i : i / g->blocks;
        if (i == first || g->blocks > 1) look_at(g, i - group * g->blocks, &b);
        pool_block(g, &b, group * g->unit, worker);
        /* The planes that are left, with some that are done. */
        if (group == g->count - 1 && g->planes > g->count * g->unit) pool_block(g, &b, g->planes - g->unit, worker);
    }
}

convx_status cx_pool_groups(const cx_pool_job *job) {
    const int64_t full = 2 * (int64_t)job->kernels->lanes;
    groups g;
    plan(&g, job, job->batch * job->planes < full ? cx_pool_group(job) : full);
    const int64_t elements = (g.sources + g.results) * g.unit, pieces = g.count * g.blocks;
    const int threads = g.planes * (cx_count3(g.in) + cx_count3(g.out)) < least_elements ? 1 : cx_threads_get();
    g.per_task = cx_long_task(pieces, cx_max(1, task_elements / elements), threads);
    g.scratch = cx_scratch_acquire((g.in_bytes + 3 * g.out_bytes) * (size_t)threads);
    if (!g.scratch) return CONVX_OUT_OF_MEMORY;
    cx_parallel_for(cx_ceil_div(pieces, g.per_task), threads, task, &g);
    cx_scratch_release(g.scratch);
    return CONVX_OK;
}
