"""A neural network of scalars tells three species of iris apart.

    python examples/iris.py [PLOT]

Length and width of 150 petals in centimetres, from R. A. Fisher, "The use of multiple
measurements in taxonomic problems" (1936); measured by E. Anderson. They are in
iris.csv.

Two numbers go in, a layer of tanh follows, then a score for each species. Every weight,
every neuron is a number of its own, and the network is a loop of Python. What is
minimised is the mean of -log(probability of the right species), and a little of the
weights' squares, which keeps the boundaries smooth.
"""

import csv
import random
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fastad
from fastad import math

SPECIES = ["setosa", "versicolor", "virginica"]
HIDDEN = 5


def read():
    """Return the petals, each a pair (length, width), and the numbers of their species."""
    with Path(__file__).with_name("iris.csv").open(encoding="utf8", newline="") as file:
        rows = list(csv.DictReader(file))
    petals = [(float(row["petal_length"]), float(row["petal_width"])) for row in rows]
    return petals, [SPECIES.index(row["species"]) for row in rows]


def begin(seed):
    """Small random weights: two layers, of each neuron a list that ends with its bias."""
    rng = random.Random(seed)
    return {
        "hidden": [[rng.gauss(0, 0.5) for _ in range(3)] for _ in range(HIDDEN)],
        "scores": [[rng.gauss(0, 0.5) for _ in range(HIDDEN + 1)] for _ in SPECIES],
    }


def layer(neurons, inputs):
    return [math.sumprod(weights[:-1], inputs) + weights[-1] for weights in neurons]


def scores(network, petal):
    length, width = petal
    inputs = [length - 3.76, 2 * (width - 1.2)]  # about the mean, of like size
    hidden = [math.tanh(s) for s in layer(network["hidden"], inputs)]
    return layer(network["scores"], hidden)


def loss(network, petals, species, decay=1e-3):
    total = 0.0
    for petal, right in zip(petals, species, strict=True):
        s = scores(network, petal)
        total += fastad.logsumexp(s) - s[right]
    squares = sum(math.sumprod(n, n) for side in network.values() for n in side)
    return total / len(petals) + decay * squares


def train(petals, species, steps=300, seed=1936):
    """Return the trained network and the loss after each step.

    Gradient descent with momentum. The gradient has the shape of the network.
    """
    network = begin(seed)
    value_and_slope = fastad.value_and_grad(loss)
    speeds = {side: [[0.0] * len(n) for n in network[side]] for side in network}
    history = []
    for _ in range(steps):
        value, slope = value_and_slope(network, petals, species)
        history.append(value)
        for side in network:
            for weights, speed, slopes in zip(
                network[side], speeds[side], slope[side], strict=True
            ):
                for i, s in enumerate(slopes):
                    speed[i] = 0.9 * speed[i] - 0.2 * s
                    weights[i] += speed[i]
    return network, history


def guess(network, petal):
    s = scores(network, petal)
    return s.index(max(s))


def draw(network, history, petals, species, plot):
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    lengths, widths = np.linspace(0.6, 7.2, 200), np.linspace(-0.05, 2.65, 160)
    areas = [[guess(network, (x, y)) for x in lengths] for y in widths]
    colors = ["C0", "C1", "C2"]
    left.contourf(
        lengths, widths, areas, [-0.5, 0.5, 1.5, 2.5], colors=colors, alpha=0.2
    )
    for i, name in enumerate(SPECIES):
        own = [p for p, s in zip(petals, species, strict=True) if s == i]
        left.plot(*zip(*own, strict=True), "o", color=colors[i], ms=4, label=name)
    wrong = [p for p, s in zip(petals, species, strict=True) if guess(network, p) != s]
    left.plot(
        *zip(*wrong, strict=True), "o", mfc="none", color="k", ms=9, label="wrong"
    )
    left.set(title="Petals of irises", xlabel="length, cm", ylabel="width, cm")
    left.legend(frameon=False, loc="upper left")
    right.semilogy(history, color="C3")
    right.set(title="Loss", xlabel="step")
    right.spines[["top", "right"]].set_visible(False)
    figure.savefig(plot, dpi=150)


def main(plot):
    petals, species = read()
    network, history = train(petals, species)
    guesses = [guess(network, petal) for petal in petals]
    right = sum(g == s for g, s in zip(guesses, species, strict=True))
    print(f"loss {history[0]:.3f} -> {history[-1]:.3f} in {len(history)} steps")
    print(f"{right} of {len(petals)} are told right")
    draw(network, history, petals, species, plot)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else Path(__file__).with_suffix(".png"))
