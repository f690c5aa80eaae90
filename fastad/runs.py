"""A program run forward and backward by plain arithmetic, with everything kept.

`explain` looks for causes in such a run, `show` draws it.
"""

import operator
from collections.abc import Callable
from typing import Any

from fastad import _core

__all__ = ["Run", "absorbing_product", "is_operation"]


def is_operation(name: str) -> bool:
    """Whether an instruction is neither an input nor a constant nor a guard."""
    return name not in ("input", "constant") and not name.startswith("guard ")


def absorbing_product(x: float, partial: float) -> float:
    """The product of the library's own sweeps: 0 is 0, also times infinity or nan."""
    return 0.0 if x == 0.0 or partial == 0.0 else x * partial


class Run:
    """A program at one point: values, partials, and on demand tangents and adjoints.

    Parameters
    ----------
    program : Program
    values : list of float
        What its `trace` gave.
    product : callable, optional
        How a partial is multiplied: IEEE's way, or `absorbing_product`.

    Attributes
    ----------
    instructions : list of (name, arguments, place)
    outputs : list of int
    inputs : list of int
    partials : list of tuple of float
        Of each instruction, to each of its arguments; empty for inputs,
        constants and guards.
    """

    def __init__(
        self,
        program: Any,
        values: list[float],
        product: Callable[[float, float], float] = operator.mul,
    ) -> None:
        self.instructions = program.instructions()
        self.outputs = program.outputs
        self.inputs = [
            k for k, row in enumerate(self.instructions) if row[0] == "input"
        ]
        self.values = values
        self.product = product
        self.partials = [self._partials(*row[:2]) for row in self.instructions]

    def _partials(self, name: str, arguments: tuple[int, ...]) -> tuple[float, ...]:
        if not is_operation(name):
            return ()
        return _core.row_partials(name, *(self.values[k] for k in arguments))

    def edges(self, node: int) -> list[tuple[int, float]]:
        """The arguments of a node with their partials."""
        name, arguments, _ = self.instructions[node]
        if not is_operation(name):
            return []
        return list(zip(arguments, self.partials[node], strict=True))

    def adjoints(self, output: int) -> list[float | None]:
        """The derivatives of a node to each node; None where it does not depend on it."""
        adjoints: list[float | None] = [None] * len(self.instructions)
        adjoints[output] = 1.0
        for node in range(output, -1, -1):
            adjoint = adjoints[node]
            if adjoint is None:
                continue
            for argument, partial in self.edges(node):
                product = self.product(adjoint, partial)
                before = adjoints[argument]
                adjoints[argument] = product if before is None else before + product
        return adjoints

    def tangents(self, source: int) -> list[float]:
        """The derivatives of each node to a node: what forward mode carries."""
        tangents = [0.0] * len(self.instructions)
        tangents[source] = 1.0
        for node in range(source + 1, len(tangents)):
            for argument, partial in self.edges(node):
                tangents[node] += self.product(tangents[argument], partial)
        return tangents
