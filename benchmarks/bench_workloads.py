"""The seven workloads: how much a gradient costs, and whether it is right."""

import math

import fastad
from fastad import reference

from . import figures
from .interleaved import geometric_mean, ratio
from .workloads import ONE_CALL, SEVEN

STATISTICS = "minimum", "median"


class Workloads:
    """One evaluation of each workload, on its own."""

    params = tuple(SEVEN)
    param_names = ("workload",)

    def setup(self, name):
        w = SEVEN[name]
        self.x = w.x
        self.f = figures.with_math(w, math)
        self.gradient = fastad.value_and_grad(figures.with_math(w, fastad.math))
        self.plain = reference.value_and_grad(figures.with_math(w, reference.math))

    def time_float(self, name):
        """The function alone, on floats: the control, which does not touch fastad."""
        self.f(self.x)

    def time_value_and_grad(self, name):
        """Value and gradient by fastad."""
        self.gradient(self.x)

    def time_reference(self, name):
        """Value and gradient by the plain-Python reference."""
        self.plain(self.x)


class Ratios:
    """Value and gradient divided by the float run, taking turns."""

    params = (tuple(SEVEN), STATISTICS)
    param_names = ("workload", "statistic")
    unit = "float runs"

    def track_fastad(self, name, statistic):
        """fastad's."""
        times = figures.gradient_times(SEVEN[name], "fastad", "float")
        return getattr(ratio(times["fastad"], times["float"]), statistic)

    def track_reference(self, name, statistic):
        """The plain-Python reference's."""
        times = figures.gradient_times(SEVEN[name], "reference", "float")
        return getattr(ratio(times["reference"], times["float"]), statistic)


class Headline:
    """The figures that the project is judged by, as ratios to the float run."""

    params = STATISTICS
    param_names = ("statistic",)
    unit = "float runs"

    def track_geometric_mean(self, statistic):
        """Value and gradient, the geometric mean over the seven workloads."""
        ratios = []
        for w in SEVEN.values():
            times = figures.gradient_times(w, "fastad", "float", seconds=0.5)
            ratios.append(ratio(times["fastad"], times["float"]))
        return getattr(geometric_mean(ratios), statistic)

    def track_one_call(self, statistic):
        """Value and gradient of one Black-Scholes call, two dozen operations."""
        times = figures.gradient_times(ONE_CALL, "fastad", "float")
        return getattr(ratio(times["fastad"], times["float"]), statistic)


class Answers:
    """Is what was timed right?"""

    params = tuple(SEVEN)
    param_names = ("workload",)
    unit = "relative error"

    def track_error(self, name):
        """The gradient along one direction against 60-digit arithmetic."""
        return figures.gradient_error(SEVEN[name])

    def track_difference(self, name):
        """The largest difference between fastad's gradient and the reference's: 0, for
        both add in the same order."""
        functions = figures.contenders(SEVEN[name])
        _, fast = functions["fastad"]()
        _, plain = functions["reference"]()
        pairs = zip(fast, plain, strict=True)
        return max(abs(a - b) / (abs(b) or 1.0) for a, b in pairs)
