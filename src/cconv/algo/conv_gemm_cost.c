/* What implicit GEMM costs: each kind of correlation of a pass is priced once, in both ways. */
#include "algo/conv_gemm_part.h"

#include "base/integer.h"
#include "gemm/stack.h"

double cx_gemm_patch_rows_cost(const cx_correlation *c, const cx_kernels *kernels, int variant, bool *band) {
    const bool runs = variant & CX_GEMM_CHANNELS_FASTEST; /* of a row of taps each */
    const double k = (double)c->ci * (double)cx_count3(c->taps), pixels = (double)c->batch * (double)cx_count3(c->grid);
    const double places = (double)(c->taps[0] * c->taps[1] * (runs ? 1 : c->taps[2]));
    const double copies =
        pixels * (k * (runs ? CX_COST_COPY_RUN : CX_COST_COPY_STRIDED) + places * CX_COST_LOCATE_PLACE);
    *band = false;
    if (c->taps[2] < 2 || c->tap_step[2] != 1 || c->step[2] > c->taps[2]) return copies;
    if (runs ? c->src.channel != 1 || c->src.space[2] != c->ci : c->src.space[2] != 1) return copies;
    const double rows = (double)c->batch * (double)(c->grid[0] * c->grid[1]);
    const double lines = rows * (double)(c->taps[0] * c->taps[1]) * (double)(runs ? 1 : c->ci);
    const double length = (double)((c->grid[2] - 1) * c->step[2] + c->taps[2]) * (double)(runs ? c->ci : 1);
    const int64_t mr = kernels->gemm.mr, tiles = cx_ceil_div(c->grid[2], mr), least = 8 / kernels->gemm.nv;
    /* as pixels: chains that are missing, and panels that are read once more */
    const double chains = rows * (double)cx_max(tiles * least - c->grid[2], 0);
    const double reread = kernels->gemm.nv > 2 ? 0.15 : 0.5; /* which wide tiles have time for */
    const double panels = reread * (rows * (double)(tiles * mr) - pixels);
    const double idle = chains > panels ? chains : panels;
    const double product =
        idle * k * (double)cx_ceil_div(c->co, kernels->lanes) / (2 * CX_COST_TILE_SHARE) * cx_vector_pace(kernels);
    const double cost = lines * (length * CX_COST_BAND + CX_COST_BAND_LINE) + product;
    *band = cost < copies;
    return *band ? cost : copies;
}

static double cost_of(const cx_gemm_part *p, const cx_kernels *kernels, int variant) {
    const cx_correlation *c = &p->c;
    const double k = (double)c->ci * (double)cx_count3(c->taps), pixels = (double)c->batch * (double)cx_count3(c->grid);
    const double co = (double)c->co;
    const int64_t lanes = kernels->lanes, vectors = kernels->gemm.nv;
    const bool channels = variant & CX_GEMM_WAY_CHANNELS;
    const int64_t n = channels ? c->co : p->pixels, m = channels ? p->pixels : c->co;
    const int64_t nr = kernels->gemm.nr, whole = n / nr; /* few divisions: every kind of part comes here */
    const double padded = (double)lanes * cx_gemm_vectors_of(kernels, n) + 0.25 * (double)(nr - (n - whole * nr));
    /* short tiles leave FMA latency uncovered: at least about eight chains are needed */
    const double rows = m * vectors < 8 ? 8.0 / (double)vectors : (double)m;
    /* channels are packed once, and their panels read many times */
    const double share = !channels ? CX_COST_TILE_SHARE : vectors > 2 ? 0.98 : 0.95;
    double cost = rows * padded * (k + 5) / (2.0 * (double)lanes * share) * cx_vector_pace(kernels);
    const bool kept = variant & CX_GEMM_WEIGHTS_KEPT;
    if (channels) {
        bool band;
        if (!p->affine) cost += cx_gemm_patch_rows_cost(c, kernels, variant, &band);
        if (!kept) cost += co * k * CX_COST_COPY_STRIDED;
        if (c->dst.channel != 1)
            cost += pixels * co *
                    (c->dst.space[2] != 1             ? CX_COST_SCATTER
                     : cx_vector_bytes(kernels) == 64 ? CX_COST_STORE_ACROSS_WIDE
                                                      : CX_COST_STORE_ACROSS);
    } else {
        const int64_t step = c->step[2] * c->src.space[2];
        cost += pixels * k * (step == 1 || step == 2 ? CX_COST_COPY_RUN : CX_COST_COPY_STRIDED);
        if (c->grid[2] < lanes && lanes % c->grid[2] != 0) { /* vectors of three pieces of rows, and more */
            const double share = 2 * (double)(lanes - c->grid[2]) / (double)lanes;
            cost += padded / (double)lanes * k * CX_COST_MORE_PIECES * (share < 1 ? share : 1);
        }
        const double rows_met = 1 + (double)nr / (double)c->grid[2];
        const double panels = (double)(whole + (n > whole * nr));
        const bool matrix = p->affine && cx_axis_step(&p->pixel_rows) == 1; /* nothing to locate */
        cost += panels * (matrix ? CX_COST_PANEL / 4
                                 : (double)cx_count3(c->taps) * rows_met * CX_COST_LOCATE_TAP + CX_COST_PANEL);
        if (cx_gemm_part_form(p, kernels, variant) != CX_GEMM_WEIGHTS_IN_PLACE && !kept)
            cost += co * k * CX_COST_COPY_WEIGHTS;
        const double store = c->dst.space[2] == 2  ? CX_COST_JOIN
                             : c->dst.channel == 1 ? CX_COST_STORE_ACROSS
                                                   : CX_COST_SCATTER;
        if (c->dst.space[2] != 1) cost += pixels * co * store;
    }
    return (cost + CX_COST_GROUP) * (double)c->groups;
}

static void look_at_dimension(const cx_conv *conv, int d, cx_correlation *c, cx_gemm_dimension *dim) {
    dim->phases = conv->pass == CONVX_FORWARD ? 1 : cx_correlation_phases(conv, d);
    dim->kinds = 0;
    for (int64_t phase = 0; phase < dim->phases; ++phase) {
        if (phase > 0) cx_correlation_set_phase(conv, d, phase, c);
        cx_correlation_ascend_in(c, d);
        const int64_t taps = c->taps[d], grid = c->grid[d], origin = c->origin[d];
        const bool inside = taps == 1 && origin >= 0 && (grid - 1) * c->step[d] + origin < c->extent[d];
        int k = 0;
        while (k < dim->kinds &&
               (dim->kind[k].taps != taps || dim->kind[k].grid != grid || dim->kind[k].inside != inside))
            ++k;
        if (k == dim->kinds) {
            dim->kind[k].taps = taps;
            dim->kind[k].grid = grid;
            dim->kind[k].origin = origin;
            dim->kind[k].times = 0;
            dim->kind[k].inside = inside;
            ++dim->kinds;
        }
        ++dim->kind[k].times;
        if (phase < CX_GEMM_MAX_PARTS) dim->of[phase] = (unsigned char)k;
    }
}

void cx_gemm_kinds_of(const cx_conv *conv, cx_patch_order order, cx_gemm_kinds *all) {
    cx_correlation *c = &all->p.c;
    all->order = order;
    all->count = 1;
    cx_correlation_get(conv, 0, c);
    for (int d = 0; d < 3; ++d) {
        look_at_dimension(conv, d, c, &all->dim[d]);
        all->count *= all->dim[d].kinds;
    }
    all->p.weights = NULL;
}

int64_t cx_gemm_take_kind(cx_gemm_kinds *all, int index) {
    cx_correlation *c = &all->p.c;
    int64_t times = 1;
    for (int d = 2; d >= 0; --d) {
        const cx_gemm_dimension *dim = &all->dim[d];
        const int k = dim->kinds == 1 ? 0 : index % dim->kinds;
        c->taps[d] = dim->kind[k].taps;
        c->grid[d] = dim->kind[k].grid;
        c->origin[d] = dim->kind[k].origin;
        times *= dim->kind[k].times;
        if (dim->kinds > 1) index /= dim->kinds;
    }
    cx_gemm_part_describe(&all->p, all->order);
    return times;
}

void cx_gemm_costs(const cx_kernels *kernels, int variant, cx_gemm_kinds *all, double cost[2]) {
    const cx_gemm_dimension *dim = all->dim;
    const int64_t parts = dim[0].phases * dim[1].phases * dim[2].phases, looked_at = cx_min(parts, CX_GEMM_MAX_PARTS);
    double known[CX_GEMM_MAX_PARTS][2]; /* of the first kinds */
    bool is_known[CX_GEMM_MAX_PARTS] = {false};
    int64_t phase[3] = {0, 0, 0};
    cost[CX_GEMM_WAY_PIXELS] = cost[CX_GEMM_WAY_CHANNELS] = CX_GEMM_CALL_COST;
    for (int64_t i = 0; i < looked_at; ++i) {
        const int index =
            (dim[0].of[phase[0]] * dim[1].kinds + dim[1].of[phase[1]]) * dim[2].kinds + dim[2].of[phase[2]];
        double beyond[2], *each = index < CX_GEMM_MAX_PARTS ? known[index] : beyond;
        if (index >= CX_GEMM_MAX_PARTS || !is_known[index]) {
            cx_gemm_take_kind(all, index);
            for (int way = 0; way < 2; ++way)
                each[way] = cost_of(&all->p, kernels, variant | way) * (double)parts / (double)looked_at;
            if (index < CX_GEMM_MAX_PARTS) is_known[index] = true;
        }
        for (int way = 0; way < 2; ++way) cost[way] += each[way];
        for (int d = 2; d >= 0 && ++phase[d] == dim[d].phases; --d) phase[d] = 0;
    }
}
