/*
 * A schedule: a program laid out for running often.
 *
 * A processor guesses wrong at most switches over an opcode, and a value of each instruction
 * spills the caches.  So instructions of one opcode run one after the other, as far as their
 * arguments allow, behind one switch; and their results share slots.
 *
 *   program               schedule
 *
 *   %0 = input 0          runs    mul 2, sin 2, add 1
 *   %1 = input 1          steps   result   args
 *   %2 = constant 3         mul   3        0 2
 *   %3 = mul %0 %2                4        0 1
 *   %4 = sin %3             sin   3        3
 *   %5 = mul %0 %1                4        4
 *   %6 = sin %5             add   4        3 4
 *   %7 = add %4 %6
 *   output %7             slots   0 1 inputs   2 the constant   3 4 results
 *                         outputs 4
 *
 * Invariants: a slot below n_inputs is that input; the n_constants slots behind them hold the
 * constants and are never written; a step's result may take the slot of an argument that is
 * not needed any more.  The lengths of the runs add up to n_steps.
 *
 * A schedule is only read: many may run it at once, each in slots of its own.
 */
#ifndef FAD_SCHEDULE_H
#define FAD_SCHEDULE_H

#include "program.h"

/*
 * Runs that have a loop of their own, on a point.  In a chain each step takes the result of the
 * one before it, as its first argument or as the third of three; in twins, which are two chains
 * in turns, that of the one before the one before it.  So that goes by a register, and not by
 * memory.  Squares are the powers of which each exponent is 2.
 */
enum {
    FAD_CHAIN_add = FAD_CONSTANT + 1,
    FAD_CHAIN_sub,
    FAD_CHAIN_mul,
    FAD_CHAIN_muladd,
    FAD_CHAIN_mulsub,
    FAD_TWINS_add,
    FAD_TWINS_sub,
    FAD_TWINS_mul,
    FAD_TWINS_muladd,
    FAD_TWINS_mulsub,
    FAD_SQUARES
};

typedef struct {
    uint32_t op; /* of a row or a guard, or one of the above */
    uint32_t n;  /* steps, at least 1 */
} fad_run;

/* Slots: one that is written, and as many that are read as the row has arguments.  A guard
   writes none: its result is its number times 2, plus 1 if the comparison shall hold. */
typedef struct {
    uint32_t result;
    uint32_t args[3];
} fad_step;

/* The same in half the memory: what a replay reads most of. */
typedef struct {
    uint16_t result;
    uint16_t args[3];
} fad_short_step;

typedef struct {
    fad_run *runs;
    fad_step *steps;
    fad_short_step *short_steps; /* the steps once more; NULL if a number in them is larger */
    double *constants;
    uint32_t *outputs; /* slots */
    uint32_t n_runs, n_steps, n_constants, n_outputs, n_inputs;
    uint32_t n_slots;
} fad_schedule;

/*
 * Makes the schedule of a program into an empty (all-zero) one.  Only what outputs depend on
 * is kept; x*y + z and z - x*y become one step, with both roundings: every result has the bits
 * that fad_replay gives.  The program should be simple: derived, or by fad_program_simplify.
 * 0, or -1 without memory: the schedule is then empty.
 */
int fad_schedule_make(const fad_program *program, fad_schedule *schedule);

void fad_schedule_free(fad_schedule *schedule);

/* The row or guard of a run. */
static inline uint32_t
fad_run_op(const fad_run *run)
{
    static const uint32_t ops[] = {FAD_OP_add, FAD_OP_sub, FAD_OP_mul, FAD_OP_muladd,
                                   FAD_OP_mulsub};
    if (run->op < FAD_CHAIN_add)
        return run->op;
    return run->op == FAD_SQUARES ? FAD_OP_pow : ops[(run->op - FAD_CHAIN_add) % 5];
}

/* Memory that it takes. */
size_t fad_schedule_bytes(const fad_schedule *schedule);

#endif
