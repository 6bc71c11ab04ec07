/* A plan: a choice that is kept, with its own copies of weights and bias. Never written after its creation. */
#ifndef CX_PLAN_PLAN_H
#define CX_PLAN_PLAN_H

#include "plan/choose.h"

struct convx_plan {
    convx_conv_params params;
    convx_pass pass; /* of the layer */
    const cx_kernels *kernels;
    cx_conv conv, folded; /* with the strides of the kept weights, where the plan keeps them */
    cx_choice choice;
    int threads;   /* that the choice was made for */
    void *weights; /* contiguous, or NULL: the caller's, at each execution */
    void *packed;  /* as the choice's algorithm likes them, or NULL */
    void *bias;    /* or NULL */
};

convx_status cx_plan_create(const convx_conv_params *params, convx_pass pass, const void *weight, const void *bias,
                            convx_plan **plan);
convx_status cx_plan_execute(const convx_plan *plan, const convx_conv_args *args);
void cx_plan_destroy(convx_plan *plan);

/* The choice for the thread count in force now. */
size_t cx_plan_workspace(const convx_plan *plan);

#endif
