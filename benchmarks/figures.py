"""What the project promises to reach, each figure measured by one function.

The `track_` methods of bench_*.py and the table of compare.py both call these, so they
cannot disagree about what is measured.
"""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import fastad
from fastad import _core, reference

from .interleaved import clock, interleave
from .workloads import SEVEN, Workload, lorenz, spread

Times = dict[str, list[float]]

LONG_STEPS = 100_000  # of lorenz: 7.1 million operations
CORE_FLAGS = "-std=c11", "-O3", "-ffp-contract=off"


def with_math(w: Workload, m: ModuleType) -> Callable[[list[Any]], Any]:
    """The function as its user has it, of x alone."""
    f = w.f
    return lambda x: f(x, m)


def contenders(w: Workload) -> dict[str, Callable[[], Any]]:
    """The float run, fastad's value and gradient, and the reference's."""
    return {
        "float": partial(with_math(w, math), w.x),
        "fastad": partial(fastad.value_and_grad(with_math(w, fastad.math)), w.x),
        "reference": partial(
            reference.value_and_grad(with_math(w, reference.math)), w.x
        ),
    }


def gradient_times(w: Workload, *names: str, seconds: float = 1.0) -> Times:
    """Times of `contenders`, those named."""
    functions = contenders(w)
    return interleave({name: functions[name] for name in names}, seconds)


def gradient_error(w: Workload) -> float:
    """The error of fastad's gradient along one direction, relative.

    The right answer is a difference quotient in numbers of 60 digits. Every input has
    its own weight in the direction, so that no component can be wrong, or in the wrong
    place, unseen. The scale is the sum of the magnitudes: cancellation is not counted.
    """
    import mpmath

    direction = spread(len(w.x), 0.5, 1.5)
    _, gradient = fastad.value_and_grad(with_math(w, fastad.math))(w.x)
    terms = [g * d for g, d in zip(gradient, direction, strict=True)]
    with mpmath.workdps(60):
        h = mpmath.mpf("1e-20")

        def at(step: Any) -> Any:
            point = [x + step * d for x, d in zip(w.x, direction, strict=True)]
            return w.f(point, mpmath)

        exact = (at(h) - at(-h)) / (2 * h)
        return float(abs(math.fsum(terms) - exact)) / math.fsum(map(abs, terms))


def backward_loop(w: Workload) -> Callable[[], list[float]]:
    """One step of a loop that never heard of tapes: its parameters live for ever, and
    the previous loss lives while the next is computed."""
    f = with_math(w, fastad.math)
    parameters = [fastad.Var(x) for x in w.x]
    loss = f(parameters)

    def step() -> list[float]:
        nonlocal loss
        loss = f(parameters)
        loss.backward()
        return [p.grad for p in parameters]

    return step


def backward_times(w: Workload, seconds: float = 1.0) -> Times:
    """The loop of `backward()`, and `value_and_grad` of the same function."""
    return interleave(
        {"backward": backward_loop(w), "fastad": contenders(w)["fastad"]}, seconds
    )


def sweep_times(w: Workload, rounds: int = 20) -> Times:
    """The backward sweep alone, and a control in C (sweep_control.c): as many dependent
    multiply-adds in memory, `m[i & 7] += c * m[j & 7]`, as the tape has nodes. (It has
    more edges, each a multiply-add: lorenz 1.75 for a node, rosenbrock 1.4.)"""
    times: Times = {"sweep": [], "control": []}
    with fastad.Tape() as tape, TemporaryDirectory() as directory:
        y = w.f([tape.var(x) for x in w.x], fastad.math)
        control = [_compiled_control(directory), str(tape.stats["nodes"]), "10"]
        for _ in range(rounds):
            times["sweep"].append(min(_core.time_sweep(y, 10)))
            times["control"].append(min(map(float, _output(control).split())))
    return times


def _compiled_control(directory: str) -> str:
    """The program sweep_control, by the C compiler of CC, else `cc`."""
    program = str(Path(directory) / "sweep_control")
    source = Path(__file__).with_name("sweep_control.c")
    compiler = os.environ.get("CC", "cc").split()
    _output([*compiler, *CORE_FLAGS, "-o", program, str(source)])
    return program


def long_lorenz(steps: int = LONG_STEPS) -> Workload:
    """Lorenz's equations over so many steps."""
    w = SEVEN["lorenz"]
    return Workload(partial(lorenz, steps=steps), w.x, 71 * steps + 2)


def long_lorenz_once() -> tuple[float, float]:
    """A process that takes the gradient of `long_lorenz` once, on memory that it has
    never touched: the megabytes it needs in all, and seconds for the gradient."""
    script = (
        "from benchmarks import figures\n"
        "from benchmarks.interleaved import clock\n"
        "gradient = figures.contenders(figures.long_lorenz())['fastad']\n"
        "start = clock()\n"
        "gradient()\n"
        "print(figures.peak_bytes() / 1e6, clock() - start)"
    )
    megabytes, seconds = _python(script, cwd=Path(__file__).parents[1]).split()
    return float(megabytes), float(seconds)


def peak_bytes() -> int:
    """The most memory this process has ever had resident."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource  # not on Windows

        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    # Not ru_maxrss: on Linux it counts what the process was before exec.
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def collection_pauses(n_nodes: int = 10**7, repeat: int = 5) -> list[float]:
    """Seconds that a collection takes while so many nodes can be reached."""
    y = x = fastad.Var(1.0)
    for _ in range(n_nodes // 2):
        y = y * x + x
    pauses = []
    for _ in range(repeat):
        start = clock()
        _core.collect()
        pauses.append(clock() - start)
    assert math.isfinite(y.value)
    return pauses


def import_seconds(rounds: int = 10) -> list[float]:
    """Seconds that `import fastad` takes in a process that has imported numpy."""
    script = (
        "import numpy\n"
        "from time import perf_counter\n"
        "start = perf_counter()\n"
        "import fastad\n"
        "print(perf_counter() - start)"
    )
    _python(script)  # compiles the bytecode, fills the disk's cache
    return [float(_python(script)) for _ in range(rounds)]


def _python(script: str, cwd: Path | None = None) -> str:
    return _output([sys.executable, "-c", script], cwd)


def _output(command: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout
