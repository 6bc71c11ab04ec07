# A layer under construction: the parameters for C with the tensors that they describe, always as (batch, channels,
# space...).

cdef struct Layer:
    capi.convx_conv_params params
    Tensor x
    Tensor w
    Tensor y
    int rank
    bint transposed
    bint last         # the layout of the caller's arrays
    bint batched
    bint memory_last  # how results are to lie in memory

# Sizes below this can be multiplied and added without a thought of 64 bits.
cdef int64_t SMALL = 1 << 30


# What a word means. `usual` is the default, whose meaning is 0 in every table.
cdef int choose(dict table, object usual, object value, str name) except -1:
    if value is usual:
        return 0
    cdef object found = table.get(value) if isinstance(value, str) else None
    if found is None:
        _arguments.option(value, name, table)
    return found


cdef int64_t whole_number(object value, str name, int64_t low) except -1:
    cdef int overflow = 0
    cdef int64_t number
    if PyLong_CheckExact(value):
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow and number >= low:
            return number
    return _arguments.integer(value, name, low)


cdef int per_axis(object value, str name, int rank, int64_t low, int64_t *axes) except -1:
    cdef int64_t number
    cdef int i
    if PyLong_CheckExact(value):
        number = whole_number(value, name, low)
        for i in range(rank):
            axes[i] = number
        return 0
    if type(value) is tuple and len(<tuple>value) == rank:
        for i in range(rank):
            axes[i] = whole_number((<tuple>value)[i], name, low)
        return 0
    cdef tuple numbers = _arguments.per_axis(value, name, rank, low)
    for i in range(rank):
        axes[i] = numbers[i]
    return 0


cdef int begin(Layer *layer, int rank, bint transposed, object layout) except -1:
    memset(layer, 0, sizeof(Layer))
    layer.rank = layer.params.rank = rank
    layer.transposed = transposed
    layer.params.struct_size = sizeof(capi.convx_conv_params)
    layer.params.flags = capi.CONVX_TRANSPOSED if transposed else 0
    layer.last = choose(LAYOUTS, "channels_first", layout, "layout")
    return 0


cdef object layout_name(const Layer *layer):
    return "channels_last" if layer.last else "channels_first"


# An array of activations (input or grad_output) of this layer's dtype.
cdef object read_activations(Layer *layer, object array, str name, Tensor *t):
    cdef int ndim = array.ndim, rank = layer.rank
    if ndim != rank + 2 and ndim != rank + 1:
        _arguments.dimensions(array, name, rank, layout_name(layer))
    layer.batched = ndim == rank + 2
    array = read_array(array, ndim, layer.params.dtype, t)
    to_channels_first(t, rank, layer.batched, layer.last)
    return array


# A shape of `least` to `most` sizes, which are counted.
cdef int read_shape(object value, str name, int least, int most, int64_t *sizes) except -1:
    cdef int count, i
    if type(value) is not tuple or not least <= len(<tuple>value) <= most:
        value = _arguments.shape(value, name, tuple(range(most, least - 1, -1)))
    count = <int>len(<tuple>value)
    for i in range(count):
        sizes[i] = whole_number((<tuple>value)[i], name, 0)
    return count


# A shape given in place of such an array.
cdef int read_size(Layer *layer, object value, str name, Tensor *t) except -1:
    cdef int rank = layer.rank
    layer.batched = read_shape(value, name, rank + 1, rank + 2, t.shape) == rank + 2
    to_channels_first(t, rank, layer.batched, layer.last)
    return 0


cdef object read_weight(Layer *layer, object array):
    cdef int ndim = array.ndim
    if ndim != layer.rank + 2:
        _arguments.weight_dimensions(array.shape, layer.rank, layer.transposed)
    return read_array(array, ndim, layer.params.dtype, &layer.w)


# Channels and groups from the weights and the input.
cdef int set_channels(Layer *layer, object groups, str name) except -1:
    cdef capi.convx_conv_params *p = &layer.params
    cdef int rank = layer.rank, i
    cdef int64_t first = layer.w.shape[0], second = layer.w.shape[1]
    p.groups = whole_number(groups, "groups", 1)
    p.batch = layer.x.shape[0]
    for i in range(rank):
        p.kernel[i] = layer.w.shape[i + 2]
        p.input[i] = layer.x.shape[i + 2]
    for i in range(rank + 2):
        if layer.w.shape[i] == 0:
            _arguments.empty_weight(as_tuple(layer.w.shape, rank + 2))
        if i > 1 and layer.x.shape[i] == 0:
            _arguments.empty_space(visible_shape(layer.x.shape, rank, layer.batched, layer.last), name)
    if first % p.groups == 0:
        p.in_channels = first if layer.transposed else second * p.groups
        p.out_channels = second * p.groups if layer.transposed else first
    if p.in_channels == 0 or layer.x.shape[1] != p.in_channels:
        _arguments.channels(layer.x.shape[1], name, as_tuple(layer.w.shape, rank + 2), p.groups, layer.transposed,
                            layout_name(layer))
    return 0


# Stride, dilation, padding, and with them the size of the output.
cdef int set_geometry(Layer *layer, object stride, object padding, object dilation, object output_padding) except -1:
    cdef capi.convx_conv_params *p = &layer.params
    cdef int rank = layer.rank, i
    cdef int64_t extra[3]
    cdef int64_t pad
    cdef tuple pairs
    cdef bint small = True, same = False, lower = False
    per_axis(stride, "stride", rank, 1, p.stride)
    per_axis(dilation, "dilation", rank, 1, p.dilation)
    for i in range(rank):
        extra[i] = 0
    if layer.transposed:
        per_axis(output_padding, "output_padding", rank, 0, extra)

    if PyLong_CheckExact(padding):
        pad = whole_number(padding, "padding", 0)
        for i in range(rank):
            p.pad_before[i] = p.pad_after[i] = pad
    elif isinstance(padding, str) and padding in ("same", "same_lower", "valid"):
        same, lower = padding != "valid", padding == "same_lower"
        if same:
            set_same_padding(layer, lower, extra)
    else:
        pairs = _arguments.padding_pairs(padding, rank)
        for i in range(rank):
            p.pad_before[i], p.pad_after[i] = pairs[i]

    if not layer.transposed:
        if capi.convx_conv_output_size(p, p.output) != capi.CONVX_OK:
            _arguments.output_size(as_tuple(p.input, rank), as_tuple(p.kernel, rank), as_tuple(p.stride, rank),
                                   as_tuple(p.dilation, rank), as_tuple(p.pad_before, rank), as_tuple(p.pad_after, rank))
    else:
        for i in range(rank):
            if extra[i] >= p.stride[i] and extra[i] >= p.dilation[i] and not same:
                _arguments.output_padding(as_tuple(extra, rank), as_tuple(p.stride, rank), as_tuple(p.dilation, rank))
            if max(p.input[i], p.kernel[i], p.stride[i], p.dilation[i], p.pad_before[i], p.pad_after[i]) >= SMALL:
                small = False
        set_transposed_size(layer, extra, small)
    layer.y.shape[0] = p.batch
    layer.y.shape[1] = p.out_channels
    for i in range(rank):
        layer.y.shape[i + 2] = p.output[i]
    return 0


# padding="same". A transposed layer is the adjoint of the convolution that takes input * stride places to input.
cdef int set_same_padding(Layer *layer, bint lower, int64_t *extra) except -1:
    cdef capi.convx_conv_params *p = &layer.params
    cdef int rank = layer.rank, i
    cdef tuple extent = as_tuple(p.input, rank), stride = as_tuple(p.stride, rank)
    cdef tuple kernel = as_tuple(p.kernel, rank), dilation = as_tuple(p.dilation, rank), pairs
    if layer.transposed:
        for i in range(rank):
            if extra[i] != 0:
                _arguments.same_output_padding()
        extent = tuple([n * s for n, s in zip(extent, stride)])
    pairs = _arguments.same_padding(lower, extent, kernel, stride, dilation)
    for i in range(rank):
        p.pad_before[i], p.pad_after[i] = pairs[i]
        if layer.transposed:
            extra[i] = max(0, stride[i] - dilation[i] * (kernel[i] - 1) - 1)
    return 0


cdef int set_transposed_size(Layer *layer, const int64_t *extra, bint small) except -1:
    cdef capi.convx_conv_params *p = &layer.params
    cdef int rank = layer.rank, i
    cdef tuple sizes
    if small:
        for i in range(rank):
            p.output[i] = ((p.input[i] - 1) * p.stride[i] - p.pad_before[i] - p.pad_after[i]
                           + p.dilation[i] * (p.kernel[i] - 1) + 1 + extra[i])
            small = small and p.output[i] >= 1
    if not small:
        sizes = _arguments.transposed_size(
            as_tuple(p.input, rank), as_tuple(p.kernel, rank), as_tuple(p.stride, rank), as_tuple(p.dilation, rank),
            as_tuple(p.pad_before, rank), as_tuple(p.pad_after, rank), as_tuple(extra, rank))
        for i in range(rank):
            p.output[i] = sizes[i]
    return 0


cdef int set_options(Layer *layer, object padding_mode, object activation, object algorithm) except -1:
    layer.params.padding_mode = choose(PADDING_MODES, "zeros", padding_mode, "padding_mode")
    layer.params.activation = choose(ACTIVATIONS, None, activation, "activation")
    layer.params.algorithm = choose(ALGORITHMS, "auto", algorithm, "algorithm")
    return 0


# Strides of tensors that have been read or made.
cdef void set_strides(Layer *layer) noexcept:
    cdef int i
    for i in range(layer.rank + 2):
        layer.params.input_strides[i] = layer.x.strides[i]
        layer.params.weight_strides[i] = layer.w.strides[i]
        layer.params.output_strides[i] = layer.y.strides[i]


cdef int check_out(object out, tuple shape, int dtype) except -1:
    if not isinstance(out, ndarray):
        _arguments.out_array(out)
    if out.dtype != (FLOAT32 if dtype == capi.CONVX_FLOAT32 else FLOAT64):
        _arguments.out_dtype(out, FLOAT32 if dtype == capi.CONVX_FLOAT32 else FLOAT64)
    if out.shape != shape:
        _arguments.out_shape(out, shape)
    if not out.flags.writeable:
        _arguments.out_readonly()
    return 0


# A new array of activations (or of their indices) with the sizes in `t`, in the memory order of the layer.
cdef object new_activations(const Layer *layer, const Tensor *t, object dtype):
    cdef int rank = layer.rank
    cdef tuple shape = visible_shape(t.shape, rank, layer.batched, layer.memory_last)
    refuse_huge(shape, t.shape, rank + 2)
    cdef object array = new_array(shape, dtype)
    if layer.memory_last == layer.last:
        return array
    if layer.memory_last:
        return numpy.moveaxis(array, -1, 1 if layer.batched else 0)
    return numpy.moveaxis(array, 1 if layer.batched else 0, -1)


# Where the activations of a result go: `out`, or a new array. An `out` that cannot be addressed in elements gets a
# stand-in, which finish() copies.
cdef object result_activations(Layer *layer, object out, Tensor *t):
    cdef int rank = layer.rank, ndim = rank + 1 + layer.batched
    cdef object array = out
    if out is None:
        array = new_activations(layer, t, FLOAT32 if layer.params.dtype == capi.CONVX_FLOAT32 else FLOAT64)
        write_view(array, ndim, layer.params.dtype, t)
    else:
        check_out(out, visible_shape(t.shape, rank, layer.batched, layer.last), layer.params.dtype)
        if not write_view(out, ndim, layer.params.dtype, t):
            array = numpy.array(out)
            write_view(array, ndim, layer.params.dtype, t)
    to_channels_first(t, rank, layer.batched, layer.last)
    return array


cdef object result_plain(object out, tuple shape, int dtype, Tensor *t):
    cdef object array = out
    if out is None:
        array = new_array(shape, FLOAT32 if dtype == capi.CONVX_FLOAT32 else FLOAT64)
        write_view(array, <int>len(shape), dtype, t)
    else:
        check_out(out, shape, dtype)
        if not write_view(out, <int>len(shape), dtype, t):
            array = numpy.array(out)
            write_view(array, <int>len(shape), dtype, t)
    return array


cdef object finish(object array, object out):
    if out is None or array is out:
        return array
    out[...] = array
    return out


cdef object explanation(const capi.convx_conv_params *params, capi.convx_pass which):
    cdef size_t length = capi.convx_conv_explain(params, which, NULL, 0)
    cdef bytearray text = bytearray(length + 1)
    capi.convx_conv_explain(params, which, <char *>text, length + 1)
    return text[:length].decode("utf-8", "replace")


cdef int refuse_status(const Layer *layer, capi.convx_pass which, capi.convx_status status, object algorithm,
                       tuple shape) except -1:
    cdef object why = ""
    if status == capi.CONVX_UNSUPPORTED or status == capi.CONVX_WORKSPACE_LIMIT:
        why = explanation(&layer.params, which)
    _arguments.status(<int>status, capi.convx_status_string(status).decode(), why, algorithm, shape)
