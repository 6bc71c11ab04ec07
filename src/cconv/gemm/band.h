/*
 * Bands: the patches of neighbouring pixels overlap, so instead of a row of the patch matrix for each pixel the lines
 * of the source that they read are copied, padding included, one after the other. A pixel's patch is then runs of k, one
 * a line, and the next pixel's begins a few elements further.
 *
 * For taps that follow each other in the source's rows; with channels running fastest these rows are dense.
 */
#ifndef CX_GEMM_BAND_H
#define CX_GEMM_BAND_H

#include "kernels/kernels.h"

/* k that one line holds, for a pixel. */
static inline int64_t cx_band_run(const cx_patches *p, cx_patch_order order) {
    return p->taps[2] * (order == CX_CHANNELS_FASTEST ? p->channels : 1);
}

/* Elements from a pixel's patch to the next one's. */
static inline int64_t cx_band_step(const cx_patches *p, cx_patch_order order) {
    return p->step[2] * (order == CX_CHANNELS_FASTEST ? p->channels : 1);
}

/* Elements of a line for so many pixels. */
static inline int64_t cx_band_line(const cx_patches *p, cx_patch_order order, int64_t pixels) {
    return (pixels - 1) * cx_band_step(p, order) + cx_band_run(p, order);
}

/* Pixels [pixel, pixel + pixels), of one row of the grid; k0 and kn are whole runs. */
void cx_band_copy(const cx_patches *patches, cx_patch_order order, size_t size, int64_t pixel, int64_t pixels,
                  int64_t k0, int64_t kn, void *dst);

#endif
