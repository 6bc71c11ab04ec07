/* Winograd convolution: what its decision (winograd.c) and its run (winograd_run.c) share. */
#ifndef CX_ALGO_WINOGRAD_H
#define CX_ALGO_WINOGRAD_H

#include "algo/algorithm.h"
#include "base/correlation.h"

/* Bits of a decision's variant. The low ones are the outputs of a tile along a dimension of several taps. */
enum {
    CX_WINOGRAD_OUTPUTS = 7,
    CX_WINOGRAD_CHANNELS = 8, /* vectors along channels, not along tiles */
    CX_WINOGRAD_KEPT = 16,    /* filters are transformed in advance */
    CX_WINOGRAD_SHARED = 32,  /* few tiles: transformed once for all threads, which share out the result's channels */
    CX_WINOGRAD_ON_THE_WAY = 64, /* filters are transformed block by block where they are used */
};

/*
 * One layer, set up. The transformed filters are blocks of `co_block` result channels by `k_block` of the sum, each
 * [point][panel of channels][k][channel of the panel]: panels are the micro-kernel's rows, or its columns with vectors
 * along channels.
 */
typedef struct cx_winograd {
    cx_correlation c; /* its taps run forwards */
    cx_winograd_grid grid;
    int variant, points;
    int64_t k, tiles;                 /* of the sum, and of all images */
    int64_t block, co_block, k_block; /* tiles, result channels, and k worked on at a time */
    int64_t tile_unit;                /* blocks of tiles end where vectors do, or panels if shared; as rows anywhere */
    int64_t co_width, panel;          /* channels of one group, up to whole panels; and of a panel */
    int64_t input_row, input_point;   /* steps of transformed patches: a panel or a tile, and a point */
    int64_t product_row, product_point; /* steps of products: a channel or a tile, and a point */
    int64_t filter_point;               /* step of transformed filters */
    size_t size;                        /* of an element */
    size_t input_bytes, filter_bytes, product_bytes, scratch_bytes; /* of a block, all tiles if shared */
} cx_winograd;

/* An axis for tiles of so many outputs; a text says why not. */
const char *cx_winograd_set_axis(int64_t stride, int64_t taps, int64_t dilation, int outputs, cx_winograd_axis *axis);
/* Cuts dimension d of a grid, whose axes and places are set, into tiles; how many there are, in all phases. */
int64_t cx_winograd_cut(cx_winograd_grid *grid, int d, int64_t dilation);

/*
 * Adds SHARED and ON_THE_WAY to the variant where they pay for so many threads; with 0 the variant is decided. False with
 * *reason where the method does not apply.
 */
bool cx_winograd_set_up(const cx_conv *conv, const cx_kernels *kernels, int variant, int threads, cx_winograd *winograd,
                        const char **reason);

/* Bytes of the transformed filters of all groups. */
size_t cx_winograd_filter_bytes(const cx_winograd *winograd);

void cx_winograd_pack(const cx_winograd *winograd, const cx_kernels *kernels, int threads, const void *weights,
                      void *packed);
void cx_winograd_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                     const cx_tensors *tensors, void *workspace);

/* The same result by GEMM, for which the plain weights are used; by the reference where there is no memory. */
void cx_winograd_redo(const cx_conv *conv, const cx_kernels *kernels, int threads, const cx_tensors *tensors);

/* Weight gradients: winograd_weight.c. */
bool cx_winograd_weight_decide(const cx_conv *conv, const cx_kernels *kernels, int outputs, int threads,
                               cx_decision *decision);
void cx_winograd_weight_run(const cx_conv *conv, const cx_kernels *kernels, const cx_decision *decision,
                            const cx_tensors *tensors, void *workspace);

#endif
