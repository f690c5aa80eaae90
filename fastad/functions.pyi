"""The types of the mathematics beyond `math`."""

from typing import overload

from fastad._core import _N, _Binary, _Real, _Unary
from fastad._core import fsum as fsum
from fastad._core import logsumexp as logsumexp
from fastad._core import norm as norm
from fastad._core import sumprod as sumprod
from fastad._core import where as where

__all__ = [
    "ceil",
    "clip",
    "digamma",
    "erfinv",
    "expit",
    "floor",
    "fsum",
    "logaddexp",
    "logit",
    "logsumexp",
    "maximum",
    "minimum",
    "norm",
    "polygamma",
    "relu",
    "rint",
    "sign",
    "softplus",
    "sumprod",
    "trunc",
    "where",
    "xlogy",
]

ceil: _Unary
digamma: _Unary
erfinv: _Unary
expit: _Unary
floor: _Unary
logaddexp: _Binary
logit: _Unary
maximum: _Binary
minimum: _Binary
polygamma: _Binary
relu: _Unary
rint: _Unary
sign: _Unary
softplus: _Unary
trunc: _Unary
xlogy: _Binary

@overload
def clip(x: _Real, low: _Real | None, high: _Real | None, /) -> float: ...
@overload
def clip(x: _N, low: _Real | _N | None, high: _Real | _N | None, /) -> _N: ...
