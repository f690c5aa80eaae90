/*
 * Sparsity: which results depend on which inputs, and which columns can share a sweep.
 *
 *   J = | a b . . |     starts   0 2 4 6       columns of row k: columns[starts[k]]
 *       | . c d . |     columns  0 1 1 2 2 3                 up to columns[starts[k + 1]]
 *       | . . e f |
 *
 * A colouring gives each column a number so that columns of one colour never meet in a row
 * (here 0 1 0 1): one sweep in the direction of their sum yields all their entries at once.
 */
#ifndef FAD_PATTERN_H
#define FAD_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "tape.h"

typedef struct {
    uint32_t n_rows, n_columns;
    size_t *starts;    /* n_rows + 1 */
    uint32_t *columns; /* starts[n_rows], ascending in each row */
} fad_pattern;

void fad_pattern_free(fad_pattern *pattern);

/* All of the following return 0, or -1 without memory; the result is then empty. */

/*
 * The inputs of a tape, which are its nodes [0, n_inputs), that each of n_results nodes
 * depends on; FAD_NO_NODE depends on none.  Takes time in proportion to the nodes between
 * each result and its inputs.
 */
int fad_pattern_of_results(const fad_tape *tape, uint32_t n_inputs, const uint32_t *results,
                           uint32_t n_results, fad_pattern *pattern);

int fad_pattern_transpose(const fad_pattern *pattern, fad_pattern *transposed);

/* The pattern with its transpose added: that of a symmetric matrix. */
int fad_pattern_symmetrise(const fad_pattern *pattern, fad_pattern *symmetric);

/* colours: room for n_columns.  Greedy, in the order of the columns (Curtis, Powell and Reid
   1974).  *n_colours: how many there are. */
int fad_pattern_colour_columns(const fad_pattern *pattern, uint32_t *colours,
                               uint32_t *n_colours);

/*
 * The same for a symmetric pattern, of which each entry need only be seen in one of its two
 * places: a star colouring (Gebremedhin, Manne and Pothen 2005, section 4), by which an
 * arrow takes two colours instead of n.
 */
int fad_pattern_colour_symmetric(const fad_pattern *pattern, uint32_t *colours,
                                 uint32_t *n_colours);

#endif
