/* Products of two matrices of any strides. What columns need is packed block by block, on its way through the caches. */
#ifndef CX_ALGO_PRODUCT_H
#define CX_ALGO_PRODUCT_H

#include "kernels/kernels.h"

/*
 * c[i, j] = bias + sum over p < k of a[i, p] b[p, j]; strides of (i, j), (i, p), (p, j). At most one bias, contiguous: an
 * element for each i or for each j.
 */
typedef struct cx_product {
    int64_t m, n, k; /* none of them zero */
    int64_t c_strides[2], a_strides[2], b_strides[2];
    const void *a, *b, *bias_rows, *bias_columns;
    void *c;
} cx_product;

/* Each sum is one chain in the order of p, whatever the sizes and the number of threads. */
convx_status cx_product_run(const cx_kernels *kernels, const cx_product *product);

#endif
