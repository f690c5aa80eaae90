"""A Hamiltonian Monte Carlo sampler in forty lines, and the eight schools.

    python examples/eight_schools.py [PLOT]

Eight schools measured what coaching does to a test's score, each with its standard
error: D. B. Rubin, "Estimation in parallel randomized experiments" (1981). The effects
theta[j] of the schools vary about a common mean mu by tau, which is not known:

    measured[j] ~ Normal(theta[j], error[j]),   theta[j] = mu + tau eta[j],
    eta[j] ~ Normal(0, 1),   mu ~ Normal(0, 5),   tau ~ half Cauchy(0, 5).

The sampler lets a point roll over the negative logarithm of this density; the force on
it is a gradient, which fastad takes of plain Python. See R. M. Neal, "MCMC using
Hamiltonian dynamics" (2011).
"""

import random
import statistics
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fastad
from fastad import math

SCHOOLS = "ABCDEFGH"
MEASURED = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]
ERRORS = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]


def effects(q):
    """The schools' effects theta at q = [mu, log(tau), eta...]."""
    mu, log_tau, *etas = q
    tau = math.exp(log_tau)
    return [mu + tau * eta for eta in etas]


def energy(q):
    """Minus the logarithm of the posterior density at q, up to a constant."""
    mu, log_tau, *etas = q
    tau = math.exp(log_tau)
    total = 0.5 * (mu / 5.0) ** 2 + math.log1p((tau / 5.0) ** 2) - log_tau
    for eta, theta, y, error in zip(etas, effects(q), MEASURED, ERRORS, strict=True):
        total += 0.5 * eta**2 + 0.5 * ((y - theta) / error) ** 2
    return total


def kinetic(p):
    return 0.5 * math.sumprod(p, p)


def sample(f, q, n, step, leaps, rng):
    """Draw n points with density exp(-f), beginning at q; return them and how many moved.

    Each draw gives the point a random momentum p and follows its motion for about
    *leaps* leapfrog steps; how far energy is not conserved decides whether it moves.
    """
    value_and_slope = fastad.value_and_grad(f)
    value, slope = value_and_slope(q)
    points, moved = [], 0
    for _ in range(n):
        p = [rng.gauss(0.0, 1.0) for _ in q]
        begin = value + kinetic(p)
        new, new_slope = q, slope
        h = step * rng.uniform(0.8, 1.2)  # never in step with a period of the motion
        for _ in range(leaps):
            p = [p_i - 0.5 * h * s for p_i, s in zip(p, new_slope, strict=True)]
            new = [q_i + h * p_i for q_i, p_i in zip(new, p, strict=True)]
            new_value, new_slope = value_and_slope(new)
            p = [p_i - 0.5 * h * s for p_i, s in zip(p, new_slope, strict=True)]
        if math.log(1.0 - rng.random()) < begin - new_value - kinetic(p):
            q, value, slope = new, new_value, new_slope
            moved += 1
        points.append(q)
    return points, moved


def run(n=4000, seed=1981):
    """Return n points of the posterior and the share of accepted moves."""
    start = [0.0, 1.0] + [0.0] * len(MEASURED)
    points, moved = sample(energy, start, n + 200, 0.25, 12, random.Random(seed))
    return points[200:], moved / (n + 200)


def draw(points, plot):
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    taus = [math.exp(q[1]) for q in points]
    left.plot([q[0] for q in points], taus, ".", ms=2, alpha=0.35)
    left.set(
        title=f"{len(points)} points of the posterior",
        xlabel="mean effect mu",
        ylabel="spread of the schools tau",
        ylim=(0, 20),
    )
    thetas = np.array([effects(q) for q in points])
    rows = np.arange(len(SCHOOLS))[::-1]
    right.errorbar(
        MEASURED, rows + 0.14, xerr=ERRORS, fmt="o", color="0.6", ms=4, label="measured"
    )
    right.errorbar(
        thetas.mean(axis=0),
        rows - 0.14,
        xerr=thetas.std(axis=0),
        fmt="o",
        color="C3",
        ms=4,
        label="posterior",
    )
    right.axvline(0, color="0.8", lw=0.8, zorder=0)
    right.set(title="Effect of each school, ± 1 standard deviation", xlabel="points")
    right.set_yticks(rows, SCHOOLS)
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(plot, dpi=150)


def main(plot):
    points, accepted = run()
    columns = {
        "mu": [q[0] for q in points],
        "tau": [math.exp(q[1]) for q in points],
        **dict(zip(SCHOOLS, zip(*map(effects, points), strict=True), strict=True)),
    }
    for name, column in columns.items():
        mean, deviation = statistics.fmean(column), statistics.stdev(column)
        print(f"{name:3} {mean:6.2f} +- {deviation:.2f}")
    print(f"{accepted:.0%} of the moves were accepted")
    draw(points, plot)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else Path(__file__).with_suffix(".png"))
