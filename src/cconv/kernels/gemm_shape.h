/*
 * The register tile of each instruction set: GEMM_MR rows by GEMM_NV vectors. The accumulators, one row of b and one
 * broadcast fill the vector registers: 16 of them up to AVX2, 32 for AVX-512 and NEON. Checked with both gcc and clang
 * for spills.
 */
#ifndef CX_KERNELS_GEMM_SHAPE_H
#define CX_KERNELS_GEMM_SHAPE_H

#if CX_BYTES == 64
#define GEMM_MR 8
#define GEMM_NV 3
#elif defined(__aarch64__)
#define GEMM_MR 6
#define GEMM_NV 3
#elif CX_BYTES <= 8
#define GEMM_MR 4
#define GEMM_NV 2
#else
#define GEMM_MR 6
#define GEMM_NV 2
#endif

/* Tiles of one vector: the tallest. As many chains as two FMA units with a latency of four cycles keep busy. */
#if CX_BYTES == 32
#define GEMM_NARROW_MR 8
#else
#define GEMM_NARROW_MR GEMM_MR
#endif

#define GEMM_NR (GEMM_NV * LANES)

#endif
