/* Small arithmetic on sizes. Nothing here checks for overflow: see base/memory.h. */
#ifndef CX_BASE_INTEGER_H
#define CX_BASE_INTEGER_H

#include <stdint.h>

static inline int64_t cx_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t cx_max(int64_t a, int64_t b) { return a > b ? a : b; }

/* a / b rounded up, or down; a >= 0 for the first, b > 0 for both. */
static inline int64_t cx_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t cx_floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -cx_ceil_div(-a, b); }

static inline int64_t cx_round_up(int64_t a, int64_t unit) { return cx_ceil_div(a, unit) * unit; }

/* The product of the sizes of three dimensions. */
static inline int64_t cx_count3(const int64_t n[3]) { return n[0] * n[1] * n[2]; }

#endif
