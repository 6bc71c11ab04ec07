#include "algo/pool_planes.h"

#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

enum {
    tall = 8,             /* rows of a window for which columns are worth a strip */
    strip_bytes = 131072, /* of a strip: about half of a second-level cache */
    task_elements = 32768,
    least_elements = 24576 /* less is not worth a thread's while */
};

typedef struct geometry {
    cx_pool_job *job;
    bool rows_first;          /* along the rows, then down the columns */
    bool columns;             /* which are sliding windows of many rows */
    bool repeats;             /* each place of a row goes to some places side by side */
    bool reduces;             /* a plane is one row, and that one window */
    bool folds;               /* windows along rows are side by side */
    bool direct;              /* windows that share few places, of vectors of channels: straight from the tensor */
    int64_t width, out_width; /* elements of a row */
    int64_t before, row;      /* padding in front, and the whole row in scratch memory */
    int64_t pitch;            /* of a row of results in scratch memory */
    int64_t strip, strips, sources; /* rows of results; strips of a plane; rows of the input that one needs, at most */
    int64_t depth;                  /* strips at a time: taps in depth where the first maximum counts */
    int64_t per_task, pieces;
    bool whole_planes;
    cx_pool_place gathered, padded, work, line, stripe, stripe_out, prefixes; /* offsets within a worker's scratch */
    size_t bytes;
    char *scratch;
    void *columns_index; /* index of each element of a padded row within the row */
} geometry;

/* ---- Scratch memory --------------------------------------------------------------------------------------------- */

static cx_pool_place reserve(geometry *g, int64_t elements) {
    const int64_t lines = cx_round_up(elements, 4 * 64 / (int64_t)g->job->size) + 4 * 64 / (int64_t)g->job->size;
    const size_t bytes = cx_align_up((size_t)lines * g->job->size);
    /* Offsets, from 64 on: null pointers mean nothing there. */
    cx_pool_place place = {(void *)(uintptr_t)(g->bytes + 64), NULL, 0};
    g->bytes += bytes;
    if (g->job->op == CX_POOL_ARGMAX) {
        place.index = (void *)(uintptr_t)(g->bytes + 64);
        g->bytes += bytes;
    }
    return place;
}

static cx_pool_place scratch_of(const geometry *g, int worker, cx_pool_place offset) {
    char *base = g->scratch + (size_t)worker * g->bytes - 64;
    return (cx_pool_place){base + (uintptr_t)offset.value, offset.index ? base + (uintptr_t)offset.index : NULL, 0};
}

static cx_pool_place ahead(const geometry *g, cx_pool_place p, int64_t elements) {
    const size_t size = g->job->size;
    return (cx_pool_place){cx_at_mut(p.value, elements, size), p.index ? cx_at_mut(p.index, elements, size) : NULL,
                           p.base};
}

static void *element(const cx_pool_side *side, int64_t offset, size_t size) {
    return cx_at_mut(side->data, offset, size);
}

static int64_t row_offset(const cx_pool_side *s, int64_t n, int64_t plane, int64_t d, int64_t h) {
    return n * s->strides[0] + plane * s->strides[1] + d * s->strides[2] + h * s->strides[3];
}

/* ---- Rows in and out -------------------------------------------------------------------------------------------- */

/* A row of a tensor with gaps between places, copied together; or back. */
static void copy_row(const geometry *g, char *tensor, int64_t stride, char *line, int64_t places, size_t size,
                     bool gather) {
    const size_t step = (size_t)g->job->unit * size;
    if (step == sizeof(uint32_t)) {
        uint32_t *there = (void *)tensor, *here = (void *)line;
        for (int64_t i = 0; i < places; ++i)
            if (gather)
                here[i] = there[i * stride];
            else
                there[i * stride] = here[i];
        return;
    }
    for (int64_t i = 0; i < places; ++i) {
        char *there = cx_at_mut(tensor, i * stride, size), *here = line + (size_t)i * step;
        if (gather)
            memcpy(here, there, step);
        else
            memcpy(there, here, step);
    }
}

/* What of the input lies in the windows `d` and `h`, taken together into the padded row. */
static void fetch(const geometry *g, int worker, int64_t n, int64_t plane, cx_window d, cx_window h) {
    const cx_pool_job *job = g->job;
    const cx_pool_kernels *k = job->kernels;
    const cx_pool_op op = job->op == CX_POOL_ARGMAX ? CX_POOL_MAX : job->op;
    const cx_pool_place padded = ahead(g, scratch_of(g, worker, g->padded), g->before * job->unit);
    const bool spaced = job->axis[2].spacing > 1;
    const cx_pool_place row = spaced ? scratch_of(g, worker, g->work) : padded;
    const int64_t reach = cx_round_up(g->width, k->lanes), step = job->from.strides[3] * job->axis[1].tap;
    bool more = false;
    for (int64_t i = 0; i < d.count && h.count > 0; ++i) {
        const int64_t at = row_offset(&job->from, n, plane, d.first + i * job->axis[0].tap, h.first);
        const int64_t highest = at + cx_max(0, step * (h.count - 1));
        if (job->from.dense && highest + reach - 1 <= job->from.last) {
            const cx_pool_place from = {element(&job->from, at, job->size), NULL, 0};
            k->rows(op, row, from, step, h.count, reach, more);
            more = true;
            continue;
        }
        for (int64_t j = 0; j < h.count; ++j, more = true) {
            const cx_pool_place line = scratch_of(g, worker, g->gathered);
            copy_row(g, element(&job->from, at + j * step, job->size), job->from.strides[4], line.value,
                     job->axis[2].in, job->size, true);
            k->rows(op, row, line, 0, 1, reach, more);
        }
    }
    if (!more) k->fill(op, row.value, g->width);
    if (spaced) {
        if (!g->repeats) k->spread(padded.value, row.value, job->axis[2].spacing, g->width);
        return;
    }
    k->fill(op, cx_at_mut(row.value, g->width, job->size), cx_min(k->lanes, g->row - g->before * job->unit - g->width));
}

/* The index of the first place of a row. */
static int64_t index_of_row(const cx_pool_job *job, int64_t d, int64_t h) {
    return (d * job->axis[1].in + h) * job->axis[2].in;
}

/* The padded row, pooled along its length; the index of its first place. */
static void along(const geometry *g, int worker, int64_t base, cx_pool_place to) {
    const cx_pool_job *job = g->job;
    const cx_pool_kernels *k = job->kernels;
    const cx_pool_axis *a = &job->axis[2];
    const int64_t unit = job->unit;
    cx_pool_place row = scratch_of(g, worker, g->padded);
    const cx_pool_place work = scratch_of(g, worker, g->work);
    row.index = job->op == CX_POOL_ARGMAX ? g->columns_index : NULL;
    row.base = base;
    if (g->repeats) {
        k->repeat(to.value, work.value, a->spacing, a->pad - (a->kernel - 1), g->width, g->out_width);
    } else if (a->sliding && a->stride == 1) {
        k->slide(job->op, to, row, work, a->tap * unit, a->kernel, g->out_width);
    } else if (a->sliding && unit == 1 && (job->op == CX_POOL_ARGMAX || a->kernel < 16 || a->kernel > 4 * a->stride)) {
        const int64_t wide = (a->out - 1) * a->stride + 1;
        const cx_pool_place all = ahead(g, work, g->row);
        const bool slides = a->kernel > 1 || job->op == CX_POOL_ARGMAX;
        if (slides) k->slide(job->op, all, row, work, a->tap, a->kernel, wide);
        const cx_pool_place dense = slides ? all : row;
        k->pick(to.value, dense.value, a->stride, a->out);
        if (to.index) k->pick(to.index, dense.index, a->stride, a->out);
    } else {
        for (int64_t o = 0; o < a->out; ++o) {
            const int64_t first = a->sliding ? o * a->stride : a->windows[o].first + g->before;
            const int64_t count = a->sliding ? a->kernel : a->windows[o].count;
            const cx_pool_place from = ahead(g, row, first * unit), there = ahead(g, to, o * unit);
            if (count == 0)
                k->fill(job->op, there.value, unit);
            else if (unit == 1 && a->tap == 1 && job->op != CX_POOL_ARGMAX)
                k->reduce(job->op, there.value, from.value, count);
            else
                k->rows(job->op, there, from, a->tap * unit, count, unit, false);
        }
    }
}

/* Divides the row as its windows want. */
static void divide(const geometry *g, void *to, const void *from, int64_t places) {
    const cx_pool_job *job = g->job;
    const cx_pool_axis *a = &job->axis[2];
    const size_t size = job->size;
    if (job->divisor) {
        job->kernels->divide(to, from, job->divisor, g->out_width);
        return;
    }
    for (int64_t o = 0; o < a->out;) {
        const bool even = o == a->even_first;
        const int64_t end = even ? a->even_end : o + 1, at = o * job->unit;
        const int64_t by = cx_max(1, places * a->windows[o].places);
        job->kernels->divide(cx_at_mut(to, at, size), cx_at(from, at, size), by, (end - o) * job->unit);
        o = end;
    }
}

static bool has_windows(const cx_pool_axis *a, int64_t o) { return a->windows[o].count > 0; }

static void store_index(const geometry *g, void *index, int64_t offset, bool any) {
    const cx_pool_job *job = g->job;
    int64_t *to = (int64_t *)job->index.data + offset;
    for (int64_t o = 0; o < job->axis[2].out; ++o) {
        const bool there = any && has_windows(&job->axis[2], o);
        if (there && job->index.dense && o == job->axis[2].even_first) {
            const int64_t run = job->axis[2].even_end - o;
            job->kernels->widen(to + o * job->unit, cx_at(index, o * job->unit, job->size), run * job->unit);
            o += run - 1;
            continue;
        }
        int64_t *place = to + o * job->index.strides[4];
        if (there)
            job->kernels->widen(place, cx_at(index, o * job->unit, job->size), job->unit);
        else
            for (int64_t c = 0; c < job->unit; ++c) place[c] = -1;
    }
}

/* The finished row of output place (d, h). */
static void store(const geometry *g, int worker, cx_pool_place row, int64_t n, int64_t plane, int64_t d, int64_t h) {
    const cx_pool_job *job = g->job;
    const bool any = has_windows(&job->axis[0], d) && has_windows(&job->axis[1], h);
    if (job->scatters) {
        if (!any) return;
        const int64_t at = row_offset(&job->grad, n, plane, d, h);
        char *grad = element(&job->grad, at, job->size);
        if (!job->grad.dense) {
            const cx_pool_place line = scratch_of(g, worker, g->gathered);
            copy_row(g, grad, job->grad.strides[4], line.value, job->axis[2].out, job->size, true);
            grad = line.value;
        }
        for (int64_t o = 0; o < job->axis[2].out; ++o)
            if (!has_windows(&job->axis[2], o))
                memset(cx_at_mut(row.index, o * job->unit, job->size), -1, (size_t)job->unit * job->size);
        void *plane_of_x = element(&job->to, n * job->to.strides[0] + plane * job->to.strides[1], job->size);
        job->kernels->scatter(plane_of_x, row.index, grad, job->unit, g->out_width);
        return;
    }
    const int64_t at = row_offset(&job->to, n, plane, d, h);
    char *to = element(&job->to, at, job->size);
    void *line = job->to.dense ? (void *)to : job->divided ? scratch_of(g, worker, g->gathered).value : row.value;
    if (job->divided)
        divide(g, line, row.value, job->axis[0].windows[d].places * job->axis[1].windows[h].places);
    else if (job->to.dense)
        memcpy(to, row.value, (size_t)g->out_width * job->size);
    if (!job->to.dense) copy_row(g, to, job->to.strides[4], line, job->axis[2].out, job->size, false);
    if (job->index.data) store_index(g, row.index, row_offset(&job->index, n, plane, d, h), any);
}

/* ---- Strips ----------------------------------------------------------------------------------------------------- */

cx_pool_places cx_pool_row(const cx_pool_job *job, const void *plane, const int64_t strides[3], int64_t d, int64_t h) {
    const cx_window deep = job->axis[0].windows[d], high = job->axis[1].windows[h];
    const int64_t taps[3] = {job->axis[0].tap, job->axis[1].tap, job->axis[2].tap};
    const int64_t width = job->axis[2].in, depth = job->axis[1].in * width;
    return (cx_pool_places){.from = cx_at(plane, deep.first * strides[0] + high.first * strides[1], job->size),
                            .n = job->axis[2].out,
                            .windows = job->axis[2].windows,
                            .count = {deep.count, high.count},
                            .step = {taps[0] * strides[0], taps[1] * strides[1], taps[2] * strides[2]},
                            .place = strides[2],
                            .index = index_of_row(job, deep.first, high.first),
                            .index_step = {taps[0] * depth, taps[1] * width, taps[2]},
                            .divisor = job->divided ? job->divisor : 1,
                            .places = deep.places * high.places};
}

/* One row of output places, straight from the tensor, divided. */
static void straight(const geometry *g, cx_pool_place to, int64_t to_step, int64_t n, int64_t plane, int64_t d,
                     int64_t h) {
    const cx_pool_job *job = g->job;
    const void *from = element(&job->from, row_offset(&job->from, n, plane, 0, 0), job->size);
    cx_pool_places row = cx_pool_row(job, from, job->from.strides + 2, d, h);
    row.to = to;
    row.to_step = to_step;
    row.unit = job->unit;
    job->kernels->places(job->op, &row);
}

static void straight_row(const geometry *g, int worker, int64_t n, int64_t plane, int64_t d, int64_t h) {
    const cx_pool_job *job = g->job;
    cx_pool_place line = scratch_of(g, worker, g->line);
    if (job->scatters) {
        straight(g, line, job->unit, n, plane, d, h);
        store(g, worker, line, n, plane, d, h);
        return;
    }
    line.value = element(&job->to, row_offset(&job->to, n, plane, d, h), job->size);
    straight(g, line, job->to.strides[4], n, plane, d, h);
    if (job->index.data)
        store_index(g, line.index, row_offset(&job->index, n, plane, d, h),
                    has_windows(&job->axis[0], d) && has_windows(&job->axis[1], h));
}

/* A row of windows side by side: without copies, if it can be. */
static void folded_row(const geometry *g, int worker, int64_t n, int64_t plane, int64_t d, int64_t h) {
    const cx_pool_job *job = g->job;
    const cx_pool_axis *a = &job->axis[2];
    const cx_window deep = job->axis[0].windows[d], high = job->axis[1].windows[h];
    const cx_pool_place line = scratch_of(g, worker, g->line);
    const int64_t at = row_offset(&job->from, n, plane, deep.first, high.first);
    const void *from = element(&job->from, at, job->size);
    if (!job->from.dense || deep.count * high.count != 1 || a->pad != 0 || a->out * a->kernel > a->in) {
        fetch(g, worker, n, plane, deep, high);
        from = scratch_of(g, worker, g->padded).value;
    }
    const bool straight = job->to.dense && !job->divided;
    void *to = straight ? element(&job->to, row_offset(&job->to, n, plane, d, h), job->size) : line.value;
    for (int64_t left = a->kernel; left > 1;) {
        const int taps = left % 4 == 0 ? 4 : 2;
        left /= taps;
        void *next = left == 1 ? to : scratch_of(g, worker, g->work).value;
        job->kernels->fold(job->op, taps, next, from, a->out * left);
        from = next;
    }
    if (!straight) store(g, worker, line, n, plane, d, h);
}

static void columns_then_row(const geometry *g, int worker, int64_t n, int64_t plane, int64_t d, int64_t begin,
                             int64_t end) {
    const cx_pool_job *job = g->job;
    const cx_pool_place line = scratch_of(g, worker, g->line);
    const cx_window *windows = job->axis[1].windows;
    for (int64_t h = begin; h < end; ++h) {
        if (g->reduces) {
            const int64_t at = row_offset(&job->from, n, plane, 0, 0);
            job->kernels->reduce(job->op, line.value, element(&job->from, at, job->size), job->axis[2].in);
        } else if (g->direct || g->folds) {
            (g->direct ? straight_row : folded_row)(g, worker, n, plane, d, h);
            continue;
        } else if (h == begin || windows[h].first != windows[h - 1].first || windows[h].count != windows[h - 1].count) {
            fetch(g, worker, n, plane, job->axis[0].windows[d], windows[h]);
            along(g, worker, 0, line);
        }
        store(g, worker, line, n, plane, d, h);
    }
}

/* Rows `low` to `high` of the input, pooled along their length, into the strip; beyond the input there is nothing. */
static void fill_strip(const geometry *g, int worker, int64_t n, int64_t plane, cx_window d, int64_t low, int64_t high,
                       cx_pool_place stripe) {
    const cx_pool_job *job = g->job;
    for (int64_t h = low; h < high; ++h) {
        const cx_pool_place to = ahead(g, stripe, (h - low) * g->pitch);
        const bool inside = h >= 0 && h < job->axis[1].in;
        /* A window of nothing but -infinity has its index in the first row, of which the padding above tells already. */
        if (inside || (h < 0 && job->op == CX_POOL_ARGMAX)) {
            const int64_t there = cx_max(h, 0);
            fetch(g, worker, n, plane, d, (cx_window){there, 1, 1});
            along(g, worker, index_of_row(job, d.first, there), to);
        }
        if (!inside) job->kernels->fill(job->op, to.value, g->pitch);
    }
}

static void rows_then_columns(const geometry *g, int worker, int64_t n, int64_t plane, int64_t d, int64_t begin,
                              int64_t end) {
    const cx_pool_job *job = g->job;
    const cx_pool_axis *a = &job->axis[1];
    const cx_pool_place stripe = scratch_of(g, worker, g->stripe), out = scratch_of(g, worker, g->stripe_out);
    const cx_window deep = job->axis[0].windows[d];
    int64_t low, high;
    if (g->columns) {
        low = begin * a->stride - a->pad;
        high = (end - 1) * a->stride - a->pad + a->kernel;
    } else {
        low = a->in;
        high = 0;
        for (int64_t h = begin; h < end; ++h) {
            if (a->windows[h].count == 0) continue;
            low = cx_min(low, a->windows[h].first);
            high = cx_max(high, a->windows[h].first + (a->windows[h].count - 1) * a->tap + 1);
        }
    }
    const int64_t layers = g->depth > 1 ? deep.count : 1;
    for (int64_t i = 0; i < layers; ++i) {
        const cx_window one = {deep.first + i * job->axis[0].tap, 1, 1};
        fill_strip(g, worker, n, plane, g->depth > 1 ? one : deep, low, high,
                   ahead(g, stripe, i * g->sources * g->pitch));
    }
    if (g->columns && layers == 1)
        job->kernels->columns(job->op, out, stripe, scratch_of(g, worker, g->prefixes), g->pitch, a->kernel, a->stride,
                              end - begin, g->pitch);
    for (int64_t h = begin; h < end; ++h) {
        cx_pool_place row = ahead(g, out, (h - begin) * g->pitch);
        if (!(g->columns && layers == 1)) {
            row = scratch_of(g, worker, g->line);
            bool more = false;
            for (int64_t i = 0; i < layers && a->windows[h].count > 0; ++i, more = true)
                job->kernels->rows(job->op, row,
                                   ahead(g, stripe, (i * g->sources + a->windows[h].first - low) * g->pitch),
                                   a->tap * g->pitch, a->windows[h].count, g->out_width, more);
            if (!more) job->kernels->fill(job->op, row.value, g->out_width);
        }
        store(g, worker, row, n, plane, d, h);
    }
}

static void prepare_row(const geometry *g, int worker) {
    const cx_pool_op op = g->job->op == CX_POOL_ARGMAX ? CX_POOL_MAX : g->job->op;
    g->job->kernels->fill(op, scratch_of(g, worker, g->padded).value, g->row);
}

static void clear_plane(const geometry *g, int64_t n, int64_t plane) {
    const cx_pool_job *job = g->job;
    const int64_t count = job->axis[0].in * job->axis[1].in * g->width;
    memset(element(&job->to, n * job->to.strides[0] + plane * job->to.strides[1], job->size), 0,
           (size_t)count * job->size);
}

static void task(void *context, int64_t index, int worker) {
    const geometry *g = context;
    const cx_pool_job *job = g->job;
    if (!g->reduces && !g->direct) prepare_row(g, worker);
    const int64_t end = cx_min(g->pieces, (index + 1) * g->per_task), deep = job->axis[0].out;
    for (int64_t piece = index * g->per_task; piece < end; ++piece) {
        const int64_t strip = piece % g->strips, d = piece / g->strips % deep, plane = piece / g->strips / deep;
        const int64_t n = plane / job->planes, p = plane % job->planes;
        const int64_t first = strip * g->strip, last = cx_min(job->axis[1].out, first + g->strip);
        if (job->scatters && strip == 0 && d == 0) clear_plane(g, n, p);
        if (g->rows_first)
            rows_then_columns(g, worker, n, p, d, first, last);
        else
            columns_then_row(g, worker, n, p, d, first, last);
    }
}

/* ---- Set-up ----------------------------------------------------------------------------------------------------- */

static int64_t most_taps(const cx_pool_axis *a) {
    int64_t most = 0;
    for (int64_t o = 0; o < a->out; ++o) most = cx_max(most, a->windows[o].count);
    return most;
}

static bool is_single(const cx_pool_axis *a) { return a->in == 1 && a->out == 1 && a->windows[0].count == 1; }

static void set_rows(geometry *g) {
    const cx_pool_job *job = g->job;
    const cx_pool_axis *a = &job->axis[2];
    g->width = a->in * job->unit;
    g->out_width = a->out * job->unit;
    g->before = a->sliding ? cx_max(0, a->pad) : 0;
    const int64_t spread = (a->in - 1) * a->spacing + 1;
    int64_t places = g->before + spread;
    if (a->sliding)
        places = cx_max(places, (a->out - 1) * a->stride - a->pad + g->before + (a->kernel - 1) * a->tap + 1);
    g->row = places * job->unit + 2 * job->kernels->lanes;
    g->repeats = cx_pool_repeats(job);
    int64_t taps = 0;
    for (int64_t o = 0; o < a->out; ++o) taps += a->windows[o].count;
    /* Few places are read twice, and no row of results is like the one before; or there is little to read anyway. */
    const int64_t most = most_taps(&job->axis[1]);
    g->direct = job->unit > 1 && job->unit >= job->kernels->lanes &&
                ((taps <= 2 * a->in && a->out <= a->in && most <= 16) ||
                 (most <= 4 && most_taps(a) <= 4 && most_taps(&job->axis[0]) * most * most_taps(a) <= 4));
    g->folds = cx_pool_folds(job);
    g->reduces = job->unit == 1 && a->windows[0].count == a->in && job->from.dense && a->tap == 1 &&
                 job->op != CX_POOL_ARGMAX && is_single(&job->axis[0]) && is_single(&job->axis[1]) && a->out == 1;
    g->pitch = cx_round_up(g->out_width, (int64_t)CX_POOL_TILE * job->kernels->lanes);
}

static void set_strips(geometry *g) {
    const cx_pool_job *job = g->job;
    const cx_pool_axis *a = &job->axis[1];
    const int64_t taps = most_taps(a);
    g->columns = a->sliding && a->tap == 1 && a->kernel >= tall && a->kernel > 3 * a->stride && a->out > 1;
    g->direct = g->direct && !g->columns;
    g->rows_first = g->columns || (job->op == CX_POOL_ARGMAX && !g->direct);
    g->depth = g->rows_first && job->op == CX_POOL_ARGMAX ? cx_max(1, most_taps(&job->axis[0])) : 1;
    const int64_t span = a->sliding ? (a->kernel - 1) * a->tap + 1 : (taps - 1) * a->tap + 1;
    const int64_t step = cx_max(1, a->sliding ? a->stride : a->in / cx_max(1, a->out));
    int64_t strip;
    if (g->rows_first) {
        const int64_t rows = strip_bytes / ((int64_t)job->size * g->pitch * g->depth);
        strip = cx_max(cx_max((rows - span) / step + 1, 2 * span / step), 1);
    } else {
        strip = cx_max(1, task_elements / cx_max(1, g->width * taps));
    }
    g->strip = cx_even_part(a->out, strip, 1);
    g->strips = cx_ceil_div(a->out, g->strip);
    g->sources = (g->strip - 1) * (step + !a->sliding) + span;
    if (!a->sliding)
        for (int64_t first = 0; first < a->out; first += g->strip) {
            int64_t low = a->in, high = 0;
            for (int64_t h = first; h < cx_min(a->out, first + g->strip); ++h) {
                low = cx_min(low, a->windows[h].first);
                high = cx_max(high, a->windows[h].first + (a->windows[h].count - 1) * a->tap + 1);
            }
            g->sources = cx_max(g->sources, high - low);
        }
}

static bool set_scratch(geometry *g, int threads) {
    g->gathered = reserve(g, cx_max(g->width, g->out_width));
    g->padded = reserve(g, g->row);
    g->work = reserve(g, 2 * g->row);
    g->line = reserve(g, g->pitch);
    if (g->rows_first) {
        g->stripe = reserve(g, g->depth * g->sources * g->pitch);
        if (g->columns) {
            g->stripe_out = reserve(g, g->strip * g->pitch);
            g->prefixes = reserve(g, g->job->axis[1].kernel * CX_POOL_TILE * g->job->kernels->lanes);
        }
    }
    const size_t index = g->job->op == CX_POOL_ARGMAX ? cx_align_up((size_t)g->row * g->job->size + 64) : 0;
    int64_t bytes;
    if (!cx_mul((int64_t)g->bytes, threads, &bytes)) return false;
    g->scratch = cx_scratch_acquire((size_t)bytes + index);
    if (!g->scratch) return false;
    g->columns_index = g->scratch + bytes;
    return true;
}

/* Before the first place stands the first tap inside the input of a window that begins there. */
static void number_columns(const geometry *g) {
    const cx_pool_job *job = g->job;
    const int64_t unit = job->unit, places = (g->row - 2 * job->kernels->lanes) / unit, tap = job->axis[2].tap;
    for (int64_t i = 0; i < places; ++i) {
        const int64_t place = i - g->before;
        const int64_t index = place >= 0 ? place : place - cx_floor_div(place, tap) * tap;
        job->kernels->count(cx_at_mut(g->columns_index, i * unit, job->size), index, unit, unit);
    }
}

convx_status cx_pool_planes(cx_pool_job *job) {
    geometry g = {.job = job};
    set_rows(&g);
    set_strips(&g);
    const int64_t planes = job->batch * job->planes, per_plane = g.strips * job->axis[0].out;
    g.pieces = planes * per_plane;
    const int64_t elements =
        job->axis[0].in * job->axis[1].in * g.width + job->axis[0].out * job->axis[1].out * g.out_width;
    const int64_t least = cx_max(1, task_elements / cx_max(1, elements / per_plane));
    const int threads = g.pieces <= least || planes * elements < least_elements ? 1 : cx_threads_get();
    g.per_task = cx_long_task(g.pieces, least, threads);
    if (job->scatters) g.per_task = cx_round_up(g.per_task, per_plane);
    if (!set_scratch(&g, threads)) return CONVX_OUT_OF_MEMORY;
    if (job->op == CX_POOL_ARGMAX) number_columns(&g);
    cx_parallel_for(cx_ceil_div(g.pieces, g.per_task), threads, task, &g);
    cx_scratch_release(g.scratch);
    return CONVX_OK;
}
