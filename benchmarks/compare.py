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

from . import compiled, figures, modes
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
        verdict = f"<= {target:<6g}{'met' if median <= target else 'MISSED'}"
    d = 3 if minimum < 0.1 else 2
    print(f"  {name:30}{minimum:10.{d}f}{median:10.{d}f}   {verdict:17}{note}".rstrip())


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


def replays(seconds: float) -> None:
    """Compiled value and gradient, and what it takes to get there."""
    head("replay, ns an operation, scaled", "as measured; eager, float run / replay")
    least, usual, measured, steps = [], [], [], []
    for name, w in SEVEN.items():
        times = compiled.replay_times(w, seconds)
        minimum, median = compiled.nanoseconds(times, w)
        least.append(minimum)
        usual.append(median)
        measured.append(min(times["replay"]) / w.operations * 1e9)
        steps.append(min(times["squares"]) * MICRO)  # 1000 of them
        note = f"{measured[-1]:6.2f}"
        note += "".join(
            f"{ratio(times[other], times['replay']).median:8.1f}"
            for other in ("eager", "float")
        )
        row(name, minimum, median, None, note)
    mean = statistics.geometric_mean
    row("geometric mean", mean(least), mean(usual), 4.5, f"{mean(measured):6.2f}")
    print(
        f"  (scaled to {compiled.STEP * 1e9:.0f} ns a number for [x * x for x in numbers], "
        f"which takes {statistics.median(steps):.0f} here)"
    )
    head("CasADi's virtual machine / replay")
    for name, w in SEVEN.items():
        try:
            times = compiled.casadi_times(w, seconds)
        except ImportError:
            print("  skipped: pip install casadi")
            break
        r = ratio(times["casadi"], times["replay"])
        row(name, r.minimum, r.median, None, "met" if r.median > 1 else "MISSED")
    head("recording and building, us")
    for name, w in SEVEN.items():
        taken = [compiled.seconds_to_record(w) * MICRO for _ in range(5)]
        row(name, min(taken), statistics.median(taken), 1.0)
    head("calls")
    times = compiled.tiny_times(seconds)
    us = [t * MICRO for t in times["compiled"]]
    note = f"eager {min(times['eager']) * MICRO:.2f}, float {min(times['float']) * MICRO:.2f}"
    row("one Black-Scholes call, us", min(us), statistics.median(us), 1.5, note)
    times = compiled.branch_times(seconds)
    r = ratio(times["change"], times["stay"])
    row("a branch that flips / stays", r.minimum, r.median, 2.0)


def batches(seconds: float) -> None:
    """Value and gradient at 10,000 points."""
    head("vmap, us a point", "one by one / vmap")
    n = compiled.N_POINTS
    for name, batch in compiled.BATCHES.items():
        times = compiled.batch_times(name, seconds)
        us = [t / n * MICRO for t in times["batch"]]
        slower = min(times["one by one"]) / 100 / (min(times["batch"]) / n)
        row(name, min(us), statistics.median(us), batch.target, f"{slower:6.1f}")
    for n in (compiled.N_POINTS, 10 * compiled.N_POINTS):
        times = compiled.worker_times(n, seconds)
        gain = ratio(times["one"], times["two"])
        verdict = ">= 1.7 " + ("met" if gain.median >= 1.7 else "MISSED")
        row(f"one worker / two, {n:,}", gain.minimum, gain.median, None, verdict)


def tangents(seconds: float) -> None:
    """Value and one derivative in forward mode / the float run."""
    head("forward mode / float run", "by jvp, all inputs Duals")
    first: list[Ratio] = []
    jvp: list[Ratio] = []
    for name, w in SEVEN.items():
        times = modes.tangent_times(w, seconds)
        first.append(ratio(times["first"], times["float"]))
        jvp.append(ratio(times["jvp"], times["float"]))
        row(name, *_pair(first[-1]), None, f"{jvp[-1].median:8.2f}")
    note = f"{geometric_mean(jvp).median:8.2f}"
    row("geometric mean", *_pair(geometric_mean(first)), 1.4, note)


def jacobians(seconds: float) -> None:
    """jacobian, the mode chosen / the better mode."""
    head("jacobian, auto / better mode", "us: auto, forward, reverse")
    for n_inputs, n_outputs in modes.SHAPES:
        times = modes.jacobian_times(n_inputs, n_outputs, seconds)
        r = ratio(times["auto"], times[modes.better_mode(times)])
        all_modes = (times[mode] for mode in ("auto", "forward", "reverse"))
        note = "".join(f"{statistics.median(t) * MICRO:9.0f}" for t in all_modes)
        row(f"{n_inputs} inputs, {n_outputs} outputs", *_pair(r), 1.2, note)


def programs(seconds: float) -> None:
    """Programs, sparse Hessians, checkpoints."""
    head("gradient programs, us an operation", "recording: us an operation")
    for n in modes.SIZES:
        builds = [modes.seconds_to_build(n, 1) for _ in range(5)]
        recording, building = zip(*builds, strict=True)
        note = f"{statistics.median(recording) * MICRO:8.2f}"
        median = statistics.median(building) * MICRO
        row(f"{n:,} operations", min(building) * MICRO, median, 1.0, note)
    head("sparse_hessian of rosenbrock, s", "us a parameter")
    for n in modes.PARAMETERS:
        times = modes.seconds_of_sparse_hessian(n)
        median = statistics.median(times)
        target = 1.0 if n == 10_000 else None
        row(
            f"{n:,} parameters",
            min(times),
            median,
            target,
            f"{median / n * MICRO:8.1f}",
        )
    head("lorenz, 1,000,000 steps, checkpointed")
    times = modes.checkpoint_times(seconds)
    r = ratio(times["checkpointed"], times["float"])
    note = f"{statistics.median(times['checkpointed']):6.2f} s"
    row("value_and_grad / float run", *_pair(r), 4.0, note)
    processes = [modes.checkpointed_lorenz_once() for _ in range(3)]
    megabytes, before = zip(*processes, strict=True)
    note = f"{statistics.median(before):6.1f} MB of it before"
    least, median = min(megabytes), statistics.median(megabytes)
    row("MB, the whole process", least, median, 100, note)


def _pair(r: Ratio) -> tuple[float, float]:
    return r.minimum, r.median


SECTIONS: dict[str, Callable[[float], None]] = {
    f.__name__: f
    for f in (
        *(gradients, loops, sweeps, sizes, tangents, jacobians, programs),
        *(replays, batches),
    )
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
