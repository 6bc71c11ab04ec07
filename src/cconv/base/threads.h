/*
 * The library's own threads: a small pool that splits loops, without an OpenMP runtime.
 *
 *   Idle costs nothing   after a bounded spin (tens of microseconds) workers sleep.
 *   Never in the way     a caller that finds the pool busy (another thread's loop, or a loop within a loop) runs its own loop alone.
 *   Never waits for a    threads take indices one at a time; the caller waits only for those that a worker has really begun,
 *   thread that sleeps   never for a worker that has not woken up yet.
 *   Stays where it was   a thread begins with its own part of the indices, the same at each call of a loop, and helps the others
 *                        when it is done with it.
 *   Fork                 the child starts with no workers and makes its own at its first loop.
 *   Limits               the default count obeys CONVX_NUM_THREADS, the affinity mask and the control group's CPU quota.
 */
#ifndef CX_BASE_THREADS_H
#define CX_BASE_THREADS_H

#include "base/integer.h"

/* worker is in [0, threads) and belongs to one index at a time: it selects scratch. The caller is worker 0. */
typedef void (*cx_task)(void *context, int64_t index, int worker);

/*
 * task(context, i, worker) for each i in [0, count), on at most `threads` threads; returns when all are done. Which worker gets
 * which index is not determined: results must not depend on it. Cannot fail: with no threads to be had, it runs alone.
 */
void cx_parallel_for(int64_t count, int threads, cx_task task, void *context);

/*
 * The same where costs rise or fall along the loop: a thread's own part is then each index that is its number modulo their number,
 * and not a stretch of them, which has fewer lines of the cache in common with others.
 */
void cx_parallel_in_turns(int64_t count, int threads, cx_task task, void *context);

/*
 * How many of `count` parts make a task where memory is the bound: few long runs, at least `least` parts each. Threads that
 * take turns within the same pages fetch lines from each other's caches and mislead each other's prefetching. Two runs a
 * thread, so that one that is held up does not hold up all.
 */
static inline int64_t cx_long_task(int64_t count, int64_t least, int threads) {
    return cx_max(least, cx_ceil_div(count, 2 * (int64_t)threads));
}

/* The same of elements that lie side by side: about whole pages. */
static inline int64_t cx_long_run(int64_t count, int64_t least, int threads) {
    return cx_round_up(cx_long_task(count, least, threads), 1024);
}

/* The thread count in force (>= 1), and setting it (0: back to the default). Applies to later calls, of any thread. */
int cx_threads_get(void);
void cx_threads_set(int threads);
/* What the default would be, looked up now. */
int cx_threads_default(void);

#endif
