/* The calls for functions of one element, softmax and linear layers: what they refuse, and that they keep to their tensors. */
#include "layer.h"

enum { MOST = 80 };

static const convx_dtype dtypes[] = {CONVX_FLOAT32, CONVX_FLOAT64};

static size_t size_of(convx_dtype dtype) { return dtype == CONVX_FLOAT64 ? 8 : 4; }

static region filled(convx_dtype dtype, int64_t n, placement where) {
    region r = region_make((size_t)n * size_of(dtype), where);
    for (int64_t i = 0; i < n; ++i) {
        const double value = (double)random_in(-4, 4);
        if (dtype == CONVX_FLOAT64)
            ((double *)r.data)[i] = value;
        else
            ((float *)r.data)[i] = (float)value;
    }
    return r;
}

static void functions_read_and_write_nothing_beyond_their_tensors(void) {
    for (int d = 0; d < 2; ++d)
        for (int64_t n = 0; n < MOST; n += 1 + n / 20)
            for (placement where = BEFORE_GUARD; where <= AFTER_GUARD; ++where) {
                region t[4];
                for (int i = 0; i < 4; ++i) t[i] = filled(dtypes[d], n, where);
                const int64_t contiguous = 1, turned = -1;
                void *last = t[0].data + (n ? n - 1 : 0) * (int64_t)size_of(dtypes[d]);
                for (int function = CONVX_FN_RELU; function <= CONVX_FN_GELU_TANH; ++function) {
                    convx_pointwise_params p = {.struct_size = sizeof p,
                                                .dtype = dtypes[d],
                                                .function = function,
                                                .alpha = -1,
                                                .beta = 1,
                                                .ndim = 1,
                                                .sizes = &n,
                                                .input_strides = &contiguous,
                                                .output_strides = &contiguous,
                                                .grad_output_strides = &contiguous,
                                                .grad_input_strides = &contiguous};
                    CHECK(convx_pointwise_forward(&p, t[0].data, t[1].data) == CONVX_OK);
                    CHECK(convx_pointwise_backward(&p, t[0].data, t[1].data, t[2].data, t[3].data) == CONVX_OK);
                    CHECK(convx_pointwise_backward(&p, t[0].data, NULL, t[2].data, t[3].data) == CONVX_OK);
                    p.input_strides = &turned;
                    CHECK(convx_pointwise_forward(&p, last, t[1].data) == CONVX_OK);
                }
                for (int i = 0; i < 4; ++i) region_free(&t[i]);
            }
}

static void softmax_reads_and_writes_nothing_beyond_its_tensors(void) {
    for (int d = 0; d < 2; ++d)
        for (int trial = 0; trial < 400; ++trial) {
            const int64_t sizes[3] = {random_in(1, 5), random_in(1, 70), random_in(1, one_in(2) ? 70 : 3)};
            const int64_t strides[3] = {sizes[1] * sizes[2], sizes[2], 1}, n = sizes[0] * strides[0];
            const placement where = (placement)random_in(BEFORE_GUARD, AFTER_GUARD);
            region t[4];
            for (int i = 0; i < 4; ++i) t[i] = filled(dtypes[d], n, where);
            const convx_softmax_params p = {.struct_size = sizeof p,
                                            .dtype = dtypes[d],
                                            .log = one_in(2),
                                            .ndim = 3,
                                            .axis = (int32_t)random_in(0, 2),
                                            .sizes = sizes,
                                            .input_strides = strides,
                                            .output_strides = strides,
                                            .grad_output_strides = strides,
                                            .grad_input_strides = strides};
            CHECK(convx_softmax_forward(&p, t[0].data, t[1].data) == CONVX_OK);
            CHECK(convx_softmax_backward(&p, t[1].data, t[2].data, t[3].data) == CONVX_OK);
            CHECK(convx_softmax_backward(&p, t[1].data, t[2].data, t[2].data) == CONVX_OK);
            for (int i = 0; i < 4; ++i) region_free(&t[i]);
        }
}

static convx_linear_params linear_of(convx_dtype dtype, int64_t rows, int64_t ins, int64_t outs) {
    return (convx_linear_params){.struct_size = sizeof(convx_linear_params),
                                 .dtype = dtype,
                                 .rows = rows,
                                 .in_features = ins,
                                 .out_features = outs,
                                 .input_strides = {ins, 1},
                                 .weight_strides = {ins, 1},
                                 .output_strides = {outs, 1}};
}

static double element(const region *r, convx_dtype dtype, int64_t at) {
    return dtype == CONVX_FLOAT64 ? ((const double *)r->data)[at] : ((const float *)r->data)[at];
}

static void linear_layers_are_exact_and_keep_to_their_tensors(void) {
    for (int d = 0; d < 2; ++d)
        for (int trial = 0; trial < 300; ++trial) {
            const convx_dtype dtype = dtypes[d];
            const int64_t rows = random_in(0, one_in(2) ? 5 : 40), ins = random_in(0, 70), outs = random_in(0, 70);
            const placement where = (placement)random_in(BEFORE_GUARD, AFTER_GUARD);
            convx_linear_params p = linear_of(dtype, rows, ins, outs);
            if (one_in(2)) { /* the weights transposed */
                p.weight_strides[0] = 1;
                p.weight_strides[1] = outs;
            }
            region x = filled(dtype, rows * ins, where), w = filled(dtype, outs * ins, where);
            region b = filled(dtype, outs, where), gy = filled(dtype, rows * outs, where);
            region y = filled(dtype, rows * outs, where), gx = filled(dtype, rows * ins, where);
            region gw = filled(dtype, outs * ins, where), gb = filled(dtype, outs, where);
            CHECK(convx_linear_forward(&p, x.data, w.data, b.data, y.data) == CONVX_OK);
            CHECK(convx_linear_input_gradient(&p, w.data, gy.data, gx.data) == CONVX_OK);
            CHECK(convx_linear_weight_gradient(&p, x.data, gy.data, gw.data) == CONVX_OK);
            CHECK(convx_linear_bias_gradient(&p, gy.data, gb.data) == CONVX_OK);
            const int64_t *ws = p.weight_strides;
            for (int64_t o = 0; o < outs; ++o) {
                double sum = 0;
                for (int64_t r = 0; r < rows; ++r) {
                    double dot = element(&b, dtype, o);
                    for (int64_t i = 0; i < ins; ++i)
                        dot += element(&x, dtype, r * ins + i) * element(&w, dtype, o * ws[0] + i * ws[1]);
                    CHECK(element(&y, dtype, r * outs + o) == dot);
                    sum += element(&gy, dtype, r * outs + o);
                }
                CHECK(element(&gb, dtype, o) == sum);
            }
            for (int64_t i = 0; i < ins; ++i) {
                for (int64_t r = 0; r < rows; ++r) {
                    double dot = 0;
                    for (int64_t o = 0; o < outs; ++o)
                        dot += element(&gy, dtype, r * outs + o) * element(&w, dtype, o * ws[0] + i * ws[1]);
                    CHECK(element(&gx, dtype, r * ins + i) == dot);
                }
                for (int64_t o = 0; o < outs; ++o) {
                    double dot = 0;
                    for (int64_t r = 0; r < rows; ++r)
                        dot += element(&gy, dtype, r * outs + o) * element(&x, dtype, r * ins + i);
                    CHECK(element(&gw, dtype, o * ws[0] + i * ws[1]) == dot);
                }
            }
            region *all[] = {&x, &w, &b, &gy, &y, &gx, &gw, &gb};
            for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) region_free(all[i]);
        }
}

static float memory[2][64];

static void functions_refuse_what_makes_no_sense(void) {
    int64_t sizes[2] = {4, 8}, strides[2] = {8, 1};
    const convx_pointwise_params good = {.struct_size = sizeof good,
                                         .dtype = CONVX_FLOAT32,
                                         .function = CONVX_FN_TANH,
                                         .ndim = 2,
                                         .sizes = sizes,
                                         .input_strides = strides,
                                         .output_strides = strides};
    float *x = memory[0], *y = memory[1];
    CHECK(convx_pointwise_forward(&good, x, y) == CONVX_OK);
    CHECK(convx_pointwise_forward(&good, x, x) == CONVX_OK);
    CHECK(convx_pointwise_forward(NULL, x, y) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_pointwise_forward(&good, NULL, y) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_pointwise_forward(&good, x, NULL) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_pointwise_backward(&good, x, NULL, x, y) == CONVX_INVALID_ARGUMENT); /* no strides of gradients */
    CHECK(convx_pointwise_forward(&good, x, x + 1) == CONVX_OVERLAP);
    convx_pointwise_params p = good;
    p.struct_size -= 1;
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_INVALID_ARGUMENT);
    p = good;
    p.dtype = 3;
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_INVALID_ARGUMENT);
    for (int i = 0; i < 2; ++i) {
        p = good;
        p.function = i ? CONVX_FN_GELU_TANH + 1 : 0;
        CHECK(convx_pointwise_forward(&p, x, y) == CONVX_INVALID_ARGUMENT);
    }
    p = good;
    p.sizes = NULL;
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_INVALID_ARGUMENT);
    p = good;
    p.input_strides = NULL;
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_INVALID_ARGUMENT);
    p = good;
    p.ndim = 65;
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_INVALID_SHAPE);
    p.ndim = -1;
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_INVALID_SHAPE);
    p.ndim = 0;
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_OK);
    p = good;
    int64_t other[2] = {-1, 8}, far[2] = {INT64_MAX / 2, 1}, still[2] = {0, 1};
    p.sizes = other;
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_INVALID_SHAPE);
    other[0] = 0;
    CHECK(convx_pointwise_forward(&p, NULL, NULL) == CONVX_OK);
    p = good;
    p.input_strides = far;
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_OVERFLOW);
    far[0] = INT64_MIN;
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_OVERFLOW);
    p.input_strides = still; /* one row for all */
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_OK);
    p.input_strides = strides;
    p.output_strides = still;
    CHECK(convx_pointwise_forward(&p, x, y) == CONVX_OVERLAP);
}

static void softmax_refuses_what_makes_no_sense(void) {
    const int64_t sizes[2] = {4, 8}, strides[2] = {8, 1}, empty[2] = {4, 0};
    const convx_softmax_params good = {.struct_size = sizeof good,
                                       .dtype = CONVX_FLOAT32,
                                       .ndim = 2,
                                       .axis = 1,
                                       .sizes = sizes,
                                       .input_strides = strides,
                                       .output_strides = strides};
    float *x = memory[0], *y = memory[1];
    CHECK(convx_softmax_forward(&good, x, y) == CONVX_OK);
    CHECK(convx_softmax_forward(&good, x, x) == CONVX_OK);
    CHECK(convx_softmax_forward(NULL, x, y) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_softmax_forward(&good, NULL, y) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_softmax_backward(&good, x, x, y) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_softmax_forward(&good, x, x + 1) == CONVX_OVERLAP);
    for (int32_t axis = -1; axis <= 2; axis += 3) {
        convx_softmax_params p = good;
        p.axis = axis;
        CHECK(convx_softmax_forward(&p, x, y) == CONVX_INVALID_ARGUMENT);
    }
    convx_softmax_params p = good;
    p.log = 2;
    CHECK(convx_softmax_forward(&p, x, y) == CONVX_INVALID_ARGUMENT);
    p = good;
    p.sizes = empty;
    CHECK(convx_softmax_forward(&p, NULL, NULL) == CONVX_OK);
    p = good;
    p.ndim = 0;
    p.axis = 0;
    x[0] = 7;
    CHECK(convx_softmax_forward(&p, x, y) == CONVX_OK);
    CHECK(y[0] == 1);
}

static void linear_layers_refuse_what_makes_no_sense(void) {
    float *x = memory[0], *y = memory[1];
    static float w[64];
    const convx_linear_params good = linear_of(CONVX_FLOAT32, 2, 4, 8);
    CHECK(convx_linear_forward(&good, x, w, NULL, y) == CONVX_OK);
    CHECK(convx_linear_forward(NULL, x, w, NULL, y) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_linear_forward(&good, x, NULL, NULL, y) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_linear_forward(&good, x, w, NULL, NULL) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_linear_forward(&good, x, w, NULL, x + 4) == CONVX_OVERLAP);
    CHECK(convx_linear_forward(&good, x, w, NULL, w) == CONVX_OVERLAP);
    convx_linear_params p = good;
    p.struct_size = 0;
    CHECK(convx_linear_input_gradient(&p, w, y, x) == CONVX_INVALID_ARGUMENT);
    p = good;
    p.dtype = 0;
    CHECK(convx_linear_weight_gradient(&p, x, y, w) == CONVX_INVALID_ARGUMENT);
    p = good;
    p.rows = -1;
    CHECK(convx_linear_forward(&p, x, w, NULL, y) == CONVX_INVALID_SHAPE);
    p = good;
    p.rows = INT64_MAX / 2;
    CHECK(convx_linear_forward(&p, x, w, NULL, y) == CONVX_OVERFLOW);
    p = good;
    p.output_strides[0] = 0;
    CHECK(convx_linear_forward(&p, x, w, NULL, y) == CONVX_OVERLAP);
}

int main(void) {
    RUN(functions_read_and_write_nothing_beyond_their_tensors);
    RUN(softmax_reads_and_writes_nothing_beyond_its_tensors);
    RUN(linear_layers_are_exact_and_keep_to_their_tensors);
    RUN(functions_refuse_what_makes_no_sense);
    RUN(softmax_refuses_what_makes_no_sense);
    RUN(linear_layers_refuse_what_makes_no_sense);
    return check_report();
}
