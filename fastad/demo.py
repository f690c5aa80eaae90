"""The demonstration, ``python -m fastad demo``: a story in three chapters.

1. The two sweeps of reverse mode over the textbook's example, step by step.
2. A logistic curve through the US census, fitted by SciPy with exact gradients.
3. What a gradient costs on this machine, measured while you wait.

Every number is computed when it is printed.
"""

import csv
import math
import platform
import statistics
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from time import perf_counter
from timeit import Timer
from types import ModuleType
from typing import Any

import numpy

import fastad
from fastad import reference

__all__ = ["main"]

MISSING = 2  # the exit status without SciPy


def main() -> int:
    """Print the demonstration.

    Returns
    -------
    int
        The exit status: 2 if SciPy is missing, which the second chapter needs. The
        other chapters are printed all the same.
    """
    print(f"fastad {fastad.__version__}: derivatives of ordinary Python\n")
    show_sweeps()
    status = show_fit()
    show_costs()
    return status


def say(text: str) -> None:
    """Print a paragraph."""
    margin = 3 * " "
    words = " ".join(text.split())
    print(textwrap.fill(words, 84, initial_indent=margin, subsequent_indent=margin))
    print()


# ---- 1. The two sweeps ---------------------------------------------------------------

Edge = tuple[str, str, str]  # from a node to an argument: names, the partial's rule


def show_sweeps() -> None:
    """Print both sweeps over c = w1**2 + w2**2, as `fastad.reference` makes them."""
    w1, w2 = reference.Var(2.0), reference.Var(3.0)
    a = w1**2
    b = w2**2
    c = a + b
    print("1. TWO SWEEPS OVER c = w1**2 + w2**2 AT w1 = 2, w2 = 3\n")
    say("""
        Forward, as Python runs: each operation computes its value and, on the edges
        to its arguments, its partial derivatives.
        """)
    nodes = {"w1": w1, "w2": w2, "a": a, "b": b, "c": c}
    edges = show_forward(
        nodes,
        {"a": "w1**2", "b": "w2**2", "c": "a + b"},
        {"aw1": "2*w1", "bw2": "2*w2", "ca": "1", "cb": "1"},
    )
    say("""
        Backward, from the result to the inputs: a node's adjoint, which is the
        derivative of c to it, times the partial on an edge is added to the adjoint of
        the argument.
        """)
    found = reference.adjoints(c)
    show_backward(edges, {name: found[node] for name, node in nodes.items()})
    gradient = fastad.grad(lambda w: w[0] ** 2 + w[1] ** 2)([2.0, 3.0])
    say(f"fastad.grad, the same sweeps in C: {gradient}")


def show_forward(
    nodes: dict[str, Any], formulas: dict[str, str], rules: dict[str, str]
) -> list[Edge]:
    """Print what the forward sweep left in *nodes*; return their edges in that order.

    *formulas* and *rules* say in letters what the values and partials are in numbers.
    """
    names = {id(node): name for name, node in nodes.items()}
    edges = []
    for name, node in nodes.items():
        formula = f"{formulas[name]} =" if name in formulas else ""
        line = f"     {name:2} = {formula:7} {node.value:<4g}"
        for argument, partial in node.edges:
            to = names[id(argument)]
            rule = rules[name + to]
            number = "" if rule == f"{partial:g}" else f" = {partial:g}"
            line += f"   d{name}/d{to} = {rule}{number}"
            edges.append((name, to, rule))
        print(line.rstrip())
    print()
    return edges


def show_backward(edges: list[Edge], adjoints: dict[str, float]) -> None:
    """Print the backward sweep along *edges*, the last one first."""
    last = edges[-1][0]
    print(f"     d{last}/d{last}  = {adjoints[last]:g}")
    for name, to, rule in reversed(edges):
        edge = rule if name == last else f"d{name}/d{to}"
        print(
            f"     {f'd{last}/d{to}':6} = d{last}/d{name} * {edge} "
            f"= {adjoints[name]:g} * {rule} = {adjoints[to]:g}"
        )
    print()


# ---- 2. The fit ----------------------------------------------------------------------


def read_census() -> tuple[list[int], list[float]]:
    """Return the years of the US census and its counts, in 100 million persons.

    The source is named in ``data/README.md``.
    """
    table = resources.files("fastad") / "data" / "us_census.csv"
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return (
        [int(row["year"]) for row in rows],
        [int(row["population"]) / 1e8 for row in rows],
    )


YEARS, COUNTS = read_census()
START = [4.0, 0.5, 2.0]


def logistic(theta: Sequence[Any], year: float, m: ModuleType = fastad.math) -> Any:
    """Verhulst's curve of growth, K / (1 + exp(-r (year - middle))).

    Parameters
    ----------
    theta : three numbers
        K in 100 million persons, the middle in centuries from 1900, r in percent a
        year: all of the size of 1, as an optimiser wants them.
    year : float
    m : module, optional
        Where `exp` comes from.
    """
    capacity, middle, rate = theta
    return capacity / (1.0 + m.exp(-rate * ((year - 1900) / 100 - middle)))


def cost(theta: Sequence[Any], m: ModuleType = fastad.math) -> Any:
    """Return the sum of the squared residuals, in (100 million persons)**2."""
    total = 0.0
    for year, count in zip(YEARS, COUNTS, strict=True):
        total += (logistic(theta, year, m) - count) ** 2
    return total


def show_fit() -> int:
    """Fit `logistic` to the census; return the exit status."""
    print(f"2. A FIT: THE US CENSUS, {YEARS[0]} TO {YEARS[-1]}, AND A LOGISTIC CURVE\n")
    try:
        from scipy import optimize
    except ImportError:
        say("(left out: SciPy is missing)")
        sys.stdout.flush()
        remedy = 'pip install "fastad[demo]"'
        print(f"fastad: the fit needs SciPy: {remedy}", file=sys.stderr)
        return MISSING
    say("""
        P(t) = K / (1 + exp(-r (t - middle))) by least squares. The cost is a loop over
        the counts in plain Python, with exp from fastad.math:
        """)
    print(
        "     scipy.optimize.minimize(fastad.value_and_grad(cost), theta, jac=True)\n"
    )
    start = perf_counter()
    fit = optimize.minimize(
        fastad.value_and_grad(cost),
        numpy.array(START),
        jac=True,
        options={"gtol": 1e-7},
    )
    seconds = perf_counter() - start
    show_curve(fit.x)
    errors = show_parameters(fit.x, fit.fun)

    peer, peers_covariance = optimize.curve_fit(
        lambda years, *theta: [logistic(theta, year, math) for year in years],
        *(YEARS, COUNTS, START),
        **{"xtol": 1e-12, "ftol": 1e-12},
    )
    peers_errors = numpy.sqrt(numpy.diag(peers_covariance))
    first, last = (
        numpy.linalg.norm(slope) for slope in (fastad.grad(cost)(START), fit.jac)
    )
    say(f"""
        {fit.nit} iterations with {fit.nfev} gradients took {seconds * 1e3:.1f} ms and
        brought the norm of the gradient from {first:.2g} to {last:.0e}. SciPy's
        curve_fit, which takes differences, agrees within
        {max(abs(peer / fit.x - 1)):.0e} of the parameters and
        {max(abs(peers_errors / errors - 1)):.0e} of their standard errors.
        """)
    return 0


def show_curve(theta: Sequence[float], columns: int = 56) -> None:
    """Print counts and curve, in millions: a table with a picture on its right."""
    scale = columns / max(COUNTS)
    print("   year   count   curve   million persons; o counted, = curve")
    for year, count in zip(YEARS, COUNTS, strict=True):
        curve = logistic(theta, year, math)
        picture = ["="] * round(curve * scale) + [" "] * columns
        picture[round(count * scale)] = "o"
        bar = "".join(picture).rstrip()
        print(f"   {year} {100 * count:7.1f} {100 * curve:7.1f}  {bar}")
    print()


def show_parameters(theta: Any, squares: float) -> Any:
    """Print the fitted parameters and a forecast; return the standard errors.

    Gauss and Newton's: with J the Jacobian of the residuals, the covariance of theta is
    s**2 inv(J'J), where s**2 estimates the variance of a residual.
    """
    jacobian = numpy.array(
        [fastad.grad(lambda theta, t=t: logistic(theta, t))(theta) for t in YEARS]
    )
    s = math.sqrt(squares / (len(YEARS) - len(theta)))
    covariance = s**2 * numpy.linalg.inv(jacobian.T @ jacobian)
    errors = numpy.sqrt(numpy.diag(covariance))
    slope = fastad.grad(lambda theta: logistic(theta, 2030))(theta)
    forecast = logistic(theta, 2030, math)
    forecast_error = math.sqrt(slope @ covariance @ slope + s**2)
    print(
        f"""\
     K       = {100 * theta[0]:6.1f}   +- {100 * errors[0]:4.1f}    million persons
     middle  = {1900 + 100 * theta[1]:6.1f}   +- {100 * errors[1]:4.1f}    (year)
     r       = {theta[2]:8.3f} +-  {errors[2]:.3f}  % per year
     s       = {100 * s:7.2f}             million persons, spread of the residuals
     P(2030) = {100 * forecast:6.1f}   +- {100 * forecast_error:4.1f}    million persons
"""
    )
    say("""
        Standard errors are the roots of the diagonal of C = s**2 inv(J'J); row i of J
        is fastad.grad of P(year i). The forecast's is sqrt(g'Cg + s**2), with g its
        gradient. They take the residuals for independent, which the waves in the
        picture are not.
        """)
    return errors


# ---- 3. What it costs ----------------------------------------------------------------


def black_scholes(x: Sequence[Any], m: ModuleType) -> Any:
    """The price of a European call from spot, strike, rate, volatility and years."""
    spot, strike, rate, volatility, years = x
    deviation = volatility * m.sqrt(years)
    d1 = (m.log(spot / strike) + (rate + 0.5 * volatility**2) * years) / deviation
    d2 = d1 - deviation
    likely1 = 0.5 * (1.0 + m.erf(d1 / 1.4142135623730951))
    likely2 = 0.5 * (1.0 + m.erf(d2 / 1.4142135623730951))
    return spot * likely1 - strike * m.exp(-rate * years) * likely2


def rosenbrock(x: Sequence[Any], m: ModuleType) -> Any:
    """Rosenbrock's banana valley in many dimensions."""
    total = 0.0
    for i in range(len(x) - 1):
        total += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


def show_costs(rounds: int = 41) -> None:
    """Measure and print what value and gradient cost beside a plain run on floats."""
    machine = f"CPython {platform.python_version()}, {platform.machine()}"
    print(f"3. WHAT VALUE AND GRADIENT COST HERE ({machine})\n")
    print(f"{'us   times the plain run   gradient':>80}")
    print(f"{'best      best    median     off by':>80}")
    option = [100.0, 105.0, 0.03, 0.25, 1.5]
    show_cost("Black-Scholes call", black_scholes, option, rounds)
    show_cost("the fit's cost", cost, START, rounds)
    wave = [1.5 * math.sin(i + 1) for i in range(100)]
    show_cost("Rosenbrock's valley", rosenbrock, wave, rounds)
    print()
    say(f"""
        {rounds} rounds in turns. best: shortest time by shortest time; median: of the
        ratios round by round; off by: the largest relative difference from fastad's
        gradient.
        """)


def show_cost(title: str, f: Callable[..., Any], x: list[float], rounds: int) -> None:
    """Print the rows of one function f(x, m)."""
    in_c, in_python = fastad.value_and_grad(f), reference.value_and_grad(f)
    methods: dict[str, Callable[[], Any]] = {
        "plain run on floats, no gradient": lambda: f(x, math),
        "fastad": lambda: in_c(x, fastad.math),
        "the same in plain Python": lambda: in_python(x, reference.math),
        "central differences": lambda: central_differences(lambda x: f(x, math), x),
    }
    times = interleave(methods.values(), rounds)
    _, gradient = methods["fastad"]()
    print(f"   {title}: {len(x)} inputs, {count_operations(f, x)} operations")
    for (method, run), seconds in zip(methods.items(), times, strict=True):
        ratios = [t / plain for t, plain in zip(seconds, times[0], strict=True)]
        row = (
            f"     {method:35} {min(seconds) * 1e6:7.1f}"
            f"{min(seconds) / min(times[0]):9.2f}{statistics.median(ratios):10.2f}"
        )
        if method in ("the same in plain Python", "central differences"):
            off = off_by(run()[1], gradient)
            row += f"{off:11.0e}" if off else f"{'0':>11}"
        print(row)


def count_operations(f: Callable[..., Any], x: list[float]) -> int:
    """Return how many operations f(x, m) takes, counted on a tape."""
    result = f([reference.Var(number) for number in x], reference.math)
    return sum(1 for node in reference.tape(result) if node.edges)


def central_differences(
    f: Callable[[list[float]], float], x: list[float]
) -> tuple[float, list[float]]:
    """Return f(x) and its gradient as it is found without derivatives.

    (f(x + h) - f(x - h)) / 2h for each number of x, with the step that balances
    truncation and rounding, h = cbrt(epsilon) max(1, abs(x)).
    """
    gradient = []
    for i, x_i in enumerate(x):
        h = sys.float_info.epsilon ** (1 / 3) * max(1.0, abs(x_i))
        above, below = x_i + h, x_i - h
        rise = f([*x[:i], above, *x[i + 1 :]]) - f([*x[:i], below, *x[i + 1 :]])
        gradient.append(rise / (above - below))
    return f(x), gradient


def off_by(gradient: Sequence[float], exact: Sequence[float]) -> float:
    """Return the largest relative difference between components of two gradients."""
    return max(abs(g / e - 1) for g, e in zip(gradient, exact, strict=True))


def interleave(
    functions: Iterable[Callable[[], object]], rounds: int
) -> list[list[float]]:
    """Time functions in turns: the seconds of one call, of each, round by round.

    In turns, because a machine's speed drifts. What is fast is called several times in
    a round, for a millisecond or two.
    """
    timers = [Timer(function) for function in functions]
    calls = [max(1, round(1.5e-3 / min(timer.repeat(3, 1)))) for timer in timers]
    turns = [
        [timer.timeit(n) / n for timer, n in zip(timers, calls, strict=True)]
        for _ in range(rounds)
    ]
    return [list(seconds) for seconds in zip(*turns, strict=True)]
