/* The table's part for softmax and its gradient. Pointers are to elements of the table's dtype, steps count elements. */
#ifndef CX_KERNELS_SOFTMAX_KERNELS_H
#define CX_KERNELS_SOFTMAX_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

enum { CX_SHORT_ROW = 32 };

typedef struct cx_softmax_args {
    const void *x;  /* the input; for a gradient the forward's result */
    const void *gy; /* for a gradient, else NULL */
    void *result;   /* may be x or gy, with the same steps */
    int64_t x_step, gy_step, result_step;
    int64_t n; /* places along the axis */
    bool log;
} cx_softmax_args;

typedef struct cx_softmax_kernels {
    int lanes, width;                                          /* columns of a vector, and at most side by side */
    void (*columns)(const cx_softmax_args *args, int vectors); /* of adjacent columns; steps along the axis */
    /* Contiguous along the axis; steps between rows. Of n > CX_SHORT_ROW, and of others. */
    void (*long_rows)(const cx_softmax_args *args, int64_t rows);
    void (*short_rows)(const cx_softmax_args *args, int64_t rows);
} cx_softmax_kernels;

#endif
