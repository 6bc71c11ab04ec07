/*
 * Template: optimisers' steps on the elements [0, n) of one element type.
 *
 * Parameters
 *   REAL     float or double
 *   NAME(x)  the name of a function for this REAL
 *   ROOT     its square root
 */

static void NAME(sgd)(const sgd_job *job, int64_t first, int64_t n) {
    const convx_sgd_params *p = job->params;
    const REAL rate = (REAL)p->rate, momentum = (REAL)p->momentum, decay = (REAL)p->weight_decay;
    const REAL fresh = (REAL)(1 - p->dampening);
    const REAL *restrict gradient = (const REAL *)job->gradient + first;
    REAL *restrict parameter = (REAL *)job->parameter + first;
    if (p->momentum == 0) {
        for (int64_t i = 0; i < n; ++i) parameter[i] -= rate * (gradient[i] + decay * parameter[i]);
        return;
    }
    REAL *restrict velocity = (REAL *)job->velocity + first;
    if (p->flags & CONVX_SGD_FIRST_STEP)
        for (int64_t i = 0; i < n; ++i) velocity[i] = gradient[i] + decay * parameter[i];
    else
        for (int64_t i = 0; i < n; ++i)
            velocity[i] = momentum * velocity[i] + fresh * (gradient[i] + decay * parameter[i]);
    if (p->flags & CONVX_SGD_NESTEROV)
        for (int64_t i = 0; i < n; ++i)
            parameter[i] -= rate * (gradient[i] + decay * parameter[i] + momentum * velocity[i]);
    else
        for (int64_t i = 0; i < n; ++i) parameter[i] -= rate * velocity[i];
}

static void NAME(adam)(const adam_job *job, int64_t first, int64_t n) {
    const convx_adam_params *p = job->params;
    const REAL decay = (REAL)p->weight_decay, epsilon = (REAL)p->epsilon;
    const REAL toward = (REAL)(1 - p->beta1), beta2 = (REAL)p->beta2, fresh = (REAL)(1 - p->beta2);
    const REAL rate = (REAL)job->rate, root = (REAL)job->inverse_root;
    const REAL *restrict gradient = (const REAL *)job->gradient + first;
    REAL *restrict parameter = (REAL *)job->parameter + first;
    REAL *restrict mean = (REAL *)job->mean + first;
    REAL *restrict square = (REAL *)job->square + first;
    if (!job->largest) {
        for (int64_t i = 0; i < n; ++i) {
            const REAL g = gradient[i] + decay * parameter[i];
            mean[i] += toward * (g - mean[i]);
            square[i] = beta2 * square[i] + fresh * g * g;
            parameter[i] -= rate * mean[i] / (ROOT(square[i]) * root + epsilon);
        }
        return;
    }
    REAL *restrict largest = (REAL *)job->largest + first;
    for (int64_t i = 0; i < n; ++i) {
        const REAL g = gradient[i] + decay * parameter[i];
        mean[i] += toward * (g - mean[i]);
        square[i] = beta2 * square[i] + fresh * g * g;
        largest[i] = largest[i] >= square[i] ? largest[i] : square[i]; /* so that a NaN stays */
        parameter[i] -= rate * mean[i] / (ROOT(largest[i]) * root + epsilon);
    }
}

#undef REAL
#undef NAME
#undef ROOT
