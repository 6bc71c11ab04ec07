/*
 * Template: unpooling of one channel.
 *
 * Parameters
 *   BITS     an unsigned type of the elements' size
 *   NAME(x)  the name of a function for this BITS
 */

static void NAME(clear)(const unpool_run *run, BITS *x) {
    const cx_pool *p = run->pool;
    if (run->dense) {
        memset(x, 0, (size_t)run->places * sizeof(BITS));
        return;
    }
    for (int64_t d = 0; d < p->in[0]; ++d)
        for (int64_t h = 0; h < p->in[1]; ++h)
            for (int64_t w = 0; w < p->in[2]; ++w) x[d * p->x.space[0] + h * p->x.space[1] + w * p->x.space[2]] = 0;
}

/* Moves each element between its place in y and the place in x that its index names. */
static inline void NAME(move)(unpool_run *run, int64_t plane, BITS *x, BITS *y, bool to_x) {
    const cx_pool *p = run->pool;
    const int64_t n = plane / p->channels, c = plane % p->channels;
    const int64_t *indices = run->tensors->indices + n * p->index.batch + c * p->index.channel;
    for (int64_t d = 0; d < p->out[0]; ++d)
        for (int64_t h = 0; h < p->out[1]; ++h) {
            const int64_t *row = indices + d * p->index.space[0] + h * p->index.space[1];
            BITS *values = y + d * p->y.space[0] + h * p->y.space[1];
            for (int64_t w = 0; w < p->out[2]; ++w) {
                const int64_t index = row[w * p->index.space[2]];
                if (index < 0 || index >= run->places) {
                    atomic_store_explicit(&run->invalid, true, memory_order_relaxed);
                    continue;
                }
                BITS *place = x + offset_in_x(run, index), *value = values + w * p->y.space[2];
                if (to_x)
                    *place = *value;
                else
                    *value = *place;
            }
        }
}

static void NAME(scatter_plane)(void *context, int64_t plane, int worker) {
    unpool_run *run = context;
    const cx_pool *p = run->pool;
    const int64_t n = plane / p->channels, c = plane % p->channels;
    BITS *x = (BITS *)run->tensors->result + n * p->x.batch + c * p->x.channel;
    BITS *y = (BITS *)(uintptr_t)run->tensors->y + n * p->y.batch + c * p->y.channel;
    (void)worker;
    NAME(clear)(run, x);
    NAME(move)(run, plane, x, y, true);
}

static void NAME(gather_plane)(void *context, int64_t plane, int worker) {
    unpool_run *run = context;
    const cx_pool *p = run->pool;
    const int64_t n = plane / p->channels, c = plane % p->channels;
    BITS *x = (BITS *)(uintptr_t)run->tensors->x + n * p->x.batch + c * p->x.channel;
    BITS *y = (BITS *)run->tensors->result + n * p->y.batch + c * p->y.channel;
    (void)worker;
    NAME(move)(run, plane, x, y, false);
}

#undef BITS
#undef NAME
