/*
 * exp and tanh on vectors, in plain vector arithmetic: the same bits on every element of a vector and in every tail.
 *
 * Both rest on x = n ln 2 + r with |r| <= ln(2)/2 and on expm1(r) = r + r^2 q(r), where q is the minimax polynomial of
 * the relative error of expm1 on that interval (Remez exchange in 300-bit arithmetic): 2^-31.9 for float, 2^-61.7 for
 * double.
 *
 * Largest errors measured against more precise arithmetic, in units in the last place, with FMA and without
 *   v_exp   float 0.98, double 0.97        v_tanh   float 2.42, double 2.52
 * (every eleventh float there is; four million doubles). tests/c/test_activate.c holds the activations made of them to 2.75.
 * Results below the normal range are rounded twice, which stays within the bound. NaN stays NaN; exp(-inf) = 0,
 * exp(inf) = inf, tanh is odd (to the sign of zero) and reaches +-1 exactly.
 */
#ifndef CX_VEC_MATH_H
#define CX_VEC_MATH_H

#include "vec/vec.h"

#if CX_F64
typedef uint64_t real_unsigned;
enum { MANTISSA_BITS = 52, EXPONENT_BIAS = 1023 };
#else
typedef uint32_t real_unsigned;
enum { MANTISSA_BITS = 23, EXPONENT_BIAS = 127 };
#endif

/* For exponents: their arithmetic may wrap, where a NaN makes them meaningless. */
typedef real_unsigned vec_unsigned __attribute__((vector_size(CX_BYTES)));

typedef struct vec_reduced {
    vec_unsigned n; /* two's complement */
    vec expm1;      /* of what remains: x - n ln 2 */
} vec_reduced;

/* Unrolled whatever the compiler optimises for: a loop would read the factors from memory, where it had put them before. */
static inline vec v_sum_of_powers(const real *factor, int terms, vec x) {
    vec sum = v_splat(factor[terms - 1]);
    _Pragma("GCC unroll 16") for (int i = terms - 2; i >= 0; --i) sum = sum * x + v_splat(factor[i]);
    return sum;
}

/* Of x - less, for |x| below 2^10 or so and a much smaller `less`: what x has lost to rounding. */
static inline vec_reduced v_reduce_less(vec x, vec less) {
#if CX_F64
    const real inverse_ln2 = 0x1.71547652b82fep+0;
    const real ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33; /* n * ln2_high is exact */
    const real shift = 0x1.8p52;
    const real q[] = {0x1.0p-1,
                      0x1.5555555555559p-3,
                      0x1.555555555553fp-5,
                      0x1.111111110f6c4p-7,
                      0x1.6c16c16c1f09ap-10,
                      0x1.a01a01afddc6dp-13,
                      0x1.a01a017bc881cp-16,
                      0x1.71ddf8631f6a3p-19,
                      0x1.27e5360d6e0c0p-22,
                      0x1.af5ea979ef823p-26,
                      0x1.1ee8df320da9cp-29};
#else
    const real inverse_ln2 = 0x1.715476p+0f;
    const real ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
    const real shift = 0x1.8p23f;
    const real q[] = {0x1.0p-1f, 0x1.555554p-3f, 0x1.5554bp-5f, 0x1.11118ap-7f, 0x1.6d724cp-10f, 0x1.a032d6p-13f};
#endif
    /* Adding the shift rounds to an integer and leaves it in the low bits. */
    vec shifted = x * v_splat(inverse_ln2) + v_splat(shift);
    vec n = shifted - v_splat(shift);
    vec r = x - n * v_splat(ln2_high);
    r = r - n * v_splat(ln2_low) - less;
    enum { TERMS = sizeof q / sizeof q[0] };
    vec_reduced reduced = {(vec_unsigned)shifted - (vec_unsigned)v_splat(shift),
                           r + r * r * v_sum_of_powers(q, TERMS, r)};
    return reduced;
}

static inline vec_reduced v_reduce(vec x) { return v_reduce_less(x, v_zero()); }

/* exp(x - less), see v_reduce_less; for x in v_exp's range, which ends where results are zero or infinite. */
static inline vec v_exp_within(vec x, vec less) {
    vec_reduced y = v_reduce_less(x, less);
    /* 2^n by two factors, each of them a normal number: n itself reaches beyond the exponents of normal numbers. */
    vec_unsigned both = y.n + 2 * EXPONENT_BIAS;
    vec_unsigned half = both >> 1;
    vec_unsigned other = both - half;
    return (v_splat(1) + y.expm1) * (vec)(half << MANTISSA_BITS) * (vec)(other << MANTISSA_BITS);
}

static inline vec v_exp(vec x) {
    /* Beyond these the result is infinite or zero, and the exponents still fit. */
#if CX_F64
    const real least = -746, most = 710;
#else
    const real least = -104, most = 89;
#endif
    return v_exp_within(v_at_least(v_at_most(x, v_splat(most)), v_splat(least)), v_zero());
}

/* expm1(x) for x up to 40 (float) or 80 (double), where the exponent below still fits with room to spare. */
static inline vec v_expm1_moderate(vec x) {
    vec_reduced y = v_reduce(x);
    vec power = (vec)((y.n + EXPONENT_BIAS) << MANTISSA_BITS);
    return power * y.expm1 + (power - v_splat(1));
}

/* For x <= 0. */
static inline vec v_expm1_negative(vec x) {
    const real least = CX_F64 ? -40 : -20; /* well beyond where it rounds to -1 */
    return v_expm1_moderate(v_at_least(x, v_splat(least)));
}

/* With e = expm1(2 |x|): tanh |x| = e / (e + 2). Small x lose nothing, since e keeps its relative precision. */
static inline vec v_tanh(vec x) {
    const real most = CX_F64 ? 80 : 40; /* e + 2 rounds to e well before */
    vec_bits sign = (vec_bits)x & (vec_bits)(-v_zero());
    vec magnitude = (vec)((vec_bits)x ^ sign);
    vec e = v_expm1_moderate(v_at_most(magnitude + magnitude, v_splat(most)));
    return (vec)((vec_bits)(e / (e + v_splat(2))) | sign);
}

/*
 * log(x) for finite x >= 1, or NaN. x = 2^n (1 + f) with 1 + f between sqrt(1/2) and sqrt(2), and with s = f / (f + 2):
 * log(1 + f) = 2 s + s^3 q(s^2), q the minimax polynomial of the relative error: 2^-30 for float, 2^-59 for double.
 */
static inline vec v_log(vec x) {
#if CX_F64
    const real ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33, root_half = 0x1.6a09e667f3bcdp-1;
    const real q[] = {0x1.5555555555593p-1, 0x1.999999997fb31p-2, 0x1.2492494217a15p-2, 0x1.c71c51e7f759p-3,
                      0x1.7466462c9394cp-3, 0x1.39a0f5012195fp-3, 0x1.2f0d8ea940b59p-3};
#else
    const real ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f, root_half = 0x1.6a09e6p-1f;
    const real q[] = {0x1.55557ap-1f, 0x1.995e9cp-2f, 0x1.31e678p-2f};
#endif
    enum { TERMS = sizeof q / sizeof q[0] };
    const vec_unsigned bits = (vec_unsigned)x, from = (vec_unsigned)v_splat(root_half);
    const vec_unsigned n = (bits - from) >> MANTISSA_BITS;
    const vec f = (vec)(bits - (n << MANTISSA_BITS)) - v_splat(1);
    const vec whole = __builtin_convertvector((vec_bits)n, vec);
    const vec s = f / (f + v_splat(2)), z = s * s;
    const vec rest = s * z * v_sum_of_powers(q, TERMS, z) + whole * v_splat(ln2_low);
    const vec log = whole * v_splat(ln2_high) + (s + s + rest);
    return v_select((vec_bits)(x == x), log, x);
}

#endif
