"""The documentation is right: its code runs, and gives what it says.

A block of ```python is a doctest; or, if it begins with a comment like `# model.py`, a file
of that name; or a program, of which each `print(...)  # text` prints that text. In a block of
```console a line that begins with `$ ` is a command that prints the lines after it. In a
table under `| code | gives |` each row's first cell is an expression, the second its repr or
the class of its exception. All blocks of a page share their names.
"""

import builtins
import collections
import doctest
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import fastad

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]

pytestmark = pytest.mark.skipif(
    not (ROOT / "docs").is_dir(), reason="the tests run without a source tree"
)
each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(ROOT))
)

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FENCE = re.compile(r"^```(?P<kind>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
TABLE = re.compile(r"^\| code \| gives \|.*\n\|[-|]+\n(?P<rows>(?:\|.*\n)+)", re.M)
ROW = re.compile(r"^\| `(?P<code>.*?)` \| `(?P<gives>.*?)` \|")


def lines_before(match):
    return match.string.count("\n", 0, match.start()) + 1


class Page:
    """What runs a page's code, block by block."""

    def __init__(self, path, directory, capsys):
        self.path, self.directory, self.capsys = path, directory, capsys
        self.names = {"__name__": path.name}

    def run(self):
        text = self.path.read_text("utf8")
        found = [*FENCE.finditer(text), *TABLE.finditer(text)]
        for match in sorted(found, key=re.Match.start):
            if match.re is TABLE:
                for row in match["rows"].splitlines():
                    self.run_row(row)
                continue
            kind, code, line = match["kind"], match["code"], lines_before(match)
            if kind == "console":
                self.run_console(code)
            elif kind == "python" and ">>> " in code:
                self.run_doctest(code, line)
            elif kind == "python" and (name := re.match(r"# (\w+\.py)\n", code)):
                (self.directory / name[1]).write_text(code, "utf8")
            elif kind == "python":
                self.run_program(code)

    def run_doctest(self, code, line):
        test = doctest.DocTestParser().get_doctest(
            code, self.names, self.path.name, str(self.path), line
        )
        report = []
        runner = doctest.DocTestRunner(optionflags=FLAGS)
        failed, _ = runner.run(test, out=report.append, clear_globs=False)
        self.names = test.globs
        assert not failed, "".join(report)

    def run_program(self, code):
        self.capsys.readouterr()
        exec(compile(code, self.path, "exec"), self.names)
        printed = self.capsys.readouterr().out.splitlines()
        said = re.findall(r"^ *print\(.*\)  # (.*)$", code, re.M)
        assert printed == said

    def run_console(self, code):
        for part in re.split(r"^\$ ", code, flags=re.M)[1:]:
            command, _, said = part.partition("\n")
            words = shlex.split(command)
            assert words[0] == "python"
            run = subprocess.run(
                [sys.executable, *words[1:]],
                cwd=self.directory,
                capture_output=True,
                text=True,
                check=False,
            )
            printed = run.stderr + run.stdout
            assert doctest.OutputChecker().check_output(said, printed, FLAGS), printed

    def run_row(self, row):
        cells = ROW.match(row)
        assert cells, row
        try:
            result = repr(eval(cells["code"], self.names))
        except Exception as error:
            result = type(error).__name__
            if not re.fullmatch(r"\w+Error", cells["gives"]):
                raise
            if isinstance(error, getattr(builtins, cells["gives"], ())):
                result = cells["gives"]
        assert result == cells["gives"], cells["code"]


@each_page
def test_code_of(page, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what the code saves goes there
    monkeypatch.syspath_prepend(tmp_path)  # and can be imported
    Page(page, tmp_path, capsys).run()


@each_page
def test_links_of(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf8")):
        assert (page.parent / target).exists(), target


def test_the_page_of_accuracies_explains_what_is_infinite():
    head, _, table = (
        (ROOT / "docs" / "accuracy.md").read_text("utf8").partition("|---|")
    )
    for name in re.findall(r"^\| `(\w+)`.*\| (?:inf|nan) \|", table, re.M):
        assert re.search(rf"`(inf|nan)`: of\s`{name}`", head), name


def test_the_table_of_operations_is_current():
    written = runpy.run_path(str(ROOT / "docs" / "make_operations.py"))
    page = (ROOT / "docs" / "operations.md").read_text("utf8")
    assert page == written["page"](), "run python docs/make_operations.py"


def test_the_pictures_are_current():
    pytest.importorskip("py_mini_racer")
    made = runpy.run_path(str(ROOT / "docs" / "make_pictures.py"))
    for name, drawing in made["pictures"]().items():
        kept = (ROOT / "docs" / "pictures" / name).read_text("utf8")
        assert kept == drawing + "\n", "run python docs/make_pictures.py"


def test_the_reference_has_every_public_name():
    found = collections.defaultdict(set)
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        for kind, name in re.findall(
            r"^\.\. (\w+):: (\S+)", page.read_text("utf8"), re.M
        ):
            if kind == "currentmodule":
                module = name
            elif kind in ("autofunction", "autoclass"):
                found[module].add(name)
    assert found["fastad"] == set(fastad.__all__) - {"errors", "math"}
    assert found["fastad.math"] == {
        name
        for name, thing in vars(fastad.math).items()
        if callable(thing) and not name.startswith("_")
    }


@pytest.mark.parametrize(
    "text",
    [
        "```python\n>>> 1 + 1\n3\n```\n",
        "```python\nprint(1 + 1)  # 3\n```\n",
        "```console\n$ python -c 'print(2)'\n3\n```\n",
        "| code | gives | |\n|---|---|---|\n| `1 + 1` | `3` | |\n",
        "| code | gives |\n|---|---|\n| `1 / 0` | `ValueError` |\n",
    ],
)
def test_planted_errors_are_seen(text, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(text, "utf8")
    with pytest.raises(AssertionError):
        Page(page, tmp_path, capsys).run()
