r"""Reverse-mode differentiation in plain Python, to be read beside a textbook.

What the C core does fast is done visibly here, and equal to the last bit: this module
is the oracle of the tests, and what the benchmarks compare with.

A function is run once, with a `Var` for each input. Every operation then makes a node.
Here are those of f(w1, w2) = w1**2 + w2**2 at (3, 4):

              z = 25             Forward sweep: each operation computes its value and,
        1.0 /        \ 1.0       on the edge to each argument, the partial derivative of
       u = 9        v = 16       the node to that argument. (Textbooks call the node the
    6.0 |              | 8.0     parent and its arguments the children.)
      w1 = 3        w2 = 4

              z: 1               Backward sweep: an adjoint is the derivative of z to a
       1*1 /        \ 1*1        node. In exactly the reverse order each node multiplies
       u: 1          v: 1        its adjoint with the partial on each edge and adds the
    1*6 |              | 1*8     product to the adjoint of the argument.
      w1: 6         w2: 8        The adjoints of the inputs are the gradient.

The order is what makes it work: when a node passes its adjoint on, everything that used
the node has passed its own. One backward sweep gives the derivatives to all inputs,
however many, for about the price of the forward sweep.

>>> w1, w2 = Var(3.0), Var(4.0)
>>> z = w1**2 + w2**2
>>> z.backward()
>>> z.value, w1.grad, w2.grad
(25.0, 6.0, 8.0)

The partial derivatives stand in csrc/ops.def, one row per operation. They are read from
the compiled core as text, such as "cos(x)" for sin, and compiled here as Python.
"""

import functools
import itertools
import math as _math
import operator
from collections.abc import Callable
from numbers import Real
from types import SimpleNamespace
from typing import Any

import numpy

from fastad import _core
from fastad.rules import compile_cell

__all__ = ["Var", "adjoints", "grad", "math", "tape", "value_and_grad"]

# ---- The rules: the rows of ops.def --------------------------------------------------

ROWS = {row.name: row for row in _core.rows()}
# What a cell calls goes on with inf or nan, as C does, where Python would raise.
CALLED = {name: functools.partial(_core.row_value, name) for name in ROWS}
CALLED |= {name: getattr(operator, name) for name in ("add", "sub", "mul", "neg")}


def partials_of(row, functions=CALLED):
    """Return the partials of a row as one function of its arguments and its value v."""
    return compile_cell(f"[{', '.join(row.partials)}]", functions)


PARTIALS = {name: partials_of(row) for name, row in ROWS.items()}

# ---- The forward sweep ---------------------------------------------------------------


class Var:
    """A number that remembers how it was computed: a node and its edges."""

    __slots__ = ("_grad", "edges", "number", "value")

    _numbers = itertools.count()

    def __init__(self, value: float, edges: Any = ()) -> None:
        self.value = float(value)
        self.edges = edges  # pairs (argument, partial); an input has none
        self.number = next(self._numbers)  # the order of computation
        self._grad = None

    @property
    def grad(self) -> float | None:
        """What the last `backward` left at this input, if any has reached it."""
        if self.edges:
            raise AttributeError("only inputs hold a gradient")
        return self._grad

    def backward(self, seed: float = 1.0, accumulate: bool = False) -> None:
        """Set, or add to, the gradients of all inputs that this Var depends on."""
        for node, adjoint in adjoints(self, seed).items():
            if not node.edges:
                before = node._grad if accumulate and node._grad is not None else 0.0
                node._grad = before + adjoint

    def __repr__(self) -> str:
        return f"Var({self.value!r})"


def value_of(x):
    """The plain number of a Var, and anything else as it is."""
    return x.value if type(x) is Var else x


def operation(function, partials):
    """Return `function`, which is one of floats, for Vars as well.

    `partials` gets its arguments and its value v, and returns one for each argument.
    """

    def apply(*arguments):
        if Var not in map(type, arguments):
            return function(*arguments)
        floats = [x.value if type(x) is Var else float(x) for x in arguments]
        value = function(*floats)
        pairs = zip(arguments, partials(*floats, v=value), strict=True)
        edges = [pair for pair in pairs if type(pair[0]) is Var]  # none for a constant
        if len(edges) > 2:
            # A node of the C core has two edges: there the others stand on a chain of
            # nodes, and the sweep meets them first.
            edges = edges[:1:-1] + edges[:2]
        return Var(value, edges)

    return apply


# ---- The backward sweep --------------------------------------------------------------


def tape(result: Var) -> list[Var]:
    """Return the nodes that a Var was computed from, in the order of computation."""
    nodes, to_visit = {result}, [result]
    while to_visit:
        for argument, _ in to_visit.pop().edges:
            if argument not in nodes:
                nodes.add(argument)
                to_visit.append(argument)
    return sorted(nodes, key=operator.attrgetter("number"))


def adjoints(result: Var, seed: float = 1.0) -> dict[Var, float]:
    """Return the derivative of a Var, times `seed`, to every node of its tape."""
    nodes = tape(result)
    adjoint = dict.fromkeys(nodes, 0.0)
    adjoint[result] = float(seed)
    for node in reversed(nodes):
        for argument, partial in node.edges:
            if adjoint[node] != 0.0 and partial != 0.0:  # 0 times infinity is 0
                adjoint[argument] += adjoint[node] * partial
    return adjoint


# ---- The verbs -----------------------------------------------------------------------


def on_each(function, x):
    """Return `x`, a number or a container, with `function` applied to each number."""
    if isinstance(x, dict):
        return {key: on_each(function, item) for key, item in x.items()}
    if isinstance(x, list | tuple):
        items = [on_each(function, item) for item in x]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    if isinstance(x, numpy.ndarray):
        items = [function(item) for item in x.ravel().tolist()]
        return numpy.array(items).reshape(x.shape)
    return function(x)


def value_and_grad(f: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """Return the function that computes the value of `f` and its gradient.

    >>> value_and_grad(lambda w: w[0] ** 2 + w[1] ** 2)([3.0, 4.0])
    (25.0, [6.0, 8.0])
    """
    positions = (argnums,) if isinstance(argnums, int) else argnums

    @functools.wraps(f)
    def value_and_gradient(*args, **kwargs):
        inputs, lifted = {}, list(args)
        for k in positions:
            inputs[k] = on_each(Var, args[k])
            lifted[k] = on_each(lambda x: x, inputs[k])  # a copy, that f may alter
        result = f(*lifted, **kwargs)
        result, aux = result if has_aux else (result, None)
        adjoint = adjoints(result) if isinstance(result, Var) else {}
        found = [on_each(lambda x: adjoint.get(x, 0.0), inputs[k]) for k in positions]
        gradient = found[0] if isinstance(argnums, int) else tuple(found)
        value = float(value_of(result))
        return ((value, on_each(value_of, aux)) if has_aux else value), gradient

    return value_and_gradient


def grad(f: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """Return the function that computes the gradient of `f`."""
    both = value_and_grad(f, argnums, has_aux)

    @functools.wraps(f)
    def gradient(*args, **kwargs):
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return gradient


# ---- The operators of Var ------------------------------------------------------------


def give_operator(symbol, apply):
    """Give Var a binary operator, on both sides of any real number."""
    numbers = (Var, float, Real)

    def on_left(self, other):
        return apply(self, other) if isinstance(other, numbers) else NotImplemented

    def on_right(self, other):
        return apply(other, self) if isinstance(other, numbers) else NotImplemented

    setattr(Var, f"__{symbol}__", on_left)
    setattr(Var, f"__r{symbol}__", on_right)


def on_values(function):
    """Return `function` for Vars, where the result is a bool, an int or a str."""
    return lambda *args, **options: function(*map(value_of, args), **options)


def round_var(x, ndigits=None):
    """The nearest int, or with `ndigits` a node with derivative 0."""
    rounded = round(x.value, ndigits)
    return rounded if ndigits is None else Var(rounded, [(x, 0.0)])


for name in ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]:
    # Python's x**y is complex for x < 0.
    function = _math.pow if name == "pow" else getattr(operator, name)
    give_operator(name, operation(function, PARTIALS[name.replace("true", "")]))
give_operator("divmod", lambda x, y: (x // y, x % y))
Var.__neg__ = operation(operator.neg, PARTIALS["neg"])
Var.__pos__ = lambda self: self
Var.__abs__ = operation(abs, PARTIALS["fabs"])
Var.__round__ = round_var
Var.__hash__ = object.__hash__  # by identity, though == goes by value
for name in ["lt", "le", "eq", "ne", "gt", "ge"]:
    setattr(Var, f"__{name}__", on_values(getattr(operator, name)))
for function in [bool, int, str, format, _math.trunc, _math.floor, _math.ceil]:
    setattr(Var, f"__{function.__name__}__", on_values(function))

# ---- Functions -----------------------------------------------------------------------


STEPS = {"ceil", "floor", "trunc"}  # ints in `math`, floats and Vars as rows


def function_of(name):
    """Return a row as a function: for floats Python's own if there is one, or C's."""
    python = None if name in STEPS else getattr(_math, name, None)
    return operation(python or _core.function(name, __name__), PARTIALS[name])


row = SimpleNamespace(**{name: function_of(name) for name in ROWS})
globals().update(vars(row))  # fastad.reference.expit, ...


def where(condition, x, y):
    """x or y: a choice, not an operation. A constant becomes an input."""
    chosen = x if condition else y
    is_constant = type(chosen) is not Var and Var in map(type, (condition, x, y))
    return Var(chosen) if is_constant else chosen


def unit_vector(x):
    """The vector divided by its length, without over- or underflow; 0 at the origin."""
    largest = max(map(abs, x))
    if largest == 0.0:
        return x
    if _math.isinf(largest):  # the limit
        x = [
            _math.copysign(1.0, item) if _math.isinf(item) else 0.0 * item for item in x
        ]
        largest = 1.0
    scaled = [_math.ldexp(item, -_math.frexp(largest)[1]) for item in x]
    return [item / _math.hypot(*scaled) for item in scaled]


def dist(p, q):
    """The distance of two points."""
    n = len(p)

    def partials(*pq, v):
        unit = unit_vector(list(map(operator.sub, pq[:n], pq[n:])))
        return [*unit, *map(operator.neg, unit)]

    return operation(lambda *pq: _math.dist(pq[:n], pq[n:]), partials)(*p, *q)


def sumprod(p, q):
    """The sum of the products of p and q, pair by pair."""
    n = len(p)
    value = _core.plain_sumprod(list(map(value_of, p)), list(map(value_of, q)))
    return operation(lambda *pq: value, lambda *pq, v: [*pq[n:], *pq[:n]])(*p, *q)


def hypot(*x):
    """The length of a vector."""
    return row.hypot(*x) if len(x) == 2 else length(*x)


length = operation(_math.hypot, lambda *x, v: unit_vector(x))
exact_sum = operation(lambda *x: _math.fsum(x), lambda *x, v: [1.0] * len(x))


def fraction(x):
    """What is behind the point, with the sign of x."""
    is_infinite = _math.isinf(value_of(x))
    return row.copysign(0.0, x) if is_infinite else row.fmod(x, 1.0)


exponent = on_values(lambda x: _math.frexp(x)[1])

# Constants, functions about ints, and prod work as they are.
math = SimpleNamespace(**vars(_math))
of_floats = (ROWS.keys() & {*vars(_math), "cbrt", "exp2", "fma"}) - STEPS
vars(math).update({name: vars(row)[name] for name in of_floats})
tests = ["isclose", "isfinite", "isinf", "isnan"]
vars(math).update({name: on_values(getattr(_math, name)) for name in tests})
vars(math).update(
    dist=dist,
    frexp=lambda x: (row.scale2(x, -exponent(x)), exponent(x)),
    fsum=lambda x: exact_sum(*x),
    hypot=hypot,
    ldexp=lambda x, n: row.scale2(x, n),
    log=lambda x, *base: row.log(x) / row.log(*base) if base else row.log(x),
    modf=lambda x: (fraction(x), row.trunc(x)),
    sumprod=sumprod,
)
