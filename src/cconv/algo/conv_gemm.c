/*
 * Implicit GEMM for the forward pass and the input gradient: each correlation is one matrix product a group, in one of
 * two ways.
 *
 *   pixels    vectors run along pixels: weights (rows, in place where they are contiguous) times patches (panels).
 *             Stores rows of a channels-first result unconverted.
 *   channels  vectors run along result channels: patches (rows) times weights (panels, packed once for the run).
 *             Stores a channels-last result unconverted.
 *
 * Either way serves any strides; the cost decides. The matrix of all patches never exists: each thread packs a block of
 * it, bounded by the second-level cache (implicit im2col, after Chetlur et al. 2014, "cuDNN: Efficient primitives for
 * deep learning").
 */
#include "algo/conv_gemm_part.h"

#include "base/correlation.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"
#include "gemm/band.h"

#define MANY_CHANNELS 32

static cx_patches patches_of(const cx_correlation *c, const void *src, int64_t group, size_t size) {
    const int64_t channels = c->ci * c->groups;
    const cx_reach reach = cx_reach_of(&c->src, c->batch, channels, c->extent);
    cx_patches p = {
        .base = cx_at(src, group * c->ci * c->src.channel, size),
        .stride = c->src,
        .channels = c->ci,
        .mode = c->padding_mode,
        .begin = cx_at(src, reach.low, size),
        .end = cx_at(src, reach.high + 1, size),
    };
    for (int d = 0; d < 3; ++d) {
        p.extent[d] = c->extent[d];
        p.grid[d] = c->grid[d];
        p.step[d] = c->step[d];
        p.origin[d] = c->origin[d];
        p.taps[d] = c->taps[d];
        p.tap_step[d] = c->tap_step[d];
    }
    return p;
}

/* ---- One correlation, set up to run ---------------------------------------------------------------------------- */

typedef struct job {
    const cx_kernels *kernels;
    const cx_tensors *tensors;
    const void *src;
    size_t size, thread_bytes, gemm_bytes; /* the stage of twins follows the scratch of gemm */
    int variant;
    char *scratch;
    cx_gemm_part *parts;
    int count;
} job;

/*
 * Two phases of a stride of 2 in the last dimension are twins: they fill every row of the result between them. They are
 * computed side by side, some columns at a time, and joined as they are stored. Returns how many columns, 0: not so.
 */
static int64_t twin_chunk(const cx_conv *conv, const cx_kernels *kernels, int variant) {
    if (conv->pass != CONVX_INPUT_GRADIENT || (variant & CX_GEMM_WAY_CHANNELS)) return 0;
    if (conv->stride[2] != 2 || conv->in[2] < 2 || conv->x.space[2] != 1) return 0;
    const int64_t level = (int64_t)(cx_cpu_get()->l2 / cx_dtype_size(kernels->dtype));
    /* with rows of odd length, the twins' columns are the same only in whole rows */
    const int64_t unit = conv->in[2] % 2 ? (conv->in[2] + 1) / 2 : kernels->gemm.nr;
    const int64_t chunk = cx_max(level / 8 / conv->in_channels / unit, cx_ceil_div(2 * kernels->gemm.nr, unit)) * unit;
    return 2 * chunk * conv->in_channels <= level / 2 ? chunk : 0;
}

static size_t twin_stage(const cx_conv *conv, const cx_kernels *kernels, int variant) {
    const int64_t elements = 2 * twin_chunk(conv, kernels, variant) * conv->in_channels;
    return cx_align_up((size_t)elements * cx_dtype_size(kernels->dtype));
}

/* So many tasks a group, or a few more, so that each thread has as many of them; `most`: that there can be. */
static int64_t in_whole_rounds(int64_t tasks, int64_t most, int64_t groups, int threads) {
    enum { MANY_ROUNDS = 32 }; /* of which one more counts little */
    if (groups % threads == 0 || tasks >= MANY_ROUNDS * threads) return tasks;
    return cx_min(cx_ceil_div(tasks, threads) * threads, most);
}

/* Products of one column from which on a panel is a task long enough. */
#define LONG_PANEL 32768

/* How a product is cut among threads. Results do not depend on it. */
static void cut_tasks(cx_gemm_part *p, const cx_kernels *kernels, int threads) {
    const int64_t panels = cx_ceil_div(p->n, kernels->gemm.nr), tiles = cx_ceil_div(p->m, kernels->gemm.mr);
    const int64_t groups = p->c.groups, wanted = 4 * threads;
    p->n_tasks = cx_ceil_div(p->n, p->blocks.nc);
    p->m_tasks = 1;
    if (threads == 1) return;
    if (groups * p->n_tasks >= wanted || panels * groups >= 2 * wanted) {
        const bool few_long_panels = panels < 4 * wanted && p->m * p->k > LONG_PANEL;
        p->n_tasks = cx_max(p->n_tasks, cx_ceil_div(wanted, groups));
        p->n_tasks = groups == 1 && few_long_panels ? panels / threads * threads
                                                    : in_whole_rounds(p->n_tasks, panels, groups, threads);
    } else {
        p->m_tasks = cx_min(cx_max(tiles / 4, 1), cx_ceil_div(threads, groups));
        if (p->m_tasks == 1) p->n_tasks = cx_min(panels, cx_max(p->n_tasks, threads));
    }
}

/* Weights packed on the way, as columns: no two threads pack the same. Pixels are few. */
static void cut_tasks_by_columns(cx_gemm_part *p, const cx_kernels *kernels, int threads) {
    const int64_t panels = cx_ceil_div(p->n, kernels->gemm.nr);
    p->m_tasks = 1;
    p->n_tasks = cx_max(cx_ceil_div(p->n, p->blocks.nc), cx_min(panels, cx_ceil_div(threads, p->c.groups)));
}

/*
 * The same with rows and columns exchanged: packed panels are shared, so it is pixels (rows) that are cut; bands, of which tiles
 * end with the rows of the grid, between those.
 */
static void cut_tasks_by_rows(cx_gemm_part *p, const cx_kernels *kernels, int threads) {
    const int64_t panels = cx_ceil_div(p->n, kernels->gemm.nr), groups = p->c.groups, wanted = 4 * threads;
    int64_t units = cx_ceil_div(p->m, p->m_unit);
    p->n_tasks = 1;
    p->m_tasks = cx_ceil_div(p->m, p->blocks.mc);
    if (p->band && p->m > 0 && groups * (p->m / p->c.grid[2]) >= 2 * wanted) {
        p->m_unit = p->c.grid[2];
        units = p->m / p->m_unit;
        p->m_tasks = cx_ceil_div(units, CX_BAND_ROWS);
    }
    if (threads == 1) return;
    if (groups * p->m_tasks >= wanted || units * groups >= 2 * wanted) {
        p->m_tasks = cx_max(p->m_tasks, cx_ceil_div(wanted, groups));
        p->m_tasks = in_whole_rounds(p->m_tasks, units, groups, threads);
    } else {
        p->n_tasks = cx_min(panels, cx_ceil_div(threads, groups));
    }
}

/* One way, for a part that has been described. */
static void set_up(cx_gemm_part *p, const cx_kernels *kernels, int variant) {
    const cx_correlation *c = &p->c;
    const bool channels = variant & CX_GEMM_WAY_CHANNELS;
    p->band = false;
    p->form = cx_gemm_part_form(p, kernels, variant);
    p->m = channels ? p->pixels : c->co;
    p->n = channels ? c->co : p->pixels;
    p->blocks = cx_gemm_blocks_for(kernels, p->m, p->n, p->k, !channels && p->form == CX_GEMM_WEIGHTS_ON_THE_WAY);
    if (channels) {
        p->in_place = p->affine;
        if (!p->in_place) cx_gemm_patch_rows_cost(c, kernels, variant, &p->band);
        if (p->form == CX_GEMM_WEIGHTS_PACKED) p->blocks.nc = cx_round_up(p->n, kernels->gemm.nr);
    } else {
        p->in_place = p->affine && cx_axis_step(&p->pixel_rows) == 1;
    }
}

static void cut(cx_gemm_part *p, const cx_kernels *kernels, int variant, int threads) {
    const bool channels = variant & CX_GEMM_WAY_CHANNELS;
    p->chunk = 0;
    p->m_unit = kernels->gemm.mr;
    if (!channels)
        cut_tasks(p, kernels, threads);
    else if (p->form == CX_GEMM_WEIGHTS_PACKED)
        cut_tasks_by_rows(p, kernels, threads);
    else
        cut_tasks_by_columns(p, kernels, threads);
    const bool packed = channels && p->form == CX_GEMM_WEIGHTS_PACKED;
    p->unit = packed ? kernels->gemm.nr : cx_gemm_column_unit(kernels, p->n, p->n_tasks);
}

/* The place of the first pixel, where patches are in place. */
static const void *first_patch(const cx_correlation *c, const cx_patches *patches, size_t size) {
    int64_t start = 0;
    for (int d = 0; d < 3; ++d) start += c->origin[d] * c->src.space[d];
    return cx_at(patches->base, start, size);
}

/* Field by field: choosing an algorithm comes here for every kind of part. */
static void gemm_of(const job *j, const cx_gemm_part *p, int64_t group, const cx_patches *patches, cx_gemm *gemm) {
    const cx_correlation *c = &p->c;
    const bool packed = p->form == CX_GEMM_WEIGHTS_PACKED, channels = j->variant & CX_GEMM_WAY_CHANNELS;
    const void *bias = j->tensors->bias ? cx_at(j->tensors->bias, group * c->co, j->size) : NULL;
    const int64_t offset = group * (packed ? cx_packed_weights(c, j->kernels, channels) : c->w_group);
    const void *weights = cx_at(p->weights, offset, j->size);
    gemm->m = p->m;
    gemm->n = p->n;
    gemm->k = p->k;
    gemm->c = cx_at_mut(j->tensors->result, c->dst_offset + group * c->co * c->dst.channel, j->size);
    gemm->activation = c->activation;
    gemm->bias_rows = channels ? NULL : bias;
    gemm->bias_columns = channels ? bias : NULL;
    cx_gemm_rows *a = &gemm->a;
    cx_gemm_panels *b = &gemm->b;
    a->patches = b->patches = NULL;
    a->order = b->order = p->order;
    a->band = a->runs = a->copy = false;
    if (!channels) {
        cx_axis_set_line(&gemm->c_row, c->co, c->dst.channel);
        cx_pixel_axis(c->batch, c->grid, &c->dst, &gemm->c_column);
        a->base = weights;
        cx_axis_set_line(&a->row, c->co, packed ? p->k : c->w_co);
        if (packed)
            cx_axis_set_line(&a->k, p->k, 1);
        else
            a->k = p->weight_axis;
        a->runs = p->form == CX_GEMM_WEIGHTS_IN_PLACE && p->weight_axis.digits == 2;
        a->copy = p->form == CX_GEMM_WEIGHTS_ON_THE_WAY;
        if (p->in_place) {
            b->kind = CX_PANELS_MATRIX;
            b->base = first_patch(c, patches, j->size);
            cx_axis_set_line(&b->k, c->ci, c->src.channel);
            b->column = p->pixel_rows;
        } else {
            b->kind = CX_PANELS_PIXELS;
            b->patches = patches;
        }
        return;
    }
    cx_pixel_axis(c->batch, c->grid, &c->dst, &gemm->c_row);
    cx_axis_set_line(&gemm->c_column, c->co, c->dst.channel);
    if (p->in_place) {
        a->base = first_patch(c, patches, j->size);
        a->row = p->pixel_rows;
        cx_axis_set_line(&a->k, c->ci, c->src.channel);
        /* down its columns, a row wastes most of each line it reads, for every panel */
        a->copy = c->src.channel != 1 && c->co > 4 * j->kernels->gemm.nr;
    } else {
        a->patches = patches;
        a->band = p->band;
    }
    b->kind = packed ? CX_PANELS_PACKED : CX_PANELS_MATRIX;
    b->base = weights;
    if (!packed) {
        b->k = p->weight_axis;
        cx_axis_set_line(&b->column, c->co, c->w_co);
    }
}

/* Columns [n0, n1) of the even phase, and those of the odd phase that lie between them. */
static void run_twins(const job *j, const cx_gemm_part *even, int64_t group, int64_t m0, int64_t m1, int64_t n0,
                      int64_t n1, char *scratch) {
    const cx_kernels *kernels = j->kernels;
    const cx_gemm_part *twin[2] = {even, even + 1};
    const int64_t grid[2] = {even[0].c.grid[2], even[1].c.grid[2]}, chunk = even->chunk;
    const cx_strides *dst = &even->c.dst;
    char *stage = scratch + j->gemm_bytes, *half[2] = {stage, stage + (size_t)((m1 - m0) * chunk) * j->size};
    cx_axis rows;
    cx_pixel_axis(even->c.batch, (const int64_t[3]){even->c.grid[0], even->c.grid[1], 1}, dst, &rows);
    for (int64_t n = n0; n < n1; n += chunk) {
        const int64_t count = cx_min(n1 - n, chunk);
        for (int phase = 0; phase < 2; ++phase) {
            const cx_patches patches = patches_of(&twin[phase]->c, j->src, group, j->size);
            cx_gemm gemm;
            gemm_of(j, twin[phase], group, &patches, &gemm);
            const int64_t first = grid[phase] == grid[0] ? n : n / grid[0] * grid[1];
            const int64_t last = grid[phase] == grid[0] ? n + count : (n + count) / grid[0] * grid[1];
            gemm.c = cx_at_mut(half[phase], -(m0 * chunk + first), j->size);
            cx_axis_set_line(&gemm.c_row, gemm.m, chunk);
            cx_axis_set_line(&gemm.c_column, gemm.n, 1);
            cx_gemm_run(kernels, &gemm, twin[phase]->blocks, m0, m1, first, last, scratch);
        }
        const int64_t base = even->c.dst_offset + (group * even->c.co + m0) * dst->channel;
        for (int64_t done = 0, odd = 0; done < count;) { /* row by row of the grid */
            const int64_t row = (n + done) / grid[0], w = (n + done) % grid[0];
            const int64_t pairs = cx_min(count - done, grid[0] - w);
            const int64_t odds = cx_min(pairs, grid[1] - w);
            const int64_t at = base + cx_axis_offset(&rows, row) + 2 * w;
            kernels->stencil.join(cx_at_mut(j->tensors->result, at, j->size), dst->channel,
                                  half[0] + (size_t)done * j->size, half[1] + (size_t)odd * j->size, chunk, m1 - m0,
                                  pairs + odds);
            done += pairs;
            odd += odds;
        }
    }
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    int which = 0;
    while (which + 1 < j->count && index >= j->parts[which + 1].first_task) ++which;
    const cx_gemm_part *p = &j->parts[which];
    index -= p->first_task;
    /* threads keep to what they read of the weights, which is rows or columns */
    const bool channels = j->variant & CX_GEMM_WAY_CHANNELS;
    const int64_t m_task = channels ? index % p->m_tasks : index / p->n_tasks % p->m_tasks;
    const int64_t n_task = channels ? index / p->m_tasks % p->n_tasks : index % p->n_tasks;
    const int64_t group = index / p->m_tasks / p->n_tasks;
    const int64_t m_unit = p->m_unit, unit = p->unit;
    const int64_t m_units = cx_ceil_div(p->m, m_unit), units = cx_ceil_div(p->n, unit);
    const int64_t m0 = m_units * m_task / p->m_tasks * m_unit;
    const int64_t m1 = cx_min(m_units * (m_task + 1) / p->m_tasks * m_unit, p->m);
    const int64_t n0 = units * n_task / p->n_tasks * unit, n1 = cx_min(units * (n_task + 1) / p->n_tasks * unit, p->n);
    char *scratch = j->scratch + (size_t)worker * j->thread_bytes;
    if (p->chunk) {
        run_twins(j, p, group, m0, m1, n0, n1, scratch);
        return;
    }
    const cx_patches patches = patches_of(&p->c, j->src, group, j->size);
    cx_gemm gemm;
    gemm_of(j, p, group, &patches, &gemm);
    cx_gemm_run(j->kernels, &gemm, p->blocks, m0, m1, n0, n1, scratch);
}

/* ---- The algorithm --------------------------------------------------------------------------------------------- */

/* Workspace and packed weights of one way. */
static void book(const cx_conv *conv, const cx_kernels *kernels, int variant, cx_gemm_kinds *all,
                 cx_decision *decision) {
    const cx_tensors none = {0};
    const job j = {.kernels = kernels, .tensors = &none, .size = cx_dtype_size(kernels->dtype), .variant = variant};
    cx_patches patches = {0}; /* what they are counts only for bands */
    cx_gemm gemm;
    cx_gemm_part *const p = &all->p;
    size_t most = 0;
    int64_t packed = 0;
    for (int i = 0; i < all->count; ++i) {
        const int64_t times = cx_gemm_take_kind(all, i);
        set_up(p, kernels, variant);
        if (p->band) patches = patches_of(&p->c, NULL, 0, j.size);
        gemm_of(&j, p, 0, &patches, &gemm);
        const size_t bytes = cx_gemm_scratch(kernels, &gemm, p->blocks);
        if (bytes > most) most = bytes;
        if (p->form == CX_GEMM_WEIGHTS_PACKED)
            packed += times * p->c.groups * cx_packed_weights(&p->c, kernels, variant & CX_GEMM_WAY_CHANNELS);
    }
    decision->thread_bytes = cx_align_up(most) + twin_stage(conv, kernels, variant);
    decision->packed_bytes = packed ? cx_align_up((size_t)(packed + CX_PACK_SLACK) * j.size) : 0;
    decision->shared_bytes = variant & CX_GEMM_WEIGHTS_KEPT ? 0 : decision->packed_bytes;
}

/* Whether the phases of a stride would each read weights that the second-level cache does not hold. */
static bool phases_share_weights(const cx_conv *conv) {
    const int64_t weights = conv->in_channels * conv->out_channels * cx_count3(conv->kernel);
    if (weights * (int64_t)cx_dtype_size(conv->dtype) <= (int64_t)cx_cpu_get()->l2 / 2) return false;
    int64_t phases = 1; /* that have taps */
    for (int d = 0; d < 3; ++d) phases *= cx_min(cx_correlation_phases(conv, d), conv->kernel[d]);
    return conv->pass == CONVX_INPUT_GRADIENT && phases > 1;
}

static bool decide(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept, cx_decision *decision) {
    if (conv->pass == CONVX_WEIGHT_GRADIENT) return cx_gemm_weight_decide(conv, kernels, threads, decision);
    const cx_patch_order order = cx_gemm_order(conv);
    const int variant =
        (order == CX_CHANNELS_FASTEST ? CX_GEMM_CHANNELS_FASTEST : 0) | (kept ? CX_GEMM_WEIGHTS_KEPT : 0);
    cx_gemm_kinds all;
    double cost[2], spread;
    bool priced = false;
    cx_gemm_kinds_of(conv, order, &all);
    /* With many channels tiles are tall already: no need to compare. Spreading sums in another order, so it is chosen by
       one image, one thread and plain weights, whatever the call. */
    if (conv->pass == CONVX_INPUT_GRADIENT && conv->batch > 0 && conv->in_channels <= MANY_CHANNELS &&
        cx_gemm_spread_cost(conv, kernels, &spread)) {
        all.p.c.batch = 1;
        cx_gemm_costs(kernels, variant & ~CX_GEMM_WEIGHTS_KEPT, &all, cost);
        if (spread < cost[CX_GEMM_WAY_PIXELS] && spread < cost[CX_GEMM_WAY_CHANNELS]) {
            decision->variant = CX_GEMM_WAY_SPREAD;
            return cx_gemm_spread_decide(conv, kernels, threads, decision);
        }
        priced = conv->batch == 1 && !kept;
    }
    if (!priced) {
        all.p.c.batch = conv->batch;
        cx_gemm_costs(kernels, variant, &all, cost);
    }
    const int way = cost[CX_GEMM_WAY_CHANNELS] < cost[CX_GEMM_WAY_PIXELS] ? CX_GEMM_WAY_CHANNELS : CX_GEMM_WAY_PIXELS;
    decision->variant = variant | way | (phases_share_weights(conv) ? CX_GEMM_WEIGHTS_TOGETHER : 0);
    decision->cost = cost[way];
    decision->threads = cx_threads_for(decision->cost, threads);
    book(conv, kernels, decision->variant, &all, decision);
    decision->reason = way == CX_GEMM_WAY_PIXELS ? "vectors along pixels" : "vectors along channels";
    return true;
}

static void pack(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision, const void *weights,
                 void *packed) {
    char *at = packed;
    const size_t size = cx_dtype_size(kernels->dtype);
    const bool channels = decision->variant & CX_GEMM_WAY_CHANNELS;
    const cx_patch_order order = cx_gemm_order_of(decision->variant);
    const int64_t all = cx_correlation_count(conv);
    cx_correlation c[CX_GEMM_MAX_PARTS];
    cx_pack_part parts[CX_GEMM_MAX_PARTS];
    int count = 0;
    for (int64_t i = 0; i < all; ++i) {
        cx_gemm_part p;
        cx_correlation_get_ascending(conv, i, &p.c);
        cx_gemm_part_describe(&p, order);
        if (cx_gemm_part_form(&p, kernels, decision->variant) == CX_GEMM_WEIGHTS_PACKED) {
            c[count] = p.c;
            parts[count] = (cx_pack_part){&c[count], cx_at(weights, p.c.w_offset, size), at};
            at += (size_t)(p.c.groups * cx_packed_weights(&p.c, kernels, channels)) * size;
            ++count;
        }
        if (count == CX_GEMM_MAX_PARTS || i == all - 1) {
            cx_pack_weights(parts, count, kernels, channels, order, decision->threads);
            count = 0;
        }
    }
}

static void run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision, const cx_tensors *tensors,
                void *workspace) {
    if (conv->pass == CONVX_WEIGHT_GRADIENT) {
        cx_gemm_weight_run(conv, kernels, decision, tensors, workspace);
        return;
    }
    if (decision->variant & CX_GEMM_WAY_SPREAD) {
        cx_gemm_spread_run(conv, kernels, decision, tensors, workspace);
        return;
    }
    const size_t size = cx_dtype_size(kernels->dtype);
    const char *packed = tensors->packed;
    if (!packed && decision->packed_bytes) {
        pack(conv, kernels, decision, tensors->w, workspace);
        packed = workspace;
    }
    cx_gemm_part parts[CX_GEMM_MAX_PARTS];
    job j = {
        .kernels = kernels,
        .tensors = tensors,
        .src = conv->pass == CONVX_FORWARD ? tensors->x : tensors->y,
        .size = size,
        .thread_bytes = decision->thread_bytes,
        .gemm_bytes = decision->thread_bytes - twin_stage(conv, kernels, decision->variant),
        .variant = decision->variant,
        .scratch = (char *)workspace + decision->shared_bytes,
        .parts = parts,
    };
    const int64_t all = cx_correlation_count(conv), chunk = twin_chunk(conv, kernels, decision->variant);
    int64_t tasks = 0;
    for (int64_t i = 0; i < all; ++i) {
        cx_gemm_part *p = &parts[j.count];
        cx_correlation_get_ascending(conv, i, &p->c);
        cx_gemm_part_describe(p, cx_gemm_order_of(decision->variant));
        set_up(p, kernels, decision->variant);
        cut(p, kernels, decision->variant, decision->threads);
        if (p->form == CX_GEMM_WEIGHTS_PACKED) {
            p->weights = packed;
            packed +=
                (size_t)(p->c.groups * cx_packed_weights(&p->c, kernels, decision->variant & CX_GEMM_WAY_CHANNELS)) *
                size;
        } else {
            p->weights = cx_at(tensors->w, p->c.w_offset, size);
        }
        p->first_task = tasks;
        if (chunk) {
            p->blocks.nc = cx_min(p->blocks.nc, cx_round_up(chunk, kernels->gemm.nr));
            p->chunk = i % 2 == 0 ? chunk : 0;
            if (conv->in[2] % 2) p->unit = p->c.grid[2];
            const bool odd = i % 2; /* part of its twin's tasks */
            tasks += odd ? 0 : p->c.groups * p->n_tasks * p->m_tasks;
            ++j.count;
        } else if (p->m > 0 && p->n > 0) {
            tasks += p->c.groups * p->n_tasks * p->m_tasks;
            ++j.count;
        }
        if (tasks && (j.count == CX_GEMM_MAX_PARTS || i == all - 1)) {
            if (j.count == 1)
                cx_parallel_for(tasks, decision->threads, run_task, &j);
            else /* phases of a stride, of different sizes */
                cx_parallel_in_turns(tasks, decision->threads, run_task, &j);
            j.count = 0;
            tasks = 0;
        }
    }
}

const cx_algorithm cx_algorithm_gemm = {CONVX_ALGO_GEMM, decide, run, pack, CX_GEMM_CALL_COST, 1};
