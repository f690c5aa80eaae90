"""Drop-in for the standard `math`: every name of it, for floats and for Vars.

Floats in give floats out, the very ones of `math`, and its exceptions. With a `Var` among the
arguments the result is a Var; functions that return an int or a bool (`floor`, `ceil`,
`trunc`, `isnan`, ...) do so for a Var, too, and functions about ints are `math`'s own. Names
that newer Pythons have (`cbrt`, `exp2`, `fma`, `sumprod`) exist on every Python.

>>> from fastad import Var, math
>>> math.sqrt(2.0)
1.4142135623730951
>>> x = Var(2.0)
>>> y = math.sqrt(x) * math.log(x, 10)
>>> y.backward()
>>> round(x.grad, 12)
0.413522748823
"""

import math as _math

from fastad import _core
from fastad._core import dist, fsum, hypot, sumprod

# Functions of one row of csrc/ops.def.
_ROWS = (
    "acos acosh asin asinh atan atan2 atanh cbrt copysign cos cosh degrees erf erfc exp exp2 "
    "expm1 fabs fma fmod gamma lgamma log log10 log1p log2 pow radians remainder sin sinh sqrt "
    "tan tanh ulp"
).split()

# What needs nothing of ours: constants, functions about ints, and those that only ask a
# number for its __floor__, its comparisons or its products.
_PLAIN = (
    "ceil comb e factorial floor gcd inf isqrt lcm nan perm pi prod tau trunc"
).split()

globals().update({name: getattr(_math, name) for name in _PLAIN})
globals().update({name: _core.function(name, __name__) for name in _ROWS})

_ours = (_core.Var, _core.Dual)
_ldexp = _core.function("scale2", __name__)
_maximum = _core.function("maximum", __name__)
_nextafter = _core.function("nextafter", __name__)


# Only for exceptions, and for what is decided by comparisons afterwards: these a program that
# is being recorded knows of.
def _value(x):
    return _core.plain_value(x) if isinstance(x, _ours) else x


def frexp(x, /):
    """The mantissa m and the exponent e (an int) with x == m * 2**e and 0.5 <= abs(m) < 1."""
    if not isinstance(x, _ours):
        return _math.frexp(x)
    mantissa, exponent = _math.frexp(_value(x))
    if 0.5 <= abs(mantissa) < 1.0:
        lower = _math.ldexp(0.5, exponent)
        lower <= abs(x) < 2.0 * lower
    elif mantissa == 0.0:
        0.0 <= x <= 0.0
    else:
        isfinite(x)
    return ldexp(x, -exponent), exponent


def modf(x, /):
    """The fractional and the integral part of x, both with its sign."""
    if not isinstance(x, _ours):
        return _math.modf(x)
    fraction = copysign(0.0, x) if isinf(x) else fmod(x, 1.0)
    return fraction, x.trunc()


def ldexp(x, i, /):
    """x * 2**i, for an int i."""
    if not isinstance(x, _ours):
        return _math.ldexp(x, i)
    try:
        _math.ldexp(_value(x), i)
    except OverflowError:
        _core.note_exception(x)
        raise
    return _ldexp(x, max(-5000, min(i, 5000)))


def nextafter(x, y, /, *, steps=None):
    """The next float after x towards y; from Python 3.12 on `steps` floats further."""
    further = {} if steps is None else {"steps": steps}
    if not isinstance(x, _ours) and not isinstance(y, _ours):
        return _math.nextafter(x, y, **further)
    if steps is None:
        return _nextafter(x, y)
    return _core.with_value(_math.nextafter(_value(x), _value(y), **further), x, y)


def isclose(a, b, *, rel_tol=1e-09, abs_tol=0.0):
    """Whether a and b are close in value."""
    close = _math.isclose(
        _value(a), _value(b), rel_tol=_value(rel_tol), abs_tol=_value(abs_tol)
    )
    if not _core.is_recording():
        return close
    if a <= b <= a or not (isfinite(a) and isfinite(b)):
        return close
    return abs(a - b) <= _maximum(abs(rel_tol * _maximum(abs(a), abs(b))), abs_tol)


def isfinite(x, /):
    """Whether x is neither an infinity nor a nan."""
    return -inf < x < inf if isinstance(x, _ours) else _math.isfinite(x)


def isinf(x, /):
    """Whether x is an infinity."""
    if not isinstance(x, _ours):
        return _math.isinf(x)
    return not isfinite(x) and not isnan(x)


def isnan(x, /):
    """Whether x is a nan."""
    return x != x if isinstance(x, _ours) else _math.isnan(x)
