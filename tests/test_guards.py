"""Guards: a program never gives a number that was computed for another path."""

import math as standard_math
from fractions import Fraction

import pytest

import fastad
from fastad import Program, grad, math, stop_gradient
from fastad.errors import PathError

inf, nan = standard_math.inf, standard_math.nan
SPECIAL = [
    0.0,
    -0.0,
    0.5,
    1.0,
    -1.0,
    1.5,
    2.5,
    -2.5,
    3.0,
    1e300,
    5e-324,
    inf,
    -inf,
    nan,
]

# What a function may decide on, and what plain number it may take out of a Var.
DECISIONS = {
    "lt": lambda x: 1.0 if x < 1.0 else 2.0,
    "le": lambda x: 1.0 if x <= 1.0 else 2.0,
    "gt": lambda x: 1.0 if x > 1.0 else 2.0,
    "ge": lambda x: 1.0 if x >= 1.0 else 2.0,
    "eq": lambda x: 1.0 if x == 1.0 else 2.0,
    "ne": lambda x: 1.0 if x != 1.0 else 2.0,
    "reflected": lambda x: 1.0 if 1.0 < x else 2.0,
    "two": lambda x: 1.0 if x * x < x else 2.0,
    "int": lambda x: 1.0 if x < 1 else 2.0,
    "huge int": lambda x: 1.0 if x < 10**300 + 1 else 2.0,
    "int beyond floats": lambda x: 1.0 if x < 10**400 else 2.0,
    "fraction": lambda x: 1.0 if x < Fraction(1, 3) else 2.0,
    "bool": lambda x: 1.0 if x else 2.0,
    "not": lambda x: 1.0 if not x else 2.0,
    "sorted": lambda x: sorted([x, 1.0, -1.0])[1] * 2.0,
    "max": lambda x: max(x, 0.25, 1.0 - x),
    "int()": lambda x: float(int(x)),
    "round": lambda x: float(round(x)),
    "floor": lambda x: float(math.floor(x)),
    "ceil": lambda x: float(math.ceil(x)),
    "trunc": lambda x: float(math.trunc(x)),
    "is_integer": lambda x: 1.0 if x.is_integer() else 2.0,
    "isfinite": lambda x: 1.0 if math.isfinite(x) else 2.0,
    "isinf": lambda x: 1.0 if math.isinf(x) else 2.0,
    "isnan": lambda x: 1.0 if math.isnan(x) else 2.0,
    "isclose": lambda x: 1.0 if math.isclose(x, 1.5, rel_tol=0.5) else 2.0,
    "value": lambda x: x.value * 2.0,
    "str": lambda x: float(str(x)),
    "format": lambda x: float(f"{x:.1f}"),
    "repr": lambda x: float(repr(x).split("(")[1][:-1]),
    "frexp": lambda x: float(math.frexp(x)[1]),
    "copysign": lambda x: math.copysign(1.0, x),
    "nested": lambda x: grad(lambda y: y * y if y < x else y)(1.0),
    "in": lambda x: 1.0 if x in [0.5, 2.5] else 2.0,
    "where": lambda x: fastad.where(x > 1.0, x, 2.0),
}


def outcome(f, *args):
    try:
        return repr(f(*args))
    except PathError:
        return "another path"
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_is_kept_or_refused(name):
    f = DECISIONS[name]
    paths = 0
    for recorded_at in SPECIAL:
        try:
            program = Program(f, recorded_at)
        except (ValueError, OverflowError):
            continue
        for x in SPECIAL:
            # As floats answer; they have no .value.
            expected = outcome(lambda y: Program(f, y)(y), x)
            got = outcome(program, x)
            assert got in (expected, "another path"), (recorded_at, x)
            paths += got == "another path"
        assert outcome(program, recorded_at) == outcome(
            f, fastad.Var(recorded_at)
        ).replace("Var(", "").replace(")", "")
    assert paths or name == "copysign"


def test_a_row_decides_anew():
    """What stays a number of the program holds everywhere."""
    for f in (
        lambda x: fastad.floor(x) * x,
        lambda x: x // 0.5,
        lambda x: round(x, 1),
        lambda x: fastad.maximum(x, 1.0) + fastad.clip(x, 0.0, 2.0),
        lambda x: stop_gradient(x) * x,
    ):
        program = Program(f, 0.75)
        for x in (0.25, -3.5, 17.125):
            assert program(x) == f(x)


def test_stop_gradient_is_an_instruction():
    program = Program(lambda x: stop_gradient(x) * x, 3.0)
    assert [name for name, *_ in program.instructions()] == ["input", "stop", "mul"]
    assert program.gradient()(5.0) == 5.0


def test_the_condition_that_failed_is_named():
    def f(x, limit):
        if x > limit:
            return x
        return x * x

    program = Program(f, 1.0, 2.0)
    assert [name for name, *_ in program.instructions()][2] == "guard lt"
    with pytest.raises(PathError, match=r"test_guards.py:\d+: if x > limit: +is False"):
        program(3.0, 2.0)
    with pytest.raises(ValueError, match="another path"):
        program.gradient()(3.0, 2.0)


def test_nothing_is_guarded_outside_of_recordings():
    x = fastad.Var(2.0)
    assert x > 1.0
    assert f"{x:.0f}" == "2"
    Program(lambda y: y * x.value if x > 1.0 else y, 1.0)  # x is none of the program's
    program = Program(lambda y: y * x.value if x > 1.0 else y, 1.0)
    assert [name for name, *_ in program.instructions()] == ["input", "constant", "mul"]
