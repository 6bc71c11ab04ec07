/* The first process of the emulated machine: runs the programs that the kernel's command line names, then switches off. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* What src/cconv/base/cpu.c asks for, in the compiler's words; state that the system does not save counts as missing. */
static int has_avx512(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

static void run(char *program) {
    int status = -1;
    const pid_t child = fork();
    if (child == 0) {
        execl(program, program, (char *)NULL);
        perror(program);
        _exit(127);
    }
    if (child > 0) waitpid(child, &status, 0);
    printf("%s: status %d\n", program, status);
}

int main(int count, char **programs) {
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    if (mount("proc", "/proc", "proc", 0, NULL) || mount("sysfs", "/sys", "sysfs", 0, NULL)) perror("mount");
    if (!has_avx512()) printf("no AVX-512\n");
    for (int i = 1; i < count && has_avx512(); ++i) run(programs[i]);
    fflush(stdout);
    tcdrain(STDOUT_FILENO);
    reboot(RB_POWER_OFF);
    for (;;) pause();
}
