#include "batch.h"

#include <string.h>

#include "flags.h"
#include "sets.h"

const fad_batch_bound fad_batch_bounds[] = {
#define LANES(name, ulps, beyond) {#name, ulps, beyond},
#include "lanes.def"
    {NULL, 0.0, NULL},
};

/* ---- Blocks ---- */

/* The points of a block's lanes; those behind the last point repeat it. */
typedef struct {
    size_t points[FAD_LANES];
    int n;           /* lanes in use */
    int is_in_a_row; /* all, and points[lane] is points[0] + lane */
} block;

static block
block_from(const fad_batch *batch, size_t first)
{
    block b = {.n = FAD_LANES, .is_in_a_row = batch->points == NULL, .points = {first}};
    if (batch->n - first < FAD_LANES) {
        b.n = (int)(batch->n - first);
        b.is_in_a_row = 0;
    }
    for (int lane = 0; !b.is_in_a_row && lane < FAD_LANES; lane++) {
        const size_t k = first + (size_t)(lane < b.n ? lane : b.n - 1);
        b.points[lane] = batch->points == NULL ? k : batch->points[k];
    }
    return b;
}

static void
fill(double *slot, double value)
{
    for (int lane = 0; lane < FAD_LANES; lane++)
        slot[lane] = value;
}

/* What is the same at all points. */
static void
load_constants(const fad_schedule *schedule, const fad_batch *batch, double *slots)
{
    for (uint32_t k = 0; k < schedule->n_inputs; k++)
        if (batch->inputs[k].stride == 0)
            fill(slots + (size_t)k * FAD_LANES, batch->inputs[k].numbers[0]);
    for (uint32_t k = 0; k < schedule->n_constants; k++)
        fill(slots + ((size_t)schedule->n_inputs + k) * FAD_LANES, schedule->constants[k]);
}

static void
load_inputs(const fad_schedule *schedule, const fad_batch *batch, const block *b,
            double *restrict slots)
{
    for (uint32_t k = 0; k < schedule->n_inputs; k++, slots += FAD_LANES) {
        const ptrdiff_t stride = batch->inputs[k].stride;
        const double *numbers = batch->inputs[k].numbers;
        if (stride == 0)
            continue;
        if (b->is_in_a_row) {
            numbers += (ptrdiff_t)b->points[0] * stride;
            for (int lane = 0; lane < FAD_LANES; lane++)
                slots[lane] = numbers[lane * stride];
        } else {
            for (int lane = 0; lane < FAD_LANES; lane++)
                slots[lane] = numbers[(ptrdiff_t)b->points[lane] * stride];
        }
    }
}

static void
store_outputs(const fad_schedule *schedule, const fad_batch *batch, const block *b,
              const double *restrict slots)
{
    for (uint32_t k = 0; k < schedule->n_outputs; k++) {
        const double *slot = slots + (size_t)schedule->outputs[k] * FAD_LANES;
        const ptrdiff_t stride = batch->outputs[k].stride;
        double *restrict numbers = batch->outputs[k].numbers;
        if (b->is_in_a_row) {
            numbers += (ptrdiff_t)b->points[0] * stride;
            for (int lane = 0; lane < FAD_LANES; lane++)
                numbers[lane * stride] = slot[lane];
        } else {
            for (int lane = 0; lane < b->n; lane++)
                numbers[(ptrdiff_t)b->points[lane] * stride] = slot[lane];
        }
    }
}

static void
store_findings(const fad_batch *batch, const block *b, const fad_batch_findings *found,
               int flags)
{
    if (b->is_in_a_row) {
        memcpy(batch->failed + b->points[0], found->failed, sizeof found->failed);
        memset(batch->flagged + b->points[0], flags != 0, FAD_LANES);
    }
    for (int lane = 0; !b->is_in_a_row && lane < b->n; lane++) {
        batch->failed[b->points[lane]] = found->failed[lane];
        batch->flagged[b->points[lane]] = flags != 0;
    }
    for (int lane = 0; found->any_nan && lane < b->n; lane++)
        batch->flagged[b->is_in_a_row ? b->points[0] + lane : b->points[lane]] |=
            found->is_nan[lane];
}

/* Runs the block again where it was right to run: a lane whose guard failed takes the point
   of one whose guards hold.  Returns the flags. */
static int
flags_without_failed(const fad_schedule *schedule, const fad_kernels *kernels,
                     const fad_batch *batch, const block *b,
                     const fad_batch_findings *found, double *slots)
{
    block passing = *b;
    fad_batch_findings ignored;
    int good = -1;
    passing.is_in_a_row = 0;
    for (int lane = 0; lane < FAD_LANES; lane++) {
        if (b->is_in_a_row)
            passing.points[lane] = b->points[0] + (size_t)lane;
        if (found->failed[lane] == FAD_NO_GUARD)
            good = lane;
    }
    if (good < 0)
        return 0;
    for (int lane = 0; lane < FAD_LANES; lane++)
        if (found->failed[lane] != FAD_NO_GUARD)
            passing.points[lane] = passing.points[good];
    load_inputs(schedule, batch, &passing, slots);
    fad_flags_clear();
    kernels->run_block(schedule, slots, &ignored);
    return fad_flags_raised();
}

static void
run_one(const fad_schedule *schedule, const fad_kernels *kernels, const fad_batch *batch,
        const block *b, double *slots)
{
    fad_batch_findings found;
    load_inputs(schedule, batch, b, slots);
    kernels->run_block(schedule, slots, &found);
    int flags = fad_flags_raised();
    store_outputs(schedule, batch, b, slots);
    if (flags) {
        if (found.any_failed)
            flags = flags_without_failed(schedule, kernels, batch, b, &found, slots);
        fad_flags_clear();
    }
    store_findings(batch, b, &found, flags);
}

/* ---- Batches ---- */

size_t
fad_batch_scratch(const fad_schedule *schedule)
{
    return (size_t)schedule->n_slots * FAD_LANES * sizeof(double) + FAD_ALIGNMENT;
}

void
fad_batch_run(const fad_schedule *schedule, int set, const fad_batch *batch, void *scratch)
{
    double *slots = fad_aligned(scratch);
    const fad_kernels *kernels = fad_kernels_of(set);
    fad_flags_clear();
    if (batch->n > 0)
        load_constants(schedule, batch, slots);
    for (size_t first = 0; first < batch->n; first += FAD_LANES) {
        const block b = block_from(batch, first);
        run_one(schedule, kernels, batch, &b, slots);
    }
}
