"""The same workloads in other packages that differentiate eager scalar Python.

    python -m benchmarks.peers [--seconds S] [PEER ...]

A peer is run as its documentation has it, on the same function and point, in turns
with the float run, and its gradient is compared with that of the plain-Python
reference. What is not installed is skipped. A new peer is one function and one line of
PEERS. (Packages made for arrays, such as autograd and JAX, take thousands of float runs
here: comparing with them says nothing.)
"""

import argparse
import importlib
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import fastad
from fastad import reference

from .figures import with_math
from .interleaved import interleave, ratio
from .workloads import ONE_CALL, SEVEN, Workload

Gradient = Callable[[], tuple[float, list[float]]]

WRONG = 1e-9  # a gradient further from the reference's than this is wrong


def run_fastad(w: Workload) -> Gradient:
    gradient = fastad.value_and_grad(with_math(w, fastad.math))
    return lambda: gradient(w.x)


def run_reference(w: Workload) -> Gradient:
    gradient = reference.value_and_grad(with_math(w, reference.math))
    return lambda: gradient(w.x)


def run_xad(w: Workload) -> Gradient:
    """A C++ tape bound to Python."""
    import xad.adj_1st
    import xad.math

    def gradient() -> tuple[float, list[float]]:
        with xad.adj_1st.Tape() as tape:
            x = [xad.adj_1st.Real(v) for v in w.x]
            for v in x:
                tape.registerInput(v)
            tape.newRecording()
            y = w.f(x, xad.math)
            tape.registerOutput(y)
            y.derivative = 1.0
            tape.computeAdjoints()
            return y.value, [v.derivative for v in x]

    return gradient


def run_micrograd(w: Workload) -> Gradient:
    """A class of a hundred lines, made for teaching."""
    engine = importlib.import_module("micrograd.engine")

    def unary(
        name: str, slope: Callable[[float, float], float]
    ) -> Callable[[Any], Any]:
        f = getattr(math, name)

        def call(x: Any) -> Any:
            y = engine.Value(f(x.data), (x,), name)

            def backward() -> None:
                x.grad += slope(x.data, y.data) * y.grad

            y._backward = backward
            return y

        return call

    m = SimpleNamespace(
        exp=unary("exp", lambda x, y: y),
        log=unary("log", lambda x, y: 1 / x),
        sin=unary("sin", lambda x, y: math.cos(x)),
        tanh=unary("tanh", lambda x, y: 1 - y * y),
        sqrt=unary("sqrt", lambda x, y: 0.5 / y),
        erf=unary("erf", lambda x, y: 2 / math.sqrt(math.pi) * math.exp(-x * x)),
    )

    def gradient() -> tuple[float, list[float]]:
        x = [engine.Value(v) for v in w.x]
        y = w.f(x, m)
        y.backward()
        return y.data, [v.grad for v in x]

    return gradient


PEERS: dict[str, Callable[[Workload], Gradient]] = {
    "fastad": run_fastad,
    "reference": run_reference,
    "xad": run_xad,
    "micrograd": run_micrograd,
}


def cell(peer: str, w: Workload, seconds: float) -> str:
    """How many float runs a peer's value and gradient take, or why nobody knows."""
    try:
        gradient = PEERS[peer](w)
        _, slopes = gradient()
    except ImportError:
        raise
    except Exception as error:  # whatever a peer does, the table goes on
        return type(error).__name__[:10]
    _, right = run_reference(w)()
    scale = max(map(abs, right))
    pairs = zip(slopes, right, strict=True)
    if not all(abs(a - b) <= WRONG * scale for a, b in pairs):
        return "WRONG"
    functions = {"peer": gradient, "float": lambda: w.f(w.x, math)}
    times = interleave(functions, seconds, least_rounds=2)
    return f"{ratio(times['peer'], times['float']).median:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="per figure")
    parser.add_argument("peers", nargs="*", help=f"of {', '.join(PEERS)}; or all")
    chosen = parser.parse_args()
    if unknown := set(chosen.peers) - set(PEERS):
        parser.error(f"no peer {', '.join(unknown)}, only {', '.join(PEERS)}")
    workloads = {**SEVEN, "one call": ONE_CALL}
    print("value and gradient / float run (medians)")
    print(" " * 10 + "".join(f"{name[:10]:>11}" for name in workloads))
    for peer in chosen.peers or PEERS:
        print(f"{peer:10}", end="")
        try:
            for w in workloads.values():
                print(f"{cell(peer, w, chosen.seconds):>11}", end="", flush=True)
        except ImportError as error:
            print(f"  skipped: {error}", end="")
        print()


if __name__ == "__main__":
    main()
