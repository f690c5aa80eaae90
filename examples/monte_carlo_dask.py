"""The price of an Asian basket option and all its Greeks, by Monte Carlo on a cluster.

    python examples/monte_carlo_dask.py                          # on this machine
    python examples/monte_carlo_dask.py tcp://scheduler:8786     # on a cluster

The option pays what the average price of a basket of shares, over some dates, exceeds the
strike by. Each path of prices gives a payoff and its derivatives to all parameters of the
market; since the payoff is continuous, their averages estimate the price and the Greeks
("pathwise" estimates: Broadie and Glasserman, Management Science 42, 1996).

`discounted_payoff` is ordinary Python on ordinary numbers. fastad records it and its gradient
once in each worker and for each side of the `max`, and runs all later paths without Python,
several at a time in the vector registers of the processor.

It needs `pip install fastad[distributed]`, on the workers too.
"""

import argparse
from typing import NamedTuple

import numpy
from distributed import Client

import fastad
from fastad import math


class Market(NamedTuple):
    """What the Greeks are derivatives to."""

    spots: list
    volatilities: list
    rate: float


class Option(NamedTuple):
    strike: float
    maturity: float


MARKET = Market(spots=[100.0, 95.0, 110.0], volatilities=[0.2, 0.3, 0.25], rate=0.03)
OPTION = Option(strike=100.0, maturity=1.0)
CORRELATION = 0.4  # of each share with each other
DATES = 12


def discounted_payoff(market, option, shocks):
    """Of one path. shocks: a standard normal number for each date and share."""
    step = option.maturity / len(shocks)
    prices = list(market.spots)
    total = 0.0
    for shocks_of_date in shocks:
        for k, volatility in enumerate(market.volatilities):
            drift = market.rate - volatility**2 / 2
            noise = volatility * math.sqrt(step) * shocks_of_date[k]
            prices[k] = prices[k] * math.exp(drift * step + noise)
        total = total + sum(prices) / len(prices)
    average = total / len(shocks)
    return math.exp(-market.rate * option.maturity) * max(average - option.strike, 0.0)


class Sums(NamedTuple):
    """Of the price and each Greek over some paths: they add up over tasks."""

    n: int
    values: numpy.ndarray
    squares: numpy.ndarray

    def estimates(self):
        """(means, standard errors)"""
        means = self.values / self.n
        variances = numpy.maximum(self.squares / self.n - means**2, 0.0)
        return means, numpy.sqrt(variances / self.n)


def simulate(value_and_greeks, market, option, dates, correlation, n, seed):
    """One task: n paths from random numbers of its own."""
    n_shares = len(market.spots)
    covariance = numpy.full((n_shares, n_shares), correlation)
    numpy.fill_diagonal(covariance, 1.0)
    mix = numpy.linalg.cholesky(covariance).T
    shocks = numpy.random.default_rng(seed).standard_normal((n, dates, n_shares)) @ mix
    over_paths = fastad.vmap(value_and_greeks, in_axes=(None, None, 0))
    prices, greeks = over_paths(market, option, shocks)
    rows = numpy.vstack([prices, *greeks.spots, *greeks.volatilities, greeks.rate])
    return Sums(n, rows.sum(axis=1), (rows**2).sum(axis=1))


def run(client, market, option, dates, correlation, n, n_tasks, seed):
    """The Sums of n_tasks tasks of n paths each, however many workers there are."""
    function = fastad.compile(fastad.value_and_grad(discounted_payoff))
    (function,) = client.scatter([function], broadcast=True, hash=False)
    seeds = numpy.random.SeedSequence(seed).spawn(n_tasks)
    tasks = [
        client.submit(
            simulate, function, market, option, dates, correlation, n, seed, pure=False
        )
        for seed in seeds
    ]
    parts = client.gather(tasks)
    return Sums(*(sum(column) for column in zip(*parts, strict=True)))


def report(sums, market):
    """A line for the price, and for each Greek."""
    shares = range(1, len(market.spots) + 1)
    names = [
        "price",
        *(f"delta {k}" for k in shares),
        *(f"vega {k}" for k in shares),
        "rho",
    ]
    means, errors = sums.estimates()
    lines = [f"{sums.n} paths", f"{'':10}{'estimate':>12}{'standard error':>18}"]
    lines += [
        f"{name:10}{mean:12.5f}{error:18.5f}"
        for name, mean, error in zip(names, means, errors, strict=True)
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "address", nargs="?", help="of a Dask scheduler; none: run here"
    )
    parser.add_argument("--paths", type=int, default=20_000, help="in each task")
    parser.add_argument("--tasks", type=int, default=32)
    parser.add_argument("--workers", type=int, help="if it runs here")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    here = {"n_workers": options.workers, "dashboard_address": None}
    with Client(options.address) if options.address else Client(**here) as client:
        sums = run(
            client, MARKET, OPTION, DATES, CORRELATION, options.paths, options.tasks,
            options.seed,
        )  # fmt: skip
    print(report(sums, MARKET))


if __name__ == "__main__":
    main()
