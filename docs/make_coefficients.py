"""Write csrc/lanes_coefficients.h: the polynomials of the vector mathematics.

python docs/make_coefficients.py        (about a minute, needs mpmath)

Each is the minimax polynomial of its function, found by Remez' exchange algorithm (E. Remez,
"Sur la détermination des polynômes d'approximation de degré donnée", 1934) with many digits
and then rounded to doubles.
"""

from pathlib import Path

from mpmath import mp, mpf

HEADER = Path(__file__).parents[1] / "csrc" / "lanes_coefficients.h"

HEAD = """\
/*
 * The polynomials of lanes_math.h, the lowest degree first.
 *
 * Written by docs/make_coefficients.py.  Do not edit.
 */
#ifndef FAD_LANES_COEFFICIENTS_H
#define FAD_LANES_COEFFICIENTS_H
"""

TAIL = "\n#endif\n"


def series(first, factor, z):
    """The sum of a power series in z: its first term, and what each has behind it."""
    total, term, k = mpf(0), mpf(first), 0
    while abs(term) > mpf(10) ** -60:
        total += term
        term *= factor(k) * z
        k += 1
    return total


def exp_tail(r):
    """(exp(r) - 1 - r) / r**2"""
    return series(mpf(1) / 2, lambda k: mpf(1) / (k + 3), r)


def log_tail(z):
    """(log((1 + s) / (1 - s)) - 2*s) / (s * z), z = s*s"""
    return sum(2 * z**k / mpf(2 * k + 3) for k in range(100))


def log_tail_2(z):
    """(log((1 + s) / (1 - s)) - 2*s - 2/3*s**3) / (s * z**2), z = s*s"""
    return sum(2 * z**k / mpf(2 * k + 5) for k in range(100))


def sin_tail(z):
    """(sin(r) - r) / r**3, z = r*r"""
    return series(mpf(-1) / 6, lambda k: mpf(-1) / ((2 * k + 4) * (2 * k + 5)), z)


def cos_tail(z):
    """(cos(r) - 1 + r*r/2) / r**4, z = r*r"""
    return series(mpf(1) / 24, lambda k: mpf(-1) / ((2 * k + 5) * (2 * k + 6)), z)


def atan_tail(z):
    """(atan(r) - r) / r**3, z = r*r"""
    r = mp.sqrt(z)
    if z < mpf(10) ** -4:
        return sum((-z) ** k / -mpf(2 * k + 3) for k in range(30))
    return (mp.atan(r) - r) / (r * z)


def asin_tail(z):
    """(asin(r) - r) / r**3, z = r*r"""
    r = mp.sqrt(z)
    if z < mpf(10) ** -4:
        half = mpf(1) / 2
        terms = (mp.rf(half, k) / mp.factorial(k) / (2 * k + 1) for k in range(1, 30))
        return sum(term * z**k for k, term in enumerate(terms))
    return (mp.asin(r) - r) / (r * z)


def erf_tail(z):
    """erf(x) / x - 1, z = x*x"""
    x = mp.sqrt(z)
    if z < mpf(10) ** -10:
        return 2 / mp.sqrt(mp.pi) * (1 - z / 3 + z * z / 10) - 1
    return mp.erf(x) / x - 1


def erfcx_near(t):
    """exp(x*x) * erfc(x), t = (x - 3) / (x + 3)"""
    return erfcx(3 * (1 + t) / (1 - t))


def erfcx_far(t):
    """(1 + 2*x) * exp(x*x) * erfc(x), t = (x - 4) / (x + 4)"""
    x = 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * erfcx(x)


def erfcx(x):
    return mp.exp(x * x) * mp.erfc(x)


def cbrt(x):
    """cbrt(x)"""
    return mp.cbrt(x)


LN2_HALF = mp.log(2) / 2
SQRT_Z = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2  # s*s where the mantissa is sqrt(2)


def flat(x):
    return mpf(1)


def near_weight(t):
    """erf(x) is 1 - exp(-x*x) * erfcx_near(t)."""
    x = 3 * (1 + t) / (1 - t)
    return mp.exp(-x * x)


# Name, function, interval, number of coefficients, weight of an error.
POLYNOMIALS = [
    ("exp", exp_tail, -LN2_HALF * 1.001, LN2_HALF * 1.001, 11, flat),
    ("log", log_tail, mpf(0), SQRT_Z * 1.001, 7, flat),
    ("log_2", log_tail_2, mpf(0), SQRT_Z * 1.001, 7, flat),
    ("sin", sin_tail, mpf(0), (mp.pi / 4) ** 2 * 1.001, 6, flat),
    ("cos", cos_tail, mpf(0), (mp.pi / 4) ** 2 * 1.001, 6, flat),
    ("atan", atan_tail, mpf(0), mpf(1), 20, lambda z: z),
    ("asin", asin_tail, mpf(0), mpf(1) / 4, 12, lambda z: z + mpf(1) / 50),
    ("cbrt", cbrt, mpf(0.5), mpf(4), 6, lambda x: 1 / mp.cbrt(x)),
    ("erf", erf_tail, mpf(0), mpf(1), 12, flat),
    ("erfcx_near", erfcx_near, mpf(-1) / 2, mpf(1) / 3, 13, near_weight),
    ("erfcx_far", erfcx_far, mpf(-0.79), mpf(0.75), 21, flat),
]


def minimax(f, low, high, n, weight):
    """n coefficients, and the largest weighted error."""
    grid = [
        (low + high - (high - low) * mp.cos(mp.pi * k / 1000)) / 2 for k in range(1001)
    ]
    values = [f(x) for x in grid]
    weights = [weight(x) for x in grid]
    # A zero weight would make the system singular; the end then just is no extremum.
    weights = [max(w, mpf(10) ** -3 * max(weights)) for w in weights]
    extrema = [round(1000 * k / n) for k in range(n + 1)]
    for _ in range(30):
        matrix, right = mp.matrix(n + 1, n + 1), mp.matrix(n + 1, 1)
        for row, k in enumerate(extrema):
            for power in range(n):
                matrix[row, power] = grid[k] ** power
            matrix[row, n] = (-1) ** row / weights[k]
            right[row] = values[k]
        solved = list(mp.lu_solve(matrix, right))
        coefficients, level = solved[:n], abs(solved[n])
        errors = [
            (mp.polyval(coefficients[::-1], x) - y) * w
            for x, y, w in zip(grid, values, weights, strict=True)
        ]
        found = exchange(errors, n + 1)
        worst = max(abs(e) for e in errors)
        if found is None or worst < level * mpf("1.01"):
            break
        extrema = found
    return coefficients, worst


def exchange(errors, n):
    """The places of n extrema of alternating signs, the largest among them."""
    peaks = []
    for k, error in enumerate(errors):
        if peaks and (error > 0) == (errors[peaks[-1]] > 0):
            if abs(error) > abs(errors[peaks[-1]]):
                peaks[-1] = k
        else:
            peaks.append(k)
    while len(peaks) > n:
        if len(peaks) > n + 1:
            raise ValueError(f"{len(peaks)} extrema: more digits are needed")
        peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
    return peaks if len(peaks) == n else None


def main():
    mp.dps = 60
    text = HEAD
    for name, f, low, high, n, weight in POLYNOMIALS:
        coefficients, worst = minimax(f, low, high, n, weight)
        first, last = mp.nstr(low, 3), mp.nstr(high, 3)
        print(f"{name:10} {n:3} coefficients, error {mp.nstr(worst, 3)}")
        text += f"\n/* {f.__doc__}: within {mp.nstr(worst, 2)}\n"
        text += f"   over [{first}, {last}] */\n"
        text += f"static const double {name}_coefficients[] = {{\n"
        text += "".join(f"    {float(c)!r},\n" for c in coefficients)
        text += "};\n"
    HEADER.write_text(text + TAIL, encoding="utf8")


if __name__ == "__main__":
    main()
