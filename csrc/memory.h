/*
 * Memory of the core.  Everything that csrc allocates, and the slabs of the Vars, comes from
 * here, so that a test can make each allocation fail in turn.
 */
#ifndef FAD_MEMORY_H
#define FAD_MEMORY_H

#include <stddef.h>

/* Like realloc.  On failure NULL, and the block stays as it was. */
void *fad_memory_resize(void *block, size_t n_bytes);

/* Like calloc: zeroed, and of large blocks only what is touched takes memory. */
void *fad_memory_zeroed(size_t n_bytes);

void fad_memory_free(void *block);

/* Tests: the n-th allocation from now on fails, and all after it; 0 ends that. */
void fad_memory_fail_from(unsigned long n);

#endif
