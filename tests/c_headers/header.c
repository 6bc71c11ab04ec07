/* convx.h alone, as C99. */
#include "convx.h"

convx_status use(const convx_conv_params *params, int64_t output[3]);
convx_status use(const convx_conv_params *params, int64_t output[3]) { return convx_conv_output_size(params, output); }
