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
            if x.n != n:
                raise ArgumentError(
                    f"Duals with {n} and with {x.n} tangents meet: give all the same number "
                    "of directions"
                )
            tangent += fad_absorbing_product(x.tangents[k], partials[j], &n_absorbed)
        result.tangents[k] = tangent
    if n_absorbed:
        warn_of_absorption()
    return result


cdef object step_of_dual(Dual x, double value):
    """A result of that value whose tangents are 0."""
    check_fresh(x)
    return nested_dual(value, [0.0] * x.n, x.tape)


cdef list nested_tangents(list arguments, list partials):
    """The tangents of a result, with numbers of outer levels: the chain rule."""
    cdef list tangents = []
    cdef list of_arguments = [tangents_of(<Dual>x) for x in arguments]
    for k in range(len(of_arguments[0])):
        tangent = 0.0
        for partial, of_argument in zip(partials, of_arguments):
            tangent = sum_of(tangent, product_of(partial, of_argument[k]))
        tangents.append(tangent)
    return tangents


# ---- One call in forward mode -----------------------------------------------------------------

def pushforward(f, tuple primals, tuple tangents, dict kwargs):
    """(value, tangent) of one call of f, each in the shape of its result."""
    cdef fad_tape *level = take_tape()
    try:
        lifted = [
            with_tangent(level, x, tangent) for x, tangent in zip(primals, tangents)
        ]
        return split(level, f(*lifted, **kwargs), f)
    finally:
        give_tape(level)


cdef object with_tangent(fad_tape *level, x, tangent):
    """x with a Dual in place of each number whose tangent is not 0."""
    cdef double value = 0.0, slope = 0.0
    if is_ours(x) or number(x, &value):
        if not is_ours(tangent) and not number(tangent, &slope):
            raise ArgumentError(
                f"the tangent {short(tangent)} of {short(x)} must be a real number"
            )
        if is_ours(x) or is_ours(tangent):
            return nested_dual(x, [tangent], level)
        return value if slope == 0.0 else nested_dual(value, [slope], level)
    kind = type(x)
    numpy = sys.modules.get("numpy")
    Py_EnterRecursiveCall(" while lifting nested arguments")
    try:
        if numpy is not None and kind is numpy.ndarray:
            if numpy.shape(tangent) != x.shape:
                raise unlike(x, tangent)
            items = with_tangents(
                level, x, x.ravel().tolist(), tangent, numpy.ravel(tangent).tolist()
            )
            return object_array(items, x.shape, numpy)
        if isinstance(x, (list, tuple)) and isinstance(tangent, (list, tuple)):
            return rebuilt(x, with_tangents(level, x, list(x), tangent, list(tangent)))
        if isinstance(x, dict) and isinstance(tangent, dict):
            if x.keys() != tangent.keys():
                raise unlike(x, tangent)
            return {key: with_tangent(level, x[key], tangent[key]) for key in x}
        if hasattr(kind, "__dataclass_fields__") and type(tangent) is kind:
            names = [field.name for field in fields_of(x)]
            return replaced(x, {
                name: with_tangent(level, getattr(x, name), getattr(tangent, name))
                for name in names
            })
    finally:
        Py_LeaveRecursiveCall()
    raise unlike(x, tangent)


cdef list with_tangents(fad_tape *level, x, list items, tangent, list tangents):
    if len(items) != len(tangents):
        raise unlike(x, tangent)
    return [with_tangent(level, item, slope) for item, slope in zip(items, tangents)]


cdef object unlike(x, tangent):
    return ArgumentError(
        f"the tangent {short(tangent)} must have the shape of its argument {short(x)}, which "
        "must be a number or a list, tuple, dict, dataclass or array of numbers"
    )


cdef object rebuilt(x, list items):
    """A list or tuple of the class of x."""
    if isinstance(x, tuple):
        return as_tuple(type(x), items)
    return items


cdef object replaced(x, dict fields):
    """A copy of the dataclass with other values in its fields."""
    copy = copy_of(x)
    for name, value in fields.items():
        object.__setattr__(copy, name, value)
    return copy


cdef object object_array(list items, shape, numpy):
    array = numpy.empty(len(items), dtype=object)
    for k, item in enumerate(items):
        array[k] = item
    return array.reshape(shape)


cdef tuple split(fad_tape *level, y, f):
    """The values and the tangents of a result, both in its shape."""
    cdef double value = 0.0
    if type(y) is Dual and (<Dual>y).tape == level and is_fresh(y):
        return value_one_level_out(y), tangents_of(<Dual>y)[0]
    if is_ours(y):
        check_fresh(y)
        return y, 0.0
    if not isinstance(y, bool) and not is_numpy_bool(y) and number(y, &value):
        return value, 0.0
    numpy = sys.modules.get("numpy")
    if numpy is not None and type(y) is numpy.ndarray:
        values, tangents = split_items(level, y.ravel().tolist(), f)
        return plain_array(values, y.shape, numpy), plain_array(tangents, y.shape, numpy)
    if isinstance(y, (list, tuple)):
        values, tangents = split_items(level, list(y), f)
        return rebuilt(y, values), rebuilt(y, tangents)
    if isinstance(y, dict):
        values, tangents = split_items(level, list(y.values()), f)
        return dict(zip(y, values)), dict(zip(y, tangents))
    if hasattr(type(y), "__dataclass_fields__"):
        names = [field.name for field in fields_of(y)]
        values, tangents = split_items(level, [getattr(y, name) for name in names], f)
        return replaced(y, dict(zip(names, values))), replaced(y, dict(zip(names, tangents)))
    raise ResultError(
        f"{name_of(f)} returned {short(y)}, {a_type(y)}: it must return a number, or a list, "
        "tuple, dict, dataclass or array of numbers"
    )


cdef tuple split_items(fad_tape *level, list items, f):
    pairs = [split(level, item, f) for item in items]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
