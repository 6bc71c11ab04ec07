/*
 * The naive reference: the definitions as loops, with sums wider than the data. It shares no code with the other
 * algorithms but the padding rule, so that it can judge them. Any strides, any padding.
 */
#include <float.h>
#include <math.h>

#include "base/correlation.h"
#include "base/threads.h"
#include "algo/algorithm.h"

typedef struct result_shape {
    int64_t first, second; /* batch and channel, or the first two dimensions of the weights */
    int64_t first_stride, second_stride;
    int64_t extent[3], stride[3];
} result_shape;

typedef struct reference_run {
    const cx_conv *conv;
    const cx_tensors *tensors;
    result_shape shape;
} reference_run;

/* The place of x that tap k of output place p reads, or -1. */
static int64_t source(const cx_conv *c, int d, int64_t p, int64_t k) {
    return cx_padded_index(p * c->stride[d] - c->pad[d] + k * c->dilation[d], c->in[d], c->padding_mode);
}

/* The output place whose tap k reads place p of x, or -1. */
static int64_t target(const cx_conv *c, int d, int64_t p, int64_t k) {
    const int64_t steps = p + c->pad[d] - k * c->dilation[d];
    if (steps < 0 || steps % c->stride[d] != 0) return -1;
    return steps / c->stride[d] < c->out[d] ? steps / c->stride[d] : -1;
}

#define REAL    float
#define WIDE    double
#define NAME(x) f32_##x
#include "algo/reference_loops.h"

/* Where long double is the processor's own. Elsewhere it is slow, or nothing but double. */
#if LDBL_MANT_DIG == 64
typedef long double wide_double;
#else
typedef double wide_double;
#endif

#define REAL    double
#define WIDE    wide_double
#define NAME(x) f64_##x
#include "algo/reference_loops.h"

static result_shape shape_of_result(const cx_conv *c) {
    const cx_strides *s = c->pass == CONVX_FORWARD ? &c->y : &c->x;
    const int64_t *extent = c->pass == CONVX_FORWARD ? c->out : c->pass == CONVX_INPUT_GRADIENT ? c->in : c->kernel;
    const int64_t *stride = c->pass == CONVX_WEIGHT_GRADIENT ? c->w.space : s->space;
    result_shape r = {c->batch,
                      c->groups * (c->pass == CONVX_FORWARD ? c->out_channels : c->in_channels),
                      s->batch,
                      s->channel,
                      {extent[0], extent[1], extent[2]},
                      {stride[0], stride[1], stride[2]}};
    if (c->pass == CONVX_WEIGHT_GRADIENT) {
        r.first = c->groups * c->out_channels;
        r.second = c->in_channels;
        r.first_stride = c->w.out;
        r.second_stride = c->w.in;
    }
    return r;
}

static bool decide(const cx_conv *c, const cx_kernels *kernels, int threads, bool kept, cx_decision *decision) {
    (void)kernels, (void)kept;
    const double products = (double)c->batch * (double)c->groups * (double)c->in_channels * (double)c->out_channels *
                            (double)c->out[0] * (double)c->out[1] * (double)c->out[2] * (double)c->kernel[0] *
                            (double)c->kernel[1] * (double)c->kernel[2];
    *decision = (cx_decision){.cost = products * 10 / threads, .threads = products < 1e4 ? 1 : threads};
    return true;
}

static void run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision, const cx_tensors *tensors,
                void *workspace) {
    (void)kernels, (void)workspace;
    reference_run r = {conv, tensors, shape_of_result(conv)};
    const int64_t rows = r.shape.first * r.shape.second * r.shape.extent[0] * r.shape.extent[1];
    cx_parallel_for(rows, decision->threads, conv->dtype == CONVX_FLOAT64 ? f64_row : f32_row, &r);
}

const cx_algorithm cx_algorithm_reference = {CONVX_ALGO_REFERENCE, decide, run, NULL, 0, 1};
