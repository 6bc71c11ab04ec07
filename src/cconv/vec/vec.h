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

/* CX_X86(name): x86's instruction of that name on a vec, where the operators of GCC's vectors take several. */
#if CX_BYTES == 64 && defined(__AVX512DQ__)
#include <immintrin.h>
#define CX_X86_NAME(name, type) _mm512_##name##_##type
#define CX_X86_MASKS
#define CX_X86_FIRST(n) ((1u << (n)) - 1)
#elif CX_BYTES == 32 && defined(__AVX__)
#include <immintrin.h>
#define CX_X86_NAME(name, type) _mm256_##name##_##type
#define CX_X86_MASKED_LOADS
#elif CX_BYTES == 16 && defined(__SSE2__)
#include <immintrin.h>
#define CX_X86_NAME(name, type) _mm_##name##_##type
#endif
#if defined(CX_X86_NAME) && CX_F64
#define CX_X86(name) CX_X86_NAME(name, pd)
#elif defined(CX_X86_NAME)
#define CX_X86(name) CX_X86_NAME(name, ps)
#endif

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

/*
 * The same for so many uses: GCC reads memory again for each of them, even where registers are left, and loads are what the loops
 * of stencils wait for: those that are not aligned often straddle two lines of the cache.
 */
static inline __attribute__((always_inline)) vec v_load_for(const int uses, const real *p) {
    vec v = v_load(p);
#if CX_BYTES > 16 && defined(CX_X86_NAME)
    if (uses > 1) __asm__("" : "+v"(v));
#else
    (void)uses;
#endif
    return v;
}

/* Half a vector, where operations on one cost less than on a whole one. */
#define CX_HALVES (CX_BYTES == 64)
#if CX_HALVES
typedef real half_vec __attribute__((vector_size(CX_BYTES / 2)));
typedef real_bits half_vec_bits __attribute__((vector_size(CX_BYTES / 2)));
typedef real half_vec_unaligned __attribute__((vector_size(CX_BYTES / 2), aligned(sizeof(real)), may_alias));
#else
typedef vec half_vec;
typedef vec_bits half_vec_bits;
typedef vec_unaligned half_vec_unaligned;
#endif
static inline half_vec v_half(vec v) {
    half_vec low;
    memcpy(&low, &v, sizeof low);
    return low;
}
static inline vec v_widened(half_vec low) {
    vec v = {0};
    memcpy(&v, &low, sizeof low);
    return v;
}
static inline half_vec v_half_load(const real *p) { return *(const half_vec_unaligned *)p; }
static inline void v_half_store(real *p, half_vec v) { *(half_vec_unaligned *)p = v; }

static inline vec v_zero(void) { return (vec){0}; }
static inline vec v_splat(real x) { return x - (vec){0}; }

#ifdef CX_X86_MASKS
#define CX_CHEAP_FIRST /* the next two are one instruction */
#endif

/* The first n < LANES elements; the rest is zero. Touches nothing past them. */
static inline vec v_load_first(const real *p, int64_t n) {
#ifdef CX_X86_MASKS
    return CX_X86(maskz_loadu)(CX_X86_FIRST(n), p);
#else
    vec v = v_zero();
    memcpy(&v, p, (size_t)n * sizeof(real));
    return v;
#endif
}
static inline void v_store_first(real *p, vec v, int64_t n) {
#ifdef CX_X86_MASKS
    CX_X86(mask_storeu)(p, CX_X86_FIRST(n), v);
#else
    memcpy(p, &v, (size_t)n * sizeof(real));
#endif
}

/* Lanes [low, high), 0 <= low <= high <= LANES; the others are zero. Touches nothing but them. */
static inline vec v_load_between(const real *p, int64_t low, int64_t high) {
#if defined(CX_X86_MASKED_LOADS)
    vec_bits lane = {0};
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) lane[i] = i;
    return CX_X86(maskload)(p, (__m256i)((lane >= (real_bits)low) & (lane < (real_bits)high)));
#elif defined(CX_X86_MASKS)
    return CX_X86(maskz_loadu)(CX_X86_FIRST(high) & ~CX_X86_FIRST(low), p);
#else
    vec v = v_zero();
    for (int64_t i = low; i < high; ++i) v[i] = p[i];
    return v;
#endif
}

/* Lane by lane: mask ? a : b. Added rather than joined by |, which GCC turns into two exclusive ors where AVX-512 has a blend. */
static inline vec v_select(vec_bits mask, vec a, vec b) { return (vec)((mask & (vec_bits)a) + (~mask & (vec_bits)b)); }

/* Only the lanes that the mask marks. p may be read and written whole, but other lanes keep what they hold. */
static inline void v_store_kept(real *p, vec v, vec_bits kept) {
#if !defined(CX_X86_MASKS)
    v_store(p, v_select(kept, v, v_load(p)));
#elif CX_F64
    _mm512_mask_storeu_pd(p, _mm512_movepi64_mask((__m512i)kept), v);
#else
    _mm512_mask_storeu_ps(p, _mm512_movepi32_mask((__m512i)kept), v);
#endif
}

/* max(a, floor), min(a, ceiling) where a NaN in `a` stays. */
static inline vec v_at_least(vec a, vec floor) {
#ifdef CX_X86
    return CX_X86(max)(floor, a); /* the second operand where either is a NaN */
#else
    return v_select((vec_bits)(a < floor), floor, a);
#endif
}
static inline vec v_at_most(vec a, vec ceiling) {
#ifdef CX_X86
    return CX_X86(min)(ceiling, a);
#else
    return v_select((vec_bits)(a > ceiling), ceiling, a);
#endif
}

/* What t * t lost as it was rounded to `square`, all but exactly; t of moderate size. */
static inline vec v_lost_by_square(vec t, vec square) {
#if defined(CX_X86) && defined(__FMA__)
    return CX_X86(fmsub)(t, t, square);
#else
    const real_bits lower = ((real_bits)1 << (CX_F64 ? 27 : 12)) - 1; /* the others' square is exact */
    const vec high = (vec)((vec_bits)t & (~lower - (vec_bits){0}));
    return (high * high - square) + (t - high) * (t + high);
#endif
}

/* Lane i is lane i ^ distance of v. */
static inline vec v_exchange(vec v, int distance) {
    vec exchanged = v;
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) exchanged[i] = v[i ^ distance];
    return exchanged;
}

/* The greatest lane; any of the numbers if there are NaNs. */
static inline real v_greatest(vec v) {
#pragma GCC unroll 4
    for (int distance = LANES / 2; distance > 0; distance /= 2) v = v_at_least(v, v_exchange(v, distance));
    return v[0];
}

/* Pairwise, so that the order of the additions does not depend on the compiler. */
static inline real v_sum(vec v) {
#pragma GCC unroll 4
    for (int distance = LANES / 2; distance > 0; distance /= 2) v += v_exchange(v, distance);
    return v[0];
}

#undef CX_X86
#undef CX_X86_NAME
#undef CX_X86_MASKS
#undef CX_X86_MASKED_LOADS
#undef CX_X86_FIRST

#endif
