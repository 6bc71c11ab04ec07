/* Every kernel table that this build has; which of them is in force, select.c decides. */
#ifndef CX_KERNELS_TABLES_H
#define CX_KERNELS_TABLES_H

#include "kernels/kernels.h"

extern const cx_kernels cx_kernels_scalar_f32, cx_kernels_scalar_f64;
#ifdef CONVX_HAS_SSE2
extern const cx_kernels cx_kernels_sse2_f32, cx_kernels_sse2_f64;
#endif
#ifdef CONVX_HAS_AVX2
extern const cx_kernels cx_kernels_avx2_f32, cx_kernels_avx2_f64;
#endif
#ifdef CONVX_HAS_AVX512
extern const cx_kernels cx_kernels_avx512_f32, cx_kernels_avx512_f64;
#endif
#ifdef CONVX_HAS_NEON
extern const cx_kernels cx_kernels_neon_f32, cx_kernels_neon_f64;
#endif

#endif
