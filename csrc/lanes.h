/*
 * Lanes: a register of doubles side by side, and what every instruction set has to offer
 * for them.  Who includes this file (set_avx2.c and its kin) has chosen a set.
 *
 *                 SSE2   AVX2   AVX512   NEON
 *   WIDTH            2      4        8      2    lanes in a register
 *   fused(a, b, c)   2      1        1      1    roundings of a*b + c
 *
 * Arithmetic, comparisons and bits are written with operators, which GCC and Clang know
 * for such types: x*y + 1.0 is as many sums as there are lanes, x < y a mask, whose bits
 * are all set where it holds.  But <, <=, > and >= raise INVALID on a nan; less() does not.
 */
#ifndef FAD_LANES_H
#define FAD_LANES_H

#include <stdint.h>

#include "op.h"
#include "special.h"

#if defined(FAD_LANES_AVX512)
enum { WIDTH = 8 };
#elif defined(FAD_LANES_AVX2)
enum { WIDTH = 4 };
#else
enum { WIDTH = 2 };
#endif

#define LANES(type) type __attribute__((vector_size(WIDTH * sizeof(double)), may_alias))
#define APART __attribute__((noinline, cold))

typedef LANES(double) vec;
typedef LANES(uint64_t) bits;
#if defined(__LP64__) && !defined(__clang__) /* what comparisons by operators give */
typedef LANES(long) comparison;
#else
typedef LANES(long long) comparison;
#endif
#ifdef FAD_LANES_AVX512
typedef __mmask8 mask;
#else
typedef comparison mask;
#endif

/* Two that add up to more digits than one has; |low| is at most an ulp of high. */
typedef struct {
    vec high, low;
} pair;

/* ---- What differs from set to set ---- */

#if defined(FAD_LANES_AVX512)

static inline vec root(vec x) { return _mm512_sqrt_pd(x); }
static inline vec fused(vec a, vec b, vec c) { return _mm512_fmadd_pd(a, b, c); }
static inline int any(mask m) { return m; }
static inline int all(mask m) { return m == 0xff; }
static inline int is_set(mask m, int lane) { return m >> lane & 1; }
static inline vec choose(mask m, vec a, vec b) { return _mm512_mask_blend_pd(m, b, a); }
static inline mask less(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
static inline mask equal(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
static inline mask as_mask(comparison m) { return _mm512_movepi64_mask((__m512i)m); }

static inline mask
is_odd(bits n)
{
    return _mm512_test_epi64_mask((__m512i)n, _mm512_set1_epi64(1));
}

#elif defined(FAD_LANES_AVX2)

static inline vec root(vec x) { return _mm256_sqrt_pd(x); }
static inline vec fused(vec a, vec b, vec c) { return _mm256_fmadd_pd(a, b, c); }
static inline int any(mask m) { return _mm256_movemask_pd((__m256d)m); }
static inline int all(mask m) { return _mm256_movemask_pd((__m256d)m) == 15; }
static inline mask less(vec a, vec b) { return (mask)_mm256_cmp_pd(a, b, _CMP_LT_OQ); }
static inline vec choose(mask m, vec a, vec b) { return _mm256_blendv_pd(b, a, (vec)m); }

#else

#if defined(FAD_LANES_NEON)

static inline vec root(vec x) { return vsqrtq_f64(x); }
static inline vec fused(vec a, vec b, vec c) { return vfmaq_f64(c, a, b); }
static inline int any(mask m) { return (m[0] | m[1]) != 0; }
static inline int all(mask m) { return (m[0] & m[1]) != 0; }
static inline vec both(mask m, vec a) { return (vec)((mask)a & m); }
static inline mask ordered(vec a, vec b) { return (a == a) & (b == b); }

static inline vec
choose(mask m, vec a, vec b)
{
    return vbslq_f64((uint64x2_t)m, a, b);
}

#else /* with operators, GCC would do some of this lane by lane */

static inline vec root(vec x) { return _mm_sqrt_pd(x); }
static inline vec fused(vec a, vec b, vec c) { return a * b + c; }
static inline int any(mask m) { return _mm_movemask_pd((__m128d)m); }
static inline int all(mask m) { return _mm_movemask_pd((__m128d)m) == 3; }
static inline vec both(mask m, vec a) { return _mm_and_pd((vec)m, a); }
static inline mask ordered(vec a, vec b) { return (mask)_mm_cmpord_pd(a, b); }

static inline vec
choose(mask m, vec a, vec b)
{
    return _mm_or_pd(_mm_and_pd((vec)m, a), _mm_andnot_pd((vec)m, b));
}

#endif

/* A nan becomes 0 on both sides. */
static inline mask
less(vec a, vec b)
{
    const mask m = ordered(a, b);
    return both(m, a) < both(m, b);
}

#endif

#ifndef FAD_LANES_AVX512

static inline int is_set(mask m, int lane) { return m[lane] != 0; }
static inline mask equal(vec a, vec b) { return a == b; }
static inline mask as_mask(comparison m) { return m; }
static inline mask is_odd(bits n) { return (mask)(n & 1) == 1; }

#endif

/* ---- What does not ---- */

static inline vec every(double x) { return x - (vec){0}; }
static inline vec itself(vec x) { return x; }
static inline mask is_number(vec x) { return equal(x, x); }
static inline mask is_nan(vec x) { return ~is_number(x); }
static inline mask is_true(vec x) { return ~equal(x, (vec){0}); }

static inline vec magnitude(vec x) { return (vec)((bits)x & INT64_MAX); }
static inline bits sign_bit(vec x) { return (bits)x & ((uint64_t)1 << 63); }
static inline vec larger(vec a, vec b) { return choose(less(a, b), b, a); }
static inline vec smaller(vec a, vec b) { return choose(less(b, a), b, a); }

/* The magnitude of x with the sign of y. */
static inline vec
with_sign(vec x, vec y)
{
    return (vec)((bits)magnitude(x) | sign_bit(y));
}

/* For |x| < 2**51: the nearest integer, also as the lowest bits of shifted. */
static const double TO_INTEGER = 0x1.8p52;

static inline vec
nearest(vec x, vec *shifted)
{
    *shifted = x + TO_INTEGER;
    return *shifted - TO_INTEGER;
}

/* 2**n for the integer n in the lowest bits of shifted, from -1022 to 1023. */
static inline vec
power_of_two(vec shifted)
{
    return (vec)(((bits)shifted << 52) + ((uint64_t)1023 << 52));
}

/* a + b without an error, for |a| >= |b| or a = 0. */
static inline pair
exact_sum(vec a, vec b)
{
    const vec high = a + b;
    return (pair){high, b - (high - a)};
}

/* a * b without an error, for magnitudes far from the ends of the range. */
static inline pair
exact_product(vec a, vec b)
{
    const vec high = a * b;
#ifdef FAD_LANES_SSE2 /* T. Dekker, "A floating-point technique ...", 1971 */
    const vec a_split = a * 134217729.0, b_split = b * 134217729.0;
    const vec a1 = a_split - (a_split - a), b1 = b_split - (b_split - b);
    const vec a2 = a - a1, b2 = b - b1;
    return (pair){high, ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2};
#else
    return (pair){high, fused(a, b, -high)};
#endif
}

/* a*b + c with one rounding, nearly, where a*b and c cancel. */
static inline vec
exact_fused(vec a, vec b, vec c)
{
#ifdef FAD_LANES_SSE2
    const pair product = exact_product(a, b);
    return (product.high + c) + product.low;
#else
    return fused(a, b, c);
#endif
}

/* A polynomial, the lowest degree first: the even and the odd powers in two chains. */
#define POLYNOMIAL(z, name)                                                                \
    polynomial(z, name##_coefficients,                                                     \
               (int)(sizeof name##_coefficients / sizeof(double)))

static inline vec
polynomial(vec z, const double *coefficients, int n)
{
    const vec square = z * z;
    const int last_odd = (n - 2) | 1, last_even = (n - 1) & ~1;
    vec odd = every(coefficients[last_odd]), even = every(coefficients[last_even]);
#pragma GCC unroll 16
    for (int k = last_odd - 2; k > 0; k -= 2)
        odd = fused(odd, square, every(coefficients[k]));
#pragma GCC unroll 16
    for (int k = last_even - 2; k >= 0; k -= 2)
        even = fused(even, square, every(coefficients[k]));
    return fused(odd, z, even);
}

/* ---- Lane by lane ---- */

/* The results, with those of the odd lanes from the row itself. */
static APART vec
by_the_row(uint32_t op, vec results, mask odd, vec x, vec y)
{
    for (int lane = 0; lane < WIDTH; lane++)
        if (is_set(odd, lane))
            results[lane] = fad_op_value((fad_opcode)op, x[lane], y[lane], 0.0);
    return results;
}

static inline vec
each(uint32_t op, vec x, vec y)
{
    return by_the_row(op, x, ~(mask){0}, x, y);
}

/*
 * A function from name_inside, which is right where `ordinary` holds.  In the other lanes
 * that gets a harmless argument, so that it raises no flag, and the row has the last word.
 */
#define FUNCTION_1(name, harmless, ordinary)                                               \
    static inline vec lanes_##name(vec x)                                                  \
    {                                                                                      \
        const mask odd = ~(ordinary);                                                      \
        const vec v = name##_inside(choose(odd, every(harmless), x));                      \
        return any(odd) ? by_the_row(FAD_OP_##name, v, odd, x, x) : v;                     \
    }
#define FUNCTION_2(name, harmless, ordinary)                                               \
    static inline vec lanes_##name(vec x, vec y)                                           \
    {                                                                                      \
        const mask odd = ~(ordinary);                                                      \
        const vec v = name##_inside(choose(odd, every(harmless), x),                       \
                                    choose(odd, every(harmless), y));                      \
        return any(odd) ? by_the_row(FAD_OP_##name, v, odd, x, y) : v;                     \
    }

#endif
