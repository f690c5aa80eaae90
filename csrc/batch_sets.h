/*
 * What batch.c has of each instruction set.
 */
#ifndef FAD_BATCH_SETS_H
#define FAD_BATCH_SETS_H

#include "batch.h"

/* The kernels need vectors as GCC and Clang have them. */
#if defined(__GNUC__) && defined(__x86_64__)
#define FAD_HAS_X86
#elif defined(__GNUC__) && defined(__aarch64__) && !defined(__AARCH64EB__)
#define FAD_HAS_NEON
#endif

/* What a run of a block finds, lane by lane. */
typedef struct {
    uint32_t failed[FAD_LANES]; /* the first guard that fails, or FAD_NO_GUARD */
    uint8_t is_nan[FAD_LANES];  /* whether an output is */
    int any_failed, any_nan;
} fad_batch_findings;

/* Runs the steps on a block of points.  slots: n_slots times FAD_LANES numbers, 64-byte
   aligned, with the inputs and constants in their places. */
typedef void fad_batch_block(const fad_schedule *schedule, double *slots,
                             fad_batch_findings *found);

fad_batch_block fad_batch_block_plain, fad_batch_block_sse2, fad_batch_block_avx2,
    fad_batch_block_avx512, fad_batch_block_neon;

#endif
