"""The parameters of a differential equation, from a time series.

    python examples/lynx_hare.py [PLOT]

Pelts of snowshoe hares and lynxes, in thousands, that the Hudson's Bay Company bought
from 1900 to 1920 (E. P. Odum, Fundamentals of Ecology, 1953, after C. G. Hewitt), and
the equations of Lotka and Volterra:

    hare' = (a - b lynx) hare,   lynx' = (-c + d hare) lynx.

The four rates and the two numbers at the start are fitted at once, to the logarithms:
hunters' luck multiplies. The solver is Runge and Kutta's, written as one writes it for
floats, and fastad differentiates what it computes. The data and the model are those of
a case study of the Stan project, which samples their posterior:
https://mc-stan.org/users/documentation/case-studies/lotka-volterra-predator-prey.html
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy import optimize

import fastad
from fastad import math

YEARS = list(range(1900, 1921))
HARES = [
    *(30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1),
    *(40.3, 57.0, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2, 24.7),
]
LYNXES = [
    *(4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4),
    *(8.0, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6),
]
NAMES = ["a", "b", "c", "d", "hare(1900)", "lynx(1900)"]
START = [math.log(guess) for guess in (0.5, 0.03, 0.8, 0.03, 30.0, 4.0)]


def rates(hare, lynx, a, b, c, d):
    return (a - b * lynx) * hare, (-c + d * hare) * lynx


def solve(parameters, years, steps=20):
    """Return hares and lynxes at the beginning of each of *years* years."""
    *constants, hare, lynx = parameters
    h = 1.0 / steps
    hares, lynxes = [hare], [lynx]
    for _ in range(years - 1):
        for _ in range(steps):
            k1 = rates(hare, lynx, *constants)
            k2 = rates(hare + h / 2 * k1[0], lynx + h / 2 * k1[1], *constants)
            k3 = rates(hare + h / 2 * k2[0], lynx + h / 2 * k2[1], *constants)
            k4 = rates(hare + h * k3[0], lynx + h * k3[1], *constants)
            hare += h / 6 * (k1[0] + 2 * k2[0] + 2 * k3[0] + k4[0])
            lynx += h / 6 * (k1[1] + 2 * k2[1] + 2 * k3[1] + k4[1])
        hares.append(hare)
        lynxes.append(lynx)
    return hares, lynxes


def residuals(log_parameters):
    """Differences of logarithms. All parameters are positive: so theirs are fitted."""
    hares, lynxes = solve([math.exp(p) for p in log_parameters], len(YEARS))
    return [
        math.log(computed / counted)
        for computed, counted in zip(hares + lynxes, HARES + LYNXES, strict=True)
    ]


def fit():
    """Return the parameters, their relative standard errors, and the residuals' spread."""
    jacobian = fastad.jacobian(residuals)
    found = optimize.least_squares(residuals, START, jac=jacobian, method="lm")
    J = np.array(jacobian(found.x))
    s = np.sqrt(2 * found.cost / (len(J) - len(START)))
    errors = s * np.sqrt(np.diag(np.linalg.inv(J.T @ J)))
    return np.exp(found.x).tolist(), errors, s


def draw(parameters, plot):
    fine = 40
    scaled = [p / fine for p in parameters[:4]] + parameters[
        4:
    ]  # a year is `fine` long
    hares, lynxes = solve(scaled, fine * (len(YEARS) - 1) + 1, steps=1)
    times = 1900 + np.arange(len(hares)) / fine
    figure = Figure(figsize=(9.5, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    for color, name, curve, counts in [
        ("C0", "hares", hares, HARES),
        ("C3", "lynxes", lynxes, LYNXES),
    ]:
        left.plot(times, curve, color, label=name)
        left.plot(YEARS, counts, "o", color=color, ms=4)
    left.set(
        title="Pelts bought (dots), Lotka and Volterra's model",
        xlabel="year",
        ylabel="thousands",
        xticks=range(1900, 1921, 5),
        ylim=(0, 95),
    )
    left.legend(frameon=False, ncols=2, loc="upper center")
    right.plot(hares, lynxes, color="C2")
    right.plot(HARES, LYNXES, "o:", color="0.5", ms=3, lw=0.8)
    right.set(title="The cycle", xlabel="hares", ylabel="lynxes")
    right.set(xlim=(0, None), ylim=(0, None))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(plot, dpi=150)


def main(plot):
    parameters, errors, s = fit()
    for name, value, error in zip(NAMES, parameters, errors, strict=True):
        print(f"{name:10} = {value:8.4f}  +- {100 * error:4.1f} %")
    print(f"the counts scatter about the model by {100 * s:.0f} %")
    draw(parameters, plot)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else Path(__file__).with_suffix(".png"))
