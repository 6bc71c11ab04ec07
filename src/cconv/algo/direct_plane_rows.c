#include <string.h>

#include "algo/direct_planes.h"
#include "base/integer.h"

bool cx_plane_rows_make(cx_plane_rows *r, convx_dtype dtype, int64_t count) {
    const int64_t *n = r->extent;
    if (r->strides.space[2] != 1) return false;
    r->size = cx_dtype_size(dtype);
    r->dense = 0;
    r->chunk = n[2];
    /* Strides of dimensions of extent 1 are 0, and mean nothing. */
    const int64_t extents[4] = {n[1], n[0], r->planes[1], r->planes[0]};
    const int64_t strides[4] = {r->strides.space[1], r->strides.space[0], r->strides.channel, r->strides.batch};
    while (r->dense < 4 && (extents[r->dense] == 1 || strides[r->dense] == r->chunk)) r->chunk *= extents[r->dense++];
    r->slot = r->reach;
    const int64_t before = cx_max(-r->first, 0), after = cx_max(r->first + r->reach - n[2], 0);
    r->slots = count;
    if (r->dense > 0) r->slots = cx_min(count, cx_ceil_div(before, n[2]) + cx_ceil_div(after, n[2]));
    return true;
}

static void copy_row(const cx_plane_rows *r, const char *row, char *slot) {
    const int64_t from = cx_max(r->first, 0), to = cx_min(r->extent[2], r->first + r->reach), size = (int64_t)r->size;
    if (from < to) memcpy(slot + (from - r->first) * size, row + from * size, (size_t)((to - from) * size));
}

int64_t cx_plane_rows_point(const cx_plane_rows *r, const void *tensor, const int64_t plane[3], int64_t first,
                            int64_t count, const void *zeros, void *slots, const void **table, int64_t *advance) {
    const int64_t size = (int64_t)r->size, pitch = r->strides.space[1], channels = r->planes[1] - plane[1];
    const int64_t depth = plane[2] * r->strides.space[0], channel = plane[1] * r->strides.channel,
                  batch = plane[0] * r->strides.batch;
    const bool outside = plane[2] < 0 || plane[2] >= r->extent[0];
    const char *base = cx_at(tensor, batch + channel + depth, r->size);
    int64_t begin = cx_min(cx_max(-first, 0), count), end = cx_max(begin, cx_min(r->extent[1] - first, count));
    if (outside) end = begin;
    for (int64_t i = 0; i < begin; ++i) table[i] = zeros, advance[i] = 0;
    for (int64_t i = end; i < count; ++i) table[i] = zeros, advance[i] = 0;
    if (begin == end) return channels;
    const char *row = base + ((first + begin) * pitch + r->first) * size;
    const int64_t next = r->strides.channel * size;
    for (int64_t i = begin; i < end; ++i, row += pitch * size) table[i] = row, advance[i] = next;
    char *slot = slots;
    if (r->dense == 0 && r->slots == 0) return 1; /* read where they lie */
    if (r->dense == 0) {
        for (int64_t i = begin; i < end; ++i, slot += r->slot * size) {
            copy_row(r, base + (first + i) * pitch * size, slot);
            table[i] = slot;
        }
        return 1;
    }
    /* What lies together with this plane, as offsets from it. Rows from both ends until they stay inside. */
    const int64_t low = -((r->dense > 1 ? depth : 0) + (r->dense > 2 ? channel : 0) + (r->dense > 3 ? batch : 0));
    const int64_t high = low + r->chunk, reach = r->first + r->reach;
    for (; begin < end && (first + begin) * pitch + r->first < low; ++begin, slot += r->slot * size) {
        copy_row(r, base + (first + begin) * pitch * size, slot);
        table[begin] = slot;
    }
    for (; end > begin && (first + end - 1) * pitch + reach > high; --end, slot += r->slot * size) {
        copy_row(r, base + (first + end - 1) * pitch * size, slot);
        table[end - 1] = slot;
    }
    if (slot != slots) return 1;
    if (r->dense < 3) return 1;
    const int64_t room = high - ((first + end - 1) * pitch + reach), more = r->strides.channel;
    return more > 0 ? cx_min(channels, 1 + room / more) : 1;
}

void cx_columns_cut(cx_stencil_columns *c, int lanes) {
    const int64_t count = cx_ceil_div(c->width, lanes);
    if (c->joined) {
        c->left = c->right = count;
        return;
    }
    /* Of a vector that begins at column f: f * step + origin >= 0, (f + lanes - 1) * step + origin + taps <= extent. */
    const int64_t least = cx_ceil_div(cx_max(-c->origin, 0), c->step);
    const int64_t room = c->extent - c->origin - c->taps, most = room < 0 ? -1 : room / c->step - (lanes - 1);
    c->left = cx_min(cx_ceil_div(least, lanes), count);
    int64_t right = most < 0 ? 0 : most / lanes + 1;
    /* The last vector begins earlier than the rest would have it. */
    if (right >= count - 1) right = count - 1 + (!(c->once && c->width % lanes) && c->width - lanes <= most);
    c->right = cx_max(c->left, cx_min(right, count));
    if (c->width < lanes || (c->left >= count - 1 && c->width - lanes < least)) c->left = c->right = count;
}

size_t cx_columns_masks_bytes(const cx_stencil_columns *c, int lanes, size_t size) {
    const int64_t count = cx_ceil_div(c->width, lanes) - (c->right - c->left) + 1;
    return (size_t)(count * (c->taps + 1) * lanes) * size;
}

int64_t cx_columns_reach(const cx_stencil_columns *c, int lanes) {
    const int64_t last = cx_max(c->width - lanes, 0) * c->step;
    return last + c->taps + c->step * lanes;
}

/* As many columns as masks are kept near for, one vector by one. */
#define MOST_JOINED 4096

int64_t cx_plane_rows_join(cx_correlation *c, int lanes) {
    const int64_t width = c->grid[2], rows = c->grid[1], plane = rows * width;
    if (c->taps[1] != 1 || c->step[1] != 1 || c->step[2] != 1 || c->origin[1] != 0) return 0;
    if (rows == 1 || rows != c->extent[1] || width != c->extent[2]) return 0;
    if (width > lanes && 7 * cx_round_up(width, lanes) <= 10 * width) return 0; /* full as they are */
    if (c->src.space[1] != width || c->dst.space[1] != width || plane > MOST_JOINED) return 0;
    const bool deep = c->taps[0] == 1 && c->step[0] == 1 && c->origin[0] == 0 && c->grid[0] == c->extent[0] &&
                      c->src.space[0] == plane && c->dst.space[0] == plane && plane * c->grid[0] <= MOST_JOINED;
    const int64_t all = deep ? plane * c->grid[0] : plane;
    if (deep) c->grid[0] = c->extent[0] = 1;
    c->grid[1] = c->extent[1] = 1;
    c->grid[2] = c->extent[2] = c->src.space[1] = c->dst.space[1] = all;
    return width;
}
