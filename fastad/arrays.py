"""NumPy arrays of Vars.

NumPy keeps Vars in arrays of dtype object and calls their methods.  Where such an array
holds plain floats beside Vars, arithmetic works but `numpy.sin` does not, for a float
has no method `sin`: `asarray` makes Vars of them.
"""

from fastad._core import Number, where
from fastad.errors import ArgumentError

__all__ = ["asarray"]


def asarray(x, /):
    """x as an array of Vars if there is a Var in it, else as an array of floats.

    Parameters
    ----------
    x : number, Var, or array or sequence of them, nested
        Plain numbers beside Vars become Vars that depend on nothing.

    Returns
    -------
    numpy.ndarray
        Of dtype object, or float without Vars; `x` itself if nothing needs to change.

    Raises
    ------
    ArgumentError
        (a TypeError) for an entry that is neither a real number nor a Var.

    Examples
    --------
    >>> import numpy
    >>> from fastad import Var, asarray
    >>> x = Var(0.0)
    >>> numpy.cos(asarray([x, 0.0])).sum()
    Var(2.0)
    >>> asarray([1, 2])
    array([1., 2.])
    """
    import numpy

    array = numpy.asarray(x)
    if array.dtype.kind in "biuf":
        return array.astype(float, copy=False)
    entries = array.ravel().tolist()
    beside = next((entry for entry in entries if isinstance(entry, Number)), None)
    if beside is None:
        numbers, dtype = (constant(entry, 0.0) for entry in entries), float
    elif all(isinstance(entry, Number) for entry in entries):
        return array
    else:
        numbers, dtype = (constant(entry, beside) for entry in entries), object
    return numpy.fromiter(numbers, dtype, len(entries)).reshape(array.shape)


def constant(x, beside):
    """x if it is a Var; else a float, or a Var of its own if the number beside it is one."""
    if isinstance(x, Number):
        return x
    try:
        return where(True, x, beside)
    except TypeError:
        raise ArgumentError(
            f"{x!r}, of type {type(x).__name__}, is not a real number, and an array of "
            "Vars holds nothing else"
        ) from None
