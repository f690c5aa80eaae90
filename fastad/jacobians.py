"""Jacobians and Hessians: all first or second partials of a function at once."""

import time

from fastad import _core
from fastad.derivatives import differentiates, grad
from fastad.errors import ArgumentError

__all__ = ["CostTable", "cost_table", "hessian", "hvp", "jacfwd", "jacobian", "jacrev"]

MODES = ("auto", "forward", "reverse")


def jacobian(f, argnums=0, mode="auto", *, on_nan="warn", strict=False):
    """The function that returns all first partials of `f`.

    Parameters
    ----------
    f : callable
        Takes and returns numbers, or lists, tuples, dicts, dataclasses and arrays of them.
    argnums : int or sequence of int
        The positional arguments to differentiate to.
    mode : {"auto", "forward", "reverse"}
        `f` runs once and is recorded; then sweeps over the recording, several directions at a
        time. Forward mode needs one direction for each input, reverse mode one for each
        output; "auto" takes what costs less, by counts (see `cost_table`).
    on_nan : {"warn", "raise"}
    strict : bool
        As for `fastad.grad`.

    Returns
    -------
    callable
        With the arguments of `f`. It returns the partials in the shape of what `f` returns,
        with, for each number in it, the partials in the shape of the argument. Arrays of
        shapes `s` for the result and `t` for the argument give an array of shape ``s + t``.
        For a sequence of argnums it is a tuple.

    Raises
    ------
    ArgumentError, ResultError
        (TypeErrors) for arguments that cannot be differentiated, or other results.

    Examples
    --------
    >>> from fastad import jacobian
    >>> jacobian(lambda x: [x[0] * x[1], x[0] / x[1], x[0]])([6.0, 2.0])
    [[2.0, 6.0], [0.5, -1.5], [1.0, 0.0]]
    >>> import numpy
    >>> jacobian(lambda x: numpy.cumsum(x**2))(numpy.array([1.0, 2.0]))
    array([[2., 0.],
           [2., 4.]])
    """
    if mode not in MODES:
        raise ArgumentError(
            f"mode={mode!r}: it must be one of {', '.join(map(repr, MODES))}"
        )
    recipe = _core.Recipe(f, argnums, False, on_nan, strict)

    @differentiates(f, recipe.argnums)
    def jacobian(*args, **kwargs):
        stores_all = mode != "reverse"
        return _core.recording_of(recipe, args, kwargs, stores_all).jacobian(mode)

    return jacobian


def jacfwd(f, argnums=0, *, on_nan="warn", strict=False):
    """`jacobian` in forward mode: the better one for few inputs."""
    return jacobian(f, argnums, "forward", on_nan=on_nan, strict=strict)


def jacrev(f, argnums=0, *, on_nan="warn", strict=False):
    """`jacobian` in reverse mode: the better one for few outputs."""
    return jacobian(f, argnums, "reverse", on_nan=on_nan, strict=strict)


def hessian(f, argnums=0, *, strict=False):
    """The function that returns all second partials of `f`.

    `f` runs once and is recorded as a program; its gradient is a program, too, and is
    differentiated in forward mode.

    Parameters
    ----------
    f : callable
        Takes numbers in any arrangement, as for `fastad.grad`, and returns one number.
    argnums : int or sequence of int
        The positional arguments to differentiate to.
    strict : bool
        Raise an error where `f` loses a derivative, as for `fastad.grad`.

    Returns
    -------
    callable
        With the arguments of `f`. It returns the second partials: in the shape of the argument
        and, for each number in it, again in the shape of the argument; so an array of shape
        `s` gives one of shape ``s + s``. For a sequence of argnums it is a tuple of tuples.

    Raises
    ------
    ArgumentError, ResultError
        (TypeErrors) as `fastad.grad` does.

    Examples
    --------
    >>> from fastad import hessian
    >>> hessian(lambda x: x[0] ** 2 * x[1])([3.0, 5.0])
    [[10.0, 6.0], [6.0, 0.0]]
    """
    recipe = _core.Recipe(f, argnums, False, "warn", strict)

    @differentiates(f, recipe.argnums)
    def hessian(*args, **kwargs):
        try:
            return _core.curvature_of(recipe, args, kwargs).hessian()
        except _core.NotAProgram:  # a number of an outer level: differentiate eagerly
            return jacobian(grad(f, argnums, strict=strict), argnums)(*args, **kwargs)

    return hessian


def hvp(f, argnums=0, *, strict=False):
    """The function that returns the product of the Hessian of `f` and a direction.

    For about the price of a few gradients, however many inputs there are. `f`, `argnums` and
    `strict` are as for `hessian`.

    Returns
    -------
    callable
        With the arguments of `f` and behind them the direction, which has the shape of the
        argument (for a sequence of argnums a tuple). It returns the product in that shape.

    Examples
    --------
    >>> from fastad import hvp
    >>> hvp(lambda x: x[0] ** 2 * x[1])([3.0, 5.0], [1.0, 0.0])
    [10.0, 6.0]
    """
    recipe = _core.Recipe(f, argnums, False, "warn", strict)

    @differentiates(f, (*recipe.argnums, -1))
    def product(*args, **kwargs):
        if len(args) < 2:
            raise ArgumentError(
                "hvp needs the arguments of f and a direction: hvp(f)(x, v)"
            )
        *args, direction = args
        try:
            return _core.curvature_of(recipe, tuple(args), kwargs).product(direction)
        except _core.NotAProgram:
            gradient = grad(f, argnums, strict=strict)
            return _pushed(gradient, argnums, args, kwargs, direction)

    return product


def _pushed(gradient_of, argnums, args, kwargs, direction):
    """Forward over reverse, eagerly: also with numbers of outer levels."""
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    directions = (direction,) if isinstance(argnums, int) else tuple(direction)

    def gradient(*chosen):
        lifted = list(args)
        for position, argument in zip(positions, chosen, strict=True):
            lifted[position] = argument
        return gradient_of(*lifted, **kwargs)

    chosen = tuple(args[position] for position in positions)
    return _core.pushforward(gradient, chosen, directions, {})[1]


class CostTable:
    """What each mode costs for one function: see `cost_table`.

    Attributes
    ----------
    inputs, outputs, operations : int
    rows : dict
        For "forward" and "reverse": (directions, sweeps, predicted seconds, measured seconds).
    chosen : str
        The mode that ``mode="auto"`` takes.
    """

    def __init__(self, inputs, outputs, operations, rows, chosen):
        self.inputs, self.outputs, self.operations = inputs, outputs, operations
        self.rows, self.chosen = rows, chosen

    def __repr__(self):
        lines = [
            f"{self.inputs} inputs, {self.outputs} outputs, {self.operations} operations",
            "mode     directions  sweeps    predicted     measured",
        ]
        for mode, (directions, sweeps, predicted, measured) in self.rows.items():
            mark = "  <- auto" if mode == self.chosen else ""
            lines.append(
                f"{mode:8} {directions:10} {sweeps:7} "
                f"{_time(predicted)} {_time(measured)}{mark}"
            )
        return "\n".join(lines)


def _time(seconds):
    return f"{seconds * 1e6:9.1f} us"


def cost_table(f, *args, argnums=0):
    """Which mode should one choose? The answer for this function at these arguments.

    Forward mode costs one direction per input, reverse mode one per output; the table shows
    for both what the sweeps over one recording of `f` should take, and what they do take on
    this machine.

    Returns
    -------
    CostTable
        Printed, it is a table.

    Examples
    --------
    >>> from fastad import cost_table
    >>> table = cost_table(lambda x: sum(a * a for a in x), [1.0] * 1000)
    >>> table.chosen
    'reverse'
    >>> print(table)                                            # doctest: +SKIP
    1000 inputs, 1 outputs, 2000 operations
    mode     directions  sweeps    predicted     measured
    forward        1000      63     489.0 us     537.5 us
    reverse           1       1       3.3 us      11.8 us  <- auto
    """
    recipe = _core.Recipe(f, argnums, False, "warn")
    recording = _core.Recording(recipe, args, {}, stores_all=True)
    inputs, outputs, nodes = recording.counts
    rows = {}
    for mode, (directions, sweeps, predicted) in recording.costs().items():
        rows[mode] = directions, sweeps, predicted, _seconds(recording, mode)
    chosen = min(rows, key=lambda mode: rows[mode][2])
    return CostTable(inputs, outputs, nodes - inputs, rows, chosen)


def _seconds(recording, mode):
    """The shortest of a few tries."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        recording.jacobian(mode)
        times.append(time.perf_counter() - start)
    return min(times)
