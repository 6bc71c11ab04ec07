#include "base/correlation.h"

#include "base/integer.h"

/* Phases beyond the end of x have no places, so a stride larger than x counts no further. */
int64_t cx_correlation_phases(const cx_conv *conv, int d) {
    return conv->stride[d] < conv->in[d] ? conv->stride[d] : conv->in[d];
}

int64_t cx_correlation_count(const cx_conv *conv) {
    if (conv->pass != CONVX_INPUT_GRADIENT) return 1;
    return cx_correlation_phases(conv, 0) * cx_correlation_phases(conv, 1) * cx_correlation_phases(conv, 2);
}

static void forward(const cx_conv *conv, cx_correlation *c) {
    c->ci = conv->in_channels;
    c->co = conv->out_channels;
    c->src = conv->x;
    c->dst = conv->y;
    c->w_co = conv->w.out;
    c->w_ci = conv->w.in;
    for (int d = 0; d < 3; ++d) {
        c->extent[d] = conv->in[d];
        c->grid[d] = conv->out[d];
        c->taps[d] = conv->kernel[d];
        c->step[d] = conv->stride[d];
        c->origin[d] = -conv->pad[d];
        c->tap_step[d] = conv->dilation[d];
        c->w_tap[d] = conv->w.space[d];
    }
}

/*
 * One dimension of a stride phase. Input place i = first + stride * j receives y[o] through tap k when
 * o * stride = i + pad - k * dilation. The taps k that make the right side divisible are k0, k0 + kstep, ...
 */
void cx_correlation_set_phase(const cx_conv *conv, int d, int64_t phase, cx_correlation *c) {
    const int64_t s = conv->stride[d], dil = conv->dilation[d];
    c->extent[d] = conv->out[d];
    c->step[d] = 1;
    if (s == 1) { /* every tap meets every place; choosing an algorithm has no time for the divisions */
        c->grid[d] = conv->in[d];
        c->dst.space[d] = conv->x.space[d];
        c->tap_step[d] = -dil;
        c->w_tap[d] = conv->w.space[d];
        c->taps[d] = conv->kernel[d];
        c->origin[d] = conv->pad[d];
        return;
    }
    const int64_t kstep = dil == 1 ? s : s / cx_gcd(s, dil);
    c->grid[d] = (conv->in[d] - phase + s - 1) / s;
    c->dst.space[d] = conv->x.space[d] * s;
    c->dst_offset += conv->x.space[d] * phase;
    c->tap_step[d] = dil == 1 ? -1 : -(kstep * dil / s);
    c->w_tap[d] = conv->w.space[d] * kstep;
    const int64_t places = phase + conv->pad[d], candidates = kstep < conv->kernel[d] ? kstep : conv->kernel[d];
    const int64_t whole = cx_floor_div(places, s);
    int64_t k0 = 0, rest = places - whole * s; /* of places - k0 * dil, divided by s */
    if (dil == 1) {
        k0 = rest < candidates ? rest : candidates;
    } else {
        const int64_t each = dil % s;
        for (; k0 < candidates && rest != 0; ++k0) rest += rest < each ? s - each : -each;
    }
    if (k0 == candidates) {
        c->taps[d] = 0;
        c->origin[d] = 0;
        return;
    }
    c->taps[d] = conv->kernel[d] <= kstep ? 1 : (conv->kernel[d] - k0 + kstep - 1) / kstep;
    c->origin[d] = dil == 1 ? whole : (places - k0 * dil) / s; /* exact */
    c->w_offset += conv->w.space[d] * k0;
}

void cx_correlation_get(const cx_conv *conv, int64_t index, cx_correlation *c) {
    c->dtype = conv->dtype;
    c->padding_mode = conv->padding_mode;
    c->activation = conv->activation;
    c->batch = conv->batch;
    c->groups = conv->groups;
    c->w_group = conv->w.out * conv->out_channels;
    c->w_offset = 0;
    c->dst_offset = 0;
    if (conv->pass != CONVX_INPUT_GRADIENT) {
        forward(conv, c);
        return;
    }
    c->ci = conv->out_channels;
    c->co = conv->in_channels;
    c->src = conv->y;
    c->dst = conv->x;
    c->w_co = conv->w.in;
    c->w_ci = conv->w.out;
    for (int d = 2; d >= 0; --d) {
        const int64_t count = cx_correlation_phases(conv, d);
        cx_correlation_set_phase(conv, d, count == 1 ? 0 : index % count, c);
        if (count > 1) index /= count;
    }
}

void cx_correlation_ascend_in(cx_correlation *c, int d) {
    if (c->tap_step[d] >= 0) return;
    const int64_t last = c->taps[d] > 0 ? c->taps[d] - 1 : 0;
    c->origin[d] += last * c->tap_step[d];
    c->w_offset += last * c->w_tap[d];
    c->tap_step[d] = -c->tap_step[d];
    c->w_tap[d] = -c->w_tap[d];
}
