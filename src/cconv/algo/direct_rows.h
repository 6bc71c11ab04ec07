/*
 * Source rows for the planar stencil. A pass is cut into units: a block of result rows by a segment of result
 * columns, of one channel group, image and depth. For a unit, a table of row pointers is made: a source row is read
 * in place where the segment needs neither padding nor a step, and copied into a row buffer (stencil_rows.h)
 * otherwise.
 */
#ifndef CX_ALGO_DIRECT_ROWS_H
#define CX_ALGO_DIRECT_ROWS_H

#include "base/correlation.h"
#include "kernels/kernels.h"

/*
 * How a pass is cut: by shape and kernel table only, but for the height of joined rows. One blocking serves all stride
 * phases of an input gradient: it is made for the largest of them.
 */
typedef struct cx_blocking {
    int64_t channels;       /* result channels at a time */
    int64_t planes;         /* (source channel, depth tap) pairs at a time */
    int64_t taps_h, taps_w; /* taps at a time */
    int64_t height;         /* result rows of a unit */
    int64_t width;          /* result columns of a segment, when read in place */
    int64_t copied_width;   /* and when copied */
    bool in_place;          /* where possible */
    bool whole;             /* one pass over the taps does: nothing is accumulated in memory */
    bool tile;              /* results go through a tile in scratch */
    bool joined;            /* rows follow each other without gaps in the row buffers: a block of them is one line */
    int64_t phases, pitch;  /* of a row buffer: elements from phase to phase */
    int64_t slot, slots;    /* elements of a row buffer, and how many there are */
    int64_t table;          /* row pointers */
    int64_t zeros;          /* elements of the row of zeros */
} cx_blocking;

/*
 * `channels`: result channels of a group; `planes`: ci * taps[0], or 1 for a caller that takes one at a time; `tile`:
 * results need a tile anyway; `units`: how many joined rows should leave, 0 for a caller that cannot join them. The
 * correlation is one of cx_correlation_get_ascending.
 */
void cx_blocking_make(const cx_correlation *largest, const cx_kernels *kernels, int64_t channels, int64_t planes,
                      bool tile, int64_t units, cx_blocking *blocking);

/* How the columns of one correlation are cut: [0, left) copied, [left, left + inside) in place, the rest copied. */
typedef struct cx_segments {
    int64_t left, inside, count;
    int64_t left_count, inside_count;
} cx_segments;

typedef struct cx_segment {
    int64_t first, width;
    bool in_place;
} cx_segment;

cx_segments cx_segments_make(const cx_correlation *c, const cx_blocking *b, int lanes);
void cx_segment_make(const cx_correlation *c, const cx_blocking *b, const cx_segments *s, int64_t index,
                     cx_segment *segment);

/* Columns of taps 0 .. blocking->taps_w - 1 in a row buffer. */
void cx_tap_offsets(const cx_correlation *c, const cx_blocking *b, int64_t *offsets);

/* What a thread needs for its rows. */
typedef struct cx_row_scratch {
    const void **table;
    cx_stencil_phase *phases;
    void *zeros;
    void *slots;
} cx_row_scratch;

size_t cx_row_scratch_bytes(const cx_blocking *b, size_t size);
/* Carves it out of `memory` and clears the row of zeros. Returns what follows. */
char *cx_row_scratch_make(const cx_blocking *b, size_t size, char *memory, cx_row_scratch *scratch);

/* A part of the taps, and of the result. */
typedef struct cx_row_range {
    int64_t plane, planes; /* first (source channel * taps[0] + depth tap), and how many */
    int64_t th, taps_h, tw;
    int64_t depth, row, rows; /* of the result */
} cx_row_range;

/* How rows lie in the table: that of plane p, result row r and tap th is [p * plane + r * row_step + th * tap_row]. */
typedef struct cx_row_table {
    int64_t plane, row_step, tap_row;
} cx_row_table;

/* `source`: the first channel of the group in the image. */
void cx_rows_gather(const cx_correlation *c, const cx_kernels *kernels, const cx_blocking *b, const void *source,
                    const cx_row_range *range, const cx_segment *segment, const cx_row_scratch *scratch,
                    cx_row_table *table);

#endif
