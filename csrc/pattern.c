#include "pattern.h"

#include <string.h>

#include "memory.h"

static const uint32_t NO_COLOUR = UINT32_MAX;

void
fad_pattern_free(fad_pattern *pattern)
{
    fad_memory_free(pattern->starts);
    fad_memory_free(pattern->columns);
    memset(pattern, 0, sizeof *pattern);
}

static int
fail(fad_pattern *pattern)
{
    fad_pattern_free(pattern);
    return -1;
}

/* An empty pattern with room for its starts. */
static int
begin(fad_pattern *pattern, uint32_t n_rows, uint32_t n_columns)
{
    memset(pattern, 0, sizeof *pattern);
    pattern->n_rows = n_rows;
    pattern->n_columns = n_columns;
    pattern->starts = fad_memory_zeroed(((size_t)n_rows + 1) * sizeof *pattern->starts);
    return pattern->starts == NULL ? fail(pattern) : 0;
}

/* ---- What depends on what -------------------------------------------------------------- */

/* A walk from a result down to its inputs; visited[id] == stamp marks where it has been. */
typedef struct {
    const fad_tape *tape;
    uint32_t n_inputs;
    uint32_t *visited;
    uint32_t *to_visit; /* a stack: a node is pushed once, so n_nodes is room enough */
    uint32_t n_to_visit;
    uint32_t stamp;
} walk;

static void
push(walk *w, uint32_t id)
{
    if (w->visited[id] == w->stamp)
        return;
    w->visited[id] = w->stamp;
    w->to_visit[w->n_to_visit++] = id;
}

static void
sort_ascending(uint32_t *ids, size_t n)
{
    /* Rows are short, and nearly in order. */
    for (size_t k = 1; k < n; k++) {
        uint32_t id = ids[k];
        size_t place = k;
        for (; place > 0 && ids[place - 1] > id; place--)
            ids[place] = ids[place - 1];
        ids[place] = id;
    }
}

/* Long rows are read off the marks instead. */
static size_t
read_off(const walk *w, uint32_t *inputs)
{
    size_t n = 0;
    for (uint32_t id = 0; id < w->n_inputs; id++)
        if (w->visited[id] == w->stamp)
            inputs[n++] = id;
    return n;
}

/* The inputs below a node, ascending, into room for n_inputs ids; returns how many. */
static size_t
inputs_of(walk *w, uint32_t result, uint32_t *inputs)
{
    size_t n = 0;
    w->stamp++;
    push(w, result);
    while (w->n_to_visit > 0) {
        uint32_t id = w->to_visit[--w->n_to_visit];
        if (id < w->n_inputs) {
            inputs[n++] = id;
            continue;
        }
        if (w->tape->nodes[id].a == id)
            continue; /* an input that is none of them: its b is a link */
        push(w, w->tape->nodes[id].a);
        push(w, w->tape->nodes[id].b);
    }
    if (n > 64)
        return read_off(w, inputs);
    sort_ascending(inputs, n);
    return n;
}

static int
append_row(fad_pattern *pattern, uint32_t row, size_t *capacity, const uint32_t *inputs,
           size_t n)
{
    size_t start = pattern->starts[row];
    if (start + n > *capacity) {
        size_t wanted = 2 * (start + n) + 64;
        uint32_t *columns =
            fad_memory_resize(pattern->columns, wanted * sizeof *pattern->columns);
        if (columns == NULL)
            return -1;
        pattern->columns = columns;
        *capacity = wanted;
    }
    if (n)
        memcpy(pattern->columns + start, inputs, n * sizeof *inputs);
    pattern->starts[row + 1] = start + n;
    return 0;
}

int
fad_pattern_of_results(const fad_tape *tape, uint32_t n_inputs, const uint32_t *results,
                       uint32_t n_results, fad_pattern *pattern)
{
    walk w = {.tape = tape, .n_inputs = n_inputs};
    size_t capacity = 0, n_bytes = ((size_t)tape->n_nodes + 1) * sizeof(uint32_t);
    int status = begin(pattern, n_results, n_inputs);
    w.visited = fad_memory_zeroed(n_bytes);
    w.to_visit = fad_memory_resize(NULL, n_bytes);
    uint32_t *inputs = fad_memory_resize(NULL, ((size_t)n_inputs + 1) * sizeof *inputs);
    if (w.visited == NULL || w.to_visit == NULL || inputs == NULL)
        status = -1;
    for (uint32_t row = 0; status == 0 && row < n_results; row++) {
        size_t n = results[row] == FAD_NO_NODE ? 0 : inputs_of(&w, results[row], inputs);
        status = append_row(pattern, row, &capacity, inputs, n);
    }
    fad_memory_free(w.visited);
    fad_memory_free(w.to_visit);
    fad_memory_free(inputs);
    return status < 0 ? fail(pattern) : 0;
}

/* ---- Transposing ----------------------------------------------------------------------- */

int
fad_pattern_transpose(const fad_pattern *pattern, fad_pattern *transposed)
{
    if (begin(transposed, pattern->n_columns, pattern->n_rows) < 0)
        return -1;
    size_t n = pattern->starts[pattern->n_rows], *starts = transposed->starts;
    size_t *next = fad_memory_zeroed(((size_t)pattern->n_columns + 1) * sizeof *next);
    transposed->columns = fad_memory_resize(NULL, (n + 1) * sizeof *transposed->columns);
    if (next == NULL || transposed->columns == NULL) {
        fad_memory_free(next);
        return fail(transposed);
    }
    for (size_t k = 0; k < n; k++)
        starts[pattern->columns[k] + 1]++;
    for (uint32_t column = 0; column < pattern->n_columns; column++)
        starts[column + 1] += starts[column];
    memcpy(next, starts, (size_t)pattern->n_columns * sizeof *next);
    for (uint32_t row = 0; row < pattern->n_rows; row++)
        for (size_t k = pattern->starts[row]; k < pattern->starts[row + 1]; k++)
            transposed->columns[next[pattern->columns[k]]++] = row;
    fad_memory_free(next);
    return 0;
}

/* Two ascending rows merged; returns how many entries. */
static size_t
merge(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b, uint32_t *merged)
{
    size_t n = 0;
    while (n_a || n_b) {
        uint32_t next = !n_b || (n_a && *a < *b) ? *a : *b;
        if (n_a && *a == next)
            a++, n_a--;
        if (n_b && *b == next)
            b++, n_b--;
        merged[n++] = next;
    }
    return n;
}

int
fad_pattern_symmetrise(const fad_pattern *pattern, fad_pattern *symmetric)
{
    fad_pattern transposed;
    size_t n = pattern->starts[pattern->n_rows];
    if (fad_pattern_transpose(pattern, &transposed) < 0)
        return -1;
    int status = begin(symmetric, pattern->n_rows, pattern->n_columns);
    if (status == 0)
        symmetric->columns = fad_memory_resize(NULL, (2 * n + 1) * sizeof(uint32_t));
    if (status < 0 || symmetric->columns == NULL) {
        fad_pattern_free(&transposed);
        return fail(symmetric);
    }
    for (uint32_t row = 0; row < pattern->n_rows; row++) {
        const size_t *p = pattern->starts + row, *t = transposed.starts + row;
        size_t start = symmetric->starts[row];
        symmetric->starts[row + 1] =
            start + merge(pattern->columns + p[0], p[1] - p[0], transposed.columns + t[0],
                          t[1] - t[0], symmetric->columns + start);
    }
    fad_pattern_free(&transposed);
    return 0;
}

/* ---- Colouring ------------------------------------------------------------------------- */

/* forbidden[colour] == column + 1 says that this column cannot have the colour. */
static uint32_t
first_allowed(const uint32_t *forbidden, uint32_t column)
{
    uint32_t colour = 0;
    while (forbidden[colour] == column + 1)
        colour++;
    return colour;
}

static uint32_t
give_colour(uint32_t *colours, const uint32_t *forbidden, uint32_t column,
            uint32_t n_colours)
{
    uint32_t colour = first_allowed(forbidden, column);
    colours[column] = colour;
    return colour < n_colours ? n_colours : colour + 1;
}

int
fad_pattern_colour_columns(const fad_pattern *pattern, uint32_t *colours,
                           uint32_t *n_colours)
{
    fad_pattern rows_of;
    if (fad_pattern_transpose(pattern, &rows_of) < 0)
        return -1;
    uint32_t n = pattern->n_columns;
    uint32_t *forbidden = fad_memory_zeroed(((size_t)n + 1) * sizeof *forbidden);
    if (forbidden == NULL) {
        fad_pattern_free(&rows_of);
        return -1;
    }
    *n_colours = 0;
    for (uint32_t column = 0; column < n; column++)
        colours[column] = NO_COLOUR;
    for (uint32_t column = 0; column < n; column++) {
        for (size_t r = rows_of.starts[column]; r < rows_of.starts[column + 1]; r++) {
            uint32_t row = rows_of.columns[r];
            for (size_t k = pattern->starts[row]; k < pattern->starts[row + 1]; k++) {
                uint32_t colour = colours[pattern->columns[k]];
                if (colour != NO_COLOUR)
                    forbidden[colour] = column + 1;
            }
        }
        *n_colours = give_colour(colours, forbidden, column, *n_colours);
    }
    fad_memory_free(forbidden);
    fad_pattern_free(&rows_of);
    return 0;
}

/* Whether a neighbour of x other than w has the colour. */
static int
has_other_neighbour_of(const fad_pattern *graph, const uint32_t *colours, uint32_t x,
                       uint32_t w, uint32_t colour)
{
    for (size_t k = graph->starts[x]; k < graph->starts[x + 1]; k++) {
        uint32_t y = graph->columns[k];
        if (y != w && y != x && colours[y] == colour)
            return 1;
    }
    return 0;
}

/* Colours that v cannot have beyond w: those that would make a path of four vertices have
   only two colours. */
static void
forbid_beyond(const fad_pattern *graph, const uint32_t *colours, uint32_t v, uint32_t w,
              uint32_t *forbidden)
{
    for (size_t k = graph->starts[w]; k < graph->starts[w + 1]; k++) {
        uint32_t x = graph->columns[k];
        if (x == v || x == w || colours[x] == NO_COLOUR)
            continue;
        if (colours[w] == NO_COLOUR ||
            has_other_neighbour_of(graph, colours, x, w, colours[w]))
            forbidden[colours[x]] = v + 1;
    }
}

/* The vertices by falling degree: a hub that came last would find its leaves all different. */
static uint32_t *
order_by_degree(const fad_pattern *graph)
{
    uint32_t n = graph->n_columns;
    uint32_t *order = fad_memory_resize(NULL, ((size_t)n + 1) * sizeof *order);
    uint32_t *places = fad_memory_zeroed(((size_t)n + 2) * sizeof *places);
    if (order == NULL || places == NULL) {
        fad_memory_free(order);
        fad_memory_free(places);
        return NULL;
    }
    for (uint32_t v = 0; v < n; v++)
        places[n - (graph->starts[v + 1] - graph->starts[v]) + 1]++;
    for (uint32_t k = 0; k <= n; k++)
        places[k + 1] += places[k];
    for (uint32_t v = 0; v < n; v++)
        order[places[n - (graph->starts[v + 1] - graph->starts[v])]++] = v;
    fad_memory_free(places);
    return order;
}

int
fad_pattern_colour_symmetric(const fad_pattern *graph, uint32_t *colours,
                             uint32_t *n_colours)
{
    uint32_t n = graph->n_columns;
    uint32_t *order = order_by_degree(graph);
    uint32_t *forbidden = fad_memory_zeroed(((size_t)n + 1) * sizeof *forbidden);
    if (order == NULL || forbidden == NULL) {
        fad_memory_free(order);
        fad_memory_free(forbidden);
        return -1;
    }
    *n_colours = 0;
    for (uint32_t v = 0; v < n; v++)
        colours[v] = NO_COLOUR;
    for (uint32_t turn = 0; turn < n; turn++) {
        uint32_t v = order[turn];
        for (size_t k = graph->starts[v]; k < graph->starts[v + 1]; k++) {
            uint32_t w = graph->columns[k];
            if (w == v)
                continue;
            if (colours[w] != NO_COLOUR)
                forbidden[colours[w]] = v + 1;
            forbid_beyond(graph, colours, v, w, forbidden);
        }
        *n_colours = give_colour(colours, forbidden, v, *n_colours);
    }
    fad_memory_free(order);
    fad_memory_free(forbidden);
    return 0;
}
