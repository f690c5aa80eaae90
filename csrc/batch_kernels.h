/*
 * The kernels of one instruction set: for each row of ops.def a loop over the steps of a
 * run and the registers of a slot.  What a register is, lanes.h or lane.h has said before.
 *
 * A slot has 16 doubles, one for each point of a block.  A result may take the place of an
 * argument, so each register is read before it is written.
 */
#ifndef FAD_BATCH_KERNELS_H
#define FAD_BATCH_KERNELS_H

#include <string.h>

#include "sets.h"

/* The lanes where a guard does not come out as expected. */
static inline mask
failing(mask outcome, uint32_t expected)
{
    return outcome ^ ((mask){0} - expected);
}

enum { REGISTERS = FAD_LANES / WIDTH };

typedef void kernel(const fad_step *step, const fad_step *end, vec *slots,
                    fad_batch_findings *found);

#define KERNEL(name, value, pointers, arguments)                                           \
    static void run_##name(const fad_step *step, const fad_step *end, vec *slots,          \
                           fad_batch_findings *found)                                      \
    {                                                                                      \
        (void)found;                                                                       \
        for (; step < end; step++) {                                                       \
            vec *results = slots + (size_t)step->result * REGISTERS;                       \
            pointers                                                                       \
            for (int k = 0; k < REGISTERS; k++) {                                          \
                arguments                                                                  \
                results[k] = value;                                                        \
            }                                                                              \
        }                                                                                  \
    }
#define POINTER(xs, n) const vec *xs = slots + (size_t)step->args[n] * REGISTERS;
#define ARGUMENT(x, xs) const vec x = xs[k];
#define UNARY(name, value, px, domain, doc)                                                \
    KERNEL(name, value, POINTER(xs, 0), ARGUMENT(x, xs))
#define BINARY(name, value, px, py, domain, doc)                                           \
    KERNEL(name, value, POINTER(xs, 0) POINTER(ys, 1), ARGUMENT(x, xs) ARGUMENT(y, ys))
#define TERNARY(name, value, px, py, pz, domain, doc)                                      \
    KERNEL(name, value, POINTER(xs, 0) POINTER(ys, 1) POINTER(zs, 2),                      \
           ARGUMENT(x, xs) ARGUMENT(y, ys) ARGUMENT(z, zs))
#include "ops.def"

static void
note_failures(mask m, uint32_t guard, uint32_t *failed)
{
    for (int lane = 0; lane < WIDTH; lane++)
        if (is_set(m, lane) && guard < failed[lane])
            failed[lane] = guard;
}

#define GUARD(name, sign)                                                                  \
    static void guard_##name(const fad_step *step, const fad_step *end, vec *slots,        \
                             fad_batch_findings *found)                                    \
    {                                                                                      \
        for (; step < end; step++) {                                                       \
            POINTER(xs, 0)                                                                 \
            POINTER(ys, 1)                                                                 \
            for (int k = 0; k < REGISTERS; k++) {                                          \
                const mask m = failing(as_mask(xs[k] sign ys[k]), step->result & 1);                \
                if (!any(m))                                                               \
                    continue;                                                              \
                note_failures(m, step->result >> 1, found->failed + k * WIDTH);            \
                found->any_failed = 1;                                                     \
            }                                                                              \
        }                                                                                  \
    }
GUARD(lt, <)
GUARD(le, <=)
GUARD(eq, ==)
GUARD(ne, !=)
#undef GUARD

static kernel *const kernels[FAD_N_STEPS] = {
#define UNARY(name, value, px, domain, doc) [FAD_OP_##name] = run_##name,
#define BINARY(name, value, px, py, domain, doc) [FAD_OP_##name] = run_##name,
#define TERNARY(name, value, px, py, pz, domain, doc) [FAD_OP_##name] = run_##name,
#include "ops.def"
    [FAD_GUARD_lt] = guard_lt,
    [FAD_GUARD_le] = guard_le,
    [FAD_GUARD_eq] = guard_eq,
    [FAD_GUARD_ne] = guard_ne,
};

/* Of the outputs, a register of each. */
static mask
nan_among(const fad_schedule *schedule, const vec *slots)
{
    mask m = {0};
    for (uint32_t k = 0; k < schedule->n_outputs; k++) {
        const vec v = slots[(size_t)schedule->outputs[k] * REGISTERS];
        m |= is_nan(v);
    }
    return m;
}

static void
find_nan(const fad_schedule *schedule, const vec *slots, fad_batch_findings *found)
{
    for (int k = 0; k < REGISTERS; k++) {
        const mask m = nan_among(schedule, slots + k);
        if (!any(m))
            continue;
        for (int lane = 0; lane < WIDTH; lane++)
            found->is_nan[k * WIDTH + lane] = is_set(m, lane);
        found->any_nan = 1;
    }
}

/* One indirect call for each run. */
static void
run_block(const fad_schedule *schedule, double *slots, fad_batch_findings *found)
{
    const fad_step *step = schedule->steps;
    memset(found, 0, sizeof *found);
    memset(found->failed, 0xff, sizeof found->failed); /* FAD_NO_GUARD */
    for (uint32_t k = 0; k < schedule->n_runs; k++) {
        const fad_step *end = step + schedule->runs[k].n;
        kernels[fad_run_op(&schedule->runs[k])](step, end, (vec *)slots, found);
        step = end;
    }
    find_nan(schedule, (const vec *)slots, found);
}

#endif
