/* The calls of convx.h for functions of one element at a time, and softmax. */
#include "algo/pointwise.h"
#include "algo/softmax.h"
#include "base/walk.h"

static bool is_dtype(int32_t dtype) { return dtype == CONVX_FLOAT32 || dtype == CONVX_FLOAT64; }

typedef struct function_maps {
    cx_map forward, backward, backward_of_result;
} function_maps;

static function_maps maps_of(convx_function function) {
    switch (function) {
    case CONVX_FN_RELU: return (function_maps){CX_MAP_RELU, CX_MAP_RELU_GRADIENT, CX_MAP_RELU_GRADIENT};
    case CONVX_FN_RELU6:
    case CONVX_FN_HARDTANH: return (function_maps){CX_MAP_CLAMP, CX_MAP_CLAMP_GRADIENT, CX_MAP_CLAMP_GRADIENT};
    case CONVX_FN_LEAKY_RELU:
        return (function_maps){CX_MAP_LEAKY_RELU, CX_MAP_LEAKY_RELU_GRADIENT, CX_MAP_LEAKY_RELU_GRADIENT};
    case CONVX_FN_SIGMOID:
        return (function_maps){CX_MAP_SIGMOID, CX_MAP_SIGMOID_GRADIENT, CX_MAP_SIGMOID_GRADIENT_OF_RESULT};
    case CONVX_FN_TANH: return (function_maps){CX_MAP_TANH, CX_MAP_TANH_GRADIENT, CX_MAP_TANH_GRADIENT_OF_RESULT};
    case CONVX_FN_SILU: return (function_maps){CX_MAP_SILU, CX_MAP_SILU_GRADIENT, CX_MAP_SILU_GRADIENT};
    case CONVX_FN_ELU: return (function_maps){CX_MAP_ELU, CX_MAP_ELU_GRADIENT, CX_MAP_ELU_GRADIENT_OF_RESULT};
    case CONVX_FN_GELU: return (function_maps){CX_MAP_GELU, CX_MAP_GELU_GRADIENT, CX_MAP_GELU_GRADIENT};
    case CONVX_FN_GELU_TANH: break;
    }
    return (function_maps){CX_MAP_GELU_TANH, CX_MAP_GELU_TANH_GRADIENT, CX_MAP_GELU_TANH_GRADIENT};
}

static cx_map_args args_of(const convx_pointwise_params *p) {
    if (p->function == CONVX_FN_RELU6) return (cx_map_args){.beta = 6};
    return (cx_map_args){.alpha = p->alpha, .beta = p->beta};
}

static convx_status check(const convx_pointwise_params *p) {
    if (!p || p->struct_size != sizeof *p || !is_dtype(p->dtype)) return CONVX_INVALID_ARGUMENT;
    if (p->function < CONVX_FN_RELU || p->function > CONVX_FN_GELU_TANH) return CONVX_INVALID_ARGUMENT;
    return p->ndim > 0 && !p->sizes ? CONVX_INVALID_ARGUMENT : CONVX_OK;
}

/* Tensor 0 is the result; in the order of cx_pointwise. */
static convx_status run(const convx_pointwise_params *p, cx_map map, const cx_map_args *args, int tensors,
                        const int64_t *const strides[], const void *const data[]) {
    const convx_dtype dtype = (convx_dtype)p->dtype;
    const size_t element = cx_dtype_size(dtype);
    for (int t = 0; t < tensors && p->ndim > 0; ++t)
        if (!strides[t]) return CONVX_INVALID_ARGUMENT;
    cx_walk walk;
    const convx_status status = cx_walk_begin(&walk, element, p->ndim, p->sizes, -1, tensors, strides);
    if (status != CONVX_OK || walk.count == 0) return status;
    for (int t = 0; t < tensors; ++t)
        if (!data[t]) return CONVX_INVALID_ARGUMENT;
    if (cx_writing_disturbs(element, p->ndim, p->sizes, tensors, strides, data)) return CONVX_OVERLAP;
    cx_pointwise(cx_kernels_get(dtype), map, args, &walk);
    return CONVX_OK;
}

convx_status convx_pointwise_forward(const convx_pointwise_params *params, const void *x, void *y) {
    const convx_status status = check(params);
    if (status != CONVX_OK) return status;
    cx_map_args args = args_of(params);
    args.x = x;
    args.result = y;
    const int64_t *const strides[] = {params->output_strides, params->input_strides};
    const void *const data[] = {y, x};
    return run(params, maps_of((convx_function)params->function).forward, &args, 2, strides, data);
}

convx_status convx_pointwise_backward(const convx_pointwise_params *params, const void *x, const void *y,
                                      const void *gy, void *gx) {
    const convx_status status = check(params);
    if (status != CONVX_OK) return status;
    const function_maps maps = maps_of((convx_function)params->function);
    const bool of_result = y && maps.backward_of_result != maps.backward;
    const bool of_input = !of_result || params->function == CONVX_FN_ELU;
    cx_map_args args = args_of(params);
    args.gy = gy;
    args.result = gx;
    const int64_t *strides[CX_WALK_TENSORS] = {params->grad_input_strides};
    const void *data[CX_WALK_TENSORS] = {gx};
    int tensors = 1;
    if (of_input) {
        args.x = x;
        strides[tensors] = params->input_strides;
        data[tensors++] = x;
    }
    if (of_result) {
        args.y = y;
        strides[tensors] = params->output_strides;
        data[tensors++] = y;
    }
    strides[tensors] = params->grad_output_strides;
    data[tensors++] = gy;
    return run(params, of_result ? maps.backward_of_result : maps.backward, &args, tensors, strides, data);
}

/* Tensor 0 is the result; then x, and for a gradient gy. */
static convx_status run_softmax(const convx_softmax_params *p, int tensors, const int64_t *const strides[],
                                const void *const data[]) {
    if (p->ndim < 0 || (p->ndim > 0 && !p->sizes) || p->axis < 0 || p->axis >= (p->ndim > 0 ? p->ndim : 1))
        return CONVX_INVALID_ARGUMENT;
    for (int t = 0; t < tensors && p->ndim > 0; ++t)
        if (!strides[t]) return CONVX_INVALID_ARGUMENT;
    const convx_dtype dtype = (convx_dtype)p->dtype;
    const size_t element = cx_dtype_size(dtype);
    cx_walk walk;
    const convx_status status = cx_walk_begin(&walk, element, p->ndim, p->sizes, p->axis, tensors, strides);
    if (status != CONVX_OK || walk.count == 0) return status;
    for (int t = 0; t < tensors; ++t)
        if (!data[t]) return CONVX_INVALID_ARGUMENT;
    if (cx_writing_disturbs(element, p->ndim, p->sizes, tensors, strides, data)) return CONVX_OVERLAP;
    const int axis = p->axis;
    const bool steps = p->ndim > 0;
    const cx_softmax_args args = {.x = data[1],
                                  .gy = tensors > 2 ? data[2] : NULL,
                                  .result = (void *)(uintptr_t)data[0],
                                  .x_step = steps ? strides[1][axis] : 1,
                                  .gy_step = steps && tensors > 2 ? strides[2][axis] : 1,
                                  .result_step = steps ? strides[0][axis] : 1,
                                  .n = steps ? p->sizes[axis] : 1,
                                  .log = p->log != 0};
    return cx_softmax(cx_kernels_get(dtype), &args, &walk);
}

static convx_status check_softmax(const convx_softmax_params *p) {
    if (!p || p->struct_size != sizeof *p || !is_dtype(p->dtype)) return CONVX_INVALID_ARGUMENT;
    return p->log == 0 || p->log == 1 ? CONVX_OK : CONVX_INVALID_ARGUMENT;
}

convx_status convx_softmax_forward(const convx_softmax_params *params, const void *x, void *y) {
    const convx_status status = check_softmax(params);
    if (status != CONVX_OK) return status;
    const int64_t *const strides[] = {params->output_strides, params->input_strides};
    const void *const data[] = {y, x};
    return run_softmax(params, 2, strides, data);
}

convx_status convx_softmax_backward(const convx_softmax_params *params, const void *y, const void *gy, void *gx) {
    const convx_status status = check_softmax(params);
    if (status != CONVX_OK) return status;
    const int64_t *const strides[] = {params->grad_input_strides, params->output_strides, params->grad_output_strides};
    const void *const data[] = {gx, y, gy};
    return run_softmax(params, 3, strides, data);
}
