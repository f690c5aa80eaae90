"""Derivatives of functions that take derivatives: any order, every mixture of modes.

The truth is mpmath's, a closed formula, or exact arithmetic: polynomials with small whole
coefficients are differentiated in doubles without rounding, so random terms with verbs inside
verbs have to come out right to the last digit.
"""

import gc
import itertools
import math
import sys
import warnings
from collections import namedtuple
from dataclasses import dataclass

import mpmath
import numpy
import pytest
import tolerances
import truth
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastad
from fastad import (
    Dual,
    Var,
    _core,
    clip,
    derivative,
    errors,
    grad,
    jvp,
    maximum,
    minimum,
    norm,
    relu,
    sign,
    value_and_grad,
    vjp,
    where,
    xlogy,
)

m = fastad.math

# ---- One derivative, in every way ----------------------------------------------------

# Functions of a function of one number: its derivative.
MODES = {
    "grad": grad,
    "derivative": derivative,
    "jvp": lambda f: lambda x: jvp(f, (x,), (1.0,))[1],
    "vjp": lambda f: lambda x: vjp(f, x)[1](1.0)[0],
    "value_and_grad": lambda f: lambda x: value_and_grad(f)(x)[1],
    "of a list": lambda f: lambda x: grad(lambda p: f(p[1]))([2.0, x])[1],
    "of an array": lambda f: lambda x: grad(lambda p: f(p[0]))(numpy.array([x]))[0],
    "of a second argument": lambda f: lambda x: grad(lambda p, x: f(x), 1)(5.0, x),
    "of a sum": lambda f: (
        lambda x: sum(grad(lambda x, y: f(x + y), (0, 1))(x, 0.0)) / 2
    ),
    "scaled": lambda f: (
        lambda x: jvp(lambda p: [3, f(p["x"])], [{"x": x}], [{"x": 2}])[1][1] / 2
    ),
}
TWO = ("grad", "derivative")
FOUR = ("grad", "derivative", "jvp", "vjp")

each_pair = pytest.mark.parametrize(
    ("outer", "inner"), list(itertools.product(FOUR, FOUR))
)


def differentiated(f, modes):
    """The derivative of f of order len(modes), the first mode outermost."""
    for mode in reversed(modes):
        f = MODES[mode](f)
    return f


FUNCTIONS = {
    "polynomial": lambda x, m: x**7 - 3 * x**4 + 2 * x,
    "product": lambda x, m: m.sin(x) * m.exp(x),
    "quotient": lambda x, m: (2 - x) / (1 + x * x),
    "roots and logarithms": lambda x, m: m.log(x) * m.sqrt(x + 1) - m.cbrt(x),
    "power": lambda x, m: x**x - x**-1.5,
    "hyperbolic": lambda x, m: m.tanh(x * x) * m.cosh(x) - m.asinh(x),
    "angles": lambda x, m: m.atan2(x, 2 - x) + m.asin(x) * m.atan(3 * x),
    "lengths": lambda x, m: m.hypot(x, 3 * x + 1),
    "special": lambda x, m: m.erf(x) * m.gamma(x + 1),
}
X = 0.7


@pytest.fixture(scope="module")
def taylor():
    """Of each function its derivatives at X up to the fifth."""
    with mpmath.mp.workprec(120):
        return {
            name: [
                mpmath.diff(lambda x, f=f: f(x, mpmath.mp), mpmath.mpf(X), n)
                for n in range(6)
            ]
            for name, f in FUNCTIONS.items()
        }


# All mixtures up to order 3 of four modes, up to order 5 of two; order 2 of all.
MIXTURES = [
    *itertools.product(MODES, repeat=1),
    *itertools.product(MODES, repeat=2),
    *itertools.product(FOUR, repeat=3),
    *itertools.product(TWO, repeat=4),
    *itertools.product(TWO, repeat=5),
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_orders_and_modes(name, taylor):
    f = FUNCTIONS[name]
    for modes in MIXTURES:
        found = differentiated(lambda x: f(x, m), modes)(X)
        error = tolerances.error(found, taylor[name][len(modes)])
        assert error < tolerances.SPECIAL, modes


def test_a_derivative_of_order_nine():
    f = differentiated(lambda x: x**10, ["grad", "derivative"] * 4 + ["vjp"])
    assert f(0.5) == 1814400.0


# ---- Confusion of the levels -----------------------------------------------------------


def newton_root(a, derivative_of, x=1.0):
    """The root of x*x - a by Newton's method."""
    for _ in range(8):
        x = x - (x * x - a) / derivative_of(lambda x: x * x - a)(x)
    return x


def stationary(derivative_of, bend):
    """Where p*p - 3*p + bend*p has derivative 0, by one step of Newton's method."""

    def slope(p):
        return derivative_of(lambda p: p * p - 3 * p + bend * p)(p)

    return 1.0 - slope(1.0) / derivative_of(slope)(1.0)


def shifted(u):
    return lambda f: lambda x: f(x + u)


def by_shifting(derivative_of):
    """The derivative as that of u -> f(x + u) at 0."""
    return lambda f: lambda x: derivative_of(lambda u: shifted(u)(f)(x))(0.0)


def nth(derivative_of, f, n):
    return f if n == 0 else derivative_of(nth(derivative_of, f, n - 1))


# name: (function of two modes, what it has to yield)
CONFUSING = {
    "Siskind and Pearlmutter 2005": (
        lambda D, E: D(lambda x: x * E(lambda y: x + y)(1.0))(1.0),
        1.0,  # 2 if confused
    ),
    "Siskind and Pearlmutter 2008": (
        lambda D, E: D(lambda x: x * E(lambda y: x * y)(2.0))(3.0),
        6.0,
    ),
    "Manzyuk and others 2019": (
        lambda D, E: by_shifting(D)(by_shifting(E)(lambda x: x**3))(2.0),
        12.0,  # 0 if confused
    ),
    "Manzyuk and others 2019, one operator applied to itself": (
        lambda D, E: (lambda A: A(A(m.exp))(0.0))(by_shifting(D)),
        1.0,
    ),
    "an inner function that ignores its argument": (
        lambda D, E: D(lambda x: x + E(lambda y: 7.0)(x))(3.0),
        1.0,
    ),
    "an inner function that returns an outer variable": (
        lambda D, E: D(lambda x: x * E(lambda y: x)(1.0))(3.0),
        0.0,
    ),
    "nothing but an outer variable": (
        lambda D, E: D(lambda x: E(lambda y: x)(1.0))(3.0),
        0.0,
    ),
    "an inner function that returns an outer result": (
        lambda D, E: D(lambda x: x + E(lambda y: x * x)(x))(3.0),
        1.0,
    ),
    "an inner function that returns its argument": (
        lambda D, E: D(lambda x: x * E(lambda y: y)(x))(3.0),
        1.0,
    ),
    "an outer function that returns the inner derivative of its argument": (
        lambda D, E: D(E(lambda y: y * y * y))(3.0),
        18.0,
    ),
    "both variables, and the point is the outer one": (
        lambda D, E: D(lambda x: E(lambda y: x * y * y)(x))(3.0),
        12.0,
    ),
    "a function of a function": (
        lambda D, E: D(lambda x: E((lambda a: lambda y: a * y * y)(x))(x * x))(2.0),
        24.0,
    ),
    "two inner derivatives": (
        lambda D, E: D(lambda x: E(lambda y: y**3)(x) + E(lambda y: x * y)(x))(2.0),
        13.0,
    ),
    "an inner derivative made outside": (
        lambda D, E: (lambda slope: D(lambda x: x * slope(x))(2.0))(E(lambda y: y**3)),
        36.0,
    ),
    "three levels": (
        lambda D, E: D(lambda x: E(lambda y: D(lambda z: x * y * z * z)(y))(x))(2.0),
        16.0,
    ),
    "three levels, one of them skipped": (
        lambda D, E: D(lambda x: E(lambda y: y * D(lambda z: x * z * z)(x))(5.0))(2.0),
        8.0,
    ),
    "the outermost variable only": (
        lambda D, E: D(lambda x: E(lambda y: D(lambda z: x * x)(y) + y * x)(x))(2.0),
        1.0,
    ),
    "an inner loop": (lambda D, E: D(lambda a: newton_root(a, E))(4.0), 0.25),
    "Newton's method for a minimum": (
        lambda D, E: D(lambda bend: stationary(E, bend))(0.5),
        -0.5,
    ),
    "recursion": (lambda D, E: nth(D, nth(E, lambda x: x**6, 3), 3)(1.0), 720.0),
    "a condition on the inner variable": (
        lambda D, E: D(lambda x: E(lambda y: x * y if y > x else x / y)(1.0))(2.0),
        -1.0,
    ),
}


@each_pair
@pytest.mark.parametrize("name", CONFUSING)
def test_levels_are_not_confused(name, outer, inner):
    compute, expected = CONFUSING[name]
    assert compute(MODES[outer], MODES[inner]) == pytest.approx(
        expected, rel=1e-14, abs=1e-14
    )


# ---- Random terms with verbs in them ---------------------------------------------------

# A term is a whole number, a variable, the sum, difference or product of two terms, or
# the derivative of a term to a new variable, at a term. The variables are numbered from
# the outermost on.
LEAVES = st.integers(-2, 2).map(lambda n: ("number", n)) | st.integers(0, 4).map(
    lambda k: ("variable", k)
)
TERMS = st.recursive(
    LEAVES,
    lambda inner: (
        st.tuples(st.sampled_from(["add", "sub", "mul", "mul"]), inner, inner)
        | st.tuples(st.sampled_from(list(MODES)), inner, inner)
    ),
    max_leaves=12,
)


def evaluated(term, variables):
    """The term as a Python program with fastad in it."""
    kind, *parts = term
    if kind == "number":
        return parts[0]
    if kind == "variable":
        return variables[parts[0] % len(variables)]
    if kind in MODES:
        body, point = parts
        slope = MODES[kind](lambda x: evaluated(body, [*variables, x]))
        return slope(evaluated(point, variables))
    a, b = (evaluated(part, variables) for part in parts)
    return a + b if kind == "add" else a - b if kind == "sub" else a * b


# A polynomial is a dict: the exponents of the variables -> the coefficient.


def multiplied(p, q):
    product = {}
    for (a, x), (b, y) in itertools.product(p.items(), q.items()):
        exponents = tuple(i + j for i, j in itertools.zip_longest(a, b, fillvalue=0))
        product[exponents] = product.get(exponents, 0) + x * y
    return product


def added(p, q, sign=1):
    total = dict(p)
    for exponents, x in q.items():
        total[exponents] = total.get(exponents, 0) + sign * x
    return total


def padded(p, n):
    return {(*exponents, *[0] * (n - len(exponents))): x for exponents, x in p.items()}


def expanded(term, n):
    """The term as a polynomial in n variables."""
    kind, *parts = term
    if kind == "number":
        return {(0,) * n: parts[0]}
    if kind == "variable":
        return {tuple(int(k == parts[0] % n) for k in range(n)): 1}
    if kind in MODES:
        body, point = expanded(parts[0], n + 1), expanded(parts[1], n)
        total = {}
        for (*outer, k), x in body.items():
            monomial = {tuple(outer): k * x}
            for _ in range(k - 1):
                monomial = multiplied(monomial, point)
            total = added(total, monomial) if k else total
        return padded(total, n)
    p, q = (expanded(part, n) for part in parts)
    return (
        multiplied(p, q) if kind == "mul" else added(p, q, -1 if kind == "sub" else 1)
    )


def at(p, point):
    return sum(x * math.prod(map(pow, point, exponents)) for exponents, x in p.items())


@settings(max_examples=400, deadline=None, database=None)
@given(TERMS, st.integers(-2, 2))
def test_random_terms_with_verbs_in_them(term, x):
    p = expanded(term, 1)
    assume(sum(map(abs, p.values())) * 2 ** max((k for (k,) in p), default=0) < 2**40)
    found = grad(lambda x: evaluated(term, [x]))(x)
    slope = {(k - 1,): k * c for (k,), c in p.items() if k}
    assert found == at(slope, (x,))
    assert derivative(lambda x: evaluated(term, [x]))(x) == found


# ---- Every row at second order ---------------------------------------------------------

ROWS = {row.name: row for row in _core.rows()}
POINTS = {1: [(0.7,), (0.2,)], 2: [(0.7, 1.9), (3.0, 0.4)], 3: [(0.7, 1.9, -0.3)]}
POINTS_OF = {
    "FROM_1": [(1.3,), (4.0,)],
    "ORDER": [(2.0, 1.9), (0.0, 0.4)],
    "DIGITS": [(0.7, 0.0)],
}


def second_derivatives(name, point):
    """(first, second argument, the derivative) of a row, where truth has one."""
    for first, second in itertools.product(range(len(point)), repeat=2):
        if "NAN" in (ROWS[name].partials[first], ROWS[name].partials[second]):
            continue
        expected = truth.second_derivative(name, point, first, second)
        if expected is not None:
            yield first, second, expected


def along(f, point, which):
    """f of one number, the argument number `which`."""
    return lambda x: f(*point[:which], x, *point[which + 1 :])


@pytest.mark.parametrize("name", ROWS)
def test_every_row_twice(name):
    """The inner derivative to one argument, the outer one to another or the same."""
    row = ROWS[name]
    f = _core.function(name, "")
    for point in POINTS_OF.get(row.domain, POINTS[row.arity]):
        for first, second, expected in second_derivatives(name, point):
            for outer, inner in itertools.product(FOUR, FOUR):

                def slope(x, first=first, second=second, point=point, inner=inner):
                    moved = [*point]
                    moved[first] = x
                    return MODES[inner](along(f, moved, second))(moved[second])

                found = MODES[outer](slope)(point[first])
                error = tolerances.error(found, expected, scale=1e-3)
                assert error <= 10 * tolerances.of_row(name), (
                    point,
                    first,
                    second,
                    outer,
                    inner,
                )


# ---- Operations on any number of operands, twice ---------------------------------------

M = mpmath.mp
# name: (function of two numbers, the same in mpmath)
MANY_OPERANDS = {
    "fsum": (
        lambda x, y: fastad.fsum([x * x, y, y * x, 2.0]),
        lambda x, y: x * x + y + y * x + 2,
    ),
    "sumprod": (
        lambda x, y: fastad.sumprod([x, y, 3.0], [y, x * x, y * y]),
        lambda x, y: x * y + y * x * x + 3 * y * y,
    ),
    "hypot": (
        lambda x, y: m.hypot(x, y, x * y),
        lambda x, y: M.sqrt(x * x + y * y + x * x * y * y),
    ),
    "hypot of one": (lambda x, y: m.hypot(x * y * y), lambda x, y: x * y * y),
    "dist": (
        lambda x, y: m.dist((x, y), (y * y, 1.0)),
        lambda x, y: M.sqrt((x - y * y) ** 2 + (y - 1) ** 2),
    ),
    "norm": (
        lambda x, y: norm([x, y, x * y, 2.0]),
        lambda x, y: M.sqrt(x * x + y * y + x * x * y * y + 4),
    ),
    "logsumexp": (
        lambda x, y: fastad.logsumexp([x, y * y, x * y]),
        lambda x, y: M.log(M.exp(x) + M.exp(y * y) + M.exp(x * y)),
    ),
    "fma": (lambda x, y: m.fma(x, y * y, x), lambda x, y: x * y * y + x),
    "prod": (lambda x, y: m.prod([x, y, x]), lambda x, y: x * y * x),
    "sum": (lambda x, y: sum([x * y, x, y * y]), lambda x, y: x * y + x + y * y),
    "log to a base": (lambda x, y: m.log(x, y), lambda x, y: M.log(x) / M.log(y)),
    "degrees": (lambda x, y: m.degrees(x * y * y), lambda x, y: x * y * y * 180 / M.pi),
    "radians": (lambda x, y: m.radians(x * y * y), lambda x, y: x * y * y * M.pi / 180),
    "ldexp": (lambda x, y: m.ldexp(x * y * y, 3), lambda x, y: 8 * x * y * y),
    "frexp": (lambda x, y: m.frexp(x * y * y)[0], lambda x, y: x * y * y / 16),
    "modf": (lambda x, y: m.modf(x * y * y)[0], lambda x, y: x * y * y),
    "nextafter": (lambda x, y: m.nextafter(x * y * y, 2.0), lambda x, y: x * y * y),
    "divmod": (lambda x, y: divmod(x * y * y, 0.3)[1], lambda x, y: x * y * y),
    "mod": (lambda x, y: (x * y * y) % 5.0, lambda x, y: x * y * y),
    "round": (
        lambda x, y: round(x, 1) * y * y * x,
        lambda x, y: mpmath.mpf("1.7") * y * y * x,
    ),
    "clip": (lambda x, y: clip(x * y * y, 0.0, 10.0), lambda x, y: x * y * y),
    "where": (lambda x, y: where(x > y, x, x * y * y), lambda x, y: x * y * y),
    "max, min": (lambda x, y: max(x * y, y) * min(y, 9.0), lambda x, y: x * y * y),
    "sorted": (lambda x, y: sorted([y, x * y * y, 9])[2], lambda x, y: x * y * y),
    "absolute value": (lambda x, y: abs(-x * y * y), lambda x, y: x * y * y),
}


@pytest.mark.parametrize("name", MANY_OPERANDS)
def test_many_operands_twice(name):
    f, formula = MANY_OPERANDS[name]
    point = 1.71, 2.3
    for orders in [(1, 1), (2, 0), (0, 2)]:
        with M.workprec(300):
            expected = mpmath.diff(formula, tuple(map(mpmath.mpf, point)), orders)
        for outer, inner in itertools.product(FOUR, FOUR):
            D, E = MODES[outer], MODES[inner]
            if orders == (1, 1):
                found = D(lambda x, E=E: E(lambda y: f(x, y))(point[1]))(point[0])
            else:
                one = along(f, point, orders[0] == 0)
                found = D(E(one))(point[orders[0] == 0])
            error = tolerances.error(found, expected, scale=1.0)
            assert error < tolerances.SPECIAL, (orders, outer, inner, found, expected)


# ---- Odd points, twice -----------------------------------------------------------------

INF = math.inf
# The derivative; else the minimum-norm subgradient's; else the limit; else nan.
ODD_POINTS = {
    "abs": (abs, 0.0, 0.0),
    "abs squared": (lambda x: abs(x) ** 2, 0.0, 0.0),
    "sign": (sign, 0.0, 0.0),
    "relu": (relu, 0.0, 0.0),
    "relu squared": (lambda x: relu(x) ** 2, 0.0, 0.0),
    "maximum, tie of x and x**2": (lambda x: maximum(x, x * x), 1.0, 1.0),
    "minimum, tie of x and x**2": (lambda x: minimum(x, x * x), 1.0, 1.0),
    "maximum of the same": (lambda x: maximum(x * x, x * x), 1.0, 2.0),
    "clip at its bound": (lambda x: clip(x * x, 0.0, 1.0), 1.0, 1.0),
    "max of the builtins": (lambda x: max(x, x * x), 1.0, 0.0),
    "x**0": (lambda x: x**0, 0.0, 0.0),
    "x**1": (lambda x: x**1, 0.0, 0.0),
    "x**2": (lambda x: x**2, 0.0, 2.0),
    "x**3": (lambda x: x**3, 0.0, 0.0),
    "x**4": (lambda x: x**4, 0.0, 0.0),
    "x**2, negative": (lambda x: x**2, -3.0, 2.0),
    "x**3, negative": (lambda x: x**3, -3.0, -18.0),
    "x**-1, negative": (lambda x: x**-1, -2.0, -0.25),
    "x**0.5": (lambda x: x**0.5, 0.0, -INF),
    "x**1.5": (lambda x: x**1.5, 0.0, INF),
    "x**2.5": (lambda x: x**2.5, 0.0, 0.0),
    "2**x": (lambda x: 2.0**x, 0.0, math.log(2.0) ** 2),
    "0**x": (lambda x: 0.0**x, 1.5, 0.0),
    "sqrt": (m.sqrt, 0.0, -INF),
    "sqrt of -0.0": (m.sqrt, -0.0, -INF),
    "x*sqrt(x)": (lambda x: x * m.sqrt(x), 0.0, INF),
    "asin": (m.asin, 1.0, INF),
    "asin on the left": (m.asin, -1.0, -INF),
    "acos": (m.acos, 1.0, -INF),
    "acosh": (m.acosh, 1.0, -INF),
    "xlogy": (lambda x: xlogy(x, x), 0.0, INF),
    "xlogy of a constant": (lambda x: xlogy(x, 2.0), 0.0, 0.0),
    "hypot off the origin": (lambda x: m.hypot(x, 2.0), 0.0, 0.5),
    "where, and the other arm is odd": (
        lambda x: where(x > 0, m.sqrt(abs(x)), x * x),
        0.0,
        2.0,
    ),
    "a branch around an odd point": (
        lambda x: m.exp(-1 / x) if x > 0 else 0 * x,
        0.0,
        0.0,
    ),
    "mod": (lambda x: (x % 2) * x, 4.0, 2.0),
    "floor": (lambda x: x * fastad.floor(x), 2.0, 0.0),
    "logaddexp of the same": (lambda x: fastad.logaddexp(x, x), 3.0, 0.0),
    "underflow": (lambda x: m.exp(-x * x), 40.0, 0.0),
    "saturation": (m.tanh, 400.0, 0.0),
}


@pytest.mark.parametrize("name", ODD_POINTS)
def test_odd_points_twice(name):
    f, x, expected = ODD_POINTS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.NonSmoothWarning)
        for outer, inner in itertools.product(FOUR, FOUR):
            found = differentiated(f, [outer, inner])(x)
            assert found == pytest.approx(expected, rel=1e-15), (outer, inner)


@each_pair
def test_zero_absorbs_inside_and_says_so(outer, inner):
    """As it does in a derivative that is not nested."""
    D, E = MODES[outer], MODES[inner]
    with pytest.warns(errors.NonSmoothWarning):
        assert D(lambda x: x * E(lambda y: m.sqrt(y) * (y * x) * 0.0)(x))(0.0) == 0.0
    if inner == "grad":
        strictly = grad(lambda y: m.sqrt(y) * 0.0, on_nan="raise")
        with pytest.raises(errors.NonSmoothError), warnings.catch_warnings():
            warnings.simplefilter("ignore", errors.NonSmoothWarning)
            D(strictly)(0.0)


# ---- Values, seeds, tangents and containers of an outer level --------------------------

Pair = namedtuple("Pair", "a b")


@dataclass
class Record:
    a: float
    b: list


def objects(*items):
    return numpy.array(items, dtype=object)


# name: (function of x with a verb in it, its derivative at 2.0)
INSIDE = {
    "value": (lambda x: value_and_grad(lambda y: x * y * y)(x)[0], 12.0),
    "value of vjp": (lambda x: vjp(lambda y: [x * y, 3.0, x], x)[0][0], 4.0),
    "value of jvp": (lambda x: jvp(lambda y: [x * y, 3.0, x], (x,), (1.0,))[0][0], 4.0),
    "constant in the value of vjp": (lambda x: vjp(lambda y: [y, x * x], x)[0][1], 4.0),
    "aux": (lambda x: grad(lambda y: (y, x * y), has_aux=True)(x)[1], 4.0),
    "aux in containers": (
        lambda x: grad(lambda y: (y, {"a": [x * y, "text"]}), has_aux=True)(x)[1]["a"][
            0
        ],
        4.0,
    ),
    "seed": (lambda x: vjp(lambda y: y**2, 3.0)[1](x)[0], 6.0),
    "seed and point": (lambda x: vjp(lambda y: y**2, x)[1](x)[0], 8.0),
    "seeds": (
        lambda x: vjp(lambda y: {"a": y[0] * y[1], "b": y}, [x, 3.0])[1](
            {"a": x, "b": [x * x, 1.0]}
        )[0][0],
        3.0 + 4.0,
    ),
    "a pullback called twice": (
        lambda x: (lambda pull: pull(x)[0] + pull(1.0)[0] * pull(x)[0])(
            vjp(lambda y: y**2, x)[1]
        ),
        8.0 + 48.0,
    ),
    "tangent": (lambda x: jvp(lambda y: y**2, (3.0,), (x,))[1], 6.0),
    "tangent that is 0": (lambda x: jvp(lambda y: y**2, (3.0,), (x - 2.0,))[1], 6.0),
    "tangent and point": (lambda x: jvp(lambda y: y**2, (x,), (x,))[1], 8.0),
    "list": (lambda x: sum(grad(lambda p: p[0] * p[1] ** 2)([x, 3.0])), 6.0),
    "tuple": (lambda x: grad(lambda p: p[0] * p[1] ** 2)((x, x))[1], 8.0),
    "namedtuple": (lambda x: grad(lambda p: p.a * p.b**2)(Pair(x, x)).b, 8.0),
    "dict": (
        lambda x: grad(lambda p: p["a"] * p["b"] ** 2)({"a": x, "b": x})["b"],
        8.0,
    ),
    "dataclass": (
        lambda x: grad(lambda p: p.a * p.b[0] ** 2)(Record(x, [x])).b[0],
        8.0,
    ),
    "array": (lambda x: grad(lambda p: (p**3).sum())(objects(x, 3 * x)).sum(), 120.0),
    "array of mixed numbers": (
        lambda x: grad(lambda p: p[0] * p[1] ** 2)(objects(x, 3.0))[1],
        6.0,
    ),
    "array as a result": (lambda x: derivative(lambda y: objects(y * x, y))(x)[0], 1.0),
    "array of floats as a result": (
        lambda x: derivative(lambda y: objects(y * y, 1.0))(3.0)[0] * x,
        6.0,
    ),
    "several arguments": (
        lambda x: grad(lambda a, b, c: a * b**2 * c**3, (2, 0))(x, x, x)[0],
        15 * 2.0**4,
    ),
    "an argument that is not differentiated": (
        lambda x: grad(lambda a, b: a * a * b)(x, x),
        8.0,
    ),
    "keyword argument": (lambda x: grad(lambda a, b: a * a * b)(x, b=x), 8.0),
    "attribute of a closure": (
        lambda x: grad(lambda y, box=[x]: box[0] * y * y)(x),
        8.0,
    ),
}


@pytest.mark.parametrize("mode", FOUR)
@pytest.mark.parametrize("name", INSIDE)
def test_numbers_of_an_outer_level_inside(name, mode):
    f, expected = INSIDE[name]
    assert MODES[mode](f)(2.0) == expected


def test_a_tangent_of_an_outer_level_is_never_plain():
    x = Var(3.0)
    tangent = (Dual(2.0, 5.0) * x).tangent
    tangent.backward()
    assert (type(tangent), tangent.value, x.grad) == (Var, 15.0, 5.0)


# ---- What goes wrong inside ------------------------------------------------------------

EXCEPTIONS = [ValueError, KeyboardInterrupt, MemoryError, RecursionError, StopIteration]


@each_pair
def test_exceptions_pass_and_leave_nothing(outer, inner):
    D, E = MODES[outer], MODES[inner]
    gc.collect()
    before = _core.live_vars()
    for kind in EXCEPTIONS:
        thrown = kind("mine")

        def fails(y, x, thrown=thrown):
            z = x * y * y
            if thrown is not None:
                raise thrown
            return z

        with pytest.raises(kind) as caught:
            D(lambda x, fails=fails: E(lambda y: fails(y, x))(x))(2.0)
        assert caught.value is thrown
        thrown.__traceback__ = None
        del caught
        assert D(lambda x: E(lambda y: x * y * y)(x))(3.0) == 12.0
    gc.collect()
    assert _core.live_vars() == before


@each_pair
def test_a_caught_exception_does_no_harm(outer, inner):
    D, E = MODES[outer], MODES[inner]

    def f(x):
        try:
            E(lambda y: x * y / 0.0)(x)
        except ZeroDivisionError:
            return E(lambda y: x * y * y)(x)

    assert D(f)(3.0) == 12.0


@each_pair
def test_generators(outer, inner):
    D, E = MODES[outer], MODES[inner]

    def powers(x):
        """Each next power is computed while the verb that asks for it runs."""
        power = 1.0
        while True:
            power = power * x
            yield power

    def f(x):
        of_outer = powers(x)
        first = E(lambda y: next(of_outer) * y + next(of_outer))(x)  # x
        of_both = (x * y for y in [x, 2.0])
        second = E(lambda y: y * next(of_both) * next(of_both))(1.0)  # 2*x**3
        return first + second + next(of_outer)  # + x**3

    assert D(f)(2.0) == 1.0 + 9 * 4.0


@each_pair
def test_a_generator_that_is_suspended_within_a_level(outer, inner):
    """Its Vars are used while other levels open and close."""
    D, E = MODES[outer], MODES[inner]

    def terms(x):
        total = x
        for k in range(3):
            total = total * E(lambda y, k=k: y * y + k * y)(x)
            yield total

    def f(x):
        return [E(lambda y, t=t: t * y)(1.0) for t in terms(x)][-1]

    # x * (2*x) * (2*x + 1) * (2*x + 2)
    with mpmath.mp.workprec(200):
        expected = mpmath.diff(lambda x: x * 2 * x * (2 * x + 1) * (2 * x + 2), 2)
    assert D(f)(2.0) == expected


STALE = "belongs to a computation that has ended"


@each_pair
def test_what_leaks_from_an_inner_level_is_refused(outer, inner):
    D, E = MODES[outer], MODES[inner]
    box = []

    def leaky(y):
        box.append(y * 2)
        return y * y

    uses = [
        lambda x: box[-1] * x,
        lambda x: box[-1] + 1.0,
        lambda x: -box[-1],
        lambda x: m.sin(box[-1]),
        lambda x: m.hypot(box[-1], x, 1.0),
        lambda x: fastad.fsum([x, box[-1]]),
        lambda x: where(True, x, 1.0) + where(False, box[-1], x * 0.0 + box[-1]),
        lambda x: box[-1],
        lambda x: E(lambda y: y)(box[-1]),
        lambda x: E(lambda y: y * box[-1])(x),
        lambda x: E(lambda y: box[-1])(x),
        lambda x: grad(lambda y: y[0])([box[-1]]),
        lambda x: jvp(lambda y: y, (x,), (box[-1],))[1],
        lambda x: vjp(lambda y: y, x)[1](box[-1])[0] + 0.0,
    ]
    for use in uses:
        with pytest.raises(errors.StaleVarError, match=STALE):
            D(lambda x, use=use: (E(leaky)(x), use(x))[1])(2.0)
    leaked = box[-1]
    assert leaked.value == 4.0
    assert (repr(leaked)[-5:], leaked > 3.9, leaked == 4.0) == ("(4.0)", True, True)
    assert D(lambda x: E(lambda y: x * y * y)(x))(3.0) == 12.0


@each_pair
def test_an_outer_number_leaves_its_level_unharmed(outer, inner):
    """Kept by an inner function, it can be used for as long as its own level is there."""
    D, E = MODES[outer], MODES[inner]
    box = []

    def f(x):
        E(lambda y: box.append(x * 3) or y * x)(x)
        return box[-1] * x

    assert D(f)(2.0) == 12.0
    with pytest.raises(errors.StaleVarError, match=STALE):
        box[-1] * 2


def test_a_pullback_keeps_its_own_level_and_no_other():
    box = []

    def f(x):
        value, pull = vjp(lambda y: x * y * y, 3.0)
        box.append(pull)
        return value + pull(x)[0]

    assert grad(f)(2.0) == 9.0 + 24.0
    with pytest.raises(errors.StaleVarError, match=STALE):
        box[0](2.0)[0] * 1.5


def test_a_number_of_a_recording_lives_as_long_as_its_pullback():
    box = []
    _, pull = vjp(lambda y: box.append(y * 3) or y * y, 2.0)
    assert grad(lambda x: x * box[0])(2.0) == 6.0
    assert grad(lambda x: box[0])(2.0) == 0.0
    assert pull(1.0) == (4.0,)
    del pull
    with pytest.raises(errors.StaleVarError, match=STALE):
        box[0] + 1


# ---- Numbers made by hand ----------------------------------------------------------------


def test_verbs_on_a_var_made_by_hand():
    x = Var(2.0)
    y = grad(lambda y: y**3)(x) + derivative(lambda y: y**3)(x) * 10
    y.backward()
    assert (y.value, x.grad) == (132.0, 132.0)
    assert grad(lambda y: x * y)(3.0) == 2.0
    assert grad(lambda y: x * y)(3.0).backward() is None
    assert x.grad == 1.0


def test_verbs_on_a_dual_made_by_hand():
    x = Dual(2.0, (1.0, 5.0))
    assert grad(lambda y: y**3)(x).tangent == (12.0, 60.0)
    assert derivative(lambda y: y**3)(x).tangent == (12.0, 60.0)
    assert derivative(derivative(lambda y: y**3))(x).tangent == (6.0, 30.0)


def test_backward_inside_a_verb():
    def f(x):
        y = Var(x.value)
        (y * y * y).backward()
        return x * y.grad

    assert grad(f)(2.0) == derivative(f)(2.0) == 12.0

    def g(x):
        y = Var(2.0)
        (y * x).backward()
        return x

    for mode in ("grad", "vjp"):
        with pytest.raises(errors.MixedTapesError, match=r"use fastad\.grad"):
            MODES[mode](g)(3.0)


def test_vars_of_two_tapes_made_by_hand_do_not_mix():
    x = Var(2.0)
    with (
        fastad.Tape() as tape,
        pytest.raises(errors.MixedTapesError, match="two tapes"),
    ):
        tape.var(3.0) * x


# ---- Several variables ------------------------------------------------------------------


def test_hessians_in_every_mixture():
    """Row by row, with what mpmath finds."""

    def f(p, m):
        x, y, z = p
        return m.exp(x * y) * m.sin(z) + x / (y + z) - m.log(x + z * z) * y**3

    point = [0.7, 1.3, 0.4]
    directions = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    n = range(3)

    def reverse(p):
        return grad(lambda p: f(p, m))(p)

    def forward(p):
        return [jvp(lambda p: f(p, m), (p,), (v,))[1] for v in directions]

    found = {}
    for name, gradient in {"reverse": reverse, "forward": forward}.items():
        _, pull = vjp(gradient, point)
        found["reverse over", name] = [pull(v)[0] for v in directions]
        found["forward over", name] = [
            jvp(gradient, (point,), (v,))[1] for v in directions
        ]
        found["grad over", name] = [
            grad(lambda p, i=i, gradient=gradient: gradient(p)[i])(point) for i in n
        ]
    with mpmath.mp.workprec(300):
        for i, j in itertools.product(n, n):
            orders = tuple((k == i) + (k == j) for k in n)
            expected = mpmath.diff(
                lambda *p: f(p, mpmath.mp), tuple(map(mpmath.mpf, point)), orders
            )
            for modes, hessian in found.items():
                error = tolerances.error(hessian[i][j], expected)
                assert error < tolerances.SPECIAL, (modes, i, j)


def test_nothing_is_left_behind():
    def f(x):
        return grad(lambda y: m.sin(x * y) * derivative(lambda z: x * z**3)(y))(x)

    def run(n):
        for _ in range(n):
            grad(f)(1.3)
            derivative(f)(1.3)
            vjp(f, 1.3)[1](2.0)

    run(20)
    gc.collect()
    vars_before, blocks_before = _core.live_vars(), sys.getallocatedblocks()
    run(200)
    gc.collect()
    assert _core.live_vars() == vars_before
    assert sys.getallocatedblocks() - blocks_before < 50
