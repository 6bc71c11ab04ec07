/* The three passes of every algorithm, in exact small integers against brute force. */
#include "passes.h"

enum { layers = 1500 };

static void every_algorithm_gives_the_exact_sums_in_float32(void) { all_passes(CONVX_FLOAT32, IN_HEAP, layers); }
static void every_algorithm_gives_the_exact_sums_in_float64(void) { all_passes(CONVX_FLOAT64, IN_HEAP, layers); }

static void the_bias_gradient_is_the_sum_over_batch_and_space(void) {
    for (int i = 0; i < layers; ++i) {
        layer l;
        layer_random(&l, one_in(2) ? CONVX_FLOAT32 : CONVX_FLOAT64, (placement)random_in(0, 2));
        tensor_spoil(&l.bias);
        CHECK_THAT(convx_conv_bias_gradient(&l.p, l.output.data, l.bias.data) == CONVX_OK, "%s",
                   layer_text(&l, CONVX_FORWARD));
        const int64_t space = l.output.count && l.p.batch ? l.output.count / l.p.batch / l.p.out_channels : 0;
        for (int64_t c = 0; c < l.p.out_channels; ++c) {
            int64_t sum = 0;
            for (int64_t n = 0; n < l.p.batch; ++n)
                for (int64_t s = 0; s < space; ++s) sum += l.output.value[(n * l.p.out_channels + c) * space + s];
            CHECK_THAT(tensor_get(&l.bias, c) == (double)sum, "channel %lld of %s", (long long)c,
                       layer_text(&l, CONVX_FORWARD));
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
            CHECK_THAT(convx_conv_bias_gradient(&l.p, l.output.data, l.bias.data) == CONVX_OK, "%d", how);
            const int64_t space = l.p.output[0] * l.p.output[1];
            for (int64_t c = 0; c < channels[i]; ++c) {
                int64_t sum = 0;
                for (int64_t n = 0; n < 3; ++n)
                    for (int64_t s = 0; s < space; ++s) sum += l.output.value[(n * channels[i] + c) * space + s];
                CHECK_THAT(tensor_get(&l.bias, c) == (double)sum, "channel %lld of %lld, layout %d", (long long)c,
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
    RUN(the_bias_gradient_is_the_sum_over_batch_and_space);
    RUN(the_bias_gradient_of_large_tensors_is_exact_on_integers_in_every_layout);
    return check_report();
}
