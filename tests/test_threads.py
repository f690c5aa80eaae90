"""Threads and processes: a tape for each, tapes that outlive their threads, busy tapes."""

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import fastad
from fastad import Tape, Var, _core, errors, grad, value_and_grad
from fastad import math as m

N_THREADS = 8
LONG = 300_000  # operations: a sweep of so many nodes lets other threads run


@pytest.fixture
def _switching_fast():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_thread(work, *args):
    """What work returns or raises, run in a thread that has then finished."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, *args).result()


def chain(x, n=LONG):
    """A function with derivative 2 that takes n operations."""
    y = x * 2.0
    for _ in range(n - 1):
        y = y * 1.0
    return y


def loss(p):
    total = 0.0
    for k in range(len(p)):
        total += p[k] * m.sin(p[k - 1]) + (p[k] - 0.5) ** 2 / (1 + p[k] ** 2)
    return total


# ---- Each thread has a tape ---------------------------------------------------------


def test_threads_record_on_tapes_of_their_own():
    x, barrier = Var(2.0), threading.Barrier(2)

    def work():
        y = Var(3.0)
        barrier.wait(10)
        with pytest.raises(errors.MixedTapesError):
            x * y
        (y * y).backward()
        barrier.wait(10)
        return y.grad

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        barrier.wait(10)
        (x * x).backward()
        barrier.wait(10)
        assert future.result() == 6.0
    assert x.grad == 4.0


def test_vars_of_a_finished_thread_are_good():
    def work():
        x = Var(2.0)
        return x, x * x

    results = [in_thread(work) for _ in range(20)]
    gc.collect()
    for k, (x, y) in enumerate(results):
        z = y * float(k)
        z.backward()
        assert (z.value, x.grad) == (4.0 * k, 4.0 * k)


def test_the_tape_of_a_finished_thread_is_recycled():
    """Thousands of threads do not leave thousands of tapes."""

    def work():
        x = Var(2.0)
        (x * x).backward()
        return x.grad

    for _ in range(10):
        assert in_thread(work) == 4.0
    live = _core.live_vars()
    for _ in range(500):
        assert in_thread(work) == 4.0
    assert _core.live_vars() == live


def test_vars_of_a_finished_thread_survive_the_work_of_its_successors():
    def first():
        x = Var(2.0)
        return x, m.exp(x) * x

    x, y = in_thread(first)

    def later():
        z = Var(5.0)
        for _ in range(3000):
            z * z
        (z * z).backward()
        _core.collect()
        return z.grad

    for _ in range(5):
        assert in_thread(later) == 10.0
    assert x.grad is None
    y.backward()
    assert x.grad == pytest.approx(3.0 * m.exp(2.0), rel=1e-15)


def test_one_tape_used_by_two_threads():
    """Recording is serialised by the interpreter: threads may share parameters."""
    with Tape() as t:
        x = t.var(2.0)

        def work(k):
            y = x * float(k)
            for _ in range(2000):
                y = y + x
            return y.value

        with ThreadPoolExecutor(4) as pool:
            values = list(pool.map(work, range(8)))
        assert values == [2.0 * k + 4000.0 for k in range(8)]
        work_result = x * 3.0
        work_result.backward()
        assert x.grad == 3.0


@pytest.mark.usefixtures("_switching_fast")
def test_shared_parameters_gather_the_gradients_of_all_threads():
    _core.collect()  # sweeps of a short tape do not let others run meanwhile
    parameters = [Var(0.1 * k) for k in range(5)]
    expected = grad(loss)([x.value for x in parameters])
    lock = threading.Lock()
    for x in parameters:
        (x * 0.0).backward()

    def work(_):
        for _ in range(50):
            y = loss(parameters)
            with lock:
                y.backward(accumulate=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    for x, derivative in zip(parameters, expected, strict=True):
        assert x.grad == pytest.approx(200 * derivative, rel=1e-12, abs=1e-12)


# ---- Many gradients at once ---------------------------------------------------------


@pytest.mark.usefixtures("_switching_fast")
def test_many_threads_differentiate_at_once():
    points = [[0.1 * k + 0.01 * j for j in range(10)] for k in range(50)]
    expected = [value_and_grad(loss)(p) for p in points]
    f = value_and_grad(loss)

    def work(_):
        return [f(p) for _ in range(5) for p in points]

    with ThreadPoolExecutor(N_THREADS) as pool:
        for results in pool.map(work, range(N_THREADS)):
            assert results == 5 * expected


@pytest.mark.usefixtures("_switching_fast")
def test_many_threads_run_backward_at_once():
    barrier = threading.Barrier(N_THREADS)

    def work(k):
        parameters = [Var(0.1 * j + k) for j in range(10)]
        expected = grad(loss)([x.value for x in parameters])
        barrier.wait(10)
        for _ in range(200):
            loss(parameters).backward()
            if [x.grad for x in parameters] != expected:
                return "wrong"
        _core.collect()
        return _core.thread_stats()["nodes"] < 100

    with ThreadPoolExecutor(N_THREADS) as pool:
        assert list(pool.map(work, range(N_THREADS))) == N_THREADS * [True]


def test_long_sweeps_at_once():
    def work(k):
        x = Var(float(k))
        y = chain(x, 100_000)
        for _ in range(20):
            y.backward()
            if x.grad != 2.0:
                return "wrong"
        return x.grad

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == 4 * [2.0]


@pytest.mark.usefixtures("_switching_fast")
def test_gradients_while_others_fail():
    def failing(p):
        p[0] * p[1]
        raise KeyError("on purpose")

    def work(k):
        if k % 2:
            for _ in range(200):
                with pytest.raises(KeyError, match="on purpose"):
                    grad(failing)([1.0, 2.0])
            return None
        return [grad(loss)([0.1, 0.2, 0.3]) for _ in range(200)]

    expected = 200 * [grad(loss)([0.1, 0.2, 0.3])]
    with ThreadPoolExecutor(N_THREADS) as pool:
        for k, results in enumerate(pool.map(work, range(N_THREADS))):
            assert results == (None if k % 2 else expected)


def test_an_exception_in_a_thread_leaves_its_tape_usable():
    def work():
        x = Var(-2.0)
        with pytest.raises(errors.DomainError):
            m.log(x)
        (x * x).backward()
        grads = [x.grad]
        with pytest.raises(ZeroDivisionError):
            grad(lambda y: y / (y - y))(1.0)
        x.backward()
        return [*grads, x.grad]

    assert in_thread(work) == [-4.0, 1.0]
    assert in_thread(work) == [-4.0, 1.0]


# ---- Busy tapes ---------------------------------------------------------------------


class LongSweep:
    """A thread that sweeps a tape again and again without holding the interpreter."""

    def __init__(self, y):
        self.ends = False
        self.thread = threading.Thread(target=self.run, args=[y])

    def run(self, y):
        while not self.ends:
            with contextlib.suppress(errors.StaleVarError, errors.BusyTapeError):
                y.backward()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.ends = True
        self.thread.join()


def try_until_busy(use):
    """Whether use() met a busy tape at least once; on a busy machine that may take a while."""
    for k in range(1_000_000):
        try:
            use()
        except errors.BusyTapeError as error:
            return str(error)
        if k % 1000 == 999:
            time.sleep(0.001)  # the other thread may not have had a processor yet
    return None


USES = {
    "operation": lambda t, x, y: x * 2.0,
    "operation of two": lambda t, x, y: x * y,
    "function": lambda t, x, y: m.sin(x),
    "method": lambda t, x, y: x.sin(),
    "input": lambda t, x, y: t.var(1.0),
    "fsum": lambda t, x, y: fastad.fsum([x, y, 1.0]),
    "fma": lambda t, x, y: m.fma(x, y, 1.0),
    "round": lambda t, x, y: round(x, 1),
    "where": lambda t, x, y: fastad.where(False, x, 3.0),
    "backward": lambda t, x, y: x.backward(0.0, accumulate=True),
    "close": lambda t, x, y: t.close(),
}


@pytest.mark.parametrize("name", USES)
def test_a_busy_tape_refuses_and_survives(name):
    t = Tape()
    x = t.var(1.5)
    y = chain(x)
    with LongSweep(y):
        message = try_until_busy(lambda: USES[name](t, x, y))
        assert (x.value, y.value) == (1.5, 3.0)
        if name == "backward":
            assert message is None or "sweeping" in message
        else:
            assert "another thread is sweeping this tape" in message
    y.backward()
    assert x.grad == 2.0
    z = x * y
    z.backward()
    assert x.grad == 6.0
    t.close()
    with pytest.raises(errors.StaleVarError):
        z * z


def test_other_tapes_go_on_while_one_is_busy():
    x = Var(1.5)
    y = chain(x)

    def work():
        z = Var(2.0)
        results = []
        for _ in range(2000):
            (z * z).backward()
            results.append(z.grad)
            results.append(grad(lambda p: p * p)(2.0))
        return results

    with LongSweep(y), ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(work) for _ in range(2)]
        for future in futures:
            assert future.result() == 4000 * [4.0]
    y.backward()
    assert x.grad == 2.0


def test_a_gradient_read_while_its_tape_is_busy():
    t = Tape()
    x = t.var(1.5)
    y = chain(x)
    y.backward()
    with LongSweep(y):
        assert all(x.grad == 2.0 for _ in range(20_000))


def test_a_tape_forgotten_while_it_is_busy():
    t = Tape()
    x = t.var(1.5)
    y = chain(x)
    with LongSweep(y):
        del t
        for _ in range(2000):
            assert grad(lambda p: p * p)(3.0) == 6.0
    assert (x.value, y.value) == (1.5, 3.0)
    gc.collect()
    assert grad(lambda p: p * p)(3.0) == 6.0


def test_a_function_that_leaves_its_tape_busy():
    """A leaked Var is swept by another thread while the gradient is taken."""
    with contextlib.ExitStack() as sweeps:

        def f(x):
            sweeps.enter_context(LongSweep(chain(x, 100_000)))
            return x * x

        for _ in range(5):
            with contextlib.suppress(errors.BusyTapeError):
                assert grad(f)(3.0) == 6.0
            sweeps.close()
    for _ in range(100):
        assert grad(lambda x: x * x)(3.0) == 6.0
        assert in_thread(lambda: grad(loss)([0.5])) == grad(loss)([0.5])


def test_a_new_thread_never_meets_the_busy_tape_of_a_finished_one():
    def work():
        x = Var(1.5)
        return x, chain(x)

    x, y = in_thread(work)
    with LongSweep(y):
        for _ in range(200):
            assert in_thread(lambda: [*grad(loss)([0.5]), (Var(1.0) * 2.0).value])
    y.backward()
    assert x.grad == 2.0


def test_a_tape_that_was_left_busy_is_an_ordinary_one_later():
    def left_busy(x):
        y = chain(x)
        sweeps.enter_context(LongSweep(y))
        assert try_until_busy(lambda: x * 2.0)
        return 1.0

    def work():
        """A plain sweep would give nan, 0 times an infinite adjoint."""
        x = Var(1.0)
        y = (x * 0.0) * 1e200 * 1e200
        with pytest.warns(errors.NonSmoothWarning):
            y.backward()
        return x.grad

    for _ in range(5):
        with contextlib.ExitStack() as sweeps:
            assert grad(left_busy)(1.0) == 0.0
        assert in_thread(work) == 0.0


# ---- asyncio ------------------------------------------------------------------------


def test_tasks_share_a_tape_and_keep_their_variables():
    async def fit(start):
        x = Var(start)
        for _ in range(20):
            y = (x - 3.0) ** 2
            await asyncio.sleep(0)
            y.backward()
            await asyncio.sleep(0)
            x = Var(x.value - 0.25 * x.grad)
        return x.value

    async def main():
        return await asyncio.gather(*[fit(float(k)) for k in range(20)])

    assert asyncio.run(main()) == pytest.approx(20 * [3.0], abs=1e-4)


# ---- Processes ----------------------------------------------------------------------


def run_python(*args):
    """A new process, which imports the fastad that is tested here."""
    environment = {**os.environ, "PYTHONPATH": str(Path(fastad.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, *args],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def in_child(work):
    """The text that work returns in a forked process, or its exception."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        try:
            text = str(work())
        except BaseException as error:
            text = repr(error)
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf8") as pipe:
        text = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0
    return text


@can_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_parent_and_child_go_on_apart():
    x = Var(2.0)
    y = x * x

    def work():
        z = y * x
        for _ in range(5000):
            z = z * 1.0
        z.backward()
        return x.grad, grad(loss)([0.5]), in_thread(lambda: (Var(1.0) * 2.0).value)

    assert in_child(work) == str((12.0, grad(loss)([0.5]), 2.0))
    y.backward()
    assert x.grad == 4.0


@can_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_during_a_sweep():
    """In the child there is no thread that could end it."""
    t = Tape()
    x = t.var(1.5)
    y = chain(x)

    def work():
        y.backward()
        z = x * 5.0
        z.backward(accumulate=True)
        return x.grad, in_thread(lambda: (Var(1.0) * 2.0).value)

    with LongSweep(y):
        for _ in range(10):
            assert in_child(work) == str((7.0, 2.0))
    y.backward()
    assert x.grad == 2.0


def test_pools_of_processes(tmp_path):
    """What multiprocessing forks or spawns differentiates, too."""
    program = tmp_path / "program.py"
    program.write_text("""
import multiprocessing

import fastad

def f(p):
    return p[0] * fastad.math.sin(p[1])

def work(k):
    return fastad.grad(f)([float(k), 0.5])

if __name__ == "__main__":
    keep = fastad.Var(1.0)
    for method in multiprocessing.get_all_start_methods():
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(work, range(20)) == [work(k) for k in range(20)], method
""")
    run = run_python(program)
    assert run.returncode == 0, run.stderr


# ---- The end ------------------------------------------------------------------------

ENDS = {
    "vars that die last": """
        import sys, threading
        from fastad import Var, grad

        class Holder:
            def __init__(self):
                self.x = Var(2.0)

            def __del__(self):
                y = self.x * self.x
                y.backward()
                Var(1.0) * 2.0

        keep = Holder()
        sys.keep = Holder()
        cycle = [Holder()]
        cycle.append(cycle)
        local = threading.local()
        local.keep = Holder()
    """,
    "a thread with locals": """
        import threading
        from fastad import Var, grad

        class Holder:
            def __del__(self):
                assert grad(lambda x: x * x)(3.0) == 6.0
                (Var(1.0) * 2.0).backward()

        local = threading.local()

        def run():
            local.keep = Holder(), Var(1.0)

        for _ in range(5):
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
        assert grad(lambda x: x * x)(3.0) == 6.0
    """,
    "a daemon that sweeps": """
        import threading, time
        from fastad import Var

        started = threading.Event()

        def run():
            y = x = Var(1.0)
            for _ in range(300_000):
                y = y * 1.0
            started.set()
            while True:
                y.backward()

        threading.Thread(target=run, daemon=True).start()
        started.wait()
        time.sleep(0.01)
    """,
    "atexit": """
        import atexit, fastad

        x = fastad.Var(2.0)

        @atexit.register
        def work():
            (x * x).backward()
            assert x.grad == 4.0
            assert fastad.grad(lambda x: x * x)(3.0) == 6.0
    """,
    "an open tape": """
        import fastad

        t = fastad.Tape()
        kept = [t.var(1.0) * 2.0 for _ in range(1000)]
        raise SystemExit(0)
    """,
}


@pytest.mark.parametrize("name", ENDS)
def test_the_interpreter_ends_in_peace(name):
    run = run_python("-X", "dev", "-c", textwrap.dedent(ENDS[name]))
    assert (run.returncode, run.stderr) == (0, "")
