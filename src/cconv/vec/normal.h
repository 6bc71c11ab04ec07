/*
 * The normal distribution on vectors, for gelu: Phi(-t) = exp(-t^2/2) g(t) for t >= 0.
 *
 * g decays like 1/t, so it is 1 / (t + k) times a polynomial in (t - k) / (t + k): the minimax polynomial of the relative
 * error (Remez exchange in 300-bit arithmetic) for t up to 15 in float (2^-26.9) and up to 39 in double (2^-57.6), beyond
 * which the result is zero. The square in the exponent is split into an exact and a small part, so that the relative error
 * stays small in the tail, too; tests/c/test_pointwise.c holds gelu to the bounds that convx.h states.
 */
#ifndef CX_VEC_NORMAL_H
#define CX_VEC_NORMAL_H

#include "vec/math.h"

typedef struct vec_normal {
    vec ratio; /* g(|x|): apart, since the product would lose digits where it underflows */
    vec power; /* exp(-x^2/2) */
} vec_normal;

static inline vec_normal v_normal(vec x) {
#if CX_F64
    const real farthest = 39, k = 5.5;
    const real_unsigned upper_half = ~(((real_unsigned)1 << 27) - 1);
    const real q[] = {0x1.8c2b8893b5c8dp-1,   -0x1.5ed05c7e41a2ep-1,  0x1.1239b3f8c06ddp-1,   -0x1.77dbb5cdda967p-2,
                      0x1.be33e6ee9934cp-3,   -0x1.c15806fa494b7p-4,  0x1.71707b57604f7p-5,   -0x1.c83edf430eb5cp-7,
                      0x1.4034e557f6203p-9,   0x1.1ab3459f968d6p-12,  -0x1.544960d3ce456p-12, 0x1.2b8923d02be39p-14,
                      0x1.11cd5334a04ep-16,   -0x1.96a584a1f995ap-17, 0x1.df8605f132472p-22,  0x1.8e6736b6c74cdp-20,
                      -0x1.1fd8b3e005de5p-22, -0x1.7e6c96290364cp-23, 0x1.b109df08cbd94p-25,  0x1.916fcfdaf18b6p-26,
                      -0x1.81ce0bccec56cp-28, -0x1.7860f3fc8185bp-29, -0x1.028b6f1e78e87p-34};
#else
    const real farthest = 15, k = 3.25f;
    const real_unsigned upper_half = ~(((real_unsigned)1 << 12) - 1);
    const real q[] = {0x1.799186p-1f, -0x1.14379ap-1f,  0x1.190a6ep-2f,   -0x1.4b776cp-4f, 0x1.1fb9aep-10f,
                      0x1.101bc8p-7f, -0x1.3161fep-10f, -0x1.13a104p-10f, 0x1.2faefap-13f, 0x1.0ce87cp-13f};
#endif
    enum { TERMS = sizeof q / sizeof q[0] };
    const vec negative = (vec)((vec_bits)x | (vec_bits)(-v_zero())), t = v_at_most(-negative, v_splat(farthest));
    const vec high = (vec)((vec_unsigned)t & (upper_half - (vec_unsigned){0}));
    const vec power = v_exp_within(high * high * v_splat((real)-0.5), (t - high) * (t + high) * v_splat((real)0.5));
    const vec part = v_splat(1) / (t + v_splat(k)), u = (t - v_splat(k)) * part;
    vec sum = v_splat(q[TERMS - 1]);
    for (int i = TERMS - 2; i >= 0; --i) sum = sum * u + v_splat(q[i]);
    return (vec_normal){part * sum, power};
}

#endif
