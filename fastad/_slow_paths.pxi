# What the fast paths of _operations.h refuse: operands of other types, stale Vars, two
# tapes, and results or partials that are not finite, where CPython might raise.


# ---- Whose code it is ----------------------------------------------------------------------

cdef dict known_files = {}  # file -> whether it is of the user


def is_of_user(str file):
    """Whether a source file is neither of fastad nor of NumPy, through which calls may go."""
    if file not in known_files:
        of_numpy = getattr(sys.modules.get("numpy"), "__file__", None)
        folders = [os.path.dirname(path) for path in (__file__, of_numpy) if path]
        ours = tuple([os.path.join(folder, "") for folder in folders])
        known_files[file] = not file.startswith(("fastad/", *ours))  # the first: Cython's
    return known_files[file]


# ---- What Python itself computes ----------------------------------------------------------

cdef dict opcode_of = {}  # row name -> opcode
cdef list by_operator = [None] * FAD_N_OPS  # opcode -> Python's operator, if it can raise
cdef dict numpy_name_of = {}  # opcode -> the function of NumPy's, for the rows it has
cdef list by_function = [None] * FAD_N_OPS  # opcode -> Python's function of math, if it has one


cdef void find_python_functions() except *:
    cdef int op
    for op in range(<int>FAD_N_OPS):
        name = fad_op_rows[op].name.decode()
        opcode_of[name] = op
        # floor, ceil and trunc of math return ints, the rows floats
        gives_int = name in ("ceil", "floor", "trunc")
        by_function[op] = None if gives_int else getattr(math, name, None)
        by_operator[op] = getattr(
            operator, {"div": "truediv"}.get(name, name), None
        ) if name in ("add", "sub", "mul", "div", "floordiv", "mod", "pow", "neg") else None
    by_operator[opcode_of["fabs"]] = abs


find_python_functions()


cdef double checked_value(fad_opcode op, asked_by by, tuple values) except? -1.0:
    """The operation on floats, with the exceptions and, where CPython has algorithms of its
    own, the values of CPython."""
    cdef object python = None
    cdef double c_value, x
    if by == BY_OPERATOR:
        python = by_operator[<int>op]
    elif by == BY_FUNCTION:
        python = by_function[<int>op]
    if python is not None:
        try:
            result = python(*values)
        except (ValueError, OverflowError, ZeroDivisionError) as error:
            raise kinder(error, op, values) from None
        if isinstance(result, complex):
            raise DomainError(message(op, values, remedy(op)))
        return result
    c_value = value_of(op, values)
    if isfinite(c_value) or by == BY_RULE:
        return c_value
    if by == BY_METHOD:
        warn_as_numpy(op, values, c_value)
        return c_value
    if is_inherited(c_value, values):
        return c_value
    if isinf(c_value) and is_in_domain(op, values):
        raise RangeError(message(op, values, "the result is too large for a float"))
    if isnan(c_value) and fad_domain_rows[fad_op_rows[<int>op].domain].name == b"ANY":
        raise DomainError(message(op, values, "infinities cancel, or meet a zero"))
    raise DomainError(message(op, values, remedy(op)))


cdef bint is_inherited(double value, tuple values):
    """Whether a value is nan or infinite because an argument is: what math raises nothing for."""
    cdef double x
    for x in values:
        if isnan(x) or isinf(x) and isinf(value):
            return True
    return False


cdef double value_of(fad_opcode op, tuple values) except? -1.0:
    cdef Py_ssize_t n = len(values)
    return fad_op_value(
        op, values[0], values[1] if n > 1 else 0.0, values[2] if n > 2 else 0.0
    )


cdef str remedy(fad_opcode op):
    return fad_domain_rows[fad_op_rows[<int>op].domain].remedy.decode()


cdef bint is_in_domain(fad_opcode op, tuple values):
    """Whether the operation has a value, which may be too large, at arguments where C has inf."""
    cdef int domain = fad_op_rows[<int>op].domain
    cdef double last = values[len(values) - 1]
    return domain in always_defined or domain in without_poles and not (
        last <= 0.0 and last.is_integer()
    )


cdef set without_poles = {
    k for k in range(FAD_N_DOMAINS) if fad_domain_rows[k].name in (b"NO_POLE", b"ORDER")
}
cdef set always_defined = {
    k for k in range(FAD_N_DOMAINS) if fad_domain_rows[k].name in (b"ANY", b"FINITE")
}

cdef dict signs = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "mod": "%", "pow": "**"
}


def message(op, values, advice):
    """'log(-2.0): the argument must be positive'"""
    name = fad_op_rows[<int>op].name.decode()
    if name in signs and len(values) == 2:
        call = f"{values[0]!r} {signs[name]} {values[1]!r}"
        if values[0] < 0:
            call = f"({values[0]!r}) {signs[name]} {values[1]!r}"
    else:
        call = f"{name}({', '.join(map(repr, values))})"
    return f"{call}: {advice}"


cdef object kinder(error, fad_opcode op, tuple values):
    """Python's exception as one of ours, with the value and the remedy."""
    if isinstance(error, ZeroDivisionError):
        return DivisionByZeroError(message(op, values, remedy(op)))
    # A power that turns complex can overflow as such: (-1e-300) ** -2.5.
    if isinstance(error, OverflowError) and not isnan(value_of(op, values)):
        return RangeError(message(op, values, "the result is too large for a float"))
    return DomainError(message(op, values, remedy(op)))


cdef int warn_as_numpy(fad_opcode op, tuple values, double value) except -1:
    """NumPy itself decides whether, how (numpy.errstate) and in which words."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        getattr(numpy, numpy_name_of[<int>op])(*values)
    elif not is_inherited(value, values):
        warnings.warn(numpy_warning(op, value), RuntimeWarning, stacklevel=users_stacklevel())
    return 0


cdef str numpy_warning(fad_opcode op, double value):
    """As NumPy words it."""
    what = "invalid value" if isnan(value) else (
        "overflow" if fad_op_rows[<int>op].domain in always_defined else "divide by zero"
    )
    return f"{what} encountered in {numpy_name_of[<int>op]}"


# ---- The slow paths ------------------------------------------------------------------------

cdef object slow_unary(fad_opcode op, asked_by by, object x):
    return quiet(slow(op, by, (x,)))


cdef object slow_binary(fad_opcode op, asked_by by, object x, object y):
    return quiet(slow(op, by, (x, y)))


cdef object slow_ternary(fad_opcode op, object x, object y, object z):
    return quiet(slow(op, BY_FUNCTION, (x, y, z)))


cdef inline object quiet(result):
    """Of a flag that only a partial has raised, NumPy would warn after a loop."""
    fad_flags_clear()
    return result


cdef object slow(fad_opcode op, asked_by by, tuple operands):
    """Any operation, on any operands."""
    cdef double partials[3]
    cdef double kept[3]
    cdef double values[3]
    cdef int k, n = <int>len(operands)
    cdef list arguments
    inner = innermost(operands)
    if inner is None:
        return on_plain_numbers(op, operands)
    if tape_of(inner).program != NULL:
        return record_instruction(op, by, operands, tape_of(inner))
    if must_nest(operands):
        return slow_nested(op, by, operands, inner)
    arguments = []
    memset(values, 0, sizeof(values))
    memset(partials, 0, sizeof(partials))
    for k in range(n):
        if is_ours(operands[k]):
            values[k] = primal(operands[k])
        elif not take_number(op, by, operands[k], &values[k]):
            return NotImplemented
    value = checked_value(op, by, tuple([values[k] for k in range(n)]))
    fad_op_partials(op, values[0], values[1], values[2], value, partials)
    for k in range(n):
        if is_ours(operands[k]):
            kept[len(arguments)] = partials[k]
            arguments.append(operands[k])
    return result_of(value, arguments, kept)


cdef bint take_number(fad_opcode op, asked_by by, operand, double *value) except -1:
    """The value of an operand without derivative; False if an operator leaves it to the operand.

    A function takes what `math` takes, whatever says what float it is.
    """
    if number(operand, value):
        return True
    if by == BY_OPERATOR:
        return False
    if not (hasattr(type(operand), "__float__") or hasattr(type(operand), "__index__")):
        raise TypeError(
            f"{fad_op_rows[<int>op].name.decode()}: must be real number, not "
            f"{type(operand).__name__}"
        )
    value[0] = PyFloat_AsDouble(operand)
    return True


cdef object on_plain_numbers(fad_opcode op, tuple operands):
    """A function of fastad.math without a Var: what Python's own returns or raises."""
    cdef double value = 0.0
    python = by_function[<int>op]
    if python is not None:
        return python(*operands)
    values = []
    for operand in operands:
        take_number(op, BY_FUNCTION, operand, &value)
        values.append(value)
    return checked_value(op, BY_FUNCTION, tuple(values))
