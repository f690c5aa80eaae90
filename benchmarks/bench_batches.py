"""Value and gradient of a function at 10,000 points at once, on one thread."""

import math
import statistics

import numpy

import fastad
from fastad import Program, _core

from .compiled import BATCHES, N_POINTS

SETS = "plain", "sse2", "avx2", "avx512", "neon"  # where the machine has it


class Batches:
    """Each function on each instruction set."""

    params = (tuple(BATCHES), SETS)
    param_names = ("function", "set")

    def setup(self, name, set_):
        if set_ not in _core.instruction_sets():
            raise NotImplementedError
        self.f = BATCHES[name].f
        self.points = BATCHES[name].points()
        program = Program(BATCHES[name].of(fastad.math), self.points[0].tolist())
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
