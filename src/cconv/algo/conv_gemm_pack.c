/*
 * Packing all weights before a run, or for a plan: threads share out panels, or bands of rows. The stride phases of an input
 * gradient are packed together, some source channels at a time: each line of the weights holds taps of all of them.
 */
#include "algo/conv_gemm.h"
#include "base/threads.h"

typedef struct pack_job {
    const cx_kernels *kernels;
    const cx_pack_part *parts;
    int count;
    size_t size;
    bool panels;
    cx_patch_order order;
    int64_t pieces; /* of one group: panels, or rows */
    int64_t shares; /* of a piece's source channels */
} pack_job;

#define PACK_K      256   /* offsets looked up at a time */
#define PACK_ROWS   16    /* rows packed together: neighbours share cache lines */
#define CHUNK_BYTES 16384 /* of all parts' weights, that stay in the first-level cache */

/* Where each k goes in the order of the sum, if they are taken channel by channel. */
static void look_up_rows(const pack_job *j, const cx_correlation *c, int64_t k0, int64_t kn, int64_t *row) {
    const int64_t taps = cx_count3(c->taps);
    for (int64_t i = 0; i < kn; ++i)
        row[i] = j->order == CX_TAPS_FASTEST ? k0 + i : (k0 + i) % taps * c->ci + (k0 + i) / taps;
}

/* Offsets of k; taps are the same from channel to channel. */
static void look_up_k(const cx_correlation *c, const cx_axis *axis, int64_t k0, int64_t kn, int64_t *offset) {
    const int64_t taps = cx_count3(c->taps);
    const bool repeated = axis->stride[0] == c->w_ci && axis->extent[0] == c->ci && k0 % taps == 0 && kn > taps;
    cx_axis_offsets(axis, k0, repeated ? taps : kn, offset);
    for (int64_t i = taps; repeated && i < kn; ++i) offset[i] = offset[i - taps] + c->w_ci;
}

/* [k0, k1) of a piece of one part. */
static void pack_k(const pack_job *j, const cx_pack_part *part, int64_t group, int64_t piece, int64_t k0, int64_t k1) {
    const cx_correlation *c = part->c;
    /* panels are filled in the order of memory; rows of the other way must be written in the order of the sum */
    const bool panels = j->panels;
    cx_axis axis;
    cx_weight_k_axis(c, panels ? CX_TAPS_FASTEST : j->order, &axis);
    const int64_t k = c->ci * cx_count3(c->taps), unit = panels ? j->kernels->gemm.nr : PACK_ROWS;
    const int64_t first = piece * unit, count = cx_min(unit, c->co - first);
    const void *src = cx_at(part->weights, group * c->w_group, j->size);
    char *dst = cx_at_mut(part->packed, group * cx_packed_weights(c, j->kernels, panels) + first * k, j->size);
    int64_t channel_offset[CX_GEMM_MAX_NR], k_offset[PACK_K], k_row[PACK_K];
    for (int64_t i = 0; i < count; ++i) channel_offset[i] = (first + i) * c->w_co;
    for (; k0 < k1; k0 += PACK_K) {
        const int64_t kn = cx_min(k1 - k0, PACK_K);
        look_up_k(c, &axis, k0, kn, k_offset);
        if (panels) {
            look_up_rows(j, c, k0, kn, k_row);
            j->kernels->gemm.pack_panel(src, k_offset, k_row, kn, channel_offset, count, dst);
        } else {
            j->kernels->gemm.pack_rows(src, channel_offset, count, k_offset, kn, dst + (size_t)k0 * j->size, k);
        }
    }
}

/* ---- Panels of several parts ------------------------------------------------------------------------------------- */

#define MOST_TAPS 128 /* of all parts */

/* A tap of a part: where its weights begin, the row of the packed ones that they go to, and from channel to channel. */
typedef struct tap_place {
    int64_t offset, row, next_row;
} tap_place;

/* The taps of all parts, as their weights lie in memory; rows are counted from the first part's packed weights on. */
static int find_taps(const pack_job *j, int64_t group, int64_t piece, tap_place *taps) {
    int n = 0;
    for (int p = 0; p < j->count; ++p) {
        const cx_pack_part *part = &j->parts[p];
        const cx_correlation *c = part->c;
        const int64_t nr = j->kernels->gemm.nr, each = cx_count3(c->taps);
        const int64_t ahead = ((char *)part->packed - (char *)j->parts[0].packed) / (int64_t)j->size;
        const int64_t first = (ahead + group * cx_packed_weights(c, j->kernels, true)) / nr + piece * c->ci * each;
        const bool fastest = j->order == CX_TAPS_FASTEST;
        for (int64_t t = 0; t < each; ++t) {
            const int64_t tw = t % c->taps[2], th = t / c->taps[2] % c->taps[1], td = t / c->taps[2] / c->taps[1];
            const tap_place at = {.offset = c->w_offset + td * c->w_tap[0] + th * c->w_tap[1] + tw * c->w_tap[2],
                                  .row = first + (fastest ? t : t * c->ci),
                                  .next_row = fastest ? each : 1};
            int place = n++;
            for (; place > 0 && taps[place - 1].offset > at.offset; --place) taps[place] = taps[place - 1];
            taps[place] = at;
        }
    }
    return n;
}

static void pack_panel_of_parts(const pack_job *j, int64_t group, int64_t piece, int64_t from, int64_t to) {
    const cx_correlation *c = j->parts[0].c;
    const int64_t nr = j->kernels->gemm.nr, first = piece * nr, count = cx_min(nr, c->co - first);
    tap_place taps[MOST_TAPS];
    int64_t channel_offset[CX_GEMM_MAX_NR], k_offset[PACK_K], k_row[PACK_K];
    const int n = find_taps(j, group, piece, taps);
    const void *src = cx_at(j->parts[0].weights, group * c->w_group - c->w_offset, j->size);
    for (int64_t i = 0; i < count; ++i) channel_offset[i] = (first + i) * c->w_co;
    for (int64_t i = from, done; i < to; i += done) {
        done = cx_min(PACK_K / n, to - i);
        for (int64_t k = 0; k < done; ++k)
            for (int t = 0; t < n; ++t) {
                k_offset[k * n + t] = (i + k) * c->w_ci + taps[t].offset;
                k_row[k * n + t] = taps[t].row + (i + k) * taps[t].next_row;
            }
        j->kernels->gemm.pack_panel(src, k_offset, k_row, done * n, channel_offset, count, j->parts[0].packed);
    }
}

/* ---- All of them ------------------------------------------------------------------------------------------------ */

/* Source channels of all parts that are packed part by part, while the lines that they share are in the cache. */
static int64_t channels_together(const pack_job *j, int64_t taps) {
    const int64_t channels = j->parts[0].c->ci, unit = j->panels ? j->kernels->gemm.nr : PACK_ROWS;
    /* rows are in the order of the sum, whose taps run slowest otherwise */
    if (j->count == 1 || (!j->panels && j->order != CX_TAPS_FASTEST)) return cx_max(channels, 1);
    return cx_max(CHUNK_BYTES / (taps * unit * (int64_t)j->size), 1);
}

static void pack_piece(void *context, int64_t index, int worker) {
    (void)worker;
    const pack_job *j = context;
    const int64_t share = index % j->shares, piece = index / j->shares % j->pieces,
                  group = index / j->shares / j->pieces;
    const int64_t channels = j->parts[0].c->ci;
    const int64_t from = cx_share_begin(channels, j->shares, share),
                  to = cx_share_begin(channels, j->shares, share + 1);
    int64_t taps = 0;
    for (int p = 0; p < j->count; ++p) taps += cx_count3(j->parts[p].c->taps);
    if (taps == 0) return;
    if (j->panels && j->count > 1 && taps <= MOST_TAPS) {
        pack_panel_of_parts(j, group, piece, from, to);
        return;
    }
    const int64_t together = channels_together(j, taps);
    for (int64_t i = from, next; i < to; i = next) {
        next = cx_min(i + together, to);
        for (int p = 0; p < j->count; ++p) {
            const int64_t each = cx_count3(j->parts[p].c->taps);
            pack_k(j, &j->parts[p], group, piece, i * each, next * each);
        }
    }
}

void cx_pack_weights(const cx_pack_part *parts, int count, const cx_kernels *kernels, bool panels, cx_patch_order order,
                     int threads) {
    if (count == 0) return;
    const cx_correlation *c = parts[0].c;
    pack_job j = {kernels, parts, count, cx_dtype_size(kernels->dtype), panels, order, .shares = 1};
    j.pieces = cx_ceil_div(c->co, panels ? kernels->gemm.nr : PACK_ROWS);
    const int64_t tasks = c->groups * j.pieces, wanted = 4 * threads;
    if (panels && threads > 1 && tasks > 0 && tasks < wanted) j.shares = cx_min(cx_ceil_div(wanted, tasks), c->ci);
    cx_parallel_for(tasks * j.shares, threads, pack_piece, &j);
}
