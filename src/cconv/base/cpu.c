#define _GNU_SOURCE
#include "base/cpu.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/os_threads.h"
#include "base/small_file.h"

#if defined(__x86_64__) || defined(__i386__)
#define CX_X86 1
#include <cpuid.h>
#endif
#ifdef __linux__
#include <stdio.h>
#include <unistd.h>
#endif

/* What a core of the last ten years has at least; used where neither the CPU nor the system tells. */
enum { DEFAULT_L1D = 32 << 10, DEFAULT_L2 = 256 << 10, DEFAULT_L3 = 2 << 20 };

static const char *const isa_names[] = {"scalar", "sse2", "avx2", "avx512", "neon"};
enum { ISA_COUNT = sizeof isa_names / sizeof isa_names[0] };

const char *cx_isa_string(cx_isa isa) { return (unsigned)isa < ISA_COUNT ? isa_names[isa] : "unknown"; }

int cx_isa_cap(void) {
    const char *wanted = getenv("CONVX_ISA");
    if (wanted)
        for (int i = 0; i < ISA_COUNT; ++i)
            if (strcmp(wanted, isa_names[i]) == 0) return i;
    return -1;
}

#ifdef CX_X86

/* The register sets that the operating system saves when it switches threads. Only where CPUID says OSXSAVE. */
static uint64_t saved_registers(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool x86_supports(cx_isa isa) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
    if (isa == CX_ISA_SSE2) return d & bit_SSE2;

    const uint64_t sse_and_avx = 0x6;
    if (!(c & bit_OSXSAVE) || !(c & bit_AVX) || !(c & bit_FMA)) return false;
    uint64_t saved = saved_registers();
    if ((saved & sse_and_avx) != sse_and_avx) return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return false;
    if (isa == CX_ISA_AVX2) return true;

#ifdef CONVX_EMULATE_AVX512
    return true; /* that table is compiled with AVX2 instructions in this build */
#else
    const uint64_t and_avx512 = 0xe6; /* the mask registers, the upper halves, the upper sixteen */
    const unsigned needed = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    return (saved & and_avx512) == and_avx512 && (b & needed) == needed;
#endif
}

/* Leaf 4 of Intel and leaf 0x8000001d of AMD share one format: an entry a cache, ended by type 0. */
static void x86_caches(unsigned leaf, cx_cpu *cpu) {
    for (unsigned i = 0; i < 16; ++i) {
        unsigned a, b, c, d;
        if (!__get_cpuid_count(leaf, i, &a, &b, &c, &d)) return;
        unsigned type = a & 31, level = (a >> 5) & 7;
        if (type == 0) return;
        if (type == 2) continue; /* instructions */
        size_t size = (size_t)((b >> 22) + 1) * (((b >> 12) & 0x3ff) + 1) * ((b & 0xfff) + 1) * ((size_t)c + 1);
        if (level == 1) cpu->l1d = size;
        if (level == 2) cpu->l2 = size;
        if (level == 3) cpu->l3 = size;
    }
}

/* AMD's family 19h with AVX-512 is Zen 4. CPUID does not tell it of others. */
static bool x86_halves_512(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d) || b != signature_AMD_ebx || !__get_cpuid(1, &a, &b, &c, &d)) return false;
    const unsigned family = (a >> 8 & 0xf) + (a >> 20 & 0xff);
    return family == 0x19;
}

static void describe(cx_cpu *cpu) {
    unsigned a, b, c, d;
    cpu->halves_512 = x86_halves_512();
    if (__get_cpuid(0x80000004, &a, &b, &c, &d)) {
        char brand[49] = "";
        for (unsigned i = 0; i < 3; ++i) {
            __get_cpuid(0x80000002 + i, &a, &b, &c, &d);
            const unsigned part[4] = {a, b, c, d};
            memcpy(brand + 16 * i, part, sizeof part);
        }
        const char *begin = brand + strspn(brand, " ");
        size_t length = strlen(begin);
        while (length > 0 && begin[length - 1] == ' ') --length;
        memcpy(cpu->name, begin, length);
        cpu->name[length] = '\0';
    }
    x86_caches(4, cpu);
    const unsigned topology_extensions = 1u << 22;
    if (cpu->l1d == 0 && __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & topology_extensions))
        x86_caches(0x8000001d, cpu);
}

static const char *architecture(void) { return "x86"; }

#else

static const char *architecture(void) {
#if defined(__aarch64__)
    return "aarch64";
#else
    return "unknown";
#endif
}

/* Where /proc/cpuinfo names the model (many aarch64 kernels do not). */
static void describe(cx_cpu *cpu) {
#ifdef __linux__
    char text[2048];
    if (!cx_read_small_file("/proc/cpuinfo", text, sizeof text)) return;
    const char *line = strstr(text, "model name");
    const char *colon = line ? strchr(line, ':') : NULL;
    if (!colon) return;
    const char *begin = colon + 1 + strspn(colon + 1, " \t");
    size_t length = strcspn(begin, "\n");
    if (length >= sizeof cpu->name) length = sizeof cpu->name - 1;
    memcpy(cpu->name, begin, length);
    cpu->name[length] = '\0';
#else
    (void)cpu;
#endif
}

#endif

bool cx_cpu_supports(cx_isa isa) {
    switch (isa) {
    case CX_ISA_SCALAR: return true;
#ifdef CX_X86
    case CX_ISA_SSE2:
    case CX_ISA_AVX2:
    case CX_ISA_AVX512: return x86_supports(isa);
#endif
#ifdef __aarch64__
    case CX_ISA_NEON: return true; /* part of the architecture's base */
#endif
    default: return false;
    }
}

#ifdef __linux__
/* The system's knowledge, for what CPUID did not tell (or where there is none). */
static void ask_system(cx_cpu *cpu) {
    for (int i = 0; i < 8; ++i) {
        char path[96], level[16], type[32], size[32], *unit;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/level", i);
        if (!cx_read_small_file(path, level, sizeof level)) break;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
        cx_read_small_file(path, type, sizeof type);
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        cx_read_small_file(path, size, sizeof size);
        if (type[0] == 'I') continue;
        size_t bytes = (size_t)strtoul(size, &unit, 10);
        bytes <<= *unit == 'K' ? 10 : *unit == 'M' ? 20 : 0;
        if (level[0] == '1' && cpu->l1d == 0) cpu->l1d = bytes;
        if (level[0] == '2' && cpu->l2 == 0) cpu->l2 = bytes;
        if (level[0] == '3' && cpu->l3 == 0) cpu->l3 = bytes;
    }
#ifdef _SC_LEVEL1_DCACHE_SIZE
    long l1d = sysconf(_SC_LEVEL1_DCACHE_SIZE), l2 = sysconf(_SC_LEVEL2_CACHE_SIZE),
         l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
    if (cpu->l1d == 0 && l1d > 0) cpu->l1d = (size_t)l1d;
    if (cpu->l2 == 0 && l2 > 0) cpu->l2 = (size_t)l2;
    if (cpu->l3 == 0 && l3 > 0) cpu->l3 = (size_t)l3;
#endif
}
#endif

static cx_cpu this_cpu;

static void look_up(void) {
    cx_cpu *cpu = &this_cpu;
    describe(cpu);
#ifdef __linux__
    if (cpu->l1d == 0 || cpu->l2 == 0 || cpu->l3 == 0) ask_system(cpu);
#endif
    if (cpu->l1d == 0) cpu->l1d = DEFAULT_L1D;
    if (cpu->l2 == 0) cpu->l2 = DEFAULT_L2;
    if (cpu->l3 == 0) cpu->l3 = DEFAULT_L3;
    if (cpu->l3 < cpu->l2) cpu->l3 = cpu->l2; /* a CPU without a third level: what is shared is the second */
    if (cpu->name[0] == '\0') strcpy(cpu->name, architecture());
}

const cx_cpu *cx_cpu_get(void) {
    static cx_once once = CX_ONCE_INIT;
    cx_run_once(&once, look_up);
    return &this_cpu;
}
