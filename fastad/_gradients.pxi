# The engine of the verbs in reverse mode: arguments become Vars, the function runs, one sweep,
# and the gradient comes back in the arguments' shape.


cdef class Recipe:
    """What to differentiate, and how: fixed when `grad` or `value_and_grad` is called."""

    cdef object f
    cdef readonly tuple argnums  # positions
    cdef bint one       # argnums was a single int
    cdef bint has_aux
    cdef bint raises
    cdef bint strict

    def __cinit__(self, f, argnums, has_aux, on_nan, strict=False):
        check_function(f)
        self.f = f
        self.one = hasattr(argnums, "__index__") and not is_array(argnums)
        try:
            self.argnums = tuple([operator.index(k) for k in ((argnums,) if self.one else argnums)])
        except TypeError:
            raise ArgumentError(
                f"argnums={short(argnums)}: it must be an int or a sequence of ints (arguments "
                "go to what is returned: grad(f)(x))"
            ) from None
        if len(set(self.argnums)) < len(self.argnums):
            raise ArgumentError(f"argnums={short(argnums)} names an argument twice")
        self.has_aux = has_aux
        self.raises = raises_on_nan(on_nan)
        self.strict = strict

    def __reduce__(self):
        argnums = self.argnums[0] if self.one else self.argnums
        on_nan = "raise" if self.raises else "warn"
        return Recipe, (self.f, argnums, self.has_aux, on_nan, self.strict)


def check_function(f):
    """ArgumentError if f cannot be called."""
    if not callable(f):
        raise ArgumentError(f"{short(f)}, {a_type(f)}, is not a function")


def value_and_gradient(Recipe recipe, tuple args, dict kwargs):
    """(value, gradient), or ((value, aux), gradient), of one call of the function."""
    if n_recordings and is_inside_program(args):
        try:
            return inlined_value_and_gradient(recipe, args, kwargs)
        except NotAProgram:
            pass
    cdef fad_tape *tape = take_tape()
    cdef list shapes = []
    cdef list gradient
    cdef Py_ssize_t place = 0
    cdef object y, aux = None
    try:
        tape.nests = 1
        lifted = lift(tape, recipe, args, shapes)
        y = call_on_level(tape, recipe.strict, recipe.f, lifted, kwargs)
        if recipe.has_aux:
            y, aux = value_and_aux(recipe.f, y)
            aux = plain(aux, tape)
        if not is_ours(y):
            y = without_array(y)
        if type(y) is Var and belongs(<Var>y, tape):
            gradient = gradient_of(<Var>y, recipe.raises)
            y = value_one_level_out(y)
        else:
            y = constant_result(recipe.f, y)
            gradient = [0.0] * tape.n_pinned
        if recipe.has_aux:
            y = y, aux
        if recipe.one:
            return y, (<Shape>shapes[0]).fill(gradient, &place)
        return y, tuple([(<Shape>shape).fill(gradient, &place) for shape in shapes])
    finally:
        give_tape(tape)


cdef object call_on_level(fad_tape *tape, bint strict, f, list args, dict kwargs):
    """f on numbers of the tape, or level of Duals; strict only while it runs."""
    tape.strict = strict
    try:
        return f(*args, **kwargs)
    finally:
        tape.strict = False


cdef list lift(fad_tape *tape, Recipe recipe, tuple args, list shapes):
    """args with inputs, the first nodes of the tape, for the numbers at recipe.argnums."""
    cdef Py_ssize_t k, place = 0
    cdef list numbers_ = []
    cdef list lifted = list(args)
    for k in range(len(recipe.argnums)):
        shapes.append(take_apart(args[position_of(recipe, k, args)], numbers_))
    numbers_ = inputs_for(tape, numbers_)
    for k in range(len(recipe.argnums)):
        lifted[position_of(recipe, k, args)] = (<Shape>shapes[k]).fill(numbers_, &place)
    return lifted


cdef Py_ssize_t position_of(Recipe recipe, Py_ssize_t k, tuple args) except -1:
    """The position of the k-th of the argnums among these arguments."""
    cdef Py_ssize_t n = len(args), argnum = recipe.argnums[k]
    if -n <= argnum < n:
        return argnum + n if argnum < 0 else argnum
    raise ArgumentError(
        f"argnums={argnum}, but {name_of(recipe.f)} was called with {n} positional "
        f"argument{'' if n == 1 else 's'}: pass what is differentiated by position"
    )


cdef list inputs_for(fad_tape *tape, list numbers_):
    """A new, pinned input for each number: the first nodes of the tape."""
    cdef list inputs
    if are_all_floats(numbers_):
        inputs = new_inputs(tape, numbers_)
    else:
        inputs = [
            lift_outer(tape, x) if is_ours(x) else new_input(tape, x) for x in numbers_
        ]
    tape.n_pinned = tape.n_nodes
    return inputs


cdef Var lift_outer(fad_tape *tape, outer):
    """A new input whose value is a number of an outer level."""
    check_fresh(outer)
    cdef Var x = new_input(tape, primal(outer))
    if tape.outer == NULL:
        open_to_outer(tape, x, outer)
    (<Outer>tape.outer).values[x.id] = outer
    return x


cdef list gradient_of(Var y, bint raises):
    """The derivatives of y to the pinned inputs: floats, or numbers of outer levels."""
    cdef fad_tape *tape = y.tape
    if tape.outer != NULL:
        return sweep_nested(tape, {y.id: 1.0}, raises)
    sweep(tape, y.id, 1.0, raises)
    return take_gradient(tape)


cdef list take_gradient(fad_tape *tape):
    """The adjoints of the pinned inputs, which are 0 again afterwards."""
    gradient = list_of_floats(tape.adjoints, tape.n_pinned)
    if tape.last_input == FAD_NO_NODE or tape.last_input < tape.n_pinned:
        memset(tape.adjoints, 0, tape.n_pinned * sizeof(double))
    else:
        clear_inputs(tape)  # also of constants that `where` has chosen
    return gradient


cdef object plain(x, fad_tape *tape):
    """x with values in place of Vars of the tape, in containers too."""
    if type(x) is Var:
        return value_one_level_out(x) if belongs(<Var>x, tape) else x
    Py_EnterRecursiveCall(" in nested containers")
    try:
        return plain_container(x, type(x), tape)
    finally:
        Py_LeaveRecursiveCall()


cdef object plain_container(x, kind, fad_tape *tape):
    if kind is list:
        return [plain(item, tape) for item in x]
    if isinstance(x, tuple):
        return as_tuple(kind, [plain(item, tape) for item in x])
    if kind is dict:
        return {key: plain(item, tape) for key, item in x.items()}
    if is_array(x) and x.dtype == object:
        return as_array([plain(item, tape) for item in x.ravel().tolist()], x.shape)
    return x


cdef object value_and_aux(f, result):
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise ResultError(
        f"{name_of(f)} returned {short(result)}, {a_type(result)}: with has_aux=True it must "
        "return a pair (value, aux)"
    )


cdef object without_array(y):
    """The one entry of an array without axes, which is what `numpy.where` makes of a number."""
    return y[()] if is_array(y) and y.ndim == 0 else y


cdef object constant_result(f, y):
    """A result that does not depend on the inputs, as a float; ResultError if it is none."""
    cdef double value = 0.0
    if not is_ours(y):
        y = without_array(y)
    if is_ours(y):
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
    elif isinstance(y, (list, tuple, dict)) or is_array(y):
        advice += "; sum up its entries, or differentiate them one by one"
    raise ResultError(f"{name_of(f)} returned {short(y)}, {a_type(y)}: {advice}")


cdef str name_of(f):
    return getattr(f, "__name__", None) or short(f)


cdef str argument_named(f, Py_ssize_t k, str place=""):
    """'argument 1 (x)', or 'argument 1 (x.field[2])' for a place in it."""
    name = parameter_name(f, k)
    if not name and not place:
        return f"argument {k}"
    return f"argument {k} ({name or '...'}{place})"


cdef str parameter_name(f, Py_ssize_t k):
    """Of the parameter that takes the k-th positional argument; '' if it has none."""
    import inspect
    cdef Py_ssize_t n = 0
    try:
        parameters = inspect.signature(f).parameters.values()
    except Exception:  # as of some builtins; and of whatever has an odd __signature__
        return ""
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return f"{parameter.name}[{k - n}]"
        if parameter.kind is parameter.KEYWORD_ONLY or parameter.kind is parameter.VAR_KEYWORD:
            break
        if n == k:
            return parameter.name
        n += 1
    return ""
