/*
 * Depthwise layers whose channels are contiguous (channels-last memory), and others whose groups fit a vector: vectors run
 * along the channels. The kernels
 * read pixels through a table of pointers, one for each padded source pixel under a row of results, so that padding,
 * strides and dilation cost them nothing; a padded zero points at a vector of zeros.
 */
#include <string.h>

#include "algo/channel_blocks.h"
#include "algo/direct.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

#define MOST_POINTERS     8192
#define LONGEST_SUM       2048 /* pixels added up before they are collected in double */
#define GRADIENT_CHANNELS 128  /* of one task */
#define WORTHWHILE_TASKS  16

typedef struct part {
    cx_correlation c;
    const char *weights; /* [tap][source channel of the group][result channel] */
    int64_t segments;    /* of a row, or blocks of channels */
    int64_t row_blocks;
    int64_t units, first_unit;
    bool blocked;
} part;

typedef struct job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    const void *src;
    size_t size, thread_bytes;
    int64_t width; /* result columns of a segment */
    cx_channel_blocks blocks;
    char *scratch;
    const part *parts;
    int count;
    int64_t units, tasks;
} job;

/* Result columns whose source pixels fit the pointer table: 0 when not even a few do. */
static int64_t segment_width(const cx_correlation *c) {
    const int64_t rows = c->taps[0] * c->taps[1];
    if (rows > MOST_POINTERS || c->taps[2] > MOST_POINTERS || c->tap_step[2] > MOST_POINTERS ||
        c->step[2] > MOST_POINTERS)
        return 0;
    const int64_t left = MOST_POINTERS / cx_max(rows, 1) - (c->taps[2] - 1) * c->tap_step[2] - 1;
    const int64_t width = left < 0 ? 0 : cx_min(left / c->step[2] + 1, c->grid[2]);
    return width >= cx_min(c->grid[2], 8) ? width : 0;
}

/* Pixels that the kernel reads again for the next vector of channels. */
static int64_t lines_wanted(const cx_correlation *c) {
    const int64_t columns = (c->taps[2] > 3 ? 6 : 3) * c->step[2] + (c->taps[2] - 1) * c->tap_step[2] + 1;
    return c->taps[1] * cx_min(columns, c->extent[2]);
}

/* Where channels are taken in blocks, and rows as a whole. */
static cx_channel_blocks blocks_of(const cx_correlation *c) {
    const cx_channel_blocks none = {0};
    if (c->ci != 1 || segment_width(c) < c->grid[2]) return none;
    return cx_channel_blocks_make(c, lines_wanted(c), c->groups, false);
}

static size_t block_weights_bytes(const cx_channel_blocks *b, const cx_correlation *c) {
    return cx_align_up((size_t)(cx_count3(c->taps) * b->channels) * cx_dtype_size(c->dtype));
}

static size_t channels_bytes(const cx_conv *conv) {
    return (size_t)(conv->groups * conv->in_channels) * cx_dtype_size(conv->dtype);
}

static size_t table_bytes(void) { return MOST_POINTERS * sizeof(void *); }

/* ---- The pointer table ------------------------------------------------------------------------------------------ */

/* Source pixels under result columns [first, first + width) of one row: [depth tap][row tap][column]. Returns the
 * pitch. */
static int64_t point(const cx_correlation *c, const void *source, int64_t depth, int64_t row, int64_t first,
                     int64_t width, const void *zeros, const void **table) {
    const size_t size = cx_dtype_size(c->dtype);
    const int64_t columns = (width - 1) * c->step[2] + (c->taps[2] - 1) * c->tap_step[2] + 1;
    const int64_t column = first * c->step[2] + c->origin[2];
    const int64_t begin = cx_min(cx_max(-column, 0), columns),
                  end = cx_max(begin, cx_min(c->extent[2] - column, columns));
    const int64_t stride = c->src.space[2] * (int64_t)size;
    for (int64_t td = 0; td < c->taps[0]; ++td) {
        const int64_t d =
            cx_padded_index(depth * c->step[0] + c->origin[0] + td * c->tap_step[0], c->extent[0], c->padding_mode);
        for (int64_t th = 0; th < c->taps[1]; ++th, table += columns) {
            const int64_t h =
                cx_padded_index(row * c->step[1] + c->origin[1] + th * c->tap_step[1], c->extent[1], c->padding_mode);
            if (d < 0 || h < 0) {
                for (int64_t i = 0; i < columns; ++i) table[i] = zeros;
                continue;
            }
            const char *base = cx_at(source, d * c->src.space[0] + h * c->src.space[1], size);
            for (int64_t i = begin; i < end; ++i) table[i] = base + (column + i) * stride;
            for (int64_t i = 0; i < columns; ++i) {
                if (i == begin) i = end;
                if (i >= columns) break;
                const int64_t w = cx_padded_index(column + i, c->extent[2], c->padding_mode);
                table[i] = w < 0 ? zeros : base + w * stride;
            }
        }
    }
    return columns;
}

/* ---- Forward and input gradient -------------------------------------------------------------------------------- */

static void activate_row(const job *j, const cx_correlation *c, char *out, int64_t width, int64_t channels) {
    if (c->activation == CONVX_ACT_NONE) return;
    if (c->dst.space[2] == channels) {
        j->kernels->activate(out, width * channels, c->activation);
        return;
    }
    for (int64_t i = 0; i < width; ++i)
        j->kernels->activate(cx_at_mut(out, i * c->dst.space[2], j->size), channels, c->activation);
}

static void compute_unit(const job *j, const part *p, int64_t unit, const void **table, const void *zeros) {
    const cx_correlation *c = &p->c;
    const int64_t first = unit % p->segments * j->width, width = cx_min(j->width, c->grid[2] - first);
    unit /= p->segments;
    const int64_t row = unit % c->grid[1], depth = unit / c->grid[1] % c->grid[0],
                  image = unit / c->grid[1] / c->grid[0];
    const void *source = cx_at(j->src, image * c->src.batch, j->size);
    cx_stencil_channels args = {.pixels = table,
                                .rows = c->taps[0] * c->taps[1],
                                .step = c->step[2],
                                .tap = c->tap_step[2],
                                .taps_w = c->taps[2],
                                .width = width,
                                .channels = c->groups * c->co,
                                .group = c->ci,
                                .weights = p->weights,
                                .start = j->tensors->bias,
                                .out_pixel = c->dst.space[2]};
    if (c->taps[0] && c->taps[1] && c->taps[2])
        args.row_pixels = point(c, source, depth, row, first, width, zeros, table);
    else
        args.rows = 0;
    char *out = cx_at_mut(j->tensors->result,
                          c->dst_offset + image * c->dst.batch + depth * c->dst.space[0] + row * c->dst.space[1] +
                              first * c->dst.space[2],
                          j->size);
    args.out = out;
    j->kernels->stencil.channels(&args);
    activate_row(j, c, out, width, args.channels);
}

/* Some rows of results of a block of channels, which are copied to `slots`; its weights behind them. The last block
 * overlaps the one before it, with the same results. */
static void compute_block(const job *j, const part *p, int64_t unit, const void **table, const void *zeros,
                          char *slots) {
    const cx_correlation *c = &p->c;
    const cx_channel_blocks *b = &j->blocks;
    const int64_t channel = cx_min(unit % p->segments * b->channels, c->groups - b->channels);
    unit /= p->segments;
    const int64_t row = unit % p->row_blocks * b->height, rows = cx_min(b->height, c->grid[1] - row);
    unit /= p->row_blocks;
    const int64_t depth = unit % c->grid[0], image = unit / c->grid[0];
    char *weights = slots + cx_channel_blocks_bytes(b, c);
    cx_channel_blocks_copy_places(weights, cx_at(p->weights, channel, j->size), cx_count3(c->taps),
                                  c->groups * (int64_t)j->size, (size_t)b->channels * j->size);
    const void *base;
    const cx_correlation near = cx_channel_blocks_copy(b, c, cx_at(j->src, image * c->src.batch + channel, j->size),
                                                       depth, row, rows, slots, &base);
    cx_stencil_channels args = {.pixels = table,
                                .rows = c->taps[1],
                                .step = c->step[2],
                                .tap = c->tap_step[2],
                                .taps_w = c->taps[2],
                                .width = c->grid[2],
                                .channels = b->channels,
                                .group = 1,
                                .weights = weights,
                                .start = j->tensors->bias ? cx_at(j->tensors->bias, channel, j->size) : NULL,
                                .out_pixel = c->dst.space[2]};
    for (int64_t r = row; r < row + rows; ++r) {
        args.row_pixels = point(&near, base, depth, r, 0, c->grid[2], zeros, table);
        char *out = cx_at_mut(
            j->tensors->result,
            c->dst_offset + image * c->dst.batch + depth * c->dst.space[0] + r * c->dst.space[1] + channel, j->size);
        args.out = out;
        j->kernels->stencil.channels(&args);
        activate_row(j, c, out, c->grid[2], b->channels);
    }
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    char *memory = j->scratch + (size_t)worker * j->thread_bytes, *zeros = memory + table_bytes();
    char *slots = zeros + cx_align_up(channels_bytes(j->conv));
    memset(zeros, 0, channels_bytes(j->conv));
    int64_t unit = cx_share_begin(j->units, j->tasks, index);
    const int64_t end = cx_share_begin(j->units, j->tasks, index + 1);
    int which = 0;
    for (; unit < end; ++unit) {
        while (which + 1 < j->count && unit >= j->parts[which + 1].first_unit) ++which;
        const part *p = &j->parts[which];
        if (p->blocked)
            compute_block(j, p, unit - p->first_unit, (const void **)memory, zeros, slots);
        else
            compute_unit(j, p, unit - p->first_unit, (const void **)memory, zeros);
    }
}

static size_t weights_bytes(const cx_conv *conv) {
    return cx_align_up((size_t)(conv->groups * conv->in_channels * conv->out_channels * conv->kernel[0] *
                                conv->kernel[1] * conv->kernel[2]) *
                       cx_dtype_size(conv->dtype));
}

/* Every correlation's taps in turn, as [tap][channel]. Each tap of the kernel belongs to one correlation. */
static char *pack_part(const cx_correlation *c, size_t size, const void *weights, char *to) {
    for (int64_t t = 0; t < c->taps[0] * c->taps[1] * c->taps[2]; ++t) {
        const int64_t tw = t % c->taps[2], th = t / c->taps[2] % c->taps[1], td = t / c->taps[2] / c->taps[1];
        const int64_t at = c->w_offset + td * c->w_tap[0] + th * c->w_tap[1] + tw * c->w_tap[2];
        for (int64_t i = 0; i < c->ci; ++i, to += (size_t)(c->groups * c->co) * size)
            for (int64_t o = 0; o < c->co; ++o) {
                const void *from = cx_at(weights, at + o * c->w_co + i * c->w_ci, size);
                if (size == 4)
                    for (int64_t g = 0; g < c->groups; ++g)
                        ((float *)to)[g * c->co + o] = ((const float *)from)[g * c->w_group];
                else
                    for (int64_t g = 0; g < c->groups; ++g)
                        ((double *)to)[g * c->co + o] = ((const double *)from)[g * c->w_group];
            }
    }
    return to;
}

void cx_direct_channels_pack(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                             const void *weights, void *packed) {
    (void)kernels, (void)decision;
    char *to = packed;
    for (int64_t i = 0; i < cx_correlation_count(conv); ++i) {
        cx_correlation c;
        cx_direct_correlation(conv, i, &c);
        to = pack_part(&c, cx_dtype_size(conv->dtype), weights, to);
    }
}

static void run_planned(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                        const cx_tensors *tensors, void *workspace) {
    cx_correlation largest;
    part parts[CX_DIRECT_PARTS];
    cx_direct_largest(conv, &largest);
    job j = {.kernels = kernels,
             .conv = conv,
             .tensors = tensors,
             .src = conv->pass == CONVX_FORWARD ? tensors->x : tensors->y,
             .size = cx_dtype_size(conv->dtype),
             .thread_bytes = decision->thread_bytes,
             .width = segment_width(&largest),
             .blocks = blocks_of(&largest),
             .scratch = (char *)workspace + decision->shared_bytes,
             .parts = parts};
    const char *weights = tensors->packed;
    if (!weights) {
        cx_direct_channels_pack(conv, kernels, decision, tensors->w, workspace);
        weights = workspace;
    }
    const int64_t all = cx_correlation_count(conv);
    for (int64_t i = 0; i < all; ++i) {
        part *p = &parts[j.count];
        cx_correlation *c = &p->c;
        cx_direct_correlation(conv, i, c);
        p->weights = weights;
        weights += (size_t)(cx_count3(c->taps) * c->groups * c->ci * c->co) * j.size;
        p->blocked = j.blocks.channels > 0 && cx_count3(c->taps) > 0;
        p->segments = p->blocked ? cx_ceil_div(c->groups, j.blocks.channels) : cx_ceil_div(c->grid[2], j.width);
        p->row_blocks = p->blocked ? cx_ceil_div(c->grid[1], j.blocks.height) : c->grid[1];
        p->units = c->batch * c->grid[0] * p->row_blocks * p->segments;
        p->first_unit = j.units;
        if (p->units > 0) {
            j.units += p->units;
            ++j.count;
        }
        if (j.count == CX_DIRECT_PARTS || (j.count > 0 && i == all - 1)) {
            j.tasks = cx_direct_task_count(j.units, decision->cost * (double)j.count / (double)all, decision->threads);
            cx_parallel_for(j.tasks, decision->threads, run_task, &j);
            j.count = 0;
            j.units = 0;
        }
    }
}

/* ---- Weight gradient ------------------------------------------------------------------------------------------- */

/* Tasks: blocks of channels, and pieces of the sum over rows where those are few. By shape only. */
typedef struct cut {
    cx_correlation c;
    int64_t width, segments, units;
    int64_t channels, blocks, pieces;
    int64_t slots;            /* of a block: its channels in whole vectors */
    cx_channel_blocks copied; /* parts of a block's channels, each summed on its own, where these are copied */
} cut;

static void cut_make(const cx_conv *conv, int lanes, cut *t) {
    cx_correlation *c = &t->c;
    cx_direct_largest(conv, c);
    t->width = segment_width(c);
    t->segments = t->width ? cx_ceil_div(c->grid[2], t->width) : 0;
    t->units = c->batch * c->grid[0] * c->grid[1] * t->segments;
    t->blocks = cx_max(c->groups / GRADIENT_CHANNELS, 1);
    t->channels = cx_ceil_div(cx_ceil_div(c->groups, t->blocks), lanes) * lanes;
    t->blocks = cx_ceil_div(c->groups, t->channels);
    /* The last block must hold a whole vector: it may overlap the one before, with the same results. */
    t->channels = cx_min(t->channels, c->groups);
    t->slots = cx_ceil_div(t->channels, lanes) * lanes;
    t->pieces =
        cx_max(1, cx_min(cx_ceil_div(WORTHWHILE_TASKS, t->blocks), t->units * t->width * t->channels / lanes / 256));
    t->pieces = cx_min(t->pieces, cx_max(t->units, 1));
    const cx_channel_blocks none = {0};
    const int64_t lines = cx_min(c->taps[1], 3) * c->extent[2] + c->grid[2];
    t->copied = t->segments == 1 ? cx_channel_blocks_make(c, lines, t->channels, true) : none;
}

typedef struct gradient_job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    const cut *t;
    size_t size, thread_bytes;
    double *partials; /* [block][piece][part of the block][tap][slot] */
    char *scratch;
} gradient_job;

static int64_t taps_of(const cx_correlation *c) { return c->taps[0] * c->taps[1] * c->taps[2]; }

/* totals += sums, which become zero */
static void collect(double *totals, void *sums, int64_t n, size_t size) {
    if (size == 4)
        for (int64_t i = 0; i < n; ++i) totals[i] += (double)((const float *)sums)[i];
    else
        for (int64_t i = 0; i < n; ++i) totals[i] += ((const double *)sums)[i];
    memset(sums, 0, (size_t)n * size);
}

/* The memory of a task, and what of the block it sums: all its channels, or a part that is copied. */
typedef struct gradient_state {
    const void **table;
    char *zeros, *sums, *slots, *y_slots;
    int64_t channel, channels;
    const void *source;  /* what is copied of x, as `near` calls it */
    cx_correlation near; /* reads the copy */
    int64_t rows_end;    /* of results that the copy serves */
} gradient_state;

static size_t y_slots_bytes(const cut *t, size_t size) {
    return cx_align_up((size_t)(t->c.grid[2] * t->copied.channels) * size);
}

/* One row of results, or a segment of it. */
static void add_row(const gradient_job *j, int64_t at, bool first_one, gradient_state *st) {
    const cut *t = j->t;
    const cx_correlation *c = &t->c;
    const cx_conv *conv = j->conv;
    const int64_t first = at % t->segments * t->width, width = cx_min(t->width, c->grid[2] - first);
    const int64_t unit = at / t->segments, row = unit % c->grid[1], depth = unit / c->grid[1] % c->grid[0],
                  image = unit / c->grid[1] / c->grid[0];
    const void *source = cx_at(j->tensors->x, image * c->src.batch + st->channel, j->size);
    cx_stencil_channels args = {.pixels = st->table,
                                .rows = c->taps[0] * c->taps[1],
                                .step = c->step[2],
                                .tap = c->tap_step[2],
                                .taps_w = c->taps[2],
                                .width = width,
                                .channels = st->channels,
                                .y_pixel = conv->y.space[2],
                                .sums = st->sums};
    args.y = cx_at(j->tensors->y,
                   image * conv->y.batch + depth * conv->y.space[0] + row * conv->y.space[1] +
                       first * conv->y.space[2] + st->channel,
                   j->size);
    if (t->copied.channels > 0) {
        if (first_one || row == 0 || row == st->rows_end) {
            st->rows_end = cx_min(row + t->copied.height, c->grid[1]);
            st->near =
                cx_channel_blocks_copy(&t->copied, c, source, depth, row, st->rows_end - row, st->slots, &st->source);
        }
        cx_channel_blocks_copy_places(st->y_slots, args.y, width, conv->y.space[2] * (int64_t)j->size,
                                      (size_t)st->channels * j->size);
        args.y = st->y_slots;
        args.y_pixel = st->channels;
        args.row_pixels = point(&st->near, st->source, depth, row, 0, width, st->zeros, st->table);
    } else {
        args.row_pixels = point(c, source, depth, row, first, width, st->zeros, st->table);
    }
    j->kernels->stencil.channels_outer(&args);
}

static void run_gradient(void *context, int64_t index, int worker) {
    const gradient_job *j = context;
    const cut *t = j->t;
    const int64_t piece = index % t->pieces, block = index / t->pieces;
    const bool copied = t->copied.channels > 0;
    gradient_state st = {.channels = copied ? t->copied.channels : t->channels};
    const int64_t channel = cx_min(block * t->channels, t->c.groups - t->channels);
    const int64_t n = taps_of(&t->c) * (copied ? st.channels : t->slots);
    char *memory = j->scratch + (size_t)worker * j->thread_bytes;
    st.table = (const void **)memory;
    st.zeros = memory + table_bytes();
    st.sums = st.zeros + cx_align_up((size_t)t->slots * j->size);
    st.slots = st.sums + cx_align_up((size_t)(taps_of(&t->c) * t->slots) * j->size);
    st.y_slots = st.slots + (copied ? cx_channel_blocks_bytes(&t->copied, &t->c) : 0);
    memset(st.zeros, 0, (size_t)t->slots * j->size);
    memset(st.sums, 0, (size_t)n * j->size);
    double *totals = j->partials + index * taps_of(&t->c) * t->slots;
    const int64_t begin = t->units * piece / t->pieces, end = t->units * (piece + 1) / t->pieces;
    for (int64_t at = 0; at < t->channels; at += st.channels, totals += n) {
        st.channel = channel + at;
        for (int64_t i = 0; i < n; ++i) totals[i] = 0;
        int64_t pixels = 0;
        for (int64_t unit = begin; unit < end; ++unit) {
            if (pixels > 0 && pixels + t->width > LONGEST_SUM) {
                collect(totals, st.sums, n, j->size);
                pixels = 0;
            }
            add_row(j, unit, unit == begin, &st);
            pixels += t->width;
        }
        collect(totals, st.sums, n, j->size);
    }
}

/* Sums over the pieces of some channels of a block, whose totals of a tap lie side by side: a line of them at a time. */
#define STORED_CHANNELS 8

static void store_channels(const gradient_job *j, const double *totals, int64_t pitch, int64_t channel, int64_t count) {
    const cut *t = j->t;
    const cx_correlation *c = &t->c;
    const int64_t taps = taps_of(c), piece_size = taps * t->slots;
    for (int64_t tap = 0; tap < taps; ++tap, totals += pitch) {
        double total[STORED_CHANNELS] = {0};
        for (int64_t piece = 0; piece < t->pieces; ++piece)
            for (int64_t k = 0; k < count; ++k) total[k] += totals[piece * piece_size + k];
        const int64_t tw = tap % c->taps[2], th = tap / c->taps[2] % c->taps[1], td = tap / c->taps[2] / c->taps[1];
        const int64_t at = c->w_offset + channel * c->w_group + td * c->w_tap[0] + th * c->w_tap[1] + tw * c->w_tap[2];
        if (j->size == 4)
            for (int64_t k = 0; k < count; ++k) ((float *)j->tensors->result)[at + k * c->w_group] = (float)total[k];
        else
            for (int64_t k = 0; k < count; ++k) ((double *)j->tensors->result)[at + k * c->w_group] = total[k];
    }
}

static void store_block(void *context, int64_t block, int worker) {
    (void)worker;
    const gradient_job *j = context;
    const cut *t = j->t;
    const int64_t taps = taps_of(&t->c), copied = t->copied.channels;
    const int64_t channel = cx_min(block * t->channels, t->c.groups - t->channels);
    const double *totals = j->partials + block * t->pieces * taps * t->slots;
    if (copied > 0) {
        for (int64_t k = 0; k < t->channels; k += STORED_CHANNELS)
            store_channels(j, totals + k / copied * copied * taps + k % copied, copied, channel + k, STORED_CHANNELS);
        return;
    }
    const int64_t lanes = j->kernels->lanes, last = t->slots - lanes, done = cx_min(last, t->channels);
    for (int64_t k = 0; k < done; k += STORED_CHANNELS)
        store_channels(j, totals + k, t->slots, channel + k, cx_min(STORED_CHANNELS, done - k));
    /* The last vector overlaps the one before it. */
    for (int64_t k = 0; k < lanes; k += STORED_CHANNELS)
        store_channels(j, totals + last + k, t->slots, channel + t->channels - lanes + k,
                       cx_min(STORED_CHANNELS, lanes - k));
}

/* ---- The way's decision ---------------------------------------------------------------------------------------- */

bool cx_direct_channels_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept,
                               cx_decision *decision) {
    const int64_t group = conv->in_channels, channels = conv->groups * group;
    if (conv->out_channels != group || channels < kernels->lanes || conv->groups < 2) return false;
    if (group > 1 && (kernels->lanes % group != 0 || conv->pass == CONVX_WEIGHT_GRADIENT)) return false;
    if (conv->x.channel != 1 || conv->y.channel != 1) return false;
    cx_correlation c;
    cx_direct_largest(conv, &c);
    const int64_t width = segment_width(&c);
    if (width == 0) return false;
    const size_t size = cx_dtype_size(conv->dtype);
    const double taps = (double)conv->kernel[0] * (double)conv->kernel[1] * (double)conv->kernel[2];
    const double vectors = (double)cx_ceil_div(channels, kernels->lanes);
    const double rows = (double)conv->batch * (double)conv->out[0] * (double)conv->out[1];
    const double places = rows * (double)conv->out[2];
    /* Each source pixel's pointer is looked up for each row of taps. */
    const double pointers = places * (double)conv->kernel[0] * (double)conv->kernel[1] * (double)conv->stride[2] * 1.5;
    decision->cost = places * taps * vectors / (2 * 0.4) * (double)group + places * vectors * 4 + pointers + rows * 100;
    const cx_channel_blocks blocks = conv->pass == CONVX_WEIGHT_GRADIENT ? (cx_channel_blocks){0} : blocks_of(&c);
    decision->thread_bytes = cx_align_up(table_bytes()) + cx_align_up(channels_bytes(conv));
    if (blocks.channels > 0)
        decision->thread_bytes += cx_channel_blocks_bytes(&blocks, &c) + block_weights_bytes(&blocks, &c);
    if (conv->pass == CONVX_WEIGHT_GRADIENT) {
        cut t;
        cut_make(conv, kernels->lanes, &t);
        const int64_t sums = taps_of(&t.c) * t.slots;
        if (sums > 1 << 20) return false;
        decision->cost += pointers * (double)(t.blocks - 1);
        decision->shared_bytes = cx_align_up((size_t)(t.blocks * t.pieces * sums) * sizeof(double));
        decision->thread_bytes =
            cx_align_up(table_bytes()) + cx_align_up((size_t)t.slots * size) + cx_align_up((size_t)sums * size);
        if (t.copied.channels > 0)
            decision->thread_bytes += cx_channel_blocks_bytes(&t.copied, &t.c) + y_slots_bytes(&t, size);
    } else {
        decision->packed_bytes = weights_bytes(conv);
        decision->shared_bytes = kept ? 0 : decision->packed_bytes;
    }
    decision->threads = cx_threads_for(decision->cost, threads);
    return true;
}

void cx_direct_channels_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                            const cx_tensors *tensors, void *workspace) {
    if (conv->pass != CONVX_WEIGHT_GRADIENT) {
        run_planned(conv, kernels, decision, tensors, workspace);
        return;
    }
    cut t;
    cut_make(conv, kernels->lanes, &t);
    const gradient_job j = {.kernels = kernels,
                            .conv = conv,
                            .tensors = tensors,
                            .t = &t,
                            .size = cx_dtype_size(conv->dtype),
                            .thread_bytes = decision->thread_bytes,
                            .partials = workspace,
                            .scratch = (char *)workspace + decision->shared_bytes};
    cx_parallel_for(t.blocks * t.pieces, decision->threads, run_gradient, (void *)&j);
    cx_parallel_for(t.blocks, decision->threads, store_block, (void *)&j);
}
