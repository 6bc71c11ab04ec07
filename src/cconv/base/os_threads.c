#define _GNU_SOURCE
#include "base/os_threads.h"

#ifdef _WIN32

static DWORD WINAPI thread_main(LPVOID main) {
    ((void (*)(void))main)();
    return 0;
}

bool cx_thread_start(cx_thread *thread, void (*main)(void)) {
    *thread = CreateThread(NULL, 0, thread_main, (LPVOID)main, 0, NULL);
    return *thread != NULL;
}

void cx_thread_join(cx_thread thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

void cx_wait(_Atomic uint32_t *word, uint32_t expected) {
    WaitOnAddress((volatile VOID *)word, &expected, sizeof expected, INFINITE);
}

void cx_wake(_Atomic uint32_t *word, int count) {
    if (count > 1)
        WakeByAddressAll((PVOID)word);
    else
        WakeByAddressSingle((PVOID)word);
}

void cx_wait_after_fork(void) {}

uint64_t cx_nanoseconds(void) {
    LARGE_INTEGER now, frequency;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    return (uint64_t)((double)now.QuadPart * 1e9 / (double)frequency.QuadPart);
}

#else

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <time.h>

/* POSIX promises that a function pointer fits a void pointer; ISO C has no cast between them. */
typedef union entry {
    void (*main)(void);
    void *pointer;
} entry;

static void *thread_main(void *pointer) {
#ifdef __linux__
    pthread_setname_np(pthread_self(), "convx");
#endif
    entry entry = {.pointer = pointer};
    entry.main();
    return NULL;
}

bool cx_thread_start(cx_thread *thread, void (*main)(void)) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    /* Kernels use a few kilobytes. The default (8 MB) counts where address space is limited. */
    pthread_attr_setstacksize(&attributes, 1 << 20);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited: signals are for the program's own threads */
    int status = pthread_create(thread, &attributes, thread_main, (entry){.main = main}.pointer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return status == 0;
}

void cx_thread_join(cx_thread thread) { pthread_join(thread, NULL); }

uint64_t cx_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#if defined(__linux__) && !defined(CONVX_PORTABLE_WAIT)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void cx_wait(_Atomic uint32_t *word, uint32_t expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void cx_wake(_Atomic uint32_t *word, int count) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0); }

void cx_wait_after_fork(void) {}

#else

/* One queue for all words: sleepers of another word wake in vain and look at theirs again. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue = PTHREAD_COND_INITIALIZER;

void cx_wait(_Atomic uint32_t *word, uint32_t expected) {
    pthread_mutex_lock(&lock);
    if (atomic_load(word) == expected) pthread_cond_wait(&queue, &lock);
    pthread_mutex_unlock(&lock);
}

void cx_wake(_Atomic uint32_t *word, int count) {
    (void)word;
    (void)count;
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&queue);
    pthread_mutex_unlock(&lock);
}

void cx_wait_after_fork(void) {
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    queue = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

#endif
#endif
