/*
 * Weight gradients of depthwise layers whose channels are contiguous: a sum of vectors for each tap, over the pixels of
 * a row. Tasks, and where the sums are cut, depend on the shape only.
 */
#include <string.h>

#include "algo/channel_blocks.h"
#include "algo/direct.h"
#include "algo/direct_channels.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

#define LONGEST_SUM       2048 /* pixels added up before they are collected in double */
#define GRADIENT_CHANNELS 128  /* of one task */
#define WORTHWHILE_TASKS  16

/*
 * Tasks: blocks of channels, and pieces of the sum over rows where those are few; by shape only, as sums are cut there.
 * Whether channels are copied depends on strides and the cache too: it changes what is read, not what is added.
 */
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
    t->width = cx_channels_segment_width(c);
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
    t->copied = t->segments == 1 ? cx_channel_blocks_make(c, lines, t->channels) : none;
}

typedef struct job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    const cut *t;
    size_t size, thread_bytes;
    double *partials; /* [block][piece][part of the block][tap][slot] */
    char *scratch;
} job;

/* totals += sums, which become zero */
static void collect(double *totals, void *sums, int64_t n, size_t size) {
    if (size == 4)
        for (int64_t i = 0; i < n; ++i) totals[i] += (double)((const float *)sums)[i];
    else
        for (int64_t i = 0; i < n; ++i) totals[i] += ((const double *)sums)[i];
    memset(sums, 0, (size_t)n * size);
}

/* The memory of a task, and what of the block it sums: all its channels, or a part that is copied. */
typedef struct state {
    const void **table;
    char *zeros, *sums, *slots, *y_slots;
    int64_t channel, channels;
    const void *source;  /* what is copied of x, as `near` calls it */
    cx_correlation near; /* reads the copy */
    int64_t rows_end;    /* of results that the copy serves */
} state;

static size_t y_slots_bytes(const cut *t, size_t size) {
    return cx_align_up((size_t)(t->c.grid[2] * t->copied.channels) * size);
}

/* One row of results, or a segment of it. */
static void add_row(const job *j, int64_t at, bool first_one, state *st) {
    const cut *t = j->t;
    const cx_correlation *c = &t->c;
    const cx_conv *conv = j->conv;
    const int64_t first = at % t->segments * t->width, width = cx_min(t->width, c->grid[2] - first);
    const int64_t unit = at / t->segments, row = unit % c->grid[1], depth = unit / c->grid[1] % c->grid[0],
                  image = unit / c->grid[1] / c->grid[0];
    const void *source = cx_at(j->tensors->x, image * c->src.batch + st->channel, j->size);
    cx_stencil_channels args = cx_channels_args(c, st->table, width, st->channels);
    args.y_pixel = conv->y.space[2];
    args.sums = st->sums;
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
        args.row_pixels = cx_channels_point(&st->near, st->source, depth, row, 0, width, st->zeros, st->table);
    } else {
        args.row_pixels = cx_channels_point(c, source, depth, row, first, width, st->zeros, st->table);
    }
    j->kernels->stencil.channels_outer(&args);
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    const cut *t = j->t;
    const int64_t piece = index % t->pieces, block = index / t->pieces;
    const bool copied = t->copied.channels > 0;
    state st = {.channels = copied ? t->copied.channels : t->channels};
    const int64_t channel = cx_min(block * t->channels, t->c.groups - t->channels);
    const int64_t n = cx_count3(t->c.taps) * (copied ? st.channels : t->slots);
    char *memory = j->scratch + (size_t)worker * j->thread_bytes;
    st.table = (const void **)memory;
    st.zeros = memory + CX_CHANNELS_TABLE_BYTES;
    st.sums = st.zeros + cx_align_up((size_t)t->slots * j->size);
    st.slots = st.sums + cx_align_up((size_t)(cx_count3(t->c.taps) * t->slots) * j->size);
    st.y_slots = st.slots + (copied ? cx_channel_blocks_bytes(&t->copied, &t->c) : 0);
    memset(st.zeros, 0, (size_t)t->slots * j->size);
    memset(st.sums, 0, (size_t)n * j->size);
    double *totals = j->partials + index * cx_count3(t->c.taps) * t->slots;
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

static void store_channels(const job *j, const double *totals, int64_t pitch, int64_t channel, int64_t count) {
    const cut *t = j->t;
    const cx_correlation *c = &t->c;
    const int64_t taps = cx_count3(c->taps), piece_size = taps * t->slots;
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

/* The last block overlaps the one before it: what that one stores is left out. */
static void store_block(void *context, int64_t block, int worker) {
    (void)worker;
    const job *j = context;
    const cut *t = j->t;
    const int64_t taps = cx_count3(t->c.taps), copied = t->copied.channels;
    const int64_t channel = cx_min(block * t->channels, t->c.groups - t->channels);
    const int64_t first = block * t->channels - channel; /* whole vectors: blocks are, if there are several */
    const double *totals = j->partials + block * t->pieces * taps * t->slots;
    const int64_t last = t->channels - j->kernels->lanes; /* from here on they lie at the end of the slots */
    for (int64_t k = first, count; k < t->channels; k += count) {
        count = cx_min(STORED_CHANNELS, t->channels - k);
        if (copied > 0) {
            count = cx_min(count, copied - k % copied);
            store_channels(j, totals + k / copied * copied * taps + k % copied, copied, channel + k, count);
        } else {
            if (k < last) count = cx_min(count, last - k);
            const int64_t slot = k < last ? k : k + t->slots - t->channels;
            store_channels(j, totals + slot, t->slots, channel + k, count);
        }
    }
}

bool cx_channels_weights_decide(const cx_conv *conv, const cx_kernels *kernels, double pointers,
                                cx_decision *decision) {
    cut t;
    cut_make(conv, kernels->lanes, &t);
    const size_t size = cx_dtype_size(conv->dtype);
    const int64_t sums = cx_count3(t.c.taps) * t.slots;
    if (sums > 1 << 20) return false;
    decision->cost += pointers * (double)(t.blocks - 1);
    decision->shared_bytes = cx_align_up((size_t)(t.blocks * t.pieces * sums) * sizeof(double));
    decision->thread_bytes =
        cx_align_up(CX_CHANNELS_TABLE_BYTES) + cx_align_up((size_t)t.slots * size) + cx_align_up((size_t)sums * size);
    if (t.copied.channels > 0)
        decision->thread_bytes += cx_channel_blocks_bytes(&t.copied, &t.c) + y_slots_bytes(&t, size);
    return true;
}

void cx_channels_weights_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                             const cx_tensors *tensors, void *workspace) {
    cut t;
    cut_make(conv, kernels->lanes, &t);
    const job j = {.kernels = kernels,
                   .conv = conv,
                   .tensors = tensors,
                   .t = &t,
                   .size = cx_dtype_size(conv->dtype),
                   .thread_bytes = decision->thread_bytes,
                   .partials = workspace,
                   .scratch = (char *)workspace + decision->shared_bytes};
    cx_parallel_for(t.blocks * t.pieces, decision->threads, run_task, (void *)&j);
    cx_parallel_for(t.blocks, decision->threads, store_block, (void *)&j);
}
