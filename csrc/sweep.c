#include "sweep.h"

#include <math.h>
#include <string.h>

#include "sets.h"

/* From id down, in steps of eight, to where there is an adjoint below. */
static inline uint32_t
skip_zeros(const double *adjoints, uint32_t id, uint32_t lowest)
{
    while (id >= lowest + 8) {
        uint64_t bits[8], any = 0;
        memcpy(bits, adjoints + id - 8, sizeof bits);
        for (int k = 0; k < 8; k++)
            any |= bits[k];
        if (any)
            break;
        id -= 8;
    }
    return id;
}

static inline uint32_t
min3(uint32_t x, uint32_t y, uint32_t z)
{
    uint32_t lower = x < y ? x : y;
    return lower < z ? lower : z;
}

/*
 * Bound by the store of one adjoint and the load of the next (2-3 ns a node), not by the
 * bandwidth of the arena; so the node stays in its simplest layout.  Skipping zeros is free
 * where there are none, and 1.5-2.8 times as fast where blocks of the tape are dead.  The
 * adjoint is cleared after both scatters: cleared before them, an infinite adjoint times the
 * dummy edge's 0 would leave a nan behind.
 *
 * Inlined twice.  What looks out for the rest of a crowded tape (where to stop, zeros in
 * blocks, which inputs there were) costs a fifth of a sweep; on a verb's tape, which holds
 * nothing else, it is left out.
 */
static inline void
sweep(fad_tape *tape, uint32_t from, int is_crowded)
{
    double *restrict adjoints = tape->adjoints;
    const fad_node *restrict nodes = tape->nodes;
    uint32_t *restrict reached_inputs = fad_tape_reached_inputs(tape);
    uint32_t n_reached = 0, n_skipped = 0, lowest = is_crowded ? from : 0;

    for (uint32_t id = from + 1; id-- > lowest;) {
        double adjoint = adjoints[id];
        if (adjoint == 0.0) {
            n_skipped++;
            if (is_crowded) {
                uint32_t next = skip_zeros(adjoints, id, lowest);
                n_skipped += (id - next) / 8; /* which takes as long as one node */
                id = next;
            }
            continue;
        }
        const fad_node *node = &nodes[id];
        if (node->a == id) { /* an input */
            if (is_crowded)
                reached_inputs[n_reached++] = id;
            continue;
        }
        adjoints[node->a] += adjoint * node->pa;
        adjoints[node->b] += adjoint * node->pb;
        adjoints[id] = 0.0;
        if (is_crowded)
            lowest = min3(lowest, node->a, node->b);
    }
    tape->n_reached = n_reached;
    tape->waste += n_skipped;
}

void
fad_sweep_backward_from_seeds(fad_tape *tape, uint32_t from)
{
    sweep(tape, from, 0);
}

void
fad_sweep_backward(fad_tape *tape, uint32_t from, double seed)
{
    tape->adjoints[from] = seed;
    fad_sweep_backward_from_seeds(tape, from);
}

void
fad_sweep_backward_in_a_crowd(fad_tape *tape, uint32_t from, double seed)
{
    tape->adjoints[from] = seed;
    sweep(tape, from, 1);
}

/* The same of bytes that say what is reached. */
static inline uint32_t
skip_unreached(const unsigned char *reached, uint32_t id, uint32_t lowest)
{
    uint64_t eight;
    while (id >= lowest + 8) {
        memcpy(&eight, reached + id - 8, sizeof eight);
        if (eight)
            break;
        id -= 8;
    }
    return id;
}

static inline uint32_t
reach(unsigned char *reached, const fad_node *node, uint32_t lowest)
{
    reached[node->a] = reached[node->b] = 1;
    return min3(lowest, node->a, node->b);
}

uint64_t
fad_sweep_backward_carefully(fad_tape *tape, uint32_t from, uint32_t to, uint32_t *lowest,
                             unsigned char *reached)
{
    double *adjoints = tape->adjoints;
    uint64_t n_absorbed = 0;

    for (uint32_t id = from + 1; id-- > (to > *lowest ? to : *lowest);) {
        const fad_node *node = &tape->nodes[id];
        if (!reached[id]) {
            id = skip_unreached(reached, id, to > *lowest ? to : *lowest);
            continue;
        }
        if (node->a == id) {
            fad_tape_reached_inputs(tape)[tape->n_reached++] = id;
            continue;
        }
        double adjoint = adjoints[id];
        adjoints[node->a] += fad_absorbing_product(adjoint, node->pa, &n_absorbed);
        if (node->b != id)
            adjoints[node->b] += fad_absorbing_product(adjoint, node->pb, &n_absorbed);
        adjoints[id] = 0.0;
        *lowest = reach(reached, node, *lowest);
    }
    return n_absorbed;
}

void
fad_sweep_reach(fad_tape *tape, uint32_t from, uint32_t lowest, unsigned char *reached)
{
    tape->n_reached = 0;
    for (uint32_t id = from + 1; id-- > lowest;) {
        const fad_node *node = &tape->nodes[id];
        if (!reached[id])
            id = skip_unreached(reached, id, lowest);
        else if (node->a == id)
            fad_tape_reached_inputs(tape)[tape->n_reached++] = id;
        else
            lowest = reach(reached, node, lowest);
    }
}

/* ---- Several directions at once ------------------------------------------------------ */

/* Those of the set; where its registers do not fill a row, of the best one below that has
   such as do. */
static const fad_kernels *
kernels_for_rows(int set, uint32_t n)
{
    while (!fad_has_set(set) || n % fad_kernels_of(set)->width != 0)
        set--;
    return fad_kernels_of(set);
}

void
fad_sweep_backward_many(const fad_tape *tape, int set, uint32_t from, uint32_t n,
                        double *adjoints)
{
    kernels_for_rows(set, n)->sweep_backward(tape, from, n, adjoints);
}

void
fad_sweep_forward_many(const fad_tape *tape, int set, uint32_t to, uint32_t n,
                       double *tangents)
{
    kernels_for_rows(set, n)->sweep_forward(tape, to, n, tangents);
}

uint64_t
fad_sweep_backward_many_carefully(const fad_tape *tape, int set, uint32_t from, uint32_t n,
                                  double *adjoints, uint16_t *reached)
{
    return kernels_for_rows(set, n)->sweep_backward_carefully(tape, from, n, adjoints,
                                                              reached);
}

uint64_t
fad_sweep_forward_many_carefully(const fad_tape *tape, int set, uint32_t to, uint32_t n,
                                 double *tangents, uint16_t *reached,
                                 const unsigned char *needed)
{
    return kernels_for_rows(set, n)->sweep_forward_carefully(tape, to, n, tangents, reached,
                                                             needed);
}
