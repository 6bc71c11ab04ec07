#include "base/shape.h"

/* A dimension whose places go straight from x to y. */
static bool passes_through(const cx_conv *c, int d) {
    return c->kernel[d] == 1 && c->stride[d] == 1 && c->pad[d] == 0 && c->in[d] == c->out[d];
}

static bool is_single(const cx_conv *c, int d) { return passes_through(c, d) && c->in[d] == 1; }

static void move_dimension(cx_conv *c, int to, int from) {
    c->in[to] = c->in[from];
    c->out[to] = c->out[from];
    c->kernel[to] = c->kernel[from];
    c->stride[to] = c->stride[from];
    c->dilation[to] = c->dilation[from];
    c->pad[to] = c->pad[from];
    c->x.space[to] = c->x.space[from];
    c->y.space[to] = c->y.space[from];
    c->w.space[to] = c->w.space[from];
}

static void make_single(cx_conv *c, int d) {
    c->in[d] = c->out[d] = c->kernel[d] = c->stride[d] = c->dilation[d] = 1;
    c->pad[d] = 0;
    c->x.space[d] = c->y.space[d] = c->w.space[d] = 0;
}

static void singles_to_the_front(cx_conv *c) {
    int to = 2;
    for (int d = 2; d >= 0; --d) {
        if (is_single(c, d)) continue;
        if (to != d) move_dimension(c, to, d);
        --to;
    }
    for (; to >= 0; --to) make_single(c, to);
}

/* Dimension d, whose inner neighbour is d + 1, in one with it. */
static bool merge(cx_conv *c, int d) {
    const int64_t extent = c->in[d + 1];
    if (is_single(c, d) || !passes_through(c, d) || !passes_through(c, d + 1)) return false;
    if (c->x.space[d] != c->x.space[d + 1] * extent || c->y.space[d] != c->y.space[d + 1] * extent) return false;
    c->in[d + 1] = c->out[d + 1] = extent * c->in[d];
    make_single(c, d);
    return true;
}

/* Where the one dimension of space that is left passes through, images may follow each other as its rows do. */
static void merge_batch(cx_conv *c) {
    if (c->batch < 2 || !is_single(c, 0) || !is_single(c, 1) || !passes_through(c, 2)) return;
    const int64_t extent = c->in[2];
    if (extent > 1 && (c->x.batch != c->x.space[2] * extent || c->y.batch != c->y.space[2] * extent)) return;
    if (extent == 1) {
        c->x.space[2] = c->x.batch;
        c->y.space[2] = c->y.batch;
    }
    c->in[2] = c->out[2] = extent * c->batch;
    c->batch = 1;
    c->x.batch = c->y.batch = 0;
}

void cx_conv_fold(cx_conv *c) {
    singles_to_the_front(c);
    if (merge(c, 1)) singles_to_the_front(c);
    if (merge(c, 0)) singles_to_the_front(c);
    if (merge(c, 1)) singles_to_the_front(c);
    merge_batch(c);
}
