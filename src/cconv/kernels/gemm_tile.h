/*
 * Template: the micro-kernel, a tile of ROWS x (NV vectors) of c = start + a * b.
 *
 *   a   ROWS x k, element (i, p) at a[i * a_row + p * a_col], read in place, broadcast; or in runs, as weights of
 *       several taps lie: after every `run` of p, `jump` elements are added
 *   b   a packed panel: k rows of NR elements, of which the first NV vectors are used
 *   c   ROWS rows of NV vectors, row stride ldc, contiguous along the row
 *
 * The sum of one element is one chain of FMAs over p, whatever tile it falls into: its bits do not depend on the
 * tiling.
 */
#ifndef CX_KERNELS_GEMM_TILE_H
#define CX_KERNELS_GEMM_TILE_H

#include "kernels/gemm_kernels.h"
#include "kernels/gemm_shape.h"
#include "vec/vec.h"

static inline __attribute__((always_inline)) void gemm_tile(const int rows, const int nv, int64_t k, const real *a,
                                                            int64_t a_row, int64_t a_col, int64_t run, int64_t jump,
                                                            const real *b, real *c, int64_t ldc,
                                                            const cx_gemm_start *start) {
    vec acc[GEMM_MR][GEMM_NV];
    const real *row[GEMM_MR];
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) row[i] = a + i * a_row;

    switch (start->kind) {
    case CX_START_ROWS:
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) acc[i][j] = v_splat(((const real *)start->bias)[i]);
        break;
    case CX_START_COLUMNS:
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) acc[i][j] = v_load((const real *)start->bias + j * LANES);
        break;
    case CX_START_RESULT:
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) acc[i][j] = v_load(c + i * ldc + j * LANES);
        break;
    case CX_START_ZERO:
    default:
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) acc[i][j] = v_zero();
        break;
    }

    int64_t at = 0;
    for (int64_t left = k; left > 0; left -= run, at += jump) {
        const int64_t count = left < run ? left : run;
        if (jump) { /* the runs after the next two: they lie in other pages, where no hardware prefetcher follows */
#pragma GCC unroll 16
            for (int i = 0; i < rows; ++i) __builtin_prefetch(row[i] + at + 2 * (jump + run * a_col));
        }
        for (int64_t p = 0; p < count; ++p) {
            vec bv[GEMM_NV];
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) bv[j] = v_load(b + j * LANES);
            b += GEMM_NR;
#pragma GCC unroll 16
            for (int i = 0; i < rows; ++i) {
                const vec av = v_splat(row[i][at]);
#pragma GCC unroll 4
                for (int j = 0; j < nv; ++j) acc[i][j] += av * bv[j];
            }
            at += a_col;
        }
    }

#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < nv; ++j) v_store(c + i * ldc + j * LANES, acc[i][j]);
}

#endif
