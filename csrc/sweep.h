/*
 * The backward sweep: from one node down to the inputs, multiplying and accumulating.
 *
 * A sweep leaves the adjoints of the inputs in tape->adjoints and all others at 0; who reads
 * an input's adjoint sets it back to 0.  It needs fad_tape_reserve_adjoints beforehand.
 */
#ifndef FAD_SWEEP_H
#define FAD_SWEEP_H

#include <math.h>

#include "tape.h"

/* A product in which an exact zero absorbs what is not finite, and counts it. */
static inline double
fad_absorbing_product(double adjoint, double partial, uint64_t *n_absorbed)
{
    if (adjoint == 0.0 || partial == 0.0) {
        *n_absorbed += !isfinite(adjoint) || !isfinite(partial);
        return 0.0;
    }
    return adjoint * partial;
}

/* The hot loop: plain IEEE arithmetic, so 0 * inf is nan. */
void fad_sweep_backward(fad_tape *tape, uint32_t from, double seed);

/*
 * The same where a partial or an adjoint is not finite: an exact zero absorbs it.  reached
 * holds a zero byte for each node up to from; on return it is 1 where from depends on the node.
 * Returns how many products a zero absorbed.
 */
uint64_t fad_sweep_backward_carefully(fad_tape *tape, uint32_t from, double seed,
                                      unsigned char *reached);

/* Sets reached (as above) without touching an adjoint. */
void fad_sweep_reach(const fad_tape *tape, uint32_t from, unsigned char *reached);

#endif
