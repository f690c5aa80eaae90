"""Compiled functions: replays, recordings, batches."""

import statistics

from . import compiled
from .interleaved import ratio
from .workloads import SEVEN


class Replays:
    """Value and gradient of each workload, replayed."""

    params = tuple(SEVEN)
    param_names = ("workload",)

    def setup(self, name):
        self.x = compiled.numpy.array(SEVEN[name].x)
        self.fast = compiled.compiled(SEVEN[name])

    def time_replay(self, name):
        """From an array into one."""
        self.fast(self.x)

    def track_eager(self, name):
        """How many times as long the same takes eagerly."""
        times = compiled.replay_times(SEVEN[name], 0.3)
        return ratio(times["eager"], times["replay"]).median

    track_eager.unit = "replays"

    def track_nanoseconds(self, name):
        """For one operation, where a step of a Python loop costs 30 ns."""
        times = compiled.replay_times(SEVEN[name], 0.3)
        return compiled.nanoseconds(times, SEVEN[name])[1]

    track_nanoseconds.unit = "ns"

    def track_recording(self, name):
        """Recording and building, for one operation."""
        w = SEVEN[name]
        return statistics.median(compiled.seconds_to_record(w) for _ in range(3)) * 1e9

    track_recording.unit = "ns"


class Calls:
    """What a call costs beside its operations."""

    def track_tiny(self):
        """A compiled Black-Scholes call with its five Greeks."""
        return statistics.median(compiled.tiny_times(0.3)["compiled"]) * 1e6

    track_tiny.unit = "us"

    def track_flipped_branch(self):
        """Calls that change the path each time / calls that stay on it."""
        times = compiled.branch_times(0.3)
        return ratio(times["change"], times["stay"]).median

    track_flipped_branch.unit = "replays"


class Batches:
    """Value and gradient at 10,000 points."""

    params = tuple(compiled.BATCHES)
    param_names = ("function",)

    def track_batch(self, name):
        """By vmap, for one point."""
        times = compiled.batch_times(name, 0.3)
        return statistics.median(times["batch"]) / compiled.N_POINTS * 1e6

    track_batch.unit = "us"


class Workers:
    """Threads that share the points."""

    def track_two(self):
        """One worker / two."""
        times = compiled.worker_times(10 * compiled.N_POINTS, 0.5)
        return ratio(times["one"], times["two"]).median

    track_two.unit = "times as fast"
