"""The types of compile."""

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, overload, type_check_only

from fastad._core import Path

__all__ = ["compile"]

_P = ParamSpec("_P")
_R = TypeVar("_R", covariant=True)

@type_check_only
class _Compiled(Protocol[_P, _R]):
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    @property
    def function(self) -> Callable[_P, _R]: ...
    @property
    def max_paths(self) -> int: ...
    @property
    def paths(self) -> list[Path]: ...
    @property
    def stats(self) -> dict[str, Any]: ...

@overload
def compile(f: Callable[_P, _R], *, max_paths: int = 64) -> _Compiled[_P, _R]: ...
@overload
def compile(
    f: None = None, *, max_paths: int = 64
) -> Callable[[Callable[_P, _R]], _Compiled[_P, _R]]: ...
