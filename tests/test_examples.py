"""The examples run, draw, and find what others have found.

Each is imported from examples/, run smaller where that saves time, and compared with
numbers that do not come from fastad.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, optimize

EXAMPLES = Path(__file__).parents[1] / "examples"

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="the tests run without a source tree"
)


def example(name):
    """A new module of the example's code."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def drawn(tmp_path):
    """Where to draw; afterwards a picture must be there."""
    path = tmp_path / "plot.png"
    yield path
    assert path.read_bytes().startswith(b"\x89PNG")


def test_every_example_is_tested():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    here = {"eight_schools", "heston", "iris", "lynx_hare", "mars", "onions"}
    assert names == here | {"monte_carlo_dask"}  # which tests/test_workers.py runs


def test_onions_has_the_results_that_nist_certifies(drawn, capsys):
    onions = example("onions")
    b, covariance, s = onions.fit()
    certified = [6.9964151270e02, 5.2771253025e00, 7.5962938329e-01, 1.2792483859e00]
    errors = [1.6302297817e01, 2.0828735829e00, 1.9566123451e-01, 6.8761936385e-01]
    assert b == pytest.approx(certified, rel=1e-7)
    assert np.sqrt(np.diag(covariance)) == pytest.approx(errors, rel=1e-6)
    assert s == pytest.approx(2.8262414662e01, rel=1e-9)
    onions.main(drawn)
    assert "b1 =  699.6415" in capsys.readouterr().out


def test_heston_fits_as_quantlib_does():
    # QuantLib's test of this calibration, with maturities in whole weeks: 177.2.
    heston = example("heston")
    weeks = [14, 42, 77, 168, 259, 343, 525, 700]
    heston.RATES = np.interp(weeks, heston.DAYS, heston.RATES).tolist()
    heston.DAYS = weeks
    _, squares = heston.calibrate()
    assert squares == pytest.approx(177.2, abs=0.2)


def test_heston_has_the_greeks_of_black_and_scholes(drawn):
    # With a variance that stays where it is.
    heston = example("heston")
    flat = [0.09, 0.09, 1.0, 1e-3, 0.0]
    greeks = heston.greeks(flat, 4500, 4)
    option = 0.3, heston.SPOT, 4500, heston.RATES[4], heston.DAYS[4] / 365
    assert greeks["price"] == pytest.approx(heston.black_scholes(*option), rel=1e-5)
    _, spot, strike, rate, years = option
    deviation = 0.3 * years**0.5
    d1 = (np.log(spot / strike) + rate * years) / deviation + 0.5 * deviation
    density = np.exp(-0.5 * d1 * d1) / np.sqrt(2 * np.pi)
    assert greeks["delta"] == pytest.approx(heston.ndtr(d1), rel=1e-5)
    assert greeks["gamma"] == pytest.approx(density / (spot * deviation), rel=1e-4)
    heston.draw(flat, drawn)


def test_lynx_hare_agrees_with_an_adaptive_solver_and_differences(drawn):
    lynx_hare = example("lynx_hare")
    parameters, errors, s = lynx_hare.fit()
    counts = np.log([lynx_hare.HARES, lynx_hare.LYNXES])

    def residuals(log_parameters):
        *rates, hare, lynx = np.exp(log_parameters)
        solution = integrate.solve_ivp(
            lambda t, y: lynx_hare.rates(*y, *rates),
            (0.0, 20.0),
            (hare, lynx),
            t_eval=np.arange(21.0),
            **{"method": "DOP853", "rtol": 1e-10, "atol": 1e-10},
        )
        return (np.log(solution.y) - counts).ravel()

    found = optimize.least_squares(residuals, lynx_hare.START, "3-point", xtol=1e-12)
    assert parameters == pytest.approx(np.exp(found.x), rel=1e-4)
    assert s == pytest.approx(np.sqrt(2 * found.cost / (42 - 6)), rel=1e-5)
    covariance = s**2 * np.linalg.inv(found.jac.T @ found.jac)
    assert errors == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-3)
    lynx_hare.main(drawn)


def marginals_of_eight_schools():
    """Means of mu, tau and the effects by quadrature over mu and tau."""
    y = np.array([28, 8, -3, 7, -1, 1, 18, 12])
    variance = np.array([15, 10, 16, 11, 9, 11, 10, 18]) ** 2.0
    mu, tau = np.meshgrid(np.linspace(-25, 35, 601), np.linspace(0.01, 60, 1200))
    log_density = -0.5 * (mu / 5) ** 2 - np.log1p((tau / 5) ** 2)
    effects = []
    for j in range(8):
        spread = variance[j] + tau**2
        log_density += -0.5 * np.log(spread) - 0.5 * (y[j] - mu) ** 2 / spread
        effects.append((mu * variance[j] + y[j] * tau**2) / spread)
    density = np.exp(log_density - log_density.max())
    return [np.average(x, weights=density) for x in (mu, tau, *effects)]


def test_eight_schools_samples_the_posterior(drawn):
    schools = example("eight_schools")
    points, accepted = schools.run(n=1500)
    assert 0.8 < accepted < 1.0
    sampled = np.array([[q[0], np.exp(q[1]), *schools.effects(q)] for q in points])
    # Four standard errors of as many independent draws, times two for dependence.
    allowed = 8 * sampled.std(axis=0) / np.sqrt(len(points))
    assert np.all(abs(sampled.mean(axis=0) - marginals_of_eight_schools()) < allowed)
    schools.draw(points, drawn)


def test_mars_moves_as_kepler_found(drawn):
    mars = example("mars")
    elements, errors, left_over = mars.determine()
    period, e, perihelion, _ = elements
    # Today's elements, with their secular terms, taken back to 1590.
    centuries = -4.1
    assert period == pytest.approx(686.93, abs=0.02)
    assert e == pytest.approx(0.09341 + 0.0000904 * centuries, abs=4 * errors[1])
    assert perihelion == pytest.approx(336.06 + 1.841 * centuries, abs=0.7)
    assert mars.size(elements) == pytest.approx(1.52368, abs=1e-4)
    assert max(map(abs, left_over)) < 2.0  # Kepler: "2 minutes"
    mars.main(drawn)


def test_iris_learns_the_species(drawn):
    iris = example("iris")
    petals, species = iris.read()
    assert [species.count(i) for i in range(3)] == [50, 50, 50]
    assert np.mean(petals, axis=0) == pytest.approx([3.758, 1.1993], abs=1e-3)
    network, history = iris.train(petals, species, steps=60)
    assert history[0] > 1.0 > 0.2 > history[-1]
    right = sum(
        iris.guess(network, p) == s for p, s in zip(petals, species, strict=True)
    )
    assert right >= 140
    iris.draw(network, history, petals, species, drawn)
