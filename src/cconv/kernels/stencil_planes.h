/*
 * Template: planes of a depthwise layer (cx_stencil_plane), read where they lie. Vectors that reach beyond a row's
 * ends read its neighbours in memory, and masks clear those lanes: no row is copied for its padding.
 * Here are what kernels of planes share, and 3x3: the nine weights stay in registers, vectors are taken one by one, and several
 * result rows share each source row that they meet.
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

STENCIL_INLINE half_vec plane_half_masked(half_vec x, const real *mask) {
    const half_vec m = v_half_load(mask);
    half_vec_bits xb, mb;
    memcpy(&xb, &x, sizeof x);
    memcpy(&mb, &m, sizeof m);
    xb &= mb;
    memcpy(&x, &xb, sizeof x);
    return x;
}

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
                const int64_t source = (c->joined ? column % c->joined : column) * c->step + c->origin + tap;
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

/* A masked vector may be all that a row has, and wider than it. */
STENCIL_INLINE void plane_store(const plane_view *s, real *out, vec v, const int narrow) {
    if (!narrow || s->columns.width >= LANES || out + LANES <= s->out_end)
        v_store(out, v); /* also where the rows below will be, or will overwrite it */
    else
        store_short(out, v, s->columns.width);
}

STENCIL_INLINE void plane_half_store(const plane_view *s, real *out, half_vec v, const int narrow) {
    if (!narrow || s->columns.width >= LANES / 2 || out + LANES / 2 <= s->out_end)
        v_half_store(out, v);
    else
        store_short(out, v_widened(v), s->columns.width);
}

/* Source columns of tap t under a vector of results. */
STENCIL_INLINE vec plane_load(const real *at, const int step, const int uses) {
    return step == 1 ? v_load_for(uses, at) : pairs_even_mixed(v_load(at), v_load(at + LANES));
}

/* ---- Joined rows, under a kernel of one row ----------------------------------------------------------------------- */

static void plane_joined(const cx_stencil_plane *args) {
    plane_view s = plane_view_make(args);
    for (int64_t plane = 0;;) {
        for (int64_t k = 0; k < s.vectors; ++k) {
            const int64_t j = plane_column(s.columns.width, k);
            const real *masks = plane_masks(&s.columns, s.masks, k), *row = s.rows[0] + j;
            vec acc = v_splat(s.start);
            for (int64_t t = 0; t < s.columns.taps; ++t)
                acc += v_splat(s.weights[t * s.weights_column]) * plane_masked(v_load(row + t), masks + t * LANES);
            plane_store(&s, s.out + j, acc, 1);
        }
        if (++plane == args->planes) break;
        plane_advance(&s, args, plane);
    }
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

#endif
