#include "algo/direct_rows.h"

#include <string.h>

#include "base/integer.h"
#include "base/memory.h"

#define MOST_SPAN              8192 /* source columns between the first and the last tap of a pass */
#define MOST_PHASES            128  /* of a row buffer */
#define SEGMENT_BYTES          8192
#define MOST_HEIGHT            64
/* Fewer whole vectors inside than this are not worth the edges' own segments: for one result channel, and for each
 * block of several, since all of them use a row that is copied once. */
#define IN_PLACE_VECTORS       8
#define IN_PLACE_VECTORS_BLOCK 30

/* After so many taps their column modulo the step begins anew: that many phases hold all of them. */
static int64_t phase_period(const cx_correlation *c) { return c->step[2] / cx_gcd(c->step[2], c->tap_step[2]); }

/* Source rows of `rows` result rows: distinct ones in a dense table, all of them one by one in a sparse one. */
static bool is_dense(const cx_correlation *c, int64_t rows, int64_t taps) {
    return cx_source_span(c, 1, rows, taps) <= 2 * rows * taps;
}

static int64_t table_rows(const cx_correlation *c, int64_t rows, int64_t taps) {
    return is_dense(c, rows, taps) ? cx_source_span(c, 1, rows, taps) : rows * taps;
}

static int64_t slot_rows(const cx_correlation *c, int64_t rows, int64_t taps) {
    return cx_min(table_rows(c, rows, taps), rows * taps);
}

static void cut_columns(const cx_correlation *c, size_t size, int lanes, int64_t channels, cx_blocking *b) {
    const int64_t taps = cx_max(c->taps[2], 1), width = cx_max(c->grid[2], 1);
    b->taps_w = cx_min(taps, c->tap_step[2] > 0 ? MOST_SPAN / c->tap_step[2] + 1 : taps);
    if (c->step[2] > 1) b->taps_w = cx_min(b->taps_w, MOST_PHASES);
    b->phases = cx_min(b->taps_w, phase_period(c));
    const int64_t span = (b->taps_w - 1) * c->tap_step[2] / c->step[2];
    const int64_t most = cx_round_up((int64_t)(SEGMENT_BYTES / size), lanes);
    b->width = most;
    const int64_t least =
        channels > 2 ? IN_PLACE_VECTORS_BLOCK * cx_ceil_div(channels, CX_STENCIL_CHANNELS) : IN_PLACE_VECTORS;
    b->in_place = b->taps_w == taps && c->step[2] == 1 && c->src.space[2] == 1 &&
                  c->tap_step[2] * (taps - 1) < c->extent[2] && width >= (least + 2) * lanes;
    const int64_t copied = b->in_place ? 4 * lanes : cx_max(most / b->phases, lanes);
    b->copied_width = cx_min(cx_round_up(width, lanes), cx_round_up(copied, lanes));
    /* Parts of the same width, rather than a narrow last one. */
    if (!b->in_place) b->copied_width = cx_round_up(cx_ceil_div(width, cx_ceil_div(width, b->copied_width)), lanes);
    b->pitch = cx_round_up(b->copied_width + span, lanes) + lanes;
    b->slot = b->phases * b->pitch + lanes;
    b->zeros = cx_max(b->slot, b->in_place ? b->width + span + 2 * lanes : 0);
}

/*
 * A line of whole rows wastes the columns between them, but no vector beyond the end of each row; then results must be
 * copied out of it.
 */
static bool worth_joining(const cx_correlation *c, int lanes, int64_t channels, int64_t planes, int64_t line) {
    const int64_t width = c->grid[2];
    const int64_t sums = planes * cx_max(c->taps[1], 1) * cx_max(c->taps[2], 1);
    /* Blocks of the kernel; single vectors wait for the latency of additions. */
    const int64_t block = cx_max(12 / channels, 2) * lanes, single = cx_max(8 * lanes / channels, lanes);
    const int64_t rest = width % block;
    const int64_t computed =
        width < block || rest <= lanes ? width - rest + cx_ceil_div(rest, lanes) * single : cx_round_up(width, block);
    return (computed - line) * sums > (width < lanes ? 0 : 4 * width);
}

void cx_blocking_make(const cx_correlation *c, const cx_kernels *kernels, int64_t channels, int64_t planes, bool tile,
                      int64_t units, cx_blocking *b) {
    const size_t size = cx_dtype_size(c->dtype);
    const cx_cpu *cpu = cx_cpu_get();
    const int64_t taps_h = cx_max(c->taps[1], 1), height = cx_max(c->grid[1], 1);
    const int64_t blocks = cx_ceil_div(channels, CX_STENCIL_CHANNELS);
    planes = cx_max(planes, 1);
    b->channels = cx_ceil_div(channels, blocks);
    if (channels <= 2) b->channels = 1;
    cut_columns(c, size, kernels->lanes, channels, b);

    const int64_t budget = cx_max((int64_t)(cpu->l2 / 2), 128 << 10) * 3 / 4, near = (int64_t)cpu->l1d * 3 / 4;
    const int64_t row_bytes = b->slot * (int64_t)size;
    const int64_t plane_row = row_bytes + 16 + b->channels * b->taps_w * (int64_t)size;
    const int64_t most_rows = cx_max(budget / plane_row, 1);
    b->whole = b->taps_w >= c->taps[2] && planes <= most_rows && taps_h * planes <= most_rows;
    b->tile = tile || !b->whole;
    const int64_t line = c->grid[2] + (b->taps_w - 1) * c->tap_step[2];
    b->joined = units > 0 && b->whole && b->channels > 1 && height > 1 && c->step[1] == 1 && c->step[2] == 1 &&
                !b->in_place && b->copied_width >= c->grid[2] &&
                worth_joining(c, kernels->lanes, b->channels, planes, line);
    if (b->joined) b->slot = line;
    if (b->whole) {
        b->planes = planes;
        b->taps_h = taps_h;
        b->height = cx_min(height, MOST_HEIGHT);
        while (b->height > 1 && planes * slot_rows(c, b->height, taps_h) > most_rows) b->height = (b->height + 1) / 2;
        while (b->height > 8 && !b->in_place && !b->joined &&
               planes * slot_rows(c, b->height, taps_h) * row_bytes > near)
            b->height = (b->height + 1) / 2;
        const int64_t images = c->batch * c->groups * c->grid[0];
        while (b->height > 8 && b->joined && images * cx_ceil_div(height, b->height) < units)
            b->height = (b->height + 1) / 2;
        const int64_t segment = b->in_place ? b->width : b->copied_width;
        while (b->height > 1 && b->tile && b->height * segment * b->channels * (int64_t)size > budget / 3)
            b->height = (b->height + 1) / 2;
        const int64_t even = cx_ceil_div(height, cx_ceil_div(height, b->height));
        if (even % 4 == 0 || even >= height)
            b->height = even;
        else if (cx_round_up(even, 4) <= b->height)
            b->height = cx_round_up(even, 4);
    } else {
        b->taps_h = cx_min(taps_h, most_rows);
        b->planes = cx_min(cx_max(most_rows / b->taps_h, 1), planes);
        b->height = 1;
    }
    b->slots = b->planes * slot_rows(c, b->height, b->taps_h);
    /* Where the table is sparse, that of a lower block may be dense: of less than twice the rows. */
    const bool dense = is_dense(c, b->height, b->taps_h);
    b->table = b->planes * (dense ? table_rows(c, b->height, b->taps_h) : 2 * b->height * b->taps_h);
    if (b->joined) b->slots = b->table + cx_ceil_div(2 * kernels->lanes, line);
}

cx_segments cx_segments_make(const cx_correlation *c, const cx_blocking *b, int lanes) {
    cx_segments s = {.left = c->grid[2]};
    if (b->in_place && c->taps[2] > 0) {
        const int64_t span = (c->taps[2] - 1) * c->tap_step[2];
        const int64_t begin = cx_min(cx_round_up(cx_max(-c->origin[2], 0), lanes), c->grid[2]);
        const int64_t end = cx_min(c->extent[2] - span - c->origin[2], c->grid[2]);
        if (end - begin >= lanes) {
            s.left = begin;
            s.inside = (end - begin) / lanes * lanes;
        }
    }
    s.left_count = cx_ceil_div(s.left, b->copied_width);
    s.inside_count = cx_ceil_div(s.inside, b->width);
    s.count = s.left_count + s.inside_count + cx_ceil_div(c->grid[2] - s.left - s.inside, b->copied_width);
    return s;
}

void cx_segment_make(const cx_correlation *c, const cx_blocking *b, const cx_segments *s, int64_t index,
                     cx_segment *segment) {
    segment->in_place = false;
    if (index < s->left_count) {
        segment->first = index * b->copied_width;
        segment->width = cx_min(b->copied_width, s->left - segment->first);
        return;
    }
    index -= s->left_count;
    segment->in_place = index < s->inside_count;
    if (segment->in_place) {
        segment->first = s->left + index * b->width;
        segment->width = cx_min(b->width, s->left + s->inside - segment->first);
    } else {
        segment->first = s->left + s->inside + (index - s->inside_count) * b->copied_width;
        segment->width = cx_min(b->copied_width, c->grid[2] - segment->first);
    }
}

void cx_tap_offsets(const cx_correlation *c, const cx_blocking *b, int64_t *offsets) {
    const int64_t period = phase_period(c);
    for (int64_t t = 0; t < b->taps_w; ++t) offsets[t] = t % period * b->pitch + t * c->tap_step[2] / c->step[2];
}

size_t cx_row_scratch_bytes(const cx_blocking *b, size_t size) {
    return cx_align_up((size_t)b->table * sizeof(void *)) + cx_align_up((size_t)b->phases * sizeof(cx_stencil_phase)) +
           cx_align_up((size_t)b->zeros * size) + cx_align_up((size_t)(b->slots * b->slot) * size);
}

char *cx_row_scratch_make(const cx_blocking *b, size_t size, char *memory, cx_row_scratch *scratch) {
    scratch->table = (const void **)memory;
    memory += cx_align_up((size_t)b->table * sizeof(void *));
    scratch->phases = (cx_stencil_phase *)memory;
    memory += cx_align_up((size_t)b->phases * sizeof(cx_stencil_phase));
    scratch->zeros = memory;
    memset(memory, 0, (size_t)b->zeros * size);
    memory += cx_align_up((size_t)b->zeros * size);
    scratch->slots = memory;
    return memory + cx_align_up((size_t)(b->slots * b->slot) * size);
}

/* For the lanes of a segment, where each phase of a row begins and ends. */
static cx_stencil_fill fill_of(const cx_correlation *c, int lanes, const cx_blocking *b, const cx_segment *segment,
                               int64_t tw, cx_stencil_phase *phases) {
    const int64_t step = c->step[2], extent = c->extent[2];
    const int64_t span = (b->taps_w - 1) * c->tap_step[2] / step;
    cx_stencil_fill fill = {.mode = c->padding_mode,
                            .extent = extent,
                            .stride = c->src.space[2],
                            .step = step,
                            .lanes = b->joined ? b->slot : cx_round_up(segment->width, lanes) + span,
                            .phases = b->phases,
                            .pitch = b->pitch,
                            .phase = phases,
                            .zeros = b->joined};
    const int64_t first = segment->first * step + c->origin[2] + tw * c->tap_step[2];
    for (int64_t k = 0; k < b->phases; ++k) {
        cx_stencil_phase *p = &phases[k];
        p->first = first + k * c->tap_step[2] % step;
        p->begin = p->first >= 0 ? 0 : cx_min(step == 1 ? -p->first : cx_ceil_div(-p->first, step), fill.lanes);
        const int64_t left = extent - p->first;
        p->end = left <= 0 ? 0 : cx_min(step == 1 ? left : cx_ceil_div(left, step), fill.lanes);
        if (p->end < p->begin) p->end = p->begin;
    }
    return fill;
}

static const void *row_pointer(const cx_correlation *c, const void *plane, int64_t h, int64_t column,
                               const void *zeros) {
    h = cx_padded_index(h, c->extent[1], c->padding_mode);
    return h < 0 ? zeros : cx_at(plane, h * c->src.space[1] + column, cx_dtype_size(c->dtype));
}

/* The rows of each tap in turn. */
static void sparse_rows(const cx_correlation *c, const void *plane, bool exists, int64_t first,
                        const cx_row_range *range, int64_t column, const void *zeros, const void **rows) {
    for (int64_t th = 0; th < range->taps_h; ++th)
        for (int64_t r = 0; r < range->rows; ++r, ++rows)
            *rows = exists ? row_pointer(c, plane, first + th * c->tap_step[1] + r * c->step[1], column, zeros) : zeros;
}

/* Whether a source row, counted from the first, is read by any tap. */
static bool is_needed(const cx_correlation *c, int64_t row, int64_t rows, int64_t taps) {
    for (int64_t th = 0; th < taps; ++th) {
        const int64_t at = row - th * c->tap_step[1];
        if (at < 0) return false;
        if (at % c->step[1] == 0 && at / c->step[1] < rows) return true;
    }
    return false;
}

void cx_rows_gather(const cx_correlation *c, const cx_kernels *kernels, const cx_blocking *b, const void *source,
                    const cx_row_range *range, const cx_segment *segment, const cx_row_scratch *scratch,
                    cx_row_table *table) {
    const size_t size = cx_dtype_size(c->dtype);
    const bool dense = is_dense(c, range->rows, range->taps_h);
    const int64_t count = table_rows(c, range->rows, range->taps_h);
    const bool all = b->joined || (c->step[1] == 1 && c->tap_step[1] <= range->rows);
    const int64_t first = range->row * c->step[1] + c->origin[1] + range->th * c->tap_step[1];
    const int64_t column = segment->first + c->origin[2];
    for (int64_t p = 0; p < range->planes; ++p) {
        const int64_t plane = range->plane + p, flat = c->taps[0] == 1;
        const int64_t channel = flat ? plane : plane / c->taps[0], td = flat ? 0 : plane % c->taps[0];
        const int64_t d = cx_padded_index(range->depth * c->step[0] + c->origin[0] + td * c->tap_step[0], c->extent[0],
                                          c->padding_mode);
        const void **rows = scratch->table + p * count;
        const void *base = cx_at(source, channel * c->src.channel + (d < 0 ? 0 : d * c->src.space[0]), size);
        if (!dense) {
            sparse_rows(c, base, d >= 0, first, range, segment->in_place ? column : 0, scratch->zeros, rows);
            continue;
        }
        const int64_t begin = d < 0 ? count : cx_min(cx_max(-first, 0), count);
        const int64_t end = cx_max(begin, cx_min(c->extent[1] - first, count)),
                      stride = c->src.space[1] * (int64_t)size;
        const char *inside = cx_at(base, first * c->src.space[1] + (segment->in_place ? column : 0), size);
        for (int64_t i = begin; i < end; ++i) rows[i] = inside + i * stride;
        for (int64_t i = 0; i < count; ++i) {
            if (i == begin && (i = end) >= count) break;
            rows[i] = d < 0 ? scratch->zeros
                            : row_pointer(c, base, first + i, segment->in_place ? column : 0, scratch->zeros);
        }
        for (int64_t i = 0; !all && i < count; ++i)
            if (!is_needed(c, i, range->rows, range->taps_h)) rows[i] = NULL;
    }
    if (!segment->in_place) {
        const cx_stencil_fill fill = fill_of(c, kernels->lanes, b, segment, range->tw, scratch->phases);
        kernels->stencil.fill(scratch->table, range->planes * count, scratch->zeros, scratch->slots, b->slot, &fill);
    }
    table->plane = count;
    table->row_step = dense ? c->step[1] : 1;
    table->tap_row = dense ? c->tap_step[1] : range->rows;
}
