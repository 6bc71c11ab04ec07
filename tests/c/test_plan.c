/* Plans: what they keep, what they accept at each execution, and what they tell. */
#include "passes.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>

#include "base/memory.h"

enum { layers = 400 };

static bool has_pass(const layer *l, convx_pass pass) {
    return pass != CONVX_INPUT_GRADIENT || l->p.padding_mode == CONVX_PAD_ZEROS;
}

static convx_conv_args args_of(const layer *l, convx_pass pass) {
    layer *mutable_layer = (layer *)(uintptr_t)l;
    return (convx_conv_args){.struct_size = sizeof(convx_conv_args),
                             .input = l->input.data,
                             .weight = l->weight.data,
                             .bias = l->bias.data,
                             .grad_output = l->output.data,
                             .result = layer_result(mutable_layer, pass)->data};
}

static int64_t *brute_force(const layer *l, convx_pass pass) {
    layer *mutable_layer = (layer *)(uintptr_t)l;
    int64_t *expected = malloc(sizeof(int64_t) * (size_t)(layer_result(mutable_layer, pass)->count + 1));
    layer_brute_force(l, pass, pass == CONVX_FORWARD, expected);
    return expected;
}

/* For each random layer, pass and algorithm. */
static int for_each_layer(bool (*body)(layer *, convx_pass)) {
    int done = 0;
    for (int i = 0; i < layers; ++i) {
        layer l;
        layer_random(&l, one_in(2) ? CONVX_FLOAT32 : CONVX_FLOAT64, IN_HEAP);
        for (int pass = 0; pass < 3; ++pass)
            for (int c = -1; c < 0 || cx_candidate(c); ++c) {
                l.p.algorithm = c < 0 ? CONVX_ALGO_AUTO : (int32_t)cx_candidate(c)->id;
                if (!has_pass(&l, (convx_pass)pass)) continue;
                done += body(&l, (convx_pass)pass);
            }
        layer_free(&l);
    }
    return done;
}

static bool with_kept_weights(layer *l, convx_pass pass) {
    convx_plan *plan;
    const void *weight = pass == CONVX_WEIGHT_GRADIENT ? NULL : l->weight.data;
    const void *bias = pass == CONVX_FORWARD ? l->bias.data : NULL;
    const convx_status status = convx_conv_plan_create(&l->p, pass, weight, bias, &plan);
    if (status == CONVX_UNSUPPORTED) return false;
    CHECK_THAT(status == CONVX_OK, "%s", layer_text(l, pass));
    CHECK((convx_plan_weight_bytes(plan) > 0) == (weight != NULL));
    int64_t *expected = brute_force(l, pass);
    if (weight) tensor_spoil(&l->weight);
    tensor_spoil(&l->bias);
    convx_conv_args args = args_of(l, pass);
    args.weight = args.bias = NULL;
    for (int time = 0; time < 2; ++time) {
        tensor_spoil(layer_result(l, pass));
        CHECK_THAT(convx_conv_plan_execute(plan, &args) == CONVX_OK, "%s", layer_text(l, pass));
        check_result(l, pass, expected);
    }
    restore(layer_result(l, pass));
    restore(&l->weight);
    restore(&l->bias);
    free(expected);
    convx_plan_destroy(plan);
    return true;
}

static void a_plan_needs_the_callers_weights_and_bias_no_longer(void) {
    CHECK(for_each_layer(with_kept_weights) > layers);
}

static bool with_weights_at_execution(layer *l, convx_pass pass) {
    convx_plan *plan;
    if (convx_conv_plan_create(&l->p, pass, NULL, NULL, &plan) != CONVX_OK) return false;
    CHECK(convx_plan_weight_bytes(plan) == 0);
    int64_t *expected = brute_force(l, pass);
    const convx_conv_args args = args_of(l, pass);
    tensor_spoil(layer_result(l, pass));
    CHECK_THAT(convx_conv_plan_execute(plan, &args) == CONVX_OK, "%s", layer_text(l, pass));
    check_result(l, pass, expected);
    restore(layer_result(l, pass));
    free(expected);
    convx_plan_destroy(plan);
    return true;
}

static void a_plan_without_weights_takes_them_at_each_execution(void) {
    CHECK(for_each_layer(with_weights_at_execution) > layers);
}

/* Planned for other layouts, and for other thread counts, than it is executed with. */
static bool with_other_strides(layer *l, convx_pass pass) {
    layer planned = {.p = l->p};
    layout how[3];
    layer_random_layouts(how);
    layer_tensors(&planned, how, IN_HEAP);
    memcpy(planned.p.weight_strides, l->p.weight_strides, sizeof l->p.weight_strides);
    const bool kept = pass != CONVX_WEIGHT_GRADIENT && one_in(2);
    convx_plan *plan = NULL;
    convx_set_num_threads((int)random_in(1, 3));
    convx_conv_plan_create(&planned.p, pass, kept ? l->weight.data : NULL, NULL, &plan);
    convx_set_num_threads(one_in(2) ? (int)random_in(1, 4) : 0);
    layer_free(&planned);
    if (!plan) return false;
    convx_conv_args args = args_of(l, pass);
    int64_t *expected = brute_force(l, pass);
    if (pass == CONVX_FORWARD) {
        args.input_strides = l->p.input_strides;
        args.result_strides = l->p.output_strides;
    } else if (pass == CONVX_INPUT_GRADIENT) {
        args.input_strides = l->p.output_strides;
        args.result_strides = l->p.input_strides;
    } else { /* grad_output has the plan's strides, which here must be the layer's */
        convx_plan_destroy(plan);
        convx_conv_params p = planned.p;
        memcpy(p.output_strides, l->p.output_strides, sizeof p.output_strides);
        CHECK(convx_conv_plan_create(&p, pass, NULL, NULL, &plan) == CONVX_OK);
        args.input_strides = l->p.input_strides;
        args.result_strides = l->p.weight_strides;
    }
    /* what the plan has told about its workspace is allowed, whatever the strides */
    const size_t size = convx_plan_workspace_size(plan);
    region workspace = {NULL, NULL, 0, 0};
    void *aligned = NULL;
    if (one_in(2)) {
        workspace = region_make(size + 64, IN_HEAP);
        aligned = (void *)(((uintptr_t)workspace.data + 63) / 64 * 64);
        args.workspace = aligned;
        args.workspace_size = size;
    }
    tensor_spoil(layer_result(l, pass));
    const convx_status status = convx_conv_plan_execute(plan, &args);
    if (status != CONVX_UNSUPPORTED) {
        CHECK_THAT(status == CONVX_OK, "%s: %s", convx_status_string(status), layer_text(l, pass));
        check_result(l, pass, expected);
        CHECK_THAT(tensor_gaps_untouched(layer_result(l, pass)), "%s", layer_text(l, pass));
    }
    restore(layer_result(l, pass));
    if (workspace.data) region_free(&workspace);
    free(expected);
    convx_plan_destroy(plan);
    convx_set_num_threads(0);
    return status == CONVX_OK;
}

static void a_plan_executes_with_any_strides_and_any_number_of_threads(void) {
    CHECK(for_each_layer(with_other_strides) > layers);
}

/* ---- Threads --------------------------------------------------------------------------------------------------- */

static layer fixed_layer(int algorithm) {
    layer l = {.p = params_make(2, CONVX_FLOAT32)};
    l.p.batch = 2;
    l.p.in_channels = 12;
    l.p.out_channels = 20;
    l.p.algorithm = algorithm;
    for (int d = 0; d < 2; ++d) {
        l.p.input[d] = l.p.output[d] = 19;
        l.p.kernel[d] = 3;
        l.p.pad_before[d] = l.p.pad_after[d] = 1;
    }
    layer_tensors(&l, (layout[3]){CHANNELS_FIRST, CHANNELS_FIRST, CHANNELS_FIRST}, IN_HEAP);
    tensor_fill_integers(&l.input);
    tensor_fill_integers(&l.weight);
    tensor_fill_integers(&l.output);
    tensor_fill_integers(&l.bias);
    return l;
}

typedef struct executor {
    const convx_plan *plan;
    layer *l;
    const int64_t *expected;
    double tolerance;
} executor;

static void *execute_often(void *context) {
    const executor *e = context;
    tensor mine = e->l->output;
    float *own = malloc(sizeof(float) * (size_t)mine.reach);
    mine.data = own;
    convx_conv_args args = args_of(e->l, CONVX_FORWARD);
    args.result = own;
    for (int i = 0; i < 40; ++i) {
        memset(own, 0xA5, sizeof(float) * (size_t)mine.reach);
        CHECK(convx_conv_plan_execute(e->plan, &args) == CONVX_OK);
        for (int64_t k = 0; k < mine.count; ++k)
            CHECK(fabs(tensor_get(&mine, k) - (double)e->expected[k]) <= e->tolerance);
    }
    free(own);
    return NULL;
}

static void several_threads_execute_one_plan_at_once(void) {
    for (int c = 0; cx_candidate(c); ++c) {
        layer l = fixed_layer((int)cx_candidate(c)->id);
        convx_plan *plan;
        if (convx_conv_plan_create(&l.p, CONVX_FORWARD, l.weight.data, l.bias.data, &plan) == CONVX_OK) {
            int64_t *expected = brute_force(&l, CONVX_FORWARD);
            executor e = {plan, &l, expected, tolerance_of(&l)};
            pthread_t threads[4];
            for (int i = 0; i < 4; ++i) CHECK(pthread_create(&threads[i], NULL, execute_often, &e) == 0);
            for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
            free(expected);
            convx_plan_destroy(plan);
        }
        layer_free(&l);
    }
}

/* ---- Arguments ------------------------------------------------------------------------------------------------- */

static void an_execution_refuses_what_it_cannot_use(void) {
    layer l = fixed_layer(CONVX_ALGO_AUTO);
    convx_plan *plan;
    CHECK(convx_conv_plan_create(&l.p, CONVX_FORWARD, NULL, NULL, &plan) == CONVX_OK);
    const convx_conv_args good = args_of(&l, CONVX_FORWARD);
    CHECK(convx_conv_plan_execute(plan, &good) == CONVX_OK);
    CHECK(convx_conv_plan_execute(NULL, &good) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_conv_plan_execute(plan, NULL) == CONVX_INVALID_ARGUMENT);
    convx_conv_args args = good;
    args.struct_size = 8;
    CHECK(convx_conv_plan_execute(plan, &args) == CONVX_INVALID_ARGUMENT);
    args = good;
    args.input = NULL;
    CHECK(convx_conv_plan_execute(plan, &args) == CONVX_INVALID_ARGUMENT);
    args = good;
    args.weight = NULL;
    CHECK(convx_conv_plan_execute(plan, &args) == CONVX_INVALID_ARGUMENT);
    args = good;
    args.result = NULL;
    CHECK(convx_conv_plan_execute(plan, &args) == CONVX_INVALID_ARGUMENT);
    args = good;
    args.result = l.input.data;
    CHECK(convx_conv_plan_execute(plan, &args) == CONVX_OVERLAP);
    const int64_t folded_on_itself[4] = {361, 0, 19, 1};
    args = good;
    args.result_strides = folded_on_itself;
    CHECK(convx_conv_plan_execute(plan, &args) == CONVX_OVERLAP);
    char *workspace = aligned_alloc(64, 64 * 1024 * 1024);
    args = good;
    args.workspace = workspace + 4;
    args.workspace_size = 32 * 1024 * 1024;
    CHECK(convx_conv_plan_execute(plan, &args) == CONVX_INVALID_ARGUMENT);
    if (convx_plan_workspace_size(plan) > 0) {
        args.workspace = workspace;
        args.workspace_size = convx_plan_workspace_size(plan) - 1;
        CHECK(convx_conv_plan_execute(plan, &args) == CONVX_INVALID_ARGUMENT);
        ++args.workspace_size;
        CHECK(convx_conv_plan_execute(plan, &args) == CONVX_OK);
    }
    free(workspace);
    convx_plan_destroy(plan);
    convx_plan_destroy(NULL);
    layer_free(&l);
}

static void the_workspace_stays_below_its_limit_or_the_plan_is_refused(void) {
    int fitted = 0, refused = 0;
    for (int i = 0; i < layers; ++i) {
        layer l;
        layer_random(&l, CONVX_FLOAT32, IN_HEAP);
        l.p.workspace_limit = (size_t)random_in(1, 60000);
        convx_plan *plan;
        const convx_status status = convx_conv_plan_create(&l.p, CONVX_FORWARD, NULL, NULL, &plan);
        if (status == CONVX_OK) {
            CHECK(convx_plan_workspace_size(plan) <= l.p.workspace_limit);
            fitted += convx_plan_workspace_size(plan) > 0;
            convx_plan_destroy(plan);
        } else {
            CHECK_THAT(status == CONVX_WORKSPACE_LIMIT, "%s", layer_text(&l, CONVX_FORWARD));
            ++refused;
        }
        CHECK(convx_conv_forward(&l.p, l.input.data, l.weight.data, NULL, l.output.data) == status);
        l.p.algorithm = CONVX_ALGO_REFERENCE;
        CHECK(convx_conv_forward(&l.p, l.input.data, l.weight.data, NULL, l.output.data) == CONVX_OK);
        layer_free(&l);
    }
    CHECK_THAT(fitted > 10 && refused > 10, "%d fitted, %d were refused", fitted, refused);
}

static void explain_names_every_candidate_and_marks_the_one_that_runs(void) {
    layer l = fixed_layer(CONVX_ALGO_AUTO);
    convx_plan *plan;
    CHECK(convx_conv_plan_create(&l.p, CONVX_FORWARD, l.weight.data, NULL, &plan) == CONVX_OK);
    char text[4096], small[20];
    const size_t length = convx_plan_explain(plan, text, sizeof text);
    CHECK(length == strlen(text));
    for (int c = 0; cx_candidate(c); ++c) CHECK(strstr(text, convx_algorithm_name(cx_candidate(c)->id)));
    const char *chosen = strstr(text, "<- chosen");
    CHECK(chosen && !strstr(chosen + 1, "<- chosen"));
    while (chosen > text && chosen[-1] != '\n') --chosen;
    CHECK(strstr(chosen, convx_algorithm_name(convx_plan_algorithm(plan))) == chosen + 2);
    CHECK(convx_plan_explain(plan, small, sizeof small) == length);
    CHECK(strlen(small) == sizeof small - 1 && memcmp(small, text, sizeof small - 1) == 0);
    CHECK(convx_plan_explain(plan, NULL, 0) == length);
    convx_plan_destroy(plan);

    CHECK(strstr(text, "winograd_6x6 ") && strstr(text, ", only on request"));
    l.p.algorithm = CONVX_ALGO_WINOGRAD_6X6;
    l.p.stride[0] = 2;
    l.p.output[0] = 10;
    CHECK(convx_conv_plan_create(&l.p, CONVX_FORWARD, NULL, NULL, &plan) == CONVX_UNSUPPORTED);
    CHECK(convx_conv_explain(&l.p, CONVX_FORWARD, text, sizeof text) < sizeof text);
    CHECK(strstr(text, "winograd_6x6 declines: ") && !strstr(text, "<- chosen"));
    l.p.stride[0] = -1;
    CHECK(convx_conv_explain(&l.p, CONVX_FORWARD, text, sizeof text) > 0 && strstr(text, "refused: invalid shape"));
    layer_free(&l);
}

static void plans_give_back_all_their_memory(void) {
    layer l = fixed_layer(CONVX_ALGO_AUTO);
    size_t before = 0;
    for (int i = 0; i < 300; ++i) {
        convx_plan *plan;
        CHECK(convx_conv_plan_create(&l.p, CONVX_FORWARD, l.weight.data, l.bias.data, &plan) == CONVX_OK);
        const convx_conv_args args = args_of(&l, CONVX_FORWARD);
        CHECK(convx_conv_plan_execute(plan, &args) == CONVX_OK);
        convx_plan_destroy(plan);
        convx_conv_params refused = l.p;
        refused.algorithm = CONVX_ALGO_WINOGRAD;
        refused.stride[0] = 2;
        refused.output[0] = 10;
        CHECK(convx_conv_plan_create(&refused, CONVX_FORWARD, NULL, NULL, &plan) == CONVX_UNSUPPORTED);
#if defined(__GLIBC__) && !defined(CHECK_SANITIZED)
        const struct mallinfo2 info = mallinfo2();
        if (i == 100) before = info.uordblks + info.hblkhd;
        if (i > 100) CHECK(info.uordblks + info.hblkhd <= before);
#endif
    }
    (void)before;
    layer_free(&l);
}

/* The first allocation fails, then the second, until none does. */
static bool failing_one_by_one(layer *l, convx_pass pass) {
    const void *weight = pass == CONVX_WEIGHT_GRADIENT ? NULL : l->weight.data;
    const void *bias = pass == CONVX_FORWARD ? l->bias.data : NULL;
    const convx_conv_args args = args_of(l, pass);
    convx_plan *plan = NULL;
    convx_status status = CONVX_OUT_OF_MEMORY;
    for (int k = 0; status == CONVX_OUT_OF_MEMORY; ++k) {
        cx_memory_fail_after(k);
        status = convx_conv_plan_create(&l->p, pass, weight, bias, &plan);
        cx_memory_fail_after(-1);
        if (status == CONVX_UNSUPPORTED) return false;
        CHECK(k > 0 ? true : status == CONVX_OUT_OF_MEMORY);
        CHECK((status == CONVX_OK) == (plan != NULL));
    }
    CHECK(status == CONVX_OK);
    int64_t *expected = brute_force(l, pass);
    tensor *result = layer_result(l, pass);
    const double first = result->count ? tensor_get(result, 0) : 0;
    cx_memory_fail_after(0);
    status = convx_conv_plan_execute(plan, &args);
    cx_memory_fail_after(-1);
    CHECK(status == CONVX_OK || status == CONVX_OUT_OF_MEMORY);
    const bool refused = status == CONVX_OUT_OF_MEMORY;
    if (refused)
        CHECK(result->count == 0 || tensor_get(result, 0) == first);
    else
        check_result(l, pass, expected);
    restore(result);
    free(expected);
    convx_plan_destroy(plan);
    return refused;
}

static void each_allocation_that_fails_is_told_and_leaves_nothing_behind(void) {
    CHECK(for_each_layer(failing_one_by_one) > 10);
}

int main(void) {
    RUN(a_plan_needs_the_callers_weights_and_bias_no_longer);
    RUN(a_plan_without_weights_takes_them_at_each_execution);
    RUN(a_plan_executes_with_any_strides_and_any_number_of_threads);
    RUN(several_threads_execute_one_plan_at_once);
    RUN(an_execution_refuses_what_it_cannot_use);
    RUN(the_workspace_stays_below_its_limit_or_the_plan_is_refused);
    RUN(explain_names_every_candidate_and_marks_the_one_that_runs);
    RUN(plans_give_back_all_their_memory);
    RUN(each_allocation_that_fails_is_told_and_leaves_nothing_behind);
    return check_report();
}
