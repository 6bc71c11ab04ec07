/* The batch normalisation calls of convx.h. */
#include "algo/batch_norm.h"

#include "base/shape.h"

static convx_status normalise(const convx_batch_norm_params *p, bool gradient, cx_batch_norm *norm) {
    if (!p || p->struct_size != sizeof *p || p->rank < 1 || p->rank > 3) return CONVX_INVALID_ARGUMENT;
    if (p->dtype != CONVX_FLOAT32 && p->dtype != CONVX_FLOAT64) return CONVX_INVALID_ARGUMENT;
    if (!(p->epsilon >= 0)) return CONVX_INVALID_ARGUMENT;
    const convx_dtype dtype = (convx_dtype)p->dtype;
    *norm = (cx_batch_norm){.dtype = dtype, .epsilon = p->epsilon, .momentum = p->momentum};
    convx_status status = cx_activations_normalise(dtype, p->rank, p->batch, p->channels, p->size, p->input_strides,
                                                   false, norm->sizes, norm->x_strides);
    if (status == CONVX_OK)
        status = cx_activations_normalise(dtype, p->rank, p->batch, p->channels, p->size, p->output_strides, !gradient,
                                          norm->sizes, norm->y_strides);
    if (status == CONVX_OK && gradient)
        status = cx_activations_normalise(dtype, p->rank, p->batch, p->channels, p->size, p->grad_input_strides, true,
                                          norm->sizes, norm->grad_strides);
    return status;
}

/* What a call reads and writes: at most two tensors are read and one written, the rest are vectors of one element a channel. */
typedef struct operand {
    const void *data;
    const int64_t *strides; /* NULL: a vector */
    bool written, needed;
} operand;

static cx_span span_of(const cx_batch_norm *norm, const operand *o) {
    return o->strides ? cx_span_of(5, norm->sizes, o->strides) : (cx_span){0, norm->sizes[1] - 1};
}

static convx_status check(const cx_batch_norm *norm, int count, const operand *operands) {
    for (int i = 0; i < count; ++i) {
        const operand *a = &operands[i];
        const cx_span span = span_of(norm, a);
        if (!a->data && a->needed && span.last >= span.first) return CONVX_INVALID_ARGUMENT;
        for (int j = 0; j < i; ++j) {
            const operand *b = &operands[j];
            if (!a->data || !b->data || (!a->written && !b->written)) continue;
            if (cx_spans_meet(a->data, span, b->data, span_of(norm, b), cx_dtype_size(norm->dtype)))
                return CONVX_OVERLAP;
        }
    }
    return CONVX_OK;
}

convx_status convx_batch_norm_forward(const convx_batch_norm_params *params, const void *input, const void *weight,
                                      const void *bias, const void *mean, const void *variance, void *output) {
    cx_batch_norm norm;
    convx_status status = normalise(params, false, &norm);
    if (status != CONVX_OK) return status;
    const operand operands[] = {{input, norm.x_strides, false, true}, {weight, NULL, false, false},
                                {bias, NULL, false, false},           {mean, NULL, false, true},
                                {variance, NULL, false, true},        {output, norm.y_strides, true, true}};
    status = check(&norm, 6, operands);
    if (status != CONVX_OK) return status;
    return cx_batch_norm_forward(&norm, input, weight, bias, mean, variance, output);
}

convx_status convx_batch_norm_train(const convx_batch_norm_params *params, const void *input, const void *weight,
                                    const void *bias, void *running_mean, void *running_variance, void *mean,
                                    void *inverse_std, void *output) {
    cx_batch_norm norm;
    convx_status status = normalise(params, false, &norm);
    if (status != CONVX_OK) return status;
    if (!running_mean != !running_variance) return CONVX_INVALID_ARGUMENT;
    if (params->batch == 1 && norm.sizes[2] == 1 && norm.sizes[3] == 1 && norm.sizes[4] == 1)
        return CONVX_INVALID_SHAPE;
    const operand operands[] = {
        {input, norm.x_strides, false, true}, {weight, NULL, false, false},          {bias, NULL, false, false},
        {running_mean, NULL, true, false},    {running_variance, NULL, true, false}, {mean, NULL, true, true},
        {inverse_std, NULL, true, true},      {output, norm.y_strides, true, true}};
    status = check(&norm, 8, operands);
    if (status != CONVX_OK) return status;
    return cx_batch_norm_train(&norm, input, weight, bias, running_mean, running_variance, mean, inverse_std, output);
}

convx_status convx_batch_norm_gradient(const convx_batch_norm_params *params, const void *input, const void *weight,
                                       const void *mean, const void *inverse_std, const void *grad_output,
                                       void *grad_input, void *grad_weight, void *grad_bias) {
    cx_batch_norm norm;
    convx_status status = normalise(params, true, &norm);
    if (status != CONVX_OK) return status;
    const operand operands[] = {{input, norm.x_strides, false, true},
                                {weight, NULL, false, false},
                                {mean, NULL, false, true},
                                {inverse_std, NULL, false, true},
                                {grad_output, norm.y_strides, false, true},
                                {grad_input, norm.grad_strides, true, true},
                                {grad_weight, NULL, true, false},
                                {grad_bias, NULL, true, false}};
    status = check(&norm, 8, operands);
    if (status != CONVX_OK) return status;
    return cx_batch_norm_gradient(&norm, input, weight, mean, inverse_std, grad_output, grad_input, grad_weight,
                                  grad_bias);
}
