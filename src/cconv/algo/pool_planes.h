/*
 * Pooling by one dimension after the other, in scratch memory of the size of a few rows.
 *
 * What is pooled is a stack of planes of rows. Where places of a row lie side by side, a plane is one channel; where channels
 * do, it is all of them, and `unit` elements belong to one place. Sums and maxima go down the columns first, straight from the
 * tensor, and then along the row. Tall windows and indices go along the rows first, for a strip of rows: columns of tall windows
 * take the same time for any height, and the first maximum of a window is that of its first row that has it.
 *
 * The gradient of averages is a sum over windows as well: those of the output places that a place of the input has fed.
 */
#ifndef CX_ALGO_POOL_PLANES_H
#define CX_ALGO_POOL_PLANES_H

#include "algo/pool.h"
#include "kernels/pool_kernels.h"

/* One tensor: strides of batch, planes, depth, rows, places. */
typedef struct cx_pool_side {
    void *data;
    int64_t strides[5];
    int64_t first, last; /* offsets that it reaches */
    bool dense;          /* rows have no gaps */
} cx_pool_side;

/* Windows of one dimension: those of a table, or where `sliding`, kernel taps from o * stride - pad on, inside or not. */
typedef struct cx_pool_axis {
    int64_t in, out;
    int64_t tap; /* places between two taps */
    bool sliding;
    int64_t kernel, stride, pad;
    int64_t
        spacing; /* of sliding windows along rows: zeros lie between the places of the input, which are so far apart */
    cx_window *windows;
    int64_t even_first, even_end; /* the longest middle part where `places` are those of the middle */
} cx_pool_axis;

typedef struct cx_pool_job {
    const cx_pool_kernels *kernels;
    cx_pool_op op;
    size_t size;
    int64_t batch, planes, unit;
    cx_pool_axis axis[3];
    bool divided;    /* by divisor, or by the places of the windows */
    int64_t divisor; /* or 0 */
    cx_pool_side from, to;
    cx_pool_side index; /* of int64_t; data NULL: none wanted */
    /* Instead of a result: values of `grad` are added to the places of `to` that the indices name. Same shape as the result. */
    bool scatters;
    cx_pool_side grad;
} cx_pool_job;

/* CONVX_OK or CONVX_OUT_OF_MEMORY. */
convx_status cx_pool_planes(cx_pool_job *job);

/*
 * The same for planes of single places, one after another in every tensor, whose windows share few places: a few planes at a time
 * are transposed, block by block, so that their places are vectors. Windows along rows as tables, without spacing.
 */
bool cx_pool_in_groups(const cx_pool_job *job);
convx_status cx_pool_groups(const cx_pool_job *job);

/* Whether windows along rows are side by side, of 2, 4, 8 ... places. */
static inline bool cx_pool_folds(const cx_pool_job *job) {
    const cx_pool_axis *a = &job->axis[2];
    return a->sliding && job->unit == 1 && job->op != CX_POOL_ARGMAX && a->tap == 1 && a->spacing == 1 &&
           a->kernel == a->stride && a->kernel > 1 && (a->kernel & (a->kernel - 1)) == 0;
}

/* Whether each place of a row goes to as many places of the result as the spacing says. */
static inline bool cx_pool_repeats(const cx_pool_job *job) {
    const cx_pool_axis *a = &job->axis[2];
    return a->spacing > 1 && a->kernel == a->spacing && a->tap == 1;
}

/* Planes that go together, at least: they do not depend on the batch, if a vector is full without. */
static inline int64_t cx_pool_group(const cx_pool_job *job) {
    const int64_t lanes = job->kernels->lanes, planes = job->planes < lanes ? job->batch * job->planes : job->planes;
    return planes < 2 * lanes ? lanes : 2 * lanes;
}

/* The windows of one row of results, of a plane with these strides of depth, rows, places; where to is left open. */
cx_pool_places cx_pool_row(const cx_pool_job *job, const void *plane, const int64_t strides[3], int64_t d, int64_t h);

#endif
