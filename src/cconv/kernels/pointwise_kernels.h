/* The table's part for functions of one element at a time. Pointers are to contiguous elements of the table's dtype. */
#ifndef CX_KERNELS_POINTWISE_KERNELS_H
#define CX_KERNELS_POINTWISE_KERNELS_H

#include <stdint.h>

/* What is done to each element. Functions take x; gradients take x, or the result y, and the gradient of y. */
typedef enum cx_map {
    CX_MAP_RELU,
    CX_MAP_CLAMP, /* to [alpha, beta] */
    CX_MAP_LEAKY_RELU,
    CX_MAP_SIGMOID,
    CX_MAP_TANH,
    CX_MAP_SILU,
    CX_MAP_ELU,
    CX_MAP_GELU,
    CX_MAP_GELU_TANH,
    CX_MAP_RELU_GRADIENT,
    CX_MAP_CLAMP_GRADIENT,
    CX_MAP_LEAKY_RELU_GRADIENT,
    CX_MAP_SIGMOID_GRADIENT,
    CX_MAP_SIGMOID_GRADIENT_OF_RESULT,
    CX_MAP_TANH_GRADIENT,
    CX_MAP_TANH_GRADIENT_OF_RESULT,
    CX_MAP_SILU_GRADIENT,
    CX_MAP_ELU_GRADIENT,
    CX_MAP_ELU_GRADIENT_OF_RESULT, /* takes x as well, for its sign */
    CX_MAP_GELU_GRADIENT,
    CX_MAP_GELU_TANH_GRADIENT
} cx_map;

typedef struct cx_map_args {
    const void *x, *y, *gy; /* NULL where the map does not take it */
    void *result;           /* may be one of those */
    double alpha, beta;     /* slope, bounds */
} cx_map_args;

typedef void (*cx_pointwise_kernel)(cx_map map, const cx_map_args *args, int64_t n);

#endif
