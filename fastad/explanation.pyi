"""The types of `explain`."""

from collections.abc import Callable
from typing import Any

from fastad._core import _Scalar

__all__ = ["Explanation", "explain"]

REMEDIES: dict[str, str]
STEPS: set[str]

class Explanation:
    value: float
    gradient: list[float]
    findings: list[str]
    def __init__(
        self, value: float, gradient: list[float], findings: list[str]
    ) -> None: ...

def explain(f: Callable[..., _Scalar], *args: Any) -> Explanation: ...
