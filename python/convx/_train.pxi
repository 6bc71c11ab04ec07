# Training: batch normalisation and the optimisers' steps.

ctypedef fused real_number:
    float
    double


cdef void *writable(object array) except NULL:
    return address(array, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)


cdef const void *vector_or_null(object array) except? NULL:
    return NULL if array is None else address(array, PyBUF_C_CONTIGUOUS)


# ---- Batch normalisation ---------------------------------------------------------------------------------------

# The tensors of one call. `rank` 0 stands for (batch, channels).
cdef object begin_norm(Layer *layer, capi.convx_batch_norm_params *p, int rank, object input, object like, object layout,
                       double epsilon):
    cdef int i
    begin(layer, rank, False, layout)
    memset(p, 0, sizeof(capi.convx_batch_norm_params))
    p.struct_size = sizeof(capi.convx_batch_norm_params)
    p.epsilon = epsilon
    input = as_array(input, "input")
    p.dtype = layer.params.dtype = dtype_of(like, "weight")
    same_dtype(p.dtype, input, "input", like, "weight")
    input = read_activations(layer, input, "input", &layer.x)
    if layer.x.shape[1] != len(like):
        _arguments.norm_channels(layer.x.shape[1], len(like), layout_name(layer))
    layer.memory_last = lies_channels_last(&layer.x, rank, layer.last)
    p.rank = rank if rank > 0 else 1
    p.size[0] = 1
    p.batch, p.channels = layer.x.shape[0], layer.x.shape[1]
    for i in range(rank):
        p.size[i] = layer.x.shape[i + 2]
    copy_strides(p.input_strides, &layer.x, rank)
    return input


cdef void copy_strides(int64_t *strides, const Tensor *t, int rank) noexcept:
    cdef int i
    for i in range(rank + 2):
        strides[i] = t.strides[i]


# A new array for a result like the input.
cdef object norm_result(Layer *layer, Tensor *t, int64_t *strides):
    cdef int i
    for i in range(layer.rank + 2):
        t.shape[i] = layer.x.shape[i]
    cdef object result = result_activations(layer, None, t)
    copy_strides(strides, t, layer.rank)
    return result


cdef int refuse_norm(capi.convx_status status, tuple shape) except -1:
    if status == capi.CONVX_INVALID_SHAPE:
        _arguments.norm_places(shape)
    _arguments.status(<int>status, capi.convx_status_string(status).decode(), "", "auto", shape)


def batch_norm_forward(int rank, input, weight, bias, mean, variance, double epsilon, layout):
    cdef Layer layer
    cdef capi.convx_batch_norm_params p
    cdef capi.convx_status status
    input = begin_norm(&layer, &p, rank, input, mean, layout, epsilon)
    cdef object result = norm_result(&layer, &layer.y, p.output_strides)
    cdef const void *w = vector_or_null(weight), *b = vector_or_null(bias)
    cdef const void *m = vector_or_null(mean), *v = vector_or_null(variance)
    with nogil:
        status = capi.convx_batch_norm_forward(&p, layer.x.data, w, b, m, v, layer.y.data)
    if status != capi.CONVX_OK:
        refuse_norm(status, result.shape)
    return result


# (output, mean, inverse_std); the running vectors, unless they are None, are updated in place. `like` has the channels and the dtype.
def batch_norm_train(int rank, input, like, weight, bias, running_mean, running_variance, double momentum,
                     double epsilon, layout):
    cdef Layer layer
    cdef capi.convx_batch_norm_params p
    cdef capi.convx_status status
    cdef void *running = NULL
    cdef void *running2 = NULL
    input = begin_norm(&layer, &p, rank, input, like, layout, epsilon)
    p.momentum = momentum
    cdef object result = norm_result(&layer, &layer.y, p.output_strides)
    cdef object mean = empty(p.channels, like.dtype), deviation = empty(p.channels, like.dtype)
    cdef const void *w = vector_or_null(weight), *b = vector_or_null(bias)
    cdef void *m = writable(mean), *d = writable(deviation)
    if running_mean is not None:
        running, running2 = writable(running_mean), writable(running_variance)
    with nogil:
        status = capi.convx_batch_norm_train(&p, layer.x.data, w, b, running, running2, m, d, layer.y.data)
    if status != capi.CONVX_OK:
        refuse_norm(status, result.shape)
    return result, mean, deviation


# (grad_input, grad_weight, grad_bias)
def batch_norm_gradient(int rank, input, weight, mean, inverse_std, grad_output, layout):
    cdef Layer layer
    cdef capi.convx_batch_norm_params p
    cdef capi.convx_status status
    cdef Tensor grad
    cdef int i
    input = begin_norm(&layer, &p, rank, input, mean, layout, 0)
    grad_output = as_array(grad_output, "grad_output")
    same_dtype(p.dtype, grad_output, "grad_output", input, "input")
    if grad_output.shape != input.shape:
        _arguments.grad_shape(grad_output.shape, input.shape)
    grad_output = read_activations(&layer, grad_output, "grad_output", &layer.y)
    copy_strides(p.output_strides, &layer.y, rank)
    cdef object result = norm_result(&layer, &grad, p.grad_input_strides)
    cdef object grad_weight = empty(p.channels, mean.dtype), grad_bias = empty(p.channels, mean.dtype)
    cdef const void *w = vector_or_null(weight)
    cdef const void *m = vector_or_null(mean), *d = vector_or_null(inverse_std)
    cdef void *gw = writable(grad_weight), *gb = writable(grad_bias)
    with nogil:
        status = capi.convx_batch_norm_gradient(&p, layer.x.data, w, m, d, layer.y.data, grad.data, gw, gb)
    if status != capi.CONVX_OK:
        refuse_norm(status, result.shape)
    return result, grad_weight, grad_bias


# ---- Losses ----------------------------------------------------------------------------------------------------

# The mean loss of n rows of scores, whose logarithms of the softmax are `logs`, each with its class; `softmax` becomes its
# gradient. False, and nothing changed, where a class does not exist.
cdef bint mean_cross_entropy(const real_number *logs, real_number *softmax, const int64_t *ids, int64_t n,
                             int64_t classes, double *loss) noexcept nogil:
    cdef real_number scale = <real_number>(1.0 / n)
    cdef double total = 0
    cdef int64_t i, j
    for i in range(n):
        if ids[i] < 0 or ids[i] >= classes:
            return False
    for i in range(n):
        total -= logs[i * classes + ids[i]]
        softmax[i * classes + ids[i]] -= 1
        for j in range(classes):
            softmax[i * classes + j] *= scale
    loss[0] = total / n
    return True


# (mean loss, gradient) of contiguous scores of shape (N, C) and N classes; None where there is more to it.
def plain_cross_entropy(scores, ids):
    cdef int64_t n = scores.shape[0], classes = scores.shape[1]
    cdef double loss
    cdef bint fits
    if n == 0 or classes == 0:
        return None
    cdef object logarithms = softmax_forward(True, scores, 1, None), gradient = softmax_forward(False, scores, 1, None)
    cdef object wanted = numpy.ascontiguousarray(ids, INT64)
    cdef const int64_t *at = <const int64_t *>address(wanted, PyBUF_C_CONTIGUOUS)
    cdef void *logs = writable(logarithms)
    cdef void *softmax = writable(gradient)
    cdef int dtype = dtype_of(scores, "logits")
    with nogil:
        if dtype == capi.CONVX_FLOAT32:
            fits = mean_cross_entropy(<const float *>logs, <float *>softmax, at, n, classes, &loss)
        else:
            fits = mean_cross_entropy(<const double *>logs, <double *>softmax, at, n, classes, &loss)
    return (loss, gradient) if fits else None


# ---- Optimisers ------------------------------------------------------------------------------------------------

# The gradient of a parameter as a contiguous array of its shape and dtype.
cdef object fitting_gradient(object gradient, object data):
    if type(gradient) is not ndarray or gradient.shape != data.shape or gradient.dtype is not data.dtype \
            or not gradient.flags.c_contiguous:
        return _arguments.gradient(gradient, data)
    return gradient


cdef int refuse_step(capi.convx_status status, object data) except -1:
    _arguments.status(<int>status, capi.convx_status_string(status).decode(), "", "auto", data.shape)


# One step of each parameter that has a gradient. `velocities` holds an array or None a parameter.
def sgd_step(list parameters, list velocities, double rate, double momentum, double dampening, double weight_decay,
             bint nesterov):
    cdef capi.convx_sgd_params p
    cdef capi.convx_status status
    cdef object parameter, data, gradient, velocity
    cdef const void *g
    cdef void *v
    cdef void *x
    cdef Py_ssize_t i
    memset(&p, 0, sizeof(p))
    p.struct_size = sizeof(p)
    p.rate, p.momentum, p.dampening, p.weight_decay = rate, momentum, dampening, weight_decay
    for i in range(len(parameters)):
        parameter = parameters[i]
        gradient = parameter.grad
        if gradient is None:
            continue
        data = parameter._data
        gradient = fitting_gradient(gradient, data)
        p.flags = capi.CONVX_SGD_NESTEROV if nesterov else 0
        p.dtype = dtype_of(data, "parameter")
        p.count = data.size
        velocity = velocities[i]
        if momentum != 0 and velocity is None:
            velocities[i] = velocity = empty(data.shape, data.dtype)
            p.flags |= capi.CONVX_SGD_FIRST_STEP
        g, x = address(gradient, PyBUF_C_CONTIGUOUS), writable(data)
        v = NULL if velocity is None else writable(velocity)
        with nogil:
            status = capi.convx_sgd_step(&p, g, v, x)
        if status != capi.CONVX_OK:
            refuse_step(status, data)
        parameter.version += 1


# `states` holds [step, mean, square, largest square or None], or None before a parameter's first step.
def adam_step(list parameters, list states, double rate, double beta1, double beta2, double epsilon,
              double weight_decay, bint amsgrad):
    cdef capi.convx_adam_params p
    cdef capi.convx_status status
    cdef object parameter, data, gradient
    cdef list state
    cdef const void *g
    cdef void *m
    cdef void *s
    cdef void *largest
    cdef void *x
    cdef Py_ssize_t i
    memset(&p, 0, sizeof(p))
    p.struct_size = sizeof(p)
    p.rate, p.beta1, p.beta2, p.epsilon, p.weight_decay = rate, beta1, beta2, epsilon, weight_decay
    for i in range(len(parameters)):
        parameter = parameters[i]
        gradient = parameter.grad
        if gradient is None:
            continue
        data = parameter._data
        gradient = fitting_gradient(gradient, data)
        p.dtype = dtype_of(data, "parameter")
        p.count = data.size
        if states[i] is None:
            states[i] = [0, numpy.zeros_like(data), numpy.zeros_like(data), None]
        state = states[i]
        if amsgrad and state[3] is None:
            state[3] = numpy.zeros_like(data)
        state[0] += 1
        p.step = state[0]
        g, x, m, s = address(gradient, PyBUF_C_CONTIGUOUS), writable(data), writable(state[1]), writable(state[2])
        largest = writable(state[3]) if amsgrad else NULL
        with nogil:
            status = capi.convx_adam_step(&p, g, m, s, largest, x)
        if status != capi.CONVX_OK:
            refuse_step(status, data)
        parameter.version += 1
