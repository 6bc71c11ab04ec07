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

/* The greatest common divisor; b may be 0. */
static inline int64_t cx_gcd(int64_t a, int64_t b) {
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* `total` cut into equal parts of at most `most`, each a multiple of `unit`: the size of one. At least one unit. */
static inline int64_t cx_even_part(int64_t total, int64_t most, int64_t unit) {
    if (total <= 0) return unit;
    if (total <= most - unit) return cx_round_up(total, unit); /* one part; spares divisions */
    const int64_t parts = cx_ceil_div(total, cx_max(most / unit * unit, unit));
    return cx_round_up(cx_ceil_div(total, parts), unit);
}

/* Where share `index` of `total` begins, cut into `shares` that differ by one at most; it ends where the next begins. */
static inline int64_t cx_share_begin(int64_t total, int64_t shares, int64_t index) {
    return total / shares * index + cx_min(index, total % shares);
}

/* The product of the sizes of three dimensions. */
static inline int64_t cx_count3(const int64_t n[3]) { return n[0] * n[1] * n[2]; }

#endif
