#include "gemm/gemm.h"

#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "gemm/band.h"
#include "gemm/stack.h"

/* Elements of the second-level cache. Choosing an algorithm asks often: no division by a variable. */
static int64_t level_elements(const cx_kernels *kernels) {
    const size_t bytes = cx_cpu_get()->l2;
    return (int64_t)(kernels->dtype == CONVX_FLOAT64 ? bytes / sizeof(double) : bytes / sizeof(float));
}

bool cx_gemm_one_block(const cx_kernels *kernels, int64_t n) {
    const int64_t most = level_elements(kernels) / 2 / CX_GEMM_SHORT_K;
    return n <= most - kernels->gemm.nr || n <= most / kernels->gemm.nr * kernels->gemm.nr;
}

cx_gemm_blocks cx_gemm_blocks_for(const cx_kernels *kernels, int64_t m, int64_t n, int64_t k, bool copy) {
    const cx_gemm_kernels *g = &kernels->gemm;
    const int64_t level = level_elements(kernels);
    /*
     * Half of the second level for the block of b, a quarter for that of a. Long sums first: what passes through
     * memory between blocks of k costs more than a panel that streams from the second level. A copy of a is made anew
     * for each block of columns, so there should be one.
     */
    const int64_t columns = copy && cx_gemm_one_block(kernels, n) ? cx_round_up(cx_max(n, 1), g->nr) : 3 * g->nr;
    cx_gemm_blocks blocks;
    blocks.kc = cx_even_part(k, cx_max(level / 2 / columns, 64), 8);
    if (k <= level / 4 / g->nr) blocks.kc = cx_round_up(cx_max(k, 1), 8); /* in one block, while two panels of it fit */
    blocks.nc = cx_even_part(n, level / 2 / blocks.kc, g->nr);
    blocks.mc = cx_even_part(m, level / 4 / blocks.kc, g->mr);
    return blocks;
}

static bool rows_in_place(const cx_gemm_rows *a) { return !a->patches && !a->copy && a->row.digits == 1; }

/* In place where k is runs one after the other, as weights of several taps lie. */
static bool rows_in_runs(const cx_gemm_rows *a) { return rows_in_place(a) && a->runs; }

/* Of k, that blocks are not to cut. */
static int64_t whole_run(const cx_gemm_rows *a) {
    if (a->band) return cx_band_run(a->patches, a->order);
    return rows_in_runs(a) ? a->k.extent[1] : 1;
}

/* Blocks of whole runs, and, of a band, of parts of a row of the grid that take a quarter of the second level. */
static cx_gemm_blocks fit_blocks(const cx_kernels *kernels, const cx_gemm *gemm, cx_gemm_blocks blocks) {
    const cx_gemm_rows *a = &gemm->a;
    const int64_t run = whole_run(a);
    if (run > 1) blocks.kc = cx_max(blocks.kc / run, 1) * run;
    if (a->band) {
        const int64_t level = level_elements(kernels);
        const int64_t pixel = blocks.kc / run * cx_band_step(a->patches, a->order);
        blocks.mc = cx_even_part(a->patches->grid[2], level / 4 / pixel, kernels->gemm.mr);
    }
    return blocks;
}

/* How many rows of the grid have a band in common, of at most an eighth of the second level. `blocks` fit. */
static int64_t band_rows(const cx_kernels *kernels, const cx_gemm *gemm, cx_gemm_blocks blocks) {
    const cx_gemm_rows *a = &gemm->a;
    if (!a->band || !cx_band_shares(a->patches, a->order)) return 1;
    if (blocks.kc < gemm->k || blocks.mc < a->patches->grid[2]) return 1;
    const int64_t line = cx_band_line(a->patches, a->order, a->patches->grid[2]), level = level_elements(kernels);
    int64_t rows = cx_min(CX_BAND_ROWS, cx_max(a->patches->grid[1], 1));
    while (rows > 1 && cx_band_lines(a->patches, rows) * line > level / 8) --rows;
    return rows;
}

/* Rows that lie side by side are copied tile by tile, [k][row], without a transposition. */
static bool rows_as_tiles(const cx_gemm_rows *a) {
    return !a->patches && a->copy && a->row.digits == 1 && cx_axis_step(&a->row) == 1;
}

/*
 * A result whose rows or columns are scattered in memory is added up in a dense stage and stored once, if the stage is
 * small. Never needed where one block of k does it all.
 */
static bool staged(const cx_kernels *kernels, const cx_gemm *gemm, cx_gemm_blocks blocks) {
    const size_t bytes = (size_t)gemm->m * (size_t)blocks.nc * cx_dtype_size(kernels->dtype);
    const bool scattered = gemm->c_row.digits > 1 || gemm->c_column.digits > 1 || cx_axis_step(&gemm->c_column) != 1;
    return scattered && gemm->k > blocks.kc && bytes <= cx_cpu_get()->l2 / 4;
}

/* From row to row of a copied block of a. */
static int64_t copied_row(const cx_kernels *kernels, int64_t kn) {
    return cx_odd_lines(kn, cx_dtype_size(kernels->dtype));
}

/* Scratch: the block of b, the block of a, the offsets of rows, of k, and the stage. */
typedef struct layout {
    size_t b, a, row_offset, k_offset, stage, total;
    int64_t together; /* rows of the grid that have a band in common */
} layout;

/* `blocks` fit. */
static layout scratch_layout(const cx_kernels *kernels, const cx_gemm *gemm, cx_gemm_blocks blocks) {
    const size_t size = cx_dtype_size(kernels->dtype), slack = CX_PACK_SLACK;
    layout l = {.together = band_rows(kernels, gemm, blocks)};
    size_t end = 0;
    l.b = end;
    if (gemm->b.kind != CX_PANELS_PACKED) end += cx_align_up(((size_t)(blocks.nc * blocks.kc) + slack) * size);
    l.a = end;
    if (gemm->a.band) {
        const int64_t run = whole_run(&gemm->a);
        const int64_t lines = l.together > 1 ? cx_band_lines(gemm->a.patches, l.together) : blocks.kc / run;
        end += cx_align_up((size_t)(lines * cx_band_line(gemm->a.patches, gemm->a.order, blocks.mc)) * size);
    } else if (!rows_in_place(&gemm->a)) {
        end += cx_align_up(((size_t)(blocks.mc * copied_row(kernels, blocks.kc)) + slack) * size);
    }
    l.row_offset = end;
    end += cx_align_up((size_t)blocks.mc * sizeof(int64_t));
    l.k_offset = end;
    if (!rows_in_place(&gemm->a) || gemm->b.kind == CX_PANELS_MATRIX)
        end += cx_align_up(2 * (size_t)blocks.kc * sizeof(int64_t));
    l.stage = end;
    if (staged(kernels, gemm, blocks))
        end += cx_align_up((size_t)gemm->m * (size_t)blocks.nc * cx_dtype_size(kernels->dtype));
    l.total = end;
    return l;
}

size_t cx_gemm_scratch(const cx_kernels *kernels, const cx_gemm *gemm, cx_gemm_blocks blocks) {
    return scratch_layout(kernels, gemm, fit_blocks(kernels, gemm, blocks)).total;
}

/* What is the same for all tiles of one block of rows and k. */
typedef struct block {
    const cx_kernels *kernels;
    const cx_gemm *gemm;
    size_t size;
    const char *a; /* row m0, first k */
    int64_t a_row, a_col, kn;
    int64_t run, jump; /* of k; run 0: it is affine */
    int64_t ahead;     /* see cx_gemm_stack */
    bool a_tiles;      /* instead: tile by tile, [k][row] */
    int64_t m0, m1;
    const int64_t *row_offset; /* in c, of rows m0 ... */
    bool even;                 /* the same from each row to the next */
    bool first, last;          /* block of k */
    int64_t stage_row;
} block;

static bool evenly_spaced(const int64_t *offset, int64_t count) {
    for (int64_t i = 2; i < count; ++i)
        if (offset[i] - offset[i - 1] != offset[1] - offset[0]) return false;
    return true;
}

/* A step of one panel of b, or more of the next: its place in c, and what its sums begin with. */
typedef struct panel {
    const char *b;
    int64_t columns, vectors, next, offset[CX_GEMM_MAX_COLUMNS]; /* next: elements to the next panel */
    bool whole;                                                  /* columns follow each other in c, in whole vectors */
    char *stage;                                                 /* the dense place of the block's first row, or NULL */
    cx_gemm_start start;
    const void *bias;
} panel;

enum { TILE_BYTES = 4 * CX_GEMM_MAX_MR * CX_GEMM_MAX_COLUMNS * 8 };

/*
 * Rows i ... of the block. If the panel is not whole or their distances are not even, and there is no stage, then no more
 * than fit into TILE_BYTES.
 */
static void run_rows(const block *t, const panel *p, int64_t i, int64_t rows, bool even) {
    const cx_gemm *gemm = t->gemm;
    const cx_gemm_kernels *g = &t->kernels->gemm;
    const int64_t *row = t->row_offset + i;
    const bool straight = p->whole && !p->stage && even;
    cx_gemm_stack stack = {.k = t->kn,
                           .run = t->run ? t->run : t->kn,
                           .jump = t->jump,
                           .ahead = t->ahead,
                           .a_row = t->a_tiles ? 1 : t->a_row,
                           .a_col = t->a_tiles ? 0 : t->a_col,
                           .a_next = t->a_tiles ? t->kn : t->a_row,
                           .start = p->start};
    _Alignas(64) char tile[TILE_BYTES];
    char *c;
    if (straight) {
        c = cx_at_mut(gemm->c, row[0] + p->offset[0], t->size);
        stack.c_row = rows == 1 ? 0 : row[1] - row[0];
    } else {
        c = p->stage ? p->stage + (size_t)(i * t->stage_row) * t->size : tile;
        stack.c_row = p->stage ? t->stage_row : p->vectors * t->kernels->lanes;
        if (p->start == CX_START_RESULT && !p->stage)
            g->gather(c, stack.c_row, gemm->c, row, rows, p->offset, p->columns);
    }
    const void *bias = p->start == CX_START_ROWS ? cx_at(gemm->bias_rows, t->m0 + i, t->size) : p->bias;
    cx_gemm_run_stack(t->kernels, stack, rows, p->columns, cx_at(t->a, i * stack.a_next, t->size), p->b, p->next, c,
                      bias);
    if (t->last && gemm->activation != CONVX_ACT_NONE)
        for (int64_t r = 0; r < rows; ++r)
            t->kernels->activate(cx_at_mut(c, r * stack.c_row, t->size), p->columns, gemm->activation);
    if (!straight && (t->last || !p->stage)) g->scatter(c, stack.c_row, gemm->c, row, rows, p->offset, p->columns);
}

/* A step against all rows of the block. stage: the dense place of its first tile, or NULL. */
static void run_step(const block *t, const char *b, int64_t b_next, int64_t n0, int64_t columns, char *stage) {
    const cx_gemm *gemm = t->gemm;
    const int lanes = t->kernels->lanes, mr = t->kernels->gemm.mr;
    panel p = {.b = b, .columns = columns, .vectors = cx_ceil_div(columns, lanes), .next = b_next, .stage = stage};
    const bool full = columns == p.vectors * lanes;
    p.whole = cx_axis_offsets(&gemm->c_column, n0, columns, p.offset) && full;

    _Alignas(64) char bias_block[CX_GEMM_MAX_COLUMNS * 8];
    if (!t->first) {
        p.start = CX_START_RESULT;
    } else if (gemm->bias_rows) {
        p.start = CX_START_ROWS;
    } else if (gemm->bias_columns) {
        p.start = CX_START_COLUMNS;
        p.bias = cx_at(gemm->bias_columns, n0, t->size);
        if (!full) { /* never read past the caller's bias */
            memset(bias_block, 0, sizeof bias_block);
            memcpy(bias_block, p.bias, (size_t)columns * t->size);
            p.bias = bias_block;
        }
    }

    const int64_t rows = t->m1 - t->m0, tiles = cx_ceil_div(rows, mr);
    if (stage || (p.whole && t->even)) {
        run_rows(t, &p, 0, rows, t->even);
        return;
    }
    const int64_t tile = mr * p.vectors * lanes * (int64_t)t->size, together = p.whole ? 1 : TILE_BYTES / tile;
    for (int64_t index = 0, i = 0, next; index < tiles; index += together, i = next) {
        next = cx_share_begin(rows, tiles, cx_min(index + together, tiles));
        run_rows(t, &p, i, next - i, evenly_spaced(t->row_offset + i, next - i));
    }
}

/*
 * A matrix is packed a few k at a time across all panels: where a row of b lies in memory as runs of k, neighbouring
 * columns share them, and the block is read as one stream. k_offset has room for 2 * kn.
 */
static void pack_matrix(const cx_kernels *kernels, const cx_gemm *gemm, int64_t n0, int64_t n1, int64_t k0, int64_t kn,
                        int64_t *k_offset, char *dst) {
    const cx_gemm_kernels *g = &kernels->gemm;
    const size_t panel = (size_t)kn * (size_t)g->nr * cx_dtype_size(kernels->dtype);
    const cx_axis *k = &gemm->b.k;
    const int64_t run = k->extent[k->digits - 1], step = run < 32 ? cx_ceil_div(32, run) * run : 64;
    int64_t *k_row = k_offset + kn;
    cx_axis_offsets(k, k0, kn, k_offset);
    if (gemm->b.column.digits == 1 && cx_axis_step(&gemm->b.column) == 1) {
        const int64_t whole = (n1 - n0) / g->nr;
        const void *first = cx_at(gemm->b.base, cx_axis_offset(&gemm->b.column, n0), cx_dtype_size(kernels->dtype));
        g->pack_panels(first, k_offset, kn, whole, dst);
        n0 += whole * g->nr;
        if (n0 == n1) return;
        dst += (size_t)whole * panel;
    }
    for (int64_t i = 0; i < kn; ++i) k_row[i] = i;
    for (int64_t done = 0; done < kn;) {
        const int64_t count = cx_min(kn - done, step - (k0 + done) % step);
        char *at = dst;
        for (int64_t n = n0; n < n1; n += g->nr, at += panel) {
            const int64_t columns = cx_min(n1 - n, g->nr);
            int64_t column_offset[CX_GEMM_MAX_NR];
            cx_axis_offsets(&gemm->b.column, n, columns, column_offset);
            g->pack_panel(gemm->b.base, k_offset + done, k_row + done, count, column_offset, columns, at);
        }
        done += count;
    }
}

static void pack_b(const cx_kernels *kernels, const cx_gemm *gemm, int64_t n0, int64_t n1, int64_t k0, int64_t kn,
                   int64_t *k_offset, char *dst) {
    const cx_gemm_kernels *g = &kernels->gemm;
    const size_t panel = (size_t)kn * (size_t)g->nr * cx_dtype_size(kernels->dtype);
    if (gemm->b.kind == CX_PANELS_MATRIX) {
        pack_matrix(kernels, gemm, n0, n1, k0, kn, k_offset, dst);
        return;
    }
    for (int64_t n = n0; n < n1; n += g->nr, dst += panel) {
        const int64_t columns = cx_min(n1 - n, g->nr);
        if (gemm->b.kind == CX_PANELS_PIXELS)
            g->pack_pixel_panel(gemm->b.patches, gemm->b.order, n, columns, k0, kn, dst);
        else
            g->pack_patch_panel(gemm->b.patches, gemm->b.order, n, columns, k0, kn, dst);
    }
}

/* Rows of a matrix, tile by tile or ld elements from row to row. */
static void copy_rows(const block *t, int64_t k0, char *copy, int64_t ld, int64_t *row_offset, int64_t *k_offset) {
    const cx_gemm_rows *a = &t->gemm->a;
    const cx_gemm_kernels *g = &t->kernels->gemm;
    const int64_t rows = t->m1 - t->m0;
    cx_axis_offsets(&a->row, t->m0, rows, row_offset);
    cx_axis_offsets(&a->k, k0, t->kn, k_offset);
    if (t->a_tiles)
        g->pack_row_tiles(cx_at(a->base, row_offset[0], t->size), rows, k_offset, t->kn, copy);
    else
        g->pack_rows(a->base, row_offset, rows, k_offset, t->kn, copy, ld);
}

/* Pixels whose bands are in the copy already: whole rows of the grid. */
typedef struct band_held {
    int64_t first, end;
} band_held;

/* The block is pixels of one row of the grid. `together`: rows that have a band in common, down to pixel `end`. */
static void take_band(block *t, int64_t k0, int64_t together, int64_t end, char *copy, band_held *held) {
    const cx_gemm_rows *a = &t->gemm->a;
    const cx_patches *p = a->patches;
    const int64_t pixels = t->m1 - t->m0, width = p->grid[2], line = cx_band_line(p, a->order, pixels);
    t->a = copy;
    t->a_row = cx_band_step(p, a->order);
    t->a_col = 1;
    t->run = cx_band_run(p, a->order);
    t->jump = line - t->run;
    if (together == 1 || pixels < width) {
        cx_band_copy(p, a->order, t->size, t->m0, pixels, k0, t->kn, copy);
        held->end = 0;
        return;
    }
    if (t->m0 >= held->end) {
        const int64_t in_image = p->grid[1] - t->m0 / width % p->grid[1], whole = (end - t->m0) / width;
        const int64_t rows = cx_min(cx_min(in_image, whole), together);
        cx_band_copy_rows(p, a->order, t->size, t->m0, rows, copy);
        *held = (band_held){t->m0, t->m0 + rows * width};
    }
    t->a = cx_at(copy, (t->m0 - held->first) / width * p->step[1] * line, t->size);
}

/* Sets the block's view of a: in place where it is affine, else through a copy, of matrices kept if it is there. */
static void take_a(block *t, int64_t k0, bool kept, char *copy, int64_t *row_offset, int64_t *k_offset) {
    const cx_gemm_rows *a = &t->gemm->a;
    const int64_t rows = t->m1 - t->m0, ld = copied_row(t->kernels, t->kn);
    if (t->kn == 0) {
        /* nothing is read */
    } else if (a->patches) {
        t->kernels->gemm.pack_pixel_rows(a->patches, a->order, t->m0, rows, k0, t->kn, copy, ld);
    } else if (rows_in_place(a)) {
        const int64_t offset = cx_axis_offset(&a->row, t->m0) + cx_axis_offset(&a->k, k0);
        t->a = cx_at(a->base, offset, t->size);
        t->a_row = cx_axis_step(&a->row);
        t->a_col = cx_axis_step(&a->k);
        if (rows_in_runs(a)) {
            t->run = a->k.extent[1];
            t->jump = a->k.stride[0] - t->run * a->k.stride[1];
            t->ahead = 2 * a->k.stride[0]; /* runs lie in other pages, where no hardware prefetcher follows */
        }
        return;
    } else {
        t->a_tiles = rows_as_tiles(a);
        if (!kept) copy_rows(t, k0, copy, ld, row_offset, k_offset);
    }
    t->a = copy;
    t->a_row = ld;
    t->a_col = 1;
}

/* Of columns and of k. kept: the copy of a that the last block of columns made serves this one as well. */
static void run_block(const cx_kernels *kernels, const cx_gemm *gemm, cx_gemm_blocks blocks, int64_t m0, int64_t m1,
                      int64_t n0, int64_t n1, int64_t k0, int64_t kn, bool kept, char *scratch) {
    const layout l = scratch_layout(kernels, gemm, blocks);
    const size_t size = cx_dtype_size(kernels->dtype);
    const int nr = kernels->gemm.nr;
    int64_t *row_offset = (int64_t *)(void *)(scratch + l.row_offset);
    int64_t *k_offset = (int64_t *)(void *)(scratch + l.k_offset);
    const bool stage = staged(kernels, gemm, blocks);
    const char *b;
    size_t panel;
    if (gemm->b.kind == CX_PANELS_PACKED) {
        panel = (size_t)gemm->k * (size_t)nr * size;
        b = (const char *)gemm->b.base + (size_t)(n0 / nr) * panel + (size_t)k0 * (size_t)nr * size;
    } else {
        panel = (size_t)kn * (size_t)nr * size;
        if (kn > 0) pack_b(kernels, gemm, n0, n1, k0, kn, k_offset, scratch + l.b);
        b = scratch + l.b;
    }
    band_held held = {0, 0};
    for (int64_t m = m0, next; m < m1; m = next) {
        next = cx_min(m + blocks.mc, m1);
        if (gemm->a.band) next = cx_min(next, cx_round_up(m + 1, gemm->a.patches->grid[2]));
        block t = {.kernels = kernels, .gemm = gemm, .size = size, .kn = kn, .m0 = m, .m1 = next};
        t.first = k0 == 0;
        t.last = k0 + kn == gemm->k;
        if (gemm->a.band && kn > 0)
            take_band(&t, k0, l.together, m1, scratch + l.a, &held);
        else
            take_a(&t, k0, kept, scratch + l.a, row_offset, k_offset);
        cx_axis_offsets(&gemm->c_row, m, t.m1 - m, row_offset);
        t.row_offset = row_offset;
        t.even = evenly_spaced(row_offset, t.m1 - m);
        t.stage_row = blocks.nc;
        for (int64_t n = n0, columns; n < n1; n += columns) {
            columns = cx_gemm_step(kernels, n1 - n);
            const int64_t corner = (m - m0) * blocks.nc + n - n0;
            run_step(&t, b + (size_t)((n - n0) / nr) * panel, (int64_t)(panel / size), n, columns,
                     stage ? scratch + l.stage + (size_t)corner * size : NULL);
        }
    }
}

void cx_gemm_run(const cx_kernels *kernels, const cx_gemm *gemm, cx_gemm_blocks blocks, int64_t m0, int64_t m1,
                 int64_t n0, int64_t n1, void *scratch) {
    blocks = fit_blocks(kernels, gemm, blocks);
    const bool one = !gemm->a.patches && m1 - m0 <= blocks.mc && !staged(kernels, gemm, blocks);
    const bool cut = rows_in_place(&gemm->a) && !rows_in_runs(&gemm->a);
    for (int64_t from = n0, to; from < n1; from = to) {
        to = one ? n1 : cx_min(from + blocks.nc, n1);
        int64_t k0 = 0;
        do {
            int64_t kn = cx_min(gemm->k - k0, blocks.kc);
            if (cut && kn > 0) kn = cx_min(kn, cx_axis_run(&gemm->a.k, k0));
            for (int64_t n = from; n < to; n += blocks.nc)
                run_block(kernels, gemm, blocks, m0, m1, n, cx_min(n + blocks.nc, to), k0, kn, n > from, scratch);
            k0 += kn;
        } while (k0 < gemm->k);
    }
}
