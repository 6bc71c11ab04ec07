# Arrays as C sees them. Typed memoryviews carry them over; what reaches the C library is a pointer with strides in
# elements.

cdef struct Tensor:
    void *data
    int64_t shape[5]
    int64_t strides[5]

cdef enum:
    PAGE = 4096
    LARGE = 524288  # bytes of an array that can spare a page, and the time to place it

ctypedef const float const_float
ctypedef const double const_double
ctypedef const int64_t const_int64

ctypedef fused element:
    const_float
    const_double
    const_int64
    float
    double
    int64_t


# False when an address or a stride is not a whole number of elements: such arrays (fields of records, buffers at odd
# offsets) need a copy. Strides of dimensions with one place mean nothing.
cdef inline bint note(Tensor *t, const void *data, const Py_ssize_t *shape, const Py_ssize_t *strides, int ndim,
                      Py_ssize_t size) noexcept:
    cdef size_t odd = <size_t>data
    cdef int i
    t.data = <void *>data
    for i in range(ndim):
        t.shape[i] = shape[i]
        if shape[i] > 1:
            odd |= <size_t>strides[i]
        t.strides[i] = strides[i] // size
    return odd & <size_t>(size - 1) == 0


cdef inline bint note1(element[:] v, Tensor *t) noexcept:
    return note(t, &v[0], v.shape, v.strides, 1, sizeof(element))


cdef inline bint note2(element[:, :] v, Tensor *t) noexcept:
    return note(t, &v[0, 0], v.shape, v.strides, 2, sizeof(element))


cdef inline bint note3(element[:, :, :] v, Tensor *t) noexcept:
    return note(t, &v[0, 0, 0], v.shape, v.strides, 3, sizeof(element))


cdef inline bint note4(element[:, :, :, :] v, Tensor *t) noexcept:
    return note(t, &v[0, 0, 0, 0], v.shape, v.strides, 4, sizeof(element))


cdef inline bint note5(element[:, :, :, :, :] v, Tensor *t) noexcept:
    return note(t, &v[0, 0, 0, 0, 0], v.shape, v.strides, 5, sizeof(element))


# Where a contiguous array's elements lie. The caller holds the array for as long as it uses the address.
cdef void *address(object array, int flags) except NULL:
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, flags)
    cdef void *data = view.buf
    PyBuffer_Release(&view)
    return data


# A new array. NumPy's large ones begin 16 bytes after the beginning of a page: a result there is stored across lines of the
# cache, and where it begins a little further into a page than an argument, loads of the argument wait, since they look like
# loads of what was just stored. So large results begin in the middle of a page.
cdef object new_array(object shape, object dtype):
    cdef double size = prod(shape) * dtype.itemsize
    if size < LARGE or size > 1e18:  # NumPy refuses so much
        return empty(shape, dtype)
    cdef object memory = empty(<int64_t>size + PAGE, BYTE)
    return ndarray(shape, dtype, memory, (PAGE // 2 - <size_t>address(memory, PyBUF_SIMPLE)) % PAGE)


# Of the shape, the dtype and the memory order of another.
cdef object new_array_like(object like):
    if like.nbytes < LARGE or type(like) is not ndarray or not like.flags.c_contiguous:
        return empty_like(like)
    return new_array(like.shape, like.dtype)


# dtype and ndim have been checked: the memoryviews fit. Returns what note() returns.
cdef int read_view(object array, int ndim, int dtype, Tensor *t) except -1:
    if dtype == capi.CONVX_FLOAT32:
        if ndim == 4: return note4[const_float](array, t)
        if ndim == 3: return note3[const_float](array, t)
        if ndim == 5: return note5[const_float](array, t)
        if ndim == 2: return note2[const_float](array, t)
        return note1[const_float](array, t)
    if ndim == 4: return note4[const_double](array, t)
    if ndim == 3: return note3[const_double](array, t)
    if ndim == 5: return note5[const_double](array, t)
    if ndim == 2: return note2[const_double](array, t)
    return note1[const_double](array, t)


cdef int write_view(object array, int ndim, int dtype, Tensor *t) except -1:
    if dtype == capi.CONVX_FLOAT32:
        if ndim == 4: return note4[float](array, t)
        if ndim == 3: return note3[float](array, t)
        if ndim == 5: return note5[float](array, t)
        if ndim == 2: return note2[float](array, t)
        return note1[float](array, t)
    if ndim == 4: return note4[double](array, t)
    if ndim == 3: return note3[double](array, t)
    if ndim == 5: return note5[double](array, t)
    if ndim == 2: return note2[double](array, t)
    return note1[double](array, t)


# The same for indices, of 2 to 5 dimensions.
cdef int read_index_view(object array, int ndim, Tensor *t) except -1:
    if ndim == 4: return note4[const_int64](array, t)
    if ndim == 3: return note3[const_int64](array, t)
    if ndim == 5: return note5[const_int64](array, t)
    return note2[const_int64](array, t)


cdef int write_index_view(object array, int ndim, Tensor *t) except -1:
    if ndim == 4: return note4[int64_t](array, t)
    if ndim == 3: return note3[int64_t](array, t)
    if ndim == 5: return note5[int64_t](array, t)
    return note2[int64_t](array, t)


cdef inline object as_array(object value, str name):
    return value if type(value) is ndarray else _arguments.as_array(value, name)


cdef int dtype_of(object array, str name) except -1:
    cdef object dtype = array.dtype
    if dtype is FLOAT32 or dtype is FLOAT64:
        return capi.CONVX_FLOAT32 if dtype is FLOAT32 else capi.CONVX_FLOAT64
    if dtype == FLOAT32:
        return capi.CONVX_FLOAT32
    if dtype == FLOAT64:
        return capi.CONVX_FLOAT64
    _arguments.dtype(array, name)


cdef int same_dtype(int dtype, object array, str name, object other, str other_name) except -1:
    if dtype_of(array, name) != dtype:
        _arguments.mixed(array, name, other, other_name)
    return 0


# The array, or its copy where it cannot be addressed in elements. The caller holds it for as long as it uses `t`.
cdef object read_array(object array, int ndim, int dtype, Tensor *t):
    if not read_view(array, ndim, dtype, t):
        array = numpy.array(array)
        read_view(array, ndim, dtype, t)
    return array


# From the dimensions of the caller's array to (batch, channels, space...).
cdef void to_channels_first(Tensor *t, int rank, bint batched, bint last) noexcept:
    cdef int64_t size, stride
    cdef int i
    if not batched:
        for i in range(rank + 1, 0, -1):
            t.shape[i] = t.shape[i - 1]
            t.strides[i] = t.strides[i - 1]
        t.shape[0] = 1
        t.strides[0] = 0
    if last:
        size, stride = t.shape[rank + 1], t.strides[rank + 1]
        for i in range(rank + 1, 1, -1):
            t.shape[i] = t.shape[i - 1]
            t.strides[i] = t.strides[i - 1]
        t.shape[1], t.strides[1] = size, stride


# Whether channels lie closer together than places; where nothing tells, as the layout says.
cdef bint lies_channels_last(const Tensor *t, int rank, bint last) noexcept:
    cdef int64_t nearest = -1, step
    cdef int i
    for i in range(2, rank + 2):
        if t.shape[i] > 1:
            step = t.strides[i] if t.strides[i] >= 0 else -t.strides[i]
            if nearest < 0 or step < nearest:
                nearest = step
    if nearest < 0 or t.shape[1] <= 1:
        return last
    step = t.strides[1] if t.strides[1] >= 0 else -t.strides[1]
    return step < nearest


cdef tuple as_tuple(const int64_t *values, int count):
    if count == 4:
        return (values[0], values[1], values[2], values[3])
    if count == 3:
        return (values[0], values[1], values[2])
    if count == 5:
        return (values[0], values[1], values[2], values[3], values[4])
    if count == 2:
        return (values[0], values[1])
    return (values[0],)


# The shape that the caller sees, from (batch, channels, space...).
cdef tuple visible_shape(const int64_t *shape, int rank, bint batched, bint last):
    cdef int64_t order[5]
    cdef int i
    if not last:
        return as_tuple(shape, rank + 2) if batched else as_tuple(shape + 1, rank + 1)
    order[0] = shape[0]
    for i in range(rank):
        order[i + 1] = shape[i + 2]
    order[rank + 1] = shape[1]
    return as_tuple(order, rank + 2) if batched else as_tuple(order + 1, rank + 1)


cdef int refuse_huge(tuple visible, const int64_t *shape, int count) except -1:
    cdef double bytes_ = 8
    cdef int i
    for i in range(count):
        bytes_ *= shape[i]
    if bytes_ >= 9.2e18:
        _arguments.too_large(visible)
    return 0
