# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: freethreading_compatible=True, binding=False
"""The calls into the C library: arguments checked, arrays carried over, the GIL released, results made.

What is documented stands in the Python modules around this one. Functions here take every argument by position.
Whatever leaves the fast path (rare forms of arguments, every refusal) goes to `convx._arguments`.
"""
from cpython.buffer cimport (
    Py_buffer,
    PyBUF_C_CONTIGUOUS,
    PyBUF_SIMPLE,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from math import prod

from convx cimport capi

import numpy

from convx import _arguments, _pool_arguments

cdef extern from "Python.h":
    bint PyLong_CheckExact(object value)
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1

cdef object ndarray = numpy.ndarray
cdef object empty = numpy.empty
cdef object empty_like = numpy.empty_like
cdef object FLOAT32 = numpy.dtype(numpy.float32)
cdef object FLOAT64 = numpy.dtype(numpy.float64)
cdef object BYTE = numpy.dtype(numpy.uint8)
cdef object INT64 = numpy.dtype(numpy.int64)

cdef dict PADDING_MODES = {
    "zeros": capi.CONVX_PAD_ZEROS,
    "reflect": capi.CONVX_PAD_REFLECT,
    "replicate": capi.CONVX_PAD_REPLICATE,
    "circular": capi.CONVX_PAD_CIRCULAR,
    "symmetric": capi.CONVX_PAD_SYMMETRIC,
}
cdef dict ACTIVATIONS = {
    None: capi.CONVX_ACT_NONE,
    "relu": capi.CONVX_ACT_RELU,
    "relu6": capi.CONVX_ACT_RELU6,
    "leaky_relu": capi.CONVX_ACT_LEAKY_RELU,
    "sigmoid": capi.CONVX_ACT_SIGMOID,
    "tanh": capi.CONVX_ACT_TANH,
    "silu": capi.CONVX_ACT_SILU,
    "hardtanh": capi.CONVX_ACT_HARDTANH,
}
cdef dict ALGORITHMS = {
    "auto": capi.CONVX_ALGO_AUTO,
    "reference": capi.CONVX_ALGO_REFERENCE,
    "gemm": capi.CONVX_ALGO_GEMM,
    "direct": capi.CONVX_ALGO_DIRECT,
    "winograd": capi.CONVX_ALGO_WINOGRAD,
    "winograd_2x2": capi.CONVX_ALGO_WINOGRAD_2X2,
    "winograd_4x4": capi.CONVX_ALGO_WINOGRAD_4X4,
    "winograd_6x6": capi.CONVX_ALGO_WINOGRAD_6X6,
}
cdef dict LAYOUTS = {"channels_first": 0, "channels_last": 1}

include "_arrays.pxi"
include "_layer.pxi"
include "_conv.pxi"
include "_plan.pxi"
include "_train.pxi"
include "_pool.pxi"
include "_pointwise.pxi"
include "_linear.pxi"


def set_num_threads(threads):
    cdef object count = _arguments.integer(threads, "threads", 0)
    if count > 0x7fffffff:
        count = 0x7fffffff
    if capi.convx_set_num_threads(count) != capi.CONVX_OK:
        raise ValueError(f"threads must be at least 1, or 0 for the default; got {threads}")


def get_num_threads():
    return capi.convx_get_num_threads()


def version():
    return capi.convx_version().decode()


def isa_name():
    return capi.convx_isa_name().decode()


def isas_available():
    cdef list names = []
    cdef const char *name = capi.convx_isa_available(0)
    while name is not NULL:
        names.append(name.decode())
        name = capi.convx_isa_available(<int>len(names))
    return tuple(names)


def config():
    cdef size_t length = capi.convx_config(NULL, 0)
    cdef bytearray text = bytearray(length + 1)
    length = min(length, capi.convx_config(<char *>text, length + 1))
    return text[:length].decode()


def check_result(out, like):
    """Refuse an `out` that cannot hold what `like` holds."""
    check_out(out, like.shape, dtype_of(like, "result"))
