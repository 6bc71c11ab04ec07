/* From the caller's tensors to the run of an algorithm: what one-shot calls and plans share. */
#ifndef CX_PLAN_EXECUTE_H
#define CX_PLAN_EXECUTE_H

#include "plan/choose.h"

/*
 * The tensors in the roles that the normalised convolution gives them. `pass` and `transposed` are the layer's. Refuses
 * null pointers (but of tensors without elements) and a result that shares memory with what is read.
 */
convx_status cx_bind(const cx_conv *conv, convx_pass pass, bool transposed, const convx_conv_args *args,
                     cx_tensors *tensors);

/* No element to read, or none to write: the algorithms are never asked. Otherwise false, and nothing done. */
bool cx_run_empty(const cx_conv *conv, const cx_kernels *kernels, const cx_tensors *tensors);

/* Runs the choice for the folded convolution. workspace NULL: the library's own. */
convx_status cx_run(const cx_conv *folded, const cx_kernels *kernels, const cx_choice *choice,
                    const cx_tensors *tensors, void *workspace);

#endif
