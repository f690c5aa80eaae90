/*
 * The partial cells of ops.def as programs, so that a program can be derived.
 *
 * A cell, say `1.0/v` of a row of x, is an expression in the row's arguments and value.  Here
 * it is a program with four inputs, in this order: x, y, z and the value v; and one output:
 *
 *   %0 = input 0 (x)   ...   %3 = input 3 (v)   %4 = constant 1   %5 = div %4 %3   output %5
 *
 * Deriving an instruction is inlining the program of its cell.
 */
#ifndef FAD_CELL_H
#define FAD_CELL_H

#include "program.h"

enum { FAD_CELL_SIZE = 48 }; /* instructions: no cell has more */

/*
 * Parses all cells, unless that has been done.  0, or -1 without memory, and then nothing is
 * parsed.  The first call must not overlap with others.
 */
int fad_cells_parse(void);

/* Parses one cell, as a test may do with any text, into an empty program.  -1: it is no
   expression, calls what is no row, is too long, or there was no memory. */
int fad_cell_parse(const char *text, fad_program *cell);

/* The k-th partial of a row, 0 <= k < arity.  Needs fad_cells_parse. */
const fad_program *fad_cell_partial(uint32_t op, int k);

/* Whether it is the constant 0: the row is a step as far as this argument goes. */
int fad_cell_is_zero(uint32_t op, int k);

/* The k-th partial of an instruction of this row on these arguments, emitted into program.
   The id of the result, or FAD_NO_ID without memory. */
uint32_t fad_cell_emit(fad_program *program, uint32_t op, int k, const uint32_t args[3],
                       uint32_t value);

#endif
