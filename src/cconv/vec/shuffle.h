/*
 * Shuffles of vec.h's vectors, by literal lane lists for each vector length: even lanes of a pair, and the
 * transposition of a LANES x LANES block in log2(LANES) rounds (Eklundh 1972). gcc and clang turn each into one or two
 * shuffle instructions.
 */
#ifndef CX_VEC_SHUFFLE_H
#define CX_VEC_SHUFFLE_H

#include "vec/vec.h"

#if CX_F64
#define CX_LANE_COUNT (CX_BYTES / 8)
#else
#define CX_LANE_COUNT (CX_BYTES / 4)
#endif

/*
 * The first round of the transposition interleaves fours of 32-bit lanes, which is one instruction where the exchange is
 * two; the second then leaves rows 1 and 2 of each four exchanged.
 */
#define CX_INTERLEAVED (CX_LANE_COUNT >= 4 && !CX_F64)

#if CX_LANE_COUNT == 1
static inline vec v_even(vec a, vec b) {
    (void)b;
    return a;
}
#elif CX_LANE_COUNT == 2
#define CX_EVEN  0, 2
#define CX_ODD   1, 3
#define CX_LOW1  0, 2
#define CX_HIGH1 1, 3
#elif CX_LANE_COUNT == 4
#define CX_EVEN 0, 2, 4, 6
#define CX_ODD  1, 3, 5, 7
#if CX_INTERLEAVED
#define CX_LOW1  0, 4, 1, 5
#define CX_HIGH1 2, 6, 3, 7
#else
#define CX_LOW1  0, 4, 2, 6
#define CX_HIGH1 1, 5, 3, 7
#endif
#define CX_LOW2  0, 1, 4, 5
#define CX_HIGH2 2, 3, 6, 7
#elif CX_LANE_COUNT == 8
#define CX_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define CX_ODD  1, 3, 5, 7, 9, 11, 13, 15
#if CX_INTERLEAVED
#define CX_LOW1  0, 8, 1, 9, 4, 12, 5, 13
#define CX_HIGH1 2, 10, 3, 11, 6, 14, 7, 15
#else
#define CX_LOW1  0, 8, 2, 10, 4, 12, 6, 14
#define CX_HIGH1 1, 9, 3, 11, 5, 13, 7, 15
#endif
#define CX_LOW2  0, 1, 8, 9, 4, 5, 12, 13
#define CX_HIGH2 2, 3, 10, 11, 6, 7, 14, 15
#define CX_LOW4  0, 1, 2, 3, 8, 9, 10, 11
#define CX_HIGH4 4, 5, 6, 7, 12, 13, 14, 15
#if CX_F64
#define CX_HALVES1 CX_LOW4
#define CX_HALVES2 CX_HIGH4
#define CX_EVENS   0, 1, 4, 5, 8, 9, 12, 13
#define CX_ODDS    2, 3, 6, 7, 10, 11, 14, 15
#endif
#elif CX_LANE_COUNT == 16
#define CX_EVEN    0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define CX_ODD     1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define CX_LOW1    0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define CX_HIGH1   2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define CX_LOW2    0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define CX_HIGH2   2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define CX_HALVES1 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define CX_HALVES2 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define CX_EVENS   0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define CX_ODDS    4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
#endif

#if CX_LANE_COUNT > 1
/* a0 a2 a4 ... b0 b2 b4 ... */
static inline vec v_even(vec a, vec b) { return __builtin_shufflevector(a, b, CX_EVEN); }

/*
 * Even and odd lanes of a pair in an order that costs little, for what combines neighbours: once, then v_unmix(1, ...) gives the
 * order of memory, or the results of two pairs once more, then v_unmix(2, ...). Shuffles within 128 bits take the least time.
 */
#if CX_LANE_COUNT == 16
static inline vec v_mixed_even(vec a, vec b) {
    return __builtin_shufflevector(a, b, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30);
}
static inline vec v_mixed_odd(vec a, vec b) {
    return __builtin_shufflevector(a, b, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
}
static inline vec v_unmix(int times, vec v) {
    return times == 1 ? __builtin_shufflevector(v, v, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15)
                      : __builtin_shufflevector(v, v, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}
#elif CX_LANE_COUNT == 8 && !CX_F64
static inline vec v_mixed_even(vec a, vec b) { return __builtin_shufflevector(a, b, 0, 2, 8, 10, 4, 6, 12, 14); }
static inline vec v_mixed_odd(vec a, vec b) { return __builtin_shufflevector(a, b, 1, 3, 9, 11, 5, 7, 13, 15); }
static inline vec v_unmix(int times, vec v) {
    return times == 1 ? __builtin_shufflevector(v, v, 0, 1, 4, 5, 2, 3, 6, 7)
                      : __builtin_shufflevector(v, v, 0, 4, 1, 5, 2, 6, 3, 7);
}
#else
static inline vec v_mixed_even(vec a, vec b) { return v_even(a, b); }
static inline vec v_mixed_odd(vec a, vec b) { return __builtin_shufflevector(a, b, CX_ODD); }
static inline vec v_unmix(int times, vec v) {
    (void)times;
    return v;
}
#endif
#endif

/* All ones in lanes [low, high). */
static inline vec_bits v_lanes_between(int low, int high) {
#if CX_LANE_COUNT == 1 /* whose comparison gcc 12 gets wrong on aarch64 */
    return (vec_bits){low <= 0 && high > 0 ? -1 : 0};
#else
    vec_bits lane;
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) lane[i] = i;
    return (lane >= low) & (lane < high);
#endif
}

/* Which lanes count, in the form that takes least memory. */
#if CX_LANE_COUNT * (1 + CX_F64) == 16 && defined(__AVX512DQ__)
typedef __mmask16 vec_mask;
static inline vec_mask v_mask_between(int low, int high) { return (vec_mask)(((1u << high) - 1) & ~((1u << low) - 1)); }
#else
typedef vec_bits vec_mask;
static inline vec_mask v_mask_between(int low, int high) { return v_lanes_between(low, high); }
#endif

/* Lanes of a and of b where their masks, which have none in common, say so; zero elsewhere. */
static inline vec v_join(vec_mask of_a, vec a, vec_mask of_b, vec b) {
#if CX_LANE_COUNT == 16 && defined(__AVX512DQ__)
    return _mm512_mask_mov_ps(_mm512_maskz_mov_ps(of_a, a), of_b, b);
#elif CX_LANE_COUNT == 8 && CX_F64 && defined(__AVX512DQ__)
    return _mm512_mask_mov_pd(_mm512_maskz_mov_pd((__mmask8)of_a, a), (__mmask8)of_b, b);
#else
    return (vec)(((vec_bits)a & of_a) | ((vec_bits)b & of_b));
#endif
}

/* Lane i is lane index[i] of v. */
static inline vec v_permute(vec v, vec_bits index) {
#if CX_LANE_COUNT == 1
    (void)index;
    return v;
#elif defined(__clang__) /* which has no such operation on vectors in general */
    vec permuted = v;
    for (int i = 0; i < CX_LANE_COUNT; ++i) permuted[i] = v[index[i]];
    return permuted;
#else
    return __builtin_shuffle(v, index);
#endif
}

/* Exchanges the off-diagonal blocks of `distance` rows and lanes, of n rows: one round of the transposition. */
#define CX_ROUND(n, distance, low, high)                                            \
    _Pragma("GCC unroll 16") for (int i = 0; i < (n); ++i) if (!(i & (distance))) { \
        const vec upper = rows[i], lower = rows[i + (distance)];                    \
        rows[i] = __builtin_shufflevector(upper, lower, low);                       \
        rows[i + (distance)] = __builtin_shufflevector(upper, lower, high);         \
    }

/* Fours of lanes of n rows, a multiple of 4 or all: rows[4 * i + j] lane 4 * l + m <-> rows[4 * i + m] lane 4 * l + j */
static inline __attribute__((always_inline)) void v_transpose_fours(const int n, vec *rows) {
    (void)n, (void)rows;
#if CX_LANE_COUNT >= 2
    CX_ROUND(n, 1, CX_LOW1, CX_HIGH1)
#endif
#if CX_LANE_COUNT >= 4
    CX_ROUND(n, 2, CX_LOW2, CX_HIGH2)
#endif
#if CX_INTERLEAVED
    _Pragma("GCC unroll 16") for (int i = 0; i < n; i += 4) {
        const vec second = rows[i + 2];
        rows[i + 2] = rows[i + 1];
        rows[i + 1] = second;
    }
#endif
}

/*
 * rows[i] lane j <-> rows[j] lane i. Vectors of 64 bytes exchange their quarters in two rounds of the one instruction that takes two
 * quarters from each of two vectors; rows 1 and 2 of each four are exchanged at the end.
 */
static inline __attribute__((always_inline)) void v_transpose(vec rows[CX_LANE_COUNT]) {
#ifdef CX_EVENS
    enum { FOURTH = CX_LANE_COUNT / 4 };
#if CX_F64
    CX_ROUND(CX_LANE_COUNT, 1, CX_LOW1, CX_HIGH1)
#else
    v_transpose_fours(CX_LANE_COUNT, rows);
#endif
    CX_ROUND(CX_LANE_COUNT, FOURTH, CX_HALVES1, CX_HALVES2)
    CX_ROUND(CX_LANE_COUNT, 2 * FOURTH, CX_EVENS, CX_ODDS)
    _Pragma("GCC unroll 4") for (int i = FOURTH; i < 2 * FOURTH; ++i) {
        const vec second = rows[i + FOURTH];
        rows[i + FOURTH] = rows[i];
        rows[i] = second;
    }
#else
    v_transpose_fours(CX_LANE_COUNT, rows);
#if CX_LANE_COUNT == 8
    CX_ROUND(CX_LANE_COUNT, 4, CX_LOW4, CX_HIGH4)
#endif
#endif
}

/* columns[j] lane i = from[offset[i] + j], j < LANES / 2; there is room for LANES */
static inline __attribute__((always_inline)) void v_load_half_transposed(const real *from, const int64_t *offset,
                                                                         vec *columns) {
#if CX_LANE_COUNT == 16 && defined(__AVX512DQ__)
    /* Halves of two rows meet as they are loaded, in the order in which one more round leaves quarters. */
    vec *rows = columns;
    _Pragma("GCC unroll 8") for (int i = 0; i < 8; ++i) {
        const int64_t *of = offset + i + i / 4 * 4;
        const __m512 low = _mm512_castps256_ps512(_mm256_loadu_ps(from + of[0]));
        rows[i] = _mm512_mask_broadcast_f32x8(low, 0xff00, _mm256_loadu_ps(from + of[4]));
    }
    v_transpose_fours(8, rows);
    CX_ROUND(8, 4, CX_EVENS, CX_ODDS)
#else
    for (int i = 0; i < CX_LANE_COUNT; ++i)
        for (int j = 0; j < CX_LANE_COUNT / 2; ++j) columns[j][i] = from[offset[i] + j];
#endif
}

/* The same, j < LANES */
static inline __attribute__((always_inline)) void v_load_transposed(const real *from, const int64_t *offset,
                                                                    vec columns[CX_LANE_COUNT]) {
#if CX_LANE_COUNT == 16 && defined(__AVX512DQ__)
    v_load_half_transposed(from, offset, columns);
    v_load_half_transposed(from + 8, offset, columns + 8);
#else
    _Pragma("GCC unroll 16") for (int i = 0; i < CX_LANE_COUNT; ++i) columns[i] = v_load(from + offset[i]);
    v_transpose(columns);
#endif
}

#if CX_LANE_COUNT >= 4
typedef real cx_four __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));
#endif

/*
 * columns[j] lane i = row[i][first + j], j < n; columns has room for 4. 4 elements are read, or LANES: fours
 * mostly come from one store each, where a vector would have to wait for two.
 */
static inline __attribute__((always_inline)) void v_load_columns(const int n, const real *const *row, int64_t first,
                                                                 vec *columns) {
    (void)n;
#if CX_LANE_COUNT < 4
    _Pragma("GCC unroll 4") for (int j = 0; j < 4; j += CX_LANE_COUNT) {
        _Pragma("GCC unroll 2") for (int i = 0; i < CX_LANE_COUNT; ++i) columns[j + i] = v_load(row[i] + first + j);
        v_transpose(columns + j);
    }
#else
    _Pragma("GCC unroll 4") for (int j = 0; j < 4; ++j) {
#define CX_FOUR(i) (*(const cx_four *)(row[4 * (i) + j] + first))
#if CX_LANE_COUNT == 4
        columns[j] = CX_FOUR(0);
#elif CX_LANE_COUNT == 8
        columns[j] = __builtin_shufflevector(CX_FOUR(0), CX_FOUR(1), 0, 1, 2, 3, 4, 5, 6, 7);
#else
        columns[j] = __builtin_shufflevector(__builtin_shufflevector(CX_FOUR(0), CX_FOUR(1), 0, 1, 2, 3, 4, 5, 6, 7),
                                             __builtin_shufflevector(CX_FOUR(2), CX_FOUR(3), 0, 1, 2, 3, 4, 5, 6, 7), 0,
                                             1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#endif
#undef CX_FOUR
    }
#if CX_LANE_COUNT * !CX_F64 == 4 || CX_LANE_COUNT * !CX_F64 == 8
    if (n == 2) {
        const vec upper = __builtin_shufflevector(columns[0], columns[1], CX_LOW2),
                  lower = __builtin_shufflevector(columns[2], columns[3], CX_LOW2);
        columns[0] = v_mixed_even(upper, lower);
        columns[1] = v_mixed_odd(upper, lower);
        return;
    }
#endif
    v_transpose_fours(4, columns);
#endif
}

/* row[i * width + j] = columns[j] lane i, j < width <= 8. columns holds 8, of any value from width on; spoilt. */
static inline __attribute__((always_inline)) void v_store_columns(real *row, const int width, vec *columns) {
#if CX_LANE_COUNT < 4
    _Pragma("GCC unroll 8") for (int j = 0; j < width; j += CX_LANE_COUNT) v_transpose(columns + j);
    /* in ascending order: what is written past a row's end, the next one overwrites */
    _Pragma("GCC unroll 2") for (int i = 0; i < CX_LANE_COUNT; ++i)
        _Pragma("GCC unroll 8") for (int j = 0; j < width; j += CX_LANE_COUNT)
            v_store(row + i * width + j, columns[i + j]);
#else
    _Pragma("GCC unroll 2") for (int j = 0; j < width; j += 4) v_transpose_fours(4, columns + j);
#if CX_LANE_COUNT == 8
    if (width == 4) {
        _Pragma("GCC unroll 2") for (int i = 0; i < 4; i += 2) {
            v_store(row + 4 * i, __builtin_shufflevector(columns[i], columns[i + 1], CX_LOW4));
            v_store(row + 4 * i + 16, __builtin_shufflevector(columns[i], columns[i + 1], CX_HIGH4));
        }
        return;
    }
#endif
    _Pragma("GCC unroll 16") for (int i = 0; i < CX_LANE_COUNT; ++i)
        _Pragma("GCC unroll 2") for (int j = 0; j < width; j += 4) {
        cx_four four;
        memcpy(&four, (const real *)&columns[j + i % 4] + i / 4 * 4, sizeof four);
        *(cx_four *)(row + i * width + j) = four;
    }
#endif
}

#undef CX_INTERLEAVED
#undef CX_ROUND
#undef CX_EVEN
#undef CX_ODD
#undef CX_LOW1
#undef CX_HIGH1
#undef CX_LOW2
#undef CX_HIGH2
#undef CX_LOW4
#undef CX_HIGH4
#undef CX_HALVES1
#undef CX_HALVES2
#undef CX_EVENS
#undef CX_ODDS

#endif
