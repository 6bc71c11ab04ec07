/* The stencil part of a kernel table: arguments of the kernels in stencil_*.h. Pointers are to the table's elements. */
#ifndef CX_KERNELS_STENCIL_KERNELS_H
#define CX_KERNELS_STENCIL_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "include/convx.h"

/* One phase of a row buffer: lane q holds source column first + q * step; lanes in [begin, end) lie inside the
 * source. */
typedef struct cx_stencil_phase {
    int64_t first, begin, end;
} cx_stencil_phase;

/* How a source row becomes a row buffer: padded, contiguous, and split by the column modulo the step. */
typedef struct cx_stencil_fill {
    convx_padding_mode mode;
    int64_t extent, stride; /* of the source row */
    int64_t step;
    int64_t lanes;         /* to fill in each phase; up to a vector more may be overwritten */
    int64_t phases, pitch; /* elements from one phase to the next */
    const cx_stencil_phase *phase;
    bool zeros; /* rows of zeros become buffers, too */
} cx_stencil_fill;

/*
 * Planar stencil, vectors along the width:
 *   out[o][r][j] = start[o] + sum over planes p, th, tw of weights[p][th][tw][o] * row(p, r, th)[j + offset[tw]]
 * where row(p, r, th) = rows[p * plane_rows + r * row_step + th * tap_row]. Every element is the same sequence of
 * multiply-adds (p, th, tw ascending) whatever its place. Rows are not read beyond width - 1 + the largest offset.
 */
typedef struct cx_stencil_planar {
    const void *const *rows;
    int64_t planes, plane_rows, row_step, tap_row;
    int64_t taps_h, taps_w;
    const int64_t *offset;
    const void *weights;
    int64_t channels; /* 1 to CX_STENCIL_CHANNELS */
    void *out;
    int64_t out_row, out_channel; /* strides; columns are contiguous */
    int64_t height, width;        /* width: at least a vector */
    const void *start; /* one a channel; NULL: go on from what out holds (width is then a multiple of the vector) */
} cx_stencil_planar;

#define CX_STENCIL_CHANNELS 6

/*
 * Weight gradient of a block of taps, as vectors of partial sums, for some channels of the gradient of the result:
 *   sums[o][th][tw][lane] += sum over r, j of y_rows[o * height + r][j] * x(r, th, tw)[j + offset[tw]]
 * where x(r, th, tw) = x_rows[r * row_step + th * tap_row + tw * tap_plane] and the lane is one that depends on j and
 * the width alone. Of rows that are shorter than a vector, whole ones are read: what is there does not matter.
 * tap_plane: nonzero only for a single row of taps, which then are those of several source planes.
 */
typedef struct cx_stencil_outer {
    const void *const *x_rows;
    const void *const *y_rows;
    int64_t row_step, tap_row, tap_plane;
    int64_t height, width;
    const int64_t *offset;
    int64_t channels, taps_h, taps_w; /* any: cut into register blocks inside */
    bool apart;                       /* each row of taps alone, even if row_step == tap_row */
    void *sums;
} cx_stencil_outer;

/*
 * Vectors along the channels, in groups of `group` channels each, which divides the vector. Pixel pointers say where channel 0
 * of each (padded) source pixel lies:
 *   out[j][c] = start[c] + sum over rows, tw, i < group of
 *                   weights[row][tw][i][c] * pixels[row * row_pixels + j * step + tw * tap][c / group * group + i]
 * and, for the weight gradient (of groups of one), with slots = channels rounded up to whole vectors,
 *   sums[row][tw][slot] += sum over j of y[j][c] * pixels[...][c]
 * where slot = c, but for the channels of the last vector: when channels is no multiple of a vector, that one begins at
 * channel channels - lanes and at slot slots - lanes.
 */
typedef struct cx_stencil_channels {
    const void *const *pixels;
    int64_t rows, row_pixels, step, tap, taps_w;
    int64_t width, channels; /* channels: at least a vector */
    int64_t group;
    const void *weights;
    const void *start; /* NULL: zeros */
    void *out;
    int64_t out_pixel, out_row;
    bool pair; /* two rows of results, the second a row of pixels later: see cx_stencil_channels_pair */
    const void *y;
    int64_t y_pixel;
    void *sums;
} cx_stencil_channels;

/* Whether two rows of results can be had at once: 3x3 taps side by side at a stride of 1, and four columns of results. */
static inline bool cx_stencil_channels_pair(const cx_stencil_channels *s) {
    return s->group == 1 && s->rows == 3 && s->taps_w == 3 && s->tap == 1 && s->step == 1 && s->width >= 4;
}

/*
 * Columns of a plane of results, in vectors: the k-th begins at column k * lanes, or at width - lanes if it would end
 * beyond the width, or at 0 if there is not even one. Result column j reads source columns j * step + origin + tap,
 * where those outside [0, extent) are zeros. Vectors [left, right) read inside only; the others go through masks.
 * Or rows of `joined` columns side by side are taken as one, each of which reads itself only: then extent is theirs, and all
 * vectors go through masks.
 */
typedef struct cx_stencil_columns {
    int64_t width, origin, extent;
    int64_t joined;     /* 0: there is but one row */
    int64_t step, taps; /* step: 1 or 2 */
    int64_t left, right;
    bool once; /* each column counts once: in the last vector, not those that the one before it has */
} cx_stencil_columns;

/*
 * A block of rows of a plane:
 *   out[r][j] = start + sum over th, tw of weights[th][tw] * rows[r * step + th][j * columns->step + tw]
 * in the order of the taps; then of the planes after it: row pointers go on by `advance` (bytes, one a row), the others
 * by their strides. Row pointers are to column `origin`, which may lie before the row; whole vectors are read (two of
 * them where columns->step is 2), and what is outside the source's columns may hold anything.
 */
typedef struct cx_stencil_plane {
    const cx_stencil_columns *columns;
    const void *masks;
    const void **rows; /* (height - 1) * step + taps_h; not preserved */
    const int64_t *advance;
    int64_t planes;
    int64_t taps_h, step; /* of rows: 1 or 2 */
    const void *weights, *start;
    int64_t weights_plane, weights_row, weights_column, start_plane; /* strides */
    void *out;
    int64_t out_plane, out_row, height;
    /* Rows lie one behind the other: what lies before the last one's end may be written in any order. */
    bool out_dense;
} cx_stencil_plane;

/*
 * Weight gradient of the same, as vectors of partial sums:
 *   sums[th][tw][lane] += sum over r, vectors k of y_rows[r][j] * x_rows[r * step + th][j * columns->step + tw]
 * where j is the lane's column of vector k; columns->once is set. The sums of the planes follow each other.
 */
typedef struct cx_stencil_plane_outer {
    const cx_stencil_columns *columns;
    const void *masks;
    const void **x_rows, **y_rows; /* not preserved */
    const int64_t *x_advance, *y_advance;
    int64_t planes, height;
    int64_t taps_h, step;
    void *sums;
} cx_stencil_plane_outer;

/*
 * Rows, or columns, of one parity in an input gradient of stride 2: result place 2 q + parity meets source places
 * q + first + t with the weights at `weights` + t * (the stride of those taps), t < taps.
 */
typedef struct cx_stencil_spread_phase {
    int64_t first, taps, weights;
} cx_stencil_spread_phase;

/*
 * Input gradient of stride 2 both ways, of a block of rows that begins with an even one, then of the planes after it:
 * pairs of result columns are what `columns` counts, and its taps are those of both parities.
 */
typedef struct cx_stencil_plane_spread {
    const cx_stencil_columns *columns;
    const void *masks;
    const void **rows; /* `count`; not preserved */
    const int64_t *advance;
    int64_t count, planes;
    cx_stencil_spread_phase row_phase[2], column_phase[2];
    const void *weights, *start;
    int64_t weights_plane, weights_row, weights_column, start_plane;
    void *out;
    int64_t out_plane, out_row, height, width;
    bool out_dense; /* as in cx_stencil_plane */
} cx_stencil_plane_spread;

typedef struct cx_stencil_kernels {
    /* rows[0..count): source rows, replaced by their buffers at slots, slots + slot, ...; NULL entries stay, and
     * those equal to `zeros` unless fill->zeros. */
    void (*fill)(const void **rows, int64_t count, const void *zeros, void *slots, int64_t slot,
                 const cx_stencil_fill *fill);
    /* dst[r * dst_row + i * stride] = src[r * src_row + i] for n places of each row */
    void (*scatter)(void *dst, int64_t dst_row, int64_t stride, const void *src, int64_t src_row, int64_t rows,
                    int64_t n);
    /* dst[r * dst_row + i] = (i even ? even : odd)[r * src_row + i / 2] for n places of each row */
    void (*join)(void *dst, int64_t dst_row, const void *even, const void *odd, int64_t src_row, int64_t rows,
                 int64_t n);
    void (*planar)(const cx_stencil_planar *args);
    void (*outer)(const cx_stencil_outer *args);
    void (*channels)(const cx_stencil_channels *args);
    void (*channels_outer)(const cx_stencil_channels *args);
    /* (vectors not in [left, right), and one more) * (taps + 1) vectors */
    void (*plane_masks)(void *masks, const cx_stencil_columns *columns);
    void (*plane)(const cx_stencil_plane *args);
    void (*plane_spread)(const cx_stencil_plane_spread *args);
    void (*plane_outer)(const cx_stencil_plane_outer *args);
    /* totals[i] += sum of the i-th vector of sums, which becomes zero */
    void (*collect)(double *totals, void *sums, int64_t n);
} cx_stencil_kernels;

#endif
