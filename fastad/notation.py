"""The cells of csrc/ops.def in the notation of a textbook.

>>> value("mul", ("w1", "x"), (2.0, 3.0))
'w1·x'
>>> partial("pow", 0, ("w1", None), (3.0, 2.0), "v1")
'2·w1'
>>> partial("div", 1, ("a", "b"), (1.0, 4.0), "c")
'-c/b'

An operand without a name is a constant. A choice, `where`, shows the arm that was chosen.
"""

import ast
import copy
import functools
import os
import re
from collections.abc import Sequence

from fastad import _core

__all__ = ["at", "counted", "number", "partial", "symbol", "value"]

SYMBOLS = {
    "add": "+",
    "sub": "−",
    "mul": "×",
    "div": "÷",
    "neg": "−",
    "pow": "power",
    "fabs": "abs",
    "muladd": "× +",
    "mulsub": "− ×",
}
CONSTANTS = {
    "M_LN2": "ln 2",
    "M_LOG2E": "(1/ln 2)",
    "M_LOG10E": "(1/ln 10)",
    "M_2_SQRTPI": "(2/√π)",
    "NAN": "nan",
}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# What binds tighter has the larger number.
SUM, PRODUCT, SIGN, POWER, ATOM = range(5)
OPERATORS = {
    ast.Add: (" + ", SUM),
    ast.Sub: (" − ", SUM),
    ast.Mult: ("·", PRODUCT),
    ast.Div: ("/", PRODUCT),
}
FOLDED = {
    ast.Add: lambda x, y: x + y,
    ast.Sub: lambda x, y: x - y,
    ast.Mult: lambda x, y: x * y,
}

Operands = Sequence[str | None]


def number(x: float) -> str:
    """A number for a reader, in five digits.

    >>> number(2.0), number(1 / 3), number(-1e-7)
    ('2', '0.33333', '-1e-07')
    """
    return f"{x:.5g}"


def counted(n: int, what: str) -> str:
    """How many: "1 sweep", "2 sweeps"."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def at(place: tuple[str, int] | None) -> str:
    """Where in the source, with the file's name without its folders.

    >>> at(("folder/model.py", 3)), at(None)
    (', at model.py:3', '')
    """
    return "" if place is None else f", at {os.path.basename(place[0])}:{place[1]}"


def symbol(name: str) -> str:
    """What stands on the node of an operation."""
    return SYMBOLS.get(name, name)


def value(name: str, operands: Operands, numbers: Sequence[float]) -> str:
    """An operation with its operands, as a formula."""
    own = _formulas().get(name)
    if own is None:
        form = (
            "x ** y"
            if name == "pow"
            else f"{name}({', '.join('xyz'[: len(operands)])})"
        )
        own = _parsed(form)
    return _Writer(operands, numbers).write(own)


def partial(
    name: str, k: int, operands: Operands, numbers: Sequence[float], result: str
) -> str:
    """The partial of an operation to its k-th operand, as a formula."""
    cell = _parsed(_rows()[name].partials[k])
    return _Writer(operands, numbers, result).write(cell)


@functools.cache
def _rows() -> dict[str, _core.Row]:
    return {row.name: row for row in _core.rows()}


@functools.cache
def _parsed(cell: str) -> ast.expr:
    return ast.parse(cell, mode="eval").body


@functools.cache
def _formulas() -> dict[str, ast.expr]:
    """The rows whose documentation begins with a formula, such as "x + y"."""
    found = {}
    for name, row in _rows().items():
        head = re.sub(r", (the partial|and|rounded|both) .*", "", row.doc)
        try:
            found[name] = _parsed(head)
        except SyntaxError:
            continue
    return found


class _Writer:
    """Writes an expression in x, y, z and v with what they stand for."""

    def __init__(
        self, operands: Operands, numbers: Sequence[float], result: str | None = None
    ) -> None:
        self.is_cell = result is not None
        self.names = dict(zip("xyz", operands, strict=False)) | {"v": result or ""}
        self.numbers = dict(zip("xyz", numbers, strict=False))

    def write(self, node: ast.expr) -> str:
        return self.term(node)[0]

    def term(self, node: ast.expr) -> tuple[str, int]:
        """The text, and how tightly it binds."""
        constant = self.constant(node)
        if constant is not None:
            return number(constant), SIGN if constant < 0 else ATOM
        if isinstance(node, ast.Name):
            return self.names.get(node.id) or CONSTANTS.get(node.id, node.id), ATOM
        if isinstance(node, ast.UnaryOp):
            return "-" + self.inside(node.operand, SIGN), SIGN
        if isinstance(node, ast.BinOp):
            return self.operation(node.op, node.left, node.right)
        assert isinstance(node, ast.Call)
        return self.call(node)

    def constant(self, node: ast.expr) -> float | None:
        """The number that an expression of constants is."""
        if isinstance(node, ast.Constant):
            return float(node.value)  # type: ignore[arg-type]
        if isinstance(node, ast.Name) and self.names.get(node.id, "") is None:
            return self.numbers[node.id]
        if isinstance(node, ast.UnaryOp):
            inner = self.constant(node.operand)
            return None if inner is None else -inner
        if isinstance(node, ast.BinOp) and type(node.op) in FOLDED:
            left, right = self.constant(node.left), self.constant(node.right)
            if left is not None and right is not None:
                return FOLDED[type(node.op)](left, right)
        return None

    def inside(self, node: ast.expr, least: int) -> str:
        text, tightness = self.term(node)
        return text if tightness >= least else f"({text})"

    def operation(
        self, op: ast.operator, left: ast.expr, right: ast.expr
    ) -> tuple[str, int]:
        if isinstance(op, ast.Pow):
            return self.power(left, right)
        if isinstance(op, ast.Mult) and self.is_cell:
            for one, other in ((left, right), (right, left)):
                if self.constant(one) == 1.0:
                    return self.term(other)
                if self.constant(one) == -1.0:
                    return "-" + self.inside(other, SIGN), SIGN
            if isinstance(left, ast.Name) and ast.dump(left) == ast.dump(right):
                return self.power(left, ast.Constant(2))
        if isinstance(op, ast.Add) and self.is_cell and self.constant(right) == 0.0:
            return self.term(left)  # the 0 only makes 0.0 of -0.0
        sign, tightness = OPERATORS[type(op)]
        # a - (b - c) and a/(b·c) keep their parentheses, and so does a·(-b).
        after = tightness + isinstance(op, ast.Sub | ast.Div)
        second = self.inside(right, after)
        if second.startswith("-"):
            second = f"({second})"
        return self.inside(left, tightness) + sign + second, tightness

    def power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        n = self.constant(exponent)
        if n == 1.0:
            return self.term(base)
        below = self.inside(base, ATOM)
        if n is not None and n.is_integer() and abs(n) < 1000:
            return below + str(int(n)).translate(SUPERSCRIPTS), POWER
        return f"{below}^{self.inside(exponent, ATOM)}", POWER

    def call(self, node: ast.Call) -> tuple[str, int]:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        if name == "where" and self.is_cell:
            return self.term(node.args[1 if self.holds(node.args[0]) else 2])
        formula = _formulas().get(name)
        if formula is not None:
            return self.term(_substituted(formula, node.args))
        arguments = ", ".join(self.term(argument)[0] for argument in node.args)
        if name == "sqrt":
            return "√" + self.inside(node.args[0], ATOM), POWER
        return f"{name}({arguments})", ATOM

    def holds(self, condition: ast.expr) -> bool:
        """Whether a condition, a comparison or a number, was true."""
        code = compile(ast.Expression(condition), "<condition>", "eval")
        return bool(eval(code, {"fabs": abs}, self.numbers))


class _Substitution(ast.NodeTransformer):
    def __init__(self, arguments: dict[str, ast.expr]) -> None:
        self.arguments = arguments

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.arguments.get(node.id, node)


def _substituted(formula: ast.expr, arguments: list[ast.expr]) -> ast.expr:
    known = dict(zip("xyz", arguments, strict=False))
    return _Substitution(known).visit(copy.deepcopy(formula))  # type: ignore[no-any-return]
