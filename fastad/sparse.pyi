"""The types of the sparse derivatives. SciPy has no types: its matrices are Any."""

from collections.abc import Callable
from typing import Any, ParamSpec

from fastad._core import _Scalar

__all__ = ["Sparsity", "sparse_hessian", "sparse_jacobian", "sparsity"]

_P = ParamSpec("_P")

class Sparsity:
    shape: tuple[int, int]
    n_entries: int
    n_colours: int
    def __init__(self, pattern: Any) -> None: ...
    def matrix(self, entries: list[float] | None = None) -> Any: ...

def sparsity(
    f: Callable[..., Any], *args: Any, argnums: int = 0, second: bool = False
) -> Sparsity: ...
def sparse_jacobian(
    f: Callable[_P, Any],
    argnums: int = 0,
    *,
    sparsity: Sparsity | None = None,
    strict: bool = False,
) -> Callable[_P, Any]: ...
def sparse_hessian(
    f: Callable[_P, _Scalar],
    argnums: int = 0,
    *,
    sparsity: Sparsity | None = None,
    strict: bool = False,
) -> Callable[_P, Any]: ...
