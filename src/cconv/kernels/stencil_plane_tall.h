/*
 * Template: planes with kernels of any size (cx_stencil_plane). A block of several vectors of several result rows shares the source
 * rows that it meets, and the weights, broadcast as they are needed. An element's taps are added in their order.
 */
#ifndef CX_KERNELS_STENCIL_PLANE_TALL_H
#define CX_KERNELS_STENCIL_PLANE_TALL_H

#include "kernels/stencil_planes.h"

/*
 * A block: rows by vectors. Where it is large, tests which rows a source row meets, and whether a vector is masked, cost
 * little. Where it is small there is code for each case.
 */
#if CX_BYTES == 64 || defined(__aarch64__)
#define TALLEST    6
#define WIDEST     (CX_F64 ? 2 : 4)
#define TALL_TESTS 1
#else
#define TALLEST    4
#define WIDEST     2
#define TALL_TESTS (CX_LANE_COUNT == 1)
#endif
/* Taps of columns two apart by pairs: a seventh faster, and twice the code where there are no tests. */
#if CX_BYTES == 64 || (CX_BYTES == 32 && !CX_F64) || defined(__aarch64__)
#define TALL_PAIRS 1
#else
#define TALL_PAIRS 0
#endif

/* Where the vectors of a block lie, and which of their taps may leave the source: only those of the outer vectors. */
typedef struct plane_strip {
    int64_t taps, column, up; /* taps of a row; from weight to weight, and from result row to result row */
    int64_t last;             /* source columns from the first vector to the last one */
    int64_t left, right;      /* taps < left of the first vector and taps >= right of the last one are masked */
    const real *first_masks, *last_masks;
} plane_strip;

typedef struct plane_sums {
    vec whole[TALLEST][WIDEST];
    half_vec half[TALLEST];
} plane_sums;

/* Tap t, or the vectors of several, may leave the source on either side. Where there are no tests every one of the taps may. */
STENCIL_INLINE bool plane_left(const plane_strip *b, int64_t t) { return !TALL_TESTS || t < b->left; }
STENCIL_INLINE bool plane_right(const plane_strip *b, int64_t t) { return !TALL_TESTS || t >= b->right; }

/* Clears what lies outside of the first and the last of the vectors under tap t. */
STENCIL_INLINE void plane_clear(vec x[WIDEST], const plane_strip *b, int64_t t, const int vectors) {
    const bool left = plane_left(b, t), right = plane_right(b, t);
    if (left || (vectors == 1 && right)) x[0] = plane_masked(x[0], b->first_masks + t * LANES);
    if (vectors > 1 && right) x[vectors - 1] = plane_masked(x[vectors - 1], b->last_masks + t * LANES);
}

/*
 * The taps of one source row into result rows [low, high); w: its weights for result row 0. The last of the vectors is half a one if
 * `half`.
 */
STENCIL_INLINE void plane_taps(plane_sums *acc, const plane_strip *b, const real *row, const real *w, int64_t low,
                               int64_t high, const int vectors, const int half, const int step, const int masked) {
    const int whole = vectors - half;
    for (int64_t t = 0; t < b->taps; ++t, w += b->column) {
        vec x[WIDEST];
        half_vec xh = {0};
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) {
            const real *at = row + t + (v > 0 && v == vectors - 1 ? b->last : v * step * LANES);
            if (v < whole)
                x[v] = plane_load(at, step, 2);
            else
                xh = v_half_load(at);
        }
        if (masked && !half)
            plane_clear(x, b, t, vectors);
        else if (masked) {
            const bool left = plane_left(b, t), right = plane_right(b, t);
            if (vectors > 1 && left) x[0] = plane_masked(x[0], b->first_masks + t * LANES);
            if (right || (vectors == 1 && left)) xh = plane_half_masked(xh, b->last_masks + t * LANES);
        }
        STENCIL_UNROLL for (int r = 0; r < TALLEST; ++r) {
            if (r < low || r >= high) continue;
            const vec wr = v_splat(w[-r * b->up]);
            STENCIL_UNROLL for (int v = 0; v < whole; ++v) acc->whole[r][v] += wr * x[v];
            if (half) acc->half[r] += v_half(wr) * xh;
        }
    }
}

/* The same where columns are two apart: taps t and t + 1, if `both`. Vectors that hold one hold the other, too. */
STENCIL_INLINE void plane_pair(plane_sums *acc, const plane_strip *b, const real *row, const real *w, int64_t t,
                               int64_t low, int64_t high, const int vectors, const int masked, const int both) {
    vec even[WIDEST], odd[WIDEST];
    STENCIL_UNROLL for (int v = 0; v < vectors; ++v) {
        const real *at = row + t + (v > 0 && v == vectors - 1 ? b->last : v * 2 * LANES);
        const vec first = v_load_for(2, at), second = v_load_for(2, at + LANES);
        even[v] = pairs_even_mixed(first, second);
        odd[v] = pairs_odd_mixed(first, second);
    }
    if (masked) plane_clear(even, b, t, vectors);
    if (masked && both) plane_clear(odd, b, t + 1, vectors);
    STENCIL_UNROLL for (int r = 0; r < TALLEST; ++r) {
        if (r < low || r >= high) continue;
        const vec we = v_splat(w[-r * b->up]);
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) acc->whole[r][v] += we * even[v];
        if (both) {
            const vec wo = v_splat(w[b->column - r * b->up]);
            STENCIL_UNROLL for (int v = 0; v < vectors; ++v) acc->whole[r][v] += wo * odd[v];
        }
    }
}

STENCIL_INLINE void plane_pairs(plane_sums *acc, const plane_strip *b, const real *row, const real *w, int64_t low,
                                int64_t high, const int vectors, const int masked) {
    int64_t t = 0;
    for (; t + 2 <= b->taps; t += 2, w += 2 * b->column) plane_pair(acc, b, row, w, t, low, high, vectors, masked, 1);
    if (t < b->taps) plane_pair(acc, b, row, w, t, low, high, vectors, masked, 0);
}

/* The same for five taps, which registers hold. */
STENCIL_INLINE void plane_five(plane_sums *acc, const plane_strip *b, const real *row, const real *w, int64_t low,
                               int64_t high, const int vectors) {
    vec x[6][WIDEST];
    STENCIL_UNROLL for (int t = 0; t < 5; t += 2) {
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) {
            const real *at = row + t + (v > 0 && v == vectors - 1 ? b->last : v * 2 * LANES);
            const vec first = v_load_for(2, at), second = v_load_for(2, at + LANES);
            x[t][v] = pairs_even_mixed(first, second);
            x[t + 1][v] = pairs_odd_mixed(first, second);
        }
    }
    if (plane_left(b, 0) || plane_right(b, 4)) {
        STENCIL_UNROLL for (int t = 0; t < 5; ++t) plane_clear(x[t], b, t, vectors);
    }
    STENCIL_UNROLL for (int r = 0; r < TALLEST; ++r) {
        if (r < low || r >= high) continue;
        STENCIL_UNROLL for (int t = 0; t < 5; ++t) {
            const vec wr = v_splat(w[t - r * 2 * 5]);
            STENCIL_UNROLL for (int v = 0; v < vectors; ++v) acc->whole[r][v] += wr * x[t][v];
        }
    }
}

/* `vectors` vectors, from the k-th on, of `count` result rows. `taps`: as columns->taps, or 0 for any. */
STENCIL_INLINE void plane_block(const plane_view *s, int64_t r, int64_t count, int64_t k, const int vectors,
                                const int half, const int step, const int taps, const int masked) {
    if (vectors > WIDEST || (step == 2 && (vectors > 2 || half))) return;
    const cx_stencil_columns *c = &s->columns;
    const int64_t width = c->width, last_k = k + vectors - 1, lanes = half ? LANES / 2 : LANES;
    const int64_t j = vectors == 1 && half ? (width < lanes ? 0 : width - lanes) : plane_column(width, k);
    const int64_t last = half ? (width < lanes ? 0 : width - lanes) : plane_column(width, last_k);
    const plane_strip strip = {.taps = c->taps,
                               .column = s->weights_column,
                               .up = s->step * s->weights_row,
                               .last = (last - j) * step,
                               .left = -(j * step + c->origin),
                               .right = c->extent - c->origin - (last + lanes - 1) * step,
                               .first_masks = plane_masks(c, s->masks, k),
                               .last_masks =
                                   plane_masks(c, s->masks, last_k) + (half && width >= LANES ? LANES / 2 : 0)};
    const int64_t taps_h = s->taps_h, end = (count - 1) * s->step + taps_h;
    const real *const *rows = s->rows + r * s->step;
    const real *w = s->weights;
    const int whole = vectors - half;
    plane_sums acc;
    STENCIL_UNROLL for (int o = 0; o < TALLEST; ++o) {
        STENCIL_UNROLL for (int v = 0; v < whole; ++v) acc.whole[o][v] = v_splat(s->start);
        if (half) acc.half[o] = v_half(v_splat(s->start));
    }
    const int halve = taps == 5 || s->step == 2;
    for (int64_t i = 0; i < end; ++i, w += s->weights_row) {
        const int64_t high = i >> halve < count ? (i >> halve) + 1 : count;
        const int64_t low = i < taps_h ? 0 : ((i - taps_h) >> halve) + 1;
        const real *row = rows[i] + j * step;
#define PLANE_TAPS(low, high)                                                         \
    {                                                                                 \
        if (taps == 5)                                                                \
            plane_five(&acc, &strip, row, w, low, high, vectors);                     \
        else if (step == 1 || !TALL_PAIRS)                                            \
            plane_taps(&acc, &strip, row, w, low, high, vectors, half, step, masked); \
        else                                                                          \
            plane_pairs(&acc, &strip, row, w, low, high, vectors, masked);            \
        break;                                                                        \
    }
        switch (low * 8 + high) {
#if !TALL_TESTS
        case 0 * 8 + 1: PLANE_TAPS(0, 1)
        case 0 * 8 + 2: PLANE_TAPS(0, 2)
        case 0 * 8 + 3: PLANE_TAPS(0, 3)
        case 0 * 8 + 4: PLANE_TAPS(0, 4)
        case 1 * 8 + 2: PLANE_TAPS(1, 2)
        case 1 * 8 + 3: PLANE_TAPS(1, 3)
        case 1 * 8 + 4: PLANE_TAPS(1, 4)
        case 2 * 8 + 3: PLANE_TAPS(2, 3)
        case 2 * 8 + 4: PLANE_TAPS(2, 4)
        case 3 * 8 + 4: PLANE_TAPS(3, 4)
        default: break;
#else
        case TALLEST:
            if (step == 1) PLANE_TAPS(0, TALLEST)
        /* fallthrough */
        default: PLANE_TAPS(low, high)
#endif
        }
#undef PLANE_TAPS
    }
    real *out = s->out + r * s->out_row + j;
    STENCIL_UNROLL for (int o = 0; o < TALLEST; ++o) {
        if (o >= count) break;
        STENCIL_UNROLL for (int v = 0; v < whole; ++v)
            plane_store(s, out + o * s->out_row + (v > 0 && v == vectors - 1 ? last - j : v * LANES),
                        step == 2 ? pairs_sorted(acc.whole[o][v]) : acc.whole[o][v], vectors == 1);
        if (half) plane_half_store(s, out + o * s->out_row + (last - j), acc.half[o], vectors == 1);
    }
}

/* Vectors of the block that begins with the k-th: masks may concern the first one's left and the last one's right, no more. */
STENCIL_INLINE int64_t plane_block_vectors(const cx_stencil_columns *c, int64_t k, int64_t to, const int most) {
    int64_t rest = to - k;
    if (!TALL_TESTS) return rest < 2 ? 1 : 2;
    const bool beyond = ((k + 1) * LANES - 1) * c->step + c->origin + c->taps > c->extent;
    if (k + 1 < c->left || beyond) return 1;
    if (rest > c->right + 1 - k) rest = c->right + 1 - k;
    return rest <= most ? rest : rest < 2 * most ? (rest + 1) / 2 : most;
}

/* The blocks of `now` rows from row r on. */
STENCIL_INLINE void plane_tall_rows(const plane_view *s, int64_t r, int64_t now, int64_t from, int64_t to,
                                    const int step, const int taps) {
    const int64_t rest = s->columns.width % LANES;
    const int64_t half = CX_HALVES && WIDEST == 4 && step == 1 && rest > 0 && rest <= LANES / 2 ? s->vectors : -1;
    for (int64_t k = from, vectors; k < to; k += vectors) {
        vectors = plane_block_vectors(&s->columns, k, to, step == 1 ? WIDEST : 2);
        /* Odd: ends in half a vector, or where masks are not tested for, is masked. */
        const bool other =
            TALL_TESTS ? k + vectors == half : vectors == 2 && (k < s->columns.left || k + 2 > s->columns.right);
        switch (2 * vectors + other) {
        case 2: plane_block(s, r, now, k, 1, 0, step, taps, 1); break;
        case 4: plane_block(s, r, now, k, 2, 0, step, taps, TALL_TESTS); break;
#if !TALL_TESTS
        case 5: plane_block(s, r, now, k, 2, 0, step, taps, 1); break;
#elif WIDEST == 4
        case 6: plane_block(s, r, now, k, 3, 0, step, taps, 1); break;
        case 8: plane_block(s, r, now, k, 4, 0, step, taps, 1); break;
#if CX_HALVES
        case 3: plane_block(s, r, now, k, 1, 1, step, taps, 1); break;
        case 5: plane_block(s, r, now, k, 2, 1, step, taps, 1); break;
        case 7: plane_block(s, r, now, k, 3, 1, step, taps, 1); break;
        case 9: plane_block(s, r, now, k, 4, 1, step, taps, 1); break;
#endif
#endif
        default: break;
        }
    }
}

/* Strips of rows, the last two sharing what is left evenly. */
STENCIL_INLINE void plane_tall(const cx_stencil_plane *args, const int step, const int taps) {
    plane_view s = plane_view_make(args);
    for (int64_t plane = 0;;) {
        for (int64_t from = 0; from < s.vectors; from += PLANE_SEGMENT) {
            const int64_t to = from + PLANE_SEGMENT < s.vectors ? from + PLANE_SEGMENT : s.vectors;
            for (int64_t r = 0, now; r < s.height; r += now) {
                now = s.height - r;
                if (now > TALLEST) now = now < 2 * TALLEST ? (now + 1) / 2 : TALLEST;
                plane_tall_rows(&s, r, now, from, to, step, taps);
            }
        }
        if (++plane == args->planes) break;
        plane_advance(&s, args, plane);
    }
}

static void plane_tall_step1(const cx_stencil_plane *s) { plane_tall(s, 1, 0); }
static void plane_tall_step2(const cx_stencil_plane *s) { plane_tall(s, 2, 0); }
static void plane_five_step2(const cx_stencil_plane *s) { plane_tall(s, 2, 5); }

/* Whether the middle tap of three never leaves the source where its result counts. */
STENCIL_INLINE bool plane_middle_inside(const cx_stencil_columns *c) {
    return c->origin >= -1 && (c->width - 1) * c->step + c->origin + 1 < c->extent;
}

static void stencil_plane(const cx_stencil_plane *s) {
    const cx_stencil_columns *c = s->columns;
    if (c->joined)
        plane_joined(s);
    else if (s->taps_h == 3 && c->taps == 3 && s->step == c->step && plane_middle_inside(c))
        (c->step == 1 ? plane_three_step1 : plane_three_step2)(s);
    else if (WIDEST == 4 && c->step == 2 && c->taps == 5 && s->step == 2 && s->weights_row == 5 &&
             s->weights_column == 1)
        plane_five_step2(s);
    else
        (c->step == 1 ? plane_tall_step1 : plane_tall_step2)(s);
}

#endif
