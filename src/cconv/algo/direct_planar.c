/* Forward pass and input gradient as planar stencils: every correlation of the pass, cut into units (direct_rows.h). */
#include "algo/direct.h"
#include "algo/direct_rows.h"
#include "base/memory.h"
#include "base/threads.h"

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

static bool rows_contiguous(const cx_correlation *c) { return c->dst.space[2] == 1 || c->grid[2] <= 1; }

typedef struct part {
    cx_correlation c;
    cx_segments segments;
    int64_t blocks; /* of rows */
    int64_t units, first_unit;
} part;

typedef struct job {
    const cx_kernels *kernels;
    const cx_tensors *tensors;
    const void *src;
    size_t size, thread_bytes;
    cx_blocking b;
    const int64_t *offsets;
    char *scratch;
    const part *parts;
    int count;
    int64_t units, tasks;
} job;

/* A thread's memory, and whose weights it holds. */
typedef struct state {
    cx_row_scratch rows;
    char *weights, *tile;
    const part *packed_part;
    int64_t packed_group, packed_channel;
} state;

static size_t weights_bytes(const cx_blocking *b, size_t size) {
    return cx_align_up((size_t)(b->channels * b->planes * b->taps_h * b->taps_w) * size);
}

static size_t tile_bytes(const cx_blocking *b, size_t size, int lanes) {
    const int64_t width = b->tile ? max(b->copied_width, b->in_place ? b->width : 0) : lanes;
    return cx_align_up((size_t)(b->channels * b->height * width) * size);
}

/* ---- One unit -------------------------------------------------------------------------------------------------- */

/* The unit's place: result rows [row, row + rows) at one depth, image and group, columns of one segment. */
typedef struct place {
    int64_t image, group, depth, row, rows, segment_index;
    cx_segment segment;
} place;

/* Weights of result channels [o, o + n) in the kernels' order; those of the tensor, where they lie so already. */
static const void *weights_of(const job *j, const part *p, state *st, int64_t group, int64_t o, int64_t n,
                              const cx_row_range *range, int64_t taps_w) {
    const cx_correlation *c = &p->c;
    const int64_t base = c->w_offset + group * c->w_group + o * c->w_co;
    const int64_t row = c->w_tap[1] == c->taps[2] || c->taps[1] == 1, taps = c->taps[1] * c->taps[2];
    const bool depth = c->w_tap[0] == taps || c->taps[0] == 1, channel = c->w_ci == taps * c->taps[0] || c->ci == 1;
    if (n == 1 && j->b.whole && (c->w_tap[2] == 1 || c->taps[2] == 1) && row && depth && channel)
        return cx_at(j->tensors->w, base, j->size);
    if (j->b.whole && st->packed_part == p && st->packed_group == group && st->packed_channel == o) return st->weights;
    char *to = st->weights;
    for (int64_t i = range->plane; i < range->plane + range->planes; ++i)
        for (int64_t th = range->th; th < range->th + range->taps_h; ++th) {
            const int64_t at = base + i / c->taps[0] * c->w_ci + i % c->taps[0] * c->w_tap[0] + th * c->w_tap[1];
            for (int64_t tw = range->tw; tw < range->tw + taps_w; ++tw)
                for (int64_t k = 0; k < n; ++k, to += j->size) {
                    const char *from = cx_at(j->tensors->w, at + tw * c->w_tap[2] + k * c->w_co, j->size);
                    if (j->size == 4)
                        *(float *)to = *(const float *)from;
                    else
                        *(double *)to = *(const double *)from;
                }
        }
    st->packed_part = p;
    st->packed_group = group;
    st->packed_channel = o;
    return st->weights;
}

/* Kernel calls of one unit and channel block over part of the taps. */
static void compute(const job *j, const part *p, const cx_row_range *range, cx_row_table table, const cx_row_scratch *rows,
                    cx_stencil_planar args) {
    const cx_correlation *c = &p->c;
    args.rows = rows->table;
    args.planes = range->planes;
    args.plane_rows = table.plane;
    args.row_step = table.row_step;
    args.tap_row = table.tap_row;
    args.taps_h = range->taps_h;
    args.offset = j->offsets;
    /* Rows that are tap_step apart share source rows: take them together. */
    const bool sharing = c->step[1] == 1 && table.row_step == 1 && table.tap_row == c->tap_step[1] && range->taps_h > 1 &&
                         args.channels == 1;
    const int64_t apart = sharing ? min(max(c->tap_step[1], 1), range->rows) : 1;
    char *out = args.out;
    const int64_t out_row = args.out_row;
    args.row_step *= apart;
    args.out_row *= apart;
    for (int64_t r = 0; r < apart; ++r) {
        args.rows = rows->table + r;
        args.out = out + r * out_row * (int64_t)j->size;
        args.height = ceil_div(range->rows - r, apart);
        j->kernels->stencil.planar(&args);
    }
}

/* Activation of finished rows, and out of the tile when they are in one. */
static void finish(const job *j, const cx_correlation *c, const place *at, int64_t n, const cx_stencil_planar *args, char *out,
                   char *dst) {
    const cx_kernels *kernels = j->kernels;
    const int64_t width = at->segment.width;
    for (int64_t k = 0; k < n; ++k, out += (size_t)args->out_channel * j->size) {
        if (c->activation != CONVX_ACT_NONE)
            for (int64_t r = 0; r < at->rows; ++r)
                kernels->activate(cx_at_mut(out, r * args->out_row, j->size), width, c->activation);
        if (out != dst)
            kernels->stencil.scatter(cx_at_mut(dst, k * c->dst.channel, j->size), c->dst.space[1],
                                     c->grid[2] == 1 ? 1 : c->dst.space[2], out, args->out_row, at->rows, width);
    }
}

static void compute_unit(const job *j, const part *p, const place *at, state *st) {
    const cx_correlation *c = &p->c;
    const cx_blocking *b = &j->b;
    const void *src = cx_at(j->src, at->image * c->src.batch + at->group * c->ci * c->src.channel, j->size);
    const bool nothing = c->taps[0] == 0 || c->taps[1] == 0 || c->taps[2] == 0 || c->ci == 0;
    const int64_t planes = nothing ? 0 : c->ci * c->taps[0];
    cx_row_range range = {.planes = planes,
                          .taps_h = nothing ? 0 : c->taps[1],
                          .depth = at->depth,
                          .row = at->row,
                          .rows = at->rows};
    cx_row_table table = {0, 1, 1};
    if (b->whole && !nothing) table = cx_rows_gather(c, j->kernels, b, src, &range, &at->segment, &st->rows);
    const int lanes = j->kernels->lanes;
    const int64_t tile_width = (at->segment.width + lanes - 1) / lanes * lanes;
    const bool tile = b->tile || at->segment.width < lanes;
    for (int64_t o = 0; o < c->co; o += b->channels) {
        const int64_t n = min(b->channels, c->co - o);
        static const double zeros[CX_STENCIL_CHANNELS] = {0};
        const void *bias = j->tensors->bias;
        char *dst = cx_at_mut(j->tensors->result,
                              c->dst_offset + at->image * c->dst.batch + (at->group * c->co + o) * c->dst.channel +
                                  at->depth * c->dst.space[0] + at->row * c->dst.space[1] +
                                  at->segment.first * c->dst.space[2],
                              j->size);
        cx_stencil_planar args = {.channels = n,
                                  .out = tile ? st->tile : dst,
                                  .out_row = tile ? tile_width : c->dst.space[1],
                                  .out_channel = tile ? tile_width * at->rows : c->dst.channel,
                                  .width = tile ? tile_width : at->segment.width,
                                  .taps_w = nothing ? 0 : c->taps[2],
                                  .start = bias ? cx_at(bias, at->group * c->co + o, j->size) : zeros};
        if (b->whole || nothing) {
            args.weights = nothing ? NULL : weights_of(j, p, st, at->group, o, n, &range, c->taps[2]);
            compute(j, p, &range, table, &st->rows, args);
        } else {
            for (range.plane = 0; range.plane < planes; range.plane += b->planes)
                for (range.th = 0; range.th < c->taps[1]; range.th += b->taps_h)
                    for (range.tw = 0; range.tw < c->taps[2]; range.tw += b->taps_w) {
                        range.planes = min(b->planes, planes - range.plane);
                        range.taps_h = min(b->taps_h, c->taps[1] - range.th);
                        args.taps_w = min(b->taps_w, c->taps[2] - range.tw);
                        table = cx_rows_gather(c, j->kernels, b, src, &range, &at->segment, &st->rows);
                        args.weights = weights_of(j, p, st, at->group, o, n, &range, args.taps_w);
                        compute(j, p, &range, table, &st->rows, args);
                        args.start = NULL;
                    }
        }
        if (tile || c->activation != CONVX_ACT_NONE) finish(j, c, at, n, &args, args.out, dst);
    }
}

/* ---- The loop over units --------------------------------------------------------------------------------------- */

/* Where a unit lies: segments fastest, then row blocks, depths, groups, images. */
static place place_of(const job *j, const part *p, int64_t unit) {
    const cx_correlation *c = &p->c;
    place at;
    at.segment_index = unit % p->segments.count;
    unit /= p->segments.count;
    at.row = unit % p->blocks * j->b.height;
    unit /= p->blocks;
    at.depth = unit % c->grid[0];
    unit /= c->grid[0];
    at.group = unit % c->groups;
    at.image = unit / c->groups;
    return at;
}

static void next_place(const job *j, const part *p, place *at) {
    if (++at->segment_index < p->segments.count) return;
    at->segment_index = 0;
    at->row += j->b.height;
    if (at->row < p->c.grid[1]) return;
    at->row = 0;
    if (++at->depth < p->c.grid[0]) return;
    at->depth = 0;
    if (++at->group < p->c.groups) return;
    at->group = 0;
    ++at->image;
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    state st = {.packed_part = NULL};
    char *memory = cx_row_scratch_make(&j->b, j->size, j->scratch + (size_t)worker * j->thread_bytes, &st.rows);
    st.weights = memory;
    st.tile = memory + weights_bytes(&j->b, j->size);
    int64_t unit = j->units / j->tasks * index + min(index, j->units % j->tasks);
    const int64_t end = unit + j->units / j->tasks + (index < j->units % j->tasks);
    int which = 0;
    while (unit < end) {
        while (which + 1 < j->count && unit >= j->parts[which + 1].first_unit) ++which;
        const part *p = &j->parts[which];
        const int64_t last = which + 1 < j->count ? min(end, j->parts[which + 1].first_unit) : end;
        place at = place_of(j, p, unit - p->first_unit);
        for (; unit < last; ++unit, next_place(j, p, &at)) {
            at.rows = min(j->b.height, p->c.grid[1] - at.row);
            at.segment = cx_segment_at(&p->c, &j->b, &p->segments, at.segment_index);
            compute_unit(j, p, &at, &st);
        }
    }
}

static void blocking_of(const cx_conv *conv, const cx_kernels *kernels, cx_correlation *largest, cx_blocking *b) {
    cx_direct_largest(conv, largest);
    cx_blocking_make(largest, kernels, largest->co, largest->ci * largest->taps[0], !rows_contiguous(largest), b);
}

static double cost_of(const cx_conv *conv, const cx_kernels *kernels, const cx_correlation *largest, const cx_blocking *b) {
    const double images = (double)conv->batch * (double)conv->groups;
    const double places = (double)conv->out[0] * (double)conv->out[1] * (double)conv->out[2];
    const double taps = (double)conv->kernel[0] * (double)conv->kernel[1] * (double)conv->kernel[2];
    const double channels = (double)conv->in_channels * (double)conv->out_channels;
    const double lanes = kernels->lanes, width = (double)max(largest->grid[2], 1);
    const double used = width / (double)ceil_div((int64_t)width, kernels->lanes) / lanes;
    const double parts = (double)cx_correlation_count(conv);
    const double results = (double)largest->grid[0] * (double)largest->grid[1] * width * (double)largest->co * parts;
    const double sources =
        (double)largest->extent[0] * (double)largest->extent[1] * (double)largest->extent[2] * (double)largest->ci;
    const double units = parts * (double)largest->grid[0] * (double)ceil_div(max(largest->grid[1], 1), b->height) *
                         (double)ceil_div((int64_t)width, b->in_place ? b->width : b->copied_width);
    const double multiply = images * places * taps * channels / (lanes * 2 * 0.7 * (used > 0.5 ? 1 : 0.5 + used));
    const double copied = b->in_place ? 0 : images * sources * (largest->src.space[2] == 1 && largest->step[2] == 1 ? 1.5 / lanes : 1.5);
    const double stored = images * results * (b->tile ? 1.5 : 1.0 / lanes);
    const double rows = images * parts * (double)(b->planes * max(largest->grid[1], 1)) * 8;
    /* Where the taps are taken in passes, rows are gathered anew for every block of channels. */
    const double again = b->whole ? 0 : images * units * (double)ceil_div(largest->co, b->channels) *
                                            (double)largest->ci * taps / parts * (double)b->copied_width / lanes;
    return multiply + copied + stored + rows + again + images * units * 120;
}

void cx_direct_planar_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision) {
    cx_correlation largest;
    cx_blocking b;
    const size_t size = cx_dtype_size(conv->dtype);
    blocking_of(conv, kernels, &largest, &b);
    decision->cost = cost_of(conv, kernels, &largest, &b);
    decision->threads = cx_direct_threads(decision->cost, threads);
    decision->shared_bytes = cx_align_up((size_t)b.taps_w * sizeof(int64_t));
    decision->thread_bytes = cx_row_scratch_bytes(&b, size) + weights_bytes(&b, size) + tile_bytes(&b, size, kernels->lanes);
    decision->packed_bytes = 0;
}

void cx_direct_planar_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                          const cx_tensors *tensors, void *workspace) {
    cx_correlation largest;
    part parts[CX_DIRECT_PARTS];
    job j = {.kernels = kernels,
             .tensors = tensors,
             .src = conv->pass == CONVX_FORWARD ? tensors->x : tensors->y,
             .size = cx_dtype_size(conv->dtype),
             .thread_bytes = decision->thread_bytes,
             .offsets = workspace,
             .scratch = (char *)workspace + decision->shared_bytes,
             .parts = parts};
    blocking_of(conv, kernels, &largest, &j.b);
    cx_tap_offsets(&largest, &j.b, workspace);
    const int64_t all = cx_correlation_count(conv);
    for (int64_t i = 0; i < all; ++i) {
        part *p = &parts[j.count];
        cx_direct_correlation(conv, i, &p->c);
        p->segments = cx_segments_make(&p->c, &j.b, kernels->lanes);
        p->blocks = ceil_div(p->c.grid[1], j.b.height);
        p->units = p->c.batch * p->c.groups * p->c.grid[0] * p->blocks * p->segments.count;
        p->first_unit = j.units;
        if (p->units > 0) {
            j.units += p->units;
            ++j.count;
        }
        if (j.count == CX_DIRECT_PARTS || (j.count > 0 && i == all - 1)) {
            const double cycles = decision->cost * (double)j.count / (double)all;
            j.tasks = cx_direct_task_count(j.units, cycles, decision->threads);
            cx_parallel_for(j.tasks, decision->threads, run_task, &j);
            j.count = 0;
            j.units = 0;
        }
    }
}
