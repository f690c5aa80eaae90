"""Random programs on the core and on the plain-Python reference: equal to the last bit.

A program draws operations and operands, keeps some results and forgets others, and now
and then differentiates one. Run with the same seed on both engines it leaves the same
log; on the core the tape is collected between any two steps.
"""

import math
import random
import struct
import warnings
from fractions import Fraction
from types import SimpleNamespace

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastad
from fastad import _core, reference

ROWS = _core.rows()
CORE = SimpleNamespace(
    Var=fastad.Var,
    math=fastad.math,
    rows=SimpleNamespace(**{row.name: _core.function(row.name, "") for row in ROWS}),
    where=_core.where,
    collect=_core.collect,
    value_and_grad=fastad.value_and_grad,
)
REFERENCE = SimpleNamespace(
    Var=reference.Var,
    math=reference.math,
    rows=reference.row,
    where=reference.where,
    collect=lambda: None,
    value_and_grad=reference.value_and_grad,
)

# ---- What a program can do: functions of an engine and of operands -------------------


def row_operation(name):
    return lambda engine, *x: getattr(engine.rows, name)(*x)


def math_operation(name):
    return lambda engine, *x: getattr(engine.math, name)(*x)


def in_place(engine, x, y):
    total = x
    total += y
    total *= x
    return total


# Functions with the number of their operands. What arithmetic does most, they do often.
OPERATIONS = [
    *[(row_operation(row.name), row.arity) for row in ROWS if row.name != "hypot"],
    *4 * [(lambda engine, x, y: x + y, 2), (lambda engine, x, y: x * y, 2)],
    *3 * [(lambda engine, x, y: x - y, 2), (lambda engine, x, y: x / y, 2)],
    *2 * [(lambda engine, x, y: x**y, 2), (lambda engine, x: -x, 1)],
    (lambda engine, x, y: x % y, 2),
    (lambda engine, x, y: x // y, 2),
    (lambda engine, x, y: divmod(x, y)[1], 2),
    (lambda engine, x: abs(x), 1),
    (lambda engine, x: +x, 1),
    (lambda engine, x: x**2, 1),
    (lambda engine, x: x**-1, 1),
    (lambda engine, x: x**0, 1),
    (lambda engine, x: round(x, 2), 1),
    (lambda engine, x: x * round(x) + int(x), 1),
    (lambda engine, x: x * engine.math.floor(x) - math.ceil(x), 1),
    (lambda engine, x, y: max(x, y) - 2 * min(x, y), 2),
    (lambda engine, x, y: x if x < y else x * y, 2),
    (lambda engine, x, y: x if x == y or not y else y, 2),
    (in_place, 2),
    (lambda engine, x, y, z: engine.where(x > y, y, z), 3),
    (lambda engine, x, y, z: sum([x, y, z, x]), 3),
    (lambda engine, x, y, z: engine.math.prod([x, y, z]), 3),
    (lambda engine, x, y, z: engine.math.fsum([x, y, z, y]), 3),
    (lambda engine, x, y, z: engine.math.sumprod([x, 2.0, y], [y, x, z]), 3),
    (math_operation("hypot"), 2),
    (math_operation("hypot"), 3),
    (lambda engine, x, y, z: engine.math.dist((x, y), (z, 1.5)), 3),
    (math_operation("log"), 2),
    (lambda engine, x: engine.math.modf(x)[0], 1),
    (lambda engine, x: engine.math.frexp(x)[0], 1),
    (math_operation("degrees"), 1),
    (math_operation("radians"), 1),
]
CONSTANTS = [
    *(0, 1, 2, 3, -1, True, 0.0, -0.0, 0.5, -1.5, 1e-3, 7.25, 1e5),
    *(Fraction(1, 3), numpy.float64(0.75), numpy.int64(4)),
]

# ---- The log -------------------------------------------------------------------------


def bits(x):
    """A float as what it is made of; all nans are one."""
    return "nan" if math.isnan(x) else struct.pack("<d", x)


def applied(engine, operation, operands):
    """The result if it is a Var, or None, and what the log says of it."""
    try:
        result = operation(engine, *operands)
    except (ValueError, ArithmeticError, RecursionError):
        return None, "no value"
    if type(result) is engine.Var:
        return result, bits(result.value)
    return None, bits(float(result))


def gradients(inputs):
    return [None if x.grad is None else bits(x.grad) for x in inputs]


# ---- Seeded programs with random lifetimes -------------------------------------------


def log_of_program(engine, seed, n_steps, collections):
    """Run one program. `collections` is the probability of one after each step."""
    draw = random.Random(seed)
    inputs = [engine.Var(draw.uniform(-2.0, 2.0)) for _ in range(draw.randint(1, 5))]
    pool, boxes, functions = list(inputs), {}, []
    log = []
    for _ in range(n_steps):
        operation, arity = draw.choice(OPERATIONS)
        operands = [
            draw.choice(pool) if draw.random() < 0.8 else draw.choice(CONSTANTS)
            for _ in range(arity)
        ]
        operands[draw.randrange(arity)] = draw.choice(pool)
        result, entry = applied(engine, operation, operands)
        log.append(entry)
        place = draw.random()
        if result is not None and abs(result.value) < 1e6:
            if place < 0.6:
                pool.append(result)
            elif place < 0.7:
                boxes[draw.randint(0, 3)] = [result, (result,)]
            elif place < 0.8:
                functions.append(lambda kept=result: kept)
        if len(pool) > 8:
            del pool[draw.randrange(len(pool))]
        if draw.random() < 0.05:
            del pool[:-2]
        if functions and draw.random() < 0.05:
            pool.append(functions.pop()())
        if boxes and draw.random() < 0.05:
            pool.append(boxes.popitem()[1][0])
        if draw.random() < 0.08:
            seed, accumulate = draw.choice([1.0, -0.5, 3]), draw.random() < 0.5
            draw.choice(pool).backward(seed, accumulate)
            log.append(gradients(inputs))
        if draw.random() < collections:
            engine.collect()
    for result in [*pool, *(kept() for kept in functions)]:
        result.backward()
        log.append(gradients(inputs))
    return log


@pytest.mark.parametrize(
    ("n_programs", "n_steps", "collections"), [(4000, 40, 0.3), (60, 600, 0.02)]
)
def test_seeded_programs(n_programs, n_steps, collections):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastad.errors.NonSmoothWarning)
        for seed in range(n_programs):
            program = seed, n_steps, collections
            ours = log_of_program(CORE, *program)
            assert ours == log_of_program(REFERENCE, *program), f"program {program}"


# ---- Programs that Hypothesis shrinks ------------------------------------------------

NUMBERS = st.one_of(
    st.floats(-4.0, 4.0),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 5e-324, 1e-300, 1e300, -2.0, 0.5]),
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, len(OPERATIONS) - 1),
        st.tuples(*3 * [st.integers(-len(CONSTANTS), 30)]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def log_of_steps(engine, numbers, steps):
    """Run a program given step by step: operation, operands, whether to collect."""
    inputs = [engine.Var(x) for x in numbers]
    pool, log = list(inputs), []
    for number, places, collects in steps:
        operation, arity = OPERATIONS[number]
        operands = [
            CONSTANTS[place] if place < 0 else pool[place % len(pool)]
            for place in places[:arity]
        ]
        operands[places[0] % arity] = pool[places[0] % len(pool)]
        result, entry = applied(engine, operation, operands)
        log.append(entry)
        if result is not None:
            pool.append(result)
        if collects:
            engine.collect()
    pool[-1].backward()
    return [*log, gradients(inputs)]


@settings(max_examples=1000, deadline=None, database=None)
@given(st.lists(NUMBERS, min_size=1, max_size=4), STEPS)
def test_hypothesis_programs(numbers, steps):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastad.errors.NonSmoothWarning)
        assert log_of_steps(CORE, numbers, steps) == log_of_steps(
            REFERENCE, numbers, steps
        )


# ---- The verbs on containers of any shape --------------------------------------------

LEAVES = st.floats(-4.0, 4.0) | st.integers(-3, 3)
SHAPES = st.recursive(
    LEAVES
    | st.lists(st.floats(-4.0, 4.0), max_size=4).map(numpy.array)
    | st.just(numpy.ones((2, 3))),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from("abc"), inner)
    ),
    max_leaves=8,
)


def leaves(x):
    """The numbers of a container, in order."""
    if isinstance(x, dict):
        x = x.values()
    elif isinstance(x, numpy.ndarray):
        x = x.ravel().tolist()
    elif not isinstance(x, (list, tuple)):
        return [x]
    return [leaf for item in x for leaf in leaves(item)]


def described(x):
    """A container with its types, and the bits of its numbers."""
    if isinstance(x, dict):
        return {key: described(item) for key, item in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x), [described(item) for item in x]
    if isinstance(x, numpy.ndarray):
        return x.dtype, x.shape, described(x.ravel().tolist())
    return type(x), bits(x)


@settings(max_examples=200, deadline=None, database=None)
@given(SHAPES, SHAPES, st.sampled_from([0, 1, (0,), (0, 1), (1, 0), -1]))
def test_verbs_on_containers(x, y, argnums):
    def f(x, y, engine):
        total = 1.0
        for number in [*leaves(x), *leaves(y)]:
            total = total * 0.5 + engine.math.sin(number) * number
        return total

    found = [
        described(engine.value_and_grad(f, argnums)(x, y, engine=engine))
        for engine in (CORE, REFERENCE)
    ]
    assert found[0] == found[1]


# ---- The comparison itself -----------------------------------------------------------


def test_a_planted_error_is_seen(monkeypatch):
    """One last bit off in one partial: some program says so."""
    partials = reference.PARTIALS["sin"]
    wrong = reference.operation(
        math.sin, lambda x, v: [math.nextafter(partials(x, v=v)[0], 2.0)]
    )
    monkeypatch.setattr(REFERENCE.rows, "sin", wrong)
    with (
        warnings.catch_warnings(),
        pytest.raises(AssertionError, match="program"),
    ):
        warnings.simplefilter("ignore", fastad.errors.NonSmoothWarning)
        test_seeded_programs(300, 40, 0.0)
