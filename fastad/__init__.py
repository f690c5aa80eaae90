"""fastad differentiates ordinary Python: exact derivatives of scalar code, on a C tape."""

from fastad import errors, functions, math
from fastad._core import Tape, Var
from fastad.derivatives import grad, value_and_grad
from fastad.functions import *  # noqa: F403

__all__ = ["Tape", "Var", "errors", "grad", "math", "value_and_grad", *functions.__all__]

__version__ = "0.1.0"
