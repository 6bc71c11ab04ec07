/* Tensors as planes of rows: see pool_planes.h. */
#ifndef CX_ALGO_POOL_SIDES_H
#define CX_ALGO_POOL_SIDES_H

#include "algo/pool_planes.h"
#include "base/shape.h"

static inline bool cx_pool_channels_near(const cx_pool *p, const cx_strides *s) {
    return p->channels > 1 && s->channel == 1;
}

/* Whether channels lie side by side, so that they are the unit. */
static inline bool cx_pool_channels_inside(const cx_pool *p, const cx_strides *s, const int64_t extent[3]) {
    return cx_pool_channels_near(p, s) && (extent[2] == 1 || s->space[2] != 1);
}

static inline cx_pool_side cx_pool_side_of(const cx_pool *p, const cx_strides *s, const int64_t extent[3], int64_t unit,
                                           const void *data) {
    const int64_t sizes[5] = {p->batch, p->channels, extent[0], extent[1], extent[2]};
    const int64_t strides[5] = {s->batch, s->channel, s->space[0], s->space[1], s->space[2]};
    const cx_span span = cx_span_of(5, sizes, strides);
    return (cx_pool_side){
        (void *)(uintptr_t)data,
        {s->batch, unit > 1 ? 0 : s->channel, s->space[0], s->space[1], extent[2] == 1 ? unit : s->space[2]},
        span.first,
        span.last,
        extent[2] == 1 || s->space[2] == unit};
}

/* Rows one after another, without gaps. */
static inline bool cx_pool_is_solid(const cx_pool_side *side, const int64_t extent[3], int64_t unit) {
    const int64_t row = extent[2] * unit;
    return side->dense && (extent[1] == 1 || side->strides[3] == row) &&
           (extent[0] == 1 || side->strides[2] == extent[1] * row);
}

/* Planes of so many elements one after another. */
static inline bool cx_pool_follows(const cx_pool_side *side, int64_t batch, int64_t planes, int64_t elements) {
    return (planes == 1 || side->strides[1] == elements) && (batch == 1 || side->strides[0] == planes * elements);
}

#endif
