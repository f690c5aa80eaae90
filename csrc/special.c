/*
 * The long and the rare functions of special.h.  Formulas are cited by their numbers in
 * the NIST Digital Library of Mathematical Functions (DLMF), https://dlmf.nist.gov.
 */
#include "special.h"

#include <stdio.h>
#include <stdlib.h>

/* A nan that raises INVALID where x is finite, as those of the C library do outside of their
   domains: by the flags a program that runs without Python learns of it. */
static double invalid(double x)
{
    return (x - x) / (x - x);
}

/* ---- Powers and norms: where the short form of special.h loses digits ---- */

/*
 * y * x**(y - 1) through the square root h of the power: h stays in the range of double
 * where the result does.  Where y - 1 is not exact, x**y is divided by x instead.
 */
double powx_extreme(double x, double y)
{
    const double ax = fabs(x);
    if (y == 0.0)
        return 0.0;
    if (x != x || y != y)
        return x + y;
    if (x < 0.0 && y != floor(y))
        return NAN;
    if (ax == 0.0)
        return y > 1.0 ? 0.0 : y > 0.0 ? INFINITY : y * pow(x, y - 1.0);
    const double s = x < 0.0 && fmod(fabs(y), 2.0) != 1.0 ? -1.0 : 1.0;
    if (isinf(y)) /* the limit: y * 0 would be NaN */
        return (y > 0.0 ? ax < 1.0 : ax > 1.0) ? 0.0 : s * y;
    if (isinf(x))
        return y < 1.0 ? 0.0 : s * INFINITY;
    if (y >= 0.5 && y < 0x1p53) {
        const double h = pow(ax, 0.5 * (y - 1.0));
        return s * y * h * h;
    }
    const double h = pow(ax, 0.5 * y);
    return s * y * h * h / ax;
}

double powy_extreme(double x, double y)
{
    if (x == 0.0)
        return y > 0.0 ? 0.0 : y < 0.0 ? -INFINITY : NAN;
    if (x == INFINITY && y < 0.0)
        return 0.0;
    const double h = pow(x, 0.5 * y); /* log(x) can bring an overflowing power back */
    return h * log(x) * h;
}

/* By which to scale, so that hypot(x, y) is neither subnormal nor infinite. */
static double norm_scale(double x, double y)
{
    return fabs(x) > 1.0 || fabs(y) > 1.0 ? 0.5 : 0x1p600;
}

double hypotx_extreme(double x, double y)
{
    if (x == 0.0 && y == 0.0)
        return 0.0;
    if (isinf(x) != isinf(y) && x == x && y == y)
        return isinf(x) ? copysign(1.0, x) : copysign(0.0, x);
    const double scale = norm_scale(x, y);
    return x * scale / hypot(x * scale, y * scale);
}

double atan2x_extreme(double x, double y)
{
    if ((isinf(x) || isinf(y)) && x == x && y == y)
        return copysign(0.0, y);
    const double scale = norm_scale(x, y);
    const double norm = hypot(x * scale, y * scale);
    return y * scale / norm / norm * scale;
}

/* ---- Floats and their bits ---- */

/* As math.ulp: the distance to the next float away from zero. */
double ulp(double x)
{
    x = fabs(x);
    if (!(x < INFINITY))
        return x;
    const double next = nextafter(x, INFINITY);
    return isinf(next) ? x - nextafter(x, 0.0) : next - x;
}

/* |x| rounded to a multiple of ten**-n, for n < 0: exact up to 1e22, the largest power of ten
   that a double holds. */
static double round_to_tens(double x, int n)
{
    const double unit = pow(10.0, -n), size = fabs(x);
    const double rest = fmod(size, unit), quotient = (size - rest) / unit;
    const int is_odd = fmod(quotient, 2.0) != 0.0;
    const int up = rest > unit - rest || (rest == unit - rest && is_odd);
    if (quotient < 9007199254740992.0)
        return copysign((up ? quotient + 1.0 : quotient) * unit, x);
    return copysign(up ? size - rest + unit : size - rest, x);
}

/* round(x, n) of Python's floats: the digits of x are exact, so printing them rounds the way
   CPython does (double_round in floatobject.c).  The bounds on n are CPython's. */
double round_to(double x, double y)
{
    char digits[700]; /* 309 before the point, 323 behind it */
    if (!isfinite(x) || y > 323.0)
        return x;
    if (!(y >= -308.0))
        return y == y ? 0.0 * x : y;
    const int n = (int)y;
    if (n < 0)
        return round_to_tens(x, n);
    snprintf(digits, sizeof digits, "%.*f", n, x);
    return strtod(digits, NULL);
}

/* x * 2**y, rounded once; a fraction of y is dropped. */
double scale2(double x, double y)
{
    if (y != y)
        return y;
    const double limit = 5000.0; /* beyond the widest step from one double to another */
    return ldexp(x, (int)(y > limit ? limit : y < -limit ? -limit : y));
}

/* ---- Logarithms ---- */

/* log(p / (1 - p)).  Around its zero, 1/2, the quotient's distance from 1 keeps more
 * digits than the quotient: 2*p - 1 is exact. */
double logit(double p)
{
    if (p > 0.25 && p < 0.75)
        return log1p((2.0 * p - 1.0) / (1.0 - p));
    return log(p / (1.0 - p));
}

/* log(exp(x) + exp(y)).  Absolute accuracy near its zeros, exp(x) + exp(y) = 1. */
double logaddexp(double x, double y)
{
    if (x == y) /* also both infinite */
        return x + M_LN2;
    return (x > y ? x : y) + log1p(exp(-fabs(x - y)));
}

/* ---- The inverse of erf ---- */

/*
 * A seed with an error below 0.2 % (S. Winitzki, "A handy approximation for the error
 * function and its inverse", 2008), then two steps of Householder's method of order 3,
 * each of which quadruples the digits: u is the error of erf divided by erf', and by
 * DLMF 7.10.1 erf''/erf' = -2*y and erf'''/erf' = 4*y*y - 2.
 * From 1/2 on 1 - x is exact, and erfc takes the place of erf.
 */
double erfinv(double x)
{
    const double ax = fabs(x);
    if (!(ax < 1.0))
        return ax == 1.0 ? x / (1.0 - ax) : invalid(x);
    if (ax < 1e-8) /* DLMF 7.17.2; the next term is below ax**2 */
        return x / M_2_SQRTPI;
    const double a = 0.147, w = 1.0 - ax;
    const double l = log1p(-ax) + log1p(ax), b = 2.0 / (M_PI * a) + 0.5 * l;
    double y = sqrt(sqrt(b * b - l / a) - b);
    for (int step = 0; step < 2; step++) {
        const double residual = ax < 0.5 ? erf(y) - ax : w - erfc(y);
        const double u = residual * exp(y * y) / M_2_SQRTPI;
        const double uy = u * y;
        y -= u * (1.0 + uy) / (1.0 + 2.0 * uy + (2.0 * uy * uy - u * u) / 3.0);
    }
    return copysign(y, x);
}

/* ---- Polygamma functions ---- */

/* Taylor coefficients 1, 2, ... at the positive zero, computed from DLMF 25.11.12. */
static double digamma_near_zero(double x)
{
    static const double c[] = {
        0.96767224544762117,     -0.44276316898359211,   0.25849976095565101,
        -0.16394270544240653,    0.10782405069126237,    -0.072199561256454711,
        0.048804288164143107,    -0.033161126474847359,  0.022597648232218105,
        -0.015424765904948959,   0.010538791616612175,   -0.0072045343863568682,
        0.0049267813957298534,   -0.0033698016554393281, 0.0023051263267349278,
        -0.0015769367714301973,  0.0010788252019162965,  -0.00073807093899600513,
        0.00050495326583460204,  -0.00034546802510630770,
    };
    /* The zero, in two parts. */
    const double h = x - 1.4616321449683623 - 9.549995429965697e-17;
    double sum = 0.0;
    for (int k = (int)(sizeof c / sizeof *c); k-- > 0;)
        sum = sum * h + c[k];
    return sum * h;
}

/* For x > 0: recurrence to x >= 10 (DLMF 5.5.2), asymptotic series (DLMF 5.11.2). */
static double digamma_positive(double x)
{
    static const double c[] = { /* B(2k) / (2k) */
        1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0,
        1.0 / 132.0, -691.0 / 32760.0, 1.0 / 12.0, -3617.0 / 8160.0,
    };
    if (fabs(x - 1.4616321449683623) < 0.2)
        return digamma_near_zero(x);
    double shift = 0.0;
    for (; x < 10.0; x += 1.0)
        shift += 1.0 / x;
    const double r = 1.0 / x, r2 = r * r;
    double sum = 0.0;
    for (int k = (int)(sizeof c / sizeof *c); k-- > 0;)
        sum = (sum + c[k]) * r2;
    return log(x) - 0.5 * r - sum - shift;
}

/* Near the negative zeros accurate relative to the terms of the reflection only. */
double digamma(double x)
{
    if (x > 0.0)
        return digamma_positive(x);
    const double d = x - rint(x); /* exact: the distance from the pole */
    if (d == 0.0 || d != d)
        return invalid(x);
    return digamma_positive(1.0 - x) - M_PI / tan(M_PI * d); /* DLMF 5.5.4 */
}

/*
 * zeta(s, x) * x**s for s >= 2, x > 0, by Euler-Maclaurin summation (DLMF 25.11.28):
 * plain terms until x + k >= s + 10, where 12 asymptotic ones give full accuracy,
 * or until they are negligible.  Fewer than 70 for every s.
 */
static double hurwitz_scaled(double s, double x)
{
    static const double c[] = { /* B(2k) / (2k)! */
        8.3333333333333333e-2,   -1.3888888888888889e-3, 3.3068783068783069e-5,
        -8.2671957671957672e-7,  2.0876756987868099e-8,  -5.2841901386874932e-10,
        1.3382536530684679e-11,  -3.3896802963225829e-13, 8.5860620562778446e-15,
        -2.1748686985580619e-16, 5.5090028283602295e-18, -1.3954464685812523e-19,
    };
    double sum = 0.0, k = 0.0, power = 1.0; /* power: (x / (x + k))**s */
    for (; x + k < s + 10.0; power = exp(-s * log1p(k / x))) {
        if (power < 1e-19)
            return sum;
        sum += power;
        k += 1.0;
    }
    const double top = x + k;
    double term = s / top, tail = 0.0;
    for (int j = 0; j < (int)(sizeof c / sizeof *c); j++) {
        tail += c[j] * term;
        term *= (s + (2 * j + 1)) / top * ((s + (2 * j + 2)) / top);
    }
    return sum + power * (top / (s - 1.0) + 0.5 + tail);
}

/* n! * zeta(n + 1, x) for n >= 1, x > 0, which is |polygamma(n, x)| (DLMF 25.11.12). */
static double polygamma_positive(double n, double x)
{
    const double s = n + 1.0;
    if (isinf(x))
        return 0.0;
    if (n <= 170.0) {
        const double h = pow(x, -0.5 * s); /* x**-s may leave the range of double */
        return tgamma(s) * h * hurwitz_scaled(s, x) * h;
    }
    /*
     * n! is no double any more.  By DLMF 5.11.3 n! / x**n is sqrt(2*pi*n) * (q/e)**n *
     * exp(1/(12*n) - ...) with q = n/x.  It is 0 or infinite unless q is close to e, so
     * log(q/e) comes from their difference, for which both have a low part.
     */
    const double e = 2.7182818284590452, e_low = 1.4456468917292502e-16, q = n / x;
    if (q < 1e-3 || q > 1e3)
        return q < 1.0 ? 0.0 : q * 1e308; /* raises OVERFLOW */
    const double q_low = fma(-q, x, n) / x;
    const double h = exp(0.5 * n * log1p((q - e - e_low + q_low) / e));
    const double stirling = 1.0 / (12.0 * n) - 1.0 / (360.0 * n * n * n);
    return sqrt(2.0 * M_PI * n) * exp(stirling) * h * (hurwitz_scaled(s, x) / x) * h;
}

/*
 * For x < 0 the sum of (x + k)**-(n + 1), k = 0, 1, ..., is split at zero: the terms
 * above make one zeta function, the finitely many below the difference of two.  (DLMF
 * 5.15.6 wants the n-th derivative of the cotangent.)  Near the zeros of an even order
 * accurate relative to these terms only.
 */
double polygamma(double n, double x)
{
    if (n == 0.0)
        return digamma(x);
    if (!(n > 0.0) || isinf(n) || n != floor(n) || x != x)
        return invalid(x);
    const double s = fmod(n, 2.0) == 1.0 ? 1.0 : -1.0;
    if (x > 0.0)
        return s * polygamma_positive(n, x);
    const double d = x - rint(x); /* exact: the distance from the pole */
    if (d == 0.0 || d != d)
        return invalid(x);
    const double above = polygamma_positive(n, d > 0.0 ? d : 1.0 + d);
    const double below = polygamma_positive(n, d > 0.0 ? 1.0 - d : -d);
    const double beyond = polygamma_positive(n, 1.0 - x);
    if (s > 0.0)
        return isinf(below) ? below : above + (below - beyond);
    if (isinf(above) && isinf(below)) /* the nearer pole wins */
        return fabs(d) == 0.5 ? -beyond : copysign(INFINITY, -d);
    return below - above - beyond;
}
