#include "program.h"

#include "memory.h"

void
fad_program_free(fad_program *program)
{
    fad_memory_free(program->instructions);
    fad_memory_free(program->outputs);
    fad_memory_free(program->kept);
    fad_memory_free(program->numbers);
    *program = (fad_program){0};
}

/* ---- Writing as given ---------------------------------------------------------------- */

int
fad_program_reserve(fad_program *program, uint64_t n)
{
    if (n <= program->capacity)
        return 0;
    if (n > FAD_MAX_INSTRUCTIONS)
        return -1;
    fad_instruction *grown =
        fad_memory_resize(program->instructions, (size_t)n * sizeof *grown);
    if (grown == NULL)
        return -1;
    program->instructions = grown;
    program->capacity = (uint32_t)n;
    return 0;
}

/* Room for `wanted` instructions in all, or with little memory for some beyond `needed`. */
static int
grow(fad_program *program, uint64_t needed, uint64_t wanted)
{
    while (fad_program_reserve(program, wanted) < 0) {
        wanted = fad_memory_next_best(needed, wanted);
        if (wanted == 0)
            return -1;
    }
    return 0;
}

static uint32_t
append(fad_program *program, fad_instruction instruction)
{
    uint32_t id = program->n_instructions;
    if (id == program->capacity &&
        grow(program, (uint64_t)id + 1, 2 * (uint64_t)id + 16) < 0)
        return FAD_NO_ID;
    program->instructions[id] = instruction;
    program->n_instructions++;
    return id;
}

/* The instruction with zeros for the args that its row does not have. */
static inline fad_instruction
instruction_of(uint32_t op, uint32_t a, uint32_t b, uint32_t c)
{
    int arity = fad_op_rows[op].arity;
    return (fad_instruction){op, {a, arity > 1 ? b : 0, arity > 2 ? c : 0}};
}

static inline int
lacks_argument(const fad_instruction *instruction)
{
    const uint32_t *args = instruction->args;
    return args[0] == FAD_NO_ID || args[1] == FAD_NO_ID || args[2] == FAD_NO_ID;
}

uint32_t
fad_program_append(fad_program *program, uint32_t op, uint32_t a, uint32_t b, uint32_t c)
{
    fad_instruction instruction = instruction_of(op, a, b, c);
    return lacks_argument(&instruction) ? FAD_NO_ID : append(program, instruction);
}

uint32_t
fad_program_append_constant(fad_program *program, double value)
{
    return append(program, fad_instruction_of_constant(value));
}

uint32_t
fad_program_input(fad_program *program)
{
    fad_instruction input = {FAD_INPUT, {program->n_inputs, 0, 0}};
    uint32_t id = append(program, input);
    program->n_inputs += id != FAD_NO_ID;
    program->n_emitted += id != FAD_NO_ID;
    return id;
}

/* ---- The numbers: equal instructions get equal ids ----------------------------------- */

static inline uint32_t
hash(const fad_instruction *i)
{
    uint64_t low = (uint64_t)i->args[0] << 32 | i->args[1];
    uint64_t high = (uint64_t)i->args[2] << 32 | i->op;
    uint64_t mixed = low * 0x9E3779B97F4A7C15u ^ high * 0xC2B2AE3D27D4EB4Fu;
    return (uint32_t)(mixed >> 32) ^ (uint32_t)(mixed >> 13);
}

static inline int
are_equal(const fad_instruction *i, const fad_instruction *j)
{
    return i->op == j->op && i->args[0] == j->args[0] && i->args[1] == j->args[1] &&
           i->args[2] == j->args[2];
}

/* The bits of a slot above the id: four of the hash, or most comparisons would have to look
   at another instruction. */
#define TAG (~(uint32_t)0 << 28)

static inline int
is_or_may_be_at(const fad_program *program, uint32_t slot, const fad_instruction *i,
                uint32_t tag)
{
    uint32_t number = program->numbers[slot];
    return number == 0 || ((number & TAG) == tag &&
                           are_equal(&program->instructions[(number & ~TAG) - 1], i));
}

static inline uint32_t
latest_argument(const fad_instruction *i)
{
    uint32_t latest = i->args[0] > i->args[1] ? i->args[0] : i->args[1];
    return latest > i->args[2] ? latest : i->args[2];
}

/*
 * The slot of an equal instruction, or the empty one where it belongs.  First one line of
 * slots is searched, which neighbours in the program share: a table that is addressed by the
 * hash alone misses the cache at each step, and a large program takes 10 times as long for
 * each instruction as a small one.  If the line is full, the hash decides, also by which odd
 * step to go on: full lines lie beside each other.
 */
static inline uint32_t
find_slot(const fad_program *program, const fad_instruction *instruction)
{
    enum { LINE = 16 };
    uint32_t mask = program->n_numbers - 1, first = hash(instruction);
    uint32_t tag = first & TAG, step = first >> 8 | 1;
    uint32_t line = 2 * latest_argument(instruction) & mask & ~(LINE - 1u);
    for (uint32_t k = 0; k < LINE; k++) {
        uint32_t slot = line + (first + k) % LINE;
        if (is_or_may_be_at(program, slot, instruction, tag))
            return slot;
    }
    uint32_t slot = first & mask;
    while (!is_or_may_be_at(program, slot, instruction, tag))
        slot = (slot + step) & mask;
    return slot;
}

static inline void
take_slot(fad_program *program, uint32_t slot, uint32_t id)
{
    program->numbers[slot] = (hash(&program->instructions[id]) & TAG) | (id + 1);
    program->n_numbered++;
}

/* A larger table, with all instructions and room for n more. */
static int
rebuild_numbers(fad_program *program, uint32_t n)
{
    uint32_t n_numbers = 64;
    while (n_numbers / 4 <= program->n_instructions + n)
        n_numbers *= 2;
    uint32_t *numbers = fad_memory_zeroed(n_numbers * sizeof *numbers);
    if (numbers == NULL)
        return -1;
    fad_memory_free(program->numbers);
    program->numbers = numbers;
    program->n_numbers = n_numbers;
    program->n_numbered = 0;
    for (uint32_t id = 0; id < program->n_instructions; id++) {
        uint32_t slot = find_slot(program, &program->instructions[id]);
        if (numbers[slot] == 0)
            take_slot(program, slot, id);
    }
    return 0;
}

static uint32_t
number(fad_program *program, fad_instruction instruction)
{
    if (program->n_numbered >= program->n_numbers / 2 && rebuild_numbers(program, 0) < 0)
        return FAD_NO_ID;
    uint32_t slot = find_slot(program, &instruction);
    if (program->numbers[slot] != 0)
        return (program->numbers[slot] & ~TAG) - 1;
    uint32_t id = append(program, instruction);
    if (id == FAD_NO_ID)
        return FAD_NO_ID;
    take_slot(program, slot, id);
    program->n_emitted++;
    return id;
}

static void
forget_numbers(fad_program *program)
{
    fad_memory_free(program->numbers);
    program->numbers = NULL;
    program->n_numbers = program->n_numbered = 0;
}

uint32_t
fad_program_constant(fad_program *program, double value)
{
    return number(program, fad_instruction_of_constant(value));
}

/* ---- Folding and simplifying --------------------------------------------------------- */

/* Whether all arguments are constants, and if so, the result. */
static int
folds(const fad_program *program, const fad_instruction *instruction, double *result)
{
    double x[3] = {0.0, 0.0, 0.0};
    int arity = fad_instruction_arity(instruction);
    for (int k = 0; k < arity; k++)
        if (!fad_program_is_constant(program, instruction->args[k], &x[k]))
            return 0;
    *result = fad_op_value((fad_opcode)instruction->op, x[0], x[1], x[2]);
    return 1;
}

/* One factor is 1: the product is the other; or -1: it is neg of the other. */
static uint32_t
simpler_product(const fad_program *program, fad_instruction *i)
{
    for (int k = 0; k < 2; k++) {
        double factor;
        uint32_t other = i->args[1 - k];
        if (!fad_program_is_constant(program, i->args[k], &factor))
            continue;
        if (factor == 1.0)
            return other;
        if (factor == -1.0) {
            *i = (fad_instruction){FAD_OP_neg, {other, 0, 0}};
            break;
        }
    }
    return FAD_NO_ID;
}

static uint32_t
simpler_choice(const fad_program *program, const fad_instruction *i)
{
    double condition;
    if (i->args[1] == i->args[2])
        return i->args[1];
    if (fad_program_is_constant(program, i->args[0], &condition))
        return i->args[condition != 0.0 ? 1 : 2];
    return FAD_NO_ID;
}

/* The id that already has the result, or FAD_NO_ID, and then perhaps a simpler instruction.
   Every bit of the result stays as it was. */
static uint32_t
simplify(const fad_program *program, fad_instruction *i)
{
    if (i->op == FAD_OP_mul) {
        uint32_t id = simpler_product(program, i);
        if (id != FAD_NO_ID)
            return id;
    }
    if (i->op == FAD_OP_where)
        return simpler_choice(program, i);
    if (i->op == FAD_OP_neg && program->instructions[i->args[0]].op == FAD_OP_neg)
        return program->instructions[i->args[0]].args[0];
    return FAD_NO_ID;
}

uint32_t
fad_program_emit(fad_program *program, uint32_t op, uint32_t a, uint32_t b, uint32_t c)
{
    fad_instruction instruction = instruction_of(op, a, b, c);
    if (lacks_argument(&instruction))
        return FAD_NO_ID;
    double result;
    if (folds(program, &instruction, &result))
        return fad_program_constant(program, result);
    uint32_t id = simplify(program, &instruction);
    if (id != FAD_NO_ID)
        return id;
    uint32_t *args = instruction.args;
    if ((instruction.op == FAD_OP_mul || instruction.op == FAD_OP_add) &&
        args[0] > args[1]) { /* commutative: one order for both */
        uint32_t first = args[0];
        args[0] = args[1];
        args[1] = first;
    }
    return number(program, instruction);
}

/* ---- Guards ---------------------------------------------------------------------------- */

uint32_t
fad_program_append_guard(fad_program *program, uint32_t op, uint32_t a, uint32_t b,
                         uint32_t outcome)
{
    fad_instruction guard = {op, {a, b, outcome}};
    return lacks_argument(&guard) ? FAD_NO_ID : append(program, guard);
}

uint32_t
fad_program_emit_guard(fad_program *program, uint32_t op, uint32_t a, uint32_t b,
                       uint32_t outcome)
{
    fad_instruction guard = {op, {a, b, outcome}};
    double x, y;
    if (lacks_argument(&guard))
        return FAD_NO_ID;
    if (fad_program_is_constant(program, a, &x) && fad_program_is_constant(program, b, &y) &&
        fad_guard_holds(op, x, y, fad_guard_outcome(&guard)))
        return a;
    return number(program, guard);
}

/* ---- Outputs, and whole programs ----------------------------------------------------- */

static int
add_id(uint32_t id, uint32_t **ids, uint32_t *n, uint32_t *capacity)
{
    if (id == FAD_NO_ID)
        return -1;
    if (*n == *capacity) {
        uint32_t *grown =
            fad_memory_resize(*ids, (2 * (size_t)*capacity + 8) * sizeof *grown);
        if (grown == NULL)
            return -1;
        *ids = grown;
        *capacity = 2 * *capacity + 8;
    }
    (*ids)[(*n)++] = id;
    return 0;
}

int
fad_program_add_output(fad_program *program, uint32_t id)
{
    return add_id(id, &program->outputs, &program->n_outputs, &program->output_capacity);
}

int
fad_program_keep(fad_program *program, uint32_t id)
{
    return add_id(id, &program->kept, &program->n_kept, &program->kept_capacity);
}

void
fad_program_select_outputs(fad_program *program, uint32_t first, uint32_t n)
{
    if (n > 0)
        memmove(program->outputs, program->outputs + first, n * sizeof(uint32_t));
    program->n_outputs = n;
}

/* Room for n more instructions, and for their numbers: growing in steps would number them again
   and again. */
static int
make_room(fad_program *program, uint32_t n)
{
    uint64_t n_all = (uint64_t)program->n_instructions + n;
    if (n_all > FAD_MAX_INSTRUCTIONS)
        return 0; /* perhaps most are there already */
    if (n_all > program->capacity && grow(program, n_all, n_all + n_all / 2) < 0)
        return -1;
    return n_all >= program->n_numbers / 2 ? rebuild_numbers(program, n) : 0;
}

static int
is_emitted(const fad_program *program)
{
    return program->n_emitted == program->n_instructions;
}

/* Whether none of source can become simpler behind target, or is there already. */
static int
fits_as_it_is(const fad_program *target, const fad_program *source, const uint32_t *inputs)
{
    if (!is_emitted(source) || target->n_instructions > target->n_inputs)
        return 0;
    for (uint32_t k = 1; inputs != NULL && k < source->n_inputs; k++)
        if (inputs[k] <= inputs[k - 1])
            return 0;
    return 1;
}

/* The instruction with the ids that its arguments have got. */
static inline fad_instruction
moved(const fad_instruction *i, const uint32_t *ids)
{
    fad_instruction instruction = *i;
    for (int k = fad_instruction_arity(i); k-- > 0;)
        instruction.args[k] = ids[i->args[k]];
    return instruction;
}

static int
copy_behind(fad_program *target, const fad_program *source, const uint32_t *inputs,
            uint32_t *ids)
{
    forget_numbers(target);
    if (fad_program_reserve(target, (uint64_t)target->n_instructions +
                                        source->n_instructions) < 0)
        return -1;
    for (uint32_t id = 0; id < source->n_instructions; id++) {
        const fad_instruction *i = &source->instructions[id];
        if (i->op == FAD_INPUT)
            ids[id] = inputs != NULL ? inputs[i->args[0]] : fad_program_input(target);
        else
            ids[id] = append(target, moved(i, ids));
    }
    target->n_emitted = target->n_instructions;
    return 0;
}

static int
emit_behind(fad_program *target, const fad_program *source, const uint32_t *inputs,
            uint32_t *ids)
{
    if (make_room(target, source->n_instructions) < 0)
        return -1;
    for (uint32_t id = 0; id < source->n_instructions; id++) {
        const fad_instruction *i = &source->instructions[id];
        const uint32_t *args = i->args;
        if (i->op == FAD_CONSTANT)
            ids[id] = number(target, *i);
        else if (i->op == FAD_INPUT)
            ids[id] = inputs != NULL ? inputs[args[0]] : fad_program_input(target);
        else if (fad_instruction_is_guard(i))
            ids[id] = fad_program_emit_guard(target, i->op, ids[args[0]], ids[args[1]],
                                             args[2]);
        else
            ids[id] =
                fad_program_emit(target, i->op, ids[args[0]], ids[args[1]], ids[args[2]]);
        if (ids[id] == FAD_NO_ID)
            return -1;
    }
    return 0;
}

int
fad_program_inline(fad_program *target, const fad_program *source, const uint32_t *inputs,
                   uint32_t *ids)
{
    const int status = fits_as_it_is(target, source, inputs)
                           ? copy_behind(target, source, inputs, ids)
                           : emit_behind(target, source, inputs, ids);
    if (status < 0)
        return -1;
    for (uint32_t k = 0; k < source->n_kept; k++)
        if (fad_program_keep(target, ids[source->kept[k]]) < 0)
            return -1;
    return 0;
}

/* Walking downwards, every user of an instruction has been met before it. */
static void
mark_live(const fad_program *program, uint32_t *marks)
{
    for (uint32_t k = 0; k < program->n_outputs; k++)
        marks[program->outputs[k]] = 1;
    for (uint32_t k = 0; k < program->n_kept; k++)
        marks[program->kept[k]] = 1;
    for (uint32_t id = program->n_instructions; id-- > 0;) {
        const fad_instruction *i = &program->instructions[id];
        if (i->op == FAD_INPUT || fad_instruction_is_guard(i))
            marks[id] = 1;
        if (!marks[id])
            continue;
        for (int k = fad_instruction_arity(i); k-- > 0;)
            marks[i->args[k]] = 1;
    }
}

int
fad_program_drop_dead(fad_program *program)
{
    uint32_t n = 0;
    uint32_t *ids = fad_memory_zeroed((size_t)program->n_instructions * sizeof *ids + 1);
    if (ids == NULL)
        return -1;
    mark_live(program, ids);
    for (uint32_t id = 0; id < program->n_instructions; id++) {
        if (!ids[id])
            continue;
        program->instructions[n] = moved(&program->instructions[id], ids);
        ids[id] = n++; /* from a mark to the new id */
    }
    for (uint32_t k = 0; k < program->n_outputs; k++)
        program->outputs[k] = ids[program->outputs[k]];
    for (uint32_t k = 0; k < program->n_kept; k++)
        program->kept[k] = ids[program->kept[k]];
    program->n_emitted = is_emitted(program) ? n : 0;
    program->n_instructions = n;
    forget_numbers(program);
    fad_memory_free(ids);
    return 0;
}

static int
emit_all(const fad_program *source, fad_program *target, uint32_t *ids)
{
    if (fad_program_inline(target, source, NULL, ids) < 0)
        return -1;
    for (uint32_t k = 0; k < source->n_outputs; k++)
        if (fad_program_add_output(target, ids[source->outputs[k]]) < 0)
            return -1;
    return fad_program_drop_dead(target);
}

int
fad_program_simplify(const fad_program *source, fad_program *target)
{
    int status = -1;
    uint32_t *ids =
        fad_memory_resize(NULL, (size_t)source->n_instructions * sizeof *ids + 1);
    if (ids != NULL)
        status = emit_all(source, target, ids);
    if (status < 0)
        fad_program_free(target);
    fad_memory_free(ids);
    return status;
}

/* ---- Listing ------------------------------------------------------------------------- */

static void
list_guard(const fad_instruction *guard, fad_text *text)
{
    static const char *const signs[] = {"<", "<=", "==", "!="};
    fad_text_print(text, "guard %s%%%u %s %%%u\n",
                   fad_guard_outcome(guard) ? "" : "not ",
                   (unsigned)guard->args[0], signs[guard->op - FAD_GUARD_lt],
                   (unsigned)guard->args[1]);
}

void
fad_program_list_instruction(const fad_program *program, uint32_t id, fad_text *text)
{
    const fad_instruction *i = &program->instructions[id];
    if (fad_instruction_is_guard(i)) {
        list_guard(i, text);
        return;
    }
    fad_text_print(text, "%%%u = ", (unsigned)id);
    if (i->op == FAD_INPUT) {
        fad_text_print(text, "input %u\n", (unsigned)i->args[0]);
        return;
    }
    if (i->op == FAD_CONSTANT) {
        fad_text_print(text, "constant ");
        fad_text_print_double(text, fad_instruction_constant(i));
    } else {
        fad_text_print(text, "%s", fad_op_rows[i->op].name);
    }
    for (int k = 0; k < fad_instruction_arity(i); k++)
        fad_text_print(text, " %%%u", (unsigned)i->args[k]);
    fad_text_print(text, "\n");
}

void
fad_program_list(const fad_program *program, fad_text *text)
{
    for (uint32_t id = 0; id < program->n_instructions; id++)
        fad_program_list_instruction(program, id, text);
    if (program->n_outputs == 0)
        return;
    fad_text_print(text, "output");
    for (uint32_t k = 0; k < program->n_outputs; k++)
        fad_text_print(text, " %%%u", (unsigned)program->outputs[k]);
    fad_text_print(text, "\n");
}
