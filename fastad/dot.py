"""A picture in the language of Graphviz."""

from collections.abc import Iterator

from fastad.graphs import Graph, Node
from fastad.notation import number

__all__ = ["dot"]


def dot(graph: Graph) -> str:
    """The graph with values, partials and adjoints; folded, if it is large."""
    lines = _whole(graph) if graph.is_whole else _folded(graph)
    return "\n".join(
        [
            f"digraph {quoted(graph.function)} {{",
            "    rankdir=LR",
            '    node [shape=box, style=rounded, fontname="monospace"]',
            '    edge [fontname="monospace", fontsize=10]',
            *(f"    {line}" for line in lines),
            "}",
        ]
    )


def quoted(text: str) -> str:
    r"""A string of the language; a line break in it is \n there, too.

    >>> quoted('say "a\\b"')
    '"say \\"a\\\\b\\""'
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _whole(graph: Graph) -> Iterator[str]:
    top = graph.outputs[graph.chosen]
    for node in graph.nodes.values():
        yield f"n{node.id} [{_box(graph, node, top)}]"
    for node in graph.nodes.values():
        for edge in node.edges:
            if edge.partial is None:
                yield f"n{edge.source} -> n{node.id} [style=dashed]"
                continue
            value = number(edge.partial)
            label = value if edge.formula == value else f"{edge.formula} = {value}"
            yield f"n{edge.source} -> n{node.id} [label={quoted(label)}]"


def _box(graph: Graph, node: Node, top: str) -> str:
    value = number(node.value)
    if node.kind == "constant":
        return f"label={quoted(value)}, style=dotted"
    lines = [node.name, f"= {node.formula}", f"= {value}"]
    if not node.formula:
        lines = [f"{node.name} = {value}"]
    adjoint = graph.adjoints[node.id]
    if adjoint is not None:
        lines.append(f"∂{top}/∂{node.name} = {number(adjoint)}")
    return f"label={quoted(chr(10).join(lines))}" + (
        ", penwidth=2" if node.id == graph.output else ""
    )


def _folded(graph: Graph) -> Iterator[str]:
    for group in graph.fold.groups:
        lines = [group.title, f"{group.n:,} nodes", f"values {group.values}"]
        if group.adjoints.n:
            lines.append(f"adjoints {group.adjoints}")
        yield f"g{group.id} [label={quoted(chr(10).join(lines))}, peripheries=2]"
    for (a, b), n in graph.fold.edges.items():
        yield f'g{a} -> g{b} [label="{n:,}"]'
