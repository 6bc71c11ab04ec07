/*
 * Template: row buffers of the stencils. A source row is copied once, with its padding and without its strides, so that
 * the kernels need neither bounds checks nor gathers.
 */
#ifndef CX_KERNELS_STENCIL_ROWS_H
#define CX_KERNELS_STENCIL_ROWS_H

#include "base/correlation.h"
#include "kernels/stencil_kernels.h"
#include "kernels/stencil_pairs.h"
#include "vec/shuffle.h"
#include "vec/vec.h"

#define STENCIL_INLINE static inline __attribute__((always_inline))
#if defined(CX_COMPACT)
#define STENCIL_UNROLL
#elif defined(__clang__)
#define STENCIL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define STENCIL_UNROLL _Pragma("GCC unroll 32")
#endif

/* Of `count` result rows, `step` source rows apart, those that meet source row i with their `taps` rows of taps. */
STENCIL_INLINE int rows_that_meet(const int i, const int count, const int step, const int taps) {
    int rows = 0;
    STENCIL_UNROLL for (int r = 0; r < count; ++r) rows += i >= r * step && i < r * step + taps;
    return rows;
}

/* n < LANES elements, by two overlapping copies of a fixed size: no call, no loop. */
STENCIL_INLINE void copy_short(real *dst, const real *src, int64_t n) {
    enum { SIZE = sizeof(real) };
    if (n >= 8) {
        char low[8 * SIZE], high[8 * SIZE];
        memcpy(low, src, sizeof low);
        memcpy(high, src + n - 8, sizeof high);
        memcpy(dst, low, sizeof low);
        memcpy(dst + n - 8, high, sizeof high);
    } else if (n >= 4) {
        char low[4 * SIZE], high[4 * SIZE];
        memcpy(low, src, sizeof low);
        memcpy(high, src + n - 4, sizeof high);
        memcpy(dst, low, sizeof low);
        memcpy(dst + n - 4, high, sizeof high);
    } else if (n >= 2) {
        char low[2 * SIZE], high[2 * SIZE];
        memcpy(low, src, sizeof low);
        memcpy(high, src + n - 2, sizeof high);
        memcpy(dst, low, sizeof low);
        memcpy(dst + n - 2, high, sizeof high);
    } else if (n == 1) {
        *dst = *src;
    }
}

/* The first n < LANES elements of v. */
STENCIL_INLINE void store_short(real *dst, vec v, int64_t n) {
#if CX_BYTES == 64
    v_store_first(dst, v, n);
#else
    real lanes[CX_BYTES / sizeof(real)];
    v_store(lanes, v);
    copy_short(dst, lanes, n);
#endif
}

STENCIL_INLINE void copy_contiguous(real *restrict dst, const real *restrict src, int64_t n) {
    if (n < LANES) {
        copy_short(dst, src, n);
        return;
    }
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) v_store(dst + i, v_load(src + i));
    if (i < n) v_store(dst + n - LANES, v_load(src + n - LANES));
}

/* The n lanes of one phase that lie inside the source; src is the first of them. */
STENCIL_INLINE void copy_strided(real *restrict dst, const real *restrict src, int64_t n, int64_t stride) {
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const real a = src[i * stride], b = src[(i + 1) * stride], c = src[(i + 2) * stride], d = src[(i + 3) * stride];
        dst[i] = a;
        dst[i + 1] = b;
        dst[i + 2] = c;
        dst[i + 3] = d;
    }
    for (; i < n; ++i) dst[i] = src[i * stride];
}

/* Zeros in lanes [from, to), in whole vectors. Mostly one. */
STENCIL_INLINE void clear_lanes(real *dst, int64_t from, int64_t to) {
    if (from >= to) return;
    v_store(dst + from, v_zero());
    for (int64_t q = from + LANES; q < to; q += LANES) v_store(dst + q, v_zero());
}

static void fill_padding(real *dst, const real *row, const cx_stencil_fill *f, const cx_stencil_phase *phase,
                         int64_t from, int64_t to) {
    for (int64_t q = from; q < to; ++q) {
        const int64_t column = cx_padded_index(phase->first + q * f->step, f->extent, f->mode);
        dst[q] = column < 0 ? 0 : row[column * f->stride];
    }
}

/* Padding before and behind the lanes that lie inside. */
STENCIL_INLINE void fill_ends(real *dst, const real *row, const cx_stencil_fill *f, const cx_stencil_phase *phase) {
    if (f->mode != CONVX_PAD_ZEROS) {
        fill_padding(dst, row, f, phase, 0, phase->begin);
        fill_padding(dst, row, f, phase, phase->end, f->lanes);
        return;
    }
    for (int64_t q = 0; q < phase->begin; ++q) dst[q] = 0;
    clear_lanes(dst, phase->end, f->lanes);
}

static void fill_row(real *dst, const real *row, const cx_stencil_fill *f) {
    for (int64_t k = 0; k < f->phases; ++k, dst += f->pitch) {
        const cx_stencil_phase *p = f->phase + k;
        const int64_t n = p->end - p->begin;
        const real *first = row + (p->first + p->begin * f->step) * f->stride;
        if (n > 0 && f->step * f->stride == 1)
            copy_contiguous(dst + p->begin, first, n);
        else
            copy_strided(dst + p->begin, first, n, f->step * f->stride);
        fill_ends(dst, row, f, p);
    }
}

/* A row of contiguous columns with zeros around it, at most a vector of them on either side, and at least one
 * inside. */
STENCIL_INLINE void fill_plain(real *dst, const real *first, int64_t begin, int64_t n, int64_t tail) {
    if (begin > 0) v_store(dst, v_zero());
    dst += begin;
    if (n >= LANES) {
        for (int64_t i = 0; i + LANES < n; i += LANES) v_store(dst + i, v_load(first + i));
        v_store(dst + n - LANES, v_load(first + n - LANES));
    } else {
        copy_short(dst, first, n);
    }
    if (tail > 0) v_store(dst + n, v_zero());
}

/* Two phases of neighbouring columns. */
STENCIL_INLINE void fill_pairs(real *dst, const real *row, const cx_stencil_fill *f) {
    const cx_stencil_phase *even = f->phase, *odd = f->phase + 1;
    real *even_dst = dst, *odd_dst = dst + f->pitch;
    const int64_t begin = even->begin > odd->begin ? even->begin : odd->begin;
    const int64_t end = even->end < odd->end ? even->end : odd->end;
    split_pairs(even_dst + begin, odd_dst + begin, row + even->first + 2 * begin, end - begin);
    if (even->begin < begin) even_dst[even->begin] = row[even->first + 2 * even->begin];
    if (odd->begin < begin) odd_dst[odd->begin] = row[odd->first + 2 * odd->begin];
    if (end < even->end) even_dst[end] = row[even->first + 2 * end];
    if (end < odd->end) odd_dst[end] = row[odd->first + 2 * end];
    fill_ends(even_dst, row, f, even);
    fill_ends(odd_dst, row, f, odd);
}

/* The phases lie side by side and meet but for a column at either end. */
static bool are_pairs(const cx_stencil_fill *f) {
    const cx_stencil_phase *even = f->phase, *odd = f->phase + 1;
    if (f->phases != 2 || f->step != 2 || f->stride != 1 || odd->first != even->first + 1) return false;
    return (even->begin > odd->begin ? even->begin : odd->begin) < (even->end < odd->end ? even->end : odd->end);
}

static void stencil_fill(const void **rows, int64_t count, const void *zeros, void *slots, int64_t slot,
                         const cx_stencil_fill *f) {
    const cx_stencil_phase phase = f->phase[0];
    const int64_t n = phase.end - phase.begin, tail = f->lanes - phase.end;
    const bool plain =
        f->step * f->stride == 1 && f->mode == CONVX_PAD_ZEROS && n > 0 && tail <= LANES && phase.begin <= LANES;
    const bool pairs = are_pairs(f);
    real *dst = slots;
    for (int64_t r = 0; r < count; ++r) {
        const real *row = rows[r];
        if (row == NULL || (row == zeros && !f->zeros)) continue;
        rows[r] = dst;
        if (row == zeros)
            clear_lanes(dst, 0, f->lanes);
        else if (plain)
            fill_plain(dst, row + phase.first + phase.begin, phase.begin, n, tail);
        else if (pairs)
            fill_pairs(dst, row, f);
        else
            fill_row(dst, row, f);
        dst += slot;
    }
}

static void stencil_scatter(void *out, int64_t dst_row, int64_t stride, const void *in, int64_t src_row, int64_t rows,
                            int64_t n) {
    real *dst = out;
    const real *src = in;
    for (int64_t r = 0; r < rows; ++r, dst += dst_row, src += src_row) {
        if (stride == 1)
            copy_contiguous(dst, src, n);
        else
            for (int64_t i = 0; i < n; ++i) dst[i * stride] = src[i];
    }
}

static void stencil_join(void *out, int64_t dst_row, const void *even, const void *odd, int64_t src_row, int64_t rows,
                         int64_t n) {
    for (int64_t r = 0; r < rows; ++r) {
        real *dst = (real *)out + r * dst_row;
        join_pairs(dst, (const real *)even + r * src_row, (const real *)odd + r * src_row, n / 2);
        if (n % 2) dst[n - 1] = ((const real *)even + r * src_row)[n / 2];
    }
}

/* The sums of a whole block of vectors at once, each in the order of v_sum. */
STENCIL_INLINE vec sums_of(const real *s) {
    vec rows[CX_BYTES / sizeof(real)];
    STENCIL_UNROLL for (int i = 0; i < LANES; ++i) rows[i] = v_load(s + i * LANES);
    v_transpose(rows);
    STENCIL_UNROLL for (int width = LANES / 2; width > 0; width /= 2) {
        STENCIL_UNROLL for (int i = 0; i < width; ++i) rows[i] += rows[i + width];
    }
    return rows[0];
}

static void stencil_collect(double *totals, void *sums, int64_t n) {
    real *s = sums;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES, s += LANES * LANES) {
        real total[CX_BYTES / sizeof(real)];
        v_store(total, sums_of(s));
        for (int k = 0; k < LANES; ++k) {
            totals[i + k] += (double)total[k];
            v_store(s + k * LANES, v_zero());
        }
    }
    for (; i < n; ++i, s += LANES) {
        totals[i] += (double)v_sum(v_load(s));
        v_store(s, v_zero());
    }
}

#endif
