"""Figures of compiled functions: replays, batches, and what recording takes.

Called by bench_compiled.py and compare.py, as those of figures.py are.
"""

import math
import operator
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy

import fastad

from .figures import Times, with_math
from .interleaved import QUICK, interleave
from .workloads import Workload, black_scholes, lorenz, rosenbrock, spread

Fast = Callable[[Any], Any]

STEP = 30e-9  # of [x * x for x in numbers]: the machine that the targets are meant for


def compiled(w: Workload) -> Fast:
    """Value and gradient of a workload, from an array and into one, recorded and confirmed."""
    f = with_math(w, fastad.math)
    fast = fastad.compile(fastad.value_and_grad(lambda x: f(list(x))))
    x = numpy.array(w.x)
    fast(x)
    fast(x)
    return fast


def squares(numbers: list[float]) -> list[float]:
    """What a step of a loop costs in this Python."""
    return [x * x for x in numbers]


def replay_times(w: Workload, seconds: float = 1.0) -> Times:
    """A replay of value and gradient, from an array and into one; the same eagerly, the
    float run, and 1000 steps of a loop."""
    fast, x = compiled(w), numpy.array(w.x)
    numbers = spread(1000, 0.0, 1.0)
    eager = fastad.value_and_grad(with_math(w, fastad.math))
    f = with_math(w, math)
    return interleave(
        {
            "replay": lambda: fast(x),
            "eager": lambda: eager(w.x),
            "float": lambda: f(w.x),
            "squares": lambda: squares(numbers),
        },
        seconds,
    )


def casadi_times(w: Workload, seconds: float = 1.0) -> Times:
    """A replay, and CasADi's virtual machine on the same function: buffers in and out, and no
    Python in between."""
    import casadi

    symbols = casadi.SX.sym("x", len(w.x))
    y = _on_symbols(with_math(w, casadi), [symbols[k] for k in range(len(w.x))], w)
    function = casadi.Function("f", [symbols], [y, casadi.gradient(y, symbols)])
    buffer, run = function.buffer()
    x = numpy.array(w.x)
    value, gradient = numpy.zeros(1), numpy.zeros(len(w.x))
    buffer.set_arg(0, memoryview(x))
    buffer.set_res(0, memoryview(value))
    buffer.set_res(1, memoryview(gradient))
    run()
    fast = compiled(w)
    expected = fast(x)[1]
    assert abs(gradient - expected).max() <= 1e-9 * abs(expected).max()
    return interleave({"replay": lambda: fast(x), "casadi": run}, seconds)


def _on_symbols(f: Fast, symbols: list[Any], w: Workload) -> Any:
    """What f gives for CasADi's symbols.

    Where f compares them, its operations at the workload's point are what CasADi gets.
    """
    try:
        return f(symbols)
    except RuntimeError:  # of a truth value
        program = fastad.Program(with_math(w, fastad.math), w.x)
    import casadi

    functions = {
        name: getattr(casadi, name) for name in ("exp", "log", "sin", "tanh", "sqrt")
    }
    functions |= {"add": operator.add, "sub": operator.sub, "mul": operator.mul}
    functions |= {"div": operator.truediv, "neg": operator.neg, "pow": operator.pow}
    results: list[Any] = []
    for name, arguments, _ in program.instructions():
        if name == "input":
            results.append(symbols[int(arguments[0])])
        elif name == "constant":
            results.append(arguments[0])
        elif name.startswith("guard"):
            results.append(None)
        else:
            results.append(functions[name](*(results[int(k)] for k in arguments)))
    return results[program.outputs[0]]


def seconds_to_record(w: Workload) -> float:
    """From the function to its first compiled result, for one operation."""
    f = with_math(w, fastad.math)
    start = perf_counter()
    fastad.compile(fastad.value_and_grad(f))(w.x)
    return (perf_counter() - start) / w.operations


def tiny_times(seconds: float = 1.0) -> Times:
    """A call of a function of five numbers, from a list and into one."""
    w = Workload(black_scholes, [100.0, 105.0, 0.03, 0.25, 1.5], operations=26)
    fast = fastad.compile(fastad.value_and_grad(with_math(w, fastad.math)))
    eager = fastad.value_and_grad(with_math(w, fastad.math))
    f = with_math(w, math)
    fast(w.x)
    fast(w.x)
    return interleave(
        {
            "compiled": lambda: fast(w.x),
            "eager": lambda: eager(w.x),
            "float": lambda: f(w.x),
        },
        seconds,
    )


def branch_times(seconds: float = 1.0) -> Times:
    """Calls that stay on a path, and calls that change to another each time."""

    def f(x: list[Any]) -> Any:
        total = x[0] * 0.0
        for k in range(200):
            total = total + fastad.math.sin(x[1] * k) * x[0]
        return total if x[0] > 0 else -total

    fast = fastad.compile(fastad.value_and_grad(f))
    here, there = numpy.array([1.0, 0.5]), numpy.array([-1.0, 0.5])
    for x in (here, there, here, there):
        fast(x)

    def stay() -> None:
        fast(here)
        fast(here)

    def change() -> None:
        fast(here)
        fast(there)

    return interleave({"stay": stay, "change": change}, seconds)


def nanoseconds(times: Times, w: Workload) -> tuple[float, float]:
    """Minimum and median of a replay for one operation of the function, on a machine where a
    step of a loop costs 30 ns: what is measured is how many steps it takes."""
    steps = [
        replay / w.operations / (squares / 1000)
        for replay, squares in zip(times["replay"], times["squares"], strict=True)
    ]
    least = min(times["replay"]) / w.operations / (min(times["squares"]) / 1000)
    return least * STEP * 1e9, statistics.median(steps) * STEP * 1e9


# ---- Batches ------------------------------------------------------------------------

N_POINTS = 10_000


@dataclass(frozen=True)
class Batch:
    """A function to be evaluated at many points around one, and what it may take."""

    f: Callable[[Any, Any], Any]
    x: list[float]
    target: float  # microseconds a point

    def of(self, m: Any) -> Callable[[Any], Any]:
        """The function, with that mathematics."""
        return lambda x: self.f(x, m)

    def points(self, n: int = N_POINTS) -> Any:
        """n points within a tenth of x, spread evenly and irregularly."""
        columns = [
            spread(n, 0.9 * v, 1.1 * v, (k + 2) ** 0.5) for k, v in enumerate(self.x)
        ]
        return numpy.array(columns).T.copy()


BATCHES = {
    "Black-Scholes": Batch(black_scholes, [100.0, 105.0, 0.03, 0.25, 1.5], 0.045),
    "Rosenbrock n=10": Batch(rosenbrock, [-1.2, 1.0] * 5, 0.05),
    "Lorenz 100 steps": Batch(
        partial(lorenz, steps=100), [1.0, 1.0, 1.0, 10.0, 28.0, 8.0 / 3.0], 5.0
    ),
}


def batch_times(name: str, seconds: float = 1.0) -> Times:
    """Value and gradient at many points: by vmap, and one by one."""
    batch = BATCHES[name]
    fast = fastad.compile(fastad.value_and_grad(batch.of(fastad.math)))
    many = fastad.vmap(fast)
    points = batch.points()
    few = points[:100]
    many(points)
    return interleave(
        {"batch": lambda: many(points), "one by one": lambda: [fast(p) for p in few]},
        seconds,
    )


def worker_times(n: int = N_POINTS, seconds: float = 1.0) -> Times:
    """Lorenz at n points by one worker and by two: by the clock on the wall."""
    batch = BATCHES["Lorenz 100 steps"]
    fast = fastad.compile(fastad.value_and_grad(batch.of(fastad.math)))
    points = batch.points(n)
    one, two = fastad.vmap(fast), fastad.vmap(fast, workers=2)
    one(points)
    times: Times = {"one": [], "two": []}
    end = perf_counter() + (0.0 if QUICK else seconds)
    while len(times["one"]) < (1 if QUICK else 5) or perf_counter() < end:
        for name, many in (("one", one), ("two", two)):
            start = perf_counter()
            many(points)
            times[name].append(perf_counter() - start)
    return times
