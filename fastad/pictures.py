"""The sweeps as pictures: `show`."""

import functools
import inspect
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fastad import _core
from fastad.errors import ArgumentError
from fastad.graphs import Edge, Graph, Node
from fastad.notation import at, counted, number
from fastad.runs import Run, absorbing_product
from fastad.sources import excerpts, line_of

__all__ = ["Picture", "Step", "show"]

# What of a long list is written out.
MOST_DECISIONS = 50
MOST_SLOPES = 100


def show(f: Callable[..., Any], *args: Any, output: int = 0) -> "Picture":
    """The computation graph of one call, and the sweeps over it step by step.

    `f` runs once, with the source line of each operation noted.

    Parameters
    ----------
    f : callable
        As for `fastad.grad` or `fastad.jacobian`: it returns numbers in any arrangement.
    *args
        The arguments, all of which are differentiated.
    output : int, optional
        The number in the result that the backward sweep starts from; the first by default.

    Returns
    -------
    Picture
        In a notebook it displays itself; printed, it is a listing.

    Raises
    ------
    ArgumentError
        The result has no such number; otherwise as `fastad.grad` does. Exceptions of `f`
        pass through.

    Examples
    --------
    >>> from fastad import math, show
    >>> def f(w1, w2):
    ...     return w1 * w2 + math.sin(w1)
    >>> print(show(f, 2.0, 3.0))                           # doctest: +ELLIPSIS
    f(w1=2.0, w2=3.0) = 6.9093
    <BLANKLINE>
    forward: values, and partials for the edges
      w1 = 2
      w2 = 3
      v1 = w1·w2 = 6                  ...
          ∂v1/∂w1 = w2 = 3
          ∂v1/∂w2 = w1 = 2
      v2 = sin(w1) = 0.9093           ...
          ∂v2/∂w1 = cos(w1) = -0.41615
      f = v1 + v2 = 6.9093            ...
          ∂f/∂v1 = 1
          ∂f/∂v2 = 1
    <BLANKLINE>
    backward: adjoints
      ∂f/∂f = 1
      ∂f/∂v1 = ∂f/∂f × ∂f/∂v1 = 1 × 1 = 1
      ∂f/∂v2 = ∂f/∂f × ∂f/∂v2 = 1 × 1 = 1
      ∂f/∂w1 = ∂f/∂v2 × ∂v2/∂w1 = 1 × cos(w1) = 1 × (-0.41615) = -0.41615
      ∂f/∂w1 = -0.41615 + ∂f/∂v1 × ∂v1/∂w1 = -0.41615 + 1 × w2 = -0.41615 + 1 × 3 = 2.5839
      ∂f/∂w2 = ∂f/∂v1 × ∂v1/∂w2 = 1 × w1 = 1 × 2 = 2
    <BLANKLINE>
    gradient
      ∂f/∂w1 = 2.5838531634528574
      ∂f/∂w2 = 2.0
    <BLANKLINE>
    what all derivatives cost
      forward mode: 2 sweeps, 10 products, 4 of them with a 0
      reverse mode: 1 sweep, 5 products

    ``show(f, 2.0, 3.0).save("f.html")`` writes the page to look at in a browser.
    """
    if not callable(f):
        raise ArgumentError(
            f"{short(f)}, a {type(f).__name__}, cannot be called: show takes a function "
            "and its arguments, as in show(f, 1.0, 2.0)"
        )
    program = _core.Program(f, *args, lines=True)
    run = Run(program, program.trace(*args), absorbing_product)
    chosen = index_of(output, len(run.outputs))
    named = named_arguments(f, args)
    inputs = [place for name, x in named for place in places(x, name)]
    function = name_of(f, inputs)
    outputs = places(program(*args), function)
    graph = Graph(run, function, inputs, outputs, chosen)
    if isinstance(f, functools.partial):  # keywords, as from the command line
        named += f.keywords.items()
    return Picture(graph, f, [(name, short(x)) for name, x in named])


def index_of(output: int, n: int) -> int:
    """The output of n that an index means, from the end if it is negative."""
    try:
        index = operator.index(output)
    except TypeError:
        index = n
    if not -n <= index < n:
        raise ArgumentError(
            f"output={output!r}: the function returned {counted(n, 'number')}, and output "
            "is the index of one, from 0"
        )
    return index % n


def named_arguments(
    f: Callable[..., Any], args: tuple[Any, ...]
) -> list[tuple[str, Any]]:
    """The arguments with the names of the parameters that take them.

    >>> named_arguments(lambda x, *more: x, (1.0, 2.0, 3.0))
    [('x', 1.0), ('more[0]', 2.0), ('more[1]', 3.0)]
    """
    try:
        if inspect.isbuiltin(f):
            raise ValueError("its parameters, if it tells them, are nobody's names")
        bound = inspect.signature(f).bind_partial(*args)
    except (TypeError, ValueError):
        names = ["x"] if len(args) == 1 else [f"x{k}" for k in range(len(args))]
        return list(zip(names, args, strict=True))
    named = []
    for name, x in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            named += [(f"{name}[{k}]", item) for k, item in enumerate(x)]
        else:
            named.append((name, x))
    return named


def places(x: Any, name: str) -> list[str]:
    """A name for each number in x: name, name[0], name['key']."""
    return _core.taken_apart(x)[1].places(name)


def name_of(f: Callable[..., Any], taken: list[str]) -> str:
    """What the result is called: as the function, if it has a name of its own."""
    name = getattr(getattr(f, "func", f), "__name__", "")
    name = name if name.isidentifier() else "f"
    return f"{name}()" if name in taken else name


def short(x: Any) -> str:
    text = " ".join(repr(x).split())
    return text if len(text) <= 40 else text[:37] + "..."


@dataclass(frozen=True)
class Step:
    """One step of a sweep.

    Attributes
    ----------
    kind : str
        "tangent" in forward mode, "value" and "partial" in the forward sweep, "seed" and
        "product" in the backward one.
    node : int
        The node that is computed, or that the edge leads to.
    edge : Edge or None
        Of a partial or a product.
    before, after : float or None
        In the backward sweep, the adjoint of the edge's argument, or of the seed's node; in
        forward mode, after is the derivative of the node.
    """

    kind: str
    node: int
    edge: Edge | None = None
    before: float | None = None
    after: float | None = None
    source: int | None = None  # the input that forward mode goes out from

    @property
    def sweep(self) -> str:
        """ "mode", "forward" or "backward"."""
        return {"value": "forward", "partial": "forward", "tangent": "mode"}.get(
            self.kind, "backward"
        )


class Picture:
    """A picture of a call: `show` makes it.

    In a notebook it displays itself. `str` gives the listing of `text`.

    Attributes
    ----------
    graph : Graph
        The nodes and edges, with values, partials and adjoints.
    steps : list of Step
        Those of the forward and of the backward sweep; none if the graph is folded.
    """

    def __init__(
        self, graph: Graph, f: Callable[..., Any], arguments: list[tuple[str, str]]
    ) -> None:
        self.graph = graph
        self._f = f
        self._arguments = arguments
        self._known_tangents: dict[int, list[float]] = {}

    @property
    def title(self) -> str:
        """The call and its result, in short."""
        graph = self.graph
        given = ", ".join(f"{name}={value}" for name, value in self._arguments)
        call = f"{graph.function.removesuffix('()')}({given})"
        value = number(graph.run.values[graph.output])
        if len(graph.outputs) == 1:
            return f"{call} = {value}"
        return f"{call}: {self._top} = {value}, one of {len(graph.outputs):,} results"

    @cached_property
    def steps(self) -> list[Step]:
        """The steps of the forward and of the backward sweep; none if it is folded."""
        return list(self._steps()) if self.graph.is_whole else []

    def _steps(self) -> Iterator[Step]:
        graph = self.graph
        for node in graph.nodes.values():
            if node.kind != "constant":
                yield Step("value", node.id)
                for edge in node.edges:
                    if edge.partial is not None:
                        yield Step("partial", node.id, edge)
        adjoints: dict[int, float] = {graph.output: 1.0}
        yield Step("seed", graph.output, after=1.0)
        for node in reversed(graph.nodes.values()):
            if node.id not in adjoints:
                continue
            for edge in node.edges:
                if edge.partial is not None:
                    before = adjoints.get(edge.source)
                    after = graph.run.product(adjoints[node.id], edge.partial)
                    after = after if before is None else before + after
                    adjoints[edge.source] = after
                    yield Step("product", node.id, edge, before, after)

    def mode(self, source: int) -> Iterator[Step]:
        """The steps of forward mode from an input: a value and its derivative at a time."""
        tangents = self._tangents(source)
        for node in self.graph.nodes.values():
            if node.kind != "constant":
                yield Step("tangent", node.id, after=tangents[node.id], source=source)

    def sentence(self, step: Step) -> str:
        """A step as formula and arithmetic, such as ``∂f/∂a = ∂f/∂b × ∂b/∂a = 2 × 3 = 6``."""
        nodes = self.graph.nodes
        node = nodes[step.node]
        if step.kind == "value":
            return value_line(node)
        if step.kind == "partial":
            assert step.edge is not None
            return partial_line(node, step.edge, nodes)
        if step.kind == "tangent":
            return f"{value_line(node)}\n{self.tangent_line(step)}"
        if step.kind == "seed":
            return f"∂{self._top}/∂{node.name} = 1"
        return self._product_line(step)

    def carries_nothing(self, step: Step) -> bool:
        """Whether forward mode has only zeros to multiply in a step."""
        assert step.source is not None
        tangents = self._tangents(step.source)
        edges = self.graph.nodes[step.node].edges
        return step.after == 0.0 and not any(tangents[edge.source] for edge in edges)

    @property
    def _top(self) -> str:
        return self.graph.outputs[self.graph.chosen]

    def _tangents(self, source: int) -> list[float]:
        if source not in self._known_tangents:
            self._known_tangents[source] = self.graph.run.tangents(source)
        return self._known_tangents[source]

    # ---- Forms -------------------------------------------------------------------------

    def text(self) -> str:
        """A listing for terminals."""
        lines = self._listing() if self.graph.is_whole else self._folded_listing()
        return "\n".join(
            [self.title, "", *lines, *self._decided(), "", *self._closing()]
        )

    def dot(self) -> str:
        """The graph in the language of Graphviz, with values, partials and adjoints."""
        from fastad.dot import dot

        return dot(self.graph)

    def svg(self, step: int | None = None, *, forward: int | None = None) -> str:
        """The graph as a drawing; it needs mini-racer: ``pip install "fastad[show]"``.

        Parameters
        ----------
        step : int, optional
            Draw what is known after this one of `steps`; negative ones count from the
            end. By default everything.
        forward : int, optional
            Draw forward mode instead, from the input with this number.

        Raises
        ------
        ImportError
            Without mini-racer.
        ArgumentError
            There is no such step or input.
        """
        from fastad.drawing import drawing
        from fastad.page import model

        if step is not None:
            if not -len(self.steps) <= step < len(self.steps):
                raise ArgumentError(
                    f"step={step!r}: this picture has {len(self.steps)} steps"
                    + ("" if self.steps else ", because it is folded")
                )
            step %= len(self.steps)
        if forward is None:
            return drawing(model(self), step, is_mode=False)
        if step is not None or forward not in range(len(self.graph.inputs)):
            raise ArgumentError(
                f"forward={forward!r}: one of {counted(len(self.graph.inputs), 'input')}, "
                "from 0, and without a step"
            )
        return drawing(model(self, sources=(), inputs=[forward]), None, is_mode=True)

    def html(self) -> str:
        """The page: one file that needs no network, with the sweeps step by step."""
        from fastad.page import page

        graph = self.graph
        listed = (
            [node.place for node in graph.nodes.values()]
            if graph.is_whole
            else [group.place for group in graph.fold.groups]
        )
        return page(self, excerpts(self._f, dict.fromkeys(listed)))

    def save(self, path: str | Path) -> None:
        """Write the form that the name ends with: .html, .svg, .dot or .txt."""
        forms = {
            ".html": self.html,
            ".svg": self.svg,
            ".dot": self.dot,
            ".txt": self.text,
        }
        path = Path(path)
        if path.suffix.lower() not in forms:
            raise ArgumentError(
                f"{path.name}: a picture is saved as {', '.join(forms)}, by the name"
            )
        text = forms[path.suffix.lower()]()
        path.write_text(text if text.endswith("\n") else text + "\n", "utf8")

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Picture of {self.title}: {len(self.graph.drawn):,} nodes>"

    def _repr_html_(self) -> str:
        from fastad.page import framed

        return framed(self.html(), self.title)

    # ---- The listing -------------------------------------------------------------------

    def _listing(self) -> Iterator[str]:
        nodes = self.graph.nodes
        yield "forward: values, and partials for the edges"
        for step in self.steps:
            said = self.sentence(step)
            if step.kind == "value":
                yield f"  {said:40}{place_of(nodes[step.node])}".rstrip()
            elif step.kind == "partial":
                yield f"      {said}"
            elif step.kind == "seed":
                yield from ("", "backward: adjoints", f"  {said}")
            else:
                yield f"  {said}"

    def tangent_line(self, step: Step) -> str:
        """The derivative that a step of forward mode computes."""
        nodes = self.graph.nodes
        assert step.source is not None
        assert step.after is not None
        node, to = nodes[step.node], nodes[step.source].name
        head, result = f"∂{node.name}/∂{to}", number(step.after)
        edges = [edge for edge in node.edges if edge.partial is not None]
        if not edges:
            return f"{head} = {result}"
        carried = self._tangents(step.source)
        formula = " + ".join(
            f"∂{node.name}/∂{nodes[edge.source].name} × ∂{nodes[edge.source].name}/∂{to}"
            for edge in edges
        )
        numbers = " + ".join(
            f"{enclosed(edge.partial)} × {enclosed(carried[edge.source])}"
            for edge in edges
            if edge.partial is not None
        )
        return f"{head} = {formula} = {numbers} = {result}"

    def _product_line(self, step: Step) -> str:
        assert step.edge is not None
        assert step.edge.partial is not None
        assert step.after is not None
        nodes, top = self.graph.nodes, self._top
        node, source = nodes[step.node], nodes[step.edge.source]
        sum_ = "" if step.before is None else f"{number(step.before)} + "
        adjoint = self.graph.adjoints[node.id]
        assert adjoint is not None
        partial = enclosed(step.edge.partial)
        factors = [f"{enclosed(adjoint)} × {partial}"]
        if step.edge.formula != number(step.edge.partial):
            factors.insert(0, f"{enclosed(adjoint)} × {enclosed(step.edge.formula)}")
        return " = ".join(
            [
                f"∂{top}/∂{source.name}",
                f"{sum_}∂{top}/∂{node.name} × ∂{node.name}/∂{source.name}",
                *(sum_ + product for product in factors),
                number(step.after),
            ]
        )

    def _folded_listing(self) -> Iterator[str]:
        fold, n = self.graph.fold, len(self.graph.drawn)
        yield f"{n:,} nodes, folded by source line into {len(fold.groups)} boxes"
        for group in fold.groups:
            yield ""
            source = line_of(group.place) if group.place and fold.n_lines == 1 else ""
            yield f"  {group.title}" + (f": {source}" if source else "")
            yield f"      {group.kinds()}"
            yield f"      values {group.values}"
            if group.partials.n:
                yield f"      partials {group.partials}"
            yield f"      adjoints {group.adjoints}"
            for (a, b), n_edges in fold.edges.items():
                if b == group.id:
                    yield f"      ← {n_edges:,} edges from {fold.groups[a].title}"

    def _decided(self) -> Iterator[str]:
        decisions = list(self.graph.decisions())
        if decisions:
            yield from ("", "what the function decided")
        for text, place in decisions[:MOST_DECISIONS]:
            yield f"  {text}{at(place)}"
        if len(decisions) > MOST_DECISIONS:
            yield f"  and {len(decisions) - MOST_DECISIONS:,} more"

    def _closing(self) -> Iterator[str]:
        graph = self.graph
        top = graph.outputs[graph.chosen]
        gradient = list(zip(graph.inputs, graph.gradient, strict=True))
        yield "gradient"
        for name, slope in gradient[:MOST_SLOPES]:
            yield f"  ∂{top}/∂{name} = {slope!r}"
        if len(gradient) > MOST_SLOPES:
            yield f"  and {len(gradient) - MOST_SLOPES:,} more"
        yield from ("", "what all derivatives cost")
        for cost in graph.costs:
            zeros = f", {cost.n_zeros:,} of them with a 0" if cost.n_zeros else ""
            sweeps = counted(cost.n_sweeps, "sweep")
            products = counted(cost.n_products, "product")
            yield f"  {cost.mode} mode: {sweeps}, {products}{zeros}"


def value_line(node: Node) -> str:
    formula = f" = {node.formula}" if node.formula else ""
    return f"{node.name}{formula} = {number(node.value)}"


def place_of(node: Node) -> str:
    if node.place is None:
        return ""
    return f"{Path(node.place[0]).name}:{node.place[1]}"


def partial_line(node: Node, edge: Edge, nodes: dict[int, Node]) -> str:
    assert edge.partial is not None
    value = number(edge.partial)
    formula = f" = {edge.formula}" if edge.formula != value else ""
    return f"∂{node.name}/∂{nodes[edge.source].name}{formula} = {value}"


def enclosed(factor: float | str | None) -> str:
    """A factor of a product, in parentheses where it needs them."""
    text = factor if isinstance(factor, str) else number(factor or 0.0)
    return f"({text})" if text.startswith("-") or " " in text else text
