"""Figures of the other modes and orders: forward, Jacobians, programs, sparse, checkpoints.

Called by bench_modes.py and compare.py, as those of figures.py are.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import fastad

from .figures import Times, _python, with_math
from .interleaved import clock, interleave
from .workloads import (
    SEVEN,
    Workload,
    lorenz_block,
    lorenz_in_blocks,
    mixture,
    rosenbrock,
    spread,
)

# ---- Forward mode ---------------------------------------------------------------------


def tangent_times(w: Workload, seconds: float = 1.0) -> Times:
    """The float run; value and derivative by the first input alone, a Dual among floats;
    and by `jvp`, where every input is a Dual, most of them with tangent 0."""
    f, plain = with_math(w, fastad.math), with_math(w, math)
    seed = [1.0] + [0.0] * (len(w.x) - 1)
    return interleave(
        {
            "float": lambda: plain(w.x),
            "first": lambda: f([fastad.Dual(w.x[0], 1.0), *w.x[1:]]),
            "jvp": lambda: fastad.jvp(f, (w.x,), (seed,)),
        },
        seconds,
    )


# ---- Jacobians ------------------------------------------------------------------------

SHAPES = (1, 1000), (1000, 1), (50, 50), (10, 1000), (1000, 10)  # inputs, outputs


def jacobian_times(n_inputs: int, n_outputs: int, seconds: float = 1.0) -> Times:
    """A Jacobian in each mode, the recording included."""
    x = spread(n_inputs, 0.5, 1.5)

    def f(x: list[Any]) -> list[Any]:
        return mixture(x, fastad.math, n_outputs)

    modes = "auto", "forward", "reverse"
    return interleave(
        {mode: partial(fastad.jacobian(f, mode=mode), x) for mode in modes}, seconds
    )


def layers(x: list[Any], m: Any) -> list[Any]:
    """A network without weights: 20 dense layers of 16 numbers, as many out as in."""
    n = len(x)
    for layer in range(20):
        x = [
            m.tanh(
                sum(0.01 * ((7 * i + 3 * j + layer) % 11) * x[j] for j in range(len(x)))
            )
            for i in range(16)
        ]
    return x[:n]


def sweep_nanoseconds(
    mode: str, n_directions: int, sets: Sequence[str], seconds: float = 1.0
) -> Times:
    """For a node, of one sweep in so many directions on each instruction set; the recording
    is there before."""
    recipe = fastad._core.Recipe(partial(layers, m=fastad.math), 0, False, "warn")
    x = spread(n_directions, 0.5, 1.5)
    recording = fastad._core.Recording(recipe, (x,), {})
    n_nodes = recording.counts[2]
    times = interleave(
        {set_: partial(recording.jacobian, mode, set=set_) for set_ in sets}, seconds
    )
    return {set_: [t / n_nodes * 1e9 for t in times[set_]] for set_ in sets}


def better_mode(times: Times) -> str:
    return min("forward", "reverse", key=lambda mode: min(times[mode]))


# ---- Programs -------------------------------------------------------------------------

SIZES = 10**3, 10**4, 10**5, 10**6  # operations


def seconds_to_build(n: int, repeat: int = 3) -> tuple[float, float]:
    """For one of n operations: recording a program, and building its gradient's; the
    shortest of a few."""
    recording, building = [], []
    x = spread(n // 8 + 1, -1.0, 1.0)
    for _ in range(repeat):
        start = clock()
        program = fastad.Program(lambda x: rosenbrock(x, fastad.math), x)
        middle = clock()
        program.gradient()
        recording.append(middle - start)
        building.append(clock() - middle)
    return min(recording) / n, min(building) / n


# ---- Sparse Hessians ------------------------------------------------------------------

PARAMETERS = 1_000, 10_000, 100_000


def seconds_of_sparse_hessian(n: int, repeat: int = 3) -> list[float]:
    """The sparse Hessian of Rosenbrock's valley, everything included."""
    hessian = fastad.sparse_hessian(lambda x: rosenbrock(x, fastad.math))
    x = spread(n, -1.0, 1.0)
    seconds = []
    for _ in range(repeat):
        start = clock()
        matrix = hessian(x)
        seconds.append(clock() - start)
    assert matrix.nnz == 3 * n - 2
    return seconds


# ---- Checkpoints ----------------------------------------------------------------------

BLOCKS = 1000  # of as many steps each


def checkpointed_lorenz() -> Callable[[], Any]:
    """Value and gradient of `lorenz_in_blocks`, of which the sweep repeats each block."""
    block = fastad.checkpoint(lorenz_block)
    gradient = fastad.value_and_grad(lambda x: lorenz_in_blocks(x, block, BLOCKS))
    return lambda: gradient(SEVEN["lorenz"].x)


def checkpoint_times(seconds: float = 1.0, least_rounds: int = 3) -> Times:
    """A million steps: the float run, and value and gradient with checkpoints."""
    x = SEVEN["lorenz"].x
    return interleave(
        {
            "float": lambda: lorenz_in_blocks(x, lorenz_block, BLOCKS),
            "checkpointed": checkpointed_lorenz(),
        },
        seconds,
        least_rounds,
    )


def checkpointed_lorenz_once() -> tuple[float, float]:
    """In a process of its own: the megabytes that it needs in all, and of them those before
    the gradient."""
    script = (
        "from benchmarks import figures, modes\n"
        "gradient = modes.checkpointed_lorenz()\n"
        "before = figures.peak_bytes()\n"
        "gradient()\n"
        "print(figures.peak_bytes() / 1e6, before / 1e6)"
    )
    megabytes, before = _python(script, cwd=Path(__file__).parents[1]).split()
    return float(megabytes), float(before)
