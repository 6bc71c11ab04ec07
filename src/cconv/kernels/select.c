/* Which of the tables that this build has is in force. */
#include <stdatomic.h>
#include <stddef.h>

#include "kernels/tables.h"

typedef struct table_pair {
    const cx_kernels *f32, *f64;
} table_pair;

/* Worst first. */
static const table_pair tables[] = {
    {&cx_kernels_scalar_f32, &cx_kernels_scalar_f64},
#ifdef CONVX_HAS_SSE2
    {&cx_kernels_sse2_f32, &cx_kernels_sse2_f64},
#endif
#ifdef CONVX_HAS_AVX2
    {&cx_kernels_avx2_f32, &cx_kernels_avx2_f64},
#endif
#ifdef CONVX_HAS_AVX512
    {&cx_kernels_avx512_f32, &cx_kernels_avx512_f64},
#endif
#ifdef CONVX_HAS_NEON
    {&cx_kernels_neon_f32, &cx_kernels_neon_f64},
#endif
};
enum { TABLES = sizeof tables / sizeof tables[0] };

/* The cap counts by rank among this build's ISAs: a name of another architecture caps nothing. */
static const table_pair *pick(void) {
    int cap = cx_isa_cap(), end = TABLES;
    for (int i = 0; i < TABLES; ++i)
        if ((int)tables[i].f32->isa == cap) end = i + 1;
    const table_pair *best = &tables[0];
    for (int i = 1; i < end; ++i)
        if (cx_cpu_supports(tables[i].f32->isa)) best = &tables[i];
    return best;
}

const cx_kernels *cx_kernels_get(convx_dtype dtype) {
    static _Atomic(const table_pair *) chosen;
    const table_pair *pair = atomic_load_explicit(&chosen, memory_order_acquire);
    if (!pair) {
        /* Two first callers may both pick; the first to store decides for all, should the environment have changed between. */
        const table_pair *picked = pick();
        if (atomic_compare_exchange_strong(&chosen, &pair, picked)) pair = picked;
    }
    return dtype == CONVX_FLOAT64 ? pair->f64 : pair->f32;
}

int cx_kernels_isa_at(int index) {
    if (index < 0) return -1;
    for (int i = 0; i < TABLES; ++i)
        if (cx_cpu_supports(tables[i].f32->isa) && index-- == 0) return (int)tables[i].f32->isa;
    return -1;
}
