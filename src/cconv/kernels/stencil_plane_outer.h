/*
 * Template: the weight gradient of planes read where they lie (cx_stencil_plane_outer). A block of taps has its
 * accumulators in registers over all rows and columns; result rows that share source rows are taken together.
 */
#ifndef CX_KERNELS_STENCIL_PLANE_OUTER_H
#define CX_KERNELS_STENCIL_PLANE_OUTER_H

#include "kernels/stencil_planes.h"

#define PLANE_OUTER_H 3
#define PLANE_OUTER_W 5

/* In local variables, as plane_view. */
typedef struct plane_outer_view {
    cx_stencil_columns columns;
    const void *masks;
    const real *const *x_rows;
    const real *const *y_rows;
    real *sums;
    int64_t height, step, vectors;
} plane_outer_view;

/* The vector at column j of `count` gradient rows into taps_h x taps_w taps. x, y: rows, x at the first tap. */
STENCIL_INLINE void plane_outer_rows(vec acc[PLANE_OUTER_H][PLANE_OUTER_W], const real *const *x, int64_t x_at,
                                     const real *const *y, int64_t j, const real *masks, const real *y_mask,
                                     const int taps_h, const int taps_w, const int count, const int apart,
                                     const int step, const int masked) {
    vec ys[4];
    STENCIL_UNROLL for (int r = 0; r < count; ++r) {
        ys[r] = v_load_for(masked ? 1 : taps_h * taps_w, y[r] + j);
        if (step == 2) ys[r] = pairs_mixed(ys[r]);
        if (masked) ys[r] = plane_masked(ys[r], y_mask);
    }
    STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) {
        const vec mask = masked ? v_load(masks + t * LANES) : v_zero();
        STENCIL_UNROLL for (int i = 0; i < (count - 1) * apart + taps_h; ++i) {
            vec xv = plane_load(x[i] + x_at + t, step, masked ? 1 : rows_that_meet(i, count, apart, taps_h));
            if (masked) xv = (vec)((vec_bits)xv & (vec_bits)mask);
            STENCIL_UNROLL for (int r = 0; r < count; ++r) {
                const int th = i - r * apart;
                if (th >= 0 && th < taps_h) acc[th][t] += ys[r] * xv;
            }
        }
    }
}

/* A block of taps, from tap (th, tw) on. */
typedef struct plane_outer_taps {
    const plane_outer_view *s;
    int64_t th, tw;
} plane_outer_taps;

/* All rows of vectors [from, to): `most` at a time while they last. One of them where they are masked. */
STENCIL_INLINE void plane_outer_strips(vec acc[PLANE_OUTER_H][PLANE_OUTER_W], const plane_outer_taps *b, int64_t from,
                                       int64_t to, const int taps_h, const int taps_w, const int most, const int halve,
                                       const int apart, const int step, const int masked) {
    const plane_outer_view *s = b->s;
    const int64_t width = s->columns.width, last = width < LANES ? 0 : width - LANES, end = to * LANES;
    const real *masks = masked ? plane_masks(&s->columns, s->masks, from) : NULL;
    const real *y_mask = masked ? masks + s->columns.taps * LANES : NULL;
    const real *const *x = s->x_rows + b->th, *const *y = s->y_rows;
    if (masked) masks += b->tw * LANES;
    int64_t r = 0;
#define PLANE_OUTER_STRIP(count)                                                                                 \
    for (int64_t at = from * LANES; at < end; at += LANES) {                                                     \
        const int64_t j = at < last ? at : last;                                                                 \
        plane_outer_rows(acc, x + r * s->step, j * step + b->tw, y + r, j, masks, y_mask, taps_h, taps_w, count, \
                         apart, step, masked);                                                                   \
    }
    for (; r + most <= s->height; r += most) PLANE_OUTER_STRIP(most)
    if (most > 2 && halve && r + 2 <= s->height) {
        PLANE_OUTER_STRIP(2)
        r += 2;
    }
    for (; most > 1 && r < s->height; ++r) PLANE_OUTER_STRIP(1)
#undef PLANE_OUTER_STRIP
}

/* `most`: result rows at a time, where they are `apart` source rows apart; then two where `halve` is set, then one. */
STENCIL_INLINE void plane_outer_block(const plane_outer_view *s, int64_t th, int64_t tw, const int taps_h,
                                      const int taps_w, const int most, const int halve, const int apart,
                                      const int step, const int inside) {
    const int64_t row = s->columns.taps * LANES;
    real *sums = s->sums + th * row + tw * LANES;
    const plane_outer_taps taps = {s, th, tw};
    vec acc[PLANE_OUTER_H][PLANE_OUTER_W];
    STENCIL_UNROLL for (int h = 0; h < taps_h; ++h) {
        STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) acc[h][t] = v_load(sums + h * row + t * LANES);
    }
    const int64_t left = inside ? s->columns.left : s->vectors, right = inside ? s->columns.right : s->vectors;
    if (inside && left < right)
        plane_outer_strips(acc, &taps, left, right, taps_h, taps_w, most, halve, apart, step, 0);
    for (int64_t k = 0; k < s->vectors; ++k) {
        if (k == left && (k = right) >= s->vectors) break;
        plane_outer_strips(acc, &taps, k, k + 1, taps_h, taps_w, most, halve, apart, step, 1);
    }
    STENCIL_UNROLL for (int h = 0; h < taps_h; ++h) {
        STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) v_store(sums + h * row + t * LANES, acc[h][t]);
    }
}

/* Blocks of five taps, then two of nearly the same size: six are two of three. One by one where there are but two. */
STENCIL_INLINE int64_t plane_outer_width(int64_t rest) {
    return rest > 10 ? 5 : rest > 5 ? (rest + 1) / 2 : rest > 2 ? rest : 1;
}

/* Bands of one or two rows of taps. Both take the gradient's rows one by one but for two rows of taps at step 1. */
STENCIL_INLINE void plane_outer_band(const plane_outer_view *s, int64_t th, const int taps_h, const int most,
                                     const int step) {
    for (int64_t tw = 0, now; tw < s->columns.taps; tw += now) {
        now = plane_outer_width(s->columns.taps - tw);
        switch (now) {
        case 3: plane_outer_block(s, th, tw, taps_h, 3, most, 0, 1, step, step == 1); break;
        case 4: plane_outer_block(s, th, tw, taps_h, 4, most, 0, 1, step, step == 1); break;
        case 5: plane_outer_block(s, th, tw, taps_h, 5, most, 0, 1, step, step == 1); break;
        default:
            if (taps_h == 1) plane_outer_block(s, th, tw, 1, 1, most, 0, 1, step, step == 1);
            break;
        }
    }
}

static void plane_outer_two(const plane_outer_view *s, int64_t th) { plane_outer_band(s, th, 2, 4, 1); }
static void plane_outer_one(const plane_outer_view *s, int64_t th) { plane_outer_band(s, th, 1, 1, 1); }
static void plane_outer_one_step2(const plane_outer_view *s, int64_t th) { plane_outer_band(s, th, 1, 1, 2); }
static void plane_outer_three(const plane_outer_view *s) { plane_outer_block(s, 0, 0, 3, 3, 4, 1, 1, 1, 1); }
static void plane_outer_three_step2(const plane_outer_view *s) { plane_outer_block(s, 0, 0, 3, 3, 2, 0, 2, 2, 0); }

static void plane_outer_any(const plane_outer_view *s, int64_t taps_h) {
    int64_t th = 0;
    if (s->columns.step == 1 && s->step == 1 && s->columns.taps > 2)
        for (; th + 2 <= taps_h; th += 2) plane_outer_two(s, th);
    for (; th < taps_h; ++th) (s->columns.step == 1 ? plane_outer_one : plane_outer_one_step2)(s, th);
}

static void stencil_plane_outer(const cx_stencil_plane_outer *args) {
    const cx_stencil_columns *c = args->columns;
    plane_outer_view s = {.columns = *c,
                          .masks = args->masks,
                          .x_rows = (const real *const *)args->x_rows,
                          .y_rows = (const real *const *)args->y_rows,
                          .sums = args->sums,
                          .height = args->height,
                          .step = args->step,
                          .vectors = (c->width + LANES - 1) / LANES};
    const bool three = args->taps_h == 3 && c->taps == 3 && args->step == c->step;
    const int64_t count = (args->height - 1) * args->step + args->taps_h;
    for (int64_t plane = 0;;) {
        if (three)
            (c->step == 1 ? plane_outer_three : plane_outer_three_step2)(&s);
        else
            plane_outer_any(&s, args->taps_h);
        if (++plane == args->planes) break;
        s.sums += args->taps_h * c->taps * LANES;
        for (int64_t i = 0; i < count; ++i)
            args->x_rows[i] = (const void *)((uintptr_t)args->x_rows[i] + (uintptr_t)args->x_advance[i]);
        for (int64_t i = 0; i < args->height; ++i)
            args->y_rows[i] = (const void *)((uintptr_t)args->y_rows[i] + (uintptr_t)args->y_advance[i]);
    }
}

#endif
