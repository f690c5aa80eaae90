/*
 * Running a schedule on many points.
 *
 * 16 points make a block.  A slot holds one number for each of them, side by side, and
 * each step is carried out on all of them by a kernel for the machine's instruction set:
 *
 *   slots     lane 0  1  2 ... 15
 *     0          x  x  x      x     an input at 16 points
 *     1          c  c  c      c     a constant
 *     2          v  v  v      v     the result of a step
 *
 * Kernels have mathematics of their own (lanes_math.h), with errors of a few ulps
 * (lanes.def), except for those of the set "plain", which give the bits of
 * fad_replay_schedule.  What a point gets does not depend on its lane, its block, or their
 * number.
 *
 * Where runs are short, because most steps wait for the one before, a kernel has little to do
 * at a time: then 64 points make a block, as long as none raises a flag.
 *
 * Nothing here allocates or takes a lock: a schedule may run in several threads at once,
 * each with scratch memory of its own.
 */
#ifndef FAD_BATCH_H
#define FAD_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "schedule.h"

enum { FAD_LANES = 16, FAD_WIDE_LANES = 64 }; /* of a block */

/* How accurate the rows with mathematics of their own are: see lanes.def. */
typedef struct {
    const char *name;
    double ulps;
    const char *beyond; /* the arguments that are left to the row */
} fad_batch_bound;

extern const fad_batch_bound fad_batch_bounds[]; /* the last one has no name */

/* An input or output at all points: that of point p is numbers[p * stride].  For an input
   stride 0 says that it is the same at all points. */
typedef struct {
    double *numbers;
    ptrdiff_t stride;
} fad_column;

typedef struct {
    const fad_column *inputs;  /* n_inputs of them */
    const fad_column *outputs; /* n_outputs of them; none overlaps an input */
    const size_t *points;      /* the n points to run, or NULL: first, first + 1, ... */
    size_t first, n;
    uint32_t *failed; /* by point: the number of the first guard that fails, or
                         FAD_NO_GUARD; if one does, the outputs mean nothing */
    uint8_t *flagged; /* by point: whether an output is nan, or INVALID, DIVBYZERO or
                         OVERFLOW was raised in its block by points whose guards hold */
} fad_batch;

/* Bytes of scratch memory for a run of the schedule. */
size_t fad_batch_scratch(const fad_schedule *schedule);

/* Runs the schedule on the points.  set: one that this machine has (sets.h).  scratch: as many
   bytes as fad_batch_scratch says.  Clears the exception flags of this thread.  Returns
   whether all is well: no guard failed, and no point is flagged. */
int fad_batch_run(const fad_schedule *schedule, int set, const fad_batch *batch,
                  void *scratch);

#endif
