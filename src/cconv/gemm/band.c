#include "gemm/band.h"

#include <string.h>

#include "base/correlation.h"
#include "base/integer.h"
#include "base/memory.h"

#define AHEAD_CHANNELS 4

/* `bytes` zeros: a call for the few that padding takes would cost more than they do. */
static inline char *put_zeros(char *dst, size_t bytes) {
    if (bytes > CX_ALIGNMENT) {
        memset(dst, 0, bytes);
        return dst + bytes;
    }
    for (; bytes > 0; bytes -= 4, dst += 4) memset(dst, 0, 4);
    return dst;
}

/* Places [first, first + count), all of them outside the row, which is `unit` bytes a place. */
static inline char *copy_outside(const cx_patches *p, const char *row, int64_t first, int64_t count, size_t unit,
                                 char *dst) {
    if (p->mode == CONVX_PAD_ZEROS) return put_zeros(dst, (size_t)count * unit);
    for (int64_t i = first; i < first + count; ++i, dst += unit)
        memcpy(dst, row + (size_t)cx_padded_index(i, p->extent[2], p->mode) * unit, unit);
    return dst;
}

void cx_band_copy(const cx_patches *p, cx_patch_order order, size_t size, int64_t pixel, int64_t pixels, int64_t k0,
                  int64_t kn, void *dst_void) {
    const size_t unit = size * (size_t)(order == CX_CHANNELS_FASTEST ? p->channels : 1);
    const int64_t run = cx_band_run(p, order), width = (pixels - 1) * p->step[2] + p->taps[2];
    const int64_t row = pixel / p->grid[2], image = row / p->grid[1] / p->grid[0];
    const int64_t depth = row / p->grid[1] % p->grid[0] * p->step[0] + p->origin[0];
    const int64_t height = row % p->grid[1] * p->step[1] + p->origin[1];
    const int64_t first = pixel % p->grid[2] * p->step[2] + p->origin[2];
    const int64_t low = cx_min(cx_max(-first, 0), width), high = cx_max(cx_min(p->extent[2] - first, width), low);
    const bool apart = order == CX_TAPS_FASTEST; /* lines of different channels: no prefetcher follows */
    const int64_t ahead = AHEAD_CHANNELS * p->stride.channel * (int64_t)size, length = (high - low) * (int64_t)unit;
    char *dst = dst_void;
    /* lines of (channel, depth tap, row tap), counted up without divisions */
    int64_t line = k0 / run, th = line % p->taps[1], td = line / p->taps[1] % p->taps[0];
    int64_t c = line / p->taps[1] / p->taps[0];
    for (const int64_t end = line + kn / run; line < end; ++line) {
        const int64_t d = cx_padded_index(depth + td * p->tap_step[0], p->extent[0], p->mode);
        const int64_t h = cx_padded_index(height + th * p->tap_step[1], p->extent[1], p->mode);
        if (d < 0 || h < 0) {
            memset(dst, 0, (size_t)width * unit);
            dst += (size_t)width * unit;
        } else {
            const int64_t offset =
                image * p->stride.batch + c * p->stride.channel + d * p->stride.space[0] + h * p->stride.space[1];
            const char *from = cx_at(p->base, offset, size), *inside = from + (first + low) * (int64_t)unit;
            const bool fetch = apart && c + AHEAD_CHANNELS < p->channels;
            for (int64_t i = 0; i < length && fetch; i += CX_ALIGNMENT) __builtin_prefetch(inside + ahead + i);
            dst = copy_outside(p, from, first, low, unit, dst);
            if (length > 0) memcpy(dst, inside, (size_t)length);
            dst = copy_outside(p, from, first + high, width - high, unit, dst + length);
        }
        if (++th < p->taps[1]) continue;
        th = 0;
        if (++td < p->taps[0]) continue;
        td = 0;
        ++c;
    }
}

void cx_band_copy_rows(const cx_patches *p, cx_patch_order order, size_t size, int64_t pixel, int64_t rows, void *dst) {
    cx_patches tall = *p; /* one row of the grid whose patches are as high as all of them together */
    tall.taps[1] = cx_band_lines(p, rows);
    cx_band_copy(&tall, order, size, pixel, p->grid[2], 0, tall.taps[1] * cx_band_run(p, order), dst);
}
