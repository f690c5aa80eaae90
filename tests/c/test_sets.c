/*
 * The instruction sets: which there are, and that the sweeps of each give the same bits.  What
 * they do with batches is test_batch.c's.
 */
#include "check.h"

#include <stdlib.h>

#include "sets.h"
#include "sweep.h"

enum { N_INPUTS = 5, MAX_NODES = 80, MAX_DIRECTIONS = 32, MAX_CAREFUL_DIRECTIONS = 16 };

static const double odd[] = {0.0,  -0.0,  1.0,    -1.0,  5e-324, -1e-310,
                             1e300, -1e300, HUGE_VAL, -HUGE_VAL, NAN};

static double
any_number(int is_odd)
{
    return is_odd && random_below(8) == 0 ? odd[random_below(LENGTH(odd))] : random_number();
}

/* A tape of inputs, unary and binary nodes, some of them with the same argument twice; with
   so many nodes that all rows together are a multiple of the alignment. */
static void
record_random(fad_tape *tape, fad_node *nodes, int is_odd)
{
    tape->nodes = nodes;
    tape->n_nodes = 8 * (1 + random_below(MAX_NODES / 8));
    for (uint32_t id = 0; id < tape->n_nodes; id++) {
        fad_node *node = &nodes[id];
        *node = (fad_node){.a = id, .b = id};
        if (id < N_INPUTS || random_below(10) == 0)
            continue;
        node->a = random_below(id);
        node->pa = any_number(is_odd);
        if (random_below(3) == 0)
            continue;
        node->b = random_below(4) ? random_below(id) : node->a;
        node->pb = any_number(is_odd);
    }
}

/* ---- What the sweeps should do, a number at a time ------------------------------- */

static void
backward(const fad_tape *tape, uint32_t n, double *adjoints)
{
    for (uint32_t id = tape->n_nodes; id-- > 0;) {
        const fad_node *node = &tape->nodes[id];
        double *row = adjoints + id * n;
        int is_zero = 1;
        for (uint32_t d = 0; d < n; d++)
            is_zero &= row[d] == 0.0;
        for (uint32_t d = 0; d < n && !is_zero && node->a != id; d++) {
            adjoints[node->a * n + d] += row[d] * node->pa;
            if (node->b != id)
                adjoints[node->b * n + d] += row[d] * node->pb;
            row[d] = 0.0;
        }
    }
}

static void
forward(const fad_tape *tape, uint32_t n, double *tangents)
{
    for (uint32_t id = 0; id < tape->n_nodes; id++) {
        const fad_node *node = &tape->nodes[id];
        for (uint32_t d = 0; d < n && node->a != id; d++) {
            tangents[id * n + d] = tangents[node->a * n + d] * node->pa;
            if (node->b != id)
                tangents[id * n + d] += tangents[node->b * n + d] * node->pb;
        }
    }
}

/* Adds to the directions of the row of a node that are in the mask. */
static void
add_products(double *rows, uint32_t to, uint32_t from, double partial, uint32_t n,
             uint16_t mask, uint64_t *n_absorbed)
{
    for (uint32_t d = 0; d < n; d++)
        if (mask >> d & 1)
            rows[to * n + d] +=
                fad_absorbing_product(rows[from * n + d], partial, n_absorbed);
}

static uint64_t
backward_carefully(const fad_tape *tape, uint32_t n, double *adjoints, uint16_t *reached)
{
    uint64_t n_absorbed = 0;
    for (uint32_t id = tape->n_nodes; id-- > 0;) {
        const fad_node *node = &tape->nodes[id];
        if (!reached[id] || node->a == id)
            continue;
        add_products(adjoints, node->a, id, node->pa, n, reached[id], &n_absorbed);
        reached[node->a] |= reached[id];
        if (node->b != id) {
            add_products(adjoints, node->b, id, node->pb, n, reached[id], &n_absorbed);
            reached[node->b] |= reached[id];
        }
        memset(adjoints + id * n, 0, n * sizeof *adjoints);
    }
    return n_absorbed;
}

static uint64_t
forward_carefully(const fad_tape *tape, uint32_t n, double *tangents, uint16_t *reached,
                  const unsigned char *needed)
{
    uint64_t n_absorbed = 0;
    for (uint32_t id = 0; id < tape->n_nodes; id++) {
        const fad_node *node = &tape->nodes[id];
        if (!needed[id] || node->a == id)
            continue;
        memset(tangents + id * n, 0, n * sizeof *tangents);
        reached[id] = reached[node->a];
        add_products(tangents, id, node->a, node->pa, n, reached[node->a], &n_absorbed);
        if (node->b != id) {
            reached[id] |= reached[node->b];
            add_products(tangents, id, node->b, node->pb, n, reached[node->b], &n_absorbed);
        }
    }
    return n_absorbed;
}

/* ---- Each set -------------------------------------------------------------------- */

/* In memory of exactly its size, so that the sanitizer sees what goes beyond. */
static double *
rows_like(const double *rows, size_t n)
{
    double *copy = aligned_alloc(FAD_ALIGNMENT, n * sizeof *copy);
    memcpy(copy, rows, n * sizeof *copy);
    return copy;
}

static void
check_same(const double *found, const double *expected, size_t n)
{
    for (size_t k = 0; k < n; k++)
        CHECK(same(found[k], expected[k]));
}

/* Seeds in a quarter of the rows, and there in some directions. */
static void
fill_random(double *rows, const fad_tape *tape, uint32_t n, int is_odd)
{
    memset(rows, 0, tape->n_nodes * n * sizeof *rows);
    for (uint32_t id = 0; id < tape->n_nodes; id++)
        for (uint32_t d = 0; d < n && random_below(4) == 0; d++)
            if (random_below(2))
                rows[id * n + d] = any_number(is_odd);
}

static void
check_sweeps(const fad_tape *tape, uint32_t n, int is_odd)
{
    static double seeds[MAX_NODES * MAX_DIRECTIONS];
    const size_t n_numbers = (size_t)tape->n_nodes * n;
    const uint32_t last = tape->n_nodes - 1;
    fill_random(seeds, tape, n, is_odd);
    double *adjoints = rows_like(seeds, n_numbers), *tangents = rows_like(seeds, n_numbers);
    backward(tape, n, adjoints);
    forward(tape, n, tangents);
    for (int set = 0; fad_set_name(set) != NULL; set++) {
        if (!fad_has_set(set))
            continue;
        double *rows = rows_like(seeds, n_numbers);
        fad_sweep_backward_many(tape, set, last, n, rows);
        check_same(rows, adjoints, n_numbers);
        memcpy(rows, seeds, n_numbers * sizeof *rows);
        fad_sweep_forward_many(tape, set, last, n, rows);
        check_same(rows, tangents, n_numbers);
        free(rows);
        if (failed)
            printf("set %s, %u directions\n", fad_set_name(set), n);
    }
    free(adjoints);
    free(tangents);
}

static void
note_seeds(const double *seeds, const fad_tape *tape, uint32_t n, uint16_t *reached)
{
    for (uint32_t id = 0; id < tape->n_nodes; id++) {
        reached[id] = 0;
        for (uint32_t d = 0; d < n; d++)
            reached[id] |= (uint16_t)((seeds[id * n + d] != 0.0) << d);
    }
}

/* The last node, and what it depends on. */
static void
note_needed(const fad_tape *tape, unsigned char *needed)
{
    memset(needed, 0, tape->n_nodes);
    needed[tape->n_nodes - 1] = 1;
    for (uint32_t id = tape->n_nodes; id-- > 0;)
        if (needed[id])
            needed[tape->nodes[id].a] = needed[tape->nodes[id].b] = 1;
}

static void
check_careful_sweep(const fad_tape *tape, uint32_t n, const double *seeds, int is_forward)
{
    const size_t n_numbers = (size_t)tape->n_nodes * n;
    const uint32_t last = tape->n_nodes - 1;
    uint16_t reached[MAX_NODES], expected_reached[MAX_NODES];
    unsigned char needed[MAX_NODES];
    double *expected = rows_like(seeds, n_numbers);
    note_needed(tape, needed);
    note_seeds(seeds, tape, n, expected_reached);
    const uint64_t n_expected =
        is_forward ? forward_carefully(tape, n, expected, expected_reached, needed)
                   : backward_carefully(tape, n, expected, expected_reached);
    for (int set = 0; fad_set_name(set) != NULL; set++) {
        if (!fad_has_set(set))
            continue;
        double *rows = rows_like(seeds, n_numbers);
        note_seeds(seeds, tape, n, reached);
        const uint64_t n_absorbed =
            is_forward
                ? fad_sweep_forward_many_carefully(tape, set, last, n, rows, reached, needed)
                : fad_sweep_backward_many_carefully(tape, set, last, n, rows, reached);
        check_same(rows, expected, n_numbers);
        free(rows);
        if (failed)
            printf("set %s, %u directions, carefully\n", fad_set_name(set), n);
        CHECK(n_absorbed == n_expected);
        CHECK(memcmp(reached, expected_reached, tape->n_nodes * sizeof *reached) == 0);
    }
    free(expected);
}

static void
check_careful_sweeps(const fad_tape *tape, uint32_t n, int is_odd)
{
    static double seeds[MAX_NODES * MAX_CAREFUL_DIRECTIONS];
    fill_random(seeds, tape, n, is_odd);
    for (size_t k = 0; k < (size_t)tape->n_nodes * n; k++)
        seeds[k] += 0.0; /* no -0.0, as no sum gives any */
    check_careful_sweep(tape, n, seeds, 0);
    check_careful_sweep(tape, n, seeds, 1);
}

static void
sweeps_give_the_same_bits(void)
{
    static const uint32_t counts[] = {1, 2, 3, 4, 6, 8, 12, 16, MAX_DIRECTIONS};
    for (int n = 0; n < 300 && !failed; n++)
        for (size_t k = 0; k < LENGTH(counts) && !failed; k++) {
            fad_node nodes[MAX_NODES];
            fad_tape tape = {0};
            record_random(&tape, nodes, n % 2);
            check_sweeps(&tape, counts[k], n % 2);
            if (counts[k] <= MAX_CAREFUL_DIRECTIONS)
                check_careful_sweeps(&tape, counts[k], n % 2);
        }
}

/* ---- Which there are ------------------------------------------------------------- */

static void
the_best_set_is_there(void)
{
    int set = 0;
    CHECK(strcmp(fad_set_name(0), "plain") == 0 && fad_has_set(0));
    while (fad_set_name(set) != NULL)
        set++;
    CHECK(fad_set_name(-1) == NULL);
    CHECK(!fad_has_set(set) && !fad_has_set(-1));
    CHECK(fad_best_set() < set && fad_has_set(fad_best_set()));
}

static const test tests[] = {
    TEST(the_best_set_is_there),
    TEST(sweeps_give_the_same_bits),
};

int
main(void)
{
    return run_tests(tests, LENGTH(tests));
}
