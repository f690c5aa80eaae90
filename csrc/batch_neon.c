/* The kernels for NEON, which every 64-bit ARM has. */
#include "batch_sets.h"

#ifdef FAD_HAS_NEON

#include <arm_neon.h>

#define FAD_LANES_NEON
#include "batch_kernels.h"

void
fad_batch_block_neon(const fad_schedule *schedule, double *slots,
                     fad_batch_findings *found)
{
    run_block(schedule, slots, found);
}

#endif
