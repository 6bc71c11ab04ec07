/*
 * The pool. One loop ("round") runs on it at a time: the thread that got `busy`. Each thread has a slot, a cache line of its own:
 * what the round is, and the range of its indices that nobody has taken yet, one 64-bit word:
 *
 *     epoch (38 bits) | next (13 bits) | end (13 bits)
 *
 * A thread takes indices from the front of its own range, and when that is empty, from the ends of the others'. So a thread does
 * the same part of a loop at every call: what it read and wrote there is still in its own caches, and two threads seldom write
 * to the same line. A late or slow thread holds up nothing but the index that it is at.
 *
 * Why a late worker can neither take an index of another round nor use half of its description: it reads the range of its slot,
 * then the description beside it, and takes only what has the epoch of that range. The owner writes descriptions only while all
 * ranges are empty, and after that gives them a new epoch; so where there is an index of that epoch to be taken, nothing has been
 * written since the range was read. An epoch comes back only after 2^38 rounds, during which the worker would have to stand still
 * between two instructions: a day and a half of nothing but empty loops.
 *
 * Memory orders. The owner's store of a range releases the description and all that the caller did before; each taker's
 * successful swap acquires it, through the release sequence that the swaps in between continue. A swap also releases, so that the
 * reading of the description comes before the owner's next writing of it: the owner acquires each range when it sees it empty. A
 * worker adds what it finished to `finished` with release, and the owner returns when it has acquired the full number.
 *
 * A worker that falls asleep swaps `asleep` and then looks at its range once more; the owner fills the range and then swaps
 * `asleep`: whichever swap is the second sees what came before the first. The owner's own sleep does the same by sequentially
 * consistent accesses.
 */
#include "base/threads.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/os_threads.h"
#include "base/thread_count.h"

enum {
    PLACE_BITS = 13,
    RANGE_MAX = (1 << PLACE_BITS) - 1, /* longer loops are several rounds */
    SPIN_NANOSECONDS = 40000,
    SPIN_CROWDED = 2000, /* where there are more threads than CPUs */
    RETRY_ROUNDS = 1024, /* between attempts to start a thread, after one failed */
};

static const uint64_t one_taken = (uint64_t)1 << PLACE_BITS;
static const uint64_t one_epoch = (uint64_t)1 << (2 * PLACE_BITS);

static inline int end_of(uint64_t range) { return (int)(range & RANGE_MAX); }
static inline int next_of(uint64_t range) { return (int)(range >> PLACE_BITS & RANGE_MAX); }
static inline uint64_t epoch_of(uint64_t range) { return range / one_epoch; }
static inline bool has_work(uint64_t range) { return next_of(range) < end_of(range); }

/* A worker that spins reads it, the owner writes it, and thieves its range. */
typedef struct slot {
    alignas(64) _Atomic uint64_t range; /* of places in the thread's part of the round */
    _Atomic cx_task task;
    _Atomic(void *) context;
    _Atomic int64_t begin;  /* of the round: its first index */
    _Atomic uint64_t mode;  /* floating point, of the caller */
    _Atomic int count;      /* of the round's indices; 0: they are dealt out in turns */
    _Atomic int threads;    /* they are shared out evenly to the first so many slots */
    _Atomic uint32_t alarm; /* changes when its sleeping worker is called */
    _Atomic uint32_t asleep;
} slot;

static struct {
    slot slots[CX_MAX_THREADS]; /* [0] is the owner's */

    alignas(64) _Atomic uint32_t finished; /* indices that workers have completed */
    _Atomic uint32_t owner_sleeps;

    alignas(64) atomic_flag busy;
    _Atomic bool stopping;
    _Atomic uint32_t spin;   /* nanoseconds before a worker sleeps */
    _Atomic int slots_taken; /* by workers */

    /* Written by the owner of `busy` only. */
    uint64_t epoch;
    _Atomic int workers;
    _Atomic int retry_in;
    cx_thread threads[CX_MAX_THREADS]; /* the first `workers` of them */
} pool = {.busy = ATOMIC_FLAG_INIT};

typedef struct round {
    cx_task task;
    void *context;
    int64_t begin;
    uint64_t mode, epoch;
    int threads;
    int count; /* of indices; 0: they are dealt out in turns */
} round;

/* Its own part: a stretch of them, or each that is `thread` modulo their number. */
static inline int64_t index_of(const round *r, int thread, int place) {
    if (r->count > 0) return r->begin + cx_share_begin(r->count, r->threads, thread) + place;
    return r->begin + (int64_t)place * r->threads + thread;
}

static inline int part_of(const round *r, int count, int thread) {
    if (r->count > 0)
        return (int)(cx_share_begin(count, r->threads, thread + 1) - cx_share_begin(count, r->threads, thread));
    return (count - thread + r->threads - 1) / r->threads;
}

/* One more index of a slot's, from the front of one's own or from the end of another's. */
static bool take(const round *r, int owner, bool own, int64_t *index) {
    _Atomic uint64_t *range = &pool.slots[owner].range;
    uint64_t seen = atomic_load_explicit(range, memory_order_acquire);
    while (epoch_of(seen) == r->epoch && has_work(seen)) {
        if (atomic_compare_exchange_weak_explicit(range, &seen, own ? seen + one_taken : seen - 1, memory_order_acq_rel,
                                                  memory_order_acquire)) {
            *index = index_of(r, owner, own ? next_of(seen) : end_of(seen) - 1);
            return true;
        }
    }
    return false;
}

/* Runs what is left of a thread's own part, then of the others'; returns how many indices. */
static uint32_t run_share(const round *r, int self) {
    uint32_t completed = 0;
    int64_t index;
    for (int i = 0; i < r->threads; ++i) {
        const int owner = self + i < r->threads ? self + i : self + i - r->threads;
        while (take(r, owner, i == 0, &index)) {
            r->task(r->context, index, self);
            ++completed;
            if (self > 0 && atomic_load_explicit(&pool.stopping, memory_order_relaxed)) return completed;
        }
    }
    return completed;
}

/* A worker joins the round that its slot describes, if there is one with something left for it. */
static void work(int self) {
    slot *s = &pool.slots[self];
    const uint64_t range = atomic_load_explicit(&s->range, memory_order_acquire);
    if (!has_work(range)) return;
    const round r = {
        .task = atomic_load_explicit(&s->task, memory_order_relaxed),
        .context = atomic_load_explicit(&s->context, memory_order_relaxed),
        .begin = atomic_load_explicit(&s->begin, memory_order_relaxed),
        .mode = atomic_load_explicit(&s->mode, memory_order_relaxed),
        .threads = atomic_load_explicit(&s->threads, memory_order_relaxed),
        .count = atomic_load_explicit(&s->count, memory_order_relaxed),
        .epoch = epoch_of(range),
    };
    cx_float_mode_set(r.mode);
    const uint32_t completed = run_share(&r, self);
    if (completed == 0) return;
    atomic_fetch_add(&pool.finished, completed);
    if (atomic_load(&pool.owner_sleeps)) cx_wake(&pool.finished, 1);
}

static void sleep_until_called(slot *s) {
    uint32_t alarm = atomic_load(&s->alarm);
    atomic_exchange_explicit(&s->asleep, 1, memory_order_acq_rel);
    if (!has_work(atomic_load_explicit(&s->range, memory_order_acquire)) && !atomic_load(&pool.stopping))
        cx_wait(&s->alarm, alarm);
    atomic_exchange_explicit(&s->asleep, 0, memory_order_acq_rel);
}

static void call(slot *s) {
    atomic_fetch_add(&s->alarm, 1);
    cx_wake(&s->alarm, 1);
}

static bool spin_for_work(const slot *s) {
    uint64_t begin = cx_nanoseconds(), limit = atomic_load_explicit(&pool.spin, memory_order_relaxed);
    do {
        for (int i = 0; i < 32; ++i) {
            if (has_work(atomic_load_explicit(&s->range, memory_order_relaxed))) return true;
            cx_pause();
        }
        if (atomic_load_explicit(&pool.stopping, memory_order_relaxed)) return false;
    } while (cx_nanoseconds() - begin < limit);
    return false;
}

static void worker_main(void) {
    const int self = 1 + atomic_fetch_add_explicit(&pool.slots_taken, 1, memory_order_relaxed);
    while (!atomic_load_explicit(&pool.stopping, memory_order_relaxed)) {
        if (!spin_for_work(&pool.slots[self])) sleep_until_called(&pool.slots[self]);
        work(self);
    }
}

/* The number of workers there are in the end: fewer than wanted is a slower loop, not an error. */
static int ensure_workers(int wanted) {
    int workers = atomic_load_explicit(&pool.workers, memory_order_relaxed);
    int retry_in = atomic_load_explicit(&pool.retry_in, memory_order_relaxed);
    if (workers >= wanted) return workers;
    if (retry_in > 0) {
        atomic_store_explicit(&pool.retry_in, retry_in - 1, memory_order_relaxed);
        return workers;
    }
    uint32_t spin = wanted + 1 > cx_allowed_cpus() ? SPIN_CROWDED : SPIN_NANOSECONDS;
    atomic_store_explicit(&pool.spin, spin, memory_order_relaxed);
    while (workers < wanted) {
        if (!cx_thread_start(&pool.threads[workers], worker_main)) {
            atomic_store_explicit(&pool.retry_in, RETRY_ROUNDS, memory_order_relaxed);
            break;
        }
        atomic_store_explicit(&pool.workers, ++workers, memory_order_release);
    }
    return workers;
}

/* All indices have been handed out; wait for those that workers have begun. */
static void wait_for_workers(uint32_t begun) {
    uint64_t begin = cx_nanoseconds(), limit = atomic_load_explicit(&pool.spin, memory_order_relaxed);
    do {
        for (int i = 0; i < 32; ++i) {
            if (atomic_load_explicit(&pool.finished, memory_order_acquire) == begun) return;
            cx_pause();
        }
    } while (cx_nanoseconds() - begin < limit);
    atomic_store(&pool.owner_sleeps, 1); /* its CPU may be the one that the worker needs */
    for (;;) {
        uint32_t finished = atomic_load(&pool.finished);
        if (finished == begun) break;
        cx_wait(&pool.finished, finished);
    }
    atomic_store(&pool.owner_sleeps, 0);
}

/* The owner alone may write this, while the slot's range is empty. */
static void fill_slot(const round *r, int count, int thread) {
    slot *s = &pool.slots[thread];
    atomic_store_explicit(&s->task, r->task, memory_order_relaxed);
    atomic_store_explicit(&s->context, r->context, memory_order_relaxed);
    atomic_store_explicit(&s->begin, r->begin, memory_order_relaxed);
    atomic_store_explicit(&s->mode, r->mode, memory_order_relaxed);
    atomic_store_explicit(&s->threads, r->threads, memory_order_relaxed);
    atomic_store_explicit(&s->count, r->count, memory_order_relaxed);
    const uint64_t part = (uint64_t)part_of(r, count, thread);
    atomic_store_explicit(&s->range, r->epoch * one_epoch + part, memory_order_release);
}

/* The caller owns the pool. `count`: of indices. */
static void run_round(const round *r, int count) {
    atomic_store_explicit(&pool.finished, 0, memory_order_relaxed);
    for (int t = 0; t < r->threads; ++t) fill_slot(r, count, t);
    /* Those awake see it by themselves. */
    for (int t = 1; t < r->threads; ++t)
        if (atomic_exchange_explicit(&pool.slots[t].asleep, 0, memory_order_acq_rel)) call(&pool.slots[t]);
    wait_for_workers((uint32_t)count - run_share(r, 0));
}

static void run_alone(int64_t count, cx_task task, void *context) {
    for (int64_t i = 0; i < count; ++i) task(context, i, 0);
}

static void run_loop(int64_t count, int threads, bool turns, cx_task task, void *context) {
    if (threads > CX_MAX_THREADS) threads = CX_MAX_THREADS;
    if (threads > count) threads = (int)count;
    if (threads <= 1 || atomic_load_explicit(&pool.stopping, memory_order_relaxed) ||
        atomic_flag_test_and_set_explicit(&pool.busy, memory_order_acquire)) {
        run_alone(count, task, context);
        return;
    }
    const int workers = ensure_workers(threads - 1);
    round r = {
        .task = task, .context = context, .mode = cx_float_mode_get(), .threads = (int)cx_min(threads, 1 + workers)};
    if (r.threads == 1)
        run_alone(count, task, context);
    else
        for (int64_t now; count > 0; count -= now, r.begin += now) {
            now = cx_min(count, (int64_t)r.threads * RANGE_MAX);
            r.count = turns ? 0 : (int)now;
            r.epoch = ++pool.epoch;
            run_round(&r, (int)now);
        }
    atomic_flag_clear_explicit(&pool.busy, memory_order_release);
}

void cx_parallel_for(int64_t count, int threads, cx_task task, void *context) {
    run_loop(count, threads, false, task, context);
}

void cx_parallel_in_turns(int64_t count, int threads, cx_task task, void *context) {
    run_loop(count, threads, true, task, context);
}

#ifdef _WIN32

/* A DLL's workers cannot be joined from its unloading: see to it that there is none. */
__attribute__((constructor)) static void begin(void) {
    HMODULE self;
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, (LPCSTR)begin, &self);
}

#else

/*
 * In the child there is one thread, which is in no loop (a task must not fork): whatever state the parent's other threads were in,
 * the pool begins anew. Only stores: this may run after the fork of any program.
 */
static void begin_anew_in_child(void) {
    /* what was written to `threads` is over */
    const int workers = atomic_load_explicit(&pool.workers, memory_order_acquire);
    for (int i = 0; i <= workers; ++i) {
        atomic_store_explicit(&pool.slots[i].range, 0, memory_order_relaxed);
        atomic_store_explicit(&pool.slots[i].alarm, 0, memory_order_relaxed);
        atomic_store_explicit(&pool.slots[i].asleep, 0, memory_order_relaxed);
    }
    atomic_store_explicit(&pool.workers, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.slots_taken, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.retry_in, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.finished, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.owner_sleeps, 0, memory_order_relaxed);
    atomic_flag_clear_explicit(&pool.busy, memory_order_relaxed);
    cx_wait_after_fork();
    cx_threads_forget_default();
}

__attribute__((constructor)) static void begin(void) { pthread_atfork(NULL, NULL, begin_anew_in_child); }

/*
 * At exit, or when the library is unloaded: the workers finish the index that they are at and leave, and loops that other
 * threads still run or begin go on without them. A worker that calls exit() itself cannot be waited for, nor by it the others.
 */
__attribute__((destructor)) static void end(void) {
    int workers = atomic_load_explicit(&pool.workers, memory_order_acquire);
    for (int i = 0; i < workers; ++i)
        if (pthread_equal(pool.threads[i], pthread_self())) return;
    atomic_store(&pool.stopping, true);
    for (int i = 1; i <= workers; ++i) call(&pool.slots[i]);
    for (int i = 0; i < workers; ++i) cx_thread_join(pool.threads[i]);
}

#endif
