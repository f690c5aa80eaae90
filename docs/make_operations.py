"""Write docs/operations.md, the table of all operations, from the compiled core.

python docs/make_operations.py
"""

from pathlib import Path

import fastad
from fastad import _core

PAGE = Path(__file__).with_name("operations.md")

# Where Python's spelling is not the row's name.
SPELLINGS = {
    "add": "x + y",
    "sub": "x - y",
    "mul": "x * y",
    "div": "x / y",
    "neg": "-x",
    "pow": "x ** y",
    "floordiv": "x // y",
    "mod": "x % y",
    "fabs": "abs(x)",
    "scale2": "math.ldexp",
}

HEAD = """\
# Operations

<!-- Written by docs/make_operations.py from csrc/ops.def. Do not edit. -->

Every derivative is made of the partials of these operations. Each is one row of
[csrc/ops.def](../csrc/ops.def), from which C, Python, the tests and this page are made.
In a cell stand the arguments x, y and z and the value v. An operation without a name in
Python is the partial of another one.

`math` stands for `fastad.math`. Its `fsum`, `sumprod` and `dist`, its `hypot` of more than
two numbers, `fastad.norm` and `fastad.logsumexp` take any number of operands and are
recorded as one operation. `frexp`, `modf`, `prod` and `fastad.clip` are made of the
operations below.
"""

DOMAINS = """
## Domains

Where Python raises an exception for a float, the same comes for a `Var`, with this advice
in its message.
"""


def spellings(name: str) -> list[str]:
    """How a user writes the operation."""
    found = [SPELLINGS[name]] if name in SPELLINGS else []
    # fastad.math's are Python's own and give ints.
    if hasattr(fastad.math, name) and name not in {"ceil", "floor", "trunc"}:
        found.append(f"math.{name}")
    if name in fastad.__all__:
        found.append(f"fastad.{name}")
    return found


def escaped(text: str) -> str:
    return text.replace("*", r"\*").replace("|", r"\|")


def code(texts: list[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


def page() -> str:
    """The whole page."""
    lines = [
        HEAD,
        "| operation | in Python | what it is | value | partials | domain |",
        "|---|---|---|---|---|---|",
    ]
    for row in _core.rows():
        cells = [
            row.name,
            code(spellings(row.name)),
            escaped(row.doc),
            code([row.value]),
            code(row.partials),
            row.domain,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [DOMAINS, "| domain | advice |", "|---|---|"]
    lines += [f"| {name} | {remedy} |" for name, remedy in _core.domains().items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf8")
