# A layer decided once and run often.

cdef class ConvPlan:
    """A convolution layer with its weights prepared, made by `plan_conv`.

    Call it with an input of the planned shape: ``plan(x)`` or ``plan(x, out=array)``. A plan may be called from several
    threads at once.
    """
    cdef capi.convx_plan *plan
    cdef Layer layer
    cdef object dtype_
    cdef object algorithm_asked
    cdef readonly tuple input_shape
    cdef readonly tuple output_shape

    def __cinit__(self, int rank, input_shape, weight, bias, stride, padding, dilation, groups, padding_mode, layout,
                  activation, algorithm, workspace_limit):
        cdef Layer *layer = &self.layer
        cdef Tensor b
        cdef const void *bias_data = NULL
        cdef capi.convx_status status
        begin(layer, rank, False, layout)
        layer.params.dtype = dtype_of(weight, "weight")
        self.dtype_ = FLOAT32 if layer.params.dtype == capi.CONVX_FLOAT32 else FLOAT64
        self.algorithm_asked = algorithm
        read_size(layer, input_shape, "input_shape", &layer.x)
        weight = read_weight(layer, weight)
        set_channels(layer, groups, "input_shape")
        set_geometry(layer, stride, padding, dilation, 0)
        set_options(layer, padding_mode, activation, algorithm)
        if workspace_limit is not None:
            layer.params.workspace_limit = whole_number(workspace_limit, "workspace_limit", 1)
        if bias is not None:
            bias = read_bias(layer, bias, weight, &b)
            bias_data = b.data
        self.input_shape = visible_shape(layer.x.shape, rank, layer.batched, layer.last)
        self.output_shape = visible_shape(layer.y.shape, rank, layer.batched, layer.last)
        refuse_huge(self.input_shape, layer.x.shape, rank + 2)
        refuse_huge(self.output_shape, layer.y.shape, rank + 2)
        contiguous_strides(&layer.x, rank, layer.last)
        contiguous_strides(&layer.y, rank, layer.last)
        set_strides(layer)
        with nogil:
            status = capi.convx_conv_plan_create(&layer.params, capi.CONVX_FORWARD, layer.w.data, bias_data, &self.plan)
        if status != capi.CONVX_OK:
            refuse_status(layer, capi.CONVX_FORWARD, status, algorithm, self.output_shape)

    def __dealloc__(self):
        if self.plan is not NULL:
            capi.convx_plan_destroy(self.plan)

    def __call__(self, input, out=None):
        """Run the layer; `input` has the planned shape and dtype, any strides. Returns the output, or `out` filled."""
        cdef Layer layer = self.layer
        cdef capi.convx_conv_args args
        cdef capi.convx_status status
        cdef int dtype = layer.params.dtype
        input = as_array(input, "input")
        if dtype_of(input, "input") != dtype:
            _arguments.plan_dtype(input, self.dtype_)
        if input.shape != self.input_shape:
            _arguments.plan_shape(input.shape, self.input_shape)
        input = read_array(input, layer.rank + 1 + layer.batched, dtype, &layer.x)
        to_channels_first(&layer.x, layer.rank, layer.batched, layer.last)
        layer.memory_last = lies_channels_last(&layer.x, layer.rank, layer.last)
        cdef object result = result_activations(&layer, out, &layer.y)
        memset(&args, 0, sizeof(args))
        args.struct_size = sizeof(args)
        args.input = layer.x.data
        args.result = layer.y.data
        args.input_strides = layer.x.strides
        args.result_strides = layer.y.strides
        with nogil:
            status = capi.convx_conv_plan_execute(self.plan, &args)
        if status != capi.CONVX_OK:
            refuse_status(&layer, capi.CONVX_FORWARD, status, self.algorithm_asked, self.output_shape)
        return finish(result, out)

    @property
    def dtype(self):
        """The dtype of the weights, and so of input and output."""
        return self.dtype_

    @property
    def algorithm(self):
        """The name of the algorithm that runs, never "auto"."""
        return capi.convx_algorithm_name(capi.convx_plan_algorithm(self.plan)).decode()

    @property
    def workspace_bytes(self):
        """Bytes of scratch that one call uses, all threads together, for the thread count in force now."""
        return capi.convx_plan_workspace_size(self.plan)

    @property
    def weight_bytes(self):
        """Bytes of weights that the plan keeps."""
        return capi.convx_plan_weight_bytes(self.plan)

    def explain(self):
        """The candidate algorithms, each with its estimated cost or with the reason why it declined, as text."""
        cdef size_t length = capi.convx_plan_explain(self.plan, NULL, 0)
        cdef bytearray text = bytearray(length + 1)
        length = min(length, capi.convx_plan_explain(self.plan, <char *>text, length + 1))
        return text[:length].decode("utf-8", "replace")

    def __repr__(self):
        return (f"ConvPlan(input_shape={self.input_shape}, output_shape={self.output_shape}, dtype={self.dtype_}, "
                f"algorithm={self.algorithm!r}, workspace_bytes={self.workspace_bytes})")


cdef void contiguous_strides(Tensor *t, int rank, bint last) noexcept:
    cdef int64_t step = t.shape[1] if last else 1
    cdef int i
    for i in range(rank + 1, 1, -1):
        t.strides[i] = step
        step *= max(t.shape[i], 1)
    t.strides[1] = 1 if last else step
    t.strides[0] = step if last else step * t.shape[1]
