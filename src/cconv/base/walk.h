/*
 * A walk over the elements of several tensors of one shape, of any number of dimensions. Dimensions are put in the order of
 * the first tensor's memory (the one that is written), turned so that its strides are positive, and merged where all tensors
 * allow it. Elements then have an index, in [0, count).
 */
#ifndef CX_BASE_WALK_H
#define CX_BASE_WALK_H

#include "base/conv.h"

#define CX_MAX_DIMENSIONS 64
#define CX_WALK_TENSORS   4

typedef struct cx_walk {
    int rank; /* at least 1, if count is not 0 */
    int tensors;
    int64_t count;
    int64_t size[CX_MAX_DIMENSIONS];
    int64_t stride[CX_WALK_TENSORS][CX_MAX_DIMENSIONS];
    int64_t first[CX_WALK_TENSORS]; /* the offset of element 0 */
} cx_walk;

/* Checks sizes and strides; without dimensions there is one element. `without` is a dimension to leave out, or -1. */
convx_status cx_walk_begin(cx_walk *walk, size_t element, int ndim, const int64_t *sizes, int without, int tensors,
                           const int64_t *const strides[]);

/* The offset of an element in one of the tensors. */
int64_t cx_walk_offset(const cx_walk *walk, int tensor, int64_t index);

/* Whether the elements of a tensor lie one after the other, in the order of the walk. */
bool cx_walk_dense(const cx_walk *walk, int tensor);

/* `n` elements of a tensor from `index` on, copied to contiguous memory, or from there. */
void cx_walk_gather(const cx_walk *walk, int tensor, const void *data, size_t element, int64_t index, int64_t n,
                    void *to);
void cx_walk_scatter(const cx_walk *walk, int tensor, void *data, size_t element, int64_t index, int64_t n,
                     const void *from);

/*
 * Whether writing the first of `tensors` tensors, given as they came from the caller, could disturb another element of it or
 * the reading of the others. One that lies in exactly the same places is no trouble. Pointers may be NULL: not there.
 */
bool cx_writing_disturbs(size_t element, int ndim, const int64_t *sizes, int tensors, const int64_t *const strides[],
                         const void *const data[]);

#endif
