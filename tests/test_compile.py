"""compile: what f gives, at every point, on every path; and what cannot be replayed is not."""

import dataclasses
import enum
import functools
import gc
import itertools
import math as standard_math
import pickle
import random
import struct
import threading
import time
import warnings
from collections import namedtuple
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest

import fastad
from fastad import (
    compile,
    derivative,
    errors,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    math,
    value_and_grad,
    vjp,
    vmap,
)
from tests.published import FUNCTIONS

inf, nan = standard_math.inf, standard_math.nan


@pytest.fixture(autouse=True)
def nothing_goes_uncompiled():
    """A warning that a function runs uncompiled is an error, where no test expects it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", errors.NotCompiledWarning)
        yield


def bits(x):
    """A result as what it is made of, but for the sign of a zero: a sweep starts from 0.0, to
    which the first contribution is added, and a program from that."""
    if isinstance(x, (list, tuple)):
        return type(x).__name__, [bits(item) for item in x]
    if isinstance(x, dict):
        return {key: bits(item) for key, item in x.items()}
    if isinstance(x, numpy.ndarray):
        return x.shape, bits(x.ravel().tolist())
    if isinstance(x, float):
        return "nan" if x != x else struct.pack("<d", x + 0.0)
    return x


def outcome(f, *args, **kwargs):
    """The result in bits, or the exception."""
    try:
        return bits(f(*args, **kwargs))
    except Exception as error:
        return type(error), str(error)


# ---- Values -------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [lambda f: f, grad, value_and_grad, hessian])
@pytest.mark.parametrize("published", FUNCTIONS, ids=lambda f: f.__name__)
def test_published_functions(published, verb):
    derived = verb(lambda x: published(x, math))
    fast = compile(derived)
    rng = random.Random(1)
    for _ in range(4):
        point = [v + rng.uniform(-0.1, 0.1) for v in FUNCTIONS[published]]
        if verb is hessian:
            got, expected = numpy.array(fast(point)), numpy.array(derived(point))
            assert abs(got - expected).max() <= 1e-13 * abs(expected).max()
        else:
            assert bits(fast(point)) == bits(derived(point))
    assert fast.stats["eager"] == 0
    assert fast.stats["hits"] + fast.stats["misses"] == 4


def random_function(rng):
    """A function of some numbers with branches, loops and choices, all by a seed."""
    n = rng.randint(1, 4)
    plan = [
        (rng.randrange(14), rng.randrange(8), rng.randrange(8), rng.uniform(-2, 2))
        for _ in range(rng.randint(3, 12))
    ]

    def f(x):
        pool = [*x, x[0] * 0.5, x[-1] + 1.0]
        for kind, i, j, c in plan:
            a, b = pool[i % len(pool)], pool[j % len(pool)]
            if kind == 0:
                result = a + b
            elif kind == 1:
                result = a * b - c
            elif kind == 2:
                result = math.sin(a) / (1.5 + math.cos(b))
            elif kind == 3:
                result = a if a > b else b * c
            elif kind == 4:
                result = math.exp(-abs(a)) if b >= c else math.sqrt(1.0 + a * a)
            elif kind == 5:
                result = a * int(b) + c
            elif kind == 6:
                result = max(a, b, c) - min(a, 2.0 * b)
            elif kind == 7:
                result = a
                for _ in range(5):
                    if abs(result) < 1e-3:
                        break
                    result = result * 0.25
            elif kind == 8:
                result = fastad.maximum(a, b) * fastad.where(a > 0, c, b)
            elif kind == 9:
                result = a % 1.5 + round(b)
            elif kind == 10:
                result = -a if b == c else a
            elif kind == 11:
                result = math.floor(a) * b + fastad.floor(b)
            elif kind == 12:
                result = sorted([a, b, c])[1]
            else:
                result = math.tanh(a) ** 2 + a / (b * b + 1.0)
            pool.append(math.atan(result) * 3.0)
        return pool[-1] + pool[len(pool) // 2]

    return f, n


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_with_branches(seed):
    rng = random.Random(seed)
    f, n = random_function(rng)
    for verb in (lambda g: g, value_and_grad):
        derived = verb(f)
        fast = compile(derived, max_paths=10_000)
        for _ in range(60):
            point = [
                rng.choice([rng.gauss(0, 2), rng.uniform(-1, 1), 1.0, 0.0])
                for _ in range(n)
            ]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", errors.NonSmoothWarning)
                assert outcome(fast, point) == outcome(derived, point), point
        stats = fast.stats
        assert stats["hits"] + stats["misses"] + stats["eager"] >= 60
        assert stats["paths"] <= stats["misses"]


def test_a_flipped_branch_takes_one_replay_more():
    @compile
    def f(x, y):
        return x * y if x > y else x / y

    for point in ((2.0, 1.0), (1.0, 2.0), (3.0, 1.0), (1.0, 3.0)):
        f(*point)
    before = f.stats
    for _ in range(10):
        assert f(5.0, 2.0) == 10.0
        assert f(1.0, 4.0) == 0.25
    assert f.stats["misses"] == before["misses"] == 2
    assert f.stats["hits"] == before["hits"] + 20
    conditions = [str(path.conditions[0]) for path in f.paths]
    assert len(conditions) == 2
    for condition, holds in zip(conditions, (True, False), strict=True):
        assert "x > y" in condition
        assert condition.endswith(f"is {holds}")
        assert "test_compile.py:" in condition


def test_ints_that_are_taken_out_are_paths_of_their_own():
    f = compile(lambda x: int(x) * x, max_paths=20)
    for x in [0.5, 3.5, 7.25, 3.75, 0.25, 9.5, -1.5, -0.5, 7.75]:
        assert f(x) == int(x) * x
    assert f.stats["paths"] == 5
    assert sorted(path.conditions[0].outcome for path in f.paths) == [
        -1.0,
        0.0,
        3.0,
        7.0,
        9.0,
    ]


# ---- Exceptions, and what is not finite ------------------------------------------------

EXCEPTIONS = {
    "division": (lambda x: 1.0 / x, 0.0),
    "log": (lambda x: math.log(x), -1.0),
    "log of 0": (lambda x: math.log(x), 0.0),
    "sqrt": (lambda x: math.sqrt(x), -1.0),
    "exp": (lambda x: math.exp(x), 1000.0),
    "unseen overflow": (lambda x: 1.0 / (1.0 + math.exp(x)), 1000.0),
    "power": (lambda x: math.pow(x, 0.5), -1.0),
    "power of 0": (lambda x: x**-1.0, 0.0),
    "large power": (lambda x: x**2, 1e200),
    "sin": (lambda x: math.sin(x), inf),
    "gamma": (lambda x: math.gamma(x), -1.0),
    "digamma": (lambda x: fastad.digamma(x), 0.0),
    "erfinv": (lambda x: fastad.erfinv(x), 2.0),
    "erfinv at 1": (lambda x: fastad.erfinv(x), 1.0),
    "logit": (lambda x: fastad.logit(x), 2.0),
    "polygamma": (lambda x: fastad.polygamma(1, x), -1.0),
    "large order": (lambda x: fastad.polygamma(200, 100.0 * x), 0.0005),
    "dead": (lambda x: (math.log(x), x)[1], -1.0),
    "dead overflow": (lambda x: (math.exp(x), x)[1], 1000.0),
    "masked": (lambda x: fastad.minimum(math.exp(x), 1.0), 1000.0),
    "int of inf": (lambda x: int(x) * x, inf),
    "int of nan": (lambda x: int(x) * x, nan),
    "mod": (lambda x: 5.0 % x, 0.0),
    "floor division": (lambda x: 5.0 // x, 0.0),
    "fmod": (lambda x: math.fmod(5.0, x), 0.0),
    "acosh": (lambda x: math.acosh(1.0 + x), -0.5),
    "atanh": (lambda x: math.atanh(x), 1.0),
    "raised": (lambda x: x if x > 0 else [][0], -1.0),
}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exceptions_are_those_of_f(name):
    f, x = EXCEPTIONS[name]
    for verb in (lambda g: g, grad, value_and_grad):
        derived = verb(f)
        fast = compile(derived)
        assert outcome(fast, x) == outcome(derived, x)  # while recording
        for good in (0.75, 0.625, 0.6875):
            for a, b in zip(flat(fast(good)), flat(derived(good)), strict=True):
                assert a == pytest.approx(b, rel=1e-14)
        for _ in range(2):
            expected = outcome(derived, x)
            assert outcome(fast, x) == expected
            assert isinstance(expected[0], type) or name in ("dead", "mod"), expected
        assert flat(fast(0.5)) == pytest.approx(flat(derived(0.5)), rel=1e-14)


def test_a_power_that_is_complex_is_that_of_floats():
    fast = compile(lambda x: x**0.5)
    for x in (4.0, -4.0, 9.0, -9.0, 16.0):
        assert fast(x) == x**0.5
    assert fast.stats["eager"] == 2


def test_infinities_and_nans_are_those_of_f():
    f = value_and_grad(lambda p: p[0] * p[1] + abs(p[0]) / (1.0 + p[1] * p[1]))
    fast = compile(f)
    values = [0.0, -0.0, 1.0, 1e308, -1e308, 5e-324, inf, -inf, nan]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.NonSmoothWarning)
        for x in values:
            for y in values:
                assert outcome(fast, [x, y]) == outcome(f, [x, y])


def test_warnings_are_those_of_f():
    f = grad(lambda x: (x - x) * math.sqrt(x))
    fast = compile(f)
    for x in (1.0, 2.0, 3.0):
        assert fast(x) == 0.0
    with pytest.warns(errors.NonSmoothWarning):
        assert fast(0.0) == 0.0
    strict = compile(grad(lambda x: (x - x) * math.sqrt(x), on_nan="raise"))
    assert strict(1.0) == 0.0
    with pytest.raises(errors.NonSmoothError):
        strict(0.0)


# ---- What is an input, and what is part of the key ----------------------------------------

Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Circle:
    centre: Point
    radius: float
    name: str = "circle"


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


CONTAINERS = {
    "scalars": (lambda x, y: (x * y, x), (2.0, 3.0)),
    "list": (lambda x: [v * v for v in x], ([1.0, 2.0, 3.0],)),
    "tuple": (lambda x: (x[0], x), ((1.0, 2.0),)),
    "namedtuple": (lambda p: Point(p.y, p.x * 2), (Point(1.0, 2.0),)),
    "dict": (lambda d: {"c": d["a"] * d["b"][0]}, ({"a": 2.0, "b": [3.0]},)),
    "dataclass": (
        lambda c: (c.radius * c.centre.x, c.name),
        (Circle(Point(1.0, 2.0), 3.0),),
    ),
    "array": (lambda x: x * x.sum(), (numpy.array([1.0, 2.0, 3.0]),)),
    "matrix": (lambda x: x @ x.T, (numpy.arange(6.0).reshape(2, 3),)),
    "transposed": (lambda x: x[0] * 2, (numpy.arange(6.0).reshape(2, 3).T,)),
    "strided": (lambda x: x * 2, (numpy.arange(6.0)[::-2],)),
    "float32": (lambda x: x * 2, (numpy.arange(3.0, dtype="f4"),)),
    "big endian": (lambda x: x * 2, (numpy.arange(3.0).astype(">f8"),)),
    "scalar array": (lambda x: x * 2, (numpy.array(2.0),)),
    "empty": (lambda x, y: (y * 2, len(x)), ([], 1.0)),
    "empty array": (lambda x, y: y * 2 + len(x), (numpy.zeros(0), 1.0)),
    "numpy scalar": (lambda x: x * 2, (numpy.float64(1.5),)),
    "int": (lambda x, n: x**n + n, (1.5, 3)),
    "bool": (lambda x, flag: x if flag else -x, (1.5, True)),
    "text": (lambda x, how: math.exp(x) if how == "exp" else x, (1.5, "exp")),
    "none": (lambda x, y: x if y is None else y, (1.5, None)),
    "function": (lambda x, g: g(x) + 1, (1.5, math.sin)),
    "fraction": (lambda x, q: x * q, (1.5, Fraction(1, 3))),
    "decimal": (lambda x, d: x * float(d), (1.5, Decimal("0.25"))),
    "enum": (lambda x, c: x * c.value, (1.5, Colour.BLUE)),
    "int array": (lambda x, k: x[k[0]] + k.sum(), ([1.5, 2.5], numpy.array([1, 0]))),
    "nested": (
        lambda a: {"r": [a["p"][0].x, (a["n"], None)]},
        ({"p": [Point(1.0, 2.0)], "n": 3},),
    ),
    "constant result": (lambda x: "text", (1.5,)),
    "int result": (lambda x: [3, True, x], (1.5,)),
    "floating result": (lambda x: 2.5, (1.5,)),
}


def moved(x):
    """The same with other floats."""
    if isinstance(x, float):
        return x * 1.25 + 0.125
    if isinstance(x, Point):
        return Point(*(moved(v) for v in x))
    if isinstance(x, (list, tuple)):
        return type(x)(moved(v) for v in x)
    if isinstance(x, dict):
        return {key: moved(v) for key, v in x.items()}
    if isinstance(x, Circle):
        return dataclasses.replace(x, centre=moved(x.centre), radius=moved(x.radius))
    if isinstance(x, numpy.ndarray) and x.dtype.kind == "f":
        return numpy.asarray(x * 1.25 + 0.125, x.dtype)
    return x


@pytest.mark.parametrize("name", CONTAINERS)
def test_arguments_and_results_in_any_arrangement(name):
    f, args = CONTAINERS[name]
    fast = compile(f)
    for _ in range(4):
        expected, got = f(*args), fast(*args)
        if isinstance(expected, numpy.floating):
            expected = float(expected)
        assert type(got) is type(expected)
        numpy.testing.assert_equal(got, expected)
        args = moved(args)
    assert fast.stats["misses"] == fast.stats["entries"] == 1
    assert fast.stats["hits"] == 3


def test_what_is_no_float_is_part_of_the_key():
    fast = compile(lambda x, key: [x, key])
    keys = [
        1,
        2,
        True,
        "a",
        b"a",
        None,
        Colour.RED,
        Fraction(1, 2),
        len,
        int,
        (1, "b"),
        1 + 2j,
    ]
    keys += [frozenset([1]), range(3), numpy.int64(1), ..., fastad, Decimal(1)]
    for _ in range(3):
        for key in keys:
            got = fast(1.5, key)
            assert got == [1.5, key]
            assert type(got[1]) is type(key)
    assert fast.stats["entries"] == fast.stats["misses"] == len(keys)


def seventh(x, *more):
    return x * 2.0 + len(more)


# A function, what its k-th call is, and what the warning says of it.
VARYING = {
    "int": (
        lambda x, t: x * t,
        lambda f, k: f(2.0, k),
        r"Argument 1 \(t\) .* varies \(125, 126, 127\): pass a float, or an array, if",
    ),
    "numpy's int": (
        lambda t, x: x * t,
        lambda f, k: f(numpy.int64(k), 2.0),
        r"Argument 0 \(t\) .*, 127\): pass a float|int64\(127\)\): pass a float",
    ),
    "keyword": (
        lambda x, *, step: x * step,
        lambda f, k: f(2.0, step=k),
        r"Keyword argument \['step'\] .*, 127\): pass a float",
    ),
    "one of more": (
        seventh,
        lambda f, k: f(2.0, None, 1.0, k),
        r"Argument 3 \(more\[2\]\) .*, 127\): pass",
    ),
    "in a dict": (
        lambda p: p["x"] * p["steps"][1],
        lambda f, k: f({"x": 2.0, "steps": [1.0, k]}),
        r"Argument 0 \(p\['steps'\]\[1\]\) .*, 127\): pass",
    ),
    "in a dataclass": (
        lambda c: c.radius * len(c.name),
        lambda f, k: f(Circle(Point(1.0, 2.0), 3.0, "a" * (k % 128))),
        r"Argument 0 \(c\.name\) .*\): compile a function of the rest",
    ),
    "not what is differentiated": (
        grad(lambda x, n: x * x * n),
        lambda f, k: f(k, k),
        r"Argument 1 \(n\) ",
    ),
    "text": (
        lambda x, key: x * len(key),
        lambda f, k: f(2.0, str(k)),
        r"Argument 1 \(key\) .*'126', '127'\): compile a function of the rest",
    ),
    "indices": (
        lambda x, rows: x[rows].sum(),
        lambda f, k: f(numpy.arange(200.0), numpy.array([1, k % 128])),
        r"Argument 1 \(rows\) .*array\(\[  1, 127\]\)\): compile",
    ),
    "length": (
        lambda x: sum(x),
        lambda f, k: f([1.0] * (k % 128 + 1)),
        r"Argument 0 \(x\) .*126 items, 127 items, 128 items",
    ),
    "shape": (
        lambda x: x.sum(),
        lambda f, k: f(numpy.ones(k % 128 + 1)),
        r"Argument 0 \(x\) .*, an array of shape \(128,\)\)",
    ),
    "number of arguments": (
        lambda *x: sum(x),
        lambda f, k: f(*[1.0] * (k % 128 + 1)),
        "The number of its arguments varies",
    ),
    "function": (
        lambda x, g: g(x),
        lambda f, k: f(2.0, lambda x: x * k),
        r"Argument 1 \(g\) .*<function.*: compile a function of the rest",
    ),
}


@pytest.mark.parametrize("name", VARYING)
def test_keys_that_vary_are_not_recorded_for_ever(name):
    f, call, message = VARYING[name]
    fast = compile(f)
    for k in range(127):
        assert bits(call(fast, k)) == bits(call(f, k))
    assert fast.stats["entries"] == 64
    with pytest.warns(errors.NotCompiledWarning, match=message) as caught:
        call(fast, 127)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    for k in range(128, 200):
        assert bits(call(fast, k)) == bits(call(f, k))
    assert fast.stats["entries"] == 64
    assert fast.stats["misses"] == 128


def test_known_keys_are_replayed_when_others_are_not():
    fast = compile(lambda x, n: x * n)
    with pytest.warns(errors.NotCompiledWarning):
        assert [fast(2.0, n) for n in range(300)] == [2.0 * n for n in range(300)]
    assert fast.stats["misses"] == 128
    assert fast.stats["eager"] == 300 - 128
    for n in range(64, 128):
        assert fast(3.0, n) == 3.0 * n
    assert fast.stats["hits"] == 64
    assert fast(3.0, 128) == 3.0 * 128
    assert fast.stats["hits"] == 64


def use(f, n, times):
    for _ in range(times):
        assert f(2.0, n) == 2.0 * n


@pytest.mark.parametrize(
    "call",
    [
        lambda f, n: use(f, n, 5),
        lambda f, n: use(f, n, 5 if n % 32 == 0 else 1),
        lambda f, n: vmap(f, (0, None))(numpy.ones(10), n),
    ],
    ids=["often", "now and then", "at many points"],
)
def test_keys_that_are_worth_their_recording(call):
    fast = compile(lambda x, n: x * n)
    for n in range(200):
        call(fast, n)
    assert fast.stats["misses"] == 200
    assert fast.stats["entries"] == 64


def test_keywords_and_defaults():
    def f(x, y=2.0, *, n=1, scale=1.0):
        return x * y**n * scale

    fast = compile(f)
    for _ in range(3):
        assert fast(3.0) == f(3.0)
        assert fast(3.0, 4.0) == f(3.0, 4.0)
        assert fast(x=3.0, y=5.0) == f(x=3.0, y=5.0)
        assert fast(3.0, scale=0.5, n=2) == f(3.0, scale=0.5, n=2)
        assert fast(3.0, n=2, scale=0.25) == f(3.0, n=2, scale=0.25)
    assert fast.stats["eager"] == 0
    assert outcome(fast) == outcome(f)
    assert outcome(fast, 1.0, z=1.0) == outcome(f, 1.0, z=1.0)


def test_an_int_at_a_differentiated_position_is_a_float():
    fast = compile(value_and_grad(lambda p, n: p[0] ** n * p[1]))
    for p in ([1, 2], [1.5, 2], [3, 4], numpy.array([1, 2]), numpy.array([1.5, 2.5])):
        assert bits(fast(p, 2)) == bits(fast.function(p, 2))
    assert fast.stats["entries"] == 2  # lists and arrays
    fast(p, 3)
    assert fast.stats["entries"] == 3
    assert compile(lambda x: x * 1)(3) == 3
    assert type(compile(lambda x: x * 1)(3)) is int
    products = compile(hvp(lambda p: p[0] ** 2 * p[1]))
    assert products([3, 5], [1, 0]) == products([3.0, 5.0], [1.0, 0.0]) == [10.0, 6.0]
    assert products.stats["entries"] == 1


UNCOMPILED = {
    "object": lambda f: f(1.5, SomeObject()),
    "set": lambda f: f(1.5, {1, 2}),
    "method": lambda f: f(1.5, SomeObject().method),
    "generator": lambda f: f(1.5, iter([1])),
}

ATTRIBUTES = {
    "list": lambda f: f(1.5, Scaled([1.0], scale=2.0)),
    "dict": lambda f: f(1.5, ScaledDict({"a": 1.0}, scale=2.0)),
}


class Scaled(list):
    def __init__(self, items, scale=1.0):
        super().__init__(items)
        self.scale = scale


class ScaledDict(dict):
    def __init__(self, items, scale=1.0):
        super().__init__(items)
        self.scale = scale


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_containers_with_attributes_are_not_compiled(name):
    fast = compile(lambda x, other: x * other.scale)
    with pytest.warns(errors.NotCompiledWarning, match="beside its items"):
        assert ATTRIBUTES[name](fast) == 3.0
    assert fast.stats["eager"] == 1


@dataclasses.dataclass
class Disc:
    radius: float

    def __post_init__(self):
        self.area = self.radius * self.radius * 3.0


def test_attributes_of_dataclass_objects_beside_their_fields():
    fast = compile(lambda disc, x: disc.area * x)
    for radius in (1.0, 2.0, 3.0, 1.0):
        assert fast(Disc(radius), 2.0) == 6.0 * radius * radius
    assert fast.stats["hits"] == 3
    made = compile(Disc)
    for radius in (1.0, 2.0, 3.0):
        assert vars(made(radius)) == vars(Disc(radius))
    described = Disc(2.0)
    described.name = "large"
    assert fast(described, 2.0) == 24.0
    assert fast.stats["entries"] == 2


class Incomparable:
    __module__ = None

    def __init__(self, answer):
        self.answer = answer

    def __eq__(self, other):
        return self.answer()

    def __hash__(self):
        return 1


@pytest.mark.parametrize("answer", [lambda: [][0], lambda: numpy.zeros(2)])
def test_arguments_that_cannot_be_compared(answer):
    fast = compile(lambda x, other: x * 2.0)
    for x in (1.0, 2.0):
        assert fast(x, Incomparable(answer)) == 2.0 * x
    assert fast.stats["entries"] == 2


class SomeObject:
    def method(self):
        return 1


@pytest.mark.parametrize("name", UNCOMPILED)
def test_what_may_change_unseen_is_not_compiled(name):
    fast = compile(lambda x, other: x * 2.0)
    with pytest.warns(
        errors.NotCompiledWarning, match="compared by identity"
    ) as caught:
        assert UNCOMPILED[name](fast) == 3.0
    assert caught[0].filename == __file__
    assert UNCOMPILED[name](fast) == 3.0  # one warning
    assert fast.stats["eager"] == 2


@fastad.custom_vjp
def exponential(x):
    return standard_math.exp(x)


@exponential.rule
def exponential_rule(value, x):
    return lambda seed: seed * value


CANNOT_BE_RECORDED = {
    "float()": lambda x: float(x) * 2.0,
    "standard math": lambda x: standard_math.sin(x),
    "writes": lambda x: x.__setitem__(0, 2.0) or x[0],
    "another type": lambda x: SomeObject(),
    "a rule": lambda x: exponential(x),
    "sparse": lambda x: fastad.sparse_hessian(lambda p: p[0] ** 2)([x]).nnz,
    "set": lambda x: x if x in {1.0, 2.0} else -x,
    "sizes": lambda x: len({x, 1.0}) * x,
    "cache": lambda x: squared(x),
    "in a gradient": lambda x: grad(lambda y: y * len({y, 1.0}))(x),
}


@functools.lru_cache
def squared(x):
    return x * x


@pytest.mark.parametrize("name", CANNOT_BE_RECORDED)
def test_what_cannot_be_recorded_runs_as_it_is(name):
    f = CANNOT_BE_RECORDED[name]
    argument = [1.5] if name == "writes" else 1.5
    fast = compile(f)
    with pytest.warns(errors.NotCompiledWarning, match="uncompiled"):
        first = fast(argument)
    assert type(fast(argument)) is type(first)
    assert fast.stats["eager"] >= 2
    assert fast.stats["hits"] == 0


def with_next(x, numbers):
    numbers[0] = numbers[0] + 1
    return x * numbers[0]


def with_more(x, options):
    options["n"] += 1
    return x * options["n"]


def with_shift(x, values):
    values += x
    return values[0]


WRITES = {
    "int array": (with_next, lambda: numpy.array([1, 5])),
    "int in a dict": (with_more, lambda: {"n": 1}),
    "float array": (with_shift, lambda: numpy.array([1.0, 5.0])),
    "list": (with_next, lambda: [1.0]),
}


@pytest.mark.parametrize("name", WRITES)
def test_what_f_writes_into_its_arguments_is_written_once(name):
    f, argument = WRITES[name]
    ours, expected = argument(), argument()
    fast = compile(f)
    with pytest.warns(errors.NotCompiledWarning, match="changes its arguments"):
        assert fast(2.0, ours) == f(2.0, expected)
    for x in (2.0, 3.0):
        assert fast(x, ours) == f(x, expected)
        numpy.testing.assert_equal(ours, expected)


def test_a_first_call_that_cannot_be_replayed():
    fast = compile(lambda x: x * 2.0)
    for x in (nan, 1.0, 2.0, 3.0):
        assert bits(fast(x)) == bits(2.0 * x)
    assert fast.stats["hits"] == 3


def test_a_function_that_cannot_be_recorded_is_called_once():
    calls = []
    fast = compile(lambda x: calls.append(x) or float(x))
    with pytest.warns(errors.NotCompiledWarning):
        fast(1.5)
    assert [x for x in calls if type(x) is float] == [1.5]


def test_max_paths():
    fast = compile(lambda x: [v if v > 0 else -v for v in x], max_paths=3)
    rng = random.Random(1)
    points = [[rng.gauss(0, 1) for _ in range(4)] for _ in range(200)]
    with pytest.warns(errors.NotCompiledWarning, match="max_paths=3") as caught:
        results = [fast(x) for x in points]
    assert results == [[abs(v) for v in x] for x in points]
    assert len(caught) == 1
    assert len(fast.paths) == 3
    assert fast.stats["eager"] > 0


# ---- Impure functions ---------------------------------------------------------------------


def with_counts(f):
    counts = itertools.count()
    return lambda x: f(x, counts)


IMPURE = {
    "random": lambda: lambda x: x * random.random(),
    "time": lambda: lambda x: x + time.perf_counter(),
    "counter": lambda: with_counts(lambda x, i: x * float(next(i))),
    "result": lambda: with_counts(lambda x, i: [x, next(i)]),
    "longer": lambda: with_counts(lambda x, i: x if next(i) == 0 else x * x),
    "gradient": lambda: grad(lambda x: x * x * random.random()),
}


@pytest.mark.parametrize("name", IMPURE)
def test_an_impure_function_is_caught_at_its_second_call(name):
    fast = compile(IMPURE[name]())
    fast(1.5)
    with pytest.raises(errors.ImpureFunctionError, match="did something else"):
        fast(2.5)
    assert isinstance(errors.ImpureFunctionError(), RuntimeError)


def test_the_operation_that_differs_is_named():
    def f(x):
        y = x * 2.0
        return y * random.random()

    fast = compile(f)
    fast(1.5)
    with pytest.raises(
        errors.ImpureFunctionError, match=r"test_compile.py:\d+: .*random"
    ):
        fast(1.5)


def test_what_floats_would_not_do_is_noticed():
    fast = compile(lambda x: x if isinstance(x, float) else 2.0 * x)
    assert fast(1.5) == 1.5
    with pytest.warns(errors.NotCompiledWarning, match="something else on floats"):
        assert fast(2.5) == 2.5
    assert fast(3.5) == 3.5


def attempt(f, *exceptions):
    """The function that returns -1 where f raises one of these."""

    def attempted(x):
        try:
            return f(x)
        except exceptions:
            return -1.0

    return attempted


CAUGHT = {
    "log": (lambda x: math.log(x) * 2.0, [-1.0, 2.0, 0.0, 3.0, -2.0]),
    "division": (lambda x: 1.0 / x, [0.0, 2.0, 0.0, 3.0]),
    "power": (lambda x: math.pow(x, 0.5), [-1.0, 4.0, 9.0, -4.0]),
    "exp": (lambda x: math.exp(x), [1000.0, 1.0, 2.0]),
    "method": (lambda x: (x * 2.0) ** -1.0, [0.0, 2.0, 3.0, 0.0]),
    "int": (lambda x: int(x) * x, [inf, 2.5, nan, 2.25, -inf]),
    "floor": (lambda x: math.floor(x) * x, [nan, 2.5, inf, 2.25]),
    "round": (lambda x: round(x) * x, [inf, 2.5, 2.25]),
    "digits": (lambda x: round(x, -308) + x, [1.7e308, 2.5, 2.25]),
    "fsum": (lambda x: fastad.fsum([x, x, 1.0]), [1e308, 2.5, 2.25]),
    "ldexp": (lambda x: math.ldexp(x, 1000), [1e300, 2.5, 2.25]),
    "raised": (lambda x: x if x > 0 else [][0], [-1.0, 2.0, -3.0, 3.0]),
    "in a gradient": (lambda x: grad(lambda y: math.log(y) * x)(x), [-1.0, 2.0, 3.0]),
    "special": (lambda x: fastad.erfinv(x), [2.0, 0.5, 0.25, -2.0]),
}


@pytest.mark.parametrize("name", CAUGHT)
def test_exceptions_that_f_catches(name):
    f, points = CAUGHT[name]
    caught = attempt(f, ArithmeticError, ValueError, IndexError)
    for verb in (lambda g: g, value_and_grad):
        derived = verb(caught)
        fast = compile(derived)
        for x in points + points:
            for a, b in zip(flat(fast(x)), flat(derived(x)), strict=True):
                assert a == pytest.approx(b, rel=1e-14)


# ---- Composition with the verbs -----------------------------------------------------------

VERBS = {
    "grad": grad,
    "value_and_grad": value_and_grad,
    "jacobian": jacobian,
    "jacfwd": jacfwd,
    "jacrev": jacrev,
    "hessian": hessian,
    "gradient of gradient": lambda f: grad(lambda p: grad(f)(p)[0]),
    "jacobian of gradient": lambda f: jacobian(grad(f)),
    "hessian in forward mode": lambda f: jacfwd(jacfwd(f)),
    "third order": lambda f: jacobian(hessian(f)),
    "hvp": lambda f: lambda p: hvp(f)(p, [1.0, -0.5]),
    "jvp": lambda f: lambda p: jvp(f, (p,), ([1.0, 0.5],)),
    "vjp": lambda f: lambda p: vjp(f, p)[1](2.0),
    "derivative": lambda f: lambda p: derivative(lambda t: f([t, p[1]]))(p[0]),
}


def hilly(p):
    x, y = p
    if x * y > 0.2:
        x = math.sin(x) + y * y * x
    return math.exp(x * y) * y + x**3


@pytest.mark.parametrize("name", VERBS)
def test_verbs_compose_both_ways(name):
    verb = VERBS[name]
    plain, outside, inside = verb(hilly), compile(verb(hilly)), verb(compile(hilly))
    both = compile(verb(compile(hilly)))
    rng = random.Random(1)
    for _ in range(8):
        point = [rng.uniform(-1, 1), rng.uniform(-1, 1)]
        expected = plain(point)
        for f in (outside, inside, both):
            for got, value in zip(flat(f(point)), flat(expected), strict=True):
                assert got == pytest.approx(value, rel=1e-12, abs=1e-13)
    assert outside.stats["eager"] == both.stats["eager"] == 0
    assert outside.stats["misses"] == len(outside.paths) <= 2


def test_a_compiled_hessian_is_not_transposed():
    """Its two triangles differ by roundings, each as in the Hessian itself."""

    def f(p):
        return p[0] ** 3 * p[1] / (p[0] + p[1])

    plain, fast = hessian(f), compile(hessian(f))
    points = [[1.1, 0.7], [1.2, 0.7], [1.3, 0.7], [1.9, 2.3]]
    found = [plain(point) for point in points]
    assert any(h[0][1] != h[1][0] for h in found)
    assert [fast(point) for point in points] == found


def flat(x):
    return (
        [v for item in x for v in flat(item)] if isinstance(x, (list, tuple)) else [x]
    )


def test_gradients_in_the_shape_of_the_arguments():
    f = value_and_grad(
        lambda c, scale: (
            c.radius * c.centre.x * scale,
            {"aux": [c.radius * 2, "text", 3]},
        ),
        argnums=(0, 1),
        has_aux=True,
    )
    fast = compile(f)
    for radius in (1.5, 2.5, 3.5):
        circle = Circle(Point(1.0, 2.0), radius, name=4.0)
        assert fast(circle, 2.0) == f(circle, 2.0)
    assert fast.stats["hits"] == 2
    of_array = compile(grad(lambda x: (x * x).sum()))
    for x in (numpy.arange(3.0), numpy.arange(1.0, 4.0)):
        assert numpy.array_equal(of_array(x), 2.0 * x)


def test_closures_over_numbers_of_the_program():
    def f(x, y):
        inner = grad(lambda z: z * z * x + y * z)  # x and y are captured
        return inner(y) * derivative(lambda t: t * x * y)(x) + inner(2.0)

    fast = compile(value_and_grad(f, argnums=(0, 1)))
    for point in ((1.5, 2.5), (0.5, -1.0), (2.0, 3.0)):
        assert fast(*point)[0] == pytest.approx(f(*point))
        for got, expected in zip(
            fast(*point)[1], fast.function(*point)[1], strict=True
        ):
            assert got == pytest.approx(expected)
    assert fast.stats["eager"] == 0


def test_a_call_with_vars_is_one_operation_for_each_output():
    fast = compile(lambda p: [math.sin(p[0] * p[1]), p[0], 3.0])
    fast([1.0, 2.0])
    tape = fastad.Tape()
    x, y = tape.var(0.5), tape.var(2.0)
    before = tape.stats["nodes"]
    z, same, constant = fast([x, y])
    assert tape.stats["nodes"] - before == 2
    assert constant == 3.0
    z.backward()
    assert (x.grad, y.grad) == (
        2.0 * standard_math.cos(1.0),
        0.5 * standard_math.cos(1.0),
    )
    assert same.value == 0.5


def test_a_rule_is_kept_where_a_compiled_function_is_differentiated():
    fast = compile(lambda x: exponential(2.0 * x))
    with pytest.warns(errors.NotCompiledWarning, match="rule of its own"):
        assert grad(fast)(0.5) == pytest.approx(2.0 * standard_math.e)
    assert grad(grad(fast))(0.5) == pytest.approx(4.0 * standard_math.e)


def test_arrays_that_are_no_arguments_of_a_program():
    fast = compile(lambda x: x * 2)
    for _ in range(3):
        assert fast(numpy.array([1j]))[0] == 2j  # a constant
    with pytest.warns(errors.NotCompiledWarning, match="plain numpy.ndarray"):
        assert fast(numpy.ma.array([1.0]))[0] == 2.0


# ---- Calls within calls, threads, and life -------------------------------------------------


def test_recursion_and_reentrancy():
    @compile
    def power(x, n):
        return x if n == 1 else x * power(x, n - 1)

    @compile
    def outer(x):
        return power(x, 3) + power(2.0, 2)

    for x in (1.5, 2.5, 3.5):
        assert power(x, 5) == x * (x * (x * (x * x)))
        assert outer(x) == x * (x * x) + 4.0
        assert grad(outer)(x) == pytest.approx(3.0 * x * x)


def test_an_exception_leaves_everything_as_it_was():
    def f(x):
        if x > 1.0:
            raise KeyboardInterrupt
        return x * x

    fast = compile(f)
    fast(0.5)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            fast(2.0)
        assert fast(0.25) == 0.0625
        assert grad(lambda x: x * x)(3.0) == 6.0


def test_threads_share_a_compiled_function():
    rng = random.Random(1)

    @compile
    @value_and_grad
    def f(p):
        total = 0.0
        for a in p:
            total = total + (math.sin(a) * a if a > 0 else math.exp(a))
        return total

    points = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(200)]
    expected = [bits(f.function(p)) for p in points]
    wrong = []

    def work():
        for _ in range(5):
            for p, value in zip(points, expected, strict=True):
                if bits(f(p)) != value:
                    wrong.append(p)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(f.paths) == 8


class Model:
    rate = 2.0

    @compile
    def growth(x, t):
        return x * math.exp(t)


@compile
def at_module_level(x):
    return x * x


def test_names_methods_and_pickling():
    @compile(max_paths=5)
    def documented(x):
        """What it says."""
        return x

    assert documented.__name__ == "documented"
    assert documented.__doc__ == "What it says."
    assert documented.max_paths == 5
    assert documented.function(3) == 3
    assert pickle.loads(pickle.dumps(at_module_level)) is at_module_level
    copy = pickle.loads(pickle.dumps(compile(hilly, max_paths=7)))
    assert copy([0.1, 0.2]) == hilly([0.1, 0.2])
    assert copy.max_paths == 7
    recipe = fastad._core.Recipe(hilly, (0, -1), True, "raise", True)
    assert pickle.loads(pickle.dumps(recipe)).argnums == (0, -1)
    assert Model.growth(1.0, 0.0) == 1.0
    assert "at_module_level" in repr(at_module_level)
    with pytest.warns(errors.NotCompiledWarning):
        assert compile(lambda model, x: x * model.rate)(Model(), 1.5) == 3.0


class Cost:
    def __init__(self, k, n=1):
        self.k, self.n = k, n

    def __call__(self, x):
        return self.k * x * x * self.n

    cost = __call__

    @functools.partial(grad, argnums=1)
    def slope(self, x):
        return self.cost(x)


@dataclasses.dataclass
class Comparable(Cost):
    k: float
    n: int = 1


METHODS = {
    "itself": lambda m: m.cost,
    "grad": lambda m: grad(m.cost),
    "value_and_grad": lambda m: value_and_grad(m.cost),
    "twice": lambda m: derivative(grad(m.cost)),
    "hessian": lambda m: hessian(m.cost),
    "checkpoint": lambda m: grad(fastad.checkpoint(m.cost)),
    "compiled": lambda m: grad(compile(m.cost)),
    "decorated": lambda m: m.slope,
    "partial": lambda m: functools.partial(m.cost),
}


def call_while_it_changes(f, m):
    """What f gives while its object changes, and changes back."""
    found = []
    for k, n in [(3.0, 1), (3.0, 1), (5.0, 1), (3.0, 1), (3.0, 2), (-0.0, 2), (0.0, 2)]:
        m.k, m.n = k, n
        found.append(bits(f(2.0)))
    return found


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", [Cost, Comparable])
def test_the_object_of_a_method_may_change(name, kind):
    m = kind(3.0)
    f = METHODS[name](m)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.NotCompiledWarning)
        assert call_while_it_changes(compile(f), m) == call_while_it_changes(f, m)


def test_a_method_of_something_that_may_change_unseen_is_not_compiled():
    m = Cost(3.0)
    fast = compile(grad(m.cost))
    with pytest.warns(errors.NotCompiledWarning, match="a Cost, is compared by ident"):
        assert fast(2.0) == 12.0
    assert fast(2.0) == 12.0
    assert fast.stats["eager"] == 2


def test_a_method_of_something_that_is_compared_is_compiled():
    m = Comparable(3.0)
    fast = compile(grad(m.cost))
    for k in (3.0, 3.0, 5.0, 5.0, 3.0):
        m.k = k
        assert fast(2.0) == 4.0 * k
    assert fast.stats["entries"] == fast.stats["misses"] == 2
    assert fast.stats["hits"] == 3
    m.k = fastad.Var(2.0)
    with pytest.warns(errors.NotCompiledWarning, match="holds Vars"):
        assert fast(2.0) == 8.0
    m = Comparable(0.0)
    fast = compile(m.cost)
    for m.k in map(float, range(127)):
        assert fast(2.0) == 4.0 * m.k
    m.k = -1.0
    with pytest.warns(errors.NotCompiledWarning, match="The object whose method"):
        assert fast(2.0) == -4.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: compile(3),
        lambda: compile("f"),
        lambda: compile(abs, max_paths=0),
        lambda: compile(abs, max_paths="many"),
        lambda: compile(abs, max_paths=True),
    ],
)
def test_bad_arguments(call):
    with pytest.raises(errors.ArgumentError):
        call()


def test_memory_is_given_back():
    def forget():
        fast = compile(value_and_grad(hilly))
        for x in (0.1, 0.5, 0.9):
            fast([x, x])

    forget()
    gc.collect()
    before = fastad._core.live_vars()
    for _ in range(10):
        forget()
    gc.collect()
    assert fastad._core.live_vars() == before
