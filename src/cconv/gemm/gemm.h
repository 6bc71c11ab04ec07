/*
 * The blocked loop nest: c = start + a * b over panel sources, on the calling thread. Knows nothing of convolution.
 *
 *   for each block of k                    b block packed into scratch (second-level cache), or already packed
 *     for each block of rows               a block read in place, or packed into scratch
 *       for each panel                     stays in the first-level cache
 *         for each tile of rows            micro-kernel
 *
 * An element's sum is one chain of FMAs over k in ascending order; it passes through memory between blocks of k. Its
 * bits do not depend on any blocking, so callers are free to cut m and n among threads. Where all rows are one block,
 * each block of k meets all columns before the next: the rows stay in the second-level cache.
 */
#ifndef CX_GEMM_GEMM_H
#define CX_GEMM_GEMM_H

#include "base/axis.h"
#include "base/integer.h"
#include "kernels/kernels.h"

/* The broadcast side: element (i, p) at base[row(i) + k(p)]. Or patches: rows are pixels. */
typedef struct cx_gemm_rows {
    const void *base;
    cx_axis row, k;            /* where patches is NULL */
    const cx_patches *patches; /* or NULL */
    cx_patch_order order;
    bool band; /* patches as a band: see band.h. Tiles then end where rows of the grid do */
    bool runs; /* k has two digits, and is read in place run by run */
    bool copy; /* pack blocks of an affine matrix too: pays when each is read often */
} cx_gemm_rows;

/* The vector side, as panels of nr columns. */
typedef struct cx_gemm_panels {
    enum {
        CX_PANELS_PACKED,        /* whole panels, packed before: panel j begins at j * k * nr elements */
        CX_PANELS_MATRIX,        /* packed on the way: element (k, j) at base[k + column] */
        CX_PANELS_PIXELS,        /* packed on the way: pixels as columns */
        CX_PANELS_PATCH_COLUMNS, /* packed on the way: (channel, tap) as columns, pixels as k */
    } kind;
    const void *base; /* of the first two */
    cx_axis k, column;
    const cx_patches *patches; /* of the last two */
    cx_patch_order order;
} cx_gemm_panels;

typedef struct cx_gemm {
    int64_t m, n, k;
    cx_gemm_rows a;
    cx_gemm_panels b;
    void *c;
    cx_axis c_row, c_column;
    const void *bias_rows, *bias_columns; /* at most one; an element a row or a column of c */
    convx_activation activation;
} cx_gemm;

/* The shortest block of k whose results may pass through memory between it and the next. */
#define CX_GEMM_SHORT_K 256

/* Block sizes, by the caches: multiples of the tile in m and n. */
typedef struct cx_gemm_blocks {
    int64_t mc, nc, kc;
} cx_gemm_blocks;

/* `copy`: as in cx_gemm_rows. */
cx_gemm_blocks cx_gemm_blocks_for(const cx_kernels *kernels, int64_t m, int64_t n, int64_t k, bool copy);
/* Whether n columns make one block where rows are copied, so that each row is copied once. */
bool cx_gemm_one_block(const cx_kernels *kernels, int64_t n);

/* What n columns are cut into so many shares (if any) by: panels, or vectors where those are much more even. */
static inline int64_t cx_gemm_column_unit(const cx_kernels *kernels, int64_t n, int64_t shares) {
    const int64_t nr = kernels->gemm.nr, lanes = kernels->lanes;
    if (shares == 0) return nr;
    const int64_t panels = cx_ceil_div(cx_ceil_div(n, nr), shares) * nr;
    return 9 * panels > 10 * cx_ceil_div(cx_ceil_div(n, lanes), shares) * lanes ? lanes : nr;
}

/* Bytes of scratch that cx_gemm_run needs with these blocks. */
size_t cx_gemm_scratch(const cx_kernels *kernels, const cx_gemm *gemm, cx_gemm_blocks blocks);

/* Rows [m0, m1) and columns [n0, n1) of c; n0 is a multiple of nr where panels were packed before. */
void cx_gemm_run(const cx_kernels *kernels, const cx_gemm *gemm, cx_gemm_blocks blocks, int64_t m0, int64_t m1,
                 int64_t n0, int64_t n1, void *scratch);

#endif
