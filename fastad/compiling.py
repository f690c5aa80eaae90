"""compile: functions that are recorded once and replayed without Python."""

from fastad import _core
from fastad.derivatives import differentiated_positions
from fastad.errors import ArgumentError

__all__ = ["compile"]


def compile(f=None, *, max_paths=64):
    """The function `f`, recorded at its first call and replayed in C at later ones.

    Also a decorator, with or without arguments. It composes with the verbs both ways:
    ``compile(value_and_grad(f))`` replays the derivative, too, and in ``grad(compile(f))`` a
    call of the compiled function is one operation.

    Parameters
    ----------
    f : callable
        Depends on nothing but its arguments, and has no effects. Floats among these, in lists,
        tuples, dicts, dataclasses and float arrays, are inputs; everything else (ints, text,
        functions) is compared, and the function is recorded anew for what was not there yet,
        unless that goes on and on, which a `NotCompiledWarning` says once. At a position
        that `f` differentiates an int is a float.
    max_paths : int
        How many ways through its branches are kept for one kind of arguments. Where another
        one is needed, `f` itself is called, and a `NotCompiledWarning` says so once.

    Returns
    -------
    callable
        With the arguments, results and exceptions of `f`. Its attribute `paths` lists the ways
        through `f` with their conditions, `stats` counts what happened, and `function` is `f`.

    Raises
    ------
    ImpureFunctionError
        (a RuntimeError) when it is called, if `f` does something else the second time.

    Notes
    -----
    What `f` decides on is checked in each replay: where a comparison comes out otherwise,
    another path is taken, or recorded. Where a replay gives a nan, or an exception of Python's
    may have been missed, `f` is called. Values of functions for which Python has algorithms of
    its own (such as `math.gamma`) are those of C, and differ by a few units in the last place.
    A derivative that is zero may have the other sign.

    Examples
    --------
    >>> import fastad
    >>> @fastad.compile
    ... @fastad.value_and_grad
    ... def f(p, steepness=100.0):
    ...     return (1 - p[0]) ** 2 + steepness * (p[1] - p[0] ** 2) ** 2
    >>> f([-1.2, 1.0])
    (24.199999999999996, [-215.59999999999997, -87.99999999999999])
    >>> f([1.0, 1.0])
    (0.0, [-0.0, 0.0])
    >>> f.stats["misses"], f.stats["hits"]
    (1, 1)
    """
    if f is None:
        return lambda f: compile(f, max_paths=max_paths)
    _core.check_function(f)
    if type(max_paths) is not int or max_paths < 1:
        raise ArgumentError(f"max_paths={max_paths!r}: it must be an int of at least 1")
    return _core.Compiled(f, max_paths, differentiated_positions(f))
