#include "encode.h"

/* ---- Numbers --------------------------------------------------------------------------- */

static inline unsigned char *
put(unsigned char *bytes, uint32_t number)
{
    for (int k = 0; k < 4; k++)
        *bytes++ = (unsigned char)(number >> 8 * k);
    return bytes;
}

static inline uint32_t
get(const unsigned char *bytes)
{
    uint32_t number = 0;
    for (int k = 0; k < 4; k++)
        number |= (uint32_t)bytes[k] << 8 * k;
    return number;
}

void
fad_program_encode(const fad_program *program, const uint32_t *kinds, unsigned char *bytes)
{
    for (uint32_t id = 0; id < program->n_instructions; id++) {
        const fad_instruction *i = &program->instructions[id];
        bytes = put(bytes, kinds[i->op]);
        for (int k = 0; k < 3; k++)
            bytes = put(bytes, i->args[k]);
    }
    for (uint32_t k = 0; k < program->n_outputs; k++)
        bytes = put(bytes, program->outputs[k]);
    for (uint32_t k = 0; k < program->n_kept; k++)
        bytes = put(bytes, program->kept[k]);
}

/* ---- What may be wrong ----------------------------------------------------------------- */

/* Whether id is the result of an instruction before the n-th. */
static inline int
is_result(const fad_program *program, uint32_t id, uint32_t n)
{
    return id < n && !fad_instruction_is_guard(&program->instructions[id]);
}

static const char *
problem_of_leaf(const fad_program *program, const fad_instruction *i)
{
    if (i->args[2] != 0 || (i->op == FAD_INPUT && i->args[1] != 0))
        return "has arguments where there must be zeros";
    if (i->op == FAD_INPUT && i->args[0] != program->n_inputs)
        return "is an input out of order";
    return NULL;
}

static const char *
problem_of_step(const fad_program *program, const fad_instruction *i, uint32_t n_places)
{
    int arity = fad_instruction_arity(i);
    for (int k = 0; k < arity; k++)
        if (!is_result(program, i->args[k], program->n_instructions))
            return "has an argument that is not the result of an instruction before it";
    if (fad_instruction_is_guard(i))
        return i->args[2] >> 1 < n_places ? NULL : "is a guard of a place that is not named";
    for (int k = arity; k < 3; k++)
        if (i->args[k] != 0)
            return "has arguments where there must be zeros";
    return NULL;
}

static const char *
append_checked(fad_program *program, const fad_frame *frame, const unsigned char *bytes)
{
    uint32_t kind = get(bytes);
    if (kind >= frame->n_kinds)
        return "is of a kind that the table of operations does not have";
    fad_instruction i = {frame->ops[kind], {get(bytes + 4), get(bytes + 8), get(bytes + 12)}};
    const char *problem = i.op < FAD_N_STEPS ? problem_of_step(program, &i, frame->n_places)
                                             : problem_of_leaf(program, &i);
    if (problem != NULL)
        return problem;
    program->instructions[program->n_instructions++] = i;
    program->n_inputs += i.op == FAD_INPUT;
    return NULL;
}

static int
decode_instructions(fad_program *program, const fad_frame *frame, const unsigned char *bytes,
                    fad_fault *fault)
{
    fault->place = "instruction";
    if (fad_program_reserve(program, frame->n_instructions) < 0)
        return -1;
    for (uint32_t id = 0; id < frame->n_instructions; id++) {
        fault->number = id;
        fault->problem = append_checked(program, frame, bytes);
        if (fault->problem != NULL)
            return 1;
        bytes += FAD_INSTRUCTION_BYTES;
    }
    return 0;
}

/* Ids, each of which add adds to the program. */
static int
decode_ids(fad_program *program, uint32_t n, const unsigned char *bytes,
           int (*add)(fad_program *, uint32_t), fad_fault *fault)
{
    for (uint32_t k = 0; k < n; k++) {
        uint32_t id = get(bytes + (size_t)k * FAD_ID_BYTES);
        fault->number = k;
        fault->problem = "is not the result of an instruction";
        if (!is_result(program, id, program->n_instructions))
            return 1;
        if (add(program, id) < 0)
            return -1;
    }
    return 0;
}

static int
decode(fad_program *program, const fad_frame *frame, const unsigned char *bytes,
       fad_fault *fault)
{
    int status = decode_instructions(program, frame, bytes, fault);
    if (status != 0)
        return status;
    bytes += (size_t)frame->n_instructions * FAD_INSTRUCTION_BYTES;
    fault->place = "output";
    status = decode_ids(program, frame->n_outputs, bytes, fad_program_add_output, fault);
    if (status != 0)
        return status;
    bytes += (size_t)frame->n_outputs * FAD_ID_BYTES;
    fault->place = "kept";
    return decode_ids(program, frame->n_kept, bytes, fad_program_keep, fault);
}

int
fad_program_decode(fad_program *program, const fad_frame *frame, const unsigned char *bytes,
                   fad_fault *fault)
{
    int status = decode(program, frame, bytes, fault);
    if (status != 0)
        fad_program_free(program);
    return status;
}
