/*
 * Template: the weight gradient of the planar stencil (cx_stencil_outer). One accumulator a tap stays in registers
 * over a whole block of rows. Several rows of taps: source rows are shared by neighbouring gradient rows, and each of
 * their vectors is loaded once. A single row of taps: each vector is loaded once for several gradient channels.
 */
#ifndef CX_KERNELS_STENCIL_OUTER_H
#define CX_KERNELS_STENCIL_OUTER_H

#include "kernels/stencil_rows.h"

#define OUTER_TAPS_H    3
#define OUTER_TAPS_W    5
#define OUTER_ROWS      4
#define OUTER_LINES     8 /* gradient channels, where a row of taps is taken alone */
#define OUTER_LINE_TAPS 3

/*
 * The last vector of a row that ends within one: it begins at `first` and its lanes that are set have not been added
 * yet. Both factors are masked, so that a NaN in the others stays out.
 */
typedef struct outer_end {
    int64_t first;
    vec_bits mask;
} outer_end;

STENCIL_INLINE outer_end outer_end_of(int64_t width) {
    const int64_t rest = width % LANES, first = width < LANES ? 0 : width - LANES;
    return (outer_end){.first = first, .mask = v_lanes_between((int)(width - rest - first), (int)(width - first))};
}

STENCIL_INLINE vec outer_load(const int uses, const real *from, const int tail, vec_bits mask) {
    return tail ? v_select(mask, v_load(from), v_zero()) : v_load_for(uses, from);
}

/* `count` gradient rows, one vector each. */
STENCIL_INLINE void outer_column(vec acc[OUTER_TAPS_H][OUTER_TAPS_W], const real *const *x, const real *const *y,
                                 int64_t tap_row, const int64_t *offset, int64_t j, const int taps_h, const int taps_w,
                                 const int count, const int tail, vec_bits mask) {
    vec ys[OUTER_ROWS];
    STENCIL_UNROLL for (int r = 0; r < count; ++r) ys[r] = outer_load(taps_h * taps_w, y[r] + j, tail, mask);
    STENCIL_UNROLL for (int i = 0; i < count + taps_h - 1; ++i) {
        const real *row = x[i * tap_row] + j;
        const int uses = rows_that_meet(i, count, 1, taps_h);
        STENCIL_UNROLL for (int tw = 0; tw < taps_w; ++tw) {
            const vec xv = outer_load(uses, row + offset[tw], tail, mask);
            STENCIL_UNROLL for (int r = 0; r < count; ++r) {
                if (i - r >= 0 && i - r < taps_h) acc[i - r][tw] += ys[r] * xv;
            }
        }
    }
}

STENCIL_INLINE void outer_rows(vec acc[OUTER_TAPS_H][OUTER_TAPS_W], const cx_stencil_outer *s, const outer_end *end,
                               const real *const *x, const real *const *y, const int64_t *offset, const int taps_h,
                               const int taps_w, const int count) {
    const int64_t whole = s->width / LANES * LANES, tap_row = s->tap_row;
    const vec_bits none = {0};
    for (int64_t j = 0; j < whole; j += LANES)
        outer_column(acc, x, y, tap_row, offset, j, taps_h, taps_w, count, 0, none);
    if (whole < s->width) outer_column(acc, x, y, tap_row, offset, end->first, taps_h, taps_w, count, 1, end->mask);
}

/* Sums of gradient channel o and the tap (th, tw). */
STENCIL_INLINE real *outer_sums(const cx_stencil_outer *s, int64_t o, int64_t th, int64_t tw) {
    return (real *)s->sums + ((o * s->taps_h + th) * s->taps_w + tw) * LANES;
}

/* The register block of taps_h x taps_w taps that begins at (th, tw), for one gradient channel. */
STENCIL_INLINE void outer_block(const cx_stencil_outer *s, const outer_end *end, int64_t o, int64_t th, int64_t tw,
                                const int taps_h, const int taps_w) {
    const real *const *x = (const real *const *)s->x_rows + th * s->tap_row;
    const real *const *y = (const real *const *)s->y_rows + o * s->height;
    real *sums = outer_sums(s, o, th, tw);
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
        for (; r + count <= s->height; r += count)
            outer_rows(acc, s, end, x + r * s->row_step, y + r, offset, taps_h, taps_w, count);
    for (; r < s->height; ++r) outer_rows(acc, s, end, x + r * s->row_step, y + r, offset, taps_h, taps_w, 1);
    STENCIL_UNROLL for (int h = 0; h < taps_h; ++h) {
        STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) { v_store(sums + h * sums_row + t * LANES, acc[h][t]); }
    }
}

/* One vector of the source rows and of `lines` gradient rows. */
STENCIL_INLINE void outer_lines_column(vec acc[OUTER_LINES][OUTER_LINE_TAPS], const real *const *x,
                                       const real *const *y, int64_t j, const int lines, const int taps_w,
                                       const int tail, vec_bits mask) {
    vec xs[OUTER_LINE_TAPS];
    STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) xs[t] = outer_load(lines, x[t] + j, tail, mask);
    STENCIL_UNROLL for (int k = 0; k < lines; ++k) {
        const vec yv = outer_load(taps_w, y[k] + j, tail, mask);
        STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) acc[k][t] += yv * xs[t];
    }
}

/* Taps (th, tw) to (th, tw + taps_w) for the channels from o on: `lines`, of which the first `kept` are wanted. */
STENCIL_INLINE void outer_lines(const cx_stencil_outer *s, const outer_end *end, int64_t o, int64_t kept, int64_t th,
                                int64_t tw, const int lines, const int taps_w) {
    const int64_t whole = s->width / LANES * LANES;
    const vec_bits none = {0};
    vec acc[OUTER_LINES][OUTER_LINE_TAPS];
    STENCIL_UNROLL for (int k = 0; k < lines; ++k) {
        const real *sums = outer_sums(s, o + (k < kept ? k : 0), th, tw);
        STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) acc[k][t] = v_load(sums + t * LANES);
    }
    for (int64_t r = 0; r < s->height; ++r) {
        const void *const *x_rows = s->x_rows + r * s->row_step + th * s->tap_row + tw * s->tap_plane;
        const real *x[OUTER_LINE_TAPS], *y[OUTER_LINES];
        STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) {
            x[t] = (const real *)x_rows[t * s->tap_plane] + s->offset[tw + t];
        }
        STENCIL_UNROLL for (int k = 0; k < lines; ++k) y[k] = s->y_rows[(o + (k < kept ? k : 0)) * s->height + r];
        for (int64_t j = 0; j < whole; j += LANES) outer_lines_column(acc, x, y, j, lines, taps_w, 0, none);
        if (whole < s->width) outer_lines_column(acc, x, y, end->first, lines, taps_w, 1, end->mask);
    }
    STENCIL_UNROLL for (int k = 0; k < lines; ++k) {
        if (k >= kept) break;
        real *sums = outer_sums(s, o, th, tw) + k * s->taps_h * s->taps_w * LANES;
        STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) v_store(sums + t * LANES, acc[k][t]);
    }
}

/* Blocks of channels. The last one may be idle in part: that takes little longer than a channel alone. */
STENCIL_INLINE void outer_channels(const cx_stencil_outer *s, const outer_end *end, int64_t th, int64_t tw,
                                   const int lines, const int taps_w) {
    if (s->channels == 1) {
        outer_lines(s, end, 0, 1, th, tw, 1, taps_w);
        return;
    }
    for (int64_t o = 0; o < s->channels; o += lines) outer_lines(s, end, o, s->channels - o, th, tw, lines, taps_w);
}

static void outer_two(const cx_stencil_outer *s, const outer_end *end, int64_t o, int64_t th) {
    for (int64_t tw = 0, now; tw < s->taps_w; tw += now) {
        const int64_t left = s->taps_w - tw;
        /* Six taps are two blocks of three, not five and one. */
        now = left <= OUTER_TAPS_W ? left : left < 2 * OUTER_TAPS_W ? (left + 1) / 2 : OUTER_TAPS_W;
        switch (now) {
        case 1: outer_block(s, end, o, th, tw, 2, 1); break;
        case 2: outer_block(s, end, o, th, tw, 2, 2); break;
        case 3: outer_block(s, end, o, th, tw, 2, 3); break;
        case 4: outer_block(s, end, o, th, tw, 2, 4); break;
        default: outer_block(s, end, o, th, tw, 2, 5); break;
        }
    }
}

/* As many channels as leave registers: twelve accumulators, or eight where vectors are loaded for one each. */
static void outer_one(const cx_stencil_outer *s, const outer_end *end, int64_t th) {
    for (int64_t tw = 0, now; tw < s->taps_w; tw += now) {
        const int64_t left = s->taps_w - tw;
        now = left < 4 ? left : left % 3 ? 2 : 3;
        switch (now) {
        case 1: outer_channels(s, end, th, tw, 8, 1); break;
        case 2: outer_channels(s, end, th, tw, 6, 2); break;
        default: outer_channels(s, end, th, tw, 4, 3); break;
        }
    }
}

/* Kernels of three columns: nine accumulators. */
static void outer_three(const cx_stencil_outer *s, const outer_end *end, int64_t o, int64_t th) {
    outer_block(s, end, o, th, 0, 3, 3);
}

static void stencil_outer(const cx_stencil_outer *s) {
    const outer_end end = outer_end_of(s->width);
    /* Rows of taps go together for the source rows that they share. */
    const bool together = !s->apart && (s->row_step == s->tap_row || s->channels == 1);
    int64_t done = 0;
    for (int64_t o = 0; together && o < s->channels; ++o) {
        int64_t th = 0;
        if (s->taps_w == 3)
            for (; s->taps_h - th >= 5 || s->taps_h - th == 3; th += 3) outer_three(s, &end, o, th);
        for (; th + 2 <= s->taps_h; th += 2) outer_two(s, &end, o, th);
        done = th;
    }
    for (; done < s->taps_h; ++done) outer_one(s, &end, done);
}

#endif
