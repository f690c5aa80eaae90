"""Memory for time: calls that are recorded again in the sweep instead of being stored."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from fastad import _core

__all__ = ["checkpoint"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def checkpoint(f: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """The function `f`, of whose calls only arguments and result are stored.

    In reverse mode, memory grows with the length of a run. A call of a checkpointed function
    takes a kilobyte or two, however long it runs; the sweep, when it comes to it, calls `f`
    once more, sweeps what that records, and forgets it again. The derivatives are the same.

    A loop of n steps in blocks of √n needs memory for about √n steps, and runs twice. Calls
    nest: a function that halves a loop and calls itself, checkpointed, on both halves needs
    memory for a few steps only, and runs log n times.

    Parameters
    ----------
    f : callable
        Takes and returns anything. Numbers are differentiated that are in lists, tuples, dicts,
        dataclasses and arrays, nested in each other; everything else is passed through. What
        `f` returns must depend on its arguments alone, and it must not change them.

    Returns
    -------
    callable
        It takes and returns what `f` does. Where no single reverse sweep follows it simply
        calls `f`: with plain numbers, in forward mode, and wherever operations themselves are
        recorded (`Program`, `compile`, `hessian`, the sparse derivatives, and `jacobian` but
        for ``mode="reverse"``). In nested derivatives the innermost level is spared.

    Raises
    ------
    ArgumentError
        (a TypeError) if `f` is not a function.
    ResultError
        (a TypeError) from a call, if `f` computes with a `Var` that it was not passed.
    ImpureFunctionError
        (a RuntimeError) from a call that changes its arguments; and from the sweep, if `f`
        returns something else at its second call.

    Examples
    --------
    Twenty blocks of a hundred steps: there are never more than a few hundred operations in
    memory, of 6000.

    >>> from fastad import checkpoint, grad
    >>> @checkpoint
    ... def steps(x, dt, n):
    ...     for _ in range(n):
    ...         x = x - dt * x**3
    ...     return x
    >>> def f(x):
    ...     for _ in range(20):
    ...         x = steps(x, 1e-3, 100)
    ...     return x
    >>> round(grad(f)(2.0), 6)
    0.014165
    """
    _core.check_function(f)

    @functools.wraps(f)
    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        return _core.call_checkpointed(f, args, kwargs)

    return call
