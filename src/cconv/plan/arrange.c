#include "plan/arrange.h"

#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "base/shape.h"
#include "base/threads.h"

#define CYCLES_OF_ONE 1.2 /* weight */

static size_t arranged_bytes(const cx_conv *conv) {
    return (size_t)cx_weights_count(conv) * cx_dtype_size(conv->dtype);
}

bool cx_weights_worth_arranging(const cx_conv *conv, convx_algorithm algorithm) {
    if (conv->pass == CONVX_WEIGHT_GRADIENT || algorithm == CONVX_ALGO_REFERENCE) return false;
    /* the products of an input gradient read them well: there they are columns */
    if (conv->pass == CONVX_INPUT_GRADIENT && (algorithm == CONVX_ALGO_GEMM || algorithm == CONVX_ALGO_DIRECT))
        return false;
    return conv->w.in == 1 && cx_count3(conv->kernel) > 1 && arranged_bytes(conv) > 2 * cx_cpu_get()->l2;
}

bool cx_decide_arranged(const cx_algorithm *algorithm, const cx_conv *conv, const cx_kernels *kernels, int threads,
                        cx_decision *decision) {
    cx_conv arranged = *conv;
    arranged.w = cx_weights_contiguous(conv);
    if (!algorithm->decide(&arranged, kernels, threads, false, decision)) return false;
    decision->arranged_bytes = cx_align_up(arranged_bytes(conv));
    decision->shared_bytes += decision->arranged_bytes;
    decision->cost += CYCLES_OF_ONE * (double)cx_weights_count(conv);
    return true;
}

typedef struct job {
    const cx_conv *conv;
    const void *from;
    char *to;
    size_t size;
} job;

static inline void copy_elements(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n,
                                 const size_t size) {
    for (int64_t i = 0; i < n; ++i, to += to_step * (int64_t)size, from += from_step * (int64_t)size)
        memcpy(to, from, size);
}

/* Of one out channel, tap by tap: with in_channels fastest, one stream. */
static void arrange_filter(void *context, int64_t index, int worker) {
    (void)worker;
    const job *j = context;
    const cx_conv *conv = j->conv;
    const int64_t *kernel = conv->kernel, taps = cx_count3(kernel);
    char *to = j->to + (size_t)(index * conv->in_channels * taps) * j->size;
    for (int64_t tap = 0; tap < taps; ++tap, to += j->size) {
        const int64_t z = tap / kernel[2] / kernel[1], y = tap / kernel[2] % kernel[1], x = tap % kernel[2];
        const int64_t at = z * conv->w.space[0] + y * conv->w.space[1] + x * conv->w.space[2];
        const char *from = cx_at(j->from, index * conv->w.out + at, j->size);
        if (j->size == sizeof(float))
            copy_elements(to, taps, from, conv->w.in, conv->in_channels, sizeof(float));
        else
            copy_elements(to, taps, from, conv->w.in, conv->in_channels, sizeof(double));
    }
}

void cx_arrange_weights(const cx_conv *conv, int threads, const void *weights, void *to) {
    job j = {.conv = conv, .from = weights, .to = to, .size = cx_dtype_size(conv->dtype)};
    cx_parallel_for(conv->groups * conv->out_channels, threads, arrange_filter, &j);
}

void cx_run_arranged(const cx_algorithm *algorithm, const cx_conv *conv, const cx_kernels *kernels,
                     const cx_decision *decision, const cx_tensors *tensors, void *workspace) {
    cx_conv arranged = *conv;
    arranged.w = cx_weights_contiguous(conv);
    cx_arrange_weights(conv, decision->threads, tensors->w, workspace);
    cx_tensors at = *tensors;
    at.w = workspace;
    cx_decision own = *decision;
    own.shared_bytes -= decision->arranged_bytes;
    algorithm->run(&arranged, kernels, &own, &at, (char *)workspace + decision->arranged_bytes);
}
