# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, c_api_binop_methods=True, embedsignature=True
"""The binding of the C core: `Var`, `Tape`, and what the Python modules call.

Thin over csrc: convert, call, convert back.  The fast path of every operation stands in
_operations.h and never comes here; what it refuses arrives in _slow_paths.pxi.  The verbs'
engine (lift the arguments, run the function, sweep, hand back the gradient in the
arguments' shape) stands in _gradients.pxi.
"""

cimport cython
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBuffer_Release, PyObject_GetBuffer
from cpython.float cimport PyFloat_AsDouble, PyFloat_Check, PyFloat_AS_DOUBLE
from cpython.long cimport PyLong_Check, PyLong_AsLongLongAndOverflow
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.buffer cimport (
    PyBUF_RECORDS_RO, PyBUF_SIMPLE, PyBUF_STRIDES, PyBuffer_IsContiguous, PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.object cimport PyObject, Py_EQ, Py_GE, Py_GT, Py_LE, Py_LT, Py_NE, PyObject_RichCompare
from libc.math cimport copysign, isfinite, isinf, isnan
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

import math
import numbers
import operator
import os
import sys
import time
import warnings
from math import prod

from fastad.errors import (
    ArgumentError,
    BusyTapeError,
    DivisionByZeroError,
    DomainError,
    FileFormatError,
    ImpureFunctionError,
    LostDerivativeError,
    MixedTapesError,
    NonSmoothError,
    NonSmoothWarning,
    NotAnInputError,
    NotCompiledWarning,
    OutOfMemoryError,
    PathError,
    RangeError,
    ResultError,
    StaleVarError,
)

cdef extern from "math.h" nogil:
    int isless(double, double)
    int islessequal(double, double)
    int isgreater(double, double)
    int isgreaterequal(double, double)

cdef extern from "Python.h":
    ctypedef struct PyThreadState:
        pass
    PyThreadState *PyThreadState_Get()
    uint64_t PyThreadState_GetID(PyThreadState *)
    PyObject *PyThreadState_GetDict()  # borrowed
    double PyLong_AsDouble(object) except? -1.0
    Py_hash_t Py_HashPointer "_Py_HashPointer"(const void *)
    int Py_EnterRecursiveCall(const char *) except *  # 1 or -1, as the version has it
    void Py_LeaveRecursiveCall()
    void Py_DECREF(object)
    void Py_INCREF(object)
    int PyErr_WarnEx(object, const char *, Py_ssize_t) except -1


# ---- Numbers ----------------------------------------------------------------------------

cdef int number(object x, double *value) except -1:
    """Whether x is a plain real number, and then its value; OverflowError if too large."""
    if PyFloat_Check(x):
        value[0] = PyFloat_AS_DOUBLE(x)
        return 1
    if PyLong_Check(x):
        value[0] = PyLong_AsDouble(x)
        return 1
    if is_ours(x):
        return 0
    if isinstance(x, numbers.Real) or is_numpy_bool(x):
        value[0] = float(x)
        return 1
    return 0


cdef inline bint is_ours(x):
    """Whether x is a Var or a Dual."""
    return type(x) is Var or type(x) is Dual


cdef bint is_numpy_bool(object x):
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(x, numpy.bool_)


# ---- What Var and Dual have in common with a float ----------------------------------------

@cython.no_gc
cdef class Number:
    """The operators and conversions of `Var` and `Dual`."""

    cdef double _value

    # NumPy's scalars leave an operation to us, NumPy's arrays apply it to each element.
    __array_priority__ = -1.0

    @property
    def value(self):
        """The plain float.  It can be read for ever."""
        check_kept(self, ".value")
        if n_recordings:
            guard_value(self)
        return self._value

    # -- arithmetic: each one line, the work is in _operations.h

    def __add__(x, y):
        return record_add(x, y, BY_OPERATOR)

    def __sub__(x, y):
        return record_sub(x, y, BY_OPERATOR)

    def __mul__(x, y):
        return record_mul(x, y, BY_OPERATOR)

    def __truediv__(x, y):
        return record_div(x, y, BY_OPERATOR)

    def __floordiv__(x, y):
        return record_floordiv(x, y, BY_OPERATOR)

    def __mod__(x, y):
        return record_mod(x, y, BY_OPERATOR)

    def __divmod__(x, y):
        quotient = record_floordiv(x, y, BY_OPERATOR)
        if quotient is NotImplemented:
            return NotImplemented
        return quotient, record_mod(x, y, BY_OPERATOR)

    def __pow__(x, y, modulus):
        if modulus is not None:
            raise TypeError("pow() takes no third argument here, as with floats")
        return record_pow(x, y, BY_OPERATOR)

    def __neg__(self):
        return record_neg(self, BY_OPERATOR)

    def __pos__(self):
        return self

    def __abs__(self):
        return record_fabs(self, BY_OPERATOR)

    # -- comparisons, by value; hashing, by identity

    def __richcmp__(self, other, int op):
        result = compared(self._value, other, op)
        if n_recordings and result is not NotImplemented:
            guard_comparison(self, other, op, result)
        if op == Py_EQ and result is True or op == Py_NE and result is False:
            check_equality(self, other)
        return result

    def __hash__(self):
        # By value, functools.lru_cache would hand one number's derivative to another.
        if n_recordings:
            note_hash(self)
        return Py_HashPointer(<void *>self)

    def __bool__(self):
        if self._value == 0.0:
            check_equality(self, 0.0)
        if n_recordings:
            guard_comparison(self, 0.0, Py_NE, self._value != 0.0)
        return self._value != 0.0

    # -- conversions: to int as floats do, to float never in silence

    def __float__(self):
        raise LostDerivativeError(
            f"float() of {self!r} would lose its derivative: use fastad.math instead of "
            "math, an array of dtype=object, or v.value for the plain number"
        )

    def __int__(self):
        check_kept(self, "int()")
        return as_int(self, "trunc", int)

    def __trunc__(self):
        check_kept(self, "math.trunc()")
        return as_int(self, "trunc", int)

    def __floor__(self):
        check_kept(self, "math.floor()")
        return as_int(self, "floor", math.floor)

    def __ceil__(self):
        check_kept(self, "math.ceil()")
        return as_int(self, "ceil", math.ceil)

    def __round__(self, ndigits=None):
        if ndigits is None:
            check_kept(self, "round()")
            return as_int(self, "rint", round)
        try:
            value = round(self._value, ndigits)
        except Exception:
            note_exception(self)
            raise
        if n_recordings:
            return slow(<fad_opcode><int>opcode_of["round_to"], BY_RULE, (self, ndigits))
        return step(self, value)

    def is_integer(self):
        """Whether the value is an integer."""
        cdef bint is_one = self._value.is_integer()
        if is_one:
            check_kept(self, "is_integer()")
        if n_recordings:
            guard_integral(self, is_one)
        return is_one

    def conjugate(self):
        """The number itself: it is real."""
        return self

    @property
    def real(self):
        """The number itself: it is real."""
        return self

    @property
    def imag(self):
        """0.0: it is real."""
        return 0.0

    def __repr__(self):
        if n_recordings:
            guard_value(self)
        return f"{type(self).__name__}({self._value!r})"

    def __str__(self):
        if n_recordings:
            guard_value(self)
        return str(self._value)

    def __format__(self, spec):
        if n_recordings:
            guard_value(self)
        return float.__format__(self._value, spec)

    # -- copies: these numbers are immutable

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce_ex__(self, protocol):
        raise TypeError(
            f"{self!r} belongs to a computation of this process and cannot be pickled: pickle its "
            ".value, or the result of fastad.grad"
        )


# ---- Var --------------------------------------------------------------------------------

@cython.final
@cython.no_gc
cdef class Var(Number):
    """A number that remembers how it was computed.

    Use it like a float, in arithmetic, comparisons and the functions of `fastad.math`;
    `backward` of a result then leaves its derivatives in `grad` of the inputs.

    Parameters
    ----------
    value : real number
        The value of a new input, on the tape of the running thread.

    Raises
    ------
    ArgumentError
        (a TypeError) if `value` is not a real number.

    Examples
    --------
    >>> from fastad import Var, math
    >>> x, y = Var(1.5), Var(2.0)
    >>> z = x * y + math.sin(x)
    >>> z.backward()
    >>> y.grad
    1.5
    >>> x.grad == 2.0 + math.cos(1.5)
    True
    """

    # With the value before them, the layout of var_object in _var.h.
    cdef fad_tape *tape
    cdef uint32_t id
    cdef uint32_t epoch

    def __cinit__(self, value, /):
        cdef double number_ = 0.0
        if not number(value, &number_):
            raise ArgumentError(
                f"Var({short(value)}): a Var is made from one real number, not from "
                f"{a_type(value)}"
            )
        cdef fad_tape *tape = thread_tape()
        ensure_room(tape)
        self.id = fad_tape_record_input(tape)
        self._value = number_
        self.epoch = tape.epoch
        self.tape = tape

    @property
    def grad(self):
        """The derivative that the last `backward` left here: a float, or None before it.

        Raises
        ------
        NotAnInputError
            (an AttributeError) if this Var is the result of an operation.
        StaleVarError
            (a RuntimeError) if its tape has been closed.
        """
        check_fresh(self)
        check_has_node(self)
        cdef fad_node *node = &self.tape.nodes[self.id]
        if node.a != self.id:
            raise NotAnInputError(
                f"{self!r} is the result of an operation, and only inputs hold a gradient: "
                "fastad.grad differentiates to a function's arguments"
            )
        return node.pa if node.pb != 0.0 else None

    @grad.setter
    def grad(self, value):
        raise_nothing_to_reset()

    @grad.deleter
    def grad(self):
        raise_nothing_to_reset()

    def backward(self, seed=1.0, accumulate=False, on_nan="warn"):
        """Differentiate this Var to every input it depends on, into their `grad`.

        Parameters
        ----------
        seed : real number
            The derivative of some outer result to this Var: scales all gradients.
        accumulate : bool
            Add to the gradients that are there instead of replacing them.
        on_nan : {"warn", "raise"}
            What happens where an exact zero meets an infinite or undefined partial, or a
            gradient is nan: a `NonSmoothWarning` for the first, or a `NonSmoothError` for
            both, which leaves all gradients as they were.

        Raises
        ------
        StaleVarError, BusyTapeError, OutOfMemoryError
            If the tape has been closed, is being swept by another thread, cannot grow.

        Examples
        --------
        >>> from fastad import Var
        >>> x = Var(3.0)
        >>> (x * x).backward()
        >>> x.grad
        6.0
        >>> (2 * x).backward(accumulate=True)
        >>> x.grad
        8.0
        """
        cdef double adjoint = 0.0
        if not number(seed, &adjoint):
            raise ArgumentError(f"seed={short(seed)}: the seed must be a real number")
        cdef bint adds = accumulate, raises = raises_on_nan(on_nan)
        check_fresh(self)  # after all that may run somebody's code
        check_has_node(self)
        if self.tape.outer != NULL:
            raise MixedTapesError(
                f"{self!r} depends on Vars of an outer tape, which backward would not reach: "
                "use fastad.grad, which nests"
            )
        backward(self.tape, self.id, adjoint, adds, raises)


@cython.final
@cython.no_gc
cdef class Dual(Number):
    """A number with its tangents: forward mode, one step at a time.

    A Dual is used like a float, as a `Var` is, but carries its derivatives along instead of
    recording how it was computed, so memory does not depend on the length of a run.

    Parameters
    ----------
    value : real number
    tangent : real number or sequence of them
        The derivative of the value in one direction, or in several. All Duals in one
        computation have the same number of directions.

    Raises
    ------
    ArgumentError
        (a TypeError) if something is not a real number, or there is no direction.

    Examples
    --------
    >>> from fastad import Dual, math
    >>> x = Dual(2.0, 1.0)
    >>> (x * x * x).tangent
    12.0
    >>> x, y = Dual(2.0, (1.0, 0.0)), Dual(5.0, (0.0, 1.0))
    >>> (x * y + math.sqrt(x * 2)).tangent
    (5.5, 2.0)
    """

    # With the value before them, the layout of dual_object in _dual.h.
    cdef fad_tape *tape
    cdef uint32_t epoch
    cdef uint32_t n
    cdef PyObject *outer
    cdef double tangents[1]

    @property
    def tangent(self):
        """The derivative: a float, or a tuple of them for several directions.

        Where the Dual has met Vars, they are Vars.
        """
        tangents = tangents_of(self)
        return tangents[0] if self.n == 1 else tuple(tangents)


cdef int raise_nothing_to_reset() except -1:
    raise AttributeError(
        "grad cannot be assigned: backward() replaces the derivative of each input that it "
        "reaches, so that there is nothing to reset (backward(accumulate=True) adds to it)"
    )


cdef object as_int(Number x, row, convert):
    """The int, which the row of x gives as a float."""
    try:
        value = convert(x._value)
    except Exception:
        note_exception(x)
        raise
    if n_recordings:
        guard_int(x, row, value)
    return value


cdef object compared(double x, other, int op):
    """What a float of that value answers."""
    cdef double y = 0.0
    if type(other) is Var:
        y = (<Var>other)._value
    elif type(other) is Dual:
        y = (<Dual>other)._value
    elif PyFloat_Check(other):
        y = PyFloat_AS_DOUBLE(other)
    elif is_small_int(other, &y):
        pass
    elif isinstance(other, numbers.Real) or is_numpy_bool(other):
        result = PyObject_RichCompare(x, as_pythons(other), op)  # exact, also for huge ints
        return bool(result) if is_numpy_bool(result) else result
    else:
        return NotImplemented
    # Quietly: after a loop over an array, NumPy warns of what < has raised at a nan.
    if op == Py_LT:
        return isless(x, y) != 0
    if op == Py_LE:
        return islessequal(x, y) != 0
    if op == Py_EQ:
        return x == y
    if op == Py_NE:
        return x != y
    if op == Py_GT:
        return isgreater(x, y) != 0
    return isgreaterequal(x, y) != 0


cdef object as_pythons(x):
    """A NumPy scalar as the number of Python's that it equals, if there is one; else x.

    NumPy itself would round the float beside a float32 to 32 bits before it compares.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(x, numpy.generic) or isinstance(x, numpy.longdouble):
        return x  # a longdouble is compared in its own width: nothing is rounded
    return x.item()


cdef inline bint is_small_int(object x, double *value) except -1:
    """Whether x is an int that a double holds exactly."""
    cdef int overflow = 0
    cdef long long n
    if not PyLong_Check(x):
        return False
    n = PyLong_AsLongLongAndOverflow(x, &overflow)
    value[0] = <double>n
    return not overflow and -(1LL << 53) <= n <= (1LL << 53)


cdef int check_fresh(x) except -1:
    if is_fresh(x):
        return 0
    raise StaleVarError(
        f"{x!r} belongs to a computation that has ended: only its .value can still be read. It "
        "must not leave the function that fastad differentiates, nor outlive its Tape"
    )


cdef int check_has_node(Var x) except -1:
    if x.tape.program != NULL:
        raise NotAnInputError(
            f"{x!r} belongs to a function that is being recorded as a program, which has no "
            "gradients yet: differentiate with fastad.grad"
        )
    return 0


def short(x):
    """repr(x), shortened for a message; also of objects whose repr fails."""
    try:
        text = repr(x)
    except Exception:
        return f"<{type(x).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."


def a_type(x):
    """The type of x with its article: 'a list', 'an object'."""
    name = type(x).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


cdef bint raises_on_nan(object on_nan) except -1:
    if on_nan == "warn":
        return False
    if on_nan == "raise":
        return True
    raise ValueError(f"on_nan={short(on_nan)}: it must be 'warn' or 'raise'")


include "_strict.pxi"
include "_slow_paths.pxi"
include "_containers.pxi"
include "_tapes.pxi"
include "_nesting.pxi"
include "_duals.pxi"
include "_many_operands.pxi"
include "_gradients.pxi"
include "_sets.pxi"
include "_jacobians.pxi"
include "_guards.pxi"
include "_programs.pxi"
include "_batches.pxi"
include "_artefacts.pxi"
include "_recordings.pxi"
include "_inlining.pxi"
include "_compiled.pxi"
include "_many_points.pxi"
include "_sparse.pxi"
include "_custom.pxi"
include "_checkpoints.pxi"
include "_rows.pxi"


# ---- Set-up -----------------------------------------------------------------------------

# What NumPy calls on the elements of an object array: its name, and the row.
NUMPY_METHODS = {
    "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctanh": "atanh", "arctan2": "atan2", "absolute": "fabs",
    "fabs": "fabs", "negative": "neg", "sign": "sign", "floor": "floor", "ceil": "ceil",
    "trunc": "trunc", "rint": "rint", "sqrt": "sqrt", "cbrt": "cbrt", "exp": "exp",
    "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10",
    "log1p": "log1p", "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "hypot": "hypot", "fmod": "fmod",
    "logaddexp": "logaddexp", "copysign": "copysign", "maximum": "maximum",
    "minimum": "minimum", "degrees": "degrees", "rad2deg": "degrees", "radians": "radians",
    "deg2rad": "radians",
}


cdef list method_names = []  # keeps the names of the methods alive


cdef void set_up() except *:
    global make_dual_hook
    install_var_type(<void *>Var)
    install_dual_type(<void *>Dual)
    make_dual_hook = make_dual
    errors.busy_tape = <void *>BusyTapeError
    errors.out_of_memory = <void *>OutOfMemoryError
    slow_path.unary = slow_unary
    slow_path.binary = slow_binary
    slow_path.ternary = slow_ternary
    slow_path.log_to_base = log_to_base
    for name, row in NUMPY_METHODS.items():
        numpy_name_of.setdefault(<int>opcode_of[row], name)
        encoded = name.encode()
        method_names.append(encoded)
        add_row_method(<void *>Var, opcode_of[row], encoded)
        add_row_method(<void *>Dual, opcode_of[row], encoded)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=end_sweeps_of_other_threads)
    numbers.Real.register(Var)
    numbers.Real.register(Dual)


set_up()
