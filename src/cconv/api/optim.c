/* The optimisers' calls of convx.h. */
#include "algo/optim.h"
#include "base/shape.h"

/* Vectors of `count` elements, the first one read, the others written. Those that are NULL are left out, where that is allowed. */
static convx_status check_vectors(convx_dtype dtype, int64_t count, int vectors, const void *const *vector,
                                  const bool *needed) {
    if (count < 0) return CONVX_INVALID_SHAPE;
    if (count > CX_SIZE_LIMIT / 8) return CONVX_OVERFLOW;
    const cx_span span = {0, count - 1};
    for (int i = 0; i < vectors; ++i) {
        if (!vector[i] && needed[i] && count > 0) return CONVX_INVALID_ARGUMENT;
        for (int j = 0; j < i; ++j)
            if (vector[i] && vector[j] && cx_spans_meet(vector[i], span, vector[j], span, cx_dtype_size(dtype)))
                return CONVX_OVERLAP;
    }
    return CONVX_OK;
}

static bool is_dtype(int32_t dtype) { return dtype == CONVX_FLOAT32 || dtype == CONVX_FLOAT64; }

convx_status convx_sgd_step(const convx_sgd_params *p, const void *gradient, void *velocity, void *parameter) {
    if (!p || p->struct_size != sizeof *p || !is_dtype(p->dtype)) return CONVX_INVALID_ARGUMENT;
    if (p->flags & ~(CONVX_SGD_NESTEROV | CONVX_SGD_FIRST_STEP)) return CONVX_INVALID_ARGUMENT;
    const void *const vectors[] = {gradient, parameter, velocity};
    const bool needed[] = {true, true, p->momentum != 0};
    const convx_status status = check_vectors((convx_dtype)p->dtype, p->count, 3, vectors, needed);
    if (status == CONVX_OK) cx_sgd_step(p, gradient, velocity, parameter);
    return status;
}

convx_status convx_adam_step(const convx_adam_params *p, const void *gradient, void *mean, void *square,
                             void *largest_square, void *parameter) {
    if (!p || p->struct_size != sizeof *p || !is_dtype(p->dtype) || p->flags || p->step < 1)
        return CONVX_INVALID_ARGUMENT;
    if (!(p->beta1 >= 0 && p->beta1 < 1 && p->beta2 >= 0 && p->beta2 < 1)) return CONVX_INVALID_ARGUMENT;
    const void *const vectors[] = {gradient, parameter, mean, square, largest_square};
    const bool needed[] = {true, true, true, true, false};
    const convx_status status = check_vectors((convx_dtype)p->dtype, p->count, 5, vectors, needed);
    if (status == CONVX_OK) cx_adam_step(p, gradient, mean, square, largest_square, parameter);
    return status;
}
