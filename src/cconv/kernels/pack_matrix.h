/* Template: packing and storing any matrix, given the offsets of its rows and columns. */
#ifndef CX_KERNELS_PACK_MATRIX_H
#define CX_KERNELS_PACK_MATRIX_H

#include "kernels/gemm_shape.h"
#include "vec/vec.h"

static void pack_panel(const void *src_void, const int64_t *k_offset, int64_t kn, const int64_t *column_offset,
                       int64_t columns, void *dst_void) {
    const real *src = src_void;
    real *dst = dst_void;
    for (int64_t k = 0; k < kn; ++k, dst += GEMM_NR) {
        const real *row = src + k_offset[k];
        for (int64_t j = 0; j < columns; ++j) dst[j] = row[column_offset[j]];
        for (int64_t j = columns; j < GEMM_NR; ++j) dst[j] = 0;
    }
}

static void pack_rows(const void *src_void, const int64_t *row_offset, int64_t rows, const int64_t *k_offset,
                      int64_t kn, void *dst_void, int64_t ld) {
    real *dst = dst_void;
    for (int64_t i = 0; i < rows; ++i, dst += ld) {
        const real *row = (const real *)src_void + row_offset[i];
        for (int64_t k = 0; k < kn; ++k) dst[k] = row[k_offset[k]];
    }
}

static void scatter(const void *tile_void, int64_t ld, void *c_void, const int64_t *row_offset, int64_t rows,
                    const int64_t *column_offset, int64_t columns) {
    const real *tile = tile_void;
    for (int64_t i = 0; i < rows; ++i, tile += ld) {
        real *row = (real *)c_void + row_offset[i];
        for (int64_t j = 0; j < columns; ++j) row[column_offset[j]] = tile[j];
    }
}

static void gather(void *tile_void, int64_t ld, const void *c_void, const int64_t *row_offset, int64_t rows,
                   const int64_t *column_offset, int64_t columns) {
    real *tile = tile_void;
    for (int64_t i = 0; i < rows; ++i, tile += ld) {
        const real *row = (const real *)c_void + row_offset[i];
        for (int64_t j = 0; j < columns; ++j) tile[j] = row[column_offset[j]];
    }
}

#endif
