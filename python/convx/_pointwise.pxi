# Functions of one element at a time, and softmax: arrays of any number of dimensions.

cdef enum:
    MAX_DIMENSIONS = 64  # as many as NumPy's arrays can have

cdef struct View:
    void *data
    int ndim
    int64_t shape[MAX_DIMENSIONS]
    int64_t strides[MAX_DIMENSIONS]

cdef dict FUNCTIONS = {
    "relu": capi.CONVX_FN_RELU,
    "relu6": capi.CONVX_FN_RELU6,
    "leaky_relu": capi.CONVX_FN_LEAKY_RELU,
    "sigmoid": capi.CONVX_FN_SIGMOID,
    "tanh": capi.CONVX_FN_TANH,
    "silu": capi.CONVX_FN_SILU,
    "hardtanh": capi.CONVX_FN_HARDTANH,
    "elu": capi.CONVX_FN_ELU,
    "gelu": capi.CONVX_FN_GELU,
    "gelu_tanh": capi.CONVX_FN_GELU_TANH,
}


# False when an address or a stride is not a whole number of elements, see note(). The caller holds the array for as long as
# it uses `v`.
cdef bint view(object array, int dtype, bint write, View *v) except -1:
    cdef Py_buffer buffer
    cdef size_t odd
    cdef int i
    cdef Py_ssize_t size = 4 if dtype == capi.CONVX_FLOAT32 else 8
    PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES | PyBUF_WRITABLE if write else PyBUF_STRIDES)
    v.data = buffer.buf
    v.ndim = buffer.ndim
    odd = <size_t>buffer.buf
    for i in range(buffer.ndim):
        v.shape[i] = buffer.shape[i]
        if buffer.shape[i] > 1:
            odd |= <size_t>buffer.strides[i]
        v.strides[i] = buffer.strides[i] // size
    PyBuffer_Release(&buffer)
    return odd & <size_t>(size - 1) == 0


cdef object read_any(object array, int dtype, View *v):
    if not view(array, dtype, False, v):
        array = numpy.array(array)
        view(array, dtype, False, v)
    return array


# Where a result of the shape and memory order of `like` goes: `out`, a new array, or a stand-in that finish() copies.
cdef object result_like(object out, object like, int dtype, View *v):
    cdef object array = out
    if out is None:
        array = new_array_like(like)
        view(array, dtype, True, v)
        return array
    check_out(out, like.shape, dtype)
    if not view(out, dtype, True, v):
        array = numpy.array(out)
        view(array, dtype, True, v)
    return array


# An array that goes with `input`: of its dtype and shape.
cdef object read_beside(object array, str name, object input, int dtype, View *v):
    array = as_array(array, name)
    same_dtype(dtype, array, name, input, "input")
    if array.shape != input.shape:
        _arguments.beside_shape(array.shape, name, input.shape)
    return read_any(array, dtype, v)


cdef int refuse_pointwise(capi.convx_status status, object input) except -1:
    _arguments.status(<int>status, capi.convx_status_string(status).decode(), "", "auto", input.shape)


cdef double real(object value, str name) except? -1:
    if type(value) is float or PyLong_CheckExact(value):
        return value
    return _arguments.real(value, name)


cdef object in_place(object input, object inplace, object out):
    if not inplace:
        return out
    if out is not None and out is not input:
        _arguments.inplace_and_out()
    if not isinstance(input, ndarray):
        _arguments.inplace_array(input)
    return input


def pointwise_forward(str function, input, inplace, out, alpha=0.0, beta=0.0):
    cdef capi.convx_pointwise_params p
    cdef View x, y
    cdef capi.convx_status status
    if inplace:
        out = in_place(input, inplace, out)
    input = as_array(input, "input")
    memset(&p, 0, sizeof(p))
    p.struct_size = sizeof(p)
    p.function = FUNCTIONS[function]
    p.dtype = dtype_of(input, "input")
    p.alpha = alpha
    p.beta = beta
    input = read_any(input, p.dtype, &x)
    cdef object result = result_like(out, input, p.dtype, &y)
    p.ndim = x.ndim
    p.sizes = x.shape
    p.input_strides = x.strides
    p.output_strides = y.strides
    with nogil:
        status = capi.convx_pointwise_forward(&p, x.data, y.data)
    if status == capi.CONVX_OVERLAP and out is not None:
        input = read_any(input.copy(), p.dtype, &x)
        status = capi.convx_pointwise_forward(&p, x.data, y.data)
    if status != capi.CONVX_OK:
        refuse_pointwise(status, input)
    return finish(result, out)


def pointwise_backward(str function, input, grad_output, output, out, alpha=0.0, beta=0.0):
    cdef capi.convx_pointwise_params p
    cdef View x, y, gy, gx
    cdef capi.convx_status status
    input = as_array(input, "input")
    memset(&p, 0, sizeof(p))
    p.struct_size = sizeof(p)
    p.function = FUNCTIONS[function]
    p.dtype = dtype_of(input, "input")
    p.alpha = alpha
    p.beta = beta
    input = read_any(input, p.dtype, &x)
    grad_output = read_beside(grad_output, "grad_output", input, p.dtype, &gy)
    y.data = NULL
    if output is not None:
        output = read_beside(output, "output", input, p.dtype, &y)
    cdef object result = result_like(out, input, p.dtype, &gx)
    p.ndim = x.ndim
    p.sizes = x.shape
    p.input_strides = x.strides
    p.output_strides = y.strides
    p.grad_output_strides = gy.strides
    p.grad_input_strides = gx.strides
    with nogil:
        status = capi.convx_pointwise_backward(&p, x.data, y.data, gy.data, gx.data)
    if status == capi.CONVX_OVERLAP and out is not None:
        input = read_any(input.copy(), p.dtype, &x)
        grad_output = read_any(grad_output.copy(), p.dtype, &gy)
        if output is not None:
            output = read_any(output.copy(), p.dtype, &y)
        status = capi.convx_pointwise_backward(&p, x.data, y.data, gy.data, gx.data)
    if status != capi.CONVX_OK:
        refuse_pointwise(status, input)
    return finish(result, out)


cdef int begin_softmax(capi.convx_softmax_params *p, bint log, object dim, int ndim, int dtype) except -1:
    memset(p, 0, sizeof(p[0]))
    p.struct_size = sizeof(p[0])
    p.dtype = dtype
    p.log = log
    p.ndim = ndim
    if dim is None:
        p.axis = 0 if ndim < 2 or ndim == 3 else 1
    else:
        p.axis = _arguments.axis(dim, "dim", ndim)
    return 0


def softmax_forward(bint log, input, dim, out):
    cdef capi.convx_softmax_params p
    cdef View x, y
    cdef capi.convx_status status
    input = as_array(input, "input")
    cdef int dtype = dtype_of(input, "input")
    input = read_any(input, dtype, &x)
    begin_softmax(&p, log, dim, x.ndim, dtype)
    cdef object result = result_like(out, input, dtype, &y)
    p.sizes = x.shape
    p.input_strides = x.strides
    p.output_strides = y.strides
    with nogil:
        status = capi.convx_softmax_forward(&p, x.data, y.data)
    if status == capi.CONVX_OVERLAP and out is not None:
        input = read_any(input.copy(), dtype, &x)
        status = capi.convx_softmax_forward(&p, x.data, y.data)
    if status != capi.CONVX_OK:
        refuse_pointwise(status, input)
    return finish(result, out)


def softmax_backward(bint log, input, grad_output, dim, output, out):
    cdef capi.convx_softmax_params p
    cdef View y, gy, gx
    cdef capi.convx_status status
    input = as_array(input, "input")
    cdef int dtype = dtype_of(input, "input")
    if output is None:
        output = softmax_forward(log, input, dim, None)
    output = read_beside(output, "output", input, dtype, &y)
    grad_output = read_beside(grad_output, "grad_output", input, dtype, &gy)
    begin_softmax(&p, log, dim, y.ndim, dtype)
    cdef object result = result_like(out, input, dtype, &gx)
    p.sizes = y.shape
    p.output_strides = y.strides
    p.grad_output_strides = gy.strides
    p.grad_input_strides = gx.strides
    with nogil:
        status = capi.convx_softmax_backward(&p, y.data, gy.data, gx.data)
    if status == capi.CONVX_OVERLAP and out is not None:
        output = read_any(output.copy(), dtype, &y)
        grad_output = read_any(grad_output.copy(), dtype, &gy)
        status = capi.convx_softmax_backward(&p, y.data, gy.data, gx.data)
    if status != capi.CONVX_OK:
        refuse_pointwise(status, input)
    return finish(result, out)
