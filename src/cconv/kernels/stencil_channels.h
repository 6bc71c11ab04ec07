/*
 * Template: the stencil of few channels a group where channels are contiguous (cx_stencil_channels). Vectors run along the channels;
 * the last vector of a channel count that is no multiple overlaps the one before it, so there are no tails.
 */
#ifndef CX_KERNELS_STENCIL_CHANNELS_H
#define CX_KERNELS_STENCIL_CHANNELS_H

#include "kernels/stencil_rows.h"
#include "vec/shuffle.h"

#define CHANNELS_PIXELS 6
/* Pixels of a block: the sums cover the latency of FMAs and, with a row of taps and a place, fit 16 registers. */
#define CHANNELS_WIDE   7
#define CHANNELS_NARROW 4
#define CHANNELS_TAPS   7

STENCIL_INLINE vec channels_start(const cx_stencil_channels *s, int64_t c) {
    return s->start ? v_load((const real *)s->start + c) : v_zero();
}

/* `count` pixels of any kernel, weights loaded once for all of them. */
STENCIL_INLINE void channels_block(const cx_stencil_channels *s, int64_t c, int64_t j, const int count) {
    const real *w = (const real *)s->weights + c;
    vec acc[CHANNELS_PIXELS];
    STENCIL_UNROLL for (int q = 0; q < count; ++q) acc[q] = channels_start(s, c);
    for (int64_t row = 0; row < s->rows; ++row)
        for (int64_t tw = 0; tw < s->taps_w; ++tw, w += s->channels) {
            const real *const *pixel = (const real *const *)s->pixels + row * s->row_pixels + j * s->step + tw * s->tap;
            const vec wv = v_load(w);
            STENCIL_UNROLL for (int q = 0; q < count; ++q) acc[q] += wv * v_load(pixel[q * s->step] + c);
        }
    real *out = (real *)s->out + j * s->out_pixel + c;
    STENCIL_UNROLL for (int q = 0; q < count; ++q) v_store(out + q * s->out_pixel, acc[q]);
}

/*
 * `count` pixels, all channels, of a kernel of rows x taps: what lies under several pixels is read once for all of
 * them. Places are read side by side, since their lines of the cache would push each other out if they came one channel
 * at a time.
 */
STENCIL_INLINE void channels_wide_block(const cx_stencil_channels *s, int64_t j, const int count, const int step,
                                        const int taps, const int64_t rows) {
    const int64_t last = s->channels - LANES;
    for (int64_t at = 0; at < s->channels; at += LANES) {
        const int64_t c = at <= last ? at : last;
        const real *w = (const real *)s->weights + c;
        const real *const *pixel = (const real *const *)s->pixels + j * step;
        vec acc[CHANNELS_WIDE];
        STENCIL_UNROLL for (int q = 0; q < count; ++q) acc[q] = channels_start(s, c);
        for (int64_t row = 0; row < rows; ++row, pixel += s->row_pixels) {
            vec weight[CHANNELS_TAPS];
            STENCIL_UNROLL for (int t = 0; t < taps; ++t, w += s->channels) weight[t] = v_load(w);
            STENCIL_UNROLL for (int i = 0; i < (count - 1) * step + taps; ++i) {
                const vec x = v_load(pixel[i] + c);
                STENCIL_UNROLL for (int q = 0; q < count; ++q) {
                    if (i - q * step >= 0 && i - q * step < taps) acc[q] += weight[i - q * step] * x;
                }
            }
        }
        real *out = (real *)s->out + j * s->out_pixel + c;
        STENCIL_UNROLL for (int q = 0; q < count; ++q) v_store(out + q * s->out_pixel, acc[q]);
    }
}

/* Two rows of CHANNELS_NARROW pixels under a kernel of 3x3: what lies under both is read once. */
STENCIL_INLINE void channels_pair_block(const cx_stencil_channels *s, int64_t j) {
    enum { COUNT = CHANNELS_NARROW, TAPS = 3 };
    const int64_t last = s->channels - LANES;
    for (int64_t at = 0; at < s->channels; at += LANES) {
        const int64_t c = at <= last ? at : last;
        const real *w = (const real *)s->weights + c;
        const real *const *pixel = (const real *const *)s->pixels + j;
        vec acc[2][COUNT], weight[2][TAPS] = {{v_zero()}}; /* of this row and of the one above it */
        STENCIL_UNROLL for (int q = 0; q < COUNT; ++q) acc[0][q] = acc[1][q] = channels_start(s, c);
        STENCIL_UNROLL for (int row = 0; row < TAPS + 1; ++row, pixel += s->row_pixels) {
            STENCIL_UNROLL for (int t = 0; t < TAPS; ++t) {
                weight[1][t] = weight[0][t];
                if (row < TAPS) weight[0][t] = v_load(w + (row * TAPS + t) * s->channels);
            }
            STENCIL_UNROLL for (int i = 0; i < COUNT + TAPS - 1; ++i) {
                const vec x = v_load_for(TAPS, pixel[i] + c);
                STENCIL_UNROLL for (int q = 0; q < COUNT; ++q) {
                    const int t = i - q;
                    if (t >= 0 && t < TAPS && row < TAPS) acc[0][q] += weight[0][t] * x;
                    if (t >= 0 && t < TAPS && row > 0) acc[1][q] += weight[1][t] * x;
                }
            }
        }
        real *out = (real *)s->out + j * s->out_pixel + c;
        STENCIL_UNROLL for (int r = 0; r < 2; ++r) {
            STENCIL_UNROLL for (int q = 0; q < COUNT; ++q) v_store(out + r * s->out_row + q * s->out_pixel, acc[r][q]);
        }
    }
}

static void channels_pair(const cx_stencil_channels *s) {
    for (int64_t j = 0; j < s->width; j += CHANNELS_NARROW)
        channels_pair_block(s, j < s->width - CHANNELS_NARROW ? j : s->width - CHANNELS_NARROW);
}

/* A row, which has `count` pixels or more. The last overlap those before them, with the same results. */
STENCIL_INLINE void channels_wide_row(const cx_stencil_channels *s, const int count, const int step, const int taps,
                                      const int64_t rows) {
    for (int64_t j = 0; j < s->width; j += count)
        channels_wide_block(s, j < s->width - count ? j : s->width - count, count, step, taps, rows);
}

/* False where the row is too short, or the kernel another. */
STENCIL_INLINE bool channels_wide(const cx_stencil_channels *s, const int step) {
    if (s->taps_w == 3 && s->rows == 3 && s->width >= CHANNELS_NARROW) {
        channels_wide_row(s, CHANNELS_NARROW, step, 3, 3);
        return true;
    }
    if (s->width < CHANNELS_WIDE) return false;
    /* Places so far apart share few sets of the first-level cache: too many to be read again for blocks that overlap. */
    const int64_t done = (s->width + CHANNELS_WIDE - 1) / CHANNELS_WIDE * CHANNELS_WIDE;
    if (step > 1 && s->channels * (int64_t)sizeof(real) % 1024 == 0 && 4 * done > 5 * s->width) return false;
    if (s->taps_w == 5)
        channels_wide_row(s, CHANNELS_WIDE, step, 5, s->rows);
    else if (s->taps_w == 7)
        channels_wide_row(s, CHANNELS_WIDE, step, 7, s->rows);
    else
        return false;
    return true;
}

/* `count` pixels, all channels, where a group has several. */
STENCIL_INLINE void channels_grouped_block(const cx_stencil_channels *s, int64_t j, const int count) {
    const int64_t last = s->channels - LANES;
    vec_bits first;
    STENCIL_UNROLL for (int i = 0; i < LANES; ++i) first[i] = (real_bits)(i / s->group * s->group);
    for (int64_t at = 0; at < s->channels; at += LANES) {
        const int64_t c = at <= last ? at : last;
        const real *w = (const real *)s->weights + c;
        vec acc[CHANNELS_PIXELS];
        STENCIL_UNROLL for (int q = 0; q < count; ++q) acc[q] = channels_start(s, c);
        for (int64_t row = 0; row < s->rows; ++row)
            for (int64_t tw = 0; tw < s->taps_w; ++tw) {
                const real *const *pixel =
                    (const real *const *)s->pixels + row * s->row_pixels + j * s->step + tw * s->tap;
                vec x[CHANNELS_PIXELS];
                STENCIL_UNROLL for (int q = 0; q < count; ++q) x[q] = v_load(pixel[q * s->step] + c);
                vec_bits lane = first;
                for (int64_t i = 0; i < s->group; ++i, w += s->channels) {
                    const vec wv = v_load(w);
                    STENCIL_UNROLL for (int q = 0; q < count; ++q) acc[q] += wv * v_permute(x[q], lane);
                    lane += 1;
                }
            }
        real *out = (real *)s->out + j * s->out_pixel + c;
        STENCIL_UNROLL for (int q = 0; q < count; ++q) v_store(out + q * s->out_pixel, acc[q]);
    }
}

static void channels_grouped(const cx_stencil_channels *s) {
    int64_t j = 0;
    for (; j + 4 <= s->width; j += 4) channels_grouped_block(s, j, 4);
    for (; j < s->width; ++j) channels_grouped_block(s, j, 1);
}

static void stencil_channels(const cx_stencil_channels *s) {
    if (s->group > 1) {
        channels_grouped(s);
        return;
    }
    if (s->pair) {
        channels_pair(s);
        return;
    }
    if (s->tap == 1 && s->step == 1 && channels_wide(s, 1)) return;
    if (s->tap == 1 && s->step == 2 && channels_wide(s, 2)) return;
    const int64_t last = s->channels - LANES;
    for (int64_t at = 0; at < s->channels; at += LANES) {
        const int64_t c = at <= last ? at : last;
        int64_t j = 0;
        for (; j + CHANNELS_PIXELS <= s->width; j += CHANNELS_PIXELS) channels_block(s, c, j, CHANNELS_PIXELS);
        for (; j + 2 <= s->width; j += 2) channels_block(s, c, j, 2);
        for (; j < s->width; ++j) channels_block(s, c, j, 1);
    }
}

/* Weight gradient of rows x taps_w taps that begin at (row, tw), over the pixels of one output row. */
STENCIL_INLINE void channels_outer_block(const cx_stencil_channels *s, int64_t slot, int64_t c, int64_t row, int64_t tw,
                                         const int rows, const int taps_w) {
    const int64_t slots = (s->channels + LANES - 1) / LANES * LANES, sums_row = s->taps_w * slots;
    real *sums = (real *)s->sums + row * sums_row + tw * slots + slot;
    const real *y = (const real *)s->y + c;
    const real *const *pixels = (const real *const *)s->pixels + row * s->row_pixels + tw * s->tap;
    vec acc[3][4];
    STENCIL_UNROLL for (int h = 0; h < rows; ++h) {
        STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) { acc[h][t] = v_load(sums + h * sums_row + t * slots); }
    }
    for (int64_t j = 0; j < s->width; ++j) {
        const vec yv = v_load(y + j * s->y_pixel);
        STENCIL_UNROLL for (int h = 0; h < rows; ++h) {
            STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) {
                acc[h][t] += yv * v_load(pixels[h * s->row_pixels + j * s->step + t * s->tap] + c);
            }
        }
    }
    STENCIL_UNROLL for (int h = 0; h < rows; ++h) {
        STENCIL_UNROLL for (int t = 0; t < taps_w; ++t) { v_store(sums + h * sums_row + t * slots, acc[h][t]); }
    }
}

static void channels_outer_row(const cx_stencil_channels *s, int64_t slot, int64_t c, int64_t row) {
    int64_t tw = 0;
    for (; tw + 4 <= s->taps_w; tw += 4) channels_outer_block(s, slot, c, row, tw, 1, 4);
    for (; tw < s->taps_w; ++tw) channels_outer_block(s, slot, c, row, tw, 1, 1);
}

static void channels_outer_three_rows(const cx_stencil_channels *s, int64_t slot, int64_t c, int64_t row) {
    int64_t tw = 0;
    for (; tw + 4 <= s->taps_w && tw + 5 != s->taps_w; tw += 4) channels_outer_block(s, slot, c, row, tw, 3, 4);
    for (; tw + 3 <= s->taps_w; tw += 3) channels_outer_block(s, slot, c, row, tw, 3, 3);
    for (; tw < s->taps_w; ++tw) channels_outer_block(s, slot, c, row, tw, 3, 1);
}

/* Sums are whole vectors: those of the last, overlapping vector of channels have a place of their own. */
static void stencil_channels_outer(const cx_stencil_channels *s) {
    const int64_t last = s->channels - LANES;
    for (int64_t slot = 0; slot < s->channels; slot += LANES) {
        const int64_t c = slot <= last ? slot : last;
        int64_t row = 0;
        for (; row + 3 <= s->rows; row += 3) channels_outer_three_rows(s, slot, c, row);
        for (; row < s->rows; ++row) channels_outer_row(s, slot, c, row);
    }
}

#endif
