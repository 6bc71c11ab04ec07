/* Memory decides the speed of a step, so these loops are compiled once, for the baseline. An element's result depends on no other. */
#include "algo/optim.h"

#include <math.h>

#include "base/integer.h"
#include "base/threads.h"

enum { task_elements = 32768 }; /* less is not worth a thread's while */

typedef struct sgd_job {
    const convx_sgd_params *params;
    const void *gradient;
    void *velocity, *parameter;
} sgd_job;

typedef struct adam_job {
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
    const int64_t first = index * task_elements, n = cx_min(job->params->count - first, task_elements);
    (void)worker;
    if (job->params->dtype == CONVX_FLOAT64)
        f64_sgd(job, first, n);
    else
        f32_sgd(job, first, n);
}

static void adam_task(void *context, int64_t index, int worker) {
    const adam_job *job = context;
    const int64_t first = index * task_elements, n = cx_min(job->params->count - first, task_elements);
    (void)worker;
    if (job->params->dtype == CONVX_FLOAT64)
        f64_adam(job, first, n);
    else
        f32_adam(job, first, n);
}

static void run(int64_t count, cx_task task, void *job) {
    const int64_t tasks = cx_ceil_div(count, task_elements);
    cx_parallel_for(tasks, tasks > 1 ? cx_threads_get() : 1, task, job);
}

void cx_sgd_step(const convx_sgd_params *params, const void *gradient, void *velocity, void *parameter) {
    sgd_job job = {params, gradient, velocity, parameter};
    run(params->count, sgd_task, &job);
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
    run(params->count, adam_task, &job);
}
