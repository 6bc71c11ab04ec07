/*
 * convx - convolution on the CPU, for C.                                    SPDX-License-Identifier: BSD-3-Clause
 *
 * The only installed header, and the whole contract of the shared library. C99 and C++ may include it.
 *
 * Conventions
 *   Tensors     A tensor is a pointer to its element [0, 0, ...] and one stride a dimension, counted in elements
 *               (not bytes); a stride may be zero for inputs, or negative. Order of dimensions, always:
 *                 activations  (batch, channels, spatial...)      however they lie in memory
 *                 weights      (out_channels, in_channels / groups, kernel...)
 *                 transposed   (in_channels, out_channels / groups, kernel...)
 *               Channels-last memory is therefore a matter of strides only. Inputs are never written, and no byte
 *               outside the elements that the strides reach is read.
 *   Rank        1 to 3 spatial dimensions. Arrays of three hold the first `rank` entries, in the order of the tensor.
 *   Threads     Every function may be called from several threads at once. A plan may be executed from several
 *               threads at once; only its creation and destruction need an owner.
 *   Errors      Every function that can fail returns a convx_status and leaves its outputs untouched when the
 *               arguments are refused. Nothing is printed, nothing aborts.
 *   Bits        For one algorithm and one instruction set, results are bitwise the same for any number of threads, any
 *               alignment of the tensors, and, but for weight gradients (which sum over it), any cut of the batch.
 *   ABI         Structs begin with their own size, set by the caller: zero the struct, then set struct_size to its sizeof.
 *               Later versions append members, whose zero keeps the older meaning; enumerators are only appended.
 */
#ifndef CONVX_H
#define CONVX_H

#include <stddef.h>
#include <stdint.h>

#define CONVX_VERSION_MAJOR 0
#define CONVX_VERSION_MINOR 1
#define CONVX_VERSION_PATCH 0

#if defined(CONVX_BUILD) && (defined(__GNUC__) || defined(__clang__)) && !defined(_WIN32)
#define CONVX_API __attribute__((visibility("default")))
#elif defined(CONVX_BUILD) && defined(_WIN32)
#define CONVX_API __declspec(dllexport)
#else
#define CONVX_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum convx_status {
    CONVX_OK = 0,
    CONVX_INVALID_ARGUMENT = 1, /* a null pointer, an unknown enumerator, a struct_size this library does not know */
    CONVX_INVALID_SHAPE = 2,    /* sizes that do not fit together, or a negative or zero size where one is needed */
    CONVX_OVERFLOW = 3,         /* a size or an offset that does not fit 64 bits */
    CONVX_OUT_OF_MEMORY = 4,
    CONVX_UNSUPPORTED = 5,     /* the algorithm asked for cannot serve this layer; convx_conv_explain says why */
    CONVX_WORKSPACE_LIMIT = 6, /* no algorithm fits the workspace_limit */
    CONVX_OVERLAP = 7,         /* the output shares memory with an input, or with itself */
    CONVX_INVALID_INDEX = 8    /* an index that is not a place of its tensor */
} convx_status;

typedef enum convx_dtype { CONVX_FLOAT32 = 1, CONVX_FLOAT64 = 2 } convx_dtype;

/* What a padded place of the input holds. With a b c d as the input:  */
typedef enum convx_padding_mode {
    CONVX_PAD_ZEROS = 0,     /* 0 0 | a b c d | 0 0 */
    CONVX_PAD_REFLECT = 1,   /* c b | a b c d | c b   the edge is not repeated */
    CONVX_PAD_REPLICATE = 2, /* a a | a b c d | d d */
    CONVX_PAD_CIRCULAR = 3,  /* c d | a b c d | a b */
    CONVX_PAD_SYMMETRIC = 4  /* b a | a b c d | d c   the edge is repeated */
} convx_padding_mode;

/* Applied to the result as it is stored. */
typedef enum convx_activation {
    CONVX_ACT_NONE = 0,
    CONVX_ACT_RELU = 1,
    CONVX_ACT_RELU6 = 2,
    CONVX_ACT_LEAKY_RELU = 3, /* slope 0.01 below zero */
    CONVX_ACT_SIGMOID = 4,
    CONVX_ACT_TANH = 5,
    CONVX_ACT_SILU = 6,
    CONVX_ACT_HARDTANH = 7 /* clamps to [-1, 1] */
} convx_activation;

typedef enum convx_algorithm {
    CONVX_ALGO_AUTO = 0,
    CONVX_ALGO_REFERENCE = 1, /* plain loops, sums in double: the oracle */
    CONVX_ALGO_GEMM = 2,      /* implicit GEMM */
    CONVX_ALGO_DIRECT = 3,    /* stencil; many channels on small maps: a product for each tap, less its padding */
    CONVX_ALGO_WINOGRAD = 4,  /* the faster of 2x2 and 4x4 tiles, none less exact than AUTO may take */
    CONVX_ALGO_WINOGRAD_2X2 = 5,
    CONVX_ALGO_WINOGRAD_4X4 = 6,
    CONVX_ALGO_WINOGRAD_6X6 = 7
} convx_algorithm;

/*
 * Errors, with n products in a sum, eps of the dtype. GEMM and DIRECT: at most n * eps * sum(|x| |w|). Winograd's tiles
 * of a 3x3 kernel: at most (n + 40) * eps * g * n * max|x| * max|w| over the tile's patch and the filter, g = 8, 84, 509
 * for tiles of 2x2, 4x4, 6x6. Typical errors of float32 (root mean square over that of the result, 64 channels, normally
 * distributed): GEMM 4.3e-7, 2x2 2.6e-7, 4x4 8.6e-7, 6x6 3.2e-6; twice as much with four times the channels.
 * AUTO takes no tile that is less exact than 4x4 of a 3x3 kernel, and none that saves less than an eighth of the estimated
 * time. An image whose tiles give a result that is not finite is done again by GEMM, so that NaN, infinities and overflow
 * are found where the products put them.
 */

typedef enum convx_pass {
    CONVX_FORWARD = 0,        /* y  from x, w, bias */
    CONVX_INPUT_GRADIENT = 1, /* gx from gy, w */
    CONVX_WEIGHT_GRADIENT = 2 /* gw from x, gy */
} convx_pass;

/*
 * A convolution layer. Members are of the layer's forward direction whichever pass is asked for.
 *
 * Sizes. For a convolution
 *     output[d] = floor((input[d] + pad_before[d] + pad_after[d] - dilation[d] * (kernel[d] - 1) - 1) / stride[d]) + 1
 * and for a transposed one (CONVX_TRANSPOSED in `flags`), which is the input gradient of the convolution with the same
 * parameters, any output[d] >= 1 whose own convolution gives back input[d]:
 *     (input[d] - 1) * stride[d] - pad_before[d] - pad_after[d] + dilation[d] * (kernel[d] - 1) + 1 + output_padding[d]
 * with 0 <= output_padding[d] < max(stride[d], dilation[d]).
 * output[] must be set by the caller; convx_conv_output_size computes it for a convolution.
 *
 * Empty tensors. batch may be zero: the result is then empty, a weight gradient is zero.
 */
typedef struct convx_conv_params {
    size_t struct_size;
    int32_t dtype; /* convx_dtype, of every tensor */
    int32_t rank;  /* 1, 2 or 3 */
    int32_t flags; /* 0 or CONVX_TRANSPOSED */
    int32_t padding_mode;
    int32_t activation; /* forward pass only */
    int32_t algorithm;
    int64_t batch;
    int64_t groups;
    int64_t in_channels;  /* of all groups together */
    int64_t out_channels; /* of all groups together */
    int64_t input[3];
    int64_t output[3];
    int64_t kernel[3];
    int64_t stride[3];
    int64_t dilation[3];
    int64_t pad_before[3]; /* may be negative: that many places are cut off */
    int64_t pad_after[3];
    int64_t input_strides[5];  /* batch, channel, then `rank` spatial strides; also those of its gradient */
    int64_t weight_strides[5]; /* in the order of the weights, rank + 2 of them; also those of its gradient */
    int64_t output_strides[5]; /* batch, channel, then `rank` spatial strides; also those of its gradient */
    size_t workspace_limit;    /* bytes a plan may use beyond its packed weights, all threads together; 0: no limit */
} convx_conv_params;

#define CONVX_TRANSPOSED 1

/* ---- One-shot calls -------------------------------------------------------------------------------------------- */

/* Output size of a convolution from the other members; CONVX_INVALID_SHAPE when the kernel does not fit. */
CONVX_API convx_status convx_conv_output_size(const convx_conv_params *params, int64_t output[3]);

/* output = activation(conv(input, weight) + bias). bias: out_channels contiguous elements, or NULL. */
CONVX_API convx_status convx_conv_forward(const convx_conv_params *params, const void *input, const void *weight,
                                          const void *bias, void *output);

/* grad_input of shape `input` (strides input_strides), from grad_output. padding_mode must be zeros. */
CONVX_API convx_status convx_conv_input_gradient(const convx_conv_params *params, const void *weight,
                                                 const void *grad_output, void *grad_input);

/* grad_weight (strides weight_strides), summed over the batch. */
CONVX_API convx_status convx_conv_weight_gradient(const convx_conv_params *params, const void *input,
                                                  const void *grad_output, void *grad_weight);

/* grad_bias: out_channels contiguous elements, the sums of grad_output over batch and space, added up pairwise. */
CONVX_API convx_status convx_conv_bias_gradient(const convx_conv_params *params, const void *grad_output,
                                                void *grad_bias);

/* ---- Functions of one element at a time ------------------------------------------------------------------------ */

/* The first seven have the values and meanings of convx_activation, but for the parameters. */
typedef enum convx_function {
    CONVX_FN_RELU = 1,       /* max(x, 0) */
    CONVX_FN_RELU6 = 2,      /* min(max(x, 0), 6) */
    CONVX_FN_LEAKY_RELU = 3, /* x, below zero alpha x */
    CONVX_FN_SIGMOID = 4,    /* 1 / (1 + exp(-x)) */
    CONVX_FN_TANH = 5,
    CONVX_FN_SILU = 6,      /* x / (1 + exp(-x)) */
    CONVX_FN_HARDTANH = 7,  /* min(max(x, alpha), beta) */
    CONVX_FN_ELU = 8,       /* x, below zero alpha (exp(x) - 1) */
    CONVX_FN_GELU = 9,      /* x Phi(x), with the normal distribution Phi */
    CONVX_FN_GELU_TANH = 10 /* x / (1 + exp(-2 z)), z = sqrt(2 / pi) (x + 0.044715 x^3) */
} convx_function;

/*
 * Largest errors in units in the last place of the result, gradual underflow included: SIGMOID, TANH, SILU 2.75, LEAKY_RELU
 * 0.5, ELU 3 (with alpha 1), GELU 10, GELU_TANH 3 + 3 |2 z|; none for the others. SIGMOID is 0 where exp(-x) overflows (x below
 * -88 in float, -709 in double), and SILU is -0 there, GELU_TANH where exp(-2 z) does. NaN gives NaN; SILU and GELU of minus
 * infinity are NaN.
 *
 * Gradients are those of the formula, relative to gy within 8 eps (1 + |x|); at the places without a derivative RELU, RELU6
 * and HARDTANH have 0, LEAKY_RELU and ELU that of the side below zero.
 */

/* A function of a tensor of up to 64 dimensions. */
typedef struct convx_pointwise_params {
    size_t struct_size;
    int32_t dtype;    /* convx_dtype, of every tensor */
    int32_t function; /* convx_function */
    double alpha;
    double beta;
    int32_t ndim;                       /* may be 0: one element */
    const int64_t *sizes;               /* may hold zeros: nothing to do */
    const int64_t *input_strides;       /* these four are one stride a dimension */
    const int64_t *output_strides;      /* of y; in backward only where y is given */
    const int64_t *grad_output_strides; /* backward only */
    const int64_t *grad_input_strides;  /* backward only */
} convx_pointwise_params;

/* y = function(x). y may be x, with the same strides. */
CONVX_API convx_status convx_pointwise_forward(const convx_pointwise_params *params, const void *x, void *y);

/*
 * gx = gy * function'(x). y: the forward's result, which saves SIGMOID, TANH and ELU an exponential, at the price of relative
 * precision where it saturates; NULL, or ignored, for the others. gx may be any of the others, with the same strides.
 */
CONVX_API convx_status convx_pointwise_backward(const convx_pointwise_params *params, const void *x, const void *y,
                                                const void *gy, void *gx);

/* softmax along one axis of a tensor of up to 64 dimensions: exp(x) / sum(exp(x)), or its logarithm. */
typedef struct convx_softmax_params {
    size_t struct_size;
    int32_t dtype;
    int32_t log;  /* 0, or 1 for the logarithm */
    int32_t ndim; /* may be 0: one element, axis 0 */
    int32_t axis; /* in [0, ndim) */
    const int64_t *sizes;
    const int64_t *input_strides;       /* forward only */
    const int64_t *output_strides;      /* of y */
    const int64_t *grad_output_strides; /* backward only */
    const int64_t *grad_input_strides;  /* backward only */
} convx_softmax_params;

/* The greatest element is subtracted first: nothing overflows. y may be x, with the same strides. */
CONVX_API convx_status convx_softmax_forward(const convx_softmax_params *params, const void *x, void *y);

/* gx = y (gy - sum(gy y)), or of the logarithm gy - exp(y) sum(gy), from the forward's y. gx may be y or gy. */
CONVX_API convx_status convx_softmax_backward(const convx_softmax_params *params, const void *y, const void *gy,
                                              void *gx);

/* ---- Linear layers --------------------------------------------------------------------------------------------- */

/* output[r, o] = sum over i of input[r, i] weight[o, i] + bias[o]: a convolution whose places are rows. */
typedef struct convx_linear_params {
    size_t struct_size;
    int32_t dtype;
    int64_t rows; /* these three may be zero */
    int64_t in_features;
    int64_t out_features;
    int64_t input_strides[2];  /* row, feature; also those of its gradient */
    int64_t weight_strides[2]; /* out, in; also those of its gradient */
    int64_t output_strides[2]; /* row, feature; also those of its gradient */
} convx_linear_params;

/* bias: out_features contiguous elements, or NULL. */
CONVX_API convx_status convx_linear_forward(const convx_linear_params *params, const void *input, const void *weight,
                                            const void *bias, void *output);
CONVX_API convx_status convx_linear_input_gradient(const convx_linear_params *params, const void *weight,
                                                   const void *grad_output, void *grad_input);
CONVX_API convx_status convx_linear_weight_gradient(const convx_linear_params *params, const void *input,
                                                    const void *grad_output, void *grad_weight);
/* grad_bias: out_features contiguous elements, the sums of grad_output over the rows, added up pairwise. */
CONVX_API convx_status convx_linear_bias_gradient(const convx_linear_params *params, const void *grad_output,
                                                  void *grad_bias);

/* ---- Plans ----------------------------------------------------------------------------------------------------- */

typedef struct convx_plan convx_plan;

/*
 * Decide once how a pass of a layer is computed. When `weight` is given (forward and input gradient), the plan keeps its
 * own copy in the form that the algorithm likes best, so the caller's may go; likewise `bias`. *plan is set only on CONVX_OK.
 */
CONVX_API convx_status convx_conv_plan_create(const convx_conv_params *params, convx_pass pass, const void *weight,
                                              const void *bias, convx_plan **plan);

/* The tensors of one execution. Those the plan keeps (weight, bias) and those the pass does not use may be NULL. */
typedef struct convx_conv_args {
    size_t struct_size;
    const void *input;
    const void *weight;
    const void *bias;
    const void *grad_output;
    void *result;                 /* output, grad_input or grad_weight, as the pass says */
    const int64_t *input_strides; /* NULL: those of the plan. Else batch, channel, rank spatial strides of the tensor */
    const int64_t *result_strides; /* that the pass reads (input, or grad_output for an input gradient) and writes */
    void *workspace;               /* NULL: the library's own. Else convx_plan_workspace_size bytes, aligned to 64 */
    size_t workspace_size;
} convx_conv_args;

CONVX_API convx_status convx_conv_plan_execute(const convx_plan *plan, const convx_conv_args *args);
CONVX_API void convx_plan_destroy(convx_plan *plan);

/* Bytes of scratch that one execution uses, all threads together, for the thread count in force now. */
CONVX_API size_t convx_plan_workspace_size(const convx_plan *plan);
/* Bytes of weights that the plan keeps. */
CONVX_API size_t convx_plan_weight_bytes(const convx_plan *plan);
/* The algorithm that runs: never CONVX_ALGO_AUTO. */
CONVX_API convx_algorithm convx_plan_algorithm(const convx_plan *plan);

/*
 * The candidates, each with its cost or with the reason why it declined, as UTF-8 text. Like snprintf: writes at most
 * `capacity` bytes with the terminating zero, and returns the length that the whole text has.
 */
CONVX_API size_t convx_plan_explain(const convx_plan *plan, char *text, size_t capacity);
CONVX_API size_t convx_conv_explain(const convx_conv_params *params, convx_pass pass, char *text, size_t capacity);

/* ---- Training --------------------------------------------------------------------------------------------------- */

/*
 * Batch normalisation: output = (input - mean) / sqrt(variance + epsilon) * weight + bias, with one mean, variance, weight
 * and bias a channel. A (batch, channels) tensor is one of rank 1 and size 1. Vectors have `channels` contiguous elements
 * of the dtype; weight NULL means ones, bias NULL zeros. Means and variances are summed in blocks, pairwise within one
 * and in double over them: their errors do not grow with the count.
 */
typedef struct convx_batch_norm_params {
    size_t struct_size;
    int32_t dtype;
    int32_t rank; /* 1, 2 or 3 */
    int64_t batch;
    int64_t channels;
    int64_t size[3];
    double epsilon;
    double momentum;               /* train only: running += momentum * (the batch's - running) */
    int64_t input_strides[5];      /* batch, channel, then `rank` spatial strides */
    int64_t output_strides[5];     /* also those of grad_output */
    int64_t grad_input_strides[5]; /* gradient only */
} convx_batch_norm_params;

/* With given statistics, as after training. */
CONVX_API convx_status convx_batch_norm_forward(const convx_batch_norm_params *params, const void *input,
                                                const void *weight, const void *bias, const void *mean,
                                                const void *variance, void *output);

/*
 * With the statistics of this batch, which are stored: mean, and inverse_std = 1 / sqrt(variance + epsilon), the variance
 * over all places. The running vectors (both, or both NULL) follow; the variance that they get is the unbiased one. A channel of
 * a single place is CONVX_INVALID_SHAPE; an empty batch gives mean 0 and leaves the running vectors as they are.
 */
CONVX_API convx_status convx_batch_norm_train(const convx_batch_norm_params *params, const void *input,
                                              const void *weight, const void *bias, void *running_mean,
                                              void *running_variance, void *mean, void *inverse_std, void *output);

/*
 * Gradients of convx_batch_norm_train, from the input, mean and inverse_std of the forward call: grad_input, and grad_weight
 * and grad_bias, each of which may be NULL.
 */
CONVX_API convx_status convx_batch_norm_gradient(const convx_batch_norm_params *params, const void *input,
                                                 const void *weight, const void *mean, const void *inverse_std,
                                                 const void *grad_output, void *grad_input, void *grad_weight,
                                                 void *grad_bias);

/*
 * One step of an optimiser on `count` contiguous elements of the dtype: `parameter` is changed in place, and so is the
 * optimiser's memory of it, which the caller keeps from step to step. PyTorch's update rules.
 *
 * Stochastic gradient descent. g = gradient + weight_decay * parameter; with a momentum, velocity = momentum * velocity +
 * (1 - dampening) * g (the first step's is g itself), and g = velocity, or g + momentum * velocity with CONVX_SGD_NESTEROV;
 * parameter -= rate * g.
 */
typedef struct convx_sgd_params {
    size_t struct_size;
    int32_t dtype;
    int32_t flags; /* CONVX_SGD_NESTEROV, CONVX_SGD_FIRST_STEP */
    int64_t count;
    double rate;
    double momentum; /* 0: velocity is not used and may be NULL */
    double dampening;
    double weight_decay;
} convx_sgd_params;

#define CONVX_SGD_NESTEROV   1
#define CONVX_SGD_FIRST_STEP 2 /* velocity holds nothing yet: it is written, not read */

CONVX_API convx_status convx_sgd_step(const convx_sgd_params *params, const void *gradient, void *velocity,
                                      void *parameter);

/*
 * Adam. With g = gradient + weight_decay * parameter: mean += (1 - beta1) * (g - mean), square = beta2 * square +
 * (1 - beta2) * g * g, parameter -= rate / (1 - beta1^step) * mean / (sqrt(v / (1 - beta2^step)) + epsilon), v being
 * `square`, or, where largest_square is not NULL (AMSGrad), largest_square = max(largest_square, square). The memory
 * begins with zeros.
 */
typedef struct convx_adam_params {
    size_t struct_size;
    int32_t dtype;
    int32_t flags; /* 0 */
    int64_t count;
    int64_t step; /* the number of this step, from 1 on */
    double rate;
    double beta1; /* in [0, 1), and so beta2 */
    double beta2;
    double epsilon;
    double weight_decay;
} convx_adam_params;

CONVX_API convx_status convx_adam_step(const convx_adam_params *params, const void *gradient, void *mean, void *square,
                                       void *largest_square, void *parameter);

/* ---- Pooling --------------------------------------------------------------------------------------------------- */

typedef enum convx_pool_kind { CONVX_POOL_MAX = 1, CONVX_POOL_AVERAGE = 2 } convx_pool_kind;

/* Flags of convx_pool_params. */
#define CONVX_POOL_CEIL 1 /* the output size is rounded up; a last window that begins in the end padding is dropped */
#define CONVX_POOL_COUNT_PADDING \
    2 /* averages divide by the places of the window in input and padding, not in the input alone */
#define CONVX_POOL_ADAPTIVE 4 /* output[] says how many windows share the input; kernel to pad_after are not read */

/*
 * A pooling layer. Members are of the forward direction whichever function is called.
 *
 * Sizes. Output place o has the taps o * stride - pad_before + t * dilation, 0 <= t < kernel, where they lie in the input;
 * with CONVX_POOL_ADAPTIVE the places floor(o * input / output) to ceil((o + 1) * input / output) - 1. output[] must be set by
 * the caller; convx_pool_output_size computes it. Pads are smaller than the dilated kernel.
 *
 * Maxima. NaN wins. The index is that of the first maximum in row-major order of the window, or of the last NaN; it counts
 * the places of one channel's input in row-major order. A window without a place in the input gives -infinity and the index -1.
 *
 * Averages. The sum over `divisor`, or where that is 0 over the number of places that the flags say. A window without a place
 * in the input gives 0. A sum of n values has at most the error n * eps * sum(|x|), and typically far less.
 *
 * Empty tensors. batch and channels may be zero, and with CONVX_POOL_ADAPTIVE the output: results are then empty, or zero.
 */
typedef struct convx_pool_params {
    size_t struct_size;
    int32_t dtype; /* convx_dtype, of every tensor but the indices, which are int64_t */
    int32_t rank;  /* 1, 2 or 3 */
    int32_t kind;  /* convx_pool_kind */
    int32_t flags;
    int32_t algorithm; /* CONVX_ALGO_AUTO, or CONVX_ALGO_REFERENCE */
    int64_t batch;
    int64_t channels;
    int64_t input[3];
    int64_t output[3];
    int64_t kernel[3];
    int64_t stride[3];
    int64_t dilation[3];
    int64_t pad_before[3];
    int64_t pad_after[3];
    int64_t divisor;           /* of averages; 0: the number of places */
    int64_t input_strides[5];  /* batch, channel, then `rank` spatial strides */
    int64_t output_strides[5]; /* likewise; also those of its gradient */
    int64_t index_strides[5];  /* of the indices, which have the output's shape */
    int64_t grad_input_strides[5];
} convx_pool_params;

/* Output size of a pooling from the other members; CONVX_INVALID_SHAPE when the kernel does not fit. */
CONVX_API convx_status convx_pool_output_size(const convx_pool_params *params, int64_t output[3]);

/* indices: of maxima, or NULL. */
CONVX_API convx_status convx_pool_forward(const convx_pool_params *params, const void *input, void *output,
                                          int64_t *indices);

/*
 * grad_input from grad_output. Maxima: `indices` as the forward call gave them (-1: no place), or NULL,
 * then they are found anew in `input`. Averages read neither.
 */
CONVX_API convx_status convx_pool_backward(const convx_pool_params *params, const void *input, const int64_t *indices,
                                           const void *grad_output, void *grad_input);

/*
 * The partial inverse of a maximum: `unpooled`, of the shape input[], holds the values of `pooled`, of the shape output[], at
 * their indices and zero elsewhere. Of several values for one place the last remains. Its gradient goes the other way. Of
 * params only dtype, rank, batch, channels, input, output and strides are read. CONVX_INVALID_INDEX where an index is not in
 * [0, places of a channel); results are not specified then.
 */
CONVX_API convx_status convx_unpool_forward(const convx_pool_params *params, const void *pooled, const int64_t *indices,
                                            void *unpooled);
CONVX_API convx_status convx_unpool_backward(const convx_pool_params *params, const void *grad_unpooled,
                                             const int64_t *indices, void *grad_pooled);

/* ---- Library --------------------------------------------------------------------------------------------------- */

/* Static text, never NULL, for any value. */
CONVX_API const char *convx_status_string(convx_status status);
CONVX_API const char *convx_algorithm_name(convx_algorithm algorithm);
CONVX_API const char *convx_version(void);

/*
 * Threads that one call may use, the calling one included, at least 1. The default is CONVX_NUM_THREADS, else what the
 * affinity mask and the control group of the process allow. Setting 0 goes back to the default.
 */
CONVX_API convx_status convx_set_num_threads(int threads);
CONVX_API int convx_get_num_threads(void);

/* The instruction set in use ("avx2"), chosen at load: the best that the CPU has, capped by CONVX_ISA. */
CONVX_API const char *convx_isa_name(void);
/* The name of the i-th instruction set that this build has and this CPU can run, worst first; NULL past the last. */
CONVX_API const char *convx_isa_available(int index);

/* What a bug report needs: version, compiler, CPU, caches, instruction sets, threads. Like snprintf. */
CONVX_API size_t convx_config(char *text, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
