#include "fuse.h"

#include "memory.h"

static uint32_t *
count_uses(const fad_program *program)
{
    uint32_t *n_uses = fad_memory_zeroed(program->n_instructions * sizeof *n_uses + 1);
    if (n_uses == NULL)
        return NULL;
    for (uint32_t id = 0; id < program->n_instructions; id++) {
        const fad_instruction *i = &program->instructions[id];
        for (int k = fad_instruction_arity(i); k-- > 0;)
            n_uses[i->args[k]]++;
    }
    for (uint32_t k = 0; k < program->n_outputs; k++)
        n_uses[program->outputs[k]] += 2; /* its value is needed, whoever uses it too */
    return n_uses;
}

/* The instruction of that id, if it is of that row and has one use; else NULL. */
static const fad_instruction *
single(const fad_program *program, const uint32_t *n_uses, uint32_t id, uint32_t op)
{
    const fad_instruction *i = &program->instructions[id];
    return i->op == op && n_uses[id] == 1 ? i : NULL;
}

/* a + b, where a is to be fused: a product, a negated product, or something negated. */
static int
fuse_summand(fad_program *program, const uint32_t *n_uses, uint32_t id, uint32_t a,
             uint32_t b)
{
    fad_instruction *sum = &program->instructions[id];
    const fad_instruction *product = single(program, n_uses, a, FAD_OP_mul);
    const fad_instruction *negated = single(program, n_uses, a, FAD_OP_neg);
    if (product != NULL) {
        *sum = (fad_instruction){FAD_OP_muladd, {product->args[0], product->args[1], b}};
        return 1;
    }
    if (negated == NULL)
        return 0;
    product = single(program, n_uses, negated->args[0], FAD_OP_mul);
    if (product != NULL)
        *sum = (fad_instruction){FAD_OP_mulsub, {product->args[0], product->args[1], b}};
    else
        *sum = (fad_instruction){FAD_OP_sub, {b, negated->args[0], 0}};
    return 1;
}

/* x - b, where b is to be fused: a product, or something negated. */
static void
fuse_subtrahend(fad_program *program, const uint32_t *n_uses, uint32_t id)
{
    fad_instruction *i = &program->instructions[id];
    const uint32_t x = i->args[0], b = i->args[1];
    const fad_instruction *product = single(program, n_uses, b, FAD_OP_mul);
    const fad_instruction *negated = single(program, n_uses, b, FAD_OP_neg);
    if (product != NULL)
        *i = (fad_instruction){FAD_OP_mulsub, {product->args[0], product->args[1], x}};
    else if (negated != NULL)
        *i = (fad_instruction){FAD_OP_add, {x, negated->args[0], 0}};
}

/* Takes negations out of the product of a muladd or mulsub. */
static void
take_signs(fad_program *program, const uint32_t *n_uses, uint32_t id)
{
    fad_instruction *i = &program->instructions[id];
    const fad_instruction *negated;
    for (int k = 0; k < 2; k++)
        while ((negated = single(program, n_uses, i->args[k], FAD_OP_neg)) != NULL) {
            i->op = i->op == FAD_OP_muladd ? FAD_OP_mulsub : FAD_OP_muladd;
            i->args[k] = negated->args[0];
        }
}

int
fad_program_fuse(fad_program *program)
{
    uint32_t *n_uses = count_uses(program);
    if (n_uses == NULL)
        return -1;
    for (uint32_t id = 0; id < program->n_instructions; id++) {
        fad_instruction *i = &program->instructions[id];
        uint32_t a = i->args[0], b = i->args[1];
        if (i->op == FAD_OP_add && !fuse_summand(program, n_uses, id, b, a))
            fuse_summand(program, n_uses, id, a, b);
        else if (i->op == FAD_OP_sub)
            fuse_subtrahend(program, n_uses, id);
        if (i->op == FAD_OP_muladd || i->op == FAD_OP_mulsub)
            take_signs(program, n_uses, id);
    }
    fad_memory_free(n_uses);
    return 0;
}
