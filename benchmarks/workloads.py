"""The functions that everything is measured on.

Each is one plain Python function `f(x, m)` over a list of floats: `m` is the module its
mathematics comes from (`math`, `fastad.math`, `fastad.reference.math`, even `mpmath`),
and the code is what somebody writes who has never heard of derivatives. Workloads are
appended, never altered, or figures of different commits could not be compared.

All data are made from the fractional parts of multiples of irrational numbers: spread
evenly, the same on every machine and in every version of Python and NumPy.

`operations` counts one evaluation: every `+ - * / **`, unary minus and call of `m` on a
quantity that depends on an input, sums that start from 0.0 and comparisons included.
All but the comparisons are nodes of a tape; only gmm compares, 4 times in each of its
201 `max`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

GOLDEN = 0.6180339887498949
PLASTIC = 0.7548776662466927, 0.5698402909980532  # the same for points of a plane


def spread(n: int, low: float, high: float, step: float = GOLDEN) -> list[float]:
    """n numbers evenly and irregularly spread between low and high."""
    return [low + (high - low) * (i * step % 1.0) for i in range(1, n + 1)]


def spread_in_plane(n: int, size: float) -> list[tuple[float, float]]:
    """n points of the square that reaches from -size to size."""
    columns = (spread(n, -size, size, step) for step in PLASTIC)
    return list(zip(*columns, strict=True))


def speelpenning(x, m):
    """The product of all numbers, whose gradient symbolic differentiation squares."""
    product = x[0]
    for i in range(1, len(x)):
        product = product * x[i]
    return product


def rosenbrock(x, m):
    """Rosenbrock's banana valley in n dimensions, the optimiser's test function."""
    total = 0.0
    for i in range(len(x) - 1):
        total += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


def transcendental(x, m):
    """A sum that spends its time in the C library."""
    total = 0.0
    for i in range(len(x) - 1):
        total += m.sin(x[i]) * m.exp(x[i + 1]) + m.log(1 + x[i] ** 2) * m.tanh(x[i])
    return total


def lorenz(x, m, steps=1000):
    """Lorenz's equations by classical Runge-Kutta: the sum of the final state.

    Inputs are three initial values and the three parameters. The derivatives of this
    chaotic system grow as exp(0.9 t): a step of 0.001 keeps them finite over 100,000.
    """
    u, v, w, sigma, rho, beta = x
    h = 0.001
    half = h / 2
    sixth = h / 6

    def slope(u, v, w):
        return sigma * (v - u), u * (rho - w) - v, u * v - beta * w

    for _ in range(steps):
        a1, b1, c1 = slope(u, v, w)
        a2, b2, c2 = slope(u + half * a1, v + half * b1, w + half * c1)
        a3, b3, c3 = slope(u + half * a2, v + half * b2, w + half * c2)
        a4, b4, c4 = slope(u + h * a3, v + h * b3, w + h * c3)
        u = u + sixth * (a1 + 2 * a2 + 2 * a3 + a4)
        v = v + sixth * (b1 + 2 * b2 + 2 * b3 + b4)
        w = w + sixth * (c1 + 2 * c2 + 2 * c3 + c4)
    return u + v + w


GMM_D = 2  # dimensions
GMM_K = 5  # Gaussians
GMM_GAMMA = 1.0  # Wishart prior
GMM_M = 0
GMM_POINTS = spread_in_plane(200, 3.0)


def gmm(x, m):
    """The log posterior of a Gaussian mixture, as ADBench defines it.

    Inputs are k logits of the weights, k means of d numbers, and k inverse covariance
    factors: the logarithms of a triangular matrix's diagonal, then what is below it.
    Source: Srajer, Kukelova, Fitzgibbon: A benchmark of selected algorithmic
    differentiation tools on problems in computer vision and machine learning (2018).
    """
    d, k, n = GMM_D, GMM_K, len(GMM_POINTS)
    n_factor = d * (d + 1) // 2
    alphas = x[:k]
    means = [x[k + d * j : k + d * (j + 1)] for j in range(k)]
    first = k + d * k
    factors = [x[first + n_factor * j : first + n_factor * (j + 1)] for j in range(k)]

    def logsumexp(values):
        largest = max(values)
        total = 0.0
        for value in values:
            total += m.exp(value - largest)
        return m.log(total) + largest

    diagonals = [[m.exp(q) for q in factor[:d]] for factor in factors]
    log_determinants = []
    for factor in factors:
        total = 0.0
        for q in factor[:d]:
            total += q
        log_determinants.append(total)

    likelihood = 0.0
    for point in GMM_POINTS:
        terms = []
        for j in range(k):
            centred = [point[i] - means[j][i] for i in range(d)]
            square = 0.0
            below = d
            for row in range(d):
                entry = diagonals[j][row] * centred[row]
                for column in range(row):
                    entry += factors[j][below] * centred[column]
                    below += 1
                square += entry**2
            terms.append(alphas[j] + log_determinants[j] - 0.5 * square)
        likelihood += logsumexp(terms)

    prior = 0.0
    for j in range(k):
        frobenius = diagonals[j][0] ** 2
        for q in diagonals[j][1:] + factors[j][d:]:
            frobenius += q**2
        prior += 0.5 * GMM_GAMMA**2 * frobenius - GMM_M * log_determinants[j]
    # log of the prior's normalisation: the logarithm of the d-variate gamma function
    dof = d + GMM_M + 1
    log_gamma = 0.25 * d * (d - 1) * math.log(math.pi) + sum(
        math.lgamma(0.5 * (dof - i)) for i in range(d)
    )
    normal = dof * d * (math.log(GMM_GAMMA) - 0.5 * math.log(2.0)) - log_gamma
    constant = -n * d * 0.5 * math.log(2 * math.pi)
    return constant + likelihood - n * logsumexp(alphas) + (prior - k * normal)


def black_scholes(x, m):
    """One European call: spot, strike, rate, volatility, years."""
    spot, strike, rate, volatility, years = x
    deviation = volatility * m.sqrt(years)
    d1 = (m.log(spot / strike) + (rate + 0.5 * volatility**2) * years) / deviation
    d2 = d1 - deviation
    likely1 = 0.5 * (1.0 + m.erf(d1 / 1.4142135623730951))
    likely2 = 0.5 * (1.0 + m.erf(d2 / 1.4142135623730951))
    return spot * likely1 - strike * m.exp(-rate * years) * likely2


def bs(x, m):
    """The value of a thousand calls, five inputs each."""
    total = 0.0
    for i in range(0, len(x), 5):
        total += black_scholes(x[i : i + 5], m)
    return total


NN_WIDTHS = 2, 16, 16, 1
NN_INPUTS = spread_in_plane(100, 1.0)
NN_TARGETS = [0.8 * a * b for a, b in NN_INPUTS]


def nn(x, m):
    """Mean squared error of a small neural network, tanh after every layer."""
    total = 0.0
    for sample, target in zip(NN_INPUTS, NN_TARGETS, strict=True):
        layer = sample
        k = 0
        for n_in, n_out in pairwise(NN_WIDTHS):
            above = []
            for _ in range(n_out):
                s = x[k]
                k += 1
                for i in range(n_in):
                    s += x[k + i] * layer[i]
                k += n_in
                above.append(m.tanh(s))
            layer = above
        total += (layer[0] - target) ** 2
    return total / len(NN_INPUTS)


def mixture(x, m, n_outputs):
    """So many numbers, each of which depends on all of x: some arithmetic for each input,
    and some for each output."""
    total = 0.0
    for a in x:
        total = 0.9 * total + a * m.sin(a)
    n = len(x)
    return [
        m.tanh(total * x[k % n]) + total / (1.0 + 0.01 * k) for k in range(n_outputs)
    ]


def lorenz_block(state, steps, h=1e-4):
    """So many steps of Lorenz's equations: initial values and parameters in and out."""
    u, v, w, sigma, rho, beta = state
    half = h / 2
    sixth = h / 6

    def slope(u, v, w):
        return sigma * (v - u), u * (rho - w) - v, u * v - beta * w

    for _ in range(steps):
        a1, b1, c1 = slope(u, v, w)
        a2, b2, c2 = slope(u + half * a1, v + half * b1, w + half * c1)
        a3, b3, c3 = slope(u + half * a2, v + half * b2, w + half * c2)
        a4, b4, c4 = slope(u + h * a3, v + h * b3, w + h * c3)
        u = u + sixth * (a1 + 2 * a2 + 2 * a3 + a4)
        v = v + sixth * (b1 + 2 * b2 + 2 * b3 + b4)
        w = w + sixth * (c1 + 2 * c2 + 2 * c3 + c4)
    return [u, v, w, sigma, rho, beta]


def lorenz_in_blocks(x, block, n):
    """n blocks of n steps by `block`, which is `lorenz_block` or behaves like it.

    The step is a tenth of that of `lorenz`: over a million of them the derivatives grow to
    1e40, and stay finite.
    """
    state = x
    for _ in range(n):
        state = block(state, n)
    return state[0] + state[1] + state[2]


@dataclass(frozen=True)
class Workload:
    """A function, the point at which it is measured, and what it costs."""

    f: Callable[[list[Any], ModuleType], Any]
    x: list[float]
    operations: int


def _contracts(n: int) -> list[float]:
    """n times spot, strike, rate, volatility, years."""
    columns = [
        spread(n, 80.0, 120.0, PLASTIC[0]),
        spread(n, 80.0, 120.0, PLASTIC[1]),
        spread(n, 0.01, 0.06),
        spread(n, 0.1, 0.5, 2**0.5),
        spread(n, 0.2, 2.0, 3**0.5),
    ]
    return [number for contract in zip(*columns, strict=True) for number in contract]


SEVEN = {
    "speelpenning": Workload(
        speelpenning, [(i + 1) / (i + 2) for i in range(1000)], operations=999
    ),
    "rosenbrock": Workload(rosenbrock, [-1.2, 1.0] * 500, operations=7_992),
    "transcendental": Workload(
        transcendental, spread(1000, -2.0, 2.0), operations=9_990
    ),
    "lorenz": Workload(
        lorenz, [1.0, 1.0, 1.0, 10.0, 28.0, 8.0 / 3.0], operations=71_002
    ),
    "gmm": Workload(gmm, spread(30, -1.0, 1.0), operations=17_491),
    "bs": Workload(bs, _contracts(1000), operations=27_000),
    "nn": Workload(nn, spread(337, -0.8, 0.8), operations=64_401),
}

# The same functions at other sizes.
ONE_CALL = Workload(black_scholes, [100.0, 105.0, 0.03, 0.25, 1.5], operations=26)
