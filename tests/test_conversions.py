"""A Var never turns into a float in silence, and otherwise goes where a float goes.

What would lose the derivative raises and names the ways out; what keeps it, or only
looks at the value, works as for floats.
"""

import array
import cmath
import copy
import functools
import json
import math
import numbers
import operator
import pickle
import random
import statistics
import struct
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from outcomes import (
    FLOATS,
    NAN,
    agrees,
    disagreements,
    dual,
    is_same_float,
    outcome,
)

import fastad
from fastad import Var, errors, grad

lifted = pytest.mark.parametrize("lift", [Var, dual], ids=["Var", "Dual"])

# ---- To float: never in silence ------------------------------------------------------

OF_ONE_FLOAT = str.split(
    """
    acos acosh asin asinh atan atanh cbrt cos cosh degrees erf erfc exp exp2 expm1 fabs
    frexp gamma isfinite isinf isnan lgamma log log10 log1p log2 modf radians sin sinh
    sqrt tan tanh ulp
    """
)

LOSSES = {
    "float(v)": float,
    "complex(v)": complex,
    **{f"math.{name}(v)": getattr(math, name, float) for name in OF_ONE_FLOAT},
    "math.pow(v, 2)": lambda v: math.pow(v, 2),
    "math.atan2(1.0, v)": lambda v: math.atan2(1.0, v),
    "math.hypot(v, 1.0)": lambda v: math.hypot(v, 1.0),
    "math.fsum([v])": lambda v: math.fsum([v]),
    "math.dist([v], [1.0])": lambda v: math.dist([v], [1.0]),
    "math.isclose(v, 1.0)": lambda v: math.isclose(v, 1.0),
    "math.ldexp(v, 1)": lambda v: math.ldexp(v, 1),
    "cmath.sin(v)": cmath.sin,
    "np.zeros(2)[0] = v": lambda v: operator.setitem(np.zeros(2), 0, v),
    "np.zeros(2)[:] = v": lambda v: operator.setitem(np.zeros(2), slice(None), v),
    "np.zeros(2).fill(v)": lambda v: np.zeros(2).fill(v),
    "np.array([v], dtype=float)": lambda v: np.array([v], dtype=float),
    "np.array([v]).astype(float)": lambda v: np.array([v]).astype(float),
    "np.fromiter([v], float)": lambda v: np.fromiter([v], float),
    "np.float64(v)": np.float64,
    "np.float32(v)": np.float32,
    "np.arange(v)": np.arange,
    "array.array('d', [v])": lambda v: array.array("d", [v]),
    "'%g' % v": lambda v: "%g" % v,  # noqa: UP031
    "'%.3f' % v": lambda v: "%.3f" % v,  # noqa: UP031
    "statistics.fmean([v, v])": lambda v: statistics.fmean([v, v]),
    "statistics.geometric_mean([v])": lambda v: statistics.geometric_mean([v]),
}


@lifted
@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_a_conversion_to_float_names_the_ways_out(lose, lift):
    x = lift(0.5)
    with pytest.raises(errors.LostDerivativeError) as caught:
        lose(x)
    assert isinstance(caught.value, TypeError)
    for way_out in (repr(x), "fastad.math", "dtype=object", "v.value"):
        assert way_out in str(caught.value)


REFUSALS = {
    "Fraction(v)": Fraction,
    "Decimal(v)": Decimal,
    "json.dumps(v)": json.dumps,
    "statistics.mean([v, v])": lambda v: statistics.mean([v, v]),
    "statistics.stdev([v, 1.0])": lambda v: statistics.stdev([v, 1.0]),
    "statistics.variance([v, 1.0])": lambda v: statistics.variance([v, 1.0]),
    "statistics.harmonic_mean([v, v])": lambda v: statistics.harmonic_mean([v, v]),
    "np.add(array of floats, v, out=it)": lambda v: operator.iadd(np.ones(2), v),
    "np.linalg.det([[v]])": lambda v: np.linalg.det(np.array([[v]])),
    "np.linalg.solve([[1.0]], [v])": lambda v: np.linalg.solve([[1.0]], [v]),
    "np.interp(v, [0.0, 1.0], [0.0, 1.0])": lambda v: np.interp(v, [0.0, 1], [0.0, 1]),
    "np.fft.fft([v])": lambda v: np.fft.fft([v]),
    "operator.index(v)": operator.index,
    "range(v)": range,
    "[1, 2][v]": lambda v: [1, 2][v],
    "'a' * v": lambda v: "a" * v,
    "hex(v)": hex,
    "chr(v)": chr,
    "round(1.5, v)": lambda v: round(1.5, v),
    "math.factorial(v)": math.factorial,
    "random.Random(0).getrandbits(v)": lambda v: random.Random(0).getrandbits(v),
}


@lifted
@pytest.mark.parametrize("lose", REFUSALS.values(), ids=REFUSALS)
def test_what_would_lose_the_derivative_is_a_type_error(lose, lift):
    with pytest.raises(TypeError):
        lose(lift(1.0))


def test_struct_refuses_a_var():
    with pytest.raises(struct.error, match="required argument is not a float"):
        struct.pack("d", Var(1.0))


@pytest.mark.parametrize(
    "name", ["__index__", "__complex__", "as_integer_ratio", "hex", "fromhex"]
)
def test_a_way_to_lose_the_derivative_does_not_exist(name):
    for x in (Var(1.0), dual(1.0)):
        assert not hasattr(type(x), name)
        assert not hasattr(x, name)


@pytest.mark.parametrize("f", [int, round, math.floor, math.ceil, math.trunc])
def test_a_conversion_to_int_is_a_float_s(f):
    assert not disagreements(f, [(x,) for x in FLOATS])
    assert type(f(Var(2.5))) is int


def test_the_value_is_a_float_for_ever():
    with fastad.Tape() as tape:
        x = tape.var(2.5)
        y = x * x
    assert is_same_float(x.value, 2.5)
    assert is_same_float(y.value, 6.25)
    with pytest.raises(AttributeError):
        x.value = 3.0


# ---- What it is ----------------------------------------------------------------------


@lifted
def test_a_var_is_a_real_number_and_no_float(lift):
    x = lift(2.5)
    assert not isinstance(x, float)
    assert isinstance(x, numbers.Real)
    assert isinstance(x, numbers.Complex)
    assert not isinstance(x, numbers.Rational)
    assert not isinstance(x, int)


def test_a_var_is_made_from_a_real_number():
    for number in (
        2,
        2.0,
        True,
        Fraction(5, 2),
        np.float32(0.1),
        np.int8(-3),
        np.bool_(1),
    ):
        assert is_same_float(Var(number).value, float(number))
    for other in ("2.0", None, 1j, [2.0], Decimal(2), Var(2.0), np.ones(1), object()):
        with pytest.raises(errors.ArgumentError):
            Var(other)
    for args in [(), (1.0, 2.0)]:
        with pytest.raises(TypeError):
            Var(*args)
    with pytest.raises(OverflowError):
        Var(10**400)


def test_a_var_has_no_attributes_of_the_user_s():
    x = Var(1.0)
    with pytest.raises(AttributeError):
        x.name = "x"
    with pytest.raises(AttributeError):
        x.grad = 0.0
    with pytest.raises(TypeError):
        type("Subclass", (Var,), {})


# ---- Equality and hashing ------------------------------------------------------------


@lifted
def test_equality_is_by_value_and_hashing_by_identity(lift):
    x, y = lift(2.0), lift(2.0)
    assert x == y == 2.0 == 2
    assert hash(x) == hash(x)
    assert {x: "x", y: "y"}[x] == "x"
    assert {x: "x", y: "y"}[y] == "y"
    assert len({x, x, y}) == 2


def test_a_cached_function_keeps_vars_apart():
    @functools.lru_cache
    def square(x):
        return x * x

    assert grad(lambda x, y: square(x) + 10 * square(y), (0, 1))(3.0, 3.0) == (
        6.0,
        60.0,
    )


def test_a_nan_is_found_by_identity():
    x = Var(NAN)
    assert x != x
    assert x in [x]
    assert {x: 1}[x] == 1


# ---- Copies --------------------------------------------------------------------------


def test_a_copy_is_the_var_itself():
    x = Var(2.0)
    y = x * 3
    for v in (x, y):
        assert copy.copy(v) is v
        assert copy.deepcopy(v) is v
        assert copy.deepcopy({"v": [v]})["v"][0] is v
    assert np.array([y]).copy()[0] is y
    assert copy.deepcopy(np.array([y]))[0] is y
    y.backward()
    assert x.grad == 3.0


@lifted
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_raises_with_advice(protocol, lift):
    for x in (lift(2.0), [lift(2.0)], np.array([lift(2.0)])):
        with pytest.raises(TypeError, match=r"cannot be pickled: pickle"):
            pickle.dumps(x, protocol)


# ---- Text ----------------------------------------------------------------------------

SPECS = [
    "",
    " ",
    " .2f",
    *str.split(
        """
    .0f .3f ,.2f 010.2f 8.3f z.1f .3 .17g .3e +.2e #.3g >+10.1f <8 ^12 *^20.3f =+8 % .1%
    F G g n - _ 10 d x s c nonsense
    """
    ),
]


@pytest.mark.parametrize("spec", SPECS)
def test_formatting_is_a_float_s(spec):
    for x in [*FLOATS, 1234567.891]:
        expected, text = outcome(format, x, spec), outcome(format, Var(x), spec)
        if isinstance(expected, Exception):
            assert isinstance(text, type(expected))
        else:
            assert text == expected
            assert f"{Var(x):{spec}}" == f"{dual(x):{spec}}" == expected


def test_str_is_a_float_s_and_repr_shows_a_var():
    for x in FLOATS:
        assert str(Var(x)) == f"{Var(x)}" == "%s" % Var(x) == str(x)  # noqa: UP031
        assert repr(Var(x)) == f"{Var(x)!r}" == f"Var({x!r})"
    assert repr([Var(1e-9)]) == "[Var(1e-09)]"
    assert "%d" % Var(2.7) == "2"  # noqa: UP031 -- an int, as of a float
    assert str(np.array([Var(1.5)])) == "[Var(1.5)]"


# ---- Statements and the standard library ---------------------------------------------


def classify(x):
    match x:
        case 0:
            return "zero"
        case 1.5 | 2.5:
            return "half"
        case int() | float():
            return "plain"
        case Var(value=3.0):
            return "three"
        case numbers.Real() if x < 0:
            return "negative"
        case _:
            return "other"


def test_match_compares_by_value():
    xs = [Var(0.0), Var(2.5), Var(3.0), Var(-1.0), Var(4.0), 4.0]
    kinds = "zero, half, three, negative, other, plain"
    assert ", ".join(map(classify, xs)) == kinds


def derivatives(f):
    return grad(f, (0, 1, 2))(3.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda *v: sum(v), (1, 1, 1)),
        (lambda *v: sum(v, 5), (1, 1, 1)),
        (lambda *v: max(v), (1, 0, 0)),
        (lambda *v: min(*v, 1.5), (0, 1, 0)),
        (lambda *v: sorted(v)[1], (0, 0, 1)),
        (lambda *v: sorted(v, key=lambda x: -x)[1], (0, 0, 1)),
        (lambda *v: sorted(v, reverse=True)[0], (1, 0, 0)),
        (lambda *v: math.prod(v), (2, 6, 3)),
        (lambda *v: math.prod(v, start=0.5), (1, 3, 1.5)),
        (lambda *v: functools.reduce(operator.mul, v), (2, 6, 3)),
        (lambda *v: statistics.median(v), (0, 0, 1)),
        (lambda *v: statistics.median(v[:2]), (0.5, 0.5, 0)),
        (lambda *v: statistics.median_low(v[:2]), (0, 1, 0)),
        (lambda *v: statistics.quantiles(v)[1], (0, 0, 1)),
        (lambda *v: random.Random(0).choice([v[0], v[0]]), (1, 0, 0)),
        (lambda *v: dict(zip(v, v, strict=True))[v[1]], (0, 1, 0)),
        (lambda *v: next(x for x in v if x == 2), (0, 0, 1)),
        (lambda *v: v[0] if v[1] < v[2] else v[2], (1, 0, 0)),
        (lambda *v: divmod(v[0], v[2])[1], (1, 0, -1)),
    ],
)
def test_what_keeps_the_derivative(f, expected):
    assert derivatives(f) == expected


def test_random_numbers_scaled_by_vars():
    def shifted(v):
        return random.Random(1).gauss(v, 2.0) + random.Random(2).uniform(v, 5.0)

    share = random.Random(2).random()
    value, derivative = fastad.value_and_grad(shifted)(3.0)
    assert value == shifted(3.0)
    assert derivative == pytest.approx(1 + (1 - share))


def test_an_empty_sum_and_a_sum_of_one():
    x = Var(2.0)
    assert sum([]) == 0
    assert agrees(sum([x]), 2.0)
    assert math.prod([x]) == x
    assert fastad.fsum([]) == 0.0
