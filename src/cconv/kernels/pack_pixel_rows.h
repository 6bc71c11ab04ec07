/* Template: rows of the patch matrix, one a pixel (channels-last forward and input gradient). */
#ifndef CX_KERNELS_PACK_PIXEL_ROWS_H
#define CX_KERNELS_PACK_PIXEL_ROWS_H

#include "kernels/pack_pixel_panel.h"

/* One place of one pixel, all three coordinates mapped by the padding mode: its element offset, or -1 for a zero. */
static __attribute__((noinline)) int64_t locate_place(const cx_patches *p, const int64_t at[3], const int64_t tap[3]) {
    int64_t offset = 0;
    for (int dim = 0; dim < 3; ++dim) {
        const int64_t place = cx_padded_index(at[dim] + tap[dim] * p->tap_step[dim], p->extent[dim], p->mode);
        if (place < 0) return INT64_MIN;
        offset += place * p->stride.space[dim];
    }
    return offset;
}

static inline void zero_run(real *dst, int64_t count) {
    for (int64_t i = 0; i < count; ++i) dst[i] = 0;
}

static inline void copy_channels(const cx_patches *p, const real *src, int64_t count, real *dst) {
    const int64_t step = p->stride.channel;
    int64_t i = 0;
    if (step == 1)
        for (; i < count && src + i + LANES <= (const real *)p->end; i += LANES) v_store(dst + i, v_load(src + i));
    for (; i < count; ++i) dst[i] = src[i * step];
}

/* Rows [k0, k0 + kn) in the order (tap, channel): a tap's channels are one run, a kernel row's taps often too. */
static __attribute__((noinline)) void pack_row_by_taps(const cx_patches *p, const real *image, const int64_t at[3],
                                                       int64_t k0, int64_t kn, real *dst) {
    const bool dense =
        p->stride.channel == 1 && p->tap_step[2] > 0 && p->tap_step[2] * p->stride.space[2] == p->channels;
    int64_t t = k0 / p->channels, c = k0 % p->channels, tap[3];
    tap_at(p, t, tap);
    while (kn > 0) {
        const int64_t place = locate_place(p, at, tap);
        int64_t taps = 1;
        const int64_t w = at[2] + tap[2] * p->tap_step[2];
        if (dense && place != INT64_MIN && w >= 0 &&
            w < p->extent[2]) { /* the rest of the kernel row that lies inside */
            const int64_t inside = (p->extent[2] - 1 - w) / p->tap_step[2] + 1;
            taps = p->taps[2] - tap[2] < inside ? p->taps[2] - tap[2] : inside;
        }
        int64_t count = taps * p->channels - c;
        if (count > kn) count = kn;
        if (place == INT64_MIN)
            zero_run(dst, count);
        else
            copy_channels(p, image + place + c * p->stride.channel, count, dst);
        dst += count;
        kn -= count;
        c = 0;
        tap[2] += taps - 1;
        next_tap(p, tap);
    }
}

/* Rows in the order (channel, tap): the taps are located once and serve every channel. */
static __attribute__((noinline)) void pack_row_by_channels(const cx_patches *p, const real *image, const int64_t at[3],
                                                           int64_t k0, int64_t kn, real *dst) {
    const int64_t taps = p->taps[0] * p->taps[1] * p->taps[2];
    int64_t tap[3], t = k0 % taps, c = k0 / taps;
    tap_at(p, t, tap);
    for (int64_t first = 0; first < kn && first < taps; ++first) {
        const int64_t place = locate_place(p, at, tap);
        const real *src = place == INT64_MIN ? image : image + place + c * p->stride.channel;
        if (place == INT64_MIN)
            for (int64_t k = first; k < kn; k += taps) dst[k] = 0;
        else
            for (int64_t k = first; k < kn; k += taps, src += p->stride.channel) dst[k] = *src;
        next_tap(p, tap);
        if (++t == taps) {
            t = 0;
            ++c;
        }
    }
}

static void pack_pixel_rows(const cx_patches *p, cx_patch_order order, int64_t pixel, int64_t pixels, int64_t k0,
                            int64_t kn, void *dst_void, int64_t ld) {
    real *dst = dst_void;
    const real *base = p->base;
    segment segments[GEMM_NR];
    for (int64_t done = 0; done < pixels;) {
        const int64_t piece = pixels - done < GEMM_NR ? pixels - done : GEMM_NR;
        const int count = split_pixels(p, pixel + done, piece, segments);
        for (int s = 0; s < count; ++s) {
            int64_t at[3] = {segments[s].at[0], segments[s].at[1], segments[s].at[2]};
            for (int i = 0; i < segments[s].count; ++i, dst += ld, at[2] += p->step[2]) {
                if (order == CX_CHANNELS_FASTEST)
                    pack_row_by_taps(p, base + segments[s].image, at, k0, kn, dst);
                else
                    pack_row_by_channels(p, base + segments[s].image, at, k0, kn, dst);
            }
        }
        done += piece;
    }
}

#endif
