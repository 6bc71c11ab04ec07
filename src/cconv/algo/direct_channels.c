/*
 * Depthwise layers whose channels are contiguous (channels-last memory), and others whose groups fit a vector: vectors run
 * along the channels. The kernels
 * read pixels through a table of pointers, one for each padded source pixel under a row of results, so that padding,
 * strides and dilation cost them nothing; a padded zero points at a vector of zeros.
 */
#include <string.h>

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
    int64_t segments;    /* of a row */
    int64_t units, first_unit;
} part;

typedef struct job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    const void *src;
    size_t size, thread_bytes;
    int64_t width; /* result columns of a segment */
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
    if (c->activation == CONVX_ACT_NONE) return;
    if (c->dst.space[2] == args.channels) {
        j->kernels->activate(out, width * args.channels, c->activation);
    } else {
        for (int64_t i = 0; i < width; ++i)
            j->kernels->activate(cx_at_mut(out, i * c->dst.space[2], j->size), args.channels, c->activation);
    }
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    char *memory = j->scratch + (size_t)worker * j->thread_bytes, *zeros = memory + table_bytes();
    memset(zeros, 0, channels_bytes(j->conv));
    int64_t unit = cx_share_begin(j->units, j->tasks, index);
    const int64_t end = cx_share_begin(j->units, j->tasks, index + 1);
    int which = 0;
    for (; unit < end; ++unit) {
        while (which + 1 < j->count && unit >= j->parts[which + 1].first_unit) ++which;
        compute_unit(j, &j->parts[which], unit - j->parts[which].first_unit, (const void **)memory, zeros);
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
        p->segments = cx_ceil_div(c->grid[2], j.width);
        p->units = c->batch * c->grid[0] * c->grid[1] * p->segments;
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
    int64_t slots; /* of a block: its channels in whole vectors */
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
}

typedef struct gradient_job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    const cut *t;
    size_t size, thread_bytes;
    double *partials; /* [block][piece][tap][slot] */
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

static void run_gradient(void *context, int64_t index, int worker) {
    const gradient_job *j = context;
    const cut *t = j->t;
    const cx_correlation *c = &t->c;
    const cx_conv *conv = j->conv;
    const int64_t piece = index % t->pieces, block = index / t->pieces, n = taps_of(c) * t->slots;
    const int64_t channel = cx_min(block * t->channels, c->groups - t->channels);
    char *memory = j->scratch + (size_t)worker * j->thread_bytes;
    const void **table = (const void **)memory;
    char *zeros = memory + table_bytes(), *sums = zeros + cx_align_up((size_t)t->slots * j->size);
    memset(zeros, 0, (size_t)t->slots * j->size);
    memset(sums, 0, (size_t)n * j->size);
    double *totals = j->partials + index * n;
    for (int64_t i = 0; i < n; ++i) totals[i] = 0;
    int64_t pixels = 0;
    const int64_t end = t->units * (piece + 1) / t->pieces;
    for (int64_t at = t->units * piece / t->pieces; at < end; ++at) {
        int64_t unit = at;
        const int64_t first = unit % t->segments * t->width, width = cx_min(t->width, c->grid[2] - first);
        unit /= t->segments;
        const int64_t row = unit % c->grid[1], depth = unit / c->grid[1] % c->grid[0];
        const int64_t image = unit / c->grid[1] / c->grid[0];
        const void *source = cx_at(j->tensors->x, image * c->src.batch + channel, j->size);
        cx_stencil_channels args = {.pixels = table,
                                    .rows = c->taps[0] * c->taps[1],
                                    .step = c->step[2],
                                    .tap = c->tap_step[2],
                                    .taps_w = c->taps[2],
                                    .width = width,
                                    .channels = t->channels,
                                    .y_pixel = conv->y.space[2],
                                    .sums = sums};
        args.row_pixels = point(c, source, depth, row, first, width, zeros, table);
        args.y = cx_at(j->tensors->y,
                       image * conv->y.batch + depth * conv->y.space[0] + row * conv->y.space[1] +
                           first * conv->y.space[2] + channel,
                       j->size);
        if (pixels > 0 && pixels + t->width > LONGEST_SUM) {
            collect(totals, sums, n, j->size);
            pixels = 0;
        }
        j->kernels->stencil.channels_outer(&args);
        pixels += t->width;
    }
    collect(totals, sums, n, j->size);
}

static void store_gradient(const gradient_job *j) {
    const cut *t = j->t;
    const cx_correlation *c = &t->c;
    const int64_t taps = taps_of(c), n = taps * t->slots, lanes = j->kernels->lanes;
    for (int64_t block = 0; block < t->blocks; ++block) {
        const double *partials = j->partials + block * t->pieces * n;
        const int64_t channel = cx_min(block * t->channels, c->groups - t->channels);
        for (int64_t k = 0; k < t->channels; ++k) {
            /* Channels of the last vector lie at its end. */
            const int64_t slot = k < t->slots - lanes ? k : k + t->slots - t->channels;
            for (int64_t tap = 0; tap < taps; ++tap) {
                double total = 0;
                for (int64_t piece = 0; piece < t->pieces; ++piece)
                    total += partials[piece * n + tap * t->slots + slot];
                const int64_t tw = tap % c->taps[2], th = tap / c->taps[2] % c->taps[1],
                              td = tap / c->taps[2] / c->taps[1];
                const int64_t at =
                    c->w_offset + (channel + k) * c->w_group + td * c->w_tap[0] + th * c->w_tap[1] + tw * c->w_tap[2];
                if (j->size == 4)
                    ((float *)j->tensors->result)[at] = (float)total;
                else
                    ((double *)j->tensors->result)[at] = total;
            }
        }
    }
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
    decision->thread_bytes = cx_align_up(table_bytes()) + cx_align_up(channels_bytes(conv));
    if (conv->pass == CONVX_WEIGHT_GRADIENT) {
        cut t;
        cut_make(conv, kernels->lanes, &t);
        const int64_t sums = taps_of(&t.c) * t.slots;
        if (sums > 1 << 20) return false;
        decision->cost += pointers * (double)(t.blocks - 1);
        decision->shared_bytes = cx_align_up((size_t)(t.blocks * t.pieces * sums) * sizeof(double));
        decision->thread_bytes =
            cx_align_up(table_bytes()) + cx_align_up((size_t)t.slots * size) + cx_align_up((size_t)sums * size);
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
    store_gradient(&j);
}
