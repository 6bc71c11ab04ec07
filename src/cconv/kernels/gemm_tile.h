/*
 * Template: the micro-kernel, tiles of ROWS x (NV vectors) of c = start + a * b (see cx_gemm_stack).
 *
 *   a   ROWS x k, element (i, p) at a[i * a_row + p * a_col], read in place, broadcast; or in runs, as weights of
 *       several taps lie
 *   b   a packed panel: k rows of NR elements, of which the first NV vectors are used
 *   c   ROWS rows of NV vectors, contiguous along the row
 *
 * The sum of one element is one chain of FMAs over p, whatever tile it falls into: its bits do not depend on the
 * tiling.
 */
#ifndef CX_KERNELS_GEMM_TILE_H
#define CX_KERNELS_GEMM_TILE_H

#include "kernels/gemm_kernels.h"
#include "kernels/gemm_shape.h"
#include "vec/vec.h"

static inline __attribute__((always_inline)) void gemm_one_tile(const int rows, const int nv,
                                                                const cx_gemm_stack *stack, const real *a,
                                                                const real *b, real *c, const real *bias) {
    const int64_t a_col = stack->a_col, run = stack->run, jump = stack->jump;
    int64_t c_row = stack->c_row;
    vec acc[GEMM_NARROW_MR][GEMM_NV];
    const real *row[GEMM_NARROW_MR];
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) row[i] = a + i * stack->a_row;

    switch (stack->start) {
    case CX_START_ROWS:
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) acc[i][j] = v_splat(bias[i]);
        break;
    case CX_START_COLUMNS:
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) acc[i][j] = v_load(bias + j * LANES);
        break;
    case CX_START_RESULT:
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) acc[i][j] = v_load(c + i * c_row + j * LANES);
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
    for (int64_t left = stack->k; left > 0; left -= run, at += jump) {
        if (jump) { /* the runs after the next two: they lie in other pages, where no hardware prefetcher follows */
#pragma GCC unroll 16
            for (int i = 0; i < rows; ++i) __builtin_prefetch(row[i] + at + 2 * (jump + run * a_col));
        }
        for (const int64_t end = at + run * a_col; at != end; at += a_col) {
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
        }
    }

    /* Where rows of c begin is worked out again: kept from above it would take registers, and memory, through the loop. */
    __asm__("" : "+r"(c), "+r"(c_row));
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < nv; ++j) v_store(c + i * c_row + j * LANES, acc[i][j]);
}

static inline __attribute__((always_inline)) void gemm_tiles(const int rows, const int nv, const cx_gemm_stack *stack,
                                                             const real *a, const real *b, real *c, const real *bias) {
    const int64_t a_step = rows * stack->a_next, c_step = rows * stack->c_row;
    for (int64_t left = stack->tiles; left > 0; --left, a += a_step, c += c_step) {
        gemm_one_tile(rows, nv, stack, a, b, c, bias);
        if (stack->start == CX_START_ROWS) bias += rows;
    }
}

#endif
