/* base/memory.h: alignment, reuse, sizes that cannot be had. */
#include "check.h"

#include <pthread.h>
#include <string.h>
#ifndef _WIN32
#include <sys/mman.h>
#endif

#include "base/memory.h"

/* The sizes that cannot be had are the sanitizer's to refuse, too: with a null pointer, not with an abort. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "allocator_may_return_null=1"; }

static void blocks_are_aligned_and_wholly_usable(void) {
    const size_t sizes[] = {0, 1, 63, 64, 65, 1000, 4096, 1 << 20, (4 << 20) + 1, 10 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
        char *plain = cx_aligned_alloc(sizes[i]), *scratch = cx_scratch_acquire(sizes[i]);
        CHECK(plain && scratch && plain != scratch);
        CHECK((uintptr_t)plain % CX_ALIGNMENT == 0 && (uintptr_t)scratch % CX_ALIGNMENT == 0);
        memset(plain, 1, sizes[i]);
        memset(scratch, 2, sizes[i]);
        for (size_t k = 0; k < sizes[i]; ++k) CHECK(plain[k] == 1 && scratch[k] == 2);
        cx_aligned_free(plain);
        cx_scratch_release(scratch);
    }
}

static void releasing_null_does_nothing(void) {
    cx_aligned_free(NULL);
    cx_scratch_release(NULL);
}

static void a_thread_gets_its_last_block_again(void) {
    char *first = cx_scratch_acquire(1 << 20);
    CHECK(first);
    cx_scratch_release(first);
    char *again = cx_scratch_acquire(1000);
    CHECK(again == first);
    char *second = cx_scratch_acquire(1000); /* while the kept one is in use */
    CHECK(second && (second + 1000 <= again || second >= again + (1 << 20)));
    cx_scratch_release(again);
    cx_scratch_release(second); /* smaller: not kept in its place */
    CHECK(cx_scratch_acquire(1 << 20) == first);
    cx_scratch_release(first);
}

#ifdef MADV_HUGEPAGE
static void pages_in_use_stay_in_use_when_more_is_asked_for(void) {
    char *small = cx_scratch_acquire(1 << 20);
    CHECK(small);
    memset(small, 7, 1 << 20);
    cx_scratch_release(small);
    char *large = cx_scratch_acquire(12 << 20);
    CHECK(large == small && large[0] == 7 && large[(1 << 20) - 1] == 7);
    cx_scratch_release(large);
}
#endif

static void *use_scratch(void *unused) {
    (void)unused;
    void *one = cx_scratch_acquire(100000), *other = cx_scratch_acquire(5000);
    CHECK(one && other);
    cx_scratch_release(other);
    cx_scratch_release(one);
    return NULL;
}

/* Run under valgrind or the address sanitizer, this is where a leak would show. */
static void threads_that_end_give_their_block_back(void) {
    for (int i = 0; i < 20; ++i) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, use_scratch, NULL) == 0);
        pthread_join(thread, NULL);
    }
}

static void sizes_that_cannot_be_had_give_null(void) {
    const size_t sizes[] = {SIZE_MAX,
                            SIZE_MAX - 1,
                            SIZE_MAX - 63,
                            SIZE_MAX - 64,
                            SIZE_MAX / 2,
                            SIZE_MAX / 2 + 1,
                            (size_t)PTRDIFF_MAX - 64,
                            (size_t)1 << 62};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
        volatile size_t size = sizes[i]; /* or the compiler would know better */
        CHECK(cx_aligned_alloc(size) == NULL);
        CHECK(cx_scratch_acquire(size) == NULL);
    }
}

static void an_injected_fault_strikes_after_as_many_allocations_as_said(void) {
    cx_memory_fail_after(2);
    void *plain = cx_aligned_alloc(10), *scratch = cx_scratch_acquire(10);
    CHECK(plain && scratch);
    CHECK(cx_aligned_alloc(10) == NULL);
    cx_scratch_release(scratch);
    CHECK(cx_scratch_acquire(10) == NULL); /* though the thread has one to give */
    cx_memory_fail_after(-1);
    cx_aligned_free(plain);
    scratch = cx_scratch_acquire(10);
    CHECK(scratch);
    cx_scratch_release(scratch);
}

static void checked_arithmetic_tells_what_does_not_fit(void) {
    int64_t result = 7;
    CHECK(cx_mul(INT64_MAX / 3, 3, &result) && result == INT64_MAX / 3 * 3);
    CHECK(cx_add(INT64_MAX - 1, 1, &result) && result == INT64_MAX);
    CHECK(!cx_mul((int64_t)1 << 32, (int64_t)1 << 31, &result));
    CHECK(!cx_add(INT64_MAX, 1, &result));
    CHECK(!cx_add(INT64_MIN, -1, &result));
    CHECK(cx_align_up(0) == 0 && cx_align_up(1) == 64 && cx_align_up(64) == 64 && cx_align_up(65) == 128);
}

int main(void) {
    RUN(blocks_are_aligned_and_wholly_usable);
    RUN(releasing_null_does_nothing);
    RUN(a_thread_gets_its_last_block_again);
#ifdef MADV_HUGEPAGE
    RUN(pages_in_use_stay_in_use_when_more_is_asked_for);
#endif
    RUN(threads_that_end_give_their_block_back);
    RUN(sizes_that_cannot_be_had_give_null);
    RUN(an_injected_fault_strikes_after_as_many_allocations_as_said);
    RUN(checked_arithmetic_tells_what_does_not_fit);
    return check_report();
}
