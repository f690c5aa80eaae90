/*
 * The exception flags of the processor's floating-point unit.  Where Python raises an
 * exception, an operation in C goes on with an infinity or a nan, and raises a flag.
 */
#ifndef FAD_FLAGS_H
#define FAD_FLAGS_H

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
