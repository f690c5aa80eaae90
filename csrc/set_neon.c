/* The kernels for NEON, which every 64-bit ARM has. */
#include "sets.h"

#ifdef FAD_HAS_NEON

#include <arm_neon.h>

#define FAD_LANES_NEON
#include "lanes_math.h"

#include "batch_kernels.h"
#include "sweep_kernels.h"

const fad_kernels fad_kernels_neon = FAD_KERNELS;

#endif
