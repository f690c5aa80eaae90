"""The command line: what it prints, what it says of errors, how it exits."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import fastad
from fastad import demo
from fastad.__main__ import main

# Processes of their own run the fastad that is tested here.
COMMAND = [sys.executable, "-m", "fastad"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(fastad.__file__).parents[1])}

MODEL = """\
import math
import math as m
from math import exp as e
import sys
from sibling import twice

LIMIT = 3

def product(x, y):
    return x * y + math.sin(x)

def aliases(x):
    return m.cos(x) + e(x) + twice(x)

def rosenbrock(p):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(p, p[1:]))

def one(x):
    return x[0] * x[0] if isinstance(x, list) else x

def rest(x, *more):
    return x * sum(more)

def weighted(xs, w):
    return w * sum(xs)

def power(x, n=2, *, negate=False):
    return -(x ** n) if negate else x ** n

def chatty(x):
    print("chatty was here")
    return x

def not_a_number(x):
    return math.inf * (x - x)

def divides(x):
    y = x - 1
    return 1 / y

def fails_in_sibling(x):
    return twice(None)

def silent_failure(x):
    assert x > 100
    return x

def leaves(x):
    sys.exit(3)

def a_list(x):
    return [x]

def nothing(x):
    x * x

def inner_import(x):
    import math
    return math.sin(x)

def no_arguments():
    return 1.0

def stops(x):
    raise KeyboardInterrupt
"""


def at(statement):
    """The place in the model of a statement."""
    return f"model.py:{MODEL.splitlines().index('    ' + statement) + 1}"


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A folder with model.py, to which the working directory is set."""
    (tmp_path / "model.py").write_text(MODEL, "utf8")
    (tmp_path / "sibling.py").write_text("def twice(x):\n    return x + x\n", "utf8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("model", "sibling"):
        sys.modules.pop(name, None)


@pytest.fixture
def run(capsys):
    """A function that runs a command line here: (exit status, output, errors)."""

    def run(*argv):
        try:
            status = main(list(argv))
        except SystemExit as leaving:
            status = leaving.code or 0
        return status, *capsys.readouterr()

    return run


# ---- grad: what it prints ------------------------------------------------------------


def test_value_and_gradient_by_the_names_of_the_parameters(model, run):
    status, out, _ = run("grad", "model.py:product", "1.5", "2")
    value, slope = 1.5 * 2.0 + math.sin(1.5), 2.0 + math.cos(1.5)
    assert status == 0
    assert out == (
        f"product(x=1.5, y=2.0) = {value!r}\n"
        f"dproduct/dx = {slope!r}\n"
        f"dproduct/dy = 1.5\n"
    )


@pytest.mark.parametrize(
    ("values", "point"),
    [
        (["-2", "-1e-3"], [-2.0, -1e-3]),
        (["-.5", "1_000"], [-0.5, 1000.0]),
        (["1e3", "-inf"], [1e3, -math.inf]),
        (["--", "-2", "3"], [-2.0, 3.0]),
    ],
)
def test_negative_numbers_are_no_options(model, run, values, point):
    status, out, _ = run("grad", "--json", "model.py:product", *values)
    arguments = json.loads(out)["arguments"]
    assert status == 0
    assert [float(arguments["x"]), float(arguments["y"])] == point


@pytest.mark.parametrize(
    ("values", "gradient"),
    [
        (["rosenbrock", "-1.2", "1"], {"p": [-215.6, -88.0]}),
        (["rosenbrock", "-1.2,1"], {"p": [-215.6, -88.0]}),
        (["one", "3"], {"x": 1.0}),
        (["one", "3,"], {"x": [6.0]}),
        (["rest", "2", "3", "4"], {"x": 7.0, "more": [2.0, 2.0]}),
        (["weighted", "1,2", "5"], {"xs": [5.0, 5.0], "w": 3.0}),
        (["power", "2", "n=3"], {"x": 12.0}),
        (["power", "2", "negate=True"], {"x": -4.0}),
        (["power", "1", "3"], {"x": 3.0, "n": 0.0}),
    ],
    ids=" ".join,
)
def test_values_become_scalars_or_lists_as_the_signature_has_it(
    model, run, values, gradient
):
    function, *values = values
    status, out, _ = run("grad", f"model.py:{function}", *values, "--json")
    assert status == 0
    found = json.loads(out)["gradient"]
    assert found.keys() == gradient.keys()
    for name, expected in gradient.items():
        assert found[name] == pytest.approx(expected, rel=1e-14)


def test_lists_are_printed_element_by_element(model, run):
    _, out, _ = run("grad", "model.py:weighted", "1,2", "5")
    assert out == (
        "weighted(xs=[1.0, 2.0], w=5.0) = 15.0\n"
        "dweighted/dxs[0] = 5.0\n"
        "dweighted/dxs[1] = 5.0\n"
        "dweighted/dw     = 3.0\n"
    )


def test_json_is_strict(model, run):
    _, out, _ = run("grad", "--json", "model.py:not_a_number", "1")

    def refuse(name):
        raise AssertionError(name)

    assert json.loads(out, parse_constant=refuse)["value"] == "nan"


def test_keyword_arguments_are_shown_too(model, run):
    _, out, _ = run("grad", "model.py:power", "2", "n=3")
    assert out.startswith("power(x=2.0, n=3) = 8.0\n")
    _, out, _ = run("grad", "model.py:power", "2", "n=3", "--json")
    assert json.loads(out) == {
        "function": "power",
        "arguments": {"x": 2.0},
        "keywords": {"n": "3"},
        "value": 8.0,
        "gradient": {"x": 12.0},
    }


def test_what_the_file_prints_stays_out_of_the_output(model, run):
    status, out, err = run("grad", "--json", "model.py:chatty", "1")
    assert status == 0
    assert "chatty was here" in err
    assert json.loads(out)["value"] == 1.0


# ---- grad: the file's own math -------------------------------------------------------


def test_the_files_math_is_replaced_and_the_user_told(model, run):
    status, out, err = run("grad", "--json", "model.py:aliases", "0.5")
    assert status == 0
    slope = -math.sin(0.5) + math.exp(0.5) + 2.0
    assert json.loads(out)["gradient"]["x"] == pytest.approx(slope, rel=1e-15)
    assert err == (
        "fastad: note: model.py ran with fastad.math for math, m, e "
        "(--keep-math: with its own)\n"
    )
    assert math.sin is not fastad.math.sin


def test_a_file_without_use_for_fastads_math_gets_no_note(tmp_path, run):
    path = tmp_path / "plain.py"
    path.write_text("from math import gcd\ndef f(x): return x * gcd(6, 4)\n", "utf8")
    assert run("grad", f"{path}:f", "3")[2] == ""


@pytest.mark.parametrize(
    ("argv", "statement"),
    [
        ("--keep-math model.py:product 1 2", "return x * y + math.sin(x)"),
        ("model.py:inner_import 1", "return math.sin(x)"),
    ],
)
def test_the_real_math_is_refused_where_it_stands(model, run, argv, statement):
    status, out, err = run("grad", *argv.split())
    assert (status, out) == (2, "")
    assert err.startswith(f"fastad: {at(statement)}: LostDerivativeError: ")


# ---- grad: what can be wrong ---------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("model.py 1", r"expected FILE.py:FUNCTION, got 'model.py'"),
        ("model.py: 1", r"expected FILE.py:FUNCTION"),
        ("missing.py:f 1", r"cannot read missing.py: No such file or directory"),
        (".:f 1", r"cannot read \.: "),
        ("model.py:missing 1", r"model.py has no function missing; it has .*product"),
        ("model.py:LIMIT 1", r"LIMIT in model.py is not a function \(int\)"),
        ("model.py:product", r"the following arguments are required: VALUE"),
        ("model.py:product 1", r"model.py: product\(x, y\): missing .* 'y'"),
        ("model.py:product 1 2 3", r"product\(x, y\): too many positional"),
        ("model.py:power 1 k=2", r"power\(x, n=2, .*\): .*'k'"),
        ("model.py:power n=2", r"no VALUE to differentiate at"),
        ("model.py:no_arguments 1", r"no_arguments\(\): too many positional"),
        ("model.py:product 1 two", r"bad VALUE 'two': expected a number"),
        ("model.py:product 1 -1,x", r"bad VALUE '-1,x': expected a number"),
        ("model.py:product 1 y=two", r"bad VALUE 'y=two': expected NAME=LITERAL"),
        ("model.py:product 1 2 --frobnicate", r"unrecognized arguments: --frob"),
        ("model.py:divides 1", at("return 1 / y") + ": DivisionByZeroError: "),
        ("model.py:fails_in_sibling 1", at("return twice(None)") + ": TypeError: "),
        ("model.py:silent_failure 1", at("assert x > 100") + ": AssertionError$"),
        ("model.py:leaves 1", at("sys.exit(3)") + ": the file calls sys.exit"),
        ("model.py:a_list 1", r"model.py: ResultError: .*list"),
        ("model.py:nothing 1", r"model.py: ResultError: .*None"),
        ("model.py:chatty 1,2", r"model.py: ResultError: .*list"),
    ],
)
def test_errors_are_one_line_and_status_2(model, run, argv, message):
    status, out, err = run("grad", *argv.split())
    assert (status, out) == (2, "")
    last = err.removeprefix("chatty was here\n")
    assert last.startswith("fastad: ")
    assert last.count("\n") == 1
    assert last.endswith("\n")
    assert re.search(message, last.rstrip("\n"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ndef f(x:\n", r"broken.py:2: SyntaxError: "),
        ("import no_such_module_at_all\n", r"broken.py:1: ModuleNotFoundError: "),
        ("\n\nimport sys; sys.exit(1)\n", r"broken.py:3: the file calls sys.exit"),
        ("a = 1\n1 / 0\n", r"broken.py:2: ZeroDivisionError: division by zero$"),
        ("raise ValueError('one\\ntwo')\n", r"broken.py:1: ValueError: one two$"),
        ("x = '\0'\n", r"broken.py(:1)?: (Syntax|Value)Error: .*null"),
        (
            "# -*- coding: no-such -*-\n",
            r"broken.py: SyntaxError: unknown encoding: no-such$",
        ),
    ],
)
def test_a_file_that_does_not_load(tmp_path, monkeypatch, run, source, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(source, "utf8")
    status, out, err = run("grad", "broken.py:f", "1")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert re.search(message, err.rstrip("\n"))


def test_the_traceback_is_there_for_the_asking(model, run):
    _, _, err = run("grad", "--traceback", "model.py:divides", "1")
    assert err.startswith("Traceback (most recent call last):\n")
    assert "    return 1 / y\n" in err
    assert err.splitlines()[-1].startswith(f"fastad: {at('return 1 / y')}: ")


# ---- show ----------------------------------------------------------------------------


def test_show_writes_a_page(model, run):
    status, out, err = run("show", "model.py:product", "1.5", "-2")
    assert (status, out) == (0, "wrote product.html\n")
    assert "note: model.py ran with fastad.math for math" in err
    page = (model / "product.html").read_text("utf8")
    assert "<h1>product(x=1.5, y=-2.0) = -2.0025</h1>" in page
    assert "return x * y + math.sin(x)" in page


@pytest.mark.parametrize(
    ("argv", "begins"),
    [
        ("model.py:rosenbrock -1.2 1", "rosenbrock(p=[-1.2, 1.0]) = 24.2"),
        ("model.py:power 2 n=3", "power(x=2.0, n=3) = 8"),
        ("model.py:rest 2 3 4", "rest(x=2.0, more[0]=3.0, more[1]=4.0) = 14"),
        ("model.py:a_list 2 --result -1", "a_list(x=2.0) = 2"),
    ],
)
def test_show_lists(model, run, argv, begins):
    status, out, _ = run("show", *argv.split(), "-o", "-")
    assert status == 0
    assert out.splitlines()[0] == begins
    assert not list(model.glob("*.html"))


def test_show_writes_what_the_name_says(model, run):
    assert run("show", "model.py:product", "1", "2", "-o", "p.dot")[0] == 0
    assert (model / "p.dot").read_text("utf8").startswith('digraph "product"')


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("model.py:missing 1", "model.py has no function missing"),
        ("model.py:product 1 two", "bad VALUE 'two'"),
        ("model.py:product 1 2 -o p.png", r"p\.png: .*\.html, \.svg"),
        ("model.py:product 1 2 -o no/p.html", "cannot write no/p.html: No such"),
        ("model.py:product 1 2 --result 1", "ArgumentError: output=1: .* 1 number"),
        ("model.py:divides 1", at("return 1 / y") + ": DivisionByZeroError"),
        ("model.py:nothing 1", "ResultError: .*None"),
    ],
)
def test_errors_of_show_are_one_line_and_status_2(model, run, argv, message):
    status, out, err = run("show", *argv.split())
    assert (status, out) == (2, "")
    assert re.search(f"^fastad: .*{message}", err, re.M)
    assert "Traceback" not in err


def test_show_without_what_draws_svg(model, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "py_mini_racer", None)
    status, _, err = run("show", "model.py:product", "1", "2", "-o", "p.svg")
    assert status == 2
    assert 'pip install "fastad[show]"' in err


def test_show_opens_the_page(model, run, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    run("show", "model.py:product", "1", "2", "--open")
    assert opened == [(model / "product.html").as_uri()]


def test_a_run_leaves_the_process_as_it_was(model, run):
    before = sys.path[:], sys.stdout, os.getcwd()
    for function in ("chatty", "divides", "leaves"):
        run("grad", f"model.py:{function}", "1")
        assert (sys.path, sys.stdout, os.getcwd()) == before
    assert not list((model / "__pycache__").glob("model.*"))


def test_control_c(model, run):
    assert run("grad", "model.py:stops", "1") == (130, "", "fastad: interrupted\n")


def test_dataclasses_in_the_file_find_their_module(tmp_path, run):
    path = tmp_path / "with_dataclass.py"
    path.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Pair:\n"
        "    a: float\n"
        "    b: float\n"
        "def f(x): return Pair(x, x).a * 2\n",
        "utf8",
    )
    status, out, _ = run("grad", f"{path}:f", "3")
    assert (status, out) == (0, "f(x=3.0) = 6.0\ndf/dx = 2.0\n")


# ---- The command line as a whole -----------------------------------------------------


def test_version(run):
    status, out, _ = run("--version")
    assert status == 0
    assert out.startswith(f"fastad {fastad.__version__} (Python ")


@pytest.mark.parametrize("argv", [["--help"], ["grad", "--help"], ["demo", "--help"]])
def test_help_fits_a_terminal(run, argv):
    status, out, _ = run(*argv)
    assert status == 0
    assert max(map(len, out.splitlines())) <= 90


@pytest.mark.parametrize("argv", [[], ["frobnicate"], ["--frobnicate"]])
def test_a_command_is_needed(run, argv):
    status, out, err = run(*argv)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.endswith("(see python -m fastad --help)\n")


@pytest.mark.skipif(os.name != "posix", reason="a matter of POSIX pipes")
def test_a_reader_that_leaves_early_is_no_error(model):
    with subprocess.Popen(
        [*COMMAND, "grad", "model.py:rosenbrock", "1," * 9000],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as run:
        run.stdout.close()
        errors = run.stderr.read().splitlines()
        assert run.wait(60) == 141
    assert [line[:13] for line in errors] == [b"fastad: note:"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
def test_a_full_disk_is_an_error_in_one_line(model):
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [*COMMAND, "grad", "model.py:rosenbrock", "1", "2"],
            env=ENVIRONMENT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert run.returncode == 2
    note, error = run.stderr.splitlines()
    assert note.startswith("fastad: note: ")
    assert error.startswith("fastad: cannot write: ")


# ---- demo ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def story():
    """The demonstration, run once and as a user runs it."""
    pytest.importorskip("scipy")
    finished = subprocess.run(
        [*COMMAND, "demo"], env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


def test_the_demonstration_fits_a_terminal(story):
    assert max(map(len, story.splitlines())) <= 88
    assert story.isascii()


def test_the_sweeps_are_the_textbooks(story):
    lines = [re.sub(r" +", " ", line.strip()) for line in story.splitlines()]
    for line in (
        "a = w1**2 = 4 da/dw1 = 2*w1 = 4",
        "b = w2**2 = 9 db/dw2 = 2*w2 = 6",
        "c = a + b = 13 dc/da = 1 dc/db = 1",
        "dc/dw2 = dc/db * db/dw2 = 1 * 2*w2 = 6",
        "dc/dw1 = dc/da * da/dw1 = 1 * 2*w1 = 4",
        "fastad.grad, the same sweeps in C: [4.0, 6.0]",
    ):
        assert line in lines


def test_the_fit_is_the_one_that_others_find(story):
    found = dict(re.findall(r"^ +(\S+) += +([\d.]+) +\+- ", story, re.MULTILINE))
    assert found == {"K": "499.2", "middle": "1987.8", "r": "2.057", "P(2030)": "351.5"}
    agreement = re.findall(r"within (\S+)\s+of the parameters and\s+(\S+) of", story)
    assert all(float(difference) < 1e-5 for difference in agreement[0])


def test_the_table_has_every_method_for_every_function(story):
    table = story[story.index("3. WHAT") :]
    for method in ("plain run", "fastad  ", "the same in plain Python", "central"):
        assert len(re.findall(rf"^     {method}.*\d\.\d\d", table, re.MULTILINE)) == 3
    differences = re.findall(r"^     central.* (\S+)$", table, re.MULTILINE)
    assert all(0 < float(difference) < 1e-5 for difference in differences)


def test_the_demonstration_without_scipy(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert demo.show_fit() == 2
    _, err = capsys.readouterr()
    assert err == 'fastad: the fit needs SciPy: pip install "fastad[demo]"\n'


def test_the_census_is_complete():
    years, counts = demo.read_census()
    assert years == list(range(1790, 2030, 10))
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0.03929214, 3.31449281)


def test_the_fits_residuals_have_the_jacobian_that_differences_find():
    theta = [4.9, 0.8, 2.1]
    for year in demo.YEARS:
        exact = fastad.grad(demo.logistic)(theta, year)
        _, rough = demo.central_differences(
            lambda theta, year=year: demo.logistic(theta, year, math), theta
        )
        assert numpy.allclose(exact, rough, rtol=1e-7)


def test_off_by_sees_a_wrong_gradient():
    assert demo.off_by([1.0, -2.0], [1.0, -2.0]) == 0.0
    assert demo.off_by([1.0, -2.2], [1.0, -2.0]) == pytest.approx(0.1)
