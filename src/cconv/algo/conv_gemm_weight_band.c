/*
 * The weight gradient with the taps of a kernel's row as rows of the product, for kernels that are wide beside their stride:
 * these taps of neighbouring pixels are read in place from bands (gemm/band.h), and what is packed is grad_output, with its
 * channels as columns. So nothing is copied once for each tap. The sum runs over pixels in ascending order as in
 * conv_gemm_weight.c, so the bits are the same.
 *
 *   for each block of pixels                 grad_output packed: a quarter of the second-level cache
 *     for each block of channels             their bands: another quarter
 *       for each panel of grad_output's channels, and each row of taps: a tile
 */
#include "algo/conv_gemm.h"
#include "base/memory.h"
#include "base/threads.h"
#include "gemm/band.h"
#include "gemm/stack.h"

/* The pixels of a block are whole rows of the grid, or a part of one. */
typedef struct band_cut {
    int64_t lines;       /* of a channel: rows of taps */
    int64_t rows, width; /* of a block: rows of the grid, pixels of each */
    int64_t parts;       /* of a row of the grid */
    int64_t line;        /* elements of a band's line, at most */
    int64_t channels;    /* whose bands are copied at a time */
    int64_t c_tasks, n_tasks, unit;
    int64_t task_channels, task_columns; /* at most */
    size_t b_bytes, band_bytes, sums_bytes, offset_bytes;
} band_cut;

typedef struct band_job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    const band_cut *cut;
    size_t size, thread_bytes;
    char *scratch;
} band_job;

static const char *band_cut_make(const cx_conv *conv, const cx_kernels *kernels, int threads, band_cut *cut) {
    const size_t size = cx_dtype_size(kernels->dtype);
    const int64_t level = (int64_t)(cx_cpu_get()->l2 / size), lanes = kernels->lanes, nr = kernels->gemm.nr;
    const int64_t taps = conv->kernel[2], ci = conv->in_channels, co = conv->out_channels, step = conv->stride[2];
    if (conv->x.space[2] != 1 || conv->dilation[2] != 1 || taps < 3 || step > taps || conv->out[2] < 2)
        return "needs taps side by side in rows";
    *cut = (band_cut){.lines = conv->kernel[0] * conv->kernel[1]};
    /* Columns are shared out, or channels where there are too few of them. */
    const int64_t vectors = cx_ceil_div(co, lanes), wanted = cx_ceil_div(threads, conv->groups);
    const bool by_columns = vectors >= 4 * wanted || vectors % wanted == 0 || ci < wanted;
    cut->n_tasks = by_columns ? cx_min(wanted, vectors) : 1;
    cut->unit = cx_gemm_column_unit(kernels, co, cut->n_tasks);
    cut->task_columns =
        cx_min(cx_ceil_div(cx_ceil_div(co, cut->unit), cut->n_tasks) * cut->unit, cx_round_up(co, lanes));
    const int64_t columns = cx_round_up(cut->task_columns, nr);
    const int64_t sums = cut->lines * taps * cx_round_up(cut->task_columns, lanes); /* of a channel */
    cut->task_channels = cx_max(cx_min(level / 4 / sums, ci), 1);
    cut->c_tasks = cx_max(cx_ceil_div(ci, cut->task_channels), by_columns ? 1 : cx_min(wanted, ci));
    cut->task_channels = cx_ceil_div(ci, cut->c_tasks);

    const int64_t pixels = cx_max(level / 4 / columns, 64), rows = conv->batch * conv->out[0] * conv->out[1];
    cut->width = cx_even_part(conv->out[2], pixels, 1);
    cut->parts = cx_ceil_div(conv->out[2], cut->width);
    cut->rows = cut->parts > 1 ? 1 : cx_max(cx_min(pixels / conv->out[2], rows), 1);
    cut->line = (cut->width - 1) * step + taps;
    cut->channels = cx_max(cx_min(level / 4 / (cut->rows * cut->lines * cut->line), cut->task_channels), 1);
    const int64_t band = cut->rows * cut->channels * cut->lines * cut->line, block = cut->rows * cut->width;
    if (band > level / 2 || cut->task_channels * sums > level / 2) return "its bands do not fit the second-level cache";
    cut->b_bytes = cx_align_up((size_t)(columns * block + CX_PACK_SLACK) * size);
    cut->band_bytes = cx_align_up((size_t)(band + CX_PACK_SLACK) * size);
    cut->sums_bytes = cx_align_up((size_t)(cut->task_channels * sums) * size);
    cut->offset_bytes = cx_align_up(2 * (size_t)block * sizeof(int64_t));
    return NULL;
}

/* grad_output of `count` pixels, columns [n0, n1), as panels. */
static void pack_columns(const band_job *j, const void *y, int64_t pixel, int64_t count, int64_t n0, int64_t n1,
                         int64_t *k_offset, char *b) {
    const cx_conv *conv = j->conv;
    const int64_t nr = j->kernels->gemm.nr;
    cx_axis pixels;
    cx_pixel_axis(conv->batch, conv->out, &conv->y, &pixels);
    int64_t *k_row = k_offset + count, column[CX_GEMM_MAX_NR];
    cx_axis_offsets(&pixels, pixel, count, k_offset);
    for (int64_t i = 0; i < count; ++i) k_row[i] = i;
    for (int64_t n = n0; n < n1; n += nr, b += (size_t)(count * nr) * j->size) {
        const int64_t columns = cx_min(n1 - n, nr);
        for (int64_t i = 0; i < columns; ++i) column[i] = (n + i) * conv->y.channel;
        j->kernels->gemm.pack_panel(y, k_offset, k_row, count, column, columns, b);
    }
}

static void store_sums(const band_job *j, const char *sums, int64_t ld, void *result, int64_t c0, int64_t c1,
                       int64_t n0, int64_t n1) {
    enum { ROWS = 64 };
    const cx_conv *conv = j->conv;
    const int64_t *k = conv->kernel, *w = conv->w.space, nr = j->kernels->gemm.nr, taps = cx_count3(k);
    const int64_t extent[4] = {conv->in_channels, k[0], k[1], k[2]}, stride[4] = {conv->w.in, w[0], w[1], w[2]};
    const cx_axis places = cx_axis_make(extent, stride);
    int64_t row[ROWS], column[CX_GEMM_MAX_NR];
    for (int64_t i = c0 * taps, next; i < c1 * taps; i = next) {
        next = cx_min(i + ROWS, c1 * taps);
        cx_axis_offsets(&places, i, next - i, row);
        for (int64_t n = n0; n < n1; n += nr) {
            const int64_t columns = cx_min(n1 - n, nr);
            for (int64_t c = 0; c < columns; ++c) column[c] = (n + c) * conv->w.out;
            const int64_t at = (i - c0 * taps) * ld + n - n0;
            j->kernels->gemm.scatter(cx_at(sums, at, j->size), ld, result, row, next - i, column, columns);
        }
    }
}

static void band_task(void *context, int64_t index, int worker) {
    const band_job *j = context;
    const cx_conv *conv = j->conv;
    const band_cut *cut = j->cut;
    const cx_kernels *kernels = j->kernels;
    const int64_t group = index / cut->c_tasks / cut->n_tasks, c_task = index / cut->n_tasks % cut->c_tasks;
    const int64_t c0 = cx_share_begin(conv->in_channels, cut->c_tasks, c_task);
    const int64_t c1 = cx_share_begin(conv->in_channels, cut->c_tasks, c_task + 1);
    const int64_t units = cx_ceil_div(conv->out_channels, cut->unit), n_task = index % cut->n_tasks;
    const int64_t n0 = cx_share_begin(units, cut->n_tasks, n_task) * cut->unit;
    const int64_t n1 = cx_min(cx_share_begin(units, cut->n_tasks, n_task + 1) * cut->unit, conv->out_channels);
    if (c0 == c1 || n0 >= n1) return;
    char *b = j->scratch + (size_t)worker * j->thread_bytes, *band = b + cut->b_bytes, *sums = band + cut->band_bytes;
    int64_t *offsets = (int64_t *)(void *)(sums + cut->sums_bytes);
    const void *y = cx_at(j->tensors->y, group * conv->out_channels * conv->y.channel, j->size);
    const int64_t taps = conv->kernel[2], nr = kernels->gemm.nr, ld = cx_round_up(n1 - n0, kernels->lanes);
    const int64_t grid_rows = conv->batch * conv->out[0] * conv->out[1];
    cx_patches patches;
    cx_gemm_weight_patches(conv, j->tensors->x, group, j->size, &patches);

    for (int64_t row = 0; row < grid_rows; row += cut->rows)
        for (int64_t part = 0; part < cut->parts; ++part) {
            const int64_t rows = cx_min(cut->rows, grid_rows - row), from = part * cut->width;
            const int64_t width = cx_min(cut->width, conv->out[2] - from), pixel = row * conv->out[2] + from;
            const int64_t line = cx_band_line(&patches, CX_TAPS_FASTEST, width), count = rows * width;
            pack_columns(j, y, pixel, count, n0, n1, offsets, b);
            for (int64_t c = c0, next; c < c1; c = next) {
                next = cx_min(c + cut->channels, c1);
                const int64_t lines = (next - c) * cut->lines, k = lines * taps;
                for (int64_t r = 0; r < rows; ++r)
                    cx_band_copy(&patches, CX_TAPS_FASTEST, j->size, pixel + r * conv->out[2], width,
                                 c * cut->lines * taps, k, cx_at_mut(band, r * lines * line, j->size));
                const cx_gemm_stack stack = {.k = count,
                                             .run = width,
                                             .jump = rows > 1 ? lines * line - width * conv->stride[2] : 0,
                                             .a_row = 1,
                                             .a_col = conv->stride[2],
                                             .a_next = 1,
                                             .c_row = ld,
                                             .start = pixel == 0 ? CX_START_ZERO : CX_START_RESULT};
                for (int64_t n = n0, step; n < n1; n += step) {
                    step = cx_gemm_step(kernels, n1 - n);
                    for (int64_t l = 0; l < lines; ++l) {
                        const int64_t to = ((c - c0) * cut->lines + l) * taps * ld + n - n0;
                        cx_gemm_run_stack(kernels, stack, taps, step, cx_at(band, l * line, j->size),
                                          cx_at(b, (n - n0) * count, j->size), nr * count, cx_at_mut(sums, to, j->size),
                                          NULL);
                    }
                }
            }
        }
    store_sums(j, sums, ld, cx_at_mut(j->tensors->result, group * conv->out_channels * conv->w.out, j->size), c0, c1,
               n0, n1);
}

/* Cycles for each pixel and tap of a row, of all columns: short tiles leave FMA latency uncovered. */
static double row_of_taps_cost(const cx_conv *conv, const cx_kernels *kernels) {
    const double pace = cx_vector_pace(kernels), least = 8 / pace; /* chains */
    const int64_t taps = conv->kernel[2], nv = kernels->gemm.nv, mr = kernels->gemm.mr;
    const double vectors = cx_gemm_vectors_of(kernels, conv->out_channels);
    double cost = 0;
    for (int64_t v = 0; (double)v < vectors; v += nv) {
        const double width = vectors - (double)v < (double)nv ? vectors - (double)v : (double)nv;
        const int64_t most = width <= 1 ? kernels->gemm.narrow_mr : mr, tiles = cx_ceil_div(taps, most);
        const double chains = width * (double)taps / (double)tiles;
        cost += (double)tiles * (chains > least ? chains : least) / 2 * pace;
    }
    return cost;
}

bool cx_gemm_weight_band_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision) {
    band_cut cut;
    decision->reason = band_cut_make(conv, kernels, 1, &cut);
    if (decision->reason) return false;
    const double rows = (double)conv->batch * (double)conv->out[0] * (double)conv->out[1];
    const double k = rows * (double)conv->out[2], lines = (double)(conv->in_channels * cut.lines);
    const double n = (double)conv->out_channels, m = lines * (double)conv->kernel[2];
    const double packed = conv->y.channel == 1 ? CX_COST_COPY_RUN : CX_COST_TRANSPOSE;
    const double bands = rows * (double)cut.parts * lines * ((double)cut.line * CX_COST_BAND + CX_COST_BAND_LINE);
    const double cost = k * lines * row_of_taps_cost(conv, kernels) / 0.95 + bands +
                        (double)cut.c_tasks * n * k * packed + m * n * CX_COST_STORE_ACROSS;
    decision->cost = (cost + CX_COST_GROUP) * (double)conv->groups;
    decision->threads = cx_threads_for(decision->cost, threads);
    if (decision->threads > 1 && band_cut_make(conv, kernels, decision->threads, &cut)) return false;
    decision->thread_bytes = cut.b_bytes + cut.band_bytes + cut.sums_bytes + cut.offset_bytes;
    decision->shared_bytes = decision->packed_bytes = 0;
    decision->reason = "rows of taps";
    return true;
}

void cx_gemm_weight_band_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                             const cx_tensors *tensors, void *workspace) {
    band_cut cut;
    if (band_cut_make(conv, kernels, decision->threads, &cut)) return;
    band_job j = {.kernels = kernels,
                  .conv = conv,
                  .tensors = tensors,
                  .cut = &cut,
                  .size = cx_dtype_size(kernels->dtype),
                  .thread_bytes = decision->thread_bytes,
                  .scratch = workspace};
    cx_parallel_in_turns(conv->groups * cut.c_tasks * cut.n_tasks, decision->threads, band_task, &j);
}
