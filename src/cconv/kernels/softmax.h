/*
 * Template: softmax, its logarithm and both gradients, of columns side by side: vectors across the columns, one place of the
 * axis after the other. A contiguous row is taken as such columns, whose results are then combined; short rows are
 * transposed, many at a time. Sums are added up in blocks, so that their error hardly grows with the axis.
 */
#ifndef CX_KERNELS_SOFTMAX_H
#define CX_KERNELS_SOFTMAX_H

#include <math.h>

#include "kernels/softmax_kernels.h"
#include "vec/math.h"
#include "vec/shuffle.h"

enum { COLUMN_VECTORS = 4, SUM_BLOCK = 64 };
#define COLUMNS (COLUMN_VECTORS * LANES)

typedef struct column_values {
    vec of[COLUMN_VECTORS];
} column_values;

static __attribute__((noinline)) void find_greatest(const real *x, int64_t step, int64_t n, column_values *greatest) {
    column_values m = *greatest;
    for (int64_t k = 0; k < n; ++k, x += step)
        for (int v = 0; v < COLUMN_VECTORS; ++v) m.of[v] = v_at_least(m.of[v], v_load(x + v * LANES));
    *greatest = m;
}

/* Sums of exp(x - greatest), which go to `result` where that is not NULL. */
static __attribute__((noinline)) void add_powers(const real *x, int64_t step, real *result, int64_t result_step,
                                                 int64_t n, const column_values *greatest, column_values *sum) {
    for (int64_t block = 0; block < n; block += SUM_BLOCK)
        for (int v = 0; v < COLUMN_VECTORS; ++v) {
            const real *from = x + v * LANES;
            vec s = v_zero();
            for (int64_t k = block; k < n && k < block + SUM_BLOCK; ++k) {
                const vec power = v_exp(v_load(from + k * step) - greatest->of[v]);
                s += power;
                if (result) v_store(result + k * result_step + v * LANES, power);
            }
            sum->of[v] += s;
        }
}

static __attribute__((noinline)) void scale(real *y, int64_t step, int64_t n, const column_values *factor) {
    for (int64_t k = 0; k < n; ++k, y += step)
        for (int v = 0; v < COLUMN_VECTORS; ++v) v_store(y + v * LANES, v_load(y + v * LANES) * factor->of[v]);
}

static __attribute__((noinline)) void subtract(const real *x, int64_t step, real *y, int64_t y_step, int64_t n,
                                               const column_values *first, const column_values *second) {
    for (int64_t k = 0; k < n; ++k, x += step, y += y_step)
        for (int v = 0; v < COLUMN_VECTORS; ++v)
            v_store(y + v * LANES, v_load(x + v * LANES) - first->of[v] - second->of[v]);
}

/* Sums of gy, or of gy y. */
static __attribute__((noinline)) void add_gradients(const real *y, int64_t step, const real *g, int64_t g_step,
                                                    int64_t n, bool log, column_values *sum) {
    for (int64_t block = 0; block < n; block += SUM_BLOCK) {
        column_values s = {{v_zero()}};
        for (int64_t k = block; k < n && k < block + SUM_BLOCK; ++k)
            for (int v = 0; v < COLUMN_VECTORS; ++v) {
                const vec gy = v_load(g + k * g_step + v * LANES);
                s.of[v] += log ? gy : gy * v_load(y + k * step + v * LANES);
            }
        for (int v = 0; v < COLUMN_VECTORS; ++v) sum->of[v] += s.of[v];
    }
}

static __attribute__((noinline)) void combine_gradients(const real *y, int64_t step, const real *g, int64_t g_step,
                                                        real *result, int64_t result_step, int64_t n, bool log,
                                                        const column_values *sum) {
    for (int v = 0; v < COLUMN_VECTORS; ++v)
        for (int64_t k = 0; k < n; ++k) {
            const vec value = v_load(y + k * step + v * LANES), gy = v_load(g + k * g_step + v * LANES), s = sum->of[v];
            v_store(result + k * result_step + v * LANES, log ? gy - v_exp(value) * s : value * (gy - s));
        }
}

/* What is left of a row after whole sets of columns, padded to one more set. */
typedef struct row_rest {
    int64_t sets; /* 1, in a form that keeps compilers from copying whole functions for it */
    real x[COLUMNS], gy[COLUMNS], result[COLUMNS];
} row_rest;

static void combine_greatest(column_values *m) {
    const vec a = v_at_least(v_at_least(m->of[0], m->of[1]), v_at_least(m->of[2], m->of[3]));
    real lanes[LANES];
    memcpy(lanes, &a, sizeof a);
    for (int i = 1; i < LANES; ++i)
        if (lanes[i] > lanes[0]) lanes[0] = lanes[i];
    for (int v = 0; v < COLUMN_VECTORS; ++v) m->of[v] = v_splat(lanes[0]);
}

static void combine_sums(column_values *s) {
    const vec all = v_splat(v_sum((s->of[0] + s->of[1]) + (s->of[2] + s->of[3])));
    for (int v = 0; v < COLUMN_VECTORS; ++v) s->of[v] = all;
}

/* `n` sets of columns, and a `rest` if these belong to one row. */
static void softmax_forward(const cx_softmax_args *a, int64_t n, row_rest *rest) {
    column_values greatest, sum = {{v_zero()}};
    for (int v = 0; v < COLUMN_VECTORS; ++v) greatest.of[v] = v_splat(-(real)INFINITY);
    find_greatest(a->x, a->x_step, n, &greatest);
    if (rest) {
        find_greatest(rest->x, a->x_step, rest->sets, &greatest);
        combine_greatest(&greatest);
    }
    add_powers(a->x, a->x_step, a->log ? NULL : a->result, a->result_step, n, &greatest, &sum);
    if (rest) {
        add_powers(rest->x, a->x_step, rest->result, a->result_step, rest->sets, &greatest, &sum);
        combine_sums(&sum);
    }
    for (int v = 0; v < COLUMN_VECTORS; ++v) sum.of[v] = a->log ? v_log(sum.of[v]) : v_splat(1) / sum.of[v];
    if (a->log) {
        subtract(a->x, a->x_step, a->result, a->result_step, n, &greatest, &sum);
        if (rest) subtract(rest->x, a->x_step, rest->result, a->result_step, rest->sets, &greatest, &sum);
    } else {
        scale(a->result, a->result_step, n, &sum);
        if (rest) scale(rest->result, a->result_step, rest->sets, &sum);
    }
}

static void softmax_backward(const cx_softmax_args *a, int64_t n, row_rest *rest) {
    column_values sum = {{v_zero()}};
    add_gradients(a->x, a->x_step, a->gy, a->gy_step, n, a->log, &sum);
    if (rest) {
        add_gradients(rest->x, a->x_step, rest->gy, a->gy_step, rest->sets, a->log, &sum);
        combine_sums(&sum);
    }
    combine_gradients(a->x, a->x_step, a->gy, a->gy_step, a->result, a->result_step, n, a->log, &sum);
    if (rest)
        combine_gradients(rest->x, a->x_step, rest->gy, a->gy_step, rest->result, a->result_step, rest->sets, a->log,
                          &sum);
}

static void softmax_columns(const cx_softmax_args *args) {
    if (args->gy)
        softmax_backward(args, args->n, NULL);
    else
        softmax_forward(args, args->n, NULL);
}

static void softmax_row(const cx_softmax_args *args) {
    const int64_t sets = args->n / COLUMNS, from = sets * COLUMNS, left = args->n - from;
    cx_softmax_args a = *args;
    row_rest rest = {.sets = 1};
    a.x_step = a.gy_step = a.result_step = COLUMNS;
    for (int i = 0; i < COLUMNS; ++i) {
        rest.x[i] = args->gy ? 0 : -(real)INFINITY;
        rest.gy[i] = 0;
    }
    memcpy(rest.x, (const real *)args->x + from, (size_t)left * sizeof(real));
    if (args->gy) {
        memcpy(rest.gy, (const real *)args->gy + from, (size_t)left * sizeof(real));
        softmax_backward(&a, sets, &rest);
    } else {
        softmax_forward(&a, sets, &rest);
    }
    memcpy((real *)args->result + from, rest.result, (size_t)left * sizeof(real));
}

/* Rows of n elements to columns of a buffer; those that are not there become zeros. */
static void rows_to_columns(const real *x, int64_t step, int64_t rows, int64_t n, real *columns) {
    for (int64_t first = 0; first < COLUMNS; first += LANES) {
        const int64_t here = rows - first < LANES ? rows - first : LANES;
        const real *from = x + first * step;
        real *to = columns + first;
        if (n < LANES) {
            for (int64_t k = 0; k < n; ++k)
                for (int64_t i = 0; i < LANES; ++i) to[k * COLUMNS + i] = i < here ? from[i * step + k] : 0;
            continue;
        }
        for (int64_t k = 0; k < n; k += LANES) {
            if (k > n - LANES) k = n - LANES;
            vec block[LANES];
            for (int i = 0; i < LANES; ++i) block[i] = i < here ? v_load(from + i * step + k) : v_zero();
            v_transpose(block);
            for (int i = 0; i < LANES; ++i) v_store(to + (k + i) * COLUMNS, block[i]);
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
                for (int64_t k = 0; k < n; ++k) to[i * step + k] = from[k * COLUMNS + i];
            continue;
        }
        for (int64_t k = 0; k < n; k += LANES) {
            if (k > n - LANES) k = n - LANES;
            vec block[LANES];
            for (int i = 0; i < LANES; ++i) block[i] = v_load(from + (k + i) * COLUMNS);
            v_transpose(block);
            for (int i = 0; i < here; ++i) v_store(to + i * step + k, block[i]);
        }
    }
}

static void softmax_rows(const cx_softmax_args *args, int64_t rows) {
    real x[CX_SHORT_ROW * COLUMNS], gy[CX_SHORT_ROW * COLUMNS];
    cx_softmax_args a = *args;
    a.x = a.result = x;
    a.x_step = a.gy_step = a.result_step = COLUMNS;
    for (int64_t first = 0; first < rows; first += COLUMNS) {
        const int64_t here = rows - first < COLUMNS ? rows - first : COLUMNS;
        rows_to_columns((const real *)args->x + first * args->x_step, args->x_step, here, args->n, x);
        if (args->gy) {
            rows_to_columns((const real *)args->gy + first * args->gy_step, args->gy_step, here, args->n, gy);
            a.gy = gy;
        }
        softmax_columns(&a);
        columns_to_rows(x, (real *)args->result + first * args->result_step, args->result_step, here, args->n);
    }
}

#define SOFTMAX_KERNELS {.width = COLUMNS, .columns = softmax_columns, .row = softmax_row, .rows = softmax_rows}

#endif
