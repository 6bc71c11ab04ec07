/* Template: filters into their values at the points, LANES filters at a time. */
#ifndef CX_KERNELS_WINOGRAD_FILTERS_H
#define CX_KERNELS_WINOGRAD_FILTERS_H

#include "kernels/gemm_kernels.h"
#include "kernels/winograd_passes.h"
#include "vec/shuffle.h"

/* Fewer than LANES taps, side by side, of LANES filters one after another. Nothing before the first or after the last is read. */
static inline void load_short_filters(const real *lowest, int all, bool forwards, const int64_t *lane, vec *taps) {
    vec block[CX_LANE_COUNT];
    vec_bits from; /* the last filter is loaded by its end, lest more than it be read */
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) from[i] = (i + LANES - all) % LANES;
#pragma GCC unroll 16
    for (int i = 0; i < LANES - 1; ++i) block[i] = v_load(lowest + lane[i]);
    block[LANES - 1] = v_permute(v_load(lowest + lane[LANES - 1] + all - LANES), from);
    v_transpose(block);
    for (int t = 0; t < all; ++t) taps[forwards ? t : all - 1 - t] = block[t];
}

/* Taps [row][column] of LANES filters, at the offsets `lane`; apart: they are LANES filters one after another. */
static inline void load_filters(const cx_winograd_axis axis[2], const real *w, const int64_t tap_stride[2],
                                const int64_t *lane, bool apart, vec *taps) {
    const int columns = axis[1].taps, rows = axis[0].taps, all = rows * columns;
    const bool forwards = (columns == 1 || tap_stride[1] == 1) && (rows == 1 || tap_stride[0] == columns);
    const bool backwards = (columns == 1 || tap_stride[1] == -1) && (rows == 1 || tap_stride[0] == -columns);
    int t = 0;
    if (forwards || backwards) {
        const real *lowest = forwards ? w : w - (all - 1);
        if (all < LANES && apart) {
            load_short_filters(lowest, all, forwards, lane, taps);
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
        for (; t < all; ++t) {
            vec tap;
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) tap[i] = lowest[lane[i] + t];
            taps[forwards ? t : all - 1 - t] = tap;
        }
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

static void winograd_filters(const cx_winograd_axis axis[2], const void *w_void, const int64_t tap_stride[2],
                             int64_t lane_stride, int64_t count, int64_t k_stride, int64_t kn, int64_t room,
                             int64_t width, void *dst_void, int64_t point_step) {
    const int columns = axis[1].taps, all = axis[0].taps * columns;
    const int row_points = axis[0].points, points = row_points * axis[1].points;
    vec taps[WINOGRAD_MAX_TAPS * WINOGRAD_MAX_TAPS], by_rows[CX_WINOGRAD_MAX_POINTS * WINOGRAD_MAX_TAPS];
    vec values[CX_WINOGRAD_MAX_POINTS * CX_WINOGRAD_MAX_POINTS];
    const winograd_lines down = {(const real *)taps, columns * LANES, LANES,  (real *)by_rows,
                                 columns * LANES,    LANES,           columns};
    /* a kernel one row high is transformed across only */
    const real *rows = row_points > 1 ? (const real *)by_rows : (const real *)taps;
    winograd_lines across = {rows, LANES, columns * LANES, NULL, 0, 0, row_points};
    int64_t lane[CX_GEMM_MAX_NR + CX_LANE_COUNT];
    for (int64_t i = 0; i < count + LANES; ++i) lane[i] = cx_min(i, count - 1) * lane_stride;
    for (int64_t k = 0; k < kn; ++k) {
        /* in ascending order: what a vector writes past its row's end, the next one overwrites */
        for (int64_t i = 0; i < count; i += LANES) {
            const bool apart = i + LANES <= count && lane_stride >= all && lane_stride + all >= LANES;
            load_filters(axis, (const real *)w_void + k * k_stride, tap_stride, lane + i, apart, taps);
            if (row_points > 1) filter_pass(&axis[0], &down);
            real *dst = (real *)dst_void + k * width + i;
            const bool spills = k + 1 == room && i + LANES > width;
            const int64_t step = spills ? LANES : point_step;
            across.out = spills ? (real *)values : dst;
            across.out_step = step;
            across.out_line = axis[1].points * step;
            filter_pass(&axis[1], &across);
            if (spills)
                for (int p = 0; p < points; ++p) v_store_first(dst + p * point_step, values[p], width - i);
        }
    }
}

#endif
