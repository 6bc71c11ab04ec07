/*
 * Template: the planar stencil (cx_stencil_planar). Two families, one order of additions:
 *   tall   one channel, several output rows at once: each vector of a source row is loaded once for all of them
 *   flat   several channels of one output row at once: each vector of a source row is loaded once for all channels
 */
#ifndef CX_KERNELS_STENCIL_PLANAR_H
#define CX_KERNELS_STENCIL_PLANAR_H

#include "kernels/stencil_rows.h"

#define TALL_ROWS 4
#define TALL_VECTORS 2
#define FLAT_VECTORS 8

STENCIL_INLINE void store_columns(real *p, vec v, int64_t width) {
    if (width >= LANES) {
        v_store(p, v);
    } else {
        real lanes[CX_BYTES / sizeof(real)];
        memcpy(lanes, &v, sizeof lanes);
        copy_short(p, lanes, width);
    }
}

/* ---- flat ------------------------------------------------------------------------------------------------------ */

STENCIL_INLINE void flat_block(const cx_stencil_planar *s, const real *const *rows, real *out, int64_t j,
                               const int channels, const int vectors) {
    vec acc[CX_STENCIL_CHANNELS][FLAT_VECTORS];
    const real *start = s->start;
    STENCIL_UNROLL for (int o = 0; o < channels; ++o)
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v)
            acc[o][v] = start ? v_splat(start[o]) : v_load(out + o * s->out_channel + j + v * LANES);
    const real *w = s->weights;
    for (int64_t p = 0; p < s->planes; ++p)
        for (int64_t th = 0; th < s->taps_h; ++th) {
            const real *row = rows[p * s->plane_rows + th * s->tap_row] + j;
            for (int64_t tw = 0; tw < s->taps_w; ++tw, w += channels) {
                const real *x = row + s->offset[tw];
                vec xs[FLAT_VECTORS];
                STENCIL_UNROLL for (int v = 0; v < vectors; ++v) xs[v] = v_load(x + v * LANES);
                STENCIL_UNROLL for (int o = 0; o < channels; ++o) {
                    const vec wo = v_splat(w[o]);
                    STENCIL_UNROLL for (int v = 0; v < vectors; ++v) acc[o][v] += wo * xs[v];
                }
            }
        }
    STENCIL_UNROLL for (int o = 0; o < channels; ++o)
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v)
            store_columns(out + o * s->out_channel + j + v * LANES, acc[o][v], s->width);
}

STENCIL_INLINE void flat_rows(const cx_stencil_planar *s, int64_t from, const int channels, const int vectors) {
    const int half = vectors > 2 ? vectors / 2 : 1;
    for (int64_t r = from; r < s->height; ++r) {
        const real *const *rows = (const real *const *)s->rows + r * s->row_step;
        real *out = (real *)s->out + r * s->out_row;
        int64_t j = 0;
        for (; j + vectors * LANES <= s->width; j += vectors * LANES) flat_block(s, rows, out, j, channels, vectors);
        for (; half > 1 && j + half * LANES <= s->width; j += half * LANES) flat_block(s, rows, out, j, channels, half);
        for (; j < s->width; j += LANES) {
            const int64_t last = s->width - LANES;
            flat_block(s, rows, out, j <= last || last < 0 ? j : last, channels, 1);
        }
    }
}

/* Vectors a channel count leaves registers for: accumulators, one source vector each, one weight. */
#if CX_BYTES == 64 || defined(__aarch64__)
enum { FLAT1 = 8, FLAT2 = 6, FLAT3 = 6, FLAT4 = 5, FLAT5 = 4, FLAT6 = 4 };
#else
enum { FLAT1 = 6, FLAT2 = 4, FLAT3 = 3, FLAT4 = 2, FLAT5 = 2, FLAT6 = 2 };
#endif

static void flat(const cx_stencil_planar *s, int64_t from) {
    switch (s->channels) {
    case 1: flat_rows(s, from, 1, FLAT1); break;
    case 2: flat_rows(s, from, 2, FLAT2); break;
    case 3: flat_rows(s, from, 3, FLAT3); break;
    case 4: flat_rows(s, from, 4, FLAT4); break;
    case 5: flat_rows(s, from, 5, FLAT5); break;
    default: flat_rows(s, from, 6, FLAT6); break;
    }
}

/* ---- tall ------------------------------------------------------------------------------------------------------ */

/* A source row into the accumulators of output rows [low, high): w points at this row's weights for output row 0. */
STENCIL_INLINE void tall_row(vec acc[TALL_ROWS][TALL_VECTORS], const real *row, const real *w, int64_t tap_pitch,
                             const int64_t *offset, const int low, const int high, int64_t taps_w, const int vectors) {
    STENCIL_UNROLL for (int64_t tw = 0; tw < taps_w; ++tw) {
        const real *x = row + (offset ? offset[tw] : tw);
        vec xs[TALL_VECTORS];
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) xs[v] = v_load(x + v * LANES);
        STENCIL_UNROLL for (int r = low; r < high; ++r) {
            const vec wr = v_splat(w[tw - r * tap_pitch]);
            STENCIL_UNROLL for (int v = 0; v < vectors; ++v) acc[r][v] += wr * xs[v];
        }
    }
}

/* As tall_row, for a number of taps that only run time knows: the loop over them stays a loop. */
STENCIL_INLINE void tall_row_any(vec acc[TALL_ROWS][TALL_VECTORS], const real *row, const real *w, int64_t tap_pitch,
                                 const int64_t *offset, const int low, const int high, int64_t taps_w,
                                 const int vectors) {
    for (int64_t tw = 0; tw < taps_w; ++tw) tall_row(acc, row + offset[tw], w + tw, tap_pitch, NULL, low, high, 1, vectors);
}

/* `kernel_w` taps a row in contiguous columns, or 0: as many as the arguments say. At least `count` taps in height. */
STENCIL_INLINE void tall_block(const cx_stencil_planar *s, const real *const *rows, real *out, int64_t j, const int count,
                               const int kernel_w, const int vectors) {
    const int64_t taps_w = kernel_w ? kernel_w : s->taps_w, taps_h = s->taps_h;
    const real *start = s->start;
    vec acc[TALL_ROWS][TALL_VECTORS];
    STENCIL_UNROLL for (int r = 0; r < count; ++r)
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v)
            acc[r][v] = start ? v_splat(start[0]) : v_load(out + r * s->out_row + j + v * LANES);
    for (int64_t p = 0; p < s->planes; ++p) {
        const real *w = (const real *)s->weights + p * taps_h * taps_w;
        const real *const *source = rows + p * s->plane_rows;
#define TALL_ROW(i, low, high)                                                                                      \
    do {                                                                                                            \
        const real *row_ = source[(i) * s->tap_row] + j;                                                            \
        if (kernel_w)                                                                                               \
            tall_row(acc, row_, w + (i) * taps_w, taps_w, NULL, low, high, kernel_w, vectors);                      \
        else                                                                                                        \
            tall_row_any(acc, row_, w + (i) * taps_w, taps_w, s->offset, low, high, taps_w, vectors);               \
    } while (0)
        STENCIL_UNROLL for (int i = 0; i < count - 1; ++i) TALL_ROW(i, 0, i + 1);
        for (int64_t i = count - 1; i < taps_h; ++i) TALL_ROW(i, 0, count);
        STENCIL_UNROLL for (int i = 1; i < count; ++i) TALL_ROW(taps_h - 1 + i, i, count);
#undef TALL_ROW
    }
    STENCIL_UNROLL for (int r = 0; r < count; ++r)
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v)
            store_columns(out + r * s->out_row + j + v * LANES, acc[r][v], s->width);
}

STENCIL_INLINE void tall_strip(const cx_stencil_planar *s, int64_t r, const int count, const int kernel_w) {
    const real *const *rows = (const real *const *)s->rows + r * s->row_step;
    real *out = (real *)s->out + r * s->out_row;
    int64_t j = 0;
    for (; j + TALL_VECTORS * LANES <= s->width; j += TALL_VECTORS * LANES)
        tall_block(s, rows, out, j, count, kernel_w, TALL_VECTORS);
    for (; j < s->width; j += LANES) {
        const int64_t last = s->width - LANES;
        tall_block(s, rows, out, j <= last || last < 0 ? j : last, count, kernel_w, 1);
    }
}

/* Strips of four rows (two for kernels lower than that), then of two. Returns the rows done: the last one may be left. */
STENCIL_INLINE int64_t tall_rows(const cx_stencil_planar *s, const int kernel_w) {
    int64_t r = 0;
    if (s->taps_h >= 4)
        for (; r + 4 <= s->height; r += 4) tall_strip(s, r, 4, kernel_w);
    for (; r + 2 <= s->height; r += 2) tall_strip(s, r, 2, kernel_w);
    return r;
}

/* ---- 3x3 ------------------------------------------------------------------------------------------------------- */

/* The nine weights stay in registers over the whole image when there is one plane. */
STENCIL_INLINE void three_plane(vec acc[TALL_ROWS], vec w[3][3], const real *const *source, int64_t row_pitch, int64_t j,
                                const int64_t offset1, const int64_t offset2, const int count, const int step) {
    STENCIL_UNROLL for (int i = 0; i < (count - 1) * step + 3; ++i) {
        const real *row = source[i * row_pitch] + j;
        STENCIL_UNROLL for (int tw = 0; tw < 3; ++tw) {
            const vec x = v_load(row + (tw == 0 ? 0 : tw == 1 ? offset1 : offset2));
            STENCIL_UNROLL for (int r = 0; r < count; ++r)
                if (i - r * step >= 0 && i - r * step < 3) acc[r] += w[i - r * step][tw] * x;
        }
    }
}

STENCIL_INLINE void three_weights(vec w[3][3], const real *weights) {
    STENCIL_UNROLL for (int t = 0; t < 9; ++t) w[t / 3][t % 3] = v_splat(weights[t]);
}

STENCIL_INLINE void three_strip(const cx_stencil_planar *s, int64_t r, vec hoisted[3][3], const int single,
                                const int64_t offset1, const int64_t offset2, const int count, const int step) {
    const real *const *rows = (const real *const *)s->rows + r * s->row_step;
    const real *start = s->start;
    real *out = (real *)s->out + r * s->out_row;
    for (int64_t at = 0; at < s->width; at += LANES) {
        const int64_t last = s->width - LANES, j = at <= last || last < 0 ? at : last;
        vec acc[TALL_ROWS];
        STENCIL_UNROLL for (int i = 0; i < count; ++i) acc[i] = start ? v_splat(start[0]) : v_load(out + i * s->out_row + j);
        if (single) {
            three_plane(acc, hoisted, rows, s->tap_row, j, offset1, offset2, count, step);
        } else {
            for (int64_t p = 0; p < s->planes; ++p) {
                vec w[3][3];
                three_weights(w, (const real *)s->weights + 9 * p);
                three_plane(acc, w, rows + p * s->plane_rows, s->tap_row, j, offset1, offset2, count, step);
            }
        }
        STENCIL_UNROLL for (int i = 0; i < count; ++i) store_columns(out + i * s->out_row + j, acc[i], s->width);
    }
}

STENCIL_INLINE void three_rows(const cx_stencil_planar *s, const int single, const int64_t offset1, const int64_t offset2,
                               const int step) {
    vec w[3][3];
    three_weights(w, s->weights);
    int64_t r = 0;
    for (; r + 4 <= s->height; r += 4) three_strip(s, r, w, single, offset1, offset2, 4, step);
    if (r + 2 <= s->height) {
        three_strip(s, r, w, single, offset1, offset2, 2, step);
        r += 2;
    }
    if (r < s->height) three_strip(s, r, w, single, offset1, offset2, 1, step);
}

STENCIL_INLINE void three(const cx_stencil_planar *s, const int single, const int step) {
    if (s->offset[1] == 1 && s->offset[2] == 2)
        three_rows(s, single, 1, 2, step);
    else
        three_rows(s, single, s->offset[1], s->offset[2], step);
}

static void three_single(const cx_stencil_planar *s) { three(s, 1, 1); }
static void three_many(const cx_stencil_planar *s) { three(s, 0, 1); }
static void three_single_step2(const cx_stencil_planar *s) { three(s, 1, 2); }
static void three_many_step2(const cx_stencil_planar *s) { three(s, 0, 2); }

static void stencil_planar(const cx_stencil_planar *s) {
    int64_t done = 0;
    if (s->channels == 1) {
        const bool together = s->row_step == s->tap_row;
        if (s->taps_h == 3 && s->taps_w == 3 && (together || s->row_step == 2 * s->tap_row)) {
            if (s->planes == 1)
                (together ? three_single : three_single_step2)(s);
            else
                (together ? three_many : three_many_step2)(s);
            return;
        }
        if (together && s->taps_h >= 2 && s->height >= 2) {
            bool contiguous = true;
            for (int64_t t = 0; t < s->taps_w; ++t) contiguous = contiguous && s->offset[t] == t;
            if (contiguous && s->taps_w == 5)
                done = tall_rows(s, 5);
            else if (contiguous && s->taps_w == 7)
                done = tall_rows(s, 7);
            else
                done = tall_rows(s, 0);
        }
    }
    if (done < s->height) flat(s, done);
}

#endif
