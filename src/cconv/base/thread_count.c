/* How many threads a loop may use: what the user set, else CONVX_NUM_THREADS, else what the process is allowed to run on. */
#define _GNU_SOURCE
#include "base/thread_count.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/small_file.h"
#include "base/threads.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <unistd.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif

static int clamp_count(int64_t count) { return count < 1 ? 1 : count > CX_MAX_THREADS ? CX_MAX_THREADS : (int)count; }

#ifdef __linux__

static int affinity_count(void) {
    cpu_set_t sets[8]; /* 8192 CPUs; the kernel refuses a buffer that is too small */
    memset(sets, 0, sizeof sets);
    if (sched_getaffinity(0, sizeof sets, sets) == 0) return clamp_count(CPU_COUNT_S(sizeof sets, sets));
    return clamp_count(sysconf(_SC_NPROCESSORS_ONLN));
}

static int64_t quota_count(int64_t quota, int64_t period) {
    return quota > 0 && period > 0 ? (quota - 1) / period + 1 : CX_MAX_THREADS;
}

/* The quota that one directory of the control group file system states, in CPUs rounded up. */
static int64_t directory_limit(const char *directory, bool version_2) {
    char path[4200], text[64];
    if (version_2) {
        snprintf(path, sizeof path, "%s/cpu.max", directory);
        long long quota, period;
        if (!cx_read_small_file(path, text, sizeof text) || sscanf(text, "%lld %lld", &quota, &period) != 2)
            return CX_MAX_THREADS; /* also "max 100000": no limit */
        return quota_count(quota, period);
    }
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
    if (!cx_read_small_file(path, text, sizeof text)) return CX_MAX_THREADS;
    int64_t quota = strtoll(text, NULL, 10); /* -1: no limit */
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
    if (!cx_read_small_file(path, text, sizeof text)) return CX_MAX_THREADS;
    return quota_count(quota, strtoll(text, NULL, 10));
}

/* The least of the quotas from `group` up to the root: inside a container the group's own name may not be visible, its root is. */
static int64_t hierarchy_limit(const char *mount, const char *group, bool version_2) {
    char directory[4150];
    int64_t limit = CX_MAX_THREADS;
    size_t root = strlen(mount);
    if (snprintf(directory, sizeof directory, "%s%s", mount, group) >= (int)sizeof directory) directory[root] = '\0';
    for (;;) {
        int64_t here = directory_limit(directory, version_2);
        if (here < limit) limit = here;
        char *slash = strrchr(directory + root, '/');
        if (!slash) return limit;
        *slash = '\0';
    }
}

/* Is "cpu" among the comma-separated controllers? */
static bool names_cpu(const char *controllers) {
    for (;;) {
        size_t length = strcspn(controllers, ",");
        if (length == 3 && strncmp(controllers, "cpu", 3) == 0) return true;
        if (controllers[length] == '\0') return false;
        controllers += length + 1;
    }
}

int cx_cgroup_limit(const char *root) {
    char path[4200], groups[4096];
    int64_t limit = CX_MAX_THREADS;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    cx_read_small_file(path, groups, sizeof groups);
    /* Lines of hierarchy:controllers:group. Version 2 is hierarchy 0 and names no controllers. */
    for (char *line = groups; *line;) {
        char *next = line + strcspn(line, "\n");
        if (*next) *next++ = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (group) {
            *controllers++ = *group++ = '\0';
            bool version_2 = *controllers == '\0';
            if (version_2 || names_cpu(controllers)) {
                char mount[160];
                int64_t here;
                if (version_2) {
                    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
                    here = hierarchy_limit(mount, group, true);
                } else {
                    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, controllers);
                    here = hierarchy_limit(mount, group, false);
                    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root);
                    int64_t alias = hierarchy_limit(mount, group, false);
                    if (alias < here) here = alias;
                }
                if (here < limit) limit = here;
            }
        }
        line = next;
    }
    return clamp_count(limit);
}

int cx_allowed_cpus(void) {
    int affinity = affinity_count(), quota = cx_cgroup_limit("");
    return affinity < quota ? affinity : quota;
}

#elif defined(_WIN32)

int cx_allowed_cpus(void) {
    DWORD_PTR process, system;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &process, &system)) return 1;
    return clamp_count(__builtin_popcountll(process));
}

#else

int cx_allowed_cpus(void) { return clamp_count(sysconf(_SC_NPROCESSORS_ONLN)); }

#endif

/* CONVX_NUM_THREADS, or 0 when it is unset or no positive decimal number. */
static int environment_count(void) {
    const char *text = getenv("CONVX_NUM_THREADS");
    if (!text || strspn(text, "0123456789") == 0 || text[strspn(text, "0123456789")] != '\0') return 0;
    errno = 0;
    long long count = strtoll(text, NULL, 10);
    if (errno == ERANGE) return CX_MAX_THREADS;
    return count == 0 ? 0 : clamp_count(count);
}

int cx_threads_default(void) {
    int count = environment_count();
    return count ? count : cx_allowed_cpus();
}

static atomic_int chosen;    /* by cx_threads_set; 0: the default */
static atomic_int looked_up; /* the default, once it has been asked for; 0 before */

int cx_threads_get(void) {
    int count = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (count == 0) count = atomic_load_explicit(&looked_up, memory_order_relaxed);
    if (count == 0) {
        count = cx_threads_default();
        atomic_store_explicit(&looked_up, count, memory_order_relaxed);
    }
    return count;
}

void cx_threads_set(int threads) {
    atomic_store_explicit(&looked_up, 0, memory_order_relaxed);
    atomic_store_explicit(&chosen, threads > 0 ? clamp_count(threads) : 0, memory_order_relaxed);
}

void cx_threads_forget_default(void) { atomic_store_explicit(&looked_up, 0, memory_order_relaxed); }
