/*
 * Template: packing, storing and adding any matrix, given the offsets of its rows and columns. Where one side is
 * consecutive in memory, vectors are copied, or transposed in registers; what is left over goes element by element.
 */
#ifndef CX_KERNELS_PACK_MATRIX_H
#define CX_KERNELS_PACK_MATRIX_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gemm_shape.h"
#include "vec/shuffle.h"
#include "vec/vec.h"

/* Whether `count` offsets are those of consecutive elements. */
static inline __attribute__((always_inline)) bool consecutive(const int64_t *offset, int64_t count) {
    for (int64_t i = 1; i < count; ++i)
        if (offset[i] != offset[0] + i) return false;
    return true;
}

/*
 * dst[j * dst_row + i] = src[i_offset + j_offset[j]] for LANES x LANES elements: i consecutive in src, j in dst after
 * it.
 */
static inline __attribute__((always_inline)) void transpose_block(const real *src, const int64_t *j_offset, real *dst,
                                                                  const int64_t *dst_offset) {
    vec rows[CX_LANE_COUNT];
    v_load_transposed(src, j_offset, rows);
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) v_store(dst + dst_offset[i], rows[i]);
}

typedef struct span {
    int64_t low, high; /* inclusive */
} span;

static inline span span_of(const int64_t *offset, int64_t count) {
    span s = {offset[0], offset[0]};
    for (int64_t i = 1; i < count; ++i) {
        if (offset[i] < s.low) s.low = offset[i];
        if (offset[i] > s.high) s.high = offset[i];
    }
    return s;
}

/* Offsets from k on that lie within a vector's length. */
static inline int64_t near_offsets(const int64_t *k_offset, int64_t k, int64_t kn, span *window) {
    int64_t n = 0;
    *window = (span){k_offset[k], k_offset[k]};
    for (; k + n < kn && n < LANES; ++n) {
        const int64_t at = k_offset[k + n], low = at < window->low ? at : window->low;
        const int64_t high = at > window->high ? at : window->high;
        if (high - low >= LANES) break;
        *window = (span){low, high};
    }
    return n;
}

/* Of so many it is worth to transpose whole vectors. */
#define NEAR_AHEAD 4
#define NEAR_LEAST (LANES < 8 ? LANES + 1 : LANES == 16 ? 5 : 4)

/*
 * LANES columns of k that lie within a vector's length, as parts of transposed vectors which go no further than `reach`, where all
 * elements of the call lie. Returns how many k were packed: 0, where that does not serve.
 */
static inline int64_t pack_near(const real *src, const int64_t *k_offset, const int64_t *k_row, int64_t k, int64_t kn,
                                const int64_t *column_offset, span reach, real *dst) {
    if (k + NEAR_LEAST > kn || llabs(k_offset[k + NEAR_LEAST - 1] - k_offset[k]) >= LANES) return 0;
    span window;
    const int64_t n = near_offsets(k_offset, k, kn, &window);
    if (n < NEAR_LEAST) return 0;
    const span columns = span_of(column_offset, LANES);
    int64_t from = window.low;
    if (from + columns.high + LANES - 1 > reach.high) from = window.high - LANES + 1;
    if (from + columns.low < reach.low) return 0;
    vec rows[CX_LANE_COUNT];
    real lanes[CX_LANE_COUNT][CX_LANE_COUNT];
    v_load_transposed(src + from, column_offset, rows);
    memcpy(lanes, rows, sizeof lanes);
    for (int64_t i = 0; i < n; ++i) v_store(dst + k_row[k + i] * GEMM_NR, v_load(lanes[k_offset[k + i] - from]));
    return n;
}

static void pack_panel(const void *src_void, const int64_t *k_offset, const int64_t *k_row, int64_t kn,
                       const int64_t *column_offset, int64_t columns, void *dst_void) {
    const real *src = src_void;
    real *dst = dst_void;
    int64_t j = 0;
    if (kn == 0) return;
    const span k_span = span_of(k_offset, kn), column_span = span_of(column_offset, columns);
    const span reach = {k_span.low + column_span.low, k_span.high + column_span.high};
    for (; j + LANES <= columns; j += LANES) {
        if (consecutive(column_offset + j, LANES)) {
            for (int64_t k = 0; k < kn; ++k)
                v_store(dst + k_row[k] * GEMM_NR + j, v_load(src + k_offset[k] + column_offset[j]));
            continue;
        }
        /* no prefetcher follows these columns: the next vector of them, should they be evenly spaced, is fetched */
        const int64_t ahead = LANES > 1 ? (column_offset[j + 1] - column_offset[j]) * LANES : 0;
        for (int64_t k = 0, done; k < kn; k += done) {
            if (k + LANES <= kn && consecutive(k_offset + k, LANES)) {
                int64_t to[CX_LANE_COUNT];
                for (int i = 0; i < LANES; ++i) to[i] = k_row[k + i] * GEMM_NR + j;
                for (int i = 0; i < LANES; ++i) __builtin_prefetch(src + k_offset[k] + column_offset[j + i] + ahead);
                transpose_block(src + k_offset[k], column_offset + j, dst, to);
                done = LANES;
                continue;
            }
            done = LANES < 8 ? 0 : pack_near(src, k_offset, k_row, k, kn, column_offset + j, reach, dst + j);
            if (done > 0) {
                /* such runs lie far apart: those a little later are fetched, or the first ones of the next columns */
                const int64_t later = k + NEAR_AHEAD * done, first = later - kn < kn ? later - kn : 0;
                const real *next = src + (later < kn ? k_offset[later] : k_offset[first] + ahead);
                for (int i = 0; i < LANES; ++i) __builtin_prefetch(next + column_offset[j + i]);
                continue;
            }
            for (int i = 0; i < LANES; ++i) dst[k_row[k] * GEMM_NR + j + i] = src[k_offset[k] + column_offset[j + i]];
            done = 1;
        }
    }
    /* whole vectors are multiplied, and none beyond them */
    const int64_t used = (columns + LANES - 1) / LANES * LANES;
    for (int64_t k = 0; k < kn && j < used; ++k)
        for (int64_t i = j; i < used; ++i)
            dst[k_row[k] * GEMM_NR + i] = i < columns ? src[k_offset[k] + column_offset[i]] : 0;
}

#undef NEAR_LEAST
#undef NEAR_AHEAD

/* k that are copied together, as streams that the hardware foresees; more would be too many pages. */
#define STREAMS 8

static inline
    __attribute__((always_inline)) void copy_streams(const int streams, const real *src, const int64_t *k_offset,
                                                     int64_t panels, int64_t panel, real *dst) {
    const real *row[STREAMS];
#pragma GCC unroll 8
    for (int s = 0; s < streams; ++s) row[s] = src + k_offset[s];
    for (int64_t at = 0; at < panels * GEMM_NR; at += GEMM_NR, dst += panel)
#pragma GCC unroll 8
        for (int s = 0; s < streams; ++s)
#pragma GCC unroll 3
            for (int i = 0; i < GEMM_NR; i += LANES) v_store(dst + s * GEMM_NR + i, v_load(row[s] + at + i));
}

static void pack_panels(const void *src, const int64_t *k_offset, int64_t kn, int64_t panels, void *dst) {
    int64_t k = 0;
    for (; k + STREAMS <= kn; k += STREAMS)
        copy_streams(STREAMS, src, k_offset + k, panels, kn * GEMM_NR, (real *)dst + k * GEMM_NR);
    for (; k < kn; ++k) copy_streams(1, src, k_offset + k, panels, kn * GEMM_NR, (real *)dst + k * GEMM_NR);
}

#undef STREAMS

/* Offsets that are consecutive from k on, at most up to kn. */
static inline int64_t run_length(const int64_t *k_offset, int64_t k, int64_t kn) {
    int64_t end = k + 1;
    while (end < kn && k_offset[end] == k_offset[end - 1] + 1) ++end;
    return end - k;
}

/* Run by run of k, each of all rows: rows whose runs are neighbours share cache lines. */
static void pack_rows_by_runs(const real *src, const int64_t *row_offset, int64_t rows, const int64_t *k_offset,
                              int64_t kn, real *dst, int64_t ld) {
    int64_t last_row = row_offset[0], last_k = k_offset[0]; /* vector loads go no further than their element */
    for (int64_t i = 1; i < rows; ++i) last_row = row_offset[i] > last_row ? row_offset[i] : last_row;
    for (int64_t k = 1; k < kn; ++k) last_k = k_offset[k] > last_k ? k_offset[k] : last_k;
    const real *last = src + last_row + last_k;
    for (int64_t k = 0, run; k < kn; k += run) {
        run = run_length(k_offset, k, kn);
        const int64_t whole = (run + LANES - 1) / LANES * LANES;
        const int64_t ahead = k_offset[k + 2 * run < kn ? k + 2 * run : k];
        for (int64_t i = 0; i < rows; ++i) {
            const real *from = src + row_offset[i] + k_offset[k];
            __builtin_prefetch(src + row_offset[i] + ahead);
            real *to = dst + i * ld + k;
            if (run > 1 && from + whole <= last + 1 && k + whole <= kn)
                for (int64_t j = 0; j < run; j += LANES)
                    v_store(to + j, v_load(from + j)); /* the next run covers the rest */
            else
                for (int64_t j = 0; j < run; ++j) to[j] = from[j];
        }
    }
}

/*
 * Element by element, where runs are too short for vectors: some k of all rows, then the next ones. The same elements of
 * neighbouring rows often share lines, and those of more k would not all find room in the sets of the cache that they fall into.
 */
static void pack_rows_by_elements(const real *src, const int64_t *row_offset, int64_t rows, const int64_t *k_offset,
                                  int64_t kn, real *dst, int64_t ld) {
    enum { TOGETHER = 16 };
    int64_t k = 0;
    for (; k + TOGETHER <= kn; k += TOGETHER)
        for (int64_t i = 0; i < rows; ++i) {
            const real *from = src + row_offset[i];
            real *to = dst + i * ld + k;
#pragma GCC unroll 4
            for (int j = 0; j < TOGETHER; ++j) to[j] = from[k_offset[k + j]];
        }
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = k; j < kn; ++j) dst[i * ld + j] = src[row_offset[i] + k_offset[j]];
}

static bool short_runs(const int64_t *k_offset, int64_t kn) {
    int64_t runs = 1;
    for (int64_t k = 1; k < kn; ++k) runs += k_offset[k] != k_offset[k - 1] + 1;
    return kn < 4 * runs;
}

/* Rows of a transposed block: a vector of 64 bytes is filled in two halves. */
enum { PART = LANES > 8 ? LANES / 2 : LANES };

/*
 * dst[i * ld + k] = src[i + k_offset[k]], i < height, which is PART or 4. The last vector of k begins early rather than
 * ending late; of one that is all there is, the first kn are copied.
 */
static inline __attribute__((always_inline)) void
pack_rows_across(const int height, const real *src, const int64_t *k_offset, int64_t kn, real *dst, int64_t ld) {
    const int64_t n = cx_min(kn, LANES);
    real few[(PART < 4 ? 4 : PART) * CX_LANE_COUNT] = {0};
    int64_t few_offset[CX_LANE_COUNT];
    for (int64_t j = 0; j < LANES && n < LANES; ++j) few_offset[j] = k_offset[cx_min(j, n - 1)];
    for (int64_t k = 0; k < kn; k += LANES) {
        k = cx_min(k, kn - n);
        const int64_t *offset = n == LANES ? k_offset + k : few_offset;
        vec rows[CX_LANE_COUNT + 4];
        if (height == LANES) {
            v_load_transposed(src, offset, rows);
        } else if (height == PART) {
            v_load_half_transposed(src, offset, rows);
        } else {
            const real *column[CX_LANE_COUNT];
#pragma GCC unroll 16
            for (int j = 0; j < LANES; ++j) column[j] = src + offset[j];
            v_load_columns(4, column, 0, rows);
        }
        real *to = n == LANES ? dst + k : few;
        const int64_t step = n == LANES ? ld : LANES;
#pragma GCC unroll 8
        for (int i = 0; i < height; ++i) v_store(to + i * step, rows[i]);
    }
    for (int i = 0; i < height && n < LANES; ++i)
        for (int64_t k = 0; k < n; ++k) dst[i * ld + k] = few[i * LANES + k];
}

static void pack_rows(const void *src_void, const int64_t *row_offset, int64_t rows, const int64_t *k_offset,
                      int64_t kn, void *dst_void, int64_t ld) {
    const real *src = src_void;
    real *dst = dst_void;
    int64_t i = 0;
    if (kn == 0) return;
    while (LANES > 1 && i < rows && rows >= 4) {
        const int64_t height = rows - i > 4 && rows >= PART ? PART : 4;
        const int64_t from = cx_min(i, rows - height); /* the last ones begin early */
        if (!consecutive(row_offset + from, height)) break;
        if (height == PART)
            pack_rows_across(PART, src + row_offset[from], k_offset, kn, dst + from * ld, ld);
        else
            pack_rows_across(4, src + row_offset[from], k_offset, kn, dst + from * ld, ld);
        i = from + height;
    }
    if (i == rows) return;
    if (short_runs(k_offset, kn))
        pack_rows_by_elements(src, row_offset + i, rows - i, k_offset, kn, dst + i * ld, ld);
    else
        pack_rows_by_runs(src, row_offset + i, rows - i, k_offset, kn, dst + i * ld, ld);
}

/* k that are copied together: their lines may all fall into one set of the first-level cache. */
#define TILE_STEP 8

static void pack_row_tiles(const void *src_void, int64_t rows, const int64_t *k_offset, int64_t kn, void *dst_void) {
    const int64_t tiles = (rows + GEMM_MR - 1) / GEMM_MR;
    for (int64_t k0 = 0; k0 < kn; k0 += TILE_STEP) {
        const int64_t count = kn - k0 < TILE_STEP ? kn - k0 : TILE_STEP;
        const int64_t ahead = k0 + (4 + 1) * TILE_STEP <= kn ? 4 * TILE_STEP : 0;
        const real *row[TILE_STEP], *next[TILE_STEP];
        for (int64_t k = 0; k < count; ++k) {
            row[k] = (const real *)src_void + k_offset[k0 + k];
            next[k] = (const real *)src_void + k_offset[k0 + k + ahead];
        }
        int64_t i = 0;
        for (int64_t tile = 0; tile < tiles; ++tile) {
            const int64_t height = cx_gemm_tile_height(rows, tiles, tile);
            real *to = (real *)dst_void + i * kn + k0 * height;
            /* what a vector writes too much, the next k covers; and nothing is read past a row */
            int64_t vectors = height > LANES || i + LANES > rows ? 0 : count;
            while (vectors > 0 && (kn - k0 - vectors + 1) * height < LANES) --vectors;
            if (vectors == TILE_STEP) {
#pragma GCC unroll 8
                for (int64_t k = 0; k < TILE_STEP; ++k, to += height) {
                    __builtin_prefetch(next[k] + i);
                    v_store(to, v_load(row[k] + i));
                }
            } else {
                for (int64_t k = 0; k < vectors; ++k, to += height) v_store(to, v_load(row[k] + i));
                for (int64_t k = vectors; k < count; ++k, to += height)
                    for (int64_t r = 0; r < height; ++r) to[r] = row[k][i + r];
            }
            i += height;
        }
    }
}

#undef TILE_STEP

/* The first n > 0 lanes. */
#ifdef CX_CHEAP_FIRST
static inline void store_lanes(real *to, vec v, int64_t n) { v_store_first(to, v, n); }
#else
static __attribute__((noinline)) void store_lanes(real *to, vec v, int64_t n) {
    enum { HALF = LANES / 2 };
    real lanes[CX_LANE_COUNT];
    v_store(lanes, v);
    if (n >= HALF && HALF > 0) { /* as two halves, which may overlap */
        memcpy(to, lanes, HALF * sizeof *to);
        memcpy(to + n - HALF, lanes + n - HALF, HALF * sizeof *to);
    } else {
        for (int64_t row = 0; row < n; ++row) to[row] = lanes[row];
    }
}
#endif

/* Rows whose elements follow each other in memory, `first` being that of row 0 in a column with the offset 0. */
static void scatter_columns(const real *tile, int64_t ld, real *first, int64_t rows, const int64_t *column_offset,
                            int64_t columns) {
    for (int64_t i = 0; i < rows; i += LANES, tile += LANES * ld, first += LANES) {
        const int64_t n = rows - i < LANES ? rows - i : LANES;
        int64_t row[CX_LANE_COUNT]; /* the last one in place of those beyond it */
        for (int64_t r = 0; r < LANES; ++r) row[r] = (r < n ? r : n - 1) * ld;
        for (int64_t j = 0; j < columns; j += LANES) {
            vec block[CX_LANE_COUNT];
            v_load_transposed(tile + j, row, block);
            const int64_t used = columns - j < LANES ? columns - j : LANES;
            if (n == LANES && used == LANES) {
#pragma GCC unroll 16
                for (int column = 0; column < LANES; ++column)
                    v_store(first + column_offset[j + column], block[column]);
            } else {
#pragma GCC unroll 16
                for (int column = 0; column < LANES; ++column)
                    if (column < used) store_lanes(first + column_offset[j + column], block[column], n);
            }
        }
    }
}

static void scatter(const void *tile_void, int64_t ld, void *c_void, const int64_t *row_offset, int64_t rows,
                    const int64_t *column_offset, int64_t columns) {
    const real *tile = tile_void;
    bool follow = LANES >= 4 && rows > 2;
    for (int64_t i = 1; i < rows; ++i) follow = follow && row_offset[i] == row_offset[0] + i;
    if (follow) {
        scatter_columns(tile, ld, (real *)c_void + row_offset[0], rows, column_offset, columns);
        return;
    }
    for (int64_t i = 0; i < rows; ++i, tile += ld) {
        real *row = (real *)c_void + row_offset[i];
        for (int64_t j = 0; j < columns; ++j) row[column_offset[j]] = tile[j];
    }
}

static void gather(void *tile_void, int64_t ld, const void *c_void, const int64_t *row_offset, int64_t rows,
                   const int64_t *column_offset, int64_t columns) {
    real *tile = tile_void;
    for (int64_t i = 0; i < rows; ++i, tile += ld) {
        const real *row = (const real *)c_void + row_offset[i];
        for (int64_t j = 0; j < columns; ++j) tile[j] = row[column_offset[j]];
    }
}

static void spread_add(void *dst_void, int64_t step, const void *src_void, int64_t n) {
    real *dst = dst_void;
    const real *src = src_void;
    if (step == 1)
        for (int64_t i = 0; i < n; ++i) dst[i] += src[i];
    else
        for (int64_t i = 0; i < n; ++i) dst[i * step] += src[i];
}

#endif
