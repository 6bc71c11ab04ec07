/*
 * Depthwise layers whose maps are narrow for vectors along the width: the channels of a block are copied side by side, computed
 * as those of channels-last memory are, and results are copied back. Both copies transpose in registers.
 */
#include "algo/direct.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

/* Constants, as blocks decide the order in which weight gradients are summed. */
#define COPIES_BYTES 1048576 /* of a block's maps: about what second-level caches hold */
#define WINDOW_BYTES 40960   /* of the rows of them that a row of results reads: first-level caches do */
#define MOST_VECTORS 4       /* of channels, in a block; the last block has up to one more */
#define FEW_BLOCKS   2       /* are enough for the threads of a small machine */

/* A unit of work is a block of channels of an image, or of all images in a weight gradient. */
typedef struct setup {
    cx_conv block[2]; /* the convolution of a block's copies, channels-last; [1]: of the last block */
    cx_decision inner[2];
    int64_t x_places, y_places; /* of a unit */
    int64_t channels, blocks;   /* of all but the last block, which has the rest, too */
    int64_t pitch;              /* elements from place to place of a copy */
    int64_t window;             /* bytes of the rows of a vector of channels that a row of results reads */
    int64_t units;
} setup;

static cx_strides strides_of(const int64_t extent[3], int64_t pitch) {
    return (cx_strides){cx_count3(extent) * pitch, 1, {extent[1] * extent[2] * pitch, extent[2] * pitch, pitch}};
}

static bool setup_make(const cx_conv *conv, const cx_kernels *kernels, setup *s) {
    const int64_t lanes = kernels->lanes, channels = conv->groups;
    if (conv->in_channels != 1 || conv->out_channels != 1 || channels < lanes || lanes == 1) return false;
    const bool weights = conv->pass == CONVX_WEIGHT_GRADIENT;
    const int64_t images = weights ? conv->batch : 1;
    s->x_places = images * cx_count3(conv->in);
    s->y_places = images * cx_count3(conv->out);
    if (s->x_places == 0 || s->y_places == 0) return false; /* plans are made of empty layers, too */
    const int64_t vector = (int64_t)cx_dtype_size(conv->dtype) * lanes;
    const int64_t copies = (s->x_places + s->y_places) * vector;
    if (copies > COPIES_BYTES) return false;
    const int64_t held = cx_max(COPIES_BYTES / 2 / copies, 1);
    s->window = conv->kernel[0] * conv->kernel[1] * conv->in[2] * vector;
    const int64_t most = cx_min(cx_min(held, MOST_VECTORS), cx_max(WINDOW_BYTES / s->window, 1));
    s->channels = cx_min(most, cx_max(channels / (FEW_BLOCKS * lanes), 1)) * lanes;
    s->blocks = channels / s->channels;
    s->units = s->blocks * (weights ? 1 : conv->batch);
    const int64_t rest = channels % s->channels;
    s->pitch = s->channels + cx_round_up(rest, lanes);
    for (int last = 0; last < 2; ++last) {
        cx_conv *c = &s->block[last];
        *c = *conv;
        c->batch = images;
        c->groups = s->channels + (last ? rest : 0);
        c->x = strides_of(conv->in, s->pitch);
        c->y = strides_of(conv->out, s->pitch);
        s->inner[last] = (cx_decision){0};
        if (!cx_direct_channels_decide(c, kernels, 1, true, &s->inner[last])) return false;
    }
    return true;
}

/* ---- Memory ---------------------------------------------------------------------------------------------------- */

static size_t table_bytes(int64_t places) { return cx_align_up((size_t)places * sizeof(int64_t)); }

static size_t copy_bytes(const setup *s, int64_t places) {
    return cx_align_up((size_t)(places * s->pitch) * cx_dtype_size(s->block[0].dtype));
}

static size_t inner_bytes(const setup *s) {
    const size_t one = s->inner[0].shared_bytes + s->inner[0].thread_bytes;
    const size_t last = s->inner[1].shared_bytes + s->inner[1].thread_bytes;
    return one > last ? one : last;
}

/* Packed weights of the blocks before this one, and of the largest. */
static size_t packed_before(const setup *s, int64_t block) { return (size_t)block * s->inner[0].packed_bytes; }
static size_t packed_most(const setup *s) { return s->inner[1].packed_bytes; }

/* ---- Running --------------------------------------------------------------------------------------------------- */

typedef struct job {
    const cx_kernels *kernels;
    const cx_conv *conv;
    const cx_tensors *tensors;
    const setup *s;
    const int64_t *x_places, *y_places; /* their offsets in a unit's tensors */
    char *scratch;
    size_t thread_bytes;
    int64_t tasks;
} job;

/* A thread's memory: a block's maps and weights, and what the inner runs need. */
typedef struct state {
    char *x, *y, *packed, *own;
    int64_t block; /* whose weights are packed, or -1 */
} state;

static void set_places(const cx_strides *stride, const int64_t extent[3], int64_t batch, int64_t *place) {
    for (int64_t n = 0; n < batch; ++n)
        for (int64_t d = 0; d < extent[0]; ++d)
            for (int64_t h = 0; h < extent[1]; ++h) {
                const int64_t row = n * stride->batch + d * stride->space[0] + h * stride->space[1];
                for (int64_t w = 0; w < extent[2]; ++w) *place++ = row + w * stride->space[2];
            }
}

#define CHANNELS_AT_A_TIME 64

/* Places from i on that follow each other in memory: those are transposed. */
static int64_t run_of(const int64_t *places, int64_t i, int64_t count) {
    int64_t n = 1;
    while (i + n < count && places[i + n] == places[i] + n) ++n;
    return n;
}

static void copy_channels(const job *j, const void *from, const cx_strides *stride, const int64_t *places,
                          int64_t count, int64_t channels, char *to, bool back) {
    const size_t size = cx_dtype_size(j->conv->dtype);
    const int64_t pitch = j->s->pitch;
    int64_t offset[CHANNELS_AT_A_TIME];
    for (int64_t c = 0; c < channels; c += CHANNELS_AT_A_TIME) {
        const int64_t n = cx_min(channels - c, CHANNELS_AT_A_TIME);
        for (int64_t i = 0; i < n; ++i) offset[i] = (c + i) * stride->channel;
        for (int64_t i = 0, run; i < count; i += run) {
            run = run_of(places, i, count);
            if (back)
                j->kernels->gemm.scatter(cx_at(from, i * pitch + c, size), pitch, to, places + i, run, offset, n);
            else
                j->kernels->gemm.pack_rows(from, places + i, run, offset, n, cx_at_mut(to, i * pitch + c, size), pitch);
        }
    }
}

static const void *packed_weights(const job *j, int64_t block, const void *weights, state *st) {
    const setup *s = j->s;
    if (j->tensors->packed) return (const char *)j->tensors->packed + packed_before(s, block);
    if (st->block != block) {
        const int last = block == s->blocks - 1;
        cx_direct_channels_pack(&s->block[last], j->kernels, &s->inner[last], weights, st->packed);
        st->block = block;
    }
    return st->packed;
}

static void run_unit(const job *j, int64_t unit, state *st) {
    const cx_conv *conv = j->conv;
    const setup *s = j->s;
    const size_t size = cx_dtype_size(conv->dtype);
    const bool weights = conv->pass == CONVX_WEIGHT_GRADIENT, forward = conv->pass == CONVX_FORWARD;
    const int64_t images = weights ? 1 : conv->batch, block = unit / images, image = unit % images;
    const int64_t first = block * s->channels;
    const int last = block == s->blocks - 1;
    const cx_conv *c = &s->block[last];
    cx_tensors t = {.x = st->x, .y = st->y};
    if (j->tensors->bias) t.bias = cx_at(j->tensors->bias, first, size);
    if (conv->pass != CONVX_INPUT_GRADIENT)
        copy_channels(j, cx_at(j->tensors->x, image * conv->x.batch + first * conv->x.channel, size), &conv->x,
                      j->x_places, s->x_places, c->groups, st->x, false);
    if (!forward)
        copy_channels(j, cx_at(j->tensors->y, image * conv->y.batch + first * conv->y.channel, size), &conv->y,
                      j->y_places, s->y_places, c->groups, st->y, false);
    if (weights) {
        t.result = cx_at_mut(j->tensors->result, first * conv->w.out, size);
        cx_direct_channels_run(c, j->kernels, &s->inner[last], &t, st->own);
        return;
    }
    t.packed = packed_weights(j, block, cx_at(j->tensors->w, first * conv->w.out, size), st);
    t.result = forward ? st->y : st->x;
    cx_direct_channels_run(c, j->kernels, &s->inner[last], &t, st->own);
    const cx_strides *to = forward ? &conv->y : &conv->x;
    copy_channels(j, t.result, to, forward ? j->y_places : j->x_places, forward ? s->y_places : s->x_places, c->groups,
                  cx_at_mut(j->tensors->result, image * to->batch + first * to->channel, size), true);
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    const setup *s = j->s;
    state st = {.x = j->scratch + (size_t)worker * j->thread_bytes, .block = -1};
    st.y = st.x + copy_bytes(s, s->x_places);
    st.packed = st.y + copy_bytes(s, s->y_places);
    st.own = st.packed + (j->tensors->packed ? 0 : packed_most(s));
    const int64_t end = cx_share_begin(s->units, j->tasks, index + 1);
    for (int64_t unit = cx_share_begin(s->units, j->tasks, index); unit < end; ++unit) run_unit(j, unit, &st);
}

/* ---- The way ---------------------------------------------------------------------------------------------------- */

#define COST_MARGIN    1.12 /* for a way that has to be faster to be worth its memory */
/* Cycles of a vector that is copied, where the second-level cache is full, and where planes share sets of the first one. */
#define COST_COPY      5.0
#define COST_COPY_FULL 13.0
#define COST_COPY_FAR  14.0

bool cx_direct_across_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, bool kept,
                             cx_decision *decision) {
    setup s;
    if (!setup_make(conv, kernels, &s)) return false;
    const int64_t images = s.units / s.blocks, lanes = kernels->lanes;
    const double vectors = (double)cx_ceil_div(conv->groups, lanes);
    const bool apart = cx_count3(conv->in) * (int64_t)cx_dtype_size(conv->dtype) % 4096 == 0;
    const bool full = (s.x_places + s.y_places) * s.channels * (int64_t)cx_dtype_size(conv->dtype) > COPIES_BYTES / 2;
    const double copy = apart ? COST_COPY_FAR : full ? COST_COPY_FULL : COST_COPY;
    const double copies = vectors * (double)(s.x_places + s.y_places) * copy * cx_vector_pace(kernels);
    /* rows that are read from the second-level cache */
    const double slower = s.window > WINDOW_BYTES / 2 ? 1.5 : 1;
    const double compute = ((double)(s.blocks - 1) * s.inner[0].cost + s.inner[1].cost) * slower;
    decision->cost = 500 + (double)images * (compute + copies) * COST_MARGIN;
    decision->threads = cx_threads_for(decision->cost, threads);
    decision->thread_bytes =
        copy_bytes(&s, s.x_places) + copy_bytes(&s, s.y_places) + inner_bytes(&s) + (kept ? 0 : packed_most(&s));
    decision->shared_bytes = table_bytes(s.x_places) + table_bytes(s.y_places);
    decision->packed_bytes = packed_before(&s, s.blocks - 1) + packed_most(&s);
    return true;
}

void cx_direct_across_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                          const cx_tensors *tensors, void *workspace) {
    setup s;
    if (!setup_make(conv, kernels, &s)) return;
    int64_t *x_places = workspace, *y_places = (int64_t *)((char *)workspace + table_bytes(s.x_places));
    set_places(&conv->x, conv->in, s.block[0].batch, x_places);
    set_places(&conv->y, conv->out, s.block[0].batch, y_places);
    job j = {.kernels = kernels,
             .conv = conv,
             .tensors = tensors,
             .s = &s,
             .x_places = x_places,
             .y_places = y_places,
             .scratch = (char *)workspace + decision->shared_bytes,
             .thread_bytes = decision->thread_bytes,
             .tasks = cx_direct_task_count(s.units, decision->cost, decision->threads)};
    cx_parallel_for(j.tasks, decision->threads, run_task, &j);
}

void cx_direct_across_pack(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                           const void *weights, void *packed) {
    setup s;
    if (!setup_make(conv, kernels, &s)) return;
    for (int64_t block = 0; block < s.blocks; ++block) {
        cx_direct_channels_pack(&s.block[block == s.blocks - 1], kernels, decision,
                                cx_at(weights, block * s.channels * conv->w.out, cx_dtype_size(conv->dtype)),
                                (char *)packed + packed_before(&s, block));
    }
}
