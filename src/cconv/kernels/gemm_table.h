/*
 * Template: the GEMM kernels of one table. Each tile height and width is a function of its own, so that accumulators
 * stay in registers. TILE(rows, nv) and TILE_ROW(rows, form) stand for text that C cannot generate by a function; undefined
 * at the bottom.
 */
#ifndef CX_KERNELS_GEMM_TABLE_H
#define CX_KERNELS_GEMM_TABLE_H

#include "kernels/gemm_tile.h"
#include "kernels/pack_matrix.h"
#include "kernels/pack_patch_panel.h"
#include "kernels/pack_pixel_panel.h"
#include "kernels/pack_pixel_rows.h"

#define TILE(rows, nv)                                                                                             \
    static void tile_##rows##x##nv##_runs(int64_t k, const void *a, int64_t a_row, int64_t a_col, int64_t run,     \
                                          int64_t jump, const void *b, void *c, int64_t ldc,                       \
                                          const cx_gemm_start *start) {                                            \
        gemm_tile(rows, nv, k, a, a_row, a_col, run, jump, b, c, ldc, start);                                      \
    }                                                                                                              \
    static void tile_##rows##x##nv(int64_t k, const void *a, int64_t a_row, int64_t a_col, const void *b, void *c, \
                                   int64_t ldc, const cx_gemm_start *start) {                                      \
        tile_##rows##x##nv##_runs(k, a, a_row, a_col, k, 0, b, c, ldc, start);                                     \
    }

#if GEMM_NV == 3
#define TILES_OF(rows)       TILE(rows, 1) TILE(rows, 2) TILE(rows, 3)
#define TILE_ROW(rows, form) {0, tile_##rows##x1##form, tile_##rows##x2##form, tile_##rows##x3##form}
#else
#define TILES_OF(rows)       TILE(rows, 1) TILE(rows, 2)
#define TILE_ROW(rows, form) {0, tile_##rows##x1##form, tile_##rows##x2##form}
#endif

TILES_OF(1)
TILES_OF(2)
TILES_OF(3)
TILES_OF(4)
#if GEMM_MR > 4
TILES_OF(5)
TILES_OF(6)
#endif
#if GEMM_MR > 6
TILES_OF(7)
TILES_OF(8)
#endif

/* clang-format off */
#if GEMM_MR == 8
#define GEMM_TILES(form) {{0}, TILE_ROW(1, form), TILE_ROW(2, form), TILE_ROW(3, form), TILE_ROW(4, form), TILE_ROW(5, form), TILE_ROW(6, form), TILE_ROW(7, form), TILE_ROW(8, form)}
#elif GEMM_MR == 6
#define GEMM_TILES(form) {{0}, TILE_ROW(1, form), TILE_ROW(2, form), TILE_ROW(3, form), TILE_ROW(4, form), TILE_ROW(5, form), TILE_ROW(6, form)}
#else
#define GEMM_TILES(form) {{0}, TILE_ROW(1, form), TILE_ROW(2, form), TILE_ROW(3, form), TILE_ROW(4, form)}
#endif
/* clang-format on */

static const cx_gemm_tile gemm_tiles[CX_GEMM_MAX_MR + 1][CX_GEMM_MAX_NV + 1] = GEMM_TILES();
static const cx_gemm_tile_runs gemm_tiles_runs[CX_GEMM_MAX_MR + 1][CX_GEMM_MAX_NV + 1] = GEMM_TILES(_runs);

#define GEMM_KERNELS                          \
    {                                         \
        .mr = GEMM_MR,                        \
        .nv = GEMM_NV,                        \
        .nr = GEMM_NR,                        \
        .tile = gemm_tiles,                   \
        .tile_runs = gemm_tiles_runs,         \
        .pack_pixel_panel = pack_pixel_panel, \
        .pack_pixel_rows = pack_pixel_rows,   \
        .pack_patch_panel = pack_patch_panel, \
        .pack_panel = pack_panel,             \
        .pack_rows = pack_rows,               \
        .pack_row_tiles = pack_row_tiles,     \
        .scatter = scatter,                   \
        .gather = gather,                     \
        .spread_add = spread_add,             \
    }

#undef GEMM_TILES
#undef TILE
#undef TILE_ROW
#undef TILES_OF

#endif
