/*
 * The Winograd part of a kernel table: what turns filters, patches and products into each other. The products
 * themselves are the GEMM micro-kernel's. See winograd_points.h for the method, algo/winograd.c for its use.
 */
#ifndef CX_KERNELS_WINOGRAD_KERNELS_H
#define CX_KERNELS_WINOGRAD_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conv.h"
#include "base/integer.h"

/* F(outputs, taps) along one dimension: points = outputs + taps - 1. A dimension of one tap has 1, 1, 1. */
typedef struct cx_winograd_axis {
    int taps, outputs, points;
} cx_winograd_axis;

#define CX_WINOGRAD_MAX_POINTS 8
#define CX_WINOGRAD_MAX_TILES  192 /* of one block: a multiple of every table's nr up to four panels */

/*
 * How the places of a result are cut into tiles. The taps of a dilated kernel meet only every gap-th row (or column):
 * those of one phase, row % gap, are a plane of their own, without dilation. Tiles are numbered by
 * (image, depth, phase of rows, phase of columns, row, column).
 */
typedef struct cx_winograd_grid {
    cx_winograd_axis axis[2]; /* of rows and columns */
    int64_t places[3];        /* of all phases together */
    int64_t gap[2];           /* the dilation; 1 where the kernel has one tap */
    int64_t phases[2];        /* as many, but none without a place */
    int64_t tiles[2];         /* rows and columns of tiles of the largest phase */
} cx_winograd_grid;

/* How many rows (d = 0) or columns (d = 1) tile t of a phase has; zero or less: it lies outside. */
static inline int64_t cx_winograd_places_left(const cx_winograd_grid *grid, int d, int64_t phase, int64_t tile) {
    return cx_ceil_div(cx_max(grid->places[d + 1] - phase, 0), grid->gap[d]) - tile * grid->axis[d].outputs;
}

static inline int cx_winograd_points(const cx_winograd_grid *grid) {
    return grid->axis[0].points * grid->axis[1].points;
}

/* What is read, of one group. k runs over (depth tap, channel). */
typedef struct cx_winograd_source {
    const void *base;
    const void *begin, *end; /* of the whole tensor, all groups: nothing outside is read */
    cx_strides stride;
    int64_t channels, depth_taps, depth_step, depth_tap_step, extent[3], origin[3];
    convx_padding_mode mode;
} cx_winograd_source;

/* What is written, of one group. */
typedef struct cx_winograd_result {
    void *base;
    cx_strides stride;
    const void *bias; /* an element a channel, or NULL */
    convx_activation activation;
    unsigned char *not_finite; /* one an image: set where a result is infinite or not a number */
} cx_winograd_result;

/* Tiles side by side in a dense copy: channels are consecutive, `channels` a multiple of the vector. */
typedef struct cx_winograd_strip {
    const void *base;
    int64_t row_step, column_step, tile_step, tiles, channels;
} cx_winograd_strip;

/* Elements of scratch that the transforms of `count` tiles need. */
static inline int64_t cx_winograd_scratch(const cx_winograd_grid *grid, int64_t count, int lanes) {
    const cx_winograd_axis *rows = &grid->axis[0], *columns = &grid->axis[1];
    const int64_t longest = cx_min(grid->tiles[1], count), runs = count / longest + 2;
    const int64_t overlap = columns->points - columns->outputs;
    /* rows of places and their tails, and one row of each of zeros and masks */
    const int64_t row = cx_round_up(count, lanes) * columns->outputs + runs * (overlap + lanes) + lanes;
    const int64_t input = (2 * rows->points + 3) * row;
    const int64_t output = rows->outputs * (cx_round_up(count, lanes) * columns->outputs + lanes);
    return cx_max(input, output);
}

typedef struct cx_winograd_kernels {
    /*
     * A panel of `count` <= width filters that lie lane_stride apart, for each of kn channels that lie k_stride apart:
     * dst[point * point_step + k * width + filter]. tap_stride: of rows and columns. Up to LANES elements past a row's
     * `count` are written, but none past the `room` rows that the panel has from dst on.
     */
    void (*filters)(const cx_winograd_axis axis[2], const void *w, const int64_t tap_stride[2], int64_t lane_stride,
                    int64_t count, int64_t k_stride, int64_t kn, int64_t room, int64_t width, void *dst,
                    int64_t point_step);
    /*
     * Vectors along tiles: panels of nr tiles, element (k, tile) of panel j at dst[point * point_step + j * panel_step
     * + k * nr + tile]; columns up to whole vectors are written. In which order tiles stand in a vector is the two
     * kernels' own affair; `first` and, but for the last block, `count` are whole vectors of tiles.
     */
    void (*input_tiles)(const cx_winograd_grid *grid, const cx_winograd_source *source, int64_t first, int64_t count,
                        int64_t k0, int64_t kn, void *scratch, void *dst, int64_t point_step, int64_t panel_step);
    /* Channels [channel, channel + channels): products[point * point_step + channel * channel_step + tile]. */
    void (*output_tiles)(const cx_winograd_grid *grid, const void *products, int64_t point_step, int64_t channel_step,
                         int64_t first, int64_t count, int64_t channel, int64_t channels, void *scratch,
                         const cx_winograd_result *result);
    /*
     * Vectors along channels, for tensors whose channels are consecutive: dst[point * point_step + tile * tile_step + k];
     * up to LANES elements past a row's last k are written.
     */
    void (*input_channels)(const cx_winograd_grid *grid, const cx_winograd_source *source, int64_t first, int64_t count,
                           void *dst, int64_t point_step, int64_t tile_step);
    /* Channels [channel, channel + channels): products[point * point_step + tile * tile_step + channel], whole vectors. */
    void (*output_channels)(const cx_winograd_grid *grid, const void *products, int64_t point_step, int64_t tile_step,
                            int64_t first, int64_t count, int64_t channel, int64_t channels,
                            const cx_winograd_result *result);
    /*
     * For weight gradients. Patches of a strip, or tiles of output gradients (`gradient`: values of filters of axis.taps
     * places), to dst[point * point_step + tile * tile_step + channel], in panels of so many channels.
     */
    void (*strip)(const cx_winograd_axis axis[2], bool gradient, const cx_winograd_strip *strip, void *dst,
                  int64_t point_step, int64_t tile_step, int64_t panel, int64_t panel_step);
    /* products[point * point_step + filter] to axis.outputs taps of `count` filters that lie in_stride apart. */
    void (*weights)(const cx_winograd_axis axis[2], const void *products, int64_t point_step, int64_t count,
                    const int64_t tap_stride[2], int64_t in_stride, void *dst, unsigned char *not_finite);
} cx_winograd_kernels;

#endif
