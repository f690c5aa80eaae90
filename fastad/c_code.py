"""A program as C: one file that needs nothing but a compiler and the C library.

instructions ----> statements ----> parts: functions of so many statements that
                        |             compilers stay linear; `values` hold what one
                        |             part computes and a later one reads
csrc/special.h, .c ----> helpers: only what the statements call
"""

import os
import re
from graphlib import TopologicalSorter

__all__ = ["c_code", "is_free"]

PART = 200  # statements: gcc needs 50 % more time for each at 500, three times as much at 2000
ON_THE_STACK = 4000  # values

KEYWORDS = """
    auto break case char const continue default do double else enum extern float for goto
    if inline int long main register restrict return short signed sizeof static struct
    switch typedef union unsigned void volatile while
""".split()
HEADERS = {"snprintf": "stdio.h", "strtod": "stdlib.h", "malloc": "stdlib.h"}
OURS = "constants parts free NULL NAN INFINITY".split()  # what else the file uses

WORD = re.compile(r"[A-Za-z_]\w*")
CALLED = re.compile(r"([A-Za-z_]\w*)\(")
COMMENT = re.compile(r"/\*.*?\*/", re.S)
HELPER = re.compile(
    r"""
    (?P<comment>^/\*(?:(?!\*/).)*\*/\n)?
    (?:
        ^(?:static\ )?(?:inline\ )?(?P<head>double\ (?P<function>\w+)\([^;{]*\))\s*
        (?P<body>\{\n.*?^\}\n)
    |
        (?:^\#ifndef\ \w+\n)?^\#define\ (?P<macro>\w+)[^\n]*\n(?:^\#endif\n)?
    )
    """,
    re.M | re.S | re.X,
)


def is_free(name, cells, special):
    """Whether a function may have this name: no keyword, and nothing that the file uses."""
    taken = {*KEYWORDS, *HEADERS, *OURS, *helpers_in(special)}
    taken.update(*(CALLED.findall(text) for text in (special, *cells.values())))
    return (
        re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) is not None and name not in taken
    )


def c_code(name, instructions, outputs, n_inputs, conditions, cells, special, version):
    """The text of the file.

    Parameters
    ----------
    name : str
        Of the function.
    instructions, outputs : list
        As `Program.instructions` and `Program.outputs` return them.
    n_inputs : int
    conditions : list of Condition
        Of each guard.
    cells : dict
        The value of each row, as ops.def has it: an expression in x, y, z.
    special : str
        The texts of csrc/special.h and csrc/special.c.
    version : str
        Of fastad.
    """
    code = Code(name, instructions, outputs, cells)
    function = code.function()
    needs_memory = code.n_slots > ON_THE_STACK
    helpers = "".join(needed_helpers(function, special))
    called = set(CALLED.findall(COMMENT.sub("", helpers + function)))
    headers = sorted({"math.h", *(HEADERS[name] for name in called & HEADERS.keys())})
    return "\n".join(
        [
            header(name, n_inputs, len(outputs), conditions, needs_memory, version),
            *(f"#include <{header}>" for header in headers),
            "\n#if defined(__clang__)\n#pragma STDC FP_CONTRACT OFF\n#endif\n",
            helpers + code.table_of_constants() + function,
        ]
    )


def header(name, n_inputs, n_outputs, conditions, needs_memory, version):
    lines = [
        f"{name}: written by fastad {version}.",
        "",
        f"    int {name}(const double *inputs, double *outputs);",
        "",
        f"Numbers in inputs: {n_inputs}; in outputs: {n_outputs}. The arrays do not overlap.",
        "Returns 0. Several threads may call it at once.",
    ]
    if needs_memory:
        lines += ["Without memory it returns -1, and writes nothing."]
    if conditions:
        lines += [
            "",
            "It is one path through a function: where all of these conditions hold. Elsewhere",
            "it returns the number of the first that does not, and writes nothing.",
            "",
        ]
        lines += [f"    {k}  {described(each)}" for k, each in enumerate(conditions, 1)]
    lines += [
        "",
        "ISO C99, to be linked with the mathematical library (-lm). For the same bits as in",
        "Python a compiler has to keep to IEEE arithmetic: no -ffast-math, and with GCC",
        "-ffp-contract=off.",
    ]
    return "\n".join(["/*", *(f" * {line}".rstrip() for line in lines), " */"])


def described(condition):
    """The place and the outcome; a file may have any name, but not end the comment."""
    if condition.file is None:
        return f"is {condition.outcome}"
    file = re.sub(r"[^\w.-]", "_", os.path.basename(condition.file), flags=re.ASCII)
    return f"{file}:{condition.line} is {condition.outcome}"


class Code:
    """The statements of a program, and the parts that they make."""

    def __init__(self, name, instructions, outputs, cells):
        self.name = name
        self.instructions = instructions
        self.templates = {row: template(cell) for row, cell in cells.items()}
        self.constants = {}  # text -> place in the table
        steps = [
            id
            for id, (kind, _, _) in enumerate(instructions)
            if kind not in ("input", "constant")
        ]
        steps += [(place, id) for place, id in enumerate(outputs)]
        self.parts = [steps[k : k + PART] for k in range(0, len(steps), PART)] or [[]]
        self.n_guards = 0
        self.give_slots()

    def give_slots(self):
        """Of each result that a later part reads, its place in `values`."""
        part_of = {step: k for k, part in enumerate(self.parts) for step in part}
        last_use = {}
        for k, part in enumerate(self.parts):
            for step in part:
                for id in self.arguments(step):
                    if part_of.get(id, k) < k:
                        last_use[id] = k
        unused_from = [[] for _ in range(len(self.parts) + 1)]
        unused = []
        self.slots, self.n_slots = {}, 0
        for k, part in enumerate(self.parts):
            unused += unused_from[k]
            for step in part:
                if step in last_use:
                    if not unused:
                        unused.append(self.n_slots)
                        self.n_slots += 1
                    self.slots[step] = unused.pop()
                    unused_from[last_use[step] + 1].append(self.slots[step])

    def arguments(self, step):
        """The ids of the results that a step reads."""
        if isinstance(step, tuple):
            return step[1:]
        kind, arguments, _ = self.instructions[step]
        return arguments[:2] if kind.startswith("guard") else arguments

    # -- statements

    def statements(self, part):
        """The lines of a part."""
        here = set(part)
        for step in part:
            names = [self.operand(id, here) for id in self.arguments(step)]
            if isinstance(step, tuple):
                yield f"outputs[{step[0]}] = {names[0]};"
                continue
            kind, arguments, _ = self.instructions[step]
            if self.tells_values(kind):
                names = [
                    self.opaque(id) or name
                    for id, name in zip(self.arguments(step), names, strict=True)
                ]
            if kind.startswith("guard"):
                yield self.guard(kind, names, arguments[2])
                continue
            yield f"const double t{step} = {self.templates[kind].format(*names)};"
            if step in self.slots:
                yield f"values[{self.slots[step]}] = t{step};"

    def operand(self, id, here):
        kind, arguments, _ = self.instructions[id]
        if kind == "input":
            return f"inputs[{arguments[0]}]"
        if kind == "constant":
            return literal(arguments[0])
        return f"t{id}" if id in here else f"values[{self.slots[id]}]"

    def tells_values(self, kind):
        """Whether from constants among its operands a compiler knows what a function gets.

        Behind a comparison with == it takes the constant for the other side.
        """
        if kind.startswith("guard"):
            return kind in ("guard eq", "guard ne")
        return CALLED.search(self.templates[kind]) is not None

    def opaque(self, id):
        """A constant as something of which a compiler does not know the value.

        It would compute with mathematics of its own, whose last bits are others. "" if the
        operand is none.
        """
        kind, arguments, _ = self.instructions[id]
        if kind != "constant":
            return ""
        place = self.constants.setdefault(literal(arguments[0]), len(self.constants))
        return f"constants[{place}]"

    def guard(self, kind, names, outcome):
        self.n_guards += 1
        sign = {"lt": "<", "le": "<=", "eq": "==", "ne": "!="}[kind.split()[1]]
        comparison = f"{names[0]} {sign} {names[1]}"
        if outcome:
            comparison = f"!({comparison})"
        return f"if ({comparison}) return {self.n_guards};"

    def table_of_constants(self):
        if not self.constants:
            return ""
        lines = "".join(f"    {text},\n" for text in self.constants)
        return (
            "/* volatile: what a compiler computes from them may differ in the last bit. */\n"
            f"static const volatile double constants[] = {{\n{lines}}};\n\n"
        )

    # -- functions

    def function(self):
        prototype = f"int {self.name}(const double *inputs, double *outputs);\n\n"
        if len(self.parts) == 1:
            head = f"int {self.name}(const double *inputs, double *outputs)"
            return prototype + definition(head, self.statements(self.parts[0]))
        names = [f"{self.name}_part{k}" for k in range(len(self.parts))]
        arguments = "(const double *inputs, double *outputs, double *values)"
        parts = [
            definition(f"static int {name}{arguments}", self.statements(part))
            for name, part in zip(names, self.parts, strict=True)
        ]
        listed = "".join(f"    {name},\n" for name in names)
        table = f"static int (*const parts[]){arguments} = {{\n{listed}}};\n"
        return "\n".join([*parts, table, prototype + self.run_of_parts()])

    def run_of_parts(self):
        """The function that calls one part after the other."""
        memory, release = f"    double values[{max(self.n_slots, 1)}];\n", ""
        if self.n_slots > ON_THE_STACK:
            memory = (
                f"    double *values = malloc({self.n_slots} * sizeof *values);\n"
                "    if (values == NULL) return -1;\n"
            )
            release = "    free(values);\n"
        return (
            f"int {self.name}(const double *inputs, double *outputs)\n{{\n{memory}"
            "    int failed = 0;\n"
            f"    for (int k = 0; k < {len(self.parts)} && !failed; k++)\n"
            "        failed = parts[k](inputs, outputs, values);\n"
            f"{release}    return failed;\n}}\n"
        )


def definition(head, statements):
    """A function that returns 0 at its end; what it does not use, it says so."""
    body = "".join(f"    {statement}\n" for statement in statements)
    unused = set(re.findall(r"\*(\w+)", head)) - set(WORD.findall(body))
    body += "".join(f"    (void){name};\n" for name in sorted(unused))
    return f"{head}\n{{\n{body}    return 0;\n}}\n"


def template(cell):
    """x*y of a cell as {0}*{1}."""
    return re.sub(r"\b[xyz]\b", lambda name: f"{{{'xyz'.index(name[0])}}}", cell)


def literal(x):
    if x != x:
        return "NAN"
    text = repr(x).replace("inf", "INFINITY")
    return f"({text})" if text.startswith("-") else text


# ---- Helpers -------------------------------------------------------------------------


def helpers_in(special):
    """The functions and macros in csrc/special.*: name -> text, with its comment."""
    found = {}
    for match in HELPER.finditer(special):
        text = match[0]
        if match["function"]:
            text = f"{match['comment'] or ''}static {match['head']}\n{match['body']}"
        found[match["function"] or match["macro"]] = text + "\n"
    return found


def needed_helpers(code, special):
    """The texts of what some code needs, each before it is used."""
    helpers = helpers_in(special)
    needs = {}
    pending = used_in(code) & helpers.keys()
    while pending:
        name = pending.pop()
        needs[name] = used_in(helpers[name]) & helpers.keys() - {name}
        pending |= needs[name] - needs.keys()
    order = TopologicalSorter({name: sorted(needs[name]) for name in sorted(needs)})
    return [helpers[name] for name in order.static_order()]


def used_in(code):
    """Names of functions that are called, and of constants, which are in capitals."""
    code = COMMENT.sub("", code)
    return {*CALLED.findall(code), *re.findall(r"\b[A-Z][A-Z0-9_]*\b", code)}
