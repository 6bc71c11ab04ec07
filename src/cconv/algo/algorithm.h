/*
 * What an algorithm is to the plan: it accepts a normalised convolution with a cost and a workspace size, or declines
 * with a reason. Algorithms hold no state; a decision is a value.
 *
 * The convolution that they see has been folded (base/shape.h): the batch may have become pixels, and strides of
 * dimensions of extent 1 are 0. No tensor is without elements. What pack() writes may depend on the sizes, the kernel
 * table and the decision's variant, but not on the number of threads or the strides of x and y; the weights that it
 * is given, and that run() finds beside the packed ones, have conv's strides.
 */
#ifndef CX_ALGO_ALGORITHM_H
#define CX_ALGO_ALGORITHM_H

#include "base/conv.h"
#include "kernels/kernels.h"

typedef struct cx_decision {
    double cost;           /* estimated cycles of one core, spread over the threads */
    size_t shared_bytes;   /* workspace for the whole run */
    size_t thread_bytes;   /* and for each thread that takes part */
    size_t packed_bytes;   /* what pack() writes; 0: it has nothing to keep */
    size_t arranged_bytes; /* the plan's own part of the shared ones: see plan/arrange.h */
    int variant;           /* the algorithm's own: which of its ways */
    int threads;           /* worth using, at most those asked for */
    bool on_request;       /* less exact than auto may be: only for those who name it */
    const char *reason;    /* static text, when declined; or a remark on the way chosen */
} cx_decision;

typedef struct cx_algorithm {
    convx_algorithm id;
    /* `kept`: the weights will be packed once and run often. Under a microsecond. False, with a reason: it declines. */
    bool (*decide)(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept, cx_decision *decision);
    /* workspace: shared_bytes + threads * thread_bytes, 64-byte aligned; each part begins aligned. */
    void (*run)(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision, const cx_tensors *tensors,
                void *workspace);
    /* Weights into the form that run() finds in tensors->packed. NULL where packed_bytes is always 0. */
    void (*pack)(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision, const void *weights,
                 void *packed);
    double auto_above;  /* auto asks only when what it has found costs more */
    double auto_weight; /* and counts its cost so many times: above 1 for one that rounds more */
} cx_algorithm;

#define CX_COST_WORTH_A_THREAD 30000.0

/* How many threads an estimate is worth. */
static inline int cx_threads_for(double cycles, int threads) {
    const double worth = cycles / CX_COST_WORTH_A_THREAD;
    return worth < 2 ? 1 : worth < threads ? (int)worth : threads;
}

extern const cx_algorithm cx_algorithm_gemm;
extern const cx_algorithm cx_algorithm_direct;
extern const cx_algorithm cx_algorithm_winograd_2x2;
extern const cx_algorithm cx_algorithm_winograd_4x4;
extern const cx_algorithm cx_algorithm_winograd_6x6;
extern const cx_algorithm cx_algorithm_reference;

#endif
