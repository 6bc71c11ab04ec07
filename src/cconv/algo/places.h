/*
 * The places of a channel - batch and space - of one tensor, or of several that are walked together, and how they are cut into
 * blocks. Cuts follow from sizes and strides alone, so that what is summed by blocks has the same bits with any threads.
 */
#ifndef CX_ALGO_PLACES_H
#define CX_ALGO_PLACES_H

#include <stdint.h>

enum {
    cx_places_tensors = 3,   /* walked together at most */
    cx_block_elements = 4096 /* of a block of rows at most: its copy fits the first-level cache */
};

/* Dimensions, outermost first by the strides of the first tensor, merged where the memory of all tensors allows it. */
typedef struct cx_places {
    int rank; /* at least 1 */
    int64_t size[4], stride[cx_places_tensors][4];
    int64_t count;
} cx_places;

/* sizes and strides[tensor] of (batch, channel, depth, height, width). */
cx_places cx_places_of(const int64_t sizes[5], int tensors, const int64_t *const strides[]);

/* A tensor's offset at the index-th place, counting over the first `rank` dimensions. */
static inline int64_t cx_places_offset(const cx_places *p, int tensor, int rank, int64_t index) {
    int64_t offset = 0;
    for (int d = rank - 1; d > 0; --d) {
        offset += index % p->size[d] * p->stride[tensor][d];
        index /= p->size[d];
    }
    return rank > 0 ? offset + index * p->stride[tensor][0] : 0;
}

/* The innermost dimension makes rows. A block is several short rows, or a segment of a long one. */
typedef struct cx_row_blocks {
    int64_t row, rows, segment, segments, rows_per_block;
    int64_t count;    /* of blocks */
    int64_t elements; /* of a block at most */
} cx_row_blocks;

cx_row_blocks cx_row_blocks_of(const cx_places *p);

#endif
