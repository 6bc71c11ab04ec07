/*
 * Elements in the order of the result's memory, cut into tasks. Where all tensors have rows of some length, kernels work on them
 * in place; short or strided rows are first gathered into blocks that fit the first-level cache.
 */
#include "algo/pointwise.h"

#include "base/integer.h"
#include "base/threads.h"

enum {
    block_elements = 512,    /* of gathered rows: four blocks of doubles fit the first-level cache */
    long_row = 32,           /* shorter rows are gathered */
    quick_elements = 32768,  /* of a task that only moves memory */
    thorough_elements = 8192 /* of a task with an exponential in each element */
};

typedef struct map_job {
    const cx_walk *walk;
    cx_pointwise_kernel kernel;
    cx_map map;
    const cx_map_args *args;
    size_t element;
    int64_t task;
    bool in_place, dense[CX_WALK_TENSORS];
} map_job;

static bool is_quick(cx_map map) {
    switch (map) {
    case CX_MAP_RELU:
    case CX_MAP_CLAMP:
    case CX_MAP_LEAKY_RELU:
    case CX_MAP_RELU_GRADIENT:
    case CX_MAP_CLAMP_GRADIENT:
    case CX_MAP_LEAKY_RELU_GRADIENT:
    case CX_MAP_SIGMOID_GRADIENT_OF_RESULT:
    case CX_MAP_TANH_GRADIENT_OF_RESULT:
    case CX_MAP_ELU_GRADIENT_OF_RESULT: return true;
    default: return false;
    }
}

/* The tensors of a job in the order of its walk, NULL where there is none. */
static int list_tensors(const cx_map_args *args, const void *list[CX_WALK_TENSORS]) {
    int n = 1;
    list[0] = args->result;
    if (args->x) list[n++] = args->x;
    if (args->y) list[n++] = args->y;
    if (args->gy) list[n++] = args->gy;
    return n;
}

static void run_kernel(const map_job *j, void *const at[CX_WALK_TENSORS], int64_t n) {
    int next = 1;
    cx_map_args args = *j->args;
    args.result = at[0];
    if (args.x) args.x = at[next++];
    if (args.y) args.y = at[next++];
    if (args.gy) args.gy = at[next++];
    j->kernel(j->map, &args, n);
}

static void task_in_place(const map_job *j, const void *const data[], int64_t begin, int64_t end) {
    const cx_walk *w = j->walk;
    const int64_t row = w->size[w->rank - 1];
    void *at[CX_WALK_TENSORS];
    for (int64_t i = begin; i < end;) {
        const int64_t n = cx_min(row - i % row, end - i);
        for (int t = 0; t < w->tensors; ++t)
            at[t] = (void *)(uintptr_t)cx_at(data[t], cx_walk_offset(w, t, i), j->element);
        run_kernel(j, at, n);
        i += n;
    }
}

static void task_gathered(const map_job *j, const void *const data[], int64_t begin, int64_t end) {
    const cx_walk *w = j->walk;
    double block[CX_WALK_TENSORS][block_elements];
    void *at[CX_WALK_TENSORS];
    for (int64_t i = begin; i < end; i += block_elements) {
        const int64_t n = cx_min(block_elements, end - i);
        for (int t = 0; t < w->tensors; ++t) {
            at[t] = block[t];
            if (j->dense[t])
                at[t] = (void *)(uintptr_t)cx_at(data[t], w->first[t] + i, j->element);
            else if (t > 0)
                cx_walk_gather(w, t, data[t], j->element, i, n, block[t]);
        }
        run_kernel(j, at, n);
        if (!j->dense[0]) cx_walk_scatter(w, 0, (void *)(uintptr_t)data[0], j->element, i, n, block[0]);
    }
}

static void map_task(void *context, int64_t index, int worker) {
    const map_job *j = context;
    const int64_t begin = index * j->task, end = cx_min(begin + j->task, j->walk->count);
    const void *data[CX_WALK_TENSORS];
    (void)worker;
    list_tensors(j->args, data);
    if (j->in_place)
        task_in_place(j, data, begin, end);
    else
        task_gathered(j, data, begin, end);
}

void cx_pointwise(const cx_kernels *kernels, cx_map map, const cx_map_args *args, const cx_walk *w) {
    if (w->count == 0) return;
    const int inner = w->rank - 1;
    map_job job = {.walk = w,
                   .kernel = kernels->layers->pointwise,
                   .map = map,
                   .args = args,
                   .element = cx_dtype_size(kernels->dtype),
                   .in_place = inner == 0 || w->size[inner] >= long_row};
    for (int t = 0; t < w->tensors; ++t) {
        job.in_place = job.in_place && (w->stride[t][inner] == 1 || w->count == 1);
        job.dense[t] = cx_walk_dense(w, t);
    }
    const int64_t least = is_quick(map) ? quick_elements : thorough_elements;
    const int threads = w->count > least ? cx_threads_get() : 1;
    job.task = cx_long_run(w->count, least, threads);
    cx_parallel_for(cx_ceil_div(w->count, job.task), threads, map_task, &job);
}
