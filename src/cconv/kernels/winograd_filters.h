/* Template: filters into their values at the points, LANES filters at a time. */
#ifndef CX_KERNELS_WINOGRAD_FILTERS_H
#define CX_KERNELS_WINOGRAD_FILTERS_H

#include "kernels/gemm_kernels.h"
#include "kernels/winograd_passes.h"
#include "vec/shuffle.h"

#define FILTERS_AHEAD 8 /* rows of the panel */

/* Taps from t on, one by one. */
static inline void load_taps(const real *lowest, int all, int t, bool forwards, const int64_t *lane, vec *taps) {
    for (; t < all; ++t) {
        vec tap;
#pragma GCC unroll 16
        for (int i = 0; i < LANES; ++i) tap[i] = lowest[lane[i] + t];
        taps[forwards ? t : all - 1 - t] = tap;
    }
}

/* Fewer than LANES taps, side by side, of LANES filters; more than them may be read, but nothing from `end` on. */
static inline void load_short_filters(const real *lowest, const real *end, int all, bool forwards, const int64_t *lane,
                                      vec *taps) {
    vec block[CX_LANE_COUNT];
    const int half = LANES / 2;
    bool inside = true; /* half of a vector of each filter */
    for (int i = 0; i < LANES && all < half; ++i) inside = inside && lowest + lane[i] + half <= end;
    if (half == 8 && all >= 5 && all <= half + 2 && inside) { /* 3x3, 1x5, 1x7 */
        const real *row[CX_LANE_COUNT];
        vec last[4], *first_tap = forwards ? taps : taps + all - 1;
        const int step = forwards ? 1 : -1;
        v_load_half_transposed(lowest, lane, block);
#pragma GCC unroll 8
        for (int t = 0; t < half; ++t)
            if (t < all) first_tap[t * step] = block[t];
        if (all <= half) return;
#pragma GCC unroll 16
        for (int i = 0; i < LANES; ++i) row[i] = lowest + lane[i];
        v_load_columns(4, row, all - 4, last);
        for (int t = half; t < all; ++t) first_tap[t * step] = last[t - (all - 4)];
        return;
    }
    real last[CX_LANE_COUNT] = {0};
#pragma GCC unroll 1
    for (int i = 0; i < LANES; ++i) {
        const real *from = lowest + lane[i];
        if (from + LANES > end) from = memcpy(last, from, (size_t)all * sizeof *from);
        block[i] = v_load(from);
    }
    v_transpose(block);
    for (int t = 0; t < all; ++t) taps[forwards ? t : all - 1 - t] = block[t];
}

/* Taps [row][column] of LANES filters, at the offsets `lane`, of which none is larger than `most`. */
static inline void load_filters(const cx_winograd_axis axis[2], const real *w, const int64_t tap_stride[2],
                                const int64_t *lane, int64_t most, vec *taps) {
    const int columns = axis[1].taps, rows = axis[0].taps, all = rows * columns;
    const bool forwards = (columns == 1 || tap_stride[1] == 1) && (rows == 1 || tap_stride[0] == columns);
    const bool backwards = (columns == 1 || tap_stride[1] == -1) && (rows == 1 || tap_stride[0] == -columns);
    int t = 0;
    if (forwards || backwards) {
        const real *lowest = forwards ? w : w - (all - 1);
        if (all < LANES) {
            load_short_filters(lowest, lowest + most + all, all, forwards, lane, taps);
            return;
        }
        for (; t + LANES <= all; t += LANES) {
            vec block[CX_LANE_COUNT];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) block[i] = v_load(lowest + lane[i] + t);
            v_transpose(block);
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) taps[forwards ? t + i : all - 1 - t - i] = block[i];
        }
        load_taps(lowest, all, t, forwards, lane, taps);
        return;
    }
    for (; t < all; ++t) {
        const real *from = w + t / columns * tap_stride[0] + t % columns * tap_stride[1];
        vec tap;
#pragma GCC unroll 16
        for (int i = 0; i < LANES; ++i) tap[i] = from[lane[i]];
        taps[t] = tap;
    }
}

/* Thirty-two registers hold what passes from one of two passes to the other. */
#if CX_BYTES == 64
#define SQUARE_UNROLL _Pragma("GCC unroll 6")
#else
#define SQUARE_UNROLL _Pragma("GCC unroll 1")
#endif

/* Both passes of 3x3 filters, which most are. */
WINOGRAD_INLINE void filter_square(const int points, const vec *taps, real *out, int64_t step) {
    vec by_columns[3][CX_WINOGRAD_MAX_POINTS];
    SQUARE_UNROLL for (int c = 0; c < 3; ++c) {
        const vec column[3] = {taps[c], taps[3 + c], taps[6 + c]};
        winograd_filter(points, 3, column, by_columns[c]);
    }
    SQUARE_UNROLL for (int r = 0; r < points; ++r, out += points * step) {
        const vec row[3] = {by_columns[0][r], by_columns[1][r], by_columns[2][r]};
        vec values[CX_WINOGRAD_MAX_POINTS];
        winograd_filter(points, 3, row, values);
#pragma GCC unroll 8
        for (int e = 0; e < points; ++e) v_store(out + e * step, values[e]);
    }
}

static void winograd_filters(const cx_winograd_axis axis[2], const void *w_void, const int64_t tap_stride[2],
                             int64_t lane_stride, int64_t count, int64_t k_stride, int64_t kn, int64_t room,
                             int64_t width, void *dst_void, int64_t point_step) {
    const int columns = axis[1].taps;
    const int row_points = axis[0].points, points = row_points * axis[1].points;
    vec taps[WINOGRAD_MAX_TAPS * WINOGRAD_MAX_TAPS], by_rows[CX_WINOGRAD_MAX_POINTS * WINOGRAD_MAX_TAPS];
    vec values[CX_WINOGRAD_MAX_POINTS * CX_WINOGRAD_MAX_POINTS];
    const winograd_lines down = {(const real *)taps, columns * LANES, LANES,  (real *)by_rows,
                                 columns * LANES,    LANES,           columns};
    /* a kernel one row high is transformed across only */
    const real *rows = row_points > 1 ? (const real *)by_rows : (const real *)taps;
    winograd_lines across = {rows, LANES, columns * LANES, NULL, 0, 0, row_points};
    const bool square = row_points == axis[1].points && axis[0].taps == 3 && columns == 3;
    /* Vectors run on from one row of the panel to the next. */
    const int64_t all_filters = kn * width, used = cx_round_up(count, LANES);
    const int64_t most = cx_max((count - 1) * lane_stride, 0) + cx_max((kn - 1) * k_stride, 0);
    /* Mostly a vector is some whole rows: then all begin alike. */
    const int64_t together = count == width && LANES % width == 0 ? LANES / width : 0;
    int64_t same_lane[CX_LANE_COUNT], lane[CX_LANE_COUNT];
    for (int l = 0; l < LANES; ++l) same_lane[l] = l / width * k_stride + l % width * lane_stride;
    for (int64_t i = 0, row = 0, filter = 0; i < all_filters; i += LANES) {
        if (together > 0 && row + together <= kn) {
            const int64_t from = row * k_stride;
            /* no prefetcher follows so many short pieces of memory */
            for (int l = 0; l < (int)width; ++l)
                __builtin_prefetch((const real *)w_void + from + same_lane[l] + FILTERS_AHEAD * k_stride);
            row += together;
            load_filters(axis, (const real *)w_void + from, tap_stride, same_lane, most - from, taps);
        } else {
            if (filter >= used) {
                i += width - filter;
                filter = 0;
                if (++row == kn) break;
            }
#pragma GCC unroll 1
            for (int l = 0; l < LANES; ++l) {
                lane[l] = row * k_stride + cx_min(filter, count - 1) * lane_stride;
                __builtin_prefetch((const real *)w_void + lane[l] + FILTERS_AHEAD * k_stride);
                if (++filter < width) continue;
                filter = 0;
                if (row < kn - 1) ++row;
            }
            load_filters(axis, w_void, tap_stride, lane, most, taps);
        }
        real *dst = (real *)dst_void + i;
        const bool spills = i + LANES > room * width;
        const int64_t step = spills ? LANES : point_step;
        across.out = spills ? (real *)values : dst;
        across.out_step = step;
        across.out_line = axis[1].points * step;
        if (square && row_points == 6) {
            filter_square(6, taps, across.out, step);
        } else if (square && row_points == 4) {
            filter_square(4, taps, across.out, step);
        } else {
            if (row_points > 1) filter_pass(&axis[0], &down);
            filter_pass(&axis[1], &across);
        }
        if (spills)
            for (int p = 0; p < points; ++p) v_store_first(dst + p * point_step, values[p], all_filters - i);
    }
}

#undef FILTERS_AHEAD
#undef SQUARE_UNROLL

#endif
