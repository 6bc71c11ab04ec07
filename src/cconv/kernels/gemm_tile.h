/*
 * Template: the micro-kernel, tiles of ROWS x (NV vectors) of c = start + a * b (see cx_gemm_stack).
 *
 * Parameters
 *   TILE_VEC, TILE_LOAD(p), TILE_STORE(p, v)   a vector here: a whole one, or half of one, whose other half becomes zero in c
 *   TILE_NAME(x) of what is defined here
 *
 *   a   ROWS x k, element (i, p) at a[i * a_row + p * a_col], read in place, broadcast; or in runs, as weights of
 *       several taps lie
 *   b   a packed panel: k rows of NR elements, of which the first NV vectors are used; or two vectors of two panels
 *   c   ROWS rows of NV vectors, contiguous along the row
 *
 * The sum of one element is one chain of FMAs over p, whatever tile it falls into: its bits do not depend on the
 * tiling.
 */
#include "kernels/gemm_kernels.h"
#include "kernels/gemm_shape.h"
#include "vec/vec.h"

static inline TILE_VEC TILE_NAME(splat)(real x) { return x - (TILE_VEC){0}; }

static inline __attribute__((always_inline)) void TILE_NAME(one)(const int rows, const int nv,
                                                                 const cx_gemm_stack *stack, const real *a,
                                                                 const real *b, real *c, const real *bias) {
    const int64_t a_col = stack->a_col, run = stack->run, jump = stack->jump, ahead = stack->ahead;
    const int64_t b_step = GEMM_NV == 3 && nv == 2 ? stack->b_second : LANES;
    int64_t c_row = stack->c_row;
    TILE_VEC acc[GEMM_NARROW_MR][GEMM_NV];
    const real *row[GEMM_NARROW_MR];
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) row[i] = a + i * stack->a_row;

    switch (stack->start) {
    case CX_START_ROWS:
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) acc[i][j] = TILE_NAME(splat)(bias[i]);
        break;
    case CX_START_COLUMNS:
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) acc[i][j] = TILE_LOAD(bias + j * LANES);
        break;
    case CX_START_RESULT:
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) acc[i][j] = TILE_LOAD(c + i * c_row + j * LANES);
        break;
    case CX_START_ZERO:
    default:
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) acc[i][j] = (TILE_VEC){0};
        break;
    }

    int64_t at = 0;
    for (int64_t left = stack->k; left > 0; left -= run, at += jump) {
        if (ahead) {
#pragma GCC unroll 16
            for (int i = 0; i < rows; ++i) __builtin_prefetch(row[i] + at + ahead);
        }
        for (const int64_t end = at + run * a_col; at != end; at += a_col) {
            TILE_VEC bv[GEMM_NV];
#pragma GCC unroll 4
            for (int j = 0; j < nv; ++j) bv[j] = TILE_LOAD(b + j * b_step);
            b += GEMM_NR;
#pragma GCC unroll 16
            for (int i = 0; i < rows; ++i) {
                const TILE_VEC av = TILE_NAME(splat)(row[i][at]);
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
        for (int j = 0; j < nv; ++j) TILE_STORE(c + i * c_row + j * LANES, acc[i][j]);
}

static inline __attribute__((always_inline)) void TILE_NAME(stack)(const int rows, const int nv,
                                                                   const cx_gemm_stack *stack, const real *a,
                                                                   const real *b, real *c, const real *bias) {
    const int64_t a_step = rows * stack->a_next, c_step = rows * stack->c_row;
    for (int64_t left = stack->tiles; left > 0; --left, a += a_step, c += c_step) {
        TILE_NAME(one)(rows, nv, stack, a, b, c, bias);
        if (stack->start == CX_START_ROWS) bias += rows;
    }
}

#undef TILE_VEC
#undef TILE_LOAD
#undef TILE_STORE
#undef TILE_NAME
