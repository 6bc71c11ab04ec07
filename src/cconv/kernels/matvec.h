/*
 * Template: products of a matrix and a vector. Both read the matrix once, in the order of its memory, several rows at a time.
 * The order of additions follows from the sizes alone.
 */
#ifndef CX_KERNELS_MATVEC_H
#define CX_KERNELS_MATVEC_H

#include <stdbool.h>

#include "kernels/matvec_kernels.h"
#include "vec/vec.h"

static void dot_rows(const real *const row[4], const real *v, int64_t n, real dots[4]) {
    vec even[4] = {{0}}, odd[4] = {{0}}, sum[4];
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) _Pragma("GCC unroll 4") for (int j = 0; j < 4; ++j) {
            even[j] += v_load(row[j] + i) * v_load(v + i);
            odd[j] += v_load(row[j] + i + LANES) * v_load(v + i + LANES);
        }
    _Pragma("GCC unroll 4") for (int j = 0; j < 4; ++j) sum[j] = even[j] + odd[j];
    for (; i < n; i += LANES) {
        const int64_t left = n - i < LANES ? n - i : LANES;
        const vec x = v_load_first(v + i, left);
        _Pragma("GCC unroll 1") for (int j = 0; j < 4; ++j) sum[j] += v_load_first(row[j] + i, left) * x;
    }
    _Pragma("GCC unroll 1") for (int j = 0; j < 4; ++j) dots[j] = v_sum(sum[j]);
}

static void matvec_dots(const void *rows, int64_t step, int64_t count, const void *v, int64_t n, const void *bias,
                        void *y, int64_t y_step) {
    for (int64_t first = 0; first < count; first += 4) {
        const real *row[4];
        real dots[4];
        for (int j = 0; j < 4; ++j) row[j] = (const real *)rows + (first + j < count ? first + j : count - 1) * step;
        dot_rows(row, v, n, dots);
        for (int j = 0; j < 4 && first + j < count; ++j)
            ((real *)y)[(first + j) * y_step] = bias ? dots[j] + ((const real *)bias)[first + j] : dots[j];
    }
}

static inline __attribute__((always_inline)) vec add_at(const real *const row[], const vec factor[], const int used,
                                                        int64_t i, vec sum) {
    _Pragma("GCC unroll 8") for (int j = 0; j < used; ++j) sum += factor[j] * v_load(row[j] + i);
    return sum;
}

/*
 * y = start + some rows, for `n` places. `advance` is 1, or 0 where start is a vector for all of them. Stores that straddle
 * lines of the cache cost much: unless y is the start, the first vector and the last overlap their neighbours, which are
 * aligned.
 */
static inline __attribute__((always_inline)) void add_rows(const real *const row[], const vec factor[], const int used,
                                                           int64_t n, const real *start, int64_t advance, real *y) {
    int64_t i = 0;
    const bool apart = start != y && n >= LANES;
    if (apart) {
        v_store(y, add_at(row, factor, used, 0, v_load(start)));
        i = LANES - (int64_t)((uintptr_t)y % CX_BYTES / sizeof(real));
    }
    const real *from = start + i * advance;
    if (used == 1) /* next to nothing but stores */
        for (; i + 2 * LANES <= n; i += 2 * LANES, from += 2 * LANES * advance)
            for (int v = 0; v < 2; ++v)
                v_store(y + i + v * LANES,
                        add_at(row, factor, used, i + v * LANES, v_load(from + v * LANES * advance)));
    for (; i + LANES <= n; i += LANES, from += LANES * advance)
        v_store(y + i, add_at(row, factor, used, i, v_load(from)));
    if (i == n) return;
    if (apart) {
        i = n - LANES;
        v_store(y + i, add_at(row, factor, used, i, v_load(start + i * advance)));
        return;
    }
    vec sum = v_load_first(from, n - i);
    _Pragma("GCC unroll 1") for (int j = 0; j < used; ++j) sum += factor[j] * v_load_first(row[j] + i, n - i);
    v_store_first(y + i, sum, n - i);
}

/* An element is one chain of additions over the rows, in their order: no bit depends on how many are taken at a time. */
static void matvec_combine(const void *rows, int64_t step, int64_t count, const void *v, int64_t v_step, int64_t n,
                           const void *bias, void *y) {
    enum { BLOCK = 16384 / sizeof(real), ROWS = 8, HALF = 4 }; /* a block of y stays in the first-level cache */
    const real zeros[LANES] = {0};
    for (int64_t block = 0; block < n; block += BLOCK) {
        const int64_t here = n - block < BLOCK ? n - block : BLOCK;
        real *to = (real *)y + block;
        const real *start = bias ? (const real *)bias + block : zeros;
        int64_t advance = bias != NULL;
        for (int64_t first = 0; first < count;) {
            const int64_t left = count - first;
            const int used = left >= ROWS ? ROWS : left >= HALF ? HALF : 1;
            const real *row[ROWS];
            vec factor[ROWS];
            for (int j = 0; j < used; ++j, ++first) {
                row[j] = (const real *)rows + first * step + block;
                factor[j] = v_splat(((const real *)v)[first * v_step]);
            }
            if (used == ROWS)
                add_rows(row, factor, ROWS, here, start, advance, to);
            else if (used == HALF)
                add_rows(row, factor, HALF, here, start, advance, to);
            else
                add_rows(row, factor, 1, here, start, advance, to);
            start = to;
            advance = 1;
        }
    }
}

#define MATVEC_KERNELS {.dots = matvec_dots, .combine = matvec_combine}

#endif
