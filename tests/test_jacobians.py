"""jacobian, hessian, hvp, cost_table: shapes, modes, odd points, nesting, errors, memory."""

import dataclasses
import gc
import math as standard_math
import random
import warnings

import numpy
import pytest

import fastad
from fastad import (
    Var,
    _core,
    cost_table,
    errors,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    math,
    vjp,
)

MODES = {"auto": jacobian, "forward": jacfwd, "reverse": jacrev}
each_mode = pytest.mark.parametrize("jacobian", MODES.values(), ids=MODES)

# ---- Shapes --------------------------------------------------------------------------


@dataclasses.dataclass
class Pair:
    a: object
    b: object


def array(numbers):
    kind = None if all(isinstance(x, float) for x in numbers) else object
    return numpy.array(numbers, dtype=kind)


# Two numbers in each arrangement: how to arrange them, and to get them back.
PAIRS = {
    "list": (list, list),
    "tuple": (tuple, list),
    "dict": (lambda x: {"p": x[0], "q": x[1]}, lambda x: [x["p"], x["q"]]),
    "dataclass": (lambda x: Pair(*x), lambda x: [x.a, x.b]),
    "nested": (lambda x: [[x[0]], (x[1],)], lambda x: [x[0][0], x[1][0]]),
    "array": (array, list),
    "matrix": (lambda x: array(x).reshape(2, 1), lambda x: [x[0, 0], x[1, 0]]),
}
each_result = pytest.mark.parametrize("result", PAIRS)
each_argument = pytest.mark.parametrize("argument", PAIRS)


@each_mode
@each_result
@each_argument
def test_result_by_argument(jacobian, result, argument):
    arrange, _ = PAIRS[result]
    arrange_argument, numbers = PAIRS[argument]

    def f(x):
        p, q = numbers(x)
        return arrange([p * q, p / q])

    J = jacobian(f)(arrange_argument([6.0, 2.0]))
    expected = [[2.0, 6.0], [0.5, -1.5]]
    if {result, argument} <= {"array", "matrix"}:
        shapes = {"array": (2,), "matrix": (2, 1)}
        assert J.dtype == float
        assert J.shape == shapes[result] + shapes[argument]
        assert J.reshape(2, 2).tolist() == expected
    else:
        rows = PAIRS[result][1](J)
        assert [[float(x) for x in numbers(row)] for row in rows] == expected
        if result not in ("array", "matrix"):
            assert type(J) is type(arrange([1.0, 2.0]))
            assert type(rows[0]) is type(arrange_argument([1.0, 2.0]))


@each_mode
def test_numbers(jacobian):
    assert jacobian(lambda x: x * x)(3.0) == 6.0
    assert jacobian(lambda x: [x * x, 2 * x])(3.0) == [6.0, 2.0]
    assert jacobian(lambda x: x[0] * x[1])([3.0, 4.0]) == [4.0, 3.0]
    assert jacobian(lambda x: array([x, x * x]))(3.0).tolist() == [1.0, 6.0]
    assert jacobian(lambda x: x.sum())(numpy.ones((2, 3))).tolist() == [[1.0] * 3] * 2


@each_mode
def test_argnums(jacobian):
    def f(x, y, *, k=1.0):
        return [x[0] * y * k, x[1] * k, y]

    args = [2.0, 3.0], 5.0
    assert jacobian(f)(*args) == [[5.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    assert jacobian(f, 1)(*args) == [2.0, 0.0, 1.0]
    assert jacobian(f, -1)(*args) == [2.0, 0.0, 1.0]
    both = jacobian(f, (1, 0))(*args, k=2.0)
    assert both == ([4.0, 0.0, 1.0], [[10.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    assert jacobian(f, ())(*args) == ()
    assert jacobian(f, [1])(*args) == ([2.0, 0.0, 1.0],)


@each_mode
@pytest.mark.parametrize("n", [0, 1, 40])
def test_results_and_arguments_without_numbers(jacobian, n):
    assert jacobian(lambda x: [3.0] * n)([]) == [[]] * n
    assert jacobian(lambda x: [])([1.0] * n) == []
    empty = numpy.empty((2, 0, 3))
    assert jacobian(lambda x: x)(empty).shape == (2, 0, 3, 2, 0, 3)
    assert jacobian(lambda x: array([]))(numpy.ones((2, 3))).shape == (0, 2, 3)
    assert jacobian(lambda x: numpy.ones(4))(empty).shape == (4, 2, 0, 3)


@each_mode
def test_constants_and_inputs_among_the_results(jacobian):
    def f(x):
        x[0] * x[1]  # what nobody returns
        return [1, x[1], 2.5, x[0], x[1], x[0] * x[0], numpy.float64(2)]

    unit = [[0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [6.0, 0.0]]
    assert jacobian(f)([3.0, 4.0]) == [*unit, [0.0, 0.0]]
    assert jacobian(lambda x: 7.0)(3.0) == 0.0
    assert jacobian(lambda x: x)(3.0) == 1.0


# ---- Modes ---------------------------------------------------------------------------


SMOOTH = [
    lambda p, q: p + 0.5 * q,
    lambda p, q: math.sin(p * q),
    lambda p, q: p - q * q * 0.125,
    lambda p, q: math.exp(-p * p),
    lambda p, q: p / (2.0 + q * q),
    lambda p, q: math.sqrt(1.0 + p * p),
]


def random_function(seed, n, m):
    """Of n numbers, with m results, smooth where the arguments are positive."""
    steps = random.Random(seed)
    table = [
        (steps.randrange(len(SMOOTH)), steps.randrange(10**6), steps.randrange(10**6))
        for _ in range(3 * (n + m))
    ]

    def f(x):
        values = list(x)
        for kind, a, b in table:
            p, q = values[a % len(values)], values[b % len(values)]
            values.append(SMOOTH[kind](p, q))
        return values[-m:]

    return f, [0.3 + steps.random() for _ in range(n)]


def unit(n, k):
    return [float(j == k) for j in range(n)]


SIZES = [*((k, 41 - k) for k in range(1, 41, 3)), (1, 1), (16, 16), (17, 17), (33, 2)]


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_modes_agree_with_rows_and_columns(n, m):
    f, x = random_function(n, n, m)
    J = numpy.array(jacfwd(f)(x))
    assert J.shape == (m, n)
    assert numpy.any(J)
    numpy.testing.assert_allclose(jacrev(f)(x), J, rtol=1e-12, atol=1e-14)
    numpy.testing.assert_allclose(jacobian(f)(x), J, rtol=1e-12, atol=1e-14)
    _, pullback = vjp(f, x)
    rows = [pullback(unit(m, k))[0] for k in range(m)]
    assert rows == jacrev(f)(x)
    columns = [jvp(f, (x,), (unit(n, k),))[1] for k in range(n)]
    numpy.testing.assert_allclose(numpy.transpose(columns), J, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 16, 27])
def test_instruction_sets_agree_in_every_bit(mode, n):
    f, x = random_function(n, n, n)
    recording = _core.Recording(_core.Recipe(f, 0, False, "warn"), (x,), {})
    rows = {
        set_: repr(recording.jacobian(mode, set=set_))
        for set_ in _core.instruction_sets()
    }
    assert set(rows.values()) == {repr(jacobian(f, mode=mode)(x))}
    with pytest.raises(ValueError, match="this machine has"):
        recording.jacobian(mode, set="abacus")


@each_mode
@pytest.mark.parametrize("n", [15, 16, 17, 18, 50])
def test_constants_that_a_choice_turns_into_numbers(jacobian, n):
    """They are inputs of the recording, of which nobody asked for the partials."""

    def f(x):
        return [fastad.where(a > 0.0, 3.0, a) * a * k for k, a in enumerate(x)]

    J = jacobian(f)([k + 1.0 for k in range(n)])
    assert J == [[3.0 * k * (j == k) for j in range(n)] for k in range(n)]


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 50), (50, 1), (3, 40), (40, 3)])
def test_cost_table_chooses_the_direction_with_fewer(inputs, outputs):
    f, x = random_function(3, inputs, outputs)
    table = cost_table(f, x)
    assert (table.inputs, table.outputs) == (inputs, outputs)
    assert table.operations > 0
    assert table.chosen == ("forward" if inputs < outputs else "reverse")
    assert table.rows["forward"][:2] == (inputs, -(-inputs // 16))
    assert table.rows["reverse"][:2] == (outputs, -(-outputs // 16))
    assert all(seconds > 0 for row in table.rows.values() for seconds in row[2:])
    lines = repr(table).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["forward", "reverse"]
    assert ["<- auto" in line for line in lines[2:]] == [
        mode == table.chosen for mode in ("forward", "reverse")
    ]
    assert jacobian(f)(x) == MODES[table.chosen](f)(x)


def test_cost_table_of_some_arguments():
    table = cost_table(lambda x, y: x[0] * y, [1.0, 2.0], 3.0, argnums=(1, 0))
    assert (table.inputs, table.outputs, table.operations) == (3, 1, 1)
    assert cost_table(lambda x: [], []).inputs == 0


# ---- Odd points ----------------------------------------------------------------------


@each_mode
def test_a_zero_absorbs_an_infinity_with_a_warning(jacobian):
    def f(x):
        return [math.sqrt(x[0] * x[1]) * 0.0 + x[1], x[0]]

    with pytest.warns(errors.NonSmoothWarning):
        assert jacobian(f)([0.0, 0.0]) == [[0.0, 1.0], [1.0, 0.0]]


@each_mode
def test_infinities_and_unreached_nodes(jacobian):
    def f(x):
        math.sqrt(x[0])
        return [math.sqrt(x[0]), x[1] * 2, x[0] * standard_math.inf]

    J = jacobian(f)([0.0, 1.0])
    assert J == [[standard_math.inf, 0.0], [0.0, 2.0], [standard_math.inf, 0.0]]


@each_mode
def test_what_is_odd_can_be_an_error(jacobian):
    for f in (
        lambda x: [x, math.sqrt(x * x * 0.0) * 0.0],
        lambda x: [1.0, math.atan2(x, x)],
    ):
        with pytest.raises(errors.NonSmoothError):
            jacobian(f, on_nan="raise")(0.0)
    assert jacobian(math.sqrt, on_nan="raise")(0.0) == standard_math.inf


# At [0, 0]: functions of two numbers, and whether a zero meets an infinity on the way.
MEETINGS = {
    "in no direction": (lambda x: [math.sqrt(x[0]), x[1] * 2, x[0] + x[1]], False),
    "in dead code": (lambda x: [(math.sqrt(x[0]) * 0.0, x[1])[1], x[1]], False),
    "an infinite adjoint": (lambda x: [math.sqrt(x[0] * x[1])], True),
    "a zero adjoint": (lambda x: [x[1], 0.0 * math.sqrt(x[0])], True),
}
SECOND_ORDER = {
    "hessian": hessian,
    "hvp": lambda f: lambda x: hvp(f)(x, [1.0, 2.0]),
    "sparse": fastad.sparse_hessian,
    "eagerly": lambda f: jacobian(grad(f)),
}
SECOND_ORDER_MEETINGS = {
    "in no direction": (lambda x: math.sqrt(x[0]) + x[1] ** 3, False),
    "an infinite adjoint": (lambda x: math.sqrt(x[0]) * x[1], True),
}


def warns(f, *args):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f(*args)
    assert {item.category for item in caught} <= {errors.NonSmoothWarning}
    return bool(caught)


@pytest.mark.parametrize("name", MEETINGS)
@pytest.mark.parametrize("verb", [*MODES.values(), fastad.sparse_jacobian])
def test_a_warning_only_where_a_direction_comes_by(verb, name):
    f, expected = MEETINGS[name]
    assert warns(verb(f), [0.0, 0.0]) == expected


@pytest.mark.parametrize("name", SECOND_ORDER_MEETINGS)
@pytest.mark.parametrize("verb", SECOND_ORDER)
def test_a_warning_only_where_a_direction_comes_by_at_second_order(verb, name):
    f, expected = SECOND_ORDER_MEETINGS[name]
    assert warns(SECOND_ORDER[verb](f), [0.0, 0.0]) == expected


@each_mode
@pytest.mark.parametrize("n", [1, 2, 3, 16, 17, 40])
@pytest.mark.parametrize("n_results", [1, None])
@pytest.mark.filterwarnings("ignore::fastad.errors.NonSmoothWarning")
def test_careful_directions_are_those_of_single_sweeps(jacobian, n, n_results):
    def f(x):
        odd = [math.sqrt(a) for a in x[: n // 2 + 1]]
        mixed = sum(odd) + sum(a * b for a, b in zip(x, odd, strict=False))
        return [mixed, *odd][:n_results]

    x = [0.0 if k % 2 else 1.0 + k for k in range(n)]
    y, pullback = vjp(f, x)
    seeds = [[float(j == k) for j in range(len(y))] for k in range(len(y))]
    rows = [pullback(seed)[0] for seed in seeds]
    assert numpy.allclose(jacobian(f)(x), rows, rtol=1e-13, atol=0.0)
    assert jacrev(f)(x) == rows


@each_mode
def test_what_is_not_defined_is_nan(jacobian):
    ((a, b),) = jacobian(lambda x: [math.atan2(x[0], x[1])])([0.0, 0.0])
    assert standard_math.isnan(a)
    assert standard_math.isnan(b)


@each_mode
def test_a_choice_hides_the_other_side(jacobian):
    def f(x):
        return [fastad.where(x[0] > 0, math.log(abs(x[0]) + 1e-300), x[1])]

    assert jacobian(f)([0.0, 3.0]) == [[0.0, 1.0]]


# ---- Nesting -------------------------------------------------------------------------


def cubic(x):
    return x[0] ** 3 * x[1] + x[1] ** 2


@each_mode
def test_jacobian_of_jacobian(jacobian):
    assert jacobian(jacobian(cubic))([2.0, 3.0]) == [[36.0, 12.0], [12.0, 2.0]]
    third = jacobian(jacobian(jacobian(cubic)))([2.0, 3.0])
    assert third == [[[18.0, 12.0], [12.0, 0.0]], [[12.0, 0.0], [0.0, 0.0]]]


@each_mode
def test_verbs_in_verbs(jacobian):
    trace = grad(lambda x: sum(hessian(cubic)(x)[k][k] for k in range(2)))
    assert trace([2.0, 3.0]) == [18.0, 12.0]
    inside = jvp(lambda x: hessian(cubic)(x)[0], ([2.0, 3.0],), ([1.0, 0.0],))
    assert inside == ([36.0, 12.0], [18.0, 12.0])
    assert jacobian(lambda t: hessian(lambda x: x**4)(t))(2.0) == 48.0
    assert hessian(hessian(lambda x: x**4))(3.0) == 24.0
    assert hessian(lambda x: hvp(lambda y: y**4)(x, 2.0))(3.0) == 48.0
    assert hessian(lambda x: jacobian(lambda y: [y * y * x])(x)[0])(3.0) == 4.0
    product = hvp(lambda x: grad(cubic)(x)[0])
    assert product([2.0, 3.0], [1.0, 0.0]) == [18.0, 12.0]
    assert jvp(lambda v: hvp(lambda x: x**3)(2.0, v), (5.0,), (1.0,)) == (60.0, 12.0)
    assert grad(lambda v: hvp(lambda x: x**3)(2.0, v))(5.0) == 12.0
    assert grad(lambda v: hvp(lambda x, y: x * y * v, (0, 1))(2.0, 3.0, (v, v))[0])(
        5.0
    ) == pytest.approx(10.0)


@each_mode
def test_closures_over_outer_numbers(jacobian):
    assert grad(lambda v: hessian(lambda x: x * x * v)(2.0))(3.0) == 2.0
    assert grad(lambda v: hvp(lambda x: x * x * v)(2.0, 5.0))(3.0) == 10.0
    assert grad(lambda v: jacobian(lambda x: [x * v, v])(2.0)[0])(3.0) == 1.0
    assert grad(lambda v: jacobian(lambda x: [v, 1.0])(2.0)[0] + v)(3.0) == 1.0
    assert jvp(lambda v: hessian(lambda x: x * v * x)(v), (3.0,), (1.0,)) == (6.0, 2.0)
    v = Var(3.0)
    y = hessian(lambda x: x**3 * v)(2.0)
    y.backward()
    assert (y.value, v.grad) == (36.0, 12.0)
    both = grad(lambda v: hessian(lambda x, y: x * y * v, (0, 1))(2.0, 3.0)[1][0])
    assert both(4.0) == 1.0


# ---- Second order --------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_hessians_of_random_functions(seed):
    n = 1 + 5 * seed
    f, x = random_function(seed, n, 1)

    def scalar(x):
        return f(x)[0]

    H = numpy.array(hessian(scalar)(x))
    numpy.testing.assert_allclose(H, H.T, rtol=1e-11, atol=1e-13)
    nested = jacobian(grad(scalar))(x)
    numpy.testing.assert_allclose(nested, H, rtol=1e-11, atol=1e-13)
    v = [standard_math.cos(k) for k in range(n)]
    numpy.testing.assert_allclose(hvp(scalar)(x, v), H @ v, rtol=1e-10, atol=1e-12)
    pushed = jvp(grad(scalar), (x,), (v,))[1]
    numpy.testing.assert_allclose(pushed, H @ v, rtol=1e-10, atol=1e-12)


def test_shapes_at_second_order():
    def f(x, y):
        return x["a"] ** 2 * x["b"][0] + (y**2).sum() * x["a"]

    args = {"a": 2.0, "b": [3.0]}, numpy.array([1.0, 4.0])
    H = hessian(f)(*args)
    assert H == {"a": {"a": 6.0, "b": [4.0]}, "b": [{"a": 4.0, "b": [0.0]}]}
    H = hessian(f, 1)(*args)
    assert H.tolist() == [[4.0, 0.0], [0.0, 4.0]]
    (xx, xy), (yx, yy) = hessian(f, (0, 1))(*args)
    assert xx == hessian(f)(*args)
    assert yy.tolist() == H.tolist()
    assert xy["a"].tolist() == [2.0, 8.0]
    assert [row["a"] for row in yx] == [2.0, 8.0]
    p, q = hvp(f, (0, 1))(*args, ({"a": 1.0, "b": [0.0]}, numpy.array([0.0, 1.0])))
    assert p == {"a": 6.0 + 8.0, "b": [4.0]}
    assert q.tolist() == [2.0, 8.0 + 4.0]


def test_nothing_to_differentiate_at_second_order():
    assert hessian(lambda x: 3.0)([]) == []
    assert hvp(lambda x: 3.0)([], []) == []
    assert hessian(lambda x: 3.0)([1.0, 2.0]) == [[0.0, 0.0]] * 2
    assert hessian(lambda x: x[1])([1.0, 2.0]) == [[0.0, 0.0]] * 2
    assert hvp(lambda x: x[1])([1.0, 2.0], [1.0, 1.0]) == [0.0, 0.0]
    assert hessian(lambda x: x, ())(1.0) == ()


# ---- Errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "error"),
    {
        "mode": (lambda: jacobian(abs, mode="both"), errors.ArgumentError),
        "no function": (lambda: jacobian(3.0), errors.ArgumentError),
        "argnums": (lambda: jacobian(abs, "x"), errors.ArgumentError),
        "twice": (lambda: jacobian(abs, (0, 0)), errors.ArgumentError),
        "out of range": (lambda: jacobian(abs, 1)(2.0), errors.ArgumentError),
        "on_nan": (lambda: jacobian(abs, on_nan="?"), ValueError),
        "text": (lambda: jacobian(abs)("2"), errors.ArgumentError),
        "text in a list": (lambda: hessian(abs)(["2"]), errors.ArgumentError),
        "text as a result": (lambda: jacobian(str)(2.0), errors.ResultError),
        "None": (lambda: jacobian(lambda x: None)(2.0), errors.ResultError),
        "two results": (lambda: hessian(lambda x: [x, x])(2.0), errors.ResultError),
        "hvp of two": (lambda: hvp(lambda x: [x, x])(2.0, 1.0), errors.ResultError),
        "no direction": (lambda: hvp(abs)(2.0), errors.ArgumentError),
        "longer direction": (lambda: hvp(sum)([2.0], [1.0, 2.0]), errors.ArgumentError),
        "number as direction": (lambda: hvp(sum)([2.0], 1.0), errors.ArgumentError),
        "text as direction": (lambda: hvp(sum)([2.0], ["1"]), errors.ArgumentError),
        "no tuple": (lambda: hvp(max, (0, 1))(2.0, 1.0, 1.0), errors.ArgumentError),
        "longer tuple": (
            lambda: hvp(max, (0, 1))(2.0, 1.0, (1.0, 1.0, 1.0)),
            errors.ArgumentError,
        ),
        "cost_table": (lambda: cost_table(lambda x: "x", 2.0), errors.ResultError),
    }.values(),
)
def test_errors(action, error):
    with pytest.raises(error):
        action()


@pytest.mark.parametrize("verb", [jacobian, jacfwd, jacrev, hessian, hvp, cost_table])
def test_exceptions_pass_and_later_calls_are_right(verb):
    class Stop(Exception):
        pass

    def f(x):
        y = [x[0] * x[1], x[1] * x[1]]
        if fails:
            raise Stop
        return y if verb not in (hessian, hvp) else y[0]

    def call():
        if verb is cost_table:
            return cost_table(f, [2.0, 3.0]).operations
        return verb(f)([2.0, 3.0], *([[1.0, 0.0]] if verb is hvp else []))

    for fails in (True, False, True, False):
        if fails:
            with pytest.raises(Stop):
                call()
        else:
            expected = [[3.0, 2.0], [0.0, 6.0]]
            if verb in (hessian, hvp):
                expected = [[0.0, 1.0], [1.0, 0.0]] if verb is hessian else [0.0, 1.0]
            assert call() == (2 if verb is cost_table else expected)


def test_a_var_of_another_computation_is_refused():
    leaked = []
    grad(lambda x: leaked.append(x) or x)(2.0)
    for verb in (jacobian, hessian):
        with pytest.raises(errors.StaleVarError):
            verb(lambda x: x * leaked[0])(2.0)
        with pytest.raises(errors.StaleVarError):
            verb(lambda x: leaked[0])(2.0)


# ---- Memory --------------------------------------------------------------------------


def test_runs_that_are_kept_give_their_tapes_back():
    """A tape in use is not handed out again; afterwards the pool does not grow."""
    recipe = _core.Recipe(lambda x: x[0] * x[1], 0, False, "warn")
    kinds = _core.Recording, _core.Curvature

    def round_trip():
        runs = [kind(recipe, ([2.0, 3.0],), {}) for kind in 5 * kinds]
        assert [run.hessian() for run in runs[1::2]] == 5 * [[[0.0, 1.0], [1.0, 0.0]]]
        assert [run.jacobian("auto") for run in runs[::2]] == 5 * [[3.0, 2.0]]

    round_trip()
    gc.collect()
    _core.fail_allocation(0)
    before = len(_pool())
    for _ in range(20):
        round_trip()
        with pytest.raises(errors.ResultError):
            _core.Recording(_core.Recipe(str, 0, False, "warn"), (2.0,), {})
        with pytest.raises(errors.ResultError):
            _core.Curvature(_core.Recipe(str, 0, False, "warn"), (2.0,), {})
    assert len(_pool()) == before


def _pool():
    """The tapes that there are without memory for another."""
    tapes = []
    _core.fail_allocation(1)
    try:
        while True:
            tapes.append(fastad.Tape())
    except errors.OutOfMemoryError:
        return tapes
    finally:
        _core.fail_allocation(0)


@pytest.mark.parametrize(
    "action",
    {
        "jacfwd": lambda f, x: jacfwd(f)(x),
        "jacrev": lambda f, x: jacrev(f)(x),
        "hessian": lambda f, x: hessian(lambda x: f(x)[0])(x),
        "hvp": lambda f, x: hvp(lambda x: f(x)[0])(x, [1.0] * len(x)),
    }.items(),
    ids=lambda item: item[0],
)
def test_each_allocation_may_fail(action):
    f, x = random_function(5, 20, 3)
    expected = action[1](f, x)
    n_failures = 0
    for n in range(1, 400):
        _core.fail_allocation(n)
        try:
            found = action[1](f, x)
        except MemoryError:
            n_failures += 1
        else:
            break
        finally:
            _core.fail_allocation(0)
        if n % 7 == 0:
            assert action[1](f, x) == expected
    assert found == expected
    assert n_failures > 1
