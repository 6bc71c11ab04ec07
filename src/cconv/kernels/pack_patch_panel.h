/* Template: panels of the patch matrix with (channel, tap) as columns and pixels as rows (weight gradient). */
#ifndef CX_KERNELS_PACK_PATCH_PANEL_H
#define CX_KERNELS_PACK_PATCH_PANEL_H

#include "kernels/pack_pixel_rows.h"

/* Pixels gathered as rows before they are transposed: both fit the first-level cache. */
#define PIXEL_BLOCK 64

/* rows[j][i], PIXEL_BLOCK apart, into dst[i][GEMM_NR]; rows beyond those used hold anything. */
static inline void transpose_rows(const real *rows, int64_t pixels, real *dst) {
    for (int64_t i = 0; i < pixels; i += LANES) {
        const int64_t kept = pixels - i < LANES ? pixels - i : LANES;
        for (int j = 0; j < GEMM_NR; j += LANES) {
            vec block[CX_LANE_COUNT];
#pragma GCC unroll 16
            for (int r = 0; r < LANES; ++r) block[r] = v_load(rows + (j + r) * PIXEL_BLOCK + i);
            v_transpose(block);
            if (kept == LANES) {
#pragma GCC unroll 16
                for (int r = 0; r < LANES; ++r) v_store(dst + (i + r) * GEMM_NR + j, block[r]);
            } else {
                real lanes[CX_LANE_COUNT][CX_LANE_COUNT];
                memcpy(lanes, block, sizeof lanes);
                for (int64_t r = 0; r < kept; ++r) v_store(dst + (i + r) * GEMM_NR + j, v_load(lanes[r]));
            }
        }
    }
}

/* Columns of any channel and tap: gathered one by one along the pixels. */
static __attribute__((noinline)) void pack_columns_gathered(const cx_patches *p, const int64_t *channel,
                                                            const int64_t (*tap)[3], int64_t columns, int64_t pixel,
                                                            int64_t pixels, real *dst) {
    const real *base = p->base;
    real rows[(GEMM_NR + 1) * PIXEL_BLOCK];
    segment segments[PIXEL_BLOCK];
    for (int64_t j = columns; j < GEMM_NR; ++j) zero_run(rows + j * PIXEL_BLOCK, PIXEL_BLOCK);
    for (int64_t done = 0; done < pixels; done += PIXEL_BLOCK) {
        const int64_t piece = pixels - done < PIXEL_BLOCK ? pixels - done : PIXEL_BLOCK;
        const int count = split_pixels(p, pixel + done, piece, segments);
        for (int64_t j = 0; j < columns; ++j) {
            for (int s = 0; s < count; ++s) {
                const tap_run run = locate_tap(p, segments + s, tap[j]);
                copy_tap(p, &run, base + channel[j] * p->stride.channel, rows + j * PIXEL_BLOCK);
            }
            zero_run(rows + j * PIXEL_BLOCK + piece, PIXEL_BLOCK - piece);
        }
        transpose_rows(rows, piece, dst + done * GEMM_NR);
    }
}

/* Pixels of which the grid rows are looked up at a time. */
#define ROW_CHUNK 128

static const real stretch_of_zeros[GEMM_NR + CX_LANE_COUNT] = {0};

/* Where the columns of a panel lie, from the place of tap 0 on, and how far their taps reach. */
typedef struct column_places {
    int64_t offset[GEMM_NR];
    int64_t (*tap)[3]; /* in places of the tensor */
    int64_t low[3], high[3], least, most;
    int64_t from, to; /* elements of the tensor, from base on */
    int64_t columns;
} column_places;

static void find_columns(const cx_patches *p, const int64_t *channel, int64_t (*tap)[3], int64_t columns,
                         column_places *places) {
    *places = (column_places){
        .tap = tap,
        .columns = columns,
        .least = INT64_MAX,
        .most = INT64_MIN,
        .from = (const real *)p->begin - (const real *)p->base,
        .to = (const real *)p->end - (const real *)p->base,
    };
    for (int64_t j = 0; j < columns; ++j) {
        int64_t offset = channel[j] * p->stride.channel;
        for (int d = 0; d < 3; ++d) {
            const int64_t place = tap[j][d] *= p->tap_step[d];
            offset += place * p->stride.space[d];
            if (j == 0 || place < places->low[d]) places->low[d] = place;
            if (j == 0 || place > places->high[d]) places->high[d] = place;
        }
        places->offset[j] = offset;
        if (offset < places->least) places->least = offset;
        if (offset > places->most) places->most = offset;
    }
}

/* One column of LANES pixels, where the tensor ends or its padding begins. */
static inline __attribute__((always_inline)) vec load_edge(const cx_patches *p, const column_places *places, int64_t j,
                                                           bool row_inside, int64_t w, int64_t src, const int step) {
    if (!row_inside) return v_zero();
    w += places->tap[j][2];
    const real *from = (const real *)p->base + src + places->offset[j];
    const int64_t width = (int64_t)LANES * step; /* of the lanes' places */
    const int64_t low = cx_max(cx_min(-w, width), 0), high = cx_max(cx_min(p->extent[2] - w, width), 0);
    if (step == 1) return v_load_between(from, low, high);
    return v_even(v_load_between(from, cx_min(low, LANES), cx_min(high, LANES)),
                  v_load_between(from + LANES, cx_max(low - LANES, 0), cx_max(high - LANES, 0)));
}

/* LANES pixels of a grid row, all columns of them, transposed in registers. */
static inline __attribute__((always_inline)) void pack_columns_of_row(const cx_patches *p, const column_places *places,
                                                                      const segment *s, const int step, real *dst) {
    const int64_t used = cx_round_up(places->columns, LANES);
    bool block_inside[GEMM_NV], row_inside[GEMM_NR];
    for (int64_t j = 0; j < used; ++j) {
        row_inside[j] = j < places->columns;
        for (int d = 0; d < 2 && row_inside[j]; ++d) {
            const int64_t place = s->at[d] + places->tap[j][d];
            row_inside[j] = place >= 0 && place < p->extent[d];
        }
        block_inside[j / LANES] = (j % LANES == 0 || block_inside[j / LANES]) && row_inside[j];
    }
    int64_t at[3] = {s->at[0], s->at[1], s->at[2]}, src = s->image;
    for (int d = 0; d < 3; ++d) src += at[d] * p->stride.space[d];
    for (int64_t i = 0; i < s->count; i += LANES, src += LANES * step, at[2] += LANES * p->step[2]) {
        const int64_t kept = s->count - i < LANES ? s->count - i : LANES;
        const bool inside = at[2] + places->low[2] >= 0 &&
                            at[2] + places->high[2] + (kept - 1) * p->step[2] < p->extent[2] &&
                            src + places->least >= places->from && src + places->most + LANES * step <= places->to;
        for (int64_t j = 0; j < used; j += LANES) {
            vec block[CX_LANE_COUNT];
            const bool whole = inside && block_inside[j / LANES];
            if (whole && step == 1) {
                v_load_transposed((const real *)p->base + src, places->offset + j, block);
            } else if (whole) {
#pragma GCC unroll 16
                for (int r = 0; r < LANES; ++r)
                    block[r] = load_step((const real *)p->base + src + places->offset[j + r], step);
                v_transpose(block);
            } else {
                for (int r = 0; r < LANES; ++r)
                    block[r] = load_edge(p, places, j + r, row_inside[j + r], at[2], src, step);
                v_transpose(block);
            }
            if (kept == LANES) {
#pragma GCC unroll 16
                for (int r = 0; r < LANES; ++r) v_store(dst + (i + r) * GEMM_NR + j, block[r]);
            } else {
#pragma GCC unroll 16
                for (int r = 0; r < LANES; ++r)
                    if (r < kept) v_store(dst + (i + r) * GEMM_NR + j, block[r]);
            }
        }
    }
}

/* Columns of any channel and tap, in zero padding, whose pixels lie side by side or every second. */
static void pack_columns_in_rows(const cx_patches *p, const int64_t *channel, int64_t (*tap)[3], int64_t columns,
                                 int64_t pixel, int64_t pixels, real *dst) {
    segment segments[ROW_CHUNK];
    column_places places;
    find_columns(p, channel, tap, columns, &places);
    for (int64_t done = 0; done < pixels; done += ROW_CHUNK) {
        const int64_t piece = pixels - done < ROW_CHUNK ? pixels - done : ROW_CHUNK;
        const int count = split_pixels(p, pixel + done, piece, segments);
        for (int s = 0; s < count; ++s) {
            real *to = dst + (done + segments[s].lane) * GEMM_NR;
            if (p->step[2] == 1)
                pack_columns_of_row(p, &places, segments + s, 1, to);
            else
                pack_columns_of_row(p, &places, segments + s, 2, to);
        }
    }
}

/* Columns of a panel that lie side by side in the tensor: taps of a kernel's row, or channels, or both. */
typedef struct stretch {
    int64_t column, count;
    int64_t offset; /* of the first, in its row of the tensor */
    const int64_t *tap;
    int row;       /* of the rows that the stretches read */
    bool taps;     /* it is taps of one channel, which lie at places one after the other */
    int64_t read;  /* elements of it, in whole vectors */
    bool spills;   /* its last vector reaches past the panel's row */
    vec_bits kept; /* and so keeps only these lanes */
} stretch;

/* Returns how many there are, and the taps of the rows that they read: so many of a kernel's rows as there are. */
static int find_stretches(const cx_patches *p, const int64_t *channel, const int64_t (*tap)[3], int64_t columns,
                          stretch *stretches, const int64_t **tap_row, int *rows) {
    int n = 0;
    *rows = 0;
    for (int64_t j = 0; j < columns; ++j) {
        const int64_t offset = channel[j] * p->stride.channel + tap[j][2] * p->tap_step[2] * p->stride.space[2];
        stretch *last = &stretches[n > 0 ? n - 1 : 0];
        if (n > 0 && tap[j][0] == last->tap[0] && tap[j][1] == last->tap[1] && offset == last->offset + last->count)
            ++last->count;
        else
            stretches[n++] = (stretch){.column = j, .count = 1, .offset = offset, .tap = tap[j]};
    }
    for (int k = 0; k < n; ++k) {
        stretch *t = &stretches[k];
        for (t->row = 0; t->row < *rows; ++t->row)
            if (tap_row[t->row][0] == t->tap[0] && tap_row[t->row][1] == t->tap[1]) break;
        if (t->row == *rows) tap_row[(*rows)++] = t->tap;
        t->read = cx_round_up(t->count, LANES);
        t->taps = channel[t->column] == channel[t->column + t->count - 1] && t->count <= LANES;
        const int64_t over = t->column + t->read - GEMM_NR;
        t->spills = over > 0;
        for (int i = 0; i < LANES; ++i) t->kept[i] = i < LANES - over ? -1 : 0;
    }
    return n;
}

/* `vectors` vectors for each of n pixels; if it spills, of the last one only the lanes that `kept` marks. */
static inline __attribute__((always_inline)) void copy_stretch(const real *src, int64_t step, int64_t n,
                                                               const int vectors, const bool spills,
                                                               const vec_bits *kept, real *dst) {
    const vec_bits lanes = *kept;
    for (int64_t i = 0; i < n; ++i, src += step, dst += GEMM_NR) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors - 1; ++v) v_store(dst + v * LANES, v_load(src + v * LANES));
        real *last = dst + (vectors - 1) * LANES;
        const vec value = v_load(src + (vectors - 1) * LANES);
        if (spills)
            v_store_kept(last, value, lanes);
        else
            v_store(last, value);
    }
}

/* Four elements for each of n pixels. */
static inline void copy_fours(const real *src, int64_t step, int64_t n, real *dst) {
    for (int64_t i = 0; i < n; ++i, src += step, dst += GEMM_NR) memcpy(dst, src, 4 * sizeof *dst);
}

static inline void copy_any_stretch(const real *src, int64_t step, int64_t n, const stretch *t, real *dst) {
    const int vectors = (int)cx_ceil_div(t->count, LANES);
    if (LANES > 4 && t->count <= 4 && t->column + 4 <= GEMM_NR) /* vectors would lie across lines of the cache */
        copy_fours(src, step, n, dst);
    else if (vectors == 1 && !t->spills)
        copy_stretch(src, step, n, 1, false, &t->kept, dst);
    else if (vectors == 1)
        copy_stretch(src, step, n, 1, true, &t->kept, dst);
    else if (vectors == GEMM_NV && !t->spills)
        copy_stretch(src, step, n, GEMM_NV, false, &t->kept, dst);
    else
        copy_stretch(src, step, n, vectors, t->spills, &t->kept, dst);
}

/* A stretch of one pixel in zero padding, whose first column is at place `at` of the row; shorter than a vector. */
static inline void copy_edge(const real *from, int64_t at, int64_t extent, const stretch *t, real *dst) {
    const int64_t low = cx_min(cx_max(-at, 0), t->count), high = cx_max(cx_min(extent - at, t->count), low);
    const vec value = from ? v_load_between(from, low, high) : v_zero();
    if (t->spills)
        v_store_kept(dst + t->column, value, t->kept);
    else
        v_store(dst + t->column, value);
}

/* One pixel, place by place; `offset` elements lie between pixel 0 of the rows and this one, whose tap 0 is at w. */
static void pack_columns_of_pixel(const cx_patches *p, const real *const *row, int64_t offset, int64_t w,
                                  const int64_t *place, const stretch *stretches, int n, real *dst) {
    for (int k = 0; k < n; ++k) {
        const stretch *t = &stretches[k];
        if (LANES >= 8 && t->taps && p->mode == CONVX_PAD_ZEROS && p->stride.space[2] == 1) {
            copy_edge(row[k] ? row[k] + offset : NULL, w + place[t->column], p->extent[2], t, dst);
            continue;
        }
        for (int64_t j = t->column; j < t->column + t->count; ++j) {
            const int64_t at = w + place[j], inside = row[k] ? cx_padded_index(at, p->extent[2], p->mode) : -1;
            dst[j] = inside < 0 ? 0 : row[k][offset + j - t->column + (inside - at) * p->stride.space[2]];
        }
    }
}

/*
 * Columns in long stretches: each is copied for many pixels, without a transposition. In ascending order of columns: what
 * a vector writes past its stretch, the next one overwrites.
 */
static void pack_columns_in_stretches(const cx_patches *p, const int64_t (*tap)[3], int64_t columns, int64_t pixel,
                                      int64_t pixels, const stretch *stretches, int n, const int64_t *const *tap_row,
                                      int rows, real *dst) {
    segment segments[ROW_CHUNK];
    const real *base = p->base;
    const int64_t step = p->step[2], stride = p->stride.space[2], used = cx_round_up(columns, LANES);
    int64_t place[GEMM_NR], low = INT64_MAX, high = INT64_MIN; /* of the columns' taps */
    for (int64_t j = 0; j < columns; ++j) {
        place[j] = tap[j][2] * p->tap_step[2];
        low = cx_min(low, place[j]);
        high = cx_max(high, place[j]);
    }
    for (int64_t done = 0; done < pixels; done += ROW_CHUNK) {
        const int64_t piece = pixels - done < ROW_CHUNK ? pixels - done : ROW_CHUNK;
        const int count = split_pixels(p, pixel + done, piece, segments);
        for (int s = 0; s < count; ++s) {
            const segment *g = segments + s;
            real *to = dst + (done + g->lane) * GEMM_NR;
            /* pixels whose taps all lie inside; but vectors may reach neither past the tensor nor past the last pixel's row */
            int64_t begin = cx_ceil_div(cx_max(-g->at[2] - low, 0), step);
            int64_t end = cx_floor_div(p->extent[2] - 1 - high - g->at[2], step) + 1;
            end = cx_min(end, done + g->lane + g->count == pixels ? g->count - 1 : g->count);
            const real *begins[GEMM_NR], *row[GEMM_NR], *furthest = base;
            for (int r = 0; r < rows; ++r) {
                const int64_t d = cx_padded_index(g->at[0] + tap_row[r][0] * p->tap_step[0], p->extent[0], p->mode);
                const int64_t h = cx_padded_index(g->at[1] + tap_row[r][1] * p->tap_step[1], p->extent[1], p->mode);
                const int64_t at = g->image + d * p->stride.space[0] + h * p->stride.space[1] + g->at[2] * stride;
                begins[r] = d < 0 || h < 0 ? NULL : base + at;
            }
            for (int k = 0; k < n; ++k) {
                const real *from = begins[stretches[k].row];
                row[k] = from ? from + stretches[k].offset : NULL;
                if (from && row[k] + stretches[k].read > furthest) furthest = row[k] + stretches[k].read;
            }
            end = cx_min(end, cx_floor_div((const real *)p->end - furthest, step * stride) + 1);
            begin = cx_min(begin, g->count);
            end = cx_max(end, begin);
            for (int64_t i = begin > 0 ? 0 : end; i < g->count; i = i + 1 == begin ? end : i + 1)
                pack_columns_of_pixel(p, row, i * step * stride, g->at[2] + i * step, place, stretches, n,
                                      to + i * GEMM_NR);
            for (int k = 0; k < n && begin < end; ++k) {
                const stretch *t = &stretches[k];
                real *out = to + begin * GEMM_NR + t->column;
                const real *src = row[k] ? row[k] + begin * step * stride : stretch_of_zeros;
                copy_any_stretch(src, row[k] ? step * stride : 0, end - begin, t, out);
            }
            if (columns < used) /* whole vectors are multiplied */
                for (int64_t i = 0; i < g->count; ++i) zero_run(to + i * GEMM_NR + columns, used - columns);
        }
    }
}

static void pack_patch_panel(const cx_patches *p, cx_patch_order order, int64_t column, int64_t columns, int64_t pixel,
                             int64_t pixels, void *dst) {
    const int64_t taps = p->taps[0] * p->taps[1] * p->taps[2];
    int64_t channel[GEMM_NR], tap[GEMM_NR][3];
    for (int64_t j = 0; j < columns; ++j) {
        const int64_t place = column + j;
        channel[j] = order == CX_TAPS_FASTEST ? place / taps : place % p->channels;
        tap_at(p, order == CX_TAPS_FASTEST ? place % taps : place / p->channels, tap[j]);
    }
    stretch stretches[GEMM_NR];
    const int64_t *tap_row[GEMM_NR];
    int rows;
    const int n = find_stretches(p, channel, (const int64_t (*)[3])tap, columns, stretches, tap_row, &rows);
    /* transposed vectors cost more where rows do not fill them, or where they are picked from twice as many */
    const bool filled = 10 * p->grid[2] > 9 * cx_round_up(p->grid[2], LANES) && p->step[2] == 1;
    const int64_t longer = filled ? cx_long_stretch(CX_BYTES) : 3;
    if (n * longer <= columns && p->stride.space[2] > 0)
        pack_columns_in_stretches(p, (const int64_t (*)[3])tap, columns, pixel, pixels, stretches, n, tap_row, rows,
                                  dst);
    else if (p->mode == CONVX_PAD_ZEROS && p->stride.space[2] == 1 && p->step[2] <= 2)
        pack_columns_in_rows(p, channel, tap, columns, pixel, pixels, dst);
    else
        pack_columns_gathered(p, channel, (const int64_t (*)[3])tap, columns, pixel, pixels, dst);
}

#endif
