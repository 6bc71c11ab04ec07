/* The linear layers of convx.h. Their arguments are checked as those of convolutions of one tap, whose places are the rows. */
#include <string.h>

#include "algo/few_rows.h"
#include "algo/product.h"
#include "base/shape.h"
#include "plan/execute.h"

/* Without rows there is one place, of no batch. */
static convx_status as_convolution(const convx_linear_params *p, convx_conv_params *conv) {
    if (!p || p->struct_size != sizeof *p) return CONVX_INVALID_ARGUMENT;
    if (p->dtype != CONVX_FLOAT32 && p->dtype != CONVX_FLOAT64) return CONVX_INVALID_ARGUMENT;
    if (p->rows < 0 || p->in_features < 0 || p->out_features < 0) return CONVX_INVALID_SHAPE;
    const int64_t places = p->rows > 0 ? p->rows : 1;
    *conv = (convx_conv_params){.struct_size = sizeof *conv,
                                .dtype = p->dtype,
                                .rank = 1,
                                .batch = p->rows > 0,
                                .groups = 1,
                                .in_channels = p->in_features,
                                .out_channels = p->out_features,
                                .input = {places},
                                .output = {places},
                                .kernel = {1},
                                .stride = {1},
                                .dilation = {1},
                                .input_strides = {0, p->input_strides[1], p->input_strides[0]},
                                .weight_strides = {p->weight_strides[0], p->weight_strides[1], 0},
                                .output_strides = {0, p->output_strides[1], p->output_strides[0]}};
    return CONVX_OK;
}

/* Sums over no features. `row` may be NULL: zeros. */
static convx_status fill(int32_t dtype, int64_t rows, int64_t columns, const int64_t strides[2], const void *row,
                         void *result) {
    const size_t element = cx_dtype_size((convx_dtype)dtype);
    const double zero = 0;
    if (rows > 0 && columns > 0 && !result) return CONVX_INVALID_ARGUMENT;
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c)
            memcpy(cx_at_mut(result, r * strides[0] + c * strides[1], element), row ? cx_at(row, c, element) : &zero,
                   element);
    return CONVX_OK;
}

/* True if it is done. */
static bool run_few_rows(const convx_linear_params *p, convx_pass pass, const convx_conv_args *args) {
    if (p->rows > CX_FEW_ROWS) return false;
    const bool back = pass == CONVX_INPUT_GRADIENT;
    const int64_t *outer = back ? p->input_strides : p->output_strides;
    const int64_t *inner = back ? p->output_strides : p->input_strides;
    const cx_few_rows product = {.rows = p->rows,
                                 .outs = back ? p->in_features : p->out_features,
                                 .ins = back ? p->out_features : p->in_features,
                                 .a_strides = {outer[0], outer[1]},
                                 .b_strides = {inner[0], inner[1]},
                                 .m_strides = {p->weight_strides[back], p->weight_strides[!back]},
                                 .b = back ? args->grad_output : args->input,
                                 .m = pass == CONVX_WEIGHT_GRADIENT ? args->grad_output : args->weight,
                                 .bias = args->bias,
                                 .a = args->result};
    const cx_kernels *kernels = cx_kernels_get((convx_dtype)p->dtype);
    return pass == CONVX_WEIGHT_GRADIENT ? cx_few_rows_outer(kernels, &product)
                                         : cx_few_rows_product(kernels, &product);
}

/* As matrices: columns are features of the result that lie side by side, or its wider side. */
static cx_product product_of(const convx_linear_params *p, convx_pass pass, const convx_conv_args *args) {
    const int64_t *x = p->input_strides, *w = p->weight_strides, *y = p->output_strides;
    if (pass == CONVX_FORWARD)
        return (cx_product){.m = p->rows,
                            .n = p->out_features,
                            .k = p->in_features,
                            .c_strides = {y[0], y[1]},
                            .a_strides = {x[0], x[1]},
                            .b_strides = {w[1], w[0]},
                            .a = args->input,
                            .b = args->weight,
                            .bias_columns = args->bias,
                            .c = args->result};
    if (pass == CONVX_INPUT_GRADIENT)
        return (cx_product){.m = p->rows,
                            .n = p->in_features,
                            .k = p->out_features,
                            .c_strides = {x[0], x[1]},
                            .a_strides = {y[0], y[1]},
                            .b_strides = {w[0], w[1]},
                            .a = args->grad_output,
                            .b = args->weight,
                            .c = args->result};
    const bool turned = p->in_features < p->out_features / 4;
    return (cx_product){.m = turned ? p->in_features : p->out_features,
                        .n = turned ? p->out_features : p->in_features,
                        .k = p->rows,
                        .c_strides = {w[turned], w[!turned]},
                        .a_strides = {(turned ? x : y)[1], (turned ? x : y)[0]},
                        .b_strides = {(turned ? y : x)[0], (turned ? y : x)[1]},
                        .a = turned ? args->input : args->grad_output,
                        .b = turned ? args->grad_output : args->input,
                        .c = args->result};
}

/* True if it is done. *status says how it went, if it is not CONVX_OK the arguments are refused. */
static bool run_directly(const convx_linear_params *p, const convx_conv_params *params, convx_pass pass,
                         const convx_conv_args *args, convx_status *status) {
    cx_conv conv;
    cx_tensors tensors;
    if (p->rows < 1) return false; /* zeros, or nothing at all */
    *status = cx_conv_normalise(params, pass, &conv);
    if (*status != CONVX_OK) return true;
    *status = cx_bind(&conv, pass, false, args, &tensors);
    if (*status != CONVX_OK || run_few_rows(p, pass, args)) return true;
    const cx_product product = product_of(p, pass, args);
    *status = cx_product_run(cx_kernels_get(conv.dtype), &product);
    return true;
}

convx_status convx_linear_forward(const convx_linear_params *params, const void *input, const void *weight,
                                  const void *bias, void *output) {
    convx_conv_params conv;
    convx_status status = as_convolution(params, &conv);
    if (status != CONVX_OK) return status;
    if (params->in_features == 0 || params->out_features == 0)
        return fill(params->dtype, params->rows, params->out_features, params->output_strides, bias, output);
    const convx_conv_args args = {.input = input, .weight = weight, .bias = bias, .result = output};
    if (run_directly(params, &conv, CONVX_FORWARD, &args, &status)) return status;
    return convx_conv_forward(&conv, input, weight, bias, output);
}

convx_status convx_linear_input_gradient(const convx_linear_params *params, const void *weight, const void *grad_output,
                                         void *grad_input) {
    convx_conv_params conv;
    convx_status status = as_convolution(params, &conv);
    if (status != CONVX_OK) return status;
    if (params->in_features == 0 || params->out_features == 0)
        return fill(params->dtype, params->rows, params->in_features, params->input_strides, NULL, grad_input);
    const convx_conv_args args = {.weight = weight, .grad_output = grad_output, .result = grad_input};
    if (run_directly(params, &conv, CONVX_INPUT_GRADIENT, &args, &status)) return status;
    return convx_conv_input_gradient(&conv, weight, grad_output, grad_input);
}

convx_status convx_linear_weight_gradient(const convx_linear_params *params, const void *input, const void *grad_output,
                                          void *grad_weight) {
    convx_conv_params conv;
    convx_status status = as_convolution(params, &conv);
    if (status != CONVX_OK) return status;
    if (params->in_features == 0 || params->out_features == 0) return CONVX_OK;
    const convx_conv_args args = {.input = input, .grad_output = grad_output, .result = grad_weight};
    if (run_directly(params, &conv, CONVX_WEIGHT_GRADIENT, &args, &status)) return status;
    return convx_conv_weight_gradient(&conv, input, grad_output, grad_weight);
}

convx_status convx_linear_bias_gradient(const convx_linear_params *params, const void *grad_output, void *grad_bias) {
    convx_conv_params conv;
    const convx_status status = as_convolution(params, &conv);
    if (status != CONVX_OK) return status;
    if (params->out_features == 0) return CONVX_OK;
    return convx_conv_bias_gradient(&conv, grad_output, grad_bias);
}
