"""Programs and compiled functions in other processes: multiprocessing, joblib, Dask."""

import importlib.util
import math as standard_math
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy
import pytest

import fastad
from fastad import Program, math
from fastad.errors import PathError

EXAMPLE = Path(__file__).parents[1] / "examples" / "monte_carlo_dask.py"


def price(x):
    """Takes another path on each side of 1."""
    y = math.exp(-x[0] * x[0]) * x[1]
    return math.log(y) if x[0] > 1.0 else y


@fastad.compile
@fastad.value_and_grad
def price_and_slopes(x):
    return price(x)


BELOW = [[0.1 * k, 1.0 + k] for k in range(8)]
ABOVE = [[2.0 + 0.1 * k, 1.0 + k] for k in range(8)]
RECORDED = Program(price, BELOW[0]), Program(price, BELOW[0]).gradient()
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def pool():
    """Of processes that start from nothing."""
    with ProcessPoolExecutor(2, mp_context=SPAWN) as executor:
        yield executor


@pytest.mark.parametrize("program", RECORDED, ids=["value", "gradient"])
def test_programs_in_spawned_processes(pool, program):
    assert list(pool.map(program, BELOW)) == [program(x) for x in BELOW]
    with pytest.raises(
        PathError, match=r"test_workers.py:\d+: .*x\[0\] > 1.0 .* is False"
    ):
        pool.submit(program, ABOVE[0]).result()


def test_a_compiled_function_in_spawned_processes(pool):
    points = [*BELOW, *ABOVE]
    assert list(pool.map(price_and_slopes, points)) == list(
        map(price_and_slopes, points)
    )


def test_a_program_comes_back_from_a_process(pool):
    program = pool.submit(Program, price, ABOVE[0]).result()
    assert program(ABOVE[1]) == price(ABOVE[1])


def test_a_compiled_function_that_is_not_its_name(pool):
    """As long as the function itself can be pickled."""
    compiled = fastad.compile(price)
    compiled(BELOW[0])
    other = pickle.loads(pickle.dumps(compiled))
    assert other.stats["paths"] == 0
    assert list(pool.map(compiled, ABOVE)) == [price(x) for x in ABOVE]


@pytest.mark.filterwarnings("default")
def test_joblib():
    joblib = pytest.importorskip("joblib")
    program = RECORDED[1]
    local = fastad.compile(fastad.value_and_grad(lambda x: price(x) * 2.0, argnums=0))
    with joblib.Parallel(n_jobs=2) as run:
        assert run(map(joblib.delayed(program), BELOW)) == [program(x) for x in BELOW]
        assert run(map(joblib.delayed(local), ABOVE)) == [local(x) for x in ABOVE]


SCRIPT = """
import pickle, cloudpickle, fastad

@fastad.compile
@fastad.value_and_grad
def f(x):
    return x * x

@fastad.compile
def g(x):
    return f(x)[0] + 1.0

assert pickle.loads(pickle.dumps(f)) is f
print(cloudpickle.dumps([f, g]).hex())
"""


def test_compiled_functions_of_a_script_for_other_machines():
    """There __main__ is another program."""
    pytest.importorskip("cloudpickle")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    f, g = pickle.loads(bytes.fromhex(run.stdout))
    assert (f(3.0), f(4.0), g(3.0)) == ((9.0, 6.0), (16.0, 8.0), 10.0)


def test_dask_sends_programs_as_they_are():
    protocol = pytest.importorskip("distributed.protocol")
    for program in RECORDED:
        other = protocol.deserialize(*protocol.serialize(program))
        assert list(map(other, BELOW)) == list(map(program, BELOW))


# ---- The Monte Carlo example ---------------------------------------------------------


@pytest.fixture(scope="module")
def example():
    pytest.importorskip("distributed")
    if not EXAMPLE.is_file():
        pytest.skip("the examples are not here")
    spec = importlib.util.spec_from_file_location("monte_carlo_dask", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_greeks_against_black_scholes(example):
    """With one share and one date the option is a plain call."""
    s, v, r, k, t = 100.0, 0.2, 0.05, 105.0, 0.5
    d = (standard_math.log(s / k) + (r + v * v / 2) * t) / (v * standard_math.sqrt(t))
    e = d - v * standard_math.sqrt(t)
    exact = numpy.array(
        [
            s * normal(d) - k * standard_math.exp(-r * t) * normal(e),
            normal(d),
            s
            * standard_math.sqrt(t / (2 * standard_math.pi))
            * standard_math.exp(-d * d / 2),
            k * t * standard_math.exp(-r * t) * normal(e),
        ]
    )
    market, option = example.Market([s], [v], r), example.Option(k, t)
    function = fastad.compile(fastad.value_and_grad(example.discounted_payoff))
    sums = example.simulate(function, market, option, 1, 0.0, 4000, seed=3)
    means, errors = sums.estimates()
    assert (abs(means - exact) < 4 * errors).all()
    assert (errors < 0.05 * exact).all()
    assert len(function.paths) == 2


def normal(x):
    return 0.5 * standard_math.erfc(-x / standard_math.sqrt(2.0))


def test_its_greeks_against_differences(example):
    """The same paths with the market a little to each side."""

    def estimates(spots, volatilities, rate):
        market = example.Market(spots, volatilities, rate)
        function = fastad.compile(fastad.value_and_grad(example.discounted_payoff))
        option, dates = example.OPTION, example.DATES
        sums = example.simulate(function, market, option, dates, 0.4, 50, seed=5)
        return sums.estimates()[0]

    spots, volatilities, rate = example.MARKET
    greeks = estimates(spots, volatilities, rate)[1:]
    for k in range(7):
        prices = []
        for step in (1e-5, -1e-5):
            numbers = [*spots, *volatilities, rate]
            numbers[k] += step
            prices.append(estimates(numbers[:3], numbers[3:6], numbers[6])[0])
        assert greeks[k] == pytest.approx((prices[0] - prices[1]) / 2e-5, rel=1e-4)


def test_it_runs_on_a_local_cluster(example):
    """As a user runs it; the same numbers as without a cluster."""
    command = [
        sys.executable,
        str(EXAMPLE),
        "--paths",
        "20",
        "--tasks",
        "4",
        "--workers",
        "2",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    sums = example.run(
        Here(),
        example.MARKET,
        example.OPTION,
        example.DATES,
        example.CORRELATION,
        20,
        4,
        1,
    )
    assert run.stdout == example.report(sums, example.MARKET) + "\n"
    assert re.search(r"^80 paths\n.*\nprice +\d+\.\d+ ", run.stdout)


class Here:
    """A Client without a cluster."""

    def scatter(self, objects, **options):
        return objects

    def submit(self, f, *args, pure):
        return f(*args)

    def gather(self, results):
        return results
