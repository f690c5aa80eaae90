/*
 * The tape: a recording of the operations of a run, in one growing, reused arena.
 *
 *   f(x0, x1) = sin(x0 * x1)
 *
 *   node       0       1       2           3
 *   a, b       0 self  1, 0    0, 1        2, 3 self
 *   pa, pb     .  .    .  .    x1, x0      cos(.), 0
 *              input   input   x0 * x1     sin(.)
 *
 * A node is the result of one operation.  It has up to two edges, each an argument's id with
 * the partial of the node to that argument.  Invariants:
 *
 *   - An argument's id is smaller than its node's: walking the ids downwards is the reverse
 *     topological order.
 *   - A node with one edge points the second at itself, with partial 0.  (Aimed at a node that
 *     is used often, this dummy costs up to 45 % of the sweep.)
 *   - An input points a at itself, and b at the input before it, the first one at itself: the
 *     chain of inputs, from last_input downwards.  Its pa is the gradient that backward left
 *     there, its pb says whether there is one (0 or 1).
 *   - A checkpoint, a call that the sweep repeats, is a block of nodes: one for each argument,
 *     linked, then one for each result.  No sweep goes over them: their partials are nan.
 *   - Between sweeps and collections all adjoints are exactly 0.
 *
 * Tapes are never freed, they are recycled: a holder of an id remembers the tape's epoch and
 * is stale as soon as the two differ, but always reads a live struct.
 *
 * No function here takes a lock; the caller serialises (in Python: the GIL).
 */
#ifndef FAD_TAPE_H
#define FAD_TAPE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t a, b;
    double pa, pb;
} fad_node;

/* A call of a function whose operations are not on the tape. */
typedef struct fad_checkpoint {
    uint32_t first; /* of its nodes */
    uint32_t n_arguments, n_results;
    struct fad_checkpoint *before; /* with smaller ids on the same tape */
    void *owner;                   /* the binding's: what to call, and how */
} fad_checkpoint;

#define FAD_NO_NODE UINT32_MAX
#define FAD_MAX_NODES (UINT32_MAX - 15u) /* ids are 32 bits, some stay free */

typedef struct fad_tape {
    fad_node *nodes;
    uint32_t n_nodes;
    uint32_t limit;       /* who would record past it makes room first; 0 while busy */
    uint32_t epoch;       /* an id that was made in another epoch is stale */
    uint32_t capacity;    /* of nodes; limit <= capacity */
    double *adjoints;
    uint32_t n_adjoints;  /* capacity of adjoints, and of the ids behind them: see below */
    uint32_t n_reached;   /* inputs that the last sweep has noted */
    uint32_t n_pinned;    /* nodes [0, n_pinned) outlive every collection, in place */
    uint32_t last_input;  /* head of the chain of inputs, or FAD_NO_NODE */
    fad_checkpoint *checkpoints; /* the last one, or NULL */
    uint32_t n_odd;       /* nodes with a partial that is not finite, at least */
    uint32_t busy;        /* > 0: being swept, without the caller's lock */
    uint32_t saved_limit; /* what limit was before busy */
    struct fad_tape *next_busy;
    uint32_t peak;        /* largest n_nodes so far in this epoch */
    uint32_t n_calm;      /* uses in a row that needed far less than the capacity */
    uint32_t n_shortages; /* times that memory was short, before it last shrank or was taken */
    uint64_t waste;       /* nodes that sweeps walked over in vain since the last collection */
    uint64_t patience;    /* how much more waste a collection must promise: doubles in vain */
    uint64_t n_collections;
    uint64_t found_in;    /* the binding's: the last search for holders that found one */
    uint64_t opened;      /* order of opening: the later tape is nested in the earlier */
    uint32_t nests;       /* the binding's: whether values may be of outer tapes, */
    void *outer;          /* and what it keeps then; NULL until that happens */
    uint32_t strict;      /* the binding's: whether losing a derivative is an error */
    uint32_t stores_all;  /* the binding's: whether checkpoints are recorded like the rest, */
    uint32_t is_sparse;   /* and compiled functions: which entries are zero shall be seen */
    void *program;        /* the binding's: what records instructions instead of nodes */
    uint64_t *marks;      /* during a collection: a bit for each node */
    uint32_t *n_marks_before; /* during a collection: in the words before each */
    uint32_t n_unmoved;   /* during a collection: nodes below this keep their ids */
    uint32_t n_freed;     /* nodes that the last collection dropped */
    struct fad_tape *next; /* in the pool */
} fad_tape;

/* A tape from the pool, empty, or NULL without memory. */
fad_tape *fad_tape_take(void);

/* Empties the tape, ends its epoch, and gives it back to the pool. */
void fad_tape_give(fad_tape *tape);

/* Empties the tape and ends its epoch: all ids on it are stale. */
void fad_tape_reset(fad_tape *tape);

/* Make the arena hold n nodes.  0, or -1 without memory: the tape is then as it was. */
int fad_tape_reserve(fad_tape *tape, uint64_t n);

/* After a collection or a growth: sets the limit to at least n_nodes + n_more, and in
   proportion to what is alive.  0, or -1 as above, also where there is memory for so little
   more that the next collection would be due at once. */
int fad_tape_renew_limit(fad_tape *tape, uint32_t n_more, uint64_t n_holders);

/* Make room for the adjoints of all nodes.  0, or -1 without memory: the nodes are then as they
   were, and there are no adjoints. */
int fad_tape_reserve_adjoints(fad_tape *tape);

/* The inputs that the last sweep has noted, n_reached ids, from the last one down. */
static inline uint32_t *
fad_tape_reached_inputs(const fad_tape *tape)
{
    return (uint32_t *)(tape->adjoints + tape->n_adjoints);
}

/* Bytes that the arena and its adjoints have reserved. */
size_t fad_tape_bytes(const fad_tape *tape);

/* While busy, a tape has limit 0: every recording takes the slow path, where it is refused. */
void fad_tape_set_busy(fad_tape *tape);
void fad_tape_end_busy(fad_tape *tape);

/* In a forked process, where the threads that were sweeping do not exist. */
void fad_tape_end_all_busy(void);

/*
 * Collecting, in steps of which only the first can fail:
 *
 *   fad_tape_begin_collection(tape)      -1 without memory: no harm done
 *   fad_tape_mark(tape, id)              for each id in use
 *   fad_tape_slide(tape)                 drops what no marked node depends on, and renumbers
 *                                        the rest in the same order
 *   id = fad_tape_new_id(tape, id)       for each id in use
 *   fad_tape_end_collection(tape)
 *
 * A mark is a bit; a node's new id is the number of marks below its own.
 */
int fad_tape_begin_collection(fad_tape *tape);
void fad_tape_slide(fad_tape *tape);
void fad_tape_end_collection(fad_tape *tape);

static inline void
fad_tape_mark(fad_tape *tape, uint32_t id)
{
    tape->marks[id / 64] |= (uint64_t)1 << id % 64;
}

static inline uint32_t
fad_count_bits(uint64_t x)
{
#if defined(__POPCNT__)
    return (uint32_t)__builtin_popcountll(x);
#else
    x -= x >> 1 & 0x5555555555555555;
    x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (uint32_t)(x * 0x0101010101010101 >> 56);
#endif
}

static inline uint32_t
fad_tape_new_id(const fad_tape *tape, uint32_t id)
{
    if (id < tape->n_unmoved)
        return id;
    uint64_t below = ((uint64_t)1 << id % 64) - 1;
    return tape->n_marks_before[id / 64] + fad_count_bits(tape->marks[id / 64] & below);
}

/* The following need n_nodes < limit beforehand, and return the new node's id. */

static inline uint32_t
fad_tape_record(fad_tape *tape, uint32_t a, double pa, uint32_t b, double pb)
{
    uint32_t id = tape->n_nodes++;
    tape->nodes[id] = (fad_node){a, b, pa, pb};
    return id;
}

static inline uint32_t
fad_tape_record_unary(fad_tape *tape, uint32_t a, double pa)
{
    return fad_tape_record(tape, a, pa, tape->n_nodes, 0.0);
}

static inline uint32_t
fad_tape_record_input(fad_tape *tape)
{
    uint32_t id = tape->n_nodes;
    uint32_t previous = tape->last_input == FAD_NO_NODE ? id : tape->last_input;
    tape->last_input = id;
    return fad_tape_record(tape, id, 0.0, previous, 0.0);
}

/* A result of n arguments as a chain of max(1, n - 1) nodes; needs as much room. */
uint32_t fad_tape_record_chain(fad_tape *tape, size_t n, const uint32_t *ids,
                               const double *partials);

/*
 * A call with n_arguments > 0 and n_results of the checkpoint, whose arguments have these ids;
 * needs as much room.  Returns the first result's id.  The checkpoint belongs to the tape until
 * fad_tape_drop_checkpoint hands it out: when a collection has found that no result is in use,
 * or the tape was emptied.
 */
uint32_t fad_tape_record_checkpoint(fad_tape *tape, fad_checkpoint *checkpoint,
                                    const uint32_t *ids);

/* A checkpoint that is on no tape any more, of whatever tape; NULL if there is none. */
fad_checkpoint *fad_tape_drop_checkpoint(void);

#endif
