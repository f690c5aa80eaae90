#include "schedule.h"

#include "fuse.h"
#include "memory.h"

void
fad_schedule_free(fad_schedule *schedule)
{
    fad_memory_free(schedule->runs);
    fad_memory_free(schedule->steps);
    fad_memory_free(schedule->short_steps);
    fad_memory_free(schedule->constants);
    fad_memory_free(schedule->outputs);
    *schedule = (fad_schedule){0};
}

size_t
fad_schedule_bytes(const fad_schedule *schedule)
{
    return schedule->n_runs * sizeof *schedule->runs +
           schedule->n_steps * sizeof *schedule->steps +
           (schedule->short_steps != NULL) * schedule->n_steps * sizeof(fad_short_step) +
           schedule->n_constants * sizeof *schedule->constants +
           schedule->n_outputs * sizeof *schedule->outputs;
}

/* Room for n items, never of size 0. */
static void *
array(size_t n, size_t size)
{
    return fad_memory_resize(NULL, n * size + 1);
}

/* A copy that may be rewritten: fused, and without what is dead. */
static int
copy_fused(const fad_program *program, fad_program *copy)
{
    if (fad_program_reserve(copy, program->n_instructions) < 0)
        return -1;
    if (program->n_instructions > 0)
        memcpy(copy->instructions, program->instructions,
               program->n_instructions * sizeof *copy->instructions);
    copy->n_instructions = program->n_instructions;
    copy->n_inputs = program->n_inputs;
    for (uint32_t k = 0; k < program->n_outputs; k++)
        if (fad_program_add_output(copy, program->outputs[k]) < 0)
            return -1;
    for (uint32_t k = 0; k < program->n_kept; k++)
        if (fad_program_keep(copy, program->kept[k]) < 0)
            return -1;
    return fad_program_fuse(copy) < 0 ? -1 : fad_program_drop_dead(copy);
}

/* ---- Order: the opcode of which most instructions are ready comes next ------------------ */

enum { WINDOW = 4096 }; /* instructions that are ordered among themselves */
#define NONE UINT16_MAX

/*
 * A window of a program; places in it are counted from its start.
 *
 *   edges     3 * user + k is the k-th argument of a user; those of one argument are linked
 *   queues    of each opcode, the instructions whose arguments are all there, linked
 */
typedef struct {
    uint16_t first_edge[WINDOW];
    uint16_t next_edge[3 * WINDOW];
    uint16_t next_ready[WINDOW];
    unsigned char n_pending[WINDOW]; /* arguments in the window that are not yet ordered */
    uint16_t first_ready[FAD_N_STEPS];
    uint16_t last_ready[FAD_N_STEPS];
    uint16_t n_ready[FAD_N_STEPS];
} window;

static void
push_ready(window *w, uint32_t op, uint32_t place)
{
    if (w->n_ready[op]++ == 0)
        w->first_ready[op] = (uint16_t)place;
    else
        w->next_ready[w->last_ready[op]] = (uint16_t)place;
    w->last_ready[op] = (uint16_t)place;
}

static uint32_t
pop_ready(window *w, uint32_t op)
{
    uint32_t place = w->first_ready[op];
    if (--w->n_ready[op] > 0)
        w->first_ready[op] = w->next_ready[place];
    return place;
}

/* Links what waits for what in the window [start, end).  Returns how many instructions are to
   be ordered. */
static uint32_t
open_window(window *w, const fad_program *program, uint32_t start, uint32_t end)
{
    uint32_t n = 0;
    memset(w->n_ready, 0, sizeof w->n_ready);
    for (uint32_t id = start; id < end; id++) {
        const fad_instruction *i = &program->instructions[id];
        uint32_t place = id - start;
        w->first_edge[place] = NONE;
        w->n_pending[place] = 0;
        if (i->op >= FAD_N_STEPS)
            continue;
        n++;
        for (int k = fad_instruction_arity(i); k-- > 0;) {
            uint32_t arg = i->args[k];
            if (arg < start || program->instructions[arg].op >= FAD_N_STEPS)
                continue;
            w->n_pending[place]++;
            w->next_edge[3 * place + k] = w->first_edge[arg - start];
            w->first_edge[arg - start] = (uint16_t)(3 * place + k);
        }
        if (w->n_pending[place] == 0)
            push_ready(w, i->op, place);
    }
    return n;
}

static uint32_t
most_ready(const window *w)
{
    uint32_t best = 0;
    for (uint32_t op = 1; op < FAD_N_STEPS; op++)
        if (w->n_ready[op] > w->n_ready[best])
            best = op;
    return best;
}

/* Writes the ids of the window in their new order, and returns the end of what it wrote. */
static uint32_t *
order_window(window *w, const fad_program *program, uint32_t start, uint32_t end,
             uint32_t *order)
{
    uint32_t n = open_window(w, program, start, end);
    for (uint32_t *last = order + n; order < last;) {
        uint32_t op = most_ready(w);
        while (w->n_ready[op] > 0) {
            uint32_t place = pop_ready(w, op);
            *order++ = start + place;
            for (uint32_t e = w->first_edge[place]; e != NONE; e = w->next_edge[e])
                if (--w->n_pending[e / 3] == 0)
                    push_ready(w, program->instructions[start + e / 3].op, e / 3);
        }
    }
    return order;
}

/* The ids of all operations in the order of the schedule: n of them. */
static int
order_all(const fad_program *program, uint32_t *order, uint32_t *n)
{
    window *w = fad_memory_resize(NULL, sizeof *w);
    if (w == NULL)
        return -1;
    uint32_t *end = order;
    for (uint32_t start = 0; start < program->n_instructions; start += WINDOW) {
        uint32_t rest = program->n_instructions - start;
        end = order_window(w, program, start, start + (rest < WINDOW ? rest : WINDOW), end);
    }
    *n = (uint32_t)(end - order);
    fad_memory_free(w);
    return 0;
}

/* ---- Chains ----------------------------------------------------------------------------- */

enum { LONG = 16 }; /* so many steps are worth a loop of their own */

/* The chain that runs of this opcode may have, and the argument that it goes by. */
static uint32_t
chain_of(uint32_t op, int *argument)
{
    *argument = op == FAD_OP_muladd || op == FAD_OP_mulsub ? 2 : 0;
    return op == FAD_OP_add      ? FAD_CHAIN_add
           : op == FAD_OP_sub    ? FAD_CHAIN_sub
           : op == FAD_OP_mul    ? FAD_CHAIN_mul
           : op == FAD_OP_muladd ? FAD_CHAIN_muladd
           : op == FAD_OP_mulsub ? FAD_CHAIN_mulsub
                                 : 0;
}

static inline int
is_commutative(uint32_t op)
{
    return op == FAD_OP_add || op == FAD_OP_mul;
}

/* Whether the instructions are a chain (distance 1) or two in turns (2). */
static int
are_linked(const fad_program *program, const uint32_t *ids, uint32_t n, uint32_t distance)
{
    const uint32_t op = program->instructions[ids[0]].op;
    int argument;
    chain_of(op, &argument);
    for (uint32_t k = distance; k < n; k++) {
        const uint32_t *args = program->instructions[ids[k]].args;
        if (args[argument] != ids[k - distance] &&
            !(is_commutative(op) && args[1] == ids[k - distance]))
            return 0;
    }
    return 1;
}

/*
 * What is used within a run of one opcode comes first, if that makes a long chain or two of it,
 * and what is not used there behind it.  marks: one for each instruction; stamp: new for each
 * run.  parts: room for the run.
 */
static void
straighten(const fad_program *program, uint32_t *run, uint32_t n, uint32_t *marks,
           uint32_t stamp, uint32_t *parts)
{
    const uint32_t op = program->instructions[run[0]].op;
    uint32_t n_used = 0, n_rest = 0;
    int argument;
    if (n < LONG || !chain_of(op, &argument))
        return;
    for (uint32_t k = 0; k < n; k++)
        marks[run[k]] = stamp; /* in the run */
    for (uint32_t k = 0; k < n; k++)
        for (int j = fad_op_rows[op].arity; j-- > 0;) {
            uint32_t arg = program->instructions[run[k]].args[j];
            if (marks[arg] == stamp)
                marks[arg] = stamp + 1; /* and used there */
        }
    for (uint32_t k = 0; k < n; k++)
        if (marks[run[k]] == stamp + 1)
            parts[n_used++] = run[k];
    for (uint32_t k = 0; k < n; k++)
        if (marks[run[k]] == stamp)
            parts[n_used + n_rest++] = run[k];
    if (n_used >= LONG && (are_linked(program, parts, n_used, 1) ||
                           are_linked(program, parts, n_used, 2)))
        memcpy(run, parts, n * sizeof *run);
}

static void
straighten_all(const fad_program *program, uint32_t *order, uint32_t n, uint32_t *marks,
               uint32_t *rest)
{
    uint32_t stamp = 1;
    for (uint32_t start = 0, end; start < n; start = end, stamp += 2) {
        uint32_t op = program->instructions[order[start]].op;
        for (end = start + 1; end < n && program->instructions[order[end]].op == op;)
            end++;
        straighten(program, order + start, end - start, marks, stamp, rest);
    }
}

/* Whether a step takes that result where a chain does; if not, perhaps its arguments can change
   places. */
static int
continues(fad_step *step, uint32_t result, uint32_t op, int argument)
{
    if (is_commutative(op) && step->args[1] == result) {
        step->args[1] = step->args[0];
        step->args[0] = result;
    }
    return step->args[argument] == result;
}

/* How many of the n steps are a chain. */
static uint32_t
count_chain(fad_step *steps, uint32_t n, uint32_t op, int argument)
{
    uint32_t k = 1;
    while (k < n && continues(&steps[k], steps[k - 1].result, op, argument))
        k++;
    return k;
}

/* How many are two chains in turns: neither takes or overwrites what the other hands on. */
static uint32_t
count_twins(fad_step *steps, uint32_t n, uint32_t op, int argument)
{
    uint32_t k = 2;
    if (n < 2 || steps[1].args[argument] == steps[0].result)
        return 0;
    while (k < n && steps[k - 1].result != steps[k - 2].result &&
           continues(&steps[k], steps[k - 2].result, op, argument))
        k++;
    return k;
}

static int
is_square(const fad_schedule *schedule, const fad_step *step)
{
    const uint32_t constant = step->args[1] - schedule->n_inputs;
    return step->args[1] >= schedule->n_inputs && constant < schedule->n_constants &&
           schedule->constants[constant] == 2.0;
}

/* How many of the n steps have a loop of their own, and which. */
static uint32_t
special(const fad_schedule *schedule, uint32_t op, fad_step *steps, uint32_t n,
        uint32_t *special_op)
{
    int argument;
    const uint32_t chain = chain_of(op, &argument);
    uint32_t length = 0;
    if (chain) {
        *special_op = chain;
        length = count_chain(steps, n, op, argument);
        if (length < LONG) {
            *special_op = chain - FAD_CHAIN_add + FAD_TWINS_add;
            length = count_twins(steps, n, op, argument);
        }
    } else if (op == FAD_OP_pow) {
        *special_op = FAD_SQUARES;
        while (length < n && is_square(schedule, &steps[length]))
            length++;
    }
    return length < LONG ? 0 : length;
}

static void
append_run(fad_schedule *schedule, uint32_t op, uint32_t n)
{
    if (n > 0)
        schedule->runs[schedule->n_runs++] = (fad_run){op, n};
}

/* Appends the steps to the runs. */
static void
append_runs(fad_schedule *schedule, uint32_t op, fad_step *steps, uint32_t n)
{
    uint32_t special_op, n_plain = 0; /* steps before k that are in no run yet */
    for (uint32_t k = 0, length; k < n; k += length) {
        length = special(schedule, op, steps + k, n - k, &special_op);
        if (length == 0) {
            length = 1;
            n_plain++;
            continue;
        }
        append_run(schedule, op, n_plain);
        append_run(schedule, special_op, length);
        n_plain = 0;
    }
    append_run(schedule, op, n_plain);
}

/* ---- Slots ------------------------------------------------------------------------------ */

/* What is known while slots are given out. */
typedef struct {
    const fad_program *program;
    fad_schedule *schedule;
    uint32_t *order;    /* the ids of the operations */
    uint32_t *slots;    /* of each instruction */
    uint32_t *last_use; /* of each instruction: 1 + the step that is its last user; */
    uint32_t *unused;   /* slots, a stack: what was used last is in the cache */
    uint32_t n_unused;
} layout;

#define FOR_EVER UINT32_MAX /* as a last_use: outputs, inputs and constants keep their slots */

static void
find_last_uses(layout *l)
{
    const fad_instruction *instructions = l->program->instructions;
    for (uint32_t step = 0; step < l->schedule->n_steps; step++) {
        const fad_instruction *i = &instructions[l->order[step]];
        for (int k = fad_instruction_arity(i); k-- > 0;)
            l->last_use[i->args[k]] = step + 1;
    }
    for (uint32_t id = 0; id < l->program->n_instructions; id++)
        if (instructions[id].op >= FAD_N_STEPS)
            l->last_use[id] = FOR_EVER;
    for (uint32_t k = 0; k < l->program->n_outputs; k++)
        l->last_use[l->program->outputs[k]] = FOR_EVER;
}

/* A guard's place for a slot holds what its step has for a result. */
static void
number_guards(layout *l)
{
    uint32_t n = 0;
    for (uint32_t id = 0; id < l->program->n_instructions; id++) {
        const fad_instruction *i = &l->program->instructions[id];
        if (fad_instruction_is_guard(i))
            l->slots[id] = n++ << 1 | fad_guard_outcome(i);
    }
}

/* Inputs first, then constants. */
static void
give_slots_to_leaves(layout *l)
{
    fad_schedule *schedule = l->schedule;
    for (uint32_t id = 0; id < l->program->n_instructions; id++) {
        const fad_instruction *i = &l->program->instructions[id];
        if (i->op == FAD_INPUT)
            l->slots[id] = i->args[0];
        if (i->op != FAD_CONSTANT)
            continue;
        l->slots[id] = schedule->n_inputs + schedule->n_constants;
        schedule->constants[schedule->n_constants++] = fad_instruction_constant(i);
    }
    schedule->n_slots = schedule->n_inputs + schedule->n_constants;
}

static fad_step
lay_out_step(layout *l, uint32_t number, uint32_t id)
{
    const fad_instruction *i = &l->program->instructions[id];
    fad_step step = {0};
    for (int k = fad_instruction_arity(i); k-- > 0;) {
        uint32_t arg = i->args[k];
        step.args[k] = l->slots[arg];
        if (l->last_use[arg] != number + 1)
            continue;
        l->unused[l->n_unused++] = l->slots[arg];
        l->last_use[arg] = 0; /* the same argument may follow once more */
    }
    if (!fad_instruction_is_guard(i))
        l->slots[id] = l->n_unused > 0 ? l->unused[--l->n_unused] : l->schedule->n_slots++;
    step.result = l->slots[id];
    if (l->last_use[id] == 0 && !fad_instruction_is_guard(i)) /* it is only kept */
        l->unused[l->n_unused++] = l->slots[id];
    return step;
}

static void
lay_out(layout *l)
{
    fad_schedule *schedule = l->schedule;
    find_last_uses(l);
    number_guards(l);
    give_slots_to_leaves(l);
    for (uint32_t start = 0, end; start < schedule->n_steps; start = end) {
        uint32_t op = l->program->instructions[l->order[start]].op;
        for (end = start; end < schedule->n_steps; end++) {
            uint32_t id = l->order[end];
            if (l->program->instructions[id].op != op)
                break;
            schedule->steps[end] = lay_out_step(l, end, id);
        }
        append_runs(schedule, op, schedule->steps + start, end - start);
    }
    for (uint32_t k = 0; k < l->program->n_outputs; k++)
        schedule->outputs[k] = l->slots[l->program->outputs[k]];
}

static uint32_t
count_runs(const layout *l)
{
    uint32_t n = 0, last = FAD_N_STEPS;
    for (uint32_t step = 0; step < l->schedule->n_steps; step++) {
        uint32_t op = l->program->instructions[l->order[step]].op;
        n += op != last;
        last = op;
    }
    return n + 2 * (l->schedule->n_steps / LONG); /* special ones cut them in pieces */
}

static uint32_t
count_constants(const fad_program *program)
{
    uint32_t n = 0;
    for (uint32_t id = 0; id < program->n_instructions; id++)
        n += program->instructions[id].op == FAD_CONSTANT;
    return n;
}

/* The steps in half the memory, if their numbers allow it. */
static int
shorten(fad_schedule *schedule)
{
    uint32_t all = 0;
    for (uint32_t k = 0; k < schedule->n_steps; k++) {
        const fad_step *step = &schedule->steps[k];
        all |= step->result | step->args[0] | step->args[1] | step->args[2];
    }
    if (all > UINT16_MAX)
        return 0;
    schedule->short_steps = array(schedule->n_steps, sizeof *schedule->short_steps);
    if (schedule->short_steps == NULL)
        return -1;
    for (uint32_t k = 0; k < schedule->n_steps; k++) {
        const fad_step *step = &schedule->steps[k];
        schedule->short_steps[k] = (fad_short_step){
            (uint16_t)step->result,
            {(uint16_t)step->args[0], (uint16_t)step->args[1], (uint16_t)step->args[2]},
        };
    }
    return 0;
}

static int
order_and_lay_out(layout *l)
{
    const fad_program *program = l->program;
    fad_schedule *schedule = l->schedule;
    size_t n = program->n_instructions;
    l->order = array(n, sizeof *l->order);
    l->slots = array(n, sizeof *l->slots);
    l->unused = array(n, sizeof *l->unused);
    l->last_use = fad_memory_zeroed(n * sizeof *l->last_use + 1);
    if (l->order == NULL || l->slots == NULL || l->unused == NULL || l->last_use == NULL)
        return -1;
    if (order_all(program, l->order, &schedule->n_steps) < 0)
        return -1;
    straighten_all(program, l->order, schedule->n_steps, l->last_use, l->unused);
    memset(l->last_use, 0, n * sizeof *l->last_use);
    schedule->n_inputs = program->n_inputs;
    schedule->n_outputs = program->n_outputs;
    schedule->runs = array(count_runs(l), sizeof *schedule->runs);
    schedule->steps = array(schedule->n_steps, sizeof *schedule->steps);
    schedule->constants = array(count_constants(program), sizeof *schedule->constants);
    schedule->outputs = array(program->n_outputs, sizeof *schedule->outputs);
    if (schedule->runs == NULL || schedule->steps == NULL || schedule->constants == NULL ||
        schedule->outputs == NULL)
        return -1;
    lay_out(l);
    return shorten(schedule);
}

int
fad_schedule_make(const fad_program *program, fad_schedule *schedule)
{
    fad_program copy = {0};
    layout l = {.program = &copy, .schedule = schedule};
    int status = copy_fused(program, &copy);
    if (status == 0)
        status = order_and_lay_out(&l);
    fad_memory_free(l.order);
    fad_memory_free(l.slots);
    fad_memory_free(l.unused);
    fad_memory_free(l.last_use);
    fad_program_free(&copy);
    if (status < 0)
        fad_schedule_free(schedule);
    return status;
}
