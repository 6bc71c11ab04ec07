/* The pooling calls of convx.h. */
#include "algo/pool.h"
#include "base/integer.h"

convx_status convx_pool_output_size(const convx_pool_params *params, int64_t output[3]) {
    return cx_pool_output_size(params, output);
}

convx_status convx_pool_forward(const convx_pool_params *params, const void *input, void *output, int64_t *indices) {
    cx_pool pool;
    const convx_status status = cx_pool_normalise(params, CX_POOL_X | CX_POOL_Y | (indices ? CX_POOL_INDEX : 0),
                                                  CX_POOL_Y | CX_POOL_INDEX, &pool);
    if (status != CONVX_OK) return status;
    if (cx_pool_is_empty(&pool)) return CONVX_OK;
    if (!input || !output) return CONVX_INVALID_ARGUMENT;
    if (cx_pool_meet(&pool, CX_POOL_X, input, CX_POOL_Y, output) ||
        cx_pool_meet(&pool, CX_POOL_X, input, CX_POOL_INDEX, indices) ||
        cx_pool_meet(&pool, CX_POOL_Y, output, CX_POOL_INDEX, indices))
        return CONVX_OVERLAP;
    const cx_pool_tensors tensors = {.x = input, .result = output, .found = indices};
    return params->algorithm == CONVX_ALGO_REFERENCE ? cx_pool_reference_forward(&pool, &tensors)
                                                     : cx_pool_forward(&pool, &tensors);
}

/* A result of x's extent: that there is room for it, apart from what is read. */
static convx_status check_result(const cx_pool *pool, const void *x, const int64_t *indices, const void *y,
                                 cx_pool_tensor written, void *result) {
    if (pool->batch == 0 || pool->channels == 0 || cx_count3(pool->in) == 0) return CONVX_OK;
    if (!result || (!y && !cx_pool_is_empty(pool))) return CONVX_INVALID_ARGUMENT;
    if (cx_pool_meet(pool, written, result, CX_POOL_X, x) || cx_pool_meet(pool, written, result, CX_POOL_Y, y) ||
        cx_pool_meet(pool, written, result, CX_POOL_INDEX, indices))
        return CONVX_OVERLAP;
    return CONVX_OK;
}

convx_status convx_pool_backward(const convx_pool_params *params, const void *input, const int64_t *indices,
                                 const void *grad_output, void *grad_input) {
    cx_pool pool;
    const int found = indices ? CX_POOL_INDEX : params && params->kind == CONVX_POOL_MAX ? CX_POOL_X : 0;
    convx_status status = cx_pool_normalise(params, CX_POOL_Y | CX_POOL_GX | found, CX_POOL_GX, &pool);
    if (status != CONVX_OK) return status;
    if (pool.max && !indices && !input && !cx_pool_is_empty(&pool)) return CONVX_INVALID_ARGUMENT;
    const void *read = pool.max && !indices ? input : NULL;
    status = check_result(&pool, read, indices, grad_output, CX_POOL_GX, grad_input);
    if (status != CONVX_OK) return status;
    const cx_pool_tensors tensors = {.x = read, .y = grad_output, .indices = indices, .result = grad_input};
    return params->algorithm == CONVX_ALGO_REFERENCE ? cx_pool_reference_backward(&pool, &tensors)
                                                     : cx_pool_backward(&pool, &tensors);
}

convx_status convx_unpool_forward(const convx_pool_params *params, const void *pooled, const int64_t *indices,
                                  void *unpooled) {
    cx_pool pool;
    convx_status status = cx_unpool_normalise(params, CX_POOL_X, &pool);
    if (status != CONVX_OK) return status;
    if (!indices && !cx_pool_is_empty(&pool)) return CONVX_INVALID_ARGUMENT;
    status = check_result(&pool, NULL, indices, pooled, CX_POOL_X, unpooled);
    if (status != CONVX_OK) return status;
    const cx_pool_tensors tensors = {.y = pooled, .indices = indices, .result = unpooled};
    return cx_unpool_forward(&pool, &tensors);
}

convx_status convx_unpool_backward(const convx_pool_params *params, const void *grad_unpooled, const int64_t *indices,
                                   void *grad_pooled) {
    cx_pool pool;
    const convx_status status = cx_unpool_normalise(params, CX_POOL_Y, &pool);
    if (status != CONVX_OK) return status;
    if (cx_pool_is_empty(&pool)) return CONVX_OK;
    if (!indices || !grad_pooled || (!grad_unpooled && cx_count3(pool.in) > 0)) return CONVX_INVALID_ARGUMENT;
    if (cx_pool_meet(&pool, CX_POOL_Y, grad_pooled, CX_POOL_X, grad_unpooled) ||
        cx_pool_meet(&pool, CX_POOL_Y, grad_pooled, CX_POOL_INDEX, indices))
        return CONVX_OVERLAP;
    const cx_pool_tensors tensors = {.x = grad_unpooled, .indices = indices, .result = grad_pooled};
    return cx_unpool_backward(&pool, &tensors);
}
