"""The clock for things that are compared.

A machine's speed drifts by 20 % within a minute, so two figures taken one after the
other say little about each other. Here the things that are compared take turns: in
every round each runs once, and what is kept is the whole list of rounds. The order
within a round is random, or what else runs on the machine would fall in step with it.
"""

import os
import random
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter, thread_time

# Time of this thread on the processor: what others do with the machine meanwhile does
# not count, nor what the threads of NumPy's BLAS do, which spin for a while after its
# import. (On Windows that clock is too coarse.)
clock = perf_counter if sys.platform == "win32" else thread_time

# Where it only matters that benchmarks work, as in .ci/run: one round each.
QUICK = bool(os.environ.get("FASTAD_QUICK_BENCHMARKS"))


@dataclass(frozen=True)
class Ratio:
    """How much longer one thing takes than another.

    minimum : the shortest time of one divided by the shortest time of the other: what
        the undisturbed machine does.
    median : the median of the ratios round by round: what a user can expect.
    """

    minimum: float
    median: float


def interleave(
    contenders: Mapping[str, Callable[[], object]],
    seconds: float = 1.0,
    least_rounds: int = 5,
    block: float = 0.002,
) -> dict[str, list[float]]:
    """Time several functions in turns.

    Parameters
    ----------
    contenders : functions without arguments, by name.
    seconds : how long to go on.
    least_rounds : rounds that are run even if they take longer than that.
    block : a function that is faster than this many seconds is called several times in
        a round.

    Returns
    -------
    Seconds per call, by name, one for every round.
    """
    if QUICK:
        seconds, least_rounds, block = 0.0, 1, 0.0
    calls = {name: _calls(f, block) for name, f in contenders.items()}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    shuffle = random.Random(0)
    end = perf_counter() + seconds
    rounds = 0
    while rounds < least_rounds or perf_counter() < end:
        for name in shuffle.sample(names, len(names)):
            times[name].append(_seconds(contenders[name], calls[name]) / calls[name])
        rounds += 1
    return times


def ratio(times: list[float], base: list[float]) -> Ratio:
    """Compare two of the lists that `interleave` returned."""
    return Ratio(
        min(times) / min(base),
        statistics.median(t / b for t, b in zip(times, base, strict=True)),
    )


def geometric_mean(ratios: list[Ratio]) -> Ratio:
    return Ratio(
        statistics.geometric_mean(r.minimum for r in ratios),
        statistics.geometric_mean(r.median for r in ratios),
    )


def _seconds(f: Callable[[], object], calls: int) -> float:
    start = clock()
    for _ in repeat(None, calls):
        f()
    return clock() - start


def _calls(f: Callable[[], object], block: float) -> int:
    """How many calls fill a block; they warm f up as well."""
    calls = 1
    while (taken := _seconds(f, calls)) < block / 2:
        calls *= 2
    return max(1, round(calls * block / taken)) if calls > 1 else 1
