/*
 * A program: a straight line of instructions, each a row of ops.def applied to the results
 * of earlier ones.
 *
 *   f(x0, x1) = sin(x0 * x1) / 2
 *
 *   id       0       1       2       3      4            5
 *   op       INPUT   INPUT   mul     sin    CONSTANT     div
 *   args     0       1       0, 1    2      bits of 2.0  3, 4
 *   outputs                                              5
 *
 * An instruction's index is its id, and the name of its result.  Invariants:
 *
 *   - An argument's id is smaller than its instruction's: the ids upwards are an order in
 *     which to run, downwards one in which to derive.
 *   - The args from the arity on are 0.
 *   - Inputs stand in the order of their indexes: the k-th INPUT has args[0] == k.
 *   - A constant carries its value in its args, so that equal constants are equal
 *     instructions.
 *
 * A guard is a comparison that was taken while recording, with its outcome in the lowest bit
 * of args[2] (never negated, or a nan would pass), and a number above it by which the recorder
 * knows the place in the source.  It has no result, and nobody uses its id.  Where one of the
 * guards fails, the function would have taken another path, and the outputs mean nothing.
 * Guards are numbered in their order, from 0 on.
 *
 * What is kept runs although no output depends on it: an operation of the recorded function
 * that may raise an exception in Python, which the flags of the processor then tell.
 *
 * There are two ways to write an instruction.  fad_program_append writes what it is given: a
 * recording, whose gradient then adds up in the order of the eager sweep.  fad_program_emit
 * computes on constants, simplifies, and returns the id of an equal instruction if there is
 * one.  It finds it in a hash table:
 *
 *   numbers   open addressing, n_numbers slots (0 or a power of two), at most half of them
 *             taken; a slot holds 0, or the id + 1 of an instruction below four bits of its
 *             hash.  Made at need: appended instructions get into it when it is (re)built.
 *
 * Where all instructions of a program were emitted, emitting them again behind nothing but
 * inputs would change none: they are copied.
 *
 * An all-zero fad_program is the empty one.  No function here takes a lock: a program that is
 * written belongs to one thread, one that is only read to everybody.
 */
#ifndef FAD_PROGRAM_H
#define FAD_PROGRAM_H

#include <stdint.h>
#include <string.h>

#include "op.h"
#include "text.h"

/* What may stand in an instruction beside the rows. */
enum {
    FAD_GUARD_lt = FAD_N_OPS, /* args[0] < args[1], which holds or not, as args[2] says */
    FAD_GUARD_le,
    FAD_GUARD_eq,
    FAD_GUARD_ne,
    FAD_N_STEPS, /* what is below runs; what is above is a leaf */
    FAD_INPUT = FAD_N_STEPS,
    FAD_CONSTANT
};

typedef struct {
    uint32_t op;
    uint32_t args[3];
} fad_instruction;

#define FAD_NO_ID UINT32_MAX
#define FAD_NO_GUARD UINT32_MAX
#define FAD_MAX_INSTRUCTIONS (UINT32_MAX / 16 - 1) /* the hash table, 4 times as long, fits */

typedef struct {
    fad_instruction *instructions;
    uint32_t n_instructions;
    uint32_t n_emitted; /* of them, at least; the others were appended */
    uint32_t capacity;  /* of instructions */
    uint32_t n_inputs;
    uint32_t n_outputs;
    uint32_t output_capacity;
    uint32_t n_kept;
    uint32_t kept_capacity;
    uint32_t *outputs; /* ids; an id may be there more than once */
    uint32_t *kept;    /* likewise */
    uint32_t *numbers; /* the hash table */
    uint32_t n_numbers;
    uint32_t n_numbered; /* slots taken */
} fad_program;

/* Frees what the program owns and leaves it empty. */
void fad_program_free(fad_program *program);

/*
 * The following return the id of an instruction, or FAD_NO_ID without memory: the program is
 * then as it was.  An argument may be FAD_NO_ID, and the result is FAD_NO_ID then: a formula
 * can be written down and checked once, at its end.
 */

/* A new instruction as it is given.  Arguments from the arity on are ignored. */
uint32_t fad_program_append(fad_program *program, uint32_t op, uint32_t a, uint32_t b,
                            uint32_t c);
uint32_t fad_program_append_constant(fad_program *program, double value);

/* The next input. */
uint32_t fad_program_input(fad_program *program);

/* A guard as it is given; outcome: its args[2]. */
uint32_t fad_program_append_guard(fad_program *program, uint32_t op, uint32_t a, uint32_t b,
                                  uint32_t outcome);

/* The same, unless it is there or compares constants: an id that may not be used. */
uint32_t fad_program_emit_guard(fad_program *program, uint32_t op, uint32_t a, uint32_t b,
                                uint32_t outcome);

/* An instruction with this result, old or new.  What it does to the instruction keeps every
   bit, so x*1 is x, but x*0 and x+0 stay. */
uint32_t fad_program_emit(fad_program *program, uint32_t op, uint32_t a, uint32_t b,
                          uint32_t c);
uint32_t fad_program_constant(fad_program *program, double value);

/* The following return 0, or -1 without memory. */

/* Make the program hold n instructions without growing. */
int fad_program_reserve(fad_program *program, uint64_t n);

int fad_program_add_output(fad_program *program, uint32_t id);
int fad_program_keep(fad_program *program, uint32_t id);

/* Keeps n outputs, from the first on. */
void fad_program_select_outputs(fad_program *program, uint32_t first, uint32_t n);

/*
 * Emits all of source behind what target holds, and keeps what it keeps.  inputs: an id of target for each input of
 * source, or NULL: then target, which has no inputs, gets them.  ids: for each instruction of
 * source the id of its result in target.  -1 leaves target with a part of it.
 */
int fad_program_inline(fad_program *target, const fad_program *source,
                       const uint32_t *inputs, uint32_t *ids);

/* Drops what no output and no guard depends on, except for inputs and what is kept, and
   renumbers the rest in the same order.  -1 leaves the program as it was. */
int fad_program_drop_dead(fad_program *program);

/* Emits all of source into the empty target, with its outputs, and drops what is dead.
   -1 leaves target empty. */
int fad_program_simplify(const fad_program *source, fad_program *target);

/* One line for each instruction, such as "%5 = mul %1 %2", and one for the outputs. */
void fad_program_list(const fad_program *program, fad_text *text);
void fad_program_list_instruction(const fad_program *program, uint32_t id, fad_text *text);

/* How many arguments an instruction has. */
static inline int
fad_instruction_arity(const fad_instruction *instruction)
{
    if (instruction->op < FAD_N_OPS)
        return fad_op_rows[instruction->op].arity;
    return instruction->op < FAD_N_STEPS ? 2 : 0;
}

static inline int
fad_instruction_is_guard(const fad_instruction *instruction)
{
    return instruction->op >= FAD_N_OPS && instruction->op < FAD_N_STEPS;
}

/* The outcome that a guard expects. */
static inline uint32_t
fad_guard_outcome(const fad_instruction *guard)
{
    return guard->args[2] & 1;
}

/* Whether x and y compare so. */
static inline int
fad_guard_holds(uint32_t op, double x, double y, uint32_t expected)
{
    int outcome = op == FAD_GUARD_lt   ? x < y
                  : op == FAD_GUARD_le ? x <= y
                  : op == FAD_GUARD_eq ? x == y
                                       : x != y;
    return outcome == (int)expected;
}

/* The instruction of a constant, and back. */
static inline fad_instruction
fad_instruction_of_constant(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (fad_instruction){FAD_CONSTANT, {(uint32_t)bits, (uint32_t)(bits >> 32), 0}};
}

static inline double
fad_instruction_constant(const fad_instruction *instruction)
{
    uint64_t bits = (uint64_t)instruction->args[1] << 32 | instruction->args[0];
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Whether the result of an instruction is a constant, and if so, which. */
static inline int
fad_program_is_constant(const fad_program *program, uint32_t id, double *value)
{
    const fad_instruction *instruction = &program->instructions[id];
    if (instruction->op != FAD_CONSTANT)
        return 0;
    *value = fad_instruction_constant(instruction);
    return 1;
}

#endif
