#include "algo/places.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/integer.h"

enum { long_row = 256 }; /* shorter rows share a block */

static void put(cx_places *p, int at, const cx_places *from, int dimension) {
    p->size[at] = from->size[dimension];
    for (int t = 0; t < cx_places_tensors; ++t) p->stride[t][at] = from->stride[t][dimension];
}

static bool continues(const cx_places *p, int outer, int inner, int tensors) {
    for (int t = 0; t < tensors; ++t)
        if (p->stride[t][outer] != p->stride[t][inner] * p->size[inner]) return false;
    return true;
}

cx_places cx_places_of(const int64_t sizes[5], int tensors, const int64_t *const strides[]) {
    static const int order[4] = {0, 2, 3, 4};
    cx_places p = {.rank = 0, .count = 1};
    for (int i = 0; i < 4; ++i) {
        const int64_t size = sizes[order[i]], step = strides[0][order[i]];
        p.count *= size;
        if (size == 1) continue;
        int at = p.rank++;
        for (; at > 0 && llabs(p.stride[0][at - 1]) < llabs(step); --at) put(&p, at, &p, at - 1);
        p.size[at] = size;
        for (int t = 0; t < tensors; ++t) p.stride[t][at] = strides[t][order[i]];
    }
    if (p.rank == 0) return (cx_places){.rank = 1, .size = {1}, .count = p.count};
    int kept = 0;
    for (int i = 1; i < p.rank; ++i) {
        if (continues(&p, kept, i, tensors)) {
            const int64_t outer = p.size[kept];
            put(&p, kept, &p, i);
            p.size[kept] *= outer;
        } else {
            put(&p, ++kept, &p, i);
        }
    }
    p.rank = kept + 1;
    return p;
}

cx_row_blocks cx_row_blocks_of(const cx_places *p) {
    cx_row_blocks b = {.row = p->size[p->rank - 1]};
    b.rows = p->count / b.row;
    b.rows_per_block = b.row >= long_row ? 1 : cx_block_elements / b.row;
    b.segment = cx_min(b.row, cx_block_elements);
    b.segments = cx_ceil_div(b.row, b.segment);
    b.count = cx_ceil_div(b.rows, b.rows_per_block) * b.segments;
    b.elements = b.segment * b.rows_per_block;
    return b;
}
