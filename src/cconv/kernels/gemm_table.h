/*
 * Template: the GEMM kernels of one table. Each tile height and width is a function of its own, so that accumulators
 * stay in registers. TILE(rows, nv) and TILE_ROW(rows) stand for text that C cannot generate by a function; undefined
 * at the bottom.
 */
#ifndef CX_KERNELS_GEMM_TABLE_H
#define CX_KERNELS_GEMM_TABLE_H

#include "kernels/pack_matrix.h"
#include "kernels/pack_patch_panel.h"
#include "kernels/pack_pixel_panel.h"
#include "kernels/pack_pixel_rows.h"

#define TILE_VEC         vec
#define TILE_LOAD(p)     v_load(p)
#define TILE_STORE(p, v) v_store(p, v)
#define TILE_NAME(x)     gemm_tile_##x
#include "kernels/gemm_tile.h"

/* Half a vector: for the last columns of a product, where CPUs take whole vectors in two halves. Of doubles it is not worth its size. */
#if CX_BYTES == 64 && !CX_F64
#define TILE_VEC         half_vec
#define TILE_LOAD(p)     v_half_load(p)
#define TILE_STORE(p, v) v_store(p, v_widened(v))
#define TILE_NAME(x)     gemm_half_tile_##x
#include "kernels/gemm_tile.h"
#endif

#define TILE(rows, nv)                                                                                \
    static void tile_##rows##x##nv(const cx_gemm_stack *stack, const void *a, const void *b, void *c, \
                                   const void *bias) {                                                \
        gemm_tile_stack(rows, nv, stack, a, b, c, bias);                                              \
    }
#define HALF_TILE(rows)                                                                                                \
    static void tile_##rows##x0(const cx_gemm_stack *stack, const void *a, const void *b, void *c, const void *bias) { \
        gemm_half_tile_stack(rows, 1, stack, a, b, c, bias);                                                           \
    }

#if CX_BYTES == 64 && !CX_F64
#define TILES_OF(rows) HALF_TILE(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3)
#define TILE_ROW(rows) {tile_##rows##x0, tile_##rows##x1, tile_##rows##x2, tile_##rows##x3}
#elif GEMM_NV == 3
#define TILES_OF(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3)
#define TILE_ROW(rows) {0, tile_##rows##x1, tile_##rows##x2, tile_##rows##x3}
#else
#define TILES_OF(rows) TILE(rows, 1) TILE(rows, 2)
#define TILE_ROW(rows) {0, tile_##rows##x1, tile_##rows##x2}
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
#elif GEMM_NARROW_MR == 8
TILE(7, 1)
TILE(8, 1)
#endif

/* clang-format off */
#if GEMM_MR == 8
#define GEMM_TILES {{0}, TILE_ROW(1), TILE_ROW(2), TILE_ROW(3), TILE_ROW(4), TILE_ROW(5), TILE_ROW(6), TILE_ROW(7), TILE_ROW(8)}
#elif GEMM_NARROW_MR == 8
#define GEMM_TILES {{0}, TILE_ROW(1), TILE_ROW(2), TILE_ROW(3), TILE_ROW(4), TILE_ROW(5), TILE_ROW(6), {0, tile_7x1}, {0, tile_8x1}}
#elif GEMM_MR == 6
#define GEMM_TILES {{0}, TILE_ROW(1), TILE_ROW(2), TILE_ROW(3), TILE_ROW(4), TILE_ROW(5), TILE_ROW(6)}
#else
#define GEMM_TILES {{0}, TILE_ROW(1), TILE_ROW(2), TILE_ROW(3), TILE_ROW(4)}
#endif
/* clang-format on */

static const cx_gemm_tile gemm_tile_table[CX_GEMM_MAX_MR + 1][CX_GEMM_MAX_NV + 1] = GEMM_TILES;

#define GEMM_KERNELS                          \
    {                                         \
        .mr = GEMM_MR,                        \
        .narrow_mr = GEMM_NARROW_MR,          \
        .nv = GEMM_NV,                        \
        .nr = GEMM_NR,                        \
        .tile = gemm_tile_table,              \
        .pack_pixel_panel = pack_pixel_panel, \
        .pack_pixel_rows = pack_pixel_rows,   \
        .pack_patch_panel = pack_patch_panel, \
        .pack_panel = pack_panel,             \
        .pack_panels = pack_panels,           \
        .pack_rows = pack_rows,               \
        .pack_row_tiles = pack_row_tiles,     \
        .scatter = scatter,                   \
        .gather = gather,                     \
        .spread_add = spread_add,             \
    }

#undef GEMM_TILES
#undef TILE
#undef HALF_TILE
#undef TILE_ROW
#undef TILES_OF

#endif
