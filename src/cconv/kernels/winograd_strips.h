/*
 * Template: Winograd's transforms for weight gradients, with vectors along channels. Patches and output gradients are
 * read from strips, dense copies with channels side by side in whole vectors.
 */
#ifndef CX_KERNELS_WINOGRAD_STRIPS_H
#define CX_KERNELS_WINOGRAD_STRIPS_H

#include "kernels/winograd_passes.h"
#include "vec/shuffle.h"

static void winograd_strip(const cx_winograd_axis axis[2], bool gradient, const cx_winograd_strip *strip,
                           void *dst_void, int64_t point_step, int64_t tile_step, int64_t panel, int64_t panel_step) {
    const cx_winograd_axis *rows = &axis[0], *columns = &axis[1];
    const int in_columns = gradient ? columns->taps : columns->points;
    vec down[CX_WINOGRAD_MAX_POINTS * CX_WINOGRAD_MAX_POINTS];
    for (int64_t t = 0; t < strip->tiles; ++t) {
        const real *tile = (const real *)strip->base + t * strip->tile_step;
        real *dst = (real *)dst_void + t * tile_step;
        for (int64_t c = 0; c < strip->channels; c += LANES) {
            const winograd_lines first = {tile + c,           strip->row_step, strip->column_step, (real *)down,
                                          in_columns * LANES, LANES,           in_columns};
            const winograd_lines second = {(const real *)down, LANES,
                                           in_columns * LANES, dst + c / panel * panel_step + c % panel,
                                           point_step,         columns->points * point_step,
                                           rows->points};
            if (gradient) {
                filter_pass(rows, &first);
                filter_pass(columns, &second);
            } else {
                input_pass(rows, &first);
                input_pass(columns, &second);
            }
        }
    }
}

/* taps[tap] of LANES filters, of which the first n lie in memory, in_stride apart. */
static inline void store_filters(const vec *taps, int rows, int columns, const int64_t tap_stride[2], int64_t in_stride,
                                 int64_t n, real *dst) {
    const int all = rows * columns;
    int t = 0;
    if ((columns == 1 || tap_stride[1] == 1) && (rows == 1 || tap_stride[0] == columns)) {
        for (; t + LANES <= all; t += LANES) {
            vec block[CX_LANE_COUNT];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) block[i] = taps[t + i];
            v_transpose(block);
            for (int64_t i = 0; i < n; ++i) v_store(dst + i * in_stride + t, block[i]);
        }
#ifdef CX_CHEAP_FIRST
        if (all - t >= LANES / 4) { /* as 3x3 of sixteen lanes */
            vec block[CX_LANE_COUNT];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) block[i] = t + i < all ? taps[t + i] : v_zero();
            v_transpose(block);
            for (int64_t i = 0; i < n; ++i) v_store_first(dst + i * in_stride + t, block[i], all - t);
            return;
        }
#endif
    }
    for (; t < all; ++t) {
        real *to = dst + t / columns * tap_stride[0] + t % columns * tap_stride[1];
        for (int64_t i = 0; i < n; ++i) to[i * in_stride] = taps[t][i];
    }
}

static void winograd_weights(const cx_winograd_axis axis[2], const void *products_void, int64_t point_step,
                             int64_t count, const int64_t tap_stride[2], int64_t in_stride, void *dst_void,
                             unsigned char *not_finite) {
    const cx_winograd_axis *rows = &axis[0], *columns = &axis[1];
    const int all = rows->outputs * columns->outputs;
    vec finite = v_zero();
    for (int64_t i = 0; i < count; i += LANES) {
        const int64_t n = cx_min(LANES, count - i);
        vec down[CX_WINOGRAD_MAX_POINTS * CX_WINOGRAD_MAX_POINTS], taps[WINOGRAD_MAX_TAPS * WINOGRAD_MAX_TAPS];
        const winograd_lines first = {(const real *)products_void + i,
                                      columns->points * point_step,
                                      point_step,
                                      (real *)down,
                                      columns->points * LANES,
                                      LANES,
                                      columns->points};
        const winograd_lines second = {(const real *)down, LANES, columns->points * LANES,
                                       (real *)taps,       LANES, columns->outputs * LANES,
                                       rows->outputs};
        output_pass(rows, &first);
        output_pass(columns, &second);
        if (n == LANES)
            for (int t = 0; t < all; ++t) finite += taps[t] * (real)0;
        else /* lanes past the last filter hold anything */
            for (int t = 0; t < all; ++t)
                for (int64_t lane = 0; lane < n; ++lane) finite[lane] += taps[t][lane] * (real)0;
        store_filters(taps, rows->outputs, columns->outputs, tap_stride, in_stride, n,
                      (real *)dst_void + i * in_stride);
    }
    if (!(v_sum(finite) == 0)) __atomic_store_n(not_finite, 1, __ATOMIC_RELAXED);
}

#endif
