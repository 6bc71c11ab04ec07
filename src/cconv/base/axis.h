/*
 * An axis of a matrix that lies in a tensor: a mixed-radix counter whose digits have strides. The pixels of a batch
 * are (image, depth, row, column), the columns of a weight matrix (channel, tap, tap, tap). Digits that follow each
 * other in memory are merged, so that an axis is affine exactly when one digit is left.
 */
#ifndef CX_BASE_AXIS_H
#define CX_BASE_AXIS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cx_axis {
    int digits; /* at least 1; slowest first */
    int64_t extent[4], stride[4];
} cx_axis;

static inline void cx_axis_set(cx_axis *axis, const int64_t extent[4], const int64_t stride[4]) {
    int64_t size = 1, step = 1; /* of the last digit */
    int digits = 0;
    for (int i = 0; i < 4; ++i) {
        if (extent[i] == 1) continue;
        const bool follows = digits > 0 && step == extent[i] * stride[i];
        size = follows ? size * extent[i] : extent[i];
        step = stride[i];
        digits += !follows;
        axis->extent[digits - 1] = size;
        axis->stride[digits - 1] = step;
    }
    if (digits == 0) axis->extent[0] = axis->stride[0] = 1;
    axis->digits = digits > 0 ? digits : 1;
}

static inline void cx_axis_set_line(cx_axis *axis, int64_t extent, int64_t stride) {
    axis->digits = 1;
    axis->extent[0] = extent;
    axis->stride[0] = stride;
}

static inline cx_axis cx_axis_make(const int64_t extent[4], const int64_t stride[4]) {
    cx_axis axis;
    cx_axis_set(&axis, extent, stride);
    return axis;
}

static inline cx_axis cx_axis_line(int64_t extent, int64_t stride) {
    return (cx_axis){.digits = 1, .extent = {extent}, .stride = {stride}};
}

/* The fastest digit: places i .. i + run - 1 are affine with this stride. */
static inline int64_t cx_axis_step(const cx_axis *axis) { return axis->stride[axis->digits - 1]; }

static inline int64_t cx_axis_run(const cx_axis *axis, int64_t i) {
    const int64_t inner = axis->extent[axis->digits - 1];
    return axis->digits == 1 ? inner - i : inner - i % inner;
}

static inline int64_t cx_axis_offset(const cx_axis *axis, int64_t i) {
    int64_t offset = 0;
    for (int d = axis->digits - 1; d > 0; --d) {
        offset += i % axis->extent[d] * axis->stride[d];
        i /= axis->extent[d];
    }
    return offset + i * axis->stride[0];
}

/* Offsets of n places from i on. True when they are consecutive elements. */
static inline bool cx_axis_offsets(const cx_axis *axis, int64_t i, int64_t n, int64_t *offsets) {
    const int64_t step = cx_axis_step(axis);
    bool consecutive = step == 1;
    for (int64_t done = 0; done < n;) {
        const int64_t left = cx_axis_run(axis, i + done), run = left < n - done ? left : n - done;
        int64_t offset = cx_axis_offset(axis, i + done);
        if (done && offset != offsets[done - 1] + 1) consecutive = false;
        for (int64_t j = 0; j < run; ++j, offset += step) offsets[done + j] = offset;
        done += run;
    }
    return consecutive || n == 1;
}

#endif
