"""Published test functions for optimisation, written for any kind of number.

Each takes a list x and a module m with math functions. Sources: More, Garbow and Hillstrom,
"Testing unconstrained optimization software", ACM TOMS 7 (1981), number in brackets; Jamil
and Yang, "A literature survey of benchmark functions", IJMMNO 4 (2013), [JY number].
"""


def total(terms):
    """The plain sum: from Python 3.12 on the builtin compensates floats, and no Vars."""
    result = 0
    for term in terms:
        result = result + term
    return result


def rosenbrock(x, m):  # [1]
    return (10 * (x[1] - x[0] ** 2)) ** 2 + (1 - x[0]) ** 2


def freudenstein_roth(x, m):  # [2]
    a = -13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1]
    b = -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]
    return a**2 + b**2


def powell_badly_scaled(x, m):  # [3]
    return (1e4 * x[0] * x[1] - 1) ** 2 + (m.exp(-x[0]) + m.exp(-x[1]) - 1.0001) ** 2


def brown_badly_scaled(x, m):  # [4]
    return (x[0] - 1e6) ** 2 + (x[1] - 2e-6) ** 2 + (x[0] * x[1] - 2) ** 2


def beale(x, m):  # [5]
    y = 1.5, 2.25, 2.625
    return total((y[i] - x[0] * (1 - x[1] ** (i + 1))) ** 2 for i in range(3))


def jennrich_sampson(x, m):  # [6]
    return total(
        (2 + 2 * i - (m.exp(i * x[0]) + m.exp(i * x[1]))) ** 2 for i in range(1, 11)
    )


def helical_valley(x, m):  # [7], in the half plane x[0] > 0
    theta = m.atan(x[1] / x[0]) / 6.283185307179586
    return (
        100 * ((x[2] - 10 * theta) ** 2 + (m.sqrt(x[0] ** 2 + x[1] ** 2) - 1) ** 2)
        + x[2] ** 2
    )


def bard(x, m):  # [8]
    y = (
        0.14,
        0.18,
        0.22,
        0.25,
        0.29,
        0.32,
        0.35,
        0.39,
        0.37,
        0.58,
        0.73,
        0.96,
        1.34,
        2.10,
        4.39,
    )
    result = 0
    for i, y_i in enumerate(y, 1):
        v = 16 - i
        result = result + (y_i - (x[0] + i / (v * x[1] + min(i, v) * x[2]))) ** 2
    return result


def gaussian(x, m):  # [9], its first data
    y = 0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989
    return total(
        (x[0] * m.exp(-x[1] * ((8 - i) / 2 - x[2]) ** 2 / 2) - y_i) ** 2
        for i, y_i in enumerate(y, 1)
    )


def box_3d(x, m):  # [12]
    result = 0
    for i in range(1, 11):
        t = 0.1 * i
        result = (
            result
            + (
                m.exp(-t * x[0])
                - m.exp(-t * x[1])
                - x[2] * (m.exp(-t) - m.exp(-10 * t))
            )
            ** 2
        )
    return result


def powell_singular(x, m):  # [13]
    return (
        (x[0] + 10 * x[1]) ** 2
        + 5 * (x[2] - x[3]) ** 2
        + (x[1] - 2 * x[2]) ** 4
        + 10 * (x[0] - x[3]) ** 4
    )


def wood(x, m):  # [14]
    return (
        100 * (x[1] - x[0] ** 2) ** 2
        + (1 - x[0]) ** 2
        + 90 * (x[3] - x[2] ** 2) ** 2
        + (1 - x[2]) ** 2
        + 10.1 * ((x[1] - 1) ** 2 + (x[3] - 1) ** 2)
        + 19.8 * (x[1] - 1) * (x[3] - 1)
    )


def kowalik_osborne(x, m):  # [15], half of its data
    data = ((0.1957, 4), (0.1947, 2), (0.1735, 1), (0.16, 0.5), (0.0844, 0.25))
    return total(
        (y - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])) ** 2 for y, u in data
    )


def brown_dennis(x, m):  # [16]
    result = 0
    for i in range(1, 8):
        t = i / 5
        a = (x[0] + t * x[1] - m.exp(t)) ** 2
        b = (x[2] + x[3] * m.sin(t) - m.cos(t)) ** 2
        result = result + (a + b) ** 2
    return result


def biggs_exp6(x, m):  # [18]
    result = 0
    for i in range(1, 14):
        t = 0.1 * i
        y = m.exp(-t) - 5 * m.exp(-10 * t) + 3 * m.exp(-4 * t)
        f = x[2] * m.exp(-t * x[0]) - x[3] * m.exp(-t * x[1]) + x[5] * m.exp(-t * x[4])
        result = result + (f - y) ** 2
    return result


def trigonometric(x, m):  # [26]
    n = len(x)
    cosines = total(m.cos(v) for v in x)
    return total(
        (n - cosines + (i + 1) * (1 - m.cos(x[i])) - m.sin(x[i])) ** 2 for i in range(n)
    )


def ackley(x, m):  # [JY 1]
    n = len(x)
    a = -20 * m.exp(-0.2 * m.sqrt(total(v * v for v in x) / n))
    return a - m.exp(total(m.cos(6.283185307179586 * v) for v in x) / n)


def adjiman(x, m):  # [JY 2]
    return m.cos(x[0]) * m.sin(x[1]) - x[0] / (x[1] ** 2 + 1)


def bird(x, m):  # [JY 16]
    return (
        m.sin(x[0]) * m.exp((1 - m.cos(x[1])) ** 2)
        + m.cos(x[1]) * m.exp((1 - m.sin(x[0])) ** 2)
        + (x[0] - x[1]) ** 2
    )


def branin(x, m):  # [JY 22]
    a = x[1] - 5.1 * x[0] ** 2 / 39.47841760435743 + 5 * x[0] / 3.141592653589793 - 6
    return a**2 + 10 * (1 - 1 / 25.132741228718345) * m.cos(x[0]) + 10


def camel_six_hump(x, m):  # [JY 30]
    return (
        (4 - 2.1 * x[0] ** 2 + x[0] ** 4 / 3) * x[0] ** 2
        + x[0] * x[1]
        + (4 * x[1] ** 2 - 4) * x[1] ** 2
    )


def easom(x, m):  # [JY 50]
    return (
        -m.cos(x[0]) * m.cos(x[1]) * m.exp(-((x[0] - 3.14) ** 2) - (x[1] - 3.14) ** 2)
    )


def griewank(x, m):  # [JY 59]
    product = 1
    for i, v in enumerate(x, 1):
        product = product * m.cos(v / i**0.5)
    return total(v * v for v in x) / 4000 - product + 1


def levy(x, m):
    w = [1 + (v - 1) / 4 for v in x]
    pi = 3.141592653589793
    result = m.sin(pi * w[0]) ** 2
    for v in w[:-1]:
        result = result + (v - 1) ** 2 * (1 + 10 * m.sin(pi * v + 1) ** 2)
    return result + (w[-1] - 1) ** 2 * (1 + m.sin(2 * pi * w[-1]) ** 2)


def salomon(x, m):  # [JY 110]
    r = m.sqrt(total(v * v for v in x))
    return 1 - m.cos(6.283185307179586 * r) + 0.1 * r


def black_scholes(x, m):  # a call: spot, strike, rate, volatility, years
    s, k, r, v, t = x
    d1 = (m.log(s / k) + (r + v * v / 2) * t) / (v * m.sqrt(t))
    d2 = d1 - v * m.sqrt(t)
    root = 1.4142135623730951
    return (
        s * (1 + m.erf(d1 / root)) / 2 - k * m.exp(-r * t) * (1 + m.erf(d2 / root)) / 2
    )


FUNCTIONS = {
    rosenbrock: [-1.2, 1.0],
    freudenstein_roth: [0.5, -2.0],
    powell_badly_scaled: [0.3, 1.1],
    brown_badly_scaled: [1.0, 1.5],
    beale: [1.2, 0.8],
    jennrich_sampson: [0.3, 0.4],
    helical_valley: [1.3, 0.7, 0.2],
    bard: [1.0, 1.1, 0.9],
    gaussian: [0.4, 1.1, 0.2],
    box_3d: [0.2, 1.0, 2.0],
    powell_singular: [3.0, -1.0, 0.5, 1.0],
    wood: [-3.0, -1.0, -2.0, 1.5],
    kowalik_osborne: [0.25, 0.39, 0.415, 0.39],
    brown_dennis: [2.5, 0.5, -0.5, -1.0],
    biggs_exp6: [1.0, 2.0, 1.1, 0.9, 1.2, 0.8],
    trigonometric: [0.1, 0.3, 0.7, 1.1],
    ackley: [0.4, -0.8, 1.3],
    adjiman: [0.7, -0.3],
    bird: [0.9, 1.7],
    branin: [2.3, 4.1],
    camel_six_hump: [0.6, -0.4],
    easom: [2.9, 3.4],
    griewank: [1.1, -2.3, 0.4],
    levy: [0.2, 1.7, -0.6],
    salomon: [0.3, 0.4],
    black_scholes: [100.0, 105.0, 0.03, 0.25, 1.5],
}
