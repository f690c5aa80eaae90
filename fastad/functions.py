"""Mathematics beyond the standard `math`: `fastad.expit`, `fastad.where`, `fastad.norm`, ...

Like those of `fastad.math`, these functions take floats and give floats, and take a `Var`
anywhere and give a Var. Unlike `math.floor` and its kin, `floor`, `ceil`, `trunc` and `rint`
here return a float or a Var, with derivative 0.

>>> from fastad import Var, expit, grad, maximum
>>> expit(0.0)
0.5
>>> grad(expit)(0.0)
0.25
>>> grad(lambda x: maximum(x, 2.0))(2.0)
0.5
"""

from fastad import _core
from fastad._core import fsum, logsumexp, norm, sumprod, where

_ROWS = (
    "ceil digamma erfinv expit floor logaddexp logit maximum minimum polygamma relu rint sign "
    "softplus trunc xlogy"
).split()

__all__ = [*_ROWS, "clip", "fsum", "logsumexp", "norm", "sumprod", "where"]

globals().update({name: _core.function(name, "fastad") for name in _ROWS})


def clip(x, low, high, /):
    """x within its bounds: minimum(maximum(x, low), high); None leaves a side open.

    At a tie each side has half the derivative.

    Examples
    --------
    >>> from fastad import clip, grad
    >>> clip(5.0, 0.0, 1.0)
    1.0
    >>> [grad(clip)(x, 0.0, 1.0) for x in (0.5, 1.0, 2.0)]
    [1.0, 0.5, 0.0]
    """
    if low is not None:
        x = maximum(x, low)
    if high is not None:
        x = minimum(x, high)
    return x
