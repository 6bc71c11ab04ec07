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

#define CX_BAND_ROWS 4 /* rows of the grid that share a band, at most: more hardly spare a copy more */

/* Whether all lines of a patch follow each other, so that a row of the grid finds most of its lines in the band of the one above. */
static inline bool cx_band_shares(const cx_patches *p, cx_patch_order order) {
    return p->taps[0] == 1 && p->tap_step[1] == 1 && p->taps[1] > p->step[1] &&
           (order == CX_CHANNELS_FASTEST || p->channels == 1);
}

/* Lines of whole patches, of so many rows of the grid where they share. */
static inline int64_t cx_band_lines(const cx_patches *p, int64_t rows) { return (rows - 1) * p->step[1] + p->taps[1]; }

/*
 * Whole patches of `rows` rows of the grid, of one image, from the row on that begins with `pixel`; they share. The band of each
 * row begins step[1] lines after that of the one above.
 */
void cx_band_copy_rows(const cx_patches *patches, cx_patch_order order, size_t size, int64_t pixel, int64_t rows,
                       void *dst);

/* Pixels [pixel, pixel + pixels), of one row of the grid; k0 and kn are whole runs. */
void cx_band_copy(const cx_patches *patches, cx_patch_order order, size_t size, int64_t pixel, int64_t pixels,
                  int64_t k0, int64_t kn, void *dst);

#endif
