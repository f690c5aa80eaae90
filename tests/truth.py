"""The operations of ops.def and their derivatives in arithmetic of any precision.

The derivatives are differences: at hundreds of digits these are exact enough, and owe
nothing to the formulas that they are to judge.
"""

import ast
import functools
import math
import operator
from itertools import product

import mpmath
from mpmath import mp, mpf

from fastad import _core
from fastad.rules import compile_cell

ROWS = {row.name: row for row in _core.rows()}
ARITHMETIC = {"div": operator.truediv}
ARITHMETIC |= {name: getattr(operator, name) for name in ("add", "sub", "mul", "neg")}

PRECISIONS = (256, 512, 1024, 2048, 4096, 8192)  # bits
AGREEMENT = mpf(2) ** -60  # of what two precisions yield, relative


def exp(x):
    """mpmath's takes long where the result is far beyond the range of double anyway."""
    return mp.exp(x) if abs(x) < 1e5 else mpf(0) if x < 0 else mp.inf


def power(x, y):
    """x**y, where it is real."""
    if x == 0:
        return mp.power(x, y)
    if x > 0:
        return exp(y * mp.log(x))
    if y != mp.floor(y):
        raise ValueError
    return exp(y * mp.log(-x)) * (-1) ** int(y)


def whole(x):
    """x without its fraction."""
    return mp.floor(x) if x > 0 else mp.ceil(x)


# The rows whose value is neither arithmetic nor a function of mpmath by that name.
FORMULAS = {
    "pow": power,
    "powx": lambda x, y: y * power(x, y) / x,
    "powy": lambda x, y: power(x, y) * mp.log(x),
    "floordiv": lambda x, y: mp.floor(x / y),
    "mod": lambda x, y: x - y * mp.floor(x / y),
    "fmod": lambda x, y: x - y * whole(x / y),
    "remainder": lambda x, y: x - y * mp.nint(x / y),
    "fma": lambda x, y, z: x * y + z,
    "maximum": max,
    "minimum": min,
    "copysign": lambda x, y: abs(x) if y >= 0 else -abs(x),
    "trunc": whole,
    "rint": mp.nint,
    "round_to": lambda x, y: mp.mpf(
        x if y > 323 else 0 if y < -308 else round(float(x), int(y))
    ),
    "scale2": lambda x, y: mp.ldexp(x, int(y)),
    "nextafter": lambda x, y: x + mpf(math.nextafter(x, y)) - mpf(float(x)),
    "ulp": lambda x: mpf(math.ulp(x)),
    "exp": exp,
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "erfc": lambda x: mp.erfc(x) if abs(x) < 1e5 else 1 - mp.sign(x),
    "degrees": mp.degrees,
    "radians": mp.radians,
    "expm1": lambda x: exp(x) - 1,
    "exp2": lambda x: exp(x * mp.ln2),
    "log2": lambda x: mp.log(x) / mp.ln2,
    "hypotx": lambda x, y: x / mp.hypot(x, y),
    "atan2x": lambda x, y: y / (x * x + y * y),
    "sech2": lambda x: 4 * exp(-2 * abs(x)) / (1 + exp(-2 * abs(x))) ** 2,
    "lgamma": lambda x: mp.loggamma(x).real,
    "polygamma": lambda x, y: mp.psi(int(x), y),
    "expit": lambda x: exp(x) / (1 + exp(x)) if x < 0 else 1 / (1 + exp(-x)),
    "logit": lambda x: mp.log(x / (1 - x)),
    "softplus": lambda x: mp.log(1 + exp(-abs(x))) + max(x, 0),
    "logaddexp": lambda x, y: mp.log(1 + exp(-abs(x - y))) + max(x, y),
    "logaddexpx": lambda x, y: 1 / (1 + exp(y - x)),
    "xlogy": lambda x, y: x * mp.log(y) if x else mpf(0),
    "scale": lambda x, y: x * y,
}


@functools.cache
def formula(name):
    """The operation as a function of mpmath's numbers."""
    if name in FORMULAS:
        return FORMULAS[name]
    cell = ROWS[name].value
    called = {
        node.func.id for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Call)
    }
    if called <= {"where"}:
        arithmetic = compile_cell(cell, ARITHMETIC)
        return lambda *args: mpf(arithmetic(*args))
    return getattr(mp, name)


def value(name, point):
    """The value of an operation, or None where it has none."""
    return settled(name, point, lambda f, args, step: f(*args))


def derivative(name, point, which):
    """The partial derivative to argument number `which`, or None where there is none."""
    if name == "stop":
        return mpf(0)  # by definition

    def beside(f, args, step):
        return f(*args[:which], args[which] + step, *args[which + 1 :])

    def slope(f, args, step):
        return (beside(f, args, step) - beside(f, args, -step)) / (2 * step)

    def bend(f, args, step):
        return (beside(f, args, step) - 2 * f(*args) + beside(f, args, -step)) / step

    return settled(name, point, slope, bend)


def second_derivative(name, point, first, second):
    """The second partial derivative, or None where there is none."""

    def difference(f, args, step):
        step = mp.sqrt(step * scale(args))  # rounding enters divided by its square
        total = 0
        for i, j in product((-1, 1), repeat=2):
            moved = list(args)
            moved[first] += i * step
            moved[second] += j * step
            total += i * j * f(*moved)
        return total / (4 * step * step)

    return settled(name, point, difference)


def scale(args):
    """The scale at which an operation may change near these arguments."""
    sizes = [mpf(1), *(abs(arg) for arg in args if arg)]
    return min(sizes) / max(sizes)


def settled(name, point, compute, bend=None):
    """What `compute` yields at the first precision that the one before agrees with.

    `compute` gets the operation, its arguments and a step for differences. A result of 0
    may be one that is lost in the rounding, so it has to last until the end. `bend` goes
    to 0 with the step, unless the operation has a kink here.
    """
    start = max(0, *(2 * math.frexp(arg)[1] for arg in point))
    result = None
    for precision in PRECISIONS:
        with mp.workprec(start + precision):
            args = [mpf(arg) for arg in point]
            step = mp.ldexp(scale(args), -(precision // 3))
            try:
                before, result = result, compute(formula(name), args, step)
                if not isinstance(result, mpf) or mp.isnan(result):
                    return None  # complex, or inf - inf
                agrees = before and abs(result - before) <= AGREEMENT * abs(result)
                if mp.isinf(result):
                    return result
                if (agrees or precision == PRECISIONS[-1]) and bend is not None:
                    gap = abs(bend(formula(name), args, step))
                    if gap > 2**-20 * max(abs(result), mpf(2) ** -180):
                        return None
            except (ValueError, ZeroDivisionError):
                return None
            if agrees:
                return result
    return None if result else result


def shown(x):
    """A number in as many digits as tell doubles apart."""
    return mpmath.nstr(x, 17)
