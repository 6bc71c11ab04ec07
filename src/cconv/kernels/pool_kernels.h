/*
 * Kernels of pooling: windows along rows and columns of scratch memory. Pointers are to elements of the table's dtype.
 *
 * `op` combines values in the order of memory, earlier first. CX_POOL_ARGMAX carries beside each value its index, an
 * integer of the same size: of equal values the first one stays, of NaN the last. Counts n of elements are rounded up to whole
 * vectors: so far memory is read and written.
 */
#ifndef CX_KERNELS_POOL_KERNELS_H
#define CX_KERNELS_POOL_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"

typedef enum cx_pool_op { CX_POOL_SUM, CX_POOL_MAX, CX_POOL_ARGMAX } cx_pool_op;

/* Values and, for CX_POOL_ARGMAX only, their indices, to which `base` is added where they are read. */
typedef struct cx_pool_place {
    void *value;
    void *index;
    int64_t base;
} cx_pool_place;

/*
 * A row of `n` windows of `unit` channels (at least a vector of them) that lie side by side. Window o begins windows[o].first
 * places from `from` and has windows[o].count places in a row, of count[1] rows in each of count[0] layers.
 */
typedef struct cx_pool_places {
    cx_pool_place to;
    const void *from;
    int64_t to_step; /* elements between results; indices lie `unit` apart */
    int64_t unit, n;
    const cx_window *windows;
    int64_t count[2];
    int64_t step[3]; /* elements between layers, rows, places of a window */
    int64_t place;   /* elements between places */
    int64_t index, index_step[3];
    int64_t divisor; /* of sums, or 0: `places` times those of the window */
    int64_t places;
} cx_pool_places;

/* A place of a window, and its first element, from those of the window's first place. */
typedef struct cx_pool_tap {
    int64_t place, offset;
} cx_pool_tap;

/*
 * `lines` rows of `n` windows of `unit` channels that lie side by side. Window o of line l begins with the place
 * line_windows[l].first * width + windows[o].first; `all` places of it are counted in `taps`. Elements of `from` go to the place
 * that their index names, and 0 to the others: they are stored to the `fresh` ones, which come first, and added to the rest.
 * Places are counted in integers of the dtype's size.
 */
typedef struct cx_pool_matches {
    void *x;
    const int64_t *index;
    const void *from;
    int64_t index_step, from_step; /* elements between lines */
    int64_t unit, n, lines, width;
    const cx_window *windows, *line_windows;
    const cx_pool_tap *taps;
    int64_t fresh, all;
} cx_pool_matches;

enum { CX_POOL_TILE = 2 }; /* vectors; `columns` rounds its n up to this many */

typedef struct cx_pool_kernels {
    int lanes; /* elements of a vector */
    /* to[i] = op of from[t * step + i] over t < count, after what stands in `to` if `more`. */
    void (*rows)(cx_pool_op op, cx_pool_place to, cx_pool_place from, int64_t step, int64_t count, int64_t n,
                 bool more);
    /* to[i] = op of from[i + t * step] over t < taps: a number of steps that grows with log(taps). work: like `from`, if taps > 4. */
    void (*slide)(cx_pool_op op, cx_pool_place to, cx_pool_place from, cx_pool_place work, int64_t step, int64_t taps,
                  int64_t n);
    /*
     * Windows of `taps` rows, `step` elements apart: to row o = op of the rows o * stride ... of from, o < count, by suffixes and
     * prefixes of blocks of `taps` rows (van Herk 1992; Gil and Werman 1993). work: taps * CX_POOL_TILE vectors.
     */
    void (*columns)(cx_pool_op op, cx_pool_place to, cx_pool_place from, cx_pool_place work, int64_t step, int64_t taps,
                    int64_t stride, int64_t count, int64_t n);
    /* Nothing gives 0, -infinity, or index -1. */
    void (*places)(cx_pool_op op, const cx_pool_places *row);
    /* to[j * to_step + i] = from[i * from_step + j] for i < rows, j < columns. */
    void (*transpose)(void *to, int64_t to_step, const void *from, int64_t from_step, int64_t rows, int64_t columns);
    /* to[i] = op of from[taps * i] and the next ones, sums or maxima; 2 or 4 taps. Exactly n; to may be from. */
    void (*fold)(cx_pool_op op, int taps, void *to, const void *from, int64_t n);
    /* to[i] = from[i * stride], for values or indices. */
    void (*pick)(void *to, const void *from, int64_t stride, int64_t n);
    /* to[i * spacing] = from[i]. */
    void (*spread)(void *to, const void *from, int64_t spacing, int64_t n);
    /* to[i] = from[(i - skip) / times] for i - skip in [0, n * times), else 0; i < length. */
    void (*repeat)(void *to, const void *from, int64_t times, int64_t skip, int64_t n, int64_t length);
    /* *to = op of n elements, exactly as many; sum or max. */
    void (*reduce)(cx_pool_op op, void *to, const void *from, int64_t n);
    /* The same of `lanes` rows of n >= lanes elements each, one after another. */
    void (*reduce_rows)(cx_pool_op op, void *to, const void *from, int64_t n);
    /* to[i] = from[i] / divisor, exactly n. */
    void (*divide)(void *to, const void *from, int64_t divisor, int64_t n);
    /* to[i] = value: 0 for sums, -infinity for maxima; exactly n. */
    void (*fill)(cx_pool_op op, void *to, int64_t n);
    /* Indices: to[i * unit + c] = first + i for c < unit; and widened. Exactly n. */
    void (*count)(void *to, int64_t first, int64_t unit, int64_t n);
    void (*widen)(int64_t *to, const void *from, int64_t n);
    /* x[index[i] * unit + i % unit] += from[i], where the index is not negative. */
    void (*scatter)(void *x, const void *index, const void *from, int64_t unit, int64_t n);
    /* The number of elements whose index is one of these places. It may be 0 if others are out of the integers' range. */
    int64_t (*match)(const cx_pool_matches *row);
} cx_pool_kernels;

#endif
