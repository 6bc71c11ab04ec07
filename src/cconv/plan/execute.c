#include "plan/execute.h"

#include "base/memory.h"
#include "base/shape.h"
#include "plan/arrange.h"

static bool is_empty(cx_span span) { return span.last < span.first; }

convx_status cx_bind(const cx_conv *conv, convx_pass pass, bool transposed, const convx_conv_args *args,
                     cx_tensors *tensors) {
    const cx_span x = cx_span_x(conv), y = cx_span_y(conv), w = cx_span_w(conv);
    const size_t element = cx_dtype_size(conv->dtype);
    const bool gradient = conv->pass == CONVX_WEIGHT_GRADIENT;
    const void *first = pass == CONVX_INPUT_GRADIENT ? args->grad_output : args->input;
    const void *second = gradient ? args->grad_output : args->weight;
    *tensors = (cx_tensors){.bias = pass == CONVX_FORWARD ? args->bias : NULL, .result = args->result};

    cx_span first_span, second_span = w, result_span;
    if (gradient) {
        tensors->x = transposed ? second : first;
        tensors->y = transposed ? first : second;
        first_span = transposed ? y : x;
        second_span = transposed ? x : y;
        result_span = w;
    } else {
        const bool forward = conv->pass == CONVX_FORWARD;
        tensors->x = forward ? first : NULL;
        tensors->y = forward ? NULL : first;
        tensors->w = second;
        first_span = forward ? x : y;
        result_span = forward ? y : x;
    }
    if (is_empty(result_span)) return CONVX_OK;
    if (!args->result || (!first && !is_empty(first_span)) || (!second && !is_empty(second_span)))
        return CONVX_INVALID_ARGUMENT;
    if (cx_spans_meet(first, first_span, args->result, result_span, element) ||
        cx_spans_meet(second, second_span, args->result, result_span, element))
        return CONVX_OVERLAP;
    if (tensors->bias) {
        const int64_t channels = conv->groups * (conv->pass == CONVX_FORWARD ? conv->out_channels : conv->in_channels);
        const cx_span bias = {0, channels - 1};
        if (cx_spans_meet(tensors->bias, bias, args->result, result_span, element)) return CONVX_OVERLAP;
    }
    return CONVX_OK;
}

bool cx_run_empty(const cx_conv *conv, const cx_kernels *kernels, const cx_tensors *tensors) {
    if (conv->batch > 0 && conv->in[0] > 0 && conv->in[1] > 0 && conv->in[2] > 0) return false;
    const cx_decision alone = {.threads = 1};
    cx_algorithm_reference.run(conv, kernels, &alone, tensors, NULL); /* bias, or zeros, or nothing at all */
    return true;
}

convx_status cx_run(const cx_conv *folded, const cx_kernels *kernels, const cx_choice *choice,
                    const cx_tensors *tensors, void *workspace) {
    const size_t size = cx_workspace_bytes(&choice->decision);
    void *own = NULL;
    if (!workspace && size > 0) {
        own = cx_scratch_acquire(size);
        if (!own) return CONVX_OUT_OF_MEMORY;
        workspace = own;
    }
    if (choice->decision.arranged_bytes > 0)
        cx_run_arranged(choice->algorithm, folded, kernels, &choice->decision, tensors, workspace);
    else
        choice->algorithm->run(folded, kernels, &choice->decision, tensors, workspace);
    if (own) cx_scratch_release(own);
    return CONVX_OK;
}
