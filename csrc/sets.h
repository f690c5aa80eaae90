/*
 * The instruction sets that there are kernels for, and which of them the machine has.
 *
 * set_avx2.c and its kin each tell the compiler of one set and include the same loops:
 *
 *   batch_kernels.h    a schedule on a block of points, for batch.c
 *
 * They are written with the registers of lanes.h; for set_plain.c, which does for any
 * compiler, a register is one double (lane.h).
 */
#ifndef FAD_SETS_H
#define FAD_SETS_H

#include "batch.h"

/* The kernels need vectors as GCC and Clang have them. */
#if defined(__GNUC__) && defined(__x86_64__)
#define FAD_HAS_X86
#elif defined(__GNUC__) && defined(__aarch64__) && !defined(__AARCH64EB__)
#define FAD_HAS_NEON
#endif

enum { FAD_ALIGNMENT = 64 }; /* bytes: of the memory that kernels work on */

/* The sets: 0 is "plain", later ones are better.  NULL from the end on. */
const char *fad_set_name(int set);

/* Whether this machine has it. */
int fad_has_set(int set);

/* The best one that this machine has. */
int fad_best_set(void);

/* What a run of a block finds, lane by lane. */
typedef struct {
    uint32_t failed[FAD_LANES]; /* the first guard that fails, or FAD_NO_GUARD */
    uint8_t is_nan[FAD_LANES];  /* whether an output is */
    int any_failed, any_nan;
} fad_batch_findings;

typedef struct {
    /* Runs the steps on a block of points.  slots: n_slots times FAD_LANES numbers, with
       the inputs and constants in their places. */
    void (*run_block)(const fad_schedule *schedule, double *slots,
                      fad_batch_findings *found);
} fad_kernels;

extern const fad_kernels fad_kernels_plain, fad_kernels_sse2, fad_kernels_avx2,
    fad_kernels_avx512, fad_kernels_neon;

const fad_kernels *fad_kernels_of(int set);

#endif
