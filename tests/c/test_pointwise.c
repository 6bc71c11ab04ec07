/* Functions of one element, softmax and few rows of linear layers, of every table that this machine can run. */
#include "check.h"
#include "tables.h"

#include <string.h>

#ifdef CONVX_EMULATED
enum { BLOCK = 1024, BLOCKS = 8 };
#else
enum { BLOCK = 1024, BLOCKS = 60 };
#endif

/* n doubles through a table's map; those of a float table are rounded first, `x` included. */
static void apply(const cx_kernels *table, cx_map map, double alpha, double *x, const double *gy, double *y,
                  int64_t n) {
    cx_map_args args = {.x = x, .gy = gy, .result = y, .alpha = alpha};
    if (table->dtype == CONVX_FLOAT64) {
        table->layers->pointwise(map, &args, n);
        return;
    }
    static float single[3][BLOCK];
    CHECK(n <= BLOCK);
    for (int64_t i = 0; i < n; ++i) {
        single[0][i] = (float)x[i];
        x[i] = single[0][i];
        if (gy) single[1][i] = (float)gy[i];
    }
    args.x = single[0];
    args.gy = gy ? single[1] : NULL;
    args.result = single[2];
    table->layers->pointwise(map, &args, n);
    for (int64_t i = 0; i < n; ++i) y[i] = single[2][i];
}

static long double normal(long double x) { return erfcl(-x * sqrtl(0.5L)) / 2; }
static long double density(long double x) { return expl(-x * x / 2) * sqrtl(2 / acosl(-1)) / 2; }
static long double gelu_argument(long double x) { return 2 * sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x); }
static long double sigmoid(long double x) { return 1 / (1 + expl(-x)); }
static long double sigmoid_slope(long double x) {
    const long double e = expl(-fabsl(x));
    return e / ((1 + e) * (1 + e));
}

static long double exact(cx_map map, long double x) {
    switch (map) {
    case CX_MAP_ELU: return x < 0 ? expm1l(x) : x;
    case CX_MAP_GELU: return x * normal(x);
    case CX_MAP_GELU_TANH: return x * sigmoid(gelu_argument(x));
    case CX_MAP_SIGMOID: return sigmoid(x);
    case CX_MAP_SILU: return x * sigmoid(x);
    case CX_MAP_TANH: return tanhl(x);
    default: return 0;
    }
}

static long double exact_slope(cx_map map, long double x) {
    switch (map) {
    case CX_MAP_ELU_GRADIENT: return x > 0 ? 1 : expl(x);
    case CX_MAP_GELU_GRADIENT: return normal(x) + x * density(x);
    case CX_MAP_GELU_TANH_GRADIENT:
        return sigmoid(gelu_argument(x)) +
               x * sigmoid_slope(gelu_argument(x)) * 2 * sqrtl(2 / acosl(-1)) * (1 + 3 * 0.044715L * x * x);
    case CX_MAP_SIGMOID_GRADIENT: return sigmoid_slope(x);
    case CX_MAP_SILU_GRADIENT: return sigmoid(x) + x * sigmoid_slope(x);
    case CX_MAP_TANH_GRADIENT: return 4 * sigmoid_slope(2 * x);
    default: return 0;
    }
}

/* Over magnitudes from the smallest to where results saturate, both signs; and densely where the curves bend. */
static void sample(double *x, bool f64) {
    for (int i = 0; i < BLOCK; ++i) {
        const double u = random_unit();
        if (i % 4 == 0)
            x[i] = ldexp(u + 0.5, -(int)(random_unit() * (f64 ? 1000 : 120)));
        else
            x[i] = u * (i % 4 == 1 ? (f64 ? 40 : 16) : i % 4 == 2 ? 6 : 1.5);
        if (i & 4) x[i] = -x[i];
    }
}

/* What convx.h states, in units in the last place. */
static double bound(cx_map map, double x) {
    if (map == CX_MAP_ELU) return 3;
    if (map == CX_MAP_GELU) return 10;
    if (map == CX_MAP_GELU_TANH) return 3 + 3 * fabs((double)gelu_argument(x));
    return 2.75;
}

static void functions_are_within_their_bounds(void) {
    static const cx_map maps[] = {CX_MAP_ELU, CX_MAP_GELU, CX_MAP_GELU_TANH, CX_MAP_SIGMOID, CX_MAP_SILU, CX_MAP_TANH};
    static double x[BLOCK], y[BLOCK];
    for (int t = 0; t < TABLES; ++t) {
        if (!runnable(tables[t])) continue;
        const bool f64 = tables[t]->dtype == CONVX_FLOAT64;
        for (size_t m = 0; m < sizeof maps / sizeof maps[0]; ++m) {
            double worst = 0, most = 0;
            for (int block = 0; block < BLOCKS; ++block) {
                sample(x, f64);
                apply(tables[t], maps[m], 1, x, NULL, y, BLOCK);
                for (int i = 0; i < BLOCK; ++i) {
                    const long double want = exact(maps[m], x[i]);
                    const bool overflows = maps[m] == CX_MAP_GELU_TANH && -gelu_argument(x[i]) > (f64 ? 709 : 88);
                    if (overflows && y[i] == 0) continue;
                    const double error = ulps(y[i], want, f64);
                    if (error / bound(maps[m], x[i]) > worst) worst = error / bound(maps[m], x[i]);
                    if (error > most) most = error;
                }
            }
            if (worst > 1)
                printf("%s %s map %d: %.3f of its bound, %.3f units in the last place\n", cx_isa_string(tables[t]->isa),
                       f64 ? "double" : "float", (int)maps[m], worst, most);
            CHECK(worst <= 1);
        }
    }
}

static void gradients_are_within_their_bounds(void) {
    static const cx_map maps[] = {CX_MAP_ELU_GRADIENT,     CX_MAP_GELU_GRADIENT, CX_MAP_GELU_TANH_GRADIENT,
                                  CX_MAP_SIGMOID_GRADIENT, CX_MAP_SILU_GRADIENT, CX_MAP_TANH_GRADIENT};
    static double x[BLOCK], gy[BLOCK], gx[BLOCK];
    for (int i = 0; i < BLOCK; ++i) gy[i] = i % 2 ? 1 : -4;
    for (int t = 0; t < TABLES; ++t) {
        if (!runnable(tables[t])) continue;
        const bool f64 = tables[t]->dtype == CONVX_FLOAT64;
        const long double eps = f64 ? DBL_EPSILON : FLT_EPSILON;
        for (size_t m = 0; m < sizeof maps / sizeof maps[0]; ++m) {
            double worst = 0;
            for (int block = 0; block < BLOCKS; ++block) {
                sample(x, f64);
                apply(tables[t], maps[m], 1, x, gy, gx, BLOCK);
                for (int i = 0; i < BLOCK; ++i) {
                    const long double want = gy[i] * exact_slope(maps[m], x[i]);
                    const double error = (double)(fabsl(gx[i] - want) / (eps * fabsl(gy[i]) * (1 + fabsl(x[i]))));
                    if (error > worst) worst = error;
                }
            }
            if (worst > 8)
                printf("%s %s map %d: %.3f eps\n", cx_isa_string(tables[t]->isa), f64 ? "double" : "float",
                       (int)maps[m], worst);
            CHECK(worst <= 8);
        }
    }
}

static void an_element_has_the_same_bits_wherever_it_stands(void) {
    static double x[BLOCK], y[BLOCK], again[BLOCK], gy[BLOCK];
    for (int t = 0; t < TABLES; ++t) {
        if (!runnable(tables[t])) continue;
        sample(x, tables[t]->dtype == CONVX_FLOAT64);
        for (int i = 0; i < BLOCK; ++i) gy[i] = 1 + i % 3;
        for (int map = CX_MAP_RELU; map <= CX_MAP_GELU_TANH_GRADIENT; ++map) {
            const bool gradient = map >= CX_MAP_RELU_GRADIENT;
            if (map == CX_MAP_SIGMOID_GRADIENT_OF_RESULT || map == CX_MAP_TANH_GRADIENT_OF_RESULT ||
                map == CX_MAP_ELU_GRADIENT_OF_RESULT)
                continue;
            apply(tables[t], (cx_map)map, 0.5, x, gradient ? gy : NULL, y, BLOCK);
            for (int from = 0; from < 40; from += 7)
                for (int n = 1; n < 40; ++n) {
                    apply(tables[t], (cx_map)map, 0.5, x + from, gradient ? gy + from : NULL, again, n);
                    CHECK(memcmp(again, y + from, (size_t)n * sizeof *y) == 0);
                }
        }
    }
}

/* ---- Softmax ----------------------------------------------------------------------------------------------------- */

enum { LONGEST = 300, WIDEST = 600 };
static double tensor[4][LONGEST * WIDEST];

/* Along the first of two axes (n, width), in a table's precision; forward, or with gy backward. */
static void softmax(const cx_kernels *table, bool across, int n, int width, bool log, const double *x, const double *gy,
                    double *result) {
    static float single[3][LONGEST * WIDEST];
    const bool f64 = table->dtype == CONVX_FLOAT64;
    for (int i = 0; i < n * width && !f64; ++i) {
        single[0][i] = (float)x[i];
        if (gy) single[1][i] = (float)gy[i];
    }
    cx_softmax_args a = {.x = f64 ? (const void *)x : single[0],
                         .gy = gy ? (f64 ? (const void *)gy : single[1]) : NULL,
                         .result = f64 ? (void *)result : single[2],
                         .n = n,
                         .log = log};
    if (across) {
        a.x_step = a.gy_step = a.result_step = width;
        table->layers->softmax.columns(&a, width / table->layers->softmax.lanes);
    } else {
        a.x_step = a.gy_step = a.result_step = n;
        (n <= CX_SHORT_ROW ? table->layers->softmax.short_rows : table->layers->softmax.long_rows)(&a, width);
    }
    for (int i = 0; i < n * width && !f64; ++i) result[i] = single[2][i];
}

static void check_softmax(const cx_kernels *table, bool across, int n, int width) {
    const bool f64 = table->dtype == CONVX_FLOAT64;
    const double eps = f64 ? DBL_EPSILON : FLT_EPSILON;
    double *x = tensor[0], *gy = tensor[1], *y = tensor[2], *gx = tensor[3];
    for (int i = 0; i < n * width; ++i) {
        x[i] = f64 ? random_unit() * 20 - 10 : (float)(random_unit() * 20 - 10);
        gy[i] = f64 ? random_unit() - 0.5 : (float)(random_unit() - 0.5);
    }
    const int step = across ? width : 1, apart = across ? 1 : n;
    for (int log = 0; log < 2; ++log) {
        softmax(table, across, n, width, log, x, NULL, y);
        softmax(table, across, n, width, log, y, gy, gx);
        for (int c = 0; c < width; ++c) {
            long double sum = 0, dot = 0;
            for (int k = 0; k < n; ++k) sum += expl(x[c * apart + k * step]);
            for (int k = 0; k < n; ++k)
                dot += gy[c * apart + k * step] * (log ? 1 : (long double)y[c * apart + k * step]);
            for (int k = 0; k < n; ++k) {
                const int at = c * apart + k * step;
                const long double share = expl(x[at]) / sum, want = log ? logl(share) : share;
                CHECK(fabsl(y[at] - want) <= (log ? 8 * eps * (1 + fabsl(want)) : (16 + n / 32) * eps * want));
                const long double slope = log ? gy[at] - expl(y[at]) * dot : y[at] * (gy[at] - dot);
                CHECK(fabsl(gx[at] - slope) <= 16 * eps * (1 + n / 64));
            }
        }
    }
}

static void softmax_of_rows_and_columns_is_within_its_bound(void) {
    static const int lengths[] = {1, 2, 3, 5, 7, 8, 10, 16, 17, 31, 32, 33, 64, 65, 100, 128, 255, LONGEST};
    for (int t = 0; t < TABLES; ++t) {
        if (!runnable(tables[t])) continue;
        const int lanes = tables[t]->layers->softmax.lanes;
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; ++i) {
            const int n = lengths[i];
            for (int vectors = 1; vectors * lanes <= WIDEST && vectors <= 32; vectors += 5)
                check_softmax(tables[t], true, n, vectors * lanes);
            for (int rows = 1; rows < (n <= CX_SHORT_ROW ? 200 : 4); rows += 1 + rows / 3)
                check_softmax(tables[t], false, n, rows);
        }
    }
}

int main(void) {
    RUN(functions_are_within_their_bounds);
    RUN(gradients_are_within_their_bounds);
    RUN(an_element_has_the_same_bits_wherever_it_stands);
    RUN(softmax_of_rows_and_columns_is_within_its_bound);
    return check_report();
}
