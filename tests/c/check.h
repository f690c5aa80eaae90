/*
 * What the tests of the core share: a CHECK that fails says where and ends its test, random
 * numbers that are the same on every machine, and the loop over a file's table of tests.
 */
#ifndef FAD_CHECK_H
#define FAD_CHECK_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

static int failed;

#define CHECK(condition)                                               \
    do {                                                               \
        if (!(condition)) {                                            \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);     \
            failed = 1;                                                \
            return;                                                    \
        }                                                              \
    } while (0)

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define TEST(name) {#name, name}

typedef struct {
    const char *name;
    void (*run)(void);
} test;

static inline int
run_tests(const test *tests, size_t n)
{
    int n_failed = 0;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* also before a crash */
    for (size_t k = 0; k < n; k++) {
        failed = 0;
        tests[k].run();
        fad_memory_fail_from(0);
        if (failed)
            printf("FAILED %s\n", tests[k].name);
        n_failed += failed;
    }
    printf("%d passed, %d failed\n", (int)n - n_failed, n_failed);
    return n_failed != 0;
}

static inline int
same_bits(double x, double y)
{
    return memcmp(&x, &y, sizeof x) == 0;
}

static inline int
same(double x, double y)
{
    return isnan(x) ? isnan(y) : same_bits(x, y);
}

/* xorshift64* by Vigna. */
static inline uint32_t
random_below(uint32_t n)
{
    static uint64_t state = 88172645463325252u;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717u >> 32) % n);
}

/* Between -2 and 2. */
static inline double
random_number(void)
{
    return (random_below(2001) - 1000.0) / 512.0;
}

#endif
