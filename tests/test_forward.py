"""Dual, jvp and derivative: like Var in every value and exception, and flat in memory."""

import copy
import dataclasses
import functools
import gc
import itertools
import math as standard_math
import operator
import pickle
import random
import struct
import sys
import tracemalloc
import types
import warnings
from collections import OrderedDict, namedtuple
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest

import fastad
from fastad import Dual, Var, _core, derivative, errors, grad, jvp, math, value_and_grad

INF, NAN = standard_math.inf, standard_math.nan


def bits(x):
    return "nan" if x != x else struct.pack("<d", x)


@pytest.fixture(autouse=True)
def ignore_kinks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.NonSmoothWarning)
        yield


# ---- Making one ----------------------------------------------------------------------


def test_a_dual_has_a_value_and_tangents():
    assert (Dual(2.0).value, Dual(2.0).tangent) == (2.0, 1.0)
    assert Dual(2.0, 3.0).tangent == 3.0
    assert Dual(2.0, (3.0, 4.0)).tangent == (3.0, 4.0)
    assert Dual(2.0, [3.0]).tangent == 3.0
    assert Dual(value=2, tangent=Fraction(1, 4)).tangent == 0.25
    for number in (3, True, Fraction(1, 3), numpy.float32(0.1), numpy.int64(7), INF):
        dual = Dual(number, number)
        assert type(dual.value) is type(dual.tangent) is float
        assert dual.value == dual.tangent == float(number)


NO_NUMBERS = [None, "1.0", 1j, Decimal(1), {}, object(), numpy.array([1.0])]


@pytest.mark.parametrize("thing", NO_NUMBERS, ids=repr)
def test_what_makes_no_dual(thing):
    with pytest.raises(errors.ArgumentError, match=r"must be a real number, not an? "):
        Dual(thing)
    with pytest.raises(errors.ArgumentError, match="a tangent is a real number"):
        Dual(1.0, thing)
    with pytest.raises(errors.ArgumentError, match="a tangent is a real number"):
        Dual(1.0, [1.0, thing])


def test_bad_arguments_of_dual():
    with pytest.raises(errors.ArgumentError, match="at least one tangent"):
        Dual(1.0, [])
    with pytest.raises(errors.ArgumentError):
        Dual(Var(1.0))
    with pytest.raises(OverflowError):
        Dual(10**400)
    for args in ((), (1.0, 2.0, 3.0)):
        with pytest.raises(TypeError):
            Dual(*args)
    with pytest.raises(TypeError):
        type("Mine", (Dual,), {})
    x = Dual(1.0)
    for name in ("value", "tangent", "anything"):
        with pytest.raises(AttributeError):
            setattr(x, name, 2.0)


# ---- Like a Var ----------------------------------------------------------------------

VALUES = [
    *(0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 7.25, -0.3, 1e16, 1e300, -1e300),
    *(5e-324, 1e-310, INF, -INF, NAN),
]
FEW = VALUES[::3]
OPERATORS = {
    name: getattr(operator, name) for name in "add sub mul truediv pow mod".split()
}
OPERATIONS = {
    **{row.name: (_core.function(row.name, ""), row.arity) for row in _core.rows()},
    **{f"operator.{name}": (f, 2) for name, f in OPERATORS.items()},
    "floordiv": (operator.floordiv, 2),
    "divmod": (lambda x, y: divmod(x, y)[1], 2),
    "neg": (operator.neg, 1),
    "pos": (operator.pos, 1),
    "abs": (abs, 1),
    "round": (lambda x: round(x, 1), 1),
    "x**2": (lambda x: x**2, 1),
    "x**x": (lambda x: x**x, 1),
    "where": (lambda x, y: fastad.where(x > y, x, y), 2),
    "clip": (lambda x: fastad.clip(x, -1.0, 1.0), 1),
    "max": (lambda x, y: max(x, y) - 2 * min(y, x), 2),
    "sum": (lambda x, y: sum([x, y, x, 1]), 2),
    "fsum": (lambda x, y: math.fsum([x, y, 0.1, x]), 2),
    "sumprod": (lambda x, y: math.sumprod([x, y], [y, 3.0]), 2),
    "prod": (lambda x, y: math.prod([x, y, x]), 2),
    "hypot": (math.hypot, 2),
    "hypot of three": (lambda x, y: math.hypot(x, y, 2.0), 2),
    "dist": (lambda x, y: math.dist((x, 1.0), (y, x)), 2),
    "norm": (lambda x, y: fastad.norm([x, y]), 2),
    "logsumexp": (lambda x, y: fastad.logsumexp([x, y]), 2),
    "log to a base": (lambda x: math.log(x, 3), 1),
    "frexp": (lambda x: math.frexp(x)[0], 1),
    "ldexp": (lambda x: math.ldexp(x, -3), 1),
    "modf": (lambda x: math.modf(x)[0], 1),
    "degrees": (math.degrees, 1),
    "nextafter": (math.nextafter, 2),
    "fma": (lambda x, y: math.fma(x, y, 1.0), 2),
}


def outcome(compute):
    """What a computation returns, or the class and the text of what it raises."""
    try:
        return compute()
    except Exception as error:
        return type(error), str(error).replace("Dual", "Var")


def by_var(f, point):
    x = [Var(a) for a in point]
    y = outcome(lambda: f(*x))
    if type(y) is not Var:
        return y
    y.backward()
    return bits(y.value), [0.0 if a.grad is None else a.grad + 0.0 for a in x]


def by_dual(f, point):
    n = len(point)
    x = [Dual(a, [float(i == k) for i in range(n)]) for k, a in enumerate(point)]
    y = outcome(lambda: f(*x))
    if type(y) is not Dual:
        return y
    return bits(y.value), [
        slope + 0.0 for slope in (y.tangent if n > 1 else [y.tangent])
    ]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_as_on_vars(name):
    """The same value to the last bit, the same derivatives, the same exceptions."""
    f, arity = OPERATIONS[name]
    for point in itertools.product(*arity * [VALUES if arity < 3 else FEW]):
        assert repr(by_dual(f, point)) == repr(by_var(f, point)), point


NUMBERS = [
    *(2, -3, 0, True, 2**60 + 1, 10**400, 2.5, 0.0, NAN, INF, Fraction(1, 3)),
    *(numpy.float64(0.75), numpy.float32(0.1), numpy.int64(4), numpy.bool_(True)),
]


BINARY = [
    *(OPERATORS.values()),
    *(operator.floordiv, divmod),
    *(getattr(operator, name) for name in "lt le gt ge eq ne".split()),
]


@pytest.mark.parametrize("number", [*NUMBERS, *NO_NUMBERS], ids=repr)
def test_operands_of_every_type(number):
    """On both sides, with every operator and comparison; of inputs and of results."""

    def results(kind, f, x):
        for ours in (kind(x), kind(x) + 0.0):
            for pair in ((ours, number), (number, ours)):
                yield str(outcome(lambda pair=pair: described(f(*pair))))

    for f, x in itertools.product(BINARY, [1.5, -2.0, 0.0]):
        assert list(results(Dual, f, x)) == list(results(Var, f, x)), (f, x)


def described(x):
    if type(x) in (Dual, Var):
        return "a number", bits(x.value)
    if isinstance(x, (tuple, numpy.ndarray)):
        return type(x), [described(item) for item in x]
    return type(x), repr(x)


def in_place(x):
    y = x
    y += 1
    y *= y
    y -= 3
    y /= 2
    y **= 2
    return x, y


# What a number does besides arithmetic.
BEHAVIOUR = {
    "float": float,
    "int": int,
    "bool": bool,
    "complex": complex,
    "index": operator.index,
    "round": round,
    "round to digits": lambda x: round(x, 2),
    "math.floor": standard_math.floor,
    "math.ceil": standard_math.ceil,
    "math.trunc": standard_math.trunc,
    "math.sin": standard_math.sin,
    "fastad.math.floor": math.floor,
    "isnan": math.isnan,
    "isclose": lambda x: math.isclose(x, 2.5),
    "is_integer": lambda x: x.is_integer(),
    "real": lambda x: x.real is x,
    "imag": lambda x: x.imag,
    "conjugate": lambda x: x.conjugate() is x,
    "as_integer_ratio": lambda x: x.as_integer_ratio(),
    "hex": lambda x: x.hex(),
    "str": str,
    "repr": repr,
    "f-string": lambda x: f"{x:8.3f}|{x}|{x!s}",
    "bad format": lambda x: f"{x:d}",
    "percent format": lambda x: "%g" % x,  # noqa: UP031
    "hash": lambda x: hash(x) == hash(x) != hash(x * 1.0),
    "in a set": lambda x: len({x, x * 1.0, x}),
    "in a list": lambda x: x in [1.0, x.value],
    "copy": lambda x: copy.copy(x) is copy.deepcopy(x) is x,
    "pickle": pickle.dumps,
    "isinstance": lambda x: isinstance(x, float),
    "numbers.Real": lambda x: isinstance(x, __import__("numbers").Real),
    "match": lambda x: [y for y in [x] if y == 2.5],
    "lru_cache": lambda x: functools.lru_cache(lambda y: y is x)(x),
    "sorted": lambda x: sorted([3.0, x, 1.0]),
    "statistics": lambda x: __import__("statistics").mean([x, x]),
    "weakref": lambda x: __import__("weakref").ref(x),
    "iteration": iter,
    "call": lambda x: x(),
    "pow of three": lambda x: pow(x, 2, 3),
    "in place": in_place,
    "array of floats": lambda x: numpy.array([x], dtype=float),
    "array": lambda x: numpy.array([x, 1.0]).dtype,
    "assignment to an array": lambda x: numpy.zeros(2).__setitem__(0, x),
    "asarray": lambda x: numpy.asarray([x, x]).sum(),
    "array * x": lambda x: (numpy.array([1.0, 2.0]) * x).tolist(),
    "x - array": lambda x: (x - numpy.array([1.0, 2.0])).tolist(),
    "float64 * x": lambda x: numpy.float64(2.0) * x,
    "x ** float64": lambda x: x ** numpy.float64(2.0),
    "numpy.sin": numpy.sin,
    "numpy.exp of an array": lambda x: numpy.exp(numpy.array([x, x * 2])).tolist(),
    "numpy.log of -x": lambda x: numpy.isnan(numpy.log(-x).value),
    "numpy.maximum": lambda x: numpy.maximum(numpy.array([x]), 3.0).tolist(),
    "numpy.isnan": numpy.isnan,
    "dot": lambda x: numpy.array([x, x]) @ numpy.array([2.0, 3.0]),
}


@pytest.mark.parametrize("x", [2.5, -2.5, 3.0, 0.0], ids=str)
@pytest.mark.parametrize("name", BEHAVIOUR)
def test_behaviour_is_as_of_vars(name, x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        ours, theirs = (
            outcome(lambda kind=kind: BEHAVIOUR[name](kind(x))) for kind in (Dual, Var)
        )
    assert str(ours).replace("Dual", "Var") == str(theirs)


def test_arrays_defer_to_the_dual():
    """Where the comparison with Var would not see a common fault."""
    product = numpy.array([1.0, 2.0]) * Dual(3.0, 5.0)
    assert [(y.value, y.tangent) for y in product] == [(3.0, 5.0), (6.0, 10.0)]
    assert (numpy.float64(2.0) * Dual(3.0, 5.0)).tangent == 10.0
    assert numpy.sin(Dual(0.0, 5.0)).tangent == 5.0
    for lossy in (float, standard_math.sin, lambda x: numpy.array([x], dtype=float)):
        with pytest.raises(
            (errors.LostDerivativeError, ValueError), match=r"Dual\(1\.0\)|seq"
        ):
            lossy(Dual(1.0))


# ---- Many tangents -------------------------------------------------------------------


def smooth(x, y, m=math):
    z = m.sin(x) * y + m.exp(x / y) - m.hypot(x, y) ** 1.5
    for _ in range(3):
        z = z * 0.5 + m.tanh(z) * x - y
    return m.fsum([z, x, y, x * y]) / (1 + z * z)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100])
def test_many_tangents_are_many_runs(n):
    draw = random.Random(n)
    a = [draw.uniform(-2, 2) for _ in range(n)]
    b = [draw.uniform(-2, 2) for _ in range(n)]
    together = smooth(Dual(0.7, a), Dual(1.3, b)).tangent
    apart = [
        smooth(Dual(0.7, s), Dual(1.3, t)).tangent for s, t in zip(a, b, strict=True)
    ]
    assert (together if n > 1 else (together,)) == tuple(apart)
    _, gradient = value_and_grad(smooth, (0, 1))(0.7, 1.3)
    for s, t, slope in zip(a, b, apart, strict=True):
        assert slope == pytest.approx(gradient[0] * s + gradient[1] * t, rel=1e-13)


@pytest.mark.parametrize(
    "operation",
    [
        operator.add,
        operator.mul,
        lambda x, y: math.fsum([x, 1.0, y]),
        lambda x, y: math.hypot(x, y, x),
        lambda x, y: x * Var(1.0) + y,
        lambda x, y: x * Var(1.0) + Var(2.0) * y,
        math.atan2,
    ],
)
def test_numbers_of_tangents_must_agree(operation):
    for n, k in [(1, 2), (2, 1), (2, 3), (3, 2), (5, 1)]:
        with pytest.raises(
            errors.ArgumentError, match=f"with {n} and with {k} tangents meet"
        ):
            operation(Dual(1.0, [1.0] * n), Dual(2.0, [1.0] * k))
    assert Dual(1.0, (1.0, 2.0)) < Dual(2.0)


def test_zero_absorbs_what_is_not_finite():
    """In each direction for itself."""
    x = Dual(0.0, (1.0, 0.0))
    with pytest.warns(errors.NonSmoothWarning):
        assert math.sqrt(x).tangent == (INF, 0.0)
    with pytest.warns(errors.NonSmoothWarning):
        y = math.sqrt(Dual(0.0)) * 0.0
    assert y.tangent == 0.0
    assert math.sqrt(Dual(0.0)).tangent == INF
    z = math.sqrt(Dual(0.0))
    assert standard_math.isnan((z - z).tangent)


# ---- Memory --------------------------------------------------------------------------


def lorenz(x, n):
    a, b, c = x, 1.0, 1.0
    for _ in range(n):
        a, b, c = (
            a + 0.1 * (b - a),
            b + 0.01 * (a * (28 - c) - b),
            c + 0.01 * (a * b - 8 / 3 * c),
        )
    return a


@pytest.mark.parametrize("tangent", [1.0, (1.0,) * 10], ids=["one", "ten"])
def test_memory_does_not_grow_with_the_run(tangent):
    def peak(n):
        tracemalloc.start()
        lorenz(Dual(1.0, tangent), n)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(5000) < peak(50) + 5000


@pytest.mark.parametrize("tangent", [1.0, (1.0, 2.0, 3.0)], ids=["one", "three"])
def test_nothing_leaks(tangent):
    inside = Var(2.0)

    def run():
        x = Dual(1.5, tangent)
        for _ in range(30):
            x * x + math.sin(x) - 2.0 / x
            math.hypot(x, 2.0, x)
            x * inside + inside
            for bad in ("text", None):
                with pytest.raises(TypeError):
                    x + bad
            with pytest.raises(ZeroDivisionError):
                x / 0
            with pytest.raises(errors.ArgumentError):
                x * Dual(1.0, [1.0] * 7)
            jvp(lambda x: [x, {"a": x}], (1.0,), (1.0,))
            with pytest.raises(errors.ResultError):
                derivative(lambda x: "text")(1.0)

    run()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(5):
        run()
    gc.collect()
    assert sys.getallocatedblocks() - before < 50


def test_many_duals_at_once_are_given_back():
    before = sys.getallocatedblocks()
    duals = [Dual(1.0) for _ in range(20_000)]
    if before:  # 0 where Python's own allocator is not in use
        assert sys.getallocatedblocks() - before > 19_000
    del duals
    assert sys.getallocatedblocks() - before < 2500  # some are kept for reuse


def test_references_are_counted():
    f = 1.2345678
    x = Dual(f, f)
    counts = sys.getrefcount(x), sys.getrefcount(f)
    for _ in range(100):
        x + f, f * x, x**f, math.sin(x), x.value, x.tangent, +x, abs(x), x == f, {x: f}
        math.fsum([x, f]), fastad.where(x > f, x, f), derivative(math.sin)(f)
        outcome(lambda: x + "text"), outcome(lambda: math.log(x - f))
    assert (sys.getrefcount(x), sys.getrefcount(f)) == counts


def test_a_long_chain_is_no_recursion():
    x = Dual(1.0)
    for _ in range(100_000):
        x = x * 1.0
    assert x.tangent == 1.0
    del x


# ---- jvp -----------------------------------------------------------------------------

Pair = namedtuple("Pair", "a b")


@dataclasses.dataclass
class Box:
    a: float
    b: list


CONTAINERS = {
    "number": (2.0, 3.0),
    "int": (2, 3),
    "list": ([1.0, 2.0], [3.0, 4.0]),
    "list and tuple": ([1.0, 2.0], (3.0, 4.0)),
    "tuple": ((1.0, [2.0]), (3.0, [4.0])),
    "namedtuple": (Pair(1.0, 2.0), Pair(3.0, 4.0)),
    "dict": ({"x": 1.0, "y": [2.0]}, {"x": 3.0, "y": [4.0]}),
    "ordered dict": (OrderedDict(x=1.0), OrderedDict(x=2.0)),
    "dataclass": (Box(1.0, [2.0]), Box(3.0, [4.0])),
    "array": (numpy.arange(6.0).reshape(2, 3), numpy.ones((2, 3))),
    "array of ints": (numpy.arange(3), numpy.ones(3)),
    "empty": ([], []),
    "empty array": (numpy.zeros((0, 2)), numpy.zeros((0, 2))),
}


def leaves(x):
    if isinstance(x, dict):
        return [leaf for item in x.values() for leaf in leaves(item)]
    if dataclasses.is_dataclass(x):
        return leaves(vars(x))
    if isinstance(x, numpy.ndarray):
        return x.ravel().tolist()
    return (
        [leaf for item in x for leaf in leaves(item)]
        if isinstance(x, (list, tuple))
        else [x]
    )


@pytest.mark.parametrize("name", CONTAINERS)
def test_jvp_keeps_the_shape(name):
    """Of the identity: the value is the argument, and the tangent the direction."""
    x, direction = CONTAINERS[name]
    value, tangent = jvp(lambda x: x, (x,), (direction,))
    for found, expected in ((value, x), (tangent, direction)):
        assert type(found) is (float if isinstance(x, int) else type(x))
        assert leaves(found) == leaves(expected)
        assert all(type(leaf) is float for leaf in leaves(found))
    if isinstance(x, numpy.ndarray):
        assert value.dtype == tangent.dtype == float
        assert value.shape == tangent.shape == x.shape


def test_only_what_moves_becomes_a_dual():
    seen = []
    jvp(
        lambda x, y, z: seen.extend([*x, y, *z]) or 0.0,
        ([1.0, 2.0], 3.0, (4.0,)),
        ([0.0, 1.0], 0, [0.0]),
    )
    assert [type(x) for x in seen] == [float, Dual, float, float]
    seen.clear()
    jvp(lambda x: seen.extend(x) or 0.0, (numpy.ones(2),), (numpy.zeros(2),))
    assert [type(x) for x in seen] == [numpy.float64] * 2


def test_jvp_is_linear_in_the_direction():
    f = lambda p: [smooth(*p), p[0] * p[1], p[0], 5.0]  # noqa: E731
    point, u, v = [0.7, 1.3], [2.0, -3.0], [0.5, 4.0]
    _, of_u = jvp(f, (point,), (u,))
    _, of_v = jvp(f, (point,), (v,))
    _, of_both = jvp(f, (point,), ([3 * a - 2 * b for a, b in zip(u, v, strict=True)],))
    assert of_both == pytest.approx(
        [3 * a - 2 * b for a, b in zip(of_u, of_v, strict=True)]
    )
    assert jvp(f, (point,), ([0.0, 0.0],)) == (f(point), [0.0] * 4)


def test_jvp_of_constants_and_of_arguments():
    assert jvp(lambda x: 3, (1.0,), (1.0,)) == (3.0, 0.0)
    assert jvp(lambda x: {"a": 3, "b": x}, (1.0,), (2.0,)) == (
        {"a": 3.0, "b": 1.0},
        {"a": 0.0, "b": 2.0},
    )
    assert jvp(lambda: 3.0, (), ()) == (3.0, 0.0)
    assert jvp(lambda x: [], (1.0,), (1.0,)) == ([], [])
    kept = Dual(5.0, 7.0)
    value, tangent = jvp(lambda x: [kept, x], (1.0,), (1.0,))
    assert (value[0], tangent) == (kept, [0.0, 1.0])


ARGUMENT, RESULT = errors.ArgumentError, errors.ResultError
# A call, and what it raises.
BAD_CALLS = [
    (lambda: jvp(math.sin, 1.0, 1.0), ARGUMENT, "a tuple of arguments and a tuple"),
    (lambda: jvp(math.sin, (1.0,), ()), ARGUMENT, "1 arguments, but 0 tangents"),
    (lambda: jvp(sum, ([1.0],), ([1.0, 2.0],)), ARGUMENT, "must have the shape of"),
    (lambda: jvp(sum, ([1.0],), (1.0,)), ARGUMENT, "must have the shape of"),
    (lambda: jvp(sum, ({"a": 1.0},), ({"b": 1.0},)), ARGUMENT, "the shape of"),
    (lambda: jvp(sum, (numpy.ones(2),), ([1.0, 1.0],)), ARGUMENT, "the shape of"),
    (lambda: jvp(math.sin, ("x",), (1.0,)), ARGUMENT, "'x', a str, is neither"),
    (lambda: jvp(math.sin, (1.0,), (None,)), ARGUMENT, "None, a NoneType, is"),
    (lambda: jvp(math.sin, (1j,), (1.0,)), ARGUMENT, "neither a number"),
    (lambda: jvp(1.0, (1.0,), (1.0,)), ARGUMENT, "1.0, a float, is not a function"),
    (lambda: jvp(lambda x: None, (1.0,), (1.0,)), RESULT, "returned None"),
    (lambda: jvp(lambda x: "y", (1.0,), (1.0,)), RESULT, "returned 'y', a str"),
    (lambda: jvp(lambda x: x > 0, (1.0,), (1.0,)), RESULT, "returned True"),
    (lambda: jvp(lambda x: [x, "y"], (1.0,), (1.0,)), RESULT, "it must return"),
    (lambda: jvp(lambda x: x * 1j, (1.0,), (1.0,)), TypeError, "unsupported operand"),
    (lambda: derivative(1.0), ARGUMENT, "1.0, a float, is not a function"),
    (lambda: derivative(math.sin)([1.0]), ARGUMENT, "takes one number, not list: use"),
    (lambda: derivative(math.sin)("x"), ARGUMENT, "takes one number, not str"),
    (lambda: derivative(math.sin)(None), ARGUMENT, "neither a number"),
    (lambda: derivative(math.sin)(), TypeError, "positional argument"),
    (lambda: derivative(math.log)(-1.0), errors.DomainError, "must be positive"),
    (lambda: derivative(lambda x: 1 / x)(0), ZeroDivisionError, "must not be zero"),
    (lambda: derivative(math.exp)(1000), errors.RangeError, "too large"),
]


@pytest.mark.parametrize("number", range(len(BAD_CALLS)))
def test_bad_calls(number):
    call, kind, message = BAD_CALLS[number]
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize(
    "kind", [KeyboardInterrupt, MemoryError, RecursionError, ValueError]
)
def test_exceptions_pass_through(kind):
    def fails(x):
        raise kind("mine")

    for _ in range(3):
        with pytest.raises(kind, match="mine"):
            derivative(fails)(1.0)
        with pytest.raises(kind, match="mine"):
            jvp(fails, (1.0,), (1.0,))
    assert derivative(math.exp)(0.0) == 1.0


def test_what_leaks_is_refused():
    box = []
    derivative(lambda x: box.append(x) or x)(2.0)
    for use in (
        lambda x: x + 1,
        lambda x: -x,
        math.sin,
        lambda x: math.fsum([x, 1.0]),
        lambda x: math.hypot(x, 1.0, 2.0),
        lambda x: fastad.where(True, x, 0.0),
        derivative(lambda x: x),
        lambda x: jvp(sum, ([x],), ([1.0],)),
        lambda x: jvp(math.sin, (1.0,), (x,)),
        lambda x: derivative(lambda y: x)(1.0),
        lambda x: derivative(lambda y: x * y)(1.0),
        lambda x: round(x, 1),
    ):
        with pytest.raises(
            errors.StaleVarError, match=r"Dual\(2\.0\) belongs to a computation that"
        ):
            use(box[0])
    assert (box[0].value, box[0].tangent, str(box[0]), box[0] == 2) == (
        2.0,
        1.0,
        "2.0",
        True,
    )


# ---- derivative ----------------------------------------------------------------------


def test_derivative_passes_on_the_other_arguments():
    def f(x, n, *, scale=1.0):
        """About f."""
        return scale * x**n

    assert derivative(f)(2.0, 3, scale=10) == 120.0
    assert derivative(f)(2, 3) == 12.0
    assert derivative(f).__name__ == "f"
    assert derivative(f).__doc__ == "About f."
    assert isinstance(derivative(f), types.FunctionType)


def test_derivative_of_a_curve():
    found = derivative(lambda t: {"x": math.cos(t), "y": [math.sin(t), 1.0, t]})(0.0)
    assert found == {"x": 0.0, "y": [1.0, 0.0, 1.0]}
    found = derivative(lambda t: numpy.array([1.0, 2.0]) * t**2)(3.0)
    assert found.dtype == float
    assert found.tolist() == [6.0, 12.0]


def test_derivative_of_odd_numbers():
    for x in (2, True, Fraction(1, 2), numpy.float64(0.5), numpy.int64(3)):
        assert derivative(lambda x: x * x)(x) == 2.0 * float(x)


# ---- Against the gradient, on random functions ---------------------------------------


def random_function(seed):
    """A function of n numbers: some hundred operations that stay in a moderate range."""
    draw = random.Random(seed)
    n = draw.randint(1, 6)
    unary = [
        math.sin,
        math.cos,
        math.tanh,
        math.atan,
        fastad.expit,
        fastad.softplus,
        math.erf,
    ]
    binary = [
        operator.add,
        operator.sub,
        operator.mul,
        math.hypot,
        fastad.maximum,
        math.atan2,
    ]
    steps = [
        (draw.choice(unary), draw.choice(binary), draw.random(), draw.random())
        for _ in range(draw.randint(1, 60))
    ]

    def f(x):
        pool = list(x)
        for one, two, i, j in steps:
            a, b = pool[int(i * len(pool))], pool[int(j * len(pool))]
            pool.append(one(two(a, b) + 0.1))
        return pool[n:]

    return (
        f,
        [draw.uniform(-2, 2) for _ in range(n)],
        [draw.uniform(-2, 2) for _ in range(n)],
    )


def test_forward_against_reverse_on_random_functions():
    for seed in range(150):
        f, x, direction = random_function(seed)
        value, tangent = jvp(f, (x,), (direction,))
        for k in {0, len(value) - 1}:
            y, gradient = value_and_grad(lambda x, f=f, k=k: f(x)[k])(x)
            expected = sum(map(operator.mul, gradient, direction))
            size = sum(abs(a * b) for a, b in zip(gradient, direction, strict=True))
            assert bits(value[k]) == bits(y)
            assert abs(tangent[k] - expected) <= 1e-12 * size, seed


def test_forward_over_reverse_is_reverse_over_forward():
    for seed in range(60):
        f, x, direction = random_function(seed)

        def last(x, f=f):
            return f(x)[-1]

        def slope(x, last=last, direction=direction):
            return jvp(last, (x,), (direction,))[1]

        over_reverse = jvp(grad(last), (x,), (direction,))[1]
        over_forward = grad(slope)(x)
        size = max(map(abs, over_reverse), default=0.0)
        for a, b in zip(over_reverse, over_forward, strict=True):
            assert abs(a - b) <= 1e-10 * max(size, 1e-3), seed
