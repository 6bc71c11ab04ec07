/* For one algorithm the bits depend on neither threads, nor cuts of the batch, nor alignment. */
#include "passes.h"

/* Under an emulator or a sanitizer everything takes ten times as long: fewer of the same. */
#if defined(CHECK_SANITIZED) || defined(CONVX_EMULATED)
enum { slow = 1, random_layers = 100, thread_step = 6, offset_rounds = 1 };
#else
enum { slow = 0, random_layers = 1500, thread_step = 1, offset_rounds = 4 };
#endif

typedef struct shape {
    const char *name;
    int64_t batch, groups, in, out, size, kernel, stride, pad;
} shape;

static const shape shapes[] = {
    {"3x3", 4, 1, 24, 40, 29, 3, 1, 1},        {"3x3 of stride 2", 3, 1, 33, 17, 31, 3, 2, 1},
    {"1x1", 5, 1, 130, 70, 13, 1, 1, 0},       {"a few places", 6, 1, 150, 90, 3, 3, 1, 1},
    {"depthwise", 4, 48, 48, 48, 33, 3, 1, 1}, {"groups", 3, 4, 32, 24, 23, 5, 2, 2},
    {"few channels", 3, 1, 3, 6, 64, 5, 1, 2}, {"one channel", 3, 1, 1, 1, 150, 7, 1, 3},
    {"deep", 3, 1, 150, 34, 15, 3, 1, 1},      {"5x5", 2, 2, 22, 36, 21, 5, 1, 2},
};

static layer make(const shape *s, convx_dtype dtype, layout how) {
    layer l = {.p = params_make(2, dtype)};
    l.p.batch = s->batch;
    l.p.groups = s->groups;
    l.p.in_channels = s->in;
    l.p.out_channels = s->out;
    for (int d = 0; d < 2; ++d) {
        l.p.input[d] = s->size;
        l.p.kernel[d] = s->kernel;
        l.p.stride[d] = s->stride;
        l.p.pad_before[d] = l.p.pad_after[d] = s->pad;
    }
    CHECK(params_set_output(&l.p));
    layer_tensors(&l, (layout[3]){how, CHANNELS_FIRST, how}, IN_HEAP);
    tensor_fill_reals(&l.input);
    tensor_fill_reals(&l.weight);
    tensor_fill_reals(&l.output);
    tensor_fill_reals(&l.bias);
    return l;
}

static size_t bytes_of(const tensor *t) { return (size_t)t->reach * t->element; }

typedef void (*compare)(layer *l, convx_pass pass, const void *expected, void *other, const char *name);

static int for_each_shape(compare body) {
    int done = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        for (int variant = 0; variant < 4; ++variant)
            for (int pass = 0; pass < 3; ++pass) {
                layer l = make(&shapes[i], variant & 1 ? CONVX_FLOAT64 : CONVX_FLOAT32,
                               variant & 2 ? CHANNELS_LAST : CHANNELS_FIRST);
                tensor *result = layer_result(&l, (convx_pass)pass);
                void *expected = malloc(bytes_of(result)), *other = malloc(bytes_of(result) + 64);
                for (int c = 0; cx_candidate(c); ++c) {
                    l.p.algorithm = cx_candidate(c)->id;
                    /* plain loops take most of the time, and are the same loops everywhere */
                    if (l.p.algorithm == CONVX_ALGO_REFERENCE && (slow || variant > 0)) continue;
                    if (slow && (variant & 1)) continue;
                    convx_set_num_threads(1);
                    const convx_status status =
                        layer_run(&l, (convx_pass)pass, pass == CONVX_FORWARD ? l.bias.data : NULL, expected);
                    convx_set_num_threads(0);
                    if (status == CONVX_UNSUPPORTED) continue;
                    CHECK(status == CONVX_OK);
                    body(&l, (convx_pass)pass, expected, other, shapes[i].name);
                    ++done;
                }
                free(expected);
                free(other);
                layer_free(&l);
            }
    return done;
}

static void with_threads(layer *l, convx_pass pass, const void *expected, void *other, const char *name) {
    const tensor *result = layer_result(l, pass);
    for (int threads = 2; threads <= 8; threads += thread_step) {
        convx_set_num_threads(threads);
        memset(other, 0xA5, bytes_of(result));
        CHECK(layer_run(l, pass, pass == CONVX_FORWARD ? l->bias.data : NULL, other) == CONVX_OK);
        CHECK_THAT(memcmp(expected, other, bytes_of(result)) == 0, "%s, %d threads: %s", name, threads,
                   layer_text(l, pass));
    }
    convx_set_num_threads(0);
}
static void bits_do_not_depend_on_the_number_of_threads(void) { CHECK(for_each_shape(with_threads) > 50); }

static void with_cuts(layer *l, convx_pass pass, const void *expected, void *other, const char *name) {
    if (pass == CONVX_WEIGHT_GRADIENT) return;
    const tensor *result = layer_result(l, pass), *source = pass == CONVX_FORWARD ? &l->input : &l->output;
    for (int64_t piece = 1; piece < (slow ? 2 : l->p.batch); ++piece) {
        memset(other, 0xA5, bytes_of(result));
        for (int64_t first = 0; first < l->p.batch; first += piece) {
            convx_conv_params p = l->p;
            p.batch = first + piece < l->p.batch ? piece : l->p.batch - first;
            const char *from = (const char *)source->data + first * source->stride[0] * (int64_t)source->element;
            char *to = (char *)other + first * result->stride[0] * (int64_t)result->element;
            CHECK((pass == CONVX_FORWARD ? convx_conv_forward(&p, from, l->weight.data, l->bias.data, to)
                                         : convx_conv_input_gradient(&p, l->weight.data, from, to)) == CONVX_OK);
        }
        CHECK_THAT(memcmp(expected, other, bytes_of(result)) == 0, "%s, %lld images at a time: %s", name,
                   (long long)piece, layer_text(l, pass));
    }
}
static void bits_do_not_depend_on_how_the_batch_is_cut(void) { CHECK(for_each_shape(with_cuts) > 50); }

/* Small layers of every kind: where a choice hangs on the number of pixels, some of them lie on either side of it. */
static void bits_of_random_layers_do_not_depend_on_how_the_batch_is_cut(void) {
    for (int i = 0; i < random_layers; ++i) {
        layer l = {.p = params_random(one_in(2) ? CONVX_FLOAT32 : CONVX_FLOAT64)};
        layout how[3];
        layer_random_layouts(how);
        l.p.batch = random_in(2, 9);
        layer_tensors(&l, how, IN_HEAP);
        tensor_fill_reals(&l.input);
        tensor_fill_reals(&l.weight);
        tensor_fill_reals(&l.output);
        tensor_fill_reals(&l.bias);
        for (int pass = 0; pass < 2; ++pass) {
            if (pass == CONVX_INPUT_GRADIENT && l.p.padding_mode != CONVX_PAD_ZEROS) continue;
            const tensor *result = layer_result(&l, (convx_pass)pass);
            tensor *source = pass == CONVX_FORWARD ? &l.input : &l.output;
            const int64_t each = result->count / l.p.batch;
            double *expected = malloc(sizeof(double) * (size_t)result->count);
            for (int c = 0; cx_candidate(c); ++c) {
                layer single = l;
                l.p.algorithm = single.p.algorithm = cx_candidate(c)->id;
                if (layer_run(&l, (convx_pass)pass, l.bias.data, result->data) != CONVX_OK) continue;
                for (int64_t k = 0; k < result->count; ++k) expected[k] = tensor_get(result, k);
                single.p.batch = 1;
                for (int64_t n = 0; n < l.p.batch; ++n) {
                    tensor *moving = pass == CONVX_FORWARD ? &single.input : &single.output;
                    moving->data = (char *)source->data + n * source->stride[0] * (int64_t)source->element;
                    void *to = (char *)result->data + n * result->stride[0] * (int64_t)result->element;
                    CHECK(layer_run(&single, (convx_pass)pass, l.bias.data, to) == CONVX_OK);
                }
                for (int64_t k = 0; k < result->count; ++k)
                    CHECK_THAT(tensor_get(result, k) == expected[k], "image %lld: %s", (long long)(k / each),
                               layer_text(&l, (convx_pass)pass));
            }
            free(expected);
        }
        layer_free(&l);
    }
}

static void *moved(const tensor *t, int64_t elements, void **block) {
    *block = malloc(bytes_of(t) + 128);
    char *to = (char *)(((uintptr_t)*block + 63) / 64 * 64) + elements * (int64_t)t->element;
    memcpy(to, t->memory.data, bytes_of(t));
    return to;
}

static void with_offsets(layer *l, convx_pass pass, const void *expected, void *other, const char *name) {
    const tensor *result = layer_result(l, pass);
    for (int round = 0; round < offset_rounds; ++round) {
        void *blocks[3];
        layer shifted = *l;
        shifted.input.data = moved(&l->input, random_in(0, 7), &blocks[0]);
        shifted.weight.data = moved(&l->weight, random_in(0, 7), &blocks[1]);
        shifted.output.data = moved(&l->output, random_in(0, 7), &blocks[2]);
        char *to = (char *)other + random_in(0, 7) * (int64_t)result->element;
        CHECK(layer_run(&shifted, pass, pass == CONVX_FORWARD ? l->bias.data : NULL, to) == CONVX_OK);
        CHECK_THAT(memcmp(expected, to, bytes_of(result)) == 0, "%s: %s", name, layer_text(l, pass));
        for (int i = 0; i < 3; ++i) free(blocks[i]);
    }
}
static void bits_do_not_depend_on_alignment(void) { CHECK(for_each_shape(with_offsets) > 50); }

static void with_a_plan(layer *l, convx_pass pass, const void *expected, void *other, const char *name) {
    const tensor *result = layer_result(l, pass);
    convx_plan *plan;
    const bool kept = pass != CONVX_WEIGHT_GRADIENT;
    CHECK(convx_conv_plan_create(&l->p, pass, kept ? l->weight.data : NULL, NULL, &plan) == CONVX_OK);
    const convx_conv_args args = {.struct_size = sizeof args,
                                  .input = l->input.data,
                                  .bias = l->bias.data,
                                  .grad_output = l->output.data,
                                  .result = other};
    CHECK(convx_conv_plan_execute(plan, &args) == CONVX_OK);
    CHECK_THAT(memcmp(expected, other, bytes_of(result)) == 0, "%s: %s", name, layer_text(l, pass));
    convx_plan_destroy(plan);
}
static void a_plan_gives_the_bits_of_the_one_shot_call(void) { CHECK(for_each_shape(with_a_plan) > 50); }

static void the_bits_of_a_bias_gradient_do_not_depend_on_threads(void) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        for (int how = 0; how < 3; ++how) {
            layer l = make(&shapes[i], CONVX_FLOAT32, (layout)how);
            float *expected = malloc(bytes_of(&l.bias));
            convx_set_num_threads(1);
            CHECK(convx_conv_bias_gradient(&l.p, l.output.data, expected) == CONVX_OK);
            for (int threads = 2; threads <= 8; threads += thread_step) {
                convx_set_num_threads(threads);
                CHECK(convx_conv_bias_gradient(&l.p, l.output.data, l.bias.data) == CONVX_OK);
                CHECK_THAT(memcmp(expected, l.bias.data, bytes_of(&l.bias)) == 0, "%s, %d threads", shapes[i].name,
                           threads);
            }
            convx_set_num_threads(0);
            free(expected);
            layer_free(&l);
        }
}

int main(void) {
    RUN(bits_do_not_depend_on_the_number_of_threads);
    RUN(bits_do_not_depend_on_how_the_batch_is_cut);
    RUN(bits_of_random_layers_do_not_depend_on_how_the_batch_is_cut);
    RUN(bits_do_not_depend_on_alignment);
    RUN(a_plan_gives_the_bits_of_the_one_shot_call);
    RUN(the_bits_of_a_bias_gradient_do_not_depend_on_threads);
    return check_report();
}
