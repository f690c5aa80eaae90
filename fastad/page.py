"""The page of a picture: one HTML file with its data, style and script inside.

What there is to say is said here, as text; the scripts in data/show/ lay out, draw and step.
"""

import html
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastad import notation
from fastad.graphs import Edge, Graph, Node
from fastad.sources import Excerpt, line_of

if TYPE_CHECKING:
    from fastad.pictures import Picture, Step

__all__ = ["asset", "framed", "model", "page"]

# Forward mode is shown from so many inputs at most that its steps are not more than this.
MOST_STEPS = 900
# In a folded picture: from so many inputs, and over so many nodes in all.
MOST_MODES = 16
MOST_TANGENTS = 1_000_000
MOST_DECISIONS = 50
SWEEPS = {
    "mode": "Forward mode",
    "forward": "Reverse: forward sweep",
    "backward": "Reverse: backward sweep",
    "values": "Forward: values",
    "partials": "Forward: partials",
}


@cache
def asset(name: str) -> str:
    """A file of data/show/."""
    return (Path(__file__).parent / "data" / "show" / name).read_text("utf8")


def page(picture: "Picture", sources: list[Excerpt]) -> str:
    """The whole page."""
    content = model(picture, sources)
    kinds = dict.fromkeys(sweep["kind"] for sweep in content["sweeps"])
    licence = f"/* dagre\n{asset('dagre.LICENSE')}*/"
    scripts = [asset(name) for name in ("dagre.min.js", "picture.js", "page.js")]
    columns = (
        ("line", "nodes and values", "partials", "adjoints")
        if "groups" in content
        else ("node", "value", "partials", "adjoint")
    )
    filled = {
        "TITLE": html.escape(content["title"]),
        "STYLE": asset("picture.css") + asset("page.css"),
        "PHASES": "".join(
            f'<button type="button" data-phase="{kind}">{SWEEPS[kind]}</button>'
            for kind in kinds
        ),
        "BARE": "" if sources else " bare",
        "LEGEND": legend(picture.graph),
        "SOURCE": source(sources),
        "SIDES": sides(picture) if picture.graph.is_whole else "",
        "COSTS": costs(picture.graph),
        "REMARKS": remarks(picture.graph),
        "COLUMNS": "".join(f'<th scope="col">{name}</th>' for name in columns),
        # Nothing in it may end the element that it stands in.
        "MODEL": json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace(
            "<", "\\u003c"
        ),
        "SCRIPT": "\n".join([licence, *scripts]),
    }
    head, *parts = asset("page.html").split("@")
    # Between two @ stands the name of what is filled in there.
    return head + "".join(
        filled[part] if k % 2 == 0 else part for k, part in enumerate(parts)
    )


def framed(text: str, title: str) -> str:
    """A page within a page, with a style and script of its own, as notebooks need it."""
    return (
        f'<iframe srcdoc="{html.escape(text)}" title="{html.escape(title)}" '
        'sandbox="allow-scripts" width="100%" height="720" style="border:0"></iframe>'
    )


# ---- What the scripts draw ---------------------------------------------------------------


def model(
    picture: "Picture",
    sources: Sequence[Excerpt] = (),
    inputs: Sequence[int] | None = None,
) -> dict[str, Any]:
    """What data/show/picture.js and page.js say they take.

    `inputs` are the numbers of those from which forward mode is shown; by default as many
    as there is room for.
    """
    graph = picture.graph
    files = {excerpt.file: k for k, excerpt in enumerate(sources)}
    shared = {
        "title": picture.title,
        "inputs": graph.run.inputs,
        "result": "\n".join(results(graph)),
    }
    if not graph.is_whole:
        return shared | folded(graph, inputs)
    sweeps = modes(picture, inputs)
    for kind in ("forward", "backward"):
        steps = [step for step in picture.steps if step.sweep == kind]
        sweeps.append(sweep_of(kind, [step_of(picture, step) for step in steps]))
    return shared | {
        "nodes": [node_of(graph, node, files) for node in graph.nodes.values()],
        "modesLeftOut": left_out(graph, len(sweeps) - 2),
        "sweeps": sweeps,
    }


def sweep_of(kind: str, steps: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"kind": kind, "name": SWEEPS[kind], "steps": steps, **more}


def results(graph: Graph) -> Iterator[str]:
    """The gradient, line by line, with all digits."""
    top = graph.outputs[graph.chosen]
    yield f"{top} = {graph.run.values[graph.output]!r}"
    gradient = list(zip(graph.inputs, graph.gradient, strict=True))
    for name, slope in gradient[:5]:
        yield f"∂{top}/∂{name} = {slope!r}"
    if len(gradient) > 5:
        yield f"and {len(gradient) - 5:,} more"


def node_of(
    graph: Graph, node: Node, files: dict[str, int] | None = None
) -> dict[str, Any]:
    adjoint = graph.adjoints[node.id]
    value = notation.number(node.value)
    said = f"{node.name} = {node.formula} = {value}" if node.formula else ""
    content = {
        "id": node.id,
        "name": node.name,
        "symbol": node.symbol,
        "kind": node.kind,
        "formula": node.formula,
        "value": value,
        "adjoint": "" if adjoint is None else notation.number(adjoint),
        "isOutput": node.id == graph.output,
        "says": said
        or (value if node.kind == "constant" else f"{node.name} = {value}"),
        "edges": [edge_of(edge) for edge in node.edges],
    }
    if files and node.place and node.place[0] in files:
        content["place"] = [files[node.place[0]], node.place[1]]
    return content


def edge_of(edge: Edge) -> dict[str, Any]:
    partial = None if edge.partial is None else notation.number(edge.partial)
    return {"source": edge.source, "partial": partial, "formula": edge.formula}


def step_of(picture: "Picture", step: "Step") -> dict[str, Any]:
    content: dict[str, Any] = {"node": step.node}
    if step.kind != "tangent":
        content["says"] = picture.sentence(step)
    elif not picture.carries_nothing(
        step
    ):  # else the page says it, as it does the value
        content["says"] = picture.tangent_line(step)
    if step.edge is not None:
        edges = picture.graph.nodes[step.node].edges
        # The two edges of x * x are equal, and two.
        content["edge"] = next(k for k, edge in enumerate(edges) if edge is step.edge)
        content["on"] = step.edge.source
    if step.after is not None:
        content["mark"] = notation.number(step.after)
    return content


def modes(picture: "Picture", inputs: Sequence[int] | None) -> list[dict[str, Any]]:
    """Forward mode from these inputs."""
    graph = picture.graph
    if inputs is None:
        most = max(1, MOST_STEPS // max(1, len(graph.nodes)))
        inputs = range(min(most, len(graph.inputs)))
    return [
        sweep_of(
            "mode",
            [step_of(picture, step) for step in picture.mode(graph.run.inputs[k])],
            of=graph.inputs[k],
        )
        for k in inputs
    ]


def left_out(graph: Graph, n_shown: int) -> str:
    n = len(graph.inputs)
    return "" if n_shown == n else f"the first {n_shown:,} of {n:,}"


# ---- Folded ------------------------------------------------------------------------------


def folded(graph: Graph, inputs: Sequence[int] | None) -> dict[str, Any]:
    fold = graph.fold
    kept = [node for group in fold.groups for node in group.nodes]
    targets = fold.targets(kept)
    groups = []
    for group in fold.groups:
        nodes = []
        for k in group.nodes:
            content = node_of(graph, graph.node(k))
            for edge in content["edges"]:
                if edge["partial"] is not None:
                    edge["group"] = fold.of_node[edge["source"]]
            nodes.append(content | {"mark": content["adjoint"], "group": group.id})
            nodes[-1]["targets"] = targets[k]
        source = line_of(group.place) if group.place and fold.n_lines == 1 else ""
        lines = [group.title, *([source] if source else []), group.kinds(most=3)]
        if group.values.n:
            lines.append(f"values {group.values}")
        adjoints = str(group.adjoints) if group.adjoints.n else ""
        groups.append(
            {
                "id": group.id,
                "title": group.title,
                "lines": lines,
                "n": group.n,
                "isOutput": group.id == fold.of_node[graph.output],
                "nodes": nodes,
                "partials": str(group.partials) if group.partials.n else "",
                "says": f"{'; '.join(lines)}; adjoints {adjoints or 'none'}",
                **({"mark": adjoints} if adjoints else {}),
            }
        )
    n_modes = min(MOST_MODES, max(1, MOST_TANGENTS // len(graph.drawn)))
    if inputs is None:
        inputs = range(min(n_modes, len(graph.inputs)))
    sweeps = [folded_mode(graph, k) for k in inputs]
    n = len(graph.drawn)
    for kind, says in {
        "values": f"{n:,} nodes in {len(groups)} boxes, one for each "
        + ("source line" if fold.n_lines == 1 else f"{fold.n_lines} source lines")
        + ", each with the range of its values. Open a box for its first nodes.",
        "partials": f"A partial for each of the {graph.n_edges:,} edges; in each box the "
        "range of those that lead into it or stay within.",
        "backward": f"The adjoints: {graph.n_edges_to_output:,} products, one for each "
        "edge on a way to the result.",
    }.items():
        sweeps.append({"kind": kind, "name": SWEEPS[kind], "says": says})
    return {
        "groups": groups,
        "edges": [[a, b, n] for (a, b), n in fold.edges.items()],
        "sweeps": sweeps,
        "modesLeftOut": left_out(graph, len(inputs)),
    }


def folded_mode(graph: Graph, k: int) -> dict[str, Any]:
    fold, name = graph.fold, graph.inputs[k]
    tangents = graph.run.tangents(graph.run.inputs[k])
    kept = [node for group in fold.groups for node in group.nodes]
    n_zeros = sum(1 for j in graph.drawn if tangents[j] == 0.0)
    return {
        "kind": "mode",
        "name": SWEEPS["mode"],
        "of": name,
        "says": f"The derivatives to {name}, carried along with the values: "
        f"{n_zeros:,} of {len(graph.drawn):,} are 0.",
        "marks": [str(span) for span in fold.ranges(tangents)],
        "ofNodes": {j: notation.number(tangents[j]) for j in kept},
    }


# ---- Around the drawing ------------------------------------------------------------------


def legend(graph: Graph) -> str:
    top = html.escape(graph.outputs[graph.chosen])
    return (
        '<b class="values">values</b> in the boxes, partials on the edges; '
        f'<b class="backward">← adjoints</b>, ∂{top}/∂box, from right to left; '
        '<b class="mode">→ derivatives to one input</b>, in forward mode. '
        + (
            "Dashed: constants, and in forward mode what only a 0 goes along."
            if graph.is_whole
            else "A box is a source line; on an edge stands how many it stands for."
        )
    )


def source(sources: list[Excerpt]) -> str:
    if not sources:
        return ""
    parts = []
    for k, excerpt in enumerate(sources):
        items = "".join(
            f'<li id="line-{k}-{n}"><span class="number">{n}</span>'
            f"{html.escape(line)}</li>"
            for n, line in excerpt.lines
        )
        parts.append(f"<h2>{html.escape(excerpt.name)}</h2><ol>{items}</ol>")
    return (
        '<aside class="source" aria-label="Source" tabindex="0">'
        + "".join(parts)
        + "</aside>"
    )


def sides(picture: "Picture") -> str:
    graph = picture.graph
    top = html.escape(graph.outputs[graph.chosen])
    n, m = len(graph.inputs), len(graph.outputs)
    if not n:
        return ""
    figure = (
        '<figure id="side-{0}"><figcaption><b class="{1}-caption">{2}</b>'
        '<span class="what">{3}</span></figcaption><div class="picture"></div></figure>'
    )
    return (
        '<section aria-labelledby="beside"><h2 id="beside">Forward and reverse, side by '
        'side</h2><div class="sides">'
        + figure.format(
            "forward",
            "mode",
            f"Forward mode: {notation.counted(n, 'sweep')}, one for each input",
            "",
        )
        + figure.format(
            "reverse",
            "reverse",
            f"Reverse mode: {notation.counted(m, 'sweep')}, one for each output",
            f"One sweep back from {top}: beside each value, the derivative of {top} to it.",
        )
        + "</div></section>"
    )


def costs(graph: Graph) -> str:
    heads = ["sweeps", "products in all", "of them with a 0"]
    if not graph.is_whole:
        del heads[-1]
    rows = "".join(
        f'<tr><th scope="row">{cost.mode}</th>'
        + "".join(
            f'<td class="number">{x:,}</td>'
            for x in (cost.n_sweeps, cost.n_products, cost.n_zeros)
            if x is not None
        )
        + "</tr>"
        for cost in graph.costs
    )
    return (
        '<table><thead><tr><th scope="col">mode</th>'
        + "".join(f'<th scope="col" class="number">{head}</th>' for head in heads)
        + f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def remarks(graph: Graph) -> str:
    decisions = list(graph.decisions())
    if not decisions:
        return ""
    items = "".join(
        f"<li>{html.escape(text)}{html.escape(notation.at(place))}</li>"
        for text, place in decisions[:MOST_DECISIONS]
    )
    n_more = len(decisions) - MOST_DECISIONS
    more = f"<li>and {n_more:,} more</li>" if n_more > 0 else ""
    return (
        '<section aria-labelledby="decided"><h2 id="decided">What the function decided</h2>'
        "<p>The derivatives are those of the path that it took.</p>"
        f"<ul>{items}{more}</ul></section>"
    )
