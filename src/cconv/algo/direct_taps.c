/*
 * Small maps with wide padding, forward and input gradient: a product for each tap, of the pixels for which it lies inside
 * the image. What falls on padding is left out, 31% of a 3x3 kernel on a 4x4 map, where products of whole patches multiply
 * zeros.
 *
 * Vectors run along result channels: the pixels of each tap, copied as rows, times the weights in panels. The results of a
 * panel stay in the first-level cache from tap to tap. An element's sum is one chain of FMAs over the taps and, within
 * each, over the channels.
 */
#include <string.h>

#include "algo/conv_gemm.h"
#include "algo/direct.h"
#include "base/memory.h"
#include "base/threads.h"
#include "gemm/stack.h"

#define MOST_PIXELS   64
#define MOST_TAPS     64
#define FEW_CHANNELS  16   /* below which the stencil serves */
#define WORTHWHILE    0.78 /* at most this part of the multiplications lies inside */
#define CHANNELS      256  /* of one tap that a product sums up: a panel of them stays in the first-level cache */
#define IMAGE_COST    4000.0
#define COST_OF_A_TAP 300.0 /* for a panel */

typedef struct job {
    const cx_kernels *kernels;
    const cx_correlation *c;
    const cx_tensors *tensors;
    const void *src;
    const char *weights; /* panels */
    size_t size, thread_bytes;
    char *copies, *scratch;
    int64_t taps, pixels, ld, image;
    int64_t *pixel, *source; /* of each row of the copies: its pixel of the grid, and where the source has it */
    int64_t first_row[MOST_TAPS + 1]; /* of each tap */
} job;

/* How many places of the grid tap t of dimension d reads inside the image, from *first on. */
static int64_t places_inside(const cx_correlation *c, int d, int64_t t, int64_t *first) {
    const int64_t at = c->origin[d] + t * c->tap_step[d], step = c->step[d];
    *first = at < 0 ? cx_ceil_div(-at, step) : 0;
    const int64_t end = at < c->extent[d] ? cx_min(c->grid[d], (c->extent[d] - 1 - at) / step + 1) : 0;
    return cx_max(end - *first, 0);
}

/* Pixels of all taps, at least `least` each; *first_row, unless NULL, is where those of each tap begin. */
static int64_t rows_inside(const cx_correlation *c, int64_t least, int64_t *first_row) {
    int64_t places[3][MOST_TAPS], rows = 0, first;
    for (int d = 0; d < 3; ++d)
        for (int64_t t = 0; t < c->taps[d]; ++t) places[d][t] = places_inside(c, d, t, &first);
    for (int64_t z = 0; z < c->taps[0]; ++z)
        for (int64_t y = 0; y < c->taps[1]; ++y)
            for (int64_t x = 0; x < c->taps[2]; ++x) {
                if (first_row) *first_row++ = rows;
                rows += cx_max(places[0][z] * places[1][y] * places[2][x], least);
            }
    return rows;
}

/* From row to row of the copies. */
static int64_t copied_row(const cx_correlation *c, size_t size) { return cx_odd_lines(c->ci, size); }

static size_t places_bytes(int64_t rows) { return cx_align_up((size_t)(2 * rows) * sizeof(int64_t)); }

static size_t stage_bytes(const cx_correlation *c, const cx_kernels *kernels) {
    return cx_align_up((size_t)(cx_count3(c->grid) * kernels->gemm.nr) * cx_dtype_size(kernels->dtype));
}

/* The choice does not depend on batch, threads or kept weights: neither do the bits. */
bool cx_direct_taps_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept,
                           cx_decision *decision) {
    if (conv->pass == CONVX_WEIGHT_GRADIENT || conv->groups > 1 || conv->padding_mode != CONVX_PAD_ZEROS) return false;
    if (conv->in_channels < FEW_CHANNELS || conv->out_channels < FEW_CHANNELS) return false;
    const int64_t *grid = conv->pass == CONVX_FORWARD ? conv->out : conv->in;
    for (int d = 0; d < 3; ++d)
        if (grid[d] > MOST_PIXELS || conv->kernel[d] > MOST_TAPS) return false;
    const int64_t pixels = cx_count3(grid), taps = cx_count3(conv->kernel);
    if (pixels > MOST_PIXELS || taps > MOST_TAPS || cx_correlation_count(conv) != 1) return false;
    cx_correlation c;
    cx_correlation_get(conv, 0, &c);
    const int64_t rows = rows_inside(&c, 0, NULL);
    if ((double)rows > WORTHWHILE * (double)(pixels * taps)) return false;
    /* short tiles leave FMA latency uncovered */
    const int64_t busy = rows_inside(&c, cx_min(8 / kernels->gemm.nv, pixels), NULL);
    const double ci = (double)c.ci, panels = (double)cx_ceil_div(c.co, kernels->gemm.nr), batch = (double)c.batch;
    const double product =
        (double)busy * panels * kernels->gemm.nv * (ci + 16) / (2 * CX_COST_TILE_SHARE) * cx_vector_pace(kernels);
    const double copies = (double)rows * ci * CX_COST_COPY_STRIDED + (double)(pixels * c.co) * CX_COST_STORE_ACROSS;
    decision->cost = batch * (IMAGE_COST + product + copies + panels * (double)taps * COST_OF_A_TAP);
    if (!kept) decision->cost += (double)(c.co * c.ci * taps) * CX_COST_COPY_STRIDED;
    decision->threads = cx_threads_for(decision->cost, threads);
    decision->thread_bytes = 2 * stage_bytes(&c, kernels);
    decision->packed_bytes =
        cx_align_up((size_t)(cx_packed_weights(&c, kernels, true) + CX_PACK_SLACK) * cx_dtype_size(kernels->dtype));
    const size_t size = cx_dtype_size(kernels->dtype);
    decision->shared_bytes =
        places_bytes(rows) + cx_align_up((size_t)(rows * copied_row(&c, size) + CX_PACK_SLACK) * size);
    if (!kept) decision->shared_bytes += decision->packed_bytes;
    return true;
}

void cx_direct_taps_pack(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                         const void *weights, void *packed) {
    cx_correlation c;
    cx_correlation_get(conv, 0, &c);
    const cx_pack_part all = {&c, cx_at(weights, c.w_offset, cx_dtype_size(kernels->dtype)), packed};
    cx_pack_weights(&all, 1, kernels, true, CX_CHANNELS_FASTEST, decision->threads);
}

/* The places of one tap: for each, its pixel of the grid and where in the source it reads. */
static void find_places(const cx_correlation *c, int64_t tap, int64_t *pixel, int64_t *source) {
    int64_t t[3], first[3], count[3], n = 0;
    for (int d = 2; d >= 0; --d) {
        t[d] = tap % c->taps[d];
        tap /= c->taps[d];
        count[d] = places_inside(c, d, t[d], &first[d]);
    }
    for (int64_t z = first[0]; z < first[0] + count[0]; ++z)
        for (int64_t y = first[1]; y < first[1] + count[1]; ++y)
            for (int64_t x = first[2]; x < first[2] + count[2]; ++x, ++n) {
                const int64_t place[3] = {z, y, x};
                pixel[n] = (z * c->grid[1] + y) * c->grid[2] + x;
                source[n] = 0;
                for (int d = 0; d < 3; ++d)
                    source[n] += (place[d] * c->step[d] + c->origin[d] + t[d] * c->tap_step[d]) * c->src.space[d];
            }
}

static void copy_tap(void *context, int64_t tap, int worker) {
    (void)worker;
    const job *j = context;
    const cx_correlation *c = j->c;
    int64_t channel[CHANNELS];
    const int64_t first = j->first_row[tap], rows = j->first_row[tap + 1] - first;
    char *copy = j->copies + (size_t)(first * j->ld) * j->size;
    const void *image = cx_at(j->src, j->image * c->src.batch, j->size);
    for (int64_t k = 0; k < c->ci && rows > 0; k += CHANNELS) {
        const int64_t count = cx_min(c->ci - k, CHANNELS);
        for (int64_t i = 0; i < count; ++i) channel[i] = (k + i) * c->src.channel;
        j->kernels->gemm.pack_rows(image, j->source + first, rows, channel, count, copy + (size_t)k * j->size, j->ld);
    }
}

/* All pixels of the image, a panel of result channels. */
static void compute_panel(void *context, int64_t index, int worker) {
    const job *j = context;
    const cx_correlation *c = j->c;
    const cx_gemm_kernels *g = &j->kernels->gemm;
    const int64_t first = index * g->nr, columns = cx_min(g->nr, c->co - first);
    const size_t row = (size_t)g->nr * j->size;
    char *sums = j->scratch + (size_t)worker * j->thread_bytes, *some = sums + j->thread_bytes / 2;
    int64_t place[MOST_PIXELS], column[CX_GEMM_MAX_NR];
    memset(sums, 0, (size_t)j->pixels * row);
    if (j->tensors->bias)
        for (int64_t i = 0; i < j->pixels; ++i)
            memcpy(sums + (size_t)i * row, cx_at(j->tensors->bias, first, j->size), (size_t)columns * j->size);

    const char *a = j->copies, *b = j->weights + (size_t)(index * j->taps * c->ci) * row;
    for (int64_t tap = 0; tap < j->taps; ++tap, b += (size_t)c->ci * row) {
        const int64_t *pixel = j->pixel + j->first_row[tap], rows = j->first_row[tap + 1] - j->first_row[tap];
        const bool all = rows == j->pixels;
        for (int64_t i = 0; i < rows && !all; ++i) memcpy(some + (size_t)i * row, sums + (size_t)pixel[i] * row, row);
        const int64_t part = cx_even_part(c->ci, CHANNELS, 8);
        for (int64_t k = 0; k < c->ci && rows > 0; k += part) {
            const int64_t count = cx_min(part, c->ci - k);
            const cx_gemm_stack stack = {.k = count,
                                         .run = count,
                                         .a_row = j->ld,
                                         .a_col = 1,
                                         .a_next = j->ld,
                                         .c_row = g->nr,
                                         .start = CX_START_RESULT};
            cx_gemm_run_stack(j->kernels, stack, rows, columns, a + (size_t)k * j->size, b + (size_t)k * row, 0,
                              all ? sums : some, NULL);
        }
        for (int64_t i = 0; i < rows && !all; ++i) memcpy(sums + (size_t)pixel[i] * row, some + (size_t)i * row, row);
        a += (size_t)(rows * j->ld) * j->size;
    }

    for (int64_t i = 0; i < columns; ++i) column[i] = (first + i) * c->dst.channel;
    for (int64_t i = 0; i < j->pixels; ++i) {
        const int64_t x = i % c->grid[2], y = i / c->grid[2] % c->grid[1], z = i / c->grid[2] / c->grid[1];
        place[i] = z * c->dst.space[0] + y * c->dst.space[1] + x * c->dst.space[2];
        if (c->activation != CONVX_ACT_NONE) j->kernels->activate(sums + (size_t)i * row, columns, c->activation);
    }
    void *result = cx_at_mut(j->tensors->result, c->dst_offset + j->image * c->dst.batch, j->size);
    g->scatter(sums, g->nr, result, place, j->pixels, column, columns);
}

void cx_direct_taps_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                        const cx_tensors *tensors, void *workspace) {
    cx_correlation c;
    cx_correlation_get(conv, 0, &c);
    job j = {
        .kernels = kernels,
        .c = &c,
        .tensors = tensors,
        .src = conv->pass == CONVX_FORWARD ? tensors->x : tensors->y,
        .size = cx_dtype_size(kernels->dtype),
        .thread_bytes = decision->thread_bytes,
        .scratch = (char *)workspace + decision->shared_bytes,
        .taps = cx_count3(c.taps),
        .pixels = cx_count3(c.grid),
    };
    j.ld = copied_row(&c, j.size);
    const int64_t rows = j.first_row[j.taps] = rows_inside(&c, 0, j.first_row);
    j.pixel = workspace;
    j.source = j.pixel + rows;
    j.copies = (char *)workspace + places_bytes(rows);
    for (int64_t tap = 0; tap < j.taps; ++tap)
        find_places(&c, tap, j.pixel + j.first_row[tap], j.source + j.first_row[tap]);
    j.weights = tensors->packed;
    if (!j.weights) {
        char *packed = (char *)workspace + decision->shared_bytes - decision->packed_bytes;
        cx_direct_taps_pack(conv, kernels, decision, tensors->w, packed);
        j.weights = packed;
    }
    for (j.image = 0; j.image < c.batch; ++j.image) {
        cx_parallel_for(j.taps, decision->threads, copy_tap, &j);
        cx_parallel_for(cx_ceil_div(c.co, kernels->gemm.nr), decision->threads, compute_panel, &j);
    }
}
