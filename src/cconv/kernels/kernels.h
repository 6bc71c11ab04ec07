/*
 * The kernel table: everything that is compiled once per instruction set and dtype. instance.c fills one for each of
 * them from the templates of this room (layer_instance.c the part that is not convolution); select.c picks at load.
 * Pointers are to elements of the table's dtype.
 */
#ifndef CX_KERNELS_KERNELS_H
#define CX_KERNELS_KERNELS_H

#include <stdint.h>

#include "base/conv.h"
#include "base/cpu.h"
#include "kernels/gemm_kernels.h"
#include "kernels/layer_kernels.h"
#include "kernels/stencil_kernels.h"
#include "kernels/winograd_kernels.h"

typedef struct cx_kernels {
    cx_isa isa;
    convx_dtype dtype;
    int lanes; /* elements of a vector */
    cx_gemm_kernels gemm;
    cx_stencil_kernels stencil;
    cx_winograd_kernels winograd;
    /* In place; n contiguous elements. */
    void (*activate)(void *data, int64_t n, convx_activation activation);
    const cx_layer_kernels *layers; /* pooling, pointwise functions */
} cx_kernels;

/* The table in force: the best ISA that the CPU has, capped by CONVX_ISA at the first call. */
const cx_kernels *cx_kernels_get(convx_dtype dtype);
static inline size_t cx_vector_bytes(const cx_kernels *kernels) {
    return (size_t)kernels->lanes * cx_dtype_size(kernels->dtype);
}
/* For estimates: cycles of an operation on a vector over those of one that the CPU's units take whole. */
static inline double cx_vector_pace(const cx_kernels *kernels) {
    return cx_vector_bytes(kernels) == 64 && cx_cpu_get()->halves_512 ? 2 : 1;
}

/* Vectors of 64 bytes that the CPU takes whole. */
static inline bool cx_vectors_whole_512(const cx_kernels *kernels) {
    return cx_vector_bytes(kernels) == 64 && cx_vector_pace(kernels) == 1;
}
/* The index-th ISA of this build that this CPU can run, worst first, or -1. */
int cx_kernels_isa_at(int index);

#endif
