/* The three passes of every algorithm on random layers, in exact small integers against brute force. */
#ifndef CX_TESTS_PASSES_H
#define CX_TESTS_PASSES_H

#include "check.h"
#include "layer.h"

#include "plan/choose.h"

static inline int64_t
expected_share(convx_algorithm algorithm) { /* in percent, of the runs that are not unsupported for all */
    switch (algorithm) {
    case CONVX_ALGO_REFERENCE: return 100;
    case CONVX_ALGO_GEMM: return 95;
    case CONVX_ALGO_DIRECT: return 95;
    default: return 0;
    }
}

/* Winograd's transforms are not exact in integers. */
static inline bool is_exact(convx_algorithm algorithm) { return !cx_candidate_matches(CONVX_ALGO_WINOGRAD, algorithm); }

static inline void check_result(layer *l, convx_pass pass, const int64_t *expected) {
    const tensor *result = layer_result(l, pass);
    for (int64_t i = 0; i < result->count; ++i)
        CHECK_THAT(tensor_get(result, i) == (double)expected[i], "element %lld is %g, not %lld: %s", (long long)i,
                   tensor_get(result, i), (long long)expected[i], layer_text(l, pass));
}

static inline void restore(tensor *t) {
    for (int64_t i = 0; i < t->count; ++i) tensor_set(t, i, (double)t->value[i]);
}

/* All algorithms on one layer; counts those that accept. */
static inline void run_all(layer *l, convx_pass pass, int *accepted) {
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
        CHECK_THAT(status == CONVX_OK, "%s: %s", convx_status_string(status), layer_text(l, pass));
        check_result(l, pass, expected);
        CHECK_THAT(tensor_gaps_untouched(result), "wrote between the elements: %s", layer_text(l, pass));
        if (i >= 0) ++accepted[i];
    }
    restore(result);
    free(expected);
}

static inline void check_share(const int *accepted, int runs) {
    for (int i = 0; cx_candidate(i); ++i) {
        const convx_algorithm id = cx_candidate(i)->id;
        printf("       %s served %d of %d\n", convx_algorithm_name(id), accepted[i], runs);
        CHECK_THAT((int64_t)accepted[i] * 100 >= expected_share(id) * runs, "%s declines too often",
                   convx_algorithm_name(id));
    }
}

static inline void all_passes(convx_dtype dtype, placement where, int count) {
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

#endif
