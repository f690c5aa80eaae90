"""The types of vmap."""

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["vmap"]

def vmap(
    f: Callable[..., Any],
    in_axes: int | Sequence[int | None] | None = 0,
    *,
    workers: int = 1,
    progress: bool = False,
) -> Callable[..., Any]: ...
