/*
 * What the pool needs from the operating system: threads, a clock, and waiting on a 32-bit word (a futex). POSIX and Win32
 * behind one set of names.
 */
#ifndef CX_BASE_OS_THREADS_H
#define CX_BASE_OS_THREADS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

typedef INIT_ONCE cx_once;
#define CX_ONCE_INIT INIT_ONCE_STATIC_INIT
static inline BOOL CALLBACK cx_once_thunk(PINIT_ONCE once, PVOID function, PVOID *unused) {
    (void)once;
    (void)unused;
    ((void (*)(void))function)();
    return TRUE;
}
static inline void cx_run_once(cx_once *once, void (*function)(void)) {
    InitOnceExecuteOnce(once, cx_once_thunk, (PVOID)function, NULL);
}
#else
#include <pthread.h>

typedef pthread_once_t cx_once;
#define CX_ONCE_INIT PTHREAD_ONCE_INIT
static inline void cx_run_once(cx_once *once, void (*function)(void)) { pthread_once(once, function); }
#endif

/* A thread that runs main(), blocks every signal and has the name "convx". False where none can be had. */
#ifdef _WIN32
typedef HANDLE cx_thread;
#else
typedef pthread_t cx_thread;
#endif
bool cx_thread_start(cx_thread *thread, void (*main)(void));
void cx_thread_join(cx_thread thread);

/*
 * Sleep while *word == expected, until woken; may return early for no reason. `count` sleepers at most are woken. A word that
 * was changed before the call of cx_wake lets no sleeper that expects the old value fall asleep after it.
 */
void cx_wait(_Atomic uint32_t *word, uint32_t expected);
void cx_wake(_Atomic uint32_t *word, int count);
/* In a child of fork, whose parent's other threads may have been inside these calls. */
void cx_wait_after_fork(void);

uint64_t cx_nanoseconds(void); /* of a clock that never goes back */

/* A hint that this is a spin loop. */
static inline void cx_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* `yield` does nothing on most cores */
#endif
}

/*
 * The floating-point mode of the calling thread: rounding and denormals, without the sticky exception flags. A worker takes
 * over that of the caller, or the bits of a result would depend on who computed it.
 */
static inline uint64_t cx_float_mode_get(void) {
#if defined(__x86_64__)
    return __builtin_ia32_stmxcsr() & ~0x3fu;
#elif defined(__aarch64__)
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
#else
    return 0;
#endif
}
static inline void cx_float_mode_set(uint64_t mode) {
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr((unsigned)mode);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" ::"r"(mode));
#else
    (void)mode;
#endif
}

#endif
