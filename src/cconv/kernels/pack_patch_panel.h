/* Template: panels of the patch matrix with (channel, tap) as columns and pixels as rows (weight gradient). */
#ifndef CX_KERNELS_PACK_PATCH_PANEL_H
#define CX_KERNELS_PACK_PATCH_PANEL_H

#include "kernels/pack_pixel_rows.h"

/* Pixels gathered as rows before they are transposed: both fit the first-level cache. */
#define PIXEL_BLOCK 64

/* rows[j][i], PIXEL_BLOCK apart, into dst[i][GEMM_NR]; rows beyond those used hold anything. */
static inline void transpose_rows(const real *rows, int64_t pixels, real *dst) {
    for (int64_t i = 0; i < pixels; i += LANES) {
        const int64_t kept = pixels - i < LANES ? pixels - i : LANES;
        for (int j = 0; j < GEMM_NR; j += LANES) {
            vec block[CX_LANE_COUNT];
#pragma GCC unroll 16
            for (int r = 0; r < LANES; ++r) block[r] = v_load(rows + (j + r) * PIXEL_BLOCK + i);
            v_transpose(block);
            if (kept == LANES) {
#pragma GCC unroll 16
                for (int r = 0; r < LANES; ++r) v_store(dst + (i + r) * GEMM_NR + j, block[r]);
            } else {
                real lanes[CX_LANE_COUNT][CX_LANE_COUNT];
                memcpy(lanes, block, sizeof lanes);
                for (int64_t r = 0; r < kept; ++r) v_store(dst + (i + r) * GEMM_NR + j, v_load(lanes[r]));
            }
        }
    }
}

/* Columns of any channel and tap: gathered one by one along the pixels. */
static inline void pack_columns_gathered(const cx_patches *p, const int64_t *channel, const int64_t (*tap)[3],
                                         int64_t columns, int64_t pixel, int64_t pixels, real *dst) {
    const real *base = p->base;
    real rows[(GEMM_NR + 1) * PIXEL_BLOCK];
    segment segments[PIXEL_BLOCK];
    for (int64_t j = columns; j < GEMM_NR; ++j) zero_run(rows + j * PIXEL_BLOCK, PIXEL_BLOCK);
    for (int64_t done = 0; done < pixels; done += PIXEL_BLOCK) {
        const int64_t piece = pixels - done < PIXEL_BLOCK ? pixels - done : PIXEL_BLOCK;
        const int count = split_pixels(p, pixel + done, piece, segments);
        for (int64_t j = 0; j < columns; ++j) {
            for (int s = 0; s < count; ++s) {
                const tap_run run = locate_tap(p, segments + s, tap[j]);
                copy_tap(p, &run, base + channel[j] * p->stride.channel, rows + j * PIXEL_BLOCK);
            }
            zero_run(rows + j * PIXEL_BLOCK + piece, PIXEL_BLOCK - piece);
        }
        transpose_rows(rows, piece, dst + done * GEMM_NR);
    }
}

/* Pixels of which the grid rows are looked up at a time. */
#define ROW_CHUNK 128

/* Where the columns of a panel lie, from the place of tap 0 on, and how far their taps reach. */
typedef struct column_places {
    int64_t offset[GEMM_NR];
    int64_t (*tap)[3]; /* in places of the tensor */
    int64_t low[3], high[3], least, most;
    int64_t from, to; /* elements of the tensor, from base on */
    int64_t columns;
} column_places;

static void find_columns(const cx_patches *p, const int64_t *channel, int64_t (*tap)[3], int64_t columns,
                         column_places *places) {
    *places = (column_places){
        .tap = tap,
        .columns = columns,
        .least = INT64_MAX,
        .most = INT64_MIN,
        .from = (const real *)p->begin - (const real *)p->base,
        .to = (const real *)p->end - (const real *)p->base,
    };
    for (int64_t j = 0; j < columns; ++j) {
        int64_t offset = channel[j] * p->stride.channel;
        for (int d = 0; d < 3; ++d) {
            const int64_t place = tap[j][d] *= p->tap_step[d];
            offset += place * p->stride.space[d];
            if (j == 0 || place < places->low[d]) places->low[d] = place;
            if (j == 0 || place > places->high[d]) places->high[d] = place;
        }
        places->offset[j] = offset;
        if (offset < places->least) places->least = offset;
        if (offset > places->most) places->most = offset;
    }
}

/* One column of LANES pixels, where the tensor ends or its padding begins. */
static inline __attribute__((always_inline)) vec load_edge(const cx_patches *p, const column_places *places, int64_t j,
                                                           bool row_inside, int64_t w, int64_t src, const int step) {
    if (!row_inside) return v_zero();
    w += places->tap[j][2];
    src += places->offset[j];
    const int64_t width = (int64_t)LANES * step, first = -w, last = p->extent[2] - w; /* of the lanes' places */
    const real_bits low = (real_bits)(first < width ? first < 0 ? 0 : first : width);
    const real_bits high = (real_bits)(last < width ? last < 0 ? 0 : last : width);
    if (LANES == 1) return low <= 0 && high > 0 ? v_load((const real *)p->base + src) : v_zero();
    vec_bits place;
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) place[i] = i * step;
    if (src >= places->from && src + width <= places->to)
        return (vec)((vec_bits)load_step((const real *)p->base + src, step) & (place >= low) & (place < high));
    vec v = v_zero();
    for (int i = 0; i < LANES; ++i)
        if (i * step >= low && i * step < high) v[i] = ((const real *)p->base)[src + i * step];
    return v;
}

/* LANES pixels of a grid row, all columns of them, transposed in registers. */
static inline __attribute__((always_inline)) void pack_columns_of_row(const cx_patches *p, const column_places *places,
                                                                      const segment *s, const int step, real *dst) {
    bool all_inside = places->columns == GEMM_NR, row_inside[GEMM_NR];
    for (int64_t j = 0; j < GEMM_NR; ++j) {
        row_inside[j] = j < places->columns;
        for (int d = 0; d < 2 && row_inside[j]; ++d) {
            const int64_t place = s->at[d] + places->tap[j][d];
            row_inside[j] = place >= 0 && place < p->extent[d];
        }
        all_inside &= row_inside[j];
    }
    int64_t at[3] = {s->at[0], s->at[1], s->at[2]}, src = s->image;
    for (int d = 0; d < 3; ++d) src += at[d] * p->stride.space[d];
    for (int64_t i = 0; i < s->count; i += LANES, src += LANES * step, at[2] += LANES * p->step[2]) {
        const int64_t kept = s->count - i < LANES ? s->count - i : LANES;
        const bool inside = all_inside && at[2] + places->low[2] >= 0 &&
                            at[2] + places->high[2] + (kept - 1) * p->step[2] < p->extent[2] &&
                            src + places->least >= places->from && src + places->most + LANES * step <= places->to;
        for (int64_t j = 0; j < GEMM_NR; j += LANES) {
            vec block[CX_LANE_COUNT];
            if (inside) {
#pragma GCC unroll 16
                for (int r = 0; r < LANES; ++r)
                    block[r] = load_step((const real *)p->base + src + places->offset[j + r], step);
            } else {
                for (int r = 0; r < LANES; ++r)
                    block[r] = load_edge(p, places, j + r, row_inside[j + r], at[2], src, step);
            }
            v_transpose(block);
            if (kept == LANES) {
#pragma GCC unroll 16
                for (int r = 0; r < LANES; ++r) v_store(dst + (i + r) * GEMM_NR + j, block[r]);
            } else {
#pragma GCC unroll 16
                for (int r = 0; r < LANES; ++r)
                    if (r < kept) v_store(dst + (i + r) * GEMM_NR + j, block[r]);
            }
        }
    }
}

/* Columns of any channel and tap, in zero padding, whose pixels lie side by side or every second. */
static void pack_columns_in_rows(const cx_patches *p, const int64_t *channel, int64_t (*tap)[3], int64_t columns,
                                 int64_t pixel, int64_t pixels, real *dst) {
    segment segments[ROW_CHUNK];
    column_places places;
    find_columns(p, channel, tap, columns, &places);
    for (int64_t done = 0; done < pixels; done += ROW_CHUNK) {
        const int64_t piece = pixels - done < ROW_CHUNK ? pixels - done : ROW_CHUNK;
        const int count = split_pixels(p, pixel + done, piece, segments);
        for (int s = 0; s < count; ++s) {
            real *to = dst + (done + segments[s].lane) * GEMM_NR;
            if (p->step[2] == 1)
                pack_columns_of_row(p, &places, segments + s, 1, to);
            else
                pack_columns_of_row(p, &places, segments + s, 2, to);
        }
    }
}

/* Columns whose channels lie side by side: a pixel's row is a few runs, copied without a transposition. */
static inline void pack_columns_adjacent(const cx_patches *p, const int64_t *channel, const int64_t (*tap)[3],
                                         int64_t columns, int64_t pixel, int64_t pixels, real *dst) {
    const real *base = p->base;
    segment segments[PIXEL_BLOCK];
    for (int64_t done = 0; done < pixels; done += PIXEL_BLOCK) {
        const int64_t piece = pixels - done < PIXEL_BLOCK ? pixels - done : PIXEL_BLOCK;
        const int count = split_pixels(p, pixel + done, piece, segments);
        for (int s = 0; s < count; ++s) {
            int64_t at[3] = {segments[s].at[0], segments[s].at[1], segments[s].at[2]};
            for (int i = 0; i < segments[s].count; ++i, dst += GEMM_NR, at[2] += p->step[2]) {
                for (int64_t j = 0; j < columns;) {
                    int64_t run = columns - j;
                    if (p->channels - channel[j] < run) run = p->channels - channel[j];
                    const int64_t place = locate_place(p, at, tap[j]);
                    if (place == INT64_MIN)
                        zero_run(dst + j, run);
                    else
                        copy_channels(p, base + segments[s].image + place + channel[j], run, dst + j);
                    j += run;
                }
                zero_run(dst + columns, GEMM_NR - columns);
            }
        }
    }
}

static void pack_patch_panel(const cx_patches *p, cx_patch_order order, int64_t column, int64_t columns, int64_t pixel,
                             int64_t pixels, void *dst) {
    const int64_t taps = p->taps[0] * p->taps[1] * p->taps[2];
    int64_t channel[GEMM_NR], tap[GEMM_NR][3];
    for (int64_t j = 0; j < columns; ++j) {
        const int64_t place = column + j;
        channel[j] = order == CX_TAPS_FASTEST ? place / taps : place % p->channels;
        tap_at(p, order == CX_TAPS_FASTEST ? place % taps : place / p->channels, tap[j]);
    }
    if (order == CX_CHANNELS_FASTEST && p->stride.channel == 1)
        pack_columns_adjacent(p, channel, (const int64_t (*)[3])tap, columns, pixel, pixels, dst);
    else if (p->mode == CONVX_PAD_ZEROS && p->stride.space[2] == 1 && p->step[2] <= 2)
        pack_columns_in_rows(p, channel, tap, columns, pixel, pixels, dst);
    else
        pack_columns_gathered(p, channel, (const int64_t (*)[3])tap, columns, pixel, pixels, dst);
}

#endif
