/* The direct algorithm by itself, with the kernel table of every instruction set that this CPU runs. */
#include "passes.h"

#include <math.h>

#include "base/shape.h"
#include "tables.h"

static int copied_runs; /* of run_direct(), in which channels were copied side by side */

/* Runs the algorithm in a workspace that ends where it says; with its weights packed beforehand, if it packs them. */
static cx_decision run_direct(const layer *l, convx_pass pass, const cx_kernels *kernels, int threads, bool kept,
                              const void *bias, void *result) {
    cx_conv conv;
    CHECK_THAT(cx_conv_normalise(&l->p, pass, &conv) == CONVX_OK, "%s", layer_text(l, pass));
    cx_conv_fold(&conv);
    cx_decision decision = {0};
    CHECK_THAT(cx_algorithm_direct.decide(&conv, kernels, threads, kept, &decision), "%s", layer_text(l, pass));
    CHECK(decision.cost > 0 && decision.threads >= 1 && decision.threads <= threads);
    decision.threads = threads; /* also where it is not worth it */
    const size_t size = decision.shared_bytes + (size_t)threads * decision.thread_bytes;
    CHECK(decision.shared_bytes % 64 == 0 && decision.thread_bytes % 64 == 0);
    region workspace = region_make(size, BEFORE_GUARD);
    if (size) memset(workspace.data, 0xFF, size); /* NaN */
    const bool transposed = l->p.flags & CONVX_TRANSPOSED, forward = conv.pass == CONVX_FORWARD;
    const void *x = transposed ? l->output.data : l->input.data, *y = transposed ? l->input.data : l->output.data;
    cx_tensors tensors = {.w = l->weight.data, .bias = bias, .result = result};
    if (conv.pass != CONVX_INPUT_GRADIENT) tensors.x = x;
    if (!forward) tensors.y = y;
    region packed = region_make(kept ? decision.packed_bytes : 0, BEFORE_GUARD);
    if (kept && decision.packed_bytes) {
        memset(packed.data, 0xFF, decision.packed_bytes);
        cx_algorithm_direct.pack(&conv, kernels, &decision, l->weight.data, packed.data);
        tensors.packed = packed.data;
    }
    cx_algorithm_direct.run(&conv, kernels, &decision, &tensors, workspace.data);
    copied_runs += strstr(decision.reason, "copied side by side") != NULL;
    region_free(&workspace);
    region_free(&packed);
    return decision;
}

/* Layers whose rows are long enough to be read in place, whose kernels are large, and whose channels are many. */
static convx_conv_params params_of_a_stencil(convx_dtype dtype) {
    for (;;) {
        convx_conv_params p = params_make((int)random_in(1, 3), dtype);
        p.batch = random_in(1, 2);
        p.groups = one_in(2) ? 1 : random_in(2, one_in(3) ? 40 : 5);
        p.in_channels = p.groups * (one_in(2) ? 1 : random_in(1, 4));
        p.out_channels = p.groups * (one_in(2) ? 1 : random_in(1, 8));
        if (one_in(3)) p.padding_mode = (int32_t)random_in(1, 4);
        if (p.padding_mode == 0 && one_in(3)) p.flags = CONVX_TRANSPOSED;
        const bool plain = one_in(2), square = one_in(2);
        for (int d = 0; d < p.rank; ++d) {
            const bool last = d == p.rank - 1;
            p.input[d] = random_in(1, last ? (one_in(4) ? 6000 : 250) : p.rank == 2 ? 40 : 6);
            p.kernel[d] = square && d ? p.kernel[0] : random_in(1, one_in(4) ? 12 : 7);
            if (p.rank == 1 && one_in(3)) p.kernel[d] = random_in(1, 300);
            if (!plain && one_in(2)) p.stride[d] = random_in(1, one_in(4) ? 9 : 3);
            if (!plain && one_in(3)) p.dilation[d] = random_in(1, one_in(4) ? 20 : 3);
            p.pad_before[d] = one_in(2) ? p.kernel[d] / 2 : random_in(-2, one_in(5) ? 100 : 6);
            p.pad_after[d] = one_in(2) ? p.pad_before[d] : random_in(-2, 6);
        }
        if (params_set_output(&p) && params_products(&p) < 600000) return p;
    }
}

static bool same_results(layer *l, convx_pass pass, const int64_t *expected) {
    const tensor *result = layer_result(l, pass);
    for (int64_t i = 0; i < result->count; ++i)
        if (tensor_get(result, i) != (double)expected[i]) {
            printf("element %lld is %g, not %lld\n", (long long)i, tensor_get(result, i), (long long)expected[i]);
            return false;
        }
    return true;
}

/* All passes of one layer with all tables of its dtype. */
static void check_layer(layer *l) {
    for (int pass = 0; pass < 3; ++pass) {
        if (pass == CONVX_INPUT_GRADIENT && l->p.padding_mode != CONVX_PAD_ZEROS) continue;
        tensor *result = layer_result(l, (convx_pass)pass);
        if (result->count == 0 || l->input.count == 0 || l->output.count == 0) continue;
        int64_t *expected = malloc(sizeof(int64_t) * (size_t)(result->count + 1));
        const bool bias = pass == CONVX_FORWARD && one_in(2);
        layer_brute_force(l, (convx_pass)pass, bias, expected);
        for (int i = 0; i < TABLES; ++i) {
            if ((int32_t)tables[i]->dtype != l->p.dtype || !runnable(tables[i])) continue;
            const bool kept = one_in(2);
            tensor_spoil(result);
            run_direct(l, (convx_pass)pass, tables[i], (int)random_in(1, 3), kept, bias ? l->bias.data : NULL,
                       result->data);
            CHECK_THAT(same_results(l, (convx_pass)pass, expected), "%s: %s", cx_isa_string(tables[i]->isa),
                       layer_text(l, (convx_pass)pass));
            CHECK_THAT(tensor_gaps_untouched(result), "%s", layer_text(l, (convx_pass)pass));
        }
        restore(result);
        free(expected);
    }
}

static void check_layers(convx_conv_params (*random_params)(convx_dtype), int count) {
    for (int i = 0; i < count; ++i) {
        layer l;
        layout how[3];
        layer_random_layouts(how);
        l.p = random_params(one_in(2) ? CONVX_FLOAT32 : CONVX_FLOAT64);
        layer_tensors(&l, how, (placement)random_in(0, 2));
        tensor_fill_integers(&l.input);
        tensor_fill_integers(&l.weight);
        tensor_fill_integers(&l.output);
        tensor_fill_integers(&l.bias);
        check_layer(&l);
        layer_free(&l);
    }
}

static void every_table_gives_the_exact_sums_of_any_layer(void) { check_layers(params_random, 250); }
static void every_table_gives_the_exact_sums_of_wide_and_deep_stencils(void) { check_layers(params_of_a_stencil, 500); }

/* Depthwise layers of many channels on small maps. */
static convx_conv_params params_of_narrow_maps(convx_dtype dtype) {
    for (;;) {
        convx_conv_params p = params_make((int)random_in(1, 3), dtype);
        p.batch = random_in(1, 3);
        p.groups = p.in_channels = p.out_channels = random_in(4, one_in(3) ? 100 : 40);
        if (one_in(4)) p.padding_mode = (int32_t)random_in(1, 4);
        if (p.padding_mode == 0 && one_in(4)) p.flags = CONVX_TRANSPOSED;
        for (int d = 0; d < p.rank; ++d) {
            p.input[d] = random_in(1, d == p.rank - 1 ? 24 : p.rank == 2 ? 16 : 7);
            p.kernel[d] = random_in(1, 7);
            if (one_in(3)) p.stride[d] = random_in(1, 3);
            if (one_in(5)) p.dilation[d] = random_in(1, 3);
            p.pad_before[d] = one_in(2) ? p.kernel[d] / 2 : random_in(-1, 6);
            p.pad_after[d] = one_in(2) ? p.pad_before[d] : random_in(-1, 6);
        }
        if (params_set_output(&p) && params_products(&p) < 600000) return p;
    }
}

static void channels_of_narrow_maps_that_are_copied_side_by_side_give_exact_sums(void) {
    copied_runs = 0;
    check_layers(params_of_narrow_maps, 300);
    CHECK_THAT(copied_runs > 300, "only %d runs copied them", copied_runs);
}

/* ---- Chosen shapes --------------------------------------------------------------------------------------------- */

static layer make(convx_conv_params p, layout how, bool integers) {
    layer l = {.p = p};
    CHECK(params_set_output(&l.p));
    layer_tensors(&l, (layout[3]){how, CHANNELS_FIRST, how}, IN_HEAP);
    void (*fill)(tensor *) = integers ? tensor_fill_integers : tensor_fill_reals;
    fill(&l.input);
    fill(&l.weight);
    fill(&l.output);
    fill(&l.bias);
    return l;
}

static convx_conv_params plane(int64_t groups, int64_t height, int64_t width, int64_t kernel_h, int64_t kernel_w) {
    convx_conv_params p = params_make(2, CONVX_FLOAT32);
    p.groups = p.in_channels = p.out_channels = groups;
    p.input[0] = height;
    p.input[1] = width;
    p.kernel[0] = kernel_h;
    p.kernel[1] = kernel_w;
    p.pad_before[0] = p.pad_after[0] = kernel_h / 2;
    p.pad_before[1] = p.pad_after[1] = kernel_w / 2;
    return p;
}

static void thousands_of_taps_are_taken_in_several_passes_of_bounded_memory(void) {
    convx_conv_params p = plane(1, 3, 9000, 1, 8500);
    p.pad_before[1] = p.pad_after[1] = 0;
    layer l = make(p, CHANNELS_FIRST, true);
    check_layer(&l);
    layer_free(&l);
    p = plane(1, 3, 3, 90, 90);
    for (int d = 0; d < 2; ++d) p.pad_before[d] = p.pad_after[d] = 44;
    p.in_channels = 5;
    p.out_channels = 3;
    l = make(p, CHANNELS_FIRST, true);
    check_layer(&l);
    layer_free(&l);
    p = plane(1, 5, 40000, 3, 3); /* taps far apart */
    p.dilation[0] = 2;
    p.dilation[1] = 15000;
    p.pad_before[0] = p.pad_after[0] = 0;
    l = make(p, CHANNELS_FIRST, true);
    check_layer(&l);
    layer_free(&l);
}

static void memory_of_a_thread_stays_near_the_second_level_cache(void) {
    for (int i = 0; i < 2000; ++i) {
        convx_conv_params p = params_of_a_stencil(CONVX_FLOAT64);
        p.padding_mode = CONVX_PAD_ZEROS;
        for (int d = 0; d < p.rank; ++d) {
            p.input[d] = random_in(1, 1 << random_in(1, 20));
            p.kernel[d] = random_in(1, 1 << random_in(1, 12));
            p.dilation[d] = random_in(1, 1 << random_in(0, 12));
        }
        p.groups = random_in(1, 3);
        p.in_channels = p.groups * random_in(1, 1 << random_in(0, 8));
        p.out_channels = p.groups * random_in(1, 1 << random_in(0, 8));
        if (!params_set_output(&p)) continue;
        double largest = 256.0 * (double)p.groups * sizeof(double); /* of the tensors, in bytes, or more */
        for (int d = 0; d < p.rank; ++d) largest *= (double)(p.input[d] > p.output[d] ? p.input[d] : p.output[d]);
        if (largest > 0x1p60) continue;
        int64_t in = 1, out = 1, w = 1;
        for (int d = p.rank - 1; d >= 0; --d) {
            p.input_strides[2 + d] = in;
            p.output_strides[2 + d] = out;
            p.weight_strides[2 + d] = w;
            in *= p.input[d];
            out *= p.output[d];
            w *= p.kernel[d];
        }
        const bool transposed = p.flags & CONVX_TRANSPOSED;
        p.input_strides[1] = in;
        p.input_strides[0] = in * p.in_channels;
        p.output_strides[1] = out;
        p.output_strides[0] = out * p.out_channels;
        p.weight_strides[1] = w;
        p.weight_strides[0] = w * (transposed ? p.out_channels : p.in_channels) / p.groups;
        for (int pass = 0; pass < 3; ++pass) {
            cx_conv conv;
            if (cx_conv_normalise(&p, (convx_pass)pass, &conv) != CONVX_OK) continue;
            cx_conv_fold(&conv);
            for (int t = 0; t < TABLES; ++t) {
                if (tables[t]->dtype != CONVX_FLOAT64) continue;
                cx_decision decision = {0};
                CHECK(cx_algorithm_direct.decide(&conv, tables[t], 2, false, &decision));
                CHECK_THAT(decision.thread_bytes < cx_cpu_get()->l2 + (1 << 20), "%zu bytes: pass %d %s",
                           decision.thread_bytes, pass, cx_isa_string(tables[t]->isa));
            }
        }
    }
}

/* Every element of a layer and of another that contains its places must agree, so that tails round as the rest does. */
static void an_element_has_the_same_bits_wherever_it_lies(void) {
    for (int i = 0; i < TABLES; ++i) {
        if (!runnable(tables[i]) || tables[i]->dtype != CONVX_FLOAT32) continue;
        for (int kernel = 1; kernel <= 7; kernel += 2)
            for (int channels = 1; channels <= 7; ++channels) {
                convx_conv_params p = plane(1, 23, 170, kernel, kernel);
                p.out_channels = channels;
                for (int d = 0; d < 2; ++d) p.pad_before[d] = p.pad_after[d] = 0;
                layer whole = make(p, CHANNELS_FIRST, false);
                run_direct(&whole, CONVX_FORWARD, tables[i], 1, false, NULL, whole.output.data);
                for (int64_t cut = 1; cut < 40; cut += 6) {
                    layer part = whole; /* without the first rows and columns */
                    for (int d = 0; d < 2; ++d) {
                        part.p.input[d] -= cut / (2 - d);
                        CHECK(part.p.input[d] - p.kernel[d] >= 0 || d == 0);
                    }
                    if (!params_set_output(&part.p)) continue;
                    part.input.data = (float *)whole.input.data + cut / 2 * whole.input.stride[2] + cut;
                    float *result = malloc(whole.output.memory.bytes);
                    run_direct(&part, CONVX_FORWARD, tables[i], 2, false, NULL, result);
                    for (int64_t o = 0; o < channels; ++o)
                        for (int64_t h = 0; h < part.p.output[0]; ++h) {
                            const int64_t at = o * whole.output.stride[1] + h * whole.output.stride[2];
                            const float *expected =
                                (const float *)whole.output.data + at + cut / 2 * whole.output.stride[2] + cut;
                            CHECK(memcmp(result + at, expected, sizeof(float) * (size_t)part.p.output[1]) == 0);
                        }
                    free(result);
                }
                layer_free(&whole);
            }
    }
}

static void threads_do_not_change_a_bit(void) {
    for (int i = 0; i < 60; ++i) {
        layer l;
        layout how[3];
        layer_random_layouts(how);
        l.p = params_of_a_stencil(CONVX_FLOAT32);
        layer_tensors(&l, how, IN_HEAP);
        tensor_fill_reals(&l.input);
        tensor_fill_reals(&l.weight);
        tensor_fill_reals(&l.output);
        tensor_fill_reals(&l.bias);
        for (int pass = 0; pass < 3; ++pass) {
            if (pass == CONVX_INPUT_GRADIENT && l.p.padding_mode != CONVX_PAD_ZEROS) continue;
            tensor *result = layer_result(&l, (convx_pass)pass);
            char *kept = malloc((size_t)result->reach * result->element), *first = result->memory.data;
            memcpy(kept, first, result->memory.bytes);
            char *one = malloc(result->memory.bytes);
            for (int threads = 1; threads <= 8; threads += threads < 4 ? 1 : 4) {
                tensor_spoil(result);
                run_direct(&l, (convx_pass)pass, cx_kernels_get(CONVX_FLOAT32), threads, false, NULL, result->data);
                if (threads == 1) memcpy(one, first, result->memory.bytes);
                CHECK_THAT(memcmp(one, first, result->memory.bytes) == 0, "%s", layer_text(&l, (convx_pass)pass));
            }
            memcpy(first, kept, result->memory.bytes);
            free(kept);
            free(one);
        }
        layer_free(&l);
    }
}

static void not_a_number_stays_where_the_taps_put_it(void) {
    const int64_t kernels[] = {1, 3, 4, 5, 7};
    for (int i = 0; i < TABLES; ++i) {
        if (!runnable(tables[i]) || tables[i]->dtype != CONVX_FLOAT32) continue;
        for (int how = 0; how < 10; ++how) {
            const int64_t k = kernels[how % 5];
            convx_conv_params p = plane(how < 5 ? 1 : 24, 9, 21, k, k);
            if (k == 4) p.stride[0] = p.stride[1] = 2;
            p.pad_after[0] = p.pad_after[1] = -3; /* columns that no output needs */
            layer l = make(p, how < 5 ? CHANNELS_FIRST : CHANNELS_LAST, true);
            const int64_t places = l.p.input[0] * l.p.input[1];
            for (int64_t at = 0; at < places; at += 5) {
                const double was = tensor_get(&l.input, at);
                tensor_set(&l.input, at, NAN);
                const int64_t h = at / l.p.input[1] + p.pad_before[0], w = at % l.p.input[1] + p.pad_before[1];
                run_direct(&l, CONVX_FORWARD, tables[i], 1, false, NULL, l.output.data);
                for (int64_t o = 0; o < l.p.output[0] * l.p.output[1]; ++o) {
                    const int64_t th = h - o / l.p.output[1] * p.stride[0], tw = w - o % l.p.output[1] * p.stride[1];
                    const bool reached = th >= 0 && th < k && tw >= 0 && tw < k;
                    CHECK(isnan(tensor_get(&l.output, o)) == reached);
                }
                restore(&l.output);
                run_direct(&l, CONVX_WEIGHT_GRADIENT, tables[i], 1, false, NULL, l.weight.data);
                for (int64_t t = 0; t < k * k; ++t) {
                    const int64_t oh = h - t / k, ow = w - t % k;
                    const bool reached = oh >= 0 && ow >= 0 && oh % p.stride[0] == 0 && ow % p.stride[1] == 0 &&
                                         oh / p.stride[0] < l.p.output[0] && ow / p.stride[1] < l.p.output[1];
                    CHECK(isnan(tensor_get(&l.weight, t)) == reached);
                }
                restore(&l.weight);
                tensor_set(&l.input, at, was);
            }
            layer_free(&l);
        }
    }
}

/*
 * A million equal products a weight. A running sum in float rounds each of them the same way once it is large: by a part
 * in 3000 here. One that begins anew after 2048 products stays below a part in 16000.
 */
static void long_sums_of_a_weight_gradient_keep_their_accuracy(void) {
    for (int i = 0; i < TABLES; ++i) {
        if (!runnable(tables[i]) || tables[i]->dtype != CONVX_FLOAT32) continue;
        for (int last = 0; last < 2; ++last) {
            layer l =
                make(plane(last ? 16 : 1, last ? 256 : 1024, 1000, 1, 1), last ? CHANNELS_LAST : CHANNELS_FIRST, false);
            const float factor = 1.0f + 1.0f / 3000;
            for (int64_t j = 0; j < l.input.count; ++j) {
                ((float *)l.input.data)[j] = 1;
                ((float *)l.output.data)[j] = factor;
            }
            const double exact = (double)factor * (double)(l.p.input[0] * l.p.input[1]);
            run_direct(&l, CONVX_WEIGHT_GRADIENT, tables[i], 2, false, NULL, l.weight.data);
            CHECK_THAT(fabs(tensor_get(&l.weight, 0) - exact) < 6e-5 * exact, "%s: %g, exactly %g",
                       cx_isa_string(tables[i]->isa), tensor_get(&l.weight, 0), exact);
            layer_free(&l);
        }
    }
}

/* Even and odd columns of an input gradient of stride 2 are stored together: also where there are only a few of them. */
static void narrow_input_gradients_of_stride_two_are_exact(void) {
    for (int64_t width = 1; width <= 40; ++width)
        for (int64_t kernel = 1; kernel <= 5; ++kernel) {
            convx_conv_params p = plane(2, 5, width, 3, kernel);
            p.stride[0] = p.stride[1] = 2;
            p.pad_after[1] = kernel;
            layer l = make(p, CHANNELS_FIRST, true);
            check_layer(&l);
            layer_free(&l);
        }
}

/* Also where the phase of three by three taps begins a column after the other. */
static void wide_input_gradients_of_stride_two_are_exact(void) {
    for (int64_t pad = 0; pad <= 4; ++pad)
        for (int64_t kernel = 5; kernel <= 7; ++kernel) {
            convx_conv_params p = plane(2, 9, 130 + pad, kernel, 7);
            p.stride[0] = p.stride[1] = 2;
            p.pad_before[1] = pad;
            layer l = make(p, CHANNELS_FIRST, true);
            check_layer(&l);
            layer_free(&l);
        }
}

/* Blocks of one to four vectors, the last of them whole, half or overlapping, and padding of either side in each of them. */
static void planes_of_any_width_and_padding_are_exact(void) {
    for (int64_t width = 1; width <= 150; width += width < 40 ? 1 : 5)
        for (int64_t step = 1; step <= 2; ++step) {
            const int64_t kernel = random_in(2, 4) * 2 - 1, pad = one_in(4) ? random_in(0, 40) : kernel / 2;
            convx_conv_params p = plane(2, 9, width, step == 2 ? 5 : kernel, step == 2 && one_in(2) ? 5 : kernel);
            p.stride[0] = p.stride[1] = step;
            p.pad_before[1] = pad;
            p.pad_after[1] = one_in(4) ? random_in(0, 40) : pad;
            if (width + pad + p.pad_after[1] < p.kernel[1]) continue;
            layer l = make(p, CHANNELS_FIRST, true);
            check_layer(&l);
            layer_free(&l);
        }
}

static void activations_are_those_of_the_table(void) {
    for (int activation = CONVX_ACT_NONE; activation <= CONVX_ACT_HARDTANH; ++activation)
        for (int shape = 0; shape < 4; ++shape) {
            const bool narrow = shape >= 2;
            convx_conv_params p = narrow ? plane(40, 9, 7, 5, 5) : plane(19, 11, 37, 3, 3);
            layer l = make(p, shape % 2 ? CHANNELS_LAST : CHANNELS_FIRST, false);
            const cx_kernels *kernels = cx_kernels_get(CONVX_FLOAT32);
            run_direct(&l, CONVX_FORWARD, kernels, 1, false, l.bias.data, l.output.data);
            float *expected = malloc(sizeof(float) * (size_t)l.output.count);
            memcpy(expected, l.output.memory.data, sizeof(float) * (size_t)l.output.count);
            kernels->activate(expected, l.output.count, (convx_activation)activation);
            l.p.activation = activation;
            run_direct(&l, CONVX_FORWARD, kernels, 2, true, l.bias.data, l.output.data);
            CHECK(memcmp(expected, l.output.memory.data, sizeof(float) * (size_t)l.output.count) == 0);
            free(expected);
            layer_free(&l);
        }
}

int main(void) {
    RUN(every_table_gives_the_exact_sums_of_any_layer);
    RUN(every_table_gives_the_exact_sums_of_wide_and_deep_stencils);
    RUN(channels_of_narrow_maps_that_are_copied_side_by_side_give_exact_sums);
    RUN(thousands_of_taps_are_taken_in_several_passes_of_bounded_memory);
    RUN(memory_of_a_thread_stays_near_the_second_level_cache);
    RUN(an_element_has_the_same_bits_wherever_it_lies);
    RUN(threads_do_not_change_a_bit);
    RUN(not_a_number_stays_where_the_taps_put_it);
    RUN(long_sums_of_a_weight_gradient_keep_their_accuracy);
    RUN(narrow_input_gradients_of_stride_two_are_exact);
    RUN(wide_input_gradients_of_stride_two_are_exact);
    RUN(planes_of_any_width_and_padding_are_exact);
    RUN(activations_are_those_of_the_table);
    return check_report();
}
