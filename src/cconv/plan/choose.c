#include "plan/choose.h"

#include "plan/arrange.h"

/* Of two that cost the same, the first is taken. */
static const cx_algorithm *const candidates[] = {
    &cx_algorithm_direct,       &cx_algorithm_gemm,         &cx_algorithm_winograd_4x4,
    &cx_algorithm_winograd_2x2, &cx_algorithm_winograd_6x6, &cx_algorithm_reference,
};

const cx_algorithm *cx_candidate(int index) {
    const int count = (int)(sizeof candidates / sizeof *candidates);
    return index >= 0 && index < count ? candidates[index] : NULL;
}

bool cx_candidate_matches(convx_algorithm wanted, convx_algorithm algorithm) {
    switch (wanted) {
    case CONVX_ALGO_AUTO: return algorithm != CONVX_ALGO_WINOGRAD_6X6;
    case CONVX_ALGO_WINOGRAD: return algorithm == CONVX_ALGO_WINOGRAD_2X2 || algorithm == CONVX_ALGO_WINOGRAD_4X4;
    default: return algorithm == wanted;
    }
}

bool cx_candidate_decide(const cx_algorithm *algorithm, const cx_conv *conv, const cx_kernels *kernels, int threads,
                         bool kept, size_t limit, cx_decision *decision) {
    *decision = (cx_decision){0};
    if (!kept && cx_weights_worth_arranging(conv, algorithm->id)) {
        if (cx_decide_arranged(algorithm, conv, kernels, threads, decision) &&
            (limit == 0 || cx_workspace_bytes(decision) <= limit))
            return true;
        *decision = (cx_decision){0};
    }
    if (!algorithm->decide(conv, kernels, threads, kept, decision)) return false;
    if (limit == 0 || cx_workspace_bytes(decision) <= limit) return true;
    if (decision->thread_bytes > 0 && decision->threads > 1 && limit > decision->shared_bytes) {
        const size_t affordable = (limit - decision->shared_bytes) / decision->thread_bytes;
        cx_decision smaller = {0};
        if (affordable > 0 && affordable < (size_t)decision->threads &&
            algorithm->decide(conv, kernels, (int)affordable, kept, &smaller) &&
            cx_workspace_bytes(&smaller) <= limit) {
            *decision = smaller;
            return true;
        }
    }
    decision->reason = NULL;
    return false;
}

static double weighted(const cx_algorithm *algorithm, const cx_decision *decision) {
    return decision->cost * algorithm->auto_weight;
}

convx_status cx_choose(const cx_conv *conv, const cx_kernels *kernels, convx_algorithm wanted, int threads, bool kept,
                       size_t limit, cx_choice *choice) {
    bool found = false, limited = false;
    const cx_algorithm *algorithm;
    for (int i = 0; (algorithm = cx_candidate(i)) != NULL; ++i) {
        if (!cx_candidate_matches(wanted, algorithm->id)) continue;
        const bool last_resort = wanted == CONVX_ALGO_AUTO && algorithm->id == CONVX_ALGO_REFERENCE;
        if (last_resort && (found || limited)) continue;
        if (found && wanted == CONVX_ALGO_AUTO && choice->decision.cost <= algorithm->auto_above) continue;
        cx_decision decision;
        if (!cx_candidate_decide(algorithm, conv, kernels, threads, kept, limit, &decision)) {
            limited = limited || decision.reason == NULL;
            continue;
        }
        if (decision.on_request && wanted != algorithm->id) continue;
        if (found && !(weighted(algorithm, &decision) < weighted(choice->algorithm, &choice->decision))) continue;
        *choice = (cx_choice){algorithm, decision};
        found = true;
    }
    return found ? CONVX_OK : limited ? CONVX_WORKSPACE_LIMIT : CONVX_UNSUPPORTED;
}
