#include "plan/names.h"

const char *cx_algorithm_string(convx_algorithm algorithm) {
    switch (algorithm) {
    case CONVX_ALGO_AUTO: return "auto";
    case CONVX_ALGO_REFERENCE: return "reference";
    case CONVX_ALGO_GEMM: return "gemm";
    case CONVX_ALGO_DIRECT: return "direct";
    case CONVX_ALGO_WINOGRAD: return "winograd";
    case CONVX_ALGO_WINOGRAD_2X2: return "winograd_2x2";
    case CONVX_ALGO_WINOGRAD_4X4: return "winograd_4x4";
    case CONVX_ALGO_WINOGRAD_6X6: return "winograd_6x6";
    }
    return "unknown";
}
