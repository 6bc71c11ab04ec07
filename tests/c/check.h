/*
 * A test program in C: functions without arguments, RUN in main one after another, each named by a sentence about behaviour.
 * A CHECK that does not hold prints where it stands and ends the program; main ends with `return check_report();`.
 */
#ifndef CONVX_TESTS_CHECK_H
#define CONVX_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

/* Sanitizers need address space of their own and do not survive without. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CHECK_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CHECK_SANITIZED 1
#endif
#endif

static int check_passed;
static const char *check_running = "";

/* Exits at once, also from a thread or a child process: the exit status tells. */
_Noreturn static inline void check_fail(const char *file, int line, const char *condition) {
    printf("%s:%d: in %s: not true: %s\n%d passed, 1 failed\n", file, line, check_running, condition, check_passed);
    fflush(stdout);
    _Exit(1);
}

#define CHECK(condition) ((condition) ? (void)0 : check_fail(__FILE__, __LINE__, #condition))

/* The values of two integers that should be equal. */
#define CHECK_EQUAL(a, b) check_equal(__FILE__, __LINE__, #a " == " #b, (long long)(a), (long long)(b))
static inline void check_equal(const char *file, int line, const char *condition, long long a, long long b) {
    if (a == b) return;
    printf("%lld and %lld: ", a, b);
    check_fail(file, line, condition);
}

#define RUN(test) check_run(test, #test)
static inline void check_run(void (*test)(void), const char *name) {
    check_running = name;
    test();
    ++check_passed;
    printf("ok %s\n", name);
}

static inline int check_report(void) {
    printf("%d passed, 0 failed\n", check_passed);
    return 0;
}

#endif
