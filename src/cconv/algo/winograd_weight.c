/*
 * The weight gradient by Winograd's method: each tile of output gradients is a small filter that slides over its patch
 * of the input, F(taps, outputs of a tile), and the sum over all tiles is taken at the points, before the transform
 * back: one matrix product a point, of output gradients by patches, summed over tiles.
 *
 * Pieces of a row of tiles are copied with channels side by side and transformed, then multiplied.
 *
 *   few filters   The tiles are slabs, a task each: its tiles and products stay in a thread's own second-level cache. The
 *                 slabs' products are added in their order.
 *   many          Tiles are worked on in blocks that stay in the last cache: all threads transform a block, then each
 *                 task multiplies its share of the filters at all points.
 *
 * The sum over the tiles of a slab, or of all, is one chain of FMAs in ascending order for each filter and point, whatever
 * the blocks or threads.
 */
#include <string.h>

#include "algo/conv_gemm.h"
#include "algo/winograd.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"
#include "gemm/stack.h"

#define PIECE         8   /* tiles transformed at a time */
#define MOST_TILES    256 /* of a block: a panel of them fits the first cache */
#define SHARE_L2      8   /* second-level caches that a block may fill */
#define TASK_PANELS   4   /* of input channels, that a task multiplies */
#define TASK_TILES    4   /* by as many of output channels, at most */
/* Slabs decide the order of a sum: nothing of the machine may count for them. */
#define SLAB_PRODUCTS 49152 /* at most */
#define SLAB_TILES    24    /* at least */
#define SLAB_VALUES   98304 /* of so many tiles, at most */
#define FEW_SLABS     4
#define MANY_SLABS    8 /* of small products */

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
    int64_t slabs;                        /* 1: none */
    int64_t co_tiles, co_tasks, ci_tasks; /* tiles of the micro-kernel */
    int64_t task_panels;
    int64_t product_row, product_point;
    size_t x_bytes, y_bytes, product_bytes, strip_bytes;
} layer;

/* Pieces from first to last, and their transformed patches and gradients. */
typedef struct block {
    int64_t first, last;
    char *x, *y;
} block;

typedef struct job {
    const layer *l;
    const cx_conv *conv;
    const cx_kernels *kernels;
    const char *x, *y; /* of the group */
    char *result;
    char *products, *scratch;
    size_t thread_bytes;
    unsigned char *not_finite;
    block shared; /* of all threads */
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

/* 1 where a slab would be too large, or too small. */
static int64_t slab_count(int64_t tiles, int64_t pieces, int64_t values, int64_t products) {
    if (products > SLAB_PRODUCTS || values * SLAB_TILES > SLAB_VALUES) return 1;
    const int64_t most = products * MANY_SLABS <= SLAB_PRODUCTS * FEW_SLABS ? MANY_SLABS : FEW_SLABS;
    return cx_max(cx_min(cx_min(tiles / SLAB_TILES, most), pieces), 1);
}

/* How the filters' products are cut into tasks. */
static void cut_products(const cx_conv *conv, const cx_kernels *kernels, int threads, layer *l) {
    l->co_tiles = cx_ceil_div(conv->out_channels, kernels->gemm.mr);
    l->task_panels = l->slabs > 1 ? l->panels : cx_min(l->panels, TASK_PANELS);
    l->ci_tasks = cx_ceil_div(l->panels, l->task_panels);
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

    const int64_t filters = cx_round_up(conv->out_channels, kernels->gemm.mr) * l->panels * nr;
    const int64_t values = l->points * (l->panels * nr + l->y_channels);
    l->slabs = slab_count(l->rows * l->grid.tiles[1], l->pieces, values, l->points * filters);
    const int64_t l2 = (int64_t)cx_cpu_get()->l2 / (int64_t)l->size;
    const int64_t most = cx_min(MOST_TILES, (l->slabs > 1 ? l2 : SHARE_L2 * l2) / values);
    const int64_t piece = cx_min(PIECE, l->grid.tiles[1]);
    l->block_pieces = cx_max(cx_min(most / piece, cx_ceil_div(l->pieces, l->slabs)), 1);
    l->block_tiles = l->block_pieces * piece;
    l->panel_step = l->block_tiles * nr;
    l->x_point = cx_odd_lines(l->panels * l->panel_step, l->size);
    l->y_point = cx_odd_lines(l->block_tiles * l->y_channels, l->size);
    l->x_bytes = cx_align_up((size_t)(l->points * l->x_point) * l->size);
    l->y_bytes = cx_align_up((size_t)(l->points * l->y_point) * l->size);

    cut_products(conv, kernels, threads, l);
    const int64_t task_tiles = l->slabs > 1 ? l->co_tiles : cx_ceil_div(l->co_tiles, l->co_tasks);
    /* of the last panel what is used, but depth taps have panels of their own */
    l->product_row = cx_min(l->task_panels * nr, conv->kernel[0] == 1 ? l->x_channels : l->panels * nr);
    l->product_point = cx_odd_lines(task_tiles * kernels->gemm.mr * l->product_row, l->size);
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

enum { LINE = 64 };

/* Channels lie far apart, where no prefetcher follows: the next row of them is fetched while one is copied. */
static void fetch_places(const char *src, size_t bytes, int64_t channel_bytes, int64_t channels) {
    for (int64_t c = 0; c < channels; ++c, src += channel_bytes)
        for (size_t at = 0; at < bytes; at += LINE) __builtin_prefetch(src + at);
}

/* Rows and columns of one plane of a tensor, from a place on and a gap apart, with its padding, as a strip. */
static void lay_strip(const job *j, const char *tensor, const cx_strides *stride, const int64_t extent[3],
                      convx_padding_mode mode, int64_t image, const int64_t place[3], int64_t rows, int64_t columns,
                      int64_t channels, int64_t ld, char *strip) {
    const size_t size = j->l->size, row_bytes = (size_t)(columns * ld) * size;
    const int64_t *gap = j->l->grid.gap, depth = cx_padded_index(place[0], extent[0], mode);
    const int64_t low = cx_min(cx_ceil_div(cx_max(-place[2], 0), gap[1]), columns);
    const int64_t high = cx_max(cx_min(cx_ceil_div(cx_max(extent[2] - place[2], 0), gap[1]), columns), low);
    const int64_t step = gap[1] * stride->space[2];
    const bool far =
        step == 1 && stride->channel > LINE && (size_t)(channels * stride->channel) * size > 4 * cx_cpu_get()->l2;
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
                const char *first = cx_at(line, (place[2] + low * gap[1]) * stride->space[2], size);
                if (far && r + 1 < rows && row + gap[0] < extent[1])
                    fetch_places(cx_at(first, gap[0] * stride->space[1], size), (size_t)(high - low) * size,
                                 stride->channel * (int64_t)size, channels);
                copy_places(j, first, step, high - low, stride->channel, channels, ld, to);
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
static void transform_piece(const job *j, const block *b, int64_t piece, int64_t tap, char *strip_base) {
    const layer *l = j->l;
    const cx_conv *conv = j->conv;
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
    const int64_t at = first_tile(l, piece) - first_tile(l, b->first), nr = j->kernels->gemm.nr;
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
                                   b->x + (size_t)(panel * l->panel_step + at * nr) * l->size, l->x_point, nr, nr,
                                   l->panel_step);
        return;
    }
    const int64_t place[3] = {depth, y, x}, columns = count * grid->axis[1].outputs;
    lay_strip(j, j->y, &conv->y, conv->out, CONVX_PAD_ZEROS, image, place, grid->axis[0].outputs, columns,
              conv->out_channels, l->y_channels, strip_base);
    strip.channels = strip.column_step = l->y_channels;
    strip.row_step = columns * l->y_channels;
    strip.tile_step = grid->axis[1].outputs * l->y_channels;
    j->kernels->winograd.strip(l->back, true, &strip, b->y + (size_t)(at * l->y_channels) * l->size, l->y_point,
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

/* Of a block's tiles, for output channels [o0, o0 + on) and panels from panel0 on. */
static void multiply(const job *j, const block *b, int64_t o0, int64_t on, int64_t panel0, int64_t panels,
                     cx_gemm_start start, char *products) {
    const layer *l = j->l;
    const cx_gemm_kernels *g = &j->kernels->gemm;
    const size_t size = l->size;
    const int64_t tap_panels = l->panels / j->conv->kernel[0];
    const int64_t tiles = first_tile(l, b->last - 1) + piece_tiles(l, b->last - 1) - first_tile(l, b->first);
    const cx_gemm_stack stack = {.k = tiles,
                                 .run = tiles,
                                 .a_row = 1,
                                 .a_col = l->y_channels,
                                 .a_next = 1,
                                 .c_row = l->product_row,
                                 .start = start};
    for (int64_t p = 0; p < l->points; ++p) {
        const char *gradients = b->y + (size_t)(p * l->y_point + o0) * size;
        const char *patches = b->x + (size_t)(p * l->x_point + panel0 * l->panel_step) * size;
        char *to = products + (size_t)(p * l->product_point) * size;
        for (int64_t n = 0, columns; n < panels; n += cx_ceil_div(columns, g->nr)) {
            const int64_t tap_panel = (panel0 + n) % tap_panels, most = cx_min(tap_panels - tap_panel, panels - n);
            columns = cx_gemm_step(j->kernels, cx_min(l->x_channels - tap_panel * g->nr, most * g->nr));
            cx_gemm_run_stack(j->kernels, stack, on, columns, gradients, patches + (size_t)(n * l->panel_step) * size,
                              l->panel_step, to + (size_t)(n * g->nr) * size, NULL);
        }
    }
}

/* The first output channel of a task, and how many. */
static int64_t take_channels(const job *j, int64_t index, int64_t *first) {
    const layer *l = j->l;
    const int64_t mr = j->kernels->gemm.mr;
    *first = l->co_tiles * index / l->co_tasks * mr;
    return cx_min(l->co_tiles * (index + 1) / l->co_tasks * mr, j->conv->out_channels) - *first;
}

/* ---- Many filters: all threads transform a block, then share out the filters ------------------------------------ */

static void transform_task(void *context, int64_t index, int worker) {
    const job *j = context;
    const int64_t pieces = j->shared.last - j->shared.first;
    transform_piece(j, &j->shared, j->shared.first + index % pieces, index / pieces,
                    j->scratch + (size_t)worker * j->thread_bytes);
}

static void multiply_task(void *context, int64_t index, int worker) {
    const job *j = context;
    const layer *l = j->l;
    int64_t o0;
    const int64_t on = take_channels(j, index / l->ci_tasks, &o0);
    const int64_t panel0 = index % l->ci_tasks * l->task_panels, panels = cx_min(l->task_panels, l->panels - panel0);
    char *products = one_block(l) ? j->scratch + (size_t)worker * j->thread_bytes + l->strip_bytes
                                  : j->products + (size_t)index * l->product_bytes;
    multiply(j, &j->shared, o0, on, panel0, panels, j->shared.first == 0 ? CX_START_ZERO : CX_START_RESULT, products);
    if (j->shared.last == l->pieces) store_filters(j, products, o0, on, panel0, panels);
}

static void run_blocks(job *j, int threads) {
    const layer *l = j->l;
    block *b = &j->shared;
    for (b->first = 0; b->first < l->pieces; b->first = b->last) {
        b->last = cx_min(b->first + l->block_pieces, l->pieces);
        cx_parallel_in_turns((b->last - b->first) * (j->conv->kernel[0] + 1), threads, transform_task, j);
        cx_parallel_for(l->co_tasks * l->ci_tasks, threads, multiply_task, j);
    }
}

/* ---- Few filters: slabs ----------------------------------------------------------------------------------------- */

static void slab_task(void *context, int64_t index, int worker) {
    const job *j = context;
    const layer *l = j->l;
    char *strip = j->scratch + (size_t)worker * j->thread_bytes;
    char *products = j->products + (size_t)index * l->product_bytes;
    const int64_t first = cx_share_begin(l->pieces, l->slabs, index), roles = j->conv->kernel[0] + 1;
    const int64_t last = cx_share_begin(l->pieces, l->slabs, index + 1);
    block b = {.first = first, .x = strip + l->strip_bytes, .y = strip + l->strip_bytes + l->x_bytes};
    for (; b.first < last; b.first = b.last) {
        b.last = cx_min(b.first + l->block_pieces, last);
        for (int64_t piece = b.first; piece < b.last; ++piece)
            for (int64_t tap = 0; tap < roles; ++tap) transform_piece(j, &b, piece, tap, strip);
        multiply(j, &b, 0, j->conv->out_channels, 0, l->panels, b.first == first ? CX_START_ZERO : CX_START_RESULT,
                 products);
    }
}

static void add_slabs_task(void *context, int64_t index, int worker) {
    (void)worker;
    const job *j = context;
    const layer *l = j->l;
    int64_t o0;
    const int64_t on = take_channels(j, index, &o0);
    char *products = j->products + (size_t)(o0 * l->product_row) * l->size;
    for (int64_t p = 0; p < l->points; ++p) {
        char *sum = products + (size_t)(p * l->product_point) * l->size;
        for (int64_t slab = 1; slab < l->slabs; ++slab)
            j->kernels->gemm.spread_add(sum, 1, sum + (size_t)slab * l->product_bytes, on * l->product_row);
    }
    store_filters(j, products, o0, on, 0, l->panels);
}

/* ---- The algorithm --------------------------------------------------------------------------------------------- */

/* Measured cycles of a vector. */
#define COST_CALL       6000.0
#define COST_COPY       5.0  /* of a place, into a strip */
#define COST_VALUES     6.0  /* at one point */
#define COST_LINE       80.0 /* finding a row of places of a strip */
#define COST_MOVES_WIDE 1.35 /* times as much for 64 bytes, on CPUs that take them whole */
#define COST_MOVES_HALF 1.8  /* and on those that take them in halves */
#define COST_PRODUCT    0.9  /* of the FMA peak that the micro-kernel reaches */
#define COST_RESULT     5.0  /* of a product, at one point */
#define COST_PASS       4.0  /* of a product that goes to memory and back, between blocks or slabs */

static double cost_of(const cx_conv *conv, const cx_kernels *kernels, const layer *l) {
    const double lanes = kernels->lanes, points = l->points, tiles = (double)(l->rows * l->grid.tiles[1]);
    const double x_vectors = (double)(l->x_channels * conv->kernel[0]) / lanes,
                 y_vectors = (double)l->y_channels / lanes;
    const double co = (double)conv->out_channels, products = co * x_vectors;
    const double passes = (double)(l->slabs > 1 ? l->slabs : cx_ceil_div(l->pieces, l->block_pieces));
    const double outputs = l->grid.axis[0].outputs * l->grid.axis[1].outputs;
    const double transform = tiles * (x_vectors + y_vectors) * (points * COST_VALUES + 1.5 * outputs * COST_COPY);
    const double multiply = points * products * (tiles + 4) / (2 * COST_PRODUCT);
    const double results = points * products * (COST_RESULT + (passes - 1) * COST_PASS);
    const double pace = cx_vector_pace(kernels);
    const double moves = cx_vector_bytes(kernels) != 64  ? 1
                         : cx_vectors_whole_512(kernels) ? COST_MOVES_WIDE
                                                         : COST_MOVES_HALF;
    const int64_t lines = l->grid.axis[0].points * conv->kernel[0] + l->grid.axis[0].outputs;
    return COST_CALL + (double)conv->groups *
                           (transform * moves + (multiply + results) * pace + (double)(l->pieces * lines) * COST_LINE);
}

static size_t shared_bytes(const layer *l) {
    if (l->slabs > 1) return CX_ALIGNMENT + (size_t)l->slabs * l->product_bytes;
    const size_t products = one_block(l) ? 0 : (size_t)(l->co_tasks * l->ci_tasks) * l->product_bytes;
    return CX_ALIGNMENT + l->x_bytes + l->y_bytes + products;
}

/*
 * Whether each thread takes whole groups, in memory of its own: where they are enough for all, and small. Sets the layer up for as
 * many threads as work on a group, from what it is for `made` of them (0: nothing yet).
 */
static bool set_up_groups(const cx_conv *conv, const cx_kernels *kernels, int outputs, int threads, int made,
                          layer *l) {
    if (threads > 1 && conv->groups >= 2 * threads) {
        made = 1;
        set_up(conv, kernels, outputs, made, l);
        if (shared_bytes(l) <= cx_cpu_get()->l2) return true;
    }
    if (made != threads) set_up(conv, kernels, outputs, threads, l);
    return false;
}

bool cx_winograd_weight_decide(const cx_conv *conv, const cx_kernels *kernels, int outputs, int threads,
                               cx_decision *decision) {
    layer l;
    decision->reason = set_up(conv, kernels, outputs, threads, &l);
    if (decision->reason) return false;
    decision->variant = outputs;
    decision->cost = cost_of(conv, kernels, &l);
    decision->threads = cx_threads_for(decision->cost, threads);
    const bool apart = set_up_groups(conv, kernels, outputs, decision->threads, threads, &l);
    decision->shared_bytes = apart ? 0 : shared_bytes(&l);
    decision->thread_bytes = l.strip_bytes + (l.slabs > 1 ? l.x_bytes + l.y_bytes : 0) + (apart ? shared_bytes(&l) : 0);
    if (l.slabs == 1 && one_block(&l)) decision->thread_bytes += l.product_bytes;
    decision->reason = apart         ? "groups are shared out to the threads"
                       : l.slabs > 1 ? "tiles are shared out to the threads, and their sums added"
                                     : "transformed tiles of a block are shared by the threads";
    return true;
}

/* One pass over tiles for one group, by so many threads. */
static void run_group(job *j, const cx_tensors *tensors, int64_t group, int threads) {
    const cx_conv *conv = j->conv;
    const layer *l = j->l;
    j->x = cx_at(tensors->x, group * conv->in_channels * conv->x.channel, l->size);
    j->y = cx_at(tensors->y, group * conv->out_channels * conv->y.channel, l->size);
    j->result = cx_at_mut(tensors->result, group * conv->out_channels * conv->w.out, l->size);
    if (l->slabs > 1) {
        cx_parallel_for(l->slabs, threads, slab_task, j);
        cx_parallel_for(l->co_tasks, threads, add_slabs_task, j);
    } else {
        run_blocks(j, threads);
    }
}

/* `shared`: of all its threads, the flag first; what each of them has begins at `scratch`. */
static job job_make(const cx_conv *conv, const cx_kernels *kernels, const layer *l, char *shared, char *scratch,
                    size_t thread_bytes) {
    return (job){.l = l,
                 .conv = conv,
                 .kernels = kernels,
                 .not_finite = (unsigned char *)shared,
                 .products = shared + CX_ALIGNMENT + (l->slabs > 1 ? 0 : l->x_bytes + l->y_bytes),
                 .scratch = scratch,
                 .thread_bytes = thread_bytes,
                 .shared = {.x = shared + CX_ALIGNMENT, .y = shared + CX_ALIGNMENT + l->x_bytes}};
}

typedef struct groups_job {
    const cx_conv *conv;
    const cx_kernels *kernels;
    const cx_tensors *tensors;
    const layer *l;
    char *workspace;
    size_t thread_bytes;
} groups_job;

static void group_task(void *context, int64_t group, int worker) {
    const groups_job *g = context;
    char *memory = g->workspace + (size_t)worker * g->thread_bytes;
    job j = job_make(g->conv, g->kernels, g->l, memory, memory + shared_bytes(g->l), 0);
    run_group(&j, g->tensors, group, 1);
}

void cx_winograd_weight_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                            const cx_tensors *tensors, void *workspace) {
    layer l;
    const bool apart = set_up_groups(conv, kernels, decision->variant, decision->threads, 0, &l);
    const int flags = apart ? decision->threads : 1;
    const size_t step = decision->thread_bytes;
    char *memory = workspace;
    for (int i = 0; i < flags; ++i) memory[(size_t)i * step] = 0;
    if (apart) {
        groups_job g = {conv, kernels, tensors, &l, memory, step};
        cx_parallel_for(conv->groups, decision->threads, group_task, &g);
    } else {
        job j = job_make(conv, kernels, &l, memory, memory + decision->shared_bytes, step);
        for (int64_t group = 0; group < conv->groups; ++group) run_group(&j, tensors, group, decision->threads);
    }
    /* a NaN or an infinity has spoiled sums that it is not part of */
    bool spoiled = false;
    for (int i = 0; i < flags; ++i) spoiled = spoiled || memory[(size_t)i * step];
    if (spoiled) cx_winograd_redo(conv, kernels, decision->threads, tensors);
}
