/*
 * The weight gradient as one matrix product a group: grad_output (rows, read in place) times patches, with pixels of
 * the whole batch as the summed dimension. Threads share out the columns, never the sum, so the bits do not depend on
 * their number.
 */
#include "algo/conv_gemm.h"
#include "base/correlation.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

#define WAY_BAND 1 /* of a decision's variants */

typedef struct job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    size_t size, thread_bytes;
    char *scratch;
    cx_gemm_blocks blocks;
    int64_t n_tasks, m_tasks;
} job;

void cx_gemm_weight_patches(const cx_conv *conv, const void *x, int64_t group, size_t size, cx_patches *patches) {
    const cx_reach reach = cx_reach_of(&conv->x, conv->batch, conv->in_channels * conv->groups, conv->in);
    *patches = (cx_patches){
        .base = cx_at(x, group * conv->in_channels * conv->x.channel, size),
        .stride = conv->x,
        .channels = conv->in_channels,
        .mode = conv->padding_mode,
        .begin = cx_at(x, reach.low, size),
        .end = cx_at(x, reach.high + 1, size),
    };
    for (int d = 0; d < 3; ++d) {
        patches->extent[d] = conv->in[d];
        patches->grid[d] = conv->out[d];
        patches->step[d] = conv->stride[d];
        patches->origin[d] = -conv->pad[d];
        patches->taps[d] = conv->kernel[d];
        patches->tap_step[d] = conv->dilation[d];
    }
}

static void gemm_of(const job *j, int64_t group, cx_patches *patches, cx_gemm *gemm) {
    const cx_conv *conv = j->conv;
    cx_gemm_weight_patches(conv, j->tensors->x, group, j->size, patches);
    /*
     * side-by-side channels are copied as they are; otherwise the order of the weights lets rows of the result be
     * stored whole
     */
    const cx_patch_order order = conv->x.channel == 1 && conv->in_channels > 1 ? CX_CHANNELS_FASTEST : CX_TAPS_FASTEST;
    const int64_t *k = conv->kernel, *w = conv->w.space;
    const int64_t taps_extent[4] = {conv->in_channels, k[0], k[1], k[2]},
                  taps_stride[4] = {conv->w.in, w[0], w[1], w[2]};
    const int64_t channels_extent[4] = {k[0], k[1], k[2], conv->in_channels};
    const int64_t channels_stride[4] = {w[0], w[1], w[2], conv->w.in};
    *gemm = (cx_gemm){
        .m = conv->out_channels,
        .n = conv->in_channels * cx_count3(conv->kernel),
        .k = conv->batch * cx_count3(conv->out),
        .a = {.base = cx_at(j->tensors->y, group * conv->out_channels * conv->y.channel, j->size),
              .row = cx_axis_line(conv->out_channels, conv->y.channel)},
        .b = {.kind = CX_PANELS_PATCH_COLUMNS, .patches = patches, .order = order},
        .c = cx_at_mut(j->tensors->result, group * conv->out_channels * conv->w.out, j->size),
        .c_row = cx_axis_line(conv->out_channels, conv->w.out),
        .c_column = order == CX_TAPS_FASTEST ? cx_axis_make(taps_extent, taps_stride)
                                             : cx_axis_make(channels_extent, channels_stride),
        .activation = CONVX_ACT_NONE,
    };
    cx_pixel_axis(conv->batch, conv->out, &conv->y, &gemm->a.k);
    /* short affine runs would make short blocks of k */
    const cx_axis *pixels = &gemm->a.k;
    gemm->a.copy = pixels->digits > 1 && pixels->extent[pixels->digits - 1] < 32;
}

static cx_gemm_blocks blocks_of(const cx_kernels *kernels, const cx_gemm *gemm) {
    const cx_axis *pixels = &gemm->a.k;
    const int64_t run = pixels->digits > 1 && !gemm->a.copy ? pixels->extent[pixels->digits - 1] : gemm->k;
    return cx_gemm_blocks_for(kernels, gemm->m, gemm->n, run, gemm->a.copy);
}

static void cut_tasks(job *j, const cx_gemm *gemm, int threads) {
    const int64_t panels = cx_ceil_div(gemm->n, j->kernels->gemm.nr), tiles = cx_ceil_div(gemm->m, j->kernels->gemm.mr);
    const int64_t groups = j->conv->groups, wanted = 4 * threads;
    j->n_tasks = cx_ceil_div(gemm->n, j->blocks.nc);
    j->m_tasks = 1;
    if (threads == 1 || groups * j->n_tasks >= wanted) return;
    /* whole rounds of equal tasks */
    const int64_t most = cx_min(panels, cx_ceil_div(wanted, groups));
    j->n_tasks = most >= threads ? most / threads * threads : most;
    if (groups * j->n_tasks < threads) j->m_tasks = cx_min(tiles, cx_ceil_div(threads, groups * j->n_tasks));
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    const int64_t m_task = index % j->m_tasks, n_task = index / j->m_tasks % j->n_tasks;
    cx_patches patches;
    cx_gemm gemm;
    gemm_of(j, index / j->m_tasks / j->n_tasks, &patches, &gemm);
    const int64_t mr = j->kernels->gemm.mr, unit = cx_gemm_column_unit(j->kernels, gemm.n, j->n_tasks);
    const int64_t tiles = cx_ceil_div(gemm.m, mr), units = cx_ceil_div(gemm.n, unit);
    const int64_t m0 = cx_share_begin(tiles, j->m_tasks, m_task) * mr,
                  m1 = cx_min(cx_share_begin(tiles, j->m_tasks, m_task + 1) * mr, gemm.m);
    /* the larger shares first: who meets only small ones last waits least */
    const int64_t n0 = cx_share_begin(units, j->n_tasks, n_task) * unit,
                  n1 = cx_min(cx_share_begin(units, j->n_tasks, n_task + 1) * unit, gemm.n);
    cx_gemm_run(j->kernels, &gemm, j->blocks, m0, m1, n0, n1, j->scratch + (size_t)worker * j->thread_bytes);
}

bool cx_gemm_weight_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision) {
    const cx_tensors none = {0};
    const job j = {.kernels = kernels, .conv = conv, .tensors = &none, .size = cx_dtype_size(kernels->dtype)};
    cx_patches patches;
    cx_gemm gemm;
    gemm_of(&j, 0, &patches, &gemm);
    const double m = (double)gemm.m, n = (double)gemm.n, k = (double)gemm.k, lanes = kernels->lanes;
    const double padded = (double)(cx_ceil_div(gemm.n, kernels->lanes) * kernels->lanes);
    const double rows = gemm.m * kernels->gemm.nv < 8 ? 8.0 / kernels->gemm.nv : m;
    const double copy = gemm.b.order == CX_CHANNELS_FASTEST       ? CX_COST_COPY_RUN
                        : conv->x.space[2] * conv->stride[2] <= 2 ? CX_COST_TRANSPOSE
                                                                  : CX_COST_COPY_STRIDED;
    /* of short stretches of taps, pixels are transposed by whole vectors of their rows */
    const bool whole = copy == CX_COST_TRANSPOSE && conv->kernel[2] < cx_long_stretch(cx_vector_bytes(kernels));
    const double width = (double)conv->out[2],
                 copied = whole ? (double)cx_round_up(conv->out[2], kernels->lanes) : width;
    double cost =
        rows * padded * k / (2 * lanes * CX_COST_TILE_SHARE) * cx_vector_pace(kernels) + n * k * copied / width * copy;
    if (gemm.c_column.digits > 1 || cx_axis_step(&gemm.c_column) != 1) cost += m * n * CX_COST_SCATTER;
    const double stretches = k / (double)conv->out[2] + k / 128; /* of grid rows that are packed at a time */
    cost += (double)cx_ceil_div(gemm.n, kernels->gemm.nr) * stretches * CX_COST_LOCATE_ROW;
    decision->cost = (cost + CX_COST_GROUP) * (double)conv->groups;
    cx_decision band = {0};
    if (cx_gemm_weight_band_decide(conv, kernels, threads, &band) && band.cost < decision->cost) {
        *decision = band;
        decision->variant = WAY_BAND;
        return true;
    }
    decision->threads = cx_threads_for(decision->cost, threads);
    decision->thread_bytes = cx_align_up(cx_gemm_scratch(kernels, &gemm, blocks_of(kernels, &gemm)));
    decision->shared_bytes = 0;
    decision->packed_bytes = 0;
    decision->variant = 0;
    decision->reason = "columns of patches";
    return true;
}

void cx_gemm_weight_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                        const cx_tensors *tensors, void *workspace) {
    if (decision->variant == WAY_BAND) {
        cx_gemm_weight_band_run(conv, kernels, decision, tensors, workspace);
        return;
    }
    job j = {
        .kernels = kernels,
        .conv = conv,
        .tensors = tensors,
        .size = cx_dtype_size(kernels->dtype),
        .thread_bytes = decision->thread_bytes,
        .scratch = workspace,
    };
    cx_patches patches;
    cx_gemm gemm;
    gemm_of(&j, 0, &patches, &gemm);
    j.blocks = blocks_of(kernels, &gemm);
    cut_tasks(&j, &gemm, decision->threads);
    cx_parallel_in_turns(conv->groups * j.n_tasks * j.m_tasks, decision->threads, run_task, &j);
}
