/* The limits behind cx_threads_default (see threads.h). */
#ifndef CX_BASE_THREAD_COUNT_H
#define CX_BASE_THREAD_COUNT_H

/* Greater wishes are cut to this. */
#define CX_MAX_THREADS 1023

/* What the affinity mask of the calling thread and the CPU quota of the process' control group allow, at least 1. */
int cx_allowed_cpus(void);

/* The next cx_threads_get looks the default up anew: a child process may have been given other CPUs. */
void cx_threads_forget_default(void);

#ifdef __linux__
/* The control group's part, rounded up; CX_MAX_THREADS without a quota. `root` stands before /proc and /sys ("": the real ones). */
int cx_cgroup_limit(const char *root);
#endif

#endif
