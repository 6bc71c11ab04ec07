/*
 * Template: the three passes straight from their definitions, one element of the result at a time.
 *
 * Parameters
 *   REAL    float or double
 *   WIDE    the type of the sums
 *   NAME(x) the name of a function for this REAL
 */

static REAL NAME(activate)(WIDE v, convx_activation activation) {
    const double x = (double)v;
    switch (activation) {
    case CONVX_ACT_RELU: return (REAL)(v < 0 ? 0 : v);
    case CONVX_ACT_RELU6: return (REAL)(v < 0 ? 0 : v > 6 ? 6 : v);
    case CONVX_ACT_LEAKY_RELU: return (REAL)(v < 0 ? (WIDE)0.01 * v : v);
    case CONVX_ACT_SIGMOID: return (REAL)(1 / (1 + exp(-x)));
    case CONVX_ACT_TANH: return (REAL)tanh(x);
    case CONVX_ACT_SILU: return (REAL)(x / (1 + exp(-x)));
    case CONVX_ACT_HARDTANH: return (REAL)(v < -1 ? -1 : v > 1 ? 1 : v);
    case CONVX_ACT_NONE: break;
    }
    return (REAL)v;
}

/* y[n, g*co + o, p] */
static REAL NAME(forward_at)(const cx_conv *c, const cx_tensors *t, int64_t n, int64_t channel, const int64_t p[3]) {
    const int64_t g = channel / c->out_channels;
    const REAL *x = (const REAL *)t->x + n * c->x.batch + g * c->in_channels * c->x.channel;
    const REAL *w = (const REAL *)t->w + channel * c->w.out;
    WIDE sum = t->bias ? ((const REAL *)t->bias)[channel] : 0;
    for (int64_t kz = 0; kz < c->kernel[0]; ++kz) {
        const int64_t z = source(c, 0, p[0], kz);
        if (z < 0) continue;
        for (int64_t ky = 0; ky < c->kernel[1]; ++ky) {
            const int64_t y = source(c, 1, p[1], ky);
            if (y < 0) continue;
            for (int64_t kx = 0; kx < c->kernel[2]; ++kx) {
                const int64_t xx = source(c, 2, p[2], kx);
                if (xx < 0) continue;
                const REAL *from = x + z * c->x.space[0] + y * c->x.space[1] + xx * c->x.space[2];
                const REAL *tap = w + kz * c->w.space[0] + ky * c->w.space[1] + kx * c->w.space[2];
                for (int64_t i = 0; i < c->in_channels; ++i)
                    sum += (WIDE)from[i * c->x.channel] * (WIDE)tap[i * c->w.in];
            }
        }
    }
    return NAME(activate)(sum, c->activation);
}

/* x[n, g*ci + i, p]: the places of y whose kernel reaches it */
static REAL NAME(input_gradient_at)(const cx_conv *c, const cx_tensors *t, int64_t n, int64_t channel,
                                    const int64_t p[3]) {
    const int64_t g = channel / c->in_channels, i = channel % c->in_channels;
    const REAL *y = (const REAL *)t->y + n * c->y.batch + g * c->out_channels * c->y.channel;
    const REAL *w = (const REAL *)t->w + g * c->out_channels * c->w.out + i * c->w.in;
    WIDE sum = t->bias ? ((const REAL *)t->bias)[channel] : 0;
    for (int64_t kz = 0; kz < c->kernel[0]; ++kz) {
        const int64_t z = target(c, 0, p[0], kz);
        if (z < 0) continue;
        for (int64_t ky = 0; ky < c->kernel[1]; ++ky) {
            const int64_t yy = target(c, 1, p[1], ky);
            if (yy < 0) continue;
            for (int64_t kx = 0; kx < c->kernel[2]; ++kx) {
                const int64_t x = target(c, 2, p[2], kx);
                if (x < 0) continue;
                const REAL *from = y + z * c->y.space[0] + yy * c->y.space[1] + x * c->y.space[2];
                const REAL *tap = w + kz * c->w.space[0] + ky * c->w.space[1] + kx * c->w.space[2];
                for (int64_t o = 0; o < c->out_channels; ++o)
                    sum += (WIDE)from[o * c->y.channel] * (WIDE)tap[o * c->w.out];
            }
        }
    }
    return NAME(activate)(sum, c->activation);
}

/* w[g*co + o, i, k] */
static REAL NAME(weight_gradient_at)(const cx_conv *c, const cx_tensors *t, int64_t out, int64_t i,
                                     const int64_t k[3]) {
    const int64_t g = out / c->out_channels;
    const REAL *x = (const REAL *)t->x + (g * c->in_channels + i) * c->x.channel;
    const REAL *y = (const REAL *)t->y + out * c->y.channel;
    WIDE sum = 0;
    for (int64_t n = 0; n < c->batch; ++n)
        for (int64_t pz = 0; pz < c->out[0]; ++pz) {
            const int64_t z = source(c, 0, pz, k[0]);
            if (z < 0) continue;
            for (int64_t py = 0; py < c->out[1]; ++py) {
                const int64_t yy = source(c, 1, py, k[1]);
                if (yy < 0) continue;
                const REAL *from = x + n * c->x.batch + z * c->x.space[0] + yy * c->x.space[1];
                const REAL *grad = y + n * c->y.batch + pz * c->y.space[0] + py * c->y.space[1];
                for (int64_t px = 0; px < c->out[2]; ++px) {
                    const int64_t xx = source(c, 2, px, k[2]);
                    if (xx >= 0) sum += (WIDE)from[xx * c->x.space[2]] * (WIDE)grad[px * c->y.space[2]];
                }
            }
        }
    return (REAL)sum;
}

/* One row of y, of x, or of w: `index` counts over all dimensions of the result but the last. */
static void NAME(row)(void *context, int64_t index, int worker) {
    const reference_run *run = context;
    const cx_conv *c = run->conv;
    (void)worker;
    const result_shape *r = &run->shape;
    int64_t p[3];
    p[1] = index % r->extent[1];
    index /= r->extent[1];
    p[0] = index % r->extent[0];
    index /= r->extent[0];
    const int64_t second = index % r->second, first = index / r->second;
    REAL *row = (REAL *)run->tensors->result + first * r->first_stride + second * r->second_stride +
                p[0] * r->stride[0] + p[1] * r->stride[1];
    for (p[2] = 0; p[2] < r->extent[2]; ++p[2])
        row[p[2] * r->stride[2]] = c->pass == CONVX_FORWARD ? NAME(forward_at)(c, run->tensors, first, second, p)
                                   : c->pass == CONVX_INPUT_GRADIENT
                                       ? NAME(input_gradient_at)(c, run->tensors, first, second, p)
                                       : NAME(weight_gradient_at)(c, run->tensors, first, second, p);
}

#undef REAL
#undef WIDE
#undef NAME
