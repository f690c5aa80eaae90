"""fastad differentiates ordinary Python: exact derivatives of scalar code, on a C tape."""

from importlib import import_module
from typing import TYPE_CHECKING

from fastad import errors, functions, math
from fastad._core import Dual, Program, Tape, Var, stop_gradient
from fastad.arrays import asarray
from fastad.checkpointing import checkpoint
from fastad.compiling import compile
from fastad.custom import custom_jvp, custom_vjp
from fastad.derivatives import derivative, grad, jvp, value_and_grad, vjp
from fastad.explanation import explain
from fastad.functions import *  # noqa: F403
from fastad.jacobians import cost_table, hessian, hvp, jacfwd, jacobian, jacrev
from fastad.sparse import sparse_hessian, sparse_jacobian, sparsity
from fastad.testing import check_grad
from fastad.vectorising import vmap

if TYPE_CHECKING:
    from fastad.pictures import show

__all__ = [
    "Dual",
    "Program",
    "Tape",
    "Var",
    "asarray",
    "check_grad",
    "checkpoint",
    "compile",
    "cost_table",
    "custom_jvp",
    "custom_vjp",
    "derivative",
    "errors",
    "explain",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "math",
    "show",
    "sparse_hessian",
    "sparse_jacobian",
    "sparsity",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
    *functions.__all__,
]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import `show` and `reference` when asked: those who do not need them do not pay."""
    if name == "show":
        from fastad.pictures import show

        globals()["show"] = show
        return show
    if name == "reference":
        return import_module("fastad.reference")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What users may use: the public names, and the modules that they import."""
    special = [name for name in globals() if name.startswith("__")]
    return [*__all__, "reference", "testing", *special]
