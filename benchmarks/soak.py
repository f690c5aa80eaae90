"""Run gradients for a long time and see whether memory stays flat and answers right.

    python -m benchmarks.soak [--quick]

Exit status 1 if the resident memory has grown, or an answer has changed. --quick runs a
hundredth of it.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import fastad

from .figures import peak_bytes

ALLOWED_GROWTH = 1_000_000  # bytes, between the first tenth of a soak and its end


def resident_bytes() -> int:
    """Memory that is resident now; where only the peak is known, the peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak_bytes()
    return pages * os.sysconf("SC_PAGESIZE")


def loss(p):
    """Some 40 operations on 4 parameters."""
    total = 0.0
    for k in range(4):
        total += p[k] * fastad.math.sin(p[k - 1]) + (p[k] - 0.5) ** 2 / (1 + p[k] ** 2)
    return total


POINT = [0.1, 0.2, 0.3, 0.4]


def backward_steps() -> Callable[[], list[float]]:
    """A loop of backward() with long-lived parameters; the last loss is kept."""
    parameters = [fastad.Var(x) for x in POINT]
    last = None

    def step() -> list[float]:
        nonlocal last
        last = loss(parameters)
        last.backward()
        return [p.grad for p in parameters]

    return step


def new_parameters() -> Callable[[], list[float]]:
    """A loop that makes its parameters anew in each step, as training does."""

    def step() -> list[float]:
        parameters = [fastad.Var(x) for x in POINT]
        loss(parameters).backward()
        return [p.grad for p in parameters]

    return step


def tapes() -> Callable[[], list[float]]:
    """A tape for every step."""

    def step() -> list[float]:
        with fastad.Tape() as tape:
            parameters = [tape.var(x) for x in POINT]
            loss(parameters).backward()
            return [p.grad for p in parameters]

    return step


def verbs() -> Callable[[], list[float]]:
    """value_and_grad, with every hundredth call of f failing in its middle."""
    calls = 0

    def fails_sometimes(p):
        nonlocal calls
        calls += 1
        value = loss(p)
        if calls % 100 == 0:
            raise KeyError("on purpose")
        return value

    gradient = fastad.grad(fails_sometimes)

    def step() -> list[float]:
        try:
            return gradient(POINT)
        except KeyError:
            return gradient(POINT)

    return step


SOAKS = {
    backward_steps: 10**7,
    new_parameters: 10**6,
    tapes: 10**6,
    verbs: 10**6,
}


def soak(make: Callable[[], Callable[[], list[float]]], steps: int) -> bool:
    """Run it; say how it went, and return whether it went well."""
    step = make()
    right = step()
    start = perf_counter()
    early = 0
    for tenth in range(10):
        for _ in range(steps // 10):
            gradient = step()
        if gradient != right:
            print(f"{make.__name__}: {gradient} instead of {right}")
            return False
        if tenth == 0:
            early = resident_bytes()
    growth = resident_bytes() - early
    flat = growth <= ALLOWED_GROWTH
    microseconds = (perf_counter() - start) / steps * 1e6
    print(
        f"{make.__name__:16}{steps:12,} steps{microseconds:8.2f} us each, "
        f"{early / 1e6:6.1f} MB after a tenth, {growth / 1e6:+.2f} MB since: "
        f"{'flat' if flat else 'GROWS'}",
        flush=True,
    )
    return flat


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="a hundredth of it")
    scale = 100 if parser.parse_args().quick else 1
    results = [soak(make, steps // scale) for make, steps in SOAKS.items()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
