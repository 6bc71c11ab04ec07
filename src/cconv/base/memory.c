#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>

#ifdef _WIN32
#include <malloc.h>
#else
#include <pthread.h>
#include <sys/mman.h>
#endif

/* A thread keeps at most one block, of at most this size: what all but the largest layers need. Given back each time, blocks of
 * changing sizes would leave holes in the heap that grow with every new shape. */
enum { KEPT_MAX = 16 << 20 };

/* Scratch from an eighth of this on lies in huge pages where the system has them: a page fault each, instead of 512. */
enum { HUGE_PAGE = 2 << 20 };

#ifdef CONVX_FAULTS
static _Atomic int64_t faults_after = -1;

void cx_memory_fail_after(int64_t allocations) { atomic_store(&faults_after, allocations); }

static bool fault_is_due(void) {
    int64_t left = atomic_load(&faults_after);
    while (left > 0)
        if (atomic_compare_exchange_weak(&faults_after, &left, left - 1)) return false;
    return left == 0;
}
#else
static inline bool fault_is_due(void) { return false; }
#endif

static void *system_alloc(size_t size) {
    if (size > (size_t)PTRDIFF_MAX - CX_ALIGNMENT) return NULL;
    size = size ? cx_align_up(size) : CX_ALIGNMENT;
#ifdef _WIN32
    return _aligned_malloc(size, CX_ALIGNMENT);
#else
    void *block;
    return posix_memalign(&block, CX_ALIGNMENT, size) == 0 ? block : NULL;
#endif
}

static void system_free(void *block) {
#ifdef _WIN32
    _aligned_free(block);
#else
    free(block);
#endif
}

void *cx_aligned_alloc(size_t size) { return fault_is_due() ? NULL : system_alloc(size); }

void cx_aligned_free(void *block) { system_free(block); }

/* Before each scratch block; one alignment unit, so that what follows is aligned too. */
typedef union header {
    size_t size; /* without the header */
    char unit[CX_ALIGNMENT];
} header;

/*
 * The thread's kept block. The key exists for its destructor only: its value says that this thread has something to free. Where
 * there is no destructor (the key could not be made, or the library is being unloaded) nothing is kept.
 */
static _Thread_local header *kept;

#ifdef _WIN32

static bool free_at_thread_exit(void) { return false; } /* a worker's panels are allocated anew each time */

#else

static pthread_key_t key;
static atomic_bool key_exists;

static void free_kept(void *unused) {
    (void)unused;
    system_free(kept);
    kept = NULL;
}

static bool free_at_thread_exit(void) {
    static _Thread_local char armed;
    if (!atomic_load_explicit(&key_exists, memory_order_relaxed)) return false;
    return pthread_getspecific(key) != NULL || pthread_setspecific(key, &armed) == 0;
}

__attribute__((constructor(101))) static void create_key(void) {
    if (pthread_key_create(&key, free_kept) == 0) atomic_store_explicit(&key_exists, true, memory_order_relaxed);
}

/* At exit or unload, after the pool's workers have gone (the lowest priority comes last). The main thread runs no key destructor. */
__attribute__((destructor(101))) static void delete_key(void) {
    if (!atomic_exchange_explicit(&key_exists, false, memory_order_relaxed)) return;
    pthread_key_delete(key);
    free_kept(NULL);
}

#endif

/*
 * At least *size bytes; *size becomes what there are. A block that will be kept has room for every later one: only pages
 * that are used take memory, and those that have been are there the next time.
 */
static void *scratch_alloc(size_t *size) {
#ifdef MADV_HUGEPAGE
    const size_t pages = (*size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE, room = pages < KEPT_MAX ? KEPT_MAX : pages;
    void *block;
    if (*size >= HUGE_PAGE / 8 && posix_memalign(&block, HUGE_PAGE, room) == 0) {
        madvise(block, room, MADV_HUGEPAGE); /* refused: then they are small ones */
        *size = room;
        return block;
    }
#endif
    return system_alloc(*size);
}

void *cx_scratch_acquire(size_t size) {
    if (fault_is_due() || size > (size_t)PTRDIFF_MAX - sizeof(header) - HUGE_PAGE) return NULL;
    header *block = kept;
    if (block && block->size >= size) {
        kept = NULL;
        return block + 1;
    }
    size = cx_align_up(size) + sizeof(header);
    block = scratch_alloc(&size);
    if (!block) return NULL;
    block->size = size - sizeof(header);
    return block + 1;
}

void cx_scratch_release(void *scratch) {
    if (!scratch) return;
    header *block = (header *)scratch - 1;
    if (block->size + sizeof(header) <= KEPT_MAX && (!kept || kept->size < block->size) && free_at_thread_exit()) {
        header *smaller = kept;
        kept = block;
        block = smaller;
    }
    system_free(block);
}
