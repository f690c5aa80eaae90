/*
 * The sweeps over a tape, multiplying and accumulating: backward from one node or several
 * down to the inputs, with adjoints, and forward from the inputs up, with tangents.
 *
 * A backward sweep on the tape's own adjoints leaves the adjoints of the inputs in
 * tape->adjoints and all others at 0; who reads an input's adjoint sets it back to 0.  It needs
 * fad_tape_reserve_adjoints beforehand.
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
 * The same on a tape that holds much else.  What is older than all that from depends on costs
 * nothing, and what lies in between little.  Notes the inputs that it reaches, with adjoints
 * that are not 0, for fad_tape_reached_inputs.
 */
void fad_sweep_backward_in_a_crowd(fad_tape *tape, uint32_t from, double seed);

/* The same from the seeds, one or several, that are in the adjoints up to that of from. */
void fad_sweep_backward_from_seeds(fad_tape *tape, uint32_t from);

/*
 * The same where a partial or an adjoint is not finite: an exact zero absorbs it.  From the
 * seeds down to the node to; a sweep may be done in several pieces.  reached holds a byte for
 * each node, 1 for those with a seed, of which lowest is the lowest; on return it is 1 where
 * one of these depends on the node, and lowest is the lowest of all.  Notes the inputs that it
 * reaches behind the n_reached that are there.  Returns how many products a zero absorbed.
 */
uint64_t fad_sweep_backward_carefully(fad_tape *tape, uint32_t from, uint32_t to,
                                      uint32_t *lowest, unsigned char *reached);

/* Sets reached, and notes the inputs, as above, without touching an adjoint. */
void fad_sweep_reach(fad_tape *tape, uint32_t from, uint32_t lowest, unsigned char *reached);

/*
 * Sweeps in several directions at once, on memory of the caller's: a row of n numbers for
 * each node, row id beginning at id * n.  They are kernels of an instruction set (sets.h),
 * one that this machine has; all sets give the same bits.  The rows begin at a multiple of
 * FAD_ALIGNMENT, and 1, 2, 4, 8 and 16 directions are the fast ones.
 *
 * The plain ones will do if tape->n_odd is 0 and no result is nan.
 */

/* Rows up to from: seeds at first, and 0 elsewhere; afterwards what the inputs received, and
   0 elsewhere. */
void fad_sweep_backward_many(const fad_tape *tape, int set, uint32_t from, uint32_t n,
                             double *adjoints);

/* Rows up to to: those of the inputs are given, the others are written. */
void fad_sweep_forward_many(const fad_tape *tape, int set, uint32_t to, uint32_t n,
                            double *tangents);

/*
 * The same carefully, in at most 16 directions.  Bit d of reached[id] says whether direction d
 * reaches the node: where there are seeds the caller sets it, elsewhere it is 0 at first.  Each
 * returns how many products a zero absorbed in a direction that reached them.  Forward, needed
 * is 1 where a result depends on the node (fad_sweep_reach); the rows of others stay unwritten.
 */
uint64_t fad_sweep_backward_many_carefully(const fad_tape *tape, int set, uint32_t from,
                                           uint32_t n, double *adjoints, uint16_t *reached);
uint64_t fad_sweep_forward_many_carefully(const fad_tape *tape, int set, uint32_t to,
                                          uint32_t n, double *tangents, uint16_t *reached,
                                          const unsigned char *needed);

#endif
