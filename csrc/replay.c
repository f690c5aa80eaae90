#include "replay.h"

#include <math.h>
#include <string.h>

#include "cell.h"
#include "special.h"

/* One switch for each instruction, whose branch is mispredicted more often than not. */
uint32_t
fad_replay(const fad_program *program, const double *inputs, double *restrict values,
           double *outputs)
{
    const fad_instruction *restrict instructions = program->instructions;
    uint32_t failed = FAD_NO_GUARD, n_guards = 0;
    for (uint32_t id = 0; id < program->n_instructions; id++) {
        const fad_instruction *i = &instructions[id];
        switch (i->op) {
#define UNARY(name, value, px, domain, doc)                                                \
    case FAD_OP_##name: {                                                                  \
        const double x = values[i->args[0]];                                               \
        values[id] = value;                                                                \
        break;                                                                             \
    }
#define BINARY(name, value, px, py, domain, doc)                                           \
    case FAD_OP_##name: {                                                                  \
        const double x = values[i->args[0]], y = values[i->args[1]];                       \
        values[id] = value;                                                                \
        break;                                                                             \
    }
#define TERNARY(name, value, px, py, pz, domain, doc)                                      \
    case FAD_OP_##name: {                                                                  \
        const double x = values[i->args[0]], y = values[i->args[1]];                       \
        const double z = values[i->args[2]];                                               \
        values[id] = value;                                                                \
        break;                                                                             \
    }
#include "ops.def"
        case FAD_INPUT:
            values[id] = inputs[i->args[0]];
            break;
        case FAD_CONSTANT:
            values[id] = fad_instruction_constant(i);
            break;
        default:
            values[id] = fad_guard_holds(i->op, values[i->args[0]], values[i->args[1]],
                                         fad_guard_outcome(i));
            if (values[id] == 0.0 && failed == FAD_NO_GUARD)
                failed = n_guards;
            n_guards++;
        }
    }
    for (uint32_t k = 0; outputs != NULL && k < program->n_outputs; k++)
        outputs[k] = values[program->outputs[k]];
    return failed;
}

/* ---- Schedules ------------------------------------------------------------------------ */

#define STEP fad_step
#define RUN_STEPS run_steps
#include "replay_steps.h"

#define STEP fad_short_step
#define RUN_STEPS run_short_steps
#include "replay_steps.h"

uint32_t
fad_replay_schedule(const fad_schedule *schedule, const double *inputs, double *slots,
                    double *outputs)
{
    uint32_t failed;
    if (inputs != slots && schedule->n_inputs > 0)
        memcpy(slots, inputs, schedule->n_inputs * sizeof *slots);
    if (schedule->n_constants > 0)
        memcpy(slots + schedule->n_inputs, schedule->constants,
               schedule->n_constants * sizeof *slots);
    if (schedule->short_steps != NULL)
        failed = run_short_steps(schedule, schedule->short_steps, slots);
    else
        failed = run_steps(schedule, schedule->steps, slots);
    for (uint32_t k = 0; k < schedule->n_outputs; k++)
        outputs[k] = slots[schedule->outputs[k]];
    return failed;
}

/* ---- Recording ----------------------------------------------------------------------- */

/* Room for as many nodes as the program can become. */
static int
make_room(const fad_program *program, fad_tape *tape)
{
    uint32_t n = 0;
    for (uint32_t id = 0; id < program->n_instructions; id++)
        n += fad_instruction_arity(&program->instructions[id]) == 3 ? 2 : 1;
    if (tape->limit > tape->n_nodes && tape->limit - tape->n_nodes >= n)
        return 0;
    return fad_tape_renew_limit(tape, n, 0);
}

/* The edges of an instruction: what matters among its arguments, and the partials. */
typedef struct {
    uint32_t n;
    uint32_t ids[3];
    double partials[3];
} edges;

static void
add_edge(edges *found, uint32_t node, double partial)
{
    if (node == FAD_NO_NODE)
        return;
    found->ids[found->n] = node;
    found->partials[found->n++] = partial;
}

static edges
find_edges(const fad_instruction *i, uint32_t id, const double *values,
           const uint32_t *nodes)
{
    edges found = {0};
    const uint32_t *args = i->args;
    if (i->op == FAD_OP_where) {
        add_edge(&found, nodes[values[args[0]] != 0.0 ? args[1] : args[2]], 1.0);
        return found;
    }
    double partials[3];
    fad_op_partials((fad_opcode)i->op, values[args[0]], values[args[1]], values[args[2]],
                    values[id], partials);
    for (int k = 0; k < fad_instruction_arity(i); k++)
        if (!fad_cell_is_zero(i->op, k))
            add_edge(&found, nodes[args[k]], partials[k]);
    return found;
}

/* The same, whatever the values. */
static edges
find_all_edges(const fad_instruction *i, const uint32_t *nodes)
{
    edges found = {0};
    for (int k = i->op == FAD_OP_where; k < fad_instruction_arity(i); k++)
        if (!fad_cell_is_zero(i->op, k))
            add_edge(&found, nodes[i->args[k]], 1.0);
    return found;
}

static uint32_t
record(fad_tape *tape, const edges *found)
{
    if (found->n == 0)
        return FAD_NO_NODE;
    for (uint32_t k = 0; k < found->n; k++)
        tape->n_odd += !isfinite(found->partials[k]);
    return fad_tape_record_chain(tape, found->n, found->ids, found->partials);
}

int
fad_replay_record(const fad_program *program, const double *inputs,
                  const unsigned char *wanted, double *values, fad_tape *tape,
                  uint32_t *nodes)
{
    if (fad_cells_parse() < 0 || make_room(program, tape) < 0)
        return -1;
    if (values != NULL)
        fad_replay(program, inputs, values, NULL);
    for (uint32_t id = 0; id < program->n_instructions; id++) {
        const fad_instruction *i = &program->instructions[id];
        nodes[id] = FAD_NO_NODE;
        if (i->op == FAD_INPUT && (wanted == NULL || wanted[i->args[0]]))
            nodes[id] = fad_tape_record_input(tape);
        if (i->op < FAD_N_OPS) {
            edges found = values != NULL ? find_edges(i, id, values, nodes)
                                         : find_all_edges(i, nodes);
            nodes[id] = record(tape, &found);
        }
    }
    return 0;
}
