"""Program: recorded, run elsewhere, derived, listed; and what it refuses."""

import gc
import inspect
import math as standard_math
import random
import struct
import sys

import numpy
import pytest

import fastad
from fastad import Program, Var, _core, errors, grad, math, value_and_grad
from fastad.errors import PathError
from tests.published import FUNCTIONS


def bits(x):
    """A float as what it is made of; all nans are one."""
    if isinstance(x, (list, tuple)):
        return [bits(item) for item in x]
    return "nan" if standard_math.isnan(x) else struct.pack("<d", x)


# ---- Running -------------------------------------------------------------------------

published = pytest.mark.parametrize(
    ("f", "x"), FUNCTIONS.items(), ids=lambda v: getattr(v, "__name__", "")
)


@published
def test_elsewhere_it_gives_the_same_bits(f, x):
    def g(x):
        return f(x, math)

    program = Program(g, x)
    gradient = program.gradient()
    for scale in (1.0, 1.01, 0.97, 1 + 1e-9):
        there = [scale * number for number in x]
        assert bits(program(there)) == bits(g(there))
        assert bits(gradient(there)) == bits(grad(g)(there))
        assert program.trace(there)[program.outputs[0]] == g(there)


@published
def test_the_derivative_of_a_derivative(f, x):
    """A program has one output: the gradient along a direction, twice."""

    def slope(x):
        gradient = Program(lambda y: f(y, math), [1.0 * v for v in START]).gradient()
        return gradient(x)

    START = x
    H = fastad.hessian(lambda x: f(x, math))(x)
    for k in range(len(x)):
        second = Program(lambda x, k=k: grad(lambda y: f(y, math))(x)[k], x).gradient()
        numpy.testing.assert_allclose(
            second(x), H[k], rtol=1e-9, atol=1e-9 * numpy.max(numpy.abs(H))
        )
    assert slope(x) == grad(lambda x: f(x, math))(x)


ROWS = _core.rows()
OWN_OF_PYTHON = {"gamma", "lgamma"}  # their eager values come from Python's algorithms
POINTS = [0.375, -0.625, 0.5, 2.25, -3.0, 1.0, 0.0]


def close(found, expected, relative):
    """The same, but for the sign of zeros."""
    if standard_math.isnan(expected):
        return standard_math.isnan(found)
    return found == expected or abs(found - expected) <= relative * abs(expected)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row(row):
    """Value and gradient, recorded at one point and run at others, against eager."""
    f = _core.function(row.name, "")
    eager = value_and_grad(f, range(row.arity))
    draw = random.Random(row.name)
    defined = []
    for _ in range(20):
        x = [draw.choice(POINTS) for _ in range(row.arity)]
        try:
            value, slopes = eager(*x)
        except (ArithmeticError, ValueError, errors.NonSmoothWarning):
            continue
        defined.append((x, value, slopes))
    assert defined
    relative = 1e-14 if row.name in OWN_OF_PYTHON else 0.0
    for at, _, _ in defined[:3]:
        program = Program(f, *at)
        gradient = program.gradient()
        for x, value, slopes in defined:
            assert close(program(*x), value, relative)
            found = gradient(*x) if row.arity > 1 else (gradient(*x),)
            for a, b in zip(found, slopes, strict=True):
                assert close(a, b, relative)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_values_while_recording(row):
    """Those of an eager Var, also where CPython has algorithms of its own, and its errors."""
    f = _core.function(row.name, "")
    draw = random.Random(row.name)
    points = [*POINTS, 710.0, -1e200, standard_math.inf, standard_math.nan]
    for _ in range(40):
        x = [draw.choice(points) for _ in range(row.arity)]
        seen = []

        def g(*x, seen=seen):
            y = f(*x)
            seen.append(repr(y).partition("(")[2].partition(",")[0].strip(")"))
            return y

        outcomes = []
        for run in (lambda x: g(*map(Var, x)), lambda x: Program(g, *x)):
            try:
                run(x)
            except (ArithmeticError, ValueError) as error:
                outcomes.append((type(error), str(error)))
            else:
                outcomes.append(seen[-1])
        assert outcomes[0] == outcomes[1], x


MANY = {
    "fsum": lambda x: math.fsum([x[0], 1.0, x[1], x[0]]),
    "sumprod": lambda x: fastad.sumprod([x[0], 2.0], [x[1], x[0]]),
    "norm": lambda x: fastad.norm([x[0], x[1], 2.0]),
    "logsumexp": lambda x: fastad.logsumexp([x[0], x[1], 1.0]),
    "hypot": lambda x: math.hypot(x[0], x[1], 2.0),
    "dist": lambda x: math.dist(x, [2.0, x[0]]),
    "prod": lambda x: math.prod([x[0], x[1], x[0]]),
    "sum": lambda x: sum([x[0], x[1], x[0]]),
    "maximum": lambda x: fastad.maximum(x[0], x[1]) * fastad.minimum(x[0], 0.5),
    "clip": lambda x: fastad.clip(x[0] * x[1], -1.0, 1.0),
    "where": lambda x: fastad.where(x[0], x[1] * x[0], 0.5),
    "floor": lambda x: fastad.floor(x[0]) * x[1] + fastad.ceil(x[1]) + x[0] // 0.3,
    "mod": lambda x: x[0] % 0.3 + math.fmod(x[1], x[0]) + math.remainder(x[0], 0.7),
    "nextafter": lambda x: math.nextafter(x[0], x[1]) + math.ulp(x[1]),
    "matrix": lambda x: (numpy.array([x, x]) @ numpy.array(x)).sum(),
    "log": lambda x: math.log(2.0 + x[0] * x[0], 3.0),
    "copysign": lambda x: math.copysign(x[0], x[1]) * abs(x[0]) * fastad.sign(x[1]),
    "pow": lambda x: (1.0 + x[0] * x[0]) ** x[1] + 2.0 ** x[0] + x[1] ** 3,
}


@pytest.mark.parametrize("f", MANY.values(), ids=MANY)
def test_functions_of_many_numbers_and_steps(f):
    x = [0.75, -1.3]
    program = Program(f, x)
    gradient = program.gradient()
    for there in (x, [0.77, -1.31], [0.74, -1.28]):
        assert program(there) == pytest.approx(f(there), rel=4e-16)
        assert gradient(there) == pytest.approx(grad(f)(there), rel=1e-14)
    assert numpy.array(fastad.hessian(f)(x)) == pytest.approx(
        numpy.array(fastad.jacobian(grad(f))(x)), rel=1e-11, abs=1e-13
    )


def test_a_program_holds_for_one_path():
    program = Program(lambda x: x if x > 0 else -2.0 * x, 1.0)
    assert program(3.0) == 3.0
    with pytest.raises(PathError, match=r"test_programs.py:\d+: .*x > 0.* is True"):
        program(-3.0)
    program = Program(lambda x: int(x) * x, 2.5)
    assert program(2.75) == 5.5
    with pytest.raises(PathError):
        program(5.5)


@pytest.mark.parametrize(
    ("f", "args"),
    {
        "number": (lambda x: x * 2, (1.5,)),
        "several": (lambda x, y: (x * y, [x, y]), (1.5, 2.0)),
        "dict": (lambda p: {"c": p["a"] * p["b"][0]}, ({"a": 1.5, "b": [2.0]},)),
        "array": (lambda x: x * x.sum(), (numpy.array([[1.5, 2.0]]),)),
        "constants": (lambda x: [1, 2.5, x, x], (1.5,)),
        "nothing": (lambda x: [], (1.5,)),
        "no arguments": (lambda: 2.5, ()),
        "empty": (lambda x: x, ([],)),
    }.values(),
)
def test_shapes(f, args):
    program = Program(f, *args)
    found, expected = program(*args), f(*args)
    assert type(found) is type(expected)
    assert str(found) == str(expected).replace("[1,", "[1.0,")
    assert len(program.outputs) == program.stats["outputs"]


def test_the_gradient_has_the_shape_of_the_arguments():
    program = Program(lambda x, y: x[0] * y["a"] + y["b"], [2.0], {"a": 3.0, "b": 4.0})
    assert program.gradient()([2.0], {"a": 3.0, "b": 4.0}) == (
        [3.0],
        {"a": 2.0, "b": 1.0},
    )
    (slopes,) = (
        Program(lambda x: (x * x).sum(), numpy.ones(3)).gradient()(numpy.arange(3.0)),
    )
    assert slopes.tolist() == [0.0, 2.0, 4.0]
    assert Program(lambda: 2.5).gradient()() == ()
    assert Program(lambda x: 2.5, 1.0).gradient()(3.0) == 0.0


# ---- Looking at it -------------------------------------------------------------------


def test_the_listing():
    program = Program(lambda x, y: math.sin(x * y) / 2, 0.5, 2.0)
    assert str(program).splitlines() == [
        "%0 = input 0",
        "%1 = input 1",
        "%2 = mul %0 %1",
        "%3 = sin %2",
        "%4 = constant 2",
        "%5 = div %3 %4",
        "output %5",
    ]
    assert repr(program) == "<Program: 2 inputs, 6 instructions, 1 outputs>"
    assert program.outputs == [5]
    stats = program.stats
    assert stats.pop("bytes") >= 6 * 16
    assert stats == {"instructions": 6, "inputs": 2, "outputs": 1}
    assert str(Program(lambda: [])) == ""


def test_instructions_and_trace():
    program = Program(lambda x, y: math.fma(x, y, 3.0) + x, 5.0, 2.0)
    assert program.instructions() == [
        ("input", (0,), None),
        ("input", (1,), None),
        ("constant", (3.0,), None),
        ("fma", (0, 1, 2), None),
        ("add", (3, 0), None),
    ]
    assert program.trace(5.0, 2.0) == [5.0, 2.0, 3.0, 13.0, 18.0]
    assert program.trace(1.0, 1.0) == [1.0, 1.0, 3.0, 4.0, 5.0]
    with pytest.raises(errors.ArgumentError):
        program.trace(1.0)


def test_lines():
    def f(x):
        y = x * x
        return y + numpy.array([math.sin(y)], dtype=object).sum()

    first = inspect.getsourcelines(f)[1]
    program = Program(f, 2.0, lines=True)
    places = [place for _, _, place in program.instructions()]
    assert places == [None, (__file__, first + 1), *2 * [(__file__, first + 2)]]
    lines = str(program).splitlines()
    assert lines[0] == "%0 = input 0"
    assert lines[1].split() == [*"%1 = mul %0 %0 #".split(), f"{__file__}:{first + 1}"]
    assert lines[-1] == "output %3"
    assert program.gradient().instructions()[0] == ("input", (0,), None)


def test_the_longest_program_of_the_suite():
    def f(x):
        for _ in range(20000):
            x = x * 0.999 + 0.001
        return x

    program = Program(f, 2.0)
    assert program.stats["instructions"] == 80001
    assert program(3.0) == f(3.0)
    assert program.gradient()(3.0) == grad(f)(3.0)


# ---- What it refuses -----------------------------------------------------------------


class Rude:
    def __getattr__(self, name):
        raise RuntimeError(name)


REFUSALS = {
    "gradient of two": (
        lambda: Program(lambda x: [x, x], 1.0).gradient(),
        errors.ResultError,
    ),
    "gradient of none": (
        lambda: Program(lambda x: [], 1.0).gradient(),
        errors.ResultError,
    ),
    "no arguments": (lambda: Program(abs, 1.0)(), errors.ArgumentError),
    "too many": (lambda: Program(abs, 1.0)(1.0, 2.0), errors.ArgumentError),
    "another shape": (lambda: Program(abs, 1.0)([1.0]), errors.ArgumentError),
    "another length": (lambda: Program(sum, [1.0])([1.0, 2.0]), errors.ArgumentError),
    "Var at a call": (lambda: Program(abs, 1.0)(Var(1.0)), errors.ArgumentError),
    "text at a call": (lambda: Program(abs, 1.0)("1"), errors.ArgumentError),
    "Var": (lambda: Program(abs, Var(1.0)), errors.ArgumentError),
    "Dual": (lambda: Program(abs, fastad.Dual(1.0, 1.0)), errors.ArgumentError),
    "text": (lambda: Program(abs, "1"), errors.ArgumentError),
    "None": (lambda: Program(lambda x: None, 1.0), errors.ResultError),
    "a function": (lambda: Program(lambda x: abs, 1.0), errors.ResultError),
    "nested None": (lambda: Program(lambda x: [x, [None]], 1.0), errors.ResultError),
    "rude": (lambda: Program(lambda x: Rude(), 1.0), (RuntimeError, TypeError)),
    "no function": (lambda: Program(None, 1.0), TypeError),
    "nothing": (lambda: Program(), TypeError),
    "Var from outside": (
        lambda: Program(lambda x: x * Var(2.0), 1.0),
        errors.ArgumentError,
    ),
    "Var as result": (lambda: Program(lambda x: Var(2.0), 1.0), errors.ArgumentError),
    "in grad": (
        lambda: grad(lambda y: Program(lambda x: x * y, 2.0)(1.0))(1.0),
        errors.ArgumentError,
    ),
    "in a Program": (
        lambda: Program(lambda y: Program(lambda x: x * y, 2.0)(1.0), 1.0),
        errors.ArgumentError,
    ),
    "grad": (lambda: Program(lambda x: (x * x).grad, 1.0), errors.FastadError),
    "float": (lambda: Program(float, 1.0), errors.LostDerivativeError),
    "domain": (lambda: Program(math.log, -1.0), errors.DomainError),
    "division": (lambda: Program(lambda x: 1 / x, 0.0), ZeroDivisionError),
    "range": (lambda: Program(math.exp, 1e3), OverflowError),
    "empty": (lambda: Program.__new__(Program)(1.0), errors.ArgumentError),
    "empty gradient": (lambda: Program.__new__(Program).gradient(), TypeError),
}


@pytest.mark.parametrize(("action", "error"), REFUSALS.values(), ids=REFUSALS)
def test_refusals(action, error):
    with pytest.raises(error):
        action()
    assert (
        str(Program(lambda x: x * x, 1.0)) == "%0 = input 0\n%1 = mul %0 %0\noutput %1"
    )


@pytest.mark.parametrize(
    "use",
    {
        "add": lambda x: x + 1,
        "itself": lambda x: x * x,
        "function": math.sin,
        "many": lambda x: math.fsum([x, x]),
        "grad": lambda x: x.grad,
        "backward": lambda x: x.backward(),
        "in another": lambda x: Program(lambda y: x * y, 2.0),
        "result of another": lambda x: Program(lambda y: x, 2.0),
        "argument of another": lambda x: Program(lambda y: y, x)(1.0),
        "in grad": lambda x: grad(lambda y: x * y)(1.0),
        "round": lambda x: round(x, 1),
        "power": lambda x: x**2,
        "floor": lambda x: x // 2,
    }.values(),
)
@pytest.mark.parametrize("pick", [0, 1])
def test_what_leaves_the_recording_is_stale(use, pick):
    leaked = []

    def f(x):
        leaked.extend([x, x * x])
        return x

    Program(f, 2.0)
    leak = leaked[pick]
    for _ in range(2):  # again while the tape serves someone else
        assert leak.value == 2.0 ** (pick + 1)
        with pytest.raises((errors.StaleVarError, errors.ArgumentError)):
            use(leak)
        Program(lambda x: x * x * x, 3.0)
        assert grad(lambda x: x * x)(3.0) == 6.0


def test_an_exception_at_any_operation():
    class Stop(Exception):
        pass

    def f(x):
        y = x
        for k in range(8):
            if k == stop:
                raise Stop
            y = math.sin(y * x)
        return y

    for stop in (*range(8), 8):
        if stop < 8:
            with pytest.raises(Stop):
                Program(f, 0.5)
            with pytest.raises(Stop):
                fastad.hessian(f)(0.5)
        else:
            assert Program(f, 0.5)(0.75) == f(0.75)
        assert Program(lambda x: x * x, 1.0)(3.0) == 9.0


def test_programs_inside_a_recording():
    def f(x):
        inner = Program(lambda y: y * y, 3.0)
        return inner(4.0) * x + grad(lambda z: z * z * x)(1.0)

    assert Program(f, 2.0)(5.0) == 16.0 * 5.0 + 2.0 * 5.0


def test_init_again():
    program = Program(lambda x: x, 2.0)
    with pytest.raises(errors.ArgumentError):
        program.__init__(abs, "2")
    assert program(3.0) == 3.0
    program.__init__(lambda x, y: x * y, 1.0, 2.0)
    assert program(2.0, 3.0) == 6.0


# ---- Memory --------------------------------------------------------------------------


def everything(n_steps):
    def f(x, y):
        for _ in range(n_steps):
            x = math.sin(x * y) + 0.5
        return fastad.where(x, x * y, math.fsum([x, y, 1.0]))

    program = Program(f, 0.5, 0.25, lines=True)
    gradient = program.gradient()
    there = 0.75, 0.125
    return (
        str(program),
        program(*there),
        gradient(*there),
        program.trace(*there),
        fastad.hessian(f, (0, 1))(*there),
        fastad.hvp(f)(*there, 1.0),
    )


@pytest.mark.parametrize("n_steps", [1, 300])
def test_each_allocation_may_fail(n_steps):
    expected = everything(n_steps)
    n_failures = 0
    for n in range(1, 1000):
        _core.fail_allocation(n)
        try:
            found = everything(n_steps)
        except MemoryError:
            n_failures += 1
        else:
            break
        finally:
            _core.fail_allocation(0)
    assert found == expected
    assert n_failures > 20


def test_nothing_is_left_behind():
    class Argument(list):
        pass

    argument = Argument([0.5, 2.0])

    def f(x):
        return math.sin(x[0] * x[1])

    def stop(x):
        x[0] * x[1]
        raise KeyError

    def round_trip():
        program = Program(f, argument, lines=True)
        program.gradient()(argument)
        program.instructions()
        for bad in (stop, lambda x: None):
            with pytest.raises((KeyError, TypeError)):
                Program(bad, argument)
        with pytest.raises(TypeError):
            program([1.0])

    def counts():
        gc.collect()
        return sys.getrefcount(f), sys.getrefcount(argument), sys.getrefcount(Argument)

    round_trip()
    before, live = counts(), _core.live_vars()
    blocks = sys.getallocatedblocks()
    for _ in range(50):
        round_trip()
    assert counts() == before
    assert _core.live_vars() == live
    assert abs(sys.getallocatedblocks() - blocks) < 100
