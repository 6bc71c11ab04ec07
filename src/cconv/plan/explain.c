#include <inttypes.h>

#include "base/shape.h"
#include "base/text.h"
#include "base/threads.h"
#include "plan/choose.h"
#include "plan/names.h"

static void explain_problem(cx_text *text, const cx_conv *c, const cx_kernels *kernels, int threads) {
    static const char *const passes[] = {"forward", "input gradient", "weight gradient"};
    static const char *const modes[] = {"zeros", "reflect", "replicate", "circular", "symmetric"};
    cx_text_add(text, "%s %s, batch %" PRId64 ", groups %" PRId64 ", channels %" PRId64 " -> %" PRId64 " a group, ",
                passes[c->pass], c->dtype == CONVX_FLOAT64 ? "float64" : "float32", c->batch, c->groups, c->in_channels,
                c->out_channels);
    const struct {
        const char *name;
        const int64_t *sizes;
    } lists[] = {{"input", c->in},      {"output", c->out},        {"kernel", c->kernel},
                 {"stride", c->stride}, {"dilation", c->dilation}, {"padding", c->pad}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; ++i) {
        const int64_t *s = lists[i].sizes;
        cx_text_add(text, "%s %" PRId64 "x%" PRId64 "x%" PRId64 ", ", lists[i].name, s[0], s[1], s[2]);
    }
    cx_text_add(text, "%s; %s, %d thread%s\n", modes[c->padding_mode], cx_isa_string(kernels->isa), threads,
                threads == 1 ? "" : "s");
}

size_t cx_explain(const cx_conv *conv, convx_algorithm wanted, bool kept, size_t limit, char *buffer, size_t capacity) {
    cx_text text = cx_text_begin(buffer, capacity);
    const cx_kernels *kernels = cx_kernels_get(conv->dtype);
    const int threads = cx_threads_get();
    cx_conv folded = *conv;
    cx_conv_fold(&folded);
    explain_problem(&text, conv, kernels, threads);

    cx_choice choice = {0};
    const convx_status status = cx_choose(&folded, kernels, wanted, threads, kept, limit, &choice);
    const cx_algorithm *algorithm;
    for (int i = 0; (algorithm = cx_candidate(i)) != NULL; ++i) {
        cx_text_add(&text, "  %-12s ", cx_algorithm_string(algorithm->id));
        cx_decision decision;
        const bool accepts = cx_candidate_decide(algorithm, &folded, kernels, threads, kept, limit, &decision);
        if (!accepts && decision.reason)
            cx_text_add(&text, "declines: %s", decision.reason);
        else
            cx_text_add(&text, "%.3g cycles, %zu bytes of workspace", decision.cost, cx_workspace_bytes(&decision));
        if (!accepts && !decision.reason) cx_text_add(&text, ", more than the limit of %zu", limit);
        if (accepts) {
            cx_text_add(&text, ", %d thread%s", decision.threads, decision.threads == 1 ? "" : "s");
            if (decision.packed_bytes) cx_text_add(&text, ", keeps %zu bytes of weights", decision.packed_bytes);
            if (decision.reason) cx_text_add(&text, " (%s)", decision.reason);
        }
        if (status == CONVX_OK && algorithm == choice.algorithm)
            cx_text_add(&text, "  <- chosen");
        else if (accepts && decision.on_request && wanted != algorithm->id)
            cx_text_add(&text, ", only on request");
        else if (accepts && wanted == CONVX_ALGO_AUTO && decision.cost < choice.decision.cost)
            cx_text_add(&text, ", for larger layers");
        else if (accepts && !cx_candidate_matches(wanted, algorithm->id))
            cx_text_add(&text, ", not asked for");
        else if (accepts && wanted == CONVX_ALGO_AUTO && algorithm->id == CONVX_ALGO_REFERENCE)
            cx_text_add(&text, ", the last resort");
        cx_text_add(&text, "\n");
    }
    return text.length;
}
