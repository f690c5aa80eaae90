"""A curve through measurements, with its confidence band.

    python examples/onions.py [PLOT]

The weight of onion bulbs against their age, and Richards' curve of growth, fitted by
least squares. It is a reference problem of NIST, "Rat43", with certified results:
https://www.itl.nist.gov/div898/strd/nls/data/ratkowsky3.shtml (public domain; from
D. A. Ratkowsky, Nonlinear Regression Modeling, 1983).

fastad gives the Jacobian, once to the optimiser, once for the covariance of the
parameters, and once for the band: the standard error of a point of the curve is the
curve's gradient to the parameters, measured with that covariance.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy import optimize, stats

import fastad
from fastad import math

AGES = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0]
WEIGHTS = [
    *(16.08, 33.83, 65.80, 97.20, 191.55, 326.20, 386.87, 520.53),
    *(590.03, 651.92, 724.93, 699.56, 689.96, 637.56, 717.41),
]
START = [700.0, 5.0, 0.75, 1.3]  # NIST's second one


def growth(b, age):
    """Richards' curve: it rises to b[0], and b[3] says how late it bends."""
    return b[0] / (1.0 + math.exp(b[1] - b[2] * age)) ** (1.0 / b[3])


def residuals(b):
    return [growth(b, age) - weight for age, weight in zip(AGES, WEIGHTS, strict=True)]


def fit():
    """Return the parameters, their covariance, and the residuals' standard deviation."""
    jacobian = fastad.jacobian(residuals)
    found = optimize.least_squares(
        residuals, START, jac=jacobian, method="lm", xtol=1e-14, ftol=1e-14
    )
    J = np.array(jacobian(found.x))
    s = np.sqrt(2 * found.cost / (len(AGES) - len(START)))
    return found.x, s**2 * np.linalg.inv(J.T @ J), s


def band(b, covariance, ages):
    """Return the curve at *ages* and half the width of its 95 % confidence band."""
    curve = [growth(b, age) for age in ages]
    J = np.array(fastad.jacobian(lambda b: [growth(b, age) for age in ages])(b))
    errors = np.sqrt(np.einsum("ij,jk,ik->i", J, covariance, J))
    return np.array(curve), errors * stats.t.ppf(0.975, len(AGES) - len(START))


def draw(b, covariance, plot):
    ages = np.linspace(0.5, 15.5, 200)
    curve, half = band(b, covariance, ages)
    figure = Figure(figsize=(7, 4.3), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(
        ages, curve - half, curve + half, color="C0", alpha=0.2, lw=0, label="95 % band"
    )
    axes.plot(ages, curve, color="C0", label="fitted curve")
    axes.plot(AGES, WEIGHTS, "o", color="black", ms=4.5, label="measured")
    axes.set(
        title="Growth of onion bulbs (NIST Rat43)",
        xlabel="growing time",
        ylabel="dry weight",
        xlim=(0.5, 15.5),
    )
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(plot, dpi=150)


def main(plot):
    b, covariance, s = fit()
    for i, (value, error) in enumerate(
        zip(b, np.sqrt(np.diag(covariance)), strict=True)
    ):
        print(f"b{i + 1} = {value:14.9f}  +- {error:13.9f}")
    print(f"standard deviation of the residuals: {s:.9f}")
    draw(b, covariance, plot)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else Path(__file__).with_suffix(".png"))
