/*
 * Template: how a stretch of pixels falls into pieces of grid rows, and where a tap of such a piece lies in the tensor.
 * All three patch packers copy by these pieces.
 */
#ifndef CX_KERNELS_PATCH_SEGMENTS_H
#define CX_KERNELS_PATCH_SEGMENTS_H

#include "base/correlation.h"
#include "kernels/gemm_kernels.h"
#include "vec/shuffle.h"
#include "vec/vec.h"

/* `count` pixels of one grid row; coordinates are those of its first pixel, for tap 0, in the padded tensor. */
typedef struct segment {
    int64_t image; /* element offset of the image */
    int64_t at[3];
    int lane, count;
} segment;

/*
 * One tap of a segment: pixels [low, high) read src + (i - low) * step; the others lie outside in the last dimension.
 */
typedef struct tap_run {
    int64_t src; /* element offset of pixel `low` in channel 0 */
    int64_t row; /* element offset of the tensor's row, of which places outside take what the padding mode says */
    int64_t w;   /* padded coordinate of the first pixel in the last dimension */
    int lane, low, high, count;
    bool blank; /* the whole row lies in zero padding: low == high */
} tap_run;

/* Splits pixels [pixel, pixel + pixels) and returns how many segments that gave (at most `pixels`). */
static __attribute__((noinline)) int split_pixels(const cx_patches *p, int64_t pixel, int64_t pixels,
                                                  segment *segments) {
    int64_t w = pixel % p->grid[2], rest = pixel / p->grid[2];
    int64_t h = rest % p->grid[1];
    rest /= p->grid[1];
    int64_t d = rest % p->grid[0], n = rest / p->grid[0];
    int made = 0, lane = 0;
    while (lane < pixels) {
        const int64_t left = p->grid[2] - w;
        const int count = (int)(left < pixels - lane ? left : pixels - lane);
        segments[made++] = (segment){
            .image = n * p->stride.batch,
            .at = {d * p->step[0] + p->origin[0], h * p->step[1] + p->origin[1], w * p->step[2] + p->origin[2]},
            .lane = lane,
            .count = count,
        };
        lane += count;
        w = 0;
        if (++h == p->grid[1]) {
            h = 0;
            if (++d == p->grid[0]) {
                d = 0;
                ++n;
            }
        }
    }
    return made;
}

static inline tap_run locate_tap(const cx_patches *p, const segment *s, const int64_t tap[3]) {
    tap_run run = {.lane = s->lane, .count = s->count, .row = s->image, .w = s->at[2] + tap[2] * p->tap_step[2]};
    for (int dim = 0; dim < 2; ++dim) {
        const int64_t place = cx_padded_index(s->at[dim] + tap[dim] * p->tap_step[dim], p->extent[dim], p->mode);
        run.blank |= place < 0;
        run.row += place * p->stride.space[dim];
    }
    if (run.blank) return run;
    const int64_t step = p->step[2], last = run.w + (s->count - 1) * step;
    int64_t low = 0, high = s->count;
    if (run.w < 0) low = (-run.w + step - 1) / step;
    if (last >= p->extent[2]) high = run.w < p->extent[2] ? (p->extent[2] - run.w + step - 1) / step : 0;
    if (low >= high) low = high = 0;
    run.low = (int)low;
    run.high = (int)high;
    run.src = run.row + (run.w + low * step) * p->stride.space[2];
    return run;
}

/*
 * dst[i] = src[i * step], count of them, in whole vectors: up to LANES - 1 elements past dst + count are overwritten
 * too.
 */
static inline __attribute__((always_inline)) void copy_run(real *dst, const real *src, int64_t step, int count,
                                                           const real *end) {
    const int whole = (count + LANES - 1) / LANES * LANES;
    if (step == 1 && src + whole <= end) {
        for (int i = 0; i < count; i += LANES) v_store(dst + i, v_load(src + i));
    } else if (step == 2 && src + 2 * whole <= end) {
        for (int i = 0; i < count; i += LANES)
            v_store(dst + i, v_even(v_load(src + 2 * i), v_load(src + 2 * i + (LANES > 1 ? LANES : 0))));
    } else {
        for (int i = 0; i < count; ++i) dst[i] = src[i * step];
    }
}

static __attribute__((noinline, cold)) real padded_place(const cx_patches *p, const tap_run *run, const real *channel,
                                                         int i) {
    if (run->blank || p->mode == CONVX_PAD_ZEROS) return 0;
    const int64_t place = cx_padded_index(run->w + i * p->step[2], p->extent[2], p->mode);
    return channel[run->row + place * p->stride.space[2]];
}

/* The piece of one channel into dst[lane ...]. Pieces must be copied in ascending order of addresses: see copy_run. */
static inline __attribute__((always_inline)) void copy_tap(const cx_patches *p, const tap_run *run, const real *channel,
                                                           real *dst) {
    dst += run->lane;
    if (run->low < run->high)
        copy_run(dst + run->low, channel + run->src, p->step[2] * p->stride.space[2], run->high - run->low, p->end);
    for (int i = 0; i < run->low; ++i) dst[i] = padded_place(p, run, channel, i);
    for (int i = run->high; i < run->count; ++i) dst[i] = padded_place(p, run, channel, i);
}

#endif
