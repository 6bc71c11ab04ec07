#include "base/pool.h"

#include "base/integer.h"
#include "base/memory.h"
#include "base/shape.h"

static const int32_t known_flags = CONVX_POOL_CEIL | CONVX_POOL_COUNT_PADDING | CONVX_POOL_ADAPTIVE;

static convx_status check_header(const convx_pool_params *p) {
    if (!p || p->struct_size != sizeof *p) return CONVX_INVALID_ARGUMENT;
    if (p->dtype != CONVX_FLOAT32 && p->dtype != CONVX_FLOAT64) return CONVX_INVALID_ARGUMENT;
    return p->rank < 1 || p->rank > 3 ? CONVX_INVALID_ARGUMENT : CONVX_OK;
}

static convx_status check_pooling(const convx_pool_params *p) {
    if (p->kind != CONVX_POOL_MAX && p->kind != CONVX_POOL_AVERAGE) return CONVX_INVALID_ARGUMENT;
    if (p->flags & ~known_flags) return CONVX_INVALID_ARGUMENT;
    if (p->algorithm != CONVX_ALGO_AUTO && p->algorithm != CONVX_ALGO_REFERENCE) return CONVX_INVALID_ARGUMENT;
    return CONVX_OK;
}

static convx_status check_window(const convx_pool_params *p, int i) {
    if (p->input[i] < 1 || p->kernel[i] < 1 || p->stride[i] < 1 || p->dilation[i] < 1) return CONVX_INVALID_SHAPE;
    if (p->pad_before[i] < 0 || p->pad_after[i] < 0) return CONVX_INVALID_SHAPE;
    int64_t reach;
    if (p->input[i] > CX_SIZE_LIMIT || p->kernel[i] > CX_SIZE_LIMIT || p->stride[i] > CX_SIZE_LIMIT ||
        !cx_mul(p->dilation[i], p->kernel[i] - 1, &reach) || reach > CX_SIZE_LIMIT || p->dilation[i] > CX_SIZE_LIMIT)
        return CONVX_OVERFLOW;
    return p->pad_before[i] > reach || p->pad_after[i] > reach ? CONVX_INVALID_SHAPE : CONVX_OK;
}

/* The number of windows, 0 when none fits. The dimension has been checked. */
static int64_t windows(const convx_pool_params *p, int i) {
    const int64_t in = p->input[i], before = p->pad_before[i], stride = p->stride[i];
    int64_t room = in + before + p->pad_after[i] - p->dilation[i] * (p->kernel[i] - 1) - 1;
    if (p->flags & CONVX_POOL_CEIL) room += stride - 1;
    if (room < 0) return 0;
    const int64_t last = room / stride;
    return p->flags & CONVX_POOL_CEIL && last * stride >= in + before ? last : last + 1;
}

convx_status cx_pool_output_size(const convx_pool_params *p, int64_t output[3]) {
    convx_status status = check_header(p);
    if (status == CONVX_OK) status = check_pooling(p);
    if (status != CONVX_OK) return status;
    if (!output || p->flags & CONVX_POOL_ADAPTIVE) return CONVX_INVALID_ARGUMENT;
    int64_t sizes[3] = {0, 0, 0};
    for (int i = 0; i < p->rank; ++i) {
        status = check_window(p, i);
        if (status != CONVX_OK) return status;
        sizes[i] = windows(p, i);
        if (sizes[i] < 1) return CONVX_INVALID_SHAPE;
    }
    for (int i = 0; i < p->rank; ++i) output[i] = sizes[i];
    return CONVX_OK;
}

static cx_strides strides_of(const cx_pool *pool, const int64_t *given, int rank, const int64_t extent[3]) {
    cx_strides s = {pool->batch > 1 ? given[0] : 0, pool->channels > 1 ? given[1] : 0, {0, 0, 0}};
    for (int d = 3 - rank; d < 3; ++d) s.space[d] = extent[d] > 1 ? given[d + rank - 1] : 0;
    return s;
}

typedef struct flat_tensor {
    int64_t sizes[5], strides[5];
    size_t element;
} flat_tensor;

static flat_tensor flatten(const cx_pool *p, cx_pool_tensor which) {
    const int64_t *extent = which & (CX_POOL_X | CX_POOL_GX) ? p->in : p->out;
    const cx_strides *s = which == CX_POOL_X    ? &p->x
                          : which == CX_POOL_Y  ? &p->y
                          : which == CX_POOL_GX ? &p->gx
                                                : &p->index;
    return (flat_tensor){{p->batch, p->channels, extent[0], extent[1], extent[2]},
                         {s->batch, s->channel, s->space[0], s->space[1], s->space[2]},
                         which == CX_POOL_INDEX ? sizeof(int64_t) : cx_dtype_size(p->dtype)};
}

static convx_status set_tensors(const convx_pool_params *p, int tensors, int written, cx_pool *pool) {
    if (p->batch < 0 || p->channels < 0) return CONVX_INVALID_SHAPE;
    if (p->batch > CX_SIZE_LIMIT || p->channels > CX_SIZE_LIMIT) return CONVX_OVERFLOW;
    pool->dtype = (convx_dtype)p->dtype;
    pool->batch = p->batch;
    pool->channels = p->channels;
    pool->x = strides_of(pool, p->input_strides, p->rank, pool->in);
    pool->y = strides_of(pool, p->output_strides, p->rank, pool->out);
    pool->index = strides_of(pool, p->index_strides, p->rank, pool->out);
    pool->gx = strides_of(pool, p->grad_input_strides, p->rank, pool->in);
    for (int which = CX_POOL_X; which <= CX_POOL_GX; which *= 2) {
        if (!(tensors & which)) continue;
        const flat_tensor t = flatten(pool, (cx_pool_tensor)which);
        if (!cx_tensor_fits(5, t.sizes, t.strides, t.element)) return CONVX_OVERFLOW;
        if (written & which && !cx_tensor_distinct(5, t.sizes, t.strides)) return CONVX_OVERLAP;
    }
    return CONVX_OK;
}

static void set_leading_one(cx_pool *pool, int d) {
    pool->in[d] = pool->out[d] = pool->kernel[d] = pool->stride[d] = pool->dilation[d] = 1;
    pool->pad[d] = pool->pad_after[d] = 0;
}

convx_status cx_pool_normalise(const convx_pool_params *p, int tensors, int written, cx_pool *result) {
    convx_status status = check_header(p);
    if (status == CONVX_OK) status = check_pooling(p);
    if (status != CONVX_OK) return status;
    if (tensors & CX_POOL_INDEX && p->kind != CONVX_POOL_MAX) return CONVX_INVALID_ARGUMENT;
    cx_pool pool = {.max = p->kind == CONVX_POOL_MAX,
                    .adaptive = p->flags & CONVX_POOL_ADAPTIVE,
                    .count_padding = p->flags & CONVX_POOL_COUNT_PADDING,
                    .divisor = p->kind == CONVX_POOL_MAX ? 0 : p->divisor};
    for (int d = 0; d < 3; ++d) {
        const int i = d - (3 - p->rank);
        set_leading_one(&pool, d);
        if (i < 0) continue;
        pool.in[d] = p->input[i];
        pool.out[d] = p->output[i];
        if (pool.adaptive) {
            int64_t product;
            if (p->input[i] < 1 || p->output[i] < 0) return CONVX_INVALID_SHAPE;
            if (!cx_mul(p->input[i], p->output[i], &product)) return CONVX_OVERFLOW;
            continue;
        }
        status = check_window(p, i);
        if (status != CONVX_OK) return status;
        if (p->output[i] < 1 || windows(p, i) != p->output[i]) return CONVX_INVALID_SHAPE;
        pool.kernel[d] = p->kernel[i];
        pool.stride[d] = p->output[i] > 1 ? p->stride[i] : 1;
        pool.dilation[d] = p->kernel[i] > 1 ? p->dilation[i] : 1;
        pool.pad[d] = p->pad_before[i];
        pool.pad_after[d] = p->pad_after[i];
    }
    status = set_tensors(p, tensors, written, &pool);
    if (status == CONVX_OK) *result = pool;
    return status;
}

convx_status cx_unpool_normalise(const convx_pool_params *p, int written, cx_pool *result) {
    convx_status status = check_header(p);
    if (status != CONVX_OK) return status;
    cx_pool pool = {.max = true, .adaptive = true};
    for (int d = 0; d < 3; ++d) {
        const int i = d - (3 - p->rank);
        set_leading_one(&pool, d);
        if (i < 0) continue;
        if (p->input[i] < 0 || p->output[i] < 0) return CONVX_INVALID_SHAPE;
        pool.in[d] = p->input[i];
        pool.out[d] = p->output[i];
    }
    status = set_tensors(p, CX_POOL_X | CX_POOL_Y | CX_POOL_INDEX, written, &pool);
    if (status == CONVX_OK) *result = pool;
    return status;
}

cx_window cx_pool_window(const cx_pool *p, int d, int64_t o) {
    const int64_t in = p->in[d], step = p->dilation[d];
    if (p->adaptive) {
        const int64_t first = o * in / p->out[d], end = cx_ceil_div((o + 1) * in, p->out[d]);
        return (cx_window){first, end - first, end - first};
    }
    const int64_t start = o * p->stride[d] - p->pad[d], taps = p->kernel[d];
    if (start >= 0 && start + (taps - 1) * step < in) return (cx_window){start, taps, taps};
    const int64_t skipped = start < 0 ? cx_ceil_div(-start, step) : 0;
    const int64_t end = start >= in ? 0 : cx_min(taps, (in - 1 - start) / step + 1);
    const int64_t count = cx_max(0, end - skipped);
    const int64_t counted = cx_max(0, in + p->pad_after[d] - 1 - start) / step + 1;
    return (cx_window){start + skipped * step, count, p->count_padding ? cx_min(taps, counted) : count};
}

bool cx_pool_meet(const cx_pool *p, cx_pool_tensor a, const void *a_data, cx_pool_tensor b, const void *b_data) {
    if (!a_data || !b_data) return false;
    const flat_tensor ta = flatten(p, a), tb = flatten(p, b);
    cx_span sa = cx_span_of(5, ta.sizes, ta.strides), sb = cx_span_of(5, tb.sizes, tb.strides);
    if (sa.last < sa.first || sb.last < sb.first) return false;
    sa = (cx_span){sa.first * (int64_t)ta.element, (sa.last + 1) * (int64_t)ta.element - 1};
    sb = (cx_span){sb.first * (int64_t)tb.element, (sb.last + 1) * (int64_t)tb.element - 1};
    return cx_spans_meet(a_data, sa, b_data, sb, 1);
}
