/*
 * Template: softmax, its logarithm and both gradients. A contiguous row goes through its vectors, columns side by side are a
 * vector's lanes; short rows are transposed to columns, many at a time. Sums are added up in blocks, so that their error hardly
 * grows with the axis. Loops around exponentials are not unrolled: processors overlap their iterations by themselves.
 */
#ifndef CX_KERNELS_SOFTMAX_H
#define CX_KERNELS_SOFTMAX_H

#include <math.h>

#include "kernels/softmax_kernels.h"
#include "vec/math.h"
#include "vec/shuffle.h"

/*
 * Many columns at a time make long runs in memory, also where their places are a power of two apart; a transposed set of
 * short rows fits the first-level cache.
 */
enum { COLUMN_VECTORS = 64, TRANSPOSED_VECTORS = 8, SUM_BLOCK = 64 };
#define TRANSPOSED (TRANSPOSED_VECTORS * LANES)

/* ---- Columns: `vectors` of them, each loop over the axis with one element of the state a column --------------------- */

static void columns_forward(const cx_softmax_args *a, int vectors) {
    const real *x = a->x;
    real *y = a->result;
    vec greatest[COLUMN_VECTORS], sum[COLUMN_VECTORS];
    real aside[COLUMN_VECTORS * LANES]; /* for powers that nobody needs */
    real *to = a->log ? aside : y;
    const int64_t to_step = a->log ? 0 : a->result_step;
    for (int v = 0; v < vectors; ++v) {
        greatest[v] = v_splat(-(real)INFINITY);
        sum[v] = v_zero();
    }
    for (int64_t k = 0; k < a->n; ++k)
        _Pragma("GCC unroll 1") for (int v = 0; v < vectors; ++v) greatest[v] =
            v_at_least(greatest[v], v_load(x + k * a->x_step + v * LANES));
    for (int64_t block = 0; block < a->n; block += SUM_BLOCK) {
        vec part[COLUMN_VECTORS];
        for (int v = 0; v < vectors; ++v) part[v] = v_zero();
        for (int64_t k = block; k < a->n && k < block + SUM_BLOCK; ++k)
            _Pragma("GCC unroll 1") for (int v = 0; v < vectors; ++v) {
                const vec power = v_exp(v_load(x + k * a->x_step + v * LANES) - greatest[v]);
                part[v] += power;
                v_store(to + k * to_step + v * LANES, power);
            }
        _Pragma("GCC unroll 1") for (int v = 0; v < vectors; ++v) sum[v] += part[v];
    }
    _Pragma("GCC unroll 1") for (int v = 0; v < vectors; ++v) sum[v] = a->log ? v_log(sum[v]) : v_splat(1) / sum[v];
    if (a->log) {
        for (int64_t k = 0; k < a->n; ++k)
            _Pragma("GCC unroll 1") for (int v = 0; v < vectors; ++v) v_store(
                y + k * a->result_step + v * LANES, v_load(x + k * a->x_step + v * LANES) - greatest[v] - sum[v]);
        return;
    }
    for (int64_t k = 0; k < a->n; ++k, y += a->result_step)
        _Pragma("GCC unroll 1") for (int v = 0; v < vectors; ++v)
            v_store(y + v * LANES, v_load(y + v * LANES) * sum[v]);
}

/* The gradient, once the sum over the axis is known. */
static inline vec combine_gradient(vec y, vec gy, vec sum, bool log) {
    return log ? gy - v_exp(y) * sum : y * (gy - sum);
}

/* Places [k, k + count) of the axis, in this order, join the sums. */
static inline __attribute__((always_inline)) void add_terms(const cx_softmax_args *a, int vectors, bool log, int64_t k,
                                                            int count, vec *sum) {
    const real *y = (const real *)a->x + k * a->x_step, *g = (const real *)a->gy + k * a->gy_step;
    _Pragma("GCC unroll 1") for (int64_t v = 0; v < vectors; ++v) {
        vec s = sum[v];
        _Pragma("GCC unroll 2") for (int i = 0; i < count; ++i) {
            const vec gy = v_load(g + i * a->gy_step + v * LANES);
            s += log ? gy : gy * v_load(y + i * a->x_step + v * LANES);
        }
        sum[v] = s;
    }
}

static inline __attribute__((always_inline)) void columns_backward(const cx_softmax_args *a, int vectors, bool log) {
    vec sum[COLUMN_VECTORS], part[COLUMN_VECTORS];
    for (int v = 0; v < vectors; ++v) sum[v] = v_zero();
    for (int64_t block = 0; block < a->n; block += SUM_BLOCK) {
        const int64_t end = block + SUM_BLOCK < a->n ? block + SUM_BLOCK : a->n;
        int64_t k = block;
        for (int v = 0; v < vectors; ++v) part[v] = v_zero();
        for (; k + 2 <= end; k += 2) add_terms(a, vectors, log, k, 2, part);
        if (k < end) add_terms(a, vectors, log, k, 1, part);
        _Pragma("GCC unroll 1") for (int v = 0; v < vectors; ++v) sum[v] += part[v];
    }
    for (int64_t k = 0; k < a->n; ++k) {
        const real *y = (const real *)a->x + k * a->x_step, *g = (const real *)a->gy + k * a->gy_step;
        real *result = (real *)a->result + k * a->result_step;
        _Pragma("GCC unroll 1") for (int64_t v = 0; v < vectors; ++v)
            v_store(result + v * LANES, combine_gradient(v_load(y + v * LANES), v_load(g + v * LANES), sum[v], log));
    }
}

static void softmax_columns(const cx_softmax_args *args, int vectors) {
    if (!args->gy)
        columns_forward(args, vectors);
    else if (args->log)
        columns_backward(args, vectors, true);
    else
        columns_backward(args, vectors, false);
}

/* ---- A row ------------------------------------------------------------------------------------------------------ */

/*
 * The vectors of a row of LANES elements or more. The last one ends where the row ends, and so repeats elements of the one
 * before: it is read before those are written, and written last, with the same values.
 */
typedef struct row_vectors {
    int64_t whole;  /* vectors, before the last one */
    int64_t last;   /* its first element */
    vec_bits fresh; /* the lanes of it that are in no other */
} row_vectors;

static inline row_vectors vectors_of(int64_t n) {
    row_vectors row = {.whole = (n - 1) / LANES, .last = n - LANES};
    real_bits fresh[LANES];
    for (int i = 0; i < LANES; ++i) fresh[i] = row.last + i >= row.whole * LANES ? -1 : 0;
    memcpy(&row.fresh, fresh, sizeof fresh);
    return row;
}

static inline vec fresh_only(vec v, row_vectors row) { return (vec)((vec_bits)v & row.fresh); }

static void row_forward(const real *x, real *y, row_vectors row, bool log) {
    const vec last = v_load(x + row.last);
    vec greatest = last, second = last, sum = v_zero();
    int64_t i = 0;
    for (; i + 2 <= row.whole; i += 2) {
        greatest = v_at_least(greatest, v_load(x + i * LANES));
        second = v_at_least(second, v_load(x + (i + 1) * LANES));
    }
    if (i < row.whole) greatest = v_at_least(greatest, v_load(x + i * LANES));
    greatest = v_splat(v_greatest(v_at_least(greatest, second)));
    for (int64_t block = 0; block < row.whole; block += SUM_BLOCK) {
        vec part = v_zero();
        real aside[LANES];
        for (i = block; i < row.whole && i < block + SUM_BLOCK; ++i) {
            const vec power = v_exp(v_load(x + i * LANES) - greatest);
            part += power;
            v_store(log ? aside : y + i * LANES, power);
        }
        sum += part;
    }
    const vec last_power = v_exp(last - greatest);
    const vec total = v_splat(v_sum(sum + fresh_only(last_power, row)));
    if (log) {
        const vec log_total = v_log(total);
        for (i = 0; i < row.whole; ++i) v_store(y + i * LANES, v_load(x + i * LANES) - greatest - log_total);
        v_store(y + row.last, last - greatest - log_total);
    } else {
        const vec factor = v_splat(1) / total;
        for (i = 0; i < row.whole; ++i) v_store(y + i * LANES, v_load(y + i * LANES) * factor);
        v_store(y + row.last, last_power * factor);
    }
}

/* A row whose gradient is written while another one is summed. */
typedef struct row_writing {
    const real *y, *g;
    real *result;
    vec sum;
} row_writing;

static inline __attribute__((always_inline)) void write_gradient(const row_writing *w, int64_t i, bool log) {
    v_store(w->result + i * LANES, combine_gradient(v_load(w->y + i * LANES), v_load(w->g + i * LANES), w->sum, log));
}

/* The sum over a row of y and g; `writing` may be NULL. Processors overlap the two rows' work and memory. */
static inline __attribute__((always_inline)) vec row_sum(const real *y, const real *g, row_vectors row, bool log,
                                                         const row_writing *writing) {
    vec sum = v_zero();
    for (int64_t block = 0; block < row.whole; block += SUM_BLOCK) {
        enum { CHAINS = 4 };
        const int64_t end = block + SUM_BLOCK < row.whole ? block + SUM_BLOCK : row.whole;
        vec part[CHAINS] = {v_zero()};
        int64_t i = block;
        for (; i + CHAINS <= end; i += CHAINS) _Pragma("GCC unroll 4") for (int c = 0; c < CHAINS; ++c) {
                const vec gy = v_load(g + (i + c) * LANES);
                part[c] += log ? gy : gy * v_load(y + (i + c) * LANES);
                if (writing) write_gradient(writing, i + c, log);
            }
        for (; i < end; ++i) {
            const vec gy = v_load(g + i * LANES);
            part[0] += log ? gy : gy * v_load(y + i * LANES);
            if (writing) write_gradient(writing, i, log);
        }
        sum += (part[0] + part[1]) + (part[2] + part[3]);
    }
    /* not earlier: nothing has fetched the end of the row before */
    const vec gy = v_load(g + row.last);
    return v_splat(v_sum(sum + fresh_only(log ? gy : gy * v_load(y + row.last), row)));
}

/* A row is written while the next one is summed: in one loop, or after it where exponentials fill the processor. */
static inline __attribute__((always_inline)) void rows_backward(const cx_softmax_args *a, row_vectors row, int64_t rows,
                                                                bool log) {
    row_writing w = {.y = a->x, .g = a->gy, .result = a->result};
    w.sum = row_sum(w.y, w.g, row, log, NULL);
    for (; rows > 0; --rows, w.result += a->result_step) {
        const real *next_y = w.y + a->x_step, *next_g = w.g + a->gy_step;
        vec next = w.sum;
        if (log && rows > 1) next = row_sum(next_y, next_g, row, log, NULL);
        const vec last = combine_gradient(v_load(w.y + row.last), v_load(w.g + row.last), w.sum, log);
        if (!log && rows > 1)
            next = row_sum(next_y, next_g, row, log, &w);
        else
            for (int64_t i = 0; i < row.whole; ++i) write_gradient(&w, i, log);
        v_store(w.result + row.last, last);
        w.y = next_y;
        w.g = next_g;
        w.sum = next;
    }
}

static void softmax_long_rows(const cx_softmax_args *args, int64_t rows) {
    const row_vectors row = vectors_of(args->n);
    if (!args->gy)
        for (int64_t i = 0; i < rows; ++i)
            row_forward((const real *)args->x + i * args->x_step, (real *)args->result + i * args->result_step, row,
                        args->log);
    else if (args->log)
        rows_backward(args, row, rows, true);
    else
        rows_backward(args, row, rows, false);
}

/* ---- Short rows -------------------------------------------------------------------------------------------------- */

/* Rows of n elements to columns of a buffer; those that are not there become zeros. */
static void rows_to_columns(const real *x, int64_t step, int64_t rows, int64_t n, real *columns) {
    for (int64_t first = 0; first < rows; first += LANES) {
        const int64_t here = rows - first < LANES ? rows - first : LANES;
        const real *from = x + first * step;
        real *to = columns + first;
        if (n < LANES) {
            for (int64_t k = 0; k < n; ++k)
                for (int64_t i = 0; i < LANES; ++i) to[k * TRANSPOSED + i] = i < here ? from[i * step + k] : 0;
            continue;
        }
        for (int64_t k = 0; k < n; k += LANES) {
            if (k > n - LANES) k = n - LANES;
            vec block[LANES];
            _Pragma("GCC unroll 16") for (int i = 0; i < LANES; ++i) block[i] =
                i < here ? v_load(from + i * step + k) : v_zero();
            v_transpose(block);
            _Pragma("GCC unroll 16") for (int i = 0; i < LANES; ++i) v_store(to + (k + i) * TRANSPOSED, block[i]);
        }
    }
}

static void columns_to_rows(const real *columns, real *y, int64_t step, int64_t rows, int64_t n) {
    for (int64_t first = 0; first < rows; first += LANES) {
        const int64_t here = rows - first < LANES ? rows - first : LANES;
        const real *from = columns + first;
        real *to = y + first * step;
        if (n < LANES) {
            for (int64_t i = 0; i < here; ++i)
                for (int64_t k = 0; k < n; ++k) to[i * step + k] = from[k * TRANSPOSED + i];
            continue;
        }
        for (int64_t k = 0; k < n; k += LANES) {
            if (k > n - LANES) k = n - LANES;
            vec block[LANES];
            _Pragma("GCC unroll 16") for (int i = 0; i < LANES; ++i) block[i] = v_load(from + (k + i) * TRANSPOSED);
            v_transpose(block);
            _Pragma("GCC unroll 16") for (int i = 0; i < LANES; ++i) if (i < here) v_store(to + i * step + k, block[i]);
        }
    }
}

static void softmax_short_rows(const cx_softmax_args *args, int64_t rows) {
    real x[CX_SHORT_ROW * TRANSPOSED], gy[CX_SHORT_ROW * TRANSPOSED];
    cx_softmax_args a = *args;
    a.x = a.result = x;
    a.x_step = a.gy_step = a.result_step = TRANSPOSED;
    for (int64_t first = 0; first < rows; first += TRANSPOSED) {
        const int64_t here = rows - first < TRANSPOSED ? rows - first : TRANSPOSED;
        rows_to_columns((const real *)args->x + first * args->x_step, args->x_step, here, args->n, x);
        if (args->gy) {
            rows_to_columns((const real *)args->gy + first * args->gy_step, args->gy_step, here, args->n, gy);
            a.gy = gy;
        }
        softmax_columns(&a, (int)((here + LANES - 1) / LANES));
        columns_to_rows(x, (real *)args->result + first * args->result_step, args->result_step, here, args->n);
    }
}

#define SOFTMAX_KERNELS               \
    {.lanes = LANES,                  \
     .width = COLUMN_VECTORS * LANES, \
     .columns = softmax_columns,      \
     .long_rows = softmax_long_rows,  \
     .short_rows = softmax_short_rows}

#endif
