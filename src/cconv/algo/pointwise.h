/* Functions of one element at a time, over tensors of any shape. */
#ifndef CX_ALGO_POINTWISE_H
#define CX_ALGO_POINTWISE_H

#include "base/walk.h"
#include "kernels/kernels.h"

/* The walk's tensors are: result, then x, y, gy, as far as args has them. */
void cx_pointwise(const cx_kernels *kernels, cx_map map, const cx_map_args *args, const cx_walk *walk);

#endif
