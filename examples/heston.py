"""Heston's model calibrated to quotes of DAX options, and its Greeks.

    python examples/heston.py [PLOT]

The 104 implied volatilities of 5 July 2002 are from A. Sepp, "Pricing European-style
options under jump diffusion processes with stochastic volatility: applications of
Fourier transform" (2003); they have become a common test of calibrations.

S. L. Heston (1993): variance v goes back to theta at the rate kappa, and itself
varies by sigma:

    dS = r S dt + sqrt(v) S dW1,   dv = kappa (theta - v) dt + sigma sqrt(v) dW2,

with correlation rho between W1 and W2. A price is an integral over the characteristic
function of log S. The function is complex, so a complex number is here a pair of
scalars. From the price follows its implied volatility by Newton's iteration. fastad
differentiates through all of it, for the calibration to the five parameters; and the
price to spot, variance and the rest: the Greeks.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy import optimize

import fastad
from fastad import math

SPOT = 4468.17
DAYS = [13, 41, 75, 165, 256, 345, 524, 703]
RATES = [0.0357, 0.0349, 0.0341, 0.0355, 0.0359, 0.0368, 0.0386, 0.0401]
STRIKES = [3400, 3600, 3800, 4000, 4200, 4400, 4500, 4600, 4800, 5000, 5200, 5400, 5600]
QUOTES = [  # in per cent: a row for each strike, a column for each number of days
    [66.25, 48.75, 42.04, 36.67, 34.31, 32.67, 31.21, 31.21],
    [60.07, 45.43, 39.67, 35.11, 32.79, 31.54, 29.84, 29.21],
    [50.84, 42.21, 37.18, 33.27, 31.55, 30.27, 29.19, 28.89],
    [45.41, 38.69, 34.92, 31.49, 29.63, 29.26, 28.19, 28.00],
    [40.60, 36.07, 33.30, 29.99, 28.87, 28.11, 27.51, 27.75],
    [37.26, 33.96, 31.08, 27.81, 27.88, 27.22, 26.61, 26.86],
    [35.50, 32.77, 30.12, 27.81, 27.81, 26.61, 26.61, 26.81],
    [34.28, 32.09, 29.58, 27.40, 26.88, 26.27, 25.80, 26.20],
    [33.02, 30.62, 27.99, 26.31, 25.73, 25.33, 25.04, 25.44],
    [33.43, 29.59, 27.05, 25.40, 25.04, 24.64, 24.48, 24.62],
    [34.60, 28.45, 26.24, 24.63, 24.25, 23.85, 23.73, 24.22],
    [38.57, 28.60, 25.78, 23.99, 23.57, 23.27, 23.12, 23.51],
    [39.76, 28.60, 26.07, 23.56, 22.97, 22.68, 22.41, 23.20],
]
NAMES = ["v", "theta", "kappa", "sigma", "rho"]
START = [0.1, 0.1, 1.0, 0.5, -0.5]


class Complex(NamedTuple):
    """A complex number of two scalars, floats or Vars."""

    re: Any
    im: Any

    def __add__(self, other):
        return Complex(self.re + other.re, self.im + other.im)

    def __sub__(self, other):
        return Complex(self.re - other.re, self.im - other.im)

    def __mul__(self, other):
        a, b, c, d = self.re, self.im, other.re, other.im
        return Complex(a * c - b * d, a * d + b * c)

    def __truediv__(self, other):
        c, d = other
        square = c * c + d * d
        return self * Complex(c / square, -d / square)

    def times(self, factor):
        return Complex(self.re * factor, self.im * factor)


def complex_sqrt(z):
    """The root with the positive real part; the imaginary part of z is not 0."""
    root = math.sqrt(0.5 * (math.hypot(z.re, z.im) + abs(z.re)))
    other = 0.5 * z.im / root
    if z.re >= 0:
        return Complex(root, other)
    return Complex(abs(other), math.copysign(root, z.im))


def complex_log(z):
    return Complex(math.log(math.hypot(z.re, z.im)), math.atan2(z.im, z.re))


def complex_exp(z):
    size = math.exp(z.re)
    return Complex(size * math.cos(z.im), size * math.sin(z.im))


def characteristic(parameters, u, years):
    """E[exp(i w X)] of X = log(forward-discounted S / S0) at w = u - i/2.

    In the form that stays on one branch of the logarithm: H. Albrecher and others,
    "The little Heston trap" (2007).
    """
    v, theta, kappa, sigma, rho = parameters
    beta = Complex(kappa - 0.5 * rho * sigma, -rho * sigma * u)
    half = u * u + 0.25  # i w + w**2
    d = complex_sqrt(beta * beta + Complex(sigma * sigma * half, 0.0))
    g = (beta - d) / (beta + d)
    decay = complex_exp(d.times(-years))
    one = Complex(1.0, 0.0)
    fall = one - g * decay
    log = complex_log(fall / (one - g))
    c = ((beta - d).times(years) - log.times(2.0)).times(kappa * theta / sigma**2)
    b = ((beta - d) * (one - decay) / fall).times(v / sigma**2)
    return complex_exp(b + c)


# Gauss and Legendre's rule on 0 < u < infinity, through u = (1 + t) / (1 - t) * 10.
_T, _W = np.polynomial.legendre.leggauss(96)
NODES = (10.0 * (1 + _T) / (1 - _T)).tolist()
WEIGHTS = (20.0 * _W / (1 - _T) ** 2).tolist()


def calls(parameters, spot, strikes, rate, years):
    """Prices of calls with these strikes: A. L. Lewis, "A simple option formula" (2001)."""
    phis = [characteristic(parameters, u, years) for u in NODES]
    discount = math.exp(-rate * years)
    prices = []
    for strike in strikes:
        k = math.log(spot / strike) + rate * years
        integral = 0.0
        for u, weight, phi in zip(NODES, WEIGHTS, phis, strict=True):
            turned = phi.re * math.cos(u * k) - phi.im * math.sin(u * k)
            integral += weight / (u * u + 0.25) * turned
        root = math.sqrt(spot * strike * discount)
        prices.append(spot - root * integral / math.pi)
    return prices


def ndtr(x):
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def black_scholes(volatility, spot, strike, rate, years):
    deviation = volatility * math.sqrt(years)
    d1 = (math.log(spot / strike) + rate * years) / deviation + 0.5 * deviation
    return spot * ndtr(d1) - strike * math.exp(-rate * years) * ndtr(d1 - deviation)


vega = fastad.grad(black_scholes)


def implied_volatility(price, strike, rate, years):
    """Newton's iteration from where it cannot fail: Manaster and Koehler (1982)."""
    option = SPOT, strike, rate, years
    forward = math.log(SPOT / strike) + rate * years
    volatility = math.sqrt(2 * abs(forward) / years)
    for _ in range(50):
        step = (price - black_scholes(volatility, *option)) / vega(volatility, *option)
        volatility = volatility + step
        if abs(step) < 1e-8:
            return volatility
    raise ArithmeticError(f"no implied volatility for the price {price}")


def volatilities(parameters, strikes=STRIKES):
    """The model's implied volatilities in per cent: a row for each number of days."""
    table = []
    for days, rate in zip(DAYS, RATES, strict=True):
        years = days / 365
        prices = calls(parameters, SPOT, strikes, rate, years)
        table.append(
            [
                100 * implied_volatility(price, strike, rate, years)
                for price, strike in zip(prices, strikes, strict=True)
            ]
        )
    return table


def residuals(parameters):
    """The model's volatilities minus the quoted ones, in per cent."""
    table = volatilities(parameters)
    return [
        table[j][i] - quote
        for i, row in enumerate(QUOTES)
        for j, quote in enumerate(row)
    ]


def calibrate():
    """Return the parameters and the sum of the squared residuals."""
    found = optimize.least_squares(
        residuals,
        START,
        jac=fastad.jacobian(residuals),
        bounds=([1e-4, 1e-4, 1e-2, 1e-2, -0.99], [1.0, 1.0, 20.0, 5.0, 0.99]),
        x_scale=[abs(s) for s in START],
        xtol=1e-6,
    )
    return found.x.tolist(), 2 * found.cost


def greeks(parameters, strike, i):
    """Price of a call of the i-th maturity, and its derivatives to everything."""

    def price(spot, rate, years, parameters):
        return calls(parameters, spot, [strike], rate, years)[0]

    at = SPOT, RATES[i], DAYS[i] / 365, parameters
    value, (delta, rho, theta, slopes) = fastad.value_and_grad(price, (0, 1, 2, 3))(*at)
    gamma = fastad.grad(fastad.grad(price))(*at)
    return {
        "price": value,
        "delta": delta,
        "gamma": gamma,
        "rho": rho,
        "theta": -theta,
        **{f"d/d{name}": slope for name, slope in zip(NAMES, slopes, strict=True)},
    }


def draw(parameters, plot):
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    strikes = list(range(3400, 5601, 50))
    curves = volatilities(parameters, strikes)
    for color, j in enumerate([0, 1, 2, 4, 7]):
        left.plot(strikes, curves[j], f"C{color}", label=f"{DAYS[j]} days")
        left.plot(STRIKES, [row[j] for row in QUOTES], f"C{color}o", ms=4)
    left.set(
        title="DAX, 5 July 2002: quotes (dots) and Heston's model",
        xlabel="strike",
        ylabel="implied volatility, %",
        ylim=(20, 68),
    )
    left.legend(frameon=False)

    strikes = list(range(3000, 6201, 100))
    table = [greeks(parameters, strike, 4) for strike in strikes]
    for name, label, factor in [
        ("delta", "delta", 1.0),
        ("gamma", "1000 gamma", 1000.0),
        ("d/dsigma", "d price / d sigma, in hundreds", 0.01),
    ]:
        right.plot(strikes, [factor * row[name] for row in table], label=label)
    right.axvline(SPOT, color="0.6", lw=0.8, ls=":")
    right.text(SPOT + 30, 0.01, "spot", color="0.4")
    right.set(title=f"Greeks of calls over {DAYS[4]} days", xlabel="strike")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(plot, dpi=150)


def main(plot):
    parameters, squares = calibrate()
    for name, value in zip(NAMES, parameters, strict=True):
        print(f"{name:5} = {value:8.5f}")
    print(f"sum of squared differences of volatility: {squares:.1f} %**2")
    print(f"\nThe call at {STRIKES[6]} over {DAYS[4]} days:")
    for name, value in greeks(parameters, STRIKES[6], 4).items():
        print(f"{name:8} = {value:12.6f}")
    draw(parameters, plot)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else Path(__file__).with_suffix(".png"))
