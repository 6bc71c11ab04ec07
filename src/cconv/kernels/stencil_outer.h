/*
 * Template: the weight gradient of the planar stencil (cx_stencil_outer). One accumulator a tap stays in registers
 * over a whole block of rows; where source rows are shared by neighbouring gradient rows, each of their vectors is
 * loaded once.
 */
#ifndef CX_KERNELS_STENCIL_OUTER_H
#define CX_KERNELS_STENCIL_OUTER_H

#include "kernels/stencil_rows.h"

#define OUTER_TAPS_H 3
#define OUTER_TAPS_W 5
#define OUTER_ROWS   4

/* All ones in the first n lanes. */
STENCIL_INLINE vec_bits first_lanes(int64_t n) {
    real_bits lanes[CX_BYTES / sizeof(real)];
    for (int i = 0; i < LANES; ++i) lanes[i] = i < n ? -1 : 0;
    vec_bits mask;
    memcpy(&mask, lanes, sizeof mask);
    return mask;
}

/* `count` gradient rows, one vector each; the tail masks what lies beyond the width, so that a NaN there stays out. */
STENCIL_INLINE void outer_column(vec acc[OUTER_TAPS_H][OUTER_TAPS_W], const real *const *x, const real *const *y,
                                 int64_t tap_row, const int64_t *offset, int64_t j, const int taps_h, const int taps_w,
                                 const int count, const int tail, vec_bits mask) {
    vec ys[OUTER_ROWS];
    STENCIL_UNROLL for (int r = 0; r < count; ++r) ys[r] = v_load(y[r] + j);
    STENCIL_UNROLL for (int i = 0; i < count + taps_h - 1; ++i) {
        const real *row = x[i * tap_row] + j;
        STENCIL_UNROLL for (int tw = 0; tw < taps_w; ++tw) {
            vec xv = v_load(row + offset[tw]);
            if (tail) xv = v_select(mask, xv, v_zero());
            STENCIL_UNROLL for (int r = 0; r < count; ++r) {
                if (i - r >= 0 && i - r < taps_h) acc[i - r][tw] += ys[r] * xv;
            }
        }
    }
}

STENCIL_INLINE void outer_rows(vec acc[OUTER_TAPS_H][OUTER_TAPS_W], const cx_stencil_outer *s, const real *const *x,
                               int64_t r, const int64_t *offset, const int taps_h, const int taps_w, const int count) {
    const real *const *y = (const real *const *)s->y_rows + r;
    x += r * s->row_step;
    const int64_t whole = s->width / LANES * LANES, tap_row = s->tap_row;
    const vec_bits none = {0};
    for (int64_t j = 0; j < whole; j += LANES)
        outer_column(acc, x, y, tap_row, offset, j, taps_h, taps_w, count, 0, none);
    if (whole < s->width)
        outer_column(acc, x, y, tap_row, offset, whole, taps_h, taps_w, count, 1, first_lanes(s->width - whole));
}

/* The register block of taps_h x taps_w taps that begins at (th, tw). */
STENCIL_INLINE void outer_block(const cx_stencil_outer *s, int64_t th, int64_t tw, const int taps_h, const int taps_w) {
    const real *const *x = (const real *const *)s->x_rows + th * s->tap_row;
    real *sums = (real *)s->sums + (th * s->taps_w + tw) * LANES;
    const int64_t sums_row = s->taps_w * LANES;
    const int count = taps_h * taps_w > 9 ? 2 : 4;
    int64_t offset[OUTER_TAPS_W];
    STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) offset[t] = s->offset[tw + t];
    vec acc[OUTER_TAPS_H][OUTER_TAPS_W];
    STENCIL_UNROLL for (int h = 0; h < taps_h; ++h) {
        STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) { acc[h][t] = v_load(sums + h * sums_row + t * LANES); }
    }
    int64_t r = 0;
    if (s->row_step == s->tap_row)
        for (; r + count <= s->height; r += count) outer_rows(acc, s, x, r, offset, taps_h, taps_w, count);
    for (; r < s->height; ++r) outer_rows(acc, s, x, r, offset, taps_h, taps_w, 1);
    STENCIL_UNROLL for (int h = 0; h < taps_h; ++h) {
        STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) { v_store(sums + h * sums_row + t * LANES, acc[h][t]); }
    }
}

STENCIL_INLINE void outer_band(const cx_stencil_outer *s, int64_t th, const int taps_h) {
    for (int64_t tw = 0, now; tw < s->taps_w; tw += now) {
        const int64_t left = s->taps_w - tw;
        /* Six taps are two blocks of three, not five and one. */
        now = left <= OUTER_TAPS_W ? left : left < 2 * OUTER_TAPS_W ? (left + 1) / 2 : OUTER_TAPS_W;
        switch (now) {
        case 1: outer_block(s, th, tw, taps_h, 1); break;
        case 2: outer_block(s, th, tw, taps_h, 2); break;
        case 3: outer_block(s, th, tw, taps_h, 3); break;
        case 4: outer_block(s, th, tw, taps_h, 4); break;
        default: outer_block(s, th, tw, taps_h, 5); break;
        }
    }
}

static void outer_two(const cx_stencil_outer *s, int64_t th) { outer_band(s, th, 2); }
static void outer_one(const cx_stencil_outer *s, int64_t th) { outer_band(s, th, 1); }

/* Kernels of three columns: nine accumulators. */
static void outer_three(const cx_stencil_outer *s, int64_t th) { outer_block(s, th, 0, 3, 3); }

static void stencil_outer(const cx_stencil_outer *s) {
    int64_t th = 0;
    if (s->taps_w == 3)
        for (; s->taps_h - th >= 5 || s->taps_h - th == 3; th += 3) outer_three(s, th);
    for (; th + 2 <= s->taps_h; th += 2) outer_two(s, th);
    if (th < s->taps_h) outer_one(s, th);
}

#endif
