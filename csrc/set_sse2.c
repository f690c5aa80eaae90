/* The kernels for SSE2, which every 64-bit x86 has. */
#include "sets.h"

#ifdef FAD_HAS_X86

#include <immintrin.h>

#define FAD_LANES_SSE2
#include "lanes_math.h"

#include "batch_kernels.h"
#include "sweep_kernels.h"

const fad_kernels fad_kernels_sse2 = FAD_KERNELS;

#endif
