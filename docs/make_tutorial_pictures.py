"""Write the pictures of the tutorial: the graph of its f at (2, 3), and both modes.

    python docs/make_tutorial_pictures.py

All numbers in them are computed, by `fastad.reference`.
"""

from pathlib import Path

from fastad import reference

PICTURES = Path(__file__).parent / "pictures"

# Centre of each node.
PLACES = {
    "w1": (70, 70),
    "w2": (70, 210),
    "a": (250, 70),
    "b": (250, 210),
    "c": (430, 140),
    "f": (610, 140),
}
FORMULAS = {"a": "w1 * w1", "b": "sin(w2)", "c": "a * b", "f": "c / w1"}
STYLE = """
text { font: 14px system-ui, sans-serif; text-anchor: middle; fill: #222 }
.formula, .partial { fill: #666; font-size: 12px } .tangent { fill: #b3261e }
.adjoint { fill: #0b57b0 } rect { fill: #fff; stroke: #888 } .page { stroke: none }
path { fill: none; stroke: #888; marker-end: url(#tip) }
"""


def compute():
    """Return f's nodes by name, at w1 = 2, w2 = 3."""
    w1, w2 = reference.Var(2.0), reference.Var(3.0)
    a = w1 * w1
    b = reference.math.sin(w2)
    c = a * b
    return {"w1": w1, "w2": w2, "a": a, "b": b, "c": c, "f": c / w1}


def tangents(nodes, source):
    """Return each node's derivative to the input *source*, by name."""
    found = {}
    for name, node in nodes.items():
        found[name] = float(name == source)
        for argument, partial in node.edges:
            found[name] += partial * found[name_of(nodes, argument)]
    return found


def name_of(nodes, node):
    return next(name for name, other in nodes.items() if other is node)


def number(x):
    return f"{x:.3g}".replace("-", "\u2212")


def edges(nodes):
    """Yield pairs of names, argument and node, with the partial: equal ones once."""
    for name, node in nodes.items():
        merged = {}
        for argument, partial in node.edges:
            merged.setdefault(name_of(nodes, argument), []).append(partial)
        for argument, partials in merged.items():
            yield argument, name, " + ".join(map(number, partials))


def draw_edge(argument, name, label):
    (x0, y0), (x1, y1) = PLACES[argument], PLACES[name]
    if (argument, name) == ("w1", "f"):  # over the others
        line = f"M{x0} {y0 - 30} C {x0 + 60} 0 {x1 - 40} 0 {x1} {y1 - 34}"
        x, y = (x0 + x1) / 2, 14
    else:
        line = f"M{x0 + 55} {y0} L{x1 - 58} {y1}"
        x, y = (x0 + x1) / 2 + (0 if y0 == y1 else 22), (y0 + y1) / 2 - 8
    return f'<path d="{line}"/><text class="partial" x="{x:g}" y="{y:g}">{label}</text>'


def draw_node(name, value, more):
    x, y = PLACES[name]
    lines = [f'<tspan font-weight="600">{name}</tspan> = {number(value)}', *more]
    if name in FORMULAS:
        lines.insert(0, f'<tspan class="formula">{FORMULAS[name]}</tspan>')
    texts = "".join(
        f'<text x="{x}" y="{y + 5 + 17 * (i - (len(lines) - 1) / 2):g}">{line}</text>'
        for i, line in enumerate(lines)
    )
    return f'<rect x="{x - 53}" y="{y - 30}" width="106" height="60" rx="8"/>{texts}'


def draw(title, nodes, more):
    """The picture as SVG; *more* has a line of text for each name, or nothing."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 260" role="img">',
        f"<title>{title}</title><style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" '
        'style="fill:#888;stroke:none"/></marker></defs>',
        '<rect class="page" width="680" height="260"/>',
        *(draw_edge(*edge) for edge in edges(nodes)),
        *(
            draw_node(name, node.value, more.get(name, []))
            for name, node in nodes.items()
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def pictures():
    """Return the pictures by the names of their files."""
    nodes = compute()
    forward = tangents(nodes, "w1")
    adjoints = reference.adjoints(nodes["f"])
    return {
        "tutorial-graph.svg": draw("The graph of f", nodes, {}),
        "tutorial-forward.svg": draw(
            "Forward mode from w1: a tangent at each value",
            nodes,
            {
                name: [f'<tspan class="tangent">tangent {number(t)}</tspan>']
                for name, t in forward.items()
            },
        ),
        "tutorial-reverse.svg": draw(
            "Reverse mode: an adjoint at each value",
            nodes,
            {
                name: [
                    f'<tspan class="adjoint">adjoint {number(adjoints[node])}</tspan>'
                ]
                for name, node in nodes.items()
            },
        ),
    }


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for name, picture in pictures().items():
        (PICTURES / name).write_text(picture, "utf8")
