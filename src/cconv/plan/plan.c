#include "plan/plan.h"

#include <string.h>

#include "base/memory.h"
#include "base/shape.h"
#include "base/threads.h"
#include "plan/arrange.h"
#include "plan/execute.h"

static convx_status keep_tensors(convx_plan *plan, const cx_conv *given, const void *weight, const void *bias) {
    const size_t size = cx_dtype_size(given->dtype);
    if (bias) {
        const size_t bytes = (size_t)plan->params.out_channels * size;
        plan->bias = cx_aligned_alloc(bytes);
        if (!plan->bias) return CONVX_OUT_OF_MEMORY;
        memcpy(plan->bias, bias, bytes);
    }
    if (!weight) return CONVX_OK;
    plan->weights = cx_aligned_alloc((size_t)cx_weights_count(given) * size);
    if (!plan->weights) return CONVX_OUT_OF_MEMORY;
    cx_arrange_weights(given, plan->choice.decision.threads, weight, plan->weights);
    const size_t packed = plan->choice.decision.packed_bytes;
    if (packed == 0) return CONVX_OK;
    plan->packed = cx_aligned_alloc(packed);
    if (!plan->packed) return CONVX_OUT_OF_MEMORY;
    plan->choice.algorithm->pack(&plan->folded, plan->kernels, &plan->choice.decision, plan->weights, plan->packed);
    return CONVX_OK;
}

convx_status cx_plan_create(const convx_conv_params *params, convx_pass pass, const void *weight, const void *bias,
                            convx_plan **result) {
    cx_conv given;
    convx_status status = cx_conv_normalise(params, pass, &given);
    if (status != CONVX_OK) return status;
    if (!result || (weight && pass == CONVX_WEIGHT_GRADIENT) || (bias && pass != CONVX_FORWARD))
        return CONVX_INVALID_ARGUMENT;
    convx_plan *plan = cx_aligned_alloc(sizeof *plan);
    if (!plan) return CONVX_OUT_OF_MEMORY;
    *plan = (convx_plan){.params = *params,
                         .pass = pass,
                         .kernels = cx_kernels_get(given.dtype),
                         .conv = given,
                         .threads = cx_threads_get()};
    if (weight) plan->conv.w = cx_weights_contiguous(&given);
    plan->folded = plan->conv;
    cx_conv_fold(&plan->folded);
    status = cx_choose(&plan->folded, plan->kernels, (convx_algorithm)params->algorithm, plan->threads, weight != NULL,
                       params->workspace_limit, &plan->choice);
    if (status == CONVX_OK) status = keep_tensors(plan, &given, weight, bias);
    if (status != CONVX_OK) {
        cx_plan_destroy(plan);
        return status;
    }
    *result = plan;
    return CONVX_OK;
}

void cx_plan_destroy(convx_plan *plan) {
    if (!plan) return;
    cx_aligned_free(plan->weights);
    cx_aligned_free(plan->packed);
    cx_aligned_free(plan->bias);
    cx_aligned_free(plan);
}

/*
 * The plan's algorithm for other strides or another thread count. *packed says whether the plan's packed weights are
 * still in the form that it wants; else it works from the plain ones.
 */
static convx_status choose_again(const convx_plan *plan, const cx_conv *folded, int threads, cx_choice *choice,
                                 bool *packed) {
    const cx_decision *old = &plan->choice.decision;
    const size_t limit = plan->params.workspace_limit;
    const convx_algorithm id = plan->choice.algorithm->id;
    *choice = (cx_choice){.algorithm = plan->choice.algorithm};
    *packed = plan->packed != NULL;
    if (cx_candidate_decide(choice->algorithm, folded, plan->kernels, threads, plan->weights != NULL, limit,
                            &choice->decision) &&
        choice->decision.variant == old->variant && choice->decision.packed_bytes == old->packed_bytes)
        return CONVX_OK;
    *packed = false;
    convx_status status = cx_choose(folded, plan->kernels, id, threads, false, limit, choice);
    if (status == CONVX_UNSUPPORTED && plan->params.algorithm == CONVX_ALGO_AUTO)
        status = cx_choose(folded, plan->kernels, CONVX_ALGO_AUTO, threads, false, limit, choice);
    return status;
}

static convx_status with_strides(const convx_plan *plan, const convx_conv_args *args, cx_conv *conv) {
    convx_conv_params params = plan->params;
    const size_t bytes = sizeof(int64_t) * (size_t)(params.rank + 2);
    const bool forward = plan->pass == CONVX_FORWARD, backward = plan->pass == CONVX_INPUT_GRADIENT;
    if (args->input_strides)
        memcpy(backward ? params.output_strides : params.input_strides, args->input_strides, bytes);
    if (args->result_strides)
        memcpy(forward    ? params.output_strides
               : backward ? params.input_strides
                          : params.weight_strides,
               args->result_strides, bytes);
    const convx_status status = cx_conv_normalise(&params, plan->pass, conv);
    if (status == CONVX_OK && plan->weights) conv->w = plan->conv.w;
    return status;
}

convx_status cx_plan_execute(const convx_plan *plan, const convx_conv_args *args) {
    if (!plan || !args || args->struct_size != sizeof *args) return CONVX_INVALID_ARGUMENT;
    cx_conv other, other_folded;
    const cx_conv *conv = &plan->conv, *folded = &plan->folded;
    convx_status status;
    const bool strides = args->input_strides || args->result_strides;
    if (strides) {
        status = with_strides(plan, args, &other);
        if (status != CONVX_OK) return status;
        other_folded = other;
        cx_conv_fold(&other_folded);
        conv = &other;
        folded = &other_folded;
    }

    const cx_choice *choice = &plan->choice;
    cx_choice again;
    bool packed = plan->packed != NULL;
    const int threads = cx_threads_get();
    if (strides || threads != plan->threads) {
        status = choose_again(plan, folded, threads, &again, &packed);
        if (status != CONVX_OK) return status;
        choice = &again;
    }

    convx_conv_args bound = *args;
    if (plan->weights) bound.weight = plan->weights;
    if (plan->bias) bound.bias = plan->bias;
    cx_tensors tensors;
    status = cx_bind(conv, plan->pass, plan->params.flags & CONVX_TRANSPOSED, &bound, &tensors);
    if (status != CONVX_OK) return status;
    tensors.packed = packed ? plan->packed : NULL;

    void *workspace = args->workspace;
    if (workspace) {
        if ((uintptr_t)workspace % CX_ALIGNMENT != 0) return CONVX_INVALID_ARGUMENT;
        /* other strides may need more than convx_plan_workspace_size has told */
        if (args->workspace_size < cx_workspace_bytes(&choice->decision)) {
            if (!strides) return CONVX_INVALID_ARGUMENT;
            workspace = NULL;
        }
    }
    if (cx_run_empty(conv, plan->kernels, &tensors)) return CONVX_OK;
    return cx_run(folded, plan->kernels, choice, &tensors, workspace);
}

size_t cx_plan_workspace(const convx_plan *plan) {
    const int threads = cx_threads_get();
    cx_choice choice = plan->choice;
    bool packed;
    if (threads != plan->threads && choose_again(plan, &plan->folded, threads, &choice, &packed) != CONVX_OK)
        choice = plan->choice;
    return cx_workspace_bytes(&choice.decision);
}
