/*
 * Planes read where they lie, for kernels that mask what vectors read beyond a row's ends: tables of row pointers.
 * A row whose neighbourhood leaves the caller's tensor, or lies in a gap of it, is copied into a slot instead.
 */
#ifndef CX_ALGO_DIRECT_PLANES_H
#define CX_ALGO_DIRECT_PLANES_H

#include "base/correlation.h"
#include "kernels/kernels.h"

#define CX_PLANE_TAPS 32 /* most taps of a dimension */

/* How the rows of a tensor's planes are read. */
typedef struct cx_plane_rows {
    cx_strides strides;
    int64_t planes[2]; /* batch and channels */
    int64_t extent[3];
    int64_t step, pad;    /* of rows: result row r, tap row th reads row r * step - pad + th */
    int64_t first, reach; /* columns [first, first + reach) of a row may be read; the row has [0, extent[2]) */
    int dense;            /* how many of row, depth, channel, batch follow one behind the other, or 0 */
    int64_t chunk;        /* elements that lie together */
    int64_t slots, slot;  /* rows that may need a copy at a time, and elements of a copy */
    size_t size;
} cx_plane_rows;

/* `count`: most rows of a table. False where columns are apart. */
bool cx_plane_rows_make(cx_plane_rows *rows, convx_dtype dtype, int64_t count);

/*
 * Rows of plane (image, channel, depth), counted with their padding: [first, first + count) into the table, and what to
 * add to each of them for the next channel. Returns for how many channels, this one included, that is enough.
 */
int64_t cx_plane_rows_point(const cx_plane_rows *rows, const void *tensor, const int64_t plane[3], int64_t first,
                            int64_t count, const void *zeros, void *slots, const void **table, int64_t *advance);

/*
 * Under a kernel of one row, short rows that lie one behind the other, of a plane or of all depths, become one row, so that vectors
 * are full. Returns how many columns they had, or 0 where nothing was done.
 */
int64_t cx_plane_rows_join(cx_correlation *c, int lanes);

/* Vectors of columns: sets left and right. */
void cx_columns_cut(cx_stencil_columns *columns, int lanes);
size_t cx_columns_masks_bytes(const cx_stencil_columns *columns, int lanes, size_t size);
/* Elements that the kernels read of a row, from column `origin` on. */
int64_t cx_columns_reach(const cx_stencil_columns *columns, int lanes);

#endif
