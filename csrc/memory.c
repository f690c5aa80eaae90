/* madvise is Linux's own and hidden by -std=c11; without it the core is only slower. */
#define _DEFAULT_SOURCE

#include "memory.h"

#include <stdint.h>
#include <stdlib.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

static unsigned long n_until_failure; /* 0: no failure is planned; 1: the next one fails */
static size_t largest = SIZE_MAX;     /* a larger allocation fails */
static void (*on_failure)(void);

void
fad_memory_fail_from(unsigned long n)
{
    n_until_failure = n;
}

void
fad_memory_fail_above(size_t n_bytes)
{
    largest = n_bytes ? n_bytes : SIZE_MAX;
}

void
fad_memory_on_failure(void (*give_back)(void))
{
    on_failure = give_back;
}

static int
fails_now(size_t n_bytes)
{
    if (n_bytes > largest)
        return 1;
    if (n_until_failure == 0)
        return 0;
    if (n_until_failure == 1)
        return 1;
    n_until_failure--;
    return 0;
}

/* A fresh 4 KiB page costs a fault, 17-32 ns for each node on it; a huge page 5. */
static void
advise_huge_pages(void *block, size_t n_bytes)
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    enum { PAGE = 4096, LARGE = 8 << 20 };
    if (block == NULL || n_bytes < LARGE)
        return;
    uintptr_t start = ((uintptr_t)block + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t end = ((uintptr_t)block + n_bytes) & ~(uintptr_t)(PAGE - 1);
    (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
#else
    (void)block;
    (void)n_bytes;
#endif
}

/* Like realloc, or with no block, and zeroed, like calloc. */
static void *
allocate(void *block, size_t n_bytes, int zeroed)
{
    if (fails_now(n_bytes))
        return NULL;
    return zeroed ? calloc(1, n_bytes) : realloc(block, n_bytes);
}

static void *
allocate_or_make_room(void *block, size_t n_bytes, int zeroed)
{
    void *allocated = allocate(block, n_bytes, zeroed);
    if (allocated == NULL && on_failure != NULL) {
        on_failure();
        allocated = allocate(block, n_bytes, zeroed);
    }
    advise_huge_pages(allocated, n_bytes);
    return allocated;
}

void *
fad_memory_resize(void *block, size_t n_bytes)
{
    return allocate_or_make_room(block, n_bytes, 0);
}

void *
fad_memory_zeroed(size_t n_bytes)
{
    return allocate_or_make_room(NULL, n_bytes, 1);
}

void *
fad_memory_shrink(void *block, size_t n_bytes)
{
    void *shrunk = realloc(block, n_bytes);
    return shrunk == NULL ? block : shrunk;
}

void
fad_memory_free(void *block)
{
    free(block);
}
