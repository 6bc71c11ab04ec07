/* Packing all weights of a correlation before a run, or for a plan: threads share out panels, or bands of rows. */
#include "algo/conv_gemm.h"
#include "base/threads.h"

typedef struct pack_job {
    const cx_kernels *kernels;
    const cx_correlation *c;
    const void *weights;
    char *packed;
    size_t size;
    bool panels;
    cx_patch_order order;
    int64_t pieces; /* of one group: panels, or rows */
} pack_job;

#define PACK_K    256 /* offsets looked up at a time */
#define PACK_ROWS 16  /* rows packed together: neighbours share cache lines */

/* k in the order in which weights most likely lie in memory; row says where each goes in the order of the sum. */
static void look_up_k(const pack_job *j, const cx_axis *axis, int64_t k0, int64_t kn, int64_t *offset, int64_t *row) {
    const int64_t taps = cx_count3(j->c->taps);
    cx_axis_offsets(axis, k0, kn, offset);
    for (int64_t i = 0; i < kn; ++i)
        row[i] = j->order == CX_TAPS_FASTEST ? k0 + i : (k0 + i) % taps * j->c->ci + (k0 + i) / taps;
}

static void pack_piece(void *context, int64_t index, int worker) {
    (void)worker;
    const pack_job *j = context;
    const cx_correlation *c = j->c;
    const int64_t k = c->ci * cx_count3(c->taps), group = index / j->pieces, piece = index % j->pieces;
    /* panels are filled in the order of memory; rows of the other way must be written in the order of the sum */
    const bool panels = j->panels;
    cx_axis axis;
    cx_weight_k_axis(c, panels ? CX_TAPS_FASTEST : j->order, &axis);
    const int64_t unit = panels ? j->kernels->gemm.nr : PACK_ROWS;
    const int64_t first = piece * unit, count = cx_min(unit, c->co - first);
    const void *src = cx_at(j->weights, group * c->w_group, j->size);
    char *dst = j->packed + (size_t)(group * cx_packed_weights(c, j->kernels, panels) + first * k) * j->size;
    int64_t channel_offset[CX_GEMM_MAX_NR], k_offset[PACK_K], k_row[PACK_K];
    for (int64_t i = 0; i < count; ++i) channel_offset[i] = (first + i) * c->w_co;
    for (int64_t k0 = 0; k0 < k; k0 += PACK_K) {
        const int64_t kn = cx_min(k - k0, PACK_K);
        look_up_k(j, &axis, k0, kn, k_offset, k_row);
        if (panels)
            j->kernels->gemm.pack_panel(src, k_offset, k_row, kn, channel_offset, count, dst);
        else
            j->kernels->gemm.pack_rows(src, channel_offset, count, k_offset, kn, dst + (size_t)k0 * j->size, k);
    }
}

void cx_pack_weights(const cx_correlation *c, const cx_kernels *kernels, bool panels, cx_patch_order order, int threads,
                     const void *weights, void *packed) {
    pack_job j = {kernels, c, weights, packed, cx_dtype_size(kernels->dtype), panels, order, 0};
    j.pieces = cx_ceil_div(c->co, panels ? kernels->gemm.nr : PACK_ROWS);
    cx_parallel_for(c->groups * j.pieces, threads, pack_piece, &j);
}
