/*
 * Memory decides the speed of a sum, so these loops are compiled once, for the baseline: its vectors keep up with it.
 *
 *   rows      Where elements of one channel lie in long rows, each block of a row gives one partial sum.
 *   gathered  Short or strided rows are first copied together, in the order of memory.
 *   columns   Where channels lie side by side, each block of pixels gives one partial sum a channel.
 * The partial sums are then added pairwise.
 */
#include "algo/channel_sums.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

enum {
    block_elements = 4096, /* of a block of rows: its copy fits the first-level cache */
    long_row = 256,        /* shorter rows are gathered */
    block_pixels = 64,     /* of a block of columns */
    task_elements = 16384  /* less is not worth a thread's while */
};

/* The dimensions summed over, outermost first, merged where memory allows it. */
typedef struct summed {
    int rank;
    int64_t size[4], stride[4];
    int64_t count;
} summed;

typedef struct sum_job {
    const void *data;
    void *partial;
    summed space;
    int64_t channels, channel_stride;
    int64_t rows, row, segment, segments, rows_per_block; /* rows: `rows` of `row` elements, cut in segments */
    int64_t blocks;                                       /* partial sums a channel */
    int64_t task_blocks;
} sum_job;

static summed summed_dimensions(const int64_t sizes[5], const int64_t strides[5]) {
    summed s = {0, {0}, {0}, 1};
    static const int order[4] = {0, 2, 3, 4};
    for (int i = 0; i < 4; ++i) {
        const int64_t size = sizes[order[i]], stride = strides[order[i]];
        s.count *= size;
        if (size == 1) continue;
        int at = s.rank++;
        for (; at > 0 && llabs(s.stride[at - 1]) < llabs(stride); --at) {
            s.size[at] = s.size[at - 1];
            s.stride[at] = s.stride[at - 1];
        }
        s.size[at] = size;
        s.stride[at] = stride;
    }
    if (s.rank == 0) s = (summed){1, {1}, {0}, s.count};
    int kept = 0;
    for (int i = 1; i < s.rank; ++i) {
        if (s.stride[kept] == s.stride[i] * s.size[i]) {
            s.size[kept] *= s.size[i];
            s.stride[kept] = s.stride[i];
        } else {
            ++kept;
            s.size[kept] = s.size[i];
            s.stride[kept] = s.stride[i];
        }
    }
    s.rank = kept + 1;
    return s;
}

/* The offset of the index-th place, counting over the first `rank` dimensions. */
static int64_t offset_of(const summed *s, int rank, int64_t index) {
    int64_t offset = 0;
    for (int d = rank - 1; d >= 0; --d) {
        offset += index % s->size[d] * s->stride[d];
        index /= s->size[d];
    }
    return offset;
}

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
        .data = data, .space = summed_dimensions(sizes, strides), .channels = sizes[1], .channel_stride = strides[1]};
    if (job.space.count == 0) {
        memset(sums, 0, (size_t)sizes[1] * cx_dtype_size(dtype));
        return CONVX_OK;
    }
    const int inner = job.space.rank - 1;
    const bool columns = job.channels > 1 && job.channel_stride == 1 && job.space.stride[inner] != 1;
    if (columns && inner == 0 && job.channels <= 32 && job.space.stride[0] == job.channels &&
        job.space.count >= 2 * block_pixels)
        return wide ? f64_dense_columns(&job, sums) : f32_dense_columns(&job, sums);
    return wide ? f64_sums(&job, columns, sums) : f32_sums(&job, columns, sums);
}
