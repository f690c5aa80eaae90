/*
 * The instruction sets that there are kernels for, and which of them the machine has.
 *
 * set_avx2.c and its kin each tell the compiler of one set and include the same loops:
 *
 *   batch_kernels.h    a schedule on a block of points, for batch.c
 *   sweep_kernels.h    a tape in several directions, for sweep.c
 *
 * They are written with the registers of lanes.h; for set_plain.c, which does for any
 * compiler, a register is one double (lane.h).
 */
#ifndef FAD_SETS_H
#define FAD_SETS_H

#include "batch.h"
#include "tape.h"

/* The kernels need vectors as GCC and Clang have them. */
#if defined(__GNUC__) && defined(__x86_64__)
#define FAD_HAS_X86
#elif defined(__GNUC__) && defined(__aarch64__) && !defined(__AARCH64EB__)
#define FAD_HAS_NEON
#endif

enum { FAD_ALIGNMENT = 64 }; /* bytes: of the memory that kernels work on */

/* The first place in a block that is aligned: give the block FAD_ALIGNMENT bytes more. */
static inline double *
fad_aligned(void *block)
{
    const uintptr_t address = (uintptr_t)block + FAD_ALIGNMENT - 1;
    return (double *)(address - address % FAD_ALIGNMENT);
}

/* The sets: 0 is "plain", later ones are better.  NULL from the end on. */
const char *fad_set_name(int set);

/* Whether this machine has it. */
int fad_has_set(int set);

/* The best one that this machine has. */
int fad_best_set(void);

/* What a run of a block finds, lane by lane. */
typedef struct {
    uint32_t failed[FAD_WIDE_LANES]; /* the first guard that fails, or FAD_NO_GUARD */
    uint8_t is_nan[FAD_WIDE_LANES];  /* whether an output is */
    int any_failed, any_nan;
} fad_batch_findings;

typedef struct {
    uint32_t width; /* doubles in a register */

    /* Runs the steps on a block of FAD_LANES or FAD_WIDE_LANES points.  slots: n_slots
       times as many numbers, with the inputs and constants in their places. */
    void (*run_block)(const fad_schedule *schedule, int n_lanes, double *slots,
                      fad_batch_findings *found);

    /* As fad_sweep_backward_many and its kin, where n is a multiple of the width. */
    void (*sweep_backward)(const fad_tape *tape, uint32_t from, uint32_t n,
                           double *adjoints);
    void (*sweep_forward)(const fad_tape *tape, uint32_t to, uint32_t n, double *tangents);
    uint64_t (*sweep_backward_carefully)(const fad_tape *tape, uint32_t from, uint32_t n,
                                         double *adjoints, uint16_t *reached);
    uint64_t (*sweep_forward_carefully)(const fad_tape *tape, uint32_t to, uint32_t n,
                                        double *tangents, uint16_t *reached,
                                        const unsigned char *needed);
} fad_kernels;

/* Those of a file that includes the loops. */
#define FAD_KERNELS                                                                        \
    {                                                                                      \
        WIDTH, run_block, sweep_backward, sweep_forward, sweep_backward_carefully,         \
            sweep_forward_carefully                                                        \
    }

extern const fad_kernels fad_kernels_plain, fad_kernels_sse2, fad_kernels_avx2,
    fad_kernels_avx512, fad_kernels_neon;

const fad_kernels *fad_kernels_of(int set);

#endif
