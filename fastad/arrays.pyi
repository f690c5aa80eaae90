"""The types of NumPy arrays of Vars."""

from typing import Any

from numpy.typing import NDArray

__all__ = ["asarray"]

def asarray(x: Any, /) -> NDArray[Any]: ...
def constant(x: Any, beside: Any) -> Any: ...
