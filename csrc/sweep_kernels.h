/*
 * The sweeps of one instruction set in several directions at once: each node has a row of
 * numbers, which is n registers.  What a register is, lanes.h or lane.h has said before.
 *
 *   row of a node    d0 d1 d2 d3 | d4 d5 d6 d7      8 directions, registers of 4
 *
 * A product and a sum are rounded one after the other, without fused(), so that all sets
 * give the bits of a sweep in one direction.
 */
#ifndef FAD_SWEEP_KERNELS_H
#define FAD_SWEEP_KERNELS_H

#include "sets.h"

static inline int
is_zero(const vec *row, uint32_t n)
{
    mask m = equal(row[0], (vec){0});
    for (uint32_t k = 1; k < n; k++)
        m &= equal(row[k], (vec){0});
    return all(m);
}

/* As in a single sweep, a row is cleared after both scatters: whatever the second edge of a
   unary node, which is the node itself, leaves there. */
static inline void
backward(const fad_tape *tape, uint32_t from, uint32_t n, vec *restrict adjoints)
{
    const fad_node *restrict nodes = tape->nodes;
    for (uint32_t id = from + 1; id-- > 0;) {
        const fad_node *node = &nodes[id];
        vec *row = adjoints + (size_t)id * n;
        vec *row_a = adjoints + (size_t)node->a * n;
        vec *row_b = adjoints + (size_t)node->b * n;
        if (is_zero(row, n) || node->a == id) /* an input */
            continue;
        for (uint32_t k = 0; k < n; k++) {
            const vec adjoint = row[k];
            row_a[k] += adjoint * node->pa;
            row_b[k] += adjoint * node->pb;
            row[k] = (vec){0};
        }
    }
}

static inline void
forward(const fad_tape *tape, uint32_t to, uint32_t n, vec *restrict tangents)
{
    const fad_node *restrict nodes = tape->nodes;
    for (uint32_t id = 0; id <= to; id++) {
        const fad_node *node = &nodes[id];
        vec *row = tangents + (size_t)id * n;
        const vec *row_a = tangents + (size_t)node->a * n;
        const vec *row_b = tangents + (size_t)node->b * n;
        if (node->a == id) /* an input */
            continue;
        for (uint32_t k = 0; k < n; k++)
            row[k] = row_a[k] * node->pa;
        if (node->b != id)
            for (uint32_t k = 0; k < n; k++)
                row[k] += row_b[k] * node->pb;
    }
}

/* Inlined with the usual numbers of registers known, so that the loops over a row are
   unrolled. */
#define WITH_CONSTANT_N(sweep)                                                             \
    do {                                                                                   \
        const uint32_t n = n_directions / WIDTH;                                           \
        if (n == 1)                                                                        \
            sweep(tape, end, 1, (vec *)rows);                                              \
        else if (n == 2)                                                                   \
            sweep(tape, end, 2, (vec *)rows);                                              \
        else if (n == 4 && WIDTH <= 4)                                                     \
            sweep(tape, end, 4, (vec *)rows);                                              \
        else if (n == 8 && WIDTH <= 2)                                                     \
            sweep(tape, end, 8, (vec *)rows);                                              \
        else if (n == 16 && WIDTH == 1)                                                    \
            sweep(tape, end, 16, (vec *)rows);                                             \
        else                                                                               \
            sweep(tape, end, n, (vec *)rows);                                              \
    } while (0)

static void
sweep_backward(const fad_tape *tape, uint32_t end, uint32_t n_directions, double *rows)
{
    WITH_CONSTANT_N(backward);
}

static void
sweep_forward(const fad_tape *tape, uint32_t end, uint32_t n_directions, double *rows)
{
    WITH_CONSTANT_N(forward);
}

#undef WITH_CONSTANT_N

#endif
