"""The types of the drop-in for `math`: as typeshed's, and the same for numbers of ours."""

from collections.abc import Iterable
from math import comb as comb
from math import e as e
from math import factorial as factorial
from math import gcd as gcd
from math import inf as inf
from math import isqrt as isqrt
from math import lcm as lcm
from math import nan as nan
from math import perm as perm
from math import pi as pi
from math import tau as tau
from typing import Any, SupportsIndex, overload

from fastad._core import _N, Number, _Binary, _Real, _Ternary, _Unary
from fastad._core import dist as dist
from fastad._core import fsum as fsum
from fastad._core import hypot as hypot
from fastad._core import sumprod as sumprod

acos: _Unary
acosh: _Unary
asin: _Unary
asinh: _Unary
atan: _Unary
atan2: _Binary
atanh: _Unary
cbrt: _Unary
copysign: _Binary
cos: _Unary
cosh: _Unary
degrees: _Unary
erf: _Unary
erfc: _Unary
exp: _Unary
exp2: _Unary
expm1: _Unary
fabs: _Unary
fma: _Ternary
fmod: _Binary
gamma: _Unary
lgamma: _Unary
log10: _Unary
log1p: _Unary
log2: _Unary
pow: _Binary
radians: _Unary
remainder: _Binary
sin: _Unary
sinh: _Unary
sqrt: _Unary
tan: _Unary
tanh: _Unary
ulp: _Unary

def ceil(x: _Real | Number, /) -> int: ...
def floor(x: _Real | Number, /) -> int: ...
def trunc(x: _Real | Number, /) -> int: ...
def isclose(
    a: _Real | Number,
    b: _Real | Number,
    *,
    rel_tol: _Real | Number = 1e-09,
    abs_tol: _Real | Number = 0.0,
) -> bool: ...
def isfinite(x: _Real | Number, /) -> bool: ...
def isinf(x: _Real | Number, /) -> bool: ...
def isnan(x: _Real | Number, /) -> bool: ...
@overload
def frexp(x: _Real, /) -> tuple[float, int]: ...
@overload
def frexp(x: _N, /) -> tuple[_N, int]: ...
@overload
def ldexp(x: _Real, i: int, /) -> float: ...
@overload
def ldexp(x: _N, i: int, /) -> _N: ...
@overload
def log(x: _Real, base: _Real = ..., /) -> float: ...
@overload
def log(x: _N, base: _Real | _N = ..., /) -> _N: ...
@overload
def log(x: _Real, base: _N, /) -> _N: ...
@overload
def modf(x: _Real, /) -> tuple[float, float]: ...
@overload
def modf(x: _N, /) -> tuple[_N, _N]: ...
@overload
def nextafter(
    x: _Real, y: _Real, /, *, steps: SupportsIndex | None = None
) -> float: ...
@overload
def nextafter(x: _N, y: _Real | _N, /, *, steps: SupportsIndex | None = None) -> _N: ...
@overload
def nextafter(x: _Real, y: _N, /, *, steps: SupportsIndex | None = None) -> _N: ...
def prod(iterable: Iterable[Any], /, *, start: Any = 1) -> Any: ...
