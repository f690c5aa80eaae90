/*
 * One lane: what the kernels need of lanes.h, for a register of one double.  The functions
 * are those of the rows, so every result has the bits of a replay.
 */
#ifndef FAD_LANE_H
#define FAD_LANE_H

#include "special.h"

#define APART /* as any compiler likes */

enum { WIDTH = 1 };
typedef double vec;
typedef int mask; /* 0, or -1: all bits, as in lanes.h */

static inline int any(mask m) { return m; }
static inline int all(mask m) { return m; }
static inline mask equal(vec a, vec b) { return -(a == b); }
static inline mask as_mask(int outcome) { return -outcome; }
static inline mask is_nan(vec x) { return -(x != x); }
static inline int is_set(mask m, int lane) { return m && lane == 0; }

#endif
