"""Memory: a long recording, and what its collection costs."""

from . import figures
from .interleaved import ratio
from .workloads import SEVEN


class LongRecording:
    """Lorenz's equations over 100,000 steps, 7.1 million operations."""

    timeout = 120
    unit = "float runs"

    def setup(self):
        self.contenders = figures.contenders(figures.long_lorenz())

    def peakmem_float(self):
        """The floats alone: the control."""
        self.contenders["float"]()

    def peakmem_value_and_grad(self):
        """Value and gradient."""
        self.contenders["fastad"]()

    def track_ratio(self):
        """Value and gradient divided by the float run, the median of turns."""
        times = figures.gradient_times(figures.long_lorenz(), "fastad", "float")
        return ratio(times["fastad"], times["float"]).median


class Repetition:
    """The same gradient over and over must not need more memory than once."""

    params = 1, 1000
    param_names = ("times",)

    def setup(self, times):
        self.step = figures.backward_loop(SEVEN["rosenbrock"])

    def peakmem_backward(self, times):
        """Steps of a loop of backward() with long-lived parameters."""
        for _ in range(times):
            self.step()


class Collections:
    """Collecting while 10 million nodes can be reached."""

    timeout = 120
    unit = "s"

    def track_longest_pause(self):
        return max(figures.collection_pauses())
