/*
 * Template: windows along rows and columns. See pool_kernels.h, whose functions these are.
 *
 * Parameters: those of vec/vec.h. Gives POOL_KERNELS, an initialiser.
 */
#include "kernels/pool_kernels.h"
#include "vec/shuffle.h"

typedef real_bits vec_bits_unaligned __attribute__((vector_size(CX_BYTES), aligned(sizeof(real)), may_alias));

typedef struct pool_item {
    vec value;
    vec_bits index;
} pool_item;

#define POOL_INLINE static inline __attribute__((always_inline))

POOL_INLINE pool_item pool_load(const cx_pool_op op, cx_pool_place from, int64_t at) {
    pool_item item = {v_load((const real *)from.value + at), {0}};
    if (op == CX_POOL_ARGMAX)
        item.index = *(const vec_bits_unaligned *)((const real_bits *)from.index + at) + (real_bits)from.base;
    return item;
}

POOL_INLINE void pool_store(const cx_pool_op op, cx_pool_place to, int64_t at, pool_item item) {
    v_store((real *)to.value + at, item.value);
    if (op == CX_POOL_ARGMAX) *(vec_bits_unaligned *)((real_bits *)to.index + at) = item.index;
}

/* Where the later value takes the place of the earlier one. */
POOL_INLINE vec_bits pool_taken(vec earlier, vec later) {
#if CX_LANE_COUNT == 1 /* GCC 12 gets comparisons of one lane wrong */
    real a, b;
    memcpy(&a, &earlier, sizeof a);
    memcpy(&b, &later, sizeof b);
    const real_bits mask = b > a || b != b ? -1 : 0;
    vec_bits taken;
    memcpy(&taken, &mask, sizeof taken);
    return taken;
#else
    return (vec_bits)(later > earlier) | (vec_bits)(later != later);
#endif
}

POOL_INLINE pool_item pool_combine(const cx_pool_op op, pool_item earlier, pool_item later) {
    if (op == CX_POOL_SUM) return (pool_item){earlier.value + later.value, {0}};
#if CX_LANE_COUNT > 1
    if (op == CX_POOL_MAX) {
        const vec greatest = v_at_least(earlier.value, later.value);
        return (pool_item){v_select((vec_bits)(later.value != later.value), later.value, greatest), {0}};
    }
#endif
    const vec_bits taken = pool_taken(earlier.value, later.value);
    pool_item item = {v_select(taken, later.value, earlier.value), {0}};
    if (op == CX_POOL_ARGMAX) item.index = (taken & later.index) + (~taken & earlier.index); /* see v_select */
    return item;
}

/* Four rows at a time: in place (to == from) where there are no more, since nothing is read behind what was written. */
POOL_INLINE void pool_rows_of(const cx_pool_op op, cx_pool_place to, cx_pool_place from, int64_t step, int64_t count,
                              int64_t n, bool more) {
    for (int64_t first = 0; first < count; first += 4, more = true) {
        const int64_t at = first * step, taps = count - first;
        for (int64_t j = 0; j < n; j += LANES) {
            pool_item item = pool_load(op, from, at + j);
            if (taps > 1) item = pool_combine(op, item, pool_load(op, from, at + step + j));
            if (taps > 2) item = pool_combine(op, item, pool_load(op, from, at + 2 * step + j));
            if (taps > 3) item = pool_combine(op, item, pool_load(op, from, at + 3 * step + j));
            if (more) item = pool_combine(op, pool_load(op, to, j), item);
            pool_store(op, to, j, item);
        }
    }
}

static void pool_rows(cx_pool_op op, cx_pool_place to, cx_pool_place from, int64_t step, int64_t count, int64_t n,
                      bool more) {
    if (op == CX_POOL_SUM)
        pool_rows_of(CX_POOL_SUM, to, from, step, count, n, more);
    else if (op == CX_POOL_MAX)
        pool_rows_of(CX_POOL_MAX, to, from, step, count, n, more);
    else
        pool_rows_of(CX_POOL_ARGMAX, to, from, step, count, n, more);
}

static cx_pool_place pool_ahead(cx_pool_place place, int64_t elements) {
    return (cx_pool_place){(real *)place.value + elements, place.index ? (real_bits *)place.index + elements : NULL,
                           place.base};
}

/*
 * Windows of 1, 4, 16, ... taps, each from the one before. Sums take from each as many as the digit of `taps` to the base four
 * says; maxima may overlap, and take from the last one only.
 */
static void pool_slide(cx_pool_op op, cx_pool_place to, cx_pool_place from, cx_pool_place work, int64_t step,
                       int64_t taps, int64_t n) {
    if (taps <= 4) {
        pool_rows(op, to, from, step, taps, n, false);
        return;
    }
    int64_t width = 1, done = 0;
    for (;; width *= 4) {
        if (op == CX_POOL_SUM) {
            const int64_t digit = taps / width % 4;
            if (digit) pool_rows(op, to, pool_ahead(from, done * step), width * step, digit, n, done > 0);
            done += digit * width;
        }
        if (taps < 4 * width) break;
        pool_rows(op, work, from, width * step, 4, n + (taps - 4 * width) * step, false);
        from = work;
    }
    if (op == CX_POOL_SUM) return;
    const int64_t whole = taps / width;
    if (whole == 1) {
        pool_rows(op, to, from, (taps - width) * step, taps > width ? 2 : 1, n, false);
        return;
    }
    pool_rows(op, to, from, width * step, whole, n, false);
    if (taps % width) pool_rows(op, to, pool_ahead(from, (taps - width) * step), 0, 1, n, true);
}

POOL_INLINE void pool_columns_of(const cx_pool_op op, cx_pool_place to, cx_pool_place from, cx_pool_place work,
                                 int64_t step, int64_t taps, int64_t stride, int64_t count, int64_t n) {
    enum { tile = CX_POOL_TILE * CX_BYTES / sizeof(real) };
    const int64_t rows = (count - 1) * stride + 1;
    for (int64_t j = 0; j < n; j += tile) {
        for (int64_t first = 0; first < rows; first += taps) {
            pool_item run[CX_POOL_TILE];
#pragma GCC unroll 2
            for (int v = 0; v < CX_POOL_TILE; ++v) {
                run[v] = pool_load(op, from, (first + taps - 1) * step + j + v * LANES);
                pool_store(op, work, (taps - 1) * tile + v * LANES, run[v]);
            }
            for (int64_t r = taps - 2; r >= 0; --r)
#pragma GCC unroll 2
                for (int v = 0; v < CX_POOL_TILE; ++v) {
                    run[v] = pool_combine(op, pool_load(op, from, (first + r) * step + j + v * LANES), run[v]);
                    pool_store(op, work, r * tile + v * LANES, run[v]);
                }
            if (first % stride == 0)
#pragma GCC unroll 2
                for (int v = 0; v < CX_POOL_TILE; ++v)
                    pool_store(op, to, first / stride * step + j + v * LANES, run[v]);
            const int64_t end = rows - first < taps ? rows - first : taps;
#pragma GCC unroll 2
            for (int v = 0; v < CX_POOL_TILE; ++v)
                run[v] = (pool_item){v_splat(op == CX_POOL_SUM ? 0 : -(real)__builtin_inff()), {0}};
            for (int64_t r = 1; r < end; ++r) {
#pragma GCC unroll 2
                for (int v = 0; v < CX_POOL_TILE; ++v)
                    run[v] =
                        pool_combine(op, run[v], pool_load(op, from, (first + taps + r - 1) * step + j + v * LANES));
                if ((first + r) % stride != 0) continue;
#pragma GCC unroll 2
                for (int v = 0; v < CX_POOL_TILE; ++v)
                    pool_store(op, to, (first + r) / stride * step + j + v * LANES,
                               pool_combine(op, pool_load(op, work, r * tile + v * LANES), run[v]));
            }
        }
    }
}

static void pool_columns(cx_pool_op op, cx_pool_place to, cx_pool_place from, cx_pool_place work, int64_t step,
                         int64_t taps, int64_t stride, int64_t count, int64_t n) {
    if (op == CX_POOL_SUM)
        pool_columns_of(CX_POOL_SUM, to, from, work, step, taps, stride, count, n);
    else if (op == CX_POOL_MAX)
        pool_columns_of(CX_POOL_MAX, to, from, work, step, taps, stride, count, n);
    else
        pool_columns_of(CX_POOL_ARGMAX, to, from, work, step, taps, stride, count, n);
}

POOL_INLINE pool_item pool_at(const cx_pool_op op, const real *x, int64_t index) {
    pool_item item = {v_load(x), {0}};
    if (op == CX_POOL_ARGMAX) item.index += (real_bits)index;
    return item;
}

/*
 * Sum or maximum of a window of one to four taps, at elements x[offset[k]], for all channels. Four are two pairs: neighbours, or
 * `columns`, which other ways to pool take first as well.
 */
POOL_INLINE void pool_few_taps(const cx_pool_op op, real *to, const real *x, const int64_t offset[4], int64_t taps,
                               bool columns, int64_t unit, real by, bool power) {
    const vec divisor = v_splat(by), inverse = v_splat(1 / by);
    const int second = columns ? 2 : 1;
    if (taps == 1 && (op == CX_POOL_MAX || by == 1)) { /* a copy */
        x += offset[0];
        for (int64_t c = 0; c + LANES < unit; c += LANES) v_store(to + c, v_load(x + c));
        v_store(to + unit - LANES, v_load(x + unit - LANES));
        return;
    }
    for (int64_t at = 0; at < unit; at += LANES) {
        const int64_t c = at + LANES > unit ? unit - LANES : at;
        pool_item item = pool_at(op, x + offset[0] + c, 0);
        if (taps > 1) item = pool_combine(op, item, pool_at(op, x + offset[second] + c, 0));
        if (taps > 2) {
            pool_item rest = pool_at(op, x + offset[3 - second] + c, 0);
            if (taps > 3) rest = pool_combine(op, rest, pool_at(op, x + offset[3] + c, 0));
            item = pool_combine(op, item, rest);
        }
        if (op == CX_POOL_SUM) item.value = power ? item.value * inverse : item.value / divisor;
        v_store(to + c, item.value);
    }
}

POOL_INLINE void pool_places_of(const cx_pool_op op, const cx_pool_places *s) {
    const int64_t unit = s->unit, second = unit < 2 * LANES ? unit - LANES : LANES, pair = second + LANES;
    for (int64_t o = 0; o < s->n; ++o) {
        const cx_window w = s->windows[o];
        const bool turned = w.count == 1; /* down the column, then */
        const int64_t inner = turned ? s->count[1] : w.count, rows = inner == 0 ? 0 : turned ? 1 : s->count[1];
        const int64_t step = s->step[turned ? 1 : 2], index_step = s->index_step[turned ? 1 : 2];
        const int64_t product = s->divisor ? s->divisor : s->places * w.places, by = product ? product : 1;
        const bool power = ((uint64_t)by & ((uint64_t)by - 1)) == 0; /* whose inverse is exact */
        const bool none = s->count[0] * rows == 0;
        const int64_t taps = s->count[0] * s->count[1] * w.count;
        if (op != CX_POOL_ARGMAX && taps > 0 && taps <= 4) {
            int64_t offset[4], k = 0;
            for (int64_t i = 0; i < s->count[0]; ++i)
                for (int64_t j = 0; j < s->count[1]; ++j)
                    for (int64_t t = 0; t < w.count; ++t)
                        offset[k++] = i * s->step[0] + j * s->step[1] + t * s->step[2];
            pool_few_taps(op, (real *)s->to.value + o * s->to_step, (const real *)s->from + w.first * s->place, offset,
                          taps, w.count == 2 && taps == 4, unit, (real)by, power);
            continue;
        }
        for (int64_t c = 0; c < unit; c += pair) {
            if (c + pair > unit) c = unit - pair;
            const real *first = (const real *)s->from + w.first * s->place + c;
            /* Before all taps: as if it were the first, which so keeps its index. */
            pool_item run[2];
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v) {
                run[v].value = v_splat(op == CX_POOL_SUM ? 0 : -(real)__builtin_inff());
                run[v].index = (vec_bits){0} + (real_bits)(none ? -1 : s->index + w.first);
            }
            for (int64_t i = 0; i < s->count[0]; ++i)
                for (int64_t j = 0; j < rows; ++j) {
                    const real *x = first + i * s->step[0] + j * s->step[1];
                    int64_t index = s->index + w.first + i * s->index_step[0] + j * s->index_step[1], t = 0;
                    if (op == CX_POOL_SUM) { /* by fours, so that errors grow slowly */
                        vec row[2] = {v_load(x), v_load(x + second)};
                        x += step;
                        t = 1;
                        for (; t + 4 <= inner; t += 4, x += 4 * step)
#pragma GCC unroll 2
                            for (int v = 0; v < 2; ++v)
                                row[v] += (v_load(x + v * second) + v_load(x + step + v * second)) +
                                          (v_load(x + 2 * step + v * second) + v_load(x + 3 * step + v * second));
                        for (; t < inner; ++t, x += step)
#pragma GCC unroll 2
                            for (int v = 0; v < 2; ++v) row[v] += v_load(x + v * second);
#pragma GCC unroll 2
                        for (int v = 0; v < 2; ++v) run[v].value += row[v];
                    } else {
                        for (; t < inner; ++t, x += step, index += index_step)
#pragma GCC unroll 2
                            for (int v = 0; v < 2; ++v)
                                run[v] = pool_combine(op, run[v], pool_at(op, x + v * second, index));
                    }
                }
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v) {
                const int64_t at = c + v * second;
                if (op == CX_POOL_SUM)
                    run[v].value = power ? run[v].value * v_splat(1 / (real)by) : run[v].value / v_splat((real)by);
                v_store((real *)s->to.value + o * s->to_step + at, run[v].value);
                if (op == CX_POOL_ARGMAX)
                    *(vec_bits_unaligned *)((real_bits *)s->to.index + o * unit + at) = run[v].index;
            }
        }
    }
}

static void pool_places(cx_pool_op op, const cx_pool_places *row) {
    if (op == CX_POOL_SUM)
        pool_places_of(CX_POOL_SUM, row);
    else if (op == CX_POOL_MAX)
        pool_places_of(CX_POOL_MAX, row);
    else
        pool_places_of(CX_POOL_ARGMAX, row);
}

static void pool_transpose(void *to, int64_t to_step, const void *from, int64_t from_step, int64_t rows,
                           int64_t columns) {
    real *y = to;
    const real *x = from;
    if (rows < LANES || columns < LANES) {
        for (int64_t j = 0; j < columns; ++j)
            for (int64_t i = 0; i < rows; ++i) memcpy(y + j * to_step + i, x + i * from_step + j, sizeof(real));
        return;
    }
    /* The last block of a side may overlap the one before. */
    for (int64_t r = 0; r < rows; r += LANES)
        for (int64_t c = 0; c < columns; c += LANES) {
            const int64_t i = r + LANES > rows ? rows - LANES : r, j = c + LANES > columns ? columns - LANES : c;
            vec block[CX_LANE_COUNT];
#pragma GCC unroll 16
            for (int v = 0; v < LANES; ++v) block[v] = v_load(x + (i + v) * from_step + j);
            v_transpose(block);
#pragma GCC unroll 16
            for (int v = 0; v < LANES; ++v) v_store(y + (j + v) * to_step + i, block[v]);
        }
}

static void pool_pick(void *to, const void *from, int64_t stride, int64_t n) {
    real *y = to;
    const real *x = from;
    int64_t i = 0;
    if (stride == 2)
        for (; i + LANES <= n; i += LANES) v_store(y + i, v_even(v_load(x + 2 * i), v_load(x + 2 * i + LANES)));
    for (; i < n; ++i) memcpy(y + i, x + i * stride, sizeof(real));
}

/* Of neighbours; in place, too. */
static real pool_pair(cx_pool_op op, const real *x) {
    if (op == CX_POOL_SUM) return x[0] + x[1];
    return x[1] > x[0] || x[1] != x[1] ? x[1] : x[0];
}

/* Less than a vector: of every kind in one loop, as there is nothing to gain. */
static void pool_fold_rest(cx_pool_op op, int taps, real *y, const real *x, const real *end) {
    for (; x < end; x += taps) {
        const real halves[2] = {pool_pair(op, x), pool_pair(op, x + taps - 2)};
        *y++ = taps == 2 ? halves[0] : pool_pair(op, halves);
    }
}

#if CX_LANE_COUNT > 1
POOL_INLINE vec pool_fold_pair(const cx_pool_op op, vec first, vec second) {
    const pool_item even = {v_mixed_even(first, second), {0}}, odd = {v_mixed_odd(first, second), {0}};
    return pool_combine(op, even, odd).value;
}
#endif

/* Gives the number of those that are done. */
POOL_INLINE int64_t pool_fold_vectors(const cx_pool_op op, const int taps, real *y, const real *x, int64_t n) {
    int64_t i = 0;
#if CX_LANE_COUNT > 1
    for (; i + LANES <= n; i += LANES) {
        const real *from = x + taps * i;
        vec v = pool_fold_pair(op, v_load(from), v_load(from + LANES));
        if (taps == 4)
            v = pool_fold_pair(op, v, pool_fold_pair(op, v_load(from + 2 * LANES), v_load(from + 3 * LANES)));
        v_store(y + i, v_unmix(taps / 2, v));
        if (y != x && i + LANES < n && i + 2 * LANES > n) i = n - 2 * LANES; /* again what is done, rather than less */
    }
#else
    (void)op, (void)taps, (void)y, (void)x, (void)n;
#endif
    return i;
}

static void pool_fold(cx_pool_op op, int taps, void *to, const void *from, int64_t n) {
    const int64_t done = op == CX_POOL_SUM ? taps == 2 ? pool_fold_vectors(CX_POOL_SUM, 2, to, from, n)
                                                       : pool_fold_vectors(CX_POOL_SUM, 4, to, from, n)
                         : taps == 2       ? pool_fold_vectors(CX_POOL_MAX, 2, to, from, n)
                                           : pool_fold_vectors(CX_POOL_MAX, 4, to, from, n);
    if (done < n)
        pool_fold_rest(op, taps, (real *)to + done, (const real *)from + taps * done, (const real *)from + taps * n);
}

static void pool_spread(void *to, const void *from, int64_t spacing, int64_t n) {
    for (int64_t i = 0; i < n; ++i) ((real *)to)[i * spacing] = ((const real *)from)[i];
}

static void pool_repeat(void *to, const void *from, int64_t times, int64_t skip, int64_t n, int64_t length) {
    real *y = to;
    const real *x = from;
    int64_t i = 0;
    for (; i < skip && i < length; ++i) y[i] = 0;
    for (int64_t o = skip < 0 ? -skip / times : 0; o < n && i < length; ++o) {
        const int64_t end = skip + (o + 1) * times < length ? skip + (o + 1) * times : length;
        const vec value = v_splat(x[o]);
        /* A last vector may reach beyond: what comes next is written later. */
        for (; i < end && i + LANES <= length; i += LANES) v_store(y + i, value);
        for (; i < end; ++i) y[i] = x[o];
        i = end;
    }
    for (; i < length; ++i) y[i] = 0;
}

static void pool_reduce(cx_pool_op op, void *to, const void *from, int64_t n) {
    enum { chains = 4 };
    const real *x = from;
    real result = op == CX_POOL_SUM ? 0 : x[0];
    int64_t i = 0;
    if (n >= chains * LANES) {
        const cx_pool_place all = {(void *)(uintptr_t)from, NULL, 0};
        pool_item run[chains];
#pragma GCC unroll 4
        for (int v = 0; v < chains; ++v) run[v] = pool_load(CX_POOL_SUM, all, v * LANES);
        if (op == CX_POOL_SUM)
            for (i = chains * LANES; i + chains * LANES <= n; i += chains * LANES)
#pragma GCC unroll 4
                for (int v = 0; v < chains; ++v)
                    run[v] = pool_combine(CX_POOL_SUM, run[v], pool_load(CX_POOL_SUM, all, i + v * LANES));
        else
            for (i = chains * LANES; i + chains * LANES <= n; i += chains * LANES)
#pragma GCC unroll 4
                for (int v = 0; v < chains; ++v)
                    run[v] = pool_combine(CX_POOL_MAX, run[v], pool_load(CX_POOL_MAX, all, i + v * LANES));
        if (op == CX_POOL_SUM) {
            result = v_sum((run[0].value + run[1].value) + (run[2].value + run[3].value));
        } else {
#pragma GCC unroll 4
            for (int v = 1; v < chains; ++v) run[0] = pool_combine(CX_POOL_MAX, run[0], run[v]);
            real lanes[CX_BYTES / sizeof(real)];
            v_store(lanes, run[0].value);
            result = lanes[0];
            for (int v = 1; v < LANES; ++v)
                if (lanes[v] > result || lanes[v] != lanes[v]) result = lanes[v];
        }
    }
    for (; i < n; ++i) {
        if (op == CX_POOL_SUM)
            result += x[i];
        else if (x[i] > result || x[i] != x[i])
            result = x[i];
    }
    *(real *)to = result;
}

/* Of each row a sum or maximum in each lane. */
POOL_INLINE void pool_reduce_lanes(const cx_pool_op op, vec row[CX_LANE_COUNT], const real *x, int64_t n) {
    const int64_t whole = n - n % LANES;
    real_bits lanes[CX_BYTES / sizeof(real)];
    for (int i = 0; i < LANES; ++i) lanes[i] = i < LANES - n % LANES ? 0 : -1;
    vec_bits left; /* lanes of a row's last elements that are not among the whole vectors */
    memcpy(&left, lanes, sizeof left);
    for (int r = 0; r < LANES; ++r, x += n) {
        pool_item run = {v_load(x), {0}};
        for (int64_t i = LANES; i < whole; i += LANES) run = pool_combine(op, run, (pool_item){v_load(x + i), {0}});
        if (whole < n) {
            const vec last = v_load(x + n - LANES); /* maxima may take an element twice */
            run = pool_combine(op, run, (pool_item){op == CX_POOL_SUM ? (vec)((vec_bits)last & left) : last, {0}});
        }
        row[r] = run.value;
    }
}

/* The lanes of each row are turned into vectors. */
static void pool_reduce_rows(cx_pool_op op, void *to, const void *from, int64_t n) {
    vec row[CX_LANE_COUNT];
    if (op == CX_POOL_SUM)
        pool_reduce_lanes(CX_POOL_SUM, row, from, n);
    else
        pool_reduce_lanes(CX_POOL_MAX, row, from, n);
    v_transpose(row);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; ++i)
            row[i] = pool_combine(op, (pool_item){row[i], {0}}, (pool_item){row[i + width], {0}}).value;
    v_store(to, row[0]);
}

static void pool_divide(void *to, const void *from, int64_t divisor, int64_t n) {
    real *y = to;
    const real *x = from, by = (real)divisor;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) v_store(y + i, v_load(x + i) / v_splat(by));
    for (; i < n; ++i) y[i] = x[i] / by;
}

static void pool_fill(cx_pool_op op, void *to, int64_t n) {
    const real value = op == CX_POOL_SUM ? 0 : -(real)__builtin_inff();
    for (int64_t i = 0; i < n; ++i) ((real *)to)[i] = value;
}

static void pool_count(void *to, int64_t first, int64_t unit, int64_t n) {
    real_bits *index = to;
    for (int64_t i = 0; i < n; i += unit, ++first)
        for (int64_t c = 0; c < unit && i + c < n; ++c) index[i + c] = (real_bits)first;
}

static void pool_widen(int64_t *to, const void *from, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] = ((const real_bits *)from)[i];
}

static void pool_scatter(void *x, const void *index, const void *from, int64_t unit, int64_t n) {
    const real_bits *at = index;
    if (unit == 1) {
        for (int64_t i = 0; i < n; ++i)
            if (at[i] >= 0) ((real *)x)[at[i]] += ((const real *)from)[i];
        return;
    }
    for (int64_t i = 0; i < n; i += unit)
        for (int64_t c = 0; c < unit; ++c)
            if (at[i + c] >= 0) ((real *)x)[(int64_t)at[i + c] * unit + c] += ((const real *)from)[i + c];
}

/* Low halves of indices, in the order of the elements; `seen` collects all bits. */
POOL_INLINE vec_bits pool_low(const int64_t *index, vec_bits *seen) {
#if CX_F64
    (void)seen;
    return *(const vec_bits_unaligned *)index;
#else
    const real *halves = (const real *)(const void *)index;
    const vec first = v_load(halves), second = v_load(halves + LANES);
    *seen |= (vec_bits)first | (vec_bits)second;
    return (vec_bits)v_even(first, second);
#endif
}

#if CX_LANE_COUNT > 1 /* GCC 12 gets comparisons of one lane wrong */
/* The taps of a window that begins with the place `first`, for so many vectors of channels; gives the number of their elements. */
POOL_INLINE vec_bits pool_take(const int vectors, const cx_pool_matches *s, real *x, const int64_t *index,
                               const real *y, int64_t first, vec_bits *seen) {
    vec_bits at[4], value[4], taken = {0};
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
        at[v] = pool_low(index + v * LANES, seen) - (real_bits)first;
        value[v] = (vec_bits)(v_load(y + v * LANES) + v_zero()); /* no negative zeros */
    }
    const cx_pool_tap *tap = s->taps, *const fresh = tap + s->fresh, *const end = tap + s->all;
    for (; tap < fresh; ++tap) {
        const cx_pool_tap t = *tap;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
            const vec_bits mask = at[v] == (real_bits)t.place;
            taken -= mask;
            v_store(x + t.offset + v * LANES, (vec)(mask & value[v]));
        }
    }
    for (; tap < end; ++tap) {
        const cx_pool_tap t = *tap;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
            const vec_bits mask = at[v] == (real_bits)t.place;
            real *to = x + t.offset + v * LANES;
            taken -= mask;
            v_store(to, (vec)(mask & value[v]) + v_load(to));
        }
    }
    return taken;
}
#endif

static int64_t pool_match(const cx_pool_matches *s) {
    enum { wide = CX_F64 ? 2 : 4 };
    vec_bits taken = {0}, seen = {0};
    int64_t count = 0;
    for (int64_t line = 0; line < s->lines; ++line)
        for (int64_t o = 0; o < s->n; ++o) {
            const int64_t place = s->line_windows[line].first * s->width + s->windows[o].first;
            const real *y = (const real *)s->from + line * s->from_step + o * s->unit;
            const int64_t *index = s->index + line * s->index_step + o * s->unit;
            real *x = (real *)s->x + place * s->unit;
            int64_t c = 0;
#if CX_LANE_COUNT > 1
            for (; c + wide * LANES <= s->unit; c += wide * LANES)
                taken += pool_take(wide, s, x + c, index + c, y + c, place, &seen);
            for (; c + LANES <= s->unit; c += LANES) taken += pool_take(1, s, x + c, index + c, y + c, place, &seen);
#endif
            for (; c < s->unit; ++c)
                for (int64_t k = 0; k < s->all; ++k) {
                    const bool found = index[c] == place + s->taps[k].place;
                    real *to = x + s->taps[k].offset + c;
                    count += found;
                    *to = (k < s->fresh ? 0 : *to) + (found ? y[c] : 0);
                }
        }
    real_bits more[CX_BYTES / sizeof(real)], bits[CX_BYTES / sizeof(real)];
    memcpy(more, &taken, sizeof more);
    memcpy(bits, &seen, sizeof bits);
    bool low = true;
    for (int i = 0; i < LANES; ++i) {
        count += more[i];
        low = low && (i % 2 == 0 || bits[i] == 0);
    }
    return low ? count : 0;
}

#define POOL_KERNELS                  \
    {.lanes = LANES,                  \
     .rows = pool_rows,               \
     .slide = pool_slide,             \
     .columns = pool_columns,         \
     .places = pool_places,           \
     .transpose = pool_transpose,     \
     .fold = pool_fold,               \
     .pick = pool_pick,               \
     .spread = pool_spread,           \
     .repeat = pool_repeat,           \
     .reduce = pool_reduce,           \
     .reduce_rows = pool_reduce_rows, \
     .divide = pool_divide,           \
     .fill = pool_fill,               \
     .count = pool_count,             \
     .widen = pool_widen,             \
     .scatter = pool_scatter,         \
     .match = pool_match}
