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

#include <math.h>
#include <string.h>

#include "sets.h"
#include "sweep.h"

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
scatter(const fad_node *node, uint32_t n, vec *row, vec *row_a, vec *row_b)
{
    for (uint32_t k = 0; k < n; k++) {
        const vec adjoint = row[k];
        row_a[k] += adjoint * node->pa;
        row_b[k] += adjoint * node->pb;
        row[k] = (vec){0};
    }
}

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
        scatter(node, n, row, row_a, row_b);
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

/* ---- Carefully --------------------------------------------------------------------- */

/* Where all is finite, as nearly everywhere, a zero has nothing to absorb, and a node is swept
   in registers; 3 to 8 times as fast as one number after the other. */
static inline int
is_finite(const vec *row, uint32_t n)
{
    mask m = equal(row[0] - row[0], (vec){0});
    for (uint32_t k = 1; k < n; k++)
        m &= equal(row[k] - row[k], (vec){0});
    return all(m);
}

static inline int
has_finite_partials(const fad_node *node)
{
    return isfinite(node->pa) && isfinite(node->pb);
}

/* Adds to the directions of a row that are in the set. */
static APART void
add_products(vec *row, const vec *factors, double partial, uint32_t n, uint16_t directions,
             uint64_t *n_absorbed)
{
    const double *numbers = (const double *)factors;
    for (uint32_t d = 0; d < n * WIDTH; d++)
        if (directions >> d & 1)
            ((double *)row)[d] += fad_absorbing_product(numbers[d], partial, n_absorbed);
}

static uint64_t
sweep_backward_carefully(const fad_tape *tape, uint32_t from, uint32_t n_directions,
                         double *rows, uint16_t *reached)
{
    const uint32_t n = n_directions / WIDTH;
    vec *adjoints = (vec *)rows;
    uint64_t n_absorbed = 0;
    for (uint32_t id = from + 1; id-- > 0;) {
        const fad_node *node = &tape->nodes[id];
        vec *row = adjoints + (size_t)id * n;
        vec *row_a = adjoints + (size_t)node->a * n;
        vec *row_b = adjoints + (size_t)node->b * n;
        if (!reached[id] || node->a == id)
            continue;
        reached[node->a] |= reached[id];
        reached[node->b] |= reached[id];
        if (has_finite_partials(node) && is_finite(row, n)) {
            scatter(node, n, row, row_a, row_b);
            continue;
        }
        add_products(row_a, row, node->pa, n, reached[id], &n_absorbed);
        if (node->b != id)
            add_products(row_b, row, node->pb, n, reached[id], &n_absorbed);
        memset(row, 0, n * sizeof *row);
    }
    return n_absorbed;
}

/* A row begins with 0, to which products are added: -0.0 becomes 0.0. */
static uint64_t
sweep_forward_carefully(const fad_tape *tape, uint32_t to, uint32_t n_directions,
                        double *rows, uint16_t *reached, const unsigned char *needed)
{
    const uint32_t n = n_directions / WIDTH;
    vec *tangents = (vec *)rows;
    uint64_t n_absorbed = 0;
    for (uint32_t id = 0; id <= to; id++) {
        const fad_node *node = &tape->nodes[id];
        vec *row = tangents + (size_t)id * n;
        const vec *row_a = tangents + (size_t)node->a * n;
        const vec *row_b = tangents + (size_t)node->b * n;
        const int is_unary = node->b == id;
        if (!needed[id] || node->a == id)
            continue;
        reached[id] = reached[node->a] | (is_unary ? 0 : reached[node->b]);
        if (has_finite_partials(node) && is_finite(row_a, n)
            && (is_unary || is_finite(row_b, n))) {
            for (uint32_t k = 0; k < n; k++)
                row[k] = (vec){0} + row_a[k] * node->pa;
            for (uint32_t k = 0; !is_unary && k < n; k++)
                row[k] += row_b[k] * node->pb;
            continue;
        }
        memset(row, 0, n * sizeof *row);
        add_products(row, row_a, node->pa, n, reached[node->a], &n_absorbed);
        if (!is_unary)
            add_products(row, row_b, node->pb, n, reached[node->b], &n_absorbed);
    }
    return n_absorbed;
}

#endif
