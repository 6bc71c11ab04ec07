#include "algo/channel_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/integer.h"
#include "base/memory.h"

#define LINE    64
#define WAY     4096 /* bytes of the first-level cache after which its sets begin anew */
#define LONGEST 512  /* bytes of a block's channels */

/* Lines of pixels so many bytes apart that the first-level cache holds together. */
static int64_t lines_held(int64_t pitch) {
    return (int64_t)cx_cpu_get()->l1d / cx_max(cx_gcd(WAY, llabs(pitch)), LINE);
}

static int64_t rows_read(const cx_correlation *c, int64_t rows) { return cx_source_span(c, 1, rows, c->taps[1]); }

cx_channel_blocks cx_channel_blocks_make(const cx_correlation *c, int64_t lines, int64_t all) {
    const cx_channel_blocks none = {0};
    cx_channel_blocks b = none;
    const int64_t size = (int64_t)cx_dtype_size(c->dtype);
    if (c->taps[0] != 1 || c->taps[1] < 1 || c->taps[2] < 1 || c->padding_mode != CONVX_PAD_ZEROS) return none;
    if (c->tap_step[1] < 0 || 5 * lines_held(c->src.space[2] * size) >= 4 * lines) return none;
    const cx_cpu *cpu = cx_cpu_get();
    b.channels = LINE / size;
    if (all % b.channels != 0) return none;
    /* Longer blocks while the rows that one row of results reads stay in half of the first-level cache. */
    const int64_t window = rows_read(c, 1) * c->extent[2] * size;
    while (all % (2 * b.channels) == 0 && 2 * b.channels * size <= LONGEST &&
           2 * b.channels * window <= (int64_t)cpu->l1d / 2)
        b.channels *= 2;
    const int64_t row = c->extent[2] * b.channels * size, budget = (int64_t)cpu->l2 / 4;
    const int64_t most = (budget / cx_max(row, 1) - rows_read(c, 1)) / c->step[1] + 1;
    b.height = cx_min(most, c->grid[1]);
    /* Rows that neighbouring blocks share are copied for each of them. */
    if (b.height < cx_min(c->taps[1] * c->tap_step[1], c->grid[1])) return none;
    b.source_rows = cx_min(rows_read(c, b.height), c->extent[1]);
    return b;
}

size_t cx_channel_blocks_bytes(const cx_channel_blocks *b, const cx_correlation *c) {
    return cx_align_up((size_t)(b->source_rows * c->extent[2] * b->channels) * cx_dtype_size(c->dtype));
}

void cx_channel_blocks_copy_places(void *to, const void *from, int64_t count, int64_t stride, size_t bytes) {
    const char *place = from;
    if (bytes == LINE)
        for (int64_t i = 0; i < count; ++i, place += stride) memcpy((char *)to + i * LINE, place, LINE);
    else
        for (int64_t i = 0; i < count; ++i, place += stride) memcpy((char *)to + (size_t)i * bytes, place, bytes);
}

cx_correlation cx_channel_blocks_copy(const cx_channel_blocks *b, const cx_correlation *c, const void *source,
                                      int64_t depth, int64_t row, int64_t rows, void *slots, const void **base) {
    const size_t size = cx_dtype_size(c->dtype);
    const int64_t d = depth * c->step[0] + c->origin[0], width = c->extent[2], line = width * b->channels;
    const int64_t first = row * c->step[1] + c->origin[1];
    const int64_t begin = cx_max(first, 0), end = cx_min(first + rows_read(c, rows), c->extent[1]);
    if (d >= 0 && d < c->extent[0])
        for (int64_t h = begin; h < end; ++h)
            cx_channel_blocks_copy_places(cx_at_mut(slots, (h - begin) * line, size),
                                          cx_at(source, d * c->src.space[0] + h * c->src.space[1], size), width,
                                          c->src.space[2] * (int64_t)size, (size_t)b->channels * size);
    cx_correlation near = *c;
    near.src.space[0] = 0;
    near.src.space[1] = line;
    near.src.space[2] = b->channels;
    *base = cx_at(slots, -begin * line, size);
    return near;
}
