/* Memory decides the speed of a step, so these loops are compiled once, for the baseline. An element's result depends on no other. */
#include "algo/optim.h"

#include <math.h>

#include "base/integer.h"
#include "base/threads.h"

enum { least_elements = 32768 }; /* less is not worth a thread's while */

typedef struct sgd_job {
    int64_t task; /* elements */
    const convx_sgd_params *params;
    const void *gradient;
    void *velocity, *parameter;
} sgd_job;

typedef struct adam_job {
    int64_t task;
    const convx_adam_params *params;
    double rate, inverse_root; /* corrected for the memory's beginning with zeros */
    const void *gradient;
    void *mean, *square, *largest, *parameter;
} adam_job;

#define REAL    float
#define NAME(x) f32_##x
#define ROOT    sqrtf
#include "algo/optim_loops.h"

#define REAL    double
#define NAME(x) f64_##x
#define ROOT    sqrt
#include "algo/optim_loops.h"

static void sgd_task(void *context, int64_t index, int worker) {
    const sgd_job *job = context;
    const int64_t first = index * job->task, n = cx_min(job->params->count - first, job->task);
    (void)worker;
    if (job->params->dtype == CONVX_FLOAT64)
        f64_sgd(job, first, n);
    else
        f32_sgd(job, first, n);
}

static void adam_task(void *context, int64_t index, int worker) {
    const adam_job *job = context;
    const int64_t first = index * job->task, n = cx_min(job->params->count - first, job->task);
    (void)worker;
    if (job->params->dtype == CONVX_FLOAT64)
        f64_adam(job, first, n);
    else
        f32_adam(job, first, n);
}

static void run(int64_t count, int64_t *elements, cx_task task, void *job) {
    const int threads = count > least_elements ? cx_threads_get() : 1;
    *elements = cx_long_run(count, least_elements, threads);
    cx_parallel_for(cx_ceil_div(count, *elements), threads, task, job);
}

void cx_sgd_step(const convx_sgd_params *params, const void *gradient, void *velocity, void *parameter) {
    sgd_job job = {.params = params, .gradient = gradient, .velocity = velocity, .parameter = parameter};
    run(params->count, &job.task, sgd_task, &job);
}

void cx_adam_step(const convx_adam_params *params, const void *gradient, void *mean, void *square, void *largest_square,
                  void *parameter) {
    const double step = (double)params->step;
    adam_job job = {.params = params,
                    .rate = params->rate / (1 - pow(params->beta1, step)),
                    .inverse_root = 1 / sqrt(1 - pow(params->beta2, step)),
                    .gradient = gradient,
                    .mean = mean,
                    .square = square,
                    .largest = largest_square,
                    .parameter = parameter};
    run(params->count, &job.task, adam_task, &job);
}
