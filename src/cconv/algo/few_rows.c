#include "algo/few_rows.h"

#include "base/integer.h"
#include "base/threads.h"

enum {
    task_elements = 16384, /* of the matrix: less is not worth a thread's while */
    part_elements = 16384  /* of the matrix, which several rows read from the cache */
};

typedef struct rows_job {
    const cx_few_rows *p;
    const cx_matvec_kernels *kernels;
    size_t size;
    int64_t task; /* of the outs */
} rows_job;

/* All rows meet a part of the matrix before the next part is read. */
static void dots_task(void *context, int64_t index, int worker) {
    const rows_job *j = context;
    const cx_few_rows *p = j->p;
    const int64_t begin = index * j->task, end = cx_min(begin + j->task, p->outs);
    const int64_t part = p->rows == 1 ? j->task : cx_round_up(cx_max(part_elements / cx_max(p->ins, 1), 1), 4);
    (void)worker;
    for (int64_t o = begin; o < end; o += part)
        for (int64_t r = 0; r < p->rows; ++r)
            j->kernels->dots(cx_at(p->m, o * p->m_strides[0], j->size), p->m_strides[0], cx_min(part, end - o),
                             cx_at(p->b, r * p->b_strides[0], j->size), p->ins,
                             p->bias ? cx_at(p->bias, o, j->size) : NULL,
                             cx_at_mut(p->a, r * p->a_strides[0] + o * p->a_strides[1], j->size), p->a_strides[1]);
}

static void combine_task(void *context, int64_t index, int worker) {
    const rows_job *j = context;
    const cx_few_rows *p = j->p;
    const int64_t first = index * j->task, count = cx_min(j->task, p->outs - first);
    const int64_t part = p->rows == 1 ? p->ins : cx_round_up(cx_max(part_elements / count, 1), 4);
    (void)worker;
    for (int64_t k = 0; k < p->ins; k += part)
        for (int64_t r = 0; r < p->rows; ++r) {
            void *to = cx_at_mut(p->a, r * p->a_strides[0] + first, j->size);
            const void *bias = p->bias ? cx_at(p->bias, first, j->size) : NULL;
            j->kernels->combine(cx_at(p->m, k * p->m_strides[1] + first, j->size), p->m_strides[1],
                                cx_min(part, p->ins - k),
                                cx_at(p->b, r * p->b_strides[0] + k * p->b_strides[1], j->size), p->b_strides[1], count,
                                k > 0 ? to : bias, to);
        }
}

static void run(const cx_kernels *kernels, const cx_few_rows *p, int64_t unit, cx_task task) {
    rows_job job = {.p = p, .kernels = &kernels->layers->matvec, .size = cx_dtype_size(kernels->dtype)};
    const int threads = cx_threads_get();
    /* Parts follow from the number of threads: each element of the result is computed whole in one of them. */
    const int64_t least = cx_ceil_div(task_elements, cx_max(p->ins, 1));
    job.task = cx_round_up(cx_max(cx_ceil_div(p->outs, 2 * (int64_t)threads), least), unit);
    cx_parallel_for(cx_ceil_div(p->outs, job.task), threads, task, &job);
}

bool cx_few_rows_product(const cx_kernels *kernels, const cx_few_rows *p) {
    if (p->rows > CX_FEW_ROWS) return false;
    if ((p->m_strides[1] == 1 || p->ins == 1) && (p->b_strides[1] == 1 || p->ins == 1))
        run(kernels, p, 4, dots_task);
    else if ((p->m_strides[0] == 1 || p->outs == 1) && (p->a_strides[1] == 1 || p->outs == 1))
        run(kernels, p, 64, combine_task);
    else
        return false;
    return true;
}

static void outer_task(void *context, int64_t index, int worker) {
    const rows_job *j = context;
    const cx_few_rows *p = j->p;
    const int64_t first = index * j->task, last = cx_min(first + j->task, p->outs);
    (void)worker;
    for (int64_t o = first; o < last; ++o)
        j->kernels->combine(p->b, p->b_strides[0], p->rows, cx_at(p->m, o * p->a_strides[1], j->size), p->a_strides[0],
                            p->ins, NULL, cx_at_mut(p->a, o * p->m_strides[0], j->size));
}

bool cx_few_rows_outer(const cx_kernels *kernels, const cx_few_rows *p) {
    if (p->rows > CX_FEW_ROWS || (p->m_strides[1] != 1 && p->ins > 1) || (p->b_strides[1] != 1 && p->ins > 1))
        return false;
    run(kernels, p, 1, outer_task);
    return true;
}
