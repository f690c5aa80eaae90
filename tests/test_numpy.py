"""Vars in NumPy: its method names, its scalars, its arrays of dtype object.

What NumPy makes impossible stands at the end, each with the way around it.
"""

import functools
import math
import operator
import warnings
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from outcomes import FLOATS, agrees, bits, is_same_float, outcome

import fastad
from fastad import Var, asarray, errors, grad, value_and_grad

# NumPy's name -> Python's function of floats: the values are Python's, to the last bit.
UNARY = {
    "absolute": abs,
    "arccos": math.acos,
    "arccosh": math.acosh,
    "arcsin": math.asin,
    "arcsinh": math.asinh,
    "arctan": math.atan,
    "arctanh": math.atanh,
    "cbrt": fastad.math.cbrt,
    "ceil": lambda x: float(np.ceil(x)),
    "conjugate": lambda x: x,
    "cos": math.cos,
    "cosh": math.cosh,
    "deg2rad": math.radians,
    "degrees": math.degrees,
    "exp": math.exp,
    "exp2": fastad.math.exp2,
    "expm1": math.expm1,
    "fabs": math.fabs,
    "floor": lambda x: float(np.floor(x)),
    "log": math.log,
    "log10": math.log10,
    "log1p": math.log1p,
    "log2": math.log2,
    "negative": operator.neg,
    "rad2deg": math.degrees,
    "radians": math.radians,
    "rint": lambda x: float(np.rint(x)),
    "sign": lambda x: float(np.sign(x)),
    "sin": math.sin,
    "sinh": math.sinh,
    "sqrt": math.sqrt,
    "tan": math.tan,
    "tanh": math.tanh,
    "trunc": lambda x: float(np.trunc(x)),
}
BINARY = {
    "arctan2": math.atan2,
    "copysign": math.copysign,
    "fmod": math.fmod,
    "hypot": math.hypot,
    "logaddexp": lambda x, y: fastad.logaddexp(x, y),
    "maximum": lambda x, y: x if x >= y or x != x else y,
    "minimum": lambda x, y: x if x <= y or x != x else y,
}

# What the universal functions themselves call on a Var: these methods, or an operator.
UFUNCS_BY_METHOD = str.split(
    """
    arccos arccosh arcsin arcsinh arctan arctanh cbrt conjugate cos cosh deg2rad degrees
    exp exp2 expm1 fabs log log10 log1p log2 rad2deg radians rint sin sinh sqrt tan tanh
    """
)
UFUNCS_BY_OPERATOR = {
    "absolute": abs,
    "negative": operator.neg,
    "positive": operator.pos,
    "reciprocal": lambda x: 1 / x,
    "square": lambda x: x * x,
}
BINARY_UFUNCS_BY_METHOD = ["arctan2", "fmod", "hypot"]
BINARY_UFUNCS_BY_OPERATOR = {
    "add": operator.add,
    "divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "multiply": operator.mul,
    "power": operator.pow,
    "remainder": operator.mod,
    "subtract": operator.sub,
}
OPERATORS = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv),
    *(operator.mod, operator.pow),
]
COMPARISONS = [
    *(operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge)
]


def by_name(f):
    return getattr(f, "__name__", None)


def warning(f, *args):
    """What f returns; a RuntimeWarning is no fault."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = f(*args)
    assert {w.category for w in caught} <= {RuntimeWarning}
    return result


def python_or_none(f, *args):
    try:
        return float(f(*args))
    except (ValueError, OverflowError, ZeroDivisionError):
        return None


# ---- Methods -------------------------------------------------------------------------


def check_method(name, python, args):
    """Python's value; where Python raises, NumPy's nan or inf."""
    result = warning(getattr(Var(args[0]), name), *args[1:])
    assert type(result) is Var
    expected = warning(getattr(np, name), *map(np.float64, args))
    value = python_or_none(python, *args)
    if value is None:
        assert bits(result.value) == bits(float(expected)), args
    else:
        assert is_same_float(result.value, value), args


@pytest.mark.parametrize("name", UNARY)
def test_a_method_of_numpy_s_name(name):
    for x in FLOATS:
        check_method(name, UNARY[name], (x,))


@pytest.mark.parametrize("name", BINARY)
def test_a_method_of_two_numbers(name):
    for args in product(FLOATS, FLOATS):
        check_method(name, BINARY[name], args)


@pytest.mark.parametrize("name", BINARY)
def test_a_method_with_a_second_number_of_any_kind(name):
    x = 1.5
    for y in (Var(2.5), 2.5, 2, True, Fraction(5, 2), np.float32(2.5), np.int8(2)):
        plain = y.value if type(y) is Var else float(y)
        assert agrees(getattr(Var(x), name)(y), float(BINARY[name](x, plain)))
    for y in ("2.5", None, 1j):
        with pytest.raises(TypeError):
            getattr(Var(x), name)(y)
    for args in [(), (1.0, 2.0)]:
        with pytest.raises(TypeError):
            getattr(Var(x), name)(*args)


def test_the_derivatives_of_methods_are_those_of_the_functions():
    for name, python in UNARY.items():
        ours = getattr(fastad.math, by_name(python) or "", None)
        if ours is not None:
            x = 1.25 if name == "arccosh" else 0.25
            assert grad(lambda v, name=name: getattr(v, name)())(x) == grad(ours)(x)


def warned(f, *args):
    """The messages of the warnings, or the exception that stands for one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            f(*args)
        except FloatingPointError as error:
            return [error.args]
    return [w.message.args for w in caught]


def by_its_other_name(ufunc):
    return {np.rad2deg: np.degrees, np.deg2rad: np.radians}.get(ufunc, ufunc)


@pytest.mark.parametrize("handling", ["warn", "raise", "ignore"])
@pytest.mark.parametrize("name", UFUNCS_BY_METHOD)
def test_a_warning_is_numpy_s(name, handling):
    """Once, in NumPy's words, and as numpy.errstate has it."""
    ufunc = getattr(np, name)
    with np.errstate(all=handling, under="ignore"):
        for x in FLOATS:
            expected = warned(by_its_other_name(ufunc), np.float64(x))
            assert warned(ufunc, Var(x)) == expected, x
            assert warned(ufunc, np.array([Var(x)])) == expected, x
            assert warned(getattr(Var(x), name)) == expected, x


@pytest.mark.parametrize("name", BINARY_UFUNCS_BY_OPERATOR)
def test_an_operator_on_an_array_is_quiet(name):
    """It warns of nothing: where there is no number, it raises."""
    f = BINARY_UFUNCS_BY_OPERATOR[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for x, y in product(FLOATS, FLOATS):
            if isinstance(outcome(f, Var(x), Var(y)), Var):
                getattr(np, name)(np.array([Var(x)]), np.array([Var(y)]))


def test_a_warning_points_at_the_line_of_the_call():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        np.log(Var(-1.0))
        Var(-1.0).log()
    assert [w.filename for w in caught] == [__file__] * 2


# ---- Universal functions -------------------------------------------------------------


@pytest.mark.parametrize("name", UFUNCS_BY_METHOD)
def test_a_ufunc_that_calls_a_method(name):
    x = 1.25 if name == "arccosh" else 0.75
    check_ufunc(getattr(np, name), getattr(Var, name), x)


@pytest.mark.parametrize("name", UFUNCS_BY_OPERATOR)
def test_a_ufunc_that_calls_an_operator(name):
    check_ufunc(getattr(np, name), UFUNCS_BY_OPERATOR[name], -0.75)


def check_ufunc(ufunc, ours, x):
    def of_array(v):
        result = ufunc(np.array([[v, v]]))
        assert result.shape == (1, 2)
        assert result.dtype == object
        return result[0, 1]

    assert value_and_grad(ufunc)(x) == value_and_grad(ours)(x)
    assert value_and_grad(of_array)(x) == value_and_grad(ours)(x)


@pytest.mark.parametrize("name", [*BINARY_UFUNCS_BY_METHOD, *BINARY_UFUNCS_BY_OPERATOR])
def test_a_ufunc_of_two_numbers(name):
    ufunc = getattr(np, name)
    ours = BINARY_UFUNCS_BY_OPERATOR.get(name) or getattr(Var, name)
    derivative = value_and_grad(ours, (0, 1))(2.5, 0.75)

    def of_arrays(x, y):
        return ufunc(np.array([x, x]), np.array([[y], [y]]))[1, 0]

    assert value_and_grad(ufunc, (0, 1))(2.5, 0.75) == derivative
    assert value_and_grad(of_arrays, (0, 1))(2.5, 0.75) == derivative
    value, (dx, dy) = derivative
    for y in (0.75, np.float64(0.75), np.array(0.75)):
        assert value_and_grad(lambda x, y=y: ufunc(x, y))(2.5) == (value, dx)
        assert value_and_grad(lambda x, y=y: ufunc(np.array([x]), y)[0])(2.5) == (
            value,
            dx,
        )
    if name in BINARY_UFUNCS_BY_OPERATOR:
        for x in (2.5, np.float64(2.5), np.array(2.5), np.array([2.5])):
            assert value_and_grad(lambda y, x=x: np.sum(ufunc(x, y)))(0.75) == (
                value,
                dy,
            )


def test_ufuncs_that_choose():
    x, y = Var(1.0), Var(2.0)
    for name in ("maximum", "fmax"):
        assert getattr(np, name)(x, y) is y
    for name in ("minimum", "fmin"):
        assert getattr(np, name)(x, y) is x
    assert np.clip(y, 0.0, x) is x
    array = np.clip(np.array([x, y]), 1.5, 3.0)
    assert list(array) == [1.5, 2.0]
    assert array[1] is y
    assert np.where(np.array([True, False]), x, y).tolist() == [x, y]


@pytest.mark.parametrize("f", COMPARISONS, ids=by_name)
def test_comparisons(f):
    floats = np.array([1.0, 2.0, 3.0])
    variables = np.array([Var(1.0), Var(2.0), Var(3.0)])
    for x in (2.0, np.float64(2.0), np.int64(2), np.array(2.0)):
        expected = f(floats, 2.0)
        assert np.array_equal(f(variables, x), expected)
        assert np.array_equal(f(floats, Var(2.0)), expected)
        assert np.array_equal(f(Var(2.0), floats), f(2.0, floats))
        assert f(variables, x).dtype == bool
        assert f(Var(1.0), x) == f(1.0, 2.0)
        assert f(x, Var(1.0)) == f(2.0, 1.0)


@pytest.mark.parametrize("f", COMPARISONS, ids=by_name)
def test_a_comparison_with_nan_is_quiet(f):
    array = np.array([Var(math.nan), Var(1.0)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(array, 2.0)[0] == (f is operator.ne)
        assert f(2.0, array)[0] == (f is operator.ne)
        assert f(array, array)[0] == (f is operator.ne)


# ---- Arithmetic with arrays and scalars ----------------------------------------------


@pytest.mark.parametrize("f", OPERATORS, ids=by_name)
@pytest.mark.parametrize("dtype", [float, np.float32, int, np.uint8, bool, object])
def test_an_operator_with_an_array_of_plain_numbers(f, dtype):
    plain = np.array([[1, 2, 3], [4, 5, 6]]).astype(dtype)
    v = Var(2.5)
    for ours, python in [
        (f(plain, v), lambda x: f(float(x), 2.5)),
        (f(v, plain), lambda x: f(2.5, float(x))),
    ]:
        assert ours.shape == (2, 3)
        assert ours.dtype == object
        assert all(map(agrees, ours.flat, map(python, plain.flat)))


@pytest.mark.parametrize("f", OPERATORS, ids=by_name)
def test_an_operator_with_an_array_of_one_number_and_no_axis(f):
    v = Var(2.5)
    for plain in (np.array(2.0), np.array(2), np.array(2.0, dtype=object)):
        assert agrees(f(plain, v), f(2.0, 2.5))
        assert agrees(f(v, plain), f(2.5, 2.0))
        assert agrees(f(np.array(v), plain), f(2.5, 2.0))


@pytest.mark.parametrize("f", OPERATORS, ids=by_name)
def test_an_operator_with_two_arrays(f):
    x, y = np.array([1.5, 2.5]), np.array([0.5, 3.0])
    vx, vy = np.array([*map(Var, x)]), np.array([*map(Var, y)])
    for pair in [(vx, vy), (vx, y), (x, vy), (vx, y.tolist()), (x.tolist(), vy)]:
        assert all(map(agrees, f(*pair), f(x, y).tolist()))


@pytest.mark.parametrize(
    "f",
    [
        *(operator.iadd, operator.isub, operator.imul, operator.itruediv),
        *(operator.ifloordiv, operator.imod, operator.ipow),
    ],
    ids=by_name,
)
def test_an_in_place_operator(f):
    v, w = Var(2.5), Var(2.0)
    array = np.array([v, v])
    same = f(array, w)
    assert same is array
    assert agrees(array[0], f(2.5, 2.0))
    assert v.value == 2.5

    assert agrees(f(np.float64(2.5), w), f(2.5, 2.0))  # a scalar is rebound
    with pytest.raises(TypeError):
        f(np.array([2.5, 2.5]), w)  # an array of floats cannot hold a Var


@pytest.mark.parametrize("f", [*OPERATORS, divmod], ids=by_name)
def test_a_scalar_leaves_the_operation_to_the_var(f):
    v = Var(2.5)
    kinds = (
        np.float64,
        np.float32,
        np.float16,
        np.longdouble,
        np.int64,
        np.uint8,
        np.bool_,
    )
    for kind in kinds:
        assert agrees(f(kind(1), v), f(1.0, 2.5))
        assert agrees(f(v, kind(1)), f(2.5, 1.0))


def test_a_scalar_that_is_no_real_number_is_refused():
    for other in (np.complex128(1), np.complex64(1), np.str_("1"), np.bytes_(b"1")):
        for f in OPERATORS:
            if f is not operator.mod:  # "1" % v formats
                with pytest.raises(TypeError):
                    f(other, Var(2.0))
            with pytest.raises(TypeError):
                f(Var(2.0), other)
    for other in (np.timedelta64(3, "s"), np.datetime64("2020-01-01")):
        for f in OPERATORS:
            with pytest.raises(TypeError):
                f(other, Var(2.0))
            with pytest.raises(TypeError):
                f(Var(2.0), other)


# ---- Reductions, products, and the rest of NumPy -------------------------------------

A = np.array([0.4, 2.1, 1.27, 3.2])
M = np.array([[2.0, 0.5], [1.0, 3.0]])
B = np.array([1.0, -2.0, 0.5, 4.0])

WORKS = {
    "a.sum()": lambda a: a.sum(),
    "np.sum([a, b])": lambda a: np.sum([a, B]),
    "a.prod()": lambda a: a.prod(),
    "a.mean()": lambda a: a.mean(),
    "a.var()": lambda a: a.var(),
    "a.var(ddof=1)": lambda a: a.var(ddof=1),
    "a.std()": lambda a: a.std(),
    "np.ptp(a)": np.ptp,
    "a.max()": lambda a: a.max(),
    "a.min()": lambda a: a.min(),
    "a[a.argmax()]": lambda a: a[a.argmax()],
    "np.max(a, initial=2.5)": lambda a: np.max(a * a, initial=2.5),
    "np.sort(a)[1]": lambda a: np.sort(a)[1],
    "a[np.argsort(a)][2]": lambda a: a[np.argsort(a)][2],
    "np.median(a)": np.median,
    "np.percentile(a, 30)": lambda a: np.percentile(a, 30),
    "np.average(a, weights=b)": lambda a: np.average(a, weights=B),
    "a.cumsum()[2]": lambda a: a.cumsum()[2],
    "a.cumprod()[2]": lambda a: a.cumprod()[2],
    "np.diff(a) @ ...": lambda a: (np.diff(a) ** 2).sum(),
    "a @ b": lambda a: a @ B,
    "b @ a": lambda a: B @ a,
    "a @ a": lambda a: a @ a,
    "a.dot(b)": lambda a: a.dot(B),
    "np.inner(a, b)": lambda a: np.inner(a, B),
    "np.vdot(a, a)": lambda a: np.vdot(a, a),
    "np.outer(a, b)": lambda a: np.outer(a, B)[1, 3],
    "np.kron(a, b)": lambda a: np.kron(a, B)[5],
    "np.einsum": lambda a: np.einsum("i,i->", a, B),
    "np.tensordot": lambda a: np.tensordot(a.reshape(2, 2), M, 1)[0, 1],
    "m @ a.reshape(2, 2)": lambda a: (M @ a.reshape(2, 2)).sum(),
    "x.T @ m @ x": lambda a: a[:2].T @ M @ a[:2],
    "np.trace": lambda a: np.trace(a.reshape(2, 2)),
    "np.linalg.norm(a)": np.linalg.norm,
    "np.linalg.norm(a, 1)": lambda a: np.linalg.norm(a, 1),
    "np.linalg.norm(a, np.inf)": lambda a: np.linalg.norm(a, np.inf),
    "np.cross": lambda a: np.cross(a[:3], B[:3]).sum(),
    "np.convolve": lambda a: np.convolve(a, B[:2])[2],
    "np.polyval": lambda a: np.polyval(a, 1.5),
    "np.trapezoid": lambda a: np.trapezoid(a, dx=0.5),
    "np.linspace": lambda a: np.linspace(a[0], a[1], 5)[2],
    "np.where": lambda a: np.where(B > 0, a, 2 * a).sum(),
    "np.clip": lambda a: np.clip(a, 1.0, 2.5).sum(),
    "np.round": lambda a: (np.round(a) * a).sum(),
    "np.round(a, 1)": lambda a: (np.round(a, 1) * a).sum(),
    "np.concatenate": lambda a: np.concatenate([a, B]).sum(),
    "np.stack": lambda a: (np.stack([a, B]) ** 2).sum(),
    "np.tile": lambda a: np.tile(a, 3).sum(),
    "np.roll": lambda a: (np.roll(a, 1) * a).sum(),
    "np.full": lambda a: np.full((2, 2), a[0]).sum(),
    "np.zeros + v": lambda a: (np.zeros(3) + a[1]).sum(),
    "np.vectorize": lambda a: np.vectorize(lambda x: x * x)(a).sum(),
    "np.sinc": lambda a: np.sinc(a)[2],
    "np.real": lambda a: np.real(a).sum(),
    "np.nansum": np.nansum,
    "np.unique": lambda a: np.unique(a)[1],
    "np.logspace": lambda a: np.logspace(a[0], a[2], 3)[1],
    "fancy indexing": lambda a: (a[[0, 1, 1]] * a[[2, 3, 3]]).sum(),
    "masks": lambda a: a[a > 1.0].sum(),
    "a[1:] - a[:-1]": lambda a: np.abs(a[1:] - a[:-1]).sum(),
    "softmax": lambda a: (np.exp(a - a.max()) / np.exp(a - a.max()).sum())[1],
    "distance": lambda a: np.sqrt(((a[:, None] - B[None, :]) ** 2).sum()),
    "tanh(m @ x)": lambda a: np.tanh(M @ a[:2]).sum(),
    "fastad.norm(a)": fastad.norm,
    "fastad.norm(m)": lambda a: fastad.norm(a.reshape(2, 2)),
    "fastad.logsumexp(a)": fastad.logsumexp,
    "fastad.fsum(a)": fastad.fsum,
    "fastad.sumprod(a, b)": lambda a: fastad.sumprod(a, B),
    "fastad.math.dist(a, b)": lambda a: fastad.math.dist(a, B),
    "fastad.math.hypot(*a)": lambda a: fastad.math.hypot(*a),
    "math.prod(a)": math.prod,
    "sum(a)": sum,
    "max(a)": max,
    "functools.reduce": lambda a: functools.reduce(operator.mul, a),
}


@pytest.mark.parametrize("f", WORKS.values(), ids=WORKS)
def test_what_works(f):
    """The value is the one on floats, and the gradient that of differences."""
    value, gradient = value_and_grad(f)(A)
    assert value == pytest.approx(float(f(A)), rel=1e-14)
    for k, derivative in enumerate(gradient):
        step = np.zeros(4)
        step[k] = 1e-6
        difference = (float(f(A + step)) - float(f(A - step))) / 2e-6
        assert derivative == pytest.approx(difference, rel=1e-7, abs=1e-8)


def test_a_function_of_an_array_that_scipy_minimizes():
    optimize = pytest.importorskip("scipy.optimize")

    def rosenbrock(x):
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    start = np.array([-1.2, 1.0, 0.5])
    result = optimize.minimize(value_and_grad(rosenbrock), start, jac=True)
    assert result.x == pytest.approx([1.0, 1.0, 1.0], abs=1e-4)


# ---- asarray -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mixed",
    [
        lambda v: [v, 2.0],
        lambda v: (v, 2),
        lambda v: [[v, 1.0], [Fraction(1, 2), v]],
        lambda v: np.array([v, 2.0, np.float32(3), True]),
        lambda v: np.array([[v, 1.0, 2.0]]).T,
        lambda v: [np.array([v, v]), np.array([1.0, 2.0])],
        lambda v: np.concatenate([np.array([v]), np.zeros(3)]),
    ],
)
def test_asarray_makes_vars_of_the_numbers_beside_vars(mixed):
    v = Var(0.5)
    plain = np.array(mixed(0.5), float)
    array = asarray(mixed(v))
    assert array.dtype == object
    assert array.shape == plain.shape
    assert {type(x) for x in array.flat} == {Var}
    for x, value in zip(np.sin(array).flat, plain.flat, strict=True):
        assert agrees(x, math.sin(value))


def test_asarray_without_vars_is_an_array_of_floats():
    for numbers in (
        [1, 2],
        [True],
        [Fraction(1, 2), 1],
        [],
        range(3),
        np.float32([0.5]),
        2,
    ):
        array = asarray(numbers)
        assert type(array) is np.ndarray
        assert array.dtype == float
        assert array.tolist() == np.array(numbers, float).tolist()


def test_asarray_of_duals():
    array = np.exp(asarray([fastad.Dual(0.0, 2.0), 0.0]))
    assert [x.tangent for x in array] == [2.0, 0.0]


def test_asarray_leaves_alone_what_is_right():
    for array in (np.ones(2), np.array([Var(1.0), Var(2.0)]), np.array(Var(1.0))):
        assert asarray(array) is array
    assert asarray(Var(1.0)).shape == ()


def test_the_constants_of_asarray_depend_on_nothing():
    x, y = Var(2.0), Var(3.0)
    array = asarray([[y, 4.0], [5.0, y]])
    (array * np.sqrt(array)).sum().backward()
    assert x.grad is None
    assert y.grad == pytest.approx(3 * math.sqrt(3.0))
    assert grad(lambda v: np.exp(asarray([v, 1.0]))[0])(0.0) == 1.0
    assert value_and_grad(lambda v: asarray([v, 7.0])[1])(1.0) == (7.0, 0.0)


@pytest.mark.parametrize(
    "other",
    [["a"], [1j], [None], "abc", {"a": 1}, [object()], np.datetime64("2020-01-01")],
)
def test_asarray_refuses_what_is_no_real_number(other):
    with pytest.raises(errors.ArgumentError):
        asarray(other)
    with pytest.raises(errors.ArgumentError):
        asarray([Var(1.0), other[0] if isinstance(other, list) else other])


# ---- What NumPy makes impossible -----------------------------------------------------

# Of a Var v, an array a of two Vars, an array m of a Var and a float: what fails, how,
# and what to write instead.
IMPOSSIBLE = [
    ("np.isnan(v)", TypeError, "fastad.math.isnan(v)"),
    ("np.isinf(v)", TypeError, "fastad.math.isinf(v)"),
    ("np.isfinite(v)", TypeError, "fastad.math.isfinite(v)"),
    ("np.isnan(a)", TypeError, "a != a"),
    ("np.isclose(1.0, a)", TypeError, "np.isclose(a, 1.0)"),
    ("np.signbit(v)", TypeError, "v < 0"),
    ("np.sin(m)", TypeError, "np.sin(fastad.asarray(m))"),
    ("np.sin([v, 1.0])", TypeError, "np.sin(fastad.asarray([v, 1.0]))"),
    ("np.hypot(3.0, v)", AttributeError, "fastad.math.hypot(3.0, v)"),
    ("np.arctan2(3.0, v)", AttributeError, "fastad.math.atan2(3.0, v)"),
    ("np.fmod(3.0, v)", AttributeError, "fastad.math.fmod(3.0, v)"),
    ("np.copysign(v, -1.0)", TypeError, "fastad.math.copysign(v, -1.0)"),
    ("np.logaddexp(v, 1.0)", TypeError, "fastad.logaddexp(v, 1.0)"),
    ("np.float_power(v, 2)", TypeError, "v ** 2"),
    ("np.ldexp(v, 2)", TypeError, "fastad.math.ldexp(v, 2)"),
    ("np.frexp(v)", TypeError, "fastad.math.frexp(v)"),
    ("np.modf(v)", TypeError, "fastad.math.modf(v)"),
    ("np.nextafter(v, 1.0)", TypeError, "fastad.math.nextafter(v, 1.0)"),
    ("np.heaviside(v, 0.5)", TypeError, "fastad.where(v > 0, 1.0, 0.0)"),
    ("divmod(a, 2.0)", TypeError, "(a // 2.0, a % 2.0)"),
    ("np.linalg.det(np.outer(a, a))", TypeError, "a[0] * a[1] - a[1] * a[0]"),
    ("np.linalg.solve(np.eye(2), a)", TypeError, "np.eye(2) @ a"),
    ("np.linalg.norm(a, 3)", AttributeError, "(abs(a) ** 3).sum() ** (1 / 3)"),
    ("np.gradient(a)", TypeError, "a[1:] - a[:-1]"),
    ("np.interp(v, [0., 1.], [0., 2.])", TypeError, "2.0 * v"),
    (
        "np.zeros(2).__setitem__(0, v)",
        TypeError,
        "np.zeros(2, object).__setitem__(0, v)",
    ),
    ("a.astype(float)", TypeError, "np.array([v.value for v in a])"),
]


@pytest.mark.parametrize(("fails", "error", "instead"), IMPOSSIBLE)
def test_what_numpy_makes_impossible_is_loud_and_has_a_way_around(
    fails, error, instead
):
    v, w = Var(0.5), Var(1.5)
    names = {
        "np": np,
        "fastad": fastad,
        "v": v,
        "a": np.array([v, w]),
        "m": np.array([v, 2.0]),
    }
    with pytest.raises(error):
        eval(fails, names)
    eval(instead, names)


def test_ufuncs_that_numpy_hands_to_python_s_own_functions():
    """np.floor of an object calls math.floor, which gives an int; np.sign compares."""
    v = Var(2.5)
    for f in (np.floor, np.ceil, np.trunc):
        assert type(f(v)) is int
        assert type(f(np.array([v]))[0]) is int
    assert np.sign(v) == 1
    assert agrees(v.floor(), 2.0)
    assert agrees(v.sign(), 1.0)


def test_arithmetic_in_arrays_raises_as_vars_do():
    """And not as arrays of floats, which give inf or nan and a RuntimeWarning."""
    zero = np.array([Var(0.0)])
    with pytest.raises(ZeroDivisionError):
        1.0 / zero
    with pytest.raises(ZeroDivisionError):
        np.ones(1) % zero
    with pytest.raises(OverflowError):
        np.array([Var(10.0)]) ** 400
