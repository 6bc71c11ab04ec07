/*
 * Three ways, by the memory of the tensors
 *   rows      The axis is contiguous: kernels work in place, on one long row or several short ones.
 *   columns   The axis has strides and what lies around it is contiguous: vectors go across, in place, from where the
 *             result's are aligned. Columns at the edges are gathered.
 *   gathered  Everything else: lines along the axis are copied, as columns when several fit the cache, else one by one.
 */
#include "algo/softmax.h"

#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

enum {
    task_elements = 8192,
    gathered_vectors = 8,     /* of columns, at most */
    gathered_elements = 65536 /* lines that are longer together are gathered one by one */
};

typedef struct softmax_job {
    const cx_walk *walk;
    const cx_softmax_kernels *kernels;
    const cx_softmax_args *args;
    size_t element;
    int64_t lines;  /* of a group, all of which lie in one row of the walk; its first and last groups may have fewer */
    int64_t lead;   /* lines that the first group has fewer */
    int64_t groups; /* of one row of the walk */
    int64_t task;   /* groups of a task */
    bool rows, columns;
    char *scratch;
    size_t scratch_worker;
} softmax_job;

static int64_t step_of(const cx_softmax_args *args, int tensor) {
    return tensor == 0 ? args->result_step : tensor == 1 ? args->x_step : args->gy_step;
}

static const void *data_of(const cx_softmax_args *args, int tensor) {
    return tensor == 0 ? args->result : tensor == 1 ? args->x : args->gy;
}

static const void *line_of(const softmax_job *j, int tensor, int64_t index) {
    return cx_at(data_of(j->args, tensor), cx_walk_offset(j->walk, tensor, index), j->element);
}

/* The tensors of a group in place, with the steps between their lines, or along them. */
static cx_softmax_args group_in_place(const softmax_job *j, int64_t index, bool between) {
    const int inner = j->walk->rank - 1;
    cx_softmax_args a = *j->args;
    a.x = line_of(j, 1, index);
    if (a.gy) a.gy = line_of(j, 2, index);
    a.result = (void *)(uintptr_t)line_of(j, 0, index);
    if (between) {
        a.result_step = j->walk->stride[0][inner];
        a.x_step = j->walk->stride[1][inner];
        if (a.gy) a.gy_step = j->walk->stride[2][inner];
    }
    return a;
}

/* `lines` lines of one row of the walk, side by side `width` elements apart in `to`, or back from there. */
static void copy_lines(const softmax_job *j, int tensor, int64_t index, int64_t lines, int64_t width, char *dense,
                       bool into) {
    const int64_t element = (int64_t)j->element, step = step_of(j->args, tensor) * element;
    const int64_t across = j->walk->stride[tensor][j->walk->rank - 1] * element;
    char *at = (char *)(uintptr_t)line_of(j, tensor, index);
    for (int64_t k = 0; k < j->args->n; ++k, at += step, dense += width * element)
        for (int64_t i = 0; i < lines; ++i) {
            char *outside = at + i * across, *inside = dense + i * element;
            if (element == 4)
                memcpy(into ? inside : outside, into ? outside : inside, 4);
            else
                memcpy(into ? inside : outside, into ? outside : inside, 8);
        }
}

static void run_rows(const softmax_job *j, const cx_softmax_args *args, int64_t rows) {
    if (args->n <= CX_SHORT_ROW)
        j->kernels->short_rows(args, rows);
    else
        j->kernels->long_rows(args, rows);
}

static void run_gathered(const softmax_job *j, int64_t index, int64_t lines, char *scratch) {
    const int64_t widest = cx_round_up(lines, j->kernels->lanes);
    const bool single = lines == 1 || j->args->n * widest > gathered_elements;
    const int64_t width = single ? 1 : widest, together = single ? 1 : lines;
    const int64_t bytes = j->args->n * width * (int64_t)j->element;
    if (together < width) memset(scratch, 0, (size_t)(j->args->gy ? 2 * bytes : bytes));
    char *x = scratch, *gy = scratch + bytes;
    for (int64_t i = 0; i < lines; i += together) {
        cx_softmax_args a = *j->args;
        copy_lines(j, 1, index + i, together, width, x, true);
        if (a.gy) {
            copy_lines(j, 2, index + i, together, width, gy, true);
            a.gy = gy;
        }
        a.x = a.result = x;
        a.x_step = a.gy_step = a.result_step = width;
        if (single)
            run_rows(j, &a, 1);
        else
            j->kernels->columns(&a, (int)(width / j->kernels->lanes));
        copy_lines(j, 0, index + i, together, width, x, false);
    }
}

static void run_group(const softmax_job *j, int64_t group, int worker) {
    const int64_t row = j->walk->size[j->walk->rank - 1], first = group % j->groups * j->lines - j->lead;
    const int64_t within = cx_max(first, 0), lines = cx_min(first + j->lines, row) - within;
    const int64_t index = group / j->groups * row + within;
    if (j->rows) {
        const cx_softmax_args a = group_in_place(j, index, true);
        run_rows(j, &a, lines);
        return;
    }
    int64_t in_place = 0;
    if (j->columns) {
        const cx_softmax_args a = group_in_place(j, index, false);
        const int64_t vectors = lines / j->kernels->lanes;
        if (vectors > 0) j->kernels->columns(&a, (int)vectors);
        in_place = vectors * j->kernels->lanes;
    }
    if (in_place < lines)
        run_gathered(j, index + in_place, lines - in_place, j->scratch + (size_t)worker * j->scratch_worker);
}

static void softmax_task(void *context, int64_t index, int worker) {
    const softmax_job *j = context;
    const int64_t all = j->walk->count / j->walk->size[j->walk->rank - 1] * j->groups;
    const int64_t begin = index * j->task, end = cx_min(begin + j->task, all);
    for (int64_t group = begin; group < end; ++group) run_group(j, group, worker);
}

/* So many that the second group's vectors of results are aligned; 0 where the first one's are. */
static int64_t lines_to_skip(const softmax_job *j) {
    const uintptr_t place = (uintptr_t)line_of(j, 0, 0) / j->element;
    const int64_t lanes = j->kernels->lanes, before = -(int64_t)place & (lanes - 1);
    return before > 0 ? j->lines - before : 0;
}

convx_status cx_softmax(const cx_kernels *kernels, const cx_softmax_args *args, const cx_walk *w) {
    if (w->count == 0) return CONVX_OK;
    softmax_job job = {.walk = w,
                       .kernels = &kernels->layers->softmax,
                       .args = args,
                       .element = cx_dtype_size(kernels->dtype),
                       .rows = true,
                       .columns = true};
    const int inner = w->rank - 1;
    const int64_t row = w->size[inner];
    for (int t = 0; t < w->tensors; ++t) {
        job.rows = job.rows && (step_of(args, t) == 1 || args->n == 1);
        job.columns = job.columns && w->stride[t][inner] == 1;
    }
    const int64_t width = job.columns && !job.rows ? job.kernels->width : gathered_vectors * job.kernels->lanes;
    const int wanted = w->count > cx_ceil_div(task_elements, args->n) ? cx_threads_get() : 1;
    job.lines = width;
    if (job.rows && args->n > CX_SHORT_ROW) job.lines = cx_long_task(row, cx_ceil_div(task_elements, args->n), wanted);
    if (job.columns && !job.rows && row > width) job.lead = lines_to_skip(&job);
    job.groups = cx_ceil_div(row + job.lead, job.lines);
    const int64_t groups = w->count / row * job.groups;
    job.task = cx_long_task(groups, cx_ceil_div(task_elements, args->n * job.lines), wanted);
    const int64_t tasks = cx_ceil_div(groups, job.task);
    const int threads = (int)cx_min(wanted, tasks);
    if (!job.rows && !(job.columns && job.lead == 0 && row % job.kernels->lanes == 0)) {
        const int64_t elements = cx_max(args->n, cx_min(args->n * width, gathered_elements));
        int64_t bytes, all;
        if (!cx_mul(elements, (int64_t)job.element * (w->tensors - 1), &bytes)) return CONVX_OUT_OF_MEMORY;
        job.scratch_worker = cx_align_up((size_t)bytes);
        if (!cx_mul((int64_t)job.scratch_worker, threads, &all)) return CONVX_OUT_OF_MEMORY;
        job.scratch = cx_scratch_acquire((size_t)all);
        if (!job.scratch) return CONVX_OUT_OF_MEMORY;
    }
    cx_parallel_for(tasks, threads, softmax_task, &job);
    if (job.scratch) cx_scratch_release(job.scratch);
    return CONVX_OK;
}
