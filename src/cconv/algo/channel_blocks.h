/*
 * Blocks of channels, copied side by side. Where channels are contiguous, pixels often lie a multiple of some hundred
 * bytes apart, so that they share few sets of the first-level cache and push each other out. Direct algorithms that read
 * a pixel for many taps then copy a block of channels of some rows first.
 */
#ifndef CX_ALGO_CHANNEL_BLOCKS_H
#define CX_ALGO_CHANNEL_BLOCKS_H

#include "base/correlation.h"

/* Rows of results, and the channels of a block: none where there is nothing to gain, or other than zeros are padded. */
typedef struct cx_channel_blocks {
    int64_t channels;
    int64_t height;      /* result rows that a copy serves */
    int64_t source_rows; /* and what they read, at most */
} cx_channel_blocks;

/* `lines`: of the cache that the kernel wants to find again; `all`: channels, which whole blocks must make up. */
cx_channel_blocks cx_channel_blocks_make(const cx_correlation *c, int64_t lines, int64_t all);

size_t cx_channel_blocks_bytes(const cx_channel_blocks *b, const cx_correlation *c);

/*
 * Copies what result rows [row, row + rows) of one depth read. `source`: the block's first channel in the image. Returns
 * the correlation that reads the copy, and in `base` what it calls the source.
 */
cx_correlation cx_channel_blocks_copy(const cx_channel_blocks *b, const cx_correlation *c, const void *source,
                                      int64_t depth, int64_t row, int64_t rows, void *slots, const void **base);

/* `count` places, `stride` bytes apart, of so many bytes each. */
void cx_channel_blocks_copy_places(void *to, const void *from, int64_t count, int64_t stride, size_t bytes);

#endif
