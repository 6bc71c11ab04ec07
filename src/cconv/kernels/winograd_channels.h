/* Template: Winograd's input and output transforms with vectors along channels, for channels-last memory. */
#ifndef CX_KERNELS_WINOGRAD_CHANNELS_H
#define CX_KERNELS_WINOGRAD_CHANNELS_H

#include "kernels/winograd_tiles.h"

#define WINOGRAD_PATCH (CX_WINOGRAD_MAX_POINTS * CX_WINOGRAD_MAX_POINTS)

/* A vector of channels of each place of a tile's patch; n <= LANES channels. */
static void load_patch(const cx_winograd_grid *grid, const cx_winograd_source *source, const real *plane,
                       const source_run *at, int64_t n, vec *patch) {
    const int columns = grid->axis[1].points;
    for (int r = 0; r < grid->axis[0].points; ++r)
        for (int s = 0; s < columns; ++s) {
            int64_t x = at->column + s * grid->gap[1];
            if (s < at->low || s >= at->high) x = cx_padded_index(x, source->extent[2], source->mode);
            vec *place = &patch[r * columns + s];
            if (at->row[r] == NO_ROW || x < 0) {
                *place = v_zero();
                continue;
            }
            const real *from = plane + at->row[r] + x * source->stride.space[2];
            *place = n == LANES ? v_load(from) : v_load_first(from, n);
        }
}

static bool is_inside(const cx_winograd_grid *grid, const source_run *at) {
    bool inside = at->low == 0 && at->high == at->columns;
    for (int r = 0; r < grid->axis[0].points; ++r) {
        if (at->row[r] == NO_ROW) inside = false;
        if (r > 0 && at->row[r] - at->row[r - 1] != at->row[1] - at->row[0]) inside = false; /* reflected */
    }
    return inside;
}

/* One tile, one depth tap. */
static void transform_patch(const cx_winograd_grid *grid, const cx_winograd_source *source, const source_run *at,
                            real *dst, int64_t point_step) {
    const cx_winograd_axis *rows = &grid->axis[0], *columns = &grid->axis[1];
    const bool inside = is_inside(grid, at);
    const int64_t across_step = (int64_t)columns->points * LANES;
    const real *plane = (const real *)source->base + at->plane;
    vec patch[WINOGRAD_PATCH], down[WINOGRAD_PATCH];
    winograd_lines first = {(const real *)patch, across_step, LANES, (real *)down, across_step, LANES, columns->points};
    winograd_lines second = {(const real *)down,           LANES,       across_step, dst, point_step,
                             columns->points * point_step, rows->points};
    for (int64_t c = 0; c < source->channels; c += LANES) {
        const int64_t n = cx_min(LANES, source->channels - c);
        if (inside && n == LANES) {
            first.in = plane + at->row[0] + at->column * source->stride.space[2] + c;
            first.in_step = rows->points > 1 ? at->row[1] - at->row[0] : 0;
            first.in_line = grid->gap[1] * source->stride.space[2];
        } else {
            load_patch(grid, source, plane + c, at, n, patch);
            first.in = (const real *)patch;
            first.in_step = across_step;
            first.in_line = LANES;
        }
        input_pass(rows, &first);
        second.out = dst + c;
        input_pass(columns, &second);
    }
}

static void winograd_input_channels(const cx_winograd_grid *grid, const cx_winograd_source *source, int64_t first,
                                    int64_t count, void *dst_void, int64_t point_step, int64_t tile_step) {
    real *dst = dst_void;
    for (int64_t t = 0; t < count; ++t, dst += tile_step) {
        tile_run run;
        split_tiles(grid, first + t, 1, &run);
        for (int64_t tap = 0; tap < source->depth_taps; ++tap) {
            const source_run at = locate_source(grid, source, &run, tap);
            transform_patch(grid, source, &at, dst + tap * source->channels, point_step);
        }
    }
}

static void winograd_output_channels(const cx_winograd_grid *grid, const void *products_void, int64_t point_step,
                                     int64_t tile_step, int64_t first, int64_t count, int64_t channel, int64_t channels,
                                     const cx_winograd_result *result) {
    const cx_winograd_axis *rows = &grid->axis[0], *columns = &grid->axis[1];
    const int height = rows->outputs, width = columns->outputs;
    const int64_t across_step = (int64_t)columns->points * LANES;
    const int64_t line = grid->gap[0] * result->stride.space[1], step = grid->gap[1] * result->stride.space[2];
    for (int64_t t = 0; t < count; ++t) {
        tile_run run;
        split_tiles(grid, first + t, 1, &run);
        const int64_t tile_rows = rows_of(grid, &run), tile_columns = columns_of(grid, &run);
        if (tile_rows <= 0 || tile_columns <= 0) continue;
        real *dst = (real *)result->base + result_offset(grid, &result->stride, &run) + channel;
        vec finite = v_zero();
        for (int64_t c = 0; c < channels; c += LANES) {
            const int64_t n = cx_min(LANES, channels - c);
            vec down[WINOGRAD_PATCH], across[WINOGRAD_PATCH];
            const winograd_lines first_pass = {(const real *)products_void + t * tile_step + c,
                                               columns->points * point_step,
                                               point_step,
                                               (real *)down,
                                               across_step,
                                               LANES,
                                               columns->points};
            output_pass(rows, &first_pass);
            const winograd_lines second_pass = {(const real *)down, LANES, across_step, (real *)across, LANES,
                                                width * LANES,      height};
            output_pass(columns, &second_pass);
            const real *bias_at = result->bias ? (const real *)result->bias + channel + c : NULL;
            const vec bias = !bias_at ? v_zero() : n == LANES ? v_load(bias_at) : v_load_first(bias_at, n);
            for (int i = 0; i < height * width; ++i) {
                across[i] += bias;
                finite += n == LANES ? across[i] * (real)0 : v_zero();
                if (n < LANES) {
                    real lane[CX_LANE_COUNT] = {0};
                    v_store_first(lane, across[i], n);
                    finite += v_load(lane) * (real)0;
                }
            }
            if (result->activation != CONVX_ACT_NONE) activate(across, height * width * LANES, result->activation);
            for (int64_t r = 0; r < tile_rows; ++r)
                for (int64_t j = 0; j < tile_columns; ++j) {
                    real *to = dst + r * line + j * step + c;
                    if (n == LANES)
                        v_store(to, across[r * width + j]);
                    else
                        v_store_first(to, across[r * width + j], n);
                }
        }
        if (!(v_sum(finite) == 0)) __atomic_store_n(&result->not_finite[run.image], 1, __ATOMIC_RELAXED);
    }
}

#undef WINOGRAD_PATCH

#endif
