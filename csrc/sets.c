#include "sets.h"

static int
always(void)
{
    return 1;
}

#ifdef FAD_HAS_X86

static int
has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int
has_avx512(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
}

#endif

static const struct {
    const char *name;
    int (*is_there)(void);
    const fad_kernels *kernels;
} sets[] = {
    {"plain", always, &fad_kernels_plain},
#ifdef FAD_HAS_X86
    {"sse2", always, &fad_kernels_sse2},
    {"avx2", has_avx2, &fad_kernels_avx2},
    {"avx512", has_avx512, &fad_kernels_avx512},
#endif
#ifdef FAD_HAS_NEON
    {"neon", always, &fad_kernels_neon},
#endif
};
enum { N_SETS = (int)(sizeof sets / sizeof *sets) };

const char *
fad_set_name(int set)
{
    return set >= 0 && set < N_SETS ? sets[set].name : NULL;
}

int
fad_has_set(int set)
{
    return set >= 0 && set < N_SETS && sets[set].is_there();
}

int
fad_best_set(void)
{
    int set = N_SETS - 1;
    while (!fad_has_set(set))
        set--;
    return set;
}

const fad_kernels *
fad_kernels_of(int set)
{
    return sets[set].kernels;
}
