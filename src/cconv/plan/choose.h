/* The candidates in order, and the choice among them. */
#ifndef CX_PLAN_CHOOSE_H
#define CX_PLAN_CHOOSE_H

#include "algo/algorithm.h"

typedef struct cx_choice {
    const cx_algorithm *algorithm;
    cx_decision decision;
} cx_choice;

/* NULL past the last. */
const cx_algorithm *cx_candidate(int index);

/* Whether asking for `wanted` may end in `algorithm`. auto takes the reference only when all others decline. */
bool cx_candidate_matches(convx_algorithm wanted, convx_algorithm algorithm);

static inline size_t cx_workspace_bytes(const cx_decision *d) {
    return d->shared_bytes + (size_t)d->threads * d->thread_bytes;
}

/*
 * One candidate's decision, with fewer threads where that is what fits the limit (0: none). False: *decision holds the
 * reason, or, with reason NULL, what it would have needed beyond the limit.
 */
bool cx_candidate_decide(const cx_algorithm *algorithm, const cx_conv *conv, const cx_kernels *kernels, int threads,
                         bool kept, size_t limit, cx_decision *decision);

/* CONVX_OK, CONVX_UNSUPPORTED when all that match decline, CONVX_WORKSPACE_LIMIT when none of the others fits. */
convx_status cx_choose(const cx_conv *conv, const cx_kernels *kernels, convx_algorithm wanted, int threads, bool kept,
                       size_t limit, cx_choice *choice);

/* Like snprintf. `conv` is normalised and not yet folded. */
size_t cx_explain(const cx_conv *conv, convx_algorithm wanted, bool kept, size_t limit, char *text, size_t capacity);

#endif
