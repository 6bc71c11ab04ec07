# The C ABI for Cython: `from convx cimport capi`. Compile with convx.get_include() and link with convx::convx.
# Meanings are those of convx.h; only what C declares stands here.
from libc.stdint cimport int32_t, int64_t


cdef extern from "convx.h" nogil:
    enum: CONVX_VERSION_MAJOR
    enum: CONVX_VERSION_MINOR
    enum: CONVX_VERSION_PATCH
    enum: CONVX_TRANSPOSED

    ctypedef enum convx_status:
        CONVX_OK
        CONVX_INVALID_ARGUMENT
        CONVX_INVALID_SHAPE
        CONVX_OVERFLOW
        CONVX_OUT_OF_MEMORY
        CONVX_UNSUPPORTED
        CONVX_WORKSPACE_LIMIT
        CONVX_OVERLAP
        CONVX_INVALID_INDEX

    ctypedef enum convx_dtype:
        CONVX_FLOAT32
        CONVX_FLOAT64

    ctypedef enum convx_padding_mode:
        CONVX_PAD_ZEROS
        CONVX_PAD_REFLECT
        CONVX_PAD_REPLICATE
        CONVX_PAD_CIRCULAR
        CONVX_PAD_SYMMETRIC

    ctypedef enum convx_activation:
        CONVX_ACT_NONE
        CONVX_ACT_RELU
        CONVX_ACT_RELU6
        CONVX_ACT_LEAKY_RELU
        CONVX_ACT_SIGMOID
        CONVX_ACT_TANH
        CONVX_ACT_SILU
        CONVX_ACT_HARDTANH

    ctypedef enum convx_algorithm:
        CONVX_ALGO_AUTO
        CONVX_ALGO_REFERENCE
        CONVX_ALGO_GEMM
        CONVX_ALGO_DIRECT
        CONVX_ALGO_WINOGRAD
        CONVX_ALGO_WINOGRAD_2X2
        CONVX_ALGO_WINOGRAD_4X4
        CONVX_ALGO_WINOGRAD_6X6

    ctypedef enum convx_pass:
        CONVX_FORWARD
        CONVX_INPUT_GRADIENT
        CONVX_WEIGHT_GRADIENT

    ctypedef struct convx_conv_params:
        size_t struct_size
        int32_t dtype
        int32_t rank
        int32_t flags
        int32_t padding_mode
        int32_t activation
        int32_t algorithm
        int64_t batch
        int64_t groups
        int64_t in_channels
        int64_t out_channels
        int64_t input[3]
        int64_t output[3]
        int64_t kernel[3]
        int64_t stride[3]
        int64_t dilation[3]
        int64_t pad_before[3]
        int64_t pad_after[3]
        int64_t input_strides[5]
        int64_t weight_strides[5]
        int64_t output_strides[5]
        size_t workspace_limit

    convx_status convx_conv_output_size(const convx_conv_params *params, int64_t *output)
    convx_status convx_conv_forward(const convx_conv_params *params, const void *input, const void *weight,
                                    const void *bias, void *output)
    convx_status convx_conv_input_gradient(const convx_conv_params *params, const void *weight,
                                           const void *grad_output, void *grad_input)
    convx_status convx_conv_weight_gradient(const convx_conv_params *params, const void *input,
                                            const void *grad_output, void *grad_weight)
    convx_status convx_conv_bias_gradient(const convx_conv_params *params, const void *grad_output, void *grad_bias)

    ctypedef enum convx_function:
        CONVX_FN_RELU
        CONVX_FN_RELU6
        CONVX_FN_LEAKY_RELU
        CONVX_FN_SIGMOID
        CONVX_FN_TANH
        CONVX_FN_SILU
        CONVX_FN_HARDTANH
        CONVX_FN_ELU
        CONVX_FN_GELU
        CONVX_FN_GELU_TANH

    ctypedef struct convx_pointwise_params:
        size_t struct_size
        int32_t dtype
        int32_t function
        double alpha
        double beta
        int32_t ndim
        const int64_t *sizes
        const int64_t *input_strides
        const int64_t *output_strides
        const int64_t *grad_output_strides
        const int64_t *grad_input_strides

    convx_status convx_pointwise_forward(const convx_pointwise_params *params, const void *x, void *y)
    convx_status convx_pointwise_backward(const convx_pointwise_params *params, const void *x, const void *y,
                                          const void *gy, void *gx)

    ctypedef struct convx_softmax_params:
        size_t struct_size
        int32_t dtype
        int32_t log
        int32_t ndim
        int32_t axis
        const int64_t *sizes
        const int64_t *input_strides
        const int64_t *output_strides
        const int64_t *grad_output_strides
        const int64_t *grad_input_strides

    convx_status convx_softmax_forward(const convx_softmax_params *params, const void *x, void *y)
    convx_status convx_softmax_backward(const convx_softmax_params *params, const void *y, const void *gy, void *gx)

    ctypedef struct convx_linear_params:
        size_t struct_size
        int32_t dtype
        int64_t rows
        int64_t in_features
        int64_t out_features
        int64_t input_strides[2]
        int64_t weight_strides[2]
        int64_t output_strides[2]

    convx_status convx_linear_forward(const convx_linear_params *params, const void *input, const void *weight,
                                      const void *bias, void *output)
    convx_status convx_linear_input_gradient(const convx_linear_params *params, const void *weight,
                                             const void *grad_output, void *grad_input)
    convx_status convx_linear_weight_gradient(const convx_linear_params *params, const void *input,
                                              const void *grad_output, void *grad_weight)
    convx_status convx_linear_bias_gradient(const convx_linear_params *params, const void *grad_output, void *grad_bias)

    ctypedef struct convx_plan:
        pass

    ctypedef struct convx_conv_args:
        size_t struct_size
        const void *input
        const void *weight
        const void *bias
        const void *grad_output
        void *result
        const int64_t *input_strides
        const int64_t *result_strides
        void *workspace
        size_t workspace_size

    convx_status convx_conv_plan_create(const convx_conv_params *params, convx_pass which, const void *weight,
                                        const void *bias, convx_plan **plan)
    convx_status convx_conv_plan_execute(const convx_plan *plan, const convx_conv_args *args)
    void convx_plan_destroy(convx_plan *plan)
    size_t convx_plan_workspace_size(const convx_plan *plan)
    size_t convx_plan_weight_bytes(const convx_plan *plan)
    convx_algorithm convx_plan_algorithm(const convx_plan *plan)
    size_t convx_plan_explain(const convx_plan *plan, char *text, size_t capacity)
    size_t convx_conv_explain(const convx_conv_params *params, convx_pass which, char *text, size_t capacity)

    ctypedef struct convx_batch_norm_params:
        size_t struct_size
        int32_t dtype
        int32_t rank
        int64_t batch
        int64_t channels
        int64_t size[3]
        double epsilon
        double momentum
        int64_t input_strides[5]
        int64_t output_strides[5]
        int64_t grad_input_strides[5]

    convx_status convx_batch_norm_forward(const convx_batch_norm_params *params, const void *input, const void *weight,
                                          const void *bias, const void *mean, const void *variance, void *output)
    convx_status convx_batch_norm_train(const convx_batch_norm_params *params, const void *input, const void *weight,
                                        const void *bias, void *running_mean, void *running_variance, void *mean,
                                        void *inverse_std, void *output)
    convx_status convx_batch_norm_gradient(const convx_batch_norm_params *params, const void *input,
                                           const void *weight, const void *mean, const void *inverse_std,
                                           const void *grad_output, void *grad_input, void *grad_weight,
                                           void *grad_bias)

    enum: CONVX_SGD_NESTEROV
    enum: CONVX_SGD_FIRST_STEP

    ctypedef struct convx_sgd_params:
        size_t struct_size
        int32_t dtype
        int32_t flags
        int64_t count
        double rate
        double momentum
        double dampening
        double weight_decay

    convx_status convx_sgd_step(const convx_sgd_params *params, const void *gradient, void *velocity, void *parameter)

    ctypedef struct convx_adam_params:
        size_t struct_size
        int32_t dtype
        int32_t flags
        int64_t count
        int64_t step
        double rate
        double beta1
        double beta2
        double epsilon
        double weight_decay

    convx_status convx_adam_step(const convx_adam_params *params, const void *gradient, void *mean, void *square,
                                 void *largest_square, void *parameter)
    enum: CONVX_POOL_CEIL
    enum: CONVX_POOL_COUNT_PADDING
    enum: CONVX_POOL_ADAPTIVE

    ctypedef enum convx_pool_kind:
        CONVX_POOL_MAX
        CONVX_POOL_AVERAGE

    ctypedef struct convx_pool_params:
        size_t struct_size
        int32_t dtype
        int32_t rank
        int32_t kind
        int32_t flags
        int32_t algorithm
        int64_t batch
        int64_t channels
        int64_t input[3]
        int64_t output[3]
        int64_t kernel[3]
        int64_t stride[3]
        int64_t dilation[3]
        int64_t pad_before[3]
        int64_t pad_after[3]
        int64_t divisor
        int64_t input_strides[5]
        int64_t output_strides[5]
        int64_t index_strides[5]
        int64_t grad_input_strides[5]

    convx_status convx_pool_output_size(const convx_pool_params *params, int64_t *output)
    convx_status convx_pool_forward(const convx_pool_params *params, const void *input, void *output, int64_t *indices)
    convx_status convx_pool_backward(const convx_pool_params *params, const void *input, const int64_t *indices,
                                     const void *grad_output, void *grad_input)
    convx_status convx_unpool_forward(const convx_pool_params *params, const void *pooled, const int64_t *indices,
                                      void *unpooled)
    convx_status convx_unpool_backward(const convx_pool_params *params, const void *grad_unpooled,
                                       const int64_t *indices, void *grad_pooled)

    const char *convx_status_string(convx_status status)
    const char *convx_algorithm_name(convx_algorithm algorithm)
    const char *convx_version()
    convx_status convx_set_num_threads(int threads)
    int convx_get_num_threads()
    const char *convx_isa_name()
    const char *convx_isa_available(int index)
    size_t convx_config(char *text, size_t capacity)
