/*
 * Input gradient of depthwise layers of stride 2, plane by plane: all four stride phases at once, so that source rows
 * are looked up once and result rows are stored whole. A unit of work is a block of rows of one plane of results.
 */
#include <string.h>

#include "algo/direct.h"
#include "algo/direct_planes.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

#define MOST_COLUMNS     32768 /* of a result row */
#define MOST_ROWS        64    /* of a unit */
#define SLOTS_BYTES      131072
#define MASKS_BYTES      65536
#define UNIT_CYCLES      20000 /* a larger plane is cut */
#define ACTIVATED_PLANES 4     /* computed before they are activated */

typedef struct setup {
    cx_correlation c; /* the first phase */
    cx_stencil_spread_phase row_phase[2], column_phase[2];
    cx_stencil_columns columns;
    cx_plane_rows rows;
    int64_t first, taps_h; /* source rows under rows 0 and 1 of the result */
    int64_t height, blocks, units;
    double plane_cycles;
} setup;

/* Source places under result places 0 and 1 of dimension d: [first, first + span). The phases differ in d only. */
static void phases_make(const cx_correlation *even, const cx_correlation *odd, int d, cx_stencil_spread_phase phase[2],
                        int64_t *first, int64_t *span) {
    const cx_correlation *c[2] = {even, odd};
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (int i = 0; i < 2; ++i) {
        if (c[i]->taps[d] == 0) continue;
        low = cx_min(low, c[i]->origin[d]);
        high = cx_max(high, c[i]->origin[d] + c[i]->taps[d]);
    }
    for (int i = 0; i < 2; ++i) {
        const bool any = c[i]->taps[d] > 0;
        phase[i] = (cx_stencil_spread_phase){.first = any ? c[i]->origin[d] - low : 0, .taps = c[i]->taps[d]};
    }
    *first = low;
    *span = high - low;
}

static int64_t table_rows(const setup *s, int64_t height) { return (height + 1) / 2 - 1 + s->taps_h; }

static bool setup_make(const cx_conv *conv, const cx_kernels *kernels, setup *s) {
    if (conv->pass != CONVX_INPUT_GRADIENT || conv->in_channels != 1 || conv->out_channels != 1) return false;
    if (conv->stride[0] != 1 || conv->stride[1] != 2 || conv->stride[2] != 2 || conv->kernel[0] != 1) return false;
    if (conv->dilation[1] != 1 || conv->dilation[2] != 1 || conv->in[1] < 2 || conv->in[2] < 2) return false;
    if (conv->kernel[1] > CX_PLANE_TAPS || conv->kernel[2] > CX_PLANE_TAPS || conv->in[2] > MOST_COLUMNS) return false;
    if (conv->x.space[2] != 1 || conv->padding_mode != CONVX_PAD_ZEROS) return false;
    if (conv->kernel[2] > 6 && conv->in[2] > 4 * kernels->lanes) return false; /* row buffers are faster there */
    cx_correlation *c = &s->c, column, row;
    cx_correlation_get_ascending(conv, 0, c);
    cx_correlation_get_ascending(conv, 1, &column);
    cx_correlation_get_ascending(conv, 2, &row);
    int64_t origin, span;
    phases_make(c, &column, 2, s->column_phase, &origin, &span);
    phases_make(c, &row, 1, s->row_phase, &s->first, &s->taps_h);
    const int64_t *k = conv->kernel, *w = conv->w.space;
    for (int i = 0; i < 2; ++i) {
        /* Of the taps of a parity, the last one meets the first source place. */
        const int64_t h0 = (i + conv->pad[1]) & 1, w0 = (i + conv->pad[2]) & 1;
        s->row_phase[i].weights = (h0 + 2 * cx_max(s->row_phase[i].taps - 1, 0)) * w[1];
        s->column_phase[i].weights = (w0 + 2 * cx_max(s->column_phase[i].taps - 1, 0)) * w[2];
    }
    const int lanes = kernels->lanes;
    s->columns = (cx_stencil_columns){
        .width = (conv->in[2] + 1) / 2, .origin = origin, .extent = c->extent[2], .step = 1, .taps = span};
    cx_columns_cut(&s->columns, lanes);
    if (cx_columns_masks_bytes(&s->columns, lanes, cx_dtype_size(c->dtype)) > MASKS_BYTES) return false;
    const double vectors = (double)cx_ceil_div(s->columns.width, lanes), height = (double)conv->in[1];
    s->plane_cycles = 60 + height +
                      vectors * height * cx_vector_pace(kernels) *
                          (4 + (double)(k[1] * k[2]) / 2 * (k[1] == 3 && k[2] == 3 ? 0.7 : 1.8));
    const int64_t parts = cx_min(1 + (int64_t)(s->plane_cycles / UNIT_CYCLES), conv->in[1]);
    s->height = cx_min(cx_round_up(cx_ceil_div(conv->in[1], parts), 4), MOST_ROWS);
    s->rows = (cx_plane_rows){.strides = c->src,
                              .planes = {c->batch, c->groups},
                              .extent = {c->extent[0], c->extent[1], c->extent[2]},
                              .first = origin,
                              .reach = cx_columns_reach(&s->columns, lanes)};
    if (!cx_plane_rows_make(&s->rows, c->dtype, table_rows(s, s->height))) return false;
    if (s->rows.slots * s->rows.slot * (int64_t)s->rows.size > SLOTS_BYTES) return false;
    s->blocks = cx_ceil_div(conv->in[1], s->height);
    s->units = c->batch * c->groups * conv->in[0] * s->blocks;
    return true;
}

typedef struct job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    const void *masks, *zeros;
    const setup *s;
    char *scratch;
    size_t thread_bytes;
    int64_t tasks;
} job;

static size_t masks_bytes(const setup *s, const cx_kernels *kernels) {
    return cx_align_up(cx_columns_masks_bytes(&s->columns, kernels->lanes, s->rows.size));
}
static size_t zeros_bytes(const setup *s) { return cx_align_up((size_t)s->rows.reach * s->rows.size); }
static size_t table_bytes(const setup *s) { return cx_align_up((size_t)table_rows(s, s->height) * sizeof(int64_t)); }
static size_t thread_bytes(const setup *s) {
    return 2 * table_bytes(s) + cx_align_up((size_t)(s->rows.slots * s->rows.slot) * s->rows.size);
}

static void activate_rows(const job *j, char *out, int64_t rows) {
    const cx_conv *conv = j->conv;
    for (int64_t r = 0; r < rows; ++r)
        j->kernels->activate(cx_at_mut(out, r * conv->x.space[1], j->s->rows.size), conv->in[2], conv->activation);
}

/* Units: blocks of rows fastest, then depths, channels, images. Where a plane is one unit, a call takes several. */
static void run_task(void *context, int64_t index, int worker) {
    static const double nothing = 0;
    const job *j = context;
    const setup *s = j->s;
    const cx_conv *conv = j->conv;
    const cx_correlation *c = &s->c;
    const size_t size = s->rows.size;
    char *memory = j->scratch + (size_t)worker * j->thread_bytes;
    const void **table = (const void **)memory;
    int64_t *advance = (int64_t *)(memory + table_bytes(s));
    void *slots = memory + 2 * table_bytes(s);
    cx_stencil_plane_spread args = {.columns = &s->columns,
                                    .masks = j->masks,
                                    .rows = table,
                                    .advance = advance,
                                    .row_phase = {s->row_phase[0], s->row_phase[1]},
                                    .column_phase = {s->column_phase[0], s->column_phase[1]},
                                    .start = &nothing,
                                    .weights_plane = c->w_group,
                                    .weights_row = -2 * conv->w.space[1],
                                    .weights_column = -2 * conv->w.space[2],
                                    .start_plane = j->tensors->bias ? 1 : 0,
                                    .out_plane = conv->x.channel,
                                    .out_row = conv->x.space[1],
                                    .width = conv->in[2],
                                    .out_dense = conv->x.space[1] == conv->in[2]};
    const bool whole = s->blocks == 1 && conv->in[0] == 1;
    const int64_t begin = cx_share_begin(s->units, j->tasks, index),
                  end = cx_share_begin(s->units, j->tasks, index + 1);
    for (int64_t unit = begin; unit < end; unit += whole ? args.planes : 1) {
        const int64_t row = unit % s->blocks * s->height, depth = unit / s->blocks % conv->in[0];
        const int64_t group = unit / s->blocks / conv->in[0] % c->groups,
                      image = unit / s->blocks / conv->in[0] / c->groups;
        const int64_t plane[3] = {image, group, depth + c->origin[0]};
        args.height = cx_min(s->height, conv->in[1] - row);
        args.count = table_rows(s, args.height);
        args.planes = cx_plane_rows_point(&s->rows, j->tensors->y, plane, row / 2 + s->first, args.count, j->zeros,
                                          slots, table, advance);
        args.planes = whole ? cx_min(args.planes, end - unit) : 1;
        if (c->activation != CONVX_ACT_NONE) args.planes = cx_min(args.planes, ACTIVATED_PLANES);
        args.weights = cx_at(j->tensors->w, group * c->w_group, size);
        if (j->tensors->bias) args.start = cx_at(j->tensors->bias, group, size);
        char *out = cx_at_mut(
            j->tensors->result,
            image * conv->x.batch + group * conv->x.channel + depth * conv->x.space[0] + row * conv->x.space[1], size);
        args.out = out;
        j->kernels->stencil.plane_spread(&args);
        if (c->activation != CONVX_ACT_NONE)
            for (int64_t p = 0; p < args.planes; ++p)
                activate_rows(j, out + p * conv->x.channel * (int64_t)size, args.height);
    }
}

bool cx_direct_plane_spread_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision) {
    setup s;
    if (!setup_make(conv, kernels, &s)) return false;
    decision->cost = 500 + (double)(s.units / s.blocks) * s.plane_cycles;
    decision->threads = cx_threads_for(decision->cost, threads);
    decision->shared_bytes = masks_bytes(&s, kernels) + zeros_bytes(&s);
    decision->thread_bytes = thread_bytes(&s);
    decision->packed_bytes = 0;
    return true;
}

void cx_direct_plane_spread_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
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
             .scratch = (char *)workspace + decision->shared_bytes,
             .thread_bytes = decision->thread_bytes};
    kernels->stencil.plane_masks(workspace, &s.columns);
    memset(zeros, 0, zeros_bytes(&s));
    j.tasks = cx_direct_task_count(s.units, decision->cost, decision->threads);
    cx_parallel_for(j.tasks, decision->threads, run_task, &j);
}
