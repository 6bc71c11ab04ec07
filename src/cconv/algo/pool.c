#include "algo/pool.h"

convx_status cx_pool_forward(const cx_pool *pool, const cx_pool_tensors *tensors) {
    return cx_pool_reference_forward(pool, tensors);
}

convx_status cx_pool_backward(const cx_pool *pool, const cx_pool_tensors *tensors) {
    return cx_pool_reference_backward(pool, tensors);
}
