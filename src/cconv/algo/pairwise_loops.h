/*
 * Template: the sum of elements that lie side by side.
 *
 * Parameters (left defined, for the template that includes this one)
 *   REAL     float or double
 *   NAME(x)  the name of a function for this REAL
 */
#include <stdint.h>

/* As a tree: 32 sums side by side, halves beyond 1024. */
static REAL NAME(pairwise)(const REAL *p, int64_t n) {
    if (n > 1024) {
        const int64_t half = (n / 2 + 31) / 32 * 32;
        return NAME(pairwise)(p, half) + NAME(pairwise)(p + half, n - half);
    }
    REAL lane[32] = {0};
    int64_t i = 0;
    for (; i + 32 <= n; i += 32)
        for (int j = 0; j < 32; ++j) lane[j] += p[i + j];
    for (int j = 0; i + j < n; ++j) lane[j] += p[i + j];
    for (int width = 16; width > 0; width /= 2)
        for (int j = 0; j < width; ++j) lane[j] += lane[j + width];
    return lane[0];
}
