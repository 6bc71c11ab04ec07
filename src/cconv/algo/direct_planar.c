/* Forward pass and input gradient as planar stencils: every correlation of the pass, cut into units (direct_rows.h). */
#include "algo/direct.h"
#include "algo/direct_rows.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/threads.h"

#define WORTH_SHARING 16384 /* weights to pack */

static bool rows_contiguous(const cx_correlation *c) { return c->dst.space[2] == 1 || c->grid[2] <= 1; }

/*
 * What a unit belongs to: one correlation, or twins: the stride phases of even and odd result columns, whose rows are
 * joined as they are stored. `source` says which rows and columns are gathered: for twins, those of both.
 */
typedef struct part {
    cx_correlation source;
    cx_correlation member[2];
    int64_t shift[2]; /* of a member's first tap from that of the source */
    int members;
    int64_t packed[2]; /* where a member's weights begin among all packed ones */
    int64_t joined;    /* result columns of twins together */
    cx_segments segments;
    int64_t blocks; /* of rows */
    int64_t units, first_unit;
} part;

typedef struct job {
    const cx_kernels *kernels;
    const cx_tensors *tensors;
    const void *src;
    size_t size, thread_bytes;
    cx_blocking b;
    const int64_t *offsets;
    char *packed; /* the weights of all parts, block of channels by block; NULL: each thread packs what it needs next */
    char *scratch;
    const part *parts;
    int members; /* of a part, at most */
    int count;
    int64_t units, tasks;
} job;

/* A thread's memory, and whose weights it holds, for either twin. */
typedef struct state {
    cx_row_scratch rows;
    char *weights[2], *tile[2];
    const cx_correlation *packed[2];
    int64_t packed_group[2], packed_channel[2];
} state;

static size_t weights_bytes(const cx_blocking *b, size_t size) {
    return cx_align_up((size_t)(b->channels * b->planes * b->taps_h * b->taps_w) * size);
}

static size_t tile_bytes(const cx_blocking *b, size_t size, int lanes) {
    const int64_t width = b->tile ? cx_max(b->copied_width, b->in_place ? b->width : 0) : lanes;
    const int64_t line = b->joined ? cx_round_up(b->height * b->slot, lanes) : b->height * width;
    return cx_align_up((size_t)(b->channels * cx_max(line, lanes)) * size);
}

/* ---- One unit -------------------------------------------------------------------------------------------------- */

/* The unit's place: result rows [row, row + rows) at one depth, image and group, columns of one segment. */
typedef struct place {
    int64_t image, group, depth, row, rows, segment_index;
    cx_segment segment;
} place;

/* Whether the weights of one result channel lie in the kernels' order: plane, row, column. */
static bool in_order(const cx_correlation *c) {
    const int64_t row = c->taps[2], plane = row * c->taps[1], channel = plane * c->taps[0];
    return (c->taps[2] == 1 || c->w_tap[2] == 1) && (c->taps[1] == 1 || c->w_tap[1] == row) &&
           (c->taps[0] == 1 || c->w_tap[0] == plane) && (c->ci == 1 || c->w_ci == channel);
}

/* n elements that lie `step` apart. Returns what follows them. */
static char *put(char *to, const char *from, int64_t n, int64_t step, size_t size) {
    if (size == 4)
        for (int64_t k = 0; k < n; ++k) ((float *)to)[k] = *(const float *)(from + k * step);
    else
        for (int64_t k = 0; k < n; ++k) ((double *)to)[k] = *(const double *)(from + k * step);
    return to + (size_t)n * size;
}

/* Of result channels [o, o + n), to `to`. */
static void pack_weights(const job *j, const cx_correlation *c, int64_t group, int64_t o, int64_t n,
                         const cx_row_range *range, int64_t taps_w, char *to) {
    const size_t size = j->size;
    const int64_t base = c->w_offset + group * c->w_group + o * c->w_co;
    for (int64_t i = range->plane; i < range->plane + range->planes; ++i)
        for (int64_t th = range->th; th < range->th + range->taps_h; ++th) {
            const int64_t at = base + i / c->taps[0] * c->w_ci + i % c->taps[0] * c->w_tap[0] + th * c->w_tap[1];
            const char *from = cx_at(j->tensors->w, at + range->tw * c->w_tap[2], size);
            for (int64_t tw = 0; tw < taps_w; ++tw, from += c->w_tap[2] * (int64_t)size)
                to = put(to, from, n, c->w_co * (int64_t)size, size);
        }
}

static int64_t weights_count(const cx_correlation *c) { return c->ci * cx_count3(c->taps); }

/* Weights of result channels [o, o + n) of a member, in place where they can be. */
static const void *weights_of(const job *j, const part *p, int m, state *st, int64_t group, int64_t o, int64_t n,
                              const cx_row_range *range, int64_t taps_w) {
    const cx_correlation *c = &p->member[m];
    if (j->packed) return cx_at(j->packed, p->packed[m] + (group * c->co + o) * weights_count(c), j->size);
    if (n == 1 && j->b.whole && in_order(c))
        return cx_at(j->tensors->w, c->w_offset + group * c->w_group + o * c->w_co, j->size);
    if (j->b.whole && st->packed[m] == c && st->packed_group[m] == group && st->packed_channel[m] == o)
        return st->weights[m];
    pack_weights(j, c, group, o, n, range, taps_w, st->weights[m]);
    st->packed[m] = c;
    st->packed_group[m] = group;
    st->packed_channel[m] = o;
    return st->weights[m];
}

/* Kernel calls of one unit and channel block over part of the taps. */
static void compute(const job *j, const cx_correlation *c, const cx_row_range *range, const cx_row_table *table,
                    const cx_row_scratch *rows, cx_stencil_planar *args) {
    args->planes = range->planes;
    args->plane_rows = table->plane;
    args->tap_row = table->tap_row;
    args->taps_h = range->taps_h;
    if (j->b.joined) {
        args->rows = rows->table;
        args->row_step = 0;
        args->height = 1;
        j->kernels->stencil.planar(args);
        return;
    }
    /* Rows that are tap_step apart share source rows: take them together. */
    const bool sharing = c->step[1] == 1 && table->row_step == 1 && table->tap_row == c->tap_step[1] &&
                         range->taps_h > 1 && args->channels == 1;
    const int64_t apart = sharing ? cx_min(cx_max(c->tap_step[1], 1), range->rows) : 1;
    char *const out = args->out;
    const int64_t out_row = args->out_row;
    args->row_step = table->row_step * apart;
    args->out_row = out_row * apart;
    for (int64_t r = 0; r < apart; ++r) {
        args->rows = rows->table + r;
        args->out = out + r * out_row * (int64_t)j->size;
        args->height = apart == 1 ? range->rows : cx_ceil_div(range->rows - r, apart);
        j->kernels->stencil.planar(args);
    }
    args->out = out;
    args->out_row = out_row;
}

/* Activation of finished rows, and out of the tiles when they are in them. args: those of the (first) member. */
static void finish(const job *j, const part *p, const place *at, const cx_stencil_planar *args, const state *st,
                   char *dst) {
    const cx_kernels *kernels = j->kernels;
    const cx_correlation *c = &p->member[0];
    const int64_t width = at->segment.width, size = (int64_t)j->size;
    const int64_t together = args->out_row == width ? at->rows : 1; /* rows without gaps */
    for (int64_t k = 0; k < args->channels; ++k) {
        const int64_t skip = k * args->out_channel * size;
        char *to = dst + k * c->dst.channel * size, *out = (char *)args->out + skip;
        if (c->activation != CONVX_ACT_NONE)
            for (int m = 0; m < p->members; ++m)
                for (int64_t r = 0; r < at->rows; r += together)
                    kernels->activate((m ? st->tile[1] + skip : out) + r * args->out_row * size, together * width,
                                      c->activation);
        if (p->members == 2)
            kernels->stencil.join(to, c->dst.space[1], out, st->tile[1] + skip, args->out_row, at->rows,
                                  cx_min(2 * width, p->joined - 2 * at->segment.first));
        else if (args->out == st->tile[0])
            kernels->stencil.scatter(to, c->dst.space[1], c->grid[2] == 1 ? 1 : c->dst.space[2], out, args->out_row,
                                     at->rows, width);
    }
}

/* One channel block where its taps are taken in several passes: rows are gathered for each, sums wait in the tile. */
static void compute_passes(const job *j, const part *p, const void *src, const place *at, cx_row_range range, state *st,
                           int64_t o, cx_stencil_planar *args) {
    const cx_correlation *c = &p->member[0];
    const cx_blocking *b = &j->b;
    const int64_t planes = range.planes;
    for (range.plane = 0; range.plane < planes; range.plane += b->planes)
        for (range.th = 0; range.th < c->taps[1]; range.th += b->taps_h)
            for (range.tw = 0; range.tw < c->taps[2]; range.tw += b->taps_w) {
                range.planes = cx_min(b->planes, planes - range.plane);
                range.taps_h = cx_min(b->taps_h, c->taps[1] - range.th);
                args->taps_w = cx_min(b->taps_w, c->taps[2] - range.tw);
                cx_row_table table;
                cx_rows_gather(c, j->kernels, b, src, &range, &at->segment, &st->rows, &table);
                args->weights = weights_of(j, p, 0, st, at->group, o, args->channels, &range, args->taps_w);
                compute(j, c, &range, &table, &st->rows, args);
                args->start = NULL;
            }
}

static bool has_taps(const cx_correlation *c) {
    return c->ci > 0 && c->taps[0] > 0 && c->taps[1] > 0 && c->taps[2] > 0;
}

static void compute_unit(const job *j, const part *p, const place *at, state *st) {
    static const double zeros[CX_STENCIL_CHANNELS] = {0};
    const cx_correlation *c = &p->source;
    const cx_blocking *b = &j->b;
    const void *src = cx_at(j->src, at->image * c->src.batch + at->group * c->ci * c->src.channel, j->size);
    const cx_row_range range = {
        .planes = c->ci * c->taps[0], .taps_h = c->taps[1], .depth = at->depth, .row = at->row, .rows = at->rows};
    const cx_row_range none = {.rows = at->rows};
    cx_row_table table = {0, 1, 1};
    if (b->whole && has_taps(c)) cx_rows_gather(c, j->kernels, b, src, &range, &at->segment, &st->rows, &table);
    const int lanes = j->kernels->lanes;
    const int64_t tile_width = b->joined ? b->slot : cx_round_up(at->segment.width, lanes);
    const int64_t line = cx_max(tile_width * (at->rows - 1) + at->segment.width, lanes); /* of joined rows */
    const bool tile = b->tile || b->joined || at->segment.width < lanes;
    for (int64_t o = 0; o < c->co; o += b->channels) {
        const int64_t n = cx_min(b->channels, c->co - o);
        const void *bias = j->tensors->bias;
        const cx_strides *to = &p->member[0].dst;
        char *dst = cx_at_mut(j->tensors->result,
                              p->member[0].dst_offset + at->image * to->batch + (at->group * c->co + o) * to->channel +
                                  at->depth * to->space[0] + at->row * to->space[1] + at->segment.first * to->space[2],
                              j->size);
        /* Member by member: clearing what is set anyway costs as much as a small plane's sums. */
        cx_stencil_planar args;
        args.channels = n;
        args.out_row = tile ? tile_width : to->space[1];
        args.out_channel = b->joined ? cx_round_up(line, lanes) : tile ? tile_width * at->rows : to->channel;
        args.width = b->joined ? line : tile ? tile_width : at->segment.width;
        args.start = bias ? cx_at(bias, at->group * c->co + o, j->size) : zeros;
        for (int m = p->members - 1; m >= 0; --m) {
            const cx_correlation *member = &p->member[m];
            args.out = tile ? st->tile[m] : dst;
            args.offset = j->offsets + p->shift[m];
            if (!has_taps(member)) {
                args.weights = NULL;
                args.taps_w = 0;
                compute(j, member, &none, &table, &st->rows, &args);
            } else if (b->whole) {
                args.taps_w = member->taps[2];
                args.weights = weights_of(j, p, m, st, at->group, o, n, &range, args.taps_w);
                compute(j, member, &range, &table, &st->rows, &args);
            } else {
                compute_passes(j, p, src, at, range, st, o, &args);
            }
        }
        if (tile || c->activation != CONVX_ACT_NONE) finish(j, p, at, &args, st, dst);
    }
}

/* ---- All weights, where blocks of channels take turns ---- */

static size_t offsets_bytes(const cx_blocking *b) { return cx_align_up((size_t)b->taps_w * sizeof(int64_t)); }

static bool packs_all(const cx_correlation *largest, const cx_blocking *b) {
    return b->whole && b->channels > 1 && largest->co > b->channels;
}

static size_t packed_bytes(const cx_conv *conv, const cx_correlation *largest, const cx_blocking *b, size_t size) {
    if (!packs_all(largest, b)) return 0;
    return cx_align_up((size_t)(conv->groups * conv->in_channels * conv->out_channels * cx_count3(conv->kernel)) *
                       size);
}

/* One block of channels of every part. */
static void pack_task(void *context, int64_t index, int worker) {
    (void)worker;
    const job *j = context;
    for (int i = 0; i < j->count; ++i)
        for (int m = 0; m < j->parts[i].members; ++m) {
            const cx_correlation *c = &j->parts[i].member[m];
            const int64_t blocks = cx_ceil_div(c->co, j->b.channels), group = index / blocks;
            const int64_t o = index % blocks * j->b.channels, n = cx_min(j->b.channels, c->co - o);
            const cx_row_range all = {.planes = c->ci * c->taps[0], .taps_h = c->taps[1]};
            const int64_t to = j->parts[i].packed[m] + (group * c->co + o) * weights_count(c);
            pack_weights(j, c, group, o, n, &all, c->taps[2], cx_at_mut(j->packed, to, j->size));
        }
}

/* ---- The loop over units --------------------------------------------------------------------------------------- */

/* Where a unit lies: segments fastest, then row blocks, depths, groups, images. */
static void place_make(const job *j, const part *p, int64_t unit, place *at) {
    const cx_correlation *c = &p->source;
    at->segment_index = unit % p->segments.count;
    cx_segment_make(c, &j->b, &p->segments, at->segment_index, &at->segment);
    unit /= p->segments.count;
    at->row = unit % p->blocks * j->b.height;
    at->rows = cx_min(j->b.height, c->grid[1] - at->row);
    unit /= p->blocks;
    at->depth = unit % c->grid[0];
    unit /= c->grid[0];
    at->group = unit % c->groups;
    at->image = unit / c->groups;
}

static void next_place(const job *j, const part *p, place *at) {
    const cx_correlation *c = &p->source;
    if (p->segments.count > 1) {
        at->segment_index = at->segment_index + 1 < p->segments.count ? at->segment_index + 1 : 0;
        cx_segment_make(c, &j->b, &p->segments, at->segment_index, &at->segment);
        if (at->segment_index > 0) return;
    }
    at->row = at->row + j->b.height < c->grid[1] ? at->row + j->b.height : 0;
    at->rows = cx_min(j->b.height, c->grid[1] - at->row);
    if (at->row > 0) return;
    if (++at->depth < c->grid[0]) return;
    at->depth = 0;
    if (++at->group < c->groups) return;
    at->group = 0;
    ++at->image;
}

static void run_task(void *context, int64_t index, int worker) {
    const job *j = context;
    state st = {.packed = {NULL}};
    char *memory = cx_row_scratch_make(&j->b, j->size, j->scratch + (size_t)worker * j->thread_bytes, &st.rows);
    for (int m = 0; m < j->members; ++m) {
        st.weights[m] = memory;
        st.tile[m] = memory + weights_bytes(&j->b, j->size);
        memory = st.tile[m] + tile_bytes(&j->b, j->size, j->kernels->lanes);
    }
    int64_t unit = cx_share_begin(j->units, j->tasks, index);
    const int64_t end = cx_share_begin(j->units, j->tasks, index + 1);
    int which = 0;
    while (unit < end) {
        while (which + 1 < j->count && unit >= j->parts[which + 1].first_unit) ++which;
        const part *p = &j->parts[which];
        const int64_t last = which + 1 < j->count ? cx_min(end, j->parts[which + 1].first_unit) : end;
        place at;
        place_make(j, p, unit - p->first_unit, &at);
        for (; unit < last; ++unit, next_place(j, p, &at)) compute_unit(j, p, &at, &st);
    }
}

/* Whether even and odd columns are computed together: then their rows are stored whole. */
static bool twins_wanted(const cx_conv *conv, const cx_correlation *largest) {
    return conv->pass == CONVX_INPUT_GRADIENT && conv->stride[2] == 2 && conv->x.space[2] == 1 && conv->in[2] > 2 &&
           largest->tap_step[2] == 1;
}

/* Returns how many members a part may have. */
static int blocking_of(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_correlation *largest,
                       cx_blocking *b) {
    cx_direct_largest(conv, largest);
    const bool twins = twins_wanted(conv, largest);
    largest->taps[2] += twins; /* one phase may begin a column later than the other */
    cx_blocking_make(largest, kernels, largest->co, largest->ci * largest->taps[0], !rows_contiguous(largest),
                     threads > 1 ? 2 * threads : 1, b);
    return twins && b->whole ? 2 : 1;
}

/* Sets up the part that begins with the index-th correlation. Returns the correlations that it takes. */
static int part_make(const cx_conv *conv, const job *j, int64_t index, part *p) {
    cx_correlation_get_ascending(conv, index, &p->member[0]);
    p->members = 1;
    p->shift[0] = 0;
    p->source = p->member[0];
    if (j->members == 1) return 1;
    cx_correlation_get_ascending(conv, index + 1, &p->member[1]);
    p->members = 2;
    p->joined = conv->in[2];
    const cx_correlation *a = &p->member[0], *b = &p->member[1];
    if (!has_taps(a)) p->source = *b;
    if (has_taps(a) && has_taps(b)) {
        p->source.origin[2] = cx_min(a->origin[2], b->origin[2]);
        p->source.taps[2] = cx_max(a->origin[2] + a->taps[2], b->origin[2] + b->taps[2]) - p->source.origin[2];
    }
    p->source.grid[2] = a->grid[2];
    p->shift[0] = a->origin[2] - p->source.origin[2];
    p->shift[1] = b->origin[2] - p->source.origin[2];
    return 2;
}

static double cost_of(const cx_conv *conv, const cx_kernels *kernels, const cx_correlation *largest,
                      const cx_blocking *b, int members) {
    const double images = (double)conv->batch * (double)conv->groups;
    const double places = (double)conv->out[0] * (double)conv->out[1] * (double)conv->out[2];
    const double taps = (double)conv->kernel[0] * (double)conv->kernel[1] * (double)conv->kernel[2];
    const double channels = (double)conv->in_channels * (double)conv->out_channels;
    const double lanes = kernels->lanes, width = (double)cx_max(largest->grid[2], 1);
    const double used =
        b->joined ? width / (double)b->slot : width / (double)cx_ceil_div((int64_t)width, kernels->lanes) / lanes;
    const double parts = (double)cx_correlation_count(conv);
    const double results = (double)largest->grid[0] * (double)largest->grid[1] * width * (double)largest->co * parts;
    const double sources =
        (double)largest->extent[0] * (double)largest->extent[1] * (double)largest->extent[2] * (double)largest->ci;
    const double units = parts * (double)largest->grid[0] *
                         (double)cx_ceil_div(cx_max(largest->grid[1], 1), b->height) *
                         (double)cx_ceil_div((int64_t)width, b->in_place ? b->width : b->copied_width);
    const double sums = taps / parts * (double)cx_max(largest->ci, 1);
    const bool strided = parts > 1; /* the phases of an input gradient */
    const bool long_vectors = cx_vector_bytes(kernels) == 64, whole = cx_vectors_whole_512(kernels);
    const bool wide = long_vectors && !whole;
    /* three or four results a load are too few to wait for none */
    const double few =
        long_vectors && !strided && largest->taps[1] > 1 && (largest->co == 3 || largest->co == 4) ? 0.65 : 1;
    const double efficiency = strided           ? (largest->co > 3 ? 0.8 : 0.62) * (wide ? 1.25 : 1) * sums / (sums + 6)
                              : largest->co > 2 ? (whole ? 0.92 : 0.88) * sums / (sums + 6)
                              : largest->taps[1] > 3 && largest->taps[1] < 9 ? 0.55
                                                                             : 0.7 / (1 + (double)largest->ci / 40);
    const bool flat = largest->taps[0] == 1 && largest->taps[1] == 1; /* then they are few rows */
    /* With many channels every block of results reads them all again, and short rows are over before they pay. */
    const double reuse = strided || largest->co > 2 ? (b->joined ? used : width / (width + (strided ? 4 : 12))) /
                                                          (1 + (double)largest->ci / (flat ? 600 : 200))
                                                    : 1;
    /* Of a single tap, no row that is read serves several sums. */
    const double single = taps > 1 ? 1 : 1 / (1 + sums / 40);
    /* Less than two vectors of a row leave the latency of additions uncovered. */
    const double covered =
        b->joined ? 1 : (used > 0.5 ? 1 : 0.5 + used) * (!strided && largest->co > 2 && width < 2 * lanes ? 0.75 : 1);
    /* A depthwise layer's rows serve one result, if no row of taps above them does. */
    const bool lone = channels == 1 && conv->groups > 1 && (largest->taps[1] == 1 || largest->taps[0] > 1);
    const double depthwise = lone && !strided && long_vectors ? 1.7 : 1;
    const double pace = cx_vector_pace(kernels), moves = long_vectors ? 2 : 1;
    const double multiply = images * places * taps * channels * pace * depthwise /
                            (lanes * 2 * efficiency * few * single * reuse * covered);
    const int64_t apart = largest->step[2] * largest->src.space[2]; /* two: pairs are split by shuffles */
    /* Elements far apart come each in a line of its own, which is gone when the next channel wants its neighbour. */
    const double line = (double)cx_min(apart < 0 ? -apart : apart, 128) * (double)cx_dtype_size(conv->dtype) / 64;
    const double copied =
        b->in_place ? 0
                    : images * sources * (apart == 1 || apart == 2 ? 1.5 * moves * (double)apart / lanes : 1.5 + line);
    const double stored = images * results *
                          (members == 2 ? (channels == 1 ? 0.2 : 0.6)
                           : b->tile    ? 1.5
                           : b->joined  ? 2.0 * pace / lanes + 6 / width
                                        : pace / lanes);
    /* pairs are split as they are copied, by loops that short rows leave soon */
    const double begun = whole && largest->step[2] == 2 ? 50 : 0;
    const double lines = (double)largest->ci * (double)largest->extent[0] * (double)largest->extent[1];
    const double rows = images * (parts * (double)(b->planes * cx_max(largest->grid[1], 1)) * 8 + lines * begun);
    /* Where the taps are taken in passes, rows are gathered anew for every block of channels. */
    const double again = b->whole ? 0
                                  : images * units * (double)cx_ceil_div(largest->co, b->channels) *
                                        (double)largest->ci * taps / parts * (double)b->copied_width * pace / lanes;
    const double packs = b->whole && largest->co > b->channels ? 2 * (double)conv->groups * channels * taps : 0;
    return multiply + copied + stored + rows + again + packs + images * units * 200;
}

void cx_direct_planar_decide(const cx_conv *conv, const cx_kernels *kernels, int threads, cx_decision *decision) {
    cx_correlation largest;
    cx_blocking b;
    const size_t size = cx_dtype_size(conv->dtype);
    const int members = blocking_of(conv, kernels, 1, &largest, &b);
    decision->cost = cost_of(conv, kernels, &largest, &b, members);
    decision->threads = cx_threads_for(decision->cost, threads);
    if (decision->threads > 1) blocking_of(conv, kernels, decision->threads, &largest, &b);
    decision->shared_bytes = offsets_bytes(&b) + packed_bytes(conv, &largest, &b, size);
    decision->thread_bytes = cx_row_scratch_bytes(&b, size) +
                             (size_t)members * (weights_bytes(&b, size) + tile_bytes(&b, size, kernels->lanes));
    decision->packed_bytes = 0;
}

void cx_direct_planar_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                          const cx_tensors *tensors, void *workspace) {
    cx_correlation largest;
    part parts[CX_DIRECT_PARTS];
    job j = {.kernels = kernels,
             .tensors = tensors,
             .src = conv->pass == CONVX_FORWARD ? tensors->x : tensors->y,
             .size = cx_dtype_size(conv->dtype),
             .thread_bytes = decision->thread_bytes,
             .offsets = workspace,
             .scratch = (char *)workspace + decision->shared_bytes,
             .parts = parts};
    j.members = blocking_of(conv, kernels, decision->threads, &largest, &j.b);
    cx_tap_offsets(&largest, &j.b, workspace);
    if (packs_all(&largest, &j.b)) j.packed = (char *)workspace + offsets_bytes(&j.b);
    int64_t packed = 0;
    const int64_t all = cx_correlation_count(conv);
    for (int64_t i = 0; i < all;) {
        part *p = &parts[j.count];
        i += part_make(conv, &j, i, p);
        const cx_correlation *c = &p->source;
        p->segments = cx_segments_make(c, &j.b, kernels->lanes);
        p->blocks = cx_ceil_div(c->grid[1], j.b.height);
        p->units = c->batch * c->groups * c->grid[0] * p->blocks * p->segments.count;
        p->first_unit = j.units;
        for (int m = 0; m < p->members; ++m) {
            p->packed[m] = packed;
            packed += p->member[m].groups * p->member[m].co * weights_count(&p->member[m]);
        }
        if (p->units > 0) {
            j.units += p->units;
            ++j.count;
        }
        if (j.count == CX_DIRECT_PARTS || (j.count > 0 && i == all)) {
            const double cycles = decision->cost * (double)(j.count * j.members) / (double)all;
            if (j.packed) {
                const int64_t blocks = conv->groups * cx_ceil_div(largest.co, j.b.channels);
                cx_parallel_for(blocks, packed > WORTH_SHARING ? decision->threads : 1, pack_task, &j);
            }
            j.tasks = cx_direct_task_count(j.units, cycles, decision->threads);
            cx_parallel_in_turns(j.tasks, decision->threads, run_task, &j);
            j.count = 0;
            j.units = 0;
        }
    }
}
