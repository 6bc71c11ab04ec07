/* Sums over batch and space, a channel at a time: the gradient of a bias. */
#ifndef CX_ALGO_CHANNEL_SUMS_H
#define CX_ALGO_CHANNEL_SUMS_H

#include "base/conv.h"

/*
 * sums[c] = sum of data[n, c, ...]; sizes and strides of (batch, channel, depth, height, width). The additions form a
 * tree whose shape follows from sizes and strides alone, so that the error grows with the logarithm of the count and the
 * bits do not depend on threads. CONVX_OK or CONVX_OUT_OF_MEMORY.
 */
convx_status cx_channel_sums(convx_dtype dtype, const int64_t sizes[5], const int64_t strides[5], const void *data,
                             void *sums);

#endif
