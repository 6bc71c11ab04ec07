# Pooling and unpooling: forward and gradients.

# A pooling layer under construction. `form` holds what it shares with every layer: dtype, rank, layout, batch.
cdef struct Pool:
    capi.convx_pool_params params
    Layer form
    Tensor x       # the large side: the input of a pooling, the result of an unpooling
    Tensor y
    Tensor index   # of y's shape


cdef int begin_pool(Pool *pool, int rank, int kind, object layout) except -1:
    memset(&pool.params, 0, sizeof(capi.convx_pool_params))
    begin(&pool.form, rank, False, layout)
    pool.params.struct_size = sizeof(capi.convx_pool_params)
    pool.params.rank = rank
    pool.params.kind = kind
    return 0


cdef object read_pool_array(Pool *pool, object array, str name, Tensor *t):
    array = as_array(array, name)
    cdef int dtype = dtype_of(array, name), ndim = array.ndim
    if ndim != pool.params.rank + 2 and ndim != pool.params.rank + 1:
        _pool_arguments.dimensions(array, name, pool.params.rank, layout_name(&pool.form))
    pool.form.params.dtype = pool.params.dtype = dtype
    return read_activations(&pool.form, array, name, t)


# Batch, channels and extent of the large side, in `x`.
cdef int take_extent(Pool *pool, str name) except -1:
    cdef int i
    pool.params.batch = pool.x.shape[0]
    pool.params.channels = pool.x.shape[1]
    for i in range(pool.params.rank):
        pool.params.input[i] = pool.x.shape[i + 2]
        if pool.x.shape[i + 2] == 0:
            _pool_arguments.empty(pool_shape(pool, &pool.x), name)
    return 0


cdef tuple pool_shape(const Pool *pool, const Tensor *t):
    return visible_shape(t.shape, pool.form.rank, pool.form.batched, pool.form.last)


cdef bint flag(object value, str name) except -1:
    if value is True or value is False:
        return value is True
    return _pool_arguments.flag(value, name)


cdef int set_output_shape(Pool *pool) except -1:
    cdef int i
    pool.y.shape[0] = pool.params.batch
    pool.y.shape[1] = pool.params.channels
    for i in range(pool.params.rank):
        pool.y.shape[i + 2] = pool.params.output[i]
    return 0


# Windows, and with them the size of the output.
cdef int set_windows(Pool *pool, object kernel_size, object stride, object padding, object dilation,
                     object ceil_mode) except -1:
    cdef capi.convx_pool_params *p = &pool.params
    cdef int rank = p.rank, i
    cdef tuple pairs
    cdef int64_t pad
    if p.channels == 0:
        _pool_arguments.empty(pool_shape(pool, &pool.x), "input")
    per_axis(kernel_size, "kernel_size", rank, 1, p.kernel)
    if stride is None or (type(stride) in (tuple, list) and len(stride) == 0):
        for i in range(rank):
            p.stride[i] = p.kernel[i]
    else:
        per_axis(stride, "stride", rank, 1, p.stride)
    per_axis(dilation, "dilation", rank, 1, p.dilation)
    if flag(ceil_mode, "ceil_mode"):
        p.flags |= capi.CONVX_POOL_CEIL
    if PyLong_CheckExact(padding):
        pad = whole_number(padding, "padding", 0)
        for i in range(rank):
            p.pad_before[i] = p.pad_after[i] = pad
            if pad > p.kernel[i] // 2:
                _pool_arguments.padding(padding, as_tuple(p.kernel, rank))
    else:
        pairs = _pool_arguments.padding_pairs(padding, as_tuple(p.input, rank), as_tuple(p.kernel, rank),
                                              as_tuple(p.stride, rank), as_tuple(p.dilation, rank))
        for i in range(rank):
            p.pad_before[i], p.pad_after[i] = pairs[i]
    p.dtype = pool.form.params.dtype
    if capi.convx_pool_output_size(p, p.output) != capi.CONVX_OK:
        _pool_arguments.output_size(as_tuple(p.input, rank), as_tuple(p.kernel, rank), as_tuple(p.stride, rank),
                                    as_tuple(p.dilation, rank), as_tuple(p.pad_before, rank),
                                    as_tuple(p.pad_after, rank))
    set_output_shape(pool)
    return 0


cdef int set_average(Pool *pool, object count_include_pad, object divisor_override) except -1:
    if flag(count_include_pad, "count_include_pad"):
        pool.params.flags |= capi.CONVX_POOL_COUNT_PADDING
    if divisor_override is not None:
        pool.params.divisor = _pool_arguments.divisor(divisor_override)
    return 0


# The output's size is said, not computed.
cdef int set_adaptive(Pool *pool, const int64_t *sizes, bint maxima) except -1:
    cdef int i
    pool.params.flags |= capi.CONVX_POOL_ADAPTIVE
    if pool.params.channels == 0 and pool.form.batched and (maxima or pool.params.rank == 3):
        _pool_arguments.empty(pool_shape(pool, &pool.x), "input")
    for i in range(pool.params.rank):
        pool.params.output[i] = sizes[i]
    set_output_shape(pool)
    refuse_huge(pool_shape(pool, &pool.y), pool.y.shape, pool.params.rank + 2)
    return 0


# A new array of the shape in `t`.
cdef object new_pool_array(Pool *pool, Tensor *t):
    return result_activations(&pool.form, None, t)


cdef object new_indices(Pool *pool):
    cdef int ndim = pool.params.rank + 1 + pool.form.batched
    pool.index = pool.y
    cdef object array = new_activations(&pool.form, &pool.index, INT64)
    write_index_view(array, ndim, &pool.index)
    to_channels_first(&pool.index, pool.params.rank, pool.form.batched, pool.form.last)
    return array


cdef object read_indices(Pool *pool, object indices, const Tensor *like, str like_name):
    cdef int rank = pool.params.rank, ndim, i
    indices = as_array(indices, "indices")
    if indices.dtype != INT64:
        _pool_arguments.index_dtype(indices)
    cdef tuple expected = pool_shape(pool, like)
    if indices.shape != expected:
        _pool_arguments.index_shape(indices.shape, expected, like_name)
    ndim = indices.ndim
    if not read_index_view(indices, ndim, &pool.index):
        indices = numpy.array(indices)
        read_index_view(indices, ndim, &pool.index)
    to_channels_first(&pool.index, rank, pool.form.batched, pool.form.last)
    return indices


cdef void set_pool_strides(Pool *pool) noexcept:
    cdef int i
    for i in range(pool.params.rank + 2):
        pool.params.input_strides[i] = pool.x.strides[i]
        pool.params.output_strides[i] = pool.y.strides[i]
        pool.params.index_strides[i] = pool.index.strides[i]


cdef int refuse_pool(const Pool *pool, capi.convx_status status, object indices) except -1:
    _pool_arguments.status(<int>status, capi.convx_status_string(status).decode(), pool_shape(pool, &pool.y), indices,
                           as_tuple(pool.params.input, pool.params.rank))


cdef object run_pool(Pool *pool, object return_indices):
    cdef capi.convx_status status
    cdef object indices = None
    cdef int64_t *found = NULL
    pool.form.memory_last = lies_channels_last(&pool.x, pool.params.rank, pool.form.last)
    if return_indices:
        indices = new_indices(pool)
        found = <int64_t *>pool.index.data
    cdef object result = new_pool_array(pool, &pool.y)
    set_pool_strides(pool)
    with nogil:
        status = capi.convx_pool_forward(&pool.params, pool.x.data, pool.y.data, found)
    if status != capi.CONVX_OK:
        refuse_pool(pool, status, None)
    return (result, indices) if return_indices else result


def pool_forward(int rank, bint maxima, input, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad,
                 divisor_override, return_indices, layout):
    cdef Pool pool
    begin_pool(&pool, rank, capi.CONVX_POOL_MAX if maxima else capi.CONVX_POOL_AVERAGE, layout)
    input = read_pool_array(&pool, input, "input", &pool.x)
    take_extent(&pool, "input")
    set_windows(&pool, kernel_size, stride, padding, dilation, ceil_mode)
    if not maxima:
        set_average(&pool, count_include_pad, divisor_override)
    return run_pool(&pool, return_indices)


def adaptive_pool_forward(int rank, bint maxima, input, output_size, return_indices, layout):
    cdef Pool pool
    cdef int64_t sizes[3]
    cdef tuple given
    cdef int i
    begin_pool(&pool, rank, capi.CONVX_POOL_MAX if maxima else capi.CONVX_POOL_AVERAGE, layout)
    input = read_pool_array(&pool, input, "input", &pool.x)
    take_extent(&pool, "input")
    if PyLong_CheckExact(output_size):
        sizes[0] = sizes[1] = sizes[2] = whole_number(output_size, "output_size", 0)
    else:
        given = _pool_arguments.adaptive_size(output_size, as_tuple(pool.params.input, rank))
        for i in range(rank):
            sizes[i] = given[i]
    set_adaptive(&pool, sizes, maxima)
    return run_pool(&pool, return_indices)


# grad_output has the shape of the layer's output, and is `y` from here on.
cdef int check_pool_gradient(Pool *pool, const Tensor *grad) except -1:
    cdef int i
    for i in range(pool.params.rank + 2):
        if grad.shape[i] != pool.y.shape[i]:
            _arguments.grad_shape(pool_shape(pool, grad), pool_shape(pool, &pool.y))
    pool.y = grad[0]
    return 0


# `data`: the input that is searched, or NULL.
cdef object run_pool_gradient(Pool *pool, const void *data, object indices):
    cdef capi.convx_status status
    cdef const int64_t *found = NULL
    cdef Tensor gx = pool.x
    cdef int i
    if indices is not None:
        indices = read_indices(pool, indices, &pool.y, "grad_output")
        found = <const int64_t *>pool.index.data
        data = NULL
    pool.form.memory_last = lies_channels_last(&pool.y, pool.params.rank, pool.form.last)
    cdef object result = new_pool_array(pool, &gx)
    set_pool_strides(pool)
    for i in range(pool.params.rank + 2):
        pool.params.grad_input_strides[i] = gx.strides[i]
    with nogil:
        status = capi.convx_pool_backward(&pool.params, data, found, pool.y.data, gx.data)
    if status != capi.CONVX_OK:
        refuse_pool(pool, status, indices)
    return result


# The array that was pooled, in `x`, and the gradient of its result. Both stay alive in the caller's hands.
cdef tuple read_input_and_gradient(Pool *pool, object input, object grad_output, Tensor *grad):
    grad_output = read_pool_array(pool, grad_output, "grad_output", grad)
    cdef bint batched = pool.form.batched
    cdef int dtype = pool.params.dtype
    input = read_pool_array(pool, input, "input", &pool.x)
    same_dtype(dtype, input, "input", grad_output, "grad_output")
    if batched != pool.form.batched:
        _arguments.batch_mismatch("input")
    take_extent(pool, "input")
    return input, grad_output


# The same where only the shape of what was pooled matters.
cdef object read_size_and_gradient(Pool *pool, object input_size, object grad_output, Tensor *grad):
    grad_output = read_pool_array(pool, grad_output, "grad_output", grad)
    cdef bint batched = pool.form.batched
    read_size(&pool.form, input_size, "input_size", &pool.x)
    if batched != pool.form.batched:
        _arguments.batch_mismatch("input_size")
    take_extent(pool, "input_size")
    refuse_huge(pool_shape(pool, &pool.x), pool.x.shape, pool.params.rank + 2)
    return grad_output


def max_pool_gradient(int rank, input, grad_output, kernel_size, stride, padding, dilation, ceil_mode, indices, layout):
    cdef Pool pool
    cdef Tensor grad
    begin_pool(&pool, rank, capi.CONVX_POOL_MAX, layout)
    input, grad_output = read_input_and_gradient(&pool, input, grad_output, &grad)
    set_windows(&pool, kernel_size, stride, padding, dilation, ceil_mode)
    check_pool_gradient(&pool, &grad)
    return run_pool_gradient(&pool, pool.x.data, indices)


def average_pool_gradient(int rank, input_size, grad_output, kernel_size, stride, padding, dilation, ceil_mode,
                          count_include_pad, divisor_override, layout):
    cdef Pool pool
    cdef Tensor grad
    begin_pool(&pool, rank, capi.CONVX_POOL_AVERAGE, layout)
    grad_output = read_size_and_gradient(&pool, input_size, grad_output, &grad)
    set_windows(&pool, kernel_size, stride, padding, dilation, ceil_mode)
    set_average(&pool, count_include_pad, divisor_override)
    check_pool_gradient(&pool, &grad)
    return run_pool_gradient(&pool, NULL, None)


def adaptive_max_pool_gradient(int rank, input, grad_output, indices, layout):
    cdef Pool pool
    cdef Tensor grad
    begin_pool(&pool, rank, capi.CONVX_POOL_MAX, layout)
    input, grad_output = read_input_and_gradient(&pool, input, grad_output, &grad)
    set_adaptive(&pool, grad.shape + 2, True)
    check_pool_gradient(&pool, &grad)
    return run_pool_gradient(&pool, pool.x.data, indices)


def adaptive_average_pool_gradient(int rank, input_size, grad_output, layout):
    cdef Pool pool
    cdef Tensor grad
    begin_pool(&pool, rank, capi.CONVX_POOL_AVERAGE, layout)
    grad_output = read_size_and_gradient(&pool, input_size, grad_output, &grad)
    set_adaptive(&pool, grad.shape + 2, False)
    check_pool_gradient(&pool, &grad)
    return run_pool_gradient(&pool, NULL, None)


# The extent of the result of an unpooling, from the pooled one's, which `t` has.
cdef int set_unpooled(Pool *pool, const Tensor *t, object kernel_size, object stride, object padding,
                      object output_size) except -1:
    cdef capi.convx_pool_params *p = &pool.params
    cdef int rank = p.rank, i
    cdef tuple sizes
    for i in range(rank):
        p.output[i] = t.shape[i + 2]
    p.batch = t.shape[0]
    p.channels = t.shape[1]
    for i in range(1, rank + 2):
        if t.shape[i] == 0:
            _pool_arguments.empty(pool_shape(pool, t), "input")
    sizes = _pool_arguments.unpooled_size(as_tuple(p.output, rank), kernel_size, stride, padding, output_size)
    pool.x.shape[0] = p.batch
    pool.x.shape[1] = p.channels
    for i in range(rank):
        p.input[i] = pool.x.shape[i + 2] = sizes[i]
    refuse_huge(pool_shape(pool, &pool.x), pool.x.shape, rank + 2)
    return 0


def unpool_forward(int rank, input, indices, kernel_size, stride, padding, output_size, layout):
    cdef Pool pool
    cdef capi.convx_status status
    begin_pool(&pool, rank, capi.CONVX_POOL_MAX, layout)
    input = read_pool_array(&pool, input, "input", &pool.y)
    indices = read_indices(&pool, indices, &pool.y, "input")
    set_unpooled(&pool, &pool.y, kernel_size, stride, padding, output_size)
    pool.form.memory_last = lies_channels_last(&pool.y, rank, pool.form.last)
    cdef object result = new_pool_array(&pool, &pool.x)
    set_pool_strides(&pool)
    with nogil:
        status = capi.convx_unpool_forward(&pool.params, pool.y.data, <const int64_t *>pool.index.data, pool.x.data)
    if status != capi.CONVX_OK:
        refuse_pool(&pool, status, indices)
    return result


def unpool_gradient(int rank, grad_output, indices, kernel_size, stride, padding, output_size, layout):
    cdef Pool pool
    cdef Tensor grad, pooled
    cdef capi.convx_status status
    cdef bint batched
    cdef int i
    begin_pool(&pool, rank, capi.CONVX_POOL_MAX, layout)
    grad_output = read_pool_array(&pool, grad_output, "grad_output", &grad)
    batched = pool.form.batched
    indices = as_array(indices, "indices")
    if indices.ndim != rank + 2 and indices.ndim != rank + 1:
        _pool_arguments.dimensions(indices, "indices", rank, layout_name(&pool.form))
    if (indices.ndim == rank + 2) != batched:
        _arguments.batch_mismatch("indices")
    read_size(&pool.form, indices.shape, "indices", &pool.y)
    indices = read_indices(&pool, indices, &pool.y, "indices")
    set_unpooled(&pool, &pool.y, kernel_size, stride, padding, output_size)
    for i in range(rank + 2):
        if grad.shape[i] != pool.x.shape[i]:
            _arguments.grad_shape(pool_shape(&pool, &grad), pool_shape(&pool, &pool.x))
    pool.x = grad
    pool.form.memory_last = lies_channels_last(&grad, rank, pool.form.last)
    cdef object result = new_pool_array(&pool, &pool.y)
    set_pool_strides(&pool)
    with nogil:
        status = capi.convx_unpool_backward(&pool.params, grad.data, <const int64_t *>pool.index.data, pool.y.data)
    if status != capi.CONVX_OK:
        refuse_pool(&pool, status, indices)
    return result
