"""The types of the verbs.

A function to be differentiated is annotated as for floats; a Var or Dual stands in for each
float. Its derivative takes the same arguments. The gradient to the first argument has that
argument's type; which type it has to others, a type checker cannot know.
"""

from collections.abc import Callable
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from fastad._core import _Argnums, _OnNan, _Scalar

__all__ = ["derivative", "grad", "jvp", "value_and_grad", "vjp"]

_A = TypeVar("_A")
_R = TypeVar("_R")
_Aux = TypeVar("_Aux")
_P = ParamSpec("_P")

@overload
def value_and_grad(  # type: ignore[overload-overlap]
    f: Callable[Concatenate[_A, _P], _Scalar],
    argnums: Literal[0] = 0,
    has_aux: Literal[False] = False,
    *,
    on_nan: _OnNan = "warn",
    strict: bool = False,
) -> Callable[Concatenate[_A, _P], tuple[float, _A]]: ...
@overload
def value_and_grad(
    f: Callable[_P, _Scalar],
    argnums: _Argnums,
    has_aux: Literal[False] = False,
    *,
    on_nan: _OnNan = "warn",
    strict: bool = False,
) -> Callable[_P, tuple[float, Any]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[_A, _P], tuple[_Scalar, _Aux]],
    argnums: Literal[0] = 0,
    *,
    has_aux: Literal[True],
    on_nan: _OnNan = "warn",
    strict: bool = False,
) -> Callable[Concatenate[_A, _P], tuple[tuple[float, _Aux], _A]]: ...
@overload
def value_and_grad(
    f: Callable[_P, tuple[_Scalar, _Aux]],
    argnums: _Argnums,
    has_aux: Literal[True],
    *,
    on_nan: _OnNan = "warn",
    strict: bool = False,
) -> Callable[_P, tuple[tuple[float, _Aux], Any]]: ...
@overload
def grad(  # type: ignore[overload-overlap]
    f: Callable[Concatenate[_A, _P], _Scalar],
    argnums: Literal[0] = 0,
    has_aux: Literal[False] = False,
    *,
    on_nan: _OnNan = "warn",
    strict: bool = False,
) -> Callable[Concatenate[_A, _P], _A]: ...
@overload
def grad(
    f: Callable[_P, _Scalar],
    argnums: _Argnums,
    has_aux: Literal[False] = False,
    *,
    on_nan: _OnNan = "warn",
    strict: bool = False,
) -> Callable[_P, Any]: ...
@overload
def grad(
    f: Callable[Concatenate[_A, _P], tuple[_Scalar, _Aux]],
    argnums: Literal[0] = 0,
    *,
    has_aux: Literal[True],
    on_nan: _OnNan = "warn",
    strict: bool = False,
) -> Callable[Concatenate[_A, _P], tuple[_A, _Aux]]: ...
@overload
def grad(
    f: Callable[_P, tuple[_Scalar, _Aux]],
    argnums: _Argnums,
    has_aux: Literal[True],
    *,
    on_nan: _OnNan = "warn",
    strict: bool = False,
) -> Callable[_P, tuple[Any, _Aux]]: ...
def jvp(
    f: Callable[..., _R],
    primals: list[Any] | tuple[Any, ...],
    tangents: list[Any] | tuple[Any, ...],
    *,
    strict: bool = False,
) -> tuple[_R, _R]: ...
def derivative(
    f: Callable[Concatenate[float, _P], _R], *, strict: bool = False
) -> Callable[Concatenate[float, _P], _R]: ...
def vjp(
    f: Callable[..., _R], *primals: Any, strict: bool = False
) -> tuple[_R, Callable[[_R], tuple[Any, ...]]]: ...
