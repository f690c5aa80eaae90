/*
 * The functions that cells of ops.def call and the C library lacks.
 *
 * Every one is pure, ends in bounded time for every double and has no undefined
 * behaviour; outside its domain it is NaN.  All are accurate to a few units in the last
 * place over the whole domain (subnormal numbers, 1e300, one ulp beside a pole), except
 * where a comment says otherwise.
 *
 * What is called often stands here, inline, so that a value and its partial can share a
 * call of the C library: powx(x, y) beside pow(x, y), sech2(x) beside tanh(x).  What is
 * long, or rare, stands in special.c.
 */
#ifndef FASTAD_SPECIAL_H
#define FASTAD_SPECIAL_H

#include <math.h>

/* No operation that is not called for may raise a flag: GCC sees to it unasked. */
#ifdef __clang__
#pragma clang fp exceptions(maytrap)
#endif

/* Not in ISO C. */
#ifndef M_LN2
#define M_LN2 0.69314718055994530942
#endif
#ifndef M_LOG2E
#define M_LOG2E 1.44269504088896340736
#endif
#ifndef M_LOG10E
#define M_LOG10E 0.43429448190325182765
#endif
#ifndef M_PI
#define M_PI 3.14159265358979323846
#endif
#ifndef M_2_SQRTPI
#define M_2_SQRTPI 1.12837916709551257390
#endif
#define RADIAN (180.0 / M_PI) /* in degrees, as CPython computes them */
#define DEGREE (M_PI / 180.0) /* in radians */
#ifndef NAN
#define NAN ((double)(INFINITY - INFINITY))
#endif

double powx_extreme(double x, double y);
double powy_extreme(double x, double y);
double hypotx_extreme(double x, double y);
double atan2x_extreme(double x, double y);
double ulp(double x);
double round_to(double x, double y);
double scale2(double x, double y);
double logit(double p);
double logaddexp(double x, double y);
double erfinv(double x);
double digamma(double x);
double polygamma(double n, double x);

/* ---- Powers and norms ---- */

/*
 * x**2 with the bits of pow(x, 2.0), which takes five times as long.  That of glibc is off by
 * less than 0.511 ulp and 4.6e-5 more for each factor of e between the result and 1 (the
 * comment in its sysdeps/ieee754/dbl-64/e_pow.c).  So it is x*x rounded, unless the exact
 * product (x*x plus what the halves of x say was rounded away; Dekker 1971) lies within
 * 0.014 ulp of the middle between two floats.
 */
static inline double square(double x)
{
#ifdef __GLIBC__
    const double product = x * x;
    if (product > 1e-25 && product < 1e25) {
        const double c = 134217729.0 * x, high = c - (c - x), low = x - high;
        const double rest = ((high * high - product) + 2.0 * high * low) + low * low;
        if (product + 1.029 * rest == product)
            return product;
    }
    if (x == 0.0)
        return 0.0;
#endif
    return pow(x, 2.0);
}

static inline double power(double x, double y)
{
    return y == 2.0 ? square(x) : pow(x, y);
}

/* y * x**(y - 1).  y/x*v shares the pow, but loses digits where x or v is extreme. */
static inline double powx(double x, double y)
{
    if (y == 2.0)
        return 2.0 * x;
    if (y == 1.0)
        return 1.0;
    const double v = pow(x, y), ax = fabs(x), av = fabs(v);
    if (ax > 1e-100 && ax < 1e100 && av > 1e-200 && av < 1e200)
        return y / x * v;
    return powx_extreme(x, y);
}

/* x**y * log(x): 0 at x = 0 for y > 0, NaN for x < 0 and at (0, 0). */
static inline double powy(double x, double y)
{
    const double v = pow(x, y);
    if (x > 0.0 && v > 1e-290 && v < 1e300)
        return v * log(x);
    return powy_extreme(x, y);
}

/* x / hypot(x, y); 0 at (0, 0), the limit where one of them is infinite. */
static inline double hypotx(double x, double y)
{
    const double square = x * x + y * y;
    if (square > 1e-280 && square < 1e300)
        return x / sqrt(square);
    return hypotx_extreme(x, y);
}

/* y / (x*x + y*y), the partial of atan2(x, y) to x: NaN at (0, 0), 0 at infinity. */
static inline double atan2x(double x, double y)
{
    const double square = x * x + y * y;
    if (square > 1e-280 && square < 1e300)
        return y / square;
    return atan2x_extreme(x, y);
}

/* ---- Choices and steps ---- */

/* A macro, so that only the chosen arm is evaluated. */
#define where(c, a, b) ((double)((c) ? (a) : (b)))

static inline double sign(double x)
{
    return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x == 0.0 ? 0.0 : x;
}

/* At a tie the first, and NaN if either is: as numpy. */
static inline double maximum(double x, double y)
{
    return x >= y || x != x ? x : y;
}

static inline double minimum(double x, double y)
{
    return x <= y || x != x ? x : y;
}

/* x * y, and 0 where either is 0, also times infinity or nan. */
static inline double scale(double x, double y)
{
    return x == 0.0 || y == 0.0 ? 0.0 : x * y;
}

/* x % y as Python's floats, to the last bit: float_rem in CPython's floatobject.c */
static inline double mod(double x, double y)
{
    const double r = fmod(x, y);
    if (r == 0.0)
        return copysign(0.0, y);
    return (y < 0.0) != (r < 0.0) ? r + y : r;
}

/* x // y as Python's floats: _float_div_mod in CPython's floatobject.c */
static inline double floordiv(double x, double y)
{
    const double r = fmod(x, y);
    double quotient = (x - r) / y; /* an integer but for its rounding */
    if (r != 0.0 && (y < 0.0) != (r < 0.0))
        quotient -= 1.0;
    if (quotient == 0.0)
        return copysign(0.0, x / y);
    const double whole = floor(quotient);
    return quotient - whole > 0.5 ? whole + 1.0 : whole;
}

/* ---- Exponentials ---- */

/*
 * 1 / cosh(x)**2.  1 - tanh(x)**2 shares the tanh, whose error it multiplies by
 * 2*v*v/(1 - v*v): less than 2.8 for |x| < 1.  Beyond, exp(-|x|) cannot overflow.
 */
static inline double sech2(double x)
{
    if (fabs(x) < 1.0) {
        const double v = tanh(x);
        return (1.0 - v) * (1.0 + v);
    }
    const double e = exp(-fabs(x));
    const double sech = 2.0 * e / (1.0 + e * e);
    return sech * sech;
}

/* 1 / (1 + exp(-x)).  expit(x) and expit(-x) share the exp. */
static inline double expit(double x)
{
    const double e = exp(-fabs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

/* expit(x - y), the partial of logaddexp(x, y) to x: 1/2 also at equal infinities. */
static inline double logaddexpx(double x, double y)
{
    return x == y ? 0.5 : expit(x - y);
}

/* log(1 + exp(x)) */
static inline double softplus(double x)
{
    return (x > 0.0 ? x : 0.0) + log1p(exp(-fabs(x)));
}

/* x * log(y), and 0 where x is 0 */
static inline double xlogy(double x, double y)
{
    return x == 0.0 && y == y ? 0.0 : x * log(y);
}

#endif
