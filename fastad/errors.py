"""The exceptions and warnings of fastad: one class per cause.

Each is also the builtin exception that people expect, so ``except ValueError`` around a
``math.log`` goes on working when the argument becomes a `Var`.

>>> import fastad
>>> try:
...     fastad.math.log(fastad.Var(-2.0))
... except ValueError as error:
...     print(type(error).__name__, error, sep=": ")
DomainError: log(-2.0): the argument must be positive
"""

__all__ = [
    "ArgumentError",
    "BusyTapeError",
    "DivisionByZeroError",
    "DomainError",
    "FastadError",
    "FileFormatError",
    "ImpureFunctionError",
    "LostDerivativeError",
    "MixedTapesError",
    "NonSmoothError",
    "NonSmoothWarning",
    "NotAnInputError",
    "NotCompiledWarning",
    "OutOfMemoryError",
    "PathError",
    "RangeError",
    "ResultError",
    "StaleVarError",
]


class FastadError(Exception):
    """What all of fastad's exceptions have in common."""


class DomainError(FastadError, ValueError):
    """An operation has no (real) value at its arguments, such as ``log(-2.0)``."""


class DivisionByZeroError(FastadError, ZeroDivisionError):
    """A division, a remainder or a negative power of zero."""


class RangeError(FastadError, OverflowError):
    """A value too large for a float, where Python raises OverflowError."""


class StaleVarError(FastadError, RuntimeError):
    """A `Var` whose tape has been closed or recycled."""


class MixedTapesError(FastadError, RuntimeError):
    """One operation on Vars of two tapes that do not nest."""


class BusyTapeError(FastadError, RuntimeError):
    """A tape that another thread is sweeping."""


class LostDerivativeError(FastadError, TypeError):
    """A conversion of a `Var` that would lose its derivative, such as ``float(v)``."""


class NotAnInputError(FastadError, AttributeError):
    """``.grad`` of something that is the result of an operation."""


class ArgumentError(FastadError, TypeError):
    """An argument that cannot be differentiated, or options that do not fit."""


class ResultError(FastadError, TypeError):
    """A function to be differentiated returned something else than one number."""


class FileFormatError(FastadError, ValueError):
    """A file that holds no program, or not one that this version can read."""


class OutOfMemoryError(FastadError, MemoryError):
    """The tape could not grow; it is as it was before."""


class PathError(FastadError, ValueError):
    """A program is run for arguments for which its function takes another path."""


class ImpureFunctionError(FastadError, RuntimeError):
    """A compiled or checkpointed function did something else when it was called again."""


class NonSmoothError(FastadError, ArithmeticError):
    """A derivative is not defined, and ``on_nan="raise"`` was asked for."""


class NonSmoothWarning(UserWarning):
    """In a backward sweep an exact zero met an infinite or undefined partial."""


class NotCompiledWarning(UserWarning):
    """Calls of a compiled function run as those of the function itself, and as slowly."""
