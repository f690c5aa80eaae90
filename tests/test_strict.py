"""strict=True: an error where a derivative is lost, at the line that loses it."""

import math as standard_math
import traceback
from fractions import Fraction

import numpy
import pytest

import fastad
from fastad import (
    Dual,
    Var,
    errors,
    grad,
    jvp,
    math,
    stop_gradient,
    value_and_grad,
    vjp,
)

VERBS = {
    "grad": lambda f, **options: lambda x: grad(f, **options)(x),
    "value_and_grad": lambda f, **options: lambda x: value_and_grad(f, **options)(x)[1],
    "jvp": lambda f, **options: lambda x: jvp(f, (x,), (1.0,), **options)[1],
    "vjp": lambda f, **options: lambda x: vjp(f, x, **options)[1](1.0)[0],
}
VERBS |= {
    verb.__name__: lambda f, verb=verb, **options: verb(f, **options)
    for verb in (fastad.derivative, fastad.jacobian, fastad.jacfwd, fastad.jacrev)
}
each_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)

# Of a number x of value 2.0: what loses its derivative, and what the message says.
LEAKS = {
    "value": (
        lambda x: x.value * x,
        r"\.value of .*2\.0\) loses .* with the number itself",
    ),
    "int": (lambda x: int(x) * x, r"int\(\) of .*fastad\.floor"),
    "round": (lambda x: round(x) * x, r"round\(\) of"),
    "math.floor": (lambda x: standard_math.floor(x) * x, r"math\.floor\(\) of"),
    "math.ceil": (lambda x: standard_math.ceil(x) * x, r"math\.ceil\(\) of"),
    "math.trunc": (lambda x: standard_math.trunc(x) * x, r"math\.trunc\(\) of"),
    "fastad.math.floor": (lambda x: math.floor(x) * x, r"math\.floor\(\) of"),
    "equal": (lambda x: 0.0 if x == 2.0 else x, r"2\.0\) == 2\.0 holds"),
    "equal on the right": (lambda x: 0.0 if 2 == x else x, r"2\.0\) == 2 holds"),
    "equal to a fraction": (
        lambda x: x * (x == Fraction(2)),
        r"== Fraction\(2, 1\) holds",
    ),
    "equal to another": (lambda x: x * (x * 1.0 == x), r"== .*2\.0\) holds"),
    "unequal": (lambda x: x if x != 2.0 else 0.0, r"2\.0\) == 2\.0 holds"),
    "in a list": (lambda x: 0.0 if x in [1.0, 2.0] else x, r"== 2\.0 holds"),
    "not": (lambda x: 1.0 if not x - 2.0 else x, r"0\.0\) == 0\.0 holds"),
    "is_integer": (lambda x: x * x.is_integer(), r"is_integer\(\) of"),
    "int of a result": (lambda x: x * int(math.exp(x) + 1), r"int\(\) of \w+\(8\.38"),
    "value of what was given to a container": (
        lambda x: numpy.array([x, x], dtype=object)[1].value * x,
        r"\.value",
    ),
}


@each_verb
@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_an_error_where_it_is(verb, name):
    leaky, message = LEAKS[name]
    with pytest.raises(errors.LostDerivativeError, match=message) as caught:
        verb(leaky, strict=True)(2.0)
    assert "strict=True" in str(caught.value)
    assert "stop_gradient" in str(caught.value)
    frames = traceback.extract_tb(caught.value.__traceback__)
    where = [frame.lineno for frame in frames if frame.filename == __file__][-1]
    assert 0 <= where - leaky.__code__.co_firstlineno <= 1
    assert isinstance(caught.value, TypeError)
    verb(leaky)(2.0)  # not strict
    assert verb(lambda x: x * x, strict=True)(2.0) == 4.0


KEPT = {
    "arithmetic": lambda x: x * x + 1 / x - x**2,
    "comparisons": lambda x: x if x < 3.0 and x >= 1 and x != 7.0 else x * x,
    "an equality that does not hold": lambda x: x * x if x == 3.0 else x,
    "a condition that is true": lambda x: x * x if x else x,
    "a test for nan": lambda x: x * x if x == x else 0.0,
    "predicates": lambda x: x * math.isfinite(x) * (not math.isnan(x)) + math.isinf(x),
    "isclose": lambda x: x * math.isclose(x, 2.0),
    "steps that keep a derivative": lambda x: (
        x * fastad.floor(x) + round(x, 1) + x // 1
    ),
    "frexp, ldexp, modf": lambda x: (
        math.frexp(x)[0] + math.ldexp(x, 3) + math.modf(x)[0]
    ),
    "nextafter": lambda x: math.nextafter(x, 3.0),
    "ties": lambda x: fastad.maximum(x, 2.0) + max(x, 2.0) + fastad.clip(x, 2.0, 3.0),
    "odd points": lambda x: abs(x - 2) + fastad.relu(x - 2) + fastad.xlogy(x - 2, x),
    "text": lambda x: x * len(f"{x:.3f} {x} {x!r}"),
    "sets and dicts": lambda x: sum({x, x * 1.0}) * len({x: 1}),
    "sorting": lambda x: sorted([x, 3.0, x * x])[0],
    "stop_gradient": lambda x: x * int(stop_gradient(x)) * (stop_gradient(x) == 2.0),
    "a function with a rule": lambda x: fastad.custom_vjp(
        lambda x: x * int(x), lambda value, x: lambda seed: seed * stop_gradient(x)
    )(x),
    "other numbers": lambda x: (
        x * Var(3.0).value * int(Dual(2.0, 1.0)) * (Var(1.0) == 1.0)
    ),
}


@each_verb
@pytest.mark.parametrize("name", KEPT)
def test_what_loses_nothing_passes(verb, name):
    assert verb(KEPT[name], strict=True)(2.0) == verb(KEPT[name])(2.0)


@each_verb
def test_an_inner_level_leaks_what_is_of_a_strict_one(verb):
    """Where an inner number has an outer value, converting it loses the outer derivative."""
    for inner in VERBS.values():
        with pytest.raises(errors.LostDerivativeError, match=r"int\(\) of"):
            verb(
                lambda x, inner=inner: inner(lambda y: y * y * int(y))(x * x),
                strict=True,
            )(2.0)
        with pytest.raises(errors.LostDerivativeError, match="holds"):
            verb(lambda x, inner=inner: inner(lambda y: y * (y == x))(x), strict=True)(
                2.0
            )
        # Here the inner number is a constant of the strict level.
        found = verb(
            lambda x, inner=inner: x * inner(lambda y: y * int(y))(3.5), strict=True
        )(2.0)
        assert found == 3.0


@each_verb
def test_a_strict_inner_level(verb):
    with pytest.raises(errors.LostDerivativeError, match=r"int\(\) of"):
        grad(lambda x: verb(lambda y: y * int(y), strict=True)(x))(2.0)
    # What the outer level loses is not the inner one's.
    found = grad(lambda x: int(x) * verb(lambda y: y * y, strict=True)(x))(2.0)
    assert found == 4.0


@pytest.mark.parametrize("f", [abs, fastad.relu, lambda x: fastad.maximum(x, 0.0)])
@each_verb
def test_rules_at_odd_points_are_no_leaks(verb, f):
    """They compare, but not for the user."""
    at_odd_points = [
        lambda x: f(x) * x,
        lambda x: x**2 + fastad.xlogy(x, x + 1.0) + math.hypot(x, x),
        lambda x: fastad.where(x > 0, x, 0.0),
    ]
    for g in at_odd_points:
        twice = grad(verb(g, strict=True), strict=True)(0.0)
        assert str(twice) == str(grad(verb(g))(0.0))


@each_verb
def test_strict_ends_with_the_function(verb):
    box = []
    verb(lambda x: box.append(x) or x * x, strict=True)(2.0)
    assert box[0].value == 2.0
    with pytest.raises(errors.LostDerivativeError):
        verb(lambda x: box.append(x) or x * int(x), strict=True)(2.0)
    assert (box[1].value, int(box[1]), box[1] == 2.0) == (2.0, 2, True)
    assert verb(lambda x: x * int(x))(2.0) == 2.0
    _, pullback = vjp(lambda x: box.append(x) or x * x, 2.0, strict=True)
    assert (box[2].value, pullback(1.0)) == (2.0, (4.0,))


SECOND = {
    "hessian": lambda f, **options: fastad.hessian(f, **options)(2.0),
    "hvp": lambda f, **options: fastad.hvp(f, **options)(2.0, 1.0),
    "sparse_hessian": lambda f, **options: fastad.sparse_hessian(
        lambda x: f(x[0]), **options
    )([2.0]).toarray()[0, 0],
    "sparse_jacobian": lambda f, **options: fastad.sparse_jacobian(
        lambda x: [f(x[0])], **options
    )([2.0]).toarray()[0, 0],
}


@pytest.mark.parametrize("verb", SECOND.values(), ids=SECOND)
def test_second_order_and_sparse(verb):
    for name, (leaky, message) in LEAKS.items():
        with pytest.raises(errors.LostDerivativeError, match=message):
            verb(leaky, strict=True)
        if name != "not":
            verb(leaky)
    assert verb(lambda x: x**3, strict=True) == verb(lambda x: x**3)
    kept = KEPT["other numbers"]
    assert verb(kept, strict=True) == verb(kept)


# ---- stop_gradient ---------------------------------------------------------------------


@each_verb
def test_stop_gradient_is_a_constant_of_all_levels(verb):
    assert verb(lambda x: x * stop_gradient(x))(3.0) == 3.0
    assert verb(lambda x: stop_gradient(x) + 0.0)(3.0) == 0.0
    for inner in VERBS.values():
        found = verb(
            lambda x, inner=inner: inner(lambda y: x * y * stop_gradient(y))(x)
        )(3.0)
        assert found == 3.0


def test_stop_gradient_of_containers():
    def f(p):
        kept = stop_gradient(p)
        assert type(kept) is dict
        assert type(kept["a"]) is float
        assert kept["b"].dtype == float
        return p["a"] * kept["b"].sum() + p["b"] @ p["b"] * kept["a"]

    gradient = grad(f)({"a": 2.0, "b": numpy.array([1.0, 3.0])})
    assert gradient["a"] == 4.0
    assert gradient["b"].tolist() == [4.0, 12.0]


def test_stop_gradient_of_what_has_none():
    for x in (1, 2.5, True, [1, 2.0], (3,), numpy.arange(3), {"a": Fraction(1, 3)}):
        assert stop_gradient(x) is x
    for x in ("text", None, [1.0, "text"], 1j):
        with pytest.raises(errors.ArgumentError, match="neither a number nor"):
            stop_gradient(x)
