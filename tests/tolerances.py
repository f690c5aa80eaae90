"""The tolerances of the tests, in one place."""

import math
import sys

# Of the values and derivatives of operations, relative.
ELEMENTARY = 1e-13
SPECIAL = 1e-11
SPECIAL_ROWS = {
    *("erf", "erfc", "erfinv", "gamma", "lgamma", "digamma", "polygamma"),
    *("expit", "logit", "softplus", "logaddexp", "logaddexpx", "xlogy"),
}

# Below the smallest normal number doubles have fewer digits: the tolerance is absolute.
SMALLEST_NORMAL = sys.float_info.min
LARGEST = sys.float_info.max

# Of the core and the reference: equal, to the last bit.


def of_row(name):
    """The tolerance of an operation and of its derivatives."""
    return SPECIAL if name in SPECIAL_ROWS else ELEMENTARY


def error(actual, expected, scale=0.0):
    """The error of a float relative to `expected`, a number of mpmath, or to `scale`.

    What is too large for a float has to be infinite.
    """
    if math.isinf(actual) and abs(expected) > LARGEST:
        return 0.0 if actual * expected > 0 else math.inf
    if not math.isfinite(actual):
        return math.inf
    return float(abs(actual - expected) / max(abs(expected), scale, SMALLEST_NORMAL))
