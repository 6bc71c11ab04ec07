/*
 * Template: a block of rows (places.h) as elements side by side.
 *
 * Parameters (left defined, for the template that includes this one)
 *   REAL     float or double
 *   NAME(x)  the name of a function for this REAL
 */
#include "algo/places.h"
#include "base/integer.h"

typedef struct NAME(block_rows) {
    int64_t first, last, start, length; /* rows [first, last), `length` elements of each from `start` on */
    int64_t stride;
    bool dense; /* one row without gaps: used where it lies */
} NAME(block_rows);

static inline NAME(block_rows)
    NAME(rows_of_block)(const cx_places *p, const cx_row_blocks *b, int tensor, int64_t block) {
    NAME(block_rows) r;
    r.start = block % b->segments * b->segment;
    r.length = cx_min(b->row - r.start, b->segment);
    r.first = block / b->segments * b->rows_per_block;
    r.last = cx_min(r.first + b->rows_per_block, b->rows);
    r.stride = p->stride[tensor][p->rank - 1];
    r.dense = (r.stride == 1 || r.length == 1) && r.last - r.first == 1;
    return r;
}

static inline int64_t NAME(row_offset)(const cx_places *p, int tensor, const NAME(block_rows) * r, int64_t row) {
    return cx_places_offset(p, tensor, p->rank - 1, row) + r->start * r->stride;
}

/* Where `data` is a channel's first element: the block's elements where they lie, or copied into `room`. */
static inline const REAL *NAME(read_block)(const cx_places *p, const cx_row_blocks *b, int tensor, const REAL *data,
                                           int64_t block, REAL *room, int64_t *count) {
    const NAME(block_rows) r = NAME(rows_of_block)(p, b, tensor, block);
    *count = (r.last - r.first) * r.length;
    if (r.dense) return data + NAME(row_offset)(p, tensor, &r, r.first);
    REAL *to = room;
    for (int64_t i = r.first; i < r.last; ++i) {
        const REAL *row = data + NAME(row_offset)(p, tensor, &r, i);
        if (r.stride == 1)
            memcpy(to, row, (size_t)r.length * sizeof(REAL));
        else
            for (int64_t j = 0; j < r.length; ++j) to[j] = row[j * r.stride];
        to += r.length;
    }
    return room;
}

/* Where a block's results go: into the tensor at once, or into `room`, which write_block() then copies. */
static inline REAL *NAME(block_result)(const cx_places *p, const cx_row_blocks *b, int tensor, REAL *data,
                                       int64_t block, REAL *room) {
    const NAME(block_rows) r = NAME(rows_of_block)(p, b, tensor, block);
    return r.dense ? data + NAME(row_offset)(p, tensor, &r, r.first) : room;
}

static inline void NAME(write_block)(const cx_places *p, const cx_row_blocks *b, int tensor, REAL *data, int64_t block,
                                     const REAL *room) {
    const NAME(block_rows) r = NAME(rows_of_block)(p, b, tensor, block);
    if (r.dense) return;
    for (int64_t i = r.first; i < r.last; ++i) {
        REAL *row = data + NAME(row_offset)(p, tensor, &r, i);
        if (r.stride == 1)
            memcpy(row, room, (size_t)r.length * sizeof(REAL));
        else
            for (int64_t j = 0; j < r.length; ++j) row[j * r.stride] = room[j];
        room += r.length;
    }
}
