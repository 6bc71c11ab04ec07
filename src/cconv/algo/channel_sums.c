/*
 * Memory decides the speed of a sum, so these loops are compiled once, for the baseline: its vectors keep up with it.
 *
 *   rows      Where elements of one channel lie in long rows, each block of a row gives one partial sum.
 *   gathered  Short or strided rows are first copied together, in the order of memory.
 *   columns   Where channels lie side by side, each block of pixels gives one partial sum a channel.
 * The partial sums are then added pairwise.
 */
#include "algo/channel_sums.h"

#include <string.h>

#include "algo/places.h"
#include "base/memory.h"
#include "base/threads.h"

enum {
    block_pixels = 64,    /* of a block of columns */
    task_elements = 16384 /* less is not worth a thread's while */
};

typedef struct sum_job {
    const void *data;
    void *partial;
    cx_places space;
    int64_t channels, channel_stride;
    cx_row_blocks rows;
    int64_t blocks; /* partial sums a channel */
    int64_t task_blocks;
} sum_job;

#define REAL    float
#define NAME(x) f32_##x
#include "algo/channel_sums_loops.h"

#define REAL    double
#define NAME(x) f64_##x
#include "algo/channel_sums_loops.h"

convx_status cx_channel_sums(convx_dtype dtype, const int64_t sizes[5], const int64_t strides[5], const void *data,
                             void *sums) {
    const bool wide = dtype == CONVX_FLOAT64;
    sum_job job = {
        .data = data, .space = cx_places_of(sizes, 1, &strides), .channels = sizes[1], .channel_stride = strides[1]};
    if (job.space.count == 0) {
        memset(sums, 0, (size_t)sizes[1] * cx_dtype_size(dtype));
        return CONVX_OK;
    }
    const int inner = job.space.rank - 1;
    const bool columns = job.channels > 1 && job.channel_stride == 1 && job.space.stride[0][inner] != 1;
    if (columns && inner == 0 && job.channels <= 32 && job.space.stride[0][0] == job.channels &&
        job.space.count >= 2 * block_pixels)
        return wide ? f64_dense_columns(&job, sums) : f32_dense_columns(&job, sums);
    return wide ? f64_sums(&job, columns, sums) : f32_sums(&job, columns, sums);
}
