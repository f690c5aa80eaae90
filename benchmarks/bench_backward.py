"""The loop that never heard of tapes: long-lived parameters and `loss.backward()`."""

from . import figures
from .interleaved import ratio
from .workloads import SEVEN, Workload, rosenbrock

N_PARAMETERS = 10, 1000


def loss_of(n):
    """Rosenbrock's function of so many parameters."""
    return Workload(rosenbrock, SEVEN["rosenbrock"].x[:n], operations=8 * (n - 1))


class Loops:
    """One step: the loss, its backward(), and the gradients read."""

    params = N_PARAMETERS
    param_names = ("parameters",)

    def setup(self, n):
        self.step = figures.backward_loop(loss_of(n))
        contenders = figures.contenders(loss_of(n))
        self.float = contenders["float"]
        self.gradient = contenders["fastad"]

    def time_float(self, n):
        """The loss alone, on floats: the control, which does not touch fastad."""
        self.float()

    def time_backward(self, n):
        """A step of the loop."""
        self.step()

    def time_value_and_grad(self, n):
        """value_and_grad of the same loss."""
        self.gradient()


class Ratios:
    """A step of the loop divided by value_and_grad of the same loss, taking turns."""

    params = (N_PARAMETERS, ("minimum", "median"))
    param_names = ("parameters", "statistic")
    unit = "value_and_grads"

    def track_backward(self, n, statistic):
        times = figures.backward_times(loss_of(n))
        return getattr(ratio(times["backward"], times["fastad"]), statistic)
