"""Programs on many points: each row on each instruction set, and whole programs.

What is exact, and what raises which flag, is tested in C (tests/c/test_batch.c).
"""

import functools
import itertools
import math
import random
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest
from mpmath import mp, mpf

import fastad
from benchmarks import workloads
from fastad import Program, _core
from tests.truth import formula

ROWS = {row.name: row for row in _core.rows()}
BOUNDS = _core.batch_bounds()
SETS = _core.instruction_sets()
LARGEST = sys.float_info.max

each_set = pytest.mark.parametrize("set_", SETS)


def run(program, points, **options):
    """Outputs, failing guards and flags, as arrays."""
    outputs, failed, flagged, _ = _core.batch_program(program, points, **options)
    return numpy.asarray(outputs), failed, flagged


def bits(numbers):
    """Floats as integers; all nans are one."""
    numbers = numpy.array(numbers, dtype=float)
    numbers[numpy.isnan(numbers)] = math.nan
    return numbers.view(numpy.int64)


# ---- The error of each row -----------------------------------------------------------

ODD = [0.0, 5e-324, 1e-310, sys.float_info.min, 1e-300, 1e-20, 1e-8, 0.25, 0.5, 0.75]
ODD += [
    1.0,
    2.0,
    3.0,
    5.93,
    22.0,
    26.6,
    700.0,
    708.0,
    709.7,
    709.8,
    744.5,
    750.0,
    1023.5,
]
ODD += [
    2.0**30,
    1e10,
    2.0**52,
    2.0**53,
    1e100,
    1e150,
    1e300,
    LARGEST,
    math.inf,
    math.nan,
]
# Beside what the functions treat differently.
ODD += [math.nextafter(x, to) for x in ODD if x < 1e10 for to in (0.0, math.inf)]


def number(kind, draw):
    sign = draw.choice([-1.0, 1.0])
    if kind == 0:
        return sign * draw.choice(ODD)
    if kind == 1:
        return sign * math.ldexp(1 + draw.random(), draw.randint(-1074, 1023))
    if kind == 2:
        return sign * draw.uniform(0.0, 760.0)
    if kind == 3:  # beside a multiple of pi/2
        return math.nextafter(draw.randint(-(10**9), 10**9) * (math.pi / 2), sign)
    if kind == 4:
        return sign * (1.0 + (draw.random() - 0.5) * 2.0 ** -draw.randint(0, 52))
    if kind == 5:
        return sign * draw.random()
    return sign * math.ldexp(1 + draw.random(), draw.randint(-4, 4))


def points_of(name, n=700):
    """Points from the whole domain, as an array."""
    draw = random.Random(name)
    arity = ROWS[name].arity
    points = []
    for k in range(n):
        kind = k % 7
        kinds = [kind] + [kind if draw.random() < 0.7 else draw.randrange(7)] * (
            arity - 1
        )
        point = [number(each, draw) for each in kinds]
        if name.startswith("pow") and k % 2:
            point = base_and_exponent(draw)
        points.append(point)
    if arity == 1:
        points += [[sign * x] for x in ODD for sign in (1.0, -1.0)]
    return numpy.array(points)


def base_and_exponent(draw):
    """x and y whose power is a double, near the ends of the range, too."""
    x = math.ldexp(1 + draw.random(), draw.choice([0, -1, draw.randint(-1022, 1023)]))
    if draw.random() < 0.3:
        return [-x, float(draw.randint(-20, 20))]
    logarithm = math.log(x) or 1.0
    return [x, draw.choice([draw.uniform(-760, 760), draw.uniform(-3, 3)]) / logarithm]


def exact(name, point):
    """The value as a number of mpmath, or None where there is none."""
    args = [mpf(x) for x in point]
    if name == "logaddexpx":  # given the difference as a double
        args = [mpf(point[0] - point[1]), mpf(0)]
    try:
        value = formula(name)(*args)
    except (ValueError, ZeroDivisionError):
        return None
    return value if isinstance(value, mpf) else None


def unit(name, value, point):
    """The unit of the last place in which the error of a row is measured."""
    if name == "logaddexp":
        value = max(abs(value), *(abs(x) for x in point))
    size = min(abs(float(value)), LARGEST)
    below = math.nextafter(size, 0.0)
    return mpf(size - below if size else 5e-324)


@functools.cache
def truth_of(name):
    """Points, and for each the row's own value and the exact one (or None)."""
    points = points_of(name)
    values = [_core.row_value(name, *point) for point in points.tolist()]
    with mp.workprec(1300):
        truths = [
            exact(name, point) if all(map(math.isfinite, [value, *point])) else None
            for point, value in zip(points.tolist(), values, strict=True)
        ]
    return points, values, truths


@each_set
@pytest.mark.parametrize("name", BOUNDS)
def test_error_of_a_row(name, set_):
    points, values, truths = truth_of(name)
    found = numpy.asarray(_core.batch_row(name, points, set=set_)[0])[:, 0].tolist()
    compared = 0
    for point, value, own, truth in zip(
        points.tolist(), found, values, truths, strict=True
    ):
        if set_ == "plain" or not all(map(math.isfinite, [own, *point])):
            assert bits([value]) == bits([own]), point
        elif truth is not None:
            compared += 1
            error = abs(mpf(value) - truth) / unit(name, truth, point)
            assert error <= BOUNDS[name] or value == own, (point, value, float(truth))
    assert compared > 100 or set_ == "plain"


@pytest.mark.skipif("avx512" not in SETS, reason="there is one set with fma at most")
@pytest.mark.parametrize("name", BOUNDS)
def test_sets_with_fma_agree(name):
    points = points_of(name)
    one, other = (_core.batch_row(name, points, set=s)[0] for s in ("avx2", "avx512"))
    numpy.testing.assert_array_equal(bits(one), bits(other))


@each_set
@pytest.mark.parametrize("name", sorted(ROWS.keys() - BOUNDS.keys()))
def test_other_rows_are_exact(name, set_):
    points = points_of(name)
    values = [_core.row_value(name, *point) for point in points.tolist()]
    found = numpy.asarray(_core.batch_row(name, points, set=set_)[0])[:, 0]
    numpy.testing.assert_array_equal(bits(found), bits(values))


def test_the_page_has_the_bounds():
    page = (Path(__file__).parents[1] / "docs" / "design.md").read_text("utf8")
    section = page.partition("## Batches")[2].partition("\n## ")[0]
    stated = {}
    for names, ulps in re.findall(r"^\| (`[^|]*) \| ([\d.]+) \|", section, re.M):
        stated |= dict.fromkeys(re.findall(r"`(\w+)`", names), float(ulps))
    assert stated == BOUNDS


# ---- Programs ------------------------------------------------------------------------


def black_scholes(x):
    return workloads.black_scholes(x, fastad.math)


def contracts(n):
    return numpy.array(workloads._contracts(n)).reshape(n, 5)


@functools.cache
def derived():
    """Value and gradient of black_scholes."""
    return _core.with_gradient(Program(black_scholes, contracts(1)[0].tolist()))


@each_set
@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 1000])
def test_neither_the_number_of_points_nor_their_order_matters(n, set_):
    points = contracts(1000)
    everything, _, _ = run(derived(), points, set=set_)
    outputs, failed, flagged = run(derived(), points[:n].copy(), set=set_)
    numpy.testing.assert_array_equal(outputs, everything[:n])
    assert failed == [-1] * n
    assert flagged == [False] * n
    chosen = list(range(n - 1, -1, -3))
    outputs, failed, _ = run(derived(), points, chosen=chosen, set=set_)
    numpy.testing.assert_array_equal(outputs[chosen], everything[chosen])
    assert sum(guard == -1 for guard in failed) >= len(chosen)


@each_set
def test_batches_agree_with_calls(set_):
    points = contracts(200)
    outputs, _, _ = run(derived(), points, set=set_)
    for point, found in zip(points.tolist(), outputs, strict=True):
        value, gradient = fastad.value_and_grad(black_scholes)(point)
        expected = numpy.array([value, *gradient])
        error = numpy.abs(found - expected)
        assert numpy.all(error <= 1e-13 * numpy.max(numpy.abs(expected))), point
        if set_ == "plain":
            numpy.testing.assert_array_equal(found, expected)


def record_everything(seed, x):
    """A random program, with the result of every operation as a result."""
    draw = random.Random(seed)
    applied = []

    def f(x):
        known = list(x)
        while len(known) < 60:
            row = ROWS[draw.choice(sorted(ROWS))]
            places = [draw.randrange(len(known)) for _ in range(row.arity)]
            try:
                result = _core.function(row.name, "")(*(known[k] for k in places))
            except (ValueError, OverflowError, ZeroDivisionError):
                continue
            applied.append((row.name, places))
            known.append(result)
        return known

    return Program(f, x), applied


@each_set
@pytest.mark.parametrize("seed", range(8))
def test_each_step_of_random_programs(seed, set_):
    """Each result against the row on the results before it: both have their errors."""
    draw = random.Random(seed)
    points = numpy.array([[draw.gauss(0.0, 2.0) for _ in range(4)] for _ in range(40)])
    program, applied = record_everything(seed, points[0].tolist())
    outputs, _, _ = run(program, points, set=set_)
    for known in outputs.tolist():
        for (name, places), found in zip(applied, known[4:], strict=True):
            arguments = [known[k] for k in places]
            expected = _core.row_value(name, *arguments)
            if set_ == "plain" or name not in BOUNDS or not math.isfinite(expected):
                assert bits([found]) == bits([expected]), (name, arguments)
            else:
                allowed = (2 * BOUNDS[name] + 1) * unit(name, expected, arguments)
                assert abs(found - expected) <= allowed, (name, arguments)


def branches(x, y):
    if x < y:
        return fastad.math.sqrt(y - x)
    if y == 0.0:
        return x * x
    return fastad.math.log(y) if y > 1.0 else x


@each_set
def test_guards_lane_by_lane(set_):
    """Recorded for x >= y, y != 0, y > 1; the first guard that fails counts."""
    program = Program(branches, 3.0, 2.0)
    numbers = [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0]
    points = numpy.array(list(itertools.product(numbers, numbers)))
    outputs, failed, flagged = run(program, points, set=set_)
    for k, (x, y) in enumerate(points.tolist()):
        first = 0 if x < y else 1 if y == 0.0 else -1 if y > 1.0 else 2
        assert failed[k] == first, (x, y)
        if first == -1:
            assert outputs[k, 0] == pytest.approx(math.log(y), rel=1e-15)
            assert not flagged[k]  # log of a negative number elsewhere raised a flag


@each_set
def test_a_nan_stays_in_its_lane(set_):
    points = contracts(64)
    expected, _, _ = run(derived(), points, set=set_)
    points[5, 0] = math.nan
    points[40, 2] = math.inf
    outputs, _, flagged = run(derived(), points, set=set_)
    others = [k for k in range(64) if k not in (5, 40)]
    numpy.testing.assert_array_equal(outputs[others], expected[others])
    assert math.isnan(outputs[5, 0])
    assert [k for k in range(32) if flagged[k]] == [5]  # a nan raises nothing by itself


@each_set
def test_what_python_raises_for_is_flagged(set_):
    """1/(1 + exp(800)) is 0.0 in C, and an OverflowError in Python."""
    program = Program(lambda x: 1 / (1 + fastad.math.exp(x)), 0.5)
    points = numpy.zeros((64, 1))
    points[20] = 800.0
    outputs, _, flagged = run(program, points, set=set_)
    assert outputs[20, 0] == 0.0
    assert flagged == [16 <= k < 32 for k in range(64)]  # its block


@each_set
def test_threads_share_a_program(set_):
    points = contracts(1000)
    expected, _, _ = run(derived(), points, set=set_)
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(run, derived(), points, set=set_) for _ in range(16)]
        for each in runs:
            numpy.testing.assert_array_equal(each.result()[0], expected)


def test_the_wrong_points_are_refused():
    for points in (numpy.zeros(5), numpy.zeros((3, 4)), numpy.zeros((3, 5), "f")):
        with pytest.raises(ValueError, match="the points must be float64"):
            _core.batch_program(derived(), points)
    with pytest.raises(ValueError, match="this machine has plain"):
        _core.batch_program(derived(), contracts(1), set="abacus")
    with pytest.raises(IndexError):
        _core.batch_program(derived(), contracts(2), chosen=[2])
