"""The other modes and orders: forward, Jacobians, programs, sparse Hessians, checkpoints."""

import statistics

import fastad

from . import modes
from .bench_batches import SETS
from .interleaved import geometric_mean, ratio
from .workloads import SEVEN


class Tangents:
    """Value and one derivative in forward mode divided by the float run, taking turns."""

    params = tuple(SEVEN)
    param_names = ("workload",)
    unit = "float runs"

    def track_first(self, name):
        """To the first input, a Dual among floats."""
        times = modes.tangent_times(SEVEN[name], 0.5)
        return ratio(times["first"], times["float"]).median

    def track_jvp(self, name):
        """By jvp, where every input is a Dual."""
        times = modes.tangent_times(SEVEN[name], 0.5)
        return ratio(times["jvp"], times["float"]).median


class TangentsInAll:
    """The geometric mean of these over the seven workloads."""

    params = ("first", "jvp")
    param_names = ("how",)
    unit = "float runs"

    def track_geometric_mean(self, how):
        ratios = []
        for w in SEVEN.values():
            times = modes.tangent_times(w, 0.5)
            ratios.append(ratio(times[how], times["float"]))
        return geometric_mean(ratios).median


class Jacobians:
    """Jacobians of several shapes, inputs x outputs."""

    params = tuple(f"{n}x{m}" for n, m in modes.SHAPES)
    param_names = ("shape",)

    def track_auto(self, shape):
        """The mode that is chosen divided by the better one of both."""
        times = modes.jacobian_times(*map(int, shape.split("x")), 0.5)
        return ratio(times["auto"], times[modes.better_mode(times)]).median

    track_auto.unit = "Jacobians"

    def track_seconds(self, shape):
        """In the mode that is chosen."""
        times = modes.jacobian_times(*map(int, shape.split("x")), 0.5)
        return statistics.median(times["auto"])

    track_seconds.unit = "s"


class Sweeps:
    """One sweep in several directions, on each instruction set that the machine has."""

    params = (("forward", "reverse"), (1, 2, 4, 8, 16), SETS)
    param_names = ("mode", "directions", "set")

    def setup(self, mode, directions, set_):
        if set_ not in fastad._core.instruction_sets():
            raise NotImplementedError

    def track_node(self, mode, directions, set_):
        """Nanoseconds for each node."""
        times = modes.sweep_nanoseconds(mode, directions, [set_], 0.5)
        return statistics.median(times[set_])

    track_node.unit = "ns"


class Programs:
    """Programs of so many operations."""

    params = modes.SIZES
    param_names = ("operations",)
    timeout = 120
    unit = "ns"

    def track_gradient(self, n):
        """Building the program of the gradient, for one operation."""
        return modes.seconds_to_build(n)[1] * 1e9

    def track_recording(self, n):
        """Recording the program, for one operation."""
        return modes.seconds_to_build(n)[0] * 1e9


class SparseHessians:
    """Rosenbrock's valley in so many dimensions."""

    params = modes.PARAMETERS
    param_names = ("parameters",)
    timeout = 120
    unit = "s"

    def track_seconds(self, n):
        """Everything included."""
        return statistics.median(modes.seconds_of_sparse_hessian(n))


class Checkpoints:
    """Lorenz's equations over a million steps, in a thousand blocks."""

    timeout = 300

    def track_ratio(self):
        """Value and gradient divided by the float run, the median of turns."""
        times = modes.checkpoint_times()
        return ratio(times["checkpointed"], times["float"]).median

    track_ratio.unit = "float runs"

    def track_memory(self):
        """The whole process."""
        return modes.checkpointed_lorenz_once()[0]

    track_memory.unit = "MB"
