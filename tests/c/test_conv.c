/* The three passes of every algorithm, in exact small integers against brute force. */
#include "check.h"
#include "layer.h"

#include "plan/choose.h"

enum { layers = 1500 };

static int64_t expected_share(convx_algorithm algorithm) { /* in percent, of the runs that are not unsupported for all */
    switch (algorithm) {
    case CONVX_ALGO_REFERENCE: return 100;
    case CONVX_ALGO_GEMM: return 95;
    case CONVX_ALGO_DIRECT: return 10;
    default: return 0;
    }
}

/* Winograd's transforms are not exact in integers. */
static bool is_exact(convx_algorithm algorithm) { return !cx_candidate_matches(CONVX_ALGO_WINOGRAD, algorithm); }

static bool check_result(layer *l, convx_pass pass, const int64_t *expected) {
    tensor *result = layer_result(l, pass);
    for (int64_t i = 0; i < result->count; ++i)
        if (tensor_get(result, i) != (double)expected[i]) {
            CHECK(false, "element %lld is %g, not %lld: %s", (long long)i, tensor_get(result, i), (long long)expected[i],
                  layer_text(l, pass));
            return false;
        }
    return true;
}

static void restore(tensor *t) {
    for (int64_t i = 0; i < t->count; ++i) tensor_set(t, i, (double)t->value[i]);
}

/* All algorithms on one layer; counts those that accept. */
static void run_all(layer *l, convx_pass pass, int *accepted) {
    tensor *result = layer_result(l, pass);
    int64_t *expected = malloc(sizeof(int64_t) * (size_t)(result->count + 1));
    const bool bias = pass == CONVX_FORWARD && one_in(2);
    layer_brute_force(l, pass, bias, expected);
    for (int i = -1; i < 0 || cx_candidate(i); ++i) {
        l->p.algorithm = i < 0 ? CONVX_ALGO_AUTO : (int32_t)cx_candidate(i)->id;
        if (!is_exact((convx_algorithm)l->p.algorithm)) continue;
        tensor_spoil(result);
        const convx_status status = layer_run(l, pass, bias ? l->bias.data : NULL, result->data);
        if (status == CONVX_UNSUPPORTED && i >= 0) continue;
        CHECK(status == CONVX_OK, "%s: %s", convx_status_string(status), layer_text(l, pass));
        check_result(l, pass, expected);
        CHECK(tensor_gaps_untouched(result), "wrote between the elements: %s", layer_text(l, pass));
        if (i >= 0) ++accepted[i];
    }
    restore(result);
    free(expected);
}

static void check_share(const int *accepted, int runs) {
    for (int i = 0; cx_candidate(i); ++i) {
        const convx_algorithm id = cx_candidate(i)->id;
        printf("       %s served %d of %d\n", convx_algorithm_name(id), accepted[i], runs);
        CHECK((int64_t)accepted[i] * 100 >= expected_share(id) * runs, "%s declines too often", convx_algorithm_name(id));
    }
}

static void all_passes(convx_dtype dtype, placement where, int count) {
    int accepted[16] = {0}, runs = 0;
    for (int i = 0; i < count; ++i) {
        layer l;
        layer_random(&l, dtype, where);
        for (int pass = 0; pass < 3; ++pass) {
            if (pass == CONVX_INPUT_GRADIENT && l.p.padding_mode != CONVX_PAD_ZEROS) continue;
            run_all(&l, (convx_pass)pass, accepted);
            ++runs;
        }
        layer_free(&l);
    }
    check_share(accepted, runs);
}

static void every_algorithm_gives_the_exact_sums_in_float32(void) { all_passes(CONVX_FLOAT32, IN_HEAP, layers); }
static void every_algorithm_gives_the_exact_sums_in_float64(void) { all_passes(CONVX_FLOAT64, IN_HEAP, layers); }

/* The guard pages stop the program at the first byte read or written outside a tensor. */
static void no_byte_after_a_tensor_is_touched(void) {
    all_passes(CONVX_FLOAT32, BEFORE_GUARD, layers / 3);
    all_passes(CONVX_FLOAT64, BEFORE_GUARD, layers / 3);
}
static void no_byte_before_a_tensor_is_touched(void) {
    all_passes(CONVX_FLOAT32, AFTER_GUARD, layers / 3);
    all_passes(CONVX_FLOAT64, AFTER_GUARD, layers / 3);
}

static void the_bias_gradient_is_the_sum_over_batch_and_space(void) {
    for (int i = 0; i < layers; ++i) {
        layer l;
        layer_random(&l, one_in(2) ? CONVX_FLOAT32 : CONVX_FLOAT64, (placement)random_in(0, 2));
        tensor_spoil(&l.bias);
        CHECK(convx_conv_bias_gradient(&l.p, l.output.data, l.bias.data) == CONVX_OK, "%s", layer_text(&l, CONVX_FORWARD));
        const int64_t space = l.output.count && l.p.batch ? l.output.count / l.p.batch / l.p.out_channels : 0;
        for (int64_t c = 0; c < l.p.out_channels; ++c) {
            int64_t sum = 0;
            for (int64_t n = 0; n < l.p.batch; ++n)
                for (int64_t s = 0; s < space; ++s) sum += l.output.value[(n * l.p.out_channels + c) * space + s];
            CHECK(tensor_get(&l.bias, c) == (double)sum, "channel %lld of %s", (long long)c, layer_text(&l, CONVX_FORWARD));
        }
        layer_free(&l);
    }
}

static void the_bias_gradient_of_large_tensors_is_exact_on_integers_in_every_layout(void) {
    const int64_t channels[] = {1, 3, 40, 300};
    for (int i = 0; i < 4; ++i)
        for (int how = 0; how < 3; ++how) {
            layer l = {.p = params_make(2, CONVX_FLOAT32)};
            l.p.batch = 3;
            l.p.out_channels = channels[i];
            l.p.input[0] = l.p.output[0] = 61;
            l.p.input[1] = l.p.output[1] = i == 0 ? 1027 : 67;
            layer_tensors(&l, (layout[3]){(layout)how, (layout)how, (layout)how}, BEFORE_GUARD);
            tensor_fill_integers(&l.output);
            CHECK(convx_conv_bias_gradient(&l.p, l.output.data, l.bias.data) == CONVX_OK, "%d", how);
            const int64_t space = l.p.output[0] * l.p.output[1];
            for (int64_t c = 0; c < channels[i]; ++c) {
                int64_t sum = 0;
                for (int64_t n = 0; n < 3; ++n)
                    for (int64_t s = 0; s < space; ++s) sum += l.output.value[(n * channels[i] + c) * space + s];
                CHECK(tensor_get(&l.bias, c) == (double)sum, "channel %lld of %lld, layout %d", (long long)c,
                      (long long)channels[i], how);
            }
            layer_free(&l);
        }
}

int main(int count, char **arguments) {
    (void)arguments;
    if (count > 1) random_state ^= strtoull(arguments[1], NULL, 10) * 0x9E3779B97F4A7C15ull;
    RUN(every_algorithm_gives_the_exact_sums_in_float32);
    RUN(every_algorithm_gives_the_exact_sums_in_float64);
    RUN(no_byte_after_a_tensor_is_touched);
    RUN(no_byte_before_a_tensor_is_touched);
    RUN(the_bias_gradient_is_the_sum_over_batch_and_space);
    RUN(the_bias_gradient_of_large_tensors_is_exact_on_integers_in_every_layout);
    return CHECK_EXIT();
}
