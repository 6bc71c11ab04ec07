/*
 * One table of layer kernels. Compiled like instance.c, with the same definitions, and
 *   CX_LAYER_TABLE   the table's symbol
 * Everything that the templates define is static: no function compiled for one ISA can be picked by the linker for another.
 */
#include "kernels/layer_kernels.h"

#include "vec/vec.h"

#include "kernels/matvec.h"
#include "kernels/pointwise.h"
#include "kernels/pool_windows.h"
#include "kernels/softmax.h"

extern const cx_layer_kernels CX_LAYER_TABLE;

const cx_layer_kernels CX_LAYER_TABLE = {
    .lanes = LANES,
    .pointwise = pointwise,
    .pool = POOL_KERNELS,
    .softmax = SOFTMAX_KERNELS,
    .matvec = MATVEC_KERNELS,
};
