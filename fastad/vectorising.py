"""vmap: a compiled function at many points."""

import functools
import numbers
import os

from fastad import _core
from fastad.compiling import compile
from fastad.errors import ArgumentError

__all__ = ["vmap"]


def vmap(f, in_axes=0, *, workers=1, progress=False):
    """The function that evaluates `f` at many points.

    Each path through `f` is run on the points that take it, several at a time in the vector
    registers of the processor.

    Parameters
    ----------
    f : callable
        A compiled function; any other is compiled first. See `fastad.compile`.
    in_axes : int, None, or sequence of them
        For each positional argument the axis of its arrays along which the points lie, or None
        if it is the same at all points; one int is for all arguments. Keyword arguments are the
        same at all points.
    workers : int
        Threads that share the points; -1 takes as many as there are processors.
    progress : bool
        Show a bar, with tqdm.

    Returns
    -------
    callable
        With the arguments of `f`, but with arrays in place of numbers: where `f` takes a
        number, an array of shape ``(n,)``; where it takes an array of shape `s`, one of shape
        ``(n, *s)``, as far as `in_axes` does not say otherwise. It returns what `f` returns,
        with arrays of that form, in the order of the points.

    Raises
    ------
    ArgumentError
        (a TypeError) for arrays of different lengths, or something that is none.
    ResultError
        (a TypeError) if the results at two points differ in more than their numbers.

    What `f` raises at the first point where it does, is raised.

    Notes
    -----
    Values are good to a few units in the last place: the vector mathematics is fastad's own.
    A point where Python might raise an exception is evaluated by itself.

    Examples
    --------
    >>> import numpy
    >>> from fastad import math, value_and_grad, vmap
    >>> prices = vmap(value_and_grad(lambda x, y: x * math.exp(y), argnums=(0, 1)), (0, None))
    >>> prices(numpy.array([1.0, 2.0, 3.0]), 0.0)
    (array([1., 2., 3.]), (array([1., 1., 1.]), array([1., 2., 3.])))
    """
    compiled = f if isinstance(f, _core.Compiled) else compile(f)
    if not isinstance(workers, numbers.Integral) or workers == 0 or workers < -1:
        raise ArgumentError(f"workers={workers!r}: it must be a positive int, or -1")
    n_workers = (os.cpu_count() or 1) if workers == -1 else int(workers)

    @functools.wraps(compiled)
    def batched(*args, **kwargs):
        from fastad import batches

        return batches.evaluate(compiled, args, kwargs, in_axes, n_workers, progress)

    batched.function = compiled
    return batched
