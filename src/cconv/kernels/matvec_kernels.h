/* The table's part for products of a matrix and a vector. Pointers are to elements of the table's dtype, steps count elements. */
#ifndef CX_KERNELS_MATVEC_KERNELS_H
#define CX_KERNELS_MATVEC_KERNELS_H

#include <stdint.h>

typedef struct cx_matvec_kernels {
    /* y[j * y_step] = bias[j] + sum over i < n of rows[j * step + i] v[i], for j < count. bias may be NULL. */
    void (*dots)(const void *rows, int64_t step, int64_t count, const void *v, int64_t n, const void *bias, void *y,
                 int64_t y_step);
    /* y[i] = bias[i] + sum over j < count of v[j * v_step] rows[j * step + i], for i < n. bias may be NULL; count >= 1. */
    void (*combine)(const void *rows, int64_t step, int64_t count, const void *v, int64_t v_step, int64_t n,
                    const void *bias, void *y);
} cx_matvec_kernels;

#endif
