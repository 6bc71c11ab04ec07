/* Every kernel table that this machine can run, and what tests of their functions' errors need. */
#ifndef CONVX_TESTS_TABLES_H
#define CONVX_TESTS_TABLES_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/tables.h"

static const cx_kernels *const tables[] = {
    &cx_kernels_scalar_f32, &cx_kernels_scalar_f64,
#ifdef CONVX_HAS_SSE2
    &cx_kernels_sse2_f32,   &cx_kernels_sse2_f64,
#endif
#ifdef CONVX_HAS_AVX2
    &cx_kernels_avx2_f32,   &cx_kernels_avx2_f64,
#endif
#ifdef CONVX_HAS_AVX512
    &cx_kernels_avx512_f32, &cx_kernels_avx512_f64,
#endif
#ifdef CONVX_HAS_NEON
    &cx_kernels_neon_f32,   &cx_kernels_neon_f64,
#endif
};
enum { TABLES = sizeof tables / sizeof tables[0] };

static inline bool runnable(const cx_kernels *table) {
#ifdef CONVX_EMULATE_AVX512
    if (table->isa == CX_ISA_AVX512) return cx_cpu_supports(CX_ISA_AVX2);
#endif
    return cx_cpu_supports(table->isa);
}

/* |result - want| in units in the last place of want, in the table's precision, gradual underflow included. */
static inline double ulps(double result, long double want, bool f64) {
    const int digits = f64 ? DBL_MANT_DIG : FLT_MANT_DIG;
    const int least = (f64 ? DBL_MIN_EXP - DBL_MANT_DIG : FLT_MIN_EXP - FLT_MANT_DIG);
    int exponent = want == 0 ? least : ilogbl(want) - digits + 1;
    if (exponent < least) exponent = least;
    return (double)ldexpl(fabsl((long double)result - want), -exponent);
}

static inline double random_unit(void) {
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

#endif
