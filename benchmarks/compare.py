"""Print every figure that the project promises, measured here and now.

    python -m benchmarks.compare [--seconds S] [SECTION ...]

Two things that are compared take turns (interleaved.py). `minimum` is the ratio of
their shortest times, `median` the median of the ratios turn by turn; a target is met
when the median meets it.
"""

import argparse
import os
import platform
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import fastad

from . import figures
from .bench_backward import N_PARAMETERS, loss_of
from .interleaved import Ratio, geometric_mean, ratio
from .workloads import ONE_CALL, SEVEN

MICRO = 1e6
MILLI = 1e3


def row(
    name: str,
    minimum: float,
    median: float,
    target: float | None = None,
    note: str = "",
) -> None:
    """One line of the table."""
    if target is None:
        verdict = ""
    else:
        verdict = f"<= {target:<5g}{'met' if median <= target else 'MISSED'}"
    print(f"  {name:30}{minimum:10.2f}{median:10.2f}   {verdict:16}{note}".rstrip())


def head(title: str, note: str = "") -> None:
    print(f"\n{title:32}{'minimum':>10}{'median':>10}   {'target':16}{note}".rstrip())


def gradients(seconds: float) -> None:
    """value_and_grad of the workloads / the float run."""
    head("value_and_grad / float run", "float run us, ns/op; reference / float run")
    ratios: list[Ratio] = []
    for name, w in SEVEN.items():
        times = figures.gradient_times(w, "float", "fastad", seconds=seconds)
        r = ratio(times["fastad"], times["float"])
        ratios.append(r)
        plain = figures.gradient_times(w, "float", "reference", seconds=seconds / 2)
        plain_ratio = ratio(plain["reference"], plain["float"]).median
        least = min(times["float"])
        note = (
            f"{least * MICRO:6.0f}{least / w.operations * 1e9:6.1f}{plain_ratio:8.1f}"
        )
        row(name, r.minimum, r.median, 2.3, note)
    mean = geometric_mean(ratios)
    row("geometric mean", mean.minimum, mean.median, 1.5)
    times = figures.gradient_times(ONE_CALL, "float", "fastad", seconds=seconds)
    r = ratio(times["fastad"], times["float"])
    note = f"{min(times['float']) * MICRO:6.2f} us, gradient "
    note += f"{min(times['fastad']) * MICRO:.2f} us"
    row("one Black-Scholes call", r.minimum, r.median, 2.5, note)


def loops(seconds: float) -> None:
    """A step of a backward() loop / value_and_grad."""
    head("backward() loop / value_and_grad", "us a step")
    for n in N_PARAMETERS:
        times = figures.backward_times(loss_of(n), seconds=seconds)
        r = ratio(times["backward"], times["fastad"])
        note = f"{min(times['backward']) * MICRO:6.1f}"
        row(f"{n} parameters", r.minimum, r.median, 1.5, note)


def sweeps(seconds: float) -> None:
    """The backward sweep / a loop of multiply-adds in memory, both in C."""
    head("sweep / multiply-adds in C", "ns an operation")
    for name in SEVEN:
        times = figures.sweep_times(SEVEN[name])
        r = ratio(times["sweep"], times["control"])
        note = f"{min(times['sweep']) / SEVEN[name].operations * 1e9:6.2f}"
        target = 1.5 if name in ("lorenz", "rosenbrock") else None
        row(name, r.minimum, r.median, target, note)


def sizes(seconds: float) -> None:
    """A long recording, a collection, the import, the wheel."""
    head("lorenz, 100,000 steps")
    times = figures.gradient_times(
        figures.long_lorenz(), "float", "fastad", seconds=2 * seconds
    )
    r = ratio(times["fastad"], times["float"])
    note = f"{min(times['fastad']):6.2f} s"
    row("value_and_grad / float run", r.minimum, r.median, 1.8, note)
    processes = [figures.long_lorenz_once() for _ in range(3)]
    megabytes, once = zip(*processes, strict=True)
    base = statistics.median(times["float"])
    row("the same, once in a process", min(once) / base, statistics.median(once) / base)
    row("MB, the whole process", min(megabytes), statistics.median(megabytes), 300)
    head("at rest")
    pauses = [p * MILLI for p in figures.collection_pauses()]
    row("pause, 10^7 nodes, ms", min(pauses), max(pauses), 100, "median: the longest")
    imports = [t * MILLI for t in figures.import_seconds()]
    row("import beyond numpy, ms", min(imports), statistics.median(imports), 30)
    for wheel in Path(__file__).parents[1].glob("dist/*.whl"):
        size = wheel.stat().st_size / 1e6
        row("wheel, MB", size, size, 2, wheel.name)


SECTIONS: dict[str, Callable[[float], None]] = {
    f.__name__: f for f in (gradients, loops, sweeps, sizes)
}


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="per comparison")
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; or all")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(unknown)}, only {', '.join(SECTIONS)}")
    print(
        f"fastad {fastad.__version__}, {platform.python_implementation()} "
        f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    if hasattr(os, "getloadavg"):
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name in chosen.sections or SECTIONS:
        SECTIONS[name](chosen.seconds)


if __name__ == "__main__":
    main()
