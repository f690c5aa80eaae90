"""Functions with derivatives of their own: calls into compiled libraries, implicit functions.

What fastad cannot see into, it cannot differentiate. A rule says what the derivative is:

>>> import scipy.special
>>> from fastad import custom_jvp, derivative, grad
>>> j0 = custom_jvp(scipy.special.j0)
>>> j1 = custom_jvp(scipy.special.j1)
>>> @j0.rule
... def _(value, x):
...     return lambda dx: -j1(x) * dx
>>> @j1.rule
... def _(value, x):
...     return lambda dx: (j0(x) - value / x) * dx
>>> round(grad(j0)(2.0), 12)
-0.576724807757

A rule that is made of what fastad can differentiate, such as these two of each other, makes
derivatives of any order:

>>> round(derivative(grad(j0))(2.0), 12)
0.064471624737
"""

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Generic, ParamSpec, TypeVar

from fastad import _core
from fastad.errors import ArgumentError, LostDerivativeError

__all__ = ["custom_jvp", "custom_vjp"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Rule = TypeVar("_Rule", bound=Callable[..., Callable[..., Any]])


class _FunctionWithRule(Generic[_Arguments, _Result]):
    """A function that has a rule; `reverse` says in which direction it goes."""

    reverse: ClassVar[bool]

    def __init__(
        self,
        function: Callable[_Arguments, _Result],
        rule: Callable[..., Callable[..., Any]] | None = None,
    ) -> None:
        if not callable(function):
            raise ArgumentError(f"{function!r} is not a function")
        functools.update_wrapper(self, function)
        self.function = function
        self._rule = None
        if rule is not None:
            self.rule(rule)

    def __call__(self, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        return _core.call_with_rule(self, args, kwargs)

    def rule(self, rule: _Rule) -> _Rule:
        """Set the rule: a decorator, which returns `rule` itself."""
        if not callable(rule):
            raise ArgumentError(f"{rule!r} is not a function")
        self._rule = rule
        return rule

    def find_rule(self) -> Callable[..., Callable[..., Any]]:
        """The rule, or an error that says how to set it."""
        if self._rule is not None:
            return self._rule
        name = getattr(self, "__name__", "it")
        raise LostDerivativeError(
            f"{name} has no rule, without which its derivative would be lost: write one below "
            f"@{name}.rule"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, '__name__', self.function)!s}>"


class custom_vjp(_FunctionWithRule[_Arguments, _Result]):
    """A function with a rule for reverse mode: how to pull derivatives back through it.

    Parameters
    ----------
    function : callable
        Takes and returns numbers, or lists, tuples, dicts, dataclasses and arrays of them. It
        is called with floats, whoever calls and whatever is differentiated. Arguments that
        hold no numbers and keyword arguments are passed through.
    rule : callable, optional
        It can as well be set later, with the decorator `rule`. It is called with the value and
        the arguments, ``rule(value, *args, **kwargs)``, and returns a function, the pullback
        (as `fastad.vjp` does). ``pullback(seed)`` takes something in the shape of the value,
        the derivative of some outer result to it, and returns a tuple with one entry for each
        argument, in its shape: the derivative of that result to the argument. Where there is
        one argument only, the entry itself will do, and None will do for an argument that
        holds no numbers. The rule has to do with floats, and if it can be differentiated
        itself, so can the derivative.

    Raises
    ------
    LostDerivativeError
        (a TypeError) when the function is differentiated but has no rule; or twice, but its
        rule cannot be differentiated.
    ResultError
        (a TypeError) when the pullback returns something of another shape; or when the
        function or the rule compute with numbers that were not passed as arguments.

    Notes
    -----
    The pullback is called while the function is recorded, once for each number in the value.
    Where there are many of these and few in the arguments, `custom_jvp` is the cheaper one.

    Examples
    --------
    A linear system: the library solves it, and its transposed system pulls back.

    >>> import numpy
    >>> from fastad import custom_vjp, grad
    >>> @custom_vjp
    ... def solve(a, b):
    ...     return numpy.linalg.solve(a, b)
    >>> @solve.rule
    ... def _(x, a, b):
    ...     def pullback(seed):
    ...         y = solve(a.T, seed)
    ...         return -numpy.outer(y, x), y
    ...     return pullback
    >>> a, b = numpy.array([[2.0, 1.0], [1.0, 3.0]]), numpy.array([1.0, 2.0])
    >>> grad(lambda b: solve(a, b)[0])(b)
    array([ 0.6, -0.2])
    """

    reverse = True


class custom_jvp(_FunctionWithRule[_Arguments, _Result]):
    """A function with a rule for forward mode: how it carries tangents along.

    Parameters
    ----------
    function : callable
        As for `custom_vjp`.
    rule : callable, optional
        It can as well be set later, with the decorator `rule`. It is called with the value and
        the arguments, ``rule(value, *args, **kwargs)``, and returns a function, the
        pushforward: ``pushforward(*tangents)`` takes for each argument something in its shape
        (None for one that holds no numbers), the direction in which the arguments move, and
        returns the derivative of the value in this direction, in its shape.

    Raises
    ------
    LostDerivativeError, ResultError
        As for `custom_vjp`.

    Notes
    -----
    In reverse mode the pushforward is called while the function is recorded, once for each
    number in the arguments that is differentiated. Where there are many of these and few in
    the value, `custom_vjp` is the cheaper one.

    Examples
    --------
    A function that is defined implicitly, by w * exp(w) == x:

    >>> import scipy.special
    >>> from fastad import custom_jvp, grad, math
    >>> w = custom_jvp(lambda x: scipy.special.lambertw(x).real)
    >>> @w.rule
    ... def _(value, x):
    ...     return lambda dx: dx / (math.exp(value) * (1 + value))
    >>> round(grad(w)(2.0), 12), round(grad(grad(w))(2.0), 12)
    (0.230109837493, -0.08153219555)
    """

    reverse = False
