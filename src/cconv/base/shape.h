/* From a caller's parameters to the normalised convolution, and what its tensors reach in memory. */
#ifndef CX_BASE_SHAPE_H
#define CX_BASE_SHAPE_H

#include "base/conv.h"

/* Sizes, enumerators and offsets beyond this are refused: sums of a few of them still fit 64 bits. */
#define CX_SIZE_LIMIT ((int64_t)1 << 60)

/*
 * Checks everything that can be checked without the tensors' addresses. *conv is set only on CONVX_OK. In it, strides
 * of dimensions of extent 1 are 0, the stride of a dimension with one output is 1, and so is a kernel of 1's dilation.
 */
convx_status cx_conv_normalise(const convx_conv_params *params, convx_pass pass, cx_conv *conv);

/* See convx_conv_output_size. */
convx_status cx_conv_output_size(const convx_conv_params *params, int64_t output[3]);

/* What sums over an output tensor need checked: dtype, rank, batch, out_channels, output, output_strides. */
convx_status cx_output_normalise(const convx_conv_params *params, int64_t sizes[5], int64_t steps[5]);

/*
 * One tensor of activations, of `rank` spatial dimensions: its sizes and strides as (batch, channel, depth, height, width),
 * strides of dimensions with one place 0. `written`: no two places may share an element (CONVX_OVERLAP).
 */
convx_status cx_activations_normalise(convx_dtype dtype, int rank, int64_t batch, int64_t channels,
                                      const int64_t *extent, const int64_t *strides, bool written, int64_t sizes[5],
                                      int64_t steps[5]);

/*
 * The same convolution with longer rows: dimensions that a kernel of 1 only passes through are merged where the memory
 * of both x and y allows it, the batch too, and dimensions of one place move to the front. Results are the same.
 */
void cx_conv_fold(cx_conv *conv);

/* The weights' strides, were they contiguous in their own order. */
cx_weight_strides cx_weights_contiguous(const cx_conv *conv);
int64_t cx_weights_count(const cx_conv *conv);

/* Whether the bytes of a dense tensor of these sizes, and every offset that the strides reach, fit 64 bits. */
bool cx_tensor_fits(int dimensions, const int64_t *sizes, const int64_t *strides, size_t element);
/* Whether no two elements share a place. Sufficient, and exact for what slicing and transposing make. */
bool cx_tensor_distinct(int dimensions, const int64_t *sizes, const int64_t *strides);

/* Offsets in elements that a tensor reaches: [first, last]. Empty: last < first. */
typedef struct cx_span {
    int64_t first, last;
} cx_span;

cx_span cx_span_x(const cx_conv *conv);
cx_span cx_span_y(const cx_conv *conv);
cx_span cx_span_w(const cx_conv *conv);
cx_span cx_span_of(int dimensions, const int64_t *sizes, const int64_t *strides);

/* Whether two tensors' address ranges meet. */
bool cx_spans_meet(const void *a, cx_span a_span, const void *b, cx_span b_span, size_t element);

#endif
