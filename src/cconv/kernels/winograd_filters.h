/* Template: filters into their values at the points, LANES filters at a time. */
#ifndef CX_KERNELS_WINOGRAD_FILTERS_H
#define CX_KERNELS_WINOGRAD_FILTERS_H

#include "kernels/winograd_passes.h"
#include "vec/shuffle.h"

/* Taps [row][column] of `count` <= LANES filters, one a lane; the other lanes are zero. */
static inline void load_filters(const cx_winograd_axis axis[2], const real *w, const int64_t tap_stride[2],
                                int64_t lane_stride, int64_t count, vec *taps) {
    const int columns = axis[1].taps, all = axis[0].taps * columns;
    const bool forwards = tap_stride[1] == 1 && tap_stride[0] == columns;
    const bool backwards = tap_stride[1] == -1 && tap_stride[0] == -columns;
    int t = 0;
    if (count == LANES && (forwards || backwards)) {
        const real *lowest = forwards ? w : w - (all - 1);
        for (; t + LANES <= all; t += LANES) {
            vec block[CX_LANE_COUNT];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) block[i] = v_load(lowest + i * lane_stride + t);
            v_transpose(block);
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) taps[forwards ? t + i : all - 1 - t - i] = block[i];
        }
        for (; t < all; ++t) {
            vec tap;
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) tap[i] = lowest[i * lane_stride + t];
            taps[forwards ? t : all - 1 - t] = tap;
        }
        return;
    }
    for (; t < all; ++t) {
        const real *tap = w + t / columns * tap_stride[0] + t % columns * tap_stride[1];
        real lane[CX_LANE_COUNT] = {0};
        for (int i = 0; i < (int)count; ++i) lane[i] = tap[i * lane_stride];
        taps[t] = v_load(lane);
    }
}

static void winograd_filters(const cx_winograd_axis axis[2], const void *w_void, const int64_t tap_stride[2],
                             int64_t lane_stride, int64_t count, void *dst_void, int64_t point_step) {
    const real *w = w_void;
    real *dst = dst_void;
    const int columns = axis[1].taps, row_points = axis[0].points, points = row_points * axis[1].points;
    for (int64_t i = 0; i < count; i += LANES) {
        const int64_t lanes = cx_min(LANES, count - i);
        vec taps[WINOGRAD_MAX_TAPS * WINOGRAD_MAX_TAPS], by_rows[CX_WINOGRAD_MAX_POINTS * WINOGRAD_MAX_TAPS];
        vec values[CX_WINOGRAD_MAX_POINTS * CX_WINOGRAD_MAX_POINTS];
        load_filters(axis, w + i * lane_stride, tap_stride, lane_stride, lanes, taps);
        const winograd_lines down = {(const real *)taps, columns * LANES, LANES,  (real *)by_rows,
                                     columns * LANES,    LANES,           columns};
        filter_pass(&axis[0], &down);
        const bool whole = lanes == LANES;
        const int64_t step = whole ? point_step : LANES;
        const winograd_lines across = {
            (const real *)by_rows, LANES,     columns * LANES, whole ? dst + i : (real *)values, step,
            axis[1].points * step, row_points};
        filter_pass(&axis[1], &across);
        if (!whole)
            for (int p = 0; p < points; ++p) v_store_first(dst + p * point_step + i, values[p], lanes);
    }
}

#endif
