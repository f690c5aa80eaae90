/*
 * Running a program on a point.
 *
 * Nothing here allocates or takes a lock: a program may run in several threads at once, each
 * with scratch memory of its own.
 */
#ifndef FAD_REPLAY_H
#define FAD_REPLAY_H

#include "program.h"
#include "schedule.h"
#include "tape.h"

/* inputs: n_inputs numbers.  values: room for n_instructions numbers, in which each
   instruction leaves its result, a guard whether it holds.  outputs: room for n_outputs
   numbers, or NULL.  Returns the number of the first guard that fails, or FAD_NO_GUARD. */
uint32_t fad_replay(const fad_program *program, const double *inputs, double *values,
                    double *outputs);

/* The same bits, 1.1 to 3 times as fast, for programs that run often.  slots: room for n_slots
   numbers.  inputs: n_inputs numbers, elsewhere or the first of the slots, where they stay.
   outputs: room for n_outputs numbers elsewhere.  Returns what fad_replay returns, whatever the
   order of the steps. */
uint32_t fad_replay_schedule(const fad_schedule *schedule, const double *inputs,
                             double *slots, double *outputs);

/*
 * fad_replay, recorded on a tape, so that sweeps from the nodes of the outputs give its
 * derivatives at this point.  Of where(c, y, z) the chosen argument alone is recorded.
 *
 * values: room for n_instructions numbers; NULL: what is recorded is what may depend on what, at
 * any point, of where(c, y, z) both y and z, and inputs are not read.
 * wanted: a byte for each input, not zero if it shall be an input of the tape; NULL: all.
 * nodes: room for n_instructions ids; on return, of each instruction its node, or FAD_NO_NODE
 * if no wanted input matters to it.  0, or -1 without memory: nothing is recorded then.
 */
int fad_replay_record(const fad_program *program, const double *inputs,
                      const unsigned char *wanted, double *values, fad_tape *tape,
                      uint32_t *nodes);

#endif
