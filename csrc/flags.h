/*
 * The exception flags of the processor's floating-point unit.  Where Python raises an
 * exception, an operation in C goes on with an infinity or a nan, and raises a flag.  What
 * comes from a nan that was there before raises none.
 */
#ifndef FAD_FLAGS_H
#define FAD_FLAGS_H

#include <stddef.h>
#include <stdint.h>

static inline int
fad_has_nan(const double *numbers, size_t n)
{
    int64_t any = 0; /* as wide as a double: compilers make vectors of it */
    for (size_t k = 0; k < n; k++)
        any |= numbers[k] != numbers[k];
    return any != 0;
}

#if defined(__SSE2__) || defined(_M_X64)

#include <xmmintrin.h>

/* fenv.h would take three times as long: it also asks the x87 unit, which is not used. */
static inline void
fad_flags_clear(void)
{
    _mm_setcsr(_mm_getcsr() & ~(unsigned)_MM_EXCEPT_MASK);
}

/* Whether an operand was invalid, a divisor zero, or a result too large since the clearing. */
static inline int
fad_flags_raised(void)
{
    const unsigned flags = _MM_EXCEPT_INVALID | _MM_EXCEPT_DIV_ZERO | _MM_EXCEPT_OVERFLOW;
    return (_mm_getcsr() & flags) != 0;
}

#else

#include <fenv.h>

static inline void
fad_flags_clear(void)
{
    feclearexcept(FE_ALL_EXCEPT);
}

static inline int
fad_flags_raised(void)
{
    return fetestexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW) != 0;
}

#endif

#endif
