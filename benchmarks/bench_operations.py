"""What one operation costs."""

import math

import fastad

REPEAT = 1000

OPERATORS = (
    "x + y, x + 2.0, x - y, x * y, 2.0 * x, x / y, -x, x**2, x**y, abs(x), x // y"
)
OPERATORS += ", x % y, x < y"
ONE_ARGUMENT = (
    "sqrt exp expm1 log log1p log10 sin cos tan asin acos atan sinh cosh tanh"
)
ONE_ARGUMENT += " asinh atanh erf erfc gamma lgamma"
TWO_ARGUMENTS = "atan2 hypot fmod copysign"
OPERATIONS = (
    *OPERATORS.split(", "),
    *(f"{name}(x)" for name in ONE_ARGUMENT.split()),
    *(f"{name}(x, y)" for name in TWO_ARGUMENTS.split()),
)


def loop_of(operation, m):
    """A function that evaluates the expression REPEAT times, as timeit would."""
    scope = {**vars(m), "times": [None] * REPEAT}
    exec(f"def loop(x, y):\n    for _ in times:\n        {operation}\n", scope)
    return scope["loop"]


class Operations:
    """An expression evaluated a thousand times in a loop. Its results die at once, so
    the tape is collected now and then: that is part of the price."""

    params = OPERATIONS
    param_names = ("operation",)

    def setup(self, operation):
        self.float_loop = loop_of(operation, math)
        self.var_loop = loop_of(operation, fastad.math)
        self.floats = 0.75, 0.5
        self.vars = tuple(fastad.Var(v) for v in self.floats)

    def time_float(self, operation):
        """On floats: the control, which does not touch fastad."""
        self.float_loop(*self.floats)

    def time_var(self, operation):
        """On Vars."""
        self.var_loop(*self.vars)

    def time_float_in_fastad_math(self, operation):
        """Floats in, floats out, through fastad.math."""
        self.var_loop(*self.floats)
