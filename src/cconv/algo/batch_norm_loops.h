/*
 * Template: batch normalisation of one element type.
 *
 * Parameters
 *   REAL     float or double
 *   NAME(x)  the name of a function for this REAL
 *   ROOT     its square root
 */
#include "algo/pairwise_loops.h"
#include "algo/row_blocks_loops.h"

/* A partial sum of a block: kind 0 or 1, of one lane. */
static REAL *NAME(partial)(const norm_job *job, int64_t block, int kind) {
    return (REAL *)job->partial + (block * 2 + kind) * job->lanes;
}

/* ---- Rows: a block's elements are of one channel ---------------------------------------------------------------- */

static void NAME(row_unit)(const norm_job *job, int64_t unit) {
    REAL rooms[3][cx_block_elements];
    const int64_t channel = unit % job->channels, block = unit / job->channels;
    const REAL *const vectors = job->vectors;
    const REAL mean = vectors[channel], scale = vectors[job->lanes + channel];
    const REAL shift = vectors[2 * job->lanes + channel], slope = vectors[3 * job->lanes + channel];
    const REAL *source = (const REAL *)job->x + channel * job->channel_stride[0];
    int64_t n;
    const REAL *x = NAME(read_block)(&job->places, &job->rows, 0, source, block, rooms[0], &n);
    const REAL *gy = rooms[1];
    if (job->pass == SUMS || job->pass == SPREAD) {
        source = (const REAL *)job->gy + channel * job->channel_stride[1];
        gy = NAME(read_block)(&job->places, &job->rows, 1, source, block, rooms[1], &n);
    }
    if (job->pass == STATISTICS) {
        const REAL middle = NAME(pairwise)(x, n) / (REAL)n;
        for (int64_t i = 0; i < n; ++i) rooms[2][i] = (x[i] - middle) * (x[i] - middle);
        NAME(partial)(job, block, 0)[channel] = middle;
        NAME(partial)(job, block, 1)[channel] = NAME(pairwise)(rooms[2], n);
    } else if (job->pass == SUMS) {
        for (int64_t i = 0; i < n; ++i) rooms[2][i] = gy[i] * (x[i] - mean);
        NAME(partial)(job, block, 0)[channel] = NAME(pairwise)(gy, n);
        NAME(partial)(job, block, 1)[channel] = NAME(pairwise)(rooms[2], n);
    } else {
        const int tensor = job->pass == APPLY ? 1 : 2;
        REAL *target = (REAL *)job->result + channel * job->channel_stride[tensor];
        REAL *result = NAME(block_result)(&job->places, &job->rows, tensor, target, block, rooms[2]);
        if (job->pass == APPLY)
            for (int64_t i = 0; i < n; ++i) result[i] = (x[i] - mean) * scale + shift;
        else
            for (int64_t i = 0; i < n; ++i) result[i] = scale * ((gy[i] - shift) - (x[i] - mean) * slope);
        NAME(write_block)(&job->places, &job->rows, tensor, target, block, rooms[2]);
    }
}

/* ---- Columns: channels lie side by side ------------------------------------------------------------------------- */

static void NAME(column_unit)(const norm_job *job, int64_t block) {
    const column_block b = columns_of_block(job, block);
    const int rank = job->places.rank;
    const REAL *restrict mean = job->vectors;
    const REAL *restrict scale = mean + job->lanes, *restrict shift = scale + job->lanes;
    const REAL *restrict slope = shift + job->lanes;
    REAL *restrict zero = NAME(partial)(job, block, 0), *restrict one = NAME(partial)(job, block, 1);
    if (job->pass == STATISTICS || job->pass == SUMS)
        for (int64_t i = 0; i < job->lanes; ++i) zero[i] = one[i] = 0;
    for (int64_t r = b.first; r < b.last; ++r) {
        const REAL *x = (const REAL *)job->x + cx_places_offset(&job->places, 0, rank, r);
        const int64_t beside = cx_places_offset(&job->places, 1, rank, r);
        if (job->pass == STATISTICS) {
            for (int64_t i = 0; i < b.width; ++i) zero[i] += x[i];
        } else if (job->pass == SUMS) {
            const REAL *gy = (const REAL *)job->gy + beside;
            for (int64_t i = 0; i < b.width; ++i) {
                zero[i] += gy[i];
                one[i] += gy[i] * (x[i] - mean[i]);
            }
        } else if (job->pass == APPLY) {
            REAL *restrict y = (REAL *)job->result + beside;
            for (int64_t i = 0; i < b.width; ++i) y[i] = (x[i] - mean[i]) * scale[i] + shift[i];
        } else {
            const REAL *gy = (const REAL *)job->gy + beside;
            REAL *restrict gx = (REAL *)job->result + cx_places_offset(&job->places, 2, rank, r);
            for (int64_t i = 0; i < b.width; ++i) gx[i] = scale[i] * ((gy[i] - shift[i]) - (x[i] - mean[i]) * slope[i]);
        }
    }
    if (job->pass != STATISTICS) return;
    for (int64_t i = 0; i < b.width; ++i) zero[i] /= (REAL)(b.last - b.first);
    for (int64_t r = b.first; r < b.last; ++r) {
        const REAL *x = (const REAL *)job->x + cx_places_offset(&job->places, 0, rank, r);
        for (int64_t i = 0; i < b.width; ++i) one[i] += (x[i] - zero[i]) * (x[i] - zero[i]);
    }
}

static void NAME(task)(void *context, int64_t index, int worker) {
    const norm_job *job = context;
    const int64_t first = index * job->task_units, last = cx_min(first + job->task_units, job->units);
    (void)worker;
    for (int64_t i = first; i < last; ++i)
        if (job->columns)
            NAME(column_unit)(job, i);
        else
            NAME(row_unit)(job, i);
}

static void NAME(run)(norm_job *job, norm_pass pass) {
    job->pass = pass;
    const int threads = job->units > job->least_units ? cx_threads_get() : 1;
    job->task_units = cx_long_task(job->units, job->least_units, threads);
    cx_parallel_for(cx_ceil_div(job->units, job->task_units), threads, NAME(task), job);
}

/* ---- From partial sums to channels ------------------------------------------------------------------------------ */

/* sums[kind][channel] of the blocks' sums. */
static void NAME(add_up)(const norm_job *job) {
    for (int64_t c = 0; c < 2 * job->channels; ++c) job->sums[c] = 0;
    for (int64_t b = 0; b < job->blocks; ++b)
        for (int kind = 0; kind < 2; ++kind) {
            const REAL *part = NAME(partial)(job, b, kind);
            double *sum = job->sums + kind * job->channels;
            for (int64_t i = 0; i < job->lanes; ++i) sum[i % job->channels] += (double)part[i];
        }
}

/* sums[0]: the means; sums[1]: the squared distances from them, added up. From the same of each block. */
static void NAME(add_up_statistics)(const norm_job *job) {
    double *mean = job->sums, *square = job->sums + job->channels;
    for (int64_t c = 0; c < 2 * job->channels; ++c) job->sums[c] = 0;
    for (int64_t b = 0; b < job->blocks; ++b) {
        const REAL *part = NAME(partial)(job, b, 0);
        const lane_counts counts = counts_of_block(job, b);
        for (int64_t i = 0; i < counts.lanes; ++i)
            mean[i % job->channels] += (double)counts.count * (double)part[i] / (double)job->places_count;
    }
    for (int64_t b = 0; b < job->blocks; ++b) {
        const REAL *part = NAME(partial)(job, b, 0), *within = NAME(partial)(job, b, 1);
        const lane_counts counts = counts_of_block(job, b);
        for (int64_t i = 0; i < counts.lanes; ++i) {
            const double away = (double)part[i] - mean[i % job->channels];
            square[i % job->channels] += (double)within[i] + (double)counts.count * away * away;
        }
    }
}

/* Lanes beyond the channels repeat them. */
static void NAME(spread_vectors)(const norm_job *job) {
    REAL *vectors = job->vectors;
    for (int v = 0; v < 4; ++v)
        for (int64_t i = job->channels; i < job->lanes; ++i)
            vectors[v * job->lanes + i] = vectors[v * job->lanes + i - job->channels];
}

/* ---- The three calls -------------------------------------------------------------------------------------------- */

static void NAME(apply)(norm_job *job, const REAL *weight, const REAL *bias) {
    REAL *scale = (REAL *)job->vectors + job->lanes, *shift = scale + job->lanes;
    for (int64_t c = 0; c < job->channels; ++c) {
        if (weight) scale[c] *= weight[c];
        shift[c] = bias ? bias[c] : 0;
    }
    NAME(spread_vectors)(job);
    NAME(run)(job, APPLY);
}

static void NAME(forward)(norm_job *job, double epsilon, const REAL *weight, const REAL *bias, const REAL *mean,
                          const REAL *variance) {
    REAL *vectors = job->vectors;
    for (int64_t c = 0; c < job->channels; ++c) {
        vectors[c] = mean[c];
        vectors[job->lanes + c] = 1 / ROOT(variance[c] + (REAL)epsilon);
    }
    NAME(apply)(job, weight, bias);
}

static void NAME(train)(norm_job *job, const cx_batch_norm *norm, const REAL *weight, const REAL *bias,
                        REAL *running_mean, REAL *running_variance, REAL *mean, REAL *inverse_std) {
    REAL *vectors = job->vectors;
    NAME(run)(job, STATISTICS);
    NAME(add_up_statistics)(job);
    const double count = (double)job->places_count;
    for (int64_t c = 0; c < job->channels; ++c) {
        const double square = job->sums[job->channels + c];
        mean[c] = vectors[c] = (REAL)job->sums[c];
        inverse_std[c] = vectors[job->lanes + c] = (REAL)(1 / sqrt(square / count + norm->epsilon));
        if (!running_mean) continue;
        running_mean[c] = (REAL)((1 - norm->momentum) * (double)running_mean[c] + norm->momentum * job->sums[c]);
        running_variance[c] =
            (REAL)((1 - norm->momentum) * (double)running_variance[c] + norm->momentum * square / (count - 1));
    }
    NAME(apply)(job, weight, bias);
}

static void NAME(gradient)(norm_job *job, const REAL *weight, const REAL *mean, const REAL *inverse_std,
                           REAL *grad_weight, REAL *grad_bias) {
    REAL *vectors = job->vectors;
    for (int64_t c = 0; c < job->channels; ++c) vectors[c] = mean[c];
    NAME(spread_vectors)(job);
    NAME(run)(job, SUMS);
    NAME(add_up)(job);
    const double count = (double)job->places_count;
    for (int64_t c = 0; c < job->channels; ++c) {
        const double sum = job->sums[c], product = job->sums[job->channels + c], deviation = (double)inverse_std[c];
        if (grad_weight) grad_weight[c] = (REAL)(product * deviation);
        if (grad_bias) grad_bias[c] = (REAL)sum;
        vectors[job->lanes + c] = inverse_std[c] * (weight ? weight[c] : 1);
        vectors[2 * job->lanes + c] = (REAL)(sum / count);
        vectors[3 * job->lanes + c] = (REAL)(product * deviation * deviation / count);
    }
    NAME(spread_vectors)(job);
    NAME(run)(job, SPREAD);
}

#undef REAL
#undef NAME
#undef ROOT
