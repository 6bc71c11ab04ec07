/*
 * Winograd's minimal filtering (Lavin and Gray 2016, "Fast algorithms for convolutional neural networks") for the
 * forward pass and the input gradient of layers with stride 1: whether it applies, how a layer is cut, and what it costs.
 * The sum over a third dimension's taps is part of the sum over channels.
 */
#include "algo/winograd.h"

#include "algo/conv_gemm.h"
#include "base/integer.h"
#include "base/memory.h"
#include "gemm/stack.h"

#define MOST_DILATION ((int64_t)1 << 40) /* places that a patch reaches then still fit 64 bits */
#define FEW_TILES     32 /* a block has at least about so many, though it leave the second-level cache */
#define FEW_PANELS    4  /* of tiles: these may be one block, shared */

/* ---- Set-up ---------------------------------------------------------------------------------------------------- */

const char *cx_winograd_set_axis(int64_t stride, int64_t taps, int64_t dilation, int outputs, cx_winograd_axis *axis) {
    *axis = (cx_winograd_axis){1, 1, 1};
    if (stride != 1) return "needs a stride of 1";
    if (taps == 1) return NULL;
    if (taps != 3 && taps != 5 && taps != 7) return "needs 3, 5 or 7 taps";
    if (dilation > MOST_DILATION) return "the dilation is too large";
    if (outputs + taps - 1 > CX_WINOGRAD_MAX_POINTS) return "tiles this large are only built for shorter kernels";
    *axis = (cx_winograd_axis){(int)taps, outputs, (int)taps + outputs - 1};
    return NULL;
}

int64_t cx_winograd_cut(cx_winograd_grid *grid, int d, int64_t dilation) {
    const int64_t places = grid->places[d + 1];
    grid->gap[d] = grid->axis[d].taps == 1 ? 1 : dilation;
    grid->phases[d] = cx_max(cx_min(grid->gap[d], places), 1);
    grid->tiles[d] = cx_ceil_div(cx_ceil_div(places, grid->gap[d]), grid->axis[d].outputs);
    return grid->phases[d] * grid->tiles[d];
}

/* Taps that run backwards through the source, as an input gradient's do, from their other end. */
static void turn_taps(cx_correlation *c) {
    for (int d = 1; d < 3; ++d) {
        if (c->tap_step[d] > 0 || c->taps[d] == 1) continue;
        const int64_t last = c->taps[d] - 1;
        c->origin[d] += last * c->tap_step[d];
        c->w_offset += last * c->w_tap[d];
        c->w_tap[d] = -c->w_tap[d];
        c->tap_step[d] = -c->tap_step[d];
    }
}

/* Measured cycles, by least squares over layers of 3 to 512 channels (Zen 3, AVX2, float32); within 15% on most. */
#define COST_CALL         3800.0
#define COST_SHARE        0.97 /* of the FMA peak that the micro-kernel reaches, with 8 more of the sum */
#define COST_SHARE_TILES  1.05
#define COST_INPUT        7.2 /* transforming a vector of channels, for each point */
#define COST_OUTPUT       4.1
#define COST_INPUT_DOWN   4.2 /* a vector of a row of pixels, for each row of points */
#define COST_INPUT_ACROSS 4.0 /* a vector of tiles, for each point */
#define COST_OUTPUT_TILES 2.0
#define COST_TILE         250.0 /* locating one, which few channels share */
#define COST_GAPS         220.0 /* of a channel's row of tiles whose places lie apart */
#define COST_RUN          23.0  /* of results: tiles that follow each other in a row, of one channel */
#define COST_FILTER       90.0  /* of a vector of them, and for each of its points */
#define COST_FILTER_POINT 1.8
#define COST_FILTER_PAIRS 76.0 /* the same of 64 bytes, whose rows are loaded in pairs */
#define COST_PAIRS_POINT  1.9
#define COST_BYTE         0.105 /* of transformed filters, each time that all tiles of a block have been served */
#define COST_BYTE_WIDE    0.065 /* on CPUs that load 64 bytes at once */
#define COST_BYTE_PATCHES 0.07  /* of transformed patches past the second-level cache, for each block of channels */
#define COST_BYTE_OUTSIDE 0.25  /* of any filters, where they do not stay in the last cache */

static bool few_tiles(const cx_winograd *w, const cx_kernels *kernels) {
    return w->tiles <= FEW_PANELS * kernels->gemm.nr;
}

/* Cycles of transforming a vector of filters, for each point. */
static double filters_cost(const cx_winograd *w, const cx_kernels *kernels) {
    if (cx_vector_bytes(kernels) == 64) return COST_FILTER_PAIRS / (double)w->points + COST_PAIRS_POINT;
    return COST_FILTER / (double)w->points + COST_FILTER_POINT;
}

static double byte_cost(const cx_kernels *kernels) {
    return cx_vectors_whole_512(kernels) ? COST_BYTE_WIDE : COST_BYTE;
}

/*
 * With few tiles there is a choice. Each thread transforms its own tiles, and all filters for them, which it need not
 * fetch from another's cache; or both are transformed once, and each thread takes some of the result's channels.
 */
static bool share_few(const cx_winograd *w, const cx_kernels *kernels, int threads) {
    const int64_t units = cx_ceil_div(w->tiles, w->variant & CX_WINOGRAD_CHANNELS ? 1 : kernels->lanes);
    if (threads == 1 || 4 * cx_round_up(units, threads) > 5 * units) return true;
    /* kept ones cost so little that half a vector more for one thread is worth sharing */
    const bool kept = w->variant & CX_WINOGRAD_KEPT;
    if (kept && 10 * (double)cx_round_up(units, threads) > 11 * cx_gemm_vectors_of(kernels, w->tiles)) return true;
    const double vectors = (double)cx_ceil_div(w->tiles, kernels->lanes), co = (double)w->c.co;
    const double filters =
        co * (kept ? (double)w->size * byte_cost(kernels) : filters_cost(w, kernels) / kernels->lanes);
    return 4 * (threads - 1) * filters > vectors * (COST_INPUT + co / 2) * cx_vector_pace(kernels);
}

static void set_blocks(cx_winograd *w, const cx_kernels *kernels) {
    const cx_gemm_kernels *g = &kernels->gemm;
    const bool channels = w->variant & CX_WINOGRAD_CHANNELS, shared = w->variant & CX_WINOGRAD_SHARED;
    const int64_t co_unit = channels ? g->nr : g->mr;
    w->tile_unit = channels ? 1 : shared ? g->nr : kernels->lanes;
    const int64_t size = (int64_t)w->size, l2 = (int64_t)cx_cpu_get()->l2;
    w->panel = co_unit;
    w->co_width = cx_round_up(w->c.co, co_unit);
    w->k_block = cx_even_part(w->k, 128, 8);
    w->co_block = cx_even_part(w->co_width, (channels ? 3 : 4) * co_unit, co_unit);
    const int64_t most = shared ? w->tiles : l2 / 2 / (w->points * w->k * size);
    const int64_t least = cx_round_up(FEW_TILES, channels ? g->mr : g->nr);
    w->block = cx_even_part(w->tiles, cx_min(cx_max(most, least), 4 * g->nr), w->tile_unit);
    if (shared) w->block = cx_round_up(cx_max(w->tiles, 1), w->tile_unit);
    if (channels) {
        w->input_row = cx_round_up(w->k, 16) + 16;
        w->input_point = cx_odd_lines(w->block * w->input_row, w->size);
        w->product_row = w->co_block;
        w->product_point = cx_odd_lines(w->block * w->product_row, w->size);
    } else {
        w->input_row = w->k * g->nr;
        w->input_point = cx_odd_lines(cx_ceil_div(w->block, g->nr) * w->input_row, w->size);
        w->product_row = w->block;
        w->product_point = cx_odd_lines(w->co_block * w->product_row, w->size);
    }
    w->input_bytes = cx_align_up((size_t)(w->points * w->input_point) * w->size);
    w->product_bytes = cx_align_up((size_t)(w->points * w->product_point) * w->size);
    w->filter_point = cx_odd_lines(w->co_block * w->k_block, w->size);
    w->filter_bytes = cx_align_up((size_t)(w->points * w->filter_point) * w->size);
    w->scratch_bytes =
        channels ? 0 : cx_align_up((size_t)cx_winograd_scratch(&w->grid, w->block, kernels->lanes) * w->size);
}

bool cx_winograd_set_up(const cx_conv *conv, const cx_kernels *kernels, int variant, int threads, cx_winograd *w,
                        const char **reason) {
    const int outputs = variant & CX_WINOGRAD_OUTPUTS;
    /* first what most layers fail at, of which nothing need be known */
    if (conv->pass == CONVX_FORWARD ? conv->stride[1] != 1 : cx_correlation_count(conv) != 1) {
        *reason = "needs a stride of 1";
        return false;
    }
    *w = (cx_winograd){.variant = variant, .size = cx_dtype_size(kernels->dtype)};
    cx_correlation *c = &w->c;
    cx_correlation_get(conv, 0, c);
    for (int d = 1; d < 3; ++d) {
        const int64_t dilation = c->tap_step[d] < 0 ? -c->tap_step[d] : c->tap_step[d];
        *reason = cx_winograd_set_axis(c->step[d], c->taps[d], dilation, outputs, &w->grid.axis[d - 1]);
        if (*reason) return false;
    }
    w->points = cx_winograd_points(&w->grid);
    if (w->points == 1) {
        *reason = "needs 3, 5 or 7 taps";
        return false;
    }
    if (c->taps[0] == 0) {
        *reason = "no tap meets a place";
        return false;
    }
    turn_taps(c);
    for (int d = 0; d < 3; ++d) w->grid.places[d] = c->grid[d];
    w->tiles = c->batch * c->grid[0];
    for (int d = 0; d < 2; ++d) w->tiles *= cx_winograd_cut(&w->grid, d, c->tap_step[d + 1]);
    w->k = c->ci * c->taps[0];
    if (threads > 0 && few_tiles(w, kernels)) {
        if (!(variant & CX_WINOGRAD_KEPT)) w->variant |= CX_WINOGRAD_ON_THE_WAY;
        if (share_few(w, kernels, threads)) w->variant |= CX_WINOGRAD_SHARED;
    }
    set_blocks(w, kernels);
    return true;
}

/* ---- Decision -------------------------------------------------------------------------------------------------- */

static double cost_of(const cx_winograd *w, const cx_kernels *kernels, bool kept) {
    const cx_gemm_kernels *g = &kernels->gemm;
    const bool channels = w->variant & CX_WINOGRAD_CHANNELS;
    const double points = w->points, k = (double)w->k, tiles = (double)w->tiles;
    const int64_t vectors = cx_ceil_div(channels ? w->c.co : w->tiles, kernels->lanes);
    const double columns = cx_gemm_vectors_of(kernels, channels ? w->c.co : w->tiles);
    const double rows = channels ? tiles : (double)w->c.co, least_rows = 8.0 / g->nv;
    const double pace = cx_vector_pace(kernels),
                 moves = 0.5 + pace / 2; /* halves of vectors are loaded and stored in one */
    double cost = points * columns * (rows < least_rows ? least_rows : rows) * (k + 8) /
                  (2 * (channels ? COST_SHARE : COST_SHARE_TILES)) * pace;
    if (channels) {
        const double inputs = tiles * (double)cx_ceil_div(w->k, kernels->lanes), outputs = tiles * (double)vectors;
        cost += points * (inputs * COST_INPUT + outputs * COST_OUTPUT) * pace;
    } else {
        const cx_winograd_axis *columns = &w->grid.axis[1];
        const double runs = (double)(w->tiles / w->grid.tiles[1]), co = (double)w->c.co;
        const int64_t places = (w->grid.tiles[1] - 1) * columns->outputs + columns->points;
        const double down = runs * (double)(cx_ceil_div(places, kernels->lanes) * w->grid.axis[0].points);
        cost += k * (down * COST_INPUT_DOWN + points * (double)vectors * COST_INPUT_ACROSS) * moves;
        cost += co * (points * (double)vectors * COST_OUTPUT_TILES * pace + runs * COST_RUN) + tiles * COST_TILE;
        if (w->grid.gap[1] > 1) cost += k * runs * COST_GAPS;
        /* of a panel that is not full, only some vectors are read */
        const int64_t block = cx_min(w->block, w->tiles);
        const double read = (double)cx_round_up(block, kernels->lanes) / (double)cx_round_up(block, g->nr);
        const double patches = (double)w->input_bytes * read;
        if (patches > (double)cx_cpu_get()->l2)
            cost += patches * (double)cx_ceil_div(w->co_width, w->co_block) * COST_BYTE_PATCHES;
    }
    if (!kept) {
        const double filters = (double)w->co_width / (double)kernels->lanes;
        const double bytes = k * (double)(w->c.co * w->c.taps[1] * w->c.taps[2]) * (double)w->size;
        cost += points * k * filters * filters_cost(w, kernels);
        if (bytes > (double)cx_cpu_get()->l3 / 2) cost += bytes * COST_BYTE_OUTSIDE;
    }
    if (!(w->variant & CX_WINOGRAD_ON_THE_WAY)) {
        const double bytes = (double)cx_winograd_filter_bytes(w) / (double)w->c.groups;
        /* kept filters are read as one stream, which is as fast from memory */
        const bool outside = !kept && bytes > (double)cx_cpu_get()->l3 / 2;
        const int64_t blocks = few_tiles(w, kernels) ? 1 : cx_ceil_div(w->tiles, w->block); /* for any threads */
        cost += bytes * (double)blocks * (outside ? COST_BYTE_OUTSIDE : byte_cost(kernels));
    }
    return COST_CALL + (double)w->c.groups * cost;
}

/* Not less exact than F(4x4, 3x3): then auto may take it. */
static bool exact_enough(const int64_t taps[3], int outputs) {
    const bool plane = taps[1] > 1 && taps[2] > 1;
    return plane ? outputs + cx_max(taps[1], taps[2]) - 1 <= 6 : outputs <= 4;
}

static bool decide(const cx_conv *conv, const cx_kernels *kernels, int outputs, int threads, bool kept,
                   cx_decision *decision) {
    cx_winograd w;
    const bool forward = conv->pass == CONVX_FORWARD;
    const int64_t source = forward ? conv->x.channel : conv->y.channel;
    const int64_t result = forward ? conv->y.channel : conv->x.channel;
    const int64_t across = forward ? conv->y.space[2] : conv->x.space[2];
    decision->on_request = !exact_enough(conv->kernel, outputs);
    if (conv->pass == CONVX_WEIGHT_GRADIENT)
        return cx_winograd_weight_decide(conv, kernels, outputs, threads, decision);
    int variant = outputs | (kept ? CX_WINOGRAD_KEPT : 0);
    if (source == 1 && result == 1 && across != 1) variant |= CX_WINOGRAD_CHANNELS;
    if (!cx_winograd_set_up(conv, kernels, variant, threads, &w, &decision->reason)) return false;
    decision->cost = cost_of(&w, kernels, kept);
    decision->threads = cx_threads_for(decision->cost, threads);
    if (decision->threads != threads)
        cx_winograd_set_up(conv, kernels, variant, decision->threads, &w, &decision->reason);
    variant = decision->variant = w.variant;
    decision->packed_bytes = variant & CX_WINOGRAD_ON_THE_WAY ? 0 : cx_winograd_filter_bytes(&w);
    decision->thread_bytes = w.product_bytes + w.scratch_bytes;
    decision->shared_bytes = cx_align_up((size_t)conv->batch);
    if (variant & CX_WINOGRAD_SHARED)
        decision->shared_bytes += (size_t)w.c.groups * w.input_bytes;
    else
        decision->thread_bytes += w.input_bytes;
    if (variant & CX_WINOGRAD_ON_THE_WAY)
        decision->thread_bytes += w.filter_bytes;
    else if (!kept)
        decision->shared_bytes += decision->packed_bytes;
    static const char *const remarks[2][2] = {
        {"vectors along tiles", "vectors along tiles; transformed tiles fill more than the second-level cache"},
        {"vectors along channels", "vectors along channels; transformed tiles fill more than the second-level cache"}};
    const bool large = decision->thread_bytes + decision->shared_bytes - (kept ? 0 : decision->packed_bytes) >
                       (size_t)decision->threads * cx_cpu_get()->l2;
    decision->reason = remarks[(variant & CX_WINOGRAD_CHANNELS) != 0][large];
    return true;
}

/* Cycles, some 28 us: smaller layers are left to the algorithms whose sums of small integers are exact. */
#define AUTO_ABOVE  100e3
/* It rounds more than they do, most so where channels are few: a small gain is not worth that. */
#define AUTO_WEIGHT 1.15

static bool decide_2x2(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept, cx_decision *decision) {
    return decide(conv, kernels, 2, threads, kept, decision);
}

static bool decide_4x4(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept, cx_decision *decision) {
    return decide(conv, kernels, 4, threads, kept, decision);
}

static bool decide_6x6(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept, cx_decision *decision) {
    return decide(conv, kernels, 6, threads, kept, decision);
}

void cx_winograd_redo(const cx_conv *conv, const cx_kernels *kernels, int threads, const cx_tensors *tensors) {
    cx_tensors plain = *tensors;
    plain.packed = NULL;
    cx_decision decision = {0};
    void *workspace = NULL;
    if (cx_algorithm_gemm.decide(conv, kernels, threads, false, &decision))
        workspace = cx_scratch_acquire(decision.shared_bytes + (size_t)decision.threads * decision.thread_bytes);
    if (workspace) {
        cx_algorithm_gemm.run(conv, kernels, &decision, &plain, workspace);
        cx_scratch_release(workspace);
        return;
    }
    const cx_decision alone = {.threads = 1};
    cx_algorithm_reference.run(conv, kernels, &alone, &plain, NULL);
}

static void run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision, const cx_tensors *tensors,
                void *workspace) {
    if (conv->pass == CONVX_WEIGHT_GRADIENT)
        cx_winograd_weight_run(conv, kernels, decision, tensors, workspace);
    else
        cx_winograd_run(conv, kernels, decision, tensors, workspace);
}

static void pack(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision, const void *weights,
                 void *packed) {
    cx_winograd w;
    const char *reason;
    if (cx_winograd_set_up(conv, kernels, decision->variant, 0, &w, &reason))
        cx_winograd_pack(&w, kernels, decision->threads, weights, packed);
}

const cx_algorithm cx_algorithm_winograd_2x2 = {
    CONVX_ALGO_WINOGRAD_2X2, decide_2x2, run, pack, AUTO_ABOVE, AUTO_WEIGHT};
const cx_algorithm cx_algorithm_winograd_4x4 = {
    CONVX_ALGO_WINOGRAD_4X4, decide_4x4, run, pack, AUTO_ABOVE, AUTO_WEIGHT};
const cx_algorithm cx_algorithm_winograd_6x6 = {
    CONVX_ALGO_WINOGRAD_6X6, decide_6x6, run, pack, AUTO_ABOVE, AUTO_WEIGHT};
