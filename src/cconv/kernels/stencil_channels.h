/*
 * Template: the stencil of few channels a group where channels are contiguous (cx_stencil_channels). Vectors run along the channels;
 * the last vector of a channel count that is no multiple overlaps the one before it, so there are no tails.
 */
#ifndef CX_KERNELS_STENCIL_CHANNELS_H
#define CX_KERNELS_STENCIL_CHANNELS_H

#include "kernels/stencil_rows.h"
#include "vec/shuffle.h"

#define CHANNELS_PIXELS 6

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

/* Whether the places that `count` pixels of a 3x3 kernel read lie equally far apart in each row: then how far, else 0. */
static int64_t places_apart(const cx_stencil_channels *s, int64_t j, int reads) {
    const uintptr_t *place = (const uintptr_t *)s->pixels + j * s->step;
    const uintptr_t apart = place[1] - place[0];
    for (int row = 0; row < 3; ++row, place += s->row_pixels)
        for (int i = 2; i <= reads; ++i)
            if (place[i - 1] - place[i - 2] != apart) return 0;
    return (int64_t)apart / (int64_t)sizeof(real);
}

/*
 * `count` pixels of a kernel of 3x3, all channels: the places of a row are read side by side, as their lines of the cache
 * would push each other out if they came one channel at a time. apart: see above.
 */
STENCIL_INLINE void channels_three_block(const cx_stencil_channels *s, int64_t j, const int count, const int step,
                                         const bool even, const int64_t apart) {
    const real *const *pixel = (const real *const *)s->pixels + j * step;
    const real *row_begin[3] = {pixel[0], pixel[s->row_pixels], pixel[2 * s->row_pixels]};
    const int64_t last = s->channels - LANES;
    for (int64_t at = 0; at < s->channels; at += LANES) {
        const int64_t c = at <= last ? at : last;
        const real *w = (const real *)s->weights + c;
        vec acc[CHANNELS_PIXELS];
        STENCIL_UNROLL for (int q = 0; q < count; ++q) acc[q] = channels_start(s, c);
        STENCIL_UNROLL for (int row = 0; row < 3; ++row) {
            vec weight[3];
            STENCIL_UNROLL for (int t = 0; t < 3; ++t) weight[t] = v_load(w + (row * 3 + t) * s->channels);
            STENCIL_UNROLL for (int i = 0; i < (count - 1) * step + 3; ++i) {
                const vec x = v_load((even ? row_begin[row] + i * apart : pixel[row * s->row_pixels + i]) + c);
                STENCIL_UNROLL for (int q = 0; q < count; ++q) {
                    if (i - q * step >= 0 && i - q * step < 3) acc[q] += weight[i - q * step] * x;
                }
            }
        }
        real *out = (real *)s->out + j * s->out_pixel + c;
        STENCIL_UNROLL for (int q = 0; q < count; ++q) v_store(out + q * s->out_pixel, acc[q]);
    }
}

STENCIL_INLINE void channels_three(const cx_stencil_channels *s, const int step) {
    int64_t j = 0;
    for (; j + 4 <= s->width; j += 4) {
        const int64_t apart = places_apart(s, j, 3 * step + 3);
        if (apart)
            channels_three_block(s, j, 4, step, true, apart);
        else
            channels_three_block(s, j, 4, step, false, 0);
    }
    for (; j < s->width; ++j) channels_three_block(s, j, 1, step, false, 0);
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
    if (s->rows == 3 && s->taps_w == 3 && s->tap == 1 && s->step <= 2) {
        if (s->step == 1)
            channels_three(s, 1);
        else
            channels_three(s, 2);
        return;
    }
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
