"""Every verb on published test functions, against mpmath."""

import math as plain_math

import mpmath
import numpy
import pytest

import fastad
from tests.published import FUNCTIONS

DIGITS = 60


class OfMpmath:
    """mpmath under math's names."""

    exp, log, sin, cos = mpmath.exp, mpmath.log, mpmath.sin, mpmath.cos
    sqrt, atan, erf = mpmath.sqrt, mpmath.atan, mpmath.erf


def partial(f, x, order):
    """The derivative of that order to each x[i], by mpmath."""

    def along(*moved):
        return f(list(moved), OfMpmath)

    return mpmath.diff(along, tuple(map(mpmath.mpf, x)), order)


def true_gradient(f, x):
    n = len(x)
    return [
        float(partial(f, x, tuple(int(k == i) for k in range(n)))) for i in range(n)
    ]


def true_hessian(f, x):
    n = len(x)
    rows = numpy.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            order = [0] * n
            order[i] += 1
            order[j] += 1
            rows[i, j] = rows[j, i] = float(partial(f, x, tuple(order)))
    return rows


def near(found, expected, relative=1e-12):
    scale = numpy.max(numpy.abs(expected))
    return numpy.max(numpy.abs(numpy.asarray(found) - expected)) <= relative * scale


@pytest.fixture(scope="module", autouse=True)
def many_digits():
    with mpmath.workdps(DIGITS):
        yield


@pytest.mark.parametrize(
    ("f", "x"), FUNCTIONS.items(), ids=lambda v: getattr(v, "__name__", "")
)
def test_first_order(f, x):
    def g(x):
        return f(x, fastad.math)

    expected = true_gradient(f, x)
    value, gradient = fastad.value_and_grad(g)(x)
    assert value == f(x, plain_math)
    assert near(gradient, expected)
    assert fastad.grad(g)(x) == gradient
    assert fastad.Program(g, x).gradient()(x) == gradient
    for jacobian in (fastad.jacobian, fastad.jacfwd, fastad.jacrev):
        assert near(jacobian(g)(x), expected)
    assert near(fastad.jacobian(g)(numpy.array(x)), expected)
    assert near(fastad.vjp(g, x)[1](1.0)[0], expected)
    direction = [1.0 / (k + 1) for k in range(len(x))]
    value, slope = fastad.jvp(g, (x,), (direction,))
    assert value == f(x, plain_math)
    assert slope == pytest.approx(numpy.dot(expected, direction), rel=1e-11)


@pytest.mark.parametrize(
    ("f", "x"), FUNCTIONS.items(), ids=lambda v: getattr(v, "__name__", "")
)
def test_second_order(f, x):
    def g(x):
        return f(x, fastad.math)

    expected = true_hessian(f, x)
    direction = [1.0 / (k + 1) for k in range(len(x))]
    product = expected @ direction
    assert near(fastad.hessian(g)(x), expected)
    assert near(fastad.hessian(g)(numpy.array(x)), expected)
    assert near(fastad.sparse_hessian(g)(x).toarray(), expected)
    assert near(fastad.jacobian(fastad.grad(g))(x), expected)
    assert near(fastad.hvp(g)(x, direction), product, 1e-11)
    assert near(fastad.jvp(fastad.grad(g), (x,), (direction,))[1], product, 1e-11)
    _, pullback = fastad.vjp(fastad.grad(g), x)
    assert near(pullback(direction)[0], product, 1e-11)


@pytest.mark.parametrize(
    ("f", "x"), FUNCTIONS.items(), ids=lambda v: getattr(v, "__name__", "")
)
def test_third_order(f, x):
    """To the first argument, three times, in three ways."""

    def along(t):
        return f([t, *x[1:]], fastad.math)

    expected = float(partial(f, x, (3, *(0 for _ in x[1:]))))
    for verbs in (
        (fastad.grad, fastad.grad, fastad.grad),
        (fastad.derivative, fastad.derivative, fastad.derivative),
        (fastad.derivative, fastad.hessian),
        (fastad.grad, fastad.hessian),
    ):
        g = along
        for verb in verbs:
            g = verb(g)
        assert g(x[0]) == pytest.approx(expected, rel=1e-10, abs=1e-10)
