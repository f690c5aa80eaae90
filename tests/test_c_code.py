"""Program.to_c: compiled by a C compiler without a warning, it gives the bits of the replay."""

import contextlib
import ctypes
import os
import re
import shutil
import subprocess
import sys

import pytest

import fastad
from fastad import Program, _core, c_code, math
from fastad.errors import ArgumentError, PathError
from tests.published import FUNCTIONS
from tests.test_artefacts import random_program
from tests.test_programs import MANY, bits

CC = os.environ.get("CC") or next(filter(shutil.which, ["cc", "gcc", "clang"]), None)
STRICT = (
    "-std=c99 -Wall -Wextra -Werror -pedantic -ffp-contract=off -Wmissing-prototypes"
)

needs_a_compiler = pytest.mark.skipif(
    CC is None or sys.platform == "win32", reason="there is no C compiler"
)


def compiled(folder, programs, flags="-O2"):
    """Of each program (name -> Program) the function of the inputs, by way of C."""
    paths = []
    for name, program in programs.items():
        paths.append(folder / f"{name}.c")
        program.to_c(name, paths[-1])
    library = folder / f"all{flags}.so"
    command = [
        CC,
        *STRICT.split(),
        flags,
        "-fPIC",
        "-shared",
        *paths,
        "-o",
        library,
        "-lm",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    loaded = ctypes.CDLL(str(library))
    return {
        name: in_python(loaded[name], program.stats)
        for name, program in programs.items()
    }


def in_python(function, stats):
    def call(*inputs):
        """(what it returns, the outputs)"""
        assert len(inputs) == stats["inputs"]
        outputs = (ctypes.c_double * (stats["outputs"] + 1))(
            *[-7.5] * (stats["outputs"] + 1)
        )
        status = function((ctypes.c_double * len(inputs))(*inputs), outputs)
        assert outputs[stats["outputs"]] == -7.5
        return status, outputs[: stats["outputs"]]

    return call


def check(program, function, *x):
    """Bit for bit; and where the program refuses to run, the function does."""
    status, outputs = function(*x)
    try:
        expected = program(*x)
    except PathError:
        assert status > 0
        assert set(outputs) <= {-7.5}  # nothing was written
        return False
    assert status == 0
    expected = expected if isinstance(expected, (list, tuple)) else [expected]
    assert bits(outputs) == bits(expected), x
    return True


# ---- Bits ----------------------------------------------------------------------------

ODD = [0.375, -0.625, 0.5, 2.0, -3.0, 1.0, 0.0, -0.0, 37.25, 1e-310, 1e300, -1e300]
ODD += [float("inf"), float("-inf"), float("nan")]


def with_constants(row, constant):
    """The row, and for each argument the row with a constant there; then the partials."""
    f = _core.function(row.name, "")

    def g(*x):
        slopes = []
        if row.name != "polygamma":  # a function of whole orders
            slopes = fastad.grad(f, range(row.arity))(*x)
        beside = [
            f(*[constant if k == place else v for k, v in enumerate(x)])
            for place in range(row.arity)
        ]
        return [f(*x), *beside, *slopes]

    return g


def recorded(row):
    """At a point where all of it exists."""
    for at in (2.0, 0.375):
        with contextlib.suppress(ArithmeticError, ValueError):
            return Program(with_constants(row, at), *[at] * row.arity)
    raise AssertionError(row)


@needs_a_compiler
@pytest.mark.parametrize("flags", ["-O0", "-O2"])
def test_each_row(tmp_path, flags):
    programs = {f"row_{row.name}": recorded(row) for row in _core.rows()}
    for name, function in compiled(tmp_path, programs, flags).items():
        program = programs[name]
        n = program.stats["inputs"]
        for k, x in enumerate(ODD):
            for shift in range(len(ODD) if n > 1 else 1):
                check(program, function, *[x, ODD[(k + shift) % len(ODD)], 0.75][:n])


@needs_a_compiler
def test_published_functions(tmp_path):
    programs = {}
    for f, x in FUNCTIONS.items():
        programs[f.__name__] = Program(lambda x, f=f: f(x, math), x)
        programs[f"d_{f.__name__}"] = programs[f.__name__].gradient()
    functions = compiled(tmp_path, programs)
    for f, x in FUNCTIONS.items():
        for scale in (1.0, 1.01, 0.97, -1.0):
            there = [scale * number for number in x]
            for name in (f.__name__, f"d_{f.__name__}"):
                check(flat(programs[name]), functions[name], *there)


def flat(program):
    """The program as a function of its inputs."""
    return lambda *x: program(list(x))


@needs_a_compiler
def test_functions_of_many_numbers(tmp_path):
    programs = {f"of_{name}": Program(f, [0.75, -1.3]) for name, f in MANY.items()}
    for name, function in compiled(tmp_path, programs).items():
        for x in ([0.75, -1.3], [0.77, -1.31], [-0.75, 2.0], [0.0, 1e300]):
            check(flat(programs[name]), function, *x)


@needs_a_compiler
@pytest.mark.parametrize("part", [1, 7, 200])
def test_random_programs(tmp_path, monkeypatch, part):
    monkeypatch.setattr(c_code, "PART", part)
    programs = {f"random{seed}": random_program(seed) for seed in range(25)}
    n = n_right = 0
    for name, function in compiled(tmp_path, programs, "-O1").items():
        for x in ((0.3, 1.7), (0.31, 1.6), (-1.0, 2.0), (float("nan"), 0.0)):
            n += 1
            n_right += check(programs[name], function, *x)
    assert n > n_right > 25


# ---- Long programs -------------------------------------------------------------------


def walk(x, y):
    known = [x, y]
    for k in range(1500):
        known.append(math.sin(known[-1]) * known[k // 2] + 0.1 * k)
    return [known[-1], x, 2.5, *known[::40]]


@needs_a_compiler
@pytest.mark.parametrize("on_the_stack", [0, 4000])
def test_long_programs_are_cut_in_parts(tmp_path, monkeypatch, on_the_stack):
    monkeypatch.setattr(c_code, "ON_THE_STACK", on_the_stack)
    program = Program(walk, 0.5, 0.25)
    text = program.to_c("walk")
    assert len(re.findall(r"static int walk_part\d+\(", text)) > 5
    assert ("malloc" in text) == ("returns -1" in text) == (on_the_stack == 0)
    longest = max(part.count("const double t") for part in text.split("static int"))
    assert longest <= c_code.PART
    walked = compiled(tmp_path, {"walk": program})["walk"]
    for x in ((0.5, 0.25), (-1.0, 3.0)):
        assert check(program, walked, *x)


def test_values_between_parts_share_memory():
    def chain(x):
        for _ in range(5000):
            x = math.sin(x) * 0.5
        return x

    (length,) = re.findall(r"double values\[(\d+)\]", Program(chain, 1.0).to_c())
    assert int(length) <= 2


# ---- Guards and edges ----------------------------------------------------------------


def decide(x, y):
    if x < 0.0:
        return -x
    if not y <= x:
        return y
    if x == 7.0:
        return 0.0
    return int(y) * x


@needs_a_compiler
def test_the_first_guard_that_fails(tmp_path):
    program = Program(decide, 3.0, 2.5)
    text = program.to_c("decide")
    first = decide.__code__.co_firstlineno
    for number, line, outcome in (
        (1, 1, False),
        (2, 3, True),
        (3, 5, False),
        (4, 7, 2.0),
    ):
        assert f" {number}  test_c_code.py:{first + line} is {outcome}\n" in text
    function = compiled(tmp_path, {"decide": program})["decide"]
    assert function(3.0, 2.5) == (0, [6.0])
    assert function(4.0, 2.0) == (0, [8.0])
    for x, number in {
        (-1.0, 2.5): 1,
        (1.0, 2.5): 2,
        (7.0, 8.0): 2,
        (7.0, 2.5): 3,
        (3.0, 1.5): 4,
        (float("nan"), 1.0): 2,
        (5.0, float("nan")): 2,
    }.items():
        assert function(*x) == (number, [-7.5])
        assert not check(program, function, *x)


@needs_a_compiler
def test_what_a_guard_tells_is_not_computed_by_the_compiler(tmp_path):
    """Its own mathematics would round differently: of cbrt(2.0), for one."""

    def f(x):
        if x != 2.0 or int(x) != 2:
            return [x]
        functions = (
            math.cbrt,
            math.exp,
            math.tan,
            math.lgamma,
            math.erf,
            math.sinh,
            math.log,
        )
        return [of_x for g in functions for of_x in (g(x), g(x * 0.3), g(x + 1.0))]

    program = Program(f, 2.0)
    assert check(program, compiled(tmp_path, {"f": program})["f"], 2.0)


@needs_a_compiler
def test_small_and_odd_programs(tmp_path):
    nan, inf = float("nan"), float("inf")
    programs = {
        "nothing": Program(lambda: []),
        "constant": Program(lambda: 2.5),
        "no_output": Program(lambda x: [], 1.5),
        "identity": Program(lambda x: x, 1.5),
        "twice": Program(lambda x: [x, x, x * x, 1], 1.5),
        "odd": Program(lambda: [nan, inf, -inf, -0.0, 5e-324, 1e308, -1.5, 0.1]),
        "odd_operands": Program(
            lambda x: [x + nan, x * inf, x - -0.0, x * -5e-324, x / -0.1, -x * 3.0], 1.5
        ),
        "unused": Program(lambda x, y: y + 1, 1.5, 2.5),
        "names": Program(lambda t1, values: t1 * values, 1.5, 2.5),
    }
    for name, function in compiled(tmp_path, programs).items():
        check(programs[name], function, *[1.5, 2.5][: programs[name].stats["inputs"]])


@needs_a_compiler
def test_a_path_of_a_compiled_function(tmp_path):
    @fastad.compile
    @fastad.value_and_grad
    def f(x, n=3):
        math.log(x)  # kept for its exception only
        return math.sin(x) ** n if x < 2.0 else x

    expected = f(1.5)
    function = compiled(tmp_path, {"path": f.paths[0].program})["path"]
    assert function(1.5) == (0, list(expected))
    assert function(2.5)[0] == 1


def test_the_helpers_are_those_that_are_needed():
    assert "static" not in Program(lambda x, y: x * y + math.sin(x), 1.0, 2.0).to_c()
    text = Program(fastad.erfinv, 0.25).to_c()
    assert re.findall(r"^static double (\w+)\(", text, re.M) == ["invalid", "erfinv"]
    assert "stdio.h" not in text
    assert "#include <stdio.h>" in Program(lambda x: round(x, 2), 0.25).to_c()


def test_a_file_name_cannot_leave_the_comment():
    names = {}
    code = compile("def f(x):\n    return x if x > 0 else 0", "b*??\n\\.py", "exec")
    exec(code, names)
    text = Program(names["f"], 1.0).to_c()
    assert " 1  b_____.py:2 is True\n" in text


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1f",
        "f g",
        "f()",
        "größe",
        "int",
        "sin",
        "where",
        "powx",
        "snprintf",
        "constants",
        "parts",
        "free",
        "NULL",
        "INFINITY",
        "_f",
        None,
        7,
    ],
)
def test_names_that_no_function_can_have(name):
    with pytest.raises(ArgumentError, match="identifier of C"):
        Program(abs, 1.0).to_c(name)


def test_to_c_writes_what_it_returns(tmp_path):
    path = tmp_path / "f.c"
    assert Program(abs, 1.0).to_c(path=path) == path.read_text("ascii")
    with pytest.raises(FileNotFoundError):
        Program(abs, 1.0).to_c(path=tmp_path / "no" / "f.c")
