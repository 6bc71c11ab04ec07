/*
 * The normal distribution on vectors, for gelu: Phi(-t) = exp(-t^2/2) g(t) for t >= 0.
 *
 * g is a quotient of two polynomials whose coefficients are all positive, so that nothing cancels: the minimax one of the
 * relative error (Lawson's iteration in 70-digit arithmetic), for t up to 14.5 in float (2^-27.3) and up to 39 in double
 * (2^-54.1), beyond which results are zero. Two short sums and one division at the end take less time than one long sum.
 * tests/c/test_pointwise.c holds gelu to the bounds that convx.h states.
 */
#ifndef CX_VEC_NORMAL_H
#define CX_VEC_NORMAL_H

#include "vec/math.h"
#include "vec/shuffle.h"

typedef struct vec_quotient {
    vec over, under;
} vec_quotient;

/* Powers are multiplied by 2^POWER_RAISED, the ratio is divided by it: so neither loses digits where their product is tiny. */
enum { POWER_RAISED = CX_F64 ? 128 : 64 };

/* g(t) 2^-POWER_RAISED */
static inline vec_quotient v_mills_ratio(vec t) {
#if CX_F64
    const real over[] = {0x1.191f29eee544cp-111, 0x1.b3abfc513b3ebp-111, 0x1.4e012c748d20dp-111, 0x1.455c049e3b015p-112,
                         0x1.b77663f83cbc4p-114, 0x1.a9078f764287dp-116, 0x1.26503c8409e4cp-118, 0x1.1a5f2a3ec41dcp-121,
                         0x1.57352335508bep-125, 0x1.9884533d3e30fp-130};
    const real under[] = {0x1.191f29eee544cp+18,
                          0x1.49fcbcbc4d04ap+19,
                          0x1.68037af338015p+19,
                          0x1.e1f5676e3a5d5p+18,
                          0x1.b7b553a3f1c09p+17,
                          0x1.1eb5957b4a941p+16,
                          0x1.0fd8a11a05cabp+14,
                          0x1.743a4a52b8d65p+11,
                          0x1.62e686a023108p+8,
                          0x1.ae259b14e0504p+4,
                          1};
#else
    const real over[] = {0x1.83ac7cp-59f, 0x1.53d4d8p-59f, 0x1.1c2474p-60f, 0x1.f81446p-63f, 0x1.98858ap-66f};
    const real under[] = {0x1.83ac7cp+6f, 0x1.449344p+7f, 0x1.d22dfcp+6f, 0x1.6c00f0p+5f, 0x1.3be7a0p+3f, 1};
#endif
    enum { OVER = sizeof over / sizeof over[0], UNDER = sizeof under / sizeof under[0] };
    return (vec_quotient){v_sum_of_powers(over, OVER, t), v_sum_of_powers(under, UNDER, t)};
}

/*
 * v_half_exp below: 2^POWER_RAISED exp(-(square + rest) / 2) for squares >= 0 and a small rest, if that is a normal number.
 * Both split the exponent into octaves, or eighths of them, and a rest, for which there is a series of exp(x / 2).
 */
#if !CX_F64 && CX_LANE_COUNT >= 8 && !defined(__clang__)

/* Eighths of an octave, by a permutation, leave a series so short that this is the faster way. Its error is 2^-25. */
static inline vec v_half_exp(vec square, vec rest) {
    enum { STEPS = 8, STEPS_LOG2 = 3 };
    /* 2^(i / 8) */
    const real power_of[STEPS] = {
        1, 0x1.172b84p0f, 0x1.306fe0p0f, 0x1.4bfdaep0f, 0x1.6a09e6p0f, 0x1.8ace54p0f, 0x1.ae89fap0f, 0x1.d5818ep0f};
    const real steps_of_one = 0x1.715476p+2f, shift = 0x1.8p23f;
    const real high = 0x1.62ep-3f, low = 0x1.0bfbe8p-17f; /* a quarter of ln 2; n * high is exact */
    const real q[] = {0x1.000876p-3f, 0x1.555656p-6f};
    vec powers;
    _Pragma("GCC unroll 16") for (int i = 0; i < LANES; ++i) powers[i] = power_of[i % STEPS];
    const vec whole = v_splat(shift + POWER_RAISED * STEPS), shifted = whole - square * v_splat(steps_of_one);
    const vec n = shifted - whole;
    const vec r = -square - n * v_splat(high) - (n * v_splat(low) + rest);
    const vec fraction = v_permute(powers, (vec_bits)shifted); /* by its low bits */
    const vec_unsigned octaves = ((vec_unsigned)shifted & ~(vec_unsigned){0} << STEPS_LOG2)
                                 << (MANTISSA_BITS - STEPS_LOG2);
    const vec power = v_splat(1) + r * (v_splat((real)0.5) + r * v_sum_of_powers(q, 2, r));
    return (vec)((vec_unsigned)fraction + octaves) * power;
}

#else

/* The series' error is 2^-27.5 for float. */
static inline vec v_half_exp(vec square, vec rest) {
#if CX_F64
    const real half_inverse_ln2 = 0x1.71547652b82fep-1, shift = 0x1.8p52;
    const real high = 0x1.62e42feep+0, low = 0x1.a39ef35793c76p-32; /* twice ln 2; n * high is exact */
    const real q[] = {0x1.0p-3,
                      0x1.5555555555559p-6,
                      0x1.555555555553fp-9,
                      0x1.111111110f6c4p-12,
                      0x1.6c16c16c1f09ap-16,
                      0x1.a01a01afddc6dp-20,
                      0x1.a01a017bc881cp-24,
                      0x1.71ddf8631f6a3p-28,
                      0x1.27e5360d6e0c0p-32,
                      0x1.af5ea979ef823p-37,
                      0x1.1ee8df320da9cp-41};
#else
    const real half_inverse_ln2 = 0x1.715476p-1f, shift = 0x1.8p23f;
    const real high = 0x1.62e4p+0f, low = 0x1.7f7d1cp-19f;
    const real q[] = {0x1.ffffeep-4f, 0x1.555472p-6f, 0x1.55658cp-9f, 0x1.124dd8p-12f, 0x1.60392ep-16f};
#endif
    const vec whole = v_splat(shift + POWER_RAISED), shifted = whole - square * v_splat(half_inverse_ln2);
    const vec n = shifted - whole;
    const vec r = -square - n * v_splat(high) - (n * v_splat(low) + rest);
    enum { TERMS = sizeof q / sizeof q[0] };
    const vec power = v_splat(1) + r * (v_splat((real)0.5) + r * v_sum_of_powers(q, TERMS, r));
    return (vec)((vec_unsigned)power + ((vec_unsigned)shifted << MANTISSA_BITS));
}

#endif

#endif
