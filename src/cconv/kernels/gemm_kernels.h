/* The GEMM part of a kernel table. See gemm_tile.h and the pack_*.h templates for how they do it. */
#ifndef CX_KERNELS_GEMM_KERNELS_H
#define CX_KERNELS_GEMM_KERNELS_H

#include <stdint.h>

#include "base/conv.h"

#define CX_GEMM_MAX_MR      8
#define CX_GEMM_MAX_NV      3
#define CX_GEMM_MAX_NR      48
#define CX_GEMM_MAX_COLUMNS 64 /* of one step: see gemm/stack.h */

/* Columns of patches side by side, on average, that are copied rather than transposed, where vectors have so many bytes. */
static inline int64_t cx_long_stretch(size_t vector_bytes) { return vector_bytes == 64 ? 6 : 3; }

/* What the sums of a tile begin with: zero, the bias of their row or of their column, or what c holds. */
typedef enum cx_gemm_start { CX_START_ZERO, CX_START_ROWS, CX_START_COLUMNS, CX_START_RESULT } cx_gemm_start;

/*
 * Tiles of c one below the other, of as many rows each as the kernel has: c = start + a * b. Steps in elements. After
 * every `run` of k, `jump` elements are left out of a; k is a number of whole runs. While a run is added, what lies `ahead` elements
 * after its beginning is fetched, in each row: memory that nobody writes to, also beyond the last run. 0: nothing is.
 */
typedef struct cx_gemm_stack {
    int64_t tiles, k, run, jump, ahead;
    int64_t a_row, a_col; /* within a tile: to the next row, to the next k */
    int64_t a_next;       /* from tile to tile, for each row */
    int64_t c_row;        /* within a tile and from tile to tile */
    int64_t b_second;     /* tiles of two vectors where whole ones have three: from the first of b to the second */
    cx_gemm_start start;
} cx_gemm_stack;

/* a in place, b a packed panel; bias: an element a row or an element a column as the start says. */
typedef void (*cx_gemm_tile)(const cx_gemm_stack *stack, const void *a, const void *b, void *c, const void *bias);

/*
 * The patch matrix of one group of a tensor: element (pixel, channel, tap) is
 *     base[image, channel, grid place * step + origin + tap * tap_step]       per spatial dimension
 * or what the padding mode says. Pixels run over (image, depth, row, column) of the grid.
 */
typedef struct cx_patches {
    const void *base; /* image 0, first channel of the group */
    cx_strides stride;
    int64_t extent[3], grid[3], step[3], origin[3], taps[3], tap_step[3];
    int64_t channels;
    convx_padding_mode mode;
    const void *begin, *end; /* the tensor's elements, of all groups, lie in [begin, end): vector loads may go so far */
} cx_patches;

/* Which of channel and tap runs fastest through a row of the patch matrix. */
typedef enum cx_patch_order { CX_TAPS_FASTEST, CX_CHANNELS_FASTEST } cx_patch_order;

typedef struct cx_gemm_kernels {
    int mr, nv, nr;                                 /* the largest tile: mr rows by nr = nv * lanes columns */
    int narrow_mr;                                  /* rows of the tallest tile of one vector, at least mr */
    const cx_gemm_tile (*tile)[CX_GEMM_MAX_NV + 1]; /* tile[rows][vectors]; [0]: the first half of one, or NULL */

    /* dst[k][nr]: a panel whose columns are `pixels` <= nr pixels from `pixel` on, for rows k of (channel, tap). */
    void (*pack_pixel_panel)(const cx_patches *patches, cx_patch_order order, int64_t pixel, int64_t pixels, int64_t k0,
                             int64_t kn, void *dst);
    /* dst[column][k]: rows of k patch elements, one a pixel; ld elements from one to the next. */
    void (*pack_pixel_rows)(const cx_patches *patches, cx_patch_order order, int64_t pixel, int64_t pixels, int64_t k0,
                            int64_t kn, void *dst, int64_t ld);
    /* dst[pixel][nr]: a panel whose columns are `columns` <= nr places of (channel, tap), for rows of pixels. */
    void (*pack_patch_panel)(const cx_patches *patches, cx_patch_order order, int64_t column, int64_t columns,
                             int64_t pixel, int64_t pixels, void *dst);
    /* dst[k_row[k]][nr] = src[k_offset[k] + column_offset[j]], a panel of any matrix. */
    void (*pack_panel)(const void *src, const int64_t *k_offset, const int64_t *k_row, int64_t kn,
                       const int64_t *column_offset, int64_t columns, void *dst);
    /* dst[panel][k][nr] = src[k_offset[k] + panel * nr + j], whole panels whose columns all lie side by side. */
    void (*pack_panels)(const void *src, const int64_t *k_offset, int64_t kn, int64_t panels, void *dst);
    /* dst[i][k] = src[row_offset[i] + k_offset[k]], ld elements from row to row. */
    void (*pack_rows)(const void *src, const int64_t *row_offset, int64_t rows, const int64_t *k_offset, int64_t kn,
                      void *dst, int64_t ld);
    /*
     * Rows side by side in memory, in tiles of nearly equal height (cx_gemm_tile_height), one after the other:
     * dst[k][row of the tile] = src[k_offset[k] + row].
     */
    void (*pack_row_tiles)(const void *src, int64_t rows, const int64_t *k_offset, int64_t kn, void *dst);
    /* c[row_offset[i] + column_offset[j]] = tile[i][j], and back. ld elements from row to row of the tile, in whole vectors. */
    void (*scatter)(const void *tile, int64_t ld, void *c, const int64_t *row_offset, int64_t rows,
                    const int64_t *column_offset, int64_t columns);
    void (*gather)(void *tile, int64_t ld, const void *c, const int64_t *row_offset, int64_t rows,
                   const int64_t *column_offset, int64_t columns);
    /* dst[i * step] += src[i] */
    void (*spread_add)(void *dst, int64_t step, const void *src, int64_t n);
} cx_gemm_kernels;

/* Height of tile `index` where `rows` rows are shared among `tiles` tiles. */
static inline int64_t cx_gemm_tile_height(int64_t rows, int64_t tiles, int64_t index) {
    return rows / tiles + (index < rows % tiles);
}

/* Elements past the end of a pack buffer that a pack may overwrite. */
#define CX_PACK_SLACK 32

#endif
