#include "batch.h"

#include <string.h>

#include "flags.h"
#include "sets.h"

#ifdef __GNUC__
#define APART __attribute__((noinline))
#else
#define APART
#endif

const fad_batch_bound fad_batch_bounds[] = {
#define LANES(name, ulps, beyond) {#name, ulps, beyond},
#include "lanes.def"
    {NULL, 0.0, NULL},
};

/* ---- Blocks ---- */

/* The points of a block's lanes; those behind the last point repeat it. */
typedef struct {
    size_t points[FAD_WIDE_LANES];
    int n_lanes;     /* FAD_LANES or FAD_WIDE_LANES */
    int n;           /* of them in use */
    int is_in_a_row; /* all, and points[lane] is points[0] + lane; only points[0] is set */
} block;

/* The block of the k-th of the batch's points and those behind it. */
static void
make_block(block *b, int n_lanes, const fad_batch *batch, size_t k)
{
    b->n_lanes = n_lanes;
    b->n = batch->n - k < (size_t)n_lanes ? (int)(batch->n - k) : n_lanes;
    b->is_in_a_row = batch->points == NULL && b->n == n_lanes;
    if (b->is_in_a_row) {
        b->points[0] = batch->first + k;
        return;
    }
    for (int lane = 0; lane < n_lanes; lane++) {
        const size_t at = k + (size_t)(lane < b->n ? lane : b->n - 1);
        b->points[lane] = batch->points == NULL ? batch->first + at : batch->points[at];
    }
}

/* The k-th slot of a block. */
static double *
slot_at(double *slots, uint32_t k, int n_lanes)
{
    return slots + (size_t)k * (size_t)n_lanes;
}

static void
fill(double *slot, int n_lanes, double value)
{
    for (int lane = 0; lane < n_lanes; lane++)
        slot[lane] = value;
}

/* What is the same at all points. */
static void
load_constants(const fad_schedule *schedule, int n_lanes, const fad_batch *batch,
               double *slots)
{
    for (uint32_t k = 0; k < schedule->n_inputs; k++)
        if (batch->inputs[k].stride == 0)
            fill(slot_at(slots, k, n_lanes), n_lanes, batch->inputs[k].numbers[0]);
    for (uint32_t k = 0; k < schedule->n_constants; k++)
        fill(slot_at(slots, schedule->n_inputs + k, n_lanes), n_lanes,
             schedule->constants[k]);
}

/* Whether of n columns the first two are neighbours in the rows of one array.  Then they are
   moved together, pair by pair, which takes two thirds of the time. */
static int
are_neighbours(const fad_column *columns, uint32_t n)
{
    return n > 1 && columns[1].numbers == columns[0].numbers + 1 &&
           columns[1].stride == columns[0].stride;
}

/* The column's number at a lane of a block in a row. */
static double *
number_at(const fad_column *column, const block *b, int lane)
{
    return column->numbers + ((ptrdiff_t)b->points[0] + lane) * column->stride;
}

/* FAD_LANES numbers are moved at a time: a number that the compiler knows.  Inlined, the loops
   would take up to 15 % more of a batch. */

static APART void
load(double *restrict slot, const double *restrict numbers, ptrdiff_t stride)
{
    for (int lane = 0; lane < FAD_LANES; lane++)
        slot[lane] = numbers[lane * stride];
}

static APART void
load_two(double *restrict slot, double *restrict next, const double *restrict pairs,
         ptrdiff_t stride)
{
    for (int lane = 0; lane < FAD_LANES; lane++) {
        slot[lane] = pairs[lane * stride];
        next[lane] = pairs[lane * stride + 1];
    }
}

static APART void
store(double *restrict numbers, const double *restrict slot, ptrdiff_t stride)
{
    for (int lane = 0; lane < FAD_LANES; lane++)
        numbers[lane * stride] = slot[lane];
}

static APART void
store_two(double *restrict pairs, const double *restrict slot, const double *restrict next,
          ptrdiff_t stride)
{
    for (int lane = 0; lane < FAD_LANES; lane++) {
        pairs[lane * stride] = slot[lane];
        pairs[lane * stride + 1] = next[lane];
    }
}

static void
load_inputs(const fad_schedule *schedule, const fad_batch *batch, const block *b,
            double *slots)
{
    const uint32_t n = schedule->n_inputs;
    for (uint32_t k = 0; k < n; k++) {
        const fad_column *column = &batch->inputs[k];
        const ptrdiff_t stride = column->stride;
        double *slot = slot_at(slots, k, b->n_lanes);
        if (stride == 0)
            continue;
        if (!b->is_in_a_row) {
            for (int lane = 0; lane < b->n_lanes; lane++)
                slot[lane] = column->numbers[(ptrdiff_t)b->points[lane] * stride];
        } else if (!are_neighbours(column, n - k)) {
            for (int lane = 0; lane < b->n_lanes; lane += FAD_LANES)
                load(slot + lane, number_at(column, b, lane), stride);
        } else {
            double *next = slot_at(slots, ++k, b->n_lanes);
            for (int lane = 0; lane < b->n_lanes; lane += FAD_LANES)
                load_two(slot + lane, next + lane, number_at(column, b, lane), stride);
        }
    }
}

static void
store_outputs(const fad_schedule *schedule, const fad_batch *batch, const block *b,
              double *slots)
{
    const uint32_t n = schedule->n_outputs;
    for (uint32_t k = 0; k < n; k++) {
        const fad_column *column = &batch->outputs[k];
        const ptrdiff_t stride = column->stride;
        const double *slot = slot_at(slots, schedule->outputs[k], b->n_lanes);
        if (!b->is_in_a_row) {
            for (int lane = 0; lane < b->n; lane++)
                column->numbers[(ptrdiff_t)b->points[lane] * stride] = slot[lane];
        } else if (!are_neighbours(column, n - k)) {
            for (int lane = 0; lane < b->n_lanes; lane += FAD_LANES)
                store(number_at(column, b, lane), slot + lane, stride);
        } else {
            const double *next = slot_at(slots, schedule->outputs[++k], b->n_lanes);
            for (int lane = 0; lane < b->n_lanes; lane += FAD_LANES)
                store_two(number_at(column, b, lane), slot + lane, next + lane, stride);
        }
    }
}

static void
store_findings(const fad_batch *batch, const block *b, const fad_batch_findings *found,
               int flags)
{
    if (b->is_in_a_row) {
        memcpy(batch->failed + b->points[0], found->failed,
               (size_t)b->n * sizeof *found->failed);
        memset(batch->flagged + b->points[0], flags != 0, (size_t)b->n);
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
    for (int lane = 0; lane < b->n_lanes; lane++) {
        if (b->is_in_a_row)
            passing.points[lane] = b->points[0] + (size_t)lane;
        if (found->failed[lane] == FAD_NO_GUARD)
            good = lane;
    }
    if (good < 0)
        return 0;
    for (int lane = 0; lane < b->n_lanes; lane++)
        if (found->failed[lane] != FAD_NO_GUARD)
            passing.points[lane] = passing.points[good];
    load_inputs(schedule, batch, &passing, slots);
    fad_flags_clear();
    kernels->run_block(schedule, b->n_lanes, slots, &ignored);
    return fad_flags_raised();
}

/* Returns the flags of the block, and clears is_well if it has any, a guard failed, or an output
   is nan. */
static int
run_one(const fad_schedule *schedule, const fad_kernels *kernels, const fad_batch *batch,
        const block *b, double *slots, int *is_well)
{
    fad_batch_findings found;
    load_inputs(schedule, batch, b, slots);
    kernels->run_block(schedule, b->n_lanes, slots, &found);
    int flags = fad_flags_raised();
    store_outputs(schedule, batch, b, slots);
    if (flags) {
        if (found.any_failed)
            flags = flags_without_failed(schedule, kernels, batch, b, &found, slots);
        fad_flags_clear();
    }
    store_findings(batch, b, &found, flags);
    *is_well &= !(found.any_failed || found.any_nan || flags);
    return flags;
}

/* ---- Batches ---- */

/* Whether runs are short, because most steps wait for the one before.  Long programs need not
   apply: no cache would hold the slots of a wide block. */
static int
deserves_wide_blocks(const fad_schedule *schedule)
{
    return schedule->n_steps < 2 * (uint64_t)schedule->n_runs && schedule->n_slots <= 1 << 15;
}

/* Runs wide blocks as long as they are full and raise no flags, which say less of 64 points
   than of 16.  Returns how many points are done. */
static size_t
run_wide_blocks(const fad_schedule *schedule, const fad_kernels *kernels,
                const fad_batch *batch, double *slots, int *is_well)
{
    block b;
    size_t k = 0;
    load_constants(schedule, FAD_WIDE_LANES, batch, slots);
    for (; batch->n - k >= FAD_WIDE_LANES; k += FAD_WIDE_LANES) {
        make_block(&b, FAD_WIDE_LANES, batch, k);
        if (run_one(schedule, kernels, batch, &b, slots, is_well))
            break;
    }
    return k;
}

/* Runs the k-th point and all behind it. */
static void
run_blocks(const fad_schedule *schedule, const fad_kernels *kernels, const fad_batch *batch,
           size_t k, double *slots, int *is_well)
{
    block b;
    load_constants(schedule, FAD_LANES, batch, slots);
    for (; k < batch->n; k += FAD_LANES) {
        make_block(&b, FAD_LANES, batch, k);
        run_one(schedule, kernels, batch, &b, slots, is_well);
    }
}

size_t
fad_batch_scratch(const fad_schedule *schedule)
{
    const size_t n_lanes = deserves_wide_blocks(schedule) ? FAD_WIDE_LANES : FAD_LANES;
    return schedule->n_slots * n_lanes * sizeof(double) + FAD_ALIGNMENT;
}

int
fad_batch_run(const fad_schedule *schedule, int set, const fad_batch *batch, void *scratch)
{
    double *slots = fad_aligned(scratch);
    const fad_kernels *kernels = fad_kernels_of(set);
    size_t n_done = 0;
    int is_well = 1;
    fad_flags_clear();
    if (batch->n >= FAD_WIDE_LANES && kernels->width >= 4 && /* others have enough to do */
        deserves_wide_blocks(schedule))
        n_done = run_wide_blocks(schedule, kernels, batch, slots, &is_well);
    if (n_done < batch->n)
        run_blocks(schedule, kernels, batch, n_done, slots, &is_well);
    return is_well;
}
