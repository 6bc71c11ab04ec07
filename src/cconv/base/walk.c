#include "base/walk.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/shape.h"

static convx_status check_tensor(size_t element, int ndim, const int64_t *sizes, const int64_t *strides) {
    int64_t below = 0, above = 0;
    for (int d = 0; d < ndim; ++d) {
        int64_t reach;
        if (sizes[d] <= 1) continue;
        if (!cx_mul(strides[d], sizes[d] - 1, &reach)) return CONVX_OVERFLOW;
        if (!cx_add(reach < 0 ? below : above, reach, reach < 0 ? &below : &above)) return CONVX_OVERFLOW;
    }
    const int64_t limit = CX_SIZE_LIMIT / (int64_t)element;
    return above < limit && below > -limit ? CONVX_OK : CONVX_OVERFLOW;
}

static convx_status check(size_t element, int ndim, const int64_t *sizes, int tensors, const int64_t *const strides[],
                          bool *empty) {
    int64_t count = 1;
    *empty = false;
    for (int d = 0; d < ndim; ++d) {
        if (sizes[d] < 0) return CONVX_INVALID_SHAPE;
        if (sizes[d] == 0) *empty = true;
    }
    for (int d = 0; d < ndim && !*empty; ++d)
        if (!cx_mul(count, sizes[d], &count) || count > CX_SIZE_LIMIT) return CONVX_OVERFLOW;
    for (int t = 0; t < tensors && !*empty; ++t) {
        const convx_status status = check_tensor(element, ndim, sizes, strides[t]);
        if (status != CONVX_OK) return status;
    }
    return CONVX_OK;
}

/* Outer before inner: by the first tensor's strides; where they are equal by the others'. */
static bool is_inside(const cx_walk *w, int a, int b) {
    for (int t = 0; t < w->tensors; ++t)
        if (w->stride[t][a] != w->stride[t][b]) return llabs(w->stride[t][a]) < llabs(w->stride[t][b]);
    return false;
}

static void swap_dimensions(cx_walk *w, int a, int b) {
    const int64_t size = w->size[a];
    w->size[a] = w->size[b];
    w->size[b] = size;
    for (int t = 0; t < w->tensors; ++t) {
        const int64_t stride = w->stride[t][a];
        w->stride[t][a] = w->stride[t][b];
        w->stride[t][b] = stride;
    }
}

static bool merge(cx_walk *w, int outer, int inner) {
    for (int t = 0; t < w->tensors; ++t)
        if (w->stride[t][outer] != w->stride[t][inner] * w->size[inner]) return false;
    w->size[outer] *= w->size[inner];
    for (int t = 0; t < w->tensors; ++t) w->stride[t][outer] = w->stride[t][inner];
    return true;
}

convx_status cx_walk_begin(cx_walk *w, size_t element, int ndim, const int64_t *sizes, int without, int tensors,
                           const int64_t *const strides[]) {
    if (ndim < 0 || ndim > CX_MAX_DIMENSIONS) return CONVX_INVALID_SHAPE;
    bool empty;
    const convx_status status = check(element, ndim, sizes, tensors, strides, &empty);
    if (status != CONVX_OK) return status;
    w->rank = 0;
    w->tensors = tensors;
    w->count = empty ? 0 : 1;
    for (int t = 0; t < tensors; ++t) w->first[t] = 0;
    for (int d = 0; d < ndim && !empty; ++d) {
        if (sizes[d] == 1 || d == without) continue;
        int at = w->rank++;
        const bool turned = strides[0][d] < 0;
        w->count *= sizes[d];
        w->size[at] = sizes[d];
        for (int t = 0; t < tensors; ++t) {
            w->stride[t][at] = turned ? -strides[t][d] : strides[t][d];
            if (turned) w->first[t] += strides[t][d] * (sizes[d] - 1);
        }
        for (; at > 0 && is_inside(w, at - 1, at); --at) swap_dimensions(w, at - 1, at);
    }
    if (w->rank == 0) {
        w->rank = 1;
        w->size[0] = w->count;
        for (int t = 0; t < tensors; ++t) w->stride[t][0] = 1;
        return CONVX_OK;
    }
    int kept = 0;
    for (int d = 1; d < w->rank; ++d)
        if (!merge(w, kept, d)) swap_dimensions(w, ++kept, d);
    w->rank = kept + 1;
    return CONVX_OK;
}

int64_t cx_walk_offset(const cx_walk *w, int tensor, int64_t index) {
    int64_t offset = w->first[tensor];
    for (int d = w->rank - 1; d > 0; --d) {
        offset += index % w->size[d] * w->stride[tensor][d];
        index /= w->size[d];
    }
    return offset + index * w->stride[tensor][0];
}

bool cx_walk_dense(const cx_walk *w, int tensor) {
    int64_t step = 1;
    for (int d = w->rank - 1; d >= 0; --d) {
        if (w->stride[tensor][d] != step) return false;
        step *= w->size[d];
    }
    return true;
}

/* n elements, `from` and `to` with strides in elements. */
static void copy_run(const char *from, int64_t from_step, char *to, int64_t to_step, size_t element, int64_t n) {
    if (element == 4)
        for (int64_t i = 0; i < n; ++i) memcpy(to + i * to_step * 4, from + i * from_step * 4, 4);
    else
        for (int64_t i = 0; i < n; ++i) memcpy(to + i * to_step * 8, from + i * from_step * 8, 8);
}

static void copy(const cx_walk *w, int tensor, char *data, size_t element, int64_t index, int64_t n, char *dense,
                 bool into) {
    const int inner = w->rank - 1;
    const int64_t size = w->size[inner], step = w->stride[tensor][inner];
    while (n > 0) {
        const int64_t left = size - index % size, run = left < n ? left : n;
        char *at = data + cx_walk_offset(w, tensor, index) * (int64_t)element;
        if (into)
            copy_run(at, step, dense, 1, element, run);
        else
            copy_run(dense, 1, at, step, element, run);
        dense += run * (int64_t)element;
        index += run;
        n -= run;
    }
}

void cx_walk_gather(const cx_walk *w, int tensor, const void *data, size_t element, int64_t index, int64_t n,
                    void *to) {
    copy(w, tensor, (char *)(uintptr_t)data, element, index, n, to, true);
}

void cx_walk_scatter(const cx_walk *w, int tensor, void *data, size_t element, int64_t index, int64_t n,
                     const void *from) {
    copy(w, tensor, data, element, index, n, (char *)(uintptr_t)from, false);
}

/* Sorted by stride, each dimension steps over all of those inside it. */
static bool meets_itself(int ndim, const int64_t *sizes, const int64_t *strides) {
    int order[CX_MAX_DIMENSIONS], rank = 0;
    for (int d = 0; d < ndim; ++d) {
        if (sizes[d] == 1) continue;
        int at = rank++;
        for (; at > 0 && llabs(strides[order[at - 1]]) > llabs(strides[d]); --at) order[at] = order[at - 1];
        order[at] = d;
    }
    int64_t reach = 0;
    for (int i = 0; i < rank; ++i) {
        const int64_t step = llabs(strides[order[i]]);
        if (step <= reach) return true;
        reach += step * (sizes[order[i]] - 1);
    }
    return false;
}

bool cx_writing_disturbs(size_t element, int ndim, const int64_t *sizes, int tensors, const int64_t *const strides[],
                         const void *const data[]) {
    const cx_span written = cx_span_of(ndim, sizes, strides[0]);
    if (written.last < written.first) return false;
    if (meets_itself(ndim, sizes, strides[0])) return true;
    for (int t = 1; t < tensors; ++t) {
        if (!data[t]) continue;
        bool same = data[t] == data[0];
        for (int d = 0; d < ndim; ++d) same = same && (sizes[d] == 1 || strides[t][d] == strides[0][d]);
        if (!same && cx_spans_meet(data[0], written, data[t], cx_span_of(ndim, sizes, strides[t]), element))
            return true;
    }
    return false;
}
