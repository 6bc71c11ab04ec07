/*
 * The second kernel table: layers other than convolution, compiled once per instruction set and dtype like the first
 * (kernels.h), in a translation unit of its own so that a change to one does not compile the other again. It needs no choice of
 * its own: each table of kernels.h points to the one of its instruction set and dtype.
 */
#ifndef CX_KERNELS_LAYER_KERNELS_H
#define CX_KERNELS_LAYER_KERNELS_H

#include "kernels/matvec_kernels.h"
#include "kernels/pointwise_kernels.h"
#include "kernels/pool_kernels.h"
#include "kernels/softmax_kernels.h"

typedef struct cx_layer_kernels {
    int lanes; /* elements of a vector */
    cx_pointwise_kernel pointwise;
    cx_softmax_kernels softmax;
    cx_pool_kernels pool;
    cx_matvec_kernels matvec;
} cx_layer_kernels;

#endif
