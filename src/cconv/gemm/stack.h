/* Rows of a product in tiles of nearly equal height. Internal. */
#ifndef CX_GEMM_STACK_H
#define CX_GEMM_STACK_H

#include "base/integer.h"
#include "kernels/kernels.h"

/*
 * c = start + a * b for `rows` rows and the first `vectors` vectors of a panel: the higher tiles first, then the others.
 * a_col 0: a is copied tile by tile, [k][row] (see pack_row_tiles).
 */
static inline void cx_gemm_run_stack(const cx_kernels *kernels, cx_gemm_stack stack, int64_t rows, int64_t vectors,
                                     const void *a, const void *b, void *c, const void *bias) {
    const cx_gemm_kernels *g = &kernels->gemm;
    const size_t size = cx_dtype_size(kernels->dtype);
    const bool copied = stack.a_col == 0;
    const int64_t most = vectors == 1 && !copied ? g->narrow_mr : g->mr, tiles = cx_ceil_div(rows, most);
    const int64_t share = rows / cx_max(tiles, 1), higher = rows % cx_max(tiles, 1);
    if (higher > 0) {
        const int64_t done = (share + 1) * higher;
        if (copied) stack.a_col = share + 1;
        stack.tiles = higher;
        g->tile[share + 1][vectors](&stack, a, b, c, bias);
        a = cx_at(a, done * stack.a_next, size);
        c = cx_at_mut(c, done * stack.c_row, size);
        if (stack.start == CX_START_ROWS) bias = cx_at(bias, done, size);
    }
    if (tiles > higher) {
        if (copied) stack.a_col = share;
        stack.tiles = tiles - higher;
        g->tile[share][vectors](&stack, a, b, c, bias);
    }
}

#endif
