/*
 * A program as bytes, and back: the part of a file that holds numbers only.
 *
 *   instructions   16 bytes each: kind, args[0], args[1], args[2]
 *   outputs, kept   4 bytes each
 *
 * All of them are 32 bits, the lowest byte first.  A kind is an index into a table of the
 * file, which names its rows: the opcodes of another version of the library may be others.
 */
#ifndef FAD_ENCODE_H
#define FAD_ENCODE_H

#include "program.h"

enum {
    FAD_INSTRUCTION_BYTES = 16,
    FAD_ID_BYTES = 4,
    FAD_N_KINDS = FAD_CONSTANT + 1 /* what an instruction's op may be */
};

/* What is wrong, and with which instruction, output or one that is kept. */
typedef struct {
    const char *problem;
    const char *place; /* "instruction", "output" or "kept" */
    uint32_t number;
} fad_fault;

/* kinds: of each of the FAD_N_KINDS ops its number in the file's table.  bytes: room for all
   instructions, outputs and what is kept. */
void fad_program_encode(const fad_program *program, const uint32_t *kinds,
                        unsigned char *bytes);

/* What the bytes cannot say themselves. */
typedef struct {
    uint32_t n_instructions, n_outputs, n_kept; /* at most FAD_MAX_INSTRUCTIONS each */
    uint32_t n_kinds;    /* in the file's table */
    const uint32_t *ops; /* of each kind */
    uint32_t n_places;   /* numbers that a guard may have above its outcome */
} fad_frame;

/*
 * Makes an empty program of as many bytes as the frame says.  Bytes from anywhere will do: what
 * program.h promises is true of the result.  0; 1 if they are no program, and fault says why;
 * -1 without memory.  Unless it returns 0 the program is empty.
 */
int fad_program_decode(fad_program *program, const fad_frame *frame,
                       const unsigned char *bytes, fad_fault *fault);

#endif
