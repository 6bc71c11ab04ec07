/*
 * Template: pooling straight from its definition.
 *
 * Parameters
 *   REAL    float or double
 *   WIDE    the type of the sums
 *   NAME(x) the name of a function for this REAL
 */

typedef struct NAME(window_result) {
    REAL value;
    int64_t index, taps, places;
} NAME(window_result);

static NAME(window_result) NAME(pool_window)(const cx_pool *p, const REAL *x, const int64_t at[3]) {
    cx_window w[3];
    for (int d = 0; d < 3; ++d) w[d] = cx_pool_window(p, d, at[d]);
    NAME(window_result) r = {0, -1, 0, w[0].places * w[1].places * w[2].places};
    REAL most = -(REAL)INFINITY;
    WIDE sum = 0;
    for (int64_t i = 0; i < w[0].count; ++i)
        for (int64_t j = 0; j < w[1].count; ++j)
            for (int64_t k = 0; k < w[2].count; ++k) {
                const int64_t place[3] = {w[0].first + i * p->dilation[0], w[1].first + j * p->dilation[1],
                                          w[2].first + k * p->dilation[2]};
                const REAL v = x[offset_of(&p->x, place)];
                sum += v;
                if (r.taps++ == 0 || v > most || isnan(v)) {
                    most = v;
                    r.index = (place[0] * p->in[1] + place[1]) * p->in[2] + place[2];
                }
            }
    r.value = p->max ? most : r.taps == 0 ? 0 : (REAL)(sum / (WIDE)cx_pool_divisor(p, r.places));
    return r;
}

static void NAME(forward_plane)(void *context, int64_t index, int worker) {
    const reference_run *run = context;
    const cx_pool *p = run->pool;
    const REAL *x = (const REAL *)run->tensors->x + plane_of(p, &p->x, index);
    REAL *y = (REAL *)run->tensors->result + plane_of(p, &p->y, index);
    int64_t *found = run->tensors->found ? run->tensors->found + plane_of(p, &p->index, index) : NULL;
    int64_t at[3];
    (void)worker;
    for (int64_t i = 0; i < cx_count3(p->out); ++i) {
        place_of(p->out, i, at);
        const NAME(window_result) r = NAME(pool_window)(p, x, at);
        y[offset_of(&p->y, at)] = r.value;
        if (found) found[offset_of(&p->index, at)] = r.index;
    }
}

/* Adds a share of the output's gradient to each tap of its window. */
static void NAME(spread)(const cx_pool *p, const int64_t at[3], REAL grad, REAL *gx) {
    cx_window w[3];
    for (int d = 0; d < 3; ++d) w[d] = cx_pool_window(p, d, at[d]);
    const REAL share = grad / (REAL)cx_pool_divisor(p, w[0].places * w[1].places * w[2].places);
    for (int64_t i = 0; i < w[0].count; ++i)
        for (int64_t j = 0; j < w[1].count; ++j)
            for (int64_t k = 0; k < w[2].count; ++k) {
                const int64_t place[3] = {w[0].first + i * p->dilation[0], w[1].first + j * p->dilation[1],
                                          w[2].first + k * p->dilation[2]};
                gx[offset_of(&p->gx, place)] += share;
            }
}

static void NAME(backward_plane)(void *context, int64_t index, int worker) {
    reference_run *run = context;
    const cx_pool *p = run->pool;
    const cx_pool_tensors *t = run->tensors;
    const int64_t places = cx_count3(p->in);
    REAL *gx = (REAL *)t->result + plane_of(p, &p->gx, index);
    const REAL *gy = (const REAL *)t->y + plane_of(p, &p->y, index);
    int64_t at[3], place[3];
    (void)worker;
    for (int64_t i = 0; i < places; ++i) {
        place_of(p->in, i, place);
        gx[offset_of(&p->gx, place)] = 0;
    }
    for (int64_t i = 0; i < cx_count3(p->out); ++i) {
        place_of(p->out, i, at);
        const REAL grad = gy[offset_of(&p->y, at)];
        if (!p->max) {
            NAME(spread)(p, at, grad, gx);
            continue;
        }
        const int64_t found = t->indices
                                  ? t->indices[plane_of(p, &p->index, index) + offset_of(&p->index, at)]
                                  : NAME(pool_window)(p, (const REAL *)t->x + plane_of(p, &p->x, index), at).index;
        if (found < -1 || found >= places) {
            atomic_store(&run->invalid, true);
        } else if (found >= 0) {
            place_of(p->in, found, place);
            gx[offset_of(&p->gx, place)] += grad;
        }
    }
}

#undef REAL
#undef WIDE
#undef NAME
