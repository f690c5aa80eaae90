/*
 * The kernels of one instruction set: for each row of ops.def a loop over the steps of a
 * run and the registers of a slot.  What a register is, lanes.h or lane.h has said before.
 *
 * A slot has a double for each point of a block, so there are two kernels of a row: for
 * NARROW blocks, and for WIDE ones.  A result may take the place of an argument, so each
 * register is read before it is written.
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

enum { NARROW = FAD_LANES / WIDTH, WIDE = FAD_WIDE_LANES / WIDTH }; /* registers of a slot */

typedef void kernel(const fad_step *step, const fad_step *end, vec *slots,
                    fad_batch_findings *found);

#define KERNEL(name, size, value, pointers, arguments)                                     \
    static void run_##name##_##size(const fad_step *step, const fad_step *end, vec *slots, \
                                    fad_batch_findings *found)                             \
    {                                                                                      \
        enum { REGISTERS = size };                                                         \
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
#define KERNELS(name, value, pointers, arguments)                                          \
    KERNEL(name, NARROW, value, pointers, arguments)                                       \
    KERNEL(name, WIDE, value, pointers, arguments)
#define POINTER(xs, n) const vec *xs = slots + (size_t)step->args[n] * REGISTERS;
#define ARGUMENT(x, xs) const vec x = xs[k];
#define UNARY(name, value, px, domain, doc)                                                \
    KERNELS(name, value, POINTER(xs, 0), ARGUMENT(x, xs))
#define BINARY(name, value, px, py, domain, doc)                                           \
    KERNELS(name, value, POINTER(xs, 0) POINTER(ys, 1), ARGUMENT(x, xs) ARGUMENT(y, ys))
#define TERNARY(name, value, px, py, pz, domain, doc)                                      \
    KERNELS(name, value, POINTER(xs, 0) POINTER(ys, 1) POINTER(zs, 2),                     \
            ARGUMENT(x, xs) ARGUMENT(y, ys) ARGUMENT(z, zs))
#include "ops.def"

static void
note_failures(mask m, uint32_t guard, uint32_t *failed)
{
    for (int lane = 0; lane < WIDTH; lane++)
        if (is_set(m, lane) && guard < failed[lane])
            failed[lane] = guard;
}

#define GUARD(name, size, sign)                                                            \
    static void guard_##name##_##size(const fad_step *step, const fad_step *end,           \
                                      vec *slots, fad_batch_findings *found)               \
    {                                                                                      \
        enum { REGISTERS = size };                                                         \
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
#define GUARDS(name, sign) GUARD(name, NARROW, sign) GUARD(name, WIDE, sign)
GUARDS(lt, <)
GUARDS(le, <=)
GUARDS(eq, ==)
GUARDS(ne, !=)
#undef GUARDS
#undef GUARD

/* Of each step that for narrow and that for wide blocks. */
static kernel *const kernels[FAD_N_STEPS][2] = {
#define UNARY(name, value, px, domain, doc)                                                \
    [FAD_OP_##name] = {run_##name##_NARROW, run_##name##_WIDE},
#define BINARY(name, value, px, py, domain, doc)                                           \
    [FAD_OP_##name] = {run_##name##_NARROW, run_##name##_WIDE},
#define TERNARY(name, value, px, py, pz, domain, doc)                                      \
    [FAD_OP_##name] = {run_##name##_NARROW, run_##name##_WIDE},
#include "ops.def"
    [FAD_GUARD_lt] = {guard_lt_NARROW, guard_lt_WIDE},
    [FAD_GUARD_le] = {guard_le_NARROW, guard_le_WIDE},
    [FAD_GUARD_eq] = {guard_eq_NARROW, guard_eq_WIDE},
    [FAD_GUARD_ne] = {guard_ne_NARROW, guard_ne_WIDE},
};

/* Of the outputs, a register of each. */
static inline mask
nan_among(const fad_schedule *schedule, int n_registers, const vec *slots)
{
    mask m = {0};
    for (uint32_t k = 0; k < schedule->n_outputs; k++) {
        const vec v = slots[(size_t)schedule->outputs[k] * (size_t)n_registers];
        m |= is_nan(v);
    }
    return m;
}

static inline void
find_nan(const fad_schedule *schedule, int n_registers, const vec *slots,
         fad_batch_findings *found)
{
    for (int k = 0; k < n_registers; k++) {
        const mask m = nan_among(schedule, n_registers, slots + k);
        if (!any(m))
            continue;
        for (int lane = 0; lane < WIDTH; lane++)
            found->is_nan[k * WIDTH + lane] = is_set(m, lane);
        found->any_nan = 1;
    }
}

/* One indirect call for each run. */
static inline void
run_steps(const fad_schedule *schedule, int n_registers, vec *slots,
          fad_batch_findings *found)
{
    const fad_step *step = schedule->steps;
    const size_t n_lanes = (size_t)n_registers * WIDTH;
    memset(found->failed, 0xff, n_lanes * sizeof *found->failed); /* FAD_NO_GUARD */
    memset(found->is_nan, 0, n_lanes);
    found->any_failed = found->any_nan = 0;
    for (uint32_t k = 0; k < schedule->n_runs; k++) {
        const fad_step *end = step + schedule->runs[k].n;
        kernels[fad_run_op(&schedule->runs[k])][n_registers == WIDE](step, end, slots, found);
        step = end;
    }
    find_nan(schedule, n_registers, slots, found);
}

static void
run_block(const fad_schedule *schedule, int n_lanes, double *slots,
          fad_batch_findings *found)
{
    if (n_lanes == FAD_WIDE_LANES)
        run_steps(schedule, WIDE, (vec *)slots, found);
    else
        run_steps(schedule, NARROW, (vec *)slots, found);
}

#endif
