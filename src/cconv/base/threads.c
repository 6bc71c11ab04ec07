/*
 * The pool. One loop ("round") runs on it at a time: the thread that got `busy`. Everything that decides who computes what is one
 * 64-bit word, the ticket:
 *
 *     epoch (38 bits) | seats (10 bits) | left (16 bits)
 *
 * `left` indices have not been handed out yet, and `seats` more workers may take part. A thread takes an index by a
 * compare-and-swap that counts `left` down; a worker's first one in a round takes its seat, too, which is its number. So there is
 * no moment at which a thread has joined without having work, and a worker that wakes late finds left == 0 and sleeps on.
 *
 * Why a late worker can neither take an index of another round nor read half of its description: it reads the ticket, then the
 * description, then swaps the very ticket that it read. The owner writes a description only while left == 0, and after that gives
 * the ticket a new epoch; so where the swap succeeds, the ticket was that round's from the first reading to the swap, and nothing
 * was written in between. A word comes back only after 2^38 rounds, during which the worker would have to stand still between two
 * instructions: a day and a half of nothing but empty loops.
 *
 * Memory orders. The owner's store of the ticket releases the description and all that the caller did before; each taker's
 * successful swap acquires it, through the release sequence that the swaps in between continue. A swap also releases, so that the
 * reading of the description comes before the owner's next writing of it: the owner acquires the ticket when it sees left == 0. A
 * worker adds what it finished to `finished` with release, and the owner returns when it has acquired the full number. The two
 * ways of falling asleep (a worker's, the owner's) announce the sleeper and then look once more at what it waits for, while the
 * waker changes that and then looks for sleepers; these four accesses are sequentially consistent, so one of the two sees the other.
 */
#include "base/threads.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/os_threads.h"
#include "base/thread_count.h"

enum {
    LEFT_BITS = 16,
    SEAT_BITS = 10,
    ROUND_MAX = (1 << LEFT_BITS) - 1, /* longer loops are several rounds */
    SPIN_NANOSECONDS = 40000,
    SPIN_CROWDED = 2000, /* where there are more threads than CPUs */
    RETRY_ROUNDS = 1024, /* between attempts to start a thread, after one failed */
};

static const uint64_t one_seat = (uint64_t)1 << LEFT_BITS;
static const uint64_t one_epoch = (uint64_t)1 << (LEFT_BITS + SEAT_BITS);

static inline int left_of(uint64_t ticket) { return (int)(ticket & ROUND_MAX); }
static inline int seats_of(uint64_t ticket) { return (int)(ticket >> LEFT_BITS & ((1 << SEAT_BITS) - 1)); }
static inline uint64_t epoch_of(uint64_t ticket) { return ticket / one_epoch; }

static struct {
    /* The round: one line, which a worker that spins reads and which the owner writes. */
    alignas(64) _Atomic uint64_t ticket;
    _Atomic cx_task task;
    _Atomic(void *) context;
    _Atomic int64_t end;   /* index = end - left */
    _Atomic int seats;     /* at the start of the round: worker = 1 + seats - seats left */
    _Atomic uint64_t mode; /* floating point, of the caller */

    alignas(64) _Atomic uint32_t finished; /* indices that workers have completed */
    _Atomic uint32_t owner_sleeps;

    alignas(64) _Atomic uint32_t alarm; /* changes when sleeping workers are called */
    _Atomic int asleep;
    _Atomic uint32_t spin; /* nanoseconds before a worker sleeps */

    alignas(64) atomic_flag busy;
    _Atomic bool stopping;

    /* Written by the owner of `busy` only. */
    _Atomic int workers;
    _Atomic int retry_in;
    cx_thread threads[CX_MAX_THREADS]; /* the first `workers` of them */
} pool = {.busy = ATOMIC_FLAG_INIT};

typedef struct round_share {
    cx_task task;
    void *context;
    int64_t index;
    int worker;
} round_share;

/* One more index for a thread that sits in this round already. */
static bool take_next(uint64_t epoch, int64_t end, round_share *share) {
    uint64_t ticket = atomic_load_explicit(&pool.ticket, memory_order_acquire);
    while (epoch_of(ticket) == epoch && left_of(ticket) > 0) {
        if (atomic_compare_exchange_weak_explicit(&pool.ticket, &ticket, ticket - 1, memory_order_acq_rel,
                                                  memory_order_acquire)) {
            share->index = end - left_of(ticket);
            return true;
        }
    }
    return false;
}

static inline bool has_work(uint64_t ticket) { return left_of(ticket) > 0 && seats_of(ticket) > 0; }

/* A worker joins the round that the ticket describes, if there is one with a free seat; runs what it gets. */
static void work(void) {
    round_share share;
    uint64_t ticket = atomic_load_explicit(&pool.ticket, memory_order_acquire);
    uint64_t mode;
    int64_t end;
    do {
        if (!has_work(ticket)) return;
        share.task = atomic_load_explicit(&pool.task, memory_order_relaxed);
        share.context = atomic_load_explicit(&pool.context, memory_order_relaxed);
        share.worker = 1 + atomic_load_explicit(&pool.seats, memory_order_relaxed) - seats_of(ticket);
        mode = atomic_load_explicit(&pool.mode, memory_order_relaxed);
        end = atomic_load_explicit(&pool.end, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&pool.ticket, &ticket, ticket - one_seat - 1, memory_order_acq_rel,
                                                    memory_order_acquire));
    share.index = end - left_of(ticket);
    cx_float_mode_set(mode);
    uint32_t completed = 0;
    do {
        share.task(share.context, share.index, share.worker);
        ++completed;
        if (atomic_load_explicit(&pool.stopping, memory_order_relaxed)) break;
    } while (take_next(epoch_of(ticket), end, &share));
    atomic_fetch_add(&pool.finished, completed);
    if (atomic_load(&pool.owner_sleeps)) cx_wake(&pool.finished, 1);
}

static void sleep_until_called(void) {
    uint32_t alarm = atomic_load(&pool.alarm);
    atomic_fetch_add(&pool.asleep, 1);
    if (!has_work(atomic_load(&pool.ticket)) && !atomic_load(&pool.stopping)) cx_wait(&pool.alarm, alarm);
    atomic_fetch_sub(&pool.asleep, 1);
}

static bool spin_for_work(void) {
    uint64_t begin = cx_nanoseconds(), limit = atomic_load_explicit(&pool.spin, memory_order_relaxed);
    do {
        for (int i = 0; i < 32; ++i) {
            if (has_work(atomic_load_explicit(&pool.ticket, memory_order_relaxed))) return true;
            cx_pause();
        }
        if (atomic_load_explicit(&pool.stopping, memory_order_relaxed)) return false;
    } while (cx_nanoseconds() - begin < limit);
    return false;
}

static void worker_main(void) {
    while (!atomic_load_explicit(&pool.stopping, memory_order_relaxed)) {
        if (!spin_for_work()) sleep_until_called();
        work();
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

/* The caller owns the pool; count in [1, ROUND_MAX]. */
static void run_round(int64_t begin, int count, int seats, cx_task task, void *context) {
    round_share share = {.task = task, .context = context, .worker = 0};
    int64_t end = begin + count;
    atomic_store_explicit(&pool.task, task, memory_order_relaxed);
    atomic_store_explicit(&pool.context, context, memory_order_relaxed);
    atomic_store_explicit(&pool.end, end, memory_order_relaxed);
    atomic_store_explicit(&pool.seats, seats, memory_order_relaxed);
    atomic_store_explicit(&pool.mode, cx_float_mode_get(), memory_order_relaxed);
    atomic_store_explicit(&pool.finished, 0, memory_order_relaxed);
    uint64_t last = atomic_load_explicit(&pool.ticket, memory_order_relaxed);
    uint64_t ticket = (epoch_of(last) + 1) * one_epoch + (uint64_t)seats * one_seat + (uint64_t)count;
    atomic_store(&pool.ticket, ticket);

    /* Those awake see the ticket by themselves. */
    int asleep = atomic_load(&pool.asleep);
    int awake = atomic_load_explicit(&pool.workers, memory_order_relaxed) - asleep;
    if (asleep > 0 && awake < seats) {
        atomic_fetch_add(&pool.alarm, 1);
        cx_wake(&pool.alarm, seats - awake);
    }

    uint32_t own = 0;
    while (take_next(epoch_of(ticket), end, &share)) {
        task(context, share.index, 0);
        ++own;
    }
    wait_for_workers((uint32_t)count - own);
}

static void run_alone(int64_t count, cx_task task, void *context) {
    for (int64_t i = 0; i < count; ++i) task(context, i, 0);
}

void cx_parallel_for(int64_t count, int threads, cx_task task, void *context) {
    if (threads > CX_MAX_THREADS) threads = CX_MAX_THREADS;
    if (threads > count) threads = (int)count;
    if (threads <= 1 || atomic_load_explicit(&pool.stopping, memory_order_relaxed) ||
        atomic_flag_test_and_set_explicit(&pool.busy, memory_order_acquire)) {
        run_alone(count, task, context);
        return;
    }
    int workers = ensure_workers(threads - 1);
    int seats = threads - 1 < workers ? threads - 1 : workers;
    if (seats == 0) {
        atomic_flag_clear_explicit(&pool.busy, memory_order_release);
        run_alone(count, task, context);
        return;
    }
    for (int64_t begin = 0; begin < count; begin += ROUND_MAX) {
        int64_t rest = count - begin;
        run_round(begin, rest < ROUND_MAX ? (int)rest : ROUND_MAX, seats, task, context);
    }
    atomic_flag_clear_explicit(&pool.busy, memory_order_release);
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
    (void)atomic_load_explicit(&pool.workers, memory_order_acquire); /* what was written to `threads` is over */
    atomic_store_explicit(&pool.workers, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.retry_in, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.ticket, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.finished, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.owner_sleeps, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.alarm, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.asleep, 0, memory_order_relaxed);
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
    atomic_fetch_add(&pool.alarm, 1);
    cx_wake(&pool.alarm, CX_MAX_THREADS);
    for (int i = 0; i < workers; ++i) cx_thread_join(pool.threads[i]);
}

#endif
