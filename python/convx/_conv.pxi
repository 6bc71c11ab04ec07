# One-shot calls: forward, both gradients, bias gradient.

cdef object read_bias(Layer *layer, object bias, object weight, Tensor *t):
    bias = as_array(bias, "bias")
    same_dtype(layer.params.dtype, bias, "bias", weight, "weight")
    if bias.ndim != 1 or len(bias) != layer.params.out_channels:
        _arguments.bias_shape(bias.shape, layer.params.out_channels)
    bias = read_array(bias, 1, layer.params.dtype, t)
    if t.strides[0] != 1 and t.shape[0] > 1:
        bias = numpy.ascontiguousarray(bias)
        read_array(bias, 1, layer.params.dtype, t)
    return bias


def conv_forward(int rank, bint transposed, input, weight, bias, stride, padding, output_padding, dilation, groups,
                 padding_mode, layout, activation, algorithm, out):
    cdef Layer layer
    cdef Tensor b
    cdef capi.convx_status status
    cdef const void *bias_data = NULL
    begin(&layer, rank, transposed, layout)
    input = as_array(input, "input")
    weight = as_array(weight, "weight")
    layer.params.dtype = dtype_of(input, "input")
    same_dtype(layer.params.dtype, weight, "weight", input, "input")
    input = read_activations(&layer, input, "input", &layer.x)
    weight = read_weight(&layer, weight)
    set_channels(&layer, groups, "input")
    set_geometry(&layer, stride, padding, dilation, output_padding)
    set_options(&layer, padding_mode, activation, algorithm)
    if bias is not None:
        bias = read_bias(&layer, bias, weight, &b)
        bias_data = b.data
    layer.memory_last = lies_channels_last(&layer.x, rank, layer.last)
    cdef object result = result_activations(&layer, out, &layer.y)
    set_strides(&layer)
    with nogil:
        status = capi.convx_conv_forward(&layer.params, layer.x.data, layer.w.data, bias_data, layer.y.data)
    if status != capi.CONVX_OK:
        refuse_status(&layer, capi.CONVX_FORWARD, status, algorithm, result.shape)
    return finish(result, out)


# grad_output is known to be an array of activations of the output's shape.
cdef int check_grad_output(Layer *layer, const Tensor *grad, bint batched) except -1:
    cdef int i
    if batched != layer.batched:
        _arguments.batch_mismatch("input")
    if grad.shape[1] != layer.params.out_channels:
        _arguments.grad_channels(grad.shape[1], layer.params.out_channels, as_tuple(layer.w.shape, layer.rank + 2),
                                 layer.params.groups, layout_name(layer))
    for i in range(layer.rank + 2):
        if grad.shape[i] != layer.y.shape[i]:
            _arguments.grad_shape(visible_shape(grad.shape, layer.rank, batched, layer.last),
                                  visible_shape(layer.y.shape, layer.rank, batched, layer.last))
    layer.y = grad[0]
    return 0


def conv_input_gradient(int rank, bint transposed, input_size, weight, grad_output, stride, padding, output_padding,
                        dilation, groups, layout, algorithm, out):
    cdef Layer layer
    cdef Tensor grad
    cdef bint batched
    cdef capi.convx_status status
    begin(&layer, rank, transposed, layout)
    weight = as_array(weight, "weight")
    grad_output = as_array(grad_output, "grad_output")
    layer.params.dtype = dtype_of(grad_output, "grad_output")
    same_dtype(layer.params.dtype, weight, "weight", grad_output, "grad_output")
    grad_output = read_activations(&layer, grad_output, "grad_output", &grad)
    batched = layer.batched
    read_size(&layer, input_size, "input_size", &layer.x)
    weight = read_weight(&layer, weight)
    set_channels(&layer, groups, "input_size")
    set_geometry(&layer, stride, padding, dilation, output_padding)
    set_options(&layer, "zeros", None, algorithm)
    check_grad_output(&layer, &grad, batched)
    layer.memory_last = lies_channels_last(&layer.y, rank, layer.last)
    cdef object result = result_activations(&layer, out, &layer.x)
    set_strides(&layer)
    with nogil:
        status = capi.convx_conv_input_gradient(&layer.params, layer.w.data, layer.y.data, layer.x.data)
    if status != capi.CONVX_OK:
        refuse_status(&layer, capi.CONVX_INPUT_GRADIENT, status, algorithm, result.shape)
    return finish(result, out)


def conv_weight_gradient(int rank, bint transposed, input, weight_size, grad_output, stride, padding, output_padding,
                         dilation, groups, padding_mode, layout, algorithm, out):
    cdef Layer layer
    cdef Tensor grad
    cdef bint batched
    cdef capi.convx_status status
    begin(&layer, rank, transposed, layout)
    input = as_array(input, "input")
    grad_output = as_array(grad_output, "grad_output")
    layer.params.dtype = dtype_of(input, "input")
    same_dtype(layer.params.dtype, grad_output, "grad_output", input, "input")
    grad_output = read_activations(&layer, grad_output, "grad_output", &grad)
    batched = layer.batched
    input = read_activations(&layer, input, "input", &layer.x)
    read_shape(weight_size, "weight_size", rank + 2, rank + 2, layer.w.shape)
    cdef tuple sizes = as_tuple(layer.w.shape, rank + 2)
    refuse_huge(sizes, layer.w.shape, rank + 2)
    set_channels(&layer, groups, "input")
    set_geometry(&layer, stride, padding, dilation, output_padding)
    set_options(&layer, padding_mode, None, algorithm)
    check_grad_output(&layer, &grad, batched)
    cdef object result = result_plain(out, sizes, layer.params.dtype, &layer.w)
    set_strides(&layer)
    with nogil:
        status = capi.convx_conv_weight_gradient(&layer.params, layer.x.data, layer.y.data, layer.w.data)
    if status != capi.CONVX_OK:
        refuse_status(&layer, capi.CONVX_WEIGHT_GRADIENT, status, algorithm, result.shape)
    return finish(result, out)


# The rank follows from the dimensions: a batch is always there.
def conv_bias_gradient(grad_output, layout, out):
    cdef Layer layer
    cdef Tensor b
    cdef capi.convx_status status
    cdef int i
    grad_output = as_array(grad_output, "grad_output")
    cdef int ndim = grad_output.ndim
    if ndim < 3 or ndim > 5:
        _arguments.bias_grad_dimensions(grad_output)
    begin(&layer, ndim - 2, False, layout)
    layer.params.dtype = dtype_of(grad_output, "grad_output")
    grad_output = read_activations(&layer, grad_output, "grad_output", &layer.y)
    cdef capi.convx_conv_params *p = &layer.params
    p.batch = layer.y.shape[0]
    p.out_channels = layer.y.shape[1]
    for i in range(layer.rank):
        p.output[i] = layer.y.shape[i + 2]
    result = result_plain(out, (p.out_channels,), p.dtype, &b)
    if b.strides[0] != 1 and b.shape[0] > 1:
        result = result_plain(None, (p.out_channels,), p.dtype, &b)
    set_strides(&layer)
    with nogil:
        status = capi.convx_conv_bias_gradient(p, layer.y.data, b.data)
    if status != capi.CONVX_OK:
        refuse_status(&layer, capi.CONVX_FORWARD, status, "auto", result.shape)
    return finish(result, out)
