"""Memory: each allocation of the core failing in turn, and nothing left behind."""

import contextlib
import gc
import os
import struct
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest

import fastad
from fastad import Tape, Var, _core, errors, grad, value_and_grad
from fastad import math as m


@contextlib.contextmanager
def memory_failing_from(n):
    """The n-th allocation of the core from here on fails, and all after it."""
    _core.fail_allocation(n)
    try:
        yield
    finally:
        _core.fail_allocation(0)


@contextlib.contextmanager
def blocks_limited_to(n_bytes):
    """Larger allocations of the core fail."""
    _core.fail_allocations_above(n_bytes)
    try:
        yield
    finally:
        _core.fail_allocations_above(0)


def all_of_the_pool():
    """The tapes that are there without memory for another."""
    tapes = []
    with memory_failing_from(1), contextlib.suppress(errors.OutOfMemoryError):
        while True:
            tapes.append(Tape())
    return tapes


def fresh_tape():
    """A Tape that never grew and was never swept."""
    taken = all_of_the_pool()
    tape = Tape()
    del taken
    return tape


def leave_fresh_tape_for_the_verbs():
    fresh_tape().close()  # the pool hands out first what it got last


def bits(x):
    if x is None or isinstance(x, str):
        return x
    if isinstance(x, dict):
        return {key: bits(item) for key, item in x.items()}
    if isinstance(x, numpy.ndarray):
        return x.shape, x.tobytes()
    if isinstance(x, (list, tuple)):
        return [bits(item) for item in x]
    return struct.pack("<d", x)


# ---- Each allocation failing --------------------------------------------------------
#
# A case prepares, and returns a list of things that must be unharmed, a Tape among them
# where it has to stay open, and the action in which allocations fail.


def many_inputs():
    def action():
        inputs = [Var(float(k)) for k in range(5000)]
        fastad.fsum([x * x for x in inputs]).backward()
        return [x.grad for x in inputs]

    return [], action


def results_that_live():
    t = fresh_tape()
    x = t.var(1.5)

    def action():
        results = [x * float(k) for k in range(5000)]
        results[-1].backward()
        return [y.value for y in results], x.grad

    return [x, t], action


def a_long_chain():
    t = fresh_tape()
    x = t.var(1.5)
    y = m.sin(x)

    def action():
        z = y
        for _ in range(5000):
            z = z * 0.999
        z.backward()
        return z.value, x.grad

    return [x, y, t], action


def results_that_die():
    """Without memory to collect, the arena grows."""
    t = fresh_tape()
    x = t.var(1.5)
    y = m.sin(x)

    def action():
        for _ in range(5000):
            x * y
        y.backward()
        return x.grad

    return [x, y, t], action


def one_result_of_many_arguments():
    t = fresh_tape()
    inputs = [t.var(float(k)) for k in range(600)]

    def action():
        y = fastad.fsum([*inputs, *inputs, *inputs])
        y.backward()
        return y.value, [x.grad for x in inputs]

    return [*inputs, t], action


def a_sweep():
    t = fresh_tape()
    x = t.var(1.5)
    y = x * x * 0.25

    def action():
        y.backward()
        return x.grad

    return [x, y, t], action


def a_sweep_that_reaches_with_zero():
    t = fresh_tape()
    x, stranger = t.var(1.5), t.var(2.5)
    y = x * 0.0

    def action():
        y.backward()
        return x.grad, stranger.grad

    return [x, y, t], action


def a_careful_sweep():
    t = fresh_tape()
    x, z = t.var(0.0), t.var(1.0)
    y = m.sqrt(x) * 2.0 + z

    def action():
        y.backward()
        return x.grad, z.grad

    return [z, t], action


def other_tapes():
    taken = all_of_the_pool()

    def action():
        tapes = [Tape() for _ in range(5)]
        x = tapes[-1].var(2.0)
        (x * x).backward()
        return x.grad

    return taken, action


def f(p):
    return fastad.fsum([x * x * (k + 0.25) for k, x in enumerate(p)])


def a_gradient_of_a_list():
    leave_fresh_tape_for_the_verbs()
    return [], lambda: value_and_grad(f)([0.5 * k for k in range(2000)])


def a_gradient_of_an_array():
    leave_fresh_tape_for_the_verbs()
    return [], lambda: value_and_grad(lambda p: f(p.ravel()))(numpy.ones((40, 50)))


def a_gradient_of_a_nest():
    leave_fresh_tape_for_the_verbs()
    point = {"a": [float(k) for k in range(900)], "b": (1.0, [2.0, 3] * 300)}
    return [], lambda: value_and_grad(lambda p: f([*p["a"], p["b"][0], *p["b"][1]]))(
        point
    )


def a_gradient_of_a_long_run():
    leave_fresh_tape_for_the_verbs()

    def run(x):
        for _ in range(5000):
            x = m.sin(x) * 1.5
        return x

    return [], lambda: value_and_grad(run)(0.5)


def a_gradient_in_a_gradient():
    leave_fresh_tape_for_the_verbs()

    def inner(x):
        return grad(lambda y: f([x, y, x * y] * 300))(x)

    return [], lambda: grad(lambda x: x * inner(x))(0.75)


CASES = [
    *(many_inputs, results_that_live, a_long_chain, results_that_die, a_sweep),
    *(one_result_of_many_arguments, a_sweep_that_reaches_with_zero, a_careful_sweep),
    *(other_tapes, a_gradient_of_a_list, a_gradient_of_an_array),
    *(a_gradient_of_a_nest, a_gradient_of_a_long_run, a_gradient_in_a_gradient),
]
NTH = [*range(1, 12), 15, 20, 25, 30, 45, 60, 100]


def result_of(case):
    kept, action = case()
    result = bits(action())
    del kept
    return result


@pytest.mark.parametrize("case", CASES)
def test_each_allocation_may_fail(case):
    expected = result_of(case)
    messages = []
    for n in NTH:
        kept, action = case()
        try:
            with memory_failing_from(n):
                assert bits(action()) == expected
        except errors.OutOfMemoryError as error:
            messages.append(str(error))
        for x in kept:
            if type(x) is Var:  # the tape goes on
                y = x * x + 1.0
                y.backward()
                assert y.value == x.value * x.value + 1.0
        assert bits(action()) == expected
    assert messages
    assert all("memory" in message for message in messages)


@pytest.mark.parametrize("case", CASES)
def test_failures_leave_no_vars(case):
    result_of(case)
    gc.collect()
    live = _core.live_vars()
    for n in NTH:
        kept, action = case()
        with memory_failing_from(n), contextlib.suppress(errors.OutOfMemoryError):
            action()
        del kept, action
    gc.collect()
    assert _core.live_vars() == live


def test_no_memory_is_python_s_no_memory():
    with memory_failing_from(1), pytest.raises(MemoryError):
        [Var(1.0) for _ in range(100_000)]


def long_run(x, n):
    for _ in range(n):
        x = x * 1.0000001
    return x


# 24 bytes a node, and 12 for its adjoint.
@pytest.mark.parametrize(
    ("n_bytes", "n"), [(100_000, 3_900), (1_000_000, 39_000), (1_234_567, 48_000)]
)
def test_a_run_may_take_nearly_all_the_memory(n_bytes, n):
    """A tape that cannot grow to twice its size grows by less, and the adjoints follow."""
    expected = grad(long_run)(1.0, n)
    leave_fresh_tape_for_the_verbs()
    with blocks_limited_to(n_bytes):
        assert grad(long_run)(1.0, n) == expected


@pytest.mark.parametrize("n_bytes", [100_000, 1_000_000, 1_234_567])
def test_memory_ends_promptly_and_is_usable_again(n_bytes):
    """No collection for each of the last operations, and nothing large is kept afterwards."""
    with blocks_limited_to(n_bytes):
        with fresh_tape() as t:
            with pytest.raises(errors.OutOfMemoryError):
                long_run(t.var(1.0), n_bytes // 24)
            assert t.stats["collections"] < 30
            assert t.stats["nodes"] > 0.85 * n_bytes / 24
        leave_fresh_tape_for_the_verbs()
        with pytest.raises(errors.OutOfMemoryError):
            grad(long_run)(1.0, n_bytes // 24)
    with blocks_limited_to(50_000):
        assert grad(lambda x: x * x)(2.0) == 4.0
    with Tape() as t:
        t.var(1.0)
        assert t.stats["bytes"] < 50_000


@pytest.mark.parametrize("what", ["Tape", "thread"])
def test_a_tape_in_use_shrinks_after_a_shortage(what):
    tape = Tape()
    new, stats = (
        (tape.var, lambda: tape.stats) if what == "Tape" else (Var, _core.thread_stats)
    )
    with blocks_limited_to(3_000_000), pytest.raises(errors.OutOfMemoryError):
        long_run(new(1.0), 125_000)
    assert stats()["bytes"] > 2_000_000
    long_run(new(1.0), 10)
    assert stats()["bytes"] < 1_000_000


def test_a_failed_sweep_leaves_the_gradients():
    t = fresh_tape()
    x, z = t.var(0.0), t.var(3.0)
    results = [x + z, x * 0.0, m.sqrt(x) * 2.0 + z]
    (5.0 * z + x).backward()
    for y in results:
        for n in range(1, 5):
            for accumulate in (False, True):
                with memory_failing_from(n):
                    try:
                        y.backward(1.0, accumulate)
                    except MemoryError:
                        assert (x.grad, z.grad) == (1.0, 5.0)
                        continue
                (5.0 * z + x).backward()
    results[0].backward(accumulate=True)
    assert (x.grad, z.grad) == (2.0, 6.0)


def test_without_memory_to_collect_nothing_is_lost():
    kept = Var(2.0)
    y = kept * kept
    for n in range(1, 4):
        [kept * float(k) for k in range(500)]
        with memory_failing_from(n):
            _core.collect()
        y.backward()
        assert kept.grad == 4.0
        _core.collect()
        y.backward()
        assert kept.grad == 4.0


def test_no_memory_for_the_tape_of_a_new_thread():
    """The thread sees the error, and a tape as soon as there is memory."""
    seen = []

    def work():
        kept = [fresh_tape()]
        with memory_failing_from(1):
            try:
                seen.append([Var(float(k)) for k in range(100_000)])
            except MemoryError as error:
                seen.append(type(error))
        x = Var(2.0)
        (x * x).backward()
        seen.append(x.grad)
        del kept

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [errors.OutOfMemoryError, 4.0]


# ---- Nothing left behind ------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    x: float
    y: list


def raising(error):
    def f(p):
        p[0] * p[1]
        raise error

    return f


def backward_of_zero():
    x = Var(2.0)
    (x * 0.0).backward()


def backward_of_nan():
    x, y = Var(0.0), Var(1.0)
    (m.sqrt(x) * 0.0 + y).backward()


def stale():
    with Tape() as t:
        x = t.var(1.0)
    x + x


def mixed():
    with Tape() as t:
        t.var(1.0) * Var(2.0)


def in_a_thread():
    thread = threading.Thread(target=lambda: Var(1.0) * 2.0)
    thread.start()
    thread.join()


def forgotten_tapes():
    tapes = [Tape() for _ in range(5)]
    inputs = [t.var(1.0) for t in tapes]
    del tapes
    return inputs


def in_a_cycle():
    box = [Var(1.0)]
    box.append((box, Var(2.0) * box[0], Tape(), grad(lambda x: box[0])))


SCENARIOS = {
    "list": lambda: value_and_grad(f)([1.0, 2.0, 3.0]),
    "tuple": lambda: value_and_grad(f)((1.0, 2, True)),
    "dict": lambda: grad(lambda p: p["a"] * p["b"][0])({"a": 1.0, "b": [2.0]}),
    "dataclass": lambda: grad(lambda p: p.x * p.y[0])(Point(1.0, [2.0, 3.0])),
    "array": lambda: grad(lambda p: (p * p).sum())(numpy.ones((3, 4))),
    "argnums": lambda: grad(lambda x, y: x * y[0], (0, 1))(1.0, [2.0]),
    "aux": lambda: grad(lambda x: (x, {"a": [x, x * x]}), has_aux=True)(1.0),
    "constant": lambda: grad(lambda x: 5)(1.0),
    "many": lambda: grad(f)([float(k) for k in range(3000)]),
    "nested": lambda: grad(grad(lambda x: m.sin(x) * x**3))(1.0),
    "nested twice": lambda: grad(grad(grad(lambda x: m.exp(x * x))))(0.5),
    "error in f": lambda: grad(raising(KeyError("key")))([1.0, 2.0]),
    "odd result": lambda: grad(lambda x: [x, x])(1.0),
    "odd argument": lambda: grad(lambda x: x)(["a", 1.0, [None]]),
    "odd argument beside numbers": lambda: grad(lambda x: x)([1.0, 2.0, "a"]),
    "odd operand": lambda: Var(1.0) + "a",
    "outside the domain": lambda: m.log(Var(-1.0)),
    "too large": lambda: m.exp(Var(1000.0)),
    "float()": lambda: float(Var(1.0)),
    "grad of a result": lambda: (Var(1.0) * 2.0).grad,
    "zero": backward_of_zero,
    "nan": backward_of_nan,
    "stale": stale,
    "mixed": mixed,
    "thread": in_a_thread,
    "tapes": forgotten_tapes,
    "cycle": in_a_cycle,
    "fsum": lambda: fastad.fsum([Var(1.0), 2.0]),
    "sumprod": lambda: fastad.sumprod([Var(1.0), 2.0], [3.0, Var(1.0)]),
    "sumprod fails": lambda: fastad.sumprod([Var(1.0), 2.0], [3.0]),
    "fsum fails": lambda: fastad.fsum([Var(1.0), "a"]),
    "where": lambda: fastad.where(True, Var(1.0), 2.0),
    "numpy": lambda: numpy.sin(numpy.array([Var(1.0)])) + numpy.float64(1) * Var(2.0),
    "recipe fails": lambda: grad(3),
}


def repeat(scenario, n):
    for _ in range(n):
        with contextlib.suppress(Exception):
            scenario()
    gc.collect()


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_leave_nothing(name):
    scenario = SCENARIOS[name]
    repeat(scenario, 200)  # fills the caches of Python and NumPy
    vars_before, blocks_before = _core.live_vars(), sys.getallocatedblocks()
    repeat(scenario, 200)
    assert _core.live_vars() == vars_before
    assert sys.getallocatedblocks() - blocks_before < 100


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def skip_without_resident_bytes():
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not say how much memory is resident")
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("the address sanitizer delays what is freed")


def test_resident_memory_stays():
    """Over thousands of tapes, of all sizes."""
    skip_without_resident_bytes()

    def use(n):
        for k in range(n):
            grad(f)([1.0] * (k % 100))
            with Tape() as t:
                x = t.var(1.0)
                kept = [x * 2.0 for _ in range(k % 300)]
                kept.append(x)
                kept[0].backward()
            if k % 50 == 0:
                grad(f)([1.0] * 20_000)
                in_a_thread()

    use(400)
    gc.collect()
    before = resident_bytes()
    use(1200)
    gc.collect()
    assert resident_bytes() - before < 4_000_000


def test_slabs_are_used_again():
    skip_without_resident_bytes()
    sizes = []
    for _ in range(3):
        crowd = [Var(1.0) for _ in range(300_000)]
        sizes.append(resident_bytes())
        del crowd
        _core.collect()
    assert sizes[2] - sizes[0] < 4_000_000


def test_references_are_given_back():
    def f(p, **options):
        return p[0] * options["factor"]

    point, factor, aux, error = [1.25, 2.5], 3.75, object(), ValueError()
    table = {"a": point[0]}
    things = [f, point, point[0], factor, aux, error, table]
    before = [sys.getrefcount(thing) for thing in things]
    for _ in range(100):
        g = value_and_grad(f)
        assert g(point, factor=factor)[1] == [3.75, 0.0]
        grad(lambda p: (p["a"], aux), has_aux=True)(table)
        with contextlib.suppress(ValueError):
            grad(raising(error))(point)
        error.__traceback__ = None
    del g
    gc.collect()
    assert [sys.getrefcount(thing) for thing in things] == before
