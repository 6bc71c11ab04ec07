/* The GEMM part of a kernel table. See gemm_tile.h and the pack_*.h templates for what they compute. */
#ifndef CX_KERNELS_GEMM_KERNELS_H
#define CX_KERNELS_GEMM_KERNELS_H

#include <stdint.h>

typedef struct cx_gemm_kernels {
    int mr, nr;
} cx_gemm_kernels;

#endif
