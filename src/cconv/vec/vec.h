/*
 * The vector vocabulary: GCC vector types, so that one source serves every instruction set.
 *
 * Parameters (defined by kernels/instance.c for the whole translation unit)
 *   CX_F64     0 for float, 1 for double
 *   CX_BYTES   bytes of a vector: 4 or 8 (scalar), 16, 32, 64
 *
 * Gives: real, vec, LANES, and v_* functions. a * b + c on vecs is contracted to one FMA where the ISA has it
 * (-ffp-contract=fast), in vectors and in tails alike: write tails with whole vectors, so that they round the same.
 */
#ifndef CX_VEC_VEC_H
#define CX_VEC_VEC_H

#include <stdint.h>
#include <string.h>

#if CX_F64
typedef double real;
typedef int64_t real_bits;
#else
typedef float real;
typedef int32_t real_bits;
#endif

#define LANES ((int)(CX_BYTES / sizeof(real)))

typedef real vec __attribute__((vector_size(CX_BYTES)));
typedef real_bits vec_bits __attribute__((vector_size(CX_BYTES))); /* same lanes, as integers: masks are all ones */
typedef real vec_unaligned __attribute__((vector_size(CX_BYTES), aligned(sizeof(real)), may_alias));

static inline vec v_load(const real *p) { return *(const vec_unaligned *)p; }
static inline void v_store(real *p, vec v) { *(vec_unaligned *)p = v; }

static inline vec v_zero(void) { return (vec){0}; }
static inline vec v_splat(real x) { return x - (vec){0}; }

/* The first n < LANES elements; the rest is zero. Touches nothing past them. */
static inline vec v_load_first(const real *p, int64_t n) {
    vec v = v_zero();
    memcpy(&v, p, (size_t)n * sizeof(real));
    return v;
}
static inline void v_store_first(real *p, vec v, int64_t n) { memcpy(p, &v, (size_t)n * sizeof(real)); }

/* Lane by lane: mask ? a : b. */
static inline vec v_select(vec_bits mask, vec a, vec b) { return (vec)((mask & (vec_bits)a) | (~mask & (vec_bits)b)); }

/* max(a, floor), min(a, ceiling) where a NaN in `a` stays. */
static inline vec v_at_least(vec a, vec floor) { return v_select((vec_bits)(a < floor), floor, a); }
static inline vec v_at_most(vec a, vec ceiling) { return v_select((vec_bits)(a > ceiling), ceiling, a); }

/* The greatest lane; any of the numbers if there are NaNs. */
static inline real v_greatest(vec v) {
    real lanes[CX_BYTES / sizeof(real)];
    memcpy(lanes, &v, sizeof lanes);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; ++i) lanes[i] = lanes[i] < lanes[i + width] ? lanes[i + width] : lanes[i];
    return lanes[0];
}

/* Pairwise, so that the order of the additions does not depend on the compiler. */
static inline real v_sum(vec v) {
    real lanes[CX_BYTES / sizeof(real)];
    memcpy(lanes, &v, sizeof lanes);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
    return lanes[0];
}

#endif
