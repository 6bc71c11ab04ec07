/*
 * One kernel table. CMakeLists.txt compiles this file once per instruction set and dtype, with that ISA's compiler flags and
 *   CX_TABLE   the table's symbol, CX_LAYER_TABLE that of layer_instance.c's
 *   CX_ISA     its cx_isa
 *   CX_F64, CX_BYTES   see vec/vec.h
 *   CX_COMPACT   if defined: small rather than fast, where the table only serves comparisons
 * Everything that the templates define is static: no function compiled for one ISA can be picked by the linker for another.
 */
#include "kernels/kernels.h"

#include "vec/vec.h"

#include "kernels/activate.h"
#include "kernels/gemm_table.h"
#include "kernels/stencil_table.h"
#include "kernels/winograd_table.h"

extern const cx_layer_kernels CX_LAYER_TABLE;

const cx_kernels CX_TABLE = {
    .isa = CX_ISA,
    .dtype = CX_F64 ? CONVX_FLOAT64 : CONVX_FLOAT32,
    .lanes = LANES,
    .gemm = GEMM_KERNELS,
    .stencil = STENCIL_KERNELS,
    .winograd = WINOGRAD_KERNELS,
    .activate = activate,
    .layers = &CX_LAYER_TABLE,
};
