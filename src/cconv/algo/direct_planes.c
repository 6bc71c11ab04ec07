/*
 * Depthwise layers, plane by plane: forward pass and input gradient of stride 1. A unit of work is a block of rows of
 * one plane of results.
 */
#include <string.h>

#include "algo/direct.h"
#include "algo/direct_planes.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

#define MOST_COLUMNS     32768  /* of a result row */
#define MOST_ROWS        64     /* of a unit */
#define SLOTS_BYTES      131072 /* of copied rows */
#define MASKS_BYTES      65536
#define UNIT_CYCLES      20000 /* a larger plane is cut */
#define ACTIVATED_PLANES 4     /* computed before they are activated */

typedef struct setup {
    cx_correlation c;
    cx_stencil_columns columns;
    cx_plane_rows rows;
    int64_t height, blocks; /* rows of a unit, units of a plane */
    int64_t units;
    double unit_cycles; /* of a whole plane */
} setup;

static int64_t table_rows(const cx_correlation *c, int64_t height) { return cx_source_span(c, 1, height, c->taps[1]); }

/* Cycles of one plane of results. */
static double plane_cycles(const setup *s, const cx_kernels *kernels) {
    const cx_correlation *c = &s->c;
    const int64_t row_vectors = cx_ceil_div(c->grid[2], kernels->lanes);
    const double vectors = (double)row_vectors * cx_vector_pace(kernels);
    const double taps = (double)c->taps[1] * (double)c->taps[2], height = (double)c->grid[1];
    /* under few long vectors a weight serves few sums */
    const bool small = taps <= 25;
    const double many = cx_vector_bytes(kernels) < 64 ? 0.9
                        : row_vectors == 1            ? (small ? 2.0 : 1.7)
                        : row_vectors == 2            ? (small ? 1.25 : 1.05)
                                                      : 0.8;
    const double each = c->step[2] == 2   ? (row_vectors == 1 ? 1.6 : 1.25)
                        : taps > 9        ? many
                        : c->taps[1] == 1 ? 0.5
                                          : 0.75;
    if (s->columns.joined) return 60 + vectors * (4 + taps * 2.5);
    return (c->grid[1] == 1 ? 40 : 60) + 1.5 * (double)table_rows(c, c->grid[1]) + vectors * height * (2 + taps * each);
}

/* With one row of taps, rows share no source: then those of some length are faster from row buffers. */
static bool row_buffers_serve(const cx_correlation *c, int lanes) {
    const int64_t vectors = c->grid[1] == 1 ? 64 : c->taps[2] <= 5 ? 16 : 4;
    return c->grid[2] > vectors * lanes;
}

static bool setup_make(const cx_conv *conv, const cx_kernels *kernels, setup *s) {
    if (conv->in_channels != 1 || conv->out_channels != 1 || conv->padding_mode != CONVX_PAD_ZEROS) return false;
    if (cx_correlation_count(conv) != 1) return false;
    cx_correlation *c = &s->c;
    cx_correlation_get_ascending(conv, 0, c);
    if (c->dst.space[2] != 1 || c->taps[0] != 1) return false;
    for (int d = 1; d < 3; ++d) {
        if (c->taps[d] < 1 || c->taps[d] > CX_PLANE_TAPS || c->step[d] > 2) return false;
        if (c->taps[d] > 1 && c->tap_step[d] != 1) return false;
    }
    const int64_t joined = cx_plane_rows_join(c, kernels->lanes);
    if (c->grid[2] > MOST_COLUMNS || (!joined && c->taps[1] == 1 && row_buffers_serve(c, kernels->lanes))) return false;
    const int lanes = kernels->lanes;
    s->columns = (cx_stencil_columns){.width = c->grid[2],
                                      .origin = c->origin[2],
                                      .extent = joined ? joined : c->extent[2],
                                      .joined = joined,
                                      .step = c->step[2],
                                      .taps = c->taps[2]};
    cx_columns_cut(&s->columns, lanes);
    if (cx_columns_masks_bytes(&s->columns, lanes, cx_dtype_size(c->dtype)) > MASKS_BYTES) return false;

    const double cycles = s->unit_cycles = plane_cycles(s, kernels);
    const int64_t parts = cx_min(1 + (int64_t)(cycles / UNIT_CYCLES), c->grid[1]);
    s->height = cx_max(cx_min(cx_round_up(cx_ceil_div(c->grid[1], parts), 4), MOST_ROWS), 4);
    s->rows = (cx_plane_rows){.strides = c->src,
                              .planes = {c->batch, c->groups},
                              .extent = {c->extent[0], c->extent[1], c->extent[2]},
                              .first = c->origin[2],
                              .reach = cx_columns_reach(&s->columns, lanes)};
    if (!cx_plane_rows_make(&s->rows, c->dtype, table_rows(c, s->height))) return false;
    if (s->rows.slots * s->rows.slot * (int64_t)s->rows.size > SLOTS_BYTES) return false;
    s->blocks = cx_ceil_div(c->grid[1], s->height);
    s->units = c->batch * c->groups * c->grid[0] * s->blocks;
    return true;
}

typedef struct job {
    const cx_kernels *kernels;
    const cx_tensors *tensors;
    const void *src, *masks, *zeros;
    const setup *s;
    char *scratch;
    size_t thread_bytes;
    int64_t tasks;
} job;

static size_t masks_bytes(const setup *s, const cx_kernels *kernels) {
    return cx_align_up(cx_columns_masks_bytes(&s->columns, kernels->lanes, s->rows.size));
}
static size_t zeros_bytes(const setup *s) { return cx_align_up((size_t)s->rows.reach * s->rows.size); }
static size_t table_bytes(const setup *s) {
    return cx_align_up((size_t)table_rows(&s->c, s->height) * sizeof(int64_t));
}
static size_t thread_bytes(const setup *s) {
    return 2 * table_bytes(s) + cx_align_up((size_t)(s->rows.slots * s->rows.slot) * s->rows.size);
}

static void activate_rows(const job *j, char *out, int64_t rows) {
    const cx_correlation *c = &j->s->c;
    if (c->dst.space[1] == c->grid[2]) {
        j->kernels->activate(out, rows * c->grid[2], c->activation);
        return;
    }
    for (int64_t r = 0; r < rows; ++r)
        j->kernels->activate(cx_at_mut(out, r * c->dst.space[1], j->s->rows.size), c->grid[2], c->activation);
}

/* Units: blocks of rows fastest, then depths, channels, images. Where a plane is one unit, a call takes several. */
static void run_task(void *context, int64_t index, int worker) {
    static const double nothing = 0;
    const job *j = context;
    const setup *s = j->s;
    const cx_correlation *c = &s->c;
    const size_t size = s->rows.size;
    char *memory = j->scratch + (size_t)worker * j->thread_bytes;
    const void **table = (const void **)memory;
    int64_t *advance = (int64_t *)(memory + table_bytes(s));
    void *slots = memory + 2 * table_bytes(s);
    cx_stencil_plane args = {.columns = &s->columns,
                             .masks = j->masks,
                             .rows = table,
                             .advance = advance,
                             .taps_h = c->taps[1],
                             .step = c->step[1],
                             .start = &nothing,
                             .weights_plane = c->w_group,
                             .weights_row = c->w_tap[1],
                             .weights_column = c->w_tap[2],
                             .start_plane = j->tensors->bias ? 1 : 0,
                             .out_plane = c->dst.channel,
                             .out_row = c->dst.space[1],
                             .out_dense = c->dst.space[1] == c->grid[2]};
    const bool whole = s->blocks == 1 && c->grid[0] == 1;
    const int64_t begin = cx_share_begin(s->units, j->tasks, index),
                  end = cx_share_begin(s->units, j->tasks, index + 1);
    for (int64_t unit = begin; unit < end; unit += whole ? args.planes : 1) {
        const int64_t row = unit % s->blocks * s->height, depth = unit / s->blocks % c->grid[0];
        const int64_t group = unit / s->blocks / c->grid[0] % c->groups,
                      image = unit / s->blocks / c->grid[0] / c->groups;
        const int64_t plane[3] = {image, group, depth * c->step[0] + c->origin[0]};
        args.height = cx_min(s->height, c->grid[1] - row);
        args.planes = cx_plane_rows_point(&s->rows, j->src, plane, row * c->step[1] + c->origin[1],
                                          table_rows(c, args.height), j->zeros, slots, table, advance);
        args.planes = whole ? cx_min(args.planes, end - unit) : 1;
        if (c->activation != CONVX_ACT_NONE) args.planes = cx_min(args.planes, ACTIVATED_PLANES);
        args.weights = cx_at(j->tensors->w, c->w_offset + group * c->w_group, size);
        if (j->tensors->bias) args.start = cx_at(j->tensors->bias, group, size);
        char *out = cx_at_mut(j->tensors->result,
                              c->dst_offset + image * c->dst.batch + group * c->dst.channel + depth * c->dst.space[0] +
                                  row * c->dst.space[1],
                              size);
        args.out = out;
        j->kernels->stencil.plane(&args);
        if (c->activation != CONVX_ACT_NONE)
            for (int64_t p = 0; p < args.planes; ++p)
                activate_rows(j, out + p * c->dst.channel * (int64_t)size, args.height);
    }
}

bool cx_direct_planes_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision) {
    setup s;
    if (!setup_make(conv, kernels, &s)) return false;
    const double planes = (double)s.units / (double)s.blocks;
    decision->cost = 400 + planes * s.unit_cycles;
    decision->threads = cx_threads_for(decision->cost, threads);
    decision->shared_bytes = masks_bytes(&s, kernels) + zeros_bytes(&s);
    decision->thread_bytes = thread_bytes(&s);
    decision->packed_bytes = 0;
    return true;
}

void cx_direct_planes_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                          const cx_tensors *tensors, void *workspace) {
    setup s;
    if (!setup_make(conv, kernels, &s)) return;
    char *zeros = (char *)workspace + masks_bytes(&s, kernels);
    job j = {.kernels = kernels,
             .tensors = tensors,
             .src = conv->pass == CONVX_FORWARD ? tensors->x : tensors->y,
             .masks = workspace,
             .zeros = zeros,
             .s = &s,
             .scratch = (char *)workspace + decision->shared_bytes,
             .thread_bytes = decision->thread_bytes};
    kernels->stencil.plane_masks(workspace, &s.columns);
    memset(zeros, 0, zeros_bytes(&s));
    j.tasks = cx_direct_task_count(s.units, decision->cost, decision->threads);
    cx_parallel_for(j.tasks, decision->threads, run_task, &j);
}
