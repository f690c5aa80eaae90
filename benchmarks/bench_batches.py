"""Value and gradient of a function at 10,000 points at once, on one thread."""

import math
import statistics

import numpy

import fastad
from fastad import Program, _core

from . import workloads

N_POINTS = 10_000
SETS = "plain", "sse2", "avx2", "avx512", "neon"  # where the machine has it


def scattered(point, width):
    """Points around one, the same on every machine."""
    columns = [
        workloads.spread(N_POINTS, x - width, x + width, workloads.PLASTIC[0] + k / 17)
        for k, x in enumerate(point)
    ]
    return numpy.array(columns).T.copy()


def contracts():
    return numpy.array(workloads._contracts(N_POINTS)).reshape(N_POINTS, 5).copy()


# Name: the function and its points.
FUNCTIONS = {
    "black_scholes": (workloads.black_scholes, contracts),
    "rosenbrock": (workloads.rosenbrock, lambda: scattered([0.0] * 10, 2.0)),
    "lorenz": (
        lambda x, m: workloads.lorenz(x, m, steps=100),
        lambda: scattered([1.0, 1.0, 1.0, 10.0, 28.0, 8 / 3], 0.1),
    ),
}


class Batches:
    """Each function on each instruction set."""

    params = (tuple(FUNCTIONS), SETS)
    param_names = ("function", "set")

    def setup(self, name, set_):
        if set_ not in _core.batch_sets():
            raise NotImplementedError
        self.f, points = FUNCTIONS[name]
        self.points = points()
        program = Program(lambda x: self.f(x, fastad.math), self.points[0].tolist())
        self.program = _core.with_gradient(program)

    def run(self, set_, repeat):
        return _core.batch_program(self.program, self.points, set=set_, repeat=repeat)

    def track_point(self, name, set_):
        """Microseconds a point, the least of several runs."""
        return min(self.run(set_, 10)[3]) / N_POINTS * 1e6

    def track_median(self, name, set_):
        """Microseconds a point, the median."""
        return statistics.median(self.run(set_, 10)[3]) / N_POINTS * 1e6

    def track_error(self, name, set_):
        """The largest error of a value against the function on floats, relative."""
        outputs = numpy.asarray(self.run(set_, 0)[0])
        errors = [
            abs(outputs[k, 0] - y) / max(1.0, abs(y))
            for k in range(0, N_POINTS, 500)
            for y in [self.f(self.points[k].tolist(), math)]
        ]
        return max(errors)

    track_point.unit = track_median.unit = "us"
    track_error.unit = "relative"
