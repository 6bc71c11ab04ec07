/* Linear layers of few rows: the weights are read (or written) once, which is all that counts, and nothing is packed. */
#ifndef CX_ALGO_FEW_ROWS_H
#define CX_ALGO_FEW_ROWS_H

#include "kernels/kernels.h"

enum { CX_FEW_ROWS = 4 };

/* a[r, j] = bias[j] + sum over k of b[r, k] m[j, k]; strides of (r, j), (r, k), (j, k). bias: contiguous, or NULL. */
typedef struct cx_few_rows {
    int64_t rows, outs, ins;
    int64_t a_strides[2], b_strides[2], m_strides[2];
    const void *b, *m, *bias;
    void *a;
} cx_few_rows;

/* False, and nothing done, if the memory does not suit it. */
bool cx_few_rows_product(const cx_kernels *kernels, const cx_few_rows *p);

/* m[j, k] = sum over r of a[r, j] b[r, k], into p->a instead of m: there the strides are m_strides, and p->m is a. */
bool cx_few_rows_outer(const cx_kernels *kernels, const cx_few_rows *p);

#endif
