/* The activations of every kernel table that this machine can run, against the C library's in higher precision. */
#include "check.h"
#include "tables.h"

#include <string.h>

enum { BLOCK = 1024 };

static const convx_activation all_activations[] = {CONVX_ACT_NONE,       CONVX_ACT_RELU,    CONVX_ACT_RELU6,
                                                   CONVX_ACT_LEAKY_RELU, CONVX_ACT_SIGMOID, CONVX_ACT_TANH,
                                                   CONVX_ACT_SILU,       CONVX_ACT_HARDTANH};
enum { ACTIVATIONS = sizeof all_activations / sizeof all_activations[0] };

/* n doubles through a table; those of a float table are rounded first, `x` included. */
static void apply(const cx_kernels *table, convx_activation activation, double *x, double *y, int64_t n) {
    if (table->dtype == CONVX_FLOAT64) {
        memcpy(y, x, (size_t)n * sizeof *x);
        table->activate(y, n, activation);
        return;
    }
    float single[BLOCK];
    CHECK(n <= BLOCK);
    for (int64_t i = 0; i < n; ++i) {
        single[i] = (float)x[i];
        x[i] = single[i];
    }
    table->activate(single, n, activation);
    for (int64_t i = 0; i < n; ++i) y[i] = single[i];
}

static double apply_one(const cx_kernels *table, convx_activation activation, double x) {
    double y;
    apply(table, activation, &x, &y, 1);
    return y;
}

static long double exact(convx_activation activation, double x, bool f64) {
    switch (activation) {
    case CONVX_ACT_RELU: return x < 0 ? 0 : x;
    case CONVX_ACT_RELU6: return x < 0 ? 0 : x > 6 ? 6 : x;
    case CONVX_ACT_LEAKY_RELU: return x < 0 ? x * (long double)(f64 ? 0.01 : (double)0.01f) : x;
    case CONVX_ACT_SIGMOID: return 1 / (1 + expl(-(long double)x));
    case CONVX_ACT_TANH: return tanhl(x);
    case CONVX_ACT_SILU: return x / (1 + expl(-(long double)x));
    case CONVX_ACT_HARDTANH: return x < -1 ? -1 : x > 1 ? 1 : x;
    case CONVX_ACT_NONE: break;
    }
    return x;
}

/* Over magnitudes from the smallest to where results saturate, both signs; and densely where the curves bend. */
static void sample(double *x, int64_t n, bool f64) {
    for (int64_t i = 0; i < n; ++i) {
        double u = random_unit(), widest = f64 ? 700 : 87;
        if (i % 4 == 0)
            x[i] = ldexp(u + 0.5, -(int)(random_unit() * (f64 ? 1000 : 120)));
        else
            x[i] = u * (i % 4 == 1 ? widest : i % 4 == 2 ? 12 : 1.5);
        if (i & 4) x[i] = -x[i];
    }
}

/* In units in the last place. The exponential's own bound, 1.1, enters sigmoid and silu once, and each operation adds a half. */
static double bound(convx_activation activation) {
    switch (activation) {
    case CONVX_ACT_TANH: return 2.75;
    case CONVX_ACT_SIGMOID:
    case CONVX_ACT_SILU: return 2.75;
    case CONVX_ACT_LEAKY_RELU: return 0.5;
    default: return 0;
    }
}

static void results_are_within_their_bounds(void) {
    static double x[BLOCK], y[BLOCK];
    for (int t = 0; t < TABLES; ++t) {
        if (!runnable(tables[t])) continue;
        bool f64 = tables[t]->dtype == CONVX_FLOAT64;
        for (int a = 0; a < ACTIVATIONS; ++a) {
            double worst = 0;
            for (int block = 0; block < 60; ++block) {
                sample(x, BLOCK, f64);
                apply(tables[t], all_activations[a], x, y, BLOCK);
                for (int i = 0; i < BLOCK; ++i) {
                    double error = ulps(y[i], exact(all_activations[a], x[i], f64), f64);
                    if (error > worst) worst = error;
                }
            }
            if (worst > bound(all_activations[a]))
                printf("%s %s activation %d: %.3f units in the last place\n", cx_isa_string(tables[t]->isa),
                       f64 ? "double" : "float", (int)all_activations[a], worst);
            CHECK(worst <= bound(all_activations[a]));
        }
    }
}

static void nan_stays_nan_everywhere_and_in_its_lane_only(void) {
    for (int t = 0; t < TABLES; ++t) {
        if (!runnable(tables[t])) continue;
        for (int a = 0; a < ACTIVATIONS; ++a)
            for (int64_t n = 1; n < 40; n += 3)
                for (int64_t at = 0; at < n; ++at) {
                    double x[40], y[40], clean[40];
                    for (int64_t i = 0; i < n; ++i) x[i] = (double)(i % 7 - 3);
                    apply(tables[t], all_activations[a], x, clean, n);
                    x[at] = at & 1 ? NAN : -NAN;
                    apply(tables[t], all_activations[a], x, y, n);
                    for (int64_t i = 0; i < n; ++i) CHECK(i == at ? isnan(y[i]) : y[i] == clean[i]);
                }
    }
}

static void extreme_values_give_the_limits(void) {
    for (int t = 0; t < TABLES; ++t) {
        const cx_kernels *table = tables[t];
        if (!runnable(table)) continue;
        double most = table->dtype == CONVX_FLOAT64 ? DBL_MAX : (double)FLT_MAX;
        const double large[] = {800, 1e6, most, INFINITY};
        for (int i = 0; i < 4; ++i) {
            double x = large[i];
            CHECK(apply_one(table, CONVX_ACT_TANH, x) == 1);
            CHECK(apply_one(table, CONVX_ACT_TANH, -x) == -1);
            CHECK(apply_one(table, CONVX_ACT_SIGMOID, x) == 1);
            CHECK(apply_one(table, CONVX_ACT_SIGMOID, -x) == 0);
            CHECK(apply_one(table, CONVX_ACT_SILU, x) == x);
            if (isinf(x))
                CHECK(isnan(apply_one(table, CONVX_ACT_SILU, -x)));
            else
                CHECK(apply_one(table, CONVX_ACT_SILU, -x) == 0);
            CHECK(apply_one(table, CONVX_ACT_RELU, x) == x);
            CHECK(apply_one(table, CONVX_ACT_RELU, -x) == 0);
            CHECK(apply_one(table, CONVX_ACT_RELU6, x) == 6);
            CHECK(apply_one(table, CONVX_ACT_RELU6, -x) == 0);
            CHECK(apply_one(table, CONVX_ACT_HARDTANH, x) == 1);
            CHECK(apply_one(table, CONVX_ACT_HARDTANH, -x) == -1);
            CHECK(apply_one(table, CONVX_ACT_LEAKY_RELU, x) == x);
            CHECK(!isinf(x) == !isinf(apply_one(table, CONVX_ACT_LEAKY_RELU, -x)));
        }
    }
}

/* The whole way down: where exp is subnormal, where it becomes zero, and where it overflows to make a sigmoid zero. */
static void sigmoid_underflows_gradually(void) {
    for (int t = 0; t < TABLES; ++t) {
        const cx_kernels *table = tables[t];
        if (!runnable(table)) continue;
        bool f64 = table->dtype == CONVX_FLOAT64;
        double previous = 1, end = f64 ? -760 : -110, overflow = f64 ? -709.5 : -88.5;
        for (double at = -30; at > end; at -= 0.37) {
            double x = f64 ? at : (double)(float)at, y = apply_one(table, CONVX_ACT_SIGMOID, x);
            CHECK(y >= 0 && y <= previous);
            if (x > overflow) CHECK(ulps(y, exact(CONVX_ACT_SIGMOID, x, f64), f64) <= 2.75);
            previous = y;
        }
        CHECK(previous == 0);
    }
}

static void tanh_is_odd_and_keeps_tiny_values(void) {
    for (int t = 0; t < TABLES; ++t) {
        const cx_kernels *table = tables[t];
        if (!runnable(table)) continue;
        bool f64 = table->dtype == CONVX_FLOAT64;
        CHECK(!signbit(apply_one(table, CONVX_ACT_TANH, 0.0)) && signbit(apply_one(table, CONVX_ACT_TANH, -0.0)));
        double smallest = f64 ? 0x1p-1074 : 0x1p-149;
        CHECK(apply_one(table, CONVX_ACT_TANH, smallest) == smallest);
        for (double x = smallest; x < 100; x *= 1.7) {
            double y = apply_one(table, CONVX_ACT_TANH, x);
            CHECK(apply_one(table, CONVX_ACT_TANH, -x) == -y);
            CHECK(y <= 1);
        }
    }
}

static void an_element_has_the_same_bits_wherever_it_stands(void) {
    static double x[BLOCK], whole[BLOCK], piece[BLOCK];
    for (int t = 0; t < TABLES; ++t) {
        if (!runnable(tables[t])) continue;
        for (int a = 0; a < ACTIVATIONS; ++a) {
            sample(x, BLOCK, tables[t]->dtype == CONVX_FLOAT64);
            apply(tables[t], all_activations[a], x, whole, BLOCK);
            for (int64_t begin = 0; begin < 20; ++begin)
                for (int64_t n = 0; n < 37; ++n) {
                    apply(tables[t], all_activations[a], x + begin, piece, n);
                    CHECK(memcmp(piece, whole + begin, (size_t)n * sizeof *piece) == 0);
                }
        }
    }
}

int main(void) {
    RUN(results_are_within_their_bounds);
    RUN(nan_stays_nan_everywhere_and_in_its_lane_only);
    RUN(extreme_values_give_the_limits);
    RUN(sigmoid_underflows_gradually);
    RUN(tanh_is_odd_and_keeps_tiny_values);
    RUN(an_element_has_the_same_bits_wherever_it_stands);
    return check_report();
}
