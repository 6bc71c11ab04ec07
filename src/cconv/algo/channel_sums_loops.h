/*
 * Template: sums of one element type.
 *
 * Parameters
 *   REAL     float or double
 *   NAME(x)  the name of a function for this REAL
 */
#include "algo/pairwise_loops.h"
#include "algo/row_blocks_loops.h"

static REAL NAME(row_block)(const sum_job *job, int64_t channel, int64_t block) {
    REAL room[cx_block_elements];
    int64_t count;
    const REAL *data = (const REAL *)job->data + channel * job->channel_stride;
    data = NAME(read_block)(&job->space, &job->rows, 0, data, block, room, &count);
    return NAME(pairwise)(data, count);
}

static void NAME(rows_task)(void *context, int64_t index, int worker) {
    const sum_job *job = context;
    (void)worker;
    const int64_t all = job->channels * job->blocks, first = index * job->task_blocks;
    for (int64_t i = first; i < first + job->task_blocks && i < all; ++i)
        ((REAL *)job->partial)[i] = NAME(row_block)(job, i / job->blocks, i % job->blocks);
}

/* The partial sums of one block of pixels, a row of `channels` of them. */
static void NAME(columns_block)(const sum_job *job, int64_t block) {
    const int rank = job->space.rank;
    const int64_t first = block * block_pixels, count = job->space.count;
    const int64_t last = first + block_pixels < count ? first + block_pixels : count;
    REAL *restrict sum = (REAL *)job->partial + block * job->channels;
    const REAL *data = job->data;
    for (int64_t c = 0; c < job->channels; ++c) sum[c] = 0;
    int64_t r = first;
    for (; r + 4 <= last; r += 4) {
        const REAL *a = data + cx_places_offset(&job->space, 0, rank, r),
                   *b = data + cx_places_offset(&job->space, 0, rank, r + 1);
        const REAL *c = data + cx_places_offset(&job->space, 0, rank, r + 2),
                   *d = data + cx_places_offset(&job->space, 0, rank, r + 3);
        for (int64_t i = 0; i < job->channels; ++i) sum[i] += (a[i] + b[i]) + (c[i] + d[i]);
    }
    for (; r < last; ++r) {
        const REAL *a = data + cx_places_offset(&job->space, 0, rank, r);
        for (int64_t i = 0; i < job->channels; ++i) sum[i] += a[i];
    }
}

static void NAME(columns_task)(void *context, int64_t index, int worker) {
    const sum_job *job = context;
    (void)worker;
    const int64_t first = index * job->task_blocks;
    for (int64_t i = first; i < first + job->task_blocks && i < job->blocks; ++i) NAME(columns_block)(job, i);
}

/* Adds up rows of `width` sums pairwise, into the first one. */
static void NAME(fold_rows)(REAL *rows, int64_t count, int64_t width) {
    while (count > 1) {
        const int64_t half = (count + 1) / 2;
        const int64_t n = (count - half) * width;
        REAL *restrict to = rows;
        const REAL *from = rows + half * width;
        for (int64_t i = 0; i < n; ++i) to[i] += from[i];
        count = half;
    }
}

static convx_status NAME(sums)(sum_job *job, bool columns, void *result) {
    int64_t block_size;
    if (columns) {
        job->blocks = (job->space.count + block_pixels - 1) / block_pixels;
        block_size = block_pixels * job->channels;
    } else {
        job->rows = cx_row_blocks_of(&job->space);
        job->blocks = job->rows.count;
        block_size = job->rows.elements;
    }
    const int64_t all = columns ? job->blocks : job->blocks * job->channels;
    const int64_t least = (task_elements + block_size - 1) / block_size;
    const int threads = all > least ? cx_threads_get() : 1;
    job->task_blocks = cx_long_task(all, least, threads);
    const int64_t tasks = (all + job->task_blocks - 1) / job->task_blocks;
    int64_t bytes;
    if (!cx_mul(job->blocks * job->channels, (int64_t)sizeof(REAL), &bytes)) return CONVX_OUT_OF_MEMORY;
    REAL *own = job->blocks > 1 ? cx_scratch_acquire((size_t)bytes) : NULL;
    if (job->blocks > 1 && !own) return CONVX_OUT_OF_MEMORY;
    job->partial = own ? own : result;
    cx_parallel_for(tasks, threads, columns ? NAME(columns_task) : NAME(rows_task), job);
    if (!own) return CONVX_OK;
    REAL *sum = result;
    if (columns) {
        NAME(fold_rows)(own, job->blocks, job->channels);
        memcpy(sum, own, (size_t)job->channels * sizeof(REAL));
    } else {
        for (int64_t c = 0; c < job->channels; ++c) sum[c] = NAME(pairwise)(own + c * job->blocks, job->blocks);
    }
    cx_scratch_release(own);
    return CONVX_OK;
}

/* Few channels side by side, without gaps: several pixels make one row, wide enough for vectors. */
static convx_status NAME(dense_columns)(const sum_job *job, void *result) {
    const int64_t c = job->channels, together = 64 / c, pixels = job->space.count / together;
    REAL wide[64], *sum = result;
    sum_job grouped = {.data = job->data,
                       .space = {1, {pixels}, {{c * together}}, pixels},
                       .channels = c * together,
                       .channel_stride = 1};
    const convx_status status = NAME(sums)(&grouped, true, wide);
    if (status != CONVX_OK) return status;
    NAME(fold_rows)(wide, together, c);
    const REAL *rest = (const REAL *)job->data + pixels * together * c;
    for (int64_t i = 0; i < (job->space.count - pixels * together) * c; ++i) wide[i % c] += rest[i];
    memcpy(sum, wide, (size_t)c * sizeof(REAL));
    return CONVX_OK;
}

#undef REAL
#undef NAME
