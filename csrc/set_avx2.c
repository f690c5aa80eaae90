/* The kernels for AVX2 and FMA. */
#include "sets.h"

#ifdef FAD_HAS_X86

#include <immintrin.h>

#include "special.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define FAD_LANES_AVX2
#include "lanes_math.h"

#include "batch_kernels.h"
#include "sweep_kernels.h"

const fad_kernels fad_kernels_avx2 = FAD_KERNELS;

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif
