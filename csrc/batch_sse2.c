/* The kernels for SSE2, which every 64-bit x86 has. */
#include "batch_sets.h"

#ifdef FAD_HAS_X86

#include <immintrin.h>

#define FAD_LANES_SSE2
#include "batch_kernels.h"

void
fad_batch_block_sse2(const fad_schedule *schedule, double *slots,
                     fad_batch_findings *found)
{
    run_block(schedule, slots, found);
}

#endif
