/*
 * Inside implicit GEMM (conv_gemm.c): one correlation as a matrix product (conv_gemm_part.c), and what the products of a
 * pass cost (conv_gemm_cost.c).
 */
#ifndef CX_ALGO_CONV_GEMM_PART_H
#define CX_ALGO_CONV_GEMM_PART_H

#include "algo/conv_gemm.h"

#define CX_GEMM_CALL_COST 2500.0 /* cycles of setting up, whatever the size */
#define CX_GEMM_MAX_PARTS 32     /* correlations set up or priced at a time */

/* Bits of a decision's variant. The two ways: see conv_gemm.c. */
enum {
    CX_GEMM_WAY_PIXELS = 0,
    CX_GEMM_WAY_CHANNELS = 1,
    CX_GEMM_WEIGHTS_KEPT = 2,
    CX_GEMM_WAY_SPREAD = 4,
    CX_GEMM_CHANNELS_FASTEST = 8,
    CX_GEMM_WEIGHTS_TOGETHER = 16 /* of all phases are packed at once, before the run */
};

/* How the product reads the weights. */
typedef enum cx_gemm_weight_form {
    CX_GEMM_WEIGHTS_IN_PLACE,
    CX_GEMM_WEIGHTS_PACKED,    /* all of them, before the run or in the plan */
    CX_GEMM_WEIGHTS_ON_THE_WAY /* block by block: where pixels are so few that each block is used once */
} cx_gemm_weight_form;

/* One correlation as a product. */
typedef struct cx_gemm_part {
    cx_correlation c;
    /* whichever way: see cx_gemm_part_describe() */
    cx_patch_order order;
    int64_t pixels, k;
    cx_axis weight_axis; /* k, as the weights lie */
    bool affine;         /* the patches lie as a matrix does */
    cx_axis pixel_rows;  /* its rows, then */
    /* one way: see set_up() in conv_gemm.c */
    const void *weights; /* w[0,0,0,0] of this correlation, or the packed ones */
    cx_gemm_weight_form form;
    bool in_place, band; /* patches */
    cx_gemm_blocks blocks;
    int64_t m, n;
    int64_t n_tasks, m_tasks, first_task;
    int64_t unit, m_unit; /* of columns and of rows that tasks are cut by */
    int64_t chunk;        /* of columns, where this and the next part are twins: see run_twins() there; else 0 */
} cx_gemm_part;

static inline cx_patch_order cx_gemm_order_of(int variant) {
    return variant & CX_GEMM_CHANNELS_FASTEST ? CX_CHANNELS_FASTEST : CX_TAPS_FASTEST;
}

/*
 * The order in which channels and taps are summed. It decides the bits, so it must not depend on the batch, the
 * threads, the way or on whether weights are kept. Channels run fastest where they lie side by side in the source,
 * unless the map is so small that reading the weights as they lie matters more.
 */
cx_patch_order cx_gemm_order(const cx_conv *conv);

/* All that does not depend on the way, of a part whose correlation is set. */
void cx_gemm_part_describe(cx_gemm_part *p, cx_patch_order order);
cx_gemm_weight_form cx_gemm_part_form(const cx_gemm_part *p, const cx_kernels *kernels, int variant);

/* ---- Kinds of parts, and their cost: conv_gemm_cost.c ----------------------------------------------------------- */

/*
 * The correlations of a pass by kind, since choosing an algorithm has no time to look at every stride phase: those with
 * as many taps and places, and patches that all lie inside, if one tap makes them, cost the same and need the same memory.
 * Kinds of the three dimensions combine.
 */
#define CX_GEMM_MOST_KINDS 8 /* of one dimension */

typedef struct cx_gemm_dimension {
    int64_t phases;
    int kinds;
    struct {
        int64_t taps, grid, origin, times;
        bool inside;
    } kind[CX_GEMM_MOST_KINDS];
    unsigned char of[CX_GEMM_MAX_PARTS]; /* the first phases */
} cx_gemm_dimension;

typedef struct cx_gemm_kinds {
    cx_patch_order order;
    cx_gemm_dimension dim[3];
    int count;
    cx_gemm_part p; /* of one kind at a time; where it is in the tensors is not kept */
} cx_gemm_kinds;

void cx_gemm_kinds_of(const cx_conv *conv, cx_patch_order order, cx_gemm_kinds *all);
/* Makes the part one of this kind, and describes it. Returns how many correlations are. */
int64_t cx_gemm_take_kind(cx_gemm_kinds *all, int index);

/* Costs of the two ways, over the correlations: the first of them, if they are many. */
void cx_gemm_costs(const cx_kernels *kernels, int variant, cx_gemm_kinds *all, double cost[2]);

/*
 * Patches as rows: a copy of each, or a band (band.h) where that is less work although tiles end with each row of the
 * grid, for which short tiles leave FMA latency uncovered. The order of the sum is the same.
 */
double cx_gemm_patch_rows_cost(const cx_correlation *c, const cx_kernels *kernels, int variant, bool *band);

#endif
