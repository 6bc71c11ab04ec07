/*
 * Template: Winograd's input and output transforms with vectors along tiles, for channels-first memory.
 *
 * Rows of tiles are first transformed down their columns, as they lie, with vectors along pixels: padding above and
 * below is a row of zeros, padding at the sides is filled in afterwards. Then each vector of tiles is collected from
 * there by a transposition, whatever rows or images its tiles lie in, and transformed across. Where rows of tiles are
 * short, those of small maps, a vector's patches are transposed first: see winograd_input_short.
 */
#ifndef CX_KERNELS_WINOGRAD_TILES_H
#define CX_KERNELS_WINOGRAD_TILES_H

#include "base/correlation.h"
#include "kernels/activate.h"
#include "kernels/winograd_passes.h"
#include "vec/shuffle.h"

/* Tiles that follow each other in one row of tiles. */
typedef struct tile_run {
    int64_t first, count;    /* in the block */
    int64_t image, place[3]; /* of the first: depth, row and column of tiles */
    int64_t phase[2];        /* of rows and columns */
} tile_run;

static int split_tiles(const cx_winograd_grid *grid, int64_t first, int64_t count, tile_run *runs) {
    int n = 0;
    for (int64_t done = 0; done < count; ++n) {
        int64_t t = first + done;
        tile_run *run = &runs[n];
        run->first = done;
        run->place[2] = t % grid->tiles[1];
        t /= grid->tiles[1];
        run->place[1] = t % grid->tiles[0];
        t /= grid->tiles[0];
        for (int d = 1; d >= 0; --d) {
            run->phase[d] = 0;
            if (grid->phases[d] == 1) continue;
            run->phase[d] = t % grid->phases[d];
            t /= grid->phases[d];
        }
        run->place[0] = t % grid->places[0];
        run->image = t / grid->places[0];
        run->count = cx_min(grid->tiles[1] - run->place[2], count - done);
        done += run->count;
    }
    return n;
}

#define NO_ROW (INT64_MIN / 2) /* it lies in the padding; differences of two do not overflow */

/* Where the patches of a run lie in a plane; the same for all channels of one depth tap. */
typedef struct source_run {
    int64_t plane;                       /* offset of the plane that is read, in channel 0 */
    int64_t row[CX_WINOGRAD_MAX_POINTS]; /* offset in the plane, or NO_ROW */
    int64_t column, columns;             /* the first place of the first patch, and all of them, a gap apart */
    int64_t low, high;                   /* of those: inside the plane */
    bool blank;
} source_run;

static __attribute__((noinline, cold)) source_run locate_source(const cx_winograd_grid *grid,
                                                                const cx_winograd_source *source, const tile_run *run,
                                                                int64_t depth_tap) {
    source_run at = {.blank = true};
    const int64_t depth =
        cx_padded_index(run->place[0] * source->depth_step + source->origin[0] + depth_tap * source->depth_tap_step,
                        source->extent[0], source->mode);
    at.plane = run->image * source->stride.batch + depth * source->stride.space[0];
    for (int r = 0; r < grid->axis[0].points; ++r) {
        const int64_t row =
            (run->place[1] * grid->axis[0].outputs + r) * grid->gap[0] + run->phase[0] + source->origin[1];
        const int64_t y = cx_padded_index(row, source->extent[1], source->mode);
        at.row[r] = depth < 0 || y < 0 ? NO_ROW : y * source->stride.space[1];
        if (at.row[r] != NO_ROW) at.blank = false;
    }
    const int64_t gap = grid->gap[1];
    at.column = run->place[2] * grid->axis[1].outputs * gap + run->phase[1] + source->origin[2];
    at.columns = (run->count - 1) * grid->axis[1].outputs + grid->axis[1].points;
    at.low = cx_min(cx_ceil_div(cx_max(-at.column, 0), gap), at.columns);
    at.high = cx_max(cx_min(cx_ceil_div(cx_max(source->extent[2] - at.column, 0), gap), at.columns), at.low);
    return at;
}

/* n <= LANES elements that lie `step` apart; `room` elements from the first on may be read. */
static inline vec gather_some(const real *from, int64_t step, int64_t n, int64_t room) {
    if (step == 1) return n == LANES ? v_load(from) : v_load_first(from, n);
    if (step == 2 && room >= 2 * LANES && n == LANES) return v_even(v_load(from), v_load(from + LANES));
    vec v = v_zero();
    if (n == LANES)
#pragma GCC unroll 16
        for (int i = 0; i < LANES; ++i) v[i] = from[i * step];
    else
        for (int i = 0; i < n; ++i) v[i] = from[i * step];
    return v;
}

/* n <= LANES places of the patches' rows, which begin at `column` and lie `step` apart; then down the columns. */
static void transform_some(const cx_winograd_axis *axis, const real *plane, const source_run *at, int64_t step,
                           int64_t column, int64_t n, int64_t room, real *out, int64_t out_step) {
    vec rows[CX_WINOGRAD_MAX_POINTS], values[CX_WINOGRAD_MAX_POINTS];
    for (int r = 0; r < axis->points; ++r) {
        rows[r] = at->row[r] == NO_ROW ? v_zero() : gather_some(plane + at->row[r] + column, step, n, room);
    }
    const winograd_lines lines = {(const real *)rows, LANES, 0, (real *)values, LANES, 0, 1};
    input_pass(axis, &lines);
    for (int r = 0; r < axis->points; ++r) {
        if (n == LANES)
            v_store(out + r * out_step, values[r]);
        else
            v_store_first(out + r * out_step, values[r], n);
    }
}

/* Values down the columns of one channel's rows, and what lies beside them: out[r * out_step + place]. */
static void transform_down(const cx_winograd_axis *axis, const cx_winograd_source *source, int64_t gap,
                           const real *plane, const source_run *at, real *out, int64_t out_step) {
    const int64_t stride = source->stride.space[2], step = gap * stride;
    if (at->blank) {
        for (int r = 0; r < axis->points; ++r) memset(out + r * out_step, 0, (size_t)at->columns * sizeof *out);
        return;
    }
    bool straight = step == 1;
    for (int r = 1; r < axis->points; ++r)
        if (at->row[r] == NO_ROW || at->row[r] - at->row[r - 1] != at->row[1] - at->row[0]) straight = false;
    if (at->row[0] == NO_ROW) straight = false;
    int64_t j = at->low;
    if (straight) {
        const int64_t chunks = (at->high - j) / LANES;
        const winograd_lines lines = {plane + at->row[0] + at->column * stride + j,
                                      axis->points > 1 ? at->row[1] - at->row[0] : 0,
                                      LANES,
                                      out + j,
                                      out_step,
                                      LANES,
                                      chunks};
        input_pass(axis, &lines);
        j += chunks * LANES;
    }
    for (; j < at->high; j += LANES) {
        /* the last vector begins early rather than ending late */
        if (j + LANES > at->high && at->high - at->low >= LANES) j = at->high - LANES;
        const int64_t column = at->column + j * gap, room = stride == 1 ? source->extent[2] - column : 0;
        transform_some(axis, plane, at, step, column * stride, cx_min(at->high - j, LANES), room, out + j, out_step);
    }
    if (source->mode == CONVX_PAD_ZEROS) {
        for (int r = 0; r < axis->points; ++r) {
            real *row = out + r * out_step;
            for (int64_t i = 0; i < at->low; ++i) row[i] = 0;
            for (int64_t i = at->high; i < at->columns; ++i) row[i] = 0;
        }
        return;
    }
    for (int64_t i = 0; i < at->columns; ++i) {
        if (i >= at->low && i < at->high) continue;
        const int64_t column = cx_padded_index(at->column + i * gap, source->extent[2], source->mode);
        transform_some(axis, plane, at, step, column * stride, 1, 1, out + i, out_step);
    }
}

/* As transform_across, where the kernel is one column wide: patches follow each other as the tiles do. */
static void copy_across(int rows, const real *patches, int64_t row_step, real *dst, int64_t point_step) {
    for (int r = 0; r < rows; ++r) v_store(dst + r * point_step, v_load(patches + r * row_step));
}

/* One vector of tiles from where their patches lie, across: dst[point * point_step], for each row of points. */
WINOGRAD_INLINE void transform_across(const int points, int rows, const real *patches, const int64_t *offset,
                                      int64_t row_step, real *dst, int64_t point_step) {
    const real *lane[CX_LANE_COUNT];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) lane[i] = patches + offset[i];
    for (int r = 0; r < rows; ++r) {
        vec places[CX_WINOGRAD_MAX_POINTS + CX_LANE_COUNT], values[CX_WINOGRAD_MAX_POINTS];
#pragma GCC unroll 8
        for (int q = 0; q < points; q += LANES) {
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) places[q + i] = v_load(lane[i] + q);
            v_transpose(places + q);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; ++i) lane[i] += row_step;
        winograd_input(points, places, values);
#pragma GCC unroll 8
        for (int s = 0; s < points; ++s) {
            v_store(dst, values[s]);
            dst += point_step;
        }
    }
}

static void transform_tiles_across(const cx_winograd_grid *grid, const real *patches, const int64_t *offset,
                                   int64_t row_step, real *dst, int64_t point_step) {
    const int rows = grid->axis[0].points;
    switch (grid->axis[1].points) {
    case 4: transform_across(4, rows, patches, offset, row_step, dst, point_step); break;
    case 6: transform_across(6, rows, patches, offset, row_step, dst, point_step); break;
    case 8: transform_across(8, rows, patches, offset, row_step, dst, point_step); break;
    default: copy_across(rows, patches + offset[0], row_step, dst, point_step); break;
    }
}

/* ---- Short rows of tiles --------------------------------------------------------------------------------------- */

#define SHORT_ROW 16 /* tiles: most that a short row has */

/* The patches of a vector of tiles; places in the padding are masked off. */
typedef struct tile_vector {
    int64_t row[CX_WINOGRAD_MAX_POINTS][CX_LANE_COUNT]; /* where each lane's begin, in channel 0 */
    int64_t least, most;                                /* of what is loaded, in channel 0 */
    bool blank[CX_WINOGRAD_MAX_POINTS];                 /* the row is padding in all lanes */
    vec_bits rows[CX_WINOGRAD_MAX_POINTS], columns[CX_WINOGRAD_MAX_POINTS + CX_LANE_COUNT];
} tile_vector;

static inline bool has_short_rows(const cx_winograd_grid *grid, const cx_winograd_source *source) {
    return LANES > 1 && grid->tiles[1] <= SHORT_ROW && grid->gap[1] == 1 && grid->axis[1].points > 1 &&
           source->stride.space[2] == 1 && source->mode == CONVX_PAD_ZEROS;
}

/* Adds tile `t` of a run as a lane. Once a call: compiled for size. */
static __attribute__((cold)) void add_patch(const cx_winograd_grid *grid, const source_run *at, int64_t t, int lane,
                                            tile_vector *v) {
    const int64_t first = t * grid->axis[1].outputs, reach = cx_round_up(grid->axis[1].points, LANES);
    int64_t inside = NO_ROW; /* a row that may be read in place of those in the padding */
    for (int r = 0; r < grid->axis[0].points && inside == NO_ROW; ++r) inside = at->row[r];
    for (int r = 0; r < grid->axis[0].points; ++r) {
        const bool padding = at->row[r] == NO_ROW;
        v->blank[r] &= padding;
        v->rows[r][lane] = padding ? 0 : -1;
        const int64_t row = at->blank ? 0 : at->plane + (padding ? inside : at->row[r]) + at->column + first;
        v->row[r][lane] = row;
        v->least = cx_min(v->least, row);
        v->most = cx_max(v->most, row + reach);
    }
    for (int q = 0; q < grid->axis[1].points; ++q)
        v->columns[q][lane] = first + q >= at->low && first + q < at->high ? -1 : 0;
}

static __attribute__((noinline, cold)) void find_patches(const cx_winograd_grid *grid, const source_run *at,
                                                         const tile_run *runs, int64_t count, tile_vector *v) {
    int64_t run = 0;
    for (int64_t t = 0; t < count; ++t) {
        if (t == runs[run].first + runs[run].count) ++run;
        if (t % LANES == 0) {
            *v = (tile_vector){.least = INT64_MAX, .most = INT64_MIN};
            memset(v->blank, true, sizeof v->blank);
        }
        add_patch(grid, &at[run], t - runs[run].first, (int)(t % LANES), v);
        if (t % LANES == LANES - 1) ++v;
    }
    for (int64_t t = count; t % LANES; ++t) /* whose masks are zeros */
        for (int r = 0; r < grid->axis[0].points; ++r) v->row[r][t % LANES] = v->row[r][0];
}

/* A vector of what lies within the tensor: rarely needed. */
static __attribute__((noinline, cold)) vec load_within(const cx_winograd_source *source, const real *from) {
    const uintptr_t begin = (uintptr_t)source->begin, end = (uintptr_t)source->end;
    vec v = v_zero();
#pragma GCC unroll 1
    for (int i = 0; i < LANES; ++i) {
        const uintptr_t place = (uintptr_t)from + (uintptr_t)i * sizeof *from;
        if (place >= begin && place < end) v[i] = *(const real *)place;
    }
    return v;
}

/* Place (r, q) of all lanes to places[r * points + q]. */
WINOGRAD_INLINE void collect_patches(const int points, int rows, const cx_winograd_source *source, const tile_vector *v,
                                     const real *channel, bool safe, vec *places) {
    for (int r = 0; r < rows; ++r, places += points) {
        vec row[CX_WINOGRAD_MAX_POINTS + CX_LANE_COUNT];
        if (v->blank[r]) {
#pragma GCC unroll 8
            for (int q = 0; q < points; ++q) places[q] = v_zero();
            continue;
        }
#pragma GCC unroll 8
        for (int q = 0; q < points; q += LANES) {
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) {
                const real *from = channel + v->row[r][i] + q;
                row[q + i] = safe ? v_load(from) : load_within(source, from);
            }
            v_transpose(row + q);
        }
#pragma GCC unroll 8
        for (int q = 0; q < points; ++q) places[q] = (vec)((vec_bits)row[q] & v->rows[r] & v->columns[q]);
    }
}

/* Vectors of tiles whose patches are read as they lie, transposed, and transformed down and across. */
static void winograd_input_short(const cx_winograd_grid *grid, const cx_winograd_source *source, const tile_run *runs,
                                 int n, int64_t count, int64_t k0, int64_t kn, real *dst, int64_t point_step,
                                 int64_t panel_step) {
    const cx_winograd_axis *rows = &grid->axis[0], *columns = &grid->axis[1];
    const int64_t nr = GEMM_NR, line = columns->points * LANES, stride = source->stride.channel;
    const int64_t begin = (const real *)source->begin - (const real *)source->base,
                  end = (const real *)source->end - (const real *)source->base;
    source_run at[CX_WINOGRAD_MAX_TILES];
    tile_vector vectors[CX_WINOGRAD_MAX_TILES / CX_LANE_COUNT];
    vec places[CX_WINOGRAD_MAX_POINTS * CX_WINOGRAD_MAX_POINTS], down[CX_WINOGRAD_MAX_POINTS * CX_WINOGRAD_MAX_POINTS];
    for (int64_t k = k0, located = -1; k < k0 + kn; ++k, dst += nr) {
        const int64_t depth_tap = k / source->channels, start = k % source->channels * stride;
        if (depth_tap != located) {
            for (int i = 0; i < n; ++i) at[i] = locate_source(grid, source, &runs[i], depth_tap);
            find_patches(grid, at, runs, count, vectors);
        }
        located = depth_tap;
        const real *channel = (const real *)source->base + start;
        for (int64_t t = 0; t < count; t += LANES) {
            const tile_vector *v = &vectors[t / LANES];
            const bool safe = v->least + start >= begin && v->most + start <= end;
            switch (columns->points) {
            case 4: collect_patches(4, rows->points, source, v, channel, safe, places); break;
            case 6: collect_patches(6, rows->points, source, v, channel, safe, places); break;
            default: collect_patches(8, rows->points, source, v, channel, safe, places); break;
            }
            const winograd_lines first = {(const real *)places, line, LANES, (real *)down, line, LANES,
                                          columns->points};
            const winograd_lines second = {
                (const real *)down,           LANES,       line, dst + t / nr * panel_step + t % nr, point_step,
                columns->points * point_step, rows->points};
            input_pass(rows, &first);
            input_pass(columns, &second);
        }
    }
}

/* ---- All rows of tiles ----------------------------------------------------------------------------------------- */

static void winograd_input_tiles(const cx_winograd_grid *grid, const cx_winograd_source *source, int64_t first,
                                 int64_t count, int64_t k0, int64_t kn, void *scratch, void *dst_void,
                                 int64_t point_step, int64_t panel_step) {
    const cx_winograd_axis *rows = &grid->axis[0], *columns = &grid->axis[1];
    tile_run runs[CX_WINOGRAD_MAX_TILES];
    source_run at[CX_WINOGRAD_MAX_TILES];
    int64_t offset[CX_WINOGRAD_MAX_TILES + CX_LANE_COUNT];
    const int n = split_tiles(grid, first, count, runs);
    if (has_short_rows(grid, source)) {
        winograd_input_short(grid, source, runs, n, count, k0, kn, dst_void, point_step, panel_step);
        return;
    }
    /* in each row of the scratch the runs lie side by side */
    const int64_t step = columns->outputs, overlap = columns->points - step, nr = GEMM_NR;
    const int64_t row_step = count * step + n * overlap + 2 * LANES;
    for (int i = 0; i < n; ++i)
        for (int64_t t = runs[i].first; t < runs[i].first + runs[i].count; ++t) offset[t] = t * step + i * overlap;
    for (int64_t t = count; t % LANES; ++t) offset[t] = offset[0];

    for (int64_t k = k0, located = -1; k < k0 + kn; ++k) {
        const int64_t depth_tap = k / source->channels, channel = k % source->channels;
        if (depth_tap != located)
            for (int i = 0; i < n; ++i) at[i] = locate_source(grid, source, &runs[i], depth_tap);
        located = depth_tap;
        for (int i = 0; i < n; ++i) {
            const real *plane = (const real *)source->base + at[i].plane + channel * source->stride.channel;
            transform_down(rows, source, grid->gap[1], plane, &at[i], (real *)scratch + offset[runs[i].first],
                           row_step);
        }
        real *dst = (real *)dst_void + (k - k0) * nr;
        for (int64_t t = 0; t < count; t += LANES)
            transform_tiles_across(grid, scratch, offset + t, row_step, dst + t / nr * panel_step + t % nr, point_step);
    }
}

/* The last vector begins early rather than ending late. */
static inline void copy_row(const real *src, int64_t n, real *dst) {
    if (n < LANES) { /* in halves, as far as they go: a copy of any length is a call */
        enum { HALF = LANES / 2 };
        if (n < HALF || HALF == 0) {
#pragma GCC unroll 1
            for (int64_t i = 0; i < n; ++i) dst[i] = src[i];
            return;
        }
        memcpy(dst, src, HALF * sizeof *dst);
        memcpy(dst + n - HALF, src + n - HALF, HALF * sizeof *dst);
        return;
    }
    for (int64_t i = 0; i + LANES < n; i += LANES) v_store(dst + i, v_load(src + i));
    v_store(dst + n - LANES, v_load(src + n - LANES));
}

/* Of a run's tiles: the rows and the columns that are results. */
static inline int64_t rows_of(const cx_winograd_grid *grid, const tile_run *run) {
    return cx_min(grid->axis[0].outputs, cx_winograd_places_left(grid, 0, run->phase[0], run->place[1]));
}
static inline int64_t columns_of(const cx_winograd_grid *grid, const tile_run *run) {
    return cx_min(run->count * grid->axis[1].outputs, cx_winograd_places_left(grid, 1, run->phase[1], run->place[2]));
}

/* Marks the images of results that are not finite. rows[i * row_step + tile * width ...]: before any activation. */
static __attribute__((noinline, cold)) void mark_not_finite(const cx_winograd_grid *grid, const tile_run *runs, int n,
                                                            const real *results, int64_t row_step,
                                                            unsigned char *images) {
    const int width = grid->axis[1].outputs;
    for (int i = 0; i < n; ++i) {
        const int64_t tile_rows = rows_of(grid, &runs[i]), columns = columns_of(grid, &runs[i]);
        for (int64_t r = 0; r < tile_rows; ++r)
            for (int64_t j = 0; j < columns; ++j) {
                const real y = results[r * row_step + runs[i].first * width + j];
                if (!(y - y == 0)) __atomic_store_n(&images[runs[i].image], 1, __ATOMIC_RELAXED);
            }
    }
}

/*
 * Products of a vector of tiles, transformed down already, across and to rows of memory. Gives a vector of zeros, or of
 * NaN where a result is not finite.
 */
WINOGRAD_INLINE vec results_across(const int points, const int width, const vec *down, int height, vec bias, real *out,
                                   int64_t row_step) {
    vec finite = v_zero();
    for (int i = 0; i < height; ++i, out += row_step) {
        vec block[CX_WINOGRAD_MAX_POINTS + CX_LANE_COUNT];
        winograd_output(points, width, down + i * points, block);
#pragma GCC unroll 16
        for (int j = 0; j < (width + LANES - 1) / LANES * LANES; ++j) {
            block[j] = j < width ? block[j] + bias : v_zero();
            if (j < width) finite += block[j] * (real)0;
        }
        if (width == 1) {
            v_store(out, block[0]);
            continue;
        }
#pragma GCC unroll 8
        for (int q = 0; q < width; q += LANES) v_transpose(block + q);
        /* in ascending order: what a vector writes past its tile's end, the next one overwrites */
#pragma GCC unroll 16
        for (int j = 0; j < LANES; ++j)
#pragma GCC unroll 8
            for (int q = 0; q < width; q += LANES) v_store(out + j * width + q, block[q + j]);
    }
    return finite;
}

static vec results_of_tiles_across(const cx_winograd_axis *columns, const vec *down, int height, vec bias, real *out,
                                   int64_t row_step) {
    switch (columns->points * 8 + columns->outputs) {
    case 4 * 8 + 2: return results_across(4, 2, down, height, bias, out, row_step);
    case 6 * 8 + 2: return results_across(6, 2, down, height, bias, out, row_step);
    case 6 * 8 + 4: return results_across(6, 4, down, height, bias, out, row_step);
    case 8 * 8 + 2: return results_across(8, 2, down, height, bias, out, row_step);
    case 8 * 8 + 4: return results_across(8, 4, down, height, bias, out, row_step);
    case 8 * 8 + 6: return results_across(8, 6, down, height, bias, out, row_step);
    default: return results_across(1, 1, down, height, bias, out, row_step);
    }
}

/* What a run's results are, whatever the channel. */
typedef struct result_run {
    int64_t rows, columns;
    int64_t first;  /* in a row of the scratch */
    int64_t offset; /* of the first in memory */
} result_run;

/* Where a run's first result lies, in channel 0. */
static inline int64_t result_offset(const cx_winograd_grid *grid, const cx_strides *stride, const tile_run *run) {
    const int64_t y = run->place[1] * grid->axis[0].outputs * grid->gap[0] + run->phase[0];
    const int64_t x = run->place[2] * grid->axis[1].outputs * grid->gap[1] + run->phase[1];
    return run->image * stride->batch + run->place[0] * stride->space[0] + y * stride->space[1] + x * stride->space[2];
}

static void winograd_output_tiles(const cx_winograd_grid *grid, const void *products_void, int64_t point_step,
                                  int64_t channel_step, int64_t first, int64_t count, int64_t channel, int64_t channels,
                                  void *scratch, const cx_winograd_result *result) {
    const real *products = products_void;
    const cx_winograd_axis *rows = &grid->axis[0], *columns = &grid->axis[1];
    const int points = columns->points, height = rows->outputs, width = columns->outputs;
    const int64_t row_step = cx_round_up(count, LANES) * width + LANES;
    const int64_t line = grid->gap[0] * result->stride.space[1], step = grid->gap[1] * result->stride.space[2];
    tile_run runs[CX_WINOGRAD_MAX_TILES];
    result_run at[CX_WINOGRAD_MAX_TILES];
    const int n = split_tiles(grid, first, count, runs);
    for (int i = 0; i < n; ++i)
        at[i] = (result_run){rows_of(grid, &runs[i]), columns_of(grid, &runs[i]), runs[i].first * width,
                             result_offset(grid, &result->stride, &runs[i])};
    real *out = scratch;
    for (int64_t c = channel; c < channel + channels; ++c, products += channel_step) {
        const vec bias = v_splat(result->bias ? ((const real *)result->bias)[c] : 0);
        vec finite = v_zero();
        for (int64_t t = 0; t < count; t += LANES) {
            vec down[CX_WINOGRAD_MAX_POINTS * CX_WINOGRAD_MAX_POINTS];
            const winograd_lines lines = {
                products + t, points * point_step, point_step, (real *)down, points * LANES, LANES, points};
            output_pass(rows, &lines);
            finite += results_of_tiles_across(columns, down, height, bias, out + t * width, row_step);
        }
        if (!(v_sum(finite) == 0)) mark_not_finite(grid, runs, n, out, row_step, result->not_finite);
        if (result->activation != CONVX_ACT_NONE)
            for (int i = 0; i < height; ++i) activate(out + i * row_step, count * width, result->activation);
        for (int i = 0; i < n; ++i) {
            const int64_t n_columns = at[i].columns;
            if (n_columns <= 0) continue;
            real *dst = (real *)result->base + at[i].offset + c * result->stride.channel;
            for (int64_t r = 0; r < at[i].rows; ++r, dst += line) {
                const real *src = out + r * row_step + at[i].first;
                if (step == 1)
                    copy_row(src, n_columns, dst);
                else
                    for (int64_t j = 0; j < n_columns; ++j) dst[j * step] = src[j];
            }
        }
    }
}

#endif
