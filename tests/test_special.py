"""The functions of csrc/special.c and special.h, each against mpmath or Python itself.

What a row makes of them, its derivatives above all, is tested with the rows.
"""

import itertools
import math
import operator

import mpmath
import numpy
import pytest
from mpmath import mp, mpf

from fastad import _core

ROWS = {row.name for row in _core.rows()}

# Relative errors.  The C library's own enter: glibc's are below 1e-15.
ELEMENTARY = 1e-14
SPECIAL = 1e-12

INF, NAN = math.inf, math.nan
LARGEST, SMALLEST = 1.7976931348623157e308, 5e-324


def both_signs(points):
    return [*points, *(-x for x in points)]


def beside(*points):
    """The neighbours of each point, on both sides."""
    return [math.nextafter(x, to) for x in points for to in (-INF, INF)]


TINY = [SMALLEST, 1e-310, 3e-308, 1e-200, 1e-100, 1e-20, 1e-9]
MIDDLE = [0.001, 0.1, 0.3, 0.7, 0.97, 1.0, 1.2, 1.7, 2.0, 3.3, 5.0, 9.9, 20.0, 36.5]
HUGE = [355.0, 708.5, 744.9, 1e4, 1e8, 1e17, 1e100, 1e155, 1e300, LARGEST]
POSITIVE = [*TINY, *MIDDLE, *beside(1.0, 2.0), *HUGE]
REAL = [0.0, *both_signs(POSITIVE)]
UNIT = [*TINY, 1e-5, *MIDDLE[:5], *beside(0.25, 0.5, 0.75), 1 - 1e-5, 1 - 2**-53]
POLES = [0.0, -1.0, -2.0, -10.0, -1000.0]
OFF_POLES = [-0.1, -0.5, -0.7, -1.3, -7.2, -12.5, -1e5 - 0.25]
ZERO_OF_DIGAMMA = 1.4616321449683622  # the next float below it


def product(*ranges):
    return list(itertools.product(*ranges))


def pairs(*points):
    return product(points, points)


def powers():
    """(base, exponent): everywhere, and where the power leaves the range of double."""
    exponents = [1e-300, 1e-20, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 40.0, 1e10]
    logarithms = [-1400.0, -744.0, -709.0, 709.0, 710.0, 1400.0]
    return [
        *product(POSITIVE, both_signs(exponents)),
        *((x, w / math.log(x)) for x in POSITIVE if x != 1.0 for w in logarithms),
        (0.9999999999999465, 1.0850430036849468e16),  # exponent - 1 is no double
    ]


def negative_powers():
    return product([-x for x in POSITIVE], [-5.0, -2.0, -1.0, 3.0, 4.0, 301.0])


def powx(x, y):
    return y * x ** (y - 1)


def hypot(x, y):
    return mpmath.sqrt(x * x + y * y)


def sech2(x):
    return 4 / (mpmath.exp(x) + mpmath.exp(-x)) ** 2


def log_of_1_plus(x):
    return mpmath.log1p(x) if x > 1e-300 else x


def digamma(x):
    return mpmath.psi(0, x)


# name, how mpmath says it, points, tolerance
AGAINST_MPMATH = [
    ("powx", powx, [*powers(), *negative_powers()], ELEMENTARY),
    ("powy", lambda x, y: x**y * mpmath.log(x), powers(), ELEMENTARY),
    ("hypotx", lambda x, y: x / hypot(x, y), pairs(*both_signs(POSITIVE)), ELEMENTARY),
    ("atan2x", lambda x, y: y / (x * x + y * y), pairs(*POSITIVE), ELEMENTARY),
    ("sech2", sech2, REAL, ELEMENTARY),
    ("expit", lambda x: 1 / (1 + mpmath.exp(-x)), REAL, ELEMENTARY),
    ("softplus", lambda x: log_of_1_plus(mpmath.exp(x)), REAL, ELEMENTARY),
    ("logit", lambda p: mpmath.log(p / (1 - p)), UNIT, ELEMENTARY),
    (
        "logaddexp",
        lambda x, y: max(x, y) + log_of_1_plus(mpmath.exp(-abs(x - y))),
        pairs(*both_signs(MIDDLE), *HUGE),
        ELEMENTARY,
    ),
    (
        "logaddexpx",
        lambda x, y: 1 / (1 + mpmath.exp(y - x)),
        pairs(*REAL),
        1e-13,  # the difference is rounded, and may be 745
    ),
    ("xlogy", lambda x, y: x * mpmath.log(y), product(REAL, POSITIVE), ELEMENTARY),
    ("erfinv", mpmath.erfinv, both_signs(UNIT), SPECIAL),
    (
        "digamma",
        digamma,
        [
            *(*POSITIVE, *OFF_POLES, *beside(*POLES)),
            *(ZERO_OF_DIGAMMA, *beside(ZERO_OF_DIGAMMA), 1.2, 1.3, 1.6, 1.7),
        ],
        SPECIAL,
    ),
    (
        "polygamma",
        mpmath.psi,
        [
            *product(
                (1.0, 2.0, 5.0, 10.0),
                (*TINY, *MIDDLE, *HUGE, *OFF_POLES[:-1], *beside(-1.0, -10.0)),
            ),
            *((50.0, 0.3), (100.0, 40.0), (170.0, 60.0), (171.0, 60.0), (300.0, 120.0)),
            *((1000.0, 367.0), (1000.0, 400.0), (170.0, 0.9), (171.0, 0.001)),
        ],
        SPECIAL,
    ),
]


def error(got, want):
    """Relative to want; among subnormal numbers relative to the least normal one."""
    if abs(want) > LARGEST:
        return 0.0 if math.isinf(got) and (got > 0) == (want > 0) else INF
    if not math.isfinite(got):
        return INF
    return float(abs(got - want) / max(abs(want), mpf(2) ** -1022))


@pytest.mark.parametrize(
    ("name", "reference", "points", "tolerance"),
    AGAINST_MPMATH,
    ids=[row[0] for row in AGAINST_MPMATH],
)
def test_against_mpmath(name, reference, points, tolerance):
    if name not in ROWS:
        pytest.skip("no row calls it")
    with mp.workdps(50):
        for point in points:
            args = point if isinstance(point, tuple) else (point,)
            got = _core.row_value(name, *args)
            want = reference(*map(mpf, args))
            assert error(got, want) < tolerance, (args, got, float(want))


def test_error_notices():
    """The measure itself: wrong digits, a lost subnormal number, a missed overflow."""
    assert error(1.0 + 1e-12, mpf(1)) == pytest.approx(1e-12, rel=1e-3)
    assert error(0.0, mpf("1e-310")) > 1e-3
    assert error(LARGEST, mpf("1e310")) == INF
    assert error(-INF, mpf("1e310")) == INF
    assert error(NAN, mpf(1)) == INF


ODD = [0.0, SMALLEST, 0.1, 0.5, 1.0, 2.0, 3.0, 5.5, 1e16, 1e300, LARGEST, INF]
ODD = [*both_signs(ODD), NAN]


def ldexp(x, y):
    try:
        return math.ldexp(x, int(y))
    except OverflowError:
        return math.copysign(INF, x)


NO_TWO_ZEROS = [(x, y) for x, y in pairs(*ODD) if x or y]  # NumPy picks either

# name, Python's or NumPy's own, points: equal to the last bit and sign
EXACT = [
    ("mod", operator.mod, [(x, y) for x, y in pairs(*ODD) if y and not math.isinf(x)]),
    ("floordiv", operator.floordiv, [(x, y) for x, y in pairs(*ODD) if y]),
    ("maximum", numpy.maximum, NO_TWO_ZEROS),
    ("minimum", numpy.minimum, NO_TWO_ZEROS),
    ("sign", numpy.sign, ODD),
    ("ulp", math.ulp, [*ODD, *REAL, *beside(1.0, 2.0, LARGEST)]),
    (
        "scale2",
        ldexp,
        product(ODD, both_signs([0.0, 3.0, 1022.0, 1075.0, 2098.0, 1e300])),
    ),
]


@pytest.mark.parametrize(
    ("name", "reference", "points"), EXACT, ids=[row[0] for row in EXACT]
)
def test_like_python(name, reference, points):
    for point in points:
        args = point if isinstance(point, tuple) else (point,)
        got, want = _core.row_value(name, *args), float(reference(*args))
        assert repr(got) == repr(want), (args, got, want)


# Where mpmath has no answer: zeros, infinities, poles, outside the domain.
@pytest.mark.parametrize(
    ("name", "args", "want"),
    [
        *(("powx", (x, 0.0), 0.0) for x in (0.0, 1.0, -2.0, INF, NAN)),
        *(("powx", (x, 1.0), 1.0) for x in (0.0, -1.0, 0.3, INF)),
        *(("powx", (x, 2.0), 2.0 * x) for x in (0.0, 0.1, -3.0, 1e-300, INF)),
        *(("powx", (x, 1.5), 0.0) for x in (0.0, -0.0)),
        *(("powx", (x, y), INF) for x in (0.0, -0.0) for y in (0.5, 1e-20)),
        *(("powx", (INF, y), 0.0) for y in (0.5, -1.0, -INF)),
        *(("powx", args, INF) for args in [(INF, 1.5), (2.0, INF), (1.0, INF)]),
        *(("powx", args, 0.0) for args in [(0.5, INF), (2.0, -INF)]),
        *(("powx", args, NAN) for args in [(-2.0, 0.5), (NAN, 2.0), (2.0, NAN)]),
        *(("powy", (x, y), 0.0) for x in (0.0, -0.0) for y in (0.5, 1.0, 2.0, INF)),
        *(("powy", args, NAN) for args in [(0.0, 0.0), (-1.0, 2.0), (-INF, -1.0)]),
        *(("powy", args, 0.0) for args in [(1.0, 3.0), (1.0, INF), (INF, -1.0)]),
        *(("hypotx", args, 0.0) for args in [(0.0, 0.0), (0.0, 3.0), (1.0, INF)]),
        *(("hypotx", (x, 1.0), math.copysign(1.0, x)) for x in (INF, -INF)),
        *(("hypotx", args, NAN) for args in [(NAN, INF), (INF, NAN), (NAN, 1.0)]),
        *(("atan2x", (x, y), 0.0) for x, y in pairs(1.0, INF) if x + y == INF),
        *(("atan2x", args, NAN) for args in [(0.0, 0.0), (NAN, INF), (INF, NAN)]),
        *(("sech2", (x,), 0.0) for x in (INF, -INF)),
        *(("expit", (x,), want) for x, want in [(INF, 1.0), (-INF, 0.0)]),
        *(("softplus", (x,), want) for x, want in [(INF, INF), (-INF, 0.0)]),
        *(("logit", (p,), want) for p, want in [(0.0, -INF), (1.0, INF), (1.1, NAN)]),
        *(("logaddexp", (x, x), x) for x in (INF, -INF)),
        *(("logaddexp", (-INF, x), x) for x in (0.0, -7.0, INF, NAN)),
        *(("logaddexpx", (x, x), 0.5) for x in (INF, -INF, 3.0)),
        *(("logaddexpx", args, 1.0) for args in [(3.0, -INF), (INF, 3.0)]),
        *(("xlogy", (0.0, y), 0.0) for y in (0.0, 1.0, INF)),
        *(("xlogy", args, NAN) for args in [(0.0, NAN), (NAN, 1.0), (1.0, -1.0)]),
        *(("erfinv", (x,), x * INF) for x in (1.0, -1.0)),
        *(("erfinv", (x,), NAN) for x in (1.1, -INF, INF, NAN)),
        *(("digamma", (x,), NAN) for x in (*POLES, -1e20, -INF, NAN)),
        ("digamma", (INF,), INF),
        *(("polygamma", (3.0, x), NAN) for x in (*POLES, -1e20, -INF, NAN)),
        *(("polygamma", (n, 1.0), NAN) for n in (-1.0, 0.5, INF, NAN)),
        *(("polygamma", (n, INF), 0.0) for n in (1.0, 2.0, 500.0)),
        *(("polygamma", (n, 1e5), 0.0) for n in (1e4 - 1, 1e4, 1e4 + 1)),
        *(("polygamma", (171.0, x), INF) for x in (1.0, -0.5, -1e-20, -2.3)),
        *(("polygamma", (172.0, x), y) for x, y in [(-0.3, INF), (-0.7, -INF)]),
        *(("polygamma", (1e300, x), y) for x, y in [(1.0, -INF), (LARGEST, 0.0)]),
        ("maximum", (NAN, 1.0), NAN),
        ("scale2", (1.0, NAN), NAN),
    ],
)
def test_odd_points(name, args, want):
    if name not in ROWS:
        pytest.skip("no row calls it")
    got = _core.row_value(name, *args)
    assert got == want or (math.isnan(got) and math.isnan(want)), got
