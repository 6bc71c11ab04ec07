/*
 * Depthwise layers whose channels are contiguous (channels-last memory), and others whose groups fit a vector: vectors
 * run along the channels. The kernels read pixels through a table of pointers, one for each padded source pixel under a
 * row of results, so that padding, strides and dilation cost them nothing; a padded zero points at a vector of zeros.
 */
#include <string.h>

#include "algo/channel_blocks.h"
#include "algo/direct.h"
#include "algo/direct_channels.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

#define UNIT_ROWS 2 /* of results, whose table of pixels is made in one go */

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

int64_t cx_channels_segment_width(const cx_correlation *c) {
    const int64_t rows = c->taps[0] * (c->taps[1] + UNIT_ROWS - 1);
    if (rows > CX_CHANNELS_MOST_POINTERS || c->taps[2] > CX_CHANNELS_MOST_POINTERS ||
        c->tap_step[2] > CX_CHANNELS_MOST_POINTERS || c->step[2] > CX_CHANNELS_MOST_POINTERS)
        return 0;
    const int64_t left = CX_CHANNELS_MOST_POINTERS / cx_max(rows, 1) - (c->taps[2] - 1) * c->tap_step[2] - 1;
    const int64_t width = left < 0 ? 0 : cx_min(left / c->step[2] + 1, c->grid[2]);
    return width >= cx_min(c->grid[2], 8) ? width : 0;
}

/* Pixels that the kernel reads again for the next vector of channels. */
static int64_t lines_wanted(const cx_correlation *c) {
    const int64_t columns = cx_source_span(c, 2, c->taps[2] > 3 ? 7 : 4, c->taps[2]);
    return c->taps[1] * cx_min(columns, c->extent[2]);
}

/* Where channels are taken in blocks, and rows as a whole. */
static cx_channel_blocks blocks_of(const cx_correlation *c) {
    const cx_channel_blocks none = {0};
    if (c->ci != 1 || cx_channels_segment_width(c) < c->grid[2]) return none;
    return cx_channel_blocks_make(c, lines_wanted(c), c->groups);
}

static size_t block_weights_bytes(const cx_channel_blocks *b, const cx_correlation *c) {
    return cx_align_up((size_t)(cx_count3(c->taps) * b->channels) * cx_dtype_size(c->dtype));
}

static size_t channels_bytes(const cx_conv *conv) {
    return (size_t)(conv->groups * conv->in_channels) * cx_dtype_size(conv->dtype);
}

/* ---- The pointer table ------------------------------------------------------------------------------------------ */

int64_t cx_channels_point(const cx_correlation *c, const void *source, int64_t depth, int64_t row, int64_t first,
                          int64_t width, const void *zeros, const void **table) {
    const size_t size = cx_dtype_size(c->dtype);
    const int64_t columns = cx_source_span(c, 2, width, c->taps[2]);
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

/*
 * Rows [row, end) of results at one depth, from `out` on, two at a time where that can be. `near` is c, or reads a copy of what c
 * reads.
 */
static void compute_rows(const job *j, const cx_correlation *c, const cx_correlation *near, const void *source,
                         int64_t depth, int64_t row, int64_t end, int64_t first, cx_stencil_channels *args,
                         const void **table, const void *zeros, char *out) {
    const bool lines = near->taps[0] == 1 && near->step[1] == 1 && near->tap_step[1] == 1;
    args->out_pixel = c->dst.space[2];
    args->out_row = c->dst.space[1];
    for (int64_t r = row; r < end; r += 1 + args->pair) {
        args->pair = lines && r + 1 < end && cx_stencil_channels_pair(args);
        if (args->rows > 0) {
            cx_correlation under = *near; /* for what lies under both */
            under.taps[1] += args->pair;
            args->row_pixels = cx_channels_point(&under, source, depth, r, first, args->width, zeros, table);
        }
        args->out = out;
        j->kernels->stencil.channels(args);
        for (int i = 0; i <= args->pair; ++i, out += args->out_row * (int64_t)j->size)
            activate_row(j, c, out, args->width, args->channels);
    }
}

static char *result_of(const job *j, const cx_correlation *c, int64_t image, int64_t depth, int64_t row, int64_t column,
                       int64_t channel) {
    const cx_strides *to = &c->dst;
    const int64_t at = image * to->batch + depth * to->space[0] + row * to->space[1] + column * to->space[2];
    return cx_at_mut(j->tensors->result, c->dst_offset + at + channel, j->size);
}

/* Some rows of results, of a segment of columns. */
static void compute_unit(const job *j, const part *p, int64_t unit, const void **table, const void *zeros) {
    const cx_correlation *c = &p->c;
    const int64_t first = unit % p->segments * j->width, width = cx_min(j->width, c->grid[2] - first);
    unit /= p->segments;
    const int64_t row = unit % p->row_blocks * UNIT_ROWS, end = cx_min(row + UNIT_ROWS, c->grid[1]);
    unit /= p->row_blocks;
    const int64_t depth = unit % c->grid[0], image = unit / c->grid[0];
    const void *source = cx_at(j->src, image * c->src.batch, j->size);
    cx_stencil_channels args = cx_channels_args(c, table, width, c->groups * c->co);
    args.group = c->ci;
    args.weights = p->weights;
    args.start = j->tensors->bias;
    if (c->taps[2] == 0) args.rows = 0;
    compute_rows(j, c, c, source, depth, row, end, first, &args, table, zeros,
                 result_of(j, c, image, depth, row, first, 0));
}

/* Some rows of results of a block of channels, which are copied to `slots`; its weights behind them. */
static void compute_block(const job *j, const part *p, int64_t unit, const void **table, const void *zeros,
                          char *slots) {
    const cx_correlation *c = &p->c;
    const cx_channel_blocks *b = &j->blocks;
    const int64_t channel = unit % p->segments * b->channels;
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
    cx_stencil_channels args = cx_channels_args(c, table, c->grid[2], b->channels);
    args.group = 1;
    args.weights = weights;
    args.start = j->tensors->bias ? cx_at(j->tensors->bias, channel, j->size) : NULL;
    compute_rows(j, c, &near, base, depth, row, row + rows, 0, &args, table, zeros,
                 result_of(j, c, image, depth, row, 0, channel));
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    char *memory = j->scratch + (size_t)worker * j->thread_bytes, *zeros = memory + CX_CHANNELS_TABLE_BYTES;
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

/* Where the taps lie one after the other in memory, upwards or downwards: the first of them. False where they do not. */
static bool taps_follow(const cx_correlation *c, int64_t *first, bool *down) {
    int64_t step = 1, least = 0;
    *down = c->w_tap[2] < 0 || (c->taps[2] == 1 && c->w_tap[1] < 0);
    for (int d = 2; d >= 0; --d) {
        if (c->taps[d] > 1 && c->w_tap[d] != (*down ? -step : step)) return false;
        least += *down ? (c->taps[d] - 1) * c->w_tap[d] : 0;
        step *= c->taps[d];
    }
    *first = c->w_offset + least;
    return true;
}

enum { PACK_TAPS = 64, PACK_CHANNELS = 64 };

/* A depthwise layer's taps, side by side in memory, become rows of channels. */
static void pack_following(const cx_correlation *c, const cx_kernels *kernels, const void *weights, int64_t first,
                           bool down, char *to) {
    const size_t size = cx_dtype_size(c->dtype);
    const int64_t taps = cx_count3(c->taps), ld = down ? -c->groups : c->groups;
    int64_t tap[PACK_TAPS], channel[PACK_CHANNELS];
    for (int64_t t = 0; t < PACK_TAPS; ++t) tap[t] = t;
    for (int64_t g = 0; g < c->groups; g += PACK_CHANNELS) {
        const int64_t channels = cx_min(c->groups - g, PACK_CHANNELS);
        for (int64_t i = 0; i < channels; ++i) channel[i] = (g + i) * c->w_group;
        for (int64_t t = 0; t < taps; t += PACK_TAPS)
            kernels->gemm.pack_rows(cx_at(weights, first + t, size), tap, cx_min(taps - t, PACK_TAPS), channel,
                                    channels, cx_at_mut(to, (down ? taps - 1 - t : t) * c->groups + g, size), ld);
    }
}

/* Every correlation's taps in turn, as [tap][channel]. Each tap of the kernel belongs to one correlation. */
static char *pack_part(const cx_correlation *c, const cx_kernels *kernels, const void *weights, char *to) {
    const size_t size = cx_dtype_size(c->dtype);
    int64_t first;
    bool down;
    if (c->ci == 1 && taps_follow(c, &first, &down)) {
        pack_following(c, kernels, weights, first, down, to);
        return to + (size_t)(cx_count3(c->taps) * c->groups) * size;
    }
    for (int64_t t = 0; t < cx_count3(c->taps); ++t) {
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
    (void)decision;
    char *to = packed;
    for (int64_t i = 0; i < cx_correlation_count(conv); ++i) {
        cx_correlation c;
        cx_correlation_get_ascending(conv, i, &c);
        to = pack_part(&c, kernels, weights, to);
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
             .width = cx_channels_segment_width(&largest),
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
        cx_correlation_get_ascending(conv, i, c);
        p->weights = weights;
        weights += (size_t)(cx_count3(c->taps) * c->groups * c->ci * c->co) * j.size;
        p->blocked = j.blocks.channels > 0 && cx_count3(c->taps) > 0;
        p->segments = p->blocked ? c->groups / j.blocks.channels : cx_ceil_div(c->grid[2], j.width);
        p->row_blocks = p->blocked ? cx_ceil_div(c->grid[1], j.blocks.height) : cx_ceil_div(c->grid[1], UNIT_ROWS);
        p->units = c->batch * c->grid[0] * p->row_blocks * p->segments;
        p->first_unit = j.units;
        if (p->units > 0) {
            j.units += p->units;
            ++j.count;
        }
        if (j.count == CX_DIRECT_PARTS || (j.count > 0 && i == all - 1)) {
            j.tasks = cx_direct_task_count(j.units, decision->cost * (double)j.count / (double)all, decision->threads);
            cx_parallel_in_turns(j.tasks, decision->threads, run_task, &j);
            j.count = 0;
            j.units = 0;
        }
    }
}

/* ---- The way's decision ---------------------------------------------------------------------------------------- */

/* Cycles of a tap of one vector: less where results share what they load. */
static double tap_cycles(const cx_conv *conv, const cx_kernels *kernels, const cx_correlation *c) {
    if (conv->in_channels > 1) return 1.25;
    if (cx_correlation_count(conv) > 1) return 2;
    if (conv->pass == CONVX_WEIGHT_GRADIENT) return 1.4;
    const bool pair = c->taps[0] == 1 && c->taps[1] == 3 && c->taps[2] == 3 && c->step[2] == 1;
    return c->taps[2] > 3 || pair ? (cx_vector_bytes(kernels) == 64 ? 0.7 : 0.85) : 1.25;
}

bool cx_direct_channels_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept,
                               cx_decision *decision) {
    const int64_t group = conv->in_channels, channels = conv->groups * group;
    if (conv->out_channels != group || channels < kernels->lanes || conv->groups < 2) return false;
    if (group > 1 && (kernels->lanes % group != 0 || conv->pass == CONVX_WEIGHT_GRADIENT)) return false;
    if (conv->x.channel != 1 || conv->y.channel != 1) return false;
    cx_correlation c;
    cx_direct_largest(conv, &c);
    const int64_t width = cx_channels_segment_width(&c);
    if (width == 0) return false;
    const double taps = (double)conv->kernel[0] * (double)conv->kernel[1] * (double)conv->kernel[2];
    const double vectors = (double)cx_ceil_div(channels, kernels->lanes);
    const double rows = (double)conv->batch * (double)conv->out[0] * (double)conv->out[1];
    const double places = rows * (double)conv->out[2];
    /* Each source pixel's pointer is looked up for each row of taps. */
    const double pointers = places * (double)conv->kernel[0] * (double)conv->kernel[1] * (double)conv->stride[2] * 1.5;
    const double results = conv->pass == CONVX_INPUT_GRADIENT ? (double)(conv->batch * cx_count3(conv->in)) : places;
    const double multiply = places * taps * (double)group * tap_cycles(conv, kernels, &c), store = results * 4;
    decision->cost = vectors * (multiply + store) * cx_vector_pace(kernels) + pointers + rows * 100;
    if (conv->pass == CONVX_WEIGHT_GRADIENT) {
        if (!cx_channels_weights_decide(conv, kernels, pointers, decision)) return false;
    } else {
        const cx_channel_blocks blocks = blocks_of(&c);
        decision->thread_bytes = cx_align_up(CX_CHANNELS_TABLE_BYTES) + cx_align_up(channels_bytes(conv));
        if (blocks.channels > 0)
            decision->thread_bytes += cx_channel_blocks_bytes(&blocks, &c) + block_weights_bytes(&blocks, &c);
        decision->packed_bytes = weights_bytes(conv);
        decision->shared_bytes = kept ? 0 : decision->packed_bytes;
    }
    decision->threads = cx_threads_for(decision->cost, threads);
    return true;
}

void cx_direct_channels_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                            const cx_tensors *tensors, void *workspace) {
    if (conv->pass == CONVX_WEIGHT_GRADIENT)
        cx_channels_weights_run(conv, kernels, decision, tensors, workspace);
    else
        run_planned(conv, kernels, decision, tensors, workspace);
}
