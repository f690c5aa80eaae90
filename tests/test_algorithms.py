"""Every engine on textbook algorithms whose way depends on their numbers."""

import math as plain_math
import random

import numpy
import pytest

import fastad
from tests.algorithms import ALGORITHMS

each_algorithm = pytest.mark.parametrize(
    ("algorithm", "x"), ALGORITHMS.items(), ids=lambda v: getattr(v, "__name__", "")
)


class WithRoots:
    """math, with the cbrt that it has from Python 3.11 on."""

    cbrt = staticmethod(fastad.math.cbrt)

    def __getattr__(self, name):
        return getattr(plain_math, name)


def of_vars(algorithm):
    def f(x):
        return algorithm(x, fastad.math)

    return f


def points_around(x):
    """So far away that most algorithms go another way at some of them."""
    rng = random.Random(1)
    return [x, *([y * rng.uniform(0.6, 1.4) for y in x] for _ in range(12))]


def flat(numbers):
    return numpy.ravel(numpy.asarray(numbers, float))


@each_algorithm
def test_values_are_those_of_floats(algorithm, x):
    f = of_vars(algorithm)
    for point in points_around(x):
        expected = algorithm(point, WithRoots())
        found, _ = fastad.vjp(f, point)
        assert numpy.array_equal(found, expected)
        assert numpy.array_equal(f(point), expected)


@each_algorithm
def test_derivatives_are_those_of_differences(algorithm, x):
    assert fastad.check_grad(of_vars(algorithm), x) < 1e-6


@each_algorithm
def test_compiled_algorithms_take_every_way(algorithm, x):
    plain = fastad.jacobian(of_vars(algorithm))
    compiled = fastad.compile(plain)
    points = points_around(x)
    expected = numpy.array([flat(plain(point)) for point in points])
    size = numpy.max(numpy.abs(expected))
    for _ in range(2):
        found = [flat(compiled(point)) for point in points]
        assert numpy.allclose(found, expected, rtol=1e-12, atol=1e-14 * size)
    assert compiled.stats["eager"] == 0
    everywhere = fastad.vmap(of_vars(algorithm))(numpy.array(points))
    values = [flat(algorithm(point, WithRoots())) for point in points]
    assert numpy.allclose(
        numpy.transpose(everywhere), numpy.squeeze(values), rtol=1e-11
    )


def test_the_ways_differ():
    """The points would be no use if an algorithm went the same way at all of them."""
    several = 0
    for algorithm, x in ALGORITHMS.items():
        compiled = fastad.compile(of_vars(algorithm))
        for point in points_around(x):
            compiled(point)
        several += len(compiled.paths) > 1
    assert several >= len(ALGORITHMS) - 3
