"""A Var: made from numbers, immutable, and what `backward` leaves in `grad`."""

import contextlib
import copy
import gc
import itertools
import math
import operator
import pickle
import sys
import warnings
import weakref
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest

import fastad
from fastad import Var, _core, errors

INF, NAN = math.inf, math.nan


def gradients(*inputs):
    return [x.grad for x in inputs]


# ---- Inputs -------------------------------------------------------------------------

NUMBERS = [
    (2.5, 2.5),
    (-0.0, -0.0),
    (INF, INF),
    (3, 3.0),
    (2**60 + 1, float(2**60)),
    (True, 1.0),
    (Fraction(1, 3), 1 / 3),
    (numpy.float64(0.1), 0.1),
    (numpy.float32(0.1), float(numpy.float32(0.1))),
    (numpy.int64(7), 7.0),
    (numpy.uint8(255), 255.0),
    (numpy.bool_(True), 1.0),
]


@pytest.mark.parametrize(("number", "value"), NUMBERS)
def test_an_input_has_the_value_of_its_number(number, value):
    x = Var(number)
    assert type(x) is Var
    assert type(x.value) is float
    assert x.value == value
    assert math.copysign(1.0, x.value) == math.copysign(1.0, value)
    assert x.grad is None


def test_an_input_may_be_nan():
    assert math.isnan(Var(NAN).value)


NO_NUMBERS = [
    *("1.0", b"1", None, 1j, Decimal(1), [1.0], (1.0,), {}, {1.0}, object(), float),
    *(numpy.array(1.0), numpy.array([1.0]), numpy.complex128(1), numpy.str_("1")),
]


@pytest.mark.parametrize("thing", NO_NUMBERS, ids=repr)
def test_an_input_needs_a_number(thing):
    with pytest.raises(
        errors.ArgumentError, match=r"one real number, not from an? \w+"
    ):
        Var(thing)
    with pytest.raises(TypeError, match="one real number"):
        fastad.Tape().var(thing)


def test_an_input_must_fit_into_a_float():
    with pytest.raises(OverflowError):
        Var(10**400)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1.0, 2.0), {}), ((), {"value": 1.0})]
)
def test_an_input_takes_one_positional_argument(args, kwargs):
    with pytest.raises(TypeError, match=r"Var\(\) takes exactly one argument"):
        Var(*args, **kwargs)
    with pytest.raises(TypeError, match=r"Var\(\) takes exactly one argument"):
        Var.__new__(Var, *args, **kwargs)


# ---- What a Var is not --------------------------------------------------------------


@pytest.mark.parametrize("name", ["value", "grad", "other", "__class__", "__dict__"])
def test_a_var_is_immutable(name):
    for x in (Var(2.0), Var(2.0) * 3.0):
        with pytest.raises((AttributeError, TypeError)):
            setattr(x, name, 3.0)
        with pytest.raises((AttributeError, TypeError)):
            delattr(x, name)
    assert x.value == 6.0


def test_a_var_stays_what_it_is_when_initialised_again():
    x = Var(2.0)
    x.__init__(3.0)
    assert x.value == 2.0


def test_a_var_has_no_dict_no_weak_references_no_subclasses():
    x = Var(2.0)
    assert not hasattr(x, "__dict__")
    with pytest.raises(TypeError):
        weakref.ref(x)
    with pytest.raises(TypeError):
        type("Derived", (Var,), {})
    with pytest.raises(TypeError):
        Var.other = 1


def test_a_var_costs_40_bytes_and_no_garbage_collection():
    x = Var(2.0)
    assert sys.getsizeof(x) == 40
    assert not gc.is_tracked(x)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Var.__new__(Var),
        lambda: object.__new__(Var),
        lambda: Var.__new__(Var, "2.0"),
        lambda: Var.__new__(float, 2.0),
        lambda: copy._reconstruct(Var(1.0), None, Var, ()),
    ],
)
def test_no_var_comes_into_being_without_a_number(make):
    with pytest.raises(TypeError):
        make()
    gc.collect()
    assert (Var(2.0) * 3.0).value == 6.0


def test_copies_are_the_same_var_and_pickles_are_refused():
    x = Var(2.0)
    assert copy.copy(x) is x
    assert copy.deepcopy([x])[0] is x
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match=r"\.value"):
            pickle.dumps([x], protocol)
    with pytest.raises(TypeError):
        pickle.dumps(fastad.Tape())


def test_representations():
    x = Var(2.5)
    assert repr(x) == "Var(2.5)"
    assert str(x) == "2.5"
    assert f"{x:8.3f}|{x}" == "   2.500|2.5"


# ---- grad ---------------------------------------------------------------------------


def test_grad_is_none_until_a_result_reaches_the_input():
    x, y, z = Var(2.0), Var(3.0), Var(4.0)
    result = x * y
    assert gradients(x, y, z) == [None, None, None]
    result.backward()
    assert gradients(x, y, z) == [3.0, 2.0, None]
    assert type(x.grad) is float
    (z * z).backward()
    assert gradients(x, y, z) == [3.0, 2.0, 8.0]  # what is not reached stays


REACHED_WITH_ZERO = [
    (lambda x: x * 0.0, 0.0),
    (lambda x: 0.0 * x, 0.0),
    (lambda x: x - x, 0.0),
    (lambda x: x**0, 0.0),
    (lambda x: fastad.floor(x), 0.0),
    (lambda x: fastad.sign(x), 0.0),
    (lambda x: fastad.clip(x, 5.0, 6.0), 0.0),
    (lambda x: round(x, 1), 0.0),
    (lambda x: (x * 1e-200) * 1e-200, 0.0),
    (lambda x: (x * 0.0) * 7.0 + 1.0, 0.0),
    (lambda x: x * 2.0, 2.0),
]


@pytest.mark.parametrize(("f", "expected"), REACHED_WITH_ZERO)
def test_an_input_reached_with_derivative_zero_gets_zero(f, expected):
    x, stranger = Var(2.0), Var(3.0)
    f(x).backward()
    assert gradients(x, stranger) == [expected, None]
    (7.0 * x).backward()
    f(x).backward()
    assert x.grad == expected


def test_strangers_of_a_zero_are_left_alone():
    inputs = [Var(float(k)) for k in range(200)]
    reached = inputs[5] * 0.0 + inputs[50] + inputs[150] * 0.0
    reached.backward()
    for k, x in enumerate(inputs):
        assert x.grad == {5: 0.0, 50: 1.0, 150: 0.0}.get(k)


def test_a_constant_that_was_chosen_reaches_nothing():
    stranger, x = Var(1.0), Var(2.0)
    (stranger * 5.0 + x * 7.0).backward()
    for y in (fastad.where(False, x, 3.0), fastad.where(x > 5.0, x, 3.0) * 2.0):
        y.backward()
        assert gradients(stranger, x) == [5.0, 7.0]
        _core.collect()
        y.backward(INF)
        assert gradients(stranger, x) == [5.0, 7.0]


def test_constants_keep_no_history():
    x = Var(1.0)
    state = x
    for k in range(5000):
        state = state * 0.5 if k % 10 else fastad.where(True, 1.0, state)
    _core.collect()
    y = state * 2.0
    nodes = _core.thread_stats()["nodes"]
    del state, y
    _core.collect()
    assert nodes - _core.thread_stats()["nodes"] < 20


def test_backward_of_an_input_itself():
    x, y = Var(2.0), Var(3.0)
    x.backward()
    assert gradients(x, y) == [1.0, None]
    x.backward(5.0)
    assert x.grad == 5.0


@pytest.mark.parametrize(
    "write",
    [
        lambda x: setattr(x, "grad", 0),
        lambda x: setattr(x, "grad", None),
        lambda x: delattr(x, "grad"),
    ],
    ids=["0", "None", "del"],
)
@pytest.mark.parametrize("of", [lambda x: x, lambda x: x * x], ids=["input", "result"])
def test_there_is_no_grad_to_reset(of, write):
    x = Var(3.0)
    (x * x).backward()
    message = r"backward\(\) replaces .* nothing to reset"
    with pytest.raises(AttributeError, match=message):
        write(of(x))
    assert x.grad == 6.0
    (5.0 * x).backward()
    assert x.grad == 5.0


def test_grad_of_an_intermediate_raises():
    x = Var(2.0)
    y = x * 3.0
    y.backward()
    with pytest.raises(errors.NotAnInputError, match="only inputs hold a gradient"):
        y.grad
    assert not hasattr(y, "grad")  # it is an AttributeError


# ---- backward -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", [2.0, -0.5, 3, True, Fraction(1, 4), numpy.float32(2)])
def test_the_seed_scales(seed):
    x = Var(3.0)
    (x * x).backward(seed)
    assert x.grad == 6.0 * float(seed)
    (x * x).backward(seed=seed)
    assert x.grad == 6.0 * float(seed)


def test_the_seed_zero_reaches_inputs_with_zero():
    x, y = Var(3.0), Var(4.0)
    (x * x).backward(0.0)
    assert gradients(x, y) == [0.0, None]


@pytest.mark.parametrize("seed", [INF, -INF, 1e308])
def test_large_seeds_follow_ieee_arithmetic(seed):
    x = Var(3.0)
    (x * 4.0).backward(seed)
    assert x.grad == seed * 4.0
    (x * 4.0).backward()
    assert x.grad == 4.0


def test_the_seed_nan_gives_nan_and_does_no_lasting_harm():
    x = Var(3.0)
    (x * 4.0).backward(NAN)
    assert math.isnan(x.grad)
    (x * 4.0).backward()
    assert x.grad == 4.0


@pytest.mark.parametrize("seed", ["1", None, 1j, [1.0], Var, Decimal(1)])
def test_the_seed_must_be_a_number(seed):
    x = Var(3.0)
    y = x * x
    y.backward()
    with pytest.raises(errors.ArgumentError, match="the seed must be a real number"):
        y.backward(seed)
    assert x.grad == 6.0


def test_backward_assigns_and_accumulate_adds():
    x, y = Var(3.0), Var(4.0)
    result = x * y
    for _ in range(3):
        result.backward()
        assert gradients(x, y) == [4.0, 3.0]
    result.backward(accumulate=True)
    assert gradients(x, y) == [8.0, 6.0]
    (10.0 * x).backward(2.0, True)
    assert gradients(x, y) == [28.0, 6.0]
    result.backward()
    assert gradients(x, y) == [4.0, 3.0]


def test_accumulating_begins_at_zero():
    x = Var(3.0)
    (x * 5.0).backward(accumulate=True)
    assert x.grad == 5.0


def test_several_results_share_their_inputs():
    x, y = Var(2.0), Var(5.0)
    shared = x * y
    first, second = shared * x, shared + y
    first.backward()
    assert gradients(x, y) == [2 * 2.0 * 5.0, 4.0]
    second.backward()
    assert gradients(x, y) == [5.0, 3.0]


def test_a_graph_with_many_paths():
    """2**50 paths from the result to the input, one addition each."""
    x = Var(1.0)
    y = x
    for _ in range(50):
        y = y + y
    y.backward()
    assert y.value == x.grad == 2.0**50


def test_options_of_backward_that_do_not_exist():
    x = Var(3.0)
    for args, kwargs in [
        ((1.0, False, "warn", 4), {}),
        ((), {"retain_graph": True}),
        ((), {"on_nan": "ignore"}),
        ((), {"on_nan": None}),
    ]:
        with pytest.raises((TypeError, ValueError)):
            (x * x).backward(*args, **kwargs)
    assert x.grad is None


def test_backward_among_a_crowd_of_others():
    """Inputs and results that have nothing to do with it: before, between and after."""

    def crowd():
        return [v * w for v in map(Var, range(50)) for w in (v, 2.0)]

    others = [crowd()]
    x, y, z = Var(2.0), Var(3.0), Var(4.0)
    others.append(crowd())
    product = x * y + 0.0 * z
    others.append(crowd())
    result = product * product
    late = Var(5.0)
    others.append(crowd())
    result.backward()
    assert gradients(x, y, z, late) == [36.0, 24.0, 0.0, None]
    product.backward(accumulate=True)
    assert gradients(x, y, z, late) == [39.0, 26.0, 0.0, None]
    others[2][-1].backward()
    assert gradients(x, y, z, late) == [39.0, 26.0, 0.0, None]


def test_zero_times_infinity_is_reported_once_or_raised():
    x, y = Var(0.0), Var(3.0)
    result = fastad.math.sqrt(x) * 0.0 + y
    with pytest.warns(errors.NonSmoothWarning) as caught:
        result.backward()
    assert len(caught) == 1
    assert gradients(x, y) == [0.0, 1.0]
    (x * 7.0 + y * 8.0).backward()
    with pytest.raises(errors.NonSmoothError):
        result.backward(on_nan="raise")
    assert gradients(x, y) == [7.0, 8.0]
    (x * 5.0).backward()
    assert gradients(x, y) == [5.0, 8.0]


def test_a_warning_that_is_an_error_leaves_the_gradients():
    """The suite turns warnings into errors."""
    x, y = Var(0.0), Var(3.0)
    (x * 7.0 + y * 8.0).backward()
    result = fastad.math.sqrt(x) * 0.0 + y
    with pytest.raises(errors.NonSmoothWarning):
        result.backward()
    assert gradients(x, y) == [7.0, 8.0]
    (x * 5.0).backward()
    assert gradients(x, y) == [5.0, 8.0]


def test_options_that_close_the_tape():
    class Closing(str):
        def __eq__(self, other):
            t.close()
            return True

        __hash__ = str.__hash__

        def __bool__(self):
            t.close()
            return True

        def __float__(self):
            t.close()
            return 1.0

    class ClosingNumber(Fraction):
        __float__ = Closing.__float__

    for options in (
        {"seed": ClosingNumber(1)},
        {"accumulate": Closing()},
        {"on_nan": Closing("warn")},
    ):
        t = fastad.Tape()
        y = x = t.var(1.0)
        for _ in range(5000):
            y = y * 1.0
        with pytest.raises(errors.StaleVarError):
            y.backward(**options)
        assert (x.value, y.value) == (1.0, 1.0)


def test_a_warning_that_computes(monkeypatch):
    """Code that runs within backward() must not change what it finds."""
    junk = [Var(float(k)) for k in range(100)]
    x, y = Var(0.0), Var(3.0)
    result = fastad.math.sqrt(x) * 0.0 + y * y
    refused = []

    def show(*args, **kwargs):
        junk.clear()
        _core.collect()
        for use in (lambda: (x * 7.0).backward(), x.backward, result.backward):
            with pytest.raises(errors.BusyTapeError):
                use()
            refused.append(use)
        assert fastad.grad(lambda p: p * p)(3.0) == 6.0

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", show)
        result.backward()
    assert len(refused) == 3
    assert gradients(x, y) == [0.0, 6.0]
    (x * 2.0).backward()
    assert gradients(x, y) == [2.0, 6.0]


def test_an_infinite_derivative_is_infinite():
    x = Var(0.0)
    fastad.math.sqrt(x).backward()
    assert x.grad == INF


# ---- In-place operators rebind ------------------------------------------------------

IN_PLACE = [
    *(operator.iadd, operator.isub, operator.imul, operator.itruediv),
    *(operator.ipow, operator.ifloordiv, operator.imod),
]


@pytest.mark.parametrize("op", IN_PLACE)
@pytest.mark.parametrize("other", [1.5, 2, Var(1.5)], ids=["float", "int", "Var"])
def test_in_place_operators_rebind(op, other):
    x = Var(7.0)
    y = op(x, other)
    assert y is not x
    assert x.value == 7.0
    assert y.value == op(7.0, other if type(other) is int else 1.5)
    y.backward()
    assert x.grad is not None


def test_accumulating_into_an_element_leaves_the_element():
    v = [Var(2.0), Var(3.0)]
    s = v[0]
    s += v[1]
    s *= s
    assert s.value == 25.0
    assert v[0].value == 2.0
    s.backward()
    assert gradients(*v) == [10.0, 10.0]


def test_in_place_on_an_element_rebinds_the_element():
    x = Var(2.0)
    v = [x]
    v[0] *= v[0]
    assert v[0] is not x
    v[0].backward()
    assert x.grad == 4.0


# ---- Identity -----------------------------------------------------------------------


def test_equal_values_are_different_keys():
    x, y = Var(2.0), Var(2.0)
    assert x == y
    table = {x: "x", y: "y"}
    assert [table[x], table[y], table.get(2.0)] == ["x", "y", None]
    assert hash(x) == hash(x) != hash(y)


def test_reference_counts_of_operands_stay():
    """Operations, failing ones too, keep no reference to what they were given."""

    class Odd(float):
        pass

    odd, number, huge, text = Odd(1.25), 1e300, 10**400, "text"
    x = Var(2.0)
    y = x * 3.0
    things = [odd, number, huge, text, x, y]
    functions = [
        *(operator.add, operator.sub, operator.mul, operator.truediv, operator.pow),
        *(
            operator.mod,
            operator.floordiv,
            divmod,
            operator.lt,
            operator.eq,
            operator.ne,
        ),
        *(fastad.math.atan2, fastad.math.hypot, fastad.math.log, fastad.maximum),
        *(math.atan2, lambda a, b: a.backward(b), lambda a, b: fastad.where(a, b, a)),
        lambda a, b: fastad.fsum([a, b, a]),
        lambda a, b: fastad.sumprod([a, b], [b, a]),
        lambda a, b: fastad.math.fma(a, b, a),
        lambda a, b: fastad.grad(lambda p: p * b + a)(a),
        lambda a, b: fastad.grad(lambda p: p[0] * b)([a, b]),
    ]
    pairs = [(x, thing) for thing in things] + [(thing, y) for thing in things]
    counts = []
    for _ in range(3):  # the first round fills caches
        for f, (a, b) in itertools.product(functions, pairs):
            with contextlib.suppress(Exception):
                f(a, b)
        gc.collect()
        counts.append([sys.getrefcount(thing) for thing in things])
    assert counts[1] == counts[2]
