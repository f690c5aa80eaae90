"""Functions with rules of their own: in both modes, at any order, in containers, and wrong."""

import ctypes
import ctypes.util
import itertools
import math as standard_math
from collections import namedtuple

import mpmath
import numpy
import pytest
import scipy.special
import tolerances

import fastad
from fastad import (
    Dual,
    Var,
    custom_jvp,
    custom_vjp,
    derivative,
    errors,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    math,
    value_and_grad,
    vjp,
)

MODES = {
    "grad": grad,
    "derivative": derivative,
    "jvp": lambda f: lambda x: jvp(f, (x,), (1.0,))[1],
    "vjp": lambda f: lambda x: vjp(f, x)[1](1.0)[0],
}
KINDS = {"vjp": custom_vjp, "jvp": custom_jvp}
each_kind = pytest.mark.parametrize("kind", KINDS)
each_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)


def with_rule(kind, function, partials):
    """A custom function of numbers whose rule multiplies by the partials of these."""

    def pull(value, *args):
        return lambda seed: tuple(seed * partial for partial in partials(value, *args))

    def push(value, *args):
        return lambda *tangents: sum(
            map(lambda p, t: p * t, partials(value, *args), tangents)
        )

    return KINDS[kind](function, pull if kind == "vjp" else push)


def differentiated(f, modes):
    for mode in modes:
        f = MODES[mode](f)
    return f


# ---- Of every kind, in every mode ------------------------------------------------------


def of_library(x, y):
    """Like a compiled library: it takes floats and nothing else."""
    assert type(x) is type(y) is float
    return standard_math.sin(x) * y


@each_kind
def test_a_number_to_a_number(kind):
    f = with_rule(kind, of_library, lambda v, x, y: (math.cos(x) * y, math.sin(x)))
    assert f(0.5, 2.0) == of_library(0.5, 2.0)
    assert value_and_grad(f, (0, 1))(0.5, 2.0) == (
        of_library(0.5, 2.0),
        (2.0 * math.cos(0.5), math.sin(0.5)),
    )
    with mpmath.mp.workprec(200):
        expected = [
            mpmath.diff(lambda x: mpmath.sin(x * x) * x, 0.7, n) for n in range(5)
        ]
    for n in (1, 2, 3, 4):
        for modes in itertools.product(MODES, repeat=n):
            g = differentiated(lambda x: f(x * x, x), modes)
            assert tolerances.error(g(0.7), expected[n]) < tolerances.ELEMENTARY, modes


@each_kind
def test_a_compiled_library(kind):
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    library.y0.restype = ctypes.c_double
    library.y0.argtypes = [ctypes.c_double]
    y0 = with_rule(kind, library.y0, lambda v, x: (-y1(x),))
    y1 = with_rule(kind, scipy.special.y1, lambda v, x: (y0(x) - v / x,))
    for modes in itertools.product(MODES, repeat=3):
        assert differentiated(y0, modes)(2.0) == pytest.approx(
            float(mpmath.bessely(0, 2.0, 3)), rel=1e-14
        )


@each_kind
def test_numbers_made_by_hand(kind):
    f = with_rule(kind, of_library, lambda v, x, y: (math.cos(x) * y, math.sin(x)))
    x, y = Var(0.5), Var(2.0)
    (f(x, y) * 3).backward()
    assert (x.grad, y.grad) == (3 * 2.0 * math.cos(0.5), 3 * math.sin(0.5))
    z = f(Dual(0.5, (1.0, 0.0, 2.0)), Dual(2.0, (0.0, 1.0, -1.0)))
    assert z.value == of_library(0.5, 2.0)
    slopes = 2.0 * math.cos(0.5), math.sin(0.5)
    assert z.tangent == (*slopes, 2.0 * slopes[0] - slopes[1])
    assert f(0.5, Dual(2.0, 3.0)).tangent == 3.0 * slopes[1]
    with pytest.raises(errors.ArgumentError, match="number of directions"):
        f(Dual(0.5, (1.0, 0.0)), Dual(2.0, 1.0))


# ---- Containers --------------------------------------------------------------------------

Pair = namedtuple("Pair", "a b")


def matrix_and_vector(p):
    """Takes a dict, returns a namedtuple: as an array, and in plain floats."""
    assert p["a"].dtype == float
    return Pair(p["a"] @ p["b"], [float(p["b"].sum()), p["c"]])


def pull_containers(value, p):
    def pullback(seed):
        ones = numpy.ones(len(p["b"]))
        return {
            "a": numpy.outer(seed.a, p["b"]),
            "b": p["a"].T @ seed.a + seed.b[0] * ones,
            "c": seed.b[1],
        }

    return pullback


def push_containers(value, p):
    def pushforward(dp):
        return Pair(dp["a"] @ p["b"] + p["a"] @ dp["b"], [sum(dp["b"]), dp["c"]])

    return pushforward


CONTAINERS = {
    "vjp": custom_vjp(matrix_and_vector, pull_containers),
    "jvp": custom_jvp(matrix_and_vector, push_containers),
}
POINT = {
    "a": numpy.array([[1.0, 2.0], [3.0, 4.0]]),
    "b": numpy.array([5.0, 6.0]),
    "c": 7.0,
}


def by_hand(p):
    return Pair(p["a"] @ p["b"], [p["b"].sum(), p["c"]])


def objective(f):
    def total(p):
        y = f({**p, "b": p["b"] * p["c"]})
        return y.a[0] * y.a[1] + y.b[0] ** 2 * y.b[1]

    return total


def assert_same(found, expected):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    elif isinstance(expected, numpy.ndarray) and expected.dtype.kind == "O":
        assert_same(found.tolist(), expected.tolist())
    else:
        numpy.testing.assert_allclose(found, expected, rtol=1e-13)
        assert numpy.shape(found) == numpy.shape(expected)


@each_kind
def test_containers(kind):
    f = CONTAINERS[kind]
    assert_same(f(POINT), by_hand(POINT))
    assert_same(grad(objective(f))(POINT), grad(objective(by_hand))(POINT))
    assert_same(jacobian(f)(POINT), jacobian(by_hand)(POINT))
    assert_same(
        jvp(f, (POINT,), (POINT,))[1],
        jvp(by_hand, (POINT,), (POINT,))[1],
    )
    twice = [
        lambda f: lambda t: objective(f)({**POINT, "b": POINT["b"] * t}),
        lambda f: lambda t: objective(f)({**POINT, "a": POINT["a"] * t * t, "c": t}),
    ]
    for make, first, second in itertools.product(twice, MODES.values(), MODES.values()):
        found, expected = (first(second(make(g)))(1.5) for g in (f, by_hand))
        assert found == pytest.approx(expected, rel=1e-13)


@each_kind
def test_hessians(kind):
    f = with_rule(kind, of_library, lambda v, x, y: (math.cos(x) * y, math.sin(x)))
    found = hessian(lambda p: f(p[0], p[1]) * p[0])([0.5, 2.0])
    expected = hessian(lambda p: math.sin(p[0]) * p[1] * p[0])([0.5, 2.0])
    numpy.testing.assert_allclose(found, expected, rtol=1e-14)


def test_a_linear_system():
    @custom_vjp
    def solve(a, b):
        return numpy.linalg.solve(a, b)

    @solve.rule
    def _(x, a, b):
        def pullback(seed):
            y = solve(a.T, seed)
            return -numpy.outer(y, x), y

        return pullback

    a, b = numpy.array([[2.0, 1.0], [1.0, 3.0]]), numpy.array([1.0, 2.0])
    inverse = numpy.linalg.inv(a)
    numpy.testing.assert_allclose(
        jacobian(lambda b: solve(a, b))(b), inverse, rtol=1e-14
    )
    found = grad(lambda a: solve(a, b)[0])(a)
    numpy.testing.assert_allclose(
        found, -numpy.outer(inverse[:, 0], inverse @ b), rtol=1e-14
    )
    # solve(t*a, t**3*b) == t**2 * solve(a, b)
    for first, second in itertools.product(MODES.values(), repeat=2):
        found = first(second(lambda t: solve(a * t, b * t**3)[0]))(1.5)
        assert found == pytest.approx(2 * (inverse @ b)[0], rel=1e-13)


@each_kind
def test_many_arguments_make_one_operation(kind):
    """A chain of nodes, as of the sums."""
    n = 50

    def pull(value, x):
        return lambda seed: [seed * 2 * a for a in x]

    def push(value, x):
        return lambda dx: sum(2 * a * da for a, da in zip(x, dx, strict=True))

    f = KINDS[kind](lambda x: sum(a * a for a in x), pull if kind == "vjp" else push)
    point = [0.1 * k for k in range(n)]
    assert grad(f)(point) == [2 * a for a in point]
    with fastad.Tape() as tape:
        x = [tape.var(a) for a in point]
        f(x).backward()
        assert tape.stats["nodes"] == n + n - 1
    assert derivative(lambda t: grad(lambda x: f(x) * x[0])([t, 2.0]))(3.0) == [
        18.0,
        4.0,
    ]


# ---- What is passed on, and what is not differentiated --------------------------------


@each_kind
def test_other_arguments_pass_through(kind):
    marks = object()

    def power(x, n, mode, *, scale):
        assert type(n) is int
        assert mode is marks
        return scale * x**n

    def pull(value, x, n, mode, *, scale):
        assert (type(n), mode, scale) == (int, marks, 10)
        return lambda seed: (seed * scale * n * x ** (n - 1), None, None)

    def push(value, x, n, mode, *, scale):
        assert (type(n), mode, scale) == (int, marks, 10)

        def pushforward(dx, dn, dmode):
            assert (dn, dmode) == (0.0, None)
            return dx * scale * n * x ** (n - 1)

        return pushforward

    f = KINDS[kind](power, pull if kind == "vjp" else push)
    assert f(2.0, 3, marks, scale=10) == 80.0
    for mode in MODES.values():
        assert mode(lambda x: f(x, 3, marks, scale=10))(2.0) == 120.0
        assert mode(mode(lambda x: f(x, 3, marks, scale=10)))(2.0) == 120.0


@each_kind
def test_a_part_of_a_container_may_be_active(kind):
    def pull(value, x):
        return lambda seed: [seed * x[1], seed * x[0]]

    def push(value, x):
        return lambda dx: dx[0] * x[1] + x[0] * dx[1]

    f = KINDS[kind](lambda x: x[0] * x[1], pull if kind == "vjp" else push)
    for D, E in itertools.product(MODES.values(), repeat=2):
        assert D(lambda x: f([x, 5.0]))(2.0) == 5.0
        assert D(lambda x, E=E: E(lambda y: f([x, y]))(3.0))(2.0) == 1.0


@each_kind
def test_numbers_alone_do_not_ask_for_the_rule(kind):
    f = KINDS[kind](lambda x: [x, "text"])
    assert f(2) == [2, "text"]
    assert f.function(2) == [2, "text"]


def test_a_decorator_keeps_what_it_decorates():
    @custom_vjp
    def f(x):
        """About f."""

    @f.rule
    def its_rule(value, x):
        return lambda seed: seed

    assert (f.__name__, f.__doc__, its_rule(0.0, 1.0)(3.0)) == ("f", "About f.", 3.0)
    assert repr(f) == "<custom_vjp f>"


@each_kind
def test_derivatives_that_nobody_asks_for(kind):
    """An inner verb at a constant point needs no derivative of the rule."""
    f = with_rule(kind, lambda x: x * 2, lambda v, x: (float(x),))
    for outer, inner in itertools.product(MODES.values(), repeat=2):
        assert outer(lambda x, inner=inner: x * inner(f)(3.0))(5.0) == 3.0


# ---- Closures -----------------------------------------------------------------------------


@each_kind
@each_mode
def test_a_closure_over_its_own_level_is_refused(kind, mode):
    def in_function(x):
        return with_rule(kind, lambda y: y * x, lambda v, y: (2.0,))(x)

    def in_rule(x):
        return with_rule(kind, lambda y: y * 2, lambda v, y: (x,))(x)

    for f in (in_function, in_rule):
        with pytest.raises(
            errors.ResultError, match="of which it was not told: pass it as"
        ):
            mode(f)(2.0)


@each_kind
def test_a_closure_over_an_outer_level(kind):
    for outer, inner in itertools.product(MODES.values(), repeat=2):

        def f(x, inner=inner):
            product = with_rule(kind, lambda y: y * x, lambda v, y: (x,))
            return x * inner(product)(3.0)

        assert outer(f)(2.0) == 4.0


# ---- What goes wrong ----------------------------------------------------------------------


@each_kind
@each_mode
def test_a_missing_rule(kind, mode):
    @KINDS[kind]
    def doubled(x):
        return 2 * x

    with pytest.raises(
        errors.LostDerivativeError, match=r"doubled has no rule.*@doubled\.rule"
    ):
        mode(doubled)(1.0)


@each_kind
def test_a_rule_that_cannot_be_differentiated(kind):
    rules = [
        lambda v, x: (float(x),),
        lambda v, x: (standard_math.cos(x),),
        lambda v, x: (scipy.special.j1(x),),
    ]
    for partials in rules:
        f = with_rule(kind, lambda x: x * 2, partials)
        for outer, inner in itertools.product(MODES.values(), repeat=2):
            assert inner(f)(3.0) == partials(6.0, 3.0)[0]
            message = (
                "the rule of <lambda> is itself differentiated here.*write it with"
            )
            with pytest.raises(errors.LostDerivativeError, match=message) as caught:
                outer(inner(f))(3.0)
            assert isinstance(caught.value.__cause__, TypeError)


@each_kind
@each_mode
def test_exceptions_pass_through(kind, mode):
    def fails(*args):
        raise thrown

    for thrown in (ValueError("mine"), KeyboardInterrupt(), TypeError("mine")):
        broken = [
            KINDS[kind](fails),
            KINDS[kind](lambda x: x, fails),
            KINDS[kind](lambda x: x, lambda value, x: fails),
        ]
        for f in broken:
            with pytest.raises(type(thrown)) as caught:
                mode(f)(2.0)
            assert caught.value is thrown
    assert mode(lambda x: x * x)(3.0) == 6.0


WRONG_PULLBACKS = {
    "None": (lambda seed: None, r"returned None: it must return a tuple of 2 entries"),
    "a number": (lambda seed: seed, "must return a tuple of 2 entries"),
    "too few": (lambda seed: (seed,), "must return a tuple of 2 entries"),
    "too many": (lambda seed: (seed, seed, seed), "must return a tuple of 2 entries"),
    "None for a number": (
        lambda seed: (None, [seed]),
        "returned None, a NoneType: it must have",
    ),
    "a list for a number": (lambda seed: ([seed], [seed]), "the shape of its argument"),
    "a number for a list": (lambda seed: (seed, seed), "the shape of its argument"),
    "another length": (lambda seed: (seed, [seed, seed]), "the shape of its argument"),
    "text": (lambda seed: ("1", [seed]), "returned '1', a str: it must have"),
    "a complex number": (lambda seed: (1j, [seed]), "returned 1j, a complex"),
}


@pytest.mark.parametrize("name", WRONG_PULLBACKS)
@each_mode
def test_a_pullback_of_another_shape(name, mode):
    pullback, message = WRONG_PULLBACKS[name]
    f = custom_vjp(lambda x, y: x * y[0], lambda value, x, y: pullback)
    with pytest.raises(
        errors.ResultError, match=f"the pullback of <lambda> .*{message}"
    ) as caught:
        mode(lambda x: f(x, [x]))(2.0)
    assert isinstance(caught.value, TypeError)


WRONG_PUSHFORWARDS = {
    "None": (lambda dx: None, "returned None, a NoneType"),
    "a number": (lambda dx: dx, "the shape of the value"),
    "another length": (lambda dx: [dx], "the shape of the value"),
    "text": (lambda dx: ["1", dx], "returned "),
}


@pytest.mark.parametrize("name", WRONG_PUSHFORWARDS)
@each_mode
def test_a_pushforward_of_another_shape(name, mode):
    pushforward, message = WRONG_PUSHFORWARDS[name]
    f = custom_jvp(lambda x: [x, 2 * x], lambda value, x: pushforward)
    with pytest.raises(
        errors.ResultError, match=f"the pushforward of <lambda> .*{message}"
    ):
        mode(lambda x: f(x)[1])(2.0)


@each_kind
@each_mode
def test_a_function_that_returns_no_numbers(kind, mode):
    for result in ("text", None, [1.0, "text"], True):
        f = KINDS[kind](lambda x, result=result: result, lambda value, x: None)
        with pytest.raises(
            errors.ResultError, match="it must return a number, or a list"
        ):
            mode(f)(2.0)


@each_kind
def test_what_is_no_function(kind):
    with pytest.raises(errors.ArgumentError, match="is not a function"):
        KINDS[kind](1.0)
    with pytest.raises(errors.ArgumentError, match="is not a function"):
        KINDS[kind](abs, 1.0)
    with pytest.raises(errors.ArgumentError, match="is not a function"):
        KINDS[kind](abs).rule(1.0)


@each_kind
def test_programs_hold_no_rules(kind):
    """What needs a program says so; what does not, does not record one."""
    f = with_rule(kind, of_library, lambda v, x, y: (math.cos(x) * y, math.sin(x)))
    for verb in (fastad.Program, fastad.explain):
        with pytest.raises(
            errors.ArgumentError, match="of_library has a rule of its own"
        ):
            verb(f, 0.5, 2.0)
    matrix = fastad.sparse_hessian(lambda x: f(x[0], x[1]))([0.5, 2.0])
    assert matrix.toarray().tolist() == hessian(lambda x: f(x[0], x[1]))([0.5, 2.0])
    matrix = fastad.sparse_jacobian(lambda x: [f(x[0], x[1]), x[1]])([0.5, 2.0])
    assert matrix.toarray().tolist() == [[2 * math.cos(0.5), math.sin(0.5)], [0.0, 1.0]]
    assert hvp(lambda x: x * f(x, 2.0))(0.5, 1.0) == derivative(
        derivative(lambda x: 2 * x * math.sin(x))
    )(0.5)


@each_kind
def test_stale_arguments(kind):
    box = []
    f = with_rule(kind, lambda x: x, lambda v, x: (1.0,))
    for mode in MODES.values():
        mode(lambda x: box.append(x) or x * x)(2.0)
        with pytest.raises(errors.StaleVarError):
            f(box[-1])


@each_kind
def test_infinite_partials(kind):
    """As with the rows: an exact zero absorbs, in both modes, and says so."""
    f = with_rule(kind, standard_math.sqrt, lambda v, x: (math.inf,))
    for mode in MODES.values():
        assert mode(f)(0.0) == math.inf
    with pytest.warns(errors.NonSmoothWarning):
        assert grad(lambda x: f(x) * 0.0)(0.0) == 0.0
    with pytest.raises(errors.NonSmoothError):
        grad(lambda x: f(x) * 0.0, on_nan="raise")(0.0)
