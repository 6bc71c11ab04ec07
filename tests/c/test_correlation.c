/* What a pass comes down to below api/: stride phases, padded coordinates, folded convolutions. */
#include "check.h"
#include "layer.h"

#include "base/correlation.h"
#include "base/shape.h"
#include "algo/algorithm.h"

/* One correlation by its definition, into sums and counts of visits by element of dst. */
static void evaluate(const cx_correlation *c, const double *src, const double *w, double *dst, int *visits) {
    for (int64_t n = 0; n < c->batch; ++n)
        for (int64_t g = 0; g < c->groups; ++g)
            for (int64_t o = 0; o < c->co; ++o)
                for (int64_t j = 0; j < c->grid[0] * c->grid[1] * c->grid[2]; ++j) {
                    const int64_t at[3] = {j / c->grid[2] / c->grid[1], j / c->grid[2] % c->grid[1], j % c->grid[2]};
                    double sum = 0;
                    for (int64_t i = 0; i < c->ci; ++i)
                        for (int64_t t = 0; t < c->taps[0] * c->taps[1] * c->taps[2]; ++t) {
                            const int64_t tap[3] = {t / c->taps[2] / c->taps[1], t / c->taps[2] % c->taps[1],
                                                    t % c->taps[2]};
                            int64_t from = n * c->src.batch + (g * c->ci + i) * c->src.channel;
                            int64_t weight = c->w_offset + g * c->w_group + o * c->w_co + i * c->w_ci;
                            bool zero = false;
                            for (int d = 0; d < 3; ++d) {
                                const int64_t place =
                                    cx_padded_index(at[d] * c->step[d] + c->origin[d] + tap[d] * c->tap_step[d],
                                                    c->extent[d], c->padding_mode);
                                zero = zero || place < 0;
                                from += place * c->src.space[d];
                                weight += tap[d] * c->w_tap[d];
                            }
                            if (!zero) sum += src[from] * w[weight];
                        }
                    int64_t to = c->dst_offset + n * c->dst.batch + (g * c->co + o) * c->dst.channel;
                    for (int d = 0; d < 3; ++d) to += at[d] * c->dst.space[d];
                    dst[to] += sum;
                    ++visits[to];
                }
}

static void correlations_give_the_layer(convx_pass pass) {
    for (int round = 0; round < 1500; ++round) {
        layer l;
        layer_random(&l, CONVX_FLOAT64, IN_HEAP);
        cx_conv conv;
        const convx_status status = cx_conv_normalise(&l.p, pass, &conv);
        if (status == CONVX_UNSUPPORTED) {
            layer_free(&l);
            continue;
        }
        CHECK_THAT(status == CONVX_OK, "%s", layer_text(&l, pass));
        tensor *result = layer_result(&l, pass);
        const tensor *source = pass == CONVX_FORWARD ? &l.input : &l.output;
        double *dst = calloc((size_t)result->reach + 1, sizeof *dst);
        int *visits = calloc((size_t)result->reach + 1, sizeof *visits);
        int64_t *expected = malloc(sizeof(int64_t) * (size_t)(result->count + 1));
        layer_brute_force(&l, pass, false, expected);
        const int64_t count = cx_correlation_count(&conv);
        for (int64_t i = 0; i < count; ++i) {
            cx_correlation c;
            cx_correlation_get(&conv, i, &c);
            CHECK_THAT(c.grid[0] > 0 && c.grid[1] > 0 && c.grid[2] > 0, "an empty phase: %s", layer_text(&l, pass));
            evaluate(&c, source->data, l.weight.data, dst + result->first, visits + result->first);
        }
        for (int64_t i = 0; i < result->count; ++i) {
            const int64_t at = result->first + tensor_offset(result, i);
            CHECK_THAT(visits[at] == 1, "element %lld is visited %d times: %s", (long long)i, visits[at],
                       layer_text(&l, pass));
            CHECK_THAT(dst[at] == (double)expected[i], "element %lld: %s", (long long)i, layer_text(&l, pass));
        }
        free(expected);
        free(visits);
        free(dst);
        layer_free(&l);
    }
}

static void the_stride_phases_of_an_input_gradient_write_each_element_once_and_right(void) {
    correlations_give_the_layer(CONVX_INPUT_GRADIENT);
}
static void a_forward_pass_is_one_correlation(void) { correlations_give_the_layer(CONVX_FORWARD); }

static void padded_coordinates_are_those_of_walking_back_one_step_at_a_time(void) {
    for (int mode = 0; mode < 5; ++mode)
        for (int64_t extent = 1; extent < 7; ++extent)
            for (int64_t c = -40; c < 40; ++c)
                CHECK_THAT(cx_padded_index(c, extent, (convx_padding_mode)mode) == walk_inside(c, extent, mode),
                           "mode %d, place %lld of %lld", mode, (long long)c, (long long)extent);
}

static cx_conv pointwise(layout how, int rank, int64_t batch, int64_t channels) {
    layer l = {.p = params_make(rank, CONVX_FLOAT32)};
    l.p.batch = batch;
    l.p.in_channels = l.p.out_channels = channels;
    for (int d = 0; d < rank; ++d) l.p.input[d] = l.p.output[d] = 5 + d;
    layer_tensors(&l, (layout[3]){how, how, how}, IN_HEAP);
    cx_conv conv;
    CHECK_THAT(cx_conv_normalise(&l.p, CONVX_FORWARD, &conv) == CONVX_OK, "rank %d", rank);
    cx_conv_fold(&conv);
    layer_free(&l);
    return conv;
}

static void a_pointwise_layer_folds_its_space_into_one_row(void) {
    const cx_conv first = pointwise(CHANNELS_FIRST, 3, 2, 4);
    CHECK_THAT(first.in[0] == 1 && first.in[1] == 1 && first.in[2] == 5 * 6 * 7 && first.batch == 2, "%lld",
               (long long)first.in[2]);
    CHECK_THAT(first.x.space[2] == 1 && first.x.channel == 5 * 6 * 7, "%lld", (long long)first.x.channel);
}

static void a_pointwise_layer_in_channels_last_folds_its_batch_too(void) {
    const cx_conv last = pointwise(CHANNELS_LAST, 2, 3, 4);
    CHECK_THAT(last.batch == 1 && last.in[2] == 3 * 5 * 6 && last.out[2] == 3 * 5 * 6, "%lld", (long long)last.in[2]);
    CHECK_THAT(last.x.space[2] == 4 && last.x.channel == 1, "%lld", (long long)last.x.space[2]);
}

static void folding_changes_no_result(void) {
    int folded_layers = 0;
    for (int round = 0; round < 3000; ++round) {
        layer l;
        layer_random(&l, CONVX_FLOAT64, IN_HEAP);
        for (int pass = 0; pass < 3; ++pass) {
            cx_conv conv;
            if (cx_conv_normalise(&l.p, (convx_pass)pass, &conv) != CONVX_OK) continue;
            const cx_conv before = conv;
            cx_conv_fold(&conv);
            if (conv.batch == before.batch && conv.in[2] == before.in[2]) continue;
            ++folded_layers;
            tensor *result = layer_result(&l, (convx_pass)pass);
            int64_t *expected = malloc(sizeof(int64_t) * (size_t)(result->count + 1));
            layer_brute_force(&l, (convx_pass)pass, false, expected);
            const bool transposed = l.p.flags & CONVX_TRANSPOSED;
            const cx_tensors tensors = {.x = transposed ? l.output.data : l.input.data,
                                        .y = transposed ? l.input.data : l.output.data,
                                        .w = l.weight.data,
                                        .result = result->data};
            const cx_decision decision = {.threads = 1};
            cx_algorithm_reference.run(&conv, cx_kernels_get(CONVX_FLOAT64), &decision, &tensors, NULL);
            for (int64_t i = 0; i < result->count; ++i) {
                CHECK_THAT(tensor_get(result, i) == (double)expected[i], "element %lld: %s", (long long)i,
                           layer_text(&l, (convx_pass)pass));
                tensor_set(result, i, (double)result->value[i]);
            }
            free(expected);
        }
        layer_free(&l);
    }
    CHECK_THAT(folded_layers > 300, "only %d layers folded", folded_layers);
}

int main(void) {
    RUN(the_stride_phases_of_an_input_gradient_write_each_element_once_and_right);
    RUN(a_forward_pass_is_one_correlation);
    RUN(padded_coordinates_are_those_of_walking_back_one_step_at_a_time);
    RUN(a_pointwise_layer_folds_its_space_into_one_row);
    RUN(a_pointwise_layer_in_channels_last_folds_its_batch_too);
    RUN(folding_changes_no_result);
    return check_report();
}
