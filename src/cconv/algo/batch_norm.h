/* Batch normalisation over channels of tensors in any memory. Parameters have been checked. */
#ifndef CX_ALGO_BATCH_NORM_H
#define CX_ALGO_BATCH_NORM_H

#include "base/conv.h"

/* Tensors of one size; strides of (batch, channel, depth, height, width). */
typedef struct cx_batch_norm {
    convx_dtype dtype;
    int64_t sizes[5];
    int64_t x_strides[5], y_strides[5], grad_strides[5];
    double epsilon, momentum;
} cx_batch_norm;

/* Vectors mean, variance, weight (or NULL), bias (or NULL) of one element a channel. CONVX_OK or CONVX_OUT_OF_MEMORY, all three. */
convx_status cx_batch_norm_forward(const cx_batch_norm *norm, const void *x, const void *weight, const void *bias,
                                   const void *mean, const void *variance, void *y);
convx_status cx_batch_norm_train(const cx_batch_norm *norm, const void *x, const void *weight, const void *bias,
                                 void *running_mean, void *running_variance, void *mean, void *inverse_std, void *y);
/* grad_weight and grad_bias may be NULL. */
convx_status cx_batch_norm_gradient(const cx_batch_norm *norm, const void *x, const void *weight, const void *mean,
                                    const void *inverse_std, const void *gy, void *gx, void *grad_weight,
                                    void *grad_bias);

#endif
