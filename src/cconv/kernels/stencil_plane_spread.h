/*
 * Template: the input gradient of stride 2, plane by plane (cx_stencil_plane_spread). Even and odd result columns are
 * computed side by side from the same source columns and stored together.
 */
#ifndef CX_KERNELS_STENCIL_PLANE_SPREAD_H
#define CX_KERNELS_STENCIL_PLANE_SPREAD_H

#include "kernels/stencil_planes.h"

/* In local variables, as plane_view. */
typedef struct spread_view {
    cx_stencil_columns columns;
    cx_stencil_spread_phase row_phase[2], column_phase[2];
    const void *masks;
    const real *const *rows;
    const real *weights;
    real *out;
    const real *out_end;
    int64_t weights_row, weights_column, out_row, height, width, vectors;
    real start;
} spread_view;

/* 2 * LANES columns, or the first n where what follows must stay. `ascending`: rows are stored in their order. */
STENCIL_INLINE void spread_store(const spread_view *s, real *out, vec even, vec odd, int64_t n, const int ascending) {
    const vec low = pairs_low(even, odd), high = pairs_high(even, odd);
    const bool whole =
        LANES == 1 ? n >= 2 : n >= 2 * LANES || (ascending && s->vectors == 1 && out + 2 * LANES <= s->out_end);
    if (whole) {
        v_store(out, low);
        v_store(out + LANES, high);
    } else if (n >= LANES) {
        v_store(out, low);
        real lanes[CX_BYTES / sizeof(real)];
        v_store(lanes, high);
        copy_short(out + LANES, lanes, n - LANES);
    } else {
        real lanes[CX_BYTES / sizeof(real)];
        v_store(lanes, low);
        copy_short(out, lanes, n);
    }
}

/* ---- 3x3 with padding 1: even rows and columns meet the middle tap, odd ones both others ---------------------- */

/* Two source rows under rows 2 q and 2 q + 1 of the result. w: by source row and column, then result row and column. */
STENCIL_INLINE void spread_three_block(const spread_view *s, vec w[9], int64_t q, int64_t k, const int masked) {
    const int64_t m = plane_column(s->columns.width, k), n = s->width - 2 * m;
    const real *const *rows = s->rows + q;
    vec a0 = v_load(rows[0] + m), b0 = v_load(rows[0] + m + 1), a1 = v_load(rows[1] + m), b1 = v_load(rows[1] + m + 1);
    if (masked) {
        const real *masks = plane_masks(&s->columns, s->masks, k);
        a0 = plane_masked(a0, masks);
        b0 = plane_masked(b0, masks + LANES);
        a1 = plane_masked(a1, masks);
        b1 = plane_masked(b1, masks + LANES);
    }
    const vec start = v_splat(s->start);
    real *out = s->out + 2 * q * s->out_row + 2 * m;
    spread_store(s, out, start + w[4] * a0, start + w[5] * a0 + w[3] * b0, n, 1);
    if (2 * q + 1 < s->height)
        spread_store(s, out + s->out_row, start + w[7] * a0 + w[1] * a1,
                     start + w[8] * a0 + w[6] * b0 + w[2] * a1 + w[0] * b1, n, 1);
}

static void spread_three(const spread_view *s) {
    vec w[9];
    /* weights_row and weights_column are those of two taps, backwards; the weights begin at tap (1, 1). */
    STENCIL_UNROLL for (int t = 0; t < 9; ++t) {
        const int64_t row = (1 - t / 3) * s->weights_row / 2, column = (1 - t % 3) * s->weights_column / 2;
        w[t] = v_splat(s->weights[s->row_phase[0].weights + s->column_phase[0].weights + row + column]);
    }
    for (int64_t q = 0; 2 * q < s->height; ++q)
        for (int64_t k = 0; k < s->vectors; ++k) {
            if (k >= s->columns.left && k < s->columns.right)
                spread_three_block(s, w, q, k, 0);
            else
                spread_three_block(s, w, q, k, 1);
        }
}

/* ---- Any kernel ------------------------------------------------------------------------------------------------ */

/* The taps of one source row into result rows [low, high) of one parity; w: its weights for the first of them. */
STENCIL_INLINE void spread_taps(vec acc[2][2][2], const spread_view *s, const real *source, const real *w, int64_t next,
                                const real *const masks[2], const int low, const int high, const int vectors) {
    STENCIL_UNROLL for (int c = 0; c < 2; ++c) {
        const cx_stencil_spread_phase *phase = &s->column_phase[c];
        const real *at = w + phase->weights;
        for (int64_t t = phase->first; t < phase->first + phase->taps; ++t, at += s->weights_column) {
            vec x[2];
            STENCIL_UNROLL for (int v = 0; v < vectors; ++v) x[v] =
                plane_masked(v_load(source + t + v * next), masks[v] + t * LANES);
            STENCIL_UNROLL for (int r = low; r < high; ++r) {
                const vec wv = v_splat(at[-r * s->weights_row]);
                STENCIL_UNROLL for (int v = 0; v < vectors; ++v) acc[r][c][v] += wv * x[v];
            }
        }
    }
}

/* `count` result rows of one parity, from `row` on; vectors k and k + 1 (where there are two). */
STENCIL_INLINE void spread_block(const spread_view *s, int64_t row, int64_t k, const int count, const int vectors) {
    const cx_stencil_spread_phase *phase = &s->row_phase[row % 2];
    const int64_t m = plane_column(s->columns.width, k), taps = phase->taps;
    const int64_t next = vectors > 1 ? plane_column(s->columns.width, k + 1) - m : 0;
    const real *const *rows = s->rows + row / 2 + phase->first;
    const real *w = s->weights + phase->weights, *masks[2] = {NULL, NULL};
    vec acc[2][2][2];
    STENCIL_UNROLL for (int v = 0; v < vectors; ++v) {
        STENCIL_UNROLL for (int r = 0; r < count; ++r) acc[r][0][v] = acc[r][1][v] = v_splat(s->start);
        masks[v] = plane_masks(&s->columns, s->masks, k + v);
    }
    if (taps > 0) {
        if (count == 2) spread_taps(acc, s, rows[0] + m, w, next, masks, 0, 1, vectors);
        for (int64_t i = count - 1; i < taps; ++i)
            spread_taps(acc, s, rows[i] + m, w + i * s->weights_row, next, masks, 0, count, vectors);
        if (count == 2) spread_taps(acc, s, rows[taps] + m, w + taps * s->weights_row, next, masks, 1, 2, vectors);
    }
    real *out = s->out + row * s->out_row + 2 * m;
    STENCIL_UNROLL for (int r = 0; r < count; ++r) {
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) spread_store(
            s, out + 2 * r * s->out_row + 2 * v * next, acc[r][0][v], acc[r][1][v], s->width - 2 * (m + v * next), 0);
    }
}

STENCIL_INLINE void spread_strip(const spread_view *s, int64_t row, const int count) {
    int64_t k = 0;
    for (; k + 2 <= s->vectors; k += 2) spread_block(s, row, k, count, 2);
    if (k < s->vectors) spread_block(s, row, k, count, 1);
}

static void spread_pair(const spread_view *s, int64_t row) { spread_strip(s, row, 2); }
static void spread_single(const spread_view *s, int64_t row) { spread_strip(s, row, 1); }

static void spread_any(const spread_view *s) {
    int64_t row = 0;
    for (; row + 4 <= s->height; row += 4) {
        spread_pair(s, row);
        spread_pair(s, row + 1);
    }
    for (; row < s->height; ++row) spread_single(s, row);
}

static void stencil_plane_spread(const cx_stencil_plane_spread *args) {
    spread_view s = {.columns = *args->columns,
                     .row_phase = {args->row_phase[0], args->row_phase[1]},
                     .column_phase = {args->column_phase[0], args->column_phase[1]},
                     .masks = args->masks,
                     .rows = (const real *const *)args->rows,
                     .weights = args->weights,
                     .out = args->out,
                     .out_end = args->out_dense ? (const real *)args->out + args->height * args->out_row : NULL,
                     .weights_row = args->weights_row,
                     .weights_column = args->weights_column,
                     .out_row = args->out_row,
                     .height = args->height,
                     .width = args->width,
                     .vectors = (args->columns->width + LANES - 1) / LANES,
                     .start = *(const real *)args->start};
    const cx_stencil_spread_phase *r = s.row_phase, *c = s.column_phase;
    const bool three = r[0].taps == 1 && r[0].first == 0 && r[1].taps == 2 && r[1].first == 0 && c[0].taps == 1 &&
                       c[0].first == 0 && c[1].taps == 2 && c[1].first == 0;
    for (int64_t plane = 0;;) {
        (three ? spread_three : spread_any)(&s);
        if (++plane == args->planes) break;
        for (int64_t i = 0; i < args->count; ++i)
            args->rows[i] = (const void *)((uintptr_t)args->rows[i] + (uintptr_t)args->advance[i]);
        s.weights += args->weights_plane;
        s.out += args->out_plane;
        if (s.out_end) s.out_end += args->out_plane;
        s.start = ((const real *)args->start)[plane * args->start_plane];
    }
}

#endif
