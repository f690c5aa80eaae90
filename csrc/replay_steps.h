/*
 * The loop over a schedule's steps, on one point.  replay.c includes it once for each size of
 * a step, STEP, as the function RUN_STEPS.
 *
 * One switch for each run.
 */

#define UNARY(name, value, px, domain, doc)                                                \
    case FAD_OP_##name:                                                                    \
        do {                                                                               \
            const double x = slots[step->args[0]];                                         \
            slots[step->result] = value;                                                   \
        } while (++step < end);                                                            \
        break;
#define BINARY(name, value, px, py, domain, doc)                                           \
    case FAD_OP_##name:                                                                    \
        do {                                                                               \
            const double x = slots[step->args[0]], y = slots[step->args[1]];               \
            slots[step->result] = value;                                                   \
        } while (++step < end);                                                            \
        break;
#define TERNARY(name, value, px, py, pz, domain, doc)                                      \
    case FAD_OP_##name:                                                                    \
        do {                                                                               \
            const double x = slots[step->args[0]], y = slots[step->args[1]];               \
            const double z = slots[step->args[2]];                                         \
            slots[step->result] = value;                                                   \
        } while (++step < end);                                                            \
        break;

#define GUARD(name, sign)                                                                  \
    case FAD_GUARD_##name:                                                                 \
        for (; step < end; step++) {                                                       \
            const uint32_t outcome = slots[step->args[0]] sign slots[step->args[1]];       \
            const uint32_t number = step->result >> 1;                                     \
            if (outcome != (step->result & 1u) && number < failed)                         \
                failed = number;                                                           \
        }                                                                                  \
        break;

/* v: what the step before gave. */
#define NEXT_add(v, step) v + slots[(step)->args[1]]
#define NEXT_sub(v, step) v - slots[(step)->args[1]]
#define NEXT_mul(v, step) v * slots[(step)->args[1]]
#define NEXT_muladd(v, step) slots[(step)->args[0]] * slots[(step)->args[1]] + v
#define NEXT_mulsub(v, step) v - slots[(step)->args[0]] * slots[(step)->args[1]]

#define CHAINS(name, argument)                                                             \
    case FAD_CHAIN_##name: {                                                               \
        double v = slots[step->args[argument]];                                            \
        for (; step < end; step++)                                                         \
            slots[step->result] = v = NEXT_##name(v, step);                                \
        break;                                                                             \
    }                                                                                      \
    case FAD_TWINS_##name: {                                                               \
        double v = slots[step->args[argument]], w = slots[step[1].args[argument]];         \
        for (; step + 1 < end; step += 2) {                                                \
            slots[step->result] = v = NEXT_##name(v, step);                                \
            slots[step[1].result] = w = NEXT_##name(w, step + 1);                          \
        }                                                                                  \
        if (step < end)                                                                    \
            slots[step->result] = NEXT_##name(v, step);                                    \
        step = end;                                                                        \
        break;                                                                             \
    }

/* Returns the first guard that fails. */
static uint32_t
RUN_STEPS(const fad_schedule *schedule, const STEP *restrict step, double *restrict slots)
{
    uint32_t failed = FAD_NO_GUARD;
    const fad_run *last = schedule->runs + schedule->n_runs;
    for (const fad_run *run = schedule->runs; run < last; run++) {
        const STEP *end = step + run->n;
        switch (run->op) {
#include "ops.def"
            GUARD(lt, <)
            GUARD(le, <=)
            GUARD(eq, ==)
            GUARD(ne, !=)
            CHAINS(add, 0)
            CHAINS(sub, 0)
            CHAINS(mul, 0)
            CHAINS(muladd, 2)
            CHAINS(mulsub, 2)
        case FAD_SQUARES:
            for (; step < end; step++)
                slots[step->result] = square(slots[step->args[0]]);
            break;
        }
    }
    return failed;
}

#undef GUARD
#undef NEXT_add
#undef NEXT_sub
#undef NEXT_mul
#undef NEXT_muladd
#undef NEXT_mulsub
#undef CHAINS
#undef STEP
#undef RUN_STEPS
