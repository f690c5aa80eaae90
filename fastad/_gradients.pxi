# The engine of the verbs: arguments become Vars, the function runs, one sweep, and the
# gradient comes back in the shape of the arguments.


# ---- Arguments and gradients in any shape ---------------------------------------------------

cdef enum kind_of_shape:
    A_NUMBER, A_LIST, A_TUPLE, A_DICT, A_DATACLASS, AN_ARRAY


@cython.final
@cython.no_gc_clear
cdef class Shape:
    """How numbers lie in an argument, so that a gradient can be laid out the same way."""

    cdef kind_of_shape kind
    cdef Py_ssize_t n      # of items
    cdef object prototype  # the class of a tuple, the container itself, the shape of an array
    cdef list keys         # of a dict or dataclass
    cdef list items        # Shapes; None where all items are plain numbers


cdef object lift(fad_tape *tape, object x, Shape shape):
    """x with a new input in place of each number; fills in its shape."""
    cdef double value = 0.0
    cdef type kind = type(x)
    if kind is list:
        shape.kind = A_LIST
        return lift_items(tape, x, shape)
    if isinstance(x, tuple):
        shape.kind = A_TUPLE
        shape.prototype = kind
        return as_tuple(kind, lift_items(tape, x, shape))
    if is_ours(x):
        shape.kind = A_NUMBER
        return lift_outer(tape, x)
    if number(x, &value):
        shape.kind = A_NUMBER
        return new_input(tape, value)
    return lift_other(tape, x, kind, shape)


cdef Var lift_outer(fad_tape *tape, outer):
    """A new input whose value is a number of an outer level."""
    check_fresh(outer)
    cdef Var x = new_input(tape, primal(outer))
    if tape.outer == NULL:
        open_to_outer(tape, x, outer)
    (<Outer>tape.outer).values[x.id] = outer
    return x


cdef object lift_other(fad_tape *tape, object x, type kind, Shape shape):
    """lift for what is neither a number nor a plain list or tuple."""
    if isinstance(x, dict):
        shape.kind = A_DICT
        return lift_mapping(tape, x, dict(x), shape)
    if isinstance(x, list):
        shape.kind = A_LIST
        shape.prototype = kind
        lifted = copy_of(x)
        lifted[:] = lift_items(tape, x, shape)
        return lifted
    if hasattr(kind, "__dataclass_fields__"):
        shape.kind = A_DATACLASS
        fields = {field.name: getattr(x, field.name) for field in fields_of(x)}
        return lift_mapping(tape, x, fields, shape)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(x, numpy.ndarray):
        shape.kind = AN_ARRAY
        return lift_array(tape, x, shape, numpy)
    raise ArgumentError(
        f"{short(x)}, {a_type(x)}, cannot be differentiated: only numbers and lists, tuples, "
        "dicts, dataclasses and arrays of numbers can; pass it by keyword, or choose "
        "argnums"
    )


cdef list lift_items(fad_tape *tape, object items, Shape shape):
    """items is a list or a tuple."""
    cdef PyObject *floats = new_inputs(tape, items)
    if floats != NULL:
        shape.n = PyList_GET_SIZE(floats)
        lifted = <list>floats
        Py_DECREF(lifted)  # the reference that new_inputs returned
        return lifted
    Py_EnterRecursiveCall(" while lifting nested arguments")
    try:
        return lift_mixed_items(tape, list(items), shape)
    finally:
        Py_LeaveRecursiveCall()


cdef list lift_mixed_items(fad_tape *tape, list items, Shape shape):
    cdef Py_ssize_t k, n = len(items)
    cdef list lifted = [None] * n
    cdef Shape inner
    shape.n = n
    shape.items = [None] * n
    for k in range(n):
        inner = Shape()
        lifted[k] = lift(tape, items[k], inner)
        shape.items[k] = inner
    return lifted


cdef object lift_mapping(fad_tape *tape, object x, dict items, Shape shape):
    shape.prototype = copy_of(x)
    shape.keys = list(items)
    return with_items(shape, lift_items(tape, list(items.values()), shape))


cdef object with_items(Shape shape, list items):
    """A copy of the dict or dataclass with other values."""
    filled = copy_of(shape.prototype)
    for key, item in zip(shape.keys, items):
        if shape.kind == A_DICT:
            filled[key] = item
        else:
            object.__setattr__(filled, key, item)
    return filled


cdef object copy_of(object x):
    if type(x) is dict:
        return dict(x)
    import copy
    return copy.copy(x)


cdef object fields_of(object x):
    import dataclasses
    return dataclasses.fields(x)


cdef object as_tuple(object kind, list items):
    if kind is tuple:
        return tuple(items)
    if hasattr(kind, "_make"):
        return kind._make(items)
    return kind(items)


cdef object lift_array(fad_tape *tape, object x, Shape shape, object numpy):
    """An object array of Vars for an array of numbers."""
    cdef Py_ssize_t k
    if type(x) is not numpy.ndarray:
        raise ArgumentError(
            f"{a_type(x)}: of arrays only plain numpy.ndarray can be differentiated; convert "
            "with numpy.asarray"
        )
    if x.dtype.kind not in "fiubO" or x.dtype.itemsize > 8:
        raise ArgumentError(
            f"an array of dtype {x.dtype} cannot be differentiated: convert it with "
            ".astype(float)"
        )
    shape.prototype = x.shape
    numbers_ = x.ravel().tolist()
    cdef list lifted = lift_items(tape, numbers_, shape)
    if shape.items is not None:
        for inner in shape.items:
            if (<Shape>inner).kind != A_NUMBER:
                raise ArgumentError("an array to be differentiated must hold numbers only")
        shape.items = None
    array = numpy.empty(shape.n, dtype=object)
    if shape.n:
        array[:] = lifted
    return array.reshape(x.shape)


@cython.final
cdef class Gradient:
    """Numbers in the order of the inputs, to be handed out one after the other."""

    cdef double *floats
    cdef list numbers  # instead of the floats, where some are Vars of an outer tape
    cdef Py_ssize_t n_taken

    def __cinit__(self, Py_ssize_t n):
        self.floats = <double *>PyMem_Calloc(n + 1, sizeof(double))
        if self.floats == NULL:
            raise OutOfMemoryError("no memory for the gradient")

    def __dealloc__(self):
        PyMem_Free(self.floats)

    cdef list take(self, Py_ssize_t n):
        self.n_taken += n
        if self.numbers is not None:
            return self.numbers[self.n_taken - n:self.n_taken]
        return list_of_floats(self.floats + self.n_taken - n, n)


cdef object lower(Shape shape, Gradient gradient):
    """The next numbers of the gradient in that shape."""
    cdef list items
    if shape.kind == A_NUMBER:
        return gradient.take(1)[0]
    if shape.kind == AN_ARRAY:
        return lower_array(shape, gradient)
    if shape.items is None:
        items = gradient.take(shape.n)
    else:
        items = [lower(<Shape>inner, gradient) for inner in shape.items]
    if shape.kind == A_LIST:
        if shape.prototype is None:
            return items
        return shape.prototype(items)
    if shape.kind == A_TUPLE:
        return as_tuple(shape.prototype, items)
    return with_items(shape, items)


cdef object lower_array(Shape shape, Gradient gradient):
    cdef double[::1] cells
    numpy = sys.modules["numpy"]
    if gradient.numbers is not None:
        array = numpy.empty(shape.n, dtype=object)
        array[:] = gradient.take(shape.n)
        return array.reshape(shape.prototype)
    array = numpy.empty(shape.n)
    if shape.n:
        cells = array
        memcpy(&cells[0], gradient.floats + gradient.n_taken, shape.n * sizeof(double))
        gradient.n_taken += shape.n
    return array.reshape(shape.prototype)


cdef object plain(x, fad_tape *tape):
    """x with values in place of Vars of the tape, in containers too."""
    if type(x) is Var:
        return value_one_level_out(<Var>x) if belongs(<Var>x, tape) else x
    kind = type(x)
    if kind is list:
        return [plain(item, tape) for item in x]
    if isinstance(x, tuple):
        return as_tuple(kind, [plain(item, tape) for item in x])
    if kind is dict:
        return {key: plain(item, tape) for key, item in x.items()}
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is numpy.ndarray and x.dtype == object:
        return plain_array([plain(item, tape) for item in x.ravel().tolist()], x.shape, numpy)
    return x


cdef object plain_array(list items, shape, numpy):
    """A float array, if all items are floats."""
    if all([type(item) is float for item in items]):
        return numpy.array(items, dtype=float).reshape(shape)
    array = numpy.empty(len(items), dtype=object)
    for k, item in enumerate(items):
        array[k] = item
    return array.reshape(shape)


# ---- One call of a verb ----------------------------------------------------------------------

@cython.final
cdef class Recipe:
    """What to differentiate, and how: fixed when `grad` or `value_and_grad` is called."""

    cdef object f
    cdef tuple argnums  # positions
    cdef bint one       # argnums was a single int
    cdef bint has_aux
    cdef bint raises

    def __cinit__(self, f, argnums, has_aux, on_nan):
        if not callable(f):
            raise ArgumentError(f"{short(f)}, {a_type(f)}, is not a function")
        self.f = f
        self.one = isinstance(argnums, int)
        try:
            self.argnums = tuple([operator.index(k) for k in ((argnums,) if self.one else argnums)])
        except TypeError:
            raise ArgumentError(
                f"argnums={short(argnums)}: it must be an int or a sequence of ints"
            ) from None
        if not self.argnums:
            raise ArgumentError("argnums is empty: there is nothing to differentiate to")
        self.has_aux = has_aux
        self.raises = raises_on_nan(on_nan)


def value_and_gradient(Recipe recipe, tuple args, dict kwargs):
    """(value, gradient), or ((value, aux), gradient), of one call of the function."""
    cdef fad_tape *tape = take_tape()
    cdef list shapes = []
    cdef Gradient gradient
    cdef Py_ssize_t n_inputs
    cdef object y, aux = None
    try:
        tape.nests = 1
        lifted = lift_arguments(tape, recipe, args, shapes)
        n_inputs = tape.n_nodes
        y = recipe.f(*lifted, **kwargs)
        if recipe.has_aux:
            y, aux = value_and_aux(recipe.f, y)
            aux = plain(aux, tape)
        gradient = Gradient(n_inputs)
        if type(y) is Var and belongs(<Var>y, tape):
            fill_gradient(gradient, <Var>y, n_inputs, recipe.raises)
            y = value_one_level_out(<Var>y)
        else:
            y = constant_result(recipe.f, y)
        if recipe.has_aux:
            y = y, aux
        if recipe.one:
            return y, lower(<Shape>shapes[0], gradient)
        return y, tuple([lower(<Shape>shape, gradient) for shape in shapes])
    finally:
        give_tape(tape)


cdef int fill_gradient(Gradient gradient, Var y, Py_ssize_t n_inputs, bint raises) except -1:
    cdef fad_tape *tape = y.tape
    if tape.outer != NULL:
        gradient.numbers = sweep_nested(tape, y.id, n_inputs)
        return 0
    sweep(tape, y.id, 1.0, raises)
    memcpy(gradient.floats, tape.adjoints, n_inputs * sizeof(double))
    memset(tape.adjoints, 0, n_inputs * sizeof(double))
    return 0


cdef tuple lift_arguments(fad_tape *tape, Recipe recipe, tuple args, list shapes):
    """args with inputs in place of the numbers at recipe.argnums."""
    cdef Py_ssize_t position, n = len(args)
    cdef Shape shape
    cdef list lifted = list(args)
    cdef set seen = None
    tape.n_pinned = 0
    for argnum in recipe.argnums:
        position = argnum + n if argnum < 0 else argnum
        if not 0 <= position < n:
            raise ArgumentError(
                f"argnums={argnum}, but {name_of(recipe.f)} was called with {n} positional "
                f"argument{'' if n == 1 else 's'}: pass what is differentiated by position"
            )
        if len(recipe.argnums) > 1:
            seen = set() if seen is None else seen
            if position in seen:
                raise ArgumentError(f"argnums names argument {position} twice")
            seen.add(position)
        shape = Shape()
        lifted[position] = lift(tape, args[position], shape)
        shapes.append(shape)
        tape.n_pinned = tape.n_nodes
        if not is_plain(shape):
            check_only_inputs(tape)
    return tuple(lifted)


cdef bint is_plain(Shape shape):
    return shape.items is None and shape.prototype is None


cdef int check_only_inputs(fad_tape *tape) except -1:
    """The k-th number must be node k, whatever code the classes of the containers ran."""
    cdef uint32_t id
    for id in range(tape.n_nodes):
        if tape.nodes[id].a != id:
            raise ArgumentError(
                "a container computes with its items while it is built: pass them in a "
                "plain list, tuple or dict"
            )
    return 0


cdef tuple value_and_aux(f, result):
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise ResultError(
        f"{name_of(f)} returned {short(result)}, {a_type(result)}: with has_aux=True it must "
        "return a pair (value, aux)"
    )


cdef object constant_result(f, y):
    """A result that does not depend on the inputs, as a float; ResultError if it is none."""
    cdef double value = 0.0
    numpy = sys.modules.get("numpy")
    if type(y) is Var:
        check_fresh(y)
        return y
    if not isinstance(y, bool) and not is_numpy_bool(y) and number(y, &value):
        return value
    advice = "it must return one number"
    if y is None:
        advice += "; is a return missing?"
    elif isinstance(y, (bool, complex)) or is_numpy_bool(y):
        pass
    elif isinstance(y, tuple) and len(y) == 2:
        advice += "; with has_aux=True it may return (value, aux)"
    elif isinstance(y, (list, tuple, dict)) or numpy is not None and isinstance(y, numpy.ndarray):
        advice += "; sum up its entries, or differentiate them one by one"
    raise ResultError(f"{name_of(f)} returned {short(y)}, {a_type(y)}: {advice}")


cdef str name_of(f):
    return getattr(f, "__name__", None) or short(f)
