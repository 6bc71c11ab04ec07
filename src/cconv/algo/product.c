#include "algo/product.h"

#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"
#include "gemm/gemm.h"

enum {
    task_products = 65536, /* less is not worth a thread's while */
    tasks_a_thread = 4,    /* so that one that is held up does not hold up all */
    copy_products = 11,    /* done in the time of copying an element */
    few_panels = 4,
    together = 8 /* panels of a block that few rows read: runs long enough to be foreseen */
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
    const int64_t unit = cx_gemm_column_unit(j->kernels, j->gemm->n, j->column_tasks), mr = j->kernels->gemm.mr;
    const int64_t units = cx_ceil_div(j->gemm->n, unit);
    const int64_t n0 = cx_share_begin(units, j->column_tasks, column) * unit;
    const int64_t n1 = cx_min(cx_share_begin(units, j->column_tasks, column + 1) * unit, j->gemm->n);
    const int64_t m0 = cx_share_begin(j->tiles, j->row_tasks, row) * mr;
    const int64_t m1 = cx_min(cx_share_begin(j->tiles, j->row_tasks, row + 1) * mr, j->gemm->m);
    cx_gemm_run(j->kernels, j->gemm, j->blocks, m0, m1, n0, n1, j->scratch + (size_t)worker * j->scratch_worker);
}

/* A small result stays near between blocks of k, which are packed cheaply: panels had better stay in the first level. */
static cx_gemm_blocks blocks_of(const cx_kernels *kernels, const cx_gemm *gemm) {
    cx_gemm_blocks blocks = cx_gemm_blocks_for(kernels, gemm->m, gemm->n, gemm->k, gemm->a.copy);
    const int64_t size = (int64_t)cx_dtype_size(kernels->dtype), nr = kernels->gemm.nr;
    if (gemm->n <= (int64_t)cx_cpu_get()->l2 / size / 16 / cx_max(gemm->m, 1)) {
        const int64_t most = cx_max((int64_t)cx_cpu_get()->l1d / size / 2 / nr, CX_GEMM_SHORT_K);
        blocks.kc = cx_min(blocks.kc, cx_even_part(gemm->k, most, 8));
    }
    /* A copy of a is made for each block of columns: one, if it leaves the copy a quarter of the second level. */
    const int64_t level = (int64_t)cx_cpu_get()->l2 / size, columns = cx_round_up(gemm->n, nr);
    if (gemm->a.copy && blocks.kc >= gemm->k && columns * gemm->k <= level / 4 * 3) {
        blocks.nc = columns;
        blocks.mc = cx_even_part(gemm->m, level / 4 / gemm->k, kernels->gemm.mr);
    }
    /* Few rows: those of a block of k stay in the second level while all columns pass. */
    const int64_t nc = together * nr, kc = cx_even_part(gemm->k, level / 2 / nc, 8);
    if (!gemm->a.copy && cx_axis_step(&gemm->b.column) == 1 && gemm->m * kc <= level / 4) {
        blocks.kc = kc;
        blocks.nc = cx_even_part(gemm->n, nc, nr);
        blocks.mc = cx_round_up(gemm->m, kernels->gemm.mr);
    }
    return blocks;
}

/*
 * Into about as many tasks as wanted, at least half as many. Each packs its columns of b and, if they are copied, copies
 * its rows of a, for each block of columns unless they are one block: of all ways the one that is done first, which packs
 * and copies little and leaves no thread without a task while others do their last.
 */
static void cut(product_job *j, int64_t wanted, int threads) {
    const cx_gemm *gemm = j->gemm;
    const double m = (double)gemm->m, n = (double)gemm->n;
    double least = -1;
    for (int64_t rows = 1; rows <= cx_min(wanted, j->tiles); ++rows) {
        const int64_t columns = cx_min(wanted / rows, j->panels), tasks = rows * columns;
        if (2 * tasks < wanted && rows < cx_min(wanted, j->tiles)) continue;
        const bool kept = cx_ceil_div(gemm->m, rows) <= j->blocks.mc && gemm->k <= j->blocks.kc;
        const int64_t blocks = kept ? 1 : cx_ceil_div(cx_ceil_div(gemm->n, columns), j->blocks.nc);
        const double copies = gemm->a.copy ? (double)(columns * blocks) * m : 0;
        const double packs = 1.5 * (double)rows * n; /* take longer */
        const double time =
            (m * n + copy_products * (copies + packs)) * (double)cx_ceil_div(tasks, threads) / (double)tasks;
        if (least >= 0 && time >= least) continue;
        least = time;
        j->row_tasks = rows;
        j->column_tasks = columns;
    }
}

/* The same product of the transposed matrices. */
static cx_product transposed(const cx_product *p) {
    return (cx_product){.m = p->n,
                        .n = p->m,
                        .k = p->k,
                        .a = p->b,
                        .b = p->a,
                        .c = p->c,
                        .bias_rows = p->bias_columns,
                        .bias_columns = p->bias_rows,
                        .a_strides = {p->b_strides[1], p->b_strides[0]},
                        .b_strides = {p->a_strides[1], p->a_strides[0]},
                        .c_strides = {p->c_strides[1], p->c_strides[0]}};
}

/* What reads few panels does so in place, down its columns, too. */
static bool copies_a(const cx_kernels *kernels, const cx_product *p) {
    return p->a_strides[1] != 1 && p->k > 1 && p->n > few_panels * kernels->gemm.nr;
}

/* Beside the products: packing, reading down columns, storing across, and lanes of panels that are not full. */
static double overhead(const cx_kernels *kernels, const cx_product *p) {
    const double m = (double)p->m, n = (double)p->n, k = (double)p->k;
    const double idle = (double)(cx_round_up(p->n, kernels->gemm.nr) - p->n) * m * k / copy_products;
    const double columns = copies_a(kernels, p) ? 1 : 1.5;
    return 1.5 * n * k + (p->a_strides[1] == 1 ? 0 : columns * m * k) + (p->c_strides[1] == 1 ? 0 : 1.5 * m * n) + idle;
}

/* A result that is stored across is stored once: where blocks of k came back to it, it would be read across as well. */
static bool better_transposed(const cx_kernels *kernels, const cx_product *p, const cx_product *other) {
    if (p->c_strides[0] == 1 || p->c_strides[1] != 1) return false;
    const cx_gemm_blocks blocks = cx_gemm_blocks_for(kernels, other->m, other->n, other->k, copies_a(kernels, other));
    return blocks.kc >= p->k && overhead(kernels, other) < overhead(kernels, p);
}

convx_status cx_product_run(const cx_kernels *kernels, const cx_product *given) {
    const cx_product other = transposed(given), *p = better_transposed(kernels, given, &other) ? &other : given;
    const int64_t panels = cx_ceil_div(p->n, kernels->gemm.nr), tiles = cx_ceil_div(p->m, kernels->gemm.mr);
    const cx_gemm gemm = {
        .m = p->m,
        .n = p->n,
        .k = p->k,
        .a = {.base = p->a,
              .row = cx_axis_line(p->m, p->a_strides[0]),
              .k = cx_axis_line(p->k, p->a_strides[1]),
              .copy = copies_a(kernels, p)},
        .b = {.kind = CX_PANELS_MATRIX,
              .base = p->b,
              .k = cx_axis_line(p->k, p->b_strides[0]),
              .column = cx_axis_line(p->n, p->b_strides[1])},
        .c = p->c,
        .c_row = cx_axis_line(p->m, p->c_strides[0]),
        .c_column = cx_axis_line(p->n, p->c_strides[1]),
        .bias_rows = p->bias_rows,
        .bias_columns = p->bias_columns,
        .activation = CONVX_ACT_NONE,
    };
    const double products = (double)p->m * (double)p->n * (double)p->k;
    const int threads = products < 2.0 * task_products ? 1 : cx_threads_get();
    product_job job = {.kernels = kernels,
                       .gemm = &gemm,
                       .blocks = blocks_of(kernels, &gemm),
                       .panels = panels,
                       .tiles = tiles,
                       .column_tasks = 1,
                       .row_tasks = 1};
    if (threads > 1) {
        const double most = products / task_products; /* at least 2 */
        const int64_t plenty = (int64_t)tasks_a_thread * threads;
        cut(&job, most < (double)plenty ? (int64_t)most : plenty, threads);
    }
    job.scratch_worker = cx_align_up(cx_gemm_scratch(kernels, &gemm, job.blocks));
    job.scratch = cx_scratch_acquire(job.scratch_worker * (size_t)threads);
    if (!job.scratch) return CONVX_OUT_OF_MEMORY;
    cx_parallel_for(job.column_tasks * job.row_tasks, threads, product_task, &job);
    cx_scratch_release(job.scratch);
    return CONVX_OK;
}
