/*
 * The functions that the value cells of ops.def call, in lanes.
 *
 * Each is branch-free where nothing remarkable happens.  The odd lanes are left to the row
 * itself, one by one: nan, infinities and whatever may raise INVALID, DIVBYZERO or OVERFLOW;
 * and what lanes.def says, which also has the largest errors.  So a flag that the row
 * raises is raised, none is that it does not, and an infinity or nan is the row's own.
 */
#ifndef FAD_LANES_MATH_H
#define FAD_LANES_MATH_H

#include "lanes.h"
#include "lanes_angles.h"
#include "lanes_coefficients.h"
#include "lanes_exp.h"

/* ---- The cube root ---- */

/*
 * x = 2**(3*n) * m, m from 1/2 to 4; a polynomial, a step of Halley's method, and one of
 * Newton's with the residual in more digits.
 */
static inline vec
cbrt_inside(vec x)
{
    vec shifted;
    const vec size = magnitude(x);
    const vec exponent = (vec)(((bits)size >> 52) | 0x4330000000000000) - (0x1p52 + 1023.0);
    nearest(exponent * (1.0 / 3.0), &shifted);
    const bits n = (bits)shifted << 52;
    const vec m = (vec)((bits)size - (n + n + n));
    vec v = POLYNOMIAL(m, cbrt);
    const vec cube = v * v * v;
    v = v * (cube + (m + m)) / (cube + cube + m);
    const pair square = exact_product(v, v);
    const vec residual = exact_fused(v, square.high, -m) + v * square.low;
    v = v - residual / (3.0 * square.high);
    return with_sign((vec)((bits)v + n), x);
}
FUNCTION_1(cbrt, 1.0, is_normal(magnitude(x)))

/* ---- Error functions ---- */

/* erf(x) for x from 0 to 1 */
static inline vec
erf_near(vec x)
{
    return fused(x, POLYNOMIAL(x * x, erf), x);
}

/* From 1 on 1 - exp(-x*x) * p(t), t = (x - 3)/(x + 3); from 6 on 1. */
static inline vec
erf_inside(vec x)
{
    const vec size = smaller(magnitude(x), every(6.0)), bounded = larger(size, every(1.0));
    const vec t = (bounded - 3.0) / (bounded + 3.0);
    const vec far = 1.0 - exp_inside(-bounded * bounded) * POLYNOMIAL(t, erfcx_near);
    return with_sign(choose(less(size, every(1.0)), erf_near(size), far), x);
}
FUNCTION_1(erf, 0.0, is_number(x))

/* From 1/2 on exp(-x*x) * p(t) / (1 + 2*x), t = (x - 4)/(x + 4). */
static inline vec
erfc_inside(vec x)
{
    const vec size = smaller(magnitude(x), every(27.3)), bounded = larger(size, every(0.5));
    const pair square = exact_product(bounded, bounded);
    const vec t = (bounded - 4.0) / (bounded + 4.0);
    const vec e = exp_of_pair((pair){-square.high, -square.low});
    const vec v = e * (POLYNOMIAL(t, erfcx_far) / fused(every(2.0), bounded, every(1.0)));
    const vec far = choose(less(x, (vec){0}), 2.0 - v, v);
    return choose(less(size, every(0.5)), 1.0 - with_sign(erf_near(size), x), far);
}
FUNCTION_1(erfc, 0.0, is_number(x))

/* ---- Choices and steps ---- */

static inline vec
lanes_sign(vec x)
{
    return choose(equal(x, (vec){0}), (vec){0},
                  choose(is_number(x), with_sign(every(1.0), x), x));
}

/* From 2**52 on, x is an integer, unless it is a nan. */
static inline vec
lanes_rint(vec x)
{
    const vec size = magnitude(x);
    const mask small = less(size, every(0x1p52));
    const vec whole = (choose(small, size, (vec){0}) + 0x1p52) - 0x1p52;
    return choose(small, with_sign(whole, x), x);
}

static inline vec
lanes_floor(vec x)
{
    const vec whole = lanes_rint(x);
    return with_sign(choose(less(x, whole), whole - 1.0, whole), x);
}

static inline vec
lanes_ceil(vec x)
{
    const vec whole = lanes_rint(x);
    return with_sign(choose(less(whole, x), whole + 1.0, whole), x);
}

static inline vec
lanes_trunc(vec x)
{
    return with_sign(lanes_floor(magnitude(x)), x);
}

/* At a tie the first, and nan if either is. */
static inline vec
lanes_maximum(vec x, vec y)
{
    return choose(less(x, y) | (~is_number(y) & is_number(x)), y, x);
}

static inline vec
lanes_minimum(vec x, vec y)
{
    return choose(less(y, x) | (~is_number(y) & is_number(x)), y, x);
}

static inline vec
lanes_scale(vec x, vec y)
{
    const mask zero = equal(x, (vec){0}) | equal(y, (vec){0});
    const vec v = choose(zero, every(1.0), x) * choose(zero, every(1.0), y);
    return choose(zero, (vec){0}, v);
}

static inline vec
lanes_fma(vec x, vec y, vec z)
{
#ifdef FAD_LANES_SSE2
    for (int lane = 0; lane < WIDTH; lane++)
        z[lane] = (fma)(x[lane], y[lane], z[lane]);
    return z;
#else
    return fused(x, y, z);
#endif
}

/* ---- The names that cells use ---- */

#undef where
#define where(c, a, b)                                                                     \
    choose(_Generic((c), vec: is_true, default: as_mask)(c),                              \
           _Generic((a), vec: itself, default: every)(a),                                  \
           _Generic((b), vec: itself, default: every)(b))

#define exp(x) lanes_exp(x)
#define exp2(x) lanes_exp2(x)
#define expm1(x) lanes_expm1(x)
#define log(x) lanes_log(x)
#define log2(x) lanes_log2(x)
#define log10(x) lanes_log10(x)
#define log1p(x) lanes_log1p(x)
#define sin(x) lanes_sin(x)
#define cos(x) lanes_cos(x)
#define tan(x) lanes_tan(x)
#define asin(x) lanes_asin(x)
#define acos(x) lanes_acos(x)
#define atan(x) lanes_atan(x)
#define sinh(x) lanes_sinh(x)
#define cosh(x) lanes_cosh(x)
#define tanh(x) lanes_tanh(x)
#define sech2(x) lanes_sech2(x)
#define asinh(x) lanes_asinh(x)
#define acosh(x) lanes_acosh(x)
#define atanh(x) lanes_atanh(x)
#define cbrt(x) lanes_cbrt(x)
#define erf(x) lanes_erf(x)
#define erfc(x) lanes_erfc(x)
#define expit(x) lanes_expit(x)
#define logit(x) lanes_logit(x)
#define softplus(x) lanes_softplus(x)
#define sign(x) lanes_sign(x)
#define floor(x) lanes_floor(x)
#define ceil(x) lanes_ceil(x)
#define trunc(x) lanes_trunc(x)
#define rint(x) lanes_rint(x)
#define sqrt(x) root(x)
#define fabs(x) magnitude(x)
#define power(x, y) lanes_pow(x, y)
#define powx(x, y) lanes_powx(x, y)
#define powy(x, y) lanes_powy(x, y)
#define atan2(x, y) lanes_atan2(x, y)
#define atan2x(x, y) lanes_atan2x(x, y)
#define hypot(x, y) lanes_hypot(x, y)
#define hypotx(x, y) lanes_hypotx(x, y)
#define logaddexp(x, y) lanes_logaddexp(x, y)
#define logaddexpx(x, y) lanes_logaddexpx(x, y)
#define xlogy(x, y) lanes_xlogy(x, y)
#define maximum(x, y) lanes_maximum(x, y)
#define minimum(x, y) lanes_minimum(x, y)
#define scale(x, y) lanes_scale(x, y)
#define copysign(x, y) with_sign(x, y)
#define fma(x, y, z) lanes_fma(x, y, z)
#define ulp(x) each(FAD_OP_ulp, x, x)
#define erfinv(x) each(FAD_OP_erfinv, x, x)
#define lgamma(x) each(FAD_OP_lgamma, x, x)
#define digamma(x) each(FAD_OP_digamma, x, x)
#define tgamma(x) each(FAD_OP_gamma, x, x)
#define floordiv(x, y) each(FAD_OP_floordiv, x, y)
#define mod(x, y) each(FAD_OP_mod, x, y)
#define fmod(x, y) each(FAD_OP_fmod, x, y)
#define remainder(x, y) each(FAD_OP_remainder, x, y)
#define round_to(x, y) each(FAD_OP_round_to, x, y)
#define scale2(x, y) each(FAD_OP_scale2, x, y)
#define nextafter(x, y) each(FAD_OP_nextafter, x, y)
#define polygamma(x, y) each(FAD_OP_polygamma, x, y)

#endif
