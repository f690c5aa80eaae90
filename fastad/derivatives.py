"""The verbs: functions that take a function and return its derivative."""

import functools
import weakref

from fastad import _core
from fastad.errors import ArgumentError

__all__ = ["derivative", "grad", "jvp", "value_and_grad", "vjp"]

_positions = weakref.WeakKeyDictionary()


def differentiates(f, argnums):
    """Decorates what a verb returns: named as `f`, and known to differentiate argnums."""

    def decorated(function):
        functools.update_wrapper(function, f)
        _positions[function] = tuple(argnums)
        return function

    return decorated


def differentiated_positions(f):
    """The argnums of what a verb has returned; none for any other function."""
    try:
        return _positions.get(f, ())
    except TypeError:  # nothing that can be looked up
        return ()


def value_and_grad(f, argnums=0, has_aux=False, *, on_nan="warn", strict=False):
    """The function that returns the value of `f` and its gradient, in reverse mode.

    Parameters
    ----------
    f : callable
        Takes numbers, or lists, tuples, namedtuples, dicts, dataclasses and NumPy arrays of
        numbers, nested in each other; returns one number. It is called with a `Var` in place
        of each number (an array becomes an object array of Vars).
    argnums : int or sequence of int
        The positional arguments to differentiate to. All others, and keyword arguments, are
        passed through.
    has_aux : bool
        `f` returns a pair ``(value, aux)``, of which `aux` is handed through, with floats in
        place of Vars.
    on_nan : {"warn", "raise"}
        What happens where the gradient is not defined; see `Var.backward`.
    strict : bool
        Raise an error where `f` loses a derivative: where a number that is differentiated
        becomes a plain one (``.value``, ``int()``, ``round()``, `math.floor`), or a branch may
        depend on it at one point only (an ``==`` that holds). Where this is meant,
        `fastad.stop_gradient` says so.

    Returns
    -------
    callable
        With the arguments of `f`. It returns ``(value, gradient)`` or, with `has_aux`,
        ``((value, aux), gradient)``. The gradient has the shape of the argument, floats for
        numbers and a float array for an array; for a sequence of argnums it is a tuple.

    Raises
    ------
    ArgumentError
        (a TypeError) for an argument that cannot be differentiated.
    ResultError
        (a TypeError) if `f` returns something else than one number.
    LostDerivativeError
        (a TypeError) if `strict` and a derivative is lost; the traceback shows where.

    Examples
    --------
    >>> import fastad
    >>> def f(p):
    ...     return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
    >>> fastad.value_and_grad(f)([-1.2, 1.0])
    (24.199999999999996, [-215.59999999999997, -87.99999999999999])

    SciPy takes it as it is:

    >>> import numpy, scipy.optimize
    >>> result = scipy.optimize.minimize(
    ...     fastad.value_and_grad(f), numpy.array([-1.2, 1.0]), jac=True)
    >>> [round(x, 4) for x in result.x.tolist()]
    [1.0, 1.0]
    """
    recipe = _core.Recipe(f, argnums, has_aux, on_nan, strict)

    @differentiates(f, recipe.argnums)
    def value_and_gradient(*args, **kwargs):
        return _core.value_and_gradient(recipe, args, kwargs)

    return value_and_gradient


def grad(f, argnums=0, has_aux=False, *, on_nan="warn", strict=False):
    """The function that returns the gradient of `f`: `value_and_grad` without the value.

    Returns
    -------
    callable
        With the arguments of `f`. It returns the gradient or, with `has_aux`,
        ``(gradient, aux)``.

    Examples
    --------
    >>> from fastad import grad, math
    >>> grad(math.sin)(0.0)
    1.0
    >>> grad(lambda x, y: x * y, argnums=(0, 1))(3.0, 4.0)
    (4.0, 3.0)
    """
    recipe = _core.Recipe(f, argnums, has_aux, on_nan, strict)

    @differentiates(f, recipe.argnums)
    def gradient(*args, **kwargs):
        value, gradient = _core.value_and_gradient(recipe, args, kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return gradient


def jvp(f, primals, tangents, *, strict=False):
    """The value of `f` and its derivative in one direction, in forward mode.

    Parameters
    ----------
    f : callable
        Takes and returns numbers, or lists, tuples, dicts, dataclasses and arrays of them. It
        is called with a `Dual` in place of each number whose tangent is not 0.
    primals : sequence
        The arguments of `f`.
    tangents : sequence
        The direction: for each argument something of the same shape.
    strict : bool
        Raise an error where `f` loses a derivative; see `value_and_grad`.

    Returns
    -------
    value, tangent
        Both in the shape of what `f` returns: its value, and the product of its Jacobian with
        the direction.

    Raises
    ------
    ArgumentError
        (a TypeError) if the shapes differ, or something is not a number.
    ResultError
        (a TypeError) if `f` returns something else than numbers.

    Examples
    --------
    >>> from fastad import jvp
    >>> jvp(lambda x, y: [x * y, x / y], (6.0, 2.0), (1.0, 0.0))
    ([12.0, 3.0], [2.0, 0.5])
    """
    if not isinstance(primals, (list, tuple)) or not isinstance(
        tangents, (list, tuple)
    ):
        raise ArgumentError(
            "jvp takes a tuple of arguments and a tuple of tangents: jvp(f, (x,), (1.0,))"
        )
    if len(primals) != len(tangents):
        raise ArgumentError(f"{len(primals)} arguments, but {len(tangents)} tangents")
    return _core.pushforward(f, tuple(primals), tuple(tangents), {}, strict)


def derivative(f, *, strict=False):
    """The function that returns the derivative of `f` to its first argument, a number.

    In forward mode: one run, whatever `f` returns, and without memory for the run.

    Parameters
    ----------
    f : callable
        Takes a number, and returns what `jvp` takes.
    strict : bool
        Raise an error where `f` loses a derivative; see `value_and_grad`.

    Raises
    ------
    ArgumentError, ResultError, LostDerivativeError
        (TypeErrors) as `jvp` does.

    Examples
    --------
    >>> from fastad import derivative, math
    >>> derivative(math.exp)(0.0)
    1.0
    >>> derivative(lambda t: [math.cos(t), math.sin(t)])(0.0)
    [-0.0, 1.0]
    >>> derivative(derivative(lambda x: x**3))(2.0)
    12.0
    """

    _core.check_function(f)

    @differentiates(f, (0,))
    def tangent(x, /, *args, **kwargs):
        if hasattr(x, "__len__"):
            raise ArgumentError(
                f"derivative takes one number, not {type(x).__name__}: use fastad.grad, "
                "fastad.jvp or fastad.jacobian"
            )
        _, slope = _core.pushforward(
            lambda x: f(x, *args, **kwargs), (x,), (1.0,), {}, strict
        )
        return slope

    return tangent


def vjp(f, *primals, strict=False):
    """The value of `f` and a function that pulls derivatives back, in reverse mode.

    Parameters
    ----------
    f : callable
        Takes and returns numbers, or lists, tuples, dicts, dataclasses and arrays of them.
    *primals
        The arguments of `f`.
    strict : bool
        Raise an error where `f` loses a derivative; see `value_and_grad`.

    Returns
    -------
    value
        What `f` returns, with floats in place of Vars.
    pullback : callable
        Takes a seed in the shape of the value, the derivative of some outer result to it, and
        returns a tuple with one entry for each argument, in its shape: the product of the seed
        with the Jacobian. It may be called many times; `f` has run once.

    Raises
    ------
    ArgumentError, ResultError
        As `value_and_grad` does, and for a seed of another shape.

    Examples
    --------
    >>> from fastad import vjp
    >>> value, pullback = vjp(lambda x, y: [x * y, x / y], 6.0, 2.0)
    >>> value
    [12.0, 3.0]
    >>> pullback([1.0, 0.0]), pullback([0.0, 1.0])
    ((2.0, 6.0), (0.5, -1.5))
    """
    recipe = _core.Recipe(f, range(len(primals)), False, "warn", strict)
    recording = _core.recording_of(recipe, primals, {})
    return recording.value(), recording.pull_back
