#include "derive.h"

#include <math.h>

#include "cell.h"
#include "memory.h"

/* What is known of an instruction of source. */
enum {
    ACTIVE = 1, /* a wanted input matters to it */
    MASKED = 2  /* its adjoint came through a choice: it may be 0 where a partial is infinite */
};

typedef struct {
    const fad_program *source;
    fad_program *derived;
    uint32_t *values;      /* for each instruction of source: its id in derived, */
    uint32_t *derivatives; /* and that of its adjoint or tangent; FAD_NO_ID: none, or 0 */
    unsigned char *marks;
} derivation;

/* Whether the k-th argument passes on a derivative. */
static inline int
is_active_argument(const derivation *d, const fad_instruction *i, int k)
{
    return i->op < FAD_N_OPS && d->marks[i->args[k]] & ACTIVE &&
           !fad_cell_is_zero(i->op, k);
}

static void
mark_active(derivation *d, const unsigned char *wanted)
{
    for (uint32_t id = 0; id < d->source->n_instructions; id++) {
        const fad_instruction *i = &d->source->instructions[id];
        int active = i->op == FAD_INPUT && (wanted == NULL || wanted[i->args[0]]);
        for (int k = fad_instruction_arity(i); k-- > 0;)
            active |= is_active_argument(d, i, k);
        d->marks[id] = active ? ACTIVE : 0;
    }
}

static void
end(derivation *d)
{
    fad_memory_free(d->values);
    fad_memory_free(d->derivatives);
    fad_memory_free(d->marks);
}

/* Emits source itself, with its outputs, into derived. */
static int
begin(derivation *d, const fad_program *source, const unsigned char *wanted,
      fad_program *derived)
{
    size_t n = source->n_instructions;
    *d = (derivation){.source = source, .derived = derived};
    d->values = fad_memory_resize(NULL, n * sizeof *d->values + 1);
    d->derivatives = fad_memory_resize(NULL, n * sizeof *d->derivatives + 1);
    d->marks = fad_memory_zeroed(n + 1);
    if (d->values == NULL || d->derivatives == NULL || d->marks == NULL)
        return -1;
    if (fad_cells_parse() < 0 || fad_program_inline(derived, source, NULL, d->values) < 0)
        return -1;
    for (uint32_t k = 0; k < source->n_outputs; k++)
        if (fad_program_add_output(derived, d->values[source->outputs[k]]) < 0)
            return -1;
    mark_active(d, wanted);
    for (size_t id = 0; id < n; id++)
        d->derivatives[id] = FAD_NO_ID;
    return 0;
}

/* ---- Products ------------------------------------------------------------------------ */

static int
is_zero(const fad_program *program, uint32_t id)
{
    double value;
    return fad_program_is_constant(program, id, &value) && value == 0.0;
}

/* The partial of an instruction of source to its k-th argument. */
static uint32_t
emit_partial(derivation *d, uint32_t id, int k)
{
    const fad_instruction *i = &d->source->instructions[id];
    const uint32_t args[3] = {d->values[i->args[0]], d->values[i->args[1]],
                              d->values[i->args[2]]};
    return fad_cell_emit(d->derived, i->op, k, args, d->values[id]);
}

/* A derivative times a partial; the constant 0 if the partial is. */
static uint32_t
emit_product(derivation *d, uint32_t derivative, uint32_t partial, int masked)
{
    double constant;
    if (partial == FAD_NO_ID || is_zero(d->derived, partial))
        return partial;
    if (fad_program_is_constant(d->derived, partial, &constant) && isfinite(constant))
        masked = 0;
    return fad_program_emit(d->derived, masked ? FAD_OP_scale : FAD_OP_mul, derivative,
                            partial, 0);
}

/* Adds to the derivative of an instruction of source. */
static int
accumulate(derivation *d, uint32_t id, uint32_t summand)
{
    uint32_t *derivative = &d->derivatives[id];
    if (summand == FAD_NO_ID)
        return -1;
    if (is_zero(d->derived, summand))
        return 0;
    if (*derivative == FAD_NO_ID) {
        *derivative = summand;
        return 0;
    }
    uint32_t sum = fad_program_emit(d->derived, FAD_OP_add, *derivative, summand, 0);
    if (sum == FAD_NO_ID)
        return -1;
    *derivative = sum;
    return 0;
}

/* where(c, y, z), with FAD_NO_ID for 0. */
static uint32_t
emit_choice(derivation *d, uint32_t c, uint32_t y, uint32_t z)
{
    uint32_t zero = fad_program_constant(d->derived, 0.0);
    return fad_program_emit(d->derived, FAD_OP_where, c, y == FAD_NO_ID ? zero : y,
                            z == FAD_NO_ID ? zero : z);
}

static int
add_derivative_output(derivation *d, uint32_t derivative)
{
    if (derivative == FAD_NO_ID)
        derivative = fad_program_constant(d->derived, 0.0);
    return fad_program_add_output(d->derived, derivative);
}

/* ---- Backward ------------------------------------------------------------------------ */

/* What the adjoint of an instruction adds to that of its k-th argument. */
static uint32_t
emit_contribution(derivation *d, uint32_t id, int k)
{
    const fad_instruction *i = &d->source->instructions[id];
    uint32_t adjoint = d->derivatives[id];
    if (i->op == FAD_OP_where)
        return emit_choice(d, d->values[i->args[0]], k == 1 ? adjoint : FAD_NO_ID,
                           k == 2 ? adjoint : FAD_NO_ID);
    return emit_product(d, adjoint, emit_partial(d, id, k), d->marks[id] & MASKED);
}

static int
pass_on_adjoint(derivation *d, uint32_t id)
{
    /* On a tape three edges are two nodes, and the sweep meets the one of z first. */
    static const int as_args[] = {0, 1, 2}, z_first[] = {2, 0, 1};
    const fad_instruction *i = &d->source->instructions[id];
    int arity = fad_instruction_arity(i), n_active = 0;
    for (int k = 0; k < arity; k++)
        n_active += is_active_argument(d, i, k);
    const int *order = n_active == 3 ? z_first : as_args;
    if (i->op == FAD_OP_scale)
        d->marks[id] |= MASKED;
    int masks = d->marks[id] & MASKED || i->op == FAD_OP_where;
    for (int n = 0; n < arity; n++) {
        int k = order[n];
        if (!is_active_argument(d, i, k))
            continue;
        if (masks)
            d->marks[i->args[k]] |= MASKED;
        if (accumulate(d, i->args[k], emit_contribution(d, id, k)) < 0)
            return -1;
    }
    return 0;
}

/* From the seeds in derivatives to the outputs for the wanted inputs. */
static int
derive_backward(derivation *d)
{
    for (uint32_t id = d->source->n_instructions; id-- > 0;)
        if (d->derivatives[id] != FAD_NO_ID && pass_on_adjoint(d, id) < 0)
            return -1;
    for (uint32_t id = 0; id < d->source->n_instructions; id++)
        if (d->source->instructions[id].op == FAD_INPUT && d->marks[id] & ACTIVE &&
            add_derivative_output(d, d->derivatives[id]) < 0)
            return -1;
    return 0;
}

static int
derive_gradient(derivation *d, uint32_t k)
{
    uint32_t seed = fad_program_constant(d->derived, 1.0);
    if (accumulate(d, d->source->outputs[k], seed) < 0)
        return -1;
    return derive_backward(d);
}

static int
derive_pullback(derivation *d)
{
    const fad_program *source = d->source;
    for (uint32_t k = 0; k < source->n_outputs; k++)
        if (accumulate(d, source->outputs[k], fad_program_input(d->derived)) < 0)
            return -1;
    return derive_backward(d);
}

/* ---- Forward ------------------------------------------------------------------------- */

static uint32_t
derivative_of_argument(const derivation *d, const fad_instruction *i, int k)
{
    int passes_on = i->op < FAD_N_OPS && !fad_cell_is_zero(i->op, k);
    return passes_on ? d->derivatives[i->args[k]] : FAD_NO_ID;
}

static int
emit_tangent(derivation *d, uint32_t id)
{
    const fad_instruction *i = &d->source->instructions[id];
    if (i->op == FAD_OP_where) {
        uint32_t y = derivative_of_argument(d, i, 1), z = derivative_of_argument(d, i, 2);
        if (y == FAD_NO_ID && z == FAD_NO_ID)
            return 0;
        return accumulate(d, id, emit_choice(d, d->values[i->args[0]], y, z));
    }
    for (int k = 0; k < fad_instruction_arity(i); k++) {
        uint32_t tangent = derivative_of_argument(d, i, k);
        if (tangent == FAD_NO_ID)
            continue;
        uint32_t partial = emit_partial(d, id, k);
        uint32_t product = emit_product(d, tangent, partial, i->op == FAD_OP_scale);
        if (accumulate(d, id, product) < 0)
            return -1;
    }
    return 0;
}

static int
derive_tangent(derivation *d)
{
    const fad_program *source = d->source;
    for (uint32_t id = 0; id < source->n_instructions; id++) {
        int is_input = source->instructions[id].op == FAD_INPUT;
        if (is_input && d->marks[id] & ACTIVE &&
            accumulate(d, id, fad_program_input(d->derived)) < 0)
            return -1;
        if (!is_input && emit_tangent(d, id) < 0)
            return -1;
    }
    for (uint32_t k = 0; k < source->n_outputs; k++)
        if (add_derivative_output(d, d->derivatives[source->outputs[k]]) < 0)
            return -1;
    return 0;
}

/* ---- The verbs ----------------------------------------------------------------------- */

/* Drops what is dead, or everything after a failure. */
static int
finish(derivation *d, int status)
{
    end(d);
    if (status == 0)
        status = fad_program_drop_dead(d->derived);
    if (status < 0)
        fad_program_free(d->derived);
    return status;
}

int
fad_derive_gradient(const fad_program *source, uint32_t k, const unsigned char *wanted,
                    fad_program *derived)
{
    derivation d;
    int status = begin(&d, source, wanted, derived);
    if (status == 0)
        status = derive_gradient(&d, k);
    return finish(&d, status);
}

int
fad_derive_pullback(const fad_program *source, const unsigned char *wanted,
                    fad_program *derived)
{
    derivation d;
    int status = begin(&d, source, wanted, derived);
    if (status == 0)
        status = derive_pullback(&d);
    return finish(&d, status);
}

int
fad_derive_tangent(const fad_program *source, const unsigned char *wanted,
                   fad_program *derived)
{
    derivation d;
    int status = begin(&d, source, wanted, derived);
    if (status == 0)
        status = derive_tangent(&d);
    return finish(&d, status);
}
