#include "algo/pool_scatter.h"

#include <stdatomic.h>
#include <string.h>

#include "algo/pool_sides.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/kernels.h"

enum {
    band_bytes = 131072,   /* of a quarter of a second-level cache, as other tensors go through it too */
    cleared_bytes = 16384, /* at a time, that the first-level cache still holds when values come */
    task_elements = 32768,
    least_elements = 65536, /* less is not worth a thread's while */
    most_listed = 64,       /* places of a window */
    most_alike = 6          /* kinds of windows in a row */
};

/* Places of a plane. */
typedef struct place_range {
    int64_t first, end;
} place_range;

#define REAL    float
#define BITS    uint32_t
#define NAME(x) f32_##x
#include "algo/pool_scatter_loops.h"

#define REAL    double
#define BITS    uint64_t
#define NAME(x) f64_##x
#include "algo/pool_scatter_loops.h"

typedef struct scatter_run {
    const cx_pool_kernels *kernels;
    cx_pool_side y, index, gx;
    int64_t batch, planes, unit;
    size_t size;
    int64_t in[3], out[3], tap[3];
    const cx_window *windows[3];
    int outer;         /* the dimension whose places are cut into bands */
    int64_t layer;     /* places of the plane that one of its places has */
    int64_t step, pad; /* windows begin at o * step - pad, where they slide */
    int64_t bands, per_task;
    bool solid;      /* a plane of y and of its indices has no gaps */
    bool follows;    /* nor are there gaps between planes, of gx neither */
    bool runs;       /* neighbouring windows mostly have the same maximum */
    bool matches;    /* places take their values */
    bool shares;     /* of windows that share places */
    bool covers;     /* which leave no place out */
    atomic_bool odd; /* an index that was not expected */
    _Atomic int64_t found;
} scatter_run;

/* ---- Windows ---------------------------------------------------------------------------------------------------- */

static place_range reach_of(const scatter_run *run, int d, int64_t o) {
    const cx_window w = run->windows[d][o];
    return w.count > 0 ? (place_range){w.first, w.first + (w.count - 1) * run->tap[d] + 1} : (place_range){0, 0};
}

/* Where band `index` begins: with a window, if that is not too far. */
static int64_t band_begin(const scatter_run *run, int64_t index) {
    const int64_t in = run->in[run->outer], at = cx_share_begin(in, run->bands, index);
    if (index == 0 || index >= run->bands || run->step == 0) return at;
    const int64_t begin = (at + run->pad) / run->step * run->step - run->pad;
    return begin > cx_share_begin(in, run->bands, index - 1) ? begin : at;
}

/* ---- Bands ------------------------------------------------------------------------------------------------------ */

typedef struct band {
    int64_t n, plane;
    place_range rows;   /* along the outer dimension */
    place_range places; /* of the plane */
    void *x;            /* of the plane */
} band;

static bool scatter(const scatter_run *run, const band *b, const int64_t *index, const void *y, int64_t n,
                    const place_range *window) {
    const bool often = window->first < b->places.first || window->end > b->places.end;
    return (run->size == sizeof(double) ? f64_scatter : f32_scatter)(often, b->x, index, y, run->unit, n, &b->places,
                                                                     window);
}

static int64_t offset_of(const cx_pool_side *side, const band *b, int64_t d, int64_t h) {
    return b->n * side->strides[0] + b->plane * side->strides[1] + d * side->strides[2] + h * side->strides[3];
}

/* The windows of row (d, h). */
static bool scatter_row(const scatter_run *run, const band *b, int64_t d, int64_t h, const place_range *window) {
    const int64_t *index = (const int64_t *)run->index.data + offset_of(&run->index, b, d, h);
    const void *y = cx_at(run->y.data, offset_of(&run->y, b, d, h), run->size);
    if (run->y.dense && run->index.dense) return scatter(run, b, index, y, run->out[2] * run->unit, window);
    bool expected = true;
    for (int64_t w = 0; w < run->out[2]; ++w)
        expected = scatter(run, b, index + w * run->index.strides[4], cx_at(y, w * run->y.strides[4], run->size),
                           run->unit, window) &&
                   expected;
    return expected;
}

static bool meet(place_range a, place_range b) { return a.first < b.end && b.first < a.end; }
static bool holds(place_range all, place_range part) { return all.first <= part.first && part.end <= all.end; }

/* How many of the places of window o it shares with the one before. */
static int64_t shared_of(const scatter_run *run, int d, int64_t o) {
    return o > 0 ? cx_max(reach_of(run, d, o - 1).end - reach_of(run, d, o).first, 0) : 0;
}

static __attribute__((noinline, cold)) bool alike(const scatter_run *run, int d, int64_t a, int64_t b) {
    return run->windows[d][a].count == run->windows[d][b].count && shared_of(run, d, a) == shared_of(run, d, b);
}

static int64_t alike_from(const scatter_run *run, int d, int64_t o) {
    int64_t n = 1;
    while (o + n < run->out[d] && alike(run, d, o, o + n)) ++n;
    return n;
}

/* Windows in a row that are alike, and their places in the band: such as no window before has come first. */
typedef struct tap_list {
    cx_pool_tap taps[most_listed];
    int64_t n, fresh, all;
} tap_list;

/* Of the windows `at` and those like them, from place number `first` on. */
static __attribute__((noinline, cold)) void list_taps(const scatter_run *run, const band *b, const int64_t at[3],
                                                      int64_t first, tap_list *list) {
    int64_t count[3], shared[3];
    for (int i = 0; i < 3; ++i) {
        count[i] = run->windows[i][at[i]].count;
        shared[i] = shared_of(run, i, at[i]);
    }
    const int64_t deep = run->windows[0][at[0]].first, begin = run->windows[run->outer][at[run->outer]].first;
    const int64_t end = cx_min(first + most_listed, cx_count3(count));
    list->n = alike_from(run, 2, at[2]);
    list->all = 0;
    for (int again = 0; again < 1 + run->shares; ++again) {
        int64_t tap[3] = {0, 0, first};
        for (int i = 2; i > 0 && first > 0 && first < end; --i) {
            tap[i - 1] = tap[i] / count[i];
            tap[i] %= count[i];
        }
        for (int64_t k = first; k < end; ++k) {
            const int64_t row = begin + tap[run->outer];
            const bool seen = tap[0] < shared[0] || tap[1] < shared[1] || tap[2] < shared[2];
            const int64_t place = ((deep + tap[0]) * run->in[1] + tap[1]) * run->in[2] + tap[2];
            if (row >= b->rows.first && row < b->rows.end && seen == again)
                list->taps[list->all++] = (cx_pool_tap){place, place * run->unit};
            for (int i = 2; ++tap[i] == count[i] && i > 0; --i) tap[i] = 0;
        }
        if (!again) list->fresh = list->all;
    }
}

/* The windows w, w + 1, ... of `lines` rows from (d, h) on that `lists` are about, in their order where they share places. */
static int64_t match_lists(const scatter_run *run, const band *b, const int64_t at[3], int64_t lines,
                           const tap_list *lists, int parts) {
    const int64_t step = run->shares ? 1 : lines;
    int64_t found = 0;
    for (int64_t h = at[1]; h < at[1] + lines; h += step)
        for (int64_t part = 0, w = at[2]; part < parts; w += lists[part++].n) {
            const cx_pool_matches matches = {
                .x = b->x,
                .index = (const int64_t *)run->index.data + offset_of(&run->index, b, at[0], h) + w * run->unit,
                .from = cx_at(run->y.data, offset_of(&run->y, b, at[0], h) + w * run->unit, run->size),
                .index_step = run->index.strides[3],
                .from_step = run->y.strides[3],
                .unit = run->unit,
                .n = lists[part].n,
                .lines = step,
                .width = run->in[2],
                .windows = run->windows[2] + w,
                .line_windows = run->windows[1] + h,
                .taps = lists[part].taps,
                .fresh = lists[part].fresh,
                .all = lists[part].all};
            found += run->kernels->match(&matches);
        }
    return found;
}

/* The windows of `lines` rows from (d, h) on: each place takes the values whose index it is. Gives how many there are. */
static int64_t match_rows(const scatter_run *run, const band *b, int64_t d, int64_t h, int64_t lines) {
    const int64_t rows = run->windows[0][d].count * run->windows[1][h].count;
    int64_t found = 0;
    for (int64_t w = 0, end; w < run->out[2]; w = end) {
        bool more = true;
        for (int64_t first = 0; more; first += most_listed) {
            tap_list lists[most_alike];
            int parts = 0;
            more = false;
            for (end = w; end < run->out[2] && parts < most_alike; end += lists[parts++].n) {
                more = more || rows * run->windows[2][end].count > first + most_listed;
                list_taps(run, b, (const int64_t[3]){d, h, end}, first, &lists[parts]);
            }
            found += match_lists(run, b, (const int64_t[3]){d, h, w}, lines, lists, parts);
        }
    }
    return found;
}

static int64_t match_layer(const scatter_run *run, const band *b, int64_t d) {
    int64_t found = 0;
    for (int64_t h = 0, lines; h < run->out[1]; h += lines) {
        const place_range reach = reach_of(run, 1, h);
        lines = 1;
        if (run->outer == 1 && !meet(reach, b->rows)) continue;
        /* Those alike go together. */
        if (run->outer == 0 || holds(b->rows, reach))
            while (h + lines < run->out[1] && alike(run, 1, h, h + lines) &&
                   (run->outer == 0 || holds(b->rows, reach_of(run, 1, h + lines))))
                ++lines;
        found += match_rows(run, b, d, h, lines);
    }
    return found;
}

static int64_t match_band(const scatter_run *run, const band *b) {
    if (run->outer == 1) return match_layer(run, b, 0);
    int64_t found = 0;
    for (int64_t d = 0; d < run->out[0]; ++d)
        if (meet(reach_of(run, 0, d), b->rows)) found += match_layer(run, b, d);
    return found;
}

static bool scatter_band(const scatter_run *run, const band *b) {
    if (run->bands == 1 && run->solid) {
        const int64_t *index = (const int64_t *)run->index.data + offset_of(&run->index, b, 0, 0);
        const void *y = cx_at(run->y.data, offset_of(&run->y, b, 0, 0), run->size);
        return scatter(run, b, index, y, cx_count3(run->out) * run->unit, &b->places);
    }
    bool expected = true;
    for (int64_t d = 0; d < run->out[0]; ++d)
        for (int64_t h = 0; h < run->out[1]; ++h) {
            const place_range reach = reach_of(run, run->outer, run->outer == 0 ? d : h);
            const place_range window = {reach.first * run->layer, reach.end * run->layer};
            /* Each band looks at windows without places: they are few. */
            if (run->bands == 1 || reach.end == 0 || meet(reach, b->rows))
                expected = scatter_row(run, b, d, h, run->bands > 1 ? &window : &b->places) && expected;
        }
    return expected;
}

static void note(scatter_run *run, bool expected) {
    if (!expected) atomic_store_explicit(&run->odd, true, memory_order_relaxed);
}

static void fill_band(scatter_run *run, const band *b) {
    if (!run->covers) {
        const int64_t count = (b->places.end - b->places.first) * run->unit;
        memset(cx_at_mut(b->x, b->places.first * run->unit, run->size), 0, (size_t)count * run->size);
    }
    if (run->matches)
        atomic_fetch_add_explicit(&run->found, match_band(run, b), memory_order_relaxed);
    else
        note(run, scatter_band(run, b));
}

static void task(void *context, int64_t index, int worker) {
    scatter_run *run = context;
    const int64_t pieces = run->batch * run->planes * run->bands, first = index * run->per_task;
    const int64_t end = cx_min(pieces, first + run->per_task), places = cx_count3(run->in);
    (void)worker;
    if (run->follows && run->unit == 1 && run->bands == 1) {
        const place_range range = {0, places};
        const int64_t n = cx_count3(run->out), few = cx_max(1, cleared_bytes / (places * (int64_t)run->size));
        for (int64_t plane = first; plane < end; plane += few) {
            const int64_t planes = cx_min(few, end - plane);
            void *x = cx_at_mut(run->gx.data, plane * places, run->size);
            const int64_t *at = (const int64_t *)run->index.data + plane * n;
            const void *y = cx_at(run->y.data, plane * n, run->size);
            memset(x, 0, (size_t)(planes * places) * run->size);
            note(run, (run->size == sizeof(double) ? f64_scatter_planes : f32_scatter_planes)(run->runs, x, at, y, n,
                                                                                              &range, planes));
        }
        return;
    }
    for (int64_t piece = first; piece < end; ++piece) {
        const int64_t plane = piece / run->bands, cut = piece % run->bands;
        band b = {.n = plane / run->planes, .plane = plane % run->planes};
        b.rows = (place_range){band_begin(run, cut), band_begin(run, cut + 1)};
        b.places = (place_range){b.rows.first * run->layer, b.rows.end * run->layer};
        b.x = cx_at_mut(run->gx.data, b.n * run->gx.strides[0] + b.plane * run->gx.strides[1], run->size);
        fill_band(run, &b);
    }
}

/* ---- Set-up ----------------------------------------------------------------------------------------------------- */

static int64_t taps_of(const scatter_run *run, int d) {
    int64_t taps = 0;
    for (int64_t o = 0; o < run->out[d]; ++o) taps += run->windows[d][o].count;
    return taps;
}

static int64_t most_taps(const scatter_run *run, int d) {
    int64_t most = 0;
    for (int64_t o = 0; o < run->out[d]; ++o) most = cx_max(most, run->windows[d][o].count);
    return most;
}

/* Whether windows are ranges, one after another; and whether there is no place between them. */
static bool in_order(const scatter_run *run, int d, bool *covers) {
    int64_t first = 0, end = 0;
    for (int64_t o = 0; o < run->out[d]; ++o) {
        const cx_window w = run->windows[d][o];
        if (w.first < first || w.first + w.count < end || (w.count > 1 && run->tap[d] > 1)) return false;
        *covers = *covers && w.first <= end;
        first = w.first;
        end = w.first + w.count;
    }
    *covers = *covers && end == run->in[d];
    return true;
}

/* A single row lies better upright: its places are rows then. */
static void turn_rows(scatter_run *run) {
    if (run->in[0] != 1 || run->in[1] != 1 || run->out[0] != 1 || run->out[1] != 1) return;
    cx_pool_side *sides[3] = {&run->y, &run->index, &run->gx};
    for (int i = 0; i < 3; ++i) {
        sides[i]->strides[3] = sides[i]->strides[4];
        sides[i]->strides[4] = run->unit;
        sides[i]->dense = true;
    }
    const cx_window *windows = run->windows[1];
    run->windows[1] = run->windows[2];
    run->windows[2] = windows;
    run->in[1] = run->in[2];
    run->out[1] = run->out[2];
    run->tap[1] = run->tap[2];
    run->in[2] = run->out[2] = run->tap[2] = 1;
}

static int64_t kinds_in_row(const scatter_run *run) {
    int64_t kinds = 0;
    for (int64_t w = 0; w < run->out[2]; w += alike_from(run, 2, w)) ++kinds;
    return kinds;
}

/* Whether windows that share places are matched in their order, and sooner than their values are added one by one. */
static bool matches_shared(const scatter_run *run, double taps, int64_t lanes) {
    return run->unit % lanes == 0 && run->unit >= 4 * lanes &&
           taps <= (double)(lanes + 1) * (double)cx_count3(run->out) &&
           kinds_in_row(run) <= cx_min(most_alike, run->out[2] / 3) &&
           most_taps(run, 0) * most_taps(run, 1) * most_taps(run, 2) <= most_listed;
}

static void choose_way(scatter_run *run, int threads) {
    const int64_t places = cx_count3(run->in), outputs = cx_count3(run->out), lanes = run->kernels->lanes;
    const int64_t planes = run->batch * run->planes, elements = places * run->unit;
    bool covers = true, ordered = true;
    double taps = 1;
    for (int d = 0; d < 3; ++d) {
        ordered = in_order(run, d, &covers) && ordered;
        taps *= (double)taps_of(run, d);
    }
    run->shares = taps > (double)places;
    /* Where values are rare, zeros that are written first cost less than comparisons. */
    run->matches = lanes > 1 && run->unit >= lanes && (run->unit % lanes == 0 || run->unit >= 4 * lanes) &&
                   places <= 16 * outputs && run->y.dense && run->index.dense &&
                   (run->size == sizeof(double) || places < INT32_MAX) && ordered &&
                   (!run->shares || (covers && matches_shared(run, taps, lanes)));
    run->covers = run->matches && covers;
    run->runs = run->unit == 1 && run->out[2] > 1 && most_taps(run, 2) > 16 * run->in[2] / run->out[2];
    const int64_t in = run->in[run->outer], out = run->out[run->outer];
    const int64_t shared = cx_max(0, taps_of(run, run->outer) * run->tap[run->outer] / out - in / out);
    const int64_t cached = run->matches && !run->covers ? elements * (int64_t)run->size / band_bytes : 1;
    /* Windows that two bands share are looked at twice. */
    run->bands = cx_max(1, cx_min(cx_max(cached, planes >= threads ? 1 : threads), in / (1 + 2 * shared)));
    run->per_task = cx_max(1, task_elements / cx_max(1, elements / run->bands));
}

static convx_status fill(scatter_run *run) {
    const int64_t places = cx_count3(run->in), planes = run->batch * run->planes;
    const int64_t work = planes * (places + cx_count3(run->out)) * run->unit;
    const int threads = work < least_elements ? 1 : cx_threads_get();
    choose_way(run, threads);
    cx_parallel_for(cx_ceil_div(planes * run->bands, run->per_task), threads, task, run);
    const int64_t elements = run->matches ? planes * cx_count3(run->out) * run->unit : 0;
    if (!atomic_load(&run->odd) && atomic_load(&run->found) == elements) return CONVX_OK;
    run->matches = run->covers = false;
    run->bands = run->per_task = 1;
    atomic_store(&run->odd, false);
    cx_parallel_for(planes, threads, task, run);
    return atomic_load(&run->odd) ? CONVX_INVALID_INDEX : CONVX_OK;
}

convx_status cx_pool_scatter(const cx_pool *p, const cx_pool_tensors *t) {
    const bool inside = cx_pool_channels_inside(p, &p->y, p->out) && cx_pool_channels_near(p, &p->gx) &&
                        cx_pool_channels_near(p, &p->index);
    const int64_t unit = inside ? p->channels : 1;
    scatter_run run = {.kernels = &cx_kernels_get(p->dtype)->layers->pool,
                       .y = cx_pool_side_of(p, &p->y, p->out, unit, t->y),
                       .index = cx_pool_side_of(p, &p->index, p->out, unit, t->indices),
                       .gx = cx_pool_side_of(p, &p->gx, p->in, unit, t->result),
                       .batch = p->batch,
                       .planes = unit > 1 ? 1 : p->channels,
                       .unit = unit,
                       .size = cx_dtype_size(p->dtype)};
    if (!cx_pool_is_solid(&run.gx, p->in, unit)) return cx_pool_reference_backward(p, t);
    const int64_t outputs = cx_count3(p->out), places = cx_count3(p->in);
    run.solid = cx_pool_is_solid(&run.y, p->out, unit) && cx_pool_is_solid(&run.index, p->out, unit);
    run.follows = run.solid && cx_pool_follows(&run.y, p->batch, run.planes, outputs * unit) &&
                  cx_pool_follows(&run.index, p->batch, run.planes, outputs * unit) &&
                  cx_pool_follows(&run.gx, p->batch, run.planes, places * unit);
    cx_window *windows = cx_aligned_alloc((size_t)(p->out[0] + p->out[1] + p->out[2]) * sizeof(cx_window));
    if (!windows) return CONVX_OUT_OF_MEMORY;
    cx_window *next = windows;
    for (int d = 0; d < 3; ++d) {
        run.windows[d] = next;
        for (int64_t o = 0; o < p->out[d]; ++o) *next++ = cx_pool_window(p, d, o);
        run.in[d] = p->in[d];
        run.out[d] = p->out[d];
        run.tap[d] = p->adaptive ? 1 : p->dilation[d];
    }
    turn_rows(&run);
    run.outer = run.in[0] == 1 && run.out[0] == 1 ? 1 : 0;
    run.layer = (run.outer == 0 ? run.in[1] : 1) * run.in[2];
    const int axis = run.outer == 1 && p->in[1] == 1 && run.in[1] > 1 ? 2 : run.outer;
    if (!p->adaptive) {
        run.step = p->stride[axis];
        run.pad = p->pad[axis];
    }
    const convx_status status = fill(&run);
    cx_aligned_free(windows);
    return status;
}
