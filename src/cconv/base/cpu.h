/* What this CPU is: instruction sets that both it and the operating system support, and cache sizes. */
#ifndef CX_BASE_CPU_H
#define CX_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>

/* Worst first within an architecture. */
typedef enum cx_isa { CX_ISA_SCALAR = 0, CX_ISA_SSE2 = 1, CX_ISA_AVX2 = 2, CX_ISA_AVX512 = 3, CX_ISA_NEON = 4 } cx_isa;

typedef struct cx_cpu {
    size_t l1d, l2, l3; /* bytes: of one core, of one core, of what cores share. Never zero: defaults where unknown. */
    bool halves_512;    /* 64-byte vectors pass through units of 32 bytes, in two halves */
    char name[64];      /* brand string, or the architecture's name */
} cx_cpu;

const char *cx_isa_string(cx_isa isa);

/* CPUID and XGETBV (the operating system must save the registers), HWCAP on aarch64. Not capped. */
bool cx_cpu_supports(cx_isa isa);

/* Looked up once. */
const cx_cpu *cx_cpu_get(void);

/* The ISA that CONVX_ISA names ("scalar", "sse2", "avx2", "avx512", "neon"), or -1 when it is unset or names none. */
int cx_isa_cap(void);

#endif
