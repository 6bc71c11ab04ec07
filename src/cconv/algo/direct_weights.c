/*
 * Weight gradient as a planar stencil: gw[o][i][tap] = sum over images and places of gy[o] * x[i] shifted by the tap.
 * Vectors of partial sums are added up in double every so many vectors, and where a layer has few weights but large
 * images, the sum is cut into pieces: by shape, never by the number of threads.
 */
#include <string.h>

#include "algo/direct.h"
#include "algo/direct_rows.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

#define SUMS_BYTES       65536  /* vectors of partial sums that a task keeps */
#define WORTHWHILE_TASKS 16     /* fewer than this: cut the sum */
#define PIECE_VECTORS    512    /* but not into less than this */
#define MOST_PARTIALS    262144 /* doubles */
#define LONGEST_SUM      2048   /* vectors added up before they are collected in double */
#define MOST_INS         3      /* source channels of a task */
#define MOST_LINES       24     /* channels of gy for a kernel call: whole register blocks of all sizes */
#define APART_CYCLES     0.87   /* of a tap and channel, at most, for rows of taps to be taken one by one */
#define BLOCK_LINES      6      /* of a register block */
#define LINES_BYTES      65536  /* fewer, where more than this would have to be copied */

/*
 * How the work is cut. A task: one group, source channel and block of taps, `outs` result channels, one piece. Where
 * there is a single tap, those of some source channels make up the block.
 */
typedef struct cut {
    cx_correlation c; /* of the forward pass: how x is read */
    cx_blocking b;
    cx_segments segments;
    bool gy_contiguous;
    bool together; /* rows of taps, for the source rows that they share */
    bool apart;    /* they could be, but for channels of gy that share more */
    bool y_copied; /* some rows of gy are */
    int64_t outs, out_blocks;
    int64_t ins, in_blocks;
    int64_t y_slot;             /* elements of a row of gy that is copied */
    int64_t lines;              /* channels of gy for a kernel call */
    int64_t h_blocks, w_blocks; /* of taps */
    int64_t row_blocks;
    int64_t units;  /* of a whole sum: images, depths, row blocks, segments */
    int64_t blocks; /* tasks of one piece */
    int64_t pieces;
} cut;

/* Cycles of one vector of places and one tap row for all result channels of a task: as the kernel blocks them. */
static double line_cycles(int64_t channels, int64_t columns) {
    const int64_t threes = columns % 3 == 1 && columns > 1 ? columns / 3 - 1 : columns / 3;
    const int64_t left = columns - 3 * threes;                              /* one, two or twice two */
    if (channels == 1) return 4.0 * (double)(threes + left / 2 + left % 2); /* the latency of an addition */
    return 8.0 * (double)(cx_ceil_div(channels, 4) * threes) + 8.0 * (double)(cx_ceil_div(channels, 6) * (left / 2)) +
           5.5 * (double)(cx_ceil_div(channels, 8) * (left % 2));
}

static void cut_make(const cx_conv *conv, const cx_kernels *kernels, cut *t) {
    const int64_t size = (int64_t)cx_dtype_size(conv->dtype), vector = kernels->lanes * size;
    cx_correlation_get_ascending(conv, 0, &t->c);
    cx_correlation *c = &t->c;
    t->gy_contiguous = conv->y.space[2] == 1;
    t->in_blocks = cx_count3(c->taps) == 1 ? cx_ceil_div(c->ci, MOST_INS) : c->ci;
    t->ins = t->in_blocks > 0 ? cx_ceil_div(c->ci, t->in_blocks) : 1;
    cx_blocking_make(c, kernels, c->co, t->ins, false, 0, &t->b);
    cx_blocking *b = &t->b;
    b->taps_w = cx_min(b->taps_w, SUMS_BYTES / vector);
    b->taps_h = cx_min(b->taps_h, cx_max(SUMS_BYTES / vector / b->taps_w, 1));
    t->outs = cx_min(c->co, cx_max(SUMS_BYTES / vector / (t->ins * b->taps_w * b->taps_h), 1));
    t->out_blocks = cx_ceil_div(c->co, t->outs);
    const bool sharing = c->taps[1] > 1 && c->step[1] == c->tap_step[1];
    t->apart = sharing && b->taps_w > 3 && c->grid[2] >= kernels->lanes &&
               line_cycles(t->outs, b->taps_w) < APART_CYCLES * (double)(t->outs * b->taps_w);
    t->together = sharing && !t->apart;
    /* For every block of taps the same rows of gy are read again. */
    while (t->apart && c->step[1] == 1 && b->height > 4 &&
           BLOCK_LINES * b->height * cx_min(c->grid[2], b->copied_width) * size > (int64_t)cx_cpu_get()->l1d / 2)
        b->height = (b->height + 1) / 2;
    t->y_copied = !t->gy_contiguous || b->in_place || b->copied_width < c->grid[2] || c->grid[2] < kernels->lanes;
    t->y_slot =
        t->y_copied ? cx_max(b->copied_width, b->in_place && !t->gy_contiguous ? b->width : 0) + 2 * kernels->lanes : 0;
    t->lines = cx_min(t->outs, MOST_LINES);
    if (t->y_copied) t->lines = cx_max(cx_min(t->lines, LINES_BYTES / (t->y_slot * b->height * size)), 1);
    t->h_blocks = cx_ceil_div(c->taps[1], b->taps_h);
    t->w_blocks = cx_ceil_div(c->taps[2], b->taps_w);
    t->segments = cx_segments_make(c, b, kernels->lanes);
    t->row_blocks = cx_ceil_div(c->grid[1], b->height);
    t->units = c->batch * c->grid[0] * t->row_blocks * t->segments.count;
    t->blocks = c->groups * t->in_blocks * c->taps[0] * t->h_blocks * t->w_blocks * t->out_blocks;
    const int64_t vectors = c->batch * c->grid[0] * c->grid[1] * cx_ceil_div(c->grid[2], kernels->lanes);
    const int64_t weights = c->groups * c->ci * c->co * c->taps[0] * c->taps[1] * c->taps[2];
    t->pieces = t->blocks >= WORTHWHILE_TASKS ? 1 : cx_ceil_div(WORTHWHILE_TASKS, t->blocks);
    t->pieces =
        cx_max(1, cx_min(cx_min(t->pieces, t->units), cx_min(vectors / PIECE_VECTORS, MOST_PARTIALS / weights)));
}

typedef struct job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    size_t size, thread_bytes;
    const cut *t;
    const int64_t *offsets;
    double *partials; /* [piece][group][o][i][tap], when there are several pieces */
    char *scratch;
    int64_t tasks;
} job;

typedef struct state {
    cx_row_scratch rows;
    const void **y_rows;
    cx_stencil_phase *y_phase;
    char *y_slots, *sums;
    double *totals;
} state;

static size_t y_rows_bytes(const cut *t) { return cx_align_up((size_t)(t->lines * t->b.height) * sizeof(void *)); }
static size_t sums_count(const cut *t) { return (size_t)(t->outs * t->ins * t->b.taps_h * t->b.taps_w); }

static size_t y_slots_bytes(const cut *t, size_t size) {
    return cx_align_up((size_t)(t->lines * t->b.height * t->y_slot) * size);
}

static size_t thread_bytes(const cut *t, const cx_kernels *kernels, size_t size) {
    return cx_row_scratch_bytes(&t->b, size) + y_rows_bytes(t) + CX_ALIGNMENT + y_slots_bytes(t, size) +
           cx_align_up(sums_count(t) * (size_t)kernels->lanes * size) + cx_align_up(sums_count(t) * sizeof(double));
}

static void state_make(const job *j, int worker, state *st) {
    const cut *t = j->t;
    char *memory = cx_row_scratch_make(&t->b, j->size, j->scratch + (size_t)worker * j->thread_bytes, &st->rows);
    st->y_rows = (const void **)memory;
    memory += y_rows_bytes(t);
    st->y_phase = (cx_stencil_phase *)memory;
    memory += CX_ALIGNMENT;
    st->y_slots = memory;
    memory += y_slots_bytes(t, j->size);
    st->sums = memory;
    memory += cx_align_up(sums_count(t) * (size_t)j->kernels->lanes * j->size);
    st->totals = (double *)memory;
}

/* What a task sums. */
typedef struct block {
    int64_t group, i, ins, td, o, outs;
    cx_row_range range;
    int64_t taps_w;
} block;

/* Rows of gy of `lines` channels: in place where they are contiguous and a vector long, else copied. */
static void gather_y(const job *j, const cx_segment *segment, const char *first, int64_t lines, int64_t rows,
                     state *st) {
    const cx_conv *conv = j->conv;
    const int lanes = j->kernels->lanes;
    const int64_t line = conv->y.channel * (int64_t)j->size, step = conv->y.space[1] * (int64_t)j->size;
    const void **at = st->y_rows;
    for (int64_t k = 0; k < lines; ++k) {
        const char *row = first + k * line;
        for (int64_t r = 0; r < rows; ++r, row += step) *at++ = row;
    }
    if (j->t->gy_contiguous && segment->width >= lanes) return;
    *st->y_phase = (cx_stencil_phase){0, 0, segment->width};
    const cx_stencil_fill fill = {.mode = CONVX_PAD_ZEROS,
                                  .extent = segment->width,
                                  .stride = conv->y.space[2],
                                  .step = 1,
                                  .lanes = (segment->width + lanes - 1) / lanes * lanes,
                                  .phases = 1,
                                  .phase = st->y_phase};
    j->kernels->stencil.fill(st->y_rows, lines * rows, NULL, st->y_slots, j->t->y_slot, &fill);
}

static void add_unit(const job *j, const block *k, int64_t unit, state *st) {
    const cut *t = j->t;
    const cx_correlation *c = &t->c;
    const cx_conv *conv = j->conv;
    cx_segment segment;
    cx_segment_make(c, &t->b, &t->segments, unit % t->segments.count, &segment);
    unit /= t->segments.count;
    cx_row_range range = k->range;
    range.row = unit % t->row_blocks * t->b.height;
    range.rows = cx_min(t->b.height, c->grid[1] - range.row);
    unit /= t->row_blocks;
    range.depth = unit % c->grid[0];
    const int64_t image = unit / c->grid[0];
    const void *x = cx_at(j->tensors->x, image * conv->x.batch + k->group * c->ci * conv->x.channel, j->size);
    cx_row_table table;
    cx_rows_gather(c, j->kernels, &t->b, x, &range, &segment, &st->rows, &table);
    cx_stencil_outer args = {.x_rows = st->rows.table,
                             .y_rows = st->y_rows,
                             .row_step = table.row_step,
                             .tap_row = table.tap_row,
                             .tap_plane = k->ins > 1 ? table.plane : 0,
                             .height = range.rows,
                             .width = segment.width,
                             .offset = j->offsets,
                             .taps_h = range.taps_h,
                             .apart = t->apart,
                             .taps_w = k->ins * k->taps_w};
    const size_t sums = (size_t)(range.taps_h * args.taps_w * j->kernels->lanes) * j->size;
    for (int64_t o = 0; o < k->outs; o += args.channels) {
        const int64_t channel = k->group * c->co + k->o + o;
        const char *y = cx_at(j->tensors->y,
                              image * conv->y.batch + channel * conv->y.channel + range.depth * conv->y.space[0] +
                                  range.row * conv->y.space[1] + segment.first * conv->y.space[2],
                              j->size);
        args.channels = cx_min(t->lines, k->outs - o);
        gather_y(j, &segment, y, args.channels, range.rows, st);
        args.sums = st->sums + (size_t)o * sums;
        j->kernels->stencil.outer(&args);
    }
}

static block block_of(const cut *t, int64_t index) {
    const cx_correlation *c = &t->c;
    block k;
    const int64_t w = index % t->w_blocks, h = index / t->w_blocks % t->h_blocks;
    index /= t->w_blocks * t->h_blocks;
    k.td = index % c->taps[0];
    index /= c->taps[0];
    k.o = index % t->out_blocks * t->outs;
    k.outs = cx_min(t->outs, c->co - k.o);
    index /= t->out_blocks;
    k.i = index % t->in_blocks * t->ins;
    k.ins = cx_min(t->ins, c->ci - k.i);
    k.group = index / t->in_blocks;
    k.range =
        (cx_row_range){.plane = k.i * c->taps[0] + k.td, .planes = k.ins, .th = h * t->b.taps_h, .tw = w * t->b.taps_w};
    k.range.taps_h = cx_min(t->b.taps_h, c->taps[1] - k.range.th);
    k.taps_w = cx_min(t->b.taps_w, c->taps[2] - k.range.tw);
    return k;
}

static void store(const job *j, int64_t at, double value) {
    if (j->size == 4)
        ((float *)j->tensors->result)[at] = (float)value;
    else
        ((double *)j->tensors->result)[at] = value;
}

static void keep_totals(const job *j, const block *k, int64_t piece, const double *totals) {
    const cx_correlation *c = &j->t->c;
    const cx_weight_strides *w = &j->conv->w;
    for (int64_t o = 0; o < k->outs; ++o)
        for (int64_t i = k->i; i < k->i + k->ins; ++i)
            for (int64_t th = k->range.th; th < k->range.th + k->range.taps_h; ++th)
                for (int64_t tw = k->range.tw; tw < k->range.tw + k->taps_w; ++tw, ++totals) {
                    const int64_t out = k->group * c->co + k->o + o;
                    if (j->t->pieces == 1) {
                        store(j, out * w->out + i * w->in + k->td * w->space[0] + th * w->space[1] + tw * w->space[2],
                              *totals);
                    } else {
                        const int64_t weight =
                            (((out * c->ci + i) * c->taps[0] + k->td) * c->taps[1] + th) * c->taps[2] + tw;
                        const int64_t all = c->groups * c->co * c->ci * c->taps[0] * c->taps[1] * c->taps[2];
                        j->partials[piece * all + weight] = *totals;
                    }
                }
}

static void run_block(const job *j, int64_t index, state *st) {
    const cut *t = j->t;
    const int64_t piece = index / t->blocks;
    const block k = block_of(t, index % t->blocks);
    const int64_t n = k.outs * k.ins * k.range.taps_h * k.taps_w, lanes = j->kernels->lanes;
    for (int64_t i = 0; i < n; ++i) st->totals[i] = 0;
    memset(st->sums, 0, (size_t)(n * lanes) * j->size);
    const int64_t unit_vectors =
        t->b.height * cx_ceil_div(cx_max(t->b.copied_width, t->b.in_place ? t->b.width : 0), lanes);
    int64_t vectors = 0;
    const int64_t end = t->units * (piece + 1) / t->pieces;
    for (int64_t unit = t->units * piece / t->pieces; unit < end; ++unit) {
        if (vectors > 0 && vectors + unit_vectors > LONGEST_SUM) {
            j->kernels->stencil.collect(st->totals, st->sums, n);
            vectors = 0;
        }
        add_unit(j, &k, unit, st);
        vectors += unit_vectors;
    }
    j->kernels->stencil.collect(st->totals, st->sums, n);
    keep_totals(j, &k, piece, st->totals);
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    state st;
    state_make(j, worker, &st);
    const int64_t all = j->t->blocks * j->t->pieces, end = cx_share_begin(all, j->tasks, index + 1);
    for (int64_t i = cx_share_begin(all, j->tasks, index); i < end; ++i) run_block(j, i, &st);
}

static void add_pieces(const job *j) {
    const cut *t = j->t;
    const cx_correlation *c = &t->c;
    const cx_weight_strides *w = &j->conv->w;
    const int64_t *k = c->taps, all = c->groups * c->co * c->ci * k[0] * k[1] * k[2];
    for (int64_t i = 0; i < all; ++i) {
        double total = 0;
        for (int64_t piece = 0; piece < t->pieces; ++piece) total += j->partials[piece * all + i];
        const int64_t tw = i % k[2], th = i / k[2] % k[1], td = i / k[2] / k[1] % k[0],
                      channels = i / k[2] / k[1] / k[0];
        store(j,
              channels / c->ci * w->out + channels % c->ci * w->in + td * w->space[0] + th * w->space[1] +
                  tw * w->space[2],
              total);
    }
}

static size_t offsets_bytes(const cut *t) { return cx_align_up((size_t)(t->ins * t->b.taps_w) * sizeof(int64_t)); }

static size_t partials_bytes(const cut *t) {
    const cx_correlation *c = &t->c;
    const int64_t weights = c->groups * c->co * c->ci * c->taps[0] * c->taps[1] * c->taps[2];
    return t->pieces == 1 ? 0 : cx_align_up((size_t)(t->pieces * weights) * sizeof(double));
}

static double cost_of(const cx_kernels *kernels, const cut *t) {
    const cx_correlation *c = &t->c;
    const double lanes = kernels->lanes, units = (double)t->units * (double)t->blocks, outs = (double)t->outs;
    const double rows = (double)c->batch * (double)c->grid[0] * (double)c->grid[1];
    const double vectors = rows * (double)cx_ceil_div(c->grid[2], kernels->lanes);
    const double weights = (double)c->groups * (double)c->ci * (double)c->co * (double)c->taps[0] * (double)c->taps[1] *
                           (double)c->taps[2];
    const double blocks = (double)t->blocks;
    const int64_t columns = t->ins * t->b.taps_w;
    const double tap_rows = (double)t->b.taps_h, pace = cx_vector_pace(kernels);
    const double multiply = t->together
                                ? vectors * weights * (c->taps[2] == 3 ? 0.75 : 1)
                                : vectors * blocks * tap_rows * line_cycles(t->outs, columns) * (t->apart ? 0.8 : 1);
    const double x_row =
        8 +
        (t->b.in_place ? 0 : (double)c->grid[2] * (c->src.space[2] == 1 && c->step[2] == 1 ? 1.5 * pace / lanes : 1.5));
    const double y_row = !t->gy_contiguous ? 1.5 * (double)c->grid[2] : c->grid[2] < kernels->lanes ? 16 : 3;
    /* of loops over a row */
    const double starts = t->together ? 5 : (t->apart ? 3 : 5) * tap_rows * (double)cx_ceil_div(columns, 3);
    return multiply * pace + rows * blocks * (x_row * (double)t->ins + (y_row + starts) * outs) +
           units * (50 + 20 * outs) + weights * (double)t->pieces * 20;
}

void cx_direct_weight_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision) {
    cut t;
    cut_make(conv, kernels, &t);
    decision->cost = cost_of(kernels, &t);
    decision->threads = cx_threads_for(decision->cost, threads);
    decision->shared_bytes = offsets_bytes(&t) + partials_bytes(&t);
    decision->thread_bytes = thread_bytes(&t, kernels, cx_dtype_size(conv->dtype));
    decision->packed_bytes = 0;
}

void cx_direct_weight_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                          const cx_tensors *tensors, void *workspace) {
    cut t;
    cut_make(conv, kernels, &t);
    job j = {.kernels = kernels,
             .conv = conv,
             .tensors = tensors,
             .size = cx_dtype_size(conv->dtype),
             .thread_bytes = decision->thread_bytes,
             .t = &t,
             .offsets = workspace,
             .partials = (double *)((char *)workspace + offsets_bytes(&t)),
             .scratch = (char *)workspace + decision->shared_bytes};
    memset(workspace, 0, offsets_bytes(&t));
    cx_tap_offsets(&t.c, &t.b, workspace);
    j.tasks = cx_direct_task_count(t.blocks * t.pieces, decision->cost, decision->threads);
    cx_parallel_for(j.tasks, decision->threads, run_task, &j);
    if (t.pieces > 1) add_pieces(&j);
}
