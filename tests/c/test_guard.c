/* Tensors and workspace between unreadable pages: the first byte read or written outside stops the program. */
#include "faults.h"
#include "passes.h"

enum { layers = 500 };

static void no_byte_after_a_tensor_is_touched(void) {
    all_passes(CONVX_FLOAT32, BEFORE_GUARD, layers);
    all_passes(CONVX_FLOAT64, BEFORE_GUARD, layers);
}
static void no_byte_before_a_tensor_is_touched(void) {
    all_passes(CONVX_FLOAT32, AFTER_GUARD, layers);
    all_passes(CONVX_FLOAT64, AFTER_GUARD, layers);
}

static size_t workspace_size(const layer *l, convx_pass pass, bool kept, convx_plan **plan) {
    const void *weight = kept && pass != CONVX_WEIGHT_GRADIENT ? l->weight.data : NULL;
    const void *bias = pass == CONVX_FORWARD ? l->bias.data : NULL;
    *plan = NULL;
    const convx_status status = convx_conv_plan_create(&l->p, pass, weight, bias, plan);
    CHECK_THAT(status == CONVX_OK || status == CONVX_UNSUPPORTED, "%s: %s", convx_status_string(status),
               layer_text(l, pass));
    return status == CONVX_OK ? convx_plan_workspace_size(*plan) : 0;
}

/* The workspace is exactly as large as was asked for, with a guard at its end or at its beginning. */
static void plan_in_guarded_workspace(layer *l, convx_pass pass, bool kept, placement where, int *ran) {
    convx_plan *plan;
    const size_t size = workspace_size(l, pass, kept, &plan);
    if (!plan) return;
    CHECK_THAT(size % 64 == 0, "a workspace of %zu bytes: %s", size, layer_text(l, pass));
    region workspace = region_make(size, where);
    memset(workspace.data, 0xFF, size); /* NaN in what is read before it is written */
    tensor *result = layer_result(l, pass);
    int64_t *expected = malloc(sizeof(int64_t) * (size_t)(result->count + 1));
    layer_brute_force(l, pass, pass == CONVX_FORWARD, expected);
    convx_conv_args args = {.struct_size = sizeof args,
                            .input = l->input.data,
                            .weight = kept ? NULL : l->weight.data,
                            .grad_output = l->output.data,
                            .result = result->data,
                            .workspace = size ? workspace.data : NULL,
                            .workspace_size = size};
    tensor_spoil(result);
    CHECK_THAT(convx_conv_plan_execute(plan, &args) == CONVX_OK, "%s", layer_text(l, pass));
    check_result(l, pass, expected);
    CHECK_THAT(tensor_gaps_untouched(result), "%s", layer_text(l, pass));
    restore(result);
    convx_plan_destroy(plan);
    region_free(&workspace);
    free(expected);
    ++*ran;
}

static void plans_stay_inside_their_workspace_and_write_before_they_read(void) {
    int ran = 0;
    for (int i = 0; i < layers; ++i) {
        layer l;
        layer_random(&l, one_in(2) ? CONVX_FLOAT32 : CONVX_FLOAT64, (placement)random_in(1, 2));
        for (int pass = 0; pass < 3; ++pass) {
            if (pass == CONVX_INPUT_GRADIENT && l.p.padding_mode != CONVX_PAD_ZEROS) continue;
            for (int c = 0; cx_candidate(c); ++c) {
                l.p.algorithm = cx_candidate(c)->id;
                plan_in_guarded_workspace(&l, (convx_pass)pass, one_in(2), (placement)random_in(1, 2), &ran);
            }
        }
        layer_free(&l);
    }
    CHECK_THAT(ran > 2 * layers, "only %d plans ran", ran);
}

int main(void) {
    report_faults();
    RUN(no_byte_after_a_tensor_is_touched);
    RUN(no_byte_before_a_tensor_is_touched);
    RUN(plans_stay_inside_their_workspace_and_write_before_they_read);
    return check_report();
}
