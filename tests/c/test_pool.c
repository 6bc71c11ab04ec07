/* Pooling against its reference on random layers: any strides and layout, between unreadable pages, and what is refused. */
#include "check.h"
#include "faults.h"
#include "layer.h"

#include <math.h>

#include "base/memory.h"

enum { layers = 1500 };

typedef struct pool {
    convx_pool_params p;
    tensor x, y, gy, gx, index;
} pool;

static void random_window(convx_pool_params *p, int d) {
    p->kernel[d] = random_in(1, 5);
    if (one_in(8)) p->kernel[d] = random_in(6, 40);
    p->stride[d] = one_in(2) ? 1 : random_in(1, 4);
    p->dilation[d] = one_in(4) ? random_in(2, 3) : 1;
    const int64_t reach = p->dilation[d] * (p->kernel[d] - 1);
    p->pad_before[d] = one_in(2) ? 0 : random_in(0, reach);
    p->pad_after[d] = one_in(2) ? p->pad_before[d] : random_in(0, reach);
}

static convx_pool_params pool_params(convx_dtype dtype, int rank) {
    convx_pool_params p;
    memset(&p, 0, sizeof p);
    p.struct_size = sizeof p;
    p.dtype = (int32_t)dtype;
    p.rank = rank;
    p.kind = CONVX_POOL_MAX;
    p.batch = p.channels = 1;
    for (int d = 0; d < rank; ++d) p.input[d] = p.output[d] = p.kernel[d] = p.stride[d] = p.dilation[d] = 1;
    return p;
}

static void shape_of(tensor *t, const convx_pool_params *p, const int64_t *extent) {
    t->rank = p->rank + 2;
    t->size[0] = p->batch;
    t->size[1] = p->channels;
    for (int d = 0; d < p->rank; ++d) t->size[2 + d] = extent[d];
}

static void make(pool *l, tensor *t, const int64_t *extent, int64_t *strides, size_t element, layout how,
                 placement where) {
    shape_of(t, &l->p, extent);
    tensor_make(t, element, how, where);
    memcpy(strides, t->stride, sizeof(int64_t) * (size_t)t->rank);
}

static pool pool_random(convx_dtype dtype, placement where) {
    pool l = {.p = pool_params(dtype, (int)random_in(1, 3))};
    convx_pool_params *p = &l.p;
    p->kind = one_in(2) ? CONVX_POOL_MAX : CONVX_POOL_AVERAGE;
    p->flags = (int32_t)random_in(0, 7);
    p->divisor = one_in(4) ? random_in(1, 9) : 0;
    p->batch = random_in(1, 2);
    p->channels = one_in(3) ? random_in(1, 40) : one_in(5) ? 32 : random_in(1, 4);
    const int64_t widest = p->rank == 1 ? 90 : p->rank == 2 ? 40 : 9;
    do {
        for (int d = 0; d < p->rank; ++d) {
            p->input[d] = random_in(1, widest);
            p->output[d] = random_in(1, one_in(2) ? p->input[d] : 3);
            if (one_in(3)) p->output[d] = 1;
            random_window(p, d);
        }
    } while (!(p->flags & CONVX_POOL_ADAPTIVE) && convx_pool_output_size(p, p->output) != CONVX_OK);
    const size_t element = dtype == CONVX_FLOAT64 ? 8 : 4;
    const layout how = (layout)random_in(0, 2);
    make(&l, &l.x, p->input, p->input_strides, element, one_in(4) ? (layout)random_in(0, 2) : how, where);
    make(&l, &l.y, p->output, p->output_strides, element, how, where);
    l.gy = l.y;
    l.gy.memory = region_make(l.y.memory.bytes, where);
    l.gy.data = l.gy.memory.data + ((char *)l.y.data - l.y.memory.data);
    l.gy.value = malloc(sizeof(int64_t) * (size_t)l.y.count);
    make(&l, &l.gx, p->input, p->grad_input_strides, element, how, where);
    make(&l, &l.index, p->output, p->index_strides, 8, how, where);
    tensor_fill_integers(&l.x);
    if (p->kind == CONVX_POOL_MAX && one_in(3))
        for (int64_t i = 0; i < l.x.count; ++i)
            if (one_in(3)) tensor_set(&l.x, i, one_in(5) ? NAN : -INFINITY);
    tensor_fill_integers(&l.gy);
    return l;
}

static void pool_free(pool *l) {
    tensor *all[] = {&l->x, &l->y, &l->gy, &l->gx, &l->index};
    for (int i = 0; i < 5; ++i) tensor_free(all[i]);
}

static const char *text_of(const convx_pool_params *p) {
    static char text[600];
    int at = snprintf(text, sizeof text, "dtype %d kind %d flags %d divisor %lld batch %lld channels %lld", p->dtype,
                      p->kind, p->flags, (long long)p->divisor, (long long)p->batch, (long long)p->channels);
    for (int d = 0; d < p->rank; ++d)
        at +=
            snprintf(text + at, sizeof text - (size_t)at, " [in %lld out %lld k %lld s %lld d %lld pad %lld %lld]",
                     (long long)p->input[d], (long long)p->output[d], (long long)p->kernel[d], (long long)p->stride[d],
                     (long long)p->dilation[d], (long long)p->pad_before[d], (long long)p->pad_after[d]);
    return text;
}

static int64_t *index_at(const tensor *t, int64_t i) {
    return (int64_t *)(void *)((char *)t->data + tensor_offset(t, i) * 8);
}

/* Results of one run, dense. */
typedef struct results {
    double *y, *gx;
    int64_t *index;
} results;

static results run(pool *l, convx_algorithm algorithm, bool indexed) {
    results r = {malloc(sizeof(double) * (size_t)l->y.count), malloc(sizeof(double) * (size_t)l->gx.count),
                 malloc(sizeof(int64_t) * (size_t)l->y.count)};
    const bool max = l->p.kind == CONVX_POOL_MAX;
    l->p.algorithm = (int32_t)algorithm;
    tensor_spoil(&l->y);
    tensor_spoil(&l->gx);
    tensor_spoil(&l->index);
    int64_t *indices = max && indexed ? l->index.data : NULL;
    CHECK_THAT(convx_pool_forward(&l->p, l->x.data, l->y.data, indices) == CONVX_OK, "%s", text_of(&l->p));
    CHECK_THAT(convx_pool_backward(&l->p, l->x.data, indices, l->gy.data, l->gx.data) == CONVX_OK, "%s",
               text_of(&l->p));
    for (int64_t i = 0; i < l->y.count; ++i) r.y[i] = tensor_get(&l->y, i);
    for (int64_t i = 0; i < l->gx.count; ++i) r.gx[i] = tensor_get(&l->gx, i);
    if (indices)
        for (int64_t i = 0; i < l->y.count; ++i) r.index[i] = *index_at(&l->index, i);
    CHECK_THAT(tensor_gaps_untouched(&l->y) && tensor_gaps_untouched(&l->gx), "wrote between: %s", text_of(&l->p));
    if (indices) CHECK_THAT(tensor_gaps_untouched(&l->index), "wrote between the indices: %s", text_of(&l->p));
    return r;
}

static bool near(double a, double b, double bound) { return (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= bound; }

static void free_results(results *r) {
    free(r->y);
    free(r->gx);
    free(r->index);
}

static void compare(convx_dtype dtype, placement where, int count) {
    const double eps = dtype == CONVX_FLOAT64 ? 2.3e-16 : 1.2e-7;
    for (int i = 0; i < count; ++i) {
        pool l = pool_random(dtype, where);
        const bool indexed = one_in(2), max = l.p.kind == CONVX_POOL_MAX;
        results expected = run(&l, CONVX_ALGO_REFERENCE, indexed), found = run(&l, CONVX_ALGO_AUTO, indexed);
        for (int64_t j = 0; j < l.y.count; ++j) {
            CHECK_THAT(near(found.y[j], expected.y[j], max ? 0 : eps * fabs(expected.y[j])), "y %lld is %g, not %g: %s",
                       (long long)j, found.y[j], expected.y[j], text_of(&l.p));
            if (max && indexed)
                CHECK_THAT(found.index[j] == expected.index[j], "index %lld is %lld, not %lld: %s", (long long)j,
                           (long long)found.index[j], (long long)expected.index[j], text_of(&l.p));
        }
        /* shares of at most 3, one for each window at most */
        const double bound = max ? 0 : 3 * eps * (double)(l.y.count + 2);
        for (int64_t j = 0; j < l.gx.count; ++j)
            CHECK_THAT(near(found.gx[j], expected.gx[j], bound), "gx %lld is %g, not %g: %s", (long long)j, found.gx[j],
                       expected.gx[j], text_of(&l.p));
        free_results(&expected);
        free_results(&found);
        pool_free(&l);
    }
}

static void any_layer_gives_what_the_reference_gives(void) {
    compare(CONVX_FLOAT32, IN_HEAP, layers);
    compare(CONVX_FLOAT64, IN_HEAP, layers);
}

static void no_byte_outside_the_tensors_is_touched(void) {
    for (int where = BEFORE_GUARD; where <= AFTER_GUARD; ++where) {
        compare(CONVX_FLOAT32, (placement)where, layers / 3);
        compare(CONVX_FLOAT64, (placement)where, layers / 3);
    }
}

static void unpooling_moves_values_to_their_indices_and_gradients_back(void) {
    for (int i = 0; i < layers / 3; ++i) {
        pool l = pool_random(one_in(2) ? CONVX_FLOAT32 : CONVX_FLOAT64, (placement)random_in(0, 2));
        const int64_t places = l.x.count / (l.p.batch * l.p.channels), pooled = l.y.count / (l.p.batch * l.p.channels);
        double *expected = calloc((size_t)l.x.count, sizeof *expected);
        tensor_fill_integers(&l.y);
        tensor_fill_integers(&l.gx);
        for (int64_t j = 0; j < l.y.count; ++j) {
            *index_at(&l.index, j) = random_in(0, places - 1);
            expected[j / pooled * places + *index_at(&l.index, j)] = tensor_get(&l.y, j);
        }
        CHECK(convx_unpool_forward(&l.p, l.y.data, l.index.data, l.x.data) == CONVX_OK);
        for (int64_t j = 0; j < l.x.count; ++j) CHECK(tensor_get(&l.x, j) == expected[j]);
        memcpy(l.p.input_strides, l.p.grad_input_strides, sizeof l.p.input_strides);
        CHECK(convx_unpool_backward(&l.p, l.gx.data, l.index.data, l.y.data) == CONVX_OK);
        for (int64_t j = 0; j < l.y.count; ++j)
            CHECK(tensor_get(&l.y, j) == tensor_get(&l.gx, j / pooled * places + *index_at(&l.index, j)));
        *index_at(&l.index, random_in(0, l.y.count - 1)) = one_in(2) ? -1 : places;
        CHECK(convx_unpool_backward(&l.p, l.gx.data, l.index.data, l.y.data) == CONVX_INVALID_INDEX);
        CHECK(tensor_gaps_untouched(&l.y));
        CHECK(convx_unpool_forward(&l.p, l.y.data, l.index.data, l.gx.data) == CONVX_INVALID_INDEX);
        free(expected);
        pool_free(&l);
    }
}

static float memory[3][2048];
static int64_t indices[2048];

static convx_pool_params good(void) {
    convx_pool_params p = pool_params(CONVX_FLOAT32, 2);
    p.batch = 2;
    p.channels = 3;
    for (int d = 0; d < 2; ++d) {
        p.input[d] = 8;
        p.output[d] = 4;
        p.kernel[d] = p.stride[d] = 2;
    }
    const int64_t x[4] = {192, 64, 8, 1}, y[4] = {48, 16, 4, 1};
    memcpy(p.input_strides, x, sizeof x);
    memcpy(p.grad_input_strides, x, sizeof x);
    memcpy(p.output_strides, y, sizeof y);
    memcpy(p.index_strides, y, sizeof y);
    return p;
}

#define REFUSES(status, change)                                                         \
    do {                                                                                \
        convx_pool_params p = good();                                                   \
        CHECK(convx_pool_forward(&p, memory[0], memory[1], indices) == CONVX_OK);       \
        change;                                                                         \
        memory[1][0] = 42;                                                              \
        const convx_status got = convx_pool_forward(&p, memory[0], memory[1], indices); \
        CHECK_THAT(got == (status), "%s: %s", #change, convx_status_string(got));       \
        CHECK(memory[1][0] == 42);                                                      \
    } while (0)

static void what_makes_no_sense_is_refused_and_nothing_is_written(void) {
    REFUSES(CONVX_INVALID_ARGUMENT, p.struct_size -= 8);
    REFUSES(CONVX_INVALID_ARGUMENT, p.dtype = 3);
    REFUSES(CONVX_INVALID_ARGUMENT, p.rank = 4);
    REFUSES(CONVX_INVALID_ARGUMENT, p.kind = 0);
    REFUSES(CONVX_INVALID_ARGUMENT, p.kind = CONVX_POOL_AVERAGE); /* has no indices */
    REFUSES(CONVX_INVALID_ARGUMENT, p.flags = 8);
    REFUSES(CONVX_INVALID_ARGUMENT, p.algorithm = CONVX_ALGO_GEMM);
    REFUSES(CONVX_INVALID_SHAPE, p.batch = -1);
    REFUSES(CONVX_INVALID_SHAPE, p.kernel[0] = 0);
    REFUSES(CONVX_INVALID_SHAPE, p.stride[1] = 0);
    REFUSES(CONVX_INVALID_SHAPE, p.dilation[1] = 0);
    REFUSES(CONVX_INVALID_SHAPE, p.input[0] = 0);
    REFUSES(CONVX_INVALID_SHAPE, p.output[0] = 5);
    REFUSES(CONVX_INVALID_SHAPE, p.pad_before[0] = 2);
    REFUSES(CONVX_INVALID_SHAPE, p.pad_after[1] = -1);
    REFUSES(CONVX_OVERFLOW, p.stride[1] = (int64_t)1 << 61);
    REFUSES(CONVX_OVERFLOW, p.dilation[0] = (int64_t)1 << 61);
    REFUSES(CONVX_OVERFLOW, p.input_strides[0] = (int64_t)1 << 61);
    REFUSES(CONVX_OVERLAP, p.output_strides[1] = 0);
    REFUSES(CONVX_OVERLAP, p.index_strides[0] = 15);
    convx_pool_params p = good();
    CHECK(convx_pool_forward(NULL, memory[0], memory[1], NULL) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_pool_forward(&p, NULL, memory[1], NULL) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_pool_forward(&p, memory[0], NULL, NULL) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_pool_forward(&p, memory[0], memory[0] + 383, NULL) == CONVX_OVERLAP);
    CHECK(convx_pool_forward(&p, memory[0], memory[0] + 384, NULL) == CONVX_OK);
    CHECK(convx_pool_backward(&p, memory[0], NULL, memory[1], NULL) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_pool_backward(&p, NULL, NULL, memory[1], memory[2]) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_pool_backward(&p, memory[2], NULL, memory[1], memory[2]) == CONVX_OVERLAP);
    CHECK(convx_pool_backward(&p, memory[2], indices, memory[1], memory[2]) == CONVX_OK); /* not read */
    indices[7] = 64;
    CHECK(convx_pool_backward(&p, NULL, indices, memory[1], memory[2]) == CONVX_INVALID_INDEX);
    indices[7] = -2;
    CHECK(convx_pool_backward(&p, NULL, indices, memory[1], memory[2]) == CONVX_INVALID_INDEX);
    indices[7] = -1;
    CHECK(convx_pool_backward(&p, NULL, indices, memory[1], memory[2]) == CONVX_OK);
    int64_t output[3];
    CHECK(convx_pool_output_size(&p, output) == CONVX_OK && output[0] == 4 && output[1] == 4);
    p.flags = CONVX_POOL_ADAPTIVE;
    CHECK(convx_pool_output_size(&p, output) == CONVX_INVALID_ARGUMENT);
}

static void empty_tensors_are_served(void) {
    convx_pool_params p = good();
    p.batch = 0;
    CHECK(convx_pool_forward(&p, NULL, NULL, NULL) == CONVX_OK);
    CHECK(convx_pool_backward(&p, NULL, NULL, NULL, NULL) == CONVX_OK);
    p = good();
    p.flags = CONVX_POOL_ADAPTIVE;
    p.output[0] = 0;
    memory[2][0] = memory[2][383] = 42;
    CHECK(convx_pool_forward(&p, NULL, NULL, NULL) == CONVX_OK);
    CHECK(convx_pool_backward(&p, NULL, NULL, NULL, memory[2]) == CONVX_OK);
    CHECK(memory[2][0] == 0 && memory[2][383] == 0);
}

static void calls_without_memory_say_so(void) {
    convx_pool_params p = good();
    p.flags = CONVX_POOL_ADAPTIVE;
    p.output[0] = p.output[1] = 3;
    for (int64_t allowed = 0; allowed < 6; ++allowed) {
        for (int kind = CONVX_POOL_MAX; kind <= CONVX_POOL_AVERAGE; ++kind) {
            p.kind = kind;
            int64_t *found = kind == CONVX_POOL_MAX ? indices : NULL;
            cx_memory_fail_after(allowed);
            const convx_status forward = convx_pool_forward(&p, memory[0], memory[1], found);
            cx_memory_fail_after(allowed);
            const convx_status backward = convx_pool_backward(&p, memory[0], NULL, memory[1], memory[2]);
            cx_memory_fail_after(-1);
            CHECK(forward == CONVX_OK || forward == CONVX_OUT_OF_MEMORY);
            CHECK(backward == CONVX_OK || backward == CONVX_OUT_OF_MEMORY);
            CHECK(allowed > 0 || (forward == CONVX_OUT_OF_MEMORY && backward == CONVX_OUT_OF_MEMORY));
            CHECK(allowed < 5 || (forward == CONVX_OK && backward == CONVX_OK));
        }
    }
}

int main(void) {
    report_faults();
    RUN(any_layer_gives_what_the_reference_gives);
    RUN(no_byte_outside_the_tensors_is_touched);
    RUN(unpooling_moves_values_to_their_indices_and_gradients_back);
    RUN(what_makes_no_sense_is_refused_and_nothing_is_written);
    RUN(empty_tensors_are_served);
    RUN(calls_without_memory_say_so);
    return check_report();
}
