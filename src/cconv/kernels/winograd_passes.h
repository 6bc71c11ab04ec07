/*
 * Template: winograd_points.h's transforms over arrays. A pass is `lines` one-dimensional transforms; element e of line l
 * is the vector at in[e * in_step + l * in_line], and likewise for the result. Two passes, one along each dimension,
 * make the two-dimensional transform. Each size is a loop of its own, with the size as a constant.
 */
#ifndef CX_KERNELS_WINOGRAD_PASSES_H
#define CX_KERNELS_WINOGRAD_PASSES_H

#include "kernels/winograd_points.h"

#define WINOGRAD_MAX_TAPS 7

typedef struct winograd_lines {
    const real *in;
    int64_t in_step, in_line;
    real *out;
    int64_t out_step, out_line, lines;
} winograd_lines;

WINOGRAD_INLINE void filter_lines(const int points, const int taps, const winograd_lines *at) {
    const winograd_lines l = *at;
    for (int64_t i = 0; i < l.lines; ++i) {
        vec w[WINOGRAD_MAX_TAPS], values[CX_WINOGRAD_MAX_POINTS];
#pragma GCC unroll 8
        for (int e = 0; e < taps; ++e) w[e] = v_load(l.in + e * l.in_step + i * l.in_line);
        winograd_filter(points, taps, w, values);
#pragma GCC unroll 8
        for (int e = 0; e < points; ++e) v_store(l.out + e * l.out_step + i * l.out_line, values[e]);
    }
}

WINOGRAD_INLINE void input_lines(const int points, const winograd_lines *at) {
    const winograd_lines l = *at;
    for (int64_t i = 0; i < l.lines; ++i) {
        vec x[CX_WINOGRAD_MAX_POINTS], values[CX_WINOGRAD_MAX_POINTS];
#pragma GCC unroll 8
        for (int e = 0; e < points; ++e) x[e] = v_load(l.in + e * l.in_step + i * l.in_line);
        winograd_input(points, x, values);
#pragma GCC unroll 8
        for (int e = 0; e < points; ++e) v_store(l.out + e * l.out_step + i * l.out_line, values[e]);
    }
}

WINOGRAD_INLINE void output_lines(const int points, const int outputs, const winograd_lines *at) {
    const winograd_lines l = *at;
    for (int64_t i = 0; i < l.lines; ++i) {
        vec products[CX_WINOGRAD_MAX_POINTS], y[CX_WINOGRAD_MAX_POINTS];
#pragma GCC unroll 8
        for (int e = 0; e < points; ++e) products[e] = v_load(l.in + e * l.in_step + i * l.in_line);
        winograd_output(points, outputs, products, y);
#pragma GCC unroll 8
        for (int e = 0; e < outputs; ++e) v_store(l.out + e * l.out_step + i * l.out_line, y[e]);
    }
}

static void filter_pass(const cx_winograd_axis *axis, const winograd_lines *at) {
    switch (axis->points * 8 + axis->taps) {
    case 4 * 8 + 2: filter_lines(4, 2, at); break;
    case 4 * 8 + 3: filter_lines(4, 3, at); break;
    case 6 * 8 + 2: filter_lines(6, 2, at); break;
    case 6 * 8 + 4: filter_lines(6, 4, at); break;
    case 8 * 8 + 2: filter_lines(8, 2, at); break;
    case 8 * 8 + 4: filter_lines(8, 4, at); break;
    case 8 * 8 + 6: filter_lines(8, 6, at); break;
    case 6 * 8 + 3: filter_lines(6, 3, at); break;
    case 8 * 8 + 3: filter_lines(8, 3, at); break;
    case 6 * 8 + 5: filter_lines(6, 5, at); break;
    case 8 * 8 + 5: filter_lines(8, 5, at); break;
    case 8 * 8 + 7: filter_lines(8, 7, at); break;
    default: filter_lines(1, 1, at); break;
    }
}

static void input_pass(const cx_winograd_axis *axis, const winograd_lines *at) {
    switch (axis->points) {
    case 4: input_lines(4, at); break;
    case 6: input_lines(6, at); break;
    case 8: input_lines(8, at); break;
    default: input_lines(1, at); break;
    }
}

static void output_pass(const cx_winograd_axis *axis, const winograd_lines *at) {
    switch (axis->points * 8 + axis->outputs) {
    case 4 * 8 + 2: output_lines(4, 2, at); break;
    case 4 * 8 + 3: output_lines(4, 3, at); break;
    case 6 * 8 + 3: output_lines(6, 3, at); break;
    case 6 * 8 + 5: output_lines(6, 5, at); break;
    case 8 * 8 + 3: output_lines(8, 3, at); break;
    case 8 * 8 + 5: output_lines(8, 5, at); break;
    case 8 * 8 + 7: output_lines(8, 7, at); break;
    case 6 * 8 + 2: output_lines(6, 2, at); break;
    case 6 * 8 + 4: output_lines(6, 4, at); break;
    case 8 * 8 + 2: output_lines(8, 2, at); break;
    case 8 * 8 + 4: output_lines(8, 4, at); break;
    case 8 * 8 + 6: output_lines(8, 6, at); break;
    default: output_lines(1, 1, at); break;
    }
}

#endif
