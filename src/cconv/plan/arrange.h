/*
 * Weights that lie with in_channels fastest (out, kernel, in), as those of channels-last frameworks do, are brought into the
 * order of the contract before an algorithm reads them, where they do not stay in the second-level cache: every way of reading
 * them where they are uses few elements of a cache line before it is gone.
 */
#ifndef CX_PLAN_ARRANGE_H
#define CX_PLAN_ARRANGE_H

#include "algo/algorithm.h"

/* Weights with conv's strides into the order of the contract, dense. Those that a plan keeps are made by it, too. */
void cx_arrange_weights(const cx_conv *conv, int threads, const void *weights, void *to);

/* Whether to, before a run. False for weight gradients, which read no weights. */
bool cx_weights_worth_arranging(const cx_conv *conv, convx_algorithm algorithm);

/* Lets the algorithm decide for arranged weights, and adds what arranging them takes. */
bool cx_decide_arranged(const cx_algorithm *algorithm, const cx_conv *conv, const cx_kernels *kernels, int threads,
                        cx_decision *decision);

/* Runs it. The arranged weights are the first part of the workspace. */
void cx_run_arranged(const cx_algorithm *algorithm, const cx_conv *conv, const cx_kernels *kernels,
                     const cx_decision *decision, const cx_tensors *tensors, void *workspace);

#endif
