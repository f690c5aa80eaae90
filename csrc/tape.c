#include "tape.h"

#include <math.h>
#include <string.h>

#include "memory.h"

enum {
    MIN_LIMIT = 1024,      /* nodes: 24 KiB, inside every first- or second-level cache */
    SHRINK_BELOW = 1 << 16 /* nodes: a smaller arena is not worth giving back */
};

static fad_tape *pool;
static fad_tape *busy_tapes;
static uint64_t n_opened;
static fad_checkpoint *dropped; /* owners may run code when they go: not while collecting */

static void
free_adjoints(fad_tape *tape)
{
    fad_memory_free(tape->adjoints);
    tape->adjoints = NULL;
    tape->n_adjoints = 0;
}

static void
shrink(fad_tape *tape, uint32_t capacity)
{
    tape->nodes = fad_memory_shrink(tape->nodes, capacity * sizeof *tape->nodes);
    tape->capacity = tape->limit = capacity;
}

/* To what an empty tape needs. */
static void
give_back_spare(fad_tape *tape)
{
    if (tape->capacity > MIN_LIMIT)
        shrink(tape, MIN_LIMIT);
    free_adjoints(tape);
}

static uint32_t n_shortages; /* times that memory was short */

/* Memory is short: the tapes of the pool give back theirs, others do at their next chance. */
static void
on_shortage(void)
{
    n_shortages++;
    for (fad_tape *tape = pool; tape != NULL; tape = tape->next)
        give_back_spare(tape);
}

fad_tape *
fad_tape_take(void)
{
    fad_tape *tape = pool;
    if (tape != NULL) {
        pool = tape->next;
    } else {
        fad_memory_on_failure(on_shortage);
        tape = fad_memory_zeroed(sizeof *tape);
        if (tape == NULL)
            return NULL;
        tape->epoch = 1;
        tape->last_input = FAD_NO_NODE;
        if (fad_tape_renew_limit(tape, 1, 0) < 0) {
            fad_memory_free(tape);
            return NULL;
        }
    }
    tape->n_shortages = n_shortages;
    tape->opened = ++n_opened;
    return tape;
}

/* A tape keeps its arena; when it has asked eight times for less than an eighth of a large
   one, or once and memory was short, it gives back the rest. */
static void
shrink_when_calm(fad_tape *tape, uint32_t wanted)
{
    if (tape->capacity <= SHRINK_BELOW || wanted >= tape->capacity / 8) {
        tape->n_calm = 0;
        return;
    }
    if (++tape->n_calm < 8 && tape->n_shortages == n_shortages)
        return;
    tape->n_calm = 0;
    tape->n_shortages = n_shortages;
    shrink(tape, wanted);
    free_adjoints(tape);
}

static void
drop(fad_checkpoint *checkpoint)
{
    checkpoint->before = dropped;
    dropped = checkpoint;
}

fad_checkpoint *
fad_tape_drop_checkpoint(void)
{
    fad_checkpoint *checkpoint = dropped;
    if (checkpoint != NULL)
        dropped = checkpoint->before;
    return checkpoint;
}

void
fad_tape_reset(fad_tape *tape)
{
    while (tape->checkpoints != NULL) {
        fad_checkpoint *checkpoint = tape->checkpoints;
        tape->checkpoints = checkpoint->before;
        drop(checkpoint);
    }
    if (tape->peak < tape->n_nodes)
        tape->peak = tape->n_nodes;
    shrink_when_calm(tape, tape->peak < MIN_LIMIT / 2 ? MIN_LIMIT : 2 * tape->peak);
    tape->epoch++;
    tape->n_nodes = tape->n_pinned = tape->n_odd = tape->peak = 0;
    tape->last_input = FAD_NO_NODE;
    tape->waste = tape->patience = 0;
    tape->n_freed = tape->nests = tape->strict = tape->stores_all = tape->is_sparse = 0;
    tape->n_collections = 0;
}

void
fad_tape_give(fad_tape *tape)
{
    if (tape->n_shortages != n_shortages)
        give_back_spare(tape);
    fad_tape_reset(tape);
    if (tape->epoch >= UINT32_MAX - 1) {
        /* Epochs must not repeat: this tape has served 4 billion times and retires. */
        fad_memory_free(tape->nodes);
        tape->nodes = NULL;
        tape->limit = tape->capacity = 0;
        free_adjoints(tape);
        return;
    }
    tape->next = pool;
    pool = tape;
}

int
fad_tape_reserve(fad_tape *tape, uint64_t n)
{
    if (n <= tape->capacity)
        return 0;
    if (n > FAD_MAX_NODES)
        return -1;
    fad_node *nodes = fad_memory_resize(tape->nodes, (size_t)n * sizeof *nodes);
    if (nodes == NULL)
        return -1;
    tape->nodes = nodes;
    tape->capacity = (uint32_t)n;
    return 0;
}

int
fad_tape_renew_limit(fad_tape *tape, uint32_t n_more, uint64_t n_holders)
{
    uint64_t needed = (uint64_t)tape->n_nodes + n_more;
    /* Twice what is alive; four times while collecting frees next to nothing. */
    unsigned factor = tape->n_freed < tape->n_nodes / 4 ? 4 : 2;
    uint64_t wanted = factor * (uint64_t)tape->n_nodes + n_more;
    if (wanted < n_holders)
        wanted = n_holders;
    if (wanted < MIN_LIMIT)
        wanted = MIN_LIMIT;
    if (wanted > FAD_MAX_NODES)
        wanted = FAD_MAX_NODES;
    shrink_when_calm(tape, (uint32_t)wanted);
    if (wanted < needed + tape->n_nodes / 16)
        return -1; /* the last ids: see fad_memory_next_best */
    while (fad_tape_reserve(tape, wanted) < 0) {
        wanted = fad_memory_next_best(needed, wanted);
        if (wanted == 0)
            return -1;
    }
    tape->limit = (uint32_t)wanted;
    return 0;
}

static int
allocate_adjoints(fad_tape *tape, uint32_t n)
{
    tape->adjoints = fad_memory_zeroed(n * (sizeof *tape->adjoints + sizeof(uint32_t)));
    tape->n_adjoints = tape->adjoints == NULL ? 0 : n;
    return tape->adjoints == NULL ? -1 : 0;
}

int
fad_tape_reserve_adjoints(fad_tape *tape)
{
    if (tape->n_adjoints >= tape->n_nodes)
        return 0;
    free_adjoints(tape);
    if (allocate_adjoints(tape, tape->capacity) == 0)
        return 0;
    if (tape->capacity > SHRINK_BELOW)
        shrink(tape, tape->n_nodes); /* room for more nodes is of less use now */
    return allocate_adjoints(tape, tape->n_nodes);
}

size_t
fad_tape_bytes(const fad_tape *tape)
{
    return (size_t)tape->capacity * sizeof(fad_node) +
           (size_t)tape->n_adjoints * (sizeof(double) + sizeof(uint32_t));
}

void
fad_tape_set_busy(fad_tape *tape)
{
    if (tape->busy++ == 0) {
        tape->saved_limit = tape->limit;
        tape->limit = 0;
        tape->next_busy = busy_tapes;
        busy_tapes = tape;
    }
}

void
fad_tape_end_busy(fad_tape *tape)
{
    if (tape->busy == 0 || --tape->busy > 0)
        return;
    fad_tape **place = &busy_tapes;
    while (*place != tape)
        place = &(*place)->next_busy;
    *place = tape->next_busy;
    tape->limit = tape->saved_limit;
}

void
fad_tape_end_all_busy(void)
{
    while (busy_tapes != NULL) {
        fad_tape *tape = busy_tapes;
        tape->busy = 1;
        fad_tape_end_busy(tape);
        if (tape->n_adjoints)
            memset(tape->adjoints, 0, tape->n_adjoints * sizeof *tape->adjoints);
    }
}

int
fad_tape_begin_collection(fad_tape *tape)
{
    size_t n_words = (size_t)tape->n_nodes / 64 + 1;
    tape->marks = fad_memory_zeroed(n_words * sizeof *tape->marks);
    tape->n_marks_before = fad_memory_resize(NULL, n_words * sizeof *tape->n_marks_before);
    if (tape->marks == NULL || tape->n_marks_before == NULL) {
        fad_tape_end_collection(tape);
        return -1;
    }
    for (uint32_t id = 0; id < tape->n_pinned; id++)
        fad_tape_mark(tape, id);
    return 0;
}

void
fad_tape_end_collection(fad_tape *tape)
{
    fad_memory_free(tape->marks);
    fad_memory_free(tape->n_marks_before);
    tape->marks = NULL;
    tape->n_marks_before = NULL;
}

static inline int
is_marked(const fad_tape *tape, uint32_t id)
{
    return tape->marks[id / 64] >> id % 64 & 1;
}

/* Marks all that a marked node depends on.  Arguments have smaller ids: one pass. */
static void
mark_arguments(fad_tape *tape)
{
    const fad_node *restrict nodes = tape->nodes;
    uint32_t id = tape->n_nodes;
    while (id-- > 0) {
        if (tape->marks[id / 64] == 0) {
            id -= id % 64; /* nothing here: on to the next word */
            continue;
        }
        if (!is_marked(tape, id) || nodes[id].a == id)
            continue; /* of an input, b is a link and not an argument */
        fad_tape_mark(tape, nodes[id].a);
        fad_tape_mark(tape, nodes[id].b);
    }
}

/* A checkpoint stays whole: with one of its results all the others. */
static void
mark_results(fad_tape *tape)
{
    for (const fad_checkpoint *c = tape->checkpoints; c != NULL; c = c->before)
        if (is_marked(tape, c->first))
            for (uint32_t k = 0; k < c->n_results; k++)
                fad_tape_mark(tape, c->first + c->n_arguments + k);
}

static void
slide_checkpoints(fad_tape *tape)
{
    for (fad_checkpoint **place = &tape->checkpoints; *place != NULL;) {
        fad_checkpoint *checkpoint = *place;
        if (is_marked(tape, checkpoint->first)) {
            checkpoint->first = fad_tape_new_id(tape, checkpoint->first);
            place = &checkpoint->before;
        } else {
            *place = checkpoint->before;
            drop(checkpoint);
        }
    }
}

/* Counts the marks, and finds how far all nodes are marked and keep their ids. */
static uint32_t
count_marks(fad_tape *tape)
{
    uint32_t n = 0;
    tape->n_unmoved = UINT32_MAX;
    for (uint32_t word = 0; word <= tape->n_nodes / 64; word++) {
        if (tape->n_unmoved == UINT32_MAX && tape->marks[word] != UINT64_MAX)
            tape->n_unmoved = word * 64;
        tape->n_marks_before[word] = n;
        n += fad_count_bits(tape->marks[word]);
    }
    return n;
}

static uint32_t
count_odd(const fad_tape *tape)
{
    uint32_t n = 0;
    for (uint32_t id = 0; id < tape->n_nodes; id++) {
        const fad_node *node = &tape->nodes[id];
        n += node->a != id && !(isfinite(node->pa) && isfinite(node->pb));
    }
    return n;
}

void
fad_tape_slide(fad_tape *tape)
{
    if (tape->peak < tape->n_nodes)
        tape->peak = tape->n_nodes;
    tape->waste = 0;
    tape->n_collections++;

    mark_arguments(tape);
    mark_results(tape);
    uint32_t n_marked = count_marks(tape);
    tape->n_freed = tape->n_nodes - n_marked;
    if (tape->n_freed == 0)
        return;

    uint32_t last_input = tape->last_input;
    while (last_input != FAD_NO_NODE && last_input >= tape->n_unmoved) {
        uint32_t before = tape->nodes[last_input].b;
        last_input = before == last_input ? FAD_NO_NODE : before;
    }
    fad_node *restrict nodes = tape->nodes;
    uint32_t n = tape->n_unmoved;
    for (uint32_t id = n; id < tape->n_nodes; id++) {
        if (!is_marked(tape, id))
            continue;
        fad_node node = nodes[id];
        if (node.a == id) {
            node.a = n;
            node.b = last_input == FAD_NO_NODE ? n : last_input;
            last_input = n;
        } else {
            node.a = fad_tape_new_id(tape, node.a);
            node.b = node.b == id ? n : fad_tape_new_id(tape, node.b);
        }
        nodes[n++] = node;
    }
    slide_checkpoints(tape);
    tape->n_nodes = n;
    tape->last_input = last_input;
    if (tape->n_odd)
        tape->n_odd = count_odd(tape);
}

uint32_t
fad_tape_record_chain(fad_tape *tape, size_t n, const uint32_t *ids, const double *partials)
{
    if (n == 1)
        return fad_tape_record_unary(tape, ids[0], partials[0]);
    uint32_t id = fad_tape_record(tape, ids[0], partials[0], ids[1], partials[1]);
    for (size_t k = 2; k < n; k++)
        id = fad_tape_record(tape, id, 1.0, ids[k], partials[k]);
    return id;
}

uint32_t
fad_tape_record_checkpoint(fad_tape *tape, fad_checkpoint *checkpoint, const uint32_t *ids)
{
    checkpoint->first = tape->n_nodes;
    checkpoint->before = tape->checkpoints;
    tape->checkpoints = checkpoint;
    tape->n_odd += checkpoint->n_arguments + checkpoint->n_results;
    uint32_t link = fad_tape_record_unary(tape, ids[0], NAN);
    for (uint32_t k = 1; k < checkpoint->n_arguments; k++)
        link = fad_tape_record(tape, ids[k], NAN, link, NAN);
    uint32_t first_result = tape->n_nodes;
    for (uint32_t k = 0; k < checkpoint->n_results; k++)
        (void)fad_tape_record_unary(tape, link, NAN);
    return first_result;
}
