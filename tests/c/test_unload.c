/* The shared library, loaded and unloaded at run time: nothing of it stays behind. Its file is the program's argument. */
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "include/convx.h"

static const char *library;

static void *open_library(void) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) printf("%s\n", dlerror());
    CHECK(handle);
    return handle;
}

/* Into a function pointer of the right type: ISO C has no cast from an object pointer. */
static void find(void *handle, const char *name, void *function_pointer) {
    void *address = dlsym(handle, name);
    CHECK(address);
    memcpy(function_pointer, &address, sizeof address);
}

static int threads_alive(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks);
    for (struct dirent *entry; (entry = readdir(tasks));) count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* A layer that is worth two threads. */
static void convolve(void *handle) {
    enum { CHANNELS = 64, SIZE = 56 };
    static float input[CHANNELS * SIZE * SIZE], weight[CHANNELS * CHANNELS * 9], output[CHANNELS * SIZE * SIZE];
    convx_status (*set_num_threads)(int);
    convx_status (*forward)(const convx_conv_params *, const void *, const void *, const void *, void *);
    find(handle, "convx_set_num_threads", &set_num_threads);
    find(handle, "convx_conv_forward", &forward);
    convx_conv_params layer = {
        .struct_size = sizeof layer,
        .dtype = CONVX_FLOAT32,
        .rank = 2,
        .batch = 1,
        .groups = 1,
        .in_channels = CHANNELS,
        .out_channels = CHANNELS,
        .algorithm = CONVX_ALGO_GEMM, /* exact on integers */
        .input = {SIZE, SIZE},
        .output = {SIZE, SIZE},
        .kernel = {3, 3},
        .stride = {1, 1},
        .dilation = {1, 1},
        .pad_before = {1, 1},
        .pad_after = {1, 1},
        .input_strides = {CHANNELS * SIZE * SIZE, SIZE * SIZE, SIZE, 1},
        .weight_strides = {CHANNELS * 9, 9, 3, 1},
        .output_strides = {CHANNELS * SIZE * SIZE, SIZE * SIZE, SIZE, 1},
    };
    for (size_t i = 0; i < sizeof input / sizeof input[0]; ++i) input[i] = 1;
    for (size_t i = 0; i < sizeof weight / sizeof weight[0]; ++i) weight[i] = 1;
    CHECK_EQUAL(set_num_threads(2), CONVX_OK);
    CHECK_EQUAL(forward(&layer, input, weight, NULL, output), CONVX_OK);
    CHECK(output[0] == CHANNELS * 4 && output[SIZE + 1] == CHANNELS * 9);
}

static void *nothing(void *argument) { return argument; }

/* A sanitizer starts a thread of its own beside a program's first one: it must not be taken for the library's. */
static void start_a_first_thread(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static void unloading_ends_the_threads_of_the_library(void) {
    start_a_first_thread();
    struct timespec settle = {0, 10000000}; /* the kernel may show the joined thread for a moment */
    nanosleep(&settle, NULL);
    int before = threads_alive();
    for (int round = 0; round < 5; ++round) {
        void *handle = open_library();
        convolve(handle);
        CHECK_EQUAL(threads_alive(), before + 1);
        CHECK_EQUAL(dlclose(handle), 0);
        CHECK(dlopen(library, RTLD_NOW | RTLD_NOLOAD) == NULL);
        struct timespec millisecond = {0, 1000000}; /* the kernel may show a thread for a moment after it was joined */
        for (int wait = 0; wait < 1000 && threads_alive() > before; ++wait) nanosleep(&millisecond, NULL);
        CHECK_EQUAL(threads_alive(), before);
    }
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    library = arguments[1];
    RUN(unloading_ends_the_threads_of_the_library);
    return check_report();
}
