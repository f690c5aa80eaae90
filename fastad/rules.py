"""The partial cells of csrc/ops.def as Python functions.

A cell is a Python expression in the arguments x, y, z of its row and the value v, made of
arithmetic and calls of rows. Here it becomes a function in which every operation is a call of
a function that the caller gives: on floats for the reference implementation, on Vars of an
outer tape for nested derivatives.

>>> from fastad import _core
>>> sin = next(row for row in _core.rows() if row.name == "sin")
>>> functions = {row.name: lambda *x, row=row: f"{row.name}{x}" for row in _core.rows()}
>>> compile_cell(sin.partials[0], functions)(x=1.0, v=0.8)
'cos(1.0,)'
"""

import ast
import math

__all__ = ["CONSTANTS", "compile_cell"]

CONSTANTS = {
    "NAN": math.nan,
    "M_LN2": 0.69314718055994530942,
    "M_LOG2E": 1.44269504088896340736,
    "M_LOG10E": 0.43429448190325182765,
    "M_2_SQRTPI": 1.12837916709551257390,
    "RADIAN": 180.0 / math.pi,
    "DEGREE": math.pi / 180.0,
}

_OPERATORS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}


class _OperationsAsCalls(ast.NodeTransformer):
    """x / y becomes the call div(x, y), and where(c, a, b) the choice a if c else b."""

    def visit_BinOp(self, node):
        self.generic_visit(node)
        return _call(_OPERATORS[type(node.op)], node.left, node.right)

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        if isinstance(node.operand, ast.Constant):
            return ast.Constant(-node.operand.value)
        return _call("neg", node.operand)

    def visit_Call(self, node):
        self.generic_visit(node)
        if node.func.id == "where":
            return ast.IfExp(_plain_condition(node.args[0]), *node.args[1:])
        return node


def _plain_condition(node):
    """x < y becomes plain(x) < plain(y), and x becomes plain(x)."""
    if not isinstance(node, ast.Compare):
        return _call("plain", node)
    sides = [_call("plain", side) for side in (node.left, *node.comparators)]
    return ast.Compare(sides[0], node.ops, sides[1:])


def _call(name, *arguments):
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _itself(x):
    return x


def compile_cell(cell, functions):
    """The cell as a function of x, y, z and v, of which it uses what it needs.

    Parameters
    ----------
    cell : str
        The text of a partial cell.
    functions : dict
        A function for each row name that the cell may call, and `plain` for what a condition
        compares, if that is to be something else than the number itself.
    """
    tree = ast.parse(f"lambda x=None, y=None, z=None, v=None: {cell}", mode="eval")
    tree = ast.fix_missing_locations(_OperationsAsCalls().visit(tree))
    return eval(
        compile(tree, cell, "eval"), {**CONSTANTS, "plain": _itself, **functions}
    )
