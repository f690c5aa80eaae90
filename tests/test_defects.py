"""Defects that users met in other libraries, one test each, named after the defect."""

import copy
import functools
import gc
import math
import pickle
import statistics
import sys
import threading

import numpy as np
import pytest
from outcomes import agrees

import fastad
from fastad import Tape, Var, errors, grad, value_and_grad, where

# ---- Lifetimes -----------------------------------------------------------------------


def stale_var():
    with Tape() as tape:
        x = tape.var(2.0)
        return x * x


@pytest.mark.parametrize(
    "use",
    [
        *(lambda v: v + v, lambda v: 2.0 * v, lambda v: -v, lambda v: round(v, 1)),
        *(
            fastad.math.sin,
            lambda v: fastad.math.hypot(v, 1.0, 2.0),
            lambda v: v.sqrt(),
        ),
        *(lambda v: v.backward(), lambda v: v.grad, lambda v: fastad.math.log(v, 2)),
        *(
            lambda v: v + Var(1.0),
            lambda v: Var(1.0) ** v,
            lambda v: where(True, v, 0.0),
        ),
        *(lambda v: fastad.maximum(v, 0.0), lambda v: np.ones(2) * v),
    ],
)
def test_segmentation_fault_on_a_var_whose_tape_is_gone(use):
    with pytest.raises(errors.StaleVarError, match=r"value can still be read"):
        use(stale_var())


def test_a_var_whose_tape_is_gone_still_has_its_value():
    v = stale_var()
    gc.collect()
    assert v.value == 4.0
    assert (v == 4.0, v > 3, int(v), f"{v}", repr(v)) == (
        True,
        True,
        4,
        "4.0",
        "Var(4.0)",
    )
    assert copy.copy(v) is v


def test_segmentation_fault_after_copy_deepcopy_and_pickle():
    x = Var(3.0)
    y = copy.deepcopy(copy.copy(x)) * 2
    y.backward()
    assert x.grad == 2.0
    with pytest.raises(TypeError):
        pickle.dumps(y)


def test_a_var_that_outlived_its_recording_becomes_another_variable():
    kept = []

    def f(x):
        kept.append(x)
        return x * x

    assert grad(f)(3.0) == 6.0
    assert grad(f)(4.0) == 8.0
    with pytest.raises(errors.StaleVarError):
        kept[0] * kept[1]
    with pytest.raises(errors.StaleVarError):
        grad(lambda x: x * kept[0])(5.0)
    assert [v.value for v in kept] == [3.0, 4.0]


def test_a_tape_grows_in_a_training_loop_until_memory_ends():
    with Tape() as tape:
        w = tape.var(0.5)
        sizes = set()
        for step in range(20_000):
            loss = (w * 2.0 - 1.0) ** 2 + fastad.math.sin(w)
            loss.backward()
            if step % 1000 == 999:
                sizes.add(tape.stats["bytes"])
        assert w.grad == 2 * (w.value * 2 - 1) * 2 + math.cos(w.value)
    assert len(sizes) == 1


def test_every_sweep_walks_over_what_is_no_longer_needed():
    with Tape() as tape:
        w = tape.var(0.5)
        chain = functools.reduce(lambda v, _: v * 0.999, range(50_000), w)
        del chain
        for _ in range(100_000):
            (w * w).backward()
        assert tape.stats["nodes"] < 10_000


def test_recursion_limit_on_a_long_chain():
    n = 1_000_000
    with Tape() as tape:
        x = tape.var(1.0)
        y = x
        for _ in range(n):
            y = y + 1e-6
        assert n > sys.getrecursionlimit()
        y.backward()
        assert x.grad == 1.0
        del y
        gc.collect()


def test_wrong_numbers_from_two_threads():
    def f(x):
        y = x
        for _ in range(300):
            y = fastad.math.sin(y) + x * 0.1
        return y

    def by_hand(x):
        y, dy = x, 1.0
        for _ in range(300):
            y, dy = math.sin(y) + x * 0.1, math.cos(y) * dy + 0.1
        return dy

    results = {}

    def work(k):
        x = Var(0.1 * k)
        for _ in range(20):
            f(x).backward()
            assert grad(f)(0.1 * k) == pytest.approx(x.grad, rel=1e-13)
        results[k] = x.grad

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert results == {k: pytest.approx(by_hand(0.1 * k), rel=1e-12) for k in range(4)}


# ---- Derivatives lost in silence -----------------------------------------------------


@pytest.mark.parametrize(
    "lose",
    [float, math.sin, math.isnan, lambda x: np.zeros(2).__setitem__(0, x)],
    ids=["float(x)", "math.sin(x)", "math.isnan(x)", "np.zeros(2)[0] = x"],
)
def test_derivative_lost_without_a_word(lose):
    with pytest.raises(errors.LostDerivativeError):
        lose(Var(0.5))


def test_statistics_mean_loses_the_derivative():
    with pytest.raises(TypeError):
        statistics.mean([Var(1.0), Var(2.0)])


def test_lru_cache_hands_the_gradient_to_the_wrong_input():
    @functools.lru_cache
    def cube(x):
        return x * x * x

    x, y = Var(2.0), Var(2.0)
    (cube(x) - 5 * cube(y)).backward()
    assert (x.grad, y.grad) == (12.0, -60.0)


def test_augmented_assignment_changes_the_input():
    v = [Var(1.0), Var(2.0)]
    s = v[0]
    s += v[1]
    s *= v[1]
    assert (v[0].value, v[1].value, s.value) == (1.0, 2.0, 6.0)
    s.backward()
    assert (v[0].grad, v[1].grad) == (2.0, 5.0)


def test_a_branch_taken_before_is_taken_again():
    gradient = grad(lambda x: x * x if x > 0 else -3 * x)
    assert [gradient(x) for x in (2.0, -1.0, 2.0, -1.0)] == [4.0, -3.0, 4.0, -3.0]


# ---- Wrong values and partials -------------------------------------------------------


WRONG = {
    "-5.5 % 2": (lambda x, y: x % y, (-5.5, 2.0), 0.5, (1.0, 3.0)),
    "5.5 % -2": (lambda x, y: x % y, (5.5, -2.0), -0.5, (1.0, 3.0)),
    "fmod(-5.5, 2)": (fastad.math.fmod, (-5.5, 2.0), -1.5, (1.0, 2.0)),
    "fmod(5.5, -2)": (fastad.math.fmod, (5.5, -2.0), 1.5, (1.0, 2.0)),
    "1.0 // 0.1": (lambda x, y: x // y, (1.0, 0.1), 9.0, (0.0, 0.0)),
    "copysign(-3, 0.0)": (fastad.math.copysign, (-3.0, 0.0), 3.0, (-1.0, 0.0)),
    "ldexp(x, -3)": (
        lambda x, y: fastad.math.ldexp(x, -3) + 0 * y,
        (5.0, 1.0),
        0.625,
        (0.125, 0.0),
    ),
}


@pytest.mark.parametrize(("f", "args", "value", "gradient"), WRONG.values(), ids=WRONG)
def test_wrong_value_or_wrong_partial(f, args, value, gradient):
    assert value_and_grad(f, (0, 1))(*args) == (value, gradient)


def test_round_gives_the_upper_integer_at_a_tie():
    assert [round(Var(x)) for x in (0.5, 1.5, 2.5, -2.5)] == [0, 2, 2, -2]


def test_int_overflows_at_32_bits():
    assert int(Var(1e12)) == 1_000_000_000_000
    assert int(Var(1e22)) == 10**22


def test_repr_has_six_digits():
    assert repr(Var(1e-9)) == "Var(1e-09)"
    assert repr(Var(0.1 + 0.2)) == "Var(0.30000000000000004)"


AT_0 = {
    "x**0": (lambda x: x**0, 0.0),
    "x**0.0": (lambda x: x**0.0, 0.0),
    "x**1.5": (lambda x: x**1.5, 0.0),
    "x**2": (lambda x: x**2, 0.0),
    "pow(x, 1)": (lambda x: fastad.math.pow(x, 1), 1.0),
    "sqrt(x*x)": (lambda x: fastad.math.sqrt(x * x), 0.0),
    "hypot(x, x)": (lambda x: fastad.math.hypot(x, x), 0.0),
    "hypot(x, x, x)": (lambda x: fastad.math.hypot(x, x, x), 0.0),
    "where(x > 0, sqrt(x), 0)": (lambda x: where(x > 0, fastad.math.sqrt(x), 0), 0.0),
    "abs(x)": (abs, 0.0),
}


@pytest.mark.filterwarnings("ignore::fastad.errors.NonSmoothWarning")
@pytest.mark.parametrize(("f", "derivative"), AT_0.values(), ids=AT_0)
def test_nan_at_0(f, derivative):
    assert grad(f)(0.0) == derivative


# ---- What did not work ---------------------------------------------------------------


def test_an_array_times_a_var_is_a_type_error():
    x = Var(3.0)
    for product in (np.array([1.0, 2.0]) * x, x * np.array([1.0, 2.0])):
        assert product.dtype == object
        assert product.shape == (2,)
        assert agrees(product[1], 6.0)
    assert agrees(np.float64(2.0) * x, 6.0)


def test_sin_of_an_array_of_vars_is_a_type_error_for_want_of_a_method():
    sines = np.sin(np.array([Var(0.5), Var(1.0)]))
    assert [y.value for y in sines] == [math.sin(0.5), math.sin(1.0)]


def test_formatting_max_sorted_and_sum_do_not_work():
    x, y = Var(2.0), Var(1.0)
    assert f"{x:.3f}" == "2.000"
    assert max(x, y) is x
    assert sorted([x, y])[0] is y
    assert agrees(sum([x, y]), 3.0)
