/* Steps of optimisers. Parameters have been checked. */
#ifndef CX_ALGO_OPTIM_H
#define CX_ALGO_OPTIM_H

#include "include/convx.h"

void cx_sgd_step(const convx_sgd_params *params, const void *gradient, void *velocity, void *parameter);
void cx_adam_step(const convx_adam_params *params, const void *gradient, void *mean, void *square, void *largest_square,
                  void *parameter);

#endif
