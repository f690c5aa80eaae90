/*
 * Fusing: a product that is used once, in a sum or a difference, becomes one instruction with
 * it, and a negation that is used once, in either of them, turns a sum into a difference or
 * back.
 *
 *   %3 = neg %0                    %3 = neg %0           dead now
 *   %4 = mul %3 %1                 %4 = mul %3 %1        dead now
 *   %5 = add %4 %2          ->     %5 = mulsub %0 %1 %2
 *
 * muladd and mulsub round twice, as the two instructions did, and a sign rounds nothing: no bit
 * changes.  A derivative has a product and a sum for most of its edges.
 */
#ifndef FAD_FUSE_H
#define FAD_FUSE_H

#include "program.h"

/* Rewrites the program in place, and leaves dead instructions behind.  0, or -1 without
   memory: the program is then as it was. */
int fad_program_fuse(fad_program *program);

#endif
