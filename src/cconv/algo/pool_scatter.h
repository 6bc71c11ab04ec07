/*
 * The gradient of maxima whose indices are given. A plane that is large, or one of few, is cut into bands of rows; each is
 * cleared and filled while it is in the cache, from the windows that reach into it. A place gets its values in the order of the
 * windows, whatever the bands.
 *
 * Where windows have few places and channels lie side by side, a band is not filled by going where the indices say: each place of
 * a window takes the values whose index it is, with whole vectors.
 *
 * Indices of other places than the window's are allowed; where one is found, the plane is filled anew without bands.
 */
#ifndef CX_ALGO_POOL_SCATTER_H
#define CX_ALGO_POOL_SCATTER_H

#include "algo/pool.h"

convx_status cx_pool_scatter(const cx_pool *pool, const cx_pool_tensors *tensors);

#endif
