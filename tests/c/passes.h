/* The three passes of every algorithm on random layers, in small integers against brute force. */
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
    case CONVX_ALGO_WINOGRAD_2X2: return 10;
    case CONVX_ALGO_WINOGRAD_4X4: return 9;
    case CONVX_ALGO_WINOGRAD_6X6: return 4;
    default: return 0;
    }
}

/*
 * How far a sum of small integers may be off. Winograd's transforms work in fractions, but for F(2, 3), whose halves and
 * quarters are exact; a product too few, too many or in the wrong place is off by 1 at least. `auto` may take Winograd.
 */
static inline double tolerance_of(const layer *l) {
    bool tiled = false, halves = true;
    for (int d = 0; d < l->p.rank; ++d) {
        const int64_t taps = l->p.kernel[d];
        if (taps == 3 || taps == 5 || taps == 7) tiled = true;
        if (taps > 3) halves = false;
    }
    const convx_algorithm algorithm = (convx_algorithm)l->p.algorithm;
    if (algorithm == CONVX_ALGO_REFERENCE || algorithm == CONVX_ALGO_GEMM || algorithm == CONVX_ALGO_DIRECT) return 0;
    if (!tiled || (algorithm == CONVX_ALGO_WINOGRAD_2X2 && halves)) return 0;
    return l->p.dtype == CONVX_FLOAT64 ? 1e-10 : 1.0 / 32;
}

static inline void check_result(layer *l, convx_pass pass, const int64_t *expected) {
    const tensor *result = layer_result(l, pass);
    const double tolerance = tolerance_of(l);
    for (int64_t i = 0; i < result->count; ++i) {
        const double error = tensor_get(result, i) - (double)expected[i];
        CHECK_THAT(error >= -tolerance && error <= tolerance, "element %lld is %.9g, not %lld: %s", (long long)i,
                   tensor_get(result, i), (long long)expected[i], layer_text(l, pass));
    }
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
