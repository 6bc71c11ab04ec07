/*
 * The weight gradient by Winograd's method: each tile of output gradients is a small filter that slides over its patch
 * of the input, F(taps, outputs of a tile), and the sum over all tiles is taken at the points, before the transform
 * back: one matrix product a point, of output gradients by patches, summed over tiles.
 *
 * Tiles are worked on in blocks that stay in the last cache. First, pieces of a row of tiles are copied with channels
 * side by side and transformed; then each task multiplies its share of the filters at all points. The sum over tiles is
 * one chain of FMAs in ascending order for each filter and point, whatever the blocks or threads.
 */
#include <string.h>

#include "algo/conv_gemm.h"
#include "algo/winograd.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"
#include "gemm/stack.h"

#define PIECE       8   /* tiles transformed at a time */
#define MOST_TILES  256 /* of a block: a panel of them fits the first cache */
#define SHARE_L2    8   /* second-level caches that a block may fill */
#define TASK_PANELS 4   /* of input channels, that a task multiplies */
#define TASK_TILES  4   /* by as many of output channels, at most */

typedef struct layer {
    cx_winograd_grid grid;    /* of the output gradients */
    cx_winograd_axis back[2]; /* the grid's axes with taps and outputs exchanged */
    int points;
    size_t size;
    int64_t rows, pieces;                 /* rows of tiles and pieces of all images and phases */
    int64_t row_pieces;                   /* pieces of a row */
    int64_t block_pieces, block_tiles;    /* at most */
    int64_t x_channels, y_channels;       /* in whole vectors */
    int64_t panels, panel_step, x_point;  /* of transformed patches: for all depth taps; steps */
    int64_t y_point;                      /* of transformed gradients */
    int64_t co_tiles, co_tasks, ci_tasks; /* tiles of the micro-kernel */
    int64_t product_row, product_point;
    size_t x_bytes, y_bytes, product_bytes, strip_bytes;
} layer;

typedef struct job {
    const layer *l;
    const cx_conv *conv;
    const cx_kernels *kernels;
    const char *x, *y; /* of the group */
    char *result;
    char *x_values, *y_values, *products, *scratch;
    size_t thread_bytes;
    unsigned char *not_finite;
    int64_t first_piece, last_piece; /* of the block */
} job;

/* ---- Set-up ---------------------------------------------------------------------------------------------------- */

static int64_t piece_tiles(const layer *l, int64_t piece) {
    return cx_min(PIECE, l->grid.tiles[1] - piece % l->row_pieces * PIECE);
}

static int64_t first_tile(const layer *l, int64_t piece) {
    return piece / l->row_pieces * l->grid.tiles[1] + piece % l->row_pieces * PIECE;
}

static const char *set_grid(const cx_conv *conv, int outputs, layer *l) {
    cx_winograd_grid *grid = &l->grid;
    for (int d = 0; d < 3; ++d) grid->places[d] = conv->out[d];
    for (int d = 0; d < 2; ++d) {
        cx_winograd_axis *axis = &grid->axis[d];
        const int64_t dilation = conv->dilation[d + 1];
        const char *reason = cx_winograd_set_axis(conv->stride[d + 1], conv->kernel[d + 1], dilation, outputs, axis);
        if (reason) return reason;
        l->back[d] = (cx_winograd_axis){axis->outputs, axis->taps, axis->points};
        cx_winograd_cut(grid, d, dilation);
    }
    l->rows = conv->batch * conv->out[0] * grid->phases[0] * grid->phases[1] * grid->tiles[0];
    l->points = cx_winograd_points(grid);
    return l->points == 1 ? "needs 3, 5 or 7 taps" : NULL;
}

/* How the filters' products are cut into tasks. */
static void cut_products(const cx_conv *conv, const cx_kernels *kernels, int threads, layer *l) {
    l->co_tiles = cx_ceil_div(conv->out_channels, kernels->gemm.mr);
    l->ci_tasks = cx_ceil_div(l->panels, TASK_PANELS);
    l->co_tasks = cx_ceil_div(l->co_tiles, TASK_TILES);
    while (l->co_tasks < l->co_tiles && l->co_tasks * l->ci_tasks < 4 * threads && l->co_tasks * l->ci_tasks % threads)
        ++l->co_tasks;
}

static const char *set_up(const cx_conv *conv, const cx_kernels *kernels, int outputs, int threads, layer *l) {
    *l = (layer){.size = cx_dtype_size(kernels->dtype)};
    const char *reason = set_grid(conv, outputs, l);
    if (reason) return reason;
    const int64_t nr = kernels->gemm.nr, lanes = kernels->lanes;
    l->row_pieces = cx_ceil_div(l->grid.tiles[1], PIECE);
    l->pieces = l->rows * l->row_pieces;
    l->x_channels = cx_round_up(conv->in_channels, lanes);
    l->y_channels = cx_round_up(conv->out_channels, lanes);
    l->panels = cx_ceil_div(conv->in_channels, nr) * conv->kernel[0];

    const int64_t tile_bytes = l->points * (l->panels * nr + l->y_channels) * (int64_t)l->size;
    const int64_t most = cx_min(MOST_TILES, SHARE_L2 * (int64_t)cx_cpu_get()->l2 / tile_bytes);
    const int64_t piece = cx_min(PIECE, l->grid.tiles[1]);
    l->block_pieces = cx_max(cx_min(most / piece, l->pieces), 1);
    l->block_tiles = l->block_pieces * piece;
    l->panel_step = l->block_tiles * nr;
    l->x_point = cx_odd_lines(l->panels * l->panel_step, l->size);
    l->y_point = cx_odd_lines(l->block_tiles * l->y_channels, l->size);
    l->x_bytes = cx_align_up((size_t)(l->points * l->x_point) * l->size);
    l->y_bytes = cx_align_up((size_t)(l->points * l->y_point) * l->size);

    cut_products(conv, kernels, threads, l);
    l->product_row = cx_min(l->panels, TASK_PANELS) * nr;
    l->product_point = cx_odd_lines(cx_ceil_div(l->co_tiles, l->co_tasks) * kernels->gemm.mr * l->product_row, l->size);
    l->product_bytes = cx_align_up((size_t)(l->points * l->product_point) * l->size);

    const cx_winograd_axis *a = l->grid.axis;
    const int64_t x_places = a[0].points * ((PIECE - 1) * a[1].outputs + a[1].points);
    const int64_t y_places = a[0].outputs * PIECE * a[1].outputs;
    l->strip_bytes = cx_align_up((size_t)cx_max(x_places * l->x_channels, y_places * l->y_channels) * l->size);
    return NULL;
}

static bool one_block(const layer *l) { return l->block_pieces >= l->pieces; }

/* ---- Strips ---------------------------------------------------------------------------------------------------- */

#define CHANNELS_AT_A_TIME 64

/* Channels of `count` places that lie `step` apart, side by side. */
static void copy_places(const job *j, const char *src, int64_t step, int64_t count, int64_t channel_stride,
                        int64_t channels, int64_t ld, char *dst) {
    const size_t size = j->l->size;
    int64_t place[(PIECE - 1) * CX_WINOGRAD_MAX_POINTS + CX_WINOGRAD_MAX_POINTS], channel[CHANNELS_AT_A_TIME];
    for (int64_t i = 0; i < count; ++i) place[i] = i * step;
    for (int64_t c = 0; c < channels; c += CHANNELS_AT_A_TIME) {
        const int64_t n = cx_min(channels - c, CHANNELS_AT_A_TIME);
        for (int64_t i = 0; i < n; ++i) channel[i] = (c + i) * channel_stride;
        j->kernels->gemm.pack_rows(src, place, count, channel, n, dst + (size_t)c * size, ld);
    }
}

/* Rows and columns of one plane of a tensor, from a place on and a gap apart, with its padding, as a strip. */
static void lay_strip(const job *j, const char *tensor, const cx_strides *stride, const int64_t extent[3],
                      convx_padding_mode mode, int64_t image, const int64_t place[3], int64_t rows, int64_t columns,
                      int64_t channels, int64_t ld, char *strip) {
    const size_t size = j->l->size, row_bytes = (size_t)(columns * ld) * size;
    const int64_t *gap = j->l->grid.gap, depth = cx_padded_index(place[0], extent[0], mode);
    const int64_t low = cx_min(cx_ceil_div(cx_max(-place[2], 0), gap[1]), columns);
    const int64_t high = cx_max(cx_min(cx_ceil_div(cx_max(extent[2] - place[2], 0), gap[1]), columns), low);
    for (int64_t r = 0; r < rows; ++r, strip += row_bytes) {
        const int64_t row = cx_padded_index(place[1] + r * gap[0], extent[1], mode);
        if (depth < 0 || row < 0) {
            memset(strip, 0, row_bytes);
            continue;
        }
        const char *line =
            cx_at(tensor, image * stride->batch + depth * stride->space[0] + row * stride->space[1], size);
        for (int64_t i = 0; i < columns; ++i) {
            char *to = strip + (size_t)(i * ld) * size;
            if (i == low && high > low) {
                copy_places(j, cx_at(line, (place[2] + low * gap[1]) * stride->space[2], size),
                            gap[1] * stride->space[2], high - low, stride->channel, channels, ld, to);
                i = high - 1;
                continue;
            }
            const int64_t column = cx_padded_index(place[2] + i * gap[1], extent[2], mode);
            if (column < 0)
                memset(to, 0, (size_t)ld * size);
            else
                copy_places(j, cx_at(line, column * stride->space[2], size), 0, 1, stride->channel, channels, ld, to);
        }
    }
}

/* One piece's patches for one depth tap, or, past the last tap, its output gradients. */
static void transform_piece(void *context, int64_t index, int worker) {
    const job *j = context;
    const layer *l = j->l;
    const cx_conv *conv = j->conv;
    const int64_t pieces = j->last_piece - j->first_piece, tap = index / pieces,
                  piece = j->first_piece + index % pieces;
    const cx_winograd_grid *grid = &l->grid;
    const int64_t row = piece / l->row_pieces, column = piece % l->row_pieces * PIECE, count = piece_tiles(l, piece);
    int64_t plane = row / grid->tiles[0], phase[2];
    for (int d = 1; d >= 0; --d) {
        phase[d] = plane % grid->phases[d];
        plane /= grid->phases[d];
    }
    const int64_t image = plane / conv->out[0], depth = plane % conv->out[0];
    const int64_t y = row % grid->tiles[0] * grid->axis[0].outputs * grid->gap[0] + phase[0];
    const int64_t x = column * grid->axis[1].outputs * grid->gap[1] + phase[1];
    const int64_t at = first_tile(l, piece) - first_tile(l, j->first_piece), nr = j->kernels->gemm.nr;
    char *strip_base = j->scratch + (size_t)worker * j->thread_bytes;
    cx_winograd_strip strip = {.base = strip_base, .tiles = count};
    if (tap < conv->kernel[0]) {
        const int64_t place[3] = {depth * conv->stride[0] - conv->pad[0] + tap * conv->dilation[0], y - conv->pad[1],
                                  x - conv->pad[2]};
        const int64_t columns = (count - 1) * grid->axis[1].outputs + grid->axis[1].points;
        lay_strip(j, j->x, &conv->x, conv->in, conv->padding_mode, image, place, grid->axis[0].points, columns,
                  conv->in_channels, l->x_channels, strip_base);
        strip.channels = strip.column_step = l->x_channels;
        strip.row_step = columns * l->x_channels;
        strip.tile_step = grid->axis[1].outputs * l->x_channels;
        const int64_t panel = l->panels / conv->kernel[0] * tap;
        j->kernels->winograd.strip(grid->axis, false, &strip,
                                   j->x_values + (size_t)(panel * l->panel_step + at * nr) * l->size, l->x_point, nr,
                                   nr, l->panel_step);
        return;
    }
    const int64_t place[3] = {depth, y, x}, columns = count * grid->axis[1].outputs;
    lay_strip(j, j->y, &conv->y, conv->out, CONVX_PAD_ZEROS, image, place, grid->axis[0].outputs, columns,
              conv->out_channels, l->y_channels, strip_base);
    strip.channels = strip.column_step = l->y_channels;
    strip.row_step = columns * l->y_channels;
    strip.tile_step = grid->axis[1].outputs * l->y_channels;
    j->kernels->winograd.strip(l->back, true, &strip, j->y_values + (size_t)(at * l->y_channels) * l->size, l->y_point,
                               l->y_channels, l->y_channels, 0);
}

/* ---- Products -------------------------------------------------------------------------------------------------- */

static void store_filters(const job *j, const char *products, int64_t o0, int64_t on, int64_t panel0, int64_t panels) {
    const layer *l = j->l;
    const cx_conv *conv = j->conv;
    const int64_t nr = j->kernels->gemm.nr, tap_panels = l->panels / conv->kernel[0];
    const int64_t taps[2] = {conv->w.space[1], conv->w.space[2]};
    for (int64_t o = 0; o < on; ++o)
        for (int64_t p = 0; p < panels; ++p) {
            const int64_t tap = (panel0 + p) / tap_panels, i = (panel0 + p) % tap_panels * nr;
            const int64_t offset = (o0 + o) * conv->w.out + i * conv->w.in + tap * conv->w.space[0];
            j->kernels->winograd.weights(l->back, products + (size_t)(o * l->product_row + p * nr) * l->size,
                                         l->product_point, cx_min(nr, conv->in_channels - i), taps, conv->w.in,
                                         cx_at_mut(j->result, offset, l->size), j->not_finite);
        }
}

static void multiply_task(void *context, int64_t index, int worker) {
    const job *j = context;
    const layer *l = j->l;
    const cx_gemm_kernels *g = &j->kernels->gemm;
    const size_t size = l->size;
    const int64_t o0 = l->co_tiles * (index / l->ci_tasks) / l->co_tasks * g->mr;
    const int64_t end = l->co_tiles * (index / l->ci_tasks + 1) / l->co_tasks * g->mr;
    const int64_t on = cx_min(end, j->conv->out_channels) - o0;
    const int64_t panel0 = index % l->ci_tasks * TASK_PANELS, panels = cx_min(TASK_PANELS, l->panels - panel0);
    const int64_t tiles =
        first_tile(l, j->last_piece - 1) + piece_tiles(l, j->last_piece - 1) - first_tile(l, j->first_piece);
    char *products = one_block(l) ? j->scratch + (size_t)worker * j->thread_bytes + l->strip_bytes
                                  : j->products + (size_t)index * l->product_bytes;
    const cx_gemm_stack stack = {.k = tiles,
                                 .run = tiles,
                                 .a_row = 1,
                                 .a_col = l->y_channels,
                                 .a_next = 1,
                                 .c_row = l->product_row,
                                 .start = j->first_piece == 0 ? CX_START_ZERO : CX_START_RESULT};
    for (int64_t p = 0; p < l->points; ++p) {
        const char *gradients = j->y_values + (size_t)(p * l->y_point + o0) * size;
        const char *patches = j->x_values + (size_t)(p * l->x_point + panel0 * l->panel_step) * size;
        char *to = products + (size_t)(p * l->product_point) * size;
        for (int64_t n = 0; n < panels; ++n)
            cx_gemm_run_stack(j->kernels, stack, on, g->nv, gradients, patches + (size_t)(n * l->panel_step) * size,
                              to + (size_t)(n * g->nr) * size, NULL);
    }
    if (j->last_piece == l->pieces) store_filters(j, products, o0, on, panel0, panels);
}

/* ---- The algorithm --------------------------------------------------------------------------------------------- */

/* Measured cycles of a vector. */
#define COST_CALL    9000.0
#define COST_COPY    5.0 /* of a place, into a strip */
#define COST_VALUES  6.0 /* at one point */
#define COST_PRODUCT 0.9 /* of the FMA peak that the micro-kernel reaches */
#define COST_RESULT  6.5 /* of a product, at one point */
#define COST_PASS    4.0 /* of a product that goes to memory and back, between blocks */

static double cost_of(const cx_conv *conv, const cx_kernels *kernels, const layer *l) {
    const double lanes = kernels->lanes, points = l->points, tiles = (double)(l->rows * l->grid.tiles[1]);
    const double x_vectors = (double)(l->x_channels * conv->kernel[0]) / lanes,
                 y_vectors = (double)l->y_channels / lanes;
    const double co = (double)conv->out_channels, products = co * (double)(l->panels * kernels->gemm.nv);
    const double blocks = (double)cx_ceil_div(l->pieces, l->block_pieces);
    const double outputs = l->grid.axis[0].outputs * l->grid.axis[1].outputs;
    const double transform = tiles * (x_vectors + y_vectors) * (points * COST_VALUES + 1.5 * outputs * COST_COPY);
    const double multiply = points * products * (tiles + 8) / (2 * COST_PRODUCT);
    return COST_CALL +
           (double)conv->groups * (transform + multiply + points * products * (COST_RESULT + (blocks - 1) * COST_PASS));
}

bool cx_winograd_weight_decide(const cx_conv *conv, const cx_kernels *kernels, int outputs, int threads,
                               cx_decision *decision) {
    layer l;
    decision->reason = set_up(conv, kernels, outputs, threads, &l);
    if (decision->reason) return false;
    decision->variant = outputs;
    decision->cost = cost_of(conv, kernels, &l);
    decision->threads = cx_threads_for(decision->cost, threads);
    if (decision->threads != threads) set_up(conv, kernels, outputs, decision->threads, &l);
    decision->shared_bytes = CX_ALIGNMENT + l.x_bytes + l.y_bytes;
    decision->thread_bytes = l.strip_bytes;
    if (one_block(&l))
        decision->thread_bytes += l.product_bytes;
    else
        decision->shared_bytes += (size_t)(l.co_tasks * l.ci_tasks) * l.product_bytes;
    decision->reason = "transformed tiles of a block are shared by the threads";
    return true;
}

void cx_winograd_weight_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                            const cx_tensors *tensors, void *workspace) {
    layer l;
    if (set_up(conv, kernels, decision->variant, decision->threads, &l)) return;
    char *shared = workspace;
    job j = {
        .l = &l,
        .conv = conv,
        .kernels = kernels,
        .not_finite = (unsigned char *)shared,
        .x_values = shared + CX_ALIGNMENT,
        .y_values = shared + CX_ALIGNMENT + l.x_bytes,
        .products = shared + CX_ALIGNMENT + l.x_bytes + l.y_bytes,
        .scratch = shared + decision->shared_bytes,
        .thread_bytes = decision->thread_bytes,
    };
    *j.not_finite = 0;
    for (int64_t group = 0; group < conv->groups; ++group) {
        j.x = cx_at(tensors->x, group * conv->in_channels * conv->x.channel, l.size);
        j.y = cx_at(tensors->y, group * conv->out_channels * conv->y.channel, l.size);
        j.result = cx_at_mut(tensors->result, group * conv->out_channels * conv->w.out, l.size);
        for (j.first_piece = 0; j.first_piece < l.pieces; j.first_piece = j.last_piece) {
            j.last_piece = cx_min(j.first_piece + l.block_pieces, l.pieces);
            cx_parallel_for((j.last_piece - j.first_piece) * (conv->kernel[0] + 1), decision->threads, transform_piece,
                            &j);
            cx_parallel_for(l.co_tasks * l.ci_tasks, decision->threads, multiply_task, &j);
        }
    }
    /* a NaN or an infinity has spoiled sums that it is not part of */
    if (*j.not_finite) cx_winograd_redo(conv, kernels, decision->threads, tensors);
}
