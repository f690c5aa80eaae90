/* The kernels for AVX-512 F and DQ. */
#include "batch_sets.h"

#ifdef FAD_HAS_X86

#include <immintrin.h>

#include "special.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx2,fma")
#endif

#define FAD_LANES_AVX512
#include "batch_kernels.h"

void
fad_batch_block_avx512(const fad_schedule *schedule, double *slots,
                       fad_batch_findings *found)
{
    run_block(schedule, slots, found);
}

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif
