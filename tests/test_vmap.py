"""vmap: at many points what f gives at each, whatever path it takes there."""

import dataclasses
import random
import sys
import threading
import warnings
from collections import namedtuple
from fractions import Fraction

import numpy
import pytest

import fastad
from fastad import _core, compile, errors, grad, hessian, math, value_and_grad, vmap
from tests.published import FUNCTIONS
from tests.test_compile import Circle, Point, flat, random_function

# The vector mathematics is good to a few units in the last place.
CLOSE = {"rtol": 1e-13, "atol": 1e-13}


def random_points(*shape):
    return numpy.random.default_rng(1).normal(size=shape)


# ---- Values -------------------------------------------------------------------------


@pytest.mark.parametrize("published", FUNCTIONS, ids=lambda f: f.__name__)
def test_published_functions(published):
    f = value_and_grad(lambda x: published(x, math))
    x = numpy.array(FUNCTIONS[published])
    points = x + 0.1 * random_points(50, len(x)) * abs(x)
    values, gradients = vmap(f)(points)
    assert values.shape == (50,)
    assert gradients.shape == (50, len(x))
    for k, point in enumerate(points):
        value, gradient = f(point)
        assert values[k] == pytest.approx(value, rel=1e-12)
        largest = max(1.0, abs(gradient).max(), abs(value))
        numpy.testing.assert_allclose(
            gradients[k], gradient, rtol=1e-11, atol=1e-12 * largest
        )


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_with_branches(seed):
    rng = random.Random(seed)
    f, n = random_function(rng)
    points = random_points(300, n)
    fast = compile(value_and_grad(f), max_paths=10_000)
    values, gradients = vmap(fast)(points)
    for k, point in enumerate(points.tolist()):
        value, gradient = fast.function(point)
        numpy.testing.assert_allclose(values[k], value, rtol=1e-9, atol=1e-9)
        numpy.testing.assert_allclose(gradients[k], gradient, rtol=1e-8, atol=1e-8)
    assert fast.stats["hits"] >= 250


@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 33, 64, 65, 1000])
@pytest.mark.parametrize("workers", [1, 3, -1])
def test_any_number_of_points(n, workers):
    f = vmap(lambda x, y: x * y if x > y else x + y, workers=workers)
    x, y = random_points(2, n)
    expected = numpy.where(x > y, x * y, x + y)
    for _ in range(2):
        result = f(x, y)
        assert result.shape == (n,)
        assert (result == expected).all()


# Of the points (n, 5): where the core finds their numbers.
LAYOUTS = {
    "in C order": lambda p: p,
    "in Fortran order": numpy.asfortranarray,
    "backwards": lambda p: p[::-1].copy()[::-1],
    "rows backwards": lambda p: p[:, ::-1].copy()[:, ::-1],
    "every other row": lambda p: p.repeat(2, 0)[::2],
    "every other number": lambda p: p.repeat(2, 1)[:, ::2],
    "columns of a wider array": lambda p: numpy.hstack([p, p])[:, 3:8],
    "swapped bytes": lambda p: p.astype(">f8"),
    "float32": lambda p: p.astype("f4"),
    "ints": lambda p: (p * 10.0).astype(int),
    "the same at all": lambda p: numpy.broadcast_to(p[:1], p.shape),
}


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 40, 70])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_points_lie_anywhere(layout, n):
    """Results have the same bits wherever the numbers are, and whatever the axis."""
    f = compile(lambda p: [p * p[0], math.sin(p[4]) * p[2], p[1] - p[3]])
    points = LAYOUTS[layout](random_points(n, 5))
    p = numpy.array(points, dtype=float, order="C")
    sines = vmap(lambda x, y: math.sin(x) * y)(p[:, 4], p[:, 2])
    expected = [p * p[:, :1], sines, p[:, 1] - p[:, 3]]
    for fast, given in ((vmap(f), points), (vmap(f, 1), points.T)):
        for found, right in zip(fast(given), expected, strict=True):
            numpy.testing.assert_array_equal(found, right, strict=True)


def test_many_points_on_many_paths_and_workers():
    f = compile(lambda p: [v * v if v > 0 else v for v in p])
    points = random_points(20_000, 4)
    expected = numpy.where(points > 0, points * points, points)
    for workers in (1, 2):
        columns = vmap(f, workers=workers)(points)
        assert (numpy.array(columns).T == expected).all()
    assert len(f.paths) == 16


def test_each_worker_takes_what_is_left(monkeypatch):
    """The calling thread is one of them; threads that are started end with the call."""
    together = threading.Barrier(3)
    n_before = threading.active_count()
    threads = []
    run_path = _core.run_path

    def spy(*args):
        threads.append(threading.get_ident())
        if threads.count(threads[-1]) == 1:  # its first chunk
            together.wait(10)
        return run_path(*args)

    many = vmap(lambda x: x * x, workers=3)
    many(X)
    monkeypatch.setattr(_core, "run_path", spy)
    x = random_points(10_000)
    assert (many(x) == x * x).all()
    assert len(set(threads)) == 3
    assert threading.get_ident() in threads
    assert threading.active_count() == n_before


@pytest.mark.parametrize("n_well", [0, 1, 5])
def test_an_exception_ends_the_work_of_all(n_well, monkeypatch):
    n_before = threading.active_count()
    runs = []
    run_path = _core.run_path

    def spy(*args):
        runs.append(args)
        if len(runs) > n_well:
            raise MemoryError
        return run_path(*args)

    many = vmap(lambda x: x * x, workers=3)
    many(X)
    monkeypatch.setattr(_core, "run_path", spy)
    with pytest.raises(MemoryError):
        many(random_points(100_000))
    assert len(runs) <= n_well + 3
    assert threading.active_count() == n_before


def test_later_calls_record_nothing_anew():
    """Whatever path has most points, or the first one."""
    calls = []

    def f(x):
        calls.append(x)
        return x * x if x > 0 else -x if x > -1 else 1.0

    for points in ([1.0, 1.0, -0.5], [-0.5, -0.5, 1.0], [2.0, -2.0, -0.5, -2.0, 1.0]):
        many = vmap(f)
        first = many(numpy.array(points * 50))
        many(numpy.array(points * 50))
        del calls[:]
        for _ in range(3):
            assert (many(numpy.array(points * 50)) == first).all()
        assert not calls


# ---- Arguments and results ----------------------------------------------------------------

X = random_points(7)
RECORDS = numpy.zeros(7, dtype=[("x", "f8"), ("n", "i4")])
RECORDS["x"] = X
ARRANGEMENTS = {
    "scalars": (lambda x, y: x * y, (X, X + 1.0), 0),
    "the same for all": (lambda x, y: x * y, (X, 3.0), (0, None)),
    "an array for all": (
        lambda x, p: x * p[0] + p[1],
        (X, numpy.array([2.0, 3.0])),
        (0, None),
    ),
    "rows": (lambda p: p[0] * p[1], (X.reshape(7, 1).repeat(2, 1),), 0),
    "columns": (lambda p: p[0] * p[1], (X.reshape(1, 7).repeat(2, 0),), 1),
    "last axis": (lambda p: p.sum() * p[0, 0], (random_points(2, 3, 7),), -1),
    "two axes": (lambda x, p: x * p[1], (X, random_points(2, 7)), (0, 1)),
    "list": (lambda p: [p[1], p[0] * 2], ([X, X + 1.0],), 0),
    "namedtuple": (lambda p: Point(p.y, p.x), (Point(X, X * 2),), 0),
    "dict": (lambda d: {"s": d["a"] + d["b"]}, ({"a": X, "b": X * 2},), 0),
    "dataclass": (lambda c: c.radius * c.centre.x, (Circle(Point(X, X), X * 2),), 0),
    "array result": (lambda x: numpy.array([x, x * 2]), (X,), 0),
    "matrix result": (lambda p: numpy.outer(p, p), (random_points(7, 2),), 0),
    "several results": (lambda x: (x, [x * 2, {"k": x}]), (X,), 0),
    "constants": (lambda x: (x, "text", None, 3), (X,), 0),
    "ints": (lambda x: int(x * 10), (X,), 0),
    "truth": (lambda x: [x > 0, x], (X,), 0),
    "a plain 0": (lambda x: 0 if x < 0 else x, (X,), 0),
    "another kind": (lambda x: "low" if x < 0 else "high", (X,), 0),
    "float32": (lambda x: x * 2, (X.astype("f4"),), 0),
    "int array": (lambda x: x * 2, (numpy.arange(5),), 0),
    "bool array": (lambda x: x * 2.0, (numpy.array([True, False]),), 0),
    "strided": (lambda x: x * 2, (random_points(14)[::-2],), 0),
    "big endian": (lambda x: x * 2, (X.astype(">f8"),), 0),
    "read-only": (lambda x: x * 2, (numpy.broadcast_to(X[:1], 5),), 0),
    "field of a record": (lambda x: x * 2, (RECORDS["x"],), 0),
    "misaligned": (
        lambda x: x * 2,
        (numpy.frombuffer(b"." + X.tobytes(), dtype=float, offset=1),),
        0,
    ),
    "empty rows": (lambda p, x: x * 2 + len(p), (numpy.zeros((7, 0)), X), 0),
}


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_arguments_and_results_in_any_arrangement(name):
    f, args, in_axes = ARRANGEMENTS[name]
    kept = [repr(x) for x in args]
    result = vmap(f, in_axes)(*args)
    axes = in_axes if isinstance(in_axes, tuple) else [in_axes] * len(args)
    n = len(flat_arrays(args[0])[0])
    n = {"columns": 7, "last axis": 7}.get(name, n)
    for k in range(n):
        at_point = [at(x, axis, k) for x, axis in zip(args, axes, strict=True)]
        expected = f(*at_point)
        numpy.testing.assert_equal(at_result(result, k, n), plain(expected))
    assert [repr(x) for x in args] == kept


def flat_arrays(x):
    if isinstance(x, numpy.ndarray):
        return [x]
    if dataclasses.is_dataclass(x):
        x = [getattr(x, field.name) for field in dataclasses.fields(x)]
    if isinstance(x, dict):
        x = list(x.values())
    return (
        [a for item in x for a in flat_arrays(item)]
        if isinstance(x, (list, tuple))
        else []
    )


def at(x, axis, k):
    """What f gets at a point."""
    if axis is None:
        return x
    if isinstance(x, numpy.ndarray):
        row = numpy.moveaxis(x, axis, 0)[k]
        return float(row) if row.ndim == 0 else row.astype(float)
    if isinstance(x, Point):
        return Point(*(at(item, axis, k) for item in x))
    if isinstance(x, (list, tuple)):
        return type(x)(at(item, axis, k) for item in x)
    if isinstance(x, dict):
        return {key: at(item, axis, k) for key, item in x.items()}
    if isinstance(x, Circle):
        return dataclasses.replace(
            x, centre=at(x.centre, axis, k), radius=at(x.radius, axis, k)
        )
    return x


def at_result(x, k, n):
    """The result at a point."""
    if isinstance(x, numpy.ndarray) and len(x) == n:
        return (
            x[k].tolist() if isinstance(x[k], numpy.generic | numpy.ndarray) else x[k]
        )
    if isinstance(x, Point):
        return Point(*(at_result(item, k, n) for item in x))
    if isinstance(x, (list, tuple)):
        return type(x)(at_result(item, k, n) for item in x)
    if isinstance(x, dict):
        return {key: at_result(item, k, n) for key, item in x.items()}
    return x


def plain(x):
    """With lists in place of arrays and floats in place of NumPy's."""
    if isinstance(x, (numpy.ndarray, numpy.generic)):
        return x.tolist()
    if isinstance(x, Point):
        return Point(*(plain(item) for item in x))
    if isinstance(x, (list, tuple)):
        return type(x)(plain(item) for item in x)
    if isinstance(x, dict):
        return {key: plain(item) for key, item in x.items()}
    return x


def test_keywords_are_the_same_at_all_points():
    f = vmap(lambda x, *, scale=1.0, how="sin": getattr(math, how)(x) * scale)
    numpy.testing.assert_allclose(f(X, scale=2.0), 2.0 * numpy.sin(X), **CLOSE)
    numpy.testing.assert_allclose(f(X, how="cos"), numpy.cos(X), **CLOSE)


def test_derivatives_of_any_order():
    f = lambda p: math.sin(p[0] * p[1]) * p[1]  # noqa: E731
    points = random_points(20, 2)
    for verb in (grad, value_and_grad, hessian, lambda g: compile(hessian(g))):
        results = vmap(verb(f))(points)
        for k, point in enumerate(points):
            expected = flat_numbers(verb(f)(point))
            got = flat_numbers(
                [results[0][k], results[1][k]]
                if isinstance(results, tuple)
                else results[k]
            )
            numpy.testing.assert_allclose(got, expected, **CLOSE)


def flat_numbers(x):
    return numpy.concatenate([numpy.ravel(v) for v in flat(x)])


# ---- Errors ----------------------------------------------------------------------------

WRONG = {
    "lengths": (
        lambda: vmap(lambda x, y: x)(X, X[:3]),
        "different numbers of points .*: 3, 7",
    ),
    "number": (lambda: vmap(lambda x: x)(3.0), "no axis of points"),
    "numbers": (lambda: vmap(lambda x: x)([1.0, 2.0]), r"numpy\.array"),
    "nothing": (lambda: vmap(lambda: 1.0)(), "no array"),
    "all the same": (lambda: vmap(lambda x: x, None)(X), "no array"),
    "no such axis": (lambda: vmap(lambda x: x, 1)(X), "no axis 1"),
    "scalar array": (lambda: vmap(lambda x: x)(numpy.array(1.0)), "no axis 0"),
    "axes": (lambda: vmap(lambda x: x, (0, 0))(X), "2 entries for 1 arguments"),
    "axis": (lambda: vmap(lambda x: x, "0")(X), "in_axes='0'"),
    "fraction of an axis": (lambda: vmap(lambda x: x, 0.5)(X), "in_axes=0.5"),
    "text": (lambda: vmap(lambda x: x)(numpy.array(["a"])), "dtype <U1"),
    "complex": (lambda: vmap(lambda x: x)(X * 1j), "dtype complex128"),
    "extended": (lambda: vmap(lambda x: x)(X.astype("g")), "dtype"),
    "masked": (lambda: vmap(lambda x: x)(numpy.ma.array(X)), "MaskedArray"),
    "workers": (lambda: vmap(lambda x: x, workers=0), "workers=0"),
    "half a worker": (lambda: vmap(lambda x: x, workers=0.5), "workers=0.5"),
    "function": (lambda: vmap(3), "is not a function"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(name):
    call, message = WRONG[name]
    with pytest.raises(errors.ArgumentError, match=message):
        call()


# Functions whose results differ in more than their numbers, where x is positive and where
# it is not.
MIXED = {
    "forms": (lambda x: x if x > 0 else [x], "different forms"),
    "lengths": (lambda x: [x] * (1 if x > 0 else 2), "different forms"),
    "shapes": (lambda x: numpy.array([x] * (1 if x > 0 else 2)), "different shapes"),
    "None": (lambda x: x if x > 0 else None, "None at others"),
    "text": (lambda x: x if x > 0 else "1.5", "'1.5' at others"),
    "complex": (lambda x: x if x > 0 else 1j, "1j at others"),
    "zero for an array": (lambda x: numpy.array([x, x]) if x > 0 else 0, "0 at others"),
}


@pytest.mark.parametrize("name", MIXED)
def test_results_that_differ_in_more_than_numbers(name):
    f, message = MIXED[name]
    with pytest.raises(errors.ResultError, match=message):
        vmap(f)(numpy.array([1.0, -1.0, 2.0]))


@pytest.mark.parametrize("name", MIXED)
def test_a_path_that_no_point_takes_does_not_matter(name):
    fast = fastad.compile(MIXED[name][0])
    expected = vmap(MIXED[name][0])(numpy.array([1.0, 2.0]))
    for _ in range(2):
        fast(-1.0)  # the path that was right last
    numpy.testing.assert_equal(vmap(fast)(numpy.array([1.0, 2.0])), expected)


@pytest.mark.parametrize("zero", [0, 0.0, False, Fraction(0)])
def test_a_plain_number_will_do_for_a_number(zero):
    got = vmap(lambda x: [x, x] if x > 0 else [x, zero])(numpy.array([1.0, -1.0]))
    numpy.testing.assert_equal(got, [numpy.array([1.0, -1.0]), numpy.array([1.0, 0.0])])


def test_the_exception_is_that_of_the_first_point():
    def f(x):
        if x > 5.0:
            raise RuntimeError(f"too large: {x}")
        return math.log(x) if x < 1.0 else 1.0 / (x - 2.0)

    fast = vmap(f)
    good = numpy.linspace(0.1, 1.9, 50)
    numpy.testing.assert_allclose(fast(good), [f(x) for x in good.tolist()], **CLOSE)
    for bad, error in (
        (6.0, RuntimeError),
        (-1.0, ValueError),
        (2.0, ZeroDivisionError),
    ):
        points = good.copy()
        points[[30, 40]] = bad, 7.0
        with pytest.raises(error) as caught:
            fast(points)
        notes = getattr(caught.value, "__notes__", ["at point 30 of 50"])
        assert notes[-1] == "at point 30 of 50"
    points[:] = 0.5
    points[10:] = -1.0
    with pytest.raises(ValueError, match="domain"):
        fast(points)
    numpy.testing.assert_allclose(fast(good), [f(x) for x in good.tolist()], **CLOSE)


def test_infinities_and_nans():
    f = value_and_grad(lambda p: p[0] * p[1] + abs(p[0]) / (1.0 + p[1] * p[1]))
    values = [
        0.0,
        -0.0,
        1.0,
        1e308,
        -1e308,
        5e-324,
        float("inf"),
        float("-inf"),
        float("nan"),
    ]
    points = numpy.array([[x, y] for x in values for y in values])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.NonSmoothWarning)
        got = vmap(f)(points)
        expected = [f(p) for p in points]
    numpy.testing.assert_array_equal(got[0], [value for value, _ in expected])
    numpy.testing.assert_array_equal(got[1], [gradient for _, gradient in expected])


def test_warnings_and_saturated_points():
    f = vmap(lambda x: 1.0 / (1.0 + math.exp(-x)))
    x = numpy.linspace(-700.0, 700.0, 101)
    numpy.testing.assert_allclose(
        f(x), [1.0 / (1.0 + math.exp(-v)) for v in x], rtol=1e-12
    )
    with pytest.warns(errors.NonSmoothWarning):
        vmap(grad(lambda x: (x - x) * math.sqrt(x)))(numpy.array([1.0, 0.0, 2.0]))


def test_a_function_that_cannot_be_compiled_runs_point_by_point():
    f = vmap(lambda x: [float(x) * 2.0, "text"])
    with pytest.warns(errors.NotCompiledWarning) as caught:
        result = f(X)
    assert caught[0].filename == __file__
    assert (result[0] == X * 2.0).all()
    assert result[1] == "text"
    many = compile(lambda x: sum(v for v in (1.0, 2.0, 3.0) if v < x) * x, max_paths=2)
    with pytest.warns(errors.NotCompiledWarning, match="max_paths=2"):
        result = vmap(many)(numpy.arange(5.0) + 0.5)
    assert result.tolist() == [0.0, 1.5, 7.5, 21.0, 27.0]


def test_an_impure_function_is_caught():
    with pytest.raises(errors.ImpureFunctionError):
        vmap(lambda x: x * random.random())(X)


def test_what_floats_would_not_do_is_noticed():
    f = vmap(lambda x: x if isinstance(x, float) else 2.0 * x)
    with pytest.warns(errors.NotCompiledWarning, match="something else on floats"):
        assert (f(X) == X).all()
    assert (f(X) == X).all()
    once_called = compile(lambda x: x if isinstance(x, float) else 2.0 * x)
    assert once_called(1.5) == 1.5
    with pytest.warns(errors.NotCompiledWarning, match="something else on floats"):
        assert (vmap(once_called)(X) == X).all()


def test_arrays_of_vars_are_differentiated_point_by_point():
    f = vmap(lambda x, y: x * y)
    gradient = grad(lambda v: f(v, X).sum())(X)
    assert (gradient == X).all()


# Functions of which some points need another path than the first, or none that is replayed.
PROGRESS = {
    "one path": lambda x: x * x,
    "two paths": lambda x: x * x if x > 0.5 else 1.0,
    "many paths": lambda x: float(int(x * 30.0)),
    "what Python may raise for": lambda x: 1.0 / (1.0 + math.sqrt(x) / x),
    "uncompiled": lambda x: len({x, 1.0}) * x,
}


@pytest.mark.filterwarnings("ignore::fastad.errors.NotCompiledWarning")
@pytest.mark.parametrize("name", PROGRESS)
def test_progress(monkeypatch, name):
    shown = []

    class Bar:
        def __init__(self, total):
            shown.append(total)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            shown.append("closed")

        def update(self, n):
            shown.append(n)

        def reset(self):
            del shown[1:]

    tqdm = namedtuple("module", "tqdm")(Bar)
    monkeypatch.setitem(sys.modules, "tqdm", tqdm)
    monkeypatch.setitem(sys.modules, "tqdm.auto", tqdm)
    for workers in (1, 2):
        del shown[:]
        points = numpy.linspace(0.0, 1.0, 3000)
        points[0] = 5e-324
        vmap(PROGRESS[name], workers=workers, progress=True)(points)
        assert shown[0] == 3000
        assert sum(shown[1:-1]) == 3000
        assert shown[-1] == "closed"
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(errors.ArgumentError, match="needs tqdm"):
        vmap(lambda x: x, progress=True)(X)


def test_names():
    @compile
    def price(x):
        """What it costs."""
        return x

    many = vmap(price)
    assert many.__name__ == "price"
    assert many.__doc__ == "What it costs."
    assert many.function is price
    assert fastad.vmap is vmap


@dataclasses.dataclass
class Line:
    slope: numpy.ndarray

    def __post_init__(self):
        self.twice = 2.0 * self.slope


class Named(list):
    name = "nobody"


def test_attributes_beside_fields_and_items():
    lines = Line(random_points(9))
    results = vmap(lambda line: line.twice * line.slope)(lines)
    numpy.testing.assert_allclose(results, lines.twice * lines.slope, **CLOSE)
    lines.shift = 1.0
    with pytest.raises(errors.ArgumentError, match="no axis of points"):
        vmap(lambda line: line.shift)(lines)
    named = Named([random_points(9)])
    assert len(vmap(lambda x: x[0])(named)) == 9
    named.name = "somebody"
    with pytest.raises(errors.ArgumentError, match="beside its items"):
        vmap(lambda x: x[0])(named)
