"""show: its numbers are those of the other verbs, in every form, whole and folded."""

import json
import math as standard_math
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy
import pytest

import fastad
from fastad import errors, math, notation, show
from fastad.graphs import WHOLE, Graph
from fastad.page import model
from fastad.pictures import Picture
from fastad.sources import excerpts

inf, nan = standard_math.inf, standard_math.nan


def textbook(w1, w2):
    a = w1 * w1
    b = math.sin(w2)
    c = a * b + 2.0
    return c / w1


def several(x, y):
    return {"sum": x + y, "product": [x * y, x]}


def decides(x):
    return x * 3.0 if x < 2.0 else -x


def wastes(x, y):
    _ = x * y * 7.0
    return x - y


def root(x):
    return math.sqrt(x) * 0.0


def loop(p):
    total = 0.0
    for k in range(300):
        total = total + math.sin(p[k % 3]) * p[0]
        _ = total * 2.0
    return math.exp(-total * 1e-3)


def wide(x):
    return [x * k for k in range(400)]


def clamp(x):
    return fastad.clip(x, 0.0, 1.0) + fastad.where(x > 0.0, x, 0.0)


# A function, its arguments.
CASES = {
    "textbook": (textbook, (2.0, 3.0)),
    "several": (several, (2.0, 3.0)),
    "decides": (decides, (1.0,)),
    "wastes": (wastes, (2.0, 3.0)),
    "nonfinite": (lambda x: x**0.5, (0.0,)),
    "absorbed": (root, (0.0,)),
    "nan": (lambda x: x * inf - x * inf, (1.0,)),
    "identity": (lambda x: x, (1.5,)),
    "constant": (lambda x: 2.0, (1.5,)),
    "twice the same": (lambda x: [x * x, 3.0], (1.5,)),
    "list": (lambda p: fastad.norm(p) + fastad.logsumexp(p), ([1.0, 2.0, 3.0],)),
    "array": (lambda p: (p * p).sum(), (numpy.ones((2, 3)),)),
    "builtin": (math.sin, (1.0,)),
    "partial": (partial(textbook, w2=3.0), (2.0,)),
    "ternary": (clamp, (0.5,)),
    "loop": (loop, ([1.0, 2.0, 3.0],)),
    "wide": (wide, (2.0,)),
    "many inputs": (lambda p: sum(p), ([1.0] * 500,)),
    "hostile": (lambda d: {'"</script><b>': d["</title>"] * 2}, ({"</title>": 1.0},)),
}
cases = pytest.mark.parametrize("name", CASES)
SMALL = [name for name in CASES if name not in ("loop", "wide", "many inputs")]


@pytest.fixture(scope="module")
def pictures():
    return {name: show(f, *args) for name, (f, args) in CASES.items()}


def numbers(x):
    return fastad._core.taken_apart(x)[0]


# ---- Numbers --------------------------------------------------------------------------


@cases
@pytest.mark.filterwarnings("ignore::fastad.errors.NonSmoothWarning")
def test_gradients_are_those_of_vjp(name):
    f, args = CASES[name]
    y, pullback = fastad.vjp(f, *args)
    results, shape = fastad._core.taken_apart(y)
    n = len(results)
    for k in range(min(n, 4)):
        graph = show(f, *args, output=k).graph
        seed = [float(k == j) for j in range(n)]
        expected = numbers(pullback(shape.arrange(seed)))
        # A norm is one operation for vjp, and a chain of them in a program.
        numpy.testing.assert_allclose(graph.gradient, expected, rtol=1e-14)
        numpy.testing.assert_array_equal(graph.run.values[graph.output], results[k])


@pytest.mark.parametrize("name", SMALL)
def test_the_steps_lead_to_the_adjoints_and_tangents(name, pictures):
    picture = pictures[name]
    graph, found = picture.graph, {}
    for step in picture.steps:
        if step.kind in ("seed", "product"):
            on = step.node if step.edge is None else step.edge.source
            assert step.before == found.get(on) or step.before != step.before
            found[on] = step.after
    known = {k: x for k, x in enumerate(graph.adjoints) if x is not None}
    found = {k: x for k, x in found.items() if k in known}
    constants = {k for k in known if graph.is_constant(k)}
    numpy.testing.assert_equal(
        {k: x for k, x in found.items() if k not in constants},
        {k: x for k, x in known.items() if k not in constants},
    )
    steps = [step for step in picture.steps if step.kind == "value"]
    assert [step.node for step in steps] == [
        k for k in graph.drawn if not graph.is_constant(k)
    ]
    for source in graph.run.inputs:
        tangents = graph.run.tangents(source)
        for step in picture.mode(source):
            numpy.testing.assert_equal(step.after, tangents[step.node])


def test_forward_mode_carries_what_jvp_gives(pictures):
    graph = pictures["textbook"].graph
    for k, source in enumerate(graph.run.inputs):
        tangent = graph.run.tangents(source)[graph.output]
        direction = tuple(float(j == k) for j in range(2))
        assert tangent == fastad.jvp(textbook, (2.0, 3.0), direction)[1]


def test_costs_count_the_products_and_their_zeros(pictures):
    forward, reverse = pictures["textbook"].graph.costs
    # w1*w1: 2 edges, sin: 1, a*b: 2, + 2.0: 1, c/w1: 2.
    assert (forward.n_sweeps, forward.n_products) == (2, 16)
    # From w1 nothing goes along w2-b and b-v; from w2 along w1-a twice, a-v and w1-f.
    assert forward.n_zeros == 2 + 4
    assert (reverse.n_sweeps, reverse.n_products, reverse.n_zeros) == (1, 8, 0)
    forward, reverse = pictures["several"].graph.costs
    assert (forward.n_products, reverse.n_products) == (2 * 4, 4)
    # What is computed in vain, forward mode differentiates too.
    forward, reverse = pictures["wastes"].graph.costs
    assert (forward.n_products, reverse.n_products) == (2 * 5, 2)


# ---- Words ----------------------------------------------------------------------------


def sentences(picture, kind):
    return [picture.sentence(step) for step in picture.steps if step.kind == kind]


def test_the_textbook_example_in_words(pictures):
    picture = pictures["textbook"]
    assert sentences(picture, "value")[2:] == [
        "a = w1·w1 = 4",
        "b = sin(w2) = 0.14112",
        "v3 = a·b = 0.56448",
        "c = v3 + 2 = 2.5645",
        "textbook = c/w1 = 1.2822",
    ]
    assert sentences(picture, "partial")[2:5] == [
        "∂b/∂w2 = cos(w2) = -0.98999",
        "∂v3/∂a = b = 0.14112",
        "∂v3/∂b = a = 4",
    ]
    assert sentences(picture, "seed") == ["∂textbook/∂textbook = 1"]
    assert "∂textbook/∂b = ∂textbook/∂v3 × ∂v3/∂b = 0.5 × a = 0.5 × 4 = 2" in sentences(
        picture, "product"
    )
    mode = [picture.sentence(step) for step in picture.mode(0)]
    assert mode[4] == (
        "v3 = a·b = 0.56448\n"
        "∂v3/∂w1 = ∂v3/∂a × ∂a/∂w1 + ∂v3/∂b × ∂b/∂w1 = 0.14112 × 4 + 4 × 0 = 0.56448"
    )


def test_decisions_are_remarks_and_no_nodes(pictures):
    picture = pictures["decides"]
    assert [node.kind for node in picture.graph.nodes.values()] == [
        "input",
        "constant",
        "operation",
    ]
    assert "decided\n  x < 2 was true, at test_show.py:" in str(picture)
    assert "x &lt; 2 was true, at test_show.py:" in picture.html()


def test_decisions_of_a_folded_graph_are_counted():
    def bounded(x):
        for _ in range(400):
            x = x * 1.5
            if x > 100.0:
                x = x - 99.0
        return x

    text = str(show(bounded, 1.0))
    false, true = (
        int(re.search(rf"· < · was {outcome}, (\d+) times, at test_show", text)[1])
        for outcome in ("false", "true")
    )
    assert false + true == 400


def test_what_is_not_finite_is_shown_as_what_it_is(pictures):
    assert "∂f/∂x = 0.5·x^(-0.5) = inf" in str(pictures["nonfinite"])
    # 0 absorbs, as in the library's own sweep.
    text = str(pictures["absorbed"])
    assert "= inf" in text
    assert "∂root/∂x = 0.0" in text
    assert "f(x=1.0) = nan" in str(pictures["nan"])
    json.loads(json.dumps(model(pictures["nan"]), allow_nan=False))


@pytest.mark.parametrize(
    ("operation", "position", "operands", "numbers", "expected"),
    [
        ("mul", 0, ("a", "b"), (2.0, 3.0), "b"),
        ("div", 1, ("a", "b"), (2.0, 4.0), "-v/b"),
        ("pow", 0, ("a", None), (3.0, 2.0), "2·a"),
        ("sin", 0, ("a",), (1.0,), "cos(a)"),
        ("exp", 0, ("a",), (1.0,), "v"),
        ("log", 0, ("a",), (2.0,), "1/a"),
        ("sqrt", 0, ("a",), (2.0,), "0.5/v"),
        ("neg", 0, ("a",), (2.0,), "-1"),
        ("sub", 1, ("a", "b"), (2.0, 1.0), "-1"),
    ],
)
def test_partials_as_formulas(operation, position, operands, numbers, expected):
    written = notation.partial(operation, position, operands, numbers, "v")
    assert written == expected


def test_every_row_can_be_written():
    names = ("a", "b", "c")
    for row in fastad._core.rows():
        at = (1.5, 0.5, 2.0)[: row.arity]
        assert notation.value(row.name, names[: row.arity], at)
        for k in range(row.arity):
            text = notation.partial(row.name, k, names[: row.arity], at, "v")
            assert text
            assert "where" not in text
            # The same with constants in place of one operand.
            constants = tuple(n if j == k else None for j, n in enumerate(names))
            assert notation.partial(row.name, k, constants[: row.arity], at, "v")


def test_names_are_those_of_arguments_variables_and_results():
    def f(x, *more):
        y = x * more[0]
        y = y + more[1]
        return [y, y * y, 4.0]

    names = [node.name for node in show(f, 1.0, 2.0, 3.0).graph.nodes.values()]
    assert names == ["x", "more[0]", "more[1]", "y", "f[0]", "f[1]", "4"]
    lambdas = show(lambda f: f * 2.0, 1.0).graph
    assert lambdas.outputs == ["f()"]  # not the name that an argument has


def test_the_title_is_the_call(pictures):
    assert pictures["textbook"].title == "textbook(w1=2.0, w2=3.0) = 1.2822"
    assert pictures["several"].title == (
        "several(x=2.0, y=3.0): several['sum'] = 5, one of 3 results"
    )
    assert repr(pictures["identity"]) == "<Picture of f(x=1.5) = 1.5: 1 nodes>"


def test_source_lines_without_the_folders(pictures):
    page = pictures["textbook"].html()
    assert "    b = math.sin(w2)" in page
    assert str(Path(__file__).parent) not in page
    assert excerpts(math.sin, [None]) == []
    typed = {}
    exec("def f(x):\n    return x * x", typed)
    assert '<aside class="source"' not in show(typed["f"], 1.0).html()


# ---- Folded ---------------------------------------------------------------------------


def test_whole_up_to_a_few_hundred_nodes():
    def chain(x, n):
        for _ in range(n - 1):
            x = -x
        return x

    assert show(partial(chain, n=WHOLE), 1.0).graph.is_whole
    assert not show(partial(chain, n=WHOLE + 1), 1.0).graph.is_whole


@pytest.mark.parametrize("name", ["loop", "wide", "many inputs"])
def test_a_fold_counts_everything_once(name, pictures):
    graph = pictures[name].graph
    fold = graph.fold
    assert not graph.is_whole
    assert sum(group.n for group in fold.groups) == len(graph.drawn)
    within = sum(group.n_within for group in fold.groups)
    assert sum(fold.edges.values()) + within == graph.n_edges
    for group in fold.groups:
        assert sum(group.counts.values()) == group.n


def test_a_fold_tells_the_ranges(pictures):
    text = str(pictures["loop"])
    assert "300 sin, 300 mul, 300 add" in text.replace("300 constants, ", "")
    assert "← 600 edges from p" in text
    assert "adjoints none" in text  # of what is computed in vain
    assert pictures["loop"].steps == []
    with pytest.raises(errors.ArgumentError, match="folded"):
        pictures["loop"].svg(step=0)


def edges_between_boxes(graph, drawn):
    """How many edges lead from one box to another, where these nodes have their own."""

    def box(k):
        return ("node", k) if k in drawn else ("group", graph.fold.of_node[k])

    return sum(box(a) != box(b) for a, b, _ in graph.paths())


@pytest.mark.parametrize("name", ["loop", "wide", "many inputs"])
def test_an_opened_box_still_shows_every_edge(name, pictures):
    run = engine()
    graph = pictures[name].graph
    run(f"model = {json.dumps(model(pictures[name]))}")
    groups = graph.fold.groups
    choices = [[], *([k] for k in range(len(groups))), list(range(len(groups)))]
    for opened in choices:
        boxes = json.loads(run(f"JSON.stringify(unfolded(model, new Set({opened})))"))
        shown = 0
        for box in boxes:
            for edge in box["edges"]:
                shown += int(edge["count"].replace(",", "")) if "count" in edge else 1
        nodes = {node for k in opened for node in groups[k].nodes}
        assert shown == edges_between_boxes(graph, nodes), opened


def engine():
    """What evaluates JavaScript, with the scripts that draw."""
    py_mini_racer = pytest.importorskip("py_mini_racer")
    from fastad.drawing import SUPPLEMENT
    from fastad.page import asset

    context = py_mini_racer.MiniRacer()
    for script in (SUPPLEMENT, asset("dagre.min.js"), asset("picture.js")):
        context.eval(script)
    context.eval("var model")

    def run(code):
        return context.eval(code)

    return run


# ---- Forms ----------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page refers to, and the data in it."""

    def __init__(self, text):
        super().__init__()
        self.references, self.data, self.inside = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.references += [v for k, v in attributes if k in ("src", "href")]
        self.inside = dict(attributes).get("id", tag)

    def handle_data(self, text):
        self.data[self.inside] = self.data.get(self.inside, "") + text


@cases
def test_the_page_is_one_file(name, pictures):
    text = pictures[name].html()
    page = Page(text)
    assert page.references == ["data:,"]
    assert "@import" not in text
    assert "Permission is hereby granted" in text  # dagre's licence goes with its copy
    content = json.loads(page.data["model"])
    assert content["title"] == pictures[name].title
    assert page.data["title"].strip() == pictures[name].title


def test_pages_are_small():
    def dense(*p):
        total = p[0]
        for x in p[1:]:
            total = math.tanh(total * x)
        return total

    few = show(dense, *[0.5] * 17)
    many = show(lambda p: sum(p), [1.0 + k / 7 for k in range(25)])
    for picture in (few, many):
        assert 49 <= len(picture.graph.drawn) <= 51
        assert len(picture.html().encode()) < 200_000


@cases
def test_drawings_are_svg(name, pictures):
    pytest.importorskip("py_mini_racer")
    picture = pictures[name]
    drawing = ElementTree.fromstring(picture.svg())
    space = "{http://www.w3.org/2000/svg}"
    assert drawing.find(f"{space}title").text == picture.title
    texts = {element.text for element in drawing.iter(f"{space}text")}
    nodes = [element for element in drawing.iter() if "data-node" in element.attrib]
    if picture.graph.is_whole:
        assert len(nodes) == len(picture.graph.drawn)
        for k in picture.graph.drawn:
            assert notation.number(picture.graph.run.values[k]) in texts
    else:
        assert len(nodes) == len(picture.graph.fold.groups)
    left, top, right, bottom = 0.0, 0.0, *map(float, drawing.get("viewBox").split()[2:])
    for element in drawing.iter(f"{space}rect"):
        x, y, w, h = (float(element.get(k)) for k in ("x", "y", "width", "height"))
        assert left <= x <= x + w <= right
        assert top <= y <= y + h <= bottom


def test_a_drawing_of_one_step(pictures):
    pytest.importorskip("py_mini_racer")
    picture = pictures["textbook"]
    kinds = [step.kind for step in picture.steps]
    first = picture.svg(step=0)
    assert first.count("current forward") == 1
    assert "← 1" not in first
    seeded = picture.svg(step=kinds.index("seed"))
    assert seeded.count(">← ") == 1
    assert picture.svg(step=-1) == picture.svg(step=len(kinds) - 1)
    with pytest.raises(errors.ArgumentError, match="step=99"):
        picture.svg(step=99)


def test_a_drawing_of_forward_mode(pictures):
    pytest.importorskip("py_mini_racer")
    for name in ("textbook", "loop"):
        picture = pictures[name]
        drawing = picture.svg(forward=1)
        assert '<text class="mark mode"' in drawing
        assert "mark backward" not in drawing
        assert "arrow zero" in drawing or not picture.graph.is_whole
        for wrong in ({"forward": 7}, {"forward": 0, "step": 0}):
            with pytest.raises(errors.ArgumentError):
                picture.svg(**wrong)


def test_a_drawing_without_the_engine_says_what_to_install(pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "py_mini_racer", None)
    with pytest.raises(ImportError, match=r'pip install "fastad\[show\]"'):
        pictures["textbook"].svg()
    assert pictures["textbook"].html()
    assert pictures["textbook"].dot()


def test_graphviz(pictures):
    text = pictures["textbook"].dot()
    assert text.startswith('digraph "textbook" {')
    assert 'label="a\\n= w1·w1\\n= 4\\n∂textbook/∂a = 0.07056"' in text
    assert 'label="cos(w2) = -0.98999"' in text
    folded = pictures["loop"].dot()
    assert '[label="600"]' in folded
    assert "peripheries=2" in folded
    hostile = pictures["hostile"].dot()
    assert '\\"</script><b>' in hostile


def test_saving_goes_by_the_name(pictures, tmp_path):
    picture = pictures["decides"]
    for form, begins in {
        "html": "<!DOCTYPE html>",
        "dot": "digraph",
        "txt": picture.title,
    }.items():
        picture.save(tmp_path / f"picture.{form}")
        assert (tmp_path / f"picture.{form}").read_text("utf8").startswith(begins)
    with pytest.raises(errors.ArgumentError, match=r"picture\.png.*\.html, \.svg"):
        picture.save(tmp_path / "picture.png")


def test_a_notebook_gets_a_page_in_a_frame(pictures):
    frame = Page(pictures["hostile"]._repr_html_())
    assert frame.references == []
    assert frame.inside == "iframe"


# ---- Errors and the house --------------------------------------------------------------


def divides(x):
    return 1.0 / x


@fastad.custom_vjp
def ruled(x):
    return x * x


@ruled.rule
def _(value, x):
    return lambda seed: (2.0 * x * seed,)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: show(3, 1.0), errors.ArgumentError, "3, a int, cannot be called"),
        (lambda: show(textbook, "a", 1.0), errors.ArgumentError, "'a', a str"),
        (lambda: show(textbook, 1.0), TypeError, "w2"),
        (lambda: show(lambda x: None, 1.0), errors.ResultError, "None"),
        (lambda: show(lambda x: "a", 1.0), errors.ResultError, "'a'"),
        (lambda: show(several, 1.0, 2.0, output=3), errors.ArgumentError, "3 numbers"),
        (
            lambda: show(several, 1.0, 2.0, output="x"),
            errors.ArgumentError,
            "output='x'",
        ),
        (lambda: show(textbook, 1.0, 2.0, output=1), errors.ArgumentError, "1 number,"),
        (lambda: show(lambda x: [], 1.0), errors.ArgumentError, "0 numbers"),
        (lambda: show(divides, 0.0), ZeroDivisionError, "divisor"),
        (lambda: show(ruled, 1.0), errors.ArgumentError, "rule of its own"),
        (
            lambda: show(lambda x: x * fastad.Var(1.0), 1.0),
            errors.ArgumentError,
            "from outside",
        ),
    ],
)
def test_errors(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_an_output_counts_from_either_end():
    assert show(several, 1.0, 2.0, output=-1).graph.chosen == 2
    assert show(several, 1.0, 2.0, output=numpy.int64(1)).graph.chosen == 1


def test_the_types_of_what_show_gives(pictures):
    assert isinstance(pictures["textbook"], Picture)
    assert isinstance(pictures["textbook"].graph, Graph)


def test_who_draws_nothing_imports_nothing():
    code = "import sys, fastad; print(*(m for m in sys.modules if m.startswith('fastad.')))"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "fastad.errors" in run.stdout
    drawing = {"pictures", "graphs", "notation", "page", "drawing", "dot", "sources"}
    assert not {f"fastad.{name}" for name in drawing} & set(run.stdout.split())
    assert "show" in fastad.__all__
    with pytest.raises(AttributeError, match="no attribute 'shoe'"):
        fastad.shoe
