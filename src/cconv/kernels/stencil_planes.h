/*
 * Template: planes of a depthwise layer (cx_stencil_plane), read where they lie. Vectors that reach beyond a row's
 * ends read its neighbours in memory, and masks clear those lanes: no row is copied for its padding.
 *   three   3x3: the nine weights stay in registers, vectors one by one
 *   tall    any kernel: pairs of vectors, weights broadcast as they are needed
 * Either way four result rows share each source row that they meet, and an element's taps are added in their order.
 */
#ifndef CX_KERNELS_STENCIL_PLANES_H
#define CX_KERNELS_STENCIL_PLANES_H

#include "kernels/stencil_rows.h"

#define PLANE_ROWS    4
#define PLANE_SEGMENT (4096 / CX_BYTES) /* vectors of a row before the rows below: what they share stays near */

/* ---- Columns and masks ------------------------------------------------------------------------------------------ */

STENCIL_INLINE int64_t plane_column(int64_t width, int64_t k) {
    const int64_t at = k * LANES;
    return at + LANES <= width ? at : width < LANES ? 0 : width - LANES;
}

/* Masks of the k-th vector of columns; those of all vectors inside are the same. */
STENCIL_INLINE const real *plane_masks(const cx_stencil_columns *c, const void *masks, int64_t k) {
    const int64_t count = (c->width + LANES - 1) / LANES;
    const int64_t index = k < c->left ? k : k >= c->right ? c->left + k - c->right : c->left + count - c->right;
    return (const real *)masks + index * (c->taps + 1) * LANES;
}

STENCIL_INLINE vec plane_masked(vec x, const real *mask) { return (vec)((vec_bits)x & (vec_bits)v_load(mask)); }

STENCIL_INLINE int plane_place(int64_t step, int lane) { return step == 2 ? pairs_place(lane) : lane; }

/* For each vector that is not inside, then for one that is: a mask a tap, and one of the result's columns. */
static void stencil_plane_masks(void *masks, const cx_stencil_columns *c) {
    const int64_t count = (c->width + LANES - 1) / LANES;
    real_bits *to = masks;
    for (int64_t k = 0; k < count; ++k) {
        if (k >= c->left && k < c->right) k = c->right;
        if (k >= count) break;
        const int64_t first = plane_column(c->width, k), fresh = c->once ? k * LANES : first;
        for (int64_t tap = 0; tap <= c->taps; ++tap)
            for (int lane = 0; lane < LANES; ++lane) {
                const int64_t column = first + plane_place(c->step, lane);
                const int64_t source = column * c->step + c->origin + tap;
                const bool counts = column >= fresh && column < c->width;
                *to++ = counts && (tap == c->taps || (source >= 0 && source < c->extent)) ? -1 : 0;
            }
    }
    for (int64_t i = 0; i < (c->taps + 1) * LANES; ++i) *to++ = -1;
}

/* ---- What a kernel call works on -------------------------------------------------------------------------------- */

/* The arguments in local variables: a store of a vector could change memory for all that the compiler knows. */
typedef struct plane_view {
    cx_stencil_columns columns;
    const void *masks;
    const real *const *rows;
    const real *weights;
    real *out;
    const real *out_end; /* before it, whole vectors may be stored */
    int64_t weights_row, weights_column, out_row, height, taps_h, step, vectors;
    real start;
} plane_view;

STENCIL_INLINE plane_view plane_view_make(const cx_stencil_plane *s) {
    return (plane_view){.columns = *s->columns,
                        .masks = s->masks,
                        .rows = (const real *const *)s->rows,
                        .weights = s->weights,
                        .out = s->out,
                        .out_end = s->out_dense ? (const real *)s->out + s->height * s->out_row : NULL,
                        .weights_row = s->weights_row,
                        .weights_column = s->weights_column,
                        .out_row = s->out_row,
                        .height = s->height,
                        .taps_h = s->taps_h,
                        .step = s->step,
                        .vectors = (s->columns->width + LANES - 1) / LANES,
                        .start = *(const real *)s->start};
}

/* On to the next plane. */
STENCIL_INLINE void plane_advance(plane_view *v, const cx_stencil_plane *s, int64_t plane) {
    const int64_t count = (s->height - 1) * s->step + s->taps_h;
    uintptr_t *rows = (uintptr_t *)s->rows;
    const int64_t *advance = s->advance;
    for (int64_t i = 0; i < count; ++i) rows[i] += (uintptr_t)advance[i];
    v->weights += s->weights_plane;
    v->out += s->out_plane;
    if (v->out_end) v->out_end += s->out_plane;
    v->start = ((const real *)s->start)[plane * s->start_plane];
}

/*
 * A masked vector may be all that a row has, and wider than it: it is stored whole where the rows below will be, or
 * will overwrite it.
 */
STENCIL_INLINE void plane_store(const plane_view *s, real *out, vec v, const int narrow) {
    if (!narrow || s->columns.width >= LANES || out + LANES <= s->out_end) {
        v_store(out, v);
    } else {
        real lanes[CX_BYTES / sizeof(real)];
        v_store(lanes, v);
        copy_short(out, lanes, s->columns.width);
    }
}

/* Source columns of tap t under a vector of results. */
STENCIL_INLINE vec plane_load(const real *at, const int step, const int uses) {
    return step == 1 ? v_load_for(uses, at) : pairs_even_mixed(v_load(at), v_load(at + LANES));
}

/* ---- three ------------------------------------------------------------------------------------------------------ */

/* One vector of `count` result rows. Only the outer taps are masked. */
STENCIL_INLINE void plane_three_block(const plane_view *s, vec w[3][3], int64_t r, int64_t k, const int count,
                                      const int step, const int masked) {
    const int64_t j = plane_column(s->columns.width, k);
    const real *const *rows = s->rows + r * step;
    vec mask[2] = {v_zero(), v_zero()};
    if (masked) {
        const real *masks = plane_masks(&s->columns, s->masks, k);
        mask[0] = v_load(masks);
        mask[1] = v_load(masks + 2 * LANES);
    }
    vec acc[PLANE_ROWS];
    STENCIL_UNROLL for (int o = 0; o < count; ++o) acc[o] = v_splat(s->start);
    STENCIL_UNROLL for (int i = 0; i < (count - 1) * step + 3; ++i) {
        const real *at = rows[i] + j * step;
        const int uses = rows_that_meet(i, count, step, 3);
        vec odd = v_zero();
        STENCIL_UNROLL for (int t = 0; t < 3; ++t) {
            vec x;
            if (step == 1) {
                x = v_load_for(masked && t != 1 ? 1 : uses, at + t);
            } else if (t == 1) {
                x = odd;
            } else {
                const vec a = v_load_for(2 - t / 2, at + t), b = v_load_for(2 - t / 2, at + t + LANES);
                x = pairs_even_mixed(a, b);
                if (t == 0) odd = pairs_odd_mixed(a, b);
            }
            if (masked && t != 1) x = (vec)((vec_bits)x & (vec_bits)mask[t / 2]);
            STENCIL_UNROLL for (int o = 0; o < count; ++o) {
                const int th = i - o * step;
                if (th >= 0 && th < 3) acc[o] += w[th][t] * x;
            }
        }
    }
    real *out = s->out + r * s->out_row + j;
    STENCIL_UNROLL for (int o = 0; o < count; ++o)
        plane_store(s, out + o * s->out_row, step == 2 ? pairs_sorted(acc[o]) : acc[o], masked);
}

STENCIL_INLINE void plane_three_strip(const plane_view *s, vec w[3][3], int64_t r, int64_t from, int64_t to,
                                      const int count, const int step) {
    for (int64_t k = from; k < to; ++k) {
        if (k >= s->columns.left && k < s->columns.right)
            plane_three_block(s, w, r, k, count, step, 0);
        else
            plane_three_block(s, w, r, k, count, step, 1);
    }
}

/* Strips of `most` rows: the last one overlaps the one before, with the same results. */
STENCIL_INLINE void plane_three(const cx_stencil_plane *args, const int step, const int most) {
    plane_view s = plane_view_make(args);
    for (int64_t plane = 0;;) {
        vec w[3][3];
        STENCIL_UNROLL for (int t = 0; t < 9; ++t) {
            w[t / 3][t % 3] = v_splat(s.weights[t / 3 * s.weights_row + t % 3 * s.weights_column]);
        }
        for (int64_t from = 0; from < s.vectors; from += PLANE_SEGMENT) {
            const int64_t to = from + PLANE_SEGMENT < s.vectors ? from + PLANE_SEGMENT : s.vectors;
            if (s.height >= most)
                for (int64_t r = 0; r < s.height; r += most)
                    plane_three_strip(&s, w, r + most <= s.height ? r : s.height - most, from, to, most, step);
            else
                for (int64_t r = 0; r < s.height; ++r) plane_three_strip(&s, w, r, from, to, 1, step);
        }
        if (++plane == args->planes) break;
        plane_advance(&s, args, plane);
    }
}

static void plane_three_step1(const cx_stencil_plane *s) { plane_three(s, 1, 4); }
static void plane_three_step2(const cx_stencil_plane *s) { plane_three(s, 2, 3); }

/* ---- tall ------------------------------------------------------------------------------------------------------- */

/* The taps of one source row into result rows [low, high); w: its weights for result row 0. */
STENCIL_INLINE void plane_taps(vec acc[PLANE_ROWS][2], const real *row, int64_t next, const real *const masks[2],
                               const real *w, int64_t up, int64_t column, int64_t taps, const int low, const int high,
                               const int vectors, const int step, const int masked) {
    for (int64_t t = 0; t < taps; ++t, w += column) {
        vec x[2];
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) {
            x[v] = plane_load(row + t + v * next, step, masked ? 1 : high - low);
            if (masked) x[v] = plane_masked(x[v], masks[v] + t * LANES);
        }
        STENCIL_UNROLL for (int r = low; r < high; ++r) {
            const vec wr = v_splat(w[-r * up]);
            STENCIL_UNROLL for (int v = 0; v < vectors; ++v) acc[r][v] += wr * x[v];
        }
    }
}

/* Vectors k and k + 1 (where there are two) of `count` result rows. */
STENCIL_INLINE void plane_block(const plane_view *s, int64_t r, int64_t count, int64_t k, const int vectors,
                                const int step, const int masked) {
    const cx_stencil_columns *c = &s->columns;
    const int64_t j = plane_column(c->width, k), next = vectors > 1 ? plane_column(c->width, k + 1) - j : 0;
    const int64_t taps_h = s->taps_h, up = s->step * s->weights_row, last = (count - 1) * s->step + taps_h;
    const real *const *rows = s->rows + r * s->step;
    const real *w = s->weights;
    const real *const masks[2] = {plane_masks(c, s->masks, k), plane_masks(c, s->masks, vectors > 1 ? k + 1 : k)};
    vec acc[PLANE_ROWS][2];
    STENCIL_UNROLL for (int o = 0; o < PLANE_ROWS; ++o) {
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) acc[o][v] = v_splat(s->start);
    }
    const int halve = s->step == 2;
    for (int64_t i = 0; i < last; ++i, w += s->weights_row) {
        const int64_t high = i >> halve < count ? (i >> halve) + 1 : count;
        const int64_t low = i < taps_h ? 0 : ((i - taps_h) >> halve) + 1;
        const real *row = rows[i] + j * step;
#define PLANE_TAPS(low, high)                                                                                         \
    case (low) * 8 + (high):                                                                                          \
        plane_taps(acc, row, next *step, masks, w, up, s->weights_column, c->taps, low, high, vectors, step, masked); \
        break;
        switch (low * 8 + high) {
            PLANE_TAPS(0, 1)
            PLANE_TAPS(0, 2)
            PLANE_TAPS(0, 3)
            PLANE_TAPS(0, 4)
            PLANE_TAPS(1, 2)
            PLANE_TAPS(1, 3)
            PLANE_TAPS(1, 4)
            PLANE_TAPS(2, 3)
            PLANE_TAPS(2, 4)
            PLANE_TAPS(3, 4)
        default: break;
        }
#undef PLANE_TAPS
    }
    real *out = s->out + r * s->out_row + j;
    STENCIL_UNROLL for (int o = 0; o < PLANE_ROWS; ++o) {
        if (o >= count) break;
        STENCIL_UNROLL for (int v = 0; v < vectors; ++v) plane_store(
            s, out + o * s->out_row + v * next, step == 2 ? pairs_sorted(acc[o][v]) : acc[o][v], vectors == 1);
    }
}

/* Strips of four rows, the last two sharing what is left evenly. */
STENCIL_INLINE void plane_tall(const cx_stencil_plane *args, const int step) {
    plane_view s = plane_view_make(args);
    for (int64_t plane = 0;;) {
        for (int64_t from = 0; from < s.vectors; from += PLANE_SEGMENT) {
            const int64_t to = from + PLANE_SEGMENT < s.vectors ? from + PLANE_SEGMENT : s.vectors;
            for (int64_t r = 0, now; r < s.height; r += now) {
                now = s.height - r;
                if (now > PLANE_ROWS) now = now < 2 * PLANE_ROWS ? (now + 1) / 2 : PLANE_ROWS;
                int64_t k = from;
                for (; k + 2 <= to; k += 2) {
                    if (k >= s.columns.left && k + 2 <= s.columns.right)
                        plane_block(&s, r, now, k, 2, step, 0);
                    else
                        plane_block(&s, r, now, k, 2, step, 1);
                }
                if (k < to) plane_block(&s, r, now, k, 1, step, 1);
            }
        }
        if (++plane == args->planes) break;
        plane_advance(&s, args, plane);
    }
}

static void plane_tall_step1(const cx_stencil_plane *s) { plane_tall(s, 1); }
static void plane_tall_step2(const cx_stencil_plane *s) { plane_tall(s, 2); }

/* Whether the middle tap of three never leaves the source where its result counts. */
STENCIL_INLINE bool plane_middle_inside(const cx_stencil_columns *c) {
    return c->origin >= -1 && (c->width - 1) * c->step + c->origin + 1 < c->extent;
}

static void stencil_plane(const cx_stencil_plane *s) {
    const cx_stencil_columns *c = s->columns;
    if (s->taps_h == 3 && c->taps == 3 && s->step == c->step && plane_middle_inside(c))
        (c->step == 1 ? plane_three_step1 : plane_three_step2)(s);
    else
        (c->step == 1 ? plane_tall_step1 : plane_tall_step2)(s);
}

#endif
