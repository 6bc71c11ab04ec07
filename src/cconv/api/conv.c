/* The convolution calls of convx.h. */
#include "algo/channel_sums.h"
#include "base/shape.h"
#include "base/text.h"
#include "base/threads.h"
#include "plan/execute.h"
#include "plan/plan.h"

convx_status convx_conv_output_size(const convx_conv_params *params, int64_t output[3]) {
    return cx_conv_output_size(params, output);
}

static convx_status run_once(const convx_conv_params *params, convx_pass pass, const convx_conv_args *args) {
    cx_conv conv;
    cx_tensors tensors;
    convx_status status = cx_conv_normalise(params, pass, &conv);
    if (status != CONVX_OK) return status;
    status = cx_bind(&conv, pass, params->flags & CONVX_TRANSPOSED, args, &tensors);
    if (status != CONVX_OK) return status;
    const cx_kernels *kernels = cx_kernels_get(conv.dtype);
    cx_conv folded = conv;
    cx_conv_fold(&folded);
    cx_choice choice;
    status = cx_choose(&folded, kernels, (convx_algorithm)params->algorithm, cx_threads_get(), false,
                       params->workspace_limit, &choice);
    if (status != CONVX_OK) return status;
    if (cx_run_empty(&conv, kernels, &tensors)) return CONVX_OK;
    return cx_run(&folded, kernels, &choice, &tensors, NULL);
}

convx_status convx_conv_forward(const convx_conv_params *params, const void *input, const void *weight,
                                const void *bias, void *output) {
    const convx_conv_args args = {.input = input, .weight = weight, .bias = bias, .result = output};
    return run_once(params, CONVX_FORWARD, &args);
}

convx_status convx_conv_input_gradient(const convx_conv_params *params, const void *weight, const void *grad_output,
                                       void *grad_input) {
    const convx_conv_args args = {.weight = weight, .grad_output = grad_output, .result = grad_input};
    return run_once(params, CONVX_INPUT_GRADIENT, &args);
}

convx_status convx_conv_weight_gradient(const convx_conv_params *params, const void *input, const void *grad_output,
                                        void *grad_weight) {
    const convx_conv_args args = {.input = input, .grad_output = grad_output, .result = grad_weight};
    return run_once(params, CONVX_WEIGHT_GRADIENT, &args);
}

convx_status convx_conv_bias_gradient(const convx_conv_params *params, const void *grad_output, void *grad_bias) {
    int64_t sizes[5], steps[5];
    const convx_status status = cx_output_normalise(params, sizes, steps);
    if (status != CONVX_OK) return status;
    const cx_span read = cx_span_of(5, sizes, steps), written = {0, params->out_channels - 1};
    if (!grad_bias || (!grad_output && read.last >= read.first)) return CONVX_INVALID_ARGUMENT;
    const convx_dtype dtype = (convx_dtype)params->dtype;
    if (cx_spans_meet(grad_output, read, grad_bias, written, cx_dtype_size(dtype))) return CONVX_OVERLAP;
    return cx_channel_sums(dtype, sizes, steps, grad_output, grad_bias);
}

convx_status convx_conv_plan_create(const convx_conv_params *params, convx_pass pass, const void *weight,
                                    const void *bias, convx_plan **plan) {
    return cx_plan_create(params, pass, weight, bias, plan);
}

convx_status convx_conv_plan_execute(const convx_plan *plan, const convx_conv_args *args) {
    return cx_plan_execute(plan, args);
}

void convx_plan_destroy(convx_plan *plan) { cx_plan_destroy(plan); }

size_t convx_plan_workspace_size(const convx_plan *plan) { return plan ? cx_plan_workspace(plan) : 0; }

size_t convx_plan_weight_bytes(const convx_plan *plan) {
    if (!plan || !plan->weights) return 0;
    const size_t packed = plan->packed ? plan->choice.decision.packed_bytes : 0;
    return packed + (size_t)cx_weights_count(&plan->conv) * cx_dtype_size(plan->conv.dtype);
}

convx_algorithm convx_plan_algorithm(const convx_plan *plan) {
    return plan ? plan->choice.algorithm->id : CONVX_ALGO_AUTO;
}

size_t convx_plan_explain(const convx_plan *plan, char *text, size_t capacity) {
    if (!plan) {
        cx_text nothing = cx_text_begin(text, capacity);
        return nothing.length;
    }
    return cx_explain(&plan->conv, (convx_algorithm)plan->params.algorithm, plan->weights != NULL,
                      plan->params.workspace_limit, text, capacity);
}

size_t convx_conv_explain(const convx_conv_params *params, convx_pass pass, char *text, size_t capacity) {
    cx_conv conv;
    const convx_status status = cx_conv_normalise(params, pass, &conv);
    if (status == CONVX_OK)
        return cx_explain(&conv, (convx_algorithm)params->algorithm, false, params->workspace_limit, text, capacity);
    cx_text refused = cx_text_begin(text, capacity);
    cx_text_add(&refused, "refused: %s\n", convx_status_string(status));
    return refused.length;
}
