#include "algo/product.h"

#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"
#include "gemm/gemm.h"

enum {
    task_products = 65536, /* less is not worth a thread's while */
    tasks_a_thread = 4,    /* so that one that is held up does not hold up all */
    few_panels = 4         /* what reads them does so in place, down its columns, too */
};

typedef struct product_job {
    const cx_kernels *kernels;
    const cx_gemm *gemm;
    cx_gemm_blocks blocks;
    int64_t panels, tiles, column_tasks, row_tasks;
    char *scratch;
    size_t scratch_worker;
} product_job;

static void product_task(void *context, int64_t index, int worker) {
    const product_job *j = context;
    const int64_t column = index / j->row_tasks, row = index % j->row_tasks;
    const int64_t nr = j->kernels->gemm.nr, mr = j->kernels->gemm.mr;
    const int64_t n0 = cx_share_begin(j->panels, j->column_tasks, column) * nr;
    const int64_t n1 = cx_min(cx_share_begin(j->panels, j->column_tasks, column + 1) * nr, j->gemm->n);
    const int64_t m0 = cx_share_begin(j->tiles, j->row_tasks, row) * mr;
    const int64_t m1 = cx_min(cx_share_begin(j->tiles, j->row_tasks, row + 1) * mr, j->gemm->m);
    cx_gemm_run(j->kernels, j->gemm, j->blocks, m0, m1, n0, n1, j->scratch + (size_t)worker * j->scratch_worker);
}

convx_status cx_product_run(const cx_kernels *kernels, const cx_product *p) {
    const int64_t panels = cx_ceil_div(p->n, kernels->gemm.nr), tiles = cx_ceil_div(p->m, kernels->gemm.mr);
    const cx_gemm gemm = {
        .m = p->m,
        .n = p->n,
        .k = p->k,
        .a = {.base = p->a,
              .row = cx_axis_line(p->m, p->a_strides[0]),
              .k = cx_axis_line(p->k, p->a_strides[1]),
              .copy = p->a_strides[1] != 1 && p->k > 1 && panels > few_panels},
        .b = {.kind = CX_PANELS_MATRIX,
              .base = p->b,
              .k = cx_axis_line(p->k, p->b_strides[0]),
              .column = cx_axis_line(p->n, p->b_strides[1])},
        .c = p->c,
        .c_row = cx_axis_line(p->m, p->c_strides[0]),
        .c_column = cx_axis_line(p->n, p->c_strides[1]),
        .bias_columns = p->bias,
        .activation = CONVX_ACT_NONE,
    };
    const double products = (double)p->m * (double)p->n * (double)p->k;
    const int threads = products < 2.0 * task_products ? 1 : cx_threads_get();
    product_job job = {.kernels = kernels,
                       .gemm = &gemm,
                       .blocks = cx_gemm_blocks_for(kernels, p->m, p->n, p->k, gemm.a.copy),
                       .panels = panels,
                       .tiles = tiles,
                       .column_tasks = 1,
                       .row_tasks = 1};
    /* By columns nothing is packed twice; where there are few of them, little is. */
    if (threads > 1) {
        const double most = products / task_products; /* at least 2 */
        const int64_t plenty = (int64_t)tasks_a_thread * threads,
                      wanted = most < (double)plenty ? (int64_t)most : plenty;
        if (panels >= threads)
            job.column_tasks = cx_min(wanted, panels);
        else
            job.row_tasks = cx_min(wanted, tiles);
    }
    job.scratch_worker = cx_align_up(cx_gemm_scratch(kernels, &gemm, job.blocks));
    job.scratch = cx_scratch_acquire(job.scratch_worker * (size_t)threads);
    if (!job.scratch) return CONVX_OUT_OF_MEMORY;
    cx_parallel_for(job.column_tasks * job.row_tasks, threads, product_task, &job);
    cx_scratch_release(job.scratch);
    return CONVX_OK;
}
