"""The house: dependencies point one way, the import is light, no file knows a machine.

csrc <- the binding (Cython) <- Python modules <- tests, benchmarks, examples
"""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "fastad"

# What the C core may include beside its own files: the standard library, and POSIX's
# memory mapping and processors' vector instructions, for which there are fallbacks.
C_LIBRARY = {
    *("assert.h", "errno.h", "fenv.h", "float.h", "inttypes.h", "limits.h", "math.h"),
    *("stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h"),
    *("stdio.h", "stdlib.h", "string.h", "sys/mman.h"),
    *("arm_neon.h", "immintrin.h", "xmmintrin.h"),
}
# What a module of the package imports as it is itself imported.
ALWAYS_THERE = sys.stdlib_module_names | {"numpy"}
# What a function of the package may import when it is called.
AT_NEED = ALWAYS_THERE | {"scipy", "tqdm", "py_mini_racer"}

pytestmark = pytest.mark.skipif(
    not (CSRC.is_dir() and (ROOT / "setup.py").is_file()),
    reason="the tests run without a source tree",
)


def includes(path):
    """The files that a C file includes: (own, system's)."""
    found = re.findall(
        r'^\s*#\s*include\s*([<"])([^>"]+)', path.read_text("utf8"), re.M
    )
    return (
        {name for quote, name in found if quote == '"'},
        {name for quote, name in found if quote == "<"},
    )


def imports(tree, module, *, is_package=False, at_import=True):
    """The absolute names of the modules that a parsed module imports."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    pending, found = [tree], set()
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found.add(origin)
            found |= {f"{origin}.{alias.name}" for alias in node.names}
        elif at_import and is_put_off(node):
            continue
        pending += ast.iter_child_nodes(node)
    return found


def is_put_off(node):
    """Whether what stands in this node does not run when its module is imported."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def cython_imports(path):
    """The absolute names of the modules that a Cython file imports or cimports."""
    pattern = r"^\s*(?:from\s+([.\w]+)\s+c?import\b|c?import\s+([.\w]+))"
    found = {a or b for a, b in re.findall(pattern, path.read_text("utf8"), re.M)}
    return {re.sub(r"^\.", "fastad.", name).rstrip(".") for name in found}


def python_modules():
    """The package's modules: name -> path."""
    return {
        "fastad" if path.stem == "__init__" else f"fastad.{path.stem}": path
        for path in sorted(PACKAGE.glob("*.py"))
    }


def parse(path):
    return ast.parse(path.read_text("utf8"), str(path))


def top(names):
    return {name.partition(".")[0] for name in names}


def committed_files():
    """What git tracks; in a source distribution, what it holds."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        if listed.returncode == 0:
            names = listed.stdout.decode("utf8").split("\0")
            return [ROOT / name for name in names if name and (ROOT / name).is_file()]
    kinds = {".py", ".pyx", ".pyi", ".h", ".c", ".def", ".md", ".toml", ".json", ".csv"}
    built = {PACKAGE / "_core.c"}
    return [p for p in ROOT.rglob("*") if p.suffix in kinds and p not in built]


@pytest.mark.parametrize("path", sorted(CSRC.glob("*")), ids=lambda path: path.name)
def test_the_core_includes_itself_and_the_c_library_only(path):
    own, system = includes(path)
    assert own <= {p.name for p in CSRC.iterdir()}
    assert system <= C_LIBRARY


def test_the_headers_of_the_core_include_each_other_one_way():
    graph = {path.name: includes(path)[0] for path in CSRC.glob("*.h")}
    assert list(TopologicalSorter(graph).static_order())


def test_the_core_never_mentions_python_in_code():
    for path in CSRC.iterdir():
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text("utf8"), flags=re.S)
        assert not re.search(r"\bPy[A-Z_]\w*|\bCYTHON", code), path.name


def test_the_binding_stands_on_the_core_and_on_leaf_modules():
    modules = python_modules()
    leaves = {
        name
        for name, path in modules.items()
        if not any(used in modules for used in imports(parse(path), name))
    }
    for path in PACKAGE.glob("_*.p[yx][xdi]"):
        used = {name for name in cython_imports(path) if name.startswith("fastad")}
        assert used <= leaves, path.name


def test_the_modules_import_each_other_one_way():
    modules = python_modules()
    graph = {}
    for name, path in modules.items():
        if (
            name != "fastad"
        ):  # its __init__ gathers the public names, so all may be there
            graph[name] = imports(parse(path), name) & modules.keys() - {"fastad"}
    assert list(TopologicalSorter(graph).static_order())


def test_the_package_imports_nothing_foreign():
    for name, path in python_modules().items():
        is_package, tree = name == "fastad", parse(path)
        now = top(imports(tree, name, is_package=is_package))
        assert now <= ALWAYS_THERE | {"fastad"}, path.name
        ever = top(imports(tree, name, is_package=is_package, at_import=False))
        assert ever <= AT_NEED | {"fastad"}, path.name


@pytest.mark.parametrize("folder", ["benchmarks", "examples"])
def test_benchmarks_and_examples_do_not_need_the_tests(folder):
    for path in (ROOT / folder).rglob("*.py"):
        names = imports(parse(path), f"{folder}.{path.stem}", at_import=False)
        assert "tests" not in top(names), path.name


def test_importing_fastad_is_light():
    program = """
import sys, numpy
before = set(sys.modules)
import fastad
print(*(set(sys.modules) - before))
"""
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    brought = top(run.stdout.split())
    allowed = sys.stdlib_module_names | {"fastad", "numpy", "cython_runtime"}
    assert {name for name in brought if not name.startswith("_cython_")} <= allowed
    heavy = {"asyncio", "doctest", "multiprocessing", "sqlite3", "tkinter", "unittest"}
    assert not brought & heavy


def test_dir_holds_what_users_may_use():
    """Lazy names too, and no more: what an editor proposes after `fastad.`."""
    program = """
import fastad
names = {name for name in dir(fastad) if not name.startswith("__")}
modules = {"errors", "math", "reference", "testing"}
print(*sorted(names ^ {*fastad.__all__, *modules}))
print(*(name for name in sorted(dir(fastad)) if not hasattr(fastad, name)))
"""
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["", ""]


def test_no_file_names_a_place_on_one_machine():
    place = re.compile(rb"(?<![\w.:/$}*-])/(?:work|opt|tmp|home|root|Users)/\w")
    for path in committed_files():
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            assert not place.search(line), f"{path.relative_to(ROOT)}:{number}"


def test_a_planted_include_and_import_are_seen(tmp_path):
    planted = tmp_path / "planted.c"
    planted.write_text('#include <Python.h>\n  # include "../fastad/_var.h"\n', "utf8")
    assert includes(planted) == ({"../fastad/_var.h"}, {"Python.h"})

    tree = ast.parse("from . import grad\ndef f():\n    import scipy.optimize\n")
    assert imports(tree, "fastad.demo") == {"fastad", "fastad.grad"}
    assert "scipy" in top(imports(tree, "fastad.demo", at_import=False))

    planted = tmp_path / "planted.pyx"
    planted.write_text("from .errors import A\ncimport cython\n", "utf8")
    assert cython_imports(planted) == {"fastad.errors", "cython"}
