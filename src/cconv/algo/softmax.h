/* Softmax, its logarithm and their gradients along one axis of a tensor of any shape. */
#ifndef CX_ALGO_SOFTMAX_H
#define CX_ALGO_SOFTMAX_H

#include "base/walk.h"
#include "kernels/kernels.h"

/*
 * The walk goes over all axes but one, along which `args` has steps and which has at least one place. Its tensors are: result,
 * x, and gy if args has it. CONVX_OK or CONVX_OUT_OF_MEMORY.
 */
convx_status cx_softmax(const cx_kernels *kernels, const cx_softmax_args *args, const cx_walk *walk);

#endif
