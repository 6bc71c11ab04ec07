# Linear layers: leading dimensions of any number are rows, as long as they lie evenly in memory.

cdef struct Rows:
    void *data
    int64_t rows
    int64_t features
    int64_t strides[2]


# Leading dimensions as one; False where they lie unevenly. Without features, all dimensions are leading ones.
cdef bint as_rows(const View *v, bint with_features, Rows *r) noexcept:
    cdef int leading = v.ndim - with_features, d
    cdef int64_t step = 0
    cdef bint even = True
    r.data = v.data
    r.rows = 1
    r.features = v.shape[leading] if with_features else 1
    r.strides[0] = 0
    r.strides[1] = v.strides[leading] if with_features else 0
    for d in range(leading - 1, -1, -1):
        if v.shape[d] != 1:
            if r.rows == 1:
                r.strides[0] = step = v.strides[d]
            elif v.strides[d] != step:
                even = False
            step = v.strides[d] * v.shape[d]
        r.rows *= v.shape[d]
    return even or r.rows == 0


cdef object read_rows(object array, int dtype, bint with_features, Rows *r):
    cdef View v
    if not view(array, dtype, False, &v) or not as_rows(&v, with_features, r):
        array = numpy.array(array, order="C")
        view(array, dtype, False, &v)
        as_rows(&v, with_features, r)
    return array


cdef object result_rows(object out, tuple shape, int dtype, bint with_features, Rows *r):
    cdef View v
    cdef object array = out
    if out is not None:
        check_out(out, shape, dtype)
        if view(out, dtype, True, &v) and as_rows(&v, with_features, r):
            return out
    array = new_array(shape, FLOAT32 if dtype == capi.CONVX_FLOAT32 else FLOAT64)
    view(array, dtype, True, &v)
    as_rows(&v, with_features, r)
    return array


cdef void set_linear(capi.convx_linear_params *p, int dtype, int64_t rows, int64_t ins, int64_t outs, const Rows *x,
                     const Rows *w, const Rows *y) noexcept:
    cdef int i
    memset(p, 0, sizeof(p[0]))
    p.struct_size = sizeof(p[0])
    p.dtype = dtype
    p.rows = rows
    p.in_features = ins
    p.out_features = outs
    for i in range(2):
        p.input_strides[i] = x.strides[i]
        p.weight_strides[i] = w.strides[i]
        p.output_strides[i] = y.strides[i]


cdef object read_linear_weight(object weight, int dtype, Rows *w):
    if weight.ndim != 1 and weight.ndim != 2:
        _arguments.linear_weight_dimensions(weight.shape, "weight")
    return read_rows(weight, dtype, True, w)


# (leading..., features), or only the leading sizes for a weight of one dimension
cdef object check_linear_grad(object grad_output, tuple leading, object weight_shape):
    cdef tuple expected = leading + (weight_shape[0],) if len(weight_shape) == 2 else leading
    if grad_output.shape != expected:
        _arguments.linear_grad_shape(grad_output.shape, expected)


# A shape of one dimension or more; a plain tuple of ints is itself.
cdef tuple plain_shape(object value, str name):
    cdef object size
    if type(value) is tuple and len(<tuple>value) > 0:
        for size in <tuple>value:
            if not PyLong_CheckExact(size) or size < 0:
                break
        else:
            return value
    return _arguments.any_shape(value, name)


def linear_forward(input, weight, bias, out):
    cdef capi.convx_linear_params p
    cdef Rows x, w, y
    cdef View b
    cdef const void *bias_data = NULL
    cdef capi.convx_status status
    input = as_array(input, "input")
    weight = as_array(weight, "weight")
    cdef int dtype = dtype_of(input, "input")
    same_dtype(dtype, weight, "weight", input, "input")
    if input.ndim < 1:
        _arguments.linear_input_dimensions()
    cdef tuple sizes = input.shape, weight_sizes = weight.shape
    cdef bint matrix = len(weight_sizes) == 2
    input = read_rows(input, dtype, True, &x)
    weight = read_linear_weight(weight, dtype, &w)
    if x.features != w.features:
        _arguments.linear_features(sizes, weight_sizes)
    if bias is not None:
        bias = as_array(bias, "bias")
        same_dtype(dtype, bias, "bias", input, "input")
        if bias.shape != (weight_sizes[:1] if matrix else ()):
            bias = _arguments.linear_bias(bias, weight_sizes[:1] if matrix else ())
        bias = numpy.ascontiguousarray(bias)
        bias = read_any(bias, dtype, &b)
        bias_data = b.data
    cdef tuple shape = sizes[:len(sizes) - 1] + weight_sizes[:1] if matrix else sizes[:len(sizes) - 1]
    cdef object result = result_rows(out, shape, dtype, matrix, &y)
    set_linear(&p, dtype, x.rows, x.features, w.rows, &x, &w, &y)
    with nogil:
        status = capi.convx_linear_forward(&p, x.data, w.data, bias_data, y.data)
    if status != capi.CONVX_OK:
        refuse_pointwise(status, result)
    return finish(result, out)


def linear_input_gradient(input_size, weight, grad_output, out):
    cdef capi.convx_linear_params p
    cdef Rows x, w, y
    cdef capi.convx_status status
    weight = as_array(weight, "weight")
    grad_output = as_array(grad_output, "grad_output")
    cdef int dtype = dtype_of(grad_output, "grad_output")
    same_dtype(dtype, weight, "weight", grad_output, "grad_output")
    weight = read_linear_weight(weight, dtype, &w)
    cdef tuple sizes = plain_shape(input_size, "input_size")
    if sizes[len(sizes) - 1] != w.features:
        _arguments.linear_features(sizes, weight.shape)
    check_linear_grad(grad_output, sizes[:len(sizes) - 1], weight.shape)
    grad_output = read_rows(grad_output, dtype, weight.ndim == 2, &y)
    cdef object result = result_rows(out, sizes, dtype, True, &x)
    set_linear(&p, dtype, x.rows, x.features, w.rows, &x, &w, &y)
    with nogil:
        status = capi.convx_linear_input_gradient(&p, w.data, y.data, x.data)
    if status != capi.CONVX_OK:
        refuse_pointwise(status, result)
    return finish(result, out)


def linear_weight_gradient(input, weight_size, grad_output, out):
    cdef capi.convx_linear_params p
    cdef Rows x, w, y
    cdef capi.convx_status status
    input = as_array(input, "input")
    grad_output = as_array(grad_output, "grad_output")
    cdef int dtype = dtype_of(input, "input")
    same_dtype(dtype, grad_output, "grad_output", input, "input")
    if input.ndim < 1:
        _arguments.linear_input_dimensions()
    cdef tuple sizes = input.shape, weight_sizes = plain_shape(weight_size, "weight_size")
    if len(weight_sizes) > 2:
        _arguments.linear_weight_dimensions(weight_sizes, "weight_size")
    if weight_sizes[len(weight_sizes) - 1] != sizes[len(sizes) - 1]:
        _arguments.linear_features(sizes, weight_sizes)
    check_linear_grad(grad_output, sizes[:len(sizes) - 1], weight_sizes)
    input = read_rows(input, dtype, True, &x)
    grad_output = read_rows(grad_output, dtype, len(weight_sizes) == 2, &y)
    cdef object result = result_rows(out, weight_sizes, dtype, True, &w)
    set_linear(&p, dtype, x.rows, x.features, w.rows, &x, &w, &y)
    with nogil:
        status = capi.convx_linear_weight_gradient(&p, x.data, y.data, w.data)
    if status != capi.CONVX_OK:
        refuse_pointwise(status, result)
    return finish(result, out)


def linear_bias_gradient(grad_output, out):
    cdef capi.convx_linear_params p
    cdef Rows y, b
    cdef capi.convx_status status
    grad_output = as_array(grad_output, "grad_output")
    cdef int dtype = dtype_of(grad_output, "grad_output")
    if grad_output.ndim < 1:
        _arguments.linear_bias_grad_dimensions()
    grad_output = read_rows(grad_output, dtype, True, &y)
    cdef object result = result_rows(out, (y.features,), dtype, True, &b)
    if b.strides[1] != 1 and b.features > 1:
        result = result_rows(None, (y.features,), dtype, True, &b)
    set_linear(&p, dtype, y.rows, 0, y.features, &y, &y, &y)
    with nogil:
        status = capi.convx_linear_bias_gradient(&p, y.data, b.data)
    if status != capi.CONVX_OK:
        refuse_pointwise(status, result)
    return finish(result, out)
