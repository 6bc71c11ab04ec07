/*
 * A Winograd layer's run. For each block of tiles: patches are transformed; for each block of result channels, one
 * matrix product a point through the GEMM micro-kernel; products are transformed into results. Transformed tiles never
 * exist for the whole layer, unless its tiles are so few that they are one block.
 *
 * An element's sum is one chain of FMAs in ascending k at each point, whatever the blocking.
 */
#include <string.h>

#include "algo/winograd.h"

#include "algo/conv_gemm.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"
#include "gemm/stack.h"

typedef struct job {
    const cx_winograd *w;
    const cx_kernels *kernels;
    const void *src, *bias;
    void *result;
    const void *weights; /* plain */
    const char *filters; /* transformed, or NULL: on the way */
    char *input;         /* transformed, of all groups, where it is shared */
    char *scratch;       /* of the threads */
    size_t thread_bytes;
    unsigned char *not_finite;
    int64_t tasks; /* of one group */
    int64_t cuts;  /* of the tiles, where they are shared */
} job;

static bool along_channels(const cx_winograd *w) { return w->variant & CX_WINOGRAD_CHANNELS; }

/* ---- Filters --------------------------------------------------------------------------------------------------- */

#define PIECE_K 8 /* of the sum: tasks transform filters of a multiple */

/* Filters of channels [o0, o0 + on) and [k0, k0 + kn) of a group. */
typedef struct filter_block {
    int64_t group, o0, on, k0, kn;
} filter_block;

/* Those from `first` to `last` of the block's k. */
static void transform_filters(const cx_winograd *w, const cx_kernels *kernels, const void *weights,
                              const filter_block *block, int64_t first, int64_t last, char *dst) {
    const cx_correlation *c = &w->c;
    const int64_t taps[2] = {c->w_tap[1], c->w_tap[2]};
    const char *group_weights = cx_at(weights, c->w_offset + block->group * c->w_group, w->size);
    for (int64_t at = first, run; at < last; at += run) {
        const int64_t depth_tap = (block->k0 + at) / c->ci, i = (block->k0 + at) % c->ci;
        run = cx_min(c->ci - i, last - at);
        for (int64_t panel = 0; panel < block->on; panel += w->panel) {
            const int64_t o = block->o0 + panel, offset = o * c->w_co + i * c->w_ci + depth_tap * c->w_tap[0];
            kernels->winograd.filters(w->grid.axis, cx_at(group_weights, offset, w->size), taps, c->w_co,
                                      cx_min(w->panel, c->co - o), c->w_ci, run, last - at, w->panel,
                                      dst + (size_t)(panel * block->kn + at * w->panel) * w->size, w->filter_point);
        }
    }
}

static size_t group_bytes(const cx_winograd *w) {
    const int64_t blocks = cx_ceil_div(w->co_width, w->co_block) * cx_ceil_div(w->k, w->k_block);
    return (size_t)blocks * w->filter_bytes;
}

/* Where a block begins among its group's. */
static size_t block_offset(const cx_winograd *w, int64_t o0, int64_t k0) {
    const int64_t k_blocks = cx_ceil_div(w->k, w->k_block);
    return (size_t)(o0 / w->co_block * k_blocks + k0 / w->k_block) * w->filter_bytes;
}

size_t cx_winograd_filter_bytes(const cx_winograd *w) { return (size_t)w->c.groups * group_bytes(w); }

typedef struct pack_job {
    const cx_winograd *w;
    const cx_kernels *kernels;
    const void *weights;
    char *packed;
    int64_t pieces; /* of each block's k */
} pack_job;

static void pack_task(void *context, int64_t index, int worker) {
    (void)worker;
    const pack_job *j = context;
    const cx_winograd *w = j->w;
    const int64_t blocks = cx_ceil_div(w->co_width, w->co_block), k_blocks = cx_ceil_div(w->k, w->k_block);
    const int64_t piece = index % j->pieces, at = index / j->pieces;
    filter_block block = {
        .group = at / k_blocks / blocks, .o0 = at / k_blocks % blocks * w->co_block, .k0 = at % k_blocks * w->k_block};
    block.on = cx_min(w->co_block, w->co_width - block.o0);
    block.kn = cx_min(w->k_block, w->k - block.k0);
    const int64_t runs = cx_ceil_div(block.kn, PIECE_K), first = cx_share_begin(runs, j->pieces, piece) * PIECE_K;
    const int64_t last = cx_min(cx_share_begin(runs, j->pieces, piece + 1) * PIECE_K, block.kn);
    char *dst = j->packed + (size_t)block.group * group_bytes(w) + block_offset(w, block.o0, block.k0);
    transform_filters(w, j->kernels, j->weights, &block, first, last, dst);
}

void cx_winograd_pack(const cx_winograd *w, const cx_kernels *kernels, int threads, const void *weights, void *packed) {
    const int64_t blocks = w->c.groups * cx_ceil_div(w->co_width, w->co_block) * cx_ceil_div(w->k, w->k_block);
    const int64_t runs = cx_ceil_div(cx_min(w->k, w->k_block), PIECE_K);
    pack_job j = {w, kernels, weights, packed, .pieces = cx_max(cx_min(cx_ceil_div(8 * threads, blocks), runs), 1)};
    cx_parallel_for(blocks * j.pieces, threads, pack_task, &j);
}

/* ---- Products -------------------------------------------------------------------------------------------------- */

/* Rows in panels of mr of them, the last one perhaps of fewer. */
static void multiply_panels(const cx_kernels *kernels, cx_gemm_stack stack, int64_t rows, int vectors, const char *a,
                            const char *b, char *c) {
    const int64_t mr = kernels->gemm.mr, whole = rows / mr * mr;
    const size_t size = cx_dtype_size(kernels->dtype);
    stack.tiles = rows / mr;
    kernels->gemm.tile[mr][vectors](&stack, a, b, c, NULL);
    stack.tiles = 1;
    if (rows > whole)
        kernels->gemm.tile[rows - whole][vectors](&stack, a + (size_t)(whole * stack.k) * size, b,
                                                  c + (size_t)(whole * stack.c_row) * size, NULL);
}

/*
 * products += a * b for one point. Rows of a are tiles, read in place, or, with a_row 1, panels of channels.
 */
static void multiply(const cx_kernels *kernels, int64_t rows, const char *a, int64_t a_row, int64_t columns,
                     const char *b, int64_t panel_step, int64_t kn, char *products, int64_t product_row, size_t size,
                     cx_gemm_start start) {
    const int64_t mr = kernels->gemm.mr;
    const bool panels = a_row == 1;
    cx_gemm_stack stack = {.k = kn,
                           .run = kn,
                           .a_row = a_row,
                           .a_col = panels ? mr : 1,
                           .a_next = panels ? kn : a_row,
                           .c_row = product_row,
                           .start = start};
    for (int64_t n = 0, step; n < columns; n += step, b += (size_t)panel_step * size) {
        char *c = products + (size_t)n * size;
        step = cx_gemm_step(kernels, columns - n);
        if (!panels) {
            cx_gemm_run_stack(kernels, stack, rows, step, a, b, panel_step, c, NULL);
            continue;
        }
        cx_gemm_piece piece[2];
        const int pieces = cx_gemm_pieces(kernels, step, panel_step, piece);
        for (int i = 0; i < pieces; ++i) {
            const size_t at = (size_t)piece[i].first * size;
            stack.b_second = piece[i].b_second;
            multiply_panels(kernels, stack, rows, piece[i].vectors, a, b + at, c + at);
        }
    }
}

/* Results of channels [o0, o0 + on) of `count` tiles from `first` on, whose transformed patches are at `input`. */
static void run_channels(const job *j, int64_t group, int64_t o0, int64_t on, int64_t first, int64_t count,
                         const char *input, char *scratch) {
    const cx_winograd *w = j->w;
    const size_t size = w->size;
    const int64_t nr = j->kernels->gemm.nr, real = cx_min(on, w->c.co - o0); /* the others fill up a panel */
    char *products = scratch, *filters = products + w->product_bytes, *transform = filters;
    if (!j->filters) transform += w->filter_bytes;
    for (int64_t k0 = 0; k0 < w->k; k0 += w->k_block) {
        const int64_t kn = cx_min(w->k_block, w->k - k0);
        const char *block = filters;
        if (j->filters)
            block = j->filters + (size_t)group * group_bytes(w) + block_offset(w, o0, k0);
        else
            transform_filters(w, j->kernels, j->weights, &(filter_block){group, o0, on, k0, kn}, 0, kn, filters);
        const cx_gemm_start start = k0 == 0 ? CX_START_ZERO : CX_START_RESULT;
        for (int64_t p = 0; p < w->points; ++p) {
            const char *u = block + (size_t)(p * w->filter_point) * size,
                       *v = input + (size_t)(p * w->input_point) * size;
            char *m = products + (size_t)(p * w->product_point) * size;
            if (along_channels(w))
                multiply(j->kernels, count, v + (size_t)k0 * size, w->input_row, real, u, kn * nr, kn, m,
                         w->product_row, size, start);
            else
                multiply(j->kernels, real, u, 1, count, v + (size_t)(k0 * nr) * size, w->input_row, kn, m,
                         w->product_row, size, start);
        }
    }
    const cx_correlation *c = &w->c;
    const cx_winograd_result result = {
        .base = cx_at_mut(j->result, c->dst_offset + group * c->co * c->dst.channel, size),
        .stride = c->dst,
        .bias = j->bias ? cx_at(j->bias, group * c->co, size) : NULL,
        .activation = c->activation,
        .not_finite = j->not_finite,
    };
    if (along_channels(w))
        j->kernels->winograd.output_channels(&w->grid, products, w->product_point, w->product_row, first, count, o0,
                                             real, &result);
    else
        j->kernels->winograd.output_tiles(&w->grid, products, w->product_point, w->product_row, first, count, o0, real,
                                          transform, &result);
}

static cx_winograd_source source_of(const job *j, int64_t group) {
    const cx_correlation *c = &j->w->c;
    const cx_reach reach = cx_reach_of(&c->src, c->batch, c->ci * c->groups, c->extent);
    cx_winograd_source source = {
        .base = cx_at(j->src, group * c->ci * c->src.channel, j->w->size),
        .begin = cx_at(j->src, reach.low, j->w->size),
        .end = cx_at(j->src, reach.high + 1, j->w->size),
        .stride = c->src,
        .channels = c->ci,
        .depth_taps = c->taps[0],
        .depth_step = c->step[0],
        .depth_tap_step = c->tap_step[0],
        .mode = c->padding_mode,
    };
    for (int d = 0; d < 3; ++d) {
        source.extent[d] = c->extent[d];
        source.origin[d] = c->origin[d];
    }
    return source;
}

/* ---- Many tiles: each task transforms its own ------------------------------------------------------------------ */

/* As many blocks of equal size as the largest block asks for, and as share out evenly. */
static int64_t block_count(const job *j, int threads) {
    const cx_winograd *w = j->w;
    const int64_t units = cx_ceil_div(w->tiles, w->tile_unit), most = cx_max(w->block / w->tile_unit, 1);
    const int64_t blocks = cx_ceil_div(units, most);
    return w->c.groups % threads ? cx_min(cx_round_up(blocks, threads), units) : blocks;
}

/* The tiles of a task, of so many: first and number. The last one's end with part of a unit: it gets more units, if any. */
static int64_t take_tiles(const cx_winograd *w, int64_t index, int64_t tasks, int64_t *first) {
    const int64_t units = cx_ceil_div(w->tiles, w->tile_unit);
    *first = units * index / tasks * w->tile_unit;
    return cx_min(units * (index + 1) / tasks * w->tile_unit, w->tiles) - *first;
}

static void run_block(void *context, int64_t index, int worker) {
    const job *j = context;
    const cx_winograd *w = j->w;
    const int64_t group = index / j->tasks;
    int64_t first;
    const int64_t count = take_tiles(w, index % j->tasks, j->tasks, &first);
    char *input = j->scratch + (size_t)worker * j->thread_bytes, *scratch = input + w->input_bytes;
    const cx_winograd_source source = source_of(j, group);
    if (along_channels(w))
        j->kernels->winograd.input_channels(&w->grid, &source, first, count, input, w->input_point, w->input_row);
    else
        j->kernels->winograd.input_tiles(&w->grid, &source, first, count, 0, w->k, scratch + w->product_bytes, input,
                                         w->input_point, w->input_row);
    for (int64_t o = 0; o < w->co_width; o += w->co_block)
        run_channels(j, group, o, cx_min(w->co_block, w->co_width - o), first, count, input, scratch);
}

/* ---- Few tiles: transformed patches are shared ----------------------------------------------------------------- */

#define LEAST_K      8 /* of the sum, that one task transforms: a task finds its tiles first */
#define SHARED_TASKS 4 /* a thread */

static void transform_shared(void *context, int64_t index, int worker) {
    const job *j = context;
    const cx_winograd *w = j->w;
    const int64_t group = index / j->tasks, piece = index % j->tasks;
    const cx_winograd_source source = source_of(j, group);
    char *input = j->input + (size_t)group * w->input_bytes;
    char *scratch = j->scratch + (size_t)worker * j->thread_bytes;
    if (along_channels(w)) {
        j->kernels->winograd.input_channels(&w->grid, &source, piece, 1,
                                            input + (size_t)(piece * w->input_row) * w->size, w->input_point,
                                            w->input_row);
    } else {
        const int64_t k0 = cx_share_begin(w->k, j->tasks, piece), nr = j->kernels->gemm.nr;
        const int64_t kn = cx_share_begin(w->k, j->tasks, piece + 1) - k0;
        j->kernels->winograd.input_tiles(&w->grid, &source, 0, w->tiles, k0, kn, scratch,
                                         input + (size_t)(k0 * nr) * w->size, w->input_point, w->input_row);
    }
}

static void run_shared(void *context, int64_t index, int worker) {
    const job *j = context;
    const cx_winograd *w = j->w;
    const int64_t group = index / j->tasks, o = index % j->tasks / j->cuts * w->co_block;
    int64_t first;
    const int64_t count = take_tiles(w, index % j->cuts, j->cuts, &first);
    const int64_t at = along_channels(w) ? first : first / j->kernels->gemm.nr;
    run_channels(j, group, o, cx_min(w->co_block, w->co_width - o), first, count,
                 j->input + (size_t)group * w->input_bytes + (size_t)(at * w->input_row) * w->size,
                 j->scratch + (size_t)worker * j->thread_bytes);
}

/* Blocks of channels are shared out, and their tiles as well where threads would be idle for a fifth of the time. */
static int64_t cuts_of(const cx_winograd *w, int threads) {
    const int64_t blocks = w->c.groups * cx_ceil_div(w->co_width, w->co_block);
    if (4 * cx_round_up(blocks, threads) <= 5 * blocks) return 1;
    return cx_max(cx_min(threads, cx_ceil_div(w->tiles, w->tile_unit)), 1);
}

/* ---- Results that are not finite ------------------------------------------------------------------------------- */

/*
 * A NaN or an infinity, of the data or of an overflow at a point, spoils its whole tile. The image is done again by GEMM,
 * which keeps it where the mathematics puts it.
 */
static void redo_image(const cx_conv *conv, const cx_kernels *kernels, const cx_tensors *tensors, int64_t image) {
    const size_t size = cx_dtype_size(kernels->dtype);
    const bool forward = conv->pass == CONVX_FORWARD;
    const int64_t x = image * conv->x.batch, y = image * conv->y.batch;
    cx_conv one = *conv;
    one.batch = 1;
    cx_tensors at = *tensors;
    at.result = cx_at_mut(tensors->result, forward ? y : x, size);
    if (forward)
        at.x = cx_at(tensors->x, x, size);
    else
        at.y = cx_at(tensors->y, y, size);
    cx_winograd_redo(&one, kernels, 1, &at);
}

/* ---- The run --------------------------------------------------------------------------------------------------- */

void cx_winograd_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                     const cx_tensors *tensors, void *workspace) {
    cx_winograd w;
    const char *reason;
    if (!cx_winograd_set_up(conv, kernels, decision->variant, 0, &w, &reason)) return;
    char *shared = workspace;
    job j = {
        .w = &w,
        .kernels = kernels,
        .src = conv->pass == CONVX_FORWARD ? tensors->x : tensors->y,
        .bias = tensors->bias,
        .result = tensors->result,
        .weights = tensors->w,
        .filters = tensors->packed,
        .scratch = shared + decision->shared_bytes,
        .thread_bytes = decision->thread_bytes,
    };
    j.not_finite = (unsigned char *)shared;
    memset(j.not_finite, 0, (size_t)conv->batch);
    shared += cx_align_up((size_t)conv->batch);
    if (!j.filters && !(w.variant & CX_WINOGRAD_ON_THE_WAY)) {
        cx_winograd_pack(&w, kernels, decision->threads, tensors->w, shared);
        j.filters = shared;
        shared += cx_winograd_filter_bytes(&w);
    }
    const int64_t groups = w.c.groups;
    if (w.variant & CX_WINOGRAD_SHARED) {
        j.input = shared;
        const int64_t most = decision->threads > 1 ? SHARED_TASKS * decision->threads : 1;
        j.tasks = along_channels(&w) ? w.tiles : cx_max(cx_min(w.k / LEAST_K, most), 1);
        cx_parallel_for(groups * j.tasks, decision->threads, transform_shared, &j);
        j.cuts = cuts_of(&w, decision->threads);
        j.tasks = j.cuts * cx_ceil_div(w.co_width, w.co_block);
        cx_parallel_for(groups * j.tasks, decision->threads, run_shared, &j);
    } else {
        j.tasks = block_count(&j, decision->threads);
        cx_parallel_for(groups * j.tasks, decision->threads, run_block, &j);
    }
    for (int64_t image = 0; image < conv->batch; ++image)
        if (j.not_finite[image]) redo_image(conv, kernels, tensors, image);
}
