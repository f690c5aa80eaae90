/* The kernels for any machine: one lane after the other. */
#include "batch_kernels.h"

void
fad_batch_block_plain(const fad_schedule *schedule, double *slots,
                      fad_batch_findings *found)
{
    run_block(schedule, slots, found);
}
