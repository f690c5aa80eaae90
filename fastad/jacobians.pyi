"""The types of the derivatives that are matrices."""

from collections.abc import Callable
from typing import Any, Literal, ParamSpec, TypeAlias

from fastad._core import _Argnums, _OnNan, _Scalar

__all__ = ["CostTable", "cost_table", "hessian", "hvp", "jacfwd", "jacobian", "jacrev"]

_P = ParamSpec("_P")
_Mode: TypeAlias = Literal["auto", "forward", "reverse"]

def jacobian(
    f: Callable[_P, Any],
    argnums: _Argnums = 0,
    mode: _Mode = "auto",
    *,
    on_nan: _OnNan = "warn",
    strict: bool = False,
) -> Callable[_P, Any]: ...
def jacfwd(
    f: Callable[_P, Any],
    argnums: _Argnums = 0,
    *,
    on_nan: _OnNan = "warn",
    strict: bool = False,
) -> Callable[_P, Any]: ...
def jacrev(
    f: Callable[_P, Any],
    argnums: _Argnums = 0,
    *,
    on_nan: _OnNan = "warn",
    strict: bool = False,
) -> Callable[_P, Any]: ...
def hessian(
    f: Callable[_P, _Scalar], argnums: _Argnums = 0, *, strict: bool = False
) -> Callable[_P, Any]: ...
def hvp(
    f: Callable[..., _Scalar], argnums: _Argnums = 0, *, strict: bool = False
) -> Callable[..., Any]: ...

class CostTable:
    inputs: int
    outputs: int
    operations: int
    rows: dict[str, tuple[int, int, float, float]]
    chosen: str
    def __init__(
        self,
        inputs: int,
        outputs: int,
        operations: int,
        rows: dict[str, tuple[int, int, float, float]],
        chosen: str,
    ) -> None: ...

def cost_table(
    f: Callable[..., Any], *args: Any, argnums: _Argnums = 0
) -> CostTable: ...
