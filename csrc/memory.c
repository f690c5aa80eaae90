/* madvise is Linux's own and hidden by -std=c11; without it the core is only slower. */
#define _DEFAULT_SOURCE

#include "memory.h"

#include <stdint.h>
#include <stdlib.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

static unsigned long n_until_failure; /* 0: no failure is planned; 1: the next one fails */

void
fad_memory_fail_from(unsigned long n)
{
    n_until_failure = n;
}

static int
fails_now(void)
{
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

void *
fad_memory_resize(void *block, size_t n_bytes)
{
    if (fails_now())
        return NULL;
    void *resized = realloc(block, n_bytes);
    advise_huge_pages(resized, n_bytes);
    return resized;
}

void *
fad_memory_zeroed(size_t n_bytes)
{
    if (fails_now())
        return NULL;
    void *block = calloc(1, n_bytes);
    advise_huge_pages(block, n_bytes);
    return block;
}

void
fad_memory_free(void *block)
{
    free(block);
}
