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
    int is_in_a_row; /* all, and points[lane] is points[0] + lane; only points[0] is set */
} block;

/* The block of the k-th of the batch's points and those behind it. */
static void
make_block(block *b, const fad_batch *batch, size_t k)
{
    b->n = batch->n - k < FAD_LANES ? (int)(batch->n - k) : FAD_LANES;
    b->is_in_a_row = batch->points == NULL && b->n == FAD_LANES;
    if (b->is_in_a_row) {
        b->points[0] = batch->first + k;
        return;
    }
    for (int lane = 0; lane < FAD_LANES; lane++) {
        const size_t at = k + (size_t)(lane < b->n ? lane : b->n - 1);
        b->points[lane] = batch->points == NULL ? batch->first + at : batch->points[at];
    }
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

/* Whether of n columns the first two are neighbours in the rows of one array.  Then they are
   moved together, pair by pair, which takes two thirds of the time. */
static int
are_neighbours(const fad_column *columns, uint32_t n)
{
    return n > 1 && columns[1].numbers == columns[0].numbers + 1 &&
           columns[1].stride == columns[0].stride;
}

/* The column's number at the first point of a block. */
static double *
start_of(const fad_column *column, const block *b)
{
    return column->numbers + (ptrdiff_t)b->points[0] * column->stride;
}

static void
load_inputs(const fad_schedule *schedule, const fad_batch *batch, const block *b,
            double *slots)
{
    const uint32_t n = schedule->n_inputs;
    for (uint32_t k = 0; k < n; k++) {
        const fad_column *column = &batch->inputs[k];
        const ptrdiff_t stride = column->stride;
        double *restrict slot = slots + (size_t)k * FAD_LANES;
        if (stride == 0)
            continue;
        if (!b->is_in_a_row) {
            for (int lane = 0; lane < FAD_LANES; lane++)
                slot[lane] = column->numbers[(ptrdiff_t)b->points[lane] * stride];
        } else if (!are_neighbours(column, n - k)) {
            const double *restrict numbers = start_of(column, b);
            for (int lane = 0; lane < FAD_LANES; lane++)
                slot[lane] = numbers[lane * stride];
        } else {
            const double *restrict pairs = start_of(column, b);
            double *restrict next = slot + FAD_LANES;
            for (int lane = 0; lane < FAD_LANES; lane++) {
                slot[lane] = pairs[lane * stride];
                next[lane] = pairs[lane * stride + 1];
            }
            k++;
        }
    }
}

static void
store_outputs(const fad_schedule *schedule, const fad_batch *batch, const block *b,
              const double *slots)
{
    const uint32_t n = schedule->n_outputs;
    for (uint32_t k = 0; k < n; k++) {
        const fad_column *column = &batch->outputs[k];
        const ptrdiff_t stride = column->stride;
        const double *restrict slot = slots + (size_t)schedule->outputs[k] * FAD_LANES;
        if (!b->is_in_a_row) {
            for (int lane = 0; lane < b->n; lane++)
                column->numbers[(ptrdiff_t)b->points[lane] * stride] = slot[lane];
        } else if (!are_neighbours(column, n - k)) {
            double *restrict numbers = start_of(column, b);
            for (int lane = 0; lane < FAD_LANES; lane++)
                numbers[lane * stride] = slot[lane];
        } else {
            double *restrict pairs = start_of(column, b);
            const double *restrict next =
                slots + (size_t)schedule->outputs[k + 1] * FAD_LANES;
            for (int lane = 0; lane < FAD_LANES; lane++) {
                pairs[lane * stride] = slot[lane];
                pairs[lane * stride + 1] = next[lane];
            }
            k++;
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

/* Returns whether all is well. */
static int
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
    return !(found.any_failed || found.any_nan || flags);
}

/* ---- Batches ---- */

size_t
fad_batch_scratch(const fad_schedule *schedule)
{
    return (size_t)schedule->n_slots * FAD_LANES * sizeof(double) + FAD_ALIGNMENT;
}

int
fad_batch_run(const fad_schedule *schedule, int set, const fad_batch *batch, void *scratch)
{
    double *slots = fad_aligned(scratch);
    const fad_kernels *kernels = fad_kernels_of(set);
    int is_well = 1;
    block b;
    fad_flags_clear();
    if (batch->n > 0)
        load_constants(schedule, batch, slots);
    for (size_t k = 0; k < batch->n; k += FAD_LANES) {
        make_block(&b, batch, k);
        is_well &= run_one(schedule, kernels, batch, &b, slots);
    }
    return is_well;
}
