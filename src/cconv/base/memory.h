/*
 * Scratch memory, aligned to 64 bytes. A thread keeps the largest block of up to 16 MB that it gave back, so that steady work does
 * not go to the system's allocator and does not fault pages in anew; it is freed with the thread. Larger blocks are freed at once.
 * From 256 KB on, where the system has huge pages, they are used: up to 2 MB more of memory, and much less time until it is there.
 */
#ifndef CX_BASE_MEMORY_H
#define CX_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/integer.h"

#define CX_ALIGNMENT 64 /* also taken for the length of a cache line */

/* NULL when there is no memory. size 0 gives a block too. A block is released by the thread that acquired it; NULL is ignored. */
void *cx_scratch_acquire(size_t size);
void cx_scratch_release(void *block);

void *cx_aligned_alloc(size_t size);
void cx_aligned_free(void *block);

#ifdef CONVX_FAULTS
/* Tests only: the first `allocations` calls from now succeed, then all fail; a negative number ends it. For every thread. */
void cx_memory_fail_after(int64_t allocations);
#endif

/* Checked 64-bit arithmetic: false, and nothing stored, when the result does not fit (or is negative for sizes). */
static inline bool cx_mul(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool cx_add(int64_t a, int64_t b, int64_t *out) { return !__builtin_add_overflow(a, b, out); }

/*
 * A step of at least `elements`, in elements of `size`: an odd number of cache lines, so that what lies one step apart
 * does not compete for the same places of the first-level cache.
 */
static inline int64_t cx_odd_lines(int64_t elements, size_t size) {
    const int64_t line = CX_ALIGNMENT / (int64_t)size;
    return (cx_ceil_div(elements, line) | 1) * line;
}

static inline size_t cx_align_up(size_t size) { return (size + CX_ALIGNMENT - 1) & ~(size_t)(CX_ALIGNMENT - 1); }

#endif
