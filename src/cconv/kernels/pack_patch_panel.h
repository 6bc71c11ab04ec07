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
    else
        pack_columns_gathered(p, channel, (const int64_t (*)[3])tap, columns, pixel, pixels, dst);
}

#endif
