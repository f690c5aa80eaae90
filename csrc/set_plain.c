/* The kernels for any machine: one lane after the other. */
#include "lane.h"

#include "batch_kernels.h"
#include "sweep_kernels.h"

const fad_kernels fad_kernels_plain = FAD_KERNELS;
