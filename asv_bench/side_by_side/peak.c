/* The FMA peak: chains of multiply-adds that wait for nothing but themselves, on each of some threads at once.
 *
 * Compiled by peak.py with the flags of the widest instruction set, and
 *   REAL          float or double
 *   VECTOR_BYTES  bytes of a vector register
 *   CHAINS        independent chains: at least latency times FMA units, at most the registers less two, and no more than 16:
 *                 compilers unroll longer inner loops only in part, and keep the chains in memory
 *
 * usage: peak THREADS     prints GFLOP/s, the best of several rounds
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { STEPS = 1000000, ROUNDS = 12, MOST_THREADS = 1024 };

typedef REAL vector __attribute__((vector_size(VECTOR_BYTES)));

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/*
 * All chains converge to 1, so that no value is denormal. The sum is returned for the compiler to keep them, and it must not
 * know the numbers: it would leave out the chain that begins with 1.
 */
static const volatile REAL shrink = (REAL)0.99, grow = (REAL)0.01;

static void *multiply_add(void *result) {
    vector chain[CHAINS];
    const vector factor = (vector){0} + shrink, rest = (vector){0} + grow;
    for (int j = 0; j < CHAINS; j++) chain[j] = (vector){0} + (REAL)j;
    for (int i = 0; i < STEPS; i++)
        for (int j = 0; j < CHAINS; j++) chain[j] = chain[j] * factor + rest;
    for (int j = 1; j < CHAINS; j++) chain[0] += chain[j];
    *(REAL *)result = chain[0][0];
    return NULL;
}

int main(int count, char **arguments) {
    const int threads = count > 1 ? atoi(arguments[1]) : 1;
    if (threads < 1 || threads > MOST_THREADS) return 2;
    pthread_t others[MOST_THREADS];
    REAL results[MOST_THREADS];
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const double start = now();
        for (int i = 1; i < threads; i++)
            if (pthread_create(&others[i], NULL, multiply_add, &results[i])) return 1;
        multiply_add(&results[0]);
        for (int i = 1; i < threads; i++) pthread_join(others[i], NULL);
        const double flops = 2.0 * STEPS * CHAINS * (VECTOR_BYTES / sizeof(REAL)) * threads;
        const double speed = 1e-9 * flops / (now() - start);
        if (speed > best) best = speed;
    }
    for (int i = 0; i < threads; i++)
        if (!(results[i] > 0)) return 1;
    printf("%.2f\n", best);
    return 0;
}
