/*
 * Trigonometric functions, their inverses, and norms, in lanes.  See lanes_math.h.
 */
#ifndef FAD_LANES_ANGLES_H
#define FAD_LANES_ANGLES_H

#include "lanes.h"
#include "lanes_coefficients.h"

/* pi/2 in three parts; M_2_PI is not in ISO C. */
static const double HALF_PI = 0x1.921fb54442d18p+0, HALF_PI_2 = 0x1.1a62633145c07p-54;
static const double HALF_PI_3 = -0x1.f1976b7ed8fbcp-110;
static const double TWO_BY_PI = 0x1.45f306dc9c883p-1;
static const double LARGEST_ANGLE = 0x1p30;

/*
 * x = n*pi/2 + r.high + r.low.  x - n*HALF_PI is exact: a multiple of 2**-53 below 1.  What
 * follows is a sum without an error, since the two may cancel.
 */
static inline pair
reduce_angle(vec x, vec *quadrant)
{
    const vec n = nearest(x * TWO_BY_PI, quadrant);
    const vec first = exact_fused(n, every(-HALF_PI), x);
    const pair second = exact_product(n, every(HALF_PI_2));
    const vec high = first - second.high, part = high - first;
    const vec error = (first - (high - part)) - (second.high + part);
    return exact_sum(high, fused(n, every(-HALF_PI_3), error - second.low));
}

/* sin(r) and cos(r), after fdlibm's k_sin.c and k_cos.c. */
static inline vec
sin_reduced(pair r)
{
    const vec z = r.high * r.high;
    const vec tail = fused(r.high * z, POLYNOMIAL(z, sin), fused(-0.5 * z, r.low, r.low));
    return r.high + tail;
}

static inline vec
cos_reduced(pair r)
{
    const vec z = r.high * r.high, half = 0.5 * z, w = 1.0 - half;
    const vec tail = fused(z * z, POLYNOMIAL(z, cos), -r.high * r.low);
    return w + (((1.0 - w) - half) + tail);
}

static inline vec
sin_inside(vec x)
{
    vec quadrant;
    const pair r = reduce_angle(x, &quadrant);
    const vec v = choose(is_odd((bits)quadrant), cos_reduced(r), sin_reduced(r));
    const vec turned = (vec)((bits)v ^ ((bits)quadrant >> 1 << 63));
    return choose(equal(x, (vec){0}), x, turned);
}
FUNCTION_1(sin, 0.0, less(magnitude(x), every(LARGEST_ANGLE)))

static inline vec
cos_inside(vec x)
{
    vec quadrant;
    const pair r = reduce_angle(x, &quadrant);
    const vec v = choose(is_odd((bits)quadrant), sin_reduced(r), cos_reduced(r));
    return (vec)((bits)v ^ (((bits)quadrant + 1) >> 1 << 63));
}
FUNCTION_1(cos, 0.0, less(magnitude(x), every(LARGEST_ANGLE)))

static inline vec
tan_inside(vec x)
{
    vec quadrant;
    const pair r = reduce_angle(x, &quadrant);
    const vec s = sin_reduced(r), c = cos_reduced(r);
    const mask odd = is_odd((bits)quadrant);
    const vec v = choose(odd, -c, s) / choose(odd, s, c);
    return choose(equal(x, (vec){0}), x, v);
}
FUNCTION_1(tan, 0.0, less(magnitude(x), every(LARGEST_ANGLE)))

/* atan(r) for r from 0 to 1 */
static inline vec
atan_reduced(vec r)
{
    const vec z = r * r;
    return fused(r * z, POLYNOMIAL(z, atan), r);
}

static inline vec
atan_inside(vec x)
{
    const vec size = magnitude(x);
    const mask big = less(every(1.0), size);
    const vec up = choose(big, every(1.0), size), down = choose(big, size, every(1.0));
    const vec v = atan_reduced(up / down);
    return with_sign(choose(big, HALF_PI - (v - HALF_PI_2), v), x);
}
FUNCTION_1(atan, 0.0, is_number(x))

/* The angle of (y, x). */
static inline vec
atan2_inside(vec x, vec y)
{
    const vec up = magnitude(x), along = magnitude(y);
    const mask steep = less(along, up);
    vec v = atan_reduced(choose(steep, along, up) / choose(steep, up, along));
    v = choose(steep, HALF_PI - (v - HALF_PI_2), v);
    v = choose(less(y, (vec){0}), 2.0 * HALF_PI - (v - 2.0 * HALF_PI_2), v);
    return with_sign(v, x);
}

/* The larger magnitude decides whether squares stay in the range; 0 is odd, too. */
static inline mask
is_ordinary(vec x, vec y)
{
    const vec largest = larger(magnitude(x), magnitude(y));
    return less(every(1e-139), largest) & less(largest, every(1e150));
}
FUNCTION_2(atan2, 1.0, is_ordinary(x, y))

static inline vec
atan2x_inside(vec x, vec y)
{
    return y / fused(x, x, y * y);
}
FUNCTION_2(atan2x, 1.0, is_ordinary(x, y))

static inline vec
hypot_inside(vec x, vec y)
{
    return root(fused(x, x, y * y));
}
FUNCTION_2(hypot, 1.0, is_ordinary(x, y))

static inline vec
hypotx_inside(vec x, vec y)
{
    return x / root(fused(x, x, y * y));
}
FUNCTION_2(hypotx, 1.0, is_ordinary(x, y))

/* asin(s), for |x| > 1/2 with 2*s*s = 1 - |x|: then asin(|x|) is pi/2 - 2*asin(s). */
static inline vec
asin_reduced(vec size, mask big)
{
    const vec z = choose(big, 0.5 * (1.0 - size), size * size);
    const vec s = choose(big, root(z), size);
    return fused(s * z, POLYNOMIAL(z, asin), s);
}

static inline vec
asin_inside(vec x)
{
    const vec size = magnitude(x);
    const mask big = less(every(0.5), size);
    const vec v = asin_reduced(size, big);
    return with_sign(choose(big, HALF_PI - (2.0 * v - HALF_PI_2), v), x);
}
FUNCTION_1(asin, 0.0, less(magnitude(x), every(0x1.0000000000001p0)))

static inline vec
acos_inside(vec x)
{
    const vec size = magnitude(x);
    const mask big = less(every(0.5), size);
    const vec v = asin_reduced(size, big);
    const vec left = 2.0 * HALF_PI - (2.0 * v - 2.0 * HALF_PI_2);
    const vec far = choose(less(x, (vec){0}), left, 2.0 * v);
    return choose(big, far, HALF_PI - (with_sign(v, x) - HALF_PI_2));
}
FUNCTION_1(acos, 0.0, less(magnitude(x), every(0x1.0000000000001p0)))

#endif
