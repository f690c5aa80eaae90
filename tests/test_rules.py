"""Every row of csrc/ops.def, over its whole domain.

Values, partials and second derivatives are compared with those of mpmath (truth.py), at
ordinary points and at extremes: subnormal numbers, 1e300, one unit in the last place
beside a pole. A new operation needs nothing here, unless its domain is new: that is one
line of `SAMPLES`. (Nor in truth.py, if its value is arithmetic, or a function of mpmath by
its name.) Where there is no derivative nothing is compared: see test_odd_points.py.

Run as a program it prints the worst error of every row, and where it is.
"""

import ast
import math
from functools import partial
from itertools import product

import pytest
import tolerances
import truth
from mpmath import mpf

from fastad import _core, reference, rules

ROWS = {row.name: row for row in _core.rows()}
each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)

# ---- Sample points -------------------------------------------------------------------

ULP = 2.0**-53  # of numbers just below 1


def both_signs(numbers):
    return [sign * x for x in numbers for sign in (1, -1)]


SMALL = [5e-324, 1e-310, 1e-300, 1e-160, 1e-20, 1e-5]
MIDDLE = [0.1, 0.3, 0.5, 0.9, 1.0, 1.5, 2.0, math.pi, 7.0, 20.5, 30.0, 300.0, 700.0]
LARGE = [1e5 + 0.5, 1e16, 1e100, 1.5e154, 1e200, 1e300]
POSITIVE = [*SMALL, *MIDDLE, *LARGE]
REAL = [0.0, *both_signs(POSITIVE)]
# Of pairs and triples: without simple ratios and differences, which are kinks of `mod`.
FEW = [-1e300, -30.0, -0.3, -1e-160, 0.0, 3e-308, 1e-10, 0.7, 2.0, 19.7, 1e5, 1e160]
DIVISORS = [-1e300, -30.0, -1.1, -1e-5, 1e-10, 0.7, 2.0, 19.7, 1e5]
EXPONENTS = [-30.0, -0.3, -1e-20, 0.0, 1e-10, 0.7, 1.0, 2.0, 19.7, 1e160]
WHOLE = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 10.0]
UNIT = [0.0, 5e-324, 1e-300, 1e-20, 1e-5, 0.1, 0.3, 0.5, 0.8, 0.99, 1 - 1e-10, 1 - ULP]
OFF_POLES = [
    *(5e-324, 1e-310, 1e-300, 1e-20, 1e-5, 0.1, 0.5, 1.0, 1.4, 1.4616321449683622, 1.5),
    *(2.0, 2.5, 7.3, 33.0, 100.5, 170.6, 1e5, 1e16, 1e300),
    *(-5e-324, -1e-300, -1e-5, -0.3, -0.5, -1 + ULP, -1 - 2 * ULP, -1.5, -2.4),
    *(-5.5, -30.3, -100.5, -170.5, -1e5 - 0.5),
]
# For each domain boxes, one list of numbers for each argument.
SAMPLES = {
    "ANY": [(REAL,), (FEW, FEW), (FEW[::2], FEW[1::2], FEW[::3])],
    "FINITE": [(REAL,)],
    "POSITIVE": [(POSITIVE,)],
    "NONNEGATIVE": [(POSITIVE,)],
    "UNIT": [(both_signs(UNIT),)],
    "INSIDE_UNIT": [(both_signs(UNIT),)],
    "PROBABILITY": [([*UNIT[1:], 0.5 + 1e-5],)],
    "ABOVE_MINUS_1": [([-1 + ULP, -1 + 1e-10, -0.9, -0.5, -0.1, -1e-300, *POSITIVE],)],
    "FROM_1": [([1 + 2 * ULP, 1 + 1e-10, 1.1, *POSITIVE[POSITIVE.index(1.5) :]],)],
    "NO_POLE": [(OFF_POLES,)],
    "NONZERO_Y": [(FEW, DIVISORS), ([-3e-300, 1e-310, 5e-324], [1e-300, -1e-310])],
    "POWER": [(POSITIVE[::3], EXPONENTS), ([-1e300, -7.0, -0.3, -1e-300], WHOLE)],
    "ORDER": [([0.0, 1.0, 2.0, 5.0, 20.0], OFF_POLES[:-1:2])],
    "DIGITS": [([-1234.5, -0.3, 1e-10, 2.675, 1e16], [-3.0, -1.0, 0.0, 2.0, 5.0])],
    "NONNEGATIVE_Y": [(FEW, POSITIVE[::2])],
}


def points(row, at_most=math.inf):
    """The sample points of a row, or every second, third, fifth, ... of them."""
    boxes = [box for box in SAMPLES[row.domain] if len(box) == row.arity]
    found = [point for box in boxes for point in product(*box)]
    step = next(n for n in (1, 2, 3, 5, 7, 11, 13) if len(found) <= at_most * n)
    return found[::step]


# ---- Errors --------------------------------------------------------------------------

UNDEFINED = "NAN"  # as a cell: there is no derivative
CONSTANT = {"0.0", "1.0", "-1.0", UNDEFINED}


def value_errors(row):
    """Yield (error, point, value, expected)."""
    for point in points(row):
        expected = truth.value(row.name, point)
        if expected is not None:
            found = _core.row_value(row.name, *point)
            yield tolerances.error(found, expected), point, found, expected


def partial_errors(row, partials):
    """Yield (error, (point, which), partial, expected). `partials` is a function."""
    for point in points(row):
        found = partials(*point)
        for which, cell in enumerate(row.partials):
            if cell == UNDEFINED:
                continue
            expected = truth.derivative(row.name, point, which)
            if expected is not None:
                error = tolerances.error(found[which], expected)
                yield error, (point, which), found[which], expected


# Rows as functions of Vars of the reference: what differentiates a cell once more.
ON_VARS = {
    name: reference.operation(partial(_core.row_value, name), reference.PARTIALS[name])
    for name in ROWS
}


def second_derivatives(row, point):
    """For each pair of arguments the second derivative, and the size of its terms.

    The partials are evaluated on Vars and differentiated by a backward sweep. Where its
    terms nearly cancel, their rounding errors do not: the error is relative to them.
    """
    arguments = [reference.Var(x) for x in point]
    value = ON_VARS[row.name](*arguments)
    found = reference.partials_of(row, ON_VARS)(*arguments, v=value)
    for first, derivative in enumerate(found):
        if row.partials[first] in CONSTANT:
            continue
        if not isinstance(derivative, reference.Var):  # the constant arm of a `where`
            yield from ((first, second, 0.0, 0.0) for second in range(row.arity))
            continue
        if not math.isfinite(derivative.value):
            continue
        adjoint = reference.adjoints(derivative)
        size = dict.fromkeys(adjoint, 0.0)
        size[derivative] = 1.0
        for node in reversed(reference.tape(derivative)):
            for argument, weight in node.edges:
                if size[node] and weight:
                    size[argument] += size[node] * abs(weight)
        for second, argument in enumerate(arguments):
            if argument in adjoint and row.partials[second] != UNDEFINED:
                yield first, second, adjoint[argument], size[argument]


def second_errors(row):
    """Yield (error, (point, first, second), second derivative, expected)."""
    for point in points(row, at_most=24):
        for first, second, found, size in second_derivatives(row, point):
            if truth.derivative(row.name, point, first) is None:
                continue
            expected = truth.second_derivative(row.name, point, first, second)
            if expected is None or abs(expected) > tolerances.LARGEST:
                continue
            error = tolerances.error(found, expected, size)
            yield error, (point, first, second), found, expected


def assert_small(errors, tolerance, at_least=5):
    """Fail unless there are enough errors, and all of them are below the tolerance."""
    errors = list(errors)
    assert len(errors) >= at_least
    wrong = [entry for entry in errors if not entry[0] <= tolerance]
    assert not wrong, "\n".join(
        f"at {place}: {found!r}, right is {truth.shown(expected)} (error {error:.1e})"
        for error, place, found, expected in wrong
    )


@each_row
def test_value(row):
    assert_small(value_errors(row), tolerances.of_row(row.name))


@each_row
def test_partials(row):
    in_c = partial(_core.row_partials, row.name)
    assert_small(partial_errors(row, in_c), tolerances.of_row(row.name))


@each_row
def test_second_derivatives(row):
    if row.name[-1] in "xy" and row.name[:-1] in ROWS:
        pytest.skip("a partial itself, as powx is of pow")
    # There are none for rows with constant partials.
    assert_small(second_errors(row), tolerances.of_row(row.name), at_least=0)


# ---- The cells: one language, two compilers ------------------------------------------

OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


def is_literal(node):
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant)


def faults(cell, arity, functions):
    """Yield what in a cell is not valid C and valid Python that means the same in both.

    `functions` are those it may call, with the number of their arguments; None: any.
    """
    conditions = []
    names = {*"xyz"[:arity], "v", *rules.CONSTANTS}
    for node in ast.walk(ast.parse(cell, mode="eval").body):
        match node:
            case ast.BinOp(left, op, right):
                if not isinstance(op, OPERATORS):
                    yield f"the operator {type(op).__name__}"
                elif is_literal(left) and is_literal(right):
                    yield "two literals combined"
            case ast.UnaryOp(op, _):
                if not isinstance(op, ast.USub):
                    yield f"the operator {type(op).__name__}"
            case ast.Call(ast.Name(name), arguments, keywords):
                node.func.id = "v"  # a function's name is no variable
                if functions is not None and functions.get(name) != len(arguments):
                    yield f"{name} of {len(arguments)} arguments is no row"
                if keywords:
                    yield "a keyword argument"
                if name == "where":
                    conditions.append(arguments[0])
            case ast.Compare(_, ops, _):
                if len(ops) > 1 or not isinstance(ops[0], COMPARISONS):
                    yield "a chained or other comparison"
                if node not in conditions:
                    yield "a comparison that is no condition of where"
            case ast.Constant(number):
                if type(number) is not float:
                    yield f"the literal {number!r}, which is no float"
            case ast.Name(name):
                if name not in names:
                    yield f"the name {name}"
            case ast.expr():
                yield f"the construct {type(node).__name__}"


ARITIES = {row.name: row.arity for row in ROWS.values()}


@each_row
def test_language_of_the_cells(row):
    assert not list(faults(row.value, row.arity, None))
    for cell in row.partials:
        assert not list(faults(cell, row.arity, ARITIES)), cell


@pytest.mark.parametrize(
    "cell",
    [
        *("1.0/2.0*x", "-1.0 + 2.0", "1/x", "2*x", "x**2.0", "x % y", "x // y", "z"),
        *("sin(x, y)", "abs(x)", "fmax(x, y)", "pow(x, y=y)", "math.sin(x)", "pi"),
        *("x if y else x", "x and y", "not x", "+x", "where(x < y < 1.0, x, y)"),
        *("(x < y)*x", "where(x in y, x, y)", "x[0]", "(lambda: x)()", "'x'", "(x, y)"),
    ],
)
def test_foreign_language_is_seen(cell):
    assert list(faults(cell, 2, ARITIES))


def bits(x):
    return "nan" if math.isnan(x) else x.hex()


@each_row
def test_cells_agree_in_c_and_python(row):
    for point in points(row):
        value = _core.row_value(row.name, *point)
        in_python = reference.PARTIALS[row.name](*point, v=value)
        in_c = _core.row_partials(row.name, *point)
        assert list(map(bits, in_python)) == list(map(bits, in_c)), point


# ---- The checker itself --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "partials"),
    [
        ("sin", ["-cos(x)"]),
        ("exp", ["v*where(x == 1.5, 1.0000000001, 1.0)"]),  # at one point
        ("tanh", ["1.0 - v*v"]),  # cancels
        ("expit", ["v*(1.0 - v)"]),  # cancels
        ("atan", ["1.0/(1.0 + x*x)"]),  # overflows
        ("acosh", ["1.0/sqrt((x - 1.0)*(x + 1.0))"]),  # overflows
        ("hypot", ["x/sqrt(x*x + y*y)", "y/v"]),  # over- and underflows
        ("div", ["1.0/y", "-x/(y*y)"]),  # over- and underflows
        ("mod", ["1.0", "-trunc(x/y)"]),  # wrong for negative arguments
        ("fma", ["y", "x", "z"]),
    ],
)
def test_planted_rules_are_seen(name, partials):
    row = ROWS[name]
    planted = _core.Row(name, row.arity, row.value, partials, row.domain, row.doc)
    compiled = reference.partials_of(planted)

    def in_python(*point):
        return compiled(*point, v=_core.row_value(name, *point))

    with pytest.raises(AssertionError, match="right is"):
        assert_small(partial_errors(planted, in_python), tolerances.of_row(name))


def test_planted_second_derivatives_are_seen(monkeypatch):
    monkeypatch.setitem(ON_VARS, "cos", ON_VARS["sin"])
    with pytest.raises(AssertionError, match="right is"):
        assert_small(second_errors(ROWS["sin"]), tolerances.of_row("sin"))


def test_planted_values_are_seen(monkeypatch):
    monkeypatch.setattr(truth, "value", lambda name, point: mpf(1))
    with pytest.raises(AssertionError, match="right is"):
        assert_small(value_errors(ROWS["sin"]), tolerances.of_row("sin"))


def print_worst_errors():
    """Print, row by row, the worst error of the value and of each order of derivatives."""
    for name, row in ROWS.items():
        in_c = partial(_core.row_partials, name)
        print(name)
        for what, errors in [
            ("value", value_errors(row)),
            ("first", partial_errors(row, in_c)),
            ("second", second_errors(row)),
        ]:
            worst = max(errors, key=lambda entry: entry[0], default=None)
            if worst is not None and worst[0] > 0.0:
                print(f"    {what:7} {worst[0]:.1e} at {worst[1]}")


if __name__ == "__main__":
    print_worst_errors()
