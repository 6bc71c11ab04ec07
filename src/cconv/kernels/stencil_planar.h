/*
 * Template: the planar stencil (cx_stencil_planar). Two families, one order of additions:
 *   tall   one channel, several output rows at once: each vector of a source row is loaded once for all of them
 *   flat   several channels of one output row at once: each vector of a source row is loaded once for all channels
 */
#ifndef CX_KERNELS_STENCIL_PLANAR_H
#define CX_KERNELS_STENCIL_PLANAR_H

#include "kernels/stencil_rows.h"

#define TALL_ROWS    3
#define TALL_VECTORS 3
#define FLAT_VECTORS 8
#define THREE_ROWS   4

/* ---- flat ------------------------------------------------------------------------------------------------------ */

/* Vectors side by side from j on, the last of them at j + last. */
STENCIL_INLINE void flat_block(const cx_stencil_planar *s, const real *const *rows, real *out, int64_t j, int64_t last,
                               const int channels, const int vectors) {
    vec acc[CX_STENCIL_CHANNELS][FLAT_VECTORS];
    const real *start = s->start;
    STENCIL_UNROLL for (int o = 0; o < channels; ++o) {
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) {
            acc[o][v] =
                start ? v_splat(start[o]) : v_load(out + o * s->out_channel + j + (v + 1 < vectors ? v * LANES : last));
        }
    }
    const real *w = s->weights;
    for (int64_t p = 0; p < s->planes; ++p)
        for (int64_t th = 0; th < s->taps_h; ++th) {
            const real *row = rows[p * s->plane_rows + th * s->tap_row] + j;
            for (int64_t tw = 0; tw < s->taps_w; ++tw, w += channels) {
                const real *x = row + s->offset[tw];
                if (channels < vectors) {
                    vec ws[CX_STENCIL_CHANNELS];
                    STENCIL_UNROLL for (int o = 0; o < channels; ++o) ws[o] = v_splat(w[o]);
                    STENCIL_UNROLL for (int v = 0; v < vectors; ++v) {
                        const vec xv = v_load_for(channels, x + (v + 1 < vectors ? v * LANES : last));
                        STENCIL_UNROLL for (int o = 0; o < channels; ++o) acc[o][v] += ws[o] * xv;
                    }
                } else {
                    vec xs[FLAT_VECTORS];
                    STENCIL_UNROLL for (int v = 0; v < vectors; ++v) xs[v] =
                        v_load_for(channels, x + (v + 1 < vectors ? v * LANES : last));
                    STENCIL_UNROLL for (int o = 0; o < channels; ++o) {
                        const vec wo = v_splat(w[o]);
                        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) acc[o][v] += wo * xs[v];
                    }
                }
            }
        }
    STENCIL_UNROLL for (int o = 0; o < channels; ++o) {
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) {
            v_store(out + o * s->out_channel + j + (v + 1 < vectors ? v * LANES : last), acc[o][v]);
        }
    }
}

/* Columns from `begin` on. */
STENCIL_INLINE void flat_rows(const cx_stencil_planar *s, int64_t from, int64_t begin, const int channels,
                              const int vectors) {
    const int64_t block = vectors * LANES, last = s->width - block;
    /* Where nothing is accumulated, a last block may overlap what is done: one takes no longer than two smaller ones. */
    const int64_t end = !s->start || last < 0 ? last + 1 : s->width - LANES;
    for (int64_t r = from; r < s->height; ++r) {
        const real *const *rows = (const real *const *)s->rows + r * s->row_step;
        real *out = (real *)s->out + r * s->out_row;
        int64_t j = begin;
        for (; vectors > 1 && j < end; j += block)
            flat_block(s, rows, out, j <= last ? j : last, block - LANES, channels, vectors);
        for (; j < s->width; j += LANES) {
            const int64_t one = s->width - LANES;
            flat_block(s, rows, out, j <= one ? j : one, 0, channels, 1);
        }
    }
}

/*
 * Blocks of so many vectors, and of one less as many as make them fit the vectors of a row; the row's last vector may overlap the
 * one before it. Where no numbers of them fit, single vectors are left. Returns the column that they begin at.
 */
STENCIL_INLINE int64_t flat_fit(const cx_stencil_planar *s, int64_t from, const int channels, const int vectors) {
    const int64_t all = (s->width + LANES - 1) / LANES, left = all % vectors, missing = left > 0 ? vectors - left : 0;
    const int64_t narrow = missing * (vectors - 1) <= all ? missing : 0, most = s->width - LANES;
    const int64_t block = vectors * LANES, end = (all - narrow * (vectors - 1)) / vectors * block;
    const int64_t done = end + narrow * (block - LANES);
    for (int64_t r = from; r < s->height; ++r) {
        const real *const *rows = (const real *const *)s->rows + r * s->row_step;
        real *out = (real *)s->out + r * s->out_row;
        int64_t j = 0;
        for (; j < end; j += block)
            flat_block(s, rows, out, j, j + block <= s->width ? block - LANES : most - j, channels, vectors);
        for (; j < done; j += block - LANES)
            flat_block(s, rows, out, j, j + block - LANES <= s->width ? block - 2 * LANES : most - j, channels,
                       vectors - 1);
    }
    return done;
}

/* Vectors a channel count leaves registers for: accumulators, one source vector each, one weight. */
#if CX_BYTES == 64 || defined(__aarch64__)
enum { FLAT1 = 8, FLAT2 = 6, FLAT3 = 6, FLAT4 = 5, FLAT5 = 4, FLAT6 = 4, FIT = 1 };
#else
enum { FLAT1 = 6, FLAT2 = 4, FLAT3 = 4, FLAT4 = 3, FLAT5 = 2, FLAT6 = 2, FIT = 0 };
#endif

/* Of many channels: blocks of two sizes where they are long. */
STENCIL_INLINE void flat_many(const cx_stencil_planar *s, int64_t from, const int channels, const int vectors) {
    const int64_t done = FIT ? flat_fit(s, from, channels, vectors) : 0;
    if (done < s->width) flat_rows(s, from, done, channels, FIT ? 1 : vectors);
}

/* Blocks of the second size, where they overlap less by a third or the first one does not fit. */
STENCIL_INLINE bool flat_narrower(int64_t width, const int wide, const int narrow) {
    const int64_t vectors = (width + LANES - 1) / LANES, computed = (vectors + narrow - 1) / narrow * narrow;
    if (vectors < wide) return computed == vectors;
    return 4 * computed <= 3 * ((vectors + wide - 1) / wide * wide);
}

static void flat_three(const cx_stencil_planar *s, int64_t from) { flat_rows(s, from, 0, 3, FLAT3); }
static void flat_three_narrow(const cx_stencil_planar *s, int64_t from) { flat_rows(s, from, 0, 3, 4); }

static void flat(const cx_stencil_planar *s, int64_t from) {
    switch (s->channels) {
    case 1: flat_rows(s, from, 0, 1, FLAT1); break;
    case 2: flat_rows(s, from, 0, 2, FLAT2); break;
    case 3: (FLAT3 > 4 && flat_narrower(s->width, FLAT3, 4) ? flat_three_narrow : flat_three)(s, from); break;
    case 4: flat_many(s, from, 4, FLAT4); break;
    case 5: flat_many(s, from, 5, FLAT5); break;
    default: flat_many(s, from, 6, FLAT6); break;
    }
}

/* ---- tall ------------------------------------------------------------------------------------------------------ */

/* A source row into the accumulators of output rows [low, high): w points at this row's weights for output row 0. */
STENCIL_INLINE void tall_row(vec acc[TALL_ROWS][TALL_VECTORS], const cx_stencil_planar *s, const real *row,
                             const real *w, const int low, const int high, const int vectors) {
    const int64_t taps_w = s->taps_w;
    for (int64_t tw = 0; tw < taps_w; ++tw) {
        const real *x = row + s->offset[tw];
        if (high - low < vectors) {
            vec ws[TALL_ROWS];
            STENCIL_UNROLL for (int r = low; r < high; ++r) ws[r] = v_splat(w[tw - r * taps_w]);
            STENCIL_UNROLL for (int v = 0; v < vectors; ++v) {
                const vec xv = v_load_for(high - low, x + v * LANES);
                STENCIL_UNROLL for (int r = low; r < high; ++r) acc[r][v] += ws[r] * xv;
            }
        } else {
            vec xs[TALL_VECTORS];
            STENCIL_UNROLL for (int v = 0; v < vectors; ++v) xs[v] = v_load_for(high - low, x + v * LANES);
            STENCIL_UNROLL for (int r = low; r < high; ++r) {
                const vec wr = v_splat(w[tw - r * taps_w]);
                STENCIL_UNROLL for (int v = 0; v < vectors; ++v) acc[r][v] += wr * xs[v];
            }
        }
    }
}

/* `count` output rows; the kernel is at least as high. */
STENCIL_INLINE void tall_block(const cx_stencil_planar *s, const real *const *rows, real *out, int64_t j,
                               const int count, const int vectors) {
    const int64_t taps_w = s->taps_w, taps_h = s->taps_h, tap_row = s->tap_row;
    const real *start = s->start;
    vec acc[TALL_ROWS][TALL_VECTORS];
    STENCIL_UNROLL for (int r = 0; r < count; ++r) {
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) {
            acc[r][v] = start ? v_splat(start[0]) : v_load(out + r * s->out_row + j + v * LANES);
        }
    }
    for (int64_t p = 0; p < s->planes; ++p) {
        const real *w = (const real *)s->weights + p * taps_h * taps_w;
        const real *const *source = rows + p * s->plane_rows;
        /* The first and last source rows serve fewer output rows. Written out, since bounds that only unrolling makes
         * constant cost some compilers the registers. */
        if (count > 1) tall_row(acc, s, source[0] + j, w, 0, 1, vectors);
        if (count > 2) tall_row(acc, s, source[tap_row] + j, w + taps_w, 0, 2, vectors);
        for (int64_t i = count - 1; i < taps_h; ++i)
            tall_row(acc, s, source[i * tap_row] + j, w + i * taps_w, 0, count, vectors);
        w += taps_h * taps_w;
        source += taps_h * tap_row;
        if (count > 1) tall_row(acc, s, source[0] + j, w, 1, count, vectors);
        if (count > 2) tall_row(acc, s, source[tap_row] + j, w + taps_w, 2, count, vectors);
    }
    STENCIL_UNROLL for (int r = 0; r < count; ++r) {
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) { v_store(out + r * s->out_row + j + v * LANES, acc[r][v]); }
    }
}

STENCIL_INLINE void tall_strip(const cx_stencil_planar *s, int64_t r, const int count) {
    const real *const *rows = (const real *const *)s->rows + r * s->row_step;
    real *out = (real *)s->out + r * s->out_row;
    int64_t j = 0;
    for (; j + TALL_VECTORS * LANES <= s->width; j += TALL_VECTORS * LANES)
        tall_block(s, rows, out, j, count, TALL_VECTORS);
    /* What is left takes two blocks at most; where nothing is accumulated they may overlap what is done. */
    for (; s->width - j > LANES && s->width >= 2 * LANES; j += 2 * LANES)
        tall_block(s, rows, out, j + 2 * LANES <= s->width ? j : s->width - 2 * LANES, count, 2);
    for (; j < s->width; j += LANES) tall_block(s, rows, out, j + LANES <= s->width ? j : s->width - LANES, count, 1);
}

/* Strips of as many rows as pay, then of two. Returns the rows done: the last one may be left. */
static int64_t tall(const cx_stencil_planar *s) {
    int64_t r = 0;
    if (s->taps_h >= TALL_ROWS)
        for (; r + TALL_ROWS <= s->height; r += TALL_ROWS) tall_strip(s, r, TALL_ROWS);
    for (; r + 2 <= s->height; r += 2) tall_strip(s, r, 2);
    return r;
}

/* ---- 3x3 ------------------------------------------------------------------------------------------------------- */

/* The nine weights stay in registers over the whole image when there is one plane. */
STENCIL_INLINE void three_plane(vec acc[THREE_ROWS], vec w[3][3], const real *const *source, int64_t row_pitch,
                                int64_t j, const int64_t offset1, const int64_t offset2, const int count,
                                const int step) {
    STENCIL_UNROLL for (int i = 0; i < (count - 1) * step + 3; ++i) {
        const real *row = source[i * row_pitch] + j;
        const int uses = rows_that_meet(i, count, step, 3);
        STENCIL_UNROLL for (int tw = 0; tw < 3; ++tw) {
            const vec x = v_load_for(uses, row + (tw == 0 ? 0 : tw == 1 ? offset1 : offset2));
            STENCIL_UNROLL for (int r = 0; r < count; ++r) {
                const int th = i - r * step;
                if (th >= 0 && th < 3) acc[r] += w[th][tw] * x;
            }
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
    const int64_t offset0 = s->offset[0];
    for (int64_t at = 0; at < s->width; at += LANES) {
        const int64_t last = s->width - LANES, j = at <= last ? at : last;
        vec acc[THREE_ROWS];
        STENCIL_UNROLL for (int i = 0; i < count; ++i) {
            acc[i] = start ? v_splat(start[0]) : v_load(out + i * s->out_row + j);
        }
        if (single) {
            three_plane(acc, hoisted, rows, s->tap_row, j + offset0, offset1, offset2, count, step);
        } else {
            for (int64_t p = 0; p < s->planes; ++p) {
                vec w[3][3];
                three_weights(w, (const real *)s->weights + 9 * p);
                three_plane(acc, w, rows + p * s->plane_rows, s->tap_row, j + offset0, offset1, offset2, count, step);
            }
        }
        STENCIL_UNROLL for (int i = 0; i < count; ++i) v_store(out + i * s->out_row + j, acc[i]);
    }
}

STENCIL_INLINE void three_rows(const cx_stencil_planar *s, const int single, const int64_t offset1,
                               const int64_t offset2, const int step) {
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
    three_rows(s, single, s->offset[1] - s->offset[0], s->offset[2] - s->offset[0], step);
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
        if (together && s->taps_h >= 2) done = tall(s);
    }
    if (done < s->height) flat(s, done);
}

#endif
