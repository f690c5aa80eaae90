# Duals off the fast path, and the engine of forward mode.


cdef object make_dual(value, tangent):
    """A Dual of the user's own."""
    cdef double number_ = 0.0
    if not number(value, &number_):
        raise ArgumentError(
            f"Dual({short(value)}): the value must be a real number, not {a_type(value)}"
        )
    tangents = list(tangent) if isinstance(tangent, (list, tuple)) else [tangent]
    if not tangents:
        raise ArgumentError("a Dual needs at least one tangent")
    cdef Dual dual = <Dual>new_dual_object(number_, &ground_level, len(tangents))
    cdef Py_ssize_t k
    for k in range(len(tangents)):
        if not number(tangents[k], &dual.tangents[k]):
            raise ArgumentError(
                f"tangent={short(tangent)}: a tangent is a real number, or a sequence of them"
            )
    return dual


cdef object nested_dual(value, list tangents, fad_tape *level):
    """A Dual of that level, whose value and tangents may be numbers of outer levels."""
    cdef Py_ssize_t k, n = len(tangents)
    cdef Dual dual = <Dual>new_dual_object(primal(value), level, n)
    cdef bint has_outer = is_ours(value)
    for k in range(n):
        dual.tangents[k] = primal(tangents[k])
        has_outer |= is_ours(tangents[k])
    if has_outer:
        outer = (value, *tangents)
        Py_INCREF(outer)
        dual.outer = <PyObject *>outer
    return dual


cdef list tangents_of(Dual dual):
    """The tangents: floats, or numbers of outer levels."""
    cdef uint32_t k
    if dual.outer != NULL:
        return list(<tuple>dual.outer)[1:]
    return [dual.tangents[k] for k in range(dual.n)]


cdef object sum_of_duals(double value, list arguments, const double *partials):
    """The result of an operation on one or more plain Duals."""
    cdef Dual x, result
    cdef uint32_t k, n = (<Dual>arguments[0]).n
    cdef Py_ssize_t j
    cdef uint64_t n_absorbed = 0
    cdef double tangent
    result = <Dual>new_dual_object(value, (<Dual>arguments[0]).tape, n)
    for k in range(n):
        tangent = 0.0
        for j in range(len(arguments)):
            x = arguments[j]
            check_directions(x.n, n)
            tangent += fad_absorbing_product(x.tangents[k], partials[j], &n_absorbed)
        result.tangents[k] = tangent
    if n_absorbed:
        warn_of_absorption()
    return result


cdef int check_directions(Py_ssize_t n, Py_ssize_t expected) except -1:
    if n == expected:
        return 0
    raise ArgumentError(
        f"Duals with {expected} and with {n} tangents meet: give all the same number of "
        "directions"
    )


cdef object step_of_dual(Dual x, double value):
    """A result of that value whose tangents are 0."""
    check_fresh(x)
    return nested_dual(value, [0.0] * x.n, x.tape)


cdef list nested_tangents(list arguments, list partials):
    """The tangents of a result, with numbers of outer levels: the chain rule."""
    cdef list tangents = []
    cdef list of_arguments = [tangents_of(<Dual>x) for x in arguments]
    cdef uint64_t n_absorbed = 0
    for of_argument in of_arguments:
        check_directions(len(of_argument), len(of_arguments[0]))
    for k in range(len(of_arguments[0])):
        tangent = 0.0
        for partial, of_argument in zip(partials, of_arguments):
            tangent = sum_of(tangent, product_of(partial, of_argument[k], &n_absorbed))
        tangents.append(tangent)
    if n_absorbed:
        warn_of_absorption()
    return tangents


# ---- One call in forward mode -----------------------------------------------------------------

def pushforward(f, tuple primals, tuple tangents, dict kwargs, bint strict=False):
    """(value, tangent) of one call of f, each in the shape of its result."""
    check_function(f)
    if n_recordings and is_inside_program((primals, tangents)):
        try:
            return inlined_pushforward(f, primals, tangents, kwargs, strict)
        except NotAProgram:
            pass
    cdef fad_tape *level = take_tape()
    try:
        lifted = [
            with_tangent(level, x, tangent) for x, tangent in zip(primals, tangents)
        ]
        return split(level, call_on_level(level, strict, f, lifted, kwargs), f)
    finally:
        give_tape(level)


cdef object with_tangent(fad_tape *level, x, tangent):
    """x with a Dual in place of each number whose tangent is not 0."""
    cdef list numbers_ = []
    cdef list slopes = []
    cdef Py_ssize_t place = 0
    cdef Shape shape = take_apart(x, numbers_)
    check_tangent(x, tangent, shape, slopes)
    innermost(numbers_ + slopes)  # all must be fresh
    return shape.fill(duals_of(level, numbers_, slopes), &place)


cdef int check_tangent(x, tangent, Shape shape, list slopes) except -1:
    """Append the numbers in a tangent of x, which has that shape."""
    if not shape.is_like(take_apart(tangent, slopes)):
        raise ArgumentError(
            f"the tangent {short(tangent)} must have the shape of its argument {short(x)}"
        )
    return 0


cdef list duals_of(fad_tape *level, list numbers_, list slopes):
    """The numbers, with a Dual in place of each whose slope is not 0."""
    cdef Py_ssize_t k
    cdef list lifted = list(numbers_)
    for k in range(len(slopes)):
        slope = slopes[k]
        if not (type(slope) is float and PyFloat_AS_DOUBLE(slope) == 0.0):
            lifted[k] = nested_dual(numbers_[k], [slope], level)
    return lifted


cdef tuple split(fad_tape *level, y, f):
    """The values and the tangents of a result, both in its shape."""
    cdef list numbers_ = []
    cdef list tangents = []
    cdef Py_ssize_t k, at_value = 0, at_tangent = 0
    cdef Shape shape = take_result_apart(y, numbers_, f)
    for k in range(len(numbers_)):
        x = numbers_[k]
        if type(x) is Dual and (<Dual>x).tape == level and is_fresh(x):
            numbers_[k] = value_one_level_out(x)
            tangents.append(tangents_of(<Dual>x)[0])
        elif is_ours(x):
            check_fresh(x)
            tangents.append(0.0)
        else:
            tangents.append(0.0)
    return shape.fill(numbers_, &at_value), shape.fill(tangents, &at_tangent)


cdef Shape take_result_apart(y, list numbers_, f):
    """take_apart for what f returned: any arrangement of numbers, but no truth value."""
    if not isinstance(y, bool) and not is_numpy_bool(y):
        try:
            return take_apart(y, numbers_)
        except ArgumentError:
            pass
    raise ResultError(
        f"{name_of(f)} returned {short(y)}, {a_type(y)}: it must return a number, or a list, "
        "tuple, dict, dataclass or array of numbers"
    )
