"""fastad differentiates ordinary Python: exact derivatives of scalar code, on a C tape."""

from fastad import errors, functions, math
from fastad._core import Dual, Tape, Var
from fastad.derivatives import derivative, grad, jvp, value_and_grad, vjp
from fastad.functions import *  # noqa: F403

__all__ = [
    "Dual",
    "Tape",
    "Var",
    "derivative",
    "errors",
    "grad",
    "jvp",
    "math",
    "value_and_grad",
    "vjp",
    *functions.__all__,
]

__version__ = "0.1.0"
