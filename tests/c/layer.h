/*
 * Random layers for the tests: parameters, tensors with any strides, and the results by brute force in exact integers,
 * straight from the definition in convx.h.
 */
#ifndef CX_TESTS_LAYER_H
#define CX_TESTS_LAYER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "convx.h"

/* A CHECK that first says more. */
#define CHECK_THAT(condition, ...) \
    ((condition) ? (void)0 : (printf(__VA_ARGS__), printf("\n"), check_fail(__FILE__, __LINE__, #condition)))

/* ---- Random numbers: the same at each run ---------------------------------------------------------------------- */

static uint64_t random_state = 88172645463325252ull;

static inline uint64_t random_bits(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 2685821657736338717ull >> 16;
}
static inline int64_t random_in(int64_t low, int64_t high) {
    return low + (int64_t)(random_bits() % (uint64_t)(high - low + 1));
}
static inline bool one_in(int n) { return random_in(1, n) == 1; }

/* ---- Memory ---------------------------------------------------------------------------------------------------- */

/* Where a tensor lies: in the heap, or against the unreadable page behind it or before it. */
typedef enum placement { IN_HEAP, BEFORE_GUARD, AFTER_GUARD } placement;

typedef struct region {
    char *map, *data;
    size_t mapped, bytes;
} region;

static inline region region_make(size_t bytes, placement where) {
    region r = {NULL, NULL, 0, bytes};
    if (where == IN_HEAP) {
        r.data = malloc(bytes ? bytes : 1);
        return r;
    }
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (bytes + page - 1) / page * page;
    r.mapped = inner + 2 * page;
    r.map = mmap(NULL, r.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r.map == MAP_FAILED) exit(2);
    if (inner && mprotect(r.map + page, inner, PROT_READ | PROT_WRITE)) exit(2);
    r.data = where == AFTER_GUARD ? r.map + page : r.map + page + inner - bytes;
    return r;
}
static inline void region_free(region *r) {
    if (r->map)
        munmap(r->map, r->mapped);
    else
        free(r->data);
}

/* ---- Tensors --------------------------------------------------------------------------------------------------- */

typedef enum layout { CHANNELS_FIRST, CHANNELS_LAST, ANY_LAYOUT } layout;

typedef struct tensor {
    int rank; /* 2 + spatial */
    int64_t size[5], stride[5];
    int64_t count;  /* of elements */
    int64_t first;  /* offset of [0, 0, ...] from the region's begin, in elements */
    int64_t reach;  /* elements from the lowest to the highest address, both included */
    int64_t *value; /* dense, in the order of the indices */
    region memory;
    size_t element;
    void *data; /* of [0, 0, ...] */
} tensor;

static inline void tensor_strides(tensor *t, layout how) {
    int order[5] = {0, 1, 2, 3, 4}; /* outermost first */
    if (how == CHANNELS_LAST) {
        for (int i = 1; i + 1 < t->rank; ++i) order[i] = i + 1;
        order[t->rank - 1] = 1;
    } else if (how == ANY_LAYOUT) {
        for (int i = t->rank - 1; i > 0; --i) {
            const int j = (int)random_in(0, i), kept = order[i];
            order[i] = order[j];
            order[j] = kept;
        }
    }
    int64_t step = how == ANY_LAYOUT ? random_in(1, 2) : 1;
    t->first = 0;
    t->reach = 1;
    for (int i = t->rank - 1; i >= 0; --i) {
        const int d = order[i];
        t->stride[d] = step;
        if (t->size[d] > 0) t->reach += step * (t->size[d] - 1);
        step *= t->size[d] > 0 ? t->size[d] : 1;
        if (how == ANY_LAYOUT) {
            step += random_in(0, 2);
            if (one_in(3) && t->size[d] > 0) {
                t->first += t->stride[d] * (t->size[d] - 1);
                t->stride[d] = -t->stride[d];
            }
        }
    }
}

static inline int64_t tensor_offset(const tensor *t, int64_t index) {
    int64_t offset = 0;
    for (int d = t->rank - 1; d >= 0; --d) {
        offset += index % t->size[d] * t->stride[d];
        index /= t->size[d];
    }
    return offset;
}

static inline double tensor_get(const tensor *t, int64_t index) {
    const char *at = (const char *)t->data + tensor_offset(t, index) * (int64_t)t->element;
    if (t->element == 8) return *(const double *)(const void *)at;
    return (double)*(const float *)(const void *)at;
}
static inline void tensor_set(tensor *t, int64_t index, double v) {
    char *at = (char *)t->data + tensor_offset(t, index) * (int64_t)t->element;
    if (t->element == 8)
        *(double *)(void *)at = v;
    else
        *(float *)(void *)at = (float)v;
}

static inline void tensor_make(tensor *t, size_t element, layout how, placement where) {
    t->element = element;
    t->count = 1;
    for (int d = 0; d < t->rank; ++d) t->count *= t->size[d];
    tensor_strides(t, how);
    if (t->count == 0) t->reach = 0;
    t->memory = region_make((size_t)t->reach * element, where);
    t->data = t->memory.data + (t->count ? t->first : 0) * (int64_t)element;
    t->value = malloc(sizeof(int64_t) * (size_t)(t->count + 1));
}

/* Bytes that no result has: what a run leaves alone keeps them. */
static inline void tensor_spoil(tensor *t) { memset(t->memory.data, 0xA5, t->memory.bytes); }

static inline void tensor_fill_integers(tensor *t) {
    tensor_spoil(t);
    for (int64_t i = 0; i < t->count; ++i) {
        t->value[i] = random_in(-3, 3);
        tensor_set(t, i, (double)t->value[i]);
    }
}
static inline void tensor_fill_reals(tensor *t) {
    tensor_spoil(t);
    for (int64_t i = 0; i < t->count; ++i) tensor_set(t, i, (double)random_in(-1000000, 1000000) / 1048576.0);
}

static inline void tensor_free(tensor *t) {
    region_free(&t->memory);
    free(t->value);
}

/* Whether the bytes between the elements are still as tensor_spoil left them. Destroys the elements. */
static inline bool tensor_gaps_untouched(tensor *t) {
    for (int64_t i = 0; i < t->count; ++i)
        memset((char *)t->data + tensor_offset(t, i) * (int64_t)t->element, 0xA5, t->element);
    for (size_t i = 0; i < t->memory.bytes; ++i)
        if ((unsigned char)t->memory.data[i] != 0xA5) return false;
    return true;
}

/* ---- Layers ---------------------------------------------------------------------------------------------------- */

typedef struct layer {
    convx_conv_params p;
    tensor input, weight, output; /* each stands for its gradient, too */
    tensor bias;
} layer;

static inline convx_conv_params params_make(int rank, convx_dtype dtype) {
    convx_conv_params p;
    memset(&p, 0, sizeof p);
    p.struct_size = sizeof p;
    p.dtype = dtype;
    p.rank = rank;
    p.batch = p.groups = p.in_channels = p.out_channels = 1;
    for (int d = 0; d < rank; ++d) p.input[d] = p.output[d] = p.kernel[d] = p.stride[d] = p.dilation[d] = 1;
    return p;
}

/* Output sizes as the header defines them. False: the kernel does not fit. */
static inline bool params_set_output(convx_conv_params *p) {
    for (int d = 0; d < p->rank; ++d) {
        const int64_t span = p->dilation[d] * (p->kernel[d] - 1) + 1;
        if (p->flags & CONVX_TRANSPOSED) {
            p->output[d] = (p->input[d] - 1) * p->stride[d] - p->pad_before[d] - p->pad_after[d] + span;
            const int64_t most = p->stride[d] > p->dilation[d] ? p->stride[d] : p->dilation[d];
            p->output[d] += random_in(0, most - 1);
            if (p->output[d] < 1) return false;
        } else {
            const int64_t room = p->input[d] + p->pad_before[d] + p->pad_after[d] - span;
            if (room < 0) return false;
            p->output[d] = room / p->stride[d] + 1;
        }
    }
    return true;
}

static inline double params_products(const convx_conv_params *p) {
    double products = (double)(p->batch * p->out_channels * p->in_channels / p->groups);
    for (int d = 0; d < p->rank; ++d)
        products *= (double)(p->kernel[d] * (p->flags & CONVX_TRANSPOSED ? p->input[d] : p->output[d]));
    return products;
}

static inline convx_conv_params params_random(convx_dtype dtype) {
    for (;;) {
        convx_conv_params p = params_make((int)random_in(1, 3), dtype);
        p.batch = one_in(20) ? 0 : random_in(1, 3);
        p.groups = one_in(2) ? 1 : random_in(2, 5);
        const int64_t most = p.rank == 3 ? 6 : one_in(4) ? 40 : 9;
        p.in_channels = p.groups * (p.groups > 1 && one_in(2) ? 1 : random_in(1, most));
        p.out_channels = p.groups * (p.groups > 1 && one_in(2) ? 1 : random_in(1, most));
        const bool pointwise = one_in(6), plain = one_in(3); /* as Winograd wants them */
        if (!pointwise && one_in(3)) p.padding_mode = (int32_t)random_in(1, 4);
        if (p.padding_mode == 0 && one_in(3)) p.flags = CONVX_TRANSPOSED;
        for (int d = 0; d < p.rank; ++d) {
            p.input[d] = one_in(6) ? random_in(1, 3) : random_in(1, p.rank == 1 ? 60 : p.rank == 2 ? 18 : 7);
            if (pointwise) continue;
            p.kernel[d] = random_in(1, 5);
            p.stride[d] = one_in(2) ? 1 : random_in(1, 4);
            p.dilation[d] = one_in(2) ? 1 : random_in(1, 3);
            if (plain) {
                p.kernel[d] = 1 + 2 * random_in(0, one_in(4) ? 3 : 2);
                p.stride[d] = p.dilation[d] = 1;
            }
            p.pad_before[d] = one_in(3) ? 0 : random_in(-1, 4);
            p.pad_after[d] = one_in(2) ? p.pad_before[d] : random_in(-1, 4);
        }
        if (params_set_output(&p) && params_products(&p) < 1000000) return p;
    }
}

static inline void layer_tensors(layer *l, const layout how[3], placement where) {
    convx_conv_params *p = &l->p;
    const size_t element = p->dtype == CONVX_FLOAT64 ? 8 : 4;
    const bool transposed = p->flags & CONVX_TRANSPOSED;
    l->input = (tensor){.rank = p->rank + 2, .size = {p->batch, p->in_channels}};
    l->output = (tensor){.rank = p->rank + 2, .size = {p->batch, p->out_channels}};
    l->weight = (tensor){.rank = p->rank + 2,
                         .size = {transposed ? p->in_channels : p->out_channels,
                                  (transposed ? p->out_channels : p->in_channels) / p->groups}};
    l->bias = (tensor){.rank = 1, .size = {p->out_channels}};
    for (int d = 0; d < p->rank; ++d) {
        l->input.size[2 + d] = p->input[d];
        l->output.size[2 + d] = p->output[d];
        l->weight.size[2 + d] = p->kernel[d];
    }
    tensor_make(&l->input, element, how[0], where);
    tensor_make(&l->weight, element, how[1], where);
    tensor_make(&l->output, element, how[2], where);
    tensor_make(&l->bias, element, CHANNELS_FIRST, where);
    memcpy(p->input_strides, l->input.stride, sizeof p->input_strides);
    memcpy(p->weight_strides, l->weight.stride, sizeof p->weight_strides);
    memcpy(p->output_strides, l->output.stride, sizeof p->output_strides);
}

static inline void layer_random_layouts(layout how[3]) {
    const layout all = (layout)random_in(0, 2);
    for (int i = 0; i < 3; ++i) how[i] = one_in(3) ? (layout)random_in(0, 2) : all;
    if (all == CHANNELS_LAST && one_in(2)) how[1] = CHANNELS_FIRST;
}

static inline void layer_random(layer *l, convx_dtype dtype, placement where) {
    layout how[3];
    layer_random_layouts(how);
    l->p = params_random(dtype);
    layer_tensors(l, how, where);
    tensor_fill_integers(&l->input);
    tensor_fill_integers(&l->weight);
    tensor_fill_integers(&l->output);
    tensor_fill_integers(&l->bias);
}

static inline void layer_free(layer *l) {
    tensor_free(&l->input);
    tensor_free(&l->weight);
    tensor_free(&l->output);
    tensor_free(&l->bias);
}

static inline tensor *layer_result(layer *l, convx_pass pass) {
    return pass == CONVX_FORWARD ? &l->output : pass == CONVX_INPUT_GRADIENT ? &l->input : &l->weight;
}

static inline convx_status layer_run(const layer *l, convx_pass pass, const void *bias, void *result) {
    if (pass == CONVX_FORWARD) return convx_conv_forward(&l->p, l->input.data, l->weight.data, bias, result);
    if (pass == CONVX_INPUT_GRADIENT) return convx_conv_input_gradient(&l->p, l->weight.data, l->output.data, result);
    return convx_conv_weight_gradient(&l->p, l->input.data, l->output.data, result);
}

/* Walks a coordinate back into the image one step at a time; -1: a zero. */
static inline int64_t walk_inside(int64_t c, int64_t extent, int mode) {
    while (c < 0 || c >= extent) {
        switch (mode) {
        case CONVX_PAD_ZEROS: return -1;
        case CONVX_PAD_REPLICATE: c = c < 0 ? 0 : extent - 1; break;
        case CONVX_PAD_CIRCULAR: c += c < 0 ? extent : -extent; break;
        case CONVX_PAD_SYMMETRIC: c = c < 0 ? -1 - c : 2 * extent - 1 - c; break;
        case CONVX_PAD_REFLECT: c = extent == 1 ? 0 : c < 0 ? -c : 2 * (extent - 1) - c; break;
        }
    }
    return c;
}

/* For each tap of the kernel and each place of y, the place of x that they meet, the same in every channel; -1: a zero. */
static inline int64_t *layer_places(const convx_conv_params *p, const tensor *x, const tensor *y) {
    int64_t xs[3] = {1, 1, 1}, ys[3] = {1, 1, 1}, ks[3] = {1, 1, 1};
    int64_t stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};
    for (int d = 0; d < p->rank; ++d) {
        const int e = 3 - p->rank + d;
        xs[e] = x->size[2 + d];
        ys[e] = y->size[2 + d];
        ks[e] = p->kernel[d];
        stride[e] = p->stride[d];
        dilation[e] = p->dilation[d];
        pad[e] = p->pad_before[d];
    }
    const int64_t taps = ks[0] * ks[1] * ks[2], space = ys[0] * ys[1] * ys[2];
    int64_t *places = malloc(sizeof(int64_t) * (size_t)(taps * space + 1));
    for (int64_t k = 0; k < taps; ++k) {
        const int64_t at[3] = {k / ks[2] / ks[1], k / ks[2] % ks[1], k % ks[2]};
        for (int64_t q = 0; q < space; ++q) {
            const int64_t from[3] = {q / ys[2] / ys[1], q / ys[2] % ys[1], q % ys[2]};
            int64_t place = 0;
            for (int d = 0; d < 3; ++d) {
                const int64_t c =
                    walk_inside(from[d] * stride[d] - pad[d] + at[d] * dilation[d], xs[d], p->padding_mode);
                place = place < 0 || c < 0 ? -1 : place * xs[d] + c;
            }
            places[k * space + q] = place;
        }
    }
    return places;
}

static inline int64_t tensor_space(const tensor *t) {
    return t->size[2] * (t->rank > 3 ? t->size[3] : 1) * (t->rank > 4 ? t->size[4] : 1);
}

/* Adds every product of the layer to the result, as the definition lists them. */
static inline void layer_brute_force(const layer *l, convx_pass pass, bool bias, int64_t *result) {
    const convx_conv_params *p = &l->p;
    const bool transposed = p->flags & CONVX_TRANSPOSED;
    /* of the convolution: x is padded, y is not */
    const tensor *x = transposed ? &l->output : &l->input, *y = transposed ? &l->input : &l->output, *w = &l->weight;
    const tensor *r = pass == CONVX_FORWARD ? &l->output : pass == CONVX_INPUT_GRADIENT ? &l->input : &l->weight;
    for (int64_t i = 0; i < r->count; ++i) result[i] = bias ? l->bias.value[i / tensor_space(r) % r->size[1]] : 0;
    if (p->batch == 0) return;

    int64_t *places = layer_places(p, x, y);
    const int64_t co = w->size[0] / p->groups, ci = w->size[1];
    const int64_t xspace = tensor_space(x), yspace = tensor_space(y), taps = tensor_space(w);
    for (int64_t n = 0; n < p->batch; ++n)
        for (int64_t o = 0; o < w->size[0]; ++o)
            for (int64_t i = 0; i < ci; ++i)
                for (int64_t k = 0; k < taps; ++k) {
                    const int64_t *place = places + k * yspace;
                    const int64_t xi = (n * x->size[1] + o / co * ci + i) * xspace;
                    const int64_t yi = (n * y->size[1] + o) * yspace;
                    const int64_t wi = (o * ci + i) * taps + k;
                    for (int64_t q = 0; q < yspace; ++q) {
                        if (place[q] < 0) continue;
                        if (r == y)
                            result[yi + q] += x->value[xi + place[q]] * w->value[wi];
                        else if (r == x)
                            result[xi + place[q]] += y->value[yi + q] * w->value[wi];
                        else
                            result[wi] += x->value[xi + place[q]] * y->value[yi + q];
                    }
                }
    free(places);
}

static inline const char *layer_text(const layer *l, convx_pass pass) {
    static char text[600];
    const convx_conv_params *p = &l->p;
    int n = snprintf(text, sizeof text,
                     "pass %d dtype %d rank %d flags %d mode %d algorithm %s n %lld g %lld c %lld->%lld", pass,
                     p->dtype, p->rank, p->flags, p->padding_mode, convx_algorithm_name((convx_algorithm)p->algorithm),
                     (long long)p->batch, (long long)p->groups, (long long)p->in_channels, (long long)p->out_channels);
    for (int d = 0; d < p->rank; ++d)
        n += snprintf(text + n, sizeof text - (size_t)n, " [in %lld out %lld k %lld s %lld d %lld p %lld,%lld]",
                      (long long)p->input[d], (long long)p->output[d], (long long)p->kernel[d], (long long)p->stride[d],
                      (long long)p->dilation[d], (long long)p->pad_before[d], (long long)p->pad_after[d]);
    for (int d = 0; d < p->rank + 2; ++d)
        n += snprintf(text + n, sizeof text - (size_t)n, " %lld/%lld/%lld", (long long)p->input_strides[d],
                      (long long)p->weight_strides[d], (long long)p->output_strides[d]);
    return text;
}

#endif
