/* The kernels for AVX-512 F and DQ. */
#include "sets.h"

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
#include "lanes_math.h"

#include "batch_kernels.h"
#include "sweep_kernels.h"

const fad_kernels fad_kernels_avx512 = FAD_KERNELS;

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif
