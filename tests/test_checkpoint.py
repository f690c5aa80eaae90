"""Checkpoints: the same derivatives as without, in little memory, or an error."""

import dataclasses
import gc
import random
import warnings
from collections import namedtuple

import numpy
import pytest
import tolerances

import fastad
from fastad import (
    Dual,
    Program,
    Tape,
    Var,
    _core,
    checkpoint,
    derivative,
    errors,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    math,
    value_and_grad,
    vjp,
)

# ---- Every verb, on functions of two numbers -------------------------------------------


def plain(f):
    return f


def one_call(save):
    return save(lambda p: math.sin(p[0]) * p[1] ** 3)


def chain(save):
    @save
    def step(a, b):
        return a * math.cos(b), b + 0.1 * a * b

    def f(p):
        for _ in range(4):
            p = step(*p)
        return p[0] * p[1]

    return f


def nested(save):
    @save
    def halves(a, b, n):
        if n == 1:
            return math.tanh(a + b), b / (1.0 + a * a)
        return halves(*halves(a, b, n // 2), n - n // 2)

    return lambda p: math.exp(halves(p[0], p[1], 5)[1]) * p[0]


def twice_the_same(save):
    twice = save(lambda a, b: (a * b, a, a * b))
    return lambda p: sum(twice(p[0], p[0])) * twice(p[1], 2.0)[2] + twice(*p)[1]


def branches(save):
    @save
    def f(a, b):
        return a * b if a > b else a + fastad.maximum(a, b) ** 3

    return lambda p: f(p[0], p[1]) * f(p[1], p[0])


def partly_used(save):
    f = save(lambda a, b: {"used": a * b, "unused": a / b, "constant": 3.0, "b": b})
    return lambda p: f(*p)["used"] + f(*p)["constant"] * f(*p)["b"] ** 2


def with_rule(save):
    square = fastad.custom_vjp(lambda x: x * x)
    square.rule(lambda value, x: lambda seed: 2.0 * x * seed)
    f = save(lambda a, b: square(a) * b)
    return lambda p: f(p[0], p[1]) + f(p[1] * p[1], p[0])


def inside_a_verb(save):
    """A verb inside of a checkpoint, and a checkpoint inside of a verb."""
    inner = save(lambda x: x * math.sin(x))
    f = save(lambda a, b: grad(inner)(a) * b)
    return lambda p: f(p[0] * p[1], p[1])


def a_closure(save):
    """A number of an outer level, in a function of an inner one."""

    def f(p):
        return grad(save(lambda x: x**2 * p[0] + x * p[1]))(p[1])

    return f


FUNCTIONS = (
    *(one_call, chain, nested, twice_the_same, branches, partly_used, with_rule),
    *(inside_a_verb, a_closure),
)
FIRST_ORDER = {
    "grad": grad,
    "value_and_grad": value_and_grad,
    "vjp": lambda f: lambda p: vjp(f, p)[1](2.0),
    "jvp": lambda f: lambda p: jvp(f, (p,), ([0.5, -1.5],)),
    "jacobian": jacobian,
    "jacfwd": jacfwd,
    "jacrev": jacrev,
    "backward": lambda f: lambda p: backward(f, p),
    "compile": lambda f: fastad.compile(value_and_grad(f)),
}
SECOND_ORDER = {
    "hessian": hessian,
    "hvp": lambda f: lambda p: hvp(f)(p, [0.5, -1.5]),
    "reverse in reverse": lambda f: jacrev(grad(f)),
    "forward in reverse": lambda f: lambda p: grad(along(jacfwd(f)))(p),
    "reverse in forward": lambda f: lambda p: jvp(grad(f), (p,), ([0.5, -1.5],)),
    "jacobian": lambda f: jacobian(grad(f)),
}
THIRD_ORDER = {
    "reverse": lambda f: grad(along(grad(along(grad(f))))),
    "reverse in forward": lambda f: (
        lambda p: jvp(grad(along(grad(f))), (p,), ([0.5, -1.5],))
    ),
    "of the hessian": lambda f: grad(lambda p: along(hessian(f))(p)[0]),
}


def along(g):
    """The directional derivative from the gradient."""

    def of(p):
        a, b = g(p)
        return a * 0.5 - b * 1.5 if not isinstance(a, list) else a

    return of


def backward(f, p):
    x = [Var(number) for number in p]
    f(x).backward()
    return [v.grad for v in x]


def numbers(x):
    if isinstance(x, (list, tuple)):
        return [number for item in x for number in numbers(item)]
    return [x]


def assert_close(actual, expected, tolerance=tolerances.ELEMENTARY):
    a, b = numbers(actual), numbers(expected)
    assert len(a) == len(b)
    scale = max(map(abs, b))
    assert all(abs(x - y) <= tolerance * scale for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("verb", FIRST_ORDER)
@pytest.mark.filterwarnings("ignore::fastad.errors.NotCompiledWarning")
def test_first_order(function, verb):
    verb = FIRST_ORDER[verb]
    p = [0.7, 1.3]
    assert_close(verb(function(checkpoint))(p), verb(function(plain))(p))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("verb", SECOND_ORDER)
def test_second_order(function, verb):
    verb = SECOND_ORDER[verb]
    p = [0.7, 1.3]
    assert_close(verb(function(checkpoint))(p), verb(function(plain))(p))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("verb", THIRD_ORDER)
def test_third_order(function, verb):
    verb = THIRD_ORDER[verb]
    p = [0.7, 1.3]
    actual = verb(function(checkpoint))(p)
    assert_close(actual, verb(function(plain))(p), 10 * tolerances.ELEMENTARY)


# ---- Random functions ------------------------------------------------------------------


def random_function(seed):
    """A function of three numbers in steps, each of which is saved if `save` says so."""
    draw = random.Random(seed)
    operations = [
        lambda x, y: x + y,
        lambda x, y: x * y,
        lambda x, y: x - 0.5 * y,
        lambda x, y: math.sin(x) * y,
        lambda x, y: math.tanh(x + y),
        lambda x, y: x / (2.0 + y * y),
        lambda x, y: math.exp(-x * x) + y,
        lambda x, y: fastad.maximum(x, y),
        lambda x, y: 1.5,
    ]

    def make_block(depth):
        steps = [
            (
                draw.choice(operations),
                draw.randrange(3),
                draw.randrange(3),
                draw.randrange(3),
            )
            for _ in range(draw.randrange(1, 6))
        ]
        inner = make_block(depth - 1) if depth and draw.random() < 0.7 else None

        def block(save, state):
            state = list(state)
            for operation, to, a, b in steps:
                state[to] = operation(state[a], state[b])
            return state if inner is None else save(inner)(save, state)

        return block

    blocks = [make_block(draw.randrange(4)) for _ in range(draw.randrange(1, 4))]

    def function(save):
        def f(state):
            for block in blocks:
                state = save(block)(save, state)
            return state[0] + state[1] * state[2]

        return f

    return function


@pytest.mark.parametrize("seed", range(40))
def test_random_functions(seed):
    function = random_function(seed)
    p = [random.Random(seed).uniform(-2.0, 2.0) for _ in range(3)]
    saved, stored = function(checkpoint), function(plain)
    assert value_and_grad(saved)(p)[0] == value_and_grad(stored)(p)[0]
    for verb in (grad, jacfwd, lambda f: jacobian(grad(f)), hessian):
        assert_close(verb(saved)(p), verb(stored)(p), 10 * tolerances.ELEMENTARY)


# ---- Arguments and results -------------------------------------------------------------

Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class State:
    x: object
    n: int
    label: str = "a"


SIGNATURES = {
    "number": (lambda x: x * x, lambda x: ((x,), {})),
    "keywords": (lambda *, x, n: x * x * n, lambda x: ((), {"x": x, "n": 1})),
    "defaults": (lambda x, n=1: x * x * n, lambda x: ((x,), {})),
    "namedtuple": (lambda p: Point(p.x * p.y, 1.0), lambda x: ((Point(x, x),), {})),
    "text": (lambda x, s: [x * x, s, None], lambda x: ((x, "text"), {})),
    "ints": (lambda s: [s[0] ** len(range(s[1]))], lambda x: (([x, 2],), {})),
    "dataclass": (lambda s: s.x ** len(range(s.n)), lambda x: ((State(x, 2),), {})),
    "dict": (lambda d: {**d, "x": d["x"] ** d[2]}, lambda x: (({"x": x, 2: 2},), {})),
    "array": (lambda a: (a * a)[:1], lambda x: ((numpy.array([x, 1.0]),), {})),
    "data": (lambda x, a: x * x * a[0], lambda x: ((x, numpy.ones(3)), {})),
    "numbers and data": (
        lambda s: s[0] ** 2 * s[1][2],
        lambda x: (([x, numpy.ones(3)],), {}),
    ),
}


def first_number(y):
    while type(y) not in (Var, Dual, float):
        y = y["x"] if isinstance(y, dict) else y[0]
    return y


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("mode", [grad, derivative])
def test_signatures(name, mode):
    f, arguments = SIGNATURES[name]
    results = []

    def called(x):
        args, kwargs = arguments(x)
        results.append(checkpoint(f)(*args, **kwargs))
        results.append(f(*args, **kwargs))
        return first_number(results[0])

    assert mode(called)(3.0) == 6.0
    saved, stored = results
    assert type(saved) is type(stored)
    assert not isinstance(saved, (list, tuple, dict)) or len(saved) == len(stored)


def test_without_derivatives_it_is_the_function():
    results = []
    f = checkpoint(lambda x, **options: results.append((x, options)) or x)
    marker = [1.0]
    assert f(marker, a=1) is marker
    assert results == [([1.0], {"a": 1})]
    assert results[0][0] is marker


def test_metadata_and_methods():
    class Model:
        factor = 3.0

        @checkpoint
        def step(self, x):
            """A step."""
            return self.factor * x

    assert Model.step.__doc__ == "A step."
    assert Model.step.__name__ == "step"
    assert grad(Model().step)(2.0) == 3.0


# ---- What goes wrong -------------------------------------------------------------------


@pytest.mark.parametrize("no_function", [None, 1.0, "f"])
def test_no_function(no_function):
    with pytest.raises(errors.ArgumentError, match="is not a function"):
        checkpoint(no_function)


def test_exceptions_pass():
    error = KeyError("mine")

    @checkpoint
    def f(x):
        raise error

    for function in (f, grad(f), derivative(f), jacobian(f), hessian(f)):
        with pytest.raises(KeyError) as caught:
            function(1.0)
        assert caught.value is error
    with pytest.raises(errors.DomainError, match="log"):
        grad(checkpoint(lambda x: math.log(x)))(-1.0)


def failing_at(n, error=KeyError):
    """A checkpointed function that fails at its n-th call."""
    calls = iter(range(1, 100))

    @checkpoint
    def f(x):
        if next(calls) == n:
            raise error("at this call")
        return x * x

    return f


def test_an_exception_in_the_sweep_leaves_everything_as_it_was():
    x, f = Var(3.0), failing_at(3)
    y = f(f(x)) * x
    (x * 7.0).backward()
    with pytest.raises(KeyError):  # the outer call, then the inner one
        failing = failing_at(2)
        (failing(x) * x).backward()
    assert x.grad == 7.0
    with pytest.raises(KeyError):
        y.backward()
    assert x.grad == 7.0
    y.backward()
    assert x.grad == 5 * 3.0**4
    (2.0 * x).backward(accumulate=True)
    assert x.grad == 5 * 3.0**4 + 2.0


def test_an_exception_in_a_pullback_leaves_it_usable():
    _, pullback = vjp(failing_at(2), 3.0)
    with pytest.raises(KeyError):
        pullback(1.0)
    assert pullback(1.0) == (6.0,)


def impure_by_counting(x, counter=iter(range(100))):  # noqa: B008
    return x * next(counter)


@checkpoint
def of_two_structures(x, calls=[]):  # noqa: B006
    calls.append(1)
    return [x, x] if len(calls) % 2 else [x]


def impure_by_structure(x):
    return of_two_structures(x)[0]


@checkpoint
def overwriting(p):
    p[0] = p[0] * 2.0
    return p[0]


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (checkpoint(impure_by_counting), r"returned \[0.0\] at first, but \[2.0\]"),
        (impure_by_structure, r"returned \[2.0, 2.0\] at first, but \[2.0\]"),
        (lambda x: overwriting([x]), "overwriting changed its arguments"),
        (lambda x: overwriting({0: x}), "overwriting changed its arguments"),
        (lambda x: overwriting(numpy.array([x, 1.0])), "changed its arguments"),
    ],
)
def test_impure_functions(f, message):
    with pytest.raises(errors.ImpureFunctionError, match=message):
        grad(f)(2.0)


def test_a_function_may_change_what_it_made_itself():
    assert grad(checkpoint(lambda x: overwriting.__wrapped__([x])))(2.0) == 2.0


def of_this_level(x):
    return checkpoint(lambda y: y * x)(x * 2.0)


def handed_through(x):
    return checkpoint(lambda y: (y, x))(x * 2.0)[1]


def of_a_hidden_place(x):
    class Holder:
        value = x

    return checkpoint(lambda holder, y: y * holder.value)(Holder, x)


@pytest.mark.parametrize("f", [of_this_level, handed_through, of_a_hidden_place])
def test_closures_of_the_same_level_are_refused(f):
    with pytest.raises(errors.ResultError, match="of which it was not told"):
        grad(f)(2.0)
    x = Var(2.0)
    with pytest.raises((errors.ResultError, errors.MixedTapesError)):
        f(x).backward()
    # Where nothing is stored there is nothing to be lost.
    assert derivative(f)(2.0) in (8.0, 1.0, 4.0)


def test_a_closure_alone_is_no_argument():
    assert grad(lambda x: checkpoint(lambda c: x * c)(3.0))(2.0) == 3.0


def test_stale_numbers():
    kept = []
    grad(lambda x: kept.append(x) or x)(1.0)
    f = checkpoint(lambda x, y: x * y)
    with pytest.raises(errors.StaleVarError):
        grad(lambda x: f(x, kept[0]))(1.0)
    with pytest.raises(errors.StaleVarError):
        grad(checkpoint(lambda x: kept[0]))(1.0)


def test_recording_on_the_tape_that_is_swept():
    """What f makes of a Var of its own surroundings in the sweep is refused."""
    x = Var(2.0)
    calls = []

    @checkpoint
    def f(y):
        calls.append(y)
        if len(calls) > 1:
            x * 2.0
        return y * y

    z = f(x)
    with pytest.raises(errors.BusyTapeError, match="checkpoint"):
        z.backward()
    assert x.grad is None
    (x * 3.0).backward()
    assert x.grad == 3.0


# ---- Odd points, strictness ------------------------------------------------------------


def test_odd_points_warn_as_without():
    def f(save):
        root = save(math.sqrt)
        return lambda x: 0.0 * root(x) + x

    for save in (plain, checkpoint):
        with pytest.warns(errors.NonSmoothWarning):
            assert grad(f(save))(0.0) == 1.0
        with pytest.raises(errors.NonSmoothError):
            grad(f(save), on_nan="raise")(0.0)


def test_no_warning_where_there_is_nothing_odd():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for function in FUNCTIONS:
            grad(function(checkpoint))([0.7, 1.3])
        f = checkpoint(lambda x: (x * x, math.sqrt(x)))
        assert grad(lambda x: f(x)[0])(0.0) == 0.0
        assert grad(lambda x: f(x)[1] * 1.0)(0.0) == math.inf


def test_an_input_that_is_not_reached():
    f = checkpoint(lambda a, b: (a * 2.0, b * 3.0))
    a, b = Var(1.0), Var(1.0)
    y, z = f(a, b)
    y.backward()
    assert (a.grad, b.grad) == (2.0, None)
    z.backward()
    assert (a.grad, b.grad) == (2.0, 3.0)
    checkpoint(lambda a: a * 0.0)(a).backward()
    assert (a.grad, b.grad) == (0.0, 3.0)


def test_strict():
    f = checkpoint(lambda x: x * x.value)
    assert grad(f)(2.0) == 2.0
    with pytest.raises(errors.LostDerivativeError):
        grad(f, strict=True)(2.0)
    calls = []

    @checkpoint
    def later(x):
        calls.append(1)
        return x * (x.value if len(calls) == 2 else 2.0)

    with pytest.raises(errors.LostDerivativeError):
        grad(later, strict=True)(2.0)


# ---- Memory ----------------------------------------------------------------------------


def test_memory_is_that_of_one_call_at_a_time():
    steps = checkpoint(lambda x: steps_of(x, 1000))

    def steps_of(x, n):
        for _ in range(n):
            x = x - 1e-6 * x * x
        return x

    def blocks(f, x, n):
        for _ in range(n):
            x = f(x)
        return x

    with Tape() as tape:
        x = tape.var(2.0)
        y = blocks(steps, x, 10)
        assert tape.stats["nodes"] == 1 + 10 * 2
        y.backward()
        assert tape.stats["nodes"] == 1 + 10 * 2
        stored = steps_of(x, 10_000)
        assert tape.stats["nodes"] > 30_000
        gradient = x.grad
        stored.backward()
        assert gradient == x.grad


def test_nested_calls_take_a_logarithm_of_the_memory():
    """A loop of 2**10 steps in halves: there never are more than a few Vars."""
    sizes = []

    def steps(x, n):
        if n == 1:
            y = x * math.cos(x)
            sizes.append(_core.live_vars())
            return y
        half = checkpoint(steps)
        return half(half(x, n // 2), n - n // 2)

    grad(steps)(1.0, 2**10)
    assert len(sizes) == 2**10 * 11
    assert max(sizes) < 100


def test_collections_move_and_free():
    f = checkpoint(lambda x, y: (x * y, x + y))
    freed = []

    class Marker:
        def __del__(self):
            freed.append(1)

    x, y = Var(2.0), Var(3.0)
    results = []
    for k in range(4):
        x * y  # a dead node
        results.append(f(x, y)[k % 2])
        del results[:-2]
    marked = checkpoint(lambda x, marker: x * 2.0)(x, Marker())
    _core.collect()
    for result, expected in zip(results, [(3.0, 2.0), (1.0, 1.0)], strict=True):
        result.backward()
        assert (x.grad, y.grad) == expected
    assert not freed
    del marked, results
    _core.collect()
    fastad.checkpoint(lambda x: x)(Var(1.0))
    assert freed == [1]


@pytest.mark.parametrize(
    "how", ["verb", "tape", "backward loop", "nested", "exception"]
)
def test_nothing_is_left_behind(how):
    freed = []

    class Marker:
        def __del__(self):
            freed.append(1)

    f = checkpoint(lambda x, marker: x * x * x)
    if how == "verb":
        grad(lambda x: f(x, Marker()))(2.0)
    elif how == "nested":
        grad(grad(lambda x: f(x, Marker())))(2.0)
    elif how == "exception":
        with pytest.raises(ZeroDivisionError):
            grad(lambda x: f(x, Marker()) / 0.0)(2.0)
    elif how == "tape":
        with Tape() as tape:
            f(tape.var(2.0), Marker()).backward()
    else:
        x = Var(2.0)
        for _ in range(3):
            f(x, Marker()).backward()
            _core.collect()
        (x * x).backward()
    gc.collect()
    assert len(freed) == (3 if how == "backward loop" else 1)


def test_a_loop_of_backward_takes_constant_memory():
    f = checkpoint(lambda x: x * x)
    x = Var(2.0)
    for _ in range(20):
        for _ in range(2000):
            f(x).backward()
        assert _core.thread_stats()["nodes"] < 10**6
    assert x.grad == 4.0


def test_a_program_holds_the_operations():
    p = Program(checkpoint(lambda x: math.sin(x) * x), 2.0)
    assert [name for name, *_ in p.instructions()] == ["input", "sin", "mul"]
