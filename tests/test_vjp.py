"""vjp, its pullback, and that all verbs agree."""

import gc
import itertools
import math as standard_math
import operator
import sys
import threading
import warnings
from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import mpmath
import numpy
import pytest
import tolerances
from hypothesis import given, settings
from hypothesis import strategies as st

import fastad
from fastad import (
    Var,
    _core,
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

# ---- Values, seeds, gradients -------------------------------------------------------------


def test_a_number_to_a_number():
    value, pullback = vjp(math.exp, 2.0)
    assert value == standard_math.exp(2.0)
    assert type(value) is float
    assert pullback(1.0) == (value,)
    assert pullback(-3) == (-3 * value,)
    assert pullback(0.0) == (0.0,)


def test_many_arguments_and_results():
    value, pullback = vjp(lambda x, y, z: [x * y, y / 2, 7, z], 3.0, 4, 5.0)
    assert value == [12.0, 2.0, 7.0, 5.0]
    assert [type(y) for y in value] == [float] * 4
    assert pullback([1.0, 0.0, 0.0, 0.0]) == (4.0, 3.0, 0.0)
    assert pullback([0.0, 2.0, 5.0, 0.0]) == (0.0, 1.0, 0.0)
    assert pullback([0.0, 0.0, 0.0, -1]) == (0.0, 0.0, -1.0)
    assert pullback((1, 1, 1, 1)) == (4.0, 3.5, 1.0)  # a tuple is like a list


Pair = namedtuple("Pair", "a b")


@dataclass
class Box:
    a: float
    b: list


ARRAY = numpy.arange(6.0).reshape(2, 3)
CONTAINERS = {
    "number": 2.0,
    "list": [1.0, 2.0],
    "nested": [[1.0], (2.0, {"a": 3.0})],
    "namedtuple": Pair(1.0, [2.0]),
    "dict": {"x": 1.0, 3: [2.0]},
    "ordered dict": OrderedDict(x=1.0, y=2.0),
    "dataclass": Box(1.0, [2.0, 3.0]),
    "array": ARRAY,
    "array of ints": numpy.arange(3),
    "empty": [],
    "empty array": numpy.zeros((2, 0)),
}


def same(x, y):
    """Whether two containers have the same types and numbers; ints may have become floats."""
    if isinstance(y, numpy.ndarray):
        return type(x) is type(y) and x.shape == y.shape and (x == y).all()
    if isinstance(y, dict):
        return (
            type(x) is type(y)
            and x.keys() == y.keys()
            and all(same(x[k], y[k]) for k in y)
        )
    if isinstance(y, Box):
        return type(x) is Box and same(vars(x), vars(y))
    if isinstance(y, (list, tuple)):
        return type(x) is type(y) and len(x) == len(y) and all(map(same, x, y))
    return type(x) is float and x == y


@pytest.mark.parametrize("name", CONTAINERS)
def test_shapes_are_kept(name):
    """Of the identity: the value is the argument, the gradient is the seed."""
    x = CONTAINERS[name]
    value, pullback = vjp(lambda x: x, x)
    assert same(value, x)
    for _ in range(2):
        assert same(pullback(x), (x,))
    (of_x, of_y) = vjp(lambda x, y: {"a": (y, x)}, x, x)[1]({"a": (x, x)})
    assert same(of_x, x)
    assert same(of_y, x)


def test_a_pullback_is_called_many_times():
    """With the same result each time, whatever was pulled back before."""

    def f(x):
        return [math.sin(x[0] * x[1]), x[0] / x[1], x[1]]

    _, pullback = vjp(f, [0.7, 1.3])
    first = {}
    for _ in range(3):
        for seed in itertools.product([0.0, 1.0, -2.5], repeat=3):
            assert pullback(list(seed)) == first.setdefault(seed, pullback(list(seed)))
    assert len(first) == 27


def test_the_pullback_is_linear():
    def f(x, y):
        return {"a": math.exp(x * y), "b": [x / y, math.hypot(x, y)]}

    _, pullback = vjp(f, 0.7, 1.3)
    of_one = pullback({"a": 2.0, "b": [0.5, -1.0]})
    of_other = pullback({"a": -1.0, "b": [3.0, 0.25]})
    of_both = pullback(
        {"a": 3 * 2.0 - 2 * -1.0, "b": [3 * 0.5 - 2 * 3.0, -3 * 1.0 - 2 * 0.25]}
    )
    assert of_both == pytest.approx(
        [3 * a - 2 * b for a, b in zip(of_one, of_other, strict=True)]
    )


def test_one_result_many_times():
    _, pullback = vjp(lambda x: (lambda y: [y, y, y * 2, x, x])(x * x), 3.0)
    assert pullback([1.0, 10.0, 100.0, 1000.0, 10000.0]) == (6.0 + 60 + 1200 + 11000,)


def test_results_that_depend_on_nothing():
    assert vjp(lambda x: 5, 1.0)[1](3.0) == (0.0,)
    assert vjp(lambda x: [], 1.0)[1]([]) == (0.0,)
    assert vjp(lambda x: numpy.ones(2), [1.0, 2.0])[1](numpy.ones(2)) == ([0.0, 0.0],)
    value, pullback = vjp(lambda: 4.0)
    assert (value, pullback(1.0)) == (4.0, ())
    kept = Var(3.0)
    value, pullback = vjp(lambda x: [kept, x], 2.0)
    assert (value, pullback([5.0, 7.0])) == ([kept, 2.0], (7.0,))


def test_the_function_runs_once():
    calls = []
    _, pullback = vjp(lambda x: calls.append(x) or x * x, 3.0)
    for _ in range(5):
        pullback(1.0)
    assert len(calls) == 1


def test_the_argument_may_change_afterwards():
    x = [1.0, 2.0]
    array = numpy.array([1.0, 2.0])
    value, pullback = vjp(lambda x, y: [x[0] * x[1], *(y * y)], x, array)
    x[0] = array[0] = 100.0
    value[0] = 100.0
    gradient = pullback([1.0, 1.0, 1.0])
    assert gradient[0] == [2.0, 1.0]
    assert gradient[1].tolist() == [2.0, 4.0]
    gradient[0][0] = gradient[1][0] = 100.0
    assert pullback([1.0, 0.0, 0.0])[0] == [2.0, 1.0]


ARGUMENT, RESULT = errors.ArgumentError, errors.ResultError


def pull(f, x, seed):
    return vjp(f, x)[1](seed)


# A call, and what it raises.
BAD_CALLS = [
    (lambda: vjp(1.0, 1.0), ARGUMENT, "1.0, a float, is not a function"),
    (lambda: vjp(math.sin, "x"), ARGUMENT, "'x', a str, is neither a number"),
    (lambda: vjp(math.sin, 1j), ARGUMENT, "neither a number"),
    (
        lambda: vjp(lambda x: None, 1.0),
        RESULT,
        "<lambda> returned None, a NoneType: it must",
    ),
    (
        lambda: vjp(lambda x: [x, "y"], 1.0),
        RESULT,
        "it must return a number, or a list",
    ),
    (lambda: vjp(lambda x: x > 0, 1.0), RESULT, "returned True"),
    (lambda: vjp(math.log, -1.0), errors.DomainError, "must be positive"),
    (
        lambda: pull(math.sin, 1.0, [1.0]),
        ARGUMENT,
        "must have the shape of what sin returned",
    ),
    (
        lambda: pull(lambda x: [x, x], 1.0, [1.0]),
        ARGUMENT,
        "the shape of what <lambda> ret",
    ),
    (lambda: pull(lambda x: [x, x], 1.0, 1.0), ARGUMENT, r"returned, \[1\.0, 1\.0\]"),
    (
        lambda: pull(lambda x: {"a": x}, 1.0, {"b": 1.0}),
        ARGUMENT,
        "must have the shape",
    ),
    (lambda: pull(lambda x: x, ARRAY, ARRAY.T), ARGUMENT, "must have the shape"),
    (lambda: pull(lambda x: x, ARRAY, ARRAY.tolist()), ARGUMENT, "must have the shape"),
    (lambda: pull(math.sin, 1.0, "1"), ARGUMENT, "'1', a str, is neither"),
    (lambda: pull(math.sin, 1.0, None), ARGUMENT, "None, a NoneType, is neither"),
    (lambda: vjp(math.sin, 1.0)[1](), TypeError, "positional argument|pull_back"),
]


@pytest.mark.parametrize("number", range(len(BAD_CALLS)))
def test_bad_calls(number):
    call, kind, message = BAD_CALLS[number]
    with pytest.raises(kind, match=message):
        call()
    assert vjp(math.exp, 0.0)[1](2.0) == (2.0,)


def test_a_bad_seed_does_no_harm():
    _, pullback = vjp(lambda x: [x * x, x], 3.0)
    for seed in (1.0, [1.0], None, [1.0, "a"], {}):
        with pytest.raises(ARGUMENT):
            pullback(seed)
        assert pullback([1.0, 10.0]) == (16.0,)


# ---- Odd points ---------------------------------------------------------------------------


def test_zero_absorbs_and_says_so():
    _, pullback = vjp(lambda x: [math.sqrt(x), x], 0.0)
    assert pullback([1.0, 0.0]) == (standard_math.inf,)
    with pytest.warns(
        errors.NonSmoothWarning, match="an infinite or undefined partial"
    ):
        assert pullback([0.0, 1.0]) == (1.0,)
    assert pullback([2.0, 1.0]) == (standard_math.inf,)


def test_seeds_that_are_not_finite():
    _, pullback = vjp(lambda x: [x * x, x], 3.0)
    assert pullback([standard_math.inf, 1.0]) == (standard_math.inf,)
    assert standard_math.isnan(pullback([standard_math.nan, 1.0])[0])
    assert pullback([1.0, 1.0]) == (7.0,)  # nothing of it stays behind


# ---- Lifetimes -----------------------------------------------------------------------------


def test_a_recording_is_given_back():
    """With its last pullback, at once: Vars of it are stale then."""
    gc.collect()
    before = _core.live_vars()
    box = []
    value, pullback = vjp(lambda x: box.append(x * x) or math.sin(x * x), 2.0)
    assert box[0] + 1 == 5.0
    del value
    assert pullback(1.0)[0] == 4.0 * standard_math.cos(4.0)
    del pullback
    with pytest.raises(errors.StaleVarError):
        box[0] + 1
    box.clear()
    assert _core.live_vars() == before


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, MemoryError])
def test_exceptions_pass_through(kind):
    def fails(x):
        x * x
        raise kind("mine")

    gc.collect()
    before = _core.live_vars()
    for _ in range(5):
        with pytest.raises(kind, match="mine"):
            vjp(fails, 1.0)
    gc.collect()
    assert _core.live_vars() == before
    assert vjp(math.exp, 0.0)[1](1.0) == (1.0,)


def test_many_pullbacks_at_once():
    """Each has a tape of its own; they may be called in any order."""
    pullbacks = [vjp(lambda x, k=k: [x**k, x], 2.0)[1] for k in range(50)]
    for k in (*range(0, 50, 7), *range(49, 0, -5)):
        assert pullbacks[k]([1.0, 0.0]) == pytest.approx((k * 2.0 ** (k - 1),))
    del pullbacks[::2]
    assert pullbacks[0]([1.0, 3.0]) == (4.0,)


def test_nothing_leaks():
    def run():
        value, pullback = vjp(lambda p: {"a": [p[0] * p[1], p[0]], "b": p}, [1.5, 2.5])
        pullback(value)
        pullback({"a": [Var(1.0), 2.0], "b": [0.0, 1.0]})
        for bad in (None, [1.0]):
            with pytest.raises(ARGUMENT):
                pullback(bad)
        with pytest.raises(RESULT):
            vjp(lambda x: "text", 1.0)
        derivative(lambda x: vjp(lambda y: x * y * y, x)[1](x)[0])(2.0)

    run()
    gc.collect()
    before, vars_before = sys.getallocatedblocks(), _core.live_vars()
    for _ in range(50):
        run()
    gc.collect()
    assert _core.live_vars() == vars_before
    assert sys.getallocatedblocks() - before < 50


def test_a_pullback_in_another_thread():
    _, pullback = vjp(lambda x: [math.exp(x[0]) * x[1], x[0]], [0.0, 3.0])
    results = []

    def work():
        for _ in range(200):
            results.append(pullback([1.0, 10.0]))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [([13.0, 1.0],)] * 800


def test_a_long_recording():
    def f(x):
        for _ in range(100_000):
            x = x * 1.0
        return [x, x * 2]

    _, pullback = vjp(f, 3.0)
    assert pullback([1.0, 1.0]) == pullback([1.0, 1.0]) == (3.0,)


# ---- All verbs against each other, on random functions ------------------------------------

UNARY = {
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "atan": math.atan,
    "expit": fastad.expit,
    "exp of -x*x": lambda x: math.exp(-x * x),
    "sqrt of 1 + x*x": lambda x: math.sqrt(1 + x * x),
    "log of 1 + x*x": lambda x: math.log1p(x * x),
    "x**3": lambda x: x**3,
    "half": lambda x: 0.5 * x,
}
BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "x / (1 + y*y)": lambda x, y: x / (1 + y * y),
    "hypot": lambda x, y: math.hypot(x, 1 + y * y),
    "fsum": lambda x, y: math.fsum([x, y, x, 1.0]),
    "sumprod": lambda x, y: math.sumprod([x, y], [y, 2.0]),
    "logsumexp": lambda x, y: fastad.logsumexp([x, y, 0.0]),
}
N = 3
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(sorted(UNARY)), st.integers(0, 20)),
        st.tuples(
            st.sampled_from(sorted(BINARY)), st.integers(0, 20), st.integers(0, 20)
        ),
    ),
    min_size=1,
    max_size=8,
)
POINTS = st.lists(
    st.floats(-1.5, 1.5).map(lambda x: round(x, 3)), min_size=N, max_size=N
)


def function_of(steps):
    """A smooth function of N numbers to two, of moderate size."""

    def f(p):
        pool = list(p)
        for name, *places in steps:
            operands = [pool[place % len(pool)] for place in places]
            pool.append((UNARY.get(name) or BINARY[name])(*operands) * 0.7)
        return [pool[-1], pool[-1] * pool[0] + pool[-2]]

    return f


def unit(k, n=N):
    return [float(i == k) for i in range(n)]


def transposed(columns):
    return [list(row) for row in zip(*columns, strict=True)]


def rows_by_vjp(f, p, n):
    _, pullback = vjp(f, p)
    return [pullback(unit(k, n))[0] for k in range(n)]


def rows_by_value_and_grad(f, p, n):
    return [
        value_and_grad(lambda *p, k=k: f(p)[k], range(len(p)))(*p)[1] for k in range(n)
    ]


def columns_by_derivative(f, p, n):
    return [
        derivative(lambda x, k=k: f([*p[:k], x, *p[k + 1 :]]))(x)
        for k, x in enumerate(p)
    ]


# The Jacobian of f, a function of a list to a list of n, at p: by rows.
JACOBIANS = {
    "grad": lambda f, p, n: [grad(lambda p, k=k: f(p)[k])(p) for k in range(n)],
    "value_and_grad": rows_by_value_and_grad,
    "vjp": rows_by_vjp,
    "jvp": lambda f, p, n: transposed([jvp(f, (p,), (unit(k),))[1] for k in range(N)]),
    "derivative": lambda f, p, n: transposed(columns_by_derivative(f, p, n)),
    "jacobian": lambda f, p, n: jacobian(f)(p),
    "jacfwd": lambda f, p, n: fastad.jacfwd(f)(p),
    "jacrev": lambda f, p, n: fastad.jacrev(f)(p),
}


def jacobian_of_gradient(outer, inner):
    return lambda g, p: outer(lambda p: inner(lambda p: [g(p)], p, 1)[0], p, N)


# The Hessian of g at p.
HESSIANS = {
    "hessian": lambda g, p: hessian(g)(p),
    "hvp": lambda g, p: [hvp(g)(p, unit(k)) for k in range(N)],
    **{
        f"{outer} of {inner}": jacobian_of_gradient(JACOBIANS[outer], JACOBIANS[inner])
        for outer, inner in itertools.product(JACOBIANS, repeat=2)
    },
}


def assert_close(found, expected, what, tolerance=1e-11):
    found, expected = (
        numpy.array(found, dtype=float),
        numpy.array(expected, dtype=float),
    )
    assert found.shape == expected.shape, what
    scale = max(1e-2, numpy.abs(expected).max(initial=0.0))
    assert numpy.abs(found - expected).max(initial=0.0) <= tolerance * scale, what


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(STEPS, POINTS)
def test_first_order(steps, point):
    f = function_of(steps)
    expected = JACOBIANS["grad"](f, point, 2)
    for name, verb in JACOBIANS.items():
        assert_close(verb(f, point, 2), expected, name)
    value = f(point)
    assert vjp(f, point)[0] == jvp(f, (point,), (point,))[0] == value
    assert value_and_grad(lambda p: f(p)[0])(point)[0] == value[0]


@settings(max_examples=20, deadline=None, database=None, derandomize=True)
@given(STEPS, POINTS)
def test_second_order(steps, point):
    def g(p):
        return function_of(steps)(p)[1]

    expected = HESSIANS["grad of grad"](g, point)
    assert_close(transposed(expected), expected, "symmetry")
    for name, verb in HESSIANS.items():
        assert_close(verb(g, point), expected, name)


@settings(max_examples=10, deadline=None, database=None, derandomize=True)
@given(STEPS, POINTS, POINTS)
def test_third_order(steps, point, direction):
    """The third derivative in one direction."""
    g = function_of(steps)

    def along(t):
        return g([x + t * v for x, v in zip(point, direction, strict=True)])[1]

    slopes = {
        "grad": grad,
        "derivative": derivative,
        "vjp": lambda f: lambda t: vjp(f, t)[1](1.0)[0],
    }
    expected = derivative(derivative(derivative(along)))(0.0)
    for modes in itertools.product(slopes, repeat=3):
        f = along
        for mode in modes:
            f = slopes[mode](f)
        assert_close([f(0.0)], [expected], modes)
    for mode, slope in slopes.items():
        second = slope(lambda t: hvp(along)(t, 1.0))(0.0)
        assert_close([second], [expected], f"{mode} of hvp")
        second = slope(lambda t: hessian(along)(t))(0.0)
        assert_close([second], [expected], f"{mode} of hessian")
    assert_close([hessian(grad(along))(0.0)], [expected], "hessian of grad")
    assert_close([hvp(derivative(along))(0.0, 1.0)], [expected], "hvp of derivative")


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(STEPS, POINTS, POINTS, st.tuples(st.floats(-2, 2), st.floats(-2, 2)))
def test_pullback_and_pushforward_are_adjoint(steps, point, direction, seed):
    """seed . (J direction) == (seed J) . direction"""
    f = function_of(steps)
    _, pushed = jvp(f, (point,), (direction,))
    (pulled,) = vjp(f, point)[1](list(seed))
    of_pushed = [a * b for a, b in zip(seed, pushed, strict=True)]
    of_pulled = [a * b for a, b in zip(pulled, direction, strict=True)]
    size = max(map(abs, [*of_pushed, *of_pulled, 1e-3]))
    assert abs(sum(of_pushed) - sum(of_pulled)) <= 1e-12 * size


# ---- Published functions -------------------------------------------------------------------


def rosenbrock(x, m):
    return sum(
        100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(len(x) - 1)
    )


def powell(x, m):
    a, b, c, d = x
    return (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4


def wood(x, m):
    a, b, c, d = x
    return (
        100 * (b - a * a) ** 2
        + (1 - a) ** 2
        + 90 * (d - c * c) ** 2
        + (1 - c) ** 2
        + 10 * (b + d - 2) ** 2
        + (b - d) ** 2 / 10
    )


def beale(x, m):
    a, b = x
    return (
        (1.5 - a + a * b) ** 2
        + (2.25 - a + a * b**2) ** 2
        + (2.625 - a + a * b**3) ** 2
    )


def branin(x, m):
    a, b = x
    return (b - 5.1 / (4 * m.pi**2) * a * a + 5 / m.pi * a - 6) ** 2 + 10 * (
        1 - 1 / (8 * m.pi)
    ) * m.cos(a)


def ackley(x, m):
    n = len(x)
    return (
        -20 * m.exp(-0.2 * m.sqrt(sum(a * a for a in x) / n))
        - m.exp(sum(m.cos(2 * m.pi * a) for a in x) / n)
        + 20
    )


def griewank(x, m):
    product = 1
    for i, a in enumerate(x):
        product = product * m.cos(a / m.sqrt(i + 1.0))
    return 1 + sum(a * a for a in x) / 4000 - product


def helical_valley(x, m):
    a, b, c = x
    theta = m.atan2(b, a) / (2 * m.pi)
    return 100 * ((c - 10 * theta) ** 2 + (m.sqrt(a * a + b * b) - 1) ** 2) + c * c


def bard(x, m):
    y = [
        0.14,
        0.18,
        0.22,
        0.25,
        0.29,
        0.32,
        0.35,
        0.39,
        0.37,
        0.58,
        0.73,
        0.96,
        1.34,
        2.1,
        4.39,
    ]
    total = 0
    for i, target in enumerate(y, 1):
        total = (
            total + (target - x[0] - i / ((16 - i) * x[1] + min(i, 16 - i) * x[2])) ** 2
        )
    return total


def levy(x, m):
    w = [1 + (a - 1) / 4 for a in x]
    return (
        m.sin(m.pi * w[0]) ** 2
        + sum((a - 1) ** 2 * (1 + 10 * m.sin(m.pi * a + 1) ** 2) for a in w[:-1])
        + (w[-1] - 1) ** 2 * (1 + m.sin(2 * m.pi * w[-1]) ** 2)
    )


def box_3d(x, m):
    total = 0
    for i in range(1, 11):
        t = 0.1 * i
        total = (
            total
            + (
                m.exp(-t * x[0])
                - m.exp(-t * x[1])
                - x[2] * (m.exp(-t) - m.exp(-10 * t))
            )
            ** 2
        )
    return total


def trigonometric(x, m):
    n, total = len(x), 0
    cosines = sum(m.cos(a) for a in x)
    for i, a in enumerate(x, 1):
        total = total + (n - cosines + i * (1 - m.cos(a)) - m.sin(a)) ** 2
    return total


def black_scholes(x, m):
    s, k, r, sigma, t = x
    root = sigma * m.sqrt(t)
    d = (m.log(s / k) + (r + sigma * sigma / 2) * t) / root

    def phi(a):
        return (1 + m.erf(a / m.sqrt(2.0))) / 2

    return s * phi(d) - k * m.exp(-r * t) * phi(d - root)


def gas(x, m):
    """The energy of a van der Waals gas, by Griewank and Walther."""
    b = [0.1, 0.2, 0.3]
    quadratic = sum((i + 1) * p * q for i, p in enumerate(x) for q in x)
    linear = sum(p * q for p, q in zip(b, x, strict=True))
    root = m.sqrt(8.0)
    return sum(p * m.log(p / (1 - linear)) for p in x) - quadratic / (
        root * linear
    ) * m.log((1 + (1 + m.sqrt(2.0)) * linear) / (1 + (1 - m.sqrt(2.0)) * linear))


# More, Garbow and Hillstrom, ACM Transactions on Mathematical Software 7 (1981) 17-41, and
# the usual benchmarks of global optimisation.
PUBLISHED = {
    rosenbrock: [-1.2, 1.0, 0.3, -0.7],
    powell: [3.0, -1.0, 0.5, 1.0],
    wood: [-3.0, -1.0, -2.5, -1.2],
    beale: [1.0, 1.1],
    branin: [2.5, 3.5],
    ackley: [0.3, -0.8, 1.2],
    griewank: [1.5, -2.5, 3.5],
    helical_valley: [-1.0, 0.4, 0.3],
    bard: [1.0, 1.2, 0.9],
    levy: [0.5, -1.5, 2.5],
    box_3d: [0.5, 10.0, 2.0],
    trigonometric: [0.2, 0.25, 0.3],
    black_scholes: [100.0, 105.0, 0.03, 0.2, 0.7],
    gas: [0.5, 0.7, 0.4],
}


@pytest.mark.parametrize("f", PUBLISHED, ids=lambda f: f.__name__)
def test_published_functions(f):
    """Gradient and Hessian against mpmath, to the accuracy of the terms."""
    point = PUBLISHED[f]
    n = len(point)
    gradient = grad(lambda x: f(x, math))(point)
    over_reverse = grad(lambda x: f(x, math))
    matrices = {
        "hessian": hessian(lambda x: f(x, math))(point),
        "forward over reverse": [
            jvp(over_reverse, (point,), (unit(k, n),))[1] for k in range(n)
        ],
    }
    with mpmath.mp.workprec(200):
        at = tuple(map(mpmath.mpf, point))
        size = max(1, abs(f(at, mpmath.mp)))
        for k in range(n):
            orders = tuple(int(i == k) for i in range(n))
            expected = mpmath.diff(lambda *x: f(x, mpmath.mp), at, orders)
            assert tolerances.error(gradient[k], expected, scale=size) < 1e-13
            for j in range(k + 1):
                orders = tuple((i == k) + (i == j) for i in range(n))
                expected = mpmath.diff(lambda *x: f(x, mpmath.mp), at, orders)
                for name, matrix in matrices.items():
                    error = tolerances.error(matrix[j][k], expected, scale=size)
                    assert error < 1e-12, (name, j, k)


def test_the_warning_is_none_of_ours():
    """Of everything above, smooth functions at ordinary points, nothing warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for f, point in PUBLISHED.items():
            vjp(lambda x, f=f: f(x, math), point)[1](1.0)
