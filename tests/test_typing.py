"""The stubs agree with what is there, and typed code that uses fastad passes mypy."""

import os
import re
import site
import subprocess
import sys
from pathlib import Path

import fastad

STUBBED = [path.stem for path in Path(fastad.__file__).parent.glob("*.pyi")]

# What a user writes: it passes, but for the lines that say which error they are.
TYPED = """\
import math as standard_math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import fastad
from fastad import Dual, Tape, Var, errors, grad, math, value_and_grad

# -- functions are annotated as for floats, and so are their derivatives

def valley(p: list[float], steepness: float = 100.0) -> float:
    return (1 - p[0]) ** 2 + steepness * (p[1] - p[0] ** 2) ** 2 + math.sin(p[0])

value, gradient = value_and_grad(valley)([-1.2, 1.0], steepness=10.0)
assert_type(value, float)
assert_type(gradient, list[float])

@dataclass
class Circle:
    x: float
    y: float

def area(circle: Circle) -> float:
    return circle.x * circle.y

assert_type(grad(area)(Circle(1.0, 2.0)), Circle)

def total(p: NDArray[np.float64]) -> float:
    return sum(p * p)

assert_type(grad(total)(np.ones(3)), NDArray[np.float64])

def with_words(t: float) -> tuple[float, str]:
    return t * t, "square"

assert_type(grad(with_words, has_aux=True)(1.0), tuple[float, str])
assert_type(
    value_and_grad(with_words, has_aux=True)(1.0), tuple[tuple[float, str], float]
)

grad(grad(math.sin))(0.0)
grad(lambda x, y: x * y, argnums=(0, 1))(3.0, 4.0)
assert_type(fastad.derivative(math.exp)(0.0), float)
assert_type(fastad.jvp(area, (Circle(1.0, 2.0),), (Circle(1.0, 0.0),)), tuple[float, float])
fastad.jacobian(lambda x: [x, x * x], mode="forward")(1.0)
fastad.hessian(area)(Circle(1.0, 2.0))
fastad.Program(area, Circle(1.0, 2.0)).gradient()
assert_type(fastad.show(area, Circle(1.0, 2.0), output=0).svg(), str)
grad(valley, strict=True)([-1.2, 1.0])
slope, pullback = fastad.vjp(area, Circle(1.0, 2.0), strict=True)
pullback(1.0)

@fastad.custom_vjp
def product(x: float, circle: Circle) -> float:
    return x * area(circle)

@product.rule
def _(value: Any, x: Any, circle: Any) -> Any:
    return lambda seed: (seed * value / x, seed * area(circle))

assert_type(product(2.0, Circle(1.0, 2.0)), float)
assert_type(fastad.stop_gradient(Var(1.0)), float)
assert_type(fastad.stop_gradient([Var(1.0)]), list[Var])

product(2.0)  # call-arg
grad(valley)("1")  # arg-type
grad(valley)(p=[1.0, 2.0])  # call-arg
grad(valley, on_nan="ignore")  # call-overload
grad(1.0)  # call-overload

# -- numbers

x, y = Var(1.5), Var(2)
z = x * y + 2 * x - np.float64(3) / x ** 2 + math.sin(x) + fastad.maximum(x, 0.0)
assert_type(z, Var)
z.backward(seed=2.0, accumulate=True, on_nan="raise")
assert_type(x.grad, float | None)
assert_type(z.value, float)
assert_type(math.sin(1.0), float)
assert_type(math.atan2(1, x), Var)
assert_type(math.log(x, 10), Var)
assert_type(math.fsum([x, y]), Var)
assert_type(math.floor(x), int)
assert_type(fastad.floor(x), Var)
assert_type(round(x), int)
assert_type(round(x, 2), Var)
assert_type(x + np.array([1.0, 2.0]), NDArray[np.object_])
assert_type(x < y, bool)
assert_type(Dual(2.0, (1.0, 0.0)) * 2, Dual)
with Tape() as tape:
    assert_type(tape.var(1.0), Var)
    assert_type(tape.stats["nodes"], int)

def either(x: float | Var) -> float | Var:
    return math.exp(x) + x

try:
    math.log(Var(-1.0))
except errors.DomainError:
    pass

standard_math.sin(x)  # arg-type
float(x)  # arg-type
x + "1"  # operator
x.value = 1.0  # misc
x.grad += 1.0  # misc, operator
"""


def mypy(module, *arguments, path):
    """What mypy, or a module of its own, prints about the fastad that is tested here."""
    here = str(Path(fastad.__file__).parents[1])
    environment = os.environ | {"MYPY_CACHE_DIR": str(path)}
    if here not in site.getsitepackages():
        environment["MYPYPATH"] = here
    command = [sys.executable, "-m", module, *arguments]
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=path
    )
    assert "Traceback" not in run.stderr, run.stderr
    return run.stdout + run.stderr


def errors_of(line):
    return set(line.rpartition("  # ")[2].split(", ")) if "  # " in line else set()


def test_typed_code_that_uses_fastad(tmp_path):
    source = tmp_path / "typed.py"
    source.write_text(TYPED, "utf8")
    output = mypy(
        "mypy", "--strict", "--follow-imports=silent", str(source), path=tmp_path
    )
    found = {}
    for line, code in re.findall(
        r"typed\.py:(\d+): error: .*\[([\w-]+)\]$", output, re.M
    ):
        found.setdefault(int(line), set()).add(code)
    lines = enumerate(TYPED.splitlines(), 1)
    assert found == {k: errors_of(line) for k, line in lines if errors_of(line)}, output


def test_stubs_are_of_what_is_there(tmp_path):
    modules = [f"fastad.{name}" for name in STUBBED]
    config = tmp_path / "mypy.ini"
    # Not the package itself is checked; and of NumPy before 2.3 mypy reports errors.
    config.write_text("[mypy]\nignore_errors = True\n", "utf8")
    options = ["--concise", "--mypy-config-file", str(config)]
    output = mypy("mypy.stubtest", *options, *modules, path=tmp_path)
    # What only the Python modules of the package use needs no stub; not every version of
    # mypy knows disjoint bases.
    allowed = (
        r"fastad\._core\.\w+ is (not present in stub|a disjoint base .*)|Success: .*"
    )
    wrong = [line for line in output.splitlines() if not re.fullmatch(allowed, line)]
    assert not wrong, "\n".join(wrong)


def test_every_public_name_has_a_type(tmp_path):
    source = tmp_path / "names.py"
    names = [*fastad.__all__, *(f"math.{n}" for n in dir(fastad.math) if n[0] != "_")]
    lines = ["import fastad", *(f"reveal_type(fastad.{name})" for name in names)]
    source.write_text("\n".join(lines), "utf8")
    output = mypy("mypy", "--follow-imports=silent", str(source), path=tmp_path)
    types = re.findall(r"names\.py:(\d+): note: Revealed type is \"(.*)\"", output)
    assert [int(k) for k, _ in types] == list(range(2, len(names) + 2)), output
    untyped = re.compile(r"Any|def \((\*{0,2}\w+: Any( =)?|[/*]|, )*\) -> Any")
    assert not [names[int(k) - 2] for k, kind in types if untyped.fullmatch(kind)]


def test_the_package_says_that_it_is_typed():
    assert (Path(fastad.__file__).parent / "py.typed").is_file()
