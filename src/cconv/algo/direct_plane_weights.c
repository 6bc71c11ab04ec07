/*
 * Weight gradient of depthwise layers, plane by plane. A block of channels sums over pieces of the work: images, depths
 * and blocks of rows. Pieces are more than one where there are few channels: by shape, never by the number of threads.
 */
#include <string.h>

#include "algo/direct.h"
#include "algo/direct_planes.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

#define MOST_COLUMNS     32768 /* of a gradient row */
#define MOST_ROWS        64    /* of a unit */
#define LONGEST_SUM      2048  /* vectors added up before they are collected in double */
#define SUMS_BYTES       32768 /* vectors of partial sums of a block of channels */
#define SLOTS_BYTES      131072
#define MASKS_BYTES      65536
#define MOST_CHANNELS    16  /* of a block */
#define WORTHWHILE_TASKS 16  /* fewer blocks than this: cut the sum */
#define PIECE_VECTORS    512 /* but not into less than this */

typedef struct setup {
    cx_correlation c; /* of the forward pass: how x is read */
    cx_stencil_columns columns;
    cx_plane_rows x, y;
    int64_t taps, vectors;         /* of a row */
    int64_t height, blocks, units; /* rows of a unit; units of a plane, and of a whole sum */
    int64_t channels, channel_blocks, pieces;
} setup;

static int64_t table_rows(const cx_correlation *c, int64_t height) { return cx_source_span(c, 1, height, c->taps[1]); }

static bool setup_make(const cx_conv *conv, const cx_kernels *kernels, setup *s) {
    if (conv->in_channels != 1 || conv->out_channels != 1 || conv->padding_mode != CONVX_PAD_ZEROS) return false;
    cx_correlation *c = &s->c;
    cx_correlation_get_ascending(conv, 0, c);
    if (c->taps[0] != 1 || c->grid[2] > MOST_COLUMNS) return false;
    for (int d = 1; d < 3; ++d) {
        if (c->taps[d] < 1 || c->taps[d] > CX_PLANE_TAPS || c->step[d] > 2) return false;
        if (c->taps[d] > 1 && c->tap_step[d] != 1) return false;
    }
    /* Many taps take the same columns apart again and again: row buffers do it once. */
    if (c->step[2] == 2 && c->taps[2] > 6 && c->grid[2] > 2 * kernels->lanes) return false;
    const int lanes = kernels->lanes;
    const int64_t size = (int64_t)cx_dtype_size(c->dtype);
    s->columns = (cx_stencil_columns){.width = c->grid[2],
                                      .origin = c->origin[2],
                                      .extent = c->extent[2],
                                      .step = c->step[2],
                                      .taps = c->taps[2],
                                      .once = true};
    cx_columns_cut(&s->columns, lanes);
    if (cx_columns_masks_bytes(&s->columns, lanes, (size_t)size) > MASKS_BYTES) return false;
    s->taps = c->taps[1] * c->taps[2];
    s->vectors = cx_ceil_div(c->grid[2], lanes);
    s->height = cx_min(cx_min(c->grid[1], MOST_ROWS), cx_max(LONGEST_SUM / s->vectors, 1));
    if (s->height < c->grid[1] && s->height > 4) s->height = s->height / 4 * 4;
    s->x = (cx_plane_rows){.strides = c->src,
                           .planes = {c->batch, c->groups},
                           .extent = {c->extent[0], c->extent[1], c->extent[2]},
                           .first = c->origin[2],
                           .reach = cx_columns_reach(&s->columns, lanes)};
    s->y = (cx_plane_rows){.strides = conv->y,
                           .planes = {c->batch, c->groups},
                           .extent = {c->grid[0], c->grid[1], c->grid[2]},
                           .reach = cx_max(c->grid[2], lanes)};
    if (!cx_plane_rows_make(&s->x, c->dtype, table_rows(c, s->height))) return false;
    if (!cx_plane_rows_make(&s->y, c->dtype, s->height)) return false;
    if (s->y.dense == 0 && s->y.reach == c->grid[2]) s->y.slots = 0; /* nothing is read beyond a row */
    if ((s->x.slots * s->x.slot + s->y.slots * s->y.slot) * size > SLOTS_BYTES) return false;
    s->blocks = cx_ceil_div(c->grid[1], s->height);
    s->units = c->batch * c->grid[0] * s->blocks;
    const int64_t most = cx_min(MOST_CHANNELS, SUMS_BYTES / (s->taps * lanes * size));
    s->channels = cx_max(1, cx_min(most, c->groups / WORTHWHILE_TASKS));
    s->channel_blocks = cx_ceil_div(c->groups, s->channels);
    const int64_t vectors = s->units * s->height * s->vectors;
    s->pieces = s->channel_blocks >= WORTHWHILE_TASKS ? 1 : cx_ceil_div(WORTHWHILE_TASKS, s->channel_blocks);
    s->pieces = cx_max(1, cx_min(cx_min(s->pieces, s->units), vectors / PIECE_VECTORS));
    return true;
}

typedef struct job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    const void *masks, *zeros;
    const setup *s;
    double *partials; /* [piece][channel][tap], when there are several pieces */
    char *scratch;
    size_t thread_bytes;
    int64_t tasks;
} job;

/* A thread's memory. */
typedef struct state {
    const void **x_table, **y_table;
    int64_t *x_advance, *y_advance;
    void *x_slots, *y_slots;
    void *sums;
    double *totals;
} state;

static size_t masks_bytes(const setup *s, const cx_kernels *kernels) {
    return cx_align_up(cx_columns_masks_bytes(&s->columns, kernels->lanes, s->x.size));
}
static size_t zeros_bytes(const setup *s) { return cx_align_up((size_t)s->x.reach * s->x.size); }
static size_t x_table_bytes(const setup *s) {
    return cx_align_up((size_t)table_rows(&s->c, s->height) * sizeof(int64_t));
}
static size_t y_table_bytes(const setup *s) { return cx_align_up((size_t)s->height * sizeof(int64_t)); }
static size_t slots_bytes(const cx_plane_rows *r) { return cx_align_up((size_t)(r->slots * r->slot) * r->size); }
static size_t sums_bytes(const setup *s, const cx_kernels *kernels) {
    return cx_align_up((size_t)(s->channels * s->taps * kernels->lanes) * s->x.size);
}
static size_t totals_bytes(const setup *s) { return cx_align_up((size_t)(s->channels * s->taps) * sizeof(double)); }
static size_t thread_bytes(const setup *s, const cx_kernels *kernels) {
    return 2 * x_table_bytes(s) + 2 * y_table_bytes(s) + slots_bytes(&s->x) + slots_bytes(&s->y) +
           sums_bytes(s, kernels) + totals_bytes(s);
}
static size_t partials_bytes(const setup *s) {
    return s->pieces == 1 ? 0 : cx_align_up((size_t)(s->pieces * s->c.groups * s->taps) * sizeof(double));
}

static void state_make(const job *j, int worker, state *st) {
    const setup *s = j->s;
    char *memory = j->scratch + (size_t)worker * j->thread_bytes;
    st->x_table = (const void **)memory;
    st->x_advance = (int64_t *)(memory += x_table_bytes(s));
    st->y_table = (const void **)(memory += x_table_bytes(s));
    st->y_advance = (int64_t *)(memory += y_table_bytes(s));
    st->x_slots = memory += y_table_bytes(s);
    st->y_slots = memory += slots_bytes(&s->x);
    st->sums = memory += slots_bytes(&s->y);
    st->totals = (double *)(memory + sums_bytes(s, j->kernels));
}

/* One unit of `count` channels. */
static void add_unit(const job *j, int64_t unit, int64_t channel, int64_t count, state *st) {
    const setup *s = j->s;
    const cx_correlation *c = &s->c;
    const int64_t row = unit % s->blocks * s->height, depth = unit / s->blocks % c->grid[0];
    const int64_t image = unit / s->blocks / c->grid[0];
    cx_stencil_plane_outer args = {.columns = &s->columns,
                                   .masks = j->masks,
                                   .x_rows = st->x_table,
                                   .y_rows = st->y_table,
                                   .x_advance = st->x_advance,
                                   .y_advance = st->y_advance,
                                   .height = cx_min(s->height, c->grid[1] - row),
                                   .taps_h = c->taps[1],
                                   .step = c->step[1]};
    for (int64_t done = 0; done < count; done += args.planes) {
        const int64_t x[3] = {image, channel + done, depth * c->step[0] + c->origin[0]};
        const int64_t y[3] = {image, channel + done, depth};
        const int64_t x_planes =
            cx_plane_rows_point(&s->x, j->tensors->x, x, row * c->step[1] + c->origin[1], table_rows(c, args.height),
                                j->zeros, st->x_slots, st->x_table, st->x_advance);
        const int64_t y_planes = cx_plane_rows_point(&s->y, j->tensors->y, y, row, args.height, j->zeros, st->y_slots,
                                                     st->y_table, st->y_advance);
        args.planes = cx_min(cx_min(x_planes, y_planes), count - done);
        args.sums = (char *)st->sums + (size_t)(done * s->taps * j->kernels->lanes) * s->x.size;
        j->kernels->stencil.plane_outer(&args);
    }
}

static void store(const job *j, int64_t channel, int64_t count, const double *totals) {
    const cx_weight_strides *w = &j->conv->w;
    const int64_t *taps = j->s->c.taps;
    char *first = cx_at_mut(j->tensors->result, channel * w->out, j->s->x.size);
    if (w->space[2] == 1 && w->space[1] == taps[2] && (count == 1 || w->out == j->s->taps)) {
        const int64_t n = count * j->s->taps;
        if (j->s->x.size == 4)
            for (int64_t i = 0; i < n; ++i) ((float *)first)[i] = (float)totals[i];
        else
            memcpy(first, totals, (size_t)n * sizeof(double));
        return;
    }
    for (int64_t i = 0; i < count; ++i)
        for (int64_t th = 0; th < taps[1]; ++th)
            for (int64_t tw = 0; tw < taps[2]; ++tw, ++totals) {
                const int64_t at = i * w->out + th * w->space[1] + tw * w->space[2];
                if (j->s->x.size == 4)
                    ((float *)first)[at] = (float)*totals;
                else
                    ((double *)first)[at] = *totals;
            }
}

static void run_block(const job *j, int64_t block, int64_t piece, state *st) {
    const setup *s = j->s;
    const int64_t channel = block * s->channels, count = cx_min(s->channels, s->c.groups - channel);
    const int64_t n = count * s->taps, unit_vectors = s->height * s->vectors;
    double *totals = s->pieces == 1 ? st->totals : j->partials + (piece * s->c.groups + channel) * s->taps;
    memset(totals, 0, (size_t)n * sizeof(double));
    memset(st->sums, 0, (size_t)(n * j->kernels->lanes) * s->x.size);
    int64_t vectors = 0;
    const int64_t end = s->units * (piece + 1) / s->pieces;
    for (int64_t unit = s->units * piece / s->pieces; unit < end; ++unit) {
        if (vectors > 0 && vectors + unit_vectors > LONGEST_SUM) {
            j->kernels->stencil.collect(totals, st->sums, n);
            vectors = 0;
        }
        add_unit(j, unit, channel, count, st);
        vectors += unit_vectors;
    }
    j->kernels->stencil.collect(totals, st->sums, n);
    if (s->pieces == 1) store(j, channel, count, totals);
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    const setup *s = j->s;
    state st;
    state_make(j, worker, &st);
    const int64_t all = s->channel_blocks * s->pieces, end = cx_share_begin(all, j->tasks, index + 1);
    for (int64_t i = cx_share_begin(all, j->tasks, index); i < end; ++i)
        run_block(j, i % s->channel_blocks, i / s->channel_blocks, &st);
}

static void add_pieces(const job *j) {
    const setup *s = j->s;
    const int64_t all = s->c.groups * s->taps;
    for (int64_t piece = 1; piece < s->pieces; ++piece)
        for (int64_t i = 0; i < all; ++i) j->partials[i] += j->partials[piece * all + i];
    store(j, 0, s->c.groups, j->partials);
}

bool cx_direct_plane_weights_decide(const cx_conv *conv, const cx_kernels *kernels, int threads,
                                    cx_decision *decision) {
    setup s;
    if (!setup_make(conv, kernels, &s)) return false;
    const double planes = (double)s.c.batch * (double)s.c.grid[0] * (double)s.c.groups;
    const double vectors = (double)s.vectors * (double)s.c.grid[1], taps = (double)s.taps;
    const double rows = (double)table_rows(&s.c, s.c.grid[1]) + (double)s.c.grid[1];
    const bool small = taps <= 9, apart = s.c.step[2] == 2;
    const double each = apart ? (small ? 1.7 : 2.5) : (small ? 0.85 : 1.15);
    decision->cost = 500 + planes * (50 + 1.5 * rows + vectors * (2 + taps * each) * cx_vector_pace(kernels)) +
                     (double)(s.c.groups * s.pieces) * taps * 6;
    decision->threads = cx_threads_for(decision->cost, threads);
    decision->shared_bytes = masks_bytes(&s, kernels) + zeros_bytes(&s) + partials_bytes(&s);
    decision->thread_bytes = thread_bytes(&s, kernels);
    decision->packed_bytes = 0;
    return true;
}

void cx_direct_plane_weights_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                                 const cx_tensors *tensors, void *workspace) {
    setup s;
    if (!setup_make(conv, kernels, &s)) return;
    char *zeros = (char *)workspace + masks_bytes(&s, kernels);
    job j = {.kernels = kernels,
             .conv = conv,
             .tensors = tensors,
             .masks = workspace,
             .zeros = zeros,
             .s = &s,
             .partials = (double *)(zeros + zeros_bytes(&s)),
             .scratch = (char *)workspace + decision->shared_bytes,
             .thread_bytes = decision->thread_bytes};
    kernels->stencil.plane_masks(workspace, &s.columns);
    memset(zeros, 0, zeros_bytes(&s));
    j.tasks = cx_direct_task_count(s.channel_blocks * s.pieces, decision->cost, decision->threads);
    cx_parallel_for(j.tasks, decision->threads, run_task, &j);
    if (s.pieces > 1) add_pieces(&j);
}
