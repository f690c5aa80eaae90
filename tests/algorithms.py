"""Textbook algorithms that decide by their numbers, written for any kind of number.

Each takes a list x and a module m with math functions and returns a number or a list, as do
the functions of `published`. Sorting, pivoting, searching, queues and adaptive steps: what
they compute is differentiated, what they compare is not.
"""

import heapq
import itertools

from tests.published import total


def solve(x, m):
    """Gaussian elimination with row pivoting, of three equations."""
    rows = [[*x[3 * i : 3 * i + 3], i + 1.0] for i in range(3)]
    for k in range(3):
        pivot = max(range(k, 3), key=lambda i: abs(rows[i][k]))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        for i in range(k + 1, 3):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    y = [0.0] * 3
    for i in (2, 1, 0):
        rest = total(rows[i][j] * y[j] for j in range(i + 1, 3))
        y[i] = (rows[i][3] - rest) / rows[i][i]
    return y


def eigenvalues(x, m):
    """Of a symmetric matrix, by C. G. J. Jacobi's rotations."""
    a = [[x[0], x[1], x[2]], [x[1], x[3], x[4]], [x[2], x[4], x[5]]]
    for _ in range(20):
        p, q = max(((0, 1), (0, 2), (1, 2)), key=lambda at: abs(a[at[0]][at[1]]))
        if abs(a[p][q]) < 1e-14:
            break
        t = (a[q][q] - a[p][p]) / (2.0 * a[p][q])
        t = m.copysign(1.0, t) / (abs(t) + m.sqrt(t * t + 1.0))
        c = 1.0 / m.sqrt(t * t + 1.0)
        s = t * c
        for row in a:
            row[p], row[q] = c * row[p] - s * row[q], s * row[p] + c * row[q]
        a[p], a[q] = (
            [c * y - s * z for y, z in zip(a[p], a[q], strict=True)],
            [s * y + c * z for y, z in zip(a[p], a[q], strict=True)],
        )
    return sorted(a[i][i] for i in range(3))


def linear_program(x, m):
    """The simplex method: the best profit within two limits."""
    table = [
        [1.0, 2.0, 1.0, 0.0, x[0]],
        [3.0, 1.0, 0.0, 1.0, x[1]],
        [-x[2], -x[3], 0.0, 0.0, 0.0],
    ]
    while min(table[2]) < 0.0:
        column = min(range(4), key=lambda j: table[2][j])
        row = min(
            (i for i in (0, 1) if table[i][column] > 0.0),
            key=lambda i: table[i][4] / table[i][column],
        )
        pivot = table[row][column]
        table[row] = [y / pivot for y in table[row]]
        for i in {0, 1, 2} - {row}:
            factor = table[i][column]
            table[i] = [
                y - factor * z for y, z in zip(table[i], table[row], strict=True)
            ]
    return table[2][4]


def shortest_path(x, m):
    """E. W. Dijkstra's, with a heap."""
    edges = {
        0: [(1, x[0]), (2, x[1])],
        1: [(3, x[2])],
        2: [(1, x[3]), (3, x[4])],
        3: [],
    }
    distances, heap = {0: 0.0}, [(0.0, 0)]
    while heap:
        distance, node = heapq.heappop(heap)
        for other, length in edges[node]:
            if other not in distances or distance + length < distances[other]:
                distances[other] = distance + length
                heapq.heappush(heap, (distances[other], other))
    return distances[3]


def time_warping(x, m):
    """The least difference of two series, one of which may go faster or slower."""
    left, right = x[:3], x[3:]
    costs = {(0, 0): 0.0}
    for i, j in itertools.product(range(3), range(len(right))):
        before = [costs[at] for at in ((i, j), (i, j + 1), (i + 1, j)) if at in costs]
        costs[i + 1, j + 1] = abs(left[i] - right[j]) + min(before)
    return costs[3, len(right)]


def best_states(x, m):
    """A. J. Viterbi's: the logarithm of the most probable path of a hidden Markov chain."""
    steps = [[x[0], 1.0 - x[0]], [x[1], 1.0 - x[1]]]
    emits = [[x[2], 1.0 - x[2]], [x[3], 1.0 - x[3]]]
    best = [m.log(0.5 * emits[state][0]) for state in (0, 1)]
    for seen in (1, 0, 1, 1):
        best = [
            max(best[k] + m.log(steps[k][state]) for k in (0, 1))
            + m.log(emits[state][seen])
            for state in (0, 1)
        ]
    return max(best)


def hull_area(x, m):
    """The area of the convex hull, by A. M. Andrew's monotone chain."""

    def turn(a, b, c):
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    def half(points):
        chain = []
        for point in points:
            while len(chain) > 1 and turn(*chain[-2:], point) <= 0.0:
                chain.pop()
            chain.append(point)
        return chain[:-1]

    points = sorted(zip(x[::2], x[1::2], strict=True))
    hull = half(points) + half(points[::-1])
    return (
        total(
            a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise([*hull, hull[0]])
        )
        / 2.0
    )


def centres(x, m):
    """S. P. Lloyd's: two means of groups of numbers."""
    means = [x[0], x[3]]
    for _ in range(5):
        groups = [], []
        for y in x:
            groups[int(abs(y - means[0]) > abs(y - means[1]))].append(y)
        means = [total(group) / len(group) for group in groups]
    return means


def growth(x, m):
    """The logistic equation by P. Bogacki and L. F. Shampine's steps of adapted size."""

    def slope(y):
        return x[0] * y * (1.0 - y / x[1])

    time, y, step = 0.0, 0.1, 0.1
    while time < 2.0:
        step = min(step, 2.0 - time)
        k1 = slope(y)
        k2 = slope(y + step / 2.0 * k1)
        k3 = slope(y + 0.75 * step * k2)
        z = y + step * (2.0 * k1 + 3.0 * k2 + 4.0 * k3) / 9.0
        k4 = slope(z)
        error = abs(step * (-5.0 * k1 / 72.0 + k2 / 12.0 + k3 / 9.0 - k4 / 8.0))
        if error < 1e-7:
            time, y = time + step, z
        step = step * min(4.0, max(0.1, 0.9 * m.cbrt(1e-7 / (error + 1e-300))))
    return y


def integral(x, m):
    """Adaptive rule of T. Simpson, recursive."""

    def f(t):
        return m.sin(x[0] * t) / (1.0 + t * t)

    def simpson(a, b):
        return (b - a) / 6.0 * (f(a) + 4.0 * f((a + b) / 2.0) + f(b))

    def within(a, b, whole, depth):
        middle = (a + b) / 2.0
        left, right = simpson(a, middle), simpson(middle, b)
        rest = left + right - whole
        if depth == 0 or abs(rest) < 1e-8:
            return left + right + rest / 15.0
        return within(a, middle, left, depth - 1) + within(middle, b, right, depth - 1)

    return within(0.0, x[1], simpson(0.0, x[1]), 12)


def anomaly(x, m):
    """J. Kepler's equation by I. Newton's method, and the true anomaly."""
    eccentricity, mean = x
    angle = mean
    for _ in range(30):
        error = angle - eccentricity * m.sin(angle) - mean
        change = error / (1.0 - eccentricity * m.cos(angle))
        angle = angle - change
        if abs(change) < 1e-15:
            break
    up, down = m.sqrt(1.0 + eccentricity), m.sqrt(1.0 - eccentricity)
    return 2.0 * m.atan2(up * m.sin(angle / 2.0), down * m.cos(angle / 2.0))


def mean_of_means(x, m):
    """C. F. Gauss's arithmetic-geometric mean."""
    a, b = x
    while abs(a - b) > 1e-14 * abs(a):
        a, b = (a + b) / 2.0, m.sqrt(a * b)
    return a


def spectrum(x, m):
    """J. W. Cooley and J. W. Tukey's transform of real numbers: weighted squares."""

    def transform(z):
        if len(z) == 1:
            return z
        even, odd = transform(z[::2]), transform(z[1::2])
        first, second = [], []
        for k, ((a, b), (c, d)) in enumerate(zip(even, odd, strict=True)):
            angle = -2.0 * m.pi * k / len(z)
            p, q = m.cos(angle), m.sin(angle)
            turned = p * c - q * d, p * d + q * c
            first.append((a + turned[0], b + turned[1]))
            second.append((a - turned[0], b - turned[1]))
        return first + second

    squares = (a * a + b * b for a, b in transform([(y, 0.0) for y in x]))
    return total(k * square for k, square in enumerate(squares))


def simplex_search(x, m):
    """J. A. Nelder and R. Mead's, of which only the corners' order depends on x."""

    def f(corner):
        return (corner[0] - x[0]) ** 2 + (corner[1] - x[1]) ** 2

    corners = [(x[0] - 1.0, x[1]), (x[0], x[1] + 2.0), (x[0] * x[1], 1.0)]
    for _ in range(12):
        corners.sort(key=f)
        middle = [(corners[0][k] + corners[1][k]) / 2.0 for k in (0, 1)]
        mirrored = tuple(2.0 * middle[k] - corners[2][k] for k in (0, 1))
        nearer = tuple((middle[k] + corners[2][k]) / 2.0 for k in (0, 1))
        corners[2] = mirrored if f(mirrored) < f(corners[1]) else nearer
    return f(corners[0])


# Each with a point at which no comparison is a tie.
ALGORITHMS = {
    solve: [1.0, 4.0, 2.0, 3.0, -1.0, 5.0, 2.0, 2.0, 7.0],
    eigenvalues: [2.0, 0.5, 0.3, 1.0, 0.7, 3.0],
    linear_program: [8.0, 9.0, 3.0, 2.0],
    shortest_path: [2.0, 1.0, 3.0, 0.5, 6.0],
    time_warping: [1.0, 2.0, 3.5, 1.2, 2.9, 3.1, 4.0],
    best_states: [0.7, 0.4, 0.6, 0.2],
    hull_area: [0.0, 0.1, 2.0, 0.3, 2.5, 2.0, 0.4, 1.8, 1.0, 1.1, 1.2, 0.9],
    centres: [1.0, 1.3, 4.2, 7.0, 8.0, 6.5],
    growth: [1.2, 2.0],
    integral: [2.0, 3.0],
    anomaly: [0.3, 1.1],
    mean_of_means: [1.0, 0.3],
    spectrum: [1.0, 2.0, 0.5, -1.0, 3.0, 0.2, 0.7, 1.1],
    simplex_search: [1.0, 2.0],
}
