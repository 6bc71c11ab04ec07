/* The pool of base/threads.h: what it promises about loops, forks, idle time and limits. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/os_threads.h"
#include "base/thread_count.h"
#include "base/threads.h"

/* Some tests start threads in the child of a program with threads, which the thread sanitizer must be told to allow. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "die_after_fork=0"; }

/*
 * Under qemu's user emulation (7.2) a child of fork that starts threads dies of qemu's own assertions, and RLIMIT_AS limits
 * nothing; the sanitizers do not live without address space. The tests that need these run everywhere else.
 */
#ifndef CONVX_EMULATED
#define CAN_FORK 1
#ifndef CHECK_SANITIZED
#define CAN_LIMIT_MEMORY 1
#endif
#endif

enum { INDICES_MAX = 70000, WORKERS_MAX = 64 };

static void sleep_ms(int ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

/* Counts of how often each index ran, without atomics: the pool has to order these writes before the caller's reading. */
typedef struct tally {
    unsigned char runs[INDICES_MAX];
    _Atomic int inside[WORKERS_MAX]; /* tasks that hold this worker number now */
    int threads;
} tally;

static void tally_one(void *context, int64_t index, int worker) {
    tally *t = context;
    CHECK(worker >= 0 && worker < t->threads);
    CHECK_EQUAL(atomic_fetch_add(&t->inside[worker], 1), 0);
    ++t->runs[index];
    atomic_fetch_sub(&t->inside[worker], 1);
}

static void loop_and_check(int64_t count, int threads) {
    tally *t = calloc(1, sizeof *t);
    CHECK(t);
    t->threads = threads > 1 ? threads : 1;
    cx_parallel_for(count, threads, tally_one, t);
    for (int64_t i = 0; i < INDICES_MAX; ++i) CHECK_EQUAL(t->runs[i], i < count ? 1 : 0);
    free(t);
}

static void every_index_runs_exactly_once(void) {
    const int64_t counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 16, 31, 100, 1000, 65535, 65536, 70000};
    const int threads[] = {-1, 0, 1, 2, 3, 4, 8, 33};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; ++i)
        for (size_t j = 0; j < sizeof threads / sizeof threads[0]; ++j) loop_and_check(counts[i], threads[j]);
}

static void count_one(void *context, int64_t index, int worker) {
    (void)index;
    (void)worker;
    atomic_fetch_add_explicit((_Atomic int64_t *)context, 1, memory_order_relaxed);
}

static int64_t counted(int64_t count, int threads) {
    _Atomic int64_t runs = 0;
    cx_parallel_for(count, threads, count_one, &runs);
    return runs;
}

static void thousands_of_tiny_loops_lose_no_index(void) {
    for (int i = 0; i < 20000; ++i) {
        int count = 2 + i % 5;
        CHECK_EQUAL(counted(count, 2 + i % 3), count);
    }
}

static void loops_with_pauses_between_them_wake_the_workers_again(void) {
    for (int i = 0; i < 200; ++i) {
        CHECK_EQUAL(counted(5, 3), 5);
        struct timespec pause = {0, i * 1000};
        nanosleep(&pause, NULL);
    }
}

static void note_thread(void *context, int64_t index, int worker) {
    (void)index;
    atomic_fetch_or((_Atomic int *)context, 1 << worker);
    sleep_ms(5);
}

static void several_threads_take_part_in_a_loop_that_lasts(void) {
    _Atomic int workers = 0;
    cx_parallel_for(30, 3, note_thread, &workers);
    CHECK_EQUAL(workers, 7);
}

static void nest(void *context, int64_t index, int worker) {
    (void)index;
    (void)worker;
    atomic_fetch_add((_Atomic int64_t *)context, counted(10, 4));
}

static void a_loop_within_a_loop_runs(void) {
    _Atomic int64_t runs = 0;
    for (int i = 0; i < 200; ++i) cx_parallel_for(6, 3, nest, &runs);
    CHECK_EQUAL(runs, 200 * 6 * 10);
}

static void *second_caller(void *unused) {
    (void)unused;
    for (int i = 0; i < 5000; ++i) CHECK_EQUAL(counted(7, 2), 7);
    return NULL;
}

static void callers_at_the_same_time_get_their_own_results(void) {
    pthread_t others[3];
    for (int i = 0; i < 3; ++i) CHECK(pthread_create(&others[i], NULL, second_caller, NULL) == 0);
    second_caller(NULL);
    for (int i = 0; i < 3; ++i) pthread_join(others[i], NULL);
}

/* A loop that stays open until `release` is set. */
static _Atomic int begun, release;

static void hold(void *context, int64_t index, int worker) {
    (void)context;
    (void)index;
    (void)worker;
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&release)) sleep_ms(1);
}

static void *holding_caller(void *unused) {
    (void)unused;
    cx_parallel_for(2, 2, hold, NULL);
    return NULL;
}

static pthread_t begin_holding(void) {
    pthread_t holder;
    atomic_store(&begun, 0);
    atomic_store(&release, 0);
    CHECK(pthread_create(&holder, NULL, holding_caller, NULL) == 0);
    while (atomic_load(&begun) < 2) sleep_ms(1);
    return holder;
}

static void end_holding(pthread_t holder) {
    atomic_store(&release, 1);
    pthread_join(holder, NULL);
}

static void a_caller_that_finds_the_pool_busy_does_not_wait_for_it(void) {
    pthread_t holder = begin_holding(); /* both threads stand still */
    CHECK_EQUAL(counted(100, 2), 100);
    end_holding(holder);
}

#ifdef CAN_FORK
static void expect_success(pid_t child) {
    int status;
    CHECK(child > 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), 0);
}

/* In a child: loops work, and with more than one thread. Ended by a signal should they hang. */
static void loop_in_child(void) {
    alarm(60);
    loop_and_check(1000, 4);
    _Atomic int workers = 0;
    cx_parallel_for(20, 2, note_thread, &workers);
    CHECK_EQUAL(workers, 3);
    CHECK_EQUAL(counted(100, 2), 100);
}

static void a_child_of_fork_has_working_loops(void) {
    CHECK_EQUAL(counted(100, 4), 100);
    pid_t child = fork();
    if (child == 0) {
        loop_in_child();
        pid_t grandchild = fork();
        if (grandchild == 0) {
            loop_in_child();
            _exit(0);
        }
        expect_success(grandchild);
        _exit(0);
    }
    expect_success(child);
    CHECK_EQUAL(counted(100, 4), 100);
}

static void a_fork_in_the_middle_of_another_threads_loop_leaves_the_child_a_free_pool(void) {
    pthread_t holder = begin_holding();
    pid_t child = fork();
    if (child == 0) {
        loop_in_child();
        _exit(0);
    }
    expect_success(child);
    end_holding(holder);
}

static void *loop_until_released(void *unused) {
    (void)unused;
    while (!atomic_load(&release)) {
        CHECK_EQUAL(counted(8, 3), 8);
        atomic_store(&begun, 1);
    }
    return NULL;
}

static void forks_at_any_moment_of_another_threads_loops_do_no_harm(void) {
    pthread_t other;
    atomic_store(&release, 0);
    CHECK(pthread_create(&other, NULL, loop_until_released, NULL) == 0);
    for (int i = 0; i < 20; ++i) {
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            for (int k = 0; k < 20; ++k) CHECK_EQUAL(counted(50, 3), 50);
            _exit(0);
        }
        expect_success(child);
    }
    end_holding(other);
}
#endif

#ifdef CAN_FORK
static void a_program_can_exit_while_another_thread_is_in_a_loop(void) {
    for (int i = 0; i < 10; ++i) {
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            pthread_t other;
            atomic_store(&begun, 0);
            atomic_store(&release, 0);
            CHECK(pthread_create(&other, NULL, loop_until_released, NULL) == 0);
            while (!atomic_load(&begun)) sleep_ms(1);
            sleep_ms(i);
            exit(0);
        }
        expect_success(child);
    }
}

static void exit_from_a_worker(void *context, int64_t index, int worker) {
    (void)context;
    (void)index;
    if (worker) exit(0);
    sleep_ms(5);
}

static void a_task_can_exit_the_program(void) {
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        cx_parallel_for(1000, 3, exit_from_a_worker, NULL);
        _exit(1);
    }
    expect_success(child);
}
#endif

static double cpu_seconds(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static void idle_workers_use_no_cpu_time(void) {
    counted(100, 4);
    sleep_ms(20); /* the spin, and a busy machine's delays */
    double before = cpu_seconds();
    sleep_ms(200);
    CHECK(cpu_seconds() - before < 0.01);
}

static void note_mode(void *context, int64_t index, int worker) {
    (void)worker;
    ((uint64_t *)context)[index] = cx_float_mode_get();
    sleep_ms(3);
}

static void workers_compute_in_the_floating_point_mode_of_the_caller(void) {
#if defined(__x86_64__) || defined(__aarch64__)
    counted(100, 3);
    uint64_t usual = cx_float_mode_get(), modes[12];
#ifdef __x86_64__
    const uint64_t flush_to_zero = 1u << 15;
#else
    const uint64_t flush_to_zero = 1u << 24;
#endif
    cx_float_mode_set(usual ^ flush_to_zero);
    cx_parallel_for(12, 3, note_mode, modes);
    cx_float_mode_set(usual);
    for (int i = 0; i < 12; ++i) CHECK(modes[i] == (usual ^ flush_to_zero));
    cx_parallel_for(12, 3, note_mode, modes);
    for (int i = 0; i < 12; ++i) CHECK(modes[i] == usual);
#endif
}

static _Atomic int signals_handled;

static void on_signal(int number) {
    (void)number;
    atomic_fetch_add(&signals_handled, 1);
}

static void signals_are_never_delivered_to_workers(void) {
    sigset_t user, before, pending;
    sigemptyset(&user);
    sigaddset(&user, SIGUSR1);
    signal(SIGUSR1, on_signal);
    counted(100, 4);
    pthread_sigmask(SIG_BLOCK, &user, &before); /* now no thread of the program itself takes it */
    kill(getpid(), SIGUSR1);
    sleep_ms(20);
    CHECK_EQUAL(atomic_load(&signals_handled), 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sleep_ms(1); /* the thread sanitizer hands signals over at the next call */
    CHECK_EQUAL(atomic_load(&signals_handled), 1);
    signal(SIGUSR1, SIG_DFL);
}

static void the_thread_count_can_be_set_and_reset(void) {
    int usual = cx_threads_get();
    CHECK_EQUAL(usual, cx_threads_default());
    cx_threads_set(3);
    CHECK_EQUAL(cx_threads_get(), 3);
    cx_threads_set(1 << 30);
    CHECK_EQUAL(cx_threads_get(), CX_MAX_THREADS);
    cx_threads_set(0);
    CHECK_EQUAL(cx_threads_get(), usual);
}

static void the_environment_names_the_default_if_it_is_a_positive_number(void) {
    unsetenv("CONVX_NUM_THREADS");
    int usual = cx_threads_default();
    const char *const ignored[] = {"", "0", "-2", "two", "3x", "1.5", "000"};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; ++i) {
        setenv("CONVX_NUM_THREADS", ignored[i], 1);
        CHECK_EQUAL(cx_threads_default(), usual);
    }
    setenv("CONVX_NUM_THREADS", "5", 1);
    CHECK_EQUAL(cx_threads_default(), 5);
    setenv("CONVX_NUM_THREADS", "99999999999999999999999", 1);
    CHECK_EQUAL(cx_threads_default(), CX_MAX_THREADS);
    unsetenv("CONVX_NUM_THREADS");
}

#ifdef CAN_FORK
static void the_default_obeys_the_affinity_mask(void) {
    CHECK(cx_threads_get() >= 1); /* looked up here, and to be looked up anew in the child */
    pid_t child = fork();
    if (child == 0) {
        cpu_set_t all, one;
        CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
        CPU_ZERO(&one);
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
            if (CPU_ISSET(cpu, &all)) {
                CPU_SET(cpu, &one);
                break;
            }
        CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
        CHECK_EQUAL(cx_threads_default(), 1);
        CHECK_EQUAL(cx_threads_get(), 1);
        CHECK_EQUAL(counted(1000, 4), 1000);
        _exit(0);
    }
    expect_success(child);
}
#endif

/* A copy of the places that the kernel describes control groups in, below a directory of our own. */
static char fake_root[] = "/tmp/convx-test-XXXXXX";

static void fake_file(const char *path, const char *text) {
    char full[256];
    snprintf(full, sizeof full, "%s%s", fake_root, path);
    for (char *slash = full + strlen(fake_root) + 1; (slash = strchr(slash, '/')); ++slash) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    CHECK(file);
    fputs(text, file);
    fclose(file);
}

static void the_default_obeys_control_group_quotas(void) {
    CHECK(mkdtemp(fake_root));
    CHECK_EQUAL(cx_cgroup_limit(fake_root), CX_MAX_THREADS);

    fake_file("/proc/self/cgroup", "0::/job/step\n");
    fake_file("/sys/fs/cgroup/job/step/cpu.max", "max 100000\n");
    CHECK_EQUAL(cx_cgroup_limit(fake_root), CX_MAX_THREADS);
    fake_file("/sys/fs/cgroup/job/cpu.max", "250000 100000\n"); /* of the parent */
    CHECK_EQUAL(cx_cgroup_limit(fake_root), 3);
    fake_file("/sys/fs/cgroup/job/step/cpu.max", "200000 100000\n");
    CHECK_EQUAL(cx_cgroup_limit(fake_root), 2);
    fake_file("/sys/fs/cgroup/cpu.max", "1000 100000\n"); /* a container's root */
    CHECK_EQUAL(cx_cgroup_limit(fake_root), 1);

    fake_file("/proc/self/cgroup", "9:cpuset:/x\n4:cpuacct,cpu:/docker/abc\n1:name=systemd:/\n");
    CHECK_EQUAL(cx_cgroup_limit(fake_root), CX_MAX_THREADS);
    fake_file("/sys/fs/cgroup/cpuacct,cpu/cpu.cfs_quota_us", "-1\n");
    fake_file("/sys/fs/cgroup/cpuacct,cpu/cpu.cfs_period_us", "50000\n");
    CHECK_EQUAL(cx_cgroup_limit(fake_root), CX_MAX_THREADS);
    fake_file("/sys/fs/cgroup/cpuacct,cpu/cpu.cfs_quota_us", "175000\n");
    CHECK_EQUAL(cx_cgroup_limit(fake_root), 4);

    char command[64];
    snprintf(command, sizeof command, "rm -r %s", fake_root);
    CHECK_EQUAL(system(command), 0);
}

#ifdef CAN_LIMIT_MEMORY
static void without_threads_to_be_had_loops_run_alone(void) {
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_memory = {1, 1}; /* no address space for a stack */
        CHECK(setrlimit(RLIMIT_AS, &no_memory) == 0);
        static _Atomic int64_t runs;
        _Atomic int workers = 0;
        for (int i = 0; i < 100; ++i) cx_parallel_for(10, 8, count_one, &runs);
        CHECK_EQUAL(runs, 1000);
        cx_parallel_for(4, 4, note_thread, &workers);
        CHECK_EQUAL(workers, 1);
        _exit(0);
    }
    expect_success(child);
}
#endif

int main(void) {
    /* First, while this process has no threads: glibc keeps stacks of ended ones, and the thread sanitizer their names. */
#ifdef CAN_LIMIT_MEMORY
    RUN(without_threads_to_be_had_loops_run_alone);
#endif
#ifdef CAN_FORK
    RUN(a_program_can_exit_while_another_thread_is_in_a_loop);
    RUN(a_task_can_exit_the_program);
#endif
    RUN(every_index_runs_exactly_once);
    RUN(thousands_of_tiny_loops_lose_no_index);
    RUN(loops_with_pauses_between_them_wake_the_workers_again);
    RUN(several_threads_take_part_in_a_loop_that_lasts);
    RUN(a_loop_within_a_loop_runs);
    RUN(callers_at_the_same_time_get_their_own_results);
    RUN(a_caller_that_finds_the_pool_busy_does_not_wait_for_it);
#ifdef CAN_FORK
    RUN(a_child_of_fork_has_working_loops);
    RUN(a_fork_in_the_middle_of_another_threads_loop_leaves_the_child_a_free_pool);
    RUN(forks_at_any_moment_of_another_threads_loops_do_no_harm);
    RUN(the_default_obeys_the_affinity_mask);
#endif
    RUN(idle_workers_use_no_cpu_time);
    RUN(workers_compute_in_the_floating_point_mode_of_the_caller);
    RUN(signals_are_never_delivered_to_workers);
    RUN(the_thread_count_can_be_set_and_reset);
    RUN(the_environment_names_the_default_if_it_is_a_positive_number);
    RUN(the_default_obeys_control_group_quotas);
    return check_report();
}
