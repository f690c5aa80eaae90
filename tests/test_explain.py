"""explain: which operation, with which operands, where, why, and what to do instead."""

import dataclasses
import inspect
import math as standard_math
from collections import namedtuple

import numpy
import pytest

import fastad
from fastad import Var, errors, explain, grad, math

inf, nan = standard_math.inf, standard_math.nan
nothing_odd = "All derivatives are finite, and none is zero."

# ---- Findings ------------------------------------------------------------------------
#
# A function, its arguments, the gradient, and what each finding begins with or holds.

CASES = {
    "nothing": (lambda x: math.sin(x), (1.0,), [standard_math.cos(1.0)], []),
    "infinite": (
        lambda x: math.sqrt(x),
        (0.0,),
        [inf],
        [("argument 0 is inf: sqrt(0.0) = 0.0 has the partial inf", "away from 0")],
    ),
    "nan": (
        lambda x, y: math.sqrt(x * y),
        (0.0, 2.0),
        [inf, nan],
        [("argument 0 is inf: sqrt(0.0)",), ("argument 1 is nan: sqrt(0.0)",)],
    ),
    "power": (
        lambda x: x**0.5,
        (0.0,),
        [inf],
        [("pow(0.0, 0.5) = 0.0 has the partial inf", "exponent of at least 1")],
    ),
    "undefined": (
        lambda x, y: math.atan2(x, y),
        (0.0, 0.0),
        [nan, nan],
        [("argument 0 is nan: atan2(0.0, 0.0)", "origin"), ("argument 1",)],
    ),
    "infinite value": (
        lambda x: x * 1e200 * 1e200,
        (2.0,),
        [inf],
        [
            ("the value is inf: mul(2e+200, 1e+200) = inf",),
            ("argument 0 is inf: factors that are finite one by one overflow",),
        ],
    ),
    "infinite constant": (
        lambda x: x + inf,
        (2.0,),
        [1.0],
        [("the value is inf: the constant inf comes in, at",)],
    ),
    "infinite argument": (lambda x: x + 1, (inf,), [1.0], [("so is an argument",)]),
    "nan from infinities": (
        lambda x, y: x * 1e308 * 10 - y * 1e308 * 10,
        (2.0, 2.0),
        [inf, -inf],
        [
            ("the value is nan: mul(2.0, 1e+308) = inf",),
            ("argument 0 is inf",),
            ("argument 1 is -inf",),
        ],
    ),
    "step": (
        lambda x: fastad.floor(x) * 3,
        (1.25,),
        [0.0],
        [("argument 0 is 0: floor(1.25) = 1.0 is a step",)],
    ),
    "step on one of two ways": (
        lambda x: fastad.floor(x) * x,
        (1.25,),
        [1.0],
        [],
    ),
    "whole quotient": (lambda x: x // 0.5, (1.25,), [0.0], [("is a step",)]),
    "flat": (
        lambda x: fastad.relu(x),
        (-1.0,),
        [0.0],
        [("relu(-1.0) = 0.0 is flat here",)],
    ),
    "times zero": (
        lambda x, y: x * y,
        (0.0, 2.0),
        [2.0, 0.0],
        [("argument 1 is 0: mul(0.0, 2.0) = 0.0 is flat here",)],
    ),
    "square": (lambda x: x**2, (0.0,), [0.0], [("pow(0.0, 2.0) = 0.0 is flat here",)]),
    "cancellation": (
        lambda x, y: (x - x) * y + y,
        (1.0, 2.0),
        [0.0, 1.0],
        [("argument 0 is 0: the ways to the result cancel, or underflow",)],
    ),
    "underflow": (
        lambda x: x * 1e-200 * 1e-200,
        (2.0,),
        [0.0],
        [("the ways to the result cancel, or underflow",)],
    ),
    "int": (
        lambda x, y: x * int(y),
        (1.0, 2.0),
        [2.0, 0.0],
        [
            (
                "argument 1 is 0: the result does not depend on it, which was only",
                "once, ",
            )
        ],
    ),
    "value": (
        lambda x: x.value * 2,
        (1.0,),
        [0.0],
        [("converted, once", "strict=True")],
    ),
    "comparison": (
        lambda x, y: y if x > 0 else -y,
        (1.0, 2.0),
        [0.0, 1.0],
        [
            (
                "argument 0 is 0: the result does not depend on it, which was only compared",
            )
        ],
    ),
    "constant": (lambda x: 3, (1.0,), [0.0], [("does not depend on it",)]),
    "bisection": (
        lambda x: bisection(lambda y: y**3 - x, 0.0, 2.0),
        (2.0,),
        [0.0],
        [("converted, 40 times, first, at ", "if f(middle) < 0.0:", "custom_jvp")],
    ),
    "several": (
        lambda x, y, z: math.sqrt(x) + fastad.ceil(y),
        (0.0, 1.5, 1.0),
        [inf, 0.0, 0.0],
        [
            ("argument 0 is inf: sqrt(0.0)",),
            ("argument 1 is 0: ceil(1.5) = 2.0 is a step",),
            ("argument 2 is 0: the result does not depend on it",),
        ],
    ),
    "no arguments": (lambda: 3.0, (), [], []),
}


def bisection(f, low, high):
    for _ in range(40):
        middle = (low + high) / 2
        if f(middle) < 0.0:
            low = middle
        else:
            high = middle
    return low


@pytest.mark.parametrize(("f", "args", "gradient", "found"), CASES.values(), ids=CASES)
def test_findings(f, args, gradient, found):
    explanation = explain(f, *args)
    assert str(explanation.gradient) == str(gradient)
    assert len(explanation.findings) == len(found)
    for finding, parts in zip(explanation.findings, found, strict=True):
        for part in parts:
            assert part in finding
    lines = repr(explanation).splitlines()
    assert lines[0] == f"value {explanation.value!r}, gradient {explanation.gradient!r}"
    assert (lines[1:] == [nothing_odd]) == (not found)
    assert all(finding in repr(explanation) for finding in explanation.findings)


# ---- Places --------------------------------------------------------------------------


def of_several_lines(x):
    y = x[0] * 2
    z = math.sqrt(y)
    return z + fastad.floor(
        x[1],
    )


def places(f, *args):
    """Line numbers, from that of the def, of each finding; all in this file."""
    first = inspect.getsourcelines(f)[1]
    numbers = []
    for finding in explain(f, *args).findings:
        file, number = finding.split(", at ")[1].split(": ")[0].rsplit(":", 1)
        assert file == __file__
        numbers.append(int(number) - first)
    return numbers


def test_lines():
    assert places(of_several_lines, [0.0, 1.5]) == [2, 3]
    findings = explain(of_several_lines, [0.0, 1.5]).findings
    assert ": z = math.sqrt(y)\n" in findings[0]


def of_numpys_functions(x):
    v = numpy.array([x, x])
    return numpy.linalg.norm(v)


def test_an_operation_inside_numpy_is_of_the_user_s_line():
    assert places(of_numpys_functions, 0.0) == [2]


def helper(x):
    return math.log(x)


def calls_helper(x):
    return helper(x - 1.0) * 2


def divides(x):
    y = 2 * x
    return 1 / y


def loses(x):
    return float(x)


def divides_inside_numpy(x):
    v = numpy.array([x, x])
    return numpy.linalg.norm(v / numpy.mean(v - v))


def gives_a_range_error(x):
    return math.exp(
        1000 * x,
    )


@pytest.mark.parametrize(
    ("f", "x", "name", "where"),
    [
        (calls_helper, 1.0, "DomainError: log(0.0)", helper),
        (divides, 0.0, "DivisionByZeroError: 1.0 / 0.0", divides),
        (loses, 1.0, "LostDerivativeError: float()", loses),
        (divides_inside_numpy, 1.0, "DivisionByZeroError", divides_inside_numpy),
        (gives_a_range_error, 1.0, "RangeError: exp(1000.0)", gives_a_range_error),
    ],
)
def test_exceptions(f, x, name, where):
    explanation = explain(f, x)
    assert standard_math.isnan(explanation.value)
    (finding,) = explanation.findings
    assert finding.startswith(name)
    lines, first = inspect.getsourcelines(where)
    line = next(k for k, text in enumerate(lines) if "return" in text)
    assert f", at {__file__}:{first + line}: {lines[line].strip()}" in finding


def test_other_exceptions_pass():
    with pytest.raises(KeyError):
        explain(lambda x: {}[x], 1.0)
    assert "ValueError: mine" in repr(explain(raises_value_error, 1.0))


def raises_value_error(x):
    raise ValueError("mine")


# ---- Names of arguments --------------------------------------------------------------


@dataclasses.dataclass
class Point:
    a: object
    kind: dataclasses.InitVar[int] = 3
    b: object = 0.0


Pair = namedtuple("Pair", "p q")


@pytest.mark.parametrize(
    ("argument", "names"),
    [
        (2.0, [""]),
        (3, [""]),
        (numpy.float64(2.0), [""]),
        (numpy.array(2.0), [""]),
        ([1.0, 2.0], ["[0]", "[1]"]),
        ((1.0, [2.0]), ["[0]", "[1][0]"]),
        (Pair(1.0, 2.0), ["[0]", "[1]"]),
        ({"u": 1.0, 2: [3.0]}, ["['u']", "[2][0]"]),
        (numpy.ones((2, 2)), [f".flat[{k}]" for k in range(4)]),
        ([numpy.ones(1), 1.0], ["[0].flat[0]", "[1]"]),
        (Point(1.0, b=[2.0]), [".a", ".b[0]"]),
        ([], []),
    ],
    ids=str,
)
def test_names(argument, names):
    explanation = explain(lambda x, y: 1.5 * y, argument, 1.0)
    assert explanation.gradient == [0.0] * len(names) + [1.5]
    assert [finding.split(" is 0")[0] for finding in explanation.findings] == [
        f"derivative to argument 0{name}" for name in names
    ]


# ---- What it refuses; what it leaves -------------------------------------------------


@pytest.mark.parametrize(
    "action",
    [
        lambda: explain(lambda x: [x, x], 1.0),
        lambda: explain(lambda x: [], 1.0),
        lambda: explain(lambda x: x, Var(1.0)),
        lambda: explain(lambda x: x * Var(1.0), 1.0),
        lambda: grad(lambda v: explain(lambda x: x * v, 1.0))(2.0),
    ],
)
def test_refusals(action):
    with pytest.raises(errors.ArgumentError):
        action()
    assert repr(explain(lambda x: x * x, 1.0)).endswith(nothing_odd)


def test_inside_a_derivative_of_something_else():
    seen = []

    def f(x):
        seen.append(explain(lambda y: y * y, 3.0).gradient)
        return x * x

    assert grad(f)(2.0) == 4.0
    assert fastad.hessian(f)(2.0) == 2.0
    assert seen == [[6.0]] * 2
