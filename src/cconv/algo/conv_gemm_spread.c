/*
 * The input gradient by spreading, the third way of implicit GEMM: where input channels are few, stride phases make
 * products of a row or three, far below what the micro-kernel can do. Here one product gives every tap's share of a
 * few rows of grad_output, (channel, tap) by pixel, which is then added into the places that the taps reach.
 *
 * A task owns rows of the result, builds them densely in scratch and stores them once; rows of grad_output that two
 * tasks need are multiplied twice. Shares are added in ascending order of grad_output rows and taps, wherever the cuts
 * are.
 */
#include <string.h>

#include "algo/conv_gemm.h"
#include "base/correlation.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

#define CHUNK_PIXELS 256 /* of one product, about */
#define STORE_CHUNK  64
#define COST_IMAGE   1000.0
#define COST_ROW     25.0 /* of grad_output, for one tap that is added */

typedef struct job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    size_t size, thread_bytes;
    char *scratch;
    cx_gemm_blocks blocks;
    int64_t rows, row_tasks;      /* of the result, a task */
    int64_t chunk, chunk_columns; /* pixels of one product; columns of it, where a grad_output row is longer */
    size_t block_bytes, share_bytes;
} job;

/* Taps of one depth: the rows of a product. */
static int64_t share_rows(const cx_conv *conv) { return conv->in_channels * conv->kernel[1] * conv->kernel[2]; }

/* How so many images are cut for so many threads. */
static void cut(job *j, int64_t batch, int threads) {
    const cx_conv *conv = j->conv;
    const int64_t row = conv->in_channels * conv->in[2] * (int64_t)j->size;
    const int64_t budget = cx_max((int64_t)cx_cpu_get()->l2 / 2 / row, 1);
    const int64_t others = cx_max(batch * conv->groups * conv->in[0], 1);
    const int64_t tasks = cx_min(cx_max(cx_ceil_div(conv->in[1], budget), cx_ceil_div(threads, others)), conv->in[1]);
    j->rows = cx_ceil_div(conv->in[1], cx_max(tasks, 1));
    j->row_tasks = cx_ceil_div(conv->in[1], j->rows);
    j->chunk_columns = cx_min(conv->out[2], CHUNK_PIXELS);
    j->chunk = conv->out[2] <= CHUNK_PIXELS ? CHUNK_PIXELS / conv->out[2] * conv->out[2] : CHUNK_PIXELS;
    j->block_bytes = cx_align_up((size_t)(conv->in_channels * j->rows * conv->in[2]) * j->size);
    j->share_bytes = cx_align_up((size_t)(share_rows(conv) * j->chunk) * j->size);
}

static job make_job(const cx_conv *conv, const cx_kernels *kernels, int threads) {
    job j = {.kernels = kernels, .conv = conv, .size = cx_dtype_size(kernels->dtype)};
    cut(&j, conv->batch, threads);
    j.blocks = cx_gemm_blocks_for(kernels, share_rows(conv), j.chunk, conv->out_channels, true);
    return j;
}

static cx_patches grad_output_pixels(const job *j, int64_t group) {
    const cx_conv *conv = j->conv;
    const cx_reach reach = cx_reach_of(&conv->y, conv->batch, conv->out_channels * conv->groups, conv->out);
    cx_patches p = {
        .base = cx_at(j->tensors->y, group * conv->out_channels * conv->y.channel, j->size),
        .stride = conv->y,
        .step = {1, 1, 1},
        .taps = {1, 1, 1},
        .channels = conv->out_channels,
        .begin = cx_at(j->tensors->y, reach.low, j->size),
        .end = cx_at(j->tensors->y, reach.high + 1, j->size),
    };
    for (int d = 0; d < 3; ++d) p.extent[d] = p.grid[d] = conv->out[d];
    return p;
}

/* The product for depth tap kd; its columns are all pixels of the batch, of which a chunk is run at a time. */
static cx_gemm product_of(const job *j, int64_t group, int64_t kd, const cx_patches *pixels) {
    const cx_conv *conv = j->conv;
    const int64_t extent[4] = {conv->in_channels, 1, conv->kernel[1], conv->kernel[2]};
    const int64_t stride[4] = {conv->w.in, 0, conv->w.space[1], conv->w.space[2]};
    const int64_t offset = group * conv->out_channels * conv->w.out + kd * conv->w.space[0];
    const int64_t n = conv->batch * conv->out[0] * conv->out[1] * conv->out[2];
    return (cx_gemm){
        .m = share_rows(conv),
        .n = n,
        .k = conv->out_channels,
        .a = {.base = cx_at(j->tensors->w, offset, j->size),
              .row = cx_axis_make(extent, stride),
              .k = cx_axis_line(conv->out_channels, conv->w.out),
              .copy = true},
        .b = {.kind = CX_PANELS_PIXELS, .patches = pixels, .order = CX_TAPS_FASTEST},
        .c_row = cx_axis_line(share_rows(conv), j->chunk),
        .c_column = cx_axis_line(n, 1),
        .activation = CONVX_ACT_NONE,
    };
}

/* Rows h0 .. h1 - 1 of one depth of the result, dense: [channel][row][column]. */
typedef struct target {
    char *block;
    int64_t h0, h1;
} target;

/* Shares of columns w0 .. w0 + count - 1 of grad_output row oh, at `share`, go where the taps reach. */
static void spread_row(const job *j, const target *t, int64_t oh, int64_t w0, int64_t count, const char *share) {
    const cx_conv *conv = j->conv;
    const int64_t *k = conv->kernel, step = conv->stride[2], width = conv->in[2];
    for (int64_t c = 0; c < conv->in_channels; ++c) {
        for (int64_t kh = 0; kh < k[1]; ++kh) {
            const int64_t h = oh * conv->stride[1] + kh * conv->dilation[1] - conv->pad[1];
            if (h < t->h0 || h >= t->h1) continue;
            char *row = t->block + (size_t)((c * j->rows + h - t->h0) * width) * j->size;
            for (int64_t kw = 0; kw < k[2]; ++kw) {
                const int64_t at = w0 * step + kw * conv->dilation[2] - conv->pad[2];
                const int64_t low = at < 0 ? cx_ceil_div(-at, step) : 0;
                const int64_t high = cx_min(count, at < width ? (width - 1 - at) / step + 1 : 0);
                const char *from = share + (size_t)(((c * k[1] + kh) * k[2] + kw) * j->chunk + low) * j->size;
                if (low < high)
                    j->kernels->gemm.spread_add(row + (size_t)(at + low * step) * j->size, step, from, high - low);
            }
        }
    }
}

static void store(const job *j, const target *t, int64_t n, int64_t group, int64_t d) {
    const cx_conv *conv = j->conv;
    const int64_t width = conv->in[2];
    int64_t column[STORE_CHUNK];
    for (int64_t w = 0; w < width; w += STORE_CHUNK) {
        const int64_t count = cx_min(width - w, STORE_CHUNK);
        for (int64_t i = 0; i < count; ++i) column[i] = (w + i) * conv->x.space[2];
        for (int64_t c = 0; c < conv->in_channels; ++c) {
            for (int64_t h = t->h0; h < t->h1; ++h) {
                const int64_t row = n * conv->x.batch + (group * conv->in_channels + c) * conv->x.channel +
                                    d * conv->x.space[0] + h * conv->x.space[1];
                const char *from = t->block + (size_t)((c * j->rows + h - t->h0) * width + w) * j->size;
                if (conv->x.space[2] == 1)
                    memcpy(cx_at_mut(j->tensors->result, row + w, j->size), from, (size_t)count * j->size);
                else
                    j->kernels->gemm.scatter(from, count, j->tensors->result, &row, 1, column, count);
            }
        }
    }
}

static void start(const job *j, const target *t, int64_t group) {
    const cx_conv *conv = j->conv;
    const int64_t plane = j->rows * conv->in[2];
    memset(t->block, 0, j->block_bytes);
    if (!j->tensors->bias) return;
    for (int64_t c = 0; c < conv->in_channels; ++c) {
        const void *bias = cx_at(j->tensors->bias, group * conv->in_channels + c, j->size);
        for (int64_t i = 0; i < plane; ++i) memcpy(t->block + (size_t)(c * plane + i) * j->size, bias, j->size);
    }
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    const cx_conv *conv = j->conv;
    char *scratch = j->scratch + (size_t)worker * j->thread_bytes;
    target t = {.block = scratch, .h0 = index % j->row_tasks * j->rows};
    t.h1 = cx_min(t.h0 + j->rows, conv->in[1]);
    index /= j->row_tasks;
    const int64_t d = index % conv->in[0], group = index / conv->in[0] % conv->groups;
    const int64_t n = index / conv->in[0] / conv->groups;
    char *shares = scratch + j->block_bytes;
    const cx_patches pixels = grad_output_pixels(j, group);
    const int64_t reach = (conv->kernel[1] - 1) * conv->dilation[1];
    const int64_t first = cx_max(0, -cx_floor_div(-(t.h0 + conv->pad[1] - reach), conv->stride[1]));
    const int64_t last = cx_min(conv->out[1] - 1, cx_floor_div(t.h1 - 1 + conv->pad[1], conv->stride[1]));
    const int64_t rows_at_once = cx_max(j->chunk / conv->out[2], 1);

    start(j, &t, group);
    for (int64_t kd = conv->kernel[0] - 1; kd >= 0; --kd) { /* ascending depth of grad_output */
        const int64_t place = d + conv->pad[0] - kd * conv->dilation[0];
        if (place < 0 || place % conv->stride[0] || place / conv->stride[0] >= conv->out[0]) continue;
        cx_gemm product = product_of(j, group, kd, &pixels);
        for (int64_t oh = first; oh <= last; oh += rows_at_once) {
            const int64_t rows = cx_min(rows_at_once, last + 1 - oh);
            for (int64_t w = 0; w < conv->out[2]; w += j->chunk_columns) {
                const int64_t columns = cx_min(conv->out[2] - w, j->chunk_columns);
                const int64_t row = (n * conv->out[0] + place / conv->stride[0]) * conv->out[1] + oh;
                const int64_t n0 = row * conv->out[2] + w;
                product.c = cx_at_mut(shares, -n0, j->size);
                cx_gemm_run(j->kernels, &product, j->blocks, 0, product.m, n0,
                            n0 + (rows == 1 ? columns : rows * conv->out[2]), shares + j->share_bytes);
                for (int64_t r = 0; r < rows; ++r)
                    spread_row(j, &t, oh + r, w, columns, shares + (size_t)(r * conv->out[2]) * j->size);
            }
        }
    }
    if (conv->activation != CONVX_ACT_NONE)
        j->kernels->activate(t.block, conv->in_channels * j->rows * conv->in[2], conv->activation);
    store(j, &t, n, group, d);
}

static bool applies(const cx_conv *conv) {
    /* one tap has nothing to spread, and its layers may have their batch folded into the image */
    return conv->pass == CONVX_INPUT_GRADIENT && conv->batch > 0 && cx_count3(conv->kernel) != 1;
}

static bool fits(const job *j) {
    const size_t l2 = cx_cpu_get()->l2;
    return j->block_bytes <= l2 && j->share_bytes <= l2;
}

static double cost_of(const job *j, int64_t batch) {
    const cx_conv *conv = j->conv;
    const double pixels = (double)batch * (double)conv->out[0] * (double)conv->out[1] * (double)conv->out[2];
    const double shares = (double)share_rows(conv) * (double)conv->kernel[0] * pixels * (double)conv->groups;
    const double k = (double)conv->out_channels;
    const double halo = 1 + (double)((conv->kernel[1] - 1) * conv->dilation[1]) / (double)cx_max(j->rows, 1);
    const double add = conv->stride[2] == 1 ? 0.6 : 1.6;
    const double copy = conv->y.space[2] == 1 ? CX_COST_COPY_RUN : CX_COST_COPY_STRIDED;
    const double rows = (double)batch * (double)conv->groups * (double)conv->out[0] * (double)conv->out[1];
    const double calls = rows * (double)(share_rows(conv) * conv->kernel[0]);
    return COST_IMAGE * (double)(batch * conv->groups) + COST_ROW * calls +
           halo *
               (shares * ((k + 8) / (2.0 * j->kernels->lanes * CX_COST_TILE_SHARE) * cx_vector_pace(j->kernels) + add) +
                pixels * k * (double)conv->groups * copy);
}

bool cx_gemm_spread_cost(const cx_conv *conv, const cx_kernels *kernels, double *cost) {
    if (!applies(conv)) return false;
    job j = {.kernels = kernels, .conv = conv, .size = cx_dtype_size(kernels->dtype)};
    cut(&j, 1, 1);
    *cost = cost_of(&j, 1);
    return fits(&j);
}

bool cx_gemm_spread_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision) {
    if (!applies(conv)) return false;
    job j = make_job(conv, kernels, threads);
    if (!fits(&j)) return false;
    decision->cost = cost_of(&j, conv->batch);
    decision->threads = cx_threads_for(decision->cost, threads);
    if (decision->threads != threads) j = make_job(conv, kernels, decision->threads); /* as the run will cut it */
    const cx_tensors none = {0};
    j.tensors = &none;
    const cx_patches p = grad_output_pixels(&j, 0);
    const cx_gemm product = product_of(&j, 0, 0, &p);
    decision->thread_bytes = j.block_bytes + j.share_bytes + cx_align_up(cx_gemm_scratch(kernels, &product, j.blocks));
    decision->shared_bytes = decision->packed_bytes = 0;
    decision->reason = "each tap's share spread over the result";
    return true;
}

void cx_gemm_spread_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                        const cx_tensors *tensors, void *workspace) {
    job j = make_job(conv, kernels, decision->threads);
    j.tensors = tensors;
    j.thread_bytes = decision->thread_bytes;
    j.scratch = workspace;
    cx_parallel_for(conv->batch * conv->groups * conv->in[0] * j.row_tasks, decision->threads, run_task, &j);
}
