/* Rows of a product in tiles of nearly equal height. Internal. */
#ifndef CX_GEMM_STACK_H
#define CX_GEMM_STACK_H

#include "base/integer.h"
#include "kernels/kernels.h"

/*
 * Of a panel's columns: how many whole vectors, and whether the rest, if any, is half of one, which takes half the time on some
 * CPUs. Else the last vector may have columns that do not count.
 */
typedef struct cx_gemm_width {
    int vectors;
    bool half;
} cx_gemm_width;

static inline cx_gemm_width cx_gemm_width_of(const cx_kernels *kernels, int64_t columns) {
    const int vectors = (int)(columns / kernels->lanes), rest = (int)(columns % kernels->lanes);
    const bool half = rest > 0 && 2 * rest <= kernels->lanes && kernels->gemm.tile[1][0] && cx_vector_pace(kernels) > 1;
    return (cx_gemm_width){vectors + (rest > 0 && !half), half};
}

/* For estimates: the vectors of n columns. */
static inline double cx_gemm_vectors_of(const cx_kernels *kernels, int64_t n) {
    const int64_t whole = n / kernels->lanes * kernels->lanes;
    const cx_gemm_width rest = cx_gemm_width_of(kernels, n - whole);
    return (double)(whole / kernels->lanes + rest.vectors) + (rest.half ? 0.5 : 0);
}

/*
 * How many of the columns that are left make the next step through them: a panel, or a panel of three vectors and the only
 * one of the next. A tile of a single vector would load more than it multiplies; two tiles of two do not.
 */
static inline int64_t cx_gemm_step(const cx_kernels *kernels, int64_t left) {
    const int64_t nr = kernels->gemm.nr, rest = left - nr;
    if (kernels->gemm.nv < 3 || rest <= 0 || rest > kernels->lanes || cx_gemm_width_of(kernels, rest).half)
        return cx_min(left, nr);
    return left;
}

/* What one kind of tile does of a step. Elements. */
typedef struct cx_gemm_piece {
    int vectors;      /* 0: half of one */
    int64_t first;    /* column, of b and of c */
    int64_t b_second; /* see cx_gemm_stack */
} cx_gemm_piece;

/* The pieces of a step, whose next panel begins `b_next` after this one. Returns how many. */
static inline int cx_gemm_pieces(const cx_kernels *kernels, int64_t columns, int64_t b_next, cx_gemm_piece piece[2]) {
    const int64_t lanes = kernels->lanes;
    if (columns > kernels->gemm.nr) {
        piece[0] = (cx_gemm_piece){2, 0, lanes};
        piece[1] = (cx_gemm_piece){2, 2 * lanes, b_next - 2 * lanes};
        return 2;
    }
    const cx_gemm_width width = cx_gemm_width_of(kernels, columns);
    int count = 0;
    if (width.vectors > 0) piece[count++] = (cx_gemm_piece){width.vectors, 0, lanes};
    if (width.half) piece[count++] = (cx_gemm_piece){0, width.vectors * lanes, lanes};
    return count;
}

static inline void cx_gemm_run_tiles(const cx_kernels *kernels, cx_gemm_stack stack, int64_t rows, int vectors,
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

/*
 * c = start + a * b for `rows` rows and the columns of a step, of which c has whole vectors: the higher tiles first, then the
 * others. a_col 0: a is copied tile by tile, [k][row] (see pack_row_tiles).
 */
static inline void cx_gemm_run_stack(const cx_kernels *kernels, cx_gemm_stack stack, int64_t rows, int64_t columns,
                                     const void *a, const void *b, int64_t b_next, void *c, const void *bias) {
    const size_t size = cx_dtype_size(kernels->dtype);
    cx_gemm_piece piece[2];
    const int pieces = cx_gemm_pieces(kernels, columns, b_next, piece);
    for (int i = 0; i < pieces; ++i) {
        const bool along = stack.start == CX_START_COLUMNS;
        stack.b_second = piece[i].b_second;
        cx_gemm_run_tiles(kernels, stack, rows, piece[i].vectors, a, cx_at(b, piece[i].first, size),
                          cx_at_mut(c, piece[i].first, size), along ? cx_at(bias, piece[i].first, size) : bias);
    }
}

#endif
