/*
 * Memory decides the speed of batch normalisation, so its loops are compiled once, for the baseline. Each pass runs over blocks:
 *
 *   rows      Elements of one channel, side by side or copied together.
 *   columns   Where channels lie side by side, rows of `lanes` elements: those of one place, or of several when channels are few.
 *
 * A block's sums are rounded in the dtype, those over blocks in double. Blocks are cut by shape, never by threads.
 */
#include "algo/batch_norm.h"

#include <math.h>
#include <string.h>

#include "algo/places.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

enum {
    block_pixels = 64,     /* rows of a block of columns */
    wide = 64,             /* elements of a row of columns that are worth putting several places into one */
    task_elements = 16384, /* less is not worth a thread's while */
    vector_count = 4
};

typedef enum norm_pass {
    STATISTICS, /* mean and squared distances from it */
    APPLY,      /* y = (x - mean) * scale + shift */
    SUMS,       /* of gy, and of gy * (x - mean) */
    SPREAD      /* gx = scale * ((gy - shift) - (x - mean) * slope) */
} norm_pass;

typedef struct norm_job {
    const void *x, *gy;
    void *result;
    norm_pass pass;
    cx_places places;     /* of x, then of y or gy, then of gx */
    int64_t places_count; /* of one channel */
    int64_t channels, channel_stride[3];
    bool columns;
    cx_row_blocks rows;   /* rows */
    int64_t pixels, rest; /* columns: rows of `lanes` elements; elements of a last, shorter row, or 0 */
    int64_t lanes;        /* sums that a block makes beside one another: channel i % channels each */
    int64_t blocks;       /* of one channel, or of all of them side by side */
    int64_t units, least_units, task_units; /* what threads are given: a block of each channel; how many at once */
    void *vectors, *partial; /* mean, scale, shift, slope of each lane; two sums of each lane of each block */
    double *sums;            /* two of each channel */
} norm_job;

typedef struct column_block {
    int64_t first, last, width; /* rows [first, last) */
} column_block;

static column_block columns_of_block(const norm_job *job, int64_t block) {
    const int64_t first = block * block_pixels;
    if (job->rest && block == job->blocks - 1) return (column_block){job->pixels, job->pixels + 1, job->rest};
    return (column_block){first, cx_min(first + block_pixels, job->pixels), job->lanes};
}

/* How many lanes of a block have elements, and how many each. */
typedef struct lane_counts {
    int64_t lanes, count;
} lane_counts;

static lane_counts counts_of_block(const norm_job *job, int64_t block) {
    if (job->columns) {
        const column_block b = columns_of_block(job, block);
        return (lane_counts){b.width, b.last - b.first};
    }
    const cx_row_blocks *r = &job->rows;
    const int64_t start = block % r->segments * r->segment, first = block / r->segments * r->rows_per_block;
    const int64_t rows = cx_min(r->rows_per_block, r->rows - first);
    return (lane_counts){job->channels, rows * cx_min(r->row - start, r->segment)};
}

#define REAL    float
#define NAME(x) f32_##x
#define ROOT    sqrtf
#include "algo/batch_norm_loops.h"

#define REAL    double
#define NAME(x) f64_##x
#define ROOT    sqrt
#include "algo/batch_norm_loops.h"

static void cut_columns(norm_job *job, int tensors) {
    cx_places *p = &job->places;
    bool dense = p->rank == 1;
    for (int t = 0; t < tensors; ++t) dense = dense && p->stride[t][0] == job->channels;
    const int64_t together = dense ? cx_max(1, cx_min(wide / job->channels, p->count)) : 1;
    job->lanes = job->channels * together;
    job->pixels = p->count / together;
    job->rest = p->count % together * job->channels;
    for (int t = 0; t < tensors && together > 1; ++t) p->stride[t][0] *= together;
    job->blocks = cx_ceil_div(job->pixels, block_pixels) + (job->rest > 0);
    job->units = job->blocks;
    job->least_units = cx_ceil_div(task_elements, block_pixels * job->lanes);
}

static void cut_rows(norm_job *job) {
    job->rows = cx_row_blocks_of(&job->places);
    job->lanes = job->channels;
    job->blocks = job->rows.count;
    job->units = job->blocks * job->channels;
    job->least_units = cx_ceil_div(task_elements, job->rows.elements);
}

/* The walk over `tensors` tensors, of which there is at least one place, and its scratch, which is the caller's to release. */
static double *begin(const cx_batch_norm *norm, int tensors, norm_job *job) {
    const int64_t *const strides[] = {norm->x_strides, norm->y_strides, norm->grad_strides};
    job->places = cx_places_of(norm->sizes, tensors, strides);
    job->places_count = job->places.count;
    job->channels = norm->sizes[1];
    job->columns = job->channels > 1 && job->places.stride[0][job->places.rank - 1] != 1;
    for (int t = 0; t < tensors; ++t) {
        job->channel_stride[t] = strides[t][1];
        job->columns = job->columns && strides[t][1] == 1;
    }
    if (job->columns)
        cut_columns(job, tensors);
    else
        cut_rows(job);
    const int64_t size = (int64_t)cx_dtype_size(norm->dtype);
    const int64_t elements = (vector_count + 2 * job->blocks) * job->lanes;
    const size_t sums = cx_align_up(2 * (size_t)job->channels * sizeof(double)), reals = (size_t)(elements * size);
    job->sums = cx_scratch_acquire(sums + reals);
    if (!job->sums) return NULL;
    memset((char *)job->sums + sums, 0, (size_t)(vector_count * job->lanes * size));
    job->vectors = (char *)job->sums + sums;
    job->partial = (char *)job->vectors + vector_count * job->lanes * size;
    return job->sums;
}

static bool is_empty(const cx_batch_norm *norm) {
    return norm->sizes[0] == 0 || norm->sizes[2] == 0 || norm->sizes[3] == 0 || norm->sizes[4] == 0;
}

convx_status cx_batch_norm_forward(const cx_batch_norm *norm, const void *x, const void *weight, const void *bias,
                                   const void *mean, const void *variance, void *y) {
    norm_job job = {.x = x, .result = y};
    if (is_empty(norm)) return CONVX_OK;
    if (!begin(norm, 2, &job)) return CONVX_OUT_OF_MEMORY;
    if (norm->dtype == CONVX_FLOAT64)
        f64_forward(&job, norm->epsilon, weight, bias, mean, variance);
    else
        f32_forward(&job, norm->epsilon, weight, bias, mean, variance);
    cx_scratch_release(job.sums);
    return CONVX_OK;
}

convx_status cx_batch_norm_train(const cx_batch_norm *norm, const void *x, const void *weight, const void *bias,
                                 void *running_mean, void *running_variance, void *mean, void *inverse_std, void *y) {
    norm_job job = {.x = x, .result = y};
    const bool f64 = norm->dtype == CONVX_FLOAT64;
    if (is_empty(norm)) {
        const double inverse = 1 / sqrt(norm->epsilon);
        memset(mean, 0, (size_t)norm->sizes[1] * cx_dtype_size(norm->dtype));
        for (int64_t c = 0; c < norm->sizes[1]; ++c)
            if (f64)
                ((double *)inverse_std)[c] = inverse;
            else
                ((float *)inverse_std)[c] = (float)inverse;
        return CONVX_OK;
    }
    if (!begin(norm, 2, &job)) return CONVX_OUT_OF_MEMORY;
    if (f64)
        f64_train(&job, norm, weight, bias, running_mean, running_variance, mean, inverse_std);
    else
        f32_train(&job, norm, weight, bias, running_mean, running_variance, mean, inverse_std);
    cx_scratch_release(job.sums);
    return CONVX_OK;
}

convx_status cx_batch_norm_gradient(const cx_batch_norm *norm, const void *x, const void *weight, const void *mean,
                                    const void *inverse_std, const void *gy, void *gx, void *grad_weight,
                                    void *grad_bias) {
    norm_job job = {.x = x, .gy = gy, .result = gx};
    if (is_empty(norm)) {
        const size_t bytes = (size_t)norm->sizes[1] * cx_dtype_size(norm->dtype);
        if (grad_weight) memset(grad_weight, 0, bytes);
        if (grad_bias) memset(grad_bias, 0, bytes);
        return CONVX_OK;
    }
    if (!begin(norm, 3, &job)) return CONVX_OUT_OF_MEMORY;
    if (norm->dtype == CONVX_FLOAT64)
        f64_gradient(&job, weight, mean, inverse_std, grad_weight, grad_bias);
    else
        f32_gradient(&job, weight, mean, inverse_std, grad_weight, grad_bias);
    cx_scratch_release(job.sums);
    return CONVX_OK;
}
