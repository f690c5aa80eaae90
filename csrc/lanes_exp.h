/*
 * Exponentials, logarithms, powers and what is made of them, in lanes.  See lanes_math.h.
 */
#ifndef FAD_LANES_EXP_H
#define FAD_LANES_EXP_H

#include "lanes.h"
#include "lanes_coefficients.h"

static const double LARGEST_EXP = 709.7; /* below the logarithm of the largest double */
static const double SMALLEST_EXP = -746.0;
static const double NORMAL_EXP = 708.0; /* exp(x) and exp(-x) are normal */

/* LN2_HIGH ends in 15 zeros: its products with an exponent are exact. */
static const double LN2_HIGH = 0x1.62e42fefap-1, LN2_LOW = 0x1.cf79abc9e3b39p-40;

/* What the constants of math.h lack. */
static const double LN2_REST = 2.3190468138462996e-17;
static const double LOG2E_REST = 2.0355273740931033e-17;
static const double LOG10E_REST = 1.0983196502167651e-17;

/* ---- Exponentials ---- */

/* exp(r) - 1 for r + low from -0.35 to 0.35 */
static inline vec
expm1_reduced(vec r, vec low)
{
    return r + fused(r * r, POLYNOMIAL(r, exp), low);
}

/* p * 2**n, n in the lowest bits of shifted; small is where that may be subnormal. */
static inline vec
times_power_of_two(vec p, vec shifted, mask small)
{
    const vec v = (vec)((bits)p + ((bits)shifted << 52));
    if (!any(small))
        return v;
    return choose(small, (vec)((bits)p + (((bits)shifted + 128) << 52)) * 0x1p-128, v);
}

static inline vec
exp_inside(vec x)
{
    vec shifted;
    const vec bounded = larger(x, every(SMALLEST_EXP));
    const vec n = nearest(bounded * M_LOG2E, &shifted);
    const vec high = fused(n, every(-LN2_HIGH), bounded); /* exact */
    const vec r = fused(n, every(-LN2_LOW), high);
    const vec p = 1.0 + expm1_reduced(r, (vec){0});
    return times_power_of_two(p, shifted, less(x, every(-NORMAL_EXP)));
}
FUNCTION_1(exp, 0.0, less(x, every(LARGEST_EXP)))

/* exp(x.high + x.low) for x.high from SMALLEST_EXP to LARGEST_EXP */
static inline vec
exp_of_pair(pair x)
{
    vec shifted;
    const vec n = nearest(x.high * M_LOG2E, &shifted);
    const vec high = fused(n, every(-LN2_HIGH), x.high); /* exact */
    const vec first = fused(n, every(-LN2_LOW), high), r = first + x.low;
    const vec p = 1.0 + expm1_reduced(r, x.low - (r - first));
    return times_power_of_two(p, shifted, less(x.high, every(-NORMAL_EXP)));
}

static inline vec
exp2_inside(vec x)
{
    vec shifted;
    const vec bounded = larger(x, every(-1080.0));
    const vec f = bounded - nearest(bounded, &shifted);
    const pair r = exact_product(f, every(M_LN2));
    const vec p = 1.0 + expm1_reduced(r.high, fused(f, every(LN2_REST), r.low));
    return times_power_of_two(p, shifted, less(x, every(-1021.0)));
}
FUNCTION_1(exp2, 0.0, less(x, every(1023.0)))

/* 2**n * (exp(r) - 1) + (2**n - 1) */
static inline vec
expm1_inside(vec x)
{
    vec shifted;
    const vec bounded = larger(x, every(-100.0));
    const vec n = nearest(bounded * M_LOG2E, &shifted);
    const vec high = fused(n, every(-LN2_HIGH), bounded);
    const vec r = fused(n, every(-LN2_LOW), high);
    const vec r_low = fused(n, every(-LN2_LOW), high - r);
    const vec scale = power_of_two(shifted);
    return with_sign(fused(scale, expm1_reduced(r, r_low), scale - 1.0), x);
}
FUNCTION_1(expm1, 0.0, less(x, every(NORMAL_EXP)))

/* ---- Logarithms ---- */

/* Whether x is positive and neither subnormal, the smallest normal number, nor infinite. */
static inline mask
is_normal(vec x)
{
    return less(every(0x1p-1022), x) & less(x, every(INFINITY));
}

/* x = 2**exponent * (1 + f), f from sqrt(1/2) - 1 to sqrt(2) - 1; x is normal. */
static inline vec
split_exponent(vec x, vec *f)
{
    const uint64_t one = 0x3ff0000000000000, root_half = 0x3fe6a09e667f3bcd;
    const bits shifted = (bits)x + (one - root_half);
    *f = (vec)((shifted & 0xfffffffffffff) + root_half) - 1.0;
    return (vec)((shifted >> 52) | 0x4330000000000000) - (0x1p52 + 1023.0);
}

/* log(x) + c, c far smaller, after fdlibm's e_log.c: log(1 + f) is
   f - (f*f/2 - s*(f*f/2 + z*(...))) with s = f/(2 + f), z = s*s. */
static inline vec
log_of_sum(vec x, vec c)
{
    vec f;
    const vec exponent = split_exponent(x, &f);
    const vec s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
    const vec tail = z * POLYNOMIAL(z, log);
    const vec low = fused(exponent, every(LN2_LOW), c);
    return exponent * LN2_HIGH - ((half - fused(s, half + tail, low)) - f);
}

static inline vec log_inside(vec x) { return log_of_sum(x, (vec){0}); }
FUNCTION_1(log, 1.0, is_normal(x))

/* The rounding error c of u = 1 + x, divided by u, is added to log(u).  A tenth of it is
   accurate enough, unless u is 1. */
static inline vec
log1p_inside(vec x)
{
    vec f;
    const vec u = 1.0 + x, one = u - x;
    const vec c = (1.0 - one) + (x - (u - one));
    const vec exponent = split_exponent(u, &f);
    vec shifted;
    nearest(-smaller(exponent, every(1000.0)), &shifted);
    const vec quotient = c * power_of_two(shifted) * (1.0 - f * (1.0 - f));
    return with_sign(log_of_sum(u, quotient), x);
}
FUNCTION_1(log1p, 0.0, less(every(-1.0), x) & less(x, every(INFINITY)))

/* log(x) to about 65 bits: log(1 + f) is 2*s + s*z*(2/3 + z*(...)), with s and z as above. */
static inline pair
log_in_two(vec x)
{
    vec f;
    const vec exponent = split_exponent(x, &f);
    const pair d = exact_sum(every(2.0), f);
    const vec inverse = 1.0 / d.high;
    const vec s = f * inverse;
    const vec s_low = (exact_fused(-s, d.high, f) - s * d.low) * inverse;
    const pair z = exact_product(s, s);
    const vec z_low = fused(s + s, s_low, z.low);
    const pair cube = exact_product(s, z.high);
    const vec cube_low = fused(s, z_low, fused(s_low, z.high, cube.low));
    const vec rest = fused(z.high, POLYNOMIAL(z.high, log_2), every(0x1.5555555555555p-55));
    const pair c = exact_sum(every(0x1.5555555555555p-1), rest); /* 2/3 in two parts */
    const pair tail = exact_product(cube.high, c.high);
    const vec tail_low = fused(cube_low, c.high, fused(cube.high, c.low, tail.low));
    const pair sum = exact_sum(exponent * LN2_HIGH, s + s);
    const pair total = exact_sum(sum.high, tail.high);
    const vec low = fused(exponent, every(LN2_LOW), sum.low + total.low);
    return exact_sum(total.high, low + fused(every(2.0), s_low, tail_low));
}

static inline vec
log2_inside(vec x)
{
    vec f;
    const vec exponent = split_exponent(x, &f);
    const pair l = log_in_two(1.0 + f), p = exact_product(l.high, every(M_LOG2E));
    const pair v = exact_sum(exponent, p.high);
    const vec low = fused(l.high, every(LOG2E_REST), fused(l.low, every(M_LOG2E), p.low));
    return v.high + (v.low + low);
}
FUNCTION_1(log2, 1.0, is_normal(x))

static inline vec
log10_inside(vec x)
{
    const pair l = log_in_two(x), p = exact_product(l.high, every(M_LOG10E));
    return p.high + fused(l.high, every(LOG10E_REST), fused(l.low, every(M_LOG10E), p.low));
}
FUNCTION_1(log10, 1.0, is_normal(x))

/* ---- Powers ---- */

/* In ordinary lanes |y| < 2**60 and x is normal; sets odd where the power is not. */
static inline vec
pow_inside(vec x, vec y, mask *odd)
{
    const pair l = log_in_two(x), p = exact_product(y, l.high);
    *odd = ~less(magnitude(p.high), every(NORMAL_EXP));
    const pair bounded = {choose(*odd, (vec){0}, p.high), fused(y, l.low, p.low)};
    return exp_of_pair(bounded);
}

/* The bits of the signs of x**y for x < 0; odd where y is no integer. */
static inline bits
sign_of_power(vec x, vec y, mask *odd)
{
    const vec whole = choose(less(magnitude(y), every(0x1p51)), y, (vec){0});
    const vec half = 0.5 * whole;
    vec shifted;
    const mask negative = less(x, (vec){0});
    const mask even = equal(nearest(half, &shifted), half);
    *odd |= negative & ~equal(nearest(whole, &shifted), y);
    return sign_bit(choose(negative & ~even, every(-1.0), every(1.0)));
}

static inline vec
lanes_pow(vec x, vec y)
{
    if (all(equal(y, every(2.0))))
        return x * x;
    if (all(equal(y, every(3.0))))
        return x * x * x;
    if (all(equal(y, every(-1.0))))
        return 1.0 / x;
    if (all(equal(y, every(0.5)) & ~less(x, (vec){0})))
        return root(x) + 0.0;
    const vec size = magnitude(x);
    bits signs = {0};
    mask odd = ~(is_normal(size) & less(magnitude(y), every(0x1p60)));
    if (any(less(x, (vec){0})))
        signs = sign_of_power(x, y, &odd);
    mask beyond;
    vec v = pow_inside(choose(odd, every(1.0), size), choose(odd, every(1.0), y), &beyond);
    v = (vec)((bits)v | signs);
    odd |= beyond;
    return any(odd) ? by_the_row(FAD_OP_pow, v, odd, x, y) : v;
}

static inline vec
lanes_powx(vec x, vec y)
{
    if (all(equal(y, every(2.0))))
        return 2.0 * x;
    const mask is_two = equal(y, every(2.0));
    const vec v = lanes_pow(x, choose(is_two, every(1.0), y));
    const vec size = magnitude(x), v_size = magnitude(v);
    const mask odd = ~(less(every(1e-100), size) & less(size, every(1e100)) &
                       less(every(1e-200), v_size) & less(v_size, every(1e200)));
    const vec safe = choose(odd, every(1.0), x);
    vec p = choose(odd, every(1.0), y) / safe * choose(odd, every(1.0), v);
    p = choose(equal(y, every(1.0)), every(1.0), choose(is_two, 2.0 * safe, p));
    return any(odd) ? by_the_row(FAD_OP_powx, p, odd, x, y) : p;
}

static inline vec
lanes_powy(vec x, vec y)
{
    const vec v = lanes_pow(x, y);
    const mask odd = ~(is_normal(x) & less(every(1e-290), v) & less(v, every(1e300)));
    const vec p = choose(odd, every(1.0), v) * log_inside(choose(odd, every(1.0), x));
    return any(odd) ? by_the_row(FAD_OP_powy, p, odd, x, y) : p;
}

/* ---- Hyperbolic functions ---- */

static inline vec
sinh_inside(vec x)
{
    const vec t = expm1_inside(magnitude(x));
    return with_sign(0.5 * (t + t / (t + 1.0)), x);
}
FUNCTION_1(sinh, 0.0, less(magnitude(x), every(NORMAL_EXP)))

static inline vec
cosh_inside(vec x)
{
    const vec half = 0.5 * exp_inside(magnitude(x));
    return half + 0.25 / half;
}
FUNCTION_1(cosh, 0.0, less(magnitude(x), every(NORMAL_EXP)))

static inline vec
tanh_inside(vec x)
{
    const vec t = expm1_inside(2.0 * smaller(magnitude(x), every(22.0)));
    return with_sign(t / (t + 2.0), x);
}
FUNCTION_1(tanh, 0.0, is_number(x))

/* Flat at 0: the error of exp cannot be seen there. */
static inline vec
sech2_inside(vec x)
{
    const vec e = exp_inside(-magnitude(x));
    const vec sech = 2.0 * e / (1.0 + e * e);
    return sech * sech;
}
FUNCTION_1(sech2, 0.0, is_number(x))

static inline vec
asinh_inside(vec x)
{
    const vec size = magnitude(x), square = size * size;
    return with_sign(log1p_inside(size + square / (1.0 + root(1.0 + square))), x);
}
FUNCTION_1(asinh, 0.0, less(magnitude(x), every(1e150)))

static inline vec
acosh_inside(vec x)
{
    const vec t = x - 1.0;
    return log1p_inside(t + root(2.0 * t + t * t));
}
FUNCTION_1(acosh, 1.0, less(every(0x1.fffffffffffffp-1), x) & less(x, every(1e150)))

static inline vec
atanh_inside(vec x)
{
    const vec size = magnitude(x);
    return with_sign(0.5 * log1p_inside(2.0 * size / (1.0 - size)), x);
}
FUNCTION_1(atanh, 0.0, less(magnitude(x), every(1.0)))

/* ---- The logistic function and its kin: the formulas of special.h ---- */

static inline vec
expit_inside(vec x)
{
    const vec e = exp_inside(-magnitude(x));
    return choose(less(x, (vec){0}), e, every(1.0)) / (1.0 + e);
}
FUNCTION_1(expit, 0.0, is_number(x))

static inline vec
softplus_inside(vec x)
{
    return larger(x, (vec){0}) + log1p_inside(exp_inside(-magnitude(x)));
}
FUNCTION_1(softplus, 0.0, is_number(x))

static inline vec
logit_inside(vec p)
{
    const mask middle = less(every(0.25), p) & less(p, every(0.75));
    const vec odds = 1.0 - p, near = (2.0 * p - 1.0) / odds;
    const vec v = log1p_inside(choose(middle, near, (vec){0}));
    return choose(middle, v, log_inside(p / odds));
}
FUNCTION_1(logit, 0.5, less(every(1e-300), x) & less(x, every(1.0)))

/* Equal infinities have no difference. */
static inline vec
difference(vec x, vec y)
{
    const mask same = equal(x, y);
    return choose(same, (vec){0}, x) - choose(same, (vec){0}, y);
}

static inline vec
logaddexp_inside(vec x, vec y)
{
    const vec low = log1p_inside(exp_inside(-magnitude(difference(x, y))));
    return larger(x, y) + choose(equal(x, y), every(M_LN2), low);
}
FUNCTION_2(logaddexp, 0.0, is_number(x) & is_number(y))

static inline vec
logaddexpx_inside(vec x, vec y)
{
    return expit_inside(difference(x, y));
}
FUNCTION_2(logaddexpx, 0.0, is_number(x) & is_number(y))

static inline vec
lanes_xlogy(vec x, vec y)
{
    const mask zero = equal(x, (vec){0}) & is_number(y);
    const vec v = choose(zero, every(1.0), x) * lanes_log(choose(zero, every(1.0), y));
    return choose(zero, (vec){0}, v);
}

#endif
