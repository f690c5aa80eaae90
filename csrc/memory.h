/*
 * Memory of the core.  Everything that csrc allocates, and the slabs of the Vars, comes from
 * here, so that a test can make each allocation fail in turn.
 */
#ifndef FAD_MEMORY_H
#define FAD_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Like realloc.  On failure NULL, and the block stays as it was. */
void *fad_memory_resize(void *block, size_t n_bytes);

/* To at most as many bytes as the block has.  Never fails. */
void *fad_memory_shrink(void *block, size_t n_bytes);

/* Like calloc: zeroed, and of large blocks only what is touched takes memory. */
void *fad_memory_zeroed(size_t n_bytes);

void fad_memory_free(void *block);

/* What to call when an allocation has failed: it frees what is kept for later, if anything,
   and the allocation is tried once more. */
void fad_memory_on_failure(void (*give_back)(void));

/*
 * How many elements to ask for next where there was no memory for `wanted`: half the room
 * beyond `needed`.  0 where that would be less than a sixteenth: each growth may cost a copy
 * of everything or a collection, and whoever grows by little grows again and again.
 */
static inline uint64_t
fad_memory_next_best(uint64_t needed, uint64_t wanted)
{
    uint64_t room = (wanted - needed) / 2;
    return room > needed / 16 ? needed + room : 0;
}

/* Tests: the n-th allocation from now on fails, and all after it; 0 ends that. */
void fad_memory_fail_from(unsigned long n);

/* Tests: allocations of more than n_bytes fail; 0 ends that. */
void fad_memory_fail_above(size_t n_bytes);

#endif
