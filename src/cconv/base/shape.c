#include "base/shape.h"

#include "base/memory.h"

static bool in_range(int64_t value, int64_t low, int64_t high) { return value >= low && value <= high; }

static int64_t magnitude(int64_t value) { return value < 0 ? -value : value; }

/* Sizes of one spatial dimension of the underlying convolution: x has `in` places, y has `out`. */
typedef struct dimension {
    int64_t in, out, kernel, stride, dilation, before, after;
} dimension;

static convx_status check_dimension(const dimension *d) {
    if (d->kernel < 1 || d->stride < 1 || d->dilation < 1 || d->in < 0 || d->out < 0) return CONVX_INVALID_SHAPE;
    if (d->in > CX_SIZE_LIMIT || d->out > CX_SIZE_LIMIT || d->kernel > CX_SIZE_LIMIT || d->stride > CX_SIZE_LIMIT ||
        d->dilation > CX_SIZE_LIMIT || !in_range(d->before, -CX_SIZE_LIMIT, CX_SIZE_LIMIT) ||
        !in_range(d->after, -CX_SIZE_LIMIT, CX_SIZE_LIMIT))
        return CONVX_OVERFLOW;
    int64_t reach;
    if (!cx_mul(d->dilation, d->kernel - 1, &reach) || reach > CX_SIZE_LIMIT) return CONVX_OVERFLOW;
    return CONVX_OK;
}

/* The output size that the formula gives, or 0 when the kernel does not fit. The dimension has been checked. */
static int64_t formula(const dimension *d) {
    const int64_t room = d->in + d->before + d->after - d->dilation * (d->kernel - 1) - 1;
    return room < 0 ? 0 : room / d->stride + 1;
}

/* x is the result of a transposed layer, and y its input. */
static convx_status check_transposed(const dimension *d) {
    int64_t smallest;
    if (d->in < 1 || d->out < 1) return CONVX_INVALID_SHAPE;
    if (!cx_mul(d->out - 1, d->stride, &smallest) || smallest > 2 * CX_SIZE_LIMIT) return CONVX_OVERFLOW;
    smallest += d->dilation * (d->kernel - 1) + 1 - d->before - d->after;
    const int64_t extra = d->in - smallest;
    const int64_t bound = d->stride > d->dilation ? d->stride : d->dilation;
    return extra >= 0 && extra < bound ? CONVX_OK : CONVX_INVALID_SHAPE;
}

static convx_status check_header(const convx_conv_params *p) {
    if (!p || p->struct_size != sizeof *p) return CONVX_INVALID_ARGUMENT;
    if (p->dtype != CONVX_FLOAT32 && p->dtype != CONVX_FLOAT64) return CONVX_INVALID_ARGUMENT;
    if (!in_range(p->rank, 1, 3) || (p->flags & ~CONVX_TRANSPOSED)) return CONVX_INVALID_ARGUMENT;
    if (!in_range(p->padding_mode, CONVX_PAD_ZEROS, CONVX_PAD_SYMMETRIC)) return CONVX_INVALID_ARGUMENT;
    if (!in_range(p->activation, CONVX_ACT_NONE, CONVX_ACT_HARDTANH)) return CONVX_INVALID_ARGUMENT;
    if (!in_range(p->algorithm, CONVX_ALGO_AUTO, CONVX_ALGO_WINOGRAD_6X6)) return CONVX_INVALID_ARGUMENT;
    return CONVX_OK;
}

static convx_status check_channels(const convx_conv_params *p) {
    if (p->batch < 0 || p->groups < 1 || p->in_channels < 1 || p->out_channels < 1) return CONVX_INVALID_SHAPE;
    if (p->batch > CX_SIZE_LIMIT || p->in_channels > CX_SIZE_LIMIT || p->out_channels > CX_SIZE_LIMIT)
        return CONVX_OVERFLOW;
    if (p->in_channels % p->groups || p->out_channels % p->groups) return CONVX_INVALID_SHAPE;
    return CONVX_OK;
}

/* Whether the bytes of a dense tensor of these sizes, and every offset that the strides reach, fit 64 bits. */
bool cx_tensor_fits(int dimensions, const int64_t *sizes, const int64_t *strides, size_t element) {
    int64_t bytes = (int64_t)element, reach = 0;
    for (int i = 0; i < dimensions; ++i) {
        const int64_t size = sizes[i] > 1 ? sizes[i] : 1;
        int64_t part;
        if (strides[i] == INT64_MIN) return false;
        if (!cx_mul(bytes, size, &bytes) || !cx_mul(magnitude(strides[i]), size - 1, &part)) return false;
        if (!cx_add(reach, part, &reach)) return false;
    }
    return cx_mul(reach, 2 * (int64_t)element, &reach);
}

/* Sufficient, and exact for what slicing and transposing make: in order of strides, each steps over all inside it. */
bool cx_tensor_distinct(int dimensions, const int64_t *sizes, const int64_t *strides) {
    int64_t step[5], size[5];
    int count = 0;
    for (int i = 0; i < dimensions; ++i) {
        if (sizes[i] == 0) return true;
        if (sizes[i] == 1) continue;
        int at = count++;
        for (; at > 0 && step[at - 1] > magnitude(strides[i]); --at) {
            step[at] = step[at - 1];
            size[at] = size[at - 1];
        }
        step[at] = magnitude(strides[i]);
        size[at] = sizes[i];
    }
    int64_t reach = 0;
    for (int i = 0; i < count; ++i) {
        if (step[i] <= reach) return false;
        reach += step[i] * (size[i] - 1);
    }
    return true;
}

/* Strides of the dimensions that have only one place say nothing, whatever the caller put there. */
static int64_t stride_of(int64_t size, int64_t stride) { return size > 1 ? stride : 0; }

static cx_strides activation_strides(const int64_t *strides, int rank, int64_t batch, int64_t channels,
                                     const int64_t extent[3]) {
    cx_strides s = {stride_of(batch, strides[0]), stride_of(channels, strides[1]), {0, 0, 0}};
    for (int i = 0; i < rank; ++i) s.space[3 - rank + i] = stride_of(extent[3 - rank + i], strides[2 + i]);
    return s;
}

static void flatten_activation(int64_t batch, int64_t channels, const int64_t extent[3], const cx_strides *s,
                               int64_t sizes[5], int64_t strides[5]) {
    sizes[0] = batch;
    sizes[1] = channels;
    strides[0] = s->batch;
    strides[1] = s->channel;
    for (int i = 0; i < 3; ++i) {
        sizes[2 + i] = extent[i];
        strides[2 + i] = s->space[i];
    }
}

static void flatten_x(const cx_conv *c, int64_t sizes[5], int64_t strides[5]) {
    flatten_activation(c->batch, c->groups * c->in_channels, c->in, &c->x, sizes, strides);
}
static void flatten_y(const cx_conv *c, int64_t sizes[5], int64_t strides[5]) {
    flatten_activation(c->batch, c->groups * c->out_channels, c->out, &c->y, sizes, strides);
}
static void flatten_w(const cx_conv *c, int64_t sizes[5], int64_t strides[5]) {
    const cx_strides w = {c->w.out, c->w.in, {c->w.space[0], c->w.space[1], c->w.space[2]}};
    flatten_activation(c->groups * c->out_channels, c->in_channels, c->kernel, &w, sizes, strides);
}

static convx_status check_memory(const cx_conv *c) {
    int64_t sizes[3][5], strides[3][5];
    flatten_x(c, sizes[0], strides[0]);
    flatten_y(c, sizes[1], strides[1]);
    flatten_w(c, sizes[2], strides[2]);
    const size_t element = cx_dtype_size(c->dtype);
    for (int i = 0; i < 3; ++i)
        if (!cx_tensor_fits(5, sizes[i], strides[i], element)) return CONVX_OVERFLOW;
    for (int d = 0; d < 3; ++d) { /* a stride phase of x steps by the product */
        int64_t step;
        if (!cx_mul(magnitude(c->x.space[d]), c->stride[d], &step) || !cx_mul(step, (int64_t)element, &step))
            return CONVX_OVERFLOW;
    }
    const int result = c->pass == CONVX_FORWARD ? 1 : c->pass == CONVX_INPUT_GRADIENT ? 0 : 2;
    return cx_tensor_distinct(5, sizes[result], strides[result]) ? CONVX_OK : CONVX_OVERLAP;
}

static void set_dimension(cx_conv *c, int d, const dimension *dim) {
    c->in[d] = dim->in;
    c->out[d] = dim->out;
    c->kernel[d] = dim->kernel;
    c->stride[d] = dim->out > 1 ? dim->stride : 1;
    c->dilation[d] = dim->kernel > 1 ? dim->dilation : 1;
    c->pad[d] = dim->before;
}

static convx_status set_dimensions(const convx_conv_params *p, bool transposed, cx_conv *c) {
    const dimension one = {1, 1, 1, 1, 1, 0, 0};
    for (int d = 0; d < 3; ++d) {
        const int i = d - (3 - p->rank);
        if (i < 0) {
            set_dimension(c, d, &one);
            continue;
        }
        const dimension dim = {transposed ? p->output[i] : p->input[i],
                               transposed ? p->input[i] : p->output[i],
                               p->kernel[i],
                               p->stride[i],
                               p->dilation[i],
                               p->pad_before[i],
                               p->pad_after[i]};
        convx_status status = check_dimension(&dim);
        if (status == CONVX_OK && transposed) status = check_transposed(&dim);
        if (status == CONVX_OK && !transposed && (dim.out < 1 || formula(&dim) != dim.out))
            status = CONVX_INVALID_SHAPE;
        /* with no place to repeat, there is nothing but zeros to pad with */
        if (status == CONVX_OK && dim.in == 0 && p->padding_mode != CONVX_PAD_ZEROS) status = CONVX_INVALID_SHAPE;
        if (status != CONVX_OK) return status;
        set_dimension(c, d, &dim);
    }
    return CONVX_OK;
}

convx_status cx_conv_normalise(const convx_conv_params *p, convx_pass pass, cx_conv *conv) {
    convx_status status = check_header(p);
    if (status != CONVX_OK) return status;
    if (!in_range(pass, CONVX_FORWARD, CONVX_WEIGHT_GRADIENT)) return CONVX_INVALID_ARGUMENT;
    status = check_channels(p);
    if (status != CONVX_OK) return status;
    const bool transposed = p->flags & CONVX_TRANSPOSED;

    cx_conv c = {.dtype = (convx_dtype)p->dtype,
                 .pass = pass,
                 .padding_mode = (convx_padding_mode)p->padding_mode,
                 .activation = pass == CONVX_FORWARD ? (convx_activation)p->activation : CONVX_ACT_NONE,
                 .batch = p->batch,
                 .groups = p->groups,
                 .in_channels = (transposed ? p->out_channels : p->in_channels) / p->groups,
                 .out_channels = (transposed ? p->in_channels : p->out_channels) / p->groups};
    if (transposed && pass == CONVX_FORWARD) c.pass = CONVX_INPUT_GRADIENT;
    if (transposed && pass == CONVX_INPUT_GRADIENT) c.pass = CONVX_FORWARD;
    status = set_dimensions(p, transposed, &c);
    if (status != CONVX_OK) return status;
    if (c.padding_mode != CONVX_PAD_ZEROS && (transposed || pass == CONVX_INPUT_GRADIENT)) return CONVX_UNSUPPORTED;

    const int64_t *x = transposed ? p->output_strides : p->input_strides;
    const int64_t *y = transposed ? p->input_strides : p->output_strides;
    c.x = activation_strides(x, p->rank, c.batch, c.groups * c.in_channels, c.in);
    c.y = activation_strides(y, p->rank, c.batch, c.groups * c.out_channels, c.out);
    const cx_strides w =
        activation_strides(p->weight_strides, p->rank, c.groups * c.out_channels, c.in_channels, c.kernel);
    c.w = (cx_weight_strides){w.batch, w.channel, {w.space[0], w.space[1], w.space[2]}};
    status = check_memory(&c);
    if (status != CONVX_OK) return status;
    *conv = c;
    return CONVX_OK;
}

convx_status cx_conv_output_size(const convx_conv_params *p, int64_t output[3]) {
    convx_status status = check_header(p);
    if (status != CONVX_OK) return status;
    if (!output || (p->flags & CONVX_TRANSPOSED)) return CONVX_INVALID_ARGUMENT;
    int64_t sizes[3] = {0, 0, 0};
    for (int i = 0; i < p->rank; ++i) {
        const dimension dim = {p->input[i],    1, p->kernel[i], p->stride[i], p->dilation[i], p->pad_before[i],
                               p->pad_after[i]};
        status = check_dimension(&dim);
        if (status != CONVX_OK) return status;
        sizes[i] = formula(&dim);
        if (sizes[i] < 1) return CONVX_INVALID_SHAPE;
    }
    for (int i = 0; i < p->rank; ++i) output[i] = sizes[i];
    return CONVX_OK;
}

convx_status cx_activations_normalise(convx_dtype dtype, int rank, int64_t batch, int64_t channels,
                                      const int64_t *extent, const int64_t *strides, bool written, int64_t sizes[5],
                                      int64_t steps[5]) {
    if (batch < 0 || channels < 1) return CONVX_INVALID_SHAPE;
    int64_t space[3];
    for (int d = 0; d < 3; ++d) {
        const int i = d - (3 - rank);
        space[d] = i < 0 ? 1 : extent[i];
        if (space[d] < 0) return CONVX_INVALID_SHAPE;
    }
    const cx_strides s = activation_strides(strides, rank, batch, channels, space);
    flatten_activation(batch, channels, space, &s, sizes, steps);
    if (!cx_tensor_fits(5, sizes, steps, cx_dtype_size(dtype))) return CONVX_OVERFLOW;
    return !written || cx_tensor_distinct(5, sizes, steps) ? CONVX_OK : CONVX_OVERLAP;
}

convx_status cx_output_normalise(const convx_conv_params *p, int64_t sizes[5], int64_t steps[5]) {
    const convx_status status = check_header(p);
    if (status != CONVX_OK) return status;
    return cx_activations_normalise((convx_dtype)p->dtype, p->rank, p->batch, p->out_channels, p->output,
                                    p->output_strides, false, sizes, steps);
}

cx_weight_strides cx_weights_contiguous(const cx_conv *c) {
    const int64_t volume = c->kernel[0] * c->kernel[1] * c->kernel[2];
    return (cx_weight_strides){c->in_channels * volume, volume, {c->kernel[1] * c->kernel[2], c->kernel[2], 1}};
}

int64_t cx_weights_count(const cx_conv *c) {
    return c->groups * c->out_channels * c->in_channels * c->kernel[0] * c->kernel[1] * c->kernel[2];
}

cx_span cx_span_of(int dimensions, const int64_t *sizes, const int64_t *strides) {
    cx_span span = {0, 0};
    for (int i = 0; i < dimensions; ++i) {
        if (sizes[i] == 0) return (cx_span){0, -1};
        const int64_t reach = strides[i] * (sizes[i] - 1);
        if (reach < 0)
            span.first += reach;
        else
            span.last += reach;
    }
    return span;
}

typedef void (*flatten)(const cx_conv *, int64_t[5], int64_t[5]);

static cx_span span_through(flatten flat, const cx_conv *conv) {
    int64_t sizes[5], strides[5];
    flat(conv, sizes, strides);
    return cx_span_of(5, sizes, strides);
}

cx_span cx_span_x(const cx_conv *conv) { return span_through(flatten_x, conv); }
cx_span cx_span_y(const cx_conv *conv) { return span_through(flatten_y, conv); }
cx_span cx_span_w(const cx_conv *conv) { return span_through(flatten_w, conv); }

bool cx_spans_meet(const void *a, cx_span a_span, const void *b, cx_span b_span, size_t element) {
    if (a_span.last < a_span.first || b_span.last < b_span.first) return false;
    const uintptr_t a_first = (uintptr_t)cx_at(a, a_span.first, element);
    const uintptr_t a_end = (uintptr_t)cx_at(a, a_span.last + 1, element);
    const uintptr_t b_first = (uintptr_t)cx_at(b, b_span.first, element);
    const uintptr_t b_end = (uintptr_t)cx_at(b, b_span.last + 1, element);
    return a_first < b_end && b_first < a_end;
}
