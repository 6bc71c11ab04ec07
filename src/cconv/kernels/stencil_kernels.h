/* The stencil part of a kernel table. See stencil_*.h for what they compute. */
#ifndef CX_KERNELS_STENCIL_KERNELS_H
#define CX_KERNELS_STENCIL_KERNELS_H

#include <stdint.h>

typedef struct cx_stencil_kernels {
    int unused;
} cx_stencil_kernels;

#endif
