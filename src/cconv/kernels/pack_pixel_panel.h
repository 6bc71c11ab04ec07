/* Template: panels of the patch matrix with pixels as columns (channels-first forward and input gradient). */
#ifndef CX_KERNELS_PACK_PIXEL_PANEL_H
#define CX_KERNELS_PACK_PIXEL_PANEL_H

#include "kernels/gemm_shape.h"
#include "kernels/patch_segments.h"

/* Taps located at a time: bounds the stack. Kernels with more are located anew for each channel. */
#define TAP_CHUNK 64

static inline void tap_at(const cx_patches *p, int64_t t, int64_t tap[3]) {
    tap[2] = t % p->taps[2];
    t /= p->taps[2];
    tap[1] = t % p->taps[1];
    tap[0] = t / p->taps[1];
}

/* Rows [t0, t1) of one channel, for segments that are located in `runs`. */
static inline void pack_located(const cx_patches *p, const real *channel, const tap_run *runs, int segments,
                                int64_t taps, int64_t pixels, real *dst) {
    if (segments == 1 && pixels == GEMM_NR && p->step[2] * p->stride.space[2] == 1) {
        for (int64_t t = 0; t < taps; ++t, dst += GEMM_NR) {
            const tap_run *run = runs + t;
            const real *src = channel + run->src;
            if (run->low == 0 && run->high == GEMM_NR)
                for (int j = 0; j < GEMM_NV; ++j) v_store(dst + j * LANES, v_load(src + j * LANES));
            else
                copy_tap(p, run, channel, dst);
        }
        return;
    }
    for (int64_t t = 0; t < taps; ++t, dst += GEMM_NR) {
        for (int s = 0; s < segments; ++s) copy_tap(p, runs + t * segments + s, channel, dst);
        for (int64_t j = pixels; j < GEMM_NR; ++j) dst[j] = 0;
    }
}

static void locate_taps(const cx_patches *p, const segment *segments, int count, int64_t t0, int64_t taps,
                        tap_run *runs) {
    int64_t tap[3];
    tap_at(p, t0, tap);
    for (int64_t t = 0; t < taps; ++t) {
        for (int s = 0; s < count; ++s) runs[t * count + s] = locate_tap(p, segments + s, tap);
        if (++tap[2] == p->taps[2]) {
            tap[2] = 0;
            if (++tap[1] == p->taps[1]) {
                tap[1] = 0;
                ++tap[0];
            }
        }
    }
}

static void pack_pixel_panel(const cx_patches *p, cx_patch_order order, int64_t pixel, int64_t pixels, int64_t k0,
                             int64_t kn, void *dst_void) {
    real *dst = dst_void;
    const real *base = p->base;
    const int64_t taps = p->taps[0] * p->taps[1] * p->taps[2];
    segment segments[GEMM_NR];
    tap_run runs[TAP_CHUNK * GEMM_NR];
    const int count = split_pixels(p, pixel, pixels, segments);

    if (order == CX_CHANNELS_FASTEST) {
        while (kn > 0) {
            const int64_t t = k0 / p->channels, c0 = k0 % p->channels;
            const int64_t channels = p->channels - c0 < kn ? p->channels - c0 : kn;
            locate_taps(p, segments, count, t, 1, runs);
            for (int64_t c = c0; c < c0 + channels; ++c, dst += GEMM_NR)
                pack_located(p, base + c * p->stride.channel, runs, count, 1, pixels, dst);
            k0 += channels;
            kn -= channels;
        }
        return;
    }
    if (taps <= TAP_CHUNK) {
        locate_taps(p, segments, count, 0, taps, runs);
        while (kn > 0) {
            const int64_t c = k0 / taps, t0 = k0 % taps, n = taps - t0 < kn ? taps - t0 : kn;
            pack_located(p, base + c * p->stride.channel, runs + t0 * count, count, n, pixels, dst);
            dst += n * GEMM_NR;
            k0 += n;
            kn -= n;
        }
        return;
    }
    while (kn > 0) {
        const int64_t c = k0 / taps, t0 = k0 % taps;
        int64_t n = taps - t0 < kn ? taps - t0 : kn;
        if (n > TAP_CHUNK) n = TAP_CHUNK;
        locate_taps(p, segments, count, t0, n, runs);
        pack_located(p, base + c * p->stride.channel, runs, count, n, pixels, dst);
        dst += n * GEMM_NR;
        k0 += n;
        kn -= n;
    }
}

#endif
