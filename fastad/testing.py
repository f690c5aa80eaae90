"""For users' tests: `check_grad` compares derivatives with differences of values."""

import math
import sys
from collections.abc import Callable
from typing import Any

from fastad import _core
from fastad.derivatives import jvp, vjp
from fastad.errors import ArgumentError

__all__ = ["check_grad"]

EPSILON, TINY = sys.float_info.epsilon, sys.float_info.min


def check_grad(
    f: Callable[..., Any], *args: Any, order: int = 1, rtol: float = 1e-6
) -> float:
    """Check that the derivatives of `f` at these arguments are right.

    Each partial is computed in forward and in reverse mode and compared with what differences
    of the values of `f` yield, called with floats. These are extrapolated from steps of many
    sizes, and know how accurate they are themselves.

    Parameters
    ----------
    f : callable
        Takes and returns numbers, or lists, tuples, dicts, dataclasses and arrays of them.
    *args
        The arguments. `f` must be smooth there and defined on both sides of each number, for a
        step however small.
    order : int
        Up to which order to check: with 2, also the derivatives of the gradient.
    rtol : float
        By how much a partial may be wrong, relative to itself.

    Returns
    -------
    float
        The largest relative difference found, beyond what the differences leave open.

    Raises
    ------
    AssertionError
        With a table of the partials that are wrong, or that the differences cannot tell,
        because `f` is noisy or not smooth.
    ArgumentError, ResultError
        (TypeErrors) for arguments and results that `fastad.vjp` does not take.

    Notes
    -----
    About twenty calls of `f` for each number in the arguments. The differences are central
    ones, extrapolated as by L. F. Richardson (1911); the best of them is chosen as by
    C. J. F. Ridders, Advances in Engineering Software 4 (1982) 75-76.

    Examples
    --------
    >>> from fastad import math
    >>> from fastad.testing import check_grad
    >>> check_grad(lambda p: math.sin(p[0]) * p[1], [1.0, 2.0]) < 1e-9
    True

    A rule with the wrong sign:

    >>> from fastad import custom_jvp
    >>> cos = custom_jvp(math.cos, lambda value, x: lambda dx: math.sin(x) * dx)
    >>> check_grad(lambda x: [x, cos(x)], 1.0)
    Traceback (most recent call last):
        ...
    AssertionError: 1 of 2 derivatives of order 1 of <lambda> is wrong
    result  argument  forward     reverse     differences...off by
    [1]     0         0.84147...  0.84147...  -0.84147...   2
    """
    if order < 1:
        raise ArgumentError(f"order={order}: the order must be at least 1")
    worst = _check_first_order(f, args, rtol, 1)
    for k in range(2, order + 1):
        f = _gradient_of(f)
        worst = max(worst, _check_first_order(f, args, rtol, k))
    return worst


def _gradient_of(f):
    """The gradient of a weighted sum of the results, as a function."""

    def gradient(*args):
        value, pullback = vjp(f, *args)
        outputs, form = _core.taken_apart(value)
        return pullback(form.arrange(math.cos(k) for k in range(len(outputs))))

    gradient.__name__ = getattr(f, "__name__", "f")
    return gradient


def _check_first_order(f, args, rtol, order):
    point, arguments = _core.taken_apart(args)
    value, pullback = vjp(f, *args)
    outputs, result = _core.taken_apart(value)

    def plain(numbers):
        return _core.taken_apart(f(*arguments.arrange(numbers)))[0]

    n, entries = len(point), []
    rows = [
        _core.taken_apart(pullback(result.arrange(_unit(len(outputs), k))))[0]
        for k in range(len(outputs))
    ]
    center = plain(point)
    if len(center) != len(outputs) or not all(
        _agree(*entry, point) for entry in zip(center, outputs, rows, strict=True)
    ):
        raise AssertionError(
            f"{_name(f)} returns {f(*args)!r} for floats, but {value!r} when it is "
            "differentiated"
        )
    for j, argument in enumerate(_places(arguments)):
        direction = arguments.arrange(_unit(n, j))
        column = _core.taken_apart(jvp(f, args, direction)[1])[0]
        slopes = _slopes(plain, point, j, center, rtol)
        for k, place in enumerate(result.places()):
            entries.append(
                _Entry(place, argument, column[k], rows[k][j], slopes[k], rtol)
            )
    wrong = [entry for entry in entries if entry.is_wrong]
    if wrong:
        raise AssertionError(_report(wrong, len(entries), _name(f), order))
    return max((entry.difference for entry in entries), default=0.0)


def _agree(plain, recorded, gradient, point):
    """Whether two values differ by no more than rounding in the arguments makes of them."""
    if plain == recorded or (plain != plain and recorded != recorded):
        return True
    size = abs(plain) + sum(
        abs(slope * x) for slope, x in zip(gradient, point, strict=True)
    )
    return abs(plain - recorded) <= 1e-9 * size


def _unit(n, k):
    return [float(i == k) for i in range(n)]


def _name(f):
    return getattr(f, "__name__", None) or repr(f)


def _places(arguments):
    """'0[1]' for number 1 of argument 0."""
    return [place[1:].replace("]", "", 1) for place in arguments.places()]


# ---- Differences ---------------------------------------------------------------------


class _Slope:
    """The derivative of one output to one input, from ever smaller steps."""

    def __init__(self, center):
        self.center = center
        self.value = math.nan
        self.error = math.inf  # how wrong the value may be
        self.is_settled = False
        self._rough = 0.0  # the slopes to both sides at the first step
        self._bend = 0.0  # how far off the straight line the last two values were
        self._levels = []  # of the last step: differences, extrapolated 0, 1 and 2 times
        self._quality = (
            math.inf
        )  # of the value: its error relative to the slopes beside it

    def add(self, step, below, above):
        """Take in the values one step to each side; the steps shrink by 4 each time."""
        if not (math.isfinite(below) and math.isfinite(above)):
            self._levels = []
            return
        before, levels = self._levels, [(above - below) / (2 * step)]
        for k, larger in enumerate(before[:2]):
            levels.append(levels[k] + (levels[k] - larger) / (16 ** (k + 1) - 1))
        self._levels = levels
        # Beside a flat point the derivative is small, but not the slopes to both sides.
        slope = max(abs(above - self.center), abs(self.center - below)) / step
        self._rough = self._rough or slope
        larger_bend = self._bend
        self._bend = abs((above - self.center) + (below - self.center))
        if len(before) < 3:
            return
        size = max(abs(below), abs(self.center), abs(above))
        rounding = 4 * EPSILON * size / step
        change = abs(levels[2] - levels[1]) + abs(levels[2] - before[2])
        error = change + rounding
        if self._bend > max(larger_bend / 2, 30 * rounding * step):
            error += self._bend / step  # the step leaps over what f does around here
        quality = error / max(abs(levels[2]), slope, 1e-6 * self._rough, rounding, TINY)
        if quality < self._quality:
            self.value, self.error, self._quality = levels[2], error, quality
            self.is_settled = change <= 30 * rounding or quality <= 1e-4

    def is_good(self, rtol):
        return self.error <= 1e-3 * rtol * abs(self.value)


def _slopes(f, point, j, center, rtol):
    """The derivatives of all outputs to input j, as far as differences tell them."""
    x, slopes = point[j], [_Slope(y) for y in center]
    step, smallest = max(abs(x), 1.0) / 8, 256 * math.ulp(x) if x else 1e-18
    while step > smallest and not all(slope.is_good(rtol) for slope in slopes):
        sides = x - step, x + step
        try:
            below, above = (f([*point[:j], side, *point[j + 1 :]]) for side in sides)
        except Exception:  # it runs at x: so whatever it is, the step leaves the domain
            # As near as the size of x allows, if that was too far.
            below = above = [math.nan] * len(slopes)
            step = min(step, abs(x) / 2 or step)
        if len(below) != len(slopes) or len(above) != len(slopes):
            raise AssertionError("the number of results depends on the arguments")
        for slope, low, high in zip(slopes, below, above, strict=True):
            slope.add((sides[1] - sides[0]) / 2, low, high)
        step /= 4
    return slopes


# ---- The report ----------------------------------------------------------------------


class _Entry:
    """One partial: the derivative of one result to one number in the arguments."""

    def __init__(self, result, argument, forward, reverse, slope, rtol):
        self.place = result, argument
        self.modes = forward, reverse
        self.slope = slope
        self.difference = max(map(self._difference, self.modes))
        self.is_wrong = not slope.is_settled or self.difference > rtol

    def _difference(self, found):
        """Relative, as far as it exceeds what the differences leave open."""
        if not math.isfinite(found - self.slope.value):
            return math.inf
        excess = abs(found - self.slope.value) - 10 * self.slope.error
        return max(excess, 0.0) / max(abs(found), abs(self.slope.value), TINY)

    def cells(self):
        """The entry as a line of the table."""
        numeric = f"{self.slope.value!r} +- {self.slope.error:.1e}"
        off = f"{self.difference:.2g}"
        if math.isnan(self.slope.value):
            numeric, off = "f is not defined on both sides", "?"
        elif not self.slope.is_settled:
            numeric, off = f"{numeric}: f is noisy or not smooth here", "?"
        return [*self.place, *map(repr, self.modes), numeric, off]


MOST_LINES = 20


def _report(wrong, n_entries, name, order):
    """The text of the error."""
    head = "result", "argument", "forward", "reverse", "differences", "off by"
    table = [head, *(entry.cells() for entry in wrong[:MOST_LINES])]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    are_wrong = "is wrong" if len(wrong) == 1 else "are wrong"
    if not all(entry.slope.is_settled for entry in wrong):
        are_wrong += ", or f has a kink or jump here"
    lines = [
        f"{len(wrong)} of {n_entries} derivatives of order {order} of {name} {are_wrong}"
    ]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    if len(wrong) > MOST_LINES:
        lines.append(f"... and {len(wrong) - MOST_LINES} more")
    return "\n".join(lines)
