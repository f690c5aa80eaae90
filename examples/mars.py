"""The orbit of Mars from Tycho Brahe's oppositions.

    python examples/mars.py [PLOT]

At an opposition the Sun, the Earth and Mars stand in a line, so that Mars is seen in
the direction in which the Sun would see it. Kepler lists twelve of them, ten observed
by Tycho and two by himself (Astronomia nova, 1609, chapters 15 and 16; dates of the
Julian calendar). From twelve directions and times follow the ellipse's eccentricity,
the direction of its perihelion, and where Mars is when; from the period, by Kepler's
third law, its size.

Kepler's equation is solved by Newton's iteration, written for floats. fastad
differentiates through it.
"""

import sys
from datetime import datetime
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy import optimize

import fastad
from fastad import math

OPPOSITIONS = [  # date, time, sign of the zodiac (from 0, the Ram), degrees, ', "
    ("1580-11-18 01:31", 2, 6, 28, 35),
    ("1582-12-28 03:58", 3, 16, 55, 30),
    ("1585-01-30 19:14", 4, 21, 36, 10),
    ("1587-03-06 07:23", 5, 25, 43, 0),
    ("1589-04-14 06:23", 7, 4, 23, 0),
    ("1591-06-08 07:43", 8, 26, 43, 0),
    ("1593-08-25 17:27", 11, 12, 16, 0),
    ("1595-10-31 00:39", 1, 17, 31, 40),
    ("1597-12-13 15:44", 3, 2, 28, 0),
    ("1600-01-18 14:02", 4, 8, 38, 0),
    ("1602-02-20 14:13", 5, 12, 27, 0),
    ("1604-03-28 16:23", 6, 18, 37, 10),
]
TROPICAL_YEAR = 365.2422  # days
START = [687.0, 0.05, 330.0, 0.0]


def julian_days(text):
    """Days from the beginning of 1590 to a date of the Julian calendar.

    Python counts in the Gregorian one, whose year 1600 is a leap year, too: between
    1580 and 1604 both have the same days.
    """
    return (datetime.fromisoformat(text) - datetime(1590, 1, 1)).total_seconds() / 86400


DAYS = [julian_days(row[0]) for row in OPPOSITIONS]
LONGITUDES = [30 * s + d + m / 60 + sec / 3600 for _, s, d, m, sec in OPPOSITIONS]


def eccentric_anomaly(mean, e):
    """Solve Kepler's equation, E - e sin(E) = mean."""
    E = mean
    for _ in range(20):
        step = (E - e * math.sin(E) - mean) / (1.0 - e * math.cos(E))
        E = E - step
        if abs(step) < 1e-13:
            break
    return E


def longitude(elements, day):
    """The direction of Mars from the Sun, in degrees, not reduced to a circle."""
    period, e, perihelion, mean_longitude = elements
    mean = math.radians(360.0 * day / period + mean_longitude - perihelion)
    E = eccentric_anomaly(mean, e)
    # The true anomaly minus E: no quadrants to choose between, no jumps.
    beta = e / (1.0 + math.sqrt(1.0 - e * e))
    ahead = 2.0 * math.atan2(beta * math.sin(E), 1.0 - beta * math.cos(E))
    return math.degrees(E + ahead) + perihelion


def residuals(elements):
    """Computed minus observed directions, in minutes of arc, between -180 and 180 degrees."""
    return [
        60.0 * math.remainder(longitude(elements, day) - observed, 360.0)
        for day, observed in zip(DAYS, LONGITUDES, strict=True)
    ]


def determine():
    """Return the elements, their standard errors, and the residuals."""
    jacobian = fastad.jacobian(residuals)
    found = optimize.least_squares(
        residuals, START, jac=jacobian, x_scale=[1.0, 0.01, 10.0, 10.0], xtol=1e-12
    )
    J = np.array(jacobian(found.x))
    variance = 2 * found.cost / (len(DAYS) - len(START))
    covariance = variance * np.linalg.inv(J.T @ J)
    return found.x.tolist(), np.sqrt(np.diag(covariance)), residuals(found.x.tolist())


def size(elements):
    """The semi-major axis in astronomical units, by Kepler's third law."""
    return math.cbrt((elements[0] / TROPICAL_YEAR) ** 2)


def draw(elements, errors, plot):
    _, e, perihelion, _ = elements
    a = size(elements)

    def place(angle):  # an angle from the Sun, in degrees: x and y on the ellipse
        nu = np.radians(angle - perihelion)
        r = a * (1 - e * e) / (1 + e * np.cos(nu))
        return r * np.cos(np.radians(angle)), r * np.sin(np.radians(angle))

    figure = Figure(figsize=(9.5, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.1])
    circle = np.linspace(0, 360, 361)
    left.plot(*place(circle), color="C3", lw=1.2)
    left.plot(np.cos(np.radians(circle)), np.sin(np.radians(circle)), "C0", lw=0.8)
    left.plot(0, 0, "o", color="orange", ms=9)
    left.plot(
        *zip(place(perihelion), place(perihelion + 180), strict=True), "0.7", lw=0.8
    )
    left.annotate("perihelion", place(perihelion), (4, -14), textcoords="offset points")
    for row, angle in zip(OPPOSITIONS, LONGITUDES, strict=True):
        x, y = place(angle)
        left.plot([0, x], [0, y], ":", color="0.6", lw=0.8)
        left.plot(x, y, "o", color="C3", ms=4)
        left.text(1.16 * x, 1.13 * y, row[0][:4], ha="center", va="center", fontsize=8)
    left.set(title="Mars, the Earth, and twelve oppositions", xlim=(-2.1, 2.1))
    left.set(ylim=(-2.1, 2.1), aspect="equal")
    left.axis("off")

    years = [1590 + day / 365.25 for day in DAYS]
    right.axhline(0, color="0.7", lw=0.8)
    right.vlines(years, 0, errors, color="C3", lw=1)
    right.plot(years, errors, "o", color="C3", ms=5)
    right.set(
        title="Computed minus observed",
        xlabel="year",
        ylabel="minutes of arc",
        ylim=(-8, 8),
    )
    right.axhspan(-8, 8, color="0.95", zorder=0)
    right.text(1580, 7.3, "8': the error that made Kepler give up circles", fontsize=8)
    right.spines[["top", "right"]].set_visible(False)
    figure.savefig(plot, dpi=150)


def main(plot):
    elements, errors, left_over = determine()
    names = [
        "period, days",
        "eccentricity",
        "perihelion, degrees",
        "mean longitude, 1590",
    ]
    for name, value, error in zip(names, elements, errors, strict=True):
        print(f"{name:21} {value:10.5f} +- {error:.5f}")
    print(f"{'semi-major axis, au':21} {size(elements):10.5f}")
    rms = math.sqrt(math.sumprod(left_over, left_over) / len(left_over))
    print(f"{'residuals, arcminutes':21} {rms:10.2f} (root mean square)")
    draw(elements, left_over, plot)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else Path(__file__).with_suffix(".png"))
