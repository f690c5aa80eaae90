"""The computation graph of a call, as `show` draws it: whole, or folded by source line.

A `Graph` knows every instruction of the run by its number, and makes the `Node`s and
`Edge`s to be drawn on demand: of all instructions, or of the few that are drawn one by
one in a `Fold`, where the others are counted together, line by line.
"""

import ast
import linecache
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from fastad import notation
from fastad.runs import Run, is_operation

__all__ = ["Cost", "Edge", "Fold", "Graph", "Group", "Node", "Range"]

Place = tuple[str, int]

# A graph of at most so many instructions is drawn whole.
WHOLE = 300
# In a folded one, so many boxes are drawn, and as many nodes kept to be unfolded: of a
# group, and of all together.
MOST_GROUPS = 120
UNFOLDED = 24
ALL_UNFOLDED = 240


@dataclass(frozen=True)
class Edge:
    """From an argument to the node of an operation.

    Attributes
    ----------
    source : int
        The number of the argument's node.
    partial : float or None
        None of a constant, which is not differentiated.
    formula : str
        The partial, such as ``2·w1``.
    """

    source: int
    partial: float | None
    formula: str


@dataclass(frozen=True)
class Node:
    """An input, a constant or an operation, with what there is to write about it."""

    id: int
    kind: str  # "input", "constant", "operation" or "guard"
    name: str
    symbol: str
    formula: str
    value: float
    place: Place | None
    edges: list[Edge]


@dataclass(frozen=True)
class Cost:
    """What all derivatives cost in one of the modes.

    Attributes
    ----------
    mode : str
    n_sweeps : int
    n_products : int
        Of a partial with a derivative, in all sweeps.
    n_zeros : int or None
        Those of which the derivative is 0; None where they were not counted.
    """

    mode: str
    n_sweeps: int
    n_products: int
    n_zeros: int | None


class Graph:
    """The graph of a run.

    Parameters
    ----------
    run : Run
    function : str
        The name of the function, for titles.
    inputs, outputs : list of str
        Names of the numbers in the arguments and in the result.
    chosen : int
        The output that the backward sweep starts from.
    """

    def __init__(
        self,
        run: Run,
        function: str,
        inputs: list[str],
        outputs: list[str],
        chosen: int,
    ) -> None:
        self.run = run
        self.function = function
        self.inputs = inputs
        self.outputs = outputs
        self.chosen = chosen

    @cached_property
    def drawn(self) -> list[int]:
        """The nodes that a picture shows: all but guards, and constants for nothing else."""
        used = set(self.run.outputs)
        for name, arguments, _ in self.run.instructions:
            if is_operation(name):
                used.update(arguments)
        return [
            k
            for k, (name, _, _) in enumerate(self.run.instructions)
            if name == "input"
            or is_operation(name)
            or (name == "constant" and k in used)
        ]

    @property
    def is_whole(self) -> bool:
        """Whether it is small enough to be drawn node by node."""
        return len(self.drawn) <= WHOLE

    @property
    def output(self) -> int:
        """The node that the backward sweep starts from."""
        return self.run.outputs[self.chosen]

    @cached_property
    def adjoints(self) -> list[float | None]:
        return self.run.adjoints(self.output)

    @cached_property
    def gradient(self) -> list[float]:
        return [self.adjoints[node] or 0.0 for node in self.run.inputs]

    @cached_property
    def nodes(self) -> dict[int, Node]:
        """Those that are drawn, in the order of the run."""
        return {k: self.node(k) for k in self.drawn}

    @cached_property
    def fold(self) -> "Fold":
        return Fold(self)

    def node(self, k: int) -> Node:
        name, arguments, place = self.run.instructions[k]
        kind = "operation" if is_operation(name) else name.partition(" ")[0]
        symbol, formula = "", ""
        if kind == "operation":
            operands = [self.operand(j) for j in arguments]
            numbers = [self.run.values[j] for j in arguments]
            symbol = notation.symbol(name)
            formula = notation.value(name, operands, numbers)
        return Node(
            id=k,
            kind=kind,
            name=self.names[k],
            symbol=symbol,
            formula=formula,
            value=self.run.values[k],
            place=place,
            edges=list(self.edges(k)),
        )

    def operand(self, k: int) -> str | None:
        """The name of a node in formulas; a constant has none."""
        return None if self.is_constant(k) else self.names[k]

    def is_constant(self, k: int) -> bool:
        return self.run.instructions[k][0] == "constant"

    def edges(self, k: int) -> Iterator[Edge]:
        name, arguments, _ = self.run.instructions[k]
        operands = [self.operand(j) for j in arguments] if is_operation(name) else []
        numbers = [self.run.values[j] for j in arguments] if operands else []
        for position, (source, partial) in enumerate(self.run.edges(k)):
            if self.is_constant(source):
                yield Edge(source, None, "")
                continue
            formula = notation.partial(name, position, operands, numbers, self.names[k])
            yield Edge(source, partial, formula)

    @cached_property
    def names(self) -> list[str]:
        """A name for each node: as the arguments and results are called, as the line that
        assigns it calls it, else a letter with a number."""
        instructions = self.run.instructions
        names = [""] * len(instructions)
        for k, name in zip(self.run.inputs, self.inputs, strict=True):
            names[k] = name
        for k, name in zip(self.run.outputs, self.outputs, strict=True):
            if not names[k] and not self.is_constant(k):
                names[k] = name
        taken = set(names)
        if self.is_whole:
            for k, name in enumerate(assigned_names(instructions)):
                if name and not names[k] and not self.is_constant(k):
                    names[k] = unused(name, taken)
        stems = {name.rstrip("0123456789") for name in taken}
        letter = next(s for s in ("v", "t", "node ") if s not in stems)
        n_operations = 0
        for k, (kind, _, _) in enumerate(instructions):
            if kind == "constant":
                names[k] = notation.number(self.run.values[k])
            elif is_operation(kind):
                n_operations += 1
                names[k] = names[k] or f"{letter}{n_operations}"
        return names

    def decisions(self) -> Iterator[tuple[str, Place | None]]:
        """What the run decided on numbers ("w1 < 3 was true"), each once, and where.

        In a folded graph, how often which comparison of a line came out how.
        """
        counts: Counter[tuple[str, Place | None]] = Counter()
        for name, arguments, place in self.run.instructions:
            if name.startswith("guard "):
                x, y = (self.names[k] for k in arguments[:2]) if self.is_whole else "··"
                outcome = "true" if arguments[2] else "false"
                counts[f"{x} {GUARDS[name]} {y} was {outcome}", place] += 1
        for (text, place), n in counts.items():
            yield (text if self.is_whole else f"{text}, {n:,} times"), place

    def paths(self) -> Iterator[tuple[int, int, float]]:
        """The edges that are differentiated: (argument, node, partial)."""
        for k, (name, arguments, _) in enumerate(self.run.instructions):
            if is_operation(name):
                for source, partial in zip(
                    arguments, self.run.partials[k], strict=True
                ):
                    if not self.is_constant(source):
                        yield source, k, partial

    @cached_property
    def n_edges(self) -> int:
        return sum(1 for _ in self.paths())

    @cached_property
    def costs(self) -> list[Cost]:
        """Of forward mode and of reverse mode; in large graphs without their zeros."""
        n, m = len(self.inputs), len(self.outputs)
        ends = self.run.outputs
        if not self.is_whole:
            return [
                Cost("forward", n, n * self.n_edges, None),
                Cost("reverse", m, m * self.n_edges, None),
            ]
        paths = list(self.paths())
        tangents = [self.run.tangents(k) for k in self.run.inputs]
        forward = sum(carried[a] == 0.0 for carried in tangents for a, _, _ in paths)
        adjoints = [self.run.adjoints(end) for end in ends]
        visited = [sent[b] for sent in adjoints for _, b, _ in paths]
        visited = [x for x in visited if x is not None]
        return [
            Cost("forward", n, n * len(paths), forward),
            Cost("reverse", m, len(visited), sum(x == 0.0 for x in visited)),
        ]

    @cached_property
    def n_edges_to_output(self) -> int:
        """The edges that the backward sweep visits."""
        return sum(self.adjoints[node] is not None for _, node, _ in self.paths())


GUARDS = {"guard lt": "<", "guard le": "≤", "guard eq": "=", "guard ne": "≠"}


def unused(name: str, taken: set[str]) -> str:
    """The name, or the name with the first number that makes it a new one."""
    n, free = 1, name
    while free in taken:
        n += 1
        free = f"{name}{str(n).translate(SUBSCRIPTS)}"
    taken.add(free)
    return free


SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def assigned_names(
    instructions: list[tuple[str, tuple, Place | None]],
) -> Iterator[str]:
    """For each instruction the variable that its line assigns its result to, or "".

    The line must be an assignment to a name, the instruction the last one there, and the
    operation the one that the line ends with.
    """
    for k, (operation, _, place) in enumerate(instructions):
        following = instructions[k + 1][2] if k + 1 < len(instructions) else None
        name = ""
        if place is not None and place != following:
            target, last = assignment(linecache.getline(*place))
            if operation == last:
                name = target
        yield name


OPERATIONS = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
    ast.USub: "neg",
}


def assignment(line: str) -> tuple[str, str]:
    """The name that a line assigns to, and the operation whose result it is.

    >>> assignment("    a = math.sin(x * y)"), assignment("total += w * x")
    (('a', 'sin'), ('total', 'add'))
    """
    try:
        body = ast.parse(line.strip()).body
    except (SyntaxError, ValueError):
        return "", ""
    statement = body[0] if len(body) == 1 else None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value = statement.target, statement.value
    elif isinstance(statement, ast.AugAssign):
        target, value = statement.target, statement.op  # type: ignore[assignment]
    else:
        return "", ""
    if not isinstance(target, ast.Name):
        return "", ""
    if isinstance(value, ast.BinOp | ast.UnaryOp):
        value = value.op  # type: ignore[assignment]
    if isinstance(value, ast.Call):
        called = value.func
        return target.id, getattr(called, "attr", getattr(called, "id", ""))
    return target.id, OPERATIONS.get(type(value), "")


@dataclass
class Range:
    """What many numbers have in common: from the least to the largest."""

    n: int = 0
    least: float = math.inf
    largest: float = -math.inf
    n_odd: int = 0  # infinite or nan

    def add(self, x: float) -> None:
        self.n += 1
        if not math.isfinite(x):
            self.n_odd += 1
            return
        if x < self.least:
            self.least = x
        if x > self.largest:
            self.largest = x

    def __str__(self) -> str:
        if not self.n:
            return "none"
        odd = f"{self.n_odd:,} not finite" if self.n_odd else ""
        if self.n == self.n_odd:
            return odd
        span = notation.number(self.least)
        if self.least != self.largest:
            span += f" … {notation.number(self.largest)}"
        return f"{span}, {odd}" if odd else span


@dataclass
class Group:
    """The nodes of a source line, or of an argument, drawn as one box."""

    id: int
    title: str
    place: Place | None
    first: int  # node
    last: int = 0
    n: int = 0
    n_within: int = 0  # edges
    counts: Counter[str] = field(default_factory=Counter)
    values: Range = field(default_factory=Range)
    partials: Range = field(default_factory=Range)
    adjoints: Range = field(default_factory=Range)
    nodes: list[int] = field(default_factory=list)  # the first few

    def kinds(self, most: int | None = None) -> str:
        """How many of which operation, the most frequent first: "300 mul, 2 constants"."""
        kinds = [
            notation.counted(n, name)
            if name in ("input", "constant")
            else f"{n:,} {name}"
            for name, n in self.counts.most_common(most)
        ]
        return ", ".join(kinds) + (", …" if len(kinds) < len(self.counts) else "")


class Fold:
    """A graph with the nodes of each source line in one box.

    Attributes
    ----------
    groups : list of Group
        In the order in which their first nodes came.
    edges : Counter of (int, int)
        How many edges lead from one group to another.
    of_node : list of int
        The group of each node.
    n_lines : int
        How many consecutive source lines make a group; 0 if all make one.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.groups: list[Group] = []
        self.edges: Counter[tuple[int, int]] = Counter()
        places = {row[2] for row in graph.run.instructions}
        self.n_files = len({place[0] for place in places if place})
        self.n_lines = self._coarse_enough(places)
        self.of_node = self._gather()
        self._join()
        self._choose_nodes()

    def _coarse_enough(self, places: set[Place | None]) -> int:
        """The least number of lines to a group with which few enough boxes are drawn."""
        for n_lines in (1, *(2**k for k in range(2, 20))):
            if len({self._home(place, n_lines) for place in places}) <= MOST_GROUPS:
                return n_lines
        return 0

    @staticmethod
    def _home(place: Place | None, n_lines: int) -> Place | None:
        """The first line of the group that a line belongs to."""
        if place is None or n_lines == 0:
            return None
        file, line = place
        return file, (line - 1) // n_lines * n_lines + 1

    def _gather(self) -> list[int]:
        graph = self.graph
        groups: dict[tuple[str, int | str] | None, Group] = {}
        run, adjoints = graph.run, graph.adjoints
        arguments = self._arguments()
        of_node = [-1] * len(run.instructions)
        for k in graph.drawn:
            name, _, place = run.instructions[k]
            home: tuple[str, int | str] | None = self._home(place, self.n_lines)
            if name == "input":
                home = ("", arguments[k])
            group = groups.get(home)
            if group is None:
                title = self._title(home, name == "input")
                where = None if name == "input" else home
                group = groups[home] = Group(len(groups), title, where, first=k)
            of_node[k] = group.id
            group.n += 1
            group.last = k
            group.counts[name] += 1
            if name != "constant":
                group.values.add(run.values[k])
                if adjoints[k] is not None:
                    group.adjoints.add(adjoints[k])
        self.groups = list(groups.values())
        return of_node

    def _arguments(self) -> dict[int, str]:
        """The argument that each input belongs to; one for all, if there are many."""
        names = [name.partition("[")[0].partition(".")[0] for name in self.graph.inputs]
        if len(set(names)) > MOST_GROUPS // 2:
            names = ["arguments"] * len(names)
        return dict(zip(self.graph.run.inputs, names, strict=True))

    def _title(self, home: tuple[str, int | str] | None, is_input: bool) -> str:
        if home is None:
            return "somewhere"
        file, line = home
        if is_input:
            return str(line)
        where = f", {os.path.basename(file)}" if self.n_files > 1 else ""
        if self.n_lines == 1:
            return f"line {line}{where}"
        return f"lines {line} to {int(line) + self.n_lines - 1}{where}"

    def _join(self) -> None:
        for source, node, partial in self.graph.paths():
            a, b = self.of_node[source], self.of_node[node]
            self.groups[b].partials.add(partial)
            if a == b:
                self.groups[a].n_within += 1
            else:
                self.edges[a, b] += 1

    def _choose_nodes(self) -> None:
        """The nodes that can be unfolded: the first of each group."""
        most = min(UNFOLDED, ALL_UNFOLDED // len(self.groups))
        for k in self.graph.drawn:
            nodes = self.groups[self.of_node[k]].nodes
            if len(nodes) < most and not self.graph.is_constant(k):
                nodes.append(k)

    def ranges(self, tangents: list[float]) -> list[Range]:
        """What forward mode carries, group by group."""
        ranges = [Range() for _ in self.groups]
        for k in self.graph.drawn:
            if not self.graph.is_constant(k):
                ranges[self.of_node[k]].add(tangents[k])
        return ranges

    def targets(self, nodes: Iterable[int]) -> dict[int, Counter[int]]:
        """For each of these nodes, how many edges lead from it to each group."""
        targets: dict[int, Counter[int]] = {node: Counter() for node in nodes}
        for source, node, _ in self.graph.paths():
            if source in targets:
                targets[source][self.of_node[node]] += 1
        return targets
