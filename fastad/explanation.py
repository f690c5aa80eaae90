"""Why a derivative is nan, infinite or zero: `explain`."""

import dataclasses
import linecache
import math

from fastad import _core
from fastad.errors import ArgumentError, FastadError
from fastad.runs import Run, is_operation

__all__ = ["Explanation", "explain"]

# What to write instead, where an operation has no finite derivative.
REMEDIES = {
    "sqrt": "keep the argument away from 0, or use fastad.norm or math.hypot for a length",
    "cbrt": "keep the argument away from 0",
    "pow": "keep the base away from 0, or use an exponent of at least 1",
    "powx": "keep the base away from 0",
    "div": "keep the divisor away from 0, or choose another formula there with fastad.where",
    "log": "keep the argument away from 0, or use fastad.xlogy for x * log(x)",
    "asin": "keep the argument between -1 and 1, strictly",
    "acos": "keep the argument between -1 and 1, strictly",
    "atanh": "keep the argument between -1 and 1, strictly",
    "acosh": "keep the argument above 1",
    "atan2": "the angle of the origin is not defined: treat that point apart",
    "exp": "the result is too large for a float: work with its logarithm",
    "sub": "inf - inf is not defined: look for what became infinite before",
}

# Operations that are steps: their derivative is 0 wherever it exists.
STEPS = {
    "floor",
    "ceil",
    "trunc",
    "rint",
    "sign",
    "floordiv",
    "ulp",
    "lt",
    "le",
    "eq",
    "ne",
}


class Explanation:
    """What `explain` found.

    Attributes
    ----------
    value : float
    gradient : list of float
        One entry for each number in the arguments, by plain IEEE arithmetic.
    findings : list of str
        One for each cause; empty if nothing is odd.
    """

    def __init__(self, value, gradient, findings):
        self.value, self.gradient, self.findings = value, gradient, findings

    def __repr__(self):
        head = f"value {self.value!r}, gradient {self.gradient!r}"
        if not self.findings:
            return f"{head}\nAll derivatives are finite, and none is zero."
        return "\n".join([head, *self.findings])


def explain(f, *args):
    """Say why a value or a derivative of `f` is nan, infinite or zero at these arguments.

    `f` runs once more, with the source line of each operation noted, so that nothing is paid
    for this in ordinary use.

    Parameters
    ----------
    f : callable
        As for `fastad.grad`; it returns one number.
    *args
        The arguments, all of which are looked at.

    Returns
    -------
    Explanation
        Printed, it is a text: which operation, with which operands, where in the source, why,
        and what to write instead.

    Examples
    --------
    >>> from fastad import explain, math
    >>> print(explain(lambda x, y: math.sqrt(x * y), 0.0, 2.0))     # doctest: +ELLIPSIS
    value 0.0, gradient [inf, nan]
    derivative to argument 0 is inf: sqrt(0.0) = 0.0 has the partial inf, at ...
        keep the argument away from 0, or use fastad.norm or math.hypot for a length
    derivative to argument 1 is nan: sqrt(0.0) = 0.0 has the partial inf, at ...
        keep the argument away from 0, or use fastad.norm or math.hypot for a length
    """
    try:
        program = _core.Program(f, *args, lines=True)
    except _core.NotAProgram:
        raise
    except (FastadError, ArithmeticError, ValueError) as error:
        return Explanation(math.nan, [], [_raised(error)])
    if len(program.outputs) != 1:
        raise ArgumentError("explain takes a function that returns one number")
    return _Run(program, program.trace(*args)).explanation(_names(args))


def _raised(error):
    """The user's line that an exception came from."""
    trace, place = error.__traceback__, None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if _core.is_of_user(file):
            place = file, trace.tb_lineno
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{_at(place)}"


def _names(args):
    """A name for each number in the arguments."""
    names = []

    def walk(x, name):
        if isinstance(x, dict):
            for key, item in x.items():
                walk(item, f"{name}[{key!r}]")
        elif isinstance(x, (list, tuple)):
            for k, item in enumerate(x):
                walk(item, f"{name}[{k}]")
        elif hasattr(type(x), "__dataclass_fields__"):
            for field in dataclasses.fields(x):
                walk(getattr(x, field.name), f"{name}.{field.name}")
        elif getattr(x, "ndim", 0):
            names.extend(f"{name}.flat[{k}]" for k in range(x.size))
        else:
            names.append(name)

    for k, argument in enumerate(args):
        walk(argument, f"argument {k}")
    return names


class _Run(Run):
    """A run that is looked through for causes."""

    def __init__(self, program, values):
        super().__init__(program, values)
        self.output = self.outputs[0]
        self.to_output = self.adjoints(self.output)

    def explanation(self, names):
        gradient = [
            0.0 if self.to_output[k] is None else self.to_output[k] for k in self.inputs
        ]
        findings = []
        if not math.isfinite(self.values[self.output]):
            findings.append(self.of_value())
        for node, name, derivative in zip(self.inputs, names, gradient, strict=True):
            if derivative == 0.0:
                findings.append(f"derivative to {name} is 0: {self.of_zero(node)}")
            elif not math.isfinite(derivative):
                findings.append(
                    f"derivative to {name} is {derivative}: {self.of_odd(node)}"
                )
        return Explanation(self.values[self.output], gradient, findings)

    def of_value(self):
        """The first operation whose result is not finite although its operands are."""
        what = f"the value is {self.values[self.output]}"
        for node, (name, arguments, _) in enumerate(self.instructions):
            if math.isfinite(self.values[node]):
                continue
            if name == "input":
                return f"{what}: so is an argument"
            if name == "constant":
                return (
                    f"{what}: the constant {self.values[node]} comes in{self.at(node)}"
                )
            if all(math.isfinite(self.values[k]) for k in arguments):
                return f"{what}: {self.call(node)}{self.at(node)}"
        return what

    def of_odd(self, start):
        """The operation nearest to the result, on the way from an input to it, that has a
        partial which is not finite."""
        above = self.above(start)
        for node in sorted(above, reverse=True):
            for argument, partial in self.edges(node):
                if argument in above and not math.isfinite(partial):
                    remedy = REMEDIES.get(self.instructions[node][0])
                    return (
                        f"{self.call(node)} has the partial {partial}{self.at(node)}"
                        + (f"\n    {remedy}" if remedy else "")
                    )
        return "factors that are finite one by one overflow in their product"

    def of_zero(self, start):
        """Why nothing of an input reaches the result."""
        if self.to_output[start] is None:
            return "the result does not depend on it" + self.of_decisions(start)
        above = self.above(start)
        for node in sorted(above):
            zeros = [p for k, p in self.edges(node) if k in above]
            if zeros and not any(zeros):
                name = self.instructions[node][0]
                why = "is a step" if name in STEPS else "is flat here"
                return f"{self.call(node)} {why}{self.at(node)}"
        return "the ways to the result cancel, or underflow"

    def of_decisions(self, start):
        """What a result that does not depend on an input may owe to it all the same."""
        depends, decisions = {start}, []
        for node in range(start + 1, len(self.instructions)):
            name, arguments, _ = self.instructions[node]
            if name.startswith("guard "):
                decisions += [node] if depends.intersection(arguments[:2]) else []
            elif self.takes_one_of(depends, node):
                depends.add(node)
        if not decisions:
            return (
                "; .value or isinstance(x, float), which is False, may have cut it off"
            )
        n = len(decisions)
        times = "once" if n == 1 else f"{n} times, first"
        return (
            f", which was only compared or converted, {times}{self.at(decisions[0])}\n"
            "    neither passes a derivative on (strict=True forbids conversions); a search by "
            "comparing, such as bisection, needs a rule: fastad.custom_jvp"
        )

    def above(self, start):
        """The nodes on the ways from an input to the result, with the input."""
        depends = {start}
        for node in range(start + 1, self.output + 1):
            if self.to_output[node] is not None and self.takes_one_of(depends, node):
                depends.add(node)
        return depends

    def takes_one_of(self, nodes, node):
        """Whether the node is an operation on one of these."""
        name, arguments, _ = self.instructions[node]
        return is_operation(name) and not nodes.isdisjoint(arguments)

    def call(self, node):
        name, arguments, _ = self.instructions[node]
        operands = ", ".join(repr(self.values[k]) for k in arguments)
        return f"{name}({operands}) = {self.values[node]!r}"

    def at(self, node):
        return _at(self.instructions[node][2])


def _at(place):
    """', at file:line: the source line'"""
    if place is None:
        return ""
    file, line = place
    source = linecache.getline(file, line).strip()
    return f", at {file}:{line}" + (f": {source}" if source else "")
