/* What base/cpu.h says of this machine, and which kernel table follows from it. */
#define _GNU_SOURCE
#include "check.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cpu.h"
#include "kernels/kernels.h"

static void cache_sizes_are_known_and_grow_outwards(void) {
    const cx_cpu *cpu = cx_cpu_get();
    CHECK(cpu->l1d >= 4 << 10 && cpu->l1d <= 1 << 20);
    CHECK(cpu->l2 >= cpu->l1d);
    CHECK(cpu->l3 >= cpu->l2);
    CHECK(cpu == cx_cpu_get());
}

static void the_name_is_text_without_blanks_around_it(void) {
    const char *name = cx_cpu_get()->name;
    size_t length = strlen(name);
    CHECK(length > 0 && length < sizeof cx_cpu_get()->name);
    CHECK(name[0] != ' ' && name[length - 1] != ' ');
}

static void a_better_isa_implies_the_lesser_ones_of_its_architecture(void) {
    CHECK(cx_cpu_supports(CX_ISA_SCALAR));
    if (cx_cpu_supports(CX_ISA_AVX512)) CHECK(cx_cpu_supports(CX_ISA_AVX2));
    if (cx_cpu_supports(CX_ISA_AVX2)) CHECK(cx_cpu_supports(CX_ISA_SSE2));
    CHECK(cx_cpu_supports(CX_ISA_NEON) != cx_cpu_supports(CX_ISA_SSE2));
    CHECK(!cx_cpu_supports((cx_isa)99));
}

/* The compiler's run-time library asks the CPU in its own way. */
static void the_compilers_own_detection_agrees(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    CHECK_EQUAL(cx_cpu_supports(CX_ISA_AVX2), avx2 != 0);
#ifdef CONVX_EMULATE_AVX512
    avx512 = avx2;
#endif
    CHECK_EQUAL(cx_cpu_supports(CX_ISA_AVX512), avx512 != 0);
#endif
}

static void every_isa_has_a_name_of_its_own_that_the_cap_understands(void) {
    for (int isa = CX_ISA_SCALAR; isa <= CX_ISA_NEON; ++isa) {
        setenv("CONVX_ISA", cx_isa_string((cx_isa)isa), 1);
        CHECK_EQUAL(cx_isa_cap(), isa);
    }
    const char *const unknown[] = {"", "avx", "AVX2", "avx2 ", "5"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; ++i) {
        setenv("CONVX_ISA", unknown[i], 1);
        CHECK_EQUAL(cx_isa_cap(), -1);
    }
    unsetenv("CONVX_ISA");
    CHECK_EQUAL(cx_isa_cap(), -1);
    CHECK(strcmp(cx_isa_string((cx_isa)99), "unknown") == 0);
}

static int best_isa(void) {
    int best = -1;
    for (int i = 0; cx_kernels_isa_at(i) >= 0; ++i) best = cx_kernels_isa_at(i);
    return best;
}

static void the_isas_of_this_machine_are_listed_worst_first(void) {
    CHECK_EQUAL(cx_kernels_isa_at(0), CX_ISA_SCALAR);
    CHECK_EQUAL(cx_kernels_isa_at(-1), -1);
    CHECK_EQUAL(cx_kernels_isa_at(100), -1);
    for (int i = 1; cx_kernels_isa_at(i) >= 0; ++i) {
        CHECK(cx_kernels_isa_at(i) > cx_kernels_isa_at(i - 1));
        CHECK(cx_cpu_supports((cx_isa)cx_kernels_isa_at(i)));
    }
}

/* The choice is made once in a process: each in a child of its own. */
static int isa_chosen_under(const char *cap) {
    pid_t child = fork();
    if (child == 0) {
        if (cap) setenv("CONVX_ISA", cap, 1);
        const cx_kernels *f32 = cx_kernels_get(CONVX_FLOAT32), *f64 = cx_kernels_get(CONVX_FLOAT64);
        CHECK(f32->isa == f64->isa);
        CHECK(f32->dtype == CONVX_FLOAT32 && f64->dtype == CONVX_FLOAT64);
        setenv("CONVX_ISA", "scalar", 1);
        CHECK(cx_kernels_get(CONVX_FLOAT32) == f32); /* later changes of the environment change nothing */
        _exit(10 + (int)f32->isa);
    }
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status) - 10;
}

static void the_best_table_is_chosen_below_the_cap(void) {
    unsetenv("CONVX_ISA");
    CHECK_EQUAL(isa_chosen_under(NULL), best_isa());
    CHECK_EQUAL(isa_chosen_under("nonsense"), best_isa());
    for (int i = 0; cx_kernels_isa_at(i) >= 0; ++i)
        CHECK_EQUAL(isa_chosen_under(cx_isa_string((cx_isa)cx_kernels_isa_at(i))), cx_kernels_isa_at(i));
}

static void a_cap_that_this_cpu_does_not_have_leaves_the_best_it_has(void) {
#if defined(__x86_64__)
    CHECK_EQUAL(isa_chosen_under("avx512"), best_isa());
    CHECK_EQUAL(isa_chosen_under("neon"), best_isa());
#elif defined(__aarch64__)
    CHECK_EQUAL(isa_chosen_under("sse2"), best_isa());
#endif
}

int main(void) {
    RUN(cache_sizes_are_known_and_grow_outwards);
    RUN(the_name_is_text_without_blanks_around_it);
    RUN(a_better_isa_implies_the_lesser_ones_of_its_architecture);
    RUN(the_compilers_own_detection_agrees);
    RUN(every_isa_has_a_name_of_its_own_that_the_cap_understands);
    RUN(the_isas_of_this_machine_are_listed_worst_first);
    RUN(the_best_table_is_chosen_below_the_cap);
    RUN(a_cap_that_this_cpu_does_not_have_leaves_the_best_it_has);
    return check_report();
}
