/*
 * Template: panels of the patch matrix with pixels as columns (channels-first forward and input gradient).
 *
 * For one tap, a vector of LANES pixels lies in memory the same way in every channel. So each tap is located once, as
 * a few masked vector loads (a piece of one grid row, a piece of the next, ...; padding is masked off), and each
 * channel is then copied by that table. What does not fit the form (steps over 2, strided rows, edges of the other
 * padding modes) goes lane by lane.
 */
#ifndef CX_KERNELS_PACK_PIXEL_PANEL_H
#define CX_KERNELS_PACK_PIXEL_PANEL_H

#include "kernels/gemm_shape.h"
#include "kernels/patch_segments.h"

static inline void tap_at(const cx_patches *p, int64_t t, int64_t tap[3]) {
    tap[2] = t % p->taps[2];
    t /= p->taps[2];
    tap[1] = t % p->taps[1];
    tap[0] = t / p->taps[1];
}

static inline void next_tap(const cx_patches *p, int64_t tap[3]) {
    for (int d = 2; d >= 0; --d) {
        if (++tap[d] < p->taps[d]) return;
        tap[d] = 0;
    }
}

typedef enum place_kind {
    PLACE_WHOLE, /* one load */
    PLACE_MASKED,
    PLACE_ZEROS,
    PLACE_LANES
} place_kind;

#define NO_PLACE INT64_MIN

/* Taps located at a time where a panel is packed channel by channel: bounds the stack. */
#define TAP_CHUNK 64

/* Channels lie far apart, so no hardware prefetcher follows: how many are fetched ahead. */
#define AHEAD_CHANNELS 6

/* Pieces of grid rows in a vector, two by two: as many as maps a quarter of a vector wide have. */
enum { PAIRS = LANES >= 16 ? 3 : LANES >= 8 ? 2 : 1, PIECES = 2 * PAIRS };

/* A vector of pixels for one tap; element offsets of channel 0. */
typedef struct place {
    place_kind kind;
    int pairs;
    int64_t low, high;   /* channels whose vector loads stay inside the tensor; the others go lane by lane */
    int64_t src[PIECES]; /* of lane 0, although that lane may be masked off */
    union {
        vec_mask mask[PIECES];
        int64_t lane[CX_LANE_COUNT]; /* NO_PLACE for a zero */
    };
} place;

/* Every lane of a vector on its own: always possible. `runs` are the segments, located for the tap. */
static __attribute__((noinline, cold)) void locate_lanes(const cx_patches *p, const tap_run *runs, int segments,
                                                         int first, place *at) {
    at->kind = PLACE_LANES;
    for (int i = 0; i < LANES; ++i) at->lane[i] = NO_PLACE;
    for (int s = 0; s < segments; ++s) {
        const tap_run *run = runs + s;
        for (int i = 0; i < run->count; ++i) {
            const int lane = run->lane + i - first;
            if (lane < 0 || lane >= LANES) continue;
            if (i >= run->low && i < run->high) {
                at->lane[lane] = run->src + (i - run->low) * p->step[2] * p->stride.space[2];
            } else if (!run->blank && p->mode != CONVX_PAD_ZEROS) {
                const int64_t w = cx_padded_index(run->w + i * p->step[2], p->extent[2], p->mode);
                at->lane[lane] = run->row + w * p->stride.space[2];
            }
        }
    }
}

/* Channels whose loads from src[] on stay inside the tensor. */
static inline void find_safe_channels(const cx_patches *p, int pieces, int64_t reach, place *at) {
    const int64_t from = ((const real *)p->begin - (const real *)p->base),
                  to = ((const real *)p->end - (const real *)p->base);
    const int64_t stride = p->stride.channel;
    int64_t least = at->src[0], most = at->src[0] + reach;
    for (int i = 1; i < pieces; ++i) {
        if (at->src[i] < least) least = at->src[i];
        if (at->src[i] + reach > most) most = at->src[i] + reach;
    }
    at->low = 0;
    at->high = p->channels;
    while (at->low < at->high && (least + at->low * stride < from || most + at->low * stride > to)) ++at->low;
    while (at->low < at->high && (least + (at->high - 1) * stride < from || most + (at->high - 1) * stride > to))
        --at->high;
}

static inline void locate_vector(const cx_patches *p, const tap_run *runs, int segments, int first, place *at) {
    const int64_t step = p->step[2] * p->stride.space[2];
    bool fits = step == 1 || step == 2;
    const bool whole = runs->low <= first && runs->high >= first + LANES; /* of the first segment: the common case */
    if (fits && whole) {
        at->kind = PLACE_WHOLE;
        at->pairs = 1;
        at->src[0] = at->src[1] = runs->src + (first - runs->low) * step;
        at->low = 0;
        at->high = p->channels;
        if (step == 2) find_safe_channels(p, 1, step * LANES, at);
        return;
    }
    int pieces = 0, low[PIECES] = {0}, high[PIECES] = {0};
    at->src[0] = 0;
    for (int s = 0; s < segments && fits; ++s) {
        const tap_run *run = runs + s;
        if (run->lane + run->count <= first || run->lane >= first + LANES) continue;
        const bool edges = run->low > 0 || run->high < run->count;
        if (edges && !run->blank && p->mode != CONVX_PAD_ZEROS) fits = false;
        int begin = run->lane + run->low - first, end = run->lane + run->high - first;
        if (begin < 0) begin = 0;
        if (end > LANES) end = LANES;
        if (begin >= end) continue;
        if (pieces == PIECES) {
            fits = false;
            break;
        }
        at->src[pieces] = run->src + (first - run->lane - run->low) * step;
        low[pieces] = begin;
        high[pieces++] = end;
    }
    if (!fits) {
        locate_lanes(p, runs, segments, first, at);
        return;
    }
    at->kind = pieces == 1 && high[0] - low[0] == LANES ? PLACE_WHOLE : PLACE_MASKED;
    at->pairs = pieces <= 2 ? 1 : (pieces + 1) / 2;
    for (int i = 0; i < (PAIRS > 1 ? 2 * at->pairs : 2); ++i) {
        if (i >= pieces) at->src[i] = at->src[0];
        at->mask[i] = v_mask_between(low[i], high[i]);
    }
    if (pieces == 0) { /* nothing is loaded */
        at->kind = PLACE_ZEROS;
        at->low = 0;
        at->high = p->channels;
        return;
    }
    find_safe_channels(p, pieces, step * LANES, at);
}

static inline __attribute__((always_inline)) vec load_step(const real *src, const int step) {
    return step == 1 ? v_load(src) : v_even(v_load(src), v_load(src + (LANES > 1 ? LANES : 0)));
}

/* Two pieces of a vector, zeros elsewhere. */
static inline __attribute__((always_inline)) vec load_pair(const real *channel, const int64_t src[2],
                                                           const vec_mask mask[2], const int step) {
    return v_join(mask[0], load_step(channel + src[0], step), mask[1], load_step(channel + src[1], step));
}

/* What is added to a vector, whose other lanes are zeros. */
static inline vec v_filled(vec v, vec more) { return (vec)((vec_bits)v | (vec_bits)more); }

static inline void copy_lanes(const place *at, const real *channel, real *dst) {
    for (int i = 0; i < LANES; ++i) dst[i] = at->lane[i] == NO_PLACE ? 0 : channel[at->lane[i]];
}

/*
 * Channels [low, high) of a vector that is loaded whole or masked. Branch-free inside: the tap has been located once.
 */
static inline __attribute__((always_inline)) void copy_channels_located(const cx_patches *p, const place *at,
                                                                        const int step, int64_t low, int64_t high,
                                                                        real *dst, int64_t dst_stride) {
    const int64_t stride = p->stride.channel;
    /* channels are far apart, so no hardware prefetcher follows */
    const int64_t ahead = 16 * stride;
    const real *channel = (const real *)p->base + low * stride;
    dst += low * dst_stride;
    if (at->kind == PLACE_WHOLE) {
        channel += at->src[0];
        for (int64_t c = low; c < high; ++c, channel += stride, dst += dst_stride) {
            __builtin_prefetch(channel + ahead);
            v_store(dst, load_step(channel, step));
        }
        return;
    }
    if (at->kind == PLACE_ZEROS) {
        for (int64_t c = low; c < high; ++c, dst += dst_stride) v_store(dst, v_zero());
        return;
    }
    for (int64_t c = low; c < high; ++c, channel += stride, dst += dst_stride) {
        vec v = load_pair(channel, at->src, at->mask, step);
        for (int i = 2; PAIRS > 1 && i < 2 * at->pairs; i += 2)
            v = v_filled(v, load_pair(channel, at->src + i, at->mask + i, step));
        v_store(dst, v);
    }
}

/* One vector of pixels, one tap, channels [c, c + channels); dst is of channel c. */
static void pack_vector(const cx_patches *p, const tap_run *runs, int segments, int first, int64_t c, int64_t channels,
                        real *dst, int64_t dst_stride) {
    place at;
    locate_vector(p, runs, segments, first, &at);
    int64_t low = c, high = c;
    dst -= c * dst_stride;
    if (at.kind != PLACE_LANES) {
        low = at.low > c ? at.low : c;
        high = at.high < c + channels ? at.high : c + channels;
        if (high < low) low = high = c;
        if (p->step[2] * p->stride.space[2] == 1)
            copy_channels_located(p, &at, 1, low, high, dst, dst_stride);
        else
            copy_channels_located(p, &at, 2, low, high, dst, dst_stride);
        if (low == c && high == c + channels) return;
        locate_lanes(p, runs, segments, first, &at);
    }
    const real *base = p->base;
    for (int64_t i = c; i < low; ++i) copy_lanes(&at, base + i * p->stride.channel, dst + i * dst_stride);
    for (int64_t i = high; i < c + channels; ++i) copy_lanes(&at, base + i * p->stride.channel, dst + i * dst_stride);
}

/*
 * A panel's segments, and the vectors of some taps of it, sorted by how they are loaded, so that each channel is copied
 * in loops without branches. `to` is the element in the rows of one channel.
 */
typedef struct whole_vector {
    int64_t src, to;
} whole_vector;

typedef struct masked_vector {
    vec_mask mask[2];
    int64_t src[2], to;
} masked_vector;

typedef struct lane_vector {
    place at;
    int64_t to;
} lane_vector;

typedef struct located_panel {
    segment segments[GEMM_NR];
    int count;
    int64_t t0, taps;  /* located */
    int64_t low, high; /* channels that are safe in every place */
    int whole_count, masked_count, more_count, zero_count, lane_count, line_count;
    int64_t line[2 * TAP_CHUNK]; /* to fetch ahead: the ends of what each row of taps reads */
    whole_vector whole[TAP_CHUNK * GEMM_NV];
    masked_vector masked[TAP_CHUNK * GEMM_NV], more[(PAIRS > 1 ? PAIRS - 1 : 1) * TAP_CHUNK * GEMM_NV];
    int64_t zeros_to[TAP_CHUNK * GEMM_NV];
    lane_vector lanes[TAP_CHUNK * GEMM_NV];
} located_panel;

/* A whole panel of one grid row that no tap takes outside the tensor, nor a vector load past the row. */
static inline bool is_interior(const cx_patches *p, const located_panel *panel) {
    const segment *s = panel->segments;
    const int64_t step = p->step[2];
    if (panel->count != 1 || s->count != GEMM_NR || p->stride.space[2] != 1 || step < 1 || step > 2) return false;
    for (int d = 0; d < 3; ++d) {
        const int64_t reach = (p->taps[d] - 1) * p->tap_step[d], width = d == 2 ? GEMM_NR * step - 1 : 0;
        if (s->at[d] + (reach < 0 ? reach : 0) < 0) return false;
        if (s->at[d] + (reach > 0 ? reach : 0) + width >= p->extent[d]) return false;
    }
    return true;
}

static void locate_interior(const cx_patches *p, located_panel *panel, int64_t t0, int64_t taps) {
    const segment *s = panel->segments;
    int64_t origin = s->image, tap[3];
    for (int d = 0; d < 3; ++d) origin += s->at[d] * p->stride.space[d];
    tap_at(p, t0, tap);
    for (int64_t t = 0; t < taps; ++t) {
        const int64_t src = origin + tap[0] * p->tap_step[0] * p->stride.space[0] +
                            tap[1] * p->tap_step[1] * p->stride.space[1] + tap[2] * p->tap_step[2];
        for (int v = 0; v < GEMM_NV; ++v)
            panel->whole[panel->whole_count++] = (whole_vector){src + v * LANES * p->step[2], t * GEMM_NR + v * LANES};
        if (tap[2] == 0 || t == 0) {
            panel->line[panel->line_count++] = src;
            panel->line[panel->line_count++] = src + (GEMM_NR - 1) * p->step[2];
        }
        next_tap(p, tap);
    }
}

static void locate_taps(const cx_patches *p, located_panel *panel, int64_t t0, int64_t taps) {
    tap_run runs[GEMM_NR];
    int64_t tap[3];
    tap_at(p, t0, tap);
    panel->t0 = t0;
    panel->taps = taps;
    panel->low = 0;
    panel->high = p->channels;
    panel->whole_count = panel->masked_count = panel->more_count = 0;
    panel->zero_count = panel->lane_count = panel->line_count = 0;
    if (is_interior(p, panel)) {
        locate_interior(p, panel, t0, taps);
        return;
    }
    for (int64_t t = 0; t < taps; ++t) {
        for (int s = 0; s < panel->count; ++s) runs[s] = locate_tap(p, panel->segments + s, tap);
        for (int v = 0; v < GEMM_NV; ++v) {
            place at;
            const int64_t to = t * GEMM_NR + v * LANES;
            locate_vector(p, runs, panel->count, v * LANES, &at);
            if (at.kind == PLACE_LANES) {
                panel->lanes[panel->lane_count++] = (lane_vector){at, to};
                continue;
            }
            if (at.kind == PLACE_ZEROS) {
                panel->zeros_to[panel->zero_count++] = to;
                continue;
            }
            if (at.low > panel->low) panel->low = at.low;
            if (at.high < panel->high) panel->high = at.high;
            if (at.kind == PLACE_WHOLE)
                panel->whole[panel->whole_count++] = (whole_vector){at.src[0], to};
            else
                panel->masked[panel->masked_count++] =
                    (masked_vector){{at.mask[0], at.mask[1]}, {at.src[0], at.src[1]}, to};
            for (int i = 2; PAIRS > 1 && i < 2 * at.pairs; i += 2)
                panel->more[panel->more_count++] =
                    (masked_vector){{at.mask[i], at.mask[i + 1]}, {at.src[i], at.src[i + 1]}, to};
            if ((v == 0 || v == GEMM_NV - 1) && (tap[2] == 0 || t == 0))
                panel->line[panel->line_count++] = v ? at.src[1] + LANES - 1 : at.src[0];
        }
        next_tap(p, tap);
    }
}

/* The located taps of one channel that is safe. `next`: the channel to be fetched ahead. */
static inline __attribute__((always_inline)) void pack_channel(const located_panel *panel, const int step,
                                                               const real *channel, const real *next, real *dst) {
    for (int i = 0; i < panel->line_count; ++i) __builtin_prefetch(next + panel->line[i]);
#pragma GCC unroll 2
    for (int i = 0; i < panel->whole_count; ++i)
        v_store(dst + panel->whole[i].to, load_step(channel + panel->whole[i].src, step));
    for (int i = 0; i < panel->masked_count; ++i) {
        const masked_vector *v = &panel->masked[i];
        v_store(dst + v->to, load_pair(channel, v->src, v->mask, step));
    }
    for (int i = 0; i < panel->more_count; ++i) {
        const masked_vector *v = &panel->more[i];
        v_store(dst + v->to, v_filled(v_load(dst + v->to), load_pair(channel, v->src, v->mask, step)));
    }
    for (int i = 0; i < panel->zero_count; ++i) v_store(dst + panel->zeros_to[i], v_zero());
    for (int i = 0; i < panel->lane_count; ++i) copy_lanes(&panel->lanes[i].at, channel, dst + panel->lanes[i].to);
}

/* Rows of one channel that is not safe. */
static __attribute__((noinline, cold)) void pack_unsafe_channel(const cx_patches *p, const located_panel *panel,
                                                                int64_t t0, int64_t taps, const real *channel,
                                                                real *dst) {
    tap_run runs[GEMM_NR];
    int64_t tap[3];
    tap_at(p, t0, tap);
    for (int64_t t = 0; t < taps; ++t, dst += GEMM_NR) {
        for (int s = 0; s < panel->count; ++s) runs[s] = locate_tap(p, panel->segments + s, tap);
        for (int v = 0; v < GEMM_NV; ++v) {
            place at;
            locate_lanes(p, runs, panel->count, v * LANES, &at);
            copy_lanes(&at, channel, dst + v * LANES);
        }
        next_tap(p, tap);
    }
}

/*
 * Channel by channel, all taps of each: a channel's few cache lines serve all its taps at once. (Tap by tap would come
 * back to them after all other channels, which in planes of a multiple of 4 KB all compete for the same lines.)
 */
static void pack_by_channels(const cx_patches *p, located_panel *panel, int64_t taps, int64_t k0, int64_t kn,
                             real *dst) {
    const int64_t stride = p->stride.channel;
    const int step = (int)(p->step[2] * p->stride.space[2]);
    int64_t c = k0 / taps, t = k0 % taps;
    panel->taps = 0;
    while (kn > 0) {
        const int64_t n = taps - t < kn ? taps - t : kn; /* all of them, but for the first and the last channel */
        if (panel->taps != n || panel->t0 != t) locate_taps(p, panel, t, n);
        const real *channel = (const real *)p->base + c * stride, *next = channel + AHEAD_CHANNELS * stride;
        if (c < panel->low || c >= panel->high)
            pack_unsafe_channel(p, panel, t, n, channel, dst);
        else if (step == 1)
            pack_channel(panel, 1, channel, next, dst);
        else
            pack_channel(panel, 2, channel, next, dst);
        dst += n * GEMM_NR;
        kn -= n;
        t = 0;
        ++c;
    }
}

/* Tap by tap, the channels of each in a loop without branches: for 1x1 kernels, and for those of very many taps. */
static void pack_by_taps(const cx_patches *p, cx_patch_order order, const segment *segments, int count, int64_t taps,
                         int64_t k0, int64_t kn, real *dst) {
    const bool by_taps = order == CX_TAPS_FASTEST;
    tap_run runs[GEMM_NR];
    int64_t t = by_taps ? k0 % taps : k0 / p->channels, c = by_taps ? k0 / taps : k0 % p->channels;
    int64_t tap[3];
    tap_at(p, t, tap);
    /* each tap's rows: all of them by taps (`taps` rows apart), or a run of channels */
    const int64_t rounds = by_taps && taps < kn ? taps : kn;
    for (int64_t done = 0; done < rounds;) {
        int64_t channels = by_taps ? (kn - done + taps - 1) / taps : p->channels - c;
        if (channels > kn - done) channels = kn - done;
        for (int s = 0; s < count; ++s) runs[s] = locate_tap(p, segments + s, tap);
        for (int v = 0; v < GEMM_NV; ++v)
            pack_vector(p, runs, count, v * LANES, c, channels, dst + done * GEMM_NR + v * LANES,
                        (by_taps ? taps : 1) * GEMM_NR);
        done += by_taps ? 1 : channels;
        next_tap(p, tap);
        if (!by_taps) {
            c = 0;
        } else if (++t == taps) {
            t = 0;
            ++c;
        }
    }
}

static void pack_pixel_panel(const cx_patches *p, cx_patch_order order, int64_t pixel, int64_t pixels, int64_t k0,
                             int64_t kn, void *dst) {
    const int64_t taps = p->taps[0] * p->taps[1] * p->taps[2];
    located_panel panel;
    panel.count = split_pixels(p, pixel, pixels, panel.segments);
    if (order == CX_TAPS_FASTEST && taps > 1 && taps <= TAP_CHUNK)
        pack_by_channels(p, &panel, taps, k0, kn, dst);
    else
        pack_by_taps(p, order, panel.segments, panel.count, taps, k0, kn, dst);
}

#endif
