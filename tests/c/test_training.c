/* Batch normalisation and the optimisers' steps: results, what they read and write, and what they refuse. */
#include <math.h>

#include "base/memory.h"
#include "layer.h"

static double uniform(void) { return (double)random_in(-1000, 1000) / 500; }

static void tensor_fill_uniform(tensor *t) {
    for (int64_t i = 0; i < t->count; ++i) tensor_set(t, i, uniform());
}

/* A vector of one element a channel, against the unreadable page behind it. */
static tensor vector_make(int64_t count, size_t element) {
    tensor t = {.rank = 1, .size = {count}};
    tensor_make(&t, element, CHANNELS_FIRST, BEFORE_GUARD);
    tensor_fill_uniform(&t);
    return t;
}

static void tensor_release(tensor *t) {
    region_free(&t->memory);
    free(t->value);
}

/* ---- Batch normalisation ----------------------------------------------------------------------------------------- */

typedef struct norm {
    convx_batch_norm_params p;
    tensor x, y, gx;                                /* y also as grad_output */
    tensor weight, bias, mean, deviation, variance; /* deviation: inverse_std, or grad_weight */
    int64_t channels, places;
    double tolerance;
} norm;

static tensor activations(const norm *n, layout how, int64_t *strides) {
    tensor t = {.rank = n->p.rank + 2, .size = {n->p.batch, n->p.channels}};
    for (int d = 0; d < n->p.rank; ++d) t.size[d + 2] = n->p.size[d];
    tensor_make(&t, n->p.dtype == CONVX_FLOAT64 ? 8 : 4, how, (placement)random_in(0, 2));
    memcpy(strides, t.stride, (size_t)t.rank * sizeof *strides);
    tensor_fill_uniform(&t);
    return t;
}

static norm norm_random(void) {
    norm n = {.p = {.struct_size = sizeof n.p, .epsilon = 1e-5, .momentum = 0.1}};
    n.p.dtype = one_in(2) ? CONVX_FLOAT64 : CONVX_FLOAT32;
    n.tolerance = n.p.dtype == CONVX_FLOAT64 ? 1e-10 : 2e-4;
    n.p.rank = (int32_t)random_in(1, 3);
    n.p.batch = random_in(2, 5);
    n.channels = n.p.channels = one_in(4) ? random_in(1, 100) : random_in(1, 6);
    n.places = n.p.batch;
    for (int d = 0; d < n.p.rank; ++d) {
        n.p.size[d] = one_in(6) ? random_in(1, 300 / n.p.rank) : random_in(1, 9);
        n.places *= n.p.size[d];
    }
    const layout how = (layout)random_in(0, 2);
    n.x = activations(&n, how, n.p.input_strides);
    n.y = activations(&n, one_in(3) ? (layout)random_in(0, 2) : how, n.p.output_strides);
    n.gx = activations(&n, one_in(3) ? (layout)random_in(0, 2) : how, n.p.grad_input_strides);
    tensor *vectors[] = {&n.weight, &n.bias, &n.mean, &n.deviation, &n.variance};
    for (int i = 0; i < 5; ++i) *vectors[i] = vector_make(n.channels, n.x.element);
    return n;
}

static void norm_free(norm *n) {
    tensor *all[] = {&n->x, &n->y, &n->gx, &n->weight, &n->bias, &n->mean, &n->deviation, &n->variance};
    for (int i = 0; i < 8; ++i) tensor_release(all[i]);
}

/* The index of a channel's i-th place. */
static int64_t place(const norm *n, int64_t channel, int64_t i) {
    const int64_t space = n->places / n->p.batch;
    return (i / space * n->channels + channel) * space + i % space;
}

typedef struct moments {
    double mean, variance;
} moments;

static moments moments_of(const norm *n, int64_t channel) {
    moments m = {0, 0};
    for (int64_t i = 0; i < n->places; ++i) m.mean += tensor_get(&n->x, place(n, channel, i)) / (double)n->places;
    for (int64_t i = 0; i < n->places; ++i) {
        const double away = tensor_get(&n->x, place(n, channel, i)) - m.mean;
        m.variance += away * away / (double)n->places;
    }
    return m;
}

#define CLOSE(a, b, tolerance) CHECK_THAT(fabs((a) - (b)) <= (tolerance) * (1 + fabs(b)), "%.9g and %.9g", (a), (b))

static void a_batch_is_normalised_by_its_own_statistics_in_any_memory(void) {
    for (int i = 0; i < 400; ++i) {
        norm n = norm_random();
        tensor running = vector_make(n.channels, n.x.element), before = vector_make(n.channels, n.x.element);
        memcpy(before.memory.data, running.memory.data, running.memory.bytes);
        const bool plain = one_in(3), tracked = one_in(2);
        for (int64_t c = 0; c < n.channels; ++c) tensor_set(&n.variance, c, 1);
        CHECK(convx_batch_norm_train(&n.p, n.x.data, plain ? NULL : n.weight.data, plain ? NULL : n.bias.data,
                                     tracked ? running.data : NULL, tracked ? n.variance.data : NULL, n.mean.data,
                                     n.deviation.data, n.y.data) == CONVX_OK);
        for (int64_t c = 0; c < n.channels; ++c) {
            const moments m = moments_of(&n, c);
            const double inverse = 1 / sqrt(m.variance + 1e-5);
            const double weight = plain ? 1 : tensor_get(&n.weight, c), bias = plain ? 0 : tensor_get(&n.bias, c);
            const double unbiased = m.variance * (double)n.places / (double)(n.places - 1);
            CLOSE(tensor_get(&n.mean, c), m.mean, n.tolerance);
            CLOSE(tensor_get(&n.deviation, c), inverse, n.tolerance);
            CLOSE(tensor_get(&running, c), tensor_get(&before, c) * (tracked ? 0.9 : 1) + (tracked ? 0.1 * m.mean : 0),
                  n.tolerance);
            CLOSE(tensor_get(&n.variance, c), tracked ? 0.9 + 0.1 * unbiased : 1, n.tolerance);
            for (int64_t j = 0; j < n.places; ++j)
                CLOSE(tensor_get(&n.y, place(&n, c, j)),
                      (tensor_get(&n.x, place(&n, c, j)) - m.mean) * inverse * weight + bias, n.tolerance);
        }
        tensor_release(&running);
        tensor_release(&before);
        norm_free(&n);
    }
}

static void given_statistics_are_used_as_they_are(void) {
    for (int i = 0; i < 300; ++i) {
        norm n = norm_random();
        for (int64_t c = 0; c < n.channels; ++c) tensor_set(&n.variance, c, 0.5 + (double)(c % 3));
        CHECK(convx_batch_norm_forward(&n.p, n.x.data, n.weight.data, n.bias.data, n.mean.data, n.variance.data,
                                       n.y.data) == CONVX_OK);
        for (int64_t c = 0; c < n.channels; ++c)
            for (int64_t j = 0; j < n.places; ++j) {
                const double away = tensor_get(&n.x, place(&n, c, j)) - tensor_get(&n.mean, c);
                CLOSE(tensor_get(&n.y, place(&n, c, j)),
                      away / sqrt(0.5 + (double)(c % 3) + 1e-5) * tensor_get(&n.weight, c) + tensor_get(&n.bias, c),
                      n.tolerance);
            }
        norm_free(&n);
    }
}

static void gradients_are_those_of_the_formula_in_any_memory(void) {
    for (int i = 0; i < 400; ++i) {
        norm n = norm_random();
        tensor grad_bias = vector_make(n.channels, n.x.element), grad_weight = vector_make(n.channels, n.x.element);
        for (int64_t c = 0; c < n.channels; ++c) {
            const moments m = moments_of(&n, c);
            tensor_set(&n.mean, c, m.mean);
            tensor_set(&n.deviation, c, 1 / sqrt(m.variance + 1e-5));
        }
        const bool wanted = one_in(2);
        CHECK(convx_batch_norm_gradient(&n.p, n.x.data, n.weight.data, n.mean.data, n.deviation.data, n.y.data,
                                        n.gx.data, wanted ? grad_weight.data : NULL,
                                        wanted ? grad_bias.data : NULL) == CONVX_OK);
        for (int64_t c = 0; c < n.channels; ++c) {
            const double inverse = tensor_get(&n.deviation, c), mean = tensor_get(&n.mean, c);
            const double weight = tensor_get(&n.weight, c), count = (double)n.places;
            double sum = 0, product = 0;
            for (int64_t j = 0; j < n.places; ++j) {
                const double gy = tensor_get(&n.y, place(&n, c, j));
                sum += gy;
                product += gy * (tensor_get(&n.x, place(&n, c, j)) - mean) * inverse;
            }
            if (wanted) {
                CLOSE(tensor_get(&grad_bias, c), sum, n.tolerance * count);
                CLOSE(tensor_get(&grad_weight, c), product, n.tolerance * count);
            }
            for (int64_t j = 0; j < n.places; ++j) {
                const double hat = (tensor_get(&n.x, place(&n, c, j)) - mean) * inverse;
                const double gy = tensor_get(&n.y, place(&n, c, j));
                CLOSE(tensor_get(&n.gx, place(&n, c, j)), weight * inverse * (gy - sum / count - hat * product / count),
                      n.tolerance * (1 + inverse));
            }
        }
        tensor_release(&grad_bias);
        tensor_release(&grad_weight);
        norm_free(&n);
    }
}

static float memory[8][512];

static convx_batch_norm_params good(void) {
    convx_batch_norm_params p = {.struct_size = sizeof p, .dtype = CONVX_FLOAT32, .rank = 2, .batch = 2, .channels = 3};
    p.size[0] = p.size[1] = 4;
    p.epsilon = 1e-5;
    const int64_t strides[4] = {48, 16, 4, 1};
    memcpy(p.input_strides, strides, sizeof strides);
    memcpy(p.output_strides, strides, sizeof strides);
    memcpy(p.grad_input_strides, strides, sizeof strides);
    return p;
}

static convx_status train(const convx_batch_norm_params *p) {
    return convx_batch_norm_train(p, memory[0], memory[1], memory[2], memory[3], memory[4], memory[5], memory[6],
                                  memory[7]);
}

static convx_status gradient(const convx_batch_norm_params *p) {
    return convx_batch_norm_gradient(p, memory[0], memory[1], memory[2], memory[3], memory[4], memory[5], memory[6],
                                     memory[7]);
}

#define REFUSES(call, status, change)                                             \
    do {                                                                          \
        convx_batch_norm_params p = good();                                       \
        CHECK(call(&p) == CONVX_OK);                                              \
        change;                                                                   \
        memory[7][0] = 42;                                                        \
        const convx_status got = call(&p);                                        \
        CHECK_THAT(got == (status), "%s: %s", #change, convx_status_string(got)); \
        CHECK(memory[7][0] == 42);                                                \
    } while (0)

static void normalisations_that_make_no_sense_are_refused(void) {
    CHECK(train(NULL) == CONVX_INVALID_ARGUMENT);
    REFUSES(train, CONVX_INVALID_ARGUMENT, p.struct_size += 8);
    REFUSES(train, CONVX_INVALID_ARGUMENT, p.dtype = 3);
    REFUSES(train, CONVX_INVALID_ARGUMENT, p.rank = 0);
    REFUSES(train, CONVX_INVALID_ARGUMENT, p.rank = 4);
    REFUSES(train, CONVX_INVALID_ARGUMENT, p.epsilon = -1);
    REFUSES(train, CONVX_INVALID_ARGUMENT, p.epsilon = NAN);
    REFUSES(train, CONVX_INVALID_SHAPE, p.batch = -1);
    REFUSES(train, CONVX_INVALID_SHAPE, p.channels = 0);
    REFUSES(train, CONVX_INVALID_SHAPE, p.size[1] = -1);
    REFUSES(train, CONVX_INVALID_SHAPE, p.batch = p.size[0] = p.size[1] = 1);
    REFUSES(train, CONVX_OVERFLOW, p.batch = INT64_MAX);
    REFUSES(train, CONVX_OVERFLOW, p.output_strides[0] = INT64_MIN);
    REFUSES(train, CONVX_OVERLAP, p.output_strides[0] = 0);
    REFUSES(gradient, CONVX_OVERLAP, p.grad_input_strides[2] = 1);
    REFUSES(gradient, CONVX_OVERFLOW, p.grad_input_strides[2] = INT64_MAX);
    const convx_batch_norm_params p = good();
    float *m = memory[0];
    CHECK(convx_batch_norm_forward(&p, m, NULL, NULL, memory[1], memory[2], m) == CONVX_OVERLAP);
    CHECK(convx_batch_norm_forward(&p, m, NULL, NULL, memory[1], memory[2], m + 95) == CONVX_OVERLAP);
    CHECK(convx_batch_norm_forward(&p, m, NULL, NULL, memory[1], memory[1], m + 96) == CONVX_OK);
    CHECK(convx_batch_norm_forward(&p, m, m + 100, NULL, memory[1], memory[2], m + 96) == CONVX_OVERLAP);
    CHECK(convx_batch_norm_forward(&p, NULL, NULL, NULL, memory[1], memory[2], m) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_batch_norm_forward(&p, m, NULL, NULL, NULL, memory[2], memory[3]) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_batch_norm_train(&p, m, NULL, NULL, memory[3], NULL, memory[4], memory[5], memory[6]) ==
          CONVX_INVALID_ARGUMENT);
    CHECK(convx_batch_norm_train(&p, m, NULL, NULL, memory[3], memory[3], memory[4], memory[5], memory[6]) ==
          CONVX_OVERLAP);
    CHECK(convx_batch_norm_gradient(&p, m, NULL, memory[1], memory[2], memory[3], memory[4], memory[5], memory[5]) ==
          CONVX_OVERLAP);
}

static void an_empty_batch_has_zero_gradients_and_no_statistics(void) {
    convx_batch_norm_params p = good();
    p.batch = 0;
    for (int i = 0; i < 3; ++i) memory[3][i] = memory[5][i] = memory[6][i] = memory[7][i] = 5;
    CHECK(convx_batch_norm_train(&p, NULL, NULL, NULL, memory[3], memory[4], memory[5], memory[6], NULL) == CONVX_OK);
    CHECK(memory[3][2] == 5 && memory[5][2] == 0 && memory[6][2] > 300);
    CHECK(convx_batch_norm_gradient(&p, NULL, NULL, memory[5], memory[6], NULL, NULL, memory[3], memory[7]) ==
          CONVX_OK);
    CHECK(memory[3][0] == 0 && memory[7][2] == 0);
}

#ifdef CONVX_FAULTS
static void normalisations_without_memory_say_so(void) {
    const convx_batch_norm_params p = good();
    cx_memory_fail_after(0);
    const convx_status status[] = {train(&p), gradient(&p)};
    cx_memory_fail_after(-1);
    CHECK(status[0] == CONVX_OUT_OF_MEMORY && status[1] == CONVX_OUT_OF_MEMORY);
    CHECK(train(&p) == CONVX_OK);
}
#endif

/* ---- Optimisers -------------------------------------------------------------------------------------------------- */

static void steps_are_those_of_their_rules_and_touch_their_elements_only(void) {
    for (int i = 0; i < 300; ++i) {
        const bool f64 = one_in(2), nesterov = one_in(2), first = one_in(2), largest = one_in(2);
        const int64_t count = one_in(20) ? 70000 : random_in(0, 100);
        const double tolerance = f64 ? 1e-12 : 1e-4;
        tensor t[5]; /* gradient, parameter, mean or velocity, square, largest square */
        double old[5];
        for (int j = 0; j < 5; ++j) t[j] = vector_make(count, f64 ? 8 : 4);
        for (int64_t k = 0; k < count; ++k)
            for (int j = 3; j < 5; ++j) tensor_set(&t[j], k, 0.5 + fabs(tensor_get(&t[j], k)));
        const int64_t at = count ? random_in(0, count - 1) : 0;
        for (int j = 0; j < 5 && count; ++j) old[j] = tensor_get(&t[j], at);
        if (one_in(2)) {
            const convx_sgd_params p = {.struct_size = sizeof p,
                                        .dtype = f64 ? CONVX_FLOAT64 : CONVX_FLOAT32,
                                        .flags =
                                            (nesterov ? CONVX_SGD_NESTEROV : 0) | (first ? CONVX_SGD_FIRST_STEP : 0),
                                        .count = count,
                                        .rate = 0.1,
                                        .momentum = largest ? 0.9 : 0,
                                        .dampening = 0.2,
                                        .weight_decay = 0.3};
            CHECK(convx_sgd_step(&p, t[0].data, largest ? t[2].data : NULL, t[1].data) == CONVX_OK);
            if (count) {
                const double g = old[0] + 0.3 * old[1], v = first ? g : 0.9 * old[2] + 0.8 * g;
                if (largest) CLOSE(tensor_get(&t[2], at), v, tolerance);
                CLOSE(tensor_get(&t[1], at), old[1] - 0.1 * (!largest ? g : nesterov ? g + 0.9 * v : v), tolerance);
            }
        } else {
            const convx_adam_params p = {.struct_size = sizeof p,
                                         .dtype = f64 ? CONVX_FLOAT64 : CONVX_FLOAT32,
                                         .count = count,
                                         .step = 3,
                                         .rate = 0.1,
                                         .beta1 = 0.9,
                                         .beta2 = 0.99,
                                         .epsilon = 1e-3,
                                         .weight_decay = 0.3};
            CHECK(convx_adam_step(&p, t[0].data, t[2].data, t[3].data, largest ? t[4].data : NULL, t[1].data) ==
                  CONVX_OK);
            if (count) {
                const double g = old[0] + 0.3 * old[1], m = 0.9 * old[2] + 0.1 * g, v = 0.99 * old[3] + 0.01 * g * g;
                const double most = largest ? fmax(old[4], v) : v;
                const double root = sqrt(most / (1 - pow(0.99, 3)));
                CLOSE(tensor_get(&t[2], at), m, tolerance);
                CLOSE(tensor_get(&t[3], at), v, tolerance);
                CLOSE(tensor_get(&t[4], at), largest ? most : old[4], tolerance);
                CLOSE(tensor_get(&t[1], at), old[1] - 0.1 * m / (1 - pow(0.9, 3)) / (root + 1e-3), tolerance);
            }
        }
        for (int j = 0; j < 5; ++j) tensor_release(&t[j]);
    }
}

static void steps_that_make_no_sense_are_refused(void) {
    const convx_sgd_params s = {.struct_size = sizeof s, .dtype = CONVX_FLOAT32, .count = 8, .rate = 1, .momentum = 1};
    const convx_adam_params a = {.struct_size = sizeof a, .dtype = CONVX_FLOAT32, .count = 8, .step = 1, .rate = 1};
    float *g = memory[0], *v = memory[1], *x = memory[2], *q = memory[3];
    CHECK(convx_sgd_step(&s, g, v, x) == CONVX_OK);
    CHECK(convx_adam_step(&a, g, v, q, NULL, x) == CONVX_OK);
    CHECK(convx_sgd_step(NULL, g, v, x) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_sgd_step(&s, g, NULL, x) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_sgd_step(&s, NULL, v, x) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_sgd_step(&s, g, v, v + 7) == CONVX_OVERLAP);
    CHECK(convx_sgd_step(&s, x, v, x) == CONVX_OVERLAP);
    CHECK(convx_adam_step(&a, g, v, q, q, x) == CONVX_OVERLAP);
    CHECK(convx_adam_step(&a, g, NULL, q, NULL, x) == CONVX_INVALID_ARGUMENT);
    convx_sgd_params sgd = s;
    sgd.count = 0;
    CHECK(convx_sgd_step(&sgd, NULL, NULL, NULL) == CONVX_OK);
    sgd.count = -1;
    CHECK(convx_sgd_step(&sgd, g, v, x) == CONVX_INVALID_SHAPE);
    sgd.count = INT64_MAX / 4;
    CHECK(convx_sgd_step(&sgd, g, v, x) == CONVX_OVERFLOW);
    sgd = s;
    sgd.flags = 4;
    CHECK(convx_sgd_step(&sgd, g, v, x) == CONVX_INVALID_ARGUMENT);
    sgd = s;
    sgd.struct_size--;
    CHECK(convx_sgd_step(&sgd, g, v, x) == CONVX_INVALID_ARGUMENT);
    for (int i = 0; i < 6; ++i) {
        convx_adam_params adam = a;
        if (i == 0) adam.step = 0;
        if (i == 1) adam.beta1 = 1;
        if (i == 2) adam.beta2 = -0.1;
        if (i == 3) adam.flags = 1;
        if (i == 4) adam.dtype = 0;
        if (i == 5) adam.struct_size = 0;
        CHECK(convx_adam_step(&adam, g, v, q, NULL, x) == CONVX_INVALID_ARGUMENT);
    }
}

int main(void) {
    RUN(a_batch_is_normalised_by_its_own_statistics_in_any_memory);
    RUN(given_statistics_are_used_as_they_are);
    RUN(gradients_are_those_of_the_formula_in_any_memory);
    RUN(normalisations_that_make_no_sense_are_refused);
    RUN(an_empty_batch_has_zero_gradients_and_no_statistics);
#ifdef CONVX_FAULTS
    RUN(normalisations_without_memory_say_so);
#endif
    RUN(steps_are_those_of_their_rules_and_touch_their_elements_only);
    RUN(steps_that_make_no_sense_are_refused);
    return check_report();
}
