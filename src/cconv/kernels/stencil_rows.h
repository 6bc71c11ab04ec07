/*
 * Template: row buffers of the stencils. A source row is copied once, with its padding and without its strides, so that
 * the kernels need neither bounds checks nor gathers.
 */
#ifndef CX_KERNELS_STENCIL_ROWS_H
#define CX_KERNELS_STENCIL_ROWS_H

#include "base/correlation.h"
#include "kernels/stencil_kernels.h"
#include "vec/shuffle.h"
#include "vec/vec.h"

#define STENCIL_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define STENCIL_UNROLL _Pragma("unroll")
#else
#define STENCIL_UNROLL _Pragma("GCC unroll 32")
#endif

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

STENCIL_INLINE void copy_contiguous(real *restrict dst, const real *restrict src, int64_t n) {
    if (n < LANES) {
        copy_short(dst, src, n);
        return;
    }
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) v_store(dst + i, v_load(src + i));
    if (i < n) v_store(dst + n - LANES, v_load(src + n - LANES));
}

/* Every second element, without touching the one after the last. */
STENCIL_INLINE void copy_even(real *restrict dst, const real *restrict src, int64_t n) {
    int64_t i = 0;
    for (; i + LANES < n; i += LANES) v_store(dst + i, v_even(v_load(src + 2 * i), v_load(src + 2 * i + LANES)));
    if (n > LANES) {
        i = n - 1 - LANES;
        v_store(dst + i, v_even(v_load(src + 2 * i), v_load(src + 2 * i + LANES)));
        i = n - 1;
    }
    for (; i < n; ++i) dst[i] = src[2 * i];
}

/* The n lanes of one phase that lie inside the source; src is the first of them. */
STENCIL_INLINE void copy_strided(real *restrict dst, const real *restrict src, int64_t n, int64_t stride) {
    if (stride == 2) {
        copy_even(dst, src, n);
        return;
    }
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

static void fill_padding(real *dst, const real *row, const cx_stencil_fill *f, const cx_stencil_phase *phase, int64_t from,
                         int64_t to) {
    for (int64_t q = from; q < to; ++q) {
        const int64_t column = cx_padded_index(phase->first + q * f->step, f->extent, f->mode);
        dst[q] = column < 0 ? 0 : row[column * f->stride];
    }
}

STENCIL_INLINE void fill_phase(real *dst, const real *row, const cx_stencil_fill *f, const cx_stencil_phase *phase,
                               const int contiguous) {
    const int64_t begin = phase->begin, end = phase->end;
    const bool zeros = f->mode == CONVX_PAD_ZEROS;
    if (zeros) clear_lanes(dst, 0, begin);
    if (begin < end) {
        const real *first = row + (phase->first + begin * f->step) * f->stride;
        if (contiguous)
            copy_contiguous(dst + begin, first, end - begin);
        else
            copy_strided(dst + begin, first, end - begin, f->step * f->stride);
    }
    if (zeros) {
        clear_lanes(dst, end, f->lanes);
    } else {
        fill_padding(dst, row, f, phase, 0, begin);
        fill_padding(dst, row, f, phase, end, f->lanes);
    }
}

static int64_t stencil_fill(const void **rows, int64_t count, const void *zeros, void *slots, int64_t slot,
                            const cx_stencil_fill *f) {
    const bool contiguous = f->step * f->stride == 1;
    real *dst = slots;
    for (int64_t r = 0; r < count; ++r) {
        if (rows[r] == NULL || rows[r] == zeros) continue;
        if (contiguous)
            fill_phase(dst, rows[r], f, f->phase, 1);
        else
            for (int64_t k = 0; k < f->phases; ++k) fill_phase(dst + k * f->pitch, rows[r], f, f->phase + k, 0);
        rows[r] = dst;
        dst += slot;
    }
    return (dst - (real *)slots) / slot;
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

static void stencil_collect(double *totals, void *sums, int64_t n) {
    real *s = sums;
    for (int64_t i = 0; i < n; ++i, s += LANES) {
        totals[i] += (double)v_sum(v_load(s));
        v_store(s, v_zero());
    }
}

#endif
