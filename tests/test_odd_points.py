"""Derivatives where there is none, or none that is finite: kinks, ties, poles, ends.

In this order: the derivative; else the subgradient of least norm; else the limit, which
may be infinite; else nan.
"""

import math
import warnings

import numpy as np
import pytest
from outcomes import INF, NAN, agrees, is_same_float

import fastad
from fastad import Var, clip, errors, grad, maximum, minimum, where
from fastad import math as m


def row(label, f, *args):
    """The last of args is the gradient expected, the others are the point."""
    return pytest.param(f, args[:-1], args[-1], id=label)


def gradient(f, point, **options):
    return grad(f, tuple(range(len(point))), **options)(*point)


def same(x, y):
    """Equal floats; nan equals nan, and a zero a zero of either sign."""
    return x == y or (x != x and y != y)


KINKS = [
    row("abs(0)", abs, 0.0, (0,)),
    row("abs(-0.0)", abs, -0.0, (0,)),
    row("fabs(0)", m.fabs, 0.0, (0,)),
    row("abs beside 0", abs, -5e-324, (-1,)),
    row("abs(-inf)", abs, -INF, (-1,)),
    row("sign(0)", fastad.sign, 0.0, (0,)),
    row("sign(-3)", fastad.sign, -3.0, (0,)),
    row("relu(0)", fastad.relu, 0.0, (0,)),
    row("relu beside 0", fastad.relu, 5e-324, (1,)),
    row("copysign(-3, 0.0)", m.copysign, -3.0, 0.0, (-1, 0)),
    row("copysign(3, -0.0)", m.copysign, 3.0, -0.0, (-1, 0)),
    row("copysign(0, -1)", m.copysign, 0.0, -1.0, (0, 0)),
    row("hypot(0, 0)", m.hypot, 0.0, 0.0, (0, 0)),
    row("hypot(0)", m.hypot, 0.0, (0,)),
    row("hypot(0, 0, 0)", m.hypot, 0.0, -0.0, 0.0, (0, 0, 0)),
    row("hypot(0, -2)", m.hypot, 0.0, -2.0, (0, -1)),
    row("hypot of subnormals", m.hypot, 5e-324, 0.0, (1, 0)),
    row("hypot(3e300, 4e300)", m.hypot, 3e300, 4e300, (0.6, 0.8)),
    row("hypot(inf, 1)", m.hypot, INF, 1.0, (1, 0)),
    row("norm(0)", lambda x, y: fastad.norm([x, y]), 0.0, 0.0, (0, 0)),
    row("norm of an array at 0", lambda x: fastad.norm(np.array([x, x])), 0.0, (0,)),
    row("dist(p, p)", lambda x, y: m.dist([x, y], [y, x]), 2.0, 2.0, (0, 0)),
    row("dist of inf", lambda x, y: m.dist([x, 1.0], [y, 1.0]), 3.0, INF, (-1, 1)),
]

TIES = [
    row("maximum(x, y)", maximum, 2.0, 2.0, (0.5, 0.5)),
    row("maximum(0.0, -0.0)", maximum, 0.0, -0.0, (0.5, 0.5)),
    row("maximum(x, x)", lambda x: maximum(x, x), 2.0, (1,)),
    row("maximum(x, 2)", lambda x: maximum(x, 2.0), 2.0, (0.5,)),
    row("maximum(2, x)", lambda x: maximum(2.0, x), 2.0, (0.5,)),
    row("maximum(x, 3)", lambda x: maximum(x, 3.0), 2.0, (0,)),
    row("maximum(inf, inf)", maximum, INF, INF, (0.5, 0.5)),
    row("minimum(x, y)", minimum, 2.0, 2.0, (0.5, 0.5)),
    row("minimum(x, x)", lambda x: minimum(x, x), 2.0, (1,)),
    row("minimum(2, x)", lambda x: minimum(2, x), 2.0, (0.5,)),
    row("clip at its low end", clip, 0.0, 0.0, 1.0, (0.5, 0.5, 0)),
    row("clip at its high end", clip, 1.0, 0.0, 1.0, (0.5, 0, 0.5)),
    row("clip inside", clip, 0.5, 0.0, 1.0, (1, 0, 0)),
    row("clip below", clip, -1.0, 0.0, 1.0, (0, 1, 0)),
    row("clip above", clip, 2.0, 0.0, 1.0, (0, 0, 1)),
    row("clip with one side open", lambda x: clip(x, None, 1.0), 1.0, (0.5,)),
    row("max(x, y) picks the first", max, 2.0, 2.0, (1, 0)),
    row("min(x, y) picks the first", min, 2.0, 2.0, (1, 0)),
    row("max(2, x) picks the constant", lambda x: max(2.0, x) * x, 2.0, (2,)),
    row("sorted is stable", lambda x, y: sorted([x, y])[1], 2.0, 2.0, (0, 1)),
    row("np.maximum picks the first", np.maximum, 2.0, 2.0, (1, 0)),
    row("v.maximum(w) has a tie", lambda x, y: x.maximum(y), 2.0, 2.0, (0.5, 0.5)),
]

ENDS = [
    row("sqrt(0)", m.sqrt, 0.0, (INF,)),
    row("sqrt(-0.0)", m.sqrt, -0.0, (INF,)),
    row("sqrt(5e-324)", m.sqrt, 5e-324, (0.5 / math.sqrt(5e-324),)),
    row("sqrt(inf)", m.sqrt, INF, (0,)),
    row("cbrt(0)", m.cbrt, 0.0, (INF,)),
    row("cbrt(-0.0)", m.cbrt, -0.0, (INF,)),
    row("asin(1)", m.asin, 1.0, (INF,)),
    row("asin(-1)", m.asin, -1.0, (INF,)),
    row("acos(1)", m.acos, 1.0, (-INF,)),
    row("acos(-1)", m.acos, -1.0, (-INF,)),
    row("acosh(1)", m.acosh, 1.0, (INF,)),
    row("log(inf)", m.log, INF, (0,)),
    row("log(5e-324)", m.log, 5e-324, (INF,)),
    row("atan(inf)", m.atan, INF, (0,)),
    row("tanh(inf)", m.tanh, INF, (0,)),
    row("exp(-inf)", m.exp, -INF, (0,)),
    row("erf(-inf)", m.erf, -INF, (0,)),
    row("expit(-inf)", fastad.expit, -INF, (0,)),
    row("softplus(inf)", fastad.softplus, INF, (1,)),
    row("logaddexp(-inf, 0)", fastad.logaddexp, -INF, 0.0, (0, 1)),
    row("logaddexp(inf, 0)", fastad.logaddexp, INF, 0.0, (1, 0)),
    row("xlogy(0, 0)", fastad.xlogy, 0.0, 0.0, (-INF, 0)),
    row("xlogy(0, 2)", fastad.xlogy, 0.0, 2.0, (math.log(2), 0)),
    row("1 / inf", lambda x: 1 / x, INF, (0,)),
    row("x / inf", lambda x: x / INF, 1.0, (0,)),
    row("x * inf", lambda x: x * INF, 1.0, (INF,)),
    row("atan2(0, 0)", m.atan2, 0.0, 0.0, (NAN, NAN)),
    row("atan2(0, -1)", m.atan2, 0.0, -1.0, (-1, 0)),
    row("atan2 of subnormals", m.atan2, 0.0, 1e-310, (1 / 1e-310, 0)),
]

POWERS = [
    row("x**0 at 0", lambda x: x**0, 0.0, (0,)),
    row("x**0.0 at -2", lambda x: x**0.0, -2.0, (0,)),
    row("x**0 at inf", lambda x: x**0, INF, (0,)),
    row("x**0 at nan", lambda x: x**0, NAN, (0,)),
    row("x**1 at 0", lambda x: x**1, 0.0, (1,)),
    row("x**1 at inf", lambda x: x**1, INF, (1,)),
    row("x**2 at 0", lambda x: x**2, 0.0, (0,)),
    row("x**3 at -2", lambda x: x**3, -2.0, (12,)),
    row("x**-1 at -2", lambda x: x**-1, -2.0, (-0.25,)),
    row("x**-3.0 at -2", lambda x: x**-3.0, -2.0, (-3 / 16,)),
    row("x**0.5 at 0", lambda x: x**0.5, 0.0, (INF,)),
    row("x**0.3 at 0", lambda x: x**0.3, 0.0, (INF,)),
    row("x**1.5 at 0", lambda x: x**1.5, 0.0, (0,)),
    row("x**1.5 at -0.0", lambda x: x**1.5, -0.0, (0,)),
    row("x**2 at 1e-200", lambda x: x**2, 1e-200, (2e-200,)),
    row("x**3 at 1e-120", lambda x: x**3, 1e-120, (pytest.approx(3e-240, rel=1e-13),)),
    row(
        "x**1e-3 at 1e-308",
        lambda x: x**1e-3,
        1e-308,
        (pytest.approx(0.001 * 1e-308**0.001 * 1e308),),
    ),
    row("x**y at (0, 2)", pow, 0.0, 2.0, (0, 0)),
    row("x**y at (0, 0.5)", pow, 0.0, 0.5, (INF, 0)),
    row("x**y at (0, 0)", pow, 0.0, 0.0, (0, NAN)),
    row("x**y at (-2, 3)", pow, -2.0, 3.0, (12, NAN)),
    row("x**y at (1, inf)", pow, 1.0, 5.0, (5, 0)),
    row("0**y", lambda y: 0**y, 2.0, (0,)),
    row("(-2)**y", lambda y: (-2) ** y, 2.0, (NAN,)),
    row("1**y", lambda y: 1**y, 2.0, (0,)),
    row("math.pow(x, 0)", lambda x: m.pow(x, 0), 0.0, (0,)),
]

STEPS = [
    row("x % y", lambda x, y: x % y, -5.5, 2.0, (1, 3)),
    row("x % y, y < 0", lambda x, y: x % y, 5.5, -2.0, (1, 3)),
    row("x % y at a multiple", lambda x, y: x % y, 6.0, 2.0, (1, -3)),
    row("1.0 % 0.1", lambda x, y: x % y, 1.0, 0.1, (1, -9)),
    row("x % inf", lambda x, y: x % y, 5.0, INF, (1, 0)),
    row("-x % inf", lambda x, y: x % y, -5.0, INF, (1, 1)),
    row("divmod", lambda x, y: divmod(x, y)[1], -5.5, 2.0, (1, 3)),
    row("fmod", m.fmod, -5.5, 2.0, (1, 2)),
    row("fmod, y < 0", m.fmod, 5.5, -2.0, (1, 2)),
    row("fmod(1.0, 0.1)", m.fmod, 1.0, 0.1, (1, -9)),
    row("remainder", m.remainder, 5.5, 2.0, (1, -3)),
    row("x // y", lambda x, y: x // y, -5.5, 2.0, (0, 0)),
    row("fastad.floor", fastad.floor, 2.5, (0,)),
    row("fastad.floor at an integer", fastad.floor, 2.0, (0,)),
    row("fastad.ceil", fastad.ceil, 2.5, (0,)),
    row("fastad.trunc", fastad.trunc, -2.5, (0,)),
    row("fastad.rint", fastad.rint, 2.5, (0,)),
    row("v.floor()", lambda x: x.floor(), 2.5, (0,)),
    row("v.rint()", lambda x: x.rint(), 2.5, (0,)),
    row("round(x, 1)", lambda x: round(x, 1), 2.55, (0,)),
    row("x - floor(x)", lambda x: x - fastad.floor(x), 2.5, (1,)),
    row("modf", lambda x: m.modf(x)[0], -2.5, (1,)),
    row("modf, whole part", lambda x: m.modf(x)[1], -2.5, (0,)),
    row("frexp", lambda x: m.frexp(x)[0], 10.0, (1 / 16,)),
    row("frexp at 0", lambda x: m.frexp(x)[0], 0.0, (1,)),
    row("ldexp(x, -3)", lambda x: m.ldexp(x, -3), 5.0, (0.125,)),
    row("ldexp down to 0", lambda x: m.ldexp(x, -2000), 5.0, (0,)),
    row("nextafter", m.nextafter, 1.0, 2.0, (1, 0)),
    row("ulp", m.ulp, 1.0, (0,)),
]

CHOICES = [
    row("where true", lambda x, y: where(True, x, y), 1.0, 2.0, (1, 0)),
    row("where false", lambda x, y: where(x > y, x, y), 1.0, 2.0, (0, 1)),
    row("where of sqrt at 0", lambda x: where(x > 0, m.sqrt(x), 0.0), 0.0, (0,)),
    row("where of sqrt at 0, x", lambda x: where(x > 0, m.sqrt(x), x), 0.0, (1,)),
    row("where of x**0.5", lambda x: x * where(x > 0, x**0.5, 2.0), 0.0, (2,)),
    row("where of a constant", lambda x: where(x > 0, 3.0, x), 1.0, (0,)),
    row("where of atan2(0, 0)", lambda x: where(x != 0, m.atan2(x, x), x), 0.0, (1,)),
    row("where by a Var", lambda x: where(x, 2 * x, 3 * x), 1.0, (2,)),
]


@pytest.mark.parametrize(
    ("f", "point", "expected"), [*KINKS, *TIES, *ENDS, *POWERS, *STEPS, *CHOICES]
)
def test_the_gradient_at(f, point, expected):
    """The same from a verb and from backward(), without any warning."""
    found = gradient(f, point)
    assert len(found) == len(expected)
    assert all(map(same, found, expected)), found

    inputs = [Var(x) for x in point]
    f(*inputs).backward()
    of_inputs = [x.grad or 0.0 for x in inputs]
    assert all(map(same, of_inputs, expected)), of_inputs


def test_the_steps_that_are_nodes():
    for step in (fastad.floor, fastad.ceil, fastad.trunc, fastad.rint, fastad.sign):
        assert type(step(2.5)) is float
        assert agrees(step(Var(2.5)), step(2.5))
        assert is_same_float(step(INF), step(Var(INF)).value)
    for name in ("floor", "ceil", "trunc", "rint"):
        assert type(getattr(Var(2.5), name)()) is Var
    assert agrees(Var(2.5) // 1, 2.0)
    assert agrees(round(Var(2.55), 1), 2.5)


def test_the_steps_that_are_ints():
    for step in (
        math.floor,
        m.floor,
        math.ceil,
        m.ceil,
        math.trunc,
        m.trunc,
        int,
        round,
    ):
        assert type(step(Var(2.5))) is int


def test_an_input_that_a_step_cuts_off_is_reached():
    x, y = Var(2.5), Var(1.0)
    (fastad.floor(x) * y).backward()
    assert (x.grad, y.grad) == (0.0, 2.0)


# ---- 0 times infinity ----------------------------------------------------------------

ABSORBED = [
    row("sqrt(x*x) at 0", lambda x: m.sqrt(x * x), 0.0, (0,)),
    row("sqrt(x**2) at 0", lambda x: m.sqrt(x**2), 0.0, (0,)),
    row("sqrt(x*x + y*y) at 0", lambda x, y: m.sqrt(x * x + y * y), 0.0, 0.0, (0, 0)),
    row("0 * sqrt(x)", lambda x: 0 * m.sqrt(x), 0.0, (0,)),
    row("0 * atan2(x, x)", lambda x: 0 * m.atan2(x, x), 0.0, (0,)),
    row("x * sqrt(x) at 0", lambda x: x * m.sqrt(x), 0.0, (0,)),
    row("(x**0.5)**2 at 0", lambda x: (x**0.5) ** 2, 0.0, (0,)),
    row("abs(x)**0.5 at 0", lambda x: abs(x) ** 0.5, 0.0, (0,)),
    row("floor(sqrt(x))", lambda x: fastad.floor(m.sqrt(x)), 0.0, (0,)),
    row("log(x*x + 5e-324)", lambda x: m.log(x * x + 5e-324), 0.0, (0,)),
    row("x + 0 * sqrt(y)", lambda x, y: x + 0 * m.sqrt(y), 1.0, 0.0, (1, 0)),
    row("(x - x) * sqrt(x - x)", lambda x: (x - x) * m.sqrt(x - x), 3.0, (0,)),
]

INFINITE = [
    row("sqrt(x) at 0", m.sqrt, 0.0, (INF,)),
    row("sqrt(2 * x) at 0", lambda x: m.sqrt(2 * x), 0.0, (INF,)),
    row("-sqrt(x)", lambda x: -m.sqrt(x), 0.0, (-INF,)),
    row("sqrt(sin(x)) at 0", lambda x: m.sqrt(m.sin(x)), 0.0, (INF,)),
]

UNDEFINED = [
    row("sqrt(x) - sqrt(x) at 0", lambda x: m.sqrt(x) - m.sqrt(x), 0.0, (NAN,)),
    row("atan2(x, x) at 0", lambda x: m.atan2(x, x), 0.0, (NAN,)),
    row("x * nan", lambda x: x * NAN, 1.0, (NAN,)),
]

parametrized = pytest.mark.parametrize(("f", "point", "expected"), ABSORBED)


@parametrized
def test_an_exact_zero_absorbs_and_says_so_once(f, point, expected):
    with pytest.warns(errors.NonSmoothWarning, match="exactly zero") as caught:
        assert gradient(f, point) == expected
    assert len(caught) == 1

    inputs = [Var(x) for x in point]
    with pytest.warns(errors.NonSmoothWarning) as caught:
        f(*inputs).backward()
    assert len(caught) == 1
    assert tuple(x.grad for x in inputs) == expected


@parametrized
def test_on_nan_raise_makes_it_an_error(f, point, expected):
    with pytest.raises(errors.NonSmoothError):
        gradient(f, point, on_nan="raise")


@pytest.mark.parametrize(("f", "point", "expected"), INFINITE)
def test_an_infinite_derivative_is_no_fault(f, point, expected):
    assert gradient(f, point, on_nan="raise") == expected


@pytest.mark.parametrize(("f", "point", "expected"), UNDEFINED)
def test_an_undefined_derivative_is_nan(f, point, expected):
    assert all(map(same, gradient(f, point), expected))
    with pytest.raises(errors.NonSmoothError):
        gradient(f, point, on_nan="raise")


def length(x):
    return m.sqrt(x * x)


def lengths(x):
    return [m.sqrt(x * x), x]


WARNERS = {
    "backward": lambda: length(Var(0.0)).backward(),
    "grad": lambda: grad(length)(0.0),
    "value_and_grad": lambda: fastad.value_and_grad(length)(0.0),
    "grad of grad": lambda: grad(grad(length))(0.0),
    "hessian": lambda: fastad.hessian(length)(0.0),
    "vjp": lambda: fastad.vjp(length, 0.0)[1](1.0),
    "jvp": lambda: fastad.jvp(length, (0.0,), (1.0,)),
    "derivative": lambda: fastad.derivative(length)(0.0),
    "jacrev": lambda: fastad.jacrev(length)(0.0),
    "jacfwd": lambda: fastad.jacfwd(lengths)(0.0),
    "jacobian": lambda: fastad.jacobian(lengths)(0.0),
    "compile": lambda: fastad.compile(grad(length))(0.0),
}


@pytest.mark.parametrize("name", WARNERS)
def test_the_warning_points_at_the_user_s_line(name):
    call = WARNERS[name]
    with pytest.warns(errors.NonSmoothWarning) as caught:
        call()
    lines = {call.__code__.co_firstlineno}
    if name in ("jvp", "derivative", "jacfwd"):  # forward mode: the operation itself
        lines |= {f.__code__.co_firstlineno + 1 for f in (length, lengths)}
    assert {w.filename for w in caught} == {__file__}
    assert {w.lineno for w in caught} <= lines


def test_on_nan_raise_leaves_the_gradients_as_they_were():
    x, y = Var(0.0), Var(2.0)
    (3 * x + y * y).backward()
    z = m.sqrt(x * x) * y
    with pytest.raises(errors.NonSmoothError):
        z.backward(on_nan="raise")
    assert (x.grad, y.grad) == (3.0, 4.0)
    (x * y).backward()
    assert (x.grad, y.grad) == (2.0, 0.0)


def test_a_warning_that_is_an_error_leaves_the_gradients_as_they_were():
    x = Var(0.0)
    (3 * x).backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(errors.NonSmoothWarning):
            m.sqrt(x * x).backward()
    assert x.grad == 3.0
    (5 * x).backward()
    assert x.grad == 5.0


def test_on_nan_is_warn_or_raise():
    with pytest.raises(ValueError, match="'warn' or 'raise'"):
        grad(abs, on_nan="ignore")
    with pytest.raises(ValueError, match="'warn' or 'raise'"):
        Var(1.0).backward(on_nan=None)


def test_a_constant_that_became_a_var_depends_on_nothing():
    with fastad.Tape() as tape:
        first, x = tape.var(1.0), tape.var(2.0)
        (first * 3).backward()
        (where(True, 5.0, x) * x).backward()
        assert (first.grad, x.grad) == (3.0, 5.0)
        second = tape.var(1.0)
        (where(True, 5.0, second) * second).backward()
        assert (first.grad, second.grad) == (3.0, 5.0)
    assert gradient(lambda x, y: y + m.sqrt(where(True, 0.0, x)), (1.0, 2.0)) == (
        0.0,
        1.0,
    )


def test_a_node_that_is_not_reached_may_hold_anything():
    x = Var(0.0)
    m.sqrt(x)
    unused = [m.sqrt(x), m.atan2(x, x), x**0.5]
    y = 3 * x
    y.backward()
    assert x.grad == 3.0
    assert len(unused) == 3


def test_a_sweep_that_meets_nan_leaves_nothing_behind():
    x, y = Var(0.0), Var(2.0)
    m.atan2(x, x).backward()
    assert math.isnan(x.grad)
    (x + y).backward()
    assert (x.grad, y.grad) == (1.0, 1.0)
