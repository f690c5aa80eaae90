/*
 * Sparsity patterns: read off a tape, transposed, made symmetric, coloured; random ones
 * against dense tables; and each allocation failing in turn.
 */
#include <stdlib.h>

#include "check.h"
#include "pattern.h"
#include "tape.h"

/* ---- Helpers --------------------------------------------------------------------- */

enum { MOST = 24 }; /* rows and columns of a table */

typedef struct {
    uint32_t n_rows, n_columns;
    unsigned char has[MOST][MOST];
} table;

/* The pattern of a table; the caller frees it. */
static fad_pattern
pattern_of_table(const table *t)
{
    fad_pattern p = {.n_rows = t->n_rows, .n_columns = t->n_columns};
    p.starts = fad_memory_zeroed((t->n_rows + 1) * sizeof *p.starts);
    p.columns = fad_memory_zeroed((MOST * MOST + 1) * sizeof *p.columns);
    for (uint32_t row = 0; row < t->n_rows; row++) {
        p.starts[row + 1] = p.starts[row];
        for (uint32_t column = 0; column < t->n_columns; column++)
            if (t->has[row][column])
                p.columns[p.starts[row + 1]++] = column;
    }
    return p;
}

/* Whether the pattern has the entries of the table, in ascending order. */
static int
is_table(const fad_pattern *p, const table *t)
{
    size_t k = 0;
    if (p->n_rows != t->n_rows || p->n_columns != t->n_columns)
        return 0;
    for (uint32_t row = 0; row < t->n_rows; row++) {
        if (p->starts[row] != k)
            return 0;
        for (uint32_t column = 0; column < t->n_columns; column++)
            if (t->has[row][column] && p->columns[k++] != column)
                return 0;
    }
    return p->starts[t->n_rows] == k;
}

static table
random_table(uint32_t n_rows, uint32_t n_columns)
{
    table t = {n_rows, n_columns, {{0}}};
    uint32_t rarity = 1 + random_below(8);
    for (uint32_t row = 0; row < n_rows; row++)
        for (uint32_t column = 0; column < n_columns; column++)
            t.has[row][column] = random_below(rarity) == 0;
    return t;
}

static int
is_empty(const fad_pattern *p)
{
    return p->starts == NULL && p->columns == NULL && p->n_rows == 0 && p->n_columns == 0;
}

/* A tape whose results depend on its inputs as the table says, each by a chain of sums. */
static fad_tape *
record_table(const table *t, uint32_t *results)
{
    enum { ROOM = MOST + 2 * MOST * MOST };
    fad_tape *tape = fad_tape_take();
    if (tape == NULL || fad_tape_reserve(tape, ROOM) < 0 ||
        fad_tape_renew_limit(tape, ROOM, 0) < 0)
        abort();
    for (uint32_t column = 0; column < t->n_columns; column++)
        fad_tape_record_input(tape);
    for (uint32_t row = 0; row < t->n_rows; row++) {
        results[row] = FAD_NO_NODE;
        for (uint32_t column = 0; column < t->n_columns; column++) {
            if (!t->has[row][column])
                continue;
            uint32_t term = fad_tape_record_unary(tape, column, 2.0);
            results[row] = results[row] == FAD_NO_NODE
                               ? term
                               : fad_tape_record(tape, results[row], 1.0, term, 1.0);
        }
    }
    return tape;
}

/* ---- Reading off a tape ---------------------------------------------------------- */

static void
patterns_are_read_off_a_tape(void)
{
    for (int n = 0; n < 200; n++) {
        table t = random_table(random_below(MOST + 1), random_below(MOST + 1));
        uint32_t results[MOST + 1];
        fad_tape *tape = record_table(&t, results);
        fad_pattern p;
        CHECK(fad_pattern_of_results(tape, t.n_columns, results, t.n_rows, &p) == 0);
        CHECK(is_table(&p, &t));
        fad_pattern_free(&p);
        CHECK(is_empty(&p));
        fad_tape_give(tape);
    }
}

static void
long_rows_are_read_off_a_tape(void)
{
    enum { N = 1000 };
    fad_tape *tape = fad_tape_take();
    fad_pattern p;
    CHECK(fad_tape_reserve(tape, 3 * N) == 0 && fad_tape_renew_limit(tape, 3 * N, 0) == 0);
    for (int k = 0; k < N; k++)
        fad_tape_record_input(tape);
    uint32_t sum = N - 1; /* the inputs from the last to the first, without every third */
    for (uint32_t k = N - 1; k-- > 0;)
        if (k % 3)
            sum = fad_tape_record(tape, k, 1.0, sum, 1.0);
    uint32_t results[] = {sum, FAD_NO_NODE, 5, sum};
    CHECK(fad_pattern_of_results(tape, N, results, LENGTH(results), &p) == 0);
    CHECK(p.starts[1] == p.starts[2] && p.starts[3] == p.starts[2] + 1);
    CHECK(p.columns[p.starts[2]] == 5);
    CHECK(p.starts[4] - p.starts[3] == p.starts[1] && p.starts[1] == N - (N - 1) / 3);
    for (size_t k = 1; k < p.starts[1]; k++)
        CHECK(p.columns[k - 1] < p.columns[k] && p.columns[k] == p.columns[p.starts[3] + k]);
    fad_pattern_free(&p);
    fad_tape_give(tape);
}

/* ---- Transposing ----------------------------------------------------------------- */

static void
patterns_are_transposed(void)
{
    for (int n = 0; n < 200; n++) {
        table t = random_table(random_below(MOST + 1), random_below(MOST + 1));
        table mirrored = {t.n_columns, t.n_rows, {{0}}};
        for (uint32_t row = 0; row < t.n_rows; row++)
            for (uint32_t column = 0; column < t.n_columns; column++)
                mirrored.has[column][row] = t.has[row][column];
        fad_pattern p = pattern_of_table(&t), transposed;
        CHECK(fad_pattern_transpose(&p, &transposed) == 0 && is_table(&transposed, &mirrored));
        fad_pattern_free(&p);
        fad_pattern_free(&transposed);
    }
}

/* A table with its transpose added. */
static table
symmetric(table t)
{
    for (uint32_t row = 0; row < t.n_rows; row++)
        for (uint32_t column = 0; column < row; column++)
            t.has[row][column] = t.has[column][row] |= t.has[row][column];
    return t;
}

static void
patterns_are_made_symmetric(void)
{
    for (int n = 0; n < 200; n++) {
        uint32_t size = random_below(MOST + 1);
        table t = random_table(size, size), both = symmetric(t);
        fad_pattern p = pattern_of_table(&t), found;
        CHECK(fad_pattern_symmetrise(&p, &found) == 0 && is_table(&found, &both));
        fad_pattern_free(&p);
        fad_pattern_free(&found);
    }
}

/* ---- Colouring ------------------------------------------------------------------- */

/* Whether colours are counted from 0 without gaps. */
static int
are_all_used(const uint32_t *colours, uint32_t n, uint32_t n_colours)
{
    unsigned char used[MOST] = {0};
    for (uint32_t k = 0; k < n; k++) {
        if (colours[k] >= n_colours)
            return 0;
        used[colours[k]] = 1;
    }
    for (uint32_t colour = 0; colour < n_colours; colour++)
        if (!used[colour])
            return 0;
    return 1;
}

static int
no_row_has_a_colour_twice(const table *t, const uint32_t *colours)
{
    for (uint32_t row = 0; row < t->n_rows; row++)
        for (uint32_t a = 0; a < t->n_columns; a++)
            for (uint32_t b = 0; b < a; b++)
                if (t->has[row][a] && t->has[row][b] && colours[a] == colours[b])
                    return 0;
    return 1;
}

/* Neighbours differ, and no path a - b - c - d has only two colours. */
static int
is_star_colouring(const table *t, const uint32_t *colours)
{
    uint32_t n = t->n_columns;
    for (uint32_t b = 0; b < n; b++)
        for (uint32_t c = 0; c < n; c++) {
            if (b == c || !t->has[b][c])
                continue;
            if (colours[b] == colours[c])
                return 0;
            for (uint32_t a = 0; a < n; a++)
                for (uint32_t d = 0; d < n; d++)
                    if (t->has[a][b] && t->has[c][d] && a != b && a != c && d != b &&
                        d != c && a != d && colours[a] == colours[c] &&
                        colours[b] == colours[d])
                        return 0;
        }
    return 1;
}

static void
columns_of_a_colour_never_meet(void)
{
    for (int n = 0; n < 500; n++) {
        table t = random_table(random_below(MOST + 1), random_below(MOST + 1));
        uint32_t colours[MOST + 1], n_colours;
        fad_pattern p = pattern_of_table(&t);
        CHECK(fad_pattern_colour_columns(&p, colours, &n_colours) == 0);
        CHECK(are_all_used(colours, t.n_columns, n_colours));
        CHECK(no_row_has_a_colour_twice(&t, colours));
        fad_pattern_free(&p);
    }
}

static void
star_colourings_are_star_colourings(void)
{
    for (int n = 0; n < 500; n++) {
        uint32_t size = random_below(MOST + 1);
        table t = symmetric(random_table(size, size));
        uint32_t colours[MOST + 1], n_colours;
        fad_pattern p = pattern_of_table(&t);
        CHECK(fad_pattern_colour_symmetric(&p, colours, &n_colours) == 0);
        CHECK(are_all_used(colours, size, n_colours));
        CHECK(is_star_colouring(&t, colours));
        fad_pattern_free(&p);
    }
}

static int
is_tridiagonal(uint32_t row, uint32_t column)
{
    return row <= column + 1 && column <= row + 1;
}

static int
is_arrow(uint32_t row, uint32_t column)
{
    return row == column || row == 0 || column == 0;
}

static int
is_arrow_from_below(uint32_t row, uint32_t column)
{
    return row == column || row == MOST - 1 || column == MOST - 1;
}

static int
is_diagonal(uint32_t row, uint32_t column)
{
    return row == column;
}

static int
is_dense(uint32_t row, uint32_t column)
{
    return row + column < 2 * MOST;
}

static int
is_nothing(uint32_t row, uint32_t column)
{
    return row + column >= 2 * MOST;
}

static void
common_patterns_take_few_colours(void)
{
    static const struct {
        int (*has)(uint32_t row, uint32_t column);
        uint32_t by_columns, by_symmetry;
    } expected[] = {
        {is_diagonal, 1, 1}, {is_tridiagonal, 3, 3}, {is_arrow_from_below, MOST, 2},
        {is_arrow, MOST, 2}, {is_dense, MOST, MOST}, {is_nothing, 1, 1},
    };
    for (size_t k = 0; k < LENGTH(expected); k++) {
        table t = {MOST, MOST, {{0}}};
        uint32_t colours[MOST], n_colours;
        for (uint32_t row = 0; row < MOST; row++)
            for (uint32_t column = 0; column < MOST; column++)
                t.has[row][column] = expected[k].has(row, column);
        fad_pattern p = pattern_of_table(&t);
        CHECK(fad_pattern_colour_columns(&p, colours, &n_colours) == 0);
        CHECK(n_colours == expected[k].by_columns);
        CHECK(fad_pattern_colour_symmetric(&p, colours, &n_colours) == 0);
        CHECK(n_colours == expected[k].by_symmetry);
        fad_pattern_free(&p);
    }
}

/* ---- Memory ---------------------------------------------------------------------- */

/* Everything, until memory fails: what failed is empty. */
static int
all_of_it(const fad_tape *tape, const uint32_t *results, fad_pattern *patterns)
{
    uint32_t colours[MOST], n_colours;
    if (fad_pattern_of_results(tape, MOST, results, MOST, &patterns[0]) < 0)
        return is_empty(&patterns[0]) ? -1 : 1;
    if (fad_pattern_transpose(&patterns[0], &patterns[1]) < 0)
        return is_empty(&patterns[1]) ? -1 : 1;
    if (fad_pattern_symmetrise(&patterns[0], &patterns[2]) < 0)
        return is_empty(&patterns[2]) ? -1 : 1;
    if (fad_pattern_colour_columns(&patterns[0], colours, &n_colours) < 0)
        return -1;
    return fad_pattern_colour_symmetric(&patterns[2], colours, &n_colours);
}

static void
each_allocation_may_fail(void)
{
    table t = random_table(MOST, MOST);
    uint32_t results[MOST];
    fad_tape *tape = record_table(&t, results);
    int status = -1;
    unsigned long n = 1;
    for (; status != 0 && n < 100; n++) {
        fad_pattern patterns[3] = {{0}};
        fad_memory_fail_from(n);
        status = all_of_it(tape, results, patterns);
        fad_memory_fail_from(0);
        CHECK(status <= 0);
        for (int k = 0; k < 3; k++)
            fad_pattern_free(&patterns[k]);
    }
    CHECK(status == 0 && n > 15);
    fad_tape_give(tape);
}

/* ---- All of them ----------------------------------------------------------------- */

static const test tests[] = {
    TEST(patterns_are_read_off_a_tape),
    TEST(long_rows_are_read_off_a_tape),
    TEST(patterns_are_transposed),
    TEST(patterns_are_made_symmetric),
    TEST(columns_of_a_colour_never_meet),
    TEST(star_colourings_are_star_colourings),
    TEST(common_patterns_take_few_colours),
    TEST(each_allocation_may_fail),
};

int
main(void)
{
    return run_tests(tests, LENGTH(tests));
}
