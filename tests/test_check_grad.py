"""check_grad: what it lets pass, at every scale, and what it catches."""

import itertools
import math as standard_math
import re
import zlib
from dataclasses import dataclass

import numpy
import pytest
import scipy.special

import fastad
from fastad import check_grad, custom_jvp, custom_vjp, errors, math, stop_gradient


@dataclass
class Box:
    a: float
    b: dict


def valley(p):
    return sum(100 * (y - x * x) ** 2 + (1 - x) ** 2 for x, y in itertools.pairwise(p))


# name: (function, arguments)
RIGHT = {
    "sine": (math.sin, 1.0),
    "at 0": (math.sin, 0.0),
    "flat": (lambda x: x**3, 0.0),
    "constant": (lambda x: 3.0, 1.0),
    "large value": (math.exp, 700.0),
    "small value": (math.exp, -700.0),
    "small argument": (math.log, 1e-10),
    "very small argument": (math.log, 1e-300),
    "large argument": (math.log, 1e300),
    "root of a small argument": (math.sqrt, 1e-20),
    "beside a pole": (lambda x: 1 / x, 1e-5),
    "beside the end of a domain": (math.asin, 0.999999999),
    "beside a kink": (fastad.relu, 1e-6),
    "beside a step": (fastad.floor, 1.0000001),
    "many waves": (math.sin, 1e10),
    "fast waves": (lambda x: math.sin(1e6 * x), 0.3),
    "lost in a sum": (lambda x: x + 1e10, 1.0),
    "saturated": (math.tanh, 30.0),
    "tiny slope": (lambda x: x * 1e-200, 3.0),
    "huge slope": (lambda x: x * x * 1e200, 1e50),
    "once differentiable": (lambda x: abs(x) ** 1.5, 0.0),
    "x log x": (lambda x: x * math.log(x), 1e-8),
    "special": (lambda x: math.gamma(x) * math.erf(x), 5.5),
    "arguments of many scales": (
        lambda p: p[0] * 1e-8 + p[1] * 1e8 + p[2] ** 2,
        [1e8, 1e-8, 3],
    ),
    "valley": (valley, [-1.2, 1.0, 0.3, 2.0]),
    "arrays": (lambda a, b: a @ b, numpy.ones((3, 3)), numpy.arange(3.0)),
    "sum of an array": (lambda p: (p * p * p).sum(), numpy.linspace(-2, 2, 30)),
    "containers": (
        lambda p: Box(p["a"] * p["b"][0], {"c": p["b"]}),
        {"a": 2.0, "b": (3, 4.0)},
    ),
    "a peak beside a small argument": (
        lambda x: math.exp(-(((x - 1e-4) / 1e-5) ** 2)),
        1.05e-4,
    ),
    "symmetric around a small argument": (lambda x: 1e-9 / x**2, 1e-9),
    "complex beyond the domain": (lambda x: max(x**0.3, 0.01), 1e-3),
    "an exception beyond the domain": (lambda x: must_be_positive(x) ** 3, 1e-3),
    "a bit of noise": (lambda x: x + 1e-12 * math.sin(1e15 * stop_gradient(x)), 1.0),
    "a long run": (lambda x: logistic_map(x, 20), 0.3),
}


class Unphysical(Exception):
    pass


def must_be_positive(x):
    if x <= 0.0:
        raise Unphysical(x)
    return x


def logistic_map(x, n):
    for _ in range(n):
        x = 3.1 * x * (1 - x)
    return x


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name):
    f, *args = RIGHT[name]
    assert check_grad(f, *args) <= 1e-6


@pytest.mark.parametrize("order", [1, 2, 3])
def test_higher_orders(order):
    assert check_grad(lambda x: math.sin(x) * x**3, 1.3, order=order) < 1e-9
    assert check_grad(valley, [-1.2, 1.0, 0.3], order=order) < 1e-9


def test_the_number_of_calls():
    calls = []
    check_grad(lambda x, y: calls.append(x) or math.sin(x) * y, 0.4, 1.7)
    assert len(calls) < 50


# ---- Wrong rules -------------------------------------------------------------------------


def of_bessel(factor):
    """j0 with a rule whose partial is off by a factor."""
    vjp = custom_vjp(
        scipy.special.j0,
        lambda value, x: lambda seed: -seed * scipy.special.j1(x) * factor,
    )
    jvp = custom_jvp(
        scipy.special.j0, lambda value, x: lambda dx: -dx * scipy.special.j1(x) * factor
    )
    return vjp, jvp


@pytest.mark.parametrize("x", [1e-3, 1.3, 200.0])
def test_a_planted_rule_is_seen(x):
    for f in of_bessel(1.0):
        assert check_grad(f, x) < 1e-9
    for factor in (0.0, -1.0, 2.0, 1 + 1e-5, 1 - 3e-6):
        for f in of_bessel(factor):
            with pytest.raises(
                AssertionError, match="1 of 1 derivatives of order 1 of j0 is"
            ):
                check_grad(f, x)
    for f in of_bessel(1 + 1e-7):
        with pytest.raises(AssertionError):
            check_grad(f, x, rtol=1e-9)


def test_a_rule_that_is_wrong_in_one_mode():
    """It cannot be: both modes ask the same rule. But it can be in the second derivative."""
    f = custom_vjp(
        scipy.special.j0,
        lambda value, x: lambda seed: -seed * scipy.special.j1(stop_gradient(x)),
    )
    assert check_grad(f, 1.3) < 1e-9
    with pytest.raises(
        AssertionError, match="1 of 1 derivatives of order 2 of j0 is wrong"
    ):
        check_grad(f, 1.3, order=2)


def test_one_entry_of_many():
    @custom_vjp
    def product(a, b):
        return {"y": a @ b}

    @product.rule
    def _(value, a, b):
        def pullback(seed):
            of_a = numpy.outer(seed["y"], b)
            of_a[1, 2] *= 1.001
            return of_a, a.T @ seed["y"]

        return pullback

    a, b = numpy.arange(1.0, 7.0).reshape(2, 3), numpy.array([1.0, 2.0, 3.0])
    with pytest.raises(AssertionError) as caught:
        check_grad(product, a, b)
    lines = str(caught.value).splitlines()
    assert lines[0] == "1 of 18 derivatives of order 1 of product is wrong"
    assert len(lines) == 3
    head, line = (re.split(r"  +", line) for line in lines[1:])
    assert head == ["result", "argument", "forward", "reverse", "differences", "off by"]
    assert line[:2] == ["['y'][1]", "0[1, 2]"]
    numbers = [float(cell.split()[0]) for cell in line[2:]]
    assert numbers == pytest.approx([3.003, 3.003, 3.0, 0.001], rel=0.01)


def test_a_long_table_is_cut():
    f = custom_jvp(lambda x: x * 2, lambda value, x: lambda dx: dx * 3)
    with pytest.raises(AssertionError, match="30 of 900 derivatives") as caught:
        check_grad(f, numpy.ones(30))
    lines = str(caught.value).splitlines()
    assert len(lines) == 23
    assert lines[-1] == "... and 10 more"


# ---- Lost derivatives, kinks, noise ------------------------------------------------------

WRONG = {
    "a lost derivative": (lambda x: x * getattr(x, "value", x), "4.6"),
    "a branch for one value": (lambda x: 0.0 if x == 2.3 else x - 2.3, "1.0"),
    "a kink": (lambda x: fastad.relu(x - 2.3), "0.5"),
    "a step": (
        lambda x: fastad.floor(x + 0.7),
        "(?s)is wrong, or f has a kink or jump here.*noisy or not smooth",
    ),
    "noise": (
        lambda x: x + 1e-6 * (zlib.crc32(repr(stop_gradient(x)).encode()) % 100),
        "noisy or not",
    ),
    "the end of a domain": (lambda x: math.sqrt(2.3 - x), "not defined on both sides"),
    "nan": (lambda x: x + stop_gradient(x) * standard_math.nan, "not defined on both"),
    "an infinite derivative": (
        lambda x: math.cbrt(x - 2.3),
        "inf  .*noisy or not smooth",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_differences_do_not_confirm(name):
    f, message = WRONG[name]
    with pytest.raises(AssertionError, match=message):
        check_grad(f, 2.3)


def test_values_that_differ():
    with pytest.raises(
        AssertionError, match=r"returns 5\.28\S+ for floats, but 4\.6 when"
    ):
        check_grad(lambda x: 2 * x if hasattr(x, "value") else x * x, 2.3)
    with pytest.raises(AssertionError, match="returns"):
        check_grad(lambda x: [x] if hasattr(x, "value") else [x, x], 2.3)


def test_a_result_whose_length_depends_on_the_argument():
    with pytest.raises(AssertionError, match="the number of results"):
        check_grad(lambda x: [x] * (1 + int(x > 2.3)), 2.3)


# ---- Arguments ----------------------------------------------------------------------------


def test_bad_arguments():
    with pytest.raises(errors.ArgumentError, match="neither a number"):
        check_grad(lambda x: x, "text")
    with pytest.raises(errors.ResultError, match="returned True"):
        check_grad(lambda x: x > 0, 1.0)
    with pytest.raises(errors.ArgumentError, match="order=0"):
        check_grad(math.sin, 1.0, order=0)
    with pytest.raises(ZeroDivisionError):
        check_grad(lambda x: x / 0.0, 1.0)


def test_nothing_to_check():
    assert check_grad(lambda: 3.0) == 0.0
    assert check_grad(lambda x: [], 1.0) == 0.0
