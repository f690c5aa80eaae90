"""Whether fastad does with Vars what Python does with floats.

An outcome is what a call returned or the exception that it raised.  `disagreements`
calls a function with floats, Vars and Duals and lists where the outcomes differ: values
to the last bit, with the sign of a zero; exceptions by their class.
"""

import struct
import sys
from itertools import product

from fastad import Dual, Var

INF, NAN = float("inf"), float("nan")

# Zeros, ties, halves, the ends of the range, and what other libraries were wrong about:
# -5.5 % 2, 1.0 // 0.1, round(2.5), int(1e12), repr(1e-9).
FLOATS = [
    *(0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.0, -2.0, 2.5, -2.5, 3.0, -3.0),
    *(0.1, 1 / 3, -5.5, 7.25, 1e-9, 1e12, 710.0, -745.5),
    *(5e-324, -5e-324, 1e-310, -sys.float_info.min, 1e-160, 1e160),
    *(2.0**52 + 0.5, 2.0**53 - 1, 2.0**53, 2.0**53 + 2, -(2.0**63), 1e22),
    *(1e308, -1e308, sys.float_info.max, INF, -INF, NAN),
]


def outcome(f, *args, **kwargs):
    """What f returns, or the exception that it raises."""
    try:
        return f(*args, **kwargs)
    except Exception as error:
        return error


def bits(x):
    """A float's bits as an int; the same ones for every nan."""
    return struct.unpack("<q", struct.pack("<d", x if x == x else NAN))[0]


def is_same_float(x, y):
    return type(x) is type(y) is float and bits(x) == bits(y)


def agrees(ours, python):
    """Whether our outcome is Python's, with a Var or Dual in place of each float."""
    if isinstance(python, Exception):
        return isinstance(ours, type(python))
    if isinstance(python, tuple):
        return (
            type(ours) is tuple
            and len(ours) == len(python)
            and all(map(agrees, ours, python))
        )
    if type(python) is float:
        return type(ours) in (Var, Dual) and is_same_float(ours.value, python)
    return type(ours) is type(python) and ours == python


def dual(x):
    return Dual(x, 1.0)


def with_vars(args):
    """args with Vars, or Duals, in place of some of the floats: every way to do so."""
    for lift in (Var, dual):
        choices = [(x, lift(x)) if type(x) is float else (x,) for x in args]
        yield from (xs for xs in product(*choices) if any(map(is_ours, xs)))


def is_ours(x):
    return type(x) in (Var, Dual)


def disagreements(f, points, python=None):
    """Where f of Vars and Duals differs from python, or f itself, of floats."""
    python = python or f
    found = []
    for args in points:
        expected = outcome(python, *args)
        for chosen in with_vars(args):
            ours = outcome(f, *chosen)
            if not agrees(ours, expected):
                found.append(f"{chosen}: {ours!r}, and for floats {expected!r}")
    return found
