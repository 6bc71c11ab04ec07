/* Pooling and its gradients; the reference, which judges the rest; unpooling. */
#ifndef CX_ALGO_POOL_H
#define CX_ALGO_POOL_H

#include "base/pool.h"

/*
 * The result of every function is written whole, also where windows are none. tensors->found, or indices, only with maxima.
 * CONVX_OK, CONVX_OUT_OF_MEMORY, or CONVX_INVALID_INDEX for indices that are neither -1 nor a place of x.
 */
convx_status cx_pool_forward(const cx_pool *pool, const cx_pool_tensors *tensors);
convx_status cx_pool_backward(const cx_pool *pool, const cx_pool_tensors *tensors);

/* The definitions as loops: forward sums wider than the data. */
convx_status cx_pool_reference_forward(const cx_pool *pool, const cx_pool_tensors *tensors);
convx_status cx_pool_reference_backward(const cx_pool *pool, const cx_pool_tensors *tensors);

/* Forward: result has x's shape, tensors->y is read; backward: result has y's shape, tensors->x is read. */
convx_status cx_unpool_forward(const cx_pool *pool, const cx_pool_tensors *tensors);
convx_status cx_unpool_backward(const cx_pool *pool, const cx_pool_tensors *tensors);

#endif
