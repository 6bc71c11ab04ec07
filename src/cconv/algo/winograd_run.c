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
} job;

static bool along_channels(const cx_winograd *w) { return w->variant & CX_WINOGRAD_CHANNELS; }

/* ---- Filters --------------------------------------------------------------------------------------------------- */

#define FILTER_K 8 /* of the sum, transformed in turn for all panels: neighbours share cache lines either way */

/* One block of filters, of channels [o0, o0 + on) and [k0, k0 + kn). */
static void transform_filters(const cx_winograd *w, const cx_kernels *kernels, const void *weights, int64_t group,
                              int64_t o0, int64_t on, int64_t k0, int64_t kn, char *dst) {
    const cx_correlation *c = &w->c;
    const int64_t taps[2] = {c->w_tap[1], c->w_tap[2]};
    const char *group_weights = cx_at(weights, c->w_offset + group * c->w_group, w->size);
    for (int64_t k = k0, run; k < k0 + kn; k += run) {
        const int64_t depth_tap = k / c->ci, i = k % c->ci;
        run = cx_min(cx_min(c->ci - i, k0 + kn - k), FILTER_K);
        for (int64_t panel = 0; panel < on; panel += w->panel) {
            const int64_t o = o0 + panel, offset = o * c->w_co + i * c->w_ci + depth_tap * c->w_tap[0];
            kernels->winograd.filters(w->grid.axis, cx_at(group_weights, offset, w->size), taps, c->w_co,
                                      cx_min(w->panel, c->co - o), c->w_ci, run, k0 + kn - k, w->panel,
                                      dst + (size_t)(panel * kn + (k - k0) * w->panel) * w->size, w->filter_point);
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
} pack_job;

static void pack_task(void *context, int64_t index, int worker) {
    (void)worker;
    const pack_job *j = context;
    const cx_winograd *w = j->w;
    const int64_t blocks = cx_ceil_div(w->co_width, w->co_block), k_blocks = cx_ceil_div(w->k, w->k_block);
    const int64_t k0 = index % k_blocks * w->k_block, kn = cx_min(w->k_block, w->k - k0);
    const int64_t o0 = index / k_blocks % blocks * w->co_block, on = cx_min(w->co_block, w->co_width - o0);
    const int64_t group = index / k_blocks / blocks;
    char *dst = j->packed + (size_t)group * group_bytes(w) + block_offset(w, o0, k0);
    transform_filters(w, j->kernels, j->weights, group, o0, on, k0, kn, dst);
}

void cx_winograd_pack(const cx_winograd *w, const cx_kernels *kernels, int threads, const void *weights, void *packed) {
    pack_job j = {w, kernels, weights, packed};
    const int64_t blocks = cx_ceil_div(w->co_width, w->co_block) * cx_ceil_div(w->k, w->k_block);
    cx_parallel_for(w->c.groups * blocks, threads, pack_task, &j);
}

/* ---- Products -------------------------------------------------------------------------------------------------- */

/*
 * products += a * b for one point. Rows of a are tiles, read in place, or, with a_row 1, panels of channels.
 */
static void multiply(const cx_kernels *kernels, int64_t rows, const char *a, int64_t a_row, int64_t columns,
                     const char *b, int64_t panel_step, int64_t kn, char *products, int64_t product_row, size_t size,
                     cx_gemm_start start) {
    const int64_t nr = kernels->gemm.nr, mr = kernels->gemm.mr;
    const bool panels = a_row == 1;
    cx_gemm_stack stack = {.k = kn,
                           .run = kn,
                           .a_row = a_row,
                           .a_col = panels ? mr : 1,
                           .a_next = panels ? kn : a_row,
                           .c_row = product_row,
                           .start = start};
    for (int64_t n = 0; n < columns; n += nr, b += (size_t)panel_step * size) {
        const int64_t vectors = cx_ceil_div(cx_min(columns - n, nr), kernels->lanes);
        char *c = products + (size_t)n * size;
        if (!panels) {
            cx_gemm_run_stack(kernels, stack, rows, vectors, a, b, c, NULL);
            continue;
        }
        const int64_t whole = rows / mr * mr;
        stack.tiles = rows / mr;
        kernels->gemm.tile[mr][vectors](&stack, a, b, c, NULL);
        stack.tiles = 1;
        if (rows > whole)
            kernels->gemm.tile[rows - whole][vectors](&stack, a + (size_t)(whole * kn) * size, b,
                                                      c + (size_t)(whole * product_row) * size, NULL);
    }
}

/* Results of channels [o0, o0 + on) of `count` tiles from `first` on, whose transformed patches are at `input`. */
static void run_channels(const job *j, int64_t group, int64_t o0, int64_t on, int64_t first, int64_t count,
                         const char *input, char *scratch) {
    const cx_winograd *w = j->w;
    const size_t size = w->size;
    const int64_t nr = j->kernels->gemm.nr;
    char *products = scratch, *filters = products + w->product_bytes, *transform = filters;
    if (!j->filters) transform += w->filter_bytes;
    for (int64_t k0 = 0; k0 < w->k; k0 += w->k_block) {
        const int64_t kn = cx_min(w->k_block, w->k - k0);
        const char *block = filters;
        if (j->filters)
            block = j->filters + (size_t)group * group_bytes(w) + block_offset(w, o0, k0);
        else
            transform_filters(w, j->kernels, j->weights, group, o0, on, k0, kn, filters);
        const cx_gemm_start start = k0 == 0 ? CX_START_ZERO : CX_START_RESULT;
        for (int64_t p = 0; p < w->points; ++p) {
            const char *u = block + (size_t)(p * w->filter_point) * size,
                       *v = input + (size_t)(p * w->input_point) * size;
            char *m = products + (size_t)(p * w->product_point) * size;
            if (along_channels(w))
                multiply(j->kernels, count, v + (size_t)k0 * size, w->input_row, on, u, kn * nr, kn, m, w->product_row,
                         size, start);
            else
                multiply(j->kernels, cx_min(on, w->c.co - o0), u, 1, count, v + (size_t)(k0 * nr) * size, w->input_row,
                         kn, m, w->product_row, size, start);
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
                                             cx_min(on, c->co - o0), &result);
    else
        j->kernels->winograd.output_tiles(&w->grid, products, w->product_point, w->product_row, first, count, o0,
                                          cx_min(on, c->co - o0), transform, &result);
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

static void run_block(void *context, int64_t index, int worker) {
    const job *j = context;
    const cx_winograd *w = j->w;
    const int64_t group = index / j->tasks, unit = w->tile_unit;
    const int64_t units = cx_ceil_div(w->tiles, unit), first = cx_share_begin(units, j->tasks, index % j->tasks) * unit;
    const int64_t end = cx_min(cx_share_begin(units, j->tasks, index % j->tasks + 1) * unit, w->tiles);
    const int64_t count = end - first;
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

#define SHARED_K     8 /* of the sum, or tiles, that one task transforms */
#define SHARED_TILES 1

static void transform_shared(void *context, int64_t index, int worker) {
    const job *j = context;
    const cx_winograd *w = j->w;
    const int64_t group = index / j->tasks, piece = index % j->tasks;
    const cx_winograd_source source = source_of(j, group);
    char *input = j->input + (size_t)group * w->input_bytes;
    char *scratch = j->scratch + (size_t)worker * j->thread_bytes;
    if (along_channels(w)) {
        const int64_t t = piece * SHARED_TILES;
        j->kernels->winograd.input_channels(&w->grid, &source, t, cx_min(SHARED_TILES, w->tiles - t),
                                            input + (size_t)(t * w->input_row) * w->size, w->input_point, w->input_row);
    } else {
        const int64_t k0 = piece * SHARED_K, nr = j->kernels->gemm.nr;
        j->kernels->winograd.input_tiles(&w->grid, &source, 0, w->tiles, k0, cx_min(SHARED_K, w->k - k0), scratch,
                                         input + (size_t)(k0 * nr) * w->size, w->input_point, w->input_row);
    }
}

static void run_shared(void *context, int64_t index, int worker) {
    const job *j = context;
    const cx_winograd *w = j->w;
    const int64_t group = index / j->tasks, o = index % j->tasks * w->co_block;
    run_channels(j, group, o, cx_min(w->co_block, w->co_width - o), 0, w->tiles,
                 j->input + (size_t)group * w->input_bytes, j->scratch + (size_t)worker * j->thread_bytes);
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
    if (!cx_winograd_set_up(conv, kernels, decision->variant, &w, &reason)) return;
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
        j.tasks = along_channels(&w) ? cx_ceil_div(w.tiles, SHARED_TILES) : cx_ceil_div(w.k, SHARED_K);
        cx_parallel_for(groups * j.tasks, decision->threads, transform_shared, &j);
        j.tasks = cx_ceil_div(w.co_width, w.co_block);
        cx_parallel_for(groups * j.tasks, decision->threads, run_shared, &j);
    } else {
        j.tasks = block_count(&j, decision->threads);
        cx_parallel_for(groups * j.tasks, decision->threads, run_block, &j);
    }
    for (int64_t image = 0; image < conv->batch; ++image)
        if (j.not_finite[image]) redo_image(conv, kernels, tensors, image);
}
