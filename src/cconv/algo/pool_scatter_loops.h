/*
 * Template: values to the places that indices name.
 *
 * Parameters
 *   REAL     float or double
 *   BITS     an unsigned type of its size
 *   NAME(x)  the name of a function for this REAL
 */

/*
 * x[index[i]] += y[i] where `places` holds the index. False if there is another that is neither -1 nor in `window`. `unit` channels
 * lie side by side, in x too. `often`: many indices are others; then none may be outside the window but -1.
 */
static inline bool NAME(scatter_to)(const bool often, REAL *x, const int64_t *index, const REAL *y, const int64_t unit,
                                    int64_t n, const place_range *places, const place_range *window) {
    const uint64_t first = (uint64_t)places->first, count = (uint64_t)places->end - first;
    const uint64_t begin = (uint64_t)window->first, reach = (uint64_t)window->end - begin;
    bool expected = true;
    for (int64_t i = 0; i < n; i += unit)
        for (int64_t c = 0; c < unit; ++c) {
            const int64_t at = index[i + c];
            const uint64_t place = (uint64_t)at - first;
            const bool here = place < count;
            if (often) { /* 0 to the first place: no branch, which nobody could foresee */
                const uint64_t mask = -(uint64_t)here;
                BITS bits;
                REAL value;
                memcpy(&bits, y + i + c, sizeof bits);
                bits &= (BITS)mask;
                memcpy(&value, &bits, sizeof value);
                x[(places->first + (int64_t)(place & mask)) * unit + c] += value;
                expected &= ((uint64_t)at - begin < reach) | (at == -1);
            } else if (here) {
                x[at * unit + c] += y[i + c];
            } else {
                expected = expected && (at == -1 || (uint64_t)at - begin < reach);
            }
        }
    return expected;
}

static bool NAME(scatter)(bool often, void *x, const int64_t *index, const void *y, int64_t unit, int64_t n,
                          const place_range *places, const place_range *window) {
    return often ? NAME(scatter_to)(true, x, index, y, unit, n, places, window)
                 : NAME(scatter_to)(false, x, index, y, unit, n, places, window);
}

/* Values for the same place one after the other, as wide windows give them, are added up before they go there. */
static bool NAME(scatter_runs)(REAL *x, const int64_t *index, const REAL *y, int64_t n, int64_t places) {
    bool expected = true;
    for (int64_t i = 0; i < n;) {
        const int64_t at = index[i];
        if ((uint64_t)at >= (uint64_t)places) {
            expected = expected && at == -1;
            ++i;
            continue;
        }
        REAL sum = x[at];
        do sum += y[i++];
        while (i < n && index[i] == at);
        x[at] = sum;
    }
    return expected;
}

/* Planes of single channels, one after the other. */
static bool NAME(scatter_planes)(bool runs, void *to, const int64_t *index, const void *from, int64_t n,
                                 const place_range *places, int64_t planes) {
    bool expected = true;
    REAL *x = to;
    const REAL *y = from;
    for (int64_t plane = 0; plane < planes; ++plane, x += places->end, index += n, y += n)
        expected = (runs ? NAME(scatter_runs)(x, index, y, n, places->end)
                         : NAME(scatter_to)(false, x, index, y, 1, n, places, places)) &&
                   expected;
    return expected;
}

#undef REAL
#undef BITS
#undef NAME
