/* The library calls of convx.h: names, threads, instruction sets, configuration. */
#include "base/cpu.h"
#include "base/text.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "plan/names.h"

#define STRING_OF(x) #x
#define STRING(x)    STRING_OF(x)

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

const char *convx_status_string(convx_status status) {
    switch (status) {
    case CONVX_OK: return "success";
    case CONVX_INVALID_ARGUMENT: return "invalid argument: a null pointer, or a value that is not among those allowed";
    case CONVX_INVALID_SHAPE: return "invalid shape: sizes that do not fit together, or are not positive";
    case CONVX_OVERFLOW: return "overflow: a size or an offset that does not fit 64 bits";
    case CONVX_OUT_OF_MEMORY: return "out of memory";
    case CONVX_UNSUPPORTED: return "unsupported: the algorithm cannot serve this layer";
    case CONVX_WORKSPACE_LIMIT: return "workspace limit: no algorithm fits it";
    case CONVX_OVERLAP: return "overlap: the result shares memory with an input, or with itself";
    case CONVX_INVALID_INDEX: return "invalid index: it is not a place of its tensor";
    }
    return "unknown status";
}

const char *convx_algorithm_name(convx_algorithm algorithm) { return cx_algorithm_string(algorithm); }

const char *convx_version(void) {
    return STRING(CONVX_VERSION_MAJOR) "." STRING(CONVX_VERSION_MINOR) "." STRING(CONVX_VERSION_PATCH);
}

convx_status convx_set_num_threads(int threads) {
    if (threads < 0) return CONVX_INVALID_ARGUMENT;
    cx_threads_set(threads);
    return CONVX_OK;
}

int convx_get_num_threads(void) { return cx_threads_get(); }

const char *convx_isa_name(void) { return cx_isa_string(cx_kernels_get(CONVX_FLOAT32)->isa); }

const char *convx_isa_available(int index) {
    const int isa = index < 0 ? -1 : cx_kernels_isa_at(index);
    return isa < 0 ? NULL : cx_isa_string((cx_isa)isa);
}

size_t convx_config(char *buffer, size_t capacity) {
    cx_text text = cx_text_begin(buffer, capacity);
    const cx_cpu *cpu = cx_cpu_get();
    cx_text_add(&text, "convx            %s\n", convx_version());
    cx_text_add(&text, "compiler         %s\n", COMPILER);
    cx_text_add(&text, "processor        %s\n", cpu->name);
    cx_text_add(&text, "caches           L1d %zu KiB, L2 %zu KiB, L3 %zu KiB\n", cpu->l1d / 1024, cpu->l2 / 1024,
                cpu->l3 / 1024);
    cx_text_add(&text, "instruction sets");
    const char *isa;
    for (int i = 0; (isa = convx_isa_available(i)) != NULL; ++i) cx_text_add(&text, " %s", isa);
    cx_text_add(&text, "\nin use           %s\n", convx_isa_name());
    cx_text_add(&text, "threads          %d (default %d)\n", cx_threads_get(), cx_threads_default());
    return text.length;
}
