"""Recording and sweeping apart, on tapes that fit the first cache and on larger."""

import math
from contextlib import ExitStack

import fastad

from .figures import long_lorenz

NODES_PER_STEP = 71


class Tapes:
    """Lorenz's equations, as many steps as make so many nodes."""

    params = 10**3, 10**4, 10**5, 10**6, 10**7
    param_names = ("nodes",)
    timeout = 120

    def setup(self, nodes):
        self.w = long_lorenz(nodes // NODES_PER_STEP)
        self.open = ExitStack()
        tape = self.open.enter_context(fastad.Tape())
        self.y = self.w.f([tape.var(x) for x in self.w.x], fastad.math)

    def teardown(self, nodes):
        self.open.close()

    def time_float(self, nodes):
        """The floats alone: the control, which does not touch fastad."""
        self.w.f(self.w.x, math)

    def time_record(self, nodes):
        """Recording, on a tape from the pool."""
        with fastad.Tape() as tape:
            self.w.f([tape.var(x) for x in self.w.x], fastad.math)

    def time_sweep(self, nodes):
        """The backward sweep, over and over."""
        self.y.backward()
