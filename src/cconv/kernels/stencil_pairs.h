/* Template: pairs of elements taken apart and put together, for steps and strides of two. */
#ifndef CX_KERNELS_STENCIL_PAIRS_H
#define CX_KERNELS_STENCIL_PAIRS_H

#include "vec/shuffle.h"
#include "vec/vec.h"

#if CX_LANE_COUNT == 2
#define PAIRS_ODD  1, 3
#define PAIRS_LOW  0, 2
#define PAIRS_HIGH 1, 3
#elif CX_LANE_COUNT == 4
#define PAIRS_ODD  1, 3, 5, 7
#define PAIRS_LOW  0, 4, 1, 5
#define PAIRS_HIGH 2, 6, 3, 7
#elif CX_LANE_COUNT == 8
#define PAIRS_ODD  1, 3, 5, 7, 9, 11, 13, 15
#define PAIRS_LOW  0, 8, 1, 9, 2, 10, 3, 11
#define PAIRS_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif CX_LANE_COUNT == 16
#define PAIRS_ODD  1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define PAIRS_LOW  0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define PAIRS_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif

#if CX_LANE_COUNT == 1
static inline vec pairs_even(vec a, vec b) { return (void)b, a; }
static inline vec pairs_odd(vec a, vec b) { return (void)a, b; }
static inline vec pairs_low(vec a, vec b) { return (void)b, a; }
static inline vec pairs_high(vec a, vec b) { return (void)a, b; }
#else
/* a0 b0 a1 b1 ..., from the first and from the second half of both */
static inline vec pairs_low(vec a, vec b) { return __builtin_shufflevector(a, b, PAIRS_LOW); }
static inline vec pairs_high(vec a, vec b) { return __builtin_shufflevector(a, b, PAIRS_HIGH); }
/* a0 a2 ... b0 b2 ..., and a1 a3 ... b1 b3 ... */
#if CX_BYTES >= 32
/* Within 128 bits first, then across: shuffles of two vectors that go across cost several times as much. */
#if CX_LANE_COUNT == 4
#define PAIRS_EVEN_HALVES 0, 4, 2, 6
#define PAIRS_ODD_HALVES  1, 5, 3, 7
#define PAIRS_ACROSS      0, 2, 1, 3
#define PAIRS_BACK        0, 2, 1, 3
#elif CX_LANE_COUNT == 8 && CX_F64
#define PAIRS_EVEN_HALVES 0, 8, 2, 10, 4, 12, 6, 14
#define PAIRS_ODD_HALVES  1, 9, 3, 11, 5, 13, 7, 15
#define PAIRS_ACROSS      0, 2, 4, 6, 1, 3, 5, 7
#define PAIRS_BACK        0, 4, 1, 5, 2, 6, 3, 7
#elif CX_LANE_COUNT == 8
#define PAIRS_EVEN_HALVES 0, 2, 8, 10, 4, 6, 12, 14
#define PAIRS_ODD_HALVES  1, 3, 9, 11, 5, 7, 13, 15
#define PAIRS_ACROSS      0, 1, 4, 5, 2, 3, 6, 7
#define PAIRS_BACK        0, 1, 4, 5, 2, 3, 6, 7
#else
#define PAIRS_EVEN_HALVES 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30
#define PAIRS_ODD_HALVES  1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31
#define PAIRS_ACROSS      0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15
#define PAIRS_BACK        0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15
#endif
static inline vec pairs_even_mixed(vec a, vec b) { return __builtin_shufflevector(a, b, PAIRS_EVEN_HALVES); }
static inline vec pairs_odd_mixed(vec a, vec b) { return __builtin_shufflevector(a, b, PAIRS_ODD_HALVES); }
static inline vec pairs_sorted(vec mixed) { return __builtin_shufflevector(mixed, mixed, PAIRS_ACROSS); }
static inline vec pairs_mixed(vec sorted) { return __builtin_shufflevector(sorted, sorted, PAIRS_BACK); }
static inline int pairs_place(int lane) {
    static const int8_t place[] = {PAIRS_BACK};
    return place[lane];
}
#if CX_BYTES == 32
static inline vec pairs_even(vec a, vec b) { return pairs_sorted(pairs_even_mixed(a, b)); }
static inline vec pairs_odd(vec a, vec b) { return pairs_sorted(pairs_odd_mixed(a, b)); }
#else
static inline vec pairs_even(vec a, vec b) { return v_even(a, b); }
static inline vec pairs_odd(vec a, vec b) { return __builtin_shufflevector(a, b, PAIRS_ODD); }
#endif
#undef PAIRS_EVEN_HALVES
#undef PAIRS_ODD_HALVES
#undef PAIRS_ACROSS
#undef PAIRS_BACK
#else
static inline vec pairs_even(vec a, vec b) { return v_even(a, b); }
static inline vec pairs_odd(vec a, vec b) { return __builtin_shufflevector(a, b, PAIRS_ODD); }
#endif
#endif

/*
 * Even and odd elements in whatever order is the cheapest: what is computed of them lane by lane is sorted once, or put
 * where pairs_place says: lane i holds element pairs_place(i). pairs_mixed gives the mixed order back.
 */
#if CX_BYTES < 32
static inline vec pairs_even_mixed(vec a, vec b) { return pairs_even(a, b); }
static inline vec pairs_odd_mixed(vec a, vec b) { return pairs_odd(a, b); }
static inline vec pairs_sorted(vec mixed) { return mixed; }
static inline vec pairs_mixed(vec sorted) { return sorted; }
static inline int pairs_place(int lane) { return lane; }
#endif

/* n pairs: those before the last whole vector are done once more with it. */
static inline void split_pairs(real *even, real *odd, const real *src, int64_t n) {
    if (n < LANES) {
        for (int64_t i = 0; i < n; ++i) {
            even[i] = src[2 * i];
            odd[i] = src[2 * i + 1];
        }
        return;
    }
    for (int64_t at = 0; at < n; at += LANES) {
        const int64_t i = at + LANES <= n ? at : n - LANES;
        const vec a = v_load(src + 2 * i), b = v_load(src + 2 * i + LANES);
        v_store(even + i, pairs_even(a, b));
        v_store(odd + i, pairs_odd(a, b));
    }
}

static inline void join_pairs(real *dst, const real *even, const real *odd, int64_t n) {
    if (n < LANES) {
        for (int64_t i = 0; i < n; ++i) {
            dst[2 * i] = even[i];
            dst[2 * i + 1] = odd[i];
        }
        return;
    }
    for (int64_t at = 0; at < n; at += LANES) {
        const int64_t i = at + LANES <= n ? at : n - LANES;
        const vec a = v_load(even + i), b = v_load(odd + i);
        v_store(dst + 2 * i, pairs_low(a, b));
        v_store(dst + 2 * i + LANES, pairs_high(a, b));
    }
}

#undef PAIRS_ODD
#undef PAIRS_LOW
#undef PAIRS_HIGH

#endif
