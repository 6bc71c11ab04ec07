/*
 * Template: Winograd's input and output transforms with vectors along tiles, for channels-first memory.
 *
 * Rows of tiles are first transformed down their columns, as they lie, with vectors along pixels, of which those in the
 * padding are masked off. Then each vector of tiles is collected from there by a transposition, whatever rows or images
 * its tiles lie in, and transformed across.
 *
 * Tiles of four results and kernels of three are joined: four places a tile, one tile after the other, so that they are
 * read and written in whole vectors. What the last tile of a run reads beyond its four is kept apart, in its tail. A whole
 * vector of tiles is then in the order that the transposition of fours leaves, in products as well; one that is not whole
 * is in the order of the tiles.
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
    int64_t reach;                       /* places up to which vectors must go; those beyond are zeros */
    const real_bits *inside;             /* the same as masks, up to whole vectors */
    bool blank;
    int64_t least, most; /* of what vectors along the rows read, in channel 0: see set_vectors */
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

/* Places beside the plane, one by one. */
static void fill_sides(const cx_winograd_axis *axis, const cx_winograd_source *source, int64_t gap, const real *plane,
                       const source_run *at, real *out, int64_t out_step) {
    for (int64_t i = 0; i < at->columns; ++i) {
        if (i >= at->low && i < at->high) continue;
        const int64_t column = cx_padded_index(at->column + i * gap, source->extent[2], source->mode);
        if (source->mode == CONVX_PAD_ZEROS)
            for (int r = 0; r < axis->points; ++r) out[r * out_step + i] = 0;
        else
            transform_some(axis, plane, at, 0, column * source->stride.space[2], 1, 1, out + i, out_step);
    }
}

/* Values down the columns of one channel's rows, and what lies beside them, wherever they lie: out[r * out_step + place]. */
static void transform_down(const cx_winograd_axis *axis, const cx_winograd_source *source, int64_t gap,
                           const real *plane, const source_run *at, real *out, int64_t out_step) {
    const int64_t stride = source->stride.space[2], step = gap * stride;
    if (at->blank) {
        for (int r = 0; r < axis->points; ++r) memset(out + r * out_step, 0, (size_t)at->columns * sizeof *out);
        return;
    }
    for (int64_t j = at->low; j < at->high; j += LANES) {
        /* the last vector begins early rather than ending late */
        if (j + LANES > at->high && at->high - at->low >= LANES) j = at->high - LANES;
        const int64_t column = at->column + j * gap, room = stride == 1 ? source->extent[2] - column : 0;
        transform_some(axis, plane, at, step, column * stride, cx_min(at->high - j, LANES), room, out + j, out_step);
    }
    fill_sides(axis, source, gap, plane, at, out, out_step);
}

/* For vectors_down: what is read of channel 0, and masks of a run's places that lie in the plane. */
static __attribute__((noinline, cold)) void set_vectors(const cx_winograd_axis *axis, source_run *at,
                                                        real_bits *inside) {
    at->inside = inside;
    at->least = INT64_MAX;
    at->most = INT64_MIN;
    for (int r = 0; r < axis->points; ++r) {
        if (at->row[r] == NO_ROW) continue;
        const int64_t from = at->plane + at->row[r] + at->column;
        at->least = cx_min(at->least, from);
        at->most = cx_max(at->most, from + cx_round_up(at->columns, LANES));
    }
    for (int64_t i = 0; i < cx_round_up(at->columns, LANES); ++i) inside[i] = i >= at->low && i < at->high ? -1 : 0;
}

/* As transform_down, of rows side by side in memory, in whole vectors. */
WINOGRAD_INLINE void vectors_down(const int points, const real *plane, const source_run *at, const real *zeros,
                                  real *out, int64_t out_step) {
    const real *row[CX_WINOGRAD_MAX_POINTS];
#pragma GCC unroll 8
    for (int r = 0; r < points; ++r) row[r] = at->row[r] == NO_ROW ? zeros : plane + at->row[r] + at->column;
    for (int64_t j = 0; j < at->reach; j += LANES) {
        const vec_bits mask = (vec_bits)v_load((const real *)at->inside + j);
        vec x[CX_WINOGRAD_MAX_POINTS], values[CX_WINOGRAD_MAX_POINTS];
#pragma GCC unroll 8
        for (int r = 0; r < points; ++r) x[r] = (vec)((vec_bits)v_load(row[r] + j) & mask);
        winograd_input(points, x, values);
#pragma GCC unroll 8
        for (int r = 0; r < points; ++r) v_store(out + r * out_step + j, values[r]);
    }
}

/* Patches of a block of tiles in the scratch, transformed down: [row of points][place]. */
typedef struct patch_rows {
    real *at, *zeros;
    int64_t row_step;
    bool joined;
    real *tails;     /* [row of points][place of the tile]: as many places as a tile has results; joined only */
    real_bits *last; /* [place of the tile]: all ones where the tile has a tail */
} patch_rows;

enum { JOINED = 4 }; /* places of a tile */

static inline bool joins_tiles(int points, int outputs) { return LANES >= 4 && points == 6 && outputs == JOINED; }

static inline void copy_four(real *to, const real *from) {
    real four[JOINED];
    memcpy(four, from, sizeof four);
    memcpy(to, four, sizeof four);
}

/* All runs of a channel, in ascending order: what is written past a run's places, the next one overwrites. */
WINOGRAD_INLINE void runs_down(const int points, const cx_winograd_grid *grid, const cx_winograd_source *source,
                               int64_t start, const source_run *at, const tile_run *runs, int n,
                               const patch_rows *patches, const int64_t *offset) {
    const real *channel = (const real *)source->base + start;
    const int64_t begin = (const real *)source->begin - channel, end = (const real *)source->end - channel;
    const int64_t row_step = patches->row_step;
    const bool dense = grid->gap[1] == 1 && source->stride.space[2] == 1;
    for (int i = 0; i < n; ++i) {
        const int64_t first = offset[runs[i].first];
        const real *plane = channel + at[i].plane;
        real *out = patches->at + first;
        if (!dense || at[i].least < begin || at[i].most > end) {
            transform_down(&grid->axis[0], source, grid->gap[1], plane, &at[i], out, row_step);
        } else {
            vectors_down(points, plane, &at[i], patches->zeros, out, row_step);
            if (source->mode != CONVX_PAD_ZEROS) fill_sides(&grid->axis[0], source, 1, plane, &at[i], out, row_step);
        }
        if (at[i].reach < at[i].columns || !patches->joined) continue;
        const int64_t tail = first + (runs[i].count - 1) * JOINED;
#pragma GCC unroll 8
        for (int r = 0; r < points; ++r)
            copy_four(patches->tails + tail + r * row_step, patches->at + tail + JOINED + r * row_step);
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
        vec places[CX_WINOGRAD_MAX_POINTS + 4], values[CX_WINOGRAD_MAX_POINTS];
#pragma GCC unroll 2
        for (int q = 0; q < points; q += 4) v_load_columns(points - q < 4 ? 2 : 4, lane, r * row_step + q, places + q);
        winograd_input(points, places, values);
#pragma GCC unroll 8
        for (int s = 0; s < points; ++s) {
            v_store(dst, values[s]);
            dst += point_step;
        }
    }
}

/* The same of joined tiles, from place `place` on; `whole`: all lanes are tiles. */
static void joined_across(int rows, const patch_rows *patches, int64_t place, bool whole, real *dst,
                          int64_t point_step) {
#if CX_LANE_COUNT >= 4
    enum { POINTS = 6 };
    const real *at = patches->at + place, *tails = patches->tails + place, *last = (const real *)patches->last + place;
    vec_bits from;
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) from[i] = i % (LANES / 4) * 4 + i / (LANES / 4);
    for (int r = 0; r < rows; ++r, at += patches->row_step, tails += patches->row_step) {
        vec places[8], values[POINTS];
#pragma GCC unroll 4
        for (int m = 0; m < 4; ++m) {
            const int64_t lanes = (int64_t)m * LANES;
            places[m] = v_load(at + lanes);
            places[4 + m] =
                v_select((vec_bits)v_load(last + lanes), v_load(tails + lanes), v_load(at + lanes + JOINED));
        }
        v_transpose_fours(4, places);
        v_transpose_fours(4, places + 4);
        if (!whole)
#pragma GCC unroll 8
            for (int q = 0; q < POINTS; ++q) places[q] = v_permute(places[q], from);
        winograd_input(POINTS, places, values);
#pragma GCC unroll 8
        for (int s = 0; s < POINTS; ++s) {
            v_store(dst, values[s]);
            dst += point_step;
        }
    }
#else
    (void)rows, (void)patches, (void)place, (void)whole, (void)dst, (void)point_step;
#endif
}

static void transform_tiles_across(const cx_winograd_grid *grid, const patch_rows *patches, const int64_t *offset,
                                   bool whole, real *dst, int64_t point_step) {
    const int rows = grid->axis[0].points, points = grid->axis[1].points;
    const int64_t row_step = patches->row_step;
    if (patches->joined) {
        joined_across(rows, patches, offset[0], whole, dst, point_step);
        return;
    }
    switch (points) {
    case 4: transform_across(4, rows, patches->at, offset, row_step, dst, point_step); break;
    case 6: transform_across(6, rows, patches->at, offset, row_step, dst, point_step); break;
    case 8: transform_across(8, rows, patches->at, offset, row_step, dst, point_step); break;
    default: copy_across(rows, patches->at + offset[0], row_step, dst, point_step); break;
    }
}

/* Cuts the scratch up. offset[t]: of the first place of tile t, for whole vectors of tiles. Returns where masks may lie. */
static real_bits *set_patches(const cx_winograd_grid *grid, const tile_run *runs, int n, int64_t count, void *scratch,
                              patch_rows *patches, int64_t *offset) {
    const cx_winograd_axis *columns = &grid->axis[1];
    const int points = grid->axis[0].points;
    /* in each row the runs lie side by side, in whole vectors; in no more than they need for copy_across */
    const int64_t unit = columns->points > 1 ? LANES : 1;
    const bool joined = joins_tiles(columns->points, columns->outputs);
    int64_t row_step = 0, longest = 0;
    for (int i = 0; i < n; ++i) {
        const int64_t places = (runs[i].count - 1) * columns->outputs + columns->points;
        if (joined) row_step = runs[i].first * JOINED;
        for (int64_t t = 0; t < runs[i].count; ++t) offset[runs[i].first + t] = row_step + t * columns->outputs;
        row_step += cx_round_up(places, unit);
        longest = cx_max(longest, places);
    }
    for (int64_t t = count; t % LANES; ++t) offset[t] = offset[0];
    row_step = LANES + (joined ? cx_max(row_step, cx_round_up(count, LANES) * JOINED) : row_step);
    *patches = (patch_rows){.at = scratch, .row_step = row_step, .joined = joined};
    real *next = patches->at + points * row_step;
    if (joined) {
        patches->tails = next;
        patches->last = (real_bits *)(next + points * row_step);
        next = (real *)patches->last + row_step;
        const int64_t places = count * JOINED;
        memset(patches->last, 0, (size_t)row_step * sizeof(real));
        for (int r = 0; r < points; ++r)
            memset(patches->at + r * row_step + places, 0, (size_t)(row_step - places) * sizeof(real));
        for (int i = 0; i < n; ++i)
            for (int e = 0; e < JOINED; ++e) {
                const int64_t place = (runs[i].first + runs[i].count - 1) * JOINED + e;
                patches->last[place] = -1;
                for (int r = 0; r < points; ++r) patches->tails[r * row_step + place] = 0;
            }
    }
    patches->zeros = next;
    longest = cx_round_up(longest, LANES);
    memset(next, 0, (size_t)longest * sizeof(real));
    return (real_bits *)(next + longest);
}

static void winograd_input_tiles(const cx_winograd_grid *grid, const cx_winograd_source *source, int64_t first,
                                 int64_t count, int64_t k0, int64_t kn, void *scratch, void *dst_void,
                                 int64_t point_step, int64_t panel_step) {
    const cx_winograd_axis *rows = &grid->axis[0];
    tile_run runs[CX_WINOGRAD_MAX_TILES];
    source_run at[CX_WINOGRAD_MAX_TILES];
    int64_t offset[CX_WINOGRAD_MAX_TILES + CX_LANE_COUNT];
    const int n = split_tiles(grid, first, count, runs);
    patch_rows patches;
    real_bits *masks = set_patches(grid, runs, n, count, scratch, &patches, offset);
    const int64_t nr = GEMM_NR;

    for (int64_t k = k0, located = -1; k < k0 + kn; ++k) {
        const int64_t depth_tap = k / source->channels, start = k % source->channels * source->stride.channel;
        real_bits *inside = masks;
        for (int i = 0; i < n && depth_tap != located; ++i) {
            at[i] = locate_source(grid, source, &runs[i], depth_tap);
            /* a joined tail is zero from the beginning */
            const int64_t joined = runs[i].count * JOINED;
            const bool empty = patches.joined && source->mode == CONVX_PAD_ZEROS && at[i].high <= joined;
            at[i].reach = empty ? joined : at[i].columns;
            set_vectors(rows, &at[i], inside);
            inside += cx_round_up(at[i].columns, LANES);
        }
        located = depth_tap;
        switch (rows->points) {
        case 4: runs_down(4, grid, source, start, at, runs, n, &patches, offset); break;
        case 6: runs_down(6, grid, source, start, at, runs, n, &patches, offset); break;
        case 8: runs_down(8, grid, source, start, at, runs, n, &patches, offset); break;
        default: runs_down(1, grid, source, start, at, runs, n, &patches, offset); break;
        }
        real *dst = (real *)dst_void + (k - k0) * nr;
        for (int64_t t = 0; t < count; t += LANES)
            transform_tiles_across(grid, &patches, offset + t, t + LANES <= count, dst + t / nr * panel_step + t % nr,
                                   point_step);
    }
}

/* The last vector begins early rather than ending late. Whole vectors of src may be read. */
static inline void copy_row(const real *src, int64_t n, real *dst) {
#ifdef CX_CHEAP_FIRST
    if (n < LANES) {
        v_store_first(dst, v_load(src), n);
        return;
    }
#endif
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
 * Products of a vector of tiles, transformed down already, across and to rows of memory. `whole`: all lanes are tiles.
 * Gives a vector of zeros, or of NaN where a result is not finite.
 */
WINOGRAD_INLINE vec results_across(const int points, const int width, const vec *down, int height, vec bias, bool whole,
                                   real *out, int64_t row_step) {
    vec finite = v_zero();
    for (int i = 0; i < height; ++i, out += row_step) {
        vec block[CX_WINOGRAD_MAX_POINTS], checks = v_zero();
        winograd_output(points, width, down + i * points, block);
#pragma GCC unroll 8
        for (int j = 0; j < CX_WINOGRAD_MAX_POINTS; ++j) {
            block[j] = j < width ? block[j] + bias : v_zero();
            if (j < width) checks += block[j] * (real)0;
        }
        finite += checks;
        if (width == 1) {
            v_store(out, block[0]);
        } else if (joins_tiles(points, width) && whole) {
            v_transpose_fours(4, block);
#pragma GCC unroll 4
            for (int m = 0; m < 4; ++m) v_store(out + (int64_t)m * LANES, block[m]);
        } else {
            v_store_columns(out, width, block);
        }
    }
    return finite;
}

static vec results_of_tiles_across(const cx_winograd_axis *columns, const vec *down, int height, vec bias, bool whole,
                                   real *out, int64_t row_step) {
    switch (columns->points * 8 + columns->outputs) {
    case 4 * 8 + 2: return results_across(4, 2, down, height, bias, whole, out, row_step);
    case 6 * 8 + 2: return results_across(6, 2, down, height, bias, whole, out, row_step);
    case 6 * 8 + 4: return results_across(6, 4, down, height, bias, whole, out, row_step);
    case 8 * 8 + 2: return results_across(8, 2, down, height, bias, whole, out, row_step);
    case 8 * 8 + 4: return results_across(8, 4, down, height, bias, whole, out, row_step);
    case 8 * 8 + 6: return results_across(8, 6, down, height, bias, whole, out, row_step);
    default: return results_across(1, 1, down, height, bias, whole, out, row_step);
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
            finite +=
                results_of_tiles_across(columns, down, height, bias, t + LANES <= count, out + t * width, row_step);
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
