"""grad and value_and_grad: arguments of every shape, results, exceptions, odd functions."""

import asyncio
import contextlib
import dataclasses
import functools
import gc
import inspect
import math
from collections import OrderedDict, defaultdict, namedtuple
from fractions import Fraction
from typing import NamedTuple

import numpy
import pytest
import scipy.optimize

import fastad
from fastad import Var, errors, grad, value_and_grad
from fastad import math as m

# ---- Shapes -------------------------------------------------------------------------

Pair = namedtuple("Pair", "a b")


class Typed(NamedTuple):
    a: float
    b: list
    c: float = 2.0


@dataclasses.dataclass
class Plain:
    a: float
    b: list
    c: float = 2.0


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: float
    b: list
    c: float = 2.0


@dataclasses.dataclass(slots=True)
class Slotted:
    a: float
    b: list
    c: float = 2.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Strict:
    a: float
    b: list
    c: float = dataclasses.field(default=2.0, init=False)


class Triple(tuple):
    """A tuple with a method."""

    def total(self):
        return self[0] + self[1] + self[2]


class Numbers(list):
    """A list with a method."""

    def total(self):
        return sum(self)


class Parameters(dict):
    """A dict with a method."""

    def total(self):
        return sum(self.values())


def array(*args, **kwargs):
    return numpy.array(*args, **kwargs)


def of_defaultdict(**items):
    return defaultdict(float, items)


@dataclasses.dataclass
class Case:
    """f at an argument, and the gradient it must have, to the type."""

    argument: object
    f: object
    gradient: object


SHAPES = {
    "float": Case(3.0, lambda x: x * x, 6.0),
    "int": Case(3, lambda x: x * x, 6.0),
    "bool": Case(True, lambda x: 5 * x, 5.0),
    "Fraction": Case(Fraction(1, 2), lambda x: x * x, 1.0),
    "numpy.float64": Case(numpy.float64(3.0), lambda x: x * x, 6.0),
    "numpy.float32": Case(numpy.float32(0.5), lambda x: x * x, 1.0),
    "numpy.int64": Case(numpy.int64(3), lambda x: x * x, 6.0),
    "list": Case([2.0, 3.0], lambda p: p[0] * p[1], [3.0, 2.0]),
    "list of one": Case([2.0], lambda p: p[0] * p[0], [4.0]),
    "empty list": Case([], lambda p: 1.0, []),
    "list of ints": Case([2, 3], lambda p: p[0] * p[1], [3.0, 2.0]),
    "mixed list": Case([2, 3.0, True], lambda p: p[0] * p[1] * p[2], [3.0, 2.0, 6.0]),
    "nested list": Case(
        [2.0, [3.0, [4.0, []]]],
        lambda p: p[0] * p[1][0] * p[1][1][0],
        [12.0, [8.0, [6.0, []]]],
    ),
    "empty lists": Case([[], [[]], 2.0], lambda p: p[2] * 3.0, [[], [[]], 3.0]),
    "list of rows": Case(
        [[1.0, 2.0], [3.0, 4.0]],
        lambda p: p[0][0] * p[1][1] - p[0][1] * p[1][0],
        [[4.0, -3.0], [-2.0, 1.0]],
    ),
    "tuple": Case((2.0, 3.0), lambda p: p[0] * p[1], (3.0, 2.0)),
    "empty tuple": Case((), lambda p: 1.0, ()),
    "namedtuple": Case(Pair(2.0, 3.0), lambda p: p.a * p.b, Pair(3.0, 2.0)),
    "namedtuple of lists": Case(
        Pair([2.0], (3.0,)), lambda p: p.a[0] * p.b[0], Pair([3.0], (2.0,))
    ),
    "NamedTuple": Case(
        Typed(2.0, [3.0]), lambda p: p.a * p.b[0] * p.c, Typed(6.0, [4.0], 6.0)
    ),
    "subclass of tuple": Case(
        Triple([1.0, 2.0, 3.0]), lambda p: p.total() * 2.0, Triple([2.0, 2.0, 2.0])
    ),
    "subclass of list": Case(
        Numbers([1.0, 2.0]), lambda p: p.total() * 2.0, Numbers([2.0, 2.0])
    ),
    "dict": Case({"a": 2.0, "b": 3.0}, lambda p: p["a"] * p["b"], {"a": 3.0, "b": 2.0}),
    "empty dict": Case({}, lambda p: 1.0, {}),
    "dict with odd keys": Case(
        {1: 2.0, (2,): 3.0, None: 4},
        lambda p: p[1] * p[(2,)] * p[None],
        {1: 12.0, (2,): 8.0, None: 6.0},
    ),
    "nested dict": Case(
        {"a": {"b": [2.0, 3.0]}, "c": 4.0},
        lambda p: p["a"]["b"][0] * p["a"]["b"][1] * p["c"],
        {"a": {"b": [12.0, 8.0]}, "c": 6.0},
    ),
    "OrderedDict": Case(
        OrderedDict(b=2.0, a=3.0),
        lambda p: p["a"] * p["b"],
        OrderedDict(b=3.0, a=2.0),
    ),
    "defaultdict": Case(
        of_defaultdict(a=2.0),
        lambda p: p["a"] * 3.0 + p["missing"],
        of_defaultdict(a=3.0),
    ),
    "subclass of dict": Case(
        Parameters(a=1.0, b=2.0),
        lambda p: p.total() * 2.0,
        Parameters(a=2.0, b=2.0),
    ),
    **{
        f"dataclass {kind.__name__}": Case(
            kind(2.0, [3.0]), lambda p: p.a * p.b[0] * p.c, kind(6.0, [4.0], 6.0)
        )
        for kind in (Plain, Frozen, Slotted)
    },
    "array": Case(array([2.0, 3.0]), lambda p: p[0] * p[1], array([3.0, 2.0])),
    "array of one": Case(array([2.0]), lambda p: p[0] * p[0], array([4.0])),
    "empty array": Case(array([]), lambda p: 1.0, array([])),
    "empty matrix": Case(numpy.zeros((0, 3)), lambda p: 1.0, numpy.zeros((0, 3))),
    "0-d array": Case(array(3.0), lambda p: p[()] * p[()], array(6.0)),
    "matrix": Case(
        array([[1.0, 2.0], [3.0, 4.0]]),
        lambda p: p[0, 0] * p[1, 1] - p[0, 1] * p[1, 0],
        array([[4.0, -3.0], [-2.0, 1.0]]),
    ),
    "3-d array": Case(
        numpy.ones((2, 1, 3)), lambda p: (p * p).sum(), numpy.full((2, 1, 3), 2.0)
    ),
    "transposed": Case(
        numpy.arange(6.0).reshape(2, 3).T,
        lambda p: (p * numpy.arange(6.0).reshape(3, 2)).sum(),
        numpy.arange(6.0).reshape(3, 2),
    ),
    "every second": Case(
        numpy.arange(6.0)[::2], lambda p: (p * p).sum(), array([0.0, 4.0, 8.0])
    ),
    "backwards": Case(
        numpy.arange(3.0)[::-1],
        lambda p: (p * array([1.0, 2.0, 3.0])).sum(),
        array([1.0, 2.0, 3.0]),
    ),
    "Fortran": Case(
        numpy.asfortranarray(numpy.ones((2, 3))),
        lambda p: (p * numpy.arange(6.0).reshape(2, 3)).sum(),
        numpy.arange(6.0).reshape(2, 3),
    ),
    "broadcast": Case(
        numpy.broadcast_to(2.0, (2, 2)),
        lambda p: p[0, 0] * 3.0,
        array([[3.0, 0], [0, 0]]),
    ),
    "read-only": Case(
        numpy.frombuffer(array([2.0, 3.0]).tobytes()),
        lambda p: p[0] * p[1],
        array([3.0, 2.0]),
    ),
    "byte-swapped": Case(
        array([2.0, 3.0], ">f8"), lambda p: p[0] * p[1], array([3.0, 2.0])
    ),
    **{
        f"array of {kind}": Case(
            array([2, 3], kind), lambda p: p[0] * p[1], array([3.0, 2.0])
        )
        for kind in ("f2", "f4", "i1", "i8", "u8", "O")
    },
    "array of bool": Case(
        array([True, False]), lambda p: p[0] * 2.0 + p[1], array([2.0, 1.0])
    ),
    "array of objects": Case(
        array([2, 3.0, Fraction(1, 2)], object),
        lambda p: p[0] * p[1] * p[2],
        array([1.5, 1.0, 6.0]),
    ),
    "list of arrays": Case(
        [array([2.0]), array([[3.0], [4.0]])],
        lambda p: p[0][0] * p[1][1, 0],
        [array([4.0]), array([[0.0], [2.0]])],
    ),
    "everything": Case(
        {"a": [1.0, (2.0, array([3.0, 4.0]))], "b": Plain(5.0, [Pair(6.0, {7: 7.0})])},
        lambda p: p["a"][1][1][1] * p["b"].b[0].b[7] * p["a"][0] + p["b"].c,
        {
            "a": [28.0, (0.0, array([0.0, 7.0]))],
            "b": Plain(0.0, [Pair(0.0, {7: 4.0})], 1.0),
        },
    ),
}


def assert_same(found, expected):
    """Equal to the type, shape and order; numbers are floats, arrays of float64."""
    assert type(found) is type(expected)
    if isinstance(expected, numpy.ndarray):
        assert found.dtype == numpy.float64
        assert found.shape == expected.shape
        assert found.tolist() == expected.tolist()
        assert found.flags.writeable
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        assert_same(list(found.values()), list(expected.values()))
        assert getattr(found, "default_factory", 0) == getattr(
            expected, "default_factory", 0
        )
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    else:
        assert type(found) is float
        assert found == expected


@pytest.mark.parametrize("name", SHAPES)
def test_the_gradient_has_the_shape_of_the_argument(name):
    case = SHAPES[name]
    assert_same(grad(case.f)(case.argument), case.gradient)
    value, gradient = value_and_grad(case.f)(case.argument)
    assert type(value) is float
    assert_same(gradient, case.gradient)
    (gradient,) = grad(case.f, argnums=(0,))(case.argument)
    assert_same(gradient, case.gradient)


def arrangement(x):
    """The types of a container and of what is in it."""
    if isinstance(x, numpy.ndarray):
        return numpy.ndarray, x.shape
    if isinstance(x, dict):
        return type(x), {key: arrangement(item) for key, item in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x), [arrangement(item) for item in x]
    if dataclasses.is_dataclass(x):
        return type(x), [arrangement(getattr(x, f.name)) for f in dataclasses.fields(x)]
    return "a number"


@pytest.mark.parametrize("name", SHAPES)
def test_the_function_receives_the_shape_and_the_caller_keeps_it(name):
    case = SHAPES[name]
    before = repr(case.argument)
    received = []

    def f(p):
        received.append(arrangement(p))
        return case.f(p)

    grad(f)(case.argument)
    assert received == [arrangement(case.argument)]
    assert repr(case.argument) == before or name == "defaultdict"


def test_strict_dataclasses():
    gradient = grad(lambda p: p.a * p.b[0] * p.c)(Strict(a=2.0, b=[3.0]))
    assert type(gradient) is Strict
    assert (gradient.a, gradient.b, gradient.c) == (6.0, [4.0], 6.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        gradient.a = 1.0


def test_the_function_receives_vars():
    def f(x, p, a, d):
        for number in (x, *p, *a.ravel(), d["k"]):
            assert type(number) is Var
        assert a.dtype == object
        assert a.flags.writeable
        assert a.flags.c_contiguous
        return x * p[0] * a[0, 0] * d["k"]

    assert_same(
        grad(f, (0, 1, 2, 3))(2.0, [3.0, 4], numpy.full((1, 2), 5.0), {"k": 6}),
        (90.0, [60.0, 0.0], array([[36.0, 0.0]]), {"k": 30.0}),
    )


def test_gradients_are_not_shared():
    f = grad(lambda p: p["a"][0] * 2.0)
    point = {"a": [1.0], "b": array([1.0])}
    first, second = f(point), f(point)
    first["a"][0] = first["b"][0] = 99.0
    assert_same(second, {"a": [2.0], "b": array([0.0])})
    assert f(point)["a"] == [2.0]


def test_empty_containers_are_not_shared():
    def f(p, q):
        assert p is not q
        p.append(1)
        assert q == []
        return 1.0

    first, second = grad(f, (0, 1))([], [])
    assert first is not second
    first, second = grad(lambda p: 1.0)([[], []])
    assert first is not second


def test_one_container_in_two_places():
    inner = [2.0]
    gradient = grad(lambda p: p[0][0] * 3.0 + p[1][0] * 5.0)([inner, inner])
    assert gradient == [[3.0], [5.0]]
    assert gradient[0] is not gradient[1]


def test_ints_are_floats_and_large_ints_are_rounded():
    assert_same(grad(lambda p: p * p)(2**53 + 1), 2.0 * 2.0**53)
    for too_large in (10**400, [10**400], {"a": -(10**400)}):
        with pytest.raises(OverflowError):
            grad(lambda p: 1.0)(too_large)


# ---- Arguments ----------------------------------------------------------------------


def product(x, y, z=1.0, *more, factor=1.0):
    result = x * y * z * factor
    for number in more:
        result = result * number
    return result


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [
        (0, 12.0),
        (1, 8.0),
        (2, 6.0),
        (-1, 6.0),
        (-3, 12.0),
        (True, 8.0),
        (numpy.int64(1), 8.0),
        ((0,), (12.0,)),
        ([1], (8.0,)),
        ((0, 1), (12.0, 8.0)),
        ((1, 0), (8.0, 12.0)),
        ((2, -3, 1), (6.0, 12.0, 8.0)),
        (range(3), (12.0, 8.0, 6.0)),
        (numpy.array([0, 2]), (12.0, 6.0)),
    ],
)
def test_argnums(argnums, expected):
    assert_same(grad(product, argnums)(2.0, 3.0, 4.0), expected)
    value, gradient = value_and_grad(product, argnums=argnums)(2.0, 3.0, 4.0)
    assert value == 24.0
    assert_same(gradient, expected)


@pytest.mark.parametrize("argnums", ["a", 1.0, None, (0, 1.0), ("a",), (0, 0)])
def test_argnums_that_are_none(argnums):
    with pytest.raises(errors.ArgumentError, match="argnums"):
        grad(product, argnums)(2.0, 3.0)


@pytest.mark.parametrize("argnums", [2, -3, (0, 5), 10**6])
def test_argnums_that_the_call_does_not_have(argnums):
    with pytest.raises(
        errors.ArgumentError, match="product was called with 2 positional"
    ):
        grad(product, argnums)(2.0, 3.0)
    with pytest.raises(errors.ArgumentError, match="0 positional arguments"):
        grad(product)(x=2.0, y=3.0)


def test_other_arguments_are_passed_through():
    marks = object(), "text", [None]

    def f(x, mark, *rest, key):
        assert (mark, *rest, key) == (*marks, marks)
        assert mark is marks[0]
        return x * x

    assert grad(f)(3.0, *marks, key=marks) == 6.0
    assert grad(product)(2.0, 3.0, factor=10.0) == 30.0
    assert grad(product)(2.0, 3.0, 4.0, 5.0) == 60.0
    assert grad(product, 3)(2.0, 3.0, 4.0, 5.0) == 24.0


def test_arguments_not_differentiated_are_not_touched():
    other = array([1.0, 2.0])

    def f(x, a):
        assert a is other
        return x * a[1]

    assert grad(f)(3.0, other) == 2.0


ODD_ARGUMENTS = {
    **{repr(x): x for x in ("a", b"a", None, 1j, {1.0}, range(2), ..., int)},
    "a list with a str": [1.0, "a"],
    "a dict with None": {"a": [1.0, None]},
    "a generator": (x for x in [1.0]),
    "complex array": array([1j]),
    "array of str": array(["a"]),
    "array of objects": array([1.0, None]),
    "array of lists": array([[1.0], None, [2.0, 3.0]], object),
    "array of dates": array(["2020-01-01"], "M8[D]"),
    "structured array": numpy.zeros(2, [("a", float)]),
    "masked array": numpy.ma.array([1.0]),
    "datetime64": numpy.datetime64("2020-01-01"),
    "iterator": iter([1.0]),
    "class": Plain,
}


@pytest.mark.parametrize("name", ODD_ARGUMENTS)
def test_arguments_that_cannot_be_differentiated(name):
    def never(p):
        pytest.fail("the function was called")

    with pytest.raises(errors.ArgumentError) as caught:
        grad(never)(ODD_ARGUMENTS[name])
    assert isinstance(caught.value, TypeError)
    assert len(str(caught.value)) < 300
    assert grad(lambda x: x * x)(3.0) == 6.0


def test_only_functions_can_be_differentiated():
    for thing in (3, None, "sin", [m.sin]):
        for verb in (grad, value_and_grad):
            with pytest.raises(errors.ArgumentError, match="is not a function"):
                verb(thing)
    with pytest.raises(ValueError, match="on_nan"):
        grad(m.sin, on_nan="ignore")


# ---- Results ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "constant", [5, 5.0, numpy.float64(5), numpy.float32(5), numpy.int8(5), Fraction(5)]
)
def test_constant_results(constant):
    value, gradient = value_and_grad(lambda p: constant)({"a": [1.0, 2]})
    assert type(value) is float
    assert value == 5.0
    assert_same(gradient, {"a": [0.0, 0.0]})


def test_inputs_that_do_not_matter_have_gradient_zero():
    gradient = grad(lambda x, p: x * 2.0, (0, 1))(1.0, [1.0, {"a": array([1.0])}])
    assert_same(gradient, (2.0, [0.0, {"a": array([0.0])}]))
    assert_same(grad(lambda p: p[1] * 0.0)([1.0, 2.0, 3.0]), [0.0, 0.0, 0.0])


def test_an_input_as_the_result():
    assert value_and_grad(lambda x: x)(3) == (3.0, 1.0)
    assert_same(grad(lambda p: p["b"])({"a": 1.0, "b": 2.0}), {"a": 0.0, "b": 1.0})


def returning(result):
    def f(x):
        return result(x) if callable(result) else result

    return f


ODD_RESULTS = {
    "None": (None, "returned None, a NoneType: .* is a return missing?"),
    "bool": (True, "returned True, a bool: it must return one number"),
    "comparison": (lambda x: x > 0.0, "returned True, a bool"),
    "numpy.bool": (numpy.bool_(True), "it must return one number"),
    "str": ("text", "returned 'text', a str: it must return one number"),
    "complex": (1j, "a complex"),
    "list": (
        lambda x: [x, x],
        r"returned \[Var\(2.0\), Var\(2.0\)\], a list: .* sum up",
    ),
    "empty list": (lambda x: [], "a list"),
    "tuple of one": (lambda x: (x,), "a tuple: .* sum up"),
    "pair": (lambda x: (x, 1), r"a tuple: .* has_aux=True .* \(value, aux\)"),
    "dict": (lambda x: {"a": x}, "a dict: .* sum up"),
    "array": (lambda x: array([x, x]), "a ndarray: .* sum up"),
    "array of one": (lambda x: array([x]), "a ndarray: .* sum up"),
    "0-d array of text": (lambda x: array("a"), "a str_: it must"),
    "0-d array of bool": (lambda x: array(x > 0), "it must return one number"),
    "function": (lambda x: lambda: x, "a function: it must return one number"),
    "generator": (lambda x: (y for y in [x]), "a generator: it must return one number"),
    "long": (lambda x: "a" * 1000, "^.{,200}$"),
}


@pytest.mark.parametrize("name", ODD_RESULTS)
def test_results_that_are_not_one_number(name):
    result, message = ODD_RESULTS[name]
    for verb in (grad, value_and_grad):
        with pytest.raises(errors.ResultError, match=message) as caught:
            verb(returning(result))(2.0)
        assert isinstance(caught.value, TypeError)
        assert str(caught.value).startswith("f returned ")
        assert grad(lambda x: x * x)(3.0) == 6.0


def test_an_array_without_axes_is_one_number():
    """`numpy.where`, `select`, `piecewise` and `vectorize` make such an array of a number."""

    def f(x):
        return numpy.where(x > 1.0, x**3, -x)

    assert value_and_grad(f)(2.0) == (8.0, 12.0)
    assert type(value_and_grad(f)(2.0)[0]) is float
    assert value_and_grad(lambda x: (f(x), 1), has_aux=True)(0.5) == ((-0.5, 1), -1.0)
    assert grad(lambda x: array(3.0))(2.0) == 0.0
    assert fastad.hessian(f)(2.0) == fastad.hvp(f)(2.0, 1.0) == 12.0
    for verb in (value_and_grad, fastad.hessian, lambda f: grad(grad(f))):
        compiled = fastad.compile(verb(f))
        for x in (2.0, 3.0, 0.5, 4.0):
            assert compiled(x) == verb(f)(x)


def test_results_too_large_for_a_float():
    with pytest.raises(OverflowError):
        grad(lambda x: 10**400)(1.0)


def test_has_aux():
    def f(p):
        y = p[0] * p[1]
        return y, {"y": y, "list": [p[0], 7], "tuple": (y,), "text": "a", "array": a(p)}

    def a(p):
        return array([p[0], p[1]])

    expected = {"y": 6.0, "list": [2.0, 7], "tuple": (6.0,), "text": "a"}
    (value, aux), gradient = value_and_grad(f, has_aux=True)([2.0, 3.0])
    assert (value, gradient) == (6.0, [3.0, 2.0])
    assert_same(aux.pop("array"), array([2.0, 3.0]))
    assert aux == expected
    assert type(aux["y"]) is type(aux["list"][0]) is type(aux["tuple"][0]) is float
    gradient, aux = grad(f, has_aux=True)([2.0, 3.0])
    assert gradient == [3.0, 2.0]
    assert aux["list"] == [2.0, 7]


@pytest.mark.parametrize(
    "aux", [None, "a", 5, [], (), {}, object(), Pair(1, 2), 10**400]
)
def test_aux_may_be_anything(aux):
    gradient, found = grad(lambda x: (x * x, aux), has_aux=True)(3.0)
    assert gradient == 6.0
    assert found is aux or found == aux
    assert type(found) is type(aux)


def test_aux_of_a_constant_and_of_several_arguments():
    assert grad(lambda x: (5, x), has_aux=True)(3.0) == (0.0, 3.0)
    f = value_and_grad(lambda x, y: (x * y, [y]), (0, 1), has_aux=True)
    assert f(2.0, 3.0) == ((6.0, [3.0]), (3.0, 2.0))


@pytest.mark.parametrize(
    "result", [1.0, (1.0,), (1.0, 2, 3), [1.0, 2], None, "ab", lambda x: x]
)
def test_results_that_are_no_pair(result):
    with pytest.raises(errors.ResultError, match=r"must return a pair \(value, aux\)"):
        grad(returning(result), has_aux=True)(2.0)


def test_a_pair_may_be_a_namedtuple():
    f = value_and_grad(lambda x: Pair(x * x, [x]), has_aux=True)
    assert f(3.0) == ((9.0, [3.0]), 6.0)


def test_the_value_of_a_pair_must_be_one_number():
    with pytest.raises(errors.ResultError, match="f returned"):
        grad(returning(lambda x: ([x], 1)), has_aux=True)(2.0)


# ---- Exceptions of f ----------------------------------------------------------------

EXCEPTIONS = [
    *(ValueError, KeyError, StopIteration, GeneratorExit, AssertionError, OSError),
    *(KeyboardInterrupt, SystemExit, MemoryError, RecursionError, BufferError),
    *(asyncio.CancelledError, ZeroDivisionError, Warning, BaseException),
]


@pytest.mark.parametrize("kind", EXCEPTIONS)
@pytest.mark.parametrize("verb", [grad, value_and_grad])
def test_exceptions_of_the_function_pass_through(kind, verb):
    error = kind("message")
    cause = ValueError("cause")

    def f(p):
        p[0] * p[1]
        raise error from cause

    for _ in range(3):
        with pytest.raises(kind) as caught:
            verb(f)([1.0, 2.0])
        assert caught.value is error
        assert error.__cause__ is cause
        names = [entry.name for entry in caught.traceback]
        assert names[-1] == "f"
        assert value_and_grad(lambda p: p[0] * p[1])([2.0, 3.0]) == (6.0, [3.0, 2.0])


def test_a_real_recursion_error():
    def f(x):
        return x * f(x)

    for _ in range(3):
        with pytest.raises(RecursionError):
            grad(f)(1.0)
        assert grad(lambda x: x * x)(3.0) == 6.0


def test_gradients_in_endless_recursion():
    def f(x):
        return grad(f)(x.value)

    with pytest.raises(RecursionError):
        grad(f)(1.0)
    assert grad(lambda x: x * x)(3.0) == 6.0


def test_errors_of_operations_pass_through():
    cases = [
        (lambda x: m.log(x - 5.0), errors.DomainError, ValueError),
        (lambda x: x / (x - x), errors.DivisionByZeroError, ZeroDivisionError),
        (lambda x: m.exp(x * 1e5), errors.RangeError, OverflowError),
        (lambda x: math.sin(x), errors.LostDerivativeError, TypeError),
        (lambda x: x.no_such_name, AttributeError, AttributeError),
        (lambda x: x + "a", TypeError, TypeError),
    ]
    for f, ours, builtin in cases:
        with pytest.raises(ours) as caught:
            grad(f)(1.0)
        assert isinstance(caught.value, builtin)
        assert grad(lambda x: x * x)(3.0) == 6.0


def test_wrong_arguments_are_python_s_error():
    with pytest.raises(TypeError, match="takes 0 positional arguments but 1 was given"):
        grad(lambda: 1.0)(2.0)
    with pytest.raises(TypeError, match="unexpected keyword"):
        grad(lambda x: x)(2.0, y=3.0)


# ---- What functions do --------------------------------------------------------------


def test_a_function_that_changes_its_argument():
    point = [1.0, [2.0, 3.0], {"a": 4.0}, array([5.0])]
    before = repr(point)

    def f(p):
        y = p[0] * p[1][0] * p[2]["a"] * p[3][0]
        p[1].clear()
        p[2].clear()
        p[3][0] = None
        p.clear()
        p.extend(range(1000))
        return y

    assert_same(grad(f)(point), [40.0, [20.0, 0.0], {"a": 10.0}, array([8.0])])
    assert repr(point) == before


@pytest.mark.parametrize(
    "ruin", [list.clear, list.reverse, lambda p: p.extend(["a"] * 99)]
)
def test_a_function_that_changes_the_caller_s_argument(ruin):
    point = [1.0, 2.0, [3.0]]

    def f(p):
        ruin(point)
        return p[0] * p[1] * p[2][0]

    assert_same(grad(f)(point), [6.0, 3.0, [2.0]])


def test_a_function_that_accumulates_in_place():
    def f(p):
        s = p[0]
        for x in p[1:]:
            s += x * x
        s *= 2.0
        return s

    assert grad(f)([1.0, 2.0, 3.0]) == [2.0, 8.0, 12.0]

    def g(a):
        a *= 2.0
        a[0] += a[1] * a[1]
        return a.sum()

    point = array([1.0, 2.0])
    assert_same(grad(g)(point), array([2.0, 18.0]))
    assert point.tolist() == [1.0, 2.0]


def test_backward_within_the_function():
    seen = []

    def f(p):
        y = p[0] * p[0] * p[1]
        y.backward()
        seen.append([x.grad for x in p])
        (y * 2.0).backward(accumulate=True)
        seen.append([x.grad for x in p])
        return y * y

    # y = 12, and the derivatives of y are 12 and 4.
    assert grad(f)([2.0, 3.0]) == [2 * 12.0 * 12.0, 2 * 12.0 * 4.0]
    assert seen == [[12.0, 4.0], [36.0, 12.0]]


def test_backward_of_outer_variables_within_the_function():
    outer = Var(3.0)

    def f(x):
        (outer * outer).backward()
        return x * outer.grad

    assert grad(f)(2.0) == 6.0
    assert outer.grad == 6.0


def test_many_backwards_within_a_long_function():
    """Collections of the tape keep the inputs where they are."""

    def f(p):
        total = 0.0
        for _ in range(200):
            y = sum([x * x for x in p])
            y.backward()
            total = total + 0.5 * p[0].grad
        return y + total

    value, gradient = value_and_grad(f)([float(k) for k in range(1, 40)])
    assert gradient == [2.0 * k for k in range(1, 40)]
    assert value == 200.0 + sum(k * k for k in range(1, 40))


def test_inputs_that_the_function_forgets():
    """With thousands of dead nodes after them: they stay the first of the tape."""

    def f(p):
        first, last = p[0], p[-1]
        del p[:]
        for _ in range(20_000):
            first * last
        return first * last

    gradient = grad(f)([float(k) for k in range(3000)])
    assert gradient[0] == 2999.0
    assert gradient[-1] == 0.0
    assert not any(gradient[1:-1])


def test_gradients_within_gradients_of_plain_numbers():
    def newton(x):
        for _ in range(5):
            x -= value_and_grad(lambda y: y * y - 2.0)(x)[0] / grad(lambda y: y * y)(x)
        return x

    def f(x):
        return x * newton(1.0)

    assert grad(f)(3.0) == pytest.approx(math.sqrt(2.0), rel=1e-15)


def test_recursive_functions():
    def power(x, n):
        return x * power(x, n - 1) if n else 1.0

    def deep(x, n):
        """Each level takes a gradient of its own."""
        return x * grad(lambda y: deep(y, n - 1))(x.value) if n else x * x

    assert grad(power)(2.0, 10) == 10 * 2.0**9
    assert grad(deep)(3.0, 20) == pytest.approx(6.0)


def test_generators_that_differentiate():
    def numbers(p):
        for x in p:
            yield x * x

    assert grad(lambda p: sum(numbers(p)))([1.0, 2.0]) == [2.0, 4.0]

    def steps():
        for k in range(3):
            yield grad(lambda x: x * x)(float(k))

    interleaved = [
        pair for pairs in zip(steps(), steps(), strict=True) for pair in pairs
    ]
    assert interleaved == [0.0, 0.0, 2.0, 2.0, 4.0, 4.0]


def test_a_generator_left_in_the_middle_of_a_computation():
    paused = []

    def f(x):
        def computation():
            y = x * x
            yield y
            yield y * x

        paused.append(computation())
        return next(paused[-1]) * 2.0

    assert grad(f)(3.0) == 12.0
    with pytest.raises(errors.StaleVarError):
        next(paused[0])


def test_tasks_that_differentiate():
    async def work(k):
        results = []
        for _ in range(10):
            results.append(grad(lambda x: x * x * k)(2.0))
            await asyncio.sleep(0)
        return results

    async def main():
        return await asyncio.gather(*[work(k) for k in range(10)])

    assert asyncio.run(main()) == [[4.0 * k] * 10 for k in range(10)]


def test_functions_with_state():
    counter = []

    def f(x):
        counter.append(x.value)
        return x * len(counter)

    g = grad(f)
    assert [g(1.0), g(2.0), g(3.0)] == [1.0, 2.0, 3.0]
    assert counter == [1.0, 2.0, 3.0]


def test_leaked_vars_are_stale():
    leaked = []

    def f(p):
        leaked.extend([p[0], p[0] * p[1], [p]])
        return p[0] * p[1]

    assert grad(f)([2.0, 3.0]) == [3.0, 2.0]
    assert [x.value for x in leaked[:2]] == [2.0, 6.0]
    for x in leaked[:2]:
        with pytest.raises(errors.StaleVarError):
            x + 1.0
        with pytest.raises(errors.StaleVarError):
            grad(lambda y, x=x: y * x)(1.0)
        with pytest.raises(errors.StaleVarError):
            grad(lambda y: y)(x)
    with pytest.raises(errors.StaleVarError):
        grad(lambda y: leaked[1])(1.0)
    assert grad(f)([4.0, 5.0]) == [5.0, 4.0]


def test_nothing_leaks_into_the_next_gradient():
    def f(p):
        return p[0] * m.sqrt(p[1])

    for _ in range(3):
        with pytest.warns(errors.NonSmoothWarning):
            grad(f)([0.0, 0.0])
        assert grad(lambda p: p[0] * p[1])([2.0, 3.0]) == [3.0, 2.0]
        with pytest.raises(errors.NonSmoothError):
            grad(f, on_nan="raise")([0.0, 0.0])
        assert grad(lambda p: p[0] * p[1])([2.0, 3.0]) == [3.0, 2.0]
        with pytest.raises(errors.NonSmoothWarning):
            grad(f)([0.0, 0.0])
        assert grad(lambda p: p[0] * p[1])([2.0, 3.0]) == [3.0, 2.0]


# ---- As functions -------------------------------------------------------------------


def test_the_derivative_looks_like_the_function():
    def area(width: float, height: float = 2.0) -> float:
        """The area of a rectangle."""
        return width * height

    area.unit = "m^2"
    for verb in (grad, value_and_grad):
        derivative = verb(area)
        assert derivative.__name__ == "area"
        assert derivative.__doc__ == "The area of a rectangle."
        assert derivative.__module__ == __name__
        assert derivative.__qualname__.endswith("area")
        assert derivative.unit == "m^2"
        assert derivative.__wrapped__ is area
        assert inspect.signature(derivative) == inspect.signature(area)
    assert grad(area)(3.0) == 2.0


def test_callables_without_a_name():
    class Model:
        def __call__(self, x):
            return x * x

        def method(self, x):
            return x * 3.0

        @classmethod
        def of_class(cls, x):
            return x * 4.0

        @staticmethod
        def static(x):
            return x * 5.0

    model = Model()
    assert grad(model)(2.0) == 4.0
    assert grad(model.method)(2.0) == 3.0
    assert grad(Model.of_class)(2.0) == 4.0
    assert grad(Model.static)(2.0) == 5.0
    assert grad(m.sin)(0.0) == 1.0
    assert grad(functools.partial(lambda a, x: a * x, 2.0))(3.0) == 2.0
    assert grad(functools.lru_cache(lambda x: x * x))(3.0) == 6.0
    with pytest.raises(errors.ResultError, match="Model object at"):
        grad(type("Model", (), {"__call__": lambda self, x: None})())(2.0)


def test_methods_decorated_with_grad():
    class Spring:
        def __init__(self, stiffness):
            self.stiffness = stiffness

        @functools.partial(grad, argnums=1)
        def force(self, x):
            """Of a stretched spring."""
            return 0.5 * self.stiffness * x * x

        @staticmethod
        @grad
        def plain(x):
            return x * x

        @classmethod
        @functools.partial(value_and_grad, argnums=1)
        def of_class(cls, x):
            return x * x

    spring = Spring(3.0)
    assert spring.force(2.0) == 6.0
    assert Spring.force.__doc__ == "Of a stretched spring."
    assert spring.plain(3.0) == 6.0
    assert Spring.of_class(3.0) == (9.0, 6.0)


def test_scipy_minimizes():
    def rosenbrock(p):
        return sum(
            100.0 * (p[k + 1] - p[k] ** 2) ** 2 + (1.0 - p[k]) ** 2
            for k in range(len(p) - 1)
        )

    start = array([0.5, 1.5, 1.2, 0.7])
    for method in ("BFGS", "L-BFGS-B", "CG", "Newton-CG", "TNC", "SLSQP"):
        f = value_and_grad(rosenbrock)
        result = scipy.optimize.minimize(f, start, jac=True, method=method)
        assert result.x == pytest.approx([1.0] * 4, abs=2e-3), method
    assert start.tolist() == [0.5, 1.5, 1.2, 0.7]
    exact = scipy.optimize.rosen_der(start)
    assert grad(rosenbrock)(start) == pytest.approx(exact, rel=1e-14)
    assert scipy.optimize.check_grad(rosenbrock, grad(rosenbrock), start) < 1e-4


# ---- Containers that are deep, or hostile -------------------------------------------


def nest(make, x, depth=100_000):
    for _ in range(depth):
        x = make(x)
    return x


DEEP = {
    "lists": lambda x: [x],
    "tuples": lambda x: (x,),
    "dicts": lambda x: {"a": x},
    "lists beside numbers": lambda x: [1.0, x],
    "namedtuples": lambda x: Pair(1.0, x),
}


@pytest.mark.parametrize("name", DEEP)
def test_containers_a_few_hundred_deep(name):
    x = nest(DEEP[name], 2.0, 100)

    def f(p):
        for _ in range(100):
            p = list(p.values())[-1] if isinstance(p, dict) else p[-1]
        return p * 3.0

    assert grad(f)(x) == nest(
        lambda x: (
            Pair(0.0, x)
            if name == "namedtuples"
            else [0.0, x]
            if "beside" in name
            else DEEP[name](x)
        ),
        3.0,
        100,
    )


@pytest.mark.parametrize("name", DEEP)
def test_bottomless_containers(name):
    """A RecursionError, and no crash."""
    x = nest(DEEP[name], 2.0)
    with pytest.raises(RecursionError):
        grad(lambda p: 1.0)(x)
    with pytest.raises(RecursionError):
        grad(lambda y: (y, nest(DEEP[name], y)), has_aux=True)(3.0)
    with pytest.raises(errors.ResultError):
        grad(lambda y: x if type(x) is not dict else [x])(3.0)
    assert grad(lambda x: x * x)(3.0) == 6.0


def test_containers_of_themselves():
    endless = [1.0]
    endless.append(endless)
    with pytest.raises(RecursionError):
        grad(lambda p: p[0])(endless)
    with pytest.raises(RecursionError):
        grad(lambda x: (x, endless), has_aux=True)(3.0)
    endless.clear()


class Hostile(Exception):
    pass


def hostile(*args, **kwargs):
    raise Hostile


class NoRepr:
    __repr__ = __len__ = __iter__ = __bool__ = __eq__ = __hash__ = hostile
    __float__ = __index__ = __array__ = __str__ = __getitem__ = hostile


class NoReprList(list):
    __repr__ = hostile


class NoFloat(Fraction):
    __float__ = hostile


def test_objects_that_raise_from_everything():
    with pytest.raises(errors.ArgumentError, match="NoRepr"):
        grad(lambda x: x)(NoRepr())
    with pytest.raises(errors.ArgumentError, match="NoRepr"):
        grad(lambda x: x)([1.0, NoRepr()])
    with pytest.raises(errors.ArgumentError, match="NoRepr"):
        Var(NoRepr())
    with pytest.raises(errors.ResultError, match="NoRepr"):
        grad(lambda x: NoRepr())(1.0)
    with pytest.raises(errors.ResultError, match="NoReprList"):
        grad(lambda x: NoReprList([1.0]))(1.0)
    with pytest.raises(errors.ArgumentError, match="NoRepr"):
        Var(1.0).backward(NoRepr())
    with pytest.raises(TypeError):
        Var(1.0) + NoRepr()
    with pytest.raises(Hostile):  # of its __float__, as from math.atan2
        m.atan2(Var(1.0), NoRepr())
    for use in (Var, grad(lambda x: x), lambda x: Var(1.0) * x, Var(1.0).backward):
        with pytest.raises(Hostile):
            use(NoFloat(1))
    aux = NoRepr()
    assert grad(lambda x: (x, aux), has_aux=True)(1.0)[1] is aux
    assert grad(lambda x, y: x * x)(3.0, NoRepr()) == 6.0


class Growing(dict):
    """Has one item more each time that somebody looks."""

    def __iter__(self):
        dict.__setitem__(self, f"k{len(self)}", 1.0)
        return iter(list(dict.keys(self)))

    keys = items = values = __iter__


class Shrinking(dict):
    def __getitem__(self, key):
        value = dict.__getitem__(self, key)
        self.clear()
        return value


class Lying(list):
    def __len__(self):
        return 10**6

    def __iter__(self):
        return iter([1.0, 2.0])


class Dropping(tuple):
    """Keeps none of the items that it is made from."""

    def __new__(cls, items):
        return tuple.__new__(cls, [0.0])


class Computing(tuple):
    """Computes with the items that it is made from."""

    def __new__(cls, items):
        return tuple.__new__(cls, [x * 2.0 for x in items])


class Refusing(tuple):
    def __new__(cls, *items):
        if len(items) != 2:
            raise Hostile
        return tuple.__new__(cls, items)


class Clearing(float):
    def __float__(self):
        LIST.clear()
        return 1.0


LIST = []


def hostile_arguments():
    LIST[:] = [1.0, Clearing(2.0), NoReprList([3.0]), [4.0] * 10]
    return [
        *(Growing(a=1.0), Shrinking(a=1.0, b=2.0), Lying([1.0]), Refusing(1.0, 2.0)),
        [tuple.__new__(Dropping, [1.0] * 100) for _ in range(50)],
        [tuple.__new__(Computing, [1.0, 2.0]), 5.0],
        *(LIST, [LIST, LIST], numpy.array([1.0, NoFloat(1)], object)),
    ]


@pytest.mark.parametrize("k", range(len(hostile_arguments())))
def test_hostile_containers_do_no_harm(k):
    """They may fail, or give anything in their own place; all else is right."""
    argument = hostile_arguments()[k]
    with contextlib.suppress(Hostile, TypeError, LookupError, ValueError, RuntimeError):
        grad(lambda p: 1.0)(argument)
    with contextlib.suppress(Hostile, TypeError, LookupError, ValueError, RuntimeError):
        _, derivative = grad(lambda p, x: x * x, (0, 1))(argument, 3.0)
        assert derivative == 6.0
    gc.collect()
    assert grad(lambda p: p[0] * p[1])([2.0, 3.0]) == [3.0, 2.0]


def test_functions_that_close_and_delete_things():
    t = fastad.Tape()
    x = t.var(2.0)

    def f(p):
        t.close()
        with contextlib.suppress(errors.StaleVarError):
            x * p
        gc.collect()
        return p * p

    assert grad(f)(3.0) == 6.0

    def g(p):
        nonlocal h
        del h
        gc.collect()
        return p * p

    h = grad(g)
    assert h(3.0) == 6.0
